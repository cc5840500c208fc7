//! The tutor itself behind its two doors: what it says on `/api/ws` and over HTTP is one run.

use std::sync::Arc;

use futures_util::future::join;
use headwater_core::MessageId;
use headwater_core::port::Store as _;
use headwater_engine::assistant::tutor_file::{SHIPPED_TUTOR, TutorFile};
use headwater_engine::workflow::Workflow;
use headwater_engine::workflow::tutor::Tutor;
use headwater_providers::scripted::stage::Stage;
use headwater_server::app::Surface;
use headwater_server::auth::Rules;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Error as Refused;

use crate::house::{Given, House, Socket, open_gate, principal};

async fn school() -> House {
    let (stage, cues) = Stage::new();
    let tutor = Tutor::new(TutorFile::parse(SHIPPED_TUTOR).unwrap(), stage.clone(), None);
    let workflows: Vec<Arc<dyn Workflow>> = vec![Arc::new(tutor)];
    let auth = Rules { guests: true, ..Rules::default() };
    let surface = Some(Surface::Tutor);
    House::given(Given {
        stage: Some((stage, cues)),
        workflows,
        surface,
        auth,
        gate: open_gate(),
        ..Given::default()
    })
    .await
}

fn ask(message: &str) -> String {
    let context = json!({"subject": "x".repeat(100)});
    let data = json!({"message_id": message, "session_id": "s", "message": "Why is grass green?", "context": context});
    json!({"type": "chat_stream", "data": data}).to_string()
}

/// Everything up to the ending.
async fn stream(socket: &mut Socket) -> Vec<Value> {
    let mut frames: Vec<Value> = Vec::new();
    while !frames.last().is_some_and(|frame| {
        ["stream_complete", "stream_error", "generation_stopped"].contains(&frame["type"].as_str().unwrap())
    }) {
        frames.push(socket.hear().await);
    }
    frames
}

