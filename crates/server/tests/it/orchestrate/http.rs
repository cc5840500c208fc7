//! What is sent over HTTP: what is wrong with it, what happens twice, what is too much.

use headwater_core::event::TeamStatus;
use headwater_core::port::store::Store;
use headwater_core::rate::Rate;
use headwater_core::{Millis, limit};
use headwater_server::app::Surface;
use headwater_server::gate::Rules;
use serde_json::{Value, json};

use super::{ask, begin, get, given, house, until_status};
use crate::house::{Given, open_gate};

const BRIEF: &str = "/api/orchestrate/brief";

// The first three as observed, word for word.
#[tokio::test]
async fn what_is_wrong_with_a_brief_is_said_in_the_originals_words() {
    let (house, mut jobs) = house().await;
    let frameworks = "'react', 'vue', 'svelte' or 'vanilla'";
    for (body, problem) in [
        (
            json!({"brief": "x", "target_framework": "ember"}),
            json!({"type": "literal_error", "loc": ["body", "target_framework"], "msg": format!("Input should be {frameworks}"), "input": "ember", "ctx": {"expected": frameworks}}),
        ),
        (
            json!({}),
            json!({"type": "missing", "loc": ["body", "brief"], "msg": "Field required", "input": {}}),
        ),
        (
            json!({"brief": "x", "include_teams": ["openai"]}),
            json!({"type": "literal_error", "loc": ["body", "include_teams", 0], "msg": "Input should be 'anthropic' or 'google'", "input": "openai", "ctx": {"expected": "'anthropic' or 'google'"}}),
        ),
        (
            json!({"brief": ""}),
            json!({"type": "string_too_short", "loc": ["body", "brief"], "msg": "String should have at least 1 character", "input": "", "ctx": {"min_length": 1}}),
        ),
        (
            json!({"brief": "x", "include_teams": []}),
            json!({"type": "too_short", "loc": ["body", "include_teams"], "msg": "List should have at least 1 item after validation, not 0", "input": [], "ctx": {"field_type": "List", "min_length": 1, "actual_length": 0}}),
        ),
        (
            json!({"brief": "x", "workspace": {"project_path": "/p"}}),
            json!({"type": "missing", "loc": ["body", "workspace", "project_name"], "msg": "Field required", "input": {"project_path": "/p"}}),
        ),
        (
            json!({"brief": "x", "workspace": {"project_path": "/p", "project_name": "n", "dependencies": "react"}}),
            json!({"type": "list_type", "loc": ["body", "workspace", "dependencies"], "msg": "Input should be a valid list", "input": "react"}),
        ),
        (
            json!({"brief": "x", "workspace": {"project_path": "/p", "project_name": "n", "dependencies": ["react", 1]}}),
            json!({"type": "string_type", "loc": ["body", "workspace", "dependencies", 1], "msg": "Input should be a valid string", "input": 1}),
        ),
        (
            json!({"brief": "x", "workspace": []}),
            json!({"type": "model_attributes_type", "loc": ["body", "workspace"], "msg": "Input should be a valid dictionary or object to extract fields from", "input": []}),
        ),
        (
            json!({"brief": "x", "style_preferences": "blue"}),
            json!({"type": "dict_type", "loc": ["body", "style_preferences"], "msg": "Input should be a valid dictionary", "input": "blue"}),
        ),
    ] {
        let answer = ask(&house, "ann", "POST", BRIEF, Some(body)).await;
        assert_eq!(answer, (422, json!({"detail": [problem]})));
    }
    // White space is no brief; the engine says so.
    let (status, body) = ask(&house, "ann", "POST", BRIEF, Some(json!({"brief": " \n"}))).await;
    assert_eq!(status, 422, "{body}");
    let (status, body) = ask(&house, "ann", "GET", "/api/orchestrate/history?limit=0", None).await;
    assert_eq!(status, 422);
    assert_eq!(body["detail"][0]["loc"], json!(["query", "limit"]));
    assert!(jobs.try_next().is_none());
}

