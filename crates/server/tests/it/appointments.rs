//! A booking as a client of `/ws/chat` sees it, and the routes that show and cancel it.

use std::collections::BTreeSet;

use headwater_core::port::desk::{Desk, NewAppointment};
use headwater_core::{Millis, RunId, UserId, limit};
use headwater_engine::Clock;
use serde_json::{Value, json};

use crate::house::{House, Socket};

/// The fields that the API's description gives an appointment, all of them or those that are always there.
fn described(required: bool) -> BTreeSet<String> {
    let document = headwater_server::http::openapi::document();
    let shape = &document["components"]["schemas"]["Appointment"];
    match shape["required"].as_array().filter(|_| required) {
        Some(names) => names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        None => shape["properties"].as_object().unwrap().keys().cloned().collect(),
    }
}

fn is_as_described(appointment: &Value) {
    let told: BTreeSet<_> = appointment.as_object().unwrap().keys().cloned().collect();
    assert!(told.is_superset(&described(true)) && told.is_subset(&described(false)), "{appointment}");
}

/// A day and a time that the shipped workshop takes.
pub(crate) fn free(house: &House) -> (String, String) {
    let shop = house.engine.clerk("assist").unwrap().workshop();
    let now = shop.local(Clock::default().wall());
    let mut day = now.date();
    loop {
        day = day.tomorrow().unwrap();
        if let Ok(hours) = shop.takes(day, now) {
            let slot = shop.slots(day, hours, now)[1];
            return (day.to_string(), slot.strftime("%H:%M").to_string());
        }
    }
}

async fn says(socket: &mut Socket, said: &str) -> Value {
    let frame = json!({"type": "message", "message": said, "session_id": "s", "vehicle_id": "car-7"});
    socket.say(&frame.to_string()).await;
    socket.until("complete").await
}

