//! Who may come in, how often, and how many of them: everything that is asked before a request or a socket
//! is served. One for the whole server, over all listeners.
//!
//! It knows addresses and users and neither HTTP nor sockets: [`crate::edge`] asks it about connections,
//! [`crate::http::admission`] about requests, [`crate::ws`] about sockets and what they send.

pub mod address;
pub mod origin;
mod places;
mod seat;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use headwater_core::code::{Code, Error};
use headwater_core::rate::Rate;
use headwater_core::{UserId, limit};
use headwater_engine::Allowances;

pub use self::address::{AddressKey, ClientAddress, Proxies};
pub use self::origin::Origins;
pub use self::places::Place;
use self::places::Places;
pub use self::seat::Seat;

/// What an operator decides; the defaults stand in [`limit`]. `None`: no cap.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whose word on a client's address counts.
    pub proxies: Proxies,
    /// Whose pages may open sockets and read answers, beside our own.
    pub origins: Origins,
    /// Connections of one address at once.
    pub connections_per_address: Option<usize>,
    /// Sockets of one user at once.
    pub connections_per_user: Option<usize>,
    /// Sockets of one address on which nobody has signed in.
    pub unauthenticated_per_address: Option<usize>,
    /// New connections of one address.
    pub connects: Option<Rate>,
    /// Requests of one address.
    pub requests: Option<Rate>,
    /// Frames of one user, and of one socket, that ask for work.
    pub messages: Option<Rate>,
    /// The same of one address.
    pub messages_per_address: Option<Rate>,
    /// Runs that one address may start. Those of a user are the engine's, which knows what is new.
    pub starts_per_address: Option<Rate>,
    /// Sign-ins of one address.
    pub sign_ins: Option<Rate>,
    /// New accounts of one address.
    pub registrations: Option<Rate>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            proxies: Proxies::default(),
            origins: Origins::default(),
            connections_per_address: Some(limit::CONNECTIONS_PER_ADDRESS),
            connections_per_user: Some(limit::CONNECTIONS_PER_USER),
            unauthenticated_per_address: Some(limit::UNAUTHENTICATED_PER_ADDRESS),
            connects: Some(limit::CONNECTS),
            requests: Some(limit::REQUESTS),
            messages: Some(limit::MESSAGES),
            messages_per_address: Some(limit::MESSAGES_PER_ADDRESS),
            starts_per_address: Some(limit::STARTS_PER_ADDRESS),
            sign_ins: Some(limit::SIGN_INS),
            registrations: Some(limit::REGISTRATIONS),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Gate {
    rules: Rules,
    connections: Arc<Places<AddressKey>>,
    strangers: Arc<Places<AddressKey>>,
    users: Arc<Places<UserId>>,
    connects: Allowances<AddressKey>,
    requests: Allowances<AddressKey>,
    returns: Allowances<AddressKey>,
    sign_ins: Allowances<AddressKey>,
    registrations: Allowances<AddressKey>,
    starts_per_address: Allowances<AddressKey>,
    messages: Allowances<UserId>,
    messages_per_address: Allowances<AddressKey>,
    sockets: AtomicUsize,
    turned_away: TurnedAway,
}

/// How often somebody was turned away since the start, by what he ran into.
#[derive(Debug, Default)]
struct TurnedAway {
    connections: AtomicU64,
    sockets: AtomicU64,
    origins: AtomicU64,
    requests: AtomicU64,
    messages: AtomicU64,
    floods: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(Rules::default())
    }
}

