//! From bytes to frames: server-sent events, or lines, with a cap on the size of one. A frame is decoded
//! from UTF-8 when it is whole, never a piece of it.

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use headwater_core::limit::PROVIDER_EVENT_BYTES as FRAME_BYTES;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use sse_stream::SseByteStream;

use super::Framing;
use super::error_lines::ErrorLines;

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
    /// Nothing came for too long.
    Silent,
    /// A frame is larger than [`FRAME_BYTES`].
    TooLarge,
    /// A frame is not UTF-8.
    NotText,
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Broken => "the connection to the provider broke",
            Self::Silent => "the provider fell silent",
            Self::TooLarge => "the provider sent an event that is too large",
            Self::NotText => "the provider's stream is not text",
        })
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for ProviderError {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::Silent => ProviderErrorKind::Timeout,
            BodyError::Broken => ProviderErrorKind::Interrupted,
            BodyError::TooLarge | BodyError::NotText => ProviderErrorKind::Failed,
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
        bytes.iter().all(|b| {
            self.event += 1;
            match b {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\r' | b'\n' => {
                    self.event = if self.line == 0 { 0 } else { self.event };
                    self.line = 0;
                    self.after_cr = *b == b'\r';
                }
                _ => {
                    self.line += 1;
                    self.after_cr = false;
                }
            }
            self.event <= FRAME_BYTES
        })
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

fn events<S>(body: S) -> impl Stream<Item = Result<Frame, BodyError>> + Send
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

/// What was not ended by a line end when the body ends is no line: it may be half of one.
fn lines<S>(body: S) -> impl Stream<Item = Result<Frame, BodyError>> + Send
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
{
    let state = (Box::pin(until_error(body)), BytesMut::new(), 0usize, true, false);
    stream::unfold(state, |(mut body, mut buffer, mut seen, mut first, failed)| async move {
        if failed {
            return None;
        }
        loop {
            let rest = buffer.get(seen..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', rest) {
                let line = buffer.split_to(seen + end + 1);
                seen = 0;
                let line = if std::mem::take(&mut first) { without_bom(&line) } else { &line };
                let item = match std::str::from_utf8(line) {
                    Ok(text) if text.trim().is_empty() => continue,
                    Ok(text) => Ok(Frame { event: None, data: text.trim().to_owned() }),
                    Err(_) => Err(BodyError::NotText),
                };
                let failed = item.is_err();
                return Some((item, (body, buffer, seen, first, failed)));
            }
            seen = buffer.len();
            let error = match body.next().await? {
                Ok(bytes) if buffer.len() + bytes.len() <= FRAME_BYTES * 2 => {
                    buffer.extend_from_slice(&bytes);
                    // Whole lines may wait behind each other; one alone may not be longer.
                    let rest = buffer.len() - memchr::memrchr(b'\n', &buffer).map_or(0, |at| at + 1);
                    if rest <= FRAME_BYTES {
                        continue;
                    }
                    BodyError::TooLarge
                }
                Ok(_) => BodyError::TooLarge,
                Err(error) => error,
            };
            return Some((Err(error), (body, buffer, seen, first, true)));
        }
    })
}

fn without_bom(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
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
