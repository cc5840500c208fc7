//! The fields of a JSON object, each with its rule.

use std::ops::RangeInclusive;

use headwater_core::SessionId;
use serde_json::{Map, Value, json};

use super::{Problem, Problems, email};

/// The rule of a text.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    chars: usize,
    bytes: usize,
}

impl Text {
    /// Any text of at most so many bytes.
    #[must_use]
    pub const fn up_to(bytes: usize) -> Self {
        Self { chars: 0, bytes }
    }

    /// And of at least so many characters (code points, as the original counts).
    #[must_use]
    pub const fn at_least(mut self, chars: usize) -> Self {
        self.chars = chars;
        self
    }
}

/// The fields of one body. Every method reads one, notes what is wrong with it, and then returns a
/// stand-in. Fields that nobody reads are ignored.
#[derive(Debug)]
pub struct Fields {
    object: Map<String, Value>,
    problems: Vec<Problem>,
}

impl Fields {
    /// What `form` makes of the fields, where nothing is wrong with them.
    pub(super) fn of<T>(
        object: Map<String, Value>,
        form: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, Problems> {
        let mut fields = Self { object, problems: Vec::new() };
        let made = form(&mut fields);
        if fields.problems.is_empty() { Ok(made) } else { Err(Problems(fields.problems)) }
    }

    /// A text that must be there.
    pub fn text(&mut self, field: &'static str, rule: Text) -> String {
        self.required(field, |value| text(field, value, rule)).unwrap_or_default()
    }

    /// A text that may be missing or null.
    pub fn optional_text(&mut self, field: &'static str, rule: Text) -> Option<String> {
        self.optional(field, |value| text(field, value, rule))
    }

    /// An e-mail address that must be there; comes back in lower case, without space around it.
    pub fn email(&mut self, field: &'static str) -> String {
        let check = |value: &Value| {
            let given = text(field, value, Text::up_to(usize::MAX))?;
            email::check(&given).map_err(|reason| {
                let msg = format!("value is not a valid email address: {reason}");
                Problem::of_field("value_error", field, msg, value).with(json!({ "reason": reason }))
            })
        };
        self.required(field, check).unwrap_or_default()
    }

    /// A UUID that may be missing or null, in any of its notations; comes back in the usual one.
    pub fn optional_uuid(&mut self, field: &'static str) -> Option<String> {
        self.optional(field, |value| {
            let Some(given) = value.as_str() else {
                let msg = "UUID input should be a string, bytes or UUID object";
                return Err(Problem::of_field("uuid_type", field, msg, value));
            };
            uuid::Uuid::parse_str(given).map(|id| id.to_string()).map_err(|error| {
                let error = error.to_string();
                let msg = format!("Input should be a valid UUID, {error}");
                Problem::of_field("uuid_parsing", field, msg, value).with(json!({ "error": error }))
            })
        })
    }

    /// The name of a session, which may be missing, null or empty: all three ask for a new one.
    pub fn session(&mut self, field: &'static str) -> Option<SessionId> {
        let given = self.optional_parsed(field, |name| match name {
            "" => Ok(None),
            name => SessionId::parse(name).map(Some).map_err(|e| e.to_string()),
        });
        given.flatten()
    }

    /// A text that may be missing or null, read by a rule of the caller's, whose refusal is a sentence.
    pub fn optional_parsed<T>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.optional(field, |value| {
            let given = text(field, value, Text::up_to(usize::MAX))?;
            parse(&given).map_err(|error| {
                let msg = format!("Value error, {error}");
                Problem::of_field("value_error", field, msg, value).with(json!({ "error": error }))
            })
        })
    }

    /// A whole number within a range, or `default` where it is missing.
    pub fn integer(&mut self, field: &'static str, default: i64, range: RangeInclusive<i64>) -> i64 {
        self.defaulted(field, |value| {
            let number = integer(field, value)?;
            within(field, value, number, &range)
        })
        .unwrap_or(default)
    }

    /// A number within a range, or `default` where it is missing.
    pub fn number(&mut self, field: &'static str, default: f64, range: RangeInclusive<f64>) -> f64 {
        self.defaulted(field, |value| {
            let number = number(field, value)?;
            within(field, value, number, &range)
        })
        .unwrap_or(default)
    }

