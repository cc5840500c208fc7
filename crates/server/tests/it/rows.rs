//! Rows of the contracts of `chat` and `ai_stream` that no other file asks for: whose tokens open a socket, what each
//! listener serves and says before it goes, what stands in an address, and every number by its value.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use futures_util::{SinkExt as _, StreamExt as _};
use headwater_core::limit;
use headwater_server::app::{Surface, surface};
use headwater_server::auth::token::{ACCESS_SECONDS, REFRESH_SECONDS};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceExt as _;

use crate::house::{Given, House, open_gate};
use crate::tokens::{self, HEAD, OUTSIDE, by_hand, now};

const QUESTION: &str = r#"{"type":"message","message":"What is the engine power?","session_id":"s"}"#;
const GENERATE: &str = r#"{"action":"generate","prompt":"Hi"}"#;

// Planted fault: `aud` not compared.
#[tokio::test]
async fn a_token_of_a_named_issuer_opens_ai_stream_and_another_does_not() {
    let mut house = tokens::house().await;
    let claims = json!({"sub": "shopper", "exp": now() + 600, "iss": "shop", "aud": "chat"});
    let token = by_hand(OUTSIDE, HEAD, &claims.to_string());
    let bearer = format!("Bearer {token}");
    let (query, header) = (format!("/ws/ai/stream?token={token}"), [("authorization", bearer.as_str())]);
    for (path, headers) in [(query.as_str(), &[][..]), ("/ws/ai/stream", &header[..])] {
        let (mut socket, _) = house.shake(path, headers).await;
        socket.say(GENERATE).await;
        house.cues.next().await.end().await;
        let done = socket.hear().await;
        assert_eq!((&done["type"], &done["user_id"]), (&json!("done"), &json!("shopper")));
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let limits = client.get(format!("http://{}/api/user/limits", house.address)).bearer_auth(&token);
    let used: Value = limits.send().await.unwrap().json().await.unwrap();
    assert_eq!(used["ai_generations_used"], 2, "the same user on the socket and beside it");
    // Every way in which one is not good: `tokens.rs`.
    for (key, other) in [("iss", json!("market")), ("aud", json!("headwater")), ("exp", json!(now() - 1))] {
        let mut wrong = claims.clone();
        wrong[key] = other;
        let token = by_hand(OUTSIDE, HEAD, &wrong.to_string());
        let url = format!("ws://{}/ws/ai/stream?token={token}", house.address);
        match tokio_tungstenite::connect_async(url).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                assert_eq!(
                    (answer.status().as_u16(), answer.body().as_deref()),
                    (403, Some(&[][..])),
                    "{key}"
                );
            }
            other => panic!("{key}: {:?}", other.map(|_| "taken")),
        }
    }
}

/// A request to what this surface would serve.
async fn asked(house: &House, on: Surface, method: &str, path: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let (parts, body) = surface(house.app.clone(), on).oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (parts.status.as_u16(), String::from_utf8_lossy(&body).into_owned())
}

