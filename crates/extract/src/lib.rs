//! The text of a document's file: PDF, DOCX, plain text, Markdown. Pure functions over bytes
//! ([`text_of`]), and [`Child`], which runs them in a process of its own: a file from a stranger may make
//! a parser recurse or allocate without end, and that must not be the server's end.
//!
//! To add a format: its row in `core::port::extract::Format` (the compiler shows where it is asked for), its
//! module here with a table of broken files, its line in `docs/documents.md`.

mod child;
mod docx;
mod docx_styles;
mod pdf;
mod plain;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use headwater_core::limit;
use headwater_core::port::extract::{Extract, ExtractError, Format};

pub use child::{Child, child_main};

/// The text of a file of this format.
///
/// # Errors
/// [`ExtractError::Refused`], in words for whoever sent the file.
pub fn text_of(format: Format, bytes: Vec<u8>) -> Result<String, ExtractError> {
    // A parser that panics has met a file that it does not understand. In the child this could end the
    // process as well; caught here it is the same refusal everywhere.
    let read = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Pdf => pdf::text(bytes),
        Format::Docx => docx::text(&bytes),
        Format::Text | Format::Markdown => plain::text(&bytes),
    }));
    let text = read.unwrap_or_else(|_| Err(refused("The file is damaged and cannot be read")))?;
    if text.len() > limit::DOCUMENT_TEXT_BYTES { Err(too_long()) } else { Ok(text) }
}

fn refused(why: impl Into<String>) -> ExtractError {
    ExtractError::Refused(why.into())
}

fn too_long() -> ExtractError {
    let most = limit::DOCUMENT_TEXT_BYTES / (1024 * 1024);
    refused(format!("The document has more than {most} MB of text; split it"))
}

/// Reads in this process, off the async threads: for text that needs no parser, and for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct InProcess;

#[async_trait::async_trait]
impl Extract for InProcess {
    async fn extract(&self, format: Format, path: &Path) -> Result<String, ExtractError> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let bytes = std::fs::read(&path).map_err(|e| ExtractError::Failed(e.to_string()))?;
            text_of(format, bytes)
        });
        read.await.map_err(|e| ExtractError::Failed(e.to_string()))?
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
