//! A tutor as data: which words tell what a question is about, which model answers it, and what the model is told.
//!
//! Someone makes another tutor by writing a TOML file (`docs/tutor.md`). As with an [`Assistant`](super::Assistant)
//! what is typed and what is used are two families of types, and all that is wrong is said at once.

use std::collections::HashSet;

use headwater_core::limit;
use headwater_core::port::provider::Effort;
use serde::Deserialize;

use super::check::{Problems, TypedPrivacy, is_name};
use super::words::stems;
use super::{NAME_RULE, Retrieval};
use crate::mask::Kinds;
use crate::tutor::category::{self, Categories, is_sign};

/// The configuration of the tutor that ships with the product.
pub const SHIPPED_TUTOR: &str = include_str!("../../assets/tutor.toml");

/// What may stand in a prompt in braces, and what is put in its place.
const PLACES: [&str; 4] = ["{subject}", "{category}", "{difficulty}", "{guidance}"];

/// A checked tutor. Its default category exists.
#[derive(Debug, Clone, PartialEq)]
pub struct TutorFile {
    /// The name of the workflow: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The heading of a page.
    pub title: String,
    /// One or two sentences for a page.
    pub description: String,
    /// What a model is told, with places.
    pub prompt: String,
    /// What a tiny model is told in its place.
    pub tiny_prompt: String,
    /// How an answer is generated.
    pub answer: Answer,
    /// What of the conversation a model is given.
    pub context: Context,
    /// How much of the knowledge base, where that is asked for.
    pub retrieval: Retrieval,
    /// The alias of the model that is asked how a person feels; `None`: his words are measured here.
    pub emotion_model: Option<String>,
    /// What belongs to a person and is kept out of models, of the log and of what is stored.
    pub masks: Kinds,
    categories: Vec<Category>,
    by_words: Categories,
}

/// How an answer is generated.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// The most tokens of an answer.
    pub max_tokens: u32,
    /// 0 is greedy.
    pub temperature: f64,
    /// The alias of the model for what no category gives to another; the default one, where it is left out.
    pub model: Option<String>,
    /// How much a model is to think where steps of thinking are asked for; as its provider has it, where it is left
    /// out.
    pub effort: Option<Effort>,
}

impl Default for Answer {
    fn default() -> Self {
        Self { max_tokens: limit::ANSWER_TOKENS, temperature: 0.3, model: None, effort: None }
    }
}

/// What of the conversation a model is given. A model's own token budget may lower it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Context {
    /// The newest messages, at most; 0 to [`limit::HISTORY_MESSAGES`].
    pub messages: usize,
    /// Their tokens, at most.
    pub tokens: usize,
    /// Earlier ones that are about the same, at most; 0 looks for none.
    pub similar: usize,
    /// The least cosine of those, 0 to 1.
    pub similarity: f64,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            messages: limit::HISTORY_MESSAGES,
            tokens: limit::LESSON_TOKENS,
            similar: limit::SIMILAR_MESSAGES,
            similarity: 0.7,
        }
    }
}

