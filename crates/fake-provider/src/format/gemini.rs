//! Gemini: every chunk is a whole response, calls of tools come whole, and the usage is a running sum.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{About, Encoder, Frames};
use crate::script::{Finish, Placement};
use crate::steps::{Cited, Step, Whole, read};

pub(super) struct Writer {
    about: About,
    /// Tokens so far: of thoughts, and of the answer.
    thought: u64,
    said: u64,
    /// Put on the next part, as Gemini does.
    signature: Option<String>,
    cited: Vec<Cited>,
    calls: BTreeMap<usize, (String, String)>,
}

impl Writer {
    pub(super) fn new(about: About) -> Self {
        Self { about, thought: 0, said: 0, signature: None, cited: Vec::new(), calls: BTreeMap::new() }
    }

    fn chunk(&mut self, mut part: Value, sums: bool) -> Value {
        if part.get("thought").is_none()
            && let Some(signature) = self.signature.take()
        {
            part["thoughtSignature"] = signature.into();
        }
        let mut chunk = json!({
            "candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}],
            "modelVersion": self.about.model, "responseId": format!("fake{}", self.about.number),
        });
        let places = !matches!(self.about.script.usage, Placement::Late | Placement::Never);
        if sums && places {
            let used = self.about.used;
            let said = self.said.min(used.output - used.reasoning);
            chunk["usageMetadata"] = usage(&self.about, said, self.thought.min(used.reasoning));
        }
        chunk
    }

    fn together(&self) -> u64 {
        self.about.script.tokens_per_event.max(1).into()
    }
}

impl Encoder for Writer {
    fn step(&mut self, step: &Step, out: &mut Frames) {
        match step {
            Step::Reasoning(words) => {
                self.thought += self.together();
                let chunk = self.chunk(json!({"text": words, "thought": true}), true);
                out.data(&chunk);
            }
            Step::Reasoned(signature) => {
                self.signature = Some(signature.clone()).filter(|s| !s.is_empty());
            }
            Step::Text(words) | Step::Refusal(words) => {
                self.said += self.together();
                let chunk = self.chunk(json!({"text": words}), true);
                out.data(&chunk);
            }
            Step::Citation(cited) => self.cited.push(cited.clone()),
            Step::ToolStart { index, name, .. } => {
                self.calls.insert(*index, (name.clone(), String::new()));
            }
            Step::ToolPiece { index, piece } => {
                self.said += 1;
                if let Some(call) = self.calls.get_mut(index) {
                    call.1.push_str(piece);
                }
            }
            Step::ToolEnd { index } => {
                if let Some((name, arguments)) = self.calls.remove(index) {
                    let part = json!({"functionCall": {"name": name, "args": read(&arguments)}});
                    let chunk = self.chunk(part, true);
                    out.data(&chunk);
                }
            }
            Step::Finish => {
                let mut last = self.chunk(json!({"text": ""}), false);
                let cited = std::mem::take(&mut self.cited);
                finish(&self.about, &mut last, &cited);
                out.data(&last);
            }
            Step::Start => {}
        }
    }

    fn error(&mut self, status: u16, message: &str, out: &mut Frames) {
        out.data(&error(status, message));
    }
}

fn usage(about: &About, said: u64, thought: u64) -> Value {
    let used = about.used;
    let mut usage = json!({
        "promptTokenCount": used.input, "candidatesTokenCount": said,
        "totalTokenCount": used.input + said + thought,
    });
    if used.reasoning > 0 {
        usage["thoughtsTokenCount"] = thought.into();
    }
    if used.cached > 0 {
        usage["cachedContentTokenCount"] = used.cached.into();
    }
    usage
}

fn finish(about: &About, last: &mut Value, cited: &[Cited]) {
    let reason = match about.script.ends() {
        // A call of a tool is a stop like any other here.
        Finish::Stop | Finish::Tools => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Refusal => "SAFETY",
    };
    let candidate = &mut last["candidates"][0];
    candidate["finishReason"] = reason.into();
    if !cited.is_empty() {
        let chunks = cited.iter().map(|c| json!({"web": {"uri": c.url, "title": c.title}}));
        let supports = cited
            .iter()
            .enumerate()
            .map(|(n, c)| json!({"segment": {"text": c.quote}, "groundingChunkIndices": [n]}));
        candidate["groundingMetadata"] = json!({
            "groundingChunks": chunks.collect::<Vec<_>>(), "groundingSupports": supports.collect::<Vec<_>>()
        });
    }
    if about.script.usage != Placement::Never {
        let used = about.used;
        last["usageMetadata"] = usage(about, used.output - used.reasoning, used.reasoning);
    }
}

/// An error, in the stream as before it.
pub(super) fn error(status: u16, message: &str) -> Value {
    let name = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "FAILED_PRECONDITION",
    };
    json!({"error": {"code": status, "message": message, "status": name}})
}

/// The answer in one piece.
pub(super) fn whole(about: &About, whole: Whole) -> Value {
    let mut parts = Vec::new();
    if !whole.reasoning.is_empty() {
        parts.push(json!({"text": whole.reasoning, "thought": true}));
    }
    let thoughts = parts.len();
    if !whole.text.is_empty() || !whole.refusal.is_empty() {
        parts.push(json!({"text": whole.text + &whole.refusal}));
    }
    for (_, name, arguments) in &whole.calls {
        parts.push(json!({"functionCall": {"name": name, "args": read(arguments)}}));
    }
    if !whole.signature.is_empty()
        && let Some(part) = parts.get_mut(thoughts)
    {
        part["thoughtSignature"] = whole.signature.into();
    }
    let mut answer = json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
        "modelVersion": about.model, "responseId": format!("fake{}", about.number),
    });
    finish(about, &mut answer, &whole.cited);
    answer
}
