//! Where the tutor's own listener has what another system has elsewhere; under `/tutor` on the main one.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Serialize;

use super::{history, turn};
use crate::app::App;

/// The routes, without the prefix.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/chat", post(turn::chat))
        .route("/api/v1/chat/history/{session_id}", get(history::history))
        .route("/api/health", get(health))
}

/// The server lives; `status` is the original's.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TutorHealth")]
pub(in crate::http) struct Health {
    /// `ok`
    status: &'static str,
    /// Who answers; null where this server has no tutor.
    provider: Option<String>,
}

async fn health(State(app): State<App>) -> Json<Health> {
    let provider = app.engine.provider(&app.dialects.tutor).map(|provider| provider.name);
    Json(Health { status: "ok", provider })
}
