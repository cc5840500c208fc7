//! Logs of runs: one row for each flush.

use std::sync::Arc;

use headwater_core::RunId;
use headwater_core::event::{Event, Outcome, Seq, Term, VERSION};
use headwater_core::port::store::{AppendError, Batch, ReadError, StoreError};
use headwater_core::run::Tail;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::{Fault, from_sql, to_sql};
use super::{runs, sql};
use crate::rules::{self, Page};

/// A batch on its way to the disk; made before it waits for the writer, so that the one thread that
/// everybody waits for does not spend its time on JSON.
#[derive(Debug)]
pub(super) struct Encoded {
    run: RunId,
    term: Term,
    batch: Batch,
    payload: Vec<u8>,
    checksum: u32,
}

impl Encoded {
    pub(super) fn new(run: &RunId, term: Term, batch: Batch) -> Result<Self, StoreError> {
        let payload = serde_json::to_vec(&batch.events)
            .map_err(|_| StoreError(format!("events of run {run} have no stored form")))?;
        let (first, last) = ends(&batch.events);
        let checksum = checksum(run, first, last, VERSION, &payload);
        Ok(Self { run: run.clone(), term, batch, payload, checksum })
    }
}

fn ends(events: &[Arc<Event>]) -> (Seq, Seq) {
    let seq = |event: Option<&Arc<Event>>| event.map_or(0, |event| event.seq);
    (seq(events.first()), seq(events.last()))
}

/// Over everything that says what the bytes are: a row that slips to another place is noticed too.
fn checksum(run: &RunId, first: Seq, last: Seq, version: u32, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(run.as_str().as_bytes());
    crc.update(&first.to_le_bytes());
    crc.update(&last.to_le_bytes());
    crc.update(&version.to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

/// A run's log: where it is, and where it stands.
struct Standing {
    ordinal: i64,
    session: i64,
    tail: Tail,
    /// Its events are no longer kept.
    trimmed: bool,
}

fn standing(row: &Row<'_>) -> Result<Standing, Fault> {
    Ok(Standing {
        ordinal: row.get(0)?,
        session: row.get(1)?,
        tail: tail_of(row.get(2)?, row.get(3)?, row.get(4)?)?,
        trimmed: row.get::<_, i64>(5)? != 0,
    })
}

/// The three columns that say where a log stands.
pub(super) fn tail_of(seq: i64, term: i64, outcome: Option<String>) -> Result<Tail, Fault> {
    let outcome = match outcome {
        None => None,
        Some(word) => {
            Some(Outcome::parse(&word).ok_or_else(|| Fault::Damaged("a run has an unknown outcome".into()))?)
        }
    };
    Ok(Tail { seq: from_sql(seq)?, term: from_sql(term)?, outcome })
}

fn find(connection: &Connection, run: &RunId) -> Result<Option<Standing>, Fault> {
    let mut statement = connection.prepare_cached(sql::LOG)?;
    let mut rows = statement.query([run.as_str()])?;
    rows.next()?.map(standing).transpose()
}

pub(super) fn append(connection: &Connection, new: &Encoded) -> Result<Result<(), AppendError>, Fault> {
    let Some(log) = find(connection, &new.run)? else { return Ok(Err(AppendError::Conflict)) };
    if let Err(refused) = rules::admit(log.tail, new.term, &new.batch) {
        return Ok(Err(refused));
    }
    let (first, last) = ends(&new.batch.events);
    connection.prepare_cached(sql::NEW_BATCH)?.execute(params![
        log.ordinal,
        to_sql(first),
        to_sql(last),
        VERSION,
        new.checksum,
        new.payload,
    ])?;
    let outcome = new.batch.outcome().map(Outcome::as_str);
    let (provider, model) = new.batch.answered_by().unzip();
    connection.prepare_cached(sql::MOVE_TAIL)?.execute(params![
        log.ordinal,
        to_sql(last),
        outcome,
        provider,
        model
    ])?;
    if let (Some(answer), Some(ending)) = (&new.batch.answer, new.batch.events.last()) {
        runs::say(connection, log.session, log.ordinal, runs::ASSISTANT, answer, ending.at)?;
    }
    Ok(Ok(()))
}

pub(super) fn tail(connection: &Connection, run: &RunId) -> Result<Result<Tail, ReadError>, Fault> {
    Ok(find(connection, run)?.map(|log| log.tail).ok_or(ReadError::NotFound))
}

pub(super) fn take_over(connection: &Connection, run: &RunId) -> Result<Result<Tail, ReadError>, Fault> {
    let mut statement = connection.prepare_cached(sql::TAKE_OVER)?;
    let taken = statement.query_row([run.as_str()], |row| Ok(standing(row))).optional()?;
    Ok(taken.transpose()?.map(|log| log.tail).ok_or(ReadError::NotFound))
}

pub(super) fn read(
    connection: &Connection,
    run: &RunId,
    from: Seq,
    events: usize,
    bytes: usize,
) -> Result<Result<Vec<Arc<Event>>, ReadError>, Fault> {
    let Some(log) = find(connection, run)? else { return Ok(Err(ReadError::NotFound)) };
    let mut next = from.max(1);
    if log.trimmed && next <= log.tail.seq {
        return Ok(Err(ReadError::Trimmed { first: log.tail.seq + 1 }));
    }
    let mut page = Page::new(events, bytes);
    let mut statement = connection.prepare_cached(sql::BATCHES)?;
    let mut rows = statement.query(params![log.ordinal, to_sql(next)])?;
    while !page.is_full() && next <= log.tail.seq {
        // The tail says that there is more: without a row that begins here, something is gone.
        let row = rows.next()?.ok_or_else(|| missing(run, next))?;
        let row = Stored::of(row)?;
        if row.first > next {
            return Err(missing(run, next));
        }
        for event in row.decode(run)? {
            if event.seq >= next {
                page.take(Arc::new(event));
            }
        }
        next = row.last + 1;
    }
    Ok(Ok(page.into_events()))
}

fn missing(run: &RunId, seq: Seq) -> Fault {
    Fault::Damaged(format!("run {run} has no event {seq}, and should"))
}

/// One row of the log.
struct Stored<'a> {
    first: Seq,
    last: Seq,
    version: i64,
    checksum: i64,
    payload: &'a [u8],
}

impl<'a> Stored<'a> {
    fn of(row: &'a Row<'_>) -> Result<Self, Fault> {
        let payload = row.get_ref(4)?.as_blob();
        let payload = payload.map_err(|_| Fault::Damaged("a batch has no bytes".into()))?;
        let (first, last) = (from_sql(row.get(0)?)?, from_sql(row.get(1)?)?);
        Ok(Self { first, last, version: row.get(2)?, checksum: row.get(3)?, payload })
    }

    /// The events, once it is sure that they are those that were stored.
    fn decode(&self, run: &RunId) -> Result<Vec<Event>, Fault> {
        let (first, last) = (self.first, self.last);
        let damaged = |why: &str| Fault::Damaged(format!("run {run}, events {first} to {last}: {why}"));
        let version = u32::try_from(self.version).map_err(|_| damaged("the version is none"))?;
        if i64::from(checksum(run, first, last, version, self.payload)) != self.checksum {
            return Err(damaged("the checksum is another"));
        }
        if version > VERSION {
            return Err(damaged("a newer Headwater wrote them; start that one"));
        }
        let events: Vec<Event> =
            serde_json::from_slice(self.payload).map_err(|_| damaged("they cannot be read"))?;
        let whole = events.iter().map(|event| event.seq).eq(first..=last);
        if whole { Ok(events) } else { Err(damaged("the numbers are others")) }
    }
}
