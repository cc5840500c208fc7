//! The next connection, whatever else the listener says.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

/// The first pause after the listener failed, and the longest. There are no file descriptors, or there is
/// no memory; asking again at once would fill a core and the log.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Asks until there is a connection. A listener cannot be mended by giving up: what failed is retried, with
/// pauses that double. Dropping the future between two polls loses no connection.
pub(super) async fn next<T>(mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> T {
    let (mut pause, longest) = PAUSE;
    loop {
        match poll_fn(&mut accept).await {
            Ok(came) => return came,
            Err(error) if is_the_peers(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
                // A flood of these may not keep this task from ever letting go of its thread.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::error!(%error, pause_ms = pause.as_millis(), "connections cannot be accepted");
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(longest);
            }
        }
    }
}

/// Errors of the connection that was about to be accepted, and of nothing else.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    // Fault planted once: no sleep; the clock then stood still.
    #[tokio::test(start_paused = true)]
    async fn a_full_table_is_waited_out_with_longer_and_longer_pauses() {
        let began = Instant::now();
        let mut asked = Vec::new();
        let came = next(|_| {
            asked.push(began.elapsed().as_millis());
            // 24 is EMFILE on every Unix; the kind of it has no name yet.
            let full = || io::Error::from_raw_os_error(24);
            Poll::Ready(if asked.len() <= 10 { Err(full()) } else { Ok("came") })
        });
        assert_eq!(came.await, "came");
        assert_eq!(asked, [0, 10, 30, 70, 150, 310, 630, 1270, 2270, 3270, 4270]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_left_delays_nobody() {
        let began = Instant::now();
        let mut asked = 0;
        let came = next(|_| {
            asked += 1;
            let left = || io::Error::from(io::ErrorKind::ConnectionAborted);
            Poll::Ready(if asked <= 1000 { Err(left()) } else { Ok(()) })
        });
        came.await;
        assert_eq!((asked, began.elapsed()), (1001, Duration::ZERO));
    }
}
