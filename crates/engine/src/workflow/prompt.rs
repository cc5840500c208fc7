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

/// What a tiny model's answer without passages has to say.
const NOTHING_FOUND: &str = "I do not have information about this in the knowledge base.";

/// Whether this model is too small to be trusted with more than the nearest sentence.
pub(super) fn is_tiny(provider: &dyn Provider) -> bool {
    provider.info().budget.retrieval_tokens < TINY_CONTEXT
}

/// The passages that fit, best first.
#[must_use]
pub fn fitting(provider: &dyn Provider, passages: Vec<Passage>, most_tokens: usize) -> Vec<Passage> {
    let budget = provider.info().budget.retrieval_tokens.min(most_tokens);
    let most = if is_tiny(provider) { TINY_PASSAGES } else { usize::MAX };
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

/// What a question is asked with.
pub struct Asked<'a> {
    /// The specialist's instructions.
    pub instructions: &'a str,
    /// Earlier turns, oldest first.
    pub earlier: &'a [Message],
    /// Whether the question needs them to be understood.
    pub points_back: bool,
    /// What was found, best first, and fits.
    pub passages: &'a [Passage],
    /// The question.
    pub question: &'a str,
    /// Whether tools are offered: what the passages do not have, they may.
    pub tools: bool,
}

/// The whole prompt. A tiny model gets less than it could hold: it takes whatever stands there for the
/// subject (measured: with earlier turns in front it answers them instead of the question).
#[must_use]
pub fn messages(provider: &dyn Provider, asked: &Asked<'_>) -> Vec<PromptMessage> {
    let tiny = is_tiny(provider);
    if tiny && asked.passages.is_empty() {
        // Shown the question it makes an answer up, whatever it is told; this instruction it follows.
        return vec![
            PromptMessage::new(Role::System, "You repeat what the user says, word for word."),
            PromptMessage::new(Role::User, format!("Repeat this sentence: {NOTHING_FOUND}")),
        ];
    }
    let mut messages = vec![PromptMessage::new(Role::System, asked.instructions)];
    if !tiny || asked.points_back {
        messages.extend(history(provider, asked.earlier));
    }
    messages.push(PromptMessage::new(Role::User, question(tiny, asked)));
    messages
}

/// The lines of earlier turns that fit, oldest first.
fn history(provider: &dyn Provider, messages: &[Message]) -> Vec<PromptMessage> {
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
fn question(tiny: bool, asked: &Asked<'_>) -> String {
    let Asked { passages, question, .. } = asked;
    if passages.is_empty() && asked.tools {
        return (*question).to_owned();
    }
    if passages.is_empty() {
        return format!(
            "The knowledge base has nothing about this question. Say so in one sentence.\n\nQuestion: {question}"
        );
    }
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
    let from =
        if asked.tools { "Using only the text above and the tools" } else { "Using only the text above" };
    format!("{}\n\n{from}, answer: {question}", texts.join(between))
}
