//! Who has tried too often to sign in with a wrong password: for a while nobody signs in at that address.
//!
//! What is counted belongs to the address (an e-mail), whether anybody has an account there: otherwise being
//! locked would tell. The store keeps it too, so that a restart opens no door, and tells nothing either: of
//! accounts and of others the same way, see [`super::strangers`].
//!
//! A try is counted before its password is looked at ([`Lockouts::enter`]), so that many at once are no more
//! than many in turn.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use headwater_core::{Millis, limit};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::token::digest;

/// How often a full table is looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What is known of an address; also what the store keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Wrong passwords in a row, each within [`limit::SIGN_IN_LOCK`] of the one before.
    pub count: u32,
    /// When the last one came.
    pub last: Millis,
}

impl Failures {
    /// The same, where it still counts. What is from the future (a clock was set back) does not count for ever.
    pub(super) fn current(self, now: Millis) -> Option<Self> {
        counting(now).contains(&self.last).then_some(self)
    }
}

/// When those came that count at this time.
pub(super) fn counting(now: Millis) -> Range<Millis> {
    let lock = Millis(0).after(limit::SIGN_IN_LOCK).0;
    Millis(now.0.saturating_sub(lock).saturating_add(1))..now.after(limit::SIGN_IN_LOCK)
}

/// Why nobody may try now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// Too many were wrong; after so long somebody may try again.
    Locked(Duration),
    /// As many as may be wrong are being looked at.
    Crowded,
}

/// An address in the table: its digest, whose size is known.
pub(super) type Name = [u8; 16];

fn name(address: &str) -> Name {
    digest(&["sign in", address])
}

/// Under what name the store keeps an address that nobody has. What people type is also their password at times, and may
/// not be guessed from a database or a backup: it takes the installation's secret to make this.
pub(super) fn kept_name(secret: &hmac::Key, address: &str) -> Name {
    let mut name = Name::default();
    name.copy_from_slice(&hmac::sign(secret, address.as_bytes()).as_ref()[..16]);
    name
}

/// The same as the key of its record.
pub(super) fn key(name: Name) -> String {
    format!("{:032x}", u128::from_be_bytes(name))
}

/// Whose key this is; `None` for one that is none.
pub(super) fn read_key(text: &str) -> Option<Name> {
    let name = u128::from_str_radix(text, 16).ok()?.to_be_bytes();
    (key(name) == text).then_some(name)
}

#[derive(Debug, Default)]
struct Entry {
    failures: Option<Failures>,
    /// Tries that are being looked at.
    trying: u32,
}

#[derive(Debug)]
struct Table {
    entries: HashMap<Name, Entry>,
    most: usize,
    swept: Millis,
}

/// The table. One for the whole server, over all surfaces.
pub struct Lockouts(Mutex<Table>);

impl fmt::Debug for Lockouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lockouts(…)")
    }
}

impl Default for Lockouts {
    fn default() -> Self {
        Self::with_room(limit::SIGN_IN_ADDRESSES)
    }
}

impl Lockouts {
    fn with_room(most: usize) -> Self {
        Self(Mutex::new(Table { entries: HashMap::new(), most, swept: Millis(0) }))
    }

    /// Somebody wants to try this address (lower case). `kept` is what the store knows of it, which counts where
    /// the table knows nothing.
    ///
    /// # Errors
    /// [`Shut`]: his password is not to be looked at, right or wrong.
    pub fn enter(
        self: &Arc<Self>,
        address: &str,
        kept: Option<Failures>,
        now: Millis,
    ) -> Result<Attempt, Shut> {
        let name = name(address);
        let mut table = self.0.lock();
        let known = table.entries.get(&name);
        let failures = known.and_then(|e| e.failures).or(kept).and_then(|f| f.current(now));
        let (wrong, trying) = (failures.map_or(0, |f| f.count), known.map_or(0, |e| e.trying));
        if let Some(last) = failures.filter(|f| f.count >= limit::SIGN_IN_FAILURES).map(|f| f.last) {
            return Err(Shut::Locked(now.until(last.after(limit::SIGN_IN_LOCK))));
        }
        if wrong.saturating_add(trying) >= limit::SIGN_IN_FAILURES {
            return Err(Shut::Crowded);
        }
        if known.is_none() {
            table.make_room(now);
        }
        let entry = table.entries.entry(name).or_default();
        entry.failures = failures;
        entry.trying += 1;
        drop(table);
        Ok(Attempt { lockouts: Arc::clone(self), name })
    }

    /// Forgets what was wrong at this address.
    pub fn forget(&self, address: &str) {
        self.0.lock().forget(&name(address));
    }
}

impl Table {
    fn forget(&mut self, name: &Name) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.failures = None;
            if entry.trying == 0 {
                self.entries.remove(name);
            }
        }
    }

    /// Room for one more. There always is: each entry has cost a hash, see [`limit::SIGN_IN_ADDRESSES`].
    fn make_room(&mut self, now: Millis) {
        if self.entries.len() < self.most {
            return;
        }
        if self.swept.until(now) >= SWEEP_EVERY {
            self.swept = now;
            self.entries.retain(|_, e| e.trying > 0 || e.failures.is_some_and(|f| f.current(now).is_some()));
        }
        if self.entries.len() >= self.most {
            tracing::warn!(addresses = self.most, "more addresses with wrong passwords than are counted");
            let quiet = self.entries.iter().find(|(_, e)| e.trying == 0).map(|(name, _)| *name);
            quiet.and_then(|name| self.entries.remove(&name));
        }
    }
}

/// A try whose password may be looked at. Dropped without a word it has not been: who gave up learned nothing.
#[derive(Debug)]
pub struct Attempt {
    lockouts: Arc<Lockouts>,
    name: Name,
}

impl Attempt {
    /// It was wrong. What is now known of the address, to be kept before anybody is told.
    #[must_use]
    pub fn failed(&self, now: Millis) -> Failures {
        let mut table = self.lockouts.0.lock();
        let entry = table.entries.entry(self.name).or_default();
        let before = entry.failures.and_then(|f| f.current(now)).map_or(0, |f| f.count);
        let failures = Failures { count: before.saturating_add(1), last: now };
        entry.failures = Some(failures);
        failures
    }

    /// What others have added to this meanwhile, where they have.
    #[must_use]
    pub fn beyond(&self, kept: Failures) -> Option<Failures> {
        let failures = self.lockouts.0.lock().entries.get(&self.name).and_then(|e| e.failures);
        failures.filter(|f| f.count > kept.count)
    }

    /// It was right.
    pub fn succeeded(&self) {
        self.lockouts.0.lock().forget(&self.name);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut table = self.lockouts.0.lock();
        if let Some(entry) = table.entries.get_mut(&self.name) {
            entry.trying = entry.trying.saturating_sub(1);
            if entry.trying == 0 && entry.failures.is_none() {
                table.entries.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
#[path = "lockout_tests.rs"]
mod tests;
