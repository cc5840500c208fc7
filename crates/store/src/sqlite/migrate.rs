//! From an older schema to this one.

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, TransactionBehavior};

use super::open::APPLICATION_ID;

/// Number n makes schema n of schema n - 1. What was once released is never changed again.
pub(super) const MIGRATIONS: [&str; 5] = [
    include_str!("../schema/001_start.sql"),
    include_str!("../schema/002_desk.sql"),
    include_str!("../schema/003_documents.sql"),
    include_str!("../schema/004_records.sql"),
    include_str!("../schema/005_sought.sql"),
];

/// The schema that this program reads and writes.
pub(super) const LATEST: i64 = MIGRATIONS.len() as i64;

/// Brings the database to the last of `migrations`. Each is one transaction together with its number, so
/// that a death at any step leaves the schema before or the schema after, and the next start goes on.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    migrate_watched(connection, migrations, &mut || {})
}

/// As [`migrate`]; `step` is called wherever a death would leave something else behind.
fn migrate_watched(
    connection: &mut Connection,
    migrations: &[&str],
    step: &mut dyn FnMut(),
) -> rusqlite::Result<()> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (number, sql) in (1_i64..).zip(migrations).filter(|(number, _)| *number > version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut statements = Batch::new(&transaction, sql);
        while let Some(mut statement) = statements.next()? {
            statement.execute([])?;
            step();
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        step();
        transaction.pragma_update(None, "user_version", number)?;
        step();
        transaction.commit()?;
        step();
        tracing::info!(schema = number, "the database was migrated");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sqlite::open::{Durability, reconnect};

    /// A migration that comes after those of today, with data to carry over.
    const NEXT: &str = "ALTER TABLE readiness ADD COLUMN note TEXT NOT NULL DEFAULT '';
        CREATE TABLE copies (checks INTEGER) STRICT;
        INSERT INTO copies SELECT checks FROM readiness;
        UPDATE readiness SET note = 'moved';";

    fn all() -> Vec<&'static str> {
        MIGRATIONS.iter().copied().chain([NEXT]).collect()
    }

    fn connect(path: &Path) -> Connection {
        drop(std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap());
        let connection = reconnect(path, Durability::Full).unwrap();
        // Writes pages out before the commit, as a large migration would.
        connection.pragma_update(None, "cache_size", 1).unwrap();
        connection
    }

    fn version(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    }

    fn schema(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name, sql").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// The schema of an undisturbed migration to each version; that of 0 is empty.
    fn schemas() -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        (0..=all().len())
            .map(|to| {
                let mut connection = connect(&folder.path().join(to.to_string()));
                migrate(&mut connection, &all()[..to]).unwrap();
                schema(&connection)
            })
            .collect()
    }

    /// Planted once: `user_version` set after the commit. A copy had the new tables and the old number,
    /// and the next start failed on tables that were there.
    #[test]
    fn a_kill_at_any_step_leaves_the_old_schema_or_the_new() {
        let (folder, expected) = (tempfile::tempdir().unwrap(), schemas());
        let path = folder.path().join("live");
        let mut copies = Vec::new();
        migrate_watched(&mut connect(&path), &all(), &mut || {
            // What the files have now is what a kill now would leave.
            let copy = folder.path().join(format!("copy{}", copies.len()));
            for end in ["", "-wal"] {
                let name = |path: &Path| format!("{}{end}", path.display());
                std::fs::copy(name(&path), name(&copy)).unwrap();
            }
            copies.push(copy);
        })
        .unwrap();
        assert!(copies.len() > 20);
        for copy in copies {
            let mut connection = connect(&copy);
            let left = usize::try_from(version(&connection)).unwrap();
            assert_eq!(schema(&connection), expected[left], "{}", copy.display());
            migrate(&mut connection, &all()).unwrap();
            assert_eq!(schema(&connection), expected[all().len()]);
            let note: String = connection.query_row("SELECT note FROM readiness", [], |r| r.get(0)).unwrap();
            assert_eq!(note, "moved");
        }
    }

    /// Planted once: statements outside a transaction. Half a schema stayed.
    #[test]
    fn a_step_that_fails_leaves_the_schema_before() {
        let (folder, expected) = (tempfile::tempdir().unwrap(), schemas());
        let steps = NEXT.split_inclusive(';').count();
        for broken in 0..=steps {
            let mut next: String = NEXT.split_inclusive(';').take(broken).collect();
            next.push_str(" INSERT INTO nowhere VALUES (1);");
            let mut connection = connect(&folder.path().join(broken.to_string()));
            migrate(&mut connection, &MIGRATIONS).unwrap();
            let fails = [&MIGRATIONS[..], &[next.as_str()]].concat();
            migrate(&mut connection, &fails).unwrap_err();
            assert_eq!(version(&connection), LATEST);
            assert_eq!(schema(&connection), expected[MIGRATIONS.len()]);
            migrate(&mut connection, &all()).unwrap();
            assert_eq!(schema(&connection), expected[all().len()]);
        }
    }

    /// Planted once: the index of words made anew, and not filled. Nothing was found by words any more.
    #[test]
    fn documents_of_an_older_schema_are_found_and_can_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = connect(&folder.path().join("db"));
        migrate(&mut connection, &MIGRATIONS[..2]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO documents VALUES (1, 'd', '', 's.md', 'manual', 'd1', '', 1, 5, 5);
                 INSERT INTO chunks VALUES (7, 1, 0, 'Car', 'the engine');
                 INSERT INTO words (rowid, heading, content) VALUES (7, 'Car', 'the engine');",
            )
            .unwrap();
        migrate(&mut connection, &MIGRATIONS).unwrap();
        let found = |connection: &Connection| {
            let mut statement = connection.prepare(crate::sqlite::sql::BY_WORDS).unwrap();
            let ids = statement
                .query_map(("engine", "u", None::<&str>, None::<&str>, 5, None::<&str>), |row| row.get(0));
            ids.unwrap().collect::<Result<Vec<i64>, _>>().unwrap()
        };
        assert_eq!(found(&connection), [7]);
        let metadata: String =
            connection.query_row("SELECT metadata FROM documents", [], |row| row.get(0)).unwrap();
        assert_eq!(metadata, "{}");
        connection.execute("DELETE FROM words WHERE rowid = 7", []).unwrap();
        assert!(found(&connection).is_empty());
        connection.execute_batch("INSERT INTO words (words) VALUES ('integrity-check')").unwrap();
    }

    /// Planted once: the day's and the month's kept among those that count for ever. They were had anew.
    #[test]
    fn counters_of_a_day_or_a_month_are_of_the_kind_that_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = connect(&folder.path().join("db"));
        migrate(&mut connection, &MIGRATIONS[..4]).unwrap();
        let keys =
            ["generations", "generations returned", "g 2026-11", "g 2026-11-21", "g 2026-11-21 returned"];
        for key in keys {
            let counter = "INSERT INTO counters VALUES ('u', 'quota', ?1, 3, 5)";
            connection.execute(counter, [key]).unwrap();
        }
        migrate(&mut connection, &MIGRATIONS).unwrap();
        let kinds = keys.map(|key| {
            let kind = "SELECT kind FROM counters WHERE key = ?1";
            connection.query_row(kind, [key], |row| row.get::<_, String>(0)).unwrap()
        });
        assert_eq!(kinds, ["quota", "quota", "quota_period", "quota_period", "quota_period"]);
    }

    /// Planted once: the session looked for in place of the message, which reads every one of the owner's.
    #[test]
    fn a_message_and_old_counters_are_found_by_their_index() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = connect(&folder.path().join("db"));
        migrate(&mut connection, &MIGRATIONS).unwrap();
        for (sought, index) in [
            (crate::sqlite::sql::LAST_OF_MESSAGE, "runs_of_message"),
            (crate::sqlite::sql::OLD_COUNTERS, "counters_by_age"),
        ] {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sought}")).unwrap();
            let mut rows = plan.raw_query();
            let first: String = rows.next().unwrap().unwrap().get(3).unwrap();
            assert!(first.contains(index), "{first}");
        }
    }

    /// Planted once: what was there before is hidden. Nothing of it was on a list.
    #[tokio::test]
    async fn what_an_older_schema_kept_is_listed_shared_and_recalled() {
        use headwater_core::port::provider::Role;
        use headwater_core::port::recall::{Recall as _, RecallQuery};
        use headwater_core::port::records::{Expect, Records as _};
        use headwater_core::port::sharing::Sharing as _;
        use headwater_core::port::store::{RunState, Store as _};
        use headwater_core::{Millis, RunId, SessionId, UserId};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut connection = connect(&path);
        migrate(&mut connection, &MIGRATIONS[..3]).unwrap();
        let said = format!(
            "INSERT INTO sessions VALUES (1, 'u', 's', 5);
             INSERT INTO runs (ordinal, id, owner, session, fingerprint, workflow, created_at, tail, outcome)
                 VALUES (1, 'r', 'u', 1, 'f', 'teams', 5, 0, 'completed'), (2, 'q', 'u', 1, 'f', 'teams', 6, 0, NULL);
             INSERT INTO messages VALUES (1, 1, 1, 'user', 'hello', {}, 5);",
            crc32fast::hash(b"hello")
        );
        connection.execute_batch(&said).unwrap();
        drop(connection);
        let checked = crate::sqlite::check(&path).unwrap();
        assert_eq!((checked.runs, checked.messages, checked.records), (2, 1, 0), "as it was left");

        let store = crate::SqliteStore::open(&path, Durability::Full).unwrap();
        let (u, v) = (UserId::parse("u").unwrap(), UserId::parse("v").unwrap());
        let (run, session) = (RunId::parse("r").unwrap(), SessionId::parse("s").unwrap());
        let page = store.runs_page(&u, "teams", RunState::Any, 0, 9).await.unwrap();
        assert_eq!((page.total, page.runs.len(), page.runs[0].hidden), (2, 2, false));
        assert!(store.hide_run(&u, &run).await.unwrap());
        assert_eq!(store.runs_page(&u, "teams", RunState::Any, 0, 9).await.unwrap().total, 1);
        assert!(store.share(&u, &session, &v, Millis(7)).await.unwrap());
        assert_eq!(store.visible_run(&v, &run).await.unwrap().map(|run| run.hidden), Some(true));
        store.remember(&run, "e", vec![(Role::User, vec![1.0])]).await.unwrap();
        let query = RecallQuery {
            owner: u.clone(),
            session,
            embedder: "e".into(),
            vector: vec![1.0],
            skip_newest: 0,
            least: 0.0,
            limit: 9,
        };
        assert_eq!(store.recall(query).await.unwrap()[0].0.content, "hello");
        assert_eq!(store.put_record(&u, "k", ("a", "{}"), Expect::Absent, Millis(7)).await.unwrap(), Some(1));
        assert_eq!(crate::sqlite::check(&path).unwrap().records, 1);
    }

    #[test]
    fn migrating_twice_is_migrating_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = connect(&folder.path().join("db"));
        migrate(&mut connection, &all()).unwrap();
        let mut steps = 0;
        migrate_watched(&mut connection, &all(), &mut || steps += 1).unwrap();
        assert_eq!(steps, 0);
    }
}
