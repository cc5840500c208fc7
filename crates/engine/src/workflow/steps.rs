//! Cuts what a model thinks into steps while it streams: a step ends with a sentence or a paragraph.
//!
//! In which way a step is thought, and how sure it sounds, is measured by its words alone. That is a measure of the
//! words and not of the truth: of the firm and the doubting words among them the share that is firm, with one of each
//! counted beside them, so that a step without any is at one half.

use headwater_core::event::{Body, ThinkingMode};
use headwater_core::limit;

use crate::assistant::words::{occurs, stems};
use crate::mask::{Kinds, Window};

/// Words of an idea: examples, comparisons, what if.
const CREATIVE: [&str; 18] = [
    "imagine",
    "example",
    "analogy",
    "like a",
    "picture",
    "story",
    "what if",
    "metaphor",
    "suppose",
    "creative",
    "idea",
    "similar to",
    "think of",
    "everyday",
    "real life",
    "visualize",
    "brainstorm",
    "invent",
];
/// Words about the thinking, or about who is taught.
const METACOGNITIVE: [&str; 22] = [
    "user",
    "student",
    "learner",
    "person",
    "they ask",
    "their level",
    "beginner",
    "i should",
    "i need to",
    "let me",
    "my answer",
    "my approach",
    "check my",
    "double check",
    "explain",
    "understanding",
    "plan",
    "strategy",
    "respond",
    "ask them",
    "am i",
    "reconsider",
];
/// Words that doubt.
const DOUBTING: [&str; 18] = [
    "maybe",
    "perhaps",
    "might",
    "could be",
    "not sure",
    "unsure",
    "uncertain",
    "unclear",
    "probably",
    "possibly",
    "seems",
    "wait",
    "hmm",
    "i think",
    "i guess",
    "or is it",
    "assume",
    "roughly",
];
/// Words that are sure.
const FIRM: [&str; 14] = [
    "therefore",
    "so the",
    "thus",
    "hence",
    "clearly",
    "must",
    "certainly",
    "definitely",
    "exactly",
    "indeed",
    "always",
    "by definition",
    "correct",
    "follows that",
];

/// Steps of one run, numbered.
pub(super) struct Steps {
    window: Window,
    held: String,
    step: u32,
}

impl Steps {
    /// The first of them will be number 1. What is of these kinds is masked before it is cut, or a number that is cut
    /// in two would be shown.
    pub(super) fn new(kinds: Kinds) -> Self {
        Self { window: Window::new(kinds), held: String::new(), step: 0 }
    }

    /// The next step, which is no part of what streams.
    pub(super) fn own(&mut self, mode: ThinkingMode, text: String, confidence: Option<f64>) -> Body {
        self.step += 1;
        let confidence = confidence.map(two_digits);
        Body::Thought {
            id: format!("step_{}", self.step),
            team: None,
            step: self.step,
            mode: Some(mode),
            text,
            confidence,
        }
    }

    /// Takes the next piece of what is thought, and gives the steps that are whole now.
    pub(super) fn push(&mut self, piece: &str) -> Vec<Body> {
        let safe = self.window.push(piece);
        self.held.push_str(&safe);
        let mut steps = Vec::new();
        while let Some(end) = end_of_step(&self.held) {
            let step: String = self.held.drain(..end).collect();
            steps.extend(self.whole(&step));
        }
        steps
    }

    /// The thinking is over, for now: what is left of it is a step.
    pub(super) fn rest(&mut self) -> Option<Body> {
        let safe = self.window.finish();
        self.held.push_str(&safe);
        let rest = std::mem::take(&mut self.held);
        self.whole(&rest)
    }

    fn whole(&mut self, text: &str) -> Option<Body> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let stems = stems(text);
        Some(self.own(mode(&stems), text.to_owned(), Some(confidence(&stems))))
    }
}

/// Where the first step ends, behind what parts it from the next; `None` while that is not known.
fn end_of_step(text: &str) -> Option<usize> {
    let mut letters = text.char_indices().peekable();
    let mut last_space = None;
    while let Some((at, c)) = letters.next() {
        let after = at + c.len_utf8();
        let next = letters.peek().map(|(_, c)| *c);
        if c.is_whitespace() {
            last_space = Some(after);
        }
        let paragraph = c == '\n' && text[after..].starts_with('\n');
        // What stands between two spaces may be an abbreviation, but then a short step joins the next.
        let sentence = matches!(c, '.' | '!' | '?') && next.is_some_and(char::is_whitespace)
            || matches!(c, '。' | '！' | '？') && next.is_some();
        if (paragraph || sentence) && after >= limit::STEP_LEAST {
            return Some(after);
        }
        if after >= limit::STEP_BYTES && next.is_some() {
            return Some(last_space.unwrap_or(after));
        }
    }
    None
}

