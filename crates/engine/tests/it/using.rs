//! Who answers, what it used and what that costs; also where the answer did not end by itself.

use std::sync::Arc;
use std::time::Duration;

use headwater_bus::InProcess;
use headwater_core::event::{Body, Event, Failure, Outcome};
use headwater_core::limit;
use headwater_core::port::provider::{
    By, ContextBudget, Cost, FinishReason, Price, ProviderError, ProviderErrorKind, ProviderInfo, Usage,
};
use headwater_engine::engine::From;
use headwater_engine::workflow::Workflow;
use headwater_engine::workflow::generate::Generate;
use headwater_engine::{Engine, Settings, Tasks};
use headwater_providers::chain::{Chain, Healths, Link};
use headwater_providers::metrics::Metrics;
use headwater_providers::scripted::stage::Stage;
use headwater_store::MemoryStore;

use crate::house::{House, SECOND, ann, ask, ask_in, ending, rest, text};

/// One and ten dollars a million.
const PRICE: Price = Price { input: 1_000_000, output: 10_000_000, cached: None, cache_write: None };

fn info() -> ProviderInfo {
    ProviderInfo {
        name: "stage".into(),
        model: "stage".into(),
        label: None,
        can_classify: false,
        can_call_tools: true,
        budget: ContextBudget { retrieval_tokens: 1000, history_tokens: 1000 },
        price: Some(PRICE),
    }
}

fn priced() -> House {
    House::made(Stage::with_info(info()))
}

fn costs(input: u64, output: u64) -> Option<Cost> {
    PRICE.of(&Usage::of(input, output))
}

fn used(log: &[Arc<Event>]) -> Option<Usage> {
    match &log.last().unwrap().body {
        Body::RunEnded { usage, .. } => *usage,
        other => panic!("{other:?}"),
    }
}

fn who(log: &[Arc<Event>]) -> Vec<(String, String, Option<u64>)> {
    let mut who = Vec::new();
    for event in log {
        if let Body::ModelStarted { provider, model, estimated_input_tokens, .. } = &event.body {
            who.push((provider.clone(), model.clone(), *estimated_input_tokens));
        }
    }
    who
}

fn metrics(house: &House) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    house.engine.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

