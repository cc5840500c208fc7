//! The tutor's turn and history over HTTP, row by row.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use headwater_core::event::Event;
use headwater_core::limit;
use headwater_core::port::provider::{Cost, FinishReason, ProviderError, ProviderErrorKind, Usage};
use headwater_core::port::sharing::Sharing;
use headwater_core::rate::Rate;
use headwater_engine::ask::{Lesson, Special};
use headwater_engine::engine::From;
use headwater_engine::{Followed, Settings, StartRun};
use headwater_providers::scripted::stage::Act;
use headwater_server::app::{Dialects, Surface};
use headwater_server::gate::Rules;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::house::{Given, House, open_gate, principal, still};
use crate::lessons;

/// Where the tutor's own routes stand on a surface.
fn at(surface: Surface, path: &str) -> String {
    if surface == Surface::Main { format!("/tutor{path}") } else { path.to_owned() }
}

type Answer = (u16, HeaderMap, Value);

fn post(house: &House, path: &str, body: &Value) -> JoinHandle<Answer> {
    let request = house.http("POST", path).json(body);
    tokio::spawn(async move {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, answer.json().await.unwrap())
    })
}

async fn get(house: &House, user: &str, path: &str) -> (u16, Value) {
    let answer = house.http_as(user, "GET", path).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn paid(dollars: f64) -> Usage {
    Usage { cost_usd: Cost::from_dollars(dollars), ..Usage::of(900, 12) }
}

/// Asks, and lets the model say this.
async fn told(house: &mut House, path: &str, body: Value, words: &[&str]) -> Value {
    let asked = post(house, path, &body);
    let mut act = house.cues.next().await;
    for word in words {
        act.say(*word).await;
    }
    act.end_using(FinishReason::Stop, paid(0.25)).await;
    let (status, _, answer) = asked.await.unwrap();
    assert_eq!(status, 200, "{answer}");
    answer
}

fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    text.len() == 24 && text.starts_with("20") && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

#[tokio::test]
async fn tutor_http_a_turn_says_everything_on_both_surfaces() {
    for surface in [Surface::Main, Surface::Tutor] {
        let mut house = lessons::house(surface).await;
        let body = json!({
            "user_id": "eve", "message": "What is 2 + 2?", "session_id": "s", "message_id": "m1",
            "context": {"subject": "biology", "enable_reasoning": true, "enable_rag": true, "else": 1},
        });
        let mut answer = told(&mut house, &at(surface, "/api/v1/chat"), body, &["It is ", "4."]).await;
        assert!(is_time(&answer["timestamp"]), "{answer}");
        let info = answer["ability_info"].take();
        assert_eq!(info["ability_level"], 0.6);
        // Ability × 0.75, and joy.
        assert!((info["recommended_difficulty"].as_f64().unwrap() - 0.5).abs() < 1e-9);
        for key in ["cognitive_load", "flow_state_score"] {
            assert!((0.0..=1.0).contains(&info[key].as_f64().unwrap()), "{info}");
        }
        let suggested = answer["suggested_questions"].take();
        assert_eq!(suggested.as_array().unwrap().len(), 3);
        for question in suggested.as_array().unwrap() {
            let keys: Vec<_> = question.as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, ["category", "difficulty_delta", "question", "rationale"]);
            assert_eq!(question["category"], "math");
        }
        assert!(answer["response_time_ms"].is_u64());
        assert_eq!(
            answer,
            json!({
                "session_id": "s", "message": "It is 4.",
                "emotion_state": {
                    "primary_emotion": "joy", "arousal": 0.5, "valence": 0.5, "learning_readiness": "high_readiness",
                },
                "provider_used": "stage", "response_time_ms": answer["response_time_ms"],
                "timestamp": answer["timestamp"], "category_detected": "math", "tokens_used": 912, "cost": 0.25,
                "context_retrieved": {
                    "recent_messages_used": 2, "relevant_messages_used": 1, "semantic_search_enabled": true,
                    "rag_enabled": true, "rag_sources": ["cells.md", "light.md"],
                },
                "ability_info": null, "ability_updated": true, "cached": false, "suggested_questions": null,
                "run_id": answer["run_id"],
            })
        );
        // It is Ann's, whatever the body said.
        assert_eq!(
            house
                .http("GET", &format!("/api/runs/{}", answer["run_id"].as_str().unwrap()))
                .send()
                .await
                .unwrap()
                .status()
                .as_u16(),
            if surface == Surface::Main { 200 } else { 404 }
        );
        let eve = get(&house, "eve", &at(surface, "/api/v1/chat/history/s")).await;
        assert_eq!(eve, (404, json!({"detail": "Session not found"})));
    }
}

