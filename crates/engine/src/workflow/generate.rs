//! The plain workflow: the message (and an optional `system`) to the model, no earlier turns.

use async_trait::async_trait;
use headwater_core::port::provider::{ModelRequest, PromptMessage, ProviderInfo, Role, SharedProvider};
use headwater_core::{Error, limit};

use super::{Turn, Workflow, answer};
use crate::writer::Finished;

/// The plain workflow.
pub struct Generate {
    provider: SharedProvider,
}

impl Generate {
    /// With this provider.
    #[must_use]
    pub fn new(provider: SharedProvider) -> Self {
        Self { provider }
    }
}

#[async_trait]
impl Workflow for Generate {
    fn name(&self) -> &str {
        "generate"
    }

    fn provider(&self) -> ProviderInfo {
        self.provider.info()
    }

    fn backlog(&self) -> usize {
        self.provider.backlog()
    }

    fn remembers(&self) -> bool {
        false
    }

    fn takes_system(&self) -> bool {
        true
    }

    async fn run(&self, turn: Turn) -> Result<Finished, Error> {
        let mut messages = Vec::new();
        if let Some(system) = turn.ask.system {
            messages.push(PromptMessage::new(Role::System, system));
        }
        messages.push(PromptMessage::new(Role::User, turn.ask.message));
        let request = ModelRequest {
            messages,
            max_tokens: turn.ask.max_tokens.unwrap_or(limit::ANSWER_TOKENS),
            temperature: turn.ask.temperature,
            ..ModelRequest::default()
        };
        answer::generate(&self.provider, request, None, &turn.emit).await
    }
}
