//! Small things of users, and what they have used up.

use std::ops::Range;

use async_trait::async_trait;
use headwater_core::port::records::{Counted, Expect, Record, Records};
use headwater_core::port::store::StoreError;
use headwater_core::{Millis, UserId};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::fault::{Fault, from_sql, to_sql};
use super::{SqliteStore, sql};
use crate::rules;

/// What a record or a counter is kept under.
#[derive(Debug)]
struct Name {
    owner: UserId,
    kind: String,
    key: String,
}

impl Name {
    fn of(owner: &UserId, kind: &str, key: &str) -> Self {
        Self { owner: owner.clone(), kind: kind.to_owned(), key: key.to_owned() }
    }

    fn columns(&self) -> [&str; 3] {
        [self.owner.as_str(), &self.kind, &self.key]
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn record(&self, owner: &UserId, kind: &str, key: &str) -> Result<Option<Record>, StoreError> {
        let name = Name::of(owner, kind, key);
        self.read_with(move |connection| Ok(records_by(connection, sql::RECORD, name.columns())?.pop())).await
    }

    async fn records(&self, owner: &UserId, kind: &str, limit: usize) -> Result<Vec<Record>, StoreError> {
        let (owner, kind) = (owner.clone(), kind.to_owned());
        let list = move |connection: &Connection| {
            records_by(connection, sql::RECORDS, params![owner.as_str(), kind, to_sql(limit)])
        };
        self.read_with(list).await
    }

    async fn put_record(
        &self,
        owner: &UserId,
        kind: &str,
        (key, value): (&str, &str),
        expect: Expect,
        at: Millis,
    ) -> Result<Option<u64>, StoreError> {
        rules::record(key, value)?;
        let (name, value) = (Name::of(owner, kind, key), value.to_owned());
        self.writer.write(move |connection| put(connection, &name, &value, expect, at)).await
    }

    async fn delete_record(&self, owner: &UserId, kind: &str, key: &str) -> Result<bool, StoreError> {
        let name = Name::of(owner, kind, key);
        let delete = move |connection: &Connection| {
            Ok(connection.prepare_cached(sql::DELETE_RECORD)?.execute(name.columns())? > 0)
        };
        self.writer.write(delete).await
    }

    async fn forget_records(
        &self,
        owner: &UserId,
        kind: &str,
        times: Range<Millis>,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let (of, from, to) = ((owner.clone(), kind.to_owned()), times.start.0, times.end.0);
        let old = move |connection: &Connection| {
            let mut old = connection.prepare_cached(sql::RECORDS_BUT)?;
            let old = old.query_map(params![of.0.as_str(), of.1, from, to, to_sql(limit)], |row| {
                row.get::<_, i64>(0)
            })?;
            Ok(old.collect::<rusqlite::Result<Vec<i64>>>()?)
        };
        // Beside the readers of viewers.
        let old = self.searchers.read(old).await?;
        if old.is_empty() {
            return Ok(0);
        }
        let forget = move |connection: &Connection| {
            let mut forget = connection.prepare_cached(sql::FORGET_RECORD)?;
            let mut forgotten = 0;
            for ordinal in &old {
                // Unless it was changed meanwhile.
                forgotten += forget.execute(params![ordinal, from, to])?;
            }
            Ok(forgotten)
        };
        self.writer.write(forget).await
    }

    async fn count(
        &self,
        owner: &UserId,
        kind: &str,
        key: &str,
        by: u64,
        most: u64,
        at: Millis,
    ) -> Result<Counted, StoreError> {
        rules::key(key)?;
        let name = Name::of(owner, kind, key);
        if by == 0 {
            let read = move |connection: &Connection| Ok(rules::counted(stands(connection, &name)?, 0, most));
            return self.read_with(read).await;
        }
        self.writer.write(move |connection| count(connection, &name, (by, most), at)).await
    }

    async fn forget_counters(&self, kind: &str, before: Millis, limit: usize) -> Result<usize, StoreError> {
        let of = kind.to_owned();
        let old = move |connection: &Connection| {
            let mut old = connection.prepare_cached(sql::OLD_COUNTERS)?;
            let old =
                old.query_map(params![of, before.0, to_sql(limit)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(old.collect::<rusqlite::Result<Vec<(String, String)>>>()?)
        };
        // Beside the readers of viewers.
        let old = self.searchers.read(old).await?;
        if old.is_empty() {
            return Ok(0);
        }
        let kind = kind.to_owned();
        let forget = move |connection: &Connection| {
            let mut forget = connection.prepare_cached(sql::FORGET_COUNTER)?;
            let mut forgotten = 0;
            for (owner, key) in &old {
                // Unless it was moved meanwhile.
                forgotten += forget.execute(params![owner, kind, key, before.0])?;
            }
            Ok(forgotten)
        };
        self.writer.write(forget).await
    }
}

/// One write from the look at what stands there to the row: of two that expect the same one gets it.
fn put(
    connection: &Connection,
    name: &Name,
    value: &str,
    expect: Expect,
    at: Millis,
) -> Result<Option<u64>, Fault> {
    let mut version = connection.prepare_cached(sql::VERSION_OF_RECORD)?;
    let version: Option<i64> = version.query_row(name.columns(), |row| row.get(0)).optional()?;
    let version: u64 = version.map_or(Ok(0), from_sql)?;
    if !rules::expected(expect, version) {
        return Ok(None);
    }
    let version = version + 1;
    let [owner, kind, key] = name.columns();
    let checksum = checksum([owner, kind, key, value], version);
    let row = params![owner, kind, key, value, to_sql(version), checksum, at.0];
    connection.prepare_cached(sql::PUT_RECORD)?.execute(row)?;
    Ok(Some(version))
}

/// Likewise: the counter never stands above `most`, however many move it at once.
fn count(connection: &Connection, name: &Name, (by, most): (u64, u64), at: Millis) -> Result<Counted, Fault> {
    let counted = rules::counted(stands(connection, name)?, by, most);
    if counted.taken {
        let [owner, kind, key] = name.columns();
        let row = params![owner, kind, key, to_sql(counted.value), at.0];
        connection.prepare_cached(sql::COUNT)?.execute(row)?;
    }
    Ok(counted)
}

fn stands(connection: &Connection, name: &Name) -> Result<u64, Fault> {
    let mut counter = connection.prepare_cached(sql::COUNTER)?;
    let stands: Option<i64> = counter.query_row(name.columns(), |row| row.get(0)).optional()?;
    stands.map_or(Ok(0), from_sql)
}

fn records_by(connection: &Connection, statement: &str, params: impl Params) -> Result<Vec<Record>, Fault> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(params)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record_of(row)?);
    }
    Ok(records)
}

/// Over everything that says what the value is: a row that slips to another name is noticed too. No text has the byte
/// that stands between them.
fn checksum(texts: [&str; 4], version: u64) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    for text in texts {
        crc.update(text.as_bytes());
        crc.update(&[0xff]);
    }
    crc.update(&version.to_le_bytes());
    crc.finalize()
}

/// The record of a row, once it is sure that it is the one that was stored.
pub(super) fn record_of(row: &Row<'_>) -> Result<Record, Fault> {
    let (owner, kind, key, value): (String, String, String, String) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let version = from_sql(row.get(4)?)?;
    if i64::from(checksum([&owner, &kind, &key, &value], version)) != row.get::<_, i64>(5)? {
        // Not the key: it may be a person's word.
        return Err(Fault::Damaged(format!("a record of kind {kind}: the checksum is another")));
    }
    Ok(Record { key, value, version, at: Millis(row.get(6)?) })
}
