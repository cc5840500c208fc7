//! Stops, and where they are acknowledged.

use super::*;

// Planted faults: the acknowledgement behind the ending; a stop acknowledged at once, with text behind it.
#[test]
fn a_stop_is_acknowledged_in_front_of_the_ending_and_behind_all_text() {
    let mut client = Client::ready();
    client.asks().sees("r", &lesson());
    client.sees("r", &[token(7, "part")]).raw();
    client.says(STOP).says(STOP);
    let stops = client.commands();
    assert!(matches!(&stops[..], [Command::Stop { run, .. }] if run.as_str() == "r"), "{stops:?}");
    client.sees("r", &[token(8, " more"), ended(9, Outcome::Cancelled, None)]);
    client.told(Reply::Stopped { tag: None, run: run("r"), outcome: Ok(Outcome::Cancelled) });
    let raw = client.raw();
    assert_eq!(
        raw[1..],
        [
            r#"{"type":"stop_acknowledged","data":{"message_id":"m","session_id":"s","timestamp":5}}"#,
            r#"{"type":"stop_acknowledged","data":{"message_id":"m","session_id":"s","timestamp":5}}"#,
            r#"{"type":"generation_stopped","data":{"message_id":"m","session_id":"s","timestamp":1009,"ai_message_id":"r","reason":"user_cancelled","partial_content":"part more","metadata":{"tokens_used":42,"cost":0.0,"cost_unknown":true,"stopped_at_ms":8},"seq":9}}"#,
        ]
    );
}

