//! Jobs for teams: side by side, each with a model and an account of its own.

use std::sync::Arc;

use headwater_bus::InProcess;
use headwater_core::Error;
use headwater_core::code::Code;
use headwater_core::event::{Body, Outcome};
use headwater_core::limit;
use headwater_core::port::provider::{
    By, ContextBudget, Cost, Delta, FinishReason, ProviderError, ProviderErrorKind, ProviderInfo, Role, Usage,
};
use headwater_engine::ask::{Job, Lesson, Special};
use headwater_engine::engine::From;
use headwater_engine::workflow::Workflow;
use headwater_engine::workflow::teams::{SHIPPED, Teams, TeamsFile};
use headwater_engine::{Engine, Settings, StartRun, Tasks};
use headwater_providers::scripted::stage::{Cues, Stage};
use headwater_store::MemoryStore;
use serde_json::json;

use crate::house::{ann, ask, ending, failure, rest, text};

use crate::yard::{PRICE, Yard, given, info, status, steps, thoughts, used, whole};

// Planted faults: one team after the other; `complete` before the last piece of code; one account for both.
#[tokio::test(start_paused = true)]
async fn teams_work_side_by_side_and_each_in_order() {
    let mut yard = Yard::new();
    let (run, mut a, mut g) = yard.begin().await;
    a.say("Here:\n```tsx\nexport ").await;
    yard.until(&run, |b| matches!(b, Body::CodeDelta { team, .. } if team == "anthropic")).await;
    g.say("```\nlet g;\n").await;
    yard.until(&run, |b| matches!(b, Body::CodeDelta { team, .. } if team == "google")).await;
    a.say("default 1;\n```\nEnjoy.").await;
    a.end_using(FinishReason::Stop, Usage::of(100, 20)).await;
    yard.until(&run, |b| matches!(b, Body::CodeGenerated { team, .. } if team == "anthropic")).await;
    g.say("more();\n```").await;
    g.end_using(FinishReason::Stop, Usage::of(200, 7)).await;
    let log = yard.log(&run).await;
    assert_eq!(ending(&log, 1), Outcome::Completed);
    let order = |first: &str, code: &str, n: usize| {
        let mut order = vec!["thinking", "thought", first];
        order.extend(vec!["thought"; n]);
        order.extend(["generating", "thought", code]);
        order.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let anthropic = steps(&log, "anthropic");
    assert_eq!(anthropic[..7], order("model an", "code export default 1;", 1));
    assert_eq!(anthropic[7..], ["thought", "complete", "whole export default 1;", "thought"]);
    let google = steps(&log, "google");
    assert_eq!(google[..6], order("model goo", "code let g;\nmore();", 0));
    assert_eq!(google[6..], ["complete", "whole let g;\nmore();", "thought"]);
    // Really at the same time: Google's first piece is between two of Anthropic's.
    let deltas: Vec<_> = log
        .iter()
        .filter_map(|e| match &e.body {
            Body::CodeDelta { team, .. } => Some(team.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(deltas[..3], ["anthropic", "google", "anthropic"]);
    let Body::JobStarted { brief, framework, teams, workspace, style } = &log[1].body else {
        panic!("{log:?}")
    };
    assert_eq!(
        (brief.as_str(), framework.as_str(), workspace, style),
        ("A login form", "react", &None, &None)
    );
    let plan: Vec<_> = teams.iter().map(|t| (&*t.team, &*t.provider, &*t.model, t.label.is_none())).collect();
    assert_eq!(plan, [("anthropic", "an", "an-1", true), ("google", "goo", "goo-1", true)]);
    assert!(!log.iter().any(|e| matches!(&e.body, Body::PhaseChanged { .. })));
    assert_eq!(
        text(&log),
        "## Anthropic (an-1)\n\n```tsx\nexport default 1;\n```\n\n## Google (goo-1)\n\n```tsx\nlet g;\nmore();\n```"
    );
    let costs = |i, o| PRICE.of(&Usage::of(i, o));
    assert_eq!(whole(&log, "anthropic").1, 20);
    assert_eq!(whole(&log, "anthropic").2, Usage { cost_usd: costs(100, 20), ..Usage::of(100, 20) });
    assert_eq!(whole(&log, "google").2, Usage { cost_usd: costs(200, 7), ..Usage::of(200, 7) });
    assert_eq!(used(&log), Some(Usage { cost_usd: costs(300, 27), ..Usage::of(300, 27) }));
    let said = thoughts(&log, Some("anthropic"));
    assert_eq!(said[0], "Asks an-1 of an for React code: a brief of 3 words, about 58 tokens of prompt.");
    assert_eq!(said[1..4], ["Here:", "The code begins, 0.0 s after the model was asked.", "Enjoy."]);
    assert_eq!(said[4], "The code has 1 line, 20 tokens written, $0.0003, after 0.0 s.");
}

// Planted fault: the steps told beside the model's own thoughts.
#[tokio::test(start_paused = true)]
async fn what_a_model_thinks_is_its_teams_thought() {
    let mut yard = Yard::new();
    let by = By { provider: "spare".into(), model: "spare-2".into(), label: None, price: None };
    yard.stages[0].speak_as(Some(by));
    let (run, mut a, g) = yard.begin().await;
    a.think("First I look.\n\n".repeat(12)).await;
    yard.until(&run, |b| matches!(b, Body::Thought { text, .. } if text.starts_with("First"))).await;
    a.think("Then I write").await;
    a.think(" it.").await;
    a.say("const a = 1;\n").await;
    a.end_with(FinishReason::Length).await;
    g.end().await;
    let log = yard.log(&run).await;
    let said = thoughts(&log, Some("anthropic"));
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(said[2].ends_with("Then I write it."), "{said:#?}");
    assert!(said[3].ends_with("The answer ended at its token limit: the code may be cut off."), "{said:#?}");
    assert_eq!(whole(&log, "anthropic").0, "const a = 1;");
    assert_eq!(text(&log).matches("First").count(), 0);
    // Whoever really answered.
    assert!(text(&log).contains("## Anthropic (spare-2)"), "{}", text(&log));
}

// Planted faults: the other team dropped with the one that failed; the run completed all the same.
#[tokio::test(start_paused = true)]
async fn a_team_that_fails_fails_alone_and_the_run_says_who() {
    for before in [true, false] {
        let mut yard = Yard::new();
        if before {
            yard.stages[1].refuse_next(ProviderError::new(ProviderErrorKind::Busy, "too many"));
        }
        let run = yard.start(Job::default()).await;
        let mut a = yard.a.next().await;
        if !before {
            let mut g = yard.g.next().await;
            g.say("```\nhalf(\n").await;
            g.fail(ProviderErrorKind::Busy, "too many").await;
        }
        yard.until(&run, |b| matches!(b, Body::TeamFailed { .. })).await;
        assert!(a.say("const a = 1;").await);
        a.end().await;
        let log = yard.log(&run).await;
        assert_eq!((ending(&log, 1), failure(&log)), (Outcome::Failed, "provider_busy".to_owned()));
        let Body::RunEnded { error: Some(error), usage, .. } = &log.last().unwrap().body else { panic!() };
        assert_eq!((error.message.as_str(), error.recoverable), ("team `google`: goo: too many", true));
        let google = steps(&log, "google");
        assert_eq!(google[google.len() - 3..], ["error", "failed provider_busy", "thought"]);
        assert_eq!(whole(&log, "anthropic").0, "const a = 1;");
        assert!(
            text(&log).contains("const a = 1;") && text(&log).contains("This team failed: goo: too many.")
        );
        assert_eq!(text(&log).contains("half("), !before);
        // Whoever was turned away used nothing; whoever broke off, his prompt and what he had written.
        let google = usage.unwrap().input_tokens.unwrap() - 1;
        assert_eq!(google > 0, !before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_teams_all_fail_names_them_all() {
    let mut yard = Yard::new();
    let (run, mut a, mut g) = yard.begin().await;
    a.give(Delta::Refusal("I will not, ann@example.com.".into())).await;
    a.end_with(FinishReason::Stop).await;
    g.say("```\n```").await;
    g.end().await;
    let log = yard.log(&run).await;
    assert_eq!((ending(&log, 1), failure(&log)), (Outcome::Failed, "provider_refused".to_owned()));
    let Body::RunEnded { error: Some(error), .. } = &log.last().unwrap().body else { panic!() };
    let [first, second] = [
        "team `anthropic`: an: the model declined: I will not, ",
        "; team `google`: goo: the model wrote no code",
    ];
    assert!(error.message.starts_with(first) && error.message.ends_with(second), "{error:?}");
    assert!(!format!("{log:?}").contains("ann@example.com"));
}

// Planted fault: teams in tasks of their own, which go on when the run is dropped.
#[tokio::test(start_paused = true)]
async fn a_stop_closes_every_teams_stream_and_counts_what_they_used() {
    let mut yard = Yard::new();
    let (run, mut a, mut g) = yard.begin().await;
    a.think("I think.").await;
    a.say("```\none two\n``").await;
    g.report(Usage::of(50, 5)).await;
    g.say("```\nthree\n").await;
    for team in ["anthropic", "google"] {
        yard.until(&run, |b| matches!(b, Body::CodeDelta { team: t, .. } if t == team)).await;
    }
    assert_eq!(yard.engine.stop(&ann(), &run).await.unwrap(), Outcome::Cancelled);
    assert!(a.is_cancelled() && g.is_cancelled());
    assert!(!a.say("late").await && !g.say("late").await);
    let log = yard.log(&run).await;
    assert_eq!(ending(&log, 1), Outcome::Cancelled);
    let usage = used(&log).unwrap();
    // Anthropic's prompt and words are our own count, Google's its own report.
    assert_eq!((usage.output_tokens, usage.estimated), (Some(5 + 5), true));
    assert!(usage.input_tokens.unwrap() > 50 + 50, "{usage:?}");
    assert_eq!(steps(&log, "anthropic").last().unwrap(), "code one two\n``");
}

// Planted fault: what was heard and held back dropped with the work.
#[tokio::test(start_paused = true)]
async fn a_stop_keeps_what_nobody_had_decided_about() {
    let mut yard = Yard::new();
    let (run, mut a, mut g) = yard.begin().await;
    a.think("Half a thought").await;
    a.say("Perhaps words").await;
    g.say("```\nlet g;\n```\nAnd so").await;
    yard.until(&run, |b| matches!(b, Body::CodeDelta { .. })).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    yard.engine.stop(&ann(), &run).await.unwrap();
    let log = yard.log(&run).await;
    assert_eq!(ending(&log, 1), Outcome::Cancelled);
    assert_eq!(thoughts(&log, Some("anthropic"))[1..], ["Half a thought"]);
    let anthropic = steps(&log, "anthropic");
    assert_eq!(anthropic[anthropic.len() - 2..], ["generating", "code Perhaps words"]);
    assert_eq!(thoughts(&log, Some("google")).last().unwrap(), "And so");
}

#[tokio::test(start_paused = true)]
async fn a_team_without_its_model_works_with_the_default_one_and_says_so() {
    let mut yard = Yard::with("", |models, a, _| models.and("anthropic", a));
    let run = yard.start(Job::default()).await;
    let (a, mut g) = (yard.a.next().await, yard.usual.next().await);
    g.say("b").await;
    g.end().await;
    a.fail(ProviderErrorKind::Failed, "no").await;
    let log = yard.log(&run).await;
    let Body::JobStarted { teams, .. } = &log[1].body else { panic!() };
    assert_eq!(teams[1].label.as_deref(), Some("in place of google: tiny"));
    assert_eq!((teams[1].provider.as_str(), &teams[0].label), ("usual", &None));
    let said = "No model is configured under the name `google`: the default model usual-1 (tiny) works for this team.";
    assert_eq!(thoughts(&log, Some("google"))[0], said);
    assert!(text(&log).contains("## Google (usual-1, in place of google: tiny)\n\n```tsx\nb\n```"));
    let lineup: Vec<_> = yard.engine.lineup("teams").into_iter().map(|t| (t.team, t.model)).collect();
    assert_eq!(lineup, [("anthropic".into(), "an-1".into()), ("google".to_owned(), "usual-1".to_owned())]);
}

/// What a tiny model is not told is not said to be told.
// Planted fault: all wishes counted among what the model is given.
#[tokio::test(start_paused = true)]
async fn a_tiny_model_is_told_the_brief_and_the_person_what_was_left_out() {
    let small = ContextBudget { retrieval_tokens: 250, history_tokens: 150 };
    let (tiny, mut cues) = Stage::with_info(ProviderInfo { budget: small, ..info("small") });
    let workflows: Vec<Arc<dyn Workflow>> =
        vec![Arc::new(Teams::new(TeamsFile::parse(SHIPPED).unwrap(), tiny))];
    let (store, bus) = (Arc::new(MemoryStore::new()), Arc::new(InProcess::new()));
    let engine = Engine::new(store, bus, workflows, Tasks::default(), Settings::default());
    let object = |value: serde_json::Value| value.as_object().cloned();
    let style = object(json!({"theme": "dark", "radius": 4}));
    let workspace = object(json!({"project_name": "shop"}));
    let job = Job { teams: vec!["google".into()], style, workspace, ..Job::default() };
    let run = engine.start(&ann(), given(job)).await.unwrap().run;
    let mut act = cues.next().await;
    let asked: String = act.request.messages.iter().map(|m| m.content.as_str()).collect();
    assert!(asked.contains("A login form") && !asked.contains("dark") && !asked.contains("shop"), "{asked}");
    act.say("<form/>").await;
    act.end().await;
    let log = rest(&mut engine.follow(&ann(), &run, &From::After(0)).await.unwrap()).await;
    let said = thoughts(&log, Some("google"));
    assert!(said[1].contains("a brief of 3 words, about "), "{said:#?}");
    assert_eq!(said[2], "The prompt has no place for 2 preferences, 1 fact about the project.");
}

#[tokio::test(start_paused = true)]
async fn without_fallback_a_job_for_a_missing_model_is_refused() {
    let file = TeamsFile::parse(&SHIPPED.replace("fallback = true", "fallback = false")).unwrap();
    let (usual, _cues) = Stage::new();
    let workflows: Vec<Arc<dyn Workflow>> = vec![Arc::new(Teams::new(file, usual))];
    let (store, bus) = (Arc::new(MemoryStore::new()), Arc::new(InProcess::new()));
    let engine = Engine::new(store, bus, workflows, Tasks::default(), Settings::default());
    let error = engine.start(&ann(), given(Job::default())).await.unwrap_err();
    assert_eq!(error.code, Code::UnknownModel);
    assert!(error.message.contains("\"anthropic\""), "{error:?}");
}

// Planted faults: the style in no prompt; what is not known answered by the default.
#[tokio::test(start_paused = true)]
async fn a_job_says_what_shapes_it_and_what_is_wrong_is_refused() {
    let mut yard = Yard::new();
    let object = |value: serde_json::Value| value.as_object().cloned();
    let job = Job {
        framework: "vue".into(),
        teams: vec!["google".into()],
        style: object(json!({"theme": "dark"})),
        workspace: object(json!({"project_name": "shop", "dependencies": ["pinia", "axios"]})),
    };
    let asked = StartRun { max_tokens: Some(77), ..given(job.clone()) };
    let run = yard.engine.start(&ann(), asked).await.unwrap().run;
    let g = yard.g.next().await;
    let prompt: Vec<_> = g.request.messages.iter().map(|m| (m.role, m.content.clone())).collect();
    assert_eq!((prompt[0].0, prompt[1].0, prompt.len()), (Role::System, Role::User, 2));
    assert!(prompt[0].1.contains("responsive Vue code"), "{prompt:?}");
    let said = &prompt[1].1;
    assert!(said.starts_with("Build this with Vue:\n\nA login form\n\nWrite one Vue 3"), "{said}");
    assert!(said.contains("preferences:\ntheme: dark\n\n"), "{said}");
    assert!(said.ends_with("goes into:\ndependencies: pinia, axios\nproject_name: shop"), "{said}");
    assert_eq!((g.request.max_tokens, g.request.temperature), (77, Some(0.3)));
    g.end().await;
    let log = yard.log(&run).await;
    assert!(yard.a.try_next().is_none() && steps(&log, "anthropic").is_empty());
    assert!(matches!(&log[1].body, Body::JobStarted { style: Some(_), workspace: Some(_), .. }));

    let wrong = |job: Job| {
        let engine = yard.engine.clone();
        async move { engine.start(&ann(), given(job)).await.unwrap_err() }
    };
    let many = (0..=limit::JOB_WISHES).map(|n| (n.to_string(), json!(1))).collect();
    for (job, words) in [
        (Job { framework: "angular".into(), ..job.clone() }, "react, vue, svelte, vanilla"),
        (Job { teams: vec!["google".into(), "meta".into()], ..job.clone() }, "there are: anthropic, google"),
        (Job { style: Some(many), ..job.clone() }, "`style` has more than"),
    ] {
        let Error { code, message, .. } = wrong(job).await;
        assert!(code == Code::InvalidRequest && message.contains(words), "{message}");
    }
    let lesson = StartRun { special: Special::Lesson(Lesson::default()), ..ask("teams", "hi") };
    assert_eq!(yard.engine.start(&ann(), lesson).await.unwrap_err().code, Code::InvalidRequest);
    // A message alone is a plain job.
    let run = yard.engine.start(&ann(), ask("teams", "hi")).await.unwrap().run;
    yard.a.next().await.end().await;
    yard.g.next().await.end().await;
    assert_eq!(ending(&yard.log(&run).await, 1), Outcome::Failed);
}

/// Answers a call with this code.
async fn answer(cues: &mut Cues, code: &str) -> String {
    let mut act = cues.next().await;
    let asked = act.request.messages.last().unwrap().content.clone();
    act.say(code).await;
    act.end_using(FinishReason::Stop, Usage::of(10, 1)).await;
    asked
}

// Planted faults: notes that reach nobody; `complete` told before the last round; phases in the wrong order.
#[tokio::test(start_paused = true)]
async fn phases_plan_review_and_refine_round_by_round() {
    let mut yard = Yard::phased();
    let run = yard.start(Job::default()).await;
    assert_eq!(answer(&mut yard.usual, "Two fields.").await, "Plan A login form.");
    assert!(answer(&mut yard.a, "a = 0;").await.contains("plan:\nTwo fields."));
    answer(&mut yard.g, "g = 0;").await;
    for round in 1..=2 {
        let asked = answer(&mut yard.usual, &format!("Note {round}.")).await;
        let before = round - 1;
        assert!(
            asked.contains(&format!("a = {before};")) && asked.contains(&format!("g = {before};")),
            "{asked}"
        );
        let asked = answer(&mut yard.a, &format!("a = {round};")).await;
        assert!(
            asked.contains(&format!("Note {round}.")) && asked.contains(&format!("a = {before};")),
            "{asked}"
        );
        answer(&mut yard.g, &format!("g = {round};")).await;
    }
    let log = yard.log(&run).await;
    assert_eq!(ending(&log, 1), Outcome::Completed);
    let phases: Vec<_> = log
        .iter()
        .filter_map(|e| match &e.body {
            Body::PhaseChanged { phase, status: s, iteration }
                if !["anthropic", "google"].contains(&phase.as_str()) =>
            {
                Some((phase.clone(), status(*s), *iteration))
            }
            _ => None,
        })
        .collect();
    let of = |phase: &str, s: &str, n| (phase.to_owned(), s.to_owned(), n);
    let round = |n| {
        [
            ("reviewer", "thinking"),
            ("reviewer", "complete"),
            ("refiner", "generating"),
            ("refiner", "complete"),
        ]
        .map(|(phase, s)| of(phase, s, Some(n)))
    };
    let mut expected = vec![of("planner", "thinking", None), of("planner", "complete", None)];
    expected.extend([1, 2].into_iter().flat_map(round));
    assert_eq!(phases, expected);
    let google: Vec<_> =
        steps(&log, "google").into_iter().filter(|s| s != "thought" && !s.starts_with("model")).collect();
    let expected = [
        "phase thinking",
        "thinking",
        "generating",
        "code g = 0;",
        "draft g = 0;",
        "phase complete",
        "generating",
        "code g = 1;",
        "draft g = 1;",
        "generating",
        "code g = 2;",
        "complete",
        "whole g = 2;",
    ];
    assert_eq!(google, expected);
    let notes: Vec<_> = thoughts(&log, None);
    assert_eq!(notes, ["Two fields.", "Note 1.", "Note 2."]);
    assert!(text(&log).contains("g = 2;") && !text(&log).contains("g = 1;"));
    // Three calls of the team, nine of the run.
    assert_eq!(whole(&log, "google").2.input_tokens, Some(30));
    assert_eq!(
        used(&log).unwrap(),
        Usage { cost_usd: Some(Cost(90 * 1_000_000 + 9 * 10_000_000)), ..Usage::of(90, 9) }
    );
}

// Planted fault: a refinement that failed taken for the code.
#[tokio::test(start_paused = true)]
async fn a_phase_that_fails_costs_its_work_and_nothing_else() {
    let busy = || ProviderError::new(ProviderErrorKind::Busy, "later");
    let mut yard = Yard::phased();
    yard.stages[2].refuse_next(busy());
    let run = yard.start(Job::default()).await;
    assert!(!answer(&mut yard.a, "a = 0;").await.contains("plan:"));
    yard.g.next().await.fail(ProviderErrorKind::Failed, "broken").await;
    answer(&mut yard.usual, "Note.").await;
    let mut act = yard.a.next().await;
    act.say("a = 1;\nhalf").await;
    yard.stages[2].refuse_next(busy());
    act.fail(ProviderErrorKind::Interrupted, "gone").await;
    let log = yard.log(&run).await;
    assert_eq!((ending(&log, 1), failure(&log)), (Outcome::Failed, "provider_failed".to_owned()));
    assert_eq!(whole(&log, "anthropic").0, "a = 0;");
    assert!(text(&log).contains("a = 0;") && !text(&log).contains("half"));
    let notes = thoughts(&log, None);
    assert_eq!(notes[0], "There is no plan: usual: later. The teams work without one.");
    assert_eq!(notes[2], "There is no review: usual: later. The code stays as it is.");
    let anthropic = steps(&log, "anthropic");
    assert_eq!(anthropic[anthropic.len() - 3..], ["complete", "whole a = 0;", "thought"]);
    assert_eq!(steps(&log, "google").iter().filter(|s| *s == "generating").count(), 0);
}

// Planted fault: what is thought not counted: the job fails, and the other team with it.
#[tokio::test(start_paused = true)]
async fn a_team_that_thinks_without_end_fails_alone() {
    let mut yard = Yard::new();
    let (run, mut a, mut g) = yard.begin().await;
    let thought = "A button, or two of them. ".repeat(500);
    while a.think(thought.as_str()).await {}
    g.say("const g = 1;").await;
    g.end().await;
    let log = yard.log(&run).await;
    assert_eq!((ending(&log, 1), failure(&log)), (Outcome::Failed, "too_large".to_owned()));
    assert_eq!(steps(&log, "anthropic").iter().filter(|s| s.starts_with("failed ")).count(), 1);
    assert_eq!(whole(&log, "google").0, "const g = 1;");
}

// Planted fault: pieces counted and the whole not.
#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_end_fails_its_team() {
    let mut yard = Yard::new();
    let (run, mut a, mut g) = yard.begin().await;
    let lines = "const a = 1;\n".repeat(1_000);
    while a.say(lines.as_str()).await {}
    g.say("const g = 1;").await;
    g.end().await;
    let log = yard.log(&run).await;
    assert_eq!((ending(&log, 1), failure(&log)), (Outcome::Failed, "too_large".to_owned()));
    let written: usize = log
        .iter()
        .map(|e| match &e.body {
            Body::CodeDelta { team, text } if team == "anthropic" => text.len(),
            _ => 0,
        })
        .sum();
    assert!(
        written <= limit::TEAM_ANSWER_BYTES && written + lines.len() > limit::TEAM_ANSWER_BYTES,
        "{written}"
    );
    assert_eq!(whole(&log, "google").0, "const g = 1;");
}
