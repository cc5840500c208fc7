//! What stands between the async callers and the one thread that computes: a bounded queue in, a
//! bounded channel of deltas out for each stream, and a bell that the thread sleeps on.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use headwater_core::port::provider::{Delta, ProviderError, ProviderErrorKind};
use parking_lot::{Condvar, Mutex};
use tokio::sync::{mpsc, oneshot};

use headwater_core::limit::local as limit;

/// One answer that is asked for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) prompt: Vec<u32>,
    pub(super) max_tokens: usize,
    pub(super) temperature: f32,
    pub(super) stops: Vec<String>,
    pub(super) seed: u64,
    pub(super) out: mpsc::Sender<Result<Delta, ProviderError>>,
}

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    Ask(Ask),
    /// Compute this beginning and keep it.
    Warm {
        prompt: Vec<u32>,
        done: oneshot::Sender<()>,
    },
}

impl Job {
    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Ask(ask) => ask.out.is_closed(),
            Self::Warm { done, .. } => done.is_closed(),
        }
    }
}

/// What is shared between the callers and the thread.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) jobs: VecDeque<Job>,
    /// The provider was dropped: finish what runs, take nothing new.
    pub(super) closed: bool,
    /// The thread is gone.
    pub(super) dead: bool,
}

/// The door; see the module.
#[derive(Debug, Default)]
pub(super) struct Door {
    pub(super) inbox: Mutex<Inbox>,
    pub(super) bell: Condvar,
}

impl Door {
    /// Hands a job to the thread.
    ///
    /// # Errors
    /// `Busy` where the queue is full, `Unavailable` where the thread is gone.
    pub(super) fn hand_in(&self, job: Job) -> Result<(), ProviderError> {
        let mut inbox = self.inbox.lock();
        if inbox.dead || inbox.closed {
            return Err(ProviderError::new(ProviderErrorKind::Unavailable, "the local model has stopped"));
        }
        inbox.jobs.retain(|j| !j.is_abandoned());
        if inbox.jobs.len() >= limit::WAITING {
            return Err(ProviderError::new(
                ProviderErrorKind::Busy,
                format!("the local model has {} requests waiting already; try again soon", limit::WAITING),
            ));
        }
        inbox.jobs.push_back(job);
        self.bell.notify_one();
        Ok(())
    }

    /// Wakes the thread to look again. Taking the lock first means that the thread either has not
    /// looked yet or already sleeps: a wake-up cannot fall between.
    pub(super) fn ring(&self) {
        let _inbox = self.inbox.lock();
        self.bell.notify_one();
    }

    /// Asks the thread to end once its streams have.
    pub(super) fn close(&self) {
        self.inbox.lock().closed = true;
        self.bell.notify_one();
    }
}

/// The reader's end of one answer.
#[derive(Debug)]
pub(super) struct Answer {
    deltas: mpsc::Receiver<Result<Delta, ProviderError>>,
    door: Arc<Door>,
    ended: bool,
}

impl Answer {
    /// The two ends of a new answer.
    pub(super) fn new(door: Arc<Door>) -> (mpsc::Sender<Result<Delta, ProviderError>>, Self) {
        let (out, deltas) = mpsc::channel(limit::DELTAS);
        (out, Self { deltas, door, ended: false })
    }
}

impl Stream for Answer {
    type Item = Result<Delta, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = match self.deltas.poll_recv(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(next) => next,
        };
        // There is room again: the thread may have skipped this stream for want of it.
        self.door.ring();
        let item = next.unwrap_or_else(|| {
            Err(ProviderError::new(ProviderErrorKind::Interrupted, "the local model broke off"))
        });
        self.ended = !matches!(item, Ok(Delta::Text(_)));
        Poll::Ready(Some(item))
    }
}

impl Drop for Answer {
    /// Dropping is cancelling: the thread sees the closed channel before its next step.
    fn drop(&mut self) {
        self.deltas.close();
        if !self.ended {
            self.door.ring();
        }
    }
}
