//! A job as its log tells it: a pure fold over the events, which can be stopped anywhere and taken up again.

use std::collections::BTreeMap;

use headwater_core::event::{Body, Event, Outcome, Seq, TeamStatus};
use headwater_core::port::provider::Cost;
use serde_json::Value;

use super::shapes::{JobStatus, Line, PhaseView, TeamView, Teams, ThoughtView};
use super::{WORKFLOW, ended_without, stamp};

/// Characters of a brief that a list shows.
const SUMMARY_CHARS: usize = 100;

/// Bytes that a state takes beside its texts, roughly.
const FIXED: usize = 512;

/// A job up to an event.
#[derive(Debug, Clone, Default)]
pub(super) struct Fold {
    /// The last event in it.
    pub seq: Seq,
    /// As the person gave it.
    pub brief: String,
    pub framework: String,
    pub workspace: Option<Value>,
    pub style: Option<Value>,
    pub teams: Vec<TeamView>,
    pub phases: Vec<PhaseView>,
    /// What was thought for the job as a whole.
    pub thoughts: Vec<ThoughtView>,
    /// How it ended, once it has.
    pub ended: Option<Outcome>,
    /// What all its models used, once it has ended.
    pub(super) cost: Option<Cost>,
    /// What each team's used so far: an event has all of it, and takes the place of the one before.
    pub(super) spent: BTreeMap<String, Cost>,
    /// There are teams; otherwise the text is the code of one, see [`Fold::text`].
    pub(super) job: bool,
    /// The run's workflow, until it is known whether it has teams: whoever asks before that is told of none.
    pub(super) plain: Option<String>,
    pub(super) text: String,
}

impl Fold {
    /// Takes one more event in; those of before are passed over.
    pub(super) fn push(&mut self, event: &Event) {
        if event.seq <= self.seq {
            return;
        }
        self.seq = event.seq;
        if let (Body::ModelStarted { .. } | Body::Token { .. } | Body::RunEnded { .. }, false) =
            (&event.body, self.job)
            && let Some(workflow) = self.plain.take()
        {
            self.teams = vec![pending(&workflow)];
        }
        match &event.body {
            Body::RunStarted { workflow, .. } => self.plain = Some(workflow.clone()),
            Body::JobStarted { brief, framework, teams, workspace, style } => {
                self.job = true;
                self.brief.clone_from(brief);
                self.framework.clone_from(framework);
                self.workspace.clone_from(workspace);
                self.style.clone_from(style);
                let planned = |plan: &headwater_core::event::TeamPlan| TeamView {
                    model_used: Some(plan.model.clone()),
                    label: plan.label.clone(),
                    ..pending(&plan.team)
                };
                self.teams = teams.iter().map(planned).collect();
            }
            Body::PhaseChanged { phase, status, iteration } => {
                let view =
                    PhaseView { phase: phase.clone(), status: *status, refinement_iteration: *iteration };
                match self.phases.iter_mut().find(|other| other.phase == *phase) {
                    Some(other) => *other = view,
                    None => self.phases.push(view),
                }
            }
            Body::ModelStarted { model, label, team, .. } => {
                let plain = !self.job;
                if let Some(view) = self.team(team.as_deref()) {
                    // What was said of whoever was to answer is more than he says of himself: in whose place he stands.
                    if view.label.is_none() || view.model_used.as_ref() != Some(model) {
                        view.label.clone_from(label);
                    }
                    view.model_used = Some(model.clone());
                    if plain {
                        view.status = TeamStatus::Generating;
                    }
                }
            }
            Body::TeamChanged { team, status } => {
                if let Some(view) = self.team(Some(team)) {
                    view.status = *status;
                }
            }
            Body::Thought { id, team, text, .. } => {
                let (id, text, timestamp) = (id.clone(), text.clone(), stamp(event.at));
                if let Some(view) = self.team(team.as_deref()) {
                    let team = view.team.clone();
                    view.thoughts.push(ThoughtView { id, text, timestamp, team });
                } else if team.is_none() {
                    let team = WORKFLOW.to_owned();
                    self.thoughts.push(ThoughtView { id, text, timestamp, team });
                }
            }
            Body::CodeGenerated { team, code, tokens, usage, .. } => {
                if let Some(view) = self.team(Some(team)) {
                    view.generated_code = Some(code.clone());
                    view.token_count = *tokens;
                    let cost = usage.as_ref().and_then(|usage| usage.cost_usd).unwrap_or_default();
                    self.spent.insert(team.clone(), cost);
                }
            }
            Body::TeamFailed { team, error } => {
                if let Some(view) = self.team(Some(team)) {
                    view.status = TeamStatus::Error;
                    view.error_message = Some(error.message.clone());
                }
            }
            Body::Token { text } => {
                if !self.job {
                    self.text.push_str(text);
                }
            }
            Body::RunEnded { outcome, error, usage, .. } => {
                self.ended = Some(*outcome);
                // The whole of it: what planned and reviewed cost as well.
                self.cost = usage.as_ref().and_then(|usage| usage.cost_usd);
                if let (false, Outcome::Completed, Some(team)) = (self.job, outcome, self.teams.first_mut()) {
                    team.status = TeamStatus::Complete;
                    team.generated_code = Some(std::mem::take(&mut self.text));
                    let written = usage.as_ref().and_then(|usage| usage.output_tokens);
                    team.token_count = written.unwrap_or_default();
                }
                let unfinished =
                    |team: &&mut TeamView| !matches!(team.status, TeamStatus::Complete | TeamStatus::Error);
                for team in self.teams.iter_mut().filter(unfinished) {
                    team.status = TeamStatus::Error;
                    team.error_message = Some(ended_without(*outcome, error.as_ref()));
                }
            }
            // Not of a job's state.
            Body::CodeDelta { .. }
            | Body::StageStarted { .. }
            | Body::Routed { .. }
            | Body::Retrieved { .. }
            | Body::Reasoning { .. }
            | Body::Cited { .. }
            | Body::Categorized { .. }
            | Body::ContextGathered { .. }
            | Body::Felt { .. }
            | Body::AbilityLearned { .. }
            | Body::ToolCalled { .. }
            | Body::ToolReturned { .. }
            | Body::Escalated { .. } => {}
        }
    }

