//! Tokens that are ours, and a list of those that are not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use headwater_core::code::Code;
use headwater_core::{Millis, Principal, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::auth::secret::Secret;

const NOW: Millis = Millis(1_795_225_390_500);

fn secret() -> Secret {
    let folder = tempfile::tempdir().unwrap();
    Secret::load_or_create(folder.path()).unwrap()
}

fn jo() -> Principal {
    let user = UserId::parse("29c14837-0934-45be-a9c5-8db9f4c8e9ce").unwrap();
    Principal { user, email: "jo@example.com".into(), name: "Jo".into(), guest: false }
}

fn part(token: &str, n: usize) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap()).unwrap()
}

/// Claims that are accepted; tests change one thing.
fn good() -> Value {
    json!({"sub": "u1", "email": "jo@example.com", "name": "Jo", "type": "access",
           "exp": NOW.0 / 1000 + 60, "iat": NOW.0 / 1000})
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

fn signed(secret: &Secret, header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret.bytes())).unwrap()
}

#[test]
fn what_is_made_is_read_and_has_the_claims_of_the_contract() {
    let secret = secret();
    let tokens = Tokens::new(&secret);
    let (access, seconds) = tokens.access(&jo(), NOW).unwrap();
    let refresh = tokens.refresh(&jo(), NOW).unwrap();
    assert_eq!(seconds, 1800);
    assert_eq!(tokens.read_access(&access, NOW).map(|i| i.who), Ok(jo()));
    assert_eq!(tokens.read_refresh(&refresh, NOW).map(|i| i.who), Ok(jo()));
    assert_eq!(part(&access, 0), r#"{"typ":"JWT","alg":"HS256"}"#);
    for (token, kind, lives) in [(&access, "access", 1800), (&refresh, "refresh", 604_800)] {
        let text = part(token, 1);
        // In the order in which the original wrote them.
        let start = format!(
            r#"{{"sub":"{}","email":"jo@example.com","name":"Jo","type":"{kind}","exp":{},"iat":1795225390,"iss":"headwater","aud":"headwater","jti":""#,
            jo().user,
            1_795_225_390 + lives,
        );
        assert!(text.starts_with(&start), "{text}");
    }
    assert_ne!(tokens.access(&jo(), NOW).unwrap().0, access, "jti");
}

// Fault planted once: the kind was not compared; a week-long token then opened everything.
#[test]
fn kinds_do_not_stand_in_for_each_other() {
    let tokens = Tokens::new(&secret());
    let access = tokens.access(&jo(), NOW).unwrap().0;
    let refresh = tokens.refresh(&jo(), NOW).unwrap();
    let said = |read: Result<Identity, Error>| read.map_err(|e| (e.code, e.message));
    let refused = |text: &str| Err((Code::InvalidToken, text.to_owned()));
    assert_eq!(said(tokens.read_access(&refresh, NOW)), refused("Invalid access token"));
    assert_eq!(said(tokens.read_refresh(&access, NOW)), refused("Invalid refresh token"));
}

// Fault planted once: `<=` in place of `<`; the token then lived a moment longer.
#[test]
fn a_token_ends_on_time() {
    let tokens = Tokens::new(&secret());
    let access = tokens.access(&jo(), NOW).unwrap().0;
    let end = (1_795_225_390 + ACCESS_SECONDS) * 1000;
    assert!(tokens.read_access(&access, Millis(end - 1)).is_ok());
    for late in [Millis(end), Millis(end + 1), Millis(i64::MAX)] {
        assert_eq!(tokens.read_access(&access, late).unwrap_err().message, "Invalid token");
    }
}

#[test]
fn tokens_made_elsewhere_with_our_key() {
    let secret = secret();
    let tokens = Tokens::new(&secret);
    let exp = NOW.0 / 1000 + 1;
    for claims in [
        good(),
        but("exp", json!(exp as f64 + 0.25)),
        but("iss", json!("headwater")),
        but("aud", json!("headwater")),
        but("aud", json!(["other", "headwater"])),
        but("nbf", json!(NOW.0 / 1000 + 29)),
        but("role", json!({"unknown": ["claims", "are", "ignored"]})),
    ] {
        let read = tokens.read_access(&signed(&secret, &Header::default(), &claims), NOW);
        assert_eq!(read.as_ref().map(|i| i.who.user.as_str()), Ok("u1"), "{claims}");
    }
    for silent in ["email", "name", "iat"] {
        let read = tokens.read_access(&signed(&secret, &Header::default(), &without(silent)), NOW);
        assert!(read.is_ok(), "{silent}");
    }
}

// Faults planted once, each found by its row: `required_spec_claims` and our own `exp` made optional, the
// issuer not compared, `nbf` not compared, `crit` ignored, the length not asked first.
#[test]
fn what_is_not_ours_is_refused() {
    let secret = secret();
    let tokens = Tokens::new(&secret);
    let plain = Header::default();
    let mut corpus: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, token: String| corpus.push((what.to_owned(), token));

    for key in ["sub", "exp"] {
        add(key, signed(&secret, &plain, &without(key)));
    }
    for (key, value) in [
        ("exp", json!(null)),
        ("exp", json!((NOW.0 / 1000 + 60).to_string())),
        ("exp", json!(true)),
        ("exp", json!([NOW.0 / 1000 + 60])),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(NOW.0 / 1000)),
        ("exp", json!(1e300)),
        // Milliseconds: it would run out in the year 58857.
        ("exp", json!(NOW.0 + 60_000)),
        ("exp", json!(NOW.0 / 1000 + 367 * 86_400)),
        ("iat", json!("yesterday")),
        ("iat", json!(NOW.0 / 1000 + 60)),
        ("at", json!(NOW.0 + 60_000)),
        ("at", json!(1.5)),
        ("sid", json!(7)),
        ("jti", json!(["a"])),
        ("guest", json!("yes")),
        ("nbf", json!(NOW.0 / 1000 + 3600)),
        ("nbf", json!("now")),
        ("iss", json!("somebody-else")),
        ("iss", json!("")),
        ("iss", json!(["headwater"])),
        ("aud", json!("somebody-else")),
        ("aud", json!([])),
        ("aud", json!({"headwater": 1})),
        ("sub", json!("")),
        ("sub", json!("a\nb")),
        ("sub", json!(7)),
        ("sub", json!("x".repeat(129))),
        ("email", json!(["a@b.co"])),
        ("type", json!(["access"])),
    ] {
        add(&format!("{key}={value}"), signed(&secret, &plain, &but(key, value)));
    }

    let token = signed(&secret, &plain, &good());
    let [head, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    for algorithm in ["none", "None", "NONE", "nOnE", "HS384", "RS256", "ES256", "EdDSA", "", "hs256"] {
        let other = encoded(&format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#));
        add(&format!("alg {algorithm}"), format!("{other}.{claims}.{signature}"));
        add(&format!("alg {algorithm}, unsigned"), format!("{other}.{claims}."));
    }
    add("our key, another algorithm", signed(&secret, &Header::new(Algorithm::HS512), &good()));
    add("another key", signed(&self::secret(), &plain, &good()));
    add("an empty key", jsonwebtoken::encode(&plain, &good(), &EncodingKey::from_secret(b"")).unwrap());
    let critical = Header { crit: Some(vec!["exp".into()]), ..Header::default() };
    add("crit", signed(&secret, &critical, &good()));
    add(
        "other claims under the signature",
        format!("{head}.{}.{signature}", encoded(&but("sub", json!("root")).to_string())),
    );
    add("two exp", format!("{head}.{}.{signature}", encoded(r#"{"sub":"u","exp":1,"exp":99999999999}"#)));

    for (what, text) in [
        ("empty", ""),
        ("dots", ".."),
        ("words", "invalid_token"),
        ("no base64", "!!!.???.###"),
        ("bearer twice", "Bearer Bearer x"),
        ("NUL", "\0"),
        ("not ASCII", "ä.ö.ü"),
    ] {
        add(what, text.to_owned());
    }
    add("one part less", format!("{head}.{claims}"));
    add("one part more", format!("{token}.{signature}"));
    add("padded", format!("{token}="));
    add("a space", format!("{token} "));
    add("cut", token[..token.len() - 1].to_owned());
    add("oversize", "a".repeat(TOKEN_BYTES + 1));
    add("valid but oversize", signed(&secret, &plain, &but("x", json!("x".repeat(TOKEN_BYTES)))));

    for (what, token) in corpus {
        let error = tokens.read_access(&token, NOW).expect_err(&what);
        assert_eq!((error.code, error.message.as_str()), (Code::InvalidToken, "Invalid token"), "{what}");
        assert!(tokens.read_refresh(&token, NOW).is_err(), "{what}");
    }
    // And without a kind, or of one that we do not have.
    for claims in [without("type"), but("type", json!("admin")), but("type", json!("ACCESS"))] {
        let error = tokens.read_access(&signed(&secret, &plain, &claims), NOW).unwrap_err();
        assert_eq!(error.message, "Invalid access token");
    }
}

// Faults planted once: the digest without the user (another's `sid` then names this sign-in); `sid` left out
// of the refresh token.
#[test]
fn a_pair_is_one_sign_in_and_nobody_elses() {
    let secret = secret();
    let tokens = Tokens::new(&secret);
    let issue = Issue { who: &jo(), sid: "s1", at: NOW };
    let (access, refresh) = tokens.pair(issue).unwrap();
    assert_eq!(tokens.pair(issue).unwrap(), (access.clone(), refresh.clone()), "the same is the same");
    let (access, refresh) =
        (tokens.read_access(&access, NOW).unwrap(), tokens.read_refresh(&refresh, NOW).unwrap());
    assert_eq!((&access.sign_in, access.sid.as_str(), access.issued), (&refresh.sign_in, "s1", NOW));
    assert_eq!(access.expires, Some(Millis((NOW.0 / 1000 + ACCESS_SECONDS) * 1000)));
    let of = |claims: Value| {
        tokens.read_access(&signed(&secret, &Header::default(), &claims), NOW).unwrap().sign_in
    };
    let names = [
        access.sign_in,
        of(but("sid", json!("s1"))),
        of(but("jti", json!("s1"))),
        of(but("jti", json!("s2"))),
        of(good()),
        of(but("name", json!("Other"))),
    ];
    for (n, name) in names.iter().enumerate() {
        assert!(!names[..n].contains(name), "{n}");
    }
    // Of two tokens with one `sid`, the rest may differ.
    let mut other = but("sid", json!("s1"));
    other["name"] = json!("Other");
    assert_eq!(of(other), names[1]);
    assert!(!access.who.guest && !access.outside);
}

// Fault planted once: the key before not asked.
#[test]
fn the_key_before_is_good_for_reading_only() {
    let (now, before) = (secret(), secret());
    let old = Tokens::new(&before);
    let tokens = Tokens::new(&now).and_before(&before);
    let (access, refresh) = (old.access(&jo(), NOW).unwrap().0, old.refresh(&jo(), NOW).unwrap());
    assert!(tokens.read_access(&access, NOW).is_ok() && tokens.read_refresh(&refresh, NOW).is_ok());
    assert!(Tokens::new(&now).read_access(&access, NOW).is_err());
    assert!(old.read_access(&tokens.access(&jo(), NOW).unwrap().0, NOW).is_err());
}

// Fault planted once: `#[derive(Debug)]` on the secret.
#[test]
fn printing_shows_no_key() {
    let secret = secret();
    let printed = format!("{:?} {secret:?}", Tokens::new(&secret));
    assert_eq!(printed, "Tokens(…) Secret(…)");
}
