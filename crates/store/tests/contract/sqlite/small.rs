//! What stands beside the logs, damaged and copied.

use headwater_core::Millis;
use headwater_core::port::provider::Role;
use headwater_core::port::recall::{Recall, RecallQuery};
use headwater_core::port::records::{Expect, Records};
use headwater_core::port::sharing::Sharing;
use headwater_core::port::store::Store;
use headwater_store::{CopyError, SqliteStore, backup, check, restore};

use super::beside;
use crate::given::{File, made, new_run, run_id, session_id, user_id};

/// Small things of a user, a session that is shared, and what a message means.
async fn more_of(store: &SqliteStore, run: &str) {
    made(store, new_run(run, "u", run)).await;
    let (u, v, at) = (user_id("u"), user_id("v"), Millis(5));
    for key in ["a", "b"] {
        store.put_record(&u, "k", (key, "1"), Expect::Absent, at).await.unwrap();
    }
    store.count(&u, "k", "a", 3, 9, at).await.unwrap();
    store.share(&u, &session_id(run), &v, at).await.unwrap();
    store.remember(&run_id(run), "e", vec![(Role::User, vec![1.0, 0.0])]).await.unwrap();
    store.hide_run(&u, &run_id(run)).await.unwrap();
}

// Planted faults: records not read by the check; a record's checksum over its value alone, which let two change places.
#[test]
fn damage_of_small_things_is_found() {
    let damaged = |sql: &str| {
        let file = File::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = file.open();
        runtime.block_on(more_of(&store, "r"));
        assert_eq!(check(&file.path()).unwrap().records, 2);
        let beside = beside(&file);
        beside.pragma_update(None, "foreign_keys", false).unwrap();
        assert!(beside.execute(sql, []).unwrap() > 0, "{sql}");
        let read = runtime.block_on(store.records(&user_id("u"), "k", 9));
        match check(&file.path()) {
            Err(CopyError::Damaged(_, what)) => (what, read.is_err()),
            other => panic!("{sql}: {other:?}"),
        }
    };
    for sql in [
        "UPDATE records SET value = '2' WHERE key = 'a'",
        "UPDATE records SET key = 'c' WHERE key = 'a'",
        "UPDATE records SET version = 2 WHERE key = 'a'",
    ] {
        let (what, read) = damaged(sql);
        assert!(what.contains("a record of kind k") && read, "{sql}: {what}");
    }
    for sql in [
        "UPDATE meanings SET vector = x'00'",
        "UPDATE meanings SET session = 7",
        "UPDATE meanings SET message = 7",
    ] {
        let (what, _) = damaged(sql);
        assert!(what.contains("the meaning of a message"), "{sql}: {what}");
    }
}

#[tokio::test]
async fn a_copy_has_the_small_things_too() {
    let file = File::new();
    more_of(&file.open(), "r").await;
    let copied = backup(&file.path(), &file.path().with_file_name("copy.db"), false, |_, _| {}).unwrap();
    assert_eq!((copied.checked.records, copied.checked.counters), (2, 1));
    let other = File::new();
    restore(&file.path().with_file_name("copy.db"), &other.path(), |_, _| {}).unwrap();
    let (store, u, v) = (other.open(), user_id("u"), user_id("v"));
    assert_eq!(store.records(&u, "k", 9).await.unwrap().len(), 2);
    assert_eq!(store.count(&u, "k", "a", 0, 9, Millis(9)).await.unwrap().value, 3);
    assert!(store.visible_run(&v, &run_id("r")).await.unwrap().unwrap().hidden);
    let query = RecallQuery {
        owner: u,
        session: session_id("r"),
        embedder: "e".into(),
        vector: vec![1.0, 0.0],
        skip_newest: 0,
        least: 0.9,
        limit: 9,
    };
    assert_eq!(store.recall(query).await.unwrap().len(), 1);
}
