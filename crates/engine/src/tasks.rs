//! The one place that spawns: every task has a name, is counted, and is waited for at the end.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Spawns, names, counts, cancels and drains.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    stop: CancellationToken,
}

struct Counted {
    name: &'static str,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(n) = self.running.lock().get_mut(self.name) {
            *n -= 1;
        }
    }
}

impl Tasks {
    /// Runs a future beside the caller, under a name that says what it is.
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        *self.running.lock().entry(name).or_default() += 1;
        let counted = Counted { name, running: Arc::clone(&self.running) };
        self.tracker.spawn(async move {
            let _counted = counted;
            work.await;
        });
    }

    /// Cancelled when everything is to stop; long tasks watch it.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// How many tasks of each name run now.
    #[must_use]
    pub fn running(&self) -> BTreeMap<&'static str, usize> {
        self.running.lock().iter().filter(|(_, n)| **n > 0).map(|(name, n)| (*name, *n)).collect()
    }

    /// Waits for all tasks, at most `gently`; then tells them to stop and waits at most `firmly`. Says what
    /// was still running.
    pub async fn drain(&self, gently: Duration, firmly: Duration) -> BTreeMap<&'static str, usize> {
        self.tracker.close();
        if tokio::time::timeout(gently, self.tracker.wait()).await.is_err() {
            self.stop.cancel();
            let _ = tokio::time::timeout(firmly, self.tracker.wait()).await;
        }
        self.running()
    }
}
