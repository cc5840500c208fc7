//! What is wrong with a body, said as the original's framework says it: status 422 and
//! `{"detail":[{"type","loc","msg","input","ctx"?}]}`. Shapes and words are kept because clients show `msg`
//! and find the field by `loc`.

mod body;
mod email;
mod fields;
mod json_fault;

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use body::{JsonBody, read_body};
pub use fields::{Fields, Text, expected};

/// Characters of a text that are shown back to whoever sent it.
const SHOWN_CHARS: usize = 256;
/// Entries of an object or a list that are shown back.
const SHOWN_ENTRIES: usize = 32;
/// Levels of objects and lists that are shown back.
const SHOWN_LEVELS: usize = 4;
/// In place of a secret. Answers end up in the logs of clients and proxies, so a password that was sent is
/// not sent back; the original does.
const HIDDEN: &str = "**********";

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Problem {
    /// The kind, for programs.
    pub r#type: &'static str,
    /// Where: `body`, then the field, or the position in a text that is no JSON.
    pub loc: Vec<Value>,
    /// A sentence for people.
    pub msg: String,
    /// What was sent; secrets are hidden and long values cut.
    pub input: Value,
    /// Numbers and reasons that `msg` is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Box<Value>>,
}

impl Problem {
    /// Of the body as a whole.
    fn of_body(kind: &'static str, msg: &str, input: Value) -> Self {
        Self { r#type: kind, loc: vec![json!("body")], msg: msg.to_owned(), input, ctx: None }
    }

    /// Of one field, which was sent as `input`.
    fn of_field(kind: &'static str, field: &str, msg: impl Into<String>, input: &Value) -> Self {
        let input = if is_secret(field) && !input.is_null() { json!(HIDDEN) } else { shown(input) };
        Self { r#type: kind, loc: vec![json!("body"), json!(field)], msg: msg.into(), input, ctx: None }
    }

    /// A field that is not there; shows the whole body, as the original does.
    fn missing(field: &str, body: &Map<String, Value>) -> Self {
        let input = shown_object(body, SHOWN_LEVELS);
        Self {
            r#type: "missing",
            loc: vec![json!("body"), json!(field)],
            msg: "Field required".to_owned(),
            input,
            ctx: None,
        }
    }

    /// The same, of an entry of a list.
    fn at(mut self, entry: usize) -> Self {
        self.loc.push(json!(entry));
        self
    }

    /// Of something behind `?`.
    pub(in crate::http) fn of_query(
        kind: &'static str,
        name: &str,
        msg: String,
        input: &str,
        ctx: Value,
    ) -> Self {
        let input = shown(&json!(input));
        let ctx = (!ctx.is_null()).then(|| Box::new(ctx));
        Self { r#type: kind, loc: vec![json!("query"), json!(name)], msg, input, ctx }
    }

    fn with(mut self, ctx: Value) -> Self {
        self.ctx = Some(Box::new(ctx));
        self
    }
}

/// Everything that is wrong with one body, in the order of its fields; never empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Of one part of a form that is missing, or not what it has to be.
    #[must_use]
    pub fn of_part(kind: &'static str, part: &str, msg: &str) -> Self {
        Problem::of_field(kind, part, msg, &Value::Null).into()
    }

    /// Each of them.
    #[must_use]
    pub fn all(&self) -> &[Problem] {
        &self.0
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    /// One line: `message: Field required; top_k: Input should be …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            let gap = if n == 0 { "" } else { "; " };
            match problem.loc.last() {
                Some(Value::String(place)) => write!(f, "{gap}{place}: {}", problem.msg)?,
                _ => write!(f, "{gap}{}", problem.msg)?,
            }
        }
        Ok(())
    }
}

/// Whether a field's value may not be shown back: by how its name ends, so that `max_tokens` may.
fn is_secret(field: &str) -> bool {
    let field = field.to_ascii_lowercase();
    ["password", "token", "secret", "key", "authorization"].iter().any(|word| field.ends_with(word))
}

/// A value as it is shown back: bounded, so that a large body does not become a larger answer.
fn shown(value: &Value) -> Value {
    shown_at(value, SHOWN_LEVELS)
}

fn shown_at(value: &Value, levels: usize) -> Value {
    match value {
        Value::String(text) => Value::String(text.chars().take(SHOWN_CHARS).collect()),
        Value::Array(_) | Value::Object(_) if levels == 0 => Value::Null,
        Value::Array(list) => {
            list.iter().take(SHOWN_ENTRIES).map(|item| shown_at(item, levels - 1)).collect()
        }
        Value::Object(object) => shown_object(object, levels - 1),
        plain => plain.clone(),
    }
}

fn shown_object(object: &Map<String, Value>, levels: usize) -> Value {
    let entry = |(key, value): (&String, &Value)| {
        let value = if is_secret(key) && !value.is_null() { json!(HIDDEN) } else { shown_at(value, levels) };
        (key.chars().take(SHOWN_CHARS).collect(), value)
    };
    Value::Object(object.iter().take(SHOWN_ENTRIES).map(entry).collect())
}

#[cfg(test)]
#[path = "validate/tests.rs"]
mod tests;
