//! What is typed in the file, and every check before it is used; all that is wrong is said at once.

use std::collections::HashSet;

use serde::Deserialize;

use super::handoff::TypedHandoff;
use super::tree_check::{self, TypedTree};
use super::words::{stems, words};
use super::workshop::TypedWorkshop;
use super::*;
use crate::mask::Kind;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedAssistant {
    name: String,
    title: String,
    description: String,
    default: String,
    knowledge: String,
    #[serde(default)]
    suggestions: Vec<String>,
    classifier: Option<Classifier>,
    #[serde(default)]
    retrieval: Retrieval,
    #[serde(default)]
    answer: Answer,
    #[serde(default)]
    agent: Vec<TypedAgent>,
    safety: Option<TypedSafety>,
    workshop: Option<TypedWorkshop>,
    #[serde(default)]
    privacy: TypedPrivacy,
    handoff: Option<TypedHandoff>,
    #[serde(default)]
    tree: Vec<TypedTree>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedPrivacy {
    /// All of them where it is left out: a new assistant protects people until somebody decides otherwise.
    mask: Option<Vec<String>>,
}

impl TypedPrivacy {
    pub(super) fn kinds(&self) -> Kinds {
        let Some(words) = &self.mask else { return Kinds::ALL };
        let kinds = Kind::ALL.into_iter().filter(|k| words.iter().any(|w| w == k.word()));
        kinds.fold(Kinds::NONE, Kinds::with)
    }

    pub(super) fn check(&self, p: &mut Problems) {
        let known = Kind::ALL.map(Kind::word);
        for word in self.mask.iter().flatten() {
            p.need(known.contains(&word.as_str()), || {
                format!("privacy.mask: there is no \"{word}\"; there are: {}", known.join(", "))
            });
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedAgent {
    name: String,
    intent: String,
    title: String,
    prompt: String,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    words: Vec<TypedWords>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedWords {
    weight: f64,
    words: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedSafety {
    format: String,
    #[serde(default)]
    rule: Vec<TypedRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedRule {
    name: String,
    words: Vec<String>,
    #[serde(default)]
    agents: Vec<String>,
    text: String,
}

/// What is wrong with a file, one line each.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<String>);

impl Problems {
    pub(super) fn need(&mut self, ok: bool, problem: impl FnOnce() -> String) {
        if !ok {
            self.0.push(problem());
        }
    }
}

impl Retrieval {
    pub(super) fn check(&self, p: &mut Problems) {
        p.need((1..=20).contains(&self.top_k), || format!("retrieval.top_k is {}: use 1 to 20", self.top_k));
        p.need((0.0..=1.0).contains(&self.min_score), || {
            format!("retrieval.min_score is {}: use 0 to 1", self.min_score)
        });
        let tokens = self.max_context_tokens;
        p.need((1..=200_000).contains(&tokens), || {
            format!("retrieval.max_context_tokens is {tokens}: use 1 to 200000")
        });
    }
}

impl TypedAssistant {
    pub(super) fn check(self) -> Result<Assistant, Vec<String>> {
        let mut problems = Problems::default();
        self.check_settings(&mut problems);
        self.check_agents(&mut problems);
        self.check_safety(&mut problems);
        self.check_tools(&mut problems);
        self.check_care(&mut problems);
        let workshop = self.workshop.as_ref().map(|w| w.check(&mut problems.0));
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        Ok(Assistant {
            default: self.agent.iter().position(|a| a.name == self.default).unwrap_or_default(),
            name: self.name,
            title: self.title,
            description: self.description,
            knowledge: self.knowledge,
            suggestions: self.suggestions,
            classifier: self.classifier,
            retrieval: self.retrieval,
            answer: self.answer,
            agents: self.agent.into_iter().map(TypedAgent::into_agent).collect(),
            safety: self.safety.map(TypedSafety::into_safety),
            workshop: workshop.flatten(),
            masks: self.privacy.kinds(),
            handoff: self.handoff.and_then(TypedHandoff::into_rules),
            trees: self.tree.into_iter().map(TypedTree::into_tree).collect(),
        })
    }

    fn check_settings(&self, p: &mut Problems) {
        p.need(is_name(&self.name), || format!("name \"{}\": {NAME_RULE}", self.name));
        for (key, value) in
            [("title", &self.title), ("description", &self.description), ("knowledge", &self.knowledge)]
        {
            p.need(!value.trim().is_empty(), || format!("`{key}` is empty"));
        }
        p.need(self.suggestions.iter().all(|s| !s.trim().is_empty()), || {
            "`suggestions` has an empty question".into()
        });
        p.need(self.suggestions.len() <= 12, || "`suggestions` has more than 12 questions".into());
        self.retrieval.check(p);
        let a = &self.answer;
        p.need((1..=100_000).contains(&a.max_tokens), || {
            format!("answer.max_tokens is {}: use 1 to 100000", a.max_tokens)
        });
        p.need((0.0..=2.0).contains(&a.temperature), || {
            format!("answer.temperature is {}: use 0 to 2", a.temperature)
        });
    }

    fn check_agents(&self, p: &mut Problems) {
        p.need(!self.agent.is_empty(), || "there is no [[agent]]".into());
        let (mut names, mut intents) = (HashSet::new(), HashSet::new());
        for agent in &self.agent {
            let at = format!("agent \"{}\"", agent.name);
            p.need(is_name(&agent.name), || format!("{at}: {NAME_RULE}"));
            p.need(names.insert(&agent.name), || format!("{at} stands twice"));
            p.need(is_intent(&agent.intent), || {
                format!("{at}: `intent` must be one word of upper-case letters")
            });
            p.need(intents.insert(&agent.intent), || {
                format!("{at}: another agent has the intent {}", agent.intent)
            });
            p.need(!agent.title.trim().is_empty(), || format!("{at}: `title` is empty"));
            p.need(!agent.prompt.trim().is_empty(), || format!("{at}: `prompt` is empty"));
            let mut seen = HashSet::new();
            for group in &agent.words {
                let w = group.weight;
                p.need(w > 0.0 && w <= MAX_WEIGHT, || {
                    format!("{at}: weight {w} is not above 0 and at most {MAX_WEIGHT}")
                });
                for word in &group.words {
                    let stems = stems(word);
                    p.need(!stems.is_empty(), || format!("{at}: \"{word}\" has no letter or digit"));
                    // It would count twice, silently.
                    p.need(seen.insert(stems), || {
                        format!("{at}: \"{word}\" stands twice, perhaps in another form")
                    });
                }
            }
        }
        p.need(names.contains(&self.default), || {
            format!("default \"{}\" is not the name of an agent", self.default)
        });
        if let Some(classifier) = &self.classifier {
            let found: HashSet<&str> = words(&classifier.prompt).collect();
            for agent in &self.agent {
                let intent = agent.intent.as_str();
                p.need(found.contains(intent), || {
                    format!("classifier.prompt does not name the intent {intent}")
                });
            }
        }
    }

    fn check_tools(&self, p: &mut Problems) {
        for agent in &self.agent {
            let at = format!("agent \"{}\"", agent.name);
            let mut seen = HashSet::new();
            for name in &agent.tools {
                p.need(Tool::parse(name).is_some(), || {
                    let known: Vec<_> = Tool::ALL.iter().map(|t| t.name()).collect();
                    format!("{at}: there is no tool \"{name}\"; there are: {}", known.join(", "))
                });
                p.need(seen.insert(name), || format!("{at}: the tool \"{name}\" stands twice"));
            }
            p.need(agent.tools.is_empty() || self.workshop.is_some(), || {
                format!("{at}: has `tools`, and there is no [workshop] that they could work for")
            });
        }
    }

    fn check_care(&self, p: &mut Problems) {
        self.privacy.check(p);
        p.0.extend(self.handoff.iter().flat_map(TypedHandoff::problems));
        let agents: Vec<&str> = self.agent.iter().map(|a| a.name.as_str()).collect();
        p.0.extend(tree_check::problems(&self.tree, &agents));
    }

    fn check_safety(&self, p: &mut Problems) {
        let Some(safety) = &self.safety else { return };
        p.need(safety.format.matches(TEXT).count() == 1, || {
            format!("safety.format must contain {TEXT} once")
        });
        let mut names = HashSet::new();
        for rule in &safety.rule {
            let at = format!("safety rule \"{}\"", rule.name);
            p.need(is_name(&rule.name), || format!("{at}: {NAME_RULE}"));
            p.need(names.insert(&rule.name), || format!("{at} stands twice"));
            p.need(!rule.text.trim().is_empty(), || format!("{at}: `text` is empty"));
            // A rule that can never match looks like protection and is none.
            let usable = !rule.words.is_empty() && rule.words.iter().all(|w| !stems(w).is_empty());
            p.need(usable, || format!("{at}: `words` needs at least one, and each needs a letter or digit"));
            for name in &rule.agents {
                p.need(self.agent.iter().any(|a| a.name == *name), || {
                    format!("{at}: there is no agent \"{name}\"")
                });
            }
        }
    }
}

impl TypedAgent {
    fn into_agent(self) -> Agent {
        let words = self.words.into_iter().flat_map(|group| {
            let weight = group.weight;
            group.words.into_iter().map(move |text| RouteWord { stems: stems(&text), text, weight })
        });
        let words = words.collect();
        let tools = self.tools.iter().filter_map(|name| Tool::parse(name)).collect();
        Agent { name: self.name, intent: self.intent, title: self.title, prompt: self.prompt, tools, words }
    }
}

impl TypedSafety {
    fn into_safety(self) -> Safety {
        let rule = |r: TypedRule| SafetyRule {
            words: r.words.iter().map(|w| stems(w)).collect(),
            agents: r.agents,
            text: r.text,
        };
        Safety { format: self.format, rules: self.rule.into_iter().map(rule).collect() }
    }
}

pub(super) fn is_name(s: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=32).contains(&s.len()) && s.chars().all(allowed)
}

fn is_intent(s: &str) -> bool {
    (1..=32).contains(&s.len()) && s.chars().all(|c| c.is_ascii_uppercase())
}
