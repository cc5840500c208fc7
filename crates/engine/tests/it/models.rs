//! Models by name, and what a client may say about how it is answered.

use std::sync::Arc;

use headwater_bus::InProcess;
use headwater_core::MessageId;
use headwater_core::code::Code;
use headwater_core::event::Body;
use headwater_core::limit;
use headwater_core::port::provider::{
    ContextBudget, Deltas, Effort, ModelRequest, PromptMessage, Provider, ProviderError, ProviderErrorKind,
    ProviderInfo, Role, ToolCall,
};
use headwater_core::port::store::Store;
use headwater_engine::assistant::{Assistant, SHIPPED};
use headwater_engine::models::is_alias;
use headwater_engine::workflow::Workflow;
use headwater_engine::workflow::assist::Assist;
use headwater_engine::workflow::generate::Generate;
use headwater_engine::{Engine, Models, Settings, StartRun, Tasks};
use headwater_providers::chain::{Chain, Healths, Link};
use headwater_providers::metrics::Metrics;
use headwater_providers::scripted::stage::{Cues, Stage};
use headwater_store::MemoryStore;

use crate::house::{House, ann, ask, ask_in};

fn named(name: &str) -> (Arc<Stage>, Cues) {
    Stage::with_info(ProviderInfo {
        name: name.into(),
        model: format!("{name}-1"),
        label: None,
        can_classify: true,
        can_call_tools: false,
        budget: ContextBudget { retrieval_tokens: 100, history_tokens: 100 },
        price: None,
    })
}

/// An engine with these models, whose assistant is the shipped one with these lines in it.
fn engine(models: &Models, answer: &str, classifier: &str) -> Engine {
    let text = SHIPPED
        .replace("[answer]", &format!("[answer]\n{answer}"))
        .replace("[classifier]", &format!("[classifier]\n{classifier}"));
    let assistant = Assistant::parse(&text).unwrap();
    let workflows: Vec<Arc<dyn Workflow>> =
        vec![Arc::new(Generate::new(models.clone())), Arc::new(Assist::new(assistant, models.clone(), None))];
    let (store, bus) = (Arc::new(MemoryStore::new()), Arc::new(InProcess::new()));
    Engine::new(store, bus, workflows, Tasks::default(), Settings::default())
}

// Planted faults: the default asked whatever was named; an unknown name answered by the default.
#[tokio::test(start_paused = true)]
async fn a_model_is_asked_for_by_its_name_and_an_unknown_one_is_refused() {
    let ((usual, mut usuals), (fast, mut fasts)) = (named("usual"), named("fast"));
    let models = Models::new(usual).and("quick", fast);
    let engine = engine(&models, "", "");
    for (alias, who) in [(None, "usual"), (Some("default"), "usual"), (Some("quick"), "fast")] {
        let asked = StartRun { model: alias.map(str::to_owned), ..ask("generate", "hi") };
        let run = engine.start(&ann(), asked).await.unwrap().run;
        let act = if who == "fast" { fasts.next().await } else { usuals.next().await };
        assert_eq!(act.request.model, None, "an alias is ours, and no provider's name");
        act.end().await;
        let mut follow =
            engine.follow(&ann(), &run, &headwater_engine::engine::From::After(0)).await.unwrap();
        let log = crate::house::rest(&mut follow).await;
        assert!(
            log.iter().any(|e| matches!(&e.body, Body::ModelStarted { provider, .. } if provider == who))
        );
    }
    let runs = engine.runs(&ann(), None, None, None, 10).await.unwrap().len();
    let unknown = StartRun { model: Some("gpt-9".into()), ..ask("generate", "hi") };
    let error = engine.start(&ann(), unknown).await.unwrap_err();
    assert_eq!(error.code, Code::UnknownModel);
    assert_eq!(error.message, "there is no model of that name; there are: default, quick");
    assert_eq!(engine.runs(&ann(), None, None, None, 10).await.unwrap().len(), runs);
    let assists = StartRun { model: Some("quick".into()), ..ask("assist", "hi") };
    assert_eq!(engine.start(&ann(), assists).await.unwrap_err().code, Code::InvalidRequest);
    let listed: Vec<_> = engine.models().into_iter().map(|m| (m.alias, m.default, m.info.model)).collect();
    assert_eq!(
        listed,
        [("default".into(), true, "usual-1".into()), ("quick".into(), false, "fast-1".into())]
            as [(String, _, _); 2]
    );
    let backlogs: Vec<_> = engine.backlogs().into_keys().collect();
    assert_eq!(backlogs, ["fast", "usual"]);
}

// Planted faults: capitals are fine; one byte too many is.
#[test]
fn a_name_is_short_plain_and_small() {
    for fine in ["a", "gpt-4.1_mini", "0", &"x".repeat(limit::MODEL_ALIAS_BYTES)] {
        assert!(is_alias(fine), "{fine}");
    }
    for wrong in ["", "Smart", "two words", "a/b", "é", "a\n", &"x".repeat(limit::MODEL_ALIAS_BYTES + 1)] {
        assert!(!is_alias(wrong), "{wrong}");
    }
}

