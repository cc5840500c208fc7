//! A whole provider against a small host on port 0.

mod canary;
mod replies;
mod secure;
mod seeing;

use std::time::Duration;

use futures_util::StreamExt;
use headwater_core::port::provider::{Delta, FinishReason, ToolCall, ToolSpec, Usage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::openai::OpenAi;
use crate::wire::testing::{Answer, Ending, gather};

#[allow(clippy::disallowed_methods, reason = "a test's own host, which the test joins or drops")]
fn spawn<T: Send + 'static>(host: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(host)
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

/// A host of this address, with a key.
fn config(base_url: &str) -> HostConfig {
    HostConfig {
        key: Some("sk-secret".to_owned().into()),
        model: "m1".into(),
        ..HostConfig::new("test", Arc::new(OpenAi::default()), base_url)
    }
}

/// A host that takes one connection, reads the request and answers with these bytes; then it hands
/// over the connection.
async fn host(answer: String) -> (Host, tokio::task::JoinHandle<(String, TcpStream)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(&format!("http://{}/v1/", listener.local_addr().unwrap()));
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
    (Host::new(config).unwrap(), task)
}

fn request() -> ModelRequest {
    let messages =
        vec![PromptMessage::new(Role::System, "be brief"), PromptMessage::new(Role::User, "hello")];
    ModelRequest {
        messages,
        max_tokens: 64,
        temperature: Some(0.5),
        stop: vec!["END".into()],
        ..ModelRequest::default()
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
    let expected = Answer::of("Ünïcödé 水 🚗", Ending::End(FinishReason::Stop, Usage::of(12, 7)));
    assert_eq!(out, Answer { reasoning: "hm".into(), ..expected });
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
    let answer = gather(provider.generate(asked).await.unwrap()).await;
    assert_eq!(answer.calls, [call("c9", "x", "{}")]);
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
    assert_eq!(out, Answer::of("a", Ending::End(FinishReason::ToolCalls, Usage::default())));
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

async fn host_that_closes() -> (Host, tokio::task::JoinHandle<()>) {
    let (mut provider, first) = host(String::new()).await;
    first.abort();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    provider.base = format!("http://{}/v1", listener.local_addr().unwrap());
    (provider, spawn(async move { drop(listener.accept().await.unwrap()) }))
}

#[test]
fn addresses_are_checked_and_a_moved_preset_asks_the_common_way() {
    let preset = crate::preset::Preset::find("openai").unwrap();
    let moved = HostConfig::of_preset(preset, None, Some("http://127.0.0.1:9/v1".into()));
    assert_eq!(moved.base_url, "http://127.0.0.1:9/v1");
    let field = |config: &HostConfig| config.wire.encode(&request(), "m").unwrap().body;
    assert!(field(&moved).contains_key("max_tokens"));
    let plain = HostConfig::of_preset(preset, None, None);
    assert!(field(&plain).contains_key("max_completion_tokens"));
    // Another region of the vendor's is no other host.
    for (url, own) in [
        ("https://eu.api.openai.com/v1", true),
        ("https://us.openai.com/v1", true),
        ("https://myopenai.com/v1", false),
    ] {
        let config = HostConfig::of_preset(preset, None, Some(url.into()));
        assert_eq!(field(&config).contains_key("max_completion_tokens"), own, "{url}");
    }
    for bad in ["ftp://x/v1", "nonsense", "file:///etc"] {
        let config = HostConfig { base_url: bad.into(), ..plain.clone() };
        assert_eq!(Host::new(config).unwrap_err().kind, ProviderErrorKind::Refused);
    }
}

// Planted fault: connections counted, and not answers.
#[test]
fn so_many_answers_are_read_at_once_however_few_share_a_connection() {
    for (streams, clients) in [(20, 256), (limit::PROVIDER_STREAMS, 64), (1_000, 6)] {
        let config = HostConfig { streams_per_connection: streams, ..config("http://127.0.0.1:1") };
        let pool = Host::new(config).unwrap().pool;
        let most = limit::PROVIDER_ANSWERS.div_ceil(streams) * streams;
        let mut slots: Vec<_> =
            (0..most).map(|n| pool.take().unwrap_or_else(|e| panic!("{n}: {e}")).1).collect();
        assert_eq!(pool.take().unwrap_err().kind, ProviderErrorKind::Busy);
        assert_eq!(pool.open(), vec![streams; clients]);
        slots.pop();
        assert!(pool.take().is_ok());
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_nothing_secret_of_it() {
    let header = |name: &str, value: &str| (name.to_owned(), SecretString::from(value.to_owned()));
    let mut config = config("http://api.example.com/v1");
    config.timeouts.idle = Duration::ZERO;
    config.streams_per_connection = 0;
    config.key = Some("sk-hunter2\n".to_owned().into());
    let problems = config.problems();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(!problems.join(" ").contains("hunter2"));
    assert_eq!(Host::new(config.clone()).unwrap_err().message, problems.join("; "));
    config.key = None;
    for (headers, bad) in [
        (vec![header("x-team", "a b"), header("X-Other", "ü")], false),
        (vec![header("authorization", "Basic aHVudGVyMg==")], false),
        (vec![header("x-team", "a\r\nhunter2: b")], true),
        (vec![header("x team", "hunter2")], true),
        (vec![header("x-team", "hunter2"), header("X-TEAM", "b")], true),
        (vec![header("Host", "hunter2")], true),
        (vec![header("content-length", "0")], true),
        (vec![header("Accept-Encoding", "gzip")], true),
        ((0..33).map(|n| header(&format!("x-{n}"), "hunter2")).collect(), true),
    ] {
        config.headers = headers;
        let problems = config.problems();
        assert_eq!(problems.len(), 3 + usize::from(bad), "{problems:?}");
        assert!(!format!("{problems:?} {config:?}").contains("hunter2"));
    }
    config.key = Some("sk-1".to_owned().into());
    config.headers = vec![header("Authorization", "Basic x")];
    assert!(config.problems().iter().any(|p| p.contains("where the key stands")));
}

#[tokio::test]
async fn the_operators_headers_fields_and_effort_go_with_each_request() {
    let (mut provider, host) = host(ok(&plain())).await;
    let json = |text: &str| serde_json::from_str(text).unwrap();
    provider.config.extra = json(r#"{"top_k":1,"stop":["theirs"],"seed":1,"stream_options":{"extra":1}}"#);
    provider.config.headers = vec![("X-Team".into(), "blue".to_owned().into())];
    provider.headers = provider.config.header_map().unwrap();
    let asked = ModelRequest { extra: json(r#"{"seed":2}"#), ..request() };
    gather(provider.generate(asked).await.unwrap()).await;
    let (sent, _socket) = host.await.unwrap();
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("x-team: blue") && head.contains("accept-encoding: identity"), "{head}");
    assert!(head.contains("accept: text/event-stream") && head.contains("authorization: Bearer"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["top_k"], &body["seed"]), (&1.into(), &2.into()));
    assert_eq!(body["stop"], serde_json::json!(["theirs"]));
    // A table is not replaced by a part of it.
    assert_eq!(body["stream_options"], serde_json::json!({"include_usage": true, "extra": 1}));
}
