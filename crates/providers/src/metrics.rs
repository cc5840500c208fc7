//! What is counted about hosts, for the operator's monitoring. Labels are names of the configuration and
//! words of ours, so that no client and no host can make new series.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProvider {
    provider: String,
}

impl OfProvider {
    fn of(provider: &str) -> Self {
        Self { provider: provider.to_owned() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    provider: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModel {
    provider: String,
    model: String,
}

/// The counters of all providers. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    requests: Family<OfOutcome, Counter>,
    retries: Family<OfProvider, Counter>,
    fallbacks: Family<OfProvider, Counter>,
    skipped: Family<OfProvider, Counter>,
    open: Family<OfProvider, Gauge>,
    tripped: Family<OfModel, Gauge>,
}

impl Metrics {
    /// Puts the counters under their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "headwater_provider_requests",
            "Requests to a host that are over, by how: completed, dropped (nobody wanted it any more), or the kind of error",
            self.requests.clone(),
        );
        registry.register(
            "headwater_provider_retries",
            "Requests that were sent to the same host once more, before anything of an answer was seen",
            self.retries.clone(),
        );
        registry.register(
            "headwater_provider_fallbacks",
            "Requests that went on to this provider because another of its list failed or was left alone",
            self.fallbacks.clone(),
        );
        registry.register(
            "headwater_provider_skipped",
            "Events and parts of a host's answers that are not known here and were skipped",
            self.skipped.clone(),
        );
        registry.register(
            "headwater_provider_streams",
            "Answers that a host is writing now",
            self.open.clone(),
        );
        registry.register(
            "headwater_provider_breaker",
            "1 while a provider's model is left alone because it kept failing, else 0",
            self.tripped.clone(),
        );
    }

    /// A request is over.
    pub fn request(&self, provider: &str, outcome: &'static str) {
        self.requests.get_or_create(&OfOutcome { provider: provider.to_owned(), outcome }).inc();
    }

    /// The same host is asked once more.
    pub fn retry(&self, provider: &str) {
        self.retries.get_or_create(&OfProvider::of(provider)).inc();
    }

    /// This provider is asked because another failed.
    pub fn fallback(&self, provider: &str) {
        self.fallbacks.get_or_create(&OfProvider::of(provider)).inc();
    }

    /// Frames and parts that a decoder skipped.
    pub fn skipped(&self, provider: &str, count: u64) {
        if count > 0 {
            self.skipped.get_or_create(&OfProvider::of(provider)).inc_by(count);
        }
    }

    /// A host's answers under way: one more, or one fewer.
    pub fn open(&self, provider: &str, change: i64) {
        self.open.get_or_create(&OfProvider::of(provider)).inc_by(change);
    }

    /// Whether a provider's model is left alone now. The model is the configuration's, never a request's.
    pub fn breaker(&self, provider: &str, model: &str, tripped: bool) {
        let of = OfModel { provider: provider.to_owned(), model: model.to_owned() };
        self.tripped.get_or_create(&of).set(i64::from(tripped));
    }
}
