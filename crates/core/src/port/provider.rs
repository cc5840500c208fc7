//! The port to whoever generates text: a vendor's HTTP interface, a local model, a script.
//!
//! # Contract
//! - [`Provider::generate`] returns a stream of deltas: any number of [`Delta::Text`] and
//!   [`Delta::ToolCall`] (only where the request offers tools), then exactly one
//!   [`Delta::End`], **or** exactly one error; nothing follows either. An end is reported only if the
//!   provider itself said that it had ended: a connection that closes early is an error.
//! - Dropping the stream cancels the work upstream at once: a socket is closed, a local model stops
//!   within one step. The caller does nothing else to cancel.
//! - Buffers between the provider and the stream are bounded; a reader that does not poll stops the
//!   provider, it does not fill memory.
//! - No delta carries empty text. Text is cut at `char` boundaries by construction (`String`).
//! - A request that can never succeed (unknown model, prompt too long) is refused by `generate`
//!   itself; what happens later comes through the stream.
//! - Nothing of a request is logged, and no error carries a key.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::Stream;
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
}

impl PromptMessage {
    /// A line of a prompt.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None }
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

/// What is asked of a provider.
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
    /// What the model may call; empty, or the provider says [`ProviderInfo::can_call_tools`].
    pub tools: Vec<ToolSpec>,
}

/// Why a provider ended an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model had said what it wanted.
    Stop,
    /// `max_tokens` was reached.
    Length,
    /// It waits for the tools that it called.
    ToolCalls,
    /// The provider withheld the rest.
    ContentFilter,
    /// Anything else that the provider named.
    Other,
}

/// What an answer used, in the provider's own tokens; `None` where it did not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Usage {
    /// Tokens of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
}

/// A piece of model output before it is an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Text of the answer; never empty.
    Text(String),
    /// A whole call of a tool; the end follows, with [`FinishReason::ToolCalls`] or what else it said.
    ToolCall(ToolCall),
    /// The answer ended as the provider meant it to.
    End {
        /// Why it ended.
        reason: FinishReason,
        /// What it used.
        usage: Usage,
    },
}

/// What kind of failure a provider had; decides what the viewer is told and whether a retry can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderErrorKind {
    /// The provider cannot be reached or is not loaded.
    Unavailable,
    /// It is there but has too much to do (a full queue, 429, 529); trying later can help.
    Busy,
    /// It refused this request: unknown model, prompt too long, bad key. Trying again cannot help.
    Refused,
    /// It stopped answering within the time it is given.
    Timeout,
    /// It began and broke off without its own end.
    Interrupted,
    /// It said something that its format does not allow, or failed in another way.
    Failed,
}

/// A failure of a provider: what happened, where, what to do. Never holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderError {
    /// The kind, for machines.
    pub kind: ProviderErrorKind,
    /// The words, for people; at most a few hundred bytes.
    pub message: String,
}

impl ProviderError {
    /// A failure of this kind with these words.
    pub fn new(kind: ProviderErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl std::fmt::Display for ProviderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ProviderError {}

/// The deltas of one answer; see the module's contract.
pub type Deltas = Pin<Box<dyn Stream<Item = Result<Delta, ProviderError>> + Send>>;

/// How much text a model may be given, in its own tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextBudget {
    /// Tokens of retrieved passages.
    pub retrieval_tokens: usize,
    /// Tokens of earlier turns.
    pub history_tokens: usize,
}

/// Who answers: said in `/health`, in every run and on the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    /// The provider's name in the configuration, e.g. `local`.
    pub name: String,
    /// The model's name, e.g. `SmolLM2-135M-Instruct`.
    pub model: String,
    /// What a person should know of it, e.g. `tiny local model`; `None` for a full one.
    pub label: Option<String>,
    /// Whether it may be trusted with one-word decisions such as routing.
    pub can_classify: bool,
    /// Whether it can be offered tools.
    pub can_call_tools: bool,
    /// How much context a prompt for it may carry.
    pub budget: ContextBudget,
}

/// Generates text; see the module's contract.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Who this is. Cheap: called for every run.
    fn info(&self) -> ProviderInfo;

    /// How many of this model's tokens a text has; an estimate where the tokenizer is not known,
    /// and then rather too many than too few.
    fn count_tokens(&self, text: &str) -> usize;

    /// Requests that wait here for their turn; 0 where the provider keeps no queue of its own.
    fn backlog(&self) -> usize {
        0
    }

    /// Tells of a prompt beginning that will be used often, so that its cost can be paid beforehand.
    /// Providers without a prefix cache do nothing. Never required for correctness.
    async fn warm(&self, _prefix: &[PromptMessage]) {}

    /// Starts an answer; see the module's contract.
    ///
    /// # Errors
    /// [`ProviderError`], where the request is refused before it starts.
    async fn generate(&self, request: ModelRequest) -> Result<Deltas, ProviderError>;
}

/// A provider that is shared by all runs.
pub type SharedProvider = Arc<dyn Provider>;
