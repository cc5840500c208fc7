//! `/api/ws` on real sockets.

use headwater_core::port::Store;
use headwater_core::port::sharing::Sharing;
use headwater_core::rate::Rate;
use headwater_core::{MessageId, Millis, SessionId};
use headwater_providers::scripted::stage::Act;
use headwater_server::gate;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error as Refused;

use crate::house::{Given, House, Socket, open_gate, principal, still};

pub(crate) const START: &str = r#"@{"type":"categorized","category":"research","provider":"stage"}"#;

pub(crate) fn chat(message: &str, session: &str) -> String {
    frame(
        "chat_stream",
        json!({"message_id": message, "session_id": session, "message": format!("{message}?")}),
    )
}

pub(crate) fn frame(kind: &str, data: Value) -> String {
    json!({"type": kind, "data": data, "timestamp": 1}).to_string()
}

pub(crate) fn stop(message: &str) -> String {
    frame("stop_generation", json!({"message_id": message}))
}

pub(crate) fn join(session: &str) -> String {
    frame("join_session", json!({"session_id": session}))
}

/// Of Ann's session of that name.
pub(crate) fn of_ann(kind: &str, mut data: Value) -> String {
    data["owner"] = json!("ann");
    frame(kind, data)
}

pub(crate) async fn come(house: &House, user: &str) -> Socket {
    let mut socket = house.stranger(&format!("/api/ws?token={}", house.token(user))).await;
    let greeting = socket.hear().await;
    assert_eq!((&greeting["type"], &greeting["data"]["user_id"]), (&json!("connect"), &json!(user)));
    socket
}

pub(crate) async fn share(house: &House, session: &str, member: &str) {
    let (ann, member) = (principal("ann").user, principal(member).user);
    assert!(house.store.share(&ann, &SessionId::parse(session).unwrap(), &member, Millis(1)).await.unwrap());
}

/// Everything up to one of the three endings.
pub(crate) async fn ending(socket: &mut Socket) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        let frame = socket.hear().await;
        let over = matches!(
            frame["type"].as_str().unwrap(),
            "stream_complete" | "stream_error" | "generation_stopped"
        );
        frames.push(frame);
        if over {
            return frames;
        }
    }
}

pub(crate) fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}

pub(crate) fn text(frames: &[Value]) -> String {
    frames.iter().filter_map(|frame| frame["data"]["content"].as_str()).collect()
}

/// A question, its answer's beginning `word` on the socket, and the model that says it.
pub(crate) async fn ask(
    house: &mut House,
    socket: &mut Socket,
    message: &str,
    session: &str,
    word: &str,
) -> Act {
    socket.say(&chat(message, session)).await;
    let mut act = house.cues.next().await;
    assert!(act.say(START).await && act.say(word).await);
    assert_eq!(socket.until("content_chunk").await["data"]["content"], word);
    act
}

#[tokio::test]
async fn nobody_comes_in_without_a_good_token() {
    let house = House::new().await;
    for path in ["/api/ws", "/api/ws?token=", "/api/ws?token=bad"] {
        let answer = tokio_tungstenite::connect_async(format!("ws://{}{path}", house.address)).await;
        let Err(Refused::Http(answer)) = answer else { panic!("{path}") };
        assert_eq!(answer.status(), 403, "{path}");
    }
}

