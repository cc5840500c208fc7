//! Tokens that are no longer good although their signature and time are: who signed out, and which refresh
//! tokens were used. Kept in the store ([`Revocation`]), asked here.
//!
//! Three kinds of marks, by what their key says: `user:USER` (everywhere), `sid:SIGN-IN:USER` (one sign-in),
//! `refresh:SIGN-IN:USER` (its refresh tokens up to a time were used). The last one holds the token that came
//! of the last use as well: it runs out when that one does, so the time of its making follows from it.
//! Deciding reads the time under the same lock as it marks (so it is given as a function); a token made at the same moment is before or
//! after a sign-out, never beside it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use headwater_core::port::store::Revocation;
use headwater_core::{Millis, UserId, limit};
use tokio::sync::watch;

use super::token::{Identity, REFRESH_SECONDS, SignIn};

/// Later than every time: what is marked with it never becomes good again.
const FOREVER: Millis = Millis((1 << 53) - 1);
/// How long a refresh token lives.
const REFRESH: Duration = Duration::from_secs(REFRESH_SECONDS.unsigned_abs());
/// How often a full table is looked through for what has run out.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// There is no room for another mark; nothing was marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// What becomes of a refresh token that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It is used: the next pair is made at this time. The mark is to be kept before the pair is handed out.
    Next {
        /// When the pair is made.
        at: Millis,
        /// To be kept; `None` where there was no room, and a second use will not be noticed.
        mark: Option<Revocation>,
    },
    /// It was used before, and not just now: somebody else has it. Its sign-in is over; to be kept.
    Stolen(Vec<Revocation>),
    /// It was signed out.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    SignIn(SignIn),
    Refresh(SignIn),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    issued_until: Millis,
    expires: Millis,
}

/// What is known about one user.
#[derive(Debug, Default)]
struct Marks {
    everywhere: Option<Mark>,
    some: HashMap<What, Mark>,
}

#[derive(Debug)]
struct Table {
    users: HashMap<UserId, Marks>,
    count: usize,
    /// When it was last looked through.
    swept: Millis,
    most: usize,
    most_each: usize,
}

/// The table. Shared by every reading of a token and by every open connection.
#[derive(Debug)]
pub struct Revoked {
    table: Mutex<Table>,
    /// Counts sign-outs: who holds a connection open looks again when it moves.
    moved: watch::Sender<u64>,
}

impl Default for Revoked {
    fn default() -> Self {
        Self::with_room(limit::REVOCATIONS, limit::REVOCATIONS_PER_USER)
    }
}

impl Revoked {
    fn with_room(most: usize, most_each: usize) -> Self {
        let table = Table { users: HashMap::new(), count: 0, swept: Millis(0), most, most_each };
        Self { table: Mutex::new(table), moved: watch::Sender::new(0) }
    }

    /// Takes over what the store has kept.
    pub fn load(&self, kept: Vec<Revocation>) {
        let mut table = self.lock();
        for Revocation { key, issued_until, expires } in kept {
            let mark = Mark { issued_until, expires };
            match read_key(&key) {
                Some((user, None)) => table.everywhere(&user, mark),
                // What was kept is not forgotten for want of room: the bound is on what is added.
                Some((user, Some(what))) => table.put(&user, what, mark),
                None => {
                    tracing::warn!("a sign-out of an unknown kind is kept in the store; it has no effect")
                }
            }
        }
        drop(table);
        self.moved.send_modify(|n| *n += 1);
    }

    /// Moves with every sign-out.
    #[must_use]
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// Whether this identity was signed out.
    #[must_use]
    pub fn has(&self, identity: &Identity) -> bool {
        self.lock().over(identity).is_some()
    }

    /// Signs out: one sign-in, or all of the user. Gives back what is to be kept; for a token that was
    /// signed out already that is what says so, and nothing new is marked.
    ///
    /// # Errors
    /// [`Full`]; the sign-in is still good then.
    pub fn sign_out(
        &self,
        identity: &Identity,
        everywhere: bool,
        now: impl FnOnce() -> Millis,
    ) -> Result<Vec<Revocation>, Full> {
        let mut table = self.lock();
        let user = &identity.who.user;
        if let Some((what, mark)) = table.over(identity) {
            return Ok(vec![revocation(user, what, mark)]);
        }
        let now = now();
        let runs_out = identity.expires.unwrap_or(now).max(now.after(longest(identity, everywhere)));
        let crowded = table.users.get(user).is_some_and(|m| m.some.len() >= table.most_each);
        if !crowded {
            table.make_room(now)?;
        }
        let kept = if everywhere || crowded {
            // One mark in place of many: whoever signed out so often has no other sign-in that he would miss.
            let mark = Mark { issued_until: now, expires: runs_out };
            table.everywhere(user, mark);
            revocation(user, None, mark)
        } else {
            let what = What::SignIn(identity.sign_in);
            // Where others name the sign-ins, the same name may come back with a new token.
            let issued_until = if identity.outside { now } else { FOREVER };
            let mark = Mark { issued_until, expires: runs_out };
            table.put(user, what, mark);
            revocation(user, Some(what), mark)
        };
        drop(table);
        self.moved.send_modify(|n| *n += 1);
        Ok(vec![kept])
    }

