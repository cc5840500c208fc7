//! A workflow of the name `tutor` whose every event a test says by hand.

use async_trait::async_trait;
use futures_util::StreamExt;
use headwater_core::event::Body;
use headwater_core::port::SharedProvider;
use headwater_core::port::provider::{Delta, ModelRequest, PromptMessage, ProviderInfo, Role};
use headwater_core::{Code, Error};
use headwater_engine::StartRun;
use headwater_engine::workflow::{Turn, Workflow};
use headwater_engine::writer::Finished;

/// What the model on the stage says is the answer's text; but what begins with `@` is an event, as JSON.
pub(crate) struct Lecture(pub SharedProvider);

#[async_trait]
impl Workflow for Lecture {
    fn name(&self) -> &str {
        "tutor"
    }

    fn provider(&self) -> ProviderInfo {
        self.0.info()
    }

    fn backlogs(&self) -> Vec<(String, usize)> {
        Vec::new()
    }

    fn remembers(&self) -> bool {
        true
    }

    fn takes_system(&self) -> bool {
        false
    }

    fn check(&self, _: &StartRun) -> Result<(), Error> {
        Ok(())
    }

    async fn run(&self, turn: Turn) -> Result<Finished, Error> {
        let messages = vec![PromptMessage::new(Role::User, turn.ask.message)];
        let request = ModelRequest { messages, max_tokens: 9, ..ModelRequest::default() };
        let failed =
            |e: headwater_core::port::ProviderError| Error::new(Code::ProviderInterrupted, e.message);
        let mut deltas = self.0.generate(request).await.map_err(failed)?;
        while let Some(delta) = deltas.next().await {
            match delta.map_err(failed)? {
                Delta::Text(text) => match text.strip_prefix('@') {
                    Some(event) => turn.emit.emit(serde_json::from_str(event).unwrap()).await,
                    None => turn.emit.emit(Body::Token { text }).await,
                },
                Delta::End { reason, usage } => return Ok(Finished { reason, usage }),
                _ => {}
            }
        }
        Err(Error::new(Code::ProviderInterrupted, "the stage was left"))
    }
}
