//! What a turn over HTTP says beside its answer: how heavy it is for this person, how near he is to flow, and what he could
//! ask next. Indices from what is known of him and templates filled from his own words: no model is asked, and nothing here
//! is a measurement of a mind.

use headwater_core::event::Emotion;
use serde::Serialize;

use super::ability::Ability;
use super::difficulty::Difficulty;
use super::plain::spoken;
use super::topic::{PHRASE_BYTES, topic};

/// Words of a sentence from which on it weighs all that a sentence can.
const LONG_SENTENCE: f64 = 40.0;
/// Letters of a word that is counted as a long one.
const LONG_WORD: usize = 9;
/// Share of long words from which on a text weighs all that words can.
const MANY_LONG_WORDS: f64 = 0.4;
/// How far difficulty may be from ability before nothing of flow is left.
const OUT_OF_FLOW: f64 = 0.5;

/// A question that the person could ask next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggested {
    /// The question.
    pub question: String,
    /// Why it is suggested.
    pub rationale: String,
    /// How much harder than this turn it is, -0.1, 0 or 0.1.
    pub difficulty_delta: f64,
    /// What it is about, as [`super::category`] says of this turn.
    pub category: String,
}

/// How heavy the turn is, 0 to 1: `0.5·(1 − P) + 0.3·text + 0.2·strain`. P is the chance to manage it (2PL), `text` the
/// mean of how long the sentences and the words of the message are, `strain` how bad and excited he feels at once.
#[must_use]
pub fn cognitive_load(
    message: &str,
    ability: &Ability,
    difficulty: Difficulty,
    emotion: Option<&Emotion>,
) -> f64 {
    let strain = emotion.map_or(0.0, |e| (-e.valence).max(0.0) * e.arousal);
    rounded(0.5 * (1.0 - ability.chance(difficulty.value())) + 0.3 * weight_of(message) + 0.2 * strain)
}

/// How near he is to flow, 0 to 1: `0.6·balance + 0.25·(1 + valence)/2 + 0.15·attention`. Balance is 1 where the difficulty
/// is his ability and 0 where they are half the scale apart; attention is 1 at an arousal of 0.5 and 0 at both ends. Of
/// somebody whose feelings are not known both are taken to be middling.
#[must_use]
pub fn flow_state_score(ability: &Ability, difficulty: Difficulty, emotion: Option<&Emotion>) -> f64 {
    let apart = (difficulty.value() - ability.theta).abs() / OUT_OF_FLOW;
    let (pleasure, attention) =
        emotion.map_or((0.5, 0.5), |e| (f64::midpoint(1.0, e.valence), 1.0 - 2.0 * (e.arousal - 0.5).abs()));
    rounded(0.6 * (1.0 - apart).max(0.0) + 0.25 * pleasure + 0.15 * attention)
}

/// Three questions that lead on, an easier one, one like this and a harder one, about what the message asks of, else about
/// the subject. Empty where there is neither. The sentences are right for one thing and for many, with an article and without.
#[must_use]
pub fn suggested_questions(message: &str, subject: Option<&str>, category: &str) -> Vec<Suggested> {
    let subject = subject.map(str::trim).filter(|s| !s.is_empty() && s.len() <= PHRASE_BYTES);
    let Some(phrase) = topic(message).or_else(|| subject.map(str::to_owned)) else { return Vec::new() };
    let field = subject.map(|s| format!(" of {s}")).unwrap_or_default();
    let [easier, alike, harder] = match category {
        "coding" => [
            format!("Can you show me the smallest program with {phrase}?"),
            format!("What are the usual mistakes with {phrase}?"),
            format!("How would I test code that has to do with {phrase}, and what are the edge cases?"),
        ],
        "math" => [
            format!("Can you show me {phrase} step by step with small numbers?"),
            format!("Can you give me an exercise on {phrase}?"),
            format!("What can be proved about {phrase}, and how?"),
        ],
        _ => [
            format!("What should I know first about {phrase}?"),
            format!("Can you ask me a question about {phrase}?"),
            format!("What do even experts find hard to explain about {phrase}?"),
        ],
    };
    let made = |question, rationale: String, difficulty_delta| Suggested {
        question,
        rationale,
        difficulty_delta,
        category: category.to_owned(),
    };
    vec![
        made(easier, format!("Goes back to the basics{field}."), -0.1),
        made(alike, "Practises the same once more.".to_owned(), 0.0),
        made(harder, "Goes a step beyond this question.".to_owned(), 0.1),
    ]
}

