//! What the tests of chains are made of: a provider that says what is written down, and stages to play on.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;

use futures_util::stream;
use headwater_core::port::provider::{Delta, Role, Usage};
use parking_lot::Mutex;

use super::*;
use crate::metrics::Metrics;
use crate::scripted::stage::{Act, Cues, Stage};

/// A provider whose answers are written down beforehand, one a call; after them it fails. It knows what of
/// them was read.
pub(super) struct Told {
    info: ProviderInfo,
    answers: Mutex<VecDeque<Vec<Result<Delta, ProviderError>>>>,
    /// What it was asked.
    pub(super) requests: Mutex<Vec<ModelRequest>>,
    said: Mutex<Vec<u64>>,
    /// Times that it was warmed.
    pub(super) warmed: AtomicUsize,
}

impl Told {
    pub(super) fn new(name: &str, answers: Vec<Vec<Result<Delta, ProviderError>>>) -> Arc<Self> {
        Self::with(info(name), answers)
    }

    pub(super) fn with(info: ProviderInfo, answers: Vec<Vec<Result<Delta, ProviderError>>>) -> Arc<Self> {
        let (requests, said, warmed) = (Mutex::default(), Mutex::default(), AtomicUsize::new(0));
        Arc::new(Self { info, answers: Mutex::new(answers.into()), requests, said, warmed })
    }

    pub(super) fn calls(&self) -> usize {
        self.requests.lock().len()
    }

    /// The visible deltas of each call.
    pub(super) fn said(&self) -> Vec<u64> {
        self.said.lock().clone()
    }
}

#[async_trait]
impl Provider for Told {
    fn info(&self) -> ProviderInfo {
        self.info.clone()
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len()
    }

    fn backlog(&self) -> usize {
        3
    }

    async fn warm(&self, _: &[PromptMessage]) {
        self.warmed.fetch_add(1, Ordering::SeqCst);
    }

    async fn generate(&self, request: ModelRequest) -> Result<Deltas, ProviderError> {
        self.requests.lock().push(request);
        let mut answer = self.answers.lock().pop_front().unwrap_or_default();
        let visible = answer.iter().filter(|d| d.as_ref().is_ok_and(Delta::is_visible)).count();
        self.said.lock().push(visible as u64);
        if answer.is_empty() {
            answer.push(Err(ProviderError::new(ProviderErrorKind::Failed, "it knows no more")));
        }
        Ok(Deltas::new(stream::iter(answer)))
    }
}

pub(super) fn info(name: &str) -> ProviderInfo {
    ProviderInfo {
        name: name.to_owned(),
        model: format!("{name}-model"),
        label: None,
        can_classify: true,
        can_call_tools: true,
        budget: ContextBudget { retrieval_tokens: 1_000, history_tokens: 1_000 },
        price: None,
    }
}

pub(super) fn request() -> ModelRequest {
    ModelRequest { messages: vec![PromptMessage::new(Role::User, "hi")], max_tokens: 9, ..Default::default() }
}

pub(super) fn usage(output: u64) -> Delta {
    Delta::Usage(Usage { output_tokens: Some(output), ..Usage::default() })
}

pub(super) fn chain(alias: &str, links: Vec<Link>, healths: &Healths) -> Chain {
    Chain::new(alias, links, healths).unwrap().seeded(7)
}

/// A chain over stages of these names.
pub(super) fn staged<const N: usize>(names: [&str; N]) -> (Chain, [(Arc<Stage>, Cues); N]) {
    let stages = names.map(|name| Stage::with_info(info(name)));
    let links = stages.iter().map(|(stage, _)| Link::to(stage.clone())).collect();
    (chain("smart", links, &Healths::new(Metrics::default())), stages)
}

pub(super) fn text(text: &str) -> Delta {
    Delta::Text(text.into())
}

pub(super) async fn speak(mut act: Act, word: &str) -> Act {
    assert!(act.say(word).await);
    act
}

/// Asks and is answered by whom `stage` is: the first word is there.
pub(super) async fn answered(chain: &Chain, cues: &mut Cues) -> (Deltas, Act) {
    let (answer, act) =
        tokio::join!(chain.generate(request()), async { speak(cues.next().await, "hello").await });
    (answer.unwrap(), act)
}

/// Asks while the stage fails in this way as often as it is asked.
pub(super) async fn failing(
    chain: &Chain,
    cues: &mut Cues,
    error: &ProviderError,
) -> Result<Deltas, ProviderError> {
    let mut generate = chain.generate(request());
    loop {
        tokio::select! {
            biased;
            answer = &mut generate => return answer,
            act = cues.next() => { act.fail_with(error.clone()).await; }
        }
    }
}
