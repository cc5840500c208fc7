//! Each format, whole: every event can be read, and together they say what the script says.

use headwater_fake_provider::{Fake, Finish, Format, Placement, ReasoningAs, Script, Tool};
use serde_json::{Value, json};

use crate::client::{ask, asked, events, get, joined, post, read, send, values};

fn everything() -> Script {
    let tool = |name: &str, city: &str| Tool { name: name.into(), arguments: json!({"city": city}) };
    Script {
        tokens: 12,
        reasoning: 5,
        citations: 1,
        cached_tokens: 5,
        tools: vec![tool("weather", "Köln"), tool("news", "流")],
        ..Script::default()
    }
}

async fn all_of(format: Format, script: &Script) -> (String, Vec<Value>) {
    let fake = Fake::start(script.clone()).await.unwrap();
    let answer = ask(&fake, format).await;
    assert_eq!((answer.status, answer.end), (200, Ok(true)), "{format:?}");
    let text = answer.text();
    let values = values(&text);
    (text, values)
}

#[tokio::test]
async fn anthropic_has_blocks_one_after_another_and_sums_at_both_ends() {
    let script = everything();
    let (text, values) = all_of(Format::Anthropic, &script).await;
    for (name, data) in events(&text) {
        let data: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(name.as_deref(), data["type"].as_str());
    }
    assert_eq!(values[0]["type"], "message_start");
    assert_eq!(values[0]["message"]["usage"]["input_tokens"], 20);
    assert_eq!(values[2], json!({"type": "ping"}));
    assert_eq!(joined(&values, "/delta/thinking"), script.thought());
    assert_eq!(joined(&values, "/delta/text"), script.said());
    assert!(!joined(&values, "/delta/signature").is_empty());
    let starts: Vec<_> = values.iter().filter_map(|v| v.pointer("/content_block/type")?.as_str()).collect();
    assert_eq!(starts, ["thinking", "text", "tool_use", "tool_use"]);
    let mut open = None;
    for value in &values {
        match value["type"].as_str().unwrap() {
            "content_block_start" => assert_eq!(open.replace(value["index"].clone()), None),
            "content_block_delta" => assert_eq!(open, Some(value["index"].clone())),
            "content_block_stop" => assert_eq!(open.take(), Some(value["index"].clone())),
            _ => {}
        }
    }
    let of = |n: u64| values.iter().filter(move |v| v["index"] == n).cloned().collect::<Vec<_>>();
    let arguments = joined(&of(2), "/delta/partial_json");
    assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"city": "Köln"}));
    let last = &values[values.len() - 2];
    assert_eq!(last["delta"]["stop_reason"], "tool_use");
    assert_eq!(last["usage"]["output_tokens"], script.used().output);
    assert_eq!(last["usage"]["cache_read_input_tokens"], 5);
    assert_eq!(values.last().unwrap(), &json!({"type": "message_stop"}));
}

#[tokio::test]
async fn chat_completions_end_with_reason_usage_and_done() {
    let script = everything();
    let (text, values) = all_of(Format::OpenAi, &script).await;
    assert!(text.ends_with("data: [DONE]\n\n") && !text.contains("event:"));
    assert_eq!(joined(&values, "/choices/0/delta/content"), script.said());
    assert_eq!(joined(&values, "/choices/0/delta/reasoning_content"), script.thought());
    let reasons: Vec<_> =
        values.iter().filter_map(|v| v.pointer("/choices/0/finish_reason")?.as_str()).collect();
    assert_eq!(reasons, ["tool_calls"]);
    let last = values.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["prompt_tokens"]), (&json!([]), &json!(25)));
    assert_eq!(last["usage"]["completion_tokens"], script.used().output);
    let of = |n: u64| {
        let mine = |v: &&Value| v.pointer("/choices/0/delta/tool_calls/0/index") == Some(&json!(n));
        values.iter().filter(mine).cloned().collect::<Vec<_>>()
    };
    let second = joined(&of(1), "/choices/0/delta/tool_calls/0/function/arguments");
    assert_eq!(serde_json::from_str::<Value>(&second).unwrap(), json!({"city": "流"}));
    assert_eq!(joined(&of(1), "/choices/0/delta/tool_calls/0/function/name"), "news");
    assert_eq!(joined(&of(1), "/choices/0/delta/tool_calls/0/id"), "call_1");
}

