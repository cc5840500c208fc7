//! What is learned of an ability, over a store.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use headwater_core::port::records::{Counted, Expect, Record, Records};
use headwater_core::port::store::StoreError;
use headwater_core::{Millis, UserId, limit};
use headwater_engine::tutor::ability::kept::{self, GENERAL, KIND, key, learn, load};
use headwater_engine::tutor::ability::{Ability, Evidence};
use headwater_store::MemoryStore;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn managed() -> Evidence {
    Evidence { score: 1.0, weight: 0.5, signs: Vec::new() }
}

#[tokio::test]
async fn it_is_kept_by_user_and_subject() {
    let (store, ada, bob) = (MemoryStore::default(), user("ada"), user("bob"));
    assert_eq!(load(&store, &ada, "Algebra").await.unwrap(), Ability::default());
    let after = learn(&store, &ada, "  Linear\n ALGEBRA ", (&managed(), 0.375), Millis(1)).await.unwrap();
    assert!(after.theta > 0.5 && after.turns == 1);
    assert_eq!(load(&store, &ada, "linear algebra").await.unwrap(), after);
    for (who, subject) in [(&ada, "algebra"), (&bob, "linear algebra"), (&ada, "")] {
        assert_eq!(load(&store, who, subject).await.unwrap(), Ability::default());
    }
}

#[test]
fn keys_fit_and_stay_apart() {
    assert_eq!(key(" "), GENERAL);
    assert_eq!(key("É  Ü"), "é ü");
    let (one, other) = ("é".repeat(500), format!("{}x", "é".repeat(499)));
    assert!(key(&one).len() <= limit::RECORD_KEY_BYTES && key(&one) != key(&other));
    assert_eq!(key(&one), key(&one.to_uppercase()));
}

/// A store in which others learn between this one's reading and its writing, so many times.
struct Crowd {
    store: MemoryStore,
    others: AtomicUsize,
}

#[async_trait]
impl Records for Crowd {
    async fn record(&self, owner: &UserId, kind: &str, key: &str) -> Result<Option<Record>, StoreError> {
        let found = self.store.record(owner, kind, key).await;
        let comes = |left: usize| left.checked_sub(1);
        if self.others.fetch_update(Ordering::SeqCst, Ordering::SeqCst, comes).is_ok() {
            learn(&self.store, owner, key, (&managed(), 0.375), Millis(2)).await?;
        }
        found
    }
    async fn records(&self, owner: &UserId, kind: &str, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.store.records(owner, kind, limit).await
    }
    async fn put_record(
        &self,
        owner: &UserId,
        kind: &str,
        record: (&str, &str),
        expect: Expect,
        at: Millis,
    ) -> Result<Option<u64>, StoreError> {
        self.store.put_record(owner, kind, record, expect, at).await
    }
    async fn delete_record(&self, owner: &UserId, kind: &str, key: &str) -> Result<bool, StoreError> {
        self.store.delete_record(owner, kind, key).await
    }
    async fn forget_records(
        &self,
        owner: &UserId,
        kind: &str,
        times: std::ops::Range<Millis>,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.store.forget_records(owner, kind, times, limit).await
    }
    async fn count(
        &self,
        owner: &UserId,
        kind: &str,
        key: &str,
        by: u64,
        most: u64,
        at: Millis,
    ) -> Result<Counted, StoreError> {
        self.store.count(owner, kind, key, by, most, at).await
    }
    async fn forget_counters(&self, kind: &str, before: Millis, limit: usize) -> Result<usize, StoreError> {
        self.store.forget_counters(kind, before, limit).await
    }
}

// Planted fault: put with `Expect::Whatever`.
#[tokio::test]
async fn of_turns_at_once_none_is_lost() {
    let others = 5;
    let crowd = Crowd { store: MemoryStore::default(), others: AtomicUsize::new(others) };
    let after = learn(&crowd, &user("ada"), "algebra", (&managed(), 0.375), Millis(1)).await.unwrap();
    let mut alone = Ability::default();
    for _ in 0..=others {
        alone = alone.learn(&managed(), 0.375);
    }
    assert_eq!(after, alone);
    assert_eq!(load(&crowd.store, &user("ada"), "algebra").await.unwrap(), alone);
}

#[tokio::test]
async fn a_crowd_without_end_is_an_error_and_not_a_loop() {
    let crowd = Crowd { store: MemoryStore::default(), others: AtomicUsize::new(usize::MAX) };
    assert!(learn(&crowd, &user("ada"), "algebra", (&managed(), 0.375), Millis(1)).await.is_err());
}

#[tokio::test]
async fn of_too_many_subjects_the_oldest_goes() {
    let (store, ada) = (MemoryStore::default(), user("ada"));
    for n in 0..=limit::SUBJECTS_PER_USER {
        let at = Millis(i64::try_from(n).unwrap());
        learn(&store, &ada, &format!("subject {n}"), (&managed(), 0.375), at).await.unwrap();
        // The first one is in use all the time, so it stays.
        learn(&store, &ada, "subject 0", (&managed(), 0.375), at).await.unwrap();
    }
    let left = store.records(&ada, KIND, 1_000).await.unwrap();
    assert_eq!(left.len(), limit::SUBJECTS_PER_USER);
    assert!(left.iter().any(|r| r.key == "subject 0") && !left.iter().any(|r| r.key == "subject 1"));
    assert_eq!(load(&store, &ada, "subject 1").await.unwrap(), Ability::default());
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_begun_anew() {
    let (store, ada) = (MemoryStore::default(), user("ada"));
    for bad in ["no JSON", "{}", r#"{"theta":1e999,"confidence":0,"turns":0}"#, "[]"] {
        store.put_record(&ada, KIND, ("algebra", bad), Expect::Whatever, Millis(1)).await.unwrap();
        assert_eq!(kept::load(&store, &ada, "algebra").await.unwrap(), Ability::default(), "{bad}");
        let after = learn(&store, &ada, "algebra", (&managed(), 0.375), Millis(2)).await.unwrap();
        assert_eq!(after.turns, 1);
    }
}
