//! Providers that stand in for one another under one name: an ordered list of links, of which the first that
//! answers does. It is a [`Provider`] like any other, so that no workflow knows of it.
//!
//! Until a person can have seen something of an answer (text, a thought, a citation, a call of a tool) a
//! failure costs nothing but time: the link is asked once more after a pause, then the next one is. From the
//! first visible word on, an error passes through as it is: whoever read half an answer must not read another
//! beginning behind it. [`Provider::generate`] therefore returns only when that word is there, and the answer
//! it returns says who gives it.
//!
//! ```text
//! request ─▶ plan (pure): ask · wait · give up ◀── health of each provider: breaker, retry budget
//!              │
//!              └─▶ link 1 ─ fails ─▶ link 1 again ─ fails ─▶ link 2 ─▶ first word ─▶ the answer
//! ```
//!
//! Dropping the future or the answer drops what is upstream, at whatever moment.

mod breaker;
mod health;
mod peek;
mod plan;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod told;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use headwater_core::limit;
use headwater_core::port::provider::{
    By, ContextBudget, Deltas, Effort, ModelRequest, Price, PromptMessage, Provider, ProviderError,
    ProviderErrorKind, ProviderInfo, SharedProvider,
};
use serde_json::{Map, Value};
use tokio::time::{sleep_until, timeout_at};

pub use self::health::Healths;
use self::plan::{Plan, Rule, Step};
use crate::wire::put_over;

/// One of those who may answer.
#[derive(Clone)]
pub struct Link {
    /// Who is asked.
    pub provider: SharedProvider,
    /// For which model; `None` is what the request names, else the provider's own.
    pub model: Option<String>,
    /// How much it is to think where the request does not say.
    pub reasoning: Option<Effort>,
    /// Fields of the provider's own, over those of the request; see [`ModelRequest::extra`].
    pub extra: Map<String, Value>,
    /// What this model costs; `None` is what the provider says of its own.
    pub price: Option<Price>,
    /// Times that it is asked once more; at most [`limit::RETRIES_MOST`].
    pub retries: u32,
}

impl Link {
    /// This provider with its own model and everything as usual.
    #[must_use]
    pub fn to(provider: SharedProvider) -> Self {
        Self {
            provider,
            model: None,
            reasoning: None,
            extra: Map::new(),
            price: None,
            retries: limit::RETRIES,
        }
    }

    /// The same for another model of that provider.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Self {
        Self { model: Some(model.into()), ..self }
    }

    /// What it is asked, of what was asked.
    fn request(&self, request: &ModelRequest) -> ModelRequest {
        let mut request = request.clone();
        request.model = self.model.clone().or(request.model);
        request.reasoning = request.reasoning.or(self.reasoning);
        put_over(&mut request.extra, &self.extra);
        request
    }

    /// Who answers, if it does.
    fn by(&self, request: &ModelRequest) -> By {
        let info = self.provider.info();
        let model = request.model.clone().unwrap_or_else(|| info.model.clone());
        // The provider's own price is that of its own model.
        let price = self.price.or(info.price.filter(|_| model == info.model));
        By { provider: info.name, model, label: info.label, price }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.provider.info().name;
        f.debug_struct("Link").field("provider", &name).field("model", &self.model).finish_non_exhaustive()
    }
}

/// The links under one name; see the module.
#[derive(Debug)]
pub struct Chain {
    alias: String,
    links: Vec<Link>,
    /// Where each link's health stands.
    places: Vec<usize>,
    healths: Healths,
    first_word: Duration,
    random: AtomicU64,
}

impl Chain {
    /// The links in the order in which they are asked. `healths` are the whole process's.
    ///
    /// # Errors
    /// In words for the operator, if there is no link or there are more than [`limit::CHAIN_LINKS`], or if one
    /// is to be asked anew more than [`limit::RETRIES_MOST`] times.
    pub fn new(alias: impl Into<String>, links: Vec<Link>, healths: &Healths) -> Result<Self, String> {
        let alias = alias.into();
        if links.is_empty() || links.len() > limit::CHAIN_LINKS {
            let (most, found) = (limit::CHAIN_LINKS, links.len());
            return Err(format!("`{alias}` must name 1 to {most} models, not {found}"));
        }
        if let Some(link) = links.iter().find(|l| l.retries > limit::RETRIES_MOST) {
            let (most, found) = (limit::RETRIES_MOST, link.retries);
            return Err(format!("`{alias}`: retries must be 0 to {most}, not {found}"));
        }
        let place = |link: &Link| {
            let info = link.provider.info();
            healths.place(&info.name, link.model.as_deref().unwrap_or(&info.model))
        };
        let places = links.iter().map(place).collect();
        let (healths, first_word) = (healths.clone(), limit::CHAIN_FIRST_WORD);
        let random = AtomicU64::new(RandomState::new().hash_one(&alias));
        Ok(Self { alias, links, places, healths, first_word, random })
    }

    /// The same with another time for the first visible word, over all links.
    #[must_use]
    pub fn first_word(self, within: Duration) -> Self {
        Self { first_word: within.max(Duration::from_millis(1)), ..self }
    }

