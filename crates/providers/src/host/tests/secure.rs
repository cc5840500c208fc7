//! TLS, HTTP/2 and many answers at once, against a host that says what it sees.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

use super::*;

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

/// Says that a request's answer is not wanted any more.
struct Leaving(mpsc::Sender<Seen>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let _ = self.0.try_send(Seen::Left);
    }
}

/// With these protocols, and so many streams on a connection.
async fn secure(alpn: &[&str], streams: u32, piece: Bytes, again: bool) -> (Secure, u16, tempfile::TempDir) {
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
            let (acceptor, tell, piece) = (acceptor.clone(), tell.clone(), piece.clone());
            spawn(async move {
                let Ok(socket) = acceptor.accept(socket).await else { return };
                let h2 = socket.get_ref().1.alpn_protocol() == Some(b"h2");
                let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let (tell, piece) = (tell.clone(), piece.clone());
                    async move {
                        request.into_body().collect().await.unwrap();
                        let version = if h2 { "h2" } else { "h1" };
                        tell.send(Seen::Request(address, version)).await.unwrap();
                        let leaving = Leaving(tell);
                        if piece.is_empty() {
                            // Not even a head.
                            std::future::pending::<()>().await;
                        }
                        let first = futures_util::stream::iter([piece.clone()]);
                        let more = if again {
                            futures_util::stream::repeat(piece).left_stream()
                        } else {
                            futures_util::stream::pending().right_stream()
                        };
                        let body = first.chain(more).map(move |piece| {
                            let _kept = &leaving;
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

fn word() -> Bytes {
    Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")
}

fn trusting(port: u16, folder: &tempfile::TempDir) -> HostConfig {
    let ca_file = Some(folder.path().join("ca.pem"));
    HostConfig { ca_file, ..config(&format!("https://localhost:{port}/v1")) }
}

/// An HTTP/2 host, and a provider that trusts it.
pub(super) async fn one(change: impl FnOnce(&mut HostConfig)) -> (Secure, tempfile::TempDir, Host) {
    let (secure, port, folder) = secure(&["h2", "http/1.1"], 100, word(), false).await;
    let mut config = trusting(port, &folder);
    change(&mut config);
    (secure, folder, Host::new(config).unwrap())
}

async fn first(deltas: &mut Deltas) {
    assert_eq!(deltas.next().await, Some(Ok(Delta::Text("a".into()))));
}

// Planted faults: the streams of a connection not counted; the place not given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_long_answers_run_at_once_whatever_a_connection_allows() {
    let (mut host, folder, provider) = one(|_| ()).await;
    let mut answers = Vec::new();
    for asked in futures_util::future::join_all((0..250).map(|_| provider.generate(request()))).await {
        answers.push(asked.unwrap());
    }
    // All of them have begun while none has ended.
    for answer in &mut answers {
        first(answer).await;
    }
    assert_eq!(provider.pool.open(), [80, 80, 80, 10]);
    let mut connections = HashSet::new();
    for _ in 0..250 {
        let Some(Seen::Request(address, "h2")) = host.seen.recv().await else { panic!("no request") };
        connections.insert(address);
    }
    assert_eq!(connections.len(), 4);
    // A place that is free again is taken first.
    answers.drain(..30);
    for _ in 0..30 {
        assert_eq!(host.seen.recv().await, Some(Seen::Left));
    }
    let mut next = provider.generate(request()).await.unwrap();
    first(&mut next).await;
    let Some(Seen::Request(address, _)) = host.seen.recv().await else { panic!("no request") };
    assert!(connections.contains(&address));
    drop((answers, next));
    for _ in 0..221 {
        assert_eq!(host.seen.recv().await, Some(Seen::Left));
    }
    assert_eq!(provider.pool.open(), [0; 4]);
    drop(folder);
}

// Planted fault: the answer kept by the provider.
#[tokio::test]
async fn dropping_an_answer_ends_it_at_the_host_and_leaves_its_neighbours() {
    let (mut host, _folder, provider) = one(|_| ()).await;
    let mut kept = provider.generate(request()).await.unwrap();
    let mut dropped = provider.generate(request()).await.unwrap();
    first(&mut kept).await;
    first(&mut dropped).await;
    let (one, other) = (host.seen.recv().await.unwrap(), host.seen.recv().await.unwrap());
    assert_eq!(one, other, "two connections");
    drop(dropped);
    assert_eq!(host.seen.recv().await, Some(Seen::Left));
    assert_eq!(provider.pool.open(), [1]);
    let mut third = provider.generate(request()).await.unwrap();
    first(&mut third).await;
    assert_eq!(host.seen.recv().await, Some(one));
}

#[tokio::test]
async fn a_request_that_is_not_wanted_before_its_head_is_given_up() {
    let (mut host, port, folder) = secure(&["h2"], 100, Bytes::new(), false).await;
    let provider = Host::new(trusting(port, &folder)).unwrap();
    let asked = spawn(async move { provider.generate(request()).await.map(drop) });
    assert!(matches!(host.seen.recv().await, Some(Seen::Request(_, "h2"))));
    asked.abort();
    assert_eq!(host.seen.recv().await, Some(Seen::Left));
}

#[tokio::test]
async fn a_host_that_speaks_only_the_old_way_gets_a_connection_for_each() {
    let (mut host, port, folder) = secure(&["http/1.1"], 1, word(), false).await;
    let provider = Host::new(trusting(port, &folder)).unwrap();
    let mut answers = Vec::new();
    let mut connections = HashSet::new();
    for _ in 0..3 {
        let mut answer = provider.generate(request()).await.unwrap();
        first(&mut answer).await;
        answers.push(answer);
        let Some(Seen::Request(address, "h1")) = host.seen.recv().await else { panic!("no request") };
        connections.insert(address);
    }
    assert_eq!(connections.len(), 3);
    drop(answers.pop());
    assert_eq!(host.seen.recv().await, Some(Seen::Left));
}

// Planted fault: the system's authorities alone, and any at all.
#[tokio::test]
async fn a_certificate_of_ones_own_is_trusted_only_if_it_is_named() {
    let (_host, port, folder) = secure(&["h2"], 100, word(), false).await;
    let stranger = HostConfig { ca_file: None, ..trusting(port, &folder) };
    let error = Host::new(stranger).unwrap().generate(request()).await.err().unwrap();
    assert!(
        error.message.contains("certificate is not trusted") && error.message.contains("ca_file"),
        "{error}"
    );
    // The right authority, another name.
    let other = HostConfig { base_url: format!("https://127.0.0.1:{port}/v1"), ..trusting(port, &folder) };
    let error = Host::new(other).unwrap().generate(request()).await.err().unwrap();
    assert!(error.message.contains("not for this name"), "{error}");
    for (text, words) in
        [("nothing", "holds no certificate"), ("-----BEGIN CERTIFICATE-----\n!", "are no PEM")]
    {
        std::fs::write(folder.path().join("ca.pem"), text).unwrap();
        let error = Host::new(trusting(port, &folder)).unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
    std::fs::remove_file(folder.path().join("ca.pem")).unwrap();
    assert!(Host::new(trusting(port, &folder)).unwrap_err().message.contains("cannot be read"));
}

// Planted faults: the judge left out of the client; `localhost` taken for any name.
#[tokio::test]
async fn a_name_that_leads_here_is_connected_to_only_if_it_was_meant() {
    let (mut host, port, folder) = secure(&["h2"], 100, word(), false).await;
    let named = |allow_private| HostConfig {
        base_url: format!("https://{}:{port}/v1", hostname()),
        allow_private,
        ..trusting(port, &folder)
    };
    let error = Host::new(named(false)).unwrap().generate(request()).await.err().unwrap();
    assert_eq!(error.kind, ProviderErrorKind::Refused);
    assert!(error.message.contains("leads to a private address"), "{error}");
    assert!(host.seen.try_recv().is_err(), "it was connected to");
    // Now it comes as far as the certificate, which has another name; or is not listened for at that address.
    let error = Host::new(named(true)).unwrap().generate(request()).await.err().unwrap();
    assert_eq!(error.kind, ProviderErrorKind::Unavailable, "{error}");
    let unknown = HostConfig { base_url: "https://nobody.invalid/v1".into(), ..trusting(port, &folder) };
    let error = Host::new(unknown).unwrap().generate(request()).await.err().unwrap();
    assert_eq!(error.message, "the provider cannot be reached: its name is not known");
}

/// A name of this machine that is not `localhost`.
fn hostname() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    if name.trim().is_empty() { "ip6-localhost".to_owned() } else { name.trim().to_owned() }
}
