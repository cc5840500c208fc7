//! What the fake says, when, and in which shape: one flat struct, in Rust and as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::limit;

/// One answer. Every field has a default, so that a test names only what it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Words of the answer that are made up, some of them with letters of two to four bytes.
    pub tokens: u32,
    /// What is said instead of made-up words, a word a token.
    pub text: Option<String>,
    /// Tokens that come in one event; at least 1.
    pub tokens_per_event: u32,
    /// Words of reasoning before the answer; 0: it does not think.
    pub reasoning: u32,
    /// Whether reasoning is signed, where the format knows signatures.
    pub signature: bool,
    /// Whether the words are a refusal, where the format tells it from text.
    pub refusal: bool,
    /// Pages that are cited after the text.
    pub citations: u32,
    /// Tools that are called at the end.
    pub tools: Vec<Tool>,
    /// In how many pieces the arguments of a tool come, where the format has pieces.
    pub argument_pieces: u32,
    /// Whether the pieces of several calls alternate (OpenAI, Responses).
    pub interleave: bool,
    /// Why it ends; without it what follows from the rest.
    pub finish: Option<Finish>,
    /// Tokens of the prompt, as they are reported.
    pub input_tokens: u64,
    /// How many of them were read from a cache.
    pub cached_tokens: u64,
    /// Milliseconds from the request to the head of the answer.
    pub head_ms: u64,
    /// Milliseconds from the head to the first token.
    pub first_token_ms: u64,
    /// Milliseconds from a delta to the next.
    pub gap_ms: u64,
    /// At most so many milliseconds more or less than the gap, drawn with `seed`.
    pub jitter_ms: u64,
    /// Where drawing begins: the same seed, the same times.
    pub seed: u64,
    /// So many deltas come at once, and then all their gaps; 0 and 1: each by itself.
    pub burst: u32,
    /// Bytes of a write, inside of letters and line ends too; 0: an event a write.
    pub bytes_per_write: u32,
    /// Whether a byte order mark comes first.
    pub bom: bool,
    /// How lines end; without it as the format's own host does it.
    pub line_end: Option<LineEnd>,
    /// Pings or comments before the first token.
    pub pings: u32,
    /// A ping all so many milliseconds while nothing else comes; 0: none.
    pub ping_every_ms: u64,
    /// Whether the body is compressed; a client that did not ask for it gets it nevertheless.
    pub gzip: bool,
    /// Where the usage stands.
    pub usage: Placement,
    /// Where reasoning stands in chat completions.
    pub reasoning_as: ReasoningAs,
    /// Whether chat completions end with `[DONE]`.
    pub done: bool,
    /// Whether a request without a key gets 401.
    pub needs_key: bool,
    /// The names that are listed.
    pub models: Vec<String>,
    /// What goes wrong.
    pub failure: Option<Failure>,
}

/// A tool that the answer calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is called with, an object.
    #[serde(default)]
    pub arguments: Value,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// All was said.
    Stop,
    /// It reached its most tokens.
    Length,
    /// Tools are to be called.
    Tools,
    /// It is held back.
    Refusal,
}

/// How lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineEnd {
    /// `\n`
    Lf,
    /// `\r\n`
    Crlf,
}

/// Where the usage stands. A format that has no such place does what is customary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// As the format's own host does it: chat completions only where the request asks for it.
    #[default]
    Customary,
    /// Chat completions: in a chunk of its own, asked for or not.
    OwnChunk,
    /// Chat completions: with the reason of the end.
    WithFinish,
    /// Chat completions: the reason comes twice, the second time with usage and cost (OpenRouter).
    Twice,
    /// Chat completions: in `x_groq` of the chunk with the reason (Groq).
    Groq,
    /// Chat completions and Gemini: a running sum with every chunk.
    Every,
    /// Anthropic: none at the start, all at the end. Gemini: with the last chunk only.
    Late,
    /// Nowhere.
    Never,
}

/// Where reasoning stands in chat completions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningAs {
    /// `delta.reasoning_content` (DeepSeek, llama.cpp, xAI).
    #[default]
    ReasoningContent,
    /// `delta.reasoning` (Groq, newer vLLM).
    Reasoning,
    /// `delta.reasoning` and `delta.reasoning_details` (OpenRouter).
    Details,
    /// `delta.content` is an array of parts (Mistral).
    Parts,
}

