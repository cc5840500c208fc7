//! Numbers about a turn that stand in no event: how hard the next question should be, how much this one asked of
//! the person, and what he might ask next. All follow from the log, so that a turn sent again gets the same.
//!
//! The one place where the wire's numbers are made: what the tutor itself reckons with (its difficulty, load and flow)
//! is to be called from here.

use headwater_core::event::{Emotion, Readiness};
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

pub(super) fn ability(level: f64, felt: Option<&Emotion>) -> AbilityInfo {
    let difficulty = difficulty(level, felt);
    // Excitement costs nothing where it is a good one.
    let strain = felt.map_or(0.0, |e| e.arousal * (0.5 - 0.5 * e.valence));
    let load = (0.5 * difficulty + 0.5 * strain).clamp(0.0, 1.0);
    let flow = ((1.0 - (difficulty - level).abs()) * (1.0 - 0.5 * load)).clamp(0.0, 1.0);
    AbilityInfo {
        ability_level: level,
        recommended_difficulty: difficulty,
        cognitive_load: load,
        flow_state_score: flow,
    }
}

/// The contract's formula: ability × 0.75, moved by how the person feels.
fn difficulty(ability: f64, felt: Option<&Emotion>) -> f64 {
    let moved = match felt.map(|e| e.primary.as_str()) {
        Some("anger" | "annoyance" | "disappointment" | "fear" | "nervousness" | "confusion") => -0.1,
        Some("boredom") => 0.15,
        Some("joy" | "excitement") => 0.05,
        _ => 0.0,
    };
    (ability * 0.75 + moved).clamp(0.0, 1.0)
}

/// Three, the one that fits his readiness first.
pub(super) fn suggestions(category: &str, felt: Option<&Emotion>) -> Vec<Suggestion> {
    let [easier, same, harder] = match category {
        "coding" => [
            "Can you go through that code line by line?",
            "How would I test that?",
            "How would that change for much more data?",
        ],
        "math" => [
            "Can you show that with small numbers?",
            "Can you give me a similar problem to solve?",
            "How is that proved?",
        ],
        _ => {
            ["Can you explain that with a simple example?", "Where would I use that?", "What are its limits?"]
        }
    };
    let of = |question: &str, rationale: &str, delta| Suggestion {
        question: question.to_owned(),
        rationale: rationale.to_owned(),
        difficulty_delta: delta,
        category: category.to_owned(),
    };
    let mut all = vec![
        of(easier, "The same from nearer", -0.1),
        of(same, "The same, used", 0.0),
        of(harder, "The next step", 0.1),
    ];
    match felt.map(|e| e.readiness) {
        Some(Readiness::LowReadiness | Readiness::NotReady) => {}
        Some(Readiness::OptimalReadiness | Readiness::HighReadiness) => all.reverse(),
        Some(Readiness::ModerateReadiness) | None => all.swap(0, 1),
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn felt(primary: &str, arousal: f64, valence: f64, readiness: Readiness) -> Emotion {
        Emotion { primary: primary.into(), arousal, valence, readiness }
    }

    #[test]
    fn difficulty_follows_the_contract() {
        let of = |ability, primary| {
            difficulty(ability, Some(&felt(primary, 0.5, 0.0, Readiness::ModerateReadiness)))
        };
        for (ability, primary, expected) in [
            (0.5, "neutral", 0.375),
            (0.5, "nervousness", 0.275),
            (0.5, "boredom", 0.525),
            (0.5, "joy", 0.425),
            (0.0, "anger", 0.0),
            (1.0, "boredom", 0.9),
        ] {
            assert!((of(ability, primary) - expected).abs() < 1e-9, "{ability} {primary}");
        }
    }

    #[test]
    fn numbers_stay_within_their_bounds_and_strain_shows() {
        for ability_level in [0.0, 0.3, 1.0] {
            for valence in [-1.0, 0.0, 1.0] {
                let info = ability(ability_level, Some(&felt("anger", 1.0, valence, Readiness::NotReady)));
                for number in [info.recommended_difficulty, info.cognitive_load, info.flow_state_score] {
                    assert!((0.0..=1.0).contains(&number), "{info:?}");
                }
            }
        }
        let calm = ability(0.5, Some(&felt("neutral", 0.1, 0.5, Readiness::OptimalReadiness)));
        let strained = ability(0.5, Some(&felt("anger", 0.9, -0.8, Readiness::LowReadiness)));
        assert!(calm.cognitive_load < strained.cognitive_load);
        assert!(calm.flow_state_score > strained.flow_state_score);
    }

    #[test]
    fn who_is_ready_is_asked_for_more() {
        let first =
            |readiness| suggestions("math", Some(&felt("joy", 0.5, 0.5, readiness)))[0].difficulty_delta;
        assert!(first(Readiness::OptimalReadiness) > first(Readiness::ModerateReadiness));
        assert!(first(Readiness::ModerateReadiness) > first(Readiness::NotReady));
    }
}