async fn post(house: &House, message: &str) -> Value {
    let body = json!({
        "message": "Why is grass green?", "session_id": "s", "message_id": message,
        "context": {"subject": "x".repeat(100)},
    });
    let answer = house.http("POST", "/api/v1/chat").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

// Planted fault: a tutor that takes a byte less of a subject than the doors let in.
#[tokio::test]
async fn a_lesson_is_one_run_behind_both_doors() {
    let mut house = school().await;
    let mut socket = house.socket("/api/ws").await;
    assert_eq!(socket.hear().await["type"], "connect");
    socket.say(&ask("m")).await;
    let mut act = house.cues.next().await;
    act.say("Because ").await;
    act.say("of chlorophyll.").await;
    act.end().await;
    let frames = stream(&mut socket).await;
    assert_eq!(frames[0]["type"], "stream_start");
    assert!(frames.iter().any(|frame| frame["type"] == "context_info"), "{frames:?}");
    let last = &frames.last().unwrap()["data"];
    assert_eq!(last["full_content"], "Because of chlorophyll.");
    let said: String = frames.iter().filter_map(|frame| frame["data"]["content"].as_str()).collect();
    assert_eq!(said, "Because of chlorophyll.");
    // The same turn at the other door is the answer that is there.
    let answer = post(&house, "m").await;
    assert_eq!((&answer["message"], &answer["cached"]), (&last["full_content"], &json!(true)));
    assert_eq!(answer["run_id"], last["ai_message_id"]);
    // A stopped one as well.
    socket.say(&ask("n")).await;
    let mut act = house.cues.next().await;
    act.say("Well, ").await;
    socket.until("content_chunk").await;
    let stop = json!({"type": "stop_generation", "data": {"message_id": "n"}});
    socket.say(&stop.to_string()).await;
    let frames = stream(&mut socket).await;
    let kinds: Vec<_> = frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
    assert_eq!(kinds[kinds.len() - 2..], ["stop_acknowledged", "generation_stopped"]);
    act.cancelled().await;
    let answer = post(&house, "n").await;
    assert_eq!((&answer["message"], &answer["outcome"]), (&json!("Well, "), &json!("cancelled")));
    let (ann, n) = (principal("ann").user, MessageId::parse("n").unwrap());
    let run = house.store.run_of_message(&ann, None, &n).await.unwrap().unwrap();
    assert_eq!(answer["run_id"], run.id.as_str());
}

/// The fall-back of a client that knows no session.
fn fall_back(house: &House, user: &str) -> JoinHandle<Value> {
    let body = json!({
        "message": "Why is grass green?", "message_id": "m", "context": {"subject": "x".repeat(100)},
    });
    let request = house.http_as(user, "POST", "/api/v1/chat").json(&body);
    tokio::spawn(async move { request.send().await.unwrap().json().await.unwrap() })
}

// Planted fault: only the session of the message's own name looked for (a second run, and a second call of the model).
#[tokio::test]
async fn who_lost_his_socket_and_knows_no_session_gets_the_answer_that_is_there() {
    let mut house = school().await;
    let mut socket = house.socket("/api/ws").await;
    socket.say(&ask("m")).await;
    let mut act = house.cues.next().await;
    act.say("Because ").await;
    socket.until("content_chunk").await;
    drop(socket);
    // Two at once, while it is being written, and one when it is there.
    let both = join(fall_back(&house, "ann"), fall_back(&house, "ann"));
    act.say("so.").await;
    act.end().await;
    let (one, two) = tokio::select! {
        both = both => (both.0.unwrap(), both.1.unwrap()),
        _ = house.cues.next() => panic!("the model was asked twice"),
    };
    let later = fall_back(&house, "ann").await.unwrap();
    for answer in [&one, &two, &later] {
        assert_eq!((&answer["message"], &answer["session_id"]), (&json!("Because so."), &json!("s")));
        assert_eq!(answer["run_id"], one["run_id"]);
    }
    assert_eq!(later["cached"], true);
    assert_eq!(house.engine.runs(&principal("ann"), None, None, None, 10).await.unwrap().len(), 1);
    assert!(house.cues.try_next().is_none(), "the model was asked twice");
    // The same id of another is his own, and two of his at once are one.
    let both = join(fall_back(&house, "bob"), fall_back(&house, "bob"));
    let mut act = house.cues.next().await;
    act.say("Bob's.").await;
    act.end().await;
    let (one, two) = tokio::select! {
        both = both => (both.0.unwrap(), both.1.unwrap()),
        _ = house.cues.next() => panic!("the model was asked twice"),
    };
    assert_eq!((&one["message"], &one["run_id"]), (&json!("Bob's."), &two["run_id"]));
    assert_ne!(one["run_id"], later["run_id"]);
}

#[tokio::test]
async fn a_guest_has_lessons_and_a_token_that_ran_out_opens_nothing() {
    let mut house = school().await;
    let (old, _) = house.pair("ann", "s1", 100_000);
    let path = format!("ws://{}/api/ws?token={old}", house.address);
    let Err(Refused::Http(answer)) = tokio_tungstenite::connect_async(path).await else { panic!() };
    assert_eq!(answer.status(), 403);
    // Nobody is a guest here by himself: he asks for a guest's token.
    let Err(Refused::Http(answer)) =
        tokio_tungstenite::connect_async(format!("ws://{}/api/ws", house.address)).await
    else {
        panic!()
    };
    assert_eq!(answer.status(), 403);
    let guest = house.auth.guest().unwrap().unwrap().access;
    let mut socket = house.stranger(&format!("/api/ws?token={guest}")).await;
    assert!(socket.hear().await["data"]["user_id"].as_str().unwrap().starts_with("guest_"));
    socket.say(&ask("m")).await;
    let mut act = house.cues.next().await;
    act.say("So.").await;
    act.end().await;
    assert_eq!(stream(&mut socket).await.last().unwrap()["data"]["full_content"], "So.");
}

#[tokio::test]
async fn a_guest_has_lessons_over_http_and_nobody_elses() {
    let mut house = school().await;
    let (one, other) = (house.auth.guest().unwrap().unwrap(), house.auth.guest().unwrap().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = house.address;
    let send = |token: &str, method: &str, path: &str, body: Option<Value>| {
        let request = client.request(method.parse().unwrap(), format!("http://{address}{path}"));
        let request = request.bearer_auth(token);
        let request = body.iter().fold(request, |request, body| request.json(body));
        tokio::spawn(async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        })
    };
    let turn = json!({"message": "Why is grass green?", "session_id": "s", "message_id": "m"});
    let asked = send(&one.access, "POST", "/api/v1/chat", Some(turn.clone()));
    let mut act = house.cues.next().await;
    act.say("So.").await;
    act.end().await;
    let (status, answer) = asked.await.unwrap();
    assert_eq!((status, &answer["message"], &answer["cached"]), (200, &json!("So."), &json!(false)));
    // Once more, and what was said.
    let (_, again) = send(&one.access, "POST", "/api/v1/chat", Some(turn.clone())).await.unwrap();
    assert_eq!((&again["run_id"], &again["cached"]), (&answer["run_id"], &json!(true)));
    let history = "/api/v1/chat/history/s";
    let (status, said) = send(&one.access, "GET", history, None).await.unwrap();
    assert_eq!((status, said["messages"].as_array().unwrap().len()), (200, 2));
    // Another guest's of that name is another one.
    let nothing = (404, json!({"detail": "Session not found"}));
    assert_eq!(send(&other.access, "GET", history, None).await.unwrap(), nothing);
    let anothers = format!("{history}?owner={}", one.who.user.as_str());
    assert_eq!(send(&other.access, "GET", &anothers, None).await.unwrap(), nothing);
    let asked = send(&other.access, "POST", "/api/v1/chat", Some(turn));
    house.cues.next().await.end().await;
    assert_ne!(asked.await.unwrap().1["run_id"], answer["run_id"]);
    // Who he is, and how long.
    let (status, me) = send(&one.access, "GET", "/api/auth/me", None).await.unwrap();
    assert_eq!((status, &me["id"]), (200, &json!(one.who.user.as_str())));
    assert_eq!(send(&one.access, "POST", "/api/auth/logout", Some(json!({}))).await.unwrap().0, 200);
    assert_eq!(send(&one.access, "GET", history, None).await.unwrap().0, 401);
    assert_eq!(send(&other.access, "GET", history, None).await.unwrap().0, 200);
}
