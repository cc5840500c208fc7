//! What the original answered (recorded), field by field, and the edges around it.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::IntoResponse;
use futures_util::stream;
use headwater_core::limit;
use serde_json::{Value, json};

use super::*;
use crate::http::refusal::Refusal;

async fn sent(content_type: Option<&str>, body: impl Into<Body>) -> Result<JsonBody, Refusal> {
    let mut request = Request::post("/").body(body.into()).unwrap();
    if let Some(kind) = content_type {
        request.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
    }
    JsonBody::from_request(request, &()).await
}

async fn answer(refusal: impl Into<Refusal>) -> (StatusCode, Value) {
    let answer = refusal.into().into_response();
    let status = answer.status();
    (status, serde_json::from_slice(&to_bytes(answer.into_body(), 1 << 20).await.unwrap()).unwrap())
}

/// The text that a client gets, for the order of keys.
async fn raw(refusal: impl Into<Refusal>) -> String {
    let bytes = to_bytes(refusal.into().into_response().into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn account(fields: &mut Fields) -> (String, String, String) {
    let password = Text::up_to(*limit::PASSWORD_BYTES.end()).at_least(*limit::PASSWORD_BYTES.start());
    (
        fields.email("email"),
        fields.text("password", password),
        fields.text("name", Text::up_to(limit::NAME_BYTES).at_least(2)),
    )
}

async fn account_problems(body: Value) -> Problems {
    sent(Some("application/json"), body.to_string()).await.unwrap().read(account).unwrap_err()
}

#[tokio::test]
async fn register_short_pw_as_recorded() {
    let problems = account_problems(json!({"email": "a@example.com", "password": "x", "name": "J"})).await;
    assert_eq!(
        raw(problems).await,
        concat!(
            r#"{"detail":[{"type":"string_too_short","loc":["body","password"],"#,
            r#""msg":"String should have at least 8 characters","input":"**********","ctx":{"min_length":8}},"#,
            r#"{"type":"string_too_short","loc":["body","name"],"#,
            r#""msg":"String should have at least 2 characters","input":"J","ctx":{"min_length":2}}]}"#,
        )
    );
}

#[tokio::test]
async fn register_bad_email_as_recorded() {
    let problems = account_problems(json!({"email": "nope", "password": "12345678", "name": "Jo"})).await;
    assert_eq!(
        raw(problems).await,
        concat!(
            r#"{"detail":[{"type":"value_error","loc":["body","email"],"#,
            r#""msg":"value is not a valid email address: An email address must have an @-sign.","#,
            r#""input":"nope","ctx":{"reason":"An email address must have an @-sign."}}]}"#,
        )
    );
}

#[tokio::test]
async fn register_missing_as_recorded() {
    let problems = account_problems(json!({"email": "u83eb8e50@example.com"})).await;
    assert_eq!(
        raw(problems).await,
        concat!(
            r#"{"detail":[{"type":"missing","loc":["body","password"],"msg":"Field required","#,
            r#""input":{"email":"u83eb8e50@example.com"}},"#,
            r#"{"type":"missing","loc":["body","name"],"msg":"Field required","#,
            r#""input":{"email":"u83eb8e50@example.com"}}]}"#,
        )
    );
}

#[tokio::test]
async fn register_badjson_as_recorded() {
    let refused = sent(Some("application/json"), "{bad").await.unwrap_err();
    assert_eq!(refused.status(), 422);
    assert_eq!(
        raw(refused).await,
        concat!(
            r#"{"detail":[{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},"#,
            r#""ctx":{"error":"Expecting property name enclosed in double quotes"}}]}"#,
        )
    );
}

#[tokio::test]
async fn chat_missing_and_bad_uuid_as_recorded() {
    let form = |f: &mut Fields| {
        (f.text("message", Text::up_to(limit::MESSAGE_BYTES)), f.optional_uuid("customer_id"))
    };
    let problems = sent(None, "{}").await.unwrap().read(form).unwrap_err();
    assert_eq!(
        raw(problems).await,
        r#"{"detail":[{"type":"missing","loc":["body","message"],"msg":"Field required","input":{}}]}"#
    );
    let body = json!({"message": "", "customer_id": "zz"}).to_string();
    let problems = sent(None, body).await.unwrap().read(form).unwrap_err();
    assert_eq!(
        raw(problems).await,
        concat!(
            r#"{"detail":[{"type":"uuid_parsing","loc":["body","customer_id"],"#,
            r#""msg":"Input should be a valid UUID, invalid character: found `z` at 0","input":"zz","#,
            r#""ctx":{"error":"invalid character: found `z` at 0"}}]}"#,
        )
    );
}

#[tokio::test]
async fn docs_search_k_as_recorded() {
    let form = |f: &mut Fields| (f.integer("top_k", 5, 1..=20), f.number("min_score", 0.5, 0.0..=1.0));
    let problems = sent(None, r#"{"top_k":99}"#).await.unwrap().read(form).unwrap_err();
    assert_eq!(
        raw(problems).await,
        concat!(
            r#"{"detail":[{"type":"less_than_equal","loc":["body","top_k"],"#,
            r#""msg":"Input should be less than or equal to 20","input":99,"ctx":{"le":20}}]}"#,
        )
    );
    let read = |body: &'static str| async move { sent(None, body).await.unwrap().read(form) };
    assert_eq!(read("{}").await.unwrap(), (5, 0.5));
    assert_eq!(read(r#"{"top_k":"7","min_score":0}"#).await.unwrap(), (7, 0.0));
    assert_eq!(read(r#"{"top_k":7.0}"#).await.unwrap().0, 7);
    let kinds = |problems: Problems| problems.all().iter().map(|p| p.r#type).collect::<Vec<_>>();
    assert_eq!(kinds(read(r#"{"top_k":0,"min_score":-1}"#).await.unwrap_err()), ["greater_than_equal"; 2]);
    assert_eq!(
        kinds(read(r#"{"top_k":1.5,"min_score":"x"}"#).await.unwrap_err()),
        ["int_from_float", "float_parsing"]
    );
    assert_eq!(
        kinds(read(r#"{"top_k":null,"min_score":[]}"#).await.unwrap_err()),
        ["int_type", "float_type"]
    );
}

#[tokio::test]
async fn wrong_types_choices_and_sessions() {
    let form = |f: &mut Fields| {
        (
            f.text("message", Text::up_to(4)),
            f.session("session_id"),
            f.choice("sentiment", &["positive", "negative"]),
            f.object("metadata"),
        )
    };
    let read = |body: Value| async move { sent(None, body.to_string()).await.unwrap().read(form) };
    let problems =
        read(json!({"message": 5, "session_id": "a\nb", "sentiment": "meh", "metadata": []})).await;
    let problems = problems.unwrap_err();
    let told: Vec<_> = problems.all().iter().map(|p| (p.r#type, p.msg.as_str())).collect();
    assert_eq!(
        told,
        [
            ("string_type", "Input should be a valid string"),
            ("value_error", "Value error, an id has a character that is not allowed in it"),
            ("literal_error", "Input should be 'positive' or 'negative'"),
            ("dict_type", "Input should be a valid dictionary"),
        ]
    );
    assert!(problems.to_string().starts_with("message: Input should be a valid string; session_id: "));
    let problems = read(json!({"message": "12345", "sentiment": "positive"})).await.unwrap_err();
    assert_eq!(problems.all()[0].r#type, "string_too_long");
    for empty in [json!(null), json!("")] {
        let (.., session, word, _) =
            read(json!({"message": "", "session_id": empty, "sentiment": "negative"}))
                .await
                .map(|r| (r.0, r.1, r.2, r.3))
                .unwrap();
        assert_eq!((session, word), (None, "negative"));
    }
}

#[tokio::test]
async fn what_is_no_object() {
    let none = sent(Some("application/json"), "").await.unwrap().read(account).unwrap_err();
    let (status, body) = answer(none).await;
    assert_eq!(status, 422);
    assert_eq!(
        body,
        json!({"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]})
    );
    for (kind, text, shown) in [
        (Some("application/json; charset=utf-8"), "[1]", json!([1])),
        (Some("APPLICATION/problem+json"), "\"x\"", json!("x")),
        (Some("text/plain"), r#"{"email":"a@b.co"}"#, json!("")),
        (Some("application/x-www-form-urlencoded"), "password=hunter22", json!("")),
    ] {
        let problems = sent(kind, text).await.unwrap().read(account).unwrap_err();
        assert_eq!(problems.all()[0].r#type, "model_attributes_type", "{text}");
        assert_eq!(problems.all()[0].input, shown, "{text}");
    }
    for bytes in [&b"\xff\xfe"[..], b"NaN", br#"{"a":"\ud800"}"#] {
        let refused = sent(Some("application/json"), bytes).await.unwrap_err();
        let (status, body) = answer(refused).await;
        assert_eq!((status.as_u16(), body), (400, json!({"detail": "There was an error parsing the body"})));
    }
    assert!(sent(None, "\u{feff}{}").await.unwrap().read(|_| ()).is_ok(), "byte order mark");
}

// Fault planted once: `shown` in place of the hidden value; the password then came back.
#[tokio::test]
async fn a_secret_is_never_sent_back_and_a_large_body_not_in_full() {
    let long = "y".repeat(10_000);
    let body = json!({
        "password": "pass-w0rd", "refresh_token": "t0ken-text", "x": {"api_key": "k3y-text"},
        "long": long, "list": vec![1; 1000], "deep": [[[[[["bottom"]]]]]],
    });
    for form in [
        |f: &mut Fields| f.text("name", Text::up_to(9)),
        |f: &mut Fields| f.text("password", Text::up_to(2)),
        |f: &mut Fields| f.email("refresh_token"),
    ] {
        let text = raw(sent(None, body.to_string()).await.unwrap().read(form).unwrap_err()).await;
        assert!(
            !["pass-w0rd", "t0ken-text", "k3y-text", "bottom"].iter().any(|s| text.contains(s)),
            "{text}"
        );
        assert!(text.len() < 2_000, "{text}");
    }
    let form = |f: &mut Fields| f.integer("max_tokens", 1, 1..=9);
    let problems = sent(None, r#"{"max_tokens":10}"#).await.unwrap().read(form).unwrap_err();
    assert_eq!(problems.all()[0].input, 10, "a number of tokens is no token");
}

#[tokio::test]
async fn a_body_has_a_size() {
    let exact = format!("{{\"a\":\"{}\"}}", "x".repeat(limit::HTTP_BODY_BYTES - 8));
    assert_eq!(exact.len(), limit::HTTP_BODY_BYTES);
    assert!(sent(None, exact.clone()).await.is_ok());
    let refused = sent(None, exact + " ").await.unwrap_err();
    let (status, body) = answer(refused).await;
    assert_eq!((status.as_u16(), body), (413, json!({"detail": "Request body too large"})));
    // Said beforehand: refused without reading, which a body that never comes shows.
    let mut request = Request::post("/").body(Body::from_stream(silence())).unwrap();
    request.headers_mut().insert(CONTENT_LENGTH, (limit::HTTP_BODY_BYTES as u64 + 1).into());
    let refused = JsonBody::from_request(request, &()).await.unwrap_err();
    assert_eq!(refused.into_response().headers()[CONNECTION], "close");
}

// Fault planted once: no timeout around the reading; the outer one then fired.
#[tokio::test(start_paused = true)]
async fn a_body_has_a_time() {
    let began = tokio::time::Instant::now();
    let reading = sent(None, Body::from_stream(silence()));
    let refused = tokio::time::timeout(Duration::from_secs(3600), reading).await.expect("cut").unwrap_err();
    assert_eq!(refused.status(), 408);
    assert_eq!(began.elapsed(), limit::HTTP_BODY_TIME);
}

fn silence() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Send {
    stream::pending()
}