    /// The team of that name; of a run without teams the only one.
    fn team(&mut self, name: Option<&str>) -> Option<&mut TeamView> {
        if !self.job {
            return self.teams.first_mut();
        }
        self.teams.iter_mut().find(|team| Some(team.team.as_str()) == name)
    }

    pub(super) fn status(&self) -> JobStatus {
        let all = |status| self.teams.iter().all(|team| team.status == status);
        match self.ended {
            Some(Outcome::Completed) if all(TeamStatus::Complete) => return JobStatus::Complete,
            Some(_) => return JobStatus::Error,
            None => {}
        }
        if !all(TeamStatus::Pending) {
            return JobStatus::Awaiting;
        }
        match self.phases.iter().find(|phase| phase.phase == "planner").map(|phase| phase.status) {
            Some(TeamStatus::Complete | TeamStatus::Error) => JobStatus::Dispatching,
            Some(_) => JobStatus::Planning,
            None if self.job => JobStatus::Dispatching,
            None => JobStatus::Received,
        }
    }

    /// 0 to 100: of n teams each complete one is worth its nth part, and one at work the half of that.
    pub(super) fn progress(&self) -> u64 {
        let worth = |team: &TeamView| match team.status {
            TeamStatus::Complete => 100,
            TeamStatus::Thinking | TeamStatus::Generating => 50,
            TeamStatus::Pending | TeamStatus::Error => 0,
        };
        let sum: u64 = self.teams.iter().map(worth).sum();
        sum / (self.teams.len() as u64).max(1)
    }

    pub(super) fn total_tokens(&self) -> u64 {
        self.teams.iter().map(|team| team.token_count).sum()
    }

    /// Dollars.
    pub(super) fn cost(&self) -> f64 {
        let so_far = || Cost(self.spent.values().fold(0, |sum, cost| sum.saturating_add(cost.0)));
        self.cost.unwrap_or_else(so_far).dollars()
    }

    pub(super) fn teams(&self) -> Teams {
        Teams(self.teams.clone())
    }

    pub(super) fn line(&self, job_id: &str) -> Line {
        Line {
            job_id: job_id.to_owned(),
            status: self.status(),
            brief_summary: summary(&self.brief),
            total_tokens: self.total_tokens(),
            estimated_cost: self.cost(),
        }
    }

