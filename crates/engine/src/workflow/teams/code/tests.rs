#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;

/// The pieces of this answer in these parts, and the code.
fn read<'a>(parts: impl IntoIterator<Item = &'a str>) -> (Vec<Piece>, String) {
    let (mut reader, mut out) = (Reader::default(), Vec::new());
    parts.into_iter().for_each(|part| reader.push(part, &mut out));
    let code = reader.finish(&mut out);
    (out, code)
}

/// Code since the last beginning, prose, and how often it began anew.
fn sum(pieces: &[Piece]) -> (String, String, usize) {
    let mut sum = (String::new(), String::new(), 0);
    for piece in pieces {
        match piece {
            Piece::Code(text) | Piece::Prose(text) if text.is_empty() => panic!("an empty piece"),
            Piece::Code(text) => sum.0.push_str(text),
            Piece::Prose(text) => sum.1.push_str(text),
            Piece::Anew => {
                sum.0.clear();
                sum.2 += 1;
            }
        }
    }
    sum
}

fn code(text: &str) -> String {
    let (pieces, code) = read([text]);
    assert_eq!(sum(&pieces).0, code);
    code
}

/// The parts into which these numbers cut a text.
fn cut<'a>(text: &'a str, sizes: &[usize]) -> Vec<&'a str> {
    let (mut rest, mut parts, mut n) = (text, Vec::new(), 0);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.ceil_char_boundary(sizes[n % sizes.len()].max(1)));
        parts.push(part);
        (rest, n) = (after, n + 1);
    }
    parts
}

#[test]
fn what_stands_in_fences_is_code() {
    for (answer, expected) in [
        ("Here it is:\n\n```jsx\nconst a = 1;\n```\nEnjoy!", "const a = 1;"),
        ("```\n\n\na\n\nb\n\n```", "a\n\nb"),
        ("~~~js\n```\n~~~\n", "```"),
        ("````md\n```js\nx\n```\n````", "```js\nx\n```"),
        ("1. First\n   ```js\n   x\n   ```\n", "   x"),
        ("```js\nunclosed(", "unclosed("),
        ("```js\r\na;\r\nb;\r\n```\r\n", "a;\r\nb;"),
        ("```html\n<p>a</p>\n```\nand\n```css\np {}\n```", "<p>a</p>\n\np {}"),
        (
            "```js title=\"src/App.js\"\na\n```\n```css:app.css\nb\n```",
            "// src/App.js\na\n\n/* app.css */\nb",
        ),
        ("```vue App.vue\na\n```", "<!-- App.vue -->\na"),
        ("```json package.json\n{}\n```", "{}"),
        ("```js --> x.js\na\n```", "a"),
        ("```bash\nnpm i\n```\n```js\na\n```", "a"),
        ("Type this:\n```bash\nnpm i\n```\n", "npm i"),
        ("``inline`` and ```more``` words.\n```js\na\n```", "a"),
        ("```js\n    ```\nb\n```", "    ```\nb"),
        ("```js\n```\nNothing.", ""),
        ("", ""),
        ("\n \n", " "),
    ] {
        assert_eq!(code(answer), expected, "{answer}");
    }
}

// Planted faults: only what looks like code kept; the prose before a fence passed on as code.
#[test]
fn an_answer_without_a_fence_is_all_code() {
    for answer in
        ["export default function A() {\n  return <p/>;\n}", "Sorry.\nconst a = 1;\nb", "Only words.", "`a`"]
    {
        assert_eq!(code(answer), answer);
        assert_eq!(sum(&read([answer]).0).1, "");
    }
    let long = "Words and words.\n".repeat(limit::CODE_HELD_BYTES / 10);
    assert_eq!(code(&long), long.trim_end());
}

#[test]
fn a_fence_after_what_only_seemed_to_be_code_begins_anew() {
    let (pieces, code) = read(["<Form> is wanted.\nSo here it is, in words.\nAnd more:\n```jsx\n<p/>\n```"]);
    assert_eq!(
        sum(&pieces),
        ("<p/>".into(), "<Form> is wanted.\nSo here it is, in words.\nAnd more:".into(), 1)
    );
    assert_eq!(code, "<p/>");
    // A long line is judged by its beginning, or it would be judged otherwise where it comes at once.
    assert_eq!(super::tests::code(&format!("{};\n```js\na\n```", "word ".repeat(60))), "a");
    // What is code without a fence stays so, with what is shown of its use.
    let answer = "const a = 1;\nconst b = 2;\n\nUse it so:\n```js\nb()\n```";
    assert_eq!(super::tests::code(answer), answer);
}

// Planted fault: lines held until they end.
#[test]
fn code_is_live() {
    for (before, live) in
        [("Here:\n```js\n", "const a"), ("import a from 'a';\n", "const a"), ("```\n", "` x")]
    {
        let (mut reader, mut out) = (Reader::default(), Vec::new());
        reader.push(before, &mut out);
        for n in 1..=live.len() {
            reader.push(&live[n - 1..n], &mut out);
            let shown = sum(&out).0;
            assert!(shown.ends_with(&live[..n]) || live[..n] == *"`", "{shown:?} {n}");
        }
    }
}

fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => "[ a-z{}();=<>.:]{0,24}",
        1 => "[`~ ]{0,6}[a-z. ]{0,8}",
        1 => Just("```js".to_owned()),
        1 => Just("```".to_owned()),
        1 => Just("```bash".to_owned()),
        1 => Just("  ~~~ ts a.ts".to_owned()),
        1 => Just("const a = 1;\r".to_owned()),
        2 => "[a-zé` ]{240,280};?",
        1 => Just("wörds ".repeat(limit::CODE_HELD_BYTES / 40)),
    ];
    (prop::collection::vec(line, 0..24), any::<bool>())
        .prop_map(|(lines, end)| lines.join("\n") + if end { "\n" } else { "" })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    // Planted faults: a fence looked for in every piece rather than line; the held line forgotten at the end;
    // a long line judged by its end.
    #[test]
    fn any_cut_gives_the_same_and_the_pieces_are_the_code(
        text in lines(),
        sizes in prop::collection::vec(1usize..40, 1..8),
    ) {
        let (whole, code) = read([text.as_str()]);
        let (cut, cut_code) = read(cut(&text, &sizes));
        prop_assert_eq!(&code, &cut_code);
        prop_assert_eq!(&sum(&whole), &sum(&cut));
        prop_assert_eq!(&sum(&whole).0, &code);
    }

    #[test]
    fn without_marks_all_is_code(
        text in "[a-z{};= \n]{0,400}",
        sizes in prop::collection::vec(1usize..40, 1..8),
    ) {
        prop_assert_eq!(read(cut(&text, &sizes)).1, text.trim_matches('\n'));
    }

    #[test]
    fn one_block_is_exactly_what_stands_in_it(
        before in "[A-Z][a-z ]{0,40}\\.",
        inside in "[a-z]([a-z{}; \n]{0,200}[a-z;])?",
        after in "[A-Z][a-z ]{0,40}\\.",
        sizes in prop::collection::vec(1usize..40, 1..8),
    ) {
        let text = format!("{before}\n```js\n{inside}\n```\n{after}");
        let (pieces, code) = read(cut(&text, &sizes));
        prop_assert_eq!(&code, &inside);
        prop_assert_eq!(sum(&pieces), (inside, format!("{before}\n{after}"), 0));
    }
}
