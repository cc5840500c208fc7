//! The loop that accepts connections, in place of `axum::serve`, which sets no limit on how long a request
//! head may take, leaves Nagle's delay on, holds any number of connections, and forgets upgraded ones.
//!
//! A connection is one task of [`Tasks`] until its HTTP ends: with the last answer, or with an upgrade.
//! Its place under the cap goes with the socket, wherever that goes.

mod counted;
mod door;
mod head_time;
mod socket;
pub mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use headwater_core::limit;
use headwater_engine::Tasks;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use self::counted::{Counted, Held};
use self::head_time::HeadTimer;
use self::socket::Socket;
use self::tls::Tls;
use crate::gate::{AddressKey, Gate};
use crate::http::layers::{X_REQUEST_ID, X_RESPONSE_TIME, millis};
use crate::http::refusal::RETRY_SECONDS;
use crate::metrics::Metrics;

/// Connections over the cap that are told so at once; more are closed without a word.
const REFUSED_AT_ONCE: usize = 64;

/// What a connection may cost. The defaults are those of [`limit`].
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once, over all listeners of one [`Edge`].
    pub connections: usize,
    /// How long a TLS handshake may take.
    pub handshake_time: Duration,
    /// How long a request head may take.
    pub head_time: Duration,
    /// How long a connection may be silent between two requests.
    pub idle_time: Duration,
    /// Bytes of a request head; at most 64 KiB. More is a 431.
    pub head_bytes: usize,
    /// Headers of a request. More is a 431.
    pub headers: usize,
    /// How long an answer may be written without progress before the connection is dropped. Not for
    /// upgraded ones, which look after themselves.
    pub write_stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: limit::CONNECTIONS,
            handshake_time: limit::TLS_HANDSHAKE_TIME,
            head_time: limit::HTTP_HEAD_TIME,
            idle_time: limit::HTTP_IDLE_TIME,
            head_bytes: limit::HTTP_HEAD_BYTES,
            headers: limit::HTTP_HEADERS,
            write_stall: limit::WRITE_STALL,
        }
    }
}

/// What a handler may know about its connection; every request carries it as an extension
/// (`Extension<ConnInfo>`). Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConnInfo {
    /// Who is at the other end of the socket; a proxy, where there is one.
    pub peer: SocketAddr,
    /// Bytes that the kernel has taken for the peer. A write that is stuck and this number not moving
    /// means that the peer does not read.
    pub written: Arc<AtomicU64>,
    /// Bytes that came from the peer.
    pub read: Arc<AtomicU64>,
    /// Whether HTTP is over on this socket and somebody else looks after it.
    handed_over: Arc<AtomicBool>,
}

impl ConnInfo {
    /// Of a connection on which nothing has happened yet.
    #[must_use]
    pub fn new(peer: SocketAddr) -> Self {
        Self { peer, written: Arc::default(), read: Arc::default(), handed_over: Arc::default() }
    }
}

/// Accepts connections and speaks HTTP/1 on them. One for all listeners: they share the cap. Cheap to clone.
#[derive(Clone)]
pub struct Edge {
    tasks: Tasks,
    limits: Limits,
    gate: Arc<Gate>,
    metrics: Metrics,
    tls: Option<Tls>,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    /// Whether the last one that came was refused.
    full: Arc<AtomicBool>,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge")
            .field("open", &self.open())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Edge {
    /// An edge whose connections are these tasks, with the usual limits.
    #[must_use]
    pub fn new(tasks: Tasks) -> Self {
        Self::with_limits(tasks, Limits::default())
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(tasks: Tasks, limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections));
        let refusals = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
        let (gate, metrics, tls, full) = (Arc::default(), Metrics::default(), None, Arc::default());
        Self { tasks, limits, gate, metrics, tls, places, refusals, full }
    }

    /// Behind this gate: the same that the requests are asked at.
    #[must_use]
    pub fn behind(self, gate: Arc<Gate>) -> Self {
        Self { gate, ..self }
    }

