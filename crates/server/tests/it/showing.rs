//! The ways in which somebody shows who he is when he opens a socket: tickets, protocols, header, address.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use futures_util::StreamExt;
use futures_util::future::join_all;
use headwater_core::limit;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::house::{House, Socket};
use crate::layers::Log;

const PROTOCOL: &str = "sec-websocket-protocol";
const APP: &str = "https://app.example";

async fn ticket(house: &House, token: &str, origin: Option<&str>) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(format!("http://{}/api/ws-ticket", house.address)).bearer_auth(token);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["expires_in"], 30);
    let ticket = body["ticket"].as_str().unwrap().to_owned();
    assert_eq!(URL_SAFE_NO_PAD.decode(&ticket).unwrap().len(), 16);
    ticket
}

/// Who is signed in on a native connection, as far as it can be asked: by whose sessions it lists.
async fn is_signed_in(socket: &mut Socket) -> bool {
    socket.say(r#"{"type":"list"}"#).await;
    loop {
        match socket.hear().await["type"].as_str().unwrap() {
            "runs" => return true,
            "error" => return false,
            _ => {}
        }
    }
}

async fn chat_is_signed_in(socket: &mut Socket) -> bool {
    socket.say(r#"{"type":"message","message":" "}"#).await;
    match socket.hear().await["code"].as_str().unwrap() {
        "EMPTY_MESSAGE" => true,
        "AUTH_REQUIRED" => false,
        other => panic!("{other}"),
    }
}

// Planted faults: the ticket looked at and not taken out; the origin not compared; the time not.
#[tokio::test]
async fn a_ticket_opens_one_socket_of_its_own_pages() {
    let house = House::with_rules(headwater_server::auth::Rules::default()).await;
    let token = house.token("ann");
    let here = [("origin", APP)];
    for (origin, headers, good) in [
        (Some(APP), &here[..], true),
        (None, &here[..], true),
        (None, &[][..], true),
        (Some(APP), &[("origin", "https://evil.example")][..], false),
        (Some(APP), &[("origin", "https://app.example.evil.example")][..], false),
        (Some(APP), &[("origin", "null")][..], false),
        (Some(APP), &[][..], false),
    ] {
        for path in ["/ws", "/ws/chat"] {
            let ticket = ticket(&house, &token, origin).await;
            let path = format!("{path}?ticket={ticket}");
            let (mut socket, _) = house.shake(&path, headers).await;
            let signed_in = match path.starts_with("/ws/chat") {
                true => chat_is_signed_in(&mut socket).await,
                false => is_signed_in(&mut socket).await,
            };
            assert_eq!(signed_in, good, "{origin:?} {headers:?}");
            // Used up, whatever came of it; and then the connection is one of nobody, as with a bad token.
            let (mut again, _) = house.shake(&path, &here).await;
            again.say(r#"{"type":"ping"}"#).await;
            assert_eq!(again.hear().await["type"], "pong");
            again.say(r#"{"type":"list"}"#).await;
            let refused = again.hear().await;
            assert!(refused.to_string().contains("error"), "{refused}");
        }
    }
    for bad in ["", "x", &"A".repeat(22), &"A".repeat(9000), "%00", &token] {
        let (mut socket, _) = house.shake(&format!("/ws?ticket={bad}"), &[]).await;
        assert!(!is_signed_in(&mut socket).await, "{bad}");
    }
    let url = format!("http://{}/api/ws-ticket", house.address);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(url).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
        (401, r#"{"detail":"Authentication required"}"#)
    );
    let late = ticket(&house, &token, None).await;
    tokio::time::pause();
    tokio::time::advance(limit::TICKET_TIME).await;
    tokio::time::resume();
    let (mut socket, _) = house.shake(&format!("/ws?ticket={late}"), &[]).await;
    assert!(!is_signed_in(&mut socket).await);
}

#[tokio::test]
async fn of_a_thousand_who_show_one_ticket_one_gets_in() {
    let house = House::with_rules(headwater_server::auth::Rules::default()).await;
    let ticket = ticket(&house, &house.token("ann"), None).await;
    let path = format!("/ws?ticket={ticket}");
    let mut inside = 0;
    for _ in 0..10 {
        let tries = (0..100).map(|_| async {
            let mut socket = house.stranger(&path).await;
            is_signed_in(&mut socket).await
        });
        inside += join_all(tries).await.into_iter().filter(|signed_in| *signed_in).count();
    }
    assert_eq!(inside, 1);
}

// Planted faults: the ticket's connection without an end; a ticket of a token that was signed out taken.
#[tokio::test]
async fn a_ticket_is_worth_what_its_token_is() {
    let house = House::with_rules(headwater_server::auth::Rules::default()).await;
    let (token, _) = house.pair("eve", "s1", 5);
    let waiting = ticket(&house, &token, None).await;
    let url = format!("http://{}/api/v1/auth/logout", house.address);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.post(url).bearer_auth(token).send().await.unwrap().status().as_u16(), 200);
    assert!(house.auth.redeem(&waiting, None).is_none());
    let left = 20;
    let (token, _) = house.pair("ann", "s1", headwater_server::auth::token::ACCESS_SECONDS - left);
    let used = ticket(&house, &token, None).await;
    let mut socket = house.stranger(&format!("/ws?ticket={used}")).await;
    tokio::time::pause();
    let (_, close) = socket.closed().await;
    tokio::time::resume();
    assert_eq!(u16::from(close.code), 4401);
}

#[tokio::test]
async fn tickets_are_bounded() {
    let house = House::with_rules(headwater_server::auth::Rules::default()).await;
    let ann = house.auth.identify(&house.token("ann")).unwrap();
    let first = house.auth.ticket(ann.clone(), None).unwrap();
    for _ in 0..limit::TICKETS_PER_USER {
        house.auth.ticket(ann.clone(), None).unwrap();
    }
    // His own oldest made room.
    assert!(house.auth.redeem(&first, None).is_none());
    let mut refused = 0;
    for n in 0..limit::TICKETS / limit::TICKETS_PER_USER {
        let user = house.auth.identify(&house.token(&format!("u{n}"))).unwrap();
        for _ in 0..limit::TICKETS_PER_USER {
            refused += usize::from(house.auth.ticket(user.clone(), None).is_err());
        }
    }
    assert!(refused > 0 && refused <= limit::TICKETS_PER_USER, "{refused}");
    tokio::time::pause();
    tokio::time::advance(limit::TICKET_TIME).await;
    assert!(house.auth.ticket(ann, None).is_ok());
}

// Planted fault: the handshake's address in a log line.
#[tokio::test]
async fn what_was_shown_is_in_no_log() {
    let log = Log::default();
    let _on = tracing::subscriber::set_default(log.clone());
    let house = House::with_rules(headwater_server::auth::Rules::default()).await;
    let token = house.token("ann");
    let mut text = String::new();
    // See `layers.rs` for why more than once.
    for _ in 0..100 {
        let ticket = ticket(&house, &token, None).await;
        let encoded = format!("base64url.bearer.{}", URL_SAFE_NO_PAD.encode(&token));
        for path in [format!("/ws?ticket={ticket}"), format!("/ws/chat?token={token}"), "/ws".to_owned()] {
            let (mut socket, _) = house.shake(&path, &[(PROTOCOL, &encoded)]).await;
            socket.say(&json!({"type": "auth", "token": token}).to_string()).await;
            socket.hear().await;
        }
        text.clone_from(&log.0.lock());
        for secret in [&ticket, &token, &encoded] {
            assert!(!text.contains(secret.as_str()), "{text}");
        }
        if text.contains("/api/ws-ticket") && text.contains("/ws/chat") {
            return;
        }
    }
    panic!("nothing was logged: {text}");
}

// Planted faults: nothing agreed on where only a token was offered (a browser then drops the connection); the
// token agreed on although a name was offered beside it.
#[tokio::test]
async fn a_token_among_the_protocols() {
    let house = House::with_rules(headwater_server::auth::Rules::default()).await;
    let token = house.token("ann");
    let encoded = format!("base64url.bearer.{}", URL_SAFE_NO_PAD.encode(&token));
    let padded = format!("base64url.bearer.{}", URL_SAFE.encode(&token));
    let plain = format!("bearer.{token}");
    let bad = "bearer.nonsense".to_owned();
    for (path, offered, agreed, good) in [
        ("/ws", format!("headwater.v1, {encoded}"), Some("headwater.v1"), true),
        ("/ws", format!("{plain},headwater.v1"), Some("headwater.v1"), true),
        ("/ws", encoded.clone(), Some(encoded.as_str()), true),
        ("/ws", plain.clone(), Some(plain.as_str()), true),
        ("/ws", format!("{bad}, {plain}"), Some(bad.as_str()), false),
        ("/ws", format!("graphql-ws, {plain}"), None, true),
        ("/ws", "graphql-ws".to_owned(), None, false),
        ("/ws", format!("headwater.v1, {bad}"), Some("headwater.v1"), false),
        ("/ws", "base64url.bearer.%%%".to_owned(), Some("base64url.bearer.%%%"), false),
        ("/ws", format!("base64url.bearer.{}", "A".repeat(9000)), None, false),
        ("/ws/chat", format!("{encoded}, headwater.chat.v1, x"), Some("headwater.chat.v1"), true),
        ("/ws/chat", format!("{plain}, x, y"), Some("x"), true),
        ("/ws/chat", encoded.clone(), Some(encoded.as_str()), true),
        ("/ws/chat", "x".to_owned(), Some("x"), false),
    ] {
        let (mut socket, answer) = house.shake(path, &[(PROTOCOL, &offered)]).await;
        let got = answer.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        if !offered.contains("AAAA") {
            assert_eq!(got, agreed, "{offered}");
        }
        let signed_in = match path {
            "/ws" => is_signed_in(&mut socket).await,
            _ => chat_is_signed_in(&mut socket).await,
        };
        assert_eq!(signed_in, good, "{path} {offered}");
    }
    // In two lines, as some clients write it; and with what they put at the end of base64.
    let (mut socket, _) = house.shake("/ws", &[(PROTOCOL, "headwater.v1"), (PROTOCOL, &encoded)]).await;
    assert!(is_signed_in(&mut socket).await);
    let (mut socket, _) = house.shake("/ws", &[(PROTOCOL, "headwater.v1"), (PROTOCOL, &padded)]).await;
    assert!(is_signed_in(&mut socket).await);
}

// Planted fault: the next way asked where one that is there is not good.
#[tokio::test]
async fn of_several_ways_the_first_counts_alone() {
    let house = House::with_rules(headwater_server::auth::Rules::default()).await;
    let token = |user: &str| house.token(user);
    // Each in front of those below it: who is it then?
    let ways = ["ticket", "protocol", "header", "address"];
    for first in 0..ways.len() {
        for good in [true, false] {
            let (mut path, mut headers) = ("/ws?x=1".to_owned(), Vec::new());
            for (n, way) in ways.iter().enumerate().skip(first) {
                let token = if n == first && !good { "bad".to_owned() } else { token(way) };
                match n {
                    0 if good => path.push_str(&format!("&ticket={}", ticket(&house, &token, None).await)),
                    0 => path.push_str("&ticket=bad"),
                    1 => headers.push((PROTOCOL, format!("headwater.v1, bearer.{token}"))),
                    2 => headers.push(("authorization", format!("Bearer {token}"))),
                    _ => path.push_str(&format!("&token={token}")),
                }
            }
            let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let (mut socket, _) = house.shake(&path, &headers).await;
            assert_eq!(is_signed_in(&mut socket).await, good, "{}", ways[first]);
            if good {
                // A session of that name is this user's own only.
                let start = json!({"type": "start", "run": {"workflow": "generate", "message": "hi", "session_id": ways[first]}});
                socket.say(&start.to_string()).await;
                socket.until("started").await;
                let who = crate::house::principal(ways[first]);
                assert_eq!(house.engine.runs(&who, None, None, None, 9).await.unwrap().len(), 1);
            }
        }
    }
    // Another scheme is a proxy's business.
    let path = format!("/ws?token={}", house.token("ann"));
    let (mut socket, _) = house.shake(&path, &[("authorization", "Basic dTpw")]).await;
    assert!(is_signed_in(&mut socket).await);
    // A token is read once and not again: the socket stays one of nobody until it sends a frame.
    let (mut socket, _) = house.shake("/ws?token=bad", &[]).await;
    socket.say(r#"{"type":"ping"}"#).await;
    assert!(matches!(socket.0.next().await, Some(Ok(Message::Text(_)))));
}
