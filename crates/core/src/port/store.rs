//! The port to whoever keeps what must not be lost: the logs, and what belongs to them.
//!
//! # Contract
//! - **Durable before it returns.** When a call that writes returns `Ok`, no crash of the process and,
//!   at full durability, no loss of power takes it back, and every reader sees it.
//! - **Whole or not at all.** [`Store::create`] makes session, message and run together;
//!   [`Store::append`] stores a batch with its ending and the answer's message, or nothing.
//! - **Numbers have no gaps.** A batch must begin at the stored tail plus one; otherwise
//!   [`AppendError::Conflict`]. The writer that gets any error ends and is rebuilt from the tail; it
//!   never guesses whether the batch was stored.
//! - **Terms fence.** An append in an older term than the stored one is refused, and nothing is appended
//!   after an ending.
//! - **Owners are part of the key.** What a caller does not own cannot be addressed: ids of sessions are
//!   unique for one owner only, and every question carries the owner who asks. Only
//!   [`Store::read`], [`Store::tail`], [`Store::live`] and [`Store::take_over`] take a bare run id; the
//!   engine asks [`Store::run`] first.
//! - Reads return at most what they were asked for, in order.
//! - Errors say what failed and hold no content of messages.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::desk::Desk;
use super::recall::Recall;
use super::records::Records;
use super::sharing::Sharing;
use crate::event::{Event, Outcome, Seq, Term};
use crate::id::{MessageId, RunId, SessionId, UserId};
use crate::run::{Message, Run, Tail};
use crate::time::Millis;

/// The backend failed; what happened, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store failed: {}", self.0)
    }
}

impl std::error::Error for StoreError {}

/// Why a batch was not appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// Somebody took the run over.
    StaleTerm,
    /// The run is over.
    Ended,
    /// The batch does not begin at the stored tail plus one, or the run does not exist.
    Conflict,
    /// The backend failed; whether the batch was stored is not known.
    Backend(StoreError),
}

/// Why a log could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// There is no such run.
    NotFound,
    /// What was asked for is no longer kept.
    Trimmed {
        /// The first event that is.
        first: Seq,
    },
    /// The backend failed.
    Backend(StoreError),
}

/// A run to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its name; fresh.
    pub id: RunId,
    /// Whose it is.
    pub owner: UserId,
    /// Its conversation; made where it does not exist.
    pub session: SessionId,
    /// The client's own name for it: the idempotency key within `(owner, session)`.
    pub message_id: Option<MessageId>,
    /// Digest of everything that the client asked for; compared where the message id came before.
    pub fingerprint: String,
    /// What it does.
    pub workflow: String,
    /// The person's message, stored with it.
    pub message: String,
    /// Now.
    pub at: Millis,
}

/// What became of a [`NewRun`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It was made, in term 1 with an empty log.
    New(Run),
    /// The same turn was asked for before: this is its run.
    Joined(Run),
    /// The message id was used before for something else.
    Reused,
}

/// Events to be appended, in one piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Contiguous, beginning at the tail plus one; never empty.
    pub events: Vec<Arc<Event>>,
    /// The answer's whole text, stored as the assistant's message; given exactly where the last event is
    /// the ending and the workflow belongs to a conversation.
    pub answer: Option<String>,
}

impl Batch {
    /// How the run ends with this batch, where it does.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.events.last().map(|e| &e.body) {
            Some(crate::event::Body::RunEnded { outcome, .. }) => Some(*outcome),
            _ => None,
        }
    }

    /// Provider and model, where the batch says who answers.
    #[must_use]
    pub fn answered_by(&self) -> Option<(&str, &str)> {
        self.events.iter().rev().find_map(|e| match &e.body {
            crate::event::Body::ModelStarted { provider, model, .. } => {
                Some((provider.as_str(), model.as_str()))
            }
            _ => None,
        })
    }
}

/// Somebody with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// His name in tokens and keys.
    pub id: UserId,
    /// Lower case; unique.
    pub email: String,
    /// What he is called.
    pub name: String,
    /// PHC string of his password.
    pub password_hash: String,
    /// When the account was made.
    pub created_at: Millis,
}

/// Tokens that are no longer good, although their signature and time are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Which: the name of a sign-in, of a token, or of a user; what it looks like is the caller's business.
    pub key: String,
    /// Tokens under the key that were issued up to here are not good.
    pub issued_until: Millis,
    /// When all of them have run out by themselves, and this can be forgotten.
    pub expires: Millis,
}

/// How busy the store's writer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Writes that wait now.
    pub waiting: usize,
    /// Commits since it was opened.
    pub commits: u64,
    /// Writes in those commits.
    pub writes: u64,
}

