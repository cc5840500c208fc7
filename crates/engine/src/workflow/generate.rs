//! The plain workflow: the message (and an optional `system`), or a conversation that the client brings, to the
//! model that it names; no earlier turns of its own.

use async_trait::async_trait;
use headwater_core::port::provider::{ModelRequest, PromptMessage, ProviderInfo, Role};
use headwater_core::{Error, limit};

use super::{Turn, Workflow, answer};
use crate::models::Models;
use crate::writer::Finished;

/// The plain workflow.
pub struct Generate {
    models: Models,
}

impl Generate {
    /// With these models.
    #[must_use]
    pub fn new(models: impl Into<Models>) -> Self {
        Self { models: models.into() }
    }
}

#[async_trait]
impl Workflow for Generate {
    fn name(&self) -> &str {
        "generate"
    }

    fn provider(&self) -> ProviderInfo {
        self.models.default_one().info()
    }

    fn backlogs(&self) -> Vec<(String, usize)> {
        self.models.default_one().backlogs()
    }

    fn remembers(&self) -> bool {
        false
    }

    fn takes_system(&self) -> bool {
        true
    }

    fn models(&self) -> Option<&Models> {
        Some(&self.models)
    }

    async fn run(&self, turn: Turn) -> Result<Finished, Error> {
        let (ask, emit) = (turn.ask, turn.emit);
        let mut messages: Vec<_> =
            ask.system.map(|system| PromptMessage::new(Role::System, system)).into_iter().collect();
        match ask.messages {
            Some(conversation) => messages.extend(conversation),
            None => messages.push(PromptMessage::new(Role::User, ask.message)),
        }
        let request = ModelRequest {
            messages,
            max_tokens: ask.max_tokens.unwrap_or(limit::ANSWER_TOKENS),
            temperature: ask.temperature,
            stop: ask.stop,
            reasoning: ask.reasoning,
            ..ModelRequest::default()
        };
        let provider = self.models.find(ask.model.as_deref())?;
        answer::generate(provider, request, None, &emit).await
    }
}
