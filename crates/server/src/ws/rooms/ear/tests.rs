//! What is heard in rooms, by a socket that joined them.

use std::future::poll_fn;
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
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;
use crate::ws::presence::Presence;
use crate::ws::rooms::{RoomCommand, RoomReply, Rooms, SessionOf};

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
        self.told_in("s").await
    }

    async fn told_in(&mut self, session: &str) -> RunId {
        let session = Some(SessionId::parse(session).unwrap());
        let ask =
            StartRun { workflow: "generate".into(), message: "hi".into(), session, ..StartRun::default() };
        let run = self.engine.start(&principal("ann"), ask).await.unwrap().run;
        self.cues.next().await.end().await;
        run
    }

    /// A socket of this user's in the room of that session.
    async fn hear(&self, name: &str) -> Rooms {
        let mut rooms = self.open(name);
        join(&mut rooms, "s").await;
        rooms
    }

    fn open(&self, name: &str) -> Rooms {
        let who = principal(name);
        let here = Arc::new(Presence::default()).open(who.user.clone(), name.into(), Millis(1));
        Rooms::new(self.engine.clone(), who, here)
    }

    /// Somebody else types.
    fn types(&self, typing: bool) {
        let (owner, session) = (principal("ann").user, SessionId::parse("s").unwrap());
        let what = Happening::Typing(typing);
        let notice = Notice { user: owner.clone(), connection: String::new(), what };
        self.engine.bus().tell(&Room { owner, session }, notice);
    }
}

async fn join(rooms: &mut Rooms, session: &str) {
    let owner = Some(principal("ann").user);
    let session = SessionOf { owner, session: SessionId::parse(session).unwrap() };
    assert!(rooms.carry_out(RoomCommand::Join(session)).is_none());
    while !matches!(heard(rooms).await, RoomReply::Joined { live: Ok(_), .. }) {}
}

async fn heard(rooms: &mut Rooms) -> RoomReply {
    poll_fn(|cx| rooms.poll(cx)).await
}

/// The next thing that happens, but who comes and goes; it is there after two looks or never.
async fn next(rooms: &mut Rooms) -> Happening {
    loop {
        let heard = timeout(limit::ROOM_LOOK * 2, heard(rooms)).await.expect("nothing is heard");
        match heard {
            RoomReply::Heard { notice, .. } => match notice.what {
                Happening::Joined | Happening::Left => {}
                what => return what,
            },
            other => panic!("{other:?}"),
        }
    }
}

async fn run(rooms: &mut Rooms) -> RunId {
    match next(rooms).await {
        Happening::Run(run) => run,
        other => panic!("no run: {other:?}"),
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
        for (rooms, expected) in [(&mut early, &all[..]), (&mut late, &all[1..])] {
            for expected in expected {
                assert_eq!(run(rooms).await, *expected);
            }
            assert!(timeout(limit::ROOM_LOOK * 9, heard(rooms)).await.is_err());
        }
    }
}

// Planted fault: each room looked at by itself, all of them at once.
#[tokio::test(start_paused = true)]
async fn a_socket_in_many_rooms_looks_no_oftener_than_in_one() {
    let mut house = House::new(Arc::new(Deaf(InProcess::new())));
    let mut rooms = house.open("ann");
    let sessions: Vec<_> = (0..6).map(|n| n.to_string()).collect();
    for session in &sessions {
        join(&mut rooms, session).await;
    }
    let mut known = Vec::new();
    for _ in 0..2 {
        for session in &sessions {
            house.told_in(session).await;
        }
        let mut found = Vec::new();
        for _ in &sessions {
            found.push((run(&mut rooms).await, Instant::now()));
        }
        known.extend(found);
    }
    for two in known.windows(2) {
        assert_eq!(two[1].1 - two[0].1, limit::ROOM_LOOK);
    }
}

// Planted faults: nothing heard while a look is under way; a run of which is told meanwhile not looked for again.
#[tokio::test(start_paused = true)]
async fn a_look_that_takes_long_keeps_nothing_back_and_loses_nothing() {
    for finds in [true, false] {
        let mut house = House::new(Arc::new(InProcess::new()));
        let mut rooms = house.hear("ann").await;
        let (answer, answered) = oneshot::channel();
        rooms.joined[0].ear.look = Some(answered.map(Result::unwrap).boxed());
        house.types(true);
        let new = house.told().await;
        house.types(false);
        for typing in [true, false] {
            assert_eq!(next(&mut rooms).await, Happening::Typing(typing));
        }
        // Not waited for to its end.
        assert!(heard(&mut rooms).now_or_never().is_none());
        let (began, found) = (Instant::now(), if finds { vec![new.clone()] } else { Vec::new() });
        answer.send(Ok(Some(found))).unwrap();
        assert_eq!(run(&mut rooms).await, new);
        assert_eq!(Instant::now(), began);
        assert!(timeout(limit::ROOM_LOOK * 9, heard(&mut rooms)).await.is_err());
    }
}

// Planted fault: what was missed left to the next look.
#[tokio::test(start_paused = true)]
async fn who_missed_notices_looks_at_once() {
    let mut house = House::new(Arc::new(InProcess::new()));
    let mut rooms = house.hear("ann").await;
    assert!(heard(&mut rooms).now_or_never().is_none());
    tokio::time::advance(limit::ROOM_LOOK_LEAST).await;
    let (began, new) = (Instant::now(), house.told().await);
    for n in 0..limit::NOTICES {
        house.types(n % 2 == 0);
    }
    // The notice of the run was the oldest.
    assert_eq!(run(&mut rooms).await, new);
    assert_eq!(Instant::now(), began);
}

// Planted fault: the answer that he may not stay taken for nothing new.
#[tokio::test(start_paused = true)]
async fn who_may_not_see_it_any_more_is_put_out_though_nothing_is_said() {
    let mut house = House::new(Arc::new(Deaf(InProcess::new())));
    let (ann, bob, session) = (principal("ann").user, principal("bob").user, SessionId::parse("s").unwrap());
    house.told().await;
    house.store.share(&ann, &session, &bob, Millis(1)).await.unwrap();
    let mut rooms = house.hear("bob").await;
    let new = house.told().await;
    assert_eq!(run(&mut rooms).await, new);
    house.store.unshare(&ann, &session, &bob).await.unwrap();
    house.told().await;
    assert!(timeout(limit::ROOM_LOOK * 2, heard(&mut rooms)).await.is_err());
    assert!(rooms.joined.is_empty());
}
