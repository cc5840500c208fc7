//! Every frame, with its keys in order.

use super::*;

#[test]
fn who_comes_is_greeted() {
    let greeting = r#"{"type":"connect","data":{"user_id":"ann","connection_id":"c1","timestamp":5,"features":{"streaming":true,"stop_generation":true,"reasoning":true,"emotion":true,"context":true,"code_detection":true,"sessions":true,"offline_queue":true}}}"#;
    assert_eq!(Client::new().raw(), [greeting]);
}

#[test]
fn a_lesson_has_the_originals_frames_with_their_keys_in_order() {
    let mut client = Client::ready();
    let mut log = lesson();
    log.push(token(7, "Because\n"));
    log.push(token(8, "```py\nx"));
    log.push(token(9, "\n```\n"));
    log.push(event(10, Body::AbilityLearned { subject: "biology".into(), ability: 0.625, confidence: 0.5 }));
    log.push(ended(11, Outcome::Completed, None));
    client.asks().sees("r", &log);
    let ids = r#""message_id":"m","session_id":"s","timestamp":"#;
    let content = "Because\\n```py\\nx\\n```\\n";
    assert_eq!(
        client.raw(),
        [
            format!(
                r#"{{"type":"stream_start","data":{{{ids}1002,"ai_message_id":"r","metadata":{{"provider":"gemini","category":"research","estimated_tokens":40}},"seq":2}}}}"#
            ),
            format!(
                r#"{{"type":"context_info","data":{{{ids}1003,"context":{{"recent_messages_used":4,"relevant_messages_used":1,"semantic_search_enabled":true,"rag_enabled":true,"rag_sources":["a.md","b.md"]}},"seq":3}}}}"#
            ),
            format!(
                r#"{{"type":"emotion_update","data":{{{ids}1004,"emotion":{{"primary_emotion":"curiosity","arousal":0.5,"valence":0.25,"learning_readiness":"high_readiness"}},"seq":4}}}}"#
            ),
            format!(
                r#"{{"type":"thinking_chunk","data":{{{ids}1005,"reasoning_step":{{"step_number":1,"thinking_mode":"creative","description":"A leaf","confidence":0.75,"timestamp":1005}},"seq":5}}}}"#
            ),
            format!(
                r#"{{"type":"content_chunk","data":{{{ids}1007,"content":"Because\n","chunk_index":0,"is_code":false,"seq":7}}}}"#
            ),
            format!(
                r#"{{"type":"content_chunk","data":{{{ids}1008,"content":"```py\nx","chunk_index":1,"is_code":true,"seq":8}}}}"#
            ),
            format!(
                r#"{{"type":"content_chunk","data":{{{ids}1009,"content":"\n```\n","chunk_index":2,"is_code":true,"seq":9}}}}"#
            ),
            format!(
                r#"{{"type":"stream_complete","data":{{{ids}1011,"ai_message_id":"r","full_content":"{content}","metadata":{{"provider_used":"groq","response_time_ms":10,"tokens_used":42,"cost":0.0,"cost_unknown":true,"ability_updated":{{"subject":"biology","new_ability":0.625,"confidence":0.5}}}},"seq":11}}}}"#
            ),
        ]
    );
    assert!(client.tutor.turns.is_empty());
}

