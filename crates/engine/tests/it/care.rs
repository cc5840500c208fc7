//! Masking, hand-off and trees in the engine: what is stored, what a model is given, who is told.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use headwater_core::event::{Body, Event, Outcome};
use headwater_core::port::SharedStore;
use headwater_core::port::desk::Escalation;
use headwater_core::port::handoff::{Handoff, HandoffError, Notice};
use headwater_core::port::provider::{ContextBudget, Provider as _, ProviderErrorKind, ProviderInfo};
use headwater_core::{MessageId, Millis, RunId, SessionId, UserId, limit};
use headwater_engine::assistant::{Assistant, SHIPPED};
use headwater_engine::handoff::Teller;
use headwater_engine::workflow::assist::Assist;
use headwater_engine::{Clock, Engine, Settings, StartRun, Tasks};
use headwater_providers::scripted::stage::Stage;
use headwater_store::MemoryStore;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::house::{House, ann, ask, ask_in, ending, text};

fn escalation(log: &[Arc<Event>]) -> Option<(String, String)> {
    log.iter().find_map(|e| match &e.body {
        Body::Escalated { escalation_id, reason, .. } => Some((escalation_id.clone(), reason.clone())),
        _ => None,
    })
}

fn who_answers(log: &[Arc<Event>]) -> (String, String) {
    let found = log.iter().find_map(|e| match &e.body {
        Body::ModelStarted { provider, model, .. } => Some((provider.clone(), model.clone())),
        _ => None,
    });
    found.unwrap()
}

fn tiny() -> ProviderInfo {
    let budget = ContextBudget { retrieval_tokens: 250, history_tokens: 150 };
    ProviderInfo { budget, ..Stage::new().0.info() }
}

async fn waiting(house: &House) -> Vec<Escalation> {
    let store: SharedStore = house.store.clone();
    store.waiting(10).await.unwrap()
}

// Planted faults: the fingerprint made of the masked text, so that two questions are one; the message stored
// as it came.
#[tokio::test(start_paused = true)]
async fn a_repeated_message_joins_by_what_was_sent_and_is_stored_masked() {
    let mut house = House::new();
    let named = |message: &str| StartRun {
        message_id: Some(MessageId::parse("m").unwrap()),
        ..ask_in("assist", message, "s")
    };
    let sent = "What is the warranty? I am ann@example.com";
    let first = house.engine.start(&ann(), named(sent)).await.unwrap();
    let again = house.engine.start(&ann(), named(sent)).await.unwrap();
    assert!(again.joined && again.run == first.run);
    let other = named("What is the warranty? I am bob@example.com");
    assert!(house.engine.start(&ann(), other).await.is_err(), "the same id for another message");
    house.cues.next().await.end().await;
    house.log(&first.run).await;
    let history = house.engine.history(&ann(), None, &SessionId::parse("s").unwrap(), 9).await.unwrap();
    assert_eq!(history[0].content, "What is the warranty? I am [EMAIL]");
    // `generate` is the client's own prompt, and is left alone.
    let plain = house.engine.start(&ann(), ask("generate", sent)).await.unwrap();
    let mut act = house.cues.next().await;
    assert_eq!(act.request.messages[0].content, sent);
    act.say("ann@example.com").await;
    act.end().await;
    assert_eq!(text(&house.log(&plain.run).await), "ann@example.com");
}

// Planted fault: the rest of the window forgotten where the model breaks off.
#[tokio::test(start_paused = true)]
async fn what_is_held_back_is_said_when_a_model_breaks_off_and_its_error_is_masked() {
    let mut house = House::new();
    let run =
        house.engine.start(&ann(), ask_in("assist", "How long is the warranty?", "s")).await.unwrap().run;
    let mut act = house.cues.next().await;
    act.say("Three").await;
    let quoted = "cannot answer \"ann@example.com, 4111 1111 1111 1111\"";
    act.fail(ProviderErrorKind::Failed, quoted).await;
    let log = house.log(&run).await;
    assert_eq!((ending(&log, 1), text(&log).as_str()), (Outcome::Failed, "Three"));
    let Body::RunEnded { error: Some(error), .. } = &log.last().unwrap().body else { panic!() };
    assert!(error.message.ends_with("cannot answer \"[EMAIL], [CARD]\""), "{}", error.message);
}

