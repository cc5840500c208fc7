//! Requests as each host wants them.

use headwater_core::port::provider::{ModelRequest, PromptMessage, Replay, Role, ToolCall};

use super::*;
use crate::openai::{LOADED, NAME, OpenAi};
use crate::wire::Wire;

fn body(dialect: &'static Dialect, model: &str, request: &ModelRequest) -> Value {
    Value::Object(OpenAi { dialect }.encode(request, model).unwrap().body)
}

fn asking(reasoning: Option<Effort>) -> ModelRequest {
    ModelRequest {
        messages: vec![PromptMessage::new(Role::System, "be brief"), PromptMessage::new(Role::User, "hello")],
        max_tokens: 64,
        temperature: Some(0.5),
        reasoning,
        ..ModelRequest::default()
    }
}

// Planted faults: the word taken as it is; a temperature sent to whom it makes refuse.
#[test]
fn each_host_is_told_in_its_own_way_how_much_to_think() {
    use Effort::{High, Low, Medium, Minimal, None as No};
    let fields = ["reasoning_effort", "reasoning", "thinking", "chat_template_kwargs", "temperature"];
    let cases: Vec<(&Dialect, &str, Option<Effort>, Value)> = vec![
        (&COMMON, "m", None, json!({"temperature": 0.5})),
        (&COMMON, "m", Some(Minimal), json!({"temperature": 0.5, "reasoning_effort": "low"})),
        (&OPENAI, "gpt-4.1-mini", Some(High), json!({"temperature": 0.5})),
        (&OPENAI, "gpt-5-nano", None, json!({})),
        (&OPENAI, "gpt-5-nano", Some(No), json!({"reasoning_effort": "minimal"})),
        (&OPENAI, "gpt-5.2", Some(No), json!({"temperature": 0.5, "reasoning_effort": "none"})),
        (&OPENAI, "gpt-5.2", Some(High), json!({"reasoning_effort": "high"})),
        (&OPENAI, "gpt-5-pro", Some(Low), json!({"reasoning_effort": "high"})),
        (&OPENAI, "o4-mini", Some(No), json!({"reasoning_effort": "low"})),
        (&OPENAI, "gpt-7", Some(Medium), json!({"reasoning_effort": "medium"})),
        (
            &OPENROUTER,
            "openai/o4-mini",
            Some(No),
            json!({"temperature": 0.5, "reasoning": {"effort": "none"}}),
        ),
        (&GROQ, "llama-3.3-70b-versatile", Some(High), json!({"temperature": 0.5})),
        (&GROQ, "openai/gpt-oss-20b", Some(No), json!({"temperature": 0.5, "reasoning_effort": "low"})),
        (&GROQ, "qwen/qwen3-32b", Some(High), json!({"temperature": 0.5, "reasoning_effort": "default"})),
        (
            &MISTRAL,
            "mistral-small-latest",
            Some(Low),
            json!({"temperature": 0.5, "reasoning_effort": "high"}),
        ),
        (&MISTRAL, "mistral-large-latest", Some(Low), json!({"temperature": 0.5})),
        (&DEEPSEEK, "d", Some(No), json!({"temperature": 0.5, "thinking": {"type": "disabled"}})),
        (
            &DEEPSEEK,
            "d",
            Some(Medium),
            json!({"temperature": 0.5, "thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ),
        (&XAI, "grok-3-mini", Some(Medium), json!({"temperature": 0.5, "reasoning_effort": "high"})),
        (&XAI, "grok-4-0709", Some(Medium), json!({"temperature": 0.5})),
        (
            &LLAMACPP,
            "m",
            Some(No),
            json!({"temperature": 0.5, "chat_template_kwargs": {"enable_thinking": false}}),
        ),
        (
            &VLLM,
            "m",
            Some(Low),
            json!({"temperature": 0.5, "reasoning_effort": "low",
            "chat_template_kwargs": {"enable_thinking": true, "reasoning_effort": "low"}}),
        ),
    ];
    for (dialect, model, effort, expected) in cases {
        let body = body(dialect, model, &asking(effort));
        let said: Map<String, Value> =
            fields.iter().filter_map(|f| Some(((*f).to_owned(), body.get(*f)?.clone()))).collect();
        assert_eq!(Value::Object(said), expected, "{model} {effort:?}");
    }
    assert_eq!(body(&GROQ, "qwen/qwen3-32b", &asking(None))["reasoning_format"], "parsed");
}

#[test]
fn hosts_differ_in_names_and_in_what_they_refuse() {
    let openai = body(&OPENAI, "gpt-4.1-mini", &asking(None));
    assert_eq!(
        (&openai["max_completion_tokens"], &openai["messages"][0]["role"]),
        (&json!(64), &json!("developer"))
    );
    let mistral = body(&MISTRAL, "mistral-small-latest", &asking(None));
    assert_eq!(
        mistral,
        json!({"model": "mistral-small-latest", "stream": true, "max_tokens": 64, "temperature": 0.5,
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]})
    );
    assert_eq!(body(&LMSTUDIO, "m", &asking(None))["stream_options"], json!({"include_usage": true}));
    // Nobody said which: the server's own.
    assert_eq!(body(&VLLM, LOADED, &asking(None)).get("model"), None);
}

// Planted faults: another format's replay sent; a host given what only another reads.
#[test]
fn what_a_host_gave_goes_back_to_it_alone() {
    let call = ToolCall { id: "c1".into(), name: "x".into(), arguments: "{}".into() };
    let kept = |format: &str, value: Value| Replay { format: format.into(), value };
    let line = PromptMessage {
        replay: vec![
            kept("anthropic", json!({"reasoning_details": "no", "reasoning_content": "no"})),
            kept(NAME, json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "xyz"}]})),
            kept(NAME, json!({"reasoning_content": "look it up"})),
        ],
        ..PromptMessage::calling("", vec![call])
    };
    let asked = ModelRequest { messages: vec![line], ..asking(None) };
    let given = |dialect| {
        let body = body(dialect, "m", &asked);
        let line = body["messages"][0].as_object().unwrap().clone();
        ["reasoning_details", "reasoning_content"].map(|f| line.get(f).cloned().unwrap_or_default())
    };
    assert_eq!(given(&OPENROUTER), [json!([{"type": "reasoning.encrypted", "data": "xyz"}]), Value::Null]);
    assert_eq!(given(&DEEPSEEK), [Value::Null, json!("look it up")]);
    for strict in [&OPENAI, &GROQ, &MISTRAL] {
        assert_eq!(given(strict), [Value::Null, Value::Null]);
    }
}

