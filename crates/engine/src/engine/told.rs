//! A session as it is told afterwards: what was said, and what the logs know of each answer.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use headwater_core::code::Error;
use headwater_core::event::{Body, Emotion};
use headwater_core::port::provider::Usage;
use headwater_core::port::store::{Exchange, ReadError};
use headwater_core::run::{Message, Run};
use headwater_core::{Millis, Principal, RunId, SessionId, UserId, limit};

use super::{Engine, store_failed};

/// A piece of a session.
#[derive(Debug, Clone)]
pub struct Retold {
    /// Oldest first.
    pub turns: Vec<Turn>,
    /// How many messages the whole session has.
    pub messages: usize,
    /// When it began.
    pub started: Millis,
}

/// A run with what is said in it and known of it.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The run.
    pub run: Run,
    /// The question, then the answer where there is one; none where they are no longer kept.
    pub messages: Vec<Message>,
    /// How the person seemed to feel, where that stands in the first [`limit::BATCH_BYTES`] of the log: it is guessed
    /// from the question, beside the first words of the answer.
    pub felt: Option<Emotion>,
    /// What it taught of the person's ability, where that stands right before the ending, or early as `felt` does.
    pub learned: Option<Learned>,
    /// What the answer used.
    pub usage: Option<Usage>,
    /// How long it took; `None` while it lives.
    pub took: Option<Duration>,
}

/// What a turn taught of somebody's ability.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// In what.
    pub subject: String,
    /// 0 to 1.
    pub ability: f64,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
}

/// Events at the end of a log that are read: how it ended, and before it what was learned.
const LATE: u64 = 2;

impl Engine {
    /// The newest `most` runs of this user's session, or of the one that the named owner shares with him (older than
    /// `before` where given), with what is said in them. Two small reads of each run's log, [`limit::STORE_READERS`] at once.
    ///
    /// # Errors
    /// [`headwater_core::Code::NotFound`] "Session not found", also for another's that is not shared with him;
    /// [`headwater_core::Code::StoreFailed`].
    pub async fn retell(
        &self,
        who: &Principal,
        owner: Option<&UserId>,
        session: &SessionId,
        before: Option<&RunId>,
        most: usize,
    ) -> Result<Retold, Error> {
        let store = &self.inner.store;
        let owner = self.whose(who, owner, session).await?;
        let most = most.clamp(1, limit::HISTORY_RUNS + 1);
        let found = store.conversation(&owner, session, before, most).await.map_err(store_failed)?;
        let mut found = found.ok_or_else(|| Error::not_found("Session"))?;
        if !self.is_place(who, &owner, Some(session), before).await? {
            found.exchanges.clear();
        }
        let turns = stream::iter(found.exchanges).map(|exchange| self.look(exchange));
        let turns = turns.buffered(limit::STORE_READERS).try_collect().await?;
        Ok(Retold { turns, messages: found.messages, started: found.started })
    }

    async fn look(&self, exchange: Exchange) -> Result<Turn, Error> {
        let Exchange { run, messages } = exchange;
        let (mut felt, mut learned, mut usage, mut took) = (None, None, None, None);
        let page = async |first, most, bytes| match self.inner.store.read(&run.id, first, most, bytes).await {
            Ok(events) => Ok(events),
            // What is no longer kept is not known.
            Err(ReadError::Trimmed { .. } | ReadError::NotFound) => Ok(Vec::new()),
            Err(ReadError::Backend(error)) => Err(store_failed(error)),
        };
        let mut seen = page(1, limit::BATCH_EVENTS, limit::BATCH_BYTES).await?;
        if let Some(last) = seen.last().filter(|last| run.tail.outcome.is_some() && last.seq < run.tail.seq) {
            let late = (last.seq + 1).max(run.tail.seq.saturating_sub(LATE - 1));
            seen.extend(page(late, limit::BATCH_EVENTS, limit::BATCH_BYTES).await?);
        }
        for event in &seen {
            match &event.body {
                Body::Felt { emotion } => felt = Some(emotion.clone()),
                Body::AbilityLearned { subject, ability, confidence } => {
                    let (ability, confidence) = (*ability, *confidence);
                    learned = Some(Learned { subject: subject.clone(), ability, confidence });
                }
                Body::RunEnded { usage: used, .. } => {
                    usage = *used;
                    took = Some(run.created_at.until(event.at));
                }
                _ => {}
            }
        }
        Ok(Turn { run, messages, felt, learned, usage, took })
    }
}
