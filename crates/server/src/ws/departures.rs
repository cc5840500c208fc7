//! How far clients were in the runs that they followed when their sockets left: who comes back soon gets what came
//! since, and not everything again. Kept in memory, for minutes: a client that is forgotten gets the log from its
//! beginning, which is right as well.
//!
//! A front-end may close its socket and open another at every turn, and the two meet here in any order. So a client
//! that names no position is an [`Arrival`] for a moment before it is shown anything: who leaves within that moment
//! was shown nothing, hands on what he came to, and has nothing on its way that nobody reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
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
    /// He had its ending, on each socket of his that left it.
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
    /// When each of them was last heard of leaving: one entry for each, however often he leaves. Oldest first.
    order: BTreeMap<u64, Client>,
    /// Counts up, with each departure.
    stamp: u64,
    /// Open sockets that go on where another was whose end is noticed only now, oldest first.
    waiting: HashMap<Client, Vec<(Instant, Arc<Moved>)>>,
}

/// What one client left.
#[derive(Debug, Default)]
struct Left {
    runs: Vec<Departure>,
    /// Where he stands in [`Inner::order`].
    stamp: u64,
    /// His sockets that left, and have not come back: each is told everything once.
    sockets: usize,
}

impl Departures {
    /// A client's socket left: he was after `seq` of that run.
    pub fn leave(&self, client: &Client, run: &RunId, seq: Seq, ended: bool, now: Instant) {
        let mut inner = self.inner.lock();
        let Inner { left, order, stamp, .. } = &mut *inner;
        *stamp += 1;
        let entry = left.entry(Arc::clone(client)).or_default();
        order.remove(&std::mem::replace(&mut entry.stamp, *stamp));
        order.insert(*stamp, Arc::clone(client));
        let mine = &mut entry.runs;
        // Of two sockets that left, the one that was less far decides: shown twice is better than never. One that
        // went on where another was has taken that away, see `Arrival`.
        let before = mine.iter().find(|d| d.run == *run);
        let seq = before.map_or(seq, |before| before.seq.min(seq));
        let ended = ended && before.is_none_or(|before| before.ended);
        mine.retain(|d| d.run != *run);
        if mine.len() >= limit::FOLLOWS {
            mine.remove(0);
        }
        mine.push(Departure { run: run.clone(), seq, ended, at: now });
        while order.len() > limit::DEPARTURES {
            let Some((_, oldest)) = order.pop_first() else { break };
            left.remove(&oldest);
        }
    }

    /// One of this client's sockets is gone with everything that was said by [`Departures::leave`]: as many as are gone
    /// may [`Departures::take`] it. They cannot be told apart, and each may be the one that wants a run's rest.
    ///
    /// `heard`: when it was last heard from. A broken line is noticed late: of the client's sockets that opened since
    /// then the newest is the one that came in its place, and is told.
    pub fn gone(&self, client: &Client, heard: Instant) {
        let mut inner = self.inner.lock();
        if let Some(left) = inner.left.get_mut(client) {
            left.sockets += 1;
        }
        let newest =
            inner.waiting.get(client).and_then(|all| all.iter().rfind(|(opened, _)| *opened >= heard));
        if let Some((_, moved)) = newest {
            moved.happened.store(true, Ordering::Release);
            moved.waker.wake();
        }
    }

    /// A socket of this client's is open since `opened`, as long as this is held; see [`Departures::gone`].
    #[must_use]
    pub fn wait(self: &Arc<Self>, client: &Client, opened: Instant) -> Waiting {
        let moved = Arc::new(Moved::default());
        let mut inner = self.inner.lock();
        inner.waiting.entry(Arc::clone(client)).or_default().push((opened, Arc::clone(&moved)));
        Waiting { departures: Arc::clone(self), client: Arc::clone(client), moved }
    }

    /// Where this client was in that run, if he left no longer ago than `within`.
    #[must_use]
    pub fn of(&self, client: &str, run: &RunId, within: Duration, now: Instant) -> Option<Departure> {
        let inner = self.inner.lock();
        let found = inner.left.get(client)?.runs.iter().find(|d| d.run == *run)?;
        (now.duration_since(found.at) <= within).then(|| found.clone())
    }

    /// Somebody comes who may have been here a moment ago; see [`Arrival`].
    #[must_use]
    pub fn arrive(self: &Arc<Self>, client: &Client, run: &RunId, within: Duration, now: Instant) -> Arrival {
        let found = self.of(client, run, within, now);
        Arrival { departures: Arc::clone(self), client: Arc::clone(client), run: run.clone(), within, found }
    }

