//! Trees as they are typed, and every check before one is walked.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::tree::{Answer, Node, Tree};
use super::words::stems;
use super::{NAME_RULE, is_name};

/// Trees of an assistant, nodes of a tree and letters of a text: room for a shop manual's, and a bound on
/// what a prompt may be given.
const TREES: usize = 64;
const NODES: usize = 256;
const LETTERS: usize = 600;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedTree {
    name: String,
    title: String,
    #[serde(default)]
    agents: Vec<String>,
    words: Vec<String>,
    start: String,
    #[serde(default)]
    node: Vec<TypedNode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedNode {
    name: String,
    #[serde(default)]
    text: String,
    question: Option<String>,
    #[serde(default)]
    answers: Vec<TypedAnswer>,
    #[serde(default)]
    stop: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedAnswer {
    words: Vec<String>,
    to: String,
}

/// Everything that is wrong with the trees; `agents` are those of the assistant.
pub(super) fn problems(trees: &[TypedTree], agents: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    if trees.len() > TREES {
        problems.push(format!("there are {} trees: use at most {TREES}", trees.len()));
    }
    let (mut names, mut owner) = (HashSet::new(), HashMap::new());
    for tree in trees {
        let at = format!("tree \"{}\"", tree.name);
        if !is_name(&tree.name) {
            problems.push(format!("{at}: {NAME_RULE}"));
        }
        if !names.insert(&tree.name) {
            problems.push(format!("{at} stands twice"));
        }
        for agent in tree.agents.iter().filter(|a| !agents.contains(&a.as_str())) {
            problems.push(format!("{at}: there is no agent \"{agent}\""));
        }
        // The first tree would always win, and the second one look as if it worked.
        own_words(&at, &tree.words, &tree.name, &mut owner, &mut problems);
        tree.check(&at, &mut problems);
    }
    problems
}

/// Words of which each belongs to one owner.
fn own_words<'a>(
    at: &str,
    words: &[String],
    name: &'a str,
    owner: &mut HashMap<Vec<String>, &'a str>,
    problems: &mut Vec<String>,
) {
    if words.is_empty() {
        problems.push(format!("{at}: `words` is empty"));
    }
    for word in words {
        let stems = stems(word);
        if stems.is_empty() {
            problems.push(format!("{at}: \"{word}\" has no letter or digit"));
        } else if let Some(other) = owner.insert(stems, name) {
            problems.push(format!("{at}: \"{word}\" stands twice, the other time for \"{other}\""));
        }
    }
}

impl TypedTree {
    fn check(&self, at: &str, problems: &mut Vec<String>) {
        if self.title.trim().is_empty() {
            problems.push(format!("{at}: `title` is empty"));
        }
        if self.node.len() > NODES {
            problems.push(format!("{at} has {} nodes: use at most {NODES}", self.node.len()));
        }
        let mut nodes: HashMap<&str, &TypedNode> = HashMap::new();
        for node in &self.node {
            let at = format!("{at}, node \"{}\"", node.name);
            if !is_name(&node.name) {
                problems.push(format!("{at}: {NAME_RULE}"));
            }
            if nodes.insert(&node.name, node).is_some() {
                problems.push(format!("{at} stands twice"));
            }
            node.check(&at, problems);
        }
        let targets =
            self.node.iter().flat_map(|n| n.answers.iter().map(|a| (n.name.as_str(), a.to.as_str())));
        for (from, to) in targets.clone().filter(|(_, to)| !nodes.contains_key(to)) {
            problems.push(format!("{at}, node \"{from}\": an answer leads to \"{to}\", which is no node"));
        }
        if !nodes.contains_key(self.start.as_str()) {
            problems.push(format!("{at}: `start` is \"{}\", which is no node", self.start));
            return;
        }
        let mut seen = HashSet::new();
        if let Some(round) = goes_round(&self.start, &nodes, &mut seen) {
            problems.push(format!("{at}: the answers lead round in a circle at \"{round}\""));
        }
        for node in self.node.iter().filter(|n| !seen.contains(n.name.as_str())) {
            problems.push(format!("{at}, node \"{}\": no answer leads to it", node.name));
        }
    }

    pub(super) fn into_tree(self) -> Tree {
        let place = |name: &str| self.node.iter().position(|n| n.name == name).unwrap_or_default();
        let all = |list: &[String]| list.iter().map(|w| stems(w)).collect::<Vec<_>>();
        let nodes = self.node.iter().map(|node| Node {
            name: node.name.clone(),
            text: node.text.trim().to_owned(),
            question: node.question.as_ref().map(|q| q.trim().to_owned()),
            stop: node.stop,
            answers: node
                .answers
                .iter()
                .map(|a| Answer { label: a.words.join(", "), words: all(&a.words), to: place(&a.to) })
                .collect(),
        });
        let (nodes, words, start) = (nodes.collect(), all(&self.words), place(&self.start));
        Tree { name: self.name, title: self.title, agents: self.agents, words, nodes, start }
    }
}

impl TypedNode {
    fn check(&self, at: &str, problems: &mut Vec<String>) {
        let question = self.question.as_deref().map(str::trim);
        for text in [Some(self.text.trim()), question].into_iter().flatten() {
            if text.len() > LETTERS {
                problems.push(format!("{at}: a text has {} letters: use at most {LETTERS}", text.len()));
            }
        }
        match question {
            Some("") => problems.push(format!("{at}: `question` is empty")),
            Some(_) if self.answers.len() < 2 => {
                problems.push(format!("{at} asks a question and has fewer than two `answers`"));
            }
            Some(_) if self.stop => {
                problems.push(format!("{at}: `stop` belongs to a node without a question"))
            }
            None if !self.answers.is_empty() => {
                problems.push(format!("{at} has `answers` and no `question`"));
            }
            None if self.text.trim().is_empty() => {
                problems.push(format!("{at} has neither `text` nor `question`: it is a dead end"));
            }
            Some(_) | None => {}
        }
        let mut owner = HashMap::new();
        for answer in &self.answers {
            own_words(at, &answer.words, &answer.to, &mut owner, problems);
        }
    }
}

/// The first node that can be reached from itself, where there is one. `seen` is what can be reached.
fn goes_round<'a>(
    start: &'a str,
    nodes: &HashMap<&'a str, &'a TypedNode>,
    seen: &mut HashSet<&'a str>,
) -> Option<&'a str> {
    // Without recursion: the file is somebody's. A node is entered and, behind its answers, left.
    let (mut path, mut open, mut round) = (HashSet::new(), vec![(start, false)], None);
    while let Some((name, left)) = open.pop() {
        if left {
            path.remove(name);
            continue;
        }
        if path.contains(name) {
            round = round.or(Some(name));
            continue;
        }
        if !seen.insert(name) {
            continue;
        }
        path.insert(name);
        open.push((name, true));
        let answers = nodes.get(name).map(|n| n.answers.as_slice()).unwrap_or_default();
        open.extend(
            answers.iter().filter_map(|a| nodes.get_key_value(a.to.as_str())).map(|(to, _)| (*to, false)),
        );
    }
    round
}
