//! Requests as they are sent, and what goes back to the host that gave it.

use headwater_core::port::provider::{PromptMessage, Replay, Role, ToolSpec};

use super::super::*;
use super::call;

#[test]
fn signatures_go_back_to_the_parts_that_they_came_with() {
    let replay = |values: Value| -> Vec<Replay> {
        let values = values.as_array().unwrap().iter().cloned();
        values.map(|value| Replay { format: "gemini".into(), value }).collect()
    };
    let calls = [call("a", "x", "{\"n\":1}"), call("b", "y", "no object")];
    let called = |id: &str, name: &str, args: Value| json!({"id": id, "name": name, "args": args});
    let marks = replay(json!([
        {"text": {"from": 3, "to": 5, "signature": "t"}},
        {"call": {"at": 5, "call": 1, "signature": "c"}},
    ]));
    let parts = signed::parts("Eins zwei", &calls, &marks, false);
    assert_eq!(
        json!(parts),
        json!([
            {"text": "Ein"}, {"text": "s ", "thoughtSignature": "t"},
            {"functionCall": called("a", "x", json!({"n": 1}))},
            {"functionCall": called("b", "y", json!({})), "thoughtSignature": "c"},
            {"text": "zwei"},
        ])
    );
    // A text that was changed since, calls that are gone, another's: nothing is lost, and nothing made up.
    let parts = signed::parts("水", &[], &marks, true);
    assert_eq!(json!(parts), json!([{"text": "水"}, {"text": "", "thoughtSignature": "t"}]));
    let foreign = vec![Replay { format: "anthropic".into(), value: marks[0].value.clone() }];
    assert_eq!(json!(signed::parts("Eins", &[], &foreign, true)), json!([{"text": "Eins"}]));
    let odd = replay(json!([{"what": 1}, 7, {"text": {"from": 9, "to": 2, "signature": "t"}}]));
    assert_eq!(json!(signed::parts("", &[], &odd, true)), json!([{"text": "", "thoughtSignature": "t"}]));
}

fn request() -> ModelRequest {
    let asked = call("f1", "look", "{\"day\":\"Fri\"}");
    let more = call("f2", "list", "{}");
    ModelRequest {
        messages: vec![
            PromptMessage::new(Role::System, "Be brief."),
            PromptMessage::new(Role::User, "Hello"),
            PromptMessage::new(Role::Assistant, ""),
            PromptMessage::calling("", vec![asked.clone(), more.clone()]),
            PromptMessage::answering(&asked, "{\"free\":true}"),
            PromptMessage::answering(&more, "[1]"),
            PromptMessage::new(Role::User, "And?"),
        ],
        max_tokens: 64,
        temperature: Some(0.2),
        stop: vec!["END".into()],
        tools: vec![ToolSpec {
            name: "look".into(),
            description: "Looks.".into(),
            parameters: json!({"type": "object", "properties": {"day": {"type": "string"}}, "additionalProperties": false}),
        }],
        ..ModelRequest::default()
    }
}

#[test]
fn a_request_is_written_as_the_host_reads_it() {
    let sent = Gemini.encode(&request(), "gemini-2.5-flash").unwrap();
    assert_eq!(sent.path, "/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
    assert_eq!(Gemini.key(), KeyHeader::Named("x-goog-api-key"));
    let call =
        |id: &str, name: &str, args: Value| json!({"functionCall": {"id": id, "name": name, "args": args}});
    let answer = |id: &str, name: &str, response: Value| json!({"functionResponse": {"id": id, "name": name, "response": response}});
    assert_eq!(
        Value::Object(sent.body),
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Hello"}]},
                {"role": "model", "parts": [call("f1", "look", json!({"day": "Fri"})), call("f2", "list", json!({}))]},
                {"role": "user", "parts": [
                    answer("f1", "look", json!({"free": true})), answer("f2", "list", json!({"output": "[1]"})),
                ]},
                {"role": "user", "parts": [{"text": "And?"}]},
            ],
            "tools": [{"functionDeclarations": [{"name": "look", "description": "Looks.", "parameters": {
                "type": "OBJECT", "properties": {"day": {"type": "STRING"}},
            }}]}],
            "generationConfig": {"maxOutputTokens": 64, "temperature": 0.2, "stopSequences": ["END"]},
        })
    );
    // A call that another model made is marked for models that want a signature: the first of its line alone.
    let sent = Gemini.encode(&request(), "gemini-3.5-flash-lite").unwrap();
    let parts = &sent.body["contents"][1]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(parts[1].get("thoughtSignature"), None);
}

#[test]
fn effort_is_said_as_each_model_reads_it() {
    let said = |model: &str, effort: Effort| {
        let wish = ModelRequest { reasoning: Some(effort), ..request() };
        Gemini.encode(&wish, model).unwrap().body["generationConfig"]["thinkingConfig"].clone()
    };
    let budget = |n: u32, shown: bool| json!({"thinkingBudget": n, "includeThoughts": shown});
    let level = |word: &str, shown: bool| json!({"thinkingLevel": word, "includeThoughts": shown});
    for (model, effort, expected) in [
        ("gemini-2.5-flash", Effort::None, budget(0, false)),
        ("gemini-2.5-pro", Effort::None, budget(128, false)),
        ("gemini-2.5-pro", Effort::Medium, budget(8192, true)),
        ("models/gemini-2.5-flash", Effort::High, budget(24576, true)),
        ("gemini-3.8-flash", Effort::None, level("low", false)),
        ("gemini-3.5-flash-lite", Effort::None, level("minimal", false)),
        ("gemini-3.1-pro-preview", Effort::Minimal, level("low", true)),
        ("gemini-3-flash-preview", Effort::High, level("high", true)),
        ("gemini-flash-latest", Effort::Medium, level("medium", true)),
        ("gemini-12-flash", Effort::Low, level("low", true)),
        ("tunedModels/mine-1", Effort::Low, budget(1024, true)),
    ] {
        assert_eq!(said(model, effort), expected, "{model} {effort:?}");
    }
    let silent = Gemini.encode(&request(), "gemini-2.0-flash").unwrap();
    assert_eq!(silent.body["generationConfig"].get("thinkingConfig"), None);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    for model in ["", "../secret", "a b", "a?key=1", "models/", "models/a/b", "files/a", "a#b", "a:count"] {
        assert_eq!(Gemini.encode(&request(), model).unwrap_err().kind, ProviderErrorKind::Refused, "{model}");
    }
    let ask = |messages: Vec<PromptMessage>| {
        Gemini.encode(&ModelRequest { messages, ..ModelRequest::default() }, "gemini-3-x").map_err(|e| e.kind)
    };
    let refused = Err(ProviderErrorKind::Refused);
    assert_eq!(ask(vec![]), refused);
    assert_eq!(ask(vec![PromptMessage::new(Role::System, "Be brief.")]), refused);
    let lost = PromptMessage::answering(&call("f9", "look", "{}"), "x");
    assert_eq!(ask(vec![PromptMessage::new(Role::User, "Hi"), lost]), refused);
}

#[test]
fn models_that_answer_are_listed() {
    let list = json!({"models": [
        {"name": "models/gemini-a", "supportedGenerationMethods": ["generateContent", "countTokens"]},
        {"name": "models/embed", "supportedGenerationMethods": ["embedContent"]},
        {"name": "tunedModels/b"}, {"other": 1},
    ]});
    assert_eq!(Gemini.models(&list), ["gemini-a", "tunedModels/b"]);
    assert!(Gemini.models(&json!({"data": []})).is_empty());
}
