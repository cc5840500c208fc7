//! Who sees a session beside its owner: `docs/protocol/native.md`, "Sharing".

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use headwater_core::code::{Code, Error};
use headwater_core::port::sharing::Shared;
use headwater_core::{Principal, RunId, SessionId, UserId, limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runs::{Asked, Caller, Fault, Named};
use crate::app::App;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/sessions/{session_id}/members", get(of_session))
        .route("/api/sessions/{session_id}/members/{user_id}", put(share_session).delete(unshare_session))
        .route("/api/runs/{run_id}/members", get(of_run))
        .route("/api/runs/{run_id}/members/{user_id}", put(share_run).delete(unshare_run))
        .route("/api/shared", get(shared))
}

/// Who sees a session beside its owner.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MemberList")]
pub(super) struct Members {
    /// The session.
    session_id: SessionId,
    /// By name.
    members: Vec<UserId>,
}

/// A session that is shared with you.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SharedSession")]
pub(super) struct SharedView {
    /// The session.
    session_id: SessionId,
    /// Whose it is.
    owner_id: UserId,
    /// Since when, milliseconds since 1970 UTC.
    shared_at: i64,
}

/// What is shared with you, the last shared first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SharedList")]
pub(super) struct SharedList {
    /// At most 100.
    sessions: Vec<SharedView>,
    /// Only where it is so: there are more than these.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// Of whose session a member takes himself out.
#[derive(Deserialize)]
struct OwnerQuery {
    owner: Option<String>,
}

/// What stands in an address; what is no text is nobody's.
type In<T> = Result<Path<T>, PathRejection>;

fn parts<T>(path: In<T>, what: &str) -> Result<T, Error> {
    path.map(|Path(parts)| parts).map_err(|_| Error::not_found(what))
}

/// What is no name of a session is a session that nobody has.
fn session(text: &str) -> Result<SessionId, Error> {
    SessionId::parse(text).map_err(|_| Error::not_found("Session"))
}

async fn of_session(
    State(app): State<App>,
    Caller(who): Caller,
    path: In<String>,
) -> Result<Json<Members>, Fault> {
    let name = parts(path, "Session")?;
    members(&app, &who, session(&name)?).await
}

async fn share_session(
    State(app): State<App>,
    Caller(who): Caller,
    path: In<(String, String)>,
) -> Result<StatusCode, Fault> {
    let (name, user) = parts(path, "Session")?;
    share(&app, &who, &session(&name)?, &user).await
}

async fn unshare_session(
    State(app): State<App>,
    Caller(who): Caller,
    path: In<(String, String)>,
    Asked(query): Asked<OwnerQuery>,
) -> Result<StatusCode, Fault> {
    let (name, user) = parts(path, "Session")?;
    let owner = query.owner.map(|owner| UserId::parse(&owner)).transpose();
    let owner = owner.map_err(|_| Error::not_found("Session"))?;
    unshare(&app, &who, owner.as_ref(), &session(&name)?, &user).await
}

/// The session of this user's own run.
async fn session_of(app: &App, who: &Principal, run: &str) -> Result<SessionId, Error> {
    let run = RunId::parse(run).map_err(|_| Error::not_found("Run"))?;
    Ok(app.engine.own_run(who, &run).await?.session)
}

async fn of_run(
    State(app): State<App>,
    Caller(who): Caller,
    Named(run): Named,
) -> Result<Json<Members>, Fault> {
    let session = session_of(&app, &who, run.as_str()).await?;
    members(&app, &who, session).await
}

async fn share_run(
    State(app): State<App>,
    Caller(who): Caller,
    path: In<(String, String)>,
) -> Result<StatusCode, Fault> {
    let (run, user) = parts(path, "Run")?;
    let session = session_of(&app, &who, &run).await?;
    share(&app, &who, &session, &user).await
}

async fn unshare_run(
    State(app): State<App>,
    Caller(who): Caller,
    path: In<(String, String)>,
) -> Result<StatusCode, Fault> {
    let (run, user) = parts(path, "Run")?;
    let session = session_of(&app, &who, &run).await?;
    unshare(&app, &who, None, &session, &user).await
}

async fn members(app: &App, who: &Principal, session_id: SessionId) -> Result<Json<Members>, Fault> {
    let members = app.engine.members(who, &session_id).await?;
    Ok(Json(Members { session_id, members }))
}

/// A body is not read: the address says everything.
async fn share(app: &App, who: &Principal, session: &SessionId, user: &str) -> Result<StatusCode, Fault> {
    let Ok(member) = UserId::parse(user) else {
        app.engine.own_session(who, session).await?;
        let why = format!("a user's id has 1 to {} bytes and no control characters", limit::ID_BYTES);
        return Err(Error::new(Code::InvalidRequest, why).into());
    };
    app.engine.share(who, session, &member).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unshare(
    app: &App,
    who: &Principal,
    owner: Option<&UserId>,
    session: &SessionId,
    user: &str,
) -> Result<StatusCode, Fault> {
    let Ok(member) = UserId::parse(user) else {
        app.engine.own_session(who, session).await?;
        return Err(Error::not_found("Member").into());
    };
    app.engine.unshare(who, owner, session, &member).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn shared(State(app): State<App>, Caller(who): Caller) -> Result<Json<SharedList>, Fault> {
    let mut found = app.engine.shared_with(&who, limit::SHARED_PAGE + 1).await?;
    let truncated = found.len() > limit::SHARED_PAGE;
    found.truncate(limit::SHARED_PAGE);
    let view =
        |Shared { owner, session, at }| SharedView { session_id: session, owner_id: owner, shared_at: at.0 };
    Ok(Json(SharedList { sessions: found.into_iter().map(view).collect(), truncated }))
}
