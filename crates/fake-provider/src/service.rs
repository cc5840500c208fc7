//! From a request to its answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode, Version};
use parking_lot::Mutex;
use serde_json::Value;

use crate::control;
use crate::failure::Failure;
use crate::format::{About, Format, Route, Stream, route, words};
use crate::limit;
use crate::magic;
use crate::player::{Cut, Player};
use crate::record::{Asked, Book, Head, Watch};
use crate::script::Script;
use crate::socket::Linger;

/// The body of an answer.
pub(crate) type Reply = UnsyncBoxBody<Bytes, Cut>;

/// The header by which one request brings its own script.
const SCRIPT_HEADER: &str = "x-fake";

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// What is said where nothing else was asked for, when the fake began.
    pub(crate) first: Arc<Script>,
    pub(crate) usual: Mutex<Arc<Script>>,
    pub(crate) queue: Mutex<VecDeque<Arc<Script>>>,
    /// How often a model was called whose name says how often it fails.
    pub(crate) counted: Mutex<HashMap<String, u32>>,
    /// Connections that are to be closed at once.
    pub(crate) refuse: Mutex<u64>,
    pub(crate) book: Arc<Book>,
    pub(crate) certificate: Option<String>,
}

/// What is known of a request's connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) number: u64,
    pub(crate) linger: Linger,
}

impl Shared {
    pub(crate) fn new(script: Script, certificate: Option<String>) -> Self {
        let first = Arc::new(script);
        Self {
            usual: Mutex::new(Arc::clone(&first)),
            first,
            queue: Mutex::default(),
            counted: Mutex::default(),
            refuse: Mutex::new(0),
            book: Arc::default(),
            certificate,
        }
    }

    /// Puts a script into the queue, so many times; false, where there is no place for it.
    pub(crate) fn queue(&self, script: Script, times: usize) -> bool {
        let (mut queue, script) = (self.queue.lock(), Arc::new(script));
        if queue.len().saturating_add(times) > limit::QUEUE {
            return false;
        }
        queue.extend(std::iter::repeat_n(script, times));
        true
    }

    /// As it was when it began.
    pub(crate) fn reset(&self) {
        *self.usual.lock() = Arc::clone(&self.first);
        self.queue.lock().clear();
        self.counted.lock().clear();
        *self.refuse.lock() = 0;
        self.book.reset();
    }

    /// The script of a request: its own, its model's, the next of the queue, the usual one.
    fn choose(&self, headers: &HeaderMap, model: &str) -> Result<Arc<Script>, String> {
        let usual = Arc::clone(&self.usual.lock());
        if let Some(knobs) = headers.get(SCRIPT_HEADER) {
            let knobs: Value = serde_json::from_slice(knobs.as_bytes())
                .map_err(|e| format!("the header {SCRIPT_HEADER} is no JSON: {e}"))?;
            let script = usual.with(&knobs).map_err(|e| format!("the header {SCRIPT_HEADER}: {e}"))?;
            return Ok(Arc::new(script));
        }
        if let Some(magic) = magic::read(model, &usual)? {
            let answers = match magic.times {
                Some(times) => self.count(model)? > times,
                None => false,
            };
            return Ok(if answers { usual } else { Arc::new(magic.script) });
        }
        Ok(self.queue.lock().pop_front().unwrap_or(usual))
    }

    fn count(&self, model: &str) -> Result<u32, String> {
        let mut counted = self.counted.lock();
        if counted.len() >= limit::COUNTED_NAMES && !counted.contains_key(model) {
            return Err(
                "too many names with `-times-` were called; POST /_fake/reset forgets them".to_owned()
            );
        }
        let count = counted.entry(model.to_owned()).or_default();
        *count = count.saturating_add(1);
        Ok(*count)
    }
}