// Planted fault: two of the words one.
#[test]
fn readiness_has_the_originals_five_words() {
    for (readiness, word) in [
        (Readiness::OptimalReadiness, "optimal_readiness"),
        (Readiness::HighReadiness, "high_readiness"),
        (Readiness::ModerateReadiness, "moderate_readiness"),
        (Readiness::LowReadiness, "low_readiness"),
        (Readiness::NotReady, "not_ready"),
    ] {
        let mut client = Client::ready();
        let emotion = Emotion { primary: "fear".into(), arousal: 0.5, valence: -0.5, readiness };
        client.asks().sees("r", &[begun(1), model(2), event(3, Body::Felt { emotion })]);
        let frame = client.frames().pop().unwrap();
        assert_eq!(frame["data"]["emotion"]["learning_readiness"], word);
    }
    // And the three ways to think; a step without a measure says so.
    for (mode, word) in [
        (ThinkingMode::Analytical, "analytical"),
        (ThinkingMode::Creative, "creative"),
        (ThinkingMode::Metacognitive, "metacognitive"),
    ] {
        let mut client = Client::ready();
        let thought = Body::Thought {
            id: "t".into(),
            team: None,
            step: 3,
            mode: Some(mode),
            text: "a".into(),
            confidence: None,
        };
        client.asks().sees("r", &[begun(1), model(2), event(3, thought)]);
        let step = client.frames().pop().unwrap()["data"]["reasoning_step"].take();
        assert_eq!((&step["step_number"], &step["thinking_mode"]), (&json!(3), &json!(word)));
        assert_eq!(step["confidence"], Value::Null);
    }
}