fn count(phrases: &[&str], text: &[String]) -> usize {
    phrases.iter().filter(|phrase| occurs(&stems(phrase), text)).count()
}

/// Of equals the plainer.
fn mode(text: &[String]) -> ThinkingMode {
    let (creative, meta) = (count(&CREATIVE, text), count(&METACOGNITIVE, text));
    match creative.cmp(&meta) {
        _ if creative.max(meta) == 0 => ThinkingMode::Analytical,
        std::cmp::Ordering::Greater => ThinkingMode::Creative,
        std::cmp::Ordering::Less => ThinkingMode::Metacognitive,
        std::cmp::Ordering::Equal => ThinkingMode::Analytical,
    }
}

fn confidence(text: &[String]) -> f64 {
    let (firm, doubting) = (count(&FIRM, text) as f64, count(&DOUBTING, text) as f64);
    (firm + 1.0) / (firm + doubting + 2.0)
}

fn two_digits(number: f64) -> f64 {
    (number.clamp(0.0, 1.0) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const THOUGHT: &str = "The student asks about fractions, so I should explain it at their level and plan it. \
        Perhaps a pizza would do: imagine a pizza, for example, that is like a clock with pieces. \
        Therefore 3/4 of it must be exactly 0.75, since three pieces divided by four pieces is 0.75 and nothing is left over.\n\nDone";

    fn cut(text: &str, size: usize) -> Vec<Body> {
        let mut steps = Steps::new(Kinds::ALL);
        let letters: Vec<char> = text.chars().collect();
        let pieces = letters.chunks(size).map(|c| c.iter().collect::<String>());
        let mut all: Vec<Body> = pieces.flat_map(|piece| steps.push(&piece)).collect();
        all.extend(steps.rest());
        all
    }

    fn told(body: &Body) -> (u32, ThinkingMode, &str, f64) {
        match body {
            Body::Thought { step, mode: Some(mode), text, confidence: Some(sure), .. } => {
                (*step, *mode, text, *sure)
            }
            other => panic!("{other:?}"),
        }
    }

    // Planted fault: a sentence's end taken where a figure has its point.
    #[test]
    fn steps_are_sentences_and_paragraphs_however_the_thought_is_cut() {
        let whole = cut(THOUGHT, usize::MAX);
        let steps: Vec<_> = whole.iter().map(told).collect();
        assert_eq!(steps.len(), 4, "{steps:#?}");
        assert_eq!(steps.iter().map(|s| s.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
        use ThinkingMode::{Analytical, Creative, Metacognitive};
        assert_eq!(
            steps.iter().map(|s| s.1).collect::<Vec<_>>(),
            [Metacognitive, Creative, Analytical, Analytical]
        );
        assert!(steps[2].2.contains("0.75, since three pieces divided by four pieces is 0.75 and"));
        assert!(steps[1].3 < 0.5 && steps[2].3 > 0.5 && (steps[3].3 - 0.5).abs() < 1e-9, "{steps:?}");
        for size in [1, 2, 7, 40] {
            assert_eq!(cut(THOUGHT, size), whole, "pieces of {size}");
        }
    }

    // Planted fault: masked step by step, each by itself.
    #[test]
    fn a_thought_without_an_end_is_cut_between_words_and_no_number_is_cut_out_of_its_mask() {
        let text = format!(
            "{} call 555 867 5309 or write to ann@example.com {}",
            "word ".repeat(117),
            "again ".repeat(200)
        );
        for size in [1, 13, 10_000] {
            let steps = cut(&text, size);
            assert!(steps.len() >= 3);
            let joined: Vec<_> = steps.iter().map(|s| told(s).2).collect();
            assert!(joined.iter().all(|s| s.len() <= limit::STEP_BYTES), "{joined:?}");
            let joined = joined.join(" ");
            assert!(joined.contains("call [PHONE] or write to [EMAIL] again"), "{joined}");
            // The number stands across a cut, and is one word now.
            assert_eq!(joined.split_whitespace().count() + 2, text.split_whitespace().count());
        }
        assert!(cut(&"x".repeat(5_000), 100).len() > 5);
        assert!(cut(" \n\n ", 1).is_empty());
    }
}
