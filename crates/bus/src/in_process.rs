//! The bus of one node.

use headwater_core::RunId;
use headwater_core::port::bus::{Bus, Hint, Hints, Notice, Notices, Room};

use crate::channels::Channels;
use crate::rooms::Rooms;

/// The bus of one node: loses nothing, repeats nothing of its own, holds one hint for each run that is
/// followed and nothing for the others.
///
/// The tail of a subscription only moves up, and once a run has ended it stays so, in whatever order
/// hints are published.
#[derive(Debug, Default)]
pub struct InProcess {
    channels: Channels,
    rooms: Rooms,
}

impl InProcess {
    /// A bus without subscriptions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many runs are followed now; each costs one small entry.
    #[must_use]
    pub fn followed(&self) -> usize {
        self.channels.runs()
    }
}

impl Bus for InProcess {
    fn publish(&self, run: &RunId, hint: Hint) {
        self.channels.deliver(run, hint, |stands, hint| Hint {
            tail: stands.tail.max(hint.tail),
            ended: stands.ended || hint.ended,
        });
    }

    fn subscribe(&self, run: &RunId) -> Hints {
        self.channels.subscribe(run)
    }

    fn tell(&self, room: &Room, notice: Notice) {
        self.rooms.tell(room, notice);
    }

    fn listen(&self, room: &Room) -> Notices {
        self.rooms.listen(room)
    }
}
