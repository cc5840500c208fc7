//! An answer that says no, in the shape of the original: `{"detail": …}`.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use headwater_core::code::{Code, Error};
use serde::Serialize;

use super::validate::Problems;

/// Seconds after which somebody who was turned away for want of room may come back.
pub(crate) const RETRY_SECONDS: u64 = 5;

/// A status and `{"detail": …}`, which is a sentence, or the list of what is wrong with a body. A 401 says
/// `WWW-Authenticate: Bearer`, a 429 and a 503 say `Retry-After`,
/// a 423 where it is known.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    detail: Detail,
    close: bool,
    /// Seconds until it is worth another try, where that is known.
    retry_after: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Detail {
    Sentence(Cow<'static, str>),
    Problems(Problems),
}

#[derive(Serialize)]
struct Shape {
    detail: Detail,
}

impl Refusal {
    /// This status, with this sentence, which holds no secret.
    pub fn new(status: StatusCode, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: Detail::Sentence(sentence.into()), close: false, retry_after: None }
    }

    /// The same with another status, where a surface has one of its own for this.
    #[must_use]
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// And the connection ends with it: what the client is still sending will not be read.
    #[must_use]
    pub fn and_close(mut self) -> Self {
        self.close = true;
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Seconds until it is worth another try, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// What is wrong in one line, for surfaces whose errors have another shape.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.detail {
            Detail::Sentence(sentence) => sentence.to_string(),
            Detail::Problems(problems) => problems.to_string(),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let retry_after = error.retry_after;
        Self { retry_after, ..Self::new(status_of(error.code), error.message) }
    }
}

impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            detail: Detail::Problems(problems),
            close: false,
            retry_after: None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, detail, close, retry_after } = self;
        let mut answer = (status, Json(Shape { detail })).into_response();
        dress(&mut answer, close, retry_after);
        answer
    }
}

/// The status of an answer that says this.
pub(super) fn status_of(code: Code) -> StatusCode {
    StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What an answer that says no has beside its body, whatever the body's shape. `close`: the connection ends
/// with it. `retry_after`: seconds until it is worth another try, where that is known.
pub(crate) fn dress(answer: &mut Response, close: bool, retry_after: Option<u64>) {
    let status = answer.status();
    let headers = answer.headers_mut();
    match status {
        // Every 401, as RFC 9110 demands; the original forgets it on some.
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.unwrap_or(RETRY_SECONDS)));
        }
        StatusCode::LOCKED => {
            headers.extend(retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
        }
        _ => {}
    }
    if close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}
