//! `/ws`, subprotocol `headwater.v1`, on real sockets.

use headwater_core::limit;
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::house::{House, principal};

#[tokio::test]
async fn start_follow_stop_list() {
    let mut house = House::new().await;
    let mut socket = house.socket("/ws").await;
    let start = json!({"type": "start", "id": 7, "run": {"workflow": "generate", "message": "hi", "session_id": "s"}});
    socket.say(&start.to_string()).await;
    let started = socket.hear().await;
    assert_eq!(
        (&started["type"], &started["id"], &started["joined"]),
        (&json!("started"), &json!(7), &json!(false))
    );
    let following = socket.hear().await;
    assert_eq!((&following["type"], &following["run"]["status"]), (&json!("following"), &json!("running")));
    let mut act = house.cues.next().await;
    act.say("a").await;
    let mut cursor = String::new();
    for (seq, kind) in [(1, "run_started"), (2, "stage_started"), (3, "model_started"), (4, "token")] {
        let frame = socket.hear().await;
        let event = &frame["event"];
        assert_eq!(
            (&event["run_id"], &event["seq"], &event["type"]),
            (&started["run_id"], &json!(seq), &json!(kind))
        );
        frame["cursor"].as_str().unwrap().clone_into(&mut cursor);
    }
    // A second connection goes on after the cursor, and only there.
    let mut other = house.socket("/ws").await;
    let follow =
        json!({"type": "follow", "id": {"any": "json"}, "run_id": started["run_id"], "cursor": cursor});
    other.say(&follow.to_string()).await;
    let following = other.hear().await;
    assert_eq!((&following["after"], &following["id"]), (&json!(4), &json!({"any": "json"})));
    act.say("b").await;
    assert_eq!(other.hear().await["event"]["text"], "b");
    other.say(&json!({"type": "unfollow", "run_id": started["run_id"]}).to_string()).await;
    assert_eq!(other.hear().await["type"], "unfollowed");
    socket.say(&json!({"type": "stop", "id": "x", "run_id": started["run_id"]}).to_string()).await;
    // No text follows the acknowledgement.
    for kind in ["token", "run_ended"] {
        assert_eq!(socket.hear().await["event"]["type"], kind);
    }
    let stopped = socket.hear().await;
    assert_eq!((&stopped["outcome"], &stopped["id"]), (&json!("cancelled"), &json!("x")));
    assert!(act.is_cancelled());
    other.say(r#"{"type":"list","session_id":"s"}"#).await;
    let runs = other.hear().await["runs"].clone();
    assert_eq!((&runs[0]["run_id"], &runs[0]["status"]), (&started["run_id"], &json!("cancelled")));
    assert_eq!(runs.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn two_runs_stream_on_one_connection() {
    let mut house = House::new().await;
    let mut socket = house.socket("/ws").await;
    for id in [1, 2] {
        let start = json!({"type": "start", "id": id, "run": {"workflow": "generate", "message": "hi"}});
        socket.say(&start.to_string()).await;
    }
    let (mut one, mut two) = (house.cues.next().await, house.cues.next().await);
    two.say("second").await;
    let mut text = String::new();
    while text.is_empty() {
        text.push_str(socket.until("event").await["event"]["text"].as_str().unwrap_or_default());
    }
    assert_eq!(text, "second");
    one.say("first").await;
    one.end().await;
    two.end().await;
    let mut endings = 0;
    while endings < 2 {
        endings += usize::from(socket.until("event").await["event"]["type"] == "run_ended");
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_name() {
    let mut house = House::new().await;
    let run = house.told(&["x"]).await;
    let other = house.told(&["y"]).await;
    let mut stranger = house.stranger("/ws").await;
    stranger.say(r#"{"type":"list"}"#).await;
    assert_eq!(stranger.hear().await["error"]["code"], "auth_required");
    stranger.say(&json!({"type": "auth", "id": 1, "token": house.token("eve")}).to_string()).await;
    let signed_in = stranger.hear().await;
    assert_eq!((&signed_in["user_id"], &signed_in["id"]), (&json!("eve"), &json!(1)));
    stranger.say(&json!({"type": "follow", "run_id": run.as_str()}).to_string()).await;
    assert_eq!(stranger.hear().await["error"]["code"], "not_found");

    let mut socket = house.socket("/ws").await;
    let foreign = headwater_server::wire::cursor(&other, 1);
    for (frame, code) in [
        ("nonsense".to_owned(), "invalid_request"),
        (r#"{"type":"dance"}"#.to_owned(), "unknown_type"),
        (
            r#"{"type":"start","run":["generate","hi",null,null,null,null,null]}"#.to_owned(),
            "invalid_request",
        ),
        (r#"{"type":"list","limit":0}"#.to_owned(), "invalid_request"),
        (r#"{"type":"list","lmit":5}"#.to_owned(), "invalid_request"),
        (json!({"type": "follow", "run_id": run.as_str(), "after": 999}).to_string(), "cursor_ahead"),
        (
            json!({"type": "follow", "run_id": run.as_str(), "cursor": "garbage"}).to_string(),
            "cursor_invalid",
        ),
        (json!({"type": "follow", "run_id": run.as_str(), "cursor": foreign}).to_string(), "cursor_foreign"),
        (
            json!({"type": "follow", "run_id": run.as_str(), "cursor": foreign, "after": 1}).to_string(),
            "invalid_request",
        ),
        (json!({"type": "stop", "run_id": "run_nobody"}).to_string(), "not_found"),
        (json!({"type": "start", "run": {"workflow": "x", "message": "hi"}}).to_string(), "unknown_workflow"),
        (json!({"type": "ping", "id": "x".repeat(200)}).to_string(), "too_large"),
    ] {
        socket.say(&frame).await;
        assert_eq!(socket.hear().await["error"]["code"], code, "{frame}");
    }
    socket.say(r#"{"type":"ping","id":1.50}"#).await;
    assert_eq!(socket.hear().await["type"], "pong");
}

#[tokio::test]
async fn the_subprotocol_is_agreed_on() {
    let house = House::new().await;
    let url = format!("ws://{}/ws?token={}", house.address, house.token("ann"));
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "other, headwater.v1".parse().unwrap());
    let (_, answer) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "headwater.v1");
}

// Planted fault: letting go at once, while the follow before it is under way.
#[tokio::test]
async fn letting_go_right_behind_a_follow_lets_go() {
    let mut house = House::new().await;
    let (run, mut act) = house.begin().await;
    let mut socket = house.socket("/ws").await;
    let follow = json!({"type": "follow", "run_id": run.as_str()}).to_string();
    for _ in 0..20 {
        socket.say(&follow).await;
        socket.say(&json!({"type": "unfollow", "run_id": run.as_str()}).to_string()).await;
        socket.until("following").await;
        socket.until("unfollowed").await;
    }
    act.say("unseen").await;
    act.end().await;
    socket.say(r#"{"type":"ping"}"#).await;
    assert_eq!(socket.hear().await["type"], "pong");
}

// Planted fault: follows under way not counted.
#[tokio::test]
async fn a_connection_follows_so_many_runs_and_no_more() {
    let settings = headwater_engine::Settings { starts: None, ..Default::default() };
    let mut house = House::with(Default::default(), settings).await;
    let mut runs = Vec::new();
    for _ in 0..limit::FOLLOWS + 8 {
        runs.push(house.told(&["x"]).await);
        house.engine.stop(&principal("ann"), runs.last().unwrap()).await.unwrap();
    }
    // Runs that have ended are let go of by themselves, so that only live ones count.
    let mut socket = house.socket("/ws").await;
    for run in &runs {
        socket.say(&json!({"type": "follow", "run_id": run.as_str()}).to_string()).await;
        let frame = socket.hear().await;
        assert_eq!(frame["type"], "following", "{frame}");
        while socket.until("event").await["event"]["type"] != "run_ended" {}
    }
}
