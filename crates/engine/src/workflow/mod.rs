//! What a run does: stages over the engine's ports. One file a workflow.

mod answer;
pub mod assist;
mod care;
mod errand;
pub mod generate;
mod pace;
pub mod prompt;
mod steps;
pub mod teams;
pub mod tutor;

pub(crate) use self::answer::few_words;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use headwater_core::event::TeamPlan;
use headwater_core::port::SharedStore;
use headwater_core::port::provider::ProviderInfo;
use headwater_core::{Code, Error, Principal, RunId, SessionId};

use crate::ask::{Special, StartRun};
use crate::clock::Clock;
use crate::mask::Kinds;
use crate::models::Models;
use crate::tools::Clerk;
use crate::writer::{Emitter, Finished};

/// Everything that a workflow is given for one run.
pub struct Turn {
    /// Who asks.
    pub who: Principal,
    /// The run.
    pub run: RunId,
    /// Its conversation.
    pub session: SessionId,
    /// What was asked.
    pub ask: StartRun,
    /// Where the time comes from.
    pub clock: Clock,
    /// For earlier turns and for knowledge.
    pub store: SharedStore,
    /// Where it says what happens.
    pub emit: Emitter,
}

/// A run that is over and stored.
pub struct Past {
    /// Who asked.
    pub who: Principal,
    /// The run.
    pub run: RunId,
    /// Its conversation.
    pub session: SessionId,
    /// Where it is kept.
    pub store: SharedStore,
}

/// What a run does. Dropping the future of [`Workflow::run`] stops everything that it started.
#[async_trait]
pub trait Workflow: Send + Sync + 'static {
    /// The name that clients ask for.
    fn name(&self) -> &str;

    /// Who answers in it.
    fn provider(&self) -> ProviderInfo;

    /// Requests that wait for each of those who may answer, by their names.
    fn backlogs(&self) -> Vec<(String, usize)>;

    /// Whether a turn sees the earlier ones of its session, and so must wait for them.
    fn remembers(&self) -> bool;

    /// Whether a client may say how it is answered: its own instructions and conversation, which model, when the
    /// answer ends, how much is thought.
    fn takes_system(&self) -> bool;

    /// Which models a client may ask for by name, where it may at all.
    fn models(&self) -> Option<&Models> {
        None
    }

    /// Who carries its tools out, where it has any.
    fn clerk(&self) -> Option<&Clerk> {
        None
    }

    /// What it keeps out of models, of the log and of what is stored. The person's message is stored
    /// masked, and what the workflow says is masked before it is an event; masking what a model is given
    /// is the workflow's own work, since only it knows which texts those are. Nothing, where nobody says
    /// otherwise.
    fn masks(&self) -> Kinds {
        Kinds::NONE
    }

    /// Its teams, as they are before they work; none, where it has none.
    fn lineup(&self) -> Vec<TeamPlan> {
        Vec::new()
    }

    /// Whether it can do what is asked in particular: refused before anything is made. What no workflow of this kind
    /// is told is refused here.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`].
    fn check(&self, ask: &StartRun) -> Result<(), Error> {
        match ask.special {
            Special::Nothing => Ok(()),
            Special::Lesson(_) | Special::Job(_) | Special::Both => Err(Error::new(
                Code::InvalidRequest,
                format!("the workflow `{}` gives no lessons and takes no jobs", self.name()),
            )),
        }
    }

    /// Does it, saying what happens as it happens.
    async fn run(&self, turn: Turn) -> Result<Finished, Error>;

    /// What is left to do when a run is over and stored: beside everything else, nobody waits for it, and a server
    /// that stops drops it. A run that ended elsewhere, or after a crash, has none.
    fn afterwards(&self, _past: Past) -> Option<BoxFuture<'static, ()>> {
        None
    }
}
