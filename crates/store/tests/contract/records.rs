//! Small things of users: records, and counters.

use std::sync::Arc;

use headwater_core::port::SharedStore;
use headwater_core::port::records::{Counted, Expect, Record, Records};
use headwater_core::{Millis, limit};

use crate::given::user_id;

clauses! {
    a_record_is_as_it_was_put
    what_is_expected_must_stand_there
    of_many_that_read_the_same_version_one_puts
    of_many_that_find_nothing_one_makes_it
    records_are_listed_by_key
    a_removed_record_is_gone
    too_long_is_an_error_and_changes_nothing
    a_counter_moves_where_there_is_room
    a_counter_is_never_above_its_most
    a_counter_ends_where_every_store_does
    names_are_kept_apart
    counters_are_forgotten_by_kind_and_age
    records_are_forgotten_by_their_time
}

const AT: Millis = Millis(5);

async fn put(store: &dyn Records, key: &str, value: &str, expect: Expect) -> Option<u64> {
    store.put_record(&user_id("u"), "k", (key, value), expect, AT).await.unwrap()
}

async fn value(store: &dyn Records, key: &str) -> Option<(String, u64)> {
    let record = store.record(&user_id("u"), "k", key).await.unwrap();
    record.map(|record| (record.value, record.version))
}

fn taken(value: u64) -> Counted {
    Counted { value, taken: true }
}

fn full(value: u64) -> Counted {
    Counted { value, taken: false }
}

async fn a_record_is_as_it_was_put(store: SharedStore) {
    let u = user_id("u");
    assert_eq!(store.record(&u, "k", "a").await.unwrap(), None);
    let odd = "{\"車\":\"\u{0}'; DROP TABLE records;--\"}";
    assert_eq!(store.put_record(&u, "k", ("a", odd), Expect::Whatever, Millis(7)).await.unwrap(), Some(1));
    let record = Record { key: "a".into(), value: odd.into(), version: 1, at: Millis(7) };
    assert_eq!(store.record(&u, "k", "a").await.unwrap(), Some(record));
    assert_eq!(store.put_record(&u, "k", ("a", "2"), Expect::Whatever, Millis(9)).await.unwrap(), Some(2));
    let record = Record { key: "a".into(), value: "2".into(), version: 2, at: Millis(9) };
    assert_eq!(store.record(&u, "k", "a").await.unwrap(), Some(record));
}

/// Planted once: a version taken for good that is not there yet (0). A record that another had removed came back.
async fn what_is_expected_must_stand_there(store: SharedStore) {
    let store = &*store;
    assert_eq!(put(store, "a", "x", Expect::Version(0)).await, None);
    assert_eq!(put(store, "a", "x", Expect::Version(1)).await, None);
    assert_eq!(value(store, "a").await, None);
    assert_eq!(put(store, "a", "1", Expect::Absent).await, Some(1));
    assert_eq!(put(store, "a", "x", Expect::Absent).await, None);
    assert_eq!(put(store, "a", "2", Expect::Version(1)).await, Some(2));
    for version in [0, 1, 3, u64::MAX] {
        assert_eq!(put(store, "a", "x", Expect::Version(version)).await, None, "{version}");
    }
    assert_eq!(value(store, "a").await, Some(("2".into(), 2)));
}

/// Planted once: the version looked at before the write, not in it. Several put theirs over another's.
async fn of_many_that_read_the_same_version_one_puts(store: SharedStore) {
    put(&*store, "a", "0", Expect::Absent).await;
    for round in 1..=5 {
        let mut writers = tokio::task::JoinSet::new();
        for n in 0..30 {
            let store = Arc::clone(&store);
            let text = format!("{round}-{n}");
            writers.spawn(async move {
                put(&*store, "a", &text, Expect::Version(round)).await.map(|version| (text, version))
            });
        }
        let won: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(value(&*store, "a").await.as_ref(), won.first());
        assert_eq!(won[0].1, round + 1);
    }
}

async fn of_many_that_find_nothing_one_makes_it(store: SharedStore) {
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..30 {
        let store = Arc::clone(&store);
        writers.spawn(async move { put(&*store, "a", &n.to_string(), Expect::Absent).await });
    }
    let won: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    assert_eq!(won, [1]);
}

async fn records_are_listed_by_key(store: SharedStore) {
    for key in ["b", "a", "é", "Z", "c"] {
        put(&*store, key, key, Expect::Whatever).await;
    }
    let listed = async |limit| {
        let records = store.records(&user_id("u"), "k", limit).await.unwrap();
        records.into_iter().map(|record| record.key).collect::<Vec<_>>()
    };
    assert_eq!(listed(9).await, ["Z", "a", "b", "c", "é"]);
    assert_eq!(listed(2).await, ["Z", "a"]);
    assert!(listed(0).await.is_empty());
}

