//! What a host's failures mean: by HTTP status, by the error objects in a body or a stream, and by
//! what the client reports. No message here can carry the key.

use std::time::Duration;

use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio_rustls::rustls;

use crate::address::NotReached;
use crate::wire::deltas::said;

/// Characters of a host's own words that are passed on.
const WORDS: usize = 200;

/// A request that cannot be written; our own mistake.
pub(crate) fn unsayable(error: serde_json::Error) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Refused, format!("the request cannot be written: {error}"))
}

/// A short decimal for a short float: 0.2 and not 0.20000000298023224.
pub(crate) fn number(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

/// A response that is no success.
pub(crate) fn of_status(status: u16, retry_after: Option<&str>, body: &str) -> ProviderError {
    let json = serde_json::from_str::<Value>(body).ok();
    let kind = paid(kind_of_status(status), json.as_ref());
    // What a host says about a key may quote it; our own words are enough there.
    let words = match status {
        401 => "the key is missing or wrong".to_owned(),
        403 => "the key may not do this".to_owned(),
        _ => words_of(body).unwrap_or_default(),
    };
    let colon = if words.is_empty() { "" } else { ": " };
    let wait = retry_after.map(|w| format!(" (try again after {})", seconds(w))).unwrap_or_default();
    let mut answered =
        ProviderError::new(kind, format!("the provider answered {status}{colon}{words}{wait}"));
    answered.retry_after = json.as_ref().and_then(wait_in);
    answered
}

/// `Busy` only where waiting helps: who has no money left has none in a minute either. Hosts say that with 429, too,
/// and in the type or code of their error.
fn paid(kind: ProviderErrorKind, error: Option<&Value>) -> ProviderErrorKind {
    match error {
        Some(error) if kind == ProviderErrorKind::Busy && is_unpaid(error) => ProviderErrorKind::Refused,
        _ => kind,
    }
}

fn is_unpaid(body: &Value) -> bool {
    let body = body.get(0).unwrap_or(body);
    let flat = [Some(body), body.get("error")];
    let named = flat.iter().flatten().flat_map(|error| [error.get("type"), error.get("code")]);
    named.flatten().any(|name| matches!(name.as_str(), Some("insufficient_quota" | "billing_error")))
}

/// The words of a failure's body: of its JSON, or plain ones. A page is for a browser.
fn words_of(body: &str) -> Option<String> {
    match serde_json::from_str::<Value>(body) {
        // Gemini puts its object into a list where a list of chunks was expected.
        Ok(Value::Array(list)) => message(list.first()?),
        Ok(value) => message(&value),
        Err(_) if body.trim_start().starts_with(['<', '{', '[']) => None,
        Err(_) => message(&Value::String(body.chars().filter(|c| !c.is_control() || *c == '\n').collect())),
    }
}

/// An error object in the stream, where the status has long been 200.
pub(crate) fn reported(error: &Value) -> ProviderError {
    let code = |key: &str| error.get(key).and_then(|c| c.as_u64().or_else(|| c.as_str()?.parse().ok()));
    let status = code("code").or_else(|| code("status_code")).and_then(|c| u16::try_from(c).ok());
    let named = ["type", "code"].iter().filter_map(|k| error.get(*k)?.as_str());
    let kind = status
        .map(kind_of_status)
        // Either may be the one that says something: `type` is only `error` in a flat one.
        .unwrap_or_else(|| {
            named
                .map(kind_of_name)
                .find(|k| *k != ProviderErrorKind::Failed)
                .unwrap_or(ProviderErrorKind::Failed)
        });
    let kind = paid(kind, Some(error));
    let words = message(error).unwrap_or_else(|| "it gave no reason".to_owned());
    let mut reported = ProviderError::new(kind, format!("the provider reported an error: {words}"));
    reported.retry_after = wait_in(error);
    reported
}

/// What is in a stream and has not the shape of its format: an error where the host calls it one, nothing where it is
/// JSON of another shape, which is something new and not something wrong. `frame` is the format's word for it.
pub(crate) fn unlike(frame: &str, event: Option<&str>, data: &str) -> Result<(), ProviderError> {
    if event == Some("error") {
        let said = serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.to_owned()));
        // Some put the error into a list.
        return Err(reported(said.get(0).unwrap_or(&said)));
    }
    if serde_json::from_str::<IgnoredAny>(data).is_ok() {
        return Ok(());
    }
    Err(ProviderError::new(ProviderErrorKind::Failed, format!("the provider sent {frame} that is not JSON")))
}

