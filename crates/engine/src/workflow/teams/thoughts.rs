//! Thoughts of a team: what its model says of its thinking, in pieces that a person can read, else the steps that
//! really happened, with what is known of them.

use headwater_core::limit;
use headwater_core::port::provider::Usage;

/// Shorter paragraphs wait for the next one.
const FEW: usize = 160;

/// A text that is cut at the ends of its paragraphs while it streams.
#[derive(Debug, Default)]
pub(super) struct Paragraphs {
    held: String,
}

impl Paragraphs {
    /// Reads on; gives what is whole now.
    pub(super) fn push(&mut self, text: &str) -> Vec<String> {
        self.held.push_str(text);
        let mut whole = Vec::new();
        while let Some(end) = self.end() {
            let rest = self.held.split_off(end);
            whole.extend(said(&std::mem::replace(&mut self.held, rest)));
        }
        whole
    }

    /// Where the next one ends, where that is known.
    fn end(&self) -> Option<usize> {
        let paragraph =
            self.held.match_indices("\n\n").map(|(at, end)| at + end.len()).find(|end| *end >= FEW);
        if let Some(end) = paragraph.filter(|end| *end <= limit::THOUGHT_BYTES) {
            return Some(end);
        }
        if self.held.len() <= limit::THOUGHT_BYTES {
            return None;
        }
        // A paragraph that does not end: at a sentence, or a word, or anywhere.
        let most = self.held.floor_char_boundary(limit::THOUGHT_BYTES);
        let head = &self.held[..most];
        let sentence =
            [". ", ".\n", "\n"].iter().filter_map(|end| head.rfind(end).map(|at| at + end.len())).max();
        Some(sentence.or_else(|| head.rfind(' ').map(|at| at + 1)).unwrap_or(most))
    }

    /// What is left at its end.
    pub(super) fn finish(&mut self) -> Option<String> {
        said(&std::mem::take(&mut self.held))
    }
}

fn said(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// `1 line`, `3 lines`.
pub(super) fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// What a call used, as far as it is known: `, 612 tokens written, $0.0021`.
pub(super) fn used(usage: Option<&Usage>) -> String {
    let Some(usage) = usage else { return String::new() };
    let about = if usage.estimated { "about " } else { "" };
    let tokens = usage.output_tokens.map(|n| format!(", {about}{} written", count(n, "token")));
    let cost = usage.cost_usd.map(|cost| format!(", ${:.4}", cost.dollars()));
    tokens.unwrap_or_default() + &cost.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    // Planted fault: cut at each empty line.
    #[test]
    fn thoughts_are_paragraphs_and_short_ones_are_joined() {
        let mut thoughts = Paragraphs::default();
        let long = "word ".repeat(40);
        assert_eq!(thoughts.push("First.\n\nSecond.\n"), Vec::<String>::new());
        assert_eq!(
            thoughts.push(&format!("\n{long}\n\nNext")),
            [format!("First.\n\nSecond.\n\n{}", long.trim())]
        );
        assert_eq!(thoughts.finish().as_deref(), Some("Next"));
        assert_eq!(thoughts.finish(), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_none_is_too_long(
            parts in prop::collection::vec(prop_oneof!["[a-zé.\n ]{0,60}", "[é]{900,1100}"], 0..40),
        ) {
            let mut thoughts = Paragraphs::default();
            let mut all: Vec<String> = parts.iter().flat_map(|part| thoughts.push(part)).collect();
            all.extend(thoughts.finish());
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&all.concat()), letters(&parts.concat()));
            prop_assert!(all.iter().all(|t| !t.is_empty() && t.len() <= limit::THOUGHT_BYTES));
        }
    }
}
