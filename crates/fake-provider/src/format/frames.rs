//! Events as they stand on the wire: server-sent events, or a JSON value a line.

use std::collections::VecDeque;

use serde_json::Value;

use crate::script::LineEnd;

/// Collects what is to be written, an event a piece.
#[derive(Debug)]
pub(crate) struct Frames {
    lines: bool,
    end: &'static str,
    ready: VecDeque<Vec<u8>>,
}

impl Frames {
    pub(crate) fn new(lines: bool, end: LineEnd) -> Self {
        let end = match end {
            LineEnd::Lf => "\n",
            LineEnd::Crlf => "\r\n",
        };
        Self { lines, end, ready: VecDeque::new() }
    }

    /// An event with data alone, or a line.
    pub(crate) fn data(&mut self, data: &Value) {
        self.say(&data.to_string());
    }

    /// An event with a name.
    pub(crate) fn named(&mut self, name: &str, data: &Value) {
        let end = self.end;
        self.raw(format!("event: {name}{end}data: {data}{end}{end}"));
    }

    /// An event of these letters.
    pub(crate) fn say(&mut self, letters: &str) {
        let end = self.end;
        self.raw(if self.lines { format!("{letters}{end}") } else { format!("data: {letters}{end}{end}") });
    }

    /// A comment; lines of JSON have none.
    pub(crate) fn comment(&mut self, words: &str) {
        if !self.lines {
            let end = self.end;
            self.raw(format!(": {words}{end}{end}"));
        }
    }

    /// A line with a field `error`.
    pub(crate) fn error_field(&mut self, error: &Value) {
        let end = self.end;
        let more = if self.lines { "" } else { end };
        self.raw(format!("error: {error}{end}{more}"));
    }

    fn raw(&mut self, event: String) {
        self.ready.push_back(event.into_bytes());
    }

    /// The next event.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        self.ready.pop_front()
    }
}
