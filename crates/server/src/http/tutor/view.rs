//! Shapes that the answer of a turn, the history and the socket's frames have in common.

use headwater_core::Millis;
use headwater_core::event::{Emotion, Readiness, Source};
use headwater_core::port::provider::Usage;
use headwater_engine::engine::told::Learned;
use schemars::JsonSchema;
use serde::Serialize;

/// What is said to who asks too often (contract).
pub(crate) const TOO_OFTEN: &str = "Rate limit exceeded. Please slow down.";

/// How the person seems to feel.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "EmotionState")]
pub(crate) struct EmotionView {
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

/// What was learned of somebody's ability in a turn.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "AbilityLearned")]
pub(crate) struct AbilityView {
    /// In what.
    pub(crate) subject: String,
    /// 0 to 1.
    pub(crate) new_ability: f64,
    /// How sure that is, 0 to 1.
    pub(crate) confidence: f64,
}

impl From<Learned> for AbilityView {
    fn from(learned: Learned) -> Self {
        let Learned { subject, ability, confidence } = learned;
        Self { subject, new_ability: ability, confidence }
    }
}

/// What the model was given beside the question.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ContextRetrieved")]
pub(crate) struct ContextView {
    /// Earlier messages of the session, the newest.
    pub(crate) recent_messages_used: u32,
    /// Earlier messages of the session that are about the same.
    pub(crate) relevant_messages_used: u32,
    /// Whether those were looked for by meaning.
    pub(crate) semantic_search_enabled: bool,
    /// Whether the knowledge base was searched.
    pub(crate) rag_enabled: bool,
    /// Names of the documents that were found there, best first; only where it was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rag_sources: Option<Vec<String>>,
}

/// The documents of these passages, each once.
pub(crate) fn names(sources: &[Source]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for source in sources {
        if !names.contains(&source.source) {
            names.push(source.source.clone());
        }
    }
    names
}

/// Prompt and answer together, where at least one is known.
pub(crate) fn tokens(usage: Usage) -> Option<u64> {
    let (input, output) = (usage.input_tokens, usage.output_tokens);
    (input.is_some() || output.is_some())
        .then(|| input.unwrap_or_default().saturating_add(output.unwrap_or_default()))
}

/// As the original writes times: `2026-11-21T16:21:16.123Z`.
pub(super) fn time(at: Millis) -> String {
    let shown = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{shown:.3}")
}
