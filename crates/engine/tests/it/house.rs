//! An engine with everything that a test needs of it.

use std::sync::Arc;
use std::time::Duration;

use headwater_bus::InProcess;
use headwater_core::event::{Body, Event, Outcome, Seq};
use headwater_core::port::bus::{Bus, Hint, Hints, Notice, Notices, Room};
use headwater_core::port::{SharedBus, SharedEmbedder};
use headwater_core::{Principal, RunId, SessionId, UserId};
use headwater_engine::assistant::{Assistant, SHIPPED};
use headwater_engine::engine::From;
use headwater_engine::workflow::Workflow;
use headwater_engine::workflow::assist::Assist;
use headwater_engine::workflow::generate::Generate;
use headwater_engine::{Engine, Follow, Followed, Settings, StartRun, Tasks};
use headwater_providers::scripted::stage::{Act, Cues, Stage};
use headwater_store::MemoryStore;
use parking_lot::Mutex;

pub(crate) struct House {
    pub engine: Engine,
    pub store: Arc<MemoryStore>,
    pub stage: Arc<Stage>,
    pub cues: Cues,
    pub hints: Arc<Recorder>,
}

/// A workflow with a mistake in it.
struct Broken;

#[async_trait::async_trait]
impl Workflow for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    fn provider(&self) -> headwater_core::port::provider::ProviderInfo {
        headwater_core::port::Provider::info(&*Stage::new().0)
    }

    fn backlogs(&self) -> Vec<(String, usize)> {
        Vec::new()
    }

    fn remembers(&self) -> bool {
        true
    }

    fn takes_system(&self) -> bool {
        false
    }

    async fn run(
        &self,
        _: headwater_engine::workflow::Turn,
    ) -> Result<headwater_engine::writer::Finished, headwater_core::Error> {
        tokio::task::yield_now().await;
        panic!("a mistake")
    }
}

/// Passes hints on and remembers them: one hint is one flush.
pub(crate) struct Recorder {
    inner: SharedBus,
    pub published: Mutex<Vec<Hint>>,
}

impl Bus for Recorder {
    fn publish(&self, run: &RunId, hint: Hint) {
        self.published.lock().push(hint);
        self.inner.publish(run, hint);
    }

    fn subscribe(&self, run: &RunId) -> Hints {
        self.inner.subscribe(run)
    }

    fn tell(&self, room: &Room, notice: Notice) {
        self.inner.tell(room, notice);
    }

    fn listen(&self, room: &Room) -> Notices {
        self.inner.listen(room)
    }
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default(), Arc::new(InProcess::new()), Arc::new(MemoryStore::new()))
    }

    /// With this model.
    pub(crate) fn made(stage: (Arc<Stage>, Cues)) -> Self {
        Self::on(stage, Settings::default(), Arc::new(InProcess::new()), Arc::new(MemoryStore::new()))
    }

    pub(crate) fn with(settings: Settings, bus: SharedBus, store: Arc<MemoryStore>) -> Self {
        Self::on(Stage::new(), settings, bus, store)
    }

    /// With a model that calls tools.
    pub(crate) fn calling() -> Self {
        Self::made(Stage::calling_tools())
    }

    /// With this workflow beside the others.
    pub(crate) fn beside(
        stage: (Arc<Stage>, Cues),
        workflow: Arc<dyn Workflow>,
        store: Arc<MemoryStore>,
    ) -> Self {
        Self::having(stage, Settings::default(), Arc::new(InProcess::new()), store, vec![workflow])
    }

    fn on(stage: (Arc<Stage>, Cues), settings: Settings, bus: SharedBus, store: Arc<MemoryStore>) -> Self {
        Self::having(stage, settings, bus, store, Vec::new())
    }

    fn having(
        (stage, cues): (Arc<Stage>, Cues),
        settings: Settings,
        bus: SharedBus,
        store: Arc<MemoryStore>,
        others: Vec<Arc<dyn Workflow>>,
    ) -> Self {
        let hints = Arc::new(Recorder { inner: bus, published: Mutex::default() });
        let assistant = Assistant::parse(SHIPPED).unwrap();
        let embedder: Option<SharedEmbedder> = None;
        let mut workflows: Vec<Arc<dyn Workflow>> = vec![
            Arc::new(Generate::new(stage.clone())),
            Arc::new(Assist::new(assistant, stage.clone(), embedder)),
            Arc::new(Broken),
        ];
        workflows.extend(others);
        let engine = Engine::new(store.clone(), hints.clone(), workflows, Tasks::default(), settings);
        Self { engine, store, stage, cues, hints }
    }

    /// Starts a `generate` run of Ann's and waits for the model to be asked.
    pub(crate) async fn begin(&mut self) -> (RunId, Act) {
        let started = self.engine.start(&ann(), ask("generate", "hi")).await.unwrap();
        (started.run, self.cues.next().await)
    }

    pub(crate) async fn follow(&self, run: &RunId, after: Seq) -> Follow {
        self.engine.follow(&ann(), run, &From::After(after)).await.unwrap()
    }

    /// The whole log, once the run has ended.
    pub(crate) async fn log(&self, run: &RunId) -> Vec<Arc<Event>> {
        rest(&mut self.follow(run, 0).await).await
    }

    /// Until the store has an event of this number.
    pub(crate) async fn stored(&self, run: &RunId, seq: Seq) {
        let mut follow = self.follow(run, 0).await;
        while follow.cursor() < seq {
            follow.next().await.unwrap();
        }
    }
}

pub(crate) fn ann() -> Principal {
    principal("ann")
}

pub(crate) fn principal(name: &str) -> Principal {
    Principal {
        user: UserId::parse(name).unwrap(),
        email: String::new(),
        name: name.to_owned(),
        guest: false,
    }
}

pub(crate) fn ask(workflow: &str, message: &str) -> StartRun {
    StartRun { workflow: workflow.into(), message: message.into(), ..StartRun::default() }
}

pub(crate) fn ask_in(workflow: &str, message: &str, session: &str) -> StartRun {
    StartRun { session: Some(SessionId::parse(session).unwrap()), ..ask(workflow, message) }
}

/// Everything up to the end.
pub(crate) async fn rest(follow: &mut Follow) -> Vec<Arc<Event>> {
    let mut events = Vec::new();
    loop {
        match follow.next().await.unwrap() {
            Followed::Events(more) => events.extend(more),
            Followed::Heartbeat => {}
            Followed::End => return events,
        }
    }
}

pub(crate) fn text(events: &[Arc<Event>]) -> String {
    events.iter().filter_map(|e| e.body.text()).collect()
}

/// How a log ends; and that it is whole: numbered from `first` without gaps, ended once and at its end.
pub(crate) fn ending(events: &[Arc<Event>], first: Seq) -> Outcome {
    let numbers: Vec<_> = events.iter().map(|e| e.seq).collect();
    assert_eq!(numbers, (first..).take(numbers.len()).collect::<Vec<_>>());
    let endings: Vec<_> = events.iter().filter(|e| e.body.is_ending()).collect();
    assert_eq!(endings.len(), 1, "{events:#?}");
    match &events.last().unwrap().body {
        Body::RunEnded { outcome, .. } => *outcome,
        other => panic!("the last event is {other:?}"),
    }
}

/// The failure that a log ends with.
pub(crate) fn failure(events: &[Arc<Event>]) -> String {
    match &events.last().unwrap().body {
        Body::RunEnded { error: Some(error), .. } => error.code.clone(),
        other => panic!("no failure: {other:?}"),
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