/// What an expiry removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Runs whose log and messages are gone.
    pub runs: usize,
    /// Whether there may be more of them.
    pub more: bool,
}

/// A document to be stored with its chunks; replaces one of the same owner and source.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// Fresh id.
    pub id: String,
    /// Whose it is; `None` is shared with everybody (the shipped knowledge).
    pub owner: Option<UserId>,
    /// Its name; unique for one owner.
    pub source: String,
    /// `manual`, `faq`, `spec` …
    pub document_type: String,
    /// Digest of text, chunking and embedding model: the same digest means nothing is to be done (also
    /// where only `metadata` is another; let the digest cover it where that matters).
    pub digest: String,
    /// Which embedder made the vectors; empty where there are none.
    pub embedder: String,
    /// What is said about it beside its text: a JSON object, at most [`crate::limit::DOCUMENT_METADATA_BYTES`],
    /// `{}` where there is nothing. Kept and given back as it is; anything else is refused.
    pub metadata: String,
    /// In order.
    pub chunks: Vec<NewChunk>,
    /// Now.
    pub at: Millis,
}

/// A passage to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChunk {
    /// The headings above it, joined by ` > `; may be empty.
    pub heading: String,
    /// The passage.
    pub content: String,
    /// Its meaning; `None` without an embedder.
    pub vector: Option<Vec<f32>>,
}

/// A document as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// Its name.
    pub source: String,
    /// Its kind.
    pub document_type: String,
    /// Whose it is; `None` is shared with everybody.
    pub owner: Option<UserId>,
    /// As it was stored with.
    pub digest: String,
    /// As it was stored with.
    pub metadata: String,
    /// How many passages it has.
    pub chunks: usize,
    /// When it was first stored.
    pub first_indexed: Millis,
    /// When it was last replaced.
    pub last_indexed: Millis,
}

/// What a search asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkQuery {
    /// Who asks: sees what is shared and his own.
    pub owner: UserId,
    /// Words to match, lower case, without stop words; may be empty.
    pub words: Vec<String>,
    /// The meaning to match and the embedder that made it; `None` without an embedder.
    pub vector: Option<(String, Vec<f32>)>,
    /// Only this kind of document.
    pub document_type: Option<String>,
    /// Only this document.
    pub source: Option<String>,
    /// Of what is shared, only what is in this folder (its name begins with it and `/`), or with `""` only what is in
    /// none; `None`: all of it. One's own documents are in all of them.
    pub folder: Option<String>,
    /// Candidates by words and by meaning each.
    pub candidates: usize,
}

/// A candidate; how it is judged is the engine's business.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkHit {
    /// Of the chunk; stable until its document is replaced.
    pub chunk_id: i64,
    /// Of the document.
    pub document_id: String,
    /// The document's name.
    pub source: String,
    /// The document's kind.
    pub document_type: String,
    /// As the document was stored with.
    pub metadata: String,
    /// Number of the chunk in the document, from 0.
    pub index: usize,
    /// The headings above it.
    pub heading: String,
    /// The passage.
    pub content: String,
    /// BM25 by words, higher is better; `None` where no word matched (or it was not among the candidates).
    pub bm25: Option<f64>,
    /// Cosine of the meanings, -1 to 1; `None` without vectors.
    pub cosine: Option<f64>,
    /// When the document was last replaced.
    pub indexed_at: Millis,
}

/// Which runs a page lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// All of them.
    Any,
    /// Those that have not ended.
    Live,
    /// Those that ended so.
    Ended(Outcome),
}

/// A page of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunPage {
    /// Newest first.
    pub runs: Vec<Run>,
    /// How many there are on all pages.
    pub total: usize,
}

/// A run with what is said in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The run.
    pub run: Run,
    /// The question, then the answer where there is one.
    pub messages: Vec<Message>,
}

/// A piece of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Oldest first.
    pub exchanges: Vec<Exchange>,
    /// How many messages the whole session has.
    pub messages: usize,
    /// When the session began.
    pub started: Millis,
}

