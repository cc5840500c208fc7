//! One ending: stopped, failed, taken over, drained.

use std::sync::Arc;
use std::time::Duration;

use headwater_bus::InProcess;
use headwater_core::event::Outcome;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use headwater_core::port::store::Store;
use headwater_engine::recover::{Recovered, recover};
use headwater_engine::{Clock, Settings};

use crate::house::{House, SECOND, ann, ask, ask_in, ending, failure, text};

async fn recovered(house: &House) -> usize {
    let store: headwater_core::port::SharedStore = house.store.clone();
    recover(&store, Clock::default()).await.unwrap().ended
}

// Planted fault: the stop's branch taken out of the writer's `select!` (stop ignored while streaming).
#[tokio::test(start_paused = true)]
async fn a_stop_reaches_the_model_and_no_text_follows_the_answer() {
    for words in [0, 1, 7] {
        let mut house = House::new();
        let (run, mut act) = house.begin().await;
        for n in 0..words {
            act.say(format!("{n} ")).await;
        }
        house.stored(&run, 3 + words).await;
        assert_eq!(house.engine.stop(&ann(), &run).await.unwrap(), Outcome::Cancelled);
        assert!(act.is_cancelled());
        assert!(!act.say("too late").await);
        let log = house.log(&run).await;
        assert_eq!(ending(&log, 1), Outcome::Cancelled);
        assert_eq!(text(&log), (0..words).map(|n| format!("{n} ")).collect::<String>());
        // Stopping what has ended says how it ended, and changes nothing.
        assert_eq!(house.engine.stop(&ann(), &run).await.unwrap(), Outcome::Cancelled);
        assert_eq!(house.log(&run).await, log);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_the_model_is_asked_ends_the_run() {
    let mut house = House::new();
    house.store.faults().hold_appends();
    let started = house.engine.start(&ann(), ask("generate", "hi")).await.unwrap();
    let me = ann();
    let stop = house.engine.stop(&me, &started.run);
    let release = async { house.store.faults().release_appends() };
    assert_eq!(tokio::join!(stop, release).0.unwrap(), Outcome::Cancelled);
    assert_eq!(ending(&house.log(&started.run).await, 1), Outcome::Cancelled);
    assert!(house.cues.try_next().is_none_or(|act| act.is_cancelled()));
}

// Planted fault: the flush awaited inside the `select!`: a slow disk then keeps the model busy.
#[tokio::test(start_paused = true)]
async fn a_stop_reaches_the_model_while_the_disk_is_stuck() {
    let mut house = House::new();
    let (run, mut act) = house.begin().await;
    house.stored(&run, 3).await;
    house.store.faults().hold_appends();
    act.say("kept").await;
    house.store.faults().appends_waiting(1).await;
    let (engine, stopped) = (house.engine.clone(), run.clone());
    let stop = tokio::spawn(async move { engine.stop(&ann(), &stopped).await });
    act.cancelled().await;
    assert!(!stop.is_finished(), "a stop is answered when its ending is stored");
    house.store.faults().release_appends();
    assert_eq!(stop.await.unwrap().unwrap(), Outcome::Cancelled);
    assert_eq!(text(&house.log(&run).await), "kept");
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_meets_the_end_leaves_one_ending() {
    for turns in 0..40 {
        let mut house = House::new();
        let (run, mut act) = house.begin().await;
        act.say("word").await;
        let end = tokio::spawn(act.end());
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let outcome = house.engine.stop(&ann(), &run).await.unwrap();
        let _ = end.await;
        let log = house.log(&run).await;
        assert_eq!(ending(&log, 1), outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_fails_the_run_and_the_text_is_kept() {
    let mut house = House::new();
    let (run, mut act) = house.begin().await;
    act.say("half a").await;
    act.fail(ProviderErrorKind::Timeout, "nothing came for 30 s").await;
    let log = house.log(&run).await;
    assert_eq!((ending(&log, 1), failure(&log).as_str()), (Outcome::Failed, "provider_timeout"));
    assert_eq!(text(&log), "half a");

    let (run, act) = house.begin().await;
    drop(act);
    let log = house.log(&run).await;
    assert_eq!((ending(&log, 1), failure(&log).as_str()), (Outcome::Failed, "provider_interrupted"));

    house.stage.refuse_next(ProviderError::new(ProviderErrorKind::Busy, "later"));
    let started = house.engine.start(&ann(), ask("generate", "hi")).await.unwrap();
    assert_eq!(failure(&house.log(&started.run).await), "provider_busy");
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_ends_interrupted_and_its_old_owner_writes_no_more() {
    let mut house = House::new();
    let (run, mut act) = house.begin().await;
    act.say("before ").await;
    house.stored(&run, 4).await;
    let next = House::with(Settings::default(), Arc::new(InProcess::new()), Arc::clone(&house.store));
    assert_eq!(recovered(&next).await, 1);
    act.say("after").await;
    act.cancelled().await;
    let log = next.log(&run).await;
    assert_eq!((ending(&log, 1), failure(&log).as_str()), (Outcome::Interrupted, "interrupted"));
    assert_eq!(text(&log), "before ");
    let session = next.engine.run(&ann(), &run).await.unwrap().session;
    let history = next.engine.history(&ann(), None, &session, 100).await.unwrap();
    assert_eq!(history.last().unwrap().content, "before ");
    assert_eq!(recovered(&next).await, 0);
    assert_eq!(next.engine.stop(&ann(), &run).await.unwrap(), Outcome::Interrupted);
    // Who waited at the old owner for an ending is told as well.
    assert_eq!(house.engine.stop(&ann(), &run).await.unwrap(), Outcome::Interrupted);
}

// Planted fault: recovery without a new term: the old owner's append goes through, the ending is refused,
// and the run is never ended.
#[tokio::test(start_paused = true)]
async fn a_recovery_that_meets_an_append_under_way_ends_the_run_all_the_same() {
    // Which of the two is let through first is chance: often enough for both.
    for _ in 0..64 {
        recovery_meets_an_append().await;
    }
}

async fn recovery_meets_an_append() {
    let mut house = House::new();
    let (run, mut act) = house.begin().await;
    act.say("before ").await;
    house.stored(&run, 4).await;
    house.store.faults().hold_appends();
    act.say("lost").await;
    house.store.faults().appends_waiting(1).await;
    let next = House::with(Settings::default(), Arc::new(InProcess::new()), Arc::clone(&house.store));
    let store: headwater_core::port::SharedStore = house.store.clone();
    let recovery = tokio::spawn(async move { recover(&store, Clock::default()).await });
    house.store.faults().appends_waiting(2).await;
    house.store.faults().release_appends();
    assert_eq!(recovery.await.unwrap().unwrap(), Recovered { ended: 1, failed: 0 });
    assert!(house.store.live().await.unwrap().is_empty());
    let log = next.log(&run).await;
    assert_eq!((ending(&log, 1), text(&log).as_str()), (Outcome::Interrupted, "before "));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lives_nowhere_can_be_stopped() {
    let mut house = House::new();
    let (run, _act) = house.begin().await;
    house.stored(&run, 3).await;
    let next = House::with(Settings::default(), Arc::new(InProcess::new()), Arc::clone(&house.store));
    assert_eq!(next.engine.stop(&ann(), &run).await.unwrap(), Outcome::Cancelled);
    assert_eq!(ending(&next.log(&run).await, 1), Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_runs_end_and_interrupts_those_that_do_not() {
    let mut house = House::new();
    let (quick, mut act) = house.begin().await;
    let (endless, mut other) = house.begin().await;
    other.say("part").await;
    let engine = house.engine.clone();
    let drain = tokio::spawn(async move { engine.drain(10 * SECOND).await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    let refused = house.engine.start(&ann(), ask("generate", "hi")).await.unwrap_err();
    assert_eq!(refused.code, headwater_core::Code::Draining);
    act.say("done").await;
    act.end().await;
    drain.await.unwrap();
    assert_eq!(ending(&house.log(&quick).await, 1), Outcome::Completed);
    let log = house.log(&endless).await;
    assert_eq!((ending(&log, 1), text(&log).as_str()), (Outcome::Interrupted, "part"));
    assert!(other.is_cancelled());
    assert!(house.store.live().await.unwrap().is_empty());
}

// Planted fault: no ending for a workflow that panics: its viewers wait for ever, and the next turn.
#[tokio::test(start_paused = true)]
async fn a_mistake_in_a_workflow_fails_its_run_and_no_other() {
    let mut house = House::new();
    let broken = house.engine.start(&ann(), ask_in("broken", "hi", "s")).await.unwrap();
    let log = house.log(&broken.run).await;
    assert_eq!((ending(&log, 1), failure(&log).as_str()), (Outcome::Failed, "internal"));
    let next = house.engine.start(&ann(), ask_in("assist", "hi", "s")).await.unwrap();
    house.cues.next().await.end().await;
    assert_eq!(ending(&house.log(&next.run).await, 1), Outcome::Completed);
    assert_eq!(house.engine.live(), 0);
}

// Planted fault: the ending alone at tail 0: a log that does not begin with its beginning.
#[tokio::test(start_paused = true)]
async fn a_run_that_a_crash_left_without_events_gets_its_beginning_with_its_ending() {
    let house = House::new();
    house.store.faults().hold_appends();
    let empty = house.engine.start(&ann(), ask("generate", "hi")).await.unwrap().run;
    house.store.faults().appends_waiting(1).await;
    let store: headwater_core::port::SharedStore = house.store.clone();
    let recovery = tokio::spawn(async move { recover(&store, Clock::default()).await });
    house.store.faults().appends_waiting(2).await;
    house.store.faults().release_appends();
    assert_eq!(recovery.await.unwrap().unwrap(), Recovered { ended: 1, failed: 0 });
    let next = House::with(Settings::default(), Arc::new(InProcess::new()), Arc::clone(&house.store));
    let log = next.log(&empty).await;
    assert_eq!(ending(&log, 1), Outcome::Interrupted);
    assert!(matches!(log[0].body, headwater_core::event::Body::RunStarted { .. }));
}
