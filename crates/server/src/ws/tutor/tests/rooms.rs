//! What the sockets of a session tell each other.

use super::*;

// Planted faults: all of a session's streams let go of; nothing let go of.
#[test]
fn who_leaves_a_session_is_shown_no_more_of_it_but_what_he_asked_for() {
    let watched = |id: &str| {
        let notice = Notice { user: user("ann"), connection: String::new(), what: Happening::Run(run(id)) };
        Reply::Room(RoomReply::Heard { session: own("s"), notice })
    };
    let mut client = Client::ready();
    client.asks().told(watched("q")).told(watched("t"));
    client.follows("q", Some("n")).follows("t", Some("o"));
    client.says(r#"{"type":"stop_generation","data":{"message_id":"o"}}"#).commands();
    client.says(r#"{"type":"leave_session","data":{"session_id":"other"}}"#);
    assert_eq!(client.commands().len(), 1);
    client.says(r#"{"type":"leave_session","data":{"session_id":"s"}}"#);
    let commands = client.commands();
    let [Command::Unfollow { run: gone, .. }, Command::Room(RoomCommand::Leave(_))] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(gone.as_str(), "q");
    client.sees("q", &[begun(1), model(2)]);
    assert!(client.raw().is_empty());
    client.sees("r", &[begun(1), model(2)]).sees("t", &[begun(1), ended(2, Outcome::Cancelled, None)]);
    assert_eq!(client.types(), ["stream_start", "stream_start", "stop_acknowledged", "generation_stopped"]);
}

#[test]
fn what_is_said_in_a_room_is_passed_on() {
    let mut client = Client::ready();
    client.says(r#"{"type":"join_session","data":{"session_id":"s"}}"#);
    client.says(r#"{"type":"user_typing","data":{"session_id":"s","isTyping":true}}"#);
    client.says(r#"{"type":"message_sent","data":{"sessionId":"s","userId":"eve"}}"#);
    client
        .says(r#"{"type":"leave_session","data":{"session_id":"s"}}"#)
        .says(r#"{"type":"get_health","data":{}}"#);
    let commands = client.commands();
    assert!(
        matches!(
            &commands[..],
            [
                Command::Room(RoomCommand::Join(_)),
                Command::Room(RoomCommand::Tell { what: Happening::Typing(true), .. }),
                Command::Room(RoomCommand::Tell { what: Happening::Sent, .. }),
                Command::Room(RoomCommand::Leave(_)),
                Command::Room(RoomCommand::Sockets),
            ]
        ),
        "{commands:?}"
    );
    client.told(Reply::Room(RoomReply::Joined { session: own("s"), live: Ok(Vec::new()) }));
    for what in [Happening::Joined, Happening::Typing(false), Happening::Sent, Happening::Left] {
        let notice = Notice { user: user("bob"), connection: "c2".into(), what };
        client.told(Reply::Room(RoomReply::Heard { session: own("s"), notice }));
    }
    let socket = Socket {
        id: "c1".into(),
        since: Millis(4),
        rooms: vec![headwater_core::port::Room {
            owner: headwater_core::UserId::parse("ann").unwrap(),
            session: session("s"),
        }],
    };
    client.told(Reply::Room(RoomReply::Sockets(vec![socket])));
    assert_eq!(
        client.raw(),
        [
            r#"{"type":"session_joined","data":{"session_id":"s","timestamp":5}}"#,
            r#"{"type":"user_joined","data":{"user_id":"bob","session_id":"s","timestamp":5}}"#,
            r#"{"type":"typing_indicator","data":{"user_id":"bob","isTyping":false,"session_id":"s","timestamp":5}}"#,
            r#"{"type":"session_update","data":{"session_id":"s","user_id":"bob","action":"message_sent","timestamp":5}}"#,
            r#"{"type":"user_left","data":{"user_id":"bob","session_id":"s","timestamp":5}}"#,
            r#"{"type":"health_info","data":{"connections":[{"connection_id":"c1","connected_at":4,"sessions":["s"]}],"timestamp":5}}"#,
        ]
    );
    let error = Error::new(Code::QueueFull, "leave one");
    client.told(Reply::Room(RoomReply::Joined { session: own("s"), live: Err(error) }));
    assert_eq!(client.types(), ["error"]);
}
