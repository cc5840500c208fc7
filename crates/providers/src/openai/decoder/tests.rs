//! What single hosts send, on hand-written streams, in pieces of every size.

use headwater_core::limit;
use headwater_core::port::provider::{Cost, Replay, ToolCall};
use serde_json::json;

use super::*;
use crate::openai::dialect::{self, Dialect};
use crate::openai::{NAME, OpenAi};
use crate::wire::Wire;
use crate::wire::testing::{self, Answer, Ending};

/// An event with this choice, and what stands beside the choices.
fn event(choice: &Value, beside: Value) -> String {
    let mut chunk = json!({"id": "c1", "object": "chat.completion.chunk", "choices": [choice]});
    if let (Some(chunk), Value::Object(beside)) = (chunk.as_object_mut(), beside) {
        chunk.extend(beside);
    }
    format!("data: {chunk}\n\n")
}

fn delta(delta: Value) -> String {
    event(&json!({"index": 0, "delta": delta, "finish_reason": null}), json!({}))
}

fn finish(word: &str) -> String {
    event(&json!({"index": 0, "delta": {}, "finish_reason": word}), json!({}))
}

const DONE: &str = "data: [DONE]\n\n";

async fn read_as(dialect: &'static Dialect, pieces: &[String]) -> Answer {
    let (body, wire) = (pieces.concat(), OpenAi { dialect });
    let whole = testing::decode(&wire, body.as_bytes(), body.len()).await;
    for size in [1, 7] {
        assert_eq!(testing::decode(&wire, body.as_bytes(), size).await, whole);
    }
    assert_eq!(testing::decode(&wire, body.replace('\n', "\r\n").as_bytes(), 7).await, whole);
    whole
}

async fn read(pieces: &[String]) -> Answer {
    read_as(&dialect::COMMON, pieces).await
}

fn stop(usage: Usage) -> Ending {
    Ending::End(FinishReason::Stop, usage)
}

// Planted faults: `reasoning` and `reasoning_content` both said; details said beside `reasoning`; a part of
// Mistral's that is unknown taken for text.
#[tokio::test]
async fn what_a_model_thinks_is_told_from_what_it_says_whatever_the_host_calls_it() {
    let said = delta(json!({"content": "four"})) + &finish("stop");
    let ways = [
        vec![json!({"reasoning_content": "two and "}), json!({"content": null, "reasoning_content": "two"})],
        vec![
            json!({"reasoning": "two and ", "channel": "analysis"}),
            json!({"content": "", "reasoning": "two"}),
        ],
        // Some versions send both names.
        vec![json!({"reasoning": "two and two", "reasoning_content": "two and two"})],
        // OpenRouter: the same in the details.
        vec![json!({"reasoning": "two and two", "content": "",
            "reasoning_details": [{"type": "reasoning.text", "text": "two and two", "index": 0}]})],
        vec![
            json!({"reasoning_details": [{"type": "reasoning.summary", "summary": "two and "}]}),
            json!({"reasoning": null, "reasoning_details": [{"type": "reasoning.text", "text": "two"}]}),
        ],
        // Mistral: parts, the inner ones texts or objects.
        vec![
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "two and "}]}]}),
            json!({"content": [{"type": "thinking", "thinking": "two"}, {"type": "reference", "text": "x"}]}),
        ],
        // Not a text where one is expected: the rest is read all the same.
        vec![json!({"reasoning": {"effort": "low"}, "reasoning_content": "two and two", "refusal": 7})],
    ];
    for way in ways {
        let body: String = way.iter().cloned().map(delta).collect();
        let answer = read(&[body, said.clone()]).await;
        assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("two and two", "four"), "{way:?}");
        assert_eq!(answer.ending, stop(Usage::default()));
    }
    let parts = json!({"content": [{"type": "text", "text": "fo"}, {"type": "text", "text": "ur"}]});
    assert_eq!(read(&[delta(parts), finish("stop")]).await, Answer::of("four", stop(Usage::default())));
}

// Planted fault: an answer that declined ended as any other.
#[tokio::test]
async fn a_refusal_is_an_answer_and_an_ending_of_its_own() {
    let pieces = [json!({"content": "", "refusal": "I can"}), json!({"refusal": "not."})];
    let answer = read(&[pieces.map(delta).concat(), finish("stop"), DONE.into()]).await;
    assert_eq!(answer.refusal, "I cannot.");
    assert_eq!(answer.ending, Ending::End(FinishReason::Refusal, Usage::default()));
}

