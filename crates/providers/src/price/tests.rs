use headwater_core::port::provider::{Cost, Usage};
use proptest::prelude::*;

use super::*;

fn flat(input: u64, output: u64) -> Price {
    Price { input, output, cached: None, cache_write: None }
}

// Planted faults: a float in between, cut instead of read; seven decimals.
#[test]
fn dollars_are_exactly_as_written() {
    for (written, millionths) in [
        ("0", 0),
        ("3", 3_000_000),
        ("3.00", 3_000_000),
        ("0.07", 70_000),
        ("0.075", 75_000),
        ("0.000001", 1),
        ("18.750000", 18_750_000),
        ("1_000.5", 1_000_500_000),
        ("100000", 100_000_000_000),
    ] {
        let table = PriceTable::read(&format!("[p]\nm = {{ input = {written}, output = 1 }}")).unwrap();
        assert_eq!(table.price("p", "m"), Some(flat(millionths, 1_000_000)), "{written}");
    }
    for wrong in ["-1", "+1.0", "0.0000001", "1e3", "inf", "nan", "\"3\"", "true", "0x10", "100000.1", "[1]"]
    {
        let problems = PriceTable::read(&format!("[p]\nm = {{ input = {wrong}, output = 1 }}")).unwrap_err();
        assert_eq!(problems.len(), 1, "{wrong}: {problems:?}");
        assert!(problems[0].starts_with("line 2: `input` is dollars"), "{wrong}: {problems:?}");
    }
}

// Planted faults: any beginning taken for the model; the shortest star first.
#[test]
fn a_dated_name_is_its_model_and_another_model_is_not() {
    let table = PriceTable::read(
        r#"
        [a]
        "m" = { input = 1, output = 1 }
        "m-5" = { input = 2, output = 2 }
        "m-5-0613" = { input = 3, output = 3 }
        [b]
        "*" = { input = 4, output = 4 }
        "big-*" = { input = 5, output = 5 }
        "big-m" = { input = 6, output = 6 }
        "#,
    )
    .unwrap();
    let of = |provider, model| table.price(provider, model).map(|p| p.input / 1_000_000);
    for (model, price) in [
        ("m", Some(1)),
        ("m-20250929", Some(1)),
        ("m@20250929", Some(1)),
        ("m-2025-04-14", Some(1)),
        ("m-09-2025", Some(1)),
        ("m-001", Some(1)),
        ("m-5-20250929", Some(2)),
        ("m-5-0613", Some(3)),
        ("m-5-0614", Some(2)),
        ("m-6", None),
        ("m-mini", None),
        ("m-5-mini", None),
        ("m20250929", None),
        ("n-20250929", None),
        ("20250929", None),
        ("-20250929", None),
        ("水-0613", None),
        ("", None),
    ] {
        assert_eq!(of("a", model), price, "{model}");
    }
    assert_eq!([of("b", "x"), of("b", "big-x"), of("b", "big-m")], [Some(4), Some(5), Some(6)]);
    assert_eq!(of("c", "m"), None);
}

#[test]
fn what_is_embedded_is_read_whole_and_knows_the_presets() {
    let table = PriceTable::read(EMBEDDED).unwrap();
    assert_eq!(table, PriceTable::embedded());
    assert!(table.len() > 60 && !table.is_empty());
    for (provider, model, usage, cost) in [
        ("anthropic", "claude-sonnet-4-5-20250929", Usage::of(1_000_000, 100_000), 4.5),
        ("anthropic", "claude-opus-4-20250514", Usage::of(1_000_000, 0), 15.0),
        ("anthropic", "claude-opus-4-1-20250805", Usage::of(1_000_000, 0), 15.0),
        ("openai", "gpt-4.1-mini-2025-04-14", Usage::of(1_000_000, 1_000_000), 2.0),
        ("openai", "gpt-4o-2024-05-13", Usage::of(1_000_000, 0), 5.0),
        ("openai", "gpt-4o-2024-08-06", Usage::of(1_000_000, 0), 2.5),
        ("groq", "llama-3.3-70b-versatile", Usage::of(1_000_000, 0), 0.59),
        ("ollama", "whatever:7b", Usage::of(9, 9), 0.0),
    ] {
        let price = table.price(provider, model).unwrap();
        assert_eq!(price.of(&usage), Cost::from_dollars(cost), "{model}");
    }
    for (provider, model) in
        [("openai", "gpt-5-pro"), ("openai", "o3-pro"), ("openrouter", "openai/gpt-4.1-mini")]
    {
        assert_eq!(table.price(provider, model), None, "unknown, rather than wrong: {model}");
    }
    // A cache is never dearer to read than a prompt, and its writing never cheaper.
    for (model, price) in table.rows.values().flatten() {
        assert!(price.cached.is_none_or(|c| c <= price.input), "{model}");
        assert!(price.cache_write.is_none_or(|c| c >= price.input), "{model}");
        assert!(price.output >= price.input, "{model}");
    }
    let source = EMBEDDED.matches("# source: https://").count();
    assert_eq!(source, 6, "every vendor names its page");
}

#[test]
fn a_later_file_replaces_rows_and_leaves_the_others() {
    let own = PriceTable::read(
        "[openai]\n\"gpt-4.1\" = { input = 1, output = 2 }\n[mine]\n\"*\" = { input = 0, output = 0 }",
    );
    let table = PriceTable::embedded().and(own.unwrap());
    assert_eq!(table.price("openai", "gpt-4.1-2025-04-14"), Some(flat(1_000_000, 2_000_000)));
    assert_eq!(table.price("openai", "gpt-4.1-mini").unwrap().input, 400_000);
    assert_eq!(table.price("mine", "x"), Some(flat(0, 0)));
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_bounded() {
    let problems = PriceTable::read(
        "version = 2\n[a]\nm = 3\nn = { input = 1 }\no = { input = 1, output = 1, inptu = 2 }\n\"x*y\" = { input = 1, output = 1 }\n\"\" = { input = 1, output = 1 }\np = { input = -1, output = \"\" }\n",
    )
    .unwrap_err();
    let lines: Vec<&str> = problems.iter().map(|p| p.split(':').next().unwrap()).collect();
    assert_eq!(problems.len(), 8, "{problems:#?}");
    for line in ["line 1", "line 3", "line 4", "line 5", "line 6", "line 7", "line 8"] {
        assert!(lines.contains(&line), "{line}: {problems:#?}");
    }
    let many = (0..100).map(|n| format!("a{n} = 1\n")).collect::<String>();
    let problems = PriceTable::read(&many).unwrap_err();
    assert_eq!((problems.len(), problems[limit::PRICES_PROBLEMS].as_str()), (21, "and 80 more"));
    assert_eq!(PriceTable::read(&"#".repeat(limit::PRICES_BYTES + 1)).unwrap_err().len(), 1);
    let rows = (0..=limit::PRICES_ROWS).map(|n| format!("a{n}={{input=1,output=1}}\n")).collect::<String>();
    assert_eq!(PriceTable::read(&format!("[p]\n{rows}")).unwrap_err().len(), 1);
    assert_eq!(PriceTable::read("[a]\nm = {").unwrap_err().len(), 1);
    assert_eq!(PriceTable::read("").unwrap(), PriceTable::default());
}

proptest! {
    #[test]
    fn no_text_and_no_name_is_a_panic(text in ".{0,200}", model in ".{0,40}") {
        let _ = PriceTable::read(&text);
        let _ = PriceTable::read(&format!("[a]\n\"m\" = {text}"));
        let _ = PriceTable::embedded().price("openai", &model);
    }
}
