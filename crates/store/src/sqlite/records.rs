//! Small things of users, who sees another's sessions, and what messages mean.

use async_trait::async_trait;
use headwater_core::port::provider::Role;
use headwater_core::port::recall::{Recall, RecallQuery};
use headwater_core::port::records::{Counted, Expect, Record, Records};
use headwater_core::port::sharing::Sharing;
use headwater_core::port::store::StoreError;
use headwater_core::run::{Message, Run};
use headwater_core::{Millis, RunId, SessionId, UserId};

use super::SqliteStore;

fn later<T>() -> Result<T, StoreError> {
    Err(StoreError("not in this branch yet".into()))
}

#[async_trait]
impl Records for SqliteStore {
    async fn record(&self, _: &UserId, _: &str, _: &str) -> Result<Option<Record>, StoreError> {
        later()
    }
    async fn records(&self, _: &UserId, _: &str, _: usize) -> Result<Vec<Record>, StoreError> {
        later()
    }
    async fn put_record(
        &self,
        _: &UserId,
        _: &str,
        _: (&str, &str),
        _: Expect,
        _: Millis,
    ) -> Result<Option<u64>, StoreError> {
        later()
    }
    async fn delete_record(&self, _: &UserId, _: &str, _: &str) -> Result<bool, StoreError> {
        later()
    }
    async fn count(
        &self,
        _: &UserId,
        _: &str,
        _: &str,
        _: u64,
        _: u64,
        _: Millis,
    ) -> Result<Counted, StoreError> {
        later()
    }
}

#[async_trait]
impl Sharing for SqliteStore {
    async fn share(&self, _: &UserId, _: &SessionId, _: &UserId, _: Millis) -> Result<bool, StoreError> {
        later()
    }
    async fn unshare(&self, _: &UserId, _: &SessionId, _: &UserId) -> Result<bool, StoreError> {
        later()
    }
    async fn members(&self, _: &UserId, _: &SessionId) -> Result<Vec<UserId>, StoreError> {
        later()
    }
    async fn owner_of(&self, _: &UserId, _: &SessionId) -> Result<Option<UserId>, StoreError> {
        later()
    }
    async fn visible_run(&self, who: &UserId, run: &RunId) -> Result<Option<Run>, StoreError> {
        headwater_core::port::Store::run(self, who, run).await
    }
}

#[async_trait]
impl Recall for SqliteStore {
    async fn remember(&self, _: &RunId, _: &str, _: Vec<(Role, Vec<f32>)>) -> Result<(), StoreError> {
        later()
    }
    async fn recall(&self, _: RecallQuery) -> Result<Vec<(Message, f64)>, StoreError> {
        later()
    }
}
