//! The `chat` dialect of `/ws/chat`: `docs/protocol/chat.md`.
//!
//! One answer is shown at a time: turns that are asked for meanwhile are made at once (they are durable,
//! and the engine answers the turns of a session in order) and shown when their time comes.

pub(crate) mod frames;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::VecDeque;
use std::sync::Arc;

use headwater_core::code::{Code, Error};
use headwater_core::event::{Event, Seq};
use headwater_core::{RunId, SessionId, limit};
use headwater_engine::StartRun;
use headwater_engine::engine::From;
use serde_json::Value;

use self::frames::{CLIENT_TYPES, ClientFrame, ErrorFrame, ServerFrame, User};
use self::turn::{Manner, Turn};
use super::dialect::{Close, Command, Dialect, Frame, Out, Reply, Target};
use crate::wire::json;

/// The subprotocol's name; a client of the original names none.
pub const SUBPROTOCOL: &str = "headwater.chat.v1";

/// Marks a follow that a client asked for.
const RESUME: &str = "resume";

/// One connection of `/ws/chat`.
#[derive(Debug)]
pub struct Chat {
    /// The workflow that answers here.
    workflow: Arc<str>,
    signed_in: bool,
    manner: Manner,
    /// The conversation of a client that names none.
    session: SessionId,
    bad_tokens: u32,
    /// Messages whose runs are being made, oldest first.
    starting: VecDeque<Starting>,
    /// Messages so far: the next one's mark.
    messages: u64,
    /// Resumes under way.
    resuming: usize,
    /// Runs that are shown later, each with the position to show it after.
    waiting: VecDeque<(RunId, Seq)>,
    /// What is shown now.
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Starting {
    mark: u64,
    message_id: Option<String>,
    /// A stop came meanwhile.
    stop: bool,
}

impl Chat {
    /// A fresh connection; `workflow` answers, `session` is used for messages that name none.
    #[must_use]
    pub fn new(workflow: Arc<str>, session: SessionId, signed_in: bool, partial: bool) -> Self {
        Self {
            workflow,
            signed_in,
            manner: Manner { partial, detail: false },
            session,
            bad_tokens: 0,
            starting: VecDeque::new(),
            messages: 0,
            resuming: 0,
            waiting: VecDeque::new(),
            turn: None,
        }
    }

    /// The same, telling what the original has no place for: thoughts, citations, who answered.
    #[must_use]
    pub fn in_detail(mut self, detail: bool) -> Self {
        self.manner.detail = detail;
        self
    }

    fn on_message(&mut self, ask: StartRun, out: &mut Out) {
        if ask.message.trim().is_empty() {
            return refuse(&Error::new(Code::EmptyMessage, "Message is required"), None, out);
        }
        let message_id = ask.message_id.as_ref().map(|id| id.as_str().to_owned());
        if self.waits() > limit::QUEUED_TURNS {
            let full = Error::new(
                Code::QueueFull,
                format!("{} messages wait for their answers already; wait for one", limit::QUEUED_TURNS),
            );
            return refuse(&full, message_id.as_deref(), out);
        }
        let mark = self.messages;
        self.messages += 1;
        self.starting.push_back(Starting { mark, message_id, stop: false });
        out.commands.push(Command::Start { tag: None, mark, ask: Box::new(ask) });
    }

    fn on_stop(&mut self, run: Option<RunId>, out: &mut Out) {
        if let (None, Some(turn)) = (&run, &mut self.turn)
            && std::mem::replace(&mut turn.stopping, true)
        {
            return; // Pressed twice.
        }
        let run = run.or_else(|| self.turn.as_ref().map(|t| t.run.clone()));
        match (run, self.starting.front_mut()) {
            (Some(run), _) => out.commands.push(Command::Stop { tag: None, run }),
            (None, Some(starting)) => starting.stop = true,
            // It crossed the ending on its way: nothing is left to be stopped.
            (None, None) => {}
        }
    }

    fn on_resume(&mut self, target: Target, after: Seq, out: &mut Out) {
        // The position is checked, and the newest run found, before its turn comes: see `Following`.
        if self.waits() > limit::QUEUED_TURNS {
            let full = Error::new(Code::QueueFull, "as many answers as may wait to be shown already do");
            return refuse(&full, None, out);
        }
        self.resuming += 1;
        let tag = Some(Arc::from(RESUME));
        let from = From::After(after);
        out.commands.push(Command::Follow { tag, target, from, whole: true, asked: true });
    }

