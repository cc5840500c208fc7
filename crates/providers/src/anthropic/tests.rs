//! The format on hand-written streams (the seeds of `fuzz/`), cut in every way that a network cuts.

use headwater_core::limit;
use headwater_core::port::provider::{Citation, Cost, Delta, FinishReason, Replay, Usage};

use super::*;
use crate::wire::testing::{self, Answer, Ending};

macro_rules! seed {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/anthropic/", $name))
    };
}

mod request;

async fn decode(body: &str) -> Answer {
    let whole = testing::decode(&Anthropic, body.as_bytes(), body.len()).await;
    for (body, piece) in [
        (body.to_owned(), 1),
        (body.replace('\n', "\r\n").replace("\r\r", "\r"), 7),
        (format!("\u{FEFF}{body}"), 64),
    ] {
        assert_eq!(testing::decode(&Anthropic, body.as_bytes(), piece).await, whole, "{piece}");
    }
    whole
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
}

fn replay(value: Value) -> Replay {
    Replay { format: "anthropic".into(), value }
}

fn thought(text: &str, signature: &str) -> Replay {
    replay(json!({"type": "thinking", "thinking": text, "signature": signature}))
}

/// The prompt of most seeds: 12 tokens, and beside them 5 read from a cache and 3 written to it.
fn usage(output: u64) -> Usage {
    Usage { cached_tokens: Some(5), cache_write_tokens: Some(3), ..Usage::of(20, output) }
}

// Planted faults: the prompt without its cached part, and counts that are added instead of replaced.
#[tokio::test]
async fn text_and_usage_come_out_however_the_bytes_are_cut() {
    let out = decode(seed!("plain")).await;
    let expected = Answer {
        so_far: Some(usage(7)),
        ..Answer::of("Ünïcödé 水 🚗", Ending::End(FinishReason::Stop, usage(7)))
    };
    assert_eq!(out, expected);
}

// Planted faults: calls said without their last piece, a signature that is left out.
#[tokio::test]
async fn thoughts_are_told_and_kept_and_calls_come_out_whole() {
    let out = decode(seed!("thinking-and-tools")).await;
    let used = Usage { reasoning_tokens: Some(20), ..usage(60) };
    let expected = Answer {
        reasoning: "A date first.".into(),
        replay: vec![
            thought("A date first.", "c2ln"),
            replay(json!({"type": "redacted_thinking", "data": "ZW5j"})),
        ],
        calls: vec![
            call("toolu_1", "slots", "{\"date\": \"2026-12-03\"}"),
            call("toolu_2", "price", "{}"),
            call("toolu_3", "book", "{\"slot\":7}"),
        ],
        so_far: Some(used),
        ..Answer::of("I look.", Ending::End(FinishReason::ToolCalls, used))
    };
    assert_eq!(out, expected);
}

#[tokio::test]
async fn a_stream_that_is_cut_keeps_its_text_and_its_count_and_is_no_end() {
    let whole = seed!("plain");
    let interrupted = Ending::Error(ProviderErrorKind::Interrupted);
    for at in 0..whole.len() - 1 {
        let out = testing::decode(&Anthropic, &whole.as_bytes()[..at], 64).await;
        assert_eq!(out.ending, interrupted, "cut at {at}");
        assert!("Ünïcödé 水 🚗".starts_with(&out.text));
    }
    // Everything but the terminal: a count of the whole answer, and still no end.
    let at = whole.find("event: message_stop").unwrap();
    let out = decode(&whole[..at]).await;
    assert_eq!((out.ending, out.so_far), (interrupted.clone(), Some(usage(7))));
    // Nothing is carried out, and nothing given back, of what did not end.
    let tools = seed!("thinking-and-tools");
    let out = decode(&tools[..tools.find("event: message_stop").unwrap()]).await;
    assert_eq!((out.ending, out.calls, out.replay), (interrupted, vec![], vec![]));
}

