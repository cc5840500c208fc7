//! Every recorded stream through its format: as it came, in pieces of seven bytes, with CRLF, behind a BOM,
//! and broken off. The recordings are not ours to publish, so that they lie outside, in the folder that
//! `HEADWATER_RECORDINGS` names; `index.jsonl` there says what a second reader made of each. Where he and
//! we differ, [`ARGUED`] says why, stream by stream or rule by rule.

use std::collections::BTreeMap;
use std::path::PathBuf;

use headwater_core::port::provider::{FinishReason, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::Wire;
use super::testing::{Answer, Ending, decode};
use crate::anthropic::Anthropic;
use crate::failure;
use crate::openai::OpenAi;

/// The format of a recording's `proto`.
fn wire_of(proto: &str) -> Option<Box<dyn Wire>> {
    match proto {
        "anthropic" => Some(Box::new(Anthropic)),
        "chat" => Some(Box::new(OpenAi::default())),
        "responses" => Some(Box::new(crate::responses::Responses)),
        "gemini" => Some(Box::new(crate::gemini::Gemini)),
        "ollama" => Some(Box::new(crate::ollama::Ollama)),
        _ => None,
    }
}

/// A line of the index.
#[derive(Debug, Deserialize)]
struct Row {
    proto: String,
    file: String,
    status: u16,
    ct: Option<String>,
    exp: Option<Expected>,
}

/// What the second reader made of it.
#[derive(Debug, Deserialize)]
struct Expected {
    text: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    usage: Counted,
    fin: Option<String>,
    err: Option<Value>,
    term: bool,
}

/// Its tokens, as each format says them: in, out, read from a cache, written to one, thought.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Counted {
    r#in: Option<u64>,
    out: Option<u64>,
    cr: Option<u64>,
    cw: Option<u64>,
    th: Option<u64>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Text,
    Reasoning,
    Usage,
    Ending,
    Calls,
}

/// Where we are right to differ.
struct Argued {
    proto: &'static str,
    /// Which bodies; one of a name, or all of a kind.
    body: fn(file: &str, body: &str) -> bool,
    parts: &'static [Part],
    why: &'static str,
}

const ARGUED: &[Argued] = &[
    Argued {
        proto: "anthropic",
        body: |_, body| body.matches("event: message_stop").count() > 1,
        parts: &[Part::Text, Part::Usage, Part::Ending],
        why: "several answers behind each other in one file; an answer is over with its first message_stop, \
              and what a host sends after it belongs to nobody",
    },
    Argued {
        proto: "anthropic",
        body: |file, _| file.ends_with("prompt_caching__streaming_prompt_caching_reuses_tool_cache.1.body"),
        parts: &[Part::Ending],
        why: "no empty line ends its last event, and an event that is not ended is none: a body that breaks \
              off there cannot be told from it",
    },
    Argued {
        proto: "chat",
        body: |_, body| choices(body).iter().any(|c| c["index"].as_u64().is_some_and(|n| n > 0)),
        parts: &[Part::Text, Part::Reasoning],
        why: "several answers were asked for, and the second reader joins them; we read the first",
    },
    Argued {
        proto: "chat",
        body: |_, body| choices(body).iter().any(|c| c["delta"]["content"].is_array()),
        parts: &[Part::Text, Part::Reasoning],
        why: "its text comes in arrays of parts, which the second reader does not read",
    },
    Argued {
        proto: "chat",
        body: |file, _| file.contains("xai-text") || file.contains("xai-tool-call"),
        parts: &[Part::Usage],
        why: "this host counts what was thought beside the answer, which its total reveals; our answer has all of it",
    },
    Argued {
        proto: "responses",
        body: |_, body| body.replace(' ', "").matches("\"type\":\"response.completed\"").count() > 1,
        parts: &[Part::Text, Part::Reasoning, Part::Usage],
        why: "several answers behind each other in one file; an answer is over with its first terminal",
    },
    Argued {
        proto: "gemini",
        body: |_, body| body.contains("toolUsePromptTokenCount"),
        parts: &[Part::Usage],
        why: "the prompt of a tool that runs at the vendor's is part of the prompt, and of the total; the second \
              reader leaves it out",
    },
];

/// The choices of all chunks of chat completions.
fn choices(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data:"));
    let chunks = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    chunks.flat_map(|chunk| chunk["choices"].as_array().cloned().unwrap_or_default()).collect()
}

/// Whether the format's own terminal, or its reason of the end, stands among the whole events of a body.
fn has_terminal(proto: &str, body: &[u8]) -> bool {
    let body: String = String::from_utf8_lossy(body).replace('\r', "");
    let whole = body.rfind(if proto == "ollama" { "\n" } else { "\n\n" }).map_or("", |at| &body[..at]);
    let words: &[&str] = match proto {
        "anthropic" => &["\"message_stop\""],
        "chat" => &["data:[DONE]", "\"finish_reason\":\""],
        "responses" => &["\"response.completed\"", "\"response.incomplete\"", "\"response.failed\""],
        "gemini" => &["\"finishReason\"", "\"blockReason\""],
        _ => &["\"done\":true"],
    };
    let whole = whole.replace(' ', "");
    words.iter().any(|word| whole.contains(word))
}

