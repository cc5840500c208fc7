//! Anthropic's Messages, decoded without input or output: event data in, deltas out. An answer is a message
//! of blocks, each begun, filled and stopped; what a block is not known to be, its pieces are skipped with it.
//! Only `message_stop` is an end.

use std::borrow::Cow;

use headwater_core::limit::{PROVIDER_BLOCKS, REPLAY_BYTES, TOOL_ARGUMENTS_BYTES, TOOL_CALLS};
use headwater_core::port::provider::{Citation, Delta, FinishReason, ProviderError, Replay, ToolCall};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::NAME;
use super::counts::Counts;
use crate::failure;
use crate::wire::calls::{NAME_BYTES, too_much};
use crate::wire::citations::Citations;
use crate::wire::{Decoder, Eof};

/// Decodes one answer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Blocks that are begun and not stopped, by their number.
    open: Vec<(u64, Block)>,
    /// Tools that the model calls; said whole, before the end.
    calls: Vec<ToolCall>,
    /// What is to be given back, and its bytes; said before the end, as only a whole message may be.
    replay: Vec<Value>,
    kept: usize,
    citations: Citations,
    finish: Option<FinishReason>,
    counts: Counts,
    skipped: u64,
    over: bool,
}

/// A block that has more to it than the text that goes out at once.
#[derive(Debug)]
enum Block {
    Text,
    Thinking {
        thinking: String,
        signature: String,
    },
    Tool {
        id: String,
        name: String,
        input: Option<Value>,
        arguments: String,
    },
    /// Not known, or nothing that was asked for: what runs at the vendor's, a summary of its own.
    Skipped,
}

/// One event. Fields of all kinds side by side: a field is there where its kind has it.
#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    index: u64,
    message: Option<Value>,
    content_block: Option<Map<String, Value>>,
    #[serde(borrow)]
    delta: Option<Piece<'a>>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Piece<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    partial_json: Option<String>,
    citation: Option<Value>,
    stop_reason: Option<String>,
    stop_details: Option<Value>,
}

impl Decoder for Reader {
    fn push(&mut self, event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let data = data.trim();
        // Some who took the format over end as OpenAI does, behind the end of this one.
        if self.over || data.is_empty() || data.starts_with("[DONE]") {
            return Ok(());
        }
        let result = match serde_json::from_str::<Event<'_>>(data) {
            Ok(known) => self.take(event, known, data, out),
            Err(_) => failure::unlike("an event", event, data).map(|()| self.skipped += 1),
        };
        self.over |= result.is_err();
        result
    }

    fn finish(&mut self, eof: Eof, _: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if self.over {
            return Ok(());
        }
        self.over = true;
        Err(eof.too_early())
    }

    /// Never: after its reason and usage the terminal has to follow.
    fn has_finished(&self) -> bool {
        false
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn gathered(&self) -> usize {
        let open = self.open.iter().map(|(_, block)| match block {
            Block::Tool { arguments, .. } => arguments.len(),
            Block::Thinking { signature, .. } => signature.len(),
            Block::Text | Block::Skipped => 0,
        });
        // What is stopped stays counted, or a second call would look like a step back.
        self.kept + self.calls.iter().map(|c| c.arguments.len()).sum::<usize>() + open.sum::<usize>()
    }
}

