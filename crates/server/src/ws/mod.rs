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
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use headwater_core::limit;
use headwater_engine::ask::new_session;

use self::chat::Chat;
use self::connection::{Connection, Surroundings};
use self::dialect::Dialect;
use self::native::{Native, SUBPROTOCOL};
use crate::app::App;
use crate::auth::token::Identity;
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

/// What every dialect's connection begins with.
struct Handshake {
    app: App,
    conn: ConnInfo,
    asked: Asked,
    /// Who shows himself, see [`sign_in`]. A token that is not good leaves the connection
    /// unauthenticated: the client hears of it with its first message (contract).
    who: Option<Identity>,
    /// The subprotocols that the client names.
    protocols: Vec<String>,
    upgrade: WebSocketUpgrade,
}

impl FromRequestParts<App> for Handshake {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, app).await;
        let upgrade = upgrade.map_err(IntoResponse::into_response)?;
        let conn = Extension::<ConnInfo>::from_request_parts(parts, app).await;
        let Extension(conn) = conn.map_err(IntoResponse::into_response)?;
        let asked = Asked(Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default());
        let who = sign_in::shown(&parts.headers, &asked, &app.auth);
        let protocols = sign_in::protocols(&parts.headers).map(str::to_owned).collect();
        Ok(Self { app: app.clone(), conn, asked, who, protocols, upgrade })
    }
}

async fn open_chat(mut shake: Handshake) -> Response {
    sign_in::agree(&mut shake, chat::SUBPROTOCOL, sign_in::Others::Taken);
    shake.who = shake.who.or_else(|| shake.app.auth.passing_guest());
    let partial = !matches!(shake.asked.get("partial"), Some("false" | "0"));
    let chat = Chat::new(Arc::clone(&shake.app.chat), new_session(), shake.who.is_some(), partial);
    open(shake, Box::new(chat))
}

async fn open_native(mut shake: Handshake) -> Response {
    sign_in::agree(&mut shake, SUBPROTOCOL, sign_in::Others::Left);
    let native = Native::new(shake.who.is_some());
    open(shake, Box::new(native))
}

fn open(shake: Handshake, dialect: Box<dyn Dialect>) -> Response {
    let Handshake { app, conn, who, upgrade, .. } = shake;
    let tasks = app.engine.tasks().clone();
    let around = Surroundings {
        engine: app.engine,
        auth: app.auth,
        draining: app.draining,
        metrics: app.metrics,
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
