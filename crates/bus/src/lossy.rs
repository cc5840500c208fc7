//! A bus that does everything that a bus may do, for tests.

use std::collections::VecDeque;

use headwater_core::RunId;
use headwater_core::port::bus::{Bus, Hint, Hints, Notice, Notices, Room};
use parking_lot::Mutex;

use crate::channels::Channels;
use crate::rooms::Rooms;

/// Hints that are held back at once; the oldest comes out when another goes in. What is still in there
/// when nobody publishes any more is lost, as the last hint of a run may be.
const HELD: usize = 4;

/// A bus that loses about a third of its hints, delays and reorders others, and repeats some; what it
/// does is decided by its seed and the order of calls alone. For tests.
///
/// A tail may also go down here: the newest hint to *arrive* is what a subscription yields.
#[derive(Debug)]
pub struct Lossy {
    channels: Channels,
    rooms: Rooms,
    weather: Mutex<Weather>,
}

#[derive(Debug)]
struct Weather {
    state: u64,
    held: VecDeque<(RunId, Hint)>,
}

impl Lossy {
    /// A bus whose misdeeds follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            channels: Channels::default(),
            rooms: Rooms::default(),
            weather: Mutex::new(Weather { state: seed, held: VecDeque::new() }),
        }
    }

    /// How many runs are followed now.
    #[must_use]
    pub fn followed(&self) -> usize {
        self.channels.runs()
    }
}

impl Weather {
    /// SplitMix64: a few lines, and the same on every machine.
    fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    /// What is delivered now that this is published, in order.
    fn publish(&mut self, run: &RunId, hint: Hint) -> Vec<(RunId, Hint)> {
        let mut out = Vec::new();
        match self.below(12) {
            // Lost.
            0..=3 => {}
            // Delayed: comes out behind younger ones, or never.
            4..=5 => self.held.push_back((run.clone(), hint)),
            // Delivered, and again later.
            6..=7 => {
                out.push((run.clone(), hint));
                self.held.push_back((run.clone(), hint));
            }
            // Delivered twice.
            8 => out.extend([(run.clone(), hint), (run.clone(), hint)]),
            _ => out.push((run.clone(), hint)),
        }
        if self.held.len() > HELD || self.below(4) == 0 {
            out.extend(self.held.pop_front());
        }
        out
    }
}

impl Bus for Lossy {
    fn publish(&self, run: &RunId, hint: Hint) {
        // Delivered under the lock: two publishers must not be able to change the order that was drawn.
        let mut weather = self.weather.lock();
        for (run, hint) in weather.publish(run, hint) {
            self.channels.deliver(&run, hint, |_, hint| hint);
        }
    }

    fn subscribe(&self, run: &RunId) -> Hints {
        self.channels.subscribe(run)
    }

    /// A third of them is lost.
    fn tell(&self, room: &Room, notice: Notice) {
        if self.weather.lock().below(3) > 0 {
            self.rooms.tell(room, notice);
        }
    }

    fn listen(&self, room: &Room) -> Notices {
        self.rooms.listen(room)
    }
}
