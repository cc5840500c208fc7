//! The original's words for what went wrong.

use headwater_core::code::{Code, Error};
use headwater_core::event::Failure;
use serde_json::{Map, Value, json};

use super::frames::Problem;
use crate::http::tutor::view::TOO_OFTEN;

/// The word of this dialect for a code. `CONTEXT_RETRIEVAL_FAILED` and `EMOTION_DETECTION_FAILED` are never said: what
/// they stand for fails no turn here, or is the database's fault; and a cancelled generation is no error.
pub(super) fn word(code: Code) -> &'static str {
    match code {
        Code::AuthRequired
        | Code::InvalidToken
        | Code::TokenExpired
        | Code::OriginRefused
        | Code::InvalidCredentials
        | Code::ReadOnly => "UNAUTHORIZED",
        Code::NotFound => "SESSION_NOT_FOUND",
        Code::EmailTaken
        | Code::InvalidRequest
        | Code::EmptyMessage
        | Code::UnknownType
        | Code::UnknownModel
        | Code::MessageIdReused
        | Code::CursorInvalid
        | Code::CursorForeign
        | Code::CursorAhead
        | Code::CursorExpired => "INVALID_MESSAGE_FORMAT",
        Code::TooLarge => "TOKEN_LIMIT_EXCEEDED",
        Code::QueueFull | Code::TooManyRuns | Code::TooManyConnections | Code::RateLimited => {
            "RATE_LIMIT_EXCEEDED"
        }
        Code::ProviderUnavailable
        | Code::ProviderBusy
        | Code::KeyMissing
        | Code::ProviderRefused
        | Code::ProviderInterrupted
        | Code::ProviderFailed => "AI_PROVIDER_UNAVAILABLE",
        Code::ProviderTimeout | Code::RunTimeout => "GENERATION_TIMEOUT",
        Code::StoreFailed => "DATABASE_ERROR",
        Code::UnknownWorkflow | Code::Interrupted | Code::SlowViewer | Code::Draining | Code::Internal => {
            "INTERNAL_ERROR"
        }
    }
}

/// What a run ended with, where it failed: the code, and the sentence that people read.
pub(super) fn failure(failure: &Failure) -> (Code, String) {
    let code = Code::ALL.into_iter().find(|code| code.as_str() == failure.code).unwrap_or(Code::Internal);
    let message = match word(code) {
        "AI_PROVIDER_UNAVAILABLE" => format!("AI generation failed: {}", failure.message),
        _ => failure.message.clone(),
    };
    (code, message)
}

/// An error in this dialect's words; with the code of this server, which says more, among the details.
pub(super) fn problem<'a>(code: Code, message: &'a str, recoverable: bool, wait: Option<u64>) -> Problem<'a> {
    let mut details = Map::new();
    details.insert("code".to_owned(), Value::from(code.as_str()));
    if let Some(seconds) = wait {
        details.insert("retry_after".to_owned(), json!(seconds));
    }
    Problem { code: word(code), message, details, recoverable }
}

/// The sentence of a refusal that no stream belongs to.
pub(super) fn sentence(error: &Error) -> &str {
    match error.code {
        Code::RateLimited => TOO_OFTEN,
        _ => &error.message,
    }
}
