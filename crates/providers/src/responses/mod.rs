//! OpenAI's Responses. The answer is read in `decoder`; this file writes the request. Nothing is kept by the
//! host (`store: false`): the whole conversation goes with every request, and what the model thought goes
//! with it in the host's own encryption.

mod decoder;
mod event;
mod parts;
#[cfg(test)]
mod tests;
mod thoughts;

use headwater_core::port::provider::{
    Effort, ModelRequest, PromptMessage, ProviderError, ProviderErrorKind, Role, ToolCall, ToolSpec,
};
use serde_json::{Map, Value, json};

use self::decoder::Reader;
use crate::failure;
use crate::openai::dialect::{self, OPENAI_MODELS};
use crate::openai::{LOADED, arguments, listed};
use crate::wire::{Call, Decoder, Framing, KeyHeader, Wire};

/// The format's name.
const NAME: &str = "responses";

/// The fewest tokens that may be asked for; fewer are refused.
const LEAST_TOKENS: u32 = 16;

/// The format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Responses;

impl Wire for Responses {
    fn name(&self) -> &'static str {
        NAME
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn key(&self) -> KeyHeader {
        KeyHeader::Bearer
    }

    /// A request with [`ModelRequest::stop`] is refused: this format has no such field, and leaving it out
    /// would be another answer.
    fn encode(&self, request: &ModelRequest, model: &str) -> Result<Call, ProviderError> {
        if !request.stop.is_empty() {
            let words = "this provider's format knows no texts that end an answer (`stop`): leave them out, or \
                         ask the same host by chat completions";
            return Err(ProviderError::new(ProviderErrorKind::Refused, words));
        }
        let family = dialect::family(OPENAI_MODELS, model);
        let mut body = Map::new();
        if model != LOADED {
            body.insert("model".into(), model.into());
        }
        let first = request.messages.iter().position(|l| l.role != Role::System);
        let (instructions, lines) = request.messages.split_at(first.unwrap_or(request.messages.len()));
        if !instructions.is_empty() {
            let texts: Vec<_> = instructions.iter().map(|line| line.content.as_str()).collect();
            body.insert("instructions".into(), texts.join("\n\n").into());
        }
        let mut input = Vec::with_capacity(lines.len());
        for line in lines {
            write(line, &mut input);
        }
        body.insert("input".into(), input.into());
        body.insert("stream".into(), true.into());
        body.insert("store".into(), false.into());
        body.insert("max_output_tokens".into(), request.max_tokens.max(LEAST_TOKENS).into());
        if let Some(temperature) = request.temperature.filter(|_| family.takes_temperature(request.reasoning))
        {
            body.insert("temperature".into(), failure::number(temperature));
        }
        // A model that cannot think refuses to be asked for its thoughts.
        if !family.efforts.is_empty() {
            body.insert("include".into(), json!(["reasoning.encrypted_content"]));
        }
        if let Some((effort, word)) = request.reasoning.and_then(|wish| family.nearest(wish)) {
            let mut reasoning = json!({"effort": word});
            if effort != Effort::None {
                reasoning["summary"] = "auto".into();
            }
            body.insert("reasoning".into(), reasoning);
        }
        if !request.tools.is_empty() {
            body.insert("tools".into(), request.tools.iter().map(offered).collect());
        }
        Ok(Call { path: "/responses".into(), headers: Vec::new(), body })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Reader::default())
    }

    fn models_path(&self) -> &'static str {
        "/models"
    }

    fn models(&self, list: &Value) -> Vec<String> {
        listed(list)
    }
}

/// A tool that the model may call. Without `strict: false` the host rewrites its schema so that every field
/// must be there.
fn offered(tool: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": false,
    })
}

/// Writes a line as the items that it is made of.
fn write(line: &PromptMessage, input: &mut Vec<Value>) {
    match line.role {
        Role::System => input.push(json!({"role": "developer", "content": line.content})),
        Role::User => input.push(json!({"role": "user", "content": line.content})),
        Role::Tool => input.push(json!({
            "type": "function_call_output",
            "call_id": line.tool_call_id.as_deref().unwrap_or_default(),
            "output": line.content,
        })),
        Role::Assistant => answered(line, input),
    }
}

/// A line of the model's. What it thought stands where it thought it: the host refuses a thought without
/// what came of it. The replay has the thoughts whole, and marks for the rest, whose words are the line's.
fn answered(line: &PromptMessage, input: &mut Vec<Value>) {
    let mut text = Some(line.content.as_str()).filter(|t| !t.is_empty());
    let mut calls: Vec<&ToolCall> = line.tool_calls.iter().collect();
    let mut thoughts = Vec::new();
    for item in line.replay.iter().filter(|r| r.format == NAME).map(|r| &r.value) {
        let here = match item.get("type").and_then(Value::as_str) {
            Some("reasoning") => {
                thoughts.push(item.clone());
                None
            }
            Some("message") => text.take().map(|t| spoken(t, item.get("phase"))),
            Some("function_call") => {
                let id = item.get("call_id").and_then(Value::as_str);
                let at = calls.iter().position(|call| Some(call.id.as_str()) == id);
                at.map(|at| called(calls.remove(at)))
            }
            _ => None,
        };
        if let Some(item) = here {
            input.append(&mut thoughts);
            input.push(item);
        }
    }
    // A thought of which nothing came is left out.
    if text.is_some() || !calls.is_empty() {
        input.append(&mut thoughts);
    }
    input.extend(text.map(|t| spoken(t, None)));
    input.extend(calls.into_iter().map(called));
}

fn spoken(text: &str, phase: Option<&Value>) -> Value {
    let mut item = json!({"role": "assistant", "content": text});
    if let Some(phase) = phase {
        item["phase"] = phase.clone();
    }
    item
}

fn called(call: &ToolCall) -> Value {
    json!({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments(call)})
}