/// What a question may be about.
#[derive(Debug, Clone, PartialEq)]
pub struct Category {
    /// What clients see.
    pub name: String,
    /// The alias of the model that answers.
    pub model: Option<String>,
    /// What a model is told beside the prompt, with places.
    pub prompt: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedTutor {
    name: String,
    title: String,
    description: String,
    default: String,
    prompt: String,
    tiny_prompt: String,
    #[serde(default)]
    answer: Answer,
    #[serde(default)]
    context: Context,
    #[serde(default)]
    retrieval: Retrieval,
    #[serde(default)]
    emotion: TypedEmotion,
    #[serde(default)]
    privacy: TypedPrivacy,
    #[serde(default)]
    category: Vec<TypedCategory>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedEmotion {
    model: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedCategory {
    name: String,
    #[serde(default)]
    words: Vec<String>,
    model: Option<String>,
    prompt: Option<String>,
}

impl TutorFile {
    /// Reads and checks a tutor's file.
    ///
    /// # Errors
    /// Every problem that the file has, as [`Assistant::parse`](super::Assistant::parse) reports them.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let typed: TypedTutor =
            toml::from_str(text).map_err(|e| vec![e.to_string().trim_end().to_owned()])?;
        typed.check()
    }

    /// The models that the file names and that are not there, each as one line for the person who wrote it.
    #[must_use]
    pub fn missing_models(&self, is_there: impl Fn(&str) -> bool) -> Vec<String> {
        let rows = self.categories.iter().map(|c| (format!("category \"{}\"", c.name), c.model.as_ref()));
        [
            ("[answer]".to_owned(), self.answer.model.as_ref()),
            ("[emotion]".to_owned(), self.emotion_model.as_ref()),
        ]
        .into_iter()
        .chain(rows)
        .filter_map(|(table, alias)| Some((table, alias.filter(|a| !is_there(a))?)))
        .map(|(table, alias)| format!("{table} model: no model is configured under the name \"{alias}\""))
        .collect()
    }

    /// The categories, in the order of the file. Never empty.
    #[must_use]
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// What a question is about, by its words alone; the default where they say nothing.
    #[must_use]
    pub fn category(&self, text: &str) -> &Category {
        let name = self.by_words.of(text);
        // The default was checked to be there.
        self.categories.iter().find(|c| c.name == name).unwrap_or(&self.categories[0])
    }
}

impl TypedTutor {
    fn check(self) -> Result<TutorFile, Vec<String>> {
        let mut problems = Problems::default();
        self.check_settings(&mut problems);
        self.check_categories(&mut problems);
        let words = self.category.iter();
        let words = words.map(|c| category::Category { name: c.name.clone(), words: c.words.clone() });
        let by_words = match Categories::new(words.collect(), &self.default) {
            Ok(by_words) if problems.0.is_empty() => by_words,
            Ok(_) => return Err(problems.0),
            // What the checks above say too is said in their words alone.
            Err(found) if problems.0.is_empty() => return Err(found),
            Err(_) => return Err(problems.0),
        };
        Ok(TutorFile {
            by_words,
            masks: self.privacy.kinds(),
            categories: self
                .category
                .into_iter()
                .map(|c| Category { name: c.name, model: c.model, prompt: c.prompt })
                .collect(),
            name: self.name,
            title: self.title,
            description: self.description,
            prompt: self.prompt,
            tiny_prompt: self.tiny_prompt,
            answer: self.answer,
            context: self.context,
            retrieval: self.retrieval,
            emotion_model: self.emotion.model,
        })
    }

    fn check_settings(&self, p: &mut Problems) {
        p.need(is_name(&self.name), || format!("name \"{}\": {NAME_RULE}", self.name));
        for (key, value) in [("title", &self.title), ("description", &self.description)] {
            p.need(!value.trim().is_empty(), || format!("`{key}` is empty"));
        }
        check_prompt("`prompt`", &self.prompt, p);
        check_prompt("`tiny_prompt`", &self.tiny_prompt, p);
        // Without one of them the difficulty would be worked out for nobody.
        for (key, prompt) in [("prompt", &self.prompt), ("tiny_prompt", &self.tiny_prompt)] {
            p.need(prompt.contains("{difficulty}") || prompt.contains("{guidance}"), || {
                format!("`{key}` must contain {{difficulty}} or {{guidance}}")
            });
        }
        self.retrieval.check(p);
        let a = &self.answer;
        let most = limit::ANSWER_TOKENS_MAX;
        p.need((1..=most).contains(&a.max_tokens), || {
            format!("answer.max_tokens is {}: use 1 to {most}", a.max_tokens)
        });
        p.need((0.0..=2.0).contains(&a.temperature), || {
            format!("answer.temperature is {}: use 0 to 2", a.temperature)
        });
        let c = &self.context;
        let most = limit::HISTORY_MESSAGES;
        p.need(c.messages <= most, || format!("context.messages is {}: use 0 to {most}", c.messages));
        p.need((1..=200_000).contains(&c.tokens), || {
            format!("context.tokens is {}: use 1 to 200000", c.tokens)
        });
        p.need(c.similar <= most, || format!("context.similar is {}: use 0 to {most}", c.similar));
        p.need((0.0..=1.0).contains(&c.similarity), || {
            format!("context.similarity is {}: use 0 to 1", c.similarity)
        });
        self.privacy.check(p);
    }

    fn check_categories(&self, p: &mut Problems) {
        let count = self.category.len();
        p.need((1..=limit::CATEGORIES).contains(&count), || {
            format!("there are {count} [[category]]: use 1 to {}", limit::CATEGORIES)
        });
        let (mut names, mut seen) = (HashSet::new(), HashSet::new());
        for category in &self.category {
            let at = format!("category \"{}\"", category.name);
            p.need(is_name(&category.name), || format!("{at}: {NAME_RULE}"));
            p.need(names.insert(&category.name), || format!("{at} stands twice"));
            if let Some(prompt) = &category.prompt {
                check_prompt(&format!("{at}: `prompt`"), prompt, p);
            }
            // A category that no word leads to is never taken, unless it is the default.
            p.need(!category.words.is_empty() || category.name == self.default, || {
                format!("{at}: `words` is empty")
            });
            for word in &category.words {
                // A sign is looked for as it is.
                let key = if is_sign(word) { vec![word.to_lowercase()] } else { stems(word) };
                p.need(!key.is_empty(), || format!("{at}: \"{word}\" has no letter or digit"));
                // One word for two categories speaks for neither.
                p.need(key.is_empty() || seen.insert(key), || {
                    format!("{at}: \"{word}\" stands twice, perhaps in another form or category")
                });
            }
        }
        p.need(names.contains(&self.default), || {
            format!("default \"{}\" is not the name of a category", self.default)
        });
    }
}

fn check_prompt(at: &str, prompt: &str, p: &mut Problems) {
    p.need(!prompt.trim().is_empty(), || format!("{at} is empty"));
    let most = limit::TUTOR_PROMPT_BYTES;
    p.need(prompt.len() <= most, || format!("{at} is longer than {most} bytes"));
    for place in places(prompt) {
        p.need(PLACES.contains(&place), || {
            format!("{at}: there is no {place}; there are: {}", PLACES.join(", "))
        });
    }
}

/// Everything that is written as a place is: braces around one word. Other braces are text, as in code.
fn places(prompt: &str) -> impl Iterator<Item = &str> {
    prompt.match_indices('{').filter_map(|(at, _)| {
        let rest = &prompt[at..];
        let end = rest.find('}')?;
        let word = rest.get(1..end)?;
        let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        is_word.then(|| &rest[..=end])
    })
}

/// A prompt with every place filled, in one pass: what is put in is never looked at for places.
#[must_use]
pub(crate) fn filled(prompt: &str, values: [&str; PLACES.len()]) -> String {
    let mut text = String::with_capacity(prompt.len());
    let mut rest = prompt.trim();
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        match PLACES.iter().zip(values).find(|(place, _)| rest.starts_with(**place)) {
            Some((place, value)) => {
                text.push_str(value);
                rest = &rest[place.len()..];
            }
            None => {
                text.push('{');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_shipped_file_has_the_categories_of_the_contract_and_knows_them_by_words() {
        let file = TutorFile::parse(SHIPPED_TUTOR).unwrap();
        let names: Vec<_> = file.categories().iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["coding", "math", "reasoning", "research", "empathy", "general"]);
        for (question, category) in [
            ("Why does my Python function return None?", "coding"),
            ("How do I solve the quadratic equation x^2 = 4?", "math"),
            ("What follows logically from these premises?", "reasoning"),
            ("Find sources and studies on sleep", "research"),
            ("I feel overwhelmed and stressed", "empathy"),
            ("What is photosynthesis?", "general"),
        ] {
            assert_eq!(file.category(question).name, category, "{question}");
        }
        assert_eq!(file.context, Context::default());
        assert!(file.missing_models(|_| false).is_empty());
    }

    // Planted fault: `general` taken for the default, whatever the file calls it: such a file could not be read.
    #[test]
    fn the_default_is_the_one_of_the_file_and_needs_no_words() {
        let text = SHIPPED_TUTOR.replace("default = \"general\"", "default = \"rest\"").replace(
            "name = \"general\"",
            "name = \"general\"\nwords = [\"weather\"]\n[[category]]\nname = \"rest\"",
        );
        let file = TutorFile::parse(&text).unwrap();
        for (question, category) in [("How is the weather?", "general"), ("What is photosynthesis?", "rest")]
        {
            assert_eq!(file.category(question).name, category, "{question}");
        }
    }

    // Planted fault: the check ends at the first problem.
    #[test]
    fn all_that_is_wrong_is_said_at_once_and_unknown_keys_are_refused() {
        let text = SHIPPED_TUTOR
            .replace("name = \"tutor\"", "name = \"The Tutor\"")
            .replace("{guidance}", "{guidence}")
            .replace("similarity = 0.7", "similarity = 7")
            .replace("default = \"general\"", "default = \"generel\"");
        let problems = TutorFile::parse(&text).unwrap_err();
        for part in [
            "name \"The Tutor\"",
            "`prompt`: there is no {guidence}",
            "context.similarity is 7",
            "default \"generel\"",
        ] {
            assert!(problems.iter().any(|p| p.contains(part)), "{part}: {problems:#?}");
        }
        let typo = SHIPPED_TUTOR.replace("[context]", "[contxt]");
        assert!(TutorFile::parse(&typo).unwrap_err()[0].contains("contxt"));
    }

    #[test]
    fn a_model_that_is_not_there_is_named_with_its_place() {
        let text =
            format!("{SHIPPED_TUTOR}\n[[category]]\nname = \"art\"\nwords = [\"paint\"]\nmodel = \"big\"\n")
                .replace("[emotion]", "[emotion]\nmodel = \"small\"");
        let file = TutorFile::parse(&text).unwrap();
        assert_eq!(
            file.missing_models(|alias| alias == "default"),
            [
                "[emotion] model: no model is configured under the name \"small\"",
                "category \"art\" model: no model is configured under the name \"big\""
            ]
        );
    }

    // Planted fault: places filled one after the other: a subject named `{guidance}` is filled too.
    #[test]
    fn what_is_put_into_a_prompt_is_not_looked_at_for_places() {
        let text = filled("{subject}: {difficulty} {x} {guidance}", ["{guidance}", "c", "Easy", "slowly"]);
        assert_eq!(text, "{guidance}: Easy {x} slowly");
    }
}
