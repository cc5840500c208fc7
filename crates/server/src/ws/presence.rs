//! Which sockets of a user are open on this node, and in which rooms they are. Of dialects that ask for it.

use std::collections::HashMap;
use std::sync::Arc;

use headwater_core::{Millis, SessionId, UserId};
use parking_lot::Mutex;

/// An open socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Its name; unique among all nodes.
    pub id: Arc<str>,
    /// When it was opened.
    pub since: Millis,
    /// The sessions that it joined, at most `limit::ROOMS`.
    pub sessions: Vec<SessionId>,
}

/// The open sockets; as many as the gate lets in.
#[derive(Debug, Default)]
pub struct Presence {
    users: Mutex<HashMap<UserId, Vec<Socket>>>,
}

/// One socket's place in it, as long as this is held.
#[derive(Debug)]
pub struct Here {
    presence: Arc<Presence>,
    user: UserId,
    id: Arc<str>,
}

impl Presence {
    /// A socket of this user's is open from now on.
    #[must_use]
    pub fn open(self: &Arc<Self>, user: UserId, id: Arc<str>, since: Millis) -> Here {
        let socket = Socket { id: Arc::clone(&id), since, sessions: Vec::new() };
        self.users.lock().entry(user.clone()).or_default().push(socket);
        Here { presence: Arc::clone(self), user, id }
    }

    /// Whether this user has a socket open.
    #[must_use]
    pub fn is_here(&self, user: &UserId) -> bool {
        self.users.lock().contains_key(user)
    }

    /// Whether a socket of this user's has joined this session.
    #[must_use]
    pub fn is_in(&self, user: &UserId, session: &SessionId) -> bool {
        let users = self.users.lock();
        users.get(user).is_some_and(|all| all.iter().any(|socket| socket.sessions.contains(session)))
    }
}

impl Here {
    /// The socket's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// All of them.
    #[must_use]
    pub fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    /// It joined a session.
    pub fn joined(&self, session: &SessionId) {
        self.change(|socket| socket.sessions.push(session.clone()));
    }

    /// It left a session.
    pub fn left(&self, session: &SessionId) {
        // One of that name: another's may be called so, too.
        self.change(|socket| {
            if let Some(at) = socket.sessions.iter().position(|joined| joined == session) {
                socket.sessions.remove(at);
            }
        });
    }

    /// Every open socket of this one's user, itself included, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Socket> {
        self.presence.users.lock().get(&self.user).cloned().unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Socket)) {
        let mut users = self.presence.users.lock();
        let mine = users.get_mut(&self.user).and_then(|all| all.iter_mut().find(|s| s.id == self.id));
        if let Some(socket) = mine {
            change(socket);
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let mut users = self.presence.users.lock();
        if let Some(all) = users.get_mut(&self.user) {
            all.retain(|socket| socket.id != self.id);
            if all.is_empty() {
                users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_known_as_long_as_it_is_open() {
        let presence = Arc::new(Presence::default());
        let (ann, bob) = (UserId::parse("ann").unwrap(), UserId::parse("bob").unwrap());
        let one = presence.open(ann.clone(), "1".into(), Millis(1));
        let two = presence.open(ann.clone(), "2".into(), Millis(2));
        let other = presence.open(bob.clone(), "3".into(), Millis(3));
        let session = SessionId::parse("s").unwrap();
        two.joined(&session);
        let all = one.all();
        assert_eq!(all.iter().map(|s| &*s.id).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(all[1].sessions, std::slice::from_ref(&session));
        two.left(&session);
        drop(one);
        assert_eq!(two.all(), [Socket { id: "2".into(), since: Millis(2), sessions: vec![] }]);
        drop((two, other));
        assert!(!presence.is_here(&ann) && presence.users.lock().is_empty());
    }
}
