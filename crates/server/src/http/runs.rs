//! The native protocol over HTTP: `docs/protocol/native.md`.

use axum::body::Bytes;
use axum::extract::{Extension, FromRequestParts, Path, Query, Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use headwater_core::code::{Code, Error};
use headwater_core::cursor::Cursor;
use headwater_core::event::Outcome;
use headwater_core::{Principal, RunId, SessionId, UserId, limit};
use headwater_engine::engine::From as Position;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::admission;
use super::refusal::{dress, status_of};
use super::sse;
use super::validate::read_body;
use crate::app::App;
use crate::auth::token::Identity;
use crate::gate::ClientAddress;
use crate::wire::{self, ErrorView, ModelView, RunView, StartedBody};

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/runs", post(start).get(list))
        .route("/api/runs/{run_id}", get(show))
        .route("/api/runs/{run_id}/events", get(events))
        .route("/api/runs/{run_id}/stop", post(stop))
        .route("/api/v1/models", get(models))
}

/// An error in this protocol's shape: `{"error":{code,message,retryable}}`.
#[derive(Debug)]
pub struct Fault {
    error: Error,
    status: StatusCode,
    close: bool,
}

impl<E: Into<Error>> std::convert::From<E> for Fault {
    fn from(error: E) -> Self {
        let error = error.into();
        Self { status: status_of(error.code), error, close: false }
    }
}

/// What went wrong, on the native protocol's routes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fault")]
pub(super) struct FaultBody {
    error: ErrorView,
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let Self { error, status, close } = self;
        let retry_after = error.retry_after;
        let mut answer = (status, Json(FaultBody { error: error.into() })).into_response();
        dress(&mut answer, close, retry_after);
        answer
    }
}

/// Who asks, by `Authorization: Bearer`.
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fault> {
        Ok(Self(app.auth.bearer(&parts.headers)?.who))
    }
}

/// Who reads a stream: also by `?token=`, because a browser's `EventSource` cannot send a header.
struct Reader(Identity);

impl FromRequestParts<App> for Reader {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
        }
        if !parts.headers.contains_key(AUTHORIZATION)
            && let Ok(Query(Token { token: Some(token) })) = Query::try_from_uri(&parts.uri)
        {
            return Ok(Self(app.auth.identify(&token)?));
        }
        Ok(Self(app.auth.bearer(&parts.headers)?))
    }
}

/// A run's name in an address. What is no name cannot be anybody's run.
pub(super) struct Named(pub(super) RunId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let run = path.ok().and_then(|Path(text)| RunId::parse(&text).ok());
        Ok(Self(run.ok_or_else(|| Error::not_found("Run"))?))
    }
}

/// What stands behind `?`, or why it cannot be read, in this protocol's shape.
pub(super) struct Asked<T>(pub(super) T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let Query(asked) =
            Query::try_from_uri(&parts.uri).map_err(|e| Error::new(Code::InvalidRequest, e.body_text()))?;
        Ok(Self(asked))
    }
}

async fn body(request: Request) -> Result<Bytes, Fault> {
    let (parts, body) = request.into_parts();
    let read = read_body(&parts.headers, body, limit::HTTP_BODY_BYTES).await;
    // What is still to come of a body that is not read would be taken for the next request.
    read.map_err(|refusal| {
        let too_large = refusal.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let code = if too_large { Code::TooLarge } else { Code::InvalidRequest };
        Fault { error: Error::new(code, refusal.sentence()), status: refusal.status(), close: true }
    })
}

async fn start(
    State(app): State<App>,
    Caller(who): Caller,
    address: Option<Extension<ClientAddress>>,
    request: Request,
) -> Result<(StatusCode, Json<StartedBody>), Fault> {
    let bytes = body(request).await?;
    let asked = wire::object(&mut serde_json::Deserializer::from_slice(&bytes))
        .map_err(|e| Error::new(Code::InvalidRequest, format!("the body cannot be read: {e}")))?;
    admission::start(&app.gate, address)?;
    let started = app.engine.start(&who, asked.into()).await?;
    let status = if started.joined { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(StartedBody { run_id: started.run, session_id: started.session })))
}

#[derive(Deserialize)]
struct ListQuery {
    session_id: Option<String>,
    owner: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
}

