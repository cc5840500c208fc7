//! HTTP beside `ai_stream`: `/api/ai/*`, `/api/user/limits`, `/api/health`.

use axum::Router;

use crate::app::App;

/// Where nobody else is.
pub fn routes() -> Router<App> {
    Router::new()
}
