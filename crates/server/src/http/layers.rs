//! What every answer has in common: a name, its time, safe headers, a line in the log; and answers where
//! there is no route, or where one breaks.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::admission::admit;
use super::refusal::Refusal;
use crate::gate::Gate;
use crate::metrics::Metrics;

/// The name of a request, echoed or made.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Milliseconds from the request's head to the answer's head, as `12.34ms`.
pub const X_RESPONSE_TIME: HeaderName = HeaderName::from_static("x-response-time");

/// Bytes of a request's name that a client chose; a UUID with a prefix, or a trace id.
const REQUEST_ID_BYTES: usize = 128;

/// Everything a page may do: itself, from here, in no frame.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                           img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; \
                           frame-ancestors 'none'";

/// The name of a request, for handlers; in its log lines already.
#[derive(Debug, Clone)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The client's own where it is harmless in headers and logs, otherwise a new one.
    fn of(request: &Request) -> Self {
        let given = request.headers().get(X_REQUEST_ID).and_then(|v| v.to_str().ok());
        match given.filter(|id| sane(id)) {
            Some(id) => Self(id.into()),
            None => Self(uuid::Uuid::new_v4().to_string().into()),
        }
    }
}

fn sane(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&b);
    (1..=REQUEST_ID_BYTES).contains(&id.len()) && id.bytes().all(allowed)
}

/// Puts all of this around a router. Called last, after every route has been added: routes that come
/// later are bare. Bodies are passed on untouched, so streams stream and upgrades upgrade.
pub fn around<S>(router: Router<S>, metrics: Metrics) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    complete(router).layer(from_fn_with_state(metrics, dress))
}

/// The same, behind a gate that is asked before any route.
pub fn around_gated<S>(router: Router<S>, gate: Arc<Gate>, metrics: Metrics) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    around_admitted(complete(router), gate).layer(from_fn_with_state(metrics, dress))
}

fn around_admitted<S>(router: Router<S>, gate: Arc<Gate>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state(gate, admit))
}

fn complete<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

async fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Not Found")
}

/// `Allow` is added by the router, which knows the methods.
async fn method_not_allowed() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// As the value of [`X_RESPONSE_TIME`].
pub(crate) fn millis(took: Duration) -> String {
    format!("{:.2}ms", took.as_secs_f64() * 1000.0)
}

async fn dress(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestId::of(&request);
    let method = request.method().clone();
    // The route and never the address: addresses carry tokens and the names of people's sessions.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("no route", MatchedPath::as_str);
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", id = id.as_str());

    // A panic is a mistake of ours, for which other requests on the connection need not pay. What it says
    // stays in the process: it may quote what it choked on.
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let mut answer = handled.unwrap_or_else(|_| {
        span.in_scope(|| tracing::error!(%method, route, "a handler panicked"));
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
    });

    let took = began.elapsed();
    let millis = millis(took);
    metrics.answered(&method, route, answer.status(), took);
    let status = answer.status().as_u16();
    span.in_scope(|| tracing::info!(%method, route, status, time = millis.as_str(), "answered"));

    let headers = answer.headers_mut();
    // Both are ASCII by construction; were they ever not, the answer would still go out.
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(X_REQUEST_ID, value);
    }
    if let Ok(value) = HeaderValue::from_str(&millis) {
        headers.insert(X_RESPONSE_TIME, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    }
    answer
}
