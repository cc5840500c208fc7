//! Who was away, or says where he is.

use super::*;

// Planted faults: nothing done where the run is shown; what comes of the earlier log shown as well.
#[test]
fn who_says_where_he_is_begins_anew_there_where_the_run_is_shown_too() {
    let again = r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"Why is grass green?","after":7}}"#;
    let log = [lesson(), vec![token(7, "a"), token(8, "b")]].concat();
    let mut client = Client::ready();
    client.asks().sees("r", &log).raw();
    client.says(again).commands();
    client.started(1, "r");
    let commands = client.commands();
    assert!(matches!(&commands[..], [Command::Follow { from: From::After(7), whole: true, .. }]));
    // What the log says that was followed until now is not looked at.
    client.sees("r", &[token(9, "c")]);
    assert!(client.raw().is_empty());
    client.follows("r", Some("m")).sees("r", &[log, vec![token(9, "c")]].concat());
    let frames = client.frames();
    let said: String = frames.iter().map(|f| f["data"]["content"].as_str().unwrap()).collect();
    assert_eq!(said, "bc");
    // It may be said while the run is being made.
    let mut client = Client::ready();
    client.says(ASK).says(again).commands();
    client.started(0, "r");
    assert!(matches!(&client.commands()[..], [Command::Follow { from: From::After(7), .. }]));
}

// Planted fault: every frame of an event with its number.
#[test]
fn after_every_number_that_a_client_has_comes_exactly_what_he_has_not() {
    let text = ["a\n```py\n", "x\n```\nb ", "c\n\n    d\n", "e\n```\nf\n```\ng", "\n``", "`h"];
    let mut log = vec![begun(1)];
    log.extend((2..).zip(text).map(|(seq, text)| token(seq, text)));
    log.push(ended(8, Outcome::Completed, None));
    for size in [1, 3, 20] {
        let mut client = Client::ready();
        client.asks();
        for batch in log.chunks(size) {
            client.sees("r", batch);
        }
        let frames = client.frames();
        assert!(frames.iter().any(|f| f["data"].get("seq").is_none()), "{size}: no event has two frames");
        for cut in 0..frames.len() {
            let said = |frames: &[Value]| -> String {
                frames.iter().filter_map(|f| f["data"]["content"].as_str()).collect()
            };
            // What he has behind his last number comes again, and is thrown away.
            let had = frames[..=cut].iter().rposition(|f| f["data"].get("seq").is_some()).unwrap();
            let after = frames[had]["data"]["seq"].as_u64().unwrap();
            let mut next = Client::ready();
            let ask = json!({"message_id": "m", "session_id": "s", "message": "Why?", "after": after});
            next.says(&json!({"type": "chat_stream", "data": ask}).to_string()).started(0, "r");
            next.follows("r", Some("m")).sees("r", &log);
            let rest = next.frames();
            let whole = said(&frames[..=had]) + &said(&rest);
            assert_eq!(whole, text.concat(), "{size}: cut behind {cut}");
            assert_eq!(rest.last().unwrap()["data"]["full_content"], whole.as_str());
        }
    }
}

