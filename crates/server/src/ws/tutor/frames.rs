//! The frames of `/api/ws`: `type`, and `data`, which is never empty. Ours (`seq` and the like) come after the
//! original's keys.

use headwater_core::event::{Seq, ThinkingMode};
use headwater_core::{Millis, RunId, UserId};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::http::tutor::view::{AbilityView, ContextView, EmotionView};
use crate::ws::presence::Socket;
use crate::ws::rooms::SessionOf;

/// What stands in place of an id that a client did not name.
pub(super) const UNKNOWN: &str = "unknown";

/// What every frame of a stream begins with.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Head<'a> {
    pub message_id: &'a str,
    pub session_id: &'a str,
    /// Milliseconds since 1970 UTC.
    pub timestamp: Millis,
}

/// What the server sends.
#[derive(Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub(super) enum ServerFrame<'a> {
    Connect {
        user_id: &'a str,
        connection_id: &'a str,
        timestamp: Millis,
        features: Features,
    },
    StreamStart {
        #[serde(flatten)]
        head: Head<'a>,
        ai_message_id: &'a RunId,
        metadata: StartMetadata<'a>,
        seq: Seq,
    },
    ContextInfo {
        #[serde(flatten)]
        head: Head<'a>,
        context: ContextView,
        seq: Seq,
    },
    EmotionUpdate {
        #[serde(flatten)]
        head: Head<'a>,
        emotion: EmotionView,
        seq: Seq,
    },
    ThinkingChunk {
        #[serde(flatten)]
        head: Head<'a>,
        reasoning_step: Step<'a>,
        seq: Seq,
    },
    ContentChunk {
        #[serde(flatten)]
        head: Head<'a>,
        content: &'a str,
        chunk_index: u64,
        is_code: bool,
        /// Not where more of the same event comes behind it.
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<Seq>,
    },
    StreamComplete {
        #[serde(flatten)]
        head: Head<'a>,
        ai_message_id: &'a RunId,
        full_content: &'a str,
        metadata: CompleteMetadata<'a>,
        seq: Seq,
    },
    StreamError {
        #[serde(flatten)]
        head: Head<'a>,
        error: Problem<'a>,
        partial_content: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<Seq>,
    },
    StopAcknowledged {
        #[serde(flatten)]
        head: Head<'a>,
        /// Only where nothing was left to be stopped.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        already_completed: bool,
    },
    GenerationStopped {
        #[serde(flatten)]
        head: Head<'a>,
        ai_message_id: &'a RunId,
        reason: &'static str,
        partial_content: &'a str,
        metadata: StoppedMetadata,
        seq: Seq,
    },
    Pong {
        timestamp: Millis,
    },
    HealthInfo {
        connections: Vec<Connected<'a>>,
        timestamp: Millis,
    },
    SessionJoined {
        #[serde(flatten)]
        session: Named<'a>,
        timestamp: Millis,
    },
    UserJoined {
        user_id: &'a str,
        #[serde(flatten)]
        session: Named<'a>,
        timestamp: Millis,
    },
    UserLeft {
        user_id: &'a str,
        #[serde(flatten)]
        session: Named<'a>,
        timestamp: Millis,
    },
    TypingIndicator {
        user_id: &'a str,
        #[serde(rename = "isTyping")]
        is_typing: bool,
        #[serde(flatten)]
        session: Named<'a>,
        timestamp: Millis,
    },
    SessionUpdate {
        #[serde(flatten)]
        session: Named<'a>,
        user_id: &'a str,
        action: &'static str,
        timestamp: Millis,
    },
    Error {
        message: &'a str,
        code: &'static str,
        /// Of the frame that was refused, where it has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<&'a str>,
        /// Seconds after which the same can succeed, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}

/// A session in a room's frames.
#[derive(Serialize)]
pub(super) struct Named<'a> {
    pub session_id: &'a str,
    /// *Added*: whose it is, where it is another's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<&'a str>,
}

impl<'a> From<&'a SessionOf> for Named<'a> {
    fn from(SessionOf { owner, session }: &'a SessionOf) -> Self {
        Self { session_id: session.as_str(), owner: owner.as_ref().map(UserId::as_str) }
    }
}

/// What this server can do, for whoever asks before he shows a button.
#[derive(Serialize)]
pub(super) struct Features {
    pub streaming: bool,
    pub stop_generation: bool,
    pub reasoning: bool,
    pub emotion: bool,
    pub context: bool,
    pub code_detection: bool,
    pub sessions: bool,
    pub offline_queue: bool,
}

impl Features {
    pub(super) const ALL: Self = Self {
        streaming: true,
        stop_generation: true,
        reasoning: true,
        emotion: true,
        context: true,
        code_detection: true,
        sessions: true,
        offline_queue: true,
    };
}

#[derive(Serialize)]
pub(super) struct StartMetadata<'a> {
    pub provider: &'a str,
    pub category: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_tokens: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Step<'a> {
    pub step_number: u32,
    pub thinking_mode: ThinkingMode,
    pub description: &'a str,
    /// Null where there is no measure.
    pub confidence: Option<f64>,
    pub timestamp: Millis,
}

#[derive(Serialize)]
pub(super) struct CompleteMetadata<'a> {
    pub provider_used: &'a str,
    pub response_time_ms: u64,
    #[serde(flatten)]
    pub spent: Spent,
    /// Null where nothing was learned.
    pub ability_updated: Option<&'a AbilityView>,
}

/// What an answer used.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Spent {
    pub tokens_used: u64,
    /// Dollars.
    pub cost: f64,
    /// Only where nobody knows the price: the original's clients calculate with `cost`, so 0 stands there then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cost_unknown: bool,
}

#[derive(Serialize)]
pub(super) struct Problem<'a> {
    pub code: &'static str,
    pub message: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
    pub recoverable: bool,
}

#[derive(Serialize)]
pub(super) struct StoppedMetadata {
    #[serde(flatten)]
    pub spent: Spent,
    /// Milliseconds from the beginning of the run.
    pub stopped_at_ms: u64,
}

/// One of the user's sockets.
#[derive(Serialize)]
pub(super) struct Connected<'a> {
    connection_id: &'a str,
    connected_at: Millis,
    sessions: Vec<&'a str>,
}

impl<'a> From<&'a Socket> for Connected<'a> {
    fn from(socket: &'a Socket) -> Self {
        Self {
            connection_id: &socket.id,
            connected_at: socket.since,
            sessions: socket.rooms.iter().map(|room| room.session.as_str()).collect(),
        }
    }
}
