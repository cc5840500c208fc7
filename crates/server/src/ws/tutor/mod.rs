//! The `tutor` dialect of `/api/ws`: `docs/protocol/tutor.md`.
//!
//! Any number of answers stream side by side, each under the client's own name for its turn. Stops go by that name; one
//! that comes before its run is made waits for it here.

mod ask;
mod fence;
mod frames;
mod room;
#[cfg(test)]
mod tests;
mod turn;
mod words;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use headwater_core::code::{Code, Error};
use headwater_core::event::{Event, Outcome, Seq};
use headwater_core::run::Run;
use headwater_core::{MessageId, Principal, RunId, SessionId, UserId, limit};
use headwater_engine::Started;
use headwater_engine::ask::{fingerprint, reused};
use headwater_engine::engine::{From, StoppedTurn};
use serde_json::Value;

use self::ask::{Ask, Data, MISSING, ask, said_back, session};
use self::frames::{Features, Head, ServerFrame, UNKNOWN};
use self::turn::Turn;
use self::words::{problem, sentence, word};
use super::dialect::{Command, Dialect, Frame, Out, Reply, Tag, Target};
use super::rooms::RoomCommand;
use crate::wire::json;

/// The subprotocol's name; a client of the original names none.
pub const SUBPROTOCOL: &str = "headwater.tutor.v1";

/// Runs that are remembered behind their ending: more than can end while a notice of one of them is on its way.
const ENDED: usize = limit::FOLLOWS;

/// One connection of `/api/ws`.
#[derive(Debug)]
pub struct Tutor {
    /// The workflow that answers here.
    workflow: Arc<str>,
    /// Of the connection.
    id: Arc<str>,
    user: Option<UserId>,
    /// Messages whose runs are being made, oldest first.
    starting: VecDeque<Starting>,
    /// Messages so far: the next one's mark.
    messages: u64,
    /// What is shown, or about to be; at most `limit::FOLLOWS` are followed.
    turns: Vec<Turn>,
    /// Whose endings were shown last, at most [`ENDED`]: a word of a room or of a stop that comes later shows none of
    /// them again.
    ended: VecDeque<RunId>,
    /// Logs asked for so far: the next one's tag.
    follows: u64,
}

#[derive(Debug)]
struct Starting {
    mark: u64,
    session: SessionId,
    message: MessageId,
    /// Tells what is asked from anything else under the same name.
    words: String,
    /// The client has everything up to here; `None`: he does not say.
    after: Option<Seq>,
    /// Stops that came meanwhile.
    stops: usize,
}

impl Tutor {
    /// A fresh connection of this name; `workflow` answers.
    #[must_use]
    pub fn new(workflow: Arc<str>, id: Arc<str>) -> Self {
        let (starting, turns, ended) = (VecDeque::new(), Vec::new(), VecDeque::new());
        Self { workflow, id, user: None, starting, messages: 0, turns, ended, follows: 0 }
    }

    fn on_chat_stream(&mut self, data: &Data, out: &mut Out) {
        let Ask { session, message, after, run } = match ask(data, &self.workflow) {
            Ok(ask) => ask,
            Err(wrong) => return broken_stream(data, &wrong, out),
        };
        let words = fingerprint(&run);
        if let Some(starting) =
            self.starting.iter_mut().find(|s| s.message == message && s.session == session)
        {
            // The same frame twice in a row: its run is on its way.
            if starting.words == words {
                starting.after = after.or(starting.after);
                return;
            }
            return refuse_stream(&reused(), message.as_str(), session.as_str(), out);
        }
        let mark = self.messages;
        self.messages += 1;
        self.starting.push_back(Starting { mark, session, message, words, after, stops: 0 });
        out.commands.push(Command::Start { tag: None, mark, ask: Box::new(run) });
    }

