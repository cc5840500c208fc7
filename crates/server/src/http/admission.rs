//! What is asked of every request before its route sees it: whose page it comes from, and whether its
//! address has asked too often. And the answers that pages of other origins need (CORS).

use std::sync::Arc;

use axum::extract::{Extension, MatchedPath, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, UPGRADE, VARY,
};
use axum::http::{Extensions, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use headwater_core::code::{Code, Error};

use super::orchestrate::{self, Refused};
use super::refusal::Refusal;
use super::runs::Fault;
use crate::app::Surface;
use crate::gate::address::Reached;
use crate::gate::origin::Verdict;
use crate::gate::{ClientAddress, Gate};

/// Where people sign in and where they make accounts: each try costs a password hash, or a user with the
/// limits of his own.
const SIGN_IN: [&str; 2] = ["/api/v1/auth/login", "/api/auth/login"];
const REGISTER: [&str; 3] = ["/api/v1/auth/register", "/api/v1/auth/guest", "/api/auth/register"];

/// Whose pages send their requests "with credentials" (contract), though there are none that a browser adds by
/// itself: everything else is answered without.
const WITH_CREDENTIALS: [&str; 3] = ["/api/ai/", "/api/user/", "/api/health"];

/// What a page of another origin may send, and may read of the answer.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const MAY_SEND: &str = "Accept, Accept-Language, Authorization, Content-Type, Idempotency-Key, Last-Event-ID, \
                        Prefer, X-Request-ID";
const MAY_READ: &str = "X-Request-ID, X-Response-Time, Retry-After, Location";
/// Seconds that a browser may remember this.
const MAX_AGE: &str = "600";

/// A layer; inside the one that dresses answers, so that refusals have names and lines in the log as well.
pub(super) async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let from = origin_of(&gate, &request);
    if is_upgrade(&request) && from == Verdict::Refused {
        gate.refused_origin();
        return Refusal::from(Error::new(Code::OriginRefused, "Origin not allowed")).into_response();
    }
    // Only the edge knows addresses; a router without one is somebody's test.
    if let Some(address) = request.extensions().get::<ClientAddress>()
        && let Err(error) = ask(&gate, *address, &request)
    {
        let answer = said(error, request.extensions());
        let answer = with_cors(&gate, from, request.headers().get(ORIGIN).cloned(), answer);
        return trusting(&gate, from, with_credentials(&request), answer);
    }
    if is_preflight(&request) {
        let credentials = with_credentials(&request);
        let answer = preflight(&gate, from, request.headers().get(ORIGIN).cloned());
        return trusting(&gate, from, credentials, answer);
    }
    let origin = request.headers().get(ORIGIN).cloned();
    let credentials = with_credentials(&request);
    let answer = next.run(request).await;
    trusting(&gate, from, credentials, with_cors(&gate, from, origin, answer))
}

fn ask(gate: &Gate, address: ClientAddress, request: &Request) -> Result<(), Error> {
    let key = address.key();
    match route_of(request) {
        // Front-ends were seen that open a socket at every turn, and ask for a state every two seconds.
        Some(orchestrate::SOCKET | orchestrate::STATUS) => return gate.coming_back(&key),
        _ => gate.request(&key)?,
    }
    if request.method() != Method::POST {
        return Ok(());
    }
    // The route and not the path: the two need not look alike.
    match route_of(request) {
        Some(route) if SIGN_IN.contains(&route) => gate.sign_in(&key),
        Some(route) if REGISTER.contains(&route) => gate.registration(&key),
        _ => Ok(()),
    }
}

/// A run is about to be started by somebody who has shown who he is. Not before that: who shows nothing could
/// otherwise use up what everybody behind his address may start.
///
/// # Errors
/// [`Code::RateLimited`].
pub(super) fn start(gate: &Gate, address: Option<Extension<ClientAddress>>) -> Result<(), Error> {
    address.map_or(Ok(()), |Extension(address)| gate.start(&address.key()))
}

fn route_of(request: &Request) -> Option<&str> {
    request.extensions().get::<MatchedPath>().map(MatchedPath::as_str)
}

/// In the shape that the errors have of the route in a request's extensions.
pub(crate) fn said(error: Error, extensions: &Extensions) -> Response {
    let route = extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let own = extensions.get() == Some(&Surface::Orchestrate);
    if route.starts_with("/api/runs") {
        Fault::from(error).into_response()
    } else if route.starts_with("/api/orchestrate")
        || route == orchestrate::SOCKET
        || own && orchestrate::OWN.contains(&route)
    {
        Refused::from(error).into_response()
    } else {
        Refusal::from(error).into_response()
    }
}

fn origin_of(gate: &Gate, request: &Request) -> Verdict {
    let encrypted = request.extensions().get::<Reached>().is_some_and(|reached| reached.encrypted);
    gate.rules().origins.judge(request.headers(), encrypted)
}

/// Whatever else is wrong with it: every socket begins like this, on every route.
fn is_upgrade(request: &Request) -> bool {
    let mut asked = request.headers().get_all(UPGRADE).iter();
    asked.any(|value| value.as_bytes().to_ascii_lowercase().windows(9).any(|part| part == b"websocket"))
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// As the original answers: 200 "OK", or 400 in these words.
fn preflight(gate: &Gate, from: Verdict, origin: Option<HeaderValue>) -> Response {
    if from != Verdict::Allowed {
        gate.refused_origin();
        return (StatusCode::BAD_REQUEST, [(VARY, "Origin")], "Disallowed CORS origin").into_response();
    }
    let mut answer = with_cors(gate, from, origin, (StatusCode::OK, "OK").into_response());
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(MAY_SEND));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    answer
}

fn with_credentials(request: &Request) -> bool {
    let route = route_of(request).unwrap_or_default();
    request.headers().contains_key(ORIGIN) && WITH_CREDENTIALS.iter().any(|path| route.starts_with(path))
}

/// A page of a configured origin may read it though it asked with credentials; never every page of every site.
fn trusting(gate: &Gate, from: Verdict, credentials: bool, mut answer: Response) -> Response {
    if credentials && from == Verdict::Allowed && !gate.rules().origins.all {
        let yes = HeaderValue::from_static("true");
        answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
    answer
}

/// Lets the page read the answer, where it may.
fn with_cors(gate: &Gate, from: Verdict, origin: Option<HeaderValue>, mut answer: Response) -> Response {
    let Some(origin) = origin else { return answer };
    let headers = answer.headers_mut();
    if gate.rules().origins.all {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        // What is answered depends on who asks: nobody on the way may keep it for another.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if from != Verdict::Allowed {
            return answer;
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(MAY_READ));
    answer
}
