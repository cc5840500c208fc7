//! Shapes that the answer of a turn and the history have in common.

use headwater_core::Millis;
use headwater_core::event::{Emotion, Readiness, Source};
use schemars::JsonSchema;
use serde::Serialize;

/// How the person seems to feel.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "EmotionState")]
pub(in crate::http) struct EmotionView {
    /// One of the 28 labels of GoEmotions.
    primary_emotion: String,
    /// From calm to excited, 0 to 1.
    arousal: f64,
    /// From bad to good, -1 to 1.
    valence: f64,
    /// How ready he is to learn now.
    learning_readiness: Readiness,
}

impl From<Emotion> for EmotionView {
    fn from(emotion: Emotion) -> Self {
        let Emotion { primary, arousal, valence, readiness } = emotion;
        Self { primary_emotion: primary, arousal, valence, learning_readiness: readiness }
    }
}

/// What the model was given beside the question.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ContextRetrieved")]
pub(in crate::http) struct ContextView {
    /// Earlier messages of the session, the newest.
    pub(super) recent_messages_used: u32,
    /// Earlier messages of the session that are about the same.
    pub(super) relevant_messages_used: u32,
    /// Whether those were looked for by meaning.
    pub(super) semantic_search_enabled: bool,
    /// Whether the knowledge base was searched.
    pub(super) rag_enabled: bool,
    /// Names of the documents that were found there, best first; only where it was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rag_sources: Option<Vec<String>>,
}

/// The documents of these passages, each once.
pub(super) fn names(sources: &[Source]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for source in sources {
        if !names.contains(&source.source) {
            names.push(source.source.clone());
        }
    }
    names
}

/// As the original writes times: `2026-11-21T16:21:16.123Z`.
pub(super) fn time(at: Millis) -> String {
    let shown = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{shown:.3}")
}
