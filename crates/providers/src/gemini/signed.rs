//! Which parts of an answer carried a signature, or mean something to their host alone, and how an answer is
//! written again with each signature on the part that it came with.
//!
//! A line of a prompt holds the answer's text as one and its calls as a list. What is kept beside it says where
//! in them a signed part stood, so that nothing has to be kept twice.

use headwater_core::port::provider::{Replay, ToolCall};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::FORMAT;

/// A part that has to be given back as it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Signed {
    /// Bytes `from..to` of the answer's text were one part.
    Text { from: usize, to: usize, signature: String },
    /// The call of that number (from 0), behind `at` bytes of text.
    Call { at: usize, call: usize, signature: String },
    /// A part that is neither, behind `at` bytes of text.
    Part { at: usize, part: Value },
}

impl Signed {
    /// About the bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        64 + match self {
            Self::Text { signature, .. } | Self::Call { signature, .. } => signature.len(),
            Self::Part { part, .. } => part.to_string().len(),
        }
    }
}

/// What stands in place of a signature on a call that another model made: Google's own word for it. Without one
/// newer models refuse the call, with none of their own they read it.
const UNSIGNED: &str = "skip_thought_signature_validator";

/// The parts of a model's line. `strict` is a model that refuses a step whose first call has no signature.
pub(super) fn parts(text: &str, calls: &[ToolCall], replay: &[Replay], strict: bool) -> Vec<Value> {
    let of_ours = replay.iter().filter(|r| r.format == FORMAT);
    let signed: Vec<Signed> = of_ours.filter_map(|r| serde_json::from_value(r.value.clone()).ok()).collect();
    let mut signature_of: Vec<Option<&str>> = vec![None; calls.len()];
    for mark in &signed {
        if let Signed::Call { call, signature, .. } = mark
            && let Some(place) = signature_of.get_mut(*call)
        {
            *place = Some(signature);
        }
    }
    if let Some(first) = signature_of.first_mut().filter(|s| strict && s.is_none()) {
        *first = Some(UNSIGNED);
    }
    let (mut said, mut called, mut parts) = (0, 0, Vec::new());
    let mut call = |until: usize, parts: &mut Vec<Value>| {
        for n in called..until.min(calls.len()) {
            parts.extend(calls.get(n).map(|c| of_call(c, signature_of.get(n).copied().flatten())));
        }
        called = called.max(until);
    };
    for mark in &signed {
        let at = match mark {
            Signed::Text { from: at, .. } | Signed::Call { at, .. } | Signed::Part { at, .. } => *at,
        };
        // A text that was changed since has no such place: the part then stands where we are.
        if let Some(before) = text.get(said..at) {
            parts.extend(of_text(before));
            said = at;
        }
        match mark {
            Signed::Text { from, to, signature } => {
                let own = text.get(*from..*to).filter(|_| *from == said).unwrap_or_default();
                said += own.len();
                parts.push(json!({ "text": own, "thoughtSignature": signature }));
            }
            Signed::Call { call: n, .. } => call(n.saturating_add(1), &mut parts),
            Signed::Part { part, .. } => parts.push(part.clone()),
        }
    }
    parts.extend(text.get(said..).and_then(of_text));
    call(calls.len(), &mut parts);
    parts
}

fn of_text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!({ "text": text }))
}

fn of_call(call: &ToolCall, signature: Option<&str>) -> Value {
    // The host reads an object and nothing else; what the model wrote wrong is told to it by the result.
    let args: Map<String, Value> = serde_json::from_str(&call.arguments).unwrap_or_default();
    let call = json!({ "id": call.id, "name": call.name, "args": args });
    match signature {
        Some(signature) => json!({ "functionCall": call, "thoughtSignature": signature }),
        None => json!({ "functionCall": call }),
    }
}
