//! A person's message as the lexicons read it: without code, not longer than a person says what he feels in, cut into
//! clauses of word stems.

use std::sync::LazyLock;

use headwater_core::limit;

use crate::assistant::words::stems;

/// Words that turn what follows into its opposite, as stems.
const NEGATIONS: [&str; 20] = [
    "not", "never", "nor", "hardly", "without", "cannot", "cant", "dont", "doesnt", "didnt", "isnt", "wasnt",
    "arent", "werent", "wont", "wouldnt", "havent", "hasnt", "hadnt", "noth",
];

/// Phrases as their stems, made once.
pub(super) type Phrases = LazyLock<Vec<Vec<String>>>;

/// The stems of each phrase of a list with commas.
pub(super) fn phrases(list: &str) -> Vec<Vec<String>> {
    list.split(',').map(stems).filter(|phrase| !phrase.is_empty()).collect()
}

/// How many words before a phrase a negation may stand: "not at all happy".
const REACH: usize = 3;

/// One clause: its stems, and whether it ends as a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) stems: Vec<String>,
    pub(super) asks: bool,
}

impl Clause {
    /// Whether a negation stands shortly before the word at `at`.
    pub(super) fn is_negated(&self, at: usize) -> bool {
        let before = &self.stems[at.saturating_sub(REACH).min(at)..at];
        before.iter().any(|w| NEGATIONS.contains(&w.as_str()))
    }

    /// Whether one of the phrases stands in it.
    pub(super) fn has_any(&self, phrases: &[Vec<String>]) -> bool {
        phrases.iter().any(|phrase| self.places(phrase).next().is_some())
    }

    /// Where the phrase begins in the clause, each time that it stands there.
    pub(super) fn places<'a>(&'a self, phrase: &'a [String]) -> impl Iterator<Item = usize> + 'a {
        let windows = self.stems.windows(phrase.len().max(1)).enumerate();
        windows.filter(move |(_, w)| !phrase.is_empty() && *w == phrase).map(|(at, _)| at)
    }
}

/// A message without its code and no longer than [`limit::FEELING_BYTES`]: of a longer one its beginning and its end,
/// where people say how they are; what lies between is what they paste.
pub(super) fn spoken(text: &str) -> String {
    let mut out = String::new();
    for (part, code) in text.split("```").zip([false, true].into_iter().cycle()) {
        if !code {
            out.push_str(part);
            out.push(' ');
        }
        // Twice the bytes that are kept from each end are enough to cut from, whatever was sent.
        if out.len() > 2 * limit::MESSAGE_BYTES {
            break;
        }
    }
    if out.len() > limit::FEELING_BYTES {
        let half = limit::FEELING_BYTES / 2;
        let (end, start) = (out.floor_char_boundary(half), out.ceil_char_boundary(out.len() - half));
        out = format!("{}\n{}", &out[..end], &out[start..]);
    }
    out.trim().to_owned()
}

/// The clauses of a text, in order; empty ones left out.
pub(super) fn clauses(text: &str) -> Vec<Clause> {
    let mut clauses = Vec::new();
    for piece in text.split_inclusive(['.', ',', ';', ':', '!', '?', '(', ')', '\n', '…', '。', '？', '！'])
    {
        let stems = stems(&shortened(piece));
        if !stems.is_empty() {
            clauses.push(Clause { stems, asks: piece.ends_with(['?', '？']) });
        }
    }
    clauses
}

/// Letters that somebody holds down: "sooo" is "so", "hahaha" is "haha".
fn shortened(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let letters: String =
            word.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
        if letters.len() > 4 && letters.chars().all(|c| c == 'h' || c == 'a') && letters.contains("ha") {
            out.push_str("haha ");
            continue;
        }
        let (mut last, mut times) = (' ', 0);
        let held = held_down(word);
        for c in word.chars() {
            times = if c == last { times + 1 } else { 1 };
            last = c;
            if !(held && c.is_alphabetic() && times > 1) {
                out.push(c);
            }
        }
    }
    out
}

/// Whether a letter stands three times in a row, which no English word has.
fn held_down(word: &str) -> bool {
    let chars: Vec<char> = word.chars().collect();
    chars.windows(3).any(|w| w[0].is_alphabetic() && w[0] == w[1] && w[1] == w[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_without_code_and_bounded() {
        assert_eq!(spoken("look ```let x = 1;``` why?"), "look   why?");
        assert_eq!(spoken("```only code"), "");
        let long = format!("I am lost. {} I hate this.", "é ".repeat(20_000));
        let read = spoken(&long);
        assert!(read.len() <= limit::FEELING_BYTES + 1);
        assert!(read.starts_with("I am lost.") && read.ends_with("I hate this."));
    }

    #[test]
    fn clauses_know_questions_and_negations() {
        let found = clauses("I'm not happy, is it right? Sooo happy!");
        assert_eq!(found.len(), 3);
        assert!(found[1].asks && !found[0].asks);
        let happy = stems("happy");
        let at = found[0].places(&happy).next().unwrap();
        assert!(found[0].is_negated(at));
        assert!(!found[2].is_negated(1));
        assert_eq!(found[2].stems[0], "so");
        assert_eq!(clauses("hahahaha")[0].stems, stems("haha"));
        assert!(clauses("?!.. 。").is_empty());
        // A phrase that is no word is nowhere.
        assert_eq!(found[0].places(&[]).count(), 0);
    }
}
