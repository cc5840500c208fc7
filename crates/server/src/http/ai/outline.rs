//! What a model wrote as JSON. Models put it between fences, and words around it: the fence is taken off, and the
//! first list is read that has the wanted form.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Beginnings of a list that are tried: each is read to its end.
const TRIES: usize = 32;

/// A point of an outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::http) struct Bullet {
    /// What it says.
    pub(super) text: String,
    /// The points below it.
    pub(super) children: Vec<Bullet>,
}

/// The outline in an answer, to so many levels; what is below them is left out.
///
/// # Errors
/// Why there is none.
pub(super) fn bullets(answer: &str, levels: usize) -> Result<Vec<Bullet>, String> {
    first(answer, |value| points(value, levels))
}

/// The list of texts in an answer.
///
/// # Errors
/// Why there is none.
pub(super) fn texts(answer: &str) -> Result<Vec<String>, String> {
    first(answer, |value| Some(points(value, 1)?.into_iter().map(|point| point.text).collect()))
}

fn first<T>(answer: &str, read: impl Fn(&Value) -> Option<T>) -> Result<T, String> {
    let mut why = None;
    // A fence inside of a text may be no fence: then the whole is looked at.
    for text in [unfenced(answer), answer] {
        let mut rest = text;
        for _ in 0..TRIES {
            let Some(at) = rest.find('[') else { break };
            rest = &rest[at..];
            let mut lists = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            // What was read is not looked into again: a part of a broken list is not the list.
            let read_to = match lists.next() {
                Some(Ok(value)) => {
                    if let Some(found) = read(&value) {
                        return Ok(found);
                    }
                    why = why.or(Some("a point of its list has no text".to_owned()));
                    lists.byte_offset()
                }
                // A bracket in a sentence.
                Some(Err(error)) if !begins_a_list(rest) => {
                    why = why.or(Some(error.to_string()));
                    1
                }
                Some(Err(error)) => {
                    why = why.or(Some(error.to_string()));
                    break;
                }
                None => break,
            };
            rest = &rest[read_to..];
        }
    }
    Err(why.unwrap_or_else(|| "it has no JSON list".to_owned()))
}

/// Whether what follows the bracket is what follows it in JSON of ours.
fn begins_a_list(text: &str) -> bool {
    text[1..].trim_start().starts_with(['{', '"', '[', ']'])
}

/// What stands between the first fence and the next, without the language behind the first.
fn unfenced(answer: &str) -> &str {
    let Some((_, inside)) = answer.split_once("```") else { return answer };
    let inside = inside.split_once("```").map_or(inside, |(inside, _)| inside);
    let word = inside.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(0);
    &inside[word..]
}

/// A point may be its text alone, or say that it has no children by leaving them out.
fn points(value: &Value, levels: usize) -> Option<Vec<Bullet>> {
    let point = |value: &Value| {
        let (text, children) = match value {
            Value::String(text) => (text, None),
            Value::Object(point) => (
                match point.get("text")? {
                    Value::String(text) => text,
                    _ => return None,
                },
                point.get("children").filter(|c| !c.is_null()),
            ),
            _ => return None,
        };
        let children = match children {
            Some(children) if levels > 1 => points(children, levels - 1)?,
            _ => Vec::new(),
        };
        (!text.trim().is_empty()).then(|| Bullet { text: text.trim().to_owned(), children })
    };
    value.as_array()?.iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bullet(text: &str, children: Vec<Bullet>) -> Bullet {
        Bullet { text: text.to_owned(), children }
    }

    #[test]
    fn a_list_is_found_in_whatever_a_model_puts_around_it() {
        let want = vec![bullet("a", vec![bullet("b", vec![])])];
        let list = r#"[{"text":"a","children":[{"text":"b","children":[]}]}]"#;
        for answer in [
            list.to_owned(),
            format!("```json\n{list}\n```"),
            format!("Here it is [1]:\n```\n{list}\n```\nAnything else?"),
            format!("Sure! {list} I hope [it] helps."),
            format!("```json\n{list}"),
            r#"[{"text":" a ","children":["b"]}]"#.to_owned(),
            r#"[{"text":"a","children":[{"text":"b","children":null}]}]"#.to_owned(),
        ] {
            assert_eq!(bullets(&answer, 3), Ok(want.clone()), "{answer}");
        }
        let fence = r#"["a fence is ```json", "b"]"#;
        assert_eq!(texts(fence).unwrap(), ["a fence is ```json", "b"]);
        assert_eq!(texts(r#"```["a",{"text":"b"}]```"#).unwrap(), ["a", "b"]);
    }

    // Planted fault: `levels` passed on unchanged.
    #[test]
    fn levels_are_as_many_as_were_asked_for() {
        let mut deep = "[]".to_owned();
        for n in (1..=100).rev() {
            deep = format!(r#"[{{"text":"{n}","children":{deep}}}]"#);
        }
        assert!(bullets(&deep, 3).is_err(), "deeper than a reader of JSON goes");
        let shallow = r#"[{"text":"1","children":[{"text":"2","children":[{"text":"3"}]}]}]"#;
        assert_eq!(bullets(shallow, 1).unwrap(), [bullet("1", vec![])]);
        assert_eq!(bullets(shallow, 2).unwrap(), [bullet("1", vec![bullet("2", vec![])])]);
    }

    #[test]
    fn what_is_no_outline_says_why() {
        for (answer, why) in [
            ("I cannot do that.", "it has no JSON list"),
            ("", "it has no JSON list"),
            ("[1, 2]", "a point of its list has no text"),
            (r#"[{"title":"a"}]"#, "a point of its list has no text"),
            (r#"[{"text":"a","children":[{"text":"b","children":[]}]}"#, "EOF while parsing a list"),
            (r#"[{"text":"a","children":[]} {"text":"b"}]"#, "expected `,` or `]`"),
            ("[so to say", "expected value"),
        ] {
            let said = bullets(answer, 3).unwrap_err();
            assert!(said.contains(why), "{answer}: {said}");
        }
        let broken = "[".repeat(100_000);
        assert!(bullets(&broken, 3).is_err(), "and at once");
    }
}
