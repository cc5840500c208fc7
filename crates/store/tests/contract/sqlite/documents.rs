//! A large document on its way in or out: in slices, out of sight, and nothing of it left behind.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use headwater_core::limit;
use headwater_core::port::store::{NewDocument, Store, StoreError};
use headwater_store::SqliteStore;
use rusqlite::Connection;

use super::{beside, count};
use crate::given::{File, made, new_run, run_id, tokens};
use crate::knowledge::{document, query};

const SLICES: usize = 8;

/// A document of eight slices, every passage of which says `word`.
fn large(word: &str) -> NewDocument {
    let texts: Vec<String> =
        (0..SLICES * limit::DOCUMENT_SLICE).map(|n| format!("engine {word} {n}")).collect();
    let chunks: Vec<_> = texts.iter().map(|t| (t.as_str(), Some(vec![1.0, 0.0]))).collect();
    NewDocument { id: word.into(), digest: word.into(), ..document(None, "a.md", &chunks) }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Goes on with `work` by exactly one commit; gives what it comes to, where it is done instead. The file is
/// locked while the work is polled: what it asks the writer for then waits, until the lock is gone.
async fn step<T>(lock: &Connection, work: Pin<&mut (dyn Future<Output = T> + Send)>) -> Option<T> {
    tokio::task::yield_now().await;
    let woken = Arc::new(Woken::default());
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let polled = work.poll(&mut Context::from_waker(&Waker::from(Arc::clone(&woken))));
    lock.execute_batch("ROLLBACK").unwrap();
    match polled {
        Poll::Ready(done) => Some(done),
        Poll::Pending => {
            while !woken.0.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            None
        }
    }
}

/// As many steps; the work is not done by then.
async fn steps<T>(lock: &Connection, n: usize, mut work: Pin<&mut (dyn Future<Output = T> + Send)>) {
    for n in 0..n {
        assert!(step(lock, work.as_mut()).await.is_none(), "done after {n} commits");
    }
}

/// What is stored of all documents, seen or not.
fn stored(connection: &Connection) -> [i64; 4] {
    ["documents", "chunks", "vectors", "words_docsize"]
        .map(|table| count(connection, &format!("SELECT count(*) FROM {table}")))
}

/// Which documents are seen, by list, words and meaning.
async fn seen(store: &SqliteStore) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for mut ask in [query(&["engine"], None), query(&[], Some(("e1", vec![1.0, 0.0])))] {
        ask.candidates = usize::MAX >> 1;
        let hits = store.search(ask).await.unwrap();
        let mut ids: Vec<String> = hits.iter().map(|hit| hit.document_id.clone()).collect();
        ids.dedup();
        all.append(&mut ids);
        assert!(hits.is_empty() || hits.len() == SLICES * limit::DOCUMENT_SLICE, "{} of them", hits.len());
    }
    all.extend(store.documents(None).await.unwrap().into_iter().map(|d| d.id));
    all.sort();
    all.dedup();
    all
}

/// Planted once: all passages in one commit. The appends waited for the whole document.
#[tokio::test]
async fn a_large_document_lets_others_write_between_its_slices() {
    let file = File::new();
    let (store, lock) = (file.open(), beside(&file));
    made(&store, new_run("r", "u", "s")).await;
    let mut put = pin!(store.put_document(large("one")));
    for seq in 1..SLICES as u64 {
        steps(&lock, 1, put.as_mut()).await;
        store.append(&run_id("r"), 1, tokens(seq, seq)).await.unwrap();
        assert!(seen(&store).await.is_empty());
    }
    put.await.unwrap();
    assert_eq!(seen(&store).await, ["one"]);
}

#[tokio::test]
async fn a_document_takes_a_commit_a_slice_and_a_small_one_takes_one() {
    let file = File::new();
    let store = file.open();
    let wheel =
        |digest: &str| NewDocument { digest: digest.into(), ..document(None, "b.md", &[("a", None)]) };
    // New, the same again, and a replacement, of which the removal is one more.
    for (digest, commits) in [("d1", 1), ("d1", 1), ("d2", 2)] {
        let before = store.commits();
        store.put_document(wheel(digest)).await.unwrap();
        assert_eq!(store.commits() - before, commits, "{digest}");
    }
    let before = store.commits();
    store.put_document(large("one")).await.unwrap();
    assert_eq!(store.commits() - before, SLICES as u64);
    assert_eq!(store.delete_document(None, "none").await.unwrap(), None);
    assert_eq!(store.commits() - before, SLICES as u64 + 1);
}

