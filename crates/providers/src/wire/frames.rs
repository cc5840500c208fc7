//! From bytes to frames: server-sent events, or lines, with a cap on the size of one. A frame is decoded
//! from UTF-8 when it is whole, never a piece of it.

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use headwater_core::limit::{PROVIDER_EVENT_BYTES as FRAME_BYTES, PROVIDER_FAILURE_BYTES};
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use serde_json::Value;
use sse_stream::SseByteStream;

use super::Framing;
use super::error_lines::ErrorLines;

#[cfg(test)]
mod tests;

/// What some hosts write before the first byte.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What a decoder takes at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// The event's name, where it has one.
    pub event: Option<String>,
    /// Its data.
    pub data: String,
}

/// How the bytes of a body can fail to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The connection broke.
    Broken,
    /// The body is larger than [`headwater_core::limit::PROVIDER_ANSWER_BYTES`].
    Endless,
    /// A frame is larger than [`FRAME_BYTES`].
    TooLarge,
    /// A frame is not UTF-8.
    NotText,
    /// Events were asked for, and one JSON document came.
    NotEvents,
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Broken => "the connection to the provider broke",
            Self::Endless => "the provider's answer was given up: it has no end",
            Self::TooLarge => "the provider sent an event that is too large",
            Self::NotText => "the provider's stream is not text",
            Self::NotEvents => {
                "the provider answered with one document and not with events: it does not speak the format that \
                 it is asked in, or its address is another's"
            }
        })
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for ProviderError {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::Broken => ProviderErrorKind::Interrupted,
            BodyError::TooLarge | BodyError::Endless | BodyError::NotText | BodyError::NotEvents => {
                ProviderErrorKind::Failed
            }
        };
        Self::new(kind, error.to_string())
    }
}

/// Counts the bytes since the last empty line, which is where an event ends.
#[derive(Debug, Default)]
struct EventSize {
    event: usize,
    line: usize,
    after_cr: bool,
}

impl EventSize {
    /// Whether the event that these bytes belong to is still small enough.
    fn allows(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) {
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            let end = memchr::memchr2(b'\r', b'\n', rest);
            let (line, next) = rest.split_at(end.unwrap_or(rest.len()));
            self.line += line.len();
            self.event += line.len();
            if self.event > FRAME_BYTES {
                return false;
            }
            let Some((end, next)) = next.split_first() else { break };
            self.event = if self.line == 0 { 0 } else { self.event + 1 };
            self.line = 0;
            self.after_cr = *end == b'\r';
            rest = next;
        }
        true
    }
}

/// The frames of a body. After an error nothing follows. Dropping it drops the body.
pub fn frames<S>(body: S, framing: Framing) -> BoxStream<'static, Result<Frame, BodyError>>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
{
    match framing {
        Framing::Events => events(body).boxed(),
        Framing::Lines => lines(body).boxed(),
    }
}

/// A host that answers with one JSON document instead of events is told by its first byte, which no line of an
/// event begins with. An error in it is a frame like any other; an answer in it is refused, because a decoder of
/// events would read it as nothing.
fn events<S>(body: S) -> impl Stream<Item = Result<Frame, BodyError>> + Send
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
{
    stream::once(begin(body.boxed())).flat_map(|begun| match begun {
        Begun::Events(held, body) => sse(stream::iter([Ok(held)]).chain(body)).boxed(),
        Begun::Document(item) => stream::iter([item]).boxed(),
    })
}

