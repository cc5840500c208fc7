//! The native protocol over HTTP.

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::house::House;

async fn json_of(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

// Planted faults: a frame that is encoded anew in another form when it is replayed; `\n\n` after the
// heartbeat or the id.
#[tokio::test]
async fn a_stream_is_the_same_bytes_live_and_replayed_from_any_cursor() {
    let mut house = House::new().await;
    let (run, mut act) = house.begin().await;
    let path = format!("/api/runs/{run}/events");
    let answer = house.http("GET", &path).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let mut live = String::new();
    let mut body = answer.bytes_stream();
    for word in ["a", "é\n", "\u{2028}", "🌊"] {
        act.say(word).await;
        while !live.contains(&serde_json::to_string(word).unwrap()) {
            live.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
        }
    }
    act.end().await;
    while let Some(piece) = body.next().await {
        live.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
    }
    let replayed = house.http("GET", &path).send().await.unwrap().text().await.unwrap();
    assert_eq!(replayed, live);
    let events: Vec<&str> = live.split_inclusive("\n\n").collect();
    assert_eq!(events.len(), 8);
    assert!(events.iter().all(|e| e.starts_with("id: ") && e.lines().count() == 3));
    for (n, event) in events.iter().enumerate() {
        let cursor = event.lines().next().unwrap().strip_prefix("id: ").unwrap();
        // The header wins over the address, as for a browser that comes back.
        let request = house.http("GET", &format!("{path}?after=0")).header("last-event-id", cursor);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), if n == 7 { 204 } else { 200 });
        assert_eq!(answer.text().await.unwrap(), events[n + 1..].concat());
        let rest = house.http("GET", &format!("{path}?after={cursor}")).send().await.unwrap();
        assert_eq!(rest.text().await.unwrap(), events[n + 1..].concat());
    }
    let (_, page) =
        json_of(house.http("GET", &format!("{path}?after=6")).header("accept", "application/json")).await;
    assert_eq!((&page["status"], &page["tail"]), (&json!("completed"), &json!(8)));
    let data: Vec<Value> = events[6..]
        .iter()
        .map(|e| serde_json::from_str(e.lines().nth(1).unwrap().strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    assert_eq!(page["events"], json!(data));
}

#[tokio::test]
async fn runs_are_made_once_shown_listed_and_stopped() {
    let mut house = House::new().await;
    let body = json!({"workflow": "generate", "message": "hi", "session_id": "s", "message_id": "m"});
    let (status, made) = json_of(house.http("POST", "/api/runs").json(&body)).await;
    assert_eq!((status, &made["session_id"]), (201, &json!("s")));
    let (status, again) = json_of(house.http("POST", "/api/runs").json(&body)).await;
    assert_eq!((status, &again), (200, &made));
    let other = json!({"workflow": "generate", "message": "ho", "session_id": "s", "message_id": "m"});
    let (status, refused) = json_of(house.http("POST", "/api/runs").json(&other)).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("message_id_reused")));
    let act = house.cues.next().await;
    let path = format!("/api/runs/{}", made["run_id"].as_str().unwrap());
    let (_, shown) = json_of(house.http("GET", &path)).await;
    assert_eq!((&shown["status"], &shown["message_id"]), (&json!("running"), &json!("m")));
    for _ in 0..2 {
        let (status, stopped) = json_of(house.http("POST", &format!("{path}/stop")).json(&json!({}))).await;
        assert_eq!((status, &stopped["outcome"]), (200, &json!("cancelled")));
        assert!(act.is_cancelled());
    }
    let (_, listed) = json_of(house.http("GET", "/api/runs?limit=10&session_id=s")).await;
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed["runs"][0]["status"], &listed["runs"][0]["provider"]),
        (&json!("cancelled"), &json!("stage"))
    );
}

#[tokio::test]
async fn what_cannot_be_done_has_a_status_a_code_and_a_sentence() {
    let mut house = House::new().await;
    let run = house.told(&["x"]).await;
    let events = format!("/api/runs/{run}/events");
    let foreign = headwater_server::wire::cursor(&house.told(&["y"]).await, 1);
    for (method, path, status, code) in [
        ("GET", "/api/runs/run_nobody".to_owned(), 404, "not_found"),
        ("GET", "/api/runs/..%2fetc".to_owned(), 404, "not_found"),
        ("POST", "/api/runs/run_nobody/stop".to_owned(), 404, "not_found"),
        ("GET", format!("{events}?after=999"), 409, "cursor_ahead"),
        ("GET", format!("{events}?after=99999999999999999999999"), 400, "cursor_invalid"),
        ("GET", format!("{events}?after=garbage"), 400, "cursor_invalid"),
        ("GET", format!("{events}?after={foreign}"), 400, "cursor_foreign"),
        ("GET", "/api/runs?limit=0".to_owned(), 422, "invalid_request"),
        ("GET", "/api/runs?limit=x".to_owned(), 422, "invalid_request"),
        ("POST", "/api/runs".to_owned(), 422, "invalid_request"),
        ("GET", "/api/runs/%FF".to_owned(), 404, "not_found"),
        ("GET", format!("{events}?after=1&after=2"), 422, "invalid_request"),
    ] {
        let (got, body) = json_of(house.http(method, &path)).await;
        assert_eq!((got, &body["error"]["code"]), (status, &json!(code)), "{method} {path}: {body}");
        assert!(body["error"]["message"].as_str().unwrap().len() > 5);
    }
    let big = json!({"workflow": "generate", "message": "x".repeat(100_000)});
    let (status, body) = json_of(house.http("POST", "/api/runs").json(&big)).await;
    assert_eq!((status, &body["error"]["code"]), (413, &json!("too_large")));
    let list = json!(["generate", "hi", null, null, null, null, null]);
    assert_eq!(json_of(house.http("POST", "/api/runs").json(&list)).await.0, 422);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{events}", house.address);
    for request in [client.get(&url), client.get(&url).bearer_auth("x"), client.get(format!("{url}?token=x"))]
    {
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["www-authenticate"].to_str().unwrap()),
            (401, "Bearer")
        );
    }
    let (status, _) = json_of(client.get(&url).bearer_auth(house.token("eve"))).await;
    assert_eq!(status, 404);
    // A browser's EventSource can send no header.
    let answer = client.get(format!("{url}?token={}", house.token("ann"))).send().await.unwrap();
    assert!(answer.text().await.unwrap().contains("run_ended"));
}

#[tokio::test]
async fn health_names_the_provider_and_readiness_asks_the_store() {
    let house = House::new().await;
    let (_, health) = json_of(house.http("GET", "/health")).await;
    assert_eq!(
        health,
        json!({"status": "healthy", "provider": {"name": "stage", "model": "stage", "label": "scripted"}})
    );
    assert_eq!(
        json_of(house.http("GET", "/health/ready")).await,
        (200, json!({"status": "ready", "database": "connected"}))
    );
    // One look a second, however many ask.
    for _ in 0..20 {
        assert_eq!(json_of(house.http("GET", "/health/ready")).await.0, 200);
    }
    tokio::time::pause();
    tokio::time::advance(2 * headwater_core::limit::READINESS_NEWS).await;
    tokio::time::resume();
    house.store.faults().fail_writes(1);
    let answer = house.http("GET", "/health/ready").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "5");
    let (status, ready) = (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap());
    assert_eq!((status, &ready["status"]), (503, &json!("not_ready")));
    assert!(ready["database"].as_str().unwrap().starts_with("error: "));
}
