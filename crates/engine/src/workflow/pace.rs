//! Gives an answer that comes in one piece a pace: [`limit::PACE_WORDS`] words, then a pause of [`limit::PACE`].
//!
//! Whether a provider streams nobody knows beforehand: the same host does for one model and not for another, and a
//! gateway in front of it may gather what it streams. So it is seen. Only an answer's first text can be paced, and
//! only where it is longer than a piece of a stream ever is ([`limit::WHOLE_WORDS`]). While its words are given, the
//! provider is listened to: whatever it says next means that it does stream, and all that waits is given at once.

use std::collections::VecDeque;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use headwater_core::limit;
use headwater_core::port::provider::{
    Delta, Deltas, ModelRequest, PromptMessage, Provider, ProviderError, ProviderInfo, SharedProvider,
};
use tokio::time::{Instant, sleep_until};
use unicode_segmentation::UnicodeSegmentation as _;

/// A provider whose answers have a pace.
pub(super) struct Paced(pub(super) SharedProvider);

#[async_trait]
impl Provider for Paced {
    fn info(&self) -> ProviderInfo {
        self.0.info()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.0.count_tokens(text)
    }

    fn backlog(&self) -> usize {
        self.0.backlog()
    }

    fn backlogs(&self) -> Vec<(String, usize)> {
        self.0.backlogs()
    }

    async fn warm(&self, prefix: &[PromptMessage]) {
        self.0.warm(prefix).await;
    }

    async fn generate(&self, request: ModelRequest) -> Result<Deltas, ProviderError> {
        Ok(paced(self.0.generate(request).await?))
    }
}

fn paced(deltas: Deltas) -> Deltas {
    let by = deltas.by().cloned();
    let pace =
        Pace { from: deltas, fresh: true, waiting: VecDeque::new(), due: None, ahead: VecDeque::new() };
    let paced = Deltas::new(stream::unfold(pace, |mut pace| async move {
        let item = pace.next().await?;
        Some((item, pace))
    }));
    match by {
        Some(by) => paced.said_by(by),
        None => paced,
    }
}

type Item = Result<Delta, ProviderError>;

struct Pace {
    from: Deltas,
    /// No text has come yet.
    fresh: bool,
    /// Pieces of the answer that wait for their time.
    waiting: VecDeque<String>,
    /// When the next of them may be given; `None`: now.
    due: Option<Instant>,
    /// What the provider said meanwhile; comes after them.
    ahead: VecDeque<Option<Item>>,
}

impl Pace {
    async fn next(&mut self) -> Option<Item> {
        while !self.waiting.is_empty() {
            if let Some(due) = self.due {
                let listens = self.ahead.len() < limit::PACE_AHEAD && !self.is_over();
                tokio::select! {
                    biased;
                    item = self.from.next(), if listens => {
                        let goes_on = goes_on(item.as_ref());
                        self.keep(item);
                        if goes_on {
                            let rest: String = self.waiting.drain(..).collect();
                            return Some(Ok(Delta::Text(rest)));
                        }
                        continue;
                    }
                    () = sleep_until(due) => {}
                }
            }
            self.due = Some(Instant::now() + limit::PACE);
            if let Some(piece) = self.waiting.pop_front() {
                return Some(Ok(Delta::Text(piece)));
            }
        }
        let item = match self.ahead.pop_front() {
            Some(item) => item?,
            None => self.from.next().await?,
        };
        match item {
            Ok(Delta::Text(text)) if std::mem::take(&mut self.fresh) && is_whole(&text) => {
                self.waiting = pieces(&text).collect();
                let first = self.waiting.pop_front()?;
                self.due = Some(Instant::now() + limit::PACE);
                Some(Ok(Delta::Text(first)))
            }
            item => Some(item),
        }
    }

    fn keep(&mut self, item: Option<Item>) {
        match (self.ahead.back_mut(), item) {
            // A sum, which the next replaces.
            (Some(Some(Ok(Delta::Usage(last)))), Some(Ok(Delta::Usage(usage)))) => *last = last.then(usage),
            (_, item) => self.ahead.push_back(item),
        }
    }

    /// Whether the provider has nothing more to say.
    fn is_over(&self) -> bool {
        matches!(self.ahead.back(), Some(None | Some(Ok(Delta::End { .. }) | Err(_))))
    }
}

/// Whether an answer goes on with it, or has broken off: nothing is then held back.
fn goes_on(item: Option<&Item>) -> bool {
    match item {
        Some(Ok(Delta::End { .. } | Delta::Usage(_) | Delta::Replay(_) | Delta::Citation(_))) => false,
        Some(Ok(Delta::Text(_) | Delta::Reasoning(_) | Delta::Refusal(_) | Delta::ToolCall(_)) | Err(_))
        | None => true,
    }
}

fn is_word(segment: &str) -> bool {
    segment.chars().any(char::is_alphanumeric)
}

