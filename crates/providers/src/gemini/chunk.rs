//! What a chunk of Gemini's stream is made of, as far as it is read. Everything may be left out.

use headwater_core::port::provider::Usage;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::partial::Piece;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk {
    pub candidates: Option<Vec<Candidate>>,
    pub prompt_feedback: Option<Feedback>,
    pub usage_metadata: Option<Counts>,
    pub error: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feedback {
    pub block_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    pub index: Option<u64>,
    pub content: Option<Content>,
    pub finish_reason: Option<String>,
    pub finish_message: Option<String>,
    pub citation_metadata: Option<Citations>,
    pub grounding_metadata: Option<Groundings>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Content {
    pub parts: Option<Vec<Part>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub text: Option<String>,
    pub thought: Option<bool>,
    pub thought_signature: Option<String>,
    pub function_call: Option<FunctionCall>,
    pub executable_code: Option<Value>,
    pub code_execution_result: Option<Value>,
}

impl Part {
    /// Whether it says nothing: hosts hang a signature, or the reason, on a text of no letters.
    pub(super) fn is_blank(&self) -> bool {
        self.text.as_deref() == Some("")
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionCall {
    pub id: Option<String>,
    pub name: Option<String>,
    pub args: Option<Box<RawValue>>,
    pub partial_args: Option<Vec<Piece>>,
    pub will_continue: Option<bool>,
}

/// Named one way by the Gemini API and another by Google's cloud.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Citations {
    pub citation_sources: Option<Vec<Source>>,
    pub citations: Option<Vec<Source>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Groundings {
    pub grounding_chunks: Option<Vec<Grounding>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grounding {
    pub web: Option<Source>,
    pub retrieved_context: Option<Source>,
    pub maps: Option<Source>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Source {
    pub uri: Option<String>,
    pub title: Option<String>,
    /// What stands there; of what was looked up in documents alone.
    pub text: Option<String>,
}

/// Sums of the whole answer; a later report replaces an earlier one, field by field, because some leave out what
/// has not changed.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
}

impl Counts {
    pub(super) fn then(self, later: Self) -> Self {
        Self {
            prompt_token_count: later.prompt_token_count.or(self.prompt_token_count),
            candidates_token_count: later.candidates_token_count.or(self.candidates_token_count),
            thoughts_token_count: later.thoughts_token_count.or(self.thoughts_token_count),
            cached_content_token_count: later.cached_content_token_count.or(self.cached_content_token_count),
            tool_use_prompt_token_count: later
                .tool_use_prompt_token_count
                .or(self.tool_use_prompt_token_count),
        }
    }

    /// What a tool of the host's own gave to the model is billed as prompt, and what it thought as answer;
    /// `totalTokenCount` is the sum of all four.
    pub(super) fn usage(&self) -> Usage {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or_default().saturating_add(b.unwrap_or_default())),
        };
        Usage {
            input_tokens: sum(self.prompt_token_count, self.tool_use_prompt_token_count),
            output_tokens: sum(self.candidates_token_count, self.thoughts_token_count),
            cached_tokens: self.cached_content_token_count,
            reasoning_tokens: self.thoughts_token_count,
            ..Usage::default()
        }
    }
}
