//! What a turn teaches of the person's ability. Only a turn that was answered to its end does: one that was stopped or
//! failed says nothing of him, or was his way to say that it did not help, which nobody here can tell apart.

use headwater_core::event::{Body, Emotion};
use headwater_core::limit;
use tokio::time::timeout;

use super::Plan;
use super::gather::Context;
use crate::tutor::ability::{Evidence, kept};
use crate::tutor::difficulty::Difficulty;
use crate::workflow::Turn;

/// Learns from it, and says so once it is stored. An answer is whole without it.
pub(super) async fn learn(
    turn: &Turn,
    plan: &Plan<'_>,
    context: &Context,
    level: Difficulty,
    emotion: Option<&Emotion>,
) {
    let subject = plan.subject.as_str();
    let evidence = Evidence::of(plan.said, &context.recent, emotion);
    let store = turn.store.as_ref();
    let stored = kept::learn(store, &turn.who.user, subject, (&evidence, level.value()), turn.clock.wall());
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
            tracing::warn!(run = %turn.run, %error, "what a turn taught could not be stored");
        }
        Err(_) => {
            tracing::warn!(run = %turn.run, "what a turn taught was not stored in time; it may be later")
        }
    }
}
