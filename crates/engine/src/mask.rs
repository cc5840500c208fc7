//! Keeps what belongs to a person away from models, logs and viewers: addresses, numbers, cards.
//!
//! Three detectors read the text letter by letter and say where something begins and ends; a [`Window`]
//! holds back what may still become something. Because nothing is decided before it is closed, and a
//! closed candidate depends on its letters alone, a text that comes in pieces is masked exactly as the
//! whole one is, however it was cut. Every step is a constant amount of work: the time is linear in the
//! text, whatever the text is.
//!
//! What is looked for is narrow on purpose: a manual is full of figures, dates and part numbers, and none
//! of them may change. `tests.rs` holds the tables.

mod email;
mod figures;
mod numbers;
#[cfg(test)]
mod tests;
mod vin;

use std::borrow::Cow;

use self::email::Email;
use self::figures::Figures;
use self::vin::Vin;

/// What can be kept out of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// The number of a payment card.
    Card,
    /// A social security number of the United States.
    Ssn,
    /// A vehicle identification number.
    Vin,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Email, Self::Phone, Self::Card, Self::Ssn, Self::Vin];

    /// The word for it in an assistant's file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Ssn => "ssn",
            Self::Vin => "vin",
        }
    }

    /// What stands in its place.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Email => "[EMAIL]",
            Self::Phone => "[PHONE]",
            Self::Card => "[CARD]",
            Self::Ssn => "[SSN]",
            Self::Vin => "[VIN]",
        }
    }
}

/// Some of the kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// None of them: nothing is masked.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(0b1_1111);

    /// These and one more.
    #[must_use]
    pub fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Whether it is one of these.
    #[must_use]
    pub fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// Whether nothing is masked.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The text with a label in place of everything of these kinds. Masking twice is masking once.
#[must_use]
pub fn mask(text: &str, kinds: Kinds) -> Cow<'_, str> {
    if kinds.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut window = Window::new(kinds);
    let mut masked = window.push(text);
    masked.push_str(&window.finish());
    if masked == text { Cow::Borrowed(text) } else { Cow::Owned(masked) }
}

/// The same for every text in a JSON value; keys stay.
pub(crate) fn mask_json(value: &mut serde_json::Value, kinds: Kinds) {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            if let Cow::Owned(masked) = mask(text, kinds) {
                *text = masked;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| mask_json(v, kinds)),
        Value::Object(map) => map.values_mut().for_each(|v| mask_json(v, kinds)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a label stands in it: what was there before is not known.
#[must_use]
pub fn is_masked(text: &str) -> bool {
    Kind::ALL.iter().any(|kind| text.contains(kind.label()))
}

/// Where something stands, in bytes from the beginning of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    kind: Kind,
}

/// Finds one sort of thing. It is told every letter once, with its place.
///
/// What it reports later begins at [`Detector::open`] or after it; where that is `None`, at the next letter.
trait Detector {
    /// The next letter, and where closed candidates go.
    fn push(&mut self, at: usize, c: char, found: &mut Vec<Span>);
    /// There is no next letter.
    fn finish(&mut self, found: &mut Vec<Span>);
    /// Where the earliest thing begins that may still become something.
    fn open(&self) -> Option<usize>;
}

/// Masks a text that comes in pieces.
#[derive(Debug)]
pub struct Window {
    kinds: Kinds,
    email: Email,
    vin: Vin,
    figures: Figures,
    /// What was pushed and not said yet; its first byte is number `base` of the text.
    held: String,
    base: usize,
    found: Vec<Span>,
}

impl Window {
    /// A window at the beginning of a text.
    #[must_use]
    pub fn new(kinds: Kinds) -> Self {
        Self {
            kinds,
            email: Email::default(),
            vin: Vin::default(),
            figures: Figures::new(kinds),
            held: String::new(),
            base: 0,
            found: Vec::new(),
        }
    }

    /// Takes the next piece and gives what is safe to say now. At most
    /// [`limit::MASK_HELD_BYTES`](headwater_core::limit::MASK_HELD_BYTES) stay behind.
    #[must_use]
    pub fn push(&mut self, piece: &str) -> String {
        if self.kinds.is_empty() {
            return piece.to_owned();
        }
        let start = self.base + self.held.len();
        for (at, c) in piece.char_indices() {
            self.email.push(start + at, c, &mut self.found);
            self.vin.push(start + at, c, &mut self.found);
            self.figures.push(start + at, c, &mut self.found);
        }
        self.held.push_str(piece);
        let open = [self.email.open(), self.vin.open(), self.figures.open()].into_iter().flatten().min();
        self.say(open.unwrap_or(self.base + self.held.len()))
    }

    /// The text is over: gives what was held back. The window is then at the beginning of another text.
    #[must_use]
    pub fn finish(&mut self) -> String {
        self.email.finish(&mut self.found);
        self.vin.finish(&mut self.found);
        self.figures.finish(&mut self.found);
        let said = self.say(self.base + self.held.len());
        *self = Self::new(self.kinds);
        said
    }

    /// How many bytes are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Says everything before `safe`. Whatever is found later begins there or after it.
    fn say(&mut self, safe: usize) -> String {
        let kinds = self.kinds;
        self.found.retain(|s| kinds.has(s.kind));
        self.found.sort_by_key(|s| (s.start, s.end));
        let (mut said, mut from, mut taken) = (String::new(), self.base, 0);
        let mut plain_to = safe;
        while let Some(first) = self.found.get(taken) {
            // What overlaps is one thing, called by its longest part: nothing of either may stay.
            let (mut end, mut longest, mut after) = (first.end, *first, taken + 1);
            while let Some(next) = self.found.get(after).filter(|n| n.start < end) {
                if next.end - next.start > longest.end - longest.start {
                    longest = *next;
                }
                end = end.max(next.end);
                after += 1;
            }
            if end > safe {
                plain_to = safe.min(first.start);
                break;
            }
            said.push_str(&self.held[from - self.base..first.start - self.base]);
            said.push_str(longest.kind.label());
            (from, taken) = (end, after);
        }
        if plain_to > from {
            said.push_str(&self.held[from - self.base..plain_to - self.base]);
            from = plain_to;
        }
        self.found.drain(..taken);
        self.held.drain(..from - self.base);
        self.base = from;
        said
    }
}

/// A letter of a word in a script that knows words: others (Chinese, Japanese, Thai) write names and numbers
/// into the text without a space, and there a letter beside a number says nothing.
fn is_cased(c: char) -> bool {
    c.is_ascii_alphabetic() || (!c.is_ascii() && (c.is_lowercase() || c.is_uppercase()))
}
