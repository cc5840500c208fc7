//! Whatever a person types is a search and never an error.

use headwater_core::Millis;
use headwater_core::port::Store;
use headwater_core::port::store::{ChunkQuery, NewChunk, NewDocument};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::given::{File, user_id};

fn query(words: Vec<String>) -> ChunkQuery {
    ChunkQuery {
        owner: user_id("u"),
        words,
        vector: None,
        document_type: None,
        source: None,
        folder: None,
        candidates: 64,
    }
}

fn document(content: &str) -> NewDocument {
    let chunk = NewChunk { heading: String::new(), content: content.into(), vector: None };
    NewDocument {
        id: "d".into(),
        owner: None,
        source: "s".into(),
        document_type: "t".into(),
        digest: "d".into(),
        embedder: String::new(),
        metadata: "{}".into(),
        chunks: vec![chunk],
        at: Millis(0),
    }
}

/// Planted once: words put between the quotes as they are. One `"` was a syntax error.
#[test]
fn no_text_is_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let file = File::new();
    let store = file.open();
    // In an empty database the index would not even be asked.
    runtime.block_on(store.put_document(document("engine and oil"))).unwrap();
    let typed = prop_oneof![
        prop::collection::vec(any::<String>(), 0..6),
        prop::collection::vec("[\"'*()^:{}+ -]{0,4}(AND|OR|NOT|NEAR)?[a-z\\PC]{0,4}[\"*)]{0,2}", 0..6),
    ];
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&typed, |words| {
            let found = runtime.block_on(store.search(query(words)));
            prop_assert!(found.is_ok(), "{found:?}");
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn accents_and_case_are_no_obstacle() {
    let file = File::new();
    let store = file.open();
    store.put_document(document("Café GRÖSSE 車 Ελλάδα")).await.unwrap();
    for word in ["cafe", "café", "grösse", "車", "ελλάδα"] {
        assert_eq!(store.search(query(vec![word.into()])).await.unwrap().len(), 1, "{word}");
    }
}
