//! WebSocket: one pure codec a protocol, one task a connection. To add a dialect: its file, its line in
//! [`routes`], its page in `docs/protocol/`, its transcripts.

pub mod ai_stream;
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
pub mod kept;
pub mod merge;
pub mod native;
pub mod orchestrate;
mod outbox;
pub mod presence;
pub mod rooms;
mod sign_in;
pub mod tutor;
pub mod upgrade;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use headwater_core::Error;
use headwater_engine::ask::new_session;

use self::ai_stream::AiStream;
use self::chat::Chat;
use self::connection::{Connection, Surroundings};
use self::departures::Client;
use self::dialect::Dialect;
use self::native::{Native, SUBPROTOCOL};
use self::rooms::Rooms;
use self::tutor::Tutor;
use self::upgrade::WebSocketUpgrade;
use crate::app::App;
use crate::auth::development;
use crate::auth::token::Identity;
use crate::edge::ConnInfo;
use crate::gate::address::Reached;
use crate::gate::{ClientAddress, Seat};
use crate::http::admission;
use crate::http::refusal::Refusal;

/// The routes that upgrade.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/ws/chat", get(open_chat))
        .route("/ws", get(open_native))
        .route("/ws/ai/stream", get(open_ai_stream))
        .merge(tutor_routes())
        .merge(orchestrate_routes())
}

/// Those of the tutor's own listener.
pub fn tutor_routes() -> Router<App> {
    Router::new().route("/api/ws", get(open_tutor))
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
    /// From this machine, where the operator lets in whoever is on it.
    at_home: bool,
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
        let seat = seat(parts, app, &conn, who.is_some());
        let seat = seat.map_err(|error| admission::said(error, &parts.extensions))?;
        let at_home = development::is_at_home(parts, app);
        Ok(Self { app: app.clone(), conn, asked, who, protocols, at_home, seat, upgrade })
    }
}

/// A place for one more socket of this address.
fn seat(parts: &Parts, app: &App, conn: &ConnInfo, signed_in: bool) -> Result<Seat, Error> {
    let address = parts.extensions.get().copied().unwrap_or(ClientAddress(conn.peer.ip()));
    let proxied = parts.extensions.get::<Reached>().is_some_and(|reached| reached.proxied);
    app.gate.seat(address.key(), proxied, signed_in)
}

async fn open_chat(mut shake: Handshake) -> Response {
    sign_in::agree(&mut shake, chat::SUBPROTOCOL, sign_in::Others::Taken);
    shake.who = shake.who.or_else(|| shake.app.auth.passing_guest());
    let partial = !matches!(shake.asked.get("partial"), Some("false" | "0"));
    let detail = matches!(shake.asked.get("detail"), Some("true" | "1"));
    // Another assistant by its name; one that is not there is told with the first message.
    let workflow = shake.asked.get("assistant").map_or_else(|| Arc::clone(&shake.app.chat), Arc::from);
    let chat = Chat::new(workflow, new_session(), shake.who.is_some(), partial);
    open(shake, Box::new(chat.in_detail(detail)))
}

/// Who says who he is, where that is enough; see [`development`].
struct Named(Option<Identity>);

impl FromRequestParts<App> for Named {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        if !development::is_at_home(parts, app) {
            return Ok(Self(None));
        }
        let asked = Asked(Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default());
        let token = sign_in::shown_token(&parts.headers, &asked);
        Ok(Self(token.and_then(|token| development::identity(&token))))
    }
}

async fn open_ai_stream(Named(named): Named, mut shake: Handshake) -> Response {
    let shown = shake.who.as_ref().map(|identity| identity.who.user.to_string());
    let shown = shown.or_else(|| named.as_ref().map(|identity| identity.who.name.clone()));
    let Some(user_id) = shown else {
        // Before the handshake is answered, and without a word (contract).
        return StatusCode::FORBIDDEN.into_response();
    };
    shake.who = shake.who.or(named);
    sign_in::agree(&mut shake, ai_stream::SUBPROTOCOL, sign_in::Others::Taken);
    let terms = shake.app.dialects.terms();
    open(shake, Box::new(AiStream::new(user_id, terms)))
}

async fn open_native(mut shake: Handshake) -> Response {
    sign_in::agree(&mut shake, SUBPROTOCOL, sign_in::Others::Left);
    let native = Native::new(shake.who.is_some());
    open(shake, Box::new(native))
}

/// Nobody is let in without a good token (contract): the handshake is refused, as the original does.
async fn open_tutor(mut shake: Handshake) -> Response {
    sign_in::agree(&mut shake, tutor::SUBPROTOCOL, sign_in::Others::Taken);
    let Some(who) = shake.who.as_ref().map(|identity| identity.who.clone()) else {
        return Refusal::new(StatusCode::FORBIDDEN, "A good access token is needed: ?token=…")
            .into_response();
    };
    let client: Client = format!("tutor:{}", who.user).into();
    let id: Arc<str> = uuid::Uuid::new_v4().to_string().into();
    let dialect = Tutor::new(Arc::clone(&shake.app.dialects.tutor), Arc::clone(&id));
    let here = shake.app.presence.open(who.user.clone(), id, shake.app.engine.clock().wall());
    let rooms = Box::new(Rooms::new(shake.app.engine.clone(), who, here));
    open_in(shake, Box::new(dialect), Some(client), Some(rooms))
}

fn open(shake: Handshake, dialect: Box<dyn Dialect>) -> Response {
    open_for(shake, dialect, None)
}

/// The same, remembering under this name how far the client was when he leaves.
fn open_for(shake: Handshake, dialect: Box<dyn Dialect>, client: Option<Client>) -> Response {
    open_in(shake, dialect, client, None)
}

/// The same, and it meets others in rooms.
fn open_in(
    shake: Handshake,
    dialect: Box<dyn Dialect>,
    client: Option<Client>,
    rooms: Option<Box<Rooms>>,
) -> Response {
    let remembers = client.map(|client| (Arc::clone(&shake.app.departures), client));
    let Handshake { app, conn, who, seat, upgrade, .. } = shake;
    let tasks = app.engine.tasks().clone();
    let App { engine, auth, draining, metrics, .. } = app;
    let around =
        Surroundings { engine, auth, draining, metrics, written: conn.written, seat, remembers, rooms };
    // Counted and waited for like everything that runs.
    upgrade.serve(&tasks, "socket", move |socket| Connection::new(around, who, dialect).serve(socket))
}
