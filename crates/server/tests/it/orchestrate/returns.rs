//! Who comes to a job's socket, who comes back to it, and when.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use headwater_core::event::TeamStatus;
use headwater_core::port::sharing::Sharing as _;
use headwater_core::{RunId, limit};
use headwater_server::app::Dialects;
use headwater_server::gate::Rules;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error as Refused, Message};

use super::{ask, begin, get, given, house, path};
use crate::house::{Given, House, Socket, principal};

/// A front-end that opens a new socket at every turn: 133 of them. Some close without a word, some before they are
/// answered, some after the next one is open, some live long enough to be shown something. What it is shown on all of
/// them together is everything, in order, and nothing twice.
// Planted fault: no moment before a socket is shown anything.
#[tokio::test]
async fn a_storm_of_sockets_is_told_everything_once() {
    let (house, mut jobs) = given(Given { gate: Rules::default(), ..Given::default() }).await;
    let (id, job) = begin(&house, &mut jobs).await;
    let (mut told, mut seen) = (0, Vec::new());
    let mut before: Option<Socket> = None;
    for n in 0..133 {
        let began = Instant::now();
        let mut socket = house.socket(&path(&id)).await;
        if let Some(old) = before.take() {
            // Closed only after the next one was opened.
            seen.extend(closing(old).await);
        }
        job.think("google", &told.to_string()).await;
        told += 1;
        match n % 12 {
            0 => {
                // A rest: it reads what there is.
                let last = (told - 1).to_string();
                seen.extend(socket.thoughts_to(&last).await);
                before = Some(socket);
            }
            // Gone without a word; unless this machine was so slow that there may be something on the way.
            1 | 2 | 5 | 6 if began.elapsed() < limit::RETURN_SETTLES / 2 => drop(socket),
            3 | 7 | 9 => before = Some(socket),
            _ => seen.extend(closing(socket).await),
        }
        // Polls go on beside it.
        if n % 20 == 0 {
            get(&house, &format!("/api/orchestrate/status/{id}")).await;
        }
    }
    let mut last = house.socket(&path(&id)).await;
    if let Some(old) = before {
        seen.extend(closing(old).await);
    }
    job.think("google", "the last").await;
    seen.extend(last.thoughts_to("the last").await);
    let all: Vec<_> = (0..told).map(|n| n.to_string()).chain(["the last".to_owned()]).collect();
    assert_eq!(seen, all);
    assert_eq!(house.gate.turned_away().iter().map(|(_, n)| n).sum::<u64>(), 0);
}

/// Closes, and reads what was on its way.
async fn closing(mut socket: Socket) -> Vec<String> {
    let _ = socket.0.close(None).await;
    let mut thoughts = Vec::new();
    while let Some(Ok(message)) = socket.0.next().await {
        let Message::Text(text) = message else { continue };
        let frame: Value = serde_json::from_str(text.as_str()).unwrap();
        thoughts.extend(frame["data"]["text"].as_str().map(str::to_owned));
    }
    thoughts
}

