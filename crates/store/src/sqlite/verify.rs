//! Whether a database is whole: its pages, and every line and log in it by its checksum.

use std::path::Path;

use headwater_core::RunId;
use headwater_core::event::Seq;
use headwater_core::port::store::StoreError;
use rusqlite::{Connection, Row};

use super::copy::CopyError;
use super::fault::{Fault, from_sql};
use super::{log, open, recall, records, runs, sql};
use crate::vector;

/// What a database holds that was found to be whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Runs, those whose logs are no longer kept included.
    pub runs: u64,
    /// Flushes of their logs, each of whose checksums was right.
    pub batches: u64,
    /// Lines of conversations, each of whose checksums was right.
    pub messages: u64,
    /// Documents that somebody sees.
    pub documents: u64,
    /// Accounts.
    pub users: u64,
    /// Small things of users, each of whose checksums was right.
    pub records: u64,
    /// What users have used up.
    pub counters: u64,
}

/// Reads a whole database and says what is in it; a server may use it meanwhile. Some seconds for each
/// gigabyte.
///
/// # Errors
/// [`CopyError`]: it is not there, not ours, too new, or damaged.
pub fn check(path: &Path) -> Result<Checked, CopyError> {
    let connection = ours(path)?;
    whole(path, &connection)
}

/// A connection that only reads, to a database that is ours and that this program understands.
pub(super) fn ours(path: &Path) -> Result<Connection, CopyError> {
    if !path.exists() {
        return Err(CopyError::Missing(path.to_owned()));
    }
    let connection = open::reader(path).map_err(|e| open::failed(path, &e))?;
    match open::version(&connection).map_err(|e| open::failed(path, &e))? {
        // An empty file is ours where one is to be made, and nobody's where one is to be read.
        None | Some(0) => Err(open::OpenError::NotOurs(path.to_owned()).into()),
        Some(found) => open::understood(path, found).map(|()| connection).map_err(CopyError::Open),
    }
}

/// As [`check`], over a connection of [`ours`].
pub(super) fn whole(path: &Path, connection: &Connection) -> Result<Checked, CopyError> {
    let damaged = |what: String| CopyError::Damaged(path.to_owned(), what);
    let problems = quick_check(connection).map_err(|fault| damaged(StoreError::from(fault).0))?;
    if let Some(first) = problems.first() {
        return Err(damaged(format!("{first} ({} problems)", problems.len())));
    }
    contents(connection).map_err(|fault| damaged(StoreError::from(fault).0))
}

/// What SQLite finds wrong with its pages; empty where nothing is.
pub(super) fn quick_check(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare("PRAGMA quick_check")?;
    let said = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    Ok(said.into_iter().filter(|line| line != "ok").collect())
}

fn contents(connection: &Connection) -> Result<Checked, Fault> {
    // One state of it, whatever a server does meanwhile.
    let snapshot = connection.unchecked_transaction()?;
    let count = |table: &str| -> Result<u64, Fault> {
        from_sql(snapshot.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
    };
    Ok(Checked {
        runs: count("runs")?,
        batches: logs(&snapshot)?,
        messages: messages(&snapshot)?,
        documents: count("documents WHERE owner <> char(1)")?,
        users: count("users")?,
        records: records(&snapshot)?,
        // A database that an older Headwater left has none.
        counters: if snapshot.prepare("SELECT 1 FROM counters").is_ok() { count("counters")? } else { 0 },
    })
}

/// Reads every log from its first event to its tail; says how many rows they have.
fn logs(connection: &Connection) -> Result<u64, Fault> {
    // A database that an older Headwater left keeps all of its logs.
    let trims = connection.prepare("SELECT trimmed FROM runs").is_ok();
    let mut statement = connection.prepare(if trims { sql::EVERY_LOG } else { sql::EVERY_LOG_OF_1 })?;
    let mut rows = statement.query([])?;
    let (mut batches, mut reading) = (0, None::<Reading>);
    while let Some(row) = rows.next()? {
        let run: String = row.get(5)?;
        if reading.as_ref().is_none_or(|reading| reading.run.as_str() != run) {
            reading.take().map_or(Ok(()), Reading::done)?;
            reading = Some(Reading::of(&run, row)?);
        }
        // A run without a row yet has nothing to be read.
        if row.get_ref(0)? != rusqlite::types::ValueRef::Null
            && let Some(reading) = &mut reading
        {
            reading.take(row)?;
            batches += 1;
        }
    }
    reading.map_or(Ok(()), Reading::done)?;
    Ok(batches)
}

/// A log while it is read.
struct Reading {
    run: RunId,
    next: Seq,
    tail: Seq,
    trimmed: bool,
}

impl Reading {
    fn of(run: &str, row: &Row<'_>) -> Result<Self, Fault> {
        let run = RunId::parse(run).map_err(|_| Fault::Damaged("the id of a run is none".into()))?;
        Ok(Self { run, next: 1, tail: from_sql(row.get(6)?)?, trimmed: row.get(7)? })
    }

    fn take(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let (first, last) = log::sound(row, &self.run)?;
        if first != self.next && !self.trimmed {
            return Err(log::missing(&self.run, self.next));
        }
        self.next = last + 1;
        Ok(())
    }

    fn done(self) -> Result<(), Fault> {
        let whole = self.trimmed || self.next == self.tail + 1;
        if whole { Ok(()) } else { Err(log::missing(&self.run, self.next)) }
    }
}

fn messages(connection: &Connection) -> Result<u64, Fault> {
    let mut statement = connection.prepare(sql::EVERY_MESSAGE)?;
    let mut rows = statement.query([])?;
    let mut messages = 0;
    while let Some(row) = rows.next()? {
        runs::message_of(row)?;
        messages += 1;
    }
    Ok(messages)
}

/// Reads every record, and what every message means; says how many records there are.
fn records(connection: &Connection) -> Result<u64, Fault> {
    // A database that an older Headwater left has neither.
    if connection.prepare("SELECT 1 FROM records").is_err() {
        return Ok(0);
    }
    let mut statement = connection.prepare(sql::EVERY_RECORD)?;
    let mut rows = statement.query([])?;
    let mut all = 0;
    while let Some(row) = rows.next()? {
        records::record_of(row)?;
        all += 1;
    }
    let mut statement = connection.prepare(sql::EVERY_MEANING)?;
    let mut rows = statement.query([])?;
    let mut vector = Vec::new();
    while let Some(row) = rows.next()? {
        let whole = row.get_ref(0)?.as_blob().is_ok_and(|stored| vector::decode(stored, &mut vector));
        // Of a message that is not there, or in another session.
        if !whole || row.get::<_, Option<bool>>(1)? != Some(true) {
            return Err(recall::damaged());
        }
    }
    Ok(all)
}
