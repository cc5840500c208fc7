#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;

#[test]
fn the_shipped_file_is_whole_and_needs_no_key() {
    let file = TeamsFile::parse(SHIPPED).unwrap_or_else(|p| panic!("{}", p.join("\n")));
    assert_eq!(file.teams().collect::<Vec<_>>(), ["anthropic", "google"]);
    assert_eq!(file.frameworks().collect::<Vec<_>>(), ["react", "vue", "svelte", "vanilla"]);
    assert!(file.fallback && !file.has_phases() && file.missing_models(|_| false).is_empty());
}

/// The phases that the page about teams begins with.
const PHASES: &str = "
[planner]
prompt = \"Plan: {brief}\"
max_tokens = 512
[reviewer]
model = \"clever\"
prompt = \"Review for {brief}: {code}\"
max_tokens = 512
[refiner]
prompt = \"Refine for {brief} by {notes}: {code}\"
max_tokens = 512
rounds = 2
";

#[test]
fn models_that_are_missing_are_told_by_their_place() {
    let text = SHIPPED.replace("fallback = true", "fallback = false") + PHASES;
    let file = TeamsFile::parse(&text).unwrap();
    assert_eq!(
        file.missing_models(|alias| alias == "google"),
        [
            "team \"anthropic\": no model is configured under the name \"anthropic\"",
            "[reviewer]: no model is configured under the name \"clever\"",
        ]
    );
    assert!(file.missing_models(|_| true).is_empty() && file.has_phases());
}

// Planted faults: a check that returns at its first problem; a phase's name taken by a team.
#[test]
fn every_problem_is_reported_at_once() {
    let text = SHIPPED
        .replace("name = \"teams\"", "name = \"Te ams\"")
        .replace("default = \"react\"", "default = \"angular\"")
        .replace("name = \"vue\"", "name = \"svelte\"")
        .replace("name = \"google\"", "name = \"reviewer\"")
        .replace("model = \"google\"", "model = \"Go ogle\"")
        .replace("{style}", "{stile}")
        .replace("It is: {brief}", "It is.")
        .replace("max_tokens = 8192", "max_tokens = 0")
        .replace("temperature = 0.3", "temperature = 3.0");
    let text = text + &PHASES.replace("rounds = 2", "rounds = 9").replace("{notes}", "");
    let problems = TeamsFile::parse(&text).unwrap_err();
    for expected in [
        "name \"Te ams\": a name is 1 to 32 lower-case letters, digits, - and _",
        "[request] full: there is no placeholder {stile} here; there are: {brief}, {framework}, {instructions}, {style}, {workspace}, {plan}",
        "[request] tiny: it has no {brief}",
        "framework \"svelte\" stands twice",
        "default is \"angular\", which is no framework",
        "team \"anthropic\": `max_tokens` must be 1 to 32768",
        "team \"anthropic\": `temperature` must be 0 to 2",
        "team \"reviewer\": the name is that of a phase; take another",
        "team \"reviewer\": `model` must be the alias of a model",
        "[refiner]: `rounds` must be 1 to 3",
        "[refiner] prompt: it has no {notes}",
    ] {
        assert!(problems.iter().any(|p| p == expected), "{expected}\n{problems:#?}");
    }
    let alone =
        PHASES.split("[reviewer]").next().unwrap().to_owned() + &PHASES[PHASES.find("[refiner]").unwrap()..];
    let problems = TeamsFile::parse(&format!("{SHIPPED}{alone}")).unwrap_err();
    assert_eq!(problems, ["[refiner]: it works by the notes of a reviewer; add a [reviewer]"]);
    let none = SHIPPED[..SHIPPED.find("[[team]]").unwrap()].to_owned();
    assert_eq!(TeamsFile::parse(&none).unwrap_err(), ["there must be 1 to 4 [[team]]"]);
    let unknown = TeamsFile::parse(&format!("colour = 1\n{SHIPPED}")).unwrap_err();
    assert!(unknown.len() == 1 && unknown[0].contains("colour"), "{unknown:?}");
}

#[test]
fn the_default_framework_is_the_first() {
    let file = TeamsFile::parse(&SHIPPED.replace("default = \"react\"", "default = \"svelte\"")).unwrap();
    assert_eq!(file.frameworks().collect::<Vec<_>>(), ["svelte", "react", "vue", "vanilla"]);
}

#[test]
fn the_example_of_the_page_is_whole() {
    let page = include_str!("../../../../../../docs/teams.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let file = TeamsFile::parse(example).unwrap_or_else(|p| panic!("{}", p.join("\n")));
    assert!(file.has_phases() && file.teams().count() == 2);
    for limit in [
        limit::TEAMS,
        limit::TEAM_ANSWER_BYTES,
        limit::THOUGHT_BYTES,
        limit::JOB_WISHES_BYTES,
        limit::JOB_WISHES,
    ] {
        assert!(page.contains(&format!(" {limit} ")), "{limit}");
    }
}
