//! How a model of this format is told how much to think. The API took three ways one after the other, and
//! refuses the wrong one: a budget of tokens (3.7 to 4.5), thinking as the model likes with an effort (from
//! 4.6), and the same without being asked (from 5). What a model is stands in its name alone.

use headwater_core::port::provider::Effort;
use serde_json::{Map, Value, json};

/// The least budget that the API takes; an answer that may not be longer leaves nothing to think with.
const LEAST: u32 = 1024;

/// What a model's name says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// No thinking: before 3.7.
    Plain,
    /// A budget of tokens; also of a name that is nobody's we know, behind an address of the operator's: the
    /// other vendors who speak this format take it so.
    Budget,
    /// As much as the model likes, on request; takes a temperature while it does not think (4.6), or none (4.7, 4.8).
    OnRequest {
        /// Whether a temperature may be said at all.
        temperature: bool,
    },
    /// It thinks unless it is told by this word not to; `None` where it cannot be told so.
    Always {
        /// `thinking.type` of the least thinking.
        off: Option<&'static str>,
    },
}

impl Model {
    /// Of a name like `claude-opus-4-8`, `claude-3-7-sonnet-latest` or `anthropic/claude-haiku-4.5`.
    pub(super) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let Some((_, rest)) = name.rsplit_once("claude-") else { return Self::Budget };
        let mut family = "";
        let mut version: Vec<u32> = Vec::new();
        for word in rest.split(|c: char| !c.is_ascii_alphanumeric()) {
            match word.parse::<u32>() {
                // A date is no version.
                Ok(n) if n < 100 && version.len() < 2 => version.push(n),
                Ok(_) => break,
                Err(_) if family.is_empty() => family = word,
                Err(_) => break,
            }
        }
        let version = (version.first().copied(), version.get(1).copied().unwrap_or(0));
        match (family, version) {
            // What comes after these is more likely to be as the newest than as the oldest.
            ("opus" | "sonnet" | "haiku", (Some(major), minor)) => match (family, major, minor) {
                (_, ..3, _) | (_, 3, ..7) => Self::Plain,
                (_, 3, _) | (_, 4, ..6) => Self::Budget,
                (_, 4, 6) => Self::OnRequest { temperature: true },
                (_, 4, _) => Self::OnRequest { temperature: false },
                ("sonnet" | "opus", 5, ..5) | ("haiku", 5, _) => Self::Always { off: Some("disabled") },
                ("sonnet", 5, _) => Self::Always { off: Some("between_tools") },
                _ => Self::Always { off: None },
            },
            // `claude-2.1`, `claude-instant-1.2`.
            ("" | "instant" | "v", _) => Self::Plain,
            _ => Self::Always { off: None },
        }
    }

    /// Puts how much to think, and at what temperature, into a request. `bare` says that a call of a tool
    /// stands in the prompt without what the model thought before it: who has a budget refuses that.
    ///
    /// The API counts thoughts among `most`, the tokens of the answer, which is never raised: where not even
    /// the least thought fits beside an answer, the model is asked to think as little as it can.
    pub(super) fn ask(
        self,
        effort: Option<Effort>,
        temperature: Option<Value>,
        most: u32,
        bare: bool,
        body: &mut Map<String, Value>,
    ) {
        let effort = if most <= LEAST { Some(Effort::None) } else { effort };
        let mut thinks = false;
        match (self, effort) {
            (Self::Plain, _) | (_, None) | (Self::Budget | Self::OnRequest { .. }, Some(Effort::None)) => {}
            (Self::Budget, Some(effort)) => {
                // Half of what may be said, so that an answer follows.
                let budget = budget(effort).min(most / 2).max(LEAST);
                thinks = !bare;
                if thinks {
                    body.insert("thinking".into(), json!({"type": "enabled", "budget_tokens": budget}));
                }
            }
            (Self::OnRequest { .. } | Self::Always { .. }, Some(effort)) if effort != Effort::None => {
                // Newer models leave their thoughts out unless a summary is asked for.
                body.insert("thinking".into(), json!({"type": "adaptive", "display": "summarized"}));
                body.insert("output_config".into(), json!({"effort": word(effort)}));
                thinks = true;
            }
            (Self::Always { off: Some(off) }, Some(_)) => {
                body.insert("thinking".into(), json!({"type": off}));
            }
            (Self::Always { off: None } | Self::OnRequest { .. }, Some(_)) => {
                body.insert("output_config".into(), json!({"effort": "low"}));
            }
        }
        let takes = match self {
            Self::Plain | Self::Budget => true,
            Self::OnRequest { temperature } => temperature,
            Self::Always { .. } => false,
        };
        if let Some(temperature) = temperature.filter(|_| takes && !thinks) {
            body.insert("temperature".into(), temperature);
        }
    }
}

