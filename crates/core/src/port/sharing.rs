//! The part of the store that knows who may see another's sessions. A part of [`super::Store`], with its contract.
//!
//! A session belongs to its owner, who may share it with members: they see its runs and what is said in it, now and
//! later, and stop, change and share nothing. What is not shared does not exist for another.

use async_trait::async_trait;

use super::store::StoreError;
use crate::id::{RunId, SessionId, UserId};
use crate::run::Run;
use crate::time::Millis;

/// A session that is shared with somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Whose it is.
    pub owner: UserId,
    /// Its name among his.
    pub session: SessionId,
    /// When it was shared.
    pub at: Millis,
}

/// Knows who may see what; see the module.
#[async_trait]
pub trait Sharing: Send + Sync {
    /// Lets `member` see this owner's session; `false` where the owner has no such session, or has
    /// [`crate::limit::MEMBERS`] members in it already. Twice is once. With himself nobody shares.
    async fn share(
        &self,
        owner: &UserId,
        session: &SessionId,
        member: &UserId,
        at: Millis,
    ) -> Result<bool, StoreError>;

    /// Lets him see it no more; `false` where he did not.
    async fn unshare(&self, owner: &UserId, session: &SessionId, member: &UserId)
    -> Result<bool, StoreError>;

    /// Who sees this owner's session beside him, by name.
    async fn members(&self, owner: &UserId, session: &SessionId) -> Result<Vec<UserId>, StoreError>;

    /// The sessions of others that this user sees, the one that was shared last first, at most `limit`.
    async fn shared_with(&self, who: &UserId, limit: usize) -> Result<Vec<Shared>, StoreError>;

    /// Whether this owner's session is there, and is this user's own or shared with him.
    async fn sees(&self, who: &UserId, owner: &UserId, session: &SessionId) -> Result<bool, StoreError>;

    /// A run that this user sees: his own, or one of a session that is shared with him.
    async fn visible_run(&self, who: &UserId, run: &RunId) -> Result<Option<Run>, StoreError>;
}
