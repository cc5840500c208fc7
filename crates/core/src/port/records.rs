//! The part of the store that keeps small things of users which are neither a run nor a document: what was learned
//! about them, what they chose, what waits for them, what they have used up. A part of [`super::Store`], with its
//! contract: durable before it returns, whole or not at all, owners are part of the key.
//!
//! A record is a JSON text under `(owner, kind, key)`. Kinds are words of ours and few; each says in the module that
//! writes it what stands in it. Whoever changes one that he read says which version he read: two at once cannot
//! overwrite each other unseen.

use std::ops::Range;

use async_trait::async_trait;

use super::store::StoreError;
use crate::id::UserId;
use crate::time::Millis;

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name among those of its owner and kind; 1 to [`crate::limit::RECORD_KEY_BYTES`] bytes.
    pub key: String,
    /// JSON, at most [`crate::limit::RECORD_BYTES`].
    pub value: String,
    /// 1 when it was made, one more with each change.
    pub version: u64,
    /// When it was last changed.
    pub at: Millis,
}

/// What must stand there for a record to be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything or nothing.
    Whatever,
    /// Nothing.
    Absent,
    /// This version.
    Version(u64),
}

/// A counter, and whether it was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Where it stands now.
    pub value: u64,
    /// Whether it was moved: there was room.
    pub taken: bool,
}

/// Keeps records; see the module.
#[async_trait]
pub trait Records: Send + Sync {
    /// A record of this owner.
    async fn record(&self, owner: &UserId, kind: &str, key: &str) -> Result<Option<Record>, StoreError>;

    /// The records of this owner and kind, by key, at most `limit`.
    async fn records(&self, owner: &UserId, kind: &str, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// Puts a record where what stands there is as expected; its new version, or `None` where it is not (nothing is
    /// changed then). A key or a value that is too long is an error.
    async fn put_record(
        &self,
        owner: &UserId,
        kind: &str,
        record: (&str, &str),
        expect: Expect,
        at: Millis,
    ) -> Result<Option<u64>, StoreError>;

    /// Removes a record; `false` where there was none. Made anew it begins at version 1 again: a kind whose records several
    /// change and remove at once is emptied instead, or a version that was read before would mean another record.
    async fn delete_record(&self, owner: &UserId, kind: &str, key: &str) -> Result<bool, StoreError>;

    /// Forgets records of this owner and kind that were last changed at another time than one of `times`, at most `limit` of
    /// them; says how many. They are not read, so that one that is damaged goes as the others do.
    async fn forget_records(
        &self,
        owner: &UserId,
        kind: &str,
        times: Range<Millis>,
        limit: usize,
    ) -> Result<usize, StoreError>;

    /// Moves a counter up by `by`, unless it would be above `most` afterwards; a counter that is not there stands
    /// at 0 and is bounded by [`crate::limit::COUNT`] also where `most` is above it. `by` 0 reads it. Counters are of their
    /// own: a record of the same name is another thing. A key that is no record's is an error.
    async fn count(
        &self,
        owner: &UserId,
        kind: &str,
        key: &str,
        by: u64,
        most: u64,
        at: Millis,
    ) -> Result<Counted, StoreError>;

    /// Forgets counters of this kind that were last moved before a time, of all owners, at most `limit` of them; says how
    /// many. Whoever keeps a kind says in it whether its counters may ever go.
    async fn forget_counters(&self, kind: &str, before: Millis, limit: usize) -> Result<usize, StoreError>;
}