    /// Everything that is shown, waits to be, or is on its way there.
    fn waits(&self) -> usize {
        self.starting.len() + self.resuming + self.waiting.len() + usize::from(self.turn.is_some())
    }

    /// A run is to be shown after `after`, now or when its time comes.
    fn show(&mut self, run: RunId, after: Seq, out: &mut Out) {
        if self.turn.as_ref().is_some_and(|t| t.run == run) || self.waiting.iter().any(|(w, _)| *w == run) {
            return;
        }
        self.waiting.push_back((run, after));
        self.advance(out);
    }

    fn advance(&mut self, out: &mut Out) {
        if self.turn.is_none()
            && let Some((run, after)) = self.waiting.pop_front()
        {
            self.turn = Some(Turn::new(run.clone(), after));
            let (target, from) = (Target::Run(run), From::After(after));
            out.commands.push(Command::Follow { tag: None, target, from, whole: true, asked: false });
        }
    }

    fn on_following(&mut self, run: RunId, session: SessionId, after: Seq, out: &mut Out) {
        match &self.turn {
            Some(turn) if turn.run != run => {
                // Another answer is being shown: this one is followed anew when its time comes.
                out.commands.push(Command::Unfollow { tag: None, run: run.clone() });
                self.show(run, after, out);
            }
            // Resuming what is being shown begins it anew: its log is read from the start once more.
            Some(_) | None => self.turn = Some(Turn::of(run, session, after)),
        }
    }

    /// A run cannot be followed, or not any further. `for_good`: what is shown of it ends here.
    fn on_lost(&mut self, run: Option<&RunId>, error: &Error, for_good: bool, out: &mut Out) {
        refuse_run(error, run, out);
        let ends = |turn: &Turn| Some(&turn.run) == run && (for_good || turn.session.is_none());
        if self.turn.as_ref().is_some_and(ends) {
            self.turn = None;
            self.advance(out);
        }
    }

