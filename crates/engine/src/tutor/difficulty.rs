//! How hard the next step should be: below what somebody can do, and moved by how he feels.

use std::fmt;

use headwater_core::event::Emotion;

use super::plain::{Clause, Phrases, clauses, phrases, spoken};

/// Of somebody's ability, what the next step asks for: most of it should be within reach.
const WITHIN_REACH: f64 = 0.75;
/// From how much arousal on confusion is overwhelm. Calm confusion is where learning begins, and no reason to step back; the
/// label's own arousal is 0.45, so it is words in capitals and exclamation marks that bring it here.
const OVERWHELMED_FROM: f64 = 0.6;

/// What of a feeling moves the difficulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Nothing.
    Even,
    /// Frustration, anxiety or overwhelm: easier.
    Strained,
    /// Boredom: harder.
    Bored,
    /// Joy: a little harder.
    Glad,
}

/// Boredom is no label of GoEmotions, so it is read from words.
static BORED: Phrases = Phrases::new(|| {
    phrases(
        "bored, boring, too easy, so easy, way easy, too simple, too slow, yawn, not challenging, no \
         challenge, i already know, i know this already, i know all this, know this by heart, we did this \
         already",
    )
});
/// What somebody asks for who is bored; it counts as a question, too.
static WANTS_MORE: Phrases = Phrases::new(|| {
    phrases(
        "something harder, harder ones, hard ones, more difficult, more challenging, something \
         challenging, can we skip, skip this, can we move on, lets move on, next level, give me a \
         challenge",
    )
});
/// Overwhelm is no label either.
static OVERWHELMED: Phrases = Phrases::new(|| {
    phrases(
        "overwhelmed, overwhelming, too much, too fast, too many, too hard, too difficult, too \
         complicated, cant keep up, cannot keep up, slow down, over my head, my head is spinning, its all \
         too",
    )
});

impl Mood {
    /// What moves the difficulty: plain words first, then the label. Frustration is annoyance, anger and disappointment;
    /// anxiety is nervousness and fear; overwhelm is its words, and confusion where it is excited. Who finds the same thing
    /// boring and too hard is overwhelmed.
    #[must_use]
    pub fn of(emotion: Option<&Emotion>, message: &str) -> Self {
        let clauses = clauses(&spoken(message));
        if clauses.iter().any(|c| plainly(c, &OVERWHELMED)) {
            return Self::Strained;
        }
        if clauses.iter().any(|c| plainly(c, &BORED) || c.has_any(&WANTS_MORE)) {
            return Self::Bored;
        }
        let Some(emotion) = emotion else { return Self::Even };
        match emotion.primary.as_str() {
            "annoyance" | "anger" | "disappointment" | "nervousness" | "fear" => Self::Strained,
            "confusion" if emotion.arousal >= OVERWHELMED_FROM => Self::Strained,
            "joy" => Self::Glad,
            _ => Self::Even,
        }
    }

    /// What it adds to the difficulty.
    fn moves(self) -> f64 {
        match self {
            Self::Even => 0.0,
            Self::Strained => -0.1,
            Self::Bored => 0.15,
            Self::Glad => 0.05,
        }
    }
}

/// Whether one of the phrases is said, and neither asked nor denied.
fn plainly(clause: &Clause, phrases: &[Vec<String>]) -> bool {
    !clause.asks && phrases.iter().any(|phrase| clause.places(phrase).any(|at| !clause.is_negated(at)))
}

/// How hard the next step should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difficulty(f64);

/// A difficulty in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Below 0.3.
    Beginner,
    /// Below 0.5.
    Easy,
    /// Below 0.7.
    Moderate,
    /// Below 0.85.
    Challenging,
    /// From there on.
    Expert,
}

impl Difficulty {
    /// For an ability, 0 to 1, and a mood: `ability · 0.75`, and what the mood adds, within 0 to 1.
    #[must_use]
    pub fn of(ability: f64, mood: Mood) -> Self {
        let ability = if ability.is_finite() { ability.clamp(0.0, 1.0) } else { 0.5 };
        Self((ability * WITHIN_REACH + mood.moves()).clamp(0.0, 1.0))
    }

    /// 0 to 1.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }

    /// In a word.
    #[must_use]
    pub fn level(self) -> Level {
        match self.0 {
            d if d < 0.3 => Level::Beginner,
            d if d < 0.5 => Level::Easy,
            d if d < 0.7 => Level::Moderate,
            d if d < 0.85 => Level::Challenging,
            _ => Level::Expert,
        }
    }

    /// What the prompt says for it; see [`Level::instruction`].
    #[must_use]
    pub fn instruction(&self) -> &'static str {
        self.level().instruction()
    }
}