    fn on_stop(&mut self, data: &Data, out: &mut Out) {
        let message = data.get("message_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let message = message.ok_or("stop_generation needs message_id".to_owned());
        let message =
            message.and_then(|id| MessageId::parse(id).map_err(|error| format!("message_id: {error}")));
        let (message, session) = match (message, session(data)) {
            (Ok(message), Ok(session)) => (message, session),
            (Err(wrong), _) | (_, Err(wrong)) => return invalid(&wrong, out),
        };
        let named = session.as_ref().map(SessionId::as_str);
        let meant = |s: &&mut Starting| s.message == message && named.is_none_or(|n| n == s.session.as_str());
        if let Some(starting) = self.starting.iter_mut().rev().find(meant) {
            starting.stops = more(starting.stops);
            return;
        }
        // The last that came under this name is meant, as everywhere.
        match self.turns.iter_mut().rev().find(|turn| turn.is_called(message.as_str(), named)) {
            Some(turn) => stop(turn, out),
            None => out.commands.push(Command::StopTurn { tag: None, session, message }),
        }
    }

    fn on_started(&mut self, mark: u64, started: Result<Started, Error>, out: &mut Out) {
        // A refusal overtakes what was asked before it.
        let at = self.starting.iter().position(|s| s.mark == mark);
        let Some(starting) = at.and_then(|at| self.starting.remove(at)) else { return };
        let Starting { session, message, after, stops, .. } = starting;
        let started = match started {
            Ok(started) => started,
            Err(error) => {
                // Nothing of it is left to be stopped; nothing comes behind its ending.
                acknowledge_late(stops, message.as_str(), session.as_str(), out);
                return refuse_stream(&error, message.as_str(), session.as_str(), out);
            }
        };
        // A run that is new may have been shown to its end already, by the word of its room.
        let shown = !started.joined && self.ended.contains(&started.run);
        if shown {
            acknowledge_late(stops, message.as_str(), session.as_str(), out);
            return;
        }
        // Who says where he is begins anew there: what was written to him may never have come.
        if let (Some(after), Some(turn)) = (after, self.turn(&started.run)) {
            let stops = std::mem::take(&mut turn.stops);
            *turn = Turn::asked(started.run.clone(), after);
            turn.stops = stops;
            self.follow(&started.run, after, out);
        }
        let after = after.unwrap_or_default();
        self.show(&started.run, || Turn::asked(started.run.clone(), after), after, out);
        if let Some(turn) = self.turn(&started.run) {
            turn.asked = true;
            turn.message.get_or_insert_with(|| message.as_str().to_owned());
            turn.session.get_or_insert(session);
            for _ in 0..stops {
                stop(turn, out);
            }
        }
    }

    /// Follows a run, unless it is followed here already.
    fn show(&mut self, run: &RunId, turn: impl FnOnce() -> Turn, after: Seq, out: &mut Out) {
        if self.turn(run).is_none() {
            self.turns.push(turn());
            self.follow(run, after, out);
        }
    }

    /// Asks for the log of a turn. Each time under another name: what still comes of an earlier time is not shown.
    fn follow(&mut self, run: &RunId, after: Seq, out: &mut Out) {
        let tag: Tag = Some(self.follows.to_string().into());
        self.follows += 1;
        if let Some(turn) = self.turn(run) {
            turn.awaits = tag.clone();
        }
        let (target, from) = (Target::Run(run.clone()), From::After(after));
        out.commands.push(Command::Follow { tag, target, from, whole: true, asked: false });
    }

    fn turn(&mut self, run: &RunId) -> Option<&mut Turn> {
        self.turns.iter_mut().find(|turn| turn.run == *run)
    }

    fn on_following(&mut self, tag: &Tag, run: &Run) {
        if let Some(turn) = self.turn(&run.id).filter(|turn| turn.awaits == *tag) {
            turn.awaits = None;
            turn.is(run);
        }
    }

    /// A run cannot be followed, or not any further.
    fn on_lost(&mut self, tag: &Tag, run: &RunId, error: &Error, out: &mut Out) {
        let Some(at) = self.turns.iter().position(|turn| turn.run == *run && turn.awaits == *tag) else {
            return;
        };
        let mut turn = self.turns.remove(at);
        turn.acknowledge(true, out.now, &mut out.frames);
        if turn.asked || turn.left || !turn.text().is_empty() {
            // Where its log could not be read its name is not known, and its own serves.
            turn.message.get_or_insert_with(|| turn.run.to_string());
            out.frames.push(json(&ServerFrame::StreamError {
                head: turn.head(out.now),
                error: problem(error.code, &error.message, error.code.retryable(), error.retry_after),
                partial_content: turn.text(),
                seq: None,
            }));
        } else if let Some(room) = turn.room.filter(|_| error.code != Code::NotFound) {
            // What only others asked for has no name here: of its session it is told that something is missing. But not
            // of what cannot be found: its reader may not see it any more, or nobody does.
            out.frames.push(refusal(error, None, Some(room.session.as_str())));
        }
    }

    /// A run that is shown here was stopped, or could not be. That it was is said in front of its ending.
    fn on_stopped(&mut self, run: &RunId, stopped: Result<(), Error>, out: &mut Out) {
        let (Some(turn), Err(error)) = (self.turn(run), stopped) else { return };
        let stops = std::mem::take(&mut turn.stops);
        let head = turn.head(out.now);
        // It is seen here, so that this says nothing new: what cannot be found is somebody else's.
        let theirs = Error::new(
            Code::ReadOnly,
            "this session is shared with you to be seen; only its owner may stop an answer",
        );
        let error = if error.code == Code::NotFound { theirs } else { error };
        for _ in 0..stops {
            out.frames.push(refusal(&error, Some(head.message_id), Some(head.session_id)));
        }
    }

    fn on_turn_stopped(
        &mut self,
        session: Option<&SessionId>,
        message: &MessageId,
        turn: Result<StoppedTurn, Error>,
        out: &mut Out,
    ) {
        let timestamp = out.now;
        let acknowledged = |session: Option<&SessionId>, already_completed| {
            let session_id = session.map_or(UNKNOWN, SessionId::as_str);
            let head = Head { message_id: message.as_str(), session_id, timestamp };
            json(&ServerFrame::StopAcknowledged { head, already_completed })
        };
        match turn {
            Ok(StoppedTurn { run, session, outcome, already }) => {
                // It came to be shown meanwhile: its ending is near, and the acknowledgement stands in front of that.
                if let Some(turn) = self.turn(&run) {
                    turn.stops = more(turn.stops);
                    return;
                }
                // Whoever had its ending here does not get it again.
                let over = already || self.ended.contains(&run);
                out.frames.push(acknowledged(Some(&session), over || outcome != Outcome::Cancelled));
                if !over {
                    self.show(&run, || Turn::to_its_end(run.clone()), 0, out);
                }
            }
            // Of that name there is nothing of his that could be stopped, whoever else has it.
            Err(error) if error.code == Code::NotFound => out.frames.push(acknowledged(session, true)),
            Err(error) => {
                let session = session.map(SessionId::as_str);
                out.frames.push(refusal(&error, Some(message.as_str()), session));
            }
        }
    }

    fn read(&mut self, kind: &str, data: &Data, out: &mut Out) {
        match kind {
            "chat_stream" => self.on_chat_stream(data, out),
            "stop_generation" => self.on_stop(data, out),
            "ping" => out.frames.push(json(&ServerFrame::Pong { timestamp: out.now })),
            "get_health" => out.commands.push(Command::Room(RoomCommand::Sockets)),
            "join_session" | "leave_session" | "user_typing" | "message_sent" => {
                match room::command(kind, data) {
                    Ok(command) => {
                        if let RoomCommand::Leave(session) = &command {
                            self.leave(session, out);
                        }
                        out.commands.push(Command::Room(command));
                    }
                    Err(wrong) => invalid(&wrong, out),
                }
            }
            // The name is the client's own, and may be anything: how long it is says enough.
            _ => tracing::debug!(bytes = kind.len(), "a frame of a type that is not known was ignored"),
        }
    }
}

impl Dialect for Tutor {
    fn name(&self) -> &'static str {
        "tutor"
    }

