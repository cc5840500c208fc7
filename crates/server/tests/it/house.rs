//! A whole server on a free port, with a provider whose every delta a test says by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use headwater_bus::InProcess;
use headwater_core::port::SharedStore;
use headwater_core::{Principal, RunId, UserId};
use headwater_engine::assistant::{Assistant, SHIPPED};
use headwater_engine::documents::Documents;
use headwater_engine::engine::From;
use headwater_engine::workflow::Workflow;
use headwater_engine::workflow::assist::Assist;
use headwater_engine::workflow::generate::Generate;
use headwater_engine::{Clock, Engine, Followed, Settings, StartRun, Tasks};
use headwater_extract::InProcess as InProcessText;
use headwater_providers::scripted::stage::{Act, Cues, Stage};
use headwater_server::app::{App, router};
use headwater_server::auth::Auth;
use headwater_server::auth::secret::Secret;
use headwater_server::auth::token::Tokens;
use headwater_server::edge::Edge;
use headwater_server::http::health::Readiness;
use headwater_store::MemoryStore;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

pub(crate) struct House {
    pub engine: Engine,
    pub store: Arc<MemoryStore>,
    pub cues: Cues,
    pub address: SocketAddr,
    pub draining: CancellationToken,
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
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::load_or_create(folder.path()).unwrap();
        let (stage, cues) = Stage::new();
        let store = Arc::new(MemoryStore::new());
        let assistant = Assistant::parse(SHIPPED).unwrap();
        let workflows: Vec<Arc<dyn Workflow>> =
            vec![Arc::new(Generate::new(stage.clone())), Arc::new(Assist::new(assistant, stage, None))];
        let tasks = Tasks::default();
        let engine = Engine::new(
            store.clone(),
            Arc::new(InProcess::new()),
            workflows,
            tasks.clone(),
            Settings::default(),
        );
        let auth = Arc::new(Auth::new(&secret, store.clone(), Clock::default()));
        let draining = CancellationToken::new();
        let shared: SharedStore = store.clone();
        let uploads = folder.path().join("uploads");
        let documents =
            Documents::open(shared, None, Arc::new(InProcessText), tasks.clone(), uploads).unwrap();
        let (chat, readiness) = ("assist".into(), Readiness::default());
        let app = router(App {
            engine: engine.clone(),
            auth,
            chat,
            documents,
            readiness,
            draining: draining.clone(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (edge, shutdown) = (Edge::new(tasks.clone()), draining.clone());
        tasks.spawn("listener", async move { edge.serve(listener, app, shutdown).await });
        let tokens = Tokens::new(&secret);
        Self { engine, store, cues, address, draining, tokens, folder }
    }

    pub(crate) fn token(&self, user: &str) -> String {
        self.tokens.access(&principal(user), Clock::default().wall()).unwrap().0
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

pub(crate) fn principal(user: &str) -> Principal {
    Principal {
        user: UserId::parse(user).unwrap(),
        email: format!("{user}@example.org"),
        name: user.to_owned(),
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
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => frames.push(text.as_str().to_owned()),
                Message::Close(Some(close)) => return (frames, close),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("neither text nor close: {other:?}"),
            }
        }
    }
}
