//! Connections to one host. Over HTTP/2 all answers of a client share one connection, and a host allows a number of
//! them, often 100: the next request waits, unseen, until one ends, and answers of models end late. So there are as
//! many clients as are needed, each with at most so many answers at once.
//!
//! What a host really allows is not to be seen from here: the client does not say that a request waits for a place.
//! The number is therefore a setting, with a default below what vendors allow; and who gets no answer beside
//! others is told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use headwater_core::limit;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use parking_lot::Mutex;
use reqwest::Version;
use tokio::time::Duration;
use tokio_rustls::rustls::ClientConfig;

use crate::address::Judge;

/// What every client of a host is made of.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) tls: ClientConfig,
    pub(super) judge: Judge,
    pub(super) connect: Duration,
    /// Answers at once on one connection.
    pub(super) streams: usize,
}

/// The clients of a host, made when they are needed.
#[derive(Debug)]
pub(super) struct Pool {
    making: Making,
    clients: Mutex<Vec<Shard>>,
}

#[derive(Debug)]
struct Shard {
    client: reqwest::Client,
    places: Arc<Places>,
}

#[derive(Debug, Default)]
struct Places {
    taken: AtomicUsize,
    /// Whether the host is known to put all of them on one connection.
    shared: AtomicBool,
}

/// A place on a connection; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Slot(Arc<Places>);

impl Slot {
    /// In which version the host answered.
    pub(super) fn answered_in(&self, version: Version) {
        self.0.shared.store(version == Version::HTTP_2, Ordering::Relaxed);
    }

    /// Others on the same connection, among whom this one may be waiting for a place.
    pub(super) fn neighbours(&self) -> usize {
        match self.0.shared.load(Ordering::Relaxed) {
            true => self.0.taken.load(Ordering::Relaxed).saturating_sub(1),
            false => 0,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Release);
    }
}

impl Pool {
    /// # Errors
    /// `Unavailable`, if no client can be made.
    pub(super) fn new(making: Making) -> Result<Self, ProviderError> {
        let first = Shard { client: making.client()?, places: Arc::default() };
        Ok(Self { making, clients: Mutex::new(vec![first]) })
    }

    /// A client with a place, the earliest that has one: the later ones empty themselves and close.
    ///
    /// # Errors
    /// `Busy`, if there are too many answers; `Unavailable`, if no client can be made.
    pub(super) fn take(&self) -> Result<(reqwest::Client, Slot), ProviderError> {
        let mut clients = self.clients.lock();
        let (mut free, mut answers) = (None, 0);
        for (at, shard) in clients.iter().enumerate() {
            let taken = shard.places.taken.load(Ordering::Acquire);
            answers += taken;
            if taken < self.making.streams {
                free = Some(at);
                break;
            }
        }
        // Where none is free all were counted: the most clients follow from the answers, however few share one.
        let at = match free {
            Some(at) => at,
            None if answers >= limit::PROVIDER_ANSWERS => {
                let words = "too many answers of this provider are being read at once; try again later";
                return Err(ProviderError::new(ProviderErrorKind::Busy, words));
            }
            None => {
                clients.push(Shard { client: self.making.client()?, places: Arc::default() });
                clients.len() - 1
            }
        };
        let Shard { client, places } = &clients[at];
        places.taken.fetch_add(1, Ordering::Relaxed);
        Ok((client.clone(), Slot(places.clone())))
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> Vec<usize> {
        self.clients.lock().iter().map(|c| c.places.taken.load(Ordering::Acquire)).collect()
    }
}

impl Making {
    fn client(&self) -> Result<reqwest::Client, ProviderError> {
        let window = u32::try_from(self.streams).unwrap_or(u32::MAX).saturating_mul(limit::PROVIDER_WINDOW);
        // The client itself sends anew only what the host says it did not read (HTTP/2 REFUSED_STREAM, GOAWAY).
        reqwest::Client::builder()
            .user_agent(concat!("headwater/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Arc::new(self.judge))
            .connect_timeout(self.connect)
            // A redirect of a POST with a key is a mistake or an attack.
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would look the name up itself, behind the judge's back.
            .no_proxy()
            .http2_initial_stream_window_size(limit::PROVIDER_WINDOW)
            .http2_initial_connection_window_size(window.min(i32::MAX.unsigned_abs()))
            .http2_keep_alive_interval(limit::PROVIDER_PING)
            .http2_keep_alive_timeout(limit::PROVIDER_PONG)
            .http2_keep_alive_while_idle(false)
            .tcp_keepalive(limit::PROVIDER_PING)
            .tcp_keepalive_interval(limit::PROVIDER_PONG)
            .tcp_keepalive_retries(2)
            .build()
            .map_err(|_| ProviderError::new(ProviderErrorKind::Unavailable, "the TLS client cannot be built"))
    }
}