    /// Where this client was in that run, which is told once.
    fn take_one(&self, client: &str, run: &RunId, within: Duration, now: Instant) -> Option<Departure> {
        let mut inner = self.inner.lock();
        let mine = inner.left.get_mut(client)?;
        let at = mine.runs.iter().position(|d| d.run == *run)?;
        let found = mine.runs.remove(at);
        if mine.runs.is_empty() {
            inner.forget(client);
        }
        (now.duration_since(found.at) <= within).then_some(found)
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
            _ => inner.forget(client).map(|left| left.runs).unwrap_or_default(),
        };
        all.retain(|d| !d.ended && now.duration_since(d.at) <= within);
        all
    }
}

/// An open socket in whose place another may have been.
#[derive(Debug)]
pub struct Waiting {
    departures: Arc<Departures>,
    client: Client,
    moved: Arc<Moved>,
}

#[derive(Debug, Default)]
struct Moved {
    happened: AtomicBool,
    waker: AtomicWaker,
}

impl Waiting {
    /// Ready once there may be something to [`Departures::take`]. No future, which would make every connection larger.
    pub fn poll_moved(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Registered before the look: what happens between the two wakes.
        self.moved.waker.register(cx.waker());
        if self.moved.happened.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut inner = self.departures.inner.lock();
        if let Some(all) = inner.waiting.get_mut(&self.client) {
            all.retain(|(_, moved)| !Arc::ptr_eq(moved, &self.moved));
            if all.is_empty() {
                inner.waiting.remove(&self.client);
            }
        }
    }
}

impl Inner {
    fn forget(&mut self, client: &str) -> Option<Left> {
        let left = self.left.remove(client)?;
        self.order.remove(&left.stamp);
        Some(left)
    }
}

/// Somebody who came and is shown nothing yet. What he found when he came stays his, whoever takes it meanwhile: a
/// second window of the same person must not make the first one begin anew. Dropped before [`Arrival::settled`], he
/// leaves behind what he would have gone on from.
#[derive(Debug)]
pub struct Arrival {
    departures: Arc<Departures>,
    client: Client,
    run: RunId,
    within: Duration,
    found: Option<Departure>,
}

impl Arrival {
    /// After which event he goes on: where he was when he came, or else where a socket of his was that left since;
    /// 0 where there was none. Nobody who comes later finds it.
    pub fn decide(&mut self, now: Instant) -> Seq {
        let left = self.departures.take_one(&self.client, &self.run, self.within, now);
        self.found = self.found.take().or(left);
        self.found.as_ref().map_or(0, |found| found.seq)
    }

    /// Whether he goes on where he or another socket of his was, which had not seen the end.
    #[must_use]
    pub fn was_here(&self, now: Instant) -> bool {
        let left = || self.departures.of(&self.client, &self.run, self.within, now);
        self.found.clone().or_else(left).is_some_and(|found| !found.ended)
    }

    /// He is being shown the run: from here on his connection knows how far he is.
    pub fn settled(mut self) {
        self.found = None;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if let Some(found) = self.found.take() {
            self.departures.leave(&self.client, &self.run, found.seq, found.ended, Instant::now());
        }
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
        assert_eq!(departures.of("ann", &run(1), soon, now + soon).map(|d| d.seq), Some(3));
        assert_eq!(departures.of("ann", &run(1), soon, now + soon * 2), None);
        assert_eq!(departures.of("bob", &run(1), soon, now), None);
        let unfinished: Vec<_> = departures.take("ann", soon, now).into_iter().map(|d| d.run).collect();
        assert_eq!(unfinished, [run(1)]);
        assert_eq!(departures.of("ann", &run(1), soon, now), None);
    }

    // Planted fault: `ended` as the last that left has it; who lost its line waited in vain for a job that was deleted.
    #[tokio::test(start_paused = true)]
    async fn who_lost_its_line_was_here_though_another_window_had_the_end() {
        let departures = Arc::new(Departures::default());
        let (ann, soon, now) = (Client::from("ann"), Duration::from_secs(10), Instant::now());
        for (n, ends) in [[false, true], [true, false], [true, true]].into_iter().enumerate() {
            for (seq, ended) in [3, 9].into_iter().zip(ends) {
                departures.leave(&ann, &run(n), seq, ended, now);
            }
            let arrival = departures.arrive(&ann, &run(n), soon, now);
            assert_eq!(arrival.was_here(now), ends != [true, true], "{ends:?}");
        }
    }

