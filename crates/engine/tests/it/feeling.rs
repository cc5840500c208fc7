//! How well feelings are guessed: the sample in `tests/data/emotion.tsv`, by words, by meaning and by both. The tables in
//! `docs/evaluation.md` are what these tests print (`--nocapture`).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use headwater_core::port::SharedEmbedder;
use headwater_core::port::embedder::Embedder;
use headwater_core::port::provider::ProviderError;
use headwater_engine::tutor::emotion::{By, Feelings};
use headwater_providers::local::MiniLm;
use parking_lot::Mutex;

const SAMPLE: &str = include_str!("../data/emotion.tsv");

struct Row {
    label: &'static str,
    development: bool,
    learner: bool,
    text: &'static str,
}

fn sample() -> Vec<Row> {
    let row = |line: &'static str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [label, part, voice, text] = columns[..] else { panic!("{line}") };
        assert!(["development", "test"].contains(&part) && ["learner", "other"].contains(&voice), "{line}");
        Row { label, development: part == "development", learner: voice == "learner", text }
    };
    SAMPLE.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

/// Shares, 0 to 1.
#[derive(Clone, Copy)]
struct Figures {
    n: usize,
    accuracy: f64,
    macro_f1: f64,
    top3: f64,
}

/// What a method does on the rows: the labels in the order in which it thinks them likely.
fn figures(rows: &[(&Row, Vec<&str>)]) -> Figures {
    let share = |hits: usize| hits as f64 / rows.len() as f64;
    let first = |label: &str| rows.iter().filter(|(_, said)| said.first() == Some(&label)).count();
    let mut labels: Vec<&str> = rows.iter().map(|(row, _)| row.label).collect();
    labels.sort_unstable();
    labels.dedup();
    let f1 = |label: &&str| {
        let right =
            rows.iter().filter(|(row, said)| row.label == *label && said.first() == Some(label)).count();
        let are = rows.iter().filter(|(row, _)| row.label == *label).count();
        2.0 * right as f64 / (are + first(label)) as f64
    };
    Figures {
        n: rows.len(),
        accuracy: share(rows.iter().filter(|(row, said)| said.first() == Some(&row.label)).count()),
        macro_f1: labels.iter().map(f1).sum::<f64>() / labels.len() as f64,
        top3: share(rows.iter().filter(|(row, said)| said.iter().take(3).any(|l| *l == row.label)).count()),
    }
}

async fn said<'a>(feelings: &Feelings, by: By, rows: &'a [Row]) -> Vec<(&'a Row, Vec<&'static str>)> {
    let mut all = Vec::new();
    for row in rows {
        // A text that has no emotion for the product is a miss here.
        let mut likely = feelings.likely(row.text, by).await.unwrap_or_default();
        likely.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.push((row, likely.into_iter().map(|(name, _)| name).collect()));
    }
    all
}

/// The figures of the test half, alone and beside another sentence, and a table of all of it.
async fn measured(feelings: &Feelings, by: By, name: &str) -> ([Figures; 2], String) {
    let rows = sample();
    let beside = among_others();
    let beside = figures(&self::said(feelings, by, &beside).await);
    let said = said(feelings, by, &rows).await;
    let of = |which: &dyn Fn(&Row) -> bool| {
        figures(&said.iter().filter(|(row, _)| which(row)).cloned().collect::<Vec<_>>())
    };
    let mut table = String::new();
    let mut line = |part: &str, f: Figures| {
        let (a, m, t) = (f.accuracy, f.macro_f1, f.top3);
        writeln!(table, "| {name} | {part} | {} | {a:.3} | {m:.3} | {t:.3} |", f.n).unwrap();
    };
    let test = of(&|row| !row.development);
    line("test", test);
    line("test, beside another sentence", beside);
    line("test, learners", of(&|row| !row.development && row.learner));
    line("development", of(&|row| row.development));
    ([test, beside], table)
}

/// Every row of the table is on the page, so that the page cannot say what is no longer so.
fn is_on_the_page(table: &str) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/evaluation.md");
    let page = std::fs::read_to_string(page).unwrap();
    for row in table.lines() {
        assert!(page.contains(row), "docs/evaluation.md has no row {row}\n{table}");
    }
}

