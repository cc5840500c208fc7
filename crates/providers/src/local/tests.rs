//! The whole of it: on a tiny model that is made here, and on the real ones where `HEADWATER_MODELS`
//! names a folder that has them.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future};
use headwater_core::port::embedder::Embedder;
use headwater_core::port::provider::{Delta, FinishReason, Role, Usage};

use super::*;

fn ask(lines: &[(Role, &str)], max_tokens: u32) -> ModelRequest {
    let messages = lines.iter().map(|(role, text)| PromptMessage::new(*role, *text)).collect();
    ModelRequest { messages, max_tokens, ..ModelRequest::default() }
}

async fn answer(provider: &Local, request: ModelRequest) -> (String, FinishReason, Usage) {
    read(provider.generate(request).await.unwrap()).await
}

async fn read(mut deltas: Deltas) -> (String, FinishReason, Usage) {
    let mut text = String::new();
    while let Some(delta) = deltas.next().await {
        match delta.unwrap() {
            Delta::Text(t) => {
                assert!(!t.is_empty());
                text.push_str(&t);
            }
            Delta::End { reason, usage } => {
                assert!(deltas.next().await.is_none(), "something follows the end");
                return (text, reason, usage);
            }
            other => panic!("{other:?} of a model that only writes"),
        }
    }
    panic!("no end");
}

fn tiny(quiet: bool) -> (tempfile::TempDir, Local) {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::open(&tiny::write(dir.path(), quiet), LocalOptions { prompt_threads: 1 }).unwrap();
    (dir, local)
}

#[tokio::test]
async fn an_answer_is_the_same_alone_in_company_and_on_a_kept_beginning() {
    let (_dir, local) = tiny(true);
    let long = "abc ".repeat(90);
    let lines = [(Role::System, "be abc"), (Role::User, long.as_str())];
    let request = || ask(&lines, 20);
    let alone = answer(&local, request()).await;
    assert_eq!((alone.1, alone.2.output_tokens), (FinishReason::Length, Some(20)));
    assert!(alone.2.input_tokens.unwrap() > 180);
    let others = (0..5).map(|i| answer(&local, ask(&[(Role::User, ["x", "yy", "zzz", "0", "12"][i])], 30)));
    let ((together, _), again) = (
        future::join(answer(&local, request()), future::join_all(others)).await,
        answer(&local, request()).await,
    );
    assert_eq!((&together, &again), (&alone, &alone));
    local.warm(&[PromptMessage::new(Role::System, "be abc")]).await;
    local.warm(&[PromptMessage::new(Role::System, "be abc")]).await;
    assert_eq!(answer(&local, request()).await, alone);
}

#[tokio::test]
async fn who_does_not_read_is_skipped_and_who_leaves_makes_room() {
    let (_dir, local) = tiny(true);
    // Hot, so that it does not go round in circles, which would end it.
    let endless = || ModelRequest { temperature: Some(2.0), ..ask(&[(Role::User, "go on")], 900) };
    let mut idle = Vec::new();
    for _ in 0..limit::STREAMS - 1 {
        idle.push(local.generate(endless()).await.unwrap());
    }
    // Nobody reads those; this one is answered all the same.
    assert_eq!(answer(&local, ask(&[(Role::User, "hi")], 12)).await.2.output_tokens, Some(12));
    idle.push(local.generate(endless()).await.unwrap());
    // A first word from each: all places are taken, by streams that nobody reads further.
    for deltas in &mut idle {
        assert!(matches!(deltas.next().await, Some(Ok(Delta::Text(_)))));
    }
    let mut waiting = Vec::new();
    let error = loop {
        match local.generate(endless()).await {
            Ok(deltas) => waiting.push(deltas),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind, waiting.len()), (ProviderErrorKind::Busy, limit::WAITING));
    // Those who leave the queue make room in it; those who leave their place let the next one work.
    drop(waiting);
    let next = local.generate(ask(&[(Role::User, "me")], 5)).await.unwrap();
    drop(idle);
    assert_eq!(read(next).await.1, FinishReason::Length);
}

#[tokio::test]
async fn dropping_the_provider_lets_an_answer_end_and_ends_the_thread() {
    let (_dir, local) = tiny(true);
    let deltas = local.generate(ask(&[(Role::User, "hi")], 12)).await.unwrap();
    let door = Arc::clone(&local.door);
    drop(local);
    assert_eq!(read(deltas).await.2.output_tokens, Some(12));
    while !door.inbox.lock().dead {
        tokio::task::yield_now().await;
    }
    let refused = door.hand_in(Job::Warm { prompt: vec![1], done: oneshot::channel().0 });
    assert_eq!(refused.unwrap_err().kind, ProviderErrorKind::Unavailable);
}

#[tokio::test]
async fn what_can_never_succeed_is_refused_at_once() {
    let (_dir, local) = tiny(false);
    let kind = async |r: ModelRequest| local.generate(r).await.err().map(|e| e.kind);
    let hi = || ask(&[(Role::User, "hi")], 5);
    let refused = Some(ProviderErrorKind::Refused);
    assert_eq!(kind(ModelRequest { model: Some("other".into()), ..hi() }).await, refused);
    assert_eq!(kind(ModelRequest { stop: vec![String::new(); 5], ..hi() }).await, refused);
    assert_eq!(kind(ask(&[(Role::User, &"x".repeat(1100))], 5)).await, refused);
    assert_eq!(kind(ask(&[(Role::User, &"x".repeat(1 << 20))], 5)).await, refused);
    assert_eq!(kind(ModelRequest { model: Some("tiny".into()), ..hi() }).await, None);
    // A prompt that leaves room for a few words only gets those.
    let (_, reason, usage) = answer(&local, ask(&[(Role::User, &"x".repeat(1000))], 500)).await;
    assert!(
        usage.input_tokens.unwrap() + usage.output_tokens.unwrap() <= 1024 || reason == FinishReason::Stop
    );
}

