//! Which parts of an answer were said, so that the whole text which follows its pieces is not said again.

use headwater_core::port::provider::{ProviderError, ProviderErrorKind};

/// Parts of one answer: a model that searches for minutes has a hundred.
const PARTS: usize = 4096;

/// What a part is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The answer.
    Text,
    /// Why there is none.
    Refusal,
    /// A summary of what the model thought.
    Summary,
    /// What it thought itself.
    Thought,
    /// A call of a tool.
    Call,
    /// That call's arguments.
    Arguments,
}

impl Kind {
    pub(super) fn is_thought(self) -> bool {
        matches!(self, Self::Summary | Self::Thought)
    }
}

/// A part, as an event names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Its item's place in the answer.
    pub output: Option<u64>,
    /// Its item's id; empty where there is none.
    pub item: &'a str,
    /// What it is of.
    pub kind: Kind,
    /// Its place in its item.
    pub index: u64,
}

/// The parts that were begun.
#[derive(Debug, Default)]
pub(super) struct Parts(Vec<Begun>);

#[derive(Debug)]
struct Begun {
    output: Option<u64>,
    item: String,
    kind: Kind,
    index: u64,
}

impl Begun {
    /// The place tells, where both have one: one host names the same item anew in every event.
    fn is(&self, part: &Part<'_>) -> bool {
        let same = match (self.output, part.output) {
            (Some(one), Some(other)) => one == other,
            _ => self.item == part.item,
        };
        same && self.kind == part.kind && self.index == part.index
    }
}

impl Parts {
    /// Whether this part was begun. The newest is looked at first: it is nearly always that one.
    pub(super) fn has(&self, part: &Part<'_>) -> bool {
        self.0.iter().rev().any(|begun| begun.is(part))
    }

    /// Whether any part of such a kind was.
    pub(super) fn any(&self, is: impl Fn(Kind) -> bool) -> bool {
        self.0.iter().any(|begun| is(begun.kind))
    }

    /// Begins it, unless it was.
    ///
    /// # Errors
    /// `Failed` for more parts than any answer has.
    pub(super) fn begin(&mut self, part: Part<'_>) -> Result<(), ProviderError> {
        if self.has(&part) {
            return Ok(());
        }
        if self.0.len() == PARTS {
            let words = "the provider's answer was given up: it has too many parts";
            return Err(ProviderError::new(ProviderErrorKind::Failed, words));
        }
        let Part { output, item, kind, index } = part;
        self.0.push(Begun { output, item: item.to_owned(), kind, index });
        Ok(())
    }
}