fn model() -> Option<SharedEmbedder> {
    let folder = std::env::var_os("HEADWATER_MODELS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models")), PathBuf::from);
    let folder = folder.join("all-minilm-l6-v2");
    folder.is_dir().then(|| Arc::new(MiniLm::open(&folder).unwrap()) as SharedEmbedder)
}

/// An embedder that remembers: each method asks for the same vectors, and many at once take half the time.
struct Known {
    embedder: SharedEmbedder,
    vectors: Mutex<HashMap<String, Vec<f32>>>,
}

impl Known {
    async fn of_all(embedder: SharedEmbedder) -> Self {
        let known = Self { embedder, vectors: Mutex::default() };
        for rows in sample().chunks(64) {
            known.embed(rows.iter().map(|row| row.text.to_owned()).collect()).await.unwrap();
        }
        known
    }
}

#[async_trait]
impl Embedder for Known {
    fn id(&self) -> &str {
        self.embedder.id()
    }
    fn dimensions(&self) -> usize {
        self.embedder.dimensions()
    }
    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderError> {
        let mut new = texts.clone();
        new.retain(|text| !self.vectors.lock().contains_key(text));
        if !new.is_empty() {
            let vectors = self.embedder.embed(new.clone()).await?;
            self.vectors.lock().extend(new.into_iter().zip(vectors));
        }
        let vectors = self.vectors.lock();
        Ok(texts.iter().map(|text| vectors[text].clone()).collect())
    }
}

/// The test half, each sentence behind one that says nothing of its writer, as in a learner's usual message.
fn among_others() -> Vec<Row> {
    const BESIDE: [&str; 4] = [
        "What is the derivative of x squared?",
        "The second exercise asks for the area of a circle.",
        "I have to write an essay about the Roman empire.",
        "My program reads a file line by line.",
    ];
    let rows = sample().into_iter().filter(|row| !row.development).zip(BESIDE.into_iter().cycle());
    rows.map(|(row, beside)| Row { text: format!("{beside} {}", row.text).leak(), ..row }).collect()
}

#[test]
fn the_sample_is_balanced() {
    let rows = sample();
    assert_eq!(rows.len(), 336);
    for label in rows.iter().map(|row| row.label) {
        for (development, learner) in [(false, false), (false, true), (true, false), (true, true)] {
            let alike = |r: &&Row| (r.label, r.development, r.learner) == (label, development, learner);
            assert_eq!(rows.iter().filter(alike).count(), 3, "{label}");
        }
    }
}

// Planted fault: cues behind a negation counted.
#[tokio::test]
async fn by_words_alone() {
    let ([test, _], table) = measured(&Feelings::by_words(), By::Words, "words").await;
    println!("{table}");
    is_on_the_page(&table);
    assert!(test.accuracy >= 0.35 && test.macro_f1 >= 0.37, "{} {}", test.accuracy, test.macro_f1);
}

// Planted fault: the nearest sentence of a label alone, without their centre.
#[tokio::test]
async fn by_meaning_and_by_both() {
    let Some(model) = model() else {
        eprintln!("left out: the embedding model is not there (`make model` fetches it)");
        return;
    };
    let feelings = Feelings::prepare(Some(Arc::new(Known::of_all(model).await))).await;
    assert!(feelings.has_meaning());
    let ([meaning, _], table) = measured(&feelings, By::Meaning, "meaning").await;
    println!("{table}");
    let ([both, beside], table) = measured(&feelings, By::Both, "both").await;
    println!("{table}");
    assert!(meaning.accuracy >= 0.55 && meaning.top3 >= 0.79, "{}", meaning.accuracy);
    assert!(both.accuracy >= 0.62 && both.macro_f1 >= 0.61 && both.top3 >= 0.82, "{}", both.accuracy);
    assert!(beside.accuracy >= 0.46, "{}", beside.accuracy);
    // Each method is worth its place.
    assert!(both.accuracy > meaning.accuracy);
}
