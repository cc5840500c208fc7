//! The port to whoever tells people outside that a question waits for them: a webhook, a script.
//!
//! # Contract
//! - Each escalation is told **at least once** while it is young: again after a failure, and again after a
//!   restart, since nobody stores that it was told; and anew when it gets a graver reason. Who is told knows
//!   repetitions by the escalation's id and reason.
//! - Telling never delays an answer: it happens behind the run, in a task of its own.
//! - [`Handoff::tell`] returns within a few seconds, and says whether trying again can help.
//! - A notice holds names and times, never what a person wrote. Errors hold neither a body nor a secret.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::id::{RunId, SessionId};
use crate::time::Millis;

/// A question waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `ESC-…`
    pub escalation_id: String,
    /// Why: a reason of [`Escalation`](super::desk::Escalation).
    pub reason: String,
    /// In which conversation.
    pub session_id: SessionId,
    /// Since which run.
    pub run_id: RunId,
    /// Since when.
    pub created_at: Millis,
    /// The assistant's name.
    pub assistant: String,
}

/// Why nobody could be told; for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandoffError {
    /// What happened and what to do.
    pub message: String,
    /// Whether the same can succeed later.
    pub retry: bool,
}

impl fmt::Display for HandoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HandoffError {}

/// Tells people outside; see the module.
#[async_trait]
pub trait Handoff: Send + Sync + 'static {
    /// Tells of one escalation.
    ///
    /// # Errors
    /// [`HandoffError`]; it may have been told all the same.
    async fn tell(&self, notice: &Notice) -> Result<(), HandoffError>;
}

/// Shared by everybody who has something to tell.
pub type SharedHandoff = Arc<dyn Handoff>;
