//! The port to whoever generates text: a vendor's HTTP interface, a local model, a script.
//!
//! # Contract
//! - [`Provider::generate`] returns a stream of deltas: any number of them
//!   ([`Delta::ToolCall`] only where the request offers tools), then exactly one
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

mod prompt;
mod usage;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::prompt::{Effort, ModelRequest, PromptMessage, Replay, Role, ToolCall, ToolSpec};
pub use self::usage::{Cost, FinishReason, Price, Usage};

/// A piece of model output before it is an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Text of the answer; never empty.
    Text(String),
    /// What the model thinks before it answers, or a summary of it; never empty.
    Reasoning(String),
    /// Words by which the model declines to answer; never empty. They are shown as the answer is.
    Refusal(String),
    /// Where what was just said comes from.
    Citation(Citation),
    /// To be given back with this line; see [`Replay`].
    Replay(Replay),
    /// What was used so far: a sum, which the next report replaces.
    Usage(Usage),
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

impl Delta {
    /// Whether a person can have seen something of it: after that nothing may be asked anew, or he would
    /// read it twice.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        match self {
            Self::Text(_) | Self::Reasoning(_) | Self::Refusal(_) | Self::Citation(_) | Self::ToolCall(_) => {
                true
            }
            Self::Replay(_) | Self::Usage(_) | Self::End { .. } => false,
        }
    }
}

/// Where a piece of an answer comes from, as the provider says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Citation {
    /// The page, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The document's or page's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it says there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
}

/// What kind of failure a provider had; decides what the viewer is told and whether a retry can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderErrorKind {
    /// The provider cannot be reached or is not loaded.
    Unavailable,
    /// It is there but has too much to do (a full queue, 429, 529); trying later can help.
    Busy,
    /// It needs a key and was given none. Trying again cannot help, somebody else can.
    KeyMissing,
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
    /// How long the provider asks to be left alone, where it does.
    pub retry_after: Option<Duration>,
}

impl ProviderError {
    /// A failure of this kind with these words.
    pub fn new(kind: ProviderErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }
}

impl std::fmt::Display for ProviderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ProviderError {}

/// Who answers, where that is another than [`Provider::info`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The model's name.
    pub model: String,
    /// What a person should know of it.
    pub label: Option<String>,
    /// What it costs, where that is known.
    pub price: Option<Price>,
}

/// The deltas of one answer; see the module's contract.
pub struct Deltas {
    by: Option<By>,
    stream: Pin<Box<dyn Stream<Item = Result<Delta, ProviderError>> + Send>>,
}

impl Deltas {
    /// The deltas of whom [`Provider::info`] names.
    pub fn new(stream: impl Stream<Item = Result<Delta, ProviderError>> + Send + 'static) -> Self {
        Self { by: None, stream: Box::pin(stream) }
    }

    /// The same, said by somebody else.
    #[must_use]
    pub fn said_by(self, by: By) -> Self {
        Self { by: Some(by), ..self }
    }

    /// Who says them, where it is not whom [`Provider::info`] names.
    #[must_use]
    pub fn by(&self) -> Option<&By> {
        self.by.as_ref()
    }
}

impl Stream for Deltas {
    type Item = Result<Delta, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl std::fmt::Debug for Deltas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deltas").field("by", &self.by).finish_non_exhaustive()
    }
}

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
    /// What it costs, where that is known.
    pub price: Option<Price>,
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

    /// The same by the name of whom they wait for: where several stand behind this one, each with its own.
    fn backlogs(&self) -> Vec<(String, usize)> {
        vec![(self.info().name, self.backlog())]
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
