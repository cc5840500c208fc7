//! The `ai_stream` dialect of `/ws/ai/stream`: `docs/protocol/ai_stream.md`.
//!
//! One answer at a time. What is asked meanwhile waits here and is made when its turn comes: a client of this
//! protocol cancels by closing its socket, and what waited is then not wanted either.

pub(crate) mod frames;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use headwater_core::code::Error;
use headwater_core::event::{Body, Event, Outcome, Seq};
use headwater_core::{RunId, limit};
use headwater_engine::engine::From;
use headwater_engine::{Quota, StartRun, Unwatched};
use serde_json::{Map, Value};

use self::frames::{PROMPT_REQUIRED, ServerFrame, python, said, said_of, unknown_action};
use super::dialect::{Command, Dialect, Frame, Out, Reply, Target};
use super::merge::{Piece, behind, pieces};
use crate::wire::json;

/// The subprotocol's name; a client of the original names none.
pub const SUBPROTOCOL: &str = "headwater.ai-stream.v1";

/// The workflow whose runs these are.
pub(crate) const WORKFLOW: &str = "generate";
/// What the model is told where the client says nothing (contract).
const SYSTEM: &str = "You are a helpful assistant.";
/// The longest answer where the client says nothing (contract).
pub(crate) const MAX_TOKENS: u32 = 4_096;

/// What every run of this protocol has, whoever asks.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long it goes on when nobody watches it.
    pub grace: Duration,
    /// What it is counted in.
    pub quota: Quota,
}

impl Terms {
    /// A run on these terms.
    #[must_use]
    pub fn run(&self) -> StartRun {
        StartRun {
            workflow: WORKFLOW.to_owned(),
            max_tokens: Some(MAX_TOKENS),
            unwatched: Some(Unwatched::StopAfter(self.grace)),
            quota: Some(self.quota),
            ..StartRun::default()
        }
    }
}

/// One connection of `/ws/ai/stream`.
#[derive(Debug)]
pub struct AiStream {
    /// The user's id as it is shown to him.
    user_id: String,
    terms: Terms,
    /// What waits for its turn, at most [`limit::QUEUED_TURNS`].
    waiting: VecDeque<Asked>,
    now: Now,
    /// Runs that were asked for so far: the next one's mark.
    marks: u64,
}

#[derive(Debug)]
enum Asked {
    Generate(Box<StartRun>),
    Resume(RunId, Seq),
}

/// Whose turn it is.
#[derive(Debug)]
enum Now {
    Nobody,
    /// A run is being made.
    Starting {
        mark: u64,
        /// A stop came meanwhile.
        stop: bool,
    },
    /// A run is shown, or about to be.
    Showing {
        run: RunId,
        /// The client has had everything up to here.
        muted: Seq,
        /// A stop is under way.
        stopping: bool,
    },
}

impl AiStream {
    /// A fresh connection of this user.
    #[must_use]
    pub fn new(user_id: String, terms: Terms) -> Self {
        Self { user_id, terms, waiting: VecDeque::new(), now: Now::Nobody, marks: 0 }
    }

    fn read(&mut self, object: &Map<String, Value>, out: &mut Out) {
        match object.get("action") {
            Some(Value::String(action)) if action == "ping" => out.frames.push(json(&ServerFrame::Pong)),
            Some(Value::String(action)) if action == "generate" => match self.generate(object) {
                Ok(ask) => self.queue(Asked::Generate(Box::new(ask)), out),
                Err(why) => refuse(&why, out),
            },
            Some(Value::String(action)) if action == "stop" => self.stop(out),
            Some(Value::String(action)) if action == "resume" => match resume(object) {
                Ok((run, after)) => self.queue(Asked::Resume(run, after), out),
                Err(why) => refuse(&why, out),
            },
            other => refuse(&unknown_action(other), out),
        }
    }

    fn generate(&self, object: &Map<String, Value>) -> Result<StartRun, String> {
        let message = prompt(object.get("prompt"))?;
        if message.len() > limit::MESSAGE_BYTES {
            return Err(format!("The prompt is longer than {} bytes; shorten it", limit::MESSAGE_BYTES));
        }
        let system = match object.get("system") {
            None | Some(Value::Null) => SYSTEM.to_owned(),
            Some(Value::String(text)) if text.trim().is_empty() => SYSTEM.to_owned(),
            Some(Value::String(text)) if text.len() > limit::SYSTEM_BYTES => {
                return Err(format!("`system` is longer than {} bytes; shorten it", limit::SYSTEM_BYTES));
            }
            Some(Value::String(text)) => text.clone(),
            Some(_) => return Err("`system` must be a text or null".to_owned()),
        };
        let mut ask = StartRun { message, system: Some(system), ..self.terms.run() };
        if let Some(given) = object.get("max_tokens").filter(|given| !given.is_null()) {
            let number = given.as_u64().and_then(|n| u32::try_from(n).ok());
            let number = number.filter(|n| (1..=limit::ANSWER_TOKENS_MAX).contains(n));
            let most = limit::ANSWER_TOKENS_MAX;
            ask.max_tokens =
                Some(number.ok_or_else(|| format!("`max_tokens` must be a whole number from 1 to {most}"))?);
        }
        Ok(ask)
    }

