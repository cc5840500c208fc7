//! The frames of `/ws/chat`, with their keys in the original's order; ours (`run_id`, `seq`, `outcome`,
//! `message_id`) come after.

use headwater_core::code::{Code, Error};
use headwater_core::event::{Outcome, Seq, Stage};
use headwater_core::port::provider::{Citation, Usage};
use headwater_core::{Principal, RunId, SessionId, limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::ToolRun;

use crate::escalation::EscalationView;

/// What a client may send. What must be there and is not has an answer of its own, and so is optional here and
/// not on the wire.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(
    rename = "ChatClientFrame",
    description = "A frame of `/ws/chat`, from the client. Other fields are ignored."
)]
pub(crate) enum ClientFrame {
    /// Sign in; may be repeated.
    Auth {
        /// An access token.
        #[schemars(required)]
        token: Option<String>,
        /// `false`: token frames have `""` as `partial_response`.
        #[serde(default)]
        partial: Option<bool>,
        /// `true`: `reasoning` frames come too, and `complete` says who answered and whom he cites.
        #[serde(default)]
        detail: Option<bool>,
    },
    /// One turn.
    Message {
        /// At most 32768 bytes, not only white space.
        #[schemars(required, length(min = 1, max = limit::MESSAGE_BYTES))]
        message: Option<String>,
        /// Missing, null or empty: the connection's own session.
        #[serde(default, deserialize_with = "or_empty")]
        session_id: Option<SessionId>,
        /// Your own name for the turn: sending it twice is sending it once.
        #[serde(default)]
        message_id: Option<headwater_core::MessageId>,
        /// Any text of at most 128 bytes; kept with what is booked.
        // The original's clients send what they have.
        #[serde(default)]
        #[schemars(length(max = limit::ID_BYTES))]
        customer_id: Option<String>,
        /// In the same way.
        #[serde(default)]
        #[schemars(length(max = limit::ID_BYTES))]
        vehicle_id: Option<String>,
    },
    /// Answered with `pong`.
    Ping,
    /// Stop the answer that is shown, or this run.
    Stop {
        #[serde(default)]
        run_id: Option<RunId>,
    },
    /// Show a run, or the newest of a session, from a position on.
    Resume {
        #[serde(default, deserialize_with = "or_empty")]
        session_id: Option<SessionId>,
        #[serde(default)]
        run_id: Option<RunId>,
        /// The last `seq` that came.
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

#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(
    rename = "ChatServerFrame",
    description = "A frame of `/ws/chat`, from the server. `seq` is the last event that it carries: resume after it."
)]
pub(crate) enum ServerFrame<'a> {
    /// You are signed in.
    AuthSuccess { message: &'static str, user: User<'a> },
    /// The token is not good; who was signed in still is.
    AuthError { message: &'static str },
    /// A step begins: `starting`, `agent_routing`, `rag_retrieval`, `generating`.
    Progress { step: &'static str, message: &'static str, run_id: &'a RunId, seq: Seq },
    /// A piece of the answer, and everything so far.
    Token { token: &'a str, partial_response: &'a str, run_id: &'a RunId, seq: Seq },
    /// A piece of what the model thinks before it answers; only to whoever asked for `detail`.
    Reasoning { text: &'a str, run_id: &'a RunId, seq: Seq },
    /// The whole answer, or what there was of it when it was stopped.
    Complete(Complete<'a>),
    /// What went wrong; the end of a run where it has `outcome`.
    Error(ErrorFrame<'a>),
    /// To `ping`.
    Pong,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatUser")]
pub(crate) struct User<'a> {
    id: &'a str,
    email: &'a str,
    name: &'a str,
}

impl<'a> From<&'a Principal> for User<'a> {
    fn from(who: &'a Principal) -> Self {
        Self { id: who.user.as_str(), email: &who.email, name: &who.name }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Complete<'a> {
    pub response: &'a str,
    pub session_id: &'a SessionId,
    pub metadata: Metadata<'a>,
    pub run_id: &'a RunId,
    pub seq: Seq,
    /// Only where the answer is not whole: `cancelled`.
    // A client of the original never sees it otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
}

/// Null where no specialist was chosen: a run of another workflow, or one stopped before.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatCompleteMetadata")]
pub(crate) struct Metadata<'a> {
    pub agent: Option<&'a str>,
    pub confidence: Option<f64>,
    pub context: Context<'a>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatCompleteContext")]
pub(crate) struct Context<'a> {
    /// Names of documents, each once, best first.
    pub sources: &'a [String],
    pub classified_intent: Option<&'a str>,
    pub confidence: Option<f64>,
    pub agent: Option<&'a str>,
    /// Only where a person is asked to look at the question too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalation: Option<&'a EscalationView>,
    /// Only where tools ran.
    #[serde(skip_serializing_if = "<[ToolRun]>::is_empty")]
    pub tools: &'a [ToolRun],
    /// Only to whoever asked for `detail`, and where there are any: whom the model cites.
    #[serde(skip_serializing_if = "<[Citation]>::is_empty")]
    pub citations: &'a [Citation],
    /// Only to whoever asked for `detail`: who answered, and what was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a Answerer>,
}

/// Who answered, and what was used.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ChatModel")]
pub(crate) struct Answerer {
    pub provider: String,
    pub model: String,
    pub label: Option<String>,
    /// Where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

#[derive(Serialize, Default, JsonSchema)]
#[schemars(inline)]
pub(crate) struct ErrorFrame<'a> {
    /// A sentence for people.
    pub error: &'a str,
    /// A word for programs: the table in [chat.md](/docs/chat.md).
    pub code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<&'a RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// The text that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_response: Option<&'a str>,
    /// Of the message that was refused, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<&'a str>,
    /// Seconds after which the same can succeed, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Of a run that failed: whether asking again can succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recoverable: Option<bool>,
    /// Only to whoever asked for `detail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a Answerer>,
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
        // Never here: a message into a session that is only shared makes one of that name of the sender's own.
        Code::ReadOnly => "NOT_FOUND",
        Code::CursorInvalid => "CURSOR_INVALID",
        Code::CursorForeign => "CURSOR_FOREIGN",
        Code::CursorAhead => "CURSOR_AHEAD",
        Code::CursorExpired => "CURSOR_EXPIRED",
        Code::Draining => "DRAINING",
        Code::InvalidToken | Code::InvalidCredentials => "INVALID_TOKEN",
        Code::EmailTaken
        | Code::UnknownWorkflow
        | Code::UnknownModel
        | Code::ProviderUnavailable
        | Code::ProviderBusy
        | Code::KeyMissing
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

impl<'a> ErrorFrame<'a> {
    /// An error in this dialect's words.
    pub(super) fn of(error: &'a Error) -> Self {
        let retry_after = error.retry_after;
        Self { error: &error.message, code: word(error.code), retry_after, ..Self::default() }
    }
}

/// The word that says that an answer is not whole, where it is not.
pub(super) fn unfinished(outcome: Outcome) -> Option<&'static str> {
    (outcome != Outcome::Completed).then(|| outcome.as_str())
}
