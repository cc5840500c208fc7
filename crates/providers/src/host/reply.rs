//! The head of a reply: whether a stream follows, what it means if none does, and what a support desk will ask for.

use std::time::SystemTime;

use headwater_core::limit;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde_json::Value;
use tokio::time::{Duration, timeout};

use crate::failure;
use crate::wire::Framing;

/// How long the rest of a failure may take: its words are worth a moment.
const WORDS: Duration = Duration::from_secs(5);
/// Where hosts put the name of a request, by which they find it again.
const REQUEST_IDS: [&str; 3] = ["request-id", "x-request-id", "x-generation-id"];
/// Characters of such a name.
const REQUEST_ID: usize = 80;

/// The name that the host gave to this request; empty where it gave none, or an odd one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let sayable = |id: &&str| {
        (1..=REQUEST_ID).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    let found = REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok().filter(sayable));
    found.unwrap_or_default().to_owned()
}

/// The same with the request's name in its words.
pub(super) fn named(mut error: ProviderError, request_id: &str) -> ProviderError {
    if !request_id.is_empty() {
        error.message = format!("{} (request {request_id})", error.message);
    }
    error
}

/// How long a host asks to be left alone, at most [`limit::PROVIDER_RETRY_AFTER`].
fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok();
    let seconds = match text("retry-after-ms").and_then(number) {
        Some(ms) => Some(ms / 1000.0),
        None => text(RETRY_AFTER.as_str()).and_then(|text| match number(text) {
            Some(seconds) => Some(seconds),
            None => {
                let date = httpdate::parse_http_date(text).ok()?;
                Some(date.duration_since(now).unwrap_or_default().as_secs_f64())
            }
        }),
    };
    let most = limit::PROVIDER_RETRY_AFTER;
    let seconds = seconds.filter(|s| *s >= 0.0)?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(most).min(most))
}

/// The response, if what follows is a body of this framing.
///
/// # Errors
/// What it says instead.
pub(super) async fn checked(response: Response, framing: Framing) -> Result<Response, ProviderError> {
    let headers = response.headers();
    let failed = |words: &str| Err(ProviderError::new(ProviderErrorKind::Failed, words));
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let encoding = text(CONTENT_ENCODING);
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        // None is ever asked for: a packed stream comes in lumps, and may unpack to anything.
        return failed("the provider packed its answer (content-encoding), which nobody asked for");
    }
    let kind = text(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match (kind.as_str(), framing) {
        ("text/html" | "application/xhtml+xml", _) => failed(
            "the provider answered with a web page: the base address or a proxy before it is not what it should be",
        ),
        ("application/json" | "application/problem+json", Framing::Events) => Err(document(response).await),
        _ => Ok(response),
    }
}

/// A response that is no success.
pub(super) async fn refusal(response: Response) -> ProviderError {
    let status = response.status().as_u16();
    let after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let wait = wait(response.headers(), SystemTime::now());
    let packed = response.headers().contains_key(CONTENT_ENCODING);
    let body = if packed { Vec::new() } else { words(response).await };
    let mut error = failure::of_status(status, after.as_deref(), &String::from_utf8_lossy(&body));
    // The header is the host's own word; some say it in the body alone.
    error.retry_after = wait.or(error.retry_after);
    if (300..400).contains(&status) {
        error.message +=
            ": it sends us to another address, which is not followed; the base address must be the last one";
    }
    error
}

/// One JSON document where a stream was asked for: an error, as a rule.
async fn document(response: Response) -> ProviderError {
    let body = words(response).await;
    let value = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let value = value.as_array().and_then(|list| list.first()).unwrap_or(&value);
    match value.get("error").filter(|e| !e.is_null()) {
        Some(error) => failure::reported(error),
        None => ProviderError::new(
            ProviderErrorKind::Failed,
            "the provider answered with one document and not with a stream: it does not stream, or the base \
             address is not of this format",
        ),
    }
}

async fn words(response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    // What has come by then is kept.
    let _ = timeout(WORDS, first_bytes(response, limit::PROVIDER_FAILURE_BYTES, &mut body)).await;
    body
}

/// Reads a body into `body`, up to so many bytes; `true` if that was all of it.
pub(super) async fn first_bytes(mut response: Response, most: usize, body: &mut Vec<u8>) -> bool {
    loop {
        match response.chunk().await {
            Ok(Some(piece)) if piece.len() <= most - body.len() => body.extend_from_slice(&piece),
            Ok(Some(piece)) => {
                body.extend_from_slice(&piece[..most - body.len()]);
                return false;
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_wait_is_read_in_every_form_and_bounded() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        let of = |pairs: &[(&'static str, &str)]| wait(&headers(pairs), now);
        let seconds = |s| Some(Duration::from_secs_f64(s));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("retry-after", "7")]), seconds(7.0));
        assert_eq!(of(&[("retry-after", " 0.25 ")]), seconds(0.25));
        assert_eq!(of(&[("retry-after", "7"), ("retry-after-ms", "1500")]), seconds(1.5));
        assert_eq!(of(&[("retry-after", "7"), ("retry-after-ms", "soon")]), seconds(7.0));
        assert_eq!(of(&[("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")]), seconds(30.0));
        assert_eq!(of(&[("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT")]), seconds(0.0));
        for long in ["86400", "1e300", "inf", "Thu, 22 Oct 2026 07:28:00 GMT"] {
            assert_eq!(of(&[("retry-after", long)]), Some(limit::PROVIDER_RETRY_AFTER), "{long}");
        }
        for odd in ["", "-1", "nan", "tomorrow", "Wed, 99 Oct 2026 07:28:30 GMT", "1 s"] {
            assert_eq!(of(&[("retry-after", odd)]), None, "{odd}");
        }
    }

    #[test]
    fn a_request_is_named_only_with_safe_letters() {
        assert_eq!(request_id(&headers(&[("x-request-id", "req_1.a:B-2")])), "req_1.a:B-2");
        assert_eq!(request_id(&headers(&[("x-generation-id", "gen-1"), ("request-id", "r")])), "r");
        assert_eq!(
            request_id(&headers(&[("x-request-id", "<script>"), ("x-generation-id", "gen-1")])),
            "gen-1"
        );
        for odd in ["", "a b", "a\"b", &"x".repeat(81)] {
            assert_eq!(request_id(&headers(&[("request-id", odd)])), "");
        }
    }
}