fn is_whole(text: &str) -> bool {
    text.split_word_bounds().filter(|segment| is_word(segment)).nth(limit::WHOLE_WORDS).is_some()
}

/// The text in pieces of so many words, each with what follows them up to the next.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let mut segments = text.split_word_bounds().peekable();
    std::iter::from_fn(move || {
        let (mut piece, mut words) = (String::new(), 0);
        while let Some(segment) = segments.next_if(|s| words < limit::PACE_WORDS || !is_word(s)) {
            words += usize::from(is_word(segment));
            piece.push_str(segment);
        }
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::time::Duration;

    use headwater_core::port::provider::{FinishReason, ProviderErrorKind, Usage};
    use tokio::sync::mpsc;

    use super::*;

    fn many(n: usize) -> String {
        (0..n).map(|n| format!("word{n}, ")).collect()
    }

    /// What a provider says, each after its pause; and what comes of it, with its time in milliseconds.
    async fn heard(said: Vec<(u64, Item)>) -> Vec<(u64, Item)> {
        let (sender, mut items) = mpsc::channel(1);
        let plays = async move {
            for (pause, item) in said {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                let _ = sender.send(item).await;
            }
        };
        let began = Instant::now();
        let mut deltas = paced(Deltas::new(stream::poll_fn(move |context| items.poll_recv(context))));
        let mut heard = Vec::new();
        let hears = async {
            while let Some(item) = deltas.next().await {
                heard.push((u64::try_from(began.elapsed().as_millis()).unwrap(), item));
            }
        };
        tokio::join!(plays, hears);
        heard
    }

    fn text(heard: &[(u64, Item)]) -> String {
        heard
            .iter()
            .filter_map(|(_, item)| if let Ok(Delta::Text(t)) = item { Some(t.as_str()) } else { None })
            .collect()
    }

    fn end() -> Item {
        Ok(Delta::End { reason: FinishReason::Stop, usage: Usage::of(1, 1) })
    }

    fn say(text: &str) -> Item {
        Ok(Delta::Text(text.to_owned()))
    }

    // Planted faults: pieces of the words without what stands between them; the end held back once more after the last.
    #[tokio::test(start_paused = true)]
    async fn a_whole_answer_comes_three_words_at_a_time_and_ends_with_the_last() {
        let whole = many(40);
        let heard = heard(vec![(5, say(&whole)), (0, Ok(Delta::Usage(Usage::of(1, 40)))), (0, end())]).await;
        assert_eq!(text(&heard), whole);
        let pieces: Vec<_> = heard.iter().filter(|(_, item)| matches!(item, Ok(Delta::Text(_)))).collect();
        assert_eq!(pieces.len(), 14);
        assert_eq!(pieces[0], &(5, say("word0, word1, word2, ")));
        assert!(pieces.iter().zip(0..).all(|((at, _), n)| *at == 5 + 30 * n), "{pieces:?}");
        assert_eq!(heard.last().unwrap(), &(5 + 30 * 13, end()));
        assert_eq!(heard.len(), 16);
    }

    // Planted fault: the waiting words given at their pace although the answer goes on.
    #[tokio::test(start_paused = true)]
    async fn what_streams_is_never_delayed() {
        // A long first piece, with the usage that some hosts report after each.
        let said = || {
            vec![
                (0, say(&many(40))),
                (0, Ok(Delta::Usage(Usage::of(1, 9)))),
                (50, say("more")),
                (7, say(&many(90))),
                (0, end()),
            ]
        };
        let heard = heard(said()).await;
        assert_eq!(text(&heard), many(40) + "more" + &many(90));
        let at = |item: &Item| heard.iter().find(|(_, i)| i == item).unwrap().0;
        assert_eq!((at(&say("more")), at(&say(&many(90))), at(&end())), (50, 57, 57));
        // Pieces as models stream them go through as they are, whatever follows.
        let said = || vec![(3, say("Hello, ")), (4, say(&many(60))), (0, end())];
        let mut expected: Vec<(u64, Item)> = said();
        (expected[1].0, expected[2].0) = (7, 7);
        assert_eq!(super::tests::heard(said()).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_breaks_off_is_shown_as_far_as_it_came() {
        let broken: Item = Err(ProviderError::new(ProviderErrorKind::Interrupted, "gone"));
        let heard = heard(vec![(0, say(&many(50))), (10, broken.clone())]).await;
        assert_eq!(text(&heard), many(50));
        assert_eq!(heard.last().unwrap(), &(10, broken));
    }

    #[test]
    fn pieces_lose_no_letter_in_any_script() {
        for text in [
            many(7),
            "  \n".into(),
            "数学は面白いですね。本当に。".into(),
            "fn main() {\n    1 + 2\n}\n".into(),
            "é\u{301}a👩‍🔬 b".into(),
        ] {
            assert_eq!(pieces(&text).collect::<String>(), text);
        }
    }
}