#[tokio::test]
async fn ends_and_errors_are_named() {
    let kinds = [
        (seed!("overloaded"), "a", Ending::Error(ProviderErrorKind::Busy), ""),
        (seed!("refusal"), "", Ending::End(FinishReason::Refusal, usage(2)), "This is not answered."),
        (
            seed!("gateway"),
            "before",
            Ending::End(
                FinishReason::Length,
                Usage { cost_usd: Some(Cost(112_000_000)), ..Usage::of(32, 4) },
            ),
            "",
        ),
    ];
    for (body, text, ending, refusal) in kinds {
        let out = decode(body).await;
        assert_eq!((out.text.as_str(), out.ending, out.refusal.as_str()), (text, ending, refusal));
    }
    for (error, kind) in [
        (r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#, ProviderErrorKind::Busy),
        (r#"{"type":"error","error":{"type":"not_found_error","message":"m"}}"#, ProviderErrorKind::Refused),
        (r#"{"type":"error","error":{"type":"timeout_error","message":"m"}}"#, ProviderErrorKind::Timeout),
        (r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#, ProviderErrorKind::Failed),
        (r#"{"error":{"code":529}}"#, ProviderErrorKind::Busy),
        (r#"{"type":"error"}"#, ProviderErrorKind::Failed),
        ("upstream is gone", ProviderErrorKind::Failed),
    ] {
        let out = decode(&format!("event: error\ndata: {error}\n\n")).await;
        assert_eq!(out.ending, Ending::Error(kind), "{error}");
    }
    let out = decode("event: message_start\ndata: {oops\n\n").await;
    assert_eq!(out.ending, Ending::Error(ProviderErrorKind::Failed));
}

// Planted fault: calls that have no stop.
#[tokio::test]
async fn half_a_call_is_not_carried_out() {
    let out = decode(seed!("cut-call")).await;
    assert_eq!(out.calls, [call("toolu_1", "price", "{}")]);
    assert_eq!(out.ending, Ending::End(FinishReason::Length, usage(30)));
    // Stopped all the same, as with tools that stream finely: what is no JSON is half a call.
    let stopped = seed!("cut-call").replace(
        "event: message_delta",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\nevent: message_delta",
    );
    assert_eq!(decode(&stopped).await.calls.len(), 1);
    // The model meant to end there: it is told that its arguments are no JSON.
    assert_eq!(decode(&stopped.replace("max_tokens", "tool_use")).await.calls.len(), 2);
    assert_eq!(decode(&stopped.replace("max_tokens", "refusal")).await.calls, []);
}

#[tokio::test]
async fn citations_say_where() {
    let at = |url: Option<&str>, title: &str, quote: &str| Citation {
        url: url.map(str::to_owned),
        title: Some(title.into()),
        quote: Some(quote.into()),
    };
    let out = decode(seed!("citations")).await;
    assert_eq!(
        out.citations,
        [at(None, "Sky", "blue sky"), at(Some("https://example.com/sky"), "Why", "It scatters.")]
    );
    assert_eq!(out.ending, Ending::End(FinishReason::Stop, Usage::of(40, 9)));
    // Planted faults: each passage of a document but the first lost; neither their number nor their bytes bounded.
    let cite = |quote: &str| {
        let citation = json!({"type": "char_location", "document_title": "Sky", "cited_text": quote});
        let delta = json!({"type": "citations_delta", "citation": citation});
        format!("data: {}\n", json!({"type": "content_block_delta", "index": 0, "delta": delta}))
    };
    let long = "x".repeat(limit::CITATION_BYTES + 1);
    let (skipped, out) = push_all(&[cite("a"), cite("b"), cite("a"), cite(&long)].concat());
    assert_eq!((skipped, out.len()), (0, 3));
    assert_eq!(out.last(), Some(&Delta::Citation(at(None, "Sky", &long[1..]))));
    let many: String = (0..limit::CITATIONS + 5).map(|n| cite(&n.to_string())).collect();
    let (skipped, out) = push_all(&many);
    assert_eq!((skipped, out.len()), (5, limit::CITATIONS));
}

fn push_all(body: &str) -> (u64, Vec<Delta>) {
    let (mut decoder, mut out) = (Anthropic.decoder(), Vec::new());
    for data in body.lines().filter_map(|l| l.strip_prefix("data: ")) {
        decoder.push(None, data, &mut out).unwrap();
    }
    (decoder.skipped(), out)
}

// Planted fault: text of a block that is not known.
#[tokio::test]
async fn what_is_not_known_is_skipped_and_counted() {
    let body = seed!("vendor-blocks");
    let out = decode(body).await;
    assert_eq!(out.text, "Found.");
    assert_eq!((out.calls, out.ending), (vec![], Ending::End(FinishReason::Other, Usage::of(300, 12))));
    // Four blocks, a delta, an event; one citation says nothing. A ping is known.
    assert_eq!(push_all(body).0, 6);
    assert_eq!(push_all(seed!("citations")).0, 1);
    assert_eq!(push_all(seed!("plain")).0, 0);
}

// Planted fault: a second beginning that keeps the first one's calls.
#[tokio::test]
async fn a_message_that_begins_again_takes_back_what_is_not_said() {
    let out = decode(seed!("twice")).await;
    assert_eq!(out.reasoning, "onetwo");
    assert_eq!(out.replay, [thought("two", "czI=")]);
    assert_eq!(out.calls, [call("toolu_2", "slots", "{}")]);
    assert_eq!(out.ending, Ending::End(FinishReason::ToolCalls, Usage::of(17, 9)));
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let event = |data: Value| format!("data: {data}\n\n");
    let begin = |n: usize, block: Value| {
        event(json!({"type": "content_block_start", "index": n, "content_block": block}))
    };
    let fill =
        |n: usize, delta: Value| event(json!({"type": "content_block_delta", "index": n, "delta": delta}));
    let stop = |n: usize| event(json!({"type": "content_block_stop", "index": n}));
    let end = event(json!({"type": "message_stop"}));
    let failed = Ending::Error(ProviderErrorKind::Failed);
    let read = async |body: String| testing::decode(&Anthropic, body.as_bytes(), 16384).await;

    let tool = json!({"type": "tool_use", "id": "t", "name": "x", "input": {}});
    let many = |n: usize| (0..n).map(|n| begin(n, tool.clone()) + &stop(n)).collect::<String>() + &end;
    assert_eq!(read(many(limit::TOOL_CALLS)).await.calls.len(), limit::TOOL_CALLS);
    assert_eq!(read(many(limit::TOOL_CALLS + 1)).await.ending, failed);

    let piece = fill(0, json!({"type": "input_json_delta", "partial_json": "x".repeat(1024)}));
    let long = begin(0, tool.clone()) + &piece.repeat(limit::TOOL_ARGUMENTS_BYTES / 1024 + 1);
    assert_eq!(read(long).await.ending, failed);
    let whole = json!({"type": "tool_use", "input": {"a": "x".repeat(limit::TOOL_ARGUMENTS_BYTES)}});
    assert_eq!(read(begin(0, whole) + &stop(0) + &end).await.ending, failed);
    let name = json!({"type": "tool_use", "name": "x".repeat(300)});
    assert_eq!(read(begin(0, name)).await.ending, failed);

    let open = (0..=limit::PROVIDER_BLOCKS).map(|n| begin(n, json!({"type": "text"}))).collect();
    assert_eq!(read(open).await.ending, failed);

    // Thoughts beyond what may be kept are told, and none of them is given back.
    let block = |n: usize, text: &str| {
        begin(n, json!({"type": "thinking"}))
            + &fill(n, json!({"type": "thinking_delta", "thinking": text}))
            + &fill(n, json!({"type": "signature_delta", "signature": "s"}))
            + &stop(n)
    };
    let half = "x".repeat(limit::REPLAY_BYTES / 2);
    let out = read(block(0, &half) + &block(1, "y") + &end).await;
    assert_eq!(out.replay.len(), 2);
    let out = read(block(0, &half) + &block(1, &half) + &block(2, "y") + &end).await;
    assert_eq!((out.replay.len(), out.reasoning.len()), (0, half.len() * 2 + 1));
    assert!(matches!(out.ending, Ending::End(FinishReason::Stop, _)));
}
