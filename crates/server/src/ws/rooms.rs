//! The rooms that a connection joined: where the sockets of one session meet, those of its owner and of whoever he
//! shares it with. What is said there goes over the bus; nobody is told what he said himself.

mod ear;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use headwater_core::code::{Code, Error};
use headwater_core::port::bus::{Happening, Notice, Room};
use headwater_core::{Principal, RunId, SessionId, UserId, limit};
use headwater_engine::Engine;
use headwater_engine::engine::Entered;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use self::ear::{Ear, Said};
use super::kept::{Kept, forget, keep, waiting};
use super::presence::{Here, Presence, Socket};

/// A session as a client names it: his own, or where he says whose it is, that one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOf {
    /// Whose, where it is not his own.
    pub owner: Option<UserId>,
    /// Its name among the owner's.
    pub session: SessionId,
}

impl SessionOf {
    /// A room as this user names it.
    fn room(who: &UserId, room: &Room) -> Self {
        let owner = Some(&room.owner).filter(|owner| *owner != who);
        Self { owner: owner.cloned(), session: room.session.clone() }
    }

    fn is(&self, who: &UserId, room: &Room) -> bool {
        self.session == room.session && *self.owner.as_ref().unwrap_or(who) == room.owner
    }
}

/// What a client wants in the rooms.
#[derive(Debug, Clone)]
pub enum RoomCommand {
    /// Hear what is said in a session, and follow its runs.
    Join(SessionOf),
    /// No more.
    Leave(SessionOf),
    /// Tell the others, whether it was joined or not.
    Tell {
        /// In which session.
        session: SessionOf,
        /// What.
        what: Happening,
    },
    /// Which sockets of this user are open.
    Sockets,
}

/// What comes of it, and what others say.
#[derive(Debug, Clone)]
pub enum RoomReply {
    /// Of [`RoomCommand::Join`].
    Joined {
        /// As it was given.
        session: SessionOf,
        /// The session's runs that have not ended, oldest first.
        live: Result<Vec<RunId>, Error>,
    },
    /// Somebody else said something, or a run was made.
    Heard {
        /// In which session.
        session: SessionOf,
        /// What.
        notice: Notice,
    },
    /// What others said while this user had no socket, oldest first.
    Kept(Vec<Kept>),
    /// Nobody could be told, or the sockets are not.
    Refused {
        /// As it was given, where one was.
        session: Option<SessionOf>,
        /// Why.
        error: Error,
    },
    /// Of [`RoomCommand::Sockets`], oldest first.
    Sockets(Vec<Socket>),
}

impl RoomCommand {
    /// Whether it counts among what a client may ask for. Leaving is never refused.
    #[must_use]
    pub fn is_work(&self) -> bool {
        !matches!(self, Self::Leave(_))
    }

    /// The answer where it is not carried out, because of this.
    pub(super) fn refused(&self, error: Error) -> Option<RoomReply> {
        Some(match self {
            Self::Join(session) => RoomReply::Joined { session: session.clone(), live: Err(error) },
            Self::Tell { session, .. } => RoomReply::Refused { session: Some(session.clone()), error },
            Self::Sockets => RoomReply::Refused { session: None, error },
            Self::Leave(_) => return None,
        })
    }
}

/// See the module.
pub struct Rooms {
    engine: Engine,
    who: Principal,
    here: Here,
    /// Behind `here`: who is gone is not counted among those that are still in the room.
    joined: Vec<Joined>,
    /// What was kept and is on its way to the client.
    telling: Vec<Kept>,
    /// Done one after the other: who types, sends and leaves is heard in that order.
    lane: VecDeque<BoxFuture<'static, Step>>,
    /// Which of the rooms is asked first; moves on, so that none waits for another.
    turn: usize,
    /// When the next of the rooms is looked at, where it is in any.
    looks: Option<Interval>,
}