#[tokio::test]
async fn the_usage_of_chat_completions_stands_where_it_was_put() {
    let usages = async |usage, asked_for: bool| {
        let fake = Fake::start(Script { usage, tokens: 2, ..Script::default() }).await.unwrap();
        let (path, mut body) = asked(Format::OpenAi, "m", true);
        if !asked_for {
            body.as_object_mut().unwrap().remove("stream_options");
        }
        let values = values(&post(&fake, &path, &body).await.text());
        let place =
            |v: &Value| match (v["choices"][0]["finish_reason"].is_string(), v["choices"][0].is_null()) {
                (true, _) => "finish",
                (_, true) => "own",
                _ => "words",
            };
        values.iter().filter(|v| v["usage"].is_object()).map(place).collect::<Vec<_>>()
    };
    assert_eq!(usages(Placement::Customary, true).await, ["own"]);
    assert_eq!(usages(Placement::Customary, false).await, [""; 0]);
    assert_eq!(usages(Placement::OwnChunk, false).await, ["own"]);
    assert_eq!(usages(Placement::WithFinish, false).await, ["finish"]);
    assert_eq!(usages(Placement::Twice, true).await, ["finish"]);
    assert_eq!(usages(Placement::Groq, false).await, [""; 0]);
    assert_eq!(usages(Placement::Every, false).await, ["words", "words", "words", "finish"]);
    assert_eq!(usages(Placement::Never, true).await, [""; 0]);
}

#[tokio::test]
async fn reasoning_of_chat_completions_stands_where_it_was_put() {
    for (reasoning_as, pointer) in [
        (ReasoningAs::ReasoningContent, "/choices/0/delta/reasoning_content"),
        (ReasoningAs::Reasoning, "/choices/0/delta/reasoning"),
        (ReasoningAs::Details, "/choices/0/delta/reasoning_details/0/text"),
        (ReasoningAs::Parts, "/choices/0/delta/content/0/thinking/0/text"),
    ] {
        let script = Script { reasoning: 4, reasoning_as, ..Script::default() };
        let (_, values) = all_of(Format::OpenAi, &script).await;
        assert_eq!(joined(&values, pointer), script.thought());
        assert_eq!(joined(&values, "/choices/0/delta/content"), script.said());
    }
}

#[tokio::test]
async fn responses_are_items_with_numbers_and_one_terminal() {
    let script = everything();
    let (text, values) = all_of(Format::Responses, &script).await;
    for (number, (name, data)) in events(&text).into_iter().enumerate() {
        let data: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(name.as_deref(), data["type"].as_str());
        assert_eq!(data["sequence_number"], number);
    }
    let of = |kind: &str| values.iter().filter(|v| v["type"] == kind).cloned().collect::<Vec<_>>();
    assert_eq!(joined(&of("response.output_text.delta"), "/delta"), script.said());
    assert_eq!(joined(&of("response.reasoning_summary_text.delta"), "/delta"), script.thought());
    assert_eq!(of("response.output_text.annotation.added").len(), 1);
    assert_eq!(of("response.output_item.added").len(), of("response.output_item.done").len());
    let last = values.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    let output = last["response"]["output"].as_array().unwrap();
    let kinds: Vec<_> = output.iter().map(|i| i["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call", "function_call"]);
    assert_eq!(output[1]["content"][0]["text"], script.said());
    assert_eq!(output[2]["arguments"], json!({"city": "Köln"}).to_string());
    assert!(output[0]["encrypted_content"].is_string());
    assert_eq!(last["response"]["usage"]["output_tokens"], script.used().output);
    let cut = Script { finish: Some(Finish::Length), ..Script::default() };
    let (_, values) = all_of(Format::Responses, &cut).await;
    assert_eq!(values.last().unwrap()["response"]["incomplete_details"]["reason"], "max_output_tokens");
}

#[tokio::test]
async fn gemini_has_crlf_whole_calls_and_running_sums() {
    let script = everything();
    let (text, values) = all_of(Format::Gemini, &script).await;
    assert!(text.ends_with("\r\n\r\n") && text.matches('\n').count() == text.matches("\r\n").count());
    let part = "/candidates/0/content/parts/0";
    let (thoughts, words): (Vec<_>, Vec<_>) =
        values.iter().cloned().partition(|v| v.pointer(&format!("{part}/thought")) == Some(&json!(true)));
    assert_eq!(joined(&thoughts, &format!("{part}/text")), script.thought());
    assert_eq!(joined(&words, &format!("{part}/text")), script.said());
    let calls: Vec<_> = values.iter().filter_map(|v| v.pointer(&format!("{part}/functionCall"))).collect();
    assert_eq!(calls[0], &json!({"name": "weather", "args": {"city": "Köln"}}));
    assert!(words[0].pointer(&format!("{part}/thoughtSignature")).is_some());
    assert!(values.iter().all(|v| v["usageMetadata"].is_object()));
    let last = values.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let used = script.used();
    assert_eq!(last["usageMetadata"]["candidatesTokenCount"], used.output - used.reasoning);
    assert_eq!(last["usageMetadata"]["thoughtsTokenCount"], used.reasoning);
}

