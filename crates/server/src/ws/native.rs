//! The native protocol over WebSocket (`/ws`, subprotocol `headwater.v1`): `docs/protocol/native.md`.
//!
//! Never merges: each event keeps its number and its bytes, live and replayed, over this and over HTTP.

use std::sync::Arc;

use headwater_core::code::{Code, Error};
use headwater_core::cursor::Cursor;
use headwater_core::event::{Event, Seq};
use headwater_core::{RunId, SessionId, UserId, limit};
use headwater_engine::engine::From;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::dialect::{Close, Command, Dialect, Frame, Out, Reply, Tag, Target};
use crate::wire::{self, ErrorView, RunView, StartBody, json};

/// The subprotocol's name.
pub const SUBPROTOCOL: &str = "headwater.v1";

/// The types that a client may send; anything else is `unknown_type`.
const CLIENT_TYPES: [&str; 7] = ["auth", "start", "follow", "unfollow", "stop", "list", "ping"];

/// What a client may send; `id`, where it is given, comes back with the answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientFrame {
    /// Sign in, where the address or the header did not.
    Auth {
        /// An access token.
        token: String,
    },
    /// Make a run and follow it from its beginning.
    Start {
        /// What is asked.
        #[serde(deserialize_with = "wire::object")]
        run: StartBody,
        /// `false`: make it without following it.
        #[serde(default = "yes")]
        follow: bool,
    },
    /// Follow a run after a position, the beginning where none is given.
    Follow {
        /// Which run.
        run_id: RunId,
        /// After this event number.
        #[serde(default)]
        after: Option<Seq>,
        /// After the event of this cursor.
        #[serde(default)]
        cursor: Option<String>,
    },
    /// Stop following a run; it goes on.
    Unfollow {
        /// Which run.
        run_id: RunId,
    },
    /// Stop a run.
    Stop {
        /// Which run.
        run_id: RunId,
    },
    /// List runs, newest first.
    List {
        /// Of this session only.
        #[serde(default)]
        session_id: Option<SessionId>,
        /// Whose session it is, where another shares it with you.
        #[serde(default)]
        owner: Option<UserId>,
        /// Older than this run only: the last of the page before.
        #[serde(default)]
        before: Option<RunId>,
        /// 1 to 100; 50 where it is not given.
        #[serde(default)]
        limit: Option<usize>,
    },
    /// Answered with `pong`.
    Ping,
}

fn yes() -> bool {
    true
}

/// What the server sends.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// To `auth`.
    SignedIn {
        /// The user's id.
        user_id: String,
    },
    /// To `start`.
    Started {
        /// The run.
        run_id: RunId,
        /// Its conversation.
        session_id: SessionId,
        /// The same turn had been asked for before: this is its run.
        joined: bool,
    },
    /// To `follow`, and after `started`: events of this run follow.
    Following {
        /// The run as it stands.
        run: RunView,
        /// Events after this number follow.
        after: Seq,
    },
    /// To `unfollow`.
    Unfollowed {
        /// Which run.
        run_id: RunId,
    },
    /// To `stop`: the ending is stored, and no text follows.
    Stopped {
        /// Which run.
        run_id: RunId,
        /// How it ended.
        outcome: headwater_core::event::Outcome,
    },
    /// To `list`.
    Runs {
        /// Newest first.
        runs: Vec<RunView>,
    },
    /// Nothing happened in this run for a while; it lives.
    Heartbeat {
        /// Which run.
        run_id: RunId,
    },
    /// To `ping`.
    Pong,
    /// Something went wrong; the connection stays open unless it is closed after this.
    Error {
        /// Which run, where one is concerned.
        #[serde(skip_serializing_if = "Option::is_none")]
        run_id: Option<RunId>,
        /// What.
        error: ErrorView,
    },
}

/// The marks of starts: whether what is made is followed.
const FOLLOW: u64 = 1;
const NO_FOLLOW: u64 = 0;

