//! Whole chains over stages, in paused time.

use futures_util::{FutureExt, StreamExt};
use headwater_core::port::provider::{Delta, FinishReason, Replay, ToolCall, ToolSpec, Usage};
use tokio::time::{Instant, advance};

use super::testing::{Told, answered, chain, failing, info, request, speak, staged, text, usage};
use super::*;
use crate::metrics::Metrics;
use crate::scripted::stage::Cues;
use ProviderErrorKind::{Busy, Failed, Interrupted, Refused, Timeout, Unavailable};

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_first_word_is_retried_and_then_the_next_link_answers() {
    for kind in [Unavailable, Busy, Refused, Timeout, Interrupted, Failed] {
        let (chain, [(a, mut a_cues), (b, mut b_cues)]) = staged(["a", "b"]);
        let error = ProviderError::new(kind, "no");
        let (answer, act) = tokio::join!(failing(&chain, &mut a_cues, &error), async {
            speak(b_cues.next().await, "hello").await
        });
        let mut answer = answer.unwrap();
        assert_eq!(a.calls(), if kind == Refused { 1 } else { 3 }, "{kind:?}");
        let by = answer.by().unwrap();
        assert_eq!((by.provider.as_str(), by.model.as_str(), b.calls()), ("b", "b-model", 1));
        act.end().await;
        assert_eq!(answer.next().await, Some(Ok(text("hello"))));
        assert!(matches!(answer.next().await, Some(Ok(Delta::End { .. }))));
        assert_eq!(answer.next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_first_word_passes_through_and_nobody_is_asked_anew() {
    for kind in [Unavailable, Busy, Refused, Timeout, Interrupted, Failed] {
        let (chain, [(a, mut a_cues), (b, _)]) = staged(["a", "b"]);
        for _ in 0..20 {
            let (mut answer, act) = answered(&chain, &mut a_cues).await;
            act.fail(kind, "in the middle").await;
            assert_eq!(answer.next().await, Some(Ok(text("hello"))));
            assert_eq!(answer.next().await, Some(Err(ProviderError::new(kind, "in the middle"))));
            assert_eq!(answer.next().await, None);
        }
        assert_eq!((a.calls(), b.calls()), (20, 0), "and no breaker counts it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_to_begin_is_a_failure_like_another_and_the_same_link_may_answer() {
    let (chain, [(a, mut cues), (b, _)]) = staged(["a", "b"]);
    a.refuse_next(ProviderError::new(Busy, "later"));
    let (answer, _act) = answered(&chain, &mut cues).await;
    assert_eq!(answer.by().unwrap().provider, "a");
    assert_eq!((a.calls(), b.calls()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn who_asks_to_be_left_alone_is_waited_for_or_passed_over() {
    let wait = |seconds| ProviderError {
        retry_after: Some(Duration::from_secs(seconds)),
        ..ProviderError::new(Busy, "later")
    };
    let (chain, [(a, mut a_cues), (_b, mut b_cues)]) = staged(["a", "b"]);
    let began = Instant::now();
    a.refuse_next(wait(2));
    let (answer, _act) = answered(&chain, &mut a_cues).await;
    let waited = began.elapsed();
    assert!(answer.by().unwrap().provider == "a" && waited >= Duration::from_secs(2), "{waited:?}");
    assert!(waited <= Duration::from_secs(2) + limit::RETRY_FIRST);
    // Longer than anybody waits: the next one, at once.
    let began = Instant::now();
    a.refuse_next(wait(60));
    let (answer, _act) = answered(&chain, &mut b_cues).await;
    assert_eq!(answer.by().unwrap().provider, "b");
    assert_eq!((began.elapsed(), a.calls()), (Duration::ZERO, 3));
    // And where there is none: when to come back.
    let (chain, [(a, _)]) = staged(["a"]);
    a.refuse_next(wait(60));
    assert_eq!(chain.generate(request()).await.unwrap_err(), wait(60));
    assert_eq!(a.calls(), 1);
}

// Planted fault: the first word awaited in a task of its own, which goes on when nobody waits.
#[tokio::test(start_paused = true)]
async fn leaving_in_a_pause_or_before_the_first_word_reaches_upstream() {
    let (chain, [(a, mut cues)]) = staged(["a"]);
    let mut generate = chain.generate(request());
    let act = tokio::select! { _ = &mut generate => panic!("nothing was said"), act = cues.next() => act };
    assert!(!act.is_cancelled());
    drop(generate);
    act.cancelled().await;
    // In a pause.
    a.refuse_next(ProviderError {
        retry_after: Some(Duration::from_secs(5)),
        ..ProviderError::new(Busy, "")
    });
    let mut generate = chain.generate(request());
    assert!(generate.as_mut().now_or_never().is_none());
    drop(generate);
    advance(Duration::from_secs(60)).await;
    assert_eq!(a.calls(), 2);
    // And behind the first word.
    let (answer, act) = answered(&chain, &mut cues).await;
    assert!(!act.is_cancelled());
    drop(answer);
    act.cancelled().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_first_word_is_kept_in_order_and_a_thought_is_a_word() {
    let replay = |n: u64| Delta::Replay(Replay { format: "x".into(), value: n.into() });
    let end = Delta::End { reason: FinishReason::Stop, usage: Usage::of(1, 2) };
    let call = Delta::ToolCall(ToolCall { id: "1".into(), name: "t".into(), arguments: "{}".into() });
    for first in [Delta::Reasoning("hm".into()), Delta::Refusal("no".into()), call, text("a"), end.clone()] {
        let error = Err(ProviderError::new(Failed, "after"));
        let before = [usage(1), usage(2), replay(1), usage(3), replay(2), replay(3)];
        let answer = before.into_iter().chain([first.clone()]).map(Ok).chain([error.clone()]).collect();
        let told = Told::new("a", vec![answer]);
        let other = Told::new("b", vec![]);
        let links = vec![Link::to(told.clone()), Link::to(other.clone())];
        let chain = chain("smart", links, &Healths::new(Metrics::default()));
        let items: Vec<_> = chain.generate(request()).await.unwrap().collect().await;
        let kept = [usage(2), replay(1), usage(3), replay(2), replay(3), first];
        assert_eq!(items, kept.into_iter().map(Ok).chain([error]).collect::<Vec<_>>());
        assert_eq!((told.calls(), other.calls()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_too_much_unseen_has_begun() {
    let unseen = |n: u64| Ok(Delta::Replay(Replay { format: "x".into(), value: n.into() }));
    let count = limit::CHAIN_PEEKED as u64 * 2;
    let told =
        Told::new("a", vec![(0..count).map(unseen).chain([Err(ProviderError::new(Failed, ""))]).collect()]);
    let chain = chain("smart", vec![Link::to(told.clone())], &Healths::new(Metrics::default()));
    let items: Vec<_> = chain.generate(request()).await.unwrap().collect().await;
    assert_eq!((items.len() as u64, told.calls()), (count + 1, 1));
}

// Planted faults: a first link that may use up the whole time; a time that is not kept.
#[tokio::test(start_paused = true)]
async fn a_link_that_hangs_leaves_its_stand_in_its_time() {
    let (chain, [(_a, mut a_cues), (_b, mut b_cues), (_c, mut c_cues)]) = staged(["a", "b", "c"]);
    let chain = chain.first_word(Duration::from_secs(90));
    let began = Instant::now();
    let (answer, (a, b, _c)) = tokio::join!(chain.generate(request()), async {
        let a = a_cues.next().await;
        let b = b_cues.next().await;
        (a, b, speak(c_cues.next().await, "hello").await)
    });
    assert_eq!(answer.unwrap().by().unwrap().provider, "c");
    assert_eq!(began.elapsed().as_secs(), 60);
    assert!(a.is_cancelled() && b.is_cancelled());
    // And all of them together take no longer than they may.
    let began = Instant::now();
    let (answer, _acts) = tokio::join!(chain.generate(request()), async {
        (a_cues.next().await, b_cues.next().await, c_cues.next().await)
    });
    let error = answer.map(|_| ()).unwrap_err();
    assert_eq!((error.kind, began.elapsed().as_secs()), (Timeout, 90));
    assert!(error.message.contains("a: the provider said nothing within 30 s; b: "), "{error}");
}

/// Opens the breaker of the first of two links; the second one answers meanwhile.
async fn open_first(chain: &Chain, a: &mut Cues, b: &mut Cues) {
    for _ in 0..2 {
        let error = ProviderError::new(Unavailable, "gone");
        let (answer, _act) =
            tokio::join!(failing(chain, a, &error), async { speak(b.next().await, "hello").await });
        assert_eq!(answer.unwrap().by().unwrap().provider, "b");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_keeps_failing_is_left_alone_and_tried_by_one() {
    let (chain, [(a, mut a_cues), (b, mut b_cues)]) = staged(["a", "b"]);
    open_first(&chain, &mut a_cues, &mut b_cues).await;
    assert_eq!(a.calls(), 5);
    let (_answer, _act) = answered(&chain, &mut b_cues).await;
    assert_eq!((a.calls(), b.calls()), (5, 3), "it is not asked");
    advance(limit::BREAKER_OPEN).await;
    // One request tries it; the next ones do not wait for what it finds.
    let mut first = chain.generate(request());
    let act = tokio::select! { _ = &mut first => panic!("nothing was said"), act = a_cues.next() => act };
    for _ in 0..10 {
        let (answer, _act) = answered(&chain, &mut b_cues).await;
        assert_eq!(answer.by().unwrap().provider, "b");
    }
    assert_eq!(a.calls(), 6);
    // Whoever leaves in the middle of it leaves the try to the next one.
    drop(first);
    act.cancelled().await;
    let (answer, _act) = answered(&chain, &mut a_cues).await;
    assert_eq!((answer.by().unwrap().provider.as_str(), a.calls()), ("a", 7));
    let (_answer, _act) = answered(&chain, &mut a_cues).await;
    assert_eq!(a.calls(), 8, "it is back");
}

#[tokio::test(start_paused = true)]
async fn where_all_are_left_alone_one_is_asked_once() {
    let (chain, [(a, mut a_cues), (b, mut b_cues)]) = staged(["a", "b"]);
    let gone = ProviderError::new(Unavailable, "gone");
    for _ in 0..2 {
        let both = async {
            tokio::join!(failing(&chain, &mut a_cues, &gone), async {
                loop {
                    b_cues.next().await.fail_with(gone.clone()).await;
                }
            })
        };
        tokio::select! { _ = both => {}, () = tokio::time::sleep(Duration::from_secs(8)) => {} }
    }
    let before = (a.calls(), b.calls());
    assert_eq!(before, (5, 5));
    a.refuse_next(gone.clone());
    let error = chain.generate(request()).await.map(|_| ()).unwrap_err();
    assert_eq!((a.calls(), b.calls()), (6, 5), "{error}");
    assert_eq!(error.message, "no model of `smart` answered (a: gone; b: left alone, it kept failing)");
    // An answer is proof enough.
    let (_answer, _act) = answered(&chain, &mut a_cues).await;
    let (_answer, _act) = answered(&chain, &mut a_cues).await;
    assert_eq!((a.calls(), b.calls()), (8, 5));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_in_an_outage_cost_a_tenth_more() {
    let told = Told::new("a", (0..9_999).map(|_| vec![Err(ProviderError::new(Busy, "later"))]).collect());
    let chain = chain("smart", vec![Link::to(told.clone())], &Healths::new(Metrics::default()));
    let began = Instant::now();
    let asked = (0..1_000).map(|_| chain.generate(request()));
    let failed = join_all(asked).await.iter().filter(|a| a.is_err()).count();
    let minutes = began.elapsed().as_secs().div_ceil(60);
    let spare = usize::try_from(minutes).unwrap() * 10 + limit::RETRIES_SPARE.burst as usize;
    assert_eq!(failed, 1_000);
    assert!((1_100..=1_000 + 100 + spare).contains(&told.calls()), "{}", told.calls());
}

#[tokio::test(start_paused = true)]
async fn each_link_is_asked_for_its_own() {
    let answer = || vec![Ok(text("a"))];
    let first = Told::new("a", vec![]);
    let price = Price { input: 1, output: 2, cached: None, cache_write: None };
    let second = Told::with(ProviderInfo { price: Some(price), ..info("b") }, vec![answer(), answer()]);
    let extra = serde_json::json!({"x": 1, "y": 2}).as_object().unwrap().clone();
    let links = vec![
        Link { retries: 0, ..Link::to(first.clone()) },
        Link { extra, reasoning: Some(Effort::Low), ..Link::to(second.clone()).model("big") },
    ];
    let chain = chain("smart", links, &Healths::new(Metrics::default()));
    let asked = serde_json::json!({"x": 0, "z": 3}).as_object().unwrap().clone();
    let answer = chain.generate(ModelRequest { extra: asked, ..request() }).await.unwrap();
    let by = answer.by().unwrap();
    assert_eq!((by.model.as_str(), by.price), ("big", None), "the price of another model is not this one's");
    let sent = second.requests.lock()[0].clone();
    assert_eq!((sent.model.as_deref(), sent.reasoning), (Some("big"), Some(Effort::Low)));
    assert_eq!(serde_json::to_value(&sent.extra).unwrap(), serde_json::json!({"x": 1, "y": 2, "z": 3}));
    assert_eq!((first.calls(), first.requests.lock()[0].model.clone()), (1, None));
    chain.generate(ModelRequest { reasoning: Some(Effort::High), ..request() }).await.unwrap();
    assert_eq!(second.requests.lock()[1].reasoning, Some(Effort::High));
}

#[tokio::test(start_paused = true)]
async fn it_is_the_first_link_with_what_all_can_bear_and_tools_pass_over_who_cannot() {
    let small = ProviderInfo {
        can_classify: false,
        can_call_tools: false,
        budget: ContextBudget { retrieval_tokens: 100, history_tokens: 5_000 },
        ..info("small")
    };
    let a = Told::new("a", vec![]);
    let small = Told::with(small, vec![vec![Ok(text("s"))], vec![Ok(text("s"))]]);
    let healths = Healths::new(Metrics::default());
    let links = vec![Link::to(a.clone()).model("m"), Link::to(small.clone()), Link::to(a.clone())];
    let both = chain("smart", links, &healths);
    let told = both.info();
    assert_eq!((told.name.as_str(), told.model.as_str()), ("a", "m"));
    assert_eq!((told.can_classify, told.can_call_tools), (false, true));
    assert_eq!(told.budget, ContextBudget { retrieval_tokens: 100, history_tokens: 1_000 });
    assert_eq!((both.count_tokens("four"), both.backlog()), (4, 6));
    assert_eq!(both.backlogs(), [("a".to_owned(), 3), ("small".to_owned(), 3)]);
    both.warm(&[]).await;
    assert_eq!((a.warmed.load(Ordering::SeqCst), small.warmed.load(Ordering::SeqCst)), (1, 1));
    let tool = ToolSpec { name: "t".into(), description: String::new(), parameters: serde_json::json!({}) };
    let offered = ModelRequest { tools: vec![tool], ..request() };
    assert!(both.generate(offered.clone()).await.is_err());
    assert_eq!(small.calls(), 0);
    let called = ToolCall { id: "1".into(), name: "t".into(), arguments: "{}".into() };
    let later = ModelRequest { messages: vec![PromptMessage::answering(&called, "ok")], ..request() };
    assert!(both.generate(later).await.is_err());
    assert_eq!(small.calls(), 0);
    assert!(both.generate(request()).await.is_ok());
    let alone = chain("tiny", vec![Link::to(small.clone())], &healths);
    let error = alone.generate(offered).await.map(|_| ()).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (Refused, "no model of `tiny` can be offered tools"));
}

// Planted faults: a gauge that is set only where it opens; a fallback that counts each retry.
#[tokio::test(start_paused = true)]
async fn what_happened_is_counted_by_provider() {
    let metrics = Metrics::default();
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let shown = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let ours = ["retries_total", "fallbacks_total", "breaker{"];
        let mut lines: Vec<String> = text
            .lines()
            .filter(|l| ours.iter().any(|o| l.starts_with(&format!("headwater_provider_{o}"))))
            .map(|l| l.trim_start_matches("headwater_provider_").to_owned())
            .collect();
        lines.sort();
        lines
    };
    let fail = || vec![Err(ProviderError::new(Failed, "no"))];
    let good = || vec![Ok(text("a"))];
    let a = Told::new("a", [fail(), fail(), fail(), fail(), fail(), good()].into());
    let b = Told::new("b", vec![good(), good(), good()]);
    let chain = chain("smart", vec![Link::to(a), Link::to(b)], &Healths::new(metrics));
    for _ in 0..3 {
        chain.generate(request()).await.unwrap();
    }
    let told = |open: u8| {
        [
            format!("breaker{{provider=\"a\",model=\"a-model\"}} {open}"),
            "breaker{provider=\"b\",model=\"b-model\"} 0".to_owned(),
            "fallbacks_total{provider=\"b\"} 3".to_owned(),
            "retries_total{provider=\"a\"} 3".to_owned(),
        ]
    };
    assert_eq!(shown(), told(1));
    advance(limit::BREAKER_OPEN).await;
    chain.generate(request()).await.unwrap();
    assert_eq!(shown(), told(0));
}

#[test]
fn a_chain_has_links_and_not_too_many() {
    let healths = Healths::new(Metrics::default());
    let link = || Link::to(Told::new("a", vec![]));
    for links in [vec![], vec![link(); limit::CHAIN_LINKS + 1], vec![Link { retries: 6, ..link() }]] {
        assert!(Chain::new("smart", links, &healths).is_err());
    }
}
