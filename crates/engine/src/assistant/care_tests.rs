//! The shipped privacy, hand-off and trees, and files with mistakes in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::handoff::Reason;
use super::*;
use crate::mask::Kind;

fn shipped() -> Assistant {
    Assistant::parse(SHIPPED).unwrap_or_else(|p| panic!("{}", p.join("\n")))
}

/// A file with one agent and whatever else is given.
fn with(rest: &str) -> Result<Assistant, Vec<String>> {
    Assistant::parse(&format!(
        "name = \"a\"\ntitle = \"A\"\ndescription = \"A\"\ndefault = \"fix\"\nknowledge = \"k\"\n\
         [[agent]]\nname = \"fix\"\nintent = \"FIX\"\ntitle = \"Fix\"\nprompt = \"Fix.\"\n{rest}"
    ))
}

#[test]
fn everything_is_masked_until_somebody_decides_otherwise() {
    assert_eq!(with("").unwrap().masks, Kinds::ALL);
    assert_eq!(shipped().masks, Kinds::ALL);
    assert_eq!(with("[privacy]\nmask = []").unwrap().masks, Kinds::NONE);
    assert_eq!(with("[privacy]\nmask = [\"vin\"]").unwrap().masks, Kinds::NONE.with(Kind::Vin));
    let problems = with("[privacy]\nmask = [\"e-mail\", \"vin\", \"name\"]").unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("\"e-mail\"") && problems[0].contains("email, phone, card, ssn, vin"));
}

#[test]
fn reasons_come_in_the_order_of_the_contract() {
    let rules = shipped().handoff.unwrap();
    let all = "I want to talk to a human about my lawyer";
    assert_eq!(rules.reason(all, 0.69, true), Some(Reason::LowConfidence));
    assert_eq!(rules.reason(all, 0.7, true), Some(Reason::UserRequest));
    assert_eq!(rules.reason("my lawyer says", 0.9, true), Some(Reason::SensitiveTopic));
    assert_eq!(rules.reason("my brakes", 0.9, true), Some(Reason::SafetyConcern));
    assert_eq!(rules.reason("my brakes", 0.9, false), None);
    for text in ["Give me a real person!", "can I speak to someone?", "HUMAN", "Call me back"] {
        assert_eq!(rules.reason(text, 1.0, false), Some(Reason::UserRequest), "{text}");
    }
    for text in ["I was injured", "I want a refund", "We complained twice", "I will see you in court"] {
        assert_eq!(rules.reason(text, 1.0, false), Some(Reason::SensitiveTopic), "{text}");
    }
}

#[test]
fn hand_off_is_switched_off_by_leaving_it_out_or_saying_so() {
    assert_eq!(with("").unwrap().handoff, None);
    assert_eq!(with("[handoff]\nenabled = false\nphrases = [\"human\"]").unwrap().handoff, None);
    let rules = with("[handoff]\nthreshold = 0.2").unwrap().handoff.unwrap();
    assert_eq!(rules.reason("x", 0.1, false), Some(Reason::LowConfidence));
    assert!(!rules.message(Reason::SafetyConcern).is_empty());
    let wrong = "[handoff]\nthreshold = 2\nphrases = [\"?\"]\ntopics = [\"\"]\n[handoff.messages]\nuser_request = \" \"";
    let problems = with(wrong).unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:?}");
}

/// Questions on which a person would be bothered for nothing must be few. What is measured is the router's
/// margin alone, as with the tiny model.
#[test]
fn most_ordinary_questions_are_sure_enough() {
    let a = shipped();
    let rules = a.handoff.clone().unwrap();
    let labelled = include_str!("../../assets/eval/routing.tsv").lines().filter_map(|l| l.split_once('\t'));
    let labelled: Vec<String> = labelled.map(|(_, q)| q.to_owned()).collect();
    let asked = include_str!("../../assets/eval/questions.jsonl").lines();
    let asked: Vec<serde_json::Value> = asked.map(|l| serde_json::from_str(l).unwrap()).collect();
    let asked = |kind: &str| -> Vec<String> {
        let of = asked.iter().filter(|q| q["kind"] == kind);
        of.map(|q| q["question"].as_str().unwrap().to_owned()).collect()
    };
    let mut shares = Vec::new();
    for (name, questions) in
        [("suggestions", a.suggestions.clone()), ("labelled", labelled), ("paraphrases", asked("paraphrase"))]
    {
        let unsure: Vec<_> = questions
            .iter()
            .map(|q| (q, a.route(q)))
            .filter(|(q, r)| rules.reason(q, r.confidence, false) == Some(Reason::LowConfidence))
            .map(|(q, r)| format!("{q} ({:.2})", r.confidence))
            .collect();
        let sure = 1.0 - unsure.len() as f64 / questions.len() as f64;
        println!("{name}: {:.0} % of {} at 0.7 or more; below: {unsure:#?}", sure * 100.0, questions.len());
        let people = questions.iter().filter_map(|q| rules.reason(q, 1.0, false)).count();
        assert_eq!(people, 0, "{name}: a person is asked for where nobody wants one");
        shares.push(sure);
    }
    assert!(shares[0] == 1.0 && shares[1] >= 0.85 && shares[2] >= 0.7, "{shares:?}");
}

/// A number that is to decide about people must mean something: what is sure is right.
#[test]
fn what_the_router_is_sure_of_is_right() {
    let a = shipped();
    let labelled = include_str!("../../assets/eval/routing.tsv").lines().filter_map(|l| l.split_once('\t'));
    let mut all: Vec<(String, String)> =
        labelled.map(|(agent, q)| (q.into(), agent.to_uppercase())).collect();
    for line in include_str!("../../assets/eval/questions.jsonl").lines() {
        let q: serde_json::Value = serde_json::from_str(line).unwrap();
        if q["kind"] == "paraphrase" {
            all.push((q["question"].as_str().unwrap().into(), q["intent"].as_str().unwrap().into()));
        }
    }
    let right = |sure: bool| {
        let of =
            all.iter().map(|(q, intent)| (a.route(q), intent)).filter(|(r, _)| (r.confidence >= 0.7) == sure);
        let of: Vec<bool> = of.map(|(r, intent)| r.agent.intent == *intent).collect();
        of.iter().filter(|right| **right).count() as f64 / of.len() as f64
    };
    let (sure, unsure) = (right(true), right(false));
    println!("right: {:.1} % at 0.7 or more, {:.1} % below", sure * 100.0, unsure * 100.0);
    assert!(sure >= 0.97 && sure > unsure, "{sure} {unsure}");
}
