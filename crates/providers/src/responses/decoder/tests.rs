//! The format on hand-written streams, in pieces of every size.

use headwater_core::limit;
use headwater_core::port::provider::{Replay, ToolCall};
use serde_json::json;

use super::*;
use crate::responses::{NAME, Responses};
use crate::wire::Wire;
use crate::wire::testing::{self, Answer, Ending};

/// An event with its name before it, as OpenAI sends it.
fn event(kind: &str, fields: Value) -> String {
    let mut event = json!({"type": kind, "sequence_number": 1});
    if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
        event.extend(fields);
    }
    format!("event: {kind}\ndata: {event}\n\n")
}

/// An event of part `index` of item `output`.
fn part(kind: &str, output: u64, index: u64, field: &str, text: &str) -> String {
    let place = if kind.contains("summary") { "summary_index" } else { "content_index" };
    event(kind, json!({"item_id": format!("i{output}"), "output_index": output, place: index, field: text}))
}

fn item(output: u64, item: Value) -> String {
    event("response.output_item.done", json!({"output_index": output, "item": item}))
}

fn text(output: u64, text: &str) -> String {
    part("response.output_text.delta", output, 0, "delta", text)
}

fn message(text: &str) -> Value {
    json!({"type": "message", "id": "i0", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

/// The terminal with these items and this usage.
fn completed(output: Value) -> String {
    let usage = json!({"input_tokens": 12, "output_tokens": 7, "total_tokens": 19,
        "input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 3}});
    let response = json!({"id": "r", "status": "completed", "error": null, "incomplete_details": null,
        "output": output, "usage": usage});
    event("response.completed", json!({"response": response}))
}

const USED: Usage = Usage {
    input_tokens: Some(12),
    output_tokens: Some(7),
    cached_tokens: Some(4),
    cache_write_tokens: None,
    reasoning_tokens: Some(3),
    cost_usd: None,
    estimated: false,
};

async fn read(body: &str) -> Answer {
    let whole = testing::decode(&Responses, body.as_bytes(), body.len()).await;
    for body in [body.to_owned(), body.replace('\n', "\r\n"), format!("\u{FEFF}{body}")] {
        for size in [1, 7] {
            assert_eq!(testing::decode(&Responses, body.as_bytes(), size).await, whole);
        }
    }
    whole
}

fn end(reason: FinishReason) -> Ending {
    Ending::End(reason, USED)
}

// Planted faults: a text said again when it is done; one said only then, not at all.
#[tokio::test]
async fn a_text_is_said_once_by_whichever_event() {
    let begin = event(
        "response.created",
        json!({"response": {"status": "in_progress", "output": [], "usage": null}}),
    ) + ": keepalive\n\n"
        + &event(
            "response.output_item.added",
            json!({"output_index": 0, "item": {"type": "message", "content": []}}),
        )
        + &event(
            "response.content_part.added",
            json!({"output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": ""}}),
        );
    let pieces = text(0, "Ünï") + &text(0, "") + &text(0, "cödé 水 🚗");
    let whole = "Ünïcödé 水 🚗";
    let done = part("response.output_text.done", 0, 0, "text", whole);
    let part_done = event(
        "response.content_part.done",
        json!({"output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": whole}}),
    );
    let last = item(0, message(whole));
    let terminal = completed(json!([message(whole)]));
    let expected = Answer::of(whole, end(FinishReason::Stop));
    for body in [
        [pieces.as_str(), &done, &part_done, &last, &terminal].concat(),
        // A host that leaves out the rest, or the pieces, or all but one.
        [pieces.as_str(), &terminal].concat(),
        [done.as_str(), &part_done, &last, &terminal].concat(),
        [part_done.as_str(), &terminal].concat(),
        [last.as_str(), &terminal].concat(),
        terminal.clone(),
    ] {
        assert_eq!(read(&(begin.clone() + &body)).await, expected, "{body}");
        // Without names, and closed as chat completions are.
        let nameless: Vec<_> = body.lines().filter(|line| !line.starts_with("event:")).collect();
        assert_eq!(read(&(nameless.join("\n") + "\n\ndata: [DONE]\n\n")).await, expected);
    }
    // Cut anywhere before the terminal, it is no end; not even with `[DONE]`.
    let cut = begin + &pieces + &done + &last;
    let broken = Answer::of(whole, Ending::Error(ProviderErrorKind::Interrupted));
    assert_eq!(read(&cut).await, broken);
    assert_eq!(read(&(cut + "data: [DONE]\n\n")).await, broken);
}

#[tokio::test]
async fn one_host_names_the_same_item_anew_each_time_and_another_gives_no_places() {
    let anew = event(
        "response.output_text.delta",
        json!({"output_index": 0, "content_index": 0, "item_id": "x1", "delta": "a"}),
    ) + &event(
        "response.output_text.delta",
        json!({"output_index": 0, "content_index": 0, "item_id": "x2", "delta": "b"}),
    ) + &event(
        "response.output_text.done",
        json!({"output_index": 0, "content_index": 0, "item_id": "x3", "text": "ab"}),
    );
    let nowhere = event("response.output_text.delta", json!({"delta": "ab"}))
        + &event("response.output_text.done", json!({"text": "ab"}));
    for body in [anew, nowhere] {
        let answer = read(&(body + &completed(json!([message("ab")])))).await;
        assert_eq!(answer, Answer::of("ab", end(FinishReason::Stop)));
    }
}

// Planted fault: no paragraph between two parts.
#[tokio::test]
async fn thoughts_are_read_in_paragraphs_and_kept_for_the_host() {
    let summary = |n: u64, t: &str| part("response.reasoning_summary_text.delta", 0, n, "delta", t);
    let thought = json!({"type": "reasoning", "id": "i0", "encrypted_content": "xyz",
        "summary": [{"type": "summary_text", "text": "**A** b"}, {"type": "summary_text", "text": "**C**"}]});
    let said = json!({"type": "message", "id": "i1", "phase": "final_answer",
        "content": [{"type": "output_text", "text": "four"}]});
    let whole = completed(json!([thought, said]));
    let pieces = summary(0, "**A**") + &summary(0, " b") + &summary(1, "**C**");
    let items = item(0, thought.clone()) + &text(1, "four") + &item(1, said);
    for body in [pieces + &items + &whole, items + &whole, whole.clone()] {
        let answer = read(&body).await;
        assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("**A** b\n\n**C**", "four"));
        let mark = json!({"type": "message", "phase": "final_answer"});
        let kept = [thought.clone(), mark].map(|value| Replay { format: NAME.into(), value });
        assert_eq!((answer.replay.as_slice(), answer.ending), (kept.as_slice(), end(FinishReason::Stop)));
    }
    // LM Studio: the thoughts themselves, which nobody wants back.
    let own = part("response.reasoning_text.delta", 0, 0, "delta", "hm")
        + &part("response.reasoning_text.done", 0, 0, "text", "hm")
        + &item(
            0,
            json!({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}),
        )
        + &text(1, "four");
    let answer = read(&(own + &completed(json!([])))).await;
    assert_eq!((answer.reasoning.as_str(), answer.replay.len()), ("hm", 0));
}

fn call(status: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": "i0", "call_id": "call_1", "name": "slots", "status": status, "arguments": arguments})
}

// Planted faults: arguments taken twice; half a call carried out.
#[tokio::test]
async fn a_call_comes_out_once_and_whole() {
    let added =
        event("response.output_item.added", json!({"output_index": 0, "item": call("in_progress", "")}));
    let piece = |t: &str| part("response.function_call_arguments.delta", 0, 0, "delta", t);
    let done = part("response.function_call_arguments.done", 0, 0, "arguments", "{\"a\":1}");
    let last = item(0, call("completed", "{\"a\":1}"));
    let terminal = completed(json!([call("completed", "{\"a\":1}")]));
    let pieces = piece("{\"a\"") + &piece(":1}");
    let expected = ToolCall { id: "call_1".into(), name: "slots".into(), arguments: "{\"a\":1}".into() };
    for body in [
        added.clone() + &pieces + &done + &last + &terminal,
        added.clone() + &pieces + &terminal,
        added.clone() + &done + &last + &terminal,
        last + &terminal,
        terminal,
    ] {
        let answer = read(&body).await;
        assert_eq!(answer.calls, std::slice::from_ref(&expected), "{body}");
        assert_eq!(answer.ending, end(FinishReason::ToolCalls));
    }
    // Two at once, their pieces mixed.
    let second =
        json!({"type": "function_call", "id": "i1", "call_id": "call_2", "name": "slots", "arguments": ""});
    let body = added.clone()
        + &event("response.output_item.added", json!({"output_index": 1, "item": second}))
        + &piece("{\"a\"")
        + &part("response.function_call_arguments.delta", 1, 0, "delta", "{}")
        + &piece(":1}");
    let answer = read(&(body + &completed(json!([])))).await;
    let other = ToolCall { id: "call_2".into(), arguments: "{}".into(), ..expected.clone() };
    assert_eq!(answer.calls, [expected, other]);
    // Cut by the limit.
    let cut =
        json!({"response": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}});
    let body = added
        + &piece("{\"a\"")
        + &item(0, call("incomplete", "{\"a\""))
        + &event("response.incomplete", cut);
    let answer = read(&body).await;
    assert_eq!((answer.calls.len(), answer.ending), (0, Ending::End(FinishReason::Length, Usage::default())));
}

// Planted fault: the flat error's code not looked at.
#[tokio::test]
async fn endings_and_failures_are_told_apart() {
    use ProviderErrorKind::{Busy, Failed, Interrupted, Refused};
    let refusal = part("response.refusal.delta", 0, 0, "delta", "I cannot.")
        + &part("response.refusal.done", 0, 0, "refusal", "I cannot.");
    let answer = read(&(refusal + &completed(json!([])))).await;
    assert_eq!((answer.refusal.as_str(), answer.ending), ("I cannot.", end(FinishReason::Refusal)));
    let over = |response: Value| event("response.incomplete", json!({"response": response}));
    for (why, reason) in [
        ("max_output_tokens", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
        ("new", FinishReason::Other),
    ] {
        let body =
            text(0, "a") + &over(json!({"status": "incomplete", "incomplete_details": {"reason": why}}));
        assert_eq!(read(&body).await, Answer::of("a", Ending::End(reason, Usage::default())));
    }
    let failed =
        |error: Value| event("response.failed", json!({"response": {"status": "failed", "error": error}}));
    for (body, kind) in [
        (failed(json!({"code": "server_error", "message": "m"})), Failed),
        (failed(json!({"code": "rate_limit_exceeded", "message": "m"})), Busy),
        (failed(Value::Null), Failed),
        (event("error", json!({"code": "rate_limit_exceeded", "message": "m", "param": null})), Busy),
        (
            event(
                "error",
                json!({"error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "m"}}),
            ),
            Refused,
        ),
        (
            event(
                "response.completed",
                json!({"response": {"status": "failed", "error": {"code": "invalid_prompt"}}}),
            ),
            Refused,
        ),
        (event("response.cancelled", json!({"response": {}})), Interrupted),
        ("data: {\"error\":{\"code\":503,\"message\":\"m\"}}\n\n".into(), Busy),
        ("event: error\ndata: oops\n\n".into(), Failed),
        ("data: {oops\n\n".into(), Failed),
    ] {
        // What follows an error is not read.
        let body = text(0, "a") + &body + &failed(Value::Null) + &completed(json!([]));
        assert_eq!(read(&body).await, Answer::of("a", Ending::Error(kind)), "{body}");
    }
}

#[tokio::test]
async fn sources_are_said_once() {
    let page =
        json!({"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2});
    let file = json!({"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 3});
    let added = |a: &Value| {
        event("response.output_text.annotation.added", json!({"output_index": 0, "annotation": a}))
    };
    let mut said = message("ab");
    said["content"][0]["annotations"] = json!([page, file]);
    for body in [added(&page) + &added(&file), String::new()] {
        let answer =
            read(&(text(0, "ab") + &body + &item(0, said.clone()) + &completed(json!([said])))).await;
        let cited: Vec<_> = answer.citations.iter().map(|c| (c.url.as_deref(), c.title.as_deref())).collect();
        assert_eq!(cited, [(Some("https://a"), Some("A")), (None, Some("a.pdf"))]);
    }
}

#[test]
fn what_is_not_known_is_counted_and_what_a_tool_of_the_host_s_does_is_not() {
    let mut decoder = Responses.decoder();
    let mut out = Vec::new();
    for (kind, known) in [
        ("response.created", true),
        ("response.web_search_call.searching", true),
        ("response.code_interpreter_call_code.delta", true),
        ("response.mcp_list_tools.completed", true),
        ("response.something.new", false),
        ("something", false),
    ] {
        let before = decoder.skipped();
        decoder.push(Some(kind), &json!({"type": kind}).to_string(), &mut out).unwrap();
        assert_eq!(decoder.skipped() == before, known, "{kind}");
    }
    assert!(out.is_empty());
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let thought = |n: u64| {
        item(
            n,
            json!({"type": "reasoning", "encrypted_content": "x".repeat(limit::REPLAY_BYTES / 2), "summary": []}),
        )
    };
    let body = thought(0) + &thought(1) + &completed(json!([]));
    let answer = testing::decode(&Responses, body.as_bytes(), 65536).await;
    assert_eq!(answer.ending, Ending::Error(ProviderErrorKind::Failed));
    let many: String = (0..5000).map(|n| text(n, "a")).collect();
    let answer = testing::decode(&Responses, many.as_bytes(), 65536).await;
    assert_eq!(answer.ending, Ending::Error(ProviderErrorKind::Failed));
}