/// One connection of `/ws`.
#[derive(Debug)]
pub struct Native {
    signed_in: bool,
    bad_tokens: u32,
}

impl Native {
    /// A fresh connection.
    #[must_use]
    pub fn new(signed_in: bool) -> Self {
        Self { signed_in, bad_tokens: 0 }
    }

    fn read(&mut self, frame: ClientFrame, tag: Tag, out: &mut Out) {
        match frame {
            ClientFrame::Ping => answer(&tag, &ServerFrame::Pong, out),
            ClientFrame::Auth { token } => {
                out.commands.push(Command::sign_in(tag, &token));
            }
            _ if !self.signed_in => {
                let error = Error::new(Code::AuthRequired, "send {\"type\":\"auth\",\"token\":…} first");
                refuse(&tag, None, error, out);
            }
            ClientFrame::Start { run, follow } => {
                let mark = if follow { FOLLOW } else { NO_FOLLOW };
                out.commands.push(Command::Start { tag, mark, ask: Box::new(run.into()) });
            }
            ClientFrame::Follow { run_id, after, cursor } => match from(after, cursor.as_deref()) {
                Ok(from) => {
                    let target = Target::Run(run_id);
                    out.commands.push(Command::Follow { tag, target, from, whole: false, asked: true });
                }
                Err(error) => refuse(&tag, Some(run_id), error, out),
            },
            ClientFrame::Unfollow { run_id } => {
                out.commands.push(Command::Unfollow { tag, run: run_id });
            }
            ClientFrame::Stop { run_id } => out.commands.push(Command::Stop { tag, run: run_id }),
            ClientFrame::List { session_id, owner, before, limit } => match wire::page_size(limit) {
                Ok(limit) => {
                    out.commands.push(Command::List { tag, owner, session: session_id, before, limit })
                }
                Err(error) => refuse(&tag, None, error, out),
            },
        }
    }
}

/// The position that a client names: at most one of the two.
///
/// # Errors
/// [`Code::InvalidRequest`] for both, and as [`Cursor::decode`].
pub fn from(after: Option<Seq>, cursor: Option<&str>) -> Result<From, Error> {
    match (after, cursor) {
        (Some(_), Some(_)) => Err(Error::new(Code::InvalidRequest, "give `after` or `cursor`, not both")),
        (_, Some(cursor)) => Cursor::decode(cursor).map(From::Cursor),
        (after, None) => Ok(From::After(after.unwrap_or_default())),
    }
}