// Planted faults: `cached` wherever the run was joined; the lesson read otherwise than by the socket (409).
#[tokio::test]
async fn tutor_http_the_same_turn_is_joined_and_then_there_already() {
    let mut house = lessons::house(Surface::Main).await;
    // As the socket's dialect starts it.
    let ask = StartRun {
        workflow: "tutor".into(),
        message: "Why?".into(),
        session: Some(lessons::session("s")),
        message_id: Some(headwater_core::MessageId::parse("m1").unwrap()),
        special: Special::Lesson(Lesson { subject: Some("biology".into()), reasoning: true, rag: false }),
        ..StartRun::default()
    };
    let started = house.engine.start(&principal("ann"), ask).await.unwrap();
    let mut act = house.cues.next().await;
    act.say("Because ").await;
    let context = json!({"subject": "biology", "enable_reasoning": true, "enable_rag": null});
    let body = json!({"message": "Why?", "session_id": "s", "message_id": "m1", "context": context});
    let mut joining = post(&house, "/tutor/api/v1/chat", &body);
    // It reads what there is, and waits for the end.
    while house.engine.metrics().ring_share() == 0.0 {
        tokio::task::yield_now().await;
    }
    assert!((&mut joining).now_or_never().is_none());
    act.say("so.").await;
    act.end().await;
    let (status, _, answer) = joining.await.unwrap();
    assert_eq!((status, &answer["message"], &answer["cached"]), (200, &json!("Because so."), &json!(false)));
    assert_eq!(answer["run_id"], started.run.as_str());
    let (status, _, again) = post(&house, "/tutor/api/v1/chat", &body).await.unwrap();
    assert_eq!((status, &again["cached"]), (200, &json!(true)));
    let (mut first, mut second) = (answer, again);
    (first["cached"], second["cached"]) = (Value::Null, Value::Null);
    assert_eq!(first, second);
    assert!(house.cues.try_next().is_none(), "nobody was asked twice");
    // Another question of that name is none.
    let other = json!({"message": "Why not?", "session_id": "s", "message_id": "m1", "context": context});
    assert_eq!(post(&house, "/tutor/api/v1/chat", &other).await.unwrap().0, 409);
}

#[tokio::test]
async fn tutor_http_a_stopped_answer_is_told_and_a_failed_one_refused() {
    let mut house = lessons::house(Surface::Main).await;
    let asked =
        post(&house, "/tutor/api/v1/chat", &json!({"message": "Why?", "session_id": "s", "message_id": "m"}));
    let mut act = house.cues.next().await;
    act.say("Because ").await;
    let newest = house.engine.newest_run(&principal("ann"), &lessons::session("s")).await.unwrap();
    let mut follow = house.engine.follow(&principal("ann"), &newest.id, &From::After(0)).await.unwrap();
    let said = |events: &[Arc<Event>]| events.iter().any(|event| event.body.text().is_some());
    while !matches!(follow.next().await.unwrap(), Followed::Events(events) if said(&events)) {}
    house.engine.stop(&principal("ann"), &newest.id).await.unwrap();
    let (status, _, answer) = asked.await.unwrap();
    assert_eq!(
        (status, &answer["message"], &answer["outcome"]),
        (200, &json!("Because "), &json!("cancelled"))
    );
    assert_eq!((&answer["suggested_questions"], &answer["ability_updated"]), (&json!([]), &json!(false)));
    assert_eq!(answer["ability_info"], Value::Null);

    for (kind, status, retry_after) in [
        (ProviderErrorKind::Unavailable, 503, Some("7")),
        (ProviderErrorKind::Busy, 503, Some("7")),
        (ProviderErrorKind::Timeout, 503, Some("7")),
        (ProviderErrorKind::Refused, 500, None),
        (ProviderErrorKind::Failed, 500, None),
    ] {
        let asked = post(&house, "/tutor/api/v1/chat", &json!({"message": "Why?"}));
        let act: Act = house.cues.next().await;
        let retry = Some(Duration::from_secs(7));
        act.fail_with(ProviderError { retry_after: retry, ..ProviderError::new(kind, "no luck") }).await;
        let (got, headers, answer) = asked.await.unwrap();
        assert_eq!(got, status, "{kind:?}: {answer}");
        assert!(answer["detail"].as_str().unwrap().starts_with("AI generation failed: "), "{answer}");
        assert_eq!(headers.get("retry-after").map(|v| v.to_str().unwrap()), retry_after, "{kind:?}");
    }
}

