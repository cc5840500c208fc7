//! What an agent with tools does for a person: offers them to a model that calls tools, and for any other
//! model reads the wish from the words and carries it out itself.

use headwater_core::event::{Body, Stage};
use headwater_core::port::provider::{ModelRequest, Role};
use headwater_core::run::Message;
use headwater_core::{Error, limit};
use serde_json::Value;

use super::Turn;
use super::answer::{Hands, Voice, finished};
use crate::assistant::{Agent, Assistant};
use crate::mask::Kinds;
use crate::tools::dialog::{Exchange, Request, Step, understand};
use crate::tools::hear::hear;
use crate::tools::workshop::Workshop;
use crate::tools::{Case, Clerk, Tool};
use crate::writer::Finished;

/// Who answers where no model does, in `ModelStarted`.
const PROVIDER: &str = "tools";
const MODEL: &str = "parser";
const LABEL: &str = "deterministic parser";
/// Tools for one wish: to look which appointment is meant, and to cancel it.
const STEPS: usize = 3;
/// A word of this weight is a subject of its own: whoever says it leaves the errand.
const OTHER_SUBJECT: f64 = 3.0;
/// Events of a log among which its route stands: started, stage, stage, routed, and some room.
const ROUTE_WITHIN: usize = 16;

/// An agent's tools, and who carries them out.
pub(super) struct Errand<'a> {
    pub clerk: &'a Clerk,
    pub tools: &'a [Tool],
    masks: Kinds,
}

impl<'a> Errand<'a> {
    /// Where this agent has tools.
    pub(super) fn of(assistant: &'a Assistant, clerk: Option<&'a Clerk>, agent: &str) -> Option<Self> {
        let tools = &assistant.agent(agent)?.tools;
        (!tools.is_empty()).then_some(())?;
        Some(Self { clerk: clerk?, tools, masks: assistant.masks })
    }

    /// Offers the tools in a request.
    pub(super) fn offer(&self, request: &mut ModelRequest, turn: &Turn) -> Hands<'a> {
        let shop = self.clerk.workshop();
        let case = case(turn, shop);
        request.tools = self.tools.iter().map(|tool| tool.spec(shop)).collect();
        if let Some(first) = request.messages.first_mut().filter(|m| m.role == Role::System) {
            first.content = format!("{}\n\n{}", first.content, shop.briefing(shop.local(case.now)));
        }
        Hands { clerk: self.clerk, tools: self.tools, case, masks: self.masks }
    }

    /// Does what the person's words ask for; `None` where they ask for nothing that a tool can do.
    pub(super) async fn by_words(
        &self,
        turn: &Turn,
        earlier: &[Message],
        asked: &str,
        lead: Option<&str>,
    ) -> Result<Option<Finished>, Error> {
        let shop = self.clerk.workshop();
        let case = case(turn, shop);
        let Some(request) = understand(shop, &exchanges(earlier), asked, case.now) else {
            return Ok(None);
        };
        let request = if case.vehicle.is_some() { request.with_vehicle() } else { request };
        if !request.needs().iter().all(|tool| self.tools.contains(tool)) {
            return Ok(None);
        }
        turn.emit.emit(Body::StageStarted { stage: Stage::Generate }).await;
        let (provider, model, label) = (PROVIDER.to_owned(), MODEL.to_owned(), Some(LABEL.to_owned()));
        turn.emit
            .emit(Body::ModelStarted { provider, model, label, estimated_input_tokens: None, team: None })
            .await;
        let mut voice = Voice::new(&turn.emit);
        voice.say(lead.unwrap_or_default().to_owned()).await;
        let answer = self.carry_out(&request, &case, &mut voice).await?;
        for word in answer.split_inclusive(' ') {
            voice.say(word.to_owned()).await;
        }
        Ok(Some(finished()))
    }

    async fn carry_out(
        &self,
        request: &Request,
        case: &Case,
        voice: &mut Voice<'_>,
    ) -> Result<String, Error> {
        let shop = self.clerk.workshop();
        let mut step = request.begin(shop, shop.local(case.now));
        for n in 1..=STEPS {
            let (tool, arguments): (Tool, Value) = match step {
                Step::Say(answer) => return Ok(answer),
                Step::Run(tool, arguments) => (tool, arguments),
            };
            let (call_id, name) = (format!("call_{n}"), tool.name());
            voice
                .tell(Body::ToolCalled {
                    call_id: call_id.clone(),
                    name: name.to_owned(),
                    arguments: arguments.clone(),
                })
                .await;
            let done = self.clerk.carry_out(case, tool, &arguments).await?;
            voice.tell(done.event(&call_id, name)).await;
            step = request.after(tool, &done);
        }
        match step {
            Step::Say(answer) => Ok(answer),
            Step::Run(..) => Err(Error::new(headwater_core::Code::Internal, "an errand had no end")),
        }
    }
}

fn case(turn: &Turn, shop: &Workshop) -> Case {
    // Some clients say "none" with an empty text.
    let named = |id: &Option<String>| id.clone().filter(|id| !id.trim().is_empty());
    let now = turn.clock.wall();
    Case {
        store: turn.store.clone(),
        owner: turn.who.user.clone(),
        guest: turn.who.guest,
        run: turn.run.clone(),
        now,
        vehicle: named(&turn.ask.vehicle_id),
        said: hear(&turn.ask.message, shop.local(now), shop, false).vehicle,
        customer: named(&turn.ask.customer_id),
    }
}

/// Messages, turn by turn.
fn exchanges(messages: &[Message]) -> Vec<Exchange<'_>> {
    let mut turns: Vec<Exchange<'_>> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let same = i.checked_sub(1).and_then(|i| messages.get(i)).is_some_and(|m| m.run == message.run);
        match (message.role, turns.last_mut().filter(|_| same)) {
            (Role::User, _) => turns.push(Exchange { said: &message.content, at: message.at, answer: "" }),
            (_, Some(turn)) => turn.answer = &message.content,
            // An answer whose question is further back than is read begins nothing.
            (_, None) => {}
        }
    }
    turns
}

/// The agent with tools who answered last, with the confidence that led to him, where this text goes on with
/// his errand: it names a day, a time, a service, consents, and has no subject of its own.
pub(super) async fn stays<'a>(
    assistant: &'a Assistant,
    clerk: Option<&Clerk>,
    turn: &Turn,
    earlier: &[Message],
    asked: &str,
) -> Option<(&'a Agent, f64)> {
    let shop = clerk?.workshop();
    let last = earlier.last()?;
    if assistant.route(asked).score >= OTHER_SUBJECT
        || !hear(asked, shop.local(turn.clock.wall()), shop, true).fills()
    {
        return None;
    }
    // What the route was is in the log of that run. A log that cannot be read costs a route, not the run.
    let log = turn.store.read(&last.run, 1, ROUTE_WITHIN, limit::BATCH_BYTES).await.ok()?;
    let (name, confidence) = log.iter().find_map(|event| match &event.body {
        Body::Routed { agent, confidence, .. } => Some((agent.clone(), *confidence)),
        _ => None,
    })?;
    let agent = assistant.agent(&name).filter(|agent| !agent.tools.is_empty())?;
    Some((agent, confidence))
}
