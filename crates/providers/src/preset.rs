//! Hosts that are known by name. An OpenAI-compatible host is one row; a format is a module.
//!
//! Reading the environment is the binary's business: a row only says which names to look at.

use std::sync::Arc;

use crate::anthropic::Anthropic;
use crate::gemini::Gemini;
use crate::ollama::{self, Ollama};
use crate::openai::dialect::{self, Dialect};
use crate::openai::{LOADED, OpenAi};
use crate::responses::Responses;
use crate::wire::Wire;

/// The wire format that a host speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Anthropic's Messages: [`crate::anthropic`].
    Anthropic,
    /// Gemini's own: [`crate::gemini`].
    Gemini,
    /// Ollama's own: [`crate::ollama`].
    Ollama,
    /// OpenAI's chat completions, in this host's way: [`crate::openai`].
    OpenAi(&'static Dialect),
    /// OpenAI's Responses: [`crate::responses`].
    Responses,
}

impl Format {
    /// The formats by the names that an operator gives them. Chat completions in the way that every compatible
    /// server knows; what one vendor does differently is in his row.
    pub const ALL: [(&'static str, Self); 5] = [
        ("openai", Self::OpenAi(&dialect::COMMON)),
        ("responses", Self::Responses),
        ("anthropic", Self::Anthropic),
        ("gemini", Self::Gemini),
        ("ollama", Self::Ollama),
    ];

    /// The format of that name, where it is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, format)| format)
    }

    /// The format, to be spoken.
    #[must_use]
    pub fn wire(self) -> Arc<dyn Wire> {
        match self {
            Self::Anthropic => Arc::new(Anthropic),
            Self::Gemini => Arc::new(Gemini),
            Self::Ollama => Arc::new(Ollama),
            Self::OpenAi(dialect) => Arc::new(OpenAi { dialect }),
            Self::Responses => Arc::new(Responses),
        }
    }
}

/// A host: where it is, what its key is called, what it is asked by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name in the configuration and for `--provider`.
    pub name: &'static str,
    /// What it speaks.
    pub format: Format,
    /// Where it is, without a slash at its end.
    pub base_url: &'static str,
    /// The environment variable that may move it, where there is a customary one.
    pub base_url_env: Option<&'static str>,
    /// The environment variable that holds its key.
    pub key_env: &'static str,
    /// Whether it answers nobody without a key. A server on one's own machine may have one or none.
    pub needs_key: bool,
    /// The model that is asked where none is named; [`LOADED`] where a server has one or a few of its own.
    pub model: &'static str,
    /// Whether its models can be offered tools.
    pub tools: bool,
    /// Under which name the price table has its models.
    pub prices: &'static str,
}

