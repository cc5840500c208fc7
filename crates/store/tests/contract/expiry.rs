//! Logs that are no longer kept, and revocations that run out.

use headwater_core::event::Outcome;
use headwater_core::port::SharedStore;
use headwater_core::port::store::{Created, Expired, ReadError, Revocation, Store};
use headwater_core::{Millis, limit};

use crate::given::{File, last, made, named, new_run, run_id, seqs, session_id, tokens, user_id};
use crate::sqlite::{beside, count};

clauses! {
    what_expired_is_gone_and_its_reader_is_told
    the_tombstone_still_answers
    a_repeat_of_an_expired_turn_joins_it
    a_live_run_is_never_expired
    the_oldest_go_first_and_no_more_than_asked_for
    a_run_made_at_the_moment_itself_stays
    expiring_twice_is_expiring_once
    what_stays_is_whole
    a_revocation_is_kept_until_it_runs_out
    a_revocation_is_never_taken_back
}

fn gone(runs: usize, more: bool) -> Expired {
    Expired { runs, more }
}

/// A run that ended, made at `at`, of 41 events.
async fn ended(store: &SharedStore, id: &str, session: &str, at: i64) {
    let mut new = named(new_run(id, "u", session), id, "f");
    new.at = Millis(at);
    made(&**store, new).await;
    for from in [1, 11, 21, 31] {
        store.append(&run_id(id), 1, tokens(from, from + 9)).await.unwrap();
    }
    store.append(&run_id(id), 1, last(41, Outcome::Completed, "the answer")).await.unwrap();
}

/// Planted once: rows removed and the run not marked. SQLite told of a damaged log, memory gave nothing.
async fn what_expired_is_gone_and_its_reader_is_told(store: SharedStore) {
    ended(&store, "r", "s", 10).await;
    assert_eq!(store.expire(Millis(11), 100).await.unwrap(), gone(1, false));
    let trimmed = Err(ReadError::Trimmed { first: 42 });
    for from in [0, 1, 7, 41] {
        assert_eq!(store.read(&run_id("r"), from, 10, 1_000).await, trimmed, "{from}");
    }
    for from in [42, 43, u64::MAX] {
        assert_eq!(store.read(&run_id("r"), from, 10, 1_000).await, Ok(vec![]), "{from}");
    }
    assert!(store.history(&user_id("u"), &session_id("s"), 10).await.unwrap().is_empty());
}

async fn the_tombstone_still_answers(store: SharedStore) {
    ended(&store, "r", "s", 10).await;
    let (u, s) = (user_id("u"), session_id("s"));
    let before = store.run(&u, &run_id("r")).await.unwrap().unwrap();
    store.expire(Millis(11), 100).await.unwrap();
    assert_eq!(store.run(&u, &run_id("r")).await.unwrap(), Some(before.clone()));
    assert_eq!(store.tail(&run_id("r")).await.unwrap(), before.tail);
    assert_eq!(store.newest_run(&u, &s).await.unwrap(), Some(before.clone()));
    assert_eq!(store.runs(&u, None, None, 10).await.unwrap(), [before.clone()]);
    assert_eq!(store.runs(&u, Some(&s), None, 10).await.unwrap(), [before]);
    assert_eq!(store.run(&user_id("v"), &run_id("r")).await.unwrap(), None);
    assert!(store.live().await.unwrap().is_empty());
}

/// Planted once: the run removed with its log. The turn was made, and paid for, once more.
async fn a_repeat_of_an_expired_turn_joins_it(store: SharedStore) {
    ended(&store, "r", "s", 10).await;
    store.expire(Millis(11), 100).await.unwrap();
    let again = named(new_run("r2", "u", "s"), "r", "f");
    let found = store.find(&again).await.unwrap();
    let Some(Created::Joined(run)) = &found else { panic!("{found:?}") };
    assert_eq!((run.id.as_str(), run.tail.outcome), ("r", Some(Outcome::Completed)));
    assert_eq!(Some(store.create(again).await.unwrap()), found);
    assert_eq!(store.create(named(new_run("r2", "u", "s"), "r", "g")).await.unwrap(), Created::Reused);
    assert!(store.history(&user_id("u"), &session_id("s"), 10).await.unwrap().is_empty());
}

