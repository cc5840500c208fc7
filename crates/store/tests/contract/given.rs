//! What tests begin with.

use std::path::PathBuf;
use std::sync::Arc;

use headwater_core::event::{Body, Event, Outcome, Seq};
use headwater_core::port::store::{Batch, Created, NewRun, Store};
use headwater_core::run::Run;
use headwater_core::{MessageId, Millis, RunId, SessionId, UserId};
use headwater_store::{Durability, SqliteStore};

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
