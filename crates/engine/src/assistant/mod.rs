//! An assistant as data: who answers, from which knowledge, with which words and warnings.
//!
//! Someone makes a new assistant by writing a TOML file (`docs/assistants.md`), never by writing Rust. What is typed
//! in the file and what the engine uses are two families of types: the `Typed…` ones mirror the file, the public
//! ones exist only after every check has passed, so no later code asks "what if there is no agent?".
//!
//! Everything here is pure: the router and the safety look-up see the text and nothing else, so the same question
//! always goes the same way, and a test can hold them to it.

#[cfg(test)]
mod care_tests;
mod check;
pub mod handoff;
#[cfg(test)]
mod tests;
pub mod tree;
mod tree_check;
#[cfg(test)]
mod tree_tests;
pub mod tutor_file;
pub(crate) mod words;
mod workshop;

use std::collections::HashSet;

use serde::Deserialize;

use self::check::{TypedAssistant, is_name};
use self::tree::{Place, Tree};
use self::words::{occurs, standing_alone, stems, words};
use crate::mask::Kinds;
use crate::tools::{Tool, Workshop};

/// The configuration of the assistant that ships with the product.
pub const SHIPPED: &str = include_str!("../../assets/assist.toml");

/// The manifest of the shipped knowledge base; see [`Knowledge::parse`].
pub const SHIPPED_MANIFEST: &str = include_str!("../../assets/knowledge/manifest.toml");

/// The shipped documents, file name and text, for an installation that has no folder of its own.
pub const SHIPPED_DOCUMENTS: [(&str, &str); 6] = [
    ("specs_genautox1_2024.md", include_str!("../../assets/knowledge/specs_genautox1_2024.md")),
    ("maintenance_guide_genautox1.md", include_str!("../../assets/knowledge/maintenance_guide_genautox1.md")),
    ("troubleshooting_guide.md", include_str!("../../assets/knowledge/troubleshooting_guide.md")),
    ("features_guide_genautox1.md", include_str!("../../assets/knowledge/features_guide_genautox1.md")),
    ("faq_genautox1.md", include_str!("../../assets/knowledge/faq_genautox1.md")),
    ("safety_manual_genautox1.md", include_str!("../../assets/knowledge/safety_manual_genautox1.md")),
];

/// What the evidence stands against when confidence is measured: a lone hint of weight 1 gives 0.67, a lone
/// strong word of weight 3 gives 0.95. Evidence for another agent lowers it further, by its square: 5 against
/// 2 is sure (0.85), 4 against 3 is not (0.63). A plain sum called half of what it got right unsure.
const DOUBT: f64 = 0.5;

/// The largest weight of a routing word; above it one word would silence any number of others.
const MAX_WEIGHT: f64 = 100.0;

/// What a name may be; told to the person whose file breaks it.
const NAME_RULE: &str = "a name is 1 to 32 lower-case letters, digits, - and _";

/// The placeholder in [`Safety`]'s format.
const TEXT: &str = "{text}";

/// A checked assistant. It has at least one agent, and its default agent exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Assistant {
    /// The name of the workflow: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The heading of the page.
    pub title: String,
    /// One or two sentences for the page.
    pub description: String,
    /// The manifest of the documents, relative to the assistant's file.
    pub knowledge: String,
    /// Questions that the page offers to a newcomer.
    pub suggestions: Vec<String>,
    /// How a model that can be trusted chooses the agent. Without it only the router decides.
    pub classifier: Option<Classifier>,
    /// How much of the knowledge base an answer sees.
    pub retrieval: Retrieval,
    /// How an answer is generated.
    pub answer: Answer,
    /// The workshop that the tools work for.
    pub workshop: Option<Workshop>,
    /// What belongs to a person and is kept out of models, of the log and of what is stored.
    pub masks: Kinds,
    /// When a person is asked to look at a question too; `None`: never.
    pub handoff: Option<handoff::Rules>,
    agents: Vec<Agent>,
    default: usize,
    safety: Option<Safety>,
    trees: Vec<Tree>,
}

/// The model's part in choosing an agent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// The instruction; it names every agent's intent, and the model answers with one of them.
    pub prompt: String,
    /// The alias of the model that is asked; the one that answers, where it is left out.
    #[serde(default)]
    pub model: Option<String>,
}

/// How much of the knowledge base an answer sees. A model's own token budget may lower it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retrieval {
    /// The most passages, 1 to 20.
    pub top_k: usize,
    /// The least relevance of a passage, 0 to 1.
    pub min_score: f64,
    /// The most tokens of passages in the prompt.
    pub max_context_tokens: usize,
}

