//! Where abilities are kept: records of kind `ability`, one for each subject of a user, JSON of [`Ability`].

use headwater_core::port::records::{Expect, Record, Records};
use headwater_core::port::store::StoreError;
use headwater_core::{Millis, UserId, limit};
use sha2::{Digest, Sha256};

use super::{Ability, Evidence};

/// The records' kind.
pub const KIND: &str = "ability";

/// The subject of a turn whose client names none.
pub const GENERAL: &str = "general";

/// The key under which a subject is kept: its words in lower case with single blanks, so that "Linear  Algebra" is "linear
/// algebra". One that is too long for a key ends in a digest of all of it, so that two long ones stay two.
#[must_use]
pub fn key(subject: &str) -> String {
    let words: Vec<String> = subject.split_whitespace().map(str::to_lowercase).collect();
    let key = words.join(" ");
    if key.is_empty() {
        return GENERAL.to_owned();
    }
    if key.len() <= limit::RECORD_KEY_BYTES {
        return key;
    }
    let digest: String = Sha256::digest(&key).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let room = key.floor_char_boundary(limit::RECORD_KEY_BYTES - digest.len() - 1);
    format!("{} {digest}", &key[..room])
}

/// What is known of this user in this subject; what everybody begins with where nothing is.
///
/// # Errors
/// Where the store fails.
pub async fn load(store: &dyn Records, owner: &UserId, subject: &str) -> Result<Ability, StoreError> {
    let key = key(subject);
    Ok(store.record(owner, KIND, &key).await?.map_or_else(Ability::default, |record| read(&record)))
}

/// Learns from a turn at this difficulty, and keeps it: what is known now, stored already. Of two turns at once each learns
/// on top of the other. Of more than [`limit::SUBJECTS_PER_USER`] subjects the one goes that was longest not touched.
///
/// # Errors
/// Where the store fails, or others change the same record [`limit::ABILITY_TRIES`] times in between.
pub async fn learn(
    store: &dyn Records,
    owner: &UserId,
    subject: &str,
    (seen, difficulty): (&Evidence, f64),
    at: Millis,
) -> Result<Ability, StoreError> {
    let key = key(subject);
    for _ in 0..limit::ABILITY_TRIES {
        let stands = store.record(owner, KIND, &key).await?;
        let (before, expect) = match &stands {
            Some(record) => (read(record), Expect::Version(record.version)),
            None => {
                make_room(store, owner).await?;
                (Ability::default(), Expect::Absent)
            }
        };
        let after = before.learn(seen, difficulty);
        let value = serde_json::to_string(&after)
            .map_err(|_| StoreError("what was learned of an ability cannot be written down".to_owned()))?;
        if store.put_record(owner, KIND, (&key, &value), expect, at).await?.is_some() {
            return Ok(after);
        }
    }
    Err(StoreError("an ability was changed by others each time that it was about to be kept".to_owned()))
}

/// What the record says; one that cannot be read is begun anew, and an operator told of it.
fn read(record: &Record) -> Ability {
    serde_json::from_str(&record.value).unwrap_or_else(|_| {
        tracing::warn!("a record of somebody's ability cannot be read and is begun anew");
        Ability::default()
    })
}

/// Clients name subjects as they like: without an end to it one user fills the store.
async fn make_room(store: &dyn Records, owner: &UserId) -> Result<(), StoreError> {
    let kept = store.records(owner, KIND, limit::SUBJECTS_PER_USER).await?;
    if kept.len() < limit::SUBJECTS_PER_USER {
        return Ok(());
    }
    if let Some(oldest) = kept.iter().min_by_key(|record| record.at) {
        store.delete_record(owner, KIND, &oldest.key).await?;
    }
    Ok(())
}
