//! What an answer used, as this format says it: sums so far, and a prompt in three parts that do not overlap
//! (sent, read from a cache, written to one).

use headwater_core::port::provider::{Cost, Usage};
use serde_json::Value;

/// The last number of each kind.
#[derive(Debug, Default)]
pub(super) struct Counts {
    input: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
    cost: Option<Cost>,
}

impl Counts {
    /// Takes a report; its numbers replace those of the same kind. Whether there was one.
    pub(super) fn take(&mut self, report: &Value) -> bool {
        let number = |key: &str| report.get(key).and_then(Value::as_u64);
        let thinking = report.pointer("/output_tokens_details/thinking_tokens").and_then(Value::as_u64);
        // Of a gateway that bills; the vendor itself says no prices.
        let cost = report.get("cost").and_then(Value::as_f64).and_then(Cost::from_dollars);
        let new = Self {
            input: number("input_tokens"),
            read: number("cache_read_input_tokens"),
            written: number("cache_creation_input_tokens"),
            output: number("output_tokens"),
            thinking,
            cost,
        };
        let any = new.usage() != Usage::default();
        self.input = new.input.or(self.input);
        self.read = new.read.or(self.read);
        self.written = new.written.or(self.written);
        self.output = new.output.or(self.output);
        self.thinking = new.thinking.or(self.thinking);
        self.cost = new.cost.or(self.cost);
        any
    }

    /// The same in the port's words: the whole prompt, and what of it a cache had.
    pub(super) fn usage(&self) -> Usage {
        let parts = [self.input, self.read, self.written];
        let whole = parts.iter().flatten().fold(0u64, |sum, n| sum.saturating_add(*n));
        Usage {
            input_tokens: parts.iter().any(Option::is_some).then_some(whole),
            output_tokens: self.output,
            cached_tokens: self.read,
            cache_write_tokens: self.written,
            reasoning_tokens: self.thinking,
            cost_usd: self.cost,
            estimated: false,
        }
    }
}