    /// Bytes that it takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        let thoughts = |all: &[ThoughtView]| all.iter().map(|t| FIXED / 2 + t.text.len()).sum::<usize>();
        let team = |team: &TeamView| {
            FIXED + thoughts(&team.thoughts) + team.generated_code.as_ref().map_or(0, String::len)
        };
        let said: usize =
            [&self.workspace, &self.style].into_iter().flatten().map(|v| v.to_string().len()).sum();
        let words = self.brief.len() + self.text.len() + thoughts(&self.thoughts);
        FIXED + words + 2 * said + self.teams.iter().map(team).sum::<usize>()
    }
}

fn pending(team: &str) -> TeamView {
    TeamView {
        team: team.to_owned(),
        status: TeamStatus::Pending,
        thoughts: Vec::new(),
        generated_code: None,
        model_used: None,
        token_count: 0,
        error_message: None,
        label: None,
    }
}

/// A team that was planned a moment ago.
pub(super) fn planned(plan: &headwater_core::event::TeamPlan) -> TeamView {
    TeamView { model_used: Some(plan.model.clone()), label: plan.label.clone(), ..pending(&plan.team) }
}

/// The beginning of a brief, with three dots where there is more.
pub(super) fn summary(brief: &str) -> String {
    match brief.char_indices().nth(SUMMARY_CHARS) {
        Some((at, _)) => format!("{}...", &brief[..at]),
        None => brief.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use headwater_core::Millis;
    use headwater_core::event::TeamPlan;
    use headwater_core::port::provider::Usage;

    use super::*;

    /// A job of these teams, and what was told of it.
    fn fold(teams: &[&str], told: Vec<Body>) -> Fold {
        let plan = |team: &&str| TeamPlan {
            team: (*team).into(),
            provider: "p".into(),
            model: "m".into(),
            label: None,
        };
        let job = Body::JobStarted {
            brief: "A page".into(),
            framework: "react".into(),
            teams: teams.iter().map(plan).collect(),
            workspace: None,
            style: None,
        };
        let mut fold = Fold::default();
        for (n, body) in std::iter::once(job).chain(told).enumerate() {
            fold.push(&Event { seq: n as Seq + 1, at: Millis(0), body });
        }
        fold
    }

    fn code(team: &str, tokens: u64, dollars: u64) -> Body {
        let usage = Usage { cost_usd: Some(Cost(dollars * 1_000_000_000_000)), ..Usage::default() };
        Body::CodeGenerated { team: team.into(), code: "x".into(), tokens, usage: Some(usage), draft: false }
    }

    // Planted faults: thoughts of nobody in particular left out; a team's told twice.
    #[test]
    fn what_the_planner_thinks_is_the_workflows() {
        let thought = |team: Option<&str>, text: &str| Body::Thought {
            id: text.into(),
            team: team.map(str::to_owned),
            step: 1,
            mode: None,
            text: text.into(),
            confidence: None,
        };
        let job =
            fold(&["a"], vec![thought(None, "Plan"), thought(Some("a"), "Code"), thought(Some("gone"), "?")]);
        let of =
            |all: &[ThoughtView]| all.iter().map(|t| format!("{}: {}", t.team, t.text)).collect::<Vec<_>>();
        assert_eq!(of(&job.thoughts), ["workflow: Plan"]);
        assert_eq!(of(&job.teams[0].thoughts), ["a: Code"]);
    }

    // Planted fault: what an event has added to what the one before had.
    #[test]
    fn what_a_team_used_in_all_rounds_counts_once() {
        let drafts = vec![code("a", 10, 1), code("b", 20, 2), code("a", 30, 3), code("b", 50, 5)];
        let mut job = fold(&["a", "b"], drafts);
        assert_eq!((job.total_tokens(), job.cost()), (80, 8.0));
        job.push(&Event { seq: 6, at: Millis(0), body: code("a", 35, 4) });
        assert_eq!((job.total_tokens(), job.cost()), (85, 9.0));
    }

    // Planted fault: a team of the workflow's name at once: a client that polls waits for it for ever.
    #[test]
    fn before_the_teams_are_known_there_are_none() {
        let started = |workflow: &str| Body::RunStarted {
            session_id: headwater_core::SessionId::parse("s").unwrap(),
            workflow: workflow.into(),
        };
        let mut job = Fold::default();
        job.push(&Event { seq: 1, at: Millis(0), body: started("teams") });
        assert!(job.teams.is_empty());
        let mut plain = Fold::default();
        plain.push(&Event { seq: 1, at: Millis(0), body: started("generate") });
        plain.push(&Event { seq: 2, at: Millis(0), body: Body::Token { text: "x".into() } });
        assert_eq!(plain.teams[0].team, "generate");
    }
}
