//! How hosts differ that speak OpenAI's chat completions. A host is data here, not code: what it calls its
//! limit, how it is told how much to think, what it refuses, what it wants back.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use headwater_core::port::provider::Effort;
use serde_json::{Map, Value, json};

/// One host's way to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// What the most tokens of an answer are called.
    pub limit: &'static str,
    /// Whether it is asked for the usage. A host that always sends it may refuse the field.
    pub counts: bool,
    /// Who says the operator's instructions: `system`, or OpenAI's newer `developer`.
    pub system: &'static str,
    /// How it is told how much to think.
    pub thinking: Thinking,
    /// What is known of its models: the first family whose beginning fits. The last one fits all.
    pub models: &'static [Family],
    /// What it wants back with a line of its own.
    pub back: Back,
    /// What it takes for the name of a call.
    pub ids: Ids,
}

/// What a host takes for the name of a call. A conversation may have names that another host or this server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// Anything.
    Any,
    /// Nine letters and digits (Mistral).
    Nine,
}

impl Ids {
    /// This name as the host takes it: the same for a call and its answer.
    #[must_use]
    pub fn name(self, id: &str) -> Cow<'_, str> {
        let fits = id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if self == Self::Any || fits {
            return Cow::Borrowed(id);
        }
        // FNV-1a: two names of one conversation do not meet in it by chance.
        let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut digit = || {
            let digit = u32::try_from(hash % 36).unwrap_or_default();
            hash /= 36;
            char::from_digit(digit, 36).unwrap_or('0')
        };
        (0..9).map(|_| digit()).collect()
    }
}

/// How a host is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// `reasoning_effort: word`.
    Word,
    /// OpenRouter's `reasoning: {effort: word}`.
    Object,
    /// DeepSeek's `thinking: {type: enabled | disabled}`, and the word where it thinks.
    Switch,
    /// `chat_template_kwargs: {enable_thinking: bool}` with the word, for the model's own template. A server
    /// may look for the `word` beside it as well, where a model has no template.
    Template {
        /// Whether `reasoning_effort` is sent too.
        word: bool,
    },
}

/// What a host wants back with an answer that called tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// Nothing; strict hosts refuse fields that they do not know.
    Nothing,
    /// What the model thought, as `reasoning_content`.
    Thoughts,
    /// The same, and an empty one where it thought nothing (DeepSeek, which misses the field otherwise).
    EveryThought,
    /// OpenRouter's `reasoning_details`, signatures and encrypted ones included.
    Details,
}

/// Models whose names begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// How their names begin.
    pub begins: &'static str,
    /// The efforts that they know, least first, with the host's word; none where they cannot be told.
    pub efforts: &'static [(Effort, &'static str)],
    /// Whether they take a temperature.
    pub temperature: Temperature,
    /// Fields that these models always need.
    pub always: &'static [(&'static str, &'static str)],
}

/// When a model takes a temperature; it is left out otherwise, since the host would refuse the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temperature {
    /// Always.
    Taken,
    /// Only where it was told not to think.
    Unthinking,
    /// Never.
    Refused,
}

impl Dialect {
    /// What is known of a model.
    #[must_use]
    pub fn family(&self, model: &str) -> &'static Family {
        family(self.models, model)
    }

    /// Puts how much to think into a request, in this host's way. Without a wish nothing is said.
    pub(super) fn think(&self, family: &Family, effort: Option<Effort>, body: &mut Map<String, Value>) {
        let Some((effort, word)) = effort.and_then(|e| family.nearest(e)) else { return };
        let thinks = effort != Effort::None;
        match self.thinking {
            Thinking::Word => {
                body.insert("reasoning_effort".into(), word.into());
            }
            Thinking::Object => {
                body.insert("reasoning".into(), json!({"effort": word}));
            }
            Thinking::Switch => {
                let switch = if thinks { "enabled" } else { "disabled" };
                body.insert("thinking".into(), json!({"type": switch}));
                if thinks {
                    body.insert("reasoning_effort".into(), word.into());
                }
            }
            Thinking::Template { word: beside } => {
                let mut kwargs = json!({"enable_thinking": thinks});
                if thinks {
                    kwargs["reasoning_effort"] = word.into();
                }
                body.insert("chat_template_kwargs".into(), kwargs);
                if thinks && beside {
                    body.insert("reasoning_effort".into(), word.into());
                }
            }
        }
    }
}

