//! After a crash: runs that were live end `interrupted`, and their partial text is kept.

use futures_util::{StreamExt, stream};
use headwater_core::code::{Code, Error};
use headwater_core::event::Outcome;
use headwater_core::limit;
use headwater_core::port::SharedStore;
use headwater_core::port::store::{AppendError, Batch};
use headwater_core::run::{Run, Tail};

use crate::clock::Clock;
use crate::engine::{Engine, first_event, store_failed};
use crate::writer::{ended, orphans_event};

/// What a start found of the life before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Runs that were live and are ended now.
    pub ended: usize,
    /// Runs that could not be ended; the log says why. They stay as they are until the next start.
    pub failed: usize,
}

/// Ends what a crash left, before anything new is taken. One run that cannot be ended keeps no other from
/// it, and the server from nothing.
///
/// # Errors
/// [`Code::StoreFailed`], where the store cannot even say which there are.
pub async fn recover(store: &SharedStore, clock: Clock) -> Result<Recovered, Error> {
    let left = store.live().await.map_err(store_failed)?;
    // Together, so that they share commits: two thousand of them must not take two thousand syncs.
    let endings = left
        .into_iter()
        .map(|run| async move { end(store, clock, &run, Outcome::Interrupted).await.is_ok() });
    let done: Vec<bool> = stream::iter(endings).buffer_unordered(limit::COMMIT_BATCHES).collect().await;
    let ended = done.iter().filter(|ok| **ok).count();
    Ok(Recovered { ended, failed: done.len() - ended })
}

impl Engine {
    /// Ends a run that nobody writes.
    pub(crate) async fn end_orphan(&self, run: &Run, outcome: Outcome) -> Result<Outcome, Error> {
        end(self.store(), self.clock(), run, outcome).await
    }
}

/// Takes a run over, gathers its text, appends the ending.
async fn end(store: &SharedStore, clock: Clock, run: &Run, outcome: Outcome) -> Result<Outcome, Error> {
    let tail = store.take_over(&run.id).await.map_err(|e| failed(run, &e))?;
    if let Some(outcome) = tail.outcome {
        return Ok(outcome);
    }
    let error = (outcome == Outcome::Interrupted).then(|| {
        Error::new(
            Code::Interrupted,
            "the server stopped before the answer was whole; what was written is kept, ask again",
        )
    });
    let mut events = Vec::new();
    if tail.seq == 0 {
        events.push(orphans_event(1, clock, first_event(run)));
    }
    events.push(orphans_event(tail.seq + events.len() as u64 + 1, clock, ended(outcome, error)));
    let batch = Batch { events, answer: Some(text(store, run, tail).await) };
    match store.append(&run.id, tail.term, batch).await {
        Ok(()) => Ok(outcome),
        // Somebody else was quicker: his ending counts.
        Err(AppendError::Ended | AppendError::StaleTerm | AppendError::Conflict) => {
            let tail = store.tail(&run.id).await.map_err(|e| failed(run, &e))?;
            tail.outcome
                .ok_or_else(|| Error::new(Code::StoreFailed, "somebody else writes this run; try again"))
        }
        Err(AppendError::Backend(e)) => Err(store_failed(e)),
    }
}

/// What was said of the answer, as far as it can be read: a damaged log must not stay without an ending.
async fn text(store: &SharedStore, run: &Run, tail: Tail) -> String {
    let mut answer = String::new();
    let mut from = 1;
    while from <= tail.seq {
        match store.read(&run.id, from, limit::BATCH_EVENTS, limit::BATCH_BYTES).await {
            Ok(events) => {
                let Some(last) = events.last() else { break };
                from = last.seq + 1;
                answer.extend(events.iter().filter_map(|e| e.body.text()));
            }
            Err(error) => {
                failed(run, &error);
                break;
            }
        }
    }
    answer
}

fn failed(run: &Run, error: &headwater_core::port::store::ReadError) -> Error {
    tracing::error!(run = %run.id, ?error, "a run cannot be recovered whole");
    Error::new(Code::StoreFailed, "the log of a run cannot be read")
}