#[test]
fn other_frames_that_cannot_be_read_are_refused_and_unknown_types_ignored() {
    let mut client = Client::ready();
    for bad in ["ping", "[]", "7", r#"{"data":{}}"#, r#"{"type":5,"data":{}}"#, r#"{"type":"ping","data":7}"#]
    {
        let frames = client.says(bad).frames();
        assert_eq!(
            (&frames[0]["type"], &frames[0]["data"]["code"]),
            (&json!("error"), &json!("INVALID_MESSAGE_FORMAT")),
            "{bad}"
        );
    }
    for bad in ["stop_generation", "join_session", "leave_session", "user_typing", "message_sent"] {
        let frames = client.says(&json!({"type": bad, "data": {}}).to_string()).frames();
        assert_eq!(frames[0]["type"], "error", "{bad}");
    }
    client.tutor.on_frame(Frame::Binary(b"{}"), &mut client.out);
    assert_eq!(client.types(), ["error"]);
    client.says(r#"{"type":"presence_query","data":{}}"#).says(r#"{"type":"","data":{}}"#);
    assert!(client.raw().is_empty() && client.commands().is_empty() && client.out.close.is_none());
    assert_eq!(
        client.says(r#"{"type":"ping","data":{}}"#).raw(),
        [r#"{"type":"pong","data":{"timestamp":5}}"#]
    );
    assert_eq!(client.says(r#"{"type":"ping"}"#).types(), ["pong"]);
}

#[test]
fn endings_have_the_originals_words() {
    for (outcome, code, kind, word, recoverable) in [
        (Outcome::Failed, Some(Code::ProviderUnavailable), "stream_error", "AI_PROVIDER_UNAVAILABLE", true),
        (Outcome::Failed, Some(Code::ProviderTimeout), "stream_error", "GENERATION_TIMEOUT", true),
        (Outcome::Failed, Some(Code::TooLarge), "stream_error", "TOKEN_LIMIT_EXCEEDED", false),
        (Outcome::Failed, Some(Code::StoreFailed), "stream_error", "DATABASE_ERROR", true),
        (Outcome::Failed, None, "stream_error", "INTERNAL_ERROR", false),
        (Outcome::Interrupted, Some(Code::Interrupted), "stream_error", "INTERNAL_ERROR", true),
        (Outcome::Interrupted, None, "stream_error", "INTERNAL_ERROR", true),
        (Outcome::Failed, Some(Code::RunTimeout), "generation_stopped", "timeout", true),
    ] {
        let mut client = Client::ready();
        client.asks().sees("r", &[begun(1), model(2), token(3, "part"), ended(4, outcome, code)]);
        let frame = client.frames().pop().unwrap();
        assert_eq!(frame["type"], kind, "{code:?}");
        assert_eq!(frame["data"]["partial_content"], "part");
        if kind == "stream_error" {
            let error = &frame["data"]["error"];
            assert_eq!(
                (&error["code"], &error["recoverable"]),
                (&json!(word), &json!(recoverable)),
                "{code:?}"
            );
            if word == "AI_PROVIDER_UNAVAILABLE" {
                assert_eq!(error["message"], "AI generation failed: it broke");
            }
        } else {
            assert_eq!(frame["data"]["reason"], word);
        }
    }
}

#[test]
fn every_stream_begins_with_its_start_and_ends_once_whatever_the_workflow() {
    let routed = event(2, Body::Routed { agent: "a".into(), intent: "SPECS".into(), confidence: 0.9 });
    for (log, provider, category) in [
        (vec![begun(1), ended(2, Outcome::Failed, Some(Code::Internal))], "none", "general"),
        (vec![begun(1), token(2, "a"), ended(3, Outcome::Completed, None)], "none", "general"),
        (vec![begun(1), model(2), token(3, "a"), ended(4, Outcome::Completed, None)], "groq", "general"),
        (vec![begun(1), routed, model(3), ended(4, Outcome::Completed, None)], "groq", "specs"),
    ] {
        let mut client = Client::ready();
        // A run that was made elsewhere, without a name of a client's.
        client.told(Reply::Room(RoomReply::Joined { session: own("s"), live: Ok(vec![run("r")]) }));
        client.raw();
        client.follows("r", None).sees("r", &log);
        let frames = client.frames();
        assert_eq!(frames[0]["type"], "stream_start");
        assert_eq!(frames[0]["data"]["message_id"], "r");
        assert_eq!(frames[0]["data"]["metadata"]["provider"], provider);
        assert_eq!(frames[0]["data"]["metadata"]["category"], category);
        let endings = frames
            .iter()
            .filter(|f| matches!(f["type"].as_str().unwrap(), "stream_complete" | "stream_error"));
        assert_eq!(endings.count(), 1);
        assert!(frames.iter().all(|f| f["data"]["message_id"] == "r" && f["data"]["session_id"] == "s"));
        assert!(frames.iter().all(|f| f["data"]["timestamp"].is_i64()));
    }
}

#[test]
fn the_text_is_the_same_however_it_is_merged() {
    let text: Vec<String> =
        (0..200).map(|n| format!("w{n}\n{}", ["", "```\n", "    ", "1. "][n % 4])).collect();
    let whole: String = text.concat();
    let mut log = lesson();
    log.extend((7..).zip(&text).map(|(seq, text)| token(seq, text)));
    log.push(ended(207, Outcome::Completed, None));
    let mut told = Vec::new();
    for size in [1, 3, 300] {
        let mut client = Client::ready();
        client.asks();
        for batch in log.chunks(size) {
            client.sees("r", batch);
        }
        let frames = client.frames();
        let chunks: Vec<_> = frames.iter().filter(|f| f["type"] == "content_chunk").collect();
        for (n, chunk) in chunks.iter().enumerate() {
            assert_eq!(chunk["data"]["chunk_index"], n);
        }
        let mut verdicts = Vec::new();
        for chunk in &chunks {
            let code = chunk["data"]["is_code"].as_bool().unwrap();
            verdicts.extend(chunk["data"]["content"].as_str().unwrap().chars().map(|c| (c, code)));
        }
        assert_eq!(verdicts.iter().map(|(c, _)| *c).collect::<String>(), whole);
        assert_eq!(frames.last().unwrap()["data"]["full_content"], whole.as_str());
        told.push((chunks.len(), verdicts));
    }
    assert!(told[2].0 < told[0].0, "who is behind gets fewer frames");
    assert!(told.iter().all(|(_, verdicts)| *verdicts == told[0].1));
}

#[test]
fn every_code_has_a_word_of_the_original() {
    let words = [
        "INVALID_MESSAGE_FORMAT",
        "SESSION_NOT_FOUND",
        "RATE_LIMIT_EXCEEDED",
        "UNAUTHORIZED",
        "AI_PROVIDER_UNAVAILABLE",
        "DATABASE_ERROR",
        "INTERNAL_ERROR",
        "GENERATION_TIMEOUT",
        "TOKEN_LIMIT_EXCEEDED",
    ];
    for code in Code::ALL {
        assert!(words.contains(&word(code)), "{code}");
    }
}
