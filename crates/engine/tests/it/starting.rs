//! Sending twice is sending once; what cannot be started is refused with its reason.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use headwater_bus::InProcess;
use headwater_core::code::Code;
use headwater_core::event::Outcome;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use headwater_core::port::store::Store;
use headwater_core::{MessageId, SessionId, limit};
use headwater_engine::ask::{Lesson, Special};
use headwater_engine::{Period, Quota, Settings, StartRun};
use headwater_store::MemoryStore;

use crate::house::{House, SECOND, ann, ask, ask_in, ending, principal};
use crate::tutoring::School;

fn named(id: &str, ask: StartRun) -> StartRun {
    StartRun { message_id: Some(MessageId::parse(id).unwrap()), ..ask }
}

// Planted fault: the message id left out of the store's key: twelve runs then ask the model.
#[tokio::test(start_paused = true)]
async fn one_message_id_is_one_run_however_often_it_is_sent() {
    for session in [Some("s"), None] {
        let mut house = House::new();
        let what = |text| {
            named("m1", session.map_or_else(|| ask("generate", text), |s| ask_in("generate", text, s)))
        };
        let me = ann();
        let all = join_all((0..12).map(|_| house.engine.start(&me, what("hi")))).await;
        let runs: Vec<_> = all.into_iter().map(|s| s.unwrap()).collect();
        assert!(runs.iter().all(|s| s.run == runs[0].run && s.session == runs[0].session));
        assert_eq!(runs.iter().filter(|s| !s.joined).count(), 1);
        house.cues.next().await.end().await;
        assert_eq!(ending(&house.log(&runs[0].run).await, 1), Outcome::Completed);
        assert_eq!(house.stage.calls(), 1);
        // Also long after it has ended; but never for another message, and never across users.
        assert_eq!(house.engine.start(&ann(), what("hi")).await.unwrap().run, runs[0].run);
        assert_eq!(house.engine.start(&ann(), what("ho")).await.unwrap_err().code, Code::MessageIdReused);
        let other = house.engine.start(&principal("bob"), what("ho")).await.unwrap();
        assert_ne!(other.run, runs[0].run);
    }
}

// Planted faults: the message's lane not taken; the fingerprint not asked; the run of another session not looked for.
#[tokio::test(start_paused = true)]
async fn a_lesson_that_names_no_session_is_the_one_that_used_its_message_id_last() {
    let School { mut house, .. } = School::new().await;
    let lesson = |ask| StartRun {
        special: Special::Lesson(Lesson::default()),
        anywhere: true,
        ..named("m", StartRun { workflow: "tutor".into(), ..ask })
    };
    let (there, nowhere) = (|text| lesson(ask_in("tutor", text, "s")), |text| lesson(ask("tutor", text)));
    let me = ann();
    // Its run is being made: the store holds it up.
    house.store.faults().hold_creates();
    let mut first = Box::pin(house.engine.start(&me, there("Why?")));
    assert!(futures_util::poll!(&mut first).is_pending());
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let mut again: Vec<_> = (0..3).map(|_| Box::pin(house.engine.start(&me, nowhere("Why?")))).collect();
    for start in &mut again {
        assert!(futures_util::poll!(start).is_pending());
    }
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    house.store.faults().release_creates();
    let first = first.await.unwrap();
    for start in again {
        let again = start.await.unwrap();
        assert_eq!((&again.run, &again.session, again.joined), (&first.run, &first.session, true));
    }
    house.cues.next().await.end().await;
    assert_eq!(ending(&house.log(&first.run).await, 1), Outcome::Completed);
    assert_eq!(house.engine.start(&me, nowhere("Why?")).await.unwrap().run, first.run);
    assert_eq!(house.stage.calls(), 1);
    // Another's is another's, and another message of that name is another session's.
    let bobs = house.engine.start(&principal("bob"), nowhere("Why?")).await.unwrap();
    assert!(!bobs.joined && bobs.run != first.run);
    let other = house.engine.start(&me, nowhere("Why not?")).await.unwrap();
    assert!(!other.joined && other.session != first.session);
    // From now on that one used it last, and its key is a session's as any.
    assert_eq!(house.engine.start(&me, nowhere("Why not?")).await.unwrap().run, other.run);
    assert_eq!(house.engine.start(&me, nowhere("Why?")).await.unwrap_err().code, Code::MessageIdReused);
    assert_eq!(house.engine.start(&me, there("Why?")).await.unwrap().run, first.run);
    // Who does not ask for that has the session of the message's name.
    let own = StartRun { anywhere: false, ..nowhere("Why not?") };
    assert_eq!(house.engine.start(&me, own).await.unwrap().session, other.session);
}

