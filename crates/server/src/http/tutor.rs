//! HTTP beside the tutor's socket: accounts, the turn for whoever has no socket, the history. The protocol:
//! `docs/protocol/tutor-http.md`.

mod accounts;
mod history;
mod measure;
mod own;
mod providers;
mod turn;
pub(crate) mod view;

use axum::Router;
use axum::routing::{get, post};

pub(super) use self::accounts::Granted;
pub(super) use self::history::History;
pub(super) use self::own::Health;
pub use self::own::routes as own_routes;
pub(super) use self::providers::Providers;
pub(super) use self::turn::Answered;
use crate::app::App;

/// Where nobody else is.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/auth/register", post(accounts::register))
        .route("/api/auth/login", post(accounts::log_in))
        .route("/api/auth/refresh", post(accounts::refresh))
        .route("/api/auth/logout", post(accounts::log_out))
        .route("/api/auth/me", get(accounts::me))
        .route("/api/v1/providers", get(providers::list))
}
