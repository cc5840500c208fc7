//! `GET /metrics` for a monitoring system, and `GET /api/v1/metrics`, the original's three numbers.

use std::net::IpAddr;

use axum::extract::{Extension, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, FORWARDED, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Serialize;

use super::refusal::Refusal;
use crate::app::App;
use crate::edge::ConnInfo;
use crate::gate::origin::near_by_name;
use crate::metrics::prometheus_text;

/// The two routes.
pub fn routes() -> Router<App> {
    Router::new().route("/metrics", get(exposition)).route("/api/v1/metrics", get(numbers))
}

/// Who may read the counters: they tell how busy the house is, and with which models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MetricsFor {
    /// Who connects from this machine or a private network, not through a proxy, and asks by an address or by
    /// a name without a dot.
    #[default]
    Local,
    /// Everybody.
    Everybody,
    /// Nobody.
    Nobody,
}

impl MetricsFor {
    fn may(self, peer: IpAddr, headers: &HeaderMap) -> bool {
        match self {
            Self::Everybody => true,
            Self::Nobody => false,
            // A proxy stands in a private network itself; what it passes on comes from anywhere.
            Self::Local => {
                is_private(peer)
                    && near_by_name(headers)
                    && !headers.contains_key(FORWARDED)
                    && !headers.contains_key("x-forwarded-for")
            }
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The format that is asked for, of the two; `None` where neither is.
fn format(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok());
    let mut plain = false;
    for kind in wanted.flat_map(|value| value.split(',')) {
        match kind.split(';').next().unwrap_or_default().trim() {
            "application/openmetrics-text" => return Some(OPEN_METRICS),
            "text/plain" => plain = true,
            _ => {}
        }
    }
    plain.then_some(PROMETHEUS)
}

async fn exposition(
    State(app): State<App>,
    Extension(conn): Extension<ConnInfo>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let format = format(&headers).unwrap_or(PROMETHEUS);
    written(&app, &conn, &headers, format)
}

fn written(
    app: &App,
    conn: &ConnInfo,
    headers: &HeaderMap,
    format: HeaderValue,
) -> Result<Response, Refusal> {
    if !app.metrics_for.may(conn.peer.ip(), headers) {
        // As if there were nothing: who may not read it need not know of it.
        return Err(Refusal::new(StatusCode::NOT_FOUND, "Not Found"));
    }
    let open = app.metrics.open_metrics(&app.engine, &app.gate);
    let text = if format == OPEN_METRICS { open } else { prometheus_text(&open) };
    Ok(([(CONTENT_TYPE, format), (VARY, HeaderValue::from_static("accept"))], text).into_response())
}

/// The original's keys, in its order.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Metrics", description = "A few measurements.")]
pub(super) struct Numbers {
    /// `healthy`
    status: &'static str,
    /// Since the start of this process.
    requests_total: u64,
    /// The share of what viewers read that came from memory, 0 to 1.
    cache_hit_rate: f64,
}

async fn numbers(
    State(app): State<App>,
    Extension(conn): Extension<ConnInfo>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if let Some(format) = format(&headers) {
        return written(&app, &conn, &headers, format);
    }
    let numbers = Numbers {
        status: "healthy",
        requests_total: app.metrics.requests_total(),
        cache_hit_rate: app.engine.metrics().ring_share(),
    };
    Ok(([(VARY, HeaderValue::from_static("accept"))], Json(numbers)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header::HOST;

    #[test]
    fn only_who_is_near_and_comes_himself_reads_them() {
        let mut none = HeaderMap::new();
        none.insert(HOST, HeaderValue::from_static("127.0.0.1:8000"));
        let mut proxied = none.clone();
        proxied.insert("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
        for (address, near) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("192.168.0.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("fd00::1", true),
            ("8.8.8.8", false),
            ("172.32.0.1", false),
            ("2001:db8::1", false),
            ("::ffff:8.8.8.8", false),
        ] {
            let peer = address.parse().unwrap();
            assert_eq!(MetricsFor::Local.may(peer, &none), near, "{address}");
            assert!(!MetricsFor::Local.may(peer, &proxied), "{address}");
            assert!(MetricsFor::Everybody.may(peer, &proxied));
            assert!(!MetricsFor::Nobody.may(peer, &none));
        }
    }

    // Planted fault: the host not looked at; a page at rebound.example then read them through a browser here.
    #[test]
    fn a_page_whose_name_was_bent_to_this_machine_does_not() {
        for (host, near) in [
            ("127.0.0.1", true),
            ("127.0.0.1:8000", true),
            ("[::1]:8000", true),
            ("localhost:8000", true),
            ("LOCALHOST", true),
            ("headwater:8000", true),
            ("rebound.example:8000", false),
            ("localhost.rebound.example", false),
            ("127.0.0.1.rebound.example", false),
            ("a.example:80:80", false),
            ("evil.", false),
            ("[::1", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            assert_eq!(MetricsFor::Local.may([127, 0, 0, 1].into(), &headers), near, "{host}");
            headers.append(HOST, HeaderValue::from_static("localhost"));
            assert!(!MetricsFor::Local.may([127, 0, 0, 1].into(), &headers), "two hosts");
        }
        assert!(!MetricsFor::Local.may([127, 0, 0, 1].into(), &HeaderMap::new()));
    }

    #[test]
    fn the_format_is_what_is_asked_for() {
        let of = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            format(&headers)
        };
        assert_eq!(of("*/*"), None);
        assert_eq!(of("application/json"), None);
        assert_eq!(of("text/plain;version=0.0.4;q=0.3, */*;q=0.1"), Some(PROMETHEUS));
        assert_eq!(of("text/plain;q=0.3,application/openmetrics-text;version=1.0.0"), Some(OPEN_METRICS));
        assert_eq!(format(&HeaderMap::new()), None);
    }
}