#[tokio::test]
async fn tutor_http_refusals() {
    let house = lessons::house(Surface::Main).await;
    for (body, loc, kind) in [
        (json!({}), json!(["body", "message"]), "missing"),
        (json!({"message": 7}), json!(["body", "message"]), "string_type"),
        (json!({"message": "x".repeat(32_769)}), json!(["body", "message"]), "string_too_long"),
        (
            json!({"message": "x", "session_id": "s".repeat(129)}),
            json!(["body", "session_id"]),
            "value_error",
        ),
        (json!({"message": "x", "message_id": ""}), json!(["body", "message_id"]), "value_error"),
        (json!({"message": "x", "context": "no"}), json!(["body", "context"]), "dict_type"),
        (
            json!({"message": "x", "context": {"enable_rag": 1}}),
            json!(["body", "context", "enable_rag"]),
            "bool_type",
        ),
        (
            json!({"message": "x", "context": {"subject": "s".repeat(129)}}),
            json!(["body", "context", "subject"]),
            "string_too_long",
        ),
    ] {
        let (status, _, answer) = post(&house, "/tutor/api/v1/chat", &body).await.unwrap();
        let problem = &answer["detail"][0];
        assert_eq!((status, &problem["loc"], &problem["type"]), (422, &loc, &json!(kind)), "{answer}");
    }
    let (status, _, answer) = post(&house, "/tutor/api/v1/chat", &json!({"message": " "})).await.unwrap();
    assert_eq!((status, answer), (422, json!({"detail": "Message is required"})));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (method, path) in [("POST", "/tutor/api/v1/chat"), ("GET", "/tutor/api/v1/chat/history/s")] {
        let url = format!("http://{}{path}", house.address);
        let answer =
            client.request(method.parse().unwrap(), url).json(&json!({"message": "x"})).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["www-authenticate"].to_str().unwrap()),
            (401, "Bearer")
        );
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({"detail": "Authentication required"}));
    }
    // Who asks too often, by user and by address; and a server that has no tutor.
    let settings = Settings { lessons: Some(Rate::per_minute(1, 1)), ..Settings::default() };
    let often = Given { gate: open_gate(), settings, ..Given::default() };
    let gate = Rules { starts_per_address: Some(Rate::per_minute(1, 1)), ..open_gate() };
    for given in [often, Given { gate, ..Given::default() }] {
        let mut house = lessons::given(Surface::Main, given).await;
        told(&mut house, "/tutor/api/v1/chat", json!({"message": "x"}), &["y"]).await;
        let (status, headers, answer) =
            post(&house, "/tutor/api/v1/chat", &json!({"message": "x"})).await.unwrap();
        assert_eq!((status, headers.contains_key("retry-after")), (429, true), "{answer}");
    }
    let dialects = Dialects { tutor: "nowhere".into(), ..Dialects::default() };
    let house = lessons::given(Surface::Main, Given { dialects, ..Given::default() }).await;
    let (status, _, answer) = post(&house, "/tutor/api/v1/chat", &json!({"message": "x"})).await.unwrap();
    assert_eq!((status, answer), (500, json!({"detail": "This server has no tutor; ask its operator"})));
}

