//! How long somebody is signed in: tokens that run out and people who sign out, on sockets, streams and
//! long requests. Time is paused once the sockets stand.

use futures_util::StreamExt;
use headwater_core::Millis;
use headwater_engine::Clock;
use headwater_server::auth::Auth;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::house::House;

/// Seconds that are left of an access token made so long ago.
const LEFT: i64 = 90;
const AGO: i64 = headwater_server::auth::token::ACCESS_SECONDS - LEFT;
const QUESTION: &str = r#"{"type":"message","message":"hi","session_id":"s"}"#;

async fn post(house: &House, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(format!("http://{}{path}", house.address)).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn me(house: &House, token: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("http://{}/api/v1/auth/me", house.address)).bearer_auth(token);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn about(left: i64, began: Instant) {
    let took = began.elapsed().as_secs_f64();
    let left = f64::from(i32::try_from(left).unwrap());
    assert!((left - 1.5..=left + 1.0).contains(&took), "{took} s in place of {left}");
}

// Planted fault: no timer (the socket lives on with its pings).
#[tokio::test]
async fn a_chat_ends_with_its_token_and_goes_on_with_the_next() {
    let mut house = House::new().await;
    let (token, _) = house.pair("ann", "s1", AGO);
    let mut socket = house.stranger(&format!("/ws/chat?token={token}")).await;
    socket.say(QUESTION).await;
    let mut act = house.cues.next().await;
    act.say("one ").await;
    let seen = socket.until("token").await;
    let began = Instant::now();
    tokio::time::pause();
    let (frames, close) = socket.closed().await;
    about(LEFT, began);
    tokio::time::resume();
    assert_eq!(frames, [r#"{"type":"error","error":"Token expired","code":"TOKEN_EXPIRED"}"#]);
    let run = seen["run_id"].as_str().unwrap();
    assert_eq!(u16::from(close.code), 4401);
    assert_eq!(close.reason.as_str(), format!("resume {run} after {}", seen["seq"]));
    // The run has not noticed.
    assert!(act.say("two ").await);
    let mut socket = house.socket("/ws/chat").await;
    socket.say(&json!({"type": "resume", "run_id": run, "after": seen["seq"]}).to_string()).await;
    assert_eq!(socket.until("token").await["partial_response"], "one two ");
    act.end().await;
    assert_eq!(socket.until("complete").await["response"], "one two ");
}

#[tokio::test]
async fn a_native_connection_says_where_to_go_on() {
    let mut house = House::new().await;
    let (run, mut act) = house.begin().await;
    let (token, _) = house.pair("ann", "s1", AGO);
    let mut socket = house.stranger(&format!("/ws?token={token}")).await;
    socket.say(&json!({"type": "follow", "run_id": run.as_str()}).to_string()).await;
    act.say("one").await;
    while socket.until("event").await["event"]["text"] != "one" {}
    tokio::time::pause();
    let (frames, close) = socket.closed().await;
    tokio::time::resume();
    let error: Vec<Value> = frames.iter().map(|f| serde_json::from_str(f).unwrap()).collect();
    let error: Vec<&Value> = error.iter().filter(|f| f["type"] != "heartbeat").collect();
    assert_eq!(error.len(), 1);
    assert_eq!(
        error[0]["error"],
        json!({"code": "token_expired", "message": "Token expired", "retryable": false})
    );
    assert_eq!(u16::from(close.code), 4401);
    act.say("two").await;
    let mut socket = house.socket("/ws").await;
    let follow = json!({"type": "follow", "run_id": run.as_str(), "cursor": close.reason.as_str()});
    socket.say(&follow.to_string()).await;
    assert_eq!(socket.until("event").await["event"]["text"], "two");
    act.end().await;
    // Where nothing is followed there is nowhere to go on.
    let mut idle = house.stranger(&format!("/ws?token={token}")).await;
    tokio::time::pause();
    assert_eq!(idle.closed().await.1.reason.as_str(), "token expired; sign in again");
}

// Planted fault: the timer of the first token kept.
#[tokio::test]
async fn a_new_token_in_time_and_nothing_is_missed() {
    let mut house = House::new().await;
    let (old, _) = house.pair("ann", "s1", AGO);
    let (new, _) = house.pair("ann", "s1", AGO - 600);
    for (path, word) in [("/ws/chat", "auth_success"), ("/ws", "signed_in")] {
        let mut socket = house.stranger(&format!("{path}?token={old}")).await;
        let (run, mut act) = house.begin().await;
        let show = if path == "/ws" { "follow" } else { "resume" };
        socket.say(&json!({"type": show, "run_id": run.as_str(), "after": 0}).to_string()).await;
        act.say("one").await;
        socket.until(if path == "/ws" { "following" } else { "token" }).await;
        socket.say(&json!({"type": "auth", "token": new}).to_string()).await;
        socket.until(word).await;
        let began = Instant::now();
        tokio::time::pause();
        let quiet = tokio::time::timeout(Duration::from_secs(2 * 90), async {
            loop {
                let frame = socket.hear().await;
                assert_ne!(frame["type"], "error", "{frame}");
            }
        });
        assert!(quiet.await.is_err());
        tokio::time::resume();
        act.say("two").await;
        act.end().await;
        // He kept what he followed.
        loop {
            let frame = socket.hear().await;
            if frame["response"] == "onetwo" || frame["event"]["type"] == "run_ended" {
                break;
            }
        }
        tokio::time::pause();
        assert_eq!(u16::from(socket.closed().await.1.code), 4401);
        about(LEFT + 600, began);
        tokio::time::resume();
    }
}

// Planted faults: `moved` not awaited (the socket then notices with its next ping); the table not asked when
// the connection begins; another sign-in of the user closed as well.
#[tokio::test]
async fn who_signs_out_is_gone_from_every_socket_and_nobody_else_is() {
    let mut house = House::new().await;
    let (one, refresh) = house.pair("ann", "s1", 5);
    let (two, _) = house.pair("ann", "s2", 5);
    let (eve, _) = house.pair("eve", "s1", 5);
    let identity = house.auth.identify(&one).unwrap();
    let (run, mut act) = house.begin().await;
    let mut gone = Vec::new();
    for path in ["/ws/chat", "/ws"] {
        gone.push(house.stranger(&format!("{path}?token={one}")).await);
        let mut by_frame = house.stranger(path).await;
        by_frame.say(&json!({"type": "auth", "token": one}).to_string()).await;
        by_frame.hear().await;
        gone.push(by_frame);
    }
    let mut kept = Vec::new();
    for token in [&two, &eve] {
        kept.push(house.stranger(&format!("/ws/chat?token={token}")).await);
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/api/runs/{run}/events", house.address);
    let mut stream = client.get(&url).bearer_auth(&one).send().await.unwrap().bytes_stream();
    let first = stream.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"id: "));
    let waiting = client.post(format!("http://{}/api/v1/chat", house.address));
    let waiting = tokio::spawn(waiting.bearer_auth(&one).json(&json!({"message": "hi"})).send());
    let asked = house.cues.next().await;

    assert_eq!(
        post(&house, "/api/v1/auth/logout", &one, None).await,
        (200, json!({"message": "Logged out"}))
    );
    // Long before the next ping, with which a socket would notice as well.
    for mut socket in gone {
        let closed = tokio::time::timeout(Duration::from_secs(5), socket.closed()).await;
        let (frames, close) = closed.expect("still there");
        assert!(frames[0].contains("oken expired") && u16::from(close.code) == 4401, "{frames:?}");
    }
    let mut last = String::new();
    while let Some(piece) = stream.next().await {
        last.push_str(std::str::from_utf8(&piece.expect("ended, not broken off")).unwrap());
    }
    let end = last.rsplit_once("data: ").unwrap().1;
    let end: Value = serde_json::from_str(end.trim()).unwrap();
    assert_eq!((&end["type"], &end["error"]["code"]), (&json!("error"), &json!("token_expired")));
    assert!(!last.rsplit("\n\n").nth(1).unwrap().contains("id: "), "the last cursor stays");
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
        (401, r#"{"detail":"Token expired"}"#)
    );
    // The runs go on.
    assert!(act.say("more").await && !asked.is_cancelled());
    for mut socket in kept {
        socket.say(r#"{"type":"ping"}"#).await;
        assert_eq!(socket.hear().await["type"], "pong");
    }
    assert_eq!(me(&house, &one).await, (401, json!({"detail": "Invalid token"})));
    // A connection that began in the moment between has it told at once.
    assert!(house.auth.standing(Some(identity)).is_over(Instant::now()));
    let refused = post(&house, "/api/v1/auth/refresh", &one, Some(json!({"refresh_token": refresh}))).await;
    assert_eq!(refused.0, 401);
    assert_eq!(me(&house, &two).await.0, 200);
    // Signing out twice is signing out once; and one who is signed out ends nothing more.
    let again = post(&house, "/api/v1/auth/logout", &one, Some(json!({"everywhere": true}))).await;
    assert_eq!((again.0, me(&house, &two).await.0), (200, 200));

    let everywhere = post(&house, "/api/v1/auth/logout", &two, Some(json!({"everywhere": true}))).await;
    assert_eq!(everywhere, (200, json!({"message": "Logged out"})));
    let (three, _) = house.pair("ann", "s3", 5);
    assert_eq!((me(&house, &three).await.0, me(&house, &eve).await.0), (401, 200));
    // A new server on the same store knows all of it.
    let next = Auth::new(&house.secret, house.store.clone(), Clock::default());
    assert!(next.identify(&one).is_ok());
    next.load().await.unwrap();
    for (token, good) in [(&one, false), (&two, false), (&three, false), (&eve, true)] {
        assert_eq!(next.identify(token).is_ok(), good);
    }
}

#[tokio::test]
async fn a_sign_out_is_refused_or_durable() {
    let house = House::new().await;
    let (token, _) = house.pair("ann", "s1", 5);
    for (body, status) in [(json!({"everywhere": "yes"}), 422), (json!([]), 422)] {
        assert_eq!(post(&house, "/api/v1/auth/logout", &token, Some(body)).await.0, status);
    }
    assert_eq!(
        post(&house, "/api/v1/auth/logout", "x", None).await,
        (401, json!({"detail": "Invalid token"}))
    );
    let (old, _) = house.pair("ann", "s1", AGO + LEFT);
    assert_eq!(post(&house, "/api/v1/auth/logout", &old, None).await.0, 401);
    house.store.faults().fail_writes(1);
    assert_eq!(post(&house, "/api/v1/auth/logout", &token, None).await.0, 500);
    assert_eq!(post(&house, "/api/v1/auth/logout", &token, None).await.0, 200);
    let next = Auth::new(&house.secret, house.store.clone(), Clock::default());
    next.load().await.unwrap();
    assert!(next.identify(&token).is_err());
}

// Planted faults: a use that is not kept (a restart forgets it); the sign-in not ended.
#[tokio::test]
async fn a_refresh_token_that_is_used_twice_ends_its_sign_in() {
    let house = House::new().await;
    let body = json!({"email": "jo@example.com", "password": "12345678", "name": "Jo"});
    let granted = post(&house, "/api/v1/auth/register", "", Some(body)).await.1;
    let refresh = |token: &Value| {
        let body = Some(json!({"refresh_token": token}));
        let house = &house;
        async move { post(house, "/api/v1/auth/refresh", "", body).await }
    };
    let first = &granted["refresh_token"];
    let (status, second) = refresh(first).await;
    // Asked again at once: the answer was lost, or another window asked as well.
    assert_eq!((status, refresh(first).await), (200, (200, second.clone())));
    assert_ne!(&second["refresh_token"], first);
    let (_, third) = refresh(&second["refresh_token"]).await;
    let access = third["access_token"].as_str().unwrap();
    let mut socket = house.stranger(&format!("/ws?token={access}")).await;
    assert_eq!(me(&house, access).await.0, 200);
    // A store that fails has used nothing.
    house.store.faults().fail_writes(1);
    assert_eq!(refresh(&third["refresh_token"]).await.0, 500);
    // Later than the failed one by the clock's smallest step.
    let failed = Clock::default().wall().max(house.auth.identify(access).unwrap().issued);
    while Clock::default().wall() <= Millis(failed.0 + 1) {
        tokio::task::yield_now().await;
    }
    let since = Clock::default().wall();
    let (status, fourth) = refresh(&third["refresh_token"]).await;
    assert_eq!(status, 200);
    let made = house.auth.identify(fourth["access_token"].as_str().unwrap()).unwrap().issued;
    assert!(made >= since, "the failed use counted, and this is its retry");

    assert_eq!(refresh(first).await, (401, json!({"detail": "Invalid token"})));
    assert_eq!(u16::from(socket.closed().await.1.code), 4401);
    assert_eq!(me(&house, access).await.0, 401);
    assert_eq!(refresh(&fourth["refresh_token"]).await.0, 401);
    // Whoever signs in anew is not concerned.
    let body = json!({"email": "jo@example.com", "password": "12345678"});
    let (_, anew) = post(&house, "/api/v1/auth/login", "", Some(body)).await;
    assert_eq!(refresh(&anew["refresh_token"]).await.0, 200);
}

// Whoever signs out everywhere and in again in the same second is signed in.
#[tokio::test]
async fn signing_in_right_after_signing_out_everywhere() {
    let house = House::new().await;
    let body = json!({"email": "jo@example.com", "password": "12345678", "name": "Jo"});
    let mut granted = post(&house, "/api/v1/auth/register", "", Some(body.clone())).await.1;
    for _ in 0..3 {
        let token = granted["access_token"].as_str().unwrap().to_owned();
        let out = post(&house, "/api/v1/auth/logout", &token, Some(json!({"everywhere": true}))).await;
        assert_eq!(out.0, 200);
        granted = post(&house, "/api/v1/auth/login", "", Some(body.clone())).await.1;
        assert_eq!(me(&house, &token).await.0, 401);
        assert_eq!(me(&house, granted["access_token"].as_str().unwrap()).await.0, 200);
    }
}
