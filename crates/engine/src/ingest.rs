//! Cuts documents into passages, gives them their meaning, and stores them.

use headwater_core::port::provider::ProviderErrorKind;
use headwater_core::port::store::{NewChunk, NewDocument};
use headwater_core::port::{SharedEmbedder, SharedStore};
use headwater_core::{Code, Error, Millis, UserId, limit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ask::digest;
use crate::cut::{Cutting, Section, Strategy, cut};
use crate::engine::store_failed;

/// Part of every digest: goes up when cutting changes, so that what is stored is cut anew.
const CUTTING: &str = "cut-2";

/// A document to be read.
#[derive(Debug, Clone)]
pub struct Text {
    /// The id that it gets, if it is not there already.
    pub id: String,
    /// Whose it is; `None` is shared.
    pub owner: Option<UserId>,
    /// Its name.
    pub source: String,
    /// Its kind.
    pub document_type: String,
    /// How it is cut.
    pub cutting: Cutting,
    /// The media type of what it was read from.
    pub content_type: String,
    /// What whoever sent it wants to find with its passages.
    pub own: Map<String, Value>,
    /// All of it.
    pub text: String,
}

impl Text {
    /// Markdown for everybody, as it is shipped or lies in the operator's folder.
    #[must_use]
    pub fn shared(
        source: impl Into<String>,
        document_type: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            owner: None,
            source: source.into(),
            document_type: document_type.into(),
            cutting: Cutting::usual(Strategy::Markdown),
            content_type: "text/plain".to_owned(),
            own: Map::new(),
            text: text.into(),
        }
    }
}

/// What is stored beside a document, as JSON, and comes back with its passages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// The media type of what it was read from.
    pub content_type: String,
    /// How it was cut.
    pub chunk_strategy: String,
    /// The most characters of a passage that were asked for.
    pub chunk_size: usize,
    /// The characters that neighbours might share.
    pub chunk_overlap: usize,
    /// Characters of the whole text.
    pub original_length: usize,
    /// What whoever sent it wanted kept.
    pub own: Map<String, Value>,
}

impl About {
    /// What was stored; nothing where it cannot be read, as with documents of an older version.
    #[must_use]
    pub fn read(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// Its id; that of the stored one where nothing was to be done.
    pub document_id: String,
    /// How many passages it has.
    pub chunks: usize,
    /// Tokens that the embedder read; without an embedder their estimate, a token every four characters.
    pub tokens: usize,
    /// Whether it was stored just now. Otherwise the same document was there, and no token was read.
    pub stored: bool,
}

/// Why a document was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngestError {
    /// The document is at fault; the sentence is for whoever sent it.
    Refused(String),
    /// Something of ours failed.
    Failed(Error),
}

impl From<Error> for IngestError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl std::fmt::Display for IngestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Failed(error) => f.write_str(&error.message),
        }
    }
}

