//! `POST /api/v1/feedback`: what somebody thought of an answer.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use headwater_core::limit;
use headwater_core::port::desk::Feedback;
use schemars::JsonSchema;
use serde::Serialize;

use super::refusal::Refusal;
use super::validate::{JsonBody, Text};
use crate::app::App;
use crate::auth::SignedIn;

const POSITIVE: &str = "positive";

/// The route.
pub fn routes() -> Router<App> {
    Router::new().route("/api/v1/feedback", post(give))
}

/// The keys in the contract's order.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OpinionKept", description = "An opinion that is kept.")]
pub(super) struct Recorded {
    /// `success`
    status: &'static str,
    /// `Feedback recorded`
    message: &'static str,
    message_id: String,
    #[schemars(extend("enum" = [POSITIVE, "negative"]))]
    sentiment: &'static str,
}

/// The message may be called by the run's id or by the client's own name for it: both are kept under who
/// says so, so that nobody learns or changes anything of another's.
async fn give(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    body: JsonBody,
) -> Result<Json<Recorded>, Refusal> {
    let (message_id, sentiment, comment) = body.read(|f| {
        let message_id = f.text("message_id", Text::up_to(limit::ID_BYTES).at_least(1));
        let sentiment = f.choice("sentiment", &[POSITIVE, "negative"]);
        let comment = f.optional_text("comment", Text::up_to(limit::FEEDBACK_BYTES));
        (message_id, sentiment, comment)
    })?;
    let feedback = Feedback {
        owner: who.user,
        message_id: message_id.clone(),
        positive: sentiment == POSITIVE,
        comment: comment.filter(|c| !c.is_empty()),
        at: app.engine.clock().wall(),
    };
    app.engine.give_feedback(feedback).await?;
    Ok(Json(Recorded { status: "success", message: "Feedback recorded", message_id, sentiment }))
}
