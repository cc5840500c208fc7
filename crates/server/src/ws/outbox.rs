//! What waits to be written to one socket, and whether writing makes progress.
//!
//! Holds at most one batch of events and [`limit::REPLIES`] replies. Progress is counted in bytes that the
//! kernel took, not in frames: a long frame over a slow line is progress, a full buffer is not.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::Sink;
use headwater_core::limit;
use tokio::time::{Duration, Instant};

use super::upgrade::Message;

/// How often a write that does not end is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: VecDeque<Message>,
    /// Of `waiting`, how many are replies.
    replies: usize,
    /// Something was given to the socket and is not known to have left it.
    unflushed: bool,
    written: Arc<AtomicU64>,
    /// The last time at which more bytes had left, and how many had then; while something waits.
    progress: Option<(Instant, u64)>,
}

impl Outbox {
    /// For a socket whose connection counts its bytes in `written`.
    pub(super) fn new(written: Arc<AtomicU64>) -> Self {
        Self { waiting: VecDeque::new(), replies: 0, unflushed: false, written, progress: None }
    }

    /// Frames that carry a run's events; only to be given while [`Outbox::is_empty`].
    pub(super) fn events(&mut self, frames: impl Iterator<Item = String>) {
        self.waiting.extend(frames.map(|text| Message::Text(text.into())));
    }

    /// Any other frame.
    pub(super) fn reply(&mut self, frame: Message) {
        self.replies += 1;
        self.waiting.push_back(frame);
    }

    /// Whether as many replies wait as may.
    pub(super) fn is_full(&self) -> bool {
        self.replies >= limit::REPLIES
    }

    /// Whether everything has left.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.unflushed
    }

    /// Gives up what has not been given to the socket: only a close frame can help now.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.replies = 0;
    }

    /// Writes until everything has left; frames that are ready together share a write.
    pub(super) fn poll_write<S: Sink<Message> + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        mut sink: Pin<&mut S>,
    ) -> Poll<Result<(), S::Error>> {
        while !self.waiting.is_empty() {
            ready!(sink.as_mut().poll_ready(cx))?;
            if let Some(frame) = self.waiting.pop_front() {
                sink.as_mut().start_send(frame)?;
                self.unflushed = true;
            }
        }
        ready!(sink.as_mut().poll_flush(cx))?;
        self.unflushed = false;
        self.replies = 0;
        self.progress = None;
        Poll::Ready(Ok(()))
    }

    /// When to ask [`Outbox::stalled`] next; `None` while nothing waits.
    pub(super) fn look_at(&mut self, now: Instant) -> Option<Instant> {
        if self.is_empty() {
            self.progress = None;
            return None;
        }
        let written = self.written.load(Ordering::Relaxed);
        self.progress.get_or_insert((now, written));
        Some(now + LOOK_EVERY)
    }

    /// Whether nothing has left for [`limit::WRITE_STALL`] although something waits.
    pub(super) fn stalled(&mut self, now: Instant) -> bool {
        let written = self.written.load(Ordering::Relaxed);
        match &mut self.progress {
            Some((since, before)) if written != *before => {
                (*since, *before) = (now, written);
                false
            }
            Some((since, _)) => now.duration_since(*since) >= limit::WRITE_STALL,
            None => false,
        }
    }
}