// Planted faults: `within` not kept; the place taken and not removed.
#[tokio::test(start_paused = true)]
async fn who_comes_back_soon_gets_the_rest_and_who_comes_later_the_whole() {
    let (house, mut jobs) = house().await;
    let (id, job) = begin(&house, &mut jobs).await;
    job.think("google", "one").await;
    job.think("google", "two").await;
    let mut first = house.socket(&path(&id)).await;
    assert_eq!(first.thoughts_to("two").await, ["one", "two"]);
    // A second window, while the first is open, begins at the beginning.
    let mut second = house.socket(&path(&id)).await;
    assert_eq!(second.thoughts_to("two").await, ["one", "two"]);
    drop(second);
    let mut second = house.socket(&path(&id)).await;
    second.connected().await;
    second.is_silent().await;
    job.think("google", "three").await;
    assert_eq!(first.thoughts_to("three").await, ["three"]);
    assert_eq!(second.thoughts_to("three").await, ["three"]);
    drop((first, second));
    // Asked for, the position is exact, and the whole is the whole.
    let token = house.token("ann");
    let mut exact = house.stranger(&format!("{}?after=3&token={token}", path(&id))).await;
    exact.connected().await;
    let frame = exact.hear().await;
    assert_eq!((&frame["data"]["text"], &frame["seq"]), (&json!("two"), &json!(4)));
    let mut whole = house.stranger(&format!("{}?replay=1&token={token}", path(&id))).await;
    assert_eq!(whole.thoughts_to("three").await, ["one", "two", "three"]);
    job.complete("google", "code").await;
    drop(job);
    whole.until("code_generated").await;
    // The unfinished other team, at the end of the log.
    whole.until("error").await;
    drop((exact, whole));
    // It has everything, and comes back: it is connected, and nothing more.
    let mut back = house.socket(&path(&id)).await;
    back.connected().await;
    back.is_silent().await;
    drop(back);
    tokio::time::sleep(limit::RETURN_WITHIN * 2).await;
    let mut late = house.socket(&path(&id)).await;
    assert_eq!(late.thoughts_to("three").await, ["one", "two", "three"]);
    late.until("code_generated").await;
    let mut ahead = house.stranger(&format!("{}?after=999&token={token}", path(&id))).await;
    let (frames, close) = ahead.closed().await;
    assert_eq!((frames.len(), u16::from(close.code)), (1, 1008), "{close:?}");
}

/// The seed's client: five tries, two seconds apart; polls in between; ends when both teams are complete.
#[tokio::test(start_paused = true)]
async fn the_client_of_the_seed_reconnects_and_ends() {
    let (house, mut jobs) = house().await;
    let (id, job) = begin(&house, &mut jobs).await;
    let (mut said, mut complete, mut polls) = (Vec::new(), 0, 0);
    for attempt in 0..5 {
        let mut socket = house.socket(&path(&id)).await;
        socket.connected().await;
        socket.say("ping").await;
        job.think("anthropic", &format!("step {attempt}")).await;
        if attempt == 2 {
            job.complete("google", "g").await;
        }
        if attempt == 4 {
            job.complete("anthropic", "a").await;
        }
        loop {
            let frame = socket.hear().await;
            match frame["type"].as_str().unwrap() {
                "pong" | "code_generated" => {}
                "thought_added" => said.push(frame["data"]["text"].as_str().unwrap().to_owned()),
                "status_change" => complete += usize::from(frame["data"]["status"] == "complete"),
                other => panic!("{other}"),
            }
            let through = [1, 2, 4, 5, 7][attempt];
            if said.len() + complete >= through {
                break;
            }
        }
        drop(socket);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let body = get(&house, &format!("/api/orchestrate/status/{id}")).await;
        polls += usize::from(body["teams"]["anthropic"]["status"] == "complete");
    }
    assert_eq!(said, ["step 0", "step 1", "step 2", "step 3", "step 4"]);
    assert_eq!((complete, polls), (2, 1));
}

