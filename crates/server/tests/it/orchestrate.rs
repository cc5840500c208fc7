//! Jobs of teams over a whole server: the socket, the polls, and who comes back.

mod hosts;
mod http;
mod observed;
mod pages;
mod returns;
mod troupe;
mod work;

use std::sync::Arc;

use headwater_core::event::TeamStatus;
use headwater_server::app::Surface;
use serde_json::{Value, json};

use self::troupe::{Job, Jobs, troupe};
use crate::house::{Given, House, Socket, open_gate};

/// A house with a troupe.
async fn house() -> (House, Jobs) {
    given(Given { gate: open_gate(), ..Given::default() }).await
}

async fn given(given: Given) -> (House, Jobs) {
    let (troupe, jobs) = troupe();
    let house = House::given(Given { workflows: vec![Arc::new(troupe)], ..given }).await;
    (house, jobs)
}

/// The answer's status and body.
async fn ask(house: &House, user: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let request = house.http_as(user, method, path);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn get(house: &House, path: &str) -> Value {
    let (status, body) = ask(house, "ann", "GET", path, None).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// A job of Ann's that has begun.
async fn begin(house: &House, jobs: &mut Jobs) -> (String, Job) {
    let brief = json!({"brief": "A form"});
    let (status, body) = ask(house, "ann", "POST", "/api/orchestrate/brief", Some(brief)).await;
    assert_eq!(status, 200, "{body}");
    (body["job_id"].as_str().unwrap().to_owned(), jobs.next().await)
}

fn path(job: &str) -> String {
    format!("/ws/orchestrate/{job}")
}

/// Asks until it stands so: what a test says is stored a moment later.
async fn until_status(house: &House, job: &str, what: impl Fn(&Value) -> bool) -> Value {
    loop {
        let body = get(house, &format!("/api/orchestrate/status/{job}")).await;
        if what(&body) {
            return body;
        }
        tokio::task::yield_now().await;
    }
}

impl Socket {
    async fn connected(&mut self) {
        assert_eq!(self.hear().await["type"], "connected");
    }

    /// The words of the frames up to that of this text, which is in the last one.
    async fn thoughts_to(&mut self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let frame = self.until("thought_added").await;
            all.push(frame["data"]["text"].as_str().unwrap().to_owned());
            if frame["data"]["text"] == last {
                return all;
            }
        }
    }

    /// Nothing comes, however long: the next frame is a pong. For paused time.
    async fn is_silent(&mut self) {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        self.say("ping").await;
        let frame = self.hear().await;
        assert_eq!(frame["type"], "pong", "{frame}");
    }
}

/// What the original answers, from the brief to the end; the order of the frames is that of the log.
// Planted faults: the cost of the teams added to that of the run; a poll that answers with the state of the one before.
#[tokio::test]
async fn a_job_from_its_brief_to_its_end() {
    let (house, mut jobs) = house().await;
    let workspace = json!({"project_path": "/p", "project_name": "shop", "dependencies": ["react"], "x": 1});
    let brief =
        json!({"brief": "é".repeat(150), "workspace": workspace, "style_preferences": {"color": "blue"}});
    let (status, body) = ask(&house, "ann", "POST", "/api/orchestrate/brief", Some(brief)).await;
    let id = body["job_id"].as_str().unwrap().to_owned();
    let team = |team: &str, model: &str| json!({"team": team, "status": "pending", "thoughts": [], "generated_code": null, "model_used": model, "token_count": 0, "error_message": null});
    let mut google = team("google", "flash");
    google["label"] = json!("tiny");
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({
            "job_id": id, "status": "received", "brief_summary": format!("{}...", "é".repeat(100)),
            "teams": {"anthropic": team("anthropic", "sonnet"), "google": google},
            "total_tokens": 0, "estimated_cost": 0.0, "workspace": workspace,
        })
    );
    let job = jobs.next().await;
    let mut viewer = house.stranger(&format!("{}?stream=code&token={}", path(&id), house.token("ann"))).await;
    assert_eq!(viewer.hear().await["job_id"], json!(id));
    let stands =
        |body: &Value| (body["status"].as_str().unwrap().to_owned(), body["progress"].as_u64().unwrap());
    let at = |status: &str, progress: u64| (status.to_owned(), progress);
    until_status(&house, &id, |body| stands(body) == at("dispatching", 0)).await;
    job.team("anthropic", TeamStatus::Thinking).await;
    until_status(&house, &id, |body| stands(body) == at("awaiting", 25)).await;
    job.team("google", TeamStatus::Thinking).await;
    job.think("anthropic", "Reading").await;
    job.team("anthropic", TeamStatus::Generating).await;
    job.write("anthropic", "<form").await;
    job.write("anthropic", "/>").await;
    let body = until_status(&house, &id, |body| !body["teams"]["anthropic"]["thoughts"][0].is_null()).await;
    assert_eq!(body["teams"]["anthropic"]["thoughts"][0]["text"], "Reading");
    job.complete("anthropic", "<form/>").await;
    until_status(&house, &id, |body| stands(body) == at("awaiting", 75)).await;
    job.complete("google", "<div/>").await;
    until_status(&house, &id, |body| stands(body) == at("awaiting", 100)).await;
    drop(job);
    let body = until_status(&house, &id, |body| stands(body) == at("complete", 100)).await;
    assert_eq!(body["teams"]["google"]["generated_code"], "<div/>");

    let mut seen = Vec::new();
    while seen.len() < 10 {
        let frame = viewer.hear().await;
        assert_eq!(frame["job_id"], json!(id));
        seen.push(format!("{} {}", frame["type"].as_str().unwrap(), frame["team"].as_str().unwrap()));
    }
    assert_eq!(
        seen,
        [
            "status_change anthropic",
            "status_change google",
            "thought_added anthropic",
            "status_change anthropic",
            "code_delta anthropic",
            "code_delta anthropic",
            "status_change anthropic",
            "code_generated anthropic",
            "status_change google",
            "code_generated google",
        ]
    );
    let body = get(&house, &format!("/api/orchestrate/job/{id}")).await;
    assert_eq!((&body["total_tokens"], &body["estimated_cost"]), (&json!(14), &json!(0.0002)));
    assert_eq!((&body["status"], &body["workspace"]), (&json!("complete"), &workspace));
    let line = json!({"job_id": id, "status": "complete", "brief_summary": format!("{}...", "é".repeat(100)), "total_tokens": 14, "estimated_cost": 0.0002});
    let body = get(&house, "/api/orchestrate/history").await;
    assert_eq!(
        body,
        json!({"jobs": [line], "total": 1, "limit": 50, "offset": 0, "page": 1, "page_size": 50})
    );
}

