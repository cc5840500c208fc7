//! The rules of one run's log: who may append, which number comes next, when it is over.

use crate::event::{Body, Event, Outcome, Seq, Term};
use crate::time::Millis;

/// Why an append was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The run is over; nothing follows its ending.
    Ended,
    /// Somebody else took the run over; the caller must stop writing at once.
    StaleTerm,
}

/// The log of one run as its writer knows it: numbers are assigned here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    term: Term,
    tail: Seq,
    outcome: Option<Outcome>,
}

impl Log {
    /// The log of a run of which `tail` events are stored, owned in `term`.
    #[must_use]
    pub fn at(term: Term, tail: Seq, outcome: Option<Outcome>) -> Self {
        Self { term, tail, outcome }
    }

    /// The last number assigned; 0 before the first.
    #[must_use]
    pub fn tail(&self) -> Seq {
        self.tail
    }

    /// Which ownership may append.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term
    }

    /// How the run ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Numbers an event.
    ///
    /// # Errors
    /// [`Refused::StaleTerm`] for an older ownership, [`Refused::Ended`] after the ending.
    pub fn append(&mut self, term: Term, now: Millis, body: Body) -> Result<Event, Refused> {
        if term != self.term {
            return Err(Refused::StaleTerm);
        }
        if self.outcome.is_some() {
            return Err(Refused::Ended);
        }
        if let Body::RunEnded { outcome, .. } = &body {
            self.outcome = Some(*outcome);
        }
        self.tail += 1;
        Ok(Event { seq: self.tail, at: now, body })
    }

    /// A new owner: older terms are refused from now on. Returns the new term.
    pub fn take_over(&mut self) -> Term {
        self.term += 1;
        self.term
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Body {
        Body::Token { text: "x".into() }
    }
    fn ending(outcome: Outcome) -> Body {
        Body::RunEnded { outcome, finish_reason: None, error: None, usage: None }
    }

    #[test]
    fn numbers_have_no_gaps_and_a_run_ends_once() {
        let mut log = Log::at(1, 0, None);
        for n in 1..=3 {
            assert_eq!(log.append(1, Millis(0), token()).unwrap().seq, n);
        }
        assert_eq!(log.append(1, Millis(0), ending(Outcome::Cancelled)).unwrap().seq, 4);
        assert_eq!(log.append(1, Millis(0), ending(Outcome::Completed)), Err(Refused::Ended));
        assert_eq!(log.append(1, Millis(0), token()), Err(Refused::Ended));
        assert_eq!((log.tail(), log.outcome()), (4, Some(Outcome::Cancelled)));
    }

    #[test]
    fn a_takeover_shuts_the_old_owner_out() {
        let mut log = Log::at(1, 7, None);
        let term = log.take_over();
        assert_eq!(log.append(1, Millis(0), token()), Err(Refused::StaleTerm));
        assert_eq!(log.append(term, Millis(0), token()).unwrap().seq, 8);
    }
}
