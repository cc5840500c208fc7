//! After a crash: runs that were live end `interrupted`, and their partial text is kept.

use futures_util::{StreamExt, TryStreamExt, stream};
use headwater_core::code::{Code, Error};
use headwater_core::event::Outcome;
use headwater_core::limit;
use headwater_core::port::store::{AppendError, Batch};
use headwater_core::run::Run;

use crate::engine::{Engine, store_failed};
use crate::writer::{ended, last_event};

impl Engine {
    /// Ends what a crash left, before anything new is taken. Returns how many runs there were.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn recover(&self) -> Result<usize, Error> {
        let left = self.store().live().await.map_err(store_failed)?;
        let count = left.len();
        // Together, so that they share commits: two thousand of them must not take two thousand syncs.
        let endings = left.into_iter().map(|run| async move { self.end_orphan(&run, Outcome::Interrupted).await });
        stream::iter(endings).buffer_unordered(limit::COMMIT_BATCHES).try_collect::<Vec<_>>().await?;
        Ok(count)
    }

    /// Ends a run that nobody writes: takes it over, gathers its text, appends the ending.
    pub(crate) async fn end_orphan(&self, run: &Run, outcome: Outcome) -> Result<Outcome, Error> {
        let tail = self.store().take_over(&run.id).await.map_err(|e| failed(&e))?;
        if let Some(outcome) = tail.outcome {
            return Ok(outcome);
        }
        let mut answer = String::new();
        let mut from = 1;
        while from <= tail.seq {
            let read = self.store().read(&run.id, from, limit::BATCH_EVENTS, limit::BATCH_BYTES).await;
            let events = read.map_err(|e| failed(&e))?;
            let Some(last) = events.last() else { break };
            from = last.seq + 1;
            answer.extend(events.iter().filter_map(|e| e.body.text()));
        }
        let error = (outcome == Outcome::Interrupted).then(|| {
            Error::new(
                Code::Interrupted,
                "the server stopped before the answer was whole; what was written is kept, ask again",
            )
        });
        let events = vec![last_event(tail.seq + 1, self.clock(), ended(outcome, error))];
        let batch = Batch { events, answer: Some(answer) };
        match self.store().append(&run.id, tail.term, batch).await {
            Ok(()) => Ok(outcome),
            // Somebody else was quicker: his ending counts.
            Err(AppendError::Ended | AppendError::StaleTerm | AppendError::Conflict) => {
                let tail = self.store().tail(&run.id).await.map_err(|e| failed(&e))?;
                Ok(tail.outcome.unwrap_or(outcome))
            }
            Err(AppendError::Backend(e)) => Err(store_failed(e)),
        }
    }
}

fn failed(error: &headwater_core::port::store::ReadError) -> Error {
    tracing::error!(?error, "a run cannot be recovered");
    Error::new(Code::StoreFailed, "the log of a run cannot be read")
}
