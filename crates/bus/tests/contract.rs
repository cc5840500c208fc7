//! What every bus must do, and what only one that loses nothing does. No time passes here: a stream is
//! polled once, and has something or has not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use headwater_bus::{InProcess, Lossy};
use headwater_core::port::bus::{Bus, Happening, Heard, Hint, Hints, Notice, Notices, Room, SharedBus};
use headwater_core::{RunId, SessionId, UserId, limit};

fn run(name: &str) -> RunId {
    RunId::parse(name).unwrap()
}

fn at(tail: u64) -> Hint {
    Hint { tail, ended: false }
}

/// What is there now.
fn now(hints: &mut Hints) -> Option<Hint> {
    hints.next().now_or_never().map(|hint| hint.expect("the hints of a run never end"))
}

/// Publishes until something arrives; over a bus that loses that may take a while, but not for ever.
fn publish_until_heard(bus: &dyn Bus, run: &RunId, hint: Hint, hints: &mut Hints) -> Hint {
    for _ in 0..1_000 {
        bus.publish(run, hint);
        if let Some(heard) = now(hints) {
            return heard;
        }
    }
    panic!("a thousand hints and none arrived");
}

fn every_bus() -> Vec<(&'static str, SharedBus)> {
    let mut all: Vec<(&'static str, SharedBus)> = vec![("in process", Arc::new(InProcess::new()))];
    for seed in 0..20 {
        all.push(("lossy", Arc::new(Lossy::new(seed))));
    }
    all
}

#[test]
fn a_hint_reaches_every_subscription_of_its_run_and_no_other() {
    for (name, bus) in every_bus() {
        let (a, b) = (run("a"), run("b"));
        let (mut one, mut two, mut other) = (bus.subscribe(&a), bus.subscribe(&a), bus.subscribe(&b));
        assert_eq!(publish_until_heard(&*bus, &a, at(3), &mut one), at(3), "{name}");
        assert_eq!(now(&mut two), Some(at(3)), "{name}");
        assert_eq!(now(&mut other), None, "{name}");
    }
}

#[test]
fn nothing_is_heard_that_was_not_published() {
    for (name, bus) in every_bus() {
        let a = run("a");
        let mut hints = bus.subscribe(&a);
        assert_eq!(now(&mut hints), None, "{name}");
        for tail in 1..200 {
            bus.publish(&a, at(tail));
            if let Some(heard) = now(&mut hints) {
                assert!((1..=tail).contains(&heard.tail) && !heard.ended, "{name}: {heard:?} at {tail}");
            }
        }
    }
}

#[test]
fn publishing_without_subscribers_keeps_nothing() {
    let bus = InProcess::new();
    let lossy = Lossy::new(1);
    for n in 0..1_000 {
        bus.publish(&run(&format!("r{n}")), at(1));
        lossy.publish(&run(&format!("r{n}")), at(1));
    }
    assert_eq!((bus.followed(), lossy.followed()), (0, 0));
}

/// Planted once: no `Drop` on the subscription. The entry stayed.
#[test]
fn a_run_costs_nothing_once_its_subscriptions_are_gone() {
    let bus = InProcess::new();
    let a = run("a");
    let (one, mut two) = (bus.subscribe(&a), bus.subscribe(&a));
    drop(one);
    assert_eq!(bus.followed(), 1, "somebody still follows");
    bus.publish(&a, at(1));
    assert_eq!(now(&mut two), Some(at(1)));
    // Also one that was polled, and holds a waiting future.
    assert_eq!(now(&mut two), None);
    drop(two);
    assert_eq!(bus.followed(), 0);
}

/// Planted once: what stood in the channel at the first poll taken as seen, as if the receiver were made
/// there and not in `subscribe`. The hint was lost.
#[test]
fn a_hint_is_not_lost_because_the_subscriber_was_busy() {
    let bus = InProcess::new();
    let a = run("a");
    let mut hints = bus.subscribe(&a);
    bus.publish(&a, at(1));
    bus.publish(&a, at(2));
    assert_eq!(now(&mut hints), Some(at(2)), "the newest; older ones are skipped");
    assert_eq!(now(&mut hints), None);
}

/// Planted once: woken only where the tail is higher than it was. The second subscriber heard nothing.
#[test]
fn whoever_subscribes_later_hears_what_is_published_after() {
    let bus = InProcess::new();
    let a = run("a");
    let mut early = bus.subscribe(&a);
    bus.publish(&a, at(5));
    let mut late = bus.subscribe(&a);
    assert_eq!(now(&mut late), None, "what was before is read from the store");
    bus.publish(&a, at(5));
    assert_eq!(now(&mut late), Some(at(5)));
    assert_eq!(now(&mut early), Some(at(5)));
}

/// Planted once: the newest hint taken as it is. The tail went down and the ending was forgotten.
#[test]
fn the_tail_only_moves_up_and_an_ending_stays() {
    let bus = InProcess::new();
    let a = run("a");
    let mut hints = bus.subscribe(&a);
    bus.publish(&a, Hint { tail: 9, ended: true });
    bus.publish(&a, at(4));
    assert_eq!(now(&mut hints), Some(Hint { tail: 9, ended: true }));
}

#[test]
fn hints_outlive_the_bus_and_never_end() {
    let bus = InProcess::new();
    let mut hints = bus.subscribe(&run("a"));
    drop(bus);
    assert_eq!(now(&mut hints), None);
}

/// The pattern that viewers use: register, look, wait. The store is a number; no wake-up may be missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn register_then_look_never_hangs() {
    use std::sync::atomic::{AtomicU64, Ordering};
    for round in 0..2_000 {
        let (bus, a, stored) = (Arc::new(InProcess::new()), run("a"), Arc::new(AtomicU64::new(0)));
        let writer = tokio::task::spawn_blocking({
            let (bus, a, stored) = (Arc::clone(&bus), a.clone(), Arc::clone(&stored));
            move || {
                stored.store(1, Ordering::SeqCst);
                bus.publish(&a, at(1));
            }
        });
        let mut hints = bus.subscribe(&a);
        if stored.load(Ordering::SeqCst) == 0 {
            assert_eq!(hints.next().await, Some(at(1)), "round {round}");
        }
        writer.await.unwrap();
    }
}

