//! The shipped assistant against its labelled questions, and files with mistakes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn shipped() -> Assistant {
    Assistant::parse(SHIPPED).unwrap_or_else(|p| panic!("{}", p.join("\n")))
}

/// Every labelled question, and the questions of the retrieval set that stand on their own.
fn labelled(a: &Assistant) -> Vec<(String, String)> {
    let line = |l: &str| l.split_once('\t').map(|(agent, q)| (q.to_owned(), agent.to_owned()));
    let mut all: Vec<_> = include_str!("../../assets/eval/routing.tsv").lines().filter_map(line).collect();
    assert!(all.len() >= 60, "only {} labelled questions", all.len());
    for q in eval() {
        if q["kind"] == "keyword" {
            continue; // a bare figure says nothing about who should answer
        }
        let agent =
            a.agents().iter().find(|a| q["intent"] == a.intent.as_str()).expect("an intent of an agent");
        // A follow-up is routed by the question alone only when it says enough; the set has none that must.
        if q["previous"].is_null() {
            all.push((q["question"].as_str().expect("a question").to_owned(), agent.name.clone()));
        }
    }
    all
}

fn eval() -> Vec<serde_json::Value> {
    let lines = include_str!("../../assets/eval/questions.jsonl").lines();
    lines.map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

#[test]
fn labelled_questions_go_to_their_agent() {
    let a = shipped();
    let mut wrong = Vec::new();
    for line in include_str!("../../assets/eval/routing.tsv").lines() {
        let (agent, question) = line.split_once('\t').expect("a tab");
        let routed = a.route(question);
        if routed.agent.name != agent {
            wrong.push(format!("{question:?} went to {} by {:?}", routed.agent.name, routed.matched));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The retrieval set is phrased to avoid the obvious words, so a few misses are honest; a drop is not.
#[test]
fn most_paraphrased_questions_go_to_their_agent() {
    let a = shipped();
    let all = labelled(&a);
    let missed: Vec<_> = all.iter().filter(|(q, agent)| a.route(q).agent.name != *agent).collect();
    assert!(missed.len() * 20 <= all.len(), "{} of {}: {missed:#?}", missed.len(), all.len());
}

#[test]
fn confidence_is_measured() {
    let a = shipped();
    let nothing = a.route("Hello");
    assert_eq!((nothing.intent, nothing.confidence, nothing.matched.len()), ("SPECS", 0.0, 0));
    let sure = a.route("My car won't start and there is smoke").confidence;
    let torn = a.route("Schedule an appointment because of a problem with the smoke").confidence;
    assert!(sure > 0.9 && sure < 1.0 && torn < 0.7, "{sure} {torn}");
}

#[test]
fn a_reply_counts_when_it_names_one_intent() {
    let a = shipped();
    let name = |reply| a.classified(reply).map(|a| a.name.as_str());
    assert_eq!(name("MAINTENANCE"), Some("maintenance"));
    assert_eq!(name(" Specs.\n"), Some("specs"));
    assert_eq!(name("SPECS or TROUBLESHOOT"), None);
    assert_eq!(name("I cannot say"), None);
}

#[test]
fn safety_words_match_in_any_form_and_never_inside_another_word() {
    let a = shipped();
    for text in [
        "my brake has a problem",
        "BRAKES!",
        "while braking",
        "it braked late",
        "the brake's pad",
        "handbrake",
    ] {
        assert!(a.safety(text).is_some_and(|t| t.starts_with("Brake issues")), "{text}");
    }
    for text in
        ["smoking hood", "fires", "steers badly", "the steering", "airbags", "air bag", "it is on fire."]
    {
        assert!(a.safety(text).is_some(), "{text}");
    }
    for text in
        ["the engine misfires", "a firewall", "How heavy is it?", "breaking in", "campfire", "steam", ""]
    {
        assert_eq!(a.safety(text), None, "{text}");
    }
    assert!(a.safety("smoke and fire at the brake").is_some_and(|t| t.contains("fire can kill")));
}

#[test]
fn the_prefix_is_as_observed_and_only_for_its_agents() {
    let a = shipped();
    let text = "my brake has a problem";
    assert_eq!(
        a.safety_prefix("troubleshoot", text).as_deref(),
        Some(
            "⚠️ **SAFETY WARNING**: Brake issues can be life-threatening. If you're unsure about your brakes, do \
             not drive the vehicle.\n\n"
        )
    );
    assert_eq!(a.safety_prefix("specs", "What brakes does it have?"), None);
    let warned = format!("{}Check the pads.", a.safety_prefix("troubleshoot", text).unwrap());
    assert_eq!(a.unwarned(&warned), "Check the pads.");
    assert_eq!(a.unwarned("⚠️ **SAFETY WARNING**: other"), "⚠️ **SAFETY WARNING**: other");
}

/// The route decides whether a warning is shown, so a vague sentence about a dangerous part must reach it.
#[test]
fn a_vague_danger_is_routed_to_its_warning() {
    let a = shipped();
    for text in [
        "The pedal goes soft when I brake",
        "Steering feels heavy",
        "I can't brake",
        "airbag came out",
        "fire!",
    ] {
        let agent = &a.route(text).agent.name;
        assert!(a.safety_prefix(agent, text).is_some(), "{text} went to {agent}");
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = SHIPPED
        .replace("name = \"assist\"", "name = \"As sist\"")
        .replace("default = \"specs\"", "default = \"nobody\"")
        .replace("top_k = 5", "top_k = 0")
        .replace("temperature = 0.0", "temperature = nan")
        .replace("weight = 5\nwords = [\n  \"app", "weight = -1\nwords = [\n  \"app")
        .replace("\"smoke\", \"flame\"", "\"smoke\", \"Smoking\", \"?\"")
        .replace("{text}", "");
    let problems = Assistant::parse(&text).unwrap_err();
    let about = ["As sist", "nobody", "top_k", "temperature", "weight -1", "Smoking", "\"?\"", "{text}"];
    assert_eq!(problems.len(), about.len(), "{problems:#?}");
    for word in about {
        assert!(problems.iter().any(|p| p.contains(word)), "{word}: {problems:#?}");
    }
}

#[test]
fn unknown_keys_are_refused_by_name() {
    let problems = Assistant::parse(&SHIPPED.replace("top_k", "topk")).unwrap_err();
    assert!(problems[0].contains("topk"), "{problems:?}");
    assert!(Assistant::parse("").is_err());
    assert!(Knowledge::parse("[[document]]\nfile = \"../x\"\ntype = \"a\"\ntitle = \"b\"").is_err());
}

/// The local model has 60 tokens for a constant prompt; English has about 4.2 letters a token there.
#[test]
fn prompts_are_short_enough_for_the_local_model() {
    for agent in shipped().agents() {
        assert!(agent.prompt.len() <= 250, "{} has {}", agent.name, agent.prompt.len());
    }
}

#[test]
fn the_manifest_lists_the_shipped_documents_in_order() {
    let manifest = Knowledge::parse(SHIPPED_MANIFEST).expect("a manifest");
    let files: Vec<_> = manifest.documents.iter().map(|d| d.file.as_str()).collect();
    assert_eq!(files, SHIPPED_DOCUMENTS.map(|(name, _)| name));
}

/// A document that is edited must not leave a labelled question without its passage.
#[test]
fn labelled_passages_exist_and_hold_the_answers() {
    let section = |source: &str, heading: &str| -> Option<String> {
        let (_, text) = SHIPPED_DOCUMENTS.iter().find(|(name, _)| *name == source)?;
        let (_, rest) = text.split_once(&format!("\n### {heading}\n"))?;
        rest.split("\n#").next().map(|body| format!("{heading}\n{body}").to_lowercase())
    };
    for q in eval() {
        let mut passages = String::new();
        for r in q["relevant"].as_array().expect("passages") {
            let (source, heading) =
                (r["source"].as_str().expect("source"), r["heading"].as_str().expect("heading"));
            passages += &section(source, heading).unwrap_or_else(|| panic!("{source} has no \"{heading}\""));
        }
        for answer in q["answer_contains"].as_array().expect("answers") {
            let answer = answer.as_str().expect("text").to_lowercase();
            assert!(passages.contains(&answer), "{answer:?} is not in the passages of {}", q["question"]);
        }
    }
}

#[test]
fn a_workshops_problems_are_reported_at_once() {
    let text = SHIPPED
        .replace("zone = \"UTC\"", "zone = \"Mars/Olympus\"")
        .replace("bays = 2", "bays = 0")
        .replace("days_ahead = 90", "days_ahead = 4000")
        .replace("dates = \"month_first\"", "dates = \"mixed\"")
        .replace("monday = \"08:00-18:00\"", "monday = \"18:00-08:00\"")
        .replace("saturday = \"08:00-12:00\"", "caturday = \"08:00-12:00\"\nsunday = \"08:00-09:00\"")
        .replace("\"cabin filter\"", "\"oil changes\"")
        .replace("price = \"from $49\"", "price = 49")
        .replace("price = \"from $35\"", "price = \"35\"")
        .replace("minutes = 120\n\n", "minutes = 121\n\n")
        .replace("name = \"Spark plugs\"", "name = \"Spark plugs\"\ngeneral = true")
        .replace("\"get_service_pricing\"]", "\"get_service_pricing\", \"fly\", \"cancel_appointment\"]");
    let problems = Assistant::parse(&text).unwrap_err();
    let about = [
        "Mars/Olympus",
        "bays",
        "4000",
        "mixed",
        "18:00-08:00",
        "caturday",
        "sunday",
        "oil changes",
        "price 49",
        "\"35\"",
        "121 minutes",
        "general",
        "\"fly\"",
        "stands twice",
    ];
    for word in about {
        assert!(problems.iter().any(|p| p.contains(word)), "{word}: {problems:#?}");
    }
    assert_eq!(problems.len(), about.len(), "{problems:#?}");
    let without = SHIPPED.split("# What the tools of the maintenance").next().unwrap();
    assert!(Assistant::parse(without).unwrap_err()[0].contains("no [workshop]"));
}

#[test]
fn zones_and_prices_are_read_as_they_are_written() {
    use headwater_core::Millis;
    let noon = Millis(1_796_212_800_000); // 2026-12-02T12:00Z
    for (zone, time) in [
        ("UTC", "12:00"),
        ("+02:00", "14:00"),
        ("-03:30", "08:30"),
        ("Europe/Berlin", "13:00"),
        ("America/New_York", "07:00"),
    ] {
        let text = SHIPPED.replace("zone = \"UTC\"", &format!("zone = \"{zone}\""));
        let shop = Assistant::parse(&text).unwrap().workshop.unwrap();
        assert_eq!(shop.local(noon).strftime("%H:%M").to_string(), time, "{zone}");
    }
    for zone in ["+2", "+25:00", "+02:60", "", "+0200"] {
        let text = SHIPPED.replace("zone = \"UTC\"", &format!("zone = \"{zone}\""));
        assert!(Assistant::parse(&text).is_err(), "{zone}");
    }
    let priced = |price: &str| {
        let text = SHIPPED.replace("price = \"from $49\"", price);
        Assistant::parse(&text).unwrap().workshop.unwrap().service("brake inspection").unwrap().price.clone()
    };
    assert_eq!(priced("price = 49\ncurrency = \"EUR\""), "49 EUR");
    assert_eq!(priced("price = 49.5\ncurrency = \"EUR\""), "49.50 EUR");
    assert_eq!(priced("price = \"free\""), "free");
}

/// What the documents say of a service and what the tools do must not differ.
#[test]
fn the_shipped_workshop_agrees_with_the_documents() {
    let shop = shipped().workshop.unwrap();
    let document = |name| SHIPPED_DOCUMENTS.iter().find(|(n, _)| *n == name).unwrap().1;
    let guide = document("maintenance_guide_genautox1.md");
    let basic = shop.service("Basic service").unwrap();
    assert!(guide.contains(&format!("A basic service takes about {} minutes.", basic.minutes.unwrap())));
    assert!(guide.contains(&format!("without charge up to {} hours before", shop.cancel_hours)));
    let faq = document("faq_genautox1.md");
    assert!(faq.contains("The price of a service depends on the mileage and on the dealer."));
    assert!(shop.price_note.contains("depends on the mileage and on the dealer"));
    assert!(shop.services.iter().all(|s| s.price.starts_with("from ")));
}
