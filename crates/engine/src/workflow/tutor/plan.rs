//! What a question is about, and so who answers it: by its words, at once, before anything is waited for.

use std::borrow::Cow;
use std::sync::Arc;

use headwater_core::event::Body;
use headwater_core::port::provider::SharedProvider;

use super::Tutor;
use crate::ask::{Lesson, Special, StartRun};
use crate::assistant::tutor_file::Category;
use crate::mask::mask;
use crate::workflow::prompt;

/// What is known of a turn from its words alone.
pub(super) struct Plan<'a> {
    pub category: &'a Category,
    /// Who is asked.
    pub provider: &'a SharedProvider,
    pub lesson: Lesson,
    /// What the person asks, as a model may see it.
    pub asked: Cow<'a, str>,
    /// The same as it was said, for what is looked up here and stays here.
    pub said: &'a str,
    /// What is learned of him is learned of his ability in this.
    pub subject: String,
    /// Tokens of the prompt that are known now: the instructions and the question.
    tokens: u64,
}

impl Tutor {
    /// The model of that alias; the default one where it is not there, which whoever makes a tutor has looked for.
    pub(super) fn answering(&self, alias: Option<&str>) -> &SharedProvider {
        let alias = alias.or(self.file.answer.model.as_deref());
        self.models.find(alias).unwrap_or_else(|_| self.models.default_one())
    }

    pub(super) fn plan<'a>(&'a self, ask: &'a StartRun) -> Plan<'a> {
        let lesson = match &ask.special {
            Special::Lesson(lesson) => lesson.clone(),
            Special::Nothing | Special::Job(_) | Special::Both => Lesson::default(),
        };
        let said = ask.message.trim();
        let category = self.file.category(said);
        let provider = self.answering(category.model.as_deref());
        let asked = mask(said, self.file.masks);
        let subject = subject(lesson.subject.as_deref(), &category.name);
        let subject = mask(&subject, self.file.masks).into_owned();
        let tiny = prompt::is_tiny(provider.as_ref());
        let told = if tiny { &self.file.tiny_prompt } else { &self.file.prompt };
        let tokens = provider.count_tokens(told) + provider.count_tokens(&asked);
        Plan { category, provider, lesson, asked, said, subject, tokens: tokens as u64 }
    }
}

impl Plan<'_> {
    pub(super) fn event(&self) -> Body {
        Body::Categorized {
            category: self.category.name.clone(),
            provider: Arc::clone(self.provider).info().name,
            estimated_tokens: Some(self.tokens),
        }
    }
}

/// Under which name is learned what a client says that a lesson is about, or the question's category where it says
/// nothing: `Linear  Algebra ` and `linear algebra` are one.
#[must_use]
pub fn subject(said: Option<&str>, category: &str) -> String {
    let words: Vec<String> = said.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
    if words.is_empty() { category.to_owned() } else { words.join(" ") }
}