async fn status_and_body(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

// Planted faults: an appointment of another shown or cancelled; `tools` told where none ran; a key that the API's
// description does not have.
#[tokio::test]
async fn a_booking_from_the_first_word_to_its_end() {
    let mut house = House::new().await;
    let (date, time) = free(&house);
    let mut socket = house.socket("/ws/chat").await;
    let asked = says(&mut socket, "I need an appointment for an oil change").await;
    assert_eq!(asked["response"], "Which day would you like?");
    assert_eq!(asked["metadata"]["agent"], "maintenance");
    assert!(asked["metadata"]["context"].get("tools").is_none(), "{asked}");
    let offered = says(&mut socket, &date).await;
    assert!(offered["response"].as_str().unwrap().contains(&time), "{offered}");
    assert_eq!(
        offered["metadata"]["context"]["tools"],
        json!([{"name": "check_available_slots", "ok": true}])
    );
    // The last turn frame by frame.
    let frame = json!({"type": "message", "message": time, "session_id": "s", "vehicle_id": "car-7"});
    socket.say(&frame.to_string()).await;
    for step in ["starting", "agent_routing", "rag_retrieval", "generating"] {
        assert_eq!(socket.hear().await["step"], step);
    }
    let mut text = String::new();
    let complete = loop {
        let frame = socket.hear().await;
        match frame["type"].as_str().unwrap() {
            "token" => text.push_str(frame["token"].as_str().unwrap()),
            "complete" => break frame,
            other => panic!("{other}"),
        }
    };
    assert!(text.starts_with("Booked: Oil change on ") && complete["response"] == text, "{complete}");
    assert_eq!(complete["metadata"]["context"]["tools"], json!([{"name": "book_appointment", "ok": true}]));
    assert!(house.cues.try_next().is_none());

    let (status, listed) = status_and_body(house.http("GET", "/api/v1/appointments")).await;
    let one = &listed["appointments"][0];
    is_as_described(one);
    assert_eq!((status, listed["appointments"].as_array().unwrap().len()), (200, 1));
    assert_eq!((&one["slot"], &one["status"]), (&json!(format!("{date}T{time}")), &json!("booked")));
    assert_eq!((&one["service"], &one["vehicle"]), (&json!("Oil change"), &json!("car-7")));
    assert!(text.contains(one["appointment_id"].as_str().unwrap()));

    // Another sees nothing of it, and gets for it what he gets for what is not there, byte for byte.
    let path = format!("/api/v1/appointments/{}", one["appointment_id"].as_str().unwrap());
    let eve = |method: &str, path: &str| house.http_as("eve", method, path);
    let (_, seen) = status_and_body(eve("GET", "/api/v1/appointments")).await;
    assert_eq!(seen, json!({"appointments": []}));
    let answer = eve("DELETE", &path).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let not_his = answer.bytes().await.unwrap();
    for unknown in ["APT-19990101000000", "x", "%ff", &"9".repeat(300)] {
        let answer = eve("DELETE", &format!("/api/v1/appointments/{unknown}")).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{unknown}");
        assert_eq!(answer.bytes().await.unwrap(), not_his, "{unknown}");
    }
    assert_eq!(not_his, r#"{"detail":"Appointment not found"}"#);

    for _ in 0..2 {
        let (status, cancelled) = status_and_body(house.http("DELETE", &path)).await;
        assert_eq!((status, &cancelled["message"]), (200, &json!("Appointment cancelled")));
        assert_eq!(cancelled["appointment"]["status"], "cancelled");
        is_as_described(&cancelled["appointment"]);
    }
    let (_, listed) = status_and_body(house.http("GET", "/api/v1/appointments")).await;
    assert_eq!(listed["appointments"][0]["status"], "cancelled");
    let history = says(&mut socket, "show my appointments").await;
    assert!(history["response"].as_str().unwrap().starts_with("You have no appointment ahead."), "{history}");
}

#[tokio::test]
async fn what_has_begun_cannot_be_cancelled() {
    let house = House::new().await;
    let new = NewAppointment {
        id: "APT-20260101100000".into(),
        owner: UserId::parse("ann").unwrap(),
        slot: "2026-01-01T10:00".into(),
        service: "Oil change".into(),
        vehicle: None,
        notes: String::new(),
        run: RunId::parse("run_1").unwrap(),
        at: Millis(0),
    };
    house.store.book(new, 1).await.unwrap().unwrap();
    let (status, body) =
        status_and_body(house.http("DELETE", "/api/v1/appointments/APT-20260101100000")).await;
    assert_eq!(
        (status, &body["detail"]),
        (409, &json!("That appointment has begun already and cannot be cancelled."))
    );
}

#[tokio::test]
async fn the_same_over_http() {
    let house = House::new().await;
    let (date, time) = free(&house);
    let ask = json!({
        "message": format!("Book an oil change on {date} at {time}"), "session_id": "s",
        "vehicle_id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    });
    let (status, answer) = status_and_body(house.http("POST", "/api/v1/chat").json(&ask)).await;
    assert_eq!((status, &answer["agent_used"]), (200, &json!("maintenance")));
    assert_eq!(
        answer["metadata"]["context"],
        json!({"tools": [{"name": "book_appointment", "ok": true}]}),
        "{answer}"
    );
    let (_, listed) = status_and_body(house.http("GET", "/api/v1/appointments")).await;
    assert_eq!(listed["appointments"][0]["vehicle"], "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
}

#[tokio::test]
async fn who_is_nobody_has_no_appointments_and_names_are_bounded() {
    let house = House::new().await;
    for (method, path) in
        [("GET", "/api/v1/appointments"), ("DELETE", "/api/v1/appointments/APT-19990101000000")]
    {
        let url = format!("http://{}{path}", house.address);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.request(method.parse().unwrap(), url).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{method}");
    }
    let mut socket = house.socket("/ws/chat").await;
    for field in ["customer_id", "vehicle_id"] {
        for value in [json!("x".repeat(limit::ID_BYTES + 1)), json!(7)] {
            socket.say(&json!({"type": "message", "message": "hi", field: value}).to_string()).await;
            assert_eq!(socket.until("error").await["code"], "INVALID_MESSAGE", "{field}");
        }
    }
}