#[tokio::test]
async fn what_is_asked_for_reaches_the_teams() {
    let (house, mut jobs) = house().await;
    let brief = json!({"brief": "A form", "target_framework": "vue", "include_teams": ["google", "google"], "style_preferences": {"dark": true}, "workspace": null});
    let (_, body) = ask(&house, "ann", "POST", BRIEF, Some(brief)).await;
    assert_eq!(body["teams"].as_object().unwrap().keys().collect::<Vec<_>>(), ["google"]);
    assert_eq!(body["workspace"], Value::Null);
    let job = jobs.next().await;
    let headwater_engine::ask::Special::Job(wanted) = &job.ask.special else { panic!() };
    assert_eq!((wanted.framework.as_str(), &wanted.teams[..]), ("vue", &["google".to_owned()][..]));
    assert_eq!(wanted.style.as_ref().unwrap()["dark"], true);
    assert_eq!((job.ask.message.as_str(), &wanted.workspace), ("A form", &None));
}

#[tokio::test]
async fn a_brief_that_is_sent_twice_under_one_key_is_one_job() {
    let (house, mut jobs) = house().await;
    let send = async |brief: &str, key: &str| {
        let request = house.http("POST", BRIEF).header("idempotency-key", key).json(&json!({"brief": brief}));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["job_id"].clone())
    };
    let (first, second) = (send("A form", "k").await, send("A form", "k").await);
    assert_eq!((first.0, &first), (200, &second));
    assert_ne!(send("A form", "other").await.1, first.1);
    assert_eq!(send("Another", "k").await.0, 409);
    assert_eq!(send("A form", "").await.0, 422);
    let _two = (jobs.next().await, jobs.next().await);
    assert!(jobs.try_next().is_none());
}

/// What is at work or complete is left alone; what failed is done once more, and once.
// Planted fault: a complete job done again.
#[tokio::test]
async fn generating_again_does_only_what_failed() {
    let (house, mut jobs) = house().await;
    let (id, job) = begin(&house, &mut jobs).await;
    let again = async |id: &str| {
        let (status, body) =
            ask(&house, "ann", "POST", &format!("/api/orchestrate/generate/{id}"), None).await;
        assert_eq!(
            (status, &body["message"], &body["job_id"]),
            (200, &json!("Generation triggered"), &json!(id))
        );
        body.get("run_id").map(|run| run.as_str().unwrap().to_owned())
    };
    assert_eq!(again(&id).await, None, "it is at work");
    job.fail("google", "no").await;
    job.break_off("all of it").await;
    until_status(&house, &id, |body| body["status"] == "error").await;
    let second = again(&id).await.unwrap();
    let job = jobs.next().await;
    assert_eq!(job.ask.message, "A form");
    assert_eq!(again(&id).await.unwrap(), second, "that is at work");
    drop(job);
    until_status(&house, &second, |body| body["status"] == "error").await;
    let third = again(&id).await.unwrap();
    assert!(third != second && third != id);
    let job = jobs.next().await;
    job.complete("anthropic", "a").await;
    job.complete("google", "g").await;
    drop(job);
    until_status(&house, &third, |body| body["status"] == "complete").await;
    assert_eq!((again(&third).await, again(&id).await), (None, Some(third)));
    assert!(jobs.try_next().is_none());
    assert_eq!(get(&house, "/api/orchestrate/history").await["total"], 3);
}

// Planted faults: a stopped job left as it is; the last rerun answered as if it were done once more.
#[tokio::test]
async fn a_stopped_job_is_done_again_and_one_that_always_fails_is_refused() {
    let (house, mut jobs) = house().await;
    let (first, job) = begin(&house, &mut jobs).await;
    let stopped = ask(&house, "ann", "POST", &format!("/api/runs/{first}/stop"), None).await;
    assert_eq!(stopped.0, 200, "{stopped:?}");
    job.dropped().await;
    let again =
        async || ask(&house, "ann", "POST", &format!("/api/orchestrate/generate/{first}"), None).await;
    for n in 0..limit::JOB_RERUNS {
        let (status, body) = again().await;
        let run = body["run_id"].as_str().unwrap_or_else(|| panic!("{n}: {status} {body}")).to_owned();
        drop(jobs.next().await);
        until_status(&house, &run, |body| body["status"] == "error").await;
    }
    let (status, body) = again().await;
    assert_eq!(status, 409, "{body}");
    assert_eq!(body["detail"], "This job was done 16 times more and did not complete; give its brief anew");
    assert!(jobs.try_next().is_none());
}

