//! `POST /api/v1/chat` and the history: the same runs as the socket's, asked for and waited for over HTTP.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use headwater_core::code::{Code, Error};
use headwater_core::event::{Body, Outcome};
use headwater_core::port::provider::Role;
use headwater_core::{SessionId, UserId, limit};
use headwater_engine::ask::new_session;
use headwater_engine::engine::From;
use headwater_engine::{Follow, Followed, StartRun};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::admission;
use super::refusal::Refusal;
use super::validate::{JsonBody, Text};
use crate::app::App;
use crate::auth::standing::expired;
use crate::auth::{Bearer, SignedIn};
use crate::escalation::EscalationView;
use crate::gate::ClientAddress;
use crate::wire::ToolRun;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/api/v1/chat", post(chat)).route("/api/v1/chat/history/{session_id}", get(history))
}

/// The keys in the original's order; `run_id` is ours.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatAnswer", description = "A whole answer.")]
pub(super) struct Answered {
    response: String,
    session_id: SessionId,
    agent_used: Option<String>,
    metadata: Metadata,
    run_id: String,
}

#[derive(Serialize, Default, JsonSchema)]
#[schemars(rename = "ChatMetadata")]
struct Metadata {
    classified_intent: Option<String>,
    confidence: Option<f64>,
    agent: Option<String>,
    /// Only where tools ran, or a person is asked to look at the question too.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
    /// Only where the answer is not whole: it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

#[derive(Serialize, Default, JsonSchema)]
struct Context {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolRun>,
    #[serde(skip_serializing_if = "Option::is_none")]
    escalation: Option<EscalationView>,
}

async fn chat(
    State(app): State<App>,
    Bearer(identity): Bearer,
    address: Option<Extension<ClientAddress>>,
    body: JsonBody,
) -> Result<Json<Answered>, Refusal> {
    let (message, session, customer_id, vehicle_id) = body.read(|f| {
        let message = f.text("message", Text::up_to(limit::MESSAGE_BYTES));
        let session = f.session("session_id");
        let (customer, vehicle) = (f.optional_uuid("customer_id"), f.optional_uuid("vehicle_id"));
        // Checked as the original checks it; nothing hangs on it yet.
        f.object("metadata");
        (message, session, customer, vehicle)
    })?;
    admission::start(&app.gate, address)?;
    let session = session.unwrap_or_else(new_session);
    let ask = StartRun {
        workflow: app.chat.to_string(),
        message,
        session: Some(session.clone()),
        customer_id,
        vehicle_id,
        ..StartRun::default()
    };
    let who = &identity.who;
    let mut standing = app.auth.standing(Some(identity.clone()));
    // A client that goes away meanwhile finds the answer in the history: the run goes on without it.
    let answered = async {
        let started = app.engine.start(who, ask).await?;
        let mut follow = app.engine.follow(who, &started.run, &From::After(0)).await?;
        let (response, metadata) = whole(&mut follow).await?;
        Ok(Answered {
            response,
            session_id: session,
            agent_used: metadata.agent.clone(),
            metadata,
            run_id: started.run.into(),
        })
    };
    tokio::select! {
        answered = answered => answered.map(Json).map_err(failed),
        // So does one whose token runs out while it waits, once it has another.
        () = standing.over() => Err(expired().into()),
    }
}

/// What is our own or the model's fault has one status and one beginning in the original.
fn failed(error: Error) -> Refusal {
    if error.code.http_status() < 500 || error.code == Code::Draining {
        return error.into();
    }
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("Failed to process message: {}", error.message))
}

/// Waits for the answer.
async fn whole(follow: &mut Follow) -> Result<(String, Metadata), Error> {
    let (mut text, mut metadata) = (String::new(), Metadata::default());
    loop {
        let events = match follow.next().await? {
            Followed::Events(events) => events,
            Followed::Heartbeat => continue,
            Followed::End => return Err(Error::new(Code::Interrupted, "the answer has no ending")),
        };
        for event in events {
            match &event.body {
                Body::Token { text: piece } => text.push_str(piece),
                Body::Routed { agent, intent, confidence } => {
                    metadata.agent = Some(agent.clone());
                    metadata.classified_intent = Some(intent.clone());
                    metadata.confidence = Some(*confidence);
                }
                Body::ToolReturned { name, ok, .. } => {
                    let tools = &mut metadata.context.get_or_insert_default().tools;
                    tools.push(ToolRun { name: name.clone(), ok: *ok });
                }
                Body::RunEnded { outcome: Outcome::Completed, .. } => return Ok((text, metadata)),
                Body::RunEnded { outcome: Outcome::Cancelled, .. } => {
                    metadata.outcome = Some(Outcome::Cancelled.as_str());
                    return Ok((text, metadata));
                }
                Body::RunEnded { error, .. } => {
                    let why = error.as_ref().map_or("it ended early", |e| e.message.as_str());
                    return Err(Error::new(Code::Internal, why));
                }
                Body::RunStarted { .. }
                | Body::StageStarted { .. }
                | Body::Retrieved { .. }
                | Body::ToolCalled { .. }
                | Body::Reasoning { .. }
                | Body::Cited { .. }
                | Body::ModelStarted { .. }
                | Body::Categorized { .. }
                | Body::ContextGathered { .. }
                | Body::Felt { .. }
                | Body::Thought { .. }
                | Body::AbilityLearned { .. }
                | Body::JobStarted { .. }
                | Body::PhaseChanged { .. }
                | Body::TeamChanged { .. }
                | Body::CodeDelta { .. }
                | Body::CodeGenerated { .. }
                | Body::TeamFailed { .. } => {}
                Body::Escalated { .. } => {
                    metadata.context.get_or_insert_default().escalation = EscalationView::of(&event.body);
                }
            }
        }
    }
}

/// The messages of a session, oldest first.
#[derive(Serialize, JsonSchema)]
pub(super) struct History {
    session_id: String,
    messages: Vec<Line>,
    /// Only where it is so: there are older messages than these.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HistoryMessage")]
struct Line {
    /// `user` or `assistant`.
    #[schemars(with = "String")]
    role: Role,
    content: String,
    run_id: String,
    /// How the run ended that it belongs to; null while it lives.
    outcome: Option<&'static str>,
    /// Milliseconds since 1970 UTC.
    at: i64,
}

/// What may stand behind `?`.
#[derive(Deserialize)]
struct Asked {
    owner: Option<String>,
}

async fn history(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    path: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<History>, Refusal> {
    let Path(session_id) = path.map_err(|e| Refusal::new(e.status(), e.body_text()))?;
    let Query(asked) = asked.map_err(|e| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, e.body_text()))?;
    let owner = asked.owner.map(|owner| UserId::parse(&owner)).transpose();
    let owner = owner.map_err(|_| Error::not_found("Session"))?;
    // What is no name of a session is a session that nobody has: empty, like any other (observed).
    let mut messages = match SessionId::parse(&session_id) {
        Ok(session) => app.engine.history(&who, owner.as_ref(), &session, limit::HISTORY_PAGE + 1).await?,
        Err(_) => Vec::new(),
    };
    let older = messages.len().saturating_sub(limit::HISTORY_PAGE);
    messages.drain(..older);
    let messages = messages
        .into_iter()
        .map(|m| Line {
            role: m.role,
            content: m.content,
            run_id: m.run.into(),
            outcome: m.outcome.map(Outcome::as_str),
            at: m.at.0,
        })
        .collect();
    Ok(Json(History { session_id, messages, truncated: older > 0 }))
}
