//! A store that forgets when the process ends.

mod desk;
mod faults;
mod knowledge;
mod log;
mod records;
mod sharing;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use headwater_core::Millis;
use headwater_core::event::{Event, Seq, Term};
use headwater_core::port::store::{
    AppendError, Batch, ChunkHit, ChunkQuery, Conversation, Created, Document, Expired, NewDocument, NewRun,
    ReadError, Revocation, RunPage, RunState, Store, StoreError, User,
};
use headwater_core::run::{Message, Run, Tail};
use headwater_core::{MessageId, RunId, SessionId, UserId};
use parking_lot::Mutex;

use crate::rules;
use faults::planned;
pub use faults::{Fail, Faults};

/// Keeps everything for as long as the process lives: for tests, and for a server that shall leave
/// nothing behind. The contract is that of [`Store`], but for what only a disk can promise.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
    faults: Faults,
}

#[derive(Debug, Default)]
struct Kept {
    logs: log::Logs,
    users: HashMap<UserId, User>,
    revocations: BTreeMap<String, Revocation>,
    papers: desk::Papers,
    knowledge: knowledge::Knowledge,
    shelf: records::Shelf,
    /// In the order of sharing.
    shares: Vec<sharing::Share>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it shall do wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    fn read_with<T>(&self, read: impl FnOnce(&Kept) -> T) -> Result<T, StoreError> {
        self.faults.read()?;
        Ok(read(&self.kept.lock()))
    }

    fn write_with<T>(&self, write: impl FnOnce(&mut Kept) -> T) -> Result<T, StoreError> {
        self.faults.write()?;
        Ok(write(&mut self.kept.lock()))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, new: NewRun) -> Result<Created, StoreError> {
        self.faults.creates().await;
        self.write_with(|kept| kept.logs.create(new))?
    }

    async fn find(&self, new: &NewRun) -> Result<Option<Created>, StoreError> {
        self.read_with(|kept| kept.logs.find(new))
    }

    async fn run_of_message(
        &self,
        owner: &UserId,
        session: Option<&SessionId>,
        message: &MessageId,
    ) -> Result<Option<Run>, StoreError> {
        self.read_with(|kept| kept.logs.of_message(owner, session, message))
    }

    async fn append(&self, run: &RunId, term: Term, batch: Batch) -> Result<(), AppendError> {
        self.faults.gate().await;
        let fault = self.faults.append();
        if fault == Some(Fail::Before) {
            return Err(AppendError::Backend(planned()));
        }
        let result = self.kept.lock().logs.append(run, term, batch);
        if fault == Some(Fail::After) {
            return Err(AppendError::Backend(planned()));
        }
        result
    }

    async fn read(
        &self,
        run: &RunId,
        from: Seq,
        events: usize,
        bytes: usize,
    ) -> Result<Vec<Arc<Event>>, ReadError> {
        self.read_with(|kept| kept.logs.read(run, from, events, bytes)).map_err(ReadError::Backend)?
    }

    async fn tail(&self, run: &RunId) -> Result<Tail, ReadError> {
        self.read_with(|kept| kept.logs.tail(run)).map_err(ReadError::Backend)?
    }

    async fn run(&self, owner: &UserId, run: &RunId) -> Result<Option<Run>, StoreError> {
        self.read_with(|kept| kept.logs.run(owner, run))
    }

    async fn newest_run(&self, owner: &UserId, session: &SessionId) -> Result<Option<Run>, StoreError> {
        self.read_with(|kept| kept.logs.runs(owner, Some(session), None, 1).pop())
    }

    async fn runs(
        &self,
        owner: &UserId,
        session: Option<&SessionId>,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        self.read_with(|kept| kept.logs.runs(owner, session, before, limit))
    }

    async fn runs_page(
        &self,
        owner: &UserId,
        workflow: &str,
        state: RunState,
        offset: usize,
        limit: usize,
    ) -> Result<RunPage, StoreError> {
        self.read_with(|kept| kept.logs.page(owner, workflow, state, offset, limit))
    }

    async fn hide_run(&self, owner: &UserId, run: &RunId) -> Result<bool, StoreError> {
        self.write_with(|kept| kept.logs.hide(owner, run))
    }

    async fn history(
        &self,
        owner: &UserId,
        session: &SessionId,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        self.read_with(|kept| kept.logs.history(owner, session, limit))
    }

    async fn conversation(
        &self,
        owner: &UserId,
        session: &SessionId,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Option<Conversation>, StoreError> {
        self.read_with(|kept| kept.logs.conversation(owner, session, before, limit))
    }

    async fn live(&self) -> Result<Vec<Run>, StoreError> {
        self.read_with(|kept| kept.logs.live())
    }

    async fn take_over(&self, run: &RunId) -> Result<Tail, ReadError> {
        self.write_with(|kept| kept.logs.take_over(run)).map_err(ReadError::Backend)?
    }

    async fn create_user(&self, user: User) -> Result<bool, StoreError> {
        self.write_with(|kept| {
            if kept.users.values().any(|other| other.email == user.email) {
                return Ok(false);
            }
            if kept.users.contains_key(&user.id) {
                return Err(StoreError(format!("there is a user {} already", user.id)));
            }
            kept.users.insert(user.id.clone(), user);
            Ok(true)
        })?
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        self.read_with(|kept| kept.users.values().find(|user| user.email == email).cloned())
    }

    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.read_with(|kept| kept.users.get(id).cloned())
    }

    async fn revoke(&self, new: Revocation) -> Result<(), StoreError> {
        self.write_with(|kept| {
            let kept = kept.revocations.entry(new.key.clone()).or_insert_with(|| new.clone());
            kept.issued_until = kept.issued_until.max(new.issued_until);
            kept.expires = kept.expires.max(new.expires);
        })
    }

    async fn revocations(&self, now: Millis) -> Result<Vec<Revocation>, StoreError> {
        self.read_with(|kept| kept.revocations.values().filter(|r| r.expires > now).cloned().collect())
    }

    async fn forget_revocations(&self, now: Millis) -> Result<usize, StoreError> {
        self.write_with(|kept| {
            let before = kept.revocations.len();
            kept.revocations.retain(|_, revocation| revocation.expires > now);
            before - kept.revocations.len()
        })
    }

    async fn expire(&self, before: Millis, limit: usize) -> Result<Expired, StoreError> {
        self.write_with(|kept| kept.logs.expire(before, limit))
    }

    async fn put_document(&self, document: NewDocument) -> Result<(), StoreError> {
        rules::describes(&document.metadata)?;
        self.write_with(|kept| kept.knowledge.put(document))
    }

    async fn documents(&self, owner: Option<&UserId>) -> Result<Vec<Document>, StoreError> {
        self.read_with(|kept| kept.knowledge.list(owner))
    }

    async fn delete_document(
        &self,
        owner: Option<&UserId>,
        source: &str,
    ) -> Result<Option<usize>, StoreError> {
        self.write_with(|kept| kept.knowledge.delete(owner, source))
    }

    async fn search(&self, query: ChunkQuery) -> Result<Vec<ChunkHit>, StoreError> {
        self.read_with(|kept| kept.knowledge.search(&query))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.faults.read()?;
        self.faults.write()
    }
}
