//! A house with a tutor: a workflow that says what a tutor says, around a model whose every delta a test says.

use std::sync::Arc;

use async_trait::async_trait;
use headwater_core::event::{Body, Emotion, Readiness, Source};
use headwater_core::port::provider::ProviderInfo;
use headwater_core::{Error, SessionId};
use headwater_engine::StartRun;
use headwater_engine::workflow::generate::Generate;
use headwater_engine::workflow::{Turn, Workflow};
use headwater_engine::writer::Finished;
use headwater_providers::scripted::stage::Stage;
use headwater_server::app::Surface;

use crate::house::{Given, House, open_gate};

struct Lessons(Generate);

#[async_trait]
impl Workflow for Lessons {
    fn name(&self) -> &str {
        "tutor"
    }

    fn provider(&self) -> ProviderInfo {
        self.0.provider()
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
        let emit = turn.emit.clone();
        let source = |source: &str| Source { source: source.into(), heading: String::new(), score: 0.9 };
        emit.emit(Body::Categorized {
            category: "math".into(),
            provider: "stage".into(),
            estimated_tokens: None,
        })
        .await;
        emit.emit(Body::ContextGathered {
            recent_messages: 2,
            relevant_messages: 1,
            semantic_search: true,
            rag: true,
            sources: vec![source("cells.md"), source("light.md"), source("cells.md")],
        })
        .await;
        let readiness = Readiness::HighReadiness;
        emit.emit(Body::Felt {
            emotion: Emotion { primary: "joy".into(), arousal: 0.5, valence: 0.5, readiness },
        })
        .await;
        let done = self.0.run(turn).await?;
        emit.emit(Body::AbilityLearned { subject: "biology".into(), ability: 0.6, confidence: 0.2 }).await;
        Ok(done)
    }
}

/// A house with a tutor, with this surface.
pub(crate) async fn house(surface: Surface) -> House {
    given(surface, Given { gate: open_gate(), ..Given::default() }).await
}

pub(crate) async fn given(surface: Surface, given: Given) -> House {
    let (stage, cues) = Stage::new();
    let workflows: Vec<Arc<dyn Workflow>> = vec![Arc::new(Lessons(Generate::new(stage.clone())))];
    House::given(Given { stage: Some((stage, cues)), workflows, surface: Some(surface), ..given }).await
}

pub(crate) fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}
