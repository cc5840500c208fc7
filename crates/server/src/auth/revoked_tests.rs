//! Sign-outs and used refresh tokens, with the time by hand.

use headwater_core::Principal;

use super::*;

const NOW: i64 = 1_795_225_390_500;
const GRACE: i64 = 10_000;
const WEEK: i64 = REFRESH_SECONDS * 1000;

fn of(user: &str, sign_in: u8, issued: i64) -> Identity {
    let who = Principal {
        user: UserId::parse(user).unwrap(),
        email: String::new(),
        name: String::new(),
        guest: false,
    };
    Identity {
        who,
        sign_in: SignIn([sign_in; 16]),
        sid: "s".into(),
        issued: Millis(issued),
        expires: Some(Millis(issued + 1_800_000)),
        outside: false,
    }
}

fn sign_out(table: &Revoked, identity: &Identity, everywhere: bool, now: i64) -> Revocation {
    let kept = table.sign_out(identity, everywhere, || Millis(now)).unwrap();
    assert_eq!(kept.len(), 1);
    kept.into_iter().next().unwrap()
}

fn next(table: &Revoked, identity: &Identity, now: i64) -> (i64, Revocation) {
    match table.refresh(identity, || Millis(now)) {
        Turn::Next { at, mark } => (at.0, mark.unwrap()),
        other => panic!("{other:?}"),
    }
}

// Faults planted once: the user not part of the mark; `sid` compared by its time only, so that a token that a
// refresh makes beside the sign-out stays good; `<` in place of `<=` for everywhere.
#[test]
fn a_sign_out_ends_what_it_names_and_nothing_else() {
    let table = Revoked::default();
    let kept = sign_out(&table, &of("ann", 1, NOW), false, NOW + 5);
    assert_eq!(kept.key, format!("sid:{}:ann", "01".repeat(16)));
    assert_eq!(kept.expires, Millis(NOW + 5 + WEEK));
    for (identity, over) in [
        (of("ann", 1, NOW), true),
        (of("ann", 1, NOW + 60_000), true),
        (of("ann", 2, NOW), false),
        (of("eve", 1, NOW), false),
    ] {
        assert_eq!(table.has(&identity), over, "{identity:?}");
    }
    let kept = sign_out(&table, &of("ann", 2, NOW), true, NOW + 9);
    assert_eq!((kept.key.as_str(), kept.issued_until), ("user:ann", Millis(NOW + 9)));
    assert!(kept.expires >= Millis(NOW).after(limit::TOKEN_TIME), "others' tokens may live longer than ours");
    for (identity, over) in [
        (of("ann", 3, NOW + 9), true),
        (of("ann", 3, NOW + 10), false),
        (of("ann", 1, NOW), true),
        (of("eve", 1, NOW), false),
    ] {
        assert_eq!(table.has(&identity), over, "{identity:?}");
    }
    // Whoever signs in at the same moment gets tokens that are good.
    let at = table.first(&UserId::parse("ann").unwrap(), || Millis(NOW + 9));
    assert!(!table.has(&of("ann", 4, at.0)));
}

#[test]
fn twice_is_once_and_ends_no_more_than_the_first_time() {
    let table = Revoked::default();
    let identity = of("ann", 1, NOW);
    let first = sign_out(&table, &identity, false, NOW);
    // A token that was signed out ends nothing more: whoever stole it could sign its owner out for ever.
    assert_eq!(sign_out(&table, &identity, true, NOW + 1000), first);
    assert!(!table.has(&of("ann", 2, NOW)));
}

#[test]
fn a_name_that_others_give_can_come_back() {
    let table = Revoked::default();
    let outside = |issued| Identity { outside: true, ..of("ann", 1, issued) };
    sign_out(&table, &outside(NOW), false, NOW);
    assert!(table.has(&outside(NOW)) && !table.has(&outside(NOW + 1)));
}

