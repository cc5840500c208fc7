//! OpenAI's chat completions, as OpenAI itself, OpenRouter, Groq, llama.cpp's server, vLLM and many more
//! speak it. The answer is read in `decoder`; this file writes the request, as the host's [`dialect`] is.

mod back;
mod chunk;
mod decoder;
pub mod dialect;
#[cfg(test)]
mod tests;
pub(crate) mod usage;

use std::borrow::Cow;

use headwater_core::port::provider::{ModelRequest, PromptMessage, ProviderError, Role, ToolCall, ToolSpec};
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::decoder::Reader;
use self::dialect::Dialect;
use crate::failure;
use crate::wire::{Call, Decoder, Framing, KeyHeader, Wire};

/// The format's name.
const NAME: &str = "openai";

/// The model's name that asks a server for the one that it has loaded: none is sent.
pub const LOADED: &str = "the one that is loaded";

/// The format, as one host speaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAi {
    /// How that host differs.
    pub dialect: &'static Dialect,
}

impl Default for OpenAi {
    /// As any server of this protocol speaks it.
    fn default() -> Self {
        Self { dialect: &dialect::COMMON }
    }
}

impl Wire for OpenAi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn key(&self) -> KeyHeader {
        KeyHeader::Bearer
    }

    fn encode(&self, request: &ModelRequest, model: &str) -> Result<Call, ProviderError> {
        let family = self.dialect.family(model);
        let mut body = Map::new();
        if model != LOADED {
            body.insert("model".into(), model.into());
        }
        let lines: Vec<Line<'_>> = request.messages.iter().map(|line| Line::of(line, self.dialect)).collect();
        body.insert("messages".into(), serde_json::to_value(lines).map_err(failure::unsayable)?);
        body.insert("stream".into(), true.into());
        if self.dialect.counts {
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
        body.insert(self.dialect.limit.into(), request.max_tokens.max(1).into());
        if let Some(temperature) = request.temperature.filter(|_| family.takes_temperature(request.reasoning))
        {
            body.insert("temperature".into(), failure::number(temperature));
        }
        self.dialect.think(family, request.reasoning, &mut body);
        for (field, value) in family.always {
            body.insert((*field).into(), (*value).into());
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
        Box::new(Reader::new(self.dialect.back))
    }

    fn models_path(&self) -> &'static str {
        "/models"
    }

    fn models(&self, list: &Value) -> Vec<String> {
        listed(list)
    }
}

/// The names in OpenAI's list of models.
pub(crate) fn listed(list: &Value) -> Vec<String> {
    let entries = list.get("data").and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(|m| Some(m.get("id")?.as_str()?.to_owned())).collect()
}

#[derive(Serialize)]
struct Line<'a> {
    role: &'static str,
    /// Null where a model only called tools: some hosts refuse an empty text.
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<Cow<'a, str>>,
    /// What the host gave with this line and wants back.
    #[serde(flatten)]
    back: Map<String, Value>,
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
    id: Cow<'a, str>,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a PromptMessage, dialect: &Dialect) -> Self {
        let called = |c: &'a ToolCall| {
            let function = CalledFunction { name: &c.name, arguments: arguments(c) };
            Called { id: dialect.ids.name(&c.id), r#type: "function", function }
        };
        let given = back::given(line, dialect.back);
        Self {
            role: match line.role {
                Role::System => dialect.system,
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
            },
            content: Some(line.content.as_str()).filter(|t| !t.is_empty() || line.tool_calls.is_empty()),
            tool_calls: line.tool_calls.iter().map(called).collect(),
            tool_call_id: line.tool_call_id.as_deref().map(|id| dialect.ids.name(id)),
            back: given.map(|(field, value)| (field.to_owned(), value)).into_iter().collect(),
        }
    }
}

/// The arguments of an earlier call. Strict hosts read them as an object, and refuse what is none.
pub(crate) fn arguments(call: &ToolCall) -> &str {
    let whole = serde_json::from_str::<Map<String, Value>>(&call.arguments).is_ok();
    if whole { &call.arguments } else { "{}" }
}
