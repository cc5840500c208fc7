//! From an older schema to this one.

use rusqlite::{Connection, TransactionBehavior};

use super::open::APPLICATION_ID;

/// Number n makes schema n of schema n - 1. What was once released is never changed again.
pub(super) const MIGRATIONS: [&str; 1] = [include_str!("../schema/001_start.sql")];

/// The schema that this program reads and writes.
pub(super) const LATEST: i64 = MIGRATIONS.len() as i64;

/// Brings the database to the last of `migrations`. Each is one transaction together with its number, so
/// that a death at any step leaves the schema before or the schema after, and the next start goes on.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (number, sql) in (1_i64..).zip(migrations).filter(|(number, _)| *number > version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
        tracing::info!(schema = number, "the database was migrated");
    }
    Ok(())
}
