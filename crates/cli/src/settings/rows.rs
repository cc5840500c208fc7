//! The table of all settings.

use std::io::Write;

use crate::Failure;

/// A setting: name, default as text, help.
pub(super) struct Row(pub &'static str, pub &'static str, pub &'static str);

/// Every setting there is.
pub(super) const ROWS: &[Row] = &[
    Row(
        "listen",
        "127.0.0.1:8000",
        "where to listen, [SURFACE=]ADDR:PORT; a list in the file, commas in the environment; port 0 is any free one; surfaces: main (everything), tutor, orchestrate",
    ),
    Row(
        "compat",
        "off",
        "`on`: the tutor and orchestrate have listeners of their own too, on ports 8001 and 8888 of the first address, as their originals did",
    ),
    Row(
        "development",
        "off",
        "`on`: whoever connects from this machine is who he says (ai_stream) or needs to say nothing (orchestrate), as with the originals; every listener must be on a loopback address",
    ),
    Row("data", "data", "the folder for everything that is kept"),
    Row(
        "durability",
        "full",
        "`full`: an answered write survives a loss of power; `process_safe`: it survives a crash of the process only, and saves a disk sync each flush",
    ),
    Row(
        "retention_days",
        "",
        "how many days the messages and logs of runs that ended are kept, 1 to 3650; without it for ever",
    ),
    Row(
        "provider",
        "",
        "who answers: local, scripted or a host, as NAME or NAME/MODEL; several with commas (a list in the file): the next is asked where the one before fails before its first word (docs/models.md); without it `local`, and `scripted` where the model is not there",
    ),
    Row("model", "", "the model to ask of the one `provider`; each host has a default"),
    Row("prices", "", "a TOML file of what models cost (docs/models.md), over the shipped table"),
    Row("tools", "on", "whether a host's model is offered tools: `on`, or `off` where it cannot call them"),
    Row("models", "models", "the folder with the local model and the embeddings, as `make model` fills it"),
    Row("model_file", "", "a GGUF file of the llama architecture to use as local model"),
    Row(
        "assistant",
        "",
        "a TOML file with an assistant (docs/assistants.md), its documents beside it; without it the shipped one",
    ),
    Row("teams", "", "a TOML file with teams that do jobs (docs/teams.md); without it the shipped one"),
    Row(
        "assistants",
        "",
        "files of more assistants, each a workflow of its own name with documents of its own; a list in the file, commas in the environment",
    ),
    Row("tutor", "", "a TOML file with a tutor (docs/tutor.md); without it the shipped one"),
    Row(
        "knowledge",
        "",
        "a folder with manifest.toml and the documents that the assistant knows; without it the shipped ones",
    ),
    Row(
        "unwatched",
        "continue",
        "what a run does that nobody watches: `continue`, or `stop` after unwatched_seconds",
    ),
    Row(
        "unwatched_seconds",
        "60",
        "how long nobody may watch before `unwatched = \"stop\"` stops a run, 1 to 86400",
    ),
    Row("run_seconds", "900", "how long a run may take, 1 to 86400"),
    Row(
        "ai_stream_grace_seconds",
        "0",
        "how long an answer of ai_stream goes on when its socket is gone, 0 to 86400",
    ),
    Row("generations_per_user", "50", "answers of ai_stream that one user may ask for, or off"),
    Row("generations_per", "ever", "for how long those count: ever, day or month (UTC)"),
    Row("runs_per_user", "16", "live runs of one user, 1 to 2000"),
    Row(
        "drain_seconds",
        "30",
        "how long a stopping server waits for live runs before it ends them as interrupted, 0 to 3600",
    ),
    Row("tls_cert", "", "a PEM file with the certificate and its chain; with tls_key, everything is https"),
    Row(
        "tls_key",
        "",
        "a PEM file with the certificate's private key; both are read again on SIGHUP and when they change",
    ),
    Row(
        "trusted_proxies",
        "",
        "addresses or networks (10.0.0.0/8) of proxies whose word on the client's address counts; none by default",
    ),
    Row(
        "forwarded_header",
        "x-forwarded-for",
        "where those proxies say who asks: x-forwarded-for or forwarded; the other is not looked at",
    ),
    Row(
        "origins",
        "",
        "origins (https://app.example.org) whose pages may open sockets and read answers, beside our own; `*`: every page of every site",
    ),
    Row("connections", "20000", "connections at once, 1 to 1000000"),
    Row("connections_per_address", "200", "connections of one address at once, 1 to 1000000, or off"),
    Row("connections_per_user", "20", "sockets of one user at once, 1 to 1000000, or off"),
    Row(
        "unauthenticated_per_address",
        "50",
        "sockets of one address on which nobody has signed in, 1 to 1000000, or off",
    ),
    Row(
        "connects_per_second",
        "500",
        "new connections of one address each second, five times as many at once, 1 to 1000000, or off",
    ),
    Row(
        "requests_per_second",
        "100",
        "requests of one address each second, ten times as many at once, 1 to 1000000, or off",
    ),
    Row(
        "messages_per_minute",
        "100",
        "messages and other requests for work of one user, and of one socket, 1 to 1000000, or off",
    ),
    Row("messages_per_minute_per_address", "600", "the same of one address, 1 to 1000000, or off"),
    Row(
        "starts_per_minute",
        "20",
        "runs that one user may start, and where this is set as many lessons, 1 to 1000000, or off",
    ),
    Row("starts_per_minute_per_address", "120", "runs that one address may start, 1 to 1000000, or off"),
    Row(
        "sign_ins_per_minute",
        "10",
        "sign-ins that one address may try, twice as many at once, 1 to 1000000, or off",
    ),
    Row("registrations_per_minute", "5", "accounts that one address may make, 1 to 1000000, or off"),
    Row(
        "metrics",
        "local",
        "who may read /metrics: `local`, who connects from this machine or a private network, without a proxy and not by a name with dots; `open`, everybody; `off`, nobody",
    ),
    Row(
        "anonymous_chat",
        "off",
        "`on`: somebody without an account may chat, as a guest of whom nobody else sees anything",
    ),
    Row(
        "jwt_issuer",
        "",
        "the `iss` of tokens that somebody else makes; jwt_audience and jwt_keys belong to it",
    ),
    Row("jwt_audience", "", "the `aud` that such tokens must have"),
    Row(
        "jwt_keys",
        "",
        "the files with the keys of such tokens: a PEM with a public key (ES256, EdDSA) or a secret of at least 32 bytes (HS256); a list in the file, commas in the environment",
    ),
    Row(
        "handoff_webhook",
        "",
        "an https address that is told when a question waits for a person (docs/operating.md); without it nobody is",
    ),
    Row(
        "handoff_webhook_secret",
        "",
        "signs what the webhook is told, 16 bytes or more; better in the environment than in a file",
    ),
    Row(
        "handoff_webhook_allow_private",
        "no",
        "`yes`: the webhook may be on this machine or in a private network, and there with http",
    ),
    Row(
        "log",
        "info",
        "what is logged to standard error: error, warn, info, debug, trace, or a filter by module",
    ),
];

/// What the variables of the environment begin with.
pub(super) const PREFIX: &str = "HEADWATER_";

pub(super) fn env_name(row: &Row) -> String {
    format!("{PREFIX}{}", row.0.to_uppercase())
}

/// Lists every setting on standard output.
pub(crate) fn print() -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for row in ROWS {
        let default = if row.1.is_empty() { "none" } else { row.1 };
        writeln!(out, "{} ({}; default: {default})\n    {}", row.0, env_name(row), row.2)
            .map_err(Failure::of)?;
    }
    Ok(())
}

pub(crate) fn default(name: &str) -> &'static str {
    ROWS.iter().find(|row| row.0 == name).map_or("", |row| row.1)
}
