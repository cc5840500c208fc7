//! What a model is given, within its budget: passages, earlier turns, the question.

use headwater_core::port::provider::{PromptMessage, Provider, Role};
use headwater_core::run::Message;

use crate::retrieve::Passage;

/// Between passages of a prompt (contract).
const BETWEEN: &str = "\n\n---\n\n";
/// Below this many tokens of context a model is tiny: it copies from the nearest sentence, so it is given
/// few passages and no decoration (measured: with five passages it answers from the wrong one).
const TINY_CONTEXT: usize = 1_000;
/// Passages for a tiny model.
const TINY_PASSAGES: usize = 2;

/// The passages that fit, best first.
#[must_use]
pub fn fitting(provider: &dyn Provider, passages: Vec<Passage>, most_tokens: usize) -> Vec<Passage> {
    let budget = provider.info().budget.retrieval_tokens.min(most_tokens);
    let most = if budget < TINY_CONTEXT { TINY_PASSAGES } else { usize::MAX };
    let mut left = budget;
    let mut taken: Vec<Passage> = Vec::new();
    for passage in passages.into_iter().take(most) {
        let cost = provider.count_tokens(&passage.content) + 16;
        if cost > left && !taken.is_empty() {
            break;
        }
        left = left.saturating_sub(cost);
        taken.push(passage);
    }
    taken
}

/// The lines of earlier turns that fit, oldest first.
#[must_use]
pub fn history(provider: &dyn Provider, messages: &[Message]) -> Vec<PromptMessage> {
    let mut left = provider.info().budget.history_tokens;
    let mut lines = Vec::new();
    for message in messages.iter().rev().filter(|m| !m.content.is_empty()) {
        let cost = provider.count_tokens(&message.content) + 8;
        if cost > left {
            break;
        }
        left -= cost;
        lines.push(PromptMessage::new(message.role, message.content.clone()));
    }
    lines.reverse();
    // A conversation that begins with an answer confuses a small model more than a shorter one.
    while lines.first().is_some_and(|l| l.role == Role::Assistant) {
        lines.remove(0);
    }
    lines
}

/// The question with its passages.
#[must_use]
pub fn question(provider: &dyn Provider, passages: &[Passage], question: &str) -> String {
    if passages.is_empty() {
        return format!(
            "The knowledge base has nothing about this question. Say so in one sentence.\n\nQuestion: {question}"
        );
    }
    let tiny = provider.info().budget.retrieval_tokens < TINY_CONTEXT;
    let texts: Vec<String> = passages
        .iter()
        .map(|p| {
            if tiny {
                p.content.clone()
            } else {
                format!("[Source: {}, Relevance: {:.2}]\n{}", p.source, p.score, p.content)
            }
        })
        .collect();
    let between = if tiny { "\n\n" } else { BETWEEN };
    format!("{}\n\nUsing only the text above, answer: {question}", texts.join(between))
}
