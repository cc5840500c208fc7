//! What can go wrong at a host, as data.

use serde::{Deserialize, Serialize};

/// One way to fail. `after` counts deltas: words of reasoning, text or refusal, and pieces of a tool's
/// arguments. A number beyond the last delta means after all of them, before the format's own end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Failure {
    /// A status instead of an answer, with an error in the format's own words.
    Status {
        /// 400 to 599.
        status: u16,
        /// `retry-after`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
        /// `retry-after-ms`.
        #[serde(default)]
        retry_after_ms: Option<u64>,
        /// The words of the error; without it those that fit the status.
        #[serde(default)]
        message: Option<String>,
    },
    /// Not even the head of an answer comes.
    Hang,
    /// The connection is reset once the request has come.
    Drop,
    /// The format's own error in the stream, which then closes.
    Error {
        /// Deltas before it; 0: it is the first event.
        #[serde(default)]
        after: u32,
        /// The status that it would have had before the stream; decides its type.
        #[serde(default = "overloaded")]
        status: u16,
    },
    /// A field `error:` instead of `data:`, as some servers of local models say it, and the stream closes.
    ErrorField {
        /// Deltas before it.
        #[serde(default)]
        after: u32,
    },
    /// The body ends as if all were well, without the format's own end.
    End {
        /// Deltas before it.
        #[serde(default)]
        after: u32,
    },
    /// The connection closes without an end of the body; a reset of the stream on HTTP/2.
    Cut {
        /// Deltas before it.
        #[serde(default)]
        after: u32,
    },
    /// The connection is reset in the middle of an event; a reset of the stream on HTTP/2.
    Reset {
        /// Deltas before it.
        #[serde(default)]
        after: u32,
    },
    /// Nothing more comes, and nothing closes.
    Stall {
        /// Deltas before it.
        #[serde(default)]
        after: u32,
        /// A ping all so many milliseconds; 0: none.
        #[serde(default)]
        ping_ms: u64,
    },
    /// One event of broken JSON; the answer goes on behind it.
    Malformed {
        /// Deltas before it.
        #[serde(default)]
        after: u32,
    },
    /// One event of this size; the answer goes on behind it.
    Huge {
        /// Deltas before it.
        #[serde(default)]
        after: u32,
        /// Its size, at least; at most 64 MiB.
        #[serde(default = "two_mebibytes")]
        bytes: u32,
    },
}

fn overloaded() -> u16 {
    529
}

fn two_mebibytes() -> u32 {
    2 << 20
}

impl Failure {
    /// This status, without a word on when to come again.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None, retry_after_ms: None, message: None }
    }

    /// The format's own error after so many deltas, of an overloaded host.
    #[must_use]
    pub fn error_after(after: u32) -> Self {
        Self::Error { after, status: overloaded() }
    }

    /// The failure of this name, as it stands in a model's name; see [`crate::magic`].
    #[must_use]
    pub fn named(name: &str, after: u32) -> Option<Self> {
        Some(match name {
            "hang" => Self::Hang,
            "drop" => Self::Drop,
            "error" => Self::error_after(after),
            "error-field" => Self::ErrorField { after },
            "end" => Self::End { after },
            "cut" => Self::Cut { after },
            "reset" => Self::Reset { after },
            "stall" => Self::Stall { after, ping_ms: 0 },
            "stall-pings" => Self::Stall { after, ping_ms: 100 },
            "malformed" => Self::Malformed { after },
            "huge" => Self::Huge { after, bytes: two_mebibytes() },
            status => Self::status(status.parse().ok().filter(|s| (400..600).contains(s))?),
        })
    }

    /// After how many deltas of a stream it comes; none, where there is no stream.
    pub(crate) fn after(&self) -> Option<u32> {
        match *self {
            Self::Status { .. } | Self::Hang | Self::Drop => None,
            Self::Error { after, .. }
            | Self::ErrorField { after }
            | Self::End { after }
            | Self::Cut { after }
            | Self::Reset { after }
            | Self::Stall { after, .. }
            | Self::Malformed { after }
            | Self::Huge { after, .. } => Some(after),
        }
    }
}