async fn a_removed_record_is_gone(store: SharedStore) {
    put(&*store, "a", "1", Expect::Absent).await;
    put(&*store, "a", "2", Expect::Whatever).await;
    let u = user_id("u");
    assert!(store.delete_record(&u, "k", "a").await.unwrap());
    assert!(!store.delete_record(&u, "k", "a").await.unwrap());
    assert_eq!(value(&*store, "a").await, None);
    assert_eq!(put(&*store, "a", "x", Expect::Version(2)).await, None);
    assert_eq!(put(&*store, "a", "3", Expect::Absent).await, Some(1), "made anew");
}

async fn too_long_is_an_error_and_changes_nothing(store: SharedStore) {
    let u = user_id("u");
    let key = |bytes| "k".repeat(bytes);
    let value = |bytes| "v".repeat(bytes);
    for (key, value) in [
        (key(limit::RECORD_KEY_BYTES + 1), value(1)),
        (String::new(), value(1)),
        (key(1), value(limit::RECORD_BYTES + 1)),
    ] {
        let put = store.put_record(&u, "k", (&key, &value), Expect::Whatever, AT).await;
        let said = put.unwrap_err().to_string();
        assert!(said.len() < 200 && !said.contains("kkk") && !said.contains("vvv"), "no content: {said}");
    }
    assert!(store.records(&u, "k", 9).await.unwrap().is_empty());
    let (key, value) = (key(limit::RECORD_KEY_BYTES), value(limit::RECORD_BYTES));
    assert_eq!(store.put_record(&u, "k", (&key, &value), Expect::Absent, AT).await.unwrap(), Some(1));
    assert_eq!(store.record(&u, "k", &key).await.unwrap().unwrap().value, value);
    for key in ["", &"k".repeat(limit::RECORD_KEY_BYTES + 1)] {
        store.count(&u, "k", key, 1, 9, AT).await.unwrap_err();
    }
}

async fn a_counter_moves_where_there_is_room(store: SharedStore) {
    let u = user_id("u");
    let count = async |by, most| store.count(&u, "k", "a", by, most, AT).await.unwrap();
    assert_eq!(count(0, 10).await, taken(0));
    assert_eq!(count(11, 10).await, full(0));
    assert_eq!(count(4, 10).await, taken(4));
    assert_eq!(count(6, 10).await, taken(10));
    assert_eq!(count(1, 10).await, full(10));
    assert_eq!(count(0, 10).await, taken(10));
    // The allowance became smaller: reading is no move.
    assert_eq!(count(0, 5).await, taken(10));
    assert_eq!(count(1, 5).await, full(10));
    assert_eq!(count(2, 12).await, taken(12));
    assert_eq!(store.record(&u, "k", "a").await.unwrap(), None, "no record has the same name");
    assert_eq!(store.put_record(&u, "k", ("a", "x"), Expect::Absent, AT).await.unwrap(), Some(1));
    assert_eq!(count(0, 12).await, taken(12));
}

/// Planted once: read, then written. Some were counted that had no room.
async fn a_counter_is_never_above_its_most(store: SharedStore) {
    let mut movers = tokio::task::JoinSet::new();
    for n in 0..60_u64 {
        let store = Arc::clone(&store);
        movers.spawn(async move {
            let counted = store.count(&user_id("u"), "k", "a", 1 + n % 3, 50, AT).await.unwrap();
            assert!(counted.value <= 50);
            if counted.taken { 1 + n % 3 } else { 0 }
        });
    }
    let moved: u64 = movers.join_all().await.into_iter().sum();
    let stands = store.count(&user_id("u"), "k", "a", 0, 50, AT).await.unwrap();
    assert_eq!(stands, taken(moved), "each was counted once");
    // The last places may be too few for who asks for three.
    assert!(moved >= 48, "{moved}");
}

async fn a_counter_ends_where_every_store_does(store: SharedStore) {
    let u = user_id("u");
    let count = async |by| store.count(&u, "k", "a", by, u64::MAX, AT).await.unwrap();
    assert_eq!(count(u64::MAX).await, full(0));
    assert_eq!(count(limit::COUNT).await, taken(limit::COUNT));
    assert_eq!(count(1).await, full(limit::COUNT));
    assert_eq!(count(u64::MAX).await, full(limit::COUNT));
    assert_eq!(count(0).await, taken(limit::COUNT));
}

