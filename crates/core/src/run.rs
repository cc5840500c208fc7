//! One generation: a turn or a job, as the store knows it.

use crate::event::{Outcome, Seq, Term};
use crate::id::{MessageId, RunId, SessionId, UserId};
use crate::port::provider::Role;
use crate::time::Millis;

/// A run as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// Whose it is.
    pub owner: UserId,
    /// The conversation that it belongs to; unique for this owner.
    pub session: SessionId,
    /// The client's own name for it, where it gave one.
    pub message_id: Option<MessageId>,
    /// What it does.
    pub workflow: String,
    /// Who answered, once a model has been asked.
    pub provider: Option<String>,
    /// Which model answered.
    pub model: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// Its owner took it off his list.
    pub hidden: bool,
    /// Where its log stands.
    pub tail: Tail,
}

/// Where a run's log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The last number stored; 0 before the first.
    pub seq: Seq,
    /// Which ownership may append.
    pub term: Term,
    /// How the run ended, once it has.
    pub outcome: Option<Outcome>,
}

/// A line of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said; the partial text where the run did not complete.
    pub content: String,
    /// The run that it belongs to.
    pub run: RunId,
    /// How that run ended; `None` while it lives.
    pub outcome: Option<Outcome>,
    /// When it was stored.
    pub at: Millis,
}
