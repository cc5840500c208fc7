//! The one owner task of a live run: numbers what the workflow says, stores it, and only then shows it.
//!
//! Everything that can happen to a run meets in one `select!`: the workflow's next event, its end, a
//! stop, a flush that came back, time. The flush is a future of its own, so a slow disk never keeps a
//! stop from reaching the model.

mod emit;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use headwater_core::event::{Body, Event, Failure, Outcome, Seq, Term};
use headwater_core::log::Log;
use headwater_core::port::bus::Hint;
use headwater_core::port::provider::{FinishReason, Usage};
use headwater_core::port::store::{AppendError, Batch};
use headwater_core::port::{SharedBus, SharedStore};
use headwater_core::{Code, Error, limit};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

pub use self::emit::{Emitter, Held, queue};
use crate::clock::Clock;
use crate::hub::LiveRun;
use crate::meter::has_tokens;
use crate::metrics::Metrics;
use crate::quota::Taken;
use crate::settings::{Settings, Unwatched};

/// How a workflow ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Why the model stopped.
    pub reason: FinishReason,
    /// What it used.
    pub usage: Usage,
}

/// A workflow at work.
pub type Work = Pin<Box<dyn Future<Output = Result<Finished, Error>> + Send>>;

/// What the writer needs besides the work.
pub struct Writer {
    /// The run, as viewers see it.
    pub live: Arc<LiveRun>,
    /// Where events are kept.
    pub store: SharedStore,
    /// Where hints go.
    pub bus: SharedBus,
    /// Where the time comes from.
    pub clock: Clock,
    /// What the operator set.
    pub settings: Settings,
    /// What its workflow leaves behind: what masking still holds back, and what was used.
    pub held: Held,
    /// Where it is counted.
    pub metrics: Metrics,
    /// What the run does.
    pub workflow: String,
    /// What it took of a quota, which comes back where it uses nothing.
    pub(crate) taken: Mutex<Option<Taken>>,
}

type Flushing = Pin<Box<dyn Future<Output = (Batch, Result<Term, Lost>)> + Send>>;

/// What has been numbered and is not stored yet.
#[derive(Default)]
struct Pending {
    events: Vec<Arc<Event>>,
    bytes: usize,
}

impl Pending {
    fn full(&self) -> bool {
        self.events.len() >= limit::FLUSH_EVENTS || self.bytes >= limit::FLUSH_BYTES
    }
}

/// How long a failed append waits before it is tried again, at first and at most: long enough to spare a
/// full disk, short enough that nobody sees the pause of a busy one.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MOST: Duration = Duration::from_secs(2);

/// How many run times a turn may wait for those before it in its session: as many as may wait, and itself.
const TURNS_IN_FRONT: u32 = limit::QUEUED_TURNS as u32 + 2;

/// The term in which a fresh run is written.
const FIRST_TERM: Term = 1;

/// When a run's tokens became visible.
struct Pace {
    began: Instant,
    last: Option<Instant>,
}

/// Why the owner stops writing without an ending of its own.
struct Lost;

impl Writer {
    /// Writes the run to its end. `first` is appended before anything that the work says.
    pub async fn drive(self, first: Body, work: Work, said: mpsc::Receiver<Body>) {
        if let Err(Lost) = self.write(first, work, said).await {
            // Somebody else ends it, or has. Who waits here must not wait for ever.
            self.live.lost();
        }
    }

