//! Who somebody is: accounts, passwords, tokens, tickets, sign-outs, and the extractors that handlers ask for.

pub(crate) mod development;
mod grant;
pub mod keys;
pub mod lockout;
pub mod password;
pub mod revoked;
pub mod secret;
pub mod standing;
mod strangers;
mod ticket;
pub mod token;

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use headwater_core::code::{Code, Error};
use headwater_core::port::SharedStore;
use headwater_core::port::records::{Expect, Record};
use headwater_core::port::store::{StoreError, User};
use headwater_core::{Millis, Principal, UserId, limit};
use headwater_engine::Clock;
use headwater_engine::ask::new_user;

pub use self::grant::Grant;
use self::keys::Outside;
use self::lockout::{Attempt, Failures, Lockouts, Shut};
use self::password::{PasswordError, Passwords};
use self::revoked::Revoked;
use self::secret::Secret;
use self::standing::Standing;
use self::strangers::Strangers;
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
    lockouts: Arc<Lockouts>,
    /// Names addresses that nobody has, see [`lockout::kept_name`].
    names: aws_lc_rs::hmac::Key,
    strangers: Strangers,
    /// Under whom the store keeps what is wrong at addresses that nobody has.
    nobody: UserId,
}

/// Kind of the records that say what was wrong at an address, see [`Failures`]: an account's, under its user, and those of
/// addresses that nobody has, under nobody's name and [`lockout::key`].
const SIGN_IN: &str = "sign_in";
/// The key of an account's.
const FAILURES: &str = "failures";

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
            lockouts: Arc::default(),
            names: secret.sub_key("addresses of wrong passwords"),
            strangers: Strangers::default(),
            nobody: UserId::parse("nobody").unwrap_or_else(|_| new_user()),
        }
    }

    /// Reads who has signed out, before anybody is asked who he is, and what is kept of addresses that nobody has.
    ///
    /// # Errors
    /// The store's, about the first. Without the second the server starts: it bounds what is kept, and no door opens.
    pub async fn load(&self) -> Result<(), StoreError> {
        self.revoked.load(self.store.revocations(self.clock.wall()).await?);
        match self.store.records(&self.nobody, SIGN_IN, limit::SIGN_IN_ADDRESSES).await {
            Ok(kept) => self.strangers.load(&kept, self.clock.wall()),
            Err(error) => tracing::warn!(
                %error,
                "wrong passwords at addresses without an account cannot be listed; they go when they count no more"
            ),
        }
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
        let address = user.email.clone();
        if !self.store.create_user(user).await.map_err(store_failed)? {
            return Err(taken());
        }
        // What was wrong before there was an account guards nothing.
        self.lockouts.forget(&address);
        self.grant(who)
    }

    /// Signs somebody in. An unknown address and a wrong password are one answer, after the same work: the store is
    /// read and written for both. After [`limit::SIGN_IN_FAILURES`] wrong ones the address is locked, and a right
    /// password is not even looked at.
    ///
    /// # Errors
    /// [`Code::InvalidCredentials`]; [`Code::RateLimited`], always with its time, where the address is locked and for
    /// nothing else; [`Code::TooManyConnections`], [`Code::StoreFailed`], [`Code::Internal`].
    pub async fn log_in(&self, email: &str, password: String) -> Result<Grant, Error> {
        let user = self.store.user_by_email(email).await.map_err(store_failed)?;
        // Made for an account too, which takes as long.
        let name = lockout::kept_name(&self.names, email);
        let (whose, key) = match &user {
            Some(user) => (user.id.clone(), FAILURES.to_owned()),
            None => (self.nobody.clone(), lockout::key(name)),
        };
        let kept = self.store.record(&whose, SIGN_IN, &key).await.map_err(store_failed)?;
        let kept = kept.as_ref().and_then(read);
        let attempt = self.lockouts.enter(email, kept, self.clock.wall()).map_err(shut)?;
        let stored = user.as_ref().map(|u| u.password_hash.clone());
        let right = self.passwords.check(password, stored).await.map_err(no_hash)?;
        match user {
            Some(user) if right => {
                attempt.succeeded();
                if kept.is_some()
                    && let Err(error) = self.store.delete_record(&whose, SIGN_IN, &key).await
                {
                    // They run out by themselves; he who knows the password need not wait for that.
                    tracing::warn!(%error, "wrong passwords before a right one could not be forgotten");
                }
                self.grant(principal(user))
            }
            user => {
                let last = self.keep_failure(&attempt, &whose, &key).await?;
                if user.is_none() {
                    self.strangers.keep(name, last);
                }
                self.forget_strangers().await;
                Err(Error::new(Code::InvalidCredentials, "Invalid email or password"))
            }
        }
    }

    /// Counts a wrong password; durable when it returns. Says when the last one came.
    async fn keep_failure(&self, attempt: &Attempt, whose: &UserId, key: &str) -> Result<Millis, Error> {
        let mut failures = attempt.failed(self.clock.wall());
        if failures.count == limit::SIGN_IN_FAILURES {
            tracing::warn!("nobody may sign in at an address for a while: too many wrong passwords");
        }
        loop {
            let value = serde_json::to_string(&failures).unwrap_or_default();
            let record = (key, value.as_str());
            let put = self.store.put_record(whose, SIGN_IN, record, Expect::Whatever, failures.last).await;
            put.map_err(store_failed)?;
            // Of several at once the one that is stored last may not be the last one counted.
            match attempt.beyond(failures) {
                Some(later) => failures = later,
                None => return Ok(failures.last),
            }
        }
    }

    fn grant(&self, who: Principal) -> Result<Grant, Error> {
        let at = self.revoked.first(&who.user, || self.clock.wall());
        self.pair(who, &new_sign_in(), at)
    }
}

/// What a record says was wrong.
fn read(kept: &Record) -> Option<Failures> {
    serde_json::from_str(&kept.value).ok()
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

/// What stands behind `Authorization: Bearer`, whatever it is.
pub(crate) fn shown_bearer(headers: &HeaderMap) -> Option<String> {
    let value = std::str::from_utf8(headers.get(AUTHORIZATION)?.as_bytes()).ok()?;
    after_scheme(value).map(str::to_owned)
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

fn shut(shut: Shut) -> Error {
    match shut {
        Shut::Locked(wait) => Error::too_fast("wrong passwords", wait),
        Shut::Crowded => busy(),
    }
}

fn busy() -> Error {
    // The code whose answer is 429 and "later": there is none for sign-ins of its own.
    Error::new(Code::TooManyConnections, "Too many people are signing in; try again in a moment")
}

fn no_hash(error: PasswordError) -> Error {
    match error {
        PasswordError::Busy => busy(),
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