/// Planted once: the kind left out of the question. What was learned was a queue.
async fn names_are_kept_apart(store: SharedStore) {
    let names = [("u", "k", "a"), ("v", "k", "a"), ("u", "l", "a"), ("u", "k", "b"), ("uk", "", "a")];
    for (n, (owner, kind, key)) in (1..).zip(names) {
        let owner = user_id(owner);
        let text = n.to_string();
        let put = store.put_record(&owner, kind, (key, &text), Expect::Absent, AT).await.unwrap();
        assert_eq!(put, Some(1), "{n}");
        assert_eq!(store.count(&owner, kind, key, n, 99, AT).await.unwrap(), taken(n));
    }
    for (n, (owner, kind, key)) in (1..).zip(names) {
        let owner = user_id(owner);
        assert_eq!(store.record(&owner, kind, key).await.unwrap().unwrap().value, n.to_string());
        assert_eq!(store.count(&owner, kind, key, 0, 99, AT).await.unwrap(), taken(n));
        assert_eq!(store.records(&owner, kind, 9).await.unwrap().len(), if n == 1 || n == 4 { 2 } else { 1 });
    }
    assert!(!store.delete_record(&user_id("w"), "k", "a").await.unwrap());
    assert!(store.delete_record(&user_id("v"), "k", "a").await.unwrap());
    assert!(store.record(&user_id("u"), "k", "a").await.unwrap().is_some());
}

/// Planted faults: the kind not asked; `<=` for `<`; all of them whatever the limit.
async fn counters_are_forgotten_by_kind_and_age(store: SharedStore) {
    let (u, v) = (user_id("u"), user_id("v"));
    for (owner, kind, key, at) in
        [(&u, "k", "a", 1), (&v, "k", "a", 2), (&u, "k", "b", 3), (&u, "k", "c", 9), (&u, "l", "a", 1)]
    {
        store.count(owner, kind, key, 7, 9, Millis(at)).await.unwrap();
    }
    // Moved again, and only looked at again.
    store.count(&u, "k", "b", 1, 9, Millis(10)).await.unwrap();
    store.count(&v, "k", "a", 0, 9, Millis(10)).await.unwrap();
    store.count(&v, "k", "a", 9, 9, Millis(10)).await.unwrap();
    store.put_record(&u, "k", ("a", "1"), Expect::Absent, Millis(1)).await.unwrap();
    assert_eq!(store.forget_counters("k", Millis(9), 0).await.unwrap(), 0);
    assert_eq!(store.forget_counters("k", Millis(9), 1).await.unwrap(), 1);
    assert_eq!(store.forget_counters("k", Millis(9), 5).await.unwrap(), 1);
    assert_eq!(store.forget_counters("k", Millis(9), 5).await.unwrap(), 0);
    let stands = async |owner, kind, key| store.count(owner, kind, key, 0, 9, AT).await.unwrap();
    for (owner, kind, key, value) in
        [(&u, "k", "a", 0), (&v, "k", "a", 0), (&u, "k", "b", 8), (&u, "k", "c", 7), (&u, "l", "a", 7)]
    {
        assert_eq!(stands(owner, kind, key).await, taken(value), "{kind} {key}");
    }
    assert_eq!(store.records(&u, "k", 9).await.unwrap().len(), 1, "a record is another thing");
    assert_eq!(store.count(&u, "k", "a", 1, 9, AT).await.unwrap(), taken(1), "made anew");
}

/// Planted faults: the owner not asked; the times taken for those of what goes; the end of the times counted in.
async fn records_are_forgotten_by_their_time(store: SharedStore) {
    let (u, v) = (user_id("u"), user_id("v"));
    let puts = [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5), ("f", 9)];
    for (owner, kind) in [(&u, "k"), (&v, "k"), (&u, "l")] {
        for (key, at) in puts {
            store.put_record(owner, kind, (key, "1"), Expect::Absent, Millis(at)).await.unwrap();
        }
    }
    // Changed since.
    store.put_record(&u, "k", ("a", "2"), Expect::Whatever, Millis(4)).await.unwrap();
    store.count(&u, "k", "b", 1, 9, Millis(1)).await.unwrap();
    for (most, went) in [(0, 0), (1, 1), (9, 2), (9, 0)] {
        let forgotten = store.forget_records(&u, "k", Millis(3)..Millis(5), most).await.unwrap();
        assert_eq!(forgotten, went, "{most}");
    }
    let keys = async |owner, kind| {
        let left = store.records(owner, kind, 9).await.unwrap();
        left.into_iter().map(|record| record.key).collect::<String>()
    };
    assert_eq!(keys(&u, "k").await, "acd");
    assert_eq!((keys(&v, "k").await, keys(&u, "l").await), ("abcdef".into(), "abcdef".into()));
    assert_eq!(store.count(&u, "k", "b", 0, 9, AT).await.unwrap(), taken(1), "a counter is another thing");
}
