//! The shape of an event of Responses, loosely: what is of another type than expected is as good as not there.

use headwater_core::port::provider::ProviderError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::parts::{Kind, Part};
use crate::failure;
use crate::wire::loose::Loose;

/// An event, with the fields of all kinds.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(default, borrow)]
    pub r#type: Loose<'a>,
    pub output_index: Option<u64>,
    pub content_index: Option<u64>,
    pub summary_index: Option<u64>,
    #[serde(default, borrow)]
    pub item_id: Loose<'a>,
    #[serde(default, borrow)]
    pub delta: Loose<'a>,
    #[serde(default, borrow)]
    pub text: Loose<'a>,
    #[serde(default, borrow)]
    pub refusal: Loose<'a>,
    #[serde(default, borrow)]
    pub arguments: Loose<'a>,
    pub item: Option<Value>,
    pub part: Option<Value>,
    pub annotation: Option<Value>,
    pub response: Option<Value>,
    pub error: Option<Value>,
    pub code: Option<Value>,
    pub message: Option<Value>,
}

impl Event<'_> {
    /// Which part it speaks of.
    pub(super) fn part(&self, kind: Kind) -> Part<'_> {
        let index = self.content_index.or(self.summary_index).unwrap_or_default();
        Part { output: self.output_index, item: self.item_id.text().unwrap_or_default(), kind, index }
    }
}

/// An error event: nested, or flat with its own fields beside the type.
pub(super) fn reported(event: Event<'_>) -> ProviderError {
    match event.error.filter(|e| !e.is_null()) {
        Some(error) => failure::reported(&error),
        None => failure::reported(&json!({"code": event.code, "message": event.message})),
    }
}

/// The `type` of a part, an item or an event.
pub(super) fn kind_of(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// Events that are known to say nothing that is wanted here: beginnings, and what the host's own tools do.
pub(super) fn is_progress(event: &str) -> bool {
    let Some(event) = event.strip_prefix("response.") else { return event == "keepalive" };
    matches!(
        event,
        "created" | "queued" | "in_progress" | "content_part.added" | "reasoning_summary_part.added"
    ) || ["_call.", "_call_", "mcp_list_tools."].iter().any(|tool| event.contains(tool))
}
