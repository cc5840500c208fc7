//! What comes of a tool, for the log, for a model and for the sentences of [`super::say`].

use headwater_core::event::Body;
use serde_json::{Map, Value, json};

use super::workshop::No;
use super::{Tool, arguments};
use crate::mask::{Kinds, mask_json};

/// What came of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// Whether it did what it was asked for.
    pub ok: bool,
    /// An object. Where `ok` is not: `error`, a word, and `message`, a sentence.
    pub result: Value,
}

impl Done {
    pub(super) fn yes(result: Value) -> Self {
        Self { ok: true, result }
    }

    /// A refusal.
    pub fn no(error: &str, message: impl Into<String>) -> Self {
        Self { ok: false, result: json!({ "error": error, "message": message.into() }) }
    }

    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        if let Value::Object(result) = &mut self.result {
            result.insert(key.to_owned(), value);
        }
        self
    }

    /// The word of a refusal.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.result.get("error").and_then(Value::as_str)
    }

    /// For a model: the result with `ok` in front, and with everything of these kinds masked. What comes of a
    /// tool may name what the person said in a turn that the model was given masked.
    #[must_use]
    pub fn told(&self, kinds: Kinds) -> String {
        let mut told = Map::from_iter([("ok".to_owned(), Value::Bool(self.ok))]);
        if let Value::Object(result) = &self.result {
            told.extend(result.clone());
        }
        let mut told = Value::Object(told);
        mask_json(&mut told, kinds);
        told.to_string()
    }

    /// For the log.
    #[must_use]
    pub fn event(&self, call_id: &str, name: &str) -> Body {
        Body::ToolReturned {
            call_id: call_id.to_owned(),
            name: name.to_owned(),
            ok: self.ok,
            result: self.result.clone(),
        }
    }
}

impl From<No> for Done {
    fn from(no: No) -> Self {
        Self::no(no.why, no.words)
    }
}

/// The result for a tool that the agent does not have.
#[must_use]
pub fn unknown_tool(known: &[Tool]) -> Done {
    let names: Vec<_> = known.iter().map(|t| t.name()).collect();
    Done::no("unknown_tool", format!("There is no tool of that name; there are: {}.", names.join(", ")))
}

/// The arguments of a call, or the result that says why they are none.
///
/// # Errors
/// What goes into the log as arguments, and the result.
pub fn arguments_of(written: &str) -> Result<Value, (Value, Done)> {
    arguments::object(written).map_err(|log| (log, arguments::unreadable()))
}
