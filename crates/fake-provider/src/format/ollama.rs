//! Ollama's chat: a JSON value a line, calls of tools whole, no signatures, no citations, no refusals.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{About, CREATED_AT, Encoder, Frames};
use crate::script::{Finish, Placement};
use crate::steps::{Step, Whole, read};

pub(super) struct Writer {
    about: About,
    /// Calls whose arguments are not whole yet.
    calls: BTreeMap<usize, (String, String)>,
}

impl Writer {
    pub(super) fn new(about: About) -> Self {
        Self { about, calls: BTreeMap::new() }
    }

    fn line(&self, message: Value) -> Value {
        json!({"model": self.about.model, "created_at": CREATED_AT, "message": message, "done": false})
    }
}

impl Encoder for Writer {
    fn step(&mut self, step: &Step, out: &mut Frames) {
        match step {
            Step::Reasoning(words) => {
                out.data(&self.line(json!({"role": "assistant", "content": "", "thinking": words})));
            }
            Step::Text(words) | Step::Refusal(words) => {
                out.data(&self.line(json!({"role": "assistant", "content": words})));
            }
            Step::ToolStart { index, name, .. } => {
                self.calls.insert(*index, (name.clone(), String::new()));
            }
            Step::ToolPiece { index, piece } => {
                if let Some(call) = self.calls.get_mut(index) {
                    call.1.push_str(piece);
                }
            }
            Step::ToolEnd { index } => {
                if let Some((name, arguments)) = self.calls.remove(index) {
                    let calls = json!([call(&name, &arguments)]);
                    out.data(&self.line(json!({"role": "assistant", "content": "", "tool_calls": calls})));
                }
            }
            Step::Finish => {
                let mut last = self.line(json!({"role": "assistant", "content": ""}));
                finish(&self.about, &mut last);
                out.data(&last);
            }
            Step::Start | Step::Reasoned(_) | Step::Citation(_) => {}
        }
    }

    fn error(&mut self, _status: u16, message: &str, out: &mut Frames) {
        out.data(&json!({"error": message}));
    }
}

fn call(name: &str, arguments: &str) -> Value {
    json!({"function": {"name": name, "arguments": read(arguments)}})
}

fn finish(about: &About, last: &mut Value) {
    let reason = if about.script.ends() == Finish::Length { "length" } else { "stop" };
    (last["done"], last["done_reason"]) = (true.into(), reason.into());
    if about.script.usage != Placement::Never {
        let used = about.used;
        (last["total_duration"], last["load_duration"]) = (1_000_000.into(), 1000.into());
        (last["prompt_eval_count"], last["prompt_eval_duration"]) = (used.input.into(), 1000.into());
        (last["eval_count"], last["eval_duration"]) = (used.output.into(), 1000.into());
    }
}

/// The answer in one piece.
pub(super) fn whole(about: &About, whole: Whole) -> Value {
    let mut message = json!({"role": "assistant", "content": whole.text + &whole.refusal});
    if !whole.reasoning.is_empty() {
        message["thinking"] = whole.reasoning.into();
    }
    if !whole.calls.is_empty() {
        message["tool_calls"] =
            whole.calls.iter().map(|(_, name, arguments)| call(name, arguments)).collect();
    }
    let mut answer = json!({"model": about.model, "created_at": CREATED_AT, "message": message});
    finish(about, &mut answer);
    answer
}
