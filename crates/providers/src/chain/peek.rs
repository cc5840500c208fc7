//! Waits for the first word of an answer and gives the answer on with what was read in front.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;
use headwater_core::limit;
use headwater_core::port::provider::{Delta, Deltas, ProviderError, ProviderErrorKind};

/// The same answer, once a person can see something of it or it has ended. What comes before it, such as
/// reports of usage, is kept in its order.
///
/// # Errors
/// What the provider failed with before that.
pub(super) async fn peek(mut rest: Deltas) -> Result<Begun, ProviderError> {
    let mut seen = VecDeque::new();
    while seen.len() < limit::CHAIN_PEEKED {
        let Some(delta) = rest.next().await else {
            let words = "the provider's answer ended before it began";
            return Err(ProviderError::new(ProviderErrorKind::Interrupted, words));
        };
        match (delta?, seen.back_mut()) {
            // A sum that the next one replaces: some hosts report it with every piece of what they hide.
            (Delta::Usage(later), Some(Delta::Usage(sum))) => *sum = sum.then(later),
            (delta, _) => {
                let begun = delta.is_visible() || matches!(delta, Delta::End { .. });
                seen.push_back(delta);
                if begun {
                    break;
                }
            }
        }
    }
    Ok(Begun { seen, rest })
}

/// An answer that has begun. Dropping it drops what is upstream.
pub(super) struct Begun {
    seen: VecDeque<Delta>,
    rest: Deltas,
}

impl Stream for Begun {
    type Item = Result<Delta, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.seen.pop_front() {
            Some(delta) => Poll::Ready(Some(Ok(delta))),
            None => Pin::new(&mut self.rest).poll_next(context),
        }
    }
}
