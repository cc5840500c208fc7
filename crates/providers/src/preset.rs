//! Hosts that are known by name. An OpenAI-compatible host is one row; a format is a module.
//!
//! Reading the environment is the binary's business: a row only says which names to look at.

use std::sync::Arc;

use crate::anthropic::Anthropic;
use crate::gemini::Gemini;
use crate::ollama::{self, Ollama};
use crate::openai::OpenAi;
use crate::wire::Wire;

/// The wire format that a host speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenAI's chat completions: [`crate::openai`].
    OpenAi,
    /// Anthropic's Messages: [`crate::anthropic`].
    Anthropic,
    /// Gemini's own: [`crate::gemini`].
    Gemini,
    /// Ollama's own: [`crate::ollama`].
    Ollama,
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
    /// The model that is asked where none is named.
    pub model: &'static str,
    /// What the host calls the most tokens of an answer.
    pub limit_field: &'static str,
    /// Whether its models can be offered tools.
    pub tools: bool,
}

/// The rows.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "openai",
        format: Format::OpenAi,
        base_url: "https://api.openai.com/v1",
        base_url_env: Some("OPENAI_BASE_URL"),
        key_env: "OPENAI_API_KEY",
        model: "gpt-4.1-mini",
        limit_field: "max_completion_tokens",
        tools: true,
    },
    Preset {
        name: "openrouter",
        format: Format::OpenAi,
        base_url: "https://openrouter.ai/api/v1",
        base_url_env: None,
        key_env: "OPENROUTER_API_KEY",
        model: "openai/gpt-4.1-mini",
        limit_field: "max_tokens",
        tools: true,
    },
    Preset {
        name: "groq",
        format: Format::OpenAi,
        base_url: "https://api.groq.com/openai/v1",
        base_url_env: None,
        key_env: "GROQ_API_KEY",
        model: "llama-3.3-70b-versatile",
        limit_field: "max_completion_tokens",
        tools: true,
    },
    Preset {
        name: "anthropic",
        format: Format::Anthropic,
        // Without the version, as everybody who speaks the format says it.
        base_url: "https://api.anthropic.com",
        base_url_env: Some("ANTHROPIC_BASE_URL"),
        key_env: "ANTHROPIC_API_KEY",
        model: "claude-haiku-4-5",
        limit_field: "max_tokens",
        tools: true,
    },
    Preset {
        name: "gemini",
        format: Format::Gemini,
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        base_url_env: None,
        key_env: "GEMINI_API_KEY",
        model: "gemini-3.5-flash-lite",
        limit_field: "",
        tools: true,
    },
    Preset {
        name: "ollama",
        format: Format::Ollama,
        base_url: "http://127.0.0.1:11434",
        base_url_env: Some("OLLAMA_HOST"),
        key_env: "",
        model: "qwen3:4b",
        limit_field: "",
        tools: true,
    },
];

impl Preset {
    /// Its format as this host speaks it. A host that was `moved` to another address is asked with
    /// `max_tokens`, which every compatible server knows.
    pub fn wire(&self, moved: bool) -> Arc<dyn Wire> {
        match self.format {
            Format::OpenAi => {
                Arc::new(OpenAi { limit_field: if moved { "max_tokens" } else { self.limit_field } })
            }
            Format::Anthropic => Arc::new(Anthropic),
            Format::Gemini => Arc::new(Gemini),
            Format::Ollama => Arc::new(Ollama),
        }
    }

    /// The address that its variable means: one of them may lack the scheme and the port.
    #[must_use]
    pub fn address(&self, said: String) -> String {
        if self.format == Format::Ollama { ollama::address(&said) } else { said }
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
            let own_machine = row.name == "ollama";
            assert!(row.base_url.starts_with(if own_machine { "http://127.0.0.1:" } else { "https://" }));
            assert!(!row.base_url.ends_with('/') && !row.model.is_empty());
            assert!(row.key_env.ends_with("_API_KEY") != own_machine);
        }
        assert_eq!(Preset::find("nobody"), None);
    }
}
