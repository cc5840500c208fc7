//! Who somebody is: accounts, passwords, tokens, and the extractor that handlers ask for.

pub mod password;
pub mod secret;
pub mod token;

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use headwater_core::Principal;
use headwater_core::code::{Code, Error};
use headwater_core::port::SharedStore;
use headwater_core::port::store::{StoreError, User};
use headwater_engine::Clock;
use headwater_engine::ask::new_user;

use self::password::{PasswordError, Passwords};
use self::secret::Secret;
use self::token::Tokens;
use crate::http::refusal::Refusal;

/// Signs people in and says who they are. Shared as `Arc<Auth>`; a router's state gives it by `FromRef`.
pub struct Auth {
    tokens: Tokens,
    passwords: Passwords,
    store: SharedStore,
    clock: Clock,
}

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
    /// Accounts of this store, tokens of this key.
    #[must_use]
    pub fn new(secret: &Secret, store: SharedStore, clock: Clock) -> Self {
        Self { tokens: Tokens::new(secret), passwords: Passwords::default(), store, clock }
    }

    /// Whose access token this is; `Bearer ` in front is stripped, because people paste whole headers.
    ///
    /// # Errors
    /// [`Code::InvalidToken`], see [`Tokens::read_access`]. An empty text is an invalid token.
    pub fn principal_of(&self, token: &str) -> Result<Principal, Error> {
        let token = token.trim();
        let token = after_scheme(token).unwrap_or(token);
        self.tokens.read_access(token, self.clock.wall())
    }

    /// Who sent a request, by its `Authorization: Bearer`. Tokens in an address are not looked at: they
    /// end up in logs, and only sockets of browsers have no other way.
    ///
    /// # Errors
    /// [`Code::AuthRequired`] "Authentication required" without one (another scheme counts as none),
    /// otherwise as [`Auth::principal_of`].
    pub fn bearer(&self, headers: &HeaderMap) -> Result<Principal, Error> {
        let required = || Error::new(Code::AuthRequired, "Authentication required");
        let value = headers.get(AUTHORIZATION).ok_or_else(required)?;
        // A token has nothing but ASCII; what is none cannot be told from another scheme and need not.
        let token = value.to_str().ok().and_then(after_scheme).ok_or_else(required)?;
        self.tokens.read_access(token, self.clock.wall())
    }

    /// Makes an account and signs it in. The fields have been checked; `email` is lower case.
    ///
    /// # Errors
    /// [`Code::EmailTaken`], [`Code::TooManyConnections`] where too many sign in at once,
    /// [`Code::StoreFailed`], [`Code::Internal`].
    pub async fn register(&self, email: String, password: String, name: String) -> Result<Grant, Error> {
        let taken = || Error::new(Code::EmailTaken, "Email already registered");
        // Asked first, so that a known address costs no hash; decided by `create_user`.
        if self.store.user_by_email(&email).await.map_err(store_failed)?.is_some() {
            return Err(taken());
        }
        let password_hash = self.passwords.hash(password).await.map_err(no_hash)?;
        let id = new_user();
        let who = Principal { user: id.clone(), email: email.clone(), name: name.clone() };
        let user = User { id, email, name, password_hash, created_at: self.clock.wall() };
        if !self.store.create_user(user).await.map_err(store_failed)? {
            return Err(taken());
        }
        self.grant(who)
    }

    /// Signs somebody in. An unknown address and a wrong password are one answer, after the same work.
    ///
    /// # Errors
    /// [`Code::InvalidCredentials`], [`Code::TooManyConnections`], [`Code::StoreFailed`],
    /// [`Code::Internal`].
    pub async fn log_in(&self, email: &str, password: String) -> Result<Grant, Error> {
        let user = self.store.user_by_email(email).await.map_err(store_failed)?;
        let stored = user.as_ref().map(|u| u.password_hash.clone());
        let right = self.passwords.check(password, stored).await.map_err(no_hash)?;
        match user {
            Some(user) if right => self.grant(principal(user)),
            _ => Err(Error::new(Code::InvalidCredentials, "Invalid email or password")),
        }
    }

    /// New tokens for a refresh token. Name and address come from the account, which must still exist.
    ///
    /// # Errors
    /// [`Code::InvalidToken`] "Invalid token", "Invalid refresh token" or "User not found";
    /// [`Code::StoreFailed`], [`Code::Internal`].
    pub async fn refresh(&self, token: &str) -> Result<Grant, Error> {
        let who = self.tokens.read_refresh(token, self.clock.wall())?;
        match self.store.user(&who.user).await.map_err(store_failed)? {
            Some(user) => self.grant(principal(user)),
            None => Err(Error::new(Code::InvalidToken, "User not found")),
        }
    }

    fn grant(&self, who: Principal) -> Result<Grant, Error> {
        let now = self.clock.wall();
        let (access, expires_in) = self.tokens.access(&who, now)?;
        Ok(Grant { access, refresh: self.tokens.refresh(&who, now)?, expires_in, who })
    }
}

/// What follows `Bearer` in any case of letters; `None` for another scheme and for nothing.
fn after_scheme(value: &str) -> Option<&str> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let rest = rest.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty()).then_some(rest)
}

fn principal(user: User) -> Principal {
    Principal { user: user.id, email: user.email, name: user.name }
}

/// The reason is the operator's; who signs in learns that it is not his fault.
fn store_failed(error: StoreError) -> Error {
    tracing::error!(%error, "accounts cannot be read or written");
    Error::new(Code::StoreFailed, "Accounts cannot be read or written now")
}

fn no_hash(error: PasswordError) -> Error {
    match error {
        // The code whose answer is 429 and "later": there is none for sign-ins of its own.
        PasswordError::Busy => {
            Error::new(Code::TooManyConnections, "Too many people are signing in; try again in a moment")
        }
        PasswordError::Failed => {
            tracing::error!("a password could not be hashed or compared");
            Error::new(Code::Internal, "Internal Server Error")
        }
    }
}

/// Asks that somebody is signed in, by `Authorization: Bearer`; 401 otherwise.
#[derive(Debug, Clone)]
pub struct SignedIn(pub Principal);

impl<S> FromRequestParts<S> for SignedIn
where
    Arc<Auth>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(Arc::<Auth>::from_ref(state).bearer(&parts.headers)?))
    }
}
