//! What the routes of documents say, with the original's keys in the original's order.

use headwater_core::Millis;
use headwater_core::port::store::Document;
use headwater_engine::documents::{Counts, State};
use headwater_engine::ingest::{About, Indexed};
use headwater_engine::retrieve::Passage;
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
pub(super) struct Created {
    document_id: String,
    filename: String,
    document_type: String,
    chunks_created: usize,
    tokens_used: usize,
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

#[derive(Serialize)]
pub(super) struct Accepted {
    pub document_id: String,
    pub filename: String,
    pub status: &'static str,
}

#[derive(Serialize)]
pub(super) struct Progress {
    document_id: String,
    filename: String,
    status: &'static str,
    chunks_done: usize,
    chunks_total: usize,
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

#[derive(Serialize)]
pub(super) struct List {
    documents: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    source: String,
    document_type: String,
    chunk_count: usize,
    first_indexed: String,
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

#[derive(Serialize)]
pub(super) struct Stats {
    total_chunks: usize,
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

#[derive(Serialize)]
pub(super) struct Deleted {
    pub message: &'static str,
    pub source: String,
    pub chunks_deleted: usize,
}

#[derive(Serialize)]
pub(super) struct Found {
    results: Vec<Hit>,
    query: String,
    total: usize,
}

#[derive(Serialize)]
struct Hit {
    content: String,
    score: f64,
    metadata: Metadata,
    source: String,
}

#[derive(Serialize)]
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
    /// Ours: the headings above the passage, joined by ` > `.
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
fn iso(at: Millis) -> String {
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