    /// The same with pauses that are always drawn alike; for tests.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { random: AtomicU64::new(seed), ..self }
    }

    /// The name that the links stand under.
    #[must_use]
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// The links, in order.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// A number for the next pause (`splitmix64`: nobody gains by guessing a pause).
    fn drawn(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.random.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn plan(&self, request: &ModelRequest) -> Plan {
        let tools = speaks_of_tools(request);
        let rule = |(link, place): (&Link, &usize)| Rule {
            place: *place,
            retries: link.retries,
            able: !tools || link.provider.info().can_call_tools,
        };
        let rules = self.links.iter().zip(&self.places).map(rule).collect();
        Plan::new(rules, self.healths.now(), self.first_word)
    }

    /// Asks one link and waits for its first visible word.
    async fn ask(&self, link: &Link, request: &ModelRequest) -> Result<Deltas, ProviderError> {
        let request = link.request(request);
        let by = link.by(&request);
        let deltas = link.provider.generate(request).await?;
        let by = deltas.by().cloned().unwrap_or(by);
        Ok(Deltas::new(peek::peek(deltas).await?).said_by(by))
    }

    fn name(&self, link: usize) -> String {
        self.links[link].provider.info().name
    }

    /// Each provider once, though two links may name it.
    fn providers(&self) -> impl Iterator<Item = &SharedProvider> {
        let earlier =
            |n: usize, p: &SharedProvider| self.links[..n].iter().any(|l| Arc::ptr_eq(&l.provider, p));
        let all = self.links.iter().map(|l| &l.provider).enumerate();
        all.filter(move |(n, p)| !earlier(*n, p)).map(|(_, p)| p)
    }
}

/// Whether a model has to know of tools to go on with this: it is offered some, or called some before.
fn speaks_of_tools(request: &ModelRequest) -> bool {
    let called = |m: &PromptMessage| !m.tool_calls.is_empty() || m.tool_call_id.is_some();
    !request.tools.is_empty() || request.messages.iter().any(called)
}

#[async_trait]
impl Provider for Chain {
    /// The first link's, as it is the one who answers on a good day, with what all of them can bear: the
    /// least context, and no decisions unless all may be trusted with them. Tools are the first link's word;
    /// the links that cannot call any are passed over where some are offered.
    fn info(&self) -> ProviderInfo {
        let mut infos = self.links.iter().map(|link| {
            let info = link.provider.info();
            let model = link.model.clone().unwrap_or_else(|| info.model.clone());
            let price = link.price.or(info.price.filter(|_| model == info.model));
            ProviderInfo { model, price, ..info }
        });
        // There is always a first one; see `new`.
        let first = infos.next().unwrap_or_else(|| ProviderInfo {
            name: self.alias.clone(),
            model: String::new(),
            label: None,
            can_classify: false,
            can_call_tools: false,
            budget: ContextBudget { retrieval_tokens: 0, history_tokens: 0 },
            price: None,
        });
        infos.fold(first, |all, next| ProviderInfo {
            can_classify: all.can_classify && next.can_classify,
            budget: ContextBudget {
                retrieval_tokens: all.budget.retrieval_tokens.min(next.budget.retrieval_tokens),
                history_tokens: all.budget.history_tokens.min(next.budget.history_tokens),
            },
            ..all
        })
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.links.first().map_or(0, |l| l.provider.count_tokens(text))
    }

    fn backlog(&self) -> usize {
        self.providers().map(|p| p.backlog()).sum()
    }

    fn backlogs(&self) -> Vec<(String, usize)> {
        self.providers().flat_map(|p| p.backlogs()).collect()
    }

    async fn warm(&self, prefix: &[PromptMessage]) {
        join_all(self.providers().map(|p| p.warm(prefix))).await;
    }

    async fn generate(&self, request: ModelRequest) -> Result<Deltas, ProviderError> {
        let (mut plan, mut last) = (self.plan(&request), None);
        loop {
            let step = self.healths.with(|now, healths| plan.next(now, healths));
            let (link, until, pass, instead) = match step {
                Step::Ask { link, until, pass, instead } => (link, until, pass, instead),
                Step::Wait(until) => {
                    sleep_until(self.healths.instant(until)).await;
                    continue;
                }
                Step::GiveUp => {
                    return Err(told::failure(&self.alias, self.links.len(), plan.tried(), |l| self.name(l)));
                }
            };
            let held = self.healths.hold(self.places[link], pass);
            let provider = self.name(link);
            if instead {
                self.healths.metrics().fallback(&provider);
                tracing::warn!(alias = self.alias, provider, after = ?last, "another provider is asked instead");
            }
            let began = self.healths.now();
            let asked = self.ask(&self.links[link], &request);
            let error = match timeout_at(self.healths.instant(until), asked).await {
                Ok(Ok(deltas)) => {
                    held.answered();
                    plan.answered();
                    return Ok(deltas);
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    let waited = until.saturating_sub(began).as_secs();
                    let words = format!("the provider said nothing within {waited} s");
                    ProviderError::new(ProviderErrorKind::Timeout, words)
                }
            };
            let (kind, random) = (error.kind, self.drawn());
            let decide =
                |now, healths: &mut _| plan.failed(link, held.into_pass(), error, now, random, healths);
            if let Some(pause) = self.healths.with(decide) {
                self.healths.metrics().retry(&provider);
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(
                    alias = self.alias,
                    provider,
                    ?kind,
                    pause_ms,
                    "a provider is asked once more"
                );
            }
            last = Some(kind);
        }
    }
}
