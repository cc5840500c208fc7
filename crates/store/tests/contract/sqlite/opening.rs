//! Who may open a file, and which file.

use headwater_core::port::Store;
use headwater_store::{Durability, OpenError, SqliteStore};
use rusqlite::Connection;

use super::{beside, count};
use crate::given::{File, made, new_run, run_id, tokens};

fn open(file: &File) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(&file.path(), Durability::Full)
}

/// Planted once: no lock. Both opened, and both would have recovered the other's live runs.
#[tokio::test]
async fn a_second_server_is_refused() {
    let file = File::new();
    let first = open(&file).unwrap();
    let error = open(&file).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error:?}");
    assert!(error.to_string().contains("another Headwater serves"), "{error}");
    // Also by another name.
    let folder = file.path().parent().unwrap().to_owned();
    let round_about = folder.join(".").join("..").join(folder.file_name().unwrap()).join("headwater.db");
    assert!(matches!(SqliteStore::open(&round_about, Durability::Full), Err(OpenError::InUse(_))));
    first.check().await.unwrap();
    drop(first);
    open(&file).unwrap().check().await.unwrap();
}

#[cfg(unix)]
#[test]
fn a_second_server_is_refused_by_a_link_too() {
    let file = File::new();
    let _first = open(&file).unwrap();
    let link = file.path().with_file_name("link.db");
    std::os::unix::fs::symlink(file.path(), &link).unwrap();
    assert!(matches!(SqliteStore::open(&link, Durability::Full), Err(OpenError::InUse(_))));
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let file = File::new();
    let _store = open(&file).unwrap();
    for entry in std::fs::read_dir(file.path().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
    }
}

/// Planted once: the version not looked at. It opened, and would have written into a schema it misreads.
#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let file = File::new();
    drop(open(&file).unwrap());
    beside(&file).pragma_update(None, "user_version", 1_000).unwrap();
    let before = std::fs::read(file.path()).unwrap();
    let error = open(&file).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 1_000, .. }), "{error:?}");
    assert!(error.to_string().contains("newer Headwater"), "{error}");
    assert_eq!(std::fs::read(file.path()).unwrap(), before);
}

#[test]
fn what_is_not_ours_is_refused_and_left_as_it_is() {
    let foreign = |sql: &str| {
        let file = File::new();
        Connection::open(file.path()).unwrap().execute_batch(sql).unwrap();
        file
    };
    let files = [
        foreign("PRAGMA application_id = 7; CREATE TABLE t (x);"),
        foreign("CREATE TABLE runs (x);"),
        foreign("PRAGMA user_version = 1;"),
    ];
    for file in files {
        let before = std::fs::read(file.path()).unwrap();
        let error = open(&file).unwrap_err();
        assert!(matches!(error, OpenError::NotOurs(_)), "{error:?}");
        assert_eq!(std::fs::read(file.path()).unwrap(), before);
    }
    let file = File::new();
    std::fs::write(file.path(), "a text, and not a short one: ".repeat(100)).unwrap();
    assert!(matches!(open(&file), Err(OpenError::NotOurs(_))));
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let file = File::new();
    let path = file.path().join("below");
    let error = SqliteStore::open(&path, Durability::Full).unwrap_err();
    assert!(matches!(error, OpenError::Io(..)), "{error:?}");
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let file = File::new();
    std::fs::write(file.path(), "").unwrap();
    open(&file).unwrap().check().await.unwrap();
}

/// The files as a kill leaves them, at a moment when the write-ahead log has what the database has not.
#[tokio::test]
async fn a_killed_server_s_files_open_with_everything_that_was_acknowledged() {
    let file = File::new();
    let store = open(&file).unwrap();
    let run = made(&store, new_run("r", "u", "s")).await.id;
    for from in (0..30).map(|n| n * 10 + 1) {
        store.append(&run, 1, tokens(from, from + 9)).await.unwrap();
        let copy = File::new();
        for end in ["", "-wal"] {
            let name = |f: &File| format!("{}{end}", f.path().display());
            std::fs::copy(name(&file), name(&copy)).unwrap();
        }
        let copied = open(&copy).unwrap();
        assert_eq!(copied.tail(&run_id("r")).await.unwrap().seq, from + 9);
        assert_eq!(copied.read(&run, 1, 1_000, usize::MAX).await.unwrap().len() as u64, from + 9);
    }
}

#[tokio::test]
async fn a_clean_close_leaves_one_file_and_its_lock() {
    let file = File::new();
    let store = open(&file).unwrap();
    let run = made(&store, new_run("r", "u", "s")).await.id;
    store.append(&run, 1, tokens(1, 3)).await.unwrap();
    store.tail(&run).await.unwrap();
    drop(store);
    let mut names: Vec<_> = std::fs::read_dir(file.path().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["headwater.db", "headwater.db.lock"]);
    assert_eq!(count(&beside(&file), "SELECT count(*) FROM batches"), 1);
}
