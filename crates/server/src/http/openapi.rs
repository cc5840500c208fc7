//! `/openapi.json`: every HTTP route of the server, described in OpenAPI 3.1.
//!
//! Shapes are made from the types that the handlers read and write; where a handler has none, from types in
//! [`shapes`]. A test reads the sources and compares: a route without a description is a red test.

mod accounts;
mod ai;
mod chat;
mod documents;
mod operation;
mod operator;
mod orchestrate;
mod runs;
mod shapes;
mod sharing;
mod tutor;
mod tutor_socket;

pub(super) use self::shapes::Appointment;

use std::sync::LazyLock;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use serde_json::{Value, json};

use self::operation::Book;
use super::assets::{Asset, answer, asset};

/// Written once: the routes do not change while the server runs.
static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
static DOCUMENT: LazyLock<Asset> = LazyLock::new(|| asset("/openapi.json", TEXT.as_bytes()));

/// `/openapi.json`, cached like a page: asked for each time, sent when it is another.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/openapi.json", get(|headers: HeaderMap| async move { answer(&DOCUMENT, &headers) }))
}

/// The groups in the order in which a person reads them.
const TAGS: [(&str, &str); 11] = [
    ("Accounts", "Signing in and out. Access tokens live 30 minutes."),
    ("Chat", "The assistant, by WebSocket and by plain requests. The dialect: [chat.md](/docs/chat.md)."),
    (
        "AI stream",
        "One prompt, one answer, for writing tools. The dialect: [ai_stream.md](/docs/ai_stream.md).",
    ),
    ("Documents", "What the assistant reads before it answers: shared documents and your own."),
    ("Runs", "The native protocol: runs and their logs. The whole of it: [native.md](/docs/native.md)."),
    ("Sharing", "Who sees your sessions beside you. [native.md](/docs/native.md) says what they see."),
    (
        "Tutor",
        "The tutor over HTTP. What stands under `/tutor` has no such prefix on the tutor's own listener.",
    ),
    (
        "Orchestrate",
        "Code by teams of models that work side by side. The dialect: [orchestrate.md](/docs/orchestrate.md).",
    ),
    ("Desk", "Appointments that were made in the chat, and what you think of answers."),
    ("Server", "For operators and balancers."),
    ("Pages", "What a browser opens."),
];

const ABOUT: &str = "\
Headwater stands between an AI application's front-ends and its models. Each answer is a **run**: a durable, \
numbered log of events that any number of viewers follow live, from any position.

Every answer has `X-Request-ID` (yours, where it is harmless, or a new one) and `X-Response-Time`. A 401 has \
`WWW-Authenticate: Bearer`; a 429, a 423 and a 503 have `Retry-After`, in seconds. A route that does not exist is a 404, \
another method a 405 with `Allow`; a server without room answers 503, and one that cannot \
read or write its store 500. What belongs to somebody else is answered \
like what does not exist.

Errors are `{\"detail\": …}`: a sentence, or for a 422 mostly the list of what is wrong with the fields. Under \
`/api/runs`, `/api/sessions` and `/api/shared` they are `{\"error\": {code, message, retryable}}`; under \
`/api/orchestrate` a 401 and a 429 are `{\"error\": …}`, a sentence.";

/// The document. The same for the same source: keys are sorted, and nothing of the machine or the time is in it.
#[must_use]
pub fn document() -> Value {
    let mut book = Book::new();
    accounts::describe(&mut book);
    chat::describe(&mut book);
    ai::describe(&mut book);
    tutor_socket::describe(&mut book);
    documents::describe(&mut book);
    runs::describe(&mut book);
    sharing::describe(&mut book);
    tutor::describe(&mut book);
    orchestrate::describe(&mut book);
    operator::describe(&mut book);
    let (paths, schemas) = book.close();
    let tags: Vec<Value> =
        TAGS.iter().map(|(name, what)| json!({ "name": name, "description": what })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Headwater",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Answers that survive the connection.",
            "description": ABOUT,
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/", "description": "the server that gave you this" }],
        "tags": tags,
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token, from `POST /api/v1/auth/login` or `headwater token --user NAME`.",
                },
                "token": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "token",
                    "description": "An access token in the address, for WebSockets and event streams of browsers, \
                                    which cannot send headers. Addresses end up in logs: prefer a ticket.",
                },
                "ticket": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "ticket",
                    "description": "From `POST /api/ws-ticket`; good once, for some seconds, to open one WebSocket.",
                },
            },
        },
    })
}

/// The document as it is committed in `docs/openapi.json`, for people who compare versions.
#[must_use]
pub fn pretty() -> String {
    // A value that was made of values has no map that could fail.
    serde_json::to_string_pretty(&document()).unwrap_or_default()
}

#[cfg(test)]
#[path = "openapi/tests.rs"]
mod tests;
