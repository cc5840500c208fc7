//! What is too old goes by itself, in small steps, and whoever asks for it is told.

use std::sync::Arc;
use std::time::Duration;

use headwater_bus::InProcess;
use headwater_core::code::Code;
use headwater_core::event::{Body, Event, Outcome};
use headwater_core::port::SharedStore;
use headwater_core::port::records::Records as _;
use headwater_core::port::store::{Batch, NewRun, ReadError, Revocation, Store};
use headwater_core::{MessageId, Millis, RunId, SessionId, UserId, limit};
use headwater_engine::retention::retain;
use headwater_engine::{Clock, Followed, Settings, StartRun, Tasks};
use headwater_store::MemoryStore;
use tokio_util::sync::CancellationToken;

use crate::house::{House, ann, ask_in, ending};

const DAY: Duration = Duration::from_secs(86_400);

fn run_id(n: usize) -> RunId {
    RunId::parse(&format!("r{n}")).unwrap()
}

/// A run that was made so many days ago; it ended, or did not.
async fn old(store: &MemoryStore, n: usize, days: u32, over: bool) {
    let at = Clock::default().wall().0 - i64::try_from((DAY * days).as_millis()).unwrap();
    let new = NewRun {
        id: run_id(n),
        owner: UserId::parse("ann").unwrap(),
        session: SessionId::parse("s").unwrap(),
        message_id: None,
        fingerprint: String::new(),
        workflow: "generate".into(),
        message: "hi".into(),
        at: Millis(at),
    };
    store.create(new).await.unwrap();
    let body = Body::RunEnded { outcome: Outcome::Completed, finish_reason: None, error: None, usage: None };
    let event = Arc::new(Event { seq: 1, at: Millis(at), body });
    if over {
        let batch = Batch { events: vec![event], answer: Some("a".into()) };
        store.append(&run_id(n), 1, batch).await.unwrap();
    }
}

