//! Documents beside the runs: what waits, what is tried again, what stops, what stays.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use headwater_core::port::extract::{Extract, ExtractError, Format};
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use headwater_core::port::store::{NewChunk, NewDocument};
use headwater_core::port::{Embedder, SharedEmbedder, SharedStore};
use headwater_core::{Code, Millis, UserId, limit};
use headwater_engine::Tasks;
use headwater_engine::cut::{Cutting, Strategy};
use headwater_engine::documents::{About, Content, Documents, Stage};
use headwater_engine::ingest::{IngestError, Text, ingest};
use headwater_store::MemoryStore;
use serde_json::Map;
use tokio::sync::Semaphore;

use crate::house::ann;

/// Reads when it is let, and says how many read at once.
#[derive(Default)]
struct Gate {
    let_in: Option<Arc<Semaphore>>,
    reading: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Extract for Gate {
    async fn extract(&self, _: Format, path: &Path) -> Result<String, ExtractError> {
        self.reading.fetch_add(1, Ordering::Relaxed);
        if let Some(gate) = &self.let_in {
            gate.acquire().await.unwrap().forget();
        }
        self.reading.fetch_sub(1, Ordering::Relaxed);
        std::fs::read_to_string(path).map_err(|e| ExtractError::Failed(e.to_string()))
    }
}

/// Busy for the first calls.
struct Busy(AtomicUsize);

#[async_trait::async_trait]
impl Embedder for Busy {
    fn id(&self) -> &str {
        "busy"
    }

