//! Hand-off, warnings and trees as the chat dialect tells them; and what nobody gets to see.

use serde_json::{Value, json};

use crate::house::{House, Socket};

fn message(text: &str, session: &str) -> String {
    json!({"type": "message", "message": text, "session_id": session}).to_string()
}

/// Everything of a turn that no model takes part in.
async fn turn(socket: &mut Socket, text: &str, session: &str) -> Vec<Value> {
    socket.say(&message(text, session)).await;
    let mut frames = Vec::new();
    loop {
        let frame = socket.hear().await;
        let last = frame["type"] == "complete" || frame["type"] == "error";
        frames.push(frame);
        if last {
            return frames;
        }
    }
}

/// The transcript of the contract: four steps, the warning, the tree's question, `complete` with the
/// escalation; then the answer to the question, and the same escalation again.
// Planted faults: the escalation in place of the answer; a fresh escalation each turn; the key left out.
#[tokio::test]
async fn a_danger_is_warned_of_asked_about_and_handed_over() {
    let mut house = House::tiny().await;
    let mut socket = house.socket("/ws/chat").await;
    let frames = turn(&mut socket, "my brake has a problem", "car").await;
    let steps: Vec<_> = frames.iter().filter_map(|f| f["step"].as_str()).collect();
    assert_eq!(steps, ["starting", "agent_routing", "rag_retrieval", "generating"]);
    let complete = frames.last().unwrap();
    let warning = "⚠️ **SAFETY WARNING**: Brake issues can be life-threatening. If you're unsure about your brakes, \
                   do not drive the vehicle.\n\n";
    let question = "What do you notice: a squealing noise, a grinding noise, a soft pedal, a vibration, or a red or \
                    ABS light?";
    assert_eq!(complete["response"], format!("{warning}{question}"));
    let tokens: String = frames.iter().filter_map(|f| f["token"].as_str()).collect();
    assert_eq!(complete["response"], tokens);
    let context = complete["metadata"]["context"].as_object().unwrap();
    let keys: Vec<_> = context.keys().map(String::as_str).collect();
    for key in ["sources", "classified_intent", "confidence", "agent", "escalation"] {
        assert!(keys.contains(&key), "{keys:?}");
    }
    let escalation = &context["escalation"];
    let id = escalation["escalation_id"].as_str().unwrap();
    assert!(id.starts_with("ESC-"), "{id}");
    assert_eq!(
        escalation,
        &json!({
            "escalation_id": id, "status": "queued", "estimated_wait_time": null, "agent_name": null,
            "message": "This may be dangerous. Somebody from the support team has been asked to look at it. In an \
                        emergency call the emergency services first."
        })
    );
    // The tree goes on with its own agent, although these words alone would go to another.
    let frames = turn(&mut socket, "It is a grinding one", "car").await;
    let complete = frames.last().unwrap();
    assert_eq!(complete["metadata"]["agent"], "troubleshoot");
    let advice = "A grinding sound means that the pads are gone and metal rubs on metal. Do not drive on.";
    assert_eq!(complete["response"], advice);
    let frames = turn(&mut socket, "Another brake problem", "car").await;
    assert_eq!(frames.last().unwrap()["metadata"]["context"]["escalation"]["escalation_id"], id);
    assert!(house.cues.try_next().is_none(), "a model was asked");
}

#[tokio::test]
async fn who_asks_for_a_person_is_answered_all_the_same() {
    let mut house = House::new().await;
    let mut socket = house.socket("/ws/chat").await;
    socket.say(&message("What is the engine power? I want to talk to a human.", "s")).await;
    let mut act = house.cues.next().await;
    act.say("128 hp.").await;
    act.end().await;
    let complete = socket.until("complete").await;
    assert_eq!(complete["response"], "128 hp.");
    let said = &complete["metadata"]["context"]["escalation"]["message"];
    assert_eq!(said, "Somebody from the support team has been asked to take over.");
    // A sure answer to an ordinary question has no such key.
    socket.say(&message("How long is the warranty?", "t")).await;
    let act = house.cues.next().await;
    act.end().await;
    let complete = socket.until("complete").await;
    assert_eq!(complete["metadata"]["context"].get("escalation"), None);
}

#[tokio::test]
async fn over_http_the_escalation_stands_beside_the_rest() {
    let mut house = House::new().await;
    let ask = house.http("POST", "/api/v1/chat").json(&json!({"message": "Hello", "session_id": "s"}));
    let asked = tokio::spawn(ask.send());
    let mut act = house.cues.next().await;
    act.say("Hello!").await;
    act.end().await;
    let answer: Value = asked.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["metadata"]["confidence"], 0.0);
    let escalation = &answer["metadata"]["context"]["escalation"];
    assert_eq!(escalation["status"], "queued");
    assert_eq!(
        escalation["message"],
        "I may have misunderstood this, so somebody from the support team will look at it too."
    );
    let text = answer.to_string();
    assert!(text.contains("\"estimated_wait_time\":null") && text.contains("\"agent_name\":null"), "{text}");
}

// Planted faults: the message stored as it came; the answer masked delta by delta without the window; the
// prompt made of the raw text.
#[tokio::test]
async fn what_belongs_to_a_person_is_seen_by_nobody() {
    let mut house = House::new().await;
    let mut socket = house.socket("/ws/chat").await;
    let asked = "What is the engine power? Write to ann@example.com or call 555-234-5678.";
    socket.say(&message(asked, "s")).await;
    let mut act = house.cues.next().await;
    let prompt = format!("{:?}", act.request.messages);
    assert!(prompt.contains("Write to [EMAIL] or call [PHONE]."), "{prompt}");
    for piece in ["I write to an", "n@exam", "ple.com, and the card 4111 1111", " 1111 11", "11 is yours"] {
        act.say(piece).await;
    }
    act.end().await;
    let complete = socket.until("complete").await;
    assert_eq!(complete["response"], "I write to [EMAIL], and the card [CARD] is yours");
    let history: Value =
        house.http("GET", "/api/v1/chat/history/s").send().await.unwrap().json().await.unwrap();
    assert_eq!(
        history["messages"][0]["content"],
        "What is the engine power? Write to [EMAIL] or call [PHONE]."
    );
    assert_eq!(history["messages"][1]["content"], complete["response"]);
    let run = complete["run_id"].as_str().unwrap();
    let log =
        house.http("GET", &format!("/api/runs/{run}/events")).send().await.unwrap().text().await.unwrap();
    for private in ["example.com", "1111", "555-234"] {
        assert!(!log.contains(private) && !complete.to_string().contains(private), "{private}: {log}");
    }
}