async fn kept(store: &MemoryStore, n: usize) -> bool {
    match store.read(&run_id(n), 1, 1, 1).await {
        Ok(_) => true,
        Err(ReadError::Trimmed { first }) => {
            assert_eq!(first, 2);
            false
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn retaining(store: &Arc<MemoryStore>, days: Option<u32>) -> (Tasks, CancellationToken) {
    let (tasks, stop) = (Tasks::default(), CancellationToken::new());
    let shared: SharedStore = store.clone();
    let keep = days.map(|days| DAY * days);
    tasks.spawn("retention", retain(shared, Clock::default(), keep, stop.clone()));
    (tasks, stop)
}

// Planted faults: the age taken from now instead of subtracted (everything went); the first `more` not
// believed (16 of 40 went); no sweep after the first.
#[tokio::test(start_paused = true)]
async fn what_is_too_old_goes_in_steps_and_the_rest_stays() {
    let store = Arc::new(MemoryStore::new());
    for n in 0..40 {
        old(&store, n, 31, true).await;
    }
    old(&store, 40, 29, true).await;
    old(&store, 41, 400, false).await;
    let (tasks, stop) = retaining(&store, Some(30));
    tokio::time::sleep(limit::EXPIRE_FIRST / 2).await;
    assert!(kept(&store, 0).await, "not while everybody comes back");
    tokio::time::sleep(limit::EXPIRE_FIRST).await;
    for n in 0..40 {
        assert!(!kept(&store, n).await, "{n}");
    }
    assert!(kept(&store, 40).await, "too young");
    assert!(store.read(&run_id(41), 1, 1, 1).await.unwrap().is_empty(), "alive");
    // What fails is tried again an hour later, and what has become too old goes then.
    old(&store, 42, 31, true).await;
    store.faults().fail_writes(1);
    tokio::time::sleep(limit::EXPIRE_EVERY).await;
    assert!(kept(&store, 42).await);
    tokio::time::sleep(limit::EXPIRE_EVERY).await;
    assert!(!kept(&store, 42).await);
    stop.cancel();
    assert!(tasks.drain(Duration::from_secs(1), Duration::ZERO).await.is_empty(), "it hears the stop");
}

#[tokio::test(start_paused = true)]
async fn without_a_number_everything_is_kept_but_dead_revocations() {
    let store = Arc::new(MemoryStore::new());
    old(&store, 0, 3_650, true).await;
    let now = Clock::default().wall();
    let revocation = |key: &str, expires| Revocation { key: key.into(), issued_until: now, expires };
    store.revoke(revocation("dead", now)).await.unwrap();
    store.revoke(revocation("alive", now.after(DAY))).await.unwrap();
    let _retention = retaining(&store, None);
    tokio::time::sleep(2 * limit::EXPIRE_EVERY).await;
    assert!(kept(&store, 0).await);
    let left = store.revocations(Millis(0)).await.unwrap();
    assert_eq!(left.iter().map(|r| r.key.as_str()).collect::<Vec<_>>(), ["alive"]);
}

// Planted fault: one step and no more. 256 of 600 went.
#[tokio::test(start_paused = true)]
async fn counters_of_days_that_are_over_go_all_of_them() {
    let store = Arc::new(MemoryStore::new());
    let now = Clock::default().wall();
    let past = Millis(now.0 - i64::try_from((2 * limit::QUOTA_KEPT).as_millis()).unwrap());
    let keys: Vec<_> = (0..600).map(|n| format!("old {n}")).collect();
    let ann = UserId::parse("ann").unwrap();
    for key in &keys {
        store.count(&ann, "quota_period", key, 1, 9, past).await.unwrap();
        store.count(&ann, "quota", key, 1, 9, past).await.unwrap();
    }
    store.count(&ann, "quota_period", "today", 3, 9, now).await.unwrap();
    let _retention = retaining(&store, None);
    tokio::time::sleep(2 * limit::EXPIRE_FIRST).await;
    let stands = async |kind, key| store.count(&ann, kind, key, 0, 9, now).await.unwrap().value;
    for key in &keys {
        assert_eq!((stands("quota_period", key).await, stands("quota", key).await), (0, 1), "{key}");
    }
    assert_eq!(stands("quota_period", "today").await, 3);
}

// Planted fault: `Trimmed` read as an empty log. The viewer waited for ever.
#[tokio::test(start_paused = true)]
async fn a_repeat_of_an_expired_turn_is_told_and_asks_nobody() {
    let mut house =
        House::with(Settings::default(), Arc::new(InProcess::new()), Arc::new(MemoryStore::new()));
    let what = |message: &str| StartRun {
        message_id: Some(MessageId::parse("m1").unwrap()),
        ..ask_in("generate", message, "s")
    };
    let run = house.engine.start(&ann(), what("hi")).await.unwrap().run;
    house.cues.next().await.end().await;
    let log = house.log(&run).await;
    assert_eq!(ending(&log, 1), Outcome::Completed);
    // One viewer is in the middle of it.
    let mut behind = house.follow(&run, 1).await;
    while house.engine.live() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.store.expire(Millis(i64::MAX), 10).await.unwrap().runs, 1);

    let again = house.engine.start(&ann(), what("hi")).await.unwrap();
    assert!(again.joined && again.run == run);
    assert_eq!(house.stage.calls(), 1);
    let told = house.follow(&run, 0).await.next().await.unwrap_err();
    assert_eq!(told.code, Code::CursorExpired);
    assert_eq!(behind.next().await.unwrap_err().code, Code::CursorExpired);
    // Who has it all is told that it is over, as ever.
    let last = log.last().unwrap().seq;
    assert!(matches!(house.follow(&run, last).await.next().await, Ok(Followed::End)));
    assert_eq!(house.engine.start(&ann(), what("ho")).await.unwrap_err().code, Code::MessageIdReused);
}