/// Planted once: only the age looked at. The live run's writer met a log that was gone.
async fn a_live_run_is_never_expired(store: SharedStore) {
    let mut new = new_run("r", "u", "s");
    new.at = Millis(0);
    made(&*store, new).await;
    store.append(&run_id("r"), 1, tokens(1, 5)).await.unwrap();
    assert_eq!(store.expire(Millis(i64::MAX), 100).await.unwrap(), gone(0, false));
    assert_eq!(store.read(&run_id("r"), 1, 10, 1_000).await.unwrap().len(), 5);
    store.append(&run_id("r"), 1, last(6, Outcome::Completed, "a")).await.unwrap();
    assert_eq!(store.history(&user_id("u"), &session_id("s"), 10).await.unwrap().len(), 2);
    assert_eq!(store.expire(Millis(i64::MAX), 100).await.unwrap(), gone(1, false));
}

async fn the_oldest_go_first_and_no_more_than_asked_for(store: SharedStore) {
    // Not in the order of their age, and two of one moment.
    for (id, at) in [("c", 30), ("a", 10), ("e", 50), ("b", 20), ("d", 30)] {
        ended(&store, id, id, at).await;
    }
    let left = async || {
        let mut left = String::new();
        for id in ["a", "b", "c", "d", "e"] {
            if store.read(&run_id(id), 1, 1, 1).await.is_ok() {
                left.push_str(id);
            }
        }
        left
    };
    assert_eq!(store.expire(Millis(40), 0).await.unwrap().runs, 0);
    assert_eq!(store.expire(Millis(40), 1).await.unwrap(), gone(1, true));
    assert_eq!(left().await, "bcde");
    assert_eq!(store.expire(Millis(40), 2).await.unwrap(), gone(2, true));
    assert_eq!(left().await, "de");
    assert_eq!(store.expire(Millis(40), 2).await.unwrap(), gone(1, false));
    assert_eq!(left().await, "e");
    assert_eq!(store.expire(Millis(40), 2).await.unwrap(), gone(0, false));
}

async fn a_run_made_at_the_moment_itself_stays(store: SharedStore) {
    ended(&store, "r", "s", 10).await;
    assert_eq!(store.expire(Millis(10), 100).await.unwrap(), gone(0, false));
    assert_eq!(store.expire(Millis(11), 100).await.unwrap(), gone(1, false));
}

async fn expiring_twice_is_expiring_once(store: SharedStore) {
    ended(&store, "r", "s", 10).await;
    for runs in [1, 0, 0] {
        assert_eq!(store.expire(Millis(11), 100).await.unwrap(), gone(runs, false));
    }
}

async fn what_stays_is_whole(store: SharedStore) {
    for (id, at) in [("old", 10), ("new", 20)] {
        ended(&store, id, "s", at).await;
    }
    store.expire(Millis(11), 100).await.unwrap();
    assert_eq!(seqs(&store.read(&run_id("new"), 1, 100, 100_000).await.unwrap()).len(), 41);
    let said = store.history(&user_id("u"), &session_id("s"), 10).await.unwrap();
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|message| message.run == run_id("new")));
    // The session goes on.
    ended(&store, "next", "s", 30).await;
    assert_eq!(store.history(&user_id("u"), &session_id("s"), 10).await.unwrap().len(), 4);
}

fn revocation(key: &str, issued_until: i64, expires: i64) -> Revocation {
    Revocation { key: key.into(), issued_until: Millis(issued_until), expires: Millis(expires) }
}