// Planted faults: the cost of the last round alone; the provider's own amount overwritten by the table's.
#[tokio::test(start_paused = true)]
async fn a_run_costs_what_its_rounds_cost() {
    let mut house = priced();
    let run = house.engine.start(&ann(), ask_in("assist", "Which slots are free?", "s")).await.unwrap().run;
    let mut act = house.cues.next().await;
    act.call("c", "check_available_slots", "{}").await;
    act.end_using(FinishReason::ToolCalls, Usage { cached_tokens: Some(60), ..Usage::of(100, 7) }).await;
    let mut act = house.cues.next().await;
    act.say("None.").await;
    act.end_using(FinishReason::Stop, Usage { cost_usd: Some(Cost(5)), ..Usage::of(200, 3) }).await;
    let log = house.log(&run).await;
    assert_eq!(
        used(&log),
        Some(Usage {
            cached_tokens: Some(60),
            cost_usd: Some(Cost(costs(100, 7).unwrap().0 + 5)),
            ..Usage::of(300, 10)
        })
    );
    let shown = metrics(&house);
    for line in [
        r#"headwater_model_input_tokens_total{provider="stage",model="stage"} 300"#,
        r#"headwater_model_output_tokens_total{provider="stage",model="stage"} 10"#,
        r#"headwater_model_cached_tokens_total{provider="stage",model="stage"} 60"#,
        r#"headwater_runs_finished_total{workflow="assist",reason="stop"} 1"#,
        r#"headwater_model_cost_usd_total{provider="stage",model="stage"} 0.000"#,
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
}

// Planted fault: the costs that are known added up.
#[tokio::test(start_paused = true)]
async fn a_run_has_no_cost_where_a_part_of_it_has_none() {
    for free in [false, true] {
        let mut house = priced();
        // Who has no price; and who used nothing, of which nothing can be missing.
        let by = By { provider: "spare".into(), model: "small".into(), label: None, price: None };
        house.stage.speak_as(Some(by));
        let run =
            house.engine.start(&ann(), ask_in("assist", "Which slots are free?", "s")).await.unwrap().run;
        let mut act = house.cues.next().await;
        act.call("c", "check_available_slots", "{}").await;
        house.stage.speak_as(None);
        let first = if free { Usage::of(0, 0) } else { Usage::of(100, 7) };
        act.end_using(FinishReason::ToolCalls, first).await;
        let mut act = house.cues.next().await;
        act.say("None.").await;
        act.end_using(FinishReason::Stop, Usage::of(200, 3)).await;
        let usage = used(&house.log(&run).await).unwrap();
        let cost_usd = if free { costs(200, 3) } else { None };
        assert_eq!(usage, Usage { cost_usd, ..Usage::of(200, 3).and(first) });
    }
}

// Planted faults: who is asked named in place of who answers; named anew in each round.
#[tokio::test(start_paused = true)]
async fn who_really_answers_is_named_and_once_more_only_where_that_changes() {
    let mut house = priced();
    let other = |model: &str| {
        let price = Some(Price { input: 0, output: 2_000_000, ..PRICE });
        Some(By { provider: "spare".into(), model: model.into(), label: None, price })
    };
    house.stage.speak_as(other("small"));
    let run = house.engine.start(&ann(), ask_in("assist", "Which slots are free?", "s")).await.unwrap().run;
    for round in 0..3 {
        let mut act = house.cues.next().await;
        act.say("Well.").await;
        if round == 2 {
            act.fail(ProviderErrorKind::Failed, "broken").await;
            break;
        }
        act.call("c", "check_available_slots", "{}").await;
        if round == 1 {
            house.stage.speak_as(other("large"));
        }
        act.end_using(FinishReason::ToolCalls, Usage::of(10, 10)).await;
    }
    let log = house.log(&run).await;
    let named: Vec<_> =
        who(&log).into_iter().map(|(provider, model, _)| format!("{provider}/{model}")).collect();
    assert_eq!(named, ["spare/small", "spare/large"]);
    // Its price too, and its name where it fails.
    let Body::RunEnded { error: Some(error), usage: Some(usage), .. } = &log.last().unwrap().body else {
        panic!()
    };
    assert!(error.message.starts_with("spare: "), "{}", error.message);
    assert_eq!((usage.output_tokens, usage.estimated), (Some(21), true));
    assert_eq!(usage.cost_usd, Some(Cost(21 * 2_000_000)));
}

// Planted faults: no usage without the model's own end; the report of the beginning taken for the whole.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_stopped_has_used_something() {
    for reported in [false, true] {
        let mut house = priced();
        let run = house.engine.start(&ann(), ask("generate", "three words here")).await.unwrap().run;
        let mut act = house.cues.next().await;
        if reported {
            act.report(Usage { cached_tokens: Some(9), ..Usage::of(12, 1) }).await;
        }
        act.think("hm hm ").await;
        act.say("four words of text").await;
        house.stored(&run, 5).await;
        house.engine.stop(&ann(), &run).await.unwrap();
        let log = house.log(&run).await;
        assert_eq!(ending(&log, 1), Outcome::Cancelled);
        assert_eq!(who(&log)[0].2, Some(3));
        let (input, cached_tokens) = if reported { (12, Some(9)) } else { (3, None) };
        let expected =
            Usage { cached_tokens, cost_usd: costs(input, 6), estimated: true, ..Usage::of(input, 6) };
        assert_eq!(used(&log), Some(expected), "reported: {reported}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_knows_all_that_was_written_is_no_estimate() {
    let mut house = priced();
    let (run, mut act) = house.begin().await;
    act.say("one ").await;
    act.report(Usage { cost_usd: Some(Cost(77)), ..Usage::of(5, 40) }).await;
    house.stored(&run, 4).await;
    drop(act);
    let log = house.log(&run).await;
    assert_eq!(ending(&log, 1), Outcome::Failed);
    assert_eq!(used(&log), Some(Usage { cost_usd: Some(Cost(77)), ..Usage::of(5, 40) }));
}

#[tokio::test(start_paused = true)]
async fn a_run_out_of_time_and_an_interrupted_one_have_too() {
    let mut house = priced();
    let (late, mut act) = house.begin().await;
    act.say("slow").await;
    tokio::time::sleep(limit::RUN_TIME + SECOND).await;
    let log = house.log(&late).await;
    assert_eq!((ending(&log, 1), used(&log).unwrap().output_tokens), (Outcome::Failed, Some(1)));
    let (endless, mut act) = house.begin().await;
    act.say("part of it").await;
    house.stored(&endless, 4).await;
    house.engine.drain(Duration::ZERO).await;
    let log = house.log(&endless).await;
    assert_eq!((ending(&log, 1), used(&log).unwrap().output_tokens), (Outcome::Interrupted, Some(3)));
}

// Planted fault: an empty usage taken for nothing used.
#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_say_what_it_used_is_estimated() {
    let mut house = priced();
    let (run, mut act) = house.begin().await;
    act.say("two words").await;
    act.end_using(FinishReason::Stop, Usage::default()).await;
    let usage = used(&house.log(&run).await).unwrap();
    assert_eq!(usage, Usage { estimated: true, cost_usd: costs(1, 2), ..Usage::of(1, 2) });
}

#[tokio::test(start_paused = true)]
async fn a_run_that_no_model_was_asked_for_used_nothing() {
    let house = priced();
    house.stage.refuse_next(ProviderError::new(ProviderErrorKind::Busy, "later"));
    let run = house.engine.start(&ann(), ask("generate", "hi")).await.unwrap().run;
    assert_eq!(used(&house.log(&run).await), None);
}

// Planted faults: the call opened only when a chain's first word is there; left open without its own name.
#[tokio::test(start_paused = true)]
async fn a_model_that_thinks_unseen_has_used_its_prompt() {
    for late in [false, true] {
        let (stage, mut cues) = Stage::with_info(info());
        let chain = Chain::new("smart", vec![Link::to(stage)], &Healths::new(Metrics::default())).unwrap();
        // As long as the run may last, so that the run's own clock is the one that ends it.
        let chain = chain.first_word(limit::RUN_TIME * 2);
        let workflows: Vec<Arc<dyn Workflow>> = vec![Arc::new(Generate::new(Arc::new(chain)))];
        let (store, bus) = (Arc::new(MemoryStore::new()), Arc::new(InProcess::new()));
        let engine = Engine::new(store, bus, workflows, Tasks::default(), Settings::default());
        let run = engine.start(&ann(), ask("generate", "three words here")).await.unwrap().run;
        let mut act = cues.next().await;
        act.report(Usage::of(12, 400)).await;
        if late {
            tokio::time::sleep(limit::RUN_TIME + SECOND).await;
        } else {
            engine.stop(&ann(), &run).await.unwrap();
        }
        act.cancelled().await;
        let log = rest(&mut engine.follow(&ann(), &run, &From::After(0)).await.unwrap()).await;
        assert_eq!(ending(&log, 1), if late { Outcome::Failed } else { Outcome::Cancelled });
        assert_eq!(who(&log), []);
        let expected = Usage { cost_usd: costs(3, 0), estimated: true, ..Usage::of(3, 0) };
        assert_eq!(used(&log), Some(expected), "late: {late}");
    }
}

// Planted faults: a call that was turned away left in the meter; one that broke off taken out.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_turned_away_used_nothing_and_one_that_breaks_off_its_prompt() {
    use ProviderErrorKind::{Busy, Failed, Interrupted, Refused, Timeout, Unavailable};
    for kind in [Refused, Busy, Unavailable, Timeout, Interrupted, Failed] {
        let house = priced();
        house.stage.refuse_next(ProviderError::new(kind, "no"));
        let run = house.engine.start(&ann(), ask("generate", "three words here")).await.unwrap().run;
        let log = house.log(&run).await;
        assert_eq!(ending(&log, 1), Outcome::Failed);
        let turned_away = matches!(kind, Refused | Busy | Unavailable);
        let prompt = Usage { cost_usd: costs(3, 0), estimated: true, ..Usage::of(3, 0) };
        assert_eq!(used(&log), (!turned_away).then_some(prompt), "{kind:?}");
    }
}

