//! The frames of `/ws/ai/stream`, with their keys in the original's order; ours (`run_id`, `seq`, `stopped`,
//! `retry_after`) come after. And the original's words.

use headwater_core::code::{Code, Error};
use headwater_core::event::{Failure, Seq};
use headwater_core::{RunId, limit};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// What a client may send; for the description, since what is sent is read key by key, as the original reads it.
#[expect(dead_code, reason = "describes the wire; nothing is made of it")]
#[derive(JsonSchema)]
#[schemars(
    rename = "AiStreamClientFrame",
    tag = "action",
    rename_all = "snake_case",
    description = "A frame of `/ws/ai/stream`, from the client. Other fields are ignored."
)]
pub(crate) enum ClientFrame {
    /// Answered with `pong`, at once.
    Ping,
    /// One answer, which knows nothing of the ones before it.
    Generate {
        /// What is asked. A number or `true` is taken for its text.
        #[schemars(length(min = 1, max = limit::MESSAGE_BYTES))]
        prompt: String,
        /// Missing, null or empty: `You are a helpful assistant.`
        #[schemars(length(max = limit::SYSTEM_BYTES))]
        system: Option<String>,
        /// Missing or null: 4096.
        #[schemars(range(min = 1, max = limit::ANSWER_TOKENS_MAX))]
        max_tokens: Option<u32>,
    },
    /// End the answer that streams.
    Stop,
    /// What is missing of a run, and then what comes.
    Resume {
        /// From a frame of it.
        run_id: RunId,
        /// The last `seq` that came.
        #[schemars(default)]
        after: Seq,
    },
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(
    rename = "AiStreamServerFrame",
    description = "A frame of `/ws/ai/stream`, from the server. `seq` is the last event that it carries: resume after it."
)]
pub(crate) enum ServerFrame<'a> {
    /// A piece of the answer.
    Chunk { text: &'a str, run_id: &'a RunId, seq: Seq },
    /// The answer is whole, or was stopped.
    Done {
        /// Who asked: the user's id.
        user_id: &'a str,
        run_id: &'a RunId,
        seq: Seq,
        /// Only where it was: the answer is not whole.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        stopped: bool,
    },
    /// What went wrong; with `run_id` it is the end of that run's answer.
    Error {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        run_id: Option<&'a RunId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<Seq>,
        /// Seconds after which the same can succeed, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// To `ping`.
    Pong,
}

/// An error in the original's words.
pub(crate) fn said(error: &Error) -> String {
    words(error.code, &error.message)
}

/// Why a run failed, in the original's words.
pub(crate) fn said_of(failure: &Failure) -> String {
    // A word that is none was written by a later version, and failed in a way that we do not know.
    words(Code::parse(&failure.code).unwrap_or(Code::Internal), &failure.message)
}

fn words(code: Code, message: &str) -> String {
    match code {
        // The original says no more, and its clients compare. Where the key belongs stands in the server's log.
        Code::KeyMissing => "API key not configured".to_owned(),
        Code::EmptyMessage => PROMPT_REQUIRED.to_owned(),
        Code::ProviderBusy | Code::RateLimited => format!("Rate limit exceeded: {message}"),
        Code::ProviderUnavailable | Code::ProviderTimeout | Code::ProviderInterrupted | Code::Interrupted => {
            format!("Connection error: {message}")
        }
        Code::ProviderRefused
        | Code::ProviderFailed
        | Code::RunTimeout
        | Code::StoreFailed
        | Code::Internal => format!("API error: {message}"),
        // About what was sent, or about this server: the sentence is enough.
        Code::AuthRequired
        | Code::InvalidToken
        | Code::TokenExpired
        | Code::OriginRefused
        | Code::InvalidCredentials
        | Code::EmailTaken
        | Code::NotFound
        | Code::ReadOnly
        | Code::InvalidRequest
        | Code::UnknownType
        | Code::UnknownWorkflow
        | Code::UnknownModel
        | Code::TooLarge
        | Code::MessageIdReused
        | Code::QueueFull
        | Code::TooManyRuns
        | Code::TooManyConnections
        | Code::CursorInvalid
        | Code::CursorForeign
        | Code::CursorAhead
        | Code::CursorExpired
        | Code::SlowViewer
        | Code::Draining => message.to_owned(),
    }
}

/// To a `generate` without one.
pub(super) const PROMPT_REQUIRED: &str = "Prompt is required for generate action";

/// Characters of an action that are said back.
const SHOWN: usize = 200;

/// The original's words for an action that it does not know, which are those of its language.
pub(super) fn unknown_action(action: Option<&Value>) -> String {
    let mut text = String::new();
    match action {
        Some(Value::String(word)) => text.extend(word.chars().take(SHOWN)),
        other => python(other.unwrap_or(&Value::Null), &mut text),
    }
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
    }
    format!("Unknown action: {text}")
}

/// A value as Python's `repr` writes it. Numbers stay as JSON has them; what is beyond [`SHOWN`] is left out by the
/// caller, and nothing below it is walked.
pub(super) fn python(value: &Value, out: &mut String) {
    if out.len() > SHOWN * 4 {
        return;
    }
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => quoted(text, out),
        Value::Array(list) => {
            out.push('[');
            for (n, item) in list.iter().take(SHOWN).enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                python(item, out);
            }
            out.push(']');
        }
        Value::Object(object) => dictionary(object, out),
    }
}

fn dictionary(object: &Map<String, Value>, out: &mut String) {
    out.push('{');
    for (n, (key, item)) in object.iter().take(SHOWN).enumerate() {
        out.push_str(if n > 0 { ", " } else { "" });
        quoted(key, out);
        out.push_str(": ");
        python(item, out);
    }
    out.push('}');
}

/// In single quotes, unless only those are inside.
fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for letter in text.chars().take(SHOWN) {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if other == quote => out.extend(['\\', other]),
            other => out.push(other),
        }
    }
    out.push(quote);
}
