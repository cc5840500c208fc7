//! A connection and the gate: its place among its user's sockets, what it may ask for, and when it goes.

use headwater_core::Principal;
use headwater_core::code::Error;
use tokio::time::Instant;

use super::super::dialect::{Close, Command};
use super::Connection;

impl Connection {
    /// A place among this user's sockets; without one the client is told, and the connection ends.
    pub(super) fn take_seat(&mut self, who: &Principal) -> bool {
        let Err(error) = self.around.seat.sign_in(&who.user) else { return true };
        let close = Close { code: error.code.close_code(), reason: error.message.clone() };
        self.dialect.on_refused(error, &mut self.out);
        self.out.close = Some(close);
        false
    }

    /// Whether there is an allowance left for what is asked. Stops are always heard.
    pub(super) fn allowed(&mut self, command: &Command, who: &Principal) -> Result<(), Error> {
        match command {
            Command::Start { .. } => {
                self.around.seat.message(&who.user)?;
                self.around.seat.start()
            }
            Command::Follow { asked: true, .. } | Command::List { .. } => self.around.seat.message(&who.user),
            Command::Follow { asked: false, .. }
            | Command::SignIn { .. }
            | Command::Unfollow { .. }
            | Command::Stop { .. } => Ok(()),
        }
    }

    /// When a connection on which nothing happens is to go, while the server drains.
    pub(super) fn leaves_at(&mut self, now: Instant) -> Option<Instant> {
        let idle = self.idle();
        self.farewell.at(idle, now, || self.around.seat.gate().farewell_time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::upgrade::WebSocket;

    /// The size of what a function of these returns, without calling it.
    fn size_of_result<A, B, R>(_: impl Fn(A, B) -> R) -> usize {
        size_of::<R>()
    }

    // An idle connection costs what its task weighs; `bench/idle_memory.py` measures the whole.
    #[test]
    fn a_connections_task_is_small() {
        let task = size_of_result::<Connection, WebSocket, _>(Connection::serve);
        println!(
            "the task of a connection: {task} bytes, of which the connection itself {}",
            size_of::<Connection>()
        );
        assert!(task <= 1_536, "{task} bytes");
    }
}
