//! The assistant: its stages, its sources, its memory, its warning.

use std::sync::Arc;

use headwater_core::Millis;
use headwater_core::event::{Body, Event, Outcome, Stage};
use headwater_core::port::SharedStore;
use headwater_core::port::provider::Role;
use headwater_engine::assistant::SHIPPED_DOCUMENTS;
use headwater_engine::ingest::{Text, ingest};

use crate::house::{House, ann, ask_in, ending, text};

async fn house() -> House {
    let house = House::new();
    let store: SharedStore = house.store.clone();
    for (source, text) in SHIPPED_DOCUMENTS {
        let text = Text::shared(source, "manual", text);
        assert!(ingest(&store, None, text.clone(), Millis(0), |_, _| {}).await.unwrap().stored);
        // The same text is indexed once.
        assert!(!ingest(&store, None, text, Millis(0), |_, _| {}).await.unwrap().stored);
    }
    house
}

fn stages(log: &[Arc<Event>]) -> Vec<Stage> {
    let stage = |e: &Arc<Event>| if let Body::StageStarted { stage } = e.body { Some(stage) } else { None };
    log.iter().filter_map(stage).collect()
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_through_every_stage_and_names_its_sources() {
    let mut house = house().await;
    let asked = ask_in("assist", "What is the engine power?", "s");
    let run = house.engine.start(&ann(), asked).await.unwrap().run;
    let mut act = house.cues.next().await;
    let prompt = &act.request.messages;
    assert_eq!(prompt.first().unwrap().role, Role::System);
    assert!(prompt.last().unwrap().content.contains("128"), "{prompt:?}");
    act.say("128 hp.").await;
    act.end().await;
    let log = house.log(&run).await;
    assert_eq!(ending(&log, 1), Outcome::Completed);
    assert_eq!(stages(&log), [Stage::Start, Stage::Route, Stage::Retrieve, Stage::Generate]);
    let routed = log.iter().find_map(|e| match &e.body {
        Body::Routed { agent, intent, confidence } => Some((agent.clone(), intent.clone(), *confidence)),
        _ => None,
    });
    let (agent, intent, confidence) = routed.unwrap();
    assert_eq!((agent.as_str(), intent.as_str()), ("specs", "SPECS"));
    assert!(confidence > 0.0 && confidence <= 1.0);
    let sources = log.iter().find_map(|e| match &e.body {
        Body::Retrieved { sources } => Some(sources.clone()),
        _ => None,
    });
    assert_eq!(sources.unwrap()[0].source, "specs_genautox1_2024.md");
}

// Planted fault: a turn that does not wait for the one before it: its prompt then lacks the answer.
#[tokio::test(start_paused = true)]
async fn the_next_turn_waits_for_the_one_before_and_remembers_it() {
    let mut house = house().await;
    let engine = house.engine.clone();
    let first = engine.start(&ann(), ask_in("assist", "What is the engine power?", "s")).await.unwrap();
    let second = engine.start(&ann(), ask_in("assist", "What fuel does it use?", "s")).await.unwrap();
    let other = engine.start(&ann(), ask_in("assist", "How wide is the car?", "t")).await.unwrap();
    let mut act = house.cues.next().await;
    // Another session does not wait.
    house.cues.next().await.end().await;
    assert_eq!(ending(&house.log(&other.run).await, 1), Outcome::Completed);
    assert!(house.cues.try_next().is_none());
    act.say("It has 128 hp with gasoline.").await;
    act.end().await;
    let act = house.cues.next().await;
    let said: Vec<_> = act.request.messages.iter().map(|m| (m.role, m.content.as_str())).collect();
    assert!(said.contains(&(Role::User, "What is the engine power?")), "{said:?}");
    assert!(said.contains(&(Role::Assistant, "It has 128 hp with gasoline.")), "{said:?}");
    assert!(said.last().unwrap().1.ends_with("answer: What fuel does it use?"), "{said:?}");
    act.end().await;
    assert_eq!(ending(&house.log(&first.run).await, 1), Outcome::Completed);
    assert_eq!(ending(&house.log(&second.run).await, 1), Outcome::Completed);
    let session = headwater_core::SessionId::parse("s").unwrap();
    let history = house.engine.history(&ann(), None, &session, 100).await.unwrap();
    let roles: Vec<_> = history.iter().map(|m| m.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::Assistant]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_waits_can_be_stopped_and_holds_nobody_up() {
    let mut house = house().await;
    let engine = house.engine.clone();
    let first = engine.start(&ann(), ask_in("assist", "one", "s")).await.unwrap();
    let second = engine.start(&ann(), ask_in("assist", "two", "s")).await.unwrap();
    let third = engine.start(&ann(), ask_in("assist", "three", "s")).await.unwrap();
    let act = house.cues.next().await;
    assert_eq!(engine.stop(&ann(), &second.run).await.unwrap(), Outcome::Cancelled);
    act.end().await;
    house.cues.next().await.end().await;
    assert_eq!(ending(&house.log(&first.run).await, 1), Outcome::Completed);
    assert_eq!(ending(&house.log(&third.run).await, 1), Outcome::Completed);
    assert_eq!(house.stage.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_danger_begins_with_the_warning() {
    let mut house = house().await;
    let asked = ask_in("assist", "My brake makes a grinding noise and has a problem", "s");
    let run = house.engine.start(&ann(), asked).await.unwrap().run;
    let mut act = house.cues.next().await;
    act.say("Have it looked at.").await;
    act.end().await;
    let answer = text(&house.log(&run).await);
    assert!(answer.starts_with("⚠️ **SAFETY WARNING**: "), "{answer}");
    assert!(answer.ends_with("\n\nHave it looked at."), "{answer}");
}

// Planted fault: the turn to wait for taken after the run is stored, without a lane: turns that are asked
// for at once then overtake one another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_that_are_asked_for_at_once_are_answered_in_the_order_in_which_they_are_stored() {
    for _ in 0..40 {
        let mut house = House::new();
        let me = ann();
        let starts = (0..4).map(|n| {
            let (engine, me) = (house.engine.clone(), me.clone());
            tokio::spawn(async move { engine.start(&me, ask_in("assist", &format!("turn {n}"), "s")).await })
        });
        let starts: Vec<_> = starts.collect();
        for _ in 0..4 {
            let act = house.cues.next().await;
            assert!(house.cues.try_next().is_none(), "two turns of one session at once");
            let asked = act.request.messages.last().unwrap().content.clone();
            let stored = house
                .engine
                .history(&me, None, &headwater_core::SessionId::parse("s").unwrap(), 100)
                .await
                .unwrap();
            let unanswered = stored.iter().find(|m| m.outcome.is_none()).unwrap();
            assert!(asked.ends_with(&unanswered.content), "{asked} before {}", unanswered.content);
            act.end().await;
        }
        for start in starts {
            assert_eq!(ending(&house.log(&start.await.unwrap().unwrap().run).await, 1), Outcome::Completed);
        }
    }
}

// Planted fault: the clock of a run, or of nobody watching it, started with the run and not with its work.
#[tokio::test(start_paused = true)]
async fn a_turn_that_waits_does_not_use_up_its_time() {
    let settings = headwater_engine::Settings {
        run_time: 10 * crate::house::SECOND,
        unwatched: headwater_engine::Unwatched::StopAfter(5 * crate::house::SECOND),
        ..headwater_engine::Settings::default()
    };
    let bus = Arc::new(headwater_bus::InProcess::new());
    let mut house = House::with(settings, bus, Arc::new(headwater_store::MemoryStore::new()));
    let mut runs = Vec::new();
    for text in ["one", "two", "three"] {
        runs.push(house.engine.start(&ann(), ask_in("assist", text, "s")).await.unwrap().run);
    }
    for run in &runs {
        let mut viewer = house.follow(run, 0).await;
        let mut act = house.cues.next().await;
        tokio::time::sleep(8 * crate::house::SECOND).await;
        act.say("in time").await;
        act.end().await;
        assert_eq!(ending(&crate::house::rest(&mut viewer).await, 1), Outcome::Completed);
    }
}