impl Default for Retrieval {
    fn default() -> Self {
        Self { top_k: 5, min_score: 0.5, max_context_tokens: 3000 }
    }
}

/// How an answer is generated.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// The most tokens of an answer.
    pub max_tokens: usize,
    /// 0 is greedy: the same question gets the same answer.
    pub temperature: f64,
    /// The alias of the model that answers; the default one, where it is left out.
    pub model: Option<String>,
}

impl Default for Answer {
    fn default() -> Self {
        Self { max_tokens: 160, temperature: 0.0, model: None }
    }
}

/// A specialist.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// What clients see as `agent`.
    pub name: String,
    /// The upper-case word that the classifier answers with; what clients see as `classified_intent`.
    pub intent: String,
    /// The name for the page.
    pub title: String,
    /// The system prompt.
    pub prompt: String,
    /// What it may do besides answering; empty, or there is a workshop.
    pub tools: Vec<Tool>,
    words: Vec<RouteWord>,
}

/// A word or phrase that speaks for an agent.
#[derive(Debug, Clone, PartialEq)]
struct RouteWord {
    text: String,
    stems: Vec<String>,
    weight: f64,
}

/// The warnings that stand before an answer.
#[derive(Debug, Clone, PartialEq)]
struct Safety {
    format: String,
    rules: Vec<SafetyRule>,
}

#[derive(Debug, Clone, PartialEq)]
struct SafetyRule {
    words: Vec<Vec<String>>,
    agents: Vec<String>,
    text: String,
}

/// Where a question goes, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed<'a> {
    /// Who answers.
    pub agent: &'a Agent,
    /// The agent's intent, in upper case.
    pub intent: &'a str,
    /// How sure the router is, 0 to 1: the square of the agent's score against those of all scores and a
    /// constant doubt. 0 when no word matched.
    pub confidence: f64,
    /// The weights of the agent's words that were found, added up.
    pub score: f64,
    /// The words of the agent that were found, as the file spells them. Empty when the default agent was taken.
    pub matched: Vec<&'a str>,
}