/// The parts in which an answer is not what the second reader says.
fn differs(row: &Row, expected: &Expected, answer: &Answer) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut check = |part, same: bool| (!same).then(|| parts.push(part));
    check(Part::Text, answer.text == expected.text.as_deref().unwrap_or_default());
    check(Part::Reasoning, answer.reasoning == expected.reason.as_deref().unwrap_or_default());
    let ended = expected.err.is_none() && (expected.term || expected.fin.is_some());
    check(Part::Ending, matches!(answer.ending, Ending::End(..)) == ended);
    if let Ending::End(reason, usage) = answer.ending {
        check(Part::Usage, is_counted(&row.proto, expected.usage, usage));
        let named = answer.calls.iter().all(|c| !c.id.is_empty() && !c.name.is_empty());
        check(Part::Calls, named && (reason != FinishReason::ToolCalls || !answer.calls.is_empty()));
    }
    parts
}

/// Whether a usage is this count. The second reader took over each format's own numbers; ours are of the
/// whole prompt and of the whole answer.
fn is_counted(proto: &str, count: Counted, usage: Usage) -> bool {
    let sum = |parts: &[Option<u64>]| parts.iter().flatten().sum::<u64>();
    let (prompt, answer) = match proto {
        "anthropic" => (sum(&[count.r#in, count.cr, count.cw]), sum(&[count.out])),
        "gemini" => (sum(&[count.r#in]), sum(&[count.out, count.th])),
        _ => (sum(&[count.r#in]), sum(&[count.out])),
    };
    let same = |ours: Option<u64>, theirs: Option<u64>| theirs.is_none_or(|t| ours.unwrap_or(0) == t);
    usage.input_tokens.unwrap_or(0) == prompt
        && usage.output_tokens.unwrap_or(0) == answer
        && same(usage.cached_tokens, count.cr)
        && same(usage.cache_write_tokens, count.cw)
        && same(usage.reasoning_tokens, count.th)
}

/// What came out of a body, however it came: the same, or what made it another.
async fn read_in_every_way(wire: &dyn Wire, body: &[u8]) -> Result<Answer, &'static str> {
    let whole = decode(wire, body, body.len()).await;
    let text = String::from_utf8_lossy(body);
    let crlf = text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes();
    let bom = [b"\xEF\xBB\xBF", body].concat();
    for (how, body, piece) in
        [("in pieces of 7 bytes", body, 7), ("with CRLF", &crlf, 64), ("behind a BOM", &bom, 64)]
    {
        if decode(wire, body, piece).await != whole {
            return Err(how);
        }
    }
    Ok(whole)
}

// Planted faults: an end at the end of the bytes; a frame that is decoded before it is whole; the prompt's
// cached part left out; text of a block that is not known.
#[tokio::test]
async fn recorded_streams_decode_as_a_second_reader_says() {
    let Some(folder) = std::env::var_os("HEADWATER_RECORDINGS").map(PathBuf::from) else {
        println!("skipped: HEADWATER_RECORDINGS names no folder of recordings");
        return;
    };
    let index = std::fs::read_to_string(folder.join("index.jsonl")).unwrap();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong: Vec<String> = Vec::new();
    let mut argued = vec![0usize; ARGUED.len()];
    for row in index.lines().map(|l| serde_json::from_str::<Row>(l).unwrap()) {
        let body = std::fs::read(folder.join(&row.file)).unwrap();
        let streams = ["text/event-stream", "application/x-ndjson"];
        let stream = row.ct.as_deref().is_some_and(|ct| streams.iter().any(|s| ct.starts_with(s)));
        if row.status != 200 || !stream {
            let error = failure::of_status(row.status, None, &String::from_utf8_lossy(&body));
            *seen.entry(format!("refused: {:?}", error.kind)).or_default() += 1;
            continue;
        }
        let Some(wire) = wire_of(&row.proto) else {
            *seen.entry(format!("left out: {}", row.proto)).or_default() += 1;
            continue;
        };
        *seen.entry(row.proto.clone()).or_default() += 1;

        let answer = match read_in_every_way(&*wire, &body).await {
            Ok(answer) => answer,
            Err(how) => {
                wrong.push(format!("{}: another answer {how}", row.file));
                continue;
            }
        };
        let text = String::from_utf8_lossy(&body);
        let expected = row.exp.as_ref().unwrap();
        let mut parts = differs(&row, expected, &answer);
        for (n, rule) in ARGUED.iter().enumerate() {
            let differs = parts.iter().any(|part| rule.parts.contains(part));
            if differs && rule.proto == row.proto && (rule.body)(&row.file, &text) {
                argued[n] += 1;
                parts.retain(|part| !rule.parts.contains(part));
            }
        }
        if !parts.is_empty() {
            wrong.push(format!("{}: {parts:?}, {:?}", row.file, answer.ending));
        }

        let cut = &body[..body.len() * 6 / 10];
        let part = decode(&*wire, cut, 7).await;
        if matches!(part.ending, Ending::End(..)) && !has_terminal(&row.proto, cut) {
            wrong.push(format!("{}: broken off, and said to be a clean end", row.file));
        }
        if !answer.text.starts_with(&part.text) || !answer.reasoning.starts_with(&part.reasoning) {
            wrong.push(format!("{}: broken off, it says something else", row.file));
        }
    }
    println!("recorded streams: {seen:?}");
    for (rule, n) in ARGUED.iter().zip(argued) {
        println!("{}: {n} differ in {:?}: {}", rule.proto, rule.parts, rule.why);
        assert!(n > 0, "nothing differs any more for: {}", rule.why);
    }
    assert!(wrong.is_empty(), "{} differ: {wrong:#?}", wrong.len());
}
