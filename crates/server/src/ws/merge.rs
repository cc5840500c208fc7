//! For dialects whose frames may merge: consecutive text of one batch becomes one piece, and so do consecutive
//! thoughts.

use std::borrow::Cow;
use std::sync::Arc;

use headwater_core::event::{Body, Event, Seq};
use headwater_core::limit;

/// A piece of a batch.
#[derive(Debug, PartialEq)]
pub enum Piece<'a> {
    /// Text of one or more tokens; `seq` is the last one's.
    Text {
        /// Number of the last event in it.
        seq: Seq,
        /// Their text.
        text: Cow<'a, str>,
    },
    /// One or more pieces of what the model thinks; `seq` is the last one's.
    Thought {
        /// Number of the last event in it.
        seq: Seq,
        /// Their text.
        text: Cow<'a, str>,
    },
    /// Any other event.
    Other(&'a Event),
}

/// Whether a batch shows that its viewer is behind.
#[must_use]
pub fn behind(events: &[Arc<Event>]) -> bool {
    events.iter().filter(|e| words(&e.body).is_some()).count() > limit::MERGE_ABOVE
}

/// The pieces of a batch, in order; each token and each thought its own one unless `merge`. A thought never
/// merges with text.
pub fn pieces(events: &[Arc<Event>], merge: bool) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let Some((kind, text)) = words(&first.body) else {
            rest = after;
            return Some(Piece::Other(first));
        };
        let alike = |e: &&Arc<Event>| words(&e.body).is_some_and(|(k, _)| k == kind);
        let more = if merge { after.iter().take_while(alike).count() } else { 0 };
        let (merged, after) = after.split_at(more);
        rest = after;
        let Some(last) = merged.last() else {
            return Some(kind.piece(first.seq, Cow::Borrowed(text)));
        };
        let mut all = text.to_owned();
        all.extend(merged.iter().filter_map(|e| words(&e.body)).map(|(_, text)| text));
        Some(kind.piece(last.seq, Cow::Owned(all)))
    })
}

/// What merges with its like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
}

impl Kind {
    fn piece(self, seq: Seq, text: Cow<'_, str>) -> Piece<'_> {
        match self {
            Self::Text => Piece::Text { seq, text },
            Self::Thought => Piece::Thought { seq, text },
        }
    }
}

fn words(body: &Body) -> Option<(Kind, &str)> {
    match body {
        Body::Token { text } => Some((Kind::Text, text)),
        Body::Reasoning { text } => Some((Kind::Thought, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_core::Millis;
    use headwater_core::event::Stage;
    use proptest::prelude::*;

    /// A token, a thought, or something else.
    fn events(kinds: &[u8]) -> Vec<Arc<Event>> {
        (1..)
            .zip(kinds)
            .map(|(seq, kind)| {
                let text = if seq % 2 == 0 { "a" } else { "é" }.to_owned();
                let body = match kind {
                    0 => Body::Token { text },
                    1 => Body::Reasoning { text },
                    _ => Body::StageStarted { stage: Stage::Generate },
                };
                Arc::new(Event { seq, at: Millis(0), body })
            })
            .collect()
    }

    fn text(pieces: &[Piece<'_>]) -> String {
        pieces
            .iter()
            .filter_map(|p| if let Piece::Text { text, .. } = p { Some(text.as_ref()) } else { None })
            .collect()
    }

    fn thoughts(pieces: &[Piece<'_>]) -> String {
        pieces
            .iter()
            .filter_map(|p| if let Piece::Thought { text, .. } = p { Some(text.as_ref()) } else { None })
            .collect()
    }

    // Planted faults: thoughts not counted; text and thoughts taken for alike.
    #[test]
    fn thoughts_merge_among_themselves_and_show_that_a_viewer_is_behind() {
        let many = events(&[1; limit::MERGE_ABOVE + 1]);
        assert!(behind(&many) && !behind(&many[1..]));
        let [Piece::Thought { seq, text }] = &pieces(&many, true).collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!((*seq, text.chars().count()), (many.len() as Seq, many.len()));
        let mixed = events(&[1, 1, 0, 0, 1, 2, 1]);
        let seqs: Vec<_> = pieces(&mixed, true)
            .map(|p| match p {
                Piece::Text { seq, .. } => ("text", seq),
                Piece::Thought { seq, .. } => ("thought", seq),
                Piece::Other(event) => ("other", event.seq),
            })
            .collect();
        assert_eq!(seqs, [("thought", 2), ("text", 4), ("thought", 5), ("other", 6), ("thought", 7)]);
    }

    proptest! {
        // Planted fault: `split_at(more + 1)` loses the first event after a merged piece.
        #[test]
        fn merging_changes_frames_and_never_text_or_order(kinds in proptest::collection::vec(0..3u8, 0..40)) {
            let events = events(&kinds);
            let single: Vec<_> = pieces(&events, false).collect();
            let merged: Vec<_> = pieces(&events, true).collect();
            prop_assert_eq!(single.len(), events.len());
            prop_assert_eq!(text(&single), text(&merged));
            prop_assert_eq!(thoughts(&single), thoughts(&merged));
            let others = |p: &[Piece<'_>]| p.iter().filter_map(|p| if let Piece::Other(e) = p { Some(e.seq) } else { None }).collect::<Vec<_>>();
            prop_assert_eq!(others(&single), others(&merged));
            let last = |p: &[Piece<'_>]| p.last().map(|p| match p {
                Piece::Text { seq, .. } | Piece::Thought { seq, .. } => *seq,
                Piece::Other(e) => e.seq,
            });
            prop_assert_eq!(last(&single), last(&merged));
            let neighbours = merged.windows(2).any(|w| {
                matches!(w, [Piece::Text { .. }, Piece::Text { .. }] | [Piece::Thought { .. }, Piece::Thought { .. }])
            });
            prop_assert!(!neighbours);
        }
    }
}
