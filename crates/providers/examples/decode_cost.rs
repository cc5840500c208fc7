//! What decoding costs: reads the same answers of a fake provider plainly, as bytes, or through a [`Host`], and
//! says how much time the processor took. `bench/decode.py` runs it both ways in turns.
//!
//! ```text
//! decode_cost plain|decoded FORMAT BASE_URL STREAMS TOKENS
//! ```

#![allow(clippy::print_stdout, reason = "its one line of JSON is what it is for")]

use std::error::Error;

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use headwater_core::port::provider::{Delta, ModelRequest, PromptMessage, Provider, Role};
use headwater_providers::host::{Host, HostConfig};
use headwater_providers::preset::Format;
use serde_json::json;

type Failed = Box<dyn Error>;

/// Nanoseconds that this thread was on a processor; there is no other in this program that works.
fn on_processor() -> Result<u64, Failed> {
    let all = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(all.split_whitespace().next().ok_or("no schedstat")?.parse()?)
}

fn request(tokens: u32) -> ModelRequest {
    let messages = vec![PromptMessage::new(Role::User, "go")];
    ModelRequest { messages, max_tokens: tokens, ..ModelRequest::default() }
}

async fn plain(client: &reqwest::Client, format: Format, base: &str, tokens: u32) -> Result<u64, Failed> {
    let call = format.wire().encode(&request(tokens), "fake-model")?;
    let mut post = client.post(format!("{base}{}", call.path)).json(&call.body);
    for (name, value) in call.headers {
        post = post.header(name, value);
    }
    let mut body = post.send().await?.error_for_status()?.bytes_stream();
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        bytes += piece?.len() as u64;
    }
    Ok(bytes)
}

async fn decoded(host: &Host, tokens: u32) -> Result<u64, Failed> {
    let mut deltas = host.generate(request(tokens)).await?;
    let mut pieces = 0;
    while let Some(delta) = deltas.next().await {
        pieces += u64::from(matches!(delta?, Delta::Text(_)));
    }
    Ok(pieces)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let args: Vec<String> = std::env::args().collect();
    let [_, how, format, base, streams, tokens] = args.as_slice() else {
        return Err("decode_cost plain|decoded FORMAT BASE_URL STREAMS TOKENS".into());
    };
    let format = Format::parse(format).ok_or("no such format")?;
    let (streams, tokens): (usize, u32) = (streams.parse()?, tokens.parse()?);
    let config = HostConfig { model: "fake-model".into(), ..HostConfig::new("fake", format.wire(), base) };
    let host = Host::new(config)?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    // What is made once is no cost of a token.
    if how == "plain" {
        plain(&client, format, base, tokens).await?
    } else {
        decoded(&host, tokens).await?
    };
    let before = on_processor()?;
    let read = match how.as_str() {
        "plain" => try_join_all((0..streams).map(|_| plain(&client, format, base, tokens))).await?,
        _ => try_join_all((0..streams).map(|_| decoded(&host, tokens))).await?,
    };
    let spent = on_processor()? - before;
    let all = streams as u64 * u64::from(tokens);
    println!("{}", json!({"ns_per_token": spent as f64 / all as f64, "read": read.iter().sum::<u64>()}));
    Ok(())
}
