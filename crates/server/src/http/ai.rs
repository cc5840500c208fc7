//! HTTP beside `ai_stream`: `/api/ai/*`, `/api/user/limits`, `/api/health`; `docs/protocol/ai_stream.md`. Shapes and
//! texts are the original's. Each answer is a run as everywhere, on the terms of the socket beside it.

pub(super) mod outline;
mod prompt;

use axum::extract::{Extension, FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Json, Router};
use headwater_core::code::{Code, Error};
use headwater_core::event::{Body, Failure, Outcome};
use headwater_core::limit;
use headwater_core::port::provider::{PromptMessage, Usage};
use headwater_engine::engine::From as Position;
use headwater_engine::{Follow, Followed, StartRun};
use schemars::JsonSchema;
use serde::Serialize;

use self::outline::Bullet;
use super::admission;
use super::health::Provider;
use super::refusal::Refusal;
use super::validate::{JsonBody, Text};
use crate::app::App;
use crate::auth::standing::expired;
use crate::auth::token::Identity;
use crate::auth::{development, shown_bearer};
use crate::gate::ClientAddress;
use crate::ws::ai_stream::WORKFLOW;
use crate::ws::ai_stream::frames::said_of;

/// Where nobody else is.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/health", get(health))
        .route("/api/ai/generate", post(generate))
        .route("/api/ai/expand", post(expand))
        .route("/api/user/limits", get(limits))
}

/// Who asks: by a good token, or by his name alone where that is enough.
struct Author(Identity);

impl FromRequestParts<App> for Author {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let refused = match app.auth.bearer(&parts.headers) {
            Ok(identity) => return Ok(Self(identity)),
            Err(refused) => refused,
        };
        let shown = shown_bearer(&parts.headers).filter(|_| development::is_at_home(parts, app));
        shown.and_then(|name| development::identity(&name)).map(Self).ok_or_else(|| refused.into())
    }
}

/// The server lives; `status` and `version` are the original's.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AiHealth")]
pub(super) struct Health {
    /// `healthy`
    status: &'static str,
    /// Of this program.
    version: &'static str,
    /// Who answers.
    provider: Option<Provider>,
}

async fn health(State(app): State<App>) -> Json<Health> {
    let provider = app.engine.provider(WORKFLOW).map(Provider::from);
    Json(Health { status: "healthy", version: env!("CARGO_PKG_VERSION"), provider })
}

/// An outline.
#[derive(Serialize, JsonSchema)]
pub(super) struct Outline {
    /// The points of the first level.
    bullets: Vec<Bullet>,
    /// Tokens of prompt and answer together.
    tokens_used: u64,
}

/// Points below a point.
#[derive(Serialize, JsonSchema)]
pub(super) struct Expansion {
    /// Their texts.
    children: Vec<String>,
    /// Tokens of prompt and answer together.
    tokens_used: u64,
}

async fn generate(
    State(app): State<App>,
    Author(identity): Author,
    address: Option<Extension<ClientAddress>>,
    body: JsonBody,
) -> Result<Json<Outline>, Refusal> {
    let levels = limit::OUTLINE_LEVELS;
    let (text, levels) = body.read(|f| {
        let text = f.text("input_text", Text::up_to(limit::MESSAGE_BYTES).at_least(1));
        (text, f.integer("max_levels", 3, 1..=levels))
    })?;
    let levels = usize::try_from(levels).unwrap_or(1);
    let (answer, tokens_used) = ask(&app, identity, address, prompt::outline(&text, levels)).await?;
    let bullets = outline::bullets(&answer, levels).map_err(unreadable)?;
    Ok(Json(Outline { bullets, tokens_used }))
}