    /// When the first tokens of a new sign-in are made: now, but after every sign-out of the user.
    #[must_use]
    pub fn first(&self, user: &UserId, now: impl FnOnce() -> Millis) -> Millis {
        let table = self.lock();
        after(now(), table.users.get(user).and_then(|m| m.everywhere))
    }

    /// Uses a refresh token. The one that was used last may be used again for [`limit::REFRESH_GRACE`], and
    /// gives the same pair: that is a client whose answer was lost, or its second window.
    #[must_use]
    pub fn refresh(&self, identity: &Identity, now: impl FnOnce() -> Millis) -> Turn {
        let mut table = self.lock();
        let (user, what) = (&identity.who.user, What::Refresh(identity.sign_in));
        if table.over(identity).is_some() {
            return Turn::Over;
        }
        let now = now();
        let marks = table.users.get(user);
        let (used, everywhere) =
            (marks.and_then(|m| m.some.get(&what)).copied(), marks.and_then(|m| m.everywhere));
        // After the token itself as well: two uses may fall on one millisecond.
        let mut at = after(after(now, everywhere), used).max(Millis(identity.issued.0.saturating_add(1)));
        match used {
            Some(used) if identity.issued == used.issued_until => {
                let made = Millis(used.expires.0 - duration_millis(REFRESH));
                if made.until(now) > limit::REFRESH_GRACE {
                    return self.stolen(table, identity, now);
                }
                at = made;
            }
            Some(used) if identity.issued < used.issued_until => return self.stolen(table, identity, now),
            Some(_) | None => {}
        }
        let mark = Mark { issued_until: identity.issued, expires: at.after(REFRESH) };
        let known = used.is_some();
        if !known && table.users.get(user).is_some_and(|m| m.some.len() >= table.most_each) {
            table.forget_one_use(user);
        }
        if !known && table.make_room(now).is_err() {
            return Turn::Next { at, mark: None };
        }
        table.put(user, what, mark);
        Turn::Next { at, mark: Some(revocation(user, Some(what), mark)) }
    }

    fn stolen(&self, mut table: MutexGuard<'_, Table>, identity: &Identity, now: Millis) -> Turn {
        let (user, what) = (&identity.who.user, What::SignIn(identity.sign_in));
        let mark = Mark { issued_until: FOREVER, expires: now.after(REFRESH) };
        // In place of the mark of its uses, so that there is always room.
        table.take(user, What::Refresh(identity.sign_in));
        table.put(user, what, mark);
        drop(table);
        self.moved.send_modify(|n| *n += 1);
        Turn::Stolen(vec![revocation(user, Some(what), mark)])
    }

