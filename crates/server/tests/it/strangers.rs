//! Wrong passwords at addresses that nobody has: what is kept of them, under what names, and for how long.

use std::sync::Arc;
use std::time::Duration;

use headwater_core::port::SharedStore;
use headwater_core::port::records::{Expect, Record};
use headwater_core::{Millis, UserId, limit};
use headwater_engine::Clock;
use headwater_server::auth::Auth;
use headwater_server::auth::secret::Secret;
use headwater_store::{Durability, MemoryStore, SqliteStore};
use tokio_util::sync::CancellationToken;

fn nobody() -> UserId {
    UserId::parse("nobody").unwrap()
}

fn secret() -> Secret {
    Secret::load_or_create(tempfile::tempdir().unwrap().path()).unwrap()
}

/// As after a start.
async fn loaded(secret: &Secret, store: &SharedStore) -> Arc<Auth> {
    let auth = Auth::new(secret, store.clone(), Clock::default());
    auth.load().await.unwrap();
    Arc::new(auth)
}

/// A wrong password; what it was answered.
async fn wrong(auth: &Auth, email: &str) -> String {
    auth.log_in(email, "Wrong-horse-1".into()).await.err().unwrap().message
}

async fn kept(store: &SharedStore) -> Vec<Record> {
    store.records(&nobody(), "sign_in", 10_000).await.unwrap()
}

/// As long ago, and longer, as a wrong one counts.
fn old() -> Millis {
    Millis(Clock::default().wall().0 - i64::try_from(limit::SIGN_IN_LOCK.as_millis()).unwrap() - 1_000)
}

async fn put(store: &SharedStore, key: &str, at: Millis) {
    let value = format!(r#"{{"count":5,"last":{}}}"#, at.0);
    store.put_record(&nobody(), "sign_in", (key, &value), Expect::Whatever, at).await.unwrap();
}

// Planted fault: an unsalted digest. The names were the same under every secret.
#[tokio::test]
async fn strangers_stand_under_names_that_only_the_secret_can_make() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let (ours, others) = (secret(), secret());
    for secret in [&ours, &others] {
        let auth = loaded(secret, &store).await;
        for _ in 0..5 {
            assert_eq!(wrong(&auth, "none@example.com").await, "Invalid email or password");
        }
    }
    let names: Vec<_> = kept(&store).await.into_iter().map(|record| record.key).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|name| name.len() == 32), "{names:?}");
    // With another secret nothing is lost but the lock.
    let [same, another] = [loaded(&ours, &store).await, loaded(&secret(), &store).await];
    assert!(wrong(&same, "none@example.com").await.starts_with("Too many wrong"));
    assert_eq!(wrong(&another, "none@example.com").await, "Invalid email or password");
}

// Planted faults: no sweep after the first; one slice and no more; nothing forgotten but with a wrong password.
#[tokio::test(start_paused = true)]
async fn strangers_of_a_flood_go_with_time_and_nobody_need_be_wrong() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let (stop, now) = (CancellationToken::new(), Clock::default().wall());
    for n in 0..2 * limit::FORGET_RECORDS + 9 {
        put(&store, &format!("{n:032x}"), old()).await;
    }
    put(&store, "of a format of another day", old()).await;
    put(&store, &format!("{:032x}", u128::MAX), now).await;
    let auth = loaded(&secret(), &store).await;
    let stopping = stop.clone();
    let sweeping = tokio::spawn(async move { auth.keep_forgetting(stopping).await });
    tokio::time::sleep(limit::EXPIRE_EVERY / 2).await;
    assert_eq!(kept(&store).await.len(), 1);
    put(&store, &format!("{:032x}", 1), old()).await;
    // Of a clock that was set back since.
    put(&store, &format!("{:032x}", 2), now.after(Duration::from_secs(86_400 * 365))).await;
    tokio::time::sleep(limit::EXPIRE_EVERY).await;
    assert_eq!(kept(&store).await.iter().map(|record| record.at).collect::<Vec<_>>(), [now]);
    stop.cancel();
    sweeping.await.unwrap();
}

// Planted faults: a start that a damaged record forbids; what is damaged never forgotten.
#[tokio::test]
async fn strangers_whose_record_is_damaged_keep_no_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headwater.db");
    let open = || -> SharedStore { Arc::new(SqliteStore::open(&file, Durability::ProcessSafe).unwrap()) };
    let (store, at) = (open(), old());
    put(&store, &format!("{:032x}", 1), at).await;
    put(&store, &format!("{:032x}", 2), at).await;
    drop(store);
    let mut bytes = std::fs::read(&file).unwrap();
    let place = bytes.windows(9).position(|bytes| bytes == br#""count":5"#).unwrap();
    bytes[place + 8] = b'6';
    std::fs::write(&file, bytes).unwrap();

    let store = open();
    assert!(store.records(&nobody(), "sign_in", 9).await.is_err());
    let auth = loaded(&secret(), &store).await;
    assert_eq!(wrong(&auth, "none@example.com").await, "Invalid email or password");
    let stop = CancellationToken::new();
    let sweeping = tokio::spawn({
        let (auth, stop) = (auth.clone(), stop.clone());
        async move { auth.keep_forgetting(stop).await }
    });
    // It takes the damaged one with it.
    let whole = async || store.records(&nobody(), "sign_in", 9).await;
    while !whole().await.is_ok_and(|kept| kept.len() == 1) {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    sweeping.await.unwrap();
}
