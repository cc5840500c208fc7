//! The teams themselves behind their doors: not a workflow that does what a test says, but the one that is shipped, with
//! models that a test speaks for.

use std::sync::Arc;

use headwater_core::port::provider::{ContextBudget, FinishReason, ProviderErrorKind, ProviderInfo, Usage};
use headwater_engine::Models;
use headwater_engine::workflow::Workflow;
use headwater_engine::workflow::teams::{SHIPPED, Teams, TeamsFile};
use headwater_providers::scripted::stage::{Act, Cues, Stage};
use serde_json::{Value, json};

use super::{ask, get, path, until_status};
use crate::house::{Given, House, open_gate};

/// A planner, a reviewer and one round of a refiner.
pub(super) const PHASES: &str = "
[planner]
prompt = \"Plan {brief}.\"
max_tokens = 100
[reviewer]
prompt = \"Review for {brief}:\\n{code}\"
max_tokens = 100
[refiner]
prompt = \"Refine {brief} by {notes}:\\n{code}\"
max_tokens = 200
rounds = 1
";

const BRIEF: &str = "/api/orchestrate/brief";

fn info(name: &str, label: Option<&str>) -> ProviderInfo {
    ProviderInfo {
        name: name.into(),
        model: format!("{name}-1"),
        label: label.map(str::to_owned),
        can_classify: true,
        can_call_tools: false,
        budget: ContextBudget { retrieval_tokens: 1_000, history_tokens: 1_000 },
        price: None,
    }
}

pub(super) fn teams(more: &str, models: Models) -> Vec<Arc<dyn Workflow>> {
    let file = TeamsFile::parse(&format!("{SHIPPED}{more}")).unwrap();
    vec![Arc::new(Teams::new(file, models))]
}

/// A server with the teams, and a stage for each of their models; that of the house is the default one.
pub(super) struct Yard {
    pub(super) house: House,
    pub(super) a: Cues,
    pub(super) g: Cues,
}

impl Yard {
    pub(super) async fn given(more: &str, given: Given) -> Self {
        let (usual, cues) = Stage::with_info(info("usual", None));
        let ((a, acts), (g, gacts)) =
            (Stage::with_info(info("an", None)), Stage::with_info(info("goo", None)));
        let models = Models::new(usual.clone()).and("anthropic", a).and("google", g);
        let workflows = teams(more, models);
        let house = House::given(Given { workflows, stage: Some((usual, cues)), ..given }).await;
        Self { house, a: acts, g: gacts }
    }
}

async fn says(mut act: Act, words: &str) -> String {
    let asked = prompt(&act);
    act.say(words).await;
    act.end_using(FinishReason::Stop, Usage::of(10, 2)).await;
    asked
}

/// All that a model is given.
fn prompt(act: &Act) -> String {
    act.request.messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n")
}

/// Starts a job of Ann's.
pub(super) async fn start(house: &House, brief: Value) -> (String, Value) {
    let (status, body) = ask(house, "ann", "POST", BRIEF, Some(brief)).await;
    assert_eq!(status, 200, "{body}");
    (body["job_id"].as_str().unwrap().to_owned(), body)
}

/// Asks until it stands so, and gives what `job` says then.
async fn until(house: &House, id: &str, status: &str, progress: u64) -> Value {
    until_status(house, id, |body| body["status"] == status && body["progress"] == progress).await;
    get(house, &format!("/api/orchestrate/job/{id}")).await
}

