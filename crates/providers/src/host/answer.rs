//! One answer of a host: its place on a connection, what is counted of it, and what nobody may read in its errors.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use headwater_core::port::provider::{Delta, ProviderError, ProviderErrorKind};

use super::Secrets;
use super::pool::Slot;
use super::reply::named;
use crate::metrics::Metrics;
use crate::wire::deltas::Reading;

/// Counts a request once, when it is over, whatever becomes of it.
#[derive(Debug)]
pub(super) struct Counted {
    metrics: Metrics,
    provider: String,
    /// `dropped` until it is known better: nobody wanted it any more.
    outcome: &'static str,
    open: bool,
}

impl Counted {
    pub(super) fn new(metrics: Metrics, provider: String) -> Self {
        Self { metrics, provider, outcome: "dropped", open: false }
    }

    /// The host has begun to answer.
    fn begun(&mut self) {
        self.open = true;
        self.metrics.open(&self.provider, 1);
    }

    pub(super) fn failed(&mut self, error: &ProviderError) {
        self.outcome = match error.kind {
            ProviderErrorKind::Unavailable => "unavailable",
            ProviderErrorKind::Busy => "busy",
            ProviderErrorKind::KeyMissing => "key_missing",
            ProviderErrorKind::Refused => "refused",
            ProviderErrorKind::Timeout => "timeout",
            ProviderErrorKind::Interrupted => "interrupted",
            ProviderErrorKind::Failed => "failed",
        };
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.request(&self.provider, self.outcome);
        if self.open {
            self.metrics.open(&self.provider, -1);
        }
    }
}

/// The deltas of a host's answer. Dropping it closes the connection, or the answer's stream on it.
#[derive(Debug)]
pub(super) struct Answer {
    // First, so that the place is given back after the stream is closed.
    reading: Reading,
    /// What was not offered cannot be called: some models try.
    offered: bool,
    secrets: Arc<Secrets>,
    request_id: String,
    counted: Counted,
    _slot: Slot,
}

impl Answer {
    pub(super) fn new(
        reading: Reading,
        offered: bool,
        secrets: Arc<Secrets>,
        request_id: String,
        mut counted: Counted,
        slot: Slot,
    ) -> Self {
        counted.begun();
        Self { reading, offered, secrets, request_id, counted, _slot: slot }
    }
}

impl Stream for Answer {
    type Item = Result<Delta, ProviderError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let item = match std::task::ready!(Pin::new(&mut this.reading).poll_next(context)) {
                Some(Ok(Delta::ToolCall(_))) if !this.offered => continue,
                Some(Ok(delta)) => {
                    if matches!(delta, Delta::End { .. }) {
                        this.counted.outcome = "completed";
                    }
                    Some(Ok(delta))
                }
                Some(Err(error)) => {
                    this.counted.failed(&error);
                    Some(Err(named(this.secrets.hidden(error), &this.request_id)))
                }
                None => None,
            };
            return Poll::Ready(item);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.counted.metrics.skipped(&self.counted.provider, self.reading.skipped());
    }
}