// What whoever is asking just then is told. Nobody new gets in while it drains, see `edge.rs`. Planted fault: the drain
// not asked for.
#[tokio::test]
async fn a_server_that_drains_is_not_ready_on_any_listener() {
    let house = House::new().await;
    let ready = [(Surface::Main, "/health/ready"), (Surface::Orchestrate, "/ready")];
    for (on, path) in ready {
        let (status, body) = asked(&house, on, "GET", path).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["status"]), (200, &json!("ready")), "{path}");
    }
    house.draining.cancel();
    for (on, path) in ready {
        let (status, body) = asked(&house, on, "GET", path).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["status"]), (503, &json!("not_ready")), "{path}");
    }
    // It lives all the same, and its database is there.
    let (status, body) = asked(&house, Surface::Main, "GET", "/health/ready").await;
    assert_eq!((status, body.as_str()), (503, r#"{"status":"not_ready","database":"connected"}"#));
    for (on, path) in
        [(Surface::Main, "/health"), (Surface::Tutor, "/api/health"), (Surface::Orchestrate, "/health")]
    {
        assert_eq!(asked(&house, on, "GET", path).await.0, 200, "{path}");
    }
}

/// Method, path, and whether the main listener, the tutor's and that of `orchestrate` have it.
const SERVED: &[(&str, &str, [bool; 3])] = &[
    ("GET", "/", [true, false, true]),
    ("GET", "/ws/test", [true, false, false]),
    ("GET", "/ws/ai/test", [true, false, false]),
    ("GET", "/tutor/test", [true, false, false]),
    ("GET", "/orchestrate/test", [true, false, false]),
    ("GET", "/docs", [true, false, false]),
    ("GET", "/openapi.json", [true, false, false]),
    ("GET", "/knowledge", [true, false, false]),
    ("GET", "/health", [true, false, true]),
    ("GET", "/health/ready", [true, false, false]),
    ("GET", "/ready", [false, false, true]),
    ("GET", "/api/health", [true, true, false]),
    // chat
    ("GET", "/ws/chat", [true, false, false]),
    ("GET", "/ws", [true, false, false]),
    ("POST", "/api/v1/auth/register", [true, false, false]),
    ("POST", "/api/v1/auth/login", [true, false, false]),
    ("POST", "/api/v1/auth/refresh", [true, false, false]),
    ("GET", "/api/v1/auth/me", [true, false, false]),
    ("POST", "/api/v1/chat", [true, true, false]),
    ("GET", "/api/v1/chat/history/s", [true, true, false]),
    ("POST", "/api/v1/documents/upload", [true, false, false]),
    ("POST", "/api/v1/documents/ingest-text", [true, false, false]),
    ("POST", "/api/v1/documents/search", [true, false, false]),
    ("GET", "/api/v1/documents/", [true, false, false]),
    ("GET", "/api/v1/documents/stats", [true, false, false]),
    ("DELETE", "/api/v1/documents/x", [true, false, false]),
    ("POST", "/api/v1/feedback", [true, false, false]),
    ("GET", "/api/runs", [true, false, false]),
    // ai_stream
    ("GET", "/ws/ai/stream", [true, false, false]),
    ("POST", "/api/ai/generate", [true, false, false]),
    ("POST", "/api/ai/expand", [true, false, false]),
    ("GET", "/api/user/limits", [true, false, false]),
    // tutor
    ("GET", "/api/ws", [true, true, false]),
    ("POST", "/api/auth/register", [true, true, false]),
    ("POST", "/api/auth/login", [true, true, false]),
    ("POST", "/api/auth/refresh", [true, true, false]),
    ("POST", "/api/auth/logout", [true, true, false]),
    ("GET", "/api/auth/me", [true, true, false]),
    ("GET", "/api/v1/providers", [true, true, false]),
    ("POST", "/tutor/api/v1/chat", [true, false, false]),
    ("GET", "/tutor/api/v1/chat/history/s", [true, false, false]),
    ("GET", "/tutor/api/health", [true, false, false]),
    // orchestrate
    ("GET", "/ws/orchestrate/x", [true, false, true]),
    ("POST", "/api/orchestrate/brief", [true, false, true]),
    ("GET", "/api/orchestrate/status/x", [true, false, true]),
    ("GET", "/api/orchestrate/job/x", [true, false, true]),
    ("DELETE", "/api/orchestrate/job/x", [true, false, true]),
    ("POST", "/api/orchestrate/generate/x", [true, false, true]),
    ("GET", "/api/orchestrate/history", [true, false, true]),
    ("GET", "/api/orchestrate/models", [true, false, true]),
];

// Planted fault: the chat's `/health` on the tutor's listener.
#[tokio::test]
async fn each_listener_has_its_own_routes() {
    for (n, on) in Surface::ALL.into_iter().enumerate() {
        let house = House::given(Given { gate: open_gate(), surface: Some(on), ..Given::default() }).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for (method, path, has) in SERVED {
            let url = format!("http://{}{path}", house.address);
            let answer = client.request(method.parse().unwrap(), url).send().await.unwrap();
            let status = answer.status().as_u16();
            let nothing = matches!(status, 404 | 405)
                && answer.text().await.unwrap() != r#"{"detail":"Job not found"}"#;
            assert_eq!(!nothing, has[n], "{on:?} {method} {path}: {status}");
        }
    }
    // Where two have one path for different things, each listener has its own.
    let house = House::new().await;
    for (path, on, has) in [
        ("/api/health", Surface::Main, r#"{"status":"healthy","version":"#),
        ("/api/health", Surface::Tutor, r#"{"status":"ok""#),
        ("/tutor/api/health", Surface::Main, r#"{"status":"ok""#),
        ("/health", Surface::Main, r#"{"status":"healthy","provider":"#),
        ("/health", Surface::Orchestrate, r#"{"status":"healthy","timestamp":"#),
        ("/", Surface::Main, "<!doctype html>"),
        ("/", Surface::Orchestrate, r#"{"message":"#),
    ] {
        let (status, body) = asked(&house, on, "GET", path).await;
        assert!(status == 200 && body.to_ascii_lowercase().starts_with(has), "{on:?} {path}: {body}");
    }
}

// Planted fault: the query not looked at.
#[tokio::test]
async fn an_address_may_ask_for_empty_repetitions() {
    let mut house = House::new().await;
    for (said, partial) in
        [("&partial=false", ""), ("&partial=0", ""), ("&partial=true", "128 hp "), ("", "128 hp ")]
    {
        let path = format!("/ws/chat?token={}{said}", house.token("ann"));
        let mut socket = house.stranger(&path).await;
        socket.say(QUESTION).await;
        let mut act = house.cues.next().await;
        act.say("128 hp ").await;
        let token = socket.until("token").await;
        assert_eq!(
            (&token["token"], &token["partial_response"]),
            (&json!("128 hp "), &json!(partial)),
            "{said}"
        );
        act.end().await;
        assert_eq!(socket.until("complete").await["response"], "128 hp ", "{said}");
    }
}

#[tokio::test]
async fn every_specialist_takes_all_four_steps_also_where_no_model_answers() {
    let mut house = House::tiny().await;
    let mut socket = house.socket("/ws/chat").await;
    for (message, agent) in [
        ("What is the engine power?", "specs"),
        ("schedule an appointment", "maintenance"),
        ("my brake has a problem", "troubleshoot"),
    ] {
        socket.say(&json!({"type": "message", "message": message, "session_id": agent}).to_string()).await;
        let mut steps = Vec::new();
        let complete = loop {
            tokio::select! {
                frame = socket.hear() => match frame["type"].as_str().unwrap() {
                    "progress" => steps.push(frame["step"].as_str().unwrap().to_owned()),
                    "complete" => break frame,
                    _ => {}
                },
                mut act = house.cues.next() => {
                    act.say("128 hp ").await;
                    act.end().await;
                }
            }
        };
        assert_eq!(steps, ["starting", "agent_routing", "rag_retrieval", "generating"], "{message}");
        let metadata = &complete["metadata"];
        assert_eq!((&metadata["agent"], &metadata["context"]["agent"]), (&json!(agent), &json!(agent)));
        assert_eq!(metadata["context"]["classified_intent"], agent.to_uppercase());
        assert!((0.0..=1.0).contains(&metadata["confidence"].as_f64().unwrap()), "{metadata}");
    }
}

#[tokio::test]
async fn a_frame_of_four_kilobytes_is_read_before_sign_in_and_a_longer_one_is_not() {
    let house = House::new().await;
    let frame = |bytes: usize| {
        let empty = json!({"type": "message", "message": ""}).to_string().len();
        json!({"type": "message", "message": "x".repeat(bytes - empty)}).to_string()
    };
    let mut socket = house.stranger("/ws/chat").await;
    socket.say(&frame(4096)).await;
    assert_eq!(socket.hear().await["code"], "AUTH_REQUIRED");
    socket.say(&frame(4097)).await;
    assert_eq!(u16::from(socket.closed().await.1.code), 1009);
}

// A browser that closes without a code is told none (the seed of `ai_stream` saw 1005).
#[tokio::test]
async fn a_close_without_a_code_is_answered_without_one() {
    let house = House::new().await;
    for path in ["/ws/ai/stream", "/ws/chat"] {
        let mut socket = house.socket(path).await;
        socket.0.send(Message::Close(None)).await.unwrap();
        let mut closes = Vec::new();
        while let Some(Ok(frame)) = socket.0.next().await {
            if let Message::Close(close) = frame {
                closes.push(close);
            }
        }
        assert_eq!(closes, [None], "{path}");
    }
}

// Planted fault: the first viewer who leaves taken for the last.
#[tokio::test]
async fn an_answer_of_ai_stream_goes_on_while_somebody_else_watches_it() {
    let mut house = House::new().await;
    let mut asker = house.socket("/ws/ai/stream").await;
    asker.say(GENERATE).await;
    let mut act = house.cues.next().await;
    act.say("one ").await;
    let run = asker.hear().await["run_id"].as_str().unwrap().to_owned();
    let mut other = house.socket("/ws").await;
    other.say(&json!({"type": "follow", "run_id": run}).to_string()).await;
    asker.0.close(None).await.unwrap();
    while asker.0.next().await.is_some_and(|frame| frame.is_ok()) {}
    // Long enough for an ending to come between.
    let mut text = String::new();
    for word in 0..50 {
        act.say(format!("{word} ")).await;
        while !text.ends_with(&format!(" {word} ")) {
            let event = other.until("event").await["event"].take();
            assert_ne!(event["type"], "run_ended", "{text}");
            text += event["text"].as_str().unwrap_or_default();
        }
    }
    drop(other);
    act.cancelled().await;
}

#[test]
fn the_numbers_are_the_contracts() {
    assert_eq!((ACCESS_SECONDS, REFRESH_SECONDS), (1_800, 604_800));
    assert_eq!(limit::AUTH_DEADLINE.as_secs(), 300);
    assert_eq!(limit::WS_MESSAGE_BYTES_BEFORE_AUTH, 4_096);
    assert_eq!((limit::QUEUED_TURNS, limit::GENERATIONS), (8, 50));
    assert_eq!((limit::UPLOAD_BYTES, limit::SEARCH_TOP_K), (50 << 20, 20));
    assert_eq!((limit::CHUNK_CHARS, limit::CHUNK_OVERLAP), (1_000, 200));
    assert_eq!(*limit::PASSWORD_BYTES.start(), 8);
}