// Planted faults: what was seen counted as sent; the held beginning of a line lost at the position.
#[test]
fn who_was_away_gets_what_came_since() {
    let mut client = Client::away(vec![(run("r"), 8)]);
    assert_eq!(client.types(), ["connect"]);
    let commands = client.commands();
    assert!(
        matches!(&commands[..], [Command::Follow { from: From::After(8), whole: true, .. }]),
        "{commands:?}"
    );
    client.follows("r", Some("m"));
    let mut log = lesson();
    log.extend([
        token(7, "a\n"),
        token(8, "b\n``"),
        token(9, "`rs\nc"),
        token(10, "\n```"),
        ended(11, Outcome::Completed, None),
    ]);
    client.sees("r", &log);
    let frames = client.frames();
    let kinds: Vec<_> = frames.iter().map(|f| f["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["content_chunk", "content_chunk", "stream_complete"]);
    assert_eq!(frames[0]["data"]["content"], "```rs\nc");
    assert_eq!((&frames[0]["data"]["chunk_index"], &frames[0]["data"]["is_code"]), (&json!(0), &json!(true)));
    assert_eq!(frames[2]["data"]["full_content"], "a\nb\n```rs\nc\n```");
    // Who had everything is told nothing.
    let mut client = Client::away(vec![(run("r"), 11)]);
    client.raw();
    client.follows("r", Some("m")).sees("r", &log);
    assert!(client.raw().is_empty() && client.tutor.turns.is_empty());
}

// Planted faults: a run that its room showed first not marked as asked for; one that was left let go of in silence.
#[test]
fn who_waits_for_an_answer_is_told_that_it_cannot_be_read() {
    let lost = || Reply::Following {
        tag: None,
        target: Target::Run(run("r")),
        run: Err(Error::new(Code::StoreFailed, "the disk")),
    };
    let notice = Notice { user: user("ann"), connection: String::new(), what: Happening::Run(run("r")) };
    let heard = || Reply::Room(RoomReply::Heard { session: own("s"), notice: notice.clone() });
    let mut client = Client::ready();
    client.says(ASK).told(heard()).started(0, "r").told(lost());
    let frames = client.frames();
    assert_eq!((frames.len(), &frames[0]["data"]["error"]["code"]), (1, &json!("DATABASE_ERROR")));
    assert_eq!(frames[0]["data"]["message_id"], "m");
    let mut client = Client::away(vec![(run("r"), 3)]);
    client.raw();
    client.told(lost());
    let frames = client.frames();
    assert_eq!((&frames[0]["type"], &frames[0]["data"]["message_id"]), (&json!("stream_error"), &json!("r")));
}

// Planted faults: let go of in silence, as it was; said of what may have been taken from him.
#[test]
fn who_watches_a_session_is_told_that_an_answer_of_it_is_not_shown() {
    let notice = Notice { user: user("bob"), connection: String::new(), what: Happening::Run(run("r")) };
    for (code, expected) in [
        (Code::QueueFull, Some(json!("RATE_LIMIT_EXCEEDED"))),
        (Code::StoreFailed, Some(json!("DATABASE_ERROR"))),
        (Code::NotFound, None),
    ] {
        let mut client = Client::ready();
        client.told(Reply::Room(RoomReply::Heard { session: own("s"), notice: notice.clone() }));
        let (target, run) = (Target::Run(run("r")), Err(Error::new(code, "why")));
        client.told(Reply::Following { tag: None, target, run });
        let said: Vec<_> = client
            .frames()
            .into_iter()
            .map(|frame| {
                (frame["type"].clone(), frame["data"]["session_id"].clone(), frame["data"]["code"].clone())
            })
            .collect();
        let expected: Vec<_> = expected.into_iter().map(|code| (json!("error"), json!("s"), code)).collect();
        assert_eq!(said, expected);
        assert!(client.tutor.turns.is_empty());
    }
}

#[test]
fn a_client_may_say_after_which_event_it_goes_on() {
    let mut client = Client::ready();
    client
        .says(r#"{"type":"chat_stream","data":{"message_id":"m","session_id":"s","message":"hi","after":7}}"#)
        .commands();
    client.started(0, "r");
    assert!(matches!(&client.commands()[..], [Command::Follow { from: From::After(7), .. }]));
    client.told(Reply::Following {
        tag: None,
        target: Target::Run(run("r")),
        run: Err(Error::new(Code::CursorAhead, "beyond the end")),
    });
    let frame = client.frames().pop().unwrap();
    assert_eq!(frame["data"]["error"]["details"]["code"], "cursor_ahead");
    assert_eq!((&frame["data"]["message_id"], &frame["data"]["session_id"]), (&json!("m"), &json!("s")));
}
