//! The arrows between the crates, kept by a test: `cli → server → engine → core`,
//! `cli → {store, bus, providers, extract} → core` and `cli → fake-provider`; adapters do not see one
//! another. Tests may see more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("engine", &["core"]),
    ("store", &["core"]),
    ("bus", &["core"]),
    ("providers", &["core"]),
    ("extract", &["core"]),
    // It must be able to disagree with all of ours.
    ("fake-provider", &[]),
    ("server", &["core", "engine"]),
    ("cli", &["bus", "core", "engine", "extract", "fake-provider", "providers", "server", "store"]),
];

/// What a core that is pure cannot need: a runtime, a socket, a clock, a database.
const NOT_IN_CORE: [&str; 6] = ["tokio", "axum", "hyper", "reqwest", "rusqlite", "tracing"];

fn packages() -> Vec<Value> {
    let run = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let all: Value = serde_json::from_slice(&run.stdout).unwrap();
    all["packages"].as_array().unwrap().clone()
}

fn normal(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies.filter(|d| d["kind"].is_null()).map(|d| d["name"].as_str().unwrap().to_owned()).collect()
}

// Planted fault: `headwater-store` among the engine's dependencies.
#[test]
fn the_arrows_between_the_crates_point_as_they_should() {
    let mut found = BTreeMap::new();
    for package in packages() {
        let ours =
            normal(&package).iter().filter_map(|n| n.strip_prefix("headwater-").map(str::to_owned)).collect();
        let name = package["name"].as_str().unwrap().strip_prefix("headwater-").unwrap().to_owned();
        found.insert(name, ours);
    }
    let wanted: BTreeMap<String, BTreeSet<String>> = ARROWS
        .iter()
        .map(|(name, to)| ((*name).to_owned(), to.iter().map(|t| (*t).to_owned()).collect()))
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn the_core_needs_no_runtime_and_no_vendor() {
    let packages = packages();
    let core = packages.iter().find(|p| p["name"] == "headwater-core").unwrap();
    let needs = normal(core);
    for crate_name in NOT_IN_CORE {
        assert!(!needs.contains(crate_name), "core needs {crate_name}");
    }
}

// Once there were two after a merge: what the second had begun, no drain waited for and no metric showed.
#[test]
fn there_is_one_place_that_spawns() {
    let serve = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve.rs")).unwrap();
    assert_eq!(serve.matches("Tasks::default()").count(), 1);
}