// Planted fault: the lane of the session alone waited for.
#[tokio::test(start_paused = true)]
async fn a_lesson_that_waits_behind_another_of_its_name_is_stopped() {
    for session in [Some("t"), None] {
        let School { house, .. } = School::new().await;
        let lesson = |session| StartRun {
            special: Special::Lesson(Lesson::default()),
            ..named("m", ask_in("tutor", "Why?", session))
        };
        let me = ann();
        house.store.faults().hold_creates();
        let mut first = Box::pin(house.engine.start(&me, lesson("s")));
        let mut second = Box::pin(house.engine.start(&me, lesson("t")));
        for start in [&mut first, &mut second] {
            assert!(futures_util::poll!(start).is_pending());
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        let (name, session) =
            (MessageId::parse("m").unwrap(), session.map(|name| SessionId::parse(name).unwrap()));
        let mut stop = Box::pin(house.engine.stop_turn(&me, session.as_ref(), &name));
        assert!(futures_util::poll!(&mut stop).is_pending());
        house.store.faults().release_creates();
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert_ne!(first.run, second.run);
        assert_eq!(stop.await.unwrap().run, second.run);
    }
}

// Planted fault: `create` awaited by the caller: a run is then stored that nobody writes.
#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_a_run_that_is_written() {
    let mut house = House::new();
    assert!(house.engine.start(&ann(), ask("generate", "hi")).now_or_never().is_none());
    house.cues.next().await.end().await;
    let runs = house.engine.runs(&ann(), None, None, None, 10).await.unwrap();
    assert_eq!(ending(&house.log(&runs[0].id).await, 1), Outcome::Completed);
}

// Planted faults: nothing given back; given back for a run that had said something, or that completed.
#[tokio::test(start_paused = true)]
async fn a_generation_that_used_nothing_does_not_count() {
    let mut house = House::new();
    let quota = Quota { of: "generations", most: 9, per: Period::Ever };
    let what = || StartRun { quota: Some(quota), ..ask("generate", "hi") };
    let used = async |house: &House| house.engine.used(&ann(), &quota).await.unwrap();
    for kind in [ProviderErrorKind::KeyMissing, ProviderErrorKind::Busy, ProviderErrorKind::Unavailable] {
        house.stage.refuse_next(ProviderError::new(kind, "no"));
        let run = house.engine.start(&ann(), what()).await.unwrap().run;
        assert_eq!(ending(&house.log(&run).await, 1), Outcome::Failed);
        assert_eq!(used(&house).await, 0, "{kind:?}");
    }
    for (n, complete) in [(1, false), (2, true)] {
        let run = house.engine.start(&ann(), what()).await.unwrap().run;
        let mut act = house.cues.next().await;
        act.say("a word").await;
        if complete {
            act.end().await;
        } else {
            act.fail(ProviderErrorKind::Failed, "broken").await;
        }
        house.log(&run).await;
        assert_eq!(used(&house).await, n);
    }
}