    /// One of these words, which must be there.
    pub fn choice(&mut self, field: &'static str, words: &[&'static str]) -> &'static str {
        let pick = |value: &Value| {
            let found = words.iter().find(|word| value.as_str() == Some(**word)).copied();
            found.ok_or_else(|| no_such_word(field, value, words))
        };
        self.required(field, pick).unwrap_or_default()
    }

    /// One of these words; the default, which is one of them, where it is missing.
    pub fn choice_or(
        &mut self,
        field: &'static str,
        words: &[&'static str],
        default: &'static str,
    ) -> &'static str {
        self.defaulted(field, |value| {
            let found = words.iter().find(|word| value.as_str() == Some(**word)).copied();
            found.ok_or_else(|| no_such_word(field, value, words))
        })
        .unwrap_or(default)
    }

    /// A list of these words, each at most once, in the order in which they were sent; `None` where it is missing. An
    /// empty one is a problem, and each entry that is none of them. Without `words` any text is one.
    pub fn choices(&mut self, field: &'static str, words: &[&str], most: usize) -> Option<Vec<String>> {
        let list = self.defaulted(field, |value| match value {
            Value::Array(list) if list.is_empty() => {
                let msg = "List should have at least 1 item after validation, not 0";
                let ctx = json!({ "field_type": "List", "min_length": 1, "actual_length": 0 });
                Err(Problem::of_field("too_short", field, msg, value).with(ctx))
            }
            Value::Array(list) if list.len() > most => {
                let msg =
                    format!("List should have at most {most} items after validation, not {}", list.len());
                let ctx = json!({ "field_type": "List", "max_length": most, "actual_length": list.len() });
                Err(Problem::of_field("too_long", field, msg, value).with(ctx))
            }
            Value::Array(list) => Ok(list.clone()),
            _ => Err(Problem::of_field("list_type", field, "Input should be a valid list", value)),
        })?;
        let mut found: Vec<String> = Vec::new();
        for (n, value) in list.iter().enumerate() {
            let known = |word: &&str| words.is_empty() || words.contains(word);
            match value.as_str().filter(known) {
                Some(word) if found.iter().any(|other| other == word) => {}
                Some(word) => found.push(word.to_owned()),
                None if words.is_empty() => {
                    let problem =
                        Problem::of_field("string_type", field, "Input should be a valid string", value);
                    self.problems.push(problem.at(n));
                }
                None => self.problems.push(no_such_word(field, value, words).at(n)),
            }
        }
        Some(found)
    }

    /// The fields of an object that may be missing or null, which are both nothing. What is wrong in it is said with
    /// its place in it. Gives the object as it was sent.
    pub fn within(
        &mut self,
        field: &'static str,
        form: impl FnOnce(&mut Self),
    ) -> Option<Map<String, Value>> {
        let object = self.optional(field, |value| match value {
            Value::Object(object) => Ok(object.clone()),
            _ => Err(Problem::of_field(
                "model_attributes_type",
                field,
                "Input should be a valid dictionary or object to extract fields from",
                value,
            )),
        })?;
        let mut inner = Self { object, problems: Vec::new() };
        form(&mut inner);
        for mut problem in inner.problems {
            problem.loc.insert(1, json!(field));
            self.problems.push(problem);
        }
        Some(inner.object)
    }

    /// A list that may be missing, of at most so many entries, whatever they are.
    pub fn list(&mut self, field: &'static str, most: usize) {
        self.defaulted(field, |value| match value {
            Value::Array(list) if list.len() <= most => Ok(()),
            Value::Array(list) => {
                let msg =
                    format!("List should have at most {most} items after validation, not {}", list.len());
                let ctx = json!({ "field_type": "List", "max_length": most, "actual_length": list.len() });
                Err(Problem::of_field("too_long", field, msg, value).with(ctx))
            }
            _ => Err(Problem::of_field("list_type", field, "Input should be a valid list", value)),
        });
    }

    /// An object; empty where it is missing.
    pub fn object(&mut self, field: &'static str) -> Map<String, Value> {
        self.defaulted(field, |value| match value {
            Value::Object(object) => Ok(object.clone()),
            _ => Err(Problem::of_field("dict_type", field, "Input should be a valid dictionary", value)),
        })
        .unwrap_or_default()
    }

    /// A list of at most so many texts of one rule; empty where it is missing.
    pub fn texts(&mut self, field: &'static str, rule: Text, most: usize) -> Vec<String> {
        self.defaulted(field, |value| {
            let Some(list) = value.as_array() else {
                return Err(Problem::of_field("list_type", field, "Input should be a valid list", value));
            };
            if list.len() > most {
                let msg =
                    format!("List should have at most {most} items after validation, not {}", list.len());
                let ctx = json!({ "field_type": "List", "max_length": most, "actual_length": list.len() });
                return Err(Problem::of_field("too_long", field, msg, value).with(ctx));
            }
            let item = |(n, value): (usize, &Value)| {
                text(field, value, rule).map_err(|mut problem| {
                    problem.loc.push(json!(n));
                    problem
                })
            };
            list.iter().enumerate().map(item).collect()
        })
        .unwrap_or_default()
    }

    /// Yes or no, or `None` where it is missing or null.
    pub fn flag(&mut self, field: &'static str) -> Option<bool> {
        self.optional(field, |value| {
            let wrong = || Problem::of_field("bool_type", field, "Input should be a valid boolean", value);
            value.as_bool().ok_or_else(wrong)
        })
    }

    /// An object that may be missing or null, which are both empty.
    pub fn optional_object(&mut self, field: &'static str) -> Map<String, Value> {
        if self.object.get(field).is_some_and(Value::is_null) { Map::new() } else { self.object(field) }
    }

    /// An object that may be missing or null, whose own fields are read in the same way.
    pub fn optional_part<T>(&mut self, field: &'static str, form: impl FnOnce(&mut Self) -> T) -> T {
        let mut part = Self { object: self.optional_object(field), problems: Vec::new() };
        let made = form(&mut part);
        self.problems.extend(part.problems.into_iter().map(|mut problem| {
            problem.loc.insert(1, json!(field));
            problem
        }));
        made
    }

    /// Missing is a problem.
    fn required<T>(
        &mut self,
        field: &'static str,
        check: impl FnOnce(&Value) -> Result<T, Problem>,
    ) -> Option<T> {
        let checked = match self.object.get(field) {
            Some(value) => check(value),
            None => Err(Problem::missing(field, &self.object)),
        };
        self.note(checked)
    }

    /// Missing and null are nothing.
    fn optional<T>(
        &mut self,
        field: &'static str,
        check: impl FnOnce(&Value) -> Result<T, Problem>,
    ) -> Option<T> {
        let checked = check(self.object.get(field).filter(|value| !value.is_null())?);
        self.note(checked)
    }

    /// Missing is nothing; null is a problem like any other wrong type.
    fn defaulted<T>(
        &mut self,
        field: &'static str,
        check: impl FnOnce(&Value) -> Result<T, Problem>,
    ) -> Option<T> {
        let checked = check(self.object.get(field)?);
        self.note(checked)
    }

    fn note<T>(&mut self, checked: Result<T, Problem>) -> Option<T> {
        checked.map_err(|problem| self.problems.push(problem)).ok()
    }
}

