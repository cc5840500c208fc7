//! One client's position in a log, and what to do next.
//!
//! Hints only move the known tail; events come only from the log. A lost hint costs a moment, never an
//! event: the shell is told to [`Step::Check`] the stored tail at every interval while the run lives.

use std::sync::Arc;
use std::time::Duration;

use crate::event::{Event, Seq};
use crate::limit;
use crate::run::Tail;
use crate::time::Millis;

/// What the shell around a viewer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Read the log from this number and give the result to [`Viewer::on_batch`].
    Read {
        /// The first event wanted.
        from: Seq,
    },
    /// Ask the store for the tail and give it to [`Viewer::on_tail`].
    Check,
    /// Tell the client that the stream lives.
    Heartbeat,
    /// Wait for a hint, but not beyond this time.
    Wait {
        /// When to ask again.
        until: Millis,
    },
    /// Everything was delivered and nothing will follow.
    End,
}

/// A batch does not continue where the viewer is: the shell read the wrong part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The number that the viewer needs next.
    pub wanted: Seq,
    /// The number that came.
    pub got: Seq,
}

/// One client's position in a log.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// The last event delivered.
    cursor: Seq,
    /// The furthest tail that anybody told of; never goes down, whatever order hints come in.
    known_tail: Seq,
    /// Set once the run is known to be over: then `known_tail` is its last event.
    ended: bool,
    check_every: Duration,
    next_check: Millis,
    next_heartbeat: Millis,
}

impl Viewer {
    /// A viewer that has seen everything up to and including `after`.
    #[must_use]
    pub fn new(after: Seq, now: Millis) -> Self {
        Self {
            cursor: after,
            known_tail: after,
            ended: false,
            check_every: limit::TAIL_CHECK,
            // The first thing that a viewer does is to look: it was not there when earlier hints came.
            next_check: now,
            next_heartbeat: now.after(limit::HEARTBEAT),
        }
    }

    /// The last event delivered.
    #[must_use]
    pub fn cursor(&self) -> Seq {
        self.cursor
    }

    /// Somebody says that the tail moved. May be late, repeated or out of order.
    pub fn on_hint(&mut self, tail: Seq, ended: bool) {
        self.known_tail = self.known_tail.max(tail);
        self.ended |= ended;
    }

    /// The store says where the log stands.
    pub fn on_tail(&mut self, tail: Tail, now: Millis) {
        self.on_hint(tail.seq, tail.outcome.is_some());
        self.next_check = now.after(self.check_every);
    }

    /// Events of the log, in order. Returns how many at the beginning were delivered before and must be
    /// skipped.
    ///
    /// # Errors
    /// [`Gap`] where they do not continue from the cursor; the viewer is unchanged then.
    pub fn on_batch(&mut self, events: &[Arc<Event>], now: Millis) -> Result<usize, Gap> {
        let seen = events.partition_point(|e| e.seq <= self.cursor);
        for (wanted, event) in (self.cursor + 1..).zip(&events[seen..]) {
            if event.seq != wanted {
                return Err(Gap { wanted, got: event.seq });
            }
        }
        if let Some(last) = events[seen..].last() {
            self.cursor = last.seq;
            self.on_hint(last.seq, last.body.is_ending());
            self.next_heartbeat = now.after(limit::HEARTBEAT);
        } else {
            // A hint spoke of events that the log does not show (yet): only the store's word counts.
            self.known_tail = self.cursor;
            self.ended = false;
            self.next_check = now.after(self.check_every);
        }
        Ok(seen)
    }

    /// What to do now.
    pub fn step(&mut self, now: Millis) -> Step {
        if self.known_tail > self.cursor {
            return Step::Read { from: self.cursor + 1 };
        }
        if self.ended {
            return Step::End;
        }
        if now >= self.next_check {
            return Step::Check;
        }
        if now >= self.next_heartbeat {
            self.next_heartbeat = now.after(limit::HEARTBEAT);
            return Step::Heartbeat;
        }
        Step::Wait { until: self.next_check.min(self.next_heartbeat) }
    }
}

#[cfg(test)]
#[path = "viewer_tests.rs"]
mod tests;
