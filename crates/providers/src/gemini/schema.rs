//! JSON Schema in the words that Gemini's function declarations know. They are a part of OpenAPI's, and a word
//! too many makes the host refuse the whole request: what it does not know is said in others where there are
//! any, and left out where there are none.

use std::cell::Cell;

use headwater_core::limit::{TOOL_SCHEMA_LEVELS, TOOL_SCHEMA_PARTS};
use headwater_core::port::provider::ToolSpec;
use serde_json::{Map, Value, json};

/// Words that mean the same there.
const SAME: &[&str] =
    &["description", "minItems", "maxItems", "minimum", "maximum", "minLength", "maxLength", "pattern"];

/// A tool as it is offered. One without parameters says nothing of them: an object of no fields is refused.
pub(super) fn declare(tool: &ToolSpec) -> Value {
    let mut offered = Map::new();
    offered.insert("name".into(), tool.name.clone().into());
    offered.insert("description".into(), tool.description.clone().into());
    let parameters = Whole::of(&tool.parameters).translate(&tool.parameters, 0);
    if parameters.get("properties").is_some() {
        offered.insert("parameters".into(), parameters.into());
    }
    offered.into()
}

/// The schema in which references are looked up.
struct Whole<'a> {
    root: &'a Value,
    /// Parts that may still be written: one that refers to itself twice would double with each level.
    left: Cell<usize>,
}

impl<'a> Whole<'a> {
    fn of(root: &'a Value) -> Self {
        Self { root, left: Cell::new(TOOL_SCHEMA_PARTS) }
    }

    fn translate(&self, schema: &Value, level: usize) -> Map<String, Value> {
        let mut out = Map::new();
        let Some(schema) = schema.as_object() else { return out };
        if level == TOOL_SCHEMA_LEVELS || self.left.get() == 0 {
            out.insert("type".into(), "OBJECT".into());
            return out;
        }
        self.left.set(self.left.get() - 1);
        let at = |schema: &Value| self.translate(schema, level + 1);
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            out = target.strip_prefix('#').and_then(|p| self.root.pointer(p)).map(at).unwrap_or_default();
        }
        for part in list(schema, "allOf") {
            merge(&mut out, at(part));
        }
        for word in SAME {
            out.extend(schema.get(*word).map(|v| ((*word).to_owned(), v.clone())));
        }
        if let Some(properties) =
            schema.get("properties").and_then(Value::as_object).filter(|p| !p.is_empty())
        {
            let properties = properties.iter().map(|(name, s)| (name.clone(), at(s).into()));
            let required = schema.get("required").cloned();
            let own = [("properties".to_owned(), Value::Object(properties.collect()))];
            let required = required.filter(|r| r.as_array().is_some_and(|r| !r.is_empty()));
            merge(&mut out, own.into_iter().chain(required.map(|r| ("required".to_owned(), r))).collect());
        }
        if let Some(items) = schema.get("items").filter(|i| i.is_object()) {
            out.insert("items".into(), at(items).into());
        }
        name_type(schema, &mut out);
        values(schema, &mut out);
        let mut choices: Vec<Value> =
            list(schema, "anyOf").chain(list(schema, "oneOf")).map(|s| at(s).into()).collect();
        let before = choices.len();
        choices.retain(|c| c.get("type") != Some(&json!("NULL")));
        if choices.len() < before {
            out.insert("nullable".into(), true.into());
        }
        match (choices.len(), choices.pop()) {
            (1, Some(Value::Object(only))) => merge(&mut out, only),
            (_, Some(last)) => {
                choices.push(last);
                out.remove("type");
                out.insert("anyOf".into(), choices.into());
            }
            (_, None) => {}
        }
        // A list says what is in it, or is refused.
        if out.get("type") == Some(&json!("ARRAY")) && !out.contains_key("items") {
            out.insert("items".into(), json!({ "type": "STRING" }));
        }
        out
    }
}

/// The type in capitals; several are a choice, and `null` among them is a mark.
fn name_type(schema: &Map<String, Value>, out: &mut Map<String, Value>) {
    let mut types: Vec<String> = match schema.get("type") {
        Some(Value::String(one)) => vec![one.to_ascii_uppercase()],
        Some(Value::Array(many)) => {
            many.iter().filter_map(|t| Some(t.as_str()?.to_ascii_uppercase())).collect()
        }
        _ if out.contains_key("type") => return,
        _ if out.contains_key("properties") => vec!["OBJECT".to_owned()],
        _ if out.contains_key("items") => vec!["ARRAY".to_owned()],
        _ => Vec::new(),
    };
    if types.len() > 1 && types.iter().any(|t| t == "NULL") {
        types.retain(|t| t != "NULL");
        out.insert("nullable".into(), true.into());
    }
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    match types.as_slice() {
        [] => {}
        [one] => {
            let known: &[&str] = match one.as_str() {
                "STRING" => &["date-time"],
                "NUMBER" => &["float", "double"],
                "INTEGER" => &["int32", "int64"],
                _ => &[],
            };
            if known.contains(&format) {
                out.insert("format".into(), format.into());
            } else if !format.is_empty() {
                note(out, &format!("Format: {format}."));
            }
            out.insert("type".into(), one.as_str().into());
        }
        many => {
            let choices: Vec<Value> = many.iter().map(|t| json!({ "type": t })).collect();
            out.insert("anyOf".into(), choices.into());
        }
    }
}

