//! An answer that says no, in the shapes of this surface: `{"detail": …}` as elsewhere, but `{"error": …}` for a 401
//! and a 429.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use headwater_core::code::{Code, Error};
use serde_json::json;

use crate::http::refusal::{Refusal, dress};

/// See the module.
#[derive(Debug)]
pub(crate) struct Refused {
    refusal: Refusal,
    /// Seconds until it is worth another try, where that is known.
    retry_after: Option<u64>,
}

impl Refused {
    /// There is no such job, it is somebody else's, or it was deleted.
    pub(super) fn no_job() -> Self {
        Refusal::new(StatusCode::NOT_FOUND, "Job not found").into()
    }
}

impl<R: Into<Refusal>> From<R> for Refused {
    fn from(refusal: R) -> Self {
        let refusal = refusal.into();
        Self { retry_after: refusal.retry_after(), refusal }
    }
}

/// What is not there on this surface is a job; nor is one whose log is no longer kept, of which the history has a line.
pub(super) fn of_job(error: Error) -> Refused {
    match error.code {
        Code::NotFound | Code::CursorExpired => Refused::no_job(),
        _ => error.into(),
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let error = match self.refusal.status() {
            StatusCode::UNAUTHORIZED => "Unauthorized",
            StatusCode::TOO_MANY_REQUESTS => "Rate limit exceeded. Please try again later.",
            _ => return self.refusal.into_response(),
        };
        let mut answer = (self.refusal.status(), Json(json!({ "error": error }))).into_response();
        dress(&mut answer, false, self.retry_after);
        answer
    }
}
