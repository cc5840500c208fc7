//! A copy while the store works, and a copy in its place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater_core::event::Outcome;
use headwater_core::port::Store;
use headwater_store::{CopyError, OpenError, SqliteStore, backup, check, restore};
use rusqlite::Connection;

use super::beside;
use crate::given::{File, last, made, new_run, run_id, seqs, session_id, tokens, user_id};

fn copy_of(file: &File) -> PathBuf {
    file.path().with_file_name("copy.db")
}

fn quiet(_: u64, _: u64) {}

fn names(path: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn answered(store: &SqliteStore, id: &str) {
    made(store, new_run(id, "u", id)).await;
    store.append(&run_id(id), 1, tokens(1, 9)).await.unwrap();
    store.append(&run_id(id), 1, last(10, Outcome::Completed, &format!("the answer of {id}"))).await.unwrap();
}

async fn has(store: &SqliteStore, id: &str) -> bool {
    let said = store.history(&user_id("u"), &session_id(id), 10).await.unwrap();
    let Some(answer) = said.get(1) else { return false };
    assert_eq!(answer.content, format!("the answer of {id}"));
    assert_eq!(store.read(&run_id(id), 1, 100, usize::MAX).await.unwrap().len(), 10);
    true
}

/// Planted once: the file copied byte by byte. Copies without their write-ahead log missed answers, or were
/// no databases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_has_everything_that_was_answered_before_it_and_nothing_torn() {
    let file = File::new();
    let store = Arc::new(file.open());
    for n in 0..20 {
        answered(&store, &format!("before{n}")).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let mut writing = tokio::task::JoinSet::new();
    writing.spawn({
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        async move {
            made(&*store, new_run("live", "u", "live")).await;
            let mut seq = 1;
            while !done.load(Ordering::Relaxed) {
                store.append(&run_id("live"), 1, tokens(seq, seq + 4)).await.unwrap();
                seq += 5;
            }
        }
    });
    for n in 0..8 {
        answered(&store, &format!("during{n}")).await;
        let (from, to) = (file.path(), copy_of(&file));
        let copied = tokio::task::spawn_blocking(move || backup(&from, &to, true, quiet)).await.unwrap();
        let copied = copied.unwrap();
        assert_eq!(copied.bytes, std::fs::metadata(copy_of(&file)).unwrap().len());
        let copy = File::new();
        std::fs::copy(copy_of(&file), copy.path()).unwrap();
        let copy = copy.open();
        for n in 0..20 {
            assert!(has(&copy, &format!("before{n}")).await);
        }
        for n in 0..=n {
            assert!(has(&copy, &format!("during{n}")).await);
        }
        if let Ok(tail) = copy.tail(&run_id("live")).await {
            let live = copy.read(&run_id("live"), 1, 100_000, usize::MAX).await.unwrap();
            assert_eq!(seqs(&live), (1..=tail.seq).collect::<Vec<_>>());
            assert_eq!(tail.seq % 5, 0, "half a batch");
        }
    }
    done.store(true, Ordering::Relaxed);
    writing.join_all().await;
}

#[tokio::test]
async fn a_copy_is_one_private_file_and_says_what_is_in_it() {
    let file = File::new();
    let store = file.open();
    answered(&store, "r").await;
    made(&store, new_run("live", "u", "live")).await;
    let copied = backup(&file.path(), &copy_of(&file), false, quiet).unwrap();
    let found = copied.checked;
    assert_eq!((found.runs, found.batches, found.messages, found.documents, found.users), (2, 2, 3, 0, 0));
    assert_eq!(check(&file.path()).unwrap(), found, "beside a store that has it open");
    let left: Vec<_> = names(&file.path()).into_iter().filter(|name| name.starts_with("copy")).collect();
    assert_eq!(left, ["copy.db"], "no `.part`, and nothing of SQLite's own");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(copy_of(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    // The store's lock was not touched, nor its file.
    assert!(matches!(SqliteStore::open(&file.path(), Default::default()), Err(OpenError::InUse(_))));
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_copy_can_be_made_when_no_server_runs_and_of_what_a_kill_left() {
    let file = File::new();
    let store = file.open();
    answered(&store, "r").await;
    let killed = File::new();
    for end in ["", "-wal"] {
        let name = |f: &File| format!("{}{end}", f.path().display());
        std::fs::copy(name(&file), name(&killed)).unwrap();
    }
    assert_eq!(backup(&killed.path(), &copy_of(&killed), false, quiet).unwrap().checked.messages, 2);
    drop(store);
    assert_eq!(backup(&file.path(), &copy_of(&file), false, quiet).unwrap().checked.messages, 2);
    assert!(has(&file.open(), "r").await);
}

/// Planted once: the copy written in place. What stood there was gone when the copy failed.
#[tokio::test]
async fn what_is_there_is_kept_unless_told_and_unless_it_worked() {
    let file = File::new();
    answered(&file.open(), "r").await;
    let (from, to) = (file.path(), copy_of(&file));
    std::fs::write(&to, "precious").unwrap();
    assert!(matches!(backup(&from, &to, false, quiet), Err(CopyError::Exists(_))));
    assert!(matches!(backup(&from, &from, true, quiet), Err(CopyError::Exists(_))), "never over itself");
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    let beside = beside(&file);
    beside.execute("UPDATE messages SET content = 'changed'", []).unwrap();
    let error = backup(&from, &to, true, quiet).unwrap_err();
    assert!(matches!(error, CopyError::Damaged(..)), "{error:?}");
    assert!(!error.to_string().contains("changed"), "no content: {error}");
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    assert!(!names(&from).contains("copy.db.part"));
    // What a killed copy left is no hindrance.
    beside.execute_batch("DELETE FROM messages").unwrap();
    std::fs::write(to.with_extension("db.part"), "half a copy").unwrap();
    backup(&from, &to, true, quiet).unwrap();
    assert_eq!(check(&to).unwrap().runs, 1);
}

#[test]
fn damage_is_found_wherever_it_is() {
    let damaged = |sql: &str| {
        let file = File::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { answered(&file.open(), "r").await });
        check(&file.path()).unwrap();
        assert!(beside(&file).execute(sql, []).unwrap() > 0, "{sql}");
        match check(&file.path()) {
            Err(CopyError::Damaged(_, what)) => what,
            other => panic!("{sql}: {other:?}"),
        }
    };
    damaged("UPDATE batches SET payload = CAST(replace(CAST(payload AS TEXT), 't5', 't6') AS BLOB)");
    assert!(damaged("DELETE FROM batches WHERE first_seq = 1").contains("no event 1,"));
    assert!(damaged("DELETE FROM batches WHERE first_seq = 10").contains("no event 10,"));
    assert!(damaged("DELETE FROM batches").contains("no event 1,"));
    assert!(damaged("UPDATE runs SET tail = 11").contains("no event 11,"));
    assert!(damaged("UPDATE messages SET checksum = checksum + 1").contains("a message of run r"));
}

#[test]
fn only_what_is_ours_is_copied_checked_or_restored() {
    let file = File::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { answered(&file.open(), "present").await });
    let wrong = copy_of(&file);
    let refused = |what: &str| {
        let errors = [
            backup(&wrong, &wrong.with_extension("to"), false, quiet).map(|_| ()).unwrap_err(),
            check(&wrong).map(|_| ()).unwrap_err(),
            restore(&wrong, &file.path(), quiet).map(|_| ()).unwrap_err(),
        ];
        assert_eq!(check(&file.path()).unwrap().runs, 1, "{what}: the present one stands");
        errors
    };
    assert!(refused("nothing").iter().all(|e| matches!(e, CopyError::Missing(_))));
    let not_ours = |e: &CopyError| matches!(e, CopyError::Open(OpenError::NotOurs(_)));
    std::fs::write(&wrong, "").unwrap();
    assert!(refused("an empty file").iter().all(not_ours));
    std::fs::write(&wrong, "a text, and not a short one: ".repeat(100)).unwrap();
    assert!(refused("a text").iter().all(not_ours));
    std::fs::remove_file(&wrong).unwrap();
    Connection::open(&wrong).unwrap().execute_batch("CREATE TABLE runs (x)").unwrap();
    assert!(refused("a stranger's").iter().all(not_ours));
    std::fs::remove_file(&wrong).unwrap();
    backup(&file.path(), &wrong, false, quiet).unwrap();
    Connection::open(&wrong).unwrap().pragma_update(None, "user_version", 1_000).unwrap();
    let newer = |e: &CopyError| matches!(e, CopyError::Open(OpenError::Newer { found: 1_000, .. }));
    assert!(refused("a newer one").iter().all(newer));
}

/// Planted once: the old write-ahead log left where it was. It was played into the copy.
#[tokio::test]
async fn a_copy_takes_the_place_of_the_present_one_which_is_kept() {
    let file = File::new();
    let store = file.open();
    answered(&store, "old").await;
    backup(&file.path(), &copy_of(&file), false, quiet).unwrap();
    answered(&store, "new").await;
    // The present one as a kill leaves it: the newest is in its write-ahead log.
    let present = File::new();
    for end in ["", "-wal"] {
        let name = |f: &File| format!("{}{end}", f.path().display());
        std::fs::copy(name(&file), name(&present)).unwrap();
    }
    let restored = restore(&copy_of(&file), &present.path(), quiet).unwrap();
    assert_eq!(restored.copied.checked.runs, 1);
    let before = restored.before.unwrap();
    let name = before.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("headwater.db.before-restore-2"), "{name}");
    assert_eq!(check(&before).unwrap().runs, 2, "with what was in its log");
    let now = present.open();
    assert!(has(&now, "old").await && !has(&now, "new").await);
    drop(now);
    let left = names(&present.path());
    assert!(!left.contains("headwater.db-wal") && !left.contains("headwater.db.restoring"), "{left:?}");
    // And back again.
    restore(&before, &present.path(), quiet).unwrap();
    let now = present.open();
    assert!(has(&now, "old").await && has(&now, "new").await);
}

#[tokio::test]
async fn a_copy_takes_the_place_of_nothing_and_of_a_damaged_one() {
    let file = File::new();
    answered(&file.open(), "r").await;
    let empty = File::new();
    let restored = restore(&file.path(), &empty.path(), quiet).unwrap();
    assert_eq!(restored.before, None);
    assert!(has(&empty.open(), "r").await);
    let damaged = File::new();
    std::fs::write(damaged.path(), "a text, and not a short one: ".repeat(1_000)).unwrap();
    std::fs::write(format!("{}-wal", damaged.path().display()), "of what was there").unwrap();
    let restored = restore(&file.path(), &damaged.path(), quiet).unwrap();
    assert!(std::fs::read(restored.before.unwrap()).unwrap().starts_with(b"a text"));
    assert!(has(&damaged.open(), "r").await);
}

/// Planted once: no lock. The server went on in a file that was no longer there.
#[tokio::test]
async fn nothing_is_restored_under_a_server() {
    let file = File::new();
    let store = file.open();
    answered(&store, "r").await;
    backup(&file.path(), &copy_of(&file), false, quiet).unwrap();
    let error = restore(&copy_of(&file), &file.path(), quiet).unwrap_err();
    assert!(matches!(error, CopyError::Open(OpenError::InUse(_))), "{error:?}");
    answered(&store, "r2").await;
    assert!(names(&file.path()).iter().all(|name| !name.contains("restor")));
}
