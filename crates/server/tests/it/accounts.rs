//! The tutor's accounts, row by row, and who is locked out: on every surface and by every way.

use headwater_core::port::records::{Expect, Records};
use headwater_core::rate::Rate;
use headwater_core::{Millis, UserId};
use headwater_engine::Clock;
use headwater_server::app::Surface;
use headwater_server::auth::Auth;
use headwater_server::gate::Rules;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::house::{Given, House, open_gate};

const PASSWORD: &str = "Correct-horse-1";
const TUTOR: &str = "/api/auth/login";
const CHAT: &str = "/api/v1/auth/login";

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

async fn house(surface: Surface) -> House {
    House::given(Given { gate: open_gate(), surface: Some(surface), ..Given::default() }).await
}

async fn send(house: &House, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method.parse().unwrap(), format!("http://{}{path}", house.address));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { status, headers, body: answer.json().await.unwrap() }
}

async fn register(house: &House, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password, "name": "Bob"});
    send(house, "POST", "/api/auth/register", None, Some(body)).await
}

async fn log_in(house: &House, path: &str, email: &str, password: &str) -> Answer {
    send(house, "POST", path, None, Some(json!({"email": email, "password": password}))).await
}

fn refuses(answer: &Answer, status: u16, detail: &str) {
    assert_eq!((answer.status, &answer.body), (status, &json!({"detail": detail})));
    assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
}

/// A lock-out, which says for how long.
fn locked(answer: &Answer, status: u16) {
    let detail = answer.body["detail"].as_str().unwrap();
    let seconds = detail.strip_prefix("Too many wrong passwords; try again in ").unwrap();
    let seconds: u64 = seconds.strip_suffix(" s").unwrap().parse().unwrap();
    assert_eq!((answer.status, (880..=900).contains(&seconds)), (status, true), "{detail}");
    assert_eq!(answer.headers["retry-after"], seconds.to_string().as_str());
}

fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body[key].as_str().unwrap()
}

/// The keys of what whoever signs in gets.
fn granted(answer: &Answer, status: u16) {
    let body = &answer.body;
    assert_eq!(
        (answer.status, answer.headers["cache-control"].to_str().unwrap()),
        (status, "no-store"),
        "{body}"
    );
    let user = json!({"id": body["user"]["id"], "email": "bob@example.com", "name": "Bob"});
    assert_eq!(
        *body,
        json!({"access_token": body["access_token"], "refresh_token": body["refresh_token"],
               "token_type": "Bearer", "expires_in": 1800, "user": user})
    );
}

#[tokio::test]
async fn accounts_every_row_on_both_surfaces() {
    for surface in [Surface::Main, Surface::Tutor] {
        let house = house(surface).await;
        let registered = register(&house, "Bob@Example.com", PASSWORD).await;
        granted(&registered, 201);
        granted(&log_in(&house, TUTOR, "bob@example.com", PASSWORD).await, 200);
        refuses(&register(&house, "bob@example.com", PASSWORD).await, 400, "Email already registered");
        refuses(
            &log_in(&house, TUTOR, "bob@example.com", "Correct-horse-2").await,
            401,
            "Invalid email or password",
        );
        refuses(
            &log_in(&house, TUTOR, "nobody@example.com", PASSWORD).await,
            401,
            "Invalid email or password",
        );

        let access = text(&registered.body, "access_token");
        let me = send(&house, "GET", "/api/auth/me", Some(access), None).await;
        assert_eq!((me.status, &me.body), (200, &registered.body["user"]));
        refuses(&send(&house, "GET", "/api/auth/me", None, None).await, 401, "Authentication required");
        refuses(&send(&house, "GET", "/api/auth/me", Some("garbage"), None).await, 401, "Invalid token");

        let refresh = async |token: &Value| {
            send(&house, "POST", "/api/auth/refresh", None, Some(json!({"refresh_token": token}))).await
        };
        let next = refresh(&registered.body["refresh_token"]).await;
        granted(&next, 200);
        assert_ne!(next.body["access_token"], registered.body["access_token"]);
        refuses(&refresh(&registered.body["access_token"]).await, 401, "Invalid refresh token");
        refuses(&refresh(&json!("garbage")).await, 401, "Invalid token");

        // Planted faults: a sign-out that marks nothing; a refresh token not asked whether it was signed out.
        let access = text(&next.body, "access_token");
        let out = send(&house, "POST", "/api/auth/logout", Some(access), None).await;
        assert_eq!((out.status, out.body), (200, json!({"message": "Logged out"})));
        refuses(&send(&house, "GET", "/api/auth/me", Some(access), None).await, 401, "Invalid token");
        refuses(&refresh(&next.body["refresh_token"]).await, 401, "Invalid token");
        refuses(&send(&house, "POST", "/api/auth/logout", None, None).await, 401, "Authentication required");
    }
}

