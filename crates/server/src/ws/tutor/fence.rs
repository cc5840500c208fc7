//! Whether a character of an answer is code, decided while the answer streams: fenced blocks (with their fences) and
//! indented ones, in lists too, as CommonMark has them but for what is named below.
//!
//! The verdict is one of the text alone and not of how it is cut. What cannot be known yet is held back: the white
//! space at the beginning of a line, and a line that begins with a fence of backticks, which is none if it has another
//! backtick; at most [`limit::FENCE_HELD`] characters, after which it is taken for what it looks like.
//!
//! Other than CommonMark: a fence in a list is closed by its closing line alone, not by a line that leaves the list,
//! because models forget to indent; quotes are not looked into; an empty line behind an indented block belongs to it.

use headwater_core::limit;

/// Columns of indentation that make code.
const CODE_INDENT: usize = 4;
/// Characters of the shortest fence.
const FENCE: usize = 3;

/// The state between two pieces of a text; see the module.
#[derive(Debug)]
pub(super) struct Fence {
    /// The beginning of a line that is not judged yet.
    held: String,
    /// Of `held`, in characters.
    held_chars: usize,
    /// What the line is whose beginning was judged; `None` at the beginning of a line.
    line: Option<Line>,
    /// The fence that is open.
    open: Option<Open>,
    /// The line before this one, where no fence is open.
    before: Before,
    /// Where the contents of the lists begin in which this is, outermost first.
    lists: Vec<usize>,
}

/// A fence that is open.
#[derive(Debug, Clone, Copy)]
struct Open {
    mark: char,
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing, an empty line, a heading, the end of a fence: code may follow by its indentation alone.
    Break,
    /// Text, which goes on in an indented line.
    Text,
    /// Code by its indentation.
    Code,
    /// An empty line behind such code.
    CodeBreak,
}

/// A line whose beginning was judged.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// Not in a fence; what it is for the line behind it.
    Outside { code: bool, becomes: Before },
    /// The line that opens a fence; `count` while its marks are still being counted.
    Opens { open: Open, counting: bool },
    /// A line in a fence, which may be the closing one.
    Inside(Closing),
}

/// How far a line is that may close a fence.
#[derive(Debug, Clone, Copy)]
enum Closing {
    /// Only white space so far.
    Indent,
    /// So many marks.
    Marks(usize),
    /// Enough marks, and white space behind them.
    Trailing,
    /// It does not.
    No,
}

/// What a beginning of a line is.
struct Judged {
    line: Line,
    /// The lists after it.
    lists: Vec<usize>,
}

impl Default for Fence {
    fn default() -> Self {
        Self {
            held: String::new(),
            held_chars: 0,
            line: None,
            open: None,
            before: Before::Break,
            lists: Vec::new(),
        }
    }
}

impl Fence {
    /// The next piece of the text: what is known now goes to `out`, as pieces with their verdicts of which no two
    /// neighbours have the same.
    pub(super) fn push(&mut self, text: &str, out: &mut Vec<(bool, String)>) {
        for c in text.chars() {
            self.step(c, out);
        }
    }

    /// The text is over: what is held back is judged as a whole line.
    pub(super) fn finish(&mut self, out: &mut Vec<(bool, String)>) {
        if self.line.is_none() && !self.held.is_empty() {
            self.judge(true, out);
        }
    }

    fn step(&mut self, c: char, out: &mut Vec<(bool, String)>) {
        let Some(line) = &mut self.line else {
            if self.open.is_some() {
                // In a fence everything is code, and nothing waits.
                self.line = Some(Line::Inside(Closing::Indent));
                return self.step(c, out);
            }
            self.held.push(c);
            self.held_chars += 1;
            let whole = c == '\n' || self.held_chars >= limit::FENCE_HELD;
            self.judge(whole, out);
            if c == '\n' {
                self.end_line();
            }
            return;
        };
        let code = match line {
            Line::Outside { code, .. } => *code,
            Line::Opens { open, counting } => {
                *counting = *counting && c == open.mark;
                open.length += usize::from(*counting);
                true
            }
            Line::Inside(closing) => {
                if let Some(open) = self.open {
                    *closing = closing.with(c, open);
                }
                true
            }
        };
        say(code, c.encode_utf8(&mut [0; 4]), out);
        if c == '\n' {
            self.end_line();
        }
    }

    /// Judges what is held, where that is enough; `whole`: nothing more of the line comes, or is waited for.
    fn judge(&mut self, whole: bool, out: &mut Vec<(bool, String)>) {
        let Some(Judged { line, lists }) = self.look(whole) else { return };
        let code = !matches!(line, Line::Outside { code: false, .. });
        (self.line, self.lists) = (Some(line), lists);
        self.held_chars = 0;
        say(code, &std::mem::take(&mut self.held), out);
    }

