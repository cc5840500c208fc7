//! A connection's part in the rooms of sessions.

use super::super::dialect::Reply;
use super::super::rooms::RoomCommand;
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
