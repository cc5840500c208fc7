//! The assistant: route the question to a specialist, search the knowledge base, answer from it.

use std::sync::Arc;

use async_trait::async_trait;
use headwater_core::code::Code;
use headwater_core::event::{Body, Source, Stage};
use headwater_core::port::SharedEmbedder;
use headwater_core::port::provider::{ModelRequest, PromptMessage, ProviderInfo, Role, SharedProvider};
use headwater_core::run::Message;
use headwater_core::{Error, limit};

use super::errand::{self, Errand};
use super::{Turn, Workflow, answer, care, prompt};
use crate::assistant::tree::Place;
use crate::assistant::{Agent, Assistant};
use crate::engine::history;
use crate::handoff::Teller;
use crate::mask::{Kinds, mask};
use crate::models::Models;
use crate::retrieve::{Question, retrieve};
use crate::tools::Clerk;
use crate::writer::{Emitter, Finished};

/// Words that point back at an earlier turn.
const BACKWARD: [&str; 12] =
    ["it", "its", "that", "this", "they", "them", "their", "those", "these", "one", "there", "then"];
/// Beginnings that do.
const ONWARD: [&str; 5] = ["and ", "what about", "how about", "also ", "but "];

/// An assistant at work.
pub struct Assist {
    assistant: Assistant,
    /// Who answers.
    provider: SharedProvider,
    /// Who chooses the agent, where it may be trusted with that.
    classifier: SharedProvider,
    /// Models that the assistant names and that are not there: whoever makes one looks first.
    missing: Vec<String>,
    embedder: Option<SharedEmbedder>,
    clerk: Option<Clerk>,
    teller: Option<Teller>,
    /// Where its documents are among those that are shared; empty: in no folder.
    folder: String,
}

/// Who answers, and how sure that is.
struct Choice {
    agent: String,
    intent: String,
    confidence: f64,
    instructions: String,
}

impl Assist {
    /// An assistant that these models speak for; without an embedder it searches by words alone. Ask
    /// [`Assistant::missing_models`] before: one that names a model that is not there answers nothing.
    #[must_use]
    pub fn new(assistant: Assistant, models: impl Into<Models>, embedder: Option<SharedEmbedder>) -> Self {
        let models = models.into();
        let missing = assistant.missing_models(|alias| models.has(alias));
        let named =
            |alias: Option<&str>| Arc::clone(models.find(alias).unwrap_or_else(|_| models.default_one()));
        let provider = named(assistant.answer.model.as_deref());
        let by = assistant.classifier.as_ref().and_then(|c| c.model.as_deref());
        let classifier = by.map_or_else(|| Arc::clone(&provider), |alias| named(Some(alias)));
        let clerk = assistant.workshop.clone().map(Clerk::new);
        Self {
            assistant,
            provider,
            classifier,
            missing,
            embedder,
            clerk,
            teller: None,
            folder: String::new(),
        }
    }

    /// The same, telling people outside when somebody waits for one.
    #[must_use]
    pub fn telling(self, teller: Option<Teller>) -> Self {
        Self { teller, ..self }
    }

    /// The same, knowing the shared documents of this folder instead of those that are in none: several assistants
    /// stand beside each other, and one does not answer from another's documents.
    #[must_use]
    pub fn knowing(self, folder: impl Into<String>) -> Self {
        Self { folder: folder.into(), ..self }
    }

    /// Lets the provider prepare the specialists' instructions, so that a first question does not wait
    /// for them.
    pub async fn warm(&self) {
        for agent in self.assistant.agents() {
            self.provider.warm(&[PromptMessage::new(Role::System, agent.prompt.trim())]).await;
        }
    }

    /// `whole` is the question with the one that it points back to; `stays` is who goes on with an errand.
    async fn choose(&self, asked: &str, whole: &str, stays: Option<(&Agent, f64)>, emit: &Emitter) -> Choice {
        let mut routed = self.assistant.route(asked);
        if routed.matched.is_empty() {
            // A follow-up without words of its own stays where the conversation is.
            routed = self.assistant.route(whole);
        }
        let (mut agent, mut confidence) = (routed.agent, routed.confidence);
        if let Some(stays) = stays {
            (agent, confidence) = stays;
        } else if let Some(reply) = self.classify(&mask(asked, self.assistant.masks), emit).await
            && let Some(chosen) = self.assistant.classified(&reply)
        {
            confidence = if chosen.name == agent.name { f64::midpoint(1.0, confidence) } else { 0.5 };
            agent = chosen;
        }
        Self::chosen(agent, confidence)
    }

