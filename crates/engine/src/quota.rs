//! How many runs somebody may make of one kind, in all or in each day or month. Counted in the store, so that a
//! restart forgets nothing, and taken before the run is made: of two that come at once for the last one, one gets it.
//!
//! A counter only goes up. What was taken for a run that then could not be made, or ended without an answer and with
//! nothing used, is given back by a second counter beside the first: a user has used `taken - returned`.

use std::time::Duration;

use headwater_core::code::{Code, Error};
use headwater_core::port::SharedStore;
use headwater_core::port::store::StoreError;
use headwater_core::{Millis, UserId, limit};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// What the counters stand under that never come back, which are kept for ever.
const KIND: &str = "quota";
/// What those stand under that do: nobody asks for one again once its period is over.
const PASSING: &str = "quota_period";

/// When what was used comes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Period {
    /// Never.
    #[default]
    Ever,
    /// At midnight UTC.
    Day,
    /// With the first of the month, UTC.
    Month,
}

/// A quota; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What is counted, one of our words, such as `generations`.
    pub of: &'static str,
    /// The most that one user may have.
    pub most: u64,
    /// In how long.
    pub per: Period,
}

/// What was taken of a quota; to be given back where nothing came of it.
#[derive(Debug)]
pub(crate) struct Taken {
    owner: UserId,
    kind: &'static str,
    key: String,
}

/// Forgets counters whose period is over, at most `limit` of them; says how many.
///
/// # Errors
/// The store's.
pub(crate) async fn forget(store: &SharedStore, now: Millis, limit: usize) -> Result<usize, StoreError> {
    let keep = i64::try_from(limit::QUOTA_KEPT.as_millis()).unwrap_or(i64::MAX);
    store.forget_counters(PASSING, Millis(now.0.saturating_sub(keep)), limit).await
}

impl Quota {
    /// How many of these the user has used.
    ///
    /// # Errors
    /// The store's.
    pub async fn used(&self, store: &SharedStore, owner: &UserId, now: Millis) -> Result<u64, StoreError> {
        let (kind, key) = (self.kind(), self.key(now));
        let taken = store.count(owner, kind, &key, 0, u64::MAX, now).await?.value;
        let returned = store.count(owner, kind, &back(&key), 0, u64::MAX, now).await?.value;
        Ok(taken.saturating_sub(returned))
    }

    /// Takes one.
    pub(crate) async fn take(
        &self,
        store: &SharedStore,
        owner: &UserId,
        now: Millis,
    ) -> Result<Result<Taken, Error>, StoreError> {
        let (kind, key) = (self.kind(), self.key(now));
        // Read first: it only goes up, so that an old value can only refuse.
        let returned = store.count(owner, kind, &back(&key), 0, u64::MAX, now).await?.value;
        let most = self.most.saturating_add(returned);
        let counted = store.count(owner, kind, &key, 1, most, now).await?;
        Ok(if counted.taken { Ok(Taken { owner: owner.clone(), kind, key }) } else { Err(self.used_up(now)) })
    }

    fn kind(&self) -> &'static str {
        match self.per {
            Period::Ever => KIND,
            Period::Day | Period::Month => PASSING,
        }
    }

    fn key(&self, now: Millis) -> String {
        let of = self.of;
        match (self.per, date(now)) {
            (Period::Ever, _) => of.to_owned(),
            (Period::Day, date) => format!("{of} {date}"),
            (Period::Month, date) => format!("{of} {:04}-{:02}", date.year(), date.month()),
        }
    }

    /// The words say when it comes back.
    fn used_up(&self, now: Millis) -> Error {
        let (of, most) = (self.of, self.most);
        let (back, after) = match self.per {
            // Nobody knows when; who obeys `Retry-After` looks once a day whether the operator has raised it.
            Period::Ever => (
                "they do not come back by themselves; ask whoever runs this server for more".to_owned(),
                Duration::from_secs(24 * 60 * 60),
            ),
            Period::Day => comes_back(date(now).checked_add(1.day()), now),
            Period::Month => comes_back(date(now).first_of_month().checked_add(1.month()), now),
        };
        Error {
            retry_after: Some(after.as_secs().max(1)),
            ..Error::new(Code::RateLimited, format!("All {most} {of} of yours are used; {back}"))
        }
    }
}

