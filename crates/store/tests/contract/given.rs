//! What tests begin with.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use headwater_core::event::{Body, Event, Outcome, Seq};
use headwater_core::port::store::{Batch, Created, NewRun, Store};
use headwater_core::run::Run;
use headwater_core::{MessageId, Millis, RunId, SessionId, UserId};
use headwater_store::{Durability, MemoryStore, SqliteStore};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A folder of its own with room for one database; gone when dropped.
pub(crate) struct File {
    folder: tempfile::TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("headwater.db")
    }

    pub(crate) fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path(), Durability::Full).unwrap()
    }
}

pub(crate) fn run_id(id: &str) -> RunId {
    RunId::parse(id).unwrap()
}

pub(crate) fn user_id(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(crate) fn session_id(id: &str) -> SessionId {
    SessionId::parse(id).unwrap()
}

/// A run of `owner` in `session` whose message is "hello".
pub(crate) fn new_run(id: &str, owner: &str, session: &str) -> NewRun {
    NewRun {
        id: run_id(id),
        owner: user_id(owner),
        session: session_id(session),
        message_id: None,
        fingerprint: "f".into(),
        workflow: "generate".into(),
        message: "hello".into(),
        at: Millis(1_000),
    }
}

pub(crate) fn named(mut new: NewRun, message_id: &str, fingerprint: &str) -> NewRun {
    new.message_id = Some(MessageId::parse(message_id).unwrap());
    new.fingerprint = fingerprint.into();
    new
}

/// The run that was made.
pub(crate) async fn made(store: &dyn Store, new: NewRun) -> Run {
    match store.create(new).await.unwrap() {
        Created::New(run) => run,
        other => panic!("expected a new run, got {other:?}"),
    }
}

pub(crate) fn event(seq: Seq, body: Body) -> Arc<Event> {
    Arc::new(Event { seq, at: Millis(i64::try_from(seq).map_or(0, |seq| 2_000 + seq)), body })
}

/// A token that says its number.
pub(crate) fn token(seq: Seq) -> Arc<Event> {
    event(seq, Body::Token { text: format!("t{seq} ") })
}

pub(crate) fn ending(seq: Seq, outcome: Outcome) -> Arc<Event> {
    event(seq, Body::RunEnded { outcome, finish_reason: None, error: None, usage: None })
}

pub(crate) fn tokens(from: Seq, to: Seq) -> Batch {
    Batch { events: (from..=to).map(token).collect(), answer: None }
}

pub(crate) fn last(seq: Seq, outcome: Outcome, answer: &str) -> Batch {
    Batch { events: vec![ending(seq, outcome)], answer: Some(answer.to_owned()) }
}

/// Numbers of events.
pub(crate) fn seqs(events: &[Arc<Event>]) -> Vec<Seq> {
    events.iter().map(|e| e.seq).collect()
}

/// A model that is too simple to be wrong, and the random calls that a store and it are given.
pub(crate) trait Model: Default {
    type Call: Clone + Debug;

    /// A case has fewer calls than this.
    const CALLS: usize;

    fn call() -> impl Strategy<Value = Self::Call>;

    /// Closes the store and opens it again, where it has a file.
    fn reopens(call: &Self::Call) -> bool;

    /// Does a call both ways and compares what they say.
    async fn apply(&mut self, store: &dyn Store, call: &Self::Call);

    /// Everything that the store says, against everything that the model knows.
    async fn compare(&self, store: &dyn Store);
}

/// So many cases in memory, or in a file.
pub(crate) fn check<M: Model>(cases: u32, with_file: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(M::call(), 1..M::CALLS), |calls| {
            let file = File::new();
            runtime.block_on(async {
                let open = || -> Arc<dyn Store> {
                    if with_file { Arc::new(file.open()) } else { Arc::new(MemoryStore::new()) }
                };
                let (mut store, mut model) = (open(), M::default());
                for call in &calls {
                    if with_file && M::reopens(call) {
                        drop(store);
                        store = open();
                    }
                    model.apply(&*store, call).await;
                }
                model.compare(&*store).await;
            });
            Ok(())
        })
        .unwrap();
}
