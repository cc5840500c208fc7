//! Shapes of bodies that are read field by field, or written by hand, and so have no type of their own. The
//! bounds are those of `core/limit.rs`; where bytes are counted, the schema has the same number of characters,
//! which is never less.

#![expect(dead_code, reason = "describes the wire; nothing is made of these")]

use std::collections::BTreeMap;

use headwater_core::{RunId, SessionId, limit};
use schemars::JsonSchema;
use serde_json::Value;

use crate::http::runs::PageHead;
use crate::http::validate::Problem;
use crate::wire::EventView;

/// What went wrong, as a sentence.
#[derive(JsonSchema)]
pub(super) struct Refused {
    /// What happened and what to do.
    detail: String,
}

/// What is wrong with what was sent.
#[derive(JsonSchema)]
pub(super) struct Invalid {
    detail: Wrong,
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum Wrong {
    /// In the order of the fields.
    Problems(Vec<Problem>),
    /// What concerns no single field.
    Sentence(String),
}

#[derive(JsonSchema)]
pub(super) struct Register {
    #[schemars(email, length(max = limit::EMAIL_BYTES))]
    email: String,
    /// 8 characters to 1024 bytes.
    #[schemars(length(min = 8, max = 1024), extend("format" = "password"))]
    password: String,
    /// 2 characters to 200 bytes.
    #[schemars(length(min = 2, max = limit::NAME_BYTES))]
    name: String,
}

#[derive(JsonSchema)]
pub(super) struct LogIn {
    #[schemars(email, length(max = limit::EMAIL_BYTES))]
    email: String,
    #[schemars(length(max = 1024), extend("format" = "password"))]
    password: String,
}

#[derive(JsonSchema)]
pub(super) struct Refresh {
    /// From registering, logging in or refreshing.
    refresh_token: String,
}

/// That it is done.
#[derive(JsonSchema)]
pub(super) struct Done {
    message: String,
}

/// Opens one WebSocket.
#[derive(JsonSchema)]
pub(super) struct Ticket {
    /// For `?ticket=`.
    ticket: String,
    /// Seconds that it is good.
    expires_in: u64,
}

#[derive(JsonSchema)]
pub(super) struct ChatAsk {
    /// At most 32768 bytes, not only white space.
    #[schemars(length(min = 1, max = limit::MESSAGE_BYTES))]
    message: String,
    /// Missing, null or empty: a new session.
    #[serde(default)]
    session_id: Option<String>,
    /// Checked and not used.
    #[serde(default)]
    #[schemars(extend("format" = "uuid"))]
    customer_id: Option<String>,
    /// Checked and not used.
    #[serde(default)]
    #[schemars(extend("format" = "uuid"))]
    vehicle_id: Option<String>,
    /// Not used.
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
}

/// A page of a run's log.
#[derive(JsonSchema)]
pub(super) struct EventPage {
    /// As in a stream, the same bytes.
    events: Vec<EventView>,
    #[serde(flatten)]
    head: PageHead,
}

#[derive(JsonSchema)]
pub(super) struct Upload {
    /// PDF, DOCX, TXT or Markdown; at most 50 MB.
    #[schemars(extend("format" = "binary", "contentMediaType" = "application/octet-stream"))]
    file: String,
    #[serde(default = "manual")]
    document_type: String,
    /// Characters of a passage.
    #[serde(default = "chunk_chars")]
    chunk_size: usize,
    /// Characters that neighbours share.
    #[serde(default = "chunk_overlap")]
    chunk_overlap: usize,
}

fn manual() -> String {
    "manual".to_owned()
}

fn chunk_chars() -> usize {
    limit::CHUNK_CHARS
}

fn chunk_overlap() -> usize {
    limit::CHUNK_OVERLAP
}

#[derive(JsonSchema)]
pub(super) struct IngestText {
    #[schemars(length(min = 1))]
    text: String,
    /// What the document is to be called; another of this name is replaced.
    #[schemars(length(min = 1))]
    source: String,
    #[serde(default = "manual")]
    document_type: String,
    /// `recursive`, `markdown` or `fixed`; chosen by the text where it is missing.
    #[serde(default)]
    chunking_strategy: Option<String>,
    /// Kept with each passage.
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
}

/// A document that is searchable now.
#[derive(JsonSchema)]
pub(super) struct Ingested {
    document_id: String,
    filename: String,
    document_type: String,
    chunks_created: usize,
    tokens_used: u64,
    chunking_strategy: String,
}

/// How far an upload is.
#[derive(JsonSchema)]
pub(super) struct UploadState {
    document_id: String,
    filename: String,
    status: UploadStatus,
    /// Passages that are searchable.
    chunks_done: usize,
    /// Of how many, once that is known.
    chunks_total: Option<usize>,
    /// What went wrong, where something did.
    detail: Option<String>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum UploadStatus {
    Receiving,
    Reading,
    Indexing,
    Done,
    Failed,
}

#[derive(JsonSchema)]
pub(super) struct Search {
    #[schemars(length(min = 1))]
    query: String,
    /// The most passages.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = limit::SEARCH_TOP_K))]
    top_k: usize,
    /// Of this type only.
    #[serde(default)]
    document_type: Option<String>,
    /// Of this document only.
    #[serde(default)]
    source: Option<String>,
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1))]
    min_score: f64,
}

