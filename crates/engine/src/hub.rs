//! Which runs live on this node: their recent events, who watches them, and how they are stopped.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater_core::code::{Code, Error};
use headwater_core::event::{Event, Outcome, Seq};
use headwater_core::{MessageId, RunId, SessionId, UserId, limit};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;

/// What becomes of a run that is written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It is being written.
    Writing,
    /// Its ending is stored.
    Ended(Outcome),
    /// Nobody here writes it any more, and its ending is not known here: the store knows.
    Lost,
}

/// A run that is being written on this node.
#[derive(Debug)]
pub struct LiveRun {
    /// Its name.
    pub id: RunId,
    /// Whose it is.
    pub owner: UserId,
    /// Somebody wants it to stop.
    pub stop: CancellationToken,
    /// The node wants it to stop: it ends interrupted.
    pub interrupt: CancellationToken,
    life: watch::Sender<Life>,
    viewers: watch::Sender<usize>,
    /// Somebody watched, or was to, and went.
    left: AtomicBool,
    ring: Mutex<Ring>,
}

/// The newest events, so that viewers at the tail never touch the store.
#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
}

/// Counts a viewer for as long as it is held.
#[derive(Debug)]
pub struct Watching(Arc<LiveRun>);

impl Drop for Watching {
    fn drop(&mut self) {
        // Before the number: whoever is told of that has to find this.
        self.0.left.store(true, Ordering::Release);
        self.0.viewers.send_modify(|n| *n -= 1);
    }
}

/// Whoever asked for a run, until he follows it. Dropped because he is gone it counts as a viewer who left.
#[derive(Debug)]
pub struct Asker(Option<Arc<LiveRun>>);

impl Asker {
    /// Nobody's where the run is not new: others watch it.
    pub(crate) fn of(run: Option<Arc<LiveRun>>) -> Self {
        Self(run)
    }

    /// He is there, and about to follow.
    pub fn comes(mut self) {
        self.0 = None;
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            drop(run.watch());
        }
    }
}

impl LiveRun {
    /// Counts one more viewer.
    #[must_use]
    pub fn watch(self: &Arc<Self>) -> Watching {
        self.viewers.send_modify(|n| *n += 1);
        Watching(Arc::clone(self))
    }

    /// Whether somebody watched and went, or asked for it and was gone when it was made.
    #[must_use]
    pub fn was_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// How many watch; changes are signalled.
    #[must_use]
    pub fn viewers(&self) -> watch::Receiver<usize> {
        self.viewers.subscribe()
    }

    /// Waits until it is not written here any more.
    pub async fn over(&self) -> Life {
        // The sender lives in `self`: there is no error.
        self.life.subscribe().wait_for(|life| *life != Life::Writing).await.map_or(Life::Lost, |life| *life)
    }

    /// Nobody writes it here any more, and it did not end here.
    pub(crate) fn lost(&self) {
        self.life.send_if_modified(|life| {
            let writing = *life == Life::Writing;
            if writing {
                *life = Life::Lost;
            }
            writing
        });
    }

    /// Takes in events that the store has confirmed; only the writer calls this.
    pub(crate) fn stored(&self, events: &[Arc<Event>], outcome: Option<Outcome>) {
        let mut ring = self.ring.lock();
        for event in events {
            ring.bytes += event.body.weight();
            ring.events.push_back(Arc::clone(event));
        }
        while ring.bytes > limit::RING_BYTES && ring.events.len() > 1 {
            if let Some(old) = ring.events.pop_front() {
                ring.bytes -= old.body.weight();
            }
        }
        drop(ring);
        if let Some(outcome) = outcome {
            self.life.send_replace(Life::Ended(outcome));
        }
    }

    /// Events from `from` on, where the ring still has that one; bounded as a viewer's batch is.
    #[must_use]
    pub fn recent(&self, from: Seq) -> Option<Vec<Arc<Event>>> {
        let ring = self.ring.lock();
        let first = ring.events.front()?.seq;
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        if skip >= ring.events.len() {
            return None;
        }
        let mut bytes = 0;
        let batch = ring.events.range(skip..).take(limit::BATCH_EVENTS).take_while(|event| {
            let fits = bytes == 0 || bytes + event.body.weight() <= limit::BATCH_BYTES;
            bytes += event.body.weight();
            fits
        });
        Some(batch.cloned().collect())
    }
}

#[derive(Debug, Default)]
struct Inner {
    runs: HashMap<RunId, Arc<LiveRun>>,
    /// Places that are given out, those of runs that are being made included.
    places: usize,
    per_user: HashMap<UserId, usize>,
    /// The newest turn of each session that has one alive: the next waits for it.
    turns: HashMap<(UserId, SessionId), Arc<LiveRun>>,
    draining: bool,
}

/// Sessions that share a lane wait for each other's starts; that many make it seldom.
const LANES: usize = 256;

