//! People without an account.

use headwater_core::limit;
use headwater_core::port::desk::Desk as _;
use headwater_server::auth::Rules;
use serde_json::{Value, json};

use crate::appointments::free;
use crate::house::House;

const QUESTION: &str = r#"{"type":"message","message":"hi","session_id":"s"}"#;

async fn open() -> House {
    House::with_rules(Rules { guests: true, ..Rules::default() }).await
}

async fn call(house: &House, method: &str, path: &str, token: &str, body: Value) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{path}", house.address);
    let request = client.request(method.parse().unwrap(), url).bearer_auth(token).json(&body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

// Planted faults: one guest for all connections (each then sees the other's session `s`); guests let in where
// the setting is off.
#[tokio::test]
async fn a_guest_chats_and_sees_nobody_elses() {
    let mut house = open().await;
    let mut one = house.stranger("/ws/chat").await;
    one.say(QUESTION).await;
    let mut act = house.cues.next().await;
    act.say("for the first").await;
    let run = one.until("token").await["run_id"].as_str().unwrap().to_owned();
    // A bad token is no token.
    let mut two = house.stranger("/ws/chat?token=bad").await;
    for ask in [json!({"type": "resume", "session_id": "s"}), json!({"type": "resume", "run_id": run})] {
        two.say(&ask.to_string()).await;
        assert_eq!(two.hear().await["code"], "NOT_FOUND");
    }
    two.say(&json!({"type": "stop", "run_id": run}).to_string()).await;
    assert_eq!(two.hear().await["code"], "NOT_FOUND");
    // A member does not see it either, and the guest nothing of a member's.
    two.say(&json!({"type": "auth", "token": house.token("ann")}).to_string()).await;
    assert_eq!(two.hear().await["user"]["id"], "ann");
    two.say(&json!({"type": "resume", "run_id": run}).to_string()).await;
    assert_eq!(two.hear().await["code"], "NOT_FOUND");
    let anns = house.told(&["hers"]).await;
    one.say(&json!({"type": "resume", "run_id": anns.as_str()}).to_string()).await;
    assert_eq!(one.until("error").await["code"], "NOT_FOUND");
    // Who signs in is not the guest any more: what was shown to the guest is let go of.
    one.say(&json!({"type": "auth", "token": house.token("eve")}).to_string()).await;
    one.until("auth_success").await;
    act.say("unseen").await;
    one.say(r#"{"type":"ping"}"#).await;
    assert_eq!(one.hear().await["type"], "pong");
    act.end().await;
    // The native protocol and HTTP are for those who have shown who they are.
    let mut native = house.stranger("/ws").await;
    native.say(r#"{"type":"list"}"#).await;
    assert_eq!(native.hear().await["error"]["code"], "auth_required");
}

#[tokio::test]
async fn without_the_setting_there_are_none() {
    let house = House::new().await;
    assert_eq!(
        call(&house, "POST", "/api/v1/auth/guest", "", json!({})).await,
        call(&house, "POST", "/api/v1/auth/nowhere", "", json!({})).await
    );
    let mut socket = house.stranger("/ws/chat").await;
    socket.say(QUESTION).await;
    assert_eq!(socket.hear().await["code"], "AUTH_REQUIRED");
    // Nor those of a time when it was on.
    let open = open().await;
    // Pages learn from here whether to offer it.
    let health = |house: &House| house.http("GET", "/health").send();
    assert_eq!(health(&open).await.unwrap().json::<Value>().await.unwrap()["anonymous_chat"], true);
    assert!(!health(&house).await.unwrap().text().await.unwrap().contains("anonymous_chat"));
    let granted = call(&open, "POST", "/api/v1/auth/guest", "", json!({})).await.1;
    let rules = Rules { before: Some(open.secret.clone()), ..Rules::default() };
    let closed = House::with_rules(rules).await;
    let again = json!({"refresh_token": granted["refresh_token"]});
    assert_eq!(call(&closed, "POST", "/api/v1/auth/refresh", "", again).await.0, 401);
}

#[tokio::test]
async fn a_guests_tokens_are_his_alone_and_let_him_resume() {
    let mut house = open().await;
    let (status, one) = call(&house, "POST", "/api/v1/auth/guest", "", json!({})).await;
    let (_, two) = call(&house, "POST", "/api/v1/auth/guest", "", json!({})).await;
    let id = one["user"]["id"].as_str().unwrap();
    assert!(status == 200 && id.starts_with("guest_") && one["user"]["id"] != two["user"]["id"]);
    assert_eq!(
        (&one["user"]["name"], &one["user"]["email"], &one["expires_in"]),
        (&json!("Guest"), &json!(""), &json!(1800))
    );
    let token = |granted: &Value| granted["access_token"].as_str().unwrap().to_owned();
    let mut socket = house.stranger(&format!("/ws/chat?token={}", token(&one))).await;
    socket.say(QUESTION).await;
    let mut act = house.cues.next().await;
    act.say("half ").await;
    let seen = socket.until("token").await;
    drop(socket);
    let resume = json!({"type": "resume", "session_id": "s", "after": seen["seq"]}).to_string();
    let again = json!({"refresh_token": one["refresh_token"]});
    let (status, next) = call(&house, "POST", "/api/v1/auth/refresh", "", again).await;
    assert_eq!((status, &next["user"]["id"]), (200, &one["user"]["id"]));
    let mut socket = house.stranger(&format!("/ws/chat?token={}", token(&next))).await;
    socket.say(&resume).await;
    act.say("whole").await;
    act.end().await;
    assert_eq!(socket.until("complete").await["response"], "half whole");
    let mut other = house.stranger(&format!("/ws/chat?token={}", token(&two))).await;
    other.say(&resume).await;
    assert_eq!(other.hear().await["code"], "NOT_FOUND");
    assert_eq!(call(&house, "POST", "/api/v1/auth/logout", &token(&next), json!({})).await.0, 200);
    assert_eq!(u16::from(socket.closed().await.1.code), 4401);
    assert_eq!(call(&house, "GET", "/api/v1/auth/me", &token(&one), json!({})).await.0, 401);
}

// Planted fault: not asked; the documents were then stored, for each of as many guests as somebody makes.
#[tokio::test]
async fn guests_store_no_documents() {
    let house = open().await;
    let (_, guest) = call(&house, "POST", "/api/v1/auth/guest", "", json!({})).await;
    let token = guest["access_token"].as_str().unwrap();
    let text = json!({"text": "some words", "source": "a"});
    for path in ["/api/v1/documents/ingest-text", "/api/v1/documents/upload"] {
        let said = call(&house, "POST", path, token, text.clone()).await;
        assert_eq!(said, (403, json!({"detail": "Guests cannot store documents; register first"})));
    }
    let list = call(&house, "GET", "/api/v1/documents/", token, json!({})).await;
    assert_eq!(list, (200, json!({"documents": []})));
    assert_eq!(call(&house, "POST", "/api/v1/documents/ingest-text", &house.token("ann"), text).await.0, 200);
}

// Planted faults: a token that does not say that it is a guest's; the guest of one connection let in as a member.
// Each then booked.
#[tokio::test]
async fn guests_book_no_appointments() {
    let house = open().await;
    let (date, time) = free(&house);
    let book = format!("Book an oil change on {date} at {time}");
    let (_, guest) = call(&house, "POST", "/api/v1/auth/guest", "", json!({})).await;
    let token = guest["access_token"].as_str().unwrap();
    let no = "Appointments are made for people with an account. Please register or sign in, and ask again.";
    let tools = json!([{"name": "book_appointment", "ok": false}]);
    let said = |answer: &Value| {
        assert_eq!(
            (answer["response"].as_str(), &answer["metadata"]["context"]["tools"]),
            (Some(no), &tools),
            "{answer}"
        );
    };
    let ask = json!({"message": book, "session_id": "s"});
    let (status, answer) = call(&house, "POST", "/api/v1/chat", token, ask).await;
    assert_eq!(status, 200);
    said(&answer);
    // By his token, and as somebody whom only this connection knows.
    for path in [format!("/ws/chat?token={token}"), "/ws/chat".to_owned()] {
        let mut socket = house.stranger(&path).await;
        socket.say(&json!({"type": "message", "message": book, "session_id": "t"}).to_string()).await;
        said(&socket.until("complete").await);
    }
    let listed = call(&house, "GET", "/api/v1/appointments", token, json!({})).await;
    assert_eq!(listed, (200, json!({"appointments": []})));
    assert!(house.store.taken("", "~").await.unwrap().is_empty());
    // What was refused to them is what a member gets.
    let ask = json!({"message": book, "session_id": "s"});
    let (_, answer) = call(&house, "POST", "/api/v1/chat", &house.token("ann"), ask).await;
    assert!(answer["response"].as_str().unwrap().starts_with("Booked: "), "{answer}");
    assert_eq!(house.store.taken("", "~").await.unwrap().len(), 1);
}

#[tokio::test]
async fn guests_have_the_same_limits() {
    let mut house = open().await;
    let mut socket = house.stranger("/ws/chat").await;
    let mut acts = Vec::new();
    for n in 0..=limit::QUEUED_TURNS {
        let ask = json!({"type": "message", "message": "hi", "session_id": format!("s{n}")});
        socket.say(&ask.to_string()).await;
        acts.push(house.cues.next().await);
    }
    socket.say(QUESTION).await;
    assert_eq!(socket.until("error").await["code"], "QUEUE_FULL");
    drop(acts);
    let long = json!({"type": "message", "message": "x".repeat(limit::MESSAGE_BYTES + 1)}).to_string();
    let mut socket = house.stranger("/ws/chat").await;
    socket.say(&long).await;
    assert_eq!(socket.until("error").await["code"], "MESSAGE_TOO_LARGE");
}
