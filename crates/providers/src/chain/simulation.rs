//! Plans and providers run through outages: with the pure plan under a clock that is a number, and with
//! whole chains whose providers do as a seed says.

use std::time::Duration;

use futures_util::StreamExt;
use headwater_core::limit;
use headwater_core::port::provider::{Delta, ProviderError, ProviderErrorKind};
use proptest::prelude::*;

use super::breaker::Verdict;
use super::health::Health;
use super::plan::{Plan, Rule, Step};
use super::testing::{Told, chain, request, usage};
use super::{Healths, Link};
use crate::metrics::Metrics;

const KINDS: [ProviderErrorKind; 6] = [
    ProviderErrorKind::Unavailable,
    ProviderErrorKind::Busy,
    ProviderErrorKind::Refused,
    ProviderErrorKind::Timeout,
    ProviderErrorKind::Interrupted,
    ProviderErrorKind::Failed,
];

const MS: Duration = Duration::from_millis(1);

fn rules(retries: &[(u32, bool)]) -> Vec<Rule> {
    retries
        .iter()
        .enumerate()
        .map(|(place, (retries, able))| Rule { place, retries: *retries, able: *able })
        .collect()
}

fn any_error() -> impl Strategy<Value = ProviderError> {
    (0..KINDS.len(), prop::option::of(0u64..30_000)).prop_map(|(kind, wait)| ProviderError {
        retry_after: wait.map(Duration::from_millis),
        ..ProviderError::new(KINDS[kind], "no")
    })
}

proptest! {
    // Planted faults: a retry too many; a refusal that is retried; nobody asked where all are left alone.
    #[test]
    fn a_request_is_bounded_in_calls_order_and_time(
        links in prop::collection::vec((0..=limit::RETRIES_MOST, any::<bool>()), 1..=limit::CHAIN_LINKS),
        // How long each call takes, what it fails with, and a random number; and whether it is answered.
        calls in prop::collection::vec((0u64..200_000, any_error(), any::<u64>(), 0u8..20), 64),
        opened in prop::collection::vec(any::<bool>(), limit::CHAIN_LINKS),
        first_word in 1u64..300_000,
    ) {
        let rules = rules(&links);
        let mut healths = vec![Health::default(); links.len()];
        for (health, _) in healths.iter_mut().zip(opened).filter(|(_, open)| *open) {
            for _ in 0..limit::BREAKER_FAILURES {
                let pass = health.breaker.pass(Duration::ZERO).unwrap();
                health.breaker.tell(pass, Verdict::Bad, Duration::ZERO);
            }
        }
        let all_open = links.iter().zip(&healths).all(|((_, able), h)| !able || h.breaker.open_since().is_some());
        let (mut now, first_word) = (MS, MS * u32::try_from(first_word).unwrap());
        let deadline = now + first_word;
        let mut plan = Plan::new(rules.clone(), now, first_word);
        let mut asked = vec![0u32; links.len()];
        let (mut calls, mut last, mut refused) = (calls.into_iter(), 0, None);
        loop {
            match plan.next(now, &mut healths) {
                Step::Wait(at) => {
                    prop_assert!(at > now && at <= deadline);
                    now = at;
                }
                Step::GiveUp => break,
                Step::Ask { link, until, pass, .. } => {
                    prop_assert!(rules[link].able && now < until && until <= deadline);
                    prop_assert!(link >= last && refused != Some(link));
                    last = link;
                    asked[link] += 1;
                    let (takes, error, random, answered) = calls.next().unwrap();
                    now = (now + MS * u32::try_from(takes).unwrap()).min(until);
                    if answered == 0 {
                        healths[link].breaker.tell(pass, Verdict::Good, now);
                        // It takes the plan away: nothing that is left could ask anew.
                        plan.answered();
                        return Ok(());
                    }
                    refused = (error.kind == ProviderErrorKind::Refused).then_some(link);
                    plan.failed(link, Some(pass), error, now, random, &mut healths);
                }
            }
        }
        for (link, times) in asked.iter().enumerate() {
            prop_assert!(*times <= 1 + rules[link].retries);
        }
        let able = rules.iter().any(|r| r.able);
        prop_assert_eq!(asked.iter().any(|t| *t > 0), able, "somebody is always asked");
        prop_assert!(!all_open || asked.iter().sum::<u32>() <= 1, "an outage of all is asked once");
        prop_assert_eq!(plan.next(now, &mut healths), Step::GiveUp);
    }
}

/// Runs requests one after another, `gap` apart, against what `fails` says of a link and a time. Returns how
/// often each link was asked, the retries among them, and who answered each.
fn outage(
    links: usize,
    requests: u32,
    gap: Duration,
    healths: &mut [Health],
    from: Duration,
    fails: impl Fn(usize, Duration) -> Option<ProviderErrorKind>,
) -> (Vec<u32>, u32, Vec<Option<usize>>) {
    let (mut asked, mut retries, mut answered) = (vec![0; links], 0, Vec::new());
    for n in 0..requests {
        let mut now = from + gap * n;
        let mut plan = Plan::new(rules(&vec![(limit::RETRIES, true); links]), now, limit::CHAIN_FIRST_WORD);
        let by = loop {
            match plan.next(now, healths) {
                Step::Wait(at) => now = at,
                Step::GiveUp => break None,
                Step::Ask { link, pass, .. } => {
                    asked[link] += 1;
                    let Some(kind) = fails(link, now) else {
                        healths[link].breaker.tell(pass, Verdict::Good, now);
                        break Some(link);
                    };
                    let error = ProviderError::new(kind, "no");
                    let random = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    retries +=
                        u32::from(plan.failed(link, Some(pass), error, now, random, healths).is_some());
                }
            }
        };
        answered.push(by);
    }
    (asked, retries, answered)
}