#[tokio::test]
async fn ollama_is_lines_and_streams_by_itself() {
    let script = everything();
    let (text, values) = all_of(Format::Ollama, &script).await;
    assert!(text.ends_with("}\n") && !text.contains("data:"));
    assert_eq!(joined(&values, "/message/content"), script.said());
    assert_eq!(joined(&values, "/message/thinking"), script.thought());
    let last = values.last().unwrap();
    assert_eq!((&last["done"], &last["eval_count"]), (&json!(true), &json!(script.used().output)));

    let fake = Fake::start(Script::tokens(3)).await.unwrap();
    let (path, mut body) = asked(Format::Ollama, "m", true);
    body.as_object_mut().unwrap().remove("stream");
    let answer = post(&fake, &path, &body).await;
    assert!(answer.head.contains("content-type: application/x-ndjson"), "{}", answer.head);
}

#[tokio::test]
async fn refusals_are_told_from_text_where_the_format_does() {
    let script = Script { refusal: true, ..Script::saying("I will not do that.") };
    let (_, values) = all_of(Format::OpenAi, &script).await;
    assert_eq!(joined(&values, "/choices/0/delta/refusal"), "I will not do that.");
    let (_, values) = all_of(Format::Responses, &script).await;
    let deltas: Vec<_> = values.into_iter().filter(|v| v["type"] == "response.refusal.delta").collect();
    assert_eq!(joined(&deltas, "/delta"), "I will not do that.");
    let (_, values) = all_of(Format::Anthropic, &script).await;
    assert_eq!(joined(&values, "/delta/stop_reason"), "refusal");
    let (_, values) = all_of(Format::Gemini, &script).await;
    assert_eq!(joined(&values, "/candidates/0/finishReason"), "SAFETY");
}

#[tokio::test]
async fn an_answer_can_come_whole_and_says_the_same() {
    let script = everything();
    let fake = Fake::start(script.clone()).await.unwrap();
    for (format, text) in [
        (Format::Anthropic, "/content/1/text"),
        (Format::OpenAi, "/choices/0/message/content"),
        (Format::Responses, "/output/1/content/0/text"),
        (Format::Gemini, "/candidates/0/content/parts/1/text"),
        (Format::Ollama, "/message/content"),
    ] {
        let (path, body) = asked(format, "m", false);
        let answer = post(&fake, &path, &body).await.json();
        assert_eq!(answer.pointer(text).unwrap(), &json!(script.said()), "{format:?} {answer}");
    }
    let array = post(&fake, "/v1beta/models/m:streamGenerateContent", &json!({"contents": []})).await;
    assert_eq!(array.status, 400);
    assert!(array.text().contains("alt=sse"));
}

#[tokio::test]
async fn each_format_lists_models_and_misses_what_its_host_would_miss() {
    let fake =
        Fake::start(Script { models: vec!["a".into(), "b".into()], ..Script::default() }).await.unwrap();
    let anthropic = read(send(&fake, "GET", "/v1/models", "x-api-key: k\r\n", "").await).await.json();
    assert_eq!((&anthropic["last_id"], &anthropic["data"][0]["id"]), (&json!("b"), &json!("a")));
    assert_eq!(get(&fake, "/v1beta/models").await.json()["models"][1]["name"], "models/b");
    assert_eq!(get(&fake, "/api/tags").await.json()["models"][0]["name"], "a");

    let (path, mut body) = asked(Format::Anthropic, "m", true);
    body.as_object_mut().unwrap().remove("max_tokens");
    let answer = post(&fake, &path, &body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["message"], "max_tokens: Field required");
    for body in ["", "{", "[]", "null", "{\"model\": 5}", "\u{0}"] {
        for path in
            ["/v1/chat/completions", "/v1/responses", "/api/chat", "/v1beta/models/:streamGenerateContent"]
        {
            assert_eq!(read(send(&fake, "POST", path, "", body).await).await.status, 400, "{path} {body}");
        }
    }
    assert_eq!(get(&fake, "/v2/everything").await.status, 404);
    assert_eq!(fake.read(|calls| calls.open), 0);
}
