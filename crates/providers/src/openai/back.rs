//! What a host wants back with a line of its own: gathered while the answer is read, written into the request
//! in which the line stands again.

use headwater_core::limit::REPLAY_BYTES;
use headwater_core::port::provider::{PromptMessage, ProviderError, ProviderErrorKind, Replay};
use serde_json::{Map, Value, json};

use super::dialect::Back;

/// Where what the model thought stands in a line.
pub(super) const THOUGHTS: &str = "reasoning_content";
/// Where OpenRouter's details stand in a line.
pub(super) const DETAILS: &str = "reasoning_details";

/// What is gathered of one answer.
#[derive(Debug)]
pub(super) struct Kept {
    back: Back,
    thoughts: String,
    details: Vec<Map<String, Value>>,
    bytes: usize,
}

impl Kept {
    pub(super) fn of(back: Back) -> Self {
        Self { back, thoughts: String::new(), details: Vec::new(), bytes: 0 }
    }

    /// Takes what the model thought.
    ///
    /// # Errors
    /// `Failed` beyond [`REPLAY_BYTES`]: without all of it the host would refuse the next request.
    pub(super) fn thought(&mut self, text: &str) -> Result<(), ProviderError> {
        if matches!(self.back, Back::Thoughts | Back::EveryThought) {
            self.count(text.len())?;
            self.thoughts.push_str(text);
        }
        Ok(())
    }

    /// Takes a piece of a detail. Pieces of one are put together as the host itself does where it does not
    /// stream: texts and summaries grow, and what stands beside them (a signature, a format) is as it came.
    ///
    /// # Errors
    /// As [`Self::thought`].
    pub(super) fn detail(&mut self, piece: Value) -> Result<(), ProviderError> {
        let (Back::Details, Value::Object(piece)) = (self.back, piece) else { return Ok(()) };
        self.count(piece.iter().map(|(key, value)| key.len() + value.as_str().map_or(8, str::len)).sum())?;
        let grows = |piece: &Map<String, Value>| {
            matches!(piece.get("type").and_then(Value::as_str), Some("reasoning.text" | "reasoning.summary"))
        };
        match self.details.last_mut() {
            Some(last)
                if grows(&piece)
                    && ["type", "index"].iter().all(|key| last.get(*key) == piece.get(*key))
                    // A piece that names another one begins that one.
                    && ["id", "format"].iter().all(|key| is_same(last.get(*key), piece.get(*key))) =>
            {
                for (key, value) in piece {
                    match (last.get_mut(&key), value) {
                        (_, Value::Null) => {}
                        (Some(Value::String(text)), Value::String(more))
                            if key == "text" || key == "summary" =>
                        {
                            text.push_str(&more);
                        }
                        (_, value) => {
                            last.insert(key, value);
                        }
                    }
                }
            }
            _ => self.details.push(piece),
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), ProviderError> {
        self.bytes += bytes;
        if self.bytes > REPLAY_BYTES {
            let words = "the provider's answer was given up: what it wants back is too long";
            return Err(ProviderError::new(ProviderErrorKind::Failed, words));
        }
        Ok(())
    }

    /// What there is to give back, of an answer that called tools or not.
    pub(super) fn replay(&mut self, called: bool) -> Option<Replay> {
        let value = match self.back {
            // Without a call the host leaves it out itself.
            Back::Thoughts | Back::EveryThought if called && !self.thoughts.is_empty() => {
                json!({THOUGHTS: std::mem::take(&mut self.thoughts)})
            }
            Back::Details if !self.details.is_empty() => json!({DETAILS: std::mem::take(&mut self.details)}),
            _ => return None,
        };
        Some(Replay { format: super::NAME.to_owned(), value })
    }
}

/// Whether the two do not contradict each other.
fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let said = |value: Option<&Value>| value.cloned().filter(|v| !v.is_null());
    match (said(one), said(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// What of a line this host gets back: the field, and what stands in it. Another host of the same format may
/// have written the replay.
pub(super) fn given(line: &PromptMessage, back: Back) -> Option<(&'static str, Value)> {
    let field = match back {
        Back::Nothing => return None,
        Back::Thoughts | Back::EveryThought => THOUGHTS,
        Back::Details => DETAILS,
    };
    let mut ours = line.replay.iter().filter(|r| r.format == super::NAME);
    let kept = ours.find_map(|r| r.value.get(field).cloned());
    let missed = back == Back::EveryThought && !line.tool_calls.is_empty();
    kept.or_else(|| missed.then(|| "".into())).map(|value| (field, value))
}