#[tokio::test]
async fn accounts_a_weak_password_is_told_what_it_lacks_and_fields_are_checked() {
    let house = house(Surface::Tutor).await;
    let weak = register(&house, "bob@example.com", "short").await;
    let lacks =
        "Weak password: it needs at least 8 characters, an upper-case letter, a digit, a special character";
    refuses(&weak, 400, lacks);
    // Each by itself.
    for (password, lacks) in [
        ("Corr-h1", "at least 8 characters"),
        ("correct-horse-1", "an upper-case letter"),
        ("CORRECT-HORSE-1", "a lower-case letter"),
        ("Correct-horse", "a digit"),
        ("Correcthorse1", "a special character"),
    ] {
        let weak = register(&house, "bob@example.com", password).await;
        refuses(&weak, 400, &format!("Weak password: it needs {lacks}"));
    }
    // As short and as long as may be.
    for (n, password) in ["Aa1!xxxx".to_owned(), format!("Aa1!{}", "x".repeat(124))].iter().enumerate() {
        assert_eq!(register(&house, &format!("fits{n}@example.com"), password).await.status, 201);
    }
    let long = format!("Aa1!{}", "x".repeat(125));
    refuses(
        &register(&house, "bob@example.com", &long).await,
        400,
        "Weak password: it needs at most 128 characters",
    );
    // Before anything else is looked at: whose address it is, is not told to whoever sends a weak one.
    register(&house, "bob@example.com", PASSWORD).await;
    refuses(&register(&house, "bob@example.com", "short").await, 400, lacks.trim());
    for (path, body, field, kind) in [
        ("/api/auth/register", json!({"email": "a@b.co", "password": PASSWORD}), "name", "missing"),
        (
            "/api/auth/register",
            json!({"email": "nope", "password": PASSWORD, "name": "B"}),
            "email",
            "value_error",
        ),
        (
            "/api/auth/register",
            json!({"email": "a@b.co", "password": "x".repeat(1025), "name": "B"}),
            "password",
            "string_too_long",
        ),
        (TUTOR, json!({"email": "a@b.co"}), "password", "missing"),
        ("/api/auth/refresh", json!({}), "refresh_token", "missing"),
        ("/api/auth/logout", json!({"everywhere": "yes"}), "everywhere", "bool_type"),
    ] {
        let token = house.token("ann");
        let answer = send(&house, "POST", path, Some(&token), Some(body)).await;
        let problem = &answer.body["detail"][0];
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert_eq!((&problem["loc"], &problem["type"]), (&json!(["body", field]), &json!(kind)));
        assert!(!answer.body.to_string().contains(PASSWORD), "a password is not sent back");
    }
}

// Planted faults: counted for accounts only (the stranger's address then never locked, which tells); a sixth try; the
// tutor's status left out.
#[tokio::test]
async fn accounts_five_wrong_ones_lock_an_address_by_every_way() {
    let house = house(Surface::Main).await;
    register(&house, "bob@example.com", PASSWORD).await;
    for email in ["bob@example.com", "nobody@example.com"] {
        for n in 0..5 {
            let path = if n % 2 == 0 { TUTOR } else { CHAT };
            refuses(&log_in(&house, path, email, "Wrong-horse-1").await, 401, "Invalid email or password");
        }
        // Right or wrong, in whatever letters.
        for password in ["Wrong-horse-1", PASSWORD] {
            locked(&log_in(&house, TUTOR, email, password).await, 423);
            locked(&log_in(&house, CHAT, &email.to_uppercase(), password).await, 429);
        }
    }
    // Nobody else is.
    register(&house, "ann@example.com", PASSWORD).await;
    assert_eq!(log_in(&house, TUTOR, "ann@example.com", PASSWORD).await.status, 200);
}