#[tokio::test]
async fn the_usage_is_found_in_every_place() {
    let said = || delta(json!({"content": "a"}));
    let numbers = json!({"prompt_tokens": 12, "completion_tokens": 7});
    let alone = |beside: Value| {
        let mut chunk = json!({"choices": []});
        chunk.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
        format!("data: {chunk}\n\n")
    };
    let with_finish = |beside: Value| event(&json!({"delta": {}, "finish_reason": "stop"}), beside);
    let bodies = [
        // Behind the reason, as documented.
        said() + &finish("stop") + &alone(json!({"usage": numbers})) + DONE,
        // With it, and no `[DONE]`.
        said() + &with_finish(json!({"usage": numbers})),
        // Groq's corner, and once more.
        said() + &with_finish(json!({"x_groq": {"id": "r", "usage": numbers}})) + DONE,
        said()
            + &with_finish(json!({"x_groq": {"usage": numbers}}))
            + &alone(json!({"usage": numbers}))
            + DONE,
        // OpenRouter: the reason twice.
        said() + &finish("stop") + &with_finish(json!({"usage": numbers})) + DONE,
        // llama.cpp's measurements alone.
        said()
            + &finish("stop")
            + &alone(json!({"timings": {"prompt_n": 2, "cache_n": 10, "predicted_n": 7}}))
            + DONE,
    ];
    for body in bodies {
        let answer = read(std::slice::from_ref(&body)).await;
        let Ending::End(FinishReason::Stop, usage) = answer.ending else { panic!("{body}: {answer:?}") };
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(12), Some(7)), "{body}");
        assert_eq!(answer.so_far, None, "{body}");
    }
    // Planted fault: measured once and for all. With every piece it measures anew; what it reports counts.
    let measured = |n: u32| {
        event(
            &json!({"delta": {"content": "a"}}),
            json!({"timings": {"prompt_n": 2, "cache_n": 10, "predicted_n": n}}),
        )
    };
    let body = [measured(1), measured(2), measured(6), measured(7), finish("stop"), DONE.into()];
    let Ending::End(_, usage) = read(&body).await.ending else { panic!("no end") };
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(12), Some(7)));
    let body = [measured(1), finish("stop"), alone(json!({"usage": numbers})), measured(9), DONE.into()];
    let Ending::End(_, usage) = read(&body).await.ending else { panic!("no end") };
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(12), Some(7)));
    // Said while it writes: known even if it is never ended.
    let early = event(&json!({"delta": {"content": "a"}}), json!({"usage": numbers}));
    let answer = read(&[early]).await;
    assert_eq!(answer.so_far, Some(Usage::of(12, 7)));
    assert_eq!(answer.ending, Ending::Error(ProviderErrorKind::Interrupted));
    // An error after it: what it took is owed.
    let failed = format!(
        "data: {}\n\n",
        json!({"error": {"code": 400, "message": "m"}, "choices": [], "usage": {
        "prompt_tokens": 12, "completion_tokens": 7, "cost": 0.25}})
    );
    let answer = read_as(&dialect::OPENROUTER, &[said(), finish("length"), failed, DONE.into()]).await;
    let paid = Usage { cost_usd: Cost::from_dollars(0.25), ..Usage::of(12, 7) };
    assert_eq!((answer.so_far, answer.ending), (Some(paid), Ending::Error(ProviderErrorKind::Refused)));
}

// Planted fault: every reason that is not known taken for an end.
#[tokio::test]
async fn reasons_are_told_apart_and_a_failure_is_no_end() {
    use FinishReason::*;
    use ProviderErrorKind::{Busy, Failed, Interrupted};
    for (word, reason) in [
        ("stop", Stop),
        ("eos", Stop),
        ("length", Length),
        ("model_length", Length),
        ("tool_calls", ToolCalls),
        ("content_filter", ContentFilter),
        ("something_new", Other),
    ] {
        assert_eq!(read(&[finish(word)]).await.ending, Ending::End(reason, Usage::default()), "{word}");
    }
    for (word, kind) in [
        ("error", Failed),
        ("insufficient_system_resource", Busy),
        ("abort", Interrupted),
        // An empty one is none.
        ("", Interrupted),
    ] {
        assert_eq!(read(&[finish(word)]).await.ending, Ending::Error(kind), "{word}");
    }
    // OpenRouter and Groq say more beside it.
    let error = json!({"code": 429, "message": "m"});
    let beside = event(&json!({"delta": {}, "finish_reason": "error", "error": error}), json!({}));
    assert_eq!(read(&[beside]).await.ending, Ending::Error(Busy));
    let corner =
        event(&json!({"delta": {}, "finish_reason": "stop"}), json!({"x_groq": {"error": "over capacity"}}));
    assert_eq!(read(&[corner]).await.ending, Ending::Error(Failed));
}