    /// A conversation that goes on in a tree stays with the agent who began it, and as sure as that was.
    fn going_on(&self, place: Option<Place<'_>>, said: &[&str]) -> Option<Choice> {
        let routed = self.assistant.route(said.get(place?.begun_by?)?);
        Some(Self::chosen(routed.agent, routed.confidence))
    }

    fn chosen(agent: &Agent, confidence: f64) -> Choice {
        Choice {
            agent: agent.name.clone(),
            intent: agent.intent.clone(),
            confidence: (confidence * 100.0).round() / 100.0,
            instructions: agent.prompt.trim().to_owned(),
        }
    }

    /// The model's one word, where it can be trusted with one. A failure here costs nothing: the router
    /// has decided already.
    async fn classify(&self, asked: &str, emit: &Emitter) -> Option<String> {
        let classifier = self.assistant.classifier.as_ref()?;
        if !self.classifier.info().can_classify {
            return None;
        }
        let messages = vec![
            PromptMessage::new(Role::System, classifier.prompt.trim()),
            PromptMessage::new(Role::User, asked),
        ];
        let request =
            ModelRequest { messages, max_tokens: 8, temperature: Some(0.0), ..ModelRequest::default() };
        let reply = answer::few_words(&self.classifier, request, limit::CLASSIFIER_BYTES, emit.meter());
        tokio::time::timeout(limit::CLASSIFIER_TIME, reply).await.ok().flatten()
    }
}

/// Whether a question needs the one before it to be understood.
pub(super) fn points_back(asked: &str) -> bool {
    let lower = asked.to_lowercase();
    ONWARD.iter().any(|s| lower.starts_with(s))
        || lower.split(|c: char| !c.is_alphanumeric() && c != '\'').any(|w| BACKWARD.contains(&w))
}

/// The person's last question, where this one needs it.
fn question_before(asked: &str, earlier: &[Message]) -> Option<String> {
    if !points_back(asked) {
        return None;
    }
    earlier.iter().rev().find(|m| m.role == Role::User).map(|m| m.content.clone())
}

#[async_trait]
impl Workflow for Assist {
    fn name(&self) -> &str {
        &self.assistant.name
    }

    fn provider(&self) -> ProviderInfo {
        self.provider.info()
    }

    fn backlogs(&self) -> Vec<(String, usize)> {
        [self.provider.backlogs(), self.classifier.backlogs()].concat()
    }

    fn remembers(&self) -> bool {
        true
    }

    fn clerk(&self) -> Option<&Clerk> {
        self.clerk.as_ref()
    }

    fn takes_system(&self) -> bool {
        false
    }

    fn masks(&self) -> Kinds {
        self.assistant.masks
    }

