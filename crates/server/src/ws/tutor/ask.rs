//! What a client asks for in a `chat_stream`, and the ids that it names in other frames.

use headwater_core::{MessageId, SessionId, UserId, limit};
use headwater_engine::ask::{Lesson, Special, StartRun};
use serde_json::{Map, Value};

/// The original's sentence for a `chat_stream` without one of the three.
pub(super) const MISSING: &str = "Missing required fields: message_id, session_id, or message";

/// The `data` of a frame.
pub(super) type Data = Map<String, Value>;

/// A `chat_stream` that can be carried out.
#[derive(Debug)]
pub(super) struct Ask {
    pub session: SessionId,
    pub message: MessageId,
    /// *Added*: the client has everything up to this event.
    pub after: Option<u64>,
    pub run: StartRun,
}

/// Reads the `data` of a `chat_stream`; what is wrong with it as a sentence.
pub(super) fn ask(data: &Data, workflow: &str) -> Result<Ask, String> {
    let text = |key: &str| data.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(message), Some(session), Some(words)) =
        (text("message_id"), text("session_id"), text("message"))
    else {
        return Err(MISSING.to_owned());
    };
    let message = MessageId::parse(message).map_err(|error| format!("message_id: {error}"))?;
    let session = SessionId::parse(session).map_err(|error| format!("session_id: {error}"))?;
    let context = match data.get("context") {
        None | Some(Value::Null) => None,
        Some(Value::Object(context)) => Some(context),
        Some(_) => return Err("context must be an object".to_owned()),
    };
    let after = match data.get("after") {
        None | Some(Value::Null) => None,
        Some(after) => Some(after.as_u64().ok_or("after must be the number of an event")?),
    };
    let flag = |key: &str| match context.and_then(|context| context.get(key)) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(set)) => Ok(*set),
        Some(_) => Err(format!("context.{key} must be true or false")),
    };
    let lesson =
        Lesson { subject: subject(context)?, reasoning: flag("enable_reasoning")?, rag: flag("enable_rag")? };
    let run = StartRun {
        workflow: workflow.to_owned(),
        message: words.to_owned(),
        session: Some(session.clone()),
        message_id: Some(message.clone()),
        special: Special::Lesson(lesson),
        owner: owner(data)?,
        ..StartRun::default()
    };
    Ok(Ask { session, message, after, run })
}

fn subject(context: Option<&Data>) -> Result<Option<String>, String> {
    let most = limit::SUBJECT_BYTES;
    match context.and_then(|context| context.get("subject")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(subject)) if subject.trim().is_empty() => Ok(None),
        Some(Value::String(subject)) if subject.len() <= most && !subject.chars().any(char::is_control) => {
            Ok(Some(subject.clone()))
        }
        Some(_) => {
            Err(format!("context.subject must be a text of at most {most} bytes without control characters"))
        }
    }
}

/// An id of a frame as it may be said back, where it is one.
pub(super) fn said_back<'a>(data: &'a Data, key: &str) -> Option<&'a str> {
    let text = data.get(key)?.as_str()?;
    MessageId::parse(text).is_ok().then_some(text)
}

/// The session that a frame names, under the one or the other of the original's two names for it.
pub(super) fn session(data: &Data) -> Result<Option<SessionId>, String> {
    match data.get("session_id").or_else(|| data.get("sessionId")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            SessionId::parse(text).map(Some).map_err(|error| format!("session_id: {error}"))
        }
        Some(_) => Err("session_id must be a text".to_owned()),
    }
}

/// *Added*: whose session it is, where the frame says so.
pub(super) fn owner(data: &Data) -> Result<Option<UserId>, String> {
    match data.get("owner") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => UserId::parse(text).map(Some).map_err(|error| format!("owner: {error}")),
        Some(_) => Err("owner must be a text".to_owned()),
    }
}
