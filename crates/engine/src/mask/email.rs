//! E-mail addresses: a word, an `@`, and a domain with a dot and a top level of letters.

use super::{Detector, Kind, Span, is_cased};

/// Bytes of the part before the `@`; the standard says 64, long enough for a name with two bytes a letter.
const LOCAL_BYTES: usize = 128;
/// Bytes of the part after it (RFC 1035).
const DOMAIN_BYTES: usize = 253;

#[derive(Debug, Default)]
pub(super) enum Email {
    /// Between words.
    #[default]
    Nothing,
    /// In a word that may turn out to be the part before an `@`.
    Local { start: usize },
    /// In a word that is too long to be one.
    TooLong,
    /// Behind the `@`.
    Domain(Domain),
}

#[derive(Debug)]
pub(super) struct Domain {
    /// Where the address begins.
    start: usize,
    /// Where the domain does.
    begin: usize,
    dots: usize,
    label: usize,
    /// The label begins with two letters, so it may be the top level (`com`, `de`), unlike a version's.
    named: bool,
    letters: usize,
    /// Where the address ends, as far as is known.
    end: Option<usize>,
}

impl Detector for Email {
    fn push(&mut self, at: usize, c: char, found: &mut Vec<Span>) {
        if let Self::Domain(domain) = self {
            if domain.takes(at, c) {
                return;
            }
            let next = domain.close(at, c, found);
            *self = next;
        }
        match self {
            Self::Nothing if starts(c) => *self = Self::Local { start: at },
            Self::Nothing => {}
            Self::Local { start } if c == '@' => *self = Self::Domain(Domain::new(*start, at + 1)),
            Self::Local { start } if goes_on(c) => {
                if at + c.len_utf8() - *start > LOCAL_BYTES {
                    *self = Self::TooLong;
                }
            }
            Self::TooLong if goes_on(c) => {}
            Self::Local { .. } | Self::TooLong | Self::Domain(_) => *self = Self::Nothing,
        }
    }

    fn finish(&mut self, found: &mut Vec<Span>) {
        if let Self::Domain(domain) = self {
            domain.report(found);
        }
        *self = Self::Nothing;
    }

    fn open(&self) -> Option<usize> {
        match self {
            Self::Local { start } => Some(*start),
            Self::Domain(domain) => Some(domain.start),
            Self::Nothing | Self::TooLong => None,
        }
    }
}

impl Domain {
    fn new(start: usize, begin: usize) -> Self {
        Self { start, begin, dots: 0, label: 0, named: true, letters: 0, end: None }
    }

    fn takes(&mut self, at: usize, c: char) -> bool {
        if at + c.len_utf8() - self.begin > DOMAIN_BYTES {
            return false;
        }
        if c == '.' && self.label > 0 {
            (self.dots, self.label, self.named, self.letters) = (self.dots + 1, 0, true, 0);
            return true;
        }
        if c == '-' && self.label > 0 {
            self.label += 1;
            return true;
        }
        if !is_cased(c) && !c.is_ascii_digit() {
            return false;
        }
        self.label += 1;
        if self.label <= 2 {
            self.named &= is_cased(c);
        }
        if self.dots > 0 && self.label >= 2 && self.named {
            self.end = Some(at + c.len_utf8());
        }
        true
    }

    fn report(&self, found: &mut Vec<Span>) {
        if let Some(end) = self.end {
            found.push(Span { start: self.start, end, kind: Kind::Email });
        }
    }

    /// It ended before this letter. What it leaves behind: a domain that was none may itself stand before
    /// another `@`.
    fn close(&self, at: usize, c: char, found: &mut Vec<Span>) -> Email {
        self.report(found);
        let whole = self.end.is_none() && self.begin < at;
        if whole && (c == '@' || goes_on(c)) && at - self.begin <= LOCAL_BYTES {
            return Email::Local { start: self.begin };
        }
        // The rest of an overlong domain is no beginning of anything.
        if at + c.len_utf8() - self.begin > DOMAIN_BYTES { Email::TooLong } else { Email::Nothing }
    }
}

fn starts(c: char) -> bool {
    is_cased(c) || c.is_ascii_digit() || c == '_'
}

fn goes_on(c: char) -> bool {
    starts(c) || matches!(c, '.' | '%' | '+' | '-' | '\'')
}
