//! Lists of one workflow's runs, from which their owner takes some.

use headwater_core::event::Outcome;
use headwater_core::port::SharedStore;
use headwater_core::port::store::{RunState, Store};

use crate::given::{File, last, made, new_run, run_id, tokens, user_id};

clauses! {
    a_page_is_the_newest_first_with_the_total
    a_page_has_one_state
    a_hidden_run_is_on_no_page
    a_page_is_of_one_owner_and_one_workflow
}

async fn job(store: &dyn Store, id: &str, owner: &str, workflow: &str) {
    let mut new = new_run(id, owner, id);
    new.workflow = workflow.into();
    made(store, new).await;
}

async fn page(store: &dyn Store, state: RunState, offset: usize, limit: usize) -> (Vec<String>, usize) {
    let page = store.runs_page(&user_id("u"), "teams", state, offset, limit).await.unwrap();
    (page.runs.iter().map(|run| run.id.to_string()).collect(), page.total)
}

fn of(ids: &[&str], total: usize) -> (Vec<String>, usize) {
    (ids.iter().map(|id| (*id).to_owned()).collect(), total)
}

/// Planted once: the page's length for the total. A client saw one page and no more.
async fn a_page_is_the_newest_first_with_the_total(store: SharedStore) {
    let store = &*store;
    assert_eq!(page(store, RunState::Any, 0, 9).await, of(&[], 0));
    for n in 0..5 {
        job(store, &format!("r{n}"), "u", "teams").await;
    }
    assert_eq!(page(store, RunState::Any, 0, 9).await, of(&["r4", "r3", "r2", "r1", "r0"], 5));
    assert_eq!(page(store, RunState::Any, 0, 2).await, of(&["r4", "r3"], 5));
    assert_eq!(page(store, RunState::Any, 2, 2).await, of(&["r2", "r1"], 5));
    assert_eq!(page(store, RunState::Any, 4, 2).await, of(&["r0"], 5));
    for (offset, limit) in [(5, 2), (usize::MAX, usize::MAX), (0, 0)] {
        assert_eq!(page(store, RunState::Any, offset, limit).await, of(&[], 5), "{offset}");
    }
    assert_eq!(page(store, RunState::Any, 1, usize::MAX).await, of(&["r3", "r2", "r1", "r0"], 5));
}

async fn a_page_has_one_state(store: SharedStore) {
    let store = &*store;
    let outcomes = [Outcome::Completed, Outcome::Failed, Outcome::Cancelled, Outcome::Interrupted];
    for n in 0..8_usize {
        let id = format!("r{n}");
        job(store, &id, "u", "teams").await;
        store.append(&run_id(&id), 1, tokens(1, 2)).await.unwrap();
        if let Some(outcome) = outcomes.get(n % 5) {
            store.append(&run_id(&id), 1, last(3, *outcome, "a")).await.unwrap();
        }
    }
    assert_eq!(page(store, RunState::Live, 0, 9).await, of(&["r4"], 1));
    assert_eq!(page(store, RunState::Ended(Outcome::Completed), 0, 9).await, of(&["r5", "r0"], 2));
    assert_eq!(page(store, RunState::Ended(Outcome::Completed), 1, 9).await, of(&["r0"], 2));
    assert_eq!(page(store, RunState::Ended(Outcome::Failed), 0, 9).await, of(&["r6", "r1"], 2));
    assert_eq!(page(store, RunState::Ended(Outcome::Cancelled), 0, 1).await, of(&["r7"], 2));
    assert_eq!(page(store, RunState::Ended(Outcome::Interrupted), 0, 9).await, of(&["r3"], 1));
    assert_eq!(page(store, RunState::Any, 0, 0).await, of(&[], 8));
    store.append(&run_id("r4"), 1, last(3, Outcome::Completed, "a")).await.unwrap();
    assert_eq!(page(store, RunState::Live, 0, 9).await, of(&[], 0));
    let page = store.runs_page(&user_id("u"), "teams", RunState::Any, 0, 9).await.unwrap();
    let one = store.run(&user_id("u"), &run_id("r4")).await.unwrap();
    assert_eq!(page.runs.into_iter().find(|run| run.id == run_id("r4")), one, "the same run everywhere");
}

/// Planted once: hidden on the page and counted in the total.
async fn a_hidden_run_is_on_no_page(store: SharedStore) {
    let store = &*store;
    for n in 0..3 {
        job(store, &format!("r{n}"), "u", "teams").await;
    }
    let (u, r1) = (user_id("u"), run_id("r1"));
    assert!(!store.hide_run(&user_id("v"), &r1).await.unwrap());
    assert!(!store.hide_run(&u, &run_id("none")).await.unwrap());
    assert!(!store.run(&u, &r1).await.unwrap().unwrap().hidden);
    assert!(store.hide_run(&u, &r1).await.unwrap());
    assert!(!store.hide_run(&u, &r1).await.unwrap());
    assert_eq!(page(store, RunState::Any, 0, 9).await, of(&["r2", "r0"], 2));
    assert_eq!(page(store, RunState::Live, 1, 9).await, of(&["r0"], 2));
    // It is there all the same.
    assert!(store.run(&u, &r1).await.unwrap().unwrap().hidden);
    assert_eq!(store.runs(&u, None, None, 9).await.unwrap().len(), 3);
    store.append(&r1, 1, tokens(1, 2)).await.unwrap();
    store.append(&r1, 1, last(3, Outcome::Completed, "a")).await.unwrap();
    assert_eq!(store.read(&r1, 1, 9, 1_000).await.unwrap().len(), 3);
    assert_eq!(page(store, RunState::Ended(Outcome::Completed), 0, 9).await, of(&[], 0));
}

async fn a_page_is_of_one_owner_and_one_workflow(store: SharedStore) {
    let store = &*store;
    for (id, owner, workflow) in
        [("a", "u", "teams"), ("b", "v", "teams"), ("c", "u", "tutor"), ("d", "u", "teams")]
    {
        job(store, id, owner, workflow).await;
    }
    assert_eq!(page(store, RunState::Any, 0, 9).await, of(&["d", "a"], 2));
    let none = store.runs_page(&user_id("u"), "team", RunState::Any, 0, 9).await.unwrap();
    assert_eq!((none.runs.len(), none.total), (0, 0));
    // What is shared is on its owner's list alone.
    let (u, v) = (user_id("u"), user_id("v"));
    let session = store.run(&u, &run_id("a")).await.unwrap().unwrap().session;
    assert!(store.share(&u, &session, &v, headwater_core::Millis(5)).await.unwrap());
    assert_eq!(store.runs_page(&v, "teams", RunState::Any, 0, 9).await.unwrap().total, 1);
}

#[tokio::test]
async fn a_hidden_run_stays_hidden() {
    let file = File::new();
    let store = file.open();
    job(&store, "r", "u", "teams").await;
    assert!(store.hide_run(&user_id("u"), &run_id("r")).await.unwrap());
    drop(store);
    assert_eq!(page(&file.open(), RunState::Any, 0, 9).await, of(&[], 0));
}
