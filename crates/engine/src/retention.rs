//! What is older than the operator wants to keep goes: once an hour, in small steps with pauses between
//! them, so that nobody who waits for an answer notices.

use std::time::Duration;

use headwater_core::port::SharedStore;
use headwater_core::{Millis, limit};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::quota;

/// Removes runs that ended and were made longer ago than `keep` (`None` keeps them for ever), the revocations that
/// have run out, and what was used of quotas whose period is long over, until `stopping`. The first time some time
/// after the start: then people come back to their answers all at once.
pub async fn retain(store: SharedStore, clock: Clock, keep: Option<Duration>, stopping: CancellationToken) {
    let sweeping = async {
        sleep(limit::EXPIRE_FIRST).await;
        loop {
            sweep(&store, clock, keep).await;
            sleep(limit::EXPIRE_EVERY).await;
        }
    };
    // Stopping in the middle of a step leaves the step to the store, which finishes it or undoes it.
    stopping.run_until_cancelled(sweeping).await;
}

/// One sweep. What fails is tried again at the next.
async fn sweep(store: &SharedStore, clock: Clock, keep: Option<Duration>) {
    if let Some(keep) = keep {
        let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let before = Millis(clock.wall().0.saturating_sub(keep));
        let mut removed = 0;
        loop {
            match store.expire(before, limit::EXPIRE_RUNS).await {
                Ok(expired) => {
                    removed += expired.runs;
                    if !expired.more {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "runs that are too old could not be removed; in an hour again");
                    break;
                }
            }
            sleep(limit::EXPIRE_PAUSE).await;
        }
        if removed > 0 {
            tracing::info!(runs = removed, "logs and messages beyond retention_days were removed");
        }
    }
    match store.forget_revocations(clock.wall()).await {
        Ok(forgotten) => tracing::debug!(forgotten, "revocations that have run out"),
        Err(error) => tracing::warn!(%error, "revocations that have run out could not be forgotten"),
    }
    let most = limit::FORGET_COUNTERS;
    if let Err(error) = in_slices(most, || quota::forget(store, clock.wall(), most)).await {
        tracing::warn!(%error, "quotas whose time is over could not be forgotten; in an hour again");
    }
}

/// Does `step`, which does `most` things at once and says how many it did, until there are no more, with pauses.
///
/// # Errors
/// The first of `step`.
pub async fn in_slices<E, S: Future<Output = Result<usize, E>>>(
    most: usize,
    mut step: impl FnMut() -> S,
) -> Result<(), E> {
    while step().await? == most {
        sleep(limit::EXPIRE_PAUSE).await;
    }
    Ok(())
}
