//! What a model thinks, whom it cites, who it is and what it costs, through every protocol; and which models
//! can be asked for.

use std::time::Duration;

use headwater_core::port::provider::{Citation, ProviderError, ProviderErrorKind, Usage};
use headwater_providers::scripted::stage::Act;
use serde_json::{Value, json};

use crate::house::House;

async fn json_of(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

fn citation() -> Citation {
    Citation { url: Some("https://example.org/a".into()), title: Some("A".into()), quote: None }
}

/// Twelve thoughts, so many that a viewer which comes late is behind; then an answer with its source.
async fn thinks(act: &mut Act) {
    for n in 0..12 {
        act.think(format!("{n} ")).await;
    }
    act.say("128 hp").await;
    act.cite(citation()).await;
}

// Planted fault: thoughts of one batch merged.
#[tokio::test]
async fn the_native_protocol_tells_every_thought_and_citation_as_it_came() {
    let mut house = House::new().await;
    let (run, mut act) = house.begin().await;
    thinks(&mut act).await;
    act.end().await;
    let body =
        house.http("GET", &format!("/api/runs/{run}/events")).send().await.unwrap().text().await.unwrap();
    let told: Vec<Value> =
        body.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    let mut socket = house.socket("/ws").await;
    socket.say(&json!({"type": "follow", "run_id": run}).to_string()).await;
    socket.until("following").await;
    for event in &told {
        assert_eq!(socket.hear().await["event"], *event);
    }
    let thoughts: Vec<_> =
        told.iter().filter(|e| e["type"] == "reasoning").map(|e| e["text"].as_str().unwrap()).collect();
    assert_eq!(thoughts, (0..12).map(|n| format!("{n} ")).collect::<Vec<_>>());
    let cited = told.iter().find(|e| e["type"] == "cited").unwrap();
    assert_eq!((&cited["url"], &cited["title"]), (&json!("https://example.org/a"), &json!("A")));
    assert!(cited.get("quote").is_none());
    assert_eq!(told.last().unwrap()["usage"], json!({"input_tokens": 1, "output_tokens": 1}));
}

// Planted fault: a client of the original is told what it does not know.
#[tokio::test]
async fn the_chat_tells_more_only_to_whoever_asks() {
    for (path, auth, detail) in [
        ("/ws/chat?x=1", None, false),
        ("/ws/chat?detail=true", None, true),
        ("/ws/chat?x=1", Some(true), true),
        ("/ws/chat?detail=1", Some(false), false),
    ] {
        let mut house = House::new().await;
        let mut socket = house.stranger(&format!("{path}&token={}", house.token("ann"))).await;
        if let Some(detail) = auth {
            let auth = json!({"type": "auth", "token": house.token("ann"), "detail": detail});
            socket.say(&auth.to_string()).await;
            socket.until("auth_success").await;
        }
        socket.say(r#"{"type":"message","message":"What is the engine power?","session_id":"s"}"#).await;
        let mut act = house.cues.next().await;
        thinks(&mut act).await;
        act.end().await;
        let (mut thought, mut context) = (String::new(), Value::Null);
        while context.is_null() {
            let frame = socket.hear().await;
            match frame["type"].as_str().unwrap() {
                "reasoning" => thought.push_str(frame["text"].as_str().unwrap()),
                "complete" => {
                    assert_eq!(frame["response"], "128 hp");
                    context = frame["metadata"]["context"].clone();
                }
                _ => {}
            }
        }
        if detail {
            assert_eq!(thought, (0..12).map(|n| format!("{n} ")).collect::<String>());
            assert_eq!(context["citations"], json!([{"url": "https://example.org/a", "title": "A"}]));
            assert_eq!(
                context["model"],
                json!({"provider": "stage", "model": "stage", "label": "scripted",
                       "usage": {"input_tokens": 1, "output_tokens": 1}})
            );
        } else {
            assert_eq!(thought, "");
            assert!(context.get("citations").is_none() && context.get("model").is_none(), "{context}");
        }
    }
}

// Planted fault: the two words left out of the frame.
#[tokio::test]
async fn a_failed_answer_says_whether_asking_again_can_help() {
    for (kind, recoverable) in [(ProviderErrorKind::Busy, true), (ProviderErrorKind::Refused, false)] {
        let mut house = House::new().await;
        let mut socket = house.socket("/ws/chat").await;
        socket.say(r#"{"type":"message","message":"hi","session_id":"s"}"#).await;
        let mut act = house.cues.next().await;
        act.say("half").await;
        act.report(Usage::of(9, 1)).await;
        let retry_after = Some(Duration::from_secs(7));
        act.fail_with(ProviderError { retry_after, ..ProviderError::new(kind, "no") }).await;
        let error = socket.until("error").await;
        assert_eq!(
            (&error["code"], &error["recoverable"], &error["retry_after"], &error["partial_response"]),
            (&json!("PROCESSING_ERROR"), &json!(recoverable), &json!(7), &json!("half"))
        );
        let path = format!("/api/runs/{}/events", error["run_id"].as_str().unwrap());
        let (_, page) = json_of(house.http("GET", &path).header("accept", "application/json")).await;
        let ending = page["events"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(ending["error"]["recoverable"], json!(recoverable));
        assert_eq!(ending["error"]["retry_after"], json!(7));
        assert_eq!(ending["usage"], json!({"input_tokens": 9, "output_tokens": 1}));
    }
}

#[tokio::test]
async fn models_are_listed_by_name_and_only_to_whoever_is_signed_in() {
    let house = House::new().await;
    let (status, listed) = json_of(house.http("GET", "/api/v1/models")).await;
    let model = json!({"alias": "default", "default": true, "provider": "stage", "model": "stage",
                       "label": "scripted", "tools": false});
    assert_eq!((status, listed), (200, json!({ "models": [model] })));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/api/v1/models", house.address);
    assert_eq!(client.get(url).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn how_a_run_is_answered_can_be_said_over_http_and_over_a_socket() {
    let mut house = House::new().await;
    let run = json!({
        "workflow": "generate", "model": "default", "stop": ["END"], "reasoning": "minimal",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}],
    });
    let (status, _) = json_of(house.http("POST", "/api/runs").json(&run)).await;
    assert_eq!(status, 201);
    let mut socket = house.socket("/ws").await;
    socket.say(&json!({"type": "start", "run": run}).to_string()).await;
    for _ in 0..2 {
        let act = house.cues.next().await;
        assert_eq!(act.request.messages.len(), 2);
        assert_eq!(act.request.stop, ["END"]);
        assert_eq!(act.request.reasoning.map(|e| e.as_str()), Some("minimal"));
        act.end().await;
    }
    for (field, value, status, code) in [
        ("model", json!("none such"), 422, "unknown_model"),
        ("message", json!("hi"), 422, "invalid_request"),
        ("reasoning", json!("very"), 422, "invalid_request"),
        ("stop", json!(["a", "b", "c", "d", "e"]), 422, "invalid_request"),
        ("messages", json!([{"role": "tool", "content": "x"}]), 422, "invalid_request"),
        ("messages", json!([{"role": "user", "content": "x", "name": "y"}]), 422, "invalid_request"),
        ("messages", json!([]), 422, "invalid_request"),
        ("messages", Value::Null, 422, "empty_message"),
    ] {
        let mut wrong = run.clone();
        wrong[field] = value;
        let (got, body) = json_of(house.http("POST", "/api/runs").json(&wrong)).await;
        assert_eq!((got, &body["error"]["code"]), (status, &json!(code)), "{field}: {body}");
        let start = json!({"type": "start", "run": wrong});
        socket.say(&start.to_string()).await;
        assert_eq!(socket.until("error").await["error"]["code"], code, "{field}");
    }
}
