//! Sessions that others see: who lets whom, and what is read of another's.
//!
//! A session's owner shares it with members. They read its runs and what was said in it; they stop, change and share
//! nothing. Nobody is asked before something is shared with him, so a name alone is always one of one's own: otherwise
//! whoever shares a `default` with somebody would have what that one sees under it. Another's session is named with its
//! owner.

use headwater_core::code::{Code, Error};
use headwater_core::port::sharing::Shared;
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
        let own = self.inner.store.sees(&who.user, &who.user, session).await.map_err(store_failed)?;
        if own { Ok(()) } else { Err(Error::not_found("Session")) }
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
    /// to its end. Of another's session, whose `owner` is named, a member takes himself out and nobody else.
    ///
    /// # Errors
    /// [`Code::NotFound`]: of the session as for [`Engine::members`], or he was no member; [`Code::StoreFailed`].
    pub async fn unshare(
        &self,
        who: &Principal,
        owner: Option<&UserId>,
        session: &SessionId,
        member: &UserId,
    ) -> Result<(), Error> {
        if let Some(owner) = owner.filter(|owner| **owner != who.user) {
            let left = *member == who.user
                && self.inner.store.unshare(owner, session, member).await.map_err(store_failed)?;
            return if left { Ok(()) } else { Err(Error::not_found("Session")) };
        }
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

    /// Whose session is meant: one's own, there or not, unless another is named who shares it with this user.
    ///
    /// # Errors
    /// [`Code::NotFound`] "Session not found": another is named, and it is not there or not shared with this user;
    /// [`Code::StoreFailed`].
    pub(super) async fn whose(
        &self,
        who: &Principal,
        owner: Option<&UserId>,
        session: &SessionId,
    ) -> Result<UserId, Error> {
        let Some(owner) = owner.filter(|owner| **owner != who.user) else { return Ok(who.user.clone()) };
        let sees = self.inner.store.sees(&who.user, owner, session).await.map_err(store_failed)?;
        if sees { Ok(owner.clone()) } else { Err(Error::not_found("Session")) }
    }

    /// Whether a run is a place in the list of this owner's session. To a member another run of the owner's is none, as
    /// one that is not there.
    pub(super) async fn is_place(
        &self,
        who: &Principal,
        owner: &UserId,
        session: Option<&SessionId>,
        before: Option<&RunId>,
    ) -> Result<bool, Error> {
        let Some(before) = before.filter(|_| *owner != who.user) else { return Ok(true) };
        let seen = self.inner.store.visible_run(&who.user, before).await.map_err(store_failed)?;
        Ok(seen.is_some_and(|run| run.owner == *owner && Some(&run.session) == session))
    }
}
