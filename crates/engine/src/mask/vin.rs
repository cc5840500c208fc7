//! Vehicle identification numbers: a word of exactly 17 letters and digits (ISO 3779).

use super::{Detector, Kind, Span, is_cased};

const LETTERS: usize = 17;

#[derive(Debug, Default)]
pub(super) struct Vin {
    /// Where the word began that this is in.
    start: Option<usize>,
    seen: usize,
    bad: bool,
    word: [u8; LETTERS],
}

impl Detector for Vin {
    fn push(&mut self, at: usize, c: char, found: &mut Vec<Span>) {
        if !(is_cased(c) || c.is_ascii_digit() || c == '_') {
            return self.close(found);
        }
        if self.start.is_none() {
            *self = Self { start: Some(at), ..Self::default() };
        }
        // I, O and Q are left out of it: they look like digits.
        let fits = c.is_ascii_alphanumeric() && !"IOQioq".contains(c);
        match self.word.get_mut(self.seen) {
            Some(slot) if fits => *slot = c as u8,
            _ => self.bad = true,
        }
        self.seen += 1;
    }

    fn finish(&mut self, found: &mut Vec<Span>) {
        self.close(found);
    }

    fn open(&self) -> Option<usize> {
        self.start.filter(|_| !self.bad)
    }
}

impl Vin {
    fn close(&mut self, found: &mut Vec<Span>) {
        if let Some(start) = self.start.take()
            && !self.bad
            && self.seen == LETTERS
            && is_vin(self.word)
        {
            found.push(Span { start, end: start + LETTERS, kind: Kind::Vin });
        }
    }
}

/// In North America and China the ninth sign is a check digit. Elsewhere it is not, so a number is one too
/// when it is built like one: in one case, with letters and digits, the last four being digits.
fn is_vin(word: [u8; LETTERS]) -> bool {
    let letters = word.iter().filter(|b| b.is_ascii_alphabetic()).count();
    if letters == 0 || letters == LETTERS {
        return false;
    }
    let one_case = !(word.iter().any(u8::is_ascii_lowercase) && word.iter().any(u8::is_ascii_uppercase));
    let built = one_case
        && letters >= 3
        && LETTERS - letters >= 5
        && word[..3].iter().any(u8::is_ascii_alphabetic)
        && word[13..].iter().all(u8::is_ascii_digit);
    built || has_check_digit(word)
}

fn has_check_digit(word: [u8; LETTERS]) -> bool {
    const WEIGHTS: [u32; LETTERS] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |b: u8| match b.to_ascii_uppercase() {
        d @ b'0'..=b'9' => u32::from(d - b'0'),
        a @ b'A'..=b'H' => u32::from(a - b'A') + 1,
        j @ b'J'..=b'R' => u32::from(j - b'J') + 1,
        s => u32::from(s.saturating_sub(b'S')) + 2,
    };
    let sum: u32 = word.iter().zip(WEIGHTS).map(|(b, weight)| value(*b) * weight).sum();
    let digit = word[8].to_ascii_uppercase();
    match sum % 11 {
        10 => digit == b'X',
        n => u32::from(digit.wrapping_sub(b'0')) == n,
    }
}
