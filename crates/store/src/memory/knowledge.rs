//! Documents and their passages, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use headwater_core::port::store::{ChunkHit, ChunkQuery, Document, NewChunk, NewDocument};
use headwater_core::{Millis, UserId};

use crate::vector::{self, Best};
use crate::words;

/// How soon more of the same word adds nothing more; the usual value.
const SATURATION: f64 = 1.2;
/// How much a long passage must say to count as much as a short one; the usual value.
const LENGTH: f64 = 0.75;

/// Every document.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// By source, then owner; the shared come first.
    documents: BTreeMap<(String, Option<UserId>), Kept>,
    next_chunk: i64,
}

#[derive(Debug)]
struct Kept {
    document: NewDocument,
    /// Of the first chunk; the others follow.
    first_chunk: i64,
    first_indexed: Millis,
}

/// A passage in its document.
#[derive(Clone, Copy)]
struct Passage<'a> {
    id: i64,
    index: usize,
    chunk: &'a NewChunk,
    kept: &'a Kept,
}

impl Knowledge {
    pub(super) fn put(&mut self, document: NewDocument) {
        let key = (document.source.clone(), document.owner.clone());
        let before = self.documents.get(&key);
        if before.is_some_and(|kept| kept.document.digest == document.digest) {
            return;
        }
        let first_indexed = before.map_or(document.at, |kept| kept.first_indexed);
        // Never given out again: a hit of a replaced document means nothing, instead of something else.
        let first_chunk = self.next_chunk + 1;
        self.next_chunk += i64::try_from(document.chunks.len()).unwrap_or(i64::MAX);
        self.documents.insert(key, Kept { document, first_chunk, first_indexed });
    }

    pub(super) fn delete(&mut self, owner: Option<&UserId>, source: &str) -> Option<usize> {
        let kept = self.documents.remove(&(source.to_owned(), owner.cloned()))?;
        Some(kept.document.chunks.len())
    }

    pub(super) fn list(&self, owner: Option<&UserId>) -> Vec<Document> {
        let seen = self.documents.values().filter(|kept| visible(kept, owner));
        seen.map(|kept| Document {
            id: kept.document.id.clone(),
            source: kept.document.source.clone(),
            document_type: kept.document.document_type.clone(),
            owner: kept.document.owner.clone(),
            digest: kept.document.digest.clone(),
            metadata: kept.document.metadata.clone(),
            chunks: kept.document.chunks.len(),
            first_indexed: kept.first_indexed,
            last_indexed: kept.document.at,
        })
        .collect()
    }

    pub(super) fn search(&self, query: &ChunkQuery) -> Vec<ChunkHit> {
        let passages: BTreeMap<i64, Passage<'_>> = self
            .documents
            .values()
            .filter(|kept| visible(kept, Some(&query.owner)))
            .filter(|kept| query.document_type.as_ref().is_none_or(|t| *t == kept.document.document_type))
            .filter(|kept| query.source.as_ref().is_none_or(|s| *s == kept.document.source))
            .filter(|kept| {
                kept.document.owner.is_some() || query.folder.as_ref().is_none_or(|f| f == folder(kept))
            })
            .flat_map(|kept| {
                let numbered = (kept.first_chunk..).zip(kept.document.chunks.iter().enumerate());
                numbered.map(move |(id, (index, chunk))| (id, Passage { id, index, chunk, kept }))
            })
            .collect();
        let by_words: HashMap<i64, f64> = best_by_words(&passages, query).into_iter().collect();
        let mut by_meaning = Best::new(query.candidates);
        for passage in passages.values() {
            if let Some(cosine) = cosine(*passage, query) {
                by_meaning.offer(passage.id, cosine);
            }
        }
        let by_meaning = by_meaning.into_ids();
        let found: BTreeSet<i64> =
            by_words.keys().copied().chain(by_meaning.iter().map(|(id, _)| *id)).collect();
        let found = found.iter().filter_map(|id| passages.get(id));
        found.map(|passage| hit(*passage, by_words.get(&passage.id).copied(), query)).collect()
    }
}

fn visible(kept: &Kept, owner: Option<&UserId>) -> bool {
    kept.document.owner.is_none() || kept.document.owner.as_ref() == owner
}

/// What stands before the first `/` of its name; empty where there is none.
fn folder(kept: &Kept) -> &str {
    kept.document.source.split_once('/').map_or("", |(folder, _)| folder)
}

fn cosine(passage: Passage<'_>, query: &ChunkQuery) -> Option<f64> {
    let (embedder, wanted) = query.vector.as_ref()?;
    // Directions of different models have nothing to do with each other.
    if passage.kept.document.embedder != *embedder {
        return None;
    }
    vector::cosine(wanted, passage.chunk.vector.as_ref()?)
}

fn best_by_words(passages: &BTreeMap<i64, Passage<'_>>, query: &ChunkQuery) -> Vec<(i64, f64)> {
    let wanted = words::plain(&query.words);
    if wanted.is_empty() {
        return Vec::new();
    }
    let texts: Vec<(i64, Vec<String>)> = passages
        .values()
        .map(|passage| {
            let text = format!("{} {}", passage.chunk.heading, passage.chunk.content).to_lowercase();
            let words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
            (passage.id, words.map(str::to_owned).collect())
        })
        .collect();
    let count = texts.len() as f64;
    let average = texts.iter().map(|(_, words)| words.len() as f64).sum::<f64>() / count.max(1.0);
    let rarity: Vec<f64> = wanted
        .iter()
        .map(|word| {
            let with = texts.iter().filter(|(_, words)| words.contains(word)).count() as f64;
            ((count - with + 0.5) / (with + 0.5) + 1.0).ln()
        })
        .collect();
    let mut best = Best::new(query.candidates);
    for (id, words) in &texts {
        let long = 1.0 - LENGTH + LENGTH * words.len() as f64 / average.max(1.0);
        let score: f64 = wanted
            .iter()
            .zip(&rarity)
            .map(|(word, rarity)| {
                let often = words.iter().filter(|w| *w == word).count() as f64;
                rarity * often * (SATURATION + 1.0) / (often + SATURATION * long)
            })
            .sum();
        if score > 0.0 {
            best.offer(*id, score);
        }
    }
    best.into_ids()
}

fn hit(passage: Passage<'_>, bm25: Option<f64>, query: &ChunkQuery) -> ChunkHit {
    let document = &passage.kept.document;
    ChunkHit {
        chunk_id: passage.id,
        document_id: document.id.clone(),
        source: document.source.clone(),
        document_type: document.document_type.clone(),
        metadata: document.metadata.clone(),
        index: passage.index,
        heading: passage.chunk.heading.clone(),
        content: passage.chunk.content.clone(),
        bm25,
        cosine: cosine(passage, query),
        indexed_at: document.at,
    }
}
