//! The assistant and its knowledge base, and the tutor: the shipped ones, or the operator's own files.

use std::path::Path;

use headwater_core::port::{SharedEmbedder, SharedStore};
use headwater_engine::Clock;
use headwater_engine::assistant::tutor_file::{SHIPPED_TUTOR, TutorFile};
use headwater_engine::assistant::{Assistant, Knowledge, SHIPPED, SHIPPED_DOCUMENTS, SHIPPED_MANIFEST};
use headwater_engine::ingest::{Text, ingest};

use crate::Failure;
use crate::logs::say;

/// The assistant of this file, or the shipped one.
pub(crate) fn assistant(file: Option<&Path>) -> Result<Assistant, Failure> {
    read(file, SHIPPED, Assistant::parse)
}

/// The tutor of this file, or the shipped one.
pub(crate) fn tutor(file: Option<&Path>) -> Result<TutorFile, Failure> {
    read(file, SHIPPED_TUTOR, TutorFile::parse)
}

fn read<T>(
    file: Option<&Path>,
    shipped: &str,
    parse: impl Fn(&str) -> Result<T, Vec<String>>,
) -> Result<T, Failure> {
    let Some(file) = file else { return parse(shipped).map_err(Failure::Usage) };
    let text = std::fs::read_to_string(file).map_err(|e| unreadable(file, e))?;
    let named =
        |problems: Vec<String>| problems.into_iter().map(|p| format!("{}: {p}", file.display())).collect();
    parse(&text).map_err(|problems| Failure::Usage(named(problems)))
}

/// The documents that the assistant of this file names, or the shipped ones.
pub(crate) fn documents(assistant: &Assistant, file: Option<&Path>) -> Result<Vec<Text>, Failure> {
    let manifest = file.map(|f| f.parent().unwrap_or(Path::new("")).join(&assistant.knowledge));
    documents_of(manifest.as_deref())
}

/// The documents of this manifest, which lie beside it, or the shipped ones.
pub(crate) fn documents_of(manifest_file: Option<&Path>) -> Result<Vec<Text>, Failure> {
    let folder = manifest_file.map(|m| m.parent().unwrap_or(Path::new("")));
    let manifest = match manifest_file {
        None => SHIPPED_MANIFEST.to_owned(),
        Some(file) => std::fs::read_to_string(file).map_err(|e| unreadable(file, e))?,
    };
    let knowledge = Knowledge::parse(&manifest).map_err(Failure::Usage)?;
    let mut texts = Vec::with_capacity(knowledge.documents.len());
    for document in knowledge.documents {
        let text = match folder {
            None => SHIPPED_DOCUMENTS
                .iter()
                .find(|(name, _)| *name == document.file)
                .map(|(_, text)| (*text).to_owned()),
            Some(folder) => {
                let file = folder.join(&document.file);
                Some(std::fs::read_to_string(&file).map_err(|e| unreadable(&file, e))?)
            }
        };
        let text =
            text.ok_or_else(|| Failure::Failed(format!("the document {} is not shipped", document.file)))?;
        texts.push(Text::shared(document.file, document.kind, text));
    }
    Ok(texts)
}

/// Indexes what is new or changed, saying so.
pub(crate) async fn index(
    store: &SharedStore,
    embedder: Option<&SharedEmbedder>,
    documents: Vec<Text>,
) -> Result<(), Failure> {
    let count = documents.len();
    for (n, document) in documents.into_iter().enumerate() {
        let source = document.source.clone();
        let progress = |done: usize, all: usize| {
            say(&format!("indexing {} of {count}, {source}: {done} of {all} passages", n + 1));
        };
        ingest(store, embedder, document, Clock::default().wall(), progress)
            .await
            .map_err(|e| Failure::Failed(format!("{source} cannot be indexed: {e}")))?;
    }
    say(&format!("knowledge base: {count} documents"));
    Ok(())
}

fn unreadable(file: &Path, error: std::io::Error) -> Failure {
    Failure::Usage(vec![format!("{} cannot be read: {error}", file.display())])
}