/// What a bus with this seed lets through, hint by hint, while somebody polls after each.
fn heard(seed: u64) -> Vec<(u64, Option<u64>)> {
    let (bus, a) = (Lossy::new(seed), run("a"));
    let mut hints = bus.subscribe(&a);
    (1..=3_000)
        .map(|tail| {
            bus.publish(&a, at(tail));
            (tail, now(&mut hints).map(|h| h.tail))
        })
        .collect()
}

#[test]
fn the_lossy_bus_does_all_that_it_may_and_the_same_for_the_same_seed() {
    let all = heard(7);
    assert_eq!(all, heard(7));
    assert_ne!(all, heard(8));
    let tails: Vec<u64> = all.iter().filter_map(|(_, heard)| *heard).collect();
    let never = (1..=3_000_u64).filter(|tail| !tails.contains(tail)).count();
    assert!((600..1_800).contains(&never), "about a third is never heard of, and some was skipped: {never}");
    assert!(tails.windows(2).any(|w| w[1] < w[0]), "some come late");
    assert!(tails.len() > tails.iter().collect::<std::collections::BTreeSet<_>>().len(), "some come twice");
}

fn room(session: &str) -> Room {
    Room { owner: UserId::parse("ann").unwrap(), session: SessionId::parse(session).unwrap() }
}

fn notice(n: usize) -> Notice {
    let user = UserId::parse("ann").unwrap();
    Notice { user, connection: n.to_string(), what: Happening::Sent }
}

/// The notices that are there now, by number, and how often it was said that some are not.
fn told(notices: &mut Notices) -> (Vec<usize>, usize) {
    let (mut told, mut missed) = (Vec::new(), 0);
    while let Some(heard) = notices.next().now_or_never() {
        match heard.expect("the notices of a room never end") {
            Heard::Notice(notice) => told.push(notice.connection.parse().unwrap()),
            Heard::Missed => missed += 1,
        }
    }
    (told, missed)
}

#[test]
fn notices_come_in_order_and_once_to_their_room_alone() {
    for (name, bus) in every_bus() {
        bus.tell(&room("a"), notice(0));
        let (mut here, mut elsewhere) = (bus.listen(&room("a")), bus.listen(&room("b")));
        for n in 1..=limit::NOTICES {
            bus.tell(&room("a"), notice(n));
        }
        let (heard, missed) = told(&mut here);
        assert!(heard.windows(2).all(|two| two[0] < two[1]) && heard[0] > 0, "{name}: {heard:?}");
        assert!(name == "lossy" || heard.len() == limit::NOTICES, "{name}: {heard:?}");
        assert_eq!(missed, 0, "{name}: what a network loses is lost without a word");
        assert_eq!(told(&mut elsewhere), (Vec::new(), 0), "{name}");
    }
}

#[test]
fn who_is_too_slow_misses_the_oldest_and_is_told_so() {
    for (name, bus) in every_bus() {
        let mut notices = bus.listen(&room("a"));
        let last = limit::NOTICES * 4;
        for n in 1..=last {
            bus.tell(&room("a"), notice(n));
        }
        assert_eq!(notices.next().now_or_never(), Some(Some(Heard::Missed)), "{name}");
        let (heard, missed) = told(&mut notices);
        assert_eq!((heard.len(), missed), (limit::NOTICES, 0), "{name}: {heard:?}");
        assert!(heard[0] > 1 && heard[heard.len() - 1] > last - limit::NOTICES, "{name}: {heard:?}");
        assert_eq!(told(&mut notices), (Vec::new(), 0), "{name}");
    }
}
