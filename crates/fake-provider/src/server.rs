//! The listener and its connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limit;
use crate::record::Book;
use crate::script::Script;
use crate::service::{Connection, Shared, serve};
use crate::socket::{Linger, Socket};

/// What connections speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1, and HTTP/2 with whom knows it beforehand or agrees on it with TLS.
    #[default]
    Both,
    /// HTTP/1.1 only.
    One,
    /// HTTP/2 only.
    Two,
}

/// How a fake is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 is any free one.
    pub listen: SocketAddr,
    /// What it says where nothing else is asked for.
    pub script: Script,
    /// Whether it speaks TLS, with a certificate for `localhost` that it makes for itself.
    pub tls: bool,
    /// What connections speak.
    pub http: Http,
    /// Streams that one HTTP/2 connection may have open, as it announces.
    pub streams: u32,
}

impl Default for Options {
    /// In the clear on any free port of 127.0.0.1, a hundred streams.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            script: Script::default(),
            tls: false,
            http: Http::Both,
            streams: limit::STREAMS,
        }
    }
}

/// A certificate for `localhost` and 127.0.0.1 that nobody else has signed, and what serves it.
pub(crate) fn certificate(http: Http) -> io::Result<(String, TlsAcceptor)> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    let (one, two) = (b"http/1.1".to_vec(), b"h2".to_vec());
    config.alpn_protocols = match http {
        Http::Both => vec![two, one],
        Http::One => vec![one],
        Http::Two => vec![two],
    };
    Ok((made.cert.pem(), TlsAcceptor::from(Arc::new(config))))
}

/// Runs what belongs to a fake, and ends it with the fake.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spawner {
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Spawner {
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }
}

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, work: F) {
        self.spawn(async move {
            let _ = work.await;
        });
    }
}

/// Accepts connections until `closed`.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) closed: CancellationToken,
    pub(crate) shared: Arc<Shared>,
    pub(crate) spawner: Spawner,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) http: Http,
    pub(crate) streams: u32,
}

impl Door {
    pub(crate) async fn run(self) {
        loop {
            let accepted = tokio::select! {
                () = self.closed.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.welcome(stream),
                // Out of files, for example; it passes.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn welcome(&self, stream: TcpStream) {
        let refused = {
            let mut refuse = self.shared.refuse.lock();
            let refused = *refuse > 0;
            *refuse = refuse.saturating_sub(1);
            refused
        };
        let linger = Linger::default();
        if refused {
            linger.reset();
            drop(Socket::new(stream, linger));
            self.shared.book.change(|calls| calls.refused += 1);
            return;
        }
        // A write is a packet, or nobody would see how an answer is cut.
        let _ = stream.set_nodelay(true);
        let number = self.shared.book.change(|calls| {
            calls.connections += 1;
            calls.open_connections += 1;
            calls.connections
        });
        let open = Open(Arc::clone(&self.shared.book));
        let connection = Connection { number, linger: linger.clone() };
        let socket = Socket::new(stream, linger);
        let (shared, builder, tls) = (Arc::clone(&self.shared), self.builder(), self.tls.clone());
        self.spawner.spawn(async move {
            let _open = open;
            match tls {
                None => converse(builder, socket, shared, connection).await,
                Some(tls) => {
                    // Who cannot agree on TLS has heard so.
                    if let Ok(socket) = tls.accept(socket).await {
                        converse(builder, socket, shared, connection).await;
                    }
                }
            }
        });
    }

    fn builder(&self) -> auto::Builder<Spawner> {
        let mut builder = auto::Builder::new(self.spawner.clone());
        builder.http2().max_concurrent_streams(self.streams);
        match self.http {
            Http::Both => builder,
            Http::One => builder.http1_only(),
            Http::Two => builder.http2_only(),
        }
    }
}

/// A connection that is counted.
struct Open(Arc<Book>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.change(|calls| calls.open_connections -= 1);
    }
}

async fn converse(
    builder: auto::Builder<Spawner>,
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
    connection: Connection,
) {
    let service = service_fn(move |request| serve(Arc::clone(&shared), connection.clone(), request));
    // How it ended is in the records of its calls.
    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
}
