//! The page that users read names everything there is.

use headwater_fake_provider::{Failure, Fake, Format, Script};

use crate::client::{ask, get};

// Planted fault: a knob's row taken out of the page.
#[tokio::test]
async fn every_knob_failure_and_field_of_a_record_is_on_the_page() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/testing.md")).unwrap();
    let named = |name: &str| assert!(page.contains(&format!("`{name}`")), "docs/testing.md: `{name}`");
    let fake = Fake::start(Script::default()).await.unwrap();
    ask(&fake, Format::OpenAi).await;
    let script = get(&fake, "/_fake/script").await.json();
    script.as_object().unwrap().keys().for_each(|k| named(k));
    let calls = get(&fake, "/_fake/calls").await.json();
    for row in [&calls, &calls["calls"][0]] {
        for name in row.as_object().unwrap().keys().filter(|k| !["calls", "number"].contains(&k.as_str())) {
            named(name);
        }
    }
    let kinds = [
        "hang",
        "drop",
        "error",
        "error-field",
        "end",
        "cut",
        "reset",
        "stall",
        "stall-pings",
        "malformed",
        "huge",
    ];
    for kind in kinds {
        named(kind);
        let failure = serde_json::to_value(Failure::named(kind, 0).unwrap()).unwrap();
        named(failure["kind"].as_str().unwrap());
    }
    Format::ALL.into_iter().for_each(|f| named(f.name()));
}
