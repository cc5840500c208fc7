//! Ollama's lines, decoded without input or output: pieces of an answer, calls that are whole, and one line that
//! says it is done.

use headwater_core::limit::REPLAY_BYTES;
use headwater_core::port::provider::{Delta, FinishReason, ProviderError, Replay, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::FORMAT;
use crate::failure;
use crate::wire::calls::Calls;
use crate::wire::{Decoder, Eof};

/// Decodes one answer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    calls: Calls,
    /// What the model thought, for the step after its calls.
    thought: String,
    skipped: u64,
    over: bool,
}

#[derive(Debug, Deserialize)]
struct Line {
    message: Option<Message>,
    done: Option<bool>,
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: Option<String>,
    thinking: Option<String>,
    tool_calls: Option<Vec<Called>>,
}

#[derive(Debug, Deserialize)]
struct Called {
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<Box<RawValue>>,
}

impl Decoder for Reader {
    fn push(&mut self, _: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let data = data.trim();
        if self.over || data.is_empty() {
            return Ok(());
        }
        let line: Line = match serde_json::from_str(data) {
            Ok(line) if data.starts_with('{') => line,
            _ => return self.skip(failure::unlike("a line", None, data)),
        };
        if let Some(error) = line.error {
            return self.fail(failure::reported(&error));
        }
        if line.message.is_none() && line.done.is_none() {
            self.skipped += 1;
        }
        if let Some(message) = line.message {
            if let Some(text) = message.thinking.filter(|t| !t.is_empty()) {
                // Kept as long as it may be given back; one that is cut would be another thought.
                if self.thought.len() <= REPLAY_BYTES {
                    self.thought.push_str(&text);
                }
                out.push(Delta::Reasoning(text));
            }
            if let Some(text) = message.content.filter(|t| !t.is_empty()) {
                out.push(Delta::Text(text));
            }
            for called in message.tool_calls.unwrap_or_default() {
                if let Err(error) = self.call(called) {
                    return self.fail(error);
                }
            }
        }
        if line.done == Some(true) {
            let usage = Usage {
                input_tokens: line.prompt_eval_count,
                output_tokens: line.eval_count,
                ..Usage::default()
            };
            self.end(line.done_reason.as_deref(), usage, out);
        }
        Ok(())
    }

    fn finish(&mut self, eof: Eof, _: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if self.over {
            return Ok(());
        }
        self.fail(eof.too_early())
    }

    fn has_finished(&self) -> bool {
        // The reason and the usage stand in one line.
        self.over
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
    fn call(&mut self, called: Called) -> Result<(), ProviderError> {
        let function = called.function.and_then(|f| Some((f.name?, f.arguments)));
        let Some((name, arguments)) = function.filter(|(name, _)| !name.is_empty()) else {
            self.skipped += 1;
            return Ok(());
        };
        let arguments = arguments.as_deref().map_or("{}", RawValue::get).to_owned();
        self.calls.add(called.id.filter(|id| !id.is_empty()), name, arguments).map(|_| ())
    }

    fn end(&mut self, reason: Option<&str>, usage: Usage, out: &mut Vec<Delta>) {
        self.over = true;
        let calls: Vec<_> = std::mem::take(&mut self.calls).whole(false).collect();
        let reason = match reason {
            // Older servers give none.
            Some("stop" | "tool_calls") | None if calls.is_empty() => FinishReason::Stop,
            Some("stop" | "tool_calls") | None => FinishReason::ToolCalls,
            Some("length") => FinishReason::Length,
            // `load` and `unload` answer a prompt without lines, which is never sent.
            Some(_) => FinishReason::Other,
        };
        let thought = std::mem::take(&mut self.thought);
        if thought.len() > REPLAY_BYTES {
            self.skipped += 1;
        } else if !calls.is_empty() && !thought.is_empty() {
            let value = serde_json::json!({ "thinking": thought });
            out.push(Delta::Replay(Replay { format: FORMAT.to_owned(), value }));
        }
        out.extend(calls.into_iter().map(Delta::ToolCall));
        out.push(Delta::End { reason, usage });
    }

    /// Skipped, unless it says that something is wrong.
    fn skip(&mut self, unlike: Result<(), ProviderError>) -> Result<(), ProviderError> {
        self.skipped += 1;
        unlike.or_else(|error| self.fail(error))
    }

    fn fail(&mut self, error: ProviderError) -> Result<(), ProviderError> {
        self.over = true;
        Err(error)
    }
}
