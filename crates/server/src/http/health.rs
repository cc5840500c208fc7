//! Whether the server lives (`/health`), may be sent work (`/health/ready`), and who answers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use headwater_core::limit;
use headwater_core::port::SharedStore;
use headwater_core::port::provider::ProviderInfo;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::refusal::dress;
use crate::app::App;

/// The two routes.
pub fn routes() -> Router<App> {
    Router::new().route("/health", get(health)).route("/health/ready", get(ready))
}

/// `status` is the original's whole answer; the rest is ours.
#[derive(Serialize, JsonSchema)]
#[schemars(description = "The server lives.")]
pub(super) struct Health {
    /// `healthy`
    status: &'static str,
    /// Who answers in the chat.
    provider: Option<Provider>,
    /// Only where it is so: people without an account may chat, and get tokens at `POST /api/v1/auth/guest`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    anonymous_chat: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Provider {
    /// Its name in the configuration.
    name: String,
    /// The model's name.
    model: String,
    /// What a person should know of it.
    label: Option<String>,
}

impl From<ProviderInfo> for Provider {
    fn from(p: ProviderInfo) -> Self {
        Self { name: p.name, model: p.model, label: p.label }
    }
}

async fn health(State(app): State<App>) -> Json<Health> {
    let provider = app.engine.provider(&app.chat).map(Provider::from);
    Json(Health { status: "healthy", provider, anonymous_chat: app.auth.has_guests() })
}

/// Whether the server may be sent work.
#[derive(Serialize, JsonSchema)]
pub(super) struct Ready {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// `connected`, or `error: …`.
    database: String,
}

/// What the store last said of itself, for as long as that is news. A look at the store is a write to its
/// disk: however many ask, there is one a second.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Option<(Instant, String)>>>);

impl Readiness {
    async fn ask(&self, store: &SharedStore) -> String {
        let mut last = self.0.lock().await;
        match &*last {
            Some((at, verdict)) if at.elapsed() < limit::READINESS_NEWS => verdict.clone(),
            _ => {
                let verdict = match store.check().await {
                    Ok(()) => CONNECTED.to_owned(),
                    Err(error) => format!("error: {error}"),
                };
                *last = Some((Instant::now(), verdict.clone()));
                verdict
            }
        }
    }
}

const CONNECTED: &str = "connected";

async fn ready(State(app): State<App>) -> Response {
    let database = app.readiness.ask(app.engine.store()).await;
    let fine = database == CONNECTED && !app.draining.is_cancelled();
    answer(fine, Ready { status: if fine { "ready" } else { "not_ready" }, database })
}

/// The same in another surface's shape.
pub(super) async fn ready_as<T: Serialize>(app: &App, shape: impl FnOnce(bool) -> T) -> Response {
    let connected = app.readiness.ask(app.engine.store()).await == CONNECTED;
    let fine = connected && !app.draining.is_cancelled();
    answer(fine, shape(fine))
}

fn answer(fine: bool, said: impl Serialize) -> Response {
    let code = if fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut answer = (code, Json(said)).into_response();
    dress(&mut answer, false, None);
    answer
}
