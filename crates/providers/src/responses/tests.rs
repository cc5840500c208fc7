//! Requests as the host documents them.

use headwater_core::port::provider::{Effort, Replay};

use super::*;

fn asking(messages: Vec<PromptMessage>) -> ModelRequest {
    ModelRequest { messages, max_tokens: 64, temperature: Some(0.5), ..ModelRequest::default() }
}

fn body(model: &str, request: &ModelRequest) -> Value {
    let call = Responses.encode(request, model).unwrap();
    assert_eq!(call.path, "/responses");
    Value::Object(call.body)
}

fn says(role: Role, text: &str) -> PromptMessage {
    PromptMessage::new(role, text)
}

#[test]
fn a_conversation_has_the_documented_form() {
    let call = ToolCall { id: "call_1".into(), name: "slots".into(), arguments: "oops".into() };
    let tool = ToolSpec {
        name: "slots".into(),
        description: "free slots".into(),
        parameters: json!({"type": "object", "properties": {}}),
    };
    let asked = ModelRequest {
        tools: vec![tool],
        ..asking(vec![
            says(Role::System, "be brief"),
            says(Role::System, "be kind"),
            says(Role::User, "when?"),
            PromptMessage::calling("I look.", vec![call.clone()]),
            PromptMessage::answering(&call, "{\"ok\":true}"),
            says(Role::System, "mind the time"),
        ])
    };
    let expected = json!({
        "model": "gpt-4.1-mini", "stream": true, "store": false, "max_output_tokens": 64, "temperature": 0.5,
        "instructions": "be brief\n\nbe kind",
        "input": [
            {"role": "user", "content": "when?"},
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "call_1", "name": "slots", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "{\"ok\":true}"},
            {"role": "developer", "content": "mind the time"},
        ],
        "tools": [{"type": "function", "name": "slots", "description": "free slots", "strict": false,
            "parameters": {"type": "object", "properties": {}}}],
    });
    assert_eq!(body("gpt-4.1-mini", &asked), expected);
    assert_eq!(body(LOADED, &asked).get("model"), None);
}

// Planted fault: thoughts asked of a model that has none, which the host refuses.
#[test]
fn a_model_that_thinks_is_asked_for_its_thoughts_and_no_other() {
    let fields = ["include", "reasoning", "temperature", "max_output_tokens"];
    let thoughts = json!(["reasoning.encrypted_content"]);
    for (model, reasoning, expected) in [
        ("gpt-4o", Some(Effort::High), json!({"temperature": 0.5})),
        ("gpt-5.2", None, json!({"include": thoughts})),
        (
            "gpt-5.2",
            Some(Effort::High),
            json!({"include": thoughts, "reasoning": {"effort": "high", "summary": "auto"}}),
        ),
        (
            "gpt-5.2",
            Some(Effort::None),
            json!({"include": thoughts, "temperature": 0.5, "reasoning": {"effort": "none"}}),
        ),
        (
            "o4-mini",
            Some(Effort::Minimal),
            json!({"include": thoughts, "reasoning": {"effort": "low", "summary": "auto"}}),
        ),
    ] {
        let asked = ModelRequest { reasoning, max_tokens: 1, ..asking(vec![says(Role::User, "hello")]) };
        let body = body(model, &asked);
        let said: Map<String, Value> =
            fields.iter().filter_map(|f| Some(((*f).to_owned(), body.get(*f)?.clone()))).collect();
        let mut expected = expected;
        // The host refuses fewer.
        expected["max_output_tokens"] = 16.into();
        assert_eq!(Value::Object(said), expected, "{model} {reasoning:?}");
    }
}

// Planted faults: thoughts behind their calls; a thought given back of which nothing came.
#[test]
fn what_it_thought_stands_again_where_it_thought_it() {
    let call = |id: &str| ToolCall { id: id.into(), name: "x".into(), arguments: "{}".into() };
    let kept = |value: Value| Replay { format: NAME.into(), value };
    let thought = |n: u8| json!({"type": "reasoning", "id": format!("rs_{n}"), "summary": [], "encrypted_content": "e"});
    let mark = |id: &str| kept(json!({"type": "function_call", "call_id": id}));
    let line = PromptMessage {
        replay: vec![
            Replay { format: "anthropic".into(), value: thought(9) },
            kept(thought(1)),
            kept(json!({"type": "message", "phase": "commentary"})),
            kept(thought(2)),
            mark("a"),
            mark("gone"),
            mark("b"),
            kept(thought(3)),
        ],
        ..PromptMessage::calling("I look.", vec![call("b"), call("a"), call("c")])
    };
    let called = |id: &str| json!({"type": "function_call", "call_id": id, "name": "x", "arguments": "{}"});
    let body = body("gpt-5.2", &asking(vec![line.clone()]));
    let spoken = json!({"role": "assistant", "content": "I look.", "phase": "commentary"});
    let expected = json!([thought(1), spoken, thought(2), called("a"), called("b"), thought(3), called("c")]);
    assert_eq!(body["input"], expected);
    // Nothing behind the last thought: it is left out.
    let line = PromptMessage { tool_calls: vec![call("a")], ..line };
    let body = self::body("gpt-5.2", &asking(vec![line]));
    assert_eq!(body["input"].as_array().unwrap().last(), Some(&called("a")));
}

#[test]
fn what_the_format_cannot_say_is_refused() {
    let asked = ModelRequest { stop: vec!["END".into()], ..asking(vec![says(Role::User, "hello")]) };
    let error = Responses.encode(&asked, "gpt-4o").unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Refused);
    assert!(error.message.contains("stop"), "{error}");
}
