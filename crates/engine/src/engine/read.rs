//! How a run is read: from which position, by a viewer, by pages; and what a session has said.

use std::collections::HashMap;
use std::sync::Arc;

use headwater_core::code::{Code, Error};
use headwater_core::cursor::{Cursor, check_position};
use headwater_core::event::{Event, Seq};
use headwater_core::port::SharedStore;
use headwater_core::port::store::{ReadError, StoreError};
use headwater_core::run::{Message, Run, Tail};
use headwater_core::{Principal, RunId, SessionId, UserId, limit};

use super::{Engine, store_failed};
use crate::follow::{Around, Follow};

impl Engine {
    /// Follows a run from a position. What this user may not see does not exist for him.
    ///
    /// # Errors
    /// [`Code::NotFound`], the cursor codes, [`Code::StoreFailed`].
    pub async fn follow(&self, who: &Principal, run: &RunId, from: &From) -> Result<Follow, Error> {
        Ok(self.view(who, run, from, false).await?.follow)
    }

    /// The same, with the run as it stands. `whole`: the position is checked, and the log is read from its
    /// beginning all the same.
    ///
    /// # Errors
    /// As [`Engine::follow`].
    pub async fn view(&self, who: &Principal, run: &RunId, from: &From, whole: bool) -> Result<View, Error> {
        // Subscribe first, look second: what comes between is hinted at.
        let hints = self.inner.bus.subscribe(run);
        let found = self.run(who, run).await?;
        let after = from.position(run, found.tail)?;
        let live = self.inner.hub.get(run);
        let begin = if whole { 0 } else { after };
        let around = Around {
            store: Arc::clone(&self.inner.store),
            clock: self.inner.clock,
            metrics: self.inner.metrics.clone(),
        };
        let follow = Follow::new(run.clone(), begin, found.tail, hints, live, around);
        Ok(View { run: found, after, follow })
    }

    /// One page of a run's log, for clients that poll.
    ///
    /// # Errors
    /// As [`Engine::follow`].
    pub async fn page(
        &self,
        who: &Principal,
        run: &RunId,
        from: &From,
    ) -> Result<(Run, Vec<Arc<Event>>), Error> {
        let found = self.run(who, run).await?;
        let after = from.position(run, found.tail)?;
        let read = self.inner.store.read(run, after + 1, limit::BATCH_EVENTS, limit::BATCH_BYTES).await;
        Ok((found, read.map_err(|error| unreadable(error, store_failed))?))
    }

    /// The newest `most` messages of this user's session, or of the one that the named owner shares with him, turn by
    /// turn, oldest first.
    ///
    /// # Errors
    /// [`Code::NotFound`]: another's that is not there or not shared with him; [`Code::StoreFailed`].
    pub async fn history(
        &self,
        who: &Principal,
        owner: Option<&UserId>,
        session: &SessionId,
        most: usize,
    ) -> Result<Vec<Message>, Error> {
        let owner = self.whose(who, owner, session).await?;
        history_of(&self.inner.store, &owner, session, most).await
    }
}

/// From where a run is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// After this number; 0 is the beginning.
    After(Seq),
    /// After the event of this cursor.
    Cursor(Cursor),
}

/// A run, seen from a position.
pub struct View {
    /// The run as it stood when the viewer came.
    pub run: Run,
    /// After which event it is followed.
    pub after: Seq,
    /// The viewer.
    pub follow: Follow,
}

impl From {
    fn position(&self, run: &RunId, tail: Tail) -> Result<Seq, Error> {
        match self {
            Self::After(seq) => check_position(*seq, tail.seq),
            Self::Cursor(cursor) => cursor.position_in(run, tail),
        }
    }
}

/// The newest messages of this user's own session, turn by turn: nobody's prompt has what another said, shared or not.
pub(crate) async fn history(
    store: &SharedStore,
    who: &Principal,
    session: &SessionId,
    most: usize,
) -> Result<Vec<Message>, Error> {
    history_of(store, &who.user, session, most).await
}

/// A question that was asked while the one before it was being answered is stored before that answer, and belongs
/// behind it.
async fn history_of(
    store: &SharedStore,
    owner: &UserId,
    session: &SessionId,
    most: usize,
) -> Result<Vec<Message>, Error> {
    let mut messages = store.history(owner, session, most).await.map_err(store_failed)?;
    let mut turns: HashMap<RunId, usize> = HashMap::new();
    for message in &messages {
        let next = turns.len();
        turns.entry(message.run.clone()).or_insert(next);
    }
    messages.sort_by_key(|m| turns.get(&m.run).copied());
    Ok(messages)
}

/// Why a log cannot be read, in the words of the table; `backend` has those for a store that failed.
pub(crate) fn unreadable(error: ReadError, backend: impl FnOnce(StoreError) -> Error) -> Error {
    match error {
        ReadError::NotFound => Error::not_found("Run"),
        ReadError::Trimmed { first } => Error::new(
            Code::CursorExpired,
            format!(
                "what follows this position is no longer kept; the first event that is has number {first}"
            ),
        ),
        ReadError::Backend(why) => backend(why),
    }
}
