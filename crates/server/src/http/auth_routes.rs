//! `/api/v1/auth/*`: register, login, refresh, me, with the original's shapes and texts; and what it does not
//! have: logout, guests, and tickets for WebSockets.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::http::header::{CACHE_CONTROL, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use headwater_core::{Principal, limit};
use schemars::JsonSchema;
use serde::Serialize;

use super::refusal::Refusal;
use super::validate::{JsonBody, Text};
use crate::auth::token::TOKEN_BYTES;
use crate::auth::{Auth, Bearer, Grant, SignedIn};

/// The fewest characters of a name (contract).
const NAME_CHARS: usize = 2;

/// The routes, with their full paths.
pub fn routes<S>() -> Router<S>
where
    Arc<Auth>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/api/v1/auth/register", post(register))
        .route("/api/v1/auth/login", post(log_in))
        .route("/api/v1/auth/refresh", post(refresh))
        .route("/api/v1/auth/me", get(me))
        .route("/api/v1/auth/logout", post(log_out))
        .route("/api/v1/auth/guest", post(guest))
        .route("/api/ws-ticket", post(ticket))
}

/// What whoever signs in gets; the order of keys is the original's.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tokens", description = "What whoever signs in gets.")]
pub(super) struct Granted {
    /// Shows who asks; lives `expires_in` seconds.
    access_token: String,
    /// Good for new tokens, for 7 days.
    refresh_token: String,
    /// `bearer`
    token_type: &'static str,
    /// Seconds that the access token lives.
    expires_in: i64,
    /// Who signed in.
    user: Shown,
}

/// Who somebody is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User")]
pub(super) struct Shown {
    /// Names the user for ever.
    id: String,
    /// Lower case.
    email: String,
    /// As it was given.
    name: String,
}

impl From<Principal> for Shown {
    fn from(who: Principal) -> Self {
        let Principal { user, email, name, .. } = who;
        Self { id: user.into(), email, name }
    }
}

/// What a token says of its owner.
#[derive(Serialize, JsonSchema)]
pub(super) struct Me {
    user_id: String,
    email: String,
    name: String,
}

async fn register(State(auth): State<Arc<Auth>>, body: JsonBody) -> Result<Response, Refusal> {
    let password = Text::up_to(*limit::PASSWORD_BYTES.end()).at_least(*limit::PASSWORD_BYTES.start());
    let name = Text::up_to(limit::NAME_BYTES).at_least(NAME_CHARS);
    let (email, password, name) =
        body.read(|f| (f.email("email"), f.text("password", password), f.text("name", name)))?;
    Ok(granted(auth.register(email, password, name).await?))
}

async fn log_in(State(auth): State<Arc<Auth>>, body: JsonBody) -> Result<Response, Refusal> {
    // No shortest one: what is too short to be anybody's is a wrong password and not a malformed request.
    let password = Text::up_to(*limit::PASSWORD_BYTES.end());
    let (email, password) = body.read(|f| (f.email("email"), f.text("password", password)))?;
    Ok(granted(auth.log_in(&email, password).await?))
}

async fn refresh(State(auth): State<Arc<Auth>>, body: JsonBody) -> Result<Response, Refusal> {
    let token = body.read(|f| f.text("refresh_token", Text::up_to(TOKEN_BYTES)))?;
    Ok(granted(auth.refresh(&token).await?))
}

/// What the token says; no account is asked for, since an operator's token need not have one.
async fn me(SignedIn(who): SignedIn) -> Json<Me> {
    let Principal { user, email, name, .. } = who;
    Json(Me { user_id: user.into(), email, name })
}

/// That it is done.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Done")]
pub(super) struct LoggedOut {
    /// `Logged out`
    message: &'static str,
}

/// The body may be left out; `{"everywhere":true}` ends every sign-in of the user.
pub(super) async fn log_out(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Json<LoggedOut>, Refusal> {
    let everywhere = body.read_optional(|f| f.flag("everywhere"))?.unwrap_or(false);
    auth.log_out(&headers, everywhere).await?;
    Ok(Json(LoggedOut { message: "Logged out" }))
}

/// Tokens of somebody new without an account. Where guests may not come there is no such route. A body is not
/// read.
async fn guest(State(auth): State<Arc<Auth>>) -> Result<Response, Refusal> {
    match auth.guest() {
        Some(grant) => Ok(granted(grant?)),
        None => Err(Refusal::new(StatusCode::NOT_FOUND, "Not Found")),
    }
}

/// Opens one WebSocket.
#[derive(Serialize, JsonSchema)]
pub(super) struct Ticket {
    /// For `?ticket=`.
    ticket: String,
    /// Seconds that it is good.
    expires_in: u64,
}

/// For one WebSocket, of pages of the origin that asks. A body is not read.
async fn ticket(
    State(auth): State<Arc<Auth>>,
    Bearer(identity): Bearer,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    let ticket = auth.ticket(identity, origin)?;
    let expires_in = limit::TICKET_TIME.as_secs();
    Ok(unkept(Json(Ticket { ticket, expires_in }).into_response()))
}

fn granted(grant: Grant) -> Response {
    let answer = Json(Granted {
        access_token: grant.access,
        refresh_token: grant.refresh,
        token_type: "bearer",
        expires_in: grant.expires_in,
        user: grant.who.into(),
    });
    unkept(answer.into_response())
}

/// RFC 6749, 5.1: a token is nobody's to keep on the way.
fn unkept(mut answer: Response) -> Response {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
