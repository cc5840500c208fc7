//! Making runs, finding them, and what was said in a session.

use std::sync::Arc;

use headwater_core::event::Outcome;
use headwater_core::port::SharedStore;
use headwater_core::port::provider::Role;
use headwater_core::port::store::{Created, Exchange, NewRun};
use headwater_core::{MessageId, Millis};

use crate::given::{last, made, named, new_run, run_id, session_id, tokens, user_id};

clauses! {
    a_new_run_is_as_it_was_asked_for
    the_same_turn_is_joined
    a_message_id_used_for_something_else_is_refused
    a_message_id_belongs_to_one_session_of_one_owner
    of_a_hundred_equal_turns_one_is_made
    a_run_id_is_used_once
    runs_are_listed_newest_first
    a_run_is_found_by_its_message
    history_is_the_newest_oldest_first
    a_conversation_is_read_run_by_run
    what_belongs_to_another_does_not_exist
    odd_names_are_kept_apart
}

async fn a_new_run_is_as_it_was_asked_for(store: SharedStore) {
    let run = made(&*store, named(new_run("r", "u", "s"), "m", "f")).await;
    assert_eq!((run.id.as_str(), run.owner.as_str(), run.session.as_str()), ("r", "u", "s"));
    assert_eq!(run.message_id, Some(MessageId::parse("m").unwrap()));
    assert_eq!((run.workflow.as_str(), run.created_at), ("generate", Millis(1_000)));
    assert_eq!((run.provider.as_deref(), run.model.as_deref()), (None, None));
    assert_eq!(store.run(&run.owner, &run.id).await.unwrap(), Some(run.clone()));
    assert_eq!(store.newest_run(&run.owner, &run.session).await.unwrap(), Some(run.clone()));
    let said = store.history(&run.owner, &run.session, 10).await.unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].role, said[0].content.as_str(), said[0].at), (Role::User, "hello", Millis(1_000)));
    assert_eq!((&said[0].run, said[0].outcome), (&run.id, None));
}

async fn the_same_turn_is_joined(store: SharedStore) {
    let run = made(&*store, named(new_run("r", "u", "s"), "m", "f")).await;
    store.append(&run.id, 1, tokens(1, 3)).await.unwrap();
    let again = store.create(named(new_run("r2", "u", "s"), "m", "f")).await.unwrap();
    assert_eq!(store.find(&named(new_run("r2", "u", "s"), "m", "f")).await.unwrap(), Some(again.clone()));
    let Created::Joined(joined) = again else { panic!("{again:?}") };
    assert_eq!((joined.id, joined.tail.seq), (run.id.clone(), 3), "as it stands now");
    store.append(&run.id, 1, last(4, Outcome::Completed, "a")).await.unwrap();
    let again = store.create(named(new_run("r3", "u", "s"), "m", "f")).await.unwrap();
    assert!(matches!(again, Created::Joined(run) if run.tail.outcome == Some(Outcome::Completed)));
    assert_eq!(store.history(&run.owner, &run.session, 10).await.unwrap().len(), 2, "nothing was added");
    assert_eq!(store.runs(&run.owner, None, None, 10).await.unwrap().len(), 1);
    assert_eq!(store.run(&run.owner, &run_id("r2")).await.unwrap(), None);
}

// Planted faults: the owner not asked; the oldest in place of the newest.
async fn a_run_is_found_by_its_message(store: SharedStore) {
    let first = made(&*store, named(new_run("r1", "u", "s"), "m", "f")).await;
    let newest = made(&*store, named(new_run("r2", "u", "t"), "m", "f")).await;
    made(&*store, named(new_run("r3", "u", "t"), "n", "f")).await;
    let eves = made(&*store, named(new_run("r4", "eve", "s"), "m", "f")).await;
    let (u, eve, s, t) = (user_id("u"), user_id("eve"), session_id("s"), session_id("t"));
    let m = MessageId::parse("m").unwrap();
    assert_eq!(store.run_of_message(&u, Some(&s), &m).await.unwrap(), Some(first));
    assert_eq!(store.run_of_message(&u, None, &m).await.unwrap(), Some(newest));
    assert_eq!(store.run_of_message(&eve, None, &m).await.unwrap(), Some(eves));
    assert_eq!(store.run_of_message(&eve, Some(&t), &m).await.unwrap(), None);
    let other = MessageId::parse("o").unwrap();
    assert_eq!(store.run_of_message(&u, None, &other).await.unwrap(), None);
}

