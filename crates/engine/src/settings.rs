//! What an operator may set of the engine; the defaults stand in `core/limit.rs`.

use std::time::Duration;

use headwater_core::limit;
use headwater_core::rate::Rate;

/// What a run does while nobody watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwatched {
    /// It goes on to its end.
    Continue,
    /// It is cancelled after nobody has watched for so long.
    StopAfter(Duration),
}

/// The engine's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What a run does while nobody watches it.
    pub unwatched: Unwatched,
    /// How long a run may take.
    pub run_time: Duration,
    /// How long events wait for company before a flush.
    pub flush_after: Duration,
    /// Live runs of one user.
    pub runs_per_user: usize,
    /// Live runs of this node.
    pub runs: usize,
    /// Runs that one user may start; `None`: as many as he likes.
    pub starts: Option<Rate>,
    /// The same of lessons, which are not among those.
    pub lessons: Option<Rate>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            unwatched: Unwatched::Continue,
            run_time: limit::RUN_TIME,
            flush_after: limit::FLUSH_AFTER,
            runs_per_user: limit::RUNS_PER_USER,
            runs: limit::RUNS,
            starts: Some(limit::STARTS),
            lessons: Some(limit::LESSONS),
        }
    }
}