// Faults planted once: the grace left out (a lost answer is then a theft); the grace without an end; the use
// not marked; an older token taken for the last one.
#[test]
fn a_refresh_token_is_used_once_or_again_at_once_for_the_same() {
    let table = Revoked::default();
    let first = of("ann", 1, NOW);
    let (at, mark) = next(&table, &first, NOW + 1000);
    assert_eq!((at, mark.issued_until, mark.expires), (NOW + 1000, Millis(NOW), Millis(at + WEEK)));
    assert_eq!(next(&table, &first, NOW + 1000 + GRACE).0, at, "the same pair");
    // Twice in a millisecond is still one after the other.
    let second = of("ann", 1, at);
    let (later, _) = next(&table, &second, NOW + 1000);
    assert_eq!(later, at + 1);
    let third = of("ann", 1, later);
    assert!(!table.has(&third));
    // The first one again, although moments have passed only: the second one is used, so it is not a retry.
    assert!(matches!(table.refresh(&first, || Millis(NOW + 1001)), Turn::Stolen(_)));
    for token in [&first, &second, &third] {
        assert!(table.has(token));
        assert_eq!(table.refresh(token, || Millis(NOW + 1002)), Turn::Over);
    }
    assert!(!table.has(&of("ann", 2, NOW)), "another sign-in of hers");

    let late = of("ann", 3, NOW);
    let (at, _) = next(&table, &late, NOW);
    match table.refresh(&late, || Millis(at + GRACE + 1)) {
        Turn::Stolen(marks) => assert_eq!(marks[0].key, format!("sid:{}:ann", "03".repeat(16))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_could_not_be_kept_was_not_used() {
    let table = Revoked::default();
    let (before, token) = (of("ann", 1, NOW), of("ann", 1, NOW + 1000));
    next(&table, &before, NOW + 1000);
    next(&table, &token, NOW + 2000);
    table.unuse(&token);
    assert!(next(&table, &token, NOW + 60_000).0 >= NOW + 60_000);
    table.unuse(&token);
    assert!(matches!(table.refresh(&before, || Millis(NOW + 60_000)), Turn::Stolen(_)));
}

// Fault planted once: `refresh` not read back, so that a restart lets every used token be used again.
#[test]
fn what_was_kept_is_known_after_a_restart() {
    let table = Revoked::default();
    let (one, all, used) = (of("ann:x", 1, NOW), of("bob", 2, NOW), of("cy", 3, NOW));
    let mut kept = vec![
        sign_out(&table, &one, false, NOW),
        sign_out(&table, &all, true, NOW),
        next(&table, &used, NOW).1,
    ];
    kept.push(Revocation { key: "moon:1".into(), issued_until: Millis(1), expires: Millis(2) });
    let again = Revoked::default();
    let mut heard = again.moved();
    heard.mark_unchanged();
    again.load(kept);
    assert!(heard.has_changed().unwrap());
    assert!(again.has(&one) && again.has(&all) && !again.has(&used));
    // Also a retry across the restart: the answer was lost with the server.
    assert_eq!(next(&again, &used, NOW + GRACE).0, next(&table, &used, NOW + GRACE).0);
    assert!(matches!(again.refresh(&used, || Millis(NOW + GRACE + 2)), Turn::Stolen(_)));
}

#[test]
fn the_table_is_bounded() {
    let table = Revoked::with_room(4, 3);
    let count = |table: &Revoked| table.lock().count;
    // Of one user: the sign-in that has been quiet longest loses its mark; then everything is one mark.
    for n in 1..=4 {
        next(&table, &of("ann", n, NOW), NOW + i64::from(n));
    }
    assert_eq!(count(&table), 3);
    let quiet = of("ann", 1, NOW);
    assert!(matches!(table.refresh(&quiet, || Millis(NOW + GRACE * 2)), Turn::Next { .. }));
    let last = of("ann", 9, NOW);
    let kept = sign_out(&table, &last, false, NOW + GRACE * 2);
    assert_eq!((kept.key.as_str(), count(&table)), ("user:ann", 1));
    // Of all: a sign-out is refused rather than forgotten; a refresh goes on.
    for n in 1..=3 {
        sign_out(&table, &of(&format!("u{n}"), 1, NOW), false, NOW);
    }
    let bob = of("bob", 1, NOW);
    assert_eq!(table.sign_out(&bob, false, || Millis(NOW)), Err(Full));
    assert!(!table.has(&bob));
    assert_eq!(table.refresh(&bob, || Millis(NOW)), Turn::Next { at: Millis(NOW + 1), mark: None });
    // What has run out makes room.
    sign_out(&table, &of("bob", 1, NOW + WEEK), false, NOW + WEEK + 1);
    assert_eq!(count(&table), 2, "ann's lasts longer");
}
