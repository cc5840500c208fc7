//! The shipped teams and the hosts that they ask: what these are sent, and that they hear it when nobody wants their answers
//! any more. The hosts write down who called them.

use std::sync::Arc;

use headwater_core::port::SharedProvider;
use headwater_engine::Models;
use headwater_fake_provider::{Ended, Fake, Format as Spoken, Script};
use headwater_providers::host::{Host, HostConfig};
use headwater_providers::preset::Format;
use serde_json::{Value, json};

use super::work::{PHASES, start, teams};
use super::{ask, get, path, until_status};
use crate::house::{Given, House, Socket, open_gate};

/// A model at a host of this format.
fn host(name: &str, fake: &Fake, format: &str, spoken: Spoken) -> SharedProvider {
    let base = if spoken == Spoken::Anthropic { fake.origin() } else { fake.base_url(spoken) };
    let wire = Format::parse(format).unwrap().wire();
    let config = HostConfig { model: format!("{name}-model"), ..HostConfig::new(name, wire, base) };
    Arc::new(Host::new(config).unwrap())
}

/// Hosts of three formats: the default one, and one for each team.
struct Hosts {
    usual: Fake,
    a: Fake,
    g: Fake,
}

impl Hosts {
    /// Each says nothing that ends, unless it is told so before.
    async fn endless() -> Self {
        let endless = || Script { gap_ms: 5, ..Script::tokens(100_000) };
        let start = async || Fake::start(endless()).await.unwrap();
        Self { usual: start().await, a: start().await, g: start().await }
    }

    async fn house(&self, more: &str) -> House {
        let usual = host("usual", &self.usual, "openai", Spoken::OpenAi);
        let models = Models::new(usual)
            .and("anthropic", host("an", &self.a, "anthropic", Spoken::Anthropic))
            .and("google", host("goo", &self.g, "gemini", Spoken::Gemini));
        let workflows = teams(more, models);
        House::given(Given { workflows, gate: open_gate(), ..Given::default() }).await
    }

    fn all(&self) -> [&Fake; 3] {
        [&self.usual, &self.a, &self.g]
    }
}

/// Whoever is at work when the job is cancelled, his host hears it, and nobody is asked any more.
// Planted fault: DELETE that hides the job and lets the run go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_closes_every_call_upstream_in_every_phase() {
    // How many calls of the default model and of each team are answered whole before; how many stay open then.
    for (phase, usual, each, open) in [
        ("none", 0, 0, [0, 1, 1]),
        ("planner", 0, 0, [1, 0, 0]),
        ("teams", 1, 0, [0, 1, 1]),
        ("reviewer", 1, 1, [1, 0, 0]),
        ("refiner", 2, 1, [0, 1, 1]),
    ] {
        let hosts = Hosts::endless().await;
        for (fake, times) in hosts.all().into_iter().zip([usual, each, each]) {
            assert!(times == 0 || fake.next(Script::saying("x = 1;"), times));
        }
        let house = hosts.house(if phase == "none" { "" } else { PHASES }).await;
        let (id, _) = start(&house, json!({"brief": "A form"})).await;
        for ((fake, open), whole) in hosts.all().into_iter().zip(open).zip([usual, each, each]) {
            // A call of an earlier phase is open too, for a moment.
            fake.wait_for(|calls| {
                let made = calls.for_answers().count() == whole + usize::try_from(open).unwrap();
                made && calls.open == open && (open == 0 || calls.last().unwrap().deltas > 0)
            })
            .await;
        }
        let mut viewer = house.socket(&path(&id)).await;
        viewer.connected().await;
        let answer = ask(&house, "ann", "DELETE", &format!("/api/orchestrate/job/{id}"), None).await;
        assert_eq!(answer, (200, json!({"message": "Job cancelled", "job_id": id})), "{phase}");
        for ((fake, open), whole) in hosts.all().into_iter().zip(open).zip([usual, each, each]) {
            fake.wait_for(|calls| calls.open == 0).await;
            let ended: Vec<_> = fake.read(|calls| calls.for_answers().map(|c| c.ended.unwrap()).collect());
            let mut expected = vec![Ended::Itself; whole];
            expected.extend(vec![Ended::Left; usize::try_from(open).unwrap()]);
            assert_eq!(ended, expected, "{phase}");
        }
        for team in ["anthropic", "google"] {
            let words = until_error(&mut viewer, team).await;
            assert_eq!(words, "Job cancelled", "{phase}: {team}");
        }
        let gone = (404, json!({"detail": "Job not found"}));
        for (method, route) in [("DELETE", "job"), ("GET", "job"), ("GET", "status"), ("POST", "generate")] {
            let path = format!("/api/orchestrate/{route}/{id}");
            assert_eq!(ask(&house, "ann", method, &path, None).await, gone, "{phase}: {method} {route}");
        }
        assert_eq!(get(&house, &format!("/api/runs/{id}")).await["status"], "cancelled", "{phase}");
    }
}

/// The words of a team's error. Whichever ends first, the teams are told in their order.
async fn until_error(viewer: &mut Socket, team: &str) -> String {
    loop {
        let frame = viewer.until("error").await;
        if frame["team"] == team {
            return frame["data"]["error"].as_str().unwrap().to_owned();
        }
    }
}

/// What shapes the code is in what the hosts are sent, on their own wires.
// Planted fault: the style read and not filled in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_shapes_the_code_is_in_what_the_hosts_are_sent() {
    let hosts = Hosts::endless().await;
    for fake in hosts.all() {
        fake.script(Script::saying("<form/>"));
    }
    let house = hosts.house("").await;
    let brief = json!({
        "brief": "A form for “crème brûlée”", "target_framework": "svelte",
        "style_preferences": {"colors": {"main": "#ff0000"}, "rounded": true},
        "workspace": {"project_path": "/home/ann/shop", "project_name": "shop", "framework": "svelte", "language": "ts",
            "package_manager": "pnpm", "git_branch": "main", "git_remote": "origin", "dependencies": ["zod", "d3"]},
    });
    let (id, body) = start(&house, brief.clone()).await;
    assert_eq!(body["workspace"], brief["workspace"]);
    until_status(&house, &id, |body| body["status"] == "complete").await;
    for fake in [&hosts.a, &hosts.g] {
        let sent = fake.read(|calls| calls.last().unwrap().body.clone());
        let said = texts(&sent);
        for words in [
            "Svelte",
            "A form for “crème brûlée”",
            "colors.main: #ff0000",
            "rounded: true",
            "project_name: shop",
            "project_path: /home/ann/shop",
            "package_manager: pnpm",
            "dependencies: zod, d3",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    assert_eq!(hosts.usual.read(|calls| calls.answers), 0);
}

/// All texts in a body.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(all) => all.iter().map(texts).collect(),
        Value::Object(all) => all.values().map(texts).collect(),
        _ => String::new(),
    }
}