/// What an answer reports to have used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, those from a cache among them.
    pub input: u64,
    /// How many of them were read from a cache.
    pub cached: u64,
    /// Tokens of the answer, those of reasoning among them.
    pub output: u64,
    /// Tokens of reasoning.
    pub reasoning: u64,
}

impl Default for Script {
    /// 24 words of text, at once, in the plainest shape.
    fn default() -> Self {
        Self {
            tokens: 24,
            text: None,
            tokens_per_event: 1,
            reasoning: 0,
            signature: true,
            refusal: false,
            citations: 0,
            tools: Vec::new(),
            argument_pieces: 3,
            interleave: false,
            finish: None,
            input_tokens: 25,
            cached_tokens: 0,
            head_ms: 0,
            first_token_ms: 0,
            gap_ms: 0,
            jitter_ms: 0,
            seed: 1,
            burst: 0,
            bytes_per_write: 0,
            bom: false,
            line_end: None,
            pings: 0,
            ping_every_ms: 0,
            gzip: false,
            usage: Placement::Customary,
            reasoning_as: ReasoningAs::ReasoningContent,
            done: true,
            needs_key: false,
            models: vec!["fake-model".to_owned()],
            failure: None,
        }
    }
}

impl Script {
    /// So many made-up words, at once.
    #[must_use]
    pub fn tokens(tokens: u32) -> Self {
        Self { tokens, ..Self::default() }
    }

    /// These words.
    #[must_use]
    pub fn saying(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// The usual answer with this failure.
    #[must_use]
    pub fn failing(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }

    /// The same, with the fields of this object put over it, each whole.
    ///
    /// # Errors
    /// What is wrong with it, in words for whoever wrote it.
    pub fn with(&self, knobs: &Value) -> Result<Self, String> {
        let Value::Object(knobs) = knobs else { return Err("knobs are a JSON object".to_owned()) };
        let mut all = serde_json::to_value(self).map_err(|e| e.to_string())?;
        if let Some(all) = all.as_object_mut() {
            // Whoever asks for so many words does not want those of before.
            if knobs.contains_key("tokens") {
                all.insert("text".to_owned(), Value::Null);
            }
            all.extend(knobs.clone());
        }
        let script: Self = serde_json::from_value(all).map_err(|e| e.to_string())?;
        script.check()?;
        Ok(script)
    }

    /// Whether it is within the bounds of [`limit`].
    ///
    /// # Errors
    /// The first that it is not within.
    pub fn check(&self) -> Result<(), String> {
        let bounded = |name: &str, value: u64, most: u64| {
            (value <= most).then_some(()).ok_or_else(|| format!("{name} is at most {most}"))
        };
        let tokens = u64::from(limit::TOKENS);
        bounded("tokens", self.tokens.into(), tokens)?;
        bounded("reasoning", self.reasoning.into(), tokens)?;
        bounded("citations", self.citations.into(), limit::ITEMS as u64)?;
        bounded("tools", self.tools.len() as u64, limit::ITEMS as u64)?;
        bounded("models", self.models.len() as u64, limit::ITEMS as u64)?;
        bounded("argument_pieces", self.argument_pieces.into(), limit::PIECES.into())?;
        bounded("pings", self.pings.into(), limit::PINGS.into())?;
        for (name, time) in [
            ("head_ms", self.head_ms),
            ("first_token_ms", self.first_token_ms),
            ("gap_ms", self.gap_ms),
            ("jitter_ms", self.jitter_ms),
            ("ping_every_ms", self.ping_every_ms),
        ] {
            bounded(name, time, limit::TIME_MS)?;
        }
        let text = self.text.as_ref().map_or(0, String::len);
        bounded("the bytes of text", text as u64, limit::TEXT_BYTES as u64)?;
        for tool in &self.tools {
            let size = tool.name.len() + tool.arguments.to_string().len();
            bounded("the bytes of a tool", size as u64, limit::TEXT_BYTES as u64)?;
        }
        match &self.failure {
            Some(Failure::Status { status, .. } | Failure::Error { status, .. })
                if !(400..600).contains(status) =>
            {
                Err("a failure's status is 400 to 599".to_owned())
            }
            Some(Failure::Huge { bytes, .. }) => bounded("bytes", (*bytes).into(), limit::HUGE_BYTES.into()),
            Some(Failure::Stall { ping_ms, .. }) => bounded("ping_ms", *ping_ms, limit::TIME_MS),
            _ => Ok(()),
        }
    }
}
