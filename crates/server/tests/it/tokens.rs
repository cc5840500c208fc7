//! Tokens that are not good, in every way in which one can be shown: none is taken. Each row breaks one thing;
//! a token in which nothing is broken is taken in every way, so that no row passes for another reason.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use headwater_core::limit;
use headwater_engine::Clock;
use headwater_server::auth::Rules;
use headwater_server::auth::keys::Outside;
use headwater_server::auth::token::{ACCESS_SECONDS, TOKEN_BYTES};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::house::House;

pub(crate) const OUTSIDE: &[u8] = b"the secret of the shop, of 40 bytes here";
/// A public key, as everybody may have it.
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAlZAiTIba9Bgjew+fkwM9QgXOhKkM8B9dZ75tR3zk/9Y=\n-----END PUBLIC KEY-----\n";

/// One that believes the shop: `iss` shop, `aud` chat.
pub(crate) async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("shop.key"), folder.path().join("shop.pem")];
    std::fs::write(&files[0], OUTSIDE).unwrap();
    std::fs::write(&files[1], PUBLIC).unwrap();
    let outside = Some(Outside::load("shop", "chat", &files).unwrap());
    House::with_rules(Rules { outside, ..Rules::default() }).await
}

pub(crate) fn now() -> i64 {
    Clock::default().wall().0 / 1000
}

/// Claims that are good; rows change one thing.
fn good() -> Value {
    json!({"sub": "ann", "email": "ann@example.org", "name": "Ann", "type": "access", "exp": now() + 600,
           "iat": now() - 5, "iss": "headwater", "aud": "headwater", "jti": "j1", "sid": "s1"})
}

fn but(key: &str, value: Value) -> Value {
    let mut claims = good();
    claims[key] = value;
    claims
}

fn without(key: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(key);
    claims
}

fn b64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Signs this head and these claims as they stand, HS256, whatever the head says.
pub(crate) fn by_hand(key: &[u8], head: &str, claims: &str) -> String {
    let text = format!("{}.{}", b64(head), b64(claims));
    let signature =
        jsonwebtoken::crypto::sign(text.as_bytes(), &EncodingKey::from_secret(key), Algorithm::HS256);
    format!("{text}.{}", signature.unwrap())
}

pub(crate) const HEAD: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