#[test]
fn a_conversation_that_another_began_can_be_gone_on_with() {
    let call = ToolCall { id: "call_1".into(), name: "x".into(), arguments: "{}".into() };
    let own = ToolCall { id: "aB3xK9mP2".into(), ..call.clone() };
    let messages = vec![
        PromptMessage::calling("", vec![call.clone(), own]),
        PromptMessage::answering(&call, "ok"),
        PromptMessage::new(Role::Assistant, "done"),
    ];
    let asked = ModelRequest { messages, ..asking(None) };
    let mistral = body(&MISTRAL, "m", &asked);
    let [first, second] = [0, 1].map(|n| mistral["messages"][0]["tool_calls"][n]["id"].as_str().unwrap());
    assert!(first.len() == 9 && first.bytes().all(|b| b.is_ascii_alphanumeric()), "{first}");
    assert_eq!((mistral["messages"][1]["tool_call_id"].as_str(), second), (Some(first), "aB3xK9mP2"));
    assert_ne!(Ids::Nine.name("call_1"), Ids::Nine.name("call_2"));
    assert_eq!(body(&OPENAI, "m", &asked)["messages"][1]["tool_call_id"], "call_1");
    // It misses what nobody thought, with a call; not with a plain answer.
    let deepseek = body(&DEEPSEEK, "m", &asked);
    assert_eq!(deepseek["messages"][0]["reasoning_content"], "");
    assert_eq!(deepseek["messages"][2].get("reasoning_content"), None);
}

#[test]
fn every_table_ends_with_what_fits_all() {
    for dialect in [
        &COMMON,
        &OPENAI,
        &OPENROUTER,
        &GROQ,
        &MISTRAL,
        &DEEPSEEK,
        &XAI,
        &TOGETHER,
        &FIREWORKS,
        &VLLM,
        &LLAMACPP,
        &LMSTUDIO,
    ] {
        let (last, others) = dialect.models.split_last().unwrap();
        assert!(last.begins.is_empty() && others.iter().all(|f| !f.begins.is_empty()));
        // A row behind one that fits as well would never be looked at.
        for (at, family) in others.iter().enumerate() {
            assert!(others[..at].iter().all(|f| !family.begins.starts_with(f.begins)), "{}", family.begins);
        }
    }
}
