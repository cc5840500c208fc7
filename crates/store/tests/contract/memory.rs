//! The faults that a memory store can be asked for.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use headwater_core::event::Outcome;
use headwater_core::port::Store;
use headwater_core::port::store::AppendError;
use headwater_store::{Fail, MemoryStore};

use crate::given::{last, made, new_run, seqs, tokens, user_id};

#[tokio::test]
async fn held_appends_are_not_visible_until_released() {
    let store = MemoryStore::new();
    let run = made(&store, new_run("r", "u", "s")).await.id;
    store.faults().hold_appends();
    let mut append = pin!(store.append(&run, 1, tokens(1, 3)));
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(append.as_mut().poll(&mut context), Poll::Pending);
    store.faults().appends_waiting(1).await;
    assert_eq!(store.tail(&run).await.unwrap().seq, 0);
    assert!(store.read(&run, 1, 10, 1_000).await.unwrap().is_empty());
    store.faults().release_appends();
    append.await.unwrap();
    assert_eq!(store.tail(&run).await.unwrap().seq, 3);
}

#[tokio::test]
async fn failing_appends_fail_before_or_after_storing() {
    let store = MemoryStore::new();
    let run = made(&store, new_run("r", "u", "s")).await;
    store.faults().fail_appends(2, Fail::Before);
    for _ in 0..2 {
        let failed = store.append(&run.id, 1, tokens(1, 3)).await;
        assert!(matches!(failed, Err(AppendError::Backend(_))));
        assert_eq!(store.tail(&run.id).await.unwrap().seq, 0);
    }
    store.faults().fail_appends(1, Fail::After);
    assert!(matches!(store.append(&run.id, 1, tokens(1, 3)).await, Err(AppendError::Backend(_))));
    assert_eq!(seqs(&store.read(&run.id, 1, 10, 1_000).await.unwrap()), [1, 2, 3]);
    store.append(&run.id, 1, last(4, Outcome::Completed, "a")).await.unwrap();
}

#[tokio::test]
async fn failing_reads_and_writes_fail_as_often_as_asked() {
    let store = MemoryStore::new();
    let run = made(&store, new_run("r", "u", "s")).await.id;
    store.faults().fail_reads(3);
    assert!(store.tail(&run).await.is_err());
    assert!(store.read(&run, 1, 1, 1).await.is_err());
    assert!(store.history(&user_id("u"), &run_session(), 1).await.is_err());
    store.tail(&run).await.unwrap();
    store.faults().fail_writes(2);
    assert!(store.create(new_run("r2", "u", "s")).await.is_err());
    assert!(store.take_over(&run).await.is_err());
    assert_eq!(store.take_over(&run).await.unwrap().term, 2);
    store.faults().fail_reads(1);
    assert!(store.check().await.is_err());
}

fn run_session() -> headwater_core::SessionId {
    crate::given::session_id("s")
}
