//! An engine with two teams, each with a stage of its own, and what a test sees of their work.

use std::sync::Arc;

use headwater_bus::InProcess;
use headwater_core::RunId;
use headwater_core::event::{Body, Event, TeamStatus};
use headwater_core::port::provider::{ContextBudget, Price, ProviderInfo, Usage};
use headwater_engine::ask::{Job, Special};
use headwater_engine::engine::From;
use headwater_engine::workflow::Workflow;
use headwater_engine::workflow::teams::{SHIPPED, Teams, TeamsFile};
use headwater_engine::{Engine, Models, Settings, StartRun, Tasks};
use headwater_providers::scripted::stage::{Act, Cues, Stage};
use headwater_store::MemoryStore;

use crate::house::{ann, ask, rest};

/// One and ten dollars a million.
pub(crate) const PRICE: Price =
    Price { input: 1_000_000, output: 10_000_000, cached: None, cache_write: None };
/// What teams do after their drafts.
pub(crate) const PHASES: &str = "
[planner]
prompt = \"Plan {brief}.\"
max_tokens = 100
[reviewer]
model = \"critic\"
prompt = \"Review for {brief}:\\n{code}\"
max_tokens = 100
[refiner]
prompt = \"Refine {brief} by {notes}:\\n{code}\"
max_tokens = 200
rounds = 2
";

pub(crate) fn info(name: &str) -> ProviderInfo {
    ProviderInfo {
        name: name.into(),
        model: format!("{name}-1"),
        label: None,
        can_classify: true,
        can_call_tools: false,
        budget: ContextBudget { retrieval_tokens: 1_000, history_tokens: 1_000 },
        price: Some(PRICE),
    }
}

/// Two teams with a stage each, and the default model.
pub(crate) struct Yard {
    pub(crate) engine: Engine,
    pub(crate) a: Cues,
    pub(crate) g: Cues,
    pub(crate) usual: Cues,
    pub(crate) stages: [Arc<Stage>; 3],
}

impl Yard {
    pub(crate) fn new() -> Self {
        Self::with("", |models, a, g| models.and("anthropic", a).and("google", g))
    }

    pub(crate) fn phased() -> Self {
        Self::with(PHASES, |models, a, g| models.and("anthropic", a).and("google", g))
    }

    pub(crate) fn with(more: &str, name: impl Fn(Models, Arc<Stage>, Arc<Stage>) -> Models) -> Self {
        let (usual, usuals) = Stage::with_info(ProviderInfo { label: Some("tiny".into()), ..info("usual") });
        let ((a, acts), (g, gacts)) = (Stage::with_info(info("an")), Stage::with_info(info("goo")));
        let models = name(Models::new(usual.clone()), a.clone(), g.clone()).and("critic", usual.clone());
        let file = TeamsFile::parse(&format!("{SHIPPED}{more}")).unwrap();
        let workflows: Vec<Arc<dyn Workflow>> = vec![Arc::new(Teams::new(file, models))];
        let (store, bus) = (Arc::new(MemoryStore::new()), Arc::new(InProcess::new()));
        let engine = Engine::new(store, bus, workflows, Tasks::default(), Settings::default());
        Self { engine, a: acts, g: gacts, usual: usuals, stages: [a, g, usual] }
    }

    pub(crate) async fn start(&self, job: Job) -> RunId {
        self.engine.start(&ann(), given(job)).await.unwrap().run
    }

    /// A plain job, when both models were asked.
    pub(crate) async fn begin(&mut self) -> (RunId, Act, Act) {
        let run = self.start(Job::default()).await;
        (run, self.a.next().await, self.g.next().await)
    }

    pub(crate) async fn log(&self, run: &RunId) -> Vec<Arc<Event>> {
        rest(&mut self.engine.follow(&ann(), run, &From::After(0)).await.unwrap()).await
    }

    /// Until the log has such an event.
    pub(crate) async fn until(&self, run: &RunId, found: impl Fn(&Body) -> bool) {
        let mut follow = self.engine.follow(&ann(), run, &From::After(0)).await.unwrap();
        loop {
            match follow.next().await.unwrap() {
                headwater_engine::Followed::Events(e) if e.iter().any(|e| found(&e.body)) => return,
                headwater_engine::Followed::End => panic!("the run ended before"),
                _ => {}
            }
        }
    }
}

pub(crate) fn given(job: Job) -> StartRun {
    StartRun { special: Special::Job(Box::new(job)), ..ask("teams", "A login form") }
}

pub(crate) fn status(status: TeamStatus) -> String {
    serde_json::to_value(status).unwrap().as_str().unwrap().to_owned()
}

/// What happened to one team, shortly; neighbouring pieces of code joined.
pub(crate) fn steps(log: &[Arc<Event>], of: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for event in log {
        let (team, step) = match &event.body {
            Body::TeamChanged { team, status: s } => (team, status(*s)),
            Body::Thought { team: Some(team), .. } => (team, "thought".to_owned()),
            Body::ModelStarted { team: Some(team), provider, .. } => (team, format!("model {provider}")),
            Body::CodeDelta { team, text } => (team, format!("code {text}")),
            Body::CodeGenerated { team, code, draft, .. } => {
                (team, format!("{} {code}", if *draft { "draft" } else { "whole" }))
            }
            Body::TeamFailed { team, error } => (team, format!("failed {}", error.code)),
            Body::PhaseChanged { phase, status: s, .. } => (phase, format!("phase {}", status(*s))),
            _ => continue,
        };
        if team != of {
            continue;
        }
        match steps.last_mut().filter(|last| last.starts_with("code ") && step.starts_with("code ")) {
            Some(last) => last.push_str(&step[5..]),
            None => steps.push(step),
        }
    }
    steps
}

/// What this team, or nobody in particular, thought.
pub(crate) fn thoughts(log: &[Arc<Event>], of: Option<&str>) -> Vec<String> {
    let mut thoughts = Vec::new();
    for event in log {
        if let Body::Thought { team, text, step, id, .. } = &event.body
            && team.as_deref() == of
        {
            thoughts.push(text.clone());
            assert_eq!((*step as usize, id.len()), (thoughts.len(), 36));
        }
    }
    thoughts
}

pub(crate) fn used(log: &[Arc<Event>]) -> Option<Usage> {
    match &log.last().unwrap().body {
        Body::RunEnded { usage, .. } => *usage,
        other => panic!("{other:?}"),
    }
}

/// What is said of a team's whole code, last.
pub(crate) fn whole(log: &[Arc<Event>], of: &str) -> (String, u64, Usage) {
    let found = log.iter().rev().find_map(|e| match &e.body {
        Body::CodeGenerated { team, code, tokens, usage, .. } if team == of => {
            Some((code.clone(), *tokens, usage.unwrap()))
        }
        _ => None,
    });
    found.unwrap()
}
