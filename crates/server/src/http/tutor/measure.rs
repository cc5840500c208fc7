//! Numbers about a turn that stand in no event: how hard the next question should be, how much this one asked of
//! the person, and what he might ask next. All follow from the log and his own words, so that a turn sent again gets
//! the same; the formulas are the tutor's own (`engine/tutor`).

use headwater_core::event::Emotion;
use headwater_engine::tutor::ability::Ability;
use headwater_engine::tutor::cognitive;
use headwater_engine::tutor::difficulty::{Difficulty, Mood};
use schemars::JsonSchema;
use serde::Serialize;

/// What is known of the person's ability after the turn.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AbilityInfo")]
pub(in crate::http) struct AbilityInfo {
    /// 0 to 1.
    ability_level: f64,
    /// 0 to 1.
    recommended_difficulty: f64,
    /// How much the turn asks of him, 0 to 1.
    cognitive_load: f64,
    /// How well what is asked and what he can fit together, 0 to 1.
    flow_state_score: f64,
}

/// Something that he might ask next.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "SuggestedQuestion")]
pub(in crate::http) struct Suggestion {
    question: String,
    /// Why.
    rationale: String,
    /// How much harder than this one it is; negative is easier.
    difficulty_delta: f64,
    /// As `category_detected` says it.
    category: String,
}

/// Of a turn after which the ability is `level`, 0 to 1.
pub(super) fn ability(level: f64, message: &str, felt: Option<&Emotion>) -> AbilityInfo {
    let ability = Ability { theta: level, ..Ability::default() };
    let difficulty = Difficulty::of(level, Mood::of(felt, message));
    AbilityInfo {
        ability_level: level,
        recommended_difficulty: difficulty.value(),
        cognitive_load: cognitive::cognitive_load(message, &ability, difficulty, felt),
        flow_state_score: cognitive::flow_state_score(&ability, difficulty, felt),
    }
}

/// What he might ask next, where his words say what it is about.
pub(super) fn suggestions(message: &str, subject: Option<&str>, category: &str) -> Vec<Suggestion> {
    let all = cognitive::suggested_questions(message, subject, category);
    let shown = |s: cognitive::Suggested| Suggestion {
        question: s.question,
        rationale: s.rationale,
        difficulty_delta: s.difficulty_delta,
        category: s.category,
    };
    all.into_iter().map(shown).collect()
}