    fn look(&self, whole: bool) -> Option<Judged> {
        let mut lists = self.lists.clone();
        let (mut column, mut rest) = indent(&self.held, 0);
        if rest.is_empty() && !whole {
            return None;
        }
        if is_end(rest) {
            let code = matches!(self.before, Before::Code | Before::CodeBreak);
            let becomes = if code { Before::CodeBreak } else { Before::Break };
            return Some(Judged { line: Line::Outside { code, becomes }, lists });
        }
        // A line that is further left than a list's contents is no part of it, unless it goes on with its text.
        let lazy = self.before == Before::Text && marker(rest).is_none();
        while !lazy && lists.last().is_some_and(|content| column < *content) {
            lists.pop();
        }
        let mut base = lists.iter().rev().find(|content| **content <= column).copied().unwrap_or(0);
        if column >= base + CODE_INDENT && self.before != Before::Text {
            let line = Line::Outside { code: true, becomes: Before::Code };
            return Some(Judged { line, lists });
        }
        // Markers may follow one another: `- 1. text`.
        while column < base + CODE_INDENT
            && let Some(Marker { length, open_end }) = marker(rest)
        {
            if open_end && !whole {
                return None;
            }
            let (content, behind) = indent(rest.get(length..).unwrap_or_default(), column + length);
            if behind.is_empty() && !whole {
                return None;
            }
            base = if is_end(behind) || content > column + length + CODE_INDENT {
                column + length + 1
            } else {
                content
            };
            if lists.len() < limit::FENCE_LISTS {
                lists.push(base);
            }
            if is_end(behind) {
                return Some(Judged { line: Line::Outside { code: false, becomes: Before::Break }, lists });
            }
            (column, rest) = (content, behind);
        }
        if column < base + CODE_INDENT
            && let Some(line) = opening(rest, whole)?
        {
            return Some(Judged { line, lists });
        }
        // `1` may become `1.`, and `-` a list, a rule or text.
        if !whole && may_become_marker(rest) {
            return None;
        }
        let heading = rest.starts_with('#');
        let becomes = if heading { Before::Break } else { Before::Text };
        Some(Judged { line: Line::Outside { code: false, becomes }, lists })
    }

    fn end_line(&mut self) {
        match self.line.take() {
            Some(Line::Outside { becomes, .. }) => self.before = becomes,
            Some(Line::Opens { open, .. }) => self.open = Some(open),
            Some(Line::Inside(closing)) if closing.closes(self.open) => {
                (self.open, self.before) = (None, Before::Break);
            }
            Some(Line::Inside(_)) | None => {}
        }
    }
}

impl Closing {
    fn with(self, c: char, open: Open) -> Self {
        match self {
            _ if c == '\n' => self,
            Self::Indent if c == open.mark => Self::Marks(1),
            Self::Indent if is_blank(c) => Self::Indent,
            Self::Marks(n) if c == open.mark => Self::Marks(n + 1),
            Self::Marks(n) if is_blank(c) && n >= open.length => Self::Trailing,
            Self::Trailing if is_blank(c) => Self::Trailing,
            Self::Indent | Self::Marks(_) | Self::Trailing | Self::No => Self::No,
        }
    }

    fn closes(self, open: Option<Open>) -> bool {
        match self {
            Self::Trailing => true,
            Self::Marks(n) => open.is_some_and(|open| n >= open.length),
            Self::Indent | Self::No => false,
        }
    }
}

/// The fence that a line opens with these characters, which are not white space at first. `None`: not known yet;
/// `Some(None)`: none.
fn opening(rest: &str, whole: bool) -> Option<Option<Line>> {
    let Some(mark) = rest.chars().next().filter(|c| matches!(c, '`' | '~')) else { return Some(None) };
    let length = rest.chars().take_while(|c| *c == mark).count();
    let info = rest.get(length..).unwrap_or_default();
    if length < FENCE {
        // A mark is one byte.
        return if info.is_empty() && !whole { None } else { Some(None) };
    }
    if mark == '`' {
        if info.contains('`') {
            return Some(None);
        }
        if !whole {
            return None;
        }
    }
    Some(Some(Line::Opens { open: Open { mark, length }, counting: info.is_empty() }))
}

/// The sign of a list's item.
struct Marker {
    length: usize,
    /// Nothing stands behind it yet: it is one only if white space follows.
    open_end: bool,
}

fn marker(rest: &str) -> Option<Marker> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let length = match rest.as_bytes().get(digits)? {
        b'-' | b'*' | b'+' if digits == 0 => 1,
        b'.' | b')' if (1..=9).contains(&digits) => digits + 1,
        _ => return None,
    };
    match rest.get(length..)?.chars().next() {
        None => Some(Marker { length, open_end: true }),
        Some(c) if is_blank(c) || c == '\n' => Some(Marker { length, open_end: false }),
        Some(_) => None,
    }
}

fn may_become_marker(rest: &str) -> bool {
    (1..=9).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit())
}

/// The column behind the white space at the beginning, which starts in this one, and what follows it.
fn indent(text: &str, mut column: usize) -> (usize, &str) {
    for (at, c) in text.char_indices() {
        match c {
            ' ' => column += 1,
            '\t' => column += CODE_INDENT - column % CODE_INDENT,
            _ => return (column, text.get(at..).unwrap_or_default()),
        }
    }
    (column, "")
}

