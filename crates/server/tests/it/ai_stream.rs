//! `/ws/ai/stream` and the HTTP beside it, on real sockets. The frames themselves are tried in
//! `src/ws/ai_stream/tests.rs`.

use futures_util::{SinkExt, StreamExt};
use headwater_core::event::Outcome;
use headwater_core::port::provider::{FinishReason, ProviderError, ProviderErrorKind, Usage};
use headwater_engine::engine::From;
use headwater_engine::{Followed, Period};
use headwater_providers::scripted::stage::Stage;
use headwater_server::app::Dialects;
use headwater_server::gate::{Origins, Rules};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::house::{Given, House, Socket, open_gate, principal};

const GENERATE: &str = r#"{"action":"generate","prompt":"Hi","system":"Be short.","max_tokens":9}"#;

/// The status line and the whole answer of a handshake that is refused.
async fn refused(house: &House, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        house.address
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Of one that is not refused the head is enough.
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(answer).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut body = String::new();
    if status != 101 {
        stream.read_to_string(&mut body).await.unwrap();
    }
    (status, body)
}

async fn development() -> House {
    let dialects = Dialects { development: true, ..Dialects::default() };
    House::given(Given { dialects, gate: open_gate(), ..Given::default() }).await
}

async fn counted(generations: u64, generations_per: Period) -> House {
    let dialects = Dialects { generations, generations_per, ..Dialects::default() };
    House::given(Given { dialects, gate: open_gate(), ..Given::default() }).await
}

async fn limits(house: &House, user: &str) -> Value {
    house.http_as(user, "GET", "/api/user/limits").send().await.unwrap().json().await.unwrap()
}

