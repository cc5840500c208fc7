//! An allowance for each of many keys: users, addresses.
//!
//! Memory is bounded. A key whose allowance is whole again is forgotten; where [`limit::ALLOWANCE_KEYS`] are
//! remembered all the same, everybody shares one larger allowance until there is room: neither are newcomers
//! shut out, nor does measuring stop.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use governor::clock::Clock as Time;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use headwater_core::limit;
use headwater_core::rate::Rate;
use parking_lot::Mutex;

/// How many allowances are shared while the book of keys is full.
const CROWD: u32 = 100;
/// How often a full book is looked through, which costs a millisecond or two.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The runtime's time, which tests can pause.
#[derive(Debug, Clone, Copy)]
struct Steady;

impl Time for Steady {
    type Instant = Instant;

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

type Nothing = NoOpMiddleware<Instant>;

/// See the module. One that holds no rate lets everything pass.
pub struct Allowances<K: Hash + Eq + Clone>(Option<Book<K>>);

struct Book<K: Hash + Eq + Clone> {
    each: RateLimiter<K, HashMapStateStore<K>, Steady, Nothing>,
    crowd: RateLimiter<NotKeyed, InMemoryState, Steady, Nothing>,
    most: usize,
    swept: Mutex<Option<Instant>>,
}

impl<K: Hash + Eq + Clone> fmt::Debug for Allowances<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowances").field("keys", &self.keys()).finish_non_exhaustive()
    }
}

impl<K: Hash + Eq + Clone> Allowances<K> {
    /// This rate for each key; without one, everything passes.
    #[must_use]
    pub fn new(rate: Option<Rate>) -> Self {
        Self::with_room(rate, limit::ALLOWANCE_KEYS)
    }

    /// With room for this many keys.
    #[must_use]
    pub fn with_room(rate: Option<Rate>, most: usize) -> Self {
        Self(rate.and_then(|rate| {
            let quota = |times: u32| {
                let burst = NonZeroU32::new(rate.burst.saturating_mul(times)).unwrap_or(NonZeroU32::MIN);
                let step = (rate.step() / times).max(Duration::from_nanos(1));
                // `None` only for a step of nothing, which there is none of.
                Quota::with_period(step).map(|quota| quota.allow_burst(burst))
            };
            Some(Book {
                each: RateLimiter::hashmap_with_clock(quota(1)?, Steady),
                crowd: RateLimiter::direct_with_clock(quota(CROWD)?, Steady),
                most,
                swept: Mutex::new(None),
            })
        }))
    }

    /// Takes one of this key's.
    ///
    /// # Errors
    /// After how long there is one; nothing was taken then.
    pub fn take(&self, key: &K) -> Result<(), Duration> {
        let Some(book) = &self.0 else { return Ok(()) };
        let refused = if book.has_room() { book.each.check_key(key).err() } else { book.crowd.check().err() };
        refused.map_or(Ok(()), |until| Err(until.wait_time_from(Steady.now())))
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.0.as_ref().map_or(0, |book| book.each.len())
    }
}

impl<K: Hash + Eq + Clone> Book<K> {
    fn has_room(&self) -> bool {
        if self.each.len() < self.most {
            return true;
        }
        let now = Steady.now();
        let mut swept = self.swept.lock();
        if swept.is_some_and(|at| now.saturating_duration_since(at) < SWEEP_EVERY) {
            return false;
        }
        *swept = Some(now);
        self.each.retain_recent();
        let room = self.each.len() < self.most;
        if !room {
            tracing::warn!(keys = self.most, "more callers at once than are counted one by one");
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn each_key_has_its_own_and_it_comes_back() {
        let some = Allowances::new(Some(Rate::per_minute(60, 2)));
        assert_eq!((some.take(&1), some.take(&1)), (Ok(()), Ok(())));
        assert_eq!(some.take(&1), Err(Duration::from_secs(1)));
        assert_eq!(some.take(&2), Ok(()));
        advance(Duration::from_secs(1)).await;
        assert_eq!(some.take(&1), Ok(()));
        assert!(some.take(&1).is_err());
        let none = Allowances::new(None);
        assert!((0..10_000).all(|_| none.take(&1).is_ok()));
    }

    // Planted fault: `has_room` always true; the keys then grew with every caller.
    #[tokio::test(start_paused = true)]
    async fn the_book_is_bounded_and_newcomers_are_still_measured() {
        let some = Allowances::with_room(Some(Rate::per_minute(60, 1)), 50);
        let passed = (0..10_000).filter(|key| some.take(key).is_ok()).count();
        assert_eq!(passed, 50 + CROWD as usize);
        assert_eq!(some.keys(), 50);
        // What is whole again is forgotten, and there is room.
        advance(Duration::from_secs(2)).await;
        assert_eq!(some.take(&20_000), Ok(()));
        assert_eq!(some.keys(), 1);
        assert!(some.take(&20_000).is_err());
    }
}
