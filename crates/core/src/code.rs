//! The one table of everything that the outside can be told went wrong.
//!
//! One enum and total functions over it: adding a code makes the compiler ask for its HTTP status, its
//! close code, whether trying again helps and whether a client may reconnect.

use std::fmt;
use std::time::Duration;

/// What went wrong, as a word that clients may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// Nobody is signed in on this connection or request.
    AuthRequired,
    /// The token is not valid here.
    InvalidToken,
    /// The token has run out, or its owner signed out.
    TokenExpired,
    /// Pages of this origin may not open connections here.
    OriginRefused,
    /// E-mail address and password do not belong together.
    InvalidCredentials,
    /// The address has an account already.
    EmailTaken,
    /// It does not exist, or is not yours: the same answer.
    NotFound,
    /// It is shared with you to be seen; only its owner may add to it or change it.
    ReadOnly,
    /// The request breaks the protocol or a rule of its fields.
    InvalidRequest,
    /// The message has no text.
    EmptyMessage,
    /// A frame or field of a type that this protocol does not have.
    UnknownType,
    /// A workflow that is not configured.
    UnknownWorkflow,
    /// A model that is not configured.
    UnknownModel,
    /// Too many bytes in a frame, body or field.
    TooLarge,
    /// The same message id came with another payload.
    MessageIdReused,
    /// As many turns as allowed are waiting already.
    QueueFull,
    /// As many runs as allowed are live already.
    TooManyRuns,
    /// As many connections as allowed are open already.
    TooManyConnections,
    /// Too much in too short a time.
    RateLimited,
    /// The cursor was not made by this server.
    CursorInvalid,
    /// The cursor belongs to another run.
    CursorForeign,
    /// The cursor is beyond the end of the log.
    CursorAhead,
    /// What follows the cursor is no longer kept.
    CursorExpired,
    /// The model's provider cannot be reached or is not loaded.
    ProviderUnavailable,
    /// The model's provider has too much to do.
    ProviderBusy,
    /// The model's provider needs a key, and the operator has given none.
    KeyMissing,
    /// The model's provider refused the request.
    ProviderRefused,
    /// The model's provider stopped answering in time.
    ProviderTimeout,
    /// The model's provider broke off in the middle.
    ProviderInterrupted,
    /// The model's provider failed in another way.
    ProviderFailed,
    /// The run took longer than a run may.
    RunTimeout,
    /// The node that wrote the run died.
    Interrupted,
    /// The log could not be written or read.
    StoreFailed,
    /// A client read too slowly for too long.
    SlowViewer,
    /// The server is about to stop.
    Draining,
    /// A mistake of ours.
    Internal,
}