impl Taken {
    /// Nothing came of it.
    pub(crate) async fn give_back(self, store: &SharedStore, now: Millis) {
        if let Err(error) = store.count(&self.owner, self.kind, &back(&self.key), 1, u64::MAX, now).await {
            tracing::warn!(%error, "what was taken of a quota could not be given back");
        }
    }
}

fn back(key: &str) -> String {
    format!("{key} returned")
}

fn date(now: Millis) -> Date {
    let at = Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::UTC).date()
}

fn comes_back(day: Result<Date, jiff::Error>, now: Millis) -> (String, Duration) {
    let day = day.unwrap_or(Date::MAX);
    let begins = day.to_zoned(TimeZone::UTC).map(|at| Millis(at.timestamp().as_millisecond()));
    (format!("they come back on {day} at 00:00 UTC"), now.until(begins.unwrap_or(now)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_store::MemoryStore;

    use super::*;

    const FEBRUARY_27: Millis = Millis(1_772_150_400_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn quota(per: Period) -> Quota {
        Quota { of: "generations", most: 2, per }
    }

    #[tokio::test]
    async fn what_is_used_up_comes_back_when_the_words_say() {
        let ann = UserId::parse("ann").unwrap();
        for (per, words, hours) in [
            (Period::Ever, "ask whoever runs this server", None),
            (Period::Day, "they come back on 2026-02-28 at 00:00 UTC", Some(24)),
            (Period::Month, "they come back on 2026-03-01 at 00:00 UTC", Some(48)),
        ] {
            let store: SharedStore = Arc::new(MemoryStore::new());
            let quota = quota(per);
            for used in 1..=2 {
                quota.take(&store, &ann, FEBRUARY_27).await.unwrap().unwrap();
                assert_eq!(quota.used(&store, &ann, FEBRUARY_27).await.unwrap(), used);
            }
            let over = quota.take(&store, &ann, FEBRUARY_27).await.unwrap().unwrap_err();
            assert!(over.message.starts_with("All 2 generations of yours are used; "), "{over}");
            assert!(over.message.contains(words), "{over}");
            let later = FEBRUARY_27.after(HOUR * hours.unwrap_or(24 * 365));
            if let Some(hours) = hours {
                assert_eq!(over.retry_after, Some(u64::from(hours) * 3_600));
                assert!(quota.take(&store, &ann, Millis(later.0 - 1)).await.unwrap().is_err(), "too early");
            }
            assert_eq!(quota.take(&store, &ann, later).await.unwrap().is_ok(), hours.is_some(), "{per:?}");
            let bob = UserId::parse("bob").unwrap();
            assert_eq!(quota.used(&store, &bob, FEBRUARY_27).await.unwrap(), 0, "another's");
        }
    }

    #[tokio::test]
    async fn what_is_given_back_can_be_taken_again() {
        let (ann, store): (_, SharedStore) = (UserId::parse("ann").unwrap(), Arc::new(MemoryStore::new()));
        let quota = quota(Period::Ever);
        for _ in 0..5 {
            let taken = quota.take(&store, &ann, FEBRUARY_27).await.unwrap().unwrap();
            taken.give_back(&store, FEBRUARY_27).await;
        }
        assert_eq!(quota.used(&store, &ann, FEBRUARY_27).await.unwrap(), 0);
        for ok in [true, true, false] {
            assert_eq!(quota.take(&store, &ann, FEBRUARY_27).await.unwrap().is_ok(), ok);
        }
    }

    // Planted fault: what never comes back under the same kind as the rest. It came back.
    #[tokio::test]
    async fn what_is_over_is_forgotten_and_what_counts_is_not() {
        let (ann, store): (_, SharedStore) = (UserId::parse("ann").unwrap(), Arc::new(MemoryStore::new()));
        let per = [Period::Ever, Period::Day, Period::Month];
        let used = async |at| {
            let mut used = Vec::new();
            for per in per {
                used.push(quota(per).used(&store, &ann, at).await.unwrap());
            }
            used
        };
        for per in per {
            quota(per).take(&store, &ann, FEBRUARY_27).await.unwrap().unwrap();
        }
        for (later, forgotten, left) in
            [(24, 0, [1, 1, 1]), (24 * 365, 2, [1, 0, 0]), (24 * 365, 0, [1, 0, 0])]
        {
            let now = FEBRUARY_27.after(HOUR * later);
            assert_eq!(forget(&store, now, 9).await.unwrap(), forgotten);
            assert_eq!(used(FEBRUARY_27).await, left);
        }
    }
}