/// What he sees of the end, by both ways of stopping a job, is what his other window sees that stayed.
// Planted fault: what was deleted shown to nobody, whoever was there. The one who came back was shown nothing.
#[tokio::test(start_paused = true)]
async fn who_was_away_while_his_job_was_cancelled_is_told_as_if_he_had_stayed() {
    for (method, route) in [("DELETE", "/api/orchestrate/job/{id}"), ("POST", "/api/runs/{id}/stop")] {
        let (house, mut jobs) = house().await;
        let (id, job) = begin(&house, &mut jobs).await;
        let generating = async |socket: &mut Socket| loop {
            let frame = socket.until("status_change").await;
            if (&frame["team"], &frame["data"]["status"]) == (&json!("google"), &json!("generating")) {
                return;
            }
        };
        let (mut stayed, mut away) = (house.socket(&path(&id)).await, house.socket(&path(&id)).await);
        job.complete("anthropic", "code").await;
        job.team("google", TeamStatus::Thinking).await;
        job.team("google", TeamStatus::Generating).await;
        generating(&mut stayed).await;
        generating(&mut away).await;
        job.think("google", "last").await;
        stayed.thoughts_to("last").await;
        away.thoughts_to("last").await;
        drop(away);
        let answer = house.http(method, &route.replace("{id}", &id)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let told = async |socket: &mut Socket| {
            let (status, error) = (socket.hear().await, socket.hear().await);
            assert_eq!((&status["type"], &error["type"]), (&json!("status_change"), &json!("error")));
            assert_eq!(
                (&error["team"], &error["data"]["error"]),
                (&json!("google"), &json!("Job cancelled"))
            );
            (status, error)
        };
        let expected = told(&mut stayed).await;
        let mut back = house.socket(&path(&id)).await;
        back.connected().await;
        assert_eq!(told(&mut back).await, expected, "{method}");
        back.is_silent().await;
        drop((stayed, back));
        // He has the end; and who was not there sees nothing of what is gone.
        let mut again = house.socket(&path(&id)).await;
        again.connected().await;
        again.is_silent().await;
    }
}

/// What is refused to the connection is an `error` of the original's shape, and at the handshake its 429.
// Planted faults: `auth_error`, which clients of the original do not know; told before `connected`; the shape of other
// systems at the handshake.
#[tokio::test]
async fn too_many_sockets_are_refused_in_its_own_shape() {
    let rules =
        Rules { connections_per_user: Some(1), unauthenticated_per_address: Some(1), ..Rules::default() };
    let (house, _jobs) = given(Given { gate: rules, ..Given::default() }).await;
    let mut first = house.socket(&path("run_1")).await;
    first.connected().await;
    let (frames, close) = house.socket(&path("run_1")).await.closed().await;
    let sentence = "Too many connections of yours; close one and try again";
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1013, sentence));
    let mut told: Vec<Value> = frames.iter().map(|frame| serde_json::from_str(frame).unwrap()).collect();
    assert_eq!((told.len(), &told[0]["type"]), (2, &json!("connected")));
    assert!(told[1].as_object_mut().unwrap().remove("timestamp").unwrap().is_string());
    let data = json!({"error": sentence, "status": "error"});
    assert_eq!(told[1], json!({"type": "error", "team": "workflow", "data": data, "job_id": "run_1"}));

    let mut stranger = house.stranger(&path("run_1")).await;
    stranger.connected().await;
    let url = format!("ws://{}{}", house.address, path("run_1"));
    let Err(Refused::Http(answer)) = tokio_tungstenite::connect_async(url).await else { panic!("let in") };
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"5".parse().unwrap()));
    let body = answer.into_body().unwrap_or_default();
    assert_eq!(body, br#"{"error":"Rate limit exceeded. Please try again later."}"#);
}

/// Which of the two is somebody else's job cannot be seen.
// Planted fault: a wait that never ends.
#[tokio::test(start_paused = true)]
async fn an_unknown_job_and_anothers_are_waited_for_alike() {
    let (house, mut jobs) = house().await;
    let no_run = "run_00000000-0000-4000-8000-000000000000";
    for name in ["hers", no_run, "no-such-job", "no%20id%21"] {
        let (id, job) = begin(&house, &mut jobs).await;
        job.think("google", "the secret").await;
        let name = if name == "hers" { id.as_str() } else { name };
        let began = tokio::time::Instant::now();
        let mut socket = house.stranger(&format!("{}?token={}", path(name), house.token("eve"))).await;
        assert_eq!(socket.hear().await["job_id"], json!(name.replace("%20", " ").replace("%21", "!")));
        for frame in ["hello", "{oops", r#"{"type":"stop"}"#] {
            socket.say(frame).await;
        }
        job.think("google", "more of it").await;
        socket.is_silent().await;
        let (frames, close) = answered_to_the_end(&mut socket).await;
        assert!(frames.is_empty(), "{frames:?}");
        assert_eq!(close, (4404, "there is no such job; start one and connect with its id".to_owned()));
        assert!(began.elapsed() >= limit::RUN_AWAITED && began.elapsed() < limit::RUN_AWAITED * 2);
    }
}