/// How long the sentences and the words of a message are, 0 to 1.
fn weight_of(message: &str) -> f64 {
    let said = spoken(message);
    let words = |text: &str| text.split_whitespace().filter(|w| w.chars().any(char::is_alphabetic)).count();
    let longest = said.split(['.', '!', '?', '\n']).map(words).max().unwrap_or_default() as f64;
    let long = said
        .split_whitespace()
        .filter(|w| w.chars().filter(|c| c.is_alphabetic()).count() >= LONG_WORD)
        .count();
    let share = long as f64 / words(&said).max(1) as f64;
    f64::midpoint((longest / LONG_SENTENCE).min(1.0), (share / MANY_LONG_WORDS).min(1.0))
}

/// Two digits: what comes after them would pretend to more than an index knows.
fn rounded(x: f64) -> f64 {
    (x.clamp(0.0, 1.0) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use headwater_core::event::Readiness;

    use super::*;
    use crate::tutor::difficulty::Mood;

    fn feels(valence: f64, arousal: f64) -> Emotion {
        Emotion { primary: "fear".to_owned(), arousal, valence, readiness: Readiness::NotReady }
    }

    fn at(theta: f64) -> (Ability, Difficulty) {
        (Ability { theta, ..Ability::default() }, Difficulty::of(theta, Mood::Even))
    }

    #[test]
    fn a_load_grows_with_what_is_asked_and_with_strain() {
        let (ability, difficulty) = at(0.5);
        let easy = cognitive_load("What is two?", &ability, difficulty, None);
        let long =
            "Considering the aforementioned thermodynamical equilibrium, characterize irreversibility. "
                .repeat(3);
        let heavy = cognitive_load(&long, &ability, difficulty, None);
        let afraid = cognitive_load("What is two?", &ability, difficulty, Some(&feels(-0.7, 0.8)));
        assert!(easy < heavy && easy < afraid, "{easy} {heavy} {afraid}");
        let hard = cognitive_load("What is two?", &ability, Difficulty::of(1.0, Mood::Bored), None);
        assert!(easy < hard && hard <= 1.0);
        assert!(cognitive_load("", &ability, difficulty, None) >= 0.0);
    }

    #[test]
    fn flow_is_where_difficulty_meets_ability() {
        let (ability, difficulty) = at(0.8);
        let near = flow_state_score(&ability, Difficulty::of(0.8, Mood::Bored), None);
        assert!(near > flow_state_score(&ability, difficulty, None));
        let glad = flow_state_score(&ability, difficulty, Some(&feels(0.9, 0.5)));
        let afraid = flow_state_score(&ability, difficulty, Some(&feels(-0.7, 0.9)));
        assert!(glad > afraid && (0.0..=1.0).contains(&glad) && afraid >= 0.0);
    }

    #[test]
    fn questions_are_made_of_the_persons_own_words() {
        let made = suggested_questions(
            "Can you explain how binary search trees work?",
            Some("algorithms"),
            "coding",
        );
        assert_eq!(made.len(), 3);
        assert!(
            made.iter().all(|s| s.question.contains("binary search trees") && s.category == "coding"),
            "{made:?}"
        );
        assert_eq!(made.iter().map(|s| s.difficulty_delta).collect::<Vec<_>>(), [-0.1, 0.0, 0.1]);
        assert!(made[0].rationale.contains("algorithms"));
        // Without a phrase the subject, without a subject nothing.
        assert!(suggested_questions("and why?", Some("physics"), "general")[0].question.contains("physics"));
        assert!(suggested_questions("and why?", None, "general").is_empty());
        // A subject is the client's own text: one that is no term is not repeated.
        assert!(suggested_questions("and why?", Some(&"x".repeat(10_000)), "general").is_empty());
        assert!(suggested_questions("```let secret = 1;```", None, "coding").is_empty());
    }

    // Planted fault: sentences with a verb for one thing alone ("What does plants mean").
    #[test]
    fn sentences_fit_one_and_many() {
        let first = |message: &str, category: &str| {
            suggested_questions(message, None, category).into_iter().map(|s| s.question).collect::<Vec<_>>()
        };
        assert_eq!(
            first("How do plants make food?", "research"),
            [
                "What should I know first about plants?",
                "Can you ask me a question about plants?",
                "What do even experts find hard to explain about plants?",
            ]
        );
        assert_eq!(
            first("What is the chain rule?", "math"),
            [
                "Can you show me the chain rule step by step with small numbers?",
                "Can you give me an exercise on the chain rule?",
                "What can be proved about the chain rule, and how?",
            ]
        );
        assert_eq!(
            first("How do I reverse a linked list?", "coding")[1],
            "What are the usual mistakes with a linked list?"
        );
    }
}