/// A request that got no response, or a response that broke off. reqwest's own text may hold the
/// address, which may hold secrets of the operator: only its kind is used.
pub(crate) fn of_client(error: &reqwest::Error, connect: Duration) -> ProviderError {
    use ProviderErrorKind::{Refused, Timeout, Unavailable};

    let (kind, words) = if let Some(why) = cause::<NotReached>(error) {
        let kind = if *why == NotReached::Unknown { Unavailable } else { Refused };
        (kind, format!("the provider cannot be reached: {why}"))
    } else if let Some(rustls::Error::InvalidCertificate(_)) = cause::<rustls::Error>(error) {
        let words = "the provider's certificate is not trusted, or not for this name; `ca_file` names authorities \
                     of one's own";
        (Unavailable, words.to_owned())
    } else if error.is_connect() && cause::<rustls::Error>(error).is_some() {
        (Unavailable, "the provider does not speak TLS as it should".to_owned())
    } else if error.is_timeout() && error.is_connect() {
        (Unavailable, format!("the provider cannot be reached: no connection within {}", said(connect)))
    } else if error.is_connect() {
        (Unavailable, "the provider cannot be reached: it takes no connections".to_owned())
    } else if error.is_timeout() {
        (Timeout, "the provider did not answer in time".to_owned())
    } else if error.is_builder() {
        (Refused, "the request to the provider cannot be built".to_owned())
    } else {
        (Unavailable, "the connection to the provider broke before it answered".to_owned())
    };
    ProviderError::new(kind, words)
}