impl Gate {
    /// A gate that keeps these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            connections: Places::new(rules.connections_per_address),
            strangers: Places::new(rules.unauthenticated_per_address),
            users: Places::new(rules.connections_per_user),
            connects: Allowances::new(rules.connects),
            requests: Allowances::new(rules.requests),
            // Who counts no requests counts none of these either.
            returns: Allowances::new(rules.requests.map(|_| limit::RETURNS)),
            sign_ins: Allowances::new(rules.sign_ins),
            registrations: Allowances::new(rules.registrations),
            starts_per_address: Allowances::new(rules.starts_per_address),
            messages: Allowances::new(rules.messages),
            messages_per_address: Allowances::new(rules.messages_per_address),
            sockets: AtomicUsize::new(0),
            turned_away: TurnedAway::default(),
            rules,
        }
    }

    /// What it keeps.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A connection of this address comes in; its place lasts as long as it does.
    ///
    /// # Errors
    /// [`Code::RateLimited`], [`Code::TooManyConnections`].
    pub fn connect(&self, address: &AddressKey) -> Result<Place<AddressKey>, Error> {
        let came = self.connects.take(address).map_err(|wait| Error::too_fast("new connections", wait));
        let place = came.and_then(|()| {
            self.connections.take(address).ok_or_else(|| full("connections from your address", "close some"))
        });
        place.inspect_err(|_| count(&self.turned_away.connections))
    }

    /// A request of this address.
    ///
    /// # Errors
    /// [`Code::RateLimited`].
    pub fn request(&self, address: &AddressKey) -> Result<(), Error> {
        self.ask(&self.requests, address, "requests")
    }

    /// A request of this address that a client makes again and again although all is well: a socket that it opens anew
    /// at every turn, a state that it asks for.
    ///
    /// # Errors
    /// [`Code::RateLimited`].
    pub fn coming_back(&self, address: &AddressKey) -> Result<(), Error> {
        self.ask(&self.returns, address, "requests")
    }

    /// A sign-in from this address, good or bad.
    ///
    /// # Errors
    /// [`Code::RateLimited`].
    pub fn sign_in(&self, address: &AddressKey) -> Result<(), Error> {
        self.ask(&self.sign_ins, address, "attempts to sign in")
    }

    /// A new account from this address.
    ///
    /// # Errors
    /// [`Code::RateLimited`].
    pub fn registration(&self, address: &AddressKey) -> Result<(), Error> {
        self.ask(&self.registrations, address, "new accounts")
    }

    /// A run from this address.
    ///
    /// # Errors
    /// [`Code::RateLimited`].
    pub fn start(&self, address: &AddressKey) -> Result<(), Error> {
        self.ask(&self.starts_per_address, address, "questions from your address")
    }

    /// A search of this user's: it costs what a message does, and is taken from the same allowance.
    ///
    /// # Errors
    /// [`Code::RateLimited`].
    pub fn search(&self, user: &UserId) -> Result<(), Error> {
        self.messages.take(user).map_err(|wait| {
            count(&self.turned_away.messages);
            Error::too_fast("searches and messages", wait)
        })
    }

    fn ask(&self, of: &Allowances<AddressKey>, address: &AddressKey, what: &str) -> Result<(), Error> {
        of.take(address).map_err(|wait| {
            count(&self.turned_away.requests);
            Error::too_fast(what, wait)
        })
    }

    /// A page of a foreign origin was refused.
    pub(crate) fn refused_origin(&self) {
        count(&self.turned_away.origins);
    }

    /// A socket was closed because it flooded us.
    pub(crate) fn flooded(&self) {
        count(&self.turned_away.floods);
    }

    /// How many sockets are open.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Over how long the sockets that are open now say farewell, so that their clients do not all come back in
    /// one moment. Nothing for a few.
    #[must_use]
    pub fn farewell_time(&self) -> Duration {
        match self.sockets() {
            0..=limit::FAREWELLS_AT_ONCE => Duration::ZERO,
            many => Duration::from_millis(many as u64).min(limit::FAREWELLS_TIME),
        }
    }

    /// How often somebody was turned away since the start, by what he ran into; for metrics.
    #[must_use]
    pub fn turned_away(&self) -> [(&'static str, u64); 6] {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let turned = &self.turned_away;
        [
            ("connections", of(&turned.connections)),
            ("sockets", of(&turned.sockets)),
            ("origins", of(&turned.origins)),
            ("requests", of(&turned.requests)),
            ("messages", of(&turned.messages)),
            ("floods", of(&turned.floods)),
        ]
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn full(what: &str, then: &str) -> Error {
    Error::new(Code::TooManyConnections, format!("Too many {what}; {then} and try again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Planted fault: fewer new connections than sockets.
    #[tokio::test]
    async fn twenty_front_ends_that_reconnect_behind_one_address_run_into_nothing() {
        let (gate, office) = (Gate::default(), ClientAddress([192, 0, 2, 1].into()).key());
        // 22 sockets a second each, for two seconds in one moment.
        for n in 0..2 * 20 * 22 {
            assert!(gate.connect(&office).is_ok(), "connection {n}");
            assert!(gate.coming_back(&office).is_ok(), "socket {n}");
        }
    }
}
