//! `POST /api/orchestrate/brief`: a job is given to the teams.

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::{Json, extract::Request};
use headwater_core::code::{Code, Error};
use headwater_core::{MessageId, limit};
use headwater_engine::StartRun;
use headwater_engine::ask::{Job, Special};
use serde_json::{Map, Value};

use super::caller::Caller;
use super::refusal::Refused;
use super::shapes::{JobStatus, Taken, Teams};
use super::view::{planned, summary};
use crate::app::App;
use crate::gate::ClientAddress;
use crate::http::admission;
use crate::http::validate::{Fields, JsonBody, Text};

/// What code can be written for; the first where nobody says otherwise.
pub(super) const FRAMEWORKS: [&str; 4] = ["react", "vue", "svelte", "vanilla"];

/// What a person wants.
struct Wanted {
    brief: String,
    job: Job,
}

/// The fields, in the order in which the original reports their problems. `teams`: those that there are.
fn read(f: &mut Fields, teams: &[&str]) -> Wanted {
    let brief = f.text("brief", Text::up_to(limit::MESSAGE_BYTES).at_least(1));
    let framework = f.choice_or("target_framework", &FRAMEWORKS, FRAMEWORKS[0]).to_owned();
    let style = Some(f.optional_object("style_preferences")).filter(|style| !style.is_empty());
    let teams = f.choices("include_teams", teams, limit::TEAMS).unwrap_or_default();
    let workspace = f.within("workspace", |f| {
        f.text("project_path", PROJECT_TEXT);
        f.text("project_name", PROJECT_TEXT);
        for field in ["framework", "language", "package_manager", "git_branch", "git_remote"] {
            f.optional_text(field, PROJECT_TEXT);
        }
        f.texts("dependencies", PROJECT_TEXT, limit::WORKSPACE_ENTRIES);
    });
    Wanted { brief, job: Job { framework, teams, style, workspace } }
}

/// A path of a file system at its longest.
const PROJECT_TEXT: Text = Text::up_to(4_096);

/// What a client calls this request: sent twice it is one job.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<MessageId>, Error> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let name = key.to_str().ok().and_then(|key| MessageId::parse(key).ok());
    let most = limit::ID_BYTES;
    let wrong = || {
        Error::new(
            Code::InvalidRequest,
            format!("`Idempotency-Key` has 1 to {most} bytes of printable ASCII"),
        )
    };
    name.map(Some).ok_or_else(wrong)
}

pub(super) async fn take(
    State(app): State<App>,
    Caller(who): Caller,
    address: Option<Extension<ClientAddress>>,
    request: Request,
) -> Result<Json<Taken>, Refused> {
    let message_id = idempotency_key(request.headers())?;
    let body = JsonBody::up_to(request, limit::HTTP_BODY_BYTES).await?;
    let workflow = app.dialects.teams.to_string();
    let plans = app.engine.lineup(&workflow);
    let names: Vec<&str> = plans.iter().map(|plan| plan.team.as_str()).collect();
    let Wanted { brief, job } = body.read(|f| read(f, &names))?;
    admission::start(&app.gate, address)?;
    let workspace = job.workspace.clone().map(Value::Object);
    let includes = |team: &str| job.teams.is_empty() || job.teams.iter().any(|name| name == team);
    let teams = plans.iter().filter(|plan| includes(&plan.team)).map(planned).collect();
    let ask = start(workflow, brief.clone(), job.clone(), message_id);
    let started = app.engine.start(&who, ask).await?;
    Ok(Json(Taken {
        job_id: started.run.into(),
        status: JobStatus::Received,
        brief_summary: summary(&brief),
        teams: Teams(teams),
        total_tokens: 0,
        estimated_cost: 0.0,
        workspace,
    }))
}

/// What the engine is asked.
pub(super) fn start(workflow: String, brief: String, job: Job, message_id: Option<MessageId>) -> StartRun {
    let special = Special::Job(Box::new(job));
    StartRun { workflow, message: brief, message_id, special, ..StartRun::default() }
}

/// An object out of a log, as it was sent.
pub(super) fn object(value: Option<&Value>) -> Option<Map<String, Value>> {
    value.and_then(Value::as_object).cloned()
}
