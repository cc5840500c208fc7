//! Cuts documents into passages, gives them their meaning, and stores them.

use headwater_core::port::store::{NewChunk, NewDocument};
use headwater_core::port::{SharedEmbedder, SharedStore};
use headwater_core::{Error, Millis, UserId, limit};
use text_splitter::{ChunkConfig, TextSplitter};

use crate::ask::digest;
use crate::engine::store_failed;

/// Passages that are embedded at once; between two such groups others get their turn.
const GROUP: usize = 16;
/// Part of every digest: goes up when cutting changes, so that what is stored is cut anew.
const CUTTING: &str = "sections-1";

/// A document to be read.
#[derive(Debug, Clone)]
pub struct Text {
    /// Whose it is; `None` is shared.
    pub owner: Option<UserId>,
    /// Its name.
    pub source: String,
    /// Its kind.
    pub document_type: String,
    /// Whether headings are marked as in Markdown.
    pub markdown: bool,
    /// All of it.
    pub text: String,
}

/// A passage before it has a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The headings above it, joined by ` > `.
    pub heading: String,
    /// The text.
    pub content: String,
}

/// Stores a document, unless the same text is stored already. Returns how many passages it has, `None`
/// where nothing was to be done. `progress` hears how many passages are done.
///
/// # Errors
/// The store's or the embedder's failure.
pub async fn ingest(
    store: &SharedStore,
    embedder: Option<&SharedEmbedder>,
    document: Text,
    at: Millis,
    mut progress: impl FnMut(usize, usize) + Send,
) -> Result<Option<usize>, Error> {
    let embedder_id = embedder.map(|e| e.id().to_owned()).unwrap_or_default();
    let digest = digest([CUTTING, &embedder_id, &document.document_type, &document.text]);
    let stored = store.documents(document.owner.as_ref()).await.map_err(store_failed)?;
    if stored.iter().any(|d| d.source == document.source && d.digest == digest) {
        return Ok(None);
    }
    let sections = sections(&document.text, document.markdown);
    let mut chunks = Vec::with_capacity(sections.len());
    for group in sections.chunks(GROUP) {
        let vectors = match embedder {
            Some(embedder) => {
                let texts = group.iter().map(|s| format!("{}\n{}", s.heading, s.content)).collect();
                let vectors = embedder.embed(texts).await.map_err(|e| {
                    Error::new(
                        headwater_core::Code::ProviderFailed,
                        format!("the passages cannot be embedded: {e}"),
                    )
                })?;
                vectors.into_iter().map(Some).collect()
            }
            None => vec![None; group.len()],
        };
        for (section, vector) in group.iter().zip(vectors) {
            chunks.push(NewChunk {
                heading: section.heading.clone(),
                content: section.content.clone(),
                vector,
            });
        }
        progress(chunks.len(), sections.len());
    }
    let count = chunks.len();
    let new = NewDocument {
        id: uuid::Uuid::new_v4().to_string(),
        owner: document.owner,
        source: document.source,
        document_type: document.document_type,
        digest,
        embedder: embedder_id,
        metadata: "{}".into(),
        chunks,
        at,
    };
    store.put_document(new).await.map_err(store_failed)?;
    Ok(Some(count))
}

/// Cuts a text: Markdown at its headings, one passage a section, its path kept; what is longer than a
/// chunk on paragraphs, lines, sentences, words.
#[must_use]
pub fn sections(text: &str, markdown: bool) -> Vec<Section> {
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut body = String::new();
    let mut out = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        match heading(line).filter(|_| markdown && !fenced) {
            Some((level, title)) => {
                close(&path, &mut body, &mut out);
                path.retain(|(l, _)| *l < level);
                path.push((level, title.to_owned()));
            }
            None => {
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    close(&path, &mut body, &mut out);
    out
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|b| *b == b'#').count();
    let title = line.get(level..)?;
    ((1..=6).contains(&level) && title.starts_with(' '))
        .then(|| (level, title.trim().trim_end_matches('#').trim()))
}

fn close(path: &[(usize, String)], body: &mut String, out: &mut Vec<Section>) {
    let content = std::mem::take(body);
    let content = content.trim();
    if content.is_empty() {
        return;
    }
    let heading = path.iter().map(|(_, t)| t.as_str()).collect::<Vec<_>>().join(" > ");
    if content.chars().count() <= limit::CHUNK_CHARS {
        out.push(Section { heading, content: content.to_owned() });
        return;
    }
    // An overlap that is not smaller than a chunk is the only error, and these are constants.
    if let Ok(config) = ChunkConfig::new(limit::CHUNK_CHARS).with_overlap(limit::CHUNK_OVERLAP) {
        for chunk in TextSplitter::new(config).chunks(content) {
            out.push(Section { heading: heading.clone(), content: chunk.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passage_a_section_with_its_path() {
        let text =
            "# Car\nIntro.\n## Engine\n128 hp.\n```\n# no heading\n```\n### Oil\n5W-30.\n## Wheels\nFour.\n";
        let cut: Vec<_> = sections(text, true).into_iter().map(|s| (s.heading, s.content)).collect();
        assert_eq!(cut.len(), 4);
        assert_eq!(cut[0], ("Car".into(), "Intro.".into()));
        assert_eq!(cut[1].0, "Car > Engine");
        assert!(cut[1].1.contains("# no heading"));
        assert_eq!(cut[2], ("Car > Engine > Oil".into(), "5W-30.".into()));
        assert_eq!(cut[3], ("Car > Wheels".into(), "Four.".into()));
    }

    #[test]
    fn long_sections_are_cut_with_overlap() {
        let text = (0..400).map(|n| format!("Sentence number {n}.")).collect::<Vec<_>>().join(" ");
        let cut = sections(&text, false);
        assert!(cut.len() > 5);
        assert!(cut.iter().all(|s| s.content.chars().count() <= limit::CHUNK_CHARS));
        for n in 0..400 {
            assert!(cut.iter().any(|s| s.content.contains(&format!("number {n}."))), "{n}");
        }
    }
}