/// The values that may be. The host knows lists of texts alone; others are told in words.
fn values(schema: &Map<String, Value>, out: &mut Map<String, Value>) {
    let only = schema.get("const").map(|v| vec![v.clone()]);
    let Some(mut all) = only.or_else(|| schema.get("enum")?.as_array().cloned()) else { return };
    if all.len() > 1 && all.contains(&Value::Null) {
        all.retain(|v| !v.is_null());
        out.insert("nullable".into(), true.into());
    }
    if all.iter().all(|v| v.as_str().is_some_and(|s| !s.is_empty())) {
        out.insert("type".into(), "STRING".into());
        out.insert("enum".into(), all.into());
    } else {
        let words: Vec<String> = all.iter().map(Value::to_string).collect();
        note(out, &format!("One of: {}.", words.join(", ")));
    }
}

fn note(out: &mut Map<String, Value>, words: &str) {
    let before = out.get("description").and_then(Value::as_str).unwrap_or_default();
    let space = if before.is_empty() { "" } else { " " };
    out.insert("description".into(), format!("{before}{space}{words}").into());
}

/// Takes over what another schema says; fields of both, and what either requires.
fn merge(out: &mut Map<String, Value>, other: Map<String, Value>) {
    for (word, value) in other {
        match (out.get_mut(&word), value) {
            (Some(Value::Object(mine)), Value::Object(more)) => mine.extend(more),
            (Some(Value::Array(mine)), Value::Array(more)) if word == "required" => {
                mine.extend(more.into_iter().filter(|m| !mine.contains(m)).collect::<Vec<_>>());
            }
            (Some(Value::String(_)), _) if word == "description" => {}
            (_, value) => {
                out.insert(word, value);
            }
        }
    }
}

fn list<'a>(schema: &'a Map<String, Value>, word: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(word).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(schema: Value) -> Value {
        Whole::of(&schema).translate(&schema, 0).into()
    }

    #[test]
    fn what_the_host_does_not_know_is_said_in_words_that_it_knows() {
        let spec = ToolSpec {
            name: "book".into(),
            description: "Books.".into(),
            parameters: json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Book", "type": "object",
                "additionalProperties": false, "required": ["day"],
                "properties": {
                    "day": {"type": "string", "format": "date", "description": "When.", "examples": ["x"]},
                    "type": {"const": "visit"},
                    "count": {"type": ["integer", "null"], "format": "uint8", "exclusiveMinimum": 0, "maximum": 9},
                    "size": {"enum": [1, 2]},
                    "who": {"oneOf": [{"$ref": "#/$defs/Name"}, {"type": "null"}]},
                    "tags": {"type": "array"}, "either": {"type": ["string", "number"]},
                },
                "$defs": {"Name": {"type": "string", "minLength": 1, "default": ""}},
            }),
        };
        assert_eq!(
            declare(&spec),
            json!({"name": "book", "description": "Books.", "parameters": {
                "type": "OBJECT", "required": ["day"], "properties": {
                    "day": {"type": "STRING", "description": "When. Format: date."},
                    "type": {"type": "STRING", "enum": ["visit"]},
                    "count": {"type": "INTEGER", "nullable": true, "maximum": 9, "description": "Format: uint8."},
                    "size": {"description": "One of: 1, 2."},
                    "who": {"type": "STRING", "minLength": 1, "nullable": true},
                    "tags": {"type": "ARRAY", "items": {"type": "STRING"}},
                    "either": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]},
                },
            }})
        );
        for nothing in [json!({"type": "object", "properties": {}}), json!(true), json!({}), json!(null)] {
            let bare = ToolSpec { parameters: nothing, ..spec.clone() };
            assert_eq!(declare(&bare), json!({"name": "book", "description": "Books."}));
        }
    }

    #[test]
    fn parts_are_put_together_and_what_refers_to_itself_ends() {
        let both = json!({"allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"type": "number", "format": "double"}}, "required": ["a", "b"]},
        ]});
        assert_eq!(
            of(both),
            json!({"type": "OBJECT", "required": ["a", "b"], "properties": {
                "a": {"type": "STRING"}, "b": {"type": "NUMBER", "format": "double"},
            }})
        );
        let tree = json!({"type": "object", "properties": {"child": {"$ref": "#"}}});
        assert!(of(tree).to_string().len() < 2_000);
        assert_eq!(of(json!({"$ref": "#"})), json!({"type": "OBJECT"}));
        assert_eq!(of(json!({"$ref": "https://elsewhere"})), json!({}));
        // Without the count of parts it would be 65,536 of them.
        let twigs: Map<String, Value> =
            ["a", "b", "c", "d"].map(|n| (n.to_owned(), json!({"$ref": "#"}))).into_iter().collect();
        let bush = json!({"type": "object", "properties": twigs});
        assert!(of(bush).to_string().len() < 300 * TOOL_SCHEMA_PARTS);
        assert_eq!(
            of(
                json!({"anyOf": [{"type": "string"}, {"type": "object", "properties": {"x": {"type": "boolean"}}}]})
            ),
            json!({"anyOf": [{"type": "STRING"}, {"type": "OBJECT", "properties": {"x": {"type": "BOOLEAN"}}}]})
        );
    }
}