// Planted faults: no pause at all; one that does not double.
#[test]
fn pauses_are_drawn_from_nothing_to_a_bound_that_doubles() {
    let mut seed = 7_u64;
    // The pauses of one request that may be retried five times.
    let mut pauses = || {
        let mut healths = vec![Health::default()];
        let mut plan = Plan::new(rules(&[(limit::RETRIES_MOST, true)]), MS, limit::CHAIN_FIRST_WORD);
        let (mut now, mut found) = (MS, Vec::new());
        loop {
            match plan.next(now, &mut healths) {
                Step::Wait(at) => now = at,
                Step::GiveUp => break found,
                Step::Ask { link, pass, .. } => {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let error = ProviderError::new(ProviderErrorKind::Busy, "later");
                    found.extend(plan.failed(link, Some(pass), error, now, seed, &mut healths));
                }
            }
        }
    };
    let all: Vec<_> = (0..1_000).map(|_| pauses()).collect();
    for (n, bound) in [500, 1_000, 2_000, 4_000, 8_000].into_iter().enumerate() {
        let drawn: Vec<Duration> = all.iter().map(|p| p[n]).collect();
        let bound = MS * bound;
        assert!(drawn.iter().all(|p| *p <= bound));
        let share = |from: Duration, to: Duration| drawn.iter().filter(|p| **p >= from && **p < to).count();
        for quarter in 0..4 {
            let found = share(bound * quarter / 4, bound * (quarter + 1) / 4);
            assert!((180..=320).contains(&found), "try {n}, quarter {quarter}: {found} of 1,000");
        }
    }
}

// Planted fault: a budget that is not asked (2,000 retries).
#[test]
fn a_thousand_requests_to_a_busy_provider_are_hardly_more_calls() {
    let mut healths = vec![Health::default(); 1];
    // Busy does not open a breaker, so that only the budget stands between the outage and three times the load.
    let gap = MS * 10;
    let (asked, retries, answered) =
        outage(1, 1_000, gap, &mut healths, Duration::ZERO, |_, _| Some(ProviderErrorKind::Busy));
    assert!(answered.iter().all(Option::is_none));
    assert_eq!(asked[0], 1_000 + retries);
    // A tenth, the few that are spare, and those that came back in ten seconds.
    assert!((100..=100 + 5 + 2).contains(&retries), "{retries}");
}

#[test]
fn a_broken_provider_is_left_alone_and_comes_back() {
    let mut healths = vec![Health::default(); 2];
    let (gap, down) = (MS * 100, Duration::from_secs(100));
    let fails =
        |link: usize, now: Duration| (link == 0 && now < down).then_some(ProviderErrorKind::Unavailable);
    let (asked, _, answered) = outage(2, 1_000, gap, &mut healths, Duration::ZERO, fails);
    assert!(answered.iter().all(|by| *by == Some(1)), "nobody notices");
    // Those that opened it, and one try after 10, 20, 40 seconds.
    assert_eq!(asked[0], limit::BREAKER_FAILURES + 3);
    // Opened within the first second: tries after 10, 30 and 70 s failed, and the next one is 80 s later.
    let (asked, _, answered) = outage(2, 1_000, gap, &mut healths, down, fails);
    let back = answered.iter().position(|by| *by == Some(0)).unwrap();
    assert!((500..=510).contains(&back), "{back}");
    assert!(answered[back..].iter().all(|by| *by == Some(0)));
    assert_eq!(asked[0], 1_000 - u32::try_from(back).unwrap());
}

// Planted faults: only text taken for a visible word; the first link named whoever answers; a retry too many.
#[tokio::test(start_paused = true)]
async fn whoever_said_a_visible_word_is_the_last_who_was_asked() {
    let mut seed = 0x5eed_u64;
    let mut draw = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for round in 0..500 {
        let healths = Healths::new(Metrics::default());
        let count = 1 + draw(4);
        let told: Vec<_> = (0..count)
            .map(|n| {
                let answers = (0..3).map(|_| {
                    let mut answer = Vec::new();
                    for _ in 0..draw(4) {
                        answer.push(Ok(match draw(3) {
                            0 => Delta::Text("a".into()),
                            1 => Delta::Reasoning("b".into()),
                            _ => usage(1),
                        }));
                    }
                    let kind = KINDS[usize::try_from(draw(6)).unwrap()];
                    answer.push(Err(ProviderError::new(kind, "no")));
                    answer
                });
                Told::new(&format!("p{n}"), answers.collect())
            })
            .collect();
        let links = told.iter().map(|t| Link::to(t.clone())).collect();
        let chain = chain("smart", links, &healths).seeded(round);
        let answer = super::Provider::generate(&chain, request()).await;
        let visible: Vec<u64> = told.iter().flat_map(|t| t.said()).collect();
        let calls: usize = told.iter().map(|t| t.calls()).sum();
        assert!(calls <= told.len() * 3);
        match answer {
            Err(_) => assert!(visible.iter().all(|v| *v == 0), "round {round}"),
            Ok(answer) => {
                let by = answer.by().unwrap().provider.clone();
                let items: Vec<_> = answer.collect().await;
                assert!(items.last().unwrap().is_err(), "the error passes through");
                let last = told.iter().rposition(|t| t.calls() > 0).unwrap();
                assert_eq!(by, format!("p{last}"));
                let said = told[last].said();
                assert!(said[..said.len() - 1].iter().all(|v| *v == 0) && said[said.len() - 1] > 0);
                assert_eq!(visible.iter().filter(|v| **v > 0).count(), 1, "round {round}");
            }
        }
    }
}