// As observed of the original, but with the status before the error and in the log's order.
#[tokio::test]
async fn one_team_fails_and_the_other_goes_on() {
    let (house, mut jobs) = house().await;
    let (id, job) = begin(&house, &mut jobs).await;
    let mut socket = house.socket(&path(&id)).await;
    socket.connected().await;
    job.team("google", TeamStatus::Error).await;
    job.fail("google", "API rate limit exceeded").await;
    job.think("google", "Error during generation: API rate limit exceeded").await;
    job.complete("anthropic", "code").await;
    drop(job);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let frame = socket.hear().await;
        seen.push((frame["type"].clone(), frame["team"].clone(), frame["data"]["status"].clone()));
    }
    let frame = |kind: &str, team: &str, status: Value| (json!(kind), json!(team), status);
    assert_eq!(
        seen,
        [
            frame("status_change", "google", json!("error")),
            frame("error", "google", json!("error")),
            frame("thought_added", "google", Value::Null),
            frame("status_change", "anthropic", json!("complete")),
            frame("code_generated", "anthropic", Value::Null),
        ]
    );
    let body = until_status(&house, &id, |body| body["status"] == "error").await;
    assert_eq!(body["progress"], 50);
    assert_eq!(body["teams"]["google"]["error_message"], "API rate limit exceeded");
    assert_eq!(body["teams"]["google"]["generated_code"], Value::Null);
    assert_eq!(get(&house, &format!("/api/orchestrate/job/{id}")).await["total_tokens"], 7);
    for (query, found) in [("status=error", 1), ("status=complete", 0), ("status=awaiting", 0), ("page=2", 0)]
    {
        let body = get(&house, &format!("/api/orchestrate/history?{query}")).await;
        assert_eq!(body["jobs"].as_array().unwrap().len(), found, "{query}");
    }
}

