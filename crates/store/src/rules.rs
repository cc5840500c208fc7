//! What both stores decide alike: whether a batch may be appended, and how much of a log a read takes.

use std::sync::Arc;

use headwater_core::event::{Body, Event, Term};
use headwater_core::limit;
use headwater_core::port::records::{Counted, Expect};
use headwater_core::port::store::{AppendError, Batch, RunState, StoreError};
use headwater_core::run::Tail;

/// Whether a log that stands at `tail` takes this batch of an owner in `term`.
///
/// The fence comes first: an owner that lost the run learns that, and not how the run went on.
pub(crate) fn admit(tail: Tail, term: Term, batch: &Batch) -> Result<(), AppendError> {
    if term != tail.term {
        return Err(AppendError::StaleTerm);
    }
    if tail.outcome.is_some() {
        return Err(AppendError::Ended);
    }
    let Some((last, before)) = batch.events.split_last() else { return Err(AppendError::Conflict) };
    if before.iter().any(|event| event.body.is_ending()) {
        return Err(AppendError::Ended);
    }
    let contiguous = (tail.seq + 1..).zip(&batch.events).all(|(seq, event)| event.seq == seq);
    if !contiguous || (batch.answer.is_some() && !last.body.is_ending()) {
        return Err(AppendError::Conflict);
    }
    batch.events.iter().try_for_each(|event| storable(event)).map_err(AppendError::Backend)
}

/// JSON has no word for a number that is none: stored, it could never be read again.
fn storable(event: &Event) -> Result<(), StoreError> {
    let finite = match &event.body {
        Body::Routed { confidence, .. } => confidence.is_finite(),
        Body::Retrieved { sources } | Body::ContextGathered { sources, .. } => {
            sources.iter().all(|source| source.score.is_finite())
        }
        Body::Felt { emotion } => emotion.arousal.is_finite() && emotion.valence.is_finite(),
        Body::Thought { confidence, .. } => confidence.is_none_or(f64::is_finite),
        Body::AbilityLearned { ability, confidence, .. } => ability.is_finite() && confidence.is_finite(),
        _ => true,
    };
    if finite {
        Ok(())
    } else {
        Err(StoreError(format!("event {} has a score that is no number", event.seq)))
    }
}

/// Whether this can be a record.
pub(crate) fn record(key: &str, value: &str) -> Result<(), StoreError> {
    self::key(key)?;
    let bytes = limit::RECORD_BYTES;
    if value.len() > bytes {
        return Err(StoreError(format!("a record has more than {bytes} bytes")));
    }
    Ok(())
}

/// Whether this can name a record or a counter.
pub(crate) fn key(key: &str) -> Result<(), StoreError> {
    let most = limit::RECORD_KEY_BYTES;
    if key.is_empty() || key.len() > most {
        return Err(StoreError(format!("a record's key has 1 to {most} bytes")));
    }
    Ok(())
}

/// Whether a record of this version (0: none) is what was expected.
pub(crate) fn expected(expect: Expect, version: u64) -> bool {
    match expect {
        Expect::Whatever => true,
        Expect::Absent => version == 0,
        Expect::Version(wanted) => wanted == version && version > 0,
    }
}

/// A counter that stands there, moved where there is room.
pub(crate) fn counted(stands: u64, by: u64, most: u64) -> Counted {
    let most = most.min(limit::COUNT);
    match stands.checked_add(by).filter(|value| *value <= most || by == 0) {
        Some(value) => Counted { value, taken: true },
        None => Counted { value: stands, taken: false },
    }
}

/// Whether a run whose log stands there is in such a list.
pub(crate) fn listed(state: RunState, tail: Tail) -> bool {
    match state {
        RunState::Any => true,
        RunState::Live => tail.outcome.is_none(),
        RunState::Ended(outcome) => tail.outcome == Some(outcome),
    }
}

/// Whether this can stand beside a document.
pub(crate) fn describes(metadata: &str) -> Result<(), StoreError> {
    if metadata.len() > limit::DOCUMENT_METADATA_BYTES {
        let most = limit::DOCUMENT_METADATA_BYTES;
        return Err(StoreError(format!("a document's metadata has more than {most} bytes")));
    }
    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(metadata);
    object.map(|_| ()).map_err(|_| StoreError("a document's metadata is no JSON object".into()))
}

/// Takes events until a read has what it was asked for.
#[derive(Debug)]
pub(crate) struct Page {
    events: Vec<Arc<Event>>,
    most: usize,
    bytes_left: usize,
    full: bool,
}

impl Page {
    /// A page of at most `events` events. The first fits whatever it weighs; the others must stay within
    /// `bytes` together with it.
    pub(crate) fn new(events: usize, bytes: usize) -> Self {
        Self { events: Vec::new(), most: events, bytes_left: bytes, full: events == 0 }
    }

    /// Takes the next event, unless the page is full.
    pub(crate) fn take(&mut self, event: Arc<Event>) {
        let weight = event.body.weight();
        if self.full || (!self.events.is_empty() && weight > self.bytes_left) {
            self.full = true;
            return;
        }
        self.bytes_left = self.bytes_left.saturating_sub(weight);
        self.events.push(event);
        self.full = self.events.len() >= self.most;
    }

    /// Whether nothing more is wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// What was taken, in order.
    pub(crate) fn into_events(self) -> Vec<Arc<Event>> {
        self.events
    }
}

/// A free name for an appointment: `wanted`, or where that is taken the next one by its last two fields,
/// minutes and seconds. They begin anew after `5959`; `None` where all 3,600 of the hour are taken, or
/// where a taken name does not end in them.
pub(crate) fn free_name<E>(
    wanted: &str,
    mut taken: impl FnMut(&str) -> Result<bool, E>,
) -> Result<Option<String>, E> {
    if !taken(wanted)? {
        return Ok(Some(wanted.to_owned()));
    }
    let cut = wanted.len().saturating_sub(4);
    let Some((hour, fields)) = wanted.split_at_checked(cut) else { return Ok(None) };
    let field = |digits: Option<&str>| {
        let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<u32>().ok().filter(|n| *n < 60)
    };
    let (Some(minutes), Some(seconds)) = (field(fields.get(..2)), field(fields.get(2..))) else {
        return Ok(None);
    };
    for later in 1..3_600 {
        let at = (minutes * 60 + seconds + later) % 3_600;
        let name = format!("{hour}{:02}{:02}", at / 60, at % 60);
        if !taken(&name)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// What is said where [`free_name`] finds none.
pub(crate) fn no_name_left(wanted: &str) -> String {
    format!("every appointment name of the hour of {wanted} is taken; book again in the next hour")
}