/// All runs that live on this node.
#[derive(Debug)]
pub struct Hub {
    inner: Mutex<Inner>,
    lanes: Vec<tokio::sync::Mutex<()>>,
    /// Of messages. Whoever takes both takes this one first.
    messages: Vec<tokio::sync::Mutex<()>>,
}

impl Default for Hub {
    fn default() -> Self {
        let lanes = || (0..LANES).map(|_| tokio::sync::Mutex::default()).collect();
        Self { inner: Mutex::default(), lanes: lanes(), messages: lanes() }
    }
}

/// A place among the live runs; given back when dropped.
#[derive(Debug)]
pub struct Place {
    hub: Arc<Hub>,
    owner: UserId,
    run: Option<Taken>,
}

#[derive(Debug)]
struct Taken {
    run: Arc<LiveRun>,
    session: SessionId,
    /// The turn that was the session's newest before.
    before: Option<Arc<LiveRun>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.hub.inner.lock();
        inner.places -= 1;
        if let Some(n) = inner.per_user.get_mut(&self.owner) {
            *n -= 1;
            if *n == 0 {
                inner.per_user.remove(&self.owner);
            }
        }
        if let Some(Taken { run, session, before }) = self.run.take() {
            inner.runs.remove(&run.id);
            let key = (self.owner.clone(), session);
            if inner.turns.get(&key).is_some_and(|newest| Arc::ptr_eq(newest, &run)) {
                // Where this one came to nothing, the one before it is still to be waited for.
                match before.filter(|b| *b.life.borrow() == Life::Writing) {
                    Some(before) => inner.turns.insert(key, before),
                    None => inner.turns.remove(&key),
                };
            }
        }
    }
}

impl Hub {
    /// Lets one start of a session after the other through, so that turns are ordered as they are stored.
    pub async fn lane(&self, owner: &UserId, session: &SessionId) -> tokio::sync::MutexGuard<'_, ()> {
        self.lanes[lane_of(&(owner, session))].lock().await
    }

    /// The same of one message, whichever sessions it is sent to.
    pub async fn message_lane(&self, owner: &UserId, message: &MessageId) -> tokio::sync::MutexGuard<'_, ()> {
        self.messages[lane_of(&(owner, message))].lock().await
    }

    /// Reserves a place for a run of this user.
    ///
    /// # Errors
    /// [`Code::TooManyRuns`] and [`Code::Draining`].
    pub fn reserve(self: &Arc<Self>, owner: &UserId, settings: &Settings) -> Result<Place, Error> {
        let mut inner = self.inner.lock();
        if inner.draining {
            return Err(Error::new(Code::Draining, "this server is about to stop; try again in a moment"));
        }
        if inner.places >= settings.runs {
            return Err(Error::new(
                Code::TooManyRuns,
                "this server has as many live answers as it may have; try again later",
            ));
        }
        let mine = inner.per_user.entry(owner.clone()).or_default();
        if *mine >= settings.runs_per_user {
            return Err(Error::new(
                Code::TooManyRuns,
                format!("you have {mine} live answers, which is the limit; wait for one or stop one"),
            ));
        }
        *mine += 1;
        inner.places += 1;
        Ok(Place { hub: Arc::clone(self), owner: owner.clone(), run: None })
    }

    /// The run, where it lives here.
    #[must_use]
    pub fn get(&self, run: &RunId) -> Option<Arc<LiveRun>> {
        self.inner.lock().runs.get(run).cloned()
    }

    /// How many runs live here.
    #[must_use]
    pub fn live(&self) -> usize {
        self.inner.lock().runs.len()
    }

    /// Refuses new runs from now on.
    pub fn drain(&self) {
        self.inner.lock().draining = true;
    }

    /// Every run that lives here.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<LiveRun>> {
        self.inner.lock().runs.values().cloned().collect()
    }
}

fn lane_of(key: &impl Hash) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default()
}

impl Place {
    /// Puts a run in the place. Also returns the turn of the same session that it must wait for.
    #[must_use]
    pub fn take(&mut self, id: RunId, session: &SessionId) -> (Arc<LiveRun>, Option<Arc<LiveRun>>) {
        let run = Arc::new(LiveRun {
            id: id.clone(),
            owner: self.owner.clone(),
            stop: CancellationToken::new(),
            interrupt: CancellationToken::new(),
            life: watch::Sender::new(Life::Writing),
            viewers: watch::Sender::new(0),
            left: AtomicBool::new(false),
            ring: Mutex::default(),
        });
        let mut inner = self.hub.inner.lock();
        inner.runs.insert(id, Arc::clone(&run));
        let before = inner.turns.insert((self.owner.clone(), session.clone()), Arc::clone(&run));
        drop(inner);
        self.run = Some(Taken { run: Arc::clone(&run), session: session.clone(), before: before.clone() });
        (run, before)
    }
}