// Planted faults: the emotion at the answer; `before` not passed on.
#[tokio::test]
async fn tutor_http_history_says_what_the_logs_know() {
    let mut house = lessons::house(Surface::Tutor).await;
    let ask = |n: u32| json!({"message": format!("q{n}"), "session_id": "s", "message_id": format!("m{n}")});
    let mut runs = Vec::new();
    for n in 1..=3 {
        let answer = told(&mut house, "/api/v1/chat", ask(n), &["a", &n.to_string()]).await;
        runs.push(answer["run_id"].as_str().unwrap().to_owned());
    }
    // And one that is being made.
    let _asked = post(&house, "/api/v1/chat", &json!({"message": "q4", "session_id": "s"}));
    let _act = house.cues.next().await;
    let (status, history) = get(&house, "ann", "/api/v1/chat/history/s").await;
    assert_eq!(status, 200);
    let lines = history["messages"].as_array().unwrap();
    let told: Vec<_> = lines.iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(told, ["q1", "a1", "q2", "a2", "q3", "a3", "q4"]);
    assert_eq!((&history["total_messages"], &history["total_cost"]), (&json!(7), &json!(0.75)));
    assert!(is_time(&history["session_started"]) && history.get("truncated").is_none());
    let emotion = json!({
        "primary_emotion": "joy", "arousal": 0.5, "valence": 0.5, "learning_readiness": "high_readiness",
    });
    assert!(
        is_time(&lines[0]["timestamp"])
            && is_time(&lines[1]["timestamp"])
            && lines[1]["response_time_ms"].is_u64()
    );
    assert_eq!(
        lines[0],
        json!({"id": "m1", "role": "user", "content": "q1", "timestamp": lines[0]["timestamp"], "emotion_state": emotion,
               "provider_used": null, "response_time_ms": null, "cost": null, "run_id": runs[0]})
    );
    assert_eq!(
        lines[1],
        json!({"id": runs[0], "role": "assistant", "content": "a1", "timestamp": lines[1]["timestamp"],
               "emotion_state": null, "provider_used": "stage", "response_time_ms": lines[1]["response_time_ms"],
               "cost": 0.25, "run_id": runs[0],
               "ability_updated": {"subject": "biology", "new_ability": 0.6, "confidence": 0.2}})
    );
    assert!(lines[6]["id"].as_str().unwrap().ends_with("-question"));

    // In pages.
    let page = async |query: &str| {
        let (status, page) = get(&house, "ann", &format!("/api/v1/chat/history/s?{query}")).await;
        assert_eq!((status, &page["total_messages"]), (200, &json!(7)), "{page}");
        let lines = page["messages"].as_array().unwrap().iter();
        let told: Vec<_> = lines.map(|m| m["content"].as_str().unwrap().to_owned()).collect();
        (told.join(" "), page["truncated"] == true, page["total_cost"].as_f64().unwrap())
    };
    assert_eq!(page("limit=2").await, ("q3 a3 q4".into(), true, 0.25));
    assert_eq!(page(&format!("limit=1&before={}", runs[2])).await, ("q2 a2".into(), true, 0.25));
    assert_eq!(page(&format!("limit=2&before={}", runs[2])).await, ("q1 a1 q2 a2".into(), false, 0.5));
    assert_eq!(page("before=run_of_nobody").await, (String::new(), false, 0.0));
    for query in ["limit=0", "limit=251", "limit=x"] {
        assert_eq!(get(&house, "ann", &format!("/api/v1/chat/history/s?{query}")).await.0, 422, "{query}");
    }
}

// Planted fault: of the end of a log the last event alone read.
#[tokio::test]
async fn tutor_http_history_knows_what_a_long_answer_taught() {
    let mut house = lessons::house(Surface::Tutor).await;
    let long = "long ".repeat(limit::BATCH_BYTES / 4);
    let ask = json!({"message": "q", "session_id": "s"});
    told(&mut house, "/api/v1/chat", ask, &[&long, "enough"]).await;
    let (_, history) = get(&house, "ann", "/api/v1/chat/history/s").await;
    assert_eq!(history["messages"][1]["ability_updated"]["new_ability"], 0.6);
}

