//! WebSocket: one pure codec a protocol, one task a connection. To add a dialect: its file, its line in
//! [`routes`], its page in `docs/protocol/`, its transcripts.

pub mod chat;
mod commands;
pub mod connection;
pub mod dialect;
pub mod merge;
pub mod native;
mod outbox;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use headwater_core::{Principal, limit};
use serde::Deserialize;

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

#[derive(Debug, Deserialize)]
struct Asked {
    token: Option<String>,
    partial: Option<String>,
}

async fn open_chat(
    State(app): State<App>,
    Extension(conn): Extension<ConnInfo>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let who = shown(&app, asked.token.as_deref(), &headers);
    let partial = !matches!(asked.partial.as_deref(), Some("false" | "0"));
    let dialect = Chat::new(headwater_engine::engine::new_session(), who.is_some(), partial);
    open(app, conn, who, Box::new(dialect), upgrade)
}

async fn open_native(
    State(app): State<App>,
    Extension(conn): Extension<ConnInfo>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let who = shown(&app, asked.token.as_deref(), &headers);
    let dialect = Native::new(who.is_some());
    open(app, conn, who, Box::new(dialect), upgrade.protocols([SUBPROTOCOL]))
}

/// Who shows himself in the handshake. A token that is not good leaves the connection unauthenticated: the
/// client hears of it with its first message (contract).
fn shown(app: &App, token: Option<&str>, headers: &HeaderMap) -> Option<Principal> {
    match token {
        Some(token) => {
            let token = token.strip_prefix("Bearer ").unwrap_or(token).trim();
            app.auth.principal_of(token).ok()
        }
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
