//! The time, read in one place.

use std::time::SystemTime;

use headwater_core::Millis;
use tokio::time::Instant;

/// Reads the time. Timestamps come from the wall; intervals from a clock that no operator can set back
/// and that tests can pause.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock {
    /// The time of day, for what people read.
    #[must_use]
    pub fn wall(&self) -> Millis {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Time since this clock was made, for intervals.
    #[must_use]
    pub fn steady(&self) -> Millis {
        Millis(0).after(self.start.elapsed())
    }

    /// The runtime's point in time of a steady one.
    #[must_use]
    pub fn instant(&self, steady: Millis) -> Instant {
        self.start + Millis(0).until(steady)
    }
}