// Planted fault: the rest of the window dropped with the work. The answer then ended in "in ".
#[tokio::test(start_paused = true)]
async fn what_is_held_back_is_kept_when_somebody_stops_it() {
    let mut house = House::new();
    let run =
        house.engine.start(&ann(), ask_in("assist", "How long is the warranty?", "s")).await.unwrap().run;
    let mut act = house.cues.next().await;
    let mut follow = house.follow(&run, 0).await;
    act.say("Three years, in wri").await;
    let mut seen = String::new();
    while seen.is_empty() {
        if let headwater_engine::Followed::Events(events) = follow.next().await.unwrap() {
            seen = text(&events);
        }
    }
    assert_eq!(seen, "Three years, in ");
    assert_eq!(house.engine.stop(&ann(), &run).await.unwrap(), Outcome::Cancelled);
    let log = house.log(&run).await;
    assert_eq!((ending(&log, 1), text(&log).as_str()), (Outcome::Cancelled, "Three years, in wri"));
}

#[tokio::test(start_paused = true)]
async fn earlier_turns_are_given_to_a_model_masked_and_each_word_still_streams() {
    let mut house = House::new();
    let first = "How long is the warranty? I am ann@example.com";
    let run = house.engine.start(&ann(), ask_in("assist", first, "s")).await.unwrap().run;
    let mut act = house.cues.next().await;
    let mut follow = house.follow(&run, 0).await;
    act.say("Three").await;
    act.say(" years").await;
    // The first word is there while the second may still become an address.
    let mut seen = String::new();
    while seen.is_empty() {
        if let headwater_engine::Followed::Events(events) = follow.next().await.unwrap() {
            seen = text(&events);
        }
    }
    assert_eq!(seen, "Three ");
    act.end().await;
    house.log(&run).await;
    house.engine.start(&ann(), ask_in("assist", "And what does it cover?", "s")).await.unwrap();
    let act = house.cues.next().await;
    let prompt = format!("{:?}", act.request.messages);
    assert!(prompt.contains("I am [EMAIL]") && !prompt.contains("example.com"), "{prompt}");
    act.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_once_and_a_queue_that_fails_costs_no_answer() {
    let mut house = House::new();
    let mut ids = Vec::new();
    for message in
        ["I want to talk to a human about the warranty", "How long is the warranty? Get me a real person"]
    {
        let run = house.engine.start(&ann(), ask_in("assist", message, "s")).await.unwrap().run;
        house.cues.next().await.end().await;
        ids.push(escalation(&house.log(&run).await).unwrap());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0].1, "user_request");
    let queue = waiting(&house).await;
    assert_eq!((queue.len(), &queue[0].id), (1, &ids[0].0));
}

