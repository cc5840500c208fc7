//! Rooms of `/api/ws` over a bus that does everything that a bus may do.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_bus::Lossy;
use serde_json::json;

use crate::house::{Given, House, Socket, open_gate};
use crate::tutor::{START, chat, come, frame, join, of_ann, share};

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
async fn bob_and_ann(ann: &mut Socket, bob: &mut Socket, typing: serde_json::Value) {
    ann.say(&frame("user_typing", typing.clone())).await;
    bob.say(&of_ann("user_typing", typing)).await;
}