async fn a_message_id_used_for_something_else_is_refused(store: SharedStore) {
    let run = made(&*store, named(new_run("r", "u", "s"), "m", "f")).await;
    let other = store.create(named(new_run("r2", "u", "s"), "m", "g")).await.unwrap();
    assert_eq!(other, Created::Reused);
    assert_eq!(store.find(&named(new_run("r2", "u", "s"), "m", "g")).await.unwrap(), Some(Created::Reused));
    for new in [
        new_run("r2", "u", "s"),
        named(new_run("r2", "u", "s"), "n", "f"),
        named(new_run("r2", "v", "s"), "m", "f"),
        named(new_run("r2", "u", "t"), "m", "f"),
    ] {
        assert_eq!(store.find(&new).await.unwrap(), None, "nothing to join, and nothing is made");
    }
    assert_eq!(store.runs(&run.owner, None, None, 10).await.unwrap().len(), 1);
    assert_eq!(store.history(&run.owner, &run.session, 10).await.unwrap().len(), 1);
}

async fn a_message_id_belongs_to_one_session_of_one_owner(store: SharedStore) {
    made(&*store, named(new_run("r1", "u", "s"), "m", "f")).await;
    made(&*store, named(new_run("r2", "u", "t"), "m", "g")).await;
    made(&*store, named(new_run("r3", "v", "s"), "m", "h")).await;
    made(&*store, new_run("r4", "u", "s")).await;
    made(&*store, new_run("r5", "u", "s")).await;
}

/// Planted once: the message id not looked up in the transaction that makes the run. The second was an error.
async fn of_a_hundred_equal_turns_one_is_made(store: SharedStore) {
    let mut turns = tokio::task::JoinSet::new();
    for n in 0..100 {
        let store = Arc::clone(&store);
        turns.spawn(async move { store.create(named(new_run(&format!("r{n}"), "u", "s"), "m", "f")).await });
    }
    let (mut new, mut joined) = (vec![], vec![]);
    for created in turns.join_all().await {
        match created.unwrap() {
            Created::New(run) => new.push(run.id),
            Created::Joined(run) => joined.push(run.id),
            Created::Reused => panic!("it is the same turn"),
        }
    }
    assert_eq!((new.len(), joined.len()), (1, 99));
    assert!(joined.iter().all(|id| *id == new[0]));
    assert_eq!(store.history(&user_id("u"), &session_id("s"), 500).await.unwrap().len(), 1);
}

async fn a_run_id_is_used_once(store: SharedStore) {
    let run = made(&*store, new_run("r", "u", "s")).await;
    assert!(store.create(new_run("r", "v", "t")).await.is_err());
    assert!(store.create(new_run("r", "u", "s")).await.is_err());
    assert!(store.runs(&user_id("v"), None, None, 10).await.unwrap().is_empty());
    assert!(store.history(&user_id("v"), &session_id("t"), 10).await.unwrap().is_empty());
    assert_eq!(store.history(&run.owner, &run.session, 10).await.unwrap().len(), 1);
}

async fn runs_are_listed_newest_first(store: SharedStore) {
    let u = user_id("u");
    for n in 0..9 {
        // The same moment for all: order is that of making, not of clocks.
        let session = if n % 3 == 0 { "a" } else { "b" };
        made(&*store, new_run(&format!("r{n}"), "u", session)).await;
        made(&*store, new_run(&format!("x{n}"), "other", session)).await;
    }
    let names =
        |runs: Vec<headwater_core::run::Run>| runs.iter().map(|r| r.id.to_string()).collect::<Vec<_>>();
    let all = names(store.runs(&u, None, None, 100).await.unwrap());
    assert_eq!(all, ["r8", "r7", "r6", "r5", "r4", "r3", "r2", "r1", "r0"]);
    assert_eq!(names(store.runs(&u, None, None, 2).await.unwrap()), ["r8", "r7"]);
    assert!(store.runs(&u, None, None, 0).await.unwrap().is_empty());
    let older = store.runs(&u, None, Some(&run_id("r7")), 3).await.unwrap();
    assert_eq!(names(older), ["r6", "r5", "r4"]);
    let a = session_id("a");
    assert_eq!(names(store.runs(&u, Some(&a), None, 100).await.unwrap()), ["r6", "r3", "r0"]);
    assert_eq!(names(store.runs(&u, Some(&a), Some(&run_id("r5")), 100).await.unwrap()), ["r3", "r0"]);
    assert!(store.runs(&u, None, Some(&run_id("r0")), 100).await.unwrap().is_empty());
    for foreign in ["x5", "nobody"] {
        assert!(store.runs(&u, None, Some(&run_id(foreign)), 100).await.unwrap().is_empty(), "{foreign}");
    }
    assert_eq!(store.newest_run(&u, &a).await.unwrap().unwrap().id, run_id("r6"));
    assert_eq!(store.newest_run(&u, &session_id("none")).await.unwrap(), None);
}

