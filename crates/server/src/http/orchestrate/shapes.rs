//! What is answered here, keys in the original's order.

use std::collections::BTreeMap;

use headwater_core::event::TeamStatus;
use schemars::JsonSchema;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobStatus {
    /// It was taken; nothing was done yet.
    Received,
    /// A planner is at work.
    Planning,
    /// The teams are about to begin.
    Dispatching,
    /// The teams are at work, or what comes after them.
    Awaiting,
    /// It ended, and each team is complete.
    Complete,
    /// It ended, and a team failed or the job was cut off.
    Error,
}

impl JobStatus {
    pub(super) const WORDS: [&'static str; 6] =
        ["received", "planning", "dispatching", "awaiting", "complete", "error"];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Planning => "planning",
            Self::Dispatching => "dispatching",
            Self::Awaiting => "awaiting",
            Self::Complete => "complete",
            Self::Error => "error",
        }
    }
}

/// A team's work so far.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateTeam")]
pub(crate) struct TeamView {
    /// Its name.
    pub team: String,
    /// Where it stands.
    pub status: TeamStatus,
    /// In their order.
    pub thoughts: Vec<ThoughtView>,
    /// Once it is whole.
    pub generated_code: Option<String>,
    /// Who writes it; before that, who is to.
    pub model_used: Option<String>,
    /// What its model wrote.
    pub token_count: u64,
    /// Where it failed.
    pub error_message: Option<String>,
    /// Added: what a person should know of the model, such as `tiny local model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A step of a team's work.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateThought")]
pub(crate) struct ThoughtView {
    /// Names it.
    pub id: String,
    /// What was thought.
    pub text: String,
    /// ISO 8601.
    pub timestamp: String,
    /// Whose it is.
    pub team: String,
}

/// The teams by name, in the order of the job.
#[derive(Debug, Clone, Default, PartialEq, JsonSchema)]
#[schemars(rename = "OrchestrateTeams", with = "BTreeMap<String, TeamView>")]
pub(crate) struct Teams(pub Vec<TeamView>);

impl Serialize for Teams {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for team in &self.0 {
            map.serialize_entry(&team.team, team)?;
        }
        map.end()
    }
}

/// `POST /api/orchestrate/brief`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateTaken")]
pub(crate) struct Taken {
    pub job_id: String,
    pub status: JobStatus,
    /// Its first 100 characters.
    pub brief_summary: String,
    pub teams: Teams,
    pub total_tokens: u64,
    /// Dollars.
    pub estimated_cost: f64,
    /// As it was sent.
    pub workspace: Option<Value>,
}

/// `GET /api/orchestrate/status/{job_id}`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateStatus")]
pub(crate) struct StatusView {
    pub job_id: String,
    pub status: JobStatus,
    /// 0 to 100.
    pub progress: u64,
    pub teams: Teams,
    /// Added: what the planner and the reviewer said, as the team `workflow`; only where there is any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thoughts: Vec<ThoughtView>,
}

/// A phase of a job.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "OrchestratePhase")]
pub(crate) struct PhaseView {
    /// `planner`, a team's name, `reviewer`, `refiner`.
    pub phase: String,
    pub status: TeamStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refinement_iteration: Option<u32>,
}

/// `GET /api/orchestrate/job/{job_id}`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateJob")]
pub(crate) struct JobView {
    pub job_id: String,
    pub status: JobStatus,
    /// The first 100 characters.
    pub brief_summary: String,
    pub teams: Teams,
    pub total_tokens: u64,
    /// Dollars, by the table of prices; 0 where it has none.
    pub estimated_cost: f64,
    /// Added: as it was sent.
    pub workspace: Option<Value>,
    /// Added: only where the job has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseView>,
    /// Added: what the planner and the reviewer said, as the team `workflow`; only where there is any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thoughts: Vec<ThoughtView>,
}

/// A line of the history.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateLine")]
pub(crate) struct Line {
    pub job_id: String,
    pub status: JobStatus,
    pub brief_summary: String,
    pub total_tokens: u64,
    pub estimated_cost: f64,
}

/// `GET /api/orchestrate/history`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateHistory")]
pub(crate) struct HistoryView {
    /// Newest first.
    pub jobs: Vec<Line>,
    /// On all pages.
    pub total: usize,
    pub limit: usize,
    pub offset: usize,
    pub page: usize,
    pub page_size: usize,
    /// Added, only where it is so: older jobs were not looked at for this status.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Of `DELETE` and of `generate`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateDone")]
pub(crate) struct Done {
    pub message: &'static str,
    pub job_id: String,
    /// Added: the job that does the same once more, where one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
}

/// The models of a team, or of a provider that is no team's.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateModels")]
pub(crate) struct ModelsView {
    pub models: Vec<ModelEntry>,
    /// Which of them answers.
    pub default: String,
    /// Added, only where it is so: a team, which a brief can name in `include_teams`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub team: bool,
}

/// A model.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateModel")]
pub(crate) struct ModelEntry {
    pub id: String,
    /// With what a person should know of it.
    pub name: String,
    /// `premium`, `standard` or `fast`, by its price; `local` where it runs here.
    pub tier: &'static str,
}

/// `GET /` of this surface's own listener.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateAbout")]
pub(crate) struct About {
    pub message: &'static str,
    pub version: &'static str,
    pub description: &'static str,
}

/// `GET /health` and `GET /ready` there.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateAlive")]
pub(crate) struct Alive {
    /// `healthy`; `ready` or `not_ready`.
    pub status: &'static str,
    /// ISO 8601.
    pub timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'static str>,
}
