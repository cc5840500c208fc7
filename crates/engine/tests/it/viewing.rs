//! Every event once and in order, for any viewer at any time, over any bus.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use headwater_bus::Lossy;
use headwater_core::code::Code;
use headwater_core::cursor::Cursor;
use headwater_core::event::Outcome;
use headwater_core::{RunId, limit};
use headwater_engine::engine::From;
use headwater_engine::{Followed, Settings, StartRun, Unwatched};
use headwater_store::MemoryStore;

use crate::house::{House, SECOND, ann, ask, ending, principal, rest, text};

/// A small source of chance that gives the same numbers for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

// Planted faults: a viewer that begins at `after` instead of `after + 1` (off-by-one cursor); one that
// reads first and subscribes afterwards, without the checks of the tail (replay-then-subscribe gap).
#[tokio::test(start_paused = true)]
async fn viewers_that_come_and_go_see_every_event_once_over_a_bus_that_loses() {
    for seed in 0..60 {
        let mut chance = Chance(seed);
        let bus = Arc::new(Lossy::new(seed));
        let mut house = House::with(Settings::default(), bus, Arc::new(MemoryStore::new()));
        let (run, mut act) = house.begin().await;
        let words = 40 + chance.below(80);
        let viewers: Vec<_> = (0..6)
            .map(|n| {
                let (engine, run) = (house.engine.clone(), run.clone());
                tokio::spawn(comes_and_goes(engine, run, Chance(seed * 31 + n)))
            })
            .collect();
        for n in 0..words {
            act.say(format!("{n} ")).await;
            if chance.below(3) == 0 {
                tokio::time::sleep(Duration::from_millis(chance.below(400))).await;
            }
        }
        act.end().await;
        let log = house.log(&run).await;
        assert_eq!(ending(&log, 1), Outcome::Completed);
        for viewer in viewers {
            assert_eq!(viewer.await.unwrap(), log, "seed {seed}");
        }
    }
}

async fn comes_and_goes(
    engine: headwater_engine::Engine,
    run: RunId,
    mut chance: Chance,
) -> Vec<Arc<headwater_core::event::Event>> {
    let mut seen: Vec<Arc<headwater_core::event::Event>> = Vec::new();
    loop {
        tokio::time::sleep(Duration::from_millis(chance.below(300))).await;
        let after = seen.last().map_or(0, |e| e.seq);
        let from = match chance.below(2) {
            0 => From::After(after),
            _ => From::Cursor(Cursor { run: run.clone(), seq: after }),
        };
        let mut follow = engine.follow(&ann(), &run, &from).await.unwrap();
        // Also polled and let go in between, as a connection does that has something else to do.
        for _ in 0..=chance.below(8) {
            let _ = follow.next().now_or_never().map(|f| keep(f.unwrap(), &mut seen));
            match follow.next().await.unwrap() {
                Followed::End => return seen,
                followed => keep(followed, &mut seen),
            }
        }
    }
}

fn keep(followed: Followed, seen: &mut Vec<Arc<headwater_core::event::Event>>) {
    if let Followed::Events(events) = followed {
        seen.extend(events);
    }
}

// Planted fault: a queue per viewer in place of the ring and the store; memory then grows with the answer.
#[tokio::test(start_paused = true)]
async fn a_viewer_that_does_not_read_delays_nobody_and_still_gets_everything() {
    let mut house = House::new();
    let (run, mut act) = house.begin().await;
    let mut slow = house.follow(&run, 0).await;
    slow.next().await.unwrap();
    let mut quick = house.follow(&run, 0).await;
    let piece = "word ".repeat(20);
    for _ in 0..8_000 {
        assert!(act.say(piece.clone()).await);
    }
    act.end().await;
    let all = rest(&mut quick).await;
    assert_eq!(ending(&all, 1), Outcome::Completed);
    let mut late = Vec::new();
    loop {
        match slow.next().await.unwrap() {
            Followed::Events(events) => {
                let bytes: usize = events.iter().map(|e| e.body.weight()).sum();
                assert!(events.len() <= limit::BATCH_EVENTS && bytes <= limit::BATCH_BYTES + 4096);
                late.extend(events);
            }
            Followed::Heartbeat => {}
            Followed::End => break,
        }
    }
    assert_eq!(text(&late), text(&all));
}