impl Reader {
    fn take(
        &mut self,
        name: Option<&str>,
        event: Event<'_>,
        data: &str,
        out: &mut Vec<Delta>,
    ) -> Result<(), ProviderError> {
        match (event.kind.as_ref(), event.error.filter(|e| !e.is_null())) {
            (_, Some(error)) => return Err(failure::reported(&error)),
            ("error", None) => {
                return Err(failure::reported(&serde_json::from_str(data).unwrap_or_default()));
            }
            ("", None) if name == Some("error") => {
                return Err(failure::reported(&serde_json::from_str(data).unwrap_or_default()));
            }
            ("message_start", None) => {
                // Once more: what was begun before it belongs to a message that never ended.
                self.open.clear();
                self.calls.clear();
                self.replay.clear();
                self.finish = None;
                self.count(event.message.as_ref().and_then(|m| m.get("usage")), out);
            }
            ("content_block_start", None) => {
                return self.begin(event.index, event.content_block.unwrap_or_default(), out);
            }
            ("content_block_delta", None) => match event.delta {
                Some(piece) => return self.fill(event.index, piece, out),
                None => self.skipped += 1,
            },
            ("content_block_stop", None) => return self.stop(event.index),
            ("message_delta", None) => {
                self.count(event.usage.as_ref(), out);
                if let Some(piece) = event.delta {
                    self.reason(piece, out);
                }
            }
            ("message_stop", None) => self.end(out),
            ("ping", None) => {}
            _ => self.skipped += 1,
        }
        Ok(())
    }

    fn count(&mut self, usage: Option<&Value>, out: &mut Vec<Delta>) {
        if let Some(usage) = usage
            && self.counts.take(usage)
        {
            out.push(Delta::Usage(self.counts.usage()));
        }
    }

    fn begin(
        &mut self,
        index: u64,
        mut block: Map<String, Value>,
        out: &mut Vec<Delta>,
    ) -> Result<(), ProviderError> {
        self.open.retain(|(at, _)| *at != index);
        if self.open.len() == PROVIDER_BLOCKS {
            return Err(too_much("more of its parts were begun at once than may be"));
        }
        let mut text = |key: &str| match block.remove(key) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let block = match text("type").as_str() {
            "text" => {
                say(Delta::Text, text("text"), out);
                Block::Text
            }
            "thinking" => {
                let (thinking, signature) = (text("thinking"), text("signature"));
                say(Delta::Reasoning, thinking.clone(), out);
                Block::Thinking { thinking, signature }
            }
            "redacted_thinking" => {
                let data = text("data");
                self.keep(json!({"type": "redacted_thinking", "data": data}), data.len());
                Block::Text
            }
            "tool_use" => {
                let (id, name) = (text("id"), text("name"));
                if id.len() > NAME_BYTES || name.len() > NAME_BYTES {
                    return Err(too_much("a name or an id of a call is too long"));
                }
                let input = block.remove("input").filter(|i| i.as_object().is_some_and(|i| !i.is_empty()));
                Block::Tool { id, name, input, arguments: String::new() }
            }
            _ => {
                self.skipped += 1;
                Block::Skipped
            }
        };
        self.open.push((index, block));
        Ok(())
    }

    fn fill(&mut self, index: u64, piece: Piece<'_>, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let at = self.open.iter().position(|(at, _)| *at == index);
        let mut block = at.and_then(|at| self.open.get_mut(at)).map(|(_, block)| block);
        if matches!(block, Some(Block::Skipped)) {
            return Ok(());
        }
        match (piece.kind.as_ref(), &mut block) {
            ("text_delta", _) => say(Delta::Text, piece.text.unwrap_or_default(), out),
            ("thinking_delta", Some(Block::Thinking { thinking, .. })) => {
                let piece = piece.thinking.unwrap_or_default();
                // Beyond what may be kept nothing is: half a thought has no valid signature.
                if thinking.len() <= REPLAY_BYTES {
                    thinking.push_str(&piece);
                }
                say(Delta::Reasoning, piece, out);
            }
            ("signature_delta", Some(Block::Thinking { signature, .. })) => {
                if signature.len() <= REPLAY_BYTES {
                    signature.push_str(&piece.signature.unwrap_or_default());
                }
            }
            ("input_json_delta", Some(Block::Tool { arguments, .. })) => {
                let piece = piece.partial_json.unwrap_or_default();
                if arguments.len() + piece.len() > TOOL_ARGUMENTS_BYTES {
                    return Err(too_much("the arguments of a call are too long"));
                }
                arguments.push_str(&piece);
            }
            ("citations_delta", _) => {
                let place = piece.citation.as_ref().map(citation).unwrap_or_default();
                self.skipped += self.citations.quote(place, out);
            }
            _ => self.skipped += 1,
        }
        Ok(())
    }

