//! One `watch` for each run that somebody follows; what both buses are made of.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream;
use headwater_core::RunId;
use headwater_core::port::bus::{Hint, Hints};
use parking_lot::Mutex;
use tokio::sync::watch;

/// What stands in a channel before the first hint. Nobody sees it: a subscription begins with what
/// arrives after it.
const NOTHING: Hint = Hint { tail: 0, ended: false };

/// The channels of all runs that have subscriptions; a run without them has no entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Channels {
    runs: Arc<Mutex<HashMap<RunId, watch::Sender<Hint>>>>,
}

impl Channels {
    /// Hands `hint` to whoever follows `run`. `merge` says what stands in the channel afterwards, given
    /// what stood there. Every delivery wakes, also one that changes nothing: whoever subscribed after the
    /// first time that a tail was told has not heard of it.
    pub(crate) fn deliver(&self, run: &RunId, hint: Hint, merge: fn(Hint, Hint) -> Hint) {
        if let Some(channel) = self.runs.lock().get(run) {
            channel.send_modify(|stands| *stands = merge(*stands, hint));
        }
    }

    /// What arrives for `run` after this returned.
    pub(crate) fn subscribe(&self, run: &RunId) -> Hints {
        let receiver = {
            let mut runs = self.runs.lock();
            runs.entry(run.clone()).or_insert_with(|| watch::Sender::new(NOTHING)).subscribe()
        };
        let subscription =
            Subscription { channels: self.clone(), run: run.clone(), receiver: Some(receiver) };
        Box::pin(stream::unfold(subscription, |mut subscription| async move {
            let receiver = subscription.receiver.as_mut()?;
            // The sender lives in the map for as long as this receiver does, so this is never an error.
            receiver.changed().await.ok()?;
            let hint = *receiver.borrow_and_update();
            Some((hint, subscription))
        }))
    }

    /// How many runs have an entry.
    pub(crate) fn runs(&self) -> usize {
        self.runs.lock().len()
    }
}

/// One receiver; takes the run's entry with it when it was the last.
struct Subscription {
    channels: Channels,
    run: RunId,
    receiver: Option<watch::Receiver<Hint>>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Counted under the same lock that subscribes: nobody can join between the count and the removal.
        let mut runs = self.channels.runs.lock();
        drop(self.receiver.take());
        if runs.get(&self.run).is_some_and(|channel| channel.receiver_count() == 0) {
            runs.remove(&self.run);
        }
    }
}
