//! A JSON body, read within its bounds.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use headwater_core::limit;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::{Problem, Problems, json_fault, shown};
use crate::http::refusal::Refusal;

/// What was sent as JSON; its fields are read with [`JsonBody::read`].
///
/// As extractor: at most [`limit::HTTP_BODY_BYTES`] (413) within [`limit::HTTP_BODY_TIME`] (408); JSON
/// where the content type says so or there is none; text that is no JSON is a 422 that says where.
#[derive(Debug)]
pub struct JsonBody(Given);

#[derive(Debug)]
enum Given {
    Nothing,
    Object(Map<String, Value>),
    /// JSON that is no object, or something that does not call itself JSON.
    Other(Value),
}

impl JsonBody {
    /// Reads the fields in the order in which their problems are reported. `form` is given stand-ins for
    /// values that are wrong; what it makes of them is returned only where nothing was.
    ///
    /// # Errors
    /// [`Problems`]: of the body where it is missing or no object, otherwise of every field.
    pub fn read<T>(self, form: impl FnOnce(&mut Fields) -> T) -> Result<T, Problems> {
        match self.0 {
            Given::Object(object) => Fields::of(object, form),
            Given::Nothing => Err(Problem::of_body("missing", "Field required", Value::Null).into()),
            Given::Other(value) => Err(Problem::of_body(
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from",
                shown(&value),
            )
            .into()),
        }
    }

    /// As [`JsonBody::read`]; no body at all is one without fields.
    ///
    /// # Errors
    /// As there.
    pub fn read_optional<T>(self, form: impl FnOnce(&mut Fields) -> T) -> Result<T, Problems> {
        match self.0 {
            Given::Nothing => Fields::of(Map::new(), form),
            given => Self(given).read(form),
        }
    }

    /// The fields of a form, which are texts.
    #[must_use]
    pub fn of_form(fields: Map<String, Value>) -> Self {
        Self(Given::Object(fields))
    }

    /// As the extractor, but of at most `most` bytes.
    ///
    /// # Errors
    /// As the extractor's.
    pub async fn up_to(request: Request, most: usize) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, most).await?;
        Self::parse(&parts.headers, &bytes)
    }

    /// From bytes that were read already.
    fn parse(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Ok(Self(Given::Nothing));
        }
        if !says_json(headers) {
            // A form or a text may hold a password, and cannot be searched for one: nothing is shown back.
            return Ok(Self(Given::Other(json!(""))));
        }
        let unreadable = || Refusal::new(StatusCode::BAD_REQUEST, "There was an error parsing the body");
        let text = std::str::from_utf8(bytes).map_err(|_| unreadable())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Ok(Self(Given::Object(object))),
            Ok(other) => Ok(Self(Given::Other(other))),
            Err(_) => {
                let fault = json_fault::find(text).ok_or_else(unreadable)?;
                Err(Problems::from(Problem {
                    r#type: "json_invalid",
                    loc: vec![json!("body"), json!(fault.at)],
                    msg: "JSON decode error".to_owned(),
                    input: json!({}),
                    ctx: Some(Box::new(json!({ "error": fault.what }))),
                })
                .into())
            }
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        Self::up_to(request, limit::HTTP_BODY_BYTES).await
    }
}

/// A whole body of at most `most` bytes, within [`limit::HTTP_BODY_TIME`].
///
/// # Errors
/// 413, before anything is read where the request says how long it is; 408; 400 where the client broke
/// off. The first two close the connection, because the rest of the body is still to come on it.
pub async fn read_body(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large").and_close();
    let said = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if said.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(limit::HTTP_BODY_TIME, Limited::new(body, most).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::new(StatusCode::BAD_REQUEST, "The request body broke off").and_close()),
        Err(_) => {
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "The request body took too long").and_close())
        }
    }
}

/// `application/json` or `application/…+json`, with whatever parameters; and where nothing is said, since
/// small clients leave it out.
fn says_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence.strip_prefix("application/").is_some_and(|sub| sub == "json" || sub.ends_with("+json"))
}
