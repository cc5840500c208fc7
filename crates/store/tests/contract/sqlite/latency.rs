//! How long an append takes; for people.
//! `cargo test -p headwater-store latency -- --ignored --nocapture`; dependencies are optimised in every profile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_core::port::Store;
use headwater_store::{Durability, SqliteStore};

use crate::given::{File, made, new_run, run_id, tokens, user_id};
use crate::knowledge::document;

const APPENDS: u64 = 500;

/// The times of all appends of `runs` runs at once, one after the other in each.
async fn measure(durability: Durability, runs: usize) -> (Vec<Duration>, u64) {
    let file = File::new();
    let store = Arc::new(SqliteStore::open(&file.path(), durability).unwrap());
    for n in 0..runs {
        made(&*store, new_run(&format!("r{n}"), "u", &format!("s{n}"))).await;
    }
    let before = store.commits();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..runs {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut times = Vec::new();
            for at in 0..APPENDS {
                let begun = Instant::now();
                let batch = tokens(at * 4 + 1, at * 4 + 4);
                store.append(&run_id(&format!("r{n}")), 1, batch).await.unwrap();
                times.push(begun.elapsed());
            }
            times
        });
    }
    let mut times: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    times.sort();
    (times, store.commits() - before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, and proves nothing"]
async fn append_latency() {
    for durability in [Durability::Full, Durability::ProcessSafe] {
        for runs in [1, 20] {
            let (times, commits) = measure(durability, runs).await;
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
            println!(
                "{durability:?}, {runs} at once: p50 {:?}, p99 {:?}, most {:?}; {} appends in {commits} commits",
                at(0.5),
                at(0.99),
                at(1.0),
                times.len()
            );
        }
    }
}

/// Appends of one run while a document of 60,000 passages with vectors is stored, and removed again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, and proves nothing"]
async fn append_latency_beside_a_large_document() {
    let file = File::new();
    let store = Arc::new(SqliteStore::open(&file.path(), Durability::Full).unwrap());
    let text =
        |n: usize| (0..120).map(|w| format!("w{} ", (n * 131 + w * 7_919) % 20_000)).collect::<String>();
    let texts: Vec<String> = (0..60_000).map(text).collect();
    let chunks: Vec<_> = texts.iter().map(|t| (t.as_str(), Some(vec![0.5; 384]))).collect();
    let large = document(Some("u"), "large.txt", &chunks);
    let (put, delete) = (Arc::clone(&store), Arc::clone(&store));
    let put = async move { put.put_document(large).await.unwrap() };
    println!("stored: {}", beside_work(&store, "r1", put).await);
    let delete = async move { _ = delete.delete_document(Some(&user_id("u")), "large.txt").await.unwrap() };
    println!("removed: {}", beside_work(&store, "r2", delete).await);
}

/// Appends, one every 20 ms, until `work` is done; what they took.
async fn beside_work(
    store: &SqliteStore,
    run: &str,
    work: impl Future<Output = ()> + Send + 'static,
) -> String {
    let run = made(store, new_run(run, "u", "s")).await.id;
    let (begun, mut times) = (Instant::now(), Vec::new());
    let mut working = tokio::task::JoinSet::new();
    working.spawn(work);
    while working.try_join_next().is_none() {
        let begun = Instant::now();
        let seq = times.len() as u64 + 1;
        store.append(&run, 1, tokens(seq, seq)).await.unwrap();
        times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let (p50, p90, p99, most) = (at(0.5), at(0.9), at(0.99), at(1.0));
    format!("{took:?}, {} appends: p50 {p50:?}, p90 {p90:?}, p99 {p99:?}, most {most:?}", times.len())
}
