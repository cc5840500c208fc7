//! Appending, reading, taking over.

use std::sync::Arc;

use headwater_core::event::{Body, Outcome, Source, Stage};
use headwater_core::limit;
use headwater_core::port::SharedStore;
use headwater_core::port::provider::{FinishReason, Role, Usage};
use headwater_core::port::store::{AppendError, Batch, ReadError};
use headwater_core::run::Tail;

use crate::given::{ending, event, last, made, new_run, run_id, seqs, session_id, token, tokens, user_id};

clauses! {
    what_was_appended_is_read_back_exactly
    a_batch_begins_at_the_tail_plus_one
    a_batch_has_no_gaps_and_is_not_empty
    a_refused_batch_leaves_nothing_behind
    an_older_term_is_refused
    nothing_is_appended_after_an_ending
    the_ending_and_the_answer_come_together
    a_read_takes_no_more_than_it_was_asked_for
    a_read_begins_anywhere
    a_batch_names_who_answers
    only_one_of_two_writers_gets_a_number
    a_take_over_raises_the_term_and_says_the_tail
    live_runs_are_those_without_an_ending
    unknown_runs_are_not_found
    what_cannot_be_read_again_is_not_stored
    runs_do_not_mix
}

/// Every kind and every field; texts that hurt.
fn every_kind() -> Vec<Body> {
    vec![
        Body::RunStarted { session_id: session_id("s"), workflow: "assist".into() },
        Body::StageStarted { stage: Stage::Route },
        // Numbers whose shortest decimal form is read back wrongly by a careless parser.
        Body::Routed { agent: "a".into(), intent: "I".into(), confidence: 0.300_000_000_000_000_04 },
        Body::Retrieved {
            sources: vec![Source {
                source: "s.md".into(),
                heading: "A > B".into(),
                score: 1.797_693_134_862_315e308,
            }],
        },
        Body::Retrieved { sources: vec![] },
        Body::ModelStarted {
            provider: "p".into(),
            model: "m".into(),
            label: Some("tiny".into()),
            estimated_input_tokens: Some(9),
            team: None,
        },
        Body::Token { text: "\0\u{7f}\"\\\r\n\u{2028}😀 e\u{301} ﷽".into() },
        Body::Token { text: "x".repeat(100_000) },
        Body::RunEnded {
            outcome: Outcome::Failed,
            finish_reason: Some(FinishReason::Length),
            error: Some(headwater_core::event::Failure {
                code: "c".into(),
                message: "m".into(),
                recoverable: true,
                retry_after: None,
            }),
            usage: Some(Usage { input_tokens: Some(u64::MAX), ..Usage::default() }),
        },
    ]
}

async fn what_was_appended_is_read_back_exactly(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await.id;
    let events: Vec<_> = (1..).zip(every_kind()).map(|(seq, body)| event(seq, body)).collect();
    store.append(&run, 1, Batch { events: events.clone(), answer: Some(String::new()) }).await.unwrap();
    let read = store.read(&run, 1, 100, usize::MAX).await.unwrap();
    assert_eq!(read, events);
}

async fn a_batch_begins_at_the_tail_plus_one(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await.id;
    assert_eq!(store.append(&run, 1, tokens(2, 3)).await, Err(AppendError::Conflict));
    assert_eq!(store.append(&run, 1, tokens(0, 1)).await, Err(AppendError::Conflict));
    store.append(&run, 1, tokens(1, 3)).await.unwrap();
    for (from, to) in [(1, 3), (3, 4), (5, 6), (u64::MAX, u64::MAX)] {
        assert_eq!(store.append(&run, 1, tokens(from, to)).await, Err(AppendError::Conflict), "{from}");
    }
    store.append(&run, 1, tokens(4, 4)).await.unwrap();
    assert_eq!(store.tail(&run).await.unwrap(), Tail { seq: 4, term: 1, outcome: None });
    assert_eq!(store.append(&run_id("other"), 1, tokens(1, 1)).await, Err(AppendError::Conflict));
}

