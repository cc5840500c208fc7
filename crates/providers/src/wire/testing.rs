//! For the tests of every format, and for `fuzz/`: a body cut in every way that a network cuts, and what came
//! out of it.

#![allow(clippy::panic, reason = "a test fails by panicking, and this is built for tests alone")]

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use headwater_core::port::provider::{
    Citation, Delta, FinishReason, ProviderError, ProviderErrorKind, Replay, ToolCall, Usage,
};
use tokio::time::Instant;

use super::deltas::{self, Timeouts};
use super::{Eof, Framing, Wire};

/// For tests in which nothing waits.
pub const SECOND: Duration = Duration::from_secs(1);

/// How an answer ended: as its provider meant it, or with this kind of error.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// As its provider meant it.
    End(FinishReason, Usage),
    /// With this kind of error.
    Error(ProviderErrorKind),
}

/// Everything that came out of one body.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// All text.
    pub text: String,
    /// All that was thought.
    pub reasoning: String,
    /// All words of refusal.
    pub refusal: String,
    /// The calls.
    pub calls: Vec<ToolCall>,
    /// The citations.
    pub citations: Vec<Citation>,
    /// What is to be given back.
    pub replay: Vec<Replay>,
    /// The last report before the ending.
    pub so_far: Option<Usage>,
    /// How it ended.
    pub ending: Ending,
}

impl Answer {
    /// An answer of text alone.
    #[must_use]
    pub fn of(text: &str, ending: Ending) -> Self {
        Self {
            text: text.to_owned(),
            reasoning: String::new(),
            refusal: String::new(),
            calls: Vec::new(),
            citations: Vec::new(),
            replay: Vec::new(),
            so_far: None,
            ending,
        }
    }
}

/// Reads a body of this format in pieces of so many bytes.
pub async fn decode(wire: &dyn Wire, body: &[u8], piece: usize) -> Answer {
    let pieces: Vec<_> =
        body.chunks(piece.max(1)).map(|c| Ok::<_, Infallible>(Bytes::copy_from_slice(c))).collect();
    read(wire, stream::iter(pieces), SECOND, SECOND).await
}

/// Reads a body that comes as it likes.
pub async fn read(
    wire: &dyn Wire,
    body: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
    idle: Duration,
    usage: Duration,
) -> Answer {
    let timeouts = Timeouts { idle, usage, ..Timeouts::default() };
    gather(deltas::deltas(body, wire.framing(), wire.decoder(), timeouts, Instant::now())).await
}

/// Everything that a stream of deltas says; fails where it breaks the port's contract.
pub async fn gather(deltas: impl Stream<Item = Result<Delta, ProviderError>>) -> Answer {
    let mut answer = Answer::of("", Ending::Error(ProviderErrorKind::Failed));
    let mut over = false;
    let mut deltas = std::pin::pin!(deltas);
    while let Some(item) = deltas.next().await {
        assert!(!over, "{item:?} after the ending");
        match item {
            Ok(Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text)) if text.is_empty() => {
                panic!("an empty delta")
            }
            Ok(Delta::Text(text)) => answer.text.push_str(&text),
            Ok(Delta::Reasoning(text)) => answer.reasoning.push_str(&text),
            Ok(Delta::Refusal(text)) => answer.refusal.push_str(&text),
            Ok(Delta::ToolCall(call)) => answer.calls.push(call),
            Ok(Delta::Citation(citation)) => answer.citations.push(citation),
            Ok(Delta::Replay(replay)) => answer.replay.push(replay),
            Ok(Delta::Usage(usage)) => answer.so_far = Some(usage),
            Ok(Delta::End { reason, usage }) => {
                over = true;
                answer.ending = Ending::End(reason, usage);
            }
            Err(error) => {
                over = true;
                answer.ending = Ending::Error(error.kind);
            }
        }
    }
    assert!(over, "no ending");
    answer
}

/// Pushes a body's lines into a decoder twice over, its ending in between, and fails where a decoder says more
/// than one ending, or anything behind it. Whoever reads a body stops at the ending; a decoder keeps to it alone.
pub fn push_beyond_the_ending(wire: &dyn Wire, body: &[u8]) {
    let (mut decoder, mut over) = (wire.decoder(), false);
    let body = String::from_utf8_lossy(body);
    for line in body.lines().chain(body.lines()) {
        let data = match wire.framing() {
            Framing::Events => line.strip_prefix("data:"),
            Framing::Lines => Some(line),
        };
        let mut out = Vec::new();
        let result = data.map_or(Ok(()), |data| decoder.push(None, data, &mut out));
        assert!(!over || (out.is_empty() && result.is_ok()), "{out:?} {result:?} after the ending");
        let ends = out.iter().filter(|delta| matches!(delta, Delta::End { .. })).count();
        assert!(ends + usize::from(result.is_err()) <= 1, "more than one ending");
        over |= ends > 0 || result.is_err();
        assert_eq!(decoder.is_over(), over, "whether it is over");
    }
    let mut out = Vec::new();
    let result = decoder.finish(Eof::Clean, &mut out);
    assert!(!over || (out.is_empty() && result.is_ok()), "{out:?} {result:?} at the end of the bytes");
    assert!(decoder.is_over(), "no ending at the end of the bytes");
}