async fn expand(
    State(app): State<App>,
    Author(identity): Author,
    address: Option<Extension<ClientAddress>>,
    body: JsonBody,
) -> Result<Json<Expansion>, Refusal> {
    let bullet = Text::up_to(limit::BULLET_BYTES);
    let (text, siblings, parent) = body.read(|f| {
        let text = f.text("bullet_text", bullet.at_least(1));
        let siblings = f.texts("siblings", bullet, limit::BULLETS);
        (text, siblings, f.optional_text("parent_context", Text::up_to(limit::PARENT_BYTES)))
    })?;
    let messages = prompt::expansion(&text, &siblings, parent.as_deref());
    let (answer, tokens_used) = ask(&app, identity, address, messages).await?;
    let children = outline::texts(&answer).map_err(unreadable)?;
    Ok(Json(Expansion { children, tokens_used }))
}

/// What a model wrote cannot be read; what it wrote is in its run's log.
fn unreadable(why: String) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("Failed to parse AI response: {why}"))
}

/// How much of the quota is left.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GenerationLimits")]
pub(super) struct Limits {
    /// Answers that were made, on the socket and here.
    ai_generations_used: u64,
    /// The most; `null` where there is no limit.
    ai_generations_limit: Option<u64>,
    /// The difference; 0 where the operator has lowered the limit meanwhile, `null` where there is none.
    remaining: Option<u64>,
}

async fn limits(State(app): State<App>, Author(identity): Author) -> Result<Json<Limits>, Refusal> {
    let quota = app.dialects.terms().quota;
    let used = app.engine.used(&identity.who, &quota).await?;
    // What the operator has switched off is no number that a client could read without losing digits.
    let most = Some(quota.most).filter(|most| *most < u64::MAX);
    Ok(Json(Limits {
        ai_generations_used: used,
        ai_generations_limit: most,
        remaining: most.map(|most| most.saturating_sub(used)),
    }))
}

/// Asks the model, and waits for the whole answer and what it used. Who goes away, or is no longer signed in, leaves
/// the run unwatched, which ends it after the grace period.
async fn ask(
    app: &App,
    identity: Identity,
    address: Option<Extension<ClientAddress>>,
    messages: Vec<PromptMessage>,
) -> Result<(String, u64), Refusal> {
    admission::start(&app.gate, address)?;
    let run = StartRun { messages: Some(messages), ..app.dialects.terms().run() };
    let who = identity.who.clone();
    let mut standing = app.auth.standing(Some(identity));
    let answered = async {
        let (started, asker) = app.engine.start_for(&who, run).await?;
        let mut follow = app.engine.follow(&who, &started.run, &Position::After(0)).await?;
        asker.comes();
        whole(&mut follow).await
    };
    tokio::select! {
        answered = answered => answered,
        () = standing.over() => Err(expired().into()),
    }
}

async fn whole(follow: &mut Follow) -> Result<(String, u64), Refusal> {
    let mut text = String::new();
    loop {
        let events = match follow.next().await? {
            Followed::Events(events) => events,
            Followed::Heartbeat => continue,
            Followed::End => return Err(Error::new(Code::Internal, "the answer has no ending").into()),
        };
        for event in events {
            if let Some(piece) = event.body.text() {
                text.push_str(piece);
            }
            let Body::RunEnded { outcome, error, usage, .. } = &event.body else { continue };
            return match outcome {
                Outcome::Completed => Ok((text, tokens(usage.as_ref()))),
                Outcome::Cancelled => Err(Refusal::new(StatusCode::CONFLICT, "The generation was stopped")),
                Outcome::Failed | Outcome::Interrupted => Err(failed(error.as_ref())),
            };
        }
    }
}

fn tokens(usage: Option<&Usage>) -> u64 {
    let of = |count: fn(&Usage) -> Option<u64>| usage.and_then(count).unwrap_or_default();
    of(|u| u.input_tokens).saturating_add(of(|u| u.output_tokens))
}

/// Whatever is the matter with the provider has one status in the original, and the words of the socket.
fn failed(failure: Option<&Failure>) -> Refusal {
    let Some(failure) = failure else { return Error::new(Code::Internal, "it ended early").into() };
    let ours = matches!(Code::parse(&failure.code), Some(Code::StoreFailed | Code::Internal) | None);
    let code = if ours { Code::Internal } else { Code::ProviderUnavailable };
    Error { retry_after: failure.retry_after, ..Error::new(code, said_of(failure)) }.into()
}