#[tokio::test]
async fn sources_are_said_once_wherever_they_stand() {
    let annotation = json!({"annotations": [{"type": "url_citation", "url_citation": {
        "url": "https://a", "title": "A", "content": "quoted", "start_index": 1, "end_index": 5}}]});
    let beside = json!({"citations": ["https://a", "https://b"],
        "search_results": [{"title": "B", "url": "https://b", "snippet": "from b", "date": null}]});
    let again = event(&json!({"delta": {"content": "x"}}), beside);
    let answer = read(&[delta(annotation), again.clone(), again, finish("stop")]).await;
    let place = |url: &str, title: &str, quote: &str| Citation {
        url: Some(url.into()),
        title: Some(title.into()),
        quote: Some(quote.into()),
    };
    assert_eq!(answer.citations, [place("https://a", "A", "quoted"), place("https://b", "B", "from b")]);
}

fn replay(value: Value) -> Vec<Replay> {
    vec![Replay { format: NAME.into(), value }]
}

// Planted faults: pieces of a detail kept apart; a signature lost; thoughts given back without a call.
#[tokio::test]
async fn what_the_host_wants_back_is_kept_as_it_came() {
    let detail = |d: Value| delta(json!({"reasoning_details": [d]}));
    let text = |t: &str| detail(json!({"type": "reasoning.text", "text": t, "format": "f1", "index": 0}));
    let pieces = [
        text("two "),
        text("and two"),
        detail(json!({"type": "reasoning.text", "signature": "sig==", "format": "f1", "index": 0})),
        detail(
            json!({"type": "reasoning.encrypted", "data": "xyz", "id": "rs_1", "format": "f1", "index": 1}),
        ),
        finish("stop"),
    ];
    let answer = read_as(&dialect::OPENROUTER, &pieces).await;
    let whole = json!({"reasoning_details": [
        {"type": "reasoning.text", "text": "two and two", "signature": "sig==", "format": "f1", "index": 0},
        {"type": "reasoning.encrypted", "data": "xyz", "id": "rs_1", "format": "f1", "index": 1},
    ]});
    assert_eq!((answer.reasoning.as_str(), answer.replay), ("two and two", replay(whole)));

    let thought = delta(json!({"reasoning_content": "look it up"}));
    let call = delta(
        json!({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "x", "arguments": "{}"}}]}),
    );
    let answer = read_as(&dialect::DEEPSEEK, &[thought.clone(), call.clone(), finish("tool_calls")]).await;
    assert_eq!(answer.replay, replay(json!({"reasoning_content": "look it up"})));
    assert_eq!(answer.calls, [ToolCall { id: "c1".into(), name: "x".into(), arguments: "{}".into() }]);
    assert!(read_as(&dialect::DEEPSEEK, &[thought.clone(), finish("stop")]).await.replay.is_empty());
    assert!(read_as(&dialect::GROQ, &[thought, call, finish("tool_calls")]).await.replay.is_empty());

    // There is an end to what is kept.
    let long = detail(json!({"type": "reasoning.encrypted", "data": "x".repeat(limit::REPLAY_BYTES / 2)}));
    let wire = OpenAi { dialect: &dialect::OPENROUTER };
    let body = [long.clone(), long, finish("stop")].concat();
    let answer = testing::decode(&wire, body.as_bytes(), 65536).await;
    assert_eq!(answer.ending, Ending::Error(ProviderErrorKind::Failed));
}

#[test]
fn what_is_skipped_is_counted() {
    let mut decoder = OpenAi::default().decoder();
    let mut out = Vec::new();
    for data in [
        r#"{"choices":[{"index":1,"delta":{"content":"other"}},{"index":0,"delta":{"content":"a"}}]}"#,
        r#"{"something":"new"}"#,
        "[1, 2]",
        r#"{"choices":[{"delta":{"content":[{"type":"new"}]}}]}"#,
        r#"{"choices":[]}"#,
    ] {
        decoder.push(None, data, &mut out).unwrap();
    }
    assert_eq!((decoder.skipped(), out), (4, vec![Delta::Text("a".into())]));
}
