//! How sockets end when the server stops.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use headwater_core::limit;
use headwater_engine::Settings;
use headwater_server::gate::Rules;
use serde_json::json;
use tokio::time::Instant;

use crate::house::House;

// Planted fault: the sentence in place of the position; both dialects then left their client in the dark.
#[tokio::test]
async fn a_socket_that_is_cut_off_in_the_middle_is_told_where_to_go_on() {
    let mut house = House::new().await;
    let (run, mut act) = house.begin().await;
    act.say("some").await;
    let mut chat = house.socket("/ws/chat").await;
    chat.say(&json!({"type": "resume", "run_id": run.as_str()}).to_string()).await;
    let shown = chat.until("token").await["seq"].as_u64().unwrap();
    let mut native = house.socket("/ws").await;
    native.say(&json!({"type": "follow", "run_id": run.as_str()}).to_string()).await;
    while native.until("event").await["event"]["type"] != "token" {}
    let mut idle = house.socket("/ws").await;
    house.draining.cancel();
    // Who has nothing to wait for goes at once.
    let (_, close) = idle.closed().await;
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (1012, "this server is about to stop; connect again")
    );
    // The others stay until the time is over.
    act.say("more").await;
    chat.until("token").await;
    let last = native.until("event").await;
    house.engine.tasks().stopping().cancel();
    let (_, close) = chat.closed().await;
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (1012, format!("resume {run} after {}", shown + 1).as_str())
    );
    let (_, close) = native.closed().await;
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1012, last["cursor"].as_str().unwrap()));
}

#[tokio::test]
async fn a_socket_whose_answer_ends_goes_then() {
    let mut house = House::new().await;
    let (run, mut act) = house.begin().await;
    let mut chat = house.socket("/ws/chat").await;
    chat.say(&json!({"type": "resume", "run_id": run.as_str()}).to_string()).await;
    act.say("word").await;
    chat.until("token").await;
    house.draining.cancel();
    act.end().await;
    let (frames, close) = chat.closed().await;
    assert!(frames.iter().any(|frame| frame.contains("\"complete\"")), "{frames:?}");
    assert_eq!(u16::from(close.code), 1012);
}

#[tokio::test]
async fn many_sockets_do_not_go_in_one_moment() {
    let rules = Rules {
        connections_per_user: None,
        connections_per_address: None,
        connects: None,
        ..Rules::default()
    };
    let house = House::with(rules, Settings::default()).await;
    let many = limit::FAREWELLS_AT_ONCE + 100;
    let mut sockets = Vec::new();
    for _ in 0..many {
        sockets.push(house.socket("/ws").await);
    }
    assert_eq!(house.gate.farewell_time(), Duration::from_millis(many as u64));
    tokio::time::pause();
    let began = Instant::now();
    house.draining.cancel();
    let closes: FuturesUnordered<_> = sockets
        .iter_mut()
        .map(|socket| async {
            let (_, close) = socket.closed().await;
            assert_eq!(u16::from(close.code), 1012);
            began.elapsed()
        })
        .collect();
    let mut moments: Vec<Duration> = closes.collect().await;
    moments.sort();
    moments.dedup();
    assert!(moments.len() > 50, "{} moments", moments.len());
    let last = moments.last().unwrap();
    assert!(*last <= Duration::from_millis(many as u64 + 100), "{last:?}");
}
