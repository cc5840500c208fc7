//! Models whose names say what happens, for whoever can choose a model and nothing else.
//!
//! ```text
//! fail-KIND[-after-K][-times-N]      fail-429, fail-503-times-2, fail-error-after-3, fail-reset-after-1
//! fake-KNOB-N[-KNOB-N …]             fake-tokens-200-gap-20, fake-reasoning-5-first-300
//! ```
//!
//! A kind is a status or one of `hang`, `drop`, `error`, `error-field`, `end`, `cut`, `reset`, `stall`,
//! `stall-pings`, `malformed`, `huge`. With `times-N` the first N calls of that very name fail and the
//! others are answered. Every other name is a model like any other.

use crate::failure::Failure;
use crate::script::Script;

/// What a name says.
#[derive(Debug, Clone, PartialEq)]
pub struct Magic {
    /// What happens.
    pub script: Script,
    /// How often it fails; none: always.
    pub times: Option<u32>,
}

const KNOBS: &str = "tokens, first, gap, jitter, seed, burst, reasoning, bytes, pings, citations";

/// Reads a model's name, over what is said without it; none where it is not one of these names.
///
/// # Errors
/// What of the name is not understood, and what would be.
pub fn read(model: &str, base: &Script) -> Result<Option<Magic>, String> {
    if let Some(rest) = model.strip_prefix("fail-") {
        return fail(rest, base).map(Some);
    }
    // The name that is listed is nobody's knob.
    if model == "fake-model" {
        return Ok(None);
    }
    match model.strip_prefix("fake-") {
        Some(rest) => fake(rest, base).map(|script| Some(Magic { script, times: None })),
        None => Ok(None),
    }
}

fn fail(rest: &str, base: &Script) -> Result<Magic, String> {
    let (rest, times) = number_behind(rest, "-times-")?;
    let (rest, after) = number_behind(rest, "-after-")?;
    let failure = Failure::named(rest, after.unwrap_or(0)).ok_or_else(|| {
        format!(
            "`fail-{rest}` is no way to fail; there are 400 to 599, hang, drop, error, error-field, end, cut, \
             reset, stall, stall-pings, malformed, huge"
        )
    })?;
    Ok(Magic { script: Script { failure: Some(failure), ..base.clone() }, times })
}

/// A name without its last words, and the number that they end with.
fn number_behind<'a>(name: &'a str, word: &str) -> Result<(&'a str, Option<u32>), String> {
    let Some((before, digits)) = name.rsplit_once(word) else { return Ok((name, None)) };
    let number = digits.parse().map_err(|_| format!("`{digits}` behind `{word}` is no number"))?;
    Ok((before, Some(number)))
}

fn fake(rest: &str, base: &Script) -> Result<Script, String> {
    let mut script = base.clone();
    let mut words = rest.split('-');
    while let Some(knob) = words.next() {
        let number = words.next().and_then(|n| n.parse::<u32>().ok());
        let number = number.ok_or_else(|| format!("`{knob}` needs a number behind it; there are {KNOBS}"))?;
        match knob {
            "tokens" => (script.tokens, script.text) = (number, None),
            "first" => script.first_token_ms = number.into(),
            "gap" => script.gap_ms = number.into(),
            "jitter" => script.jitter_ms = number.into(),
            "seed" => script.seed = number.into(),
            "burst" => script.burst = number,
            "reasoning" => script.reasoning = number,
            "bytes" => script.bytes_per_write = number,
            "pings" => script.pings = number,
            "citations" => script.citations = number,
            other => return Err(format!("`{other}` is no knob; there are {KNOBS}")),
        }
    }
    script.check()?;
    Ok(script)
}
