//! `headwater eval`: how well questions find their passages, on a store of its own that is thrown away.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use headwater_core::port::SharedStore;
use headwater_core::{Millis, UserId};
use headwater_engine::eval::metrics::Measures;
use headwater_engine::eval::{Report, SHIPPED_QUESTIONS, evaluate, questions, unknown};
use headwater_engine::ingest::ingest;
use headwater_store::{Durability, SqliteStore};
use serde_json::{Map, Value, json};

use crate::args::EvalArgs;
use crate::logs::say;
use crate::{Failure, knowledge, provider};

/// Questions between two lines of progress.
const EVERY: usize = 20;

/// Measures and prints.
pub(crate) fn eval(args: &EvalArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("no threads can be started: {e}")))?;
    runtime.block_on(run(args))
}

async fn run(args: &EvalArgs) -> Result<(), Failure> {
    let asked = match &args.questions {
        None => SHIPPED_QUESTIONS.to_owned(),
        Some(file) => std::fs::read_to_string(file).map_err(|e| unreadable(file, &e))?,
    };
    let named = |problems: Vec<String>| {
        let file = args.questions.as_deref().unwrap_or(Path::new("the shipped questions"));
        problems.into_iter().map(|p| format!("{}: {p}", file.display())).collect()
    };
    let asked = questions(&asked).map_err(|p| Failure::Usage(named(p)))?;
    let manifest = args.knowledge.as_ref().map(|folder| folder.join("manifest.toml"));
    let documents = knowledge::documents_of(manifest.as_deref())?;
    let lost = unknown(&asked, &documents);
    if !lost.is_empty() {
        return Err(Failure::Usage(named(lost)));
    }
    let embedder = match args.no_embeddings {
        true => None,
        // Measuring something else than what was asked for would be worse than not measuring.
        false => Some(provider::embedder(args.models.clone()).await.map_err(|why| {
            Failure::Failed(format!("{why}; `make model` fetches it, `--no-embeddings` measures without"))
        })?),
    };
    let folder = tempfile::tempdir().map_err(Failure::of)?;
    // Nobody comes back to this store: syncing it would only take time.
    let store = SqliteStore::open(&folder.path().join("eval.db"), Durability::ProcessSafe);
    let store: SharedStore = Arc::new(store.map_err(Failure::of)?);
    let (count, mut passages) = (documents.len(), 0);
    for (n, document) in documents.into_iter().enumerate() {
        let source = document.source.clone();
        let indexed = ingest(&store, embedder.as_ref(), document, Millis(0), |_, _| {}).await;
        passages += indexed.map_err(|e| Failure::Failed(format!("{source} cannot be indexed: {e}")))?.chunks;
        say(&format!("indexed {} of {count}: {source}", n + 1));
    }
    let all = asked.len();
    let progress = |done: usize| {
        if done.is_multiple_of(EVERY) || done == all {
            say(&format!("asked {done} of {all} questions"));
        }
    };
    let asker = UserId::parse("eval").map_err(Failure::of)?;
    let k = usize::from(args.k);
    let report = evaluate(&store, embedder.as_ref(), &asked, &asker, k, progress);
    let report = report.await.map_err(|e| Failure::Failed(e.message))?;
    let by = embedder.as_ref().map_or("words alone", |e| e.id());
    let text = if args.json {
        format!("{}\n", as_json(&report, k, all, passages, by))
    } else {
        as_table(&report, k, all, passages, by)
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::of)
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(vec![format!("{} cannot be read: {error}", file.display())])
}

fn as_table(report: &Report, k: usize, all: usize, passages: usize, by: &str) -> String {
    let row = |name: &str, n: usize, m: &Measures| {
        format!(
            "| {name} | {n} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |\n",
            m.precision, m.recall, m.mrr, m.ndcg, m.hit
        )
    };
    let mut text = format!(
        "{all} questions, {passages} passages, by {by}\n\n\
         | questions | n | precision@{k} | recall@{k} | MRR | nDCG@{k} | found |\n|---|---|---|---|---|---|---|\n"
    );
    text.push_str(&row("all", all, &report.all));
    for (kind, (n, measures)) in &report.kinds {
        text.push_str(&row(kind, *n, measures));
    }
    if !report.missed.is_empty() {
        text.push_str("\nnothing relevant was found for:\n");
        for question in &report.missed {
            text.push_str(&format!("- {question}\n"));
        }
    }
    text
}

fn as_json(report: &Report, k: usize, all: usize, passages: usize, by: &str) -> Value {
    let figures = |n: usize, m: &Measures| {
        // Four digits: more would be read as more than it is.
        let round = |x: f64| (x * 10_000.0).round() / 10_000.0;
        json!({
            "questions": n, "precision": round(m.precision), "recall": round(m.recall), "mrr": round(m.mrr),
            "ndcg": round(m.ndcg), "found": round(m.hit),
        })
    };
    let kinds: Map<String, Value> =
        report.kinds.iter().map(|(kind, (n, m))| (kind.clone(), figures(*n, m))).collect();
    json!({
        "k": k, "passages": passages, "by": by, "all": figures(all, &report.all), "kinds": kinds,
        "missed": report.missed,
    })
}
