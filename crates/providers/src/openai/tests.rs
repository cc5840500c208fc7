//! The format on hand-written streams, cut in every way that a network cuts.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headwater_core::limit;
use headwater_core::port::provider::{FinishReason, ProviderErrorKind, ToolCall, Usage};

use super::*;
use crate::wire::testing::{self, Answer, Ending, SECOND};

const WIRE: OpenAi = OpenAi { dialect: &dialect::COMMON };

async fn decode(body: &[u8], piece: usize) -> (String, Ending) {
    let Answer { text, ending, calls, .. } = testing::decode(&WIRE, body, piece).await;
    assert!(calls.is_empty(), "{calls:?}");
    (text, ending)
}

async fn decode_all(body: &[u8], piece: usize) -> (String, Vec<ToolCall>, Ending) {
    let Answer { text, ending, calls, .. } = testing::decode(&WIRE, body, piece).await;
    (text, calls, ending)
}

/// As OpenAI and OpenRouter send it: comments, the role first, the usage after the reason.
fn plain() -> String {
    let delta = |d: &str, f: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"new_field\":[1],\"choices\":[{{\"index\":0,\"delta\":{d},\"finish_reason\":{f}}}],\"usage\":null}}\n\n"
        )
    };
    [
        ": PROCESSING\n\n".to_owned(),
        delta(r#"{"role":"assistant","content":""}"#, "null"),
        delta(r#"{"content":"Ünï"}"#, "null"),
        delta(r#"{"reasoning_content":"hm"}"#, "null"),
        ": PROCESSING\n\n".to_owned(),
        delta(r#"{"content":"cödé 水 🚗"}"#, "null"),
        "data: {\"something\":\"new\"}\n\n".to_owned(),
        "event: ping\ndata: [1, 2]\n\n".to_owned(),
        delta("{}", "\"stop\""),
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":7,\"total_tokens\":19}}\n\n".to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

fn usage(input: u64, output: u64) -> Usage {
    Usage::of(input, output)
}

#[tokio::test]
async fn the_same_comes_out_however_the_bytes_are_cut() {
    let whole = plain();
    let expected = ("Ünïcödé 水 🚗".to_owned(), Ending::End(FinishReason::Stop, usage(12, 7)));
    for body in
        [whole.clone(), whole.replace('\n', "\r\n"), format!("\u{FEFF}{whole}"), whole.replace('\n', "\r")]
    {
        for piece in [1, 7, 64, body.len()] {
            assert_eq!(decode(body.as_bytes(), piece).await, expected, "{piece} bytes at a time");
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_keeps_its_text_and_is_no_end() {
    let whole = plain();
    let cut = &whole.as_bytes()[..whole.len() * 6 / 10];
    let (text, ending) = decode(cut, 7).await;
    assert!(text.starts_with("Ünï"));
    assert_eq!(ending, Ending::Error(ProviderErrorKind::Interrupted));
    assert_eq!(decode(b"", 1).await.1, Ending::Error(ProviderErrorKind::Interrupted));
    // Cut after the reason: the host had said that it had ended; only the usage is lost.
    let at = whole.find("data: {\"choices\":[],").unwrap();
    assert_eq!(decode(&whole.as_bytes()[..at], 7).await.1, Ending::End(FinishReason::Stop, Usage::default()));
}

#[tokio::test]
async fn ends_and_errors_of_real_hosts() {
    let said = r#"data: {"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let length = r#"data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"length"}]}"#;
    let none = Usage::default();
    let cases: Vec<(String, &str, Ending)> = vec![
        (format!("{said}\n\ndata: [DONE]\n\n"), "a", Ending::End(FinishReason::Stop, none)),
        (format!("{said}\n\n{length}\n\n"), "a", Ending::End(FinishReason::Length, none)),
        (
            format!("{said}\n\nevent: error\ndata: {{\"error\":{{\"message\":\"m\",\"type\":\"invalid_request_error\",\"status_code\":400}}}}\n\n"),
            "a",
            Ending::Error(ProviderErrorKind::Refused),
        ),
        (
            format!("{length}\n\ndata: {{\"error\":{{\"code\":429,\"message\":\"m\"}},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"\"}}}}]}}\n\ndata: [DONE]\n\n"),
            "",
            Ending::Error(ProviderErrorKind::Busy),
        ),
        ("data: {\"object\":\"error\",\"message\":\"m\"}\n\n".into(), "", Ending::Error(ProviderErrorKind::Failed)),
        // llama.cpp's server: a line of its own, which is no event.
        (format!("{said}\n\nerror: {{\"code\":500}}\n\n"), "a", Ending::Error(ProviderErrorKind::Failed)),
        (format!("{said}\n\nerror: {{\"error\":{{\"code\":503}}}}\n\n"), "a", Ending::Error(ProviderErrorKind::Busy)),
        (format!("{said}\n\ndata: {{oops\n\ndata: [DONE]\n\n"), "a", Ending::Error(ProviderErrorKind::Failed)),
        (
            "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"other\"}},{\"index\":0,\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[]},{\"type\":\"text\",\"text\":\"b\"}],\"refusal\":null},\"finish_reason\":\"content_filter\"}]}\n\n".into(),
            "b",
            Ending::End(FinishReason::ContentFilter, none),
        ),
    ];
    for (body, text, ending) in cases {
        assert_eq!(decode(body.as_bytes(), 7).await, (text.to_owned(), ending), "{body}");
    }
}

#[tokio::test]
async fn one_event_cannot_fill_memory_and_many_small_ones_may_be_long() {
    let endless = vec![b'x'; headwater_core::limit::PROVIDER_EVENT_BYTES + 10];
    assert_eq!(
        decode(&[b"data: ", endless.as_slice()].concat(), 4096).await.1,
        Ending::Error(ProviderErrorKind::Failed)
    );
    let line = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\r\n\r\n",
        "y".repeat(1000)
    );
    let many = line.repeat(1200) + "data: [DONE]\r\n\r\n";
    assert_eq!(decode(many.as_bytes(), 16384).await.0.len(), 1_200_000);
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_timeout_and_the_usage_is_not_waited_for_long() {
    let hanging =
        |text: &'static str| stream::iter([Ok(Bytes::from_static(text.as_bytes()))]).chain(stream::pending());
    let said = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let out = testing::read(&WIRE, hanging(said), SECOND, SECOND).await;
    assert_eq!(out, Answer::of("a", Ending::Error(ProviderErrorKind::Timeout)));
    let done = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    let start = tokio::time::Instant::now();
    let out = testing::read(&WIRE, hanging(done), 60 * SECOND, SECOND).await;
    assert_eq!(out, Answer::of("a", Ending::End(FinishReason::Stop, Usage::default())));
    assert_eq!(start.elapsed(), SECOND);
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
}

// Planted faults: pieces put together by index alone (the host that says 0 for all), and calls said before
// their last piece.
#[tokio::test]
async fn calls_in_pieces_come_out_whole_before_the_end() {
    let slots = call("c1", "slots", "{\"date\":\"2026-12-03\"}");
    let price = call("c2", "price", "{}");
    let both = vec![slots.clone(), price.clone()];
    let event =
        |calls: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{calls}]}}}}]}}\n\n");
    let end = |reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\ndata: [DONE]\n\n"
        )
    };
    let tail = r#"{"index":0,"function":{"arguments":"{\"date\":\"2026-"}}"#;
    let rest = r#"{"index":0,"function":{"arguments":"12-03\"}"}}"#;
    let second = r#"{"index":1,"id":"c2","type":"function","function":{"name":"price","arguments":"{}"}}"#;
    let streams: Vec<(String, Vec<ToolCall>)> = vec![
        // As documented: id and name once, arguments in pieces.
        (
            [r#"{"index":0,"id":"c1","function":{"name":"slots","arguments":""}}"#, tail, rest, second].map(event).concat(),
            both.clone(),
        ),
        // Id and name with every piece; an empty id.
        (
            [
                r#"{"index":0,"id":"c1","function":{"name":"slots","arguments":"{\"date\":"}}"#,
                r#"{"index":0,"id":"c1","function":{"name":"slots","arguments":"\"2026-12-03\""}}"#,
                r#"{"index":0,"id":"","function":{"name":"","arguments":"}"}}"#,
                second,
            ]
            .map(event)
            .concat(),
            both.clone(),
        ),
        // No index; whole calls.
        (
            [
                r#"{"id":"c1","function":{"name":"slots","arguments":"{\"date\":\"2026-12-03\"}"}}"#,
                r#"{"id":"c2","function":{"name":"price","arguments":{}}}"#,
            ]
            .map(event)
            .concat(),
            both.clone(),
        ),
        // No index, in pieces that name nothing.
        (
            [
                r#"{"id":"c1","function":{"name":"slots"}}"#,
                r#"{"function":{"arguments":"{\"date\":\"2026-12-03\"}"}}"#,
                r#"{"id":"c2","function":{"name":"price"}}"#,
                r#"{"function":{"arguments":"{}"}}"#,
            ]
            .map(event)
            .concat(),
            both.clone(),
        ),
        // Index 0 for each.
        (
            [
                r#"{"index":0,"id":"c1","function":{"name":"slots","arguments":"{\"date\":\"2026-12-03\"}"}}"#,
                r#"{"index":0,"id":"c2","function":{"name":"price","arguments":"{}"}}"#,
            ]
            .map(event)
            .concat(),
            both,
        ),
        // No id at all.
        (event(r#"{"function":{"name":"price","arguments":null}}"#), vec![call("call_1", "price", "")]),
    ];
    for (body, calls) in streams {
        for (reason, finish) in [("tool_calls", FinishReason::ToolCalls), ("stop", FinishReason::Stop)] {
            let body = format!("{body}{}", end(reason));
            for piece in [1, 7, body.len()] {
                let out = decode_all(body.as_bytes(), piece).await;
                let ending = Ending::End(finish, Usage::default());
                assert_eq!(out, (String::new(), calls.clone(), ending), "{body}");
            }
        }
        // The host never gave a reason: what it called says it.
        let out = decode_all(format!("{body}data: [DONE]\n\n").as_bytes(), 7).await;
        assert_eq!(out.2, Ending::End(FinishReason::ToolCalls, Usage::default()));
        // Broken off: nothing may be carried out.
        let out = decode_all(body.as_bytes(), 7).await;
        assert_eq!((out.1, out.2), (vec![], Ending::Error(ProviderErrorKind::Interrupted)));
    }
    // Cut by the limit: half a call is not carried out, a whole one is.
    let half =
        [r#"{"index":0,"id":"c1","function":{"name":"slots","arguments":""}}"#, tail, second].map(event);
    let out = decode_all((half.concat() + &end("length")).as_bytes(), 7).await;
    assert_eq!((out.1, out.2), (vec![price], Ending::End(FinishReason::Length, Usage::default())));
}

#[tokio::test]
async fn calls_are_bounded() {
    let event =
        |calls: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{calls}]}}}}]}}\n\n");
    let one = |n: usize| {
        format!("{{\"index\":{n},\"id\":\"c{n}\",\"function\":{{\"name\":\"x\",\"arguments\":\"{{}}\"}}}}")
    };
    let many = |n: usize| (0..n).map(|n| event(&one(n))).collect::<String>() + "data: [DONE]\n\n";
    assert_eq!(decode_all(many(limit::TOOL_CALLS).as_bytes(), 64).await.1.len(), limit::TOOL_CALLS);
    let failed = Ending::Error(ProviderErrorKind::Failed);
    assert_eq!(decode_all(many(limit::TOOL_CALLS + 1).as_bytes(), 64).await.2, failed);
    let piece = event(&format!("{{\"index\":0,\"function\":{{\"arguments\":\"{}\"}}}}", "x".repeat(1024)));
    let long = event(&one(0)) + &piece.repeat(limit::TOOL_ARGUMENTS_BYTES / 1024);
    assert_eq!(decode_all(long.as_bytes(), 4096).await.2, failed);
}