/// What lies below an error, where it is of this kind. An error of the system may carry another inside.
fn cause<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// How long a host asks to be left alone in the words of its error, where it sends no header: Google says
/// `"retryDelay": "37s"` in one of the details. At most a day is believed.
pub(crate) fn wait_in(body: &Value) -> Option<Duration> {
    let body = body.get(0).unwrap_or(body);
    let details = body.get("error").unwrap_or(body).get("details")?.as_array()?;
    let said = details.iter().find_map(|d| d.get("retryDelay")?.as_str())?;
    let seconds = said.strip_suffix('s')?.parse::<f64>().ok()?;
    (0.0..86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn kind_of_status(status: u16) -> ProviderErrorKind {
    match status {
        400..=407 | 409..=424 | 426..=428 | 431 | 451 => ProviderErrorKind::Refused,
        408 | 504 | 524 => ProviderErrorKind::Timeout,
        425 | 429 | 503 | 529 => ProviderErrorKind::Busy,
        _ => ProviderErrorKind::Failed,
    }
}

fn kind_of_name(name: &str) -> ProviderErrorKind {
    match name {
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "overloaded_error"
        | "engine_overloaded"
        | "server_is_overloaded"
        | "slow_down" => ProviderErrorKind::Busy,
        "invalid_request_error"
        | "authentication_error"
        | "permission_error"
        | "insufficient_quota"
        | "invalid_prompt"
        | "context_length_exceeded"
        | "model_not_found"
        | "not_found_error"
        | "request_too_large"
        | "billing_error" => ProviderErrorKind::Refused,
        "timeout_error" => ProviderErrorKind::Timeout,
        _ => ProviderErrorKind::Failed,
    }
}

/// The host's words: `error.message`, `message`, `detail` or a bare text; one line, cut.
fn message(value: &Value) -> Option<String> {
    // One host puts its error into an array.
    let value = value.get(0).unwrap_or(value);
    let inner = value.get("error").filter(|e| !e.is_null()).unwrap_or(value);
    let text = match inner {
        Value::String(s) => s.as_str(),
        _ => ["message", "detail"].iter().find_map(|k| inner.get(*k)?.as_str())?,
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(WORDS).collect();
    (!cut.is_empty()).then_some(cut)
}

/// `Retry-After` is seconds or a date; it came from outside and is shown, so only the expected passes.
fn seconds(value: &str) -> String {
    match value.trim().parse::<f64>() {
        Ok(s) if s.is_finite() && (0.0..1e7).contains(&s) => format!("{s} s"),
        _ if value.len() <= 32
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b" ,:+-".contains(&b)) =>
        {
            value.trim().to_owned()
        }
        _ => "a while".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_say_what_can_be_done() {
        use ProviderErrorKind::*;
        for (status, kind) in [
            (400, Refused),
            (401, Refused),
            (403, Refused),
            (404, Refused),
            (422, Refused),
            (408, Timeout),
            (429, Busy),
            (503, Busy),
            (529, Busy),
            (500, Failed),
            (502, Failed),
            (302, Failed),
        ] {
            assert_eq!(of_status(status, None, "").kind, kind, "{status}");
        }
        // Planted fault: the status alone believed.
        for unpaid in [
            r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            r#"{"error":{"message":"m","type":"requests","code":"insufficient_quota"}}"#,
            r#"{"type":"error","error":{"type":"billing_error","message":"m"}}"#,
            r#"[{"error":{"code":"billing_error"}}]"#,
            r#"{"code":"insufficient_quota","message":"m"}"#,
        ] {
            assert_eq!(of_status(429, None, unpaid).kind, Refused, "{unpaid}");
            assert_eq!(of_status(500, None, unpaid).kind, Failed, "{unpaid}");
        }
        let slow = r#"{"error":{"type":"rate_limit_error","message":"not insufficient_quota"}}"#;
        assert_eq!(of_status(429, None, slow).kind, Busy);
        let busy = of_status(429, Some("12"), r#"{"error":{"message":"slow\n down"}}"#);
        assert_eq!(busy.message, "the provider answered 429: slow down (try again after 12 s)");
        assert!(of_status(429, Some("<script>"), "").message.ends_with("(try again after a while)"));
        assert!(
            !of_status(401, None, r#"{"error":{"message":"bad key sk-123"}}"#).message.contains("sk-123")
        );
        assert_eq!(
            of_status(404, None, "no such\nmodel\u{7}").message,
            "the provider answered 404: no such model"
        );
        assert_eq!(of_status(502, None, "<html>Bad").message, "the provider answered 502");
        assert_eq!(
            of_status(400, None, r#"[{"error":{"code":400,"message":"m"}}]"#).message,
            "the provider answered 400: m"
        );
        assert!(of_status(500, None, &format!(r#"{{"detail":"{}"}}"#, "x".repeat(9000))).message.len() < 300);
    }

    #[test]
    fn a_wait_may_stand_in_the_body() {
        let body = |wait: &str| {
            format!(
                "{{\"error\":{{\"code\":429,\"message\":\"m\",\"details\":[{{\"x\":1}},{{\"retryDelay\":\"{wait}\"}}]}}}}"
            )
        };
        let wait = |text: &str| of_status(429, None, text).retry_after;
        assert_eq!(wait(&body("1.5s")), Some(Duration::from_millis(1500)));
        assert_eq!(wait(&format!("[{}]", body("37s"))), Some(Duration::from_secs(37)));
        for none in ["", "s", "-1s", "NaNs", "infs", "86400s", "1e400s", "7"] {
            assert_eq!(wait(&body(none)), None, "{none}");
        }
        assert_eq!(
            of_status(500, None, &format!("[{}]", body("1s"))).message,
            "the provider answered 500: m"
        );
        let inner: Value = serde_json::from_str(&body("2s")).unwrap();
        assert_eq!(reported(&inner["error"]).retry_after, Some(Duration::from_secs(2)));
    }

    #[test]
    fn reported_errors_are_typed_by_code_or_name() {
        let kind = |json: &str| reported(&serde_json::from_str(json).unwrap()).kind;
        assert_eq!(kind(r#"{"code":429,"message":"m"}"#), ProviderErrorKind::Busy);
        assert_eq!(kind(r#"{"code":"400","message":"m"}"#), ProviderErrorKind::Refused);
        assert_eq!(kind(r#"{"type":"server_error","code":null}"#), ProviderErrorKind::Failed);
        assert_eq!(kind(r#"{"type":"rate_limit_error"}"#), ProviderErrorKind::Busy);
        assert_eq!(kind(r#"{"code":429,"type":"insufficient_quota"}"#), ProviderErrorKind::Refused);
        assert!(reported(&Value::String("boom".into())).message.ends_with("boom"));
    }
}
