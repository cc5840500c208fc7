//! What is heard in a room that was joined.
//!
//! That a run was made is told by a notice, and a notice may be lost. So it is no more than a reason to look in the
//! store, which is looked at when the connection's next [`limit::ROOM_LOOK`] is this room's as well: whatever runs are
//! found there behind the last one that is known are new, in their order and once. Nobody waits for a look: what else is
//! said meanwhile is passed on.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use headwater_core::port::bus::{Happening, Heard, Notice, Notices, Room};
use headwater_core::{Error, Principal, RunId, limit};
use headwater_engine::Engine;
use headwater_engine::engine::Entered;
use tokio::time::{Instant, Sleep, sleep_until};

/// What is said to a socket in a room.
pub(super) enum Said {
    Notice(Notice),
    /// The session is shared no more.
    Out,
}

/// In somebody else's room it is asked with each notice and each look whether this user may hear it: the owner may
/// have changed his mind.
pub(super) struct Ear {
    engine: Engine,
    who: Principal,
    room: Room,
    notices: Notices,
    /// The notice of which it is asked whether he may hear it; `None` comes of one where nobody knows.
    asked: Option<BoxFuture<'static, Option<Said>>>,
    /// The newest run that is known here.
    last: Option<RunId>,
    /// Runs that were found, and are not told yet.
    found: VecDeque<RunId>,
    /// A look that is under way.
    look: Option<BoxFuture<'static, Result<Option<Vec<RunId>>, Error>>>,
    /// When the last one began.
    looked: Instant,
    /// When the next one begins, where there is a reason for it.
    due: Option<Pin<Box<Sleep>>>,
}

impl Ear {
    /// What is heard from now on in the room that he entered.
    pub(super) fn new(engine: Engine, who: Principal, entered: Entered) -> Self {
        let Entered { room, notices, last, .. } = entered;
        let (asked, found, look, looked, due) = (None, VecDeque::new(), None, Instant::now(), None);
        Self { engine, who, room, notices, asked, last, found, look, looked, due }
    }

    /// When it was looked here last.
    pub(super) fn looked(&self) -> Instant {
        self.looked
    }

    /// The next thing that is heard. `rooms`: how many the connection has joined. May be called again after it was not
    /// waited for: nothing is lost.
    pub(super) fn poll(&mut self, rooms: u32, cx: &mut Context<'_>) -> Poll<Said> {
        loop {
            if let Some(run) = self.found.pop_front() {
                // As the engine says it: on no connection.
                let (user, connection) = (self.room.owner.clone(), String::new());
                return Poll::Ready(Said::Notice(Notice { user, connection, what: Happening::Run(run) }));
            }
            // In front of the notices: those that come without a pause must not keep it from looking.
            if self.look.is_none() && self.is_due(cx) {
                self.begin_look();
            }
            if let Some(Poll::Ready(new)) = self.look.as_mut().map(|look| look.poll_unpin(cx)) {
                self.look = None;
                match new {
                    Ok(Some(new)) => {
                        self.last = new.last().cloned().or(self.last.take());
                        self.found.extend(new);
                    }
                    Ok(None) => return Poll::Ready(Said::Out),
                    Err(_) => self.look_soon(rooms),
                }
                continue;
            }
            if let Some(asked) = &mut self.asked {
                let Poll::Ready(said) = asked.poll_unpin(cx) else { return Poll::Pending };
                self.asked = None;
                match said {
                    Some(said) => return Poll::Ready(said),
                    None => continue,
                }
            }
            match self.notices.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Said::Out),
                Poll::Ready(Some(Heard::Missed)) => self.look_soon(rooms),
                // One that is under way may have read before this run was there.
                Poll::Ready(Some(Heard::Notice(Notice { what: Happening::Run(_), .. }))) => {
                    self.look_at(Instant::now());
                }
                Poll::Ready(Some(Heard::Notice(notice))) => self.ask(notice),
            }
        }
    }

    /// To be looked at by then at the latest.
    pub(super) fn look_at(&mut self, at: Instant) {
        if self.due.as_ref().is_none_or(|due| at < due.deadline()) {
            self.due = Some(Box::pin(sleep_until(at)));
        }
    }

    /// At once, unless that was done a moment ago.
    fn look_soon(&mut self, rooms: u32) {
        self.look_at(self.looked + limit::ROOM_LOOK_LEAST * rooms);
    }

    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(due) = &mut self.due else { return false };
        due.deadline() <= Instant::now() || due.poll_unpin(cx).is_ready()
    }

    fn begin_look(&mut self) {
        (self.due, self.looked) = (None, Instant::now());
        let (engine, who) = (self.engine.clone(), self.who.clone());
        let (room, last) = (self.room.clone(), self.last.clone());
        self.look = Some(async move { engine.new_runs(&who, &room, last.as_ref()).await }.boxed());
    }

    fn ask(&mut self, notice: Notice) {
        let (engine, who, room) = (self.engine.clone(), self.who.clone(), self.room.clone());
        let asked = async move {
            match engine.may_stay(&who, &room).await {
                Ok(true) => Some(Said::Notice(notice)),
                Ok(false) => Some(Said::Out),
                // A notice may be lost; whether he may stay is asked with the next.
                Err(_) => None,
            }
        };
        self.asked = Some(asked.boxed());
    }
}

#[cfg(test)]
mod tests;