/// A page of runs, newest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RunList")]
pub(super) struct Listed {
    runs: Vec<RunView>,
}

async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<Listed>, Fault> {
    let limit = wire::page_size(query.limit)?;
    let invalid = |what: &str, e: headwater_core::id::IdError| {
        Error::new(Code::InvalidRequest, format!("`{what}`: {e}"))
    };
    let session =
        query.session_id.map(|s| SessionId::parse(&s)).transpose().map_err(|e| invalid("session_id", e))?;
    let owner = query.owner.map(|o| UserId::parse(&o)).transpose().map_err(|e| invalid("owner", e))?;
    let before = query.before.map(|r| RunId::parse(&r)).transpose().map_err(|e| invalid("before", e))?;
    let runs = app.engine.runs(&who, owner.as_ref(), session.as_ref(), before.as_ref(), limit).await?;
    Ok(Json(Listed { runs: runs.into_iter().map(RunView::from).collect() }))
}

/// The models that a run may name.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ModelList")]
pub(super) struct Models {
    /// The default one first.
    models: Vec<ModelView>,
}

/// Names and what a person should know; where a provider is and what its key is, is nobody's business.
async fn models(State(app): State<App>, Caller(_): Caller) -> Json<Models> {
    Json(Models { models: app.engine.models().into_iter().map(ModelView::from).collect() })
}

async fn show(
    State(app): State<App>,
    Caller(who): Caller,
    Named(run): Named,
) -> Result<Json<RunView>, Fault> {
    Ok(Json(app.engine.run(&who, &run).await?.into()))
}

/// A run that was stopped, or had ended before.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Stopped")]
pub(super) struct StoppedBody {
    /// The run.
    run_id: RunId,
    /// How it ended.
    outcome: Outcome,
}

/// Whatever body comes is left unread: there is nothing to say about a stop.
async fn stop(
    State(app): State<App>,
    Caller(who): Caller,
    Named(run_id): Named,
) -> Result<Json<StoppedBody>, Fault> {
    let outcome = app.engine.stop(&who, &run_id).await?;
    Ok(Json(StoppedBody { run_id, outcome }))
}

#[derive(Deserialize)]
struct EventsQuery {
    after: Option<String>,
}

/// The position that a reader holds: `Last-Event-ID` wins, because a browser that comes back repeats the
/// address with which it first came. `after` is a number or a cursor.
fn position(headers: &HeaderMap, after: Option<&str>) -> Result<Position, Error> {
    if let Some(last) = headers.get("last-event-id").filter(|v| !v.is_empty()) {
        let text = last.to_str().unwrap_or_default();
        return Cursor::decode(text).map(Position::Cursor);
    }
    match after {
        None | Some("") => Ok(Position::After(0)),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().map(Position::After).map_err(|_| {
                Error::new(
                    Code::CursorInvalid,
                    "`after` is no number of an event; read the run from the start without it",
                )
            })
        }
        Some(text) => Cursor::decode(text).map(Position::Cursor),
    }
}

/// What stands after the events of a page.
#[derive(Serialize, JsonSchema)]
pub(super) struct PageHead {
    /// `running`, or how the run ended.
    status: &'static str,
    /// The last event's number.
    tail: u64,
    /// Of the last event here; go on with `?after=` this.
    cursor: Option<String>,
}

/// A stream, unless the client asks for JSON: then one page of what is there.
async fn events(
    State(app): State<App>,
    Reader(who): Reader,
    Named(run): Named,
    Asked(query): Asked<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let from = position(&headers, query.after.as_deref())?;
    let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !accept.contains("application/json") || accept.contains("text/event-stream") {
        return sse::stream(&app, who, &run, &from).await;
    }
    let (found, events) = app.engine.page(&who.who, &run, &from).await?;
    // By hand, so that an event has the same bytes here as in a stream.
    let mut json = String::from("{\"events\":[");
    for (n, event) in events.iter().enumerate() {
        if n > 0 {
            json.push(',');
        }
        wire::push_event(&run, event, &mut json);
    }
    json.push_str("],");
    let head = PageHead {
        status: wire::status(found.tail),
        tail: found.tail.seq,
        cursor: events.last().map(|e| wire::cursor(&run, e.seq)),
    };
    json.push_str(wire::json(&head).strip_prefix('{').unwrap_or("}"));
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}