#[test]
fn tokens_are_spelled_as_in_training_and_special_ones_cannot_be_typed() {
    let dir = tempfile::tempdir().unwrap();
    let (_, tokenizer, template) = load(&tiny::write(dir.path(), false)).unwrap();
    let ids = |text: &str| {
        let mut ids = Vec::new();
        tokenizer.encode(text, &mut ids).unwrap();
        ids
    };
    assert_eq!(ids("2026").len(), 4);
    assert_eq!(ids("ab abc").len(), 3, "`ab`, ` a`, and no longer merge than there is");
    for text in ["", " naïve\n\n— 128 马力 🚗\u{0}\r\n", "<|im_end|>\n<|im_start|>system"] {
        let bytes: Vec<u8> = ids(text).iter().flat_map(|t| tokenizer.bytes(*t).to_vec()).collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
        assert!(ids(text).iter().all(|t| *t > 2));
    }
    let line = |text| [PromptMessage::new(Role::System, text)];
    let prefix = template.write(&tokenizer, &line("be"), false).unwrap();
    let two = [line("be"), [PromptMessage::new(Role::User, "hi")]].concat();
    assert!(template.write(&tokenizer, &two, true).unwrap().starts_with(&prefix));
}

#[test]
fn a_damaged_header_is_an_error_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = tiny::write(dir.path(), false);
    let whole = std::fs::read(&path).unwrap();
    let header = whole.len().min(9_000);
    let (mut refused, mut seed, bad) = (0, 1u64, dir.path().join("bad.gguf"));
    for round in 0..400 {
        let mut bytes = whole.clone();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (seed >> 33) as usize % header;
        match round % 4 {
            0 => bytes[at] ^= 1 << ((seed >> 8) % 8),
            1 => bytes[at..(at + 8).min(header)].fill(0xFF),
            2 => bytes.truncate(at),
            _ => bytes[at] = (seed >> 16) as u8,
        }
        std::fs::write(&bad, &bytes).unwrap();
        if let Err(error) = load(&bad) {
            refused += 1;
            assert_eq!(error.kind, ProviderErrorKind::Unavailable);
            assert!(error.message.len() < 400 && !error.message.contains('\n'), "{error}");
        }
    }
    assert!(refused > 100, "only {refused} were refused");
    assert!(load(&dir.path().join("none.gguf")).is_err());
}

fn models() -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("HEADWATER_MODELS").map(std::path::PathBuf::from);
    if folder.is_none() {
        println!("skipped: HEADWATER_MODELS names no folder with the models");
    }
    folder
}

#[tokio::test]
async fn the_real_model_answers_from_its_context() {
    let Some(models) = models() else { return };
    let local = Local::open(&weights::locate_model(&models).unwrap(), LocalOptions::default()).unwrap();
    assert_eq!(local.info().model, "SmolLM2-135M-Instruct");
    // As in training: `In`, a space, four digits, a comma, a space, three digits, ` hp`.
    assert_eq!(local.count_tokens("In 2026, 128 hp"), 12);
    let context = "Context:\nEngine: The power of the GenAuto X1 is 128 hp (95 kW) at 5,500 rpm.\n\nQuestion: What is the engine power?";
    let lines = [(Role::System, "Answer in one short sentence from the context."), (Role::User, context)];
    let start = Instant::now();
    let (text, reason, _) = answer(&local, ask(&lines, 60)).await;
    println!("{text} ({:?})", start.elapsed());
    assert!(text.contains("128") && reason == FinishReason::Stop, "{text}");
    let stopped = answer(&local, ModelRequest { stop: vec!["128".into()], ..ask(&lines, 60) }).await;
    assert_eq!(stopped.0, text.split("128").next().unwrap());
}

#[tokio::test]
async fn the_real_embeddings_put_meaning_before_words() {
    let Some(models) = models() else { return };
    let mini = MiniLm::open(&weights::locate_embeddings(&models).unwrap()).unwrap();
    let texts = ["How powerful is the car?", "The engine delivers 128 hp.", "The car is painted red.", ""];
    let long = "word ".repeat(3000);
    let vectors = mini.embed(texts.iter().map(|t| (*t).to_owned()).chain([long]).collect()).await.unwrap();
    let cosine = |a: usize, b: usize| vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum::<f32>();
    assert_eq!((vectors.len(), vectors[0].len()), (5, mini.dimensions()));
    assert!(vectors.iter().all(|v| (v.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4));
    assert!(cosine(0, 1) > cosine(0, 2) && cosine(0, 1) > 0.3, "{} {}", cosine(0, 1), cosine(0, 2));
    let alone = mini.embed(vec![texts[1].to_owned()]).await.unwrap();
    assert!(alone[0].iter().zip(&vectors[1]).all(|(a, b)| (a - b).abs() < 1e-4), "the same in company");
    assert!(mini.embed(vec![]).await.unwrap().is_empty());
    let start = Instant::now();
    mini.embed(vec!["What is the engine power?".to_owned()]).await.unwrap();
    println!("a query in {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(5));
}
