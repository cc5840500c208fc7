//! Durable before visible, and one writer that never guesses.

use std::sync::Arc;
use std::time::Duration;

use headwater_bus::InProcess;
use headwater_core::event::{Body, Outcome};
use headwater_core::limit;
use headwater_core::port::store::Store;
use headwater_engine::Settings;
use headwater_store::{Fail, MemoryStore};
use tokio::time::{Instant, timeout};

use crate::house::{House, SECOND, ann, ask, ending, failure, rest, text};

// Planted fault: `show` before the append came back (ack before commit): the viewer then has the event.
#[tokio::test(start_paused = true)]
async fn nothing_is_seen_before_it_is_stored() {
    let mut house = House::new();
    let (run, mut act) = house.begin().await;
    house.stored(&run, 3).await;
    let mut viewer = house.follow(&run, 3).await;
    house.store.faults().hold_appends();
    act.say("secret").await;
    house.store.faults().appends_waiting(1).await;
    assert!(timeout(5 * SECOND, viewer.next()).await.is_err(), "seen while the append was under way");
    assert!(
        house
            .engine
            .page(&ann(), &run, &headwater_engine::engine::From::After(3))
            .await
            .unwrap()
            .1
            .is_empty()
    );
    house.store.faults().release_appends();
    act.end().await;
    assert_eq!(text(&rest(&mut viewer).await), "secret");
}

// Planted fault: no `due` for the first token: it then waits for the batch.
#[tokio::test(start_paused = true)]
async fn the_first_token_waits_for_nobody_and_later_ones_share_a_flush() {
    let mut house = House::new();
    let (run, mut act) = house.begin().await;
    house.stored(&run, 3).await;
    let mut viewer = house.follow(&run, 3).await;
    let before = Instant::now();
    act.say("first").await;
    viewer.next().await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
    let flushes = house.hints.published.lock().len();
    for word in ["a", "b", "c", "d"] {
        act.say(word).await;
    }
    house.stored(&run, 8).await;
    assert_eq!(house.hints.published.lock().len(), flushes + 1);
    assert!(before.elapsed() >= limit::FLUSH_AFTER);
    act.end().await;
    let log = house.log(&run).await;
    assert_eq!(ending(&log, 1), Outcome::Completed);
    assert_eq!(text(&log), "firstabcd");
}

// Planted fault: `retry` appends the whole batch again, or nothing: numbers then repeat, or text is gone.
#[tokio::test(start_paused = true)]
async fn an_append_that_fails_loses_nothing_and_repeats_nothing() {
    for when in [Fail::Before, Fail::After] {
        for failures in [1, 3] {
            let mut house = House::new();
            let (run, mut act) = house.begin().await;
            for n in 0..20 {
                if n % 5 == 0 {
                    house.store.faults().fail_appends(failures, when);
                }
                act.say(format!("{n} ")).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            act.end().await;
            let log = house.log(&run).await;
            assert_eq!(ending(&log, 1), Outcome::Completed);
            assert_eq!(text(&log), (0..20).map(|n| format!("{n} ")).collect::<String>());
            let stored = house.store.read(&run, 1, 1000, 1 << 20).await.unwrap();
            assert_eq!(stored, log);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_fails_and_keeps_its_text() {
    let settings = Settings { run_time: 90 * SECOND, ..Settings::default() };
    let mut house = House::with(settings, Arc::new(InProcess::new()), Arc::new(MemoryStore::new()));
    let (run, mut act) = house.begin().await;
    act.say("part").await;
    act.cancelled().await;
    let log = house.log(&run).await;
    assert_eq!((ending(&log, 1), failure(&log).as_str()), (Outcome::Failed, "run_timeout"));
    assert_eq!(text(&log), "part");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_cut_at_its_limit() {
    let mut house = House::new();
    let (run, mut act) = house.begin().await;
    let piece = "x".repeat(256 * 1024);
    while act.say(piece.clone()).await {}
    assert!(act.is_cancelled());
    let log = house.log(&run).await;
    assert_eq!((ending(&log, 1), failure(&log).as_str()), (Outcome::Failed, "too_large"));
    assert!(text(&log).len() <= limit::ANSWER_BYTES + (limit::WRITER_QUEUE + 1) * piece.len());
}

#[tokio::test(start_paused = true)]
async fn the_log_says_who_answered() {
    let mut house = House::new();
    let started = house.engine.start(&ann(), ask("generate", "hi")).await.unwrap();
    house.cues.next().await.end().await;
    let log = house.log(&started.run).await;
    assert!(matches!(&log[2].body, Body::ModelStarted { provider, .. } if provider == "stage"));
    let run = house.engine.run(&ann(), &started.run).await.unwrap();
    assert_eq!((run.provider.as_deref(), run.model.as_deref()), (Some("stage"), Some("stage")));
}
