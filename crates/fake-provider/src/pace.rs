//! The times between deltas, without a clock.

use std::time::Duration;

use crate::script::Script;

/// Says how long it is from a delta to the next.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Microseconds.
    gap: u64,
    jitter: u64,
    burst: u32,
    deltas: u32,
    random: u64,
}

impl Pace {
    pub(crate) fn of(script: &Script) -> Self {
        Self {
            gap: script.gap_ms.saturating_mul(1000),
            jitter: script.jitter_ms.saturating_mul(1000),
            burst: script.burst,
            deltas: 0,
            // What follows stands still at zero.
            random: script.seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// The time from this delta to the next.
    pub(crate) fn next(&mut self) -> Duration {
        self.deltas = self.deltas.wrapping_add(1);
        if self.burst > 1 {
            let over = self.deltas.is_multiple_of(self.burst);
            return Duration::from_micros(if over { self.gap.saturating_mul(self.burst.into()) } else { 0 });
        }
        if self.jitter == 0 {
            return Duration::from_micros(self.gap);
        }
        // xorshift: no need for anything better than the same row for the same seed.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let drawn = self.random % self.jitter.saturating_mul(2).saturating_add(1);
        Duration::from_micros(self.gap.saturating_add(drawn).saturating_sub(self.jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(script: &Script) -> Vec<u64> {
        let mut pace = Pace::of(script);
        (0..1000).map(|_| u64::try_from(pace.next().as_micros()).unwrap()).collect()
    }

    #[test]
    fn gaps_are_constant_drawn_around_it_or_gathered() {
        let constant = Script { gap_ms: 20, ..Script::default() };
        assert!(row(&constant).iter().all(|us| *us == 20_000));
        let drawn = Script { jitter_ms: 5, seed: 7, ..constant.clone() };
        assert_eq!(row(&drawn), row(&drawn));
        assert_ne!(row(&drawn), row(&Script { seed: 8, ..drawn.clone() }));
        let (least, most) = (row(&drawn).into_iter().min().unwrap(), row(&drawn).into_iter().max().unwrap());
        assert!((15_000..15_500).contains(&least) && (24_500..=25_000).contains(&most), "{least} {most}");
        let wide = Script { jitter_ms: u64::MAX, seed: 0, gap_ms: u64::MAX, ..Script::default() };
        assert_eq!(row(&wide).len(), 1000);
        let gathered = row(&Script { burst: 4, ..constant });
        assert_eq!(gathered[..5], [0, 0, 0, 80_000, 0]);
        assert_eq!(gathered.iter().sum::<u64>(), 20_000 * 1000);
    }
}