// Planted fault: the count not taken back.
#[tokio::test]
async fn accounts_a_right_password_takes_the_wrong_ones_back() {
    let house = house(Surface::Main).await;
    register(&house, "bob@example.com", PASSWORD).await;
    for path in [TUTOR, CHAT, TUTOR] {
        for _ in 0..4 {
            assert_eq!(log_in(&house, path, "bob@example.com", "Wrong-horse-1").await.status, 401);
        }
        assert_eq!(log_in(&house, path, "bob@example.com", PASSWORD).await.status, 200);
    }
    // Who makes an account is not locked out by what was tried before there was one.
    for _ in 0..5 {
        log_in(&house, TUTOR, "new@example.com", PASSWORD).await;
    }
    assert_eq!(log_in(&house, TUTOR, "new@example.com", PASSWORD).await.status, 423);
    assert_eq!(register(&house, "new@example.com", PASSWORD).await.status, 201);
    assert_eq!(log_in(&house, TUTOR, "new@example.com", PASSWORD).await.status, 200);
}

// Planted faults: what the store kept not looked at; never deleted.
#[tokio::test]
async fn accounts_a_restart_opens_no_door() {
    let house = house(Surface::Main).await;
    let bob = register(&house, "bob@example.com", PASSWORD).await;
    let bob = UserId::parse(text(&bob.body["user"], "id")).unwrap();
    let kept = async || {
        let record = house.store.record(&bob, "sign_in", "failures").await.unwrap();
        record.map(|r| serde_json::from_str::<Value>(&r.value).unwrap()["count"].as_u64().unwrap())
    };
    // As after a restart: nothing is known but what the store has.
    let reborn = || Auth::new(&house.secret, house.store.clone(), Clock::default());
    for n in 1..=5 {
        assert_eq!(
            reborn().log_in("bob@example.com", "Wrong-horse-1".into()).await.err().unwrap().message,
            "Invalid email or password"
        );
        assert_eq!(kept().await, Some(n));
    }
    let error = reborn().log_in("bob@example.com", PASSWORD.into()).await.err().unwrap();
    assert!(error.retry_after.is_some_and(|s| (880..=900).contains(&s)), "{error}");
    locked(&log_in(&house, TUTOR, "bob@example.com", PASSWORD).await, 423);
    // A quarter of an hour later, after another restart.
    let old = json!({"count": 5, "last": Clock::default().wall().0 - 15 * 60 * 1000});
    let record = ("failures", &*old.to_string());
    house.store.put_record(&bob, "sign_in", record, Expect::Whatever, Millis(1)).await.unwrap();
    assert!(reborn().log_in("bob@example.com", PASSWORD.into()).await.is_ok());
    assert_eq!(kept().await, None);
    assert!(house.store.records(&nobody(), "sign_in", 100).await.unwrap().is_empty());
}

/// Under whom is kept what is wrong at addresses that nobody has.
fn nobody() -> UserId {
    UserId::parse("nobody").unwrap()
}

// Planted fault: what is kept of an address that nobody has not looked at: 401 for it after a restart, and 423 for the
// account's.
#[tokio::test]
async fn accounts_a_restart_does_not_tell_who_has_one() {
    let house = house(Surface::Main).await;
    let bob = register(&house, "bob@example.com", PASSWORD).await;
    let bob = UserId::parse(text(&bob.body["user"], "id")).unwrap();
    let both = ["bob@example.com", "none@example.com"];
    for _ in 0..5 {
        for email in both {
            log_in(&house, TUTOR, email, "Wrong-horse-1").await;
        }
    }
    // Of the same moment, or the seconds in the answers could differ by one.
    let last = Clock::default().wall();
    let value = json!({"count": 5, "last": last.0}).to_string();
    let kept = [(bob, 1), (nobody(), 1)];
    for (owner, number) in kept {
        let records = house.store.records(&owner, "sign_in", 9).await.unwrap();
        assert_eq!(records.len(), number);
        let record = (&*records[0].key, &*value);
        assert!(!record.0.contains("none"), "an address stands in no key");
        house.store.put_record(&owner, "sign_in", record, Expect::Whatever, last).await.unwrap();
    }
    let next = reborn(&house).await;
    for path in [TUTOR, CHAT] {
        for password in ["Wrong-horse-1", PASSWORD] {
            let [account, none] = both.map(|email| log_in(&next, path, email, password));
            let (account, none) = (account.await, none.await);
            assert_eq!((account.status, said(&account)), (none.status, said(&none)));
            locked(&account, if path == TUTOR { 423 } else { 429 });
        }
    }
}

