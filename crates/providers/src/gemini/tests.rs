//! The format on hand-written streams, cut in every way that a network cuts. Requests: `asked`.

mod asked;

use headwater_core::limit;
use headwater_core::port::provider::{Citation, FinishReason, PromptMessage, Replay, Role, ToolCall, Usage};

use super::*;
use crate::wire::testing::{Answer, Ending, decode};

const NONE: Usage = Usage {
    input_tokens: None,
    output_tokens: None,
    cached_tokens: None,
    cache_write_tokens: None,
    reasoning_tokens: None,
    cost_usd: None,
    estimated: false,
};

/// A chunk with these parts and what else its candidate says.
fn chunk(parts: &str, rest: &str) -> String {
    format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{parts}],\"role\":\"model\"}}{rest},\"index\":0}}],\"modelVersion\":\"m\"}}\r\n\r\n"
    )
}

const STOP: &str = r#","finishReason":"STOP""#;

fn end(reason: FinishReason) -> Ending {
    Ending::End(reason, NONE)
}

async fn read(body: &str) -> Answer {
    let whole = decode(&Gemini, body.as_bytes(), body.len()).await;
    for piece in [1, 7] {
        assert_eq!(decode(&Gemini, body.as_bytes(), piece).await, whole, "{piece} bytes at a time");
    }
    whole
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
}