/// The words in the original's sentence: `'a', 'b' or 'c'`.
pub fn expected(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn no_such_word(field: &str, value: &Value, words: &[&str]) -> Problem {
    let expected = expected(words);
    let msg = format!("Input should be {expected}");
    Problem::of_field("literal_error", field, msg, value).with(json!({ "expected": expected }))
}

fn text(field: &str, value: &Value, rule: Text) -> Result<String, Problem> {
    let Some(given) = value.as_str() else {
        return Err(Problem::of_field("string_type", field, "Input should be a valid string", value));
    };
    if rule.chars > 0 && given.chars().take(rule.chars).count() < rule.chars {
        let plural = if rule.chars == 1 { "" } else { "s" };
        let msg = format!("String should have at least {} character{plural}", rule.chars);
        let ctx = json!({ "min_length": rule.chars });
        return Err(Problem::of_field("string_too_short", field, msg, value).with(ctx));
    }
    if given.len() > rule.bytes {
        // Ours is a bound on memory, so it counts bytes; in ASCII the two are one.
        let msg = format!("String should have at most {} bytes", rule.bytes);
        let ctx = json!({ "max_length": rule.bytes });
        return Err(Problem::of_field("string_too_long", field, msg, value).with(ctx));
    }
    Ok(given.to_owned())
}

/// As the original's framework: a whole number, also with `.0`, and one in a text.
fn integer(field: &str, value: &Value) -> Result<i64, Problem> {
    let problem = |kind, msg: &str| Problem::of_field(kind, field, msg, value);
    match value {
        Value::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(whole), _) => Ok(whole),
            (None, Some(f)) if f.fract() == 0.0 && f.abs() < 9.0e15 =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                Ok(f as i64)
            }
            _ => Err(problem(
                "int_from_float",
                "Input should be a valid integer, got a number with a fractional part",
            )),
        },
        Value::String(digits) => digits.trim().parse().map_err(|_| {
            problem("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
        }),
        _ => Err(problem("int_type", "Input should be a valid integer")),
    }
}

fn number(field: &str, value: &Value) -> Result<f64, Problem> {
    let problem = |kind, msg: &str| Problem::of_field(kind, field, msg, value);
    match value {
        Value::Number(n) => n.as_f64().ok_or_else(|| problem("float_type", "Input should be a valid number")),
        Value::String(digits) => {
            digits.trim().parse().ok().filter(|f: &f64| f.is_finite()).ok_or_else(|| {
                problem("float_parsing", "Input should be a valid number, unable to parse string as a number")
            })
        }
        _ => Err(problem("float_type", "Input should be a valid number")),
    }
}

fn within<N>(field: &str, value: &Value, number: N, range: &RangeInclusive<N>) -> Result<N, Problem>
where
    N: PartialOrd + Copy + std::fmt::Display + serde::Serialize,
{
    if number < *range.start() {
        let msg = format!("Input should be greater than or equal to {}", range.start());
        let problem = Problem::of_field("greater_than_equal", field, msg, value);
        return Err(problem.with(json!({ "ge": range.start() })));
    }
    if number > *range.end() {
        let msg = format!("Input should be less than or equal to {}", range.end());
        let problem = Problem::of_field("less_than_equal", field, msg, value);
        return Err(problem.with(json!({ "le": range.end() })));
    }
    Ok(number)
}
