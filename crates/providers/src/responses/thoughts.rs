//! What the host wants back of an answer: the items in which the model thought, whole, and where among them
//! it spoke and called.

use headwater_core::limit::REPLAY_BYTES;
use headwater_core::port::provider::{ProviderError, ProviderErrorKind, Replay};
use serde_json::{Map, Value};

/// The items of one answer, in order.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    items: Vec<Value>,
    bytes: usize,
}

impl Thoughts {
    /// Whether anything was kept.
    pub(super) fn any(&self) -> bool {
        !self.items.is_empty()
    }

    /// Takes a whole item. A thought without encryption is one that its host keeps itself or does not read
    /// again. Of a message and a call only the mark is kept: their words stand in the line.
    ///
    /// # Errors
    /// `Failed` beyond [`REPLAY_BYTES`]: without all of it the host would refuse the next request.
    pub(super) fn keep(&mut self, item: Value) -> Result<(), ProviderError> {
        let text = |key: &str| item.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
        let fields: &[&str] = match text("type") {
            Some("reasoning") if text("encrypted_content").is_some() => {
                self.count(item.to_string().len())?;
                self.items.push(item);
                return Ok(());
            }
            // A `phase` says whether it was the answer or a word on the way.
            Some("message") => &["type", "phase"],
            Some("function_call") => &["type", "call_id"],
            _ => return Ok(()),
        };
        let mark = fields.iter().filter_map(|f| Some(((*f).to_owned(), text(f)?.into())));
        let mark = Value::Object(mark.collect::<Map<_, _>>());
        self.count(mark.to_string().len())?;
        self.items.push(mark);
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

    /// What there is to give back: nothing, where there are only marks.
    pub(super) fn replay(&mut self) -> Vec<Replay> {
        let items = std::mem::take(&mut self.items);
        let wanted = |item: &Value| {
            item.get("phase").is_some() || item.get("type").and_then(Value::as_str) == Some("reasoning")
        };
        if !items.iter().any(wanted) {
            return Vec::new();
        }
        items.into_iter().map(|value| Replay { format: super::NAME.to_owned(), value }).collect()
    }
}