/// A command that was carried out.
enum Step {
    Entered { session: SessionOf, entered: Result<Entered, Error> },
    Leave(SessionOf),
    Told { session: SessionOf, told: Result<(), Error> },
    Kept(Vec<Kept>),
    Forgotten,
}

/// A room that was joined; the others are told when the last of its user's sockets on this node leaves it, however
/// that comes.
struct Joined {
    engine: Engine,
    presence: Arc<Presence>,
    room: Room,
    goodbye: Notice,
    ear: Ear,
}

impl Drop for Joined {
    fn drop(&mut self) {
        if !self.presence.is_in(&self.goodbye.user, &self.room) {
            self.engine.bus().tell(&self.room, self.goodbye.clone());
        }
    }
}

impl Rooms {
    pub(super) fn new(engine: Engine, who: Principal, here: Here) -> Self {
        let (store, user, at) = (Arc::clone(engine.store()), who.user.clone(), engine.clock().wall());
        // Before anything that he asks for.
        let kept = async move { Step::Kept(waiting(&store, &user, at).await) }.boxed();
        let (joined, telling) = (Vec::new(), Vec::new());
        Self { engine, who, here, joined, telling, lane: VecDeque::from([kept]), turn: 0, looks: None }
    }

    /// Everything that was said to the client has left: what was kept for him need be kept no more.
    pub(super) fn written(&mut self) {
        if self.telling.is_empty() {
            return;
        }
        let (engine, user, told) =
            (self.engine.clone(), self.who.user.clone(), std::mem::take(&mut self.telling));
        let forgotten = async move {
            forget(engine.store(), &user, &told, engine.clock().wall()).await;
            Step::Forgotten
        };
        self.lane.push_back(forgotten.boxed());
    }

    /// Commands that are not done yet.
    pub(super) fn waiting(&self) -> usize {
        self.lane.len()
    }

    /// Begins to do it; what can be answered at once is.
    pub(super) fn carry_out(&mut self, command: RoomCommand) -> Option<RoomReply> {
        let (engine, who) = (self.engine.clone(), self.who.clone());
        match command {
            RoomCommand::Sockets => return Some(RoomReply::Sockets(self.here.all())),
            RoomCommand::Join(session) => self.lane.push_back(
                async move {
                    let entered = engine.enter(&who, session.owner.as_ref(), &session.session).await;
                    Step::Entered { session, entered }
                }
                .boxed(),
            ),
            RoomCommand::Leave(session) => {
                self.lane.push_back(std::future::ready(Step::Leave(session)).boxed());
            }
            RoomCommand::Tell { session, what } => {
                let (notice, presence) = (self.notice(what), Arc::clone(self.here.presence()));
                self.lane.push_back(
                    async move {
                        match engine.room(&who, session.owner.as_ref(), &session.session).await {
                            Ok(room) => {
                                engine.bus().tell(&room, notice.clone());
                                keep(engine.store(), &presence, &room, &notice, engine.clock().wall()).await;
                                Step::Told { session, told: Ok(()) }
                            }
                            Err(error) => Step::Told { session, told: Err(error) },
                        }
                    }
                    .boxed(),
                );
            }
        }
        None
    }