// Planted fault: the answer of the native protocol, 410.
#[tokio::test]
async fn a_job_whose_log_is_gone_is_not_there_and_the_history_has_its_line() {
    let (house, mut jobs) = house().await;
    let (id, job) = begin(&house, &mut jobs).await;
    job.complete("anthropic", "a").await;
    job.complete("google", "g").await;
    drop(job);
    while house.engine.live() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.store.expire(Millis(i64::MAX), 10).await.unwrap().runs, 1);
    for path in ["status", "job"] {
        let gone = ask(&house, "ann", "GET", &format!("/api/orchestrate/{path}/{id}"), None).await;
        assert_eq!(gone, (404, json!({"detail": "Job not found"})));
    }
    let history = get(&house, "/api/orchestrate/history").await;
    assert_eq!(history["jobs"][0]["job_id"], id);
}

// Planted faults: the state asked for counted with the rest; the refusal in the chat's shape.
#[tokio::test]
async fn polls_do_not_use_up_what_an_address_may_ask_and_the_rest_is_refused_in_its_own_shape() {
    let requests = Some(Rate::per_minute(1, 4));
    let (house, mut jobs) =
        given(Given { gate: Rules { requests, ..open_gate() }, ..Given::default() }).await;
    let (id, _job) = begin(&house, &mut jobs).await;
    for _ in 0..50 {
        get(&house, &format!("/api/orchestrate/status/{id}")).await;
    }
    for _ in 0..50 {
        house.socket(&super::path(&id)).await.connected().await;
    }
    for _ in 0..3 {
        get(&house, "/api/orchestrate/history").await;
    }
    let answer = house.http("GET", "/api/orchestrate/history").send().await.unwrap();
    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(answer.text().await.unwrap(), r#"{"error":"Rate limit exceeded. Please try again later."}"#);
}

// Planted faults: the chat's shape on the own listener; this shape on the main one.
#[tokio::test]
async fn the_own_listener_refuses_in_its_own_shape() {
    let full = || Rules { requests: Some(Rate::per_minute(1, 1)), ..open_gate() };
    let error = r#"{"error":"Rate limit exceeded. Please try again later."}"#;
    for (surface, path, own) in [
        (Surface::Orchestrate, "/", true),
        (Surface::Orchestrate, "/health", true),
        (Surface::Orchestrate, "/ready", true),
        (Surface::Main, "/health", false),
    ] {
        let (house, _) = given(Given { gate: full(), surface: Some(surface), ..Given::default() }).await;
        assert_ne!(house.http("GET", path).send().await.unwrap().status(), 429);
        let over = house.http("GET", path).send().await.unwrap();
        assert_eq!(over.status(), 429);
        assert_eq!(over.text().await.unwrap() == error, own, "{surface:?} {path}");
    }
}

#[tokio::test]
async fn the_models_are_those_that_are_configured() {
    let (house, _jobs) = house().await;
    let body = get(&house, "/api/orchestrate/models").await;
    assert_eq!(
        body["anthropic"],
        json!({"models": [{"id": "sonnet", "name": "sonnet", "tier": "standard"}], "default": "sonnet", "team": true})
    );
    assert_eq!(body["google"]["models"][0], json!({"id": "flash", "name": "flash (tiny)", "tier": "local"}));
    assert_eq!(body.as_object().unwrap().len(), 3, "and that of the other workflows");
    assert_eq!(body.as_object().unwrap().values().filter(|of| of.get("team").is_some()).count(), 2);
}

/// A state is taken up where it was: two who ask at once, and one who asks late, are told the same.
#[tokio::test]
async fn a_state_is_the_same_whoever_asks_and_however_often() {
    let (house, mut jobs) = house().await;
    let (id, job) = begin(&house, &mut jobs).await;
    for n in 0..20 {
        job.think("google", &n.to_string()).await;
        if n % 3 == 0 {
            get(&house, &format!("/api/orchestrate/status/{id}")).await;
        }
    }
    job.team("google", TeamStatus::Generating).await;
    let body = until_status(&house, &id, |body| body["teams"]["google"]["status"] == "generating").await;
    let thoughts: Vec<_> = body["teams"]["google"]["thoughts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(thoughts, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}
