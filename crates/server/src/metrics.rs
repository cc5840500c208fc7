//! What the server counts and times, for the operator's monitoring; the engine's counters stand beside
//! them under `/metrics`. Labels are bounded: routes are templates, methods and reasons are ours.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use headwater_engine::Engine;

use crate::gate::Gate;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDialect {
    dialect: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfClose {
    dialect: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProvider {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTask {
    task: &'static str,
}

/// The server's counters. Clones count together; one is a pointer, because every connection has one.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Counters>);

/// Puts counters of somebody else under their names.
struct Beside(Box<dyn Fn(&mut Registry) + Send + Sync>);

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Beside")
    }
}

#[derive(Debug)]
struct Counters {
    beside: OnceLock<Beside>,
    requests: Family<OfRequest, Counter>,
    /// All of them, which the family does not tell.
    answered: AtomicU64,
    request_time: Histogram,
    connections: Gauge,
    sockets: Family<OfDialect, Gauge>,
    sockets_opened: Family<OfDialect, Counter>,
    sockets_closed: Family<OfClose, Counter>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            beside: OnceLock::new(),
            requests: Family::default(),
            answered: AtomicU64::new(0),
            request_time: Histogram::new(exponential_buckets(0.001, 2.0, 17)),
            connections: Gauge::default(),
            sockets: Family::default(),
            sockets_opened: Family::default(),
            sockets_closed: Family::default(),
        }
    }
}

/// Counts something open for as long as it is held.
#[derive(Debug)]
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// A request was answered. Methods that HTTP does not name share one label, so that nobody makes series.
    pub fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::DELETE => "DELETE",
            Method::HEAD => "HEAD",
            Method::OPTIONS => "OPTIONS",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            _ => "other",
        };
        let labels = OfRequest { method, route: route.to_owned(), status: status.as_u16() };
        self.0.requests.get_or_create(&labels).inc();
        self.0.answered.fetch_add(1, Ordering::Relaxed);
        self.0.request_time.observe(took.as_secs_f64());
    }

    /// A connection was accepted; it counts until this is dropped.
    #[must_use]
    pub fn connection(&self) -> Open {
        self.0.connections.inc();
        Open(self.0.connections.clone())
    }

    /// A WebSocket was opened; it counts until this is dropped.
    #[must_use]
    pub fn socket(&self, dialect: &'static str) -> Open {
        let labels = OfDialect { dialect };
        self.0.sockets_opened.get_or_create(&labels).inc();
        let open = self.0.sockets.get_or_create(&labels).clone();
        open.inc();
        Open(open)
    }

    /// A WebSocket is gone; 1005 where its client went without a word.
    pub fn socket_closed(&self, dialect: &'static str, code: u16) {
        self.0.sockets_closed.get_or_create(&OfClose { dialect, code }).inc();
    }

    /// Requests that were answered, whatever the answer.
    #[must_use]
    pub fn requests_total(&self) -> u64 {
        self.0.answered.load(Ordering::Relaxed)
    }

    /// Everything, the engine's counters included, as OpenMetrics 1.0 has it.
    #[must_use]
    pub fn open_metrics(&self, engine: &Engine, gate: &Gate) -> String {
        let mut registry = Registry::default();
        self.register(&mut registry);
        engine.metrics().register(&mut registry);
        if let Some(Beside(register)) = self.0.beside.get() {
            register(&mut registry);
        }
        now(engine, gate, &mut registry);
        let mut written = String::new();
        // Writing into a text cannot fail.
        let _ = text::encode(&mut written, &registry);
        written
    }

    /// Shows the counters of a backend beside ours, under the names that it gives them: the server knows none.
    /// The first to say so is heard.
    #[must_use]
    pub fn beside(self, register: impl Fn(&mut Registry) + Send + Sync + 'static) -> Self {
        let _ = self.0.beside.set(Beside(Box::new(register)));
        self
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "headwater_http_requests",
            "Requests answered, by route template",
            self.0.requests.clone(),
        );
        registry.register_with_unit(
            "headwater_http_request",
            "From a request's head to its answer's head",
            Unit::Seconds,
            self.0.request_time.clone(),
        );
        registry.register(
            "headwater_connections",
            "Open connections, WebSockets included",
            self.0.connections.clone(),
        );
        registry.register("headwater_sockets", "Open WebSockets, by dialect", self.0.sockets.clone());
        registry.register(
            "headwater_sockets_opened",
            "WebSockets that were opened, by dialect",
            self.0.sockets_opened.clone(),
        );
        registry.register(
            "headwater_sockets_closed",
            "WebSockets that are gone, by dialect and close code; 1005 is a client that went without one",
            self.0.sockets_closed.clone(),
        );
    }
}

