//! From tokens to deltas: whole characters only, nothing of a stop text, and an end to an answer that
//! only repeats itself.

/// Gathers the bytes of tokens into text.
#[derive(Debug, Default)]
pub(super) struct TextOut {
    /// Bytes of a character that is not whole yet; fewer than four.
    bytes: Vec<u8>,
    /// Text that may be the beginning of a stop text.
    held: String,
    stops: Vec<String>,
}

impl TextOut {
    /// A gatherer that ends at any of these texts (empty ones are no stop).
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|s| !s.is_empty()).collect(), ..Self::default() }
    }

    /// Adds a token's bytes: the text that can be shown now, maybe none, and whether a stop text was met.
    pub(super) fn push(&mut self, bytes: &[u8]) -> (String, bool) {
        self.bytes.extend_from_slice(bytes);
        let whole = self.take_whole();
        self.held.push_str(&whole);
        if let Some(at) = self.stops.iter().filter_map(|s| self.held.find(s.as_str())).min() {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let keep = self.stops.iter().map(|s| beginning_at_end(&self.held, s)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back, now that nothing follows. Bytes of a character that never became whole
    /// (the answer was cut at its length) are dropped.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    fn take_whole(&mut self) -> String {
        let mut text = String::new();
        let mut used = 0;
        for chunk in self.bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            used += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            // At the very end it may only be unfinished; what can become no character is replaced.
            let unfinished = used + invalid.len() == self.bytes.len() && may_become_char(invalid);
            if unfinished {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            used += invalid.len();
        }
        self.bytes.drain(..used);
        text
    }
}

fn may_become_char(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(e) if e.error_len().is_none())
}

/// Bytes at the end of `text` that are a beginning of `stop`, but not all of it.
fn beginning_at_end(text: &str, stop: &str) -> usize {
    stop.char_indices().map(|(i, _)| i).filter(|i| *i > 0 && text.ends_with(&stop[..*i])).max().unwrap_or(0)
}

/// Notices an answer that only goes round in circles, as small models do when they always take the
/// likeliest word: the same piece of up to [`LONGEST`](Repeats::LONGEST) tokens three times over, and
/// at least two dozen tokens of it, so that "no, no, no" or a row of a table passes.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    tokens: Vec<u32>,
}

impl Repeats {
    const LONGEST: usize = 48;
    const TIMES: usize = 3;
    const LEAST: usize = 24;

    /// Adds a token; `true` when the answer should end here.
    pub(super) fn push(&mut self, token: u32) -> bool {
        self.tokens.push(token);
        let n = self.tokens.len();
        (1..=Self::LONGEST).any(|period| {
            let span = (period * Self::TIMES).max(Self::LEAST.next_multiple_of(period));
            n >= span && (n - span..n - period).all(|i| self.tokens[i] == self.tokens[i + period])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(out: &mut TextOut, bytes: &[u8], size: usize) -> (String, bool) {
        let mut all = String::new();
        for piece in bytes.chunks(size) {
            let (text, stopped) = out.push(piece);
            all.push_str(&text);
            if stopped {
                return (all, true);
            }
        }
        (all + &out.finish(), false)
    }

    #[test]
    fn characters_come_whole_however_they_are_cut() {
        let text = "naïve — 128 马力 🚗!";
        for size in 1..8 {
            assert_eq!(pieces(&mut TextOut::new(vec![]), text.as_bytes(), size), (text.to_owned(), false));
        }
    }

    #[test]
    fn what_is_no_character_is_replaced_and_what_is_unfinished_dropped() {
        assert_eq!(pieces(&mut TextOut::new(vec![]), b"a\xFFb\xE9\xA9", 1).0, "a\u{FFFD}b");
        assert_eq!(pieces(&mut TextOut::new(vec![]), b"\xE9\xA9x", 1).0, "\u{FFFD}x");
    }

    #[test]
    fn a_stop_text_is_never_shown_and_its_beginning_only_when_it_was_none() {
        for size in 1..6 {
            let mut out = TextOut::new(vec!["\nUser:".into(), "###".into()]);
            assert_eq!(pieces(&mut out, b"yes #1 ##\nUser: no", size), ("yes #1 ##".to_owned(), true));
        }
        let mut out = TextOut::new(vec!["###".into(), String::new()]);
        assert_eq!(pieces(&mut out, b"a ##", 1), ("a ##".to_owned(), false));
    }

    #[test]
    fn circles_end_and_lists_do_not() {
        let ends = |tokens: &[u32]| {
            let mut r = Repeats::default();
            tokens.iter().any(|t| r.push(*t))
        };
        assert!(ends(&[7; 24]) && !ends(&[7; 23]));
        assert!(ends(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].repeat(3)));
        assert!(!ends(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].repeat(2)));
        let list: Vec<u32> = (0..60).flat_map(|i| [5, 1000 + i, 6]).collect();
        assert!(!ends(&list));
    }
}