    fn queue(&mut self, asked: Asked, out: &mut Out) {
        if self.waiting.len() >= limit::QUEUED_TURNS {
            let most = limit::QUEUED_TURNS;
            return refuse(
                &format!("{most} requests wait on this connection already; wait for an answer"),
                out,
            );
        }
        self.waiting.push_back(asked);
        self.advance(out);
    }

    /// The next one, where nobody has his turn.
    fn advance(&mut self, out: &mut Out) {
        if !matches!(self.now, Now::Nobody) {
            return;
        }
        match self.waiting.pop_front() {
            None => {}
            Some(Asked::Generate(ask)) => {
                let mark = self.marks;
                self.marks += 1;
                self.now = Now::Starting { mark, stop: false };
                out.commands.push(Command::Start { tag: None, mark, ask });
            }
            Some(Asked::Resume(run, after)) => self.show(run, after, true, out),
        }
    }

    /// Hands a run out after a position. The whole log is read: who has had everything is shown the ending again.
    fn show(&mut self, run: RunId, after: Seq, asked: bool, out: &mut Out) {
        self.now = Now::Showing { run: run.clone(), muted: after, stopping: false };
        let (target, from) = (Target::Run(run), From::After(after));
        out.commands.push(Command::Follow { tag: None, target, from, whole: true, asked });
    }

    fn stop(&mut self, out: &mut Out) {
        match &mut self.now {
            // It crossed the ending on its way.
            Now::Nobody => {}
            Now::Starting { stop, .. } => *stop = true,
            Now::Showing { run, stopping, .. } => {
                if !std::mem::replace(stopping, true) {
                    out.commands.push(Command::Stop { tag: None, run: run.clone() });
                }
            }
        }
    }

    fn is_shown(&self, of: &RunId) -> bool {
        matches!(&self.now, Now::Showing { run, .. } if run == of)
    }

    fn over(&mut self, out: &mut Out) {
        self.now = Now::Nobody;
        self.advance(out);
    }

    fn ending(&self, run: &RunId, event: &Event) -> Option<String> {
        let Body::RunEnded { outcome, error, .. } = &event.body else { return None };
        let seq = event.seq;
        let done = |stopped| json(&ServerFrame::Done { user_id: &self.user_id, run_id: run, seq, stopped });
        Some(match outcome {
            Outcome::Completed => done(false),
            Outcome::Cancelled => done(true),
            Outcome::Failed | Outcome::Interrupted => {
                let message = error.as_ref().map_or_else(|| "API error: it ended early".to_owned(), said_of);
                let retry_after = error.as_ref().and_then(|e| e.retry_after);
                let (run_id, seq) = (Some(run), Some(seq));
                json(&ServerFrame::Error { message: &message, run_id, seq, retry_after })
            }
        })
    }
}

/// Python's truth decides whether there is one, and Python's text is what it is: the original's clients send what
/// they have.
fn prompt(given: Option<&Value>) -> Result<String, String> {
    match given {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(Value::Number(number)) if number.as_f64() != Some(0.0) => Ok(number.to_string()),
        Some(Value::Bool(true)) => {
            let mut text = String::new();
            python(&Value::Bool(true), &mut text);
            Ok(text)
        }
        Some(Value::Array(list)) if !list.is_empty() => Err("`prompt` must be a text".to_owned()),
        Some(Value::Object(object)) if !object.is_empty() => Err("`prompt` must be a text".to_owned()),
        None
        | Some(
            Value::Null
            | Value::Bool(false)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
        ) => Err(PROMPT_REQUIRED.to_owned()),
    }
}

fn resume(object: &Map<String, Value>) -> Result<(RunId, Seq), String> {
    let run = match object.get("run_id") {
        None | Some(Value::Null) => return Err("`run_id` is required for resume action".to_owned()),
        // What is no name cannot be anybody's run.
        Some(given) => given.as_str().and_then(|text| RunId::parse(text).ok()),
    };
    let run = run.ok_or_else(|| Error::not_found("Run").message)?;
    match object.get("after") {
        None | Some(Value::Null) => Ok((run, 0)),
        Some(after) => {
            let after = after.as_u64().ok_or("`after` must be the number of an event, from 0")?;
            Ok((run, after))
        }
    }
}

