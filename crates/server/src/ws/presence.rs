//! Which sockets of a user are open on this node, and in which rooms they are. Of dialects that ask for it.

use std::collections::HashMap;
use std::sync::Arc;

use headwater_core::port::Room;
use headwater_core::{Millis, UserId};
use parking_lot::Mutex;

/// An open socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Its name; unique among all nodes.
    pub id: Arc<str>,
    /// When it was opened.
    pub since: Millis,
    /// The rooms that it joined, at most `limit::ROOMS`.
    pub rooms: Vec<Room>,
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
        let socket = Socket { id: Arc::clone(&id), since, rooms: Vec::new() };
        self.users.lock().entry(user.clone()).or_default().push(socket);
        Here { presence: Arc::clone(self), user, id }
    }

    /// Whether this user has a socket open.
    #[must_use]
    pub fn is_here(&self, user: &UserId) -> bool {
        self.users.lock().contains_key(user)
    }

    /// Whether a socket of this user's has joined this room.
    #[must_use]
    pub fn is_in(&self, user: &UserId, room: &Room) -> bool {
        let users = self.users.lock();
        users.get(user).is_some_and(|all| all.iter().any(|socket| socket.rooms.contains(room)))
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

    /// It joined a room.
    pub fn joined(&self, room: &Room) {
        self.change(|socket| socket.rooms.push(room.clone()));
    }

    /// It left a room.
    pub fn left(&self, room: &Room) {
        self.change(|socket| socket.rooms.retain(|joined| joined != room));
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
        let room = Room { owner: bob.clone(), session: headwater_core::SessionId::parse("s").unwrap() };
        two.joined(&room);
        let all = one.all();
        assert_eq!(all.iter().map(|s| &*s.id).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(all[1].rooms, std::slice::from_ref(&room));
        two.left(&room);
        drop(one);
        assert_eq!(two.all(), [Socket { id: "2".into(), since: Millis(2), rooms: vec![] }]);
        drop((two, other));
        assert!(!presence.is_here(&ann) && presence.users.lock().is_empty());
    }
}
