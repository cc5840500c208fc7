//! `/api/auth/*`: the same accounts as the chat's, in the tutor's shapes and words.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use headwater_core::code::Code;
use headwater_core::limit;
use schemars::JsonSchema;
use serde::Serialize;

use crate::auth::token::TOKEN_BYTES;
use crate::auth::{Auth, Grant, SignedIn};
use crate::http::auth_routes::{LoggedOut, Shown};
use crate::http::refusal::Refusal;
use crate::http::validate::{JsonBody, Text};

/// Characters of a password (contract).
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=128;

/// What whoever signs in gets.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TutorTokens", description = "What whoever signs in to the tutor gets.")]
pub(in crate::http) struct Granted {
    /// Shows who asks; lives `expires_in` seconds.
    access_token: String,
    /// Good for new tokens, for 7 days.
    refresh_token: String,
    /// `Bearer`
    token_type: &'static str,
    /// Seconds that the access token lives.
    expires_in: i64,
    /// Who signed in.
    user: Shown,
}

pub(super) async fn register(State(auth): State<Arc<Auth>>, body: JsonBody) -> Result<Response, Refusal> {
    let password = Text::up_to(*limit::PASSWORD_BYTES.end());
    let name = Text::up_to(limit::NAME_BYTES).at_least(1);
    let (email, password, name) =
        body.read(|f| (f.email("email"), f.text("password", password), f.text("name", name)))?;
    let missing = missing(&password);
    if !missing.is_empty() {
        let sentence = format!("Weak password: it needs {}", missing.join(", "));
        return Err(Refusal::new(StatusCode::BAD_REQUEST, sentence));
    }
    Ok(granted(StatusCode::CREATED, auth.register(email, password, name).await?))
}

/// What a password lacks.
fn missing(password: &str) -> Vec<&'static str> {
    let length = password.chars().count();
    // A space makes a pass phrase, but none of these.
    let special = |c: char| !c.is_alphanumeric() && !c.is_whitespace() && !c.is_control();
    [
        (length >= *PASSWORD_CHARS.start(), "at least 8 characters"),
        (length <= *PASSWORD_CHARS.end(), "at most 128 characters"),
        (password.contains(char::is_uppercase), "an upper-case letter"),
        (password.contains(char::is_lowercase), "a lower-case letter"),
        (password.contains(|c: char| c.is_ascii_digit()), "a digit"),
        (password.contains(special), "a special character"),
    ]
    .into_iter()
    .filter_map(|(there, what)| (!there).then_some(what))
    .collect()
}

/// A locked address has a status of its own here.
pub(super) async fn log_in(State(auth): State<Arc<Auth>>, body: JsonBody) -> Result<Response, Refusal> {
    // What breaks the rules above is a wrong password and not a malformed request.
    let password = Text::up_to(*limit::PASSWORD_BYTES.end());
    let (email, password) = body.read(|f| (f.email("email"), f.text("password", password)))?;
    match auth.log_in(&email, password).await {
        Ok(grant) => Ok(granted(StatusCode::OK, grant)),
        Err(error) if error.code == Code::RateLimited => {
            Err(Refusal::from(error).with_status(StatusCode::LOCKED))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn refresh(State(auth): State<Arc<Auth>>, body: JsonBody) -> Result<Response, Refusal> {
    let token = body.read(|f| f.text("refresh_token", Text::up_to(TOKEN_BYTES)))?;
    Ok(granted(StatusCode::OK, auth.refresh(&token).await?))
}

/// As the chat's: the body may be left out.
pub(super) async fn log_out(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Json<LoggedOut>, Refusal> {
    crate::http::auth_routes::log_out(State(auth), headers, body).await
}

/// What the token says.
pub(super) async fn me(SignedIn(who): SignedIn) -> Json<Shown> {
    Json(who.into())
}

fn granted(status: StatusCode, grant: Grant) -> Response {
    let answer = Json(Granted {
        access_token: grant.access,
        refresh_token: grant.refresh,
        token_type: "Bearer",
        expires_in: grant.expires_in,
        user: grant.who.into(),
    });
    // RFC 6749, 5.1: a token is nobody's to keep on the way.
    (status, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], answer).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_password_is_told_what_it_lacks() {
        for (password, lacks) in [
            ("Abcdef1!", &[][..]),
            ("Größe-42", &[]),
            ("Abc def1", &["a special character"]),
            ("Abcde1!", &["at least 8 characters"]),
            ("abcdefg1!", &["an upper-case letter"]),
            ("ABCDEFG1!", &["a lower-case letter"]),
            ("Abcdefgh!", &["a digit"]),
            (
                "",
                &[
                    "at least 8 characters",
                    "an upper-case letter",
                    "a lower-case letter",
                    "a digit",
                    "a special character",
                ],
            ),
        ] {
            assert_eq!(missing(password), lacks, "{password}");
        }
        let long = |n: usize| format!("Aa1!{}", "ä".repeat(n - 4));
        assert!(missing(&long(128)).is_empty());
        assert_eq!(missing(&long(129)), ["at most 128 characters"]);
    }
}
