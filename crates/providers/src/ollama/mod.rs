//! Ollama's own chat, a JSON object a line. The answer is read in `decoder`; this file writes the request.

mod decoder;
#[cfg(test)]
mod tests;

use headwater_core::port::provider::{
    Effort, ModelRequest, PromptMessage, ProviderError, ProviderErrorKind, Role, ToolCall,
};
use serde_json::{Map, Value, json};

use self::decoder::Reader;
use crate::failure;
use crate::wire::{Call, Decoder, Framing, KeyHeader, Wire};

/// The format's name, in what is to be given back too.
const FORMAT: &str = "ollama";

/// Where it listens when nobody says otherwise.
const PORT: &str = "11434";

/// The format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ollama;

impl Wire for Ollama {
    fn name(&self) -> &'static str {
        FORMAT
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn key(&self) -> KeyHeader {
        // One's own machine wants none; what is put before it, and the vendor's cloud, want this.
        KeyHeader::Bearer
    }

    fn encode(&self, request: &ModelRequest, model: &str) -> Result<Call, ProviderError> {
        let (mut messages, mut called): (_, &[ToolCall]) = (Vec::new(), &[]);
        for line in &request.messages {
            if line.role == Role::Assistant {
                called = &line.tool_calls;
            }
            messages.push(message(line, called));
        }
        if messages.is_empty() {
            // It would load the model and say nothing.
            return Err(ProviderError::new(ProviderErrorKind::Refused, "the prompt asks nothing"));
        }
        let mut options = Map::new();
        options.insert("num_predict".into(), request.max_tokens.max(1).into());
        if let Some(temperature) = request.temperature {
            options.insert("temperature".into(), failure::number(temperature));
        }
        if !request.stop.is_empty() {
            options.insert("stop".into(), request.stop.clone().into());
        }
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("messages".into(), messages.into());
        body.insert("stream".into(), true.into());
        body.insert("options".into(), options.into());
        if let Some(effort) = request.reasoning {
            body.insert("think".into(), think(effort, model));
        }
        if !request.tools.is_empty() {
            let offered = request.tools.iter().map(|t| json!({ "type": "function", "function": t }));
            body.insert("tools".into(), offered.collect());
        }
        Ok(Call { path: "/api/chat".into(), headers: Vec::new(), body })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Reader::default())
    }

    fn models_path(&self) -> &'static str {
        "/api/tags"
    }

    fn models(&self, list: &Value) -> Vec<String> {
        let entries = list.get("models").and_then(Value::as_array).into_iter().flatten();
        let name = |m: &Value| Some(m.get("model").or_else(|| m.get("name"))?.as_str()?.to_owned());
        entries.filter_map(name).collect()
    }
}

fn message(line: &PromptMessage, called: &[ToolCall]) -> Value {
    let mut message = Map::new();
    message.insert("role".into(), json!(line.role));
    message.insert("content".into(), line.content.clone().into());
    match line.role {
        Role::Assistant => {
            // What a model thought before it called belongs to the call: its template puts it there.
            let ours = line.replay.iter().filter(|r| r.format == FORMAT);
            if let Some(thought) = ours.filter_map(|r| r.value.get("thinking")).next_back() {
                message.insert("thinking".into(), thought.clone());
            }
            if !line.tool_calls.is_empty() {
                message.insert("tool_calls".into(), line.tool_calls.iter().map(of_call).collect());
            }
        }
        Role::Tool => {
            let id = line.tool_call_id.as_deref().unwrap_or_default();
            // Templates speak of a tool by its name; newer servers match the id too.
            if let Some(call) = called.iter().find(|c| c.id == id) {
                message.insert("tool_name".into(), call.name.clone().into());
            }
            message.insert("tool_call_id".into(), id.into());
        }
        Role::System | Role::User => {}
    }
    message.into()
}

fn of_call(call: &ToolCall) -> Value {
    // The server reads an object and nothing else; what the model wrote wrong is told to it by the result.
    let arguments: Map<String, Value> = serde_json::from_str(&call.arguments).unwrap_or_default();
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
}

/// One family takes levels and cannot leave it; the others take yes or no, and older servers refuse a level.
fn think(effort: Effort, model: &str) -> Value {
    if !model.contains("gpt-oss") {
        return (effort != Effort::None).into();
    }
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low".into(),
        Effort::Medium | Effort::High => effort.as_str().into(),
    }
}

/// The address that `OLLAMA_HOST` means: it may lack the scheme and the port, and may be the one that a
/// server listens on everywhere, which nobody can be asked at.
#[must_use]
pub fn address(host: &str) -> String {
    let host = host.trim().trim_end_matches('/');
    let (scheme, rest) = host.split_once("://").unwrap_or(("", host));
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(a, p)| (a, p));
    // The colons of an IPv6 address stand in brackets, or are several.
    let port = match authority.rsplit_once(':') {
        Some((name, port)) if name.ends_with(']') || !name.contains(':') => Some((name, port)),
        _ => None,
    };
    let (name, port) = port.unwrap_or((authority, ""));
    let name = match name {
        "" | "0.0.0.0" => "127.0.0.1".to_owned(),
        "[::]" | "::" => "[::1]".to_owned(),
        bare if bare.contains(':') && !bare.starts_with('[') => format!("[{bare}]"),
        other => other.to_owned(),
    };
    // A scheme without a port means that scheme's own.
    let port = match (scheme, port) {
        ("", "") => format!(":{PORT}"),
        (_, "") => String::new(),
        (_, port) => format!(":{port}"),
    };
    let scheme = if scheme.is_empty() { "http" } else { scheme };
    let slash = if path.is_empty() { "" } else { "/" };
    format!("{scheme}://{name}{port}{slash}{path}")
}
