//! How long an append takes; for people.
//! `cargo test -p headwater-store latency -- --ignored --nocapture`; dependencies are optimised in every profile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_core::port::Store;
use headwater_store::{Durability, SqliteStore};

use crate::given::{File, made, new_run, run_id, tokens};

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
