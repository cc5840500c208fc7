//! Who somebody is: accounts, passwords, tokens, tickets, sign-outs, and the extractors that handlers ask for.

mod developer;
mod grant;
pub mod keys;
pub mod password;
pub mod revoked;
pub mod secret;
pub mod standing;
mod ticket;
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

pub use self::grant::Grant;
use self::keys::Outside;
use self::password::{PasswordError, Passwords};
use self::revoked::Revoked;
use self::secret::Secret;
use self::standing::Standing;
use self::ticket::Tickets;
use self::token::{Identity, Tokens, new_sign_in};
use crate::http::refusal::Refusal;

/// Signs people in and says who they are. Shared as `Arc<Auth>`; a router's state gives it by `FromRef`.
pub struct Auth {
    tokens: Tokens,
    passwords: Passwords,
    store: SharedStore,
    clock: Clock,
    revoked: Arc<Revoked>,
    tickets: Tickets,
    guests: bool,
}

/// Whose tokens are good beside those of the installation's own key, and who needs none.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The key before this one: its tokens are good until they run out.
    pub before: Option<Secret>,
    /// Tokens that somebody else makes.
    pub outside: Option<Outside>,
    /// Whether somebody without an account may chat.
    pub guests: bool,
}

impl Auth {
    /// Accounts of this store, tokens of this key and of no other, no guests.
    #[must_use]
    pub fn new(secret: &Secret, store: SharedStore, clock: Clock) -> Self {
        Self::with_rules(secret, store, clock, Rules::default())
    }

    /// Accounts of this store, tokens of this key and as the rules say. [`Auth::load`] comes next.
    #[must_use]
    pub fn with_rules(secret: &Secret, store: SharedStore, clock: Clock, rules: Rules) -> Self {
        let mut tokens = Tokens::new(secret);
        if let Some(before) = &rules.before {
            tokens = tokens.and_before(before);
        }
        if let Some(outside) = rules.outside {
            tokens = tokens.and_outside(outside);
        }
        Self {
            tokens,
            passwords: Passwords::default(),
            store,
            clock,
            revoked: Arc::default(),
            tickets: Tickets::default(),
            guests: rules.guests,
        }
    }

    /// Reads who has signed out; before anybody is asked who he is.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(&self) -> Result<(), StoreError> {
        self.revoked.load(self.store.revocations(self.clock.wall()).await?);
        Ok(())
    }

    /// What an access token says, where it is good and nobody has signed out with it; `Bearer ` in front is
    /// stripped, because people paste whole headers.
    ///
    /// # Errors
    /// [`Code::InvalidToken`], see [`Tokens::read_access`]; "Invalid token" for one that was signed out.
    /// An empty text is an invalid token.
    pub fn identify(&self, token: &str) -> Result<Identity, Error> {
        let token = token.trim();
        self.good(after_scheme(token).unwrap_or(token))
    }

    /// Whose access token this is; as [`Auth::identify`].
    ///
    /// # Errors
    /// As there.
    pub fn principal_of(&self, token: &str) -> Result<Principal, Error> {
        self.identify(token).map(|identity| identity.who)
    }

    /// Who sent a request, by its `Authorization: Bearer`. Tokens in an address are not looked at: they
    /// end up in logs, and only sockets of browsers have no other way.
    ///
    /// # Errors
    /// [`Code::AuthRequired`] "Authentication required" without one (another scheme counts as none),
    /// otherwise as [`Auth::identify`].
    pub fn bearer(&self, headers: &HeaderMap) -> Result<Identity, Error> {
        self.good(bearer_token(headers)?)
    }

    fn good(&self, token: &str) -> Result<Identity, Error> {
        let identity = self.tokens.read_access(token, self.clock.wall())?;
        if self.revoked.has(&identity) { Err(invalid()) } else { Ok(identity) }
    }

    /// Watches over an identity that was good a moment ago.
    #[must_use]
    pub fn standing(&self, identity: Option<Identity>) -> Standing {
        Standing::new(self, identity)
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
        let who = Principal { user: id.clone(), email: email.clone(), name: name.clone(), guest: false };
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

    fn grant(&self, who: Principal) -> Result<Grant, Error> {
        let at = self.revoked.first(&who.user, || self.clock.wall());
        self.pair(who, &new_sign_in(), at)
    }
}

fn invalid() -> Error {
    Error::new(Code::InvalidToken, "Invalid token")
}

fn bearer_token(headers: &HeaderMap) -> Result<&str, Error> {
    let required = || Error::new(Code::AuthRequired, "Authentication required");
    let value = headers.get(AUTHORIZATION).ok_or_else(required)?;
    // A token has nothing but ASCII; what is none cannot be told from another scheme and need not.
    value.to_str().ok().and_then(after_scheme).ok_or_else(required)
}

/// What follows `Bearer` in any case of letters; `None` for another scheme and for nothing.
fn after_scheme(value: &str) -> Option<&str> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let rest = rest.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty()).then_some(rest)
}

fn principal(user: User) -> Principal {
    Principal { user: user.id, email: user.email, name: user.name, guest: false }
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
        Ok(Self(Arc::<Auth>::from_ref(state).bearer(&parts.headers)?.who))
    }
}

/// As [`SignedIn`], with what the token says beside who it is.
#[derive(Debug, Clone)]
pub struct Bearer(pub Identity);

impl<S> FromRequestParts<S> for Bearer
where
    Arc<Auth>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(Arc::<Auth>::from_ref(state).bearer(&parts.headers)?))
    }
}