fn rows(house: &House) -> Vec<(String, String)> {
    let key = house.key();
    let signed = |claims: &Value| by_hand(&key, HEAD, &claims.to_string());
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, token: String| rows.push((what.to_owned(), token));
    let token = signed(&good());
    let [head, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };

    for claim in ["exp", "sub", "type"] {
        add(&format!("no {claim}"), signed(&without(claim)));
    }
    let far = now() + 600;
    for (claim, value) in [
        ("exp", json!(far.to_string())),
        ("exp", json!(null)),
        ("exp", json!(true)),
        ("exp", json!([far])),
        ("exp", json!({"$numberLong": far})),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(-1.5e300)),
        ("exp", json!(now())),
        ("exp", json!(now() as f64 - 0.5)),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(far * 1000)),
        ("nbf", json!(now() + 3600)),
        ("nbf", json!("0")),
        ("nbf", json!(1e300)),
        ("iat", json!("yesterday")),
        ("iat", json!(now() + 3600)),
        ("iat", json!([])),
        ("iat", json!(far - 367 * 86_400)),
        ("at", json!((now() + 3600) * 1000)),
        ("at", json!("0")),
        ("iss", json!("shop")),
        ("iss", json!("")),
        ("iss", json!("Headwater")),
        ("iss", json!(["headwater"])),
        ("aud", json!("chat")),
        ("aud", json!([])),
        ("aud", json!(["chat", "other"])),
        ("aud", json!([["headwater"]])),
        ("aud", json!({"headwater": true})),
        ("sub", json!("")),
        ("sub", json!(null)),
        ("sub", json!(7)),
        ("sub", json!(["ann"])),
        ("sub", json!("ann\n")),
        ("sub", json!("ann\u{0}")),
        ("sub", json!("x".repeat(limit::ID_BYTES + 1))),
        // A namespace that no token may name.
        ("sub", json!("development:0123456789abcdef0123456789abcdef")),
        ("type", json!("refresh")),
        ("type", json!("Access")),
        ("type", json!(["access"])),
        ("type", json!(null)),
        ("email", json!({})),
        ("name", json!(1)),
        ("sid", json!(1)),
        ("jti", json!({})),
        ("guest", json!("true")),
    ] {
        add(&format!("{claim} = {value}"), signed(&but(claim, value)));
    }
    let text = good().to_string();
    for (what, claims) in [
        ("exp 1e999", text.replace(&format!("\"exp\":{far}"), "\"exp\":1e999")),
        ("exp NaN", text.replace(&format!("\"exp\":{far}"), "\"exp\":NaN")),
        ("exp Infinity", text.replace(&format!("\"exp\":{far}"), "\"exp\":Infinity")),
        ("exp 0x", text.replace(&format!("\"exp\":{far}"), "\"exp\":0xFFFFFFFF")),
        ("two exp", text.replacen('{', &format!("{{\"exp\":{far},"), 1)),
        ("two sub", text.replacen('{', "{\"sub\":\"eve\",", 1)),
        ("two type", text.replacen('{', "{\"type\":\"refresh\",", 1)),
        ("junk behind the claims", format!("{text}{text}")),
        ("claims in a list", format!("[{text}]")),
        ("claims are a text", "\"ann\"".to_owned()),
        ("claims are null", "null".to_owned()),
        ("no claims", String::new()),
        ("deep claims", format!("{}{}", "[".repeat(400), "]".repeat(400))),
    ] {
        assert_ne!(claims, text, "{what}");
        add(what, by_hand(&key, HEAD, &claims));
    }
    for algorithm in
        ["none", "None", "nOnE", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "", "hs256"]
    {
        let other = b64(format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#));
        add(&format!("alg {algorithm}, our signature"), format!("{other}.{claims}.{signature}"));
        add(&format!("alg {algorithm}, unsigned"), format!("{other}.{claims}."));
        add(
            &format!("alg {algorithm}, signed over"),
            by_hand(&key, &format!(r#"{{"alg":"{algorithm}"}}"#), &text),
        );
    }
    for (what, head) in [
        ("no alg", r#"{"typ":"JWT"}"#),
        ("alg null", r#"{"alg":null}"#),
        ("alg twice", r#"{"alg":"HS256","alg":"HS256"}"#),
        ("alg in a list", r#"{"alg":["HS256"]}"#),
        ("crit", r#"{"alg":"HS256","crit":["exp"]}"#),
        ("crit empty", r#"{"alg":"HS256","crit":[]}"#),
        ("head is no JSON", "HS256"),
        ("head in a list", r#"[{"alg":"HS256"}]"#),
        ("no head", ""),
    ] {
        add(what, by_hand(&key, head, &text));
    }
    // Where to find the key: whoever says so himself has signed with his own.
    let thief = b"a key that the thief has made himself.";
    let jwk = json!({"kty": "oct", "k": b64(thief), "alg": "HS256"});
    for (what, more) in [
        ("kid up the folders", json!({"kid": "../../../../dev/null"})),
        ("kid empty file", json!({"kid": "/dev/null"})),
        ("kid SQL", json!({"kid": "x' UNION SELECT 'a' --"})),
        ("kid shell", json!({"kid": "|sleep 9"})),
        ("kid URL", json!({"kid": "http://thief.example/key"})),
        ("jku", json!({"jku": "https://thief.example/jwks.json"})),
        ("x5u", json!({"x5u": "https://thief.example/cert.pem"})),
        ("x5c", json!({"x5c": [b64(thief)]})),
        ("jwk", json!({ "jwk": jwk })),
    ] {
        let mut head = json!({"typ": "JWT", "alg": "HS256"});
        head.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        add(what, by_hand(thief, &head.to_string(), &text));
    }
    add("kid of nothing, key of nothing", by_hand(b"", r#"{"alg":"HS256","kid":"/dev/null"}"#, &text));
    add("another key", by_hand(thief, HEAD, &text));
    add("the key as hex", by_hand(hex(&key).as_bytes(), HEAD, &text));
    // Of the shop: its key makes its own tokens only, and its public key is no secret.
    let shop = json!({"sub": "ann", "exp": far, "iss": "shop", "aud": "chat"});
    add("the shop's key, our name", by_hand(OUTSIDE, HEAD, &text));
    add("our key, the shop's name", by_hand(&key, HEAD, &shop.to_string()));
    add("a public key as secret", by_hand(PUBLIC.as_bytes(), HEAD, &shop.to_string()));
    add("the same, trimmed", by_hand(PUBLIC.trim().as_bytes(), HEAD, &shop.to_string()));
    for claim in ["iss", "aud"] {
        let mut less = shop.clone();
        less.as_object_mut().unwrap().remove(claim);
        add(&format!("the shop's without {claim}"), by_hand(OUTSIDE, HEAD, &less.to_string()));
    }
    let strong = |a| jsonwebtoken::encode(&Header::new(a), &good(), &EncodingKey::from_secret(&key)).unwrap();
    add("HS384 for real", strong(Algorithm::HS384));
    add("HS512 for real", strong(Algorithm::HS512));
    add("refresh token", house.pair("ann", "s9", 5).1);

    let mut flipped = signature.as_bytes().to_vec();
    flipped[10] = if flipped[10] == b'A' { b'B' } else { b'A' };
    for (what, token) in [
        ("empty", String::new()),
        ("space", " ".to_owned()),
        ("dots", "..".to_owned()),
        ("words", "null".to_owned()),
        ("the word Bearer", "Bearer".to_owned()),
        ("no head part", format!(".{claims}.{signature}")),
        ("no claims part", format!("{head}..{signature}")),
        ("no signature", format!("{head}.{claims}.")),
        ("two parts", format!("{head}.{claims}")),
        ("four parts", format!("{token}.{signature}")),
        ("five parts", format!("{token}.{claims}.{signature}")),
        ("cut by one", token[..token.len() - 1].to_owned()),
        ("cut in the claims", format!("{head}.{}.{signature}", &claims[..claims.len() - 2])),
        ("one letter", format!("{head}.{claims}.{}", String::from_utf8(flipped).unwrap())),
        ("junk behind", format!("{token}x")),
        ("padded", format!("{token}=")),
        (
            "padded parts",
            format!("{}.{}.{signature}", URL_SAFE.encode(HEAD), URL_SAFE.encode(text.clone() + " ")),
        ),
        ("a space inside", format!("{head}. {claims}.{signature}")),
        ("a line break inside", format!("{head}.{claims}\n.{signature}")),
        ("other letters", token.replace('.', "\u{ff0e}")),
        ("a zero byte", format!("{token}\u{0}")),
        ("quoted", format!("\"{token}\"")),
        ("other claims", format!("{head}.{}.{signature}", b64(but("sub", json!("eve")).to_string()))),
        (
            "the parts of two",
            format!("{head}.{claims}.{}", signed(&but("sub", json!("eve"))).rsplit_once('.').unwrap().1),
        ),
        ("16 KB", "a".repeat(16 * 1024)),
        ("16 KB of dots", ".".repeat(16 * 1024)),
        ("good but too long", signed(&but("x", json!("x".repeat(TOKEN_BYTES))))),
        ("an old one", house.pair("ann", "s1", ACCESS_SECONDS).0),
    ] {
        add(what, token);
    }
    rows
}

/// What asks for a socket.
const SHAKE: [(&str, &str); 4] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The ways in which this token was taken; and in how many it could be shown at all.
async fn taken(house: &House, token: &str) -> (Vec<&'static str>, usize) {
    let (mut taken, mut shown) = (Vec::new(), 0);
    let mut note = |way: &'static str, yes: bool| {
        shown += 1;
        if yes {
            taken.push(way);
        }
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", house.address);
    if let Ok(value) = reqwest::header::HeaderValue::from_str(&format!("Bearer {token}")) {
        for (method, path) in [
            ("GET", "/api/v1/auth/me"),
            ("GET", "/api/runs"),
            ("GET", "/api/v1/chat/history/s"),
            ("GET", "/api/user/limits"),
            ("POST", "/api/ws-ticket"),
        ] {
            let request =
                client.request(method.parse().unwrap(), url(path)).header("authorization", value.clone());
            let status = request.send().await.unwrap().status().as_u16();
            assert!(matches!(status, 200 | 401 | 431), "{status}");
            note("header", status == 200);
        }
    }
    let refresh = client.post(url("/api/v1/auth/refresh")).json(&json!({ "refresh_token": token }));
    let status = refresh.send().await.unwrap().status().as_u16();
    assert!(matches!(status, 401 | 413 | 422), "refresh: {status}");
    let mut query: String = encoded(token);
    query.truncate(12 * 1024);
    let run = client.get(url(&format!("/api/runs/run_x/events?token={query}"))).send().await.unwrap();
    note("stream", run.status().as_u16() != 401);
    let mut protocols = vec![format!("base64url.bearer.{}", b64(token))];
    let name = |c: char| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c);
    if token.chars().all(name) {
        protocols.push(format!("bearer.{token}"));
    }
    // Who is nobody here does not even get a socket.
    let opened = client.get(url(&format!("/ws/ai/stream?token={query}")));
    let opened = SHAKE.iter().fold(opened, |request, (name, value)| request.header(*name, *value));
    let status = opened.send().await.unwrap().status().as_u16();
    assert!(matches!(status, 101 | 403), "{status}");
    note("handshake", status == 101);
    let mut sockets = vec![(house.shake(&format!("/ws?token={query}"), &[]).await.0, "address")];
    for protocol in protocols.iter().filter(|p| p.len() < 12 * 1024) {
        let (socket, _) = house.shake("/ws", &[("sec-websocket-protocol", protocol)]).await;
        sockets.push((socket, "protocol"));
    }
    for (mut socket, way) in sockets {
        socket.say(r#"{"type":"list"}"#).await;
        note(way, socket.hear().await["type"] == "runs");
    }
    // As somebody already, or a long frame would not be read at all.
    let eve = house.token("eve");
    let frame = json!({"type": "auth", "token": token}).to_string();
    for (path, word) in [("/ws", "signed_in"), ("/ws/chat", "auth_success")] {
        let mut socket = house.stranger(&format!("{path}?token={eve}")).await;
        socket.say(&frame).await;
        note("frame", socket.hear().await["type"] == word);
    }
    (taken, shown)
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

// Planted faults, each found by its rows: `exp` without a bound; `iat` not asked; the type compared without
// case; the issuer of an outside key not asked; a PEM read as secret; a sign-out of a token without `sid` that
// marks nothing.
#[tokio::test]
async fn no_broken_token_is_taken_in_any_way() {
    let house = house().await;
    let rows = rows(&house);
    assert!(rows.len() >= 60);
    for (what, token) in &rows {
        let (ways, shown) = taken(&house, token).await;
        assert!(ways.is_empty() && shown >= 4, "{what}: taken by {ways:?}, shown in {shown} ways");
        let out = log_out(&house, token, json!({})).await;
        assert!(matches!(out, None | Some(401 | 431)), "{what}: {out:?}");
    }
}

#[tokio::test]
async fn good_tokens_are_taken_in_every_way_until_they_are_signed_out() {
    let house = house().await;
    let token = |claims: Value| by_hand(&house.key(), HEAD, &claims.to_string());
    let shop = json!({"sub": "ann", "exp": now() + 600, "iss": "shop", "aud": "chat"}).to_string();
    let nothing = json!({});
    for (good, body) in [
        (token(good()), &nothing),
        // With nothing but a name of its own, and with none.
        (token(json!({"sub": "ann", "type": "access", "exp": now() + 600, "jti": "j2"})), &nothing),
        (token(json!({"sub": "ann", "type": "access", "exp": now() as f64 + 600.5})), &nothing),
        (by_hand(OUTSIDE, HEAD, &shop), &nothing),
        (by_hand(OUTSIDE, r#"{"alg":"HS256","kid":"../x","jku":"https://x.example"}"#, &shop), &nothing),
        (house.token("ann"), &json!({"everywhere": true})),
    ] {
        let (ways, shown) = taken(&house, &good).await;
        assert!(ways.len() == shown && shown >= 9, "{ways:?}");
        assert_eq!(log_out(&house, &good, body.clone()).await, Some(200));
        assert!(taken(&house, &good).await.0.is_empty());
    }
    assert!(
        taken(&house, &token(but("sid", json!("s8")))).await.0.is_empty(),
        "made before she left everywhere"
    );
    assert!(!taken(&house, &token(but("sub", json!("bob")))).await.0.is_empty());
}

async fn log_out(house: &House, token: &str, body: Value) -> Option<u16> {
    let value = reqwest::header::HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("http://{}/api/v1/auth/logout", house.address)).json(&body);
    Some(request.header("authorization", value).send().await.unwrap().status().as_u16())
}
