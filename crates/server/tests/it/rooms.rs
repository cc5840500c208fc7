//! Rooms of `/api/ws` and their members; at the end over a bus that does everything that a bus may do.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_bus::Lossy;
use headwater_core::SessionId;
use headwater_core::port::sharing::Sharing;
use serde_json::{Value, json};

use crate::house::{Given, House, Socket, open_gate, principal};
use crate::tutor::{START, ask, chat, come, ending, frame, goes, join, kinds, of_ann, share, stop, text};

// Planted fault: what is said in rooms left out while a question waits.
#[tokio::test]
async fn what_is_said_in_a_room_does_not_wait_for_questions() {
    let house = House::new().await;
    let (mut first, mut second) = (come(&house, "ann").await, come(&house, "ann").await);
    for socket in [&mut first, &mut second] {
        socket.say(&join("s")).await;
        socket.until("session_joined").await;
    }
    // Creating is held up for good.
    house.store.faults().hold_creates();
    for n in 0..10 {
        first.say(&chat(&format!("q{n}"), "s")).await;
    }
    first.say(&frame("user_typing", json!({"session_id": "s", "isTyping": true}))).await;
    first.say(&frame("message_sent", json!({"sessionId": "s"}))).await;
    assert_eq!(second.until("typing_indicator").await["data"]["isTyping"], true);
    assert_eq!(second.hear().await["type"], "session_update");
    house.store.faults().release_creates();
}

#[tokio::test]
async fn the_answers_of_a_joined_session_come_to_all_of_its_sockets() {
    let mut house = House::new().await;
    let mut first = come(&house, "ann").await;
    let mut second = come(&house, "ann").await;
    let mut early = ask(&mut house, &mut first, "m", "s", "one ").await;
    // Who joins follows what streams there, from its beginning.
    second.say(&join("s")).await;
    assert_eq!(second.hear().await["type"], "session_joined");
    assert_eq!(second.hear().await["type"], "stream_start");
    assert_eq!(second.hear().await["data"]["chunk_index"], 0);
    early.say("two").await;
    early.end().await;
    let frames = ending(&mut second).await;
    assert_eq!(
        (text(&frames), &frames.last().unwrap()["data"]["full_content"]),
        ("two".into(), &json!("one two"))
    );
    ending(&mut first).await;
    // And what comes later; the one that asked gets it once though it joined as well.
    first.say(&join("s")).await;
    assert_eq!(first.hear().await["type"], "session_joined");
    assert_eq!(second.hear().await["type"], "user_joined");
    let act = ask(&mut house, &mut first, "n", "s", "three").await;
    act.end().await;
    assert_eq!(kinds(&ending(&mut first).await), ["stream_complete"]);
    assert_eq!(kinds(&ending(&mut second).await), ["stream_start", "content_chunk", "stream_complete"]);
    first.say(&frame("ping", json!({}))).await;
    assert_eq!(first.hear().await["type"], "pong", "nothing came twice");
    // Who left gets nothing more.
    second.say(&frame("leave_session", json!({"session_id": "s"}))).await;
    // In its order behind that. Ann is still there, on the other one: nobody is told that she left.
    second.say(&join("t")).await;
    assert_eq!(second.hear().await["type"], "session_joined");
    let act = ask(&mut house, &mut first, "o", "s", "four").await;
    act.end().await;
    ending(&mut first).await;
    second.say(&frame("ping", json!({}))).await;
    assert_eq!(second.hear().await["type"], "pong");
}

async fn joins(socket: &mut Socket, join: String, owner: Value) {
    socket.say(&join).await;
    let joined = socket.hear().await;
    assert_eq!((&joined["type"], &joined["data"]["session_id"]), (&json!("session_joined"), &json!("s")));
    assert_eq!(joined["data"]["owner"], owner);
}