/// Answers one request; an error ends its connection, or on HTTP/2 its stream.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    connection: Connection,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Cut> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let headers = &parts.headers;
    let says_anthropic = headers.contains_key("anthropic-version") || headers.contains_key("x-api-key");
    let route = route(parts.method.as_str(), &path, &query, says_anthropic);
    if let Route::Control(what) = &route {
        let body = Limited::new(body, limit::BODY_BYTES).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        return Ok(control::answer(&shared, parts.method.as_str(), what, &query, &body));
    }
    let (asked, format) = match &route {
        Route::Answer(format, _) => (Asked::Answer, Some(*format)),
        Route::Models(format) => (Asked::Models, Some(*format)),
        Route::Control(_) | Route::Nothing => (Asked::Nothing, None),
    };
    let two = parts.version == Version::HTTP_2;
    let key = has_key(headers, &query);
    let watch = shared.book.open(Head {
        connection: connection.number,
        http: if two { "2" } else { "1.1" },
        asked,
        format,
        method: parts.method.to_string(),
        path: shown(&path, &query),
        key,
    });
    // The other streams of an HTTP/2 connection have done nothing.
    let linger = if two { Linger::default() } else { connection.linger };
    let caller = Caller { format: format.unwrap_or(Format::OpenAi), linger, watch };
    match route {
        Route::Answer(_, gemini) => answer(&shared, caller, headers, key, gemini, body).await,
        Route::Models(_) => models(&shared, caller, key).await,
        Route::Control(_) | Route::Nothing => {
            let words = format!("{path} is no path of the five formats; docs/testing.md lists them");
            Ok(caller.refuse(404, &words))
        }
    }
}

/// Who is answered.
struct Caller {
    format: Format,
    linger: Linger,
    watch: Watch,
}

impl Caller {
    /// An error in the format's words.
    fn refuse(self, status: u16, message: &str) -> Response<Reply> {
        let error = self.format.error(status, message);
        self.say(status, &error, 0)
    }

    fn say(mut self, status: u16, value: &Value, deltas: u32) -> Response<Reply> {
        let response = json(status, value);
        self.watch.status(status);
        let bytes = response.body().size_hint().exact().unwrap_or_default();
        self.watch.wrote(usize::try_from(bytes).unwrap_or(usize::MAX), deltas);
        self.watch.end();
        response
    }

    /// What goes wrong before any answer; none, where the answer may begin.
    async fn fail(mut self, failure: Option<&Failure>) -> Result<Result<Self, Response<Reply>>, Cut> {
        match failure {
            Some(Failure::Status { status, retry_after, retry_after_ms, message }) => {
                let message = message.clone().unwrap_or_else(|| words(*status).to_owned());
                let mut response = self.refuse(*status, &message);
                let headers = response.headers_mut();
                if let Some(seconds) = retry_after {
                    headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
                }
                if let Some(milliseconds) = retry_after_ms {
                    let name = HeaderName::from_static("retry-after-ms");
                    headers.insert(name, HeaderValue::from(*milliseconds));
                }
                Ok(Err(response))
            }
            // Whoever waits no longer drops this, and is recorded as having left.
            Some(Failure::Hang) => std::future::pending().await,
            Some(Failure::Drop) => {
                self.linger.reset();
                self.watch.end();
                Err(Cut)
            }
            _ => Ok(Ok(self)),
        }
    }
}

async fn models(shared: &Shared, caller: Caller, key: bool) -> Result<Response<Reply>, Cut> {
    // Only what is usual: a script that waits for an answer is not used up by a look at the list.
    let script = Arc::clone(&shared.usual.lock());
    if script.needs_key && !key {
        return Ok(caller.refuse(401, words(401)));
    }
    Ok(match caller.fail(script.failure.as_ref()).await? {
        Ok(caller) => {
            let list = caller.format.models(&script.models);
            caller.say(200, &list, 0)
        }
        Err(response) => response,
    })
}

async fn answer(
    shared: &Shared,
    caller: Caller,
    headers: &HeaderMap,
    key: bool,
    gemini: Option<(String, Stream)>,
    body: Incoming,
) -> Result<Response<Reply>, Cut> {
    let format = caller.format;
    let bytes = match Limited::new(body, limit::BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(e) if e.is::<LengthLimitError>() => return Ok(caller.refuse(413, words(413))),
        Err(_) => return Err(Cut),
    };
    let asked: Value = match serde_json::from_slice(&bytes) {
        Ok(value @ Value::Object(_)) => value,
        _ => return Ok(caller.refuse(400, "The body is no JSON object.")),
    };
    let model = match &gemini {
        Some((model, _)) => model.clone(),
        None => asked["model"].as_str().unwrap_or_default().to_owned(),
    };
    let wanting = wanting(format, headers, &asked, &model);
    let wants_stream = match &gemini {
        Some((_, stream)) => *stream,
        None if asked["stream"].as_bool().unwrap_or(format.streams_by_itself()) => Stream::Events,
        None => Stream::Whole,
    };
    let usage_asked = asked["stream_options"]["include_usage"].as_bool().unwrap_or(false);
    caller.watch.body(asked, bytes.len(), Some(model.clone()));
    if let Some(wanting) = wanting {
        return Ok(caller.refuse(400, &wanting));
    }
    if wants_stream == Stream::Array {
        return Ok(caller.refuse(400, "This fake streams events only; ask with ?alt=sse."));
    }
    let script = match shared.choose(headers, &model) {
        Ok(script) => script,
        Err(why) => return Ok(caller.refuse(400, &why)),
    };
    if script.needs_key && !key {
        return Ok(caller.refuse(401, words(401)));
    }
    let caller = match caller.fail(script.failure.as_ref()).await? {
        Ok(caller) => caller,
        Err(response) => return Ok(response),
    };
    pause(script.head_ms).await;
    let used = script.used();
    let about = About { script, model, number: caller.watch.number(), usage_asked, used };
    if wants_stream == Stream::Whole { whole(caller, &about).await } else { Ok(stream(caller, about)) }
}

