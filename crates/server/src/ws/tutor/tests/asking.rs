//! Questions: what is made of them, and which are refused.

use super::*;

#[test]
fn what_is_asked_for_is_a_lesson() {
    let mut client = Client::ready();
    client.says(
        r#"{"type":"chat_stream","timestamp":1,"data":{"message_id":"m","session_id":"s","message":"hi","user_id":"eve",
            "context":{"subject":"biology","enable_reasoning":true,"enable_rag":false}}}"#,
    );
    let [Command::Start { mark: 0, ask, .. }] = &client.commands()[..] else { panic!() };
    assert_eq!((ask.workflow.as_str(), ask.message.as_str()), ("tutor", "hi"));
    assert_eq!((ask.session.clone(), ask.owner.clone()), (Some(session("s")), None));
    assert_eq!(ask.message_id, Some(MessageId::parse("m").unwrap()));
    let lesson = Lesson { subject: Some("biology".into()), reasoning: true, rag: false };
    assert_eq!(ask.special, Special::Lesson(lesson));
    // The same frame again before the run is made asks for nothing.
    client.says(
        r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"hi",
            "context":{"subject":"biology","enable_reasoning":true}}}"#,
    );
    assert!(client.commands().is_empty() && client.raw().is_empty());
}

#[test]
fn a_chat_stream_that_is_not_whole_ends_at_once() {
    for (data, ids) in [
        ("{}", ["unknown", "unknown"]),
        (r#"{"message_id":"m","message":"hi"}"#, ["m", "unknown"]),
        (r#"{"message_id":"m","session_id":"s"}"#, ["m", "s"]),
        (r#"{"message_id":"m","session_id":"s","message":""}"#, ["m", "s"]),
        (r#"{"message_id":7,"session_id":"s","message":"hi"}"#, ["unknown", "s"]),
        ("7", ["unknown", "unknown"]),
        ("null", ["unknown", "unknown"]),
    ] {
        let mut client = Client::ready();
        client.says(&format!(r#"{{"type":"chat_stream","data":{data}}}"#));
        let frame = format!(
            r#"{{"type":"stream_error","data":{{"message_id":"{}","session_id":"{}","timestamp":5,"error":{{"code":"INVALID_MESSAGE_FORMAT","message":"Missing required fields: message_id, session_id, or message","details":{{"code":"invalid_request"}},"recoverable":false}},"partial_content":""}}}}"#,
            ids[0], ids[1]
        );
        assert_eq!(client.raw(), [frame], "{data}");
        assert!(client.commands().is_empty());
    }
    for (field, value) in [
        ("message_id", json!("x".repeat(129))),
        ("session_id", json!("a\nb")),
        ("context", json!([])),
        ("context", json!({"enable_rag": "yes"})),
        ("context", json!({"subject": "x".repeat(limit::SUBJECT_BYTES + 1)})),
        ("after", json!(-1)),
    ] {
        let mut data = json!({"message_id": "m", "session_id": "s", "message": "hi"});
        data[field] = value;
        let mut client = Client::ready();
        client.says(&json!({"type": "chat_stream", "data": data}).to_string());
        let frames = client.frames();
        assert_eq!(frames[0]["data"]["error"]["code"], "INVALID_MESSAGE_FORMAT", "{field}");
        assert!(client.commands().is_empty());
    }
}

// Planted fault: a joined run shown again to the socket that follows it.
#[test]
fn the_same_message_again_does_nothing_where_its_run_is_shown() {
    let mut client = Client::ready();
    client.asks().sees("r", &lesson()).raw();
    client.says(ASK).commands();
    client.started(1, "r");
    assert!(client.commands().is_empty() && client.raw().is_empty());
    // Nor does the room's word on it, which may come first as well.
    let notice = Notice { user: user("ann"), connection: String::new(), what: Happening::Run(run("q")) };
    client.told(Reply::Room(RoomReply::Heard { session: own("s"), notice }));
    assert_eq!(client.commands().len(), 1);
    client
        .says(r#"{"type":"chat_stream","data":{"message_id":"n","session_id":"s","message":"hi"}}"#)
        .commands();
    client.started(2, "q");
    assert!(client.commands().is_empty());
}

// Planted fault: the second taken for the first again.
#[test]
fn another_question_under_the_name_of_one_that_is_being_made_is_refused() {
    let mut client = Client::ready();
    client.says(ASK).commands();
    for other in [
        r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"Why is it blue?"}}"#,
        r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"Why is grass green?","context":{"enable_rag":true}}}"#,
    ] {
        let frames = client.says(other).frames();
        assert_eq!(frames[0]["data"]["error"]["details"]["code"], "message_id_reused");
        assert!(client.commands().is_empty());
    }
}

#[test]
fn refusals_of_a_question_end_its_stream_but_too_many_are_told_apart() {
    for (code, word) in [
        (Code::ReadOnly, "UNAUTHORIZED"),
        (Code::TooManyRuns, "RATE_LIMIT_EXCEEDED"),
        (Code::TooLarge, "TOKEN_LIMIT_EXCEEDED"),
        (Code::MessageIdReused, "INVALID_MESSAGE_FORMAT"),
        (Code::StoreFailed, "DATABASE_ERROR"),
    ] {
        let mut client = Client::ready();
        client.says(ASK).told(Reply::Started { tag: None, mark: 0, started: Err(Error::new(code, "no")) });
        let frame = client.frames().pop().unwrap();
        assert_eq!((&frame["type"], &frame["data"]["error"]["code"]), (&json!("stream_error"), &json!(word)));
        assert_eq!((&frame["data"]["message_id"], &frame["data"]["session_id"]), (&json!("m"), &json!("s")));
    }
    let mut client = Client::ready();
    let wait = Error::too_fast("messages", std::time::Duration::from_secs(3));
    client.says(ASK).told(Reply::Started { tag: None, mark: 0, started: Err(wait) });
    let expected = r#"{"type":"error","data":{"message":"Rate limit exceeded. Please slow down.","code":"RATE_LIMIT_EXCEEDED","message_id":"m","session_id":"s","retry_after":3}}"#;
    assert_eq!(client.raw(), [expected]);
}
