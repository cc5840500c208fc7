//! `GET /api/v1/chat/history/{session_id}` of the tutor: what was said, with what the logs know of each answer.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use headwater_core::code::Error;
use headwater_core::port::provider::{Cost, Role};
use headwater_core::run::Message;
use headwater_core::{RunId, SessionId, UserId, limit};
use headwater_engine::engine::told::Turn;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::{AbilityView, EmotionView, time};
use crate::app::App;
use crate::auth::SignedIn;
use crate::http::refusal::Refusal;

/// A session, oldest message first; `truncated`, `cost_unknown`, `run_id` and
/// `ability_updated` are ours.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TutorHistory")]
pub(in crate::http) struct History {
    session_id: String,
    messages: Vec<Line>,
    /// Of the whole session.
    total_messages: usize,
    session_started: String,
    /// In dollars, of the answers here whose price is known.
    total_cost: f64,
    /// Only where it is so: there are answers here whose price is not known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cost_unknown: bool,
    /// Only where it is so: there are older messages than these.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TutorMessage")]
struct Line {
    /// Of a question the client's own `message_id`, where it gave one; of an answer the run's.
    id: String,
    /// `user` or `assistant`.
    #[schemars(with = "String")]
    role: Role,
    content: String,
    timestamp: String,
    /// Of a question; null where it is not known.
    emotion_state: Option<EmotionView>,
    /// Of an answer: the provider's name in the configuration.
    provider_used: Option<String>,
    /// Of an answer that has ended.
    response_time_ms: Option<u64>,
    /// Of an answer: dollars; null where no price is known.
    cost: Option<f64>,
    run_id: String,
    /// Of an answer: what it taught of the person's ability; only where it taught something.
    #[serde(skip_serializing_if = "Option::is_none")]
    ability_updated: Option<AbilityView>,
}

/// What may stand behind `?`.
#[derive(Deserialize)]
pub(super) struct Asked {
    limit: Option<usize>,
    before: Option<String>,
    owner: Option<String>,
}

pub(super) async fn history(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    path: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<History>, Refusal> {
    let Path(session_id) = path.map_err(|e| Refusal::new(e.status(), e.body_text()))?;
    let Query(asked) = asked.map_err(|e| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, e.body_text()))?;
    let most = asked.limit.unwrap_or(limit::HISTORY_RUNS);
    if !(1..=limit::HISTORY_RUNS).contains(&most) {
        let sentence = format!("`limit` must be 1 to {}", limit::HISTORY_RUNS);
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, sentence));
    }
    // What is no name is nobody's.
    let session = SessionId::parse(&session_id).map_err(|_| Error::not_found("Session"))?;
    let owner = asked.owner.map(|owner| UserId::parse(&owner)).transpose();
    let owner = owner.map_err(|_| Error::not_found("Session"))?;
    let before = asked.before.map(|run| RunId::parse(&run)).transpose();
    let before = before.map_err(|_| Error::not_found("Run"))?;
    // One more than is shown tells whether there are older ones.
    let mut told = app.engine.retell(&who, owner.as_ref(), &session, before.as_ref(), most + 1).await?;
    let older = told.turns.len().saturating_sub(most);
    told.turns.drain(..older);
    let (total_cost, cost_unknown) = cost(&told.turns);
    Ok(Json(History {
        session_id,
        messages: told.turns.into_iter().flat_map(lines).collect(),
        total_messages: told.messages,
        session_started: time(told.started),
        total_cost,
        cost_unknown,
        truncated: older > 0,
    }))
}

/// What the answers cost, as far as that is known, and whether it is not of all: a number in any case, since clients
/// calculate with it.
fn cost(turns: &[Turn]) -> (f64, bool) {
    let used = turns.iter().filter_map(|turn| turn.usage);
    let sum =
        used.clone().filter_map(|usage| usage.cost_usd).fold(0_u64, |sum, cost| sum.saturating_add(cost.0));
    (Cost(sum).dollars(), used.into_iter().any(|usage| usage.cost_usd.is_none()))
}

fn lines(turn: Turn) -> Vec<Line> {
    let Turn { run, messages, felt, learned, usage, took } = turn;
    let run_id = run.id.as_str();
    let emotion = felt.map(EmotionView::from);
    let learned = learned.map(AbilityView::from);
    let cost = usage.and_then(|usage| usage.cost_usd).map(|cost| cost.dollars());
    let took = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let line = |message: Message| {
        let answer = message.role == Role::Assistant;
        let named = run.message_id.as_ref().map(|id| id.as_str().to_owned());
        Line {
            id: match answer {
                true => run_id.to_owned(),
                false => named.unwrap_or_else(|| format!("{run_id}-question")),
            },
            role: message.role,
            content: message.content,
            timestamp: time(message.at),
            emotion_state: emotion.clone().filter(|_| !answer),
            provider_used: run.provider.clone().filter(|_| answer),
            response_time_ms: took.filter(|_| answer),
            cost: cost.filter(|_| answer),
            run_id: run_id.to_owned(),
            ability_updated: learned.clone().filter(|_| answer),
        }
    };
    messages.into_iter().map(line).collect()
}
