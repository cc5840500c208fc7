//! Logs that are no longer kept: what they said goes, that they were stays.

use headwater_core::Millis;
use headwater_core::limit;
use headwater_core::port::store::{Expired, StoreError};
use rusqlite::{Connection, params};

use super::fault::{Fault, to_sql};
use super::sql;
use super::writer::Writer;

/// Takes at most `limit` runs out of sight, and their messages away, in one commit; then their events, a
/// bounded number in each commit, because the longest log has tens of thousands of rows. A death between
/// them leaves events that nobody can read; the next call removes them.
pub(super) async fn expire(writer: &Writer, before: Millis, limit: usize) -> Result<Expired, StoreError> {
    let runs = writer.write(move |connection| hide(connection, before, limit)).await?;
    while writer.write(remove).await? {}
    Ok(Expired { runs, more: runs > 0 && runs == limit })
}

fn hide(connection: &Connection, before: Millis, limit: usize) -> Result<usize, Fault> {
    let mut statement = connection.prepare_cached(sql::TO_TRIM)?;
    let oldest = statement.query_map(params![before.0, to_sql(limit)], |row| row.get(0))?;
    let oldest: Vec<i64> = oldest.collect::<rusqlite::Result<_>>()?;
    let mut meanings = connection.prepare_cached(sql::TRIM_MEANINGS)?;
    let mut messages = connection.prepare_cached(sql::TRIM_MESSAGES)?;
    let mut runs = connection.prepare_cached(sql::TRIM)?;
    for run in &oldest {
        meanings.execute([run])?;
        messages.execute([run])?;
        runs.execute([run])?;
    }
    Ok(oldest.len())
}

/// One step; says whether there may be another.
fn remove(connection: &Connection) -> Result<bool, Fault> {
    let removed = connection.prepare_cached(sql::TRIM_BATCHES)?.execute([to_sql(limit::TRIM_BATCHES)])?;
    if removed == limit::TRIM_BATCHES {
        return Ok(true);
    }
    connection.prepare_cached(sql::TRIMMED)?.execute([])?;
    Ok(false)
}