    fn dimensions(&self) -> usize {
        1
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderError> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        match left {
            Ok(_) => Err(ProviderError::new(ProviderErrorKind::Busy, "busy")),
            Err(_) => Ok(vec![vec![1.0]; texts.len()]),
        }
    }
}

struct Shelf {
    documents: Documents,
    store: SharedStore,
    tasks: Tasks,
    folder: std::path::PathBuf,
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Shelf {
    fn new(gate: Gate) -> Self {
        let store: SharedStore = Arc::new(MemoryStore::new());
        let tasks = Tasks::default();
        let folder = std::env::temp_dir().join(format!("headwater-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("left.part"), "left by a crash").unwrap();
        std::fs::write(folder.join("notes.txt"), "somebody else's").unwrap();
        let documents =
            Documents::open(store.clone(), None, Arc::new(gate), tasks.clone(), folder.clone()).unwrap();
        Self { documents, store, tasks, folder }
    }

    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.folder).unwrap();
        names.map(|f| f.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn about(source: &str) -> About {
    let cutting = Cutting::usual(Strategy::Recursive);
    About { source: source.into(), document_type: "manual".into(), cutting, own: Map::new() }
}

fn user(n: usize) -> UserId {
    UserId::parse(&format!("user{n}")).unwrap()
}

#[tokio::test]
async fn what_a_crash_left_is_removed_and_nothing_else() {
    let shelf = Shelf::new(Gate::default());
    assert_eq!(shelf.files(), ["notes.txt"]);
}

// Planted fault: no place taken in `work`; all twelve then read at once.
#[tokio::test(start_paused = true)]
async fn few_are_read_at_once_and_all_in_the_end() {
    let gate = Arc::new(Semaphore::new(0));
    let reading = Arc::new(AtomicUsize::new(0));
    let shelf = Shelf::new(Gate { let_in: Some(Arc::clone(&gate)), reading: Arc::clone(&reading) });
    let mut told = Vec::new();
    for n in 0..12 {
        let (upload, mut file) = shelf.documents.begin_file(&user(n), None).unwrap();
        std::io::Write::write_all(&mut file, b"some words").unwrap();
        told.push(shelf.documents.index(upload, about("a.txt"), Content::File(Format::Text)));
    }
    // Time passes only when nobody has anything to do.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(reading.load(Ordering::Relaxed), limit::INDEXING);
    gate.add_permits(12);
    for one in told {
        assert!(one.await.unwrap().unwrap().stored);
    }
    assert_eq!(shelf.files(), ["notes.txt"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_what_is_read_and_says_so() {
    let gate = Arc::new(Semaphore::new(0));
    let shelf = Shelf::new(Gate { let_in: Some(gate), ..Gate::default() });
    let who = ann().user;
    let (upload, _) = shelf.documents.begin_file(&who, Some("u".into())).unwrap();
    let told = shelf.documents.index(upload, about("a.txt"), Content::File(Format::Text));
    let left = shelf.tasks.drain(Duration::from_secs(1), Duration::from_secs(1)).await;
    assert!(left.is_empty(), "{left:?}");
    match told.await.unwrap() {
        Err(IngestError::Failed(error)) => assert_eq!(error.code, Code::Draining),
        other => panic!("{other:?}"),
    }
    assert_eq!(shelf.documents.upload(&who, "u").unwrap().stage, Stage::Failed);
    assert_eq!(shelf.files(), ["notes.txt"]);
    assert!(shelf.documents.list(&who).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_goes_away_stops_nothing() {
    let shelf = Shelf::new(Gate::default());
    let who = ann().user;
    let upload = shelf.documents.begin(&who, Some("u".into())).unwrap();
    drop(shelf.documents.index(upload, about("a"), Content::Text("some words".into())));
    shelf.tasks.drain(Duration::from_secs(60), Duration::ZERO).await;
    assert_eq!(shelf.documents.upload(&who, "u").unwrap().stage, Stage::Done);
    assert_eq!(shelf.documents.list(&who).await.unwrap().len(), 1);
}

// Planted fault: the user's turn not waited for; one user's uploads then held every place.
#[tokio::test(start_paused = true)]
async fn one_user_does_not_hold_every_place() {
    let gate = Arc::new(Semaphore::new(0));
    let reading = Arc::new(AtomicUsize::new(0));
    let shelf = Shelf::new(Gate { let_in: Some(Arc::clone(&gate)), reading: Arc::clone(&reading) });
    let send = |who: usize, source: String| {
        let (upload, mut file) = shelf.documents.begin_file(&user(who), None).unwrap();
        std::io::Write::write_all(&mut file, b"some words").unwrap();
        shelf.documents.index(upload, about(&source), Content::File(Format::Text))
    };
    let mut told: Vec<_> = (0..limit::UPLOADS_PER_USER).map(|n| send(1, n.to_string())).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(reading.load(Ordering::Relaxed), limit::INDEXING_PER_USER);
    told.extend((2..5).map(|who| send(who, "a".into())));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(reading.load(Ordering::Relaxed), limit::INDEXING, "others are served beside him");
    gate.add_permits(told.len());
    for one in told {
        assert!(one.await.unwrap().unwrap().stored);
    }
}

// Planted fault: a busy embedder's refusal passed on at once.
#[tokio::test(start_paused = true)]
async fn a_busy_embedder_is_asked_again_and_not_for_ever() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let mut text = Text::shared("a.md", "manual", "word ".repeat(5_000));
    text.cutting = Cutting { strategy: Strategy::Fixed, size: 500, overlap: 0 };
    let embedder: SharedEmbedder = Arc::new(Busy(AtomicUsize::new(7)));
    let mut heard = Vec::new();
    let indexed =
        ingest(&store, Some(&embedder), text.clone(), Millis(0), |done, all| heard.push((done, all)));
    assert_eq!(indexed.await.unwrap().chunks, 50);
    assert_eq!(heard, [(0, 50), (16, 50), (32, 50), (48, 50), (50, 50)]);
    let embedder: SharedEmbedder = Arc::new(Busy(AtomicUsize::new(usize::MAX)));
    text.source = "b.md".into();
    match ingest(&store, Some(&embedder), text, Millis(0), |_, _| {}).await {
        Err(IngestError::Failed(error)) => assert_eq!(error.code, Code::ProviderFailed),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.documents(None).await.unwrap().len(), 1, "all of it or nothing");
}

// Planted faults: the sum not looked at; what is replaced counted as well.
#[tokio::test]
async fn one_user_has_so_many_passages_in_all() {
    let shelf = Shelf::new(Gate::default());
    let filled = |owner: Option<UserId>, source: String, chunks: usize| {
        let chunk = NewChunk { heading: String::new(), content: "x".into(), vector: None };
        shelf.store.put_document(NewDocument {
            id: source.clone(),
            owner,
            source,
            document_type: "manual".into(),
            digest: "d".into(),
            embedder: String::new(),
            metadata: "{}".into(),
            chunks: vec![chunk; chunks],
            at: Millis(0),
        })
    };
    let put = |source: &str, text: &str| {
        let text = Text { owner: Some(ann().user), ..Text::shared(source, "manual", text) };
        ingest(&shelf.store, None, text, Millis(0), |_, _| {})
    };
    // What is shared, and another's, is not his.
    filled(None, "shared".into(), 1_000).await.unwrap();
    filled(Some(user(1)), "another's".into(), 1_000).await.unwrap();
    filled(Some(ann().user), "many".into(), limit::PASSAGES_PER_USER - 1).await.unwrap();
    assert!(put("the last", "one").await.unwrap().stored);
    match put("one more", "one").await {
        Err(IngestError::Refused(why)) => assert!(why.contains("100000 passages"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(put("the last", "another one").await.unwrap().stored, "in place of one that is there");
    assert!(put("many", "few").await.unwrap().stored);
    assert!(put("one more", "one").await.unwrap().stored);
}

#[tokio::test]
async fn one_user_has_so_many_documents_and_may_replace_them() {
    let shelf = Shelf::new(Gate::default());
    let put = |source: String, text: &'static str| {
        let text = Text { owner: Some(ann().user), ..Text::shared(source, "manual", text) };
        ingest(&shelf.store, None, text, Millis(0), |_, _| {})
    };
    for n in 0..limit::DOCUMENTS_PER_USER {
        put(n.to_string(), "one").await.unwrap();
    }
    match put("one more".into(), "one").await {
        Err(IngestError::Refused(why)) => assert!(why.contains("500 documents"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(put("7".into(), "two").await.unwrap().stored);
    shelf.documents.delete(&ann().user, "8").await.unwrap();
    assert!(put("one more".into(), "one").await.unwrap().stored);
}
