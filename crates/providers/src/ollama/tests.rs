//! The format on hand-written lines, cut in every way that a network cuts, and requests as they are sent.

use headwater_core::limit;
use headwater_core::port::provider::{FinishReason, Replay, ToolSpec, Usage};

use super::*;
use crate::wire::testing::{Answer, Ending, decode};

/// A line of an answer with this message.
fn line(message: &str) -> String {
    format!(
        "{{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{{\"role\":\"assistant\",{message}}},\"done\":false}}\n"
    )
}

/// The last line.
fn done(reason: &str) -> String {
    format!(
        "{{\"model\":\"m\",\"message\":{{\"role\":\"assistant\",\"content\":\"\"}},\"done\":true,{reason}\"total_duration\":5,\"prompt_eval_count\":9,\"eval_count\":4}}\n"
    )
}

const STOP: &str = "\"done_reason\":\"stop\",";

fn end(reason: FinishReason) -> Ending {
    Ending::End(reason, Usage::of(9, 4))
}

async fn read(body: &str) -> Answer {
    let whole = decode(&Ollama, body.as_bytes(), body.len()).await;
    for piece in [1, 7] {
        assert_eq!(decode(&Ollama, body.as_bytes(), piece).await, whole, "{piece} bytes at a time");
    }
    whole
}