#[tokio::test]
async fn a_lesson_from_its_question_to_its_end() {
    let mut house = House::new().await;
    let mut socket = come(&house, "ann").await;
    socket.say(&chat("m", "s")).await;
    let mut act = house.cues.next().await;
    act.say(START).await;
    act.say(r#"@{"type":"context_gathered","recent_messages":0,"relevant_messages":0,"semantic_search":false,"rag":false,"sources":[]}"#).await;
    act.say(r#"@{"type":"felt","emotion":{"primary":"joy","arousal":0.5,"valence":0.5,"readiness":"optimal_readiness"}}"#).await;
    act.say(r#"@{"type":"thought","id":"t","step":1,"mode":"analytical","text":"first","confidence":0.9}"#)
        .await;
    act.say("Because ").await;
    act.say("it is.").await;
    act.say(r#"@{"type":"ability_learned","subject":"biology","ability":0.5,"confidence":0.1}"#).await;
    act.end().await;
    let frames = ending(&mut socket).await;
    let expected = ["stream_start", "context_info", "emotion_update", "thinking_chunk", "content_chunk"];
    assert_eq!(kinds(&frames)[..5], expected);
    assert_eq!(text(&frames), "Because it is.");
    let last = frames.last().unwrap();
    assert_eq!(
        (&last["type"], &last["data"]["full_content"]),
        (&json!("stream_complete"), &json!("Because it is."))
    );
    assert_eq!(last["data"]["metadata"]["ability_updated"]["subject"], "biology");
    for frame in &frames {
        assert_eq!((&frame["data"]["message_id"], &frame["data"]["session_id"]), (&json!("m"), &json!("s")));
        assert!(frame["data"]["timestamp"].is_i64());
    }
    // The same once more: the run that is there.
    socket.say(&chat("m", "s")).await;
    let again = ending(&mut socket).await;
    assert_eq!(
        (again[0]["type"].as_str(), text(&again)),
        (Some("stream_start"), "Because it is.".to_owned())
    );
    assert!(house.cues.try_next().is_none(), "a second run was made");
}

// Planted fault: the upstream left open.
#[tokio::test]
async fn a_stop_reaches_the_model_from_any_socket_of_the_user() {
    let mut house = House::new().await;
    let mut first = come(&house, "ann").await;
    let mut second = come(&house, "ann").await;
    let mut act = ask(&mut house, &mut first, "m", "s", "never ").await;
    // On the other socket, which does not show it.
    second.say(&stop("m")).await;
    let acknowledged = second.hear().await;
    assert_eq!(acknowledged["type"], "stop_acknowledged");
    assert_eq!(
        (&acknowledged["data"]["session_id"], acknowledged["data"].get("already_completed")),
        (&json!("s"), None)
    );
    act.cancelled().await;
    assert!(!act.say("too late").await);
    let stopped = second.hear().await;
    assert_eq!(
        (&stopped["type"], &stopped["data"]["partial_content"]),
        (&json!("generation_stopped"), &json!("never "))
    );
    assert_eq!(stopped["data"]["reason"], "user_cancelled");
    assert_eq!(kinds(&ending(&mut first).await), ["generation_stopped"]);
    // Once more: it is over.
    for socket in [&mut first, &mut second] {
        socket.say(&stop("m")).await;
        assert_eq!(socket.hear().await["data"]["already_completed"], true);
    }
    // On its own socket, in mid-stream.
    let act = ask(&mut house, &mut first, "n", "s", "a ").await;
    first.say(&stop("n")).await;
    assert_eq!(kinds(&ending(&mut first).await), ["stop_acknowledged", "generation_stopped"]);
    drop(act);
    // Twice in one breath from where it is not shown: two acknowledgements, one ending, whichever comes first.
    let act = ask(&mut house, &mut first, "o", "s", "b ").await;
    second.say(&stop("o")).await;
    second.say(&stop("o")).await;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(second.hear().await["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(heard[0], "stop_acknowledged");
    heard.sort();
    assert_eq!(heard, ["generation_stopped", "stop_acknowledged", "stop_acknowledged"]);
    second.say(&stop("o")).await;
    assert_eq!(second.hear().await["data"]["already_completed"], true);
    second.say(&frame("ping", json!({}))).await;
    assert_eq!(second.hear().await["type"], "pong");
    drop(act);
}

#[tokio::test]
async fn a_stop_before_the_first_word_and_in_the_same_breath_works() {
    let house = House::new().await;
    let mut socket = come(&house, "ann").await;
    socket.say(&chat("m", "s")).await;
    socket.say(&stop("m")).await;
    let frames = ending(&mut socket).await;
    assert_eq!(kinds(&frames), ["stream_start", "stop_acknowledged", "generation_stopped"]);
    assert_eq!(frames[2]["data"]["partial_content"], "");
    // By its name alone from elsewhere while it is being made: the store holds the start up.
    let mut other = come(&house, "ann").await;
    house.store.faults().hold_appends();
    socket.say(&chat("n", "s")).await;
    // Its run is stored now, and its first event is not.
    let (ann, n) = (principal("ann").user, MessageId::parse("n").unwrap());
    while house.store.run_of_message(&ann, None, &n).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    other.say(&frame("stop_generation", json!({"message_id": "n", "session_id": "s"}))).await;
    other.say(&frame("ping", json!({}))).await;
    assert_eq!(other.hear().await["type"], "pong", "nothing waits behind the stop");
    house.store.faults().release_appends();
    assert_eq!(kinds(&ending(&mut other).await), ["stop_acknowledged", "generation_stopped"]);
    assert_eq!(ending(&mut socket).await.last().unwrap()["type"], "generation_stopped");
}

// Planted fault: stops put into the lane of starts, behind all of them.
#[tokio::test]
async fn stops_and_pings_come_before_a_flood_of_questions() {
    let mut house = House::new().await;
    let mut socket = come(&house, "ann").await;
    let act = ask(&mut house, &mut socket, "m", "s", "word ").await;
    // Creating is held up for good: every one of these waits in the lane of starts.
    house.store.faults().hold_creates();
    for n in 0..30 {
        socket.say(&chat(&format!("f{n}"), "s")).await;
    }
    socket.say(&stop("m")).await;
    socket.say(&frame("ping", json!({}))).await;
    socket.until("pong").await;
    let acknowledged = socket.until("stop_acknowledged").await;
    assert_eq!(acknowledged["data"]["message_id"], "m");
    act.cancelled().await;
    assert_eq!(socket.until("generation_stopped").await["data"]["partial_content"], "word ");
    // What found no room was told so, and nothing else has come of the others.
    house.store.faults().release_creates();
}

// Planted fault: the position not kept (everything comes again).
#[tokio::test]
async fn a_dropped_socket_costs_nothing_and_the_next_one_gets_the_rest() {
    let mut house = House::new().await;
    let mut socket = come(&house, "ann").await;
    let mut act = ask(&mut house, &mut socket, "m", "s", "one ").await;
    goes(socket).await;
    act.say("two ").await;
    let mut socket = come(&house, "ann").await;
    let next = socket.hear().await;
    assert_eq!((&next["data"]["content"], &next["data"]["chunk_index"]), (&json!("two "), &json!(0)));
    act.say("three").await;
    act.end().await;
    let frames = ending(&mut socket).await;
    assert_eq!(kinds(&frames), ["content_chunk", "stream_complete"]);
    assert_eq!(frames[1]["data"]["full_content"], "one two three");
    // Another's socket gets nothing of it.
    let mut eve = come(&house, "eve").await;
    eve.say(&frame("ping", json!({}))).await;
    assert_eq!(eve.hear().await["type"], "pong");
}

/// Until every place is given back.
async fn alone(house: &House) {
    while house.gate.sockets() > 0 {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn goes(mut socket: Socket) {
    socket.0.close(None).await.unwrap();
    while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket.0).await {}
}

// Planted faults: what was left offered at the handshake alone; told to a socket that was there before.
#[tokio::test]
async fn who_is_back_before_his_old_line_is_found_dead_gets_the_rest() {
    let mut house = House::new().await;
    let mut other = come(&house, "ann").await;
    let mut old = come(&house, "ann").await;
    let mut act = ask(&mut house, &mut old, "m", "s", "one ").await;
    let mut new = come(&house, "ann").await;
    new.say(&frame("ping", json!({}))).await;
    assert_eq!(new.hear().await["type"], "pong", "the old one is not known to be dead");
    goes(old).await;
    act.say("two").await;
    act.end().await;
    let frames = ending(&mut new).await;
    assert_eq!((kinds(&frames), text(&frames)), (vec!["content_chunk", "stream_complete"], "two".to_owned()));
    other.say(&frame("ping", json!({}))).await;
    assert_eq!(other.hear().await["type"], "pong");
}

// Planted fault: what was taken forgotten with the socket.
#[tokio::test]
async fn who_leaves_before_he_was_shown_anything_hands_on_what_he_came_to() {
    let gate = gate::Rules { connections_per_user: Some(1), ..open_gate() };
    let mut house = House::with(gate, headwater_engine::Settings::default()).await;
    let mut socket = come(&house, "ann").await;
    let mut act = ask(&mut house, &mut socket, "m", "s", "one ").await;
    goes(socket).await;
    alone(&house).await;
    act.say("two").await;
    act.end().await;
    house.store.faults().fail_reads(100);
    let mut second = come(&house, "ann").await;
    let lost = second.hear().await;
    assert_eq!(lost["data"]["error"]["code"], "DATABASE_ERROR");
    house.store.faults().fail_reads(0);
    // One too many is sent away, and takes nothing along.
    let mut third = house.stranger(&format!("/api/ws?token={}", house.token("ann"))).await;
    third.closed().await;
    drop(third);
    goes(second).await;
    alone(&house).await;
    let mut last = come(&house, "ann").await;
    let frames = ending(&mut last).await;
    assert_eq!((kinds(&frames), text(&frames)), (vec!["content_chunk", "stream_complete"], "two".to_owned()));
}

#[tokio::test]
async fn who_sends_too_much_is_told_and_his_stop_is_heard() {
    let gate = gate::Rules { messages: Some(Rate::per_minute(4, 4)), ..open_gate() };
    let mut house = House::with(gate, headwater_engine::Settings::default()).await;
    let mut socket = come(&house, "ann").await;
    let act = ask(&mut house, &mut socket, "m", "s", "one").await;
    for _ in 0..3 {
        socket.say(&join("s")).await;
        assert_eq!(socket.hear().await["type"], "session_joined");
    }
    socket.say(&frame("user_typing", json!({"session_id": "s", "isTyping": true}))).await;
    let refused = socket.hear().await;
    assert_eq!(refused["type"], "error");
    assert_eq!(refused["data"]["message"], "Rate limit exceeded. Please slow down.");
    assert_eq!(refused["data"]["code"], "RATE_LIMIT_EXCEEDED");
    socket.say(&chat("n", "s")).await;
    assert_eq!(socket.hear().await["data"]["message_id"], "n");
    socket.say(&frame("ping", json!({}))).await;
    assert_eq!(socket.hear().await["type"], "pong");
    socket.say(&stop("m")).await;
    assert_eq!(kinds(&ending(&mut socket).await), ["stop_acknowledged", "generation_stopped"]);
    drop(act);
}

/// What whoever asks too often is told (contract), with the ids of what he sent.
fn too_often(message: Option<&str>) -> Value {
    let words = "Rate limit exceeded. Please slow down.";
    let mut data =
        json!({"message": words, "code": "RATE_LIMIT_EXCEEDED", "session_id": "s", "retry_after": 1});
    if let Some(message) = message {
        data["message_id"] = json!(message);
    }
    json!({"type": "error", "data": data})
}

// Planted faults: lessons taken from the allowance of other runs, the twenty-first was refused; an allowance of 1000.
#[tokio::test]
async fn a_hundred_questions_a_minute_are_answered() {
    let _still = still();
    // The gate counts frames, and would refuse the same one.
    let mut house = House::given(Given { gate: open_gate(), ..Given::default() }).await;
    let mut socket = come(&house, "ann").await;
    for n in 0..100 {
        socket.say(&chat(&format!("m{n}"), "s")).await;
        let act = tokio::select! {
            act = house.cues.next() => act,
            refused = socket.hear() => panic!("{n}: {refused}"),
        };
        act.end().await;
        assert_eq!(kinds(&ending(&mut socket).await).last(), Some(&"stream_complete"), "{n}");
    }
    socket.say(&chat("m100", "s")).await;
    let refused = tokio::select! {
        refused = socket.hear() => refused,
        _ = house.cues.next() => panic!("one too many was asked"),
    };
    assert_eq!(refused, too_often(Some("m100")));
}

// Planted fault: a default of 101.
#[tokio::test]
async fn a_hundred_frames_a_minute_are_heard_where_nobody_says_otherwise() {
    let _still = still();
    let house = House::new().await;
    let mut socket = come(&house, "ann").await;
    for _ in 0..100 {
        socket.say(&join("s")).await;
        assert_eq!(socket.hear().await["type"], "session_joined");
    }
    socket.say(&join("s")).await;
    assert_eq!(socket.hear().await, too_often(None));
    // Of the user, and not of the connection.
    let mut other = come(&house, "ann").await;
    other.say(&chat("m", "s")).await;
    assert_eq!(other.hear().await, too_often(Some("m")));
    socket.say(&frame("ping", json!({}))).await;
    assert_eq!(socket.hear().await["type"], "pong");
}

#[tokio::test]
async fn a_provider_that_breaks_off_leaves_what_it_said() {
    let mut house = House::new().await;
    let mut socket = come(&house, "ann").await;
    let act = ask(&mut house, &mut socket, "m", "s", "half ").await;
    drop(act);
    let frames = ending(&mut socket).await;
    let error = &frames.last().unwrap()["data"];
    assert_eq!(error["partial_content"], "half ");
    assert_eq!(
        (&error["error"]["code"], &error["error"]["recoverable"]),
        (&json!("AI_PROVIDER_UNAVAILABLE"), &json!(true))
    );
    assert!(error["error"]["message"].as_str().unwrap().starts_with("AI generation failed: "));
}
