//! WebSocket: one pure codec a protocol, one task a connection. To add a dialect: its file, its line in
//! [`routes`], its page in `docs/protocol/`, its transcripts.

pub mod chat;
mod commands;
pub mod connection;
pub mod dialect;
mod ending;
pub mod merge;
pub mod native;
mod outbox;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, FromRequestParts, Query, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use headwater_core::{Principal, limit};

use self::chat::Chat;
use self::connection::{Connection, Surroundings};
use self::dialect::Dialect;
use self::native::{Native, SUBPROTOCOL};
use crate::app::App;
use crate::edge::ConnInfo;

/// The routes that upgrade.
pub fn routes() -> Router<App> {
    Router::new().route("/ws/chat", get(open_chat)).route("/ws", get(open_native))
}

/// What stands behind `?`. A connection is always accepted, so what cannot be read counts as not said, and
/// of what is said twice the first counts.
#[derive(Debug, Default)]
struct Asked(Vec<(String, String)>);

impl Asked {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default()))
    }
}

async fn open_chat(
    State(app): State<App>,
    Extension(conn): Extension<ConnInfo>,
    asked: Asked,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let who = shown(&app, asked.get("token"), &headers);
    let partial = !matches!(asked.get("partial"), Some("false" | "0"));
    let dialect =
        Chat::new(Arc::clone(&app.chat), headwater_engine::ask::new_session(), who.is_some(), partial);
    open(app, conn, who, Box::new(dialect), upgrade)
}

async fn open_native(
    State(app): State<App>,
    Extension(conn): Extension<ConnInfo>,
    asked: Asked,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let who = shown(&app, asked.get("token"), &headers);
    let dialect = Native::new(who.is_some());
    open(app, conn, who, Box::new(dialect), upgrade.protocols([SUBPROTOCOL]))
}

/// Who shows himself in the handshake. A token that is not good leaves the connection unauthenticated: the
/// client hears of it with its first message (contract).
fn shown(app: &App, token: Option<&str>, headers: &HeaderMap) -> Option<Principal> {
    match token {
        Some(token) => app.auth.principal_of(token).ok(),
        None => app.auth.bearer(headers).ok(),
    }
}

fn open(
    app: App,
    conn: ConnInfo,
    who: Option<Principal>,
    dialect: Box<dyn Dialect>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let tasks = app.engine.tasks().clone();
    let around = Surroundings {
        engine: app.engine.clone(),
        auth: Arc::clone(&app.auth),
        draining: app.draining.clone(),
        written: conn.written,
    };
    upgrade
        .read_buffer_size(limit::WS_READ_BUFFER)
        .write_buffer_size(limit::WS_WRITE_BUFFER)
        .max_write_buffer_size(limit::WS_WRITE_BUFFER_MAX)
        .max_message_size(limit::WS_MESSAGE_BYTES)
        .max_frame_size(limit::WS_MESSAGE_BYTES)
        .on_upgrade(move |socket: WebSocket| async move {
            // Counted and waited for like everything that runs; boxed, because an idle connection costs
            // what its task weighs.
            let connection = Connection::new(around, who, dialect);
            tasks.spawn("socket", Box::pin(connection.serve(socket)));
        })
}