/// The first family that fits; one that knows nothing where a table has no last row.
pub(crate) fn family(models: &'static [Family], model: &str) -> &'static Family {
    models.iter().find(|f| model.starts_with(f.begins)).unwrap_or(&PLAIN)
}

impl Family {
    /// The known effort that is nearest to the wish, and its word. Between two it is the longer: who asks
    /// for some thinking gets some.
    #[must_use]
    pub fn nearest(&self, wish: Effort) -> Option<(Effort, &'static str)> {
        let place = |effort: Effort| Effort::ALL.iter().position(|e| *e == effort).unwrap_or_default();
        let far = |effort: Effort| place(effort).abs_diff(place(wish));
        self.efforts.iter().rev().copied().min_by_key(|(effort, _)| far(*effort))
    }

    /// Whether a temperature may be sent beside this wish.
    #[must_use]
    pub fn takes_temperature(&self, effort: Option<Effort>) -> bool {
        match self.temperature {
            Temperature::Taken => true,
            Temperature::Refused => false,
            Temperature::Unthinking => {
                effort.and_then(|e| self.nearest(e)).is_some_and(|(e, _)| e == Effort::None)
            }
        }
    }
}

const NONE: (Effort, &str) = (Effort::None, "none");
const MINIMAL: (Effort, &str) = (Effort::Minimal, "minimal");
const LOW: (Effort, &str) = (Effort::Low, "low");
const MEDIUM: (Effort, &str) = (Effort::Medium, "medium");
const HIGH: (Effort, &str) = (Effort::High, "high");

/// Models that cannot be told how much to think.
const PLAIN: Family = Family { begins: "", efforts: &[], temperature: Temperature::Taken, always: &[] };

/// Models that can, and take a temperature all the same.
const MIXED: Family = Family { efforts: &[NONE, LOW, MEDIUM, HIGH], ..PLAIN };

/// Models that always think.
const THINKING: Family = Family { efforts: &[LOW, MEDIUM, HIGH], ..PLAIN };

/// Any server of this protocol, where nothing better is known.
pub const COMMON: Dialect = Dialect {
    limit: "max_tokens",
    counts: true,
    system: "system",
    thinking: Thinking::Word,
    models: &[MIXED],
    back: Back::Thoughts,
    ids: Ids::Any,
};

/// OpenAI's own models: which refuse a temperature, and which words they know.
pub(crate) const OPENAI_MODELS: &[Family] = &[
    Family { begins: "gpt-3", ..PLAIN },
    Family { begins: "gpt-4", ..PLAIN },
    Family { begins: "gpt-5-chat", ..PLAIN },
    Family { begins: "gpt-5-pro", efforts: &[HIGH], temperature: Temperature::Refused, ..PLAIN },
    Family { begins: "gpt-5.", temperature: Temperature::Unthinking, ..MIXED },
    Family {
        begins: "gpt-5",
        efforts: &[MINIMAL, LOW, MEDIUM, HIGH],
        temperature: Temperature::Refused,
        ..PLAIN
    },
    // Newer ones are taken to be as the newest that is known.
    Family { begins: "gpt-oss", ..THINKING },
    Family { begins: "gpt-", temperature: Temperature::Unthinking, ..MIXED },
    Family { begins: "o1", temperature: Temperature::Refused, ..THINKING },
    Family { begins: "o3", temperature: Temperature::Refused, ..THINKING },
    Family { begins: "o4", temperature: Temperature::Refused, ..THINKING },
    Family { begins: "chatgpt-", ..PLAIN },
    Family { begins: "ft:", ..PLAIN },
    MIXED,
];

/// OpenAI.
pub const OPENAI: Dialect = Dialect {
    limit: "max_completion_tokens",
    system: "developer",
    models: OPENAI_MODELS,
    back: Back::Nothing,
    ..COMMON
};

/// OpenRouter: it translates for whom it asks, and leaves out what that one does not know.
pub const OPENROUTER: Dialect = Dialect {
    thinking: Thinking::Object,
    models: &[Family { efforts: &[NONE, MINIMAL, LOW, MEDIUM, HIGH], ..PLAIN }],
    back: Back::Details,
    ..COMMON
};

/// Groq. Its Qwen would think aloud in the answer itself.
pub const GROQ: Dialect = Dialect {
    limit: "max_completion_tokens",
    models: &[
        Family { begins: "openai/gpt-oss", ..THINKING },
        Family {
            begins: "qwen/",
            efforts: &[NONE, (Effort::Medium, "default")],
            always: &[("reasoning_format", "parsed")],
            ..PLAIN
        },
        PLAIN,
    ],
    back: Back::Nothing,
    ..COMMON
};

/// Mistral. It refuses every field that it does not know, `stream_options` among them; the usage comes
/// anyway.
pub const MISTRAL: Dialect = Dialect {
    counts: false,
    models: &[
        Family { begins: "mistral-small", efforts: &[NONE, HIGH], ..PLAIN },
        Family { begins: "mistral-medium", efforts: &[NONE, HIGH], ..PLAIN },
        PLAIN,
    ],
    back: Back::Nothing,
    ids: Ids::Nine,
    ..COMMON
};

/// DeepSeek. It refuses the answer of a tool without what the model thought before it called it.
pub const DEEPSEEK: Dialect = Dialect {
    thinking: Thinking::Switch,
    models: &[Family { efforts: &[NONE, LOW, HIGH], ..PLAIN }],
    back: Back::EveryThought,
    ..COMMON
};

/// xAI. Some of its models think always and refuse to be told how much.
pub const XAI: Dialect = Dialect {
    limit: "max_completion_tokens",
    models: &[
        Family { begins: "grok-3-mini", efforts: &[LOW, HIGH], ..PLAIN },
        Family { begins: "grok-3", ..PLAIN },
        Family { begins: "grok-2", ..PLAIN },
        Family { begins: "grok-4.20", ..PLAIN },
        Family { begins: "grok-4.3", ..MIXED },
        Family { begins: "grok-4.", ..THINKING },
        PLAIN,
    ],
    back: Back::Nothing,
    ..COMMON
};

/// Together.
pub const TOGETHER: Dialect = Dialect {
    models: &[Family { begins: "openai/gpt-oss", ..THINKING }, PLAIN],
    back: Back::Nothing,
    ..COMMON
};

/// Fireworks.
pub const FIREWORKS: Dialect = COMMON;

/// vLLM's server: models with a template and, like gpt-oss, without one.
pub const VLLM: Dialect = Dialect { thinking: Thinking::Template { word: true }, ..COMMON };

/// llama.cpp's server.
pub const LLAMACPP: Dialect = Dialect { thinking: Thinking::Template { word: false }, ..COMMON };

/// LM Studio.
pub const LMSTUDIO: Dialect = COMMON;
