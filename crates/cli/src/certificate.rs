//! Keeps the certificate fresh: on SIGHUP, and when its files change, as they do when it is renewed.

use std::time::Duration;

use headwater_server::edge::tls::Tls;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::Failure;
use crate::logs::say;

/// How often the files are looked at. Two `stat` calls.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// SIGHUP, heard from now on; otherwise it would end the process.
pub(crate) fn hangups() -> Result<Signal, Failure> {
    signal(SignalKind::hangup()).map_err(|e| Failure::Failed(format!("signals cannot be heard: {e}")))
}

/// Reads the files again, for as long as the server accepts anybody. Bad ones are said and not used.
pub(crate) async fn keep_fresh(tls: Tls, mut hangups: Signal, until: CancellationToken) {
    loop {
        let asked = tokio::select! {
            heard = hangups.recv() => heard.is_some(),
            () = tokio::time::sleep(LOOK_EVERY) => false,
            () = until.cancelled() => return,
        };
        let reading = tls.clone();
        let read =
            tokio::task::spawn_blocking(move || (asked || reading.changed()).then(|| reading.reload()));
        match read.await {
            Ok(Some(Ok(()))) => say("the certificate was read again; new connections get it"),
            Ok(Some(Err(why))) => say(&format!("{why}; the certificate from before stays in use")),
            Ok(None) | Err(_) => {}
        }
    }
}
