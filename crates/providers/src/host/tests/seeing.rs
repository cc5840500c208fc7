//! A host with TLS that says what it sees: who asks, in which version, and who leaves.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

use super::spawn;

/// What a host saw.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A request, on which connection, in which version.
    Request(SocketAddr, &'static str),
    /// The end of one, by the other side.
    Left,
}

/// A host that speaks what it is told to, says `a` and then nothing more, and tells what it sees.
pub(super) struct Secure {
    pub(super) seen: mpsc::Receiver<Seen>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Bytes that were said in all, where a host repeats itself for ever; `None` where it says its piece once.
pub(super) type Again = Option<Arc<AtomicUsize>>;

/// Says that a request's answer is not wanted any more.
struct Leaving(mpsc::Sender<Seen>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let _ = self.0.try_send(Seen::Left);
    }
}

/// With these protocols, and so many streams on a connection. `again` is how often it says its piece.
pub(super) async fn secure(
    alpn: &[&str],
    streams: u32,
    piece: Bytes,
    again: Again,
) -> (Secure, u16, tempfile::TempDir) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, seen) = mpsc::channel(10_000);
    let task = spawn(async move {
        loop {
            let (socket, address) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            let (acceptor, tell, piece, again) =
                (acceptor.clone(), tell.clone(), piece.clone(), again.clone());
            spawn(async move {
                let Ok(socket) = acceptor.accept(socket).await else { return };
                let h2 = socket.get_ref().1.alpn_protocol() == Some(b"h2");
                let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let (tell, piece, again) = (tell.clone(), piece.clone(), again.clone());
                    async move {
                        request.into_body().collect().await.unwrap();
                        let version = if h2 { "h2" } else { "h1" };
                        tell.send(Seen::Request(address, version)).await.unwrap();
                        let leaving = Leaving(tell);
                        if piece.is_empty() {
                            // Not even a head.
                            std::future::pending::<()>().await;
                        }
                        let often = if again.is_some() { usize::MAX } else { 1 };
                        let said = futures_util::stream::repeat(piece).take(often);
                        let body = said.chain(futures_util::stream::pending()).map(move |piece| {
                            let _kept = &leaving;
                            if let Some(bytes) = &again {
                                bytes.fetch_add(piece.len(), Ordering::Relaxed);
                            }
                            Ok::<_, Infallible>(Frame::data(piece))
                        });
                        Ok::<_, Infallible>(
                            hyper::Response::builder()
                                .header("content-type", "text/event-stream")
                                .body(StreamBody::new(body))
                                .unwrap(),
                        )
                    }
                });
                let io = TokioIo::new(socket);
                if h2 {
                    let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = server.max_concurrent_streams(streams).serve_connection(io, answer).await;
                } else {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, answer).await;
                }
            });
        }
    });
    (Secure { seen, task }, port, folder)
}
