//! The whole of the outside: every route over one state.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use headwater_engine::Engine;
use headwater_engine::documents::Documents;
use tokio_util::sync::CancellationToken;

use crate::auth::Auth;
use crate::gate::Gate;
use crate::http::health::Readiness;
use crate::http::metrics::MetricsFor;
use crate::http::{
    appointments, assets, auth_routes, chat, documents, feedback, health, layers, metrics, openapi, runs,
};
use crate::metrics::Metrics;
use crate::ws;

/// What every handler may need. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Makes, follows and stops runs.
    pub engine: Engine,
    /// Signs people in.
    pub auth: Arc<Auth>,
    /// The workflow that answers the chat.
    pub chat: Arc<str>,
    /// Documents of people.
    pub documents: Documents,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// Who may read it.
    pub metrics_for: MetricsFor,
    /// What the store last said of itself.
    pub readiness: Readiness,
    /// Who may come in, how often, and how many.
    pub gate: Arc<Gate>,
    /// Cancelled when the server is about to stop: nothing new, and idle connections go.
    pub draining: CancellationToken,
}

impl FromRef<App> for Arc<Auth> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.auth)
    }
}

/// Every route, dressed.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .merge(assets::routes())
        .merge(health::routes())
        .merge(openapi::routes())
        .merge(auth_routes::routes())
        .merge(chat::routes())
        .merge(appointments::routes())
        .merge(documents::routes())
        .merge(feedback::routes())
        .merge(metrics::routes())
        .merge(runs::routes())
        .merge(ws::routes());
    let (gate, metrics) = (Arc::clone(&app.gate), app.metrics.clone());
    layers::around_gated(routes, gate, metrics).with_state(app)
}
