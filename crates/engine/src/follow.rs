//! One viewer of one run: the pure [`Viewer`] with hints, the ring of recent events and the store around
//! it. A live viewer, a late joiner, a resumed socket and a replay are all this.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use headwater_core::code::{Code, Error};
use headwater_core::event::{Event, Seq};
use headwater_core::port::SharedStore;
use headwater_core::port::bus::Hints;
use headwater_core::port::store::ReadError;
use headwater_core::run::Tail;
use headwater_core::viewer::{Step, Viewer};
use headwater_core::{RunId, limit};
use tokio::time::{Sleep, sleep_until};

use crate::clock::Clock;
use crate::engine::unreadable;
use crate::hub::{LiveRun, Watching};
use crate::metrics::{Metrics, Place};

/// What a viewer is handed.
#[derive(Debug, Clone)]
pub enum Followed {
    /// The next events, in order, without gaps; bounded by `limit::BATCH_*`.
    Events(Vec<Arc<Event>>),
    /// Nothing happened for a while; the client should hear that the stream lives.
    Heartbeat,
    /// Everything was delivered and nothing will follow.
    End,
}

enum Read {
    Events(Result<Vec<Arc<Event>>, ReadError>),
    Tail(Result<Tail, ReadError>),
}

/// What a viewer needs of its engine.
pub(crate) struct Around {
    pub(crate) store: SharedStore,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
}

/// One viewer of one run. Holds a position and at most one batch; dropping it costs the run nothing.
pub struct Follow {
    run: RunId,
    viewer: Viewer,
    hints: Hints,
    live: Option<(Arc<LiveRun>, Watching)>,
    store: SharedStore,
    clock: Clock,
    metrics: Metrics,
    /// Wakes whoever polled `next` last, also after that future was dropped.
    alarm: Option<Pin<Box<Sleep>>>,
    /// A read in progress survives when `next` is dropped and called again.
    reading: Option<Pin<Box<dyn Future<Output = Read> + Send>>>,
}

impl Follow {
    /// A viewer after `after` of a log that stood at `tail`. The subscription to hints must be older than
    /// that look.
    pub(crate) fn new(
        run: RunId,
        after: Seq,
        tail: Tail,
        hints: Hints,
        live: Option<Arc<LiveRun>>,
        around: Around,
    ) -> Self {
        let Around { store, clock, metrics } = around;
        let live = live.map(|live| {
            let watching = live.watch();
            (live, watching)
        });
        let now = clock.steady();
        let mut viewer = Viewer::new(after, now);
        viewer.on_tail(tail, now);
        Self { run, viewer, hints, live, store, clock, metrics, alarm: None, reading: None }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The last event handed out.
    #[must_use]
    pub fn cursor(&self) -> Seq {
        self.viewer.cursor()
    }

    /// The next thing for this viewer. May be dropped at any point and called again: nothing is lost.
    ///
    /// # Errors
    /// The log cannot be read: [`Code::CursorExpired`], [`Code::NotFound`], [`Code::StoreFailed`].
    pub async fn next(&mut self) -> Result<Followed, Error> {
        loop {
            while let Some(Some(hint)) = self.hints.next().now_or_never() {
                self.viewer.on_hint(hint.tail, hint.ended);
            }
            if let Some(reading) = &mut self.reading {
                let read = reading.await;
                self.reading = None;
                let now = self.clock.steady();
                match read {
                    Read::Events(events) => {
                        let events = events.map_err(|e| self.unreadable(e))?;
                        self.metrics.viewer_read(Place::Store);
                        if let Some(batch) = self.deliver(events)? {
                            return Ok(batch);
                        }
                    }
                    Read::Tail(tail) => {
                        let tail = tail.map_err(|e| self.unreadable(e))?;
                        self.viewer.on_tail(tail, now);
                    }
                }
                continue;
            }
            match self.viewer.step(self.clock.steady()) {
                Step::Read { from } => {
                    if let Some(recent) = self.live.as_ref().and_then(|(live, _)| live.recent(from)) {
                        self.metrics.viewer_read(Place::Ring);
                        if let Some(batch) = self.deliver(recent)? {
                            return Ok(batch);
                        }
                        continue;
                    }
                    let (store, run) = (Arc::clone(&self.store), self.run.clone());
                    self.reading = Some(Box::pin(async move {
                        Read::Events(store.read(&run, from, limit::BATCH_EVENTS, limit::BATCH_BYTES).await)
                    }));
                }
                Step::Check => {
                    let (store, run) = (Arc::clone(&self.store), self.run.clone());
                    self.reading = Some(Box::pin(async move { Read::Tail(store.tail(&run).await) }));
                }
                Step::Heartbeat => return Ok(Followed::Heartbeat),
                Step::End => return Ok(Followed::End),
                Step::Wait { until } => {
                    let until = self.clock.instant(until);
                    let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
                    if alarm.deadline() != until {
                        alarm.as_mut().reset(until);
                    }
                    tokio::select! {
                        hint = self.hints.next() => match hint {
                            Some(hint) => self.viewer.on_hint(hint.tail, hint.ended),
                            // The bus ended: the checks go on.
                            None => self.hints = Box::pin(futures_util::stream::pending()),
                        },
                        () = alarm => {}
                    }
                }
            }
        }
    }

    fn deliver(&mut self, mut events: Vec<Arc<Event>>) -> Result<Option<Followed>, Error> {
        let skip = self.viewer.on_batch(&events, self.clock.steady()).map_err(|gap| {
            tracing::error!(run = %self.run, ?gap, "the log has a gap");
            Error::new(Code::StoreFailed, "the log of this run cannot be read whole; ask the operator")
        })?;
        events.drain(..skip);
        Ok((!events.is_empty()).then_some(Followed::Events(events)))
    }

    fn unreadable(&self, error: ReadError) -> Error {
        unreadable(error, |why| {
            tracing::error!(run = %self.run, %why, "the log cannot be read");
            Error::new(
                Code::StoreFailed,
                "the log cannot be read at the moment; resume from your last cursor",
            )
        })
    }
}
