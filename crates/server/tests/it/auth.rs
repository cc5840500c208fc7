//! `/api/v1/auth/*` against what the original answered (recorded), over a store in memory.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::FromRef;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Request};
use headwater_core::port::SharedStore;
use headwater_core::{Principal, UserId};
use headwater_engine::Clock;
use headwater_server::auth::Auth;
use headwater_server::auth::secret::Secret;
use headwater_server::auth::token::{REFRESH_SECONDS, Tokens};
use headwater_server::http::{auth_routes, layers};
use headwater_store::MemoryStore;
use serde_json::{Value, json};
use tower::ServiceExt as _;

#[derive(Clone)]
struct App(Arc<Auth>);

impl FromRef<App> for Arc<Auth> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.0)
    }
}

struct Server {
    app: Router,
    tokens: Tokens,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// A refusal with this text; every 401 asks for a bearer, as the contract's page says.
    fn refuses(&self, status: u16, detail: &str) {
        assert_eq!((self.status, self.json()), (status, json!({"detail": detail})));
        assert_eq!(self.headers.get(WWW_AUTHENTICATE).is_some_and(|v| v == "Bearer"), status == 401);
        assert_eq!(self.headers[CONTENT_TYPE], "application/json");
    }
}

impl Server {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::load_or_create(folder.path()).unwrap();
        let store: SharedStore = Arc::new(MemoryStore::default());
        let auth = Arc::new(Auth::new(&secret, store, Clock::default()));
        let app = layers::around(auth_routes::routes(), headwater_server::metrics::Metrics::default())
            .with_state(App(auth));
        Self { app, tokens: Tokens::new(&secret) }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn post(&self, route: &str, body: Value) -> Answer {
        let request = Request::post(format!("/api/v1/auth/{route}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        self.send(request.unwrap()).await
    }

    async fn me(&self, authorization: Option<&str>) -> Answer {
        let mut request = Request::get("/api/v1/auth/me").body(Body::empty()).unwrap();
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
        }
        self.send(request).await
    }

    async fn registered(&self) -> Value {
        let body = json!({"email": "Jo@Example.com", "password": "12345678", "name": "Jo"});
        let answer = self.post("register", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

#[tokio::test]
async fn register_login_refresh_and_me_as_recorded() {
    let server = Server::new();
    let registered = server.registered().await;
    let login = server.post("login", json!({"email": "jo@example.com", "password": "12345678"})).await;
    let refresh = server.post("refresh", json!({"refresh_token": registered["refresh_token"]})).await;
    for answer in [&login, &refresh] {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
        // The order of keys is the original's.
        let body = answer.json();
        let expected = format!(
            r#"{{"access_token":"{}","refresh_token":"{}","token_type":"bearer","expires_in":1800,"user":{{"id":"{}","email":"jo@example.com","name":"Jo"}}}}"#,
            text(&body, "access_token"),
            text(&body, "refresh_token"),
            text(&registered["user"], "id"),
        );
        assert_eq!(answer.text, expected);
    }
    let bearer = format!("Bearer {}", text(&login.json(), "access_token"));
    let me = server.me(Some(&bearer)).await;
    let id = text(&registered["user"], "id");
    assert_eq!(me.text, format!(r#"{{"user_id":"{id}","email":"jo@example.com","name":"Jo"}}"#));
    assert_eq!(me.status, 200);
}

#[tokio::test]
async fn refusals_as_recorded() {
    let server = Server::new();
    let registered = server.registered().await;
    let again = json!({"email": "JO@example.com", "password": "87654321", "name": "Other"});
    server.post("register", again).await.refuses(400, "Email already registered");
    for (email, password) in
        [("jo@example.com", "12345679"), ("nobody@example.com", "12345678"), ("jo@example.com", "x")]
    {
        let answer = server.post("login", json!({"email": email, "password": password})).await;
        answer.refuses(401, "Invalid email or password");
    }
    let refresh = |token: Value| server.post("refresh", json!({"refresh_token": token}));
    refresh(json!("garbage")).await.refuses(401, "Invalid token");
    refresh(registered["access_token"].clone()).await.refuses(401, "Invalid refresh token");
    let ghost = Principal {
        user: UserId::parse("ghost").unwrap(),
        email: String::new(),
        name: String::new(),
        guest: false,
    };
    let ghost = server.tokens.refresh(&ghost, Clock::default().wall()).unwrap();
    refresh(json!(ghost)).await.refuses(401, "User not found");

    let access = text(&registered, "access_token");
    server.me(None).await.refuses(401, "Authentication required");
    server.me(Some("Basic dTpw")).await.refuses(401, "Authentication required");
    server.me(Some("Bearer")).await.refuses(401, "Authentication required");
    server.me(Some("Bearer ")).await.refuses(401, "Authentication required");
    server.me(Some(access)).await.refuses(401, "Authentication required");
    server.me(Some("Bearer garbage")).await.refuses(401, "Invalid token");
    let refresh = format!("Bearer {}", text(&registered, "refresh_token"));
    server.me(Some(&refresh)).await.refuses(401, "Invalid access token");
    assert_eq!(server.me(Some(&format!("bearer   {access}"))).await.status, 200);
    // A token in the address is for sockets only.
    let request = Request::get(format!("/api/v1/auth/me?token={access}")).body(Body::empty()).unwrap();
    server.send(request).await.refuses(401, "Authentication required");
}

// Fault planted once: `steady()` in place of `wall()`; the old token then worked.
#[tokio::test]
async fn an_old_token_is_refused() {
    let server = Server::new();
    let who =
        Principal { user: UserId::parse("u").unwrap(), email: String::new(), name: "U".into(), guest: false };
    let long_ago = headwater_core::Millis(Clock::default().wall().0 - (REFRESH_SECONDS + 1) * 1000);
    let (access, _) = server.tokens.access(&who, long_ago).unwrap();
    server.me(Some(&format!("Bearer {access}"))).await.refuses(401, "Invalid token");
    let refresh = server.tokens.refresh(&who, long_ago).unwrap();
    server.post("refresh", json!({"refresh_token": refresh})).await.refuses(401, "Invalid token");
    // An operator's token needs no account.
    let (access, _) = server.tokens.access(&who, Clock::default().wall()).unwrap();
    let me = server.me(Some(&format!("Bearer {access}"))).await;
    assert_eq!(me.text, r#"{"user_id":"u","email":"","name":"U"}"#);
}

#[tokio::test]
async fn fields_are_checked_before_anything_is_done() {
    let server = Server::new();
    let long = "x".repeat(1025);
    for (route, body, field, kind) in [
        (
            "register",
            json!({"email": "a@b.co", "password": "1234567", "name": "Jo"}),
            "password",
            "string_too_short",
        ),
        (
            "register",
            json!({"email": "a@b.co", "password": long, "name": "Jo"}),
            "password",
            "string_too_long",
        ),
        (
            "register",
            json!({"email": "a@b.co", "password": "12345678", "name": "J"}),
            "name",
            "string_too_short",
        ),
        ("register", json!({"email": 7, "password": "12345678", "name": "Jo"}), "email", "string_type"),
        ("login", json!({"email": "a@b.co"}), "password", "missing"),
        ("login", json!({"email": "a@b.co", "password": long}), "password", "string_too_long"),
        ("login", json!({"email": "nope", "password": "x"}), "email", "value_error"),
        ("refresh", json!({}), "refresh_token", "missing"),
        ("refresh", json!({"refresh_token": null}), "refresh_token", "string_type"),
    ] {
        let answer = server.post(route, body).await;
        let said = answer.json();
        assert_eq!(answer.status, 422, "{said}");
        assert_eq!(said["detail"][0]["loc"], json!(["body", field]), "{said}");
        assert_eq!(said["detail"][0]["type"], kind, "{said}");
    }
}

#[tokio::test]
async fn of_many_who_register_one_address_one_does() {
    let server = Server::new();
    let body = json!({"email": "a@b.co", "password": "12345678", "name": "Jo"});
    let racers = (0..8).map(|_| server.post("register", body.clone()));
    let answers = futures_util::future::join_all(racers).await;
    let mut statuses: Vec<_> = answers.iter().map(|a| a.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400]);
}
