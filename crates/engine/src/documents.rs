//! What people may do with documents: send them, watch them being indexed, list, search and delete them.
//! Everybody sees what is shared and his own, and may change his own only.

mod board;
mod turns;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_core::port::extract::{ExtractError, Format};
use headwater_core::port::store::Document;
use headwater_core::port::{SharedEmbedder, SharedExtract, SharedStore};
use headwater_core::{Code, Error, UserId, limit};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, oneshot};

use crate::clock::Clock;
use crate::cut::Cutting;
use crate::engine::store_failed;
use crate::ingest::{Indexed, IngestError, Text, ingest};
use crate::retrieve::{Passage, Question, retrieve};
use crate::tasks::Tasks;

pub use self::board::{Stage, State, Upload};

/// Documents of people. Cheap to clone.
#[derive(Clone)]
pub struct Documents {
    inner: Arc<Inner>,
}

struct Inner {
    store: SharedStore,
    embedder: Option<SharedEmbedder>,
    extract: SharedExtract,
    tasks: Tasks,
    clock: Clock,
    /// Where files are kept while they come and are read.
    folder: PathBuf,
    board: Arc<board::Board>,
    /// Documents that are read and indexed at once: their texts are in memory.
    at_work: Semaphore,
    /// Of these, those of one user.
    turns: turns::Turns,
}

/// What a document is to be, beside its text.
#[derive(Debug, Clone)]
pub struct About {
    /// Its name.
    pub source: String,
    /// Its kind.
    pub document_type: String,
    /// How it is cut.
    pub cutting: Cutting,
    /// What whoever sent it wants to find with its passages.
    pub own: Map<String, Value>,
}

/// Where a document's text is.
#[derive(Debug, Clone)]
pub enum Content {
    /// In the upload's file.
    File(Format),
    /// Here.
    Text(String),
}

/// How many there are of what somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Passages.
    pub chunks: usize,
    /// Documents of different names.
    pub sources: usize,
    /// Kinds of documents.
    pub types: usize,
}