/// The rows.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "openai",
        format: Format::OpenAi(&dialect::OPENAI),
        base_url: "https://api.openai.com/v1",
        base_url_env: Some("OPENAI_BASE_URL"),
        key_env: "OPENAI_API_KEY",
        needs_key: true,
        model: "gpt-4.1-mini",
        tools: true,
        prices: "openai",
    },
    Preset {
        name: "openai-responses",
        format: Format::Responses,
        base_url: "https://api.openai.com/v1",
        base_url_env: Some("OPENAI_BASE_URL"),
        key_env: "OPENAI_API_KEY",
        needs_key: true,
        model: "gpt-5-mini",
        tools: true,
        prices: "openai",
    },
    Preset {
        name: "openrouter",
        format: Format::OpenAi(&dialect::OPENROUTER),
        base_url: "https://openrouter.ai/api/v1",
        base_url_env: None,
        key_env: "OPENROUTER_API_KEY",
        needs_key: true,
        model: "openai/gpt-4.1-mini",
        tools: true,
        prices: "openrouter",
    },
    Preset {
        name: "groq",
        format: Format::OpenAi(&dialect::GROQ),
        base_url: "https://api.groq.com/openai/v1",
        base_url_env: None,
        key_env: "GROQ_API_KEY",
        needs_key: true,
        model: "llama-3.3-70b-versatile",
        tools: true,
        prices: "groq",
    },
    Preset {
        name: "mistral",
        format: Format::OpenAi(&dialect::MISTRAL),
        base_url: "https://api.mistral.ai/v1",
        base_url_env: None,
        key_env: "MISTRAL_API_KEY",
        needs_key: true,
        model: "mistral-small-latest",
        tools: true,
        prices: "mistral",
    },
    Preset {
        name: "deepseek",
        format: Format::OpenAi(&dialect::DEEPSEEK),
        base_url: "https://api.deepseek.com/v1",
        base_url_env: None,
        key_env: "DEEPSEEK_API_KEY",
        needs_key: true,
        model: "deepseek-v4-flash",
        tools: true,
        prices: "deepseek",
    },
    Preset {
        name: "xai",
        format: Format::OpenAi(&dialect::XAI),
        base_url: "https://api.x.ai/v1",
        base_url_env: None,
        key_env: "XAI_API_KEY",
        needs_key: true,
        model: "grok-4.3",
        tools: true,
        prices: "xai",
    },
    Preset {
        name: "together",
        format: Format::OpenAi(&dialect::TOGETHER),
        base_url: "https://api.together.ai/v1",
        base_url_env: None,
        key_env: "TOGETHER_API_KEY",
        needs_key: true,
        model: "openai/gpt-oss-120b",
        tools: true,
        prices: "together",
    },
    Preset {
        name: "fireworks",
        format: Format::OpenAi(&dialect::FIREWORKS),
        base_url: "https://api.fireworks.ai/inference/v1",
        base_url_env: None,
        key_env: "FIREWORKS_API_KEY",
        needs_key: true,
        model: "accounts/fireworks/models/gpt-oss-120b",
        tools: true,
        prices: "fireworks",
    },
    // On this machine, at their usual ports. They have what their operator loaded.
    Preset {
        name: "vllm",
        format: Format::OpenAi(&dialect::VLLM),
        base_url: "http://127.0.0.1:8000/v1",
        base_url_env: None,
        key_env: "VLLM_API_KEY",
        needs_key: false,
        model: LOADED,
        tools: true,
        prices: "vllm",
    },
    Preset {
        name: "llamacpp",
        format: Format::OpenAi(&dialect::LLAMACPP),
        base_url: "http://127.0.0.1:8080/v1",
        base_url_env: None,
        key_env: "LLAMA_API_KEY",
        needs_key: false,
        model: LOADED,
        tools: true,
        prices: "llamacpp",
    },
    Preset {
        name: "lmstudio",
        format: Format::OpenAi(&dialect::LMSTUDIO),
        base_url: "http://127.0.0.1:1234/v1",
        base_url_env: None,
        key_env: "LM_API_TOKEN",
        needs_key: false,
        model: LOADED,
        tools: true,
        prices: "lmstudio",
    },
    Preset {
        name: "anthropic",
        format: Format::Anthropic,
        // Without the version, as everybody who speaks the format says it.
        base_url: "https://api.anthropic.com",
        base_url_env: Some("ANTHROPIC_BASE_URL"),
        key_env: "ANTHROPIC_API_KEY",
        needs_key: true,
        model: "claude-haiku-4-5",
        tools: true,
        prices: "anthropic",
    },
    Preset {
        name: "gemini",
        format: Format::Gemini,
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        base_url_env: None,
        key_env: "GEMINI_API_KEY",
        needs_key: true,
        model: "gemini-3.5-flash-lite",
        tools: true,
        prices: "gemini",
    },
    Preset {
        name: "ollama",
        format: Format::Ollama,
        base_url: "http://127.0.0.1:11434",
        base_url_env: Some("OLLAMA_HOST"),
        key_env: "",
        needs_key: false,
        model: "qwen3:4b",
        tools: true,
        prices: "ollama",
    },
];

impl Preset {
    /// Its format as this host speaks it. OpenAI's own row `moved` to another address is the customary way
    /// to any compatible server, which is asked in the way that all of them know.
    #[must_use]
    pub fn wire(&self, moved: bool) -> Arc<dyn Wire> {
        match self.format {
            Format::OpenAi(dialect) if moved && *dialect == dialect::OPENAI => Arc::new(OpenAi::default()),
            format => format.wire(),
        }
    }

    /// The address that its variable means: one of them may lack the scheme and the port.
    #[must_use]
    pub fn address(&self, said: String) -> String {
        if self.format == Format::Ollama { ollama::address(&said) } else { said }
    }

    /// Whether an address is the vendor's own too, such as that of another region.
    #[must_use]
    pub fn is_at(&self, base_url: &str) -> bool {
        let host = |url: &str| Some(reqwest::Url::parse(url.trim()).ok()?.host_str()?.to_owned());
        let (Some(own), Some(other)) = (host(self.base_url), host(base_url)) else { return false };
        let domain = own.split_once('.').map_or(own.as_str(), |(_, domain)| domain);
        own == other || other.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    }

    /// The row of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|p| p.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_well_formed_and_found_by_name() {
        for row in PRESETS {
            assert_eq!(Preset::find(row.name), Some(row));
            assert!(!row.base_url.ends_with('/') && !row.model.is_empty());
            // In the clear only to this machine, and no key is asked for that nobody gave out.
            let here = row.base_url.starts_with("http://127.0.0.1:");
            assert!(here || row.base_url.starts_with("https://"), "{}", row.name);
            assert_eq!(row.needs_key, !here, "{}", row.name);
            assert!(row.key_env.is_empty() == (row.name == "ollama"));
            assert!(
                row.key_env.is_empty()
                    || ["_API_KEY", "_API_TOKEN"].iter().any(|end| row.key_env.ends_with(end))
            );
            assert_eq!(PRESETS.iter().filter(|p| p.name == row.name).count(), 1);
        }
        assert_eq!(Preset::find("nobody"), None);
    }
}
