//! How much in how long, and a count of it that holds no clock.

use std::time::Duration;

/// So much in so long, with some saved up: `amount` each `per`, evenly, and at most `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How much comes back in `per`; at least 1.
    pub amount: u32,
    /// In how long.
    pub per: Duration,
    /// The most that can be taken at once after a pause; at least 1.
    pub burst: u32,
}

impl Rate {
    /// This much each second.
    #[must_use]
    pub const fn per_second(amount: u32, burst: u32) -> Self {
        Self { amount, per: Duration::from_secs(1), burst }
    }

    /// This much each minute.
    #[must_use]
    pub const fn per_minute(amount: u32, burst: u32) -> Self {
        Self { amount, per: Duration::from_secs(60), burst }
    }

    /// How long one takes to come back; at least a nanosecond.
    #[must_use]
    pub fn step(&self) -> Duration {
        (self.per / self.amount.max(1)).max(Duration::from_nanos(1))
    }
}

/// What one holder has taken of a [`Rate`], in eight bytes: the time at which everything will have come
/// back (the "generic cell rate algorithm"). Time is an argument and counts from any fixed moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket(u64);

impl Bucket {
    /// Takes `n`.
    ///
    /// # Errors
    /// After how long `n` can be taken; nothing was taken then. Where `n` is more than the burst, that time
    /// never comes, and what is returned only says so for now.
    pub fn take(&mut self, rate: &Rate, now: Duration, n: u32) -> Result<(), Duration> {
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let (now, step) = (nanos(now), nanos(rate.step()));
        let full_again = self.0.max(now).saturating_add(step.saturating_mul(n.into()));
        let latest = now.saturating_add(step.saturating_mul(rate.burst.into()));
        if full_again > latest {
            return Err(Duration::from_nanos(full_again - latest));
        }
        self.0 = full_again;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_then_an_even_flow() {
        let rate = Rate::per_minute(60, 3);
        let at = Duration::from_secs;
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            assert_eq!(bucket.take(&rate, at(5), 1), Ok(()));
        }
        assert_eq!(bucket.take(&rate, at(5), 1), Err(at(1)));
        assert_eq!(bucket.take(&rate, at(6), 1), Ok(()));
        assert_eq!(bucket.take(&rate, at(6), 1), Err(at(1)));
        // A pause gives back the burst and no more.
        assert_eq!(bucket.take(&rate, at(1000), 3), Ok(()));
        assert_eq!(bucket.take(&rate, at(1000), 2), Err(at(2)));
        assert!(bucket.take(&rate, at(5000), 4).is_err());
    }

    proptest! {
        // Planted fault: `self.0` moved on a refusal; whoever asked too often then never got anything.
        #[test]
        fn never_more_than_the_burst_and_what_came_back(gaps in prop::collection::vec(0u64..400, 1..200)) {
            let rate = Rate::per_second(10, 5);
            let (mut bucket, mut now, mut taken) = (Bucket::default(), 0, 0u64);
            for gap in gaps {
                now += gap;
                match bucket.take(&rate, Duration::from_millis(now), 1) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        // What it says is true.
                        let mut later = bucket;
                        prop_assert_eq!(later.take(&rate, Duration::from_millis(now) + wait, 1), Ok(()));
                    }
                }
                prop_assert!(taken <= 5 + now / 100);
            }
        }
    }
}
