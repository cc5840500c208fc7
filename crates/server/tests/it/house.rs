//! A whole server on a free port, with a provider whose every delta a test says by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::lecture::Lecture;
use futures_util::{SinkExt, StreamExt};
use headwater_bus::InProcess;
use headwater_core::port::provider::{ContextBudget, Provider as _, ProviderInfo};
use headwater_core::port::{SharedBus, SharedProvider, SharedStore};
use headwater_core::{Millis, Principal, RunId, UserId};
use headwater_engine::assistant::{Assistant, SHIPPED};
use headwater_engine::documents::Documents;
use headwater_engine::engine::From;
use headwater_engine::workflow::Workflow;
use headwater_engine::workflow::assist::Assist;
use headwater_engine::workflow::generate::Generate;
use headwater_engine::{Clock, Engine, Followed, Settings, StartRun, Tasks};
use headwater_extract::InProcess as InProcessText;
use headwater_providers::scripted::stage::{Act, Cues, Stage};
use headwater_server::app::{App, Dialects, Surface, surface};
use headwater_server::auth::secret::Secret;
use headwater_server::auth::token::{Issue, Tokens};
use headwater_server::auth::{self, Auth};
use headwater_server::edge::Edge;
use headwater_server::edge::tls::Tls;
use headwater_server::gate::{self, Gate};
use headwater_server::http::health::Readiness;
use headwater_server::http::metrics::MetricsFor;
use headwater_server::metrics::Metrics;
use headwater_store::MemoryStore;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

/// A gate that lets everybody in, for tests of what comes behind it.
pub(crate) fn open_gate() -> gate::Rules {
    gate::Rules {
        origins: gate::Origins { all: true, ..gate::Origins::default() },
        connections_per_address: None,
        connections_per_user: None,
        unauthenticated_per_address: None,
        connects: None,
        requests: None,
        messages: None,
        messages_per_address: None,
        starts_per_address: None,
        sign_ins: None,
        registrations: None,
        ..gate::Rules::default()
    }
}

/// What is unusual about a house.
#[derive(Default)]
pub(crate) struct Given {
    pub auth: auth::Rules,
    pub gate: gate::Rules,
    pub settings: Settings,
    pub tls: Option<Tls>,
    pub stage: Option<(Arc<Stage>, Cues)>,
    /// Who answers instead of the stage.
    pub provider: Option<SharedProvider>,
    pub dialects: Dialects,
    /// Workflows beside the shipped ones.
    pub workflows: Vec<Arc<dyn Workflow>>,
    /// Another bus than one that loses nothing.
    pub bus: Option<SharedBus>,
    /// What its listener serves; the main one where nothing is said.
    pub surface: Option<Surface>,
    /// What another house before it kept.
    pub store: Option<Arc<MemoryStore>>,
    /// And its secret; one of its own where nothing is said.
    pub secret: Option<Secret>,
}

