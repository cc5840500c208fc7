//! Sessions that others see: who lets whom, and what is read of another's.
//!
//! A session's owner shares it with members. They read its runs and what was said in it; they stop, change and share
//! nothing, and what they send in a session of that name is a session of their own.

use headwater_core::code::{Code, Error};
use headwater_core::port::sharing::Shared;
use headwater_core::run::Run;
use headwater_core::{Principal, RunId, SessionId, UserId, limit};

use super::{Engine, store_failed};
use crate::ask::GUEST;

fn invalid(why: impl Into<String>) -> Error {
    Error::new(Code::InvalidRequest, why)
}

impl Engine {
    /// Whether this user has a session of that name himself.
    ///
    /// # Errors
    /// [`Code::NotFound`], also where it is somebody else's, shared or not.
    pub async fn own_session(&self, who: &Principal, session: &SessionId) -> Result<(), Error> {
        let owner = self.inner.store.owner_of(&who.user, session).await.map_err(store_failed)?;
        if owner.is_some_and(|owner| owner == who.user) { Ok(()) } else { Err(Error::not_found("Session")) }
    }

    /// Who sees this user's own session beside him, by name.
    ///
    /// # Errors
    /// [`Code::NotFound`], also where it is somebody else's; [`Code::StoreFailed`].
    pub async fn members(&self, who: &Principal, session: &SessionId) -> Result<Vec<UserId>, Error> {
        self.own_session(who, session).await?;
        self.inner.store.members(&who.user, session).await.map_err(store_failed)
    }

    /// Lets somebody see this user's own session, its runs now and later. Twice is once. Whether the other has an
    /// account is not looked at: that would tell who has.
    ///
    /// # Errors
    /// [`Code::NotFound`] as for [`Engine::members`]; [`Code::InvalidRequest`]: either is a guest, it is himself, or there
    /// are [`limit::MEMBERS`] already; [`Code::StoreFailed`].
    pub async fn share(&self, who: &Principal, session: &SessionId, member: &UserId) -> Result<(), Error> {
        self.own_session(who, session).await?;
        // A guest costs nothing to become, and what is shared with one is lost with his token.
        if who.guest {
            return Err(invalid("guests cannot share; register first"));
        }
        if member.as_str().starts_with(GUEST) {
            return Err(invalid("a guest has no account to share with; let him register first"));
        }
        if *member == who.user {
            return Err(invalid("it is yours already; name somebody else"));
        }
        let at = self.inner.clock.wall();
        let shared = self.inner.store.share(&who.user, session, member, at).await.map_err(store_failed)?;
        if shared {
            return Ok(());
        }
        let most = limit::MEMBERS;
        Err(invalid(format!("it is shared with {most} people, which is as many as there may be; remove one")))
    }

    /// Lets somebody see this user's own session no more. Whoever follows one of its runs at that moment sees that run
    /// to its end.
    ///
    /// # Errors
    /// [`Code::NotFound`]: of the session as for [`Engine::members`], or he was no member; [`Code::StoreFailed`].
    pub async fn unshare(&self, who: &Principal, session: &SessionId, member: &UserId) -> Result<(), Error> {
        self.own_session(who, session).await?;
        let was = self.inner.store.unshare(&who.user, session, member).await.map_err(store_failed)?;
        if was { Ok(()) } else { Err(Error::not_found("Member")) }
    }

    /// The newest `most` of the sessions that are shared with this user, the last shared first.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn shared_with(&self, who: &Principal, most: usize) -> Result<Vec<Shared>, Error> {
        self.inner.store.shared_with(&who.user, most).await.map_err(store_failed)
    }

    /// The other whose session of that name this user sees. Asked only where he has found nothing in one of his own,
    /// so that his own costs one question.
    pub(super) async fn lender(&self, who: &Principal, session: &SessionId) -> Result<Option<UserId>, Error> {
        let owner = self.inner.store.owner_of(&who.user, session).await.map_err(store_failed)?;
        Ok(owner.filter(|owner| *owner != who.user))
    }

    /// The runs of another's session that this user sees, newest first.
    pub(super) async fn lent_runs(
        &self,
        who: &Principal,
        session: &SessionId,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, Error> {
        let Some(owner) = self.lender(who, session).await? else { return Ok(Vec::new()) };
        if let Some(before) = before {
            // A run of the owner's that is not shared is no place in this list, as one that is not there.
            let seen = self.inner.store.visible_run(&who.user, before).await.map_err(store_failed)?;
            if seen.is_none_or(|run| run.owner != owner || run.session != *session) {
                return Ok(Vec::new());
            }
        }
        self.inner.store.runs(&owner, Some(session), before, limit).await.map_err(store_failed)
    }
}
