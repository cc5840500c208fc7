//! A workflow named `teams` that does what a test tells it.

use async_trait::async_trait;
use headwater_core::event::{Body, Failure, TeamPlan, TeamStatus};
use headwater_core::port::provider::Cost;
use headwater_core::port::provider::{ContextBudget, FinishReason, ProviderInfo, Usage};
use headwater_core::{Code, Error};
use headwater_engine::StartRun;
use headwater_engine::ask::Special;
use headwater_engine::workflow::{Turn, Workflow};
use headwater_engine::writer::Finished;
use tokio::sync::mpsc;

/// The workflow's side.
pub(crate) struct Troupe(mpsc::Sender<Job>);

/// The test's side: jobs as they begin.
pub(crate) struct Jobs(mpsc::Receiver<Job>);

/// One job at work.
pub(crate) struct Job {
    pub ask: StartRun,
    to: mpsc::Sender<Result<Body, Error>>,
}

pub(crate) fn troupe() -> (Troupe, Jobs) {
    let (to, jobs) = mpsc::channel(16);
    (Troupe(to), Jobs(jobs))
}

impl Jobs {
    pub(crate) async fn next(&mut self) -> Job {
        self.0.recv().await.unwrap()
    }

    pub(crate) fn try_next(&mut self) -> Option<Job> {
        self.0.try_recv().ok()
    }
}

fn failure(message: &str) -> Failure {
    Failure { code: "provider_busy".into(), message: message.into(), recoverable: true, retry_after: None }
}

impl Job {
    pub(crate) async fn say(&self, body: Body) {
        self.to.send(Ok(body)).await.unwrap();
    }

    pub(crate) async fn team(&self, team: &str, status: TeamStatus) {
        self.say(Body::TeamChanged { team: team.into(), status }).await;
    }

    pub(crate) async fn think(&self, team: &str, text: &str) {
        let (id, text) = (format!("id-{text}"), text.to_owned());
        self.say(Body::Thought { id, team: Some(team.into()), step: 1, mode: None, text, confidence: None })
            .await;
    }

    pub(crate) async fn write(&self, team: &str, text: &str) {
        self.say(Body::CodeDelta { team: team.into(), text: text.into() }).await;
    }

    pub(crate) async fn complete(&self, team: &str, code: &str) {
        self.team(team, TeamStatus::Complete).await;
        let usage = Some(Usage { cost_usd: Cost::from_dollars(0.00007), ..Usage::of(1, 7) });
        self.say(Body::CodeGenerated {
            team: team.into(),
            code: code.into(),
            tokens: 7,
            usage,
            draft: false,
        })
        .await;
    }

    pub(crate) async fn fail(&self, team: &str, why: &str) {
        self.say(Body::TeamFailed { team: team.into(), error: failure(why) }).await;
    }

    /// The workflow was dropped: nobody asks its models any more.
    pub(crate) async fn dropped(&self) {
        self.to.closed().await;
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.to.is_closed()
    }

    /// It fails as a whole.
    pub(crate) async fn break_off(self, why: &str) {
        self.to.send(Err(Error::new(Code::ProviderFailed, why))).await.unwrap();
    }
}

#[async_trait]
impl Workflow for Troupe {
    fn name(&self) -> &'static str {
        "teams"
    }

    fn provider(&self) -> ProviderInfo {
        let budget = ContextBudget { retrieval_tokens: 0, history_tokens: 0 };
        ProviderInfo {
            name: "anthropic".into(),
            model: "sonnet".into(),
            label: None,
            can_classify: false,
            can_call_tools: false,
            budget,
            price: None,
        }
    }

    fn backlogs(&self) -> Vec<(String, usize)> {
        Vec::new()
    }

    fn remembers(&self) -> bool {
        false
    }

    fn takes_system(&self) -> bool {
        false
    }

    fn lineup(&self) -> Vec<TeamPlan> {
        let plan = |team: &str, model: &str, label: Option<&str>| TeamPlan {
            team: team.into(),
            provider: team.into(),
            model: model.into(),
            label: label.map(str::to_owned),
        };
        vec![plan("anthropic", "sonnet", None), plan("google", "flash", Some("tiny"))]
    }

    fn check(&self, _: &StartRun) -> Result<(), Error> {
        Ok(())
    }

    async fn run(&self, turn: Turn) -> Result<Finished, Error> {
        let Special::Job(job) = turn.ask.special.clone() else { panic!("no job") };
        let mut teams = self.lineup();
        teams.retain(|plan| job.teams.is_empty() || job.teams.contains(&plan.team));
        let started = Body::JobStarted {
            brief: turn.ask.message.clone(),
            framework: job.framework.clone(),
            teams,
            workspace: job.workspace.clone().map(Into::into),
            style: job.style.clone().map(Into::into),
        };
        turn.emit.emit(started).await;
        let (to, mut said) = mpsc::channel(1);
        self.0.send(Job { ask: turn.ask.clone(), to }).await.unwrap();
        while let Some(body) = said.recv().await {
            turn.emit.emit(body?).await;
        }
        let usage = Usage { cost_usd: Cost::from_dollars(0.0002), ..Usage::of(3, 14) };
        Ok(Finished { reason: FinishReason::Stop, usage })
    }
}
