//! OpenAI's chat completions, with what other hosts do differently.

use serde_json::{Map, Value, json};

use super::{About, CREATED, Encoder, Frames};
use crate::script::{Finish, Placement, ReasoningAs};
use crate::steps::{Cited, Step, Whole};

pub(super) struct Writer {
    about: About,
    /// Tokens so far, for running sums.
    tokens: u64,
}

impl Writer {
    pub(super) fn new(about: About) -> Self {
        Self { about, tokens: 0 }
    }

    fn chunk(&self, delta: Value, finish: Option<&str>) -> Value {
        let mut chunk = json!({
            "id": format!("chatcmpl-fake{}", self.about.number), "object": "chat.completion.chunk",
            "created": CREATED, "model": self.about.model, "system_fingerprint": "fp_fake",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        match self.about.script.usage {
            Placement::Every => {
                chunk["usage"] = usage(&self.about, self.tokens.min(self.about.used.output));
            }
            Placement::OwnChunk => chunk["usage"] = Value::Null,
            Placement::Customary if self.about.usage_asked => chunk["usage"] = Value::Null,
            _ => {}
        }
        chunk
    }

    fn words(&mut self, delta: Value, out: &mut Frames) {
        self.tokens += u64::from(self.about.script.tokens_per_event.max(1));
        out.data(&self.chunk(delta, None));
    }

    fn reasoning(&self, words: &str) -> Value {
        match self.about.script.reasoning_as {
            ReasoningAs::ReasoningContent => json!({"content": null, "reasoning_content": words}),
            ReasoningAs::Reasoning => json!({"reasoning": words}),
            ReasoningAs::Details => json!({"content": "", "reasoning": words, "reasoning_details": [
                {"type": "reasoning.text", "text": words, "format": "unknown", "index": 0}
            ]}),
            ReasoningAs::Parts => json!({"content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": words}]}
            ]}),
        }
    }

    fn finish(&self, out: &mut Frames) {
        let script = &self.about.script;
        let mut last = self.chunk(json!({}), Some(reason(script.ends(), script.refusal)));
        let all = usage(&self.about, self.about.used.output);
        match script.usage {
            Placement::WithFinish | Placement::Every => last["usage"] = all.clone(),
            Placement::Groq => last["x_groq"] = json!({"id": "req_fake", "usage": all}),
            Placement::Twice => {
                out.data(&last);
                last["usage"] = all.clone();
                last["usage"]["cost"] = json!(0.0001);
                last["usage"]["is_byok"] = false.into();
            }
            _ => {}
        }
        out.data(&last);
        let own = match script.usage {
            Placement::OwnChunk => true,
            Placement::Customary | Placement::Groq | Placement::Late => self.about.usage_asked,
            Placement::WithFinish | Placement::Twice | Placement::Every | Placement::Never => false,
        };
        if own {
            let mut chunk = self.chunk(json!({}), None);
            (chunk["choices"], chunk["usage"]) = (json!([]), all);
            out.data(&chunk);
        }
        if script.done {
            out.say("[DONE]");
        }
    }
}

impl Encoder for Writer {
    fn step(&mut self, step: &Step, out: &mut Frames) {
        match step {
            Step::Start => {
                out.data(&self.chunk(json!({"role": "assistant", "content": "", "refusal": null}), None));
            }
            Step::Reasoning(words) => self.words(self.reasoning(words), out),
            Step::Reasoned(signature) => {
                // Only one host signs here, and it does so in a detail of its own.
                if self.about.script.reasoning_as == ReasoningAs::Details && !signature.is_empty() {
                    let detail = json!({
                        "type": "reasoning.text", "signature": signature, "format": "unknown", "index": 0
                    });
                    out.data(&self.chunk(json!({"content": "", "reasoning_details": [detail]}), None));
                }
            }
            Step::Text(words) => self.words(json!({"content": words}), out),
            Step::Refusal(words) => self.words(json!({"refusal": words}), out),
            Step::Citation(cited) => {
                out.data(&self.chunk(json!({"content": "", "annotations": [annotation(cited)]}), None));
            }
            Step::ToolStart { index, id, name } => {
                let call = json!({
                    "index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}
                });
                out.data(&self.chunk(json!({"tool_calls": [call]}), None));
            }
            Step::ToolPiece { index, piece } => {
                self.tokens += 1;
                let call = json!({"index": index, "function": {"arguments": piece}});
                out.data(&self.chunk(json!({"tool_calls": [call]}), None));
            }
            Step::ToolEnd { .. } => {}
            Step::Finish => self.finish(out),
        }
    }

    fn ping(&mut self, out: &mut Frames) {
        out.comment("OPENROUTER PROCESSING");
    }

    fn error(&mut self, status: u16, message: &str, out: &mut Frames) {
        out.data(&json!({"error": error(status, message)}));
    }
}

/// The error itself, without what it stands in.
pub(super) fn error(status: u16, message: &str) -> Value {
    let (kind, code) = match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    };
    json!({"message": message, "type": kind, "param": null, "code": code})
}

fn reason(finish: Finish, refusal: bool) -> &'static str {
    match finish {
        // Words of refusal are an answer that came to its end.
        Finish::Refusal if refusal => "stop",
        Finish::Refusal => "content_filter",
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Tools => "tool_calls",
    }
}

fn usage(about: &About, output: u64) -> Value {
    let used = about.used;
    json!({
        "prompt_tokens": used.input, "completion_tokens": output, "total_tokens": used.input + output,
        "prompt_tokens_details": {"cached_tokens": used.cached},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    })
}

fn annotation(cited: &Cited) -> Value {
    json!({"type": "url_citation", "url_citation": {
        "url": cited.url, "title": cited.title, "content": cited.quote, "start_index": 0, "end_index": 0
    }})
}

/// The answer in one piece.
pub(super) fn whole(about: &About, whole: Whole) -> Value {
    let script = &about.script;
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    let silent = whole.text.is_empty() && (!whole.calls.is_empty() || script.refusal);
    message.insert("content".into(), if silent { Value::Null } else { whole.text.into() });
    message.insert("refusal".into(), if script.refusal { whole.refusal.into() } else { Value::Null });
    if !whole.reasoning.is_empty() {
        let name = if script.reasoning_as == ReasoningAs::ReasoningContent {
            "reasoning_content"
        } else {
            "reasoning"
        };
        message.insert(name.into(), whole.reasoning.into());
    }
    if !whole.cited.is_empty() {
        message.insert("annotations".into(), whole.cited.iter().map(annotation).collect());
    }
    if !whole.calls.is_empty() {
        let calls = whole.calls.into_iter().map(|(id, name, arguments)| {
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        });
        message.insert("tool_calls".into(), calls.collect());
    }
    json!({
        "id": format!("chatcmpl-fake{}", about.number), "object": "chat.completion", "created": CREATED,
        "model": about.model, "system_fingerprint": "fp_fake",
        "choices": [{
            "index": 0, "message": message, "logprobs": null,
            "finish_reason": reason(script.ends(), script.refusal),
        }],
        "usage": usage(about, about.used.output),
    })
}