impl Level {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Beginner => "Beginner",
            Self::Easy => "Easy",
            Self::Moderate => "Moderate",
            Self::Challenging => "Challenging",
            Self::Expert => "Expert",
        }
    }

    /// What the model is told of how to explain, one or two sentences.
    #[must_use]
    pub fn instruction(self) -> &'static str {
        match self {
            Self::Beginner => {
                "Explain for a beginner: everyday words, one small step at a time, a concrete example before any rule. \
                 Explain each technical term when you first use it."
            }
            Self::Easy => {
                "Explain simply: short steps with a worked example, and say why each step is taken. Use few technical terms."
            }
            Self::Moderate => {
                "Explain at a moderate level: the idea, the usual terms, one example, and then let the learner try a part."
            }
            Self::Challenging => {
                "Explain at a challenging level: be brief about basics, use the technical terms, and leave a step for the \
                 learner to find."
            }
            Self::Expert => {
                "Explain for an expert: be precise and compact, skip basics, and name edge cases, proofs or trade-offs."
            }
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use headwater_core::event::Readiness;

    use super::*;

    fn feels(label: &str, arousal: f64) -> Emotion {
        Emotion { primary: label.to_owned(), arousal, valence: 0.0, readiness: Readiness::ModerateReadiness }
    }

    fn mood(text: &str, label: &str) -> Mood {
        Mood::of(Some(&feels(label, 0.5)), text)
    }

    #[test]
    fn a_feeling_moves_it() {
        let value = |ability, mood| Difficulty::of(ability, mood).value();
        for (mood, expected) in
            [(Mood::Even, 0.6), (Mood::Strained, 0.5), (Mood::Bored, 0.75), (Mood::Glad, 0.65)]
        {
            assert!((value(0.8, mood) - expected).abs() < 1e-9, "{mood:?}");
        }
        assert_eq!(value(0.0, Mood::Strained), 0.0);
        assert!(value(1.0, Mood::Bored) <= 1.0);
        assert_eq!(value(f64::NAN, Mood::Even), 0.375);
        assert_eq!(value(-3.0, Mood::Even), 0.0);
    }

    #[test]
    fn labels_begin_where_the_contract_says() {
        for (d, word) in [
            (0.0, "Beginner"),
            (0.2999, "Beginner"),
            (0.3, "Easy"),
            (0.4999, "Easy"),
            (0.5, "Moderate"),
            (0.6999, "Moderate"),
            (0.7, "Challenging"),
            (0.8499, "Challenging"),
            (0.85, "Expert"),
            (1.0, "Expert"),
        ] {
            assert_eq!(Difficulty(d).level().to_string(), word, "{d}");
        }
        // Everybody begins at Easy.
        assert_eq!(Difficulty::of(0.5, Mood::Even).level(), Level::Easy);
    }

    #[test]
    fn each_level_is_told_something_else() {
        let levels = [Level::Beginner, Level::Easy, Level::Moderate, Level::Challenging, Level::Expert];
        let told: std::collections::HashSet<_> = levels.iter().map(|l| l.instruction()).collect();
        assert_eq!(told.len(), 5);
        assert_eq!(Difficulty(0.9).instruction(), Level::Expert.instruction());
    }

    #[test]
    fn what_strains_what_bores_and_what_gladdens() {
        for label in ["annoyance", "anger", "disappointment", "nervousness", "fear"] {
            assert_eq!(mood("hm", label), Mood::Strained, "{label}");
        }
        assert_eq!(mood("hm", "joy"), Mood::Glad);
        for label in ["confusion", "curiosity", "neutral", "sadness", "excitement"] {
            assert_eq!(mood("hm", label), Mood::Even, "{label}");
        }
        assert_eq!(Mood::of(Some(&feels("confusion", 0.6)), "hm"), Mood::Strained);
        assert_eq!(Mood::of(None, "go on"), Mood::Even);
    }

    #[test]
    fn plain_words_come_before_the_label() {
        assert_eq!(mood("this is so boring", "annoyance"), Mood::Bored);
        assert_eq!(mood("Can we skip this?", "neutral"), Mood::Bored);
        assert_eq!(mood("I already know that.", "neutral"), Mood::Bored);
        assert_eq!(mood("it's all too much for me", "joy"), Mood::Strained);
        assert_eq!(mood("boring, and way too difficult", "neutral"), Mood::Strained);
        for text in
            ["Is it boring?", "it is not boring", "Why is sorting too slow?", "not too hard", "```bored```"]
        {
            assert_eq!(mood(text, "neutral"), Mood::Even, "{text}");
        }
    }
}
