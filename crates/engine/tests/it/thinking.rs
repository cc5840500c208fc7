//! What a model thinks and whom it cites, on its way into a run's log.

use std::sync::Arc;

use headwater_core::event::{Body, Event, Outcome};
use headwater_core::limit;
use headwater_core::port::provider::{Citation, Delta, FinishReason};
use headwater_engine::Followed;
use headwater_providers::scripted::stage::Act;

use crate::house::{House, ann, ask_in, ending, failure, text};

/// What was thought (`T:`), said (`A:`) and cited (`C:`), in order; neighbours of one kind joined.
fn heard(log: &[Arc<Event>]) -> Vec<String> {
    let mut heard: Vec<String> = Vec::new();
    for event in log {
        let (kind, text) = match &event.body {
            Body::Reasoning { text } => ("T:", text.clone()),
            Body::Token { text } => ("A:", text.clone()),
            Body::Cited { citation: Citation { url, title, quote } } => {
                let all = [url, title, quote].into_iter().flatten().cloned().collect::<Vec<_>>();
                ("C:", all.join(" "))
            }
            _ => continue,
        };
        match heard.last_mut().filter(|last| last.starts_with(kind) && kind != "C:") {
            Some(last) => last.push_str(&text),
            None => heard.push(format!("{kind}{text}")),
        }
    }
    heard
}

/// A turn of the assistant, which masks everything.
async fn masked(house: &mut House) -> (headwater_core::RunId, Act) {
    let ask = ask_in("assist", "How long is the warranty?", "s");
    let run = house.engine.start(&ann(), ask).await.unwrap().run;
    (run, house.cues.next().await)
}

// Planted faults: reasoning past the window; the window of the answer used for both without turning it.
#[tokio::test(start_paused = true)]
async fn thoughts_are_masked_as_answers_are_however_they_are_cut() {
    let thought = "She is ann@example.com, call 555-867-5309 now. ";
    let answer = "Your mail bob@example.com is noted. ";
    for size in [1, 3, 7, 100] {
        let mut house = House::new();
        let (run, mut act) = masked(&mut house).await;
        let pieces = |text: &str| {
            text.as_bytes().chunks(size).map(|c| String::from_utf8(c.to_vec()).unwrap()).collect::<Vec<_>>()
        };
        for _ in 0..2 {
            for piece in pieces(thought) {
                act.think(piece).await;
            }
            for piece in pieces(answer) {
                act.say(piece).await;
            }
        }
        act.end().await;
        let log = house.log(&run).await;
        assert_eq!(ending(&log, 1), Outcome::Completed);
        let (thought, answer) = ("T:She is [EMAIL], call [PHONE] now. ", "A:Your mail [EMAIL] is noted. ");
        assert_eq!(heard(&log), [thought, answer, thought, answer], "pieces of {size}");
        // What was thought is no part of the answer.
        assert_eq!(text(&log), "Your mail [EMAIL] is noted. ".repeat(2));
    }
}

// Planted fault: what is held back of a thought said after the answer has begun, or joined with it.
#[tokio::test(start_paused = true)]
async fn what_is_held_back_of_a_thought_comes_before_what_follows_it() {
    let mut house = House::new();
    let (run, mut act) = masked(&mut house).await;
    act.think("so ann").await;
    act.say("@example is no address, but ann").await;
    let citation = Citation {
        url: Some("https://example.org/ann@example.org".into()),
        title: Some("Of ann@example.com".into()),
        quote: Some("call 555-867-5309".into()),
    };
    act.cite(citation).await;
    act.think("half").await;
    act.end().await;
    let log = house.log(&run).await;
    assert_eq!(
        heard(&log),
        [
            "T:so ann",
            "A:@example is no address, but ann",
            "C:https://example.org/[EMAIL] Of [EMAIL] call [PHONE]",
            "T:half"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_thought_that_is_stopped_is_kept_to_its_last_letter() {
    let mut house = House::new();
    let (run, mut act) = masked(&mut house).await;
    act.think("Three years, in wri").await;
    let mut follow = house.follow(&run, 0).await;
    loop {
        if let Followed::Events(events) = follow.next().await.unwrap()
            && events.iter().any(|e| matches!(e.body, Body::Reasoning { .. }))
        {
            break;
        }
    }
    assert_eq!(house.engine.stop(&ann(), &run).await.unwrap(), Outcome::Cancelled);
    assert_eq!(heard(&house.log(&run).await), ["T:Three years, in wri"]);
}

// Planted fault: only the answer counted: a model that thinks for ever fills the disk.
#[tokio::test(start_paused = true)]
async fn what_a_model_thinks_and_cites_is_bounded_with_its_answer() {
    let piece = "x".repeat(limit::ANSWER_BYTES / 3);
    let cited = || Citation { quote: Some(piece.clone()), ..Citation::default() };
    for with in [Delta::Reasoning(piece.clone()), Delta::Citation(cited())] {
        let mut house = House::new();
        let (run, mut act) = house.begin().await;
        act.say(piece.clone()).await;
        act.give(with.clone()).await;
        act.give(with.clone()).await;
        act.give(with).await;
        let log = house.log(&run).await;
        assert_eq!((ending(&log, 1), failure(&log).as_str()), (Outcome::Failed, "too_large"));
        assert!(act.is_cancelled());
    }
}

// Planted fault: the reason passed on as the host says it.
#[tokio::test(start_paused = true)]
async fn who_declines_says_so_in_words_and_in_the_reason() {
    for reason in [FinishReason::Refusal, FinishReason::Stop] {
        let mut house = House::new();
        let (run, mut act) = house.begin().await;
        act.give(Delta::Refusal("I would rather not.".into())).await;
        act.end_with(reason).await;
        let log = house.log(&run).await;
        assert_eq!(text(&log), "I would rather not.");
        let Body::RunEnded { finish_reason, outcome, .. } = &log.last().unwrap().body else { panic!() };
        assert_eq!((*outcome, *finish_reason), (Outcome::Completed, Some(FinishReason::Refusal)));
    }
}
