//! One `broadcast` for each room in which somebody listens; what both buses are made of.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream;
use headwater_core::limit;
use headwater_core::port::bus::{Heard, Notice, Notices, Room};
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// The rooms in which somebody listens; another has no entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rooms {
    rooms: Arc<Mutex<HashMap<Room, broadcast::Sender<Notice>>>>,
}

impl Rooms {
    /// Tells whoever listens.
    pub(crate) fn tell(&self, room: &Room, notice: Notice) {
        if let Some(channel) = self.rooms.lock().get(room) {
            // Nobody listens any more: nobody is told.
            let _ = channel.send(notice);
        }
    }

    /// What is told from now on.
    pub(crate) fn listen(&self, room: &Room) -> Notices {
        let receiver = {
            let mut rooms = self.rooms.lock();
            rooms.entry(room.clone()).or_insert_with(|| broadcast::Sender::new(limit::NOTICES)).subscribe()
        };
        let listener = Listener { rooms: self.clone(), room: room.clone(), receiver: Some(receiver) };
        Box::pin(stream::unfold(listener, |mut listener| async move {
            let heard = match listener.receiver.as_mut()?.recv().await {
                Ok(notice) => Heard::Notice(notice),
                Err(RecvError::Lagged(_)) => Heard::Missed,
                // The sender lives in the map for as long as this receiver does.
                Err(RecvError::Closed) => return None,
            };
            Some((heard, listener))
        }))
    }

    /// How many rooms have an entry.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.rooms.lock().len()
    }
}

/// One receiver; takes the room's entry with it when it was the last.
struct Listener {
    rooms: Rooms,
    room: Room,
    receiver: Option<broadcast::Receiver<Notice>>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Counted under the same lock that subscribes: nobody can join between the count and the removal.
        let mut rooms = self.rooms.rooms.lock();
        drop(self.receiver.take());
        if rooms.get(&self.room).is_some_and(|channel| channel.receiver_count() == 0) {
            rooms.remove(&self.room);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};
    use headwater_core::port::bus::Happening;
    use headwater_core::{SessionId, UserId};

    use super::*;

    fn room(session: &str) -> Room {
        Room { owner: UserId::parse("ann").unwrap(), session: SessionId::parse(session).unwrap() }
    }

    fn typing(n: usize) -> Notice {
        Notice {
            user: UserId::parse("ann").unwrap(),
            connection: n.to_string(),
            what: Happening::Typing(true),
        }
    }

    #[tokio::test]
    async fn who_listens_is_told_in_order_and_nobody_else() {
        let rooms = Rooms::default();
        rooms.tell(&room("a"), typing(0));
        let mut a = rooms.listen(&room("a"));
        let mut b = rooms.listen(&room("b"));
        for n in 1..=limit::NOTICES + 3 {
            rooms.tell(&room("a"), typing(n));
        }
        // The oldest three are gone, since nobody listened for so long; that is said in their place.
        assert_eq!(a.next().await, Some(Heard::Missed));
        for n in 4..=limit::NOTICES + 3 {
            assert_eq!(a.next().await, Some(Heard::Notice(typing(n))));
        }
        assert!(a.next().now_or_never().is_none());
        assert!(b.next().now_or_never().is_none());
        drop((a, b));
        assert_eq!(rooms.count(), 0);
    }
}
