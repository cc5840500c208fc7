//! `headwater fake-provider`: a host that says what a script says, for tests of those who build on
//! Headwater. Nothing of it is used by `serve`.

use std::io::{Read, Write};

use headwater_fake_provider::limit::BODY_BYTES;
use headwater_fake_provider::{Fake, Format, Options, Script, magic};
use headwater_providers::preset::{PRESETS, Preset};
use serde_json::{Map, Value};
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;
use crate::args::FakeProviderArgs;
use crate::logs::say;

/// Runs until a signal.
pub(crate) fn fake_provider(args: &FakeProviderArgs) -> Result<(), Failure> {
    let mut problems = Vec::new();
    let format = args.format.as_deref().and_then(|name| {
        let found = Format::find(name);
        if found.is_none() {
            let names = Format::ALL.map(Format::name).join(", ");
            problems.push(format!("--format {name}: there are {names}"));
        }
        found
    });
    let (script, queued) = script(args).unwrap_or_else(|why| {
        problems.push(why);
        (Script::default(), None)
    });
    if !problems.is_empty() {
        return Err(Failure::Usage(problems));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("no threads can be started: {e}")))?;
    runtime.block_on(run(args, format, script, queued))
}

/// What is usually said, and what is said first and how often.
fn script(args: &FakeProviderArgs) -> Result<(Script, Option<(Script, u32)>), String> {
    let mut knobs = match &args.script {
        Some(path) => {
            let shown = path.display();
            let mut text = String::new();
            let read = std::fs::File::open(path)
                .and_then(|file| file.take(BODY_BYTES as u64 + 1).read_to_string(&mut text))
                .map_err(|e| format!("--script {shown}: {e}"))?;
            if read > BODY_BYTES {
                return Err(format!("--script {shown}: more than {BODY_BYTES} bytes"));
            }
            let read: Map<String, Value> =
                serde_json::from_str(&text).map_err(|e| format!("--script {shown}: {e}"))?;
            read
        }
        None => Map::new(),
    };
    let flags = [
        ("tokens", args.tokens.map(Value::from)),
        ("text", args.text.clone().map(Value::from)),
        ("reasoning", args.reasoning.map(Value::from)),
        ("first_token_ms", args.first_token_ms.map(Value::from)),
        ("gap_ms", args.gap_ms.map(Value::from)),
    ];
    knobs.extend(flags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    let usual = Script::default().with(&Value::Object(knobs))?;
    let Some(how) = &args.fail else { return Ok((usual, None)) };
    let failing = magic::read(&format!("fail-{how}"), &usual).map_err(|why| format!("--fail: {why}"))?;
    Ok(match failing {
        Some(magic) => match magic.times {
            Some(times) => (usual, Some((magic.script, times))),
            None => (magic.script, None),
        },
        None => (usual, None),
    })
}

async fn run(
    args: &FakeProviderArgs,
    format: Option<Format>,
    script: Script,
    queued: Option<(Script, u32)>,
) -> Result<(), Failure> {
    let options =
        Options { listen: args.listen, script, tls: args.tls, streams: args.streams, ..Options::default() };
    let fake = Fake::start_with(options)
        .await
        .map_err(|e| Failure::Failed(format!("{} cannot be listened on: {e}", args.listen)))?;
    if let Some((script, times)) = queued
        && !fake.next(script, usize::try_from(times).unwrap_or(usize::MAX))
    {
        return Err(Failure::Usage(vec![format!("--fail: {times} times is too often")]));
    }
    let listen = |kind| signal(kind).map_err(|e| Failure::Failed(format!("signals cannot be heard: {e}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    for line in ways(&fake.origin(), format) {
        say(&line);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", fake.origin()).and_then(|()| out.flush()).map_err(Failure::of)?;
    drop(out);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    fake.stop().await;
    Ok(())
}

/// How it is reached: by anybody, and by our own server.
fn ways(origin: &str, only: Option<Format>) -> Vec<String> {
    let wanted = |name: &str| only.is_none_or(|f| f.name() == name);
    let mut lines: Vec<String> = Format::ALL
        .into_iter()
        .filter(|f| wanted(f.name()))
        .map(|f| format!("{}: the base address is {origin}{}", f.name(), f.base_path()))
        .collect();
    let rows = PRESETS.iter().filter(|row| wanted(row.wire(false).name()));
    lines.extend(rows.filter_map(|row| way(origin, row)));
    lines.push(format!(
        "scripts and records: {origin}/_fake/script, {origin}/_fake/calls; see docs/testing.md"
    ));
    lines
}

/// The line that starts our server with it; none for a host that no variable moves.
fn way(origin: &str, row: &Preset) -> Option<String> {
    let variable = row.base_url_env?;
    // The host's own path, so that this is right wherever a row puts the version.
    let path = row.base_url.split_once("://")?.1.split_once('/').map_or("", |(_, path)| path);
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    let key = if row.key_env.is_empty() { String::new() } else { format!(" {}=any", row.key_env) };
    Some(format!("try {variable}={origin}{path}{key} headwater serve --provider {}", row.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_how_it_is_reached() {
        let all = ways("http://127.0.0.1:9", None).join("\n");
        assert!(all.contains("gemini: the base address is http://127.0.0.1:9/v1beta"));
        let way =
            "OPENAI_BASE_URL=http://127.0.0.1:9/v1 OPENAI_API_KEY=any headwater serve --provider openai";
        assert!(all.contains(way), "{all}");
        assert!(all.contains("OLLAMA_HOST=http://127.0.0.1:9 headwater serve --provider ollama"), "{all}");
        assert!(!ways("http://127.0.0.1:9", Some(Format::Ollama)).join("\n").contains("/v1"));
    }
}
