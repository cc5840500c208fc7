//! One commit for many, an answer only after it, and a writer that goes on when one fails.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use headwater_core::event::Outcome;
use headwater_core::port::Store;
use headwater_core::port::store::AppendError;
use headwater_store::SqliteStore;

use super::{beside, count};
use crate::given::{File, last, made, new_run, run_id, seqs, session_id, tokens, user_id};

async fn runs(store: &SqliteStore, n: usize) {
    for n in 0..n {
        made(store, new_run(&format!("r{n}"), "u", &format!("s{n}"))).await;
    }
}

type Appending<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), AppendError>> + Send + 'a>>;

/// Appends of runs 0 to n - 1, each polled once: all of them are in the writer's queue. Not more than 100:
/// the runtime makes a task pause after 128 sends.
async fn queued(store: &SqliteStore, n: usize) -> Vec<Appending<'_>> {
    let mut all: Vec<Appending<'_>> = Vec::new();
    for n in 0..n {
        let mut append: Appending<'_> =
            Box::pin(async move { store.append(&run_id(&format!("r{n}")), 1, tokens(1, 5)).await });
        poll_fn(|context| {
            assert!(append.as_mut().poll(context).is_pending(), "the file is locked");
            Poll::Ready(())
        })
        .await;
        all.push(append);
    }
    all
}

/// Planted once: one transaction for each append. There were 100 commits.
#[tokio::test]
async fn appends_that_wait_together_are_committed_together() {
    let file = File::new();
    let store = file.open();
    runs(&store, 100).await;
    let before = store.commits();
    let lock = beside(&file);
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let appends = queued(&store, 100).await;
    lock.execute_batch("ROLLBACK").unwrap();
    for append in appends {
        append.await.unwrap();
    }
    // The first group is what the writer found when it woke; the second is all the rest.
    let commits = store.commits() - before;
    assert!((1..=2).contains(&commits), "{commits} commits for 100 appends");
    assert_eq!(count(&lock, "SELECT count(*) FROM batches"), 100);
}

/// Planted once: a row for each event. There were 5,000.
#[tokio::test]
async fn one_row_a_flush() {
    let file = File::new();
    let store = file.open();
    runs(&store, 1).await;
    for n in 0..20 {
        store.append(&run_id("r0"), 1, tokens(n * 250 + 1, (n + 1) * 250)).await.unwrap();
    }
    let beside = beside(&file);
    assert_eq!(count(&beside, "SELECT count(*) FROM batches"), 20);
    assert_eq!(count(&beside, "SELECT sum(last_seq - first_seq + 1) FROM batches"), 5_000);
}

/// Planted once: the answer sent before COMMIT. It said Ok.
#[tokio::test]
async fn an_append_whose_commit_fails_says_so() {
    let file = File::new();
    let store = file.open();
    runs(&store, 1).await;
    let beside = beside(&file);
    // A promise that is looked at only when the transaction is to be committed.
    beside
        .execute_batch(
            "CREATE TABLE promised (id INTEGER PRIMARY KEY);
             CREATE TABLE promise (id INTEGER REFERENCES promised (id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER planted AFTER INSERT ON batches BEGIN INSERT INTO promise VALUES (1); END;",
        )
        .unwrap();
    let failed = store.append(&run_id("r0"), 1, tokens(1, 3)).await;
    assert!(matches!(failed, Err(AppendError::Backend(_))), "{failed:?}");
    assert_eq!(store.tail(&run_id("r0")).await.unwrap().seq, 0);
    beside.execute_batch("DROP TRIGGER planted").unwrap();
    store.append(&run_id("r0"), 1, tokens(1, 3)).await.unwrap();
    assert_eq!(count(&beside, "SELECT count(*) FROM promise"), 0);
}

async fn one_of_many_fails(how: &str) {
    let file = File::new();
    let store = file.open();
    runs(&store, 30).await;
    let beside = beside(&file);
    let planted = format!(
        "CREATE TRIGGER planted AFTER UPDATE ON runs WHEN NEW.id = 'r7' AND NEW.tail > 0
         BEGIN SELECT RAISE({how}, 'planted'); END; BEGIN IMMEDIATE;"
    );
    beside.execute_batch(&planted).unwrap();
    let appends = queued(&store, 30).await;
    beside.execute_batch("ROLLBACK").unwrap();
    for (n, append) in appends.into_iter().enumerate() {
        let result = append.await;
        assert_eq!(matches!(result, Err(AppendError::Backend(_))), n == 7, "{how} {n}: {result:?}");
    }
    for n in 0..30 {
        let stored = store.tail(&run_id(&format!("r{n}"))).await.unwrap().seq;
        assert_eq!(stored, if n == 7 { 0 } else { 5 }, "{how} {n}");
    }
    assert_eq!(count(&beside, "SELECT count(*) FROM batches"), 29, "{how}: whole or not at all");
    beside.execute_batch("DROP TRIGGER planted").unwrap();
    store.append(&run_id("r7"), 1, tokens(1, 5)).await.unwrap();
}

/// Planted once: no savepoint. The failed batch's row stayed, without its tail.
#[tokio::test]
async fn a_batch_that_fails_takes_no_other_with_it() {
    one_of_many_fails("ABORT").await;
}

/// As a full disk does it: the whole transaction is gone when the statement returns.
/// Planted once: the whole group given up. All of it came back as failed.
#[tokio::test]
async fn a_failure_that_ends_the_transaction_takes_no_other_with_it() {
    one_of_many_fails("ROLLBACK").await;
}

#[tokio::test]
async fn after_an_append_every_reader_sees_it() {
    let file = File::new();
    let store = Arc::new(file.open());
    runs(&store, 8).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let run = run_id(&format!("r{n}"));
            for seq in 1..=40 {
                store.append(&run, 1, tokens(seq, seq)).await.unwrap();
                assert_eq!(store.tail(&run).await.unwrap().seq, seq);
                assert_eq!(seqs(&store.read(&run, seq, 10, 1_000).await.unwrap()), [seq]);
            }
        });
    }
    tasks.join_all().await;
}

