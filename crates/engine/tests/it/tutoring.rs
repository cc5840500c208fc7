//! A tutor's turn: what it says in which order, and that nothing beside the answer delays it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use headwater_core::event::{Body, Event, Outcome, ThinkingMode};
use headwater_core::limit;
use headwater_core::port::embedder::Embedder;
use headwater_core::port::provider::{Effort, ProviderError, ProviderErrorKind, SharedProvider};
use headwater_core::{Code, RunId};
use headwater_engine::ask::{Lesson, Special};
use headwater_engine::assistant::tutor_file::{SHIPPED_TUTOR, TutorFile};
use headwater_engine::workflow::tutor::Tutor;
use headwater_engine::{Followed, Models, StartRun};
use headwater_providers::scripted::stage::{Act, Cues, Stage};
use headwater_store::MemoryStore;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::house::{House, ann, ask_in, ending, failure, text};

/// Means what a text's known words say, one direction each; hangs on request.
#[derive(Default)]
pub(crate) struct Mind {
    pub hangs: AtomicBool,
    /// Lets those go on that hang.
    pub goes_on: Notify,
    pub asked: AtomicUsize,
}

const WORDS: [&str; 4] = ["cat", "fraction", "rust", "music"];

#[async_trait]
impl Embedder for Mind {
    fn id(&self) -> &str {
        "mind"
    }

    fn dimensions(&self) -> usize {
        WORDS.len() + 1
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            self.goes_on.notified().await;
        }
        let one = |text: &String| {
            let mut vector: Vec<f32> =
                WORDS.iter().map(|w| if text.to_lowercase().contains(w) { 1.0 } else { 0.0 }).collect();
            vector.push(if vector.iter().any(|x| *x > 0.0) { 0.0 } else { 1.0 });
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            vector.iter().map(|x| x / length).collect()
        };
        Ok(texts.iter().map(one).collect())
    }
}

pub(crate) struct School {
    pub house: House,
    pub mind: Arc<Mind>,
    /// Feelings are told by words alone until it is warmed.
    pub tutor: Arc<Tutor>,
}

impl School {
    pub(crate) async fn new() -> Self {
        Self::with(SHIPPED_TUTOR, Stage::new(), Models::new).await
    }

    pub(crate) async fn with(
        file: &str,
        stage: (Arc<Stage>, Cues),
        models: impl FnOnce(SharedProvider) -> Models,
    ) -> Self {
        let mind = Arc::new(Mind::default());
        let file = TutorFile::parse(file).unwrap();
        let tutor = Arc::new(Tutor::new(file, models(stage.0.clone()), Some(mind.clone())));
        Self { house: House::beside(stage, tutor.clone(), Arc::new(MemoryStore::new())), mind, tutor }
    }

    /// Asks, and waits for the model to be asked.
    pub(crate) async fn ask(&mut self, ask: StartRun) -> (RunId, Act) {
        let run = self.house.engine.start(&ann(), ask).await.unwrap().run;
        (run, self.house.cues.next().await)
    }

    /// A whole turn.
    pub(crate) async fn turn(&mut self, message: &str, answer: &str) -> Vec<Arc<Event>> {
        let (run, mut act) = self.ask(lesson(message, Lesson::default())).await;
        act.say(answer).await;
        act.end().await;
        self.house.log(&run).await
    }
}

pub(crate) fn lesson(message: &str, lesson: Lesson) -> StartRun {
    StartRun { special: Special::Lesson(lesson), ..ask_in("tutor", message, "s") }
}

fn reasoning() -> Lesson {
    Lesson { reasoning: true, ..Lesson::default() }
}

/// The kinds of a log's events, neighbours of one kind joined.
fn kinds(log: &[Arc<Event>]) -> Vec<String> {
    let kind = |e: &Arc<Event>| serde_json::to_value(&e.body).unwrap()["type"].as_str().unwrap().to_owned();
    let mut kinds: Vec<_> = log.iter().map(kind).collect();
    kinds.dedup();
    kinds
}

pub(crate) fn thoughts(log: &[Arc<Event>]) -> Vec<(u32, ThinkingMode, String)> {
    let thought = |e: &Arc<Event>| match &e.body {
        Body::Thought { step, mode, text, .. } => Some((*step, mode.unwrap(), text.clone())),
        _ => None,
    };
    log.iter().filter_map(thought).collect()
}

