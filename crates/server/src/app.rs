//! The whole of the outside: every route over one state.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use headwater_engine::Engine;
use headwater_engine::documents::Documents;
use tokio_util::sync::CancellationToken;

use crate::auth::Auth;
use crate::http::health::Readiness;
use crate::http::{assets, auth_routes, chat, documents, health, layers, runs};
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
    /// What the store last said of itself.
    pub readiness: Readiness,
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
        .merge(auth_routes::routes())
        .merge(chat::routes())
        .merge(documents::routes())
        .merge(runs::routes())
        .merge(ws::routes());
    layers::around(routes).with_state(app)
}
