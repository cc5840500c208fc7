//! HTTP beside `orchestrate`: `/api/orchestrate/*`.

use axum::Router;

use crate::app::App;

/// Where nobody else is.
pub fn routes() -> Router<App> {
    Router::new()
}

/// Where the system's own listener has what another system has elsewhere.
pub fn own_routes() -> Router<App> {
    Router::new()
}