// Planted fault: a sum of no prices without a word.
#[tokio::test]
async fn tutor_http_a_history_says_that_prices_are_not_known() {
    let mut house = lessons::house(Surface::Tutor).await;
    let path = "/api/v1/chat/history/s";
    for n in 1..=2 {
        let asked = post(&house, "/api/v1/chat", &json!({"message": format!("q{n}"), "session_id": "s"}));
        let mut act = house.cues.next().await;
        act.say("a").await;
        act.end().await;
        assert_eq!(asked.await.unwrap().2["cost"], Value::Null);
    }
    let (_, history) = get(&house, "ann", path).await;
    assert_eq!((&history["messages"][1]["cost"], &history["total_cost"]), (&Value::Null, &json!(0.0)));
    assert_eq!(history["cost_unknown"], true);
    // One with a price is a cost.
    told(&mut house, "/api/v1/chat", json!({"message": "q3", "session_id": "s"}), &["a"]).await;
    let (_, history) = get(&house, "ann", path).await;
    assert_eq!((&history["total_cost"], &history["cost_unknown"]), (&json!(0.25), &json!(true)));
}

// Planted fault: a member's own session looked for (404 for who may see it).
#[tokio::test]
async fn tutor_http_history_is_the_owners_and_the_members() {
    let mut house = lessons::house(Surface::Main).await;
    told(&mut house, "/tutor/api/v1/chat", json!({"message": "q", "session_id": "s"}), &["a"]).await;
    let path = "/tutor/api/v1/chat/history/s";
    let nothing = (404, json!({"detail": "Session not found"}));
    assert_eq!(get(&house, "bob", path).await, nothing);
    assert_eq!(get(&house, "ann", "/tutor/api/v1/chat/history/nobodys").await, nothing);
    assert_eq!(get(&house, "ann", &format!("/tutor/api/v1/chat/history/{}", "s".repeat(129))).await, nothing);
    let (ann, bob) = (principal("ann").user, principal("bob").user);
    house.store.share(&ann, &lessons::session("s"), &bob, headwater_core::Millis(1)).await.unwrap();
    assert_eq!(get(&house, "bob", path).await, nothing, "the name alone is one of his own");
    let anns = "/tutor/api/v1/chat/history/s?owner=ann";
    let (own, members) = (get(&house, "ann", path).await, get(&house, "bob", anns).await);
    assert_eq!((own.0, &own), (200, &members));
    assert_eq!(get(&house, "eve", anns).await, nothing);
}

// Planted faults: `before` looked for among the reader's own runs; any run of the owner's taken for a place.
#[tokio::test]
async fn tutor_http_a_member_reads_the_history_in_pages() {
    let mut house = lessons::house(Surface::Main).await;
    let mut runs = Vec::new();
    for (session, question) in [("s", "q1"), ("s", "q2"), ("t", "secret"), ("s", "q3")] {
        let body = json!({"message": question, "session_id": session});
        let answer = told(&mut house, "/tutor/api/v1/chat", body, &["a"]).await;
        runs.push(answer["run_id"].as_str().unwrap().to_owned());
    }
    let (ann, bob) = (principal("ann").user, principal("bob").user);
    house.store.share(&ann, &lessons::session("s"), &bob, headwater_core::Millis(1)).await.unwrap();
    let page = async |user: &str, query: String| {
        let path = format!("/tutor/api/v1/chat/history/s?owner=ann&{query}");
        get(&house, user, &path).await
    };
    for (query, questions, truncated) in [
        (format!("before={}", runs[3]), &["q1", "q2"][..], false),
        (format!("limit=1&before={}", runs[3]), &["q2"], true),
        (format!("limit=1&before={}", runs[1]), &["q1"], false),
        (format!("before={}", runs[0]), &[], false),
    ] {
        let own = page("ann", query.clone()).await;
        let asked = own.1["messages"].as_array().unwrap().iter().filter(|line| line["role"] == "user");
        assert_eq!(asked.map(|line| line["content"].as_str().unwrap()).collect::<Vec<_>>(), questions);
        assert_eq!(own.1["truncated"] == true, truncated, "{query}");
        assert_eq!(page("bob", query.clone()).await, own, "{query}");
        let nothing = (404, json!({"detail": "Session not found"}));
        assert_eq!(page("eve", query).await, nothing);
    }
    // A run of hers that he does not see is no place to him.
    let none = page("bob", "before=run_none".into()).await;
    assert_eq!(page("bob", format!("before={}", runs[2])).await, none);
    assert_eq!((none.0, &none.1["messages"]), (200, &json!([])));
}

