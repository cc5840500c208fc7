//! Accounts, readiness.

use std::sync::Arc;

use headwater_core::Millis;
use headwater_core::port::SharedStore;
use headwater_core::port::store::User;

use crate::given::user_id;

clauses! {
    an_account_is_found_by_address_and_id
    an_address_has_one_account
    of_many_registrations_at_once_one_succeeds
    a_healthy_store_says_so
}

fn user(id: &str, email: &str) -> User {
    User {
        id: user_id(id),
        email: email.into(),
        name: "Anna O'Hara \"\\\0".into(),
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
        created_at: Millis(5),
    }
}

async fn an_account_is_found_by_address_and_id(store: SharedStore) {
    assert!(store.create_user(user("1", "a@example.org")).await.unwrap());
    assert!(store.create_user(user("2", "b@example.org")).await.unwrap());
    let a = Some(user("1", "a@example.org"));
    assert_eq!(store.user_by_email("a@example.org").await.unwrap(), a);
    assert_eq!(store.user(&user_id("1")).await.unwrap(), a);
    assert_eq!(store.user_by_email("c@example.org").await.unwrap(), None);
    assert_eq!(store.user_by_email("' OR 1=1 --").await.unwrap(), None);
    assert_eq!(store.user(&user_id("3")).await.unwrap(), None);
}

async fn an_address_has_one_account(store: SharedStore) {
    assert!(store.create_user(user("1", "a@example.org")).await.unwrap());
    assert!(!store.create_user(user("2", "a@example.org")).await.unwrap());
    assert!(!store.create_user(user("1", "a@example.org")).await.unwrap());
    assert_eq!(store.user(&user_id("2")).await.unwrap(), None);
    assert!(store.create_user(user("1", "b@example.org")).await.is_err(), "an id is used once");
    assert_eq!(store.user_by_email("b@example.org").await.unwrap(), None);
}

async fn of_many_registrations_at_once_one_succeeds(store: SharedStore) {
    let mut all = tokio::task::JoinSet::new();
    for n in 0..50 {
        let store = Arc::clone(&store);
        all.spawn(async move { store.create_user(user(&n.to_string(), "a@example.org")).await.unwrap() });
    }
    assert_eq!(all.join_all().await.into_iter().filter(|made| *made).count(), 1);
}

async fn a_healthy_store_says_so(store: SharedStore) {
    store.check().await.unwrap();
    store.check().await.unwrap();
}
