//! What is heard in a room that was joined.
//!
//! That a run was made is told by a notice, and a notice may be lost. So it is no more than a reason to look in the
//! store, which is looked at every [`limit::ROOM_LOOK`] as well: whatever runs are found there behind the last one that
//! is known are new, in their order and once.

use std::collections::VecDeque;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use headwater_core::port::bus::{self, Happening, Notice, Notices, Room};
use headwater_core::{Principal, RunId, limit};
use headwater_engine::Engine;
use headwater_engine::engine::Entered;
use tokio::time::{Instant, timeout_at};

/// What is heard in a room.
pub(super) enum Heard {
    Notice(Notice),
    /// The session is shared no more.
    Out,
}

/// In somebody else's room it is asked with each notice and each look whether this user may hear it: the owner may
/// have changed his mind.
struct Ear {
    engine: Engine,
    who: Principal,
    room: Room,
    notices: Notices,
    /// The newest run that is known here.
    last: Option<RunId>,
    /// Runs that were found, and are not told yet.
    found: VecDeque<RunId>,
    looked: Instant,
    look_at: Instant,
}

/// What is heard from now on in the room that he entered.
pub(super) fn hear(engine: Engine, who: Principal, entered: Entered) -> BoxStream<'static, Heard> {
    let Entered { room, notices, last, .. } = entered;
    let (looked, found) = (Instant::now(), VecDeque::new());
    let ear = Ear { engine, who, room, notices, last, found, looked, look_at: looked + limit::ROOM_LOOK };
    stream::unfold(ear, |mut ear| async move { Some((ear.next().await, ear)) }).boxed()
}

impl Ear {
    async fn next(&mut self) -> Heard {
        loop {
            if let Some(run) = self.found.pop_front() {
                // As the engine says it: on no connection.
                let (user, connection) = (self.room.owner.clone(), String::new());
                return Heard::Notice(Notice { user, connection, what: Happening::Run(run) });
            }
            // Asked for by itself: notices without a pause must not keep it from looking.
            if self.look_at <= Instant::now() {
                // Boxed: mostly it is not there, and every joined socket would hold room for it.
                if let Some(out) = Box::pin(self.look()).await {
                    return out;
                }
                continue;
            }
            match timeout_at(self.look_at, self.notices.next()).await {
                Err(_) => {}
                Ok(None) => return Heard::Out,
                Ok(Some(bus::Heard::Missed)) => self.look_soon(),
                Ok(Some(bus::Heard::Notice(Notice { what: Happening::Run(_), .. }))) => {
                    self.look_at = Instant::now();
                }
                Ok(Some(bus::Heard::Notice(notice))) => {
                    match self.engine.may_stay(&self.who, &self.room).await {
                        Ok(true) => return Heard::Notice(notice),
                        Ok(false) => return Heard::Out,
                        // A notice may be lost; whether he may stay is asked with the next.
                        Err(_) => {}
                    }
                }
            }
        }
    }

    /// At once, unless that was done a moment ago.
    fn look_soon(&mut self) {
        self.look_at = self.look_at.min(self.looked + limit::ROOM_LOOK_LEAST);
    }

