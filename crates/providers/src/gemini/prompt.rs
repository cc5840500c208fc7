//! The lines of a prompt as Gemini's contents: the operator's apart, what tools answer as one content behind
//! the calls, and a model's line in the parts that it had.

use headwater_core::port::provider::{PromptMessage, ProviderError, ProviderErrorKind, Role, ToolCall};
use serde_json::{Value, json};

use super::signed;

/// The parts of the system instruction, and the contents. `strict` is a model that wants signatures.
///
/// # Errors
/// `Refused` for a prompt in which nobody asks anything, and for a tool's answer to a call that is not there.
pub(super) fn write(
    lines: &[PromptMessage],
    strict: bool,
) -> Result<(Vec<Value>, Vec<Value>), ProviderError> {
    let (mut system, mut contents) = (Vec::new(), Vec::new());
    let mut called: &[ToolCall] = &[];
    // Answers of tools: as many parts as there were calls, in one content, or the host refuses them.
    let mut answers: Vec<Value> = Vec::new();
    for line in lines {
        if line.role != Role::Tool && !answers.is_empty() {
            contents.push(content("user", std::mem::take(&mut answers)));
        }
        let text = (!line.content.is_empty()).then(|| json!({ "text": line.content }));
        match line.role {
            Role::System => system.extend(text),
            Role::User => contents.extend(text.map(|text| content("user", vec![text]))),
            Role::Assistant => {
                called = &line.tool_calls;
                let parts = signed::parts(&line.content, &line.tool_calls, &line.replay, strict);
                if !parts.is_empty() {
                    contents.push(content("model", parts));
                }
            }
            Role::Tool => answers.push(answer(line, called)?),
        }
    }
    if !answers.is_empty() {
        contents.push(content("user", answers));
    }
    if contents.is_empty() {
        return Err(refused("the prompt asks nothing: this provider wants a line of a person in it"));
    }
    Ok((system, contents))
}

fn content(role: &str, parts: Vec<Value>) -> Value {
    json!({ "role": role, "parts": parts })
}

/// What a tool answered. The host matches it by name, and by the id where it knows ids.
fn answer(line: &PromptMessage, called: &[ToolCall]) -> Result<Value, ProviderError> {
    let id = line.tool_call_id.as_deref().unwrap_or_default();
    let call = called.iter().find(|c| c.id == id);
    let call = call.ok_or_else(|| refused("the prompt holds a tool's answer without the call before it"))?;
    // The host reads an object. What is none is put into one under the name that it knows for it.
    let response = match serde_json::from_str(&line.content) {
        Ok(object @ Value::Object(_)) => object,
        _ => json!({ "output": line.content }),
    };
    Ok(json!({ "functionResponse": { "id": id, "name": call.name, "response": response } }))
}

fn refused(words: &str) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Refused, words)
}