// Planted faults: the room of a session's name whoever owns it; whoever speaks told what he says himself.
#[tokio::test]
async fn members_meet_and_watch_and_strangers_do_not() {
    let mut house = House::new().await;
    let mut ann = come(&house, "ann").await;
    let act = ask(&mut house, &mut ann, "m", "s", "one").await;
    act.end().await;
    ending(&mut ann).await;
    share(&house, "s", "bob").await;
    let (mut bob, mut eve) = (come(&house, "bob").await, come(&house, "eve").await);
    let anns = of_ann("join_session", json!({"session_id": "s"}));
    eve.say(&anns).await;
    let refused = eve.hear().await;
    let said = (&refused["type"], &refused["data"]["code"]);
    assert_eq!(said, (&json!("error"), &json!("SESSION_NOT_FOUND")), "shared with others");
    // A name alone is one of his own.
    joins(&mut ann, join("s"), Value::Null).await;
    joins(&mut bob, join("s"), Value::Null).await;
    joins(&mut bob, anns, json!("ann")).await;
    joins(&mut eve, join("s"), Value::Null).await;
    assert_eq!(ann.hear().await["data"]["user_id"], "bob");
    bob.say(&of_ann("user_typing", json!({"session_id": "s", "isTyping": true}))).await;
    let typing = ann.hear().await;
    assert_eq!((&typing["type"], &typing["data"]["isTyping"]), (&json!("typing_indicator"), &json!(true)));
    bob.say(&of_ann("message_sent", json!({"sessionId": "s", "userId": "ann"}))).await;
    let update = ann.hear().await;
    assert_eq!(
        (&update["data"]["user_id"], &update["data"]["action"]),
        (&json!("bob"), &json!("message_sent"))
    );
    // A session of that name is Eve's own for her: she hears and is heard by nobody.
    eve.say(&frame("user_typing", json!({"session_id": "s", "isTyping": true}))).await;
    let mut act = ask(&mut house, &mut ann, "n", "s", "secret").await;
    assert_eq!(bob.until("content_chunk").await["data"]["content"], "secret");
    eve.say(&frame("ping", json!({}))).await;
    assert_eq!(eve.hear().await["type"], "pong");
    // A member watches: he neither stops nor asks.
    bob.say(&stop("n")).await;
    assert_eq!(bob.hear().await["data"]["code"], "UNAUTHORIZED");
    bob.say(&of_ann("chat_stream", json!({"message_id": "b", "session_id": "s", "message": "hi"}))).await;
    let refused = bob.hear().await;
    assert_eq!(
        (&refused["type"], &refused["data"]["error"]["code"]),
        (&json!("stream_error"), &json!("UNAUTHORIZED"))
    );
    assert!(act.say(" more").await);
    assert_eq!(bob.hear().await["data"]["content"], " more");
    act.end().await;
    ending(&mut ann).await;
    ending(&mut bob).await;
    // Whoever is let in no more hears nothing more.
    let (user, session) = (principal("ann").user, SessionId::parse("s").unwrap());
    house.store.unshare(&user, &session, &principal("bob").user).await.unwrap();
    ann.say(&frame("user_typing", json!({"session_id": "s", "isTyping": true}))).await;
    let left = ann.hear().await;
    assert_eq!((&left["type"], &left["data"]["user_id"]), (&json!("user_left"), &json!("bob")));
    let act = ask(&mut house, &mut ann, "o", "s", "private").await;
    act.end().await;
    ending(&mut ann).await;
    bob.say(&frame("ping", json!({}))).await;
    assert_eq!(bob.hear().await["type"], "pong");
}

