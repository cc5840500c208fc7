//! What is asked, and the way to the host.

use futures_util::StreamExt;
use headwater_core::port::provider::{Delta, Effort, FinishReason, Provider, Replay, ToolSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::host::{Host, HostConfig};
use crate::preset::Preset;

fn line(role: Role, content: &str) -> PromptMessage {
    PromptMessage::new(role, content)
}

fn encode(request: &ModelRequest, model: &str) -> Value {
    Anthropic.encode(request, model).unwrap().body.into()
}

fn tool() -> ToolSpec {
    ToolSpec {
        name: "slots".into(),
        description: "Free times".into(),
        parameters: json!({"type": "object", "properties": {}}),
    }
}

// Planted faults: two user lines in a row as two messages, replay of another format put back.
#[test]
fn a_request_is_written_as_the_api_takes_it() {
    let foreign = Replay { format: "openai".into(), value: json!("x") };
    let called = PromptMessage {
        replay: vec![thought("A date.", "c2ln"), foreign],
        ..PromptMessage::calling(
            "I look.",
            vec![call("toolu_1", "slots", "{\"date\":1}"), call("call:2", "slots", "oops")],
        )
    };
    let results: Vec<_> = called.tool_calls.iter().map(|c| PromptMessage::answering(c, "none")).collect();
    let mut request = ModelRequest {
        messages: vec![
            line(Role::System, "Be brief."),
            line(Role::System, "Be kind."),
            line(Role::User, "Hello"),
            line(Role::User, "again"),
            line(Role::Assistant, " "),
            called,
        ],
        max_tokens: 4096,
        temperature: Some(1.5),
        stop: vec!["END".into()],
        tools: vec![tool()],
        ..ModelRequest::default()
    };
    request.messages.extend(results);
    request.messages.push(line(Role::User, "And?"));
    let call = Anthropic.encode(&request, "claude-haiku-4-5").unwrap();
    assert_eq!(
        (call.path.as_str(), call.headers),
        ("/v1/messages", vec![("anthropic-version", "2023-06-01".into())])
    );
    let expected = json!({
        "model": "claude-haiku-4-5",
        "max_tokens": 4096,
        "stream": true,
        "system": "Be brief.\n\nBe kind.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "again"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "A date.", "signature": "c2ln"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "slots", "input": {"date": 1}},
                {"type": "tool_use", "id": "call_2", "name": "slots", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "none"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": "none"},
                {"type": "text", "text": "And?"},
            ]},
        ],
        "stop_sequences": ["END"],
        "temperature": 1.0,
        "tools": [{
            "name": "slots",
            "description": "Free times",
            "input_schema": {"type": "object", "properties": {}},
        }],
    });
    assert_eq!(Value::from(call.body), expected);
}

#[test]
fn thinking_goes_on_only_where_its_beginning_is_there() {
    let tools = |replay| {
        let called = PromptMessage { replay, ..PromptMessage::calling("", vec![call("c1", "slots", "{}")]) };
        let answered = PromptMessage::answering(&called.tool_calls[0], "none");
        ModelRequest {
            messages: vec![line(Role::User, "Hello"), called, answered],
            max_tokens: 4096,
            reasoning: Some(Effort::Low),
            tools: vec![tool()],
            ..ModelRequest::default()
        }
    };
    let thought = vec![thought("A date.", "c2ln")];
    assert_eq!(encode(&tools(thought.clone()), "claude-sonnet-4-5")["thinking"]["budget_tokens"], 2048);
    assert_eq!(encode(&tools(vec![]), "claude-sonnet-4-5")["thinking"], Value::Null);
    // A new question: what came before it is no matter.
    let mut request = tools(vec![]);
    request.messages.push(line(Role::User, "And?"));
    assert_eq!(encode(&request, "claude-sonnet-4-5")["thinking"]["budget_tokens"], 2048);
    // The last round offers nothing, and its prompt has calls.
    request.tools.clear();
    let body = encode(&request, "claude-sonnet-4-5");
    assert_eq!(body["tools"], json!([{"name": "slots", "input_schema": {"type": "object"}}]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
    let plain = ModelRequest { messages: vec![line(Role::User, "Hello")], ..ModelRequest::default() };
    assert_eq!(encode(&plain, "claude-sonnet-4-5")["tools"], Value::Null);
}

#[test]
fn what_the_api_cannot_take_is_refused_here() {
    let hello = vec![line(Role::User, "Hello")];
    for request in [
        ModelRequest {
            messages: vec![line(Role::System, "x"), line(Role::User, " ")],
            ..ModelRequest::default()
        },
        ModelRequest { messages: hello, stop: vec!["\n".into()], ..ModelRequest::default() },
    ] {
        let error = Anthropic.encode(&request, "claude-haiku-4-5").unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Refused);
    }
}

#[test]
fn models_are_listed() {
    let list = json!({"data": [{"id": "claude-a", "type": "model"}, {"type": "model"}], "has_more": false});
    assert_eq!(Anthropic.models(&list), ["claude-a"]);
    assert_eq!(Anthropic.models(&json!([])), [""; 0]);
}

// Planted fault: the key as a bearer's, which this API refuses.
#[tokio::test]
async fn a_host_is_shown_its_key_and_the_version_and_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let answer = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"}") {
            let mut piece = [0u8; 4096];
            let n = socket.read(&mut piece).await.unwrap();
            assert!(n > 0, "the request ended early");
            asked.extend_from_slice(&piece[..n]);
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        socket.write_all([head, seed!("plain")].concat().as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    };
    let preset = Preset::find("anthropic").unwrap();
    let host =
        Host::new(HostConfig::of_preset(preset, Some("sk-secret".to_owned().into()), Some(base))).unwrap();
    let request = ModelRequest { messages: vec![line(Role::User, "Hello")], ..ModelRequest::default() };
    let ask = async { host.generate(request).await.unwrap().collect::<Vec<_>>().await };
    let (asked, said) = tokio::join!(answer, ask);
    assert!(asked.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{asked}");
    let asked = asked.to_ascii_lowercase();
    for header in
        ["x-api-key: sk-secret\r\n", "anthropic-version: 2023-06-01\r\n", "accept: text/event-stream\r\n"]
    {
        assert!(asked.contains(header), "{asked}");
    }
    assert!(!asked.contains("authorization"), "{asked}");
    assert!(matches!(said.last(), Some(Ok(Delta::End { reason: FinishReason::Stop, .. }))), "{said:?}");
}
