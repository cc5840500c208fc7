//! One socket's part of the gate: what it holds, and what it may ask for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use headwater_core::UserId;
use headwater_core::code::Error;
use headwater_core::rate::Bucket;
use tokio::time::Instant;

use super::places::Place;
use super::{AddressKey, Gate, count, full};

/// What a socket holds; given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    gate: Arc<Gate>,
    address: AddressKey,
    /// Among the connections of its address, where the connection itself is a proxy's.
    _behind_proxy: Option<Place<AddressKey>>,
    /// Until somebody signs in.
    stranger: Option<Place<AddressKey>>,
    /// From then on.
    user: Option<Place<UserId>>,
    messages: Bucket,
    since: Instant,
}

impl Gate {
    /// A socket of this address, whose handshake is about to be answered; `signed_in` where that showed who it
    /// is: [`Seat::sign_in`] follows. `proxied`: its connection was counted as a proxy's and not as its own.
    ///
    /// # Errors
    /// [`headwater_core::Code::RateLimited`], [`headwater_core::Code::TooManyConnections`].
    pub fn seat(
        self: &Arc<Self>,
        address: AddressKey,
        proxied: bool,
        signed_in: bool,
    ) -> Result<Seat, Error> {
        let behind_proxy = if proxied { Some(self.connect(&address)?) } else { None };
        let stranger = if signed_in {
            None
        } else {
            let taken = self.strangers.take(&address).ok_or_else(|| {
                count(&self.turned_away.sockets);
                full("connections from your address on which nobody has signed in", "sign in or close some")
            });
            Some(taken?)
        };
        self.sockets.fetch_add(1, Ordering::Relaxed);
        Ok(Seat {
            gate: Arc::clone(self),
            address,
            _behind_proxy: behind_proxy,
            stranger,
            user: None,
            messages: Bucket::default(),
            since: Instant::now(),
        })
    }
}

impl Seat {
    /// Whose rules these are.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The socket is this user's from now on.
    ///
    /// # Errors
    /// [`headwater_core::Code::TooManyConnections`]: he has as many as he may; this one is to be closed.
    pub fn sign_in(&mut self, user: &UserId) -> Result<(), Error> {
        // First his old place, or somebody who signs in again would need two.
        self.user = None;
        self.user = Some(self.gate.users.take(user).ok_or_else(|| {
            count(&self.gate.turned_away.sockets);
            full("connections of yours", "close one")
        })?);
        self.stranger = None;
        Ok(())
    }

    /// The socket asks for work in this user's name.
    ///
    /// # Errors
    /// [`headwater_core::Code::RateLimited`], by the socket, the user or the address.
    pub fn message(&mut self, user: &UserId) -> Result<(), Error> {
        let gate = &self.gate;
        // The widest first: what is refused there is not taken from the narrower ones.
        let asked = gate.messages_per_address.take(&self.address);
        let asked = asked.and_then(|()| match &gate.rules.messages {
            Some(rate) => self.messages.take(rate, self.since.elapsed(), 1),
            None => Ok(()),
        });
        let asked = asked.and_then(|()| gate.messages.take(user));
        asked.map_err(|wait| {
            count(&gate.turned_away.messages);
            Error::too_fast("messages", wait)
        })
    }

    /// The socket asks for a run.
    ///
    /// # Errors
    /// [`headwater_core::Code::RateLimited`], by the address.
    pub fn start(&self) -> Result<(), Error> {
        self.gate.start(&self.address)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::*;
    use headwater_core::Code;
    use headwater_core::rate::Rate;

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_users_and_addresses_have_their_caps() {
        let rules = Rules {
            connections_per_user: Some(1),
            unauthenticated_per_address: Some(1),
            connections_per_address: Some(2),
            ..Rules::default()
        };
        let gate = Arc::new(Gate::new(rules));
        let here = AddressKey::of([192, 0, 2, 1].into());
        let mut first = gate.seat(here, true, false).unwrap();
        assert_eq!(gate.seat(here, true, false).unwrap_err().code, Code::TooManyConnections);
        first.sign_in(&user("ann")).unwrap();
        // His own place is free for himself; and the stranger's is free again.
        first.sign_in(&user("ann")).unwrap();
        let mut second = gate.seat(here, true, false).unwrap();
        assert_eq!(second.sign_in(&user("ann")).unwrap_err().code, Code::TooManyConnections);
        // Both of the address are open.
        assert_eq!(gate.seat(here, true, true).unwrap_err().code, Code::TooManyConnections);
        assert_eq!(gate.sockets(), 2);
        drop((first, second));
        assert_eq!(gate.sockets(), 0);
        gate.seat(here, true, true).unwrap().sign_in(&user("ann")).unwrap();
    }

    // Planted fault: the user's allowance not asked; a second socket then doubled it.
    #[tokio::test(start_paused = true)]
    async fn messages_are_measured_by_socket_user_and_address() {
        let rules = Rules {
            messages: Some(Rate::per_minute(2, 2)),
            messages_per_address: Some(Rate::per_minute(5, 5)),
            ..Rules::default()
        };
        let gate = Arc::new(Gate::new(rules));
        let seat = || gate.seat(AddressKey::of([192, 0, 2, 1].into()), false, true).unwrap();
        let (mut one, mut two) = (seat(), seat());
        let (ann, bob) = (user("ann"), user("bob"));
        assert!(one.message(&ann).is_ok() && one.message(&ann).is_ok());
        let refused = two.message(&ann).unwrap_err();
        assert_eq!(refused.message, "Too many messages; try again in 30 s");
        assert_eq!(refused.retry_after, Some(30));
        // The socket's own, whoever uses it.
        assert!(one.message(&bob).is_err());
        assert!(two.message(&bob).is_ok());
        // Refusals cost as well where they are of one address.
        assert!(seat().message(&user("eve")).is_err(), "the address has none left");
    }
}
