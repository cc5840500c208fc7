//! What the routes of documents say, with the original's keys in the original's order.

use headwater_core::Millis;
use headwater_core::port::store::Document;
use headwater_engine::documents::{Counts, State};
use headwater_engine::ingest::{About, Indexed};
use headwater_engine::retrieve::Passage;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// A document that is searchable now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Ingested")]
pub(in crate::http) struct Created {
    document_id: String,
    filename: String,
    document_type: String,
    /// Passages that it has.
    chunks_created: usize,
    /// Tokens that the embedding model read, or about as many; 0 where this document was here already.
    tokens_used: usize,
    #[schemars(extend("enum" = ["recursive", "markdown", "sentence", "fixed"]))]
    chunking_strategy: &'static str,
}

impl Created {
    pub(super) fn new(
        indexed: Indexed,
        filename: String,
        document_type: String,
        strategy: &'static str,
    ) -> Self {
        Self {
            document_id: indexed.document_id,
            filename,
            document_type,
            chunks_created: indexed.chunks,
            tokens_used: indexed.tokens,
            chunking_strategy: strategy,
        }
    }
}

/// A document that is here whole, and is indexed beside the answer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UploadAccepted")]
pub(in crate::http) struct Accepted {
    /// For `GET /api/v1/documents/uploads/{document_id}`.
    pub document_id: String,
    pub filename: String,
    #[schemars(extend("const" = "indexing"))]
    pub status: &'static str,
}

/// How far an upload is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UploadState")]
pub(in crate::http) struct Progress {
    document_id: String,
    /// Empty until it is known.
    filename: String,
    #[schemars(extend("enum" = ["receiving", "reading", "indexing", "done", "failed"]))]
    status: &'static str,
    /// Passages that are done; searchable all at once, at the end.
    chunks_done: usize,
    /// Passages that there are; 0 until they are counted, and where this document was here already.
    chunks_total: usize,
    /// Why it failed.
    detail: Option<String>,
}

impl Progress {
    pub(super) fn new(document_id: String, state: State) -> Self {
        Self {
            document_id,
            filename: state.filename,
            status: state.stage.as_str(),
            chunks_done: state.done,
            chunks_total: state.total,
            detail: state.detail,
        }
    }
}

/// The documents that you see, the latest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DocumentList")]
pub(in crate::http) struct List {
    documents: Vec<Listed>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Document")]
struct Listed {
    /// Its name.
    source: String,
    document_type: String,
    /// Passages that it has.
    chunk_count: usize,
    /// UTC, as `2026-11-21T01:39:22.109878`.
    first_indexed: String,
    /// UTC, in the same way.
    last_indexed: String,
}

impl From<Vec<Document>> for List {
    fn from(documents: Vec<Document>) -> Self {
        let listed = |d: Document| Listed {
            source: d.source,
            document_type: d.document_type,
            chunk_count: d.chunks,
            first_indexed: iso(d.first_indexed),
            last_indexed: iso(d.last_indexed),
        };
        Self { documents: documents.into_iter().map(listed).collect() }
    }
}

/// How much there is of what you see.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DocumentStats")]
pub(in crate::http) struct Stats {
    /// Passages.
    total_chunks: usize,
    /// Documents of different names.
    total_sources: usize,
    total_document_types: usize,
}

impl From<Counts> for Stats {
    fn from(counts: Counts) -> Self {
        Self {
            total_chunks: counts.chunks,
            total_sources: counts.sources,
            total_document_types: counts.types,
        }
    }
}

/// A document is gone.
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct Deleted {
    /// `Document deleted`
    pub message: &'static str,
    pub source: String,
    pub chunks_deleted: usize,
}

/// Passages, best first.
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct Found {
    results: Vec<Hit>,
    query: String,
    /// How many there are here.
    total: usize,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Passage")]
struct Hit {
    content: String,
    /// 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    score: f64,
    metadata: Metadata,
    /// The document's name.
    source: String,
}

/// What is known of a passage, and what whoever sent the document gave with it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PassageMetadata")]
struct Metadata {
    source: String,
    filename: String,
    chunk_size: usize,
    indexed_at: String,
    chunk_index: usize,
    document_id: String,
    content_type: String,
    document_type: String,
    chunk_strategy: String,
    original_length: usize,
    /// The headings above the passage, joined by ` > `.
    heading: String,
    #[serde(flatten)]
    own: Map<String, Value>,
}

/// The keys of [`Metadata`], which a user's own cannot take the place of.
const OURS: [&str; 11] = [
    "source",
    "filename",
    "chunk_size",
    "indexed_at",
    "chunk_index",
    "document_id",
    "content_type",
    "document_type",
    "chunk_strategy",
    "original_length",
    "heading",
];

impl Found {
    pub(super) fn new(query: String, passages: Vec<Passage>) -> Self {
        let results: Vec<_> = passages.into_iter().map(Hit::from).collect();
        Self { total: results.len(), query, results }
    }
}

impl From<Passage> for Hit {
    fn from(passage: Passage) -> Self {
        let about = About::read(&passage.metadata);
        let mut own = about.own;
        own.retain(|key, _| !OURS.contains(&key.as_str()));
        let metadata = Metadata {
            source: passage.source.clone(),
            filename: passage.source.clone(),
            chunk_size: about.chunk_size,
            indexed_at: iso(passage.indexed_at),
            chunk_index: passage.index,
            document_id: passage.document_id,
            content_type: about.content_type,
            document_type: passage.document_type,
            chunk_strategy: about.chunk_strategy,
            original_length: about.original_length,
            heading: passage.heading,
            own,
        };
        Self { content: passage.content, score: passage.score, metadata, source: passage.source }
    }
}

/// A point in time as the original writes it: UTC, microseconds, no zone.
pub(in crate::http) fn iso(at: Millis) -> String {
    let (days, millis) = (at.0.div_euclid(86_400_000), at.0.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
    let micros = millis % 1_000 * 1_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}")
}

/// Year, month and day of a number of days since 1970-01-01. Years are counted from March, so that the day
/// that a leap year adds is the last of one.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_the_original_writes_them() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00.000000"),
            (951_782_400_123, "2000-02-29T00:00:00.123000"),
            (951_868_799_999, "2000-02-29T23:59:59.999000"),
            (1_795_225_162_177, "2026-11-21T01:39:22.177000"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000000"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000000"),
            (-1, "1969-12-31T23:59:59.999000"),
        ] {
            assert_eq!(iso(Millis(at)), text);
        }
    }
}
