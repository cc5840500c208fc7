//! Notices for people of a session who have no socket open: kept in the store, told when they come.
//!
//! A record of the kind [`KIND`] for each such user: a list of [`Kept`], oldest first, at most
//! [`limit::NOTICES_KEPT`]. Who has a socket is known for this node alone: on another one he may be told of what he has
//! heard already.

use headwater_core::port::SharedStore;
use headwater_core::port::bus::{Happening, Notice, Room};
use headwater_core::port::records::Expect;
use headwater_core::port::store::StoreError;
use headwater_core::{Millis, SessionId, UserId, limit};
use serde::{Deserialize, Serialize};

use super::presence::Presence;

/// The kind of the records, and the key of the one of each user.
const KIND: &str = "tutor.queue";
const KEY: &str = "notices";
/// Times that a record is written which somebody else writes at the same time.
const TRIES: usize = 5;

/// A notice that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Whose session.
    pub owner: UserId,
    /// Which one of his.
    pub session: SessionId,
    /// Who.
    pub user: UserId,
    /// What.
    pub what: What,
    /// When.
    pub at: Millis,
}

/// What is worth being told later. Who types, and who left, is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// He came.
    Joined,
    /// He says that he sent a message.
    Sent,
}

impl Kept {
    /// As it would have been told then.
    #[must_use]
    pub fn notice(&self) -> Notice {
        let what = match self.what {
            What::Joined => Happening::Joined,
            What::Sent => Happening::Sent,
        };
        Notice { user: self.user.clone(), connection: String::new(), what }
    }
}

/// Keeps a notice for everybody of the session who is not here. What cannot be kept is lost, as a notice may be.
pub(super) async fn keep(store: &SharedStore, presence: &Presence, room: &Room, notice: &Notice, at: Millis) {
    let what = match notice.what {
        Happening::Joined => What::Joined,
        Happening::Sent => What::Sent,
        Happening::Left | Happening::Typing(_) | Happening::Run(_) => return,
    };
    let Ok(members) = store.members(&room.owner, &room.session).await else { return };
    let (owner, session) = (room.owner.clone(), room.session.clone());
    let kept = Kept { owner, session, user: notice.user.clone(), what, at };
    for user in members.iter().chain([&room.owner]) {
        if *user != notice.user
            && !presence.is_here(user)
            && let Err(error) = change(store, user, at, |all| push(all, kept.clone())).await
        {
            tracing::warn!(%error, "a notice could not be kept");
        }
    }
}

/// What waits for this user.
pub(super) async fn waiting(store: &SharedStore, user: &UserId, at: Millis) -> Vec<Kept> {
    change(store, user, at, |all| all.clone()).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what was kept for a user could not be read");
        Vec::new()
    })
}

/// This was told: it waits no more. What cannot be forgotten is told again.
pub(super) async fn forget(store: &SharedStore, user: &UserId, told: &[Kept], at: Millis) {
    if let Err(error) = change(store, user, at, |all| all.retain(|kept| !told.contains(kept))).await {
        tracing::warn!(%error, "what was told to a user is still kept for him");
    }
}

fn push(all: &mut Vec<Kept>, kept: Kept) {
    let over = (all.len() + 1).saturating_sub(limit::NOTICES_KEPT);
    all.drain(..over);
    all.push(kept);
}

/// Changes a user's list so that nobody else's change at the same time is lost.
async fn change<T: Default>(
    store: &SharedStore,
    user: &UserId,
    at: Millis,
    change: impl Fn(&mut Vec<Kept>) -> T,
) -> Result<T, StoreError> {
    for _ in 0..TRIES {
        let record = store.record(user, KIND, KEY).await?;
        let expect = record.as_ref().map_or(Expect::Absent, |record| Expect::Version(record.version));
        // What cannot be read any more is of no use to anybody.
        let before: Vec<Kept> =
            record.and_then(|record| serde_json::from_str(&record.value).ok()).unwrap_or_default();
        let mut all = before.clone();
        let done = change(&mut all);
        if all == before {
            return Ok(done);
        }
        let value = serde_json::to_string(&all).map_err(|error| StoreError(error.to_string()))?;
        if store.put_record(user, KIND, (KEY, &value), expect, at).await?.is_some() {
            return Ok(done);
        }
    }
    Err(StoreError("too many change the same list".into()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn the_oldest_goes_and_what_was_told_is_forgotten() {
        let store: SharedStore = Arc::new(MemoryStore::new());
        let ann = UserId::parse("ann").unwrap();
        let kept = |n: usize| Kept {
            owner: ann.clone(),
            session: SessionId::parse("s").unwrap(),
            user: UserId::parse("bob").unwrap(),
            what: What::Sent,
            at: Millis(i64::try_from(n).unwrap()),
        };
        for n in 0..limit::NOTICES_KEPT + 3 {
            change(&store, &ann, Millis(0), |all| push(all, kept(n))).await.unwrap();
        }
        let told = waiting(&store, &ann, Millis(0)).await;
        assert_eq!((told.len(), told[0].at), (limit::NOTICES_KEPT, Millis(3)));
        assert_eq!(waiting(&store, &ann, Millis(0)).await, told, "nobody had it yet");
        // What came meanwhile is not forgotten with it.
        change(&store, &ann, Millis(0), |all| push(all, kept(999))).await.unwrap();
        forget(&store, &ann, &told, Millis(0)).await;
        assert_eq!(waiting(&store, &ann, Millis(0)).await, [kept(999)]);
    }
}