fn five() -> usize {
    5
}

fn half() -> f64 {
    0.5
}

/// Passages, best first.
#[derive(JsonSchema)]
pub(super) struct Found {
    results: Vec<Passage>,
    query: String,
    /// How many there are here.
    total: usize,
}

#[derive(JsonSchema)]
struct Passage {
    content: String,
    /// 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    score: f64,
    metadata: BTreeMap<String, Value>,
    /// The document's name.
    source: String,
}

/// The documents that you see.
#[derive(JsonSchema)]
pub(super) struct DocumentList {
    documents: Vec<DocumentView>,
}

#[derive(JsonSchema)]
#[schemars(rename = "Document")]
struct DocumentView {
    source: String,
    document_type: String,
    chunk_count: usize,
    /// ISO 8601, UTC.
    first_indexed: String,
    /// ISO 8601, UTC.
    last_indexed: String,
}

#[derive(JsonSchema)]
pub(super) struct DocumentStats {
    total_chunks: usize,
    total_sources: usize,
    total_document_types: usize,
}

#[derive(JsonSchema)]
pub(super) struct Deleted {
    /// `Document deleted`
    message: String,
    source: String,
    chunks_deleted: usize,
}

#[derive(JsonSchema)]
pub(super) struct Metrics {
    /// `healthy`
    status: String,
    requests_total: u64,
    cache_hit_rate: f64,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Sentiment {
    Positive,
    Negative,
}

#[derive(JsonSchema)]
pub(super) struct Opinion {
    /// A run's id, or your own name for the message.
    #[schemars(length(min = 1, max = limit::ID_BYTES))]
    message_id: String,
    sentiment: Sentiment,
    /// In your own words.
    #[serde(default)]
    comment: Option<String>,
}

/// An opinion that is kept.
#[derive(JsonSchema)]
pub(super) struct OpinionKept {
    /// `success`
    status: String,
    /// `Feedback recorded`
    message: String,
    message_id: String,
    sentiment: Sentiment,
}

/// Your appointments, by slot.
#[derive(JsonSchema)]
pub(super) struct Appointments {
    appointments: Vec<Appointment>,
    /// Only where it is so: there are more than these.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<bool>,
}

/// An appointment was called off.
#[derive(JsonSchema)]
pub(super) struct AppointmentCancelled {
    /// `Appointment cancelled`
    message: String,
    appointment: Appointment,
}

/// An appointment that was made in the chat.
#[derive(JsonSchema)]
pub(super) struct Appointment {
    /// `APT-YYYYMMDDHHMMSS`
    appointment_id: String,
    /// `YYYY-MM-DDTHH:MM` on the workshop's clock.
    slot: String,
    service: String,
    status: AppointmentStatus,
    /// Whether it is still to come.
    upcoming: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    weekday: Option<String>,
    /// With its currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vehicle: Option<String>,
    /// Whether calling it off costs nothing; only in the answer to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_of_charge: Option<bool>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum AppointmentStatus {
    Booked,
    Cancelled,
}

/// A frame of `/ws/chat`, from the client. Other fields are ignored.
#[derive(JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ChatClientFrame {
    /// Sign in; may be repeated.
    Auth {
        token: String,
        /// `false`: token frames have `""` as `partial_response`.
        #[serde(default)]
        partial: Option<bool>,
    },
    /// One turn.
    Message {
        #[schemars(length(min = 1, max = limit::MESSAGE_BYTES))]
        message: String,
        #[serde(default)]
        session_id: Option<SessionId>,
        /// Your own name for the turn: sending it twice is sending it once.
        #[serde(default)]
        message_id: Option<String>,
    },
    /// Answered with `pong`.
    Ping,
    /// Stop the answer that is shown, or this run.
    Stop {
        #[serde(default)]
        run_id: Option<RunId>,
    },
    /// Show a run from a position on.
    Resume {
        #[serde(default)]
        session_id: Option<SessionId>,
        #[serde(default)]
        run_id: Option<RunId>,
        #[serde(default)]
        after: u64,
    },
}