    async fn look(&mut self) -> Option<Heard> {
        let new = self.engine.new_runs(&self.who, &self.room, self.last.as_ref()).await;
        self.looked = Instant::now();
        self.look_at = self.looked + limit::ROOM_LOOK;
        match new {
            Ok(Some(new)) => {
                self.last = new.last().cloned().or(self.last.take());
                self.found.extend(new);
                None
            }
            Ok(None) => Some(Heard::Out),
            Err(_) => {
                self.look_soon();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use headwater_bus::InProcess;
    use headwater_core::port::bus::{Bus, Hint, Hints, SharedBus};
    use headwater_core::port::sharing::Sharing as _;
    use headwater_core::{Millis, SessionId, UserId};
    use headwater_engine::workflow::Workflow;
    use headwater_engine::workflow::generate::Generate;
    use headwater_engine::{Settings, StartRun, Tasks};
    use headwater_providers::scripted::stage::{Cues, Stage};
    use headwater_store::MemoryStore;

    use super::*;

    /// Loses every notice without a word.
    struct Deaf(InProcess);

    impl Bus for Deaf {
        fn publish(&self, run: &RunId, hint: Hint) {
            self.0.publish(run, hint);
        }

        fn subscribe(&self, run: &RunId) -> Hints {
            self.0.subscribe(run)
        }

        fn tell(&self, _: &Room, _: Notice) {}

        fn listen(&self, room: &Room) -> Notices {
            self.0.listen(room)
        }
    }

    struct House {
        engine: Engine,
        store: Arc<MemoryStore>,
        cues: Cues,
    }

    fn principal(name: &str) -> Principal {
        let user = UserId::parse(name).unwrap();
        Principal { user, email: String::new(), name: name.to_owned(), guest: false }
    }

    impl House {
        fn new(bus: SharedBus) -> Self {
            let (stage, cues) = Stage::new();
            let workflows: Vec<Arc<dyn Workflow>> = vec![Arc::new(Generate::new(stage))];
            let store = Arc::new(MemoryStore::new());
            let engine = Engine::new(store.clone(), bus, workflows, Tasks::default(), Settings::default());
            Self { engine, store, cues }
        }

        /// A run of Ann's in the session "s", which has ended.
        async fn told(&mut self) -> RunId {
            let session = Some(SessionId::parse("s").unwrap());
            let ask = StartRun {
                workflow: "generate".into(),
                message: "hi".into(),
                session,
                ..StartRun::default()
            };
            let run = self.engine.start(&principal("ann"), ask).await.unwrap().run;
            self.cues.next().await.end().await;
            run
        }

        /// What this user hears in the room of that session.
        async fn hear(&self, name: &str) -> BoxStream<'static, Heard> {
            let (who, ann) = (principal(name), principal("ann").user);
            let entered = self.engine.enter(&who, Some(&ann), &SessionId::parse("s").unwrap()).await.unwrap();
            hear(self.engine.clone(), who, entered)
        }
    }

    /// The next thing, which is there after two looks or never.
    async fn next(heard: &mut BoxStream<'static, Heard>) -> Heard {
        tokio::time::timeout(limit::ROOM_LOOK * 2, heard.next()).await.expect("nothing is heard").unwrap()
    }

    async fn run(heard: &mut BoxStream<'static, Heard>) -> RunId {
        match next(heard).await {
            Heard::Notice(Notice { what: Happening::Run(run), .. }) => run,
            Heard::Notice(other) => panic!("no run: {other:?}"),
            Heard::Out => panic!("put out"),
        }
    }

    // Planted faults: no look where nothing is heard; the last run that is known not remembered.
    #[tokio::test(start_paused = true)]
    async fn runs_of_which_no_notice_comes_are_found_in_their_order_and_once() {
        for bus in [Arc::new(Deaf(InProcess::new())) as SharedBus, Arc::new(InProcess::new())] {
            let mut house = House::new(bus);
            let mut early = house.hear("ann").await;
            let before = house.told().await;
            let mut late = house.hear("ann").await;
            let mut all = vec![before];
            for _ in 0..3 {
                all.push(house.told().await);
            }
            for (heard, expected) in [(&mut early, &all[..]), (&mut late, &all[1..])] {
                for expected in expected {
                    assert_eq!(run(heard).await, *expected);
                }
                assert!(tokio::time::timeout(limit::ROOM_LOOK * 9, heard.next()).await.is_err());
            }
        }
    }

    // Planted fault: what was missed left to the next look.
    #[tokio::test(start_paused = true)]
    async fn who_missed_notices_looks_at_once() {
        let mut house = House::new(Arc::new(InProcess::new()));
        let mut heard = house.hear("ann").await;
        assert!(heard.next().now_or_never().is_none());
        tokio::time::advance(limit::ROOM_LOOK_LEAST).await;
        let (began, new) = (Instant::now(), house.told().await);
        let ann = principal("ann").user;
        let room = Room { owner: ann.clone(), session: SessionId::parse("s").unwrap() };
        for n in 0..limit::NOTICES {
            let what = Happening::Typing(n % 2 == 0);
            house.engine.bus().tell(&room, Notice { user: ann.clone(), connection: String::new(), what });
        }
        // The notice of the run was the oldest.
        assert_eq!(run(&mut heard).await, new);
        assert_eq!(Instant::now(), began);
    }

    // Planted fault: the answer that he may not stay taken for nothing new.
    #[tokio::test(start_paused = true)]
    async fn who_may_not_see_it_any_more_is_put_out_though_nothing_is_said() {
        let mut house = House::new(Arc::new(Deaf(InProcess::new())));
        let (ann, bob, session) =
            (principal("ann").user, principal("bob").user, SessionId::parse("s").unwrap());
        house.told().await;
        house.store.share(&ann, &session, &bob, Millis(1)).await.unwrap();
        let mut heard = house.hear("bob").await;
        let new = house.told().await;
        assert_eq!(run(&mut heard).await, new);
        house.store.unshare(&ann, &session, &bob).await.unwrap();
        house.told().await;
        assert!(matches!(next(&mut heard).await, Heard::Out));
    }
}
