//! A store in one file.

mod copy;
mod desk;
mod documents;
mod fault;
mod knowledge;
mod log;
mod migrate;
mod open;
mod readers;
mod recall;
mod records;
mod runs;
mod sharing;
mod sql;
mod trim;
mod verify;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use headwater_core::Millis;
use headwater_core::event::{Event, Seq, Term};
use headwater_core::port::store::{
    AppendError, Batch, ChunkHit, ChunkQuery, Conversation, Created, Document, Expired, Load, NewDocument,
    NewRun, ReadError, Revocation, RunPage, RunState, Store, StoreError, User,
};
use headwater_core::run::{Message, Run, Tail};
use headwater_core::{MessageId, RunId, SessionId, UserId, limit};
use rusqlite::Connection;

pub use copy::{Copied, CopyError, Restored, backup, restore};
pub use open::{Durability, OpenError};
pub use verify::{Checked, check};

/// Keeps everything in one SQLite file, of which one server is the only user.
///
/// All writes go through one thread, which commits together what waits; reads have a few connections of
/// their own and never wait for it. Must be used within a tokio runtime. Dropping it finishes what was
/// asked for, and waits for that.
#[derive(Debug)]
pub struct SqliteStore {
    // Dropped in this order: the writer is the last to close the file, and clears up behind it; then
    // another server may have it.
    readers: readers::Readers,
    /// For searches, which take long: what viewers read does not wait for them.
    searchers: readers::Readers,
    writer: writer::Writer,
    documents: documents::Documents,
    _lock: File,
}

