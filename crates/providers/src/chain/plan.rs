//! What is done next for one request: ask a link, wait, or give up. No input, output, clock or chance: the
//! time, what the providers' [`Health`] is and a random number are arguments. So it can be run through a
//! thousand outages in a test.
//!
//! [`Plan::failed`] is the only way back to a next call, and [`Plan::answered`] takes the plan away: after
//! the first visible word there is nothing left that could ask anew.

use std::time::Duration;

use headwater_core::limit;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};

use super::breaker::{Pass, Verdict};
use super::health::Health;

/// What the plan knows of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Where its health stands.
    pub(crate) place: usize,
    /// Times that it may be asked once more.
    pub(crate) retries: u32,
    /// Whether it can do what is asked, such as call tools.
    pub(crate) able: bool,
}

/// What is done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask this link; its first visible word has to come by `until`.
    Ask {
        link: usize,
        until: Duration,
        pass: Pass,
        /// Whether it is asked for the first time, because another failed or was left alone.
        instead: bool,
    },
    /// Wait until then, and ask for the next step.
    Wait(Duration),
    /// There is nobody left.
    GiveUp,
}

/// What became of a link, for the words at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tried {
    pub(crate) link: usize,
    /// Times that it was asked; 0 where it was left alone.
    pub(crate) times: u32,
    /// What it said last.
    pub(crate) error: Option<ProviderError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The first link from here on that lets a request through.
    From(usize),
    /// The same link once more, at this time.
    Again {
        link: usize,
        at: Duration,
    },
    /// Somebody is being asked.
    Asking {
        past: bool,
    },
    Over,
}

/// The plan of one request; see the module.
#[derive(Debug)]
pub(crate) struct Plan {
    rules: Vec<Rule>,
    turn: Turn,
    /// When the first word has to be there, whoever says it.
    deadline: Duration,
    /// Until when the link that is being asked may take, its retries and pauses included.
    share: Duration,
    tried: Vec<Tried>,
}

impl Plan {
    /// For a request that comes now.
    pub(crate) fn new(rules: Vec<Rule>, now: Duration, first_word: Duration) -> Self {
        let deadline = now.saturating_add(first_word);
        Self { rules, turn: Turn::From(0), deadline, share: deadline, tried: Vec::new() }
    }

    /// What was tried so far, in order.
    pub(crate) fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// The next step. `healths` are those of all links of all chains.
    pub(crate) fn next(&mut self, now: Duration, healths: &mut [Health]) -> Step {
        match self.turn {
            Turn::Asking { .. } | Turn::Over => Step::GiveUp,
            _ if now >= self.deadline => self.give_up(),
            Turn::Again { at, .. } if now < at => Step::Wait(at),
            Turn::Again { link, .. } => match healths[self.rules[link].place].breaker.pass(now) {
                Some(pass) => self.ask(link, pass),
                // It was closed to everybody while this request paused.
                None => self.go_on(link + 1, now, healths),
            },
            Turn::From(link) => self.go_on(link, now, healths),
        }
    }

    /// A link failed before its first visible word. Says how long to pause before it is asked once more, or
    /// `None` where it is not. `random` is any number, the pause is drawn from it.
    pub(crate) fn failed(
        &mut self,
        link: usize,
        pass: Option<Pass>,
        error: ProviderError,
        now: Duration,
        random: u64,
        healths: &mut [Health],
    ) -> Option<Duration> {
        let Turn::Asking { past } = self.turn else { return None };
        let (rule, kind, wanted) = (self.rules[link], error.kind, error.retry_after);
        let health = &mut healths[rule.place];
        if let Some(pass) = pass {
            health.breaker.tell(pass, Verdict::of(kind), now);
        }
        let mut times = 1;
        if let Some(tried) = self.tried.iter_mut().find(|t| t.link == link) {
            tried.error = Some(error);
            times = tried.times;
        }
        self.turn = if past { Turn::Over } else { Turn::From(link + 1) };
        // A refusal stays one, and a provider that wants a long rest gets it.
        let refused = matches!(kind, ProviderErrorKind::KeyMissing | ProviderErrorKind::Refused);
        let hopeless = past || refused || wanted.is_some_and(|w| w > limit::RETRY_AFTER);
        let pause = wanted.unwrap_or_default().saturating_add(drawn(times, random));
        let at = now.saturating_add(pause);
        // The budget is asked last: it is spent by asking.
        if hopeless
            || times > rule.retries
            || at >= self.share
            || !health.breaker.would_pass(now)
            || !health.budget.take(now)
        {
            return None;
        }
        self.turn = Turn::Again { link, at };
        Some(pause)
    }

    /// A link answers: nobody is asked any more.
    pub(crate) fn answered(self) {}

    fn go_on(&mut self, from: usize, now: Duration, healths: &mut [Health]) -> Step {
        for link in from..self.rules.len() {
            let Rule { place, able, .. } = self.rules[link];
            if !able {
                continue;
            }
            let left = self.rules[link..].iter().filter(|r| r.able);
            let left = left.filter(|r| healths[r.place].breaker.would_pass(now)).count();
            let health = &mut healths[place];
            let Some(pass) = health.breaker.pass(now) else {
                self.tried.push(Tried { link, times: 0, error: None });
                continue;
            };
            health.budget.asked();
            // Whoever may still be asked is kept as much time as this one: a host that hangs must not use
            // up what its stand-in needs.
            let left = u32::try_from(left).unwrap_or(u32::MAX).max(1);
            self.share = now.saturating_add(self.deadline.saturating_sub(now) / left);
            return self.ask(link, pass);
        }
        // All are left alone. A breaker chooses among those who can answer; where nobody else can, to refuse
        // without asking would make an outage of its guess. The one that was left alone longest is the
        // likeliest to be back, and it is asked once.
        let asked = self.tried.iter().any(|t| t.times > 0);
        let able = (0..self.rules.len()).filter(|l| self.rules[*l].able && !asked);
        let longest = able.min_by_key(|l| healths[self.rules[*l].place].breaker.open_since());
        let Some(link) = longest else { return self.give_up() };
        let health = &mut healths[self.rules[link].place];
        health.budget.asked();
        self.share = self.deadline;
        let pass = health.breaker.pass_anyway();
        let step = self.ask(link, pass);
        self.turn = Turn::Asking { past: true };
        step
    }

    fn ask(&mut self, link: usize, pass: Pass) -> Step {
        let others = self.tried.iter().any(|t| t.link != link);
        let times = match self.tried.iter_mut().find(|t| t.link == link) {
            Some(tried) => {
                tried.times += 1;
                tried.times
            }
            None => {
                self.tried.push(Tried { link, times: 1, error: None });
                1
            }
        };
        let instead = others && times == 1;
        self.turn = Turn::Asking { past: false };
        Step::Ask { link, until: self.share, pass, instead }
    }

    fn give_up(&mut self) -> Step {
        self.turn = Turn::Over;
        Step::GiveUp
    }
}

/// A pause after so many tries: evenly between nothing and a bound that doubles ("full jitter").
fn drawn(times: u32, random: u64) -> Duration {
    let doubled = limit::RETRY_FIRST.saturating_mul(2u32.saturating_pow(times.saturating_sub(1)));
    let most = u64::try_from(doubled.min(limit::RETRY_MOST).as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random % most.saturating_add(1).max(1))
}