    // Planted fault: what was left forgotten with the first socket that came back.
    #[tokio::test(start_paused = true)]
    async fn each_of_two_windows_gets_what_both_left() {
        let (departures, soon, now) = (Departures::default(), Duration::from_secs(10), Instant::now());
        let ann = Client::from("ann");
        for n in [1, 2] {
            departures.leave(&ann, &run(n), 7, false, now);
            departures.gone(&ann, now);
        }
        let told = || departures.take("ann", soon, now).len();
        assert_eq!((told(), told(), told()), (2, 2, 0));
    }

    // Planted faults: the oldest told, which shows something else; whoever was there before told.
    #[tokio::test(start_paused = true)]
    async fn who_came_in_the_place_of_a_dead_socket_is_told_when_that_is_noticed() {
        let departures = Arc::new(Departures::default());
        let (ann, second) = (Client::from("ann"), Duration::from_secs(1));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut told = |waiting: &Waiting| waiting.poll_moved(&mut cx).is_ready();
        let heard = Instant::now();
        let before = departures.wait(&ann, heard - second);
        departures.leave(&ann, &run(1), 7, false, heard + second * 3);
        departures.gone(&ann, heard);
        assert!(!told(&before), "it was there all the time, and shows what is its own");
        let (older, newer) =
            (departures.wait(&ann, heard + second), departures.wait(&ann, heard + second * 2));
        let other = departures.wait(&"bob".into(), heard + second * 2);
        departures.gone(&ann, heard);
        assert_eq!([&before, &older, &newer, &other].map(&mut told), [false, false, true, false]);
        drop((before, older, newer, other));
        assert!(departures.inner.lock().waiting.is_empty());
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

    // Planted faults: an entry for each departure, which 10,000 of one client's fill; what is taken left in the order.
    #[tokio::test(start_paused = true)]
    async fn one_client_that_leaves_without_end_evicts_nobody() {
        let (departures, soon, now) = (Departures::default(), Duration::from_secs(10), Instant::now());
        departures.leave(&"bob".into(), &run(1), 7, false, now);
        let ann = Client::from("ann");
        for n in 0..2 * limit::DEPARTURES {
            departures.leave(&ann, &run(n % (2 * limit::FOLLOWS)), 1, false, now);
        }
        assert_eq!(departures.of("bob", &run(1), soon, now).map(|d| d.seq), Some(7));
        {
            let inner = departures.inner.lock();
            assert_eq!((inner.order.len(), inner.left["ann"].runs.len()), (2, limit::FOLLOWS));
        }
        for n in 0..2 * limit::DEPARTURES {
            departures.leave(&ann, &run(n), 1, false, now);
            let _ = departures.take("ann", soon, now);
            departures.leave(&ann, &run(n), 1, false, now);
            let _ = departures.take_one("ann", &run(n), soon, now);
        }
        let inner = departures.inner.lock();
        assert_eq!((inner.order.len(), inner.left.len()), (1, 1));
    }

    // Planted faults: nothing handed on by who leaves at once; what is found looked up again at the decision; taken
    // without being removed; `within` not kept.
    #[tokio::test(start_paused = true)]
    async fn who_leaves_before_he_is_shown_anything_hands_on_what_he_came_to() {
        let departures = Arc::new(Departures::default());
        let (ann, soon) = (Client::from("ann"), Duration::from_secs(10));
        let arrive = || departures.arrive(&ann, &run(1), soon, Instant::now());
        assert_eq!(arrive().decide(Instant::now()), 0);
        // The next one opens before it is seen that the first one closed.
        let mut next = arrive();
        departures.leave(&ann, &run(1), 7, false, Instant::now());
        for _ in 0..100 {
            let _storm = arrive();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(next.decide(Instant::now()), 7);
        next.settled();
        // Now somebody is there, and a second window begins at the beginning.
        assert_eq!(arrive().decide(Instant::now()), 0);
        // A second window in the middle of a storm takes nothing away from it.
        departures.leave(&ann, &run(1), 9, false, Instant::now());
        let storm = arrive();
        let mut second = arrive();
        assert_eq!(second.decide(Instant::now()), 9);
        second.settled();
        let mut third = arrive();
        assert_eq!(third.decide(Instant::now()), 0);
        third.settled();
        drop(storm);
        let mut storm = arrive();
        let mut second = arrive();
        assert_eq!(second.decide(Instant::now()), 9);
        assert_eq!(storm.decide(Instant::now()), 9, "what it found when it came stays its own");
        drop((second, storm));
        assert_eq!(arrive().decide(Instant::now()), 9);
        tokio::time::advance(soon * 2).await;
        assert_eq!(arrive().decide(Instant::now()), 0, "that was long ago");
    }
}
