//! What a turn teaches of the person's ability. Only a turn that was answered to its end does: one that was stopped or
//! failed says nothing of him, or was his way to say that it did not help, which nobody here can tell apart.

use headwater_core::event::{Body, Emotion};
use headwater_core::limit;
use tokio::time::timeout;

use super::Plan;
use super::gather::Context;
use crate::tutor_standin::ability::{self, Evidence};
use crate::tutor_standin::difficulty::Difficulty;
use crate::workflow::Turn;

/// Learns from it, and says so once it is stored. An answer is whole without it.
pub(super) async fn learn(
    turn: &Turn,
    plan: &Plan<'_>,
    context: &Context,
    level: &Difficulty,
    emotion: Option<&Emotion>,
) {
    let subject = match timeout(limit::LEARN_TIME, key(turn, plan, context)).await {
        Ok(subject) => subject,
        Err(_) => return tracing::warn!(run = %turn.run, "what a turn taught could not be stored in time"),
    };
    let evidence = Evidence::of(plan.said, &context.recent, emotion);
    let stored = ability::learned(
        &turn.store,
        &turn.who.user,
        subject,
        |ability| ability.learn(&evidence, level.value),
        turn.clock.wall(),
    );
    match timeout(limit::LEARN_TIME, stored).await {
        Ok(Ok(ability)) => {
            turn.emit
                .emit(Body::AbilityLearned {
                    subject: subject.to_owned(),
                    ability: ability.theta,
                    confidence: ability.confidence,
                })
                .await;
        }
        Ok(Err(error)) => {
            tracing::warn!(run = %turn.run, error = %error.message, "what a turn taught could not be stored");
        }
        Err(_) => {
            tracing::warn!(run = %turn.run, "what a turn taught was not stored in time; it may be later")
        }
    }
}

/// Under which name it is kept: the lesson's subject, or, where a person has too many of them already, its category.
async fn key<'a>(turn: &Turn, plan: &'a Plan<'_>, context: &Context) -> &'a str {
    let category = plan.category.name.as_str();
    if context.ability.turns > 0 || plan.subject == category {
        return &plan.subject;
    }
    let most = limit::SUBJECTS_PER_USER;
    match turn.store.records(&turn.who.user, ability::KIND, most).await {
        Ok(records) if records.len() < most => &plan.subject,
        // It may be one of them, of which nothing could be read in time.
        Ok(records) if records.iter().any(|r| r.key == plan.subject) => &plan.subject,
        Ok(_) | Err(_) => category,
    }
}