    async fn run(&self, turn: Turn) -> Result<Finished, Error> {
        if let Some(missing) = self.missing.first() {
            return Err(Error::new(Code::UnknownModel, missing.as_str()));
        }
        let asked = turn.ask.message.trim();
        turn.emit.emit(Body::StageStarted { stage: Stage::Start }).await;
        let most = limit::HISTORY_MESSAGES + 1;
        let mut earlier = history(&turn.store, &turn.who, &turn.session, most).await?;
        // What belongs to this turn or a later one is not memory.
        if let Some(own) = earlier.iter().position(|m| m.run == turn.run) {
            earlier.truncate(own);
        }
        for message in earlier.iter_mut().filter(|m| m.role == Role::Assistant) {
            message.content = self.assistant.unwarned(&message.content).to_owned();
        }
        // From here on a model is given masked texts only; words and tools look at what was really said.
        let earlier = care::masked(earlier, self.assistant.masks);
        let said = care::said(&earlier);
        let place = self.assistant.place(&said, asked);
        // "Yes" is looked up with what it is an answer to.
        let begun_by = place.and_then(|p| said.get(p.begun_by?)).map(|text| (*text).to_owned());
        let before = begun_by.or_else(|| question_before(asked, &earlier));
        let whole = before.as_ref().map_or_else(|| asked.to_owned(), |before| format!("{before} {asked}"));

        turn.emit.emit(Body::StageStarted { stage: Stage::Route }).await;
        let choice = match self.going_on(place, &said) {
            Some(choice) => choice,
            None => {
                let clerk = self.clerk.as_ref();
                let stays = errand::stays(&self.assistant, clerk, &turn, &earlier, asked).await;
                self.choose(asked, &whole, stays, &turn.emit).await
            }
        };
        let lead = self.assistant.safety_prefix(&choice.agent, asked);
        let place = place.filter(|p| p.tree.agents.is_empty() || p.tree.agents.contains(&choice.agent));
        turn.emit
            .emit(Body::Routed {
                agent: choice.agent.clone(),
                intent: choice.intent,
                confidence: choice.confidence,
            })
            .await;
        let (rules, teller) = (self.assistant.handoff.as_ref(), self.teller.as_ref());
        care::hand_off(rules, teller, &turn, choice.confidence, lead.is_some()).await;

        turn.emit.emit(Body::StageStarted { stage: Stage::Retrieve }).await;
        let wanted = Question {
            owner: turn.who.user.clone(),
            text: mask(&whole, self.assistant.masks).into_owned(),
            top_k: self.assistant.retrieval.top_k,
            min_score: self.assistant.retrieval.min_score,
            document_type: None,
            source: None,
            folder: Some(self.folder.clone()),
        };
        let mut found = retrieve(&turn.store, self.embedder.as_ref(), wanted).await?;
        for passage in &mut found {
            passage.content = mask(&passage.content, self.assistant.masks).into_owned();
        }
        let trusted = !prompt::is_tiny(self.provider.as_ref());
        if trusted && let Some(place) = place {
            found.insert(0, care::passage(place));
        }
        let passages =
            prompt::fitting(self.provider.as_ref(), found, self.assistant.retrieval.max_context_tokens);
        let sources = passages
            .iter()
            .filter(|p| p.document_type != care::TREE)
            .map(|p| Source { source: p.source.clone(), heading: p.heading.clone(), score: p.score })
            .collect();
        turn.emit.emit(Body::Retrieved { sources }).await;

        if !trusted && let Some(place) = place {
            return Ok(care::answer(place, lead, &turn.emit).await);
        }
        let calls = self.provider.info().can_call_tools;
        let errand = Errand::of(&self.assistant, self.clerk.as_ref(), &choice.agent);
        if let Some(errand) = errand.as_ref().filter(|_| !calls)
            && let Some(done) = errand.by_words(&turn, &earlier, asked, lead.as_deref()).await?
        {
            return Ok(done);
        }
        let errand = errand.filter(|_| calls);
        let question = mask(asked, self.assistant.masks);
        let messages = prompt::messages(
            self.provider.as_ref(),
            &prompt::Asked {
                instructions: &choice.instructions,
                earlier: &earlier,
                points_back: before.is_some(),
                passages: &passages,
                question: &question,
                tools: errand.is_some(),
            },
        );
        let mut request = ModelRequest {
            messages,
            max_tokens: turn.ask.max_tokens.unwrap_or_else(|| {
                u32::try_from(self.assistant.answer.max_tokens).unwrap_or(limit::ANSWER_TOKENS)
            }),
            temperature: Some(turn.ask.temperature.unwrap_or(self.assistant.answer.temperature as f32)),
            ..ModelRequest::default()
        };
        let hands = errand.map(|errand| errand.offer(&mut request, &turn));
        answer::converse(&self.provider, request, lead, hands, &turn.emit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follow_ups_are_known_by_their_words() {
        for asked in ["What fuel does it use?", "And with ethanol?", "How long does that take?"] {
            assert!(points_back(asked), "{asked}");
        }
        for asked in ["What is the engine power?", "My brakes squeal", "How often is the service?"] {
            assert!(!points_back(asked), "{asked}");
        }
    }
}
