//! What was used, in every place and under every name in which OpenAI-like hosts say it: chat completions
//! (`prompt_tokens` …) and Responses (`input_tokens` …).

use headwater_core::port::provider::{Cost, Usage};
use serde_json::Value;

/// xAI's unit of money in a dollar.
const TICKS: f64 = 1e10;

/// Reads a `usage` object; nothing where it is none.
pub(crate) fn read(usage: &Value) -> Usage {
    let at = |path: &str| number(usage.pointer(path));
    let first = |paths: &[&str]| paths.iter().find_map(|p| at(p));
    let input = first(&["/prompt_tokens", "/input_tokens"]);
    let mut output = first(&["/completion_tokens", "/output_tokens"]);
    let reasoning = first(&[
        "/completion_tokens_details/reasoning_tokens",
        "/output_tokens_details/reasoning_tokens",
        "/reasoning_tokens",
    ]);
    // xAI counts what was thought beside the answer and not in it; the total tells.
    if let (Some(i), Some(o), Some(r), Some(total)) = (input, output, reasoning, at("/total_tokens"))
        && r > 0
        && i.checked_add(o).and_then(|sum| sum.checked_add(r)) == Some(total)
    {
        output = o.checked_add(r);
    }
    Usage {
        input_tokens: input,
        output_tokens: output,
        cached_tokens: first(&[
            "/prompt_tokens_details/cached_tokens",
            "/input_tokens_details/cached_tokens",
            "/prompt_cache_hit_tokens",
            "/cached_tokens",
        ]),
        cache_write_tokens: first(&[
            "/prompt_tokens_details/cache_write_tokens",
            "/input_tokens_details/cache_write_tokens",
        ]),
        reasoning_tokens: reasoning,
        cost_usd: cost(usage),
        estimated: false,
    }
}

/// What llama.cpp's server measured, for builds that send no `usage`.
pub(super) fn of_timings(timings: &Value) -> Usage {
    let at = |key: &str| number(timings.get(key));
    let cached = at("cache_n");
    Usage {
        // Those of a cache are not evaluated and counted apart.
        input_tokens: at("prompt_n").map(|n| n.saturating_add(cached.unwrap_or_default())),
        output_tokens: at("predicted_n"),
        cached_tokens: cached,
        ..Usage::default()
    }
}

/// OpenRouter's dollars or xAI's ticks. With a vendor's key of one's own, OpenRouter's `cost` is only its
/// fee, and what the vendor takes stands apart.
fn cost(usage: &Value) -> Option<Cost> {
    let dollars = match usage.get("cost").and_then(Value::as_f64) {
        Some(cost) if usage.get("is_byok").and_then(Value::as_bool) == Some(true) => {
            cost + usage.pointer("/cost_details/upstream_inference_cost").and_then(Value::as_f64)?
        }
        Some(cost) => cost,
        None => usage.get("cost_in_usd_ticks").and_then(Value::as_f64)? / TICKS,
    };
    Cost::from_dollars(dollars)
}

/// A count; some hosts write it as `12.0`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn number(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| {
        let float = value.as_f64().filter(|f| f.fract() == 0.0 && (0.0..1e15).contains(f))?;
        Some(float as u64)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_host_s_count_is_read_into_the_same_usage() {
        let openai = json!({"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 5}});
        let same = Usage {
            cached_tokens: Some(4),
            cache_write_tokens: Some(2),
            reasoning_tokens: Some(5),
            ..Usage::of(10, 7)
        };
        assert_eq!(read(&openai), same);
        let responses = json!({"input_tokens": 10, "output_tokens": 7.0, "total_tokens": 17,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "output_tokens_details": {"reasoning_tokens": 5}});
        assert_eq!(read(&responses), same);
        let deepseek = json!({"prompt_tokens": 10, "completion_tokens": 7, "prompt_cache_hit_tokens": 4});
        assert_eq!(read(&deepseek), Usage { cached_tokens: Some(4), ..Usage::of(10, 7) });
        // Planted fault: the total not asked, so that what xAI's model thought is not counted.
        let xai = json!({"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 354,
            "completion_tokens_details": {"reasoning_tokens": 340}, "cost_in_usd_ticks": 1_721_250});
        let expected = Usage {
            reasoning_tokens: Some(340),
            cost_usd: Cost::from_dollars(0.000_172_125),
            ..Usage::of(12, 342)
        };
        assert_eq!(read(&xai), expected);
        let timings = json!({"prompt_n": 1, "cache_n": 290, "predicted_n": 97, "predicted_ms": 941.6});
        assert_eq!(of_timings(&timings), Usage { cached_tokens: Some(290), ..Usage::of(291, 97) });
        for odd in
            [json!(null), json!([1]), json!({"prompt_tokens": -1, "completion_tokens": "x", "cost": -3})]
        {
            assert_eq!(read(&odd), Usage::default());
        }
    }

    #[test]
    fn a_cost_is_what_is_paid_with_whichever_key() {
        let cost = |usage: Value| read(&usage).cost_usd.map(Cost::dollars);
        assert_eq!(cost(json!({"cost": 0.0077})), Some(0.0077));
        let own = json!({"cost": 0.001, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.02}});
        assert_eq!(cost(own), Some(0.021));
        // Half of it known is not it.
        assert_eq!(cost(json!({"cost": 0.001, "is_byok": true})), None);
    }
}
