//! Who is let in, how often, and how many of them: origins, caps and allowances on a whole server.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use headwater_core::limit;
use headwater_core::rate::Rate;
use headwater_engine::Settings;
use headwater_server::gate::{Origins, Proxies, Rules};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::house::{House, Socket};

const ROUTES: [&str; 2] = ["/ws/chat", "/ws"];

impl House {
    /// Asks for a socket with these headers.
    async fn knock(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, (u16, HeaderMap, String)> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(Error::Http(answer)) => {
                let answer: Response = *answer;
                let body = answer.body().clone().unwrap_or_default();
                Err((answer.status().as_u16(), answer.headers().clone(), String::from_utf8(body).unwrap()))
            }
            Err(other) => panic!("{other}"),
        }
    }
}

fn rules(origins: &[&str]) -> Rules {
    let named = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    Rules { origins: Origins { named, all: false }, ..Rules::default() }
}

// The table of tricks stands beside `gate/origin.rs`; here is where it is asked. Planted faults: the layer
// left out; asked after the route's own refusals.
#[tokio::test]
async fn a_foreign_page_opens_no_socket_on_any_route() {
    let house = House::with(rules(&["https://app.example.org"]), Settings::default()).await;
    let own = format!("http://{}", house.address);
    for route in ROUTES {
        for path in [route.to_owned(), format!("{route}?token={}", house.token("ann"))] {
            for origin in ["https://evil.example", "null", "", "https://app.example.org.evil.example"] {
                let (status, _, body) = house.knock(&path, &[("origin", origin)]).await.err().unwrap();
                assert_eq!((status, body.as_str()), (403, r#"{"detail":"Origin not allowed"}"#), "{origin}");
            }
            let twice = [("origin", "https://app.example.org"), ("origin", "https://app.example.org")];
            assert_eq!(house.knock(&path, &twice).await.err().unwrap().0, 403);
            for origin in ["https://app.example.org", own.as_str()] {
                house.knock(&path, &[("origin", origin)]).await.ok().unwrap();
            }
            // No browser, no origin.
            house.knock(&path, &[]).await.ok().unwrap();
        }
    }
    // What is no route says no more to a foreign page than what is one.
    assert_eq!(house.knock("/nowhere", &[("origin", "null")]).await.err().unwrap().0, 403);
    assert_eq!(house.gate.turned_away()[2], ("origins", 21));
}

#[tokio::test]
async fn a_trusted_proxy_says_that_the_page_was_encrypted() {
    let proxies = Proxies { networks: vec!["127.0.0.1".parse().unwrap()], ..Proxies::default() };
    let house = House::with(Rules { proxies, ..Rules::default() }, Settings::default()).await;
    let own = format!("https://{}", house.address);
    let through = |proto: &'static str| [("origin", own.clone()), ("x-forwarded-proto", proto.to_owned())];
    for (proto, status) in [("https", 101), ("http", 403)] {
        let headers = through(proto);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let got = house.knock("/ws", &headers).await.err().map_or(101, |refused| refused.0);
        assert_eq!(got, status, "{proto}");
    }
    assert_eq!(
        House::new()
            .await
            .knock("/ws", &[("origin", "https://x"), ("x-forwarded-proto", "https")])
            .await
            .err()
            .unwrap()
            .0,
        403
    );
}

#[tokio::test]
async fn pages_that_may_read_answers_and_others_may_not() {
    let house = House::with(rules(&["https://app.example.org"]), Settings::default()).await;
    let preflight = |origin: &'static str| {
        let asked = house.http("OPTIONS", "/api/runs").header("origin", origin);
        asked
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
    };
    let answer = preflight("https://app.example.org").send().await.unwrap();
    let headers = answer.headers().clone();
    // As recorded from the original.
    assert_eq!((answer.status(), answer.text().await.unwrap().as_str()), (StatusCode::OK, "OK"));
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(headers["access-control-allow-origin"], "https://app.example.org");
    assert!(headers["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    let may_send = headers["access-control-allow-headers"].to_str().unwrap();
    assert!(may_send.contains("Authorization") && may_send.contains("Prefer"), "{may_send}");
    assert_eq!(headers["vary"], "Origin");
    assert!(!headers.contains_key("access-control-allow-credentials"));
    let refused = preflight("https://evil.example").send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(!refused.headers().contains_key("access-control-allow-origin"));
    assert_eq!(refused.text().await.unwrap(), "Disallowed CORS origin");

    let health = |origin: &'static str| house.http("GET", "/health").header("origin", origin).send();
    let answer = health("https://app.example.org").await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.org");
    assert_eq!(
        answer.headers()["access-control-expose-headers"],
        "X-Request-ID, X-Response-Time, Retry-After, Location"
    );
    let answer = health("https://evil.example").await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("access-control-allow-origin")), (200, None));
    // Without a page nothing is said of it; an OPTIONS that is no preflight is one of the route's.
    assert!(!house.http("GET", "/health").send().await.unwrap().headers().contains_key("vary"));
    assert_eq!(house.http("OPTIONS", "/api/runs").send().await.unwrap().status(), 405);

    let all = Rules { origins: Origins { named: vec![], all: true }, ..Rules::default() };
    let open = House::with(all, Settings::default()).await;
    let answer = open.http("GET", "/health").header("origin", "null").send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    open.knock("/ws", &[("origin", "https://evil.example")]).await.ok().unwrap();
}

// Planted fault: the stranger's place kept after sign-in.
#[tokio::test]
async fn strangers_of_one_address_are_few_until_they_sign_in() {
    let rules = Rules { unauthenticated_per_address: Some(2), ..Rules::default() };
    let house = House::with(rules, Settings::default()).await;
    let mut first = house.stranger("/ws/chat").await;
    let _second = house.stranger("/ws").await;
    let (status, headers, body) = house.knock("/ws/chat", &[]).await.err().unwrap();
    assert_eq!((status, &headers["retry-after"]), (429, &"5".parse().unwrap()));
    assert!(body.contains("nobody has signed in"), "{body}");
    // Who shows a token is none.
    let _signed_in = house.socket("/ws").await;
    first.say(&json!({"type": "auth", "token": house.token("bob")}).to_string()).await;
    first.until("auth_success").await;
    house.knock("/ws/chat", &[]).await.ok().unwrap();
}

// Planted fault: the cap asked at the handshake only; signing in with a frame then went round it.
#[tokio::test]
async fn a_user_has_so_many_sockets_and_is_told() {
    let rules = Rules { connections_per_user: Some(1), ..Rules::default() };
    let house = House::with(rules, Settings::default()).await;
    let first = house.socket("/ws").await;
    let sentence = "Too many connections of yours; close one and try again";
    for path in ROUTES {
        for by_address in [true, false] {
            let mut next = if by_address { house.socket(path).await } else { house.stranger(path).await };
            if !by_address {
                next.say(&json!({"type": "auth", "token": house.token("ann")}).to_string()).await;
            }
            let (frames, close) = next.closed().await;
            assert_eq!((u16::from(close.code), close.reason.as_str()), (1013, sentence));
            let told: Value = serde_json::from_str(frames.last().unwrap()).unwrap();
            assert_eq!(told["type"], "error");
            match path {
                "/ws" => assert_eq!(
                    (&told["error"]["code"], &told["error"]["message"]),
                    (&json!("too_many_connections"), &json!(sentence))
                ),
                _ => assert_eq!(
                    (&told["code"], &told["error"]),
                    (&json!("TOO_MANY_CONNECTIONS"), &json!(sentence))
                ),
            }
        }
    }
    // Signing in again needs no second place, and another user has his own.
    let mut bob = house.stranger("/ws").await;
    for _ in 0..2 {
        bob.say(&json!({"type": "auth", "token": house.token("bob")}).to_string()).await;
        bob.until("signed_in").await;
    }
    drop(first);
    // The place comes back with the socket.
    let again = async {
        loop {
            let mut next = house.socket("/ws").await;
            next.say(r#"{"type":"ping"}"#).await;
            if matches!(futures_util::StreamExt::next(&mut next.0).await, Some(Ok(Message::Text(t))) if t.contains("pong"))
            {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.unwrap();
}

// Planted fault: the follow behind a start counted as a message of its own. Its answer was then made and
// never shown.
#[tokio::test]
async fn an_answer_that_was_begun_is_shown() {
    let rules = Rules { messages: Some(Rate::per_minute(2, 2)), ..Rules::default() };
    let mut house = House::with(rules, Settings::default()).await;
    let mut chat = house.socket("/ws/chat").await;
    for n in 1..=2 {
        chat.say(
            &json!({"type": "message", "message": "What is the engine power?", "session_id": "s"})
                .to_string(),
        )
        .await;
        let mut act = house.cues.next().await;
        act.say(format!("answer {n} ")).await;
        act.end().await;
        assert_eq!(chat.until("complete").await["response"], format!("answer {n} "));
    }
    chat.say(r#"{"type":"message","message":"and?","message_id":"m3"}"#).await;
    let told = chat.until("error").await;
    assert_eq!((&told["code"], &told["message_id"]), (&json!("RATE_LIMITED"), &json!("m3")));
}

#[tokio::test]
async fn too_many_messages_are_told_in_the_dialects_words_and_stops_are_heard() {
    let rules = Rules { messages: Some(Rate::per_minute(2, 2)), ..Rules::default() };
    let mut house = House::with(rules, Settings::default()).await;
    let (run, _act) = house.begin().await;
    let mut chat = house.socket("/ws/chat").await;
    for _ in 0..2 {
        chat.say(&json!({"type": "resume", "run_id": run.as_str()}).to_string()).await;
    }
    chat.say(r#"{"type":"message","message":"hi","message_id":"m1"}"#).await;
    let told = chat.until("error").await;
    assert_eq!((&told["code"], &told["message_id"]), (&json!("RATE_LIMITED"), &json!("m1")));
    assert_eq!(
        (&told["error"], &told["retry_after"]),
        (&json!("Too many messages; try again in 30 s"), &json!(30))
    );
    // The same user on another socket, in the other protocol.
    let mut native = house.socket("/ws").await;
    native.say(r#"{"type":"list","id":7}"#).await;
    let told = native.hear().await;
    assert_eq!((&told["error"]["code"], &told["id"]), (&json!("rate_limited"), &json!(7)));
    native.say(r#"{"type":"ping"}"#).await;
    assert_eq!(native.hear().await["type"], "pong");
    native.say(&json!({"type": "stop", "run_id": run.as_str()}).to_string()).await;
    assert_eq!(native.hear().await["type"], "stopped");
    // It comes back.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    native.say(r#"{"type":"list"}"#).await;
    assert_eq!(native.hear().await["type"], "runs");
}

// Planted fault: repetitions counted; who came back for his answer was then refused it.
#[tokio::test]
async fn so_many_runs_a_minute_on_sockets_and_over_http_and_repetitions_are_free() {
    let settings = Settings { starts: Some(Rate::per_minute(2, 2)), ..Settings::default() };
    let house = House::with(Rules::default(), settings).await;
    let ask = json!({"workflow": "generate", "message": "hi", "message_id": "m1"});
    let post = || house.http("POST", "/api/runs").json(&ask).send();
    let first = post().await.unwrap();
    assert_eq!(first.status(), 201);
    let mut native = house.socket("/ws").await;
    native.say(r#"{"type":"start","run":{"workflow":"generate","message":"hi"}}"#).await;
    assert_eq!(native.hear().await["type"], "started");
    native.until("following").await;
    native.say(r#"{"type":"start","id":1,"run":{"workflow":"generate","message":"hi"}}"#).await;
    let told = native.until("error").await;
    assert_eq!((&told["error"]["code"], &told["id"]), (&json!("rate_limited"), &json!(1)));
    assert_eq!(told["error"]["message"], "Too many questions; try again in 30 s");
    let refused = house
        .http("POST", "/api/runs")
        .json(&json!({"workflow": "generate", "message": "hi"}))
        .send()
        .await
        .unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"30".parse().unwrap()));
    let mut chat = house.socket("/ws/chat").await;
    chat.say(r#"{"type":"message","message":"hi"}"#).await;
    assert_eq!(chat.until("error").await["code"], "RATE_LIMITED");
    // The same message again is the same run.
    assert_eq!(post().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_address_starts_so_many_whoever_asks() {
    let rules = Rules { starts_per_address: Some(Rate::per_minute(1, 1)), ..Rules::default() };
    let house = House::with(rules, Settings::default()).await;
    let start = json!({"workflow": "generate", "message": "hi"});
    assert_eq!(house.http("POST", "/api/runs").json(&start).send().await.unwrap().status(), 201);
    let mut bob = house.stranger(&format!("/ws?token={}", house.token("bob"))).await;
    bob.say(&json!({"type": "start", "run": start}).to_string()).await;
    assert_eq!(bob.hear().await["error"]["code"], "rate_limited");
    let refused = house.http("POST", "/api/runs").json(&start).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let body: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(body["error"]["code"], "rate_limited");
}

// Planted fault: asked at the door, before the token; the stranger's requests then used up Ann's.
#[tokio::test]
async fn who_shows_no_token_uses_up_nobodys_starts() {
    let rules = Rules { starts_per_address: Some(Rate::per_minute(1, 1)), ..Rules::default() };
    let mut house = House::with(rules, Settings::default()).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["/api/runs", "/api/v1/chat"] {
        for token in ["", "bad"] {
            let url = format!("http://{}{path}", house.address);
            let asked = client.post(url).bearer_auth(token).json(&json!({"message": "hi"}));
            assert_eq!(asked.send().await.unwrap().status(), 401);
        }
    }
    let chat = house.http("POST", "/api/v1/chat").json(&json!({"message": "hi"}));
    let answered = tokio::spawn(chat.send());
    house.cues.next().await.end().await;
    assert_eq!(answered.await.unwrap().unwrap().status(), 200);
    // Now they are used up.
    let refused = house.http("POST", "/api/v1/chat").json(&json!({"message": "hi"})).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"60".parse().unwrap()));
    let sentence = r#"{"detail":"Too many questions from your address; try again in 60 s"}"#;
    assert_eq!(refused.text().await.unwrap(), sentence);
}

// Planted fault: the search not asked at the gate.
#[tokio::test]
async fn searches_are_taken_from_a_users_messages() {
    let rules = Rules { messages: Some(Rate::per_minute(2, 2)), ..Rules::default() };
    let house = House::with(rules, Settings::default()).await;
    let search = |user| {
        let asked = house.http_as(user, "POST", "/api/v1/documents/search");
        asked.json(&json!({"query": "oil"})).send()
    };
    for _ in 0..2 {
        assert_eq!(search("ann").await.unwrap().status(), 200);
    }
    let refused = search("ann").await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"30".parse().unwrap()));
    assert_eq!(search("bob").await.unwrap().status(), 200);
}

#[tokio::test]
async fn sign_ins_and_accounts_of_one_address_are_few() {
    let rules = Rules {
        sign_ins: Some(Rate::per_minute(2, 2)),
        registrations: Some(Rate::per_minute(1, 1)),
        ..Rules::default()
    };
    let house = House::with(rules, Settings::default()).await;
    let post = |path: &'static str, body: Value| house.http("POST", path).json(&body).send();
    let log_in =
        || post("/api/v1/auth/login", json!({"email": "a@example.org", "password": "wrong-password"}));
    let account = |n: u32| {
        post(
            "/api/v1/auth/register",
            json!({"email": format!("{n}@example.org"), "password": "a-password", "name": "Ann"}),
        )
    };
    assert_eq!(
        (log_in().await.unwrap().status(), log_in().await.unwrap().status()),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    let refused = log_in().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"30".parse().unwrap()));
    assert!(refused.headers().contains_key("x-request-id"));
    assert_eq!(
        refused.text().await.unwrap(),
        r#"{"detail":"Too many attempts to sign in; try again in 30 s"}"#
    );
    assert_ne!(account(1).await.unwrap().status(), 429);
    let refused = account(2).await.unwrap();
    assert_eq!(refused.text().await.unwrap(), r#"{"detail":"Too many new accounts; try again in 60 s"}"#);
    // Nothing else is touched by it.
    assert_eq!(house.http("GET", "/health").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn requests_and_connections_of_one_address_are_capped_and_clients_of_a_proxy_one_by_one() {
    let few = Rules { requests: Some(Rate::per_second(1, 3)), ..Rules::default() };
    let house = House::with(few.clone(), Settings::default()).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(house.http("GET", "/nowhere").send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [404, 404, 404, 429, 429]);

    let proxies = Proxies { networks: vec!["127.0.0.1".parse().unwrap()], ..Proxies::default() };
    let rules = Rules { proxies, connections_per_address: Some(1), ..few };
    let house = House::with(rules, Settings::default()).await;
    let asked = |client: &'static str| house.http("GET", "/health").header("x-forwarded-for", client).send();
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"] {
        assert_eq!(asked(client).await.unwrap().status(), 200);
    }
    for _ in 0..3 {
        asked("6.6.6.6, 192.0.2.1").await.unwrap();
    }
    assert_eq!(asked("7.7.7.7, 192.0.2.1").await.unwrap().status(), 429);
    // Its sockets count for its clients.
    let _one = house.knock("/ws", &[("x-forwarded-for", "2001:db8::1")]).await.ok().unwrap();
    let (status, _, body) = house.knock("/ws", &[("x-forwarded-for", "2001:db8::2")]).await.err().unwrap();
    assert_eq!(
        (status, body.as_str()),
        (429, r#"{"detail":"Too many connections from your address; close some and try again"}"#)
    );
    house.knock("/ws", &[("x-forwarded-for", "2001:db8:0:1::1")]).await.ok().unwrap();
}

// A front-end was seen that opens its socket anew on every render: 133 in 6 s, from one address.
#[tokio::test]
async fn a_front_end_that_opens_133_sockets_in_six_seconds_is_served_by_the_defaults() {
    let house = House::new().await;
    let mut open = Vec::new();
    for n in 0..133 {
        let mut socket = house.socket("/ws/chat").await;
        socket.say(r#"{"type":"ping"}"#).await;
        assert_eq!(socket.hear().await["type"], "pong", "socket {n}");
        // The one of the render before is closed when the next one stands.
        open.push(socket);
        if open.len() > 2 {
            let mut old = open.remove(0);
            old.0.close(None).await.unwrap();
            while let Some(Ok(_)) = futures_util::StreamExt::next(&mut old.0).await {}
        }
    }
    assert_eq!(
        house.gate.turned_away(),
        ["connections", "sockets", "origins", "requests", "messages", "floods"].map(|of| (of, 0))
    );
    assert!(house.gate.sockets() <= limit::CONNECTIONS_PER_USER);
}