#[tokio::test(start_paused = true)]
async fn what_breaks_a_rule_is_refused_by_name() {
    let house = House::new();
    let code = async |ask| house.engine.start(&ann(), ask).await.unwrap_err().code;
    assert_eq!(code(ask("generate", " \n")).await, Code::EmptyMessage);
    assert_eq!(code(ask("nothing", "hi")).await, Code::UnknownWorkflow);
    assert_eq!(code(ask("generate", &"x".repeat(limit::MESSAGE_BYTES + 1))).await, Code::TooLarge);
    let system = |text: String, workflow| StartRun { system: Some(text), ..ask(workflow, "hi") };
    assert_eq!(code(system("be kind".into(), "assist")).await, Code::InvalidRequest);
    assert_eq!(code(system("x".repeat(limit::SYSTEM_BYTES + 1), "generate")).await, Code::TooLarge);
    for tokens in [0, limit::ANSWER_TOKENS_MAX + 1] {
        assert_eq!(
            code(StartRun { max_tokens: Some(tokens), ..ask("generate", "hi") }).await,
            Code::InvalidRequest
        );
    }
    for temperature in [-0.1, 2.1, f32::NAN] {
        let ask = StartRun { temperature: Some(temperature), ..ask("generate", "hi") };
        assert_eq!(code(ask).await, Code::InvalidRequest);
    }
    house.store.faults().fail_writes(1);
    assert_eq!(code(ask("generate", "hi")).await, Code::StoreFailed);
    assert_eq!(house.stage.calls(), 0);
}

// Planted fault: a place that is not given back at the ending.
#[tokio::test(start_paused = true)]
async fn places_are_bounded_and_given_back() {
    let settings = Settings { runs_per_user: 3, runs: 5, ..Settings::default() };
    let mut house = House::with(settings, Arc::new(InProcess::new()), Arc::new(MemoryStore::new()));
    let (ann, bob) = (ann(), principal("bob"));
    for _ in 0..3 {
        house.engine.start(&ann, ask("generate", "hi")).await.unwrap();
    }
    let refused = house.engine.start(&ann, ask("generate", "hi")).await.unwrap_err();
    assert_eq!(refused.code, Code::TooManyRuns);
    for _ in 0..2 {
        house.engine.start(&bob, ask("generate", "hi")).await.unwrap();
    }
    assert_eq!(house.engine.start(&bob, ask("generate", "hi")).await.unwrap_err().code, Code::TooManyRuns);
    house.cues.next().await.end().await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(house.engine.live(), 4);
    // Exact also for those that are asked for at once.
    let at_once = join_all((0..50).map(|_| house.engine.start(&ann, ask("generate", "hi")))).await;
    assert_eq!(at_once.iter().filter(|s| s.is_ok()).count(), 1);
    house.cues.next().await.end().await;
    tokio::time::sleep(SECOND).await;
    house.engine.start(&ann, ask("generate", "hi")).await.unwrap();
}

// Planted fault: a place taken before the message id is looked up: whoever comes back is turned away.
#[tokio::test(start_paused = true)]
async fn who_comes_back_for_his_answer_gets_it_however_full_the_house_is() {
    let settings = Settings { runs_per_user: 1, ..Settings::default() };
    let mut house = House::with(settings, Arc::new(InProcess::new()), Arc::new(MemoryStore::new()));
    let what = || named("m", ask_in("generate", "hi", "s"));
    let run = house.engine.start(&ann(), what()).await.unwrap().run;
    let me = ann();
    let again = join_all((0..30).map(|_| house.engine.start(&me, what()))).await;
    assert!(again.into_iter().all(|s| s.unwrap().run == run));
    let engine = house.engine.clone();
    let drain = tokio::spawn(async move { engine.drain(10 * SECOND).await });
    tokio::time::sleep(SECOND).await;
    assert_eq!(house.engine.start(&ann(), what()).await.unwrap().run, run);
    let other = house.engine.start(&ann(), ask("generate", "hi")).await.unwrap_err();
    assert_eq!(other.code, Code::Draining);
    house.cues.next().await.end().await;
    drain.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_after_it_was_stored_leaves_no_run_without_end() {
    let house = House::new();
    house.store.faults().fail_writes(1);
    assert_eq!(house.engine.start(&ann(), ask("generate", "hi")).await.unwrap_err().code, Code::StoreFailed);
    assert!(house.store.live().await.unwrap().is_empty());
    assert_eq!(house.engine.live(), 0);
}