    fn on_open(&mut self, who: Option<&Principal>, out: &mut Out) {
        let Some(who) = who else { return };
        self.user = Some(who.user.clone());
        out.frames.push(json(&ServerFrame::Connect {
            user_id: who.user.as_str(),
            connection_id: &self.id,
            timestamp: out.now,
            features: Features::ALL,
        }));
    }

    fn goes_on_within(&self) -> Option<Duration> {
        Some(limit::AWAY)
    }

    fn on_left(&mut self, left: &[(RunId, Seq)], out: &mut Out) {
        for (run, after) in left {
            self.show(run, || Turn::left(run.clone(), *after), *after, out);
        }
    }

    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Out) {
        let Frame::Text(text) = frame else {
            return invalid("frames are text with one JSON object each, not binary", out);
        };
        let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(text) else {
            return invalid("a frame is one JSON object, such as {\"type\":\"ping\",\"data\":{}}", out);
        };
        let Some(Value::String(kind)) = object.remove("type") else {
            return invalid("a frame needs `type`, a text", out);
        };
        match object.remove("data") {
            Some(Value::Object(data)) => self.read(&kind, &data, out),
            None | Some(Value::Null) => self.read(&kind, &Data::new(), out),
            Some(_) if kind == "chat_stream" => broken_stream(&Data::new(), MISSING, out),
            Some(_) => invalid("`data` must be an object", out),
        }
    }

    fn on_reply(&mut self, reply: Reply, out: &mut Out) {
        match reply {
            Reply::Started { mark, started, .. } => self.on_started(mark, started, out),
            Reply::Following { tag, run: Ok((run, _)), .. } => self.on_following(&tag, &run),
            Reply::Following { tag, target: Target::Run(run), run: Err(error) } => {
                self.on_lost(&tag, &run, &error, out)
            }
            Reply::Lost { run, error } => self.on_lost(&None, &run, &error, out),
            Reply::Stopped { run, outcome, .. } => self.on_stopped(&run, outcome.map(|_| ()), out),
            Reply::TurnStopped { session, message, turn, .. } => {
                self.on_turn_stopped(session.as_ref(), &message, turn, out);
            }
            Reply::Room(reply) => self.on_room(reply, out),
            // The connection is closed after it; its runs go on.
            Reply::SignedOut { error } => out.frames.push(refusal(&error, None, None)),
            // Nobody signs in in the middle here, follows by a session's name, lets go, or lists.
            Reply::SignedIn { .. }
            | Reply::NotSignedIn { .. }
            | Reply::Following { target: Target::Newest(_), .. }
            | Reply::Unfollowed { .. }
            | Reply::Listed { .. } => {}
        }
    }

    fn on_refused(&mut self, error: Error, out: &mut Out) {
        out.frames.push(refusal(&error, None, None));
    }

    fn on_events(&mut self, run: &RunId, events: &[Arc<Event>], out: &mut Out) {
        let shown = |turn: &Turn| turn.run == *run && turn.awaits.is_none();
        let Some(at) = self.turns.iter().position(shown) else { return };
        if self.turns[at].show(events, out.now, &mut out.frames) {
            let turn = self.turns.remove(at);
            if self.ended.len() >= ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back(turn.run);
        }
    }

    fn position(&self, run: &RunId, seq: Seq) -> String {
        format!("resume {run} after {seq}")
    }
}

