//! The pages say what the code does: the table of error codes in `docs/protocol/native.md`.

use std::collections::HashSet;

use headwater_core::Code;

/// The rows of the table, each as its cells but the last, which is prose.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let (_, section) =
        page.split_once("\n## Error codes\n").expect("the page has its section of error codes");
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).take(5).collect()).collect()
}

#[test]
fn docs_the_table_of_error_codes_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol/native.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = rows(&page);
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    for code in Code::ALL {
        let row = vec![
            format!("`{code}`"),
            code.http_status().to_string(),
            code.close_code().to_string(),
            yes(code.retryable()),
            yes(code.reconnect()),
        ];
        assert!(rows.iter().any(|r| *r == row), "{path} has no row {row:?}");
    }
    let words: HashSet<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(
        (rows.len(), words.len()),
        (Code::ALL.len(), Code::ALL.len()),
        "a code twice, or one that is none"
    );
}
