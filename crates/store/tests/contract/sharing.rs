//! Sessions that others see.

use std::sync::Arc;

use headwater_core::event::Outcome;
use headwater_core::port::SharedStore;
use headwater_core::port::sharing::{Shared, Sharing};
use headwater_core::{Millis, limit};

use crate::given::{last, made, new_run, run_id, session_id, user_id};

clauses! {
    a_member_sees_the_session_and_its_runs
    what_is_not_there_cannot_be_shared
    sharing_twice_is_sharing_once
    who_is_out_sees_nothing
    a_session_has_so_many_members_and_no_more
    of_many_that_want_the_last_place_one_gets_it
    a_member_shares_nothing
    a_session_is_seen_under_its_owners_name
    what_is_shared_is_listed_newest_first
    what_expired_is_shared_still
}

async fn share(store: &dyn Sharing, owner: &str, session: &str, member: &str, at: i64) -> bool {
    let (owner, session, member) = (user_id(owner), session_id(session), user_id(member));
    store.share(&owner, &session, &member, Millis(at)).await.unwrap()
}

/// Whether he sees this owner's session.
async fn member(store: &dyn Sharing, who: &str, owner: &str, session: &str) -> bool {
    store.sees(&user_id(who), &user_id(owner), &session_id(session)).await.unwrap()
}

async fn sees(store: &dyn Sharing, who: &str, run: &str) -> bool {
    let seen = store.visible_run(&user_id(who), &run_id(run)).await.unwrap();
    seen.inspect(|found| assert_eq!(found.id, run_id(run))).is_some()
}

/// Planted once: the session not compared. A member of one session saw the runs of all.
async fn a_member_sees_the_session_and_its_runs(store: SharedStore) {
    for (run, session) in [("r1", "s"), ("r2", "s"), ("r3", "t")] {
        made(&*store, new_run(run, "u", session)).await;
    }
    assert!(sees(&*store, "u", "r1").await && !sees(&*store, "v", "r1").await);
    assert!(!member(&*store, "v", "u", "s").await);
    assert!(share(&*store, "u", "s", "v", 5).await);
    assert!(sees(&*store, "v", "r1").await && sees(&*store, "v", "r2").await);
    assert!(!sees(&*store, "v", "r3").await && !sees(&*store, "w", "r1").await);
    assert!(!sees(&*store, "v", "r9").await);
    // What comes later too.
    made(&*store, new_run("r4", "u", "s")).await;
    assert!(sees(&*store, "v", "r4").await);
    assert!(member(&*store, "v", "u", "s").await);
    assert!(!member(&*store, "w", "u", "s").await);
    assert!(!member(&*store, "v", "u", "t").await);
    assert_eq!(store.members(&user_id("u"), &session_id("s")).await.unwrap(), [user_id("v")]);
    assert!(store.members(&user_id("u"), &session_id("t")).await.unwrap().is_empty());
    // A run is found for a member as it is for its owner.
    let own = store.run(&user_id("u"), &run_id("r1")).await.unwrap();
    assert_eq!(store.visible_run(&user_id("v"), &run_id("r1")).await.unwrap(), own);
    assert_eq!(store.run(&user_id("v"), &run_id("r1")).await.unwrap(), None, "it is not his");
}

async fn what_is_not_there_cannot_be_shared(store: SharedStore) {
    assert!(!share(&*store, "u", "s", "v", 5).await);
    made(&*store, new_run("r", "u", "s")).await;
    assert!(!share(&*store, "u", "t", "v", 5).await);
    assert!(!share(&*store, "w", "s", "v", 5).await, "another has no session of that name");
    assert!(!share(&*store, "u", "s", "u", 5).await, "with himself");
    assert!(store.members(&user_id("u"), &session_id("s")).await.unwrap().is_empty());
    assert!(!store.unshare(&user_id("u"), &session_id("s"), &user_id("v")).await.unwrap());
    assert!(!store.unshare(&user_id("u"), &session_id("t"), &user_id("v")).await.unwrap());
}

async fn sharing_twice_is_sharing_once(store: SharedStore) {
    made(&*store, new_run("r", "u", "s")).await;
    made(&*store, new_run("q", "u", "t")).await;
    for (session, at) in [("s", 5), ("t", 6), ("s", 7)] {
        assert!(share(&*store, "u", session, "v", at).await);
    }
    assert_eq!(store.members(&user_id("u"), &session_id("s")).await.unwrap().len(), 1);
    let listed = store.shared_with(&user_id("v"), 9).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|shared| (shared.session.as_str(), shared.at.0)).collect();
    assert_eq!(listed, [("t", 6), ("s", 5)], "when it was shared first");
}

async fn who_is_out_sees_nothing(store: SharedStore) {
    made(&*store, new_run("r", "u", "s")).await;
    for member in ["v", "w"] {
        assert!(share(&*store, "u", "s", member, 5).await);
    }
    assert!(store.unshare(&user_id("u"), &session_id("s"), &user_id("v")).await.unwrap());
    assert!(!store.unshare(&user_id("u"), &session_id("s"), &user_id("v")).await.unwrap());
    assert!(!sees(&*store, "v", "r").await && sees(&*store, "w", "r").await);
    assert!(!member(&*store, "v", "u", "s").await);
    assert!(store.shared_with(&user_id("v"), 9).await.unwrap().is_empty());
    assert!(share(&*store, "u", "s", "v", 9).await);
    assert!(sees(&*store, "v", "r").await);
}

