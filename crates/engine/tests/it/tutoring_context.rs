//! What a tutor's turn sees of the turns before it, and what it learns.

use std::sync::Arc;

use headwater_core::event::{Body, Event};
use headwater_core::port::SharedStore;
use headwater_core::port::provider::{ContextBudget, Provider, ProviderInfo, Role};
use headwater_core::port::recall::RecallQuery;
use headwater_core::{Millis, UserId};
use headwater_engine::Models;
use headwater_engine::ask::Lesson;
use headwater_engine::assistant::tutor_file::SHIPPED_TUTOR;
use headwater_engine::ingest::{Text, ingest};
use headwater_engine::tutor::ability;
use headwater_providers::scripted::stage::Stage;

use crate::house::{ann, ask_in, principal};
use crate::tutoring::{School, lesson, thoughts};

fn context(log: &[Arc<Event>]) -> (u32, u32, bool, bool, usize) {
    let found = log.iter().find_map(|e| match &e.body {
        Body::ContextGathered { recent_messages, relevant_messages, semantic_search, rag, sources } => {
            Some((*recent_messages, *relevant_messages, *semantic_search, *rag, sources.len()))
        }
        _ => None,
    });
    found.unwrap()
}

/// Until so many messages of the session are known by what they mean.
async fn remembered(school: &School, messages: usize) {
    let query = RecallQuery {
        owner: ann().user,
        session: ask_in("", "", "s").session.unwrap(),
        embedder: "mind".into(),
        vector: vec![0.5; 5],
        skip_newest: 0,
        least: -1.0,
        limit: 1_000,
    };
    let store: SharedStore = school.house.store.clone();
    while store.recall(query.clone()).await.unwrap().len() < messages {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

async fn theta(school: &School, who: &str, subject: &str) -> ability::Ability {
    let store: SharedStore = school.house.store.clone();
    ability::kept::load(store.as_ref(), &UserId::parse(who).unwrap(), subject).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_turn_sees_the_one_before_it() {
    let mut school = School::new().await;
    assert_eq!(context(&school.turn("My name is Ann.", "Hello Ann.").await), (0, 0, true, false, 0));
    let (run, act) = school.ask(lesson("Who am I?", Lesson::default())).await;
    let lines: Vec<_> = act.request.messages.iter().map(|m| (m.role, m.content.as_str())).collect();
    let expected =
        [(Role::User, "My name is Ann."), (Role::Assistant, "Hello Ann."), (Role::User, "Who am I?")];
    assert_eq!(lines[1..], expected);
    assert!(
        lines[0].0 == Role::System && lines[0].1.contains("The level of this answer is Easy"),
        "{lines:?}"
    );
    act.end().await;
    assert_eq!(context(&school.house.log(&run).await), (2, 0, true, false, 0));
}

// Planted faults: nothing remembered; what is given already found once more; the least likeness left out.
#[tokio::test(start_paused = true)]
async fn an_early_message_that_means_the_same_is_found_again() {
    let mut school = School::new().await;
    school.turn("My cat is called Momo.", "A good name for her.").await;
    // Those that are given already mean the same too, and would take the places of what is not.
    for n in 0..11 {
        let about = if n < 7 { "music" } else { "my cat" };
        school.turn(&format!("Question {n} about {about}"), "An answer.").await;
    }
    remembered(&school, 24).await;
    let (run, act) = school.ask(lesson("What is my cat called?", Lesson::default())).await;
    let lines = &act.request.messages;
    // The instructions, twenty messages, the question.
    assert_eq!(lines.len(), 22);
    assert!(lines[1].content.contains("Question 1 "), "{}", lines[1].content);
    let asked = &lines.last().unwrap().content;
    assert!(asked.starts_with("From earlier in this conversation:\nThe person said: My cat is called Momo.\n\n---\n\nQuestion: What is my cat"), "{asked}");
    act.end().await;
    assert_eq!(context(&school.house.log(&run).await), (20, 1, true, false, 0));
    // Nobody else's session of the same name is searched.
    let bob = principal("bob");
    let run =
        school.house.engine.start(&bob, ask_in("tutor", "What is my cat called?", "s")).await.unwrap().run;
    let act = school.house.cues.next().await;
    assert_eq!(act.request.messages.len(), 2);
    assert_eq!(act.request.messages[1].content, "What is my cat called?");
    act.end().await;
    drop(run);
}

// Planted fault: the model's own budget not asked.
#[tokio::test(start_paused = true)]
async fn a_small_model_is_given_what_fits_and_a_tiny_one_what_it_needs() {
    let info = |retrieval_tokens, history_tokens| ProviderInfo {
        budget: ContextBudget { retrieval_tokens, history_tokens },
        ..Stage::new().0.info()
    };
    // A message of twenty words takes 28 here.
    let long = "word ".repeat(20);
    for (budget, recent) in [((1_000, 60), 2), ((1_000, 113), 4), ((1_000, 84), 2), ((200, 113), 0)] {
        let stage = Stage::with_info(info(budget.0, budget.1));
        let mut school = School::with(SHIPPED_TUTOR, stage, Models::new).await;
        for _ in 0..3 {
            school.turn(&long, &long).await;
        }
        assert_eq!(context(&school.turn("Who was Bach?", "A man.").await).0, recent, "{budget:?}");
    }
    let mut school = School::with(SHIPPED_TUTOR, Stage::with_info(info(200, 113)), Models::new).await;
    school.turn("Who was Bach?", "A composer.").await;
    let (_, act) = school.ask(lesson("And where did he live?", Lesson::default())).await;
    assert_eq!(act.request.messages.len(), 4);
    assert!(act.request.messages[0].content.len() < 250, "{}", act.request.messages[0].content);
}

// Planted fault: 18.
#[tokio::test(start_paused = true)]
async fn the_last_twenty_messages_are_given_where_they_fit() {
    let mut school = School::new().await;
    for n in 0..12 {
        school.turn(&format!("q{n}"), &format!("a{n}")).await;
    }
    let (run, act) = school.ask(lesson("And now?", Lesson::default())).await;
    let said: Vec<_> = act.request.messages.iter().map(|m| m.content.clone()).collect();
    assert_eq!((said.len(), said[1].as_str(), said[20].as_str()), (22, "q2", "a11"), "{said:?}");
    act.end().await;
    assert_eq!(context(&school.house.log(&run).await).0, 20);
}

#[tokio::test(start_paused = true)]
async fn the_files_own_budget_counts_too() {
    let file = SHIPPED_TUTOR.replace("tokens = 8000", "tokens = 60").replace("similar = 3", "similar = 0");
    let mut school = School::with(&file, Stage::new(), Models::new).await;
    for _ in 0..3 {
        school.turn(&"word ".repeat(20), &"word ".repeat(20)).await;
    }
    assert_eq!(context(&school.turn("Who was Bach?", "A man.").await), (2, 0, false, false, 0));
}

#[tokio::test(start_paused = true)]
async fn the_knowledge_base_is_searched_where_that_is_asked_for() {
    let mut school = School::new().await;
    let store: SharedStore = school.house.store.clone();
    let mind: headwater_core::port::SharedEmbedder = school.mind.clone();
    let text = Text::shared("pets.md", "manual", "# Pets\n\nA cat sleeps for sixteen hours a day.\n");
    ingest(&store, Some(&mind), text, Millis(1), |_, _| {}).await.unwrap();
    let ask =
        |rag| lesson("How long does a cat sleep?", Lesson { rag, reasoning: true, ..Lesson::default() });
    let (run, act) = school.ask(ask(true)).await;
    let asked = &act.request.messages.last().unwrap().content;
    assert!(asked.contains("[Source: pets.md]\n") && asked.contains("sixteen hours"), "{asked}");
    act.end().await;
    let log = school.house.log(&run).await;
    assert_eq!(context(&log), (0, 0, true, true, 1));
    assert!(thoughts(&log)[0].2.contains("passages in pets.md"));
    // One meaning serves both searches; the answer was empty, so the question's is remembered alone.
    remembered(&school, 1).await;
    let (run, act) = school.ask(ask(false)).await;
    assert!(!act.request.messages.last().unwrap().content.contains("sixteen"));
    act.end().await;
    assert!(!context(&school.house.log(&run).await).3);
}

// Planted faults: the subject left out of the key; what is learned learned of the session.
#[tokio::test(start_paused = true)]
async fn ability_is_learned_for_each_person_and_subject() {
    let mut school = School::new().await;
    let about = |subject: &str| Lesson { subject: Some(subject.to_owned()), ..Lesson::default() };
    for subject in ["Linear  Algebra", "linear algebra "] {
        let (run, act) =
            school.ask(lesson("I understand it: a vector has a direction.", about(subject))).await;
        act.end().await;
        school.house.log(&run).await;
    }
    let learned = theta(&school, "ann", "linear algebra").await;
    assert!(learned.turns == 2 && learned.theta > 0.5, "{learned:?}");
    assert_eq!(theta(&school, "ann", "math").await.turns, 0);
    assert_eq!(theta(&school, "bob", "linear algebra").await.turns, 0);
    // What was learned shapes what is told next.
    let (_, act) = school.ask(lesson("Go on", Lesson { reasoning: true, ..about("linear algebra") })).await;
    assert!(act.request.messages[0].content.contains("The subject is linear algebra."));
}

// Planted fault: a failure of the context returned as the run's.
#[tokio::test(start_paused = true)]
async fn a_turn_goes_on_without_a_context_that_cannot_be_read() {
    let mut school = School::new().await;
    school.turn("My name is Ann.", "Hello Ann.").await;
    // The newest messages, what was learned, and those of the same meaning: in this order nothing else is read.
    school.house.store.faults().fail_reads(3);
    let (run, act) = school.ask(lesson("Who am I?", Lesson::default())).await;
    assert_eq!(act.request.messages.len(), 2);
    act.end().await;
    let log = school.house.log(&run).await;
    assert_eq!(context(&log), (0, 0, false, false, 0));
}
