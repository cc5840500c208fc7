//! What is asked of a provider: the lines of a prompt, the tools that are offered, and how to answer.

use serde::{Deserialize, Serialize};

/// Who says a line of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The operator's instructions.
    System,
    /// The person.
    User,
    /// The model, in an earlier turn or step.
    Assistant,
    /// A tool, to the model that called it.
    Tool,
}

/// A tool that a model may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// What it does and when it is to be called, for the model.
    pub description: String,
    /// JSON Schema of its arguments, an object.
    pub parameters: serde_json::Value,
}

/// A model's wish that a tool be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's name for this call; the tool's answer carries it.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// JSON as the model wrote it; may be no JSON at all.
    pub arguments: String,
}

/// One line of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// Who says it.
    pub role: Role,
    /// What is said, plain text; may be empty where tools are called.
    pub content: String,
    /// Calls that the model made in this line; [`Role::Assistant`] only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call this answers; [`Role::Tool`] only, and always there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// What the provider gave beside the text of this line and wants back as it was, in order;
    /// [`Role::Assistant`] only. Another format than the one that gave it leaves it out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replay: Vec<Replay>,
}

/// What only its provider understands, such as a signature over what the model thought: kept as it came, and
/// given back with the line that it came with. Without it some providers refuse a tool's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The wire format that wrote it and alone reads it, e.g. `anthropic`.
    pub format: String,
    /// As it came; at most [`crate::limit::REPLAY_BYTES`] an answer.
    pub value: serde_json::Value,
}

impl PromptMessage {
    /// A line of a prompt.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None, replay: Vec::new() }
    }

    /// A model's line with the calls that it made.
    pub fn calling(content: impl Into<String>, tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::new(Role::Assistant, content) }
    }

    /// A tool's answer to a call.
    pub fn answering(call: &ToolCall, result: impl Into<String>) -> Self {
        Self { tool_call_id: Some(call.id.clone()), ..Self::new(Role::Tool, result) }
    }
}

/// How much a model that can think is to think before it answers. A provider without such a wish
/// leaves it out; one that knows fewer words takes the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Not at all, where the model can leave it.
    None,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// As its makers mean it.
    Medium,
    /// Long.
    High,
}

impl Effort {
    /// Every effort, least first.
    pub const ALL: [Self; 5] = [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The effort of that word, where it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.as_str() == word)
    }
}

/// What is asked of a provider. The default is an empty prompt and one token: callers set what they want.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// The provider's own name of a model; `None` is the provider's default.
    pub model: Option<String>,
    /// The prompt, in order; system lines first.
    pub messages: Vec<PromptMessage>,
    /// The most tokens to generate; at least 1.
    pub max_tokens: u32,
    /// 0 is greedy. `None` is the provider's default.
    pub temperature: Option<f32>,
    /// Texts that end the answer and are not part of it; at most four.
    pub stop: Vec<String>,
    /// What the model may call; empty, or the provider says
    /// [`can_call_tools`](super::ProviderInfo::can_call_tools).
    pub tools: Vec<ToolSpec>,
    /// How much it is to think. `None` is the provider's default.
    pub reasoning: Option<Effort>,
    /// Fields of the provider's own that are put into the request last, over everything of the same name.
    /// Of the operator's configuration only, never a client's.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

impl Default for ModelRequest {
    fn default() -> Self {
        Self {
            model: None,
            messages: Vec::new(),
            max_tokens: 1,
            temperature: None,
            stop: Vec::new(),
            tools: Vec::new(),
            reasoning: None,
            extra: serde_json::Map::new(),
        }
    }
}
