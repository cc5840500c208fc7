//! The workflow `teams`: one brief, several teams side by side, each with a model of its own.
//!
//! Everything happens in the run's one task: the teams are futures that are polled together, so dropping the run drops
//! every team's stream, and every model stops at once.
//!
//! What a team's pieces of code ([`Body::CodeDelta`]) are joined to since its last `TeamChanged{generating}` is its code,
//! as [`Body::CodeGenerated`] repeats it; where the two differ (a refinement that failed on its way) the latter counts.

mod code;
mod desk;
mod file;
mod job;
mod thoughts;
mod words;

use async_trait::async_trait;
use headwater_core::event::{Body, TeamPlan};
use headwater_core::port::provider::{FinishReason, ProviderInfo, SharedProvider};
use headwater_core::{Code, Error};
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::desk::{Desk, Teller};
use self::file::{Framework, Phase, Team};
pub use self::file::{SHIPPED, TeamsFile};
use self::job::Work;
use super::answer::Voice;
use super::{Turn, Workflow};
use crate::ask::{Job, Special, StartRun};
use crate::models::Models;
use crate::writer::Finished;

/// Teams that are ready for jobs.
pub struct Teams {
    file: TeamsFile,
    models: Models,
    /// Models that the file names and that are not there: whoever makes one looks first.
    missing: Vec<String>,
}

impl Teams {
    /// Teams that work with these models. Ask [`TeamsFile::missing_models`] before: a job for one whose model is not
    /// there is refused.
    #[must_use]
    pub fn new(file: TeamsFile, models: impl Into<Models>) -> Self {
        let models = models.into();
        let missing = file.missing_models(|alias| models.has(alias));
        Self { file, models, missing }
    }

    /// Who works for a team, and whether in the place of somebody else.
    fn provider_of(&self, team: &Team) -> (&SharedProvider, bool) {
        match self.models.find(Some(&team.model)) {
            Ok(provider) => (provider, false),
            Err(_) => (self.models.default_one(), true),
        }
    }

    fn phase_provider(&self, phase: &Phase) -> SharedProvider {
        let found = self.models.find(phase.model.as_deref());
        found.unwrap_or_else(|_| self.models.default_one()).clone()
    }

    /// A team as it is shown before it works.
    fn planned(&self, team: &Team) -> TeamPlan {
        let (provider, stands_in) = self.provider_of(team);
        let info = provider.info();
        let label = match (stands_in, info.label) {
            (false, label) => label,
            (true, None) => Some(format!("in place of {}", team.model)),
            (true, Some(label)) => Some(format!("in place of {}: {label}", team.model)),
        };
        TeamPlan { team: team.name.clone(), provider: info.name, model: info.model, label }
    }

    /// The framework of that name; the default one where none is named.
    fn framework(&self, name: &str) -> Result<&Framework, Error> {
        let mut all = self.file.frameworks.iter();
        let found = if name.is_empty() { all.next() } else { all.find(|f| f.name == name) };
        found.ok_or_else(|| {
            let known: Vec<_> = self.file.frameworks().collect();
            invalid(format!("there is no framework of that name; there are: {}", known.join(", ")))
        })
    }

    /// The teams of these names; all of them where none is named.
    fn chosen(&self, names: &[String]) -> Result<Vec<&Team>, Error> {
        let known = |name: &String| self.file.teams().any(|team| team == name);
        if !names.iter().all(known) {
            let known: Vec<_> = self.file.teams().collect();
            return Err(invalid(format!("there is no team of that name; there are: {}", known.join(", "))));
        }
        let teams = self.file.teams.iter();
        Ok(teams.filter(|team| names.is_empty() || names.contains(&team.name)).collect())
    }
}

#[async_trait]
impl Workflow for Teams {
    fn name(&self) -> &str {
        &self.file.name
    }

    fn provider(&self) -> ProviderInfo {
        let first = self.file.teams.first().map(|team| self.provider_of(team).0);
        first.unwrap_or_else(|| self.models.default_one()).info()
    }

    fn backlogs(&self) -> Vec<(String, usize)> {
        self.file.teams.iter().flat_map(|team| self.provider_of(team).0.backlogs()).collect()
    }

    fn remembers(&self) -> bool {
        false
    }

    fn takes_system(&self) -> bool {
        false
    }

    fn lineup(&self) -> Vec<TeamPlan> {
        self.file.teams.iter().map(|team| self.planned(team)).collect()
    }

    fn check(&self, ask: &StartRun) -> Result<(), Error> {
        if !self.missing.is_empty() {
            return Err(Error::new(Code::UnknownModel, self.missing.join("; ")));
        }
        let job = match &ask.special {
            Special::Nothing => return Ok(()),
            Special::Job(job) => job,
            Special::Lesson(_) | Special::Both => {
                return Err(invalid(format!("the workflow `{}` gives no lessons", self.name())));
            }
        };
        self.framework(&job.framework)?;
        self.chosen(&job.teams)?;
        words::lines("style", job.style.as_ref())?;
        words::lines("workspace", job.workspace.as_ref())?;
        Ok(())
    }

    async fn run(&self, turn: Turn) -> Result<Finished, Error> {
        let Turn { ask, emit, .. } = turn;
        let job = match ask.special {
            Special::Job(job) => *job,
            Special::Nothing | Special::Lesson(_) | Special::Both => Job::default(),
        };
        let (framework, chosen) = (self.framework(&job.framework)?, self.chosen(&job.teams)?);
        let (style, workspace) =
            (words::lines("style", job.style.as_ref())?, words::lines("workspace", job.workspace.as_ref())?);
        emit.emit(Body::JobStarted {
            brief: ask.message.clone(),
            framework: framework.name.clone(),
            teams: chosen.iter().map(|team| self.planned(team)).collect(),
            workspace: job.workspace.map(serde_json::Value::Object),
            style: job.style.map(serde_json::Value::Object),
        })
        .await;
        let desks = chosen.into_iter().map(|team| {
            let (provider, stands_in) = self.provider_of(team);
            Desk {
                team,
                provider: provider.clone(),
                stands_in,
                model: None,
                teller: Teller::new(&emit, Some(team.name.clone())),
                code: String::new(),
                reason: FinishReason::Stop,
                failed: None,
                done: false,
                began: Instant::now(),
            }
        });
        let work = Work {
            teams: self,
            emit: &emit,
            brief: &ask.message,
            framework,
            style,
            workspace,
            max_tokens: ask.max_tokens,
            answer: Mutex::new((Voice::new(&emit), false)),
        };
        work.run(desks.collect()).await
    }
}

fn invalid(words: impl Into<String>) -> Error {
    Error::new(Code::InvalidRequest, words)
}
