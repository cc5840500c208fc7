//! Measures retrieval on labelled questions: which passages should have been found, and which were.

pub mod metrics;

use std::collections::BTreeMap;

use headwater_core::port::{SharedEmbedder, SharedStore};
use headwater_core::{Error, UserId};
use serde::Deserialize;

use self::metrics::{Measures, mean, measure};
use crate::cut::{Cutting, Strategy, cut};
use crate::ingest::Text;
use crate::retrieve::{Question, retrieve};

/// The shipped questions, a JSON object a line.
pub const SHIPPED_QUESTIONS: &str = include_str!("../assets/eval/questions.jsonl");

/// A section that should be found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Label {
    /// The document's name.
    pub source: String,
    /// The section's own heading.
    pub heading: String,
    /// 2: answers the question; 1: helps.
    #[serde(default = "answers")]
    pub grade: u32,
}

fn answers() -> u32 {
    2
}

/// A question whose answer is known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Labelled {
    /// As somebody asks it.
    pub question: String,
    /// What kind of question it is: the figures are shown for each kind.
    #[serde(default)]
    pub kind: String,
    /// The question before it, where it cannot be understood alone.
    #[serde(default)]
    pub previous: Option<String>,
    /// What should be found; never empty.
    pub relevant: Vec<Label>,
}

/// Reads labelled questions; keys that mean nothing here are skipped.
///
/// # Errors
/// Everything that is wrong, a line each.
pub fn questions(jsonl: &str) -> Result<Vec<Labelled>, Vec<String>> {
    let (mut questions, mut problems) = (Vec::new(), Vec::new());
    for (n, line) in jsonl.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let n = n + 1;
        match serde_json::from_str::<Labelled>(line) {
            Ok(q) if q.relevant.is_empty() => problems.push(format!("line {n}: `relevant` is empty")),
            Ok(q) if q.relevant.iter().any(|l| !(1..=3).contains(&l.grade)) => {
                problems.push(format!("line {n}: a grade must be 1 to 3"));
            }
            Ok(q) => questions.push(q),
            Err(e) => problems.push(format!("line {n}: {e}")),
        }
    }
    if questions.is_empty() && problems.is_empty() {
        problems.push("there is no question".to_owned());
    }
    if problems.is_empty() { Ok(questions) } else { Err(problems) }
}

/// The labels that name no section of these documents: a question with one of them could never be answered.
#[must_use]
pub fn unknown(questions: &[Labelled], documents: &[Text]) -> Vec<String> {
    let mut known: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for document in documents {
        let sections = cut(&document.text, Cutting::usual(Strategy::Markdown)).unwrap_or_default();
        let headings = sections.into_iter().map(|s| last(&s.heading).to_owned()).collect();
        known.insert(&document.source, headings);
    }
    let labels = questions.iter().flat_map(|q| q.relevant.iter().map(move |l| (q, l)));
    let missing =
        labels.filter(|(_, l)| !known.get(l.source.as_str()).is_some_and(|h| h.contains(&l.heading)));
    missing.map(|(q, l)| format!("`{}`: {} has no section `{}`", q.question, l.source, l.heading)).collect()
}

/// The heading right above a passage.
fn last(path: &str) -> &str {
    path.rsplit(" > ").next().unwrap_or(path)
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The means over all questions.
    pub all: Measures,
    /// The means over each kind, and how many questions it has.
    pub kinds: BTreeMap<String, (usize, Measures)>,
    /// The questions for which nothing relevant was found.
    pub missed: Vec<String>,
}

/// Asks every question of what is in the store and looks at `k` passages of each answer. `progress` hears
/// how many questions have been asked.
///
/// # Errors
/// The store's.
pub async fn evaluate(
    store: &SharedStore,
    embedder: Option<&SharedEmbedder>,
    questions: &[Labelled],
    asker: &UserId,
    k: usize,
    mut progress: impl FnMut(usize),
) -> Result<Report, Error> {
    let mut measured = Vec::with_capacity(questions.len());
    let mut missed = Vec::new();
    for (n, labelled) in questions.iter().enumerate() {
        // As the assistant does with a question that points back.
        let text = match &labelled.previous {
            Some(previous) => format!("{previous} {}", labelled.question),
            None => labelled.question.clone(),
        };
        // Every passage, however unlikely: the order is what is measured.
        let wanted = Question {
            owner: asker.clone(),
            text,
            top_k: k,
            min_score: 0.0,
            document_type: None,
            source: None,
            folder: None,
        };
        let found = retrieve(store, embedder, wanted).await?;
        let ranking: Vec<Option<usize>> = found
            .iter()
            .map(|p| {
                let belongs = |l: &Label| l.source == p.source && l.heading == last(&p.heading);
                labelled.relevant.iter().position(belongs)
            })
            .collect();
        let grades: Vec<u32> = labelled.relevant.iter().map(|l| l.grade).collect();
        let one = measure(&ranking, &grades, k);
        if one.hit == 0.0 {
            missed.push(labelled.question.clone());
        }
        measured.push((labelled.kind.clone(), one));
        progress(n + 1);
    }
    let mut by_kind: BTreeMap<String, Vec<Measures>> = BTreeMap::new();
    for (kind, one) in &measured {
        by_kind.entry(kind.clone()).or_default().push(*one);
    }
    let kinds = by_kind.into_iter().map(|(kind, of)| (kind, (of.len(), mean(&of)))).collect();
    Ok(Report { all: mean(measured.iter().map(|(_, m)| m)), kinds, missed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assistant::SHIPPED_DOCUMENTS;

    #[test]
    fn every_shipped_label_names_a_section() {
        let questions = questions(SHIPPED_QUESTIONS).unwrap();
        assert!(questions.len() >= 80);
        let documents: Vec<_> =
            SHIPPED_DOCUMENTS.iter().map(|(name, text)| Text::shared(*name, "manual", *text)).collect();
        assert_eq!(unknown(&questions, &documents), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_said_at_once() {
        let good = r#"{"question":"q","relevant":[{"source":"s","heading":"h","grade":1}]}"#;
        assert_eq!(questions(good).unwrap()[0].relevant[0].grade, 1);
        let bad = format!(
            "{good}\n{{}}\n{{\"question\":\"q\",\"relevant\":[]}}\n{}",
            good.replace("\"grade\":1", "\"grade\":9")
        );
        let problems = questions(&bad).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("line 2: "));
        assert_eq!(questions("\n").unwrap_err(), ["there is no question"]);
        let asked = questions(good).unwrap();
        assert_eq!(unknown(&asked, &[]), ["`q`: s has no section `h`"]);
    }
}
