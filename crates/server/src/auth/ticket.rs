//! One-time tickets: what a page puts into a WebSocket's address in place of its token. An address ends up in
//! logs of proxies and in histories; a ticket in it is worth nothing by then.
//!
//! Held in this process only, for [`limit::TICKET_TIME`]. The table knows digests, not tickets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use headwater_core::code::{Code, Error};
use headwater_core::{UserId, limit};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::token::Identity;

/// Random bytes of a ticket.
const BYTES: usize = 16;
/// Characters of a ticket: those bytes in base64url.
const CHARS: usize = 22;

#[derive(Debug)]
struct Waiting {
    identity: Identity,
    origin: Option<Box<[u8]>>,
    until: Instant,
}

/// The tickets that wait for their connections.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    waiting: Mutex<HashMap<[u8; 32], Waiting>>,
}

impl Tickets {
    /// A ticket for this identity, for connections of pages of this origin; of any, where `origin` is none.
    pub(super) fn give(
        &self,
        identity: Identity,
        origin: Option<&[u8]>,
        now: Instant,
    ) -> Result<String, Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|_| Error::new(Code::Internal, "Internal Server Error"))?;
        let ticket = URL_SAFE_NO_PAD.encode(bytes);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut waiting, &identity.who.user, now)?;
        let origin = origin.map(Into::into);
        let until = now + limit::TICKET_TIME;
        waiting.insert(Sha256::digest(&ticket).into(), Waiting { identity, origin, until });
        Ok(ticket)
    }

    /// Whose ticket this is. It is gone afterwards, also where the origin is not its own: who shows it from
    /// elsewhere has stolen it.
    pub(super) fn take(&self, ticket: &str, origin: Option<&[u8]>, now: Instant) -> Option<Identity> {
        if ticket.len() != CHARS {
            return None;
        }
        // Found by its digest, so that the time of the search says nothing about other tickets.
        let key: [u8; 32] = Sha256::digest(ticket).into();
        let found = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&key)?;
        let ours = found.origin.as_deref().is_none_or(|own| origin == Some(own));
        (ours && now < found.until).then_some(found.identity)
    }
}

fn make_room(waiting: &mut HashMap<[u8; 32], Waiting>, user: &UserId, now: Instant) -> Result<(), Error> {
    let of_user = |w: &Waiting| w.identity.who.user == *user;
    if waiting.len() >= limit::TICKETS
        || waiting.values().filter(|w| of_user(w)).count() >= limit::TICKETS_PER_USER
    {
        waiting.retain(|_, w| now < w.until);
    }
    if waiting.values().filter(|w| of_user(w)).count() >= limit::TICKETS_PER_USER {
        let oldest = waiting.iter().filter(|(_, w)| of_user(w)).min_by_key(|(_, w)| w.until);
        if let Some(key) = oldest.map(|(key, _)| *key) {
            waiting.remove(&key);
        }
    }
    if waiting.len() >= limit::TICKETS {
        return Err(Error::new(
            Code::RateLimited,
            "Too many tickets wait for their connections; try again in a moment",
        ));
    }
    Ok(())
}
