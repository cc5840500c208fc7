//! How the providers stand, known to all chains: whether one is left alone, and how often it may still be
//! asked anew. One for each provider and model, so that two aliases over the same host learn together.

use std::sync::Arc;
use std::time::Duration;

use headwater_core::limit;
use headwater_core::rate::Bucket;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::breaker::{Breaker, Pass, Verdict};
use crate::metrics::Metrics;

/// One provider's and model's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    pub(crate) breaker: Breaker,
    pub(crate) budget: Budget,
}

/// How many retries a link may still have: a share of its requests, and a few beside. Without it an outage
/// is answered by three times the requests, and that is how it lasts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Budget {
    /// In hundredths of a retry.
    saved: u32,
    spare: Bucket,
}

impl Budget {
    /// A request is sent that is no retry.
    pub(crate) fn asked(&mut self) {
        self.saved = (self.saved + limit::RETRY_PERCENT).min(limit::RETRIES_SAVED * 100);
    }

    /// Takes one retry, if there is one.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        if self.saved >= 100 {
            self.saved -= 100;
            return true;
        }
        self.spare.take(&limit::RETRIES_SPARE, now, 1).is_ok()
    }
}

/// All of them; clones are the same. Make one for the whole process and give it to every chain.
#[derive(Debug, Clone)]
pub struct Healths(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Where the time begins that the pure parts count in.
    began: Instant,
    metrics: Metrics,
    /// One lock for all: what is done under it takes less than a microsecond and never waits.
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    names: Vec<Named>,
    healths: Vec<Health>,
}

#[derive(Debug)]
struct Named {
    provider: String,
    model: String,
    /// What the gauge says.
    shown_open: bool,
}

impl Healths {
    /// Everybody is well, as far as is known.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        let (began, all) = (Instant::now(), Mutex::default());
        Self(Arc::new(Shared { began, metrics, all }))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Where this provider's and model's stands; makes it at the first call. Names of the configuration only,
    /// never a request's: nothing is ever forgotten here.
    pub(crate) fn place(&self, provider: &str, model: &str) -> usize {
        let mut all = self.0.all.lock();
        let found = all.names.iter().position(|n| n.provider == provider && n.model == model);
        found.unwrap_or_else(|| {
            let (provider, model) = (provider.to_owned(), model.to_owned());
            self.0.metrics.breaker(&provider, &model, false);
            all.names.push(Named { provider, model, shown_open: false });
            all.healths.push(Health::default());
            all.healths.len() - 1
        })
    }

    pub(crate) fn now(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// The moment of a time that the pure parts named.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.0.began + at
    }

    /// Decides something, and says which breakers opened or closed by it.
    pub(crate) fn with<T>(&self, decide: impl FnOnce(Duration, &mut [Health]) -> T) -> T {
        let mut all = self.0.all.lock();
        let All { names, healths } = &mut *all;
        let decided = decide(self.now(), healths);
        for (named, health) in names.iter_mut().zip(healths.iter()) {
            let open = health.breaker.open_since().is_some();
            if open != named.shown_open {
                named.shown_open = open;
                self.0.metrics.breaker(&named.provider, &named.model, open);
                let (provider, model) = (&named.provider, &named.model);
                if open {
                    tracing::warn!(provider, model, "a provider keeps failing and is left alone for a while");
                } else {
                    tracing::info!(provider, model, "a provider that was left alone answers again");
                }
            }
        }
        decided
    }

    /// Keeps a pass until it is known how it went.
    pub(crate) fn hold(&self, place: usize, pass: Pass) -> Held {
        Held { healths: self.clone(), place, pass: Some(pass) }
    }
}

/// A request under way. Dropping it says nothing about its provider: nobody waited for the answer. Without
/// that, a person who leaves during the one try of an open breaker would keep it open for ever.
#[derive(Debug)]
pub(crate) struct Held {
    healths: Healths,
    place: usize,
    pass: Option<Pass>,
}

impl Held {
    /// It was answered.
    pub(crate) fn answered(mut self) {
        self.give_back(Verdict::Good);
    }

    /// The pass itself, for whoever decides what follows a failure.
    pub(crate) fn into_pass(mut self) -> Option<Pass> {
        self.pass.take()
    }

    fn give_back(&mut self, verdict: Verdict) {
        if let Some(pass) = self.pass.take() {
            self.healths.with(|now, healths| healths[self.place].breaker.tell(pass, verdict, now));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back(Verdict::Neither);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Planted fault: a retry that takes nothing.
    #[test]
    fn retries_are_a_tenth_of_the_requests_and_a_few() {
        let mut budget = Budget::default();
        let taken = (0..1_000)
            .filter(|_| {
                budget.asked();
                budget.take(Duration::from_secs(1))
            })
            .count();
        assert_eq!(taken, 100 + limit::RETRIES_SPARE.burst as usize);
        // What was saved up in good times is bounded, and the few come back with time.
        (0..100_000).for_each(|_| budget.asked());
        let burst = (0..1_000).filter(|_| budget.take(Duration::from_secs(1))).count();
        assert_eq!(burst, limit::RETRIES_SAVED as usize);
        assert!(budget.take(Duration::from_secs(8)) && !budget.take(Duration::from_secs(8)));
    }

    #[test]
    fn chains_over_the_same_provider_and_model_learn_together() {
        let healths = Healths::new(Metrics::default());
        let place = healths.place("groq", "a");
        assert_eq!(healths.clone().place("groq", "a"), place);
        assert_ne!(healths.place("groq", "b"), place);
        assert_ne!(healths.place("openai", "a"), place);
    }
}