/// A viewer that reads while the writer writes sees whole batches and no holes, whenever it looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_whole_batches_only() {
    let file = File::new();
    let store = Arc::new(file.open());
    runs(&store, 1).await;
    let mut reader = tokio::task::JoinSet::new();
    reader.spawn({
        let store = Arc::clone(&store);
        async move {
            let mut next = 1;
            while next <= 1_000 {
                let read = store.read(&run_id("r0"), next, 512, usize::MAX).await.unwrap();
                assert_eq!(seqs(&read), (next..next + read.len() as u64).collect::<Vec<_>>());
                assert_eq!(read.len() % 10, 0, "half a batch");
                next += read.len() as u64;
            }
        }
    });
    for n in 0..100 {
        store.append(&run_id("r0"), 1, tokens(n * 10 + 1, n * 10 + 10)).await.unwrap();
    }
    reader.join_all().await;
}

/// Planted once: no checkpoints at all. The write-ahead log held every byte that was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_stays_bounded_while_readers_come_and_go() {
    let file = File::new();
    let store = Arc::new(file.open());
    runs(&store, 1).await;
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        readers.spawn(async move {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                store.read(&run_id("r0"), 1, 512, 200_000).await.unwrap();
            }
        });
    }
    let big = "x".repeat(200_000);
    for seq in 1..=400 {
        let body = headwater_core::event::Body::Token { text: big.clone() };
        let batch =
            headwater_core::port::store::Batch { events: vec![crate::given::event(seq, body)], answer: None };
        store.append(&run_id("r0"), 1, batch).await.unwrap();
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    readers.join_all().await;
    let mut wal = file.path().into_os_string();
    wal.push("-wal");
    let bytes = std::fs::metadata(wal).unwrap().len();
    assert!(bytes < 40_000_000, "80 MB were written, and {bytes} bytes of them stand in the log");
}

/// Planted once: the writer left alone at the end. What waited in the queue was lost.
#[tokio::test]
async fn dropping_the_store_finishes_what_waits() {
    let file = File::new();
    let store = file.open();
    runs(&store, 50).await;
    let lock = beside(&file);
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Their callers give up; the writes are on their way all the same.
    drop(queued(&store, 50).await);
    lock.execute_batch("ROLLBACK").unwrap();
    drop(store);
    assert_eq!(count(&lock, "SELECT count(*) FROM batches"), 50);
}

#[tokio::test]
async fn what_was_stored_is_there_after_reopening() {
    let file = File::new();
    let store = file.open();
    let run = made(&store, new_run("r", "u", "s")).await.id;
    store.append(&run, 1, tokens(1, 300)).await.unwrap();
    store.take_over(&run).await.unwrap();
    store.append(&run, 2, last(301, Outcome::Interrupted, "partial")).await.unwrap();
    drop(store);
    let store = file.open();
    let tail = store.tail(&run).await.unwrap();
    assert_eq!((tail.seq, tail.term, tail.outcome), (301, 2, Some(Outcome::Interrupted)));
    assert_eq!(store.read(&run, 1, 1_000, usize::MAX).await.unwrap().len(), 301);
    let said = store.history(&user_id("u"), &session_id("s"), 10).await.unwrap();
    assert_eq!(said[1].content, "partial");
    assert!(store.integrity().await.unwrap().is_empty());
}
