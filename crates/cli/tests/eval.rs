//! `headwater eval`: the page says what the command says, and what it says may not get worse.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use serde_json::Value;

fn eval(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.arg("eval").args(arguments).output().unwrap()
}

fn said(arguments: &[&str]) -> String {
    let done = eval(arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The least that words alone may come to, a little below what they do. Raise them with the figures.
const FLOORS: [(&str, f64); 4] = [("recall", 0.53), ("mrr", 0.42), ("ndcg", 0.43), ("found", 0.54)];

// Planted fault: stop words counted like others (`is_stop_word` always false).
#[test]
fn the_page_has_the_figures_of_words_alone_and_they_are_above_the_floor() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/evaluation.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = said(&["--no-embeddings"]);
    for row in table.lines().filter(|line| line.starts_with('|')) {
        assert!(page.contains(row), "docs/evaluation.md has no row {row}\n{table}");
    }
    let figures: Value = serde_json::from_str(&said(&["--no-embeddings", "--json"])).unwrap();
    for (name, least) in FLOORS {
        let got = figures["all"][name].as_f64().unwrap();
        assert!(got >= least, "{name} is {got}, less than {least}");
    }
    assert_eq!(figures["k"], 5);
}

#[test]
fn a_set_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("manifest.toml", "[[document]]\nfile = \"a.md\"\ntype = \"guide\"\ntitle = \"A\"\n");
    write("a.md", "# A\n## Cats\nThey purr.\n## Dogs\nThey bark.\n");
    write(
        "q.jsonl",
        "{\"question\":\"who does bark\",\"kind\":\"easy\",\"relevant\":[{\"source\":\"a.md\",\"heading\":\"Dogs\"}]}\n",
    );
    let place = folder.path().to_str().unwrap();
    let questions = format!("{place}/q.jsonl");
    let own = ["--no-embeddings", "--json", "--k", "1", "--knowledge", place, "--questions", &questions];
    let figures: Value = serde_json::from_str(&said(&own)).unwrap();
    assert_eq!((&figures["all"]["ndcg"], &figures["kinds"]["easy"]["questions"]), (&1.0.into(), &1.into()));
    // A label that names nothing is a mistake of the set and not a miss.
    write("q.jsonl", "{\"question\":\"x\",\"relevant\":[{\"source\":\"a.md\",\"heading\":\"Birds\"}]}\n");
    let done = eval(&own);
    assert_eq!(done.status.code(), Some(2));
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(why.contains("a.md has no section `Birds`"), "{why}");
    // Without the model it does not quietly measure something else.
    let done = eval(&["--models", place]);
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("--no-embeddings"));
}
