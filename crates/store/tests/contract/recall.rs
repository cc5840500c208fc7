//! Earlier messages of a session, found by what they mean.

use headwater_core::Millis;
use headwater_core::event::Outcome;
use headwater_core::port::SharedStore;
use headwater_core::port::provider::Role;
use headwater_core::port::recall::RecallQuery;
use headwater_core::port::store::Store;

use crate::given::{File, last, made, new_run, run_id, session_id, user_id};
use crate::sqlite::{beside, count};

clauses! {
    the_nearest_come_first
    of_equals_the_newer_comes_first
    the_newest_are_left_out_and_the_far_too
    another_embedder_finds_nothing
    a_meaning_that_comes_again_counts
    what_is_not_there_is_left_out
    a_vector_that_cannot_be_compared_is_not_found
    another_owners_session_is_another
    what_expired_is_not_recalled
}

/// A turn of two messages, `q-id` and `a-id`, that point there.
async fn turn(store: &dyn Store, id: &str, session: &str, question: [f32; 2], answer: [f32; 2]) {
    let mut new = new_run(id, "u", session);
    new.message = format!("q-{id}");
    made(store, new).await;
    store.append(&run_id(id), 1, last(1, Outcome::Completed, &format!("a-{id}"))).await.unwrap();
    let meanings = vec![(Role::User, question.to_vec()), (Role::Assistant, answer.to_vec())];
    store.remember(&run_id(id), "e", meanings).await.unwrap();
}

/// What is nearest to `[1, 0]` in this session.
fn query(session: &str) -> RecallQuery {
    RecallQuery {
        owner: user_id("u"),
        session: session_id(session),
        embedder: "e".into(),
        vector: vec![1.0, 0.0],
        skip_newest: 0,
        least: -1.0,
        limit: 100,
    }
}

async fn found(store: &dyn Store, query: RecallQuery) -> Vec<String> {
    let found = store.recall(query).await.unwrap();
    assert!(found.is_sorted_by(|a, b| a.1 >= b.1), "{found:?}");
    found.into_iter().map(|(message, _)| message.content).collect()
}

const FAR: [f32; 2] = [-1.0, 0.0];
const NEAR: [f32; 2] = [1.0, 0.0];

async fn the_nearest_come_first(store: SharedStore) {
    turn(&*store, "r1", "s", [0.0, 1.0], [3.0, 3.0]).await;
    turn(&*store, "r2", "s", [0.5, 0.0], FAR).await;
    let all = store.recall(query("s")).await.unwrap();
    let said: Vec<_> = all.iter().map(|(m, _)| (m.content.as_str(), m.role, m.run.as_str())).collect();
    let (user, assistant) = (Role::User, Role::Assistant);
    assert_eq!(
        said,
        [("q-r2", user, "r2"), ("a-r1", assistant, "r1"), ("q-r1", user, "r1"), ("a-r2", assistant, "r2")]
    );
    let cosines: Vec<_> = all.iter().map(|(_, cosine)| (cosine * 100.0).round()).collect();
    assert_eq!(cosines, [100.0, 71.0, 0.0, -100.0]);
    assert_eq!(all[1].0.outcome, Some(Outcome::Completed));
    assert_eq!(found(&*store, RecallQuery { limit: 2, ..query("s") }).await, ["q-r2", "a-r1"]);
    assert!(found(&*store, RecallQuery { limit: 0, ..query("s") }).await.is_empty());
}

/// Planted once: the older of equals first, as passages are.
async fn of_equals_the_newer_comes_first(store: SharedStore) {
    for id in ["r1", "r2", "r3"] {
        turn(&*store, id, "s", NEAR, FAR).await;
    }
    assert_eq!(
        found(&*store, RecallQuery { limit: 4, ..query("s") }).await,
        ["q-r3", "q-r2", "q-r1", "a-r3"]
    );
}

/// Planted once: of the meanings the newest left out, not of the messages. A question that had none yet let one through.
async fn the_newest_are_left_out_and_the_far_too(store: SharedStore) {
    turn(&*store, "r1", "s", NEAR, [1.0, 1.0]).await;
    turn(&*store, "r2", "s", [1.0, 2.0], FAR).await;
    // Its question has no meaning yet, and is the newest message all the same.
    made(&*store, new_run("r3", "u", "s")).await;
    let but = |skip_newest| RecallQuery { skip_newest, ..query("s") };
    assert_eq!(found(&*store, but(0)).await, ["q-r1", "a-r1", "q-r2", "a-r2"]);
    assert_eq!(found(&*store, but(1)).await.len(), 4);
    assert_eq!(found(&*store, but(2)).await, ["q-r1", "a-r1", "q-r2"]);
    assert_eq!(found(&*store, but(4)).await, ["q-r1"]);
    for skip in [5, 6, usize::MAX] {
        assert!(found(&*store, but(skip)).await.is_empty(), "{skip}");
    }
    let near = RecallQuery { least: 0.5, ..query("s") };
    assert_eq!(found(&*store, near).await, ["q-r1", "a-r1"]);
    let same = RecallQuery { least: 1.0, ..query("s") };
    assert_eq!(found(&*store, same).await, ["q-r1"], "the least itself is enough");
}