    /// Counted there.
    #[must_use]
    pub fn counted(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// With every connection through TLS.
    #[must_use]
    pub fn encrypted(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// How many sockets are open, upgraded ones included.
    #[must_use]
    pub fn open(&self) -> usize {
        self.limits.connections.saturating_sub(self.places.available_permits())
    }

    /// Accepts connections and answers them with `app`, until `shutdown` is cancelled. Returns then at
    /// once, with the listener closed; connections end by themselves, idle ones at once, others after the
    /// answer that they are in. [`Tasks::drain`] waits for them, and cuts off those that take too long;
    /// upgraded ones are not among them.
    pub async fn serve(&self, listener: TcpListener, app: Router, shutdown: CancellationToken) {
        loop {
            let (stream, peer) = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                came = door::next(|cx| listener.poll_accept(cx)) => came,
            };
            self.admit(stream, peer, &app, &shutdown);
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, app: &Router, shutdown: &CancellationToken) {
        let came = Instant::now();
        // Without it small frames wait for the peer's acknowledgement: 19 ms at the 99th percentile.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it began");
            return;
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            // Said when it begins: a line each would be a second flood.
            if !self.full.swap(true, Ordering::Relaxed) {
                tracing::warn!(connections = self.limits.connections, "full: connections are refused");
            }
            let words = no(StatusCode::SERVICE_UNAVAILABLE, "Too many connections", RETRY_SECONDS, came);
            return self.refuse(stream, words);
        };
        self.full.store(false, Ordering::Relaxed);
        // Of a trusted proxy's connections each carries many people's requests.
        let proxy = self.gate.rules().proxies.trusts(peer.ip());
        let counted = if proxy { Ok(None) } else { self.gate.connect(&AddressKey::of(peer.ip())).map(Some) };
        let held = match counted {
            Ok(address) => Held { _place: place, _open: self.metrics.connection(), _address: address },
            Err(error) => {
                tracing::debug!(%error, "a connection is refused");
                let wait = error.retry_after.unwrap_or(RETRY_SECONDS);
                return self.refuse(stream, no(StatusCode::TOO_MANY_REQUESTS, &error.message, wait, came));
            }
        };
        let talk = converse(stream, ConnInfo::new(peer), held, self.clone(), app.clone(), shutdown.clone());
        self.tasks.spawn("connection", talk);
    }

    /// Says no without a look at the request. To many at once, and where TLS is spoken, without a word.
    fn refuse(&self, stream: TcpStream, words: Vec<u8>) {
        if self.tls.is_none()
            && let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned()
        {
            self.tasks.spawn("refusal", refuse(stream, words, permit));
        }
    }
}

/// What is said over a cap, without a look at the request: so its name is one of ours.
fn no(status: StatusCode, sentence: &str, wait: u64, came: Instant) -> Vec<u8> {
    let body = serde_json::json!({ "detail": sentence }).to_string();
    let (length, id) = (body.len(), uuid::Uuid::new_v4());
    let time = millis(came.elapsed());
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{X_REQUEST_ID}: {id}\r\n\
         {X_RESPONSE_TIME}: {time}\r\nretry-after: {wait}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Makes a connection ready and speaks HTTP on it until it ends or is handed over.
async fn converse(
    stream: TcpStream,
    info: ConnInfo,
    held: Held,
    edge: Edge,
    app: Router,
    shutdown: CancellationToken,
) {
    let io = Counted::new(stream, info.clone(), edge.limits.write_stall, held);
    let socket = match &edge.tls {
        None => Socket::Plain(io),
        Some(tls) => {
            let shaken = Box::pin(timeout(edge.limits.handshake_time, tls.acceptor().accept(io)));
            let shaken = tokio::select! {
                shaken = shaken => shaken,
                // Nobody has asked for anything yet.
                () = shutdown.cancelled() => return,
            };
            match shaken {
                Ok(Ok(io)) => Socket::Tls(Box::new(io)),
                Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => return tracing::debug!("a TLS handshake took too long"),
            }
        }
    };
    talk(socket, info, edge, app, shutdown).await;
}

async fn talk(socket: Socket, info: ConnInfo, edge: Edge, app: Router, shutdown: CancellationToken) {
    let Edge { tasks, limits, gate, tls, .. } = edge;
    let (encrypted, firmly) = (tls.is_some(), tasks.stopping().clone());
    let (handed_over, read) = (Arc::clone(&info.handed_over), Arc::clone(&info.read));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let proxies = &gate.rules().proxies;
        let (client, reached) = proxies.client(info.peer.ip(), encrypted, request.headers());
        let extensions = request.extensions_mut();
        extensions.insert(info.clone());
        extensions.insert(client);
        extensions.insert(reached);
        app.clone().call(request)
    });
    let mut http = http1::Builder::new();
    // Without a timer the timeout is silently off.
    http.timer(HeadTimer::new(read, limits.head_time))
        .header_read_timeout(limits.idle_time)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        // Also what an answer may fill before its source waits; the library's own is 400 KB. It has a
        // smallest value, and a head must fit.
        .max_buf_size(BUFFER_BYTES);
    let mut connection = pin!(http.serve_connection(TokioIo::new(socket), service).with_upgrades());
    let spoken = async {
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    let ended = tokio::select! {
        ended = spoken => ended,
        // The answer breaks off, which a client sees; a stream that ended cleanly it would believe.
        () = firmly.cancelled() => return,
    };
    handed_over.store(true, Ordering::Relaxed);
    if let Err(error) = ended {
        // Of the peer's making: it went away, was too slow, or does not speak HTTP.
        tracing::debug!(%error, "a connection broke");
    }
}

/// Bytes that are buffered for one connection in each direction, at most.
const BUFFER_BYTES: usize = 64 * 1024;

/// Says that there is no room, and waits until the peer has read it: closing a socket on which something
/// unread lies sends a reset, which overtakes the answer.
async fn refuse(mut stream: TcpStream, words: Vec<u8>, _permit: OwnedSemaphorePermit) {
    let parting = async {
        stream.write_all(&words).await?;
        stream.shutdown().await?;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(limit::CLOSE_TIME, parting).await;
}
