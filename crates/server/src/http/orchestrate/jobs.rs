//! One job: how it stands, and its end.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use headwater_core::event::TeamPlan;
use headwater_core::run::Run;
use headwater_core::{MessageId, Principal, RunId, limit};
use headwater_engine::StartRun;
use headwater_engine::ask::Job;

use super::brief;
use super::caller::Caller;
use super::refusal::{Refused, of_job};
use super::shapes::{Done, JobStatus, JobView, StatusView};
use super::states::States;
use super::view::{Fold, summary};
use crate::app::App;
use crate::gate::ClientAddress;
use crate::http::admission;
use crate::http::refusal::Refusal;

/// A job's name in an address. What is no name cannot be anybody's.
pub(super) struct Named(RunId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let run = path.ok().and_then(|Path(text)| RunId::parse(&text).ok());
        run.map(Self).ok_or_else(Refused::no_job)
    }
}

/// A job that this user sees, and its state.
async fn seen(app: &App, states: &States, who: &Principal, run: &RunId) -> Result<Arc<Fold>, Refused> {
    let run = there(app.engine.run(who, run).await.map_err(of_job)?)?;
    states.of(&app.engine, who, &run).await.map_err(of_job)
}

/// What its owner deleted is not there on this surface, for whomever.
fn there(run: Run) -> Result<Run, Refused> {
    if run.hidden { Err(Refused::no_job()) } else { Ok(run) }
}

pub(super) async fn status(
    State(app): State<App>,
    Extension(states): Extension<Arc<States>>,
    Caller(who): Caller,
    Named(run): Named,
) -> Result<Json<StatusView>, Refused> {
    let state = seen(&app, &states, &who, &run).await?;
    Ok(Json(StatusView {
        job_id: run.into(),
        status: state.status(),
        progress: state.progress(),
        teams: state.teams(),
        thoughts: state.thoughts.clone(),
    }))
}

pub(super) async fn show(
    State(app): State<App>,
    Extension(states): Extension<Arc<States>>,
    Caller(who): Caller,
    Named(run): Named,
) -> Result<Json<JobView>, Refused> {
    let state = seen(&app, &states, &who, &run).await?;
    Ok(Json(JobView {
        job_id: run.into(),
        status: state.status(),
        brief_summary: summary(&state.brief),
        teams: state.teams(),
        total_tokens: state.total_tokens(),
        estimated_cost: state.cost(),
        workspace: state.workspace.clone(),
        phases: state.phases.clone(),
        thoughts: state.thoughts.clone(),
    }))
}

/// Only its owner cancels a job, at work or not; afterwards it is not there any more.
pub(super) async fn cancel(
    State(app): State<App>,
    Caller(who): Caller,
    Named(run): Named,
) -> Result<Json<Done>, Refused> {
    there(app.engine.own_run(&who, &run).await.map_err(of_job)?)?;
    // First the work: when this returns, the providers' streams are closed and the ending is stored.
    app.engine.stop(&who, &run).await.map_err(of_job)?;
    if !app.engine.hide_run(&who, &run).await? {
        return Err(Refused::no_job());
    }
    Ok(Json(Done { message: "Job cancelled", job_id: run.into(), run_id: None }))
}

/// What is at work or complete is left alone. What failed or was stopped is done once more, as a job of its own: a log
/// ends once.
pub(super) async fn generate(
    State(app): State<App>,
    Extension(states): Extension<Arc<States>>,
    Caller(who): Caller,
    address: Option<Extension<ClientAddress>>,
    Named(run): Named,
) -> Result<Json<Done>, Refused> {
    let job_id = run.as_str().to_owned();
    let done = |run_id| Ok(Json(Done { message: "Generation triggered", job_id, run_id }));
    let mut failed = there(app.engine.own_run(&who, &run).await.map_err(of_job)?)?;
    let mut again = None;
    let mut admitted = Some(address);
    // Triggered twice it is done once: the job that does it is found by the name of the one that failed.
    for reruns in 0.. {
        let state = states.of(&app.engine, &who, &failed).await.map_err(of_job)?;
        let Some(ask) = once_more(&failed, &state, &app.engine.lineup(&failed.workflow)) else {
            return done(again);
        };
        if reruns == limit::JOB_RERUNS {
            let words =
                format!("This job was done {reruns} times more and did not complete; give its brief anew");
            return Err(Refusal::new(StatusCode::CONFLICT, words).into());
        }
        if let Some(address) = admitted.take() {
            admission::start(&app.gate, address)?;
        }
        let started = app.engine.start(&who, ask).await?;
        again = Some(started.run.as_str().to_owned());
        if !started.joined {
            break;
        }
        failed = app.engine.own_run(&who, &started.run).await.map_err(of_job)?;
    }
    done(again)
}

/// The same job; `None` where this one is at work or complete, or was no job of teams. Teams that are gone are left out.
fn once_more(failed: &Run, state: &Fold, there: &[TeamPlan]) -> Option<StartRun> {
    if state.ended.is_none() || state.status() != JobStatus::Error || state.brief.is_empty() {
        return None;
    }
    let known = |team: &String| there.iter().any(|plan| plan.team == *team);
    let teams = state.teams.iter().map(|team| team.team.clone()).filter(known).collect();
    let (style, workspace) = (brief::object(state.style.as_ref()), brief::object(state.workspace.as_ref()));
    let job = Job { framework: state.framework.clone(), teams, style, workspace };
    let name = MessageId::parse(&format!("again-{}", failed.id)).ok()?;
    let ask = brief::start(failed.workflow.clone(), state.brief.clone(), job, Some(name));
    // Whom the failed one was shared with, sees this one.
    Some(StartRun { session: Some(failed.session.clone()), ..ask })
}