/// Stops an answer that is shown here; it is acknowledged in front of its ending.
fn stop(turn: &mut Turn, out: &mut Out) {
    if turn.stops == 0 {
        out.commands.push(Command::Stop { tag: None, run: turn.run.clone() });
    }
    turn.stops = more(turn.stops);
}

/// Acknowledges stops of what is over, or comes to nothing.
fn acknowledge_late(stops: usize, message_id: &str, session_id: &str, out: &mut Out) {
    let head = Head { message_id, session_id, timestamp: out.now };
    for _ in 0..stops {
        out.frames.push(json(&ServerFrame::StopAcknowledged { head, already_completed: true }));
    }
}

/// One stop more of the same turn; who presses on is told no oftener than so.
fn more(stops: usize) -> usize {
    (stops + 1).min(limit::COMMANDS)
}

fn invalid(what: &str, out: &mut Out) {
    out.frames.push(refusal(&Error::new(Code::InvalidRequest, what), None, None));
}

/// A refusal that no stream belongs to.
fn refusal(error: &Error, message_id: Option<&str>, session_id: Option<&str>) -> String {
    let (message, retry_after) = (sentence(error), error.retry_after);
    json(&ServerFrame::Error { message, code: word(error.code), message_id, session_id, retry_after })
}

/// A `chat_stream` from which no run can be made.
fn broken_stream(data: &Data, wrong: &str, out: &mut Out) {
    let id = |key| said_back(data, key).unwrap_or(UNKNOWN);
    refuse_stream(&Error::new(Code::InvalidRequest, wrong), id("message_id"), id("session_id"), out);
}

/// A `chat_stream` that comes to nothing: its ending, and nothing before it. But who asks too often is told as for any
/// frame, which is what clients of the original know.
fn refuse_stream(error: &Error, message_id: &str, session_id: &str, out: &mut Out) {
    if error.code == Code::RateLimited {
        return out.frames.push(refusal(error, Some(message_id), Some(session_id)));
    }
    out.frames.push(json(&ServerFrame::StreamError {
        head: Head { message_id, session_id, timestamp: out.now },
        error: problem(error.code, &error.message, error.code.retryable(), error.retry_after),
        partial_content: "",
        seq: None,
    }));
}
