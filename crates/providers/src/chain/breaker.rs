//! Whether a provider is left alone because it keeps failing. No clock: whoever asks says what time it is,
//! counted from any fixed moment.
//!
//! ```text
//!            failures in a row, or their share
//!   closed ─────────────────────────────────────▶ open, for a while
//!      ▲                                         │      ▲
//!      │ an answer                               ▼      │ a failure: open for twice as long
//!      └──────────────────────────── one request tries it
//! ```
//!
//! Only what happened before the first word of an answer counts. A provider that has too much to do is
//! there, and one that refuses a request is too: neither opens the breaker, nor closes it.

use std::time::Duration;

use headwater_core::limit;
use headwater_core::port::provider::ProviderErrorKind;

/// What a request says about its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answers.
    Good,
    /// It does not.
    Bad,
    /// Nothing: it is busy, it refused, or nobody waited for it.
    Neither,
}

impl Verdict {
    /// What a failure before the first word says. A refusal is the request's fault as often as the
    /// provider's: a client whose prompts are too long must not close a provider for everybody.
    pub(crate) fn of(kind: ProviderErrorKind) -> Self {
        use ProviderErrorKind as Kind;
        match kind {
            Kind::Busy | Kind::KeyMissing | Kind::Refused => Self::Neither,
            Kind::Unavailable | Kind::Timeout | Kind::Interrupted | Kind::Failed => Self::Bad,
        }
    }
}

/// One request that was let through; it is given back with a [`Verdict`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a try that is not given back keeps every later one out"]
pub(crate) struct Pass {
    era: u64,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Through a closed breaker.
    Usual,
    /// The one that tries whether the provider is back.
    Try,
    /// Past an open breaker, for want of somebody else.
    Past,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { since: Duration, until: Duration, tried: bool },
}

/// The breaker; see the module.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    state: State,
    /// Goes up when the breaker opens or closes: what began before says nothing about after.
    era: u64,
    in_a_row: u32,
    /// Tries that failed since it closed last.
    failed_tries: u32,
    window: Window,
}

impl Default for Breaker {
    fn default() -> Self {
        let (window, state) = (Window::default(), State::Closed);
        Self { state, era: 0, in_a_row: 0, failed_tries: 0, window }
    }
}

impl Breaker {
    /// Lets a request through, if it is closed or if it is time to try.
    pub(crate) fn pass(&mut self, now: Duration) -> Option<Pass> {
        let how = match &mut self.state {
            State::Closed => How::Usual,
            State::Open { until, tried, .. } if !*tried && now >= *until => {
                *tried = true;
                How::Try
            }
            State::Open { .. } => return None,
        };
        Some(Pass { era: self.era, how })
    }

    /// Lets a request through whatever is known, because nobody else can be asked.
    pub(crate) fn pass_anyway(&self) -> Pass {
        Pass { era: self.era, how: How::Past }
    }

    /// Whether [`pass`](Self::pass) would let one through.
    pub(crate) fn would_pass(&self, now: Duration) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until, tried, .. } => !tried && now >= until,
        }
    }

    /// Since when it is open.
    pub(crate) fn open_since(&self) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::Open { since, .. } => Some(since),
        }
    }

    /// Takes a request back.
    pub(crate) fn tell(&mut self, pass: Pass, verdict: Verdict, now: Duration) {
        if pass.era != self.era {
            return;
        }
        match (pass.how, verdict) {
            (How::Usual, Verdict::Good) => {
                self.in_a_row = 0;
                self.window.add(now, true);
            }
            (How::Usual, Verdict::Bad) => {
                self.in_a_row += 1;
                self.window.add(now, false);
                if self.in_a_row >= limit::BREAKER_FAILURES || self.window.is_bad(now) {
                    self.open(now, now);
                }
            }
            (How::Try | How::Past, Verdict::Good) => *self = Self { era: self.era + 1, ..Self::default() },
            (How::Try, Verdict::Bad) => {
                self.failed_tries += 1;
                let since = self.open_since().unwrap_or(now);
                self.reopen(since, now);
            }
            // The next request may try at once: nothing was learnt.
            (How::Try, Verdict::Neither) => {
                if let State::Open { tried, .. } = &mut self.state {
                    *tried = false;
                }
            }
            (How::Past, Verdict::Bad) | (How::Usual | How::Past, Verdict::Neither) => {}
        }
    }

    fn open(&mut self, since: Duration, now: Duration) {
        self.era += 1;
        self.failed_tries = 0;
        self.reopen(since, now);
    }

    fn reopen(&mut self, since: Duration, now: Duration) {
        let times = 2u32.saturating_pow(self.failed_tries);
        let pause = limit::BREAKER_OPEN.saturating_mul(times).min(limit::BREAKER_OPEN_MOST);
        self.state = State::Open { since, until: now.saturating_add(pause), tried: false };
    }
}

/// Slices of the window. With six, what is counted reaches back between five and six sixths of it.
const SLICES: usize = 6;

/// Answers and failures of the last while, in slices of time.
#[derive(Debug, Clone, Default)]
struct Window {
    /// The slice's number since the beginning of time, what went well in it, and what did not.
    slices: [(u128, u32, u32); SLICES],
}

