//! Finds the passages that a question is about: by meaning, with words to break ties and to match names
//! and numbers exactly.
//!
//! Words do not vote on meaning: on paraphrases BM25 finds 8 % where the embeddings find 75 %, and an
//! equal vote makes the embeddings worse. So a word hit adds a little, an exact name or number adds more,
//! and only where there are no embeddings do words decide.

use std::sync::Arc;

use headwater_core::port::store::{ChunkHit, ChunkQuery};
use headwater_core::port::{SharedEmbedder, SharedStore};
use headwater_core::{Error, Millis, UserId, limit};

use crate::engine::store_failed;
use crate::mask::{Kinds, mask};
use crate::stop_words::is_stop_word;

/// Cosine at which a passage is as likely right as wrong. Measured on the labelled set: right passages
/// have a median of 0.39 and a tenth percentile of 0.25, questions about something else peak at 0.21.
const EVEN_COSINE: f64 = 0.25;
/// How fast likelihood grows with the cosine around there.
const STEEPNESS: f64 = 8.0;
/// What the best word match adds to a score: enough to order equals, no more.
const TIE_BREAK: f64 = 0.03;
/// What an exact name or number adds, and the most that several add.
const EXACT: f64 = 0.1;
const EXACT_MOST: f64 = 0.2;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Question {
    /// Who asks: sees what is shared and his own.
    pub owner: UserId,
    /// The question; a follow-up with the question before it in front.
    pub text: String,
    /// The most passages.
    pub top_k: usize,
    /// The least score, 0 to 1.
    pub min_score: f64,
    /// Only this kind of document.
    pub document_type: Option<String>,
    /// Only this document.
    pub source: Option<String>,
    /// Of what is shared, only what is in this folder; see [`ChunkQuery::folder`].
    pub folder: Option<String>,
}

/// A passage and how well it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The document's name.
    pub source: String,
    /// The document's kind.
    pub document_type: String,
    /// The document's id.
    pub document_id: String,
    /// Number of the passage in the document, from 0.
    pub index: usize,
    /// The headings above it.
    pub heading: String,
    /// The text.
    pub content: String,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// What is stored beside the document, see [`crate::ingest::About`].
    pub metadata: String,
    /// When the document was last replaced.
    pub indexed_at: Millis,
}

/// Finds the best passages, best first.
///
/// # Errors
/// The store's failure. An embedder that fails is told to the log and the words decide.
pub async fn retrieve(
    store: &SharedStore,
    embedder: Option<&SharedEmbedder>,
    question: Question,
) -> Result<Vec<Passage>, Error> {
    let vector = match embedder {
        Some(embedder) => match embedder.embed(vec![question.text.clone()]).await {
            Ok(mut vectors) => vectors.pop().map(|v| (embedder.id().to_owned(), v)),
            Err(error) => {
                let error = error.to_string();
                let error = mask(&error, Kinds::ALL);
                tracing::warn!(%error, "the question could not be embedded; searching by words");
                None
            }
        },
        None => None,
    };
    search(store, vector, question).await
}

/// The same with the question's meaning and the embedder that made it, where they are known already; without it
/// the words decide.
///
/// # Errors
/// The store's failure.
pub async fn search(
    store: &SharedStore,
    vector: Option<(String, Vec<f32>)>,
    question: Question,
) -> Result<Vec<Passage>, Error> {
    let words = words(&question.text);
    let query = ChunkQuery {
        owner: question.owner,
        words: words.clone(),
        vector,
        document_type: question.document_type,
        source: question.source,
        folder: question.folder,
        candidates: limit::SEARCH_CANDIDATES,
    };
    let hits = Arc::clone(store).search(query).await.map_err(store_failed)?;
    Ok(rank(hits, &words, question.top_k.min(limit::SEARCH_TOP_K), question.min_score))
}

/// The words of a text that say something, lower case, none twice, at most 32.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let word = word.to_lowercase();
        if !word.is_empty() && !is_stop_word(&word) && !words.contains(&word) && words.len() < 32 {
            words.push(word);
        }
    }
    words
}

fn rank(hits: Vec<ChunkHit>, words: &[String], top_k: usize, min_score: f64) -> Vec<Passage> {
    let best_bm25 = hits.iter().filter_map(|h| h.bm25).fold(f64::EPSILON, f64::max);
    let mut passages: Vec<Passage> = hits
        .into_iter()
        .map(|hit| {
            let score = score(&hit, words, best_bm25);
            Passage {
                source: hit.source,
                document_type: hit.document_type,
                document_id: hit.document_id,
                index: hit.index,
                heading: hit.heading,
                content: hit.content,
                score,
                metadata: hit.metadata,
                indexed_at: hit.indexed_at,
            }
        })
        .filter(|p| p.score >= min_score)
        .collect();
    passages.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| (&a.source, a.index).cmp(&(&b.source, b.index)))
    });
    passages.truncate(top_k);
    passages
}

fn score(hit: &ChunkHit, words: &[String], best_bm25: f64) -> f64 {
    let text = format!("{} {}", hit.heading, hit.content).to_lowercase();
    let in_text = |word: &str| text.split(|c: char| !c.is_alphanumeric()).any(|w| w == word);
    let by_words = hit.bm25.map_or(0.0, |b| (b / best_bm25).clamp(0.0, 1.0));
    let exact = words.iter().filter(|w| w.chars().any(|c| c.is_ascii_digit()) && in_text(w)).count();
    let exact = (exact as f64 * EXACT).min(EXACT_MOST);
    let base = match hit.cosine {
        Some(cosine) => 1.0 / (1.0 + (-STEEPNESS * (cosine - EVEN_COSINE)).exp()),
        None if words.is_empty() => 0.0,
        // Without meaning: how much of the question is in the passage.
        None => 0.9 * words.iter().filter(|w| in_text(w)).count() as f64 / words.len() as f64,
    };
    // Four digits: more would be read as more than it is.
    ((base + TIE_BREAK * by_words + exact).clamp(0.0, 1.0) * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(id: i64, content: &str, bm25: Option<f64>, cosine: Option<f64>) -> ChunkHit {
        ChunkHit {
            chunk_id: id,
            document_id: "d".into(),
            source: "s.md".into(),
            document_type: "manual".into(),
            metadata: "{}".into(),
            index: usize::try_from(id).unwrap(),
            heading: String::new(),
            content: content.into(),
            bm25,
            cosine,
            indexed_at: Millis(0),
        }
    }

    #[test]
    fn meaning_decides_and_words_break_ties() {
        let words = words("What is the power of the engine?");
        assert_eq!(words, ["power", "engine"]);
        let hits = vec![
            hit(0, "the power windows", Some(9.0), Some(0.2)),
            hit(1, "it makes 128 hp", None, Some(0.5)),
            hit(2, "engine output", Some(4.0), Some(0.5)),
        ];
        let order: Vec<_> = rank(hits, &words, 5, 0.0).iter().map(|p| p.index).collect();
        assert_eq!(order, [2, 1, 0]);
    }

    #[test]
    fn a_number_matches_exactly() {
        let words = words("fuse 17");
        let hits = vec![hit(0, "fuse 12", Some(1.0), Some(0.5)), hit(1, "fuse 17", Some(1.0), Some(0.48))];
        assert_eq!(rank(hits, &words, 5, 0.0)[0].index, 1);
    }

    #[test]
    fn without_meaning_words_decide() {
        let words = words("engine power");
        let hits = vec![hit(0, "engine power", Some(1.0), None), hit(1, "engine oil", Some(1.0), None)];
        let found = rank(hits, &words, 5, 0.5);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].index, 0);
    }
}
