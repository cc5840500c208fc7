//! The frames of `/ws/chat`, with their keys in the original's order; ours (`run_id`, `seq`, `outcome`,
//! `message_id`) come after.

use headwater_core::code::Code;
use headwater_core::event::{Outcome, Seq, Stage};
use headwater_core::{Principal, RunId, SessionId};
use serde::{Deserialize, Serialize};

use crate::wire::ToolRun;

use crate::escalation::EscalationView;

/// What a client may send.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientFrame {
    Auth {
        #[serde(default)]
        token: Option<String>,
        #[serde(default)]
        partial: Option<bool>,
    },
    Message {
        #[serde(default)]
        message: Option<String>,
        #[serde(default, deserialize_with = "or_empty")]
        session_id: Option<SessionId>,
        #[serde(default)]
        message_id: Option<headwater_core::MessageId>,
        /// Any text of at most 128 bytes: the original's clients send what they have.
        #[serde(default)]
        customer_id: Option<String>,
        #[serde(default)]
        vehicle_id: Option<String>,
    },
    Ping,
    Stop {
        #[serde(default)]
        run_id: Option<RunId>,
    },
    Resume {
        #[serde(default, deserialize_with = "or_empty")]
        session_id: Option<SessionId>,
        #[serde(default)]
        run_id: Option<RunId>,
        #[serde(default)]
        after: Seq,
    },
}

/// Some clients say "none" with an empty text.
fn or_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SessionId>, D::Error> {
    let text = Option::<String>::deserialize(from)?.filter(|t| !t.is_empty());
    text.map(|t| SessionId::parse(&t)).transpose().map_err(serde::de::Error::custom)
}

/// The types that a client may send; anything else is `UNKNOWN_TYPE`, not a broken frame.
pub(super) const CLIENT_TYPES: [&str; 5] = ["auth", "message", "ping", "stop", "resume"];

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerFrame<'a> {
    AuthSuccess { message: &'static str, user: User<'a> },
    AuthError { message: &'static str },
    Progress { step: &'static str, message: &'static str, run_id: &'a RunId, seq: Seq },
    Token { token: &'a str, partial_response: &'a str, run_id: &'a RunId, seq: Seq },
    Complete(Complete<'a>),
    Error(ErrorFrame<'a>),
    Pong,
}

#[derive(Serialize)]
pub(super) struct User<'a> {
    id: &'a str,
    email: &'a str,
    name: &'a str,
}

impl<'a> From<&'a Principal> for User<'a> {
    fn from(who: &'a Principal) -> Self {
        Self { id: who.user.as_str(), email: &who.email, name: &who.name }
    }
}

#[derive(Serialize)]
pub(super) struct Complete<'a> {
    pub response: &'a str,
    pub session_id: &'a SessionId,
    pub metadata: Metadata<'a>,
    pub run_id: &'a RunId,
    pub seq: Seq,
    /// Only where the answer is not whole: a client of the original never sees it otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
}

/// Null where no specialist was chosen: a run of another workflow, or one stopped before.
#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    pub agent: Option<&'a str>,
    pub confidence: Option<f64>,
    pub context: Context<'a>,
}

#[derive(Serialize)]
pub(super) struct Context<'a> {
    pub sources: &'a [String],
    pub classified_intent: Option<&'a str>,
    pub confidence: Option<f64>,
    pub agent: Option<&'a str>,
    /// Only where a person is asked to look at the question too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalation: Option<&'a EscalationView>,
    /// Ours, and only where tools ran.
    #[serde(skip_serializing_if = "<[ToolRun]>::is_empty")]
    pub tools: &'a [ToolRun],
}

#[derive(Serialize, Default)]
pub(super) struct ErrorFrame<'a> {
    pub error: &'a str,
    pub code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<&'a RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_response: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<&'a str>,
}

/// Step and text of a stage (contract).
pub(super) fn progress(stage: Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::Start => ("starting", "Processing your question..."),
        Stage::Route => ("agent_routing", "Routing to the right expert..."),
        Stage::Retrieve => ("rag_retrieval", "Searching knowledge base..."),
        Stage::Generate => ("generating", "Generating response..."),
    }
}

/// The word of this dialect for a code. What is our own or the model's fault has one word in the original.
pub(super) fn word(code: Code) -> &'static str {
    match code {
        Code::AuthRequired => "AUTH_REQUIRED",
        Code::EmptyMessage => "EMPTY_MESSAGE",
        Code::UnknownType => "UNKNOWN_TYPE",
        Code::InvalidRequest => "INVALID_MESSAGE",
        Code::TooLarge => "MESSAGE_TOO_LARGE",
        Code::QueueFull => "QUEUE_FULL",
        Code::TooManyRuns => "TOO_MANY_RUNS",
        Code::TooManyConnections => "TOO_MANY_CONNECTIONS",
        Code::RateLimited => "RATE_LIMITED",
        Code::TokenExpired => "TOKEN_EXPIRED",
        Code::OriginRefused => "ORIGIN_REFUSED",
        Code::MessageIdReused => "MESSAGE_ID_REUSED",
        Code::NotFound => "NOT_FOUND",
        Code::CursorInvalid => "CURSOR_INVALID",
        Code::CursorForeign => "CURSOR_FOREIGN",
        Code::CursorAhead => "CURSOR_AHEAD",
        Code::CursorExpired => "CURSOR_EXPIRED",
        Code::Draining => "DRAINING",
        Code::InvalidToken | Code::InvalidCredentials => "INVALID_TOKEN",
        Code::EmailTaken
        | Code::UnknownWorkflow
        | Code::ProviderUnavailable
        | Code::ProviderBusy
        | Code::ProviderRefused
        | Code::ProviderTimeout
        | Code::ProviderInterrupted
        | Code::ProviderFailed
        | Code::RunTimeout
        | Code::Interrupted
        | Code::StoreFailed
        | Code::SlowViewer
        | Code::Internal => "PROCESSING_ERROR",
    }
}

/// The word that says that an answer is not whole, where it is not.
pub(super) fn unfinished(outcome: Outcome) -> Option<&'static str> {
    (outcome != Outcome::Completed).then(|| outcome.as_str())
}