impl Dialect for AiStream {
    fn name(&self) -> &'static str {
        "ai_stream"
    }

    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Out) {
        const EXPECTED: &str = "Expected one JSON object as text, such as {\"action\":\"ping\"}";
        let got = match frame {
            Frame::Binary(_) => "a binary frame",
            Frame::Text(text) => match serde_json::from_str::<Value>(text) {
                Ok(Value::Object(object)) => return self.read(&object, out),
                Ok(Value::Array(_)) => "a JSON list",
                Ok(_) => "JSON that is no object",
                Err(_) => "text that is no JSON",
            },
        };
        refuse(&format!("{EXPECTED}; this was {got}"), out);
    }

    fn on_reply(&mut self, reply: Reply, out: &mut Out) {
        match reply {
            // He is signed in by his handshake, and this protocol has no frame for it.
            Reply::SignedIn { .. } | Reply::NotSignedIn { .. } => {}
            Reply::SignedOut { error } => refuse_for(&error, None, out),
            Reply::Started { mark, started, .. } => {
                let Now::Starting { mark: asked, stop } = self.now else { return };
                if asked != mark {
                    return;
                }
                match started {
                    Ok(started) => {
                        self.show(started.run, 0, false, out);
                        if stop {
                            self.stop(out);
                        }
                    }
                    Err(error) => {
                        refuse_for(&error, None, out);
                        self.over(out);
                    }
                }
            }
            Reply::Following { run: Ok((run, after)), .. } => match &mut self.now {
                Now::Showing { run: shown, muted, .. } if *shown == run.id => *muted = after,
                Now::Showing { .. } | Now::Starting { .. } | Now::Nobody => {
                    out.commands.push(Command::Unfollow { tag: None, run: run.id });
                }
            },
            Reply::Following { target: Target::Run(run), run: Err(error), .. } => {
                refuse_for(&error, None, out);
                if self.is_shown(&run) {
                    self.over(out);
                }
            }
            Reply::Lost { run, error } => {
                refuse_for(&error, Some(&run), out);
                if self.is_shown(&run) {
                    self.over(out);
                }
            }
            // How it ended is an event of its log, and shown in its place.
            Reply::Stopped { outcome: Ok(_), .. } => {}
            Reply::Stopped { run, outcome: Err(error), .. } => {
                if let Now::Showing { run: shown, stopping, .. } = &mut self.now
                    && *shown == run
                {
                    *stopping = false;
                }
                refuse_for(&error, None, out);
            }
            Reply::Following { target: Target::Newest(_), .. }
            | Reply::Unfollowed { .. }
            | Reply::Listed { .. }
            // Of commands that this dialect does not give.
            | Reply::TurnStopped { .. }
            | Reply::Room(_) => {}
        }
    }

    fn on_refused(&mut self, error: Error, out: &mut Out) {
        refuse_for(&error, None, out);
    }

    fn on_events(&mut self, run: &RunId, events: &[Arc<Event>], out: &mut Out) {
        let Now::Showing { run: shown, muted, .. } = &self.now else { return };
        if shown != run {
            return;
        }
        let (seen, news) = events.split_at(events.partition_point(|e| e.seq <= *muted));
        let mut ended = seen.last().and_then(|last| self.ending(run, last));
        for piece in pieces(news, behind(news)) {
            match piece {
                Piece::Text { seq, text } => {
                    out.frames.push(json(&ServerFrame::Chunk { text: &text, run_id: run, seq }));
                }
                // The protocol has no place for what a model thinks.
                Piece::Thought { .. } => {}
                Piece::Other(event) => match &event.body {
                    Body::RunEnded { .. } => ended = self.ending(run, event),
                    // Shown as pieces, above.
                    Body::Token { .. } | Body::Reasoning { .. } => {}
                    // How the answer comes to be is not told here.
                    Body::RunStarted { .. }
                    | Body::StageStarted { .. }
                    | Body::Routed { .. }
                    | Body::Retrieved { .. }
                    | Body::ModelStarted { .. }
                    | Body::Cited { .. }
                    | Body::ToolCalled { .. }
                    | Body::ToolReturned { .. }
                    | Body::Escalated { .. } => {}
                    // Of workflows that other dialects show.
                    Body::Categorized { .. }
                    | Body::ContextGathered { .. }
                    | Body::Felt { .. }
                    | Body::Thought { .. }
                    | Body::AbilityLearned { .. }
                    | Body::JobStarted { .. }
                    | Body::PhaseChanged { .. }
                    | Body::TeamChanged { .. }
                    | Body::CodeDelta { .. }
                    | Body::CodeGenerated { .. }
                    | Body::TeamFailed { .. } => {}
                },
            }
        }
        if let Some(frame) = ended {
            out.frames.push(frame);
            self.over(out);
        }
    }

    fn position(&self, run: &RunId, seq: Seq) -> String {
        format!("resume {run} after {seq}")
    }
}

fn refuse(message: &str, out: &mut Out) {
    let (run_id, seq, retry_after) = (None, None, None);
    out.frames.push(json(&ServerFrame::Error { message, run_id, seq, retry_after }));
}

/// An error of ours, about a run where one is named.
fn refuse_for(error: &Error, run_id: Option<&RunId>, out: &mut Out) {
    let (message, retry_after) = (said(error), error.retry_after);
    out.frames.push(json(&ServerFrame::Error { message: &message, run_id, seq: None, retry_after }));
}
