//! Who sees a session beside its owner: `/api/sessions/{session}/members`.

use axum::Router;

use crate::app::App;

/// Where nobody else is.
pub fn routes() -> Router<App> {
    Router::new()
}
