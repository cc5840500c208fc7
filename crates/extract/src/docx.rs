//! DOCX: a ZIP archive whose main part is WordprocessingML. Headings become Markdown headings, a table's row
//! becomes a line. Nothing but text is looked at; no entity is ever expanded, and a part is read as a stream
//! within its bound, so that a small file cannot become a large memory.

use std::io::{BufRead, BufReader, Cursor, Read};

use headwater_core::limit;
use headwater_core::port::extract::ExtractError;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::docx_styles::{Styles, attribute, outline};
use crate::{refused, too_long};

const MAIN: &str = "word/document.xml";
const STYLES: &str = "word/styles.xml";
/// How the old format and encrypted files begin (a compound file).
const COMPOUND: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

pub(crate) fn text(bytes: &[u8]) -> Result<String, ExtractError> {
    if bytes.starts_with(&COMPOUND) {
        return Err(refused(
            "The file is protected by a password, or in Word's old format; save it as DOCX without a password",
        ));
    }
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|_| refused("The file is damaged or no DOCX"))?;
    if archive.len() > limit::extract::ENTRIES {
        return Err(refused("The DOCX has too many parts"));
    }
    let styles = match part(&mut archive, STYLES) {
        Ok(xml) => Styles::read(xml),
        Err(_) => Styles::default(),
    };
    let xml = part(&mut archive, MAIN)?;
    let mut body = Body { styles, ..Body::default() };
    body.read(xml)?;
    Ok(body.out)
}

/// A part as a stream that ends with an error where it inflates beyond its bound.
fn part<'a>(
    archive: &'a mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
) -> Result<impl BufRead + 'a, ExtractError> {
    let file = archive.by_name(name).map_err(|error| match error {
        ZipError::FileNotFound => refused("The file is no DOCX: it has no document in it"),
        ZipError::InvalidPassword | ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => {
            refused("The DOCX is protected by a password; remove it and try again")
        }
        _ => refused("The DOCX is damaged"),
    })?;
    Ok(BufReader::new(Bounded { inner: file, left: limit::extract::PART_BYTES }))
}

struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| std::io::Error::other("inflates beyond its bound"))?;
        Ok(read)
    }
}

/// The document's body while it is read.
#[derive(Default)]
struct Body {
    styles: Styles,
    out: String,
    /// The paragraph that is open.
    paragraph: String,
    /// Its heading's level, where it is one.
    level: Option<usize>,
    listed: bool,
    /// Open tables; and the cells of the row that is open, the innermost last.
    tables: usize,
    cells: Vec<String>,
    /// Whether what comes is text of the document.
    in_text: bool,
}

impl Body {
    fn read(&mut self, xml: impl BufRead) -> Result<(), ExtractError> {
        let mut reader = Reader::from_reader(xml);
        reader.config_mut().expand_empty_elements = true;
        let mut buffer = Vec::new();
        let (mut depth, mut skipped) = (0_usize, None);
        loop {
            let event = reader.read_event_into(&mut buffer).map_err(|_| refused("The DOCX is damaged"))?;
            match event {
                Event::Start(e) => {
                    depth += 1;
                    if depth > limit::extract::DEPTH {
                        return Err(refused("The DOCX is nested too deeply"));
                    }
                    // The same content once more, for old readers.
                    if skipped.is_none() && e.local_name().as_ref() == "Fallback" {
                        skipped = Some(depth);
                    }
                    if skipped.is_none() {
                        self.open(&e)?;
                    }
                }
                Event::End(e) => {
                    if skipped.is_none() {
                        self.close(e.local_name().as_ref())?;
                    }
                    if skipped == Some(depth) {
                        skipped = None;
                    }
                    depth = depth.saturating_sub(1);
                }
                Event::Text(e) if skipped.is_none() && self.in_text => self.push(&e.xml10_content())?,
                Event::CData(e) if skipped.is_none() && self.in_text => self.push(&e.xml10_content())?,
                Event::GeneralRef(e) if skipped.is_none() && self.in_text => self.reference(&e)?,
                // Only a document type can define entities, and the format knows none.
                Event::DocType(_) => return Err(refused("The DOCX defines entities, which it may not")),
                Event::Eof => break,
                _ => {}
            }
            buffer.clear();
        }
        if depth > 0 {
            return Err(refused("The DOCX is damaged: it breaks off"));
        }
        self.end_paragraph()
    }

    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), ExtractError> {
        match element.local_name().as_ref() {
            "p" => {
                // One inside another (a text box): what came before it stands for itself.
                self.end_paragraph()?;
                self.listed = false;
            }
            "t" => self.in_text = true,
            "tab" => self.push("\t")?,
            "br" | "cr" => self.push("\n")?,
            "noBreakHyphen" => self.push("-")?,
            "tbl" => self.tables += 1,
            "tr" if self.tables == 1 => self.cells.clear(),
            "tc" if self.tables == 1 => self.cells.push(String::new()),
            "numPr" => self.listed = true,
            "pStyle" => {
                let id = attribute(element, "val").unwrap_or_default();
                self.level = self.level.or_else(|| self.styles.level(&id));
            }
            "outlineLvl" => self.level = outline(element).or(self.level),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, element: &str) -> Result<(), ExtractError> {
        match element {
            "t" => self.in_text = false,
            "p" => self.end_paragraph()?,
            "tr" if self.tables == 1 => {
                let row = std::mem::take(&mut self.cells).join(" | ");
                self.line(row.trim_end(), "\n")?;
            }
            "tbl" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    self.line("", "\n")?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `&amp;` and `&#233;`. Any other name stands for something that nobody defined, and is left out.
    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), ExtractError> {
        if let Ok(Some(c)) = reference.resolve_char_ref() {
            return self.push(c.encode_utf8(&mut [0; 4]));
        }
        let plain = match reference.xml10_content().as_ref() {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "apos" => "'",
            _ => "",
        };
        self.push(plain)
    }

    fn push(&mut self, text: &str) -> Result<(), ExtractError> {
        if self.out.len() + self.paragraph.len() + text.len() > limit::DOCUMENT_TEXT_BYTES {
            return Err(too_long());
        }
        self.paragraph.extend(text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')));
        Ok(())
    }

    fn end_paragraph(&mut self) -> Result<(), ExtractError> {
        let text = std::mem::take(&mut self.paragraph);
        let text = text.trim();
        let level = self.level.take();
        if text.is_empty() {
            return Ok(());
        }
        if let Some(cell) = self.cells.last_mut() {
            // A cell stays on its row's line.
            let joint = if cell.is_empty() { "" } else { " " };
            cell.push_str(joint);
            cell.push_str(&text.replace('\n', " "));
            // Cells wait outside the text; a bound that did not see them would be none.
            let waiting: usize = self.cells.iter().map(String::len).sum();
            return if self.out.len() + waiting > limit::DOCUMENT_TEXT_BYTES {
                Err(too_long())
            } else {
                Ok(())
            };
        }
        match level {
            Some(level) => {
                let heading = format!("{} {}", "#".repeat(level), text.replace('\n', " "));
                self.line(&heading, "\n\n")
            }
            None if self.listed => self.line(&format!("- {text}"), "\n"),
            None => self.line(text, "\n\n"),
        }
    }

    fn line(&mut self, text: &str, end: &str) -> Result<(), ExtractError> {
        if self.out.len() + text.len() + end.len() > limit::DOCUMENT_TEXT_BYTES {
            return Err(too_long());
        }
        self.out.push_str(text);
        self.out.push_str(end);
        Ok(())
    }
}
