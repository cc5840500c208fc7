//! What a sign-in is given and how it goes on and ends: pairs of tokens, the next pair, sign-outs, guests,
//! tickets.

use axum::http::HeaderMap;
use headwater_core::code::{Code, Error};
use headwater_core::port::store::{Revocation, StoreError};
use headwater_core::{Millis, Principal};
use headwater_engine::ask::new_guest;
use tokio::time::Instant;

use super::revoked::{Full, Turn};
use super::token::{ACCESS_SECONDS, Identity, Issue, SignIn, digest, new_sign_in};
use super::{Auth, bearer_token, invalid, principal, store_failed};

/// What somebody gets who signed in.
pub struct Grant {
    /// Opens everything that is his.
    pub access: String,
    /// Gets the next pair.
    pub refresh: String,
    /// Seconds that `access` lives.
    pub expires_in: i64,
    /// Who he is.
    pub who: Principal,
}

impl Auth {
    /// New tokens for a refresh token, which is used up by it: shown again later than
    /// `limit::REFRESH_GRACE`, it ends its whole sign-in, because two people have it then. Name and address
    /// come from the account, which must still exist.
    ///
    /// # Errors
    /// [`Code::InvalidToken`] "Invalid token", "Invalid refresh token" or "User not found";
    /// [`Code::StoreFailed`], [`Code::Internal`].
    pub async fn refresh(&self, token: &str) -> Result<Grant, Error> {
        let shown = self.tokens.read_refresh(token, self.clock.wall())?;
        let who = if shown.who.guest {
            if !self.guests {
                return Err(invalid());
            }
            shown.who.clone()
        } else {
            let user = self.store.user(&shown.who.user).await.map_err(store_failed)?;
            principal(user.ok_or_else(|| Error::new(Code::InvalidToken, "User not found"))?)
        };
        match self.revoked.refresh(&shown, || self.clock.wall()) {
            Turn::Next { at, mark } => {
                if let Some(mark) = mark
                    && let Err(error) = self.store.revoke(mark).await
                {
                    self.revoked.unuse(&shown);
                    return Err(store_failed(error));
                }
                self.pair(who, &shown.sid, at)
            }
            Turn::Stolen(marks) => {
                tracing::warn!("a refresh token was used twice: its sign-in is over");
                if let Err(error) = self.keep(marks).await {
                    tracing::error!(%error, "that could not be kept: a restart forgets it");
                }
                Err(invalid())
            }
            Turn::Over => Err(invalid()),
        }
    }

    /// Ends the sign-in of this request's token, or all of its user's; open connections hear of it. Durable
    /// when it returns. Signing out twice is signing out once, so that a lost answer can be asked for again.
    ///
    /// # Errors
    /// As [`Auth::bearer`]; [`Code::StoreFailed`] where it cannot be kept.
    pub async fn log_out(&self, headers: &HeaderMap, everywhere: bool) -> Result<(), Error> {
        let identity = self.tokens.read_access(bearer_token(headers)?, self.clock.wall())?;
        let marks = self.revoked.sign_out(&identity, everywhere, || self.clock.wall());
        let full = |Full| Error::new(Code::StoreFailed, "No more sign-outs can be kept now; try again later");
        self.keep(marks.map_err(full)?).await.map_err(store_failed)
    }

    async fn keep(&self, marks: Vec<Revocation>) -> Result<(), StoreError> {
        for mark in marks {
            self.store.revoke(mark).await?;
        }
        Ok(())
    }

    /// Whether somebody without an account may chat.
    #[must_use]
    pub fn has_guests(&self) -> bool {
        self.guests
    }

    /// A guest for one connection: nobody else, and gone with it. `None` where guests may not come.
    #[must_use]
    pub fn passing_guest(&self) -> Option<Identity> {
        let sign_in = SignIn(digest(&["passing", &new_sign_in()]));
        self.guests.then(|| Identity {
            who: guest(),
            sid: sign_in.to_string(),
            sign_in,
            issued: self.clock.wall(),
            expires: None,
            outside: false,
        })
    }

    /// Tokens for a new guest. `None` where guests may not come.
    ///
    /// # Errors
    /// [`Code::Internal`].
    pub fn guest(&self) -> Option<Result<Grant, Error>> {
        self.guests.then(|| self.pair(guest(), &new_sign_in(), self.clock.wall()))
    }

    /// A ticket for one WebSocket of this identity, from pages of this origin where there was one.
    ///
    /// # Errors
    /// [`Code::RateLimited`] where too many wait, [`Code::Internal`].
    pub fn ticket(&self, identity: Identity, origin: Option<&[u8]>) -> Result<String, Error> {
        self.tickets.give(identity, origin, Instant::now())
    }

    /// Whose ticket this is; it cannot be used again.
    #[must_use]
    pub fn redeem(&self, ticket: &str, origin: Option<&[u8]>) -> Option<Identity> {
        let identity = self.tickets.take(ticket, origin, Instant::now())?;
        let current = identity.expires.is_none_or(|at| self.clock.wall() < at);
        (current && !self.revoked.has(&identity)).then_some(identity)
    }

    /// The tokens of a sign-in that begins or goes on at this moment.
    pub(super) fn pair(&self, who: Principal, sid: &str, at: Millis) -> Result<Grant, Error> {
        let (access, refresh) = self.tokens.pair(Issue { who: &who, sid, at })?;
        Ok(Grant { access, refresh, expires_in: ACCESS_SECONDS, who })
    }
}

fn guest() -> Principal {
    Principal { user: new_guest(), email: String::new(), name: "Guest".to_owned(), guest: true }
}
