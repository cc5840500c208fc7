//! A connection's part in the rooms of sessions.

use std::task::{Context, Poll};

use super::super::dialect::Reply;
use super::super::rooms::{RoomCommand, RoomReply, Rooms};
use super::Connection;

impl Connection {
    /// Does something in a room. A dialect without rooms asks for nothing of that kind.
    pub(super) fn in_room(&mut self, command: RoomCommand) {
        let Some(rooms) = &mut self.around.rooms else { return };
        if let Some(reply) = rooms.carry_out(command) {
            self.tell(|dialect, out| dialect.on_reply(Reply::Room(reply), out));
        }
    }
}

/// The next thing of any room that was joined.
pub(super) fn poll_rooms(rooms: &mut Option<Box<Rooms>>, cx: &mut Context<'_>) -> Poll<RoomReply> {
    rooms.as_mut().map_or(Poll::Pending, |rooms| rooms.poll(cx))
}
