//! The decoder on hand-written streams, cut in every way that a network cuts, and the whole provider
//! against a small host on port 0.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headwater_core::port::provider::{Delta, FinishReason, Usage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[allow(clippy::disallowed_methods, reason = "a test's own host, which the test joins or drops")]
fn spawn<T: Send + 'static>(host: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(host)
}

/// What came out: the text, and the end or the kind of the error.
#[derive(Debug, Clone, PartialEq)]
enum Ending {
    End(FinishReason, Usage),
    Error(ProviderErrorKind),
}

const SECOND: Duration = Duration::from_secs(1);

async fn decode(body: &[u8], piece: usize) -> (String, Ending) {
    let pieces: Vec<_> =
        body.chunks(piece.max(1)).map(|c| Ok::<_, Infallible>(Bytes::copy_from_slice(c))).collect();
    gather(events::deltas(stream::iter(pieces), SECOND, SECOND)).await
}

async fn gather(deltas: impl futures_core::Stream<Item = Result<Delta, ProviderError>>) -> (String, Ending) {
    let (text, calls, ending) = gather_all(deltas).await;
    assert!(calls.is_empty(), "{calls:?}");
    (text, ending)
}

async fn gather_all(
    deltas: impl futures_core::Stream<Item = Result<Delta, ProviderError>>,
) -> (String, Vec<ToolCall>, Ending) {
    let items: Vec<_> = deltas.collect().await;
    let (last, before) = items.split_last().expect("an ending");
    let (mut text, mut calls) = (String::new(), Vec::new());
    for item in before {
        match item {
            Ok(Delta::Text(t)) => text.push_str(t),
            Ok(Delta::ToolCall(call)) => calls.push(call.clone()),
            other => panic!("{other:?} before the ending"),
        }
    }
    let ending = match last {
        Ok(Delta::ToolCall(call)) => panic!("a call of {}", call.name),
        Ok(Delta::End { reason, usage }) => Ending::End(*reason, *usage),
        Err(e) => Ending::Error(e.kind),
        Ok(Delta::Text(_)) => panic!("no ending"),
    };
    (text, calls, ending)
}

async fn decode_all(body: &[u8], piece: usize) -> (String, Vec<ToolCall>, Ending) {
    let pieces: Vec<_> =
        body.chunks(piece.max(1)).map(|c| Ok::<_, Infallible>(Bytes::copy_from_slice(c))).collect();
    gather_all(events::deltas(stream::iter(pieces), SECOND, SECOND)).await
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
    Usage { input_tokens: Some(input), output_tokens: Some(output) }
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
        (format!("{said}\n\nerror: {{\"code\":500}}\n\n"), "a", Ending::Error(ProviderErrorKind::Interrupted)),
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
    let hanging = |text: &'static str| {
        stream::iter([Ok::<_, Infallible>(Bytes::from_static(text.as_bytes()))]).chain(stream::pending())
    };
    let said = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let out = gather(events::deltas(hanging(said), SECOND, SECOND)).await;
    assert_eq!(out, ("a".to_owned(), Ending::Error(ProviderErrorKind::Timeout)));
    let done = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    let start = tokio::time::Instant::now();
    let out = gather(events::deltas(hanging(done), 60 * SECOND, SECOND)).await;
    assert_eq!(out, ("a".to_owned(), Ending::End(FinishReason::Stop, Usage::default())));
    assert_eq!(start.elapsed(), SECOND);
}

/// A host that takes one connection, reads the request and answers with these bytes; then it hands
/// over the connection.
async fn host(answer: String) -> (OpenAi, tokio::task::JoinHandle<(String, TcpStream)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = OpenAiConfig {
        name: "test".into(),
        base_url: format!("http://{}/v1/", listener.local_addr().unwrap()),
        key: Some("sk-secret".to_owned().into()),
        model: "m1".into(),
        limit_field: "max_tokens".into(),
        tools: true,
        timeouts: Timeouts::default(),
    };
    let task = spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let mut piece = [0u8; 4096];
            let n = socket.read(&mut piece).await.unwrap();
            assert!(n > 0, "the request ended early");
            request.extend_from_slice(&piece[..n]);
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        (String::from_utf8(request).unwrap(), socket)
    });
    (OpenAi::new(config).unwrap(), task)
}

