//! When one of many connections goes while the server drains: those on which nothing happens first, and not
//! all in one moment, or their clients would come back in one moment.

use std::time::Duration;

use tokio::time::Instant;

/// One connection's moment.
#[derive(Debug, Default)]
pub(super) struct Farewell(Option<Instant>);

impl Farewell {
    /// When to go; `None` while something happens. Decided when that is over, by chance, within the time that
    /// all the connections together may take.
    pub(super) fn at(&mut self, idle: bool, now: Instant, all: impl FnOnce() -> Duration) -> Option<Instant> {
        if !idle {
            self.0 = None;
            return None;
        }
        Some(*self.0.get_or_insert_with(|| now + part(all())))
    }
}

/// Any part of it.
fn part(of: Duration) -> Duration {
    let chance = getrandom::u32().unwrap_or_default();
    of.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Planted fault: `now` in place of `now + part(…)`; all then went in one moment.
    #[test]
    fn a_few_at_once_and_many_one_after_the_other() {
        let now = Instant::now();
        let at = |all: Duration| Farewell::default().at(true, now, || all).unwrap() - now;
        assert_eq!(at(Duration::ZERO), Duration::ZERO);
        let second = Duration::from_secs(1);
        let mut each: Vec<_> = (0..1000).map(|_| at(5 * second)).collect();
        each.sort();
        assert!(each.iter().all(|at| *at <= 5 * second));
        // No second of the five is left out, and none has half of them.
        for n in 0..5 {
            let here = each.iter().filter(|at| (n * second..(n + 1) * second).contains(*at)).count();
            assert!((50..500).contains(&here), "{here} in second {n}");
        }
    }

    #[test]
    fn who_is_busy_stays_and_chooses_anew() {
        let now = Instant::now();
        let mut farewell = Farewell::default();
        assert_eq!(farewell.at(false, now, || Duration::MAX), None);
        let first = farewell.at(true, now, || Duration::ZERO);
        assert_eq!(first, Some(now));
        assert_eq!(farewell.at(true, now + Duration::from_secs(1), || Duration::ZERO), first, "it stays so");
        assert_eq!(farewell.at(false, now, || Duration::ZERO), None);
    }
}