#[test]
fn a_stop_before_the_run_is_made_waits_for_it() {
    let mut client = Client::ready();
    client.says(ASK).says(r#"{"type":"stop_generation","data":{"message_id":"m"}}"#);
    assert!(matches!(&client.commands()[..], [Command::Start { .. }]));
    client.started(0, "r");
    let commands = client.commands();
    assert!(matches!(&commands[..], [Command::Follow { .. }, Command::Stop { .. }]), "{commands:?}");
    // It is stopped before it is followed: nothing is said until its ending is read.
    client.told(Reply::Stopped { tag: None, run: run("r"), outcome: Ok(Outcome::Cancelled) });
    assert!(client.raw().is_empty());
    client.follows("r", Some("m")).sees("r", &[begun(1), ended(2, Outcome::Cancelled, None)]);
    assert_eq!(client.types(), ["stream_start", "stop_acknowledged", "generation_stopped"]);
    // And where no run comes of it, nothing is left to be stopped.
    client.says(ASK).says(STOP).commands();
    client.told(Reply::Started { tag: None, mark: 1, started: Err(Error::new(Code::Draining, "soon")) });
    let frames = client.frames();
    assert_eq!(frames[0]["data"]["already_completed"], true);
    assert_eq!(frames[1]["data"]["error"]["code"], "INTERNAL_ERROR");
}

#[test]
fn a_stop_of_what_is_not_shown_here_goes_by_its_name() {
    let mut client = Client::ready();
    let asked = |client: &mut Client| {
        let commands = client.says(STOP).commands();
        let [Command::StopTurn { session: Some(s), message, .. }] = &commands[..] else {
            panic!("{commands:?}")
        };
        (Some(s.clone()), message.clone())
    };
    let (s, m) = asked(&mut client);
    let turn = |already| {
        Ok(StoppedTurn { run: run("r"), session: session("s"), outcome: Outcome::Cancelled, already })
    };
    client.told(Reply::TurnStopped { tag: None, session: s.clone(), message: m.clone(), turn: turn(false) });
    assert_eq!(
        client.raw(),
        [r#"{"type":"stop_acknowledged","data":{"message_id":"m","session_id":"s","timestamp":5}}"#]
    );
    assert!(matches!(&client.commands()[..], [Command::Follow { whole: true, .. }]));
    // Of its log only the ending is shown.
    client.follows("r", Some("m"));
    client.sees("r", &[begun(1), model(2), token(3, "a"), ended(4, Outcome::Cancelled, None)]);
    let frames = client.frames();
    assert_eq!((frames.len(), &frames[0]["type"]), (1, &json!("generation_stopped")));
    assert_eq!(frames[0]["data"]["partial_content"], "a");
    // What is over, what nobody has and what is another's get the same answer.
    let done = r#"{"type":"stop_acknowledged","data":{"message_id":"m","session_id":"s","timestamp":5,"already_completed":true}}"#;
    let nothing = Err(Error::not_found("Message"));
    for turn in [turn(true), nothing] {
        client.told(Reply::TurnStopped { tag: None, session: s.clone(), message: m.clone(), turn });
        assert_eq!(client.raw(), [done]);
        assert!(client.commands().is_empty());
    }
    let broken = Err(Error::new(Code::StoreFailed, "the disk"));
    client.told(Reply::TurnStopped { tag: None, session: s, message: m, turn: broken });
    assert_eq!(client.frames()[0]["data"]["code"], "DATABASE_ERROR");
}

// Planted faults: the run's ending forgotten (it came twice); a stop's word left until behind the ending.
#[test]
fn a_stop_by_its_name_is_acknowledged_once_in_front_of_the_one_ending() {
    let name = MessageId::parse("m").unwrap();
    let stopped = |already| Reply::TurnStopped {
        tag: None,
        session: Some(session("s")),
        message: name.clone(),
        turn: Ok(StoppedTurn { run: run("r"), session: session("s"), outcome: Outcome::Cancelled, already }),
    };
    let log = [begun(1), model(2), token(3, "a"), ended(4, Outcome::Cancelled, None)];
    let notice = Notice { user: user("ann"), connection: String::new(), what: Happening::Run(run("r")) };
    let heard = Reply::Room(RoomReply::Heard { session: own("s"), notice });
    // Resumed, or watched: stopped before it is followed, and known by its name then.
    for away in [true, false] {
        let mut client = Client::away(if away { vec![(run("r"), 2)] } else { vec![] });
        client.raw();
        if !away {
            client.told(heard.clone());
        }
        client.commands();
        let stops = client.says(STOP).commands();
        assert!(matches!(&stops[..], [Command::StopTurn { .. }]), "{stops:?}");
        client.follows("r", Some("m")).told(stopped(false));
        assert!(client.raw().is_empty(), "its text is still to come");
        let kinds = client.sees("r", &log).types();
        assert_eq!(kinds[kinds.len() - 3..], ["content_chunk", "stop_acknowledged", "generation_stopped"]);
        assert!(client.commands().is_empty());
    }
    // Two in a row from a window that shows nothing of it; the second hears of it behind the ending.
    for between in [true, false] {
        let mut client = Client::ready();
        client.says(STOP).says(STOP).commands();
        client.told(stopped(false));
        if !between {
            client.told(stopped(false));
        }
        assert_eq!(client.commands().len(), 1);
        client.follows("r", Some("m")).sees("r", &log);
        if between {
            client.told(stopped(false));
        }
        let mut kinds = client.types();
        kinds.sort();
        assert_eq!(kinds, ["generation_stopped", "stop_acknowledged", "stop_acknowledged"]);
        // The room's word comes last: it was shown.
        client.told(heard.clone());
        assert!(client.commands().is_empty());
    }
    // What came to its own end instead.
    let mut client = Client::ready();
    client.says(STOP).commands();
    let turn =
        StoppedTurn { run: run("r"), session: session("s"), outcome: Outcome::Completed, already: false };
    client.told(Reply::TurnStopped { tag: None, session: None, message: name, turn: Ok(turn) });
    assert_eq!(client.frames()[0]["data"]["already_completed"], true);
}

#[test]
fn a_run_that_its_room_showed_to_its_end_is_not_shown_again_when_its_start_is_told() {
    let mut client = Client::ready();
    client.says(ASK).says(STOP).commands();
    let live = Ok(vec![run("r")]);
    client.told(Reply::Room(RoomReply::Joined { session: own("s"), live }));
    client.follows("r", Some("m")).sees("r", &[begun(1), ended(2, Outcome::Cancelled, None)]);
    client.raw();
    client.commands();
    client.started(0, "r");
    assert_eq!((client.types(), client.commands().len()), (vec!["stop_acknowledged".to_owned()], 0));
}

#[test]
fn a_stop_that_crosses_the_end_is_acknowledged_as_late() {
    let mut client = Client::ready();
    client.asks().says(STOP).commands();
    client.sees("r", &[begun(1), model(2), token(3, "all"), ended(4, Outcome::Completed, None)]);
    let frames = client.frames();
    assert_eq!(frames[2]["data"]["already_completed"], true);
    assert_eq!(frames[3]["type"], "stream_complete");
}

#[test]
fn another_s_answer_is_not_stopped() {
    let mut client = Client::ready();
    let live = Ok(vec![run("r")]);
    client.told(Reply::Room(RoomReply::Joined { session: own("s"), live }));
    client.follows("r", Some("m")).commands();
    client.says(STOP).commands();
    client.told(Reply::Stopped { tag: None, run: run("r"), outcome: Err(Error::not_found("Run")) });
    let frame = client.frames().pop().unwrap();
    assert_eq!((&frame["type"], &frame["data"]["code"]), (&json!("error"), &json!("UNAUTHORIZED")));
    client.sees("r", &[begun(1), model(2), token(3, "a")]);
    assert_eq!(client.types(), ["stream_start", "content_chunk"], "it goes on");
}
