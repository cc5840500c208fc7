//! For dialects whose frames may merge: consecutive text of one batch becomes one piece.

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
    /// Any other event.
    Other(&'a Event),
}

/// Whether a batch shows that its viewer is behind.
#[must_use]
pub fn behind(events: &[Arc<Event>]) -> bool {
    events.iter().filter(|e| e.body.text().is_some()).count() > limit::MERGE_ABOVE
}

/// The pieces of a batch, in order; each token its own one unless `merge`.
pub fn pieces(events: &[Arc<Event>], merge: bool) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let Body::Token { text } = &first.body else {
            rest = after;
            return Some(Piece::Other(first));
        };
        let more = if merge { after.iter().take_while(|e| e.body.text().is_some()).count() } else { 0 };
        let (merged, after) = after.split_at(more);
        rest = after;
        let Some(last) = merged.last() else {
            return Some(Piece::Text { seq: first.seq, text: Cow::Borrowed(text) });
        };
        let mut all = text.clone();
        all.extend(merged.iter().filter_map(|e| e.body.text()));
        Some(Piece::Text { seq: last.seq, text: Cow::Owned(all) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_core::Millis;
    use headwater_core::event::Stage;
    use proptest::prelude::*;

    fn events(texts: &[Option<&str>]) -> Vec<Arc<Event>> {
        (1..)
            .zip(texts)
            .map(|(seq, text)| {
                let body = text.map_or(Body::StageStarted { stage: Stage::Generate }, |t| Body::Token {
                    text: t.into(),
                });
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

    proptest! {
        // Planted fault: `split_at(more + 1)` loses the first event after a merged piece.
        #[test]
        fn merging_changes_frames_and_never_text_or_order(kinds in proptest::collection::vec(any::<Option<bool>>(), 0..40)) {
            let texts: Vec<_> = kinds.iter().map(|k| k.map(|b| if b { "a" } else { "é" })).collect();
            let events = events(&texts);
            let single: Vec<_> = pieces(&events, false).collect();
            let merged: Vec<_> = pieces(&events, true).collect();
            prop_assert_eq!(single.len(), events.len());
            prop_assert_eq!(text(&single), text(&merged));
            let others = |p: &[Piece<'_>]| p.iter().filter_map(|p| if let Piece::Other(e) = p { Some(e.seq) } else { None }).collect::<Vec<_>>();
            prop_assert_eq!(others(&single), others(&merged));
            let last = |p: &[Piece<'_>]| p.last().map(|p| match p { Piece::Text { seq, .. } => *seq, Piece::Other(e) => e.seq });
            prop_assert_eq!(last(&single), last(&merged));
            let neighbours = merged.windows(2).any(|w| matches!(w, [Piece::Text { .. }, Piece::Text { .. }]));
            prop_assert!(!neighbours);
        }
    }
}
