//! OpenAI's chat completions, as OpenAI itself, OpenRouter, Groq, llama.cpp's server, vLLM and many more
//! speak it. The answer is read in `decoder`; this file writes the request.

mod decoder;
#[cfg(test)]
mod tests;

use headwater_core::port::provider::{ModelRequest, PromptMessage, ProviderError, Role, ToolCall, ToolSpec};
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::decoder::Reader;
use crate::failure;
use crate::wire::{Call, Decoder, Framing, KeyHeader, Wire};

/// The format, as one host speaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAi {
    /// What the host calls the most tokens of an answer: `max_tokens` or `max_completion_tokens`.
    pub limit_field: &'static str,
}

impl Wire for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn key(&self) -> KeyHeader {
        KeyHeader::Bearer
    }

    fn encode(&self, request: &ModelRequest, model: &str) -> Result<Call, ProviderError> {
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        let lines: Vec<Line<'_>> = request.messages.iter().map(Line::of).collect();
        body.insert("messages".into(), serde_json::to_value(lines).map_err(failure::unsayable)?);
        body.insert("stream".into(), true.into());
        body.insert("stream_options".into(), json!({"include_usage": true}));
        body.insert(self.limit_field.into(), request.max_tokens.max(1).into());
        if let Some(temperature) = request.temperature {
            body.insert("temperature".into(), failure::number(temperature));
        }
        if !request.stop.is_empty() {
            body.insert("stop".into(), request.stop.clone().into());
        }
        if !request.tools.is_empty() {
            let offered: Vec<_> =
                request.tools.iter().map(|function| Offered { r#type: "function", function }).collect();
            body.insert("tools".into(), serde_json::to_value(offered).map_err(failure::unsayable)?);
        }
        Ok(Call { path: "/chat/completions".into(), headers: Vec::new(), body })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Reader::default())
    }

    fn models_path(&self) -> &'static str {
        "/models"
    }

    fn models(&self, list: &Value) -> Vec<String> {
        let entries = list.get("data").and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(|m| Some(m.get("id")?.as_str()?.to_owned())).collect()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    role: Role,
    /// Null where a model only called tools: some hosts refuse an empty text.
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

/// A tool that the model may call.
#[derive(Serialize)]
struct Offered<'a> {
    r#type: &'static str,
    function: &'a ToolSpec,
}

/// A call that the model made before.
#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a PromptMessage) -> Self {
        let called = |c: &'a ToolCall| {
            // Strict hosts read the arguments of earlier calls as JSON, and refuse what is none.
            let whole = serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(&c.arguments).is_ok();
            let arguments = if whole { c.arguments.as_str() } else { "{}" };
            Called { id: &c.id, r#type: "function", function: CalledFunction { name: &c.name, arguments } }
        };
        Self {
            role: line.role,
            content: Some(line.content.as_str()).filter(|t| !t.is_empty() || line.tool_calls.is_empty()),
            tool_calls: line.tool_calls.iter().map(called).collect(),
            tool_call_id: line.tool_call_id.as_deref(),
        }
    }
}