#[tokio::test(start_paused = true)]
async fn a_silent_run_says_that_it_lives_and_a_read_that_fails_is_told() {
    let mut house = House::new();
    let (run, act) = house.begin().await;
    house.stored(&run, 3).await;
    let mut viewer = house.follow(&run, 3).await;
    assert!(matches!(viewer.next().await.unwrap(), Followed::Heartbeat));
    house.store.faults().fail_reads(1);
    assert_eq!(viewer.next().await.unwrap_err().code, Code::StoreFailed);
    act.end().await;
    assert_eq!(ending(&rest(&mut viewer).await, 4), Outcome::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_cannot_be_is_refused_and_never_a_silent_hole() {
    let mut house = House::new();
    let (run, act) = house.begin().await;
    let (other, _act) = house.begin().await;
    house.stored(&run, 3).await;
    let code = async |from| house.engine.follow(&ann(), &run, &from).await.err().map(|e| e.code);
    assert_eq!(code(From::After(4)).await, Some(Code::CursorAhead));
    assert_eq!(code(From::Cursor(Cursor { run: run.clone(), seq: 9 })).await, Some(Code::CursorAhead));
    assert_eq!(code(From::Cursor(Cursor { run: other, seq: 1 })).await, Some(Code::CursorForeign));
    assert_eq!(code(From::After(3)).await, None);
    act.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_yours_does_not_exist() {
    let mut house = House::new();
    let (run, act) = house.begin().await;
    let eve = principal("eve");
    let session = house.engine.run(&ann(), &run).await.unwrap().session;
    assert_eq!(house.engine.run(&eve, &run).await.unwrap_err().code, Code::NotFound);
    assert_eq!(house.engine.stop(&eve, &run).await.unwrap_err().code, Code::NotFound);
    assert_eq!(house.engine.page(&eve, &run, &From::After(0)).await.unwrap_err().code, Code::NotFound);
    assert_eq!(house.engine.follow(&eve, &run, &From::After(0)).await.err().unwrap().code, Code::NotFound);
    assert_eq!(house.engine.newest_run(&eve, &session).await.unwrap_err().code, Code::NotFound);
    assert!(house.engine.runs(&eve, None, None, None, 10).await.unwrap().is_empty());
    assert!(house.engine.history(&eve, None, &session, 100).await.unwrap().is_empty());
    assert!(!act.is_cancelled());
    act.end().await;
    assert_eq!(ending(&house.log(&run).await, 1), Outcome::Completed);
}

// Planted fault: the count of viewers is not given back when one leaves; the run then goes on.
#[tokio::test(start_paused = true)]
async fn what_a_run_does_that_nobody_watches_is_a_setting() {
    let mut house = House::new();
    let (run, mut act) = house.begin().await;
    drop(house.follow(&run, 0).await);
    tokio::time::sleep(300 * SECOND).await;
    assert!(act.say("still here").await);
    act.end().await;
    assert_eq!(ending(&house.log(&run).await, 1), Outcome::Completed);

    let settings = Settings { unwatched: Unwatched::StopAfter(30 * SECOND), ..Settings::default() };
    let mut house =
        House::with(settings, Arc::new(headwater_bus::InProcess::new()), Arc::new(MemoryStore::new()));
    let (run, mut act) = house.begin().await;
    let viewer = house.follow(&run, 0).await;
    tokio::time::sleep(300 * SECOND).await;
    assert!(act.say("watched").await);
    drop(viewer);
    tokio::time::sleep(20 * SECOND).await;
    drop(house.follow(&run, 0).await);
    tokio::time::sleep(29 * SECOND).await;
    assert!(!act.is_cancelled());
    act.cancelled().await;
    let log = house.log(&run).await;
    assert_eq!((ending(&log, 1), text(&log).as_str()), (Outcome::Cancelled, "watched"));
}

// Planted faults: whoever asked waited for, gone or not; a viewer counted only where the writer saw him.
#[tokio::test(start_paused = true)]
async fn a_run_whose_asker_is_gone_waits_for_no_first_viewer() {
    let unwatched = Some(Unwatched::StopAfter(Duration::ZERO));
    let what = || StartRun { unwatched, ..ask("generate", "hi") };
    let mut house = House::new();
    let began = tokio::time::Instant::now();
    // Gone while it is made.
    assert!(house.engine.start(&ann(), what()).now_or_never().is_none());
    house.cues.next().await.cancelled().await;
    // Gone before he follows.
    let (_, asker) = house.engine.start_for(&ann(), what()).await.unwrap();
    let act = house.cues.next().await;
    drop(asker);
    act.cancelled().await;
    // Come and gone between two looks of the writer.
    let run = house.engine.start(&ann(), what()).await.unwrap().run;
    let act = house.cues.next().await;
    drop(house.follow(&run, 0).await);
    act.cancelled().await;
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    // One who is there is waited for.
    let run = house.engine.start(&ann(), what()).await.unwrap().run;
    let act = house.cues.next().await;
    tokio::time::sleep(limit::FIRST_VIEWER - SECOND).await;
    assert!(!act.is_cancelled());
    act.cancelled().await;
    assert_eq!(ending(&house.log(&run).await, 1), Outcome::Cancelled);
}

// Planted fault: a timer that lives in the future of `next`: a connection polls several viewers and drops
// those futures, and the heartbeat never comes.
#[tokio::test(start_paused = true)]
async fn a_viewer_that_is_polled_and_let_go_of_is_woken_in_time() {
    let mut house = House::new();
    let (run, act) = house.begin().await;
    house.stored(&run, 3).await;
    let mut viewer = house.follow(&run, 3).await;
    let began = tokio::time::Instant::now();
    let heartbeat = std::future::poll_fn(|cx| {
        let next = std::pin::pin!(viewer.next());
        std::future::Future::poll(next, cx)
    });
    let heartbeat = tokio::time::timeout(2 * limit::HEARTBEAT, heartbeat).await.expect("nobody woke it");
    assert!(matches!(heartbeat.unwrap(), Followed::Heartbeat));
    assert_eq!(began.elapsed().as_secs(), limit::HEARTBEAT.as_secs());
    act.end().await;
}