    async fn write(&self, first: Body, work: Work, mut said: mpsc::Receiver<Body>) -> Result<(), Lost> {
        let mut log = Log::at(FIRST_TERM, 0, None);
        let mut pending = Pending::default();
        let (mut answer, mut said_bytes) = (String::new(), 0);
        let mut flushing: Option<Flushing> = None;
        let mut flush_at: Option<Instant> = None;
        // The first flush, and that of the first token and of the first thought, wait for nobody: those are what
        // a person waits for.
        let (mut first_token, mut first_thought) = (true, true);
        let mut work = Some(work);
        // A turn may wait for all those before it; its own time begins with its work.
        let mut deadline = Instant::now() + self.settings.run_time * TURNS_IN_FRONT;
        let mut begun = false;
        let mut viewers = self.live.viewers();
        let mut unwatched_since: Option<Instant> = None;
        let mut pace = Pace { began: Instant::now(), last: None };
        self.number(&mut log, &mut pending, &mut answer, first);
        let mut due = true;
        loop {
            if log.outcome().is_some() {
                due = true;
            }
            if flushing.is_none() && !pending.events.is_empty() && (due || pending.full()) {
                flushing = Some(self.flush(&log, &mut pending, &answer));
                due = false;
                flush_at = None;
            }
            if flushing.is_none() && log.outcome().is_some() {
                return Ok(());
            }
            let grace = match (self.settings.unwatched, unwatched_since) {
                (Unwatched::StopAfter(grace), Some(since)) => {
                    // Whoever asked is about to follow: without that time a grace of nothing would end every run.
                    Some(since + if self.live.was_left() { grace } else { grace.max(limit::FIRST_VIEWER) })
                }
                _ => None,
            };
            let running = work.is_some();
            let ending: Option<Body> = tokio::select! {
                biased;
                () = self.live.stop.cancelled(), if running => Some(ended(Outcome::Cancelled, None)),
                () = self.live.interrupt.cancelled(), if running => Some(ended(
                    Outcome::Interrupted,
                    Some(Error::new(Code::Interrupted, "the server was stopped before the answer was whole")),
                )),
                (batch, term) = pending_flush(&mut flushing), if flushing.is_some() => {
                    flushing = None;
                    log = Log::at(term?, log.tail(), log.outcome());
                    self.show(&batch, &mut pace);
                    None
                }
                result = pending_work(&mut work), if running => Some(match result {
                    Ok(done) => Body::RunEnded {
                        outcome: Outcome::Completed,
                        finish_reason: Some(done.reason),
                        error: None,
                        // Whoever ended it may not know of everybody who was asked.
                        usage: Some(self.held.meter.total().unwrap_or(done.usage)),
                    },
                    Err(error) => ended(Outcome::Failed, Some(error)),
                }),
                body = said.recv(), if running && !pending.full() => {
                    if let Some(body) = body {
                        if !begun {
                            begun = true;
                            deadline = Instant::now() + self.settings.run_time;
                            let watch = *viewers.borrow_and_update();
                            unwatched_since = (watch == 0).then(Instant::now);
                        }
                        said_bytes += words(&body);
                        due |= match &body {
                            Body::Token { .. } => std::mem::take(&mut first_token),
                            Body::Reasoning { .. } => std::mem::take(&mut first_thought),
                            Body::CodeDelta { .. } => false,
                            _ => true,
                        };
                        self.number(&mut log, &mut pending, &mut answer, body);
                        flush_at.get_or_insert_with(|| Instant::now() + self.settings.flush_after);
                    } else {
                        // The work holds the other end; it is about to say how it ended.
                        tokio::task::yield_now().await;
                    }
                    (said_bytes > limit::ANSWER_BYTES).then(|| ended(
                        Outcome::Failed,
                        Some(Error::new(Code::TooLarge, "the model's answer is longer than an answer may be")),
                    ))
                }
                () = sleep_to(flush_at), if flush_at.is_some() => { due = true; flush_at = None; None }
                () = sleep_until(deadline), if running => Some(ended(
                    Outcome::Failed,
                    Some(Error::new(Code::RunTimeout, "the answer took longer than a run may take; what was written is kept")),
                )),
                changed = viewers.changed(), if running => {
                    if changed.is_ok() {
                        let watch = *viewers.borrow_and_update();
                        unwatched_since = (begun && watch == 0).then(Instant::now);
                    }
                    None
                }
                () = sleep_to(grace), if running && grace.is_some() => Some(ended(Outcome::Cancelled, None)),
            };
            if let Some(ending) = ending {
                // Dropping the work drops the provider's stream: the model stops now. What it had said
                // before is kept; what it would say after never gets a number.
                work = None;
                while let Ok(body) = said.try_recv() {
                    self.number(&mut log, &mut pending, &mut answer, body);
                }
                said.close();
                if let Some(rest) = self.held.finish() {
                    self.number(&mut log, &mut pending, &mut answer, rest);
                }
                let ending = self.with_usage(ending);
                self.number(&mut log, &mut pending, &mut answer, ending);
            }
        }
    }

    /// An answer that did not end by itself has used something too.
    fn with_usage(&self, mut ending: Body) -> Body {
        if let Body::RunEnded { usage: usage @ None, .. } = &mut ending {
            *usage = self.held.meter.total();
        }
        ending
    }

    fn number(&self, log: &mut Log, pending: &mut Pending, answer: &mut String, body: Body) {
        if let Some(text) = body.text() {
            answer.push_str(text);
        }
        // Refused only after the ending, where the caller has nothing to say any more.
        if let Ok(event) = log.append(log.term(), self.clock.wall(), body) {
            pending.bytes += event.body.weight();
            pending.events.push(Arc::new(event));
        }
    }

    fn flush(&self, log: &Log, pending: &mut Pending, answer: &str) -> Flushing {
        let events = std::mem::take(pending).events;
        let mut batch = Batch { events, answer: None };
        if batch.outcome().is_some() {
            batch.answer = Some(answer.to_owned());
        }
        let (store, live, term) = (Arc::clone(&self.store), Arc::clone(&self.live), log.term());
        let metrics = self.metrics.clone();
        let last = batch.events.last().map(|event| &event.body);
        let unused = last.is_some_and(ended_for_nothing).then(|| self.taken.lock().take()).flatten();
        let clock = self.clock;
        Box::pin(async move {
            let began = Instant::now();
            let result = append(&store, &live, term, &batch).await;
            metrics.flushed(batch.events.len(), began.elapsed());
            // Before the ending is shown: whoever sees it may ask at once how many are left.
            if let (Some(taken), Ok(_)) = (unused, &result) {
                taken.give_back(&store, clock.wall()).await;
            }
            (batch, result)
        })
    }

