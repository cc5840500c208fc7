use super::*;

const LOCK: Duration = limit::SIGN_IN_LOCK;
const NOW: Millis = Millis(1_000_000_000_000);

fn later(seconds: u64) -> Millis {
    NOW.after(Duration::from_secs(seconds))
}

/// So many wrong ones, a second apart from `from` on.
fn wrong(lockouts: &Arc<Lockouts>, address: &str, times: u32, from: Millis) {
    for n in 0..times {
        let at = from.after(Duration::from_secs(n.into()));
        let _ = lockouts.enter(address, None, at).unwrap().failed(at);
    }
}

fn shut(lockouts: &Arc<Lockouts>, address: &str, now: Millis) -> Option<Shut> {
    lockouts.enter(address, None, now).err()
}

// Planted faults: `>` in place of `>=` (six tries); the lock counted from the first failure.
#[test]
fn five_wrong_ones_lock_an_address_for_a_quarter_of_an_hour() {
    let lockouts = Arc::new(Lockouts::default());
    wrong(&lockouts, "a@b.co", 4, NOW);
    assert_eq!(shut(&lockouts, "a@b.co", later(4)), None);
    wrong(&lockouts, "a@b.co", 1, later(4));
    let rest = |seconds: u64| LOCK - Duration::from_secs(seconds - 4);
    assert_eq!(shut(&lockouts, "a@b.co", later(5)), Some(Shut::Locked(rest(5))));
    // Who tries meanwhile makes it no longer.
    assert_eq!(shut(&lockouts, "a@b.co", later(60)), Some(Shut::Locked(rest(60))));
    assert_eq!(shut(&lockouts, "c@b.co", later(5)), None, "another address");
    let over = later(4).after(LOCK);
    assert_eq!(shut(&lockouts, "a@b.co", Millis(over.0 - 1)), Some(Shut::Locked(Duration::from_millis(1))));
    assert_eq!(shut(&lockouts, "a@b.co", over), None);
    // And then it begins anew.
    wrong(&lockouts, "a@b.co", 4, over);
    assert_eq!(shut(&lockouts, "a@b.co", over.after(Duration::from_secs(5))), None);
}

// Planted fault: `succeeded` that forgets nothing.
#[test]
fn a_right_one_makes_up_for_wrong_ones_and_old_ones_do_not_count() {
    let lockouts = Arc::new(Lockouts::default());
    wrong(&lockouts, "a@b.co", 4, NOW);
    lockouts.enter("a@b.co", None, later(5)).unwrap().succeeded();
    wrong(&lockouts, "a@b.co", 4, later(6));
    assert_eq!(shut(&lockouts, "a@b.co", later(11)), None);
    // One every quarter of an hour locks nobody.
    for n in 0..20 {
        wrong(&lockouts, "slow@b.co", 1, NOW.after(LOCK * n));
    }
    assert_eq!(shut(&lockouts, "slow@b.co", NOW.after(LOCK * 20)), None);
    assert!(lockouts.0.lock().entries.len() <= 2);
}

// Planted fault: tries that are under way not counted; a hundred at once were a hundred guesses.
#[test]
fn many_at_once_are_no_more_than_many_in_turn() {
    let lockouts = Arc::new(Lockouts::default());
    wrong(&lockouts, "a@b.co", 2, NOW);
    let under_way: Vec<_> = (0..100).filter_map(|_| lockouts.enter("a@b.co", None, later(3)).ok()).collect();
    assert_eq!(under_way.len(), 3);
    assert_eq!(shut(&lockouts, "a@b.co", later(3)), Some(Shut::Crowded));
    let said: Vec<_> = under_way.iter().map(|attempt| attempt.failed(later(4)).count).collect();
    assert_eq!(said, [3, 4, 5]);
    // Whoever keeps the fewest last finds that there are more.
    assert_eq!(under_way[0].beyond(Failures { count: 3, last: later(4) }).unwrap().count, 5);
    assert_eq!(under_way[0].beyond(Failures { count: 5, last: later(4) }), None);
    drop(under_way);
    assert!(matches!(shut(&lockouts, "a@b.co", later(5)), Some(Shut::Locked(_))));
    // Who gives up leaves nothing behind.
    drop(lockouts.enter("c@b.co", None, later(5)).unwrap());
    assert_eq!(lockouts.0.lock().entries.len(), 1);
}

#[test]
fn what_the_store_kept_counts_where_nothing_is_known() {
    let kept = |count, last| Some(Failures { count, last });
    let lockouts = Arc::new(Lockouts::default());
    assert!(matches!(lockouts.enter("a@b.co", kept(5, NOW), later(1)), Err(Shut::Locked(_))));
    assert!(lockouts.enter("a@b.co", kept(5, NOW), NOW.after(LOCK)).is_ok());
    assert_eq!(lockouts.enter("a@b.co", kept(3, NOW), later(1)).unwrap().failed(later(1)).count, 4);
    // What is known here is newer.
    assert_eq!(lockouts.enter("a@b.co", kept(1, NOW), later(2)).unwrap().failed(later(2)).count, 5);
    // A clock that was set back by a year locks nobody for a year.
    let future = NOW.after(Duration::from_secs(365 * 86_400));
    assert!(lockouts.enter("b@b.co", kept(5, future), NOW).is_ok());
}

// Planted fault: no bound.
#[test]
fn a_million_addresses_take_no_more_room_than_there_is() {
    let lockouts = Arc::new(Lockouts::with_room(100));
    wrong(&lockouts, "old@b.co", 1, NOW);
    for n in 0..1_000 {
        wrong(&lockouts, &format!("{n}@b.co"), 1, later(n / 100));
        assert!(lockouts.0.lock().entries.len() <= 100);
    }
    // Whoever is tried at the moment keeps his place.
    let _here = lockouts.enter("here@b.co", None, later(11)).unwrap();
    for n in 0..1_000 {
        wrong(&lockouts, &format!("{n}@c.co"), 1, later(11));
    }
    assert_eq!(lockouts.0.lock().entries.get(&digest(&["sign in", "here@b.co"])).unwrap().trying, 1);
}