impl Dialect for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Out) {
        let Frame::Text(text) = frame else {
            let error =
                Error::new(Code::InvalidRequest, "frames are text with one JSON object each, not binary");
            return refuse(&None, None, error, out);
        };
        let mut object: Map<String, Value> = match serde_json::from_str(text) {
            Ok(object) => object,
            Err(e) => return refuse(&None, None, unreadable(&e), out),
        };
        // `id` belongs to the envelope: what is inside refuses fields that it does not know.
        let tag: Tag = object.remove("id").map(|id| id.to_string().into());
        if tag.as_ref().is_some_and(|id| id.len() > limit::ID_BYTES) {
            let most = limit::ID_BYTES;
            let error = Error::new(Code::TooLarge, format!("`id` may have at most {most} bytes"));
            return refuse(&None, None, error, out);
        }
        if !object.get("type").and_then(Value::as_str).is_some_and(|kind| CLIENT_TYPES.contains(&kind)) {
            let known = CLIENT_TYPES.join(", ");
            let error = Error::new(Code::UnknownType, format!("`type` must be one of {known}"));
            return refuse(&tag, None, error, out);
        }
        match serde_json::from_value(Value::Object(object)) {
            Ok(frame) => self.read(frame, tag, out),
            Err(e) => refuse(&tag, None, unreadable(&e), out),
        }
    }

    fn on_reply(&mut self, reply: Reply, out: &mut Out) {
        match reply {
            Reply::SignedIn { tag, who, .. } => {
                self.signed_in = true;
                self.bad_tokens = 0;
                answer(&tag, &ServerFrame::SignedIn { user_id: who.user.as_str().to_owned() }, out);
            }
            Reply::NotSignedIn { tag, error } => {
                let code = error.code.close_code();
                refuse(&tag, None, error, out);
                self.bad_tokens += 1;
                if self.bad_tokens >= limit::AUTH_ATTEMPTS {
                    out.close =
                        Some(Close { code, reason: "too many tokens that are not valid here".into() });
                }
            }
            Reply::SignedOut { error } => refuse(&None, None, error, out),
            Reply::Started { tag, mark, started } => match started {
                Ok(started) => {
                    let run_id = started.run.clone();
                    let frame =
                        ServerFrame::Started { run_id, session_id: started.session, joined: started.joined };
                    answer(&tag, &frame, out);
                    if mark == FOLLOW {
                        let (target, from) = (Target::Run(started.run), From::After(0));
                        out.commands.push(Command::Follow { tag, target, from, whole: false, asked: false });
                    }
                }
                Err(error) => refuse(&tag, None, error, out),
            },
            Reply::Following { tag, run: Ok((run, after)), .. } => {
                answer(&tag, &ServerFrame::Following { run: run.into(), after }, out);
            }
            Reply::Following { tag, target, run: Err(error) } => {
                let run = if let Target::Run(run) = target { Some(run) } else { None };
                refuse(&tag, run, error, out);
            }
            Reply::Unfollowed { tag, run } => answer(&tag, &ServerFrame::Unfollowed { run_id: run }, out),
            Reply::Stopped { tag, run, outcome } => match outcome {
                Ok(outcome) => answer(&tag, &ServerFrame::Stopped { run_id: run, outcome }, out),
                Err(error) => refuse(&tag, Some(run), error, out),
            },
            Reply::Listed { tag, runs } => match runs {
                Ok(runs) => {
                    let runs = runs.into_iter().map(RunView::from).collect();
                    answer(&tag, &ServerFrame::Runs { runs }, out);
                }
                Err(error) => refuse(&tag, None, error, out),
            },
            Reply::Lost { run, error } => refuse(&None, Some(run), error, out),
            // Neither turns by a client's name nor rooms are asked for here.
            Reply::TurnStopped { .. } | Reply::Room(_) => {}
        }
    }

    fn on_refused(&mut self, error: Error, out: &mut Out) {
        refuse(&None, None, error, out);
    }

    fn on_events(&mut self, run: &RunId, events: &[Arc<Event>], out: &mut Out) {
        for event in events {
            let mut frame = String::with_capacity(192);
            frame.push_str("{\"type\":\"event\",\"cursor\":\"");
            frame.push_str(&wire::cursor(run, event.seq));
            frame.push_str("\",\"event\":");
            wire::push_event(run, event, &mut frame);
            frame.push('}');
            out.frames.push(frame);
        }
    }

    fn on_heartbeat(&mut self, run: &RunId, out: &mut Out) {
        answer(&None, &ServerFrame::Heartbeat { run_id: run.clone() }, out);
    }

    fn position(&self, run: &RunId, seq: Seq) -> String {
        wire::cursor(run, seq)
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::new(Code::InvalidRequest, format!("the frame cannot be read: {error}"))
}

fn answer(tag: &Tag, frame: &ServerFrame, out: &mut Out) {
    let mut text = json(frame);
    if let Some(id) = tag
        && text.pop().is_some()
    {
        // The client's `id` goes back, whatever JSON it is.
        text.push_str(",\"id\":");
        text.push_str(id);
        text.push('}');
    }
    out.frames.push(text);
}

fn refuse(tag: &Tag, run_id: Option<RunId>, error: Error, out: &mut Out) {
    answer(tag, &ServerFrame::Error { run_id, error: error.into() }, out);
}
