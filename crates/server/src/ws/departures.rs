//! How far clients were in the runs that they followed when their sockets left: who comes back soon gets what came
//! since, and not everything again. Kept in memory, for minutes: a client that is forgotten gets the log from its
//! beginning, which is right as well.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use headwater_core::event::Seq;
use headwater_core::{RunId, limit};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Who it is that comes back: a dialect's own word for it, such as the user's id.
pub type Client = Arc<str>;

/// Where somebody was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// In which run.
    pub run: RunId,
    /// After which event.
    pub seq: Seq,
    /// He had its ending.
    pub ended: bool,
    at: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Departures {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    left: HashMap<Client, Left>,
    /// Oldest first; who left again stands here again.
    order: VecDeque<Client>,
}

/// What one client left.
#[derive(Debug, Default)]
struct Left {
    runs: Vec<Departure>,
    /// His sockets that left, and have not come back: each is told everything once.
    sockets: usize,
}

impl Departures {
    /// A client's socket left: he was after `seq` of that run.
    pub fn leave(&self, client: &Client, run: &RunId, seq: Seq, ended: bool, now: Instant) {
        let mut inner = self.inner.lock();
        let mine = &mut inner.left.entry(Arc::clone(client)).or_default().runs;
        // Of two sockets that leave one after the other, the one that was further knows better.
        let seq = mine.iter().find(|d| d.run == *run).map_or(seq, |before| before.seq.max(seq));
        mine.retain(|d| d.run != *run);
        if mine.len() >= limit::FOLLOWS {
            mine.remove(0);
        }
        mine.push(Departure { run: run.clone(), seq, ended, at: now });
        inner.order.push_back(Arc::clone(client));
        while inner.order.len() > limit::DEPARTURES {
            let Some(oldest) = inner.order.pop_front() else { break };
            if !inner.order.contains(&oldest) {
                inner.left.remove(&oldest);
            }
        }
    }

    /// One of this client's sockets is gone with everything that was said by [`Departures::leave`]: as many as are gone
    /// may [`Departures::take`] it. They cannot be told apart, and each may be the one that wants a run's rest.
    pub fn gone(&self, client: &Client) {
        if let Some(left) = self.inner.lock().left.get_mut(client) {
            left.sockets += 1;
        }
    }

    /// Where this client was in that run, if he left no longer ago than `within`.
    #[must_use]
    pub fn of(&self, client: &str, run: &RunId, within: Duration, now: Instant) -> Option<Departure> {
        let inner = self.inner.lock();
        let found = inner.left.get(client)?.runs.iter().find(|d| d.run == *run)?;
        (now.duration_since(found.at) <= within).then(|| found.clone())
    }

    /// Everything that this client left unfinished no longer ago than `within`; told once for each socket that is gone.
    #[must_use]
    pub fn take(&self, client: &str, within: Duration, now: Instant) -> Vec<Departure> {
        let mut inner = self.inner.lock();
        let mut all = match inner.left.get_mut(client) {
            Some(left) if left.sockets > 1 => {
                left.sockets -= 1;
                left.runs.clone()
            }
            _ => inner.left.remove(client).map(|left| left.runs).unwrap_or_default(),
        };
        all.retain(|d| !d.ended && now.duration_since(d.at) <= within);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: usize) -> RunId {
        RunId::parse(&format!("run_{n}")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_in_time_goes_on_where_he_was() {
        let departures = Departures::default();
        let (ann, soon, now) = (Client::from("ann"), Duration::from_secs(10), Instant::now());
        departures.leave(&ann, &run(1), 7, false, now);
        departures.leave(&ann, &run(1), 3, false, now);
        departures.leave(&ann, &run(2), 9, true, now);
        assert_eq!(departures.of("ann", &run(1), soon, now + soon).map(|d| d.seq), Some(7));
        assert_eq!(departures.of("ann", &run(1), soon, now + soon * 2), None);
        assert_eq!(departures.of("bob", &run(1), soon, now), None);
        let unfinished: Vec<_> = departures.take("ann", soon, now).into_iter().map(|d| d.run).collect();
        assert_eq!(unfinished, [run(1)]);
        assert_eq!(departures.of("ann", &run(1), soon, now), None);
    }

    // Planted fault: what was left forgotten with the first socket that came back.
    #[tokio::test(start_paused = true)]
    async fn each_of_two_windows_gets_what_both_left() {
        let (departures, soon, now) = (Departures::default(), Duration::from_secs(10), Instant::now());
        let ann = Client::from("ann");
        for n in [1, 2] {
            departures.leave(&ann, &run(n), 7, false, now);
            departures.gone(&ann);
        }
        let told = || departures.take("ann", soon, now).len();
        assert_eq!((told(), told(), told()), (2, 2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_cannot_fill_the_memory() {
        let (departures, now) = (Departures::default(), Instant::now());
        for n in 0..limit::DEPARTURES + 10 {
            departures.leave(&n.to_string().into(), &run(1), 1, false, now);
        }
        let inner = departures.inner.lock();
        assert_eq!((inner.left.len(), inner.order.len()), (limit::DEPARTURES, limit::DEPARTURES));
    }
}