// Planted faults: what was learned said before the answer; the category said behind the context.
#[tokio::test(start_paused = true)]
async fn a_turn_is_told_in_its_order_and_ends_with_what_it_taught() {
    let mut school = School::new().await;
    let log = school.turn("I am confused: what is a fraction?", "A part of a whole.").await;
    assert_eq!(ending(&log, 1), Outcome::Completed);
    assert_eq!(text(&log), "A part of a whole.");
    let without: Vec<_> = kinds(&log).into_iter().filter(|k| k != "felt" && k != "stage_started").collect();
    let order = [
        "run_started",
        "categorized",
        "context_gathered",
        "model_started",
        "token",
        "ability_learned",
        "run_ended",
    ];
    assert_eq!(without, order);
    let Body::Categorized { category, provider, estimated_tokens } = &log[1].body else { panic!("{log:#?}") };
    assert_eq!((category.as_str(), provider.as_str()), ("math", "stage"));
    assert!(estimated_tokens.unwrap() > 10);
    assert!(log.iter().any(|e| matches!(&e.body, Body::Felt { emotion } if emotion.primary == "confusion")));
    let Body::AbilityLearned { subject, ability, .. } = &log[log.len() - 2].body else { panic!("{log:#?}") };
    assert_eq!(subject, "math");
    assert!((0.0..=1.0).contains(ability));
    let Body::RunEnded { usage: Some(usage), .. } = &log[log.len() - 1].body else { panic!("{log:#?}") };
    assert!(usage.output_tokens.is_some());
}

// Planted fault: the level worked out before the feeling was looked at.
#[tokio::test(start_paused = true)]
async fn a_feeling_that_is_known_by_then_lowers_the_level() {
    for (message, level) in [("What is music?", "Easy"), ("I am so annoyed! What is music?", "Beginner")] {
        let mut school = School::new().await;
        let (_, act) = school.ask(lesson(message, Lesson::default())).await;
        let told = &act.request.messages[0].content;
        assert!(told.contains(&format!("The level of this answer is {level}: ")), "{told}");
    }
}

