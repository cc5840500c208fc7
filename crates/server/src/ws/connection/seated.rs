//! A connection's user: whose token he shows, his place among his sockets, and what he may ask for.

use headwater_core::Principal;
use headwater_core::code::Error;

use super::super::dialect::{Close, Command, Reply, Tag};
use super::Connection;

impl Connection {
    /// From now on whoever this token names. What was followed for another is let go of.
    pub(super) fn sign_in(&mut self, tag: Tag, token: &str) {
        let identity = match self.around.auth.identify(token) {
            Ok(identity) => identity,
            Err(error) => {
                return self.tell(|dialect, out| dialect.on_reply(Reply::NotSignedIn { tag, error }, out));
            }
        };
        let who = identity.who.clone();
        self.standing.becomes(&self.around.auth, Some(identity));
        let changed = self.who.as_ref().is_some_and(|before| before.user != who.user);
        if changed {
            self.views.clear();
            self.busy.clear();
            self.away = None;
            self.ordered.clear();
            self.stopped.clear();
        }
        if let (Some((_, client)), Some(known)) = (&mut self.around.remembers, self.dialect.client(&who)) {
            *client = known;
        }
        self.who = Some(who.clone());
        if self.take_seat(&who) {
            self.tell(|dialect, out| dialect.on_reply(Reply::SignedIn { tag, who, changed }, out));
        }
    }

    /// A place among this user's sockets; without one the client is told, and the connection ends.
    pub(super) fn take_seat(&mut self, who: &Principal) -> bool {
        let Err(error) = self.around.seat.sign_in(&who.user) else { return true };
        let close = Close { code: error.code.close_code(), reason: error.message.clone() };
        self.tell(|dialect, out| dialect.on_refused(error, out));
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
            Command::Room(command) if command.is_work() => self.around.seat.message(&who.user),
            Command::Follow { asked: false, .. }
            | Command::Await { .. }
            | Command::SignIn { .. }
            | Command::Unfollow { .. }
            | Command::Stop { .. }
            | Command::StopTurn { .. }
            | Command::Room(_) => Ok(()),
        }
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
