//! What a client asks for: its rules, its fingerprint, and the names of what is made of it.

use headwater_core::code::{Code, Error};
use headwater_core::port::provider::{Effort, PromptMessage, Role};
use headwater_core::{MessageId, Principal, RunId, SessionId, UserId, limit};
use sha2::{Digest, Sha256};

use crate::quota::Quota;
use crate::settings::Unwatched;
use crate::workflow::Workflow;

/// What a client asks for.
#[derive(Debug, Clone, Default)]
pub struct StartRun {
    /// The workflow's name.
    pub workflow: String,
    /// What the person says; empty where there are `messages`.
    pub message: String,
    /// A whole conversation in its place, the person's last message at its end (`generate` only).
    pub messages: Option<Vec<PromptMessage>>,
    /// The conversation; made where it is `None`.
    pub session: Option<SessionId>,
    /// The client's own name for this turn: sending it twice is sending it once.
    pub message_id: Option<MessageId>,
    /// Where no session is named, the same turn in any of the user's sessions is meant: the one that used the message id
    /// last. Of lessons only.
    pub anywhere: bool,
    /// Instructions for the model (`generate` only).
    pub system: Option<String>,
    /// Which model, by its alias (`generate` only).
    pub model: Option<String>,
    /// Texts that end the answer (`generate` only).
    pub stop: Vec<String>,
    /// How much the model is to think (`generate` only).
    pub reasoning: Option<Effort>,
    /// The most tokens to answer with.
    pub max_tokens: Option<u32>,
    /// 0 is greedy.
    pub temperature: Option<f32>,
    /// The client's name for the customer; kept with what is booked.
    pub customer_id: Option<String>,
    /// The client's name for the vehicle; what is booked is for it, unless the person names another.
    pub vehicle_id: Option<String>,
    /// What only one kind of workflow is told.
    pub special: Special,
    /// Whose session it is, where the client says so: another's is refused. Without it the session is one's own.
    pub owner: Option<UserId>,
    /// What the run does while nobody watches it, where that is not as the operator set it for all.
    pub unwatched: Option<Unwatched>,
    /// What the run is taken from, where it is counted: only a run that is really made is.
    pub quota: Option<Quota>,
}

/// What only one kind of workflow is told; another refuses it.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Special {
    /// Nothing.
    #[default]
    Nothing,
    /// Of [`crate::workflow::tutor`].
    Lesson(Lesson),
    /// Of [`crate::workflow::teams`].
    Job(Box<Job>),
    /// Both at once, which nothing is.
    Both,
}

/// How a turn with a tutor is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lesson {
    /// What it is about, where the client says so: the key of what is learned of the person's ability.
    pub subject: Option<String>,
    /// Whether steps of thinking are shown.
    pub reasoning: bool,
    /// Whether the knowledge base is searched.
    pub rag: bool,
}

/// What teams are to do beside the brief, which is the message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Job {
    /// `react`, `vue`, `svelte`, `vanilla`.
    pub framework: String,
    /// Names of the assistant's teams; none is all of them.
    pub teams: Vec<String>,
    /// As the client said it.
    pub style: Option<serde_json::Map<String, serde_json::Value>>,
    /// As the client said it.
    pub workspace: Option<serde_json::Map<String, serde_json::Value>>,
}

impl StartRun {
    /// What the person says now.
    #[must_use]
    pub fn said(&self) -> &str {
        let last = self.messages.as_ref().and_then(|m| m.last());
        last.map_or(&self.message, |last| &last.content)
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The run.
    pub run: RunId,
    /// Its conversation.
    pub session: SessionId,
    /// The same turn had been asked for before: this is its run.
    pub joined: bool,
}

/// What breaks a rule is refused before anything is made.
pub(crate) fn check(ask: &StartRun, workflow: &dyn Workflow) -> Result<(), Error> {
    check_words(ask, workflow)?;
    if ask.special == Special::Both {
        return Err(invalid("a turn is a `lesson` or a `job`, and not both".to_owned()));
    }
    workflow.check(ask)?;
    if let Some(system) = &ask.system {
        own(workflow, "system", "instructions")?;
        if system.len() > limit::SYSTEM_BYTES {
            return Err(too_long("`system`", limit::SYSTEM_BYTES));
        }
    }
    if let Some(alias) = &ask.model {
        own(workflow, "model", "a model")?;
        if let Some(models) = workflow.models() {
            models.find(Some(alias))?;
        }
    }
    if !ask.stop.is_empty() {
        own(workflow, "stop", "settings")?;
    }
    let fits = |text: &String| (1..=limit::STOP_BYTES).contains(&text.len());
    if ask.stop.len() > limit::STOPS || !ask.stop.iter().all(fits) {
        let (most, each) = (limit::STOPS, limit::STOP_BYTES);
        return Err(invalid(format!("`stop` takes at most {most} texts of 1 to {each} bytes")));
    }
    if ask.reasoning.is_some() {
        own(workflow, "reasoning", "settings")?;
    }
    for (field, id) in [("customer_id", &ask.customer_id), ("vehicle_id", &ask.vehicle_id)] {
        if id.as_ref().is_some_and(|id| id.len() > limit::ID_BYTES || id.chars().any(char::is_control)) {
            let most = limit::ID_BYTES;
            return Err(Error::new(
                Code::InvalidRequest,
                format!("`{field}` must be at most {most} bytes without control characters"),
            ));
        }
    }
    if ask.max_tokens.is_some_and(|n| n == 0 || n > limit::ANSWER_TOKENS_MAX) {
        let most = limit::ANSWER_TOKENS_MAX;
        return Err(Error::new(Code::InvalidRequest, format!("`max_tokens` must be 1 to {most}")));
    }
    if ask.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return Err(Error::new(Code::InvalidRequest, "`temperature` must be 0 to 2"));
    }
    Ok(())
}

