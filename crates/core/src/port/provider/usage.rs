//! Why an answer ended, what it used and what that costs.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a provider ended an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model had said what it wanted.
    Stop,
    /// `max_tokens` was reached.
    Length,
    /// It waits for the tools that it called.
    ToolCalls,
    /// The provider withheld the rest.
    ContentFilter,
    /// The model declined to answer.
    Refusal,
    /// Anything else that the provider named.
    Other,
}

impl FinishReason {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::Other => "other",
        }
    }
}

/// What an answer used, in the provider's own tokens; `None` where it did not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Tokens of the whole prompt, those of a cache included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens of the whole answer, what the model thought included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Of the prompt: tokens that were read from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Of the prompt: tokens that were written to the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Of the answer: tokens that the model thought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// What it costs, as the provider says or as the price table does; `None` where neither does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
    /// Whether the tokens are our own estimate: the provider did not say, or was not let finish.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Usage {
    /// A prompt and an answer of so many tokens.
    #[must_use]
    pub fn of(input: u64, output: u64) -> Self {
        Self { input_tokens: Some(input), output_tokens: Some(output), ..Self::default() }
    }

    /// The sum of two; a number that only one of them knows is that one's.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or_default().saturating_add(b.unwrap_or_default())),
        };
        Self {
            input_tokens: add(self.input_tokens, other.input_tokens),
            output_tokens: add(self.output_tokens, other.output_tokens),
            cached_tokens: add(self.cached_tokens, other.cached_tokens),
            cache_write_tokens: add(self.cache_write_tokens, other.cache_write_tokens),
            reasoning_tokens: add(self.reasoning_tokens, other.reasoning_tokens),
            cost_usd: add(self.cost_usd.map(|c| c.0), other.cost_usd.map(|c| c.0)).map(Cost),
            estimated: self.estimated || other.estimated,
        }
    }

    /// What a later report of the same answer says, and what it leaves out from this one: providers report
    /// sums, not differences.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            output_tokens: later.output_tokens.or(self.output_tokens),
            cached_tokens: later.cached_tokens.or(self.cached_tokens),
            cache_write_tokens: later.cache_write_tokens.or(self.cache_write_tokens),
            reasoning_tokens: later.reasoning_tokens.or(self.reasoning_tokens),
            cost_usd: later.cost_usd.or(self.cost_usd),
            estimated: later.estimated,
        }
    }
}

/// Money: billionths of a thousandth of a dollar (1e-12), so that sums of small prices stay exact; the
/// most is 18 million dollars. On the wire a number of dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "f64")]
pub struct Cost(pub u64);

/// Of [`Cost`]s in a dollar.
const DOLLAR: f64 = 1e12;

impl Cost {
    /// So many dollars; `None` for what is no amount.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        (dollars.is_finite() && (0.0..1e7).contains(&dollars))
            .then(|| Self((dollars * DOLLAR).round() as u64))
    }

    /// In dollars, as near as a float comes.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "exact below nine thousand dollars")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / DOLLAR
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(from)?;
        Self::from_dollars(dollars).ok_or_else(|| serde::de::Error::custom("no amount of dollars"))
    }
}

/// What a model costs: millionths of a dollar for a million tokens (1e-12 dollars a token).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// For what a prompt has and no cache had.
    pub input: u64,
    /// For what is answered, thinking included.
    pub output: u64,
    /// For what a cache had; `input` where it is not said.
    pub cached: Option<u64>,
    /// For what is written to a cache; `input` where it is not said.
    pub cache_write: Option<u64>,
}

impl Price {
    /// What this usage costs at this price; `None` where neither prompt nor answer was counted.
    #[must_use]
    pub fn of(&self, usage: &Usage) -> Option<Cost> {
        if usage.input_tokens.is_none() && usage.output_tokens.is_none() {
            return None;
        }
        let prompt = usage.input_tokens.unwrap_or_default();
        let cached = usage.cached_tokens.unwrap_or_default().min(prompt);
        let written = usage.cache_write_tokens.unwrap_or_default().min(prompt - cached);
        let parts = [
            (prompt - cached - written, self.input),
            (cached, self.cached.unwrap_or(self.input)),
            (written, self.cache_write.unwrap_or(self.input)),
            (usage.output_tokens.unwrap_or_default(), self.output),
        ];
        Some(Cost(parts.iter().fold(0, |sum, (n, each)| sum.saturating_add(n.saturating_mul(*each)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_exact_and_a_cache_is_counted_once() {
        // 3 and 15 dollars a million, cached at 0.30, written at 3.75.
        let price = Price {
            input: 3_000_000,
            output: 15_000_000,
            cached: Some(300_000),
            cache_write: Some(3_750_000),
        };
        let usage = Usage { cached_tokens: Some(600), cache_write_tokens: Some(100), ..Usage::of(1000, 50) };
        let cost = price.of(&usage).unwrap();
        assert_eq!(cost, Cost(300 * 3_000_000 + 600 * 300_000 + 100 * 3_750_000 + 50 * 15_000_000));
        assert_eq!(serde_json::to_string(&cost).unwrap(), "0.002205");
        assert_eq!(serde_json::from_str::<Cost>("0.002205").unwrap(), cost);
        assert_eq!(price.of(&Usage::default()), None);
        // A cache larger than the prompt is a host's mistake, and costs no more than the prompt.
        let odd = Usage { cached_tokens: Some(9), cache_write_tokens: Some(9), ..Usage::of(5, 0) };
        assert_eq!(price.of(&odd), Some(Cost(5 * 300_000)));
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Cost::from_dollars(wrong), None);
        }
    }

    #[test]
    fn usages_add_up_over_rounds_and_replace_within_one() {
        let first = Usage { reasoning_tokens: Some(3), ..Usage::of(10, 1) };
        let later = Usage { output_tokens: Some(7), ..Usage::default() };
        assert_eq!(first.then(later), Usage { reasoning_tokens: Some(3), ..Usage::of(10, 7) });
        assert_eq!(first.and(later), Usage { reasoning_tokens: Some(3), ..Usage::of(10, 8) });
        assert!(first.and(Usage { estimated: true, ..later }).estimated);
        assert_eq!(
            serde_json::to_string(&Usage::of(1, 5)).unwrap(),
            r#"{"input_tokens":1,"output_tokens":5}"#
        );
    }
}