/// A client that answers pings, as they all do: reading does.
async fn answered_to_the_end(socket: &mut Socket) -> (Vec<String>, (u16, String)) {
    let (frames, close) = socket.closed().await;
    (frames, (close.code.into(), close.reason.as_str().to_owned()))
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_job_sees_it_once_it_is_shared_with_him() {
    let (house, mut jobs) = house().await;
    let (id, job) = begin(&house, &mut jobs).await;
    job.think("google", "hello").await;
    let mut bob = house.stranger(&format!("{}?token={}", path(&id), house.token("bob"))).await;
    bob.connected().await;
    bob.is_silent().await;
    let (ann, guest) = (principal("ann"), principal("bob").user);
    let run = house.engine.own_run(&ann, &RunId::parse(&id).unwrap()).await.unwrap();
    let at = headwater_core::Millis(1);
    assert!(house.store.share(&ann.user, &run.session, &guest, at).await.unwrap());
    assert_eq!(bob.thoughts_to("hello").await, ["hello"]);
    // He sees it, and ends nothing.
    let (status, body) = ask(&house, "bob", "GET", &format!("/api/orchestrate/status/{id}"), None).await;
    assert_eq!((status, &body["status"]), (200, &json!("dispatching")));
    for (method, route) in [("DELETE", "job"), ("POST", "generate")] {
        let path = format!("/api/orchestrate/{route}/{id}");
        let answer = ask(&house, "bob", method, &path, None).await;
        assert_eq!(answer, (404, json!({"detail": "Job not found"})));
    }
    assert!(!job.is_dropped());
    assert_eq!(ask(&house, "bob", "GET", "/api/orchestrate/history", None).await.1["total"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_signs_in_by_a_frame_and_is_remembered_then() {
    let (house, mut jobs) = house().await;
    let (id, job) = begin(&house, &mut jobs).await;
    job.think("google", "hello").await;
    let auth = format!(r#"{{"type":"auth","token":"{}"}}"#, house.token("ann"));
    let mut socket = house.stranger(&path(&id)).await;
    socket.connected().await;
    socket.is_silent().await;
    socket.say(r#"{"type":"auth","token":"nonsense"}"#).await;
    assert_eq!(socket.hear().await["type"], "auth_error");
    socket.say(&auth).await;
    assert_eq!(socket.hear().await["type"], "auth_success");
    assert_eq!(socket.thoughts_to("hello").await, ["hello"]);
    drop(socket);
    let mut socket = house.stranger(&path(&id)).await;
    socket.connected().await;
    socket.say(&auth).await;
    assert_eq!(socket.hear().await["type"], "auth_success");
    socket.is_silent().await;
    let mut nobody = house.stranger(&path(&id)).await;
    let (frames, close) = nobody.closed().await;
    assert_eq!((frames.len(), u16::from(close.code)), (1, 4401));
}

/// By the address, a ticket, the header, or among the protocols: the tutor's socket opens, and the job is shown.
// Planted fault: the subprotocol of the tutor not agreed to.
#[tokio::test]
async fn every_way_to_show_a_token_opens_the_tutor_and_shows_the_job() {
    let (house, mut jobs) = house().await;
    let (id, job) = begin(&house, &mut jobs).await;
    job.think("google", "hello").await;
    let token = house.token("ann");
    let ticket = async || {
        let answer = house.http("POST", "/api/ws-ticket").send().await.unwrap();
        answer.json::<Value>().await.unwrap()["ticket"].as_str().unwrap().to_owned()
    };
    for (tutor, path, name) in
        [(true, "/api/ws".to_owned(), "headwater.tutor.v1"), (false, path(&id), "headwater.orchestrate.v1")]
    {
        let (bearer, header) = (format!("{name}, bearer.{token}"), format!("Bearer {token}"));
        for (way, query, headers) in [
            ("address", format!("?token={token}"), vec![]),
            ("ticket", format!("?ticket={}", ticket().await), vec![]),
            ("header", String::new(), vec![("authorization", header.as_str())]),
            ("protocol", String::new(), vec![("sec-websocket-protocol", bearer.as_str())]),
        ] {
            let query = if tutor {
                query
            } else {
                format!("{query}{}replay=1", if query.is_empty() { "?" } else { "&" })
            };
            let (mut socket, answer) = house.shake(&format!("{path}{query}"), &headers).await;
            let first = socket.hear().await;
            if way == "protocol" {
                assert!(answer.contains(&format!("sec-websocket-protocol: {name}\r\n")), "{answer}");
            }
            if tutor {
                assert_eq!(
                    (&first["type"], &first["data"]["user_id"]),
                    (&json!("connect"), &json!("ann")),
                    "{way}"
                );
            } else {
                assert_eq!(first["type"], "connected", "{way}");
                assert_eq!(socket.thoughts_to("hello").await, ["hello"], "{way}");
            }
        }
    }
}

// Planted fault: everybody let in who shows a bad token.
#[tokio::test(start_paused = true)]
async fn in_development_whoever_says_nothing_is_the_developer() {
    let dialects = Dialects { development: true, ..Dialects::default() };
    let (house, mut jobs) = given(Given { dialects, ..Given::default() }).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", house.address);
    let brief = client.post(url("/api/orchestrate/brief")).json(&json!({"brief": "A form"}));
    let body: serde_json::Value = brief.send().await.unwrap().json().await.unwrap();
    let id = body["job_id"].as_str().unwrap().to_owned();
    let job = jobs.next().await;
    job.think("google", "hello").await;
    // Two programs on this machine are two clients, and the same one is the same.
    let open = async |agent: &str| house.shake(&path(&id), &[("user-agent", agent)]).await.0;
    let mut firefox = open("firefox").await;
    assert_eq!(firefox.thoughts_to("hello").await, ["hello"]);
    drop(firefox);
    let mut chrome = open("chrome").await;
    assert_eq!(chrome.thoughts_to("hello").await, ["hello"]);
    let mut firefox = open("firefox").await;
    firefox.connected().await;
    firefox.is_silent().await;
    let polled = client.get(url(&format!("/api/orchestrate/status/{id}"))).send().await.unwrap();
    assert_eq!(polled.status(), 200);
    // A page of a stranger's in a browser here is not the developer, and starts nothing.
    let brief = client.post(url("/api/orchestrate/brief")).header("origin", "https://evil.example");
    assert_eq!(brief.json(&json!({"brief": "A form"})).send().await.unwrap().status(), 401);
    // Whoever has an account is himself, and a bad token is nobody's.
    let own = ask(&house, "ann", "GET", &format!("/api/orchestrate/status/{id}"), None).await;
    assert_eq!(own.0, 404);
    let bad =
        client.get(url(&format!("/api/orchestrate/status/{id}"))).bearer_auth("x").send().await.unwrap();
    assert_eq!(bad.status(), 401);
    let mut bad = house.stranger(&format!("{}?token=x", path(&id))).await;
    bad.connected().await;
    bad.is_silent().await;
    job.team("google", TeamStatus::Thinking).await;
}

/// Not in development: a page that shows nothing gets nothing.
#[tokio::test]
async fn without_a_token_there_is_a_401_in_its_own_shape() {
    let house = House::new().await;
    for (method, route) in [
        ("POST", "brief"),
        ("GET", "status/run_x"),
        ("GET", "job/run_x"),
        ("DELETE", "job/run_x"),
        ("POST", "generate/run_x"),
        ("GET", "history"),
        ("GET", "models"),
    ] {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/api/orchestrate/{route}", house.address);
        let answer = client.request(method.parse().unwrap(), url).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["www-authenticate"].to_str().unwrap()),
            (401, "Bearer")
        );
        assert_eq!(answer.text().await.unwrap(), r#"{"error":"Unauthorized"}"#);
    }
}