    /// The next thing that the client is told. May be called again after it was not waited for: nothing is lost.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<RoomReply> {
        while let Some(Poll::Ready(step)) = self.lane.front_mut().map(|first| first.poll_unpin(cx)) {
            self.lane.pop_front();
            if let Some(reply) = self.done(step) {
                return Poll::Ready(reply);
            }
        }
        while let Some(Poll::Ready(now)) = self.looks.as_mut().map(|looks| looks.poll_tick(cx)) {
            // In turn: a connection looks as often in 32 rooms as in one.
            if let Some(joined) = self.joined.iter_mut().min_by_key(|joined| joined.ear.looked()) {
                joined.ear.look_at(now);
            }
        }
        for step in 0..self.joined.len() {
            let at = (self.turn + step) % self.joined.len();
            if let Some(reply) = self.poll_room(at, cx) {
                self.turn = at + 1;
                return Poll::Ready(reply);
            }
        }
        Poll::Pending
    }

    /// What is heard in one of the rooms.
    fn poll_room(&mut self, at: usize, cx: &mut Context<'_>) -> Option<RoomReply> {
        loop {
            let rooms = u32::try_from(self.joined.len()).unwrap_or(u32::MAX);
            let joined = self.joined.get_mut(at)?;
            match joined.ear.poll(rooms, cx) {
                Poll::Ready(Said::Notice(notice)) if notice.connection == self.here.id() => {}
                Poll::Ready(Said::Notice(notice)) => {
                    let session = SessionOf::room(&self.who.user, &joined.room);
                    return Some(RoomReply::Heard { session, notice });
                }
                Poll::Ready(Said::Out) => {
                    let session = SessionOf::room(&self.who.user, &joined.room);
                    self.leave(&session);
                    // Those behind it moved up: they are asked again.
                    cx.waker().wake_by_ref();
                    return None;
                }
                Poll::Pending => return None,
            }
        }
    }

    fn done(&mut self, step: Step) -> Option<RoomReply> {
        match step {
            Step::Told { told: Ok(()), .. } | Step::Forgotten => None,
            Step::Kept(kept) => {
                self.telling.clone_from(&kept);
                (!kept.is_empty()).then_some(RoomReply::Kept(kept))
            }
            Step::Told { session, told: Err(error) } => {
                Some(RoomReply::Refused { session: Some(session), error })
            }
            Step::Leave(session) => {
                self.leave(&session);
                None
            }
            Step::Entered { session, entered } => {
                let live = entered.and_then(|entered| self.join(entered));
                Some(RoomReply::Joined { session, live })
            }
        }
    }

    /// Twice is once: the others are told of the first.
    fn join(&mut self, entered: Entered) -> Result<Vec<RunId>, Error> {
        let (room, live) = (entered.room.clone(), entered.live.clone());
        if self.joined.iter().any(|joined| joined.room == room) {
            return Ok(live);
        }
        if self.joined.len() >= limit::ROOMS {
            let most = limit::ROOMS;
            let words = format!("this connection has joined {most} sessions already; leave one");
            return Err(Error::new(Code::QueueFull, words));
        }
        self.engine.bus().tell(&room, self.notice(Happening::Joined));
        self.keep_that_he_came(room.clone());
        self.here.joined(&room);
        let ear = Ear::new(self.engine.clone(), self.who.clone(), entered);
        let goodbye = self.notice(Happening::Left);
        let (engine, presence) = (self.engine.clone(), Arc::clone(self.here.presence()));
        self.joined.push(Joined { engine, presence, room, goodbye, ear });
        self.looks.get_or_insert_with(|| {
            let mut looks = interval_at(Instant::now() + limit::ROOM_LOOK, limit::ROOM_LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            looks
        });
        Ok(live)
    }

    /// For those of the session who are not here.
    fn keep_that_he_came(&mut self, room: Room) {
        let (engine, presence) = (self.engine.clone(), Arc::clone(self.here.presence()));
        let notice = self.notice(Happening::Joined);
        let session = SessionOf::room(&self.who.user, &room);
        self.lane.push_back(
            async move {
                keep(engine.store(), &presence, &room, &notice, engine.clock().wall()).await;
                Step::Told { session, told: Ok(()) }
            }
            .boxed(),
        );
    }

    fn leave(&mut self, session: &SessionOf) {
        let who = &self.who.user;
        // In this order: of two that leave at once one is the last.
        for joined in self.joined.iter().filter(|joined| session.is(who, &joined.room)) {
            self.here.left(&joined.room);
        }
        self.joined.retain(|joined| !session.is(who, &joined.room));
        if self.joined.is_empty() {
            self.looks = None;
        }
    }

    fn notice(&self, what: Happening) -> Notice {
        Notice { user: self.who.user.clone(), connection: self.here.id().to_owned(), what }
    }
}
