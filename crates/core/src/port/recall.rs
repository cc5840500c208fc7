//! The part of the store that finds earlier messages of a session by their meaning. A part of [`super::Store`], with
//! its contract.

use async_trait::async_trait;

use super::provider::Role;
use super::store::StoreError;
use crate::id::{RunId, SessionId, UserId};
use crate::run::Message;

/// What is looked for in a session.
#[derive(Debug, Clone, PartialEq)]
pub struct RecallQuery {
    /// Whose session.
    pub owner: UserId,
    /// Which one.
    pub session: SessionId,
    /// Which embedder made the vector; messages of another are not found.
    pub embedder: String,
    /// The meaning, of length 1.
    pub vector: Vec<f32>,
    /// How many of the session's newest messages are left out: whoever asks has them already.
    pub skip_newest: usize,
    /// The least cosine.
    pub least: f64,
    /// The most messages.
    pub limit: usize,
}

/// Finds messages; see the module.
#[async_trait]
pub trait Recall: Send + Sync {
    /// Keeps what a run's messages mean. A message that is not there (or no longer) is left out; twice is once,
    /// the later counts.
    async fn remember(
        &self,
        run: &RunId,
        embedder: &str,
        meanings: Vec<(Role, Vec<f32>)>,
    ) -> Result<(), StoreError>;

    /// The messages that mean most nearly the same, with their cosines, best first. Of equals the newer comes first.
    async fn recall(&self, query: RecallQuery) -> Result<Vec<(Message, f64)>, StoreError>;
}
