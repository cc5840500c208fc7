//! Shapes of bodies that are read field by field, or written by hand, and so have no type of their own; what a
//! handler answers has one, and is not here. The bounds are those of `core/limit.rs`; where bytes are counted, the schema has the same number of characters,
//! which is never less.

#![expect(dead_code, reason = "describes the wire; nothing is made of these")]

use std::collections::BTreeMap;

use headwater_core::limit;
use schemars::JsonSchema;
use serde_json::Value;

use crate::auth::token::TOKEN_BYTES;
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

/// A job for the teams.
#[derive(JsonSchema)]
pub(super) struct Brief {
    /// What is wanted.
    #[schemars(length(min = 1, max = limit::MESSAGE_BYTES))]
    brief: String,
    #[serde(default)]
    target_framework: Option<Framework>,
    /// Any; it is told to the teams.
    #[serde(default)]
    style_preferences: Option<BTreeMap<String, Value>>,
    /// Names of the configured teams; all of them where it is missing.
    #[serde(default)]
    #[schemars(length(min = 1, max = limit::TEAMS))]
    include_teams: Option<Vec<String>>,
    #[serde(default)]
    workspace: Option<Workspace>,
}

/// What code is written for.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Framework {
    React,
    Vue,
    Svelte,
    Vanilla,
}

/// The project that the code is for. What else stands in it is told to the teams too.
#[derive(JsonSchema)]
struct Workspace {
    project_path: String,
    project_name: String,
    #[serde(default)]
    framework: Option<String>,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    package_manager: Option<String>,
    #[serde(default)]
    git_branch: Option<String>,
    #[serde(default)]
    git_remote: Option<String>,
    #[serde(default)]
    #[schemars(length(max = limit::WORKSPACE_ENTRIES))]
    dependencies: Vec<Value>,
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
    /// From registering, logging in or refreshing; used up by it.
    #[schemars(length(max = TOKEN_BYTES))]
    refresh_token: String,
}

#[derive(JsonSchema)]
pub(super) struct LogOut {
    /// `true`: every sign-in of yours ends, and not only this one.
    #[serde(default)]
    everywhere: Option<bool>,
}

#[derive(JsonSchema)]
pub(super) struct ChatAsk {
    /// At most 32768 bytes, not only white space.
    #[schemars(length(min = 1, max = limit::MESSAGE_BYTES))]
    message: String,
    /// Missing, null or empty: a new session.
    #[serde(default)]
    session_id: Option<String>,
    /// Kept with what is booked.
    #[serde(default)]
    #[schemars(extend("format" = "uuid"))]
    customer_id: Option<String>,
    /// Kept with what is booked, where you name no other vehicle.
    #[serde(default)]
    #[schemars(extend("format" = "uuid"))]
    vehicle_id: Option<String>,
    /// Not used.
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
}

#[derive(JsonSchema)]
pub(super) struct TutorRegister {
    #[schemars(email, length(max = limit::EMAIL_BYTES))]
    email: String,
    /// 8 to 128 characters, among them an upper-case and a lower-case letter, a digit and something else.
    #[schemars(length(min = 8, max = 128), extend("format" = "password"))]
    password: String,
    #[schemars(length(min = 1, max = limit::NAME_BYTES))]
    name: String,
}

#[derive(JsonSchema)]
pub(super) struct TutorAsk {
    /// At most 32768 bytes, not only white space.
    #[schemars(length(min = 1, max = limit::MESSAGE_BYTES))]
    message: String,
    /// Missing, null or empty: a new session.
    #[serde(default)]
    session_id: Option<String>,
    /// Your own name for the turn: sending it twice is sending it once.
    #[serde(default)]
    #[schemars(length(min = 1, max = limit::ID_BYTES))]
    message_id: Option<String>,
    /// Not looked at: who asks is whose token it is.
    #[serde(default)]
    user_id: Option<Value>,
    #[serde(default)]
    context: Option<TutorContext>,
}