async fn another_embedder_finds_nothing(store: SharedStore) {
    turn(&*store, "r1", "s", NEAR, FAR).await;
    assert!(found(&*store, RecallQuery { embedder: "f".into(), ..query("s") }).await.is_empty());
    store.remember(&run_id("r1"), "f", vec![(Role::User, NEAR.to_vec())]).await.unwrap();
    assert_eq!(found(&*store, RecallQuery { embedder: "f".into(), ..query("s") }).await, ["q-r1"]);
    assert_eq!(found(&*store, query("s")).await, ["a-r1"]);
}

async fn a_meaning_that_comes_again_counts(store: SharedStore) {
    turn(&*store, "r1", "s", NEAR, FAR).await;
    turn(&*store, "r2", "s", [1.0, 1.0], FAR).await;
    store.remember(&run_id("r1"), "e", vec![(Role::User, FAR.to_vec())]).await.unwrap();
    assert_eq!(found(&*store, RecallQuery { limit: 1, ..query("s") }).await, ["q-r2"]);
    assert_eq!(found(&*store, query("s")).await.len(), 4, "twice is once");
}

async fn what_is_not_there_is_left_out(store: SharedStore) {
    made(&*store, new_run("r1", "u", "s")).await;
    let near = |role| (role, NEAR.to_vec());
    let all = vec![near(Role::System), near(Role::Assistant), near(Role::Tool), near(Role::User)];
    store.remember(&run_id("r1"), "e", all).await.unwrap();
    assert_eq!(found(&*store, query("s")).await, ["hello"], "there is no answer yet");
    store.remember(&run_id("none"), "e", vec![near(Role::User)]).await.unwrap();
    store.remember(&run_id("r1"), "e", Vec::new()).await.unwrap();
    assert_eq!(found(&*store, query("s")).await.len(), 1);
    assert!(found(&*store, query("none")).await.is_empty());
}

async fn a_vector_that_cannot_be_compared_is_not_found(store: SharedStore) {
    turn(&*store, "r1", "s", [0.0, 0.0], [f32::NAN, 1.0]).await;
    assert!(found(&*store, query("s")).await.is_empty());
    let longer = RecallQuery { vector: vec![1.0, 0.0, 0.0], ..query("s") };
    turn(&*store, "r2", "s", NEAR, FAR).await;
    assert!(found(&*store, longer).await.is_empty());
    assert_eq!(found(&*store, query("s")).await, ["q-r2", "a-r2"]);
}

/// Planted once: the session found by its name alone. Another's messages were in the prompt.
async fn another_owners_session_is_another(store: SharedStore) {
    turn(&*store, "r1", "s", NEAR, FAR).await;
    turn(&*store, "r2", "t", NEAR, FAR).await;
    made(&*store, new_run("r3", "v", "s")).await;
    assert!(found(&*store, RecallQuery { owner: user_id("v"), ..query("s") }).await.is_empty());
    assert_eq!(found(&*store, query("s")).await, ["q-r1", "a-r1"]);
    // Nor is it a member's: a prompt has what its own user said.
    assert!(store.share(&user_id("u"), &session_id("t"), &user_id("v"), Millis(5)).await.unwrap());
    assert!(found(&*store, RecallQuery { owner: user_id("v"), ..query("t") }).await.is_empty());
}

async fn what_expired_is_not_recalled(store: SharedStore) {
    turn(&*store, "r1", "s", NEAR, FAR).await;
    store.expire(Millis(1_001), 9).await.unwrap();
    turn(&*store, "r2", "s", FAR, NEAR).await;
    assert_eq!(found(&*store, query("s")).await, ["a-r2", "q-r2"]);
    store.remember(&run_id("r1"), "e", vec![(Role::User, NEAR.to_vec())]).await.unwrap();
    assert_eq!(found(&*store, query("s")).await.len(), 2, "its messages are gone");
}

/// Planted once: the meanings left where they were. The messages could not go, and nothing expired any more.
#[tokio::test]
async fn of_what_expired_no_meaning_is_left_in_the_file() {
    let file = File::new();
    let store = file.open();
    turn(&store, "r1", "s", NEAR, FAR).await;
    store.expire(Millis(1_001), 9).await.unwrap();
    let beside = beside(&file);
    assert_eq!(count(&beside, "SELECT count(*) FROM meanings"), 0);
    assert_eq!(count(&beside, "SELECT count(*) FROM messages"), 0);
}
