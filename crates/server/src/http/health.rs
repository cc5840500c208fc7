//! Whether the server lives (`/health`), may be sent work (`/health/ready`), and who answers.
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::app::App;

/// The two routes.
pub fn routes() -> Router<App> {
    Router::new().route("/health", get(health)).route("/health/ready", get(ready))
}

/// `status` is the original's whole answer; the rest is ours.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    /// Who answers in the chat.
    provider: Option<Provider>,
}

#[derive(Serialize)]
struct Provider {
    name: String,
    model: String,
    /// What a person should know of it.
    label: Option<String>,
}

async fn health(State(app): State<App>) -> Json<Health> {
    let mut providers = app.engine.providers();
    let at = providers.iter().position(|(workflow, _)| workflow == crate::http::chat::WORKFLOW).unwrap_or(0);
    let provider = (at < providers.len()).then(|| providers.swap_remove(at).1);
    let provider = provider.map(|p| Provider { name: p.name, model: p.model, label: p.label });
    Json(Health { status: "healthy", provider })
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    database: String,
}

async fn ready(State(app): State<App>) -> Response {
    let database = match app.engine.store().check().await {
        Ok(()) => "connected".to_owned(),
        Err(error) => format!("error: {error}"),
    };
    let fine = database == "connected" && !app.draining.is_cancelled();
    let (code, status) =
        if fine { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (code, Json(Ready { status, database })).into_response()
}
