//! The native protocol's types, spoken over `/ws` and over HTTP alike. `docs/protocol/native.md` is
//! written from these, and the clients' types are generated from them.

use headwater_core::cursor::Cursor;
use headwater_core::event::{Event, Outcome, Seq};
use headwater_core::port::provider::{Effort, PromptMessage, Role};
use headwater_core::run::{Run, Tail};
use headwater_core::{Code, Error, MessageId, RunId, SessionId, limit};
use headwater_engine::StartRun;
use headwater_engine::ask::{Job, Lesson, Special};
use headwater_engine::models::Listed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `POST /api/runs` and `start`: what a client asks for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartBody {
    /// What the run does: `generate`, `assist` …
    pub workflow: String,
    /// What the person says; 1 to 32768 bytes. This or `messages`.
    #[serde(default)]
    #[schemars(length(min = 1, max = limit::MESSAGE_BYTES))]
    pub message: Option<String>,
    /// A conversation that the client keeps, in its place: the last line is the person's, instructions come first;
    /// at most 49152 bytes of text. For workflows that have no memory of their own.
    #[serde(default)]
    #[schemars(length(min = 1, max = limit::MESSAGES_OF_RUN))]
    pub messages: Option<Vec<LineBody>>,
    /// The conversation; made where it is missing.
    #[serde(default)]
    pub session_id: Option<SessionId>,
    /// The client's own name for this turn: sending it twice is sending it once.
    #[serde(default)]
    pub message_id: Option<MessageId>,
    /// Instructions for the model, for workflows that have none of their own; at most 16384 bytes.
    #[serde(default)]
    pub system: Option<String>,
    /// The most tokens to answer with, 1 to 32768.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// 0 to 2; 0 is greedy.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// Which model, by its alias in `GET /api/v1/models`; for workflows that have none of their own. The default
    /// one where it is missing.
    #[serde(default)]
    pub model: Option<String>,
    /// Texts that end the answer and are no part of it, each of 1 to 256 bytes; for the same workflows.
    #[serde(default)]
    #[schemars(length(max = limit::STOPS))]
    pub stop: Option<Vec<String>>,
    /// How much the model is to think before it answers, where it can; for the same workflows.
    #[serde(default)]
    pub reasoning: Option<Effort>,
    /// For a workflow of teams, whose brief is the `message`; a plain job where it is missing.
    #[serde(default)]
    pub job: Option<Box<JobBody>>,
    /// How a turn with a tutor is to be; for a workflow that gives lessons.
    #[serde(default)]
    pub lesson: Option<LessonBody>,
}

/// What teams are told beside the brief.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Job")]
pub struct JobBody {
    /// `react`, `vue`, `svelte`, `vanilla`, or what the teams' file names; its default where it is missing.
    #[serde(default)]
    pub framework: Option<String>,
    /// Names of teams; all of them where it is missing.
    #[serde(default)]
    #[schemars(length(min = 1, max = limit::TEAMS))]
    pub teams: Option<Vec<String>>,
    /// How the code is to be: any values by any names; at most 16384 bytes of JSON and 200 values.
    #[serde(default)]
    pub style: Option<serde_json::Map<String, serde_json::Value>>,
    /// The project that the code goes into, in the same way.
    #[serde(default)]
    pub workspace: Option<serde_json::Map<String, serde_json::Value>>,
}

impl From<JobBody> for Special {
    fn from(body: JobBody) -> Self {
        Self::Job(Box::new(Job {
            framework: body.framework.unwrap_or_default(),
            teams: body.teams.unwrap_or_default(),
            style: body.style,
            workspace: body.workspace,
        }))
    }
}

/// How a turn with a tutor is to be.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Lesson")]
pub struct LessonBody {
    /// What it is about, at most 100 bytes: what is learned of the person's ability is learned of it in this. The
    /// question's category where it is missing.
    #[schemars(length(max = limit::SUBJECT_BYTES))]
    pub subject: Option<String>,
    /// Whether steps of thinking are told, as `thought` events in place of `reasoning`.
    pub reasoning: bool,
    /// Whether the knowledge base is searched.
    pub rag: bool,
}

impl From<LessonBody> for Lesson {
    fn from(LessonBody { subject, reasoning, rag }: LessonBody) -> Self {
        Self { subject, reasoning, rag }
    }
}

/// A line of a conversation.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Line")]
pub struct LineBody {
    /// Who says it.
    pub role: LineRole,
    /// What is said; not only white space.
    #[schemars(length(min = 1, max = limit::MESSAGES_BYTES))]
    pub content: String,
}

/// Who says a line of a conversation.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineRole {
    /// Instructions for the model; before all other lines.
    System,
    /// The person.
    User,
    /// The model, before.
    Assistant,
}

