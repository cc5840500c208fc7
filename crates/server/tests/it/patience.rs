//! What takes too long. Time is paused once the socket stands, so minutes pass as soon as nobody has
//! anything else to do.

use futures_util::StreamExt;
use headwater_core::limit;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::house::House;

// Planted fault: no deadline; the test then ends with the pings' own.
#[tokio::test]
async fn a_socket_on_which_nobody_signs_in_is_closed() {
    let house = House::new().await;
    let began = tokio::time::Instant::now();
    let mut stranger = house.stranger("/ws/chat").await;
    tokio::time::pause();
    let (frames, close) = stranger.closed().await;
    assert!(frames.is_empty());
    assert_eq!(u16::from(close.code), 4401);
    assert!(began.elapsed() >= limit::AUTH_DEADLINE && began.elapsed() < 2 * limit::AUTH_DEADLINE);
}

#[tokio::test]
async fn a_silent_socket_is_kept_as_long_as_it_answers_pings() {
    let house = House::new().await;
    let mut socket = house.socket("/ws/chat").await;
    tokio::time::pause();
    let silence = tokio::time::timeout(20 * limit::PONG_DEADLINE, socket.raw()).await;
    assert!(silence.is_err());
    socket.say(r#"{"type":"ping"}"#).await;
    assert_eq!(socket.raw().await, r#"{"type":"pong"}"#);
}

// Planted fault: progress counted in frames: a long frame over a slow line is then cut, or a full buffer
// never noticed.
#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_told_where_to_go_on() {
    let mut house = House::new().await;
    let (run, mut act) = house.begin().await;
    let mut socket = house.socket("/ws/chat").await;
    socket.say(&json!({"type": "resume", "run_id": run.as_str(), "after": 0}).to_string()).await;
    // Frames that repeat the whole answer: far more than the kernel's buffers take. Meanwhile another
    // viewer gets everything.
    let piece = "x".repeat(16 * 1024);
    for _ in 0..200 {
        assert!(act.say(piece.clone()).await);
    }
    act.end().await;
    let told = house.http("GET", &format!("/api/runs/{run}/events")).send().await.unwrap();
    assert_eq!(told.text().await.unwrap().matches("\"token\"").count(), 200);
    tokio::time::pause();
    // Nobody reads for longer than a write may stand still.
    tokio::time::sleep(4 * limit::WRITE_STALL).await;
    let mut seen = 0;
    let close = loop {
        match tokio::time::timeout(limit::PONG_DEADLINE, socket.0.next()).await.expect("it was never cut off")
        {
            Some(Ok(Message::Text(text))) => {
                let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_ne!(frame["type"], "complete", "it was never cut off");
                seen = frame["seq"].as_u64().unwrap();
            }
            Some(Ok(Message::Close(close))) => break close,
            Some(Ok(_)) => {}
            // The kernel had no room for the close frame: the connection was reset.
            Some(Err(_)) | None => break None,
        }
    };
    if let Some(close) = close {
        assert_eq!(u16::from(close.code), 1013);
        let after: u64 = close.reason.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(close.reason.contains(run.as_str()) && after <= seen, "{}", close.reason);
    }
}
