//! What is counted is what happened, and is told in the formats that monitoring systems read.

use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use headwater_core::Body;
use headwater_engine::engine::From;
use headwater_engine::{Follow, Followed};

use crate::house::{House, principal};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

async fn read(house: &House, path: &str, accept: Option<&str>) -> (String, String) {
    let request = house.http("GET", path);
    let request = match accept {
        Some(kind) => request.header(ACCEPT, kind),
        None => request,
    };
    let answer = request.send().await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (kind, answer.text().await.unwrap())
}

async fn seen(follow: &mut Follow, wanted: fn(&Body) -> bool) -> bool {
    matches!(follow.next().await.unwrap(), Followed::Events(events) if events.iter().any(|e| wanted(&e.body)))
}

/// The value of a line that begins so.
fn value(text: &str, begins: &str) -> Option<f64> {
    text.lines().find(|l| l.starts_with(begins))?.rsplit(' ').next()?.parse().ok()
}

// Planted: gaps not observed, endings not counted, a socket never counted down. Each was seen here.
#[tokio::test]
async fn what_happened_is_what_is_counted() {
    let mut house = House::new().await;
    let mut socket = house.socket("/ws").await;
    let (run, mut act) = house.begin().await;
    let mut follow = house.engine.follow(&principal("ann"), &run, &From::After(0)).await.unwrap();
    act.say("one ").await;
    // Seen, and so flushed: the second token then has a flush of its own.
    while !seen(&mut follow, |body| body.text().is_some()).await {}
    act.say("two").await;
    act.end().await;
    while !seen(&mut follow, Body::is_ending).await {}
    let (kind, text) = read(&house, "/metrics", Some(OPEN_METRICS)).await;
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(text.ends_with("# EOF\n"));
    for (line, expected) in [
        ("headwater_runs_started_total{workflow=\"generate\"}", 1.0),
        ("headwater_runs_ended_total{workflow=\"generate\",outcome=\"completed\"}", 1.0),
        ("headwater_first_token_seconds_count{workflow=\"generate\"}", 1.0),
        ("headwater_token_gap_seconds_count", 1.0),
        ("headwater_runs_live ", 0.0),
        ("headwater_sockets{dialect=\"native\"}", 1.0),
        ("headwater_sockets_opened_total{dialect=\"native\"}", 1.0),
        ("headwater_connections ", 2.0),
        ("headwater_refused_total{reason=\"floods\"}", 0.0),
        ("headwater_store_queue ", 0.0),
        ("headwater_provider_queue{", 0.0),
    ] {
        assert_eq!(value(&text, line), Some(expected), "{line}\n{text}");
    }
    assert!(value(&text, "headwater_flush_seconds_count").unwrap() >= 2.0);
    socket.0.close(None).await.unwrap();
    while futures_util::StreamExt::next(&mut socket.0).await.is_some() {}
    loop {
        let (_, text) = read(&house, "/metrics", None).await;
        if value(&text, "headwater_sockets{dialect=\"native\"}") == Some(0.0) {
            assert_eq!(
                value(&text, "headwater_sockets_closed_total{dialect=\"native\",code=\"1005\"}"),
                Some(1.0)
            );
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_reader_gets_his_format() {
    let house = House::new().await;
    let (kind, text) = read(&house, "/api/v1/metrics", None).await;
    assert_eq!(kind, "application/json");
    let numbers: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(text.find("status"), Some(2), "the original's order");
    assert_eq!((&numbers["status"], &numbers["cache_hit_rate"]), (&json!("healthy"), &json!(0.0)));
    assert_eq!(numbers["requests_total"], json!(0));
    assert_eq!(numbers.as_object().unwrap().len(), 3);
    for path in ["/metrics", "/api/v1/metrics"] {
        let (kind, text) = read(&house, path, Some("text/plain")).await;
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        assert!(text.contains("# TYPE headwater_http_requests_total counter\n"), "{text}");
        assert!(text.contains(
            "headwater_http_requests_total{method=\"GET\",route=\"/api/v1/metrics\",status=\"200\"}"
        ));
        assert!(!text.contains("# EOF"));
    }
    // What comes through a proxy comes from anywhere.
    let proxied =
        house.http("GET", "/metrics").header("x-forwarded-for", "203.0.113.9").send().await.unwrap();
    assert_eq!(proxied.status(), 404);
    assert_eq!(proxied.text().await.unwrap(), r#"{"detail":"Not Found"}"#);
}

#[tokio::test]
async fn an_opinion_is_kept_for_who_has_it() {
    use headwater_core::UserId;
    use headwater_core::port::desk::Desk;
    let house = House::new().await;
    let give = |body: Value| house.http("POST", "/api/v1/feedback").json(&body).send();
    let answer = give(json!({"message_id": "m1", "sentiment": "positive", "comment": "good"})).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.text().await.unwrap(),
        r#"{"status":"success","message":"Feedback recorded","message_id":"m1","sentiment":"positive"}"#
    );
    let again = give(json!({"message_id": "m1", "sentiment": "negative"})).await.unwrap();
    assert_eq!(again.status(), 200);
    let kept = house.store.feedback(&UserId::parse("ann").unwrap(), "m1").await.unwrap().unwrap();
    assert_eq!((kept.positive, kept.comment), (false, None));
    assert_eq!(house.store.feedback(&UserId::parse("bob").unwrap(), "m1").await.unwrap(), None);
    for (body, kind) in [
        (json!({"message_id": "m1", "sentiment": "meh"}), "literal_error"),
        (json!({"sentiment": "positive"}), "missing"),
        (json!({"message_id": "", "sentiment": "positive"}), "string_too_short"),
        (json!({"message_id": "m", "sentiment": "positive", "comment": "x".repeat(5000)}), "string_too_long"),
    ] {
        let refused = give(body).await.unwrap();
        assert_eq!(refused.status(), 422);
        let detail: Value = refused.json().await.unwrap();
        assert_eq!(detail["detail"][0]["type"], kind);
    }
}

/// Every counter is explained to the operator.
#[tokio::test]
async fn every_name_is_in_the_docs() {
    let house = House::new().await;
    let (_, text) = read(&house, "/metrics", Some(OPEN_METRICS)).await;
    let docs = include_str!("../../../../docs/operating.md");
    for line in text.lines().filter_map(|l| l.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(docs.contains(&format!("`{name}`")), "docs/operating.md does not explain {name}");
    }
}
