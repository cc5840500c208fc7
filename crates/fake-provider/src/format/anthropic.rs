//! Anthropic's Messages: blocks one after another, named events, running sums of usage.

use serde_json::{Value, json};

use super::{About, Encoder, Frames};
use crate::script::{Finish, Placement};
use crate::steps::{Cited, Step, Whole, read};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Thinking,
    Text,
    Tool,
}

pub(super) struct Writer {
    about: About,
    /// The block that is open, and how many there were before it.
    block: Option<Block>,
    index: usize,
    pinged: bool,
}

impl Writer {
    pub(super) fn new(about: About) -> Self {
        Self { about, block: None, index: 0, pinged: false }
    }

    fn event(&self, mut data: Value, out: &mut Frames) {
        let name = data["type"].as_str().unwrap_or_default().to_owned();
        if name.starts_with("content_block_") {
            data["index"] = self.index.into();
        }
        out.named(&name, &data);
    }

    fn open(&mut self, block: Block, start: Value, out: &mut Frames) {
        if self.block == Some(block) && block != Block::Tool {
            return;
        }
        self.close(out);
        self.block = Some(block);
        self.event(json!({"type": "content_block_start", "content_block": start}), out);
        // Where real streams have their first one.
        if !std::mem::replace(&mut self.pinged, true) {
            self.event(json!({"type": "ping"}), out);
        }
    }

    fn close(&mut self, out: &mut Frames) {
        if self.block.take().is_some() {
            self.event(json!({"type": "content_block_stop"}), out);
            self.index += 1;
        }
    }

    fn delta(&self, delta: Value, out: &mut Frames) {
        self.event(json!({"type": "content_block_delta", "delta": delta}), out);
    }

    fn start(&self, out: &mut Frames) {
        let mut usage = usage(&self.about);
        usage["output_tokens"] = 1.into();
        if matches!(self.about.script.usage, Placement::Late | Placement::Never) {
            // One host reports the prompt at the end only, and zero here.
            for name in ["input_tokens", "output_tokens", "cache_read_input_tokens"] {
                usage[name] = 0.into();
            }
        }
        usage["service_tier"] = "standard".into();
        let message = json!({
            "id": format!("msg_fake{}", self.about.number), "type": "message", "role": "assistant",
            "content": [], "model": self.about.model, "stop_reason": null, "stop_sequence": null,
            "usage": usage,
        });
        self.event(json!({"type": "message_start", "message": message}), out);
    }

    fn finish(&mut self, out: &mut Frames) {
        self.close(out);
        let reason = reason(self.about.script.ends());
        let mut last = json!({
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": null, "stop_details": null},
        });
        if self.about.script.usage != Placement::Never {
            last["usage"] = usage(&self.about);
        }
        self.event(last, out);
        self.event(json!({"type": "message_stop"}), out);
    }
}

impl Encoder for Writer {
    fn step(&mut self, step: &Step, out: &mut Frames) {
        match step {
            Step::Start => self.start(out),
            Step::Reasoning(words) => {
                self.open(Block::Thinking, json!({"type": "thinking", "thinking": "", "signature": ""}), out);
                self.delta(json!({"type": "thinking_delta", "thinking": words}), out);
            }
            Step::Reasoned(signature) => {
                if !signature.is_empty() {
                    self.delta(json!({"type": "signature_delta", "signature": signature}), out);
                }
                self.close(out);
            }
            Step::Text(words) | Step::Refusal(words) => {
                self.open(Block::Text, json!({"type": "text", "text": ""}), out);
                self.delta(json!({"type": "text_delta", "text": words}), out);
            }
            Step::Citation(cited) => {
                self.open(Block::Text, json!({"type": "text", "text": ""}), out);
                self.delta(json!({"type": "citations_delta", "citation": citation(cited)}), out);
            }
            Step::ToolStart { id, name, .. } => {
                let id = format!("toolu_{id}");
                self.open(Block::Tool, json!({"type": "tool_use", "id": id, "name": name, "input": {}}), out);
                self.delta(json!({"type": "input_json_delta", "partial_json": ""}), out);
            }
            Step::ToolPiece { piece, .. } => {
                self.delta(json!({"type": "input_json_delta", "partial_json": piece}), out);
            }
            Step::ToolEnd { .. } => self.close(out),
            Step::Finish => self.finish(out),
        }
    }

    fn ping(&mut self, out: &mut Frames) {
        self.event(json!({"type": "ping"}), out);
    }

    fn error(&mut self, status: u16, message: &str, out: &mut Frames) {
        self.event(error(status, message), out);
    }
}

/// An error, in the stream as before it.
pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Tools => "tool_use",
        Finish::Refusal => "refusal",
    }
}

fn usage(about: &About) -> Value {
    let used = about.used;
    // What came from the cache is not among the input here.
    let mut usage = json!({
        "input_tokens": used.input - used.cached, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached, "output_tokens": used.output,
    });
    if used.reasoning > 0 {
        usage["output_tokens_details"] = json!({"thinking_tokens": used.reasoning});
    }
    usage
}

fn citation(cited: &Cited) -> Value {
    json!({
        "type": "web_search_result_location", "url": cited.url, "title": cited.title,
        "cited_text": cited.quote, "encrypted_index": "ZmFrZQ==",
    })
}

/// The answer in one piece.
pub(super) fn whole(about: &About, whole: Whole) -> Value {
    let mut content = Vec::new();
    if !whole.reasoning.is_empty() {
        content.push(json!({"type": "thinking", "thinking": whole.reasoning, "signature": whole.signature}));
    }
    let text = whole.text + &whole.refusal;
    if !text.is_empty() || !whole.cited.is_empty() {
        let mut block = json!({"type": "text", "text": text});
        if !whole.cited.is_empty() {
            block["citations"] = whole.cited.iter().map(citation).collect();
        }
        content.push(block);
    }
    for (id, name, arguments) in whole.calls {
        let id = format!("toolu_{id}");
        content.push(json!({"type": "tool_use", "id": id, "name": name, "input": read(&arguments)}));
    }
    json!({
        "id": format!("msg_fake{}", about.number), "type": "message", "role": "assistant",
        "model": about.model, "content": content, "stop_reason": reason(about.script.ends()),
        "stop_sequence": null, "usage": usage(about),
    })
}