fn stream(caller: Caller, about: About) -> Response<Reply> {
    let (format, gzip) = (caller.format, about.script.gzip);
    caller.watch.status(200);
    let player = Player::new(format, about, caller.linger, caller.watch);
    let mut response = Response::new(StreamBody::new(player.stream()).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.stream_type()));
    headers.insert(hyper::header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// An answer in one piece, when its last token would have come. What goes wrong in a stream goes wrong
/// here as far as it can.
async fn whole(mut caller: Caller, about: &About) -> Result<Response<Reply>, Cut> {
    let script = &about.script;
    if script.gzip || script.bom || script.bytes_per_write > 0 {
        return Ok(caller.refuse(400, "gzip, bom and bytes_per_write are of streams; ask with stream: true."));
    }
    let deltas = script.steps(caller.format).filter(crate::steps::Step::is_delta).count();
    let deltas = u32::try_from(deltas).unwrap_or(u32::MAX);
    pause(script.first_token_ms.saturating_add(script.gap_ms.saturating_mul(deltas.into()))).await;
    match &script.failure {
        None => {
            let answer = caller.format.whole(about);
            Ok(caller.say(200, &answer, deltas))
        }
        Some(Failure::Error { status, .. }) => Ok(caller.refuse(*status, words(*status))),
        Some(Failure::Stall { .. }) => std::future::pending().await,
        Some(Failure::Cut { .. } | Failure::Reset { .. }) => {
            caller.linger.reset();
            caller.watch.end();
            Err(Cut)
        }
        Some(_) => Ok(caller.refuse(400, "This failure is one of streams; ask with stream: true.")),
    }
}

async fn pause(milliseconds: u64) {
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

/// What a real host would miss in this request, so that a client's mistakes are found here.
fn wanting(format: Format, headers: &HeaderMap, asked: &Value, model: &str) -> Option<String> {
    let list = match format {
        Format::Anthropic | Format::OpenAi | Format::Ollama => "messages",
        Format::Responses => "input",
        Format::Gemini => "contents",
    };
    if model.is_empty() {
        return Some("model: Field required".to_owned());
    }
    let said = &asked[list];
    if !(said.is_array() || (format == Format::Responses && said.is_string())) {
        return Some(format!("{list}: Field required"));
    }
    if format == Format::Anthropic && asked["max_tokens"].as_u64().is_none() {
        return Some("max_tokens: Field required".to_owned());
    }
    let unversioned = format == Format::Anthropic && !headers.contains_key("anthropic-version");
    unversioned.then(|| "anthropic-version: header is required".to_owned())
}

/// Whether a key is shown, in any of the ways of the five formats. Which one, is not looked at.
fn has_key(headers: &HeaderMap, query: &str) -> bool {
    ["authorization", "x-api-key", "x-goog-api-key"]
        .iter()
        .any(|name| headers.get(*name).is_some_and(|v| !v.is_empty()))
        || query.split('&').any(|q| q.strip_prefix("key=").is_some_and(|k| !k.is_empty()))
}

/// A path and its query, without a key.
fn shown(path: &str, query: &str) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let rest: Vec<_> = query.split('&').map(|q| if q.starts_with("key=") { "key=…" } else { q }).collect();
    format!("{path}?{}", rest.join("&"))
}

/// A response of JSON.
pub(crate) fn json(status: u16, value: &Value) -> Response<Reply> {
    let body = Full::new(Bytes::from(value.to_string())).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
