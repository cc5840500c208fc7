//! How a prompt is written for a model: whose line is whose, in the words that it was trained with.

use headwater_core::port::provider::{PromptMessage, ProviderError, Role};

use super::gguf::{Model, bad};
use super::tokenizer::Tokenizer;

/// The way of writing that a model file asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Template {
    /// `<|im_start|>role⏎text<|im_end|>⏎`
    ChatMl {
        /// The number of `<|im_start|>`.
        start: u32,
        /// The number of `<|im_end|>`.
        end: u32,
    },
    /// `<|start_header_id|>role<|end_header_id|>⏎⏎text<|eot_id|>`
    Llama3 {
        /// The number of `<|begin_of_text|>`.
        begin: u32,
        /// The number of `<|start_header_id|>`.
        start: u32,
        /// The number of `<|end_header_id|>`.
        header_end: u32,
        /// The number of `<|eot_id|>`.
        end: u32,
    },
}

impl Template {
    /// Finds the template by the special tokens that the model has.
    ///
    /// # Errors
    /// `Unavailable`, where it has none of the two known ones.
    pub(super) fn find(file: &Model, tokenizer: &Tokenizer) -> Result<Self, ProviderError> {
        let id = |name| tokenizer.special(name);
        let asked = file.text("tokenizer.chat_template").unwrap_or("<|im_start|>");
        if let (true, Some(start), Some(end)) =
            (asked.contains("<|im_start|>"), id("<|im_start|>"), id("<|im_end|>"))
        {
            return Ok(Self::ChatMl { start, end });
        }
        if let (Some(begin), Some(start), Some(header_end), Some(end)) =
            (id("<|begin_of_text|>"), id("<|start_header_id|>"), id("<|end_header_id|>"), id("<|eot_id|>"))
        {
            return Ok(Self::Llama3 { begin, start, header_end, end });
        }
        Err(bad("its chat template is neither ChatML nor Llama 3's"))
    }

    /// Writes the lines. With `answer` the model's own line is begun too; without it the result is
    /// the beginning of every prompt that begins with these lines.
    ///
    /// # Errors
    /// `Refused`, where a text cannot be spelled.
    pub(super) fn write(
        self,
        tokenizer: &Tokenizer,
        lines: &[PromptMessage],
        answer: bool,
    ) -> Result<Vec<u32>, ProviderError> {
        let mut out = Vec::new();
        if let Self::Llama3 { begin, .. } = self {
            out.push(begin);
        }
        for line in lines {
            self.open(tokenizer, line.role, &line.content, &mut out)?;
            match self {
                Self::ChatMl { end, .. } => {
                    out.push(end);
                    tokenizer.encode("\n", &mut out)?;
                }
                Self::Llama3 { end, .. } => out.push(end),
            }
        }
        if answer {
            self.open(tokenizer, Role::Assistant, "", &mut out)?;
        }
        Ok(out)
    }

    fn open(
        self,
        tokenizer: &Tokenizer,
        role: Role,
        text: &str,
        out: &mut Vec<u32>,
    ) -> Result<(), ProviderError> {
        let role = match role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            // The model knows no tools: what one says is told to it like anything else.
            Role::Tool => "user",
        };
        match self {
            Self::ChatMl { start, .. } => {
                out.push(start);
                tokenizer.encode(&format!("{role}\n{text}"), out)
            }
            Self::Llama3 { start, header_end, .. } => {
                out.push(start);
                tokenizer.encode(role, out)?;
                out.push(header_end);
                tokenizer.encode(&format!("\n\n{}", text.trim()), out)
            }
        }
    }
}