enum Begun {
    /// Events, of which the first bytes have come already.
    Events(Bytes, BoxStream<'static, Result<Bytes, BodyError>>),
    Document(Result<Frame, BodyError>),
}

/// Reads until it is known what a body is: spaces and half a byte order mark say nothing.
async fn begin(mut body: BoxStream<'static, Result<Bytes, BodyError>>) -> Begun {
    let mut held = BytesMut::new();
    loop {
        match without_bom(&held).trim_ascii_start().first() {
            Some(b'{' | b'[') => return Begun::Document(document(held, body).await),
            Some(_) if !BOM.starts_with(&held) => return Begun::Events(held.freeze(), body),
            _ if held.len() > FRAME_BYTES => return Begun::Document(Err(BodyError::TooLarge)),
            _ => {}
        }
        match body.next().await {
            Some(Ok(bytes)) => held.extend_from_slice(&bytes),
            Some(Err(error)) => return Begun::Document(Err(error)),
            // A stream that has ended is not asked again.
            None => return Begun::Events(held.freeze(), stream::empty().boxed()),
        }
    }
}

/// The error that a document reports; some hosts put it into an array.
async fn document(
    mut held: BytesMut,
    mut body: BoxStream<'static, Result<Bytes, BodyError>>,
) -> Result<Frame, BodyError> {
    while held.len() <= PROVIDER_FAILURE_BYTES {
        match body.next().await {
            Some(bytes) => held.extend_from_slice(&bytes?),
            None => break,
        }
    }
    let said: Value = serde_json::from_slice(without_bom(&held)).map_err(|_| BodyError::NotEvents)?;
    let said = said.get(0).unwrap_or(&said);
    match said.get("error") {
        None | Some(Value::Null) => Err(BodyError::NotEvents),
        Some(_) => Ok(Frame { event: Some("error".to_owned()), data: said.to_string() }),
    }
}

fn sse<S>(body: S) -> impl Stream<Item = Result<Frame, BodyError>> + Send
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
{
    let (mut size, mut lines) = (EventSize::default(), ErrorLines::default());
    let body = until_error(body.map(move |item| {
        let item =
            item.and_then(|bytes| if size.allows(&bytes) { Ok(bytes) } else { Err(BodyError::TooLarge) });
        item.map(|bytes| lines.pass(bytes))
    }));
    // An event without data (a name, an id alone) is nothing to anybody.
    SseByteStream::new(Box::pin(body)).filter_map(|item| {
        std::future::ready(match item {
            Ok(event) => event.data.map(|data| Ok(Frame { event: event.event, data })),
            Err(error) => {
                let cause = std::error::Error::source(&error).and_then(|e| e.downcast_ref::<BodyError>());
                Some(Err(cause.copied().unwrap_or(BodyError::NotText)))
            }
        })
    })
}

/// What was not ended by a line end when the body ends may be half of a line. It is one only if it is a whole
/// JSON object, which no part of an object is: then only the line end is missing.
fn lines<S>(body: S) -> impl Stream<Item = Result<Frame, BodyError>> + Send
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
{
    let state = (Box::pin(body), Lines::default(), false);
    stream::unfold(state, |(mut body, mut lines, over)| async move {
        if over {
            return None;
        }
        loop {
            if let Some(item) = lines.next() {
                let failed = item.is_err();
                return Some((item, (body, lines, failed)));
            }
            match body.next().await {
                Some(Ok(bytes)) => lines.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Some((Err(error), (body, lines, true))),
                None => return Some((Ok(lines.last()?), (body, lines, true))),
            }
        }
    })
}

/// What has come of lines and was not handed out. Holds at most one line and one piece of the body.
#[derive(Debug, Default)]
struct Lines {
    buffer: BytesMut,
    /// Bytes of the buffer in which no line ends.
    seen: usize,
    begun: bool,
}

impl Lines {
    /// The next whole line that is not empty; an error where one is, or becomes, too long.
    fn next(&mut self) -> Option<Result<Frame, BodyError>> {
        loop {
            let rest = self.buffer.get(self.seen..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.seen = self.buffer.len();
                return (self.seen > FRAME_BYTES).then_some(Err(BodyError::TooLarge));
            };
            let line = self.buffer.split_to(self.seen + end + 1);
            self.seen = 0;
            if line.len() > FRAME_BYTES {
                return Some(Err(BodyError::TooLarge));
            }
            match std::str::from_utf8(self.without_bom(&line)).map(str::trim) {
                Ok("") => {}
                Ok(text) => return Some(Ok(Frame { event: None, data: text.to_owned() })),
                Err(_) => return Some(Err(BodyError::NotText)),
            }
        }
    }

    /// What was left when the body ended, where it is a whole object.
    fn last(&mut self) -> Option<Frame> {
        let line = self.buffer.split();
        let text = std::str::from_utf8(self.without_bom(&line)).ok()?.trim();
        let whole = text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        whole.then(|| Frame { event: None, data: text.to_owned() })
    }

    /// The line without the mark that may stand before the first one.
    fn without_bom<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        if std::mem::replace(&mut self.begun, true) { line } else { without_bom(line) }
    }
}

fn without_bom(line: &[u8]) -> &[u8] {
    line.strip_prefix(BOM).unwrap_or(line)
}

/// The same, which ends after its first error.
fn until_error<T: Send, E: Send>(
    items: impl Stream<Item = Result<T, E>> + Send,
) -> impl Stream<Item = Result<T, E>> + Send {
    items.scan(false, |failed, item| {
        let go_on = !*failed;
        *failed |= item.is_err();
        std::future::ready(go_on.then_some(item))
    })
}
