//! How long somebody who has shown who he is still is that: until his token runs out, or he signs out.

use std::sync::Arc;

use headwater_core::code::{Code, Error};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Auth;
use super::revoked::Revoked;
use super::token::Identity;

/// What is said when it is over.
#[must_use]
pub fn expired() -> Error {
    Error::new(Code::TokenExpired, "Token expired")
}

/// Watches over one identity, or over nobody's. Cheap: an instant and two pointers beside the identity.
#[derive(Debug)]
pub struct Standing {
    identity: Option<Box<Identity>>,
    ends: Option<Instant>,
    revoked: Arc<Revoked>,
    heard: watch::Receiver<u64>,
}

impl Standing {
    pub(super) fn new(auth: &Auth, identity: Option<Identity>) -> Self {
        let mut heard = auth.revoked.moved();
        // A sign-out between the look at the token and this line is found at the first question.
        heard.mark_changed();
        let mut standing = Self { identity: None, ends: None, revoked: Arc::clone(&auth.revoked), heard };
        standing.becomes(auth, identity);
        standing
    }

    /// From now on this one; his token was good a moment ago.
    pub(crate) fn becomes(&mut self, auth: &Auth, identity: Option<Identity>) {
        // By a clock that runs evenly: a wall clock that is set must not end every connection at once.
        let left = identity.as_ref().and_then(|i| i.expires).map(|at| auth.clock.wall().until(at));
        self.ends = left.and_then(|left| Instant::now().checked_add(left));
        self.identity = identity.map(Box::new);
        self.heard.mark_changed();
    }

    /// Who it is; `None` for nobody.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// When his token runs out.
    #[must_use]
    pub fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// Whether it is over. The table is asked only where it has moved; once `true`, ask no more.
    pub fn is_over(&mut self, now: Instant) -> bool {
        let Some(identity) = &self.identity else { return false };
        if self.ends.is_some_and(|ends| ends <= now) {
            return true;
        }
        if !self.heard.has_changed().unwrap_or(false) {
            return false;
        }
        self.heard.mark_unchanged();
        self.revoked.has(identity)
    }

    /// Waits until somebody has signed out, whoever it was.
    pub async fn moved(&mut self) {
        if self.identity.is_none() || self.heard.changed().await.is_err() {
            return std::future::pending().await;
        }
        // Left as news: `is_over` looks, and takes note.
        self.heard.mark_changed();
    }

    /// Waits until it is over; for ever, for nobody. Cancel-safe.
    pub async fn over(&mut self) {
        loop {
            if self.is_over(Instant::now()) {
                return;
            }
            let ends = self.ends;
            let time = async {
                match ends {
                    Some(ends) => sleep_until(ends).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = time => {}
                () = self.moved() => {}
            }
        }
    }
}