pub(crate) struct House {
    pub engine: Engine,
    pub store: Arc<MemoryStore>,
    pub cues: Cues,
    pub address: SocketAddr,
    pub draining: CancellationToken,
    pub auth: Arc<Auth>,
    pub secret: Secret,
    pub gate: Arc<Gate>,
    /// What its listener serves, for a look at what another would.
    pub app: App,
    tokens: Tokens,
    pub folder: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.draining.cancel();
        self.engine.tasks().stopping().cancel();
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::given(Given::default()).await
    }

    /// With other rules of signing in.
    pub(crate) async fn with_rules(auth: auth::Rules) -> Self {
        Self::given(Given { auth, gate: open_gate(), ..Given::default() }).await
    }

    /// With other rules at its gate, or another engine.
    pub(crate) async fn with(gate: gate::Rules, settings: Settings) -> Self {
        Self::given(Given { gate, settings, ..Given::default() }).await
    }

    /// With a model as small as the local one.
    pub(crate) async fn tiny() -> Self {
        let budget = ContextBudget { retrieval_tokens: 250, history_tokens: 150 };
        let stage = Stage::with_info(ProviderInfo { budget, ..Stage::new().0.info() });
        Self::given(Given { stage: Some(stage), ..Given::default() }).await
    }

    pub(crate) async fn given(given: Given) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = given.secret.unwrap_or_else(|| Secret::load_or_create(folder.path()).unwrap());
        let (stage, cues) = given.stage.unwrap_or_else(Stage::new);
        let store = given.store.unwrap_or_default();
        let assistant = Assistant::parse(SHIPPED).unwrap();
        let provider = given.provider.unwrap_or(stage);
        let mut workflows: Vec<Arc<dyn Workflow>> = vec![
            Arc::new(Generate::new(provider.clone())),
            Arc::new(Lecture(provider.clone())),
            Arc::new(Assist::new(assistant, provider, None)),
        ];
        // Of one name the later is taken.
        workflows.extend(given.workflows);
        let tasks = Tasks::default();
        let bus = given.bus.unwrap_or_else(|| Arc::new(InProcess::new()));
        let engine = Engine::new(store.clone(), bus, workflows, tasks.clone(), given.settings);
        let auth = Arc::new(Auth::with_rules(&secret, store.clone(), Clock::default(), given.auth));
        auth.load().await.unwrap();
        let draining = CancellationToken::new();
        let gate = Arc::new(Gate::new(given.gate));
        let metrics = Metrics::default();
        let shared: SharedStore = store.clone();
        let uploads = folder.path().join("uploads");
        let documents =
            Documents::open(shared, None, Arc::new(InProcessText), tasks.clone(), uploads).unwrap();
        let served = given.surface.unwrap_or(Surface::Main);
        let app = App {
            engine: engine.clone(),
            auth: auth.clone(),
            chat: "assist".into(),
            documents,
            metrics: metrics.clone(),
            metrics_for: MetricsFor::default(),
            readiness: Readiness::default(),
            gate: gate.clone(),
            dialects: given.dialects,
            departures: Arc::default(),
            presence: Arc::default(),
            draining: draining.clone(),
        };
        let routes = surface(app.clone(), served);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (edge, shutdown) = (
            Edge::new(tasks.clone()).behind(gate.clone()).counted(metrics).encrypted(given.tls),
            draining.clone(),
        );
        tasks.spawn("listener", async move { edge.serve(listener, routes, shutdown).await });
        let tokens = Tokens::new(&secret);
        Self { engine, store, cues, address, draining, auth, secret, gate, app, tokens, folder }
    }

    pub(crate) fn token(&self, user: &str) -> String {
        self.tokens.access(&principal(user), Clock::default().wall()).unwrap().0
    }

    /// The bytes that sign tokens here.
    pub(crate) fn key(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join(headwater_server::auth::secret::FILE)).unwrap()
    }

    /// Access and refresh token of one sign-in that was made `ago` seconds ago.
    pub(crate) fn pair(&self, user: &str, sid: &str, ago: i64) -> (String, String) {
        let at = Millis(Clock::default().wall().0 - ago * 1000);
        self.tokens.pair(Issue { who: &principal(user), sid, at }).unwrap()
    }

    /// A handshake with these headers, and the head of the answer. By hand: the client library refuses an
    /// answer in which none of its protocols was agreed to.
    pub(crate) async fn shake(&self, path: &str, headers: &[(&str, &str)]) -> (Socket, String) {
        let mut head = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            self.address
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        let stream = MaybeTlsStream::Plain(stream);
        (Socket(WebSocketStream::from_raw_socket(stream, Role::Client, None).await), answer)
    }

    /// A socket that is signed in as Ann by its address.
    pub(crate) async fn socket(&self, path: &str) -> Socket {
        self.stranger(&format!("{path}?token={}", self.token("ann"))).await
    }

    /// A socket that is signed in as nobody.
    pub(crate) async fn stranger(&self, path: &str) -> Socket {
        let (socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{}{path}", self.address)).await.unwrap();
        Socket(socket)
    }

    /// Starts a `generate` run of Ann's and waits for the model to be asked.
    pub(crate) async fn begin(&mut self) -> (RunId, Act) {
        let ask = StartRun { workflow: "generate".into(), message: "hi".into(), ..StartRun::default() };
        let started = self.engine.start(&principal("ann"), ask).await.unwrap();
        (started.run, self.cues.next().await)
    }

    /// A run that has ended, with this text.
    pub(crate) async fn told(&mut self, words: &[&str]) -> RunId {
        let (run, mut act) = self.begin().await;
        for word in words {
            act.say(*word).await;
        }
        act.end().await;
        let ann = principal("ann");
        let mut follow = self.engine.follow(&ann, &run, &From::After(0)).await.unwrap();
        while !matches!(follow.next().await.unwrap(), Followed::End) {}
        run
    }

    pub(crate) fn http(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http_as("ann", method, path)
    }

    pub(crate) fn http_as(&self, user: &str, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.request(method.parse().unwrap(), url).bearer_auth(self.token(user))
    }
}

/// Holds the time: what an allowance gives back with time does not come back.
pub(crate) struct Still(
    #[expect(dead_code, reason = "dropped, it lets the thread go")] std::sync::mpsc::Sender<()>,
);

/// The runtime's time stands still while this is held.
pub(crate) fn still() -> Still {
    tokio::time::pause();
    let (held, until) = std::sync::mpsc::channel();
    // A paused clock leaps to the next timer when there is nothing to do, but not while a blocking task is under way.
    tokio::task::spawn_blocking(move || until.recv());
    Still(held)
}

pub(crate) fn principal(user: &str) -> Principal {
    Principal {
        user: UserId::parse(user).unwrap(),
        email: format!("{user}@example.org"),
        name: user.to_owned(),
        guest: false,
    }
}

pub(crate) struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn say(&mut self, frame: &str) {
        self.0.send(Message::Text(frame.into())).await.unwrap();
    }

    /// The next frame, as it is.
    pub(crate) async fn raw(&mut self) -> String {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("no text: {other:?}"),
            }
        }
    }

    pub(crate) async fn hear(&mut self) -> Value {
        serde_json::from_str(&self.raw().await).unwrap()
    }

    /// The next frame of this type; others in between are thrown away.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Everything up to the server's close frame.
    pub(crate) async fn closed(&mut self) -> (Vec<String>, CloseFrame) {
        let mut frames = Vec::new();
        let closing = async {
            loop {
                match self.0.next().await.unwrap().unwrap() {
                    Message::Text(text) => frames.push(text.as_str().to_owned()),
                    Message::Close(Some(close)) => return close,
                    Message::Ping(_) | Message::Pong(_) => {}
                    other => panic!("neither text nor close: {other:?}"),
                }
            }
        };
        // Where time is paused, an hour is a moment: a socket that is never closed fails, and hangs nobody.
        let close = tokio::time::timeout(std::time::Duration::from_secs(3600), closing).await;
        let close = close.expect("it was never closed");
        (frames, close)
    }
}