/// A provider that many wait for.
struct Waited(&'static str, usize);

#[async_trait::async_trait]
impl Provider for Waited {
    fn info(&self) -> ProviderInfo {
        let (stage, _) = named(self.0);
        stage.info()
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len()
    }

    fn backlog(&self) -> usize {
        self.1
    }

    async fn generate(&self, _: ModelRequest) -> Result<Deltas, ProviderError> {
        Err(ProviderError::new(ProviderErrorKind::Busy, "many wait"))
    }
}

// Planted fault: a chain's sum under its first link's name, where the next alias overwrites it.
#[test]
fn who_is_waited_for_is_named_whatever_aliases_lead_there() {
    let (a, b, c) = (Arc::new(Waited("a", 2)), Arc::new(Waited("b", 5)), Arc::new(Waited("c", 7)));
    let healths = Healths::new(Metrics::default());
    let chain = |alias: &str, links: Vec<Link>| Arc::new(Chain::new(alias, links, &healths).unwrap());
    let models = Models::new(chain("default", vec![Link::to(a.clone()), Link::to(b)]))
        .and("quick", chain("quick", vec![Link::to(a.clone()).model("small"), Link::to(c)]))
        .and("single", a);
    let backlogs: Vec<_> = engine(&models, "", "").backlogs().into_iter().collect();
    assert_eq!(backlogs, [("a".to_owned(), 2), ("b".to_owned(), 5), ("c".to_owned(), 7)]);
}

#[test]
fn a_default_with_a_name_of_its_own_is_listed_once_and_first() {
    let ((usual, _a), (fast, _b)) = (named("usual"), named("fast"));
    let shared: headwater_core::port::provider::SharedProvider = usual;
    let models = Models::new(shared.clone()).and("a-fast", fast).and("usual", shared);
    let listed: Vec<_> = models.list().into_iter().map(|m| (m.alias, m.default)).collect();
    assert_eq!(listed, [("usual".to_owned(), true), ("a-fast".to_owned(), false)]);
    assert!(models.has("default") && models.has("usual") && !models.has("Usual"));
}

// Planted faults: the classifier asked with the answer's model; a missing name answered by the default.
#[tokio::test(start_paused = true)]
async fn an_assistant_names_its_models_and_one_that_is_missing_is_told_by_place() {
    let ((usual, mut usuals), (fast, mut fasts), (large, mut larges)) =
        (named("usual"), named("fast"), named("large"));
    let models = Models::new(usual).and("quick", fast).and("big", large);
    let engine = engine(&models, "model = \"big\"", "model = \"quick\"");
    engine.start(&ann(), ask_in("assist", "What is the engine power?", "s")).await.unwrap();
    let mut classifies = fasts.next().await;
    classifies.say("SPECS").await;
    classifies.end().await;
    larges.next().await.end().await;
    assert!(usuals.try_next().is_none());
    assert_eq!(engine.provider("assist").unwrap().name, "large");

    let text = SHIPPED
        .replace("[answer]", "[answer]\nmodel = \"gone\"")
        .replace("[classifier]", "[classifier]\nmodel = \"lost\"");
    let assistant = Assistant::parse(&text).unwrap();
    assert_eq!(
        assistant.missing_models(|alias| models.has(alias)),
        [
            "[answer] model: no model is configured under the name \"gone\"",
            "[classifier] model: no model is configured under the name \"lost\""
        ]
    );
    // Whoever does not look is told by every run, and not answered by another.
    let engine = self::engine(&models, "model = \"gone\"", "");
    let run = engine.start(&ann(), ask_in("assist", "hi", "s")).await.unwrap().run;
    let mut follow = engine.follow(&ann(), &run, &headwater_engine::engine::From::After(0)).await.unwrap();
    assert_eq!(crate::house::failure(&crate::house::rest(&mut follow).await), "unknown_model");
}

fn line(role: Role, content: &str) -> PromptMessage {
    PromptMessage::new(role, content)
}

fn talk(messages: Vec<PromptMessage>) -> StartRun {
    StartRun { messages: Some(messages), ..ask("generate", "") }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_a_client_brings_reaches_the_model_whole() {
    let mut house = House::new();
    let (system, user, model) = (Role::System, Role::User, Role::Assistant);
    let brought =
        vec![line(system, "Be kind."), line(user, "hi"), line(model, "Hello."), line(user, "and now?")];
    let asked = StartRun {
        system: Some("Be brief.".into()),
        stop: vec!["\n\n".into()],
        reasoning: Some(Effort::Low),
        ..talk(brought)
    };
    let run = house.engine.start(&ann(), asked).await.unwrap();
    let act = house.cues.next().await;
    let said: Vec<_> = act.request.messages.iter().map(|m| (m.role, m.content.as_str())).collect();
    assert_eq!(
        said,
        [(system, "Be brief."), (system, "Be kind."), (user, "hi"), (model, "Hello."), (user, "and now?")]
    );
    assert_eq!((&act.request.stop[..], act.request.reasoning), (&["\n\n".to_owned()][..], Some(Effort::Low)));
    act.end().await;
    house.log(&run.run).await;
    let history = house.store.history(&ann().user, &run.session, 10).await.unwrap();
    assert_eq!(history[0].content, "and now?");
}

// Planted faults: each rule left out in turn.
#[tokio::test(start_paused = true)]
async fn what_breaks_a_rule_of_a_conversation_is_refused_by_name() {
    let house = House::new();
    let code = async |ask| house.engine.start(&ann(), ask).await.unwrap_err().code;
    let hi = || line(Role::User, "hi");
    let call = ToolCall { id: "c".into(), name: "n".into(), arguments: "{}".into() };
    for (messages, refused) in [
        (vec![], Code::InvalidRequest),
        (vec![hi(); limit::MESSAGES_OF_RUN + 1], Code::InvalidRequest),
        (vec![hi(), line(Role::Assistant, "so")], Code::InvalidRequest),
        (vec![line(Role::User, " "), hi()], Code::EmptyMessage),
        (vec![hi(), line(Role::System, "late"), hi()], Code::InvalidRequest),
        (vec![PromptMessage::answering(&call, "x"), hi()], Code::InvalidRequest),
        (vec![PromptMessage::calling("x", vec![call.clone()]), hi()], Code::InvalidRequest),
        (vec![line(Role::User, &"x".repeat(limit::MESSAGES_BYTES)), hi()], Code::TooLarge),
    ] {
        assert_eq!(code(talk(messages.clone())).await, refused, "{:?}", messages.first());
    }
    let both = StartRun { messages: Some(vec![hi()]), ..ask("generate", "hi") };
    assert_eq!(code(both).await, Code::InvalidRequest);
    let stop = |texts: &[&str]| StartRun {
        stop: texts.iter().map(|t| (*t).to_owned()).collect(),
        ..ask("generate", "hi")
    };
    let long = "x".repeat(limit::STOP_BYTES + 1);
    for wrong in [&["a", "b", "c", "d", "e"][..], &[""], &[&long]] {
        assert_eq!(code(stop(wrong)).await, Code::InvalidRequest);
    }
    // The assistant keeps all of it to itself.
    for own in [
        StartRun { messages: Some(vec![hi()]), ..ask("assist", "") },
        StartRun { stop: vec!["x".into()], ..ask("assist", "hi") },
        StartRun { reasoning: Some(Effort::High), ..ask("assist", "hi") },
    ] {
        assert_eq!(code(own).await, Code::InvalidRequest);
    }
    assert_eq!(house.stage.calls(), 0);
}

// Planted fault: one of them left out of the fingerprint.
#[tokio::test(start_paused = true)]
async fn everything_that_is_asked_is_part_of_what_a_message_id_stands_for() {
    let house = House::new();
    let named = |ask: StartRun| StartRun { message_id: Some(MessageId::parse("m").unwrap()), ..ask };
    let plain = || named(ask_in("generate", "hi", "s"));
    house.engine.start(&ann(), plain()).await.unwrap();
    let with = |messages| StartRun { messages, message: String::new(), ..plain() };
    for other in [
        StartRun { model: Some("default".into()), ..plain() },
        StartRun { stop: vec!["x".into()], ..plain() },
        StartRun { reasoning: Some(Effort::None), ..plain() },
        with(Some(vec![line(Role::User, "hi")])),
        with(Some(vec![line(Role::Assistant, "a"), line(Role::User, "hi")])),
    ] {
        assert_eq!(
            house.engine.start(&ann(), other.clone()).await.unwrap_err().code,
            Code::MessageIdReused,
            "{other:?}"
        );
    }
    assert!(house.engine.start(&ann(), plain()).await.unwrap().joined);
    // Of a conversation every line counts, and who says it.
    let talked = |lines: &[(Role, &str)]| StartRun {
        message_id: Some(MessageId::parse("talk").unwrap()),
        session: plain().session,
        ..talk(lines.iter().map(|(role, text)| line(*role, text)).collect())
    };
    let first = [(Role::Assistant, "a"), (Role::User, "hi")];
    house.engine.start(&ann(), talked(&first)).await.unwrap();
    for other in [
        &[(Role::Assistant, "b"), first[1]][..],
        &[(Role::User, "a"), first[1]],
        &[first[1]],
        &[first[0], first[0], first[1]],
    ] {
        let refused = house.engine.start(&ann(), talked(other)).await.unwrap_err();
        assert_eq!(refused.code, Code::MessageIdReused, "{other:?}");
    }
    assert!(house.engine.start(&ann(), talked(&first)).await.unwrap().joined);
}
