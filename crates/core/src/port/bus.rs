//! The port to whoever carries hints from writers to viewers.
//!
//! # Contract
//! - A hint says "the log of this run stands at least here"; it is never the truth and never carries text.
//! - [`Bus::publish`] never blocks and never fails towards its caller: hints may be lost, repeated,
//!   delayed and reordered.
//! - A subscription yields the newest hint that arrived since it was last polled; older ones may be
//!   skipped. A hint published after [`Bus::subscribe`] returned is not lost *because* the subscriber
//!   was busy (register first, then look: there is no moment between in which it could be missed).
//! - A dropped subscription costs nothing any more. A run without hints costs nothing once its
//!   subscriptions are gone.

use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;

use crate::event::Seq;
use crate::id::RunId;

/// "The tail moved."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// The log stands at least here.
    pub tail: Seq,
    /// Whether the run is over, and `tail` its last event.
    pub ended: bool,
}

/// The hints of one run; never ends by itself.
pub type Hints = Pin<Box<dyn Stream<Item = Hint> + Send>>;

/// Carries hints; see the module's contract.
pub trait Bus: Send + Sync + 'static {
    /// Says that the tail of a run moved.
    fn publish(&self, run: &RunId, hint: Hint);

    /// The hints of a run from now on.
    fn subscribe(&self, run: &RunId) -> Hints;
}

/// A bus that is shared by all runs.
pub type SharedBus = Arc<dyn Bus>;