// Planted faults: the emotion awaited before the model; the embedding without its time.
#[tokio::test(start_paused = true)]
async fn neither_meaning_nor_feeling_delays_the_first_word() {
    let mut school = School::new().await;
    school.tutor.warm().await;
    school.mind.hangs.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let (run, mut act) = school.ask(lesson("I love rust", Lesson::default())).await;
    assert!(began.elapsed() <= limit::MEANING_TIME + Duration::from_millis(5), "{:?}", began.elapsed());
    act.say("So do I.").await;
    act.end().await;
    let log = school.house.log(&run).await;
    assert_eq!((ending(&log, 1), text(&log).as_str()), (Outcome::Completed, "So do I."));
    // What was not known by the ending is not said, and what was left out is told.
    assert!(!kinds(&log).contains(&"felt".to_owned()));
    assert!(log.iter().any(|e| matches!(e.body, Body::ContextGathered { semantic_search: false, .. })));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_the_first_word_and_in_mid_answer_teaches_nothing() {
    let mut school = School::new().await;
    for said in ["", "Half an ans"] {
        let (run, mut act) = school.ask(lesson("I understand music", Lesson::default())).await;
        if !said.is_empty() {
            act.say(said).await;
            let mut follow = school.house.follow(&run, 0).await;
            loop {
                if let Followed::Events(events) = follow.next().await.unwrap()
                    && !text(&events).is_empty()
                {
                    break;
                }
            }
        }
        assert_eq!(school.house.engine.stop(&ann(), &run).await.unwrap(), Outcome::Cancelled);
        act.cancelled().await;
        let log = school.house.log(&run).await;
        assert_eq!((ending(&log, 1), text(&log).as_str()), (Outcome::Cancelled, said));
        assert!(!kinds(&log).contains(&"ability_learned".to_owned()));
    }
    let store: headwater_core::port::SharedStore = school.house.store.clone();
    assert!(store.records(&ann().user, "ability", 10).await.unwrap().is_empty());
}

// Planted fault: what is left of a thought said at the end, behind the answer.
#[tokio::test(start_paused = true)]
async fn what_the_model_thinks_comes_in_steps_behind_those_that_were_taken() {
    let mut school = School::new().await;
    let thought = "The student wants to know what a fraction is, so I should explain it at their level. \
        Imagine a pizza, for example, which is a picture that everybody has seen on a plate before.\n\nSo";
    let (run, mut act) = school.ask(lesson("What is a fraction?", reasoning())).await;
    for piece in thought.as_bytes().chunks(5) {
        act.think(String::from_utf8(piece.to_vec()).unwrap()).await;
    }
    act.say("A part.").await;
    act.end().await;
    let log = school.house.log(&run).await;
    let thoughts = thoughts(&log);
    let modes: Vec<_> = thoughts.iter().map(|(step, mode, _)| (*step, *mode)).collect();
    use ThinkingMode::{Analytical, Creative, Metacognitive};
    assert_eq!(
        modes,
        [(1, Analytical), (2, Metacognitive), (3, Metacognitive), (4, Creative), (5, Analytical)]
    );
    assert!(thoughts[0].2.contains("of the category math; stage (stage) answers"), "{thoughts:#?}");
    assert!(thoughts[1].2.contains("ability in math is put at 0.50 after 0 turns"), "{thoughts:#?}");
    let joined: Vec<_> = thoughts[2..].iter().map(|(_, _, text)| text.as_str()).collect();
    assert_eq!(joined.join(" "), thought.split_whitespace().collect::<Vec<_>>().join(" "));
    let last = log.iter().rposition(|e| matches!(e.body, Body::Thought { .. })).unwrap();
    assert!(log[last..].iter().any(|e| e.body.text().is_some()), "a thought behind the answer");
    // Once and not twice; and no part of the answer.
    assert!(!kinds(&log).contains(&"reasoning".to_owned()));
    assert_eq!(text(&log), "A part.");

    // Whoever asks for no steps gets what every workflow tells.
    let (run, mut act) = school.ask(lesson("And a whole?", Lesson::default())).await;
    act.think("Hm.").await;
    act.say("All parts.").await;
    act.end().await;
    let log = school.house.log(&run).await;
    assert!(self::thoughts(&log).is_empty() && kinds(&log).contains(&"reasoning".to_owned()));
}

// Planted fault: the wrapper that paces left out.
#[tokio::test(start_paused = true)]
async fn an_answer_in_one_piece_is_given_in_small_ones_and_stops_at_once() {
    let mut school = School::new().await;
    let answer = "one two three ".repeat(20);
    let (run, mut act) = school.ask(lesson("Count", Lesson::default())).await;
    let began = Instant::now();
    act.say(answer.clone()).await;
    act.end().await;
    let log = school.house.log(&run).await;
    let tokens = log.iter().filter(|e| matches!(e.body, Body::Token { .. })).count();
    assert_eq!((tokens, text(&log)), (20, answer.clone()));
    assert!(began.elapsed() >= 19 * limit::PACE && began.elapsed() < 21 * limit::PACE);

    let (run, mut act) = school.ask(lesson("Count again", Lesson::default())).await;
    act.say(answer.clone()).await;
    let mut follow = school.house.follow(&run, 0).await;
    loop {
        if let Followed::Events(events) = follow.next().await.unwrap()
            && !text(&events).is_empty()
        {
            break;
        }
    }
    assert_eq!(school.house.engine.stop(&ann(), &run).await.unwrap(), Outcome::Cancelled);
    let said = text(&school.house.log(&run).await);
    assert!(said.len() < answer.len() && answer.starts_with(&said), "{said}");
}

// Planted fault: what is felt ends what is held back.
#[tokio::test(start_paused = true)]
async fn nothing_that_is_masked_is_cut_open_by_what_is_told_beside_it() {
    let mut school = School::new().await;
    school.tutor.warm().await;
    // What is felt is known only while the address is half said.
    school.mind.hangs.store(true, Ordering::SeqCst);
    let ask = lesson("I love it, I am ann@example.com", reasoning());
    let (run, mut act) = school.ask(ask).await;
    let sent = &act.request.messages.last().unwrap().content;
    assert!(sent.contains("[EMAIL]") && !sent.contains("ann@"), "{sent}");
    act.think("He writes from ann@exam").await;
    act.think("ple.com, and I greet him.").await;
    act.say("Write to bob@exam").await;
    let mut follow = school.house.follow(&run, 0).await;
    let mut seen = Vec::new();
    while text(&seen) != "Write to " {
        if let Followed::Events(events) = follow.next().await.unwrap() {
            seen.extend(events);
        }
    }
    school.mind.goes_on.notify_waiters();
    while !kinds(&seen).contains(&"felt".to_owned()) {
        if let Followed::Events(events) = follow.next().await.unwrap() {
            seen.extend(events);
        }
    }
    act.say("ple.com now.").await;
    act.end().await;
    let log = school.house.log(&run).await;
    assert_eq!(text(&log), "Write to [EMAIL] now.");
    let whole = serde_json::to_string(&log.iter().map(|e| &e.body).collect::<Vec<_>>()).unwrap();
    assert!(!whole.contains("@exam") && whole.contains("He writes from [EMAIL], and"), "{whole}");
    let history =
        school.house.engine.history(&ann(), None, &ask_in("", "", "s").session.unwrap(), 9).await.unwrap();
    assert!(history.iter().all(|m| !m.content.contains('@')), "{history:?}");
}

#[tokio::test(start_paused = true)]
async fn the_category_picks_who_answers_and_a_missing_model_is_refused() {
    let (coder, mut code) = Stage::with_info(headwater_core::port::provider::ProviderInfo {
        name: "coder".into(),
        ..headwater_core::port::Provider::info(&*Stage::new().0)
    });
    let file = SHIPPED_TUTOR.replace("name = \"coding\"\n", "name = \"coding\"\nmodel = \"code\"\n");
    let mut school = School::with(&file, Stage::new(), |stage| Models::new(stage).and("code", coder)).await;
    let run =
        school.house.engine.start(&ann(), lesson("Why does my Python code fail?", Lesson::default())).await;
    code.next().await.end().await;
    let log = school.house.log(&run.unwrap().run).await;
    let by = |log: &[Arc<Event>]| {
        log.iter().find_map(|e| {
            if let Body::ModelStarted { provider, .. } = &e.body { Some(provider.clone()) } else { None }
        })
    };
    assert_eq!(by(&log).as_deref(), Some("coder"));
    assert!(matches!(&log[1].body, Body::Categorized { provider, .. } if provider == "coder"));
    assert_eq!(by(&school.turn("Who was Bach?", "A composer.").await).as_deref(), Some("stage"));

    let school = School::with(&file, Stage::new(), Models::new).await;
    let run = school.house.engine.start(&ann(), lesson("Hi", Lesson::default())).await.unwrap().run;
    assert_eq!(failure(&school.house.log(&run).await), "unknown_model");
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_what_was_said_and_teaches_nothing() {
    let mut school = School::new().await;
    let (run, mut act) = school.ask(lesson("What is rust?", reasoning())).await;
    act.think("It is a language, perhaps").await;
    act.say("A lang").await;
    act.fail(ProviderErrorKind::Failed, "out of tokens").await;
    let log = school.house.log(&run).await;
    assert_eq!((ending(&log, 1), text(&log).as_str()), (Outcome::Failed, "A lang"));
    assert_eq!(failure(&log), "provider_failed");
    assert_eq!(thoughts(&log).last().unwrap().2, "It is a language, perhaps");
    assert!(!kinds(&log).contains(&"ability_learned".to_owned()));
}

// Planted fault: what is left of a thought lost where the model fails behind it.
#[tokio::test(start_paused = true)]
async fn a_thought_on_which_no_word_followed_is_kept_and_effort_is_for_whoever_asks_for_steps() {
    let file = SHIPPED_TUTOR.replace("temperature = 0.3", "temperature = 0.3\neffort = \"medium\"");
    let mut school = School::with(&file, Stage::new(), Models::new).await;
    let (run, mut act) = school.ask(lesson("What is rust?", reasoning())).await;
    assert_eq!(act.request.reasoning, Some(Effort::Medium));
    act.think("It is a language, perhaps").await;
    act.fail(ProviderErrorKind::Failed, "out of tokens").await;
    let log = school.house.log(&run).await;
    assert_eq!((ending(&log, 1), text(&log).as_str()), (Outcome::Failed, ""));
    assert_eq!(thoughts(&log).last().unwrap().2, "It is a language, perhaps");
    let (_, act) = school.ask(lesson("What is rust?", Lesson::default())).await;
    assert_eq!(act.request.reasoning, None);
}

#[tokio::test(start_paused = true)]
async fn what_a_tutor_cannot_do_is_refused_before_anything_is_made() {
    let school = School::new().await;
    let subject = |s: &str| Lesson { subject: Some(s.to_owned()), ..Lesson::default() };
    let mut refused = vec![
        lesson("Hi", subject(&"x".repeat(limit::SUBJECT_BYTES + 1))),
        lesson("Hi", subject("a\nb")),
        StartRun { special: Special::Job(Box::default()), ..ask_in("tutor", "Hi", "s") },
        StartRun { system: Some("Be rude".into()), ..ask_in("tutor", "Hi", "s") },
        StartRun { model: Some("default".into()), ..ask_in("tutor", "Hi", "s") },
    ];
    refused.push(StartRun { special: Special::Lesson(Lesson::default()), ..ask_in("generate", "Hi", "s") });
    for ask in refused {
        let error = school.house.engine.start(&ann(), ask).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest, "{error:?}");
    }
}