impl From<LineBody> for PromptMessage {
    fn from(line: LineBody) -> Self {
        let role = match line.role {
            LineRole::System => Role::System,
            LineRole::User => Role::User,
            LineRole::Assistant => Role::Assistant,
        };
        Self::new(role, line.content)
    }
}

impl From<StartBody> for StartRun {
    fn from(body: StartBody) -> Self {
        Self {
            workflow: body.workflow,
            message: body.message.unwrap_or_default(),
            messages: body.messages.map(|lines| lines.into_iter().map(PromptMessage::from).collect()),
            session: body.session_id,
            message_id: body.message_id,
            system: body.system,
            max_tokens: body.max_tokens,
            temperature: body.temperature,
            model: body.model,
            stop: body.stop.unwrap_or_default(),
            reasoning: body.reasoning,
            special: match (body.job, body.lesson) {
                (None, None) => Special::Nothing,
                (Some(job), None) => (*job).into(),
                (None, Some(lesson)) => Special::Lesson(lesson.into()),
                (Some(_), Some(_)) => Special::Both,
            },
            ..Self::default()
        }
    }
}

/// Reads an object and nothing else: by itself the library takes a list of the fields' values as well.
///
/// # Errors
/// The library's.
pub fn object<'de, D: serde::Deserializer<'de>>(from: D) -> Result<StartBody, D::Error> {
    let fields = serde_json::Map::deserialize(from)?;
    StartBody::deserialize(serde_json::Value::Object(fields)).map_err(serde::de::Error::custom)
}

/// A run that was made, or found under the same message id.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StartedBody {
    /// The run.
    pub run_id: RunId,
    /// Its conversation.
    pub session_id: SessionId,
}

/// A run as it is shown.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RunView {
    /// Its name.
    pub run_id: RunId,
    /// Its conversation.
    pub session_id: SessionId,
    /// The client's own name for it, where it gave one.
    pub message_id: Option<MessageId>,
    /// What it does.
    pub workflow: String,
    /// `running`, or how it ended: `completed`, `failed`, `cancelled`, `interrupted`.
    pub status: &'static str,
    /// Who answers, once a model has been asked.
    pub provider: Option<String>,
    /// Which model answers.
    pub model: Option<String>,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// The last event's number.
    pub tail: Seq,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            run_id: run.id,
            session_id: run.session,
            message_id: run.message_id,
            workflow: run.workflow,
            status: status(run.tail),
            provider: run.provider,
            model: run.model,
            created_at: run.created_at.0,
            tail: run.tail.seq,
        }
    }
}

/// The word for how a run stands.
#[must_use]
pub fn status(tail: Tail) -> &'static str {
    tail.outcome.map_or("running", Outcome::as_str)
}

/// How many runs a page of a list has, where a client asks for so many or for none in particular.
///
/// # Errors
/// [`Code::InvalidRequest`] for more than there may be, and for none.
pub fn page_size(asked: Option<usize>) -> Result<usize, Error> {
    let (size, most) = (asked.unwrap_or(limit::RUNS_PAGE_UNASKED), limit::RUNS_PAGE);
    if (1..=most).contains(&size) {
        Ok(size)
    } else {
        Err(Error::new(Code::InvalidRequest, format!("`limit` must be 1 to {most}")))
    }
}

/// A model that can be asked for.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Model")]
pub struct ModelView {
    /// What `model` in a start names.
    pub alias: String,
    /// Whether it answers where nobody says otherwise.
    pub default: bool,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The model's name.
    pub model: String,
    /// What a person should know of it.
    pub label: Option<String>,
    /// Whether it can be offered tools.
    pub tools: bool,
}

impl From<Listed> for ModelView {
    fn from(listed: Listed) -> Self {
        let Listed { alias, default, info } = listed;
        let tools = info.can_call_tools;
        Self { alias, default, provider: info.name, model: info.model, label: info.label, tools }
    }
}

/// A tool that ran, as the chat dialect tells it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ToolRun {
    /// Which one.
    pub name: String,
    /// Whether it did what it was asked for.
    pub ok: bool,
}

/// What went wrong.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ErrorView {
    /// A word of the table in `docs/protocol/native.md`.
    pub code: &'static str,
    /// What happened and what to do.
    pub message: String,
    /// Whether sending the same again later can succeed.
    pub retryable: bool,
}

impl From<Error> for ErrorView {
    fn from(error: Error) -> Self {
        Self { code: error.code.as_str(), message: error.message, retryable: error.code.retryable() }
    }
}

/// The cursor of an event.
#[must_use]
pub fn cursor(run: &RunId, seq: Seq) -> String {
    Cursor { run: run.clone(), seq }.encode()
}

