//! What the sockets of a session tell each other.

use headwater_core::port::bus::{Happening, Notice};
use headwater_core::{Millis, RunId};
use serde_json::Value;

use super::ask::{Data, owner, session};
use super::frames::ServerFrame;
use super::{Tutor, refusal};
use crate::wire::json;
use crate::ws::dialect::{Command, Out};
use crate::ws::rooms::{RoomCommand, RoomReply, SessionOf};
use crate::ws::tutor::turn::Turn;

/// What one of the four frames of a room asks for; what is wrong with it as a sentence. Who asks is known: a user that
/// the frame names is not looked at.
pub(super) fn command(kind: &str, data: &Data) -> Result<RoomCommand, String> {
    let named = session(data)?.ok_or_else(|| format!("{kind} needs session_id"))?;
    let session = SessionOf { owner: owner(data)?, session: named };
    Ok(match kind {
        "join_session" => RoomCommand::Join(session),
        "leave_session" => RoomCommand::Leave(session),
        "message_sent" => RoomCommand::Tell { session, what: Happening::Sent },
        _ => {
            let typing = data.get("isTyping").or_else(|| data.get("is_typing")).and_then(Value::as_bool);
            let typing = typing.ok_or("user_typing needs isTyping, true or false")?;
            RoomCommand::Tell { session, what: Happening::Typing(typing) }
        }
    })
}

impl Tutor {
    pub(super) fn on_room(&mut self, reply: RoomReply, out: &mut Out) {
        let timestamp = out.now;
        match reply {
            RoomReply::Joined { session: of, live: Ok(live) } => {
                let session = (&of).into();
                out.frames.push(json(&ServerFrame::SessionJoined { session, timestamp }));
                for run in live {
                    self.watch(&of, &run, out);
                }
            }
            RoomReply::Joined { session, live: Err(error) } => {
                out.frames.push(refusal(&error, None, Some(session.session.as_str())));
            }
            RoomReply::Refused { session, error } => {
                let session = session.as_ref().map(|named| named.session.as_str());
                out.frames.push(refusal(&error, None, session));
            }
            RoomReply::Heard { session, notice } => self.on_notice(&session, &notice, timestamp, out),
            RoomReply::Kept(kept) => {
                for kept in kept {
                    let owner = Some(&kept.owner).filter(|owner| Some(*owner) != self.user.as_ref()).cloned();
                    let session = SessionOf { owner, session: kept.session.clone() };
                    self.on_notice(&session, &kept.notice(), kept.at, out);
                }
            }
            RoomReply::Sockets(sockets) => {
                let connections = sockets.iter().map(Into::into).collect();
                out.frames.push(json(&ServerFrame::HealthInfo { connections, timestamp }));
            }
        }
    }

    /// `timestamp`: when it was said.
    fn on_notice(&mut self, of: &SessionOf, notice: &Notice, timestamp: Millis, out: &mut Out) {
        let (user_id, session) = (notice.user.as_str(), of.into());
        let frame = match &notice.what {
            Happening::Joined => ServerFrame::UserJoined { user_id, session, timestamp },
            Happening::Left => ServerFrame::UserLeft { user_id, session, timestamp },
            Happening::Typing(is_typing) => {
                ServerFrame::TypingIndicator { user_id, is_typing: *is_typing, session, timestamp }
            }
            Happening::Sent => {
                let action = "message_sent";
                ServerFrame::SessionUpdate { session, user_id, action, timestamp }
            }
            Happening::Run(run) => return self.watch(of, run, out),
        };
        out.frames.push(json(&frame));
    }

    /// Shows a run of a session that was joined, from its beginning.
    fn watch(&mut self, session: &SessionOf, run: &RunId, out: &mut Out) {
        if self.ended.contains(run) {
            return;
        }
        self.show(run, || Turn::watched(run.clone(), session.clone()), 0, out);
    }

    /// What came by the room of this session comes no more; what this connection asked for does, and what it stops.
    pub(super) fn leave(&mut self, session: &SessionOf, out: &mut Out) {
        let left = |turn: &mut Turn| turn.room.as_ref() == Some(session) && !turn.asked && turn.stops == 0;
        for turn in self.turns.extract_if(.., left) {
            out.commands.push(Command::Unfollow { tag: None, run: turn.run });
        }
    }
}
