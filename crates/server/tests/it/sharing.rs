//! Sharing over HTTP: who may be let in, and what he sees on every way in which a run is read.

use serde_json::{Value, json};

use crate::house::House;

async fn call(house: &House, user: &str, method: &str, path: &str) -> (u16, Value) {
    let answer = house.http_as(user, method, path).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

fn not_found(what: &str) -> (u16, Value) {
    let message = format!("{what} not found");
    (404, json!({"error": {"code": "not_found", "message": message, "retryable": false}}))
}

/// A run of Ann's in the session "s", which has ended; its id.
async fn told(house: &mut House, message: &str) -> String {
    let body = json!({"workflow": "generate", "message": message, "session_id": "s"});
    let made: Value = house.http("POST", "/api/runs").json(&body).send().await.unwrap().json().await.unwrap();
    let mut act = house.cues.next().await;
    act.say("the answer").await;
    act.end().await;
    let run = made["run_id"].as_str().unwrap().to_owned();
    house.http("GET", &format!("/api/runs/{run}/events")).send().await.unwrap().text().await.unwrap();
    run
}

#[tokio::test]
async fn a_session_is_shared_listed_and_shared_no_more() {
    let mut house = House::new().await;
    told(&mut house, "hi").await;
    let members = "/api/sessions/s/members";
    assert_eq!(call(&house, "ann", "GET", members).await, (200, json!({"session_id": "s", "members": []})));
    for _ in 0..2 {
        assert_eq!(call(&house, "ann", "PUT", &format!("{members}/bob")).await, (204, Value::Null));
    }
    // A name that must be coded in an address.
    assert_eq!(call(&house, "ann", "PUT", &format!("{members}/a%2Fb%20c")).await.0, 204);
    let both = json!({"session_id": "s", "members": ["a/b c", "bob"]});
    assert_eq!(call(&house, "ann", "GET", members).await, (200, both));
    let (status, shared) = call(&house, "bob", "GET", "/api/shared").await;
    assert_eq!((status, shared["sessions"].as_array().unwrap().len()), (200, 1));
    let one = &shared["sessions"][0];
    assert_eq!((&one["session_id"], &one["owner_id"]), (&json!("s"), &json!("ann")));
    assert!(one["shared_at"].as_i64().unwrap() > 1_700_000_000_000 && shared.get("truncated").is_none());
    assert_eq!(call(&house, "ann", "GET", "/api/shared").await.1, json!({"sessions": []}));

    assert_eq!(call(&house, "ann", "DELETE", &format!("{members}/bob")).await.0, 204);
    assert_eq!(call(&house, "ann", "DELETE", &format!("{members}/bob")).await, not_found("Member"));
    assert_eq!(call(&house, "bob", "GET", "/api/shared").await.1, json!({"sessions": []}));
    assert_eq!(call(&house, "ann", "GET", "/api/sessions/t/members").await, not_found("Session"));
    let stranger = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/api/shared", house.address);
    assert_eq!(stranger.get(url).send().await.unwrap().status(), 401);
}

// Planted fault: the session of the run taken by the run's name, so that nothing was shared.
#[tokio::test]
async fn a_run_shares_its_session() {
    let mut house = House::new().await;
    let run = told(&mut house, "hi").await;
    let second = told(&mut house, "ho").await;
    let members = format!("/api/runs/{run}/members");
    assert_eq!(call(&house, "bob", "GET", &format!("/api/runs/{run}")).await, not_found("Run"));
    assert_eq!(call(&house, "ann", "PUT", &format!("{members}/bob")).await.0, 204);
    let of = json!({"session_id": "s", "members": ["bob"]});
    assert_eq!(call(&house, "ann", "GET", &members).await, (200, of.clone()));
    assert_eq!(call(&house, "ann", "GET", "/api/sessions/s/members").await, (200, of));
    for run in [&run, &second] {
        assert_eq!(call(&house, "bob", "GET", &format!("/api/runs/{run}")).await.0, 200);
    }
    assert_eq!(call(&house, "ann", "DELETE", &format!("{members}/bob")).await.0, 204);
    assert_eq!(call(&house, "ann", "DELETE", &format!("{members}/bob")).await, not_found("Member"));
    assert_eq!(call(&house, "bob", "GET", &format!("/api/runs/{run}")).await, not_found("Run"));
    for what in ["/api/runs/run_none/members", "/api/runs/%ff/members", "/api/runs/a%20b/members"] {
        assert_eq!(call(&house, "ann", "GET", what).await, not_found("Run"), "{what}");
        assert_eq!(call(&house, "ann", "PUT", &format!("{what}/bob")).await, not_found("Run"), "{what}");
    }
}

#[tokio::test]
async fn who_cannot_be_let_in_is_told_why() {
    let mut house = House::new().await;
    told(&mut house, "hi").await;
    let long = "u".repeat(129);
    for user in ["ann", "guest_00000000-0000-4000-8000-000000000000", long.as_str(), "a%07b"] {
        let (status, said) = call(&house, "ann", "PUT", &format!("/api/sessions/s/members/{user}")).await;
        assert_eq!((status, &said["error"]["code"]), (422, &json!("invalid_request")), "{user}");
        // Whose session it is comes first.
        let (status, _) = call(&house, "eve", "PUT", &format!("/api/sessions/s/members/{user}")).await;
        assert_eq!(status, 404, "{user}");
    }
    for user in [long.as_str(), "a%07b", "bob"] {
        let path = format!("/api/sessions/s/members/{user}");
        assert_eq!(call(&house, "ann", "DELETE", &path).await, not_found("Member"), "{user}");
    }
    for session in ["%ff", "a%07b", "u".repeat(129).as_str()] {
        let path = format!("/api/sessions/{session}/members");
        assert_eq!(call(&house, "ann", "GET", &path).await, not_found("Session"), "{session}");
    }
    assert_eq!(call(&house, "ann", "GET", "/api/sessions/s/members").await.1["members"], json!([]));
}

// Planted faults: a stop that asks whether the run is seen and not whose it is; members told without asking whose the
// session is.
#[tokio::test]
async fn a_member_reads_and_follows_and_does_nothing_else() {
    let mut house = House::new().await;
    let done = told(&mut house, "hi").await;
    let body = json!({"workflow": "generate", "message": "and", "session_id": "s"});
    let made: Value = house.http("POST", "/api/runs").json(&body).send().await.unwrap().json().await.unwrap();
    let live = made["run_id"].as_str().unwrap().to_owned();
    let mut act = house.cues.next().await;
    assert_eq!(call(&house, "ann", "PUT", "/api/sessions/s/members/bob").await.0, 204);

    // What he reads is what Ann reads.
    for path in [
        format!("/api/runs/{done}"),
        "/api/runs?session_id=s&owner=ann".to_owned(),
        format!("/api/runs?session_id=s&owner=ann&before={live}"),
        "/api/v1/chat/history/s?owner=ann".to_owned(),
        "/tutor/api/v1/chat/history/s?owner=ann".to_owned(),
    ] {
        let ann = call(&house, "ann", "GET", &path).await;
        assert_eq!(call(&house, "bob", "GET", &path).await, ann, "{path}");
        assert_eq!(ann.0, 200);
    }
    let stream = async |user: &str| {
        let events = house.http_as(user, "GET", &format!("/api/runs/{done}/events")).send().await.unwrap();
        events.text().await.unwrap()
    };
    assert_eq!(stream("bob").await, stream("ann").await);

    // The name alone is one of his own.
    assert_eq!(call(&house, "bob", "GET", "/api/runs?session_id=s").await, (200, json!({"runs": []})));
    assert_eq!(call(&house, "bob", "GET", "/api/v1/chat/history/s").await.1["messages"], json!([]));
    assert_eq!(call(&house, "bob", "GET", "/api/runs?owner=ann").await.0, 422);

    // He follows on both sockets.
    let token = house.token("bob");
    let mut native = house.stranger(&format!("/ws?token={token}")).await;
    native.say(&json!({"type": "follow", "run_id": live}).to_string()).await;
    native.until("following").await;
    let mut chat = house.stranger(&format!("/ws/chat?token={token}")).await;
    chat.say(&json!({"type": "resume", "run_id": live}).to_string()).await;
    native.say(&json!({"type": "list", "session_id": "s", "owner": "ann"}).to_string()).await;
    assert_eq!(native.until("runs").await["runs"].as_array().unwrap().len(), 2);
    act.say("the secret").await;
    loop {
        let event = native.until("event").await["event"].clone();
        if event["type"] == "token" {
            assert_eq!(event["text"], "the secret");
            break;
        }
    }
    while !chat.raw().await.contains("the secret") {}

    // And that is all.
    let stop = call(&house, "bob", "POST", &format!("/api/runs/{live}/stop")).await;
    assert_eq!(stop, not_found("Run"));
    native.say(&json!({"type": "stop", "run_id": live}).to_string()).await;
    assert_eq!(native.until("error").await["error"]["code"], "not_found");
    chat.say(&json!({"type": "stop", "run_id": live}).to_string()).await;
    for (method, path) in [
        ("PUT", "/api/sessions/s/members/eve".to_owned()),
        ("DELETE", "/api/sessions/s/members/bob".to_owned()),
        ("GET", "/api/sessions/s/members".to_owned()),
    ] {
        assert_eq!(call(&house, "bob", method, &path).await, not_found("Session"), "{method} {path}");
    }
    for (method, path) in [
        ("PUT", format!("/api/runs/{done}/members/eve")),
        ("DELETE", format!("/api/runs/{done}/members/bob")),
        ("GET", format!("/api/runs/{done}/members")),
    ] {
        assert_eq!(call(&house, "bob", method, &path).await, not_found("Run"), "{method} {path}");
    }
    assert!(act.say("more").await && !act.is_cancelled(), "it goes on");
    assert_eq!(call(&house, "eve", "GET", &format!("/api/runs/{live}")).await, not_found("Run"));
    assert_eq!(call(&house, "ann", "GET", "/api/sessions/s/members").await.1["members"], json!(["bob"]));
    act.end().await;
}

// Planted fault: the one who leaves not compared with whoever asks.
#[tokio::test]
async fn a_member_takes_himself_out() {
    let mut house = House::new().await;
    told(&mut house, "hi").await;
    for member in ["bob", "cid"] {
        assert_eq!(call(&house, "ann", "PUT", &format!("/api/sessions/s/members/{member}")).await.0, 204);
    }
    let out = |who: &str| format!("/api/sessions/s/members/{who}?owner=ann");
    for who in ["cid", "a%07b"] {
        assert_eq!(call(&house, "bob", "DELETE", &out(who)).await, not_found("Session"), "{who}");
    }
    assert_eq!(call(&house, "bob", "DELETE", &out("bob")).await, (204, Value::Null));
    assert_eq!(call(&house, "bob", "DELETE", &out("bob")).await, not_found("Session"));
    assert_eq!(call(&house, "bob", "GET", "/api/shared").await.1, json!({"sessions": []}));
    assert_eq!(call(&house, "ann", "GET", "/api/sessions/s/members").await.1["members"], json!(["cid"]));
}

// Planted fault: guests not asked for. Whoever becomes a guest a hundred times fills a list a hundred times.
#[tokio::test]
async fn a_guest_shares_nothing() {
    let rules = headwater_server::auth::Rules { guests: true, ..Default::default() };
    let mut house = House::with_rules(rules).await;
    let guest: Value =
        house.http("POST", "/api/v1/auth/guest").json(&json!({})).send().await.unwrap().json().await.unwrap();
    let token = guest["access_token"].as_str().unwrap();
    let as_guest = |method: &str, path: &str| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}{path}", house.address);
        client.request(method.parse().unwrap(), url).bearer_auth(token)
    };
    let body = json!({"workflow": "generate", "message": "hi", "session_id": "s"});
    assert_eq!(as_guest("POST", "/api/runs").json(&body).send().await.unwrap().status(), 201);
    let refused = as_guest("PUT", "/api/sessions/s/members/bob").send().await.unwrap();
    assert_eq!(refused.status(), 422);
    assert!(refused.text().await.unwrap().contains("register first"));
    assert_eq!(call(&house, "bob", "GET", "/api/shared").await.1, json!({"sessions": []}));
    house.cues.next().await.end().await;
}
