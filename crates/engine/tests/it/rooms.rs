//! What happens between the people of a session: rooms, runs that are told of, stops by a client's own name.

use futures_util::{FutureExt, StreamExt};
use headwater_core::event::Outcome;
use headwater_core::port::bus::{Happening, Notice};
use headwater_core::port::sharing::Sharing;
use headwater_core::{Code, MessageId, Millis, SessionId};
use headwater_engine::StartRun;

use crate::house::{House, ann, ask_in, principal};

fn named(message: &str) -> (StartRun, MessageId) {
    let id = MessageId::parse(message).unwrap();
    (StartRun { message_id: Some(id.clone()), ..ask_in("generate", "hi", "s") }, id)
}

fn session() -> SessionId {
    SessionId::parse("s").unwrap()
}

// Planted faults: the run told of before it is stored; told in the room of whoever has a session of that name.
#[tokio::test(start_paused = true)]
async fn who_is_in_a_room_hears_of_its_runs() {
    let mut house = House::new();
    let (ann, bob, eve) = (ann(), principal("bob"), principal("eve"));
    house.engine.start(&ann, ask_in("generate", "first", "s")).await.unwrap();
    let live = house.cues.next().await;
    house.store.share(&ann.user, &session(), &bob.user, Millis(1)).await.unwrap();
    let mut room = house.engine.enter(&bob, Some(&ann.user), &session()).await.unwrap();
    assert_eq!(room.room.owner, ann.user);
    assert!(room.live.is_some(), "what streams now is known at once");
    let nobodys = house.engine.enter(&eve, Some(&ann.user), &session()).await.err().unwrap();
    assert_eq!(nobodys.code, Code::NotFound);
    let named = house.engine.enter(&bob, None, &session()).await.unwrap();
    assert_eq!((named.room.owner, named.live), (bob.user.clone(), None), "a name alone is one's own");
    let mut own = house.engine.enter(&eve, None, &session()).await.unwrap();
    assert_eq!((&own.room.owner, own.live.take()), (&eve.user, None), "a name nobody knows is one's own");

    house.store.faults().hold_creates();
    let (engine, asker) = (house.engine.clone(), ann.clone());
    let mut start = Box::pin(async move { engine.start(&asker, ask_in("generate", "second", "s")).await });
    assert!(futures_util::poll!(&mut start).is_pending());
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(room.notices.next().now_or_never().is_none(), "nobody could read it yet");
    house.store.faults().release_creates();
    let started = start.await.unwrap();
    let what = Happening::Run(started.run.clone());
    let notice = Notice { user: ann.user.clone(), connection: String::new(), what };
    assert_eq!(room.notices.next().await, Some(notice));
    assert_eq!(house.engine.run(&bob, &started.run).await.unwrap().id, started.run, "it can be read now");
    assert!(own.notices.next().now_or_never().is_none());

    assert!(house.engine.may_stay(&bob, &room.room).await.unwrap());
    house.store.unshare(&ann.user, &session(), &bob.user).await.unwrap();
    assert!(!house.engine.may_stay(&bob, &room.room).await.unwrap());
    assert!(house.engine.may_stay(&ann, &room.room).await.unwrap());
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_in_what_is_only_shared_with_him_who_says_so() {
    let mut house = House::new();
    let (ann, bob) = (ann(), principal("bob"));
    house.engine.start(&ann, ask_in("generate", "first", "s")).await.unwrap();
    house.cues.next().await.end().await;
    house.store.share(&ann.user, &session(), &bob.user, Millis(1)).await.unwrap();
    let anns = || StartRun { owner: Some(ann.user.clone()), ..ask_in("generate", "hi", "s") };
    assert_eq!(house.engine.start(&bob, anns()).await.unwrap_err().code, Code::ReadOnly);
    assert_eq!(house.engine.start(&principal("eve"), anns()).await.unwrap_err().code, Code::NotFound);
    house.engine.start(&ann, anns()).await.unwrap();
    house.cues.next().await.end().await;
    // The name alone is one of his own.
    house.engine.start(&bob, ask_in("generate", "hi", "s")).await.unwrap();
}

// Planted fault: no second look behind the starts of the session.
#[tokio::test(start_paused = true)]
async fn a_turn_is_stopped_by_its_name_also_while_it_is_made() {
    let house = House::new();
    let (ask, id) = named("m");
    house.store.faults().hold_creates();
    let (engine, started) = (house.engine.clone(), house.engine.clone());
    let (who, asker) = (ann(), ann());
    let mut start = Box::pin(async move { started.start(&asker, ask).await });
    // As far as it comes: it waits for the store, and has its session's lane.
    assert!(futures_util::poll!(&mut start).is_pending());
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let stopping = id.clone();
    let mut stop = Box::pin(async move { engine.stop_turn(&who, Some(&session()), &stopping).await });
    assert!(futures_util::poll!(&mut stop).is_pending());
    house.store.faults().release_creates();
    let started = start.await.unwrap();
    let stopped = stop.await.unwrap();
    assert_eq!((&stopped.run, stopped.outcome, stopped.already), (&started.run, Outcome::Cancelled, false));
    // Again, by the run's own name, and without a session.
    for name in [id, MessageId::parse(started.run.as_str()).unwrap()] {
        let again = house.engine.stop_turn(&ann(), None, &name).await.unwrap();
        assert_eq!((again.outcome, again.already), (Outcome::Cancelled, true));
        for (who, session) in [(principal("eve"), None), (principal("eve"), Some(session()))] {
            let nothing = house.engine.stop_turn(&who, session.as_ref(), &name).await.unwrap_err();
            assert_eq!(nothing.code, Code::NotFound);
        }
        let elsewhere = SessionId::parse("t").unwrap();
        assert!(house.engine.stop_turn(&ann(), Some(&elsewhere), &name).await.is_err());
    }
}
