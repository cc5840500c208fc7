//! From a body to deltas: frames, the decoder on top, and the clocks of who waits.
//!
//! This is what every token passes, so it is written for that: one timer for all clocks, which is armed
//! anew only when it fires or must fire earlier, and one buffer for what a frame says.

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use headwater_core::limit;
use headwater_core::port::provider::{Delta, ProviderError};
use tokio::time::{Instant, Sleep, sleep_until};

pub use super::clocks::Timeouts;
pub(crate) use super::clocks::said;
use super::clocks::{Clocks, Missing};
use super::frames::{BodyError, Frame, frames};
use super::{Decoder, Eof, Framing};

/// The deltas of a body to a request that was sent when it was `asked`. Dropping it drops the body.
pub fn deltas<S, E>(
    body: S,
    framing: Framing,
    decoder: Box<dyn Decoder>,
    timeouts: Timeouts,
    asked: Instant,
) -> Reading
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Send + 'static,
{
    let heard = Arc::new(AtomicBool::new(false));
    let (ear, mut bytes) = (heard.clone(), 0u64);
    let body = body.map(move |item| {
        // One thread at a time polls a stream, and it reads the mark after it: no order is needed.
        ear.store(true, Ordering::Relaxed);
        let piece = item.map_err(|_| BodyError::Broken)?;
        bytes = bytes.saturating_add(piece.len() as u64);
        if bytes > limit::PROVIDER_ANSWER_BYTES { Err(BodyError::Endless) } else { Ok(piece) }
    });
    let clocks = Clocks::new(timeouts, asked);
    Reading {
        frames: frames(body, framing),
        heard,
        decoder,
        gathered: 0,
        ready: Vec::new(),
        error: None,
        over: false,
        waiting: false,
        timer: Box::pin(sleep_until(clocks.next().0)),
        clocks,
    }
}

/// A body that is being read; see [`deltas`].
pub struct Reading {
    frames: BoxStream<'static, Result<Frame, BodyError>>,
    /// Whether bytes have come since somebody looked.
    heard: Arc<AtomicBool>,
    decoder: Box<dyn Decoder>,
    gathered: usize,
    /// What the last frame said, the first at the end.
    ready: Vec<Delta>,
    /// What is said after it.
    error: Option<ProviderError>,
    over: bool,
    /// Whether the reader has been waiting since he got the last delta.
    waiting: bool,
    clocks: Clocks,
    timer: Pin<Box<Sleep>>,
}

impl Reading {
    /// Frames and parts that were skipped because they are not known.
    pub fn skipped(&self) -> u64 {
        self.decoder.skipped()
    }

    fn take(&mut self, item: Option<Result<Frame, BodyError>>) {
        let result = match item {
            Some(Ok(frame)) => self.decoder.push(frame.event.as_deref(), &frame.data, &mut self.ready),
            None => self.decoder.finish(Eof::Clean, &mut self.ready),
            Some(Err(_)) if self.decoder.has_finished() => self.decoder.finish(Eof::Broken, &mut self.ready),
            Some(Err(error)) => Err(error.into()),
        };
        self.over = result.is_err() || self.decoder.is_over();
        self.error = result.err();
        let mut more = self.ready.iter().any(Delta::is_visible);
        if more {
            self.clocks.spoken();
        } else if self.decoder.gathered() != self.gathered {
            self.gathered = self.decoder.gathered();
            self.clocks.moved(Instant::now());
            more = true;
        }
        self.clocks.finished(self.decoder.has_finished(), more, Instant::now());
        self.ready.reverse();
    }

    /// The host has nothing for us now. `Ready` if something is missing by now.
    fn poll_missing(&mut self, context: &mut Context<'_>) -> Poll<Missing> {
        let now = Instant::now();
        let heard = self.heard.swap(false, Ordering::Relaxed);
        if !std::mem::replace(&mut self.waiting, true) {
            self.clocks.waiting(now);
        } else if heard {
            self.clocks.heard(now);
        }
        let (at, missing) = self.clocks.next();
        if at <= now {
            return Poll::Ready(missing);
        }
        // It may be armed for a time that has moved on since: then it fires too early, once, which costs
        // less than arming it with every token.
        if self.timer.deadline() > at || self.timer.as_mut().poll(context).is_ready() {
            self.timer.as_mut().reset(at);
            std::task::ready!(self.timer.as_mut().poll(context));
            return Poll::Ready(missing);
        }
        Poll::Pending
    }

    fn miss(&mut self, missing: Missing) {
        if missing == Missing::Usage {
            return self.take(None);
        }
        self.error = Some(self.clocks.error(missing));
        self.over = true;
    }
}

impl Stream for Reading {
    type Item = Result<Delta, ProviderError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(delta) = this.ready.pop() {
                this.waiting = false;
                return Poll::Ready(Some(Ok(delta)));
            }
            if let Some(error) = this.error.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if this.over {
                return Poll::Ready(None);
            }
            match this.frames.as_mut().poll_next(context) {
                Poll::Ready(item) => this.take(item),
                Poll::Pending => {
                    let missing = std::task::ready!(this.poll_missing(context));
                    this.miss(missing);
                }
            }
        }
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("over", &self.over).finish_non_exhaustive()
    }
}