fn request() -> ModelRequest {
    let messages =
        vec![PromptMessage::new(Role::System, "be brief"), PromptMessage::new(Role::User, "hello")];
    ModelRequest {
        model: None,
        messages,
        max_tokens: 64,
        temperature: Some(0.5),
        stop: vec!["END".into()],
        tools: vec![],
    }
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_real_request_has_the_documented_form_and_a_real_answer_comes_through() {
    let (provider, host) = host(ok(&plain())).await;
    let out = gather(provider.generate(request()).await.unwrap()).await;
    assert_eq!(out, ("Ünïcödé 水 🚗".to_owned(), Ending::End(FinishReason::Stop, usage(12, 7))));
    let (sent, _socket) = host.await.unwrap();
    assert!(sent.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{sent}");
    assert!(sent.to_ascii_lowercase().contains("authorization: bearer sk-secret\r\n"));
    let body: serde_json::Value = serde_json::from_str(sent.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let expected = serde_json::json!({
        "model": "m1", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 64,
        "temperature": 0.5, "stop": ["END"],
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
    });
    assert_eq!(body, expected);
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

#[tokio::test]
async fn tools_and_their_lines_have_the_documented_form() {
    let body = "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c9\",\"function\":{\"name\":\"x\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n";
    let (provider, host) = host(ok(body)).await;
    assert!(provider.info().can_call_tools);
    let spec = ToolSpec {
        name: "slots".into(),
        description: "free slots".into(),
        parameters: serde_json::json!({"type": "object", "properties": {}}),
    };
    let asked = ModelRequest {
        tools: vec![spec],
        messages: vec![
            PromptMessage::new(Role::User, "when?"),
            PromptMessage::calling("", vec![call("c1", "slots", "{\"a\":1}"), call("c2", "slots", "oops")]),
            PromptMessage::answering(&call("c1", "slots", ""), "{\"ok\":true}"),
        ],
        ..request()
    };
    let (_, calls, _) = gather_all(provider.generate(asked).await.unwrap()).await;
    assert_eq!(calls, [call("c9", "x", "{}")]);
    let (sent, _socket) = host.await.unwrap();
    let sent: serde_json::Value = serde_json::from_str(sent.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(
        (&sent["tools"], &sent["messages"]),
        (
            &serde_json::json!([{"type": "function", "function": {"name": "slots", "description": "free slots",
                "parameters": {"type": "object", "properties": {}}}}]),
            &serde_json::json!([
                {"role": "user", "content": "when?"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "slots", "arguments": "{\"a\":1}"}},
                    {"id": "c2", "type": "function", "function": {"name": "slots", "arguments": "{}"}},
                ]},
                {"role": "tool", "content": "{\"ok\":true}", "tool_call_id": "c1"},
            ])
        )
    );
}

// Planted fault: calls passed on that nobody offered.
#[tokio::test]
async fn what_was_not_offered_is_not_called() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"x\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n";
    let (provider, _host) = host(ok(body)).await;
    let out = gather(provider.generate(request()).await.unwrap()).await;
    assert_eq!(out, ("a".to_owned(), Ending::End(FinishReason::ToolCalls, Usage::default())));
}

#[tokio::test]
async fn dropping_the_stream_closes_the_socket() {
    let said = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let (provider, host) = host(format!("{head}{:x}\r\n{said}\r\n", said.len())).await;
    let mut deltas = provider.generate(request()).await.unwrap();
    assert_eq!(deltas.next().await, Some(Ok(Delta::Text("a".into()))));
    let (_, mut socket) = host.await.unwrap();
    drop(deltas);
    // The host sees the end of the connection; the test's own time limit is the only other way out.
    let mut rest = [0u8; 16];
    let read = tokio::time::timeout(Duration::from_secs(10), socket.read(&mut rest)).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
}

#[tokio::test]
async fn failures_before_the_stream_are_typed_and_never_show_the_key() {
    let body = r#"{"error":{"message":"slow down, sk-secret"}}"#;
    let head = format!("HTTP/1.1 429 Too Many\r\nretry-after: 7\r\ncontent-length: {}\r\n\r\n", body.len());
    let (provider, _host) = host(head + body).await;
    let error = provider.generate(request()).await.err().unwrap();
    assert_eq!(error.kind, ProviderErrorKind::Busy);
    assert_eq!(error.message, "the provider answered 429: slow down, … (try again after 7 s)");
    assert!(!format!("{provider:?}").contains("sk-secret"));
    let (provider, host) = host_that_closes().await;
    assert_eq!(provider.generate(request()).await.err().unwrap().kind, ProviderErrorKind::Unavailable);
    host.await.unwrap();
}

async fn host_that_closes() -> (OpenAi, tokio::task::JoinHandle<()>) {
    let (mut provider, first) = host(String::new()).await;
    first.abort();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/chat/completions", listener.local_addr().unwrap());
    provider.url = reqwest::Url::parse(&url).unwrap();
    (provider, spawn(async move { drop(listener.accept().await.unwrap()) }))
}

#[test]
fn addresses_are_checked_and_a_moved_preset_asks_the_common_way() {
    let preset = crate::preset::Preset::find("openai").unwrap();
    let moved = OpenAiConfig::of_preset(preset, None, Some("http://127.0.0.1:9/v1".into()));
    assert_eq!(
        (moved.limit_field.as_str(), moved.base_url.as_str()),
        ("max_tokens", "http://127.0.0.1:9/v1")
    );
    let plain = OpenAiConfig::of_preset(preset, None, None);
    assert_eq!(plain.limit_field, "max_completion_tokens");
    for bad in ["ftp://x/v1", "nonsense", "file:///etc"] {
        let config = OpenAiConfig { base_url: bad.into(), ..plain.clone() };
        assert_eq!(OpenAi::new(config).unwrap_err().kind, ProviderErrorKind::Refused);
    }
}

/// Replays recorded bodies where a folder of them is named; what a second reader made of each is in
/// its index. Without the folder there is nothing to do.
#[tokio::test]
async fn recorded_streams_decode_as_a_second_reader_says() {
    let Some(folder) = std::env::var_os("HEADWATER_RECORDINGS").map(std::path::PathBuf::from) else {
        println!("skipped: HEADWATER_RECORDINGS names no folder of recordings");
        return;
    };
    let index = std::fs::read_to_string(folder.join("index.jsonl")).unwrap();
    let (mut seen, mut called, mut broken, mut differ) = (0, 0, 0, Vec::new());
    for line in index.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()) {
        let event_stream = line["ct"].as_str().is_some_and(|c| c.starts_with("text/event-stream"));
        if line["proto"] != "chat" || line["status"] != 200 || !event_stream {
            continue;
        }
        let body = std::fs::read(folder.join(line["file"].as_str().unwrap())).unwrap();
        seen += 1;
        let whole = decode_all(&body, body.len()).await;
        assert_eq!(decode_all(&body, 7).await, whole);
        let raw = String::from_utf8_lossy(&body);
        // Every stream that says it called tools has a call. Some hosts cut a call and say `tool_calls` all
        // the same: the engine tells the model.
        for call in &whole.1 {
            called += 1;
            let arguments = serde_json::from_str::<serde_json::Value>(&call.arguments);
            broken += usize::from(arguments.is_err() && !call.arguments.is_empty());
            if call.id.is_empty() || call.name.is_empty() {
                differ.push(format!("{} {call:?}", line["file"]));
            }
        }
        let says = matches!(whole.2, Ending::End(FinishReason::ToolCalls, _));
        if says && whole.1.is_empty() {
            differ.push(format!("{} calls nothing", line["file"]));
        }
        let whole = (whole.0, whole.2);
        let ended = matches!(whole.1, Ending::End(..));
        let (text, wrong) = (line["exp"]["text"].as_str().unwrap_or(""), !line["exp"]["err"].is_null());
        let terminated = line["exp"]["term"].as_bool().unwrap_or(false) || !line["exp"]["fin"].is_null();
        // The second reader's known mistakes: several answers at once, refusals, contents that are arrays.
        let known = ["\"index\":1", "\"refusal\":\"", "\"content\":["].iter().any(|k| raw.contains(k));
        if (whole.0 != text && !known) || ended == wrong || (ended && !terminated) {
            differ.push(format!("{} {:?}", line["file"], whole.1));
        }
    }
    println!("{seen} recorded streams, {called} calls, {broken} of them cut");
    assert!(broken * 10 <= called);
    assert!(seen > 0 && differ.is_empty(), "{differ:#?}");
}