// Planted faults: hidden without being stopped; what was cancelled shown to a new socket.
#[tokio::test(start_paused = true)]
async fn who_cancels_stops_the_work_and_the_job_is_gone() {
    let (house, mut jobs) = house().await;
    let (id, job) = begin(&house, &mut jobs).await;
    let mut socket = house.socket(&path(&id)).await;
    socket.connected().await;
    job.complete("anthropic", "code").await;
    job.team("google", TeamStatus::Generating).await;
    socket.until("code_generated").await;
    let (status, body) = ask(&house, "ann", "DELETE", &format!("/api/orchestrate/job/{id}"), None).await;
    assert_eq!((status, body), (200, json!({"message": "Job cancelled", "job_id": id})));
    job.dropped().await;
    let frame = socket.until("error").await;
    assert_eq!((&frame["team"], &frame["data"]["error"]), (&json!("google"), &json!("Job cancelled")));
    for (method, route) in [("DELETE", "job"), ("GET", "job"), ("GET", "status"), ("POST", "generate")] {
        let path = format!("/api/orchestrate/{route}/{id}");
        let answer = ask(&house, "ann", method, &path, None).await;
        assert_eq!(answer, (404, json!({"detail": "Job not found"})), "{method} {route}");
    }
    assert_eq!(get(&house, "/api/orchestrate/history").await["total"], 0);
    let replay = format!("{}?replay=1&token={}", path(&id), house.token("ann"));
    let mut late = house.stranger(&replay).await;
    late.connected().await;
    late.is_silent().await;
}

// The main surface has no such addresses: another system has them there.
#[tokio::test]
async fn its_own_listener_answers_as_the_original_did() {
    let (house, mut jobs) =
        given(Given { surface: Some(Surface::Orchestrate), gate: open_gate(), ..Given::default() }).await;
    let version = env!("CARGO_PKG_VERSION");
    let root = get(&house, "/").await;
    assert_eq!(root["version"], version);
    assert!(root["message"].is_string() && root["description"].is_string());
    let health = get(&house, "/health").await;
    assert_eq!((&health["status"], &health["version"]), (&json!("healthy"), &json!(version)));
    let time = health["timestamp"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && &time[10..11] == "T", "{time}");
    assert_eq!(get(&house, "/ready").await["status"], "ready");
    let (id, job) = begin(&house, &mut jobs).await;
    let mut socket = house.socket(&path(&id)).await;
    socket.connected().await;
    job.think("google", "hm").await;
    assert_eq!(socket.thoughts_to("hm").await, ["hm"]);
    house.draining.cancel();
    drop(job);
}

#[tokio::test]
async fn its_own_listener_says_when_it_is_not_ready() {
    let (house, _jobs) =
        given(Given { surface: Some(Surface::Orchestrate), gate: open_gate(), ..Given::default() }).await;
    house.store.faults().fail_writes(1);
    let answer = house.http("GET", "/ready").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body, json!({"status": "not_ready", "timestamp": body["timestamp"]}));
}

#[tokio::test]
async fn a_run_of_another_workflow_has_the_same_text_here() {
    let (mut house, _jobs) = house().await;
    let run = house.told(&["Hel", "lo ", "all"]).await;
    let mut socket = house.socket(&path(run.as_str())).await;
    socket.connected().await;
    assert_eq!(socket.until("code_generated").await["data"]["code"], "Hello all");
    let mut socket = house
        .stranger(&format!("{}?stream=code&replay=1&token={}", path(run.as_str()), house.token("ann")))
        .await;
    let mut text = String::new();
    loop {
        let frame = socket.hear().await;
        match frame["type"].as_str().unwrap() {
            "code_delta" => text.push_str(frame["data"]["text"].as_str().unwrap()),
            "code_generated" => break assert_eq!(frame["data"]["code"], text),
            _ => {}
        }
    }
    // From the middle, the whole of it is the whole all the same.
    let middle = format!("{}?after=4&token={}", path(run.as_str()), house.token("ann"));
    let mut socket = house.stranger(&middle).await;
    assert_eq!(socket.until("code_generated").await["data"]["code"], "Hello all");
    let body = get(&house, &format!("/api/orchestrate/status/{run}")).await;
    assert_eq!(body["teams"]["generate"]["generated_code"], "Hello all");
    assert_eq!((&body["status"], &body["progress"]), (&json!("complete"), &json!(100)));
}