    /// The store has it: now viewers may.
    fn show(&self, batch: &Batch, pace: &mut Pace) {
        let Some(last) = batch.events.last() else { return };
        if batch.events.iter().any(|e| e.body.text().is_some()) {
            let now = Instant::now();
            match pace.last.replace(now) {
                None => self.metrics.first_token(&self.workflow, now - pace.began),
                Some(before) => self.metrics.token_gap(now - before),
            }
        }
        if let Body::RunEnded { outcome, finish_reason, .. } = &last.body {
            self.metrics.run_ended(&self.workflow, *outcome, *finish_reason);
            self.held.meter.close().iter().for_each(|spent| self.metrics.spent(spent));
        }
        self.live.stored(&batch.events, batch.outcome());
        self.bus.publish(&self.live.id, Hint { tail: last.seq, ended: last.body.is_ending() });
    }
}

/// Stores a batch, for as long as that takes: the writer hears a stop meanwhile. Returns the term in which
/// it goes on.
async fn append(store: &SharedStore, live: &LiveRun, term: Term, batch: &Batch) -> Result<Term, Lost> {
    match store.append(&live.id, term, batch.clone()).await {
        Ok(()) => return Ok(term),
        Err(AppendError::Backend(why)) => {
            tracing::warn!(run = %live.id, %why, "the log cannot be written; trying again");
        }
        Err(error) => {
            tracing::error!(run = %live.id, ?error, "another owner writes this run; this one stops");
            return Err(Lost);
        }
    }
    let mut wait = RETRY_FIRST;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(RETRY_MOST),
            // Left as it is: whoever starts next ends it as interrupted.
            () = live.interrupt.cancelled() => return Err(Lost),
        }
        match retry(store, live, batch).await {
            Ok(term) => return Ok(term),
            Err(Retry::Lost) => return Err(Lost),
            Err(Retry::Again(why)) => {
                tracing::warn!(run = %live.id, %why, "the log cannot be written; trying again");
            }
        }
    }
}

/// After a failed append nobody knows what was stored: takes the run over anew, reads the tail, and
/// stores what is missing.
async fn retry(store: &SharedStore, live: &LiveRun, batch: &Batch) -> Result<Term, Retry> {
    let tail = store.take_over(&live.id).await.map_err(|e| Retry::Again(format!("{e:?}")))?;
    let events: Vec<_> = batch.events.iter().filter(|e| e.seq > tail.seq).cloned().collect();
    if events.is_empty() {
        return Ok(tail.term);
    }
    let missing = Batch { events, answer: batch.answer.clone() };
    match store.append(&live.id, tail.term, missing).await {
        Ok(()) => Ok(tail.term),
        Err(AppendError::Backend(why)) => Err(Retry::Again(why.to_string())),
        Err(_) => Err(Retry::Lost),
    }
}

enum Retry {
    Again(String),
    Lost,
}

/// An ending without a model's own word.
#[must_use]
pub fn ended(outcome: Outcome, error: Option<Error>) -> Body {
    Body::RunEnded { outcome, finish_reason: None, error: error.map(failure), usage: None }
}

/// An error as the log has it.
#[must_use]
pub(crate) fn failure(error: Error) -> Failure {
    Failure {
        code: error.code.as_str().to_owned(),
        message: error.message,
        recoverable: error.code.retryable(),
        retry_after: error.retry_after,
    }
}

/// An event of a run that nobody writes any more.
pub(crate) fn orphans_event(seq: Seq, clock: Clock, body: Body) -> Arc<Event> {
    Arc::new(Event { seq, at: clock.wall(), body })
}

/// Whether a run ends here with no answer, and no model did anything for it.
fn ended_for_nothing(body: &Body) -> bool {
    match body {
        Body::RunEnded { outcome, usage, .. } => {
            *outcome != Outcome::Completed && !usage.as_ref().is_some_and(has_tokens)
        }
        _ => false,
    }
}

/// Bytes of what a model says in it: the answer, what it thinks, whom it cites.
pub(crate) fn words(body: &Body) -> usize {
    match body {
        Body::Token { text }
        | Body::Reasoning { text }
        | Body::Thought { text, .. }
        | Body::CodeDelta { text, .. } => text.len(),
        Body::Cited { .. } => body.weight(),
        _ => 0,
    }
}

async fn pending_flush(flushing: &mut Option<Flushing>) -> (Batch, Result<Term, Lost>) {
    match flushing {
        Some(flush) => flush.await,
        None => std::future::pending().await,
    }
}

async fn pending_work(work: &mut Option<Work>) -> Result<Finished, Error> {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

async fn sleep_to(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
