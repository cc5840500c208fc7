//! How difficult the answer may be, the prompt that says so, and the steps that led there.

use headwater_core::event::{Body, Emotion, ThinkingMode};
use headwater_core::port::provider::{PromptMessage, Role};
use headwater_core::run::Message;

use super::Plan;
use super::gather::Context;
use crate::assistant::tutor_file::{TutorFile, filled};
use crate::tutor::difficulty::{Difficulty, Mood};
use crate::workflow::prompt;
use crate::workflow::steps::Steps;

/// Between parts of a prompt.
const BETWEEN: &str = "\n\n---\n\n";

/// The difficulty that suits the person now. How he feels counts where that is known already.
pub(super) fn level(plan: &Plan<'_>, context: &Context, emotion: Option<&Emotion>) -> Difficulty {
    Difficulty::of(context.ability.theta, Mood::of(emotion, plan.said))
}

/// What was found and decided before a model is asked, in steps as the model's own follow.
pub(super) fn steps(
    plan: &Plan<'_>,
    context: &Context,
    level: Difficulty,
    emotion: Option<&Emotion>,
    steps: &mut Steps,
) -> Vec<Body> {
    let category = &plan.category.name;
    let model = plan.provider.info();
    let mut found = format!(
        "By its words the question is of the category {category}; {} ({}) answers it. The newest messages that it is given: {}",
        model.name,
        model.model,
        context.recent.len()
    );
    if context.by_meaning {
        found += &format!("; earlier ones that mean the same: {}", context.similar.len());
    }
    if context.searched {
        let mut names: Vec<&str> = context.passages.iter().map(|p| p.source.as_str()).collect();
        names.dedup();
        match names.as_slice() {
            [] => found += "; the knowledge base has nothing about it",
            names => found += &format!("; the knowledge base has passages in {}", names.join(", ")),
        }
    }
    found.push('.');
    let likeness = context.similar.iter().map(|(_, cosine)| *cosine);
    let best = likeness.chain(context.passages.iter().map(|p| p.score)).reduce(f64::max);

    let mut suited = format!(
        "The ability in {} is put at {:.2} after {} turns",
        plan.subject, context.ability.theta, context.ability.turns
    );
    if let Some(emotion) = emotion {
        suited += &format!(", and the words speak of {}", emotion.primary);
    }
    suited += &format!(
        ". That makes a difficulty of {:.2}, {}: {}",
        level.value(),
        level.level().as_str(),
        level.instruction()
    );
    vec![
        steps.own(ThinkingMode::Analytical, found, best),
        steps.own(ThinkingMode::Metacognitive, suited, Some(context.ability.confidence)),
    ]
}

/// The whole prompt.
pub(super) fn messages(
    file: &TutorFile,
    plan: &Plan<'_>,
    context: &Context,
    level: Difficulty,
) -> Vec<PromptMessage> {
    let tiny = prompt::is_tiny(plan.provider.as_ref());
    let values = [plan.subject.as_str(), &plan.category.name, level.level().as_str(), level.instruction()];
    let mut system = filled(if tiny { &file.tiny_prompt } else { &file.prompt }, values);
    if let Some(more) = plan.category.prompt.as_deref().filter(|_| !tiny) {
        system.push('\n');
        system.push_str(&filled(more, values));
    }
    let mut messages = vec![PromptMessage::new(Role::System, system)];
    let lines = context.recent.iter().filter(|m| !m.content.is_empty());
    messages.extend(lines.map(|m| PromptMessage::new(m.role, m.content.clone())));
    messages.push(PromptMessage::new(Role::User, question(tiny, plan, context)));
    messages
}

/// The question behind what was found for it; bare where nothing was.
fn question(tiny: bool, plan: &Plan<'_>, context: &Context) -> String {
    let mut parts: Vec<String> = Vec::new();
    if !context.similar.is_empty() {
        let mut similar: Vec<&Message> = context.similar.iter().map(|(m, _)| m).collect();
        similar.sort_by_key(|m| m.at);
        let lines: Vec<String> = similar
            .iter()
            .map(|m| {
                let who = if m.role == Role::User { "The person" } else { "The tutor" };
                format!("{who} said: {}", m.content)
            })
            .collect();
        parts.push(format!("From earlier in this conversation:\n{}", lines.join("\n")));
    }
    if !context.passages.is_empty() {
        let texts = context
            .passages
            .iter()
            .map(|p| if tiny { p.content.clone() } else { format!("[Source: {}]\n{}", p.source, p.content) });
        let texts = texts.collect::<Vec<_>>().join("\n\n");
        parts.push(if tiny { texts } else { format!("From the knowledge base:\n{texts}") });
    }
    if parts.is_empty() {
        return plan.asked.clone().into_owned();
    }
    if tiny {
        // It repeats whatever stands between the texts.
        return format!("{}\n\n{}", parts.join("\n\n"), plan.asked);
    }
    format!("{}{BETWEEN}Question: {}", parts.join(BETWEEN), plan.asked)
}
