//! What stands around an assistant's answer: who waits for a person, and what a tree has to say.

use headwater_core::Millis;
use headwater_core::event::{Body, Stage};
use headwater_core::port::provider::{FinishReason, Role, Usage};
use headwater_core::run::Message;

use super::Turn;
use crate::assistant::handoff::Rules;
use crate::assistant::tree::Place;
use crate::handoff::{QUEUED, Teller, escalate};
use crate::mask::{Kinds, mask};
use crate::retrieve::Passage;
use crate::writer::{Emitter, Finished};

/// The kind of the passage that a tree gives; no document has it.
pub(super) const TREE: &str = "tree";

/// Masks what a model is given of earlier turns. They were stored masked, but perhaps by other settings.
pub(super) fn masked(mut earlier: Vec<Message>, kinds: Kinds) -> Vec<Message> {
    for message in &mut earlier {
        message.content = mask(&message.content, kinds).into_owned();
    }
    earlier
}

/// What the person said before, oldest first.
pub(super) fn said(earlier: &[Message]) -> Vec<&str> {
    earlier.iter().filter(|m| m.role == Role::User).map(|m| m.content.as_str()).collect()
}

/// The tree for a model that can read it: where the conversation stands, and where it may go.
pub(super) fn passage(place: Place<'_>) -> Passage {
    Passage {
        source: format!("decision tree: {}", place.tree.name),
        document_type: TREE.to_owned(),
        document_id: String::new(),
        index: 0,
        heading: place.tree.title.clone(),
        content: place.tree.passage(place.node),
        score: 1.0,
        metadata: "{}".to_owned(),
        indexed_at: Millis(0),
    }
}

/// Answers from the tree, in place of a model that would only get it wrong; and says that it was the tree.
pub(super) async fn answer(place: Place<'_>, lead: Option<String>, emit: &Emitter) -> Finished {
    emit.emit(Body::StageStarted { stage: Stage::Generate }).await;
    let model = place.tree.name.clone();
    let label = Some("decision tree".to_owned());
    emit.emit(Body::ModelStarted {
        provider: "tree".to_owned(),
        model,
        label,
        estimated_input_tokens: None,
        team: None,
    })
    .await;
    for text in lead.into_iter().chain([place.node.say()]) {
        emit.emit(Body::Token { text }).await;
    }
    Finished { reason: FinishReason::Stop, usage: Usage::default() }
}

/// Asks for a person where the rules want one. The answer goes on, also where the queue cannot be written.
pub(super) async fn hand_off(
    rules: Option<&Rules>,
    teller: Option<&Teller>,
    turn: &Turn,
    confidence: f64,
    in_danger: bool,
) {
    let Some((rules, reason)) =
        rules.and_then(|r| Some((r, r.reason(&turn.ask.message, confidence, in_danger)?)))
    else {
        return;
    };
    let escalation = match escalate(turn, reason).await {
        Ok(escalation) => escalation,
        Err(error) => {
            tracing::error!(run = %turn.run, %error, "an escalation could not be stored; nobody was asked");
            return;
        }
    };
    if let Some(teller) = teller
        && escalation.run == turn.run
    {
        teller.tell(&escalation);
    }
    turn.emit
        .emit(Body::Escalated {
            escalation_id: escalation.id,
            status: QUEUED.to_owned(),
            reason: escalation.reason,
            estimated_wait_time: None,
            agent_name: None,
            message: rules.message(reason).to_owned(),
        })
        .await;
}