async fn a_revocation_is_kept_until_it_runs_out(store: SharedStore) {
    assert!(store.revocations(Millis(0)).await.unwrap().is_empty());
    store.revoke(revocation("b", 5, 20)).await.unwrap();
    store.revoke(revocation("a'\0", 6, 10)).await.unwrap();
    let keys = async |now| {
        let kept = store.revocations(Millis(now)).await.unwrap();
        kept.into_iter().map(|r| r.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(9).await, ["a'\0", "b"]);
    assert_eq!(keys(10).await, ["b"]);
    assert_eq!(store.forget_revocations(Millis(9)).await.unwrap(), 0);
    assert_eq!(store.forget_revocations(Millis(10)).await.unwrap(), 1);
    assert_eq!(store.revocations(Millis(0)).await.unwrap(), [revocation("b", 5, 20)]);
    assert_eq!(store.forget_revocations(Millis(100)).await.unwrap(), 1);
}

/// Planted once: the last one wins. What came late made old tokens good again.
async fn a_revocation_is_never_taken_back(store: SharedStore) {
    for (issued, expires, kept) in [(5, 20, (5, 20)), (3, 30, (5, 30)), (9, 10, (9, 30)), (1, 1, (9, 30))] {
        store.revoke(revocation("k", issued, expires)).await.unwrap();
        assert_eq!(store.revocations(Millis(2)).await.unwrap(), [revocation("k", kept.0, kept.1)]);
    }
}

/// One commit hides the runs; what they weigh goes in commits that are bounded, whatever a log weighs.
/// Planted once: everything in one commit. There was one.
#[tokio::test]
async fn a_long_log_goes_in_steps() {
    let file = File::new();
    let store = file.open();
    made(&store, new_run("r", "u", "s")).await;
    let rows = 3 * limit::TRIM_BATCHES as u64 + 1;
    for seq in 1..rows {
        store.append(&run_id("r"), 1, tokens(seq, seq)).await.unwrap();
    }
    store.append(&run_id("r"), 1, last(rows, Outcome::Completed, "a")).await.unwrap();
    let before = store.commits();
    assert_eq!(store.expire(Millis(i64::MAX), 10).await.unwrap(), gone(1, false));
    assert_eq!(store.commits() - before, 1 + 4);
    let beside = beside(&file);
    assert_eq!(count(&beside, "SELECT count(*) FROM batches"), 0);
    assert_eq!(count(&beside, "SELECT count(*) FROM messages"), 0);
    assert_eq!(count(&beside, "SELECT trimmed FROM runs"), 2);
}

/// As a kill after the first commit leaves it: nobody reads half a log, and the next call goes on.
#[tokio::test]
async fn what_a_crash_left_of_a_log_is_removed_later() {
    let file = File::new();
    let store = file.open();
    for id in ["r", "q"] {
        made(&store, new_run(id, "u", id)).await;
        store.append(&run_id(id), 1, tokens(1, 5)).await.unwrap();
        store.append(&run_id(id), 1, last(6, Outcome::Completed, "a")).await.unwrap();
    }
    let beside = beside(&file);
    beside.execute("UPDATE runs SET trimmed = 1 WHERE id = 'r'", []).unwrap();
    beside.execute("DELETE FROM batches WHERE run = 1 AND first_seq = 1", []).unwrap();
    let trimmed = Err(ReadError::Trimmed { first: 7 });
    assert_eq!(store.read(&run_id("r"), 6, 10, 1_000).await, trimmed);
    drop(store);
    let store = file.open();
    assert_eq!(store.read(&run_id("r"), 6, 10, 1_000).await, trimmed);
    assert_eq!(store.expire(Millis(0), 10).await.unwrap(), gone(0, false));
    assert_eq!(count(&beside, "SELECT count(*) FROM batches"), 2, "those of the other");
    assert_eq!(store.read(&run_id("q"), 1, 10, 1_000).await.unwrap().len(), 6);
}
