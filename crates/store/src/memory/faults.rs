//! Faults on demand: what a disk does seldom, a test needs now.

use headwater_core::port::store::StoreError;
use parking_lot::Mutex;
use tokio::sync::watch;

/// When a failing append fails. The caller cannot tell; that is the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// Nothing was stored.
    Before,
    /// The batch was stored, and only the answer was lost.
    After,
}

/// What a [`MemoryStore`](crate::MemoryStore) is told to do wrong. Does nothing unless asked.
#[derive(Debug)]
pub struct Faults {
    held: watch::Sender<bool>,
    /// The same for runs that are to be made.
    creates_held: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
    plan: Mutex<Plan>,
}

#[derive(Debug)]
struct Plan {
    appends: usize,
    when: Fail,
    reads: usize,
    writes: usize,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            held: watch::Sender::new(false),
            creates_held: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
            plan: Mutex::new(Plan { appends: 0, when: Fail::Before, reads: 0, writes: 0 }),
        }
    }
}

impl Faults {
    /// Every append waits, with nothing stored, until [`Faults::release_appends`].
    pub fn hold_appends(&self) {
        self.held.send_replace(true);
    }

    /// Lets the waiting appends go on, and those that come.
    pub fn release_appends(&self) {
        self.held.send_replace(false);
    }

    /// Every run that is to be made waits, with nothing stored, until [`Faults::release_creates`].
    pub fn hold_creates(&self) {
        self.creates_held.send_replace(true);
    }

    /// Lets the waiting ones go on, and those that come.
    pub fn release_creates(&self) {
        self.creates_held.send_replace(false);
    }

    /// Waits while the making of runs is held.
    pub(super) async fn creates(&self) {
        // An error would mean that the sender is gone, and it is ours.
        let _ = self.creates_held.subscribe().wait_for(|held| !held).await;
    }

    /// Returns once at least `n` appends wait at the same time.
    pub async fn appends_waiting(&self, n: usize) {
        // An error would mean that the sender is gone, and it is ours.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting >= n).await;
    }

    /// The next `n` appends that reach the store fail with `AppendError::Backend`; replaces an earlier plan.
    pub fn fail_appends(&self, n: usize, when: Fail) {
        let mut plan = self.plan.lock();
        plan.appends = n;
        plan.when = when;
    }

    /// The next `n` calls that only read fail; replaces an earlier plan.
    pub fn fail_reads(&self, n: usize) {
        self.plan.lock().reads = n;
    }

    /// The next `n` calls that write, other than appends, fail with nothing stored; replaces an earlier
    /// plan.
    pub fn fail_writes(&self, n: usize) {
        self.plan.lock().writes = n;
    }

    /// Waits while appends are held.
    pub(super) async fn gate(&self) {
        let mut held = self.held.subscribe();
        if !*held.borrow_and_update() {
            return;
        }
        let _waiting = Waiting::new(&self.waiting);
        let _ = held.wait_for(|held| !held).await;
    }

    /// How this append fails, where it does.
    pub(super) fn append(&self) -> Option<Fail> {
        let mut plan = self.plan.lock();
        take(&mut plan.appends).then_some(plan.when)
    }

    /// Whether this read works.
    pub(super) fn read(&self) -> Result<(), StoreError> {
        if take(&mut self.plan.lock().reads) { Err(planned()) } else { Ok(()) }
    }

    /// Whether this write works.
    pub(super) fn write(&self) -> Result<(), StoreError> {
        if take(&mut self.plan.lock().writes) { Err(planned()) } else { Ok(()) }
    }
}

fn take(left: &mut usize) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

/// The failure of every planned fault.
pub(super) fn planned() -> StoreError {
    StoreError("a planned fault".into())
}

/// Counts one waiting append, also where its caller gives up.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|n| *n += 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}
