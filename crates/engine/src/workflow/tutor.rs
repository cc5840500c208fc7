//! The tutor: a question answered at the level of whoever asks, with what was said before.
//!
//! In order, each a file of its own:
//! 1. [`plan`]: what the question is about, and so who answers it. At once, by words; said before anything else.
//! 2. [`feel`]: how the person feels. Beside all that follows, which waits for it nowhere.
//! 3. [`gather`]: the newest messages, earlier ones that mean the same, passages, what is known of the ability. Bounded
//!    in time: what is not there by then is left out, and the event says so.
//! 4. [`level`]: how difficult the answer may be, and the prompt that says so.
//! 5. the answer, as everywhere (`answer.rs`); what the model thinks in steps where that is asked for (`steps.rs`), and
//!    at a pace where it comes in one piece (`pace.rs`).
//! 6. [`learn`]: what the turn taught of the ability, stored before the ending. What was not finished teaches nothing.
//! 7. [`remember`]: what the turn meant, for later ones; after the ending, on nobody's time.

mod feel;
mod gather;
mod learn;
mod level;
mod plan;
mod remember;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use headwater_core::code::{Code, Error};
use headwater_core::event::{Body, Stage};
use headwater_core::limit;
use headwater_core::port::SharedEmbedder;
use headwater_core::port::provider::{ModelRequest, ProviderInfo, SharedProvider};

use self::feel::Felt;
use self::plan::Plan;
use self::remember::Memory;
use super::pace::Paced;
use super::steps::Steps;
use super::{Past, Turn, Workflow, answer};
use crate::ask::{Lesson, Special, StartRun};
use crate::assistant::tutor_file::TutorFile;
use crate::mask::Kinds;
use crate::models::Models;
use crate::tutor::emotion::Feelings;
use crate::writer::Finished;

pub use self::plan::subject;

/// A tutor at work.
pub struct Tutor {
    file: TutorFile,
    models: Models,
    /// Models that the file names and that are not there: whoever makes a tutor looks first.
    missing: Vec<String>,
    /// By words alone until [`Tutor::warm`] is done.
    feelings: OnceLock<Feelings>,
    by_words: Feelings,
    embedder: Option<SharedEmbedder>,
    memory: Arc<Memory>,
}

impl Tutor {
    /// A tutor that these models speak for. Without an embedder earlier messages are not found by what they mean, and
    /// passages by their words alone. Ask [`TutorFile::missing_models`] before: one that names a model that is not
    /// there answers nothing.
    #[must_use]
    pub fn new(file: TutorFile, models: impl Into<Models>, embedder: Option<SharedEmbedder>) -> Self {
        let models = models.into();
        let missing = file.missing_models(|alias| models.has(alias));
        let memory = Arc::new(Memory::new(embedder.clone()));
        let (feelings, by_words) = (OnceLock::new(), Feelings::by_words());
        Self { file, models, missing, feelings, by_words, embedder, memory }
    }

    /// Makes ready what tells feelings by meaning: some hundred sentences are embedded, which takes seconds. Turns
    /// before it is done are judged by their words alone.
    pub async fn warm(&self) {
        // A second call changes nothing.
        let _ = self.feelings.set(Feelings::prepare(self.embedder.clone()).await);
    }

    fn feelings(&self) -> &Feelings {
        self.feelings.get().unwrap_or(&self.by_words)
    }

    async fn teach(&self, turn: &Turn, plan: &Plan<'_>, felt: &Felt) -> Result<Finished, Error> {
        turn.emit.emit(Body::StageStarted { stage: Stage::Retrieve }).await;
        let context = gather::gather(self, turn, plan).await;
        turn.emit.emit(context.event()).await;

        // What is measured by words alone is known by now; nothing else is waited for.
        tokio::task::yield_now().await;
        let emotion = felt.known();
        let level = level::level(plan, &context, emotion.as_ref());
        let mut steps = Steps::new(self.file.masks);
        if plan.lesson.reasoning {
            for step in level::steps(plan, &context, level, emotion.as_ref(), &mut steps) {
                turn.emit.emit(step).await;
            }
        }
        let request = ModelRequest {
            messages: level::messages(&self.file, plan, &context, level),
            max_tokens: turn.ask.max_tokens.unwrap_or(self.file.answer.max_tokens),
            temperature: Some(turn.ask.temperature.unwrap_or(self.file.answer.temperature as f32)),
            reasoning: self.file.answer.effort.filter(|_| plan.lesson.reasoning),
            ..ModelRequest::default()
        };
        let provider: SharedProvider = Arc::new(Paced(Arc::clone(plan.provider)));
        let finished = if plan.lesson.reasoning {
            answer::in_steps(&provider, request, steps, &turn.emit).await?
        } else {
            answer::generate(&provider, request, None, &turn.emit).await?
        };
        learn::learn(turn, plan, &context, level, felt.known().as_ref()).await;
        Ok(finished)
    }
}

#[async_trait]
impl Workflow for Tutor {
    fn name(&self) -> &str {
        &self.file.name
    }

    fn provider(&self) -> ProviderInfo {
        self.answering(self.file.answer.model.as_deref()).info()
    }

    fn backlogs(&self) -> Vec<(String, usize)> {
        let named = self.file.categories().iter().map(|c| c.model.as_deref());
        let answering = named.chain([None, self.file.emotion_model.as_deref()]);
        answering.flat_map(|alias| self.answering(alias).backlogs()).collect()
    }

    fn remembers(&self) -> bool {
        true
    }

    fn takes_system(&self) -> bool {
        false
    }

    fn masks(&self) -> Kinds {
        self.file.masks
    }

    fn check(&self, ask: &StartRun) -> Result<(), Error> {
        let invalid = |words: String| Err(Error::new(Code::InvalidRequest, words));
        let subject = match &ask.special {
            Special::Nothing => return Ok(()),
            Special::Lesson(Lesson { subject, .. }) => subject.as_deref().unwrap_or_default(),
            Special::Job(_) | Special::Both => {
                return invalid(format!("the workflow `{}` takes no jobs", self.name()));
            }
        };
        if subject.len() > limit::SUBJECT_BYTES || subject.chars().any(char::is_control) {
            let most = limit::SUBJECT_BYTES;
            return invalid(format!("`subject` must be at most {most} bytes without control characters"));
        }
        Ok(())
    }

    async fn run(&self, turn: Turn) -> Result<Finished, Error> {
        if let Some(missing) = self.missing.first() {
            return Err(Error::new(Code::UnknownModel, missing.as_str()));
        }
        let plan = self.plan(&turn.ask);
        turn.emit.emit(plan.event()).await;

        let felt = Felt::default();
        let feeling = self.feel(&plan, &felt, &turn.emit);
        let teaching = self.teach(&turn, &plan, &felt);
        tokio::pin!(feeling, teaching);
        let mut feels = true;
        loop {
            tokio::select! {
                // What is known before the ending is said before it; what is not is not waited for.
                biased;
                () = &mut feeling, if feels => feels = false,
                finished = &mut teaching => return finished,
            }
        }
    }

    fn afterwards(&self, past: Past) -> Option<BoxFuture<'static, ()>> {
        let memory = Arc::clone(&self.memory);
        Some(async move { memory.remember(past).await }.boxed())
    }
}