/// Planted once: the row made under its own name. Lists and searches had half of it.
#[tokio::test]
async fn nobody_sees_half_a_document() {
    let file = File::new();
    let (store, lock) = (file.open(), beside(&file));
    store.put_document(large("old")).await.unwrap();
    let mut put = pin!(store.put_document(large("new")));
    let mut commits = 0;
    while step(&lock, put.as_mut()).await.is_none() {
        commits += 1;
        let expected = if commits < SLICES { "old" } else { "new" };
        assert_eq!(seen(&store).await, [expected], "after commit {commits}");
    }
    assert_eq!(commits, 2 * SLICES + 1, "the new one's slices, the old one's, and its row");
    let chunks = (SLICES * limit::DOCUMENT_SLICE) as i64;
    assert_eq!(stored(&lock), [1, chunks, chunks, chunks]);
}

/// Planted once: nothing remembered of a put that was given up. Its passages stayed for ever.
#[tokio::test]
async fn what_a_caller_gave_up_is_removed_by_the_next() {
    let file = File::new();
    let (store, lock) = (file.open(), beside(&file));
    let chunks = (SLICES * limit::DOCUMENT_SLICE) as i64;
    store.put_document(large("old")).await.unwrap();
    {
        let mut put = Box::pin(store.put_document(large("given up")));
        steps(&lock, 3, put.as_mut()).await;
    }
    assert_eq!(seen(&store).await, ["old"]);
    assert_eq!(stored(&lock)[..2], [2, chunks + 3 * limit::DOCUMENT_SLICE as i64]);
    store.put_document(document(None, "b.md", &[("wheel", None)])).await.unwrap();
    assert_eq!(stored(&lock), [2, chunks + 1, chunks, chunks + 1]);
    {
        let mut delete = Box::pin(store.delete_document(None, "a.md"));
        steps(&lock, 3, delete.as_mut()).await;
    }
    assert_eq!(store.documents(None).await.unwrap().len(), 1);
    assert_eq!(store.delete_document(None, "b.md").await.unwrap(), Some(1));
    assert_eq!(stored(&lock), [0; 4]);
}

/// The files as a kill leaves them, after each of the commits of a replacement.
/// Planted once: nothing removed at the start.
#[tokio::test]
async fn what_a_crash_left_is_removed_at_the_start() {
    let file = File::new();
    let (store, lock) = (file.open(), beside(&file));
    store.put_document(large("old")).await.unwrap();
    let mut put = pin!(store.put_document(large("new")));
    let chunks = (SLICES * limit::DOCUMENT_SLICE) as i64;
    for commit in 1..2 * SLICES {
        steps(&lock, 1, put.as_mut()).await;
        let copy = File::new();
        for end in ["", "-wal"] {
            let name = |f: &File| format!("{}{end}", f.path().display());
            std::fs::copy(name(&file), name(&copy)).unwrap();
        }
        let copied = copy.open();
        let expected = if commit < SLICES { "old" } else { "new" };
        assert_eq!(seen(&copied).await, [expected], "after commit {commit}");
        assert_eq!(stored(&beside(&copy)), [1, chunks, chunks, chunks], "after commit {commit}");
    }
    put.await.unwrap();
}

#[tokio::test]
async fn of_many_that_store_the_same_document_one_is_kept() {
    let file = File::new();
    let store = Arc::new(file.open());
    let mut all = tokio::task::JoinSet::new();
    for n in 0..6 {
        let store = Arc::clone(&store);
        // Two of each kind.
        all.spawn(async move { store.put_document(large(["one", "two", "three"][n % 3])).await });
    }
    let done: Vec<Result<(), StoreError>> = all.join_all().await;
    assert!(done.into_iter().all(|d| d.is_ok()));
    assert_eq!(seen(&store).await.len(), 1);
    let chunks = (SLICES * limit::DOCUMENT_SLICE) as i64;
    assert_eq!(stored(&beside(&file)), [1, chunks, chunks, chunks]);
}
