//! The shape of an event, loosely: a field of another type than expected is as good as not there, so that
//! one host's oddity beside the text does not cost the text.

use serde::Deserialize;
use serde_json::Value;

use crate::wire::calls::Fragment;
use crate::wire::loose::Loose;

/// One event of a chat completion.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(default, borrow)]
    pub choices: Option<Vec<Choice<'a>>>,
    pub usage: Option<Value>,
    /// Groq's own corner, where its usage stood first, and where it says why it stopped early.
    pub x_groq: Option<Value>,
    /// llama.cpp's measurements.
    pub timings: Option<Value>,
    pub error: Option<Value>,
    /// vLLM reports failures as `{"object": "error", "message": …}`.
    #[serde(default, borrow)]
    pub object: Loose<'a>,
    /// Perplexity and xAI name their sources beside the choices: addresses, or (Perplexity) whole results.
    pub citations: Option<Value>,
    pub search_results: Option<Value>,
}

/// One answer of those that were asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Choice<'a> {
    pub index: Option<u64>,
    #[serde(default, borrow)]
    pub delta: Option<Piece<'a>>,
    #[serde(default, borrow)]
    pub finish_reason: Loose<'a>,
    /// OpenRouter's, beside the reason `error`.
    pub error: Option<Value>,
}

/// A piece of it.
#[derive(Debug, Deserialize)]
pub(super) struct Piece<'a> {
    /// A text, or (Mistral) an array of parts.
    #[serde(default, borrow)]
    pub content: Loose<'a>,
    /// What the model thinks, as DeepSeek, llama.cpp, xAI and others call it …
    #[serde(default, borrow)]
    pub reasoning_content: Loose<'a>,
    /// … and as Groq, OpenRouter and newer vLLM do.
    #[serde(default, borrow)]
    pub reasoning: Loose<'a>,
    /// OpenRouter's parts of it, with signatures.
    pub reasoning_details: Option<Value>,
    #[serde(default, borrow)]
    pub refusal: Loose<'a>,
    pub tool_calls: Option<Vec<Fragment>>,
    pub annotations: Option<Value>,
}