/// What is read at the moment of asking.
fn now(engine: &Engine, gate: &Gate, registry: &mut Registry) {
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: usize| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    let counter = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    };
    let load = engine.store().load();
    gauge(registry, "headwater_runs_live", "Runs that are being written here", engine.live());
    gauge(registry, "headwater_store_queue", "Writes that wait for the store's writer", load.waiting);
    counter(registry, "headwater_store_commits", "Commits of the store", load.commits);
    counter(registry, "headwater_store_writes", "Writes in those commits", load.writes);
    let backlog: Family<OfProvider, Gauge> = Family::default();
    for (provider, waiting) in engine.backlogs() {
        backlog.get_or_create(&OfProvider { provider }).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
    registry.register(
        "headwater_provider_queue",
        "Requests that wait for a provider in this process",
        backlog,
    );
    let refused: Family<OfReason, Counter> = Family::default();
    for (reason, times) in gate.turned_away() {
        refused.get_or_create(&OfReason { reason }).inc_by(times);
    }
    registry.register(
        "headwater_refused",
        "Connections, sockets, requests and messages that were turned away, by what they ran into",
        refused,
    );
    let tasks: Family<OfTask, Gauge> = Family::default();
    for (task, running) in engine.tasks().running() {
        tasks.get_or_create(&OfTask { task }).set(i64::try_from(running).unwrap_or(i64::MAX));
    }
    registry.register("headwater_tasks", "Tasks that are under way, by name", tasks);
    let started: Gauge<f64, AtomicU64> = Gauge::default();
    let clock = engine.clock();
    started.set((clock.wall().0 - clock.steady().0) as f64 / 1_000.0);
    registry.register_with_unit(
        "process_start_time",
        "When this process began to serve, since 1970 UTC",
        Unit::Seconds,
        started,
    );
}

/// The same in the older text format of Prometheus (0.0.4): counters are called as their samples are,
/// units are not said, and nothing marks the end.
#[must_use]
pub fn prometheus_text(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let counters: Vec<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    for line in open_metrics.lines().filter(|l| !l.starts_with("# UNIT ") && *l != "# EOF") {
        match line.strip_prefix("# HELP ").or(line.strip_prefix("# TYPE ")).and_then(|l| l.split_once(' ')) {
            Some((name, rest)) if counters.contains(&name) => {
                out.push_str(&line[..7]);
                out.push_str(name);
                out.push_str("_total ");
                out.push_str(rest);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_summed_over_routes() {
        let metrics = Metrics::default();
        for (route, status) in [("/health", 200), ("/health", 200), ("/x", 404)] {
            let status = StatusCode::from_u16(status).unwrap();
            metrics.answered(&Method::GET, route, status, Duration::from_millis(1));
        }
        assert_eq!(metrics.requests_total(), 3);
    }

    #[test]
    fn what_is_open_is_counted_until_it_is_dropped() {
        let metrics = Metrics::default();
        let open = metrics.socket("chat");
        assert_eq!(metrics.0.sockets.get_or_create(&OfDialect { dialect: "chat" }).get(), 1);
        drop(open);
        assert_eq!(metrics.0.sockets.get_or_create(&OfDialect { dialect: "chat" }).get(), 0);
    }

    #[test]
    fn the_older_format_calls_counters_as_their_samples() {
        let open = "# HELP a_b Things.\n# TYPE a_b counter\n# UNIT a_b seconds\na_b_total{x=\"1\"} 2\n\
                    # HELP g Gauge.\n# TYPE g gauge\ng 1\n# EOF\n";
        let text = prometheus_text(open);
        assert_eq!(
            text,
            "# HELP a_b_total Things.\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 2\n\
             # HELP g Gauge.\n# TYPE g gauge\ng 1\n"
        );
    }
}