// Planted fault: lessons taken from the allowance of other runs; the twenty-first was refused.
#[tokio::test]
async fn tutor_http_a_hundred_questions_a_minute_are_answered() {
    let _still = still();
    let mut house = lessons::given(Surface::Tutor, Given::default()).await;
    let ask = |n: u32| json!({"message": "x", "session_id": "s", "message_id": format!("m{n}")});
    for n in 0..100 {
        let mut asked = post(&house, "/api/v1/chat", &ask(n));
        let act = tokio::select! {
            act = house.cues.next() => act,
            refused = &mut asked => panic!("{n}: {refused:?}"),
        };
        act.end().await;
        assert_eq!(asked.await.unwrap().0, 200, "{n}");
    }
    let words = "Rate limit exceeded. Please slow down.";
    let (status, headers, answer) = post(&house, "/api/v1/chat", &ask(100)).await.unwrap();
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (429, "1"));
    assert_eq!(answer, json!({"detail": words}));
    // What was asked before is none more; and on the socket it is the same allowance.
    assert_eq!(post(&house, "/api/v1/chat", &ask(7)).await.unwrap().0, 200);
    let mut socket = house.socket("/api/ws").await;
    let data = json!({"message_id": "m100", "session_id": "s", "message": "x"});
    socket.say(&json!({"type": "chat_stream", "data": data}).to_string()).await;
    let refused = socket.until("error").await;
    assert_eq!(
        (&refused["data"]["message"], &refused["data"]["code"], &refused["data"]["message_id"]),
        (&json!(words), &json!("RATE_LIMIT_EXCEEDED"), &json!("m100"))
    );
}

#[tokio::test]
async fn tutor_http_health_and_providers() {
    for surface in [Surface::Main, Surface::Tutor] {
        let house = lessons::house(surface).await;
        let get = async |path: &str| {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request =
                client.get(format!("http://{}{path}", house.address)).header("origin", "https://x.example");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.headers()["access-control-allow-origin"], "*");
            assert!(answer.headers().contains_key("x-request-id"));
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        };
        assert_eq!(
            get(&at(surface, "/api/health")).await,
            (200, json!({"status": "ok", "provider": "stage"}))
        );
        let providers = json!({"providers": [{"name": "stage", "label": "scripted"}], "count": 1});
        assert_eq!(get("/api/v1/providers").await, (200, providers));
        assert_eq!(get("/api/v1/nothing").await, (404, json!({"detail": "Not Found"})));
    }
}

// Planted fault: the standing not asked while it waits.
#[tokio::test]
async fn tutor_http_who_signs_out_waits_no_longer_and_the_run_goes_on() {
    let mut house = lessons::house(Surface::Tutor).await;
    let (token, _) = house.pair("ann", "s1", 0);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = |path: &str, body: Value| {
        client.post(format!("http://{}{path}", house.address)).bearer_auth(&token).json(&body).send()
    };
    let turn = json!({"message": "Why?", "session_id": "s", "message_id": "m"});
    let waiting = tokio::spawn(send("/api/v1/chat", turn.clone()));
    let mut act = house.cues.next().await;
    assert_eq!(send("/api/auth/logout", json!({})).await.unwrap().status().as_u16(), 200);
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"detail": "Token expired"}));
    assert!(act.say("So.").await);
    act.end().await;
    let (status, _, answer) = post(&house, "/api/v1/chat", &turn).await.unwrap();
    assert_eq!((status, &answer["message"]), (200, &json!("So.")));
}