impl Documents {
    /// Documents in this store. `folder` is for files that are under way; it is made, and what a crash left
    /// in it is removed.
    ///
    /// # Errors
    /// The folder cannot be made or emptied; says which and why.
    pub fn open(
        store: SharedStore,
        embedder: Option<SharedEmbedder>,
        extract: SharedExtract,
        tasks: Tasks,
        folder: PathBuf,
    ) -> Result<Self, String> {
        clear(&folder).map_err(|e| format!("the folder {} cannot be used: {e}", folder.display()))?;
        let clock = Clock::default();
        let board = Arc::new(board::Board::new(clock));
        let at_work = Semaphore::new(limit::INDEXING);
        let turns = turns::Turns::default();
        let inner = Inner { store, embedder, extract, tasks, clock, folder, board, at_work, turns };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes a place for a document of this user. `id` is the id that it gets where it is new; the client's
    /// own, or a fresh one.
    ///
    /// # Errors
    /// [`Code::RateLimited`] where too many are under way, [`Code::MessageIdReused`].
    pub fn begin(&self, who: &UserId, id: Option<String>) -> Result<Upload, Error> {
        self.inner.board.begin(who, id.unwrap_or_else(fresh))
    }

    /// The same with a file for its bytes, which is kept as long as the upload is.
    ///
    /// # Errors
    /// As [`Documents::begin`], and [`Code::Internal`] where no file can be made.
    pub fn begin_file(&self, who: &UserId, id: Option<String>) -> Result<(Upload, File), Error> {
        let mut upload = self.begin(who, id)?;
        // Named by the server: two users may choose the same id.
        let path = self.inner.folder.join(format!("{}{PART}", fresh()));
        match upload.keep(path) {
            Ok(file) => Ok((upload, file)),
            Err(error) => {
                tracing::error!(%error, "no file can be made for an upload");
                Err(Error::new(Code::Internal, "Uploads cannot be stored now"))
            }
        }
    }

    /// Reads and indexes a document beside the caller, who may go away. What is sent says how it ended.
    pub fn index(
        &self,
        upload: Upload,
        about: About,
        content: Content,
    ) -> oneshot::Receiver<Result<Indexed, IngestError>> {
        let (tell, told) = oneshot::channel();
        let documents = self.clone();
        self.inner.tasks.spawn("indexing", async move {
            let stopping = documents.inner.tasks.stopping();
            let ended = tokio::select! {
                ended = documents.work(&upload, about, content) => ended,
                () = stopping.cancelled() => {
                    Err(Error::new(Code::Draining, "The server is stopping; send the document again").into())
                }
            };
            match &ended {
                Ok(_) => upload.done(),
                Err(error) => {
                    if let IngestError::Failed(error) = error {
                        tracing::warn!(code = %error.code, "a document could not be indexed");
                    }
                    upload.failed(&error.to_string());
                }
            }
            let _ = tell.send(ended);
        });
        told
    }

    async fn work(&self, upload: &Upload, about: About, content: Content) -> Result<Indexed, IngestError> {
        upload.reached(Stage::Reading);
        let closed = |_| Error::new(Code::Internal, "documents cannot be indexed now");
        // First his own turn, so that each user stands in the queue for a place with one document at a time.
        let turn = self.inner.turns.of(upload.owner());
        let _turn = turn.acquire().await.map_err(closed)?;
        let _place = self.inner.at_work.acquire().await.map_err(closed)?;
        let (text, content_type) = match (content, upload.file()) {
            (Content::Text(text), _) => (text, "text/plain"),
            (Content::File(format), Some(file)) => (self.read(format, file).await?, format.content_type()),
            (Content::File(_), None) => {
                return Err(Error::new(Code::Internal, "the upload has no file").into());
            }
        };
        if text.trim().is_empty() {
            return Err(IngestError::Refused("Document appears to be empty".to_owned()));
        }
        upload.reached(Stage::Indexing);
        let document = Text {
            id: upload.id().to_owned(),
            owner: Some(upload.owner().clone()),
            source: about.source,
            document_type: about.document_type,
            cutting: about.cutting,
            content_type: content_type.to_owned(),
            own: about.own,
            text,
        };
        let at = self.inner.clock.wall();
        let progress = |done, total| upload.counted(done, total);
        ingest(&self.inner.store, self.inner.embedder.as_ref(), document, at, progress).await
    }

    async fn read(&self, format: Format, file: &Path) -> Result<String, IngestError> {
        self.inner.extract.extract(format, file).await.map_err(|error| match error {
            ExtractError::Refused(why) => IngestError::Refused(why),
            ExtractError::Failed(why) => {
                tracing::error!(why, "the text of a document cannot be read");
                Error::new(Code::Internal, "The document cannot be read now").into()
            }
        })
    }

    /// How far an upload of this user is, or how it ended, for a while.
    #[must_use]
    pub fn upload(&self, who: &UserId, id: &str) -> Option<State> {
        self.inner.board.state(who, id)
    }

    /// What this user sees, the latest first.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn list(&self, who: &UserId) -> Result<Vec<Document>, Error> {
        let mut documents = self.inner.store.documents(Some(who)).await.map_err(store_failed)?;
        documents.sort_by(|a, b| (b.last_indexed, &a.source).cmp(&(a.last_indexed, &b.source)));
        Ok(documents)
    }

    /// How many there are of what this user sees.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn counts(&self, who: &UserId) -> Result<Counts, Error> {
        let documents = self.inner.store.documents(Some(who)).await.map_err(store_failed)?;
        let sources: BTreeSet<_> = documents.iter().map(|d| &d.source).collect();
        let types: BTreeSet<_> = documents.iter().map(|d| &d.document_type).collect();
        let chunks = documents.iter().map(|d| d.chunks).sum();
        Ok(Counts { chunks, sources: sources.len(), types: types.len() })
    }

    /// The passages that fit best, best first.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn search(&self, question: Question) -> Result<Vec<Passage>, Error> {
        retrieve(&self.inner.store, self.inner.embedder.as_ref(), question).await
    }

    /// Removes this user's document; says how many passages it had.
    ///
    /// # Errors
    /// [`Code::NotFound`] for what is not his, which is also what is shared; [`Code::StoreFailed`].
    pub async fn delete(&self, who: &UserId, source: &str) -> Result<usize, Error> {
        let deleted = self.inner.store.delete_document(Some(who), source).await.map_err(store_failed)?;
        deleted.ok_or_else(|| Error::not_found("Document"))
    }
}

/// What the files in the folder end with: nothing else in it is touched.
const PART: &str = ".part";

fn fresh() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn clear(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(PART) && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