async fn a_batch_has_no_gaps_and_is_not_empty(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await.id;
    let batches = [vec![], vec![token(1), token(3)], vec![token(1), token(1)], vec![token(2), token(1)]];
    for events in batches {
        let batch = Batch { events, answer: None };
        assert_eq!(store.append(&run, 1, batch).await, Err(AppendError::Conflict));
    }
    let answer_without_ending = Batch { events: vec![token(1)], answer: Some("a".into()) };
    assert_eq!(store.append(&run, 1, answer_without_ending).await, Err(AppendError::Conflict));
    let after_the_ending = Batch { events: vec![ending(1, Outcome::Failed), token(2)], answer: None };
    assert_eq!(store.append(&run, 1, after_the_ending).await, Err(AppendError::Ended));
    assert_eq!(store.tail(&run).await.unwrap().seq, 0);
}

async fn a_refused_batch_leaves_nothing_behind(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await;
    let batch = Batch {
        events: vec![
            event(
                1,
                Body::ModelStarted {
                    provider: "p".into(),
                    model: "m".into(),
                    label: None,
                    estimated_input_tokens: None,
                    team: None,
                },
            ),
            token(2),
            ending(4, Outcome::Completed),
        ],
        answer: Some("never".into()),
    };
    assert_eq!(store.append(&run.id, 1, batch).await, Err(AppendError::Conflict));
    assert_eq!(store.run(&run.owner, &run.id).await.unwrap().unwrap(), run);
    assert!(store.read(&run.id, 1, 10, 1_000).await.unwrap().is_empty());
    assert_eq!(store.history(&run.owner, &run.session, 10).await.unwrap().len(), 1);
}

async fn an_older_term_is_refused(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await.id;
    store.append(&run, 1, tokens(1, 2)).await.unwrap();
    assert_eq!(store.take_over(&run).await.unwrap(), Tail { seq: 2, term: 2, outcome: None });
    assert_eq!(store.append(&run, 1, tokens(3, 3)).await, Err(AppendError::StaleTerm));
    // A term that nobody was given is no better.
    assert_eq!(store.append(&run, 3, tokens(3, 3)).await, Err(AppendError::StaleTerm));
    assert_eq!(store.append(&run, u64::MAX, tokens(3, 3)).await, Err(AppendError::StaleTerm));
    store.append(&run, 2, tokens(3, 3)).await.unwrap();
    store.append(&run, 2, last(4, Outcome::Interrupted, "")).await.unwrap();
    assert_eq!(store.append(&run, 1, tokens(5, 5)).await, Err(AppendError::StaleTerm), "the fence first");
}

async fn nothing_is_appended_after_an_ending(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await;
    store.append(&run.id, 1, last(1, Outcome::Cancelled, "")).await.unwrap();
    for batch in [tokens(2, 2), last(2, Outcome::Completed, "x"), last(1, Outcome::Cancelled, "")] {
        assert_eq!(store.append(&run.id, 1, batch).await, Err(AppendError::Ended));
    }
    let tail = store.take_over(&run.id).await.unwrap();
    assert_eq!((tail.seq, tail.outcome), (1, Some(Outcome::Cancelled)));
    assert_eq!(store.append(&run.id, tail.term, tokens(2, 2)).await, Err(AppendError::Ended));
    assert_eq!(store.tail(&run.id).await.unwrap().outcome, Some(Outcome::Cancelled));
    assert_eq!(store.history(&run.owner, &run.session, 10).await.unwrap().len(), 2);
}