// Planted faults: the time to wait lost on the way; a refusal called recoverable.
#[tokio::test(start_paused = true)]
async fn a_failure_says_whether_and_when_asking_again_can_help() {
    for (kind, code, recoverable) in [
        (ProviderErrorKind::Busy, "provider_busy", true),
        (ProviderErrorKind::Interrupted, "provider_interrupted", true),
        (ProviderErrorKind::Timeout, "provider_timeout", true),
        (ProviderErrorKind::Refused, "provider_refused", false),
    ] {
        let mut house = priced();
        let (run, mut act) = house.begin().await;
        act.say("partial").await;
        let retry_after = Some(Duration::from_millis(1_200));
        act.fail_with(ProviderError { retry_after, ..ProviderError::new(kind, "no") }).await;
        let log = house.log(&run).await;
        assert_eq!(text(&log), "partial");
        let Body::RunEnded { error: Some(error), .. } = &log.last().unwrap().body else { panic!() };
        let message = "stage: no".to_owned();
        assert_eq!(*error, Failure { code: code.into(), message, recoverable, retry_after: Some(2) });
    }
}

// Planted fault: the usage of whoever ended the run alone: a parser, which uses nothing.
#[tokio::test(start_paused = true)]
async fn what_a_classifier_used_counts_where_no_model_answers() {
    let quick = ProviderInfo { can_classify: true, can_call_tools: false, ..info() };
    let mut house = House::made(Stage::with_info(quick));
    let run = house.engine.start(&ann(), ask_in("assist", "Book an oil change", "s")).await.unwrap().run;
    let mut act = house.cues.next().await;
    act.say("MAINTENANCE").await;
    act.end_using(FinishReason::Stop, Usage::of(50, 1)).await;
    let log = house.log(&run).await;
    assert_eq!(who(&log), [("tools".into(), "parser".into(), None)]);
    assert_eq!(used(&log), Some(Usage { cost_usd: costs(50, 1), ..Usage::of(50, 1) }));
}

// Planted fault: a classifier's reply given up at the first delta that is no text.
#[tokio::test(start_paused = true)]
async fn a_classifier_may_think_and_what_it_used_counts() {
    let mut house = House::made(Stage::with_info(ProviderInfo { can_classify: true, ..info() }));
    let run = house.engine.start(&ann(), ask_in("assist", "Tell me of the X1", "s")).await.unwrap().run;
    let mut act = house.cues.next().await;
    act.report(Usage::of(50, 0)).await;
    act.think("schedule?").await;
    act.say("MAINTENANCE").await;
    act.end_using(FinishReason::Stop, Usage::of(50, 5)).await;
    let mut act = house.cues.next().await;
    act.say("Yes.").await;
    act.end_using(FinishReason::Stop, Usage::of(100, 1)).await;
    let log = house.log(&run).await;
    assert!(log.iter().any(|e| matches!(&e.body, Body::Routed { agent, .. } if agent == "maintenance")));
    assert_eq!(used(&log), Some(Usage { cost_usd: costs(150, 6), ..Usage::of(150, 6) }));
    assert_eq!(who(&log).len(), 1);
}
