//! What is recorded, and the same over HTTP.

use headwater_fake_provider::{Asked, Ended, Failure, Fake, Format, Script, limit};
use serde_json::json;

use crate::client::{ask, asked, get, post, read, send};

// Planted faults: the key's value kept with the path; a watch that is not closed when it is dropped.
#[tokio::test]
async fn who_leaves_is_seen_leaving_with_what_he_got() {
    let fake = Fake::start(Script { gap_ms: 5, tokens: 100_000, ..Script::default() }).await.unwrap();
    for format in Format::ALL {
        let (path, body) = asked(format, "some-model", true);
        let more = "authorization: Bearer sk-secret\r\n";
        let stream = send(&fake, "POST", &path, more, &body.to_string()).await;
        fake.wait_for(|calls| calls.last().is_some_and(|c| c.format == Some(format) && c.deltas >= 2)).await;
        assert_eq!(fake.read(|calls| (calls.open, calls.open_connections)), (1, 1));
        let before = fake.now_us();
        drop(stream);
        fake.wait_for(|calls| calls.open == 0).await;
        let call = fake.calls().last().unwrap().clone();
        assert_eq!((call.ended, call.asked, call.format), (Some(Ended::Left), Asked::Answer, Some(format)));
        assert_eq!((call.http, call.method.as_str(), call.status), ("1.1", "POST", Some(200)));
        assert_eq!((call.model.as_deref(), &call.body, call.key), (Some("some-model"), &body, true));
        assert!(call.asked_us <= call.first_byte_us.unwrap() && before <= call.ended_us.unwrap());
        assert!(call.bytes > 0 && call.deltas < 100_000);
        fake.wait_for(|calls| calls.open_connections == 0).await;
    }
    let all = fake.calls();
    assert_eq!((all.total, all.answers, all.most_open, all.connections), (5, 5, 1, 5));
    assert!(!serde_json::to_string(&all).unwrap().contains("sk-secret"));
}

#[tokio::test]
async fn a_key_is_noticed_in_every_way_and_kept_in_none() {
    let fake = Fake::start(Script { needs_key: true, ..Script::default() }).await.unwrap();
    let (path, body) = asked(Format::Gemini, "m", true);
    let body = body.to_string();
    assert_eq!(read(send(&fake, "POST", &path, "", &body).await).await.status, 401);
    assert_eq!(get(&fake, "/api/tags").await.status, 401);
    let keyed = format!("{path}&key=sk-secret");
    assert_eq!(read(send(&fake, "POST", &keyed, "", &body).await).await.status, 200);
    for header in ["x-goog-api-key", "x-api-key", "authorization"] {
        let header = format!("{header}: sk-secret\r\n");
        assert_eq!(read(send(&fake, "POST", &path, &header, &body).await).await.status, 200);
    }
    let calls = fake.calls();
    let keys: Vec<_> = calls.for_answers().map(|c| c.key).collect();
    assert_eq!(keys, [false, true, true, true, true]);
    assert_eq!(calls.calls[2].path, format!("{path}&key=…"));
    assert!(!serde_json::to_string(&calls).unwrap().contains("sk-secret"));
}

#[tokio::test]
async fn scripts_and_records_over_http() {
    let fake = Fake::start(Script::saying("first")).await.unwrap();
    let knobs = json!({"failure": {"kind": "status", "status": 429, "retry_after": 2}});
    assert_eq!(post(&fake, "/_fake/script?times=1", &knobs).await.status, 200);
    assert_eq!(post(&fake, "/_fake/script", &json!({"text": "second"})).await.status, 200);
    assert_eq!(get(&fake, "/_fake/script").await.json()["text"], "second");
    assert_eq!(ask(&fake, Format::OpenAi).await.status, 429);
    assert!(ask(&fake, Format::OpenAi).await.text().contains("second"));
    // Planted fault: the text stays where so many tokens are asked for.
    assert_eq!(post(&fake, "/_fake/script?times=1", &json!({"tokens": 3})).await.status, 200);
    assert!(ask(&fake, Format::OpenAi).await.text().contains("river"));
    let calls = get(&fake, "/_fake/calls").await.json();
    assert_eq!((&calls["answers"], &calls["calls"][0]["status"]), (&json!(3), &json!(429)));
    assert_eq!(calls["calls"][1]["ended"], "itself");
    assert!(calls["calls"][0]["body"].is_object() && calls["now_us"].as_u64().unwrap() > 0);
    let calls = get(&fake, "/_fake/calls?bodies=no").await.json();
    assert!(calls["calls"][0]["body"].is_null());
    assert_eq!(post(&fake, "/_fake/refuse?connections=1", &json!({})).await.status, 200);
    assert_eq!(ask(&fake, Format::OpenAi).await.status, 0);
    assert_eq!(post(&fake, "/_fake/reset", &json!({})).await.status, 200);
    assert!(ask(&fake, Format::OpenAi).await.text().contains("first"));
    assert_eq!(get(&fake, "/_fake/calls").await.json()["answers"], 1);

    for (path, body) in [
        ("/_fake/script", json!({"tokenz": 1})),
        ("/_fake/script", json!([])),
        ("/_fake/script?times=many", json!({})),
        ("/_fake/script?times=99999999999", json!({})),
        ("/_fake/script", json!({"tokens": limit::TOKENS + 1})),
        ("/_fake/script", json!({"failure": {"kind": "status", "status": 200}})),
        ("/_fake/script", json!({"failure": {"kind": "gravity"}})),
        ("/_fake/refuse", json!({})),
    ] {
        assert_eq!(post(&fake, path, &body).await.status, 400, "{path} {body}");
    }
    assert_eq!(get(&fake, "/_fake/certificate").await.status, 400);
    assert_eq!(get(&fake, "/_fake/nothing").await.status, 404);
}

// Planted fault: no limit on the body.
#[tokio::test]
async fn what_is_kept_is_bounded() {
    let fake = Fake::start(Script::default()).await.unwrap();
    let large = format!("{{\"pad\": \"{}\"}}", "x".repeat(limit::BODY_BYTES));
    let answer = read(send(&fake, "POST", "/v1/messages", "", &large).await).await;
    assert!(answer.status == 413 || answer.end.is_err(), "{answer:?}");
    let half = format!("{{\"pad\": \"{}\"}}", "x".repeat(limit::BODY_BYTES / 2));
    let rounds = limit::BODIES_KEPT_BYTES / (limit::BODY_BYTES / 2) + 4;
    for _ in 0..rounds {
        assert_eq!(read(send(&fake, "POST", "/v1/messages", "", &half).await).await.status, 400);
    }
    let (kept, total) = fake.read(|calls| (calls.calls.len(), calls.total));
    assert!(kept < rounds && total as usize == rounds + 1, "{kept} of {total}");
}

#[tokio::test]
async fn dropping_a_fake_ends_its_connections() {
    let fake = Fake::start(Script::failing(Failure::Hang)).await.unwrap();
    let (path, body) = asked(Format::OpenAi, "m", true);
    let stream = send(&fake, "POST", &path, "", &body.to_string()).await;
    fake.wait_for(|calls| calls.open == 1).await;
    drop(fake);
    let answer = read(stream).await;
    assert_eq!((answer.status, answer.end.is_ok_and(|whole| whole)), (0, false));
}
