//! The frames of `/ws/orchestrate/{job_id}`, keys in the original's order.

use headwater_core::Millis;
use headwater_core::event::{Seq, TeamStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::orchestrate::stamp;
use crate::wire::json;

/// Of a team where it is the job as a whole.
pub(super) use crate::http::orchestrate::WORKFLOW;

/// What a client may send; anything else is ignored.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(rename = "OrchestrateClientFrame")]
pub(crate) enum ClientFrame {
    /// Answered with `pong`; so is the text `ping`.
    Ping,
    /// Signs in.
    Auth {
        /// With or without `Bearer `.
        #[serde(default)]
        token: Option<String>,
    },
}

/// What belongs to the connection and to no event.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(rename = "OrchestrateConnectionFrame")]
pub(crate) enum ConnectionFrame<'a> {
    /// The first.
    Connected {
        /// As it stands in the address.
        job_id: &'a str,
        /// ISO 8601.
        timestamp: String,
    },
    /// Of `ping`.
    Pong {
        /// ISO 8601.
        timestamp: String,
    },
    /// Added: the token of an `auth` is good.
    AuthSuccess {
        /// ISO 8601.
        timestamp: String,
    },
    /// Added: it is not, or is not any more.
    AuthError {
        /// What to do.
        message: &'a str,
        /// ISO 8601.
        timestamp: String,
    },
}

/// What happened in the job.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrchestrateFrame")]
pub(crate) struct JobFrame<'a> {
    r#type: &'static str,
    /// `workflow` for the job as a whole.
    team: &'a str,
    data: Data<'a>,
    /// ISO 8601.
    timestamp: &'a str,
    job_id: &'a str,
    /// Added, for clients that ask: the number of the last event in the frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

/// By the frame's `type`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "OrchestrateData")]
pub(crate) enum Data<'a> {
    /// `status_change`
    Status {
        /// Where the team stands.
        status: TeamStatus,
    },
    /// `thought_added`
    Thought {
        /// Names it.
        id: &'a str,
        /// What was thought.
        text: &'a str,
        /// ISO 8601.
        timestamp: &'a str,
        /// Whose it is.
        team: &'a str,
    },
    /// `code_generated`
    Code {
        /// All of it.
        code: &'a str,
        /// What the model wrote for it.
        token_count: u64,
    },
    /// `error`
    Error {
        /// What went wrong.
        error: &'a str,
        /// `error`
        status: TeamStatus,
    },
    /// `phase_change`
    Phase {
        /// Which one.
        phase: &'a str,
        /// Where it stands.
        status: TeamStatus,
        /// Which round, of `refiner`.
        #[serde(skip_serializing_if = "Option::is_none")]
        refinement_iteration: Option<u32>,
    },
    /// `code_delta`
    Delta {
        /// A piece.
        text: &'a str,
        /// The number of the last event in it.
        seq: Seq,
    },
}

impl Data<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status_change",
            Self::Thought { .. } => "thought_added",
            Self::Code { .. } => "code_generated",
            Self::Error { .. } => "error",
            Self::Phase { .. } => "phase_change",
            Self::Delta { .. } => "code_delta",
        }
    }
}

/// Writes the frames of one event.
pub(super) struct Pen<'a> {
    pub(super) job_id: &'a str,
    /// Of the event.
    pub(super) seq: Seq,
    /// Of the event, see [`stamp`].
    pub(super) at: String,
    /// Whether the client wants numbers.
    pub(super) numbered: bool,
    /// The client has it already: nothing is written.
    pub(super) muted: bool,
    pub(super) frames: &'a mut Vec<String>,
}

impl Pen<'_> {
    pub(super) fn write(&mut self, team: &str, data: Data<'_>) {
        if self.muted {
            return;
        }
        let (r#type, timestamp, job_id) = (data.kind(), self.at.as_str(), self.job_id);
        let seq = self.numbered.then_some(self.seq);
        self.frames.push(json(&JobFrame { r#type, team, data, timestamp, job_id, seq }));
    }

    pub(super) fn status(&mut self, team: &str, status: TeamStatus) {
        self.write(team, Data::Status { status });
    }

    pub(super) fn thought(&mut self, team: &str, id: &str, text: &str) {
        let at = self.at.clone();
        self.write(team, Data::Thought { id, text, timestamp: &at, team });
    }

    /// The status goes right before it, as in the original.
    pub(super) fn failed(&mut self, team: &str, error: &str) {
        self.status(team, TeamStatus::Error);
        self.write(team, Data::Error { error, status: TeamStatus::Error });
    }
}

/// The connection is refused, and no team failed: nobody's status is told.
pub(super) fn refused(job_id: &str, error: &str, now: Millis) -> String {
    let data = Data::Error { error, status: TeamStatus::Error };
    let timestamp = &stamp(now);
    json(&JobFrame { r#type: data.kind(), team: WORKFLOW, data, timestamp, job_id, seq: None })
}

pub(super) fn connected(job_id: &str, now: Millis) -> String {
    json(&ConnectionFrame::Connected { job_id, timestamp: stamp(now) })
}

pub(super) fn pong(now: Millis) -> String {
    json(&ConnectionFrame::Pong { timestamp: stamp(now) })
}
