//! What is said on standard error: what the program does while it starts, and its log.

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

/// Says a line to whoever started the program.
pub(crate) fn say(line: &str) {
    // A closed standard error is no reason to stop serving.
    let _ = writeln!(std::io::stderr().lock(), "headwater: {line}");
}

/// Starts the log; `filter` was checked when the settings were read.
pub(crate) fn start(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// Whether a filter can be used.
pub(crate) fn check(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(|_| ()).map_err(|e| e.to_string())
}