/// Keeps what must not be lost; see the module's contract.
#[async_trait]
pub trait Store: Desk + Records + Sharing + Recall + 'static {
    /// Makes a run, or finds the one that was made for the same message id.
    async fn create(&self, new: NewRun) -> Result<Created, StoreError>;

    /// What became of the same turn before: joined or reused as [`Store::create`] would say, `None` where
    /// it would make a new run. Makes nothing.
    async fn find(&self, new: &NewRun) -> Result<Option<Created>, StoreError>;

    /// This owner's run of that message id, in this session or, where none is named, in whichever of his used it
    /// last.
    async fn run_of_message(
        &self,
        owner: &UserId,
        session: Option<&SessionId>,
        message: &MessageId,
    ) -> Result<Option<Run>, StoreError>;

    /// Appends a batch, with its ending where it has one.
    async fn append(&self, run: &RunId, term: Term, batch: Batch) -> Result<(), AppendError>;

    /// Events from `from` on, at most `events` of them and not many more than `bytes` bytes of them, but
    /// at least one where there is one.
    async fn read(
        &self,
        run: &RunId,
        from: Seq,
        events: usize,
        bytes: usize,
    ) -> Result<Vec<Arc<Event>>, ReadError>;

    /// Where the log stands.
    async fn tail(&self, run: &RunId) -> Result<Tail, ReadError>;

    /// A run of this owner.
    async fn run(&self, owner: &UserId, run: &RunId) -> Result<Option<Run>, StoreError>;

    /// The newest run of this owner's session.
    async fn newest_run(&self, owner: &UserId, session: &SessionId) -> Result<Option<Run>, StoreError>;

    /// This owner's runs, newest first, of one session or of all, older than `before` where given.
    async fn runs(
        &self,
        owner: &UserId,
        session: Option<&SessionId>,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError>;

    /// This owner's runs of one workflow, newest first, without those that are hidden: `limit` of them after the
    /// first `offset`.
    async fn runs_page(
        &self,
        owner: &UserId,
        workflow: &str,
        state: RunState,
        offset: usize,
        limit: usize,
    ) -> Result<RunPage, StoreError>;

    /// Takes this owner's run out of [`Store::runs_page`], for good; `false` where there is none, or it is hidden
    /// already. Its log stays.
    async fn hide_run(&self, owner: &UserId, run: &RunId) -> Result<bool, StoreError>;

    /// The newest `limit` messages of this owner's session, oldest first.
    async fn history(
        &self,
        owner: &UserId,
        session: &SessionId,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError>;

    /// The newest `limit` runs of this owner's session (older than `before` where given, which is a run of his) with
    /// what is said in them; `None` where he has no such session.
    async fn conversation(
        &self,
        owner: &UserId,
        session: &SessionId,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Option<Conversation>, StoreError>;

    /// Every run that has not ended, for whoever starts after a crash.
    async fn live(&self) -> Result<Vec<Run>, StoreError>;

    /// Takes a run over: raises its term and returns where its log stands under the new one.
    async fn take_over(&self, run: &RunId) -> Result<Tail, ReadError>;

    /// Makes an account; `false` where the address has one.
    async fn create_user(&self, user: User) -> Result<bool, StoreError>;

    /// The account of an address (lower case).
    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError>;

    /// The account of an id.
    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError>;

    /// Keeps a revocation; a later `issued_until` or `expires` of the same key wins.
    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError>;

    /// The revocations that have not expired by `now`; those that have are forgotten some time.
    async fn revocations(&self, now: Millis) -> Result<Vec<Revocation>, StoreError>;

    /// Forgets the revocations that have expired by `now`; says how many.
    async fn forget_revocations(&self, now: Millis) -> Result<usize, StoreError>;

    /// Removes log and messages of at most `limit` runs, oldest first, that ended and were made before
    /// `before`. The run itself is kept, with its tail: whoever reads it is told
    /// [`ReadError::Trimmed`], and sending the same turn again finds it.
    async fn expire(&self, before: Millis, limit: usize) -> Result<Expired, StoreError>;

    /// Stores a document in place of one of the same owner and source. Lists and searches see the old one
    /// or the new one, whole; a caller that stops waiting leaves one of the two. A large document takes
    /// many commits, so that it delays nobody's append.
    async fn put_document(&self, document: NewDocument) -> Result<(), StoreError>;

    /// The documents that this user sees; `None` lists the shared ones only.
    async fn documents(&self, owner: Option<&UserId>) -> Result<Vec<Document>, StoreError>;

    /// Removes this owner's document; says how many chunks it had, `None` where there was none.
    async fn delete_document(
        &self,
        owner: Option<&UserId>,
        source: &str,
    ) -> Result<Option<usize>, StoreError>;

    /// Candidates for a question, by words and by meaning; in no particular order, none twice.
    async fn search(&self, query: ChunkQuery) -> Result<Vec<ChunkHit>, StoreError>;

    /// What the writer has to do and has done; zeros where the backend has no writer of its own.
    fn load(&self) -> Load {
        Load::default()
    }

    /// Whether the store can read and write now, for readiness.
    async fn check(&self) -> Result<(), StoreError>;
}

/// A store that is shared by all runs.
pub type SharedStore = Arc<dyn Store>;