#[tokio::test(start_paused = true)]
async fn a_tree_answers_for_a_model_that_cannot_be_trusted_and_says_so() {
    let mut house = House::made(Stage::with_info(tiny()));
    let said = async |house: &House, message: &str, session: &str| {
        let run = house.engine.start(&ann(), ask_in("assist", message, session)).await.unwrap().run;
        house.log(&run).await
    };
    let log = said(&house, "My car won't start", "s").await;
    assert_eq!(who_answers(&log), ("tree".into(), "starting".into()));
    assert!(text(&log).ends_with("or the message \"Key not found\"?"), "{}", text(&log));
    let log = said(&house, "It clicks", "s").await;
    assert_eq!(text(&log), "Is it a fast clicking, or a single loud click?");
    let log = said(&house, "a single one", "s").await;
    assert_eq!(text(&log), "A single loud click points to the starter motor. Let a workshop check it.");
    // A question wants the manual, not a question in return.
    for question in
        ["What does the battery light mean?", "How do I fix a squeaking brake?", "How long is the warranty?"]
    {
        let run = house.engine.start(&ann(), ask_in("assist", question, "t")).await.unwrap().run;
        house.cues.next().await.end().await;
        assert_eq!(who_answers(&house.log(&run).await).0, "stage", "{question}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_can_be_trusted_is_shown_the_tree_and_answers_itself() {
    let mut house = House::new();
    let run = house.engine.start(&ann(), ask_in("assist", "My brakes squeal", "s")).await.unwrap().run;
    let mut act = house.cues.next().await;
    let prompt = &act.request.messages.last().unwrap().content;
    assert!(prompt.contains("[Source: decision tree: brakes, Relevance: 1.00]"), "{prompt}");
    assert!(
        prompt.contains("Does it come only on wet mornings") && prompt.contains("- no, always"),
        "{prompt}"
    );
    act.say("Have the pads checked.").await;
    act.end().await;
    let log = house.log(&run).await;
    assert!(text(&log).ends_with("\n\nHave the pads checked."));
    let cited = log.iter().any(|e| matches!(&e.body, Body::Retrieved { sources } if !sources.is_empty()));
    assert!(!cited, "a tree is no document");
}

/// Told as the script says; what was told goes to the test.
struct Script {
    answers: Mutex<VecDeque<Result<(), HandoffError>>>,
    told: mpsc::Sender<Notice>,
}

#[async_trait]
impl Handoff for Script {
    async fn tell(&self, notice: &Notice) -> Result<(), HandoffError> {
        self.told.send(notice.clone()).await.unwrap();
        let answer = self.answers.lock().pop_front();
        answer.unwrap_or(Ok(()))
    }
}

fn failure(retry: bool) -> Result<(), HandoffError> {
    Err(HandoffError { message: "no".into(), retry })
}

fn script(answers: Vec<Result<(), HandoffError>>) -> (Arc<Script>, mpsc::Receiver<Notice>) {
    let (told, heard) = mpsc::channel(64);
    (Arc::new(Script { answers: Mutex::new(answers.into()), told }), heard)
}

fn waits(id: &str, at: Millis) -> Escalation {
    Escalation {
        id: id.into(),
        owner: UserId::parse("ann").unwrap(),
        session: SessionId::parse(id).unwrap(),
        run: RunId::parse(&format!("run_{id}")).unwrap(),
        reason: "user_request".into(),
        created_at: at,
        closed_at: None,
    }
}

// Planted faults: no second try; the next one waits behind one that fails; what waits in the store is not read.
#[tokio::test(start_paused = true)]
async fn everybody_is_told_at_least_once_with_pauses_and_again_after_a_restart() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let now = Clock::default().wall();
    store.escalate(waits("old", Millis(now.0 - 25 * 3_600_000))).await.unwrap();
    store.escalate(waits("young", Millis(now.0 - 3_600_000))).await.unwrap();
    let (tasks, shutdown) = (Tasks::default(), CancellationToken::new());
    let (script, mut heard) = script(vec![failure(true), failure(true), Ok(()), Ok(())]);
    let teller = Teller::start(&tasks, Arc::clone(&store), script, "assist", shutdown.clone());
    let start = tokio::time::Instant::now();
    let first = heard.recv().await.unwrap();
    assert_eq!((first.escalation_id.as_str(), first.assistant.as_str()), ("young", "assist"));
    // Another is told although this one waits for its next try.
    let new = waits("new", now);
    store.escalate(new.clone()).await.unwrap();
    teller.tell(&new);
    assert_eq!(heard.recv().await.unwrap().escalation_id, "new");
    let mut rest = vec![heard.recv().await.unwrap().escalation_id, heard.recv().await.unwrap().escalation_id];
    rest.sort();
    assert_eq!(rest, ["new", "young"]);
    assert!(start.elapsed() >= limit::HANDOFF_RETRY_FIRST);
    shutdown.cancel();
    assert!(tasks.drain(crate::house::SECOND, crate::house::SECOND).await.is_empty());
    // Told or not: what still waits and is young is told again.
    let (script, mut heard) = self::script(Vec::new());
    let _teller = Teller::start(&Tasks::default(), store, script, "assist", CancellationToken::new());
    let both = [heard.recv().await.unwrap().escalation_id, heard.recv().await.unwrap().escalation_id];
    assert!(both.contains(&"young".to_owned()) && both.contains(&"new".to_owned()), "{both:?}");
}

#[tokio::test(start_paused = true)]
async fn trying_ends_and_is_not_begun_where_it_cannot_help() {
    let (script, mut heard) = script([vec![failure(false)], vec![failure(true); 50]].concat());
    let shutdown = CancellationToken::new();
    let store: SharedStore = Arc::new(MemoryStore::new());
    let teller = Teller::start(&Tasks::default(), store, script, "assist", shutdown.clone());
    teller.tell(&waits("wrong", Millis(0)));
    assert_eq!(heard.recv().await.unwrap().escalation_id, "wrong");
    teller.tell(&waits("down", Millis(0)));
    for _ in 0..limit::HANDOFF_TRIES {
        assert_eq!(heard.recv().await.unwrap().escalation_id, "down");
    }
    tokio::time::sleep(10 * limit::HANDOFF_RETRY_MOST).await;
    assert!(heard.try_recv().is_err());
}

// Planted faults: the reason of the first kept, so that a danger in a session that waits is told to nobody;
// every turn of such a session told.
#[tokio::test(start_paused = true)]
async fn a_graver_reason_of_a_session_that_waits_is_told_and_another_of_the_same_is_not() {
    let mut house = House::new();
    let (script, mut heard) = script(Vec::new());
    let store: SharedStore = house.store.clone();
    let teller = Teller::start(&Tasks::default(), store, script, "assist", CancellationToken::new());
    let assist =
        Assist::new(Assistant::parse(SHIPPED).unwrap(), house.stage.clone(), None).telling(Some(teller));
    let workflows: Vec<Arc<dyn headwater_engine::workflow::Workflow>> = vec![Arc::new(assist)];
    let (store, hints) = (house.store.clone(), house.hints.clone());
    house.engine = Engine::new(store, hints, workflows, Tasks::default(), Settings::default());
    let mut told = Vec::new();
    for message in [
        "I want to talk to a human about the warranty",
        "How long is the warranty? Get me a real person",
        "My brakes failed",
        "How long is the warranty? Get me a real person",
    ] {
        let run = house.engine.start(&ann(), ask_in("assist", message, "s")).await.unwrap().run;
        house.cues.next().await.end().await;
        let (_, reason) = escalation(&house.log(&run).await).unwrap();
        told.push(reason);
    }
    assert_eq!(told, ["user_request", "user_request", "safety_concern", "safety_concern"]);
    let (first, second) = (heard.recv().await.unwrap(), heard.recv().await.unwrap());
    assert_eq!(first.escalation_id, second.escalation_id);
    assert_eq!((first.reason.as_str(), second.reason.as_str()), ("user_request", "safety_concern"));
    tokio::time::sleep(crate::house::SECOND).await;
    assert!(heard.try_recv().is_err());
}

/// Never answers; telling must not be felt by whoever asks.
struct Deaf;

#[async_trait]
impl Handoff for Deaf {
    async fn tell(&self, _: &Notice) -> Result<(), HandoffError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn telling_never_delays_and_never_fills_memory() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let teller = Teller::start(&Tasks::default(), store, Arc::new(Deaf), "assist", CancellationToken::new());
    let start = tokio::time::Instant::now();
    for n in 0..4 * limit::HANDOFF_QUEUE {
        teller.tell(&waits(&format!("e{n}"), Millis(0)));
    }
    assert_eq!(start.elapsed(), std::time::Duration::ZERO);
}
