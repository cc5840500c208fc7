//! What the engine counts and times, for the operator's monitoring. Names and units as Prometheus wants
//! them; labels are bounded (workflows are configured, outcomes and places are ours), so that no client
//! can make new series.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use headwater_core::event::Outcome;
use headwater_core::port::provider::{FinishReason, Usage};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::meter::Spent;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfWorkflow {
    workflow: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEnding {
    workflow: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    workflow: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModel {
    provider: String,
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPlace {
    from: &'static str,
}

/// Where a viewer found its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the ring of a live run.
    Ring,
    /// In the store.
    Store,
}

impl Place {
    fn labels(self) -> OfPlace {
        OfPlace { from: if self == Self::Ring { "ring" } else { "store" } }
    }
}

/// The engine's counters. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    started: Family<OfWorkflow, Counter>,
    ended: Family<OfEnding, Counter>,
    finished: Family<OfReason, Counter>,
    input_tokens: Family<OfModel, Counter>,
    output_tokens: Family<OfModel, Counter>,
    cached_tokens: Family<OfModel, Counter>,
    reasoning_tokens: Family<OfModel, Counter>,
    cost: Family<OfModel, Counter<f64, AtomicU64>>,
    first_token: Family<OfWorkflow, Histogram, fn() -> Histogram>,
    gap: Histogram,
    flush: Histogram,
    flush_events: Histogram,
    reads: Family<OfPlace, Counter>,
}

/// 1 ms to 65 s, doubling.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started: Family::default(),
            ended: Family::default(),
            finished: Family::default(),
            input_tokens: Family::default(),
            output_tokens: Family::default(),
            cached_tokens: Family::default(),
            reasoning_tokens: Family::default(),
            cost: Family::default(),
            first_token: Family::new_with_constructor(seconds),
            gap: seconds(),
            // From a disk that lies about syncing to one that hangs.
            flush: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            flush_events: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            reads: Family::default(),
        }
    }
}

impl Metrics {
    /// Puts the counters under their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("headwater_runs_started", "Runs that were made", self.started.clone());
        registry.register(
            "headwater_runs_ended",
            "Runs whose ending is stored, by how they ended",
            self.ended.clone(),
        );
        registry.register(
            "headwater_runs_finished",
            "Answers that a model ended itself, by why it did",
            self.finished.clone(),
        );
        registry.register(
            "headwater_model_input_tokens",
            "Tokens of prompts, as providers say or as estimated where they do not",
            self.input_tokens.clone(),
        );
        registry.register(
            "headwater_model_output_tokens",
            "Tokens of answers, thinking included, as providers say or as estimated where they do not",
            self.output_tokens.clone(),
        );
        registry.register(
            "headwater_model_cached_tokens",
            "Of the tokens of prompts, those that a provider's cache had",
            self.cached_tokens.clone(),
        );
        registry.register(
            "headwater_model_reasoning_tokens",
            "Of the tokens of answers, those that a model thought",
            self.reasoning_tokens.clone(),
        );
        registry.register(
            "headwater_model_cost_usd",
            "What models cost in dollars, where a provider says it or a price is known",
            self.cost.clone(),
        );
        registry.register_with_unit(
            "headwater_first_token",
            "From a run being made, turns that it waits for included, to its first token being stored",
            Unit::Seconds,
            self.first_token.clone(),
        );
        registry.register_with_unit(
            "headwater_token_gap",
            "Between two flushes of one run that carry tokens: what an eye sees as a pause",
            Unit::Seconds,
            self.gap.clone(),
        );
        registry.register_with_unit(
            "headwater_flush",
            "How long the store took to make a flush durable",
            Unit::Seconds,
            self.flush.clone(),
        );
        registry.register("headwater_flush_events", "Events in one flush", self.flush_events.clone());
        registry.register(
            "headwater_viewer_reads",
            "Batches that viewers read, by where they were found",
            self.reads.clone(),
        );
    }

    /// The share of viewers' batches that needed no store, 0 to 1; 0 before the first.
    #[must_use]
    pub fn ring_share(&self) -> f64 {
        let count = |place: Place| self.reads.get_or_create(&place.labels()).get() as f64;
        let (ring, store) = (count(Place::Ring), count(Place::Store));
        if ring + store > 0.0 { ring / (ring + store) } else { 0.0 }
    }

    pub(crate) fn run_started(&self, workflow: &str) {
        self.started.get_or_create(&OfWorkflow { workflow: workflow.to_owned() }).inc();
    }

    pub(crate) fn run_ended(&self, workflow: &str, outcome: Outcome, reason: Option<FinishReason>) {
        let labels = OfEnding { workflow: workflow.to_owned(), outcome: outcome.as_str() };
        self.ended.get_or_create(&labels).inc();
        if let Some(reason) = reason {
            let labels = OfReason { workflow: workflow.to_owned(), reason: reason.as_str() };
            self.finished.get_or_create(&labels).inc();
        }
    }

    /// What one call of a model used.
    pub(crate) fn spent(&self, spent: &Spent) {
        let Spent { provider, model, usage } = spent;
        let labels = OfModel { provider: provider.clone(), model: model.clone() };
        let Usage { input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost_usd, .. } = usage;
        for (family, tokens) in [
            (&self.input_tokens, input_tokens),
            (&self.output_tokens, output_tokens),
            (&self.cached_tokens, cached_tokens),
            (&self.reasoning_tokens, reasoning_tokens),
        ] {
            if let Some(tokens) = tokens {
                family.get_or_create(&labels).inc_by(*tokens);
            }
        }
        if let Some(cost) = cost_usd {
            self.cost.get_or_create(&labels).inc_by(cost.dollars());
        }
    }

    pub(crate) fn first_token(&self, workflow: &str, after: Duration) {
        let labels = OfWorkflow { workflow: workflow.to_owned() };
        self.first_token.get_or_create(&labels).observe(after.as_secs_f64());
    }

    pub(crate) fn token_gap(&self, gap: Duration) {
        self.gap.observe(gap.as_secs_f64());
    }

    pub(crate) fn flushed(&self, events: usize, took: Duration) {
        self.flush.observe(took.as_secs_f64());
        self.flush_events.observe(events as f64);
    }

    pub(crate) fn viewer_read(&self, place: Place) {
        self.reads.get_or_create(&place.labels()).inc();
    }
}
