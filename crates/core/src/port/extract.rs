//! The port to whoever reads the text out of a document's file.
//!
//! # Contract
//! - The text is UTF-8 without NUL, at most [`limit::DOCUMENT_TEXT_BYTES`](crate::limit::DOCUMENT_TEXT_BYTES)
//!   long; headings are marked as in Markdown where the format has headings.
//! - Files come from strangers: whatever is in them, the call returns in bounded time and memory, and the
//!   process that asks survives it.
//! - Dropping the future stops the work.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

/// A kind of file whose text can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Portable Document Format.
    Pdf,
    /// Word's XML in a ZIP archive.
    Docx,
    /// Plain text.
    Text,
    /// Markdown.
    Markdown,
}

impl Format {
    /// Every format, for tables and tests.
    pub const ALL: [Self; 4] = [Self::Pdf, Self::Docx, Self::Text, Self::Markdown];

    /// The format of a file of this name, by what stands behind its last dot.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "pdf" => Some(Self::Pdf),
            "docx" => Some(Self::Docx),
            "txt" | "text" => Some(Self::Text),
            "md" | "markdown" => Some(Self::Markdown),
            _ => None,
        }
    }

    /// One word for it, as in a file's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Text => "txt",
            Self::Markdown => "md",
        }
    }

    /// Its media type. Markdown counts as plain text (observed).
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Text | Self::Markdown => "text/plain",
        }
    }

    /// Whether headings in its text are marked as in Markdown.
    #[must_use]
    pub fn has_headings(self) -> bool {
        match self {
            Self::Docx | Self::Markdown => true,
            Self::Pdf | Self::Text => false,
        }
    }
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtractError {
    /// The file is at fault; the sentence is for whoever sent it and quotes nothing of it.
    Refused(String),
    /// We are; what happened, for the operator.
    Failed(String),
}

impl fmt::Display for ExtractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ExtractError {}

/// Reads the text out of files; see the module's contract.
#[async_trait]
pub trait Extract: Send + Sync + 'static {
    /// The text of the file at `path`, which the caller keeps in place until this returns.
    ///
    /// # Errors
    /// [`ExtractError`].
    async fn extract(&self, format: Format, path: &Path) -> Result<String, ExtractError>;
}

/// An extractor that is shared by all uploads.
pub type SharedExtract = Arc<dyn Extract>;
