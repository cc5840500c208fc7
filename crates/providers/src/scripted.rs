//! The provider `scripted`: a deterministic text for any prompt, without a model. It shows that the
//! product runs when no model is there, and carries load tests. [`stage`] has its sibling for tests.

pub mod stage;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use headwater_core::port::provider::{
    ContextBudget, Delta, Deltas, FinishReason, ModelRequest, Provider, ProviderError, ProviderInfo, Role,
    Usage,
};
use tokio::time::Instant;

/// Sentences of the text, with words that need two, three and four bytes a letter, so that whoever
/// carries it is tried on whole characters.
const SENTENCES: [&str; 7] = [
    "It has nothing to say about the question itself.",
    "Each word comes at its own time, as a model's would.",
    "A café in Zürich, a naïve façade, and 25 °C outside.",
    "The same prompt always gives the same words.",
    "水は低きに流れる, as they say: water flows downhill.",
    "Whoever stops reading loses nothing that was written.",
    "Every long river 🌊 begins at a small headwater.",
];

/// Characters of the last message that the text repeats.
const QUOTE: usize = 60;

/// The scripted provider; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scripted {
    /// Deltas of each answer, at least 1; the request's `max_tokens` may end it sooner.
    pub tokens: usize,
    /// Time before each delta. Zero writes as fast as it is read.
    pub gap: Duration,
}

impl Default for Scripted {
    /// An answer of 80 words at a pace that a person can follow.
    fn default() -> Self {
        Self { tokens: 80, gap: Duration::from_millis(25) }
    }
}

#[async_trait]
impl Provider for Scripted {
    fn info(&self) -> ProviderInfo {
        ProviderInfo {
            name: "scripted".to_owned(),
            model: "scripted".to_owned(),
            label: Some("scripted".to_owned()),
            can_classify: false,
            can_call_tools: false,
            budget: ContextBudget { retrieval_tokens: 1000, history_tokens: 1000 },
            price: None,
        }
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    async fn generate(&self, request: ModelRequest) -> Result<Deltas, ProviderError> {
        let most = usize::try_from(request.max_tokens.max(1)).unwrap_or(usize::MAX);
        let wanted = self.tokens.max(1);
        let end = End {
            reason: if wanted > most { FinishReason::Length } else { FinishReason::Stop },
            input: request.messages.iter().map(|m| self.count_tokens(&m.content)).sum::<usize>(),
            output: wanted.min(most),
        };
        let words = Words::new(&request);
        let state = (words, 0usize, self.gap, None::<Instant>);
        Ok(Deltas::new(stream::unfold(state, move |(mut words, said, gap, due)| async move {
            if said > end.output {
                return None;
            }
            if said == end.output {
                return Some((Ok(end.delta()), (words, said + 1, gap, due)));
            }
            // Due times follow each other, not the reader: a slow reader finds the next word ready.
            let due = due.unwrap_or_else(Instant::now) + gap;
            if !gap.is_zero() {
                tokio::time::sleep_until(due).await;
            }
            let last = said + 1 == end.output;
            Some((Ok(Delta::Text(words.next(last))), (words, said + 1, gap, Some(due))))
        })))
    }
}

#[derive(Debug, Clone, Copy)]
struct End {
    reason: FinishReason,
    input: usize,
    output: usize,
}

impl End {
    fn delta(self) -> Delta {
        let usage = Usage::of(self.input as u64, self.output as u64);
        Delta::End { reason: self.reason, usage }
    }
}

/// The words of one answer, without end.
struct Words {
    opening: Vec<String>,
    at: usize,
    sentence: usize,
    word: usize,
}

impl Words {
    fn new(request: &ModelRequest) -> Self {
        let asked =
            request.messages.iter().rev().find(|m| m.role == Role::User).map_or("", |m| m.content.trim());
        // The last line: in front of the question stand the passages that it is asked with.
        let asked = asked.lines().last().unwrap_or_default();
        let flat: String = asked.split_whitespace().collect::<Vec<_>>().join(" ");
        let quote: String = flat.chars().take(QUOTE).collect();
        let dots = if quote.len() < flat.len() { "…" } else { "" };
        let opening = format!("This is a scripted answer, not a model's, to “{quote}{dots}”.");
        Self {
            opening: opening.split(' ').map(str::to_owned).collect(),
            at: 0,
            sentence: usize::try_from(fnv(&flat) % SENTENCES.len() as u64).unwrap_or(0),
            word: 0,
        }
    }

    fn next(&mut self, last: bool) -> String {
        let first = self.at == 0;
        let word = match self.opening.get(self.at) {
            Some(word) => word.clone(),
            None => {
                let mut words = SENTENCES[self.sentence].split(' ').skip(self.word);
                let word = words.next().unwrap_or("…").to_owned();
                if words.next().is_some() {
                    self.word += 1;
                } else {
                    self.word = 0;
                    self.sentence = (self.sentence + 1) % SENTENCES.len();
                }
                word
            }
        };
        self.at += 1;
        let dot = if last && !word.ends_with('.') { "." } else { "" };
        format!("{}{word}{dot}", if first { "" } else { " " })
    }
}

/// FNV-1a: the same on every machine and in every version, which the standard hasher does not promise.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use headwater_core::port::provider::PromptMessage;

    use super::*;

    fn asks(text: &str, max_tokens: u32) -> ModelRequest {
        ModelRequest {
            messages: vec![PromptMessage::new(Role::User, text)],
            max_tokens,
            ..ModelRequest::default()
        }
    }

    async fn answer(provider: Scripted, request: ModelRequest) -> (Vec<String>, Delta) {
        let all: Vec<Delta> = provider.generate(request).await.unwrap().map(|d| d.unwrap()).collect().await;
        let (end, texts) = all.split_last().unwrap();
        let texts = texts.iter().map(|d| match d {
            Delta::Text(t) => t.clone(),
            other => panic!("{other:?} before the end"),
        });
        (texts.collect(), end.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn exactly_as_many_deltas_at_their_pace_and_always_the_same() {
        let provider = Scripted { tokens: 200, gap: Duration::from_millis(10) };
        let start = Instant::now();
        let (one, end) = answer(provider, asks("What is   the engine power?", 4096)).await;
        assert_eq!(start.elapsed(), Duration::from_millis(2000));
        assert_eq!(one.len(), 200);
        assert!(one.iter().all(|t| !t.is_empty()));
        assert!(
            matches!(end, Delta::End { reason: FinishReason::Stop, usage } if usage.output_tokens == Some(200))
        );
        let text = one.concat();
        assert!(text.contains("“What is the engine power?”") && text.ends_with('.') && !text.is_ascii());
        let again =
            answer(Scripted { gap: Duration::ZERO, ..provider }, asks("What is   the engine power?", 4096))
                .await;
        assert_eq!(again.0, one);
        assert_ne!(answer(provider, asks("And the torque?", 4096)).await.0, one);
    }

    #[tokio::test]
    async fn the_request_may_end_it_sooner_and_a_long_question_is_cut() {
        let provider = Scripted { tokens: 9, gap: Duration::ZERO };
        let (texts, end) = answer(provider, asks("x", 4)).await;
        assert_eq!(texts.concat(), "This is a scripted.");
        assert!(matches!(end, Delta::End { reason: FinishReason::Length, .. }));
        let (texts, _) = answer(Scripted { tokens: 30, ..provider }, asks(&"é".repeat(500), 100)).await;
        assert!(texts.concat().contains(&format!("“{}…”", "é".repeat(QUOTE))));
    }
}
