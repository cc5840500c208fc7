//! What a model is told that is to answer with JSON. One example each, because small models follow an example where
//! they do not follow a rule.

use headwater_core::port::provider::{PromptMessage, Role};

/// A text as an outline of so many levels.
pub(super) fn outline(text: &str, levels: usize) -> Vec<PromptMessage> {
    let depth = match levels {
        1 => "There is one level: every \"children\" is empty.".to_owned(),
        n => format!("There are at most {n} levels."),
    };
    let system = format!(
        "You turn a text into an outline. Answer with JSON alone, without a word before or after it: a list of points, \
         each {{\"text\": \"…\", \"children\": […]}}, where the children are points of the same form. {depth} Write short \
         points in the language of the text."
    );
    let example = match levels {
        1 => {
            r#"[{"text":"Bread needs flour, water and salt","children":[]},{"text":"Knead, then bake at 230 degrees","children":[]}]"#
        }
        _ => {
            r#"[{"text":"Ingredients","children":[{"text":"Flour","children":[]},{"text":"Water","children":[]},{"text":"Salt","children":[]}]},{"text":"Method","children":[{"text":"Knead for ten minutes","children":[]},{"text":"Bake at 230 degrees","children":[]}]}]"#
        }
    };
    let asked = |text: &str| format!("Text:\n{text}");
    let known = "Bread needs flour, water and salt. Knead it for ten minutes, then bake it at 230 degrees.";
    conversation(system, asked(known), example, asked(text))
}

/// Points below this one, which has these beside it, in this surrounding.
pub(super) fn expansion(point: &str, siblings: &[String], parent: Option<&str>) -> Vec<PromptMessage> {
    let system = "You add points below a point of an outline. Answer with JSON alone, without a word before or after \
                  it: a list of three to five short texts in the language of the point, such as [\"…\", \"…\"]. Do not \
                  repeat what stands beside it."
        .to_owned();
    let known = asked("Ingredients", &["Method".to_owned()], Some("Bread"));
    conversation(system, known, r#"["Flour","Water","Salt"]"#, asked(point, siblings, parent))
}

fn asked(point: &str, siblings: &[String], parent: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(parent) = parent.filter(|p| !p.trim().is_empty()) {
        text += &format!("Above it: {parent}\n");
    }
    if !siblings.is_empty() {
        text += &format!("Beside it: {}\n", siblings.join("; "));
    }
    text + &format!("Point: {point}")
}

fn conversation(system: String, known: String, example: &str, asked: String) -> Vec<PromptMessage> {
    vec![
        PromptMessage::new(Role::System, system),
        PromptMessage::new(Role::User, known),
        PromptMessage::new(Role::Assistant, example),
        PromptMessage::new(Role::User, asked),
    ]
}