fn check_words(ask: &StartRun, workflow: &dyn Workflow) -> Result<(), Error> {
    let Some(messages) = &ask.messages else {
        if ask.message.trim().is_empty() {
            return Err(Error::new(Code::EmptyMessage, "Message is required"));
        }
        if ask.message.len() > limit::MESSAGE_BYTES {
            return Err(too_long("the message", limit::MESSAGE_BYTES));
        }
        return Ok(());
    };
    own(workflow, "messages", "a memory")?;
    if !ask.message.is_empty() {
        return Err(invalid("give `message` or `messages`, not both"));
    }
    let most = limit::MESSAGES_OF_RUN;
    if !(1..=most).contains(&messages.len()) {
        return Err(invalid(format!("`messages` must be 1 to {most}")));
    }
    let last = messages.last().is_some_and(|m| m.role == Role::User);
    if !last {
        return Err(invalid("the last of `messages` must be the person's, with the role `user`"));
    }
    if messages.iter().any(|m| m.content.trim().is_empty()) {
        return Err(Error::new(Code::EmptyMessage, "each of `messages` must have a text"));
    }
    let plain = |m: &PromptMessage| m.role != Role::Tool && m.tool_calls.is_empty() && m.replay.is_empty();
    if !messages.iter().all(plain) {
        return Err(invalid("`messages` have the roles `system`, `user` and `assistant`"));
    }
    // What an instruction in the middle means, each provider decides otherwise; some refuse it.
    if messages.iter().skip_while(|m| m.role == Role::System).any(|m| m.role == Role::System) {
        return Err(invalid("`messages` with the role `system` must come before all others"));
    }
    if messages.iter().map(|m| m.content.len()).sum::<usize>() > limit::MESSAGES_BYTES {
        return Err(too_long("the text of `messages`", limit::MESSAGES_BYTES));
    }
    Ok(())
}

/// A field that only a workflow takes which leaves it to its clients.
fn own(workflow: &dyn Workflow, field: &str, what: &str) -> Result<(), Error> {
    if workflow.takes_system() {
        return Ok(());
    }
    let name = workflow.name();
    Err(invalid(format!("the workflow `{name}` has {what} of its own and takes no `{field}`")))
}

fn invalid(words: impl Into<String>) -> Error {
    Error::new(Code::InvalidRequest, words)
}

fn too_long(what: &str, most: usize) -> Error {
    Error::new(Code::TooLarge, format!("{what} is longer than {most} bytes; shorten it"))
}

/// The conversation of a turn that names none: a new one, but the same for the same message id, or sending
/// twice would not be sending once.
pub(crate) fn session_for(who: &Principal, message_id: Option<&MessageId>) -> SessionId {
    let Some(message_id) = message_id else { return new_session() };
    let digest = digest([who.user.as_str(), message_id.as_str()]);
    SessionId::parse(&format!("ses_{}", &digest[..32])).unwrap_or_else(|_| new_session())
}

/// Everything that makes a turn what it is; the same id with another digest is refused.
#[must_use]
pub fn fingerprint(ask: &StartRun) -> String {
    let mut settings = format!("{:?}|{:?}", ask.max_tokens, ask.temperature);
    // Only where they are there: turns from before there were any keep their fingerprints.
    if ask.customer_id.is_some() || ask.vehicle_id.is_some() {
        settings += &format!("|{:?}|{:?}", ask.customer_id, ask.vehicle_id);
    }
    if ask.model.is_some() || ask.reasoning.is_some() || !ask.stop.is_empty() {
        settings += &format!("|{:?}|{:?}|{:?}", ask.model, ask.reasoning, ask.stop);
    }
    if ask.special != Special::Nothing {
        settings += &format!("|{:?}", ask.special);
    }
    if let Some(messages) = &ask.messages {
        for message in messages {
            settings += &format!("|{:?} {:?}", message.role, message.content);
        }
    }
    digest([&ask.workflow, &ask.message, ask.system.as_deref().unwrap_or_default(), &settings])
}

/// SHA-256 in hexadecimal of texts whose borders count.
pub(crate) fn digest<const N: usize>(parts: [&str; N]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// A fresh run's id.
pub(crate) fn new_run_id() -> RunId {
    fresh("run_", RunId::parse)
}

/// A session of a client that named none.
#[must_use]
pub fn new_session() -> SessionId {
    fresh("ses_", SessionId::parse)
}

/// A fresh user's id.
#[must_use]
pub fn new_user() -> UserId {
    fresh("", UserId::parse)
}

/// How the id of somebody without an account begins.
pub(crate) const GUEST: &str = "guest_";

/// A fresh id of somebody without an account; no account has such a one.
#[must_use]
pub fn new_guest() -> UserId {
    fresh(GUEST, UserId::parse)
}

fn fresh<T, E>(prefix: &str, parse: fn(&str) -> Result<T, E>) -> T {
    loop {
        // A UUID is always a legal id; the loop only spares a panic that cannot happen.
        if let Ok(id) = parse(&format!("{prefix}{}", uuid::Uuid::new_v4())) {
            return id;
        }
    }
}

/// What is said to who uses the name of one message for another.
#[must_use]
pub fn reused() -> Error {
    Error::new(Code::MessageIdReused, "this message id was used for another message; use a fresh one")
}
