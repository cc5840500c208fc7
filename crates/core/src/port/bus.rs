//! The port to whoever carries hints from writers to viewers, and notices between the sockets of a session.
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
//! - A notice is a moment's matter (who types, who came): it may be lost, never waits, and is never repeated by the
//!   bus. Whoever listens gets those told after [`Bus::listen`] returned, in the order in which one node told them;
//!   one who falls more than [`crate::limit::NOTICES`] behind misses the oldest, and hears [`Heard::Missed`] in their
//!   place. What a network loses is lost without a word: that a run was made is a hint as well, and whoever must not
//!   miss one looks in the store.

use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;

use crate::event::Seq;
use crate::id::{RunId, SessionId, UserId};

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

/// Where the sockets meet that joined one session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Room {
    /// Whose session.
    pub owner: UserId,
    /// Which one.
    pub session: SessionId,
}

/// What the sockets of a room tell each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Who.
    pub user: UserId,
    /// On which connection; unique among all nodes. Nobody is told what he said himself.
    pub connection: String,
    /// What happened.
    pub what: Happening,
}

/// What happens in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// He came.
    Joined,
    /// He left.
    Left,
    /// He types, or does no more.
    Typing(bool),
    /// He says that he sent a message.
    Sent,
    /// A run of the session was made: whoever joined follows it.
    Run(RunId),
}

/// What is heard in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Somebody told something.
    Notice(Notice),
    /// Some were told that this listener, who was too slow, will not hear.
    Missed,
}

/// The notices of one room; never ends by itself.
pub type Notices = Pin<Box<dyn Stream<Item = Heard> + Send>>;

/// Carries hints; see the module's contract.
pub trait Bus: Send + Sync + 'static {
    /// Says that the tail of a run moved.
    fn publish(&self, run: &RunId, hint: Hint);

    /// The hints of a run from now on.
    fn subscribe(&self, run: &RunId) -> Hints;

    /// Tells everybody in a room.
    fn tell(&self, room: &Room, notice: Notice);

    /// What is told in a room from now on.
    fn listen(&self, room: &Room) -> Notices;
}

/// A bus that is shared by all runs.
pub type SharedBus = Arc<dyn Bus>;