async fn a_session_has_so_many_members_and_no_more(store: SharedStore) {
    made(&*store, new_run("r", "u", "s")).await;
    made(&*store, new_run("q", "u", "t")).await;
    for n in 0..limit::MEMBERS {
        assert!(share(&*store, "u", "s", &format!("v{n:03}"), 5).await);
    }
    assert!(!share(&*store, "u", "s", "w", 5).await);
    assert!(share(&*store, "u", "s", "v007", 5).await, "he is there already");
    assert!(share(&*store, "u", "t", "w", 5).await, "another session has its own");
    let members = store.members(&user_id("u"), &session_id("s")).await.unwrap();
    assert!(members.len() == limit::MEMBERS && members.is_sorted());
    assert!(store.unshare(&user_id("u"), &session_id("s"), &user_id("v007")).await.unwrap());
    assert!(share(&*store, "u", "s", "w", 5).await);
}

/// Planted once: the members not counted in the write. More had the last place.
async fn of_many_that_want_the_last_place_one_gets_it(store: SharedStore) {
    made(&*store, new_run("r", "u", "s")).await;
    for n in 1..limit::MEMBERS {
        assert!(share(&*store, "u", "s", &format!("v{n}"), 5).await);
    }
    let mut all = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = Arc::clone(&store);
        all.spawn(async move { share(&*store, "u", "s", &format!("w{n}"), 5).await });
    }
    assert_eq!(all.join_all().await.into_iter().filter(|shared| *shared).count(), 1);
}

async fn a_member_shares_nothing(store: SharedStore) {
    made(&*store, new_run("r", "u", "s")).await;
    assert!(share(&*store, "u", "s", "v", 5).await);
    assert!(!share(&*store, "v", "s", "w", 5).await);
    assert!(!store.unshare(&user_id("v"), &session_id("s"), &user_id("v")).await.unwrap());
    assert!(store.members(&user_id("v"), &session_id("s")).await.unwrap().is_empty());
    assert!(!store.hide_run(&user_id("v"), &run_id("r")).await.unwrap());
}

/// Planted once: the owner not compared. A name of one's own was another's session of that name.
async fn a_session_is_seen_under_its_owners_name(store: SharedStore) {
    for (run, owner) in [("r1", "u1"), ("r2", "u2")] {
        made(&*store, new_run(run, owner, "s")).await;
    }
    assert!(share(&*store, "u1", "s", "v", 5).await);
    assert!(member(&*store, "v", "u1", "s").await && !member(&*store, "v", "u2", "s").await);
    assert!(!member(&*store, "v", "v", "s").await, "he has none himself");
    assert!(!member(&*store, "u2", "u1", "s").await);
    made(&*store, new_run("q", "v", "s")).await;
    assert!(member(&*store, "v", "v", "s").await && member(&*store, "v", "u1", "s").await);
    assert!(!member(&*store, "u1", "v", "s").await, "sharing goes one way");
    assert!(sees(&*store, "v", "r1").await && !sees(&*store, "u1", "q").await);
}

async fn what_is_shared_is_listed_newest_first(store: SharedStore) {
    for n in 0..4 {
        let (owner, session) = (format!("u{}", n % 2), format!("s{n}"));
        made(&*store, new_run(&format!("r{n}"), &owner, &session)).await;
        assert!(share(&*store, &owner, &session, "v", n).await);
        assert!(share(&*store, &owner, &session, "w", n).await);
    }
    let shared = |n: i64| Shared {
        owner: user_id(&format!("u{}", n % 2)),
        session: session_id(&format!("s{n}")),
        at: Millis(n),
    };
    let v = user_id("v");
    assert_eq!(store.shared_with(&v, 9).await.unwrap(), [shared(3), shared(2), shared(1), shared(0)]);
    assert_eq!(store.shared_with(&v, 2).await.unwrap(), [shared(3), shared(2)]);
    assert!(store.shared_with(&v, 0).await.unwrap().is_empty());
    assert!(
        store.shared_with(&user_id("u0"), 9).await.unwrap().is_empty(),
        "his own are not shared with him"
    );
}

/// The session is there as long as its runs are, and of those a tombstone stays.
async fn what_expired_is_shared_still(store: SharedStore) {
    made(&*store, new_run("r", "u", "s")).await;
    store.append(&run_id("r"), 1, last(1, Outcome::Completed, "a")).await.unwrap();
    assert!(share(&*store, "u", "s", "v", 5).await);
    assert_eq!(store.expire(Millis(i64::MAX), 9).await.unwrap().runs, 1);
    assert!(sees(&*store, "v", "r").await);
    assert!(member(&*store, "v", "u", "s").await);
    assert_eq!(store.members(&user_id("u"), &session_id("s")).await.unwrap().len(), 1);
}
