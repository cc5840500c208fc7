//! `/api/v1/auth/*`: register, login, refresh, me. Shapes and texts are the original's.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use headwater_core::{Principal, limit};
use schemars::JsonSchema;
use serde::Serialize;

use super::refusal::Refusal;
use super::validate::{JsonBody, Text};
use crate::auth::token::TOKEN_BYTES;
use crate::auth::{Auth, Grant, SignedIn};

/// The fewest characters of a name (contract).
const NAME_CHARS: usize = 2;

/// The four routes, with their full paths.
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

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User")]
struct Shown {
    /// Names the user for ever.
    id: String,
    /// Lower case.
    email: String,
    /// As it was given.
    name: String,
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
    let Principal { user, email, name } = who;
    Json(Me { user_id: user.into(), email, name })
}

fn granted(grant: Grant) -> Response {
    let Principal { user, email, name } = grant.who;
    let mut answer = Json(Granted {
        access_token: grant.access,
        refresh_token: grant.refresh,
        token_type: "bearer",
        expires_in: grant.expires_in,
        user: Shown { id: user.into(), email, name },
    })
    .into_response();
    // RFC 6749, 5.1: a token is nobody's to keep on the way.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
