//! The arguments of a call that come in pieces, each with the place that it belongs to (`$.items[0].name`).
//! Google's cloud sends them so where the operator's request asks for it.

use headwater_core::limit::{TOOL_ARGUMENT_LEVELS, TOOL_ARGUMENTS_BYTES};
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::wire::calls::too_much;

/// A value, or a piece of a text, and its place.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Piece {
    json_path: String,
    string_value: Option<String>,
    number_value: Option<serde_json::Number>,
    bool_value: Option<bool>,
    /// More of the same text follows.
    will_continue: Option<bool>,
}

/// The arguments so far.
#[derive(Debug)]
pub(super) struct Arguments {
    /// As they came, where they came whole.
    whole: Option<String>,
    value: Value,
    bytes: usize,
    /// The text that is being written.
    text: Option<String>,
}

impl Arguments {
    pub(super) fn new(whole: Option<&str>) -> Self {
        Self { whole: whole.map(str::to_owned), value: Value::Object(Map::new()), bytes: 0, text: None }
    }

    /// Bytes of the pieces so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a piece in its place.
    ///
    /// # Errors
    /// `Failed` for a place that cannot be, and for more than a call may be.
    pub(super) fn set(&mut self, piece: Piece) -> Result<(), ProviderError> {
        self.bytes += piece.json_path.len() + piece.string_value.as_ref().map_or(0, String::len);
        if self.bytes > 2 * TOOL_ARGUMENTS_BYTES {
            return Err(too_much("the arguments of a call are too long"));
        }
        if let Some(whole) = self.whole.take() {
            self.value = serde_json::from_str(&whole).map_err(|_| nowhere())?;
        }
        let goes_on = self.text.as_deref() == Some(piece.json_path.as_str());
        let mut place = &mut self.value;
        for step in steps(&piece.json_path).ok_or_else(nowhere)? {
            place = step.into(place).ok_or_else(nowhere)?;
        }
        match (place, piece.string_value) {
            (Value::String(text), Some(more)) if goes_on => text.push_str(&more),
            (place, value) => {
                *place = match (value, piece.number_value, piece.bool_value) {
                    (Some(text), ..) => Value::String(text),
                    (_, Some(number), _) => Value::Number(number),
                    (_, _, Some(bool)) => Value::Bool(bool),
                    // `nullValue`, which has no other value.
                    (None, None, None) => Value::Null,
                };
            }
        }
        self.text = (piece.will_continue == Some(true)).then_some(piece.json_path);
        Ok(())
    }

    pub(super) fn into_json(self) -> String {
        self.whole.unwrap_or_else(|| self.value.to_string())
    }
}

fn nowhere() -> ProviderError {
    let words = "the provider wrote a call whose arguments cannot be put together";
    ProviderError::new(ProviderErrorKind::Failed, words)
}

#[derive(Debug, PartialEq)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl Step<'_> {
    /// One level down. A list grows by one at a time, so that a number cannot take memory.
    fn into(self, value: &mut Value) -> Option<&mut Value> {
        match self {
            Self::Key(key) => {
                if value.is_null() {
                    *value = Value::Object(Map::new());
                }
                Some(value.as_object_mut()?.entry(key).or_insert(Value::Null))
            }
            Self::Index(index) => {
                if value.is_null() {
                    *value = Value::Array(Vec::new());
                }
                let list = value.as_array_mut()?;
                if index == list.len() {
                    list.push(Value::Null);
                }
                list.get_mut(index)
            }
        }
    }
}

/// `$.a['b c'][0]` as its steps; `None` for what is no such path, or too deep.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let (mut rest, mut steps) = (path.strip_prefix('$')?, Vec::new());
    while !rest.is_empty() {
        if steps.len() == TOOL_ARGUMENT_LEVELS {
            return None;
        }
        if let Some(dotted) = rest.strip_prefix('.') {
            let end = dotted.find(['.', '[']).unwrap_or(dotted.len());
            let (key, after) = dotted.split_at_checked(end).filter(|(key, _)| !key.is_empty())?;
            steps.push(Step::Key(key));
            rest = after;
            continue;
        }
        let inner = rest.strip_prefix('[')?;
        let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let (step, after) = match quote {
            Some(quote) => {
                let (key, after) = inner.strip_prefix(quote)?.split_once(quote)?;
                (Step::Key(key), after.strip_prefix(']')?)
            }
            None => {
                let (index, after) = inner.split_once(']')?;
                (Step::Index(index.parse().ok()?), after)
            }
        };
        steps.push(step);
        rest = after;
    }
    (!steps.is_empty()).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(pieces: &[(&str, &str)]) -> Result<String, ProviderErrorKind> {
        let mut arguments = Arguments::new(None);
        for (path, rest) in pieces {
            let piece = format!("{{\"jsonPath\":{},{rest}}}", Value::String((*path).to_owned()));
            arguments.set(serde_json::from_str(&piece).unwrap()).map_err(|e| e.kind)?;
        }
        Ok(arguments.into_json())
    }

    #[test]
    fn pieces_find_their_places() {
        let more = r#""willContinue":true"#;
        let out = put(&[
            ("$.items[0].name", &format!("\"stringValue\":\"Ü\",{more}")),
            ("$.items[0].name", &format!("\"stringValue\":\"nï\",{more}")),
            ("$.items[0].name", r#""stringValue":"""#),
            ("$.items[1]['the price']", r#""numberValue":0.5"#),
            ("$.items[1][\"sold\"]", r#""boolValue":false"#),
            ("$.note", r#""nullValue":"NULL_VALUE""#),
            ("$.again", r#""stringValue":"a""#),
            ("$.again", r#""stringValue":"b""#),
            ("$.rows[0][0]", r#""numberValue":1"#),
        ]);
        let expected = r#"{"again":"b","items":[{"name":"Ünï"},{"sold":false,"the price":0.5}],"note":null,"rows":[[1]]}"#;
        assert_eq!(out.as_deref(), Ok(expected));
        assert_eq!(put(&[]).as_deref(), Ok("{}"));
    }

    #[test]
    fn places_that_cannot_be_are_errors() {
        let value = r#""numberValue":1"#;
        let deep = format!("${}", ".a".repeat(TOOL_ARGUMENT_LEVELS + 1));
        for path in ["", "$", "a", "$..a", "$.a[", "$.a[x]", "$.a['b", "$.a[1]", "$[0]", "$.a[-1]", &deep] {
            assert_eq!(put(&[(path, value)]), Err(ProviderErrorKind::Failed), "{path}");
        }
        assert_eq!(put(&[("$.a", value), ("$.a.b", value)]), Err(ProviderErrorKind::Failed));
        let long = format!("\"stringValue\":\"{}\"", "x".repeat(1024));
        let many = vec![("$.a", long.as_str()); 2 * TOOL_ARGUMENTS_BYTES / 1024];
        assert_eq!(put(&many), Err(ProviderErrorKind::Failed));
    }
}