impl Assistant {
    /// Reads and checks an assistant's file.
    ///
    /// # Errors
    /// Every problem that the file has, each as one line for the person who wrote it. A file that is no TOML, or has
    /// an unknown key or a value of the wrong type, gives that one problem, since nothing after it can be trusted.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let typed: TypedAssistant =
            toml::from_str(text).map_err(|e| vec![e.to_string().trim_end().to_owned()])?;
        typed.check()
    }

    /// The models that the file names and that are not there, each as one line for the person who wrote it.
    #[must_use]
    pub fn missing_models(&self, is_there: impl Fn(&str) -> bool) -> Vec<String> {
        let classifier = self.classifier.as_ref().and_then(|c| c.model.as_ref());
        [("answer", self.answer.model.as_ref()), ("classifier", classifier)]
            .into_iter()
            .filter_map(|(table, alias)| Some((table, alias.filter(|a| !is_there(a))?)))
            .map(|(table, alias)| {
                format!("[{table}] model: no model is configured under the name \"{alias}\"")
            })
            .collect()
    }

    /// The specialists, in the order of the file. Never empty.
    #[must_use]
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// The specialist of this name.
    #[must_use]
    pub fn agent(&self, name: &str) -> Option<&Agent> {
        self.agents.iter().find(|a| a.name == name)
    }

    /// Who answers when nothing points anywhere.
    #[must_use]
    pub fn default_agent(&self) -> &Agent {
        &self.agents[self.default]
    }

    /// Chooses the specialist by the words of the text alone; of equal scores the earlier agent of the file wins.
    #[must_use]
    pub fn route(&self, text: &str) -> Routed<'_> {
        let stems = stems(text);
        let known: Vec<Vec<&[String]>> =
            self.agents.iter().map(|a| a.words.iter().map(|w| w.stems.as_slice()).collect()).collect();
        let alone = standing_alone(&stems, &known);
        let (mut best, mut best_score, mut total) = (None, 0.0, 0.0);
        for (agent, alone) in self.agents.iter().zip(&alone) {
            let score: f64 = agent.found_in(alone).iter().map(|w| w.weight).sum();
            total += score * score;
            if score > best_score {
                (best, best_score) = (Some(agent), score);
            }
        }
        let agent = best.unwrap_or_else(|| self.default_agent());
        let found = self.agents.iter().zip(&alone).find(|(a, _)| a.name == agent.name);
        let found = found.map(|(_, alone)| agent.found_in(alone)).unwrap_or_default();
        Routed {
            agent,
            intent: &agent.intent,
            confidence: best_score * best_score / (total + DOUBT),
            score: best_score,
            matched: found.iter().map(|w| w.text.as_str()).collect(),
        }
    }

    /// Reads a classifier's reply: the agent whose intent it names, if it names exactly one.
    #[must_use]
    pub fn classified(&self, reply: &str) -> Option<&Agent> {
        let words: HashSet<String> = words(reply).map(str::to_uppercase).collect();
        let mut named = self.agents.iter().filter(|a| words.contains(&a.intent));
        let first = named.next()?;
        named.next().is_none().then_some(first)
    }

    /// The warning of the first safety rule whose words are in the text, whichever agent answers.
    #[must_use]
    pub fn safety(&self, text: &str) -> Option<&str> {
        self.rule(text, None).map(|r| r.text.as_str())
    }

    /// What an answer of this agent begins with, formatted, where a safety rule of that agent matches.
    #[must_use]
    pub fn safety_prefix(&self, agent: &str, text: &str) -> Option<String> {
        let format = &self.safety.as_ref()?.format;
        self.rule(text, Some(agent)).map(|r| format.replace(TEXT, &r.text))
    }

    /// An answer without the warning that it may begin with. A prompt shows earlier answers so: a small
    /// model takes a warning for the way in which answers begin.
    #[must_use]
    pub fn unwarned<'a>(&self, answer: &'a str) -> &'a str {
        let Some(safety) = &self.safety else { return answer };
        let prefixes = safety.rules.iter().map(|r| safety.format.replace(TEXT, &r.text));
        prefixes.filter_map(|p| answer.strip_prefix(p.as_str())).next().unwrap_or(answer)
    }

    /// Where a conversation stands in a tree: `said` are the person's earlier messages, oldest first.
    #[must_use]
    pub fn place(&self, said: &[&str], now: &str) -> Option<Place<'_>> {
        tree::place(&self.trees, said, now, |tree, text| {
            let routed = self.route(text);
            tree.agents.is_empty() || tree.agents.contains(&routed.agent.name)
        })
    }

    fn rule(&self, text: &str, agent: Option<&str>) -> Option<&SafetyRule> {
        let stems = stems(text);
        let applies = |r: &&SafetyRule| match agent {
            Some(name) => r.agents.is_empty() || r.agents.iter().any(|a| a == name),
            None => true,
        };
        let rules = self.safety.as_ref()?.rules.iter();
        rules.filter(applies).find(|r| r.words.iter().any(|w| occurs(w, &stems)))
    }
}

impl Agent {
    fn found_in<'a>(&'a self, alone: &HashSet<&[String]>) -> Vec<&'a RouteWord> {
        self.words.iter().filter(|w| alone.contains(w.stems.as_slice())).collect()
    }
}

/// The documents that an assistant answers from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knowledge {
    /// In the order of indexing.
    #[serde(rename = "document")]
    pub documents: Vec<Document>,
}

/// One document of a manifest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The file's name, beside the manifest; also the `source` that an answer cites.
    pub file: String,
    /// The document type that a search can ask for.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name for the page.
    pub title: String,
}

impl Knowledge {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// Every problem of the manifest, as [`Assistant::parse`] reports them.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let manifest: Self = toml::from_str(text).map_err(|e| vec![e.to_string().trim_end().to_owned()])?;
        let (mut problems, mut seen) = (Vec::new(), HashSet::new());
        for d in &manifest.documents {
            // A manifest is somebody's file: it must not reach outside its folder.
            if d.file.is_empty() || d.file.starts_with('.') || d.file.contains(['/', '\\', ':', '\0']) {
                problems.push(format!("document \"{}\": `file` must be a plain file name", d.file));
            }
            if !seen.insert(&d.file) {
                problems.push(format!("document \"{}\" is listed twice", d.file));
            }
            if d.kind.trim().is_empty() || d.title.trim().is_empty() {
                problems.push(format!("document \"{}\": `type` and `title` must not be empty", d.file));
            }
        }
        if manifest.documents.is_empty() {
            problems.push("the manifest lists no document".to_owned());
        }
        if problems.is_empty() { Ok(manifest) } else { Err(problems) }
    }
}