/// Nothing more but the end of the line.
fn is_end(rest: &str) -> bool {
    rest.chars().all(|c| is_blank(c) || c == '\n')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r')
}

fn say(code: bool, text: &str, out: &mut Vec<(bool, String)>) {
    match out.last_mut() {
        Some((last, piece)) if *last == code => piece.push_str(text),
        _ => out.push((code, text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judged<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Vec<(bool, String)> {
        let (mut fence, mut out) = (Fence::default(), Vec::new());
        for piece in pieces {
            fence.push(piece, &mut out);
        }
        fence.finish(&mut out);
        out
    }

    /// `[` and `]` stand around what is code.
    fn shown(text: &str) -> String {
        judged([text])
            .into_iter()
            .map(|(code, piece)| if code { format!("[{piece}]") } else { piece })
            .collect()
    }

    // Planted faults: a fence closed by a shorter one; a backtick in the info string not looked for; text that goes on
    // indented taken for code.
    #[test]
    fn code_is_what_stands_in_blocks() {
        for (text, wanted) in [
            ("a\n```rust\nlet x;\n```\nb", "a\n[```rust\nlet x;\n```\n]b"),
            ("~~~ `any` thing\n```\n~~~\nb", "[~~~ `any` thing\n```\n~~~\n]b"),
            ("````md\n```\n````  \nb", "[````md\n```\n````  \n]b"),
            ("~~~~\n~~~\n~~~~~\nb", "[~~~~\n~~~\n~~~~~\n]b"),
            ("``` one `two` ```\nb", "``` one `two` ```\nb"),
            ("``two``\n`one`", "``two``\n`one`"),
            ("   ```\n x\n  ```\nb", "[   ```\n x\n  ```\n]b"),
            ("```\r\nx\r\n```\r\nb", "[```\r\nx\r\n```\r\n]b"),
            ("```\n``` not\n```", "[```\n``` not\n```]"),
            ("open ```\nb", "open ```\nb"),
            ("a\n\n    x = 1\n\n    y\n\nb", "a\n\n[    x = 1\n\n    y\n\n]b"),
            ("a\n    goes on\nb", "a\n    goes on\nb"),
            ("# A\n    x\nb", "# A\n[    x\n]b"),
            ("\tx\nb", "[\tx\n]b"),
            ("- one\n    - two\n\n    text\n", "- one\n    - two\n\n    text\n"),
            ("1. one\n\n       x\n\n   text\n", "1. one\n\n[       x\n\n]   text\n"),
            ("1. one\n   ```sh\n   ls\n   ```\n2. two", "1. one\n[   ```sh\n   ls\n   ```\n]2. two"),
            ("- ```sh\n  ls\n  ```\n- b", "[- ```sh\n  ls\n  ```\n]- b"),
            ("- a\n\nb\n\n    x\n", "- a\n\nb\n\n[    x\n]"),
            ("12 apples\n1.5\n-x\n", "12 apples\n1.5\n-x\n"),
            ("", ""),
            ("   ", "   "),
            ("```", "[```]"),
        ] {
            assert_eq!(shown(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn no_more_is_held_back_than_the_beginning_of_a_line() {
        let (mut fence, mut out) = (Fence::default(), Vec::new());
        fence.push("word", &mut out);
        assert_eq!(out, [(false, "word".to_owned())], "a word is let go at once");
        out.clear();
        fence.push(&format!("\n```{}", "x".repeat(500)), &mut out);
        let said: usize = out.iter().map(|(_, piece)| piece.len()).sum();
        assert_eq!(said, 504);
        assert!(out.last().unwrap().0, "what begins like a fence and never ends is one");
    }

    proptest! {
        // Planted fault: what is held judged at the end of each piece.
        #[test]
        fn the_verdict_does_not_hang_on_the_cuts(
            text in "([`~]{1,4}|[ \t]{1,5}|\n|\r\n|[-*+]|1\\.|#|é|[a-z]{1,3}){0,40}",
            cuts in proptest::collection::vec(0..80usize, 0..12),
        ) {
            let whole = judged([text.as_str()]);
            let mut at: Vec<usize> = cuts.into_iter().filter(|cut| text.is_char_boundary(*cut)).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            at.dedup();
            let pieces: Vec<&str> = at.windows(2).map(|w| &text[w[0]..w[1]]).collect();
            prop_assert_eq!(&judged(pieces), &whole);
            let chars: Vec<String> = text.chars().map(String::from).collect();
            prop_assert_eq!(&judged(chars.iter().map(String::as_str)), &whole);
            prop_assert_eq!(whole.into_iter().map(|(_, piece)| piece).collect::<String>(), text);
        }

        #[test]
        fn little_is_held_back(text in "([`~ ]{1,9}|\n|[a-z]{1,9}){0,60}") {
            let (mut fence, mut out) = (Fence::default(), Vec::new());
            let mut given = 0;
            for c in text.chars() {
                given += 1;
                fence.push(&c.to_string(), &mut out);
                let said: usize = out.iter().map(|(_, piece)| piece.chars().count()).sum();
                prop_assert!(given - said < limit::FENCE_HELD);
            }
        }
    }
}