    fn read(&mut self, frame: ClientFrame, out: &mut Out) {
        match frame {
            ClientFrame::Ping => out.frames.push(json(&ServerFrame::Pong)),
            ClientFrame::Auth { token, partial, detail } => {
                self.manner.partial = partial.unwrap_or(self.manner.partial);
                self.manner.detail = detail.unwrap_or(self.manner.detail);
                out.commands.push(Command::sign_in(None, &token.unwrap_or_default()));
            }
            _ if !self.signed_in => {
                refuse(&Error::new(Code::AuthRequired, "Authentication required"), None, out);
            }
            ClientFrame::Message { message, session_id, message_id, customer_id, vehicle_id } => {
                // A message id without a session names its session too: the same on every connection, or
                // sending twice would not be sending once.
                let own = || message_id.is_none().then(|| self.session.clone());
                let ask = StartRun {
                    workflow: self.workflow.to_string(),
                    message: message.unwrap_or_default(),
                    session: session_id.or_else(own),
                    message_id,
                    customer_id,
                    vehicle_id,
                    ..StartRun::default()
                };
                self.on_message(ask, out);
            }
            ClientFrame::Stop { run_id } => self.on_stop(run_id, out),
            ClientFrame::Resume { session_id, run_id, after } => match (run_id, session_id) {
                (Some(run), _) => self.on_resume(Target::Run(run), after, out),
                (None, Some(session)) => self.on_resume(Target::Newest(session), after, out),
                (None, None) => invalid("`resume` needs `session_id` or `run_id`", out),
            },
        }
    }
}

impl Dialect for Chat {
    fn name(&self) -> &'static str {
        "chat"
    }

    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Out) {
        let Frame::Text(text) = frame else {
            return invalid("frames are text with one JSON object each, not binary", out);
        };
        let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text) else {
            return invalid("a frame is one JSON object, such as {\"type\":\"ping\"}", out);
        };
        match object.get("type").and_then(Value::as_str) {
            Some(kind) if CLIENT_TYPES.contains(&kind) => {}
            _ => {
                let known = CLIENT_TYPES.join(", ");
                let unknown = Error::new(Code::UnknownType, format!("`type` must be one of {known}"));
                return refuse(&unknown, None, out);
            }
        }
        match serde_json::from_value(Value::Object(object)) {
            Ok(frame) => self.read(frame, out),
            Err(error) => invalid(&format!("a field of the frame is not as it should be: {error}"), out),
        }
    }

    fn on_reply(&mut self, reply: Reply, out: &mut Out) {
        match reply {
            Reply::SignedIn { who, changed, .. } => {
                if changed {
                    self.resuming = 0;
                    self.starting.clear();
                    self.waiting.clear();
                    self.turn = None;
                }
                self.signed_in = true;
                self.bad_tokens = 0;
                let user = User::from(&who);
                out.frames
                    .push(json(&ServerFrame::AuthSuccess { message: "Authentication successful", user }));
            }
            Reply::NotSignedIn { .. } => {
                out.frames.push(json(&ServerFrame::AuthError { message: "Invalid token" }));
                self.bad_tokens += 1;
                if self.bad_tokens >= limit::AUTH_ATTEMPTS {
                    let code = Code::InvalidToken.close_code();
                    out.close =
                        Some(Close { code, reason: "too many tokens that are not valid here".into() });
                }
            }
            // In this dialect's own words, like any error; the connection is closed after it.
            Reply::SignedOut { error } => refuse(&error, None, out),
            Reply::Started { mark, started, .. } => {
                // A refusal overtakes what was asked before it.
                let at = self.starting.iter().position(|s| s.mark == mark);
                let starting = at.and_then(|at| self.starting.remove(at));
                match started {
                    Ok(started) => {
                        if starting.is_some_and(|s| s.stop) {
                            out.commands.push(Command::Stop { tag: None, run: started.run.clone() });
                        }
                        self.show(started.run, 0, out);
                    }
                    Err(error) => refuse(&error, starting.and_then(|s| s.message_id).as_deref(), out),
                }
            }
            Reply::Following { tag, target, run } => {
                if tag.as_deref() == Some(RESUME) {
                    self.resuming = self.resuming.saturating_sub(1);
                }
                match (run, target) {
                    (Ok((run, after)), _) => self.on_following(run.id, run.session, after, out),
                    (Err(error), Target::Run(run)) => self.on_lost(Some(&run), &error, false, out),
                    (Err(error), Target::Newest(_)) => self.on_lost(None, &error, false, out),
                }
            }
            // How it ended is an event of its log, and shown in its place.
            Reply::Stopped { outcome: Ok(_), .. } => {}
            Reply::Stopped { run, outcome: Err(error), .. } => {
                refuse_run(&error, Some(&run), out);
            }
            Reply::Lost { run, error } => self.on_lost(Some(&run), &error, true, out),
            Reply::Listed { .. } | Reply::Unfollowed { .. } | Reply::TurnStopped { .. } | Reply::Room(_) => {}
        }
    }

    fn on_refused(&mut self, error: Error, out: &mut Out) {
        refuse(&error, None, out);
    }

    fn on_events(&mut self, run: &RunId, events: &[Arc<Event>], out: &mut Out) {
        let Some(turn) = self.turn.as_mut().filter(|t| t.run == *run) else { return };
        if turn.show(events, self.manner, &mut out.frames) {
            self.turn = None;
            self.advance(out);
        }
    }

    fn position(&self, run: &RunId, seq: Seq) -> String {
        format!("resume {run} after {seq}")
    }
}

fn invalid(what: &str, out: &mut Out) {
    refuse(&Error::new(Code::InvalidRequest, what), None, out);
}

fn refuse(error: &Error, message_id: Option<&str>, out: &mut Out) {
    let frame = ErrorFrame { message_id, ..ErrorFrame::of(error) };
    out.frames.push(json(&ServerFrame::Error(frame)));
}

/// An error about a run.
fn refuse_run(error: &Error, run_id: Option<&RunId>, out: &mut Out) {
    let frame = ErrorFrame { run_id, ..ErrorFrame::of(error) };
    out.frames.push(json(&ServerFrame::Error(frame)));
}