impl SqliteStore {
    /// Opens the database, or makes it; its folder must exist. Beside it there will be files of the same
    /// name ending in `-wal`, `-shm` and `.lock`.
    ///
    /// # Errors
    /// [`OpenError`]: it is in use, not ours, too new, or cannot be opened.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        let opened = open::open(path, durability)?;
        let failed = |why| OpenError::Failed(opened.path.clone(), StoreError::from(why).0);
        documents::remove_left_over(&opened.connection).map_err(failed)?;
        let writer = writer::Writer::start(opened.connection, opened.path.clone(), durability)
            .map_err(|error| OpenError::Io(opened.path.clone(), error))?;
        let searchers = readers::Readers::new(opened.path.clone(), limit::STORE_SEARCHERS);
        let readers = readers::Readers::new(opened.path, limit::STORE_READERS);
        Ok(Self {
            readers,
            searchers,
            writer,
            documents: documents::Documents::default(),
            _lock: opened.lock,
        })
    }

    /// Transactions committed since it was opened; appends share them.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.writer.load().commits
    }

    /// Reads the whole file and says what is wrong with it; empty where nothing is. Takes about a second
    /// for each gigabyte, so it is for the operator and not for readiness.
    ///
    /// # Errors
    /// The file cannot be read at all.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        self.readers.read(verify::quick_check).await
    }

    async fn read_with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, fault::Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(work).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(&self, new: NewRun) -> Result<Created, StoreError> {
        self.writer.write(move |connection| runs::create(connection, &new)).await
    }

    async fn find(&self, new: &NewRun) -> Result<Option<Created>, StoreError> {
        let new = new.clone();
        self.read_with(move |connection| runs::find(connection, &new)).await
    }

    async fn run_of_message(
        &self,
        owner: &UserId,
        session: Option<&SessionId>,
        message: &MessageId,
    ) -> Result<Option<Run>, StoreError> {
        let (owner, session, message) = (owner.clone(), session.cloned(), message.clone());
        self.read_with(move |connection| runs::of_message(connection, &owner, session.as_ref(), &message))
            .await
    }

    async fn append(&self, run: &RunId, term: Term, batch: Batch) -> Result<(), AppendError> {
        let encoded = log::Encoded::new(run, term, batch).map_err(AppendError::Backend)?;
        let appended = self.writer.write(move |connection| log::append(connection, &encoded)).await;
        appended.map_err(AppendError::Backend)?
    }

    async fn read(
        &self,
        run: &RunId,
        from: Seq,
        events: usize,
        bytes: usize,
    ) -> Result<Vec<Arc<Event>>, ReadError> {
        let run = run.clone();
        let read = self.read_with(move |connection| log::read(connection, &run, from, events, bytes)).await;
        read.map_err(ReadError::Backend)?
    }

    async fn tail(&self, run: &RunId) -> Result<Tail, ReadError> {
        let run = run.clone();
        let tail = self.read_with(move |connection| log::tail(connection, &run)).await;
        tail.map_err(ReadError::Backend)?
    }

    async fn run(&self, owner: &UserId, run: &RunId) -> Result<Option<Run>, StoreError> {
        let (owner, run) = (owner.clone(), run.clone());
        self.read_with(move |connection| runs::run(connection, &owner, &run)).await
    }

    async fn newest_run(&self, owner: &UserId, session: &SessionId) -> Result<Option<Run>, StoreError> {
        Ok(self.runs(owner, Some(session), None, 1).await?.pop())
    }

    async fn runs(
        &self,
        owner: &UserId,
        session: Option<&SessionId>,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        let (owner, session, before) = (owner.clone(), session.cloned(), before.cloned());
        self.read_with(move |connection| {
            runs::runs(connection, &owner, session.as_ref(), before.as_ref(), limit)
        })
        .await
    }

    async fn runs_page(
        &self,
        owner: &UserId,
        workflow: &str,
        state: RunState,
        offset: usize,
        limit: usize,
    ) -> Result<RunPage, StoreError> {
        let (owner, workflow) = (owner.clone(), workflow.to_owned());
        let page =
            move |connection: &Connection| runs::page(connection, &owner, &workflow, state, (offset, limit));
        self.read_with(page).await
    }

    async fn hide_run(&self, owner: &UserId, run: &RunId) -> Result<bool, StoreError> {
        let (owner, run) = (owner.clone(), run.clone());
        self.writer.write(move |connection| runs::hide(connection, &owner, &run)).await
    }

    async fn history(
        &self,
        owner: &UserId,
        session: &SessionId,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let (owner, session) = (owner.clone(), session.clone());
        self.read_with(move |connection| runs::history(connection, &owner, &session, limit)).await
    }

    async fn conversation(
        &self,
        owner: &UserId,
        session: &SessionId,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Option<Conversation>, StoreError> {
        let (owner, session, before) = (owner.clone(), session.clone(), before.cloned());
        let read = move |connection: &Connection| {
            runs::conversation(connection, &owner, &session, before.as_ref(), limit)
        };
        self.read_with(read).await
    }

    async fn live(&self) -> Result<Vec<Run>, StoreError> {
        self.read_with(runs::live).await
    }

    async fn take_over(&self, run: &RunId) -> Result<Tail, ReadError> {
        let run = run.clone();
        let taken = self.writer.write(move |connection| log::take_over(connection, &run)).await;
        taken.map_err(ReadError::Backend)?
    }

    async fn create_user(&self, user: User) -> Result<bool, StoreError> {
        self.writer.write(move |connection| runs::create_user(connection, &user)).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let email = email.to_owned();
        self.read_with(move |connection| runs::user_by_email(connection, &email)).await
    }

    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let id = id.clone();
        self.read_with(move |connection| runs::user(connection, &id)).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.writer.write(move |connection| runs::revoke(connection, &revocation)).await
    }

    async fn revocations(&self, now: Millis) -> Result<Vec<Revocation>, StoreError> {
        self.read_with(move |connection| runs::revocations(connection, now)).await
    }

    async fn forget_revocations(&self, now: Millis) -> Result<usize, StoreError> {
        let forget = move |connection: &Connection| {
            Ok(connection.prepare_cached(sql::FORGET_REVOCATIONS)?.execute([now.0])?)
        };
        self.writer.write(forget).await
    }

    async fn expire(&self, before: Millis, limit: usize) -> Result<Expired, StoreError> {
        trim::expire(&self.writer, before, limit).await
    }

    async fn put_document(&self, document: NewDocument) -> Result<(), StoreError> {
        self.documents.put(&self.writer, document).await
    }

    async fn documents(&self, owner: Option<&UserId>) -> Result<Vec<Document>, StoreError> {
        let owner = owner.cloned();
        self.read_with(move |connection| knowledge::list(connection, owner.as_ref())).await
    }

    async fn delete_document(
        &self,
        owner: Option<&UserId>,
        source: &str,
    ) -> Result<Option<usize>, StoreError> {
        self.documents.delete(&self.writer, owner.cloned(), source.to_owned()).await
    }

    async fn search(&self, query: ChunkQuery) -> Result<Vec<ChunkHit>, StoreError> {
        self.searchers.read(move |connection| knowledge::search(connection, &query)).await
    }

    fn load(&self) -> Load {
        self.writer.load()
    }

    async fn check(&self) -> Result<(), StoreError> {
        let readable = |connection: &Connection| Ok(connection.query_row(sql::READABLE, [], |_| Ok(()))?);
        self.read_with(readable).await?;
        // A commit of its own: a full disk and a writer that hangs show here.
        self.writer.write(|connection| Ok(connection.execute(sql::WRITABLE, [])?)).await?;
        Ok(())
    }
}