/// Stores a document in place of one of the same owner and name, unless it is the same document.
/// `progress` hears how many passages are done, of how many.
///
/// # Errors
/// [`IngestError`].
pub async fn ingest(
    store: &SharedStore,
    embedder: Option<&SharedEmbedder>,
    document: Text,
    at: Millis,
    mut progress: impl FnMut(usize, usize) + Send,
) -> Result<Indexed, IngestError> {
    let embedder_id = embedder.map(|e| e.id().to_owned()).unwrap_or_default();
    let metadata = serde_json::to_string(&about(&document)).unwrap_or_default();
    let digest = digest([CUTTING, &embedder_id, &document.document_type, &metadata, &document.text]);
    let seen = store.documents(document.owner.as_ref()).await.map_err(store_failed)?;
    // Among the documents that somebody sees are the shared ones: one of those is not his.
    let mut own = seen.iter().filter(|d| d.owner == document.owner);
    match own.clone().find(|d| d.source == document.source) {
        Some(same) if same.digest == digest => {
            let (document_id, chunks) = (same.id.clone(), same.chunks);
            return Ok(Indexed { document_id, chunks, tokens: 0, stored: false });
        }
        None if document.owner.is_some() && own.nth(limit::DOCUMENTS_PER_USER - 1).is_some() => {
            let most = limit::DOCUMENTS_PER_USER;
            let why = format!("You have {most} documents, which is as many as there may be; delete one");
            return Err(IngestError::Refused(why));
        }
        _ => {}
    }
    // Beside what it takes the place of. One document of a user is indexed at a time, so nothing comes between.
    let owner_has = document.owner.as_ref().map(|_| {
        let others = seen.iter().filter(|d| d.owner == document.owner && d.source != document.source);
        others.map(|d| d.chunks).sum::<usize>()
    });
    let (text, cutting) = (document.text, document.cutting);
    // Some megabytes take a moment, in which the runtime's threads have other things to do.
    let sections = tokio::task::spawn_blocking(move || cut(&text, cutting)).await;
    let sections = sections
        .map_err(|_| Error::new(Code::Internal, "the document could not be cut into passages"))?
        .map_err(|_| too_many())?;
    if sections.is_empty() {
        return Err(IngestError::Refused("Document appears to be empty".to_owned()));
    }
    if owner_has.is_some_and(|has| has + sections.len() > limit::PASSAGES_PER_USER) {
        let most = limit::PASSAGES_PER_USER;
        let why = format!(
            "With it you would have more than {most} passages; delete a document, or ask for larger ones"
        );
        return Err(IngestError::Refused(why));
    }
    progress(0, sections.len());
    let mut chunks = Vec::with_capacity(sections.len());
    let mut tokens = 0;
    for group in sections.chunks(limit::EMBED_GROUP) {
        let texts: Vec<String> = group.iter().map(|s| format!("{}\n{}", s.heading, s.content)).collect();
        tokens += match embedder {
            Some(embedder) => texts.iter().map(|text| embedder.count_tokens(text)).sum::<usize>(),
            None => texts.iter().map(|text| text.trim_start().chars().count().div_ceil(4)).sum(),
        };
        let vectors = match embedder {
            Some(embedder) => embed(embedder, texts).await?.into_iter().map(Some).collect(),
            None => vec![None; group.len()],
        };
        for (Section { heading, content }, vector) in group.iter().zip(vectors) {
            chunks.push(NewChunk { heading: heading.clone(), content: content.clone(), vector });
        }
        progress(chunks.len(), sections.len());
    }
    let (document_id, count) = (document.id, chunks.len());
    let new = NewDocument {
        id: document_id.clone(),
        owner: document.owner,
        source: document.source,
        document_type: document.document_type,
        digest,
        embedder: embedder_id,
        metadata,
        chunks,
        at,
    };
    store.put_document(new).await.map_err(store_failed)?;
    Ok(Indexed { document_id, chunks: count, tokens, stored: true })
}

fn about(document: &Text) -> About {
    About {
        content_type: document.content_type.clone(),
        chunk_strategy: document.cutting.strategy.as_str().to_owned(),
        chunk_size: document.cutting.size,
        chunk_overlap: document.cutting.overlap,
        original_length: document.text.chars().count(),
        own: document.own.clone(),
    }
}

fn too_many() -> IngestError {
    let most = limit::DOCUMENT_CHUNKS;
    IngestError::Refused(format!(
        "The document makes more than {most} passages; ask for larger ones that share less, or split it"
    ))
}

/// The vectors of some texts, also from an embedder that is busy with questions for a while.
async fn embed(embedder: &SharedEmbedder, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
    let mut tries = 0;
    loop {
        match embedder.embed(texts.clone()).await {
            Ok(vectors) if vectors.len() == texts.len() => return Ok(vectors),
            Ok(_) => return Err(Error::new(Code::ProviderFailed, "the embedder left passages out")),
            Err(error) if error.kind == ProviderErrorKind::Busy && tries < limit::EMBED_RETRIES => {
                tries += 1;
                tokio::time::sleep(limit::EMBED_RETRY).await;
            }
            Err(error) => {
                let why = format!("the passages cannot be embedded: {error}");
                return Err(Error::new(Code::ProviderFailed, why));
            }
        }
    }
}