// Planted fault: the connection accepted, and closed.
#[tokio::test]
async fn without_a_good_token_the_handshake_is_refused_without_a_word() {
    let house = House::new().await;
    let (_, refresh) = house.pair("ann", "s", 0);
    for path in [
        "/ws/ai/stream".to_owned(),
        "/ws/ai/stream?token=".to_owned(),
        "/ws/ai/stream?token=%20%20".to_owned(),
        "/ws/ai/stream?token=test-user-123".to_owned(),
        "/ws/ai/stream?ticket=nobodys".to_owned(),
        format!("/ws/ai/stream?token={refresh}"),
    ] {
        assert_eq!(refused(&house, &path, &[]).await, (403, String::new()), "{path}");
    }
    assert_eq!(refused(&house, "/ws/ai/stream", &[("authorization", "Bearer x")]).await.0, 403);
    // And every way in which a good one can be shown.
    let token = house.token("ann");
    let bearer = format!("Bearer {token}");
    for (path, headers) in [
        (format!("/ws/ai/stream?token={token}"), vec![]),
        ("/ws/ai/stream".to_owned(), vec![("authorization", bearer.as_str())]),
        ("/ws/ai/stream".to_owned(), vec![("sec-websocket-protocol", &format!("bearer.{token}"))]),
    ] {
        let (mut socket, _) = house.shake(&path, &headers).await;
        socket.say(r#"{"action":"ping"}"#).await;
        assert_eq!(socket.raw().await, r#"{"type":"pong"}"#);
    }
}

#[tokio::test]
async fn an_answer_streams_and_the_socket_listens() {
    let mut house = House::new().await;
    let mut socket = house.socket("/ws/ai/stream").await;
    socket.say(GENERATE).await;
    let mut act = house.cues.next().await;
    assert_eq!(act.request.max_tokens, 9);
    let said: Vec<_> = act.request.messages.iter().map(|m| m.content.as_str()).collect();
    assert_eq!(said, ["Be short.", "Hi"]);
    act.say("tok ").await;
    let chunk = socket.raw().await;
    assert!(chunk.starts_with(r#"{"type":"chunk","text":"tok ","run_id":"run_"#), "{chunk}");
    socket.say(r#"{"action":"ping"}"#).await;
    assert_eq!(socket.raw().await, r#"{"type":"pong"}"#, "while it streams");
    socket.0.send(Message::Binary(b"{}".to_vec().into())).await.unwrap();
    assert_eq!(socket.hear().await["type"], "error");
    socket.say(GENERATE).await;
    act.say("tok ").await;
    act.end().await;
    assert_eq!(socket.hear().await["text"], "tok ");
    let done = socket.raw().await;
    assert!(done.starts_with(r#"{"type":"done","user_id":"ann","run_id":"run_"#), "{done}");
    // The one that waited begins now, and knows nothing of the first.
    let act = house.cues.next().await;
    assert_eq!(act.request.messages.len(), 2);
    socket.say(r#"{"action":"stop"}"#).await;
    let done = socket.hear().await;
    assert_eq!((&done["type"], &done["stopped"]), (&json!("done"), &json!(true)));
    assert!(act.is_cancelled(), "before the answer to the stop");
}

// Planted fault: `unwatched` left out: the run goes on for nobody.
#[tokio::test]
async fn closing_the_socket_closes_the_call_upstream() {
    let mut house = House::new().await;
    for gently in [true, false] {
        let mut socket = house.socket("/ws/ai/stream").await;
        socket.say(GENERATE).await;
        socket.say(GENERATE).await;
        let mut act = house.cues.next().await;
        act.say("tok ").await;
        assert_eq!(socket.hear().await["text"], "tok ");
        if gently {
            socket.0.close(None).await.unwrap();
        }
        drop(socket);
        act.cancelled().await;
        assert!(house.cues.try_next().is_none(), "what waited is not wanted either");
    }
    // The same over HTTP.
    let asking = house.http("POST", "/api/ai/expand").json(&json!({ "bullet_text": "a" })).send();
    let asking = tokio::spawn(asking);
    let mut act = house.cues.next().await;
    act.say("[").await;
    asking.abort();
    act.cancelled().await;
}

#[tokio::test]
async fn with_a_grace_period_who_comes_back_goes_on() {
    let grace = std::time::Duration::from_secs(60);
    let dialects = Dialects { ai_stream_grace: grace, ..Dialects::default() };
    let mut house = House::given(Given { dialects, ..Given::default() }).await;
    let mut socket = house.socket("/ws/ai/stream").await;
    socket.say(GENERATE).await;
    let mut act = house.cues.next().await;
    act.say("one ").await;
    let chunk = socket.hear().await;
    drop(socket);
    act.say("two ").await;
    let mut socket = house.socket("/ws/ai/stream").await;
    socket
        .say(&json!({"action": "resume", "run_id": chunk["run_id"], "after": chunk["seq"]}).to_string())
        .await;
    assert_eq!(socket.hear().await["text"], "two ");
    act.say("three").await;
    assert_eq!(socket.hear().await["text"], "three");
    act.end().await;
    assert_eq!(socket.hear().await["type"], "done");
}

#[tokio::test]
async fn a_missing_key_is_told_at_each_generate_and_the_socket_stays() {
    let (stage, cues) = Stage::new();
    let mut house = House::given(Given { stage: Some((stage.clone(), cues)), ..Given::default() }).await;
    let mut socket = house.socket("/ws/ai/stream").await;
    for (kind, words) in [
        (ProviderErrorKind::KeyMissing, "API key not configured"),
        (ProviderErrorKind::KeyMissing, "API key not configured"),
        (ProviderErrorKind::Busy, "Rate limit exceeded: stage: no"),
        (ProviderErrorKind::Unavailable, "Connection error: stage: no"),
        (ProviderErrorKind::Refused, "API error: stage: no"),
    ] {
        stage.refuse_next(ProviderError::new(kind, "no"));
        socket.say(GENERATE).await;
        let error = socket.hear().await;
        assert_eq!((&error["type"], &error["message"]), (&json!("error"), &json!(words)));
        stage.refuse_next(ProviderError::new(kind, "no"));
        let asked = house.http("POST", "/api/ai/generate").json(&json!({ "input_text": "a" })).send();
        let answer = asked.await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "detail": words }));
    }
    socket.say(GENERATE).await;
    house.cues.next().await.end().await;
    assert_eq!(socket.hear().await["type"], "done");
}

#[tokio::test]
async fn in_development_a_name_is_enough_on_this_machine() {
    let mut house = development().await;
    for (path, name) in [
        ("/ws/ai/stream?token=us%C3%A9r%20x", "usér x"),
        ("/ws/ai/stream?token=ann", "ann"),
        ("/ws/ai/stream?token=test-user-123", "test-user-123"),
    ] {
        let mut socket = house.stranger(path).await;
        socket.say(GENERATE).await;
        house.cues.next().await.end().await;
        assert_eq!(socket.hear().await["user_id"], name);
    }
    let (mut socket, _) = house.shake("/ws/ai/stream", &[("authorization", "Bearer bob")]).await;
    socket.say(GENERATE).await;
    house.cues.next().await.end().await;
    assert_eq!(socket.hear().await["user_id"], "bob");
    // The same name over HTTP is the same user, and nobody's else: who has a token of Ann's is another Ann.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/api/user/limits", house.address);
    let of = |name: &str| client.get(&url).bearer_auth(name).send();
    let used: Value = of("ann").await.unwrap().json().await.unwrap();
    assert_eq!(used["ai_generations_used"], 1);
    assert_eq!(limits(&house, "ann").await["ai_generations_used"], 0);
    assert_eq!(of("").await.unwrap().status(), 401);

    // A proxy speaks for anybody, a stranger's name leads a stranger's page here, a token that has run out is none,
    // and no token is a name.
    let (expired, _) = house.pair("ann", "s", 31 * 60);
    let (_, refresh) = house.pair("ann", "s", 0);
    for (path, headers) in [
        ("/ws/ai/stream?token=ann", vec![("x-forwarded-for", "127.0.0.1")]),
        ("/ws/ai/stream?token=ann", vec![("forwarded", "for=127.0.0.1")]),
        ("/ws/ai/stream?token=ann", vec![("via", "1.1 proxy")]),
        ("/ws/ai/stream?token=%20", vec![]),
        ("/ws/ai/stream?token=ann&ticket=x", vec![]),
        (&format!("/ws/ai/stream?token={expired}"), vec![]),
        (&format!("/ws/ai/stream?token={refresh}"), vec![]),
    ] {
        assert_eq!(refused(&house, path, &headers).await, (403, String::new()), "{path} {headers:?}");
    }
    let rebound = client.get(&url).bearer_auth("ann").header("host", "evil.example:80").send().await.unwrap();
    assert_eq!(rebound.status(), 401);
    // A browser on this machine sends what any page wants sent; only a page of ours, or of a named
    // origin, is at home (`origins` is `*` in this house).
    let own = format!("http://{}", house.address);
    for (header, value, status) in [
        ("origin", "https://evil.example", 401),
        ("origin", "null", 401),
        ("origin", "http://localhost:3000", 401),
        ("origin", &own, 200),
        ("sec-fetch-site", "cross-site", 401),
        ("sec-fetch-site", "same-site", 401),
        ("sec-fetch-site", "same-origin", 200),
        ("sec-fetch-site", "none", 200),
    ] {
        let answer = client.get(&url).bearer_auth("ann").header(header, value).send().await.unwrap();
        assert_eq!(answer.status(), status, "{header}: {value}");
    }
    // And everything else wants a token all the same.
    let runs =
        client.get(format!("http://{}/api/runs", house.address)).bearer_auth("ann").send().await.unwrap();
    assert_eq!(runs.status(), 401);
}

// Planted faults: counted when asked and not when made; a quota of its own on each route.
#[tokio::test]
async fn generations_are_counted_for_real_on_every_route() {
    let mut house = counted(3, Period::Ever).await;
    let mut socket = house.socket("/ws/ai/stream").await;
    let left =
        |used: u64| json!({ "ai_generations_used": used, "ai_generations_limit": 3, "remaining": 3 - used });
    assert_eq!(limits(&house, "ann").await, left(0));
    // What is refused counts nothing.
    for frame in [r#"{"action":"generate"}"#, r#"{"action":"generate","prompt":"a","max_tokens":0}"#] {
        socket.say(frame).await;
        assert_eq!(socket.hear().await["type"], "error");
    }
    let wrong =
        house.http("POST", "/api/ai/generate").json(&json!({ "input_text": "" })).send().await.unwrap();
    assert_eq!(wrong.status(), 422);
    house.store.faults().fail_writes(1);
    socket.say(GENERATE).await;
    assert!(socket.hear().await["message"].as_str().unwrap().starts_with("API error: "));
    assert_eq!(limits(&house, "ann").await, left(0));

    socket.say(GENERATE).await;
    house.cues.next().await.end().await;
    assert_eq!(socket.hear().await["type"], "done");
    for (path, body, answer) in [
        ("/api/ai/generate", json!({ "input_text": "a" }), "[]"),
        ("/api/ai/expand", json!({ "bullet_text": "a" }), "[]"),
    ] {
        let asked = tokio::spawn(house.http("POST", path).json(&body).send());
        let mut act = house.cues.next().await;
        act.say(answer).await;
        act.end().await;
        assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(limits(&house, "ann").await, left(3));

    let words = "All 3 generations of yours are used; they do not come back by themselves; ask whoever runs this \
                 server for more";
    socket.say(GENERATE).await;
    let over = socket.hear().await;
    assert_eq!(over["message"], format!("Rate limit exceeded: {words}"));
    let over =
        house.http("POST", "/api/ai/expand").json(&json!({ "bullet_text": "a" })).send().await.unwrap();
    assert_eq!((over.status().as_u16(), &over.headers()["retry-after"]), (429, &"86400".parse().unwrap()));
    assert_eq!(over.json::<Value>().await.unwrap(), json!({ "detail": words }));
    assert!(house.cues.try_next().is_none(), "the model was not asked");
    assert_eq!(limits(&house, "bob").await, left(0));
    socket.say(r#"{"action":"ping"}"#).await;
    assert_eq!(socket.hear().await["type"], "pong");
}

#[tokio::test]
async fn without_a_quota_there_is_no_number() {
    let house = counted(u64::MAX, Period::Ever).await;
    let none = json!({ "ai_generations_used": 0, "ai_generations_limit": null, "remaining": null });
    assert_eq!(limits(&house, "ann").await, none);
}

#[tokio::test]
async fn two_at_once_for_the_last_one_are_one() {
    let mut house = counted(1, Period::Month).await;
    let (mut one, mut two) = (house.socket("/ws/ai/stream").await, house.socket("/ws/ai/stream").await);
    one.say(GENERATE).await;
    two.say(GENERATE).await;
    let act = house.cues.next().await;
    act.end().await;
    let mut said = [one.hear().await, two.hear().await].map(|frame| frame["type"].clone());
    said.sort_by_key(ToString::to_string);
    assert_eq!(said, [json!("done"), json!("error")]);
    assert!(house.cues.try_next().is_none());
    one.say(GENERATE).await;
    let over = one.hear().await;
    assert!(over["message"].as_str().unwrap().contains("they come back on "), "{over}");
    assert!(over["retry_after"].as_u64().unwrap() <= 31 * 86_400);
}

async fn answered(house: &mut House, path: &str, body: Value, answer: &str) -> (u16, Value) {
    let asked = tokio::spawn(house.http("POST", path).json(&body).send());
    let mut act = house.cues.next().await;
    act.say(answer).await;
    act.end_using(FinishReason::Stop, Usage::of(30, 12)).await;
    let answer = asked.await.unwrap().unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn outlines_and_expansions_are_read_out_of_what_the_model_says() {
    let mut house = House::given(Given { gate: open_gate(), ..Given::default() }).await;
    let outline = "Sure!\n```json\n[{\"text\":\"a\",\"children\":[{\"text\":\"b\",\"children\":[{\"text\":\"c\"}]}]}]\n```";
    let generate = "/api/ai/generate";
    for (body, bullets) in [
        (
            json!({ "input_text": "x" }),
            json!([{"text": "a", "children": [{"text": "b", "children": [{"text": "c", "children": []}]}]}]),
        ),
        (json!({ "input_text": "x", "max_levels": 1 }), json!([{"text": "a", "children": []}])),
    ] {
        let answer = answered(&mut house, generate, body, outline).await;
        assert_eq!(answer, (200, json!({ "bullets": bullets, "tokens_used": 42 })));
    }
    let body = json!({ "bullet_text": "b", "siblings": ["c"], "parent_context": "a" });
    let answer = answered(&mut house, "/api/ai/expand", body, "[\"x\", {\"text\": \"y\"}]").await;
    assert_eq!(answer, (200, json!({ "children": ["x", "y"], "tokens_used": 42 })));
    let (status, answer) = answered(&mut house, generate, json!({ "input_text": "x" }), "I cannot.").await;
    let detail = "Failed to parse AI response: it has no JSON list";
    assert_eq!((status, answer), (500, json!({ "detail": detail })));
    // What the model is told, and that it is a run as every other.
    let asked = tokio::spawn(house.http("POST", generate).json(&json!({ "input_text": "my notes" })).send());
    let act = house.cues.next().await;
    assert!(act.request.messages[0].content.contains("at most 3 levels"));
    assert_eq!(act.request.messages.last().unwrap().content, "Text:\nmy notes");
    let runs: Value = house.http("GET", "/api/runs").send().await.unwrap().json().await.unwrap();
    let run = runs["runs"][0]["run_id"].as_str().unwrap().to_owned();
    assert_eq!(runs["runs"][0]["workflow"], "generate");
    house.http("POST", &format!("/api/runs/{run}/stop")).send().await.unwrap();
    act.cancelled().await;
    let answer = asked.await.unwrap().unwrap();
    assert_eq!(answer.status(), 409);
    let run = headwater_core::RunId::parse(&run).unwrap();
    let mut follow = house.engine.follow(&principal("ann"), &run, &From::After(0)).await.unwrap();
    let mut last = None;
    while let Followed::Events(events) = follow.next().await.unwrap() {
        last = events.last().cloned();
    }
    let body = &last.unwrap().body;
    assert!(
        matches!(body, headwater_core::event::Body::RunEnded { outcome: Outcome::Cancelled, .. }),
        "{body:?}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_said_as_everywhere() {
    let house = House::given(Given { gate: open_gate(), ..Given::default() }).await;
    for (path, body, kind, loc) in [
        ("/api/ai/generate", json!({}), "missing", json!(["body", "input_text"])),
        ("/api/ai/generate", json!({ "input_text": 5 }), "string_type", json!(["body", "input_text"])),
        ("/api/ai/generate", json!({ "input_text": "" }), "string_too_short", json!(["body", "input_text"])),
        (
            "/api/ai/generate",
            json!({ "input_text": "a", "max_levels": 0 }),
            "greater_than_equal",
            json!(["body", "max_levels"]),
        ),
        (
            "/api/ai/generate",
            json!({ "input_text": "a", "max_levels": 11 }),
            "less_than_equal",
            json!(["body", "max_levels"]),
        ),
        ("/api/ai/expand", json!({}), "missing", json!(["body", "bullet_text"])),
        (
            "/api/ai/expand",
            json!({ "bullet_text": "a", "siblings": "b" }),
            "list_type",
            json!(["body", "siblings"]),
        ),
        (
            "/api/ai/expand",
            json!({ "bullet_text": "a", "siblings": ["b", 5] }),
            "string_type",
            json!(["body", "siblings", 1]),
        ),
        (
            "/api/ai/expand",
            json!({ "bullet_text": "a", "siblings": vec!["b"; 101] }),
            "too_long",
            json!(["body", "siblings"]),
        ),
    ] {
        let answer = house.http("POST", path).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 422, "{body}");
        let said: Value = answer.json().await.unwrap();
        assert_eq!((&said["detail"][0]["type"], &said["detail"][0]["loc"]), (&json!(kind), &loc));
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let plain = |method: &str, path: &str| {
        client.request(method.parse().unwrap(), format!("http://{}{path}", house.address))
    };
    for (method, path) in
        [("POST", "/api/ai/generate"), ("POST", "/api/ai/expand"), ("GET", "/api/user/limits")]
    {
        let answer = plain(method, path).json(&json!({})).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["www-authenticate"]),
            (401, &"Bearer".parse().unwrap())
        );
        let of_a_name = plain(method, path).json(&json!({})).bearer_auth("ann").send().await.unwrap();
        assert_eq!(of_a_name.status(), 401, "a name is not enough where nobody said so");
    }
    let health: Value = plain("GET", "/api/health").send().await.unwrap().json().await.unwrap();
    assert_eq!((&health["status"], &health["provider"]["name"]), (&json!("healthy"), &json!("stage")));
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn pages_of_configured_origins_may_ask_with_credentials() {
    let named = vec!["https://app.example.org".parse().unwrap()];
    let gate = Rules { origins: Origins { named, all: false }, ..Rules::default() };
    let house = House::with(gate, headwater_engine::Settings::default()).await;
    for (method, path) in
        [("OPTIONS", "/api/ai/generate"), ("GET", "/api/user/limits"), ("GET", "/api/health")]
    {
        for (origin, may) in [("https://app.example.org", true), ("https://evil.example", false)] {
            let asked = house.http(method, path).header("origin", origin);
            let answer = asked.header("access-control-request-method", "POST").send().await.unwrap();
            let allowed = answer.headers().get("access-control-allow-credentials");
            assert_eq!(allowed.is_some_and(|v| v == "true"), may, "{method} {path} {origin}");
            let to = answer.headers().get("access-control-allow-origin");
            assert_eq!(to.is_some_and(|v| v == origin), may);
        }
    }
    let other =
        house.http("GET", "/api/runs").header("origin", "https://app.example.org").send().await.unwrap();
    assert!(!other.headers().contains_key("access-control-allow-credentials"));
    // Never for every page of every site.
    let open = House::given(Given { gate: open_gate(), ..Given::default() }).await;
    let answer =
        open.http("GET", "/api/health").header("origin", "https://evil.example").send().await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn a_sign_out_ends_the_socket_with_a_word() {
    let mut house = House::new().await;
    let token = house.token("ann");
    let mut socket: Socket = house.stranger(&format!("/ws/ai/stream?token={token}")).await;
    socket.say(GENERATE).await;
    let act = house.cues.next().await;
    let url = format!("http://{}/api/v1/auth/logout", house.address);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.post(url).bearer_auth(&token).send().await.unwrap().error_for_status().unwrap();
    let (frames, close) = socket.closed().await;
    assert_eq!(frames, [r#"{"type":"error","message":"Token expired"}"#]);
    assert_eq!(u16::from(close.code), 4401);
    act.cancelled().await;
    assert!(socket.0.next().await.is_none_or(|m| m.is_err()));
}