/// Tokens of a budget.
fn budget(effort: Effort) -> u32 {
    match effort {
        Effort::None | Effort::Minimal => LEAST,
        Effort::Low => 2 * LEAST,
        Effort::Medium => 8 * LEAST,
        Effort::High => 24 * LEAST,
    }
}

/// The nearest of the API's own words.
fn word(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_its_model_thinks() {
        let disabled = Model::Always { off: Some("disabled") };
        for (name, model) in [
            ("claude-2.1", Model::Plain),
            ("claude-3-haiku-20240307", Model::Plain),
            ("claude-3-5-sonnet-latest", Model::Plain),
            ("claude-3-7-sonnet-20250219", Model::Budget),
            ("claude-sonnet-4-20250514", Model::Budget),
            ("claude-opus-4-1-20250805", Model::Budget),
            ("anthropic/claude-haiku-4.5", Model::Budget),
            ("claude-haiku-4-5@20251001", Model::Budget),
            ("claude-opus-4-5-20251101", Model::Budget),
            ("claude-sonnet-4-6", Model::OnRequest { temperature: true }),
            ("eu.anthropic.claude-opus-4-6-v1:0", Model::OnRequest { temperature: true }),
            ("claude-opus-4-8[1m]", Model::OnRequest { temperature: false }),
            ("claude-opus-5", disabled),
            ("claude-sonnet-5", disabled),
            ("claude-haiku-5-5", disabled),
            ("claude-sonnet-5-5", Model::Always { off: Some("between_tools") }),
            ("claude-opus-5-5", Model::Always { off: None }),
            ("claude-fable-5-1", Model::Always { off: None }),
            ("claude-mythos-preview", Model::Always { off: None }),
            ("claude-opus-6", Model::Always { off: None }),
            ("kimi-k3", Model::Budget),
        ] {
            assert_eq!(Model::of(name), model, "{name}");
        }
    }

    fn asked(name: &str, effort: Option<Effort>, most: u32, bare: bool) -> Value {
        let mut body = Map::new();
        Model::of(name).ask(effort, Some(0.5.into()), most, bare, &mut body);
        body.into()
    }

    // Planted faults: a temperature beside thinking, and a budget that leaves no room for an answer.
    #[test]
    fn each_model_is_asked_as_the_api_takes_it() {
        let cases = [
            ("claude-haiku-4-5", None, 4096, json!({"temperature": 0.5})),
            ("claude-haiku-4-5", Some(Effort::None), 4096, json!({"temperature": 0.5})),
            (
                "claude-haiku-4-5",
                Some(Effort::High),
                4096,
                json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
            ),
            (
                "claude-haiku-4-5",
                Some(Effort::Minimal),
                1025,
                json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            ),
            // An answer that is shorter than the least budget: the API would refuse it.
            ("claude-haiku-4-5", Some(Effort::High), 1024, json!({"temperature": 0.5})),
            ("claude-3-5-haiku-latest", Some(Effort::High), 4096, json!({"temperature": 0.5})),
            (
                "claude-sonnet-4-6",
                Some(Effort::Medium),
                4096,
                json!({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "medium"}}),
            ),
            ("claude-sonnet-4-6", Some(Effort::None), 4096, json!({"temperature": 0.5})),
            ("claude-opus-4-7", Some(Effort::None), 4096, json!({})),
            ("claude-sonnet-5", None, 4096, json!({})),
            // A classifier has eight tokens: thoughts that nobody asked for would take them all.
            ("claude-sonnet-5", None, 8, json!({"thinking": {"type": "disabled"}})),
            ("claude-sonnet-5-5", Some(Effort::None), 4096, json!({"thinking": {"type": "between_tools"}})),
            ("claude-opus-5-5", Some(Effort::None), 4096, json!({"output_config": {"effort": "low"}})),
            (
                "claude-fable-5",
                Some(Effort::Minimal),
                4096,
                json!({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}}),
            ),
        ];
        for (name, effort, most, body) in cases {
            assert_eq!(asked(name, effort, most, false), body, "{name} {effort:?} {most}");
        }
        assert_eq!(asked("claude-haiku-4-5", Some(Effort::High), 4096, true), json!({"temperature": 0.5}));
        let goes_on = asked("claude-opus-4-8", Some(Effort::High), 4096, true);
        assert_eq!(goes_on["thinking"]["type"], "adaptive");
    }
}
