//! From a body to deltas: frames, the decoder on top, and the clock of who reads.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, stream};
use headwater_core::port::provider::{Delta, ProviderError};
use tokio::time::{Duration, timeout};

use super::frames::{BodyError, frames};
use super::{Decoder, Eof, Framing};

/// The deltas of a body. Dropping it drops the body. `idle` is how long no byte may come (comments
/// that keep the connection count), `usage` how long the usage may take after the reason.
pub fn deltas<S, E>(
    body: S,
    framing: Framing,
    decoder: Box<dyn Decoder>,
    idle: Duration,
    usage: Duration,
) -> impl Stream<Item = Result<Delta, ProviderError>> + Send + 'static
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Send + 'static,
{
    let body = stream::unfold(Box::pin(body), move |mut body| async move {
        let item = match timeout(idle, body.next()).await {
            Err(_) => Err(BodyError::Silent),
            Ok(None) => return None,
            Ok(Some(Err(_))) => Err(BodyError::Broken),
            Ok(Some(Ok(bytes))) => Ok(bytes),
        };
        Some((item, body))
    });
    let state = (frames(body, framing), decoder, VecDeque::new(), false);
    stream::unfold(state, move |(mut frames, mut decoder, mut ready, mut over)| async move {
        loop {
            if let Some(item) = ready.pop_front() {
                return Some((item, (frames, decoder, ready, over)));
            }
            if over {
                return None;
            }
            let next = match decoder.has_finished() {
                true => timeout(usage, frames.next()).await.unwrap_or(None),
                false => frames.next().await,
            };
            let mut out = Vec::new();
            let result = match next {
                Some(Ok(frame)) => decoder.push(frame.event.as_deref(), &frame.data, &mut out),
                None => decoder.finish(Eof::Clean, &mut out),
                Some(Err(_)) if decoder.has_finished() => decoder.finish(Eof::Broken, &mut out),
                Some(Err(error)) => Err(error.into()),
            };
            over = result.is_err() || decoder.is_over();
            ready.extend(out.into_iter().map(Ok).chain(result.err().map(Err)));
        }
    })
}