impl Window {
    fn number(now: Duration) -> u128 {
        now.as_nanos() / (limit::BREAKER_WINDOW.as_nanos() / SLICES as u128)
    }

    fn add(&mut self, now: Duration, good: bool) {
        let number = Self::number(now);
        let place = usize::try_from(number % SLICES as u128).unwrap_or_default();
        let slice = &mut self.slices[place];
        if slice.0 != number {
            *slice = (number, 0, 0);
        }
        let count = if good { &mut slice.1 } else { &mut slice.2 };
        *count = count.saturating_add(1);
    }

    fn is_bad(&self, now: Duration) -> bool {
        let number = Self::number(now);
        let recent = self.slices.iter().filter(|(n, ..)| number.saturating_sub(*n) < SLICES as u128);
        let (good, bad) = recent.fold((0u64, 0u64), |(g, b), s| (g + u64::from(s.1), b + u64::from(s.2)));
        let all = good + bad;
        all >= limit::BREAKER_LEAST.into() && bad * 100 >= all * u64::from(limit::BREAKER_PERCENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(breaker: &mut Breaker, now: Duration) {
        let pass = breaker.pass(now).expect("closed, or time to try");
        breaker.tell(pass, Verdict::Bad, now);
    }

    fn opened(now: Duration) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..limit::BREAKER_FAILURES {
            assert_eq!(breaker.open_since(), None);
            fail(&mut breaker, now);
        }
        breaker
    }

    // Planted fault: the counter not set back by an answer.
    #[test]
    fn failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let mut breaker = Breaker::default();
        for n in 0..8 {
            fail(&mut breaker, SECOND * n * 60);
            let pass = breaker.pass(SECOND * n * 60).unwrap();
            breaker.tell(pass, Verdict::Good, SECOND * n * 60);
            assert_eq!(breaker.open_since(), None);
        }
        assert_eq!(opened(SECOND).open_since(), Some(SECOND));
        assert_eq!(opened(SECOND).pass(SECOND * 2), None);
    }

    #[test]
    fn half_of_many_opens_it_and_half_of_a_few_or_of_long_ago_does_not() {
        let half = |gap: Duration, count: u32| {
            let mut breaker = Breaker::default();
            for n in 0..count {
                let now = gap * n;
                let Some(pass) = breaker.pass(now) else { break };
                breaker.tell(pass, if n % 2 == 0 { Verdict::Good } else { Verdict::Bad }, now);
            }
            breaker.open_since().is_some()
        };
        let least = limit::BREAKER_LEAST;
        assert!(half(SECOND, least));
        assert!(!half(SECOND, least - 1));
        assert!(!half(SECOND * 5, least * 4), "never twenty within a minute");
    }

    // Planted fault: a try that does not keep the next one out.
    #[test]
    fn one_tries_it_a_failure_doubles_the_pause_and_an_answer_closes_it() {
        let mut breaker = opened(Duration::ZERO);
        let mut now = limit::BREAKER_OPEN;
        assert!(!breaker.would_pass(now - SECOND));
        for pause in [20, 40, 80, 120, 120] {
            let pass = breaker.pass(now).unwrap();
            assert_eq!(breaker.pass(now), None, "one at a time");
            breaker.tell(pass, Verdict::Bad, now);
            assert!(!breaker.would_pass(now + SECOND * pause - SECOND));
            now += SECOND * pause;
        }
        assert_eq!(breaker.open_since(), Some(Duration::ZERO), "it was open all the time");
        let pass = breaker.pass(now).unwrap();
        breaker.tell(pass, Verdict::Neither, now);
        let pass = breaker.pass(now).expect("nothing was learnt: the next one tries");
        breaker.tell(pass, Verdict::Good, now);
        assert_eq!(breaker.open_since(), None);
    }

    // Planted fault: the era not looked at.
    #[test]
    fn what_began_before_it_opened_says_nothing_after() {
        let mut breaker = Breaker::default();
        let early: Vec<_> = (0..9).map(|_| breaker.pass(SECOND).unwrap()).collect();
        for _ in 0..limit::BREAKER_FAILURES {
            fail(&mut breaker, SECOND);
        }
        let before = format!("{breaker:?}");
        for (n, pass) in early.into_iter().enumerate() {
            breaker.tell(pass, [Verdict::Good, Verdict::Bad, Verdict::Neither][n % 3], SECOND * 3);
        }
        assert_eq!(format!("{breaker:?}"), before);
    }

    #[test]
    fn busy_and_refusals_leave_it_as_it_is_and_whoever_is_let_past_it_can_only_close_it() {
        for kind in [ProviderErrorKind::Busy, ProviderErrorKind::Refused] {
            let mut breaker = Breaker::default();
            for _ in 0..1_000 {
                let pass = breaker.pass(SECOND).unwrap();
                breaker.tell(pass, Verdict::of(kind), SECOND);
            }
            assert_eq!(breaker.open_since(), None);
        }
        let mut breaker = opened(SECOND);
        let before = format!("{breaker:?}");
        breaker.tell(breaker.pass_anyway(), Verdict::Bad, SECOND * 2);
        assert_eq!(format!("{breaker:?}"), before);
        breaker.tell(breaker.pass_anyway(), Verdict::Good, SECOND * 2);
        assert_eq!(breaker.open_since(), None);
    }
}
