//! Which paragraph styles of a DOCX are headings. Style ids are in the language of whoever wrote the
//! document; names like `heading 1` are not.

use std::collections::HashMap;
use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Styles that are looked at; Word's own list has some 400.
const STYLES: usize = 5_000;

/// The level of heading, 1 to 6, of each style id that is one.
#[derive(Debug, Default)]
pub(crate) struct Styles(HashMap<String, usize>);

impl Styles {
    /// The heading's level of a paragraph of this style. Where the document says nothing of the style, its
    /// id decides: small writers leave the list of styles out.
    pub(crate) fn level(&self, id: &str) -> Option<usize> {
        self.0.get(id).copied().or_else(|| named(id))
    }

    /// Reads `word/styles.xml`. What cannot be read is no style: the text is worth more than its headings.
    pub(crate) fn read(xml: impl BufRead) -> Self {
        let mut reader = Reader::from_reader(xml);
        let (mut levels, mut buffer, mut id) = (HashMap::new(), Vec::new(), None);
        while levels.len() < STYLES {
            match reader.read_event_into(&mut buffer) {
                Ok(Event::Start(e) | Event::Empty(e)) => match e.local_name().as_ref() {
                    "style" => id = attribute(&e, "styleId"),
                    "name" => {
                        let level = attribute(&e, "val").as_deref().and_then(named);
                        if let (Some(id), Some(level)) = (&id, level) {
                            levels.insert(id.clone(), level);
                        }
                    }
                    "outlineLvl" => {
                        if let (Some(id), Some(level)) = (&id, outline(&e)) {
                            levels.entry(id.clone()).or_insert(level);
                        }
                    }
                    _ => {}
                },
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
            buffer.clear();
        }
        Self(levels)
    }
}

/// `heading 2`, `Heading2`, `Title`.
fn named(name: &str) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    if name == "title" {
        return Some(1);
    }
    let level: usize = name.strip_prefix("heading")?.trim().parse().ok()?;
    (1..=9).contains(&level).then_some(level.min(6))
}

/// `<w:outlineLvl w:val="0"/>`; 9 is body text.
pub(crate) fn outline(element: &BytesStart<'_>) -> Option<usize> {
    let level: usize = attribute(element, "val")?.parse().ok()?;
    (level < 9).then_some((level + 1).min(6))
}

/// An attribute by its local name.
pub(crate) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let mut known = attributes.with_checks(false).filter_map(Result::ok);
    known.find(|a| a.key.local_name().as_ref() == name).map(|a| a.value.into_owned())
}
