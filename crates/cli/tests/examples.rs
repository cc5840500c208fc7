//! Every assistant in `examples/` can be used as it stands, and sends its own suggestions somewhere for a reason.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use headwater_engine::assistant::{Assistant, Knowledge};

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("assistant.toml"));
    files.filter(|file| file.is_file()).collect()
}

#[test]
fn every_example_is_whole() {
    let files = examples();
    assert!(!files.is_empty());
    for file in files {
        let assistant = Assistant::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let manifest = file.parent().unwrap().join(&assistant.knowledge);
        let knowledge = Knowledge::parse(&std::fs::read_to_string(&manifest).unwrap()).unwrap();
        for document in &knowledge.documents {
            let text = std::fs::read_to_string(manifest.parent().unwrap().join(&document.file)).unwrap();
            assert!(text.starts_with("# "), "{}", document.file);
        }
        for suggestion in &assistant.suggestions {
            assert!(!assistant.route(suggestion).matched.is_empty(), "{}: {suggestion}", file.display());
        }
    }
}

#[test]
fn the_library_sends_questions_to_the_right_desk() {
    let library = include_str!("../../../examples/library/assistant.toml");
    let library = Assistant::parse(library).unwrap();
    for (question, agent) in [
        ("When do you open on Saturday?", "visit"),
        ("How long can I keep a book?", "loans"),
        ("My card does not work", "account"),
        ("Can I renew my loan twice?", "loans"),
    ] {
        assert_eq!(library.route(question).agent.name, agent, "{question}");
    }
    assert!(library.safety("The fire alarm rings!").is_some());
}
