//! WebSocket: one pure codec a protocol, one task a connection. To add a dialect: its file, its line in
//! [`routes`], its page in `docs/protocol/`, its transcripts.

mod awaited;
pub mod chat;
mod commands;
pub mod connection;
pub mod departures;
pub mod dialect;
mod ending;
mod farewell;
mod flood;
mod heads;
pub mod merge;
pub mod native;
pub mod orchestrate;
mod outbox;
mod sign_in;
pub mod upgrade;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use headwater_engine::ask::new_session;

use self::chat::Chat;
use self::connection::{Connection, Surroundings};
use self::departures::Client;
use self::dialect::Dialect;
use self::native::{Native, SUBPROTOCOL};
use self::upgrade::WebSocketUpgrade;
use crate::app::App;
use crate::auth::token::Identity;
use crate::edge::ConnInfo;
use crate::gate::address::Reached;
use crate::gate::{ClientAddress, Seat};
use crate::http::refusal::Refusal;

/// The routes that upgrade.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/ws/chat", get(open_chat))
        .route("/ws", get(open_native))
        .merge(tutor_routes())
        .merge(orchestrate_routes())
}

/// Those of the tutor's own listener.
pub fn tutor_routes() -> Router<App> {
    Router::new()
}

/// Those of the listener of `orchestrate`.
pub fn orchestrate_routes() -> Router<App> {
    Router::new().route("/ws/orchestrate/{job_id}", get(orchestrate::open))
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
    /// How it came here, where the edge knows.
    reached: Option<Reached>,
    /// What it holds as long as it is open.
    seat: Seat,
    upgrade: WebSocketUpgrade,
}

impl FromRequestParts<App> for Handshake {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, app).await?;
        let conn = Extension::<ConnInfo>::from_request_parts(parts, app).await;
        let Extension(conn) = conn.map_err(IntoResponse::into_response)?;
        let asked = Asked(Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default());
        let who = sign_in::shown(&parts.headers, &asked, &app.auth);
        let protocols = sign_in::protocols(&parts.headers).map(str::to_owned).collect();
        let seat = seat(parts, app, &conn, who.is_some()).map_err(IntoResponse::into_response)?;
        let reached = parts.extensions.get().copied();
        Ok(Self { app: app.clone(), conn, asked, who, protocols, reached, seat, upgrade })
    }
}

/// A place for one more socket of this address.
fn seat(parts: &Parts, app: &App, conn: &ConnInfo, signed_in: bool) -> Result<Seat, Refusal> {
    let address = parts.extensions.get().copied().unwrap_or(ClientAddress(conn.peer.ip()));
    let proxied = parts.extensions.get::<Reached>().is_some_and(|reached| reached.proxied);
    Ok(app.gate.seat(address.key(), proxied, signed_in)?)
}

async fn open_chat(mut shake: Handshake) -> Response {
    sign_in::agree(&mut shake, chat::SUBPROTOCOL, sign_in::Others::Taken);
    shake.who = shake.who.or_else(|| shake.app.auth.passing_guest());
    let partial = !matches!(shake.asked.get("partial"), Some("false" | "0"));
    let detail = matches!(shake.asked.get("detail"), Some("true" | "1"));
    let chat = Chat::new(Arc::clone(&shake.app.chat), new_session(), shake.who.is_some(), partial);
    open(shake, Box::new(chat.in_detail(detail)))
}

async fn open_native(mut shake: Handshake) -> Response {
    sign_in::agree(&mut shake, SUBPROTOCOL, sign_in::Others::Left);
    let native = Native::new(shake.who.is_some());
    open(shake, Box::new(native))
}

fn open(shake: Handshake, dialect: Box<dyn Dialect>) -> Response {
    open_for(shake, dialect, None)
}

/// The same, remembering under this name how far the client was when he leaves.
fn open_for(shake: Handshake, dialect: Box<dyn Dialect>, client: Option<Client>) -> Response {
    let remembers = client.map(|client| (Arc::clone(&shake.app.departures), client));
    let Handshake { app, conn, who, seat, upgrade, .. } = shake;
    let tasks = app.engine.tasks().clone();
    let App { engine, auth, draining, metrics, .. } = app;
    let around = Surroundings { engine, auth, draining, metrics, written: conn.written, seat, remembers };
    // Counted and waited for like everything that runs.
    upgrade.serve(&tasks, "socket", move |socket| Connection::new(around, who, dialect).serve(socket))
}
