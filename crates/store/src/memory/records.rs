//! Small things of users, in memory.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use headwater_core::port::records::{Counted, Expect, Record, Records};
use headwater_core::port::store::StoreError;
use headwater_core::{Millis, UserId};

use super::MemoryStore;
use crate::rules;

/// Owner, kind, key.
type Name = (UserId, String, String);

/// Every record and every counter.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    records: BTreeMap<Name, Record>,
    /// Where each stands, and when it was last moved.
    counters: BTreeMap<Name, (u64, Millis)>,
}

fn name(owner: &UserId, kind: &str, key: &str) -> Name {
    (owner.clone(), kind.to_owned(), key.to_owned())
}

#[async_trait]
impl Records for MemoryStore {
    async fn record(&self, owner: &UserId, kind: &str, key: &str) -> Result<Option<Record>, StoreError> {
        self.read_with(|kept| kept.shelf.records.get(&name(owner, kind, key)).cloned())
    }

    async fn records(&self, owner: &UserId, kind: &str, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.read_with(|kept| {
            let mine = kept.shelf.records.iter().filter(|((o, k, _), _)| o == owner && k == kind);
            mine.map(|(_, record)| record.clone()).take(limit).collect()
        })
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
        self.write_with(|kept| {
            let name = name(owner, kind, key);
            let version = kept.shelf.records.get(&name).map_or(0, |record| record.version);
            if !rules::expected(expect, version) {
                return None;
            }
            let version = version + 1;
            let record = Record { key: key.to_owned(), value: value.to_owned(), version, at };
            kept.shelf.records.insert(name, record);
            Some(version)
        })
    }

    async fn delete_record(&self, owner: &UserId, kind: &str, key: &str) -> Result<bool, StoreError> {
        self.write_with(|kept| kept.shelf.records.remove(&name(owner, kind, key)).is_some())
    }

    async fn forget_records(
        &self,
        owner: &UserId,
        kind: &str,
        times: Range<Millis>,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.write_with(|kept| {
            let goes = |(o, k, _): &Name, record: &mut Record| {
                o == owner && k == kind && !times.contains(&record.at)
            };
            kept.shelf.records.extract_if(.., goes).take(limit).count()
        })
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
        self.write_with(|kept| {
            let name = name(owner, kind, key);
            let stands = kept.shelf.counters.get(&name).map_or(0, |(stands, _)| *stands);
            let counted = rules::counted(stands, by, most);
            if counted.taken && by > 0 {
                kept.shelf.counters.insert(name, (counted.value, at));
            }
            counted
        })
    }

    async fn forget_counters(&self, kind: &str, before: Millis, limit: usize) -> Result<usize, StoreError> {
        self.write_with(|kept| {
            let counters = &mut kept.shelf.counters;
            counters.extract_if(.., |(_, k, _), (_, at)| k == kind && *at < before).take(limit).count()
        })
    }
}
