//! HTTP beside `orchestrate`: `/api/orchestrate/*`, see `docs/protocol/orchestrate.md`.

mod brief;
mod caller;
mod catalogue;
mod history;
mod jobs;
mod refusal;
pub(crate) mod shapes;
mod states;
mod view;

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use headwater_core::Millis;
use headwater_core::event::{Failure, Outcome};

pub(crate) use self::caller::{developer, is_shown};
pub(super) use self::refusal::Refused;
use self::shapes::{About, Alive};
use self::states::States;
use super::health;
use crate::app::App;

/// Where the state of a job is asked for, every two seconds by each front-end: it has an allowance of its own.
pub(super) const STATUS: &str = "/api/orchestrate/status/{job_id}";
/// Where its socket opens.
pub(crate) const SOCKET: &str = "/ws/orchestrate/{job_id}";

/// Whose is what no team's is, on the wire.
pub(crate) const WORKFLOW: &str = "workflow";
/// What its own listener has beside these, where others have something else.
pub(super) const OWN: [&str; 3] = ["/", "/health", "/ready"];

/// Where nobody else is.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/orchestrate/brief", post(brief::take))
        .route("/api/orchestrate/status/{job_id}", get(jobs::status))
        .route("/api/orchestrate/job/{job_id}", get(jobs::show).delete(jobs::cancel))
        .route("/api/orchestrate/generate/{job_id}", post(jobs::generate))
        .route("/api/orchestrate/history", get(history::list))
        .route("/api/orchestrate/models", get(catalogue::list))
        .layer(Extension(Arc::<States>::default()))
}

/// Where the system's own listener has what another system has elsewhere.
pub fn own_routes() -> Router<App> {
    // Those of `OWN`, as literals: the test that compares routes and their description reads the source.
    Router::new().route("/", get(about)).route("/health", get(alive)).route("/ready", get(ready))
}

async fn about() -> Json<About> {
    Json(About {
        message: "Headwater: orchestrate",
        version: env!("CARGO_PKG_VERSION"),
        description: "Code by teams of models that work side by side",
    })
}

async fn alive(State(app): State<App>) -> Json<Alive> {
    let timestamp = stamp(app.engine.clock().wall());
    Json(Alive { status: "healthy", timestamp, version: Some(env!("CARGO_PKG_VERSION")) })
}

async fn ready(State(app): State<App>) -> axum::response::Response {
    let timestamp = stamp(app.engine.clock().wall());
    health::ready_as(&app, |ready| Alive {
        status: if ready { "ready" } else { "not_ready" },
        timestamp,
        version: None,
    })
    .await
}

/// A point in time on this surface: ISO 8601 with milliseconds, in UTC.
pub(crate) fn stamp(at: Millis) -> String {
    let mut text = super::documents::shapes::iso(at);
    // Of the microseconds the first three digits: there are no others.
    text.truncate(text.len().saturating_sub(3));
    text.push('Z');
    text
}

/// What is said of a team whose job ended without it.
pub(crate) fn ended_without(outcome: Outcome, error: Option<&Failure>) -> String {
    match (outcome, error) {
        (Outcome::Cancelled, _) => "Job cancelled".to_owned(),
        (_, Some(error)) => error.message.clone(),
        (Outcome::Interrupted, None) => {
            "the server stopped while it worked on this; start the job again".to_owned()
        }
        (Outcome::Completed | Outcome::Failed, None) => "the job ended without this team".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_a_zone() {
        assert_eq!(stamp(Millis(1_795_225_162_177)), "2026-11-21T01:39:22.177Z");
        assert_eq!(stamp(Millis(0)), "1970-01-01T00:00:00.000Z");
    }
}