/// As the host sends it: CRLF, thoughts first, sums in every chunk, a signature on a text of no letters.
fn plain() -> String {
    let usage = |counts: &str| format!("}}],\"usageMetadata\":{{{counts}}},\"x\":[{{\"y\":0");
    [
        chunk(r#"{"text":"hm 水","thought":true}"#, &usage(r#""promptTokenCount":9,"totalTokenCount":9"#)),
        chunk(r#"{"text":"Ünï"}"#, &usage(r#""promptTokenCount":9,"candidatesTokenCount":2,"thoughtsTokenCount":5"#)),
        "data: {\"something\":\"new\"}\r\n\r\ndata: [1]\r\n\r\n".to_owned(),
        chunk(r#"{"text":"cödé 🚗"},{"inlineData":{"mimeType":"image/png","data":""}}"#, ""),
        chunk(
            r#"{"text":"","thoughtSignature":"c2ln"}"#,
            &format!("{STOP}{}", usage(r#""promptTokenCount":9,"candidatesTokenCount":7,"cachedContentTokenCount":4,"toolUsePromptTokenCount":3"#)),
        ),
    ]
    .concat()
}

#[tokio::test]
async fn the_same_comes_out_however_the_bytes_are_cut() {
    let usage = Usage { cached_tokens: Some(4), reasoning_tokens: Some(5), ..Usage::of(12, 12) };
    let expected = Answer {
        reasoning: "hm 水".into(),
        replay: vec![Replay {
            format: "gemini".into(),
            value: json!({"text": {"from": 16, "to": 16, "signature": "c2ln"}}),
        }],
        so_far: Some(usage),
        ..Answer::of("Ünïcödé 🚗", Ending::End(FinishReason::Stop, usage))
    };
    let whole = plain();
    for body in
        [whole.clone(), whole.replace("\r\n", "\n"), format!("\u{FEFF}{whole}"), whole.replace("\r\n", "\r")]
    {
        for piece in [1, 7, 64, body.len()] {
            assert_eq!(decode(&Gemini, body.as_bytes(), piece).await, expected, "{piece} bytes at a time");
        }
    }
    let mut decoder = Gemini.decoder();
    for event in whole.split("\r\n\r\n").filter(|e| !e.is_empty()) {
        decoder.push(None, &event["data: ".len()..], &mut Vec::new()).unwrap();
    }
    // The picture and the `[1]`; an object of nothing known is an empty chunk.
    assert_eq!((decoder.skipped(), decoder.has_finished(), decoder.is_over()), (2, true, false));
}

// Planted fault: the body's end taken for the answer's.
#[tokio::test]
async fn a_stream_that_is_cut_is_no_end_wherever_it_is_cut() {
    let whole = plain();
    let reason = whole.find("finishReason").unwrap();
    let last = whole.len() - "\r\n".len();
    for at in 0..whole.len() {
        let out = decode(&Gemini, &whole.as_bytes()[..at], 64).await;
        let ended = matches!(out.ending, Ending::End(..));
        // The line that ends an event may be a lone CR.
        assert_eq!(ended, at > last, "{at} {:?}", out.ending);
        assert!(ended || out.ending == Ending::Error(ProviderErrorKind::Interrupted) && at <= last);
    }
    assert!(reason < last);
}

#[tokio::test]
async fn reasons_and_errors() {
    let said = chunk(r#"{"text":"a"}"#, "");
    let reason = |r: &str| chunk(r#"{"text":"b"}"#, &format!(",\"finishReason\":\"{r}\""));
    for (word, expected) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("RECITATION", FinishReason::ContentFilter),
        ("BLOCKLIST", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("SPII", FinishReason::ContentFilter),
        ("LANGUAGE", FinishReason::Other),
        ("OTHER", FinishReason::Other),
        ("SOMETHING_NEW", FinishReason::Other),
    ] {
        assert_eq!(read(&(said.clone() + &reason(word))).await, Answer::of("ab", end(expected)), "{word}");
    }
    use ProviderErrorKind::{Busy, Failed, Interrupted, Refused};
    let cases: Vec<(String, &str, ProviderErrorKind)> = vec![
        (reason("MALFORMED_FUNCTION_CALL"), "b", Failed),
        (reason("UNEXPECTED_TOOL_CALL"), "b", Failed),
        (reason("MISSING_THOUGHT_SIGNATURE"), "b", Refused),
        (
            said.clone()
                + "data: {\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}\n\n",
            "a",
            Busy,
        ),
        (said.clone() + "data: {\"error\":{\"code\":400,\"message\":\"m\"}}\n\ndata: {}\n\n", "a", Refused),
        (said.clone() + "data: {oops\n\n", "a", Failed),
        ("{\"error\":{\"code\":404,\"message\":\"m\",\"status\":\"NOT_FOUND\"}}\n".into(), "", Refused),
        ("[{\n  \"error\": {\"code\": 429, \"message\": \"m\"}\n}\n]\n".into(), "", Busy),
        // Without `alt=sse` the host sends an array.
        (
            "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"STOP\"}]}]"
                .into(),
            "",
            Failed,
        ),
        (said.clone() + "data: [{\"candidates\":[]}]\n\n", "a", Interrupted),
        (String::new(), "", Interrupted),
    ];
    for (body, text, kind) in cases {
        assert_eq!(read(&body).await, Answer::of(text, Ending::Error(kind)), "{body}");
    }
    let mut decoder = Gemini.decoder();
    let error = decoder.push(
        None,
        r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"no such\n function"}]}"#,
        &mut Vec::new(),
    );
    assert_eq!(error.unwrap_err().message, "the provider reported an error: no such function");
    assert!(decoder.is_over() && decoder.push(None, &said, &mut Vec::new()).is_ok());
}

#[tokio::test]
async fn a_blocked_prompt_is_withheld_and_counted() {
    let body = "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{\"promptTokenCount\":4}}\r\n\r\n";
    let usage = Usage { input_tokens: Some(4), ..NONE };
    let ending = Ending::End(FinishReason::ContentFilter, usage);
    assert_eq!(read(body).await, Answer { so_far: Some(usage), ..Answer::of("", ending) });
    let rated = "data: {\"promptFeedback\":{\"safetyRatings\":[]}}\r\n\r\n";
    assert_eq!(read(rated).await.ending, Ending::Error(ProviderErrorKind::Interrupted));
}

// Planted fault: the first reason taken for the last word (the rest of the answer was lost).
#[tokio::test]
async fn a_model_that_runs_code_goes_on_behind_its_first_reason() {
    let code = r#"{"executableCode":{"code":"print(1)","language":"PYTHON"},"thoughtSignature":"s"}"#;
    let result = r#"{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1\n"}}"#;
    let body = [
        chunk(r#"{"text":"A "}"#, ""),
        chunk(code, STOP),
        chunk(result, ""),
        chunk(r#"{"text":"1."}"#, STOP),
    ];
    let out = read(&body.concat()).await;
    assert_eq!((out.text.as_str(), &out.ending), ("A 1.", &end(FinishReason::Stop)));
    // Not shown, and given back where it stood.
    let line = PromptMessage { replay: out.replay, ..PromptMessage::new(Role::Assistant, "A 1.") };
    let parts = signed::parts(&line.content, &[], &line.replay, true);
    assert_eq!(
        json!(parts),
        json!([
            {"text": "A "},
            {"executableCode": {"code": "print(1)", "language": "PYTHON"}, "thoughtSignature": "s"},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
            {"text": "1."},
        ])
    );
    // While the code runs the end is not near, and what broke off behind it is no end.
    let mut decoder = Gemini.decoder();
    for (event, finished) in body.iter().zip([false, false, false, true]) {
        decoder.push(None, event["data: ".len()..].trim(), &mut Vec::new()).unwrap();
        assert_eq!(decoder.has_finished(), finished, "{event}");
    }
    for broken in [2, 3] {
        let out = read(&body[..broken].concat()).await;
        assert_eq!(out.ending, Ending::Error(ProviderErrorKind::Interrupted));
    }
    let capped = chunk(code, r#","finishReason":"MAX_TOKENS""#);
    assert_eq!(read(&capped).await.ending, end(FinishReason::Length));
}

#[tokio::test]
async fn calls_come_whole_with_their_signatures_and_answers_beside_each_other_are_not_mixed() {
    let first = r#"{"text":"Ü."},{"functionCall":{"id":"f1","name":"add","args":{"y":3,"x":12345678901234567890123}},"thoughtSignature":"s1"}"#;
    let second = r#"{"functionCall":{"name":"list"}},{"functionCall":{"name":"list","args":{}}}"#;
    let other = "data: {\"candidates\":[{\"index\":1,\"content\":{\"parts\":[{\"text\":\"no\"}]},\"finishReason\":\"SAFETY\"}]}\r\n\r\n";
    let body = [
        chunk(first, ""),
        other.to_owned(),
        chunk(second, ""),
        chunk(r#"{"text":"","thoughtSignature":"s2"}"#, STOP),
    ]
    .concat();
    let out = read(&body).await;
    let calls = vec![
        // As the model wrote it, in its order and to the last digit.
        call("f1", "add", r#"{"y":3,"x":12345678901234567890123}"#),
        call("call_2", "list", "{}"),
        call("call_3", "list", "{}"),
    ];
    assert_eq!((out.text.as_str(), &out.calls, &out.ending), ("Ü.", &calls, &end(FinishReason::ToolCalls)));
    let parts = json!(signed::parts(&out.text, &out.calls[1..2], &[], true));
    assert_eq!(parts[1]["thoughtSignature"], "skip_thought_signature_validator");
    let parts = signed::parts(&out.text, &out.calls, &out.replay, true);
    let called = |id: &str, name: &str| json!({"functionCall": {"id": id, "name": name, "args": {}}});
    assert_eq!(parts[0], json!({"text": "Ü."}));
    assert_eq!(
        (&parts[1]["functionCall"]["id"], &parts[1]["thoughtSignature"]),
        (&json!("f1"), &json!("s1"))
    );
    assert_eq!(parts[2], json!({"text": "", "thoughtSignature": "s2"}));
    assert_eq!(parts[3..], [called("call_2", "list"), called("call_3", "list")]);
    // Broken off: nothing may be carried out.
    let cut = chunk(first, "") + &chunk(second, "");
    let out = read(&cut).await;
    assert_eq!((out.calls, out.replay), (vec![], vec![]));
    assert_eq!(out.ending, Ending::Error(ProviderErrorKind::Interrupted));
    let many = |n: usize| chunk(&vec![r#"{"functionCall":{"name":"list"}}"#; n].join(","), STOP);
    assert_eq!(read(&many(limit::TOOL_CALLS)).await.calls.len(), limit::TOOL_CALLS);
    assert_eq!(read(&many(limit::TOOL_CALLS + 1)).await.ending, Ending::Error(ProviderErrorKind::Failed));
}

#[tokio::test]
async fn calls_in_pieces_are_put_together() {
    let call_part = |inner: &str| chunk(&format!("{{\"functionCall\":{{{inner}}}}}"), "");
    let begun = call_part(r#""name":"weather","willContinue":true"#);
    let piece = |text: &str, more: &str| {
        call_part(&format!(
            "\"partialArgs\":[{{\"jsonPath\":\"$.place\",\"stringValue\":\"{text}\"{more}}}],\"willContinue\":true"
        ))
    };
    let more = ",\"willContinue\":true";
    let one = [begun.clone(), piece("Bos", more), piece("ton", more), piece("", "")].concat();
    let stop = chunk(r#"{"text":""}"#, STOP);
    let whole = call("call_1", "weather", r#"{"place":"Boston"}"#);
    // Ended by an empty call; by the next one; by the reason alone.
    let two = format!("{one}{}{one}{stop}", call_part(""));
    let out = read(&two).await;
    assert_eq!((out.calls.len(), &out.calls[0], &out.ending), (2, &whole, &end(FinishReason::ToolCalls)));
    assert_eq!(read(&format!("{one}{one}{stop}")).await.calls, out.calls);
    // Cut by the limit: half a call is not carried out, a whole one is.
    let cut = chunk(r#"{"text":""}"#, r#","finishReason":"MAX_TOKENS""#);
    let out = read(&format!("{one}{}{begun}{}{cut}", call_part(""), piece("Ber", more))).await;
    assert_eq!((out.calls, out.ending), (vec![whole], end(FinishReason::Length)));
    let lost = call_part(r#""partialArgs":[{"jsonPath":"$.a[7]","numberValue":1}]"#);
    assert_eq!(read(&(begun + &lost)).await.ending, Ending::Error(ProviderErrorKind::Failed));
}

#[tokio::test]
async fn sources_are_told_once() {
    let web = |n: usize| format!("{{\"web\":{{\"uri\":\"https://a/{n}\",\"title\":\"A\"}}}}");
    let grounded = |chunks: &str| {
        format!(",\"groundingMetadata\":{{\"groundingChunks\":[{chunks}],\"webSearchQueries\":[\"q\"]}}")
    };
    let looked_up = r#"{"retrievedContext":{"uri":"doc","title":"D","text":"There it says."}},{"new":{}}"#;
    let cited =
        r#","citationMetadata":{"citationSources":[{"startIndex":0,"endIndex":1,"uri":"https://b"},{}]}"#;
    let body = [
        chunk(r#"{"text":"a"}"#, &grounded(&web(1))),
        chunk(r#"{"text":"b"}"#, &grounded(&format!("{},{looked_up}", web(1)))),
        chunk(r#"{"text":"c"}"#, &format!("{cited}{STOP}")),
    ];
    let source = |url: &str, title: Option<&str>, quote: Option<&str>| Citation {
        url: Some(url.into()),
        title: title.map(Into::into),
        quote: quote.map(Into::into),
    };
    let expected = vec![
        source("https://a/1", Some("A"), None),
        source("doc", Some("D"), Some("There it says.")),
        source("https://b", None, None),
    ];
    assert_eq!(read(&body.concat()).await.citations, expected);
    let many: Vec<String> = (0..=limit::CITATIONS).map(web).collect();
    let out =
        decode(&Gemini, chunk("", &format!("{}{STOP}", grounded(&many.join(",")))).as_bytes(), 4096).await;
    assert_eq!((out.citations.len(), out.ending), (limit::CITATIONS, end(FinishReason::Stop)));
    // Planted fault: bytes without a bound.
    let long = "x".repeat(limit::CITATION_BYTES + 1);
    let places = [
        format!(r#"{{"web":{{"uri":"https://{long}","title":"A"}}}}"#),
        format!(r#"{{"retrievedContext":{{"uri":"doc","title":"{long}","text":"{long}"}}}}"#),
    ];
    let body = chunk(r#"{"text":"a"}"#, &format!("{}{STOP}", grounded(&places.join(","))));
    let cut = &long[1..];
    assert_eq!(read(&body).await.citations, vec![source("doc", Some(cut), Some(cut))]);
}
