//! Troubleshooting trees: questions that lead, answer by answer, to advice. Data of an assistant, walked
//! without a model, so the same conversation always leads to the same place.
//!
//! Nothing is remembered between turns: the walk is done anew over what the person said in the session.
//! That is cheap, it survives every restart, and it cannot disagree with the conversation.

use super::words::{occurs, stems, words};

/// A tree. Its nodes are checked: every answer leads to a node, every node is reached, nothing goes round.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// Its name in the file.
    pub name: String,
    /// What it is about, for people and models.
    pub title: String,
    /// The agents that may use it.
    pub agents: Vec<String>,
    pub(super) words: Vec<Vec<String>>,
    pub(super) nodes: Vec<Node>,
    pub(super) start: usize,
}

/// A question or an advice.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name in the tree.
    pub name: String,
    /// What is said here.
    pub text: String,
    /// What is asked here; none at a leaf.
    pub question: Option<String>,
    /// Whether the car is to stand still. Leaves only.
    pub stop: bool,
    pub(super) answers: Vec<Answer>,
}

/// What a person may say at a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub label: String,
    pub words: Vec<Vec<String>>,
    pub to: usize,
}

/// Where a conversation stands in a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place<'a> {
    /// The tree.
    pub tree: &'a Tree,
    /// The node that was reached with the last message.
    pub node: &'a Node,
    /// The message that began it: where the earlier ones have it, its index; `None` for the last message.
    pub begun_by: Option<usize>,
}

/// What stands behind advice after which the car must not be driven.
const STAND: &str = "Do not drive on.";

impl Node {
    /// What is said at this node.
    #[must_use]
    pub fn say(&self) -> String {
        let parts = [Some(self.text.as_str()), self.stop.then_some(STAND), self.question.as_deref()];
        let parts: Vec<&str> = parts.into_iter().flatten().filter(|p| !p.is_empty()).collect();
        parts.join(" ")
    }
}

impl Tree {
    /// The node and what its answers lead to, for a model.
    #[must_use]
    pub fn passage(&self, node: &Node) -> String {
        let mut lines = vec![format!("{}: {}", self.title, node.say())];
        for answer in &node.answers {
            lines.push(format!("- {}: {}", answer.label, self.nodes[answer.to].say()));
        }
        lines.join("\n")
    }

    /// How many of the tree's words stand in the text.
    fn matches(&self, text: &[String]) -> usize {
        self.words.iter().filter(|w| occurs(w, text)).count()
    }

    /// As far as these words lead from a node. A word answers one question only: a single "yes" must not
    /// answer the next one too.
    fn walk(&self, from: usize, mut text: Vec<String>) -> usize {
        let mut at = from;
        // Of equal answers the earlier in the file.
        while let Some(answer) = self.nodes[at].answers.iter().rev().max_by_key(|a| a.matches(&text)) {
            if answer.matches(&text) == 0 {
                break;
            }
            for phrase in &answer.words {
                while let Some(n) = text.windows(phrase.len()).position(|w| w == phrase.as_slice()) {
                    // A gap stays, so that the words beside it do not become neighbours.
                    text.splice(n..n + phrase.len(), [String::new()]);
                }
            }
            at = answer.to;
        }
        at
    }
}

impl Answer {
    fn matches(&self, text: &[String]) -> usize {
        self.words.iter().filter(|w| occurs(w, text)).count()
    }
}

/// Walks through what a person said in a session, `said` before and `now`. `allowed` says whether an agent
/// of the tree would answer this message.
///
/// A tree begins with a message that reports something and has one of its words. It goes on while messages
/// answer its questions, ends with its advice, and is left when the person speaks of something else.
pub(super) fn place<'a>(
    trees: &'a [Tree],
    said: &[&str],
    now: &str,
    allowed: impl Fn(&Tree, &str) -> bool,
) -> Option<Place<'a>> {
    let mut place: Option<Place<'a>> = None;
    for (n, text) in said.iter().copied().chain([now]).enumerate() {
        let begun_by = (n < said.len()).then_some(n);
        let stems = stems(text);
        // After its advice a tree has nothing more to say: no answer leads on from there.
        if let Some(open) = place.take() {
            let from = open.tree.nodes.iter().position(|node| std::ptr::eq(node, open.node)).unwrap_or(0);
            let to = open.tree.walk(from, stems.clone());
            if to != from && (!asks(text) || allowed(open.tree, text)) {
                place = Some(Place { node: &open.tree.nodes[to], ..open });
                continue;
            }
        }
        let fits = |tree: &&Tree| tree.matches(&stems) > 0 && reports(text, tree) && allowed(tree, text);
        // Of equal ones the earlier in the file.
        let best = trees.iter().filter(fits).rev().max_by_key(|tree| tree.matches(&stems));
        place = best.map(|tree| {
            let node = tree.walk(tree.start, stems.clone());
            Place { tree, node: &tree.nodes[node], begun_by }
        });
    }
    place
}

/// Words with which a question begins.
const ASKING: [&str; 29] = [
    "what", "what's", "how", "why", "which", "where", "when", "who", "whose", "can", "could", "may", "might",
    "should", "shall", "will", "would", "is", "isn't", "are", "was", "were", "does", "do", "did", "has",
    "have", "tell", "explain",
];

/// Whether the whole message is a question.
fn asks(text: &str) -> bool {
    sentences(text).all(is_question)
}

/// Whether one of its sentences reports what the tree is about, rather than asks about it: who asks what a
/// light means wants the manual's answer and not a question in return.
fn reports(text: &str, tree: &Tree) -> bool {
    sentences(text).any(|s| !is_question(s) && tree.matches(&stems(s)) > 0)
}

/// The sentences of a text, each with the sign that ends it.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['.', '!', '?', '\n'])
        .map(str::trim)
        .filter(|s| s.chars().any(char::is_alphanumeric))
}

fn is_question(sentence: &str) -> bool {
    let first = words(sentence).next().unwrap_or_default().to_lowercase().replace('’', "'");
    sentence.ends_with('?') || ASKING.contains(&first.as_str())
}