fn plain() -> String {
    [
        line(r#""content":"","thinking":"hm 水""#),
        line(r#""content":"Ünï""#),
        "{\"something\":\"new\"}\n[1]\n\n".to_owned(),
        line(r#""content":"cödé 🚗\n}""#),
        done(STOP),
    ]
    .concat()
}

// Planted faults: an unterminated line taken as it is, and dropped whatever it is.
#[tokio::test]
async fn the_same_comes_out_however_the_bytes_are_cut_and_a_cut_is_no_end() {
    let expected =
        Answer { reasoning: "hm 水".into(), ..Answer::of("Ünïcödé 🚗\n}", end(FinishReason::Stop)) };
    let whole = plain();
    for body in
        [whole.clone(), whole.replace('\n', "\r\n"), format!("\u{FEFF}{whole}"), whole.trim_end().to_owned()]
    {
        for piece in [1, 7, 64, body.len()] {
            assert_eq!(decode(&Ollama, body.as_bytes(), piece).await, expected, "{piece} bytes at a time");
        }
    }
    // The last line's own end is the only one that may be missing.
    for at in 0..whole.len() - 1 {
        let out = decode(&Ollama, &whole.as_bytes()[..at], 64).await;
        assert_eq!(out.ending, Ending::Error(ProviderErrorKind::Interrupted), "{at}");
    }
    let mut decoder = Ollama.decoder();
    for event in whole.lines() {
        decoder.push(None, event, &mut Vec::new()).unwrap();
    }
    assert_eq!((decoder.skipped(), decoder.is_over()), (2, true));
}

#[tokio::test]
async fn reasons_and_errors() {
    let said = line(r#""content":"a""#);
    for (reason, expected) in [
        (STOP, FinishReason::Stop),
        ("", FinishReason::Stop),
        ("\"done_reason\":\"length\",", FinishReason::Length),
        ("\"done_reason\":\"load\",", FinishReason::Other),
        ("\"done_reason\":\"new\",", FinishReason::Other),
    ] {
        let body = said.clone() + &done(reason) + &said;
        assert_eq!(read(&body).await, Answer::of("a", end(expected)), "{reason}");
    }
    use ProviderErrorKind::{Failed, Interrupted};
    for (tail, kind) in [
        ("{\"error\":\"an error was encountered while running the model\"}\n", Failed),
        ("{\"error\":\"unexpected EOF\"}", Failed),
        ("error: out of memory\n", Failed),
        ("error: out of memory", Interrupted),
        ("{\"done\":false}\n", Interrupted),
    ] {
        let body = said.clone() + tail;
        assert_eq!(read(&body).await, Answer::of("a", Ending::Error(kind)), "{tail}");
    }
    let bare = read("{\"done\":true}").await;
    assert_eq!(bare, Answer::of("", Ending::End(FinishReason::Stop, Usage::default())));
}

#[tokio::test]
async fn calls_come_whole_before_the_end() {
    let first = line(
        r#""content":"","tool_calls":[{"id":"c1","function":{"index":0,"name":"add","arguments":{"y":3,"x":12345678901234567890123}}}]"#,
    );
    let rest = line(
        r#""content":"","tool_calls":[{"function":{"name":"list","arguments":null}},{"function":{"name":"list"}},{"function":{}},{}]"#,
    );
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    let calls = vec![
        call("c1", "add", r#"{"y":3,"x":12345678901234567890123}"#),
        call("call_2", "list", "{}"),
        call("call_3", "list", "{}"),
    ];
    let thought = line(r#""content":"","thinking":"I add.""#);
    let out = read(&[thought.clone(), first.clone(), rest, done(STOP)].concat()).await;
    assert_eq!((&out.calls, &out.ending), (&calls, &end(FinishReason::ToolCalls)));
    assert_eq!(out.replay, [Replay { format: "ollama".into(), value: json!({"thinking": "I add."}) }]);
    // Without a call nobody wants the thoughts back; broken off, nothing may be carried out.
    assert_eq!(read(&(thought.clone() + &done(STOP))).await.replay, []);
    assert_eq!(read(&(thought + &first)).await.calls, []);
    let many = |n: usize| {
        let one = vec!["{\"function\":{\"name\":\"list\",\"arguments\":{}}}"; n].join(",");
        line(&format!("\"tool_calls\":[{one}]")) + &done(STOP)
    };
    assert_eq!(read(&many(limit::TOOL_CALLS)).await.calls.len(), limit::TOOL_CALLS);
    assert_eq!(read(&many(limit::TOOL_CALLS + 1)).await.ending, Ending::Error(ProviderErrorKind::Failed));
}

#[test]
fn a_request_is_written_as_the_server_reads_it() {
    let asked = ToolCall { id: "c1".into(), name: "look".into(), arguments: "{\"day\":\"Fri\"}".into() };
    let broken = ToolCall { id: "c2".into(), name: "look".into(), arguments: "{".into() };
    let spec =
        ToolSpec { name: "look".into(), description: "Looks.".into(), parameters: json!({"type": "object"}) };
    let replay = |format: &str, value: Value| Replay { format: format.into(), value };
    let mut request = ModelRequest {
        messages: vec![
            PromptMessage::new(Role::System, "Be brief."),
            PromptMessage::new(Role::User, "Hello"),
            PromptMessage {
                replay: vec![
                    replay("ollama", json!({"thinking": "hm"})),
                    replay("gemini", json!({"thinking": "no"})),
                ],
                ..PromptMessage::calling("", vec![asked.clone(), broken.clone()])
            },
            PromptMessage::answering(&asked, "free"),
            PromptMessage::answering(&broken, "what?"),
        ],
        max_tokens: 64,
        temperature: Some(0.2),
        stop: vec!["END".into()],
        tools: vec![spec.clone()],
        ..ModelRequest::default()
    };
    let sent = Ollama.encode(&request, "qwen3:4b").unwrap();
    assert_eq!(sent.path, "/api/chat");
    let call = |id: &str, arguments: Value| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}});
    assert_eq!(
        Value::Object(sent.body),
        json!({
            "model": "qwen3:4b", "stream": true,
            "messages": [
                {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "", "thinking": "hm",
                    "tool_calls": [call("c1", json!({"day": "Fri"})), call("c2", json!({}))]},
                {"role": "tool", "content": "free", "tool_name": "look", "tool_call_id": "c1"},
                {"role": "tool", "content": "what?", "tool_name": "look", "tool_call_id": "c2"},
            ],
            "options": {"num_predict": 64, "temperature": 0.2, "stop": ["END"]},
            "tools": [{"type": "function", "function": spec}],
        })
    );
    for (model, effort, expected) in [
        ("qwen3:4b", Effort::None, json!(false)),
        ("qwen3:4b", Effort::Minimal, json!(true)),
        ("gpt-oss:20b", Effort::None, json!("low")),
        ("gpt-oss:20b", Effort::High, json!("high")),
    ] {
        request.reasoning = Some(effort);
        assert_eq!(Ollama.encode(&request, model).unwrap().body["think"], expected, "{model} {effort:?}");
    }
    request.messages.clear();
    assert_eq!(Ollama.encode(&request, "m").unwrap_err().kind, ProviderErrorKind::Refused);
}

#[test]
fn addresses_may_lack_what_everybody_knows() {
    for (said, meant) in [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("box", "http://box:11434"),
        ("box:80/", "http://box:80"),
        ("http://box", "http://box"),
        ("https://box/under/", "https://box/under"),
        ("http://0.0.0.0:11434/", "http://127.0.0.1:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:80", "http://[::1]:80"),
        ("::", "http://[::1]:11434"),
        ("[::]:80", "http://[::1]:80"),
    ] {
        assert_eq!(address(said), meant, "{said}");
    }
}

#[test]
fn models_are_listed() {
    let list = json!({"models": [{"name": "a:latest", "model": "a:latest"}, {"name": "b"}, {}]});
    assert_eq!(Ollama.models(&list), ["a:latest", "b"]);
}
