//! The assistants and their knowledge, the tutor and the teams: the shipped ones, or the operator's own files.

use std::path::{Path, PathBuf};

use headwater_core::port::{SharedEmbedder, SharedStore};
use headwater_engine::Clock;
use headwater_engine::assistant::tutor_file::{SHIPPED_TUTOR, TutorFile};
use headwater_engine::assistant::{Assistant, Knowledge, SHIPPED, SHIPPED_DOCUMENTS, SHIPPED_MANIFEST};
use headwater_engine::ingest::{Text, ingest};
use headwater_engine::workflow::teams::{self, TeamsFile};

use crate::Failure;
use crate::logs::say;

/// The assistant of this file, or the shipped one.
pub(crate) fn assistant(file: Option<&Path>) -> Result<Assistant, Failure> {
    parsed(file, SHIPPED, Assistant::parse)
}

/// The teams of this file, or the shipped ones.
pub(crate) fn teams(file: Option<&Path>) -> Result<TeamsFile, Failure> {
    parsed(file, teams::SHIPPED, TeamsFile::parse)
}

/// The tutor of this file, or the shipped one.
pub(crate) fn tutor(file: Option<&Path>) -> Result<TutorFile, Failure> {
    parsed(file, SHIPPED_TUTOR, TutorFile::parse)
}

/// What this file says, or the shipped one; every problem names its file.
fn parsed<T>(
    file: Option<&Path>,
    shipped: &str,
    parse: fn(&str) -> Result<T, Vec<String>>,
) -> Result<T, Failure> {
    let Some(file) = file else { return parse(shipped).map_err(Failure::Usage) };
    let text = std::fs::read_to_string(file).map_err(|e| unreadable(file, e))?;
    let named =
        |problems: Vec<String>| problems.into_iter().map(|p| format!("{}: {p}", file.display())).collect();
    parse(&text).map_err(|problems| Failure::Usage(named(problems)))
}

/// An assistant with its documents.
pub(crate) struct Equipped {
    pub assistant: Assistant,
    pub documents: Vec<Text>,
    /// Where they are among the shared documents; empty for the first assistant: in no folder.
    pub folder: String,
}

/// Every assistant: the one that answers the chat, and those beside it. All that is wrong, at once.
pub(crate) fn all(chat: Option<&Path>, beside: &[PathBuf]) -> Result<Vec<Equipped>, Failure> {
    let (mut all, mut problems) = (Vec::<Equipped>::new(), Vec::new());
    for file in std::iter::once(chat).chain(beside.iter().map(|file| Some(file.as_path()))) {
        let equipped = assistant(file).and_then(|assistant| {
            let mut documents = documents(&assistant, file)?;
            let folder = if all.is_empty() { String::new() } else { assistant.name.clone() };
            for document in documents.iter_mut().filter(|_| !folder.is_empty()) {
                document.source = format!("{folder}/{}", document.source);
            }
            Ok(Equipped { assistant, documents, folder })
        });
        match equipped {
            Ok(equipped) => all.push(equipped),
            Err(Failure::Usage(found)) => problems.extend(found),
            Err(failed @ Failure::Failed(_)) => return Err(failed),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(Failure::Usage(problems)) }
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
