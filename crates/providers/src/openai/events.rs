//! From bytes to decoded deltas: server-sent events with a cap on their size, which the parser does
//! not have, and the decoder on top.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, stream};
use headwater_core::limit::PROVIDER_EVENT_BYTES as EVENT_BYTES;
use headwater_core::port::provider::{Delta, ProviderError, ProviderErrorKind};
use sse_stream::SseByteStream;
use tokio::time::{Duration, timeout};

use super::decoder::{Decoder, Eof};

/// How the bytes of a body can fail to come.
#[derive(Debug)]
pub(super) enum BodyError {
    /// The connection broke.
    Broken,
    /// Nothing came for too long.
    Silent,
    /// An event is larger than [`EVENT_BYTES`].
    TooLarge,
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Broken => "the connection to the provider broke",
            Self::Silent => "the provider fell silent",
            Self::TooLarge => "the provider sent an event that is too large",
        })
    }
}

impl std::error::Error for BodyError {}

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
            self.event <= EVENT_BYTES
        })
    }
}

/// The deltas of a body. Dropping it drops the body. `idle` is how long no byte may come (comments
/// that keep the connection count), `usage` how long the usage may take after the reason.
pub(super) fn deltas<S, E>(
    body: S,
    idle: Duration,
    usage: Duration,
) -> impl Stream<Item = Result<Delta, ProviderError>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Send + 'static,
{
    let body = stream::unfold(
        (Box::pin(body), EventSize::default(), false),
        move |(mut body, mut size, failed)| async move {
            if failed {
                return None;
            }
            let item = match timeout(idle, body.next()).await {
                Err(_) => Err(BodyError::Silent),
                Ok(None) => return None,
                Ok(Some(Err(_))) => Err(BodyError::Broken),
                Ok(Some(Ok(bytes))) if size.allows(&bytes) => Ok(bytes),
                Ok(Some(Ok(_))) => Err(BodyError::TooLarge),
            };
            let failed = item.is_err();
            Some((item, (body, size, failed)))
        },
    );
    let events = Box::pin(SseByteStream::new(Box::pin(body)));
    let state = (events, Decoder::default(), VecDeque::new(), false);
    stream::unfold(state, move |(mut events, mut decoder, mut ready, mut over)| async move {
        loop {
            if let Some(item) = ready.pop_front() {
                return Some((item, (events, decoder, ready, over)));
            }
            if over {
                return None;
            }
            let next = match decoder.has_finished() {
                true => timeout(usage, events.next()).await.unwrap_or(None),
                false => events.next().await,
            };
            let mut out = Vec::new();
            let result = match next {
                Some(Ok(event)) => match event.data {
                    Some(data) => decoder.push(event.event.as_deref(), &data, &mut out),
                    None => Ok(()),
                },
                None => decoder.finish(Eof::Clean, &mut out),
                Some(Err(_)) if decoder.has_finished() => decoder.finish(Eof::Broken, &mut out),
                Some(Err(error)) => Err(of_body(&error)),
            };
            over = result.is_err() || decoder.is_over();
            ready.extend(out.into_iter().map(Ok).chain(result.err().map(Err)));
        }
    })
}

fn of_body(error: &sse_stream::Error) -> ProviderError {
    let cause = std::error::Error::source(error).and_then(|e| e.downcast_ref::<BodyError>());
    let kind = match cause {
        Some(BodyError::Silent) => ProviderErrorKind::Timeout,
        Some(BodyError::Broken) => ProviderErrorKind::Interrupted,
        Some(BodyError::TooLarge) | None => ProviderErrorKind::Failed,
    };
    let words = cause.map_or_else(|| "the provider's stream is not text".to_owned(), ToString::to_string);
    ProviderError::new(kind, words)
}