/// Writes an event as one line of JSON: `run_id`, then the event's own fields. The same event gives the
/// same bytes whoever reads it and whenever.
pub fn push_event(run: &RunId, event: &Event, out: &mut String) {
    // A run id is letters, digits, `_` and `-`: nothing to escape. An event always is an object.
    let json = serde_json::to_string(event).unwrap_or_default();
    out.push_str("{\"run_id\":\"");
    out.push_str(run.as_str());
    out.push_str("\",");
    out.push_str(json.strip_prefix('{').unwrap_or("}"));
}

/// One event of a run's log.
// On the wire it is what `push_event` writes.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the wire; written by hand")]
pub(crate) struct EventView {
    /// The run that it belongs to.
    run_id: RunId,
    #[serde(flatten)]
    event: Event,
}

/// Everything that the native protocol says, for the schema.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the wire")]
struct Protocol {
    start: StartBody,
    started: StartedBody,
    run: RunView,
    event: EventView,
    error: ErrorView,
    client_frame: crate::ws::native::ClientFrame,
    server_frame: crate::ws::native::ServerFrame,
}

/// The JSON Schema of the native protocol, of which clients' types are made.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Protocol);
    serde_json::to_string_pretty(&schema).unwrap_or_default()
}

/// Any JSON of ours as text.
#[must_use]
pub fn json(value: &impl Serialize) -> String {
    // Only maps with keys that are no strings, or a failing `Serialize`, could fail; we have neither.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_core::Millis;
    use headwater_core::event::{Body, Source};

    #[test]
    fn an_event_is_one_line_of_json_with_its_run() {
        let run = RunId::parse("run_1").unwrap();
        for (body, rest) in [
            (Body::Token { text: "a\n\"é\u{2028}".into() }, r#""type":"token","text":"a\n\"é"#),
            (
                Body::Retrieved {
                    sources: vec![Source { source: "s".into(), heading: String::new(), score: 0.5 }],
                },
                r#""type":"retrieved""#,
            ),
        ] {
            let mut line = String::new();
            push_event(&run, &Event { seq: 7, at: Millis(9), body }, &mut line);
            assert!(line.starts_with(r#"{"run_id":"run_1","seq":7,"at":9,"#), "{line}");
            assert!(line.contains(rest), "{line}");
            assert!(!line.contains('\n'));
            serde_json::from_str::<serde_json::Value>(&line).unwrap();
        }
    }

    // `make gen` writes it; this says when that was forgotten.
    #[test]
    fn the_committed_schema_is_the_codes() {
        let committed = include_str!("../../../docs/protocol/native.schema.json");
        assert_eq!(
            committed.trim_end(),
            schema(),
            "run `make gen` and commit docs/protocol/native.schema.json"
        );
    }

    #[test]
    fn a_job_is_told_to_teams_and_no_job_is_none() {
        let body =
            r#"{"workflow":"teams","message":"a form","job":{"teams":["google"],"style":{"theme":"dark"}}}"#;
        let ask = StartRun::from(serde_json::from_str::<StartBody>(body).unwrap());
        let Special::Job(job) = ask.special else { panic!("no job") };
        assert_eq!(
            (job.framework.as_str(), &job.teams[..], &job.workspace),
            ("", &["google".to_owned()][..], &None)
        );
        assert_eq!(job.style.unwrap()["theme"], "dark");
        let plain = serde_json::from_str::<StartBody>(r#"{"workflow":"teams","message":"a form"}"#).unwrap();
        assert_eq!(StartRun::from(plain).special, Special::Nothing);
    }

    #[test]
    fn a_lesson_is_passed_on_and_none_is_none() {
        let start = |lesson: &str| {
            let body = format!(r#"{{"workflow":"tutor","message":"hi"{lesson}}}"#);
            serde_json::from_str::<StartBody>(&body).map(|body| StartRun::from(body).special)
        };
        assert_eq!(start("").unwrap(), Special::Nothing);
        let lesson = Lesson { subject: Some("algebra".into()), reasoning: true, rag: false };
        assert_eq!(
            start(r#","lesson":{"subject":"algebra","reasoning":true}"#).unwrap(),
            Special::Lesson(lesson)
        );
        assert!(start(r#","lesson":{"enable_rag":true}"#).is_err());
        assert_eq!(start(r#","lesson":{},"job":{}"#).unwrap(), Special::Both);
    }

    #[test]
    fn a_field_that_nobody_knows_is_refused() {
        let body = r#"{"workflow":"generate","message":"hi","temprature":1}"#;
        let error = serde_json::from_str::<StartBody>(body).unwrap_err().to_string();
        assert!(error.contains("temprature"), "{error}");
    }
}