/// How the lesson is to be.
#[derive(JsonSchema)]
pub(super) struct TutorContext {
    /// What it is about; what is learned of your ability is kept under it.
    #[serde(default)]
    #[schemars(length(max = limit::ID_BYTES))]
    subject: Option<String>,
    /// Whether the tutor says how it thinks.
    #[serde(default)]
    enable_reasoning: Option<bool>,
    /// Whether the knowledge base is searched.
    #[serde(default)]
    enable_rag: Option<bool>,
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
    /// PDF, DOCX, TXT or Markdown, told by the name's ending; at most 50 MB. One of the same name is replaced.
    #[schemars(extend("format" = "binary", "contentMediaType" = "application/octet-stream"))]
    file: String,
    #[serde(default = "manual")]
    #[schemars(length(max = limit::DOCUMENT_TYPE_BYTES))]
    document_type: String,
    /// Missing: `markdown` for Markdown and DOCX, `recursive` for the rest.
    #[serde(default)]
    chunking_strategy: Option<Cut>,
    #[serde(flatten)]
    cut: CutSize,
}

/// Characters that a passage may be asked to have.
const CUT_CHARS: (usize, usize) = (*limit::CHUNK_CHARS_ASKED.start(), *limit::CHUNK_CHARS_ASKED.end());

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Cut {
    Recursive,
    Markdown,
    Sentence,
    Fixed,
}

// A file and a text are asked it alike. No doc comment: flattened, it would be said of the whole.
#[derive(JsonSchema)]
struct CutSize {
    /// Characters of a passage.
    #[serde(default = "chunk_chars")]
    #[schemars(range(min = CUT_CHARS.0, max = CUT_CHARS.1))]
    chunk_size: usize,
    /// Characters that neighbours share, fewer than `chunk_size`. Missing: a fifth of it, at most 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = CUT_CHARS.1), with = "usize")]
    chunk_overlap: Option<usize>,
}

fn manual() -> String {
    "manual".to_owned()
}

fn chunk_chars() -> usize {
    limit::CHUNK_CHARS
}

#[derive(JsonSchema)]
pub(super) struct IngestText {
    /// Not only white space.
    #[schemars(length(min = 1))]
    text: String,
    /// What the document is to be called, without control characters; another of yours of this name is replaced.
    #[schemars(length(min = 1, max = limit::SOURCE_BYTES))]
    source: String,
    #[serde(default = "manual")]
    #[schemars(length(max = limit::DOCUMENT_TYPE_BYTES))]
    document_type: String,
    /// Missing: `recursive`.
    #[serde(default)]
    chunking_strategy: Option<Cut>,
    #[serde(flatten)]
    cut: CutSize,
    /// Shown with each passage; at most 4096 bytes as JSON.
    #[serde(default)]
    metadata: Option<BTreeMap<String, Value>>,
}

#[derive(JsonSchema)]
pub(super) struct Search {
    #[schemars(length(max = limit::MESSAGE_BYTES))]
    query: String,
    /// The most passages.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = limit::SEARCH_TOP_K))]
    top_k: usize,
    /// Of this type only.
    #[serde(default)]
    #[schemars(length(max = limit::DOCUMENT_TYPE_BYTES))]
    document_type: Option<String>,
    /// Of this document only.
    #[serde(default)]
    #[schemars(length(max = limit::SOURCE_BYTES))]
    source: Option<String>,
    /// Only passages at least this good.
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
    /// In your own words; empty is none.
    #[serde(default)]
    #[schemars(length(max = limit::FEEDBACK_BYTES))]
    comment: Option<String>,
}

/// An appointment that was made in the chat. It is written by the clerk's tools; a test of the routes compares.
#[derive(JsonSchema)]
#[schemars(description = "An appointment that was made in the chat.")]
pub(in crate::http) struct Appointment {
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
    /// In words and with its currency; only where the workshop still has the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vehicle: Option<String>,
    /// What the workshop should know; only in the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    /// Milliseconds since 1970 UTC; only in the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<i64>,
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
