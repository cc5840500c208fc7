//! The accept loop on real sockets (port 0). Where time matters it is tokio's paused time: it moves only
//! when nobody has anything to do.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, WebSocketUpgrade};
use axum::routing::{any, get};
use axum::{Extension, Router};
use futures_util::{StreamExt as _, stream};
use headwater_core::limit;
use headwater_engine::Tasks;
use headwater_server::edge::{ConnInfo, Edge, Limits};
use headwater_server::http::layers;
use headwater_server::metrics::Metrics;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// A bound on waiting, far beyond everything that is waited for: what hangs fails.
const LONG: Duration = Duration::from_secs(60);

struct Served {
    edge: Edge,
    tasks: Tasks,
    shutdown: CancellationToken,
    address: std::net::SocketAddr,
}

impl Served {
    async fn new(app: Router, limits: Limits) -> Self {
        let tasks = Tasks::default();
        let edge = Edge::with_limits(tasks.clone(), limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (serving, until) = (edge.clone(), shutdown.clone());
        tasks.spawn("listener", async move {
            serving.serve(listener, layers::around(app, Metrics::default()), until).await
        });
        Self { edge, tasks, shutdown, address }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Asks and reads one answer of known length; the connection stays open.
    async fn get(&mut self, path: &str) -> (u16, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        self.answer().await
    }

    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        let reading = async {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.0.read_u8().await.unwrap());
            }
        };
        tokio::time::timeout(LONG, reading).await.expect("no answer");
        String::from_utf8(head).unwrap()
    }

    async fn answer(&mut self) -> (u16, String) {
        let head = self.head().await;
        let header = |line: &str| line.strip_prefix("content-length: ").and_then(|n| n.parse().ok());
        let mut body = vec![0; head.lines().find_map(header).unwrap_or(0)];
        self.0.read_exact(&mut body).await.unwrap();
        (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
    }

    /// Everything until the other end closes, however it does.
    async fn rest(&mut self) -> Vec<u8> {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        let reading = async {
            while let Ok(n @ 1..) = self.0.read(&mut piece).await {
                all.extend_from_slice(&piece[..n]);
            }
        };
        tokio::time::timeout(LONG, reading).await.expect("not closed");
        all
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

// Fault planted once: no `.timer(…)` on the builder, which is how the library switches its timeout off.
#[tokio::test(start_paused = true)]
async fn a_slow_head_is_cut() {
    let served = Served::new(hello(), Limits::default()).await;
    for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut client = served.connect().await;
        let began = tokio::time::Instant::now();
        client.send(sent).await;
        assert_eq!(client.rest().await, b"", "{sent}");
        assert!((limit::HTTP_HEAD_TIME..limit::HTTP_HEAD_TIME * 2).contains(&began.elapsed()));
    }
}

// Planted faults: the time of silence for the head as well; and the time of the head for silence.
#[tokio::test(start_paused = true)]
async fn between_two_requests_a_connection_may_be_silent_and_a_head_still_may_not_be_slow() {
    let served = Served::new(hello(), Limits::default()).await;
    let mut client = served.connect().await;
    let began = tokio::time::Instant::now();
    assert_eq!(client.get("/").await, (200, "hello".into()));
    assert_eq!(client.rest().await, b"");
    assert!((limit::HTTP_IDLE_TIME..limit::HTTP_IDLE_TIME * 2).contains(&began.elapsed()));

    let mut client = served.connect().await;
    assert_eq!(client.get("/").await, (200, "hello".into()));
    tokio::time::sleep(limit::HTTP_IDLE_TIME - Duration::from_secs(1)).await;
    assert_eq!(client.get("/").await, (200, "hello".into()));
    let began = tokio::time::Instant::now();
    for drop in ["G", "ET /", " HTTP/1.1\r\n", "host: x\r\n", "a: b\r\n", "c: d\r\n"] {
        // Each of them would begin a time anew that counts silence only.
        if client.0.write_all(drop.as_bytes()).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(client.rest().await, b"");
    assert!((limit::HTTP_HEAD_TIME..limit::HTTP_HEAD_TIME * 2).contains(&began.elapsed()));
}

#[tokio::test]
async fn a_head_has_a_size_and_a_number_of_headers() {
    let served = Served::new(hello(), Limits::default()).await;
    let status = async |head: String| {
        let mut client = served.connect().await;
        client.send(&format!("GET / HTTP/1.1\r\nhost: x\r\n{head}\r\n")).await;
        client.answer().await.0
    };
    let of_size = |bytes: usize| format!("x-large: {}\r\n", "y".repeat(bytes));
    assert_eq!(status(of_size(limit::HTTP_HEAD_BYTES - 200)).await, 200);
    assert_eq!(status(of_size(limit::HTTP_HEAD_BYTES + 200)).await, 431);
    let of_number = |n: usize| (0..n).map(|i| format!("x-{i}: y\r\n")).collect::<String>();
    assert_eq!(status(of_number(limit::HTTP_HEADERS - 1)).await, 200);
    assert_eq!(status(of_number(limit::HTTP_HEADERS + 1)).await, 431);
    let mut client = served.connect().await;
    client.send("\x16\x03\x01 this is no HTTP\r\n\r\n").await;
    assert_eq!(client.answer().await.0, 400);
}

// Fault planted once: the place dropped with the task in place of the socket; the upgraded one then did
// not count.
#[tokio::test]
async fn connections_are_capped_and_upgraded_ones_count() {
    let (app, mut upgraded) = echo();
    let served = Served::new(app, Limits { connections: 2, ..Limits::default() }).await;
    let mut first = served.connect().await;
    assert_eq!(first.get("/").await.0, 200);
    let mut second = served.connect().await;
    second.send("GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert!(second.head().await.starts_with("HTTP/1.1 101 "));
    upgraded.recv().await.unwrap();
    assert_eq!(served.edge.open(), 2);

    let mut third = served.connect().await;
    // Sent before the answer is read: it may not be lost to a reset.
    third.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let said = third.head().await;
    let mut body = [0; 33];
    third.0.read_exact(&mut body).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("content-length: 33\r\n"), "{said}");
    assert_eq!(&body, br#"{"detail":"Too many connections"}"#);
    let header = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    assert_eq!(
        uuid::Uuid::parse_str(header("x-request-id: ")).map(|id| id.get_version_num()),
        Ok(4),
        "{said}"
    );
    assert!(header("x-response-time: ").ends_with("ms") && header("retry-after: ") == "5", "{said}");
    // Nor is it closed under a peer that still sends; that would be a reset.
    for _ in 0..3 {
        third.send("and more").await;
    }
    third.0.shutdown().await.unwrap();
    assert_eq!(third.0.read(&mut [0; 1]).await.unwrap(), 0, "an end and no reset");

    for leaver in [first, second] {
        drop(leaver);
    }
    let freed = async {
        while served.edge.open() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, freed).await.expect("places come back");
    assert_eq!(served.connect().await.get("/").await.0, 200);
}

/// `/` says hello, `/echo` is upgraded to one that repeats what it gets, and says so with its counters.
fn echo() -> (Router, mpsc::Receiver<ConnInfo>) {
    let (tell, told) = mpsc::channel(4);
    let tasks = Tasks::default();
    let upgrade = move |Extension(info): Extension<ConnInfo>, mut request: Request| {
        let tell = tell.clone();
        let coming = hyper::upgrade::on(&mut request);
        tasks.spawn("echo", async move {
            let Ok(socket) = coming.await else { return };
            tell.send(info).await.unwrap();
            let (mut read, mut write) = tokio::io::split(TokioIo::new(socket));
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        async {
            let switching = axum::http::Response::builder().status(101);
            switching.header("connection", "upgrade").header("upgrade", "echo").body(Body::empty()).unwrap()
        }
    };
    (hello().route("/echo", get(upgrade)), told)
}

#[tokio::test]
async fn an_upgrade_passes_and_its_bytes_are_counted() {
    let (app, mut upgraded) = echo();
    let served = Served::new(app, Limits::default()).await;
    let mut client = served.connect().await;
    let asked = "GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    // The first bytes of the new protocol come with the head; they are not lost.
    client.send(&format!("{asked}early ")).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("x-request-id: "), "{head}");
    let info = upgraded.recv().await.unwrap();
    assert_eq!(info.peer, client.0.local_addr().unwrap());
    client.send("and late").await;
    let mut back = [0; 14];
    client.0.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"early and late");
    assert_eq!(info.read.load(Ordering::Relaxed), (asked.len() + back.len()) as u64);
    assert_eq!(info.written.load(Ordering::Relaxed), (head.len() + back.len()) as u64);
}

#[tokio::test]
async fn a_websocket_of_the_framework_is_upgraded() {
    let app = Router::new().route("/ws", any(async |ws: WebSocketUpgrade| ws.on_upgrade(|_| async {})));
    let served = Served::new(app, Limits::default()).await;
    let mut client = served.connect().await;
    client
        .send(
            "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
}

#[tokio::test]
async fn every_byte_of_an_answer_is_counted() {
    let (tell, mut told) = mpsc::channel(1);
    let route = get(move |Extension(info): Extension<ConnInfo>| {
        tell.try_send(info).unwrap();
        async {
            let pieces = (0..100).map(|n| Ok::<_, std::io::Error>(Bytes::from(vec![n; 1000])));
            Body::from_stream(stream::iter(pieces))
        }
    });
    let served = Served::new(Router::new().route("/", route), Limits::default()).await;
    let mut client = served.connect().await;
    let asked = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    client.send(asked).await;
    let all = client.rest().await;
    assert!(all.len() > 100_000);
    let info = told.recv().await.unwrap();
    assert_eq!(info.written.load(Ordering::Relaxed), all.len() as u64);
    assert_eq!(info.read.load(Ordering::Relaxed), asked.len() as u64);
}

// Fault planted once: the patience never asked in `Counted::wrote`; the connection then stayed for ever.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_dropped() {
    let (tell, told) = oneshot::channel::<()>();
    let tell = std::sync::Arc::new(parking_lot::Mutex::new(Some(tell)));
    let route = get(move || {
        // Dropped with the body.
        let held = tell.lock().take();
        async move {
            let endless = stream::repeat(Bytes::from_static(&[b'x'; 16 * 1024]));
            Body::from_stream(endless.map(move |piece| {
                let _ = &held;
                Ok::<_, std::io::Error>(piece)
            }))
        }
    });
    let served = Served::new(Router::new().route("/", route), Limits::default()).await;
    let mut client = served.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(tokio::time::timeout(LONG, told).await.expect("dropped").is_err());
}

#[tokio::test]
async fn a_panic_does_not_end_the_connection() {
    let app = hello().route("/broken", get(async || -> &'static str { panic!("on purpose") }));
    let served = Served::new(app, Limits::default()).await;
    let mut client = served.connect().await;
    assert_eq!(client.get("/broken").await.0, 500);
    assert_eq!(client.get("/").await, (200, "hello".into()));
}

// Faults planted once: no `graceful_shutdown`, where the idle one stayed; and the connection dropped, where
// the answer was cut.
#[tokio::test]
async fn a_shutdown_ends_idle_connections_at_once_and_others_after_their_answer() {
    let (began, mut begun) = mpsc::channel(1);
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let opened = gate.clone();
    let slow = get(move || {
        let (began, gate) = (began.clone(), gate.clone());
        async move {
            began.send(()).await.unwrap();
            gate.notified().await;
            "late"
        }
    });
    // A head may take for ever here, so that nothing but the shutdown ends a connection.
    let limits = Limits { head_time: LONG * 100, ..Limits::default() };
    let served = Served::new(hello().route("/slow", slow), limits).await;
    let mut idle = served.connect().await;
    assert_eq!(idle.get("/").await.0, 200);
    let mut busy = served.connect().await;
    busy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    begun.recv().await.unwrap();

    served.shutdown.cancel();
    assert_eq!(idle.rest().await, b"");
    let mut late = TcpStream::connect(served.address).await;
    if let Ok(stream) = &mut late {
        // Came in before the listener was closed: nobody answers.
        assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    }
    opened.notify_one();
    assert_eq!(busy.answer().await, (200, "late".into()));
    assert_eq!(busy.rest().await, b"");
    assert!(served.tasks.drain(LONG, LONG).await.is_empty());
    assert_eq!(served.edge.open(), 0);
}

// Fault planted once: `stopping` not watched; the endless answer then outlived the drain.
#[tokio::test(start_paused = true)]
async fn a_drain_cuts_off_an_answer_that_does_not_end() {
    let endless = get(async || {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"first"))]);
        Body::from_stream(first.chain(stream::pending()))
    });
    let served = Served::new(Router::new().route("/", endless), Limits::default()).await;
    let mut client = served.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    served.shutdown.cancel();
    assert!(served.tasks.drain(limit::DRAIN, limit::CLOSE_TIME).await.is_empty());
    let body = client.rest().await;
    assert!(body.starts_with(b"5\r\nfirst\r\n") && !body.ends_with(b"0\r\n\r\n"), "cut, not ended");
}
