//! Damage is told, never shown: no changed text, no silent hole.

use headwater_core::port::Store;
use headwater_core::port::store::ReadError;

use super::beside;
use crate::given::{File, made, new_run, run_id, session_id, tokens, user_id};

/// A log of three batches, damaged by `sql`; what a read of the whole says then.
async fn damaged(sql: &str) -> String {
    let file = File::new();
    let store = file.open();
    for run in ["r", "q"] {
        made(&store, new_run(run, "u", "s")).await;
        for from in [1, 11, 21] {
            store.append(&run_id(run), 1, tokens(from, from + 9)).await.unwrap();
        }
    }
    let beside = beside(&file);
    assert!(beside.execute(sql, []).unwrap() > 0, "{sql}");
    // What stands before the damage is still to be had.
    assert_eq!(store.read(&run_id("r"), 1, 10, usize::MAX).await.unwrap().len(), 10);
    match store.read(&run_id("r"), 1, 100, usize::MAX).await {
        Err(ReadError::Backend(error)) => error.to_string(),
        other => panic!("{sql}: {other:?}"),
    }
}

/// Planted once: no checksum. The changed text was read.
#[tokio::test]
async fn a_changed_byte_is_noticed() {
    let changed = "UPDATE batches SET payload = CAST(replace(CAST(payload AS TEXT), 't15', 't51') AS BLOB)
                   WHERE run = 1 AND first_seq = 11";
    let said = damaged(changed).await;
    assert!(said.contains("run r") && said.contains("11 to 20"), "{said}");
    assert!(!said.contains("t51"), "no content: {said}");
}

/// Planted once: rows taken as they come. The events after the hole followed those before it.
#[tokio::test]
async fn a_missing_row_is_noticed() {
    let said = damaged("DELETE FROM batches WHERE run = 1 AND first_seq = 11").await;
    assert!(said.contains("run r has no event 11"), "{said}");
    let said = damaged("DELETE FROM batches WHERE run = 1 AND first_seq = 21").await;
    assert!(said.contains("run r has no event 21"), "{said}");
}

#[tokio::test]
async fn a_row_in_another_place_is_noticed() {
    let moved = "UPDATE batches SET payload = (SELECT payload FROM batches WHERE run = 2 AND first_seq = 11),
                 checksum = (SELECT checksum FROM batches WHERE run = 2 AND first_seq = 11)
                 WHERE run = 1 AND first_seq = 11";
    assert!(damaged(moved).await.contains("11 to 20"));
    let renumbered = "UPDATE batches SET last_seq = 19 WHERE run = 1 AND first_seq = 11";
    assert!(damaged(renumbered).await.contains("11 to 19"));
}

#[tokio::test]
async fn a_changed_message_is_noticed() {
    let file = File::new();
    let store = file.open();
    made(&store, new_run("r", "u", "s")).await;
    beside(&file).execute("UPDATE messages SET content = 'hellO'", []).unwrap();
    let error = store.history(&user_id("u"), &session_id("s"), 10).await.unwrap_err().to_string();
    assert!(error.contains("a message of run r") && !error.contains("hellO"), "{error}");
}

/// Damage on the disk below SQLite: whatever bit flips, a read gives what was stored or an error.
#[tokio::test]
async fn a_flipped_bit_never_changes_a_text() {
    let file = File::new();
    let store = file.open();
    made(&store, new_run("r", "u", "s")).await;
    for from in (0..40).map(|n| n * 25 + 1) {
        store.append(&run_id("r"), 1, tokens(from, from + 24)).await.unwrap();
    }
    let whole = store.read(&run_id("r"), 1, 1_000, usize::MAX).await.unwrap();
    drop(store);
    let sound = std::fs::read(file.path()).unwrap();
    let (mut noticed, mut step) = (0, 7_919_usize);
    for round in 0..150 {
        let mut bytes = sound.clone();
        step = (step * 31 + 17) % bytes.len();
        bytes[step] ^= 1 << (round % 8);
        std::fs::write(file.path(), &bytes).unwrap();
        let Ok(store) = headwater_store::SqliteStore::open(&file.path(), headwater_store::Durability::Full)
        else {
            noticed += 1;
            continue;
        };
        match store.read(&run_id("r"), 1, 1_000, usize::MAX).await {
            Ok(read) => assert!(read == whole, "byte {step}, round {round}: another text was read"),
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed > 10, "most of the file is the log: {noticed}");
}