impl Code {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 36] = [
        Self::AuthRequired,
        Self::InvalidToken,
        Self::TokenExpired,
        Self::OriginRefused,
        Self::InvalidCredentials,
        Self::EmailTaken,
        Self::NotFound,
        Self::ReadOnly,
        Self::InvalidRequest,
        Self::EmptyMessage,
        Self::UnknownType,
        Self::UnknownWorkflow,
        Self::UnknownModel,
        Self::TooLarge,
        Self::MessageIdReused,
        Self::QueueFull,
        Self::TooManyRuns,
        Self::TooManyConnections,
        Self::RateLimited,
        Self::CursorInvalid,
        Self::CursorForeign,
        Self::CursorAhead,
        Self::CursorExpired,
        Self::ProviderUnavailable,
        Self::ProviderBusy,
        Self::KeyMissing,
        Self::ProviderRefused,
        Self::ProviderTimeout,
        Self::ProviderInterrupted,
        Self::ProviderFailed,
        Self::RunTimeout,
        Self::Interrupted,
        Self::StoreFailed,
        Self::SlowViewer,
        Self::Draining,
        Self::Internal,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthRequired => "auth_required",
            Self::InvalidToken => "invalid_token",
            Self::TokenExpired => "token_expired",
            Self::OriginRefused => "origin_refused",
            Self::InvalidCredentials => "invalid_credentials",
            Self::EmailTaken => "email_taken",
            Self::NotFound => "not_found",
            Self::ReadOnly => "read_only",
            Self::InvalidRequest => "invalid_request",
            Self::EmptyMessage => "empty_message",
            Self::UnknownType => "unknown_type",
            Self::UnknownWorkflow => "unknown_workflow",
            Self::UnknownModel => "unknown_model",
            Self::TooLarge => "too_large",
            Self::MessageIdReused => "message_id_reused",
            Self::QueueFull => "queue_full",
            Self::TooManyRuns => "too_many_runs",
            Self::TooManyConnections => "too_many_connections",
            Self::RateLimited => "rate_limited",
            Self::CursorInvalid => "cursor_invalid",
            Self::CursorForeign => "cursor_foreign",
            Self::CursorAhead => "cursor_ahead",
            Self::CursorExpired => "cursor_expired",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::ProviderBusy => "provider_busy",
            Self::KeyMissing => "key_missing",
            Self::ProviderRefused => "provider_refused",
            Self::ProviderTimeout => "provider_timeout",
            Self::ProviderInterrupted => "provider_interrupted",
            Self::ProviderFailed => "provider_failed",
            Self::RunTimeout => "run_timeout",
            Self::Interrupted => "interrupted",
            Self::StoreFailed => "store_failed",
            Self::SlowViewer => "slow_viewer",
            Self::Draining => "draining",
            Self::Internal => "internal",
        }
    }

    /// The code of that word, where it is one: a log keeps the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == word)
    }

    /// The status of an HTTP answer that says this.
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::InvalidRequest
            | Self::UnknownType
            | Self::EmptyMessage
            | Self::UnknownWorkflow
            | Self::UnknownModel => 422,
            Self::EmailTaken | Self::CursorInvalid | Self::CursorForeign => 400,
            Self::AuthRequired | Self::InvalidToken | Self::TokenExpired | Self::InvalidCredentials => 401,
            Self::OriginRefused | Self::ReadOnly => 403,
            Self::NotFound => 404,
            Self::MessageIdReused | Self::CursorAhead => 409,
            Self::CursorExpired => 410,
            Self::TooLarge => 413,
            Self::QueueFull | Self::TooManyRuns | Self::TooManyConnections | Self::RateLimited => 429,
            Self::ProviderRefused
            | Self::ProviderInterrupted
            | Self::ProviderFailed
            | Self::Interrupted
            | Self::StoreFailed
            | Self::Internal => 500,
            Self::ProviderUnavailable
            | Self::ProviderBusy
            | Self::KeyMissing
            | Self::Draining
            | Self::SlowViewer => 503,
            Self::ProviderTimeout | Self::RunTimeout => 504,
        }
    }

    /// The WebSocket close code where a connection is closed for this. The range speaks to clients of
    /// any age: 1000–1015 as in RFC 6455, 44xx mirrors the HTTP status and means "do not come back as
    /// you are".
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::AuthRequired | Self::InvalidToken | Self::TokenExpired | Self::InvalidCredentials => 4401,
            Self::OriginRefused | Self::ReadOnly => 4403,
            Self::RateLimited => 4429,
            Self::NotFound => 4404,
            Self::TooLarge => 1009,
            Self::InvalidRequest
            | Self::EmptyMessage
            | Self::UnknownType
            | Self::UnknownWorkflow
            | Self::UnknownModel
            | Self::EmailTaken
            | Self::MessageIdReused
            | Self::CursorInvalid
            | Self::CursorForeign
            | Self::CursorAhead
            | Self::CursorExpired => 1008,
            Self::Draining => 1012,
            Self::SlowViewer
            | Self::QueueFull
            | Self::TooManyRuns
            | Self::TooManyConnections
            | Self::ProviderBusy
            | Self::ProviderUnavailable => 1013,
            Self::KeyMissing
            | Self::ProviderRefused
            | Self::ProviderTimeout
            | Self::ProviderInterrupted
            | Self::ProviderFailed
            | Self::RunTimeout
            | Self::Interrupted
            | Self::StoreFailed
            | Self::Internal => 1011,
        }
    }

    /// Whether sending the same again later can succeed.
    #[must_use]
    pub fn retryable(self) -> bool {
        match self {
            Self::QueueFull
            | Self::TooManyRuns
            | Self::TooManyConnections
            | Self::RateLimited
            | Self::ProviderUnavailable
            | Self::ProviderBusy
            | Self::ProviderTimeout
            | Self::ProviderInterrupted
            | Self::ProviderFailed
            | Self::RunTimeout
            | Self::Interrupted
            | Self::StoreFailed
            | Self::SlowViewer
            | Self::Draining
            | Self::Internal => true,
            Self::AuthRequired
            | Self::InvalidToken
            | Self::TokenExpired
            | Self::OriginRefused
            | Self::InvalidCredentials
            | Self::EmailTaken
            | Self::NotFound
            | Self::ReadOnly
            | Self::InvalidRequest
            | Self::EmptyMessage
            | Self::UnknownType
            | Self::UnknownWorkflow
            | Self::UnknownModel
            | Self::TooLarge
            | Self::MessageIdReused
            | Self::CursorInvalid
            | Self::CursorForeign
            | Self::CursorAhead
            | Self::CursorExpired
            | Self::KeyMissing
            | Self::ProviderRefused => false,
        }
    }

    /// Whether a client whose socket was closed for this should open a new one and resume.
    #[must_use]
    pub fn reconnect(self) -> bool {
        matches!(self.close_code(), 1011..=1013)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something went wrong: a code for machines, and what happened, where and what to do for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The word.
    pub code: Code,
    /// The sentence; holds no secret.
    pub message: String,
    /// Seconds after which the same can succeed, where that is known; the sentence says it too.
    pub retry_after: Option<u64>,
}

impl Error {
    /// An error of this code with these words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    /// Too much in too short a time: `what` may be had again after `wait`, which is told in whole seconds.
    #[must_use]
    pub fn too_fast(what: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let seconds = seconds.max(1);
        let message = format!("Too many {what}; try again in {seconds} s");
        Self { code: Code::RateLimited, message, retry_after: Some(seconds) }
    }

    /// The one answer for what does not exist and what is not yours.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} not found"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_are_unique_and_numbers_are_legal() {
        let words: HashSet<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(code));
            assert!((400..600).contains(&code.http_status()), "{code}");
            // 1005, 1006 and 1015 may never be sent.
            assert!(matches!(code.close_code(), 1008 | 1009 | 1011..=1013 | 4400..=4499), "{code}");
        }
    }

    #[test]
    fn a_client_is_never_told_to_reconnect_with_what_was_refused() {
        for code in Code::ALL {
            if code.reconnect() && !matches!(code, Code::ProviderRefused | Code::KeyMissing) {
                assert!(code.retryable(), "{code}");
            }
        }
    }
}