async fn history_is_the_newest_oldest_first(store: SharedStore) {
    let (u, s) = (user_id("u"), session_id("s"));
    for n in 0..5 {
        let mut new = new_run(&format!("r{n}"), "u", "s");
        new.message = format!("question {n}");
        let run = made(&*store, new).await;
        store.append(&run.id, 1, last(1, Outcome::Completed, &format!("answer {n}"))).await.unwrap();
    }
    let said = |messages: Vec<headwater_core::run::Message>| {
        messages.into_iter().map(|m| m.content).collect::<Vec<_>>()
    };
    let all = said(store.history(&u, &s, 100).await.unwrap());
    assert_eq!(all.len(), 10);
    assert_eq!(all[..3], ["question 0", "answer 0", "question 1"]);
    assert_eq!(said(store.history(&u, &s, 3).await.unwrap()), ["answer 3", "question 4", "answer 4"]);
    assert!(store.history(&u, &s, 0).await.unwrap().is_empty());
    assert!(store.history(&u, &session_id("none"), 10).await.unwrap().is_empty());
}

/// Planted once: `newest_run` by session alone. The other owner's run came back.
async fn what_belongs_to_another_does_not_exist(store: SharedStore) {
    let (u, v) = (user_id("u"), user_id("v"));
    let mine = made(&*store, new_run("mine", "u", "s")).await;
    assert_eq!(store.run(&v, &mine.id).await.unwrap(), None);
    assert_eq!(store.newest_run(&v, &mine.session).await.unwrap(), None);
    assert!(store.runs(&v, None, None, 10).await.unwrap().is_empty());
    assert!(store.runs(&v, Some(&mine.session), None, 10).await.unwrap().is_empty());
    assert!(store.history(&v, &mine.session, 10).await.unwrap().is_empty());
    // A session of the same name is another session.
    let theirs = made(&*store, new_run("theirs", "v", "s")).await;
    assert_eq!(store.newest_run(&u, &mine.session).await.unwrap().unwrap().id, mine.id);
    assert_eq!(store.newest_run(&v, &mine.session).await.unwrap().unwrap().id, theirs.id);
    assert_eq!(store.history(&u, &mine.session, 10).await.unwrap().len(), 1);
    assert_eq!(store.runs(&v, Some(&mine.session), None, 10).await.unwrap(), [theirs]);
}

async fn odd_names_are_kept_apart(store: SharedStore) {
    let odd = ["a", "A", "a ", "'; DROP TABLE runs;--", "%", "_", "車", "é", "e\u{301}", "\u{202e}"];
    for (n, name) in odd.iter().enumerate() {
        made(&*store, named(new_run(&format!("r{n}"), name, name), name, "f")).await;
    }
    for (n, name) in odd.iter().enumerate() {
        let runs = store.runs(&user_id(name), Some(&session_id(name)), None, 10).await.unwrap();
        assert_eq!(runs.iter().map(|r| r.id.to_string()).collect::<Vec<_>>(), [format!("r{n}")], "{name}");
    }
}

/// Planted once: the messages taken by their own order; the answer of `r1`, which came late, was then nobody's.
async fn a_conversation_is_read_run_by_run(store: SharedStore) {
    let (owner, session) = (user_id("u"), session_id("s"));
    assert_eq!(store.conversation(&owner, &session, None, 10).await.unwrap(), None);
    for n in 1..=4 {
        let question = format!("q{n}");
        made(
            &*store,
            NewRun { message: question, at: Millis(n * 100), ..new_run(&format!("r{n}"), "u", "s") },
        )
        .await;
        made(&*store, new_run(&format!("o{n}"), "u", "other")).await;
        made(&*store, new_run(&format!("e{n}"), "eve", "s")).await;
    }
    for n in [2, 1, 3] {
        store
            .append(&run_id(&format!("r{n}")), 1, last(1, Outcome::Completed, &format!("a{n}")))
            .await
            .unwrap();
    }
    let said = async |before: Option<&str>, limit: usize| {
        let before = before.map(run_id);
        let found = store.conversation(&owner, &session, before.as_ref(), limit).await.unwrap().unwrap();
        assert_eq!((found.messages, found.started), (7, Millis(100)));
        let of = |e: &Exchange| {
            assert!(e.messages.iter().all(|m| m.run == e.run.id));
            e.messages.iter().map(|m| m.content.clone()).collect::<Vec<_>>().join("+")
        };
        found.exchanges.iter().map(of).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(said(None, 10).await, "q1+a1 q2+a2 q3+a3 q4");
    assert_eq!(said(None, 2).await, "q3+a3 q4");
    assert_eq!(said(Some("r3"), 1).await, "q2+a2");
    assert_eq!(said(Some("r1"), 10).await, "");
    // Nobody else's run is a place in it.
    assert_eq!(said(Some("e3"), 10).await, "");
    assert_eq!(said(Some("nobodys"), 10).await, "");
}
