//! OpenAI's chat completions, decoded without input or output: event data in, deltas out. Written for
//! what hosts really send (OpenAI, Groq, OpenRouter, llama.cpp, vLLM, Mistral …), not only for what
//! is documented: unknown fields and events are skipped, and the end is only what the host called so.

use headwater_core::port::provider::{Delta, FinishReason, ProviderError, ProviderErrorKind, Usage};
use serde::Deserialize;
use serde_json::Value;

use crate::failure;
use crate::wire::calls::{Calls, Fragment};
use crate::wire::{Decoder, Eof};

/// Decodes one answer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Set by a `finish_reason`; the usage may still follow it.
    finish: Option<FinishReason>,
    usage: Usage,
    /// Tools that the model calls; said whole, before the end.
    calls: Calls,
    skipped: u64,
    over: bool,
}

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<WireUsage>,
    error: Option<Value>,
    /// vLLM reports failures as `{"object": "error", "message": …}`.
    object: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    delta: Option<Piece>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Piece {
    /// A text, or (Mistral) an array of parts.
    content: Option<Value>,
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Fragment>>,
}

#[derive(Debug, Deserialize)]
struct WireUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

impl Decoder for Reader {
    fn push(&mut self, event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let data = data.trim();
        if self.over || data.is_empty() {
            return Ok(());
        }
        if data.starts_with("[DONE]") {
            // One host never sends a reason: `[DONE]` alone is its end.
            let bare = if self.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
            self.end(self.finish.unwrap_or(bare), out);
            return Ok(());
        }
        let chunk: Chunk = match serde_json::from_str(data) {
            Ok(chunk) => chunk,
            Err(_) if event == Some("error") => {
                return self.fail(failure::reported(&Value::String(data.to_owned())));
            }
            // Valid JSON of another shape is something new, not something wrong.
            Err(_) if serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok() => {
                self.skipped += 1;
                return Ok(());
            }
            Err(_) => {
                let message = "the provider sent an event that is not JSON";
                return self.fail(ProviderError::new(ProviderErrorKind::Failed, message));
            }
        };
        if let Some(error) = chunk.error.filter(|e| !e.is_null() && *e != Value::Bool(false)) {
            return self.fail(failure::reported(&error));
        }
        if event == Some("error") || chunk.object.as_ref().and_then(Value::as_str) == Some("error") {
            return self.fail(failure::reported(&serde_json::from_str(data).unwrap_or_default()));
        }
        if let Some(usage) = chunk.usage {
            self.usage.input_tokens = usage.prompt_tokens.or(self.usage.input_tokens);
            self.usage.output_tokens = usage.completion_tokens.or(self.usage.output_tokens);
        }
        // Only one answer is ever asked for; a host that sends more is not mixed into it.
        for choice in chunk.choices.into_iter().filter(|c| c.index == 0) {
            if let Some(piece) = choice.delta {
                say(text_of(piece.content), out);
                if let Some(refusal) = piece.refusal.filter(|r| !r.is_empty()) {
                    out.push(Delta::Refusal(refusal));
                }
                for fragment in piece.tool_calls.into_iter().flatten() {
                    if let Err(error) = self.calls.push(fragment) {
                        return self.fail(error);
                    }
                }
            }
            if let Some(reason) = choice.finish_reason {
                if reason == "error" {
                    return self.fail(ProviderError::new(
                        ProviderErrorKind::Failed,
                        "the provider ended with an error",
                    ));
                }
                self.finish = Some(finish(&reason));
            }
        }
        Ok(())
    }

    fn finish(&mut self, eof: Eof, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        match (self.over, self.finish) {
            (true, _) => Ok(()),
            (false, Some(reason)) => {
                self.end(reason, out);
                Ok(())
            }
            (false, None) => {
                let how = match eof {
                    Eof::Clean => "the provider closed the stream before it had ended",
                    Eof::Broken => "the connection to the provider broke before the answer had ended",
                };
                self.fail(ProviderError::new(ProviderErrorKind::Interrupted, how))
            }
        }
    }

    fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn gathered(&self) -> usize {
        self.calls.bytes()
    }
}

impl Reader {
    fn end(&mut self, reason: FinishReason, out: &mut Vec<Delta>) {
        self.over = true;
        // Cut off by the limit, a call may be half of what the model meant: nobody carries that out.
        let cut = reason == FinishReason::Length;
        out.extend(std::mem::take(&mut self.calls).whole(cut).map(Delta::ToolCall));
        out.push(Delta::End { reason, usage: self.usage });
    }

    fn fail(&mut self, error: ProviderError) -> Result<(), ProviderError> {
        self.over = true;
        Err(error)
    }
}

fn say(text: String, out: &mut Vec<Delta>) {
    if !text.is_empty() {
        out.push(Delta::Text(text));
    }
}

/// The text of a `content`; what the model thought to itself is not part of the answer.
fn text_of(content: Option<Value>) -> String {
    match content {
        Some(Value::String(text)) => text,
        Some(Value::Array(parts)) => parts
            .iter()
            .filter(|p| p.get("type").and_then(Value::as_str) == Some("text"))
            .filter_map(|p| p.get("text").and_then(Value::as_str))
            .collect(),
        _ => String::new(),
    }
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}