// Planted fault: a live run seen by everybody.
#[tokio::test]
async fn who_is_let_out_in_the_middle_of_an_answer_reads_that_and_comes_back_to_nothing() {
    let mut house = House::new().await;
    let mut ann = come(&house, "ann").await;
    ask(&mut house, &mut ann, "m", "s", "one").await.end().await;
    ending(&mut ann).await;
    share(&house, "s", "bob").await;
    let (mut stays, mut goes_away) = (come(&house, "bob").await, come(&house, "bob").await);
    let anns = of_ann("join_session", json!({"session_id": "s"}));
    for socket in [&mut stays, &mut goes_away] {
        socket.say(&anns).await;
        socket.until("session_joined").await;
    }
    let mut act = ask(&mut house, &mut ann, "n", "s", "two ").await;
    let mut run = Value::Null;
    for socket in [&mut stays, &mut goes_away] {
        run = socket.until("stream_start").await["data"]["ai_message_id"].take();
        assert_eq!(socket.hear().await["data"]["content"], "two ");
    }
    let out = house.http("DELETE", "/api/sessions/s/members/bob").send().await.unwrap();
    assert_eq!(out.status(), 204);
    // What he reads goes on to its end, as long as his connection does.
    goes(goes_away).await;
    act.say("three").await;
    assert_eq!(stays.hear().await["data"]["content"], "three");
    let mut back = come(&house, "bob").await;
    let lost = back.hear().await;
    assert_eq!(
        (&lost["type"], &lost["data"]["error"]["code"], &lost["data"]["partial_content"]),
        (&json!("stream_error"), &json!("SESSION_NOT_FOUND"), &json!(""))
    );
    act.end().await;
    assert_eq!(ending(&mut stays).await.last().unwrap()["data"]["full_content"], "two three");
    ending(&mut ann).await;
    // By every way he gets what one gets for what is not there.
    let get = async |path: String| {
        let answer = house.http_as("bob", "GET", &path).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    for (path, none) in [("/api/runs/", "run_none"), ("/tutor/api/v1/chat/history/s?owner=", "nobody")] {
        let his = if none == "run_none" { run.as_str().unwrap() } else { "ann" };
        let nothing = get(format!("{path}{none}")).await;
        assert_eq!((nothing.0.as_u16(), &nothing), (404, &get(format!("{path}{his}")).await));
    }
    for of in ["ann", "nobody"] {
        back.say(&frame("join_session", json!({"session_id": "s", "owner": of}))).await;
        let refused = json!({"message": "Session not found", "code": "SESSION_NOT_FOUND", "session_id": "s"});
        assert_eq!(back.hear().await["data"], refused, "{of}");
    }
    // And of the next one he hears nothing.
    ask(&mut house, &mut ann, "o", "s", "private").await.end().await;
    ending(&mut ann).await;
    for socket in [&mut stays, &mut back] {
        socket.say(&frame("ping", json!({}))).await;
        assert_eq!(socket.hear().await["type"], "pong");
    }
}

#[tokio::test]
async fn who_goes_is_missed_and_his_sockets_are_listed() {
    let mut house = House::new().await;
    let (mut first, mut second) = (come(&house, "ann").await, come(&house, "ann").await);
    ask(&mut house, &mut first, "m", "s", "one").await.end().await;
    ending(&mut first).await;
    let mut bob = come(&house, "bob").await;
    for socket in [&mut first, &mut second] {
        socket.say(&join("s")).await;
        socket.until("session_joined").await;
    }
    assert_eq!(first.hear().await["type"], "user_joined");
    first.say(&frame("get_health", json!({}))).await;
    let health = first.hear().await;
    let connections = health["data"]["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 2);
    assert!(connections.iter().all(|c| c["sessions"] == json!(["s"]) && c["connected_at"].is_i64()));
    // A member sees her until her last socket has left.
    share(&house, "s", "bob").await;
    bob.say(&of_ann("join_session", json!({"session_id": "s"}))).await;
    assert_eq!(bob.hear().await["type"], "session_joined");
    assert_eq!(first.hear().await["data"]["user_id"], "bob");
    drop(second);
    loop {
        first.say(&frame("get_health", json!({}))).await;
        if first.hear().await["data"]["connections"].as_array().unwrap().len() == 1 {
            break;
        }
    }
    first.say(&frame("user_typing", json!({"session_id": "s", "isTyping": true}))).await;
    assert_eq!(bob.hear().await["type"], "typing_indicator");
    drop(first);
    let left = bob.hear().await;
    assert_eq!((&left["type"], &left["data"]["user_id"]), (&json!("user_left"), &json!("ann")));
}

// Planted fault: a name alone taken for the session of that name that was shared last.
#[tokio::test]
async fn whoever_shares_a_name_has_nothing_of_what_others_call_so() {
    let mut house = House::new().await;
    let mut ann = come(&house, "ann").await;
    let act = ask(&mut house, &mut ann, "m", "default", "one").await;
    act.end().await;
    ending(&mut ann).await;
    share(&house, "default", "bob").await;
    ann.say(&join("default")).await;
    ann.until("session_joined").await;
    // Bob, who has no session yet, is in one of his own, and asks there.
    let mut bob = come(&house, "bob").await;
    bob.say(&join("default")).await;
    assert!(bob.until("session_joined").await["data"].get("owner").is_none());
    let act = ask(&mut house, &mut bob, "b", "default", "secret").await;
    act.end().await;
    assert_eq!(ending(&mut bob).await.last().unwrap()["data"]["full_content"], "secret");
    ann.say(&frame("ping", json!({}))).await;
    assert_eq!(ann.hear().await["type"], "pong", "she heard nothing of it");
}

// Planted fault: kept for those who are here as well.
#[tokio::test]
async fn who_had_no_socket_hears_what_was_said_when_he_comes() {
    let mut house = House::new().await;
    let mut ann = come(&house, "ann").await;
    let act = ask(&mut house, &mut ann, "m", "s", "one").await;
    act.end().await;
    ending(&mut ann).await;
    for member in ["bob", "cid"] {
        share(&house, "s", member).await;
    }
    let mut cid = come(&house, "cid").await;
    ann.say(&join("s")).await;
    ann.until("session_joined").await;
    ann.say(&frame("user_typing", json!({"session_id": "s", "isTyping": true}))).await;
    ann.say(&frame("message_sent", json!({"sessionId": "s"}))).await;
    // Answered in their order, so that everything before it is kept.
    ann.say(&join("s")).await;
    ann.until("session_joined").await;
    let mut bob = come(&house, "bob").await;
    let joined = bob.hear().await;
    assert_eq!((&joined["type"], &joined["data"]["user_id"]), (&json!("user_joined"), &json!("ann")));
    let sent = bob.hear().await;
    assert_eq!((&sent["type"], &sent["data"]["session_id"]), (&json!("session_update"), &json!("s")));
    assert_eq!(sent["data"]["owner"], "ann");
    // Told, and thus forgotten before anything else that he asks for.
    bob.say(&join("before")).await;
    assert_eq!(bob.hear().await["type"], "session_joined");
    // Once, and nobody who was here, or said it.
    let (mut again, mut more) = (come(&house, "bob").await, come(&house, "ann").await);
    let mut other = come(&house, "cid").await;
    // Joined behind what was kept; each its own, so that none hears of the others.
    for (n, socket) in [&mut bob, &mut again, &mut more, &mut other, &mut ann].into_iter().enumerate() {
        socket.say(&join(&format!("own{n}"))).await;
        assert_eq!(socket.hear().await["type"], "session_joined");
    }
    // Who was here heard it then, if he had joined.
    cid.say(&join("own")).await;
    assert_eq!(cid.hear().await["type"], "session_joined");
}

/// The whole text of each answer by its question, once so many have ended; each begins once and ends once.
async fn texts(socket: &mut Socket, most: usize) -> BTreeMap<String, String> {
    let (mut begun, mut streamed, mut whole) = (Vec::new(), BTreeMap::<_, String>::new(), BTreeMap::new());
    while whole.len() < most {
        let frame = socket.hear().await;
        let text = |key: &str| frame["data"][key].as_str().unwrap().to_owned();
        match frame["type"].as_str().unwrap() {
            "stream_start" => {
                assert!(!begun.contains(&text("message_id")), "{frame}");
                begun.push(text("message_id"));
            }
            "content_chunk" => streamed.entry(text("message_id")).or_default().push_str(&text("content")),
            "stream_complete" => {
                assert_eq!(streamed[&text("message_id")], text("full_content"));
                assert_eq!(whole.insert(text("message_id"), text("full_content")), None, "{frame}");
            }
            "typing_indicator" | "session_update" | "user_joined" | "session_joined" | "pong" => {}
            other => panic!("{other}: {frame}"),
        }
    }
    // A look later nothing has come once more.
    tokio::time::sleep(headwater_core::limit::ROOM_LOOK * 3).await;
    socket.say(&frame("ping", json!({}))).await;
    loop {
        let frame = socket.hear().await;
        match frame["type"].as_str().unwrap() {
            "pong" => return whole,
            "stream_start" | "content_chunk" | "stream_complete" => panic!("once more: {frame}"),
            _ => {}
        }
    }
}

// Planted fault: no look in the store; Bob waited for ever for an answer of which no notice came.
#[tokio::test(start_paused = true)]
async fn over_a_bus_that_loses_two_people_of_a_session_have_the_same_texts() {
    const ANSWERS: usize = 6;
    for seed in 0..4 {
        let bus = Arc::new(Lossy::new(seed));
        let mut house = House::given(Given { bus: Some(bus), gate: open_gate(), ..Given::default() }).await;
        let (mut ann, mut bob) = (come(&house, "ann").await, come(&house, "bob").await);
        // So that there is a session to be shared.
        ann.say(&chat("m0", "s")).await;
        house.cues.next().await.end().await;
        ann.until("stream_complete").await;
        share(&house, "s", "bob").await;
        let session = json!({"session_id": "s"});
        ann.say(&join("s")).await;
        ann.until("session_joined").await;
        bob.say(&of_ann("join_session", session.clone())).await;
        bob.until("session_joined").await;

        let (telling, mut expected) = (session, BTreeMap::new());
        let typing = |is_typing: bool| json!({"session_id": "s", "isTyping": is_typing});
        let talk = async {
            for n in 1..=ANSWERS {
                let (message, text) = (format!("m{n}"), format!("word {n} and more"));
                bob_and_ann(&mut ann, &mut bob, typing(true)).await;
                ann.say(&chat(&message, "s")).await;
                let mut act = house.cues.next().await;
                act.say(START).await;
                for word in text.split_inclusive(' ') {
                    act.say(word).await;
                }
                ann.say(&frame("message_sent", telling.clone())).await;
                bob_and_ann(&mut ann, &mut bob, typing(false)).await;
                act.end().await;
                expected.insert(message, text);
            }
            (texts(&mut ann, ANSWERS).await, texts(&mut bob, ANSWERS).await)
        };
        let (anns, bobs) = tokio::time::timeout(std::time::Duration::from_secs(3600), talk).await.unwrap();
        assert_eq!((&anns, &bobs), (&expected, &expected), "seed {seed}");
    }
}

/// Both say it.
async fn bob_and_ann(ann: &mut Socket, bob: &mut Socket, typing: Value) {
    ann.say(&frame("user_typing", typing.clone())).await;
    bob.say(&of_ann("user_typing", typing)).await;
}
