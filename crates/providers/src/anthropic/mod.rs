//! Anthropic's Messages, as Anthropic itself and those who took its format over speak it. The answer is read
//! in `decoder`; this file writes the request, and `thinking` what differs by model.

mod counts;
mod decoder;
#[cfg(test)]
mod tests;
mod thinking;

use headwater_core::port::provider::{
    ModelRequest, PromptMessage, ProviderError, ProviderErrorKind, Role, ToolCall,
};
use serde_json::{Map, Value, json};

use self::decoder::Reader;
use self::thinking::Model;
use crate::failure;
use crate::wire::{Call, Decoder, Framing, KeyHeader, Wire};

/// Its name in [`Replay`](headwater_core::port::provider::Replay).
const NAME: &str = "anthropic";
/// The version of the format that is written and read here; the API has had no later one.
const VERSION: &str = "2023-06-01";

/// The format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Anthropic;

impl Wire for Anthropic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn key(&self) -> KeyHeader {
        KeyHeader::Named("x-api-key")
    }

    fn encode(&self, request: &ModelRequest, model: &str) -> Result<Call, ProviderError> {
        let refuse = |words: &str| Err(ProviderError::new(ProviderErrorKind::Refused, words));
        if request.stop.iter().any(|s| s.trim().is_empty()) {
            return refuse("this provider takes no `stop` of white space alone; leave it out");
        }
        let system: Vec<&str> = request
            .messages
            .iter()
            .filter(|line| line.role == Role::System && !line.content.trim().is_empty())
            .map(|line| line.content.as_str())
            .collect();
        let messages = turns(&request.messages);
        if messages.is_empty() {
            return refuse("a request to this provider needs a line that is not empty and not the system's");
        }
        let most = request.max_tokens.max(1);
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("max_tokens".into(), most.into());
        body.insert("stream".into(), true.into());
        if !system.is_empty() {
            body.insert("system".into(), system.join("\n\n").into());
        }
        body.insert("messages".into(), messages.into());
        if !request.stop.is_empty() {
            body.insert("stop_sequences".into(), request.stop.clone().into());
        }
        // Above 1 the API refuses; as with an effort, the nearest that it knows is taken.
        let temperature = request.temperature.map(|t| failure::number(t.clamp(0.0, 1.0)));
        let bare = calls_without_thoughts(&request.messages);
        Model::of(model).ask(request.reasoning, temperature, most, bare, &mut body);
        tools(request, &mut body);
        Ok(Call {
            path: "/v1/messages".into(),
            headers: vec![("anthropic-version", VERSION.to_owned())],
            body,
        })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Reader::default())
    }

    fn models_path(&self) -> &'static str {
        "/v1/models?limit=1000"
    }

    fn models(&self, list: &Value) -> Vec<String> {
        let entries = list.get("data").and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(|m| Some(m.get("id")?.as_str()?.to_owned())).collect()
    }
}

/// What may be called. A prompt with earlier calls is refused without their tools: where none is offered any
/// more (the last round of a run), they are named, and the model is told to call none.
fn tools(request: &ModelRequest, body: &mut Map<String, Value>) {
    let mut offered: Vec<Value> = request
        .tools
        .iter()
        .map(|t| json!({"name": t.name, "description": t.description, "input_schema": t.parameters}))
        .collect();
    if offered.is_empty() {
        let called = request.messages.iter().flat_map(|line| &line.tool_calls);
        let mut names: Vec<&str> = called.map(|c| c.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        offered.extend(names.iter().map(|name| json!({"name": name, "input_schema": {"type": "object"}})));
        if !offered.is_empty() {
            body.insert("tool_choice".into(), json!({"type": "none"}));
        }
    }
    if !offered.is_empty() {
        body.insert("tools".into(), offered.into());
    }
}

/// The lines as turns: what one side says in a row is one message of several blocks, and what tools answer
/// is said by the user, all answers to one line together.
fn turns(lines: &[PromptMessage]) -> Vec<Value> {
    let mut turns: Vec<(&'static str, Vec<Value>)> = Vec::new();
    for line in lines {
        let (role, blocks) = match line.role {
            Role::System => continue,
            Role::User => ("user", text(&line.content).into_iter().collect()),
            Role::Assistant => ("assistant", said(line)),
            Role::Tool => ("user", vec![answered(line)]),
        };
        match turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, before)) if *last == role => before.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    turns.into_iter().map(|(role, content)| json!({"role": role, "content": content})).collect()
}

/// A block of text; the API refuses one without any.
fn text(content: &str) -> Option<Value> {
    (!content.trim().is_empty()).then(|| json!({"type": "text", "text": content}))
}

/// A model's line: first what it thought, as it came, then what it said, then what it called.
fn said(line: &PromptMessage) -> Vec<Value> {
    let thoughts = line.replay.iter().filter(|r| r.format == NAME).map(|r| r.value.clone());
    let calls = line.tool_calls.iter().map(|call: &ToolCall| {
        // Arguments are an object here; what is none was answered as such, and is not needed again.
        let input: Map<String, Value> = serde_json::from_str(&call.arguments).unwrap_or_default();
        json!({"type": "tool_use", "id": id(&call.id), "name": call.name, "input": input})
    });
    thoughts.chain(text(&line.content)).chain(calls).collect()
}

fn answered(line: &PromptMessage) -> Value {
    let of = id(line.tool_call_id.as_deref().unwrap_or_default());
    json!({"type": "tool_result", "tool_use_id": of, "content": line.content})
}

/// A call's name as the API takes it; another provider may have given one that it does not.
fn id(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Whether the model that is asked to go on has called tools in its turn, and what it thought before that is
/// not there: another provider made the calls, or it did not think.
fn calls_without_thoughts(lines: &[PromptMessage]) -> bool {
    let turn = lines.iter().rev().take_while(|line| line.role != Role::User);
    turn.filter(|line| !line.tool_calls.is_empty())
        .any(|line| !line.replay.iter().any(|part| part.format == NAME))
}