/// Another server on the same data.
async fn reborn(house: &House) -> House {
    let (store, secret) = (Some(house.store.clone()), Some(house.secret.clone()));
    let surface = Some(Surface::Main);
    House::given(Given { gate: open_gate(), surface, store, secret, ..Given::default() }).await
}

/// All of an answer but what every answer has of its own: its name and its time, and the seconds to wait, which may
/// pass between two.
fn said(answer: &Answer) -> (String, Vec<(String, String)>) {
    let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "#");
    let own = ["date", "x-request-id", "x-response-time"];
    let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), digits(value.to_str().unwrap())));
    (digits(&answer.body.to_string()), headers.collect())
}

// Planted fault: what is under way not counted; each of forty guesses was then looked at.
#[tokio::test]
async fn accounts_forty_guesses_at_once_are_five() {
    let house = house(Surface::Main).await;
    register(&house, "bob@example.com", PASSWORD).await;
    let guesses = (0..40)
        .map(|n| log_in(&house, if n % 2 == 0 { TUTOR } else { CHAT }, "bob@example.com", "Wrong-horse-1"));
    let answers = futures_util::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|a| a.status == 401).count();
    assert!(looked_at <= 5, "{looked_at}");
    assert!(answers.iter().all(|a| matches!(a.status, 401 | 423 | 429)));
    let mut left = 5 - looked_at;
    while left > 0 {
        log_in(&house, TUTOR, "bob@example.com", "Wrong-horse-1").await;
        left -= 1;
    }
    locked(&log_in(&house, TUTOR, "bob@example.com", PASSWORD).await, 423);
}

// Planted fault: the routes left out of `http/admission.rs`.
#[tokio::test]
async fn accounts_an_address_signs_in_only_so_often() {
    for surface in [Surface::Main, Surface::Tutor] {
        let rate = |n| Some(Rate::per_minute(1, n));
        let gate = Rules { sign_ins: rate(3), registrations: rate(2), ..open_gate() };
        let house = House::given(Given { gate, surface: Some(surface), ..Given::default() }).await;
        for n in 0..2 {
            assert_eq!(register(&house, &format!("{n}@example.com"), PASSWORD).await.status, 201);
        }
        let refused = register(&house, "2@example.com", PASSWORD).await;
        assert_eq!((refused.status, refused.headers.contains_key("retry-after")), (429, true));
        for _ in 0..3 {
            assert_eq!(log_in(&house, TUTOR, "0@example.com", PASSWORD).await.status, 200);
        }
        let refused = log_in(&house, TUTOR, "0@example.com", PASSWORD).await;
        assert_eq!((refused.status, refused.headers.contains_key("retry-after")), (429, true));
        assert!(
            text(&refused.body, "detail").starts_with("Too many attempts to sign in"),
            "{}",
            refused.body
        );
    }
}

#[tokio::test]
async fn accounts_are_the_chats() {
    let house = house(Surface::Main).await;
    let tutors = register(&house, "bob@example.com", PASSWORD).await;
    let chats = log_in(&house, CHAT, "bob@example.com", PASSWORD).await;
    assert_eq!(chats.body["user"], tutors.body["user"]);
    let access = text(&chats.body, "access_token");
    assert_eq!(send(&house, "GET", "/api/auth/me", Some(access), None).await.body, tutors.body["user"]);
    let access = text(&tutors.body, "access_token");
    assert_eq!(send(&house, "GET", "/api/v1/auth/me", Some(access), None).await.status, 200);
    // What is the tutor's own stands under a prefix here, and what is the chat's is not on the tutor's listener.
    assert_eq!(send(&house, "GET", "/tutor/api/auth/me", Some(access), None).await.status, 404);
    let tutor = self::house(Surface::Tutor).await;
    assert_eq!(send(&tutor, "GET", "/api/v1/auth/me", Some(access), None).await.status, 404);
}