async fn the_ending_and_the_answer_come_together(store: SharedStore) {
    let all = [Outcome::Completed, Outcome::Failed, Outcome::Cancelled, Outcome::Interrupted];
    for (n, outcome) in all.into_iter().enumerate() {
        let run = made(&*store, new_run(&format!("r{n}"), "u", &format!("s{n}"))).await;
        store.append(&run.id, 1, tokens(1, 2)).await.unwrap();
        let before = store.history(&run.owner, &run.session, 10).await.unwrap();
        assert_eq!((before.len(), before[0].role, before[0].outcome), (1, Role::User, None));
        store.append(&run.id, 1, last(3, outcome, "t1 t2 ")).await.unwrap();
        assert_eq!(store.tail(&run.id).await.unwrap(), Tail { seq: 3, term: 1, outcome: Some(outcome) });
        let after = store.history(&run.owner, &run.session, 10).await.unwrap();
        assert_eq!(after.len(), 2);
        assert_eq!((after[0].role, after[0].outcome), (Role::User, Some(outcome)));
        assert_eq!((after[1].role, after[1].content.as_str()), (Role::Assistant, "t1 t2 "));
        assert_eq!((&after[1].run, after[1].outcome, after[1].at.0), (&run.id, Some(outcome), 2_003));
    }
    // A workflow outside a conversation has no answer to keep.
    let run = made(&*store, new_run("r", "u", "s")).await;
    let batch = Batch { events: vec![ending(1, Outcome::Completed)], answer: None };
    store.append(&run.id, 1, batch).await.unwrap();
    assert_eq!(store.history(&run.owner, &run.session, 10).await.unwrap().len(), 1);
}

/// Planted once: a batch cut after the limit instead of at it, and a weight compared before it is added.
async fn a_read_takes_no_more_than_it_was_asked_for(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await.id;
    for from in [1, 6, 11] {
        store.append(&run, 1, tokens(from, from + 4)).await.unwrap();
    }
    let weight = token(1).body.weight();
    for most in 0..17 {
        let read = store.read(&run, 1, most, usize::MAX).await.unwrap();
        assert_eq!(seqs(&read), (1..=most.min(15) as u64).collect::<Vec<_>>());
    }
    assert_eq!(store.read(&run, 1, 9, 0).await.unwrap().len(), 1, "at least one where there is one");
    assert_eq!(store.read(&run, 1, 9, weight).await.unwrap().len(), 1);
    assert_eq!(store.read(&run, 1, 9, 2 * weight - 1).await.unwrap().len(), 1);
    assert_eq!(store.read(&run, 1, 9, 2 * weight).await.unwrap().len(), 2);
    assert_eq!(store.read(&run, 1, 100, 7 * weight).await.unwrap().len(), 7, "across two batches");
}

/// Planted once: `last_seq > from`. The event at the end of each batch was missing.
async fn a_read_begins_anywhere(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await.id;
    for (from, to) in [(1, 1), (2, 4), (5, 5), (6, 300)] {
        store.append(&run, 1, tokens(from, to)).await.unwrap();
    }
    for from in 1..=300 {
        let read = store.read(&run, from, limit::BATCH_EVENTS, limit::BATCH_BYTES).await.unwrap();
        assert_eq!(seqs(&read), (from..=300).collect::<Vec<_>>());
        assert_eq!(read[0], token(from));
    }
    assert_eq!(seqs(&store.read(&run, 0, 2, 1_000).await.unwrap()), [1, 2], "0 is before the first");
    for beyond in [301, 302, u64::MAX] {
        assert!(store.read(&run, beyond, 10, 1_000).await.unwrap().is_empty());
    }
}

async fn a_batch_names_who_answers(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await;
    let started = |seq, provider: &str| {
        event(
            seq,
            Body::ModelStarted {
                provider: provider.into(),
                model: "m".into(),
                label: None,
                estimated_input_tokens: None,
                team: None,
            },
        )
    };
    let batch = Batch { events: vec![started(1, "first"), token(2), started(3, "second")], answer: None };
    store.append(&run.id, 1, batch).await.unwrap();
    store.append(&run.id, 1, tokens(4, 4)).await.unwrap();
    let run = store.run(&run.owner, &run.id).await.unwrap().unwrap();
    assert_eq!((run.provider.as_deref(), run.model.as_deref()), (Some("second"), Some("m")));
}

