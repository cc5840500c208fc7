//! What the engine counts and times, for the operator's monitoring. Names and units as Prometheus wants
//! them; labels are bounded (workflows are configured, outcomes and places are ours), so that no client
//! can make new series.

use std::time::Duration;

use headwater_core::event::Outcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

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

    pub(crate) fn run_ended(&self, workflow: &str, outcome: Outcome) {
        let labels = OfEnding { workflow: workflow.to_owned(), outcome: outcome.as_str() };
        self.ended.get_or_create(&labels).inc();
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