    /// Takes the last use of a refresh token back: it could not be kept, and its pair was given to nobody.
    pub fn unuse(&self, identity: &Identity) {
        let mut table = self.lock();
        let marks = table.users.get_mut(&identity.who.user);
        if let Some(mark) = marks.and_then(|m| m.some.get_mut(&What::Refresh(identity.sign_in)))
            && mark.issued_until == identity.issued
        {
            // Those before it stay used.
            mark.issued_until = Millis(identity.issued.0.saturating_sub(1));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing is left half done by a panic: every change is one insertion.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Which mark ends this identity.
    fn over(&self, identity: &Identity) -> Option<(Option<What>, Mark)> {
        let marks = self.users.get(&identity.who.user)?;
        let ends = |mark: &Mark| identity.issued <= mark.issued_until;
        if let Some(mark) = marks.everywhere.filter(ends) {
            return Some((None, mark));
        }
        let what = What::SignIn(identity.sign_in);
        marks.some.get(&what).copied().filter(ends).map(|mark| (Some(what), mark))
    }

    fn everywhere(&mut self, user: &UserId, mark: Mark) {
        let marks = self.users.entry(user.clone()).or_default();
        if marks.everywhere.is_none() {
            self.count += 1;
        }
        marks.everywhere = Some(later(marks.everywhere, mark));
        // What it covers need not be said twice. A use of a refresh token made before is covered too.
        let before = marks.some.len();
        marks.some.retain(|what, m| match what {
            What::SignIn(_) => m.issued_until > mark.issued_until && m.issued_until != FOREVER,
            What::Refresh(_) => m.expires > mark.expires,
        });
        self.count -= before - marks.some.len();
    }

    fn put(&mut self, user: &UserId, what: What, mark: Mark) {
        let slot = self.users.entry(user.clone()).or_default().some.entry(what);
        match slot {
            std::collections::hash_map::Entry::Occupied(mut old) => {
                let both = later(Some(*old.get()), mark);
                old.insert(both);
            }
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(mark);
                self.count += 1;
            }
        }
    }

    fn take(&mut self, user: &UserId, what: What) {
        if self.users.get_mut(user).is_some_and(|m| m.some.remove(&what).is_some()) {
            self.count -= 1;
        }
    }

    /// Of one user's uses, the one that runs out first makes room: the sign-in that has been quiet longest.
    fn forget_one_use(&mut self, user: &UserId) {
        let uses = self.users.get(user).into_iter().flat_map(|m| &m.some);
        let uses = uses.filter(|(what, _)| matches!(what, What::Refresh(_)));
        if let Some(what) = uses.min_by_key(|(_, mark)| mark.expires).map(|(what, _)| *what) {
            self.take(user, what);
        }
    }

    fn make_room(&mut self, now: Millis) -> Result<(), Full> {
        // Not at every call, or a full table would be read whole each time.
        if self.count >= self.most && self.swept.until(now) >= SWEEP_EVERY {
            self.swept = now;
            self.users.retain(|_, marks| {
                marks.some.retain(|_, mark| mark.expires > now);
                marks.everywhere = marks.everywhere.filter(|mark| mark.expires > now);
                !marks.some.is_empty() || marks.everywhere.is_some()
            });
            let each = |m: &Marks| m.some.len() + usize::from(m.everywhere.is_some());
            self.count = self.users.values().map(each).sum();
        }
        if self.count < self.most {
            return Ok(());
        }
        tracing::error!(marks = self.count, "no more sign-outs can be kept until others have run out");
        Err(Full)
    }
}

/// How long tokens may live that this sign-out ends, from now on: our own are known, others' only bounded.
fn longest(identity: &Identity, everywhere: bool) -> Duration {
    let own = identity.who.guest || !(everywhere || identity.outside);
    if own { REFRESH } else { limit::TOKEN_TIME }
}

fn later(old: Option<Mark>, new: Mark) -> Mark {
    old.map_or(new, |old| Mark {
        issued_until: old.issued_until.max(new.issued_until),
        expires: old.expires.max(new.expires),
    })
}

/// `now`, or the first moment after what is marked.
fn after(now: Millis, mark: Option<Mark>) -> Millis {
    mark.map_or(now, |mark| now.max(Millis(mark.issued_until.0.saturating_add(1))))
}

fn duration_millis(duration: Duration) -> i64 {
    Millis(0).after(duration).0
}

fn revocation(user: &UserId, what: Option<What>, mark: Mark) -> Revocation {
    let key = match what {
        None => format!("user:{user}"),
        Some(What::SignIn(name)) => format!("sid:{name}:{user}"),
        Some(What::Refresh(name)) => format!("refresh:{name}:{user}"),
    };
    Revocation { key, issued_until: mark.issued_until, expires: mark.expires }
}

fn read_key(key: &str) -> Option<(UserId, Option<What>)> {
    let (kind, rest) = key.split_once(':')?;
    if kind == "user" {
        return Some((UserId::parse(rest).ok()?, None));
    }
    let (name, user) = rest.split_once(':')?;
    let mut sign_in = [0; 16];
    if name.len() != 32 || !name.is_ascii() {
        return None;
    }
    for (n, byte) in sign_in.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&name[2 * n..2 * n + 2], 16).ok()?;
    }
    let what = match kind {
        "sid" => What::SignIn(SignIn(sign_in)),
        "refresh" => What::Refresh(SignIn(sign_in)),
        _ => return None,
    };
    Some((UserId::parse(user).ok()?, Some(what)))
}

#[cfg(test)]
#[path = "revoked_tests.rs"]
mod tests;