async fn only_one_of_two_writers_gets_a_number(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await.id;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, run) = (Arc::clone(&store), run.clone());
        writers.spawn(async move { store.append(&run, 1, tokens(1, 3)).await });
    }
    let results = writers.join_all().await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|r| **r == Err(AppendError::Conflict)).count(), 19);
    assert_eq!(seqs(&store.read(&run, 1, 100, usize::MAX).await.unwrap()), [1, 2, 3]);
}

async fn a_take_over_raises_the_term_and_says_the_tail(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await;
    assert_eq!(run.tail, Tail { seq: 0, term: 1, outcome: None });
    store.append(&run.id, 1, tokens(1, 7)).await.unwrap();
    for term in 2..5 {
        let tail = Tail { seq: 7, term, outcome: None };
        assert_eq!(store.take_over(&run.id).await.unwrap(), tail);
        assert_eq!(store.tail(&run.id).await.unwrap(), tail);
    }
    assert_eq!(store.run(&run.owner, &run.id).await.unwrap().unwrap().tail.term, 4);
}

async fn live_runs_are_those_without_an_ending(store: SharedStore) {
    assert!(store.live().await.unwrap().is_empty());
    for n in 0..6 {
        made(&*store, new_run(&format!("r{n}"), &format!("u{}", n % 2), "s")).await;
    }
    store.append(&run_id("r1"), 1, tokens(1, 2)).await.unwrap();
    for n in [0, 3, 4] {
        store.append(&run_id(&format!("r{n}")), 1, last(1, Outcome::Failed, "")).await.unwrap();
    }
    let live = store.live().await.unwrap();
    assert_eq!(live.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["r1", "r2", "r5"]);
    assert_eq!(live[0].tail.seq, 2);
    assert_eq!(live[0].owner, user_id("u1"));
}

async fn unknown_runs_are_not_found(store: SharedStore) {
    let nobody = run_id("nobody");
    assert_eq!(store.read(&nobody, 1, 10, 10).await, Err(ReadError::NotFound));
    assert_eq!(store.tail(&nobody).await, Err(ReadError::NotFound));
    assert_eq!(store.take_over(&nobody).await, Err(ReadError::NotFound));
}

async fn what_cannot_be_read_again_is_not_stored(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await.id;
    let source = Source { source: "s".into(), heading: String::new(), score: f64::INFINITY };
    let routed = Body::Routed { agent: "a".into(), intent: "I".into(), confidence: f64::NAN };
    for body in [routed, Body::Retrieved { sources: vec![source] }] {
        let batch = Batch { events: vec![token(1), event(2, body)], answer: None };
        assert!(matches!(store.append(&run, 1, batch).await, Err(AppendError::Backend(_))));
    }
    assert_eq!(store.tail(&run).await.unwrap().seq, 0);
}

async fn runs_do_not_mix(store: SharedStore) {
    for n in 0..10_u64 {
        made(&*store, new_run(&format!("r{n}"), "u", "s")).await;
    }
    for seq in 1..=5 {
        for n in 0..10_u64 {
            let body = Body::Token { text: format!("run {n} seq {seq}") };
            let batch = Batch { events: vec![event(seq, body)], answer: None };
            store.append(&run_id(&format!("r{n}")), 1, batch).await.unwrap();
        }
    }
    for n in 0..10_u64 {
        let read = store.read(&run_id(&format!("r{n}")), 1, 100, usize::MAX).await.unwrap();
        let texts: Vec<_> = read.iter().filter_map(|e| e.body.text()).collect();
        assert_eq!(texts, (1..=5).map(|seq| format!("run {n} seq {seq}")).collect::<Vec<_>>());
    }
}
