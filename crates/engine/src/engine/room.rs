//! What happens between the people of a session: who may ask in it, who is told of a run, and stops by the name that
//! a client gave its turn.

use headwater_core::code::{Code, Error};
use headwater_core::event::Outcome;
use headwater_core::port::bus::{Happening, Notice, Notices, Room};
use headwater_core::run::Run;
use headwater_core::{MessageId, Principal, RunId, SessionId, UserId, limit};

use super::{Engine, store_failed};

/// A turn that was to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedTurn {
    /// Its run.
    pub run: RunId,
    /// Its conversation.
    pub session: SessionId,
    /// How it ended.
    pub outcome: Outcome,
    /// It was over before anybody wanted to stop it here.
    pub already: bool,
}

/// Somebody in a room.
pub struct Entered {
    /// Which one.
    pub room: Room,
    /// What is told there from now on.
    pub notices: Notices,
    /// Which of the session's newest [`limit::FOLLOWS`] runs have not ended, oldest first: what streams, and what waits
    /// behind it.
    pub live: Vec<RunId>,
    /// The session's newest run: what is made after it is new here, see [`Engine::new_runs`].
    pub last: Option<RunId>,
}

impl Engine {
    /// The room of a session: of his own (which he may be about to have), or, where another is named, of that one's.
    ///
    /// # Errors
    /// [`Code::NotFound`]: another's that is not there or not shared with him; [`Code::StoreFailed`].
    pub async fn room(
        &self,
        who: &Principal,
        owner: Option<&UserId>,
        session: &SessionId,
    ) -> Result<Room, Error> {
        Ok(Room { owner: self.whose(who, owner, session).await?, session: session.clone() })
    }

    /// Enters that room: hears what is told there, and learns what streams there now. Nothing falls between the two.
    ///
    /// # Errors
    /// As [`Engine::room`].
    pub async fn enter(
        &self,
        who: &Principal,
        owner: Option<&UserId>,
        session: &SessionId,
    ) -> Result<Entered, Error> {
        let room = self.room(who, owner, session).await?;
        // Listen first, look second.
        let notices = self.inner.bus.listen(&room);
        let runs = self.inner.store.runs(&room.owner, Some(&room.session), None, limit::FOLLOWS).await;
        let runs = runs.map_err(store_failed)?;
        let last = runs.first().map(|run| run.id.clone());
        let live =
            runs.into_iter().rev().filter(|run| run.tail.outcome.is_none()).map(|run| run.id).collect();
        Ok(Entered { room, notices, live, last })
    }

    /// The runs that were made in that room after this one, or all of them, oldest first, those that have ended
    /// included; of more than [`limit::FOLLOWS`] the newest, as no connection follows more. `None`: he may not be there
    /// any more. One small read where there is nothing new, two in somebody else's room.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn new_runs(
        &self,
        who: &Principal,
        room: &Room,
        last: Option<&RunId>,
    ) -> Result<Option<Vec<RunId>>, Error> {
        if !self.may_stay(who, room).await? {
            return Ok(None);
        }
        let store = &self.inner.store;
        let newest = store.newest_run(&room.owner, &room.session).await.map_err(store_failed)?;
        if newest.is_none_or(|run| Some(&run.id) == last) {
            return Ok(Some(Vec::new()));
        }
        let runs = store.runs(&room.owner, Some(&room.session), None, limit::FOLLOWS).await;
        let runs = runs.map_err(store_failed)?.into_iter().map(|run| run.id);
        let mut new: Vec<_> = runs.take_while(|run| Some(run) != last).collect();
        new.reverse();
        Ok(Some(new))
    }

    /// Whether he may still be in that room: its owner may have stopped sharing the session.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn may_stay(&self, who: &Principal, room: &Room) -> Result<bool, Error> {
        if room.owner == who.user {
            return Ok(true);
        }
        self.inner.store.sees(&who.user, &room.owner, &room.session).await.map_err(store_failed)
    }

    /// Stops the run of a turn by the client's own name for it, as [`Engine::stop`] does; without a session in
    /// whichever of this user's used the name last. A run that is called by its own name is found as well.
    ///
    /// A turn that is just being made is waited for: who asks on one socket and stops on another stops it.
    ///
    /// # Errors
    /// [`Code::NotFound`], also where it is somebody else's; [`Code::StoreFailed`].
    pub async fn stop_turn(
        &self,
        who: &Principal,
        session: Option<&SessionId>,
        message: &MessageId,
    ) -> Result<StoppedTurn, Error> {
        let mut found = self.turn(who, session, message).await?;
        if found.is_none() {
            // Starts come one after the other through the lanes of their message and their session: those that came
            // before are stored now.
            let _message = self.inner.hub.message_lane(&who.user, message).await;
            let _lane = match session {
                Some(session) => Some(self.inner.hub.lane(&who.user, session).await),
                None => None,
            };
            found = self.turn(who, session, message).await?;
        }
        let run = found.ok_or_else(|| Error::not_found("Message"))?;
        let already = run.tail.outcome.is_some();
        let outcome = self.stop(who, &run.id).await?;
        Ok(StoppedTurn { run: run.id, session: run.session, outcome, already })
    }

    async fn turn(
        &self,
        who: &Principal,
        session: Option<&SessionId>,
        message: &MessageId,
    ) -> Result<Option<Run>, Error> {
        let store = &self.inner.store;
        if let Some(run) = store.run_of_message(&who.user, session, message).await.map_err(store_failed)? {
            return Ok(Some(run));
        }
        let Ok(id) = RunId::parse(message.as_str()) else { return Ok(None) };
        let run = store.run(&who.user, &id).await.map_err(store_failed)?;
        Ok(run.filter(|run| session.is_none_or(|session| run.session == *session)))
    }

    /// Whether he may ask in this session: in his own, and in no other's.
    pub(super) async fn may_ask_in(
        &self,
        who: &Principal,
        owner: Option<&UserId>,
        session: &SessionId,
    ) -> Result<(), Error> {
        if self.whose(who, owner, session).await? == who.user {
            return Ok(());
        }
        let words = "this session is shared with you to be seen; only its owner may ask in it";
        Err(Error::new(Code::ReadOnly, words))
    }

    /// Whoever joined the session follows its new run.
    pub(super) fn tell_of(&self, who: &Principal, session: &SessionId, run: &RunId) {
        let room = Room { owner: who.user.clone(), session: session.clone() };
        let what = Happening::Run(run.clone());
        // On no connection: whoever asked is told as well, and knows his own run.
        self.inner.bus.tell(&room, Notice { user: who.user.clone(), connection: String::new(), what });
    }
}