    fn stop(&mut self, index: u64) -> Result<(), ProviderError> {
        let Some(at) = self.open.iter().position(|(at, _)| *at == index) else { return Ok(()) };
        match self.open.remove(at).1 {
            Block::Thinking { thinking, signature } if !signature.is_empty() => {
                let size = thinking.len() + signature.len();
                let block = json!({"type": "thinking", "thinking": thinking, "signature": signature});
                self.keep(block, size);
            }
            Block::Tool { id, name, input, arguments } => {
                if self.calls.len() == TOOL_CALLS {
                    return Err(too_much("more tools were called at once than may be"));
                }
                let arguments = match (arguments.is_empty(), input) {
                    (false, _) => arguments,
                    (true, Some(input)) => input.to_string(),
                    (true, None) => "{}".to_owned(),
                };
                if arguments.len() > TOOL_ARGUMENTS_BYTES {
                    return Err(too_much("the arguments of a call are too long"));
                }
                // A host that names no call is spoken to with names of our own.
                let id = if id.is_empty() { format!("call_{}", self.calls.len() + 1) } else { id };
                self.calls.push(ToolCall { id, name, arguments });
            }
            Block::Thinking { .. } | Block::Text | Block::Skipped => {}
        }
        Ok(())
    }

    /// Keeps what is to be given back, as long as there is room. Beyond it nothing is: the model goes on
    /// without its thoughts, while a part of them would be refused.
    fn keep(&mut self, block: Value, size: usize) {
        self.kept = self.kept.saturating_add(size);
        if self.kept <= REPLAY_BYTES {
            self.replay.push(block);
        } else {
            self.replay.clear();
            self.skipped += 1;
        }
    }

    fn reason(&mut self, piece: Piece<'_>, out: &mut Vec<Delta>) {
        let Some(reason) = piece.stop_reason else { return };
        let reason = finish(&reason);
        self.finish = Some(reason);
        let why = piece.stop_details.as_ref().and_then(|d| d.get("explanation")?.as_str());
        if let Some(why) = why.filter(|_| reason == FinishReason::Refusal) {
            say(Delta::Refusal, why.to_owned(), out);
        }
    }

    fn end(&mut self, out: &mut Vec<Delta>) {
        self.over = true;
        let calls = std::mem::take(&mut self.calls);
        let bare = if calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        let reason = self.finish.unwrap_or(bare);
        // A call that was cut has no stop and is not among these; one that was stopped all the same is half
        // of what the model meant where it is no JSON. After a refusal nothing is carried out.
        let whole = |call: &ToolCall| match reason {
            FinishReason::Refusal | FinishReason::ContentFilter => false,
            FinishReason::Length => serde_json::from_str::<Value>(&call.arguments).is_ok(),
            FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other => true,
        };
        let replay = std::mem::take(&mut self.replay).into_iter();
        out.extend(replay.map(|value| Delta::Replay(Replay { format: NAME.to_owned(), value })));
        out.extend(calls.into_iter().filter(whole).map(Delta::ToolCall));
        out.push(Delta::End { reason, usage: self.counts.usage() });
    }
}

fn say(what: impl FnOnce(String) -> Delta, text: String, out: &mut Vec<Delta>) {
    if !text.is_empty() {
        out.push(what(text));
    }
}

/// A place in a document, a page or a search result.
fn citation(value: &Value) -> Citation {
    let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
    // A search result's source is an address or a name of the caller's own.
    let page = |url: &&str| url.starts_with("https://") || url.starts_with("http://");
    Citation {
        url: text("url").or_else(|| text("source").filter(page)).map(str::to_owned),
        title: text("title").or_else(|| text("document_title")).map(str::to_owned),
        quote: text("cited_text").map(str::to_owned),
    }
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        // `pause_turn` among them: the vendor's own tools were at work, which are never asked for.
        _ => FinishReason::Other,
    }
}