/// Asks until the phase stands so.
async fn until_phase(house: &House, id: &str, phase: &Value) {
    loop {
        let job = get(house, &format!("/api/orchestrate/job/{id}")).await;
        if job["phases"].as_array().is_some_and(|all| all.contains(phase)) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// A frame, shortly.
fn short(frame: &Value) -> String {
    let (kind, team, data) =
        (frame["type"].as_str().unwrap(), frame["team"].as_str().unwrap(), &frame["data"]);
    match kind {
        "phase_change" => {
            let round = data.get("refinement_iteration").map_or(String::new(), |n| format!(" {n}"));
            format!("{team}: {} {}{round}", data["phase"].as_str().unwrap(), data["status"].as_str().unwrap())
        }
        "status_change" => format!("{team} {}", data["status"].as_str().unwrap()),
        "code_generated" => format!("{team} code {}", data["code"].as_str().unwrap()),
        "thought_added" => format!("{team} thought"),
        other => format!("{team} {other}"),
    }
}

/// What is asked while it goes on is true at each step, and the frames say the same in the same order.
// Planted faults: `phase_change` left out; the planner not asked about (`dispatching` while it thinks); a draft counted as
// complete (progress 100 before the refiner).
#[tokio::test]
async fn a_job_with_all_phases_is_told_as_it_goes_and_polls_tell_the_truth() {
    let mut yard = Yard::given(PHASES, Given { gate: open_gate(), ..Given::default() }).await;
    let brief = json!({
        "brief": "A login form", "target_framework": "vue", "style_preferences": {"theme": "dark", "radius": 4},
        "workspace": {"project_path": "/p", "project_name": "shop", "git_branch": "main", "dependencies": ["pinia"]},
    });
    let (id, _) = start(&yard.house, brief).await;
    let mut viewer = yard.house.socket(&path(&id)).await;
    viewer.connected().await;

    let planner = yard.house.cues.next().await;
    let job = until(&yard.house, &id, "planning", 0).await;
    assert_eq!(job["phases"], json!([{"phase": "planner", "status": "thinking"}]));
    assert!(yard.a.try_next().is_none() && yard.g.try_next().is_none(), "asked before there is a plan");
    assert_eq!(says(planner, "Two fields.").await, "Plan A login form.");

    let (mut a, g) = (yard.a.next().await, yard.g.next().await);
    until(&yard.house, &id, "awaiting", 50).await;
    // Both are told all of it.
    for act in [&a, &g] {
        let given = prompt(act);
        for words in [
            "Vue",
            "A login form",
            "theme: dark",
            "radius: 4",
            "project_name: shop",
            "git_branch: main",
            "dependencies: pinia",
            "Work by this plan:\nTwo fields.",
        ] {
            assert!(given.contains(words), "{words}: {given}");
        }
    }
    a.say("```\na = 0;\n").await;
    let body =
        until_status(&yard.house, &id, |body| body["teams"]["anthropic"]["status"] == "generating").await;
    assert_eq!((&body["teams"]["google"]["status"], &body["progress"]), (&json!("thinking"), &json!(50)));
    assert_eq!(body["thoughts"][0]["text"], "Two fields.");
    a.end().await;
    says(g, "g = 0;").await;

    let reviewer = yard.house.cues.next().await;
    // Drafts are no code yet.
    let job = until(&yard.house, &id, "awaiting", 50).await;
    let review = json!({"phase": "reviewer", "status": "thinking", "refinement_iteration": 1});
    assert!(job["phases"].as_array().unwrap().contains(&review), "{job}");
    let asked = says(reviewer, "Name things.").await;
    assert!(asked.contains("a = 0;") && asked.contains("g = 0;"), "{asked}");

    let (a, g) = (yard.a.next().await, yard.g.next().await);
    until_phase(
        &yard.house,
        &id,
        &json!({"phase": "refiner", "status": "generating", "refinement_iteration": 1}),
    )
    .await;
    assert!(says(a, "a = 1;").await.contains("Refine A login form by Name things.:\na = 0;"));
    until(&yard.house, &id, "awaiting", 75).await;
    says(g, "g = 1;").await;
    let job = until(&yard.house, &id, "complete", 100).await;
    assert_eq!(job["teams"]["google"]["generated_code"], "g = 1;");
    let said: Vec<_> = job["thoughts"].as_array().unwrap().iter().map(|t| &t["text"]).collect();
    assert_eq!(said, ["Two fields.", "Name things."]);

    let mut frames = Vec::new();
    while !(frames.iter().any(|f: &String| f == "google code g = 1;")
        && frames.last().is_some_and(|f| f == "workflow: refiner complete 1"))
    {
        frames.push(short(&viewer.hear().await));
    }
    let of = |team: &str| {
        let mine = |f: &&String| f.starts_with(team) && !f.ends_with(" thought");
        frames.iter().filter(mine).map(String::as_str).collect::<Vec<_>>()
    };
    let workflow = of("workflow");
    assert_eq!(workflow[..2], ["workflow: planner thinking", "workflow: planner complete"]);
    assert_eq!(
        workflow[6..],
        [
            "workflow: reviewer thinking 1",
            "workflow: reviewer complete 1",
            "workflow: refiner generating 1",
            "workflow: refiner complete 1",
        ]
    );
    for (team, code) in [("anthropic", "a = 1;"), ("google", "g = 1;")] {
        let phases: Vec<_> = workflow.iter().filter(|f| f.contains(&format!(": {team} "))).collect();
        assert_eq!(
            phases,
            [&&*format!("workflow: {team} thinking"), &&*format!("workflow: {team} complete")]
        );
        let told = [
            format!("{team} thinking"),
            format!("{team} generating"),
            format!("{team} generating"),
            format!("{team} complete"),
            format!("{team} code {code}"),
        ];
        assert_eq!(of(team), told);
        // Where the contract has thoughts: before the code, behind it, and last.
        let all: Vec<_> = frames.iter().filter(|f| f.starts_with(team)).collect();
        assert!(all[1].ends_with(" thought") && all.last().unwrap().ends_with(" thought"), "{all:?}");
    }
}

/// Without a key there is one model, on this machine: it works for both teams, and everything that names it says so.
// Planted faults: the label left out where one stands in for another; the label of before forgotten once it answers.
#[tokio::test]
async fn without_keys_the_local_model_works_for_both_teams_and_says_so() {
    let (local, cues) = Stage::with_info(info("local", Some("tiny local model")));
    let workflows = teams("", Models::new(local.clone()));
    let given = Given { workflows, stage: Some((local, cues)), gate: open_gate(), ..Given::default() };
    let mut house = House::given(given).await;
    let (id, body) = start(&house, json!({"brief": "A form"})).await;
    let label = |team: &str| json!(format!("in place of {team}: tiny local model"));
    for team in ["anthropic", "google"] {
        let view = &body["teams"][team];
        assert_eq!((&view["model_used"], &view["label"]), (&json!("local-1"), &label(team)));
    }
    for _ in 0..2 {
        says(house.cues.next().await, "<form/>").await;
    }
    let body = until_status(&house, &id, |body| body["status"] == "complete").await;
    for team in ["anthropic", "google"] {
        let view = &body["teams"][team];
        assert_eq!((&view["generated_code"], &view["model_used"]), (&json!("<form/>"), &json!("local-1")));
        assert_eq!(view["label"], label(team));
        let first = view["thoughts"][0]["text"].as_str().unwrap();
        let words = format!(
            "No model is configured under the name `{team}`: the default model local-1 (tiny local model) works for this team."
        );
        assert_eq!(first, words);
    }
    let models = get(&house, "/api/orchestrate/models").await;
    for team in ["anthropic", "google"] {
        assert_eq!(models[team]["models"][0]["tier"], "local", "{models}");
        assert!(models[team]["models"][0]["name"].as_str().unwrap().contains("tiny local model"));
    }
}

/// A team that fails, as the original told it: the status, the error, a thought; the other team goes on.
#[tokio::test]
async fn a_host_that_fails_costs_its_team_alone() {
    let mut yard = Yard::given("", Given { gate: open_gate(), ..Given::default() }).await;
    let (id, _) = start(&yard.house, json!({"brief": "A form"})).await;
    let mut viewer = yard.house.socket(&path(&id)).await;
    viewer.connected().await;
    yard.g.next().await.fail(ProviderErrorKind::Busy, "API rate limit exceeded").await;
    until_status(&yard.house, &id, |body| body["teams"]["google"]["status"] == "error").await;
    let body = get(&yard.house, &format!("/api/orchestrate/status/{id}")).await;
    assert_eq!((&body["status"], &body["progress"]), (&json!("awaiting"), &json!(25)));
    says(yard.a.next().await, "a = 1;").await;
    let body = until_status(&yard.house, &id, |body| body["status"] == "error").await;
    assert_eq!(body["progress"], 50);
    let words = body["teams"]["google"]["error_message"].as_str().unwrap();
    assert!(words.contains("API rate limit exceeded"), "{words}");
    let mut frames = Vec::new();
    while !frames.iter().any(|f: &String| f == "anthropic code a = 1;") {
        frames.push(short(&viewer.hear().await));
    }
    let google: Vec<_> = frames.iter().filter(|f| f.starts_with("google")).collect();
    assert_eq!(google[google.len() - 3..], ["google error", "google error", "google thought"]);
}
