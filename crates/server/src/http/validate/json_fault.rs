//! Where a text stops being JSON, and why: in the words and with the numbers of the original, whose clients
//! show them. Only asked once a text has been refused.

/// Where, and what was expected there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Characters (not bytes) in front of it.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Levels of objects and lists; beyond, nothing is said. The parser refuses more, too.
const LEVELS: usize = 128;

/// The first fault; `None` where there is none by these rules (they allow `NaN`, and half a surrogate
/// pair, which the parser refuses) or the text is nested too deep.
pub(super) fn find(text: &str) -> Option<Fault> {
    let mut scan = Scan { chars: text.chars().collect(), at: 0 };
    let done = scan.space_and_value(0).and_then(|()| {
        scan.space();
        if scan.at < scan.chars.len() { scan.fault("Extra data") } else { Ok(()) }
    });
    match done {
        Err(Stop::Fault(fault)) => Some(fault),
        Err(Stop::Deep) | Ok(()) => None,
    }
}

enum Stop {
    Fault(Fault),
    Deep,
}

struct Scan {
    chars: Vec<char>,
    at: usize,
}

impl Scan {
    fn here(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, Stop> {
        Err(Stop::Fault(Fault { at: self.at, what }))
    }

    fn space(&mut self) {
        while matches!(self.here(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    /// Steps over `c` where it stands here.
    fn take(&mut self, c: char) -> bool {
        let there = self.here() == Some(c);
        self.at += usize::from(there);
        there
    }

    fn take_word(&mut self, word: &str) -> bool {
        let there = word.chars().enumerate().all(|(n, c)| self.chars.get(self.at + n) == Some(&c));
        if there {
            self.at += word.len();
        }
        there
    }

    fn space_and_value(&mut self, level: usize) -> Result<(), Stop> {
        self.space();
        if level > LEVELS {
            return Err(Stop::Deep);
        }
        match self.here() {
            Some('{') => self.object(level),
            Some('[') => self.list(level),
            Some('"') => self.string(),
            _ if ["null", "true", "false", "NaN", "Infinity", "-Infinity"]
                .iter()
                .any(|w| self.take_word(w)) =>
            {
                Ok(())
            }
            _ => self.number(),
        }
    }

    fn object(&mut self, level: usize) -> Result<(), Stop> {
        self.at += 1;
        self.space();
        if self.take('}') {
            return Ok(());
        }
        loop {
            self.space();
            if self.here() != Some('"') {
                return self.fault("Expecting property name enclosed in double quotes");
            }
            self.string()?;
            self.space();
            if !self.take(':') {
                return self.fault("Expecting ':' delimiter");
            }
            self.space_and_value(level + 1)?;
            self.space();
            if self.take('}') {
                return Ok(());
            }
            if !self.take(',') {
                return self.fault("Expecting ',' delimiter");
            }
        }
    }

    fn list(&mut self, level: usize) -> Result<(), Stop> {
        self.at += 1;
        self.space();
        if self.take(']') {
            return Ok(());
        }
        loop {
            self.space_and_value(level + 1)?;
            self.space();
            if self.take(']') {
                return Ok(());
            }
            if !self.take(',') {
                return self.fault("Expecting ',' delimiter");
            }
        }
    }

    fn string(&mut self) -> Result<(), Stop> {
        let began = self.at;
        self.at += 1;
        loop {
            match self.here() {
                None => {
                    return Err(Stop::Fault(Fault { at: began, what: "Unterminated string starting at" }));
                }
                Some('"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => self.escape(began)?,
                Some(c) if c < ' ' => return self.fault("Invalid control character at"),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self, began: usize) -> Result<(), Stop> {
        match self.chars.get(self.at + 1) {
            None => Err(Stop::Fault(Fault { at: began, what: "Unterminated string starting at" })),
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => {
                self.at += 2;
                Ok(())
            }
            Some('u') => {
                self.at += 1;
                let digits = self.chars.get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|d| d.iter().all(char::is_ascii_hexdigit)) {
                    return self.fault("Invalid \\uXXXX escape");
                }
                self.at += 5;
                Ok(())
            }
            Some(_) => self.fault("Invalid \\escape"),
        }
    }

    /// The longest number that begins here; what follows it is somebody else's fault.
    fn number(&mut self) -> Result<(), Stop> {
        let began = self.at;
        self.take('-');
        if !self.take('0') && self.digits() == 0 {
            self.at = began;
            return self.fault("Expecting value");
        }
        let whole = self.at;
        if self.take('.') && self.digits() == 0 {
            self.at = whole;
        }
        let mantissa = self.at;
        if self.take('e') || self.take('E') {
            let _ = self.take('+') || self.take('-');
            if self.digits() == 0 {
                self.at = mantissa;
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let began = self.at;
        while self.here().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - began
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, find};

    #[test]
    fn each_fault_where_it_is() {
        for (text, at, what) in [
            ("", 0, "Expecting value"),
            ("  ", 2, "Expecting value"),
            ("{bad", 1, "Expecting property name enclosed in double quotes"),
            ("{'a':1}", 1, "Expecting property name enclosed in double quotes"),
            (r#"{"a":1,}"#, 7, "Expecting property name enclosed in double quotes"),
            (r#"{"a" 1}"#, 5, "Expecting ':' delimiter"),
            (r#"{"a":}"#, 5, "Expecting value"),
            (r#"{"a":1 "b":2}"#, 7, "Expecting ',' delimiter"),
            (r#"{"a":1"#, 6, "Expecting ',' delimiter"),
            ("[1,]", 3, "Expecting value"),
            ("[1 2]", 3, "Expecting ',' delimiter"),
            (r#"{"ä": "abc"#, 6, "Unterminated string starting at"),
            ("\"a\nb\"", 2, "Invalid control character at"),
            (r#""a\x""#, 2, "Invalid \\escape"),
            (r#""\u12g4""#, 2, "Invalid \\uXXXX escape"),
            ("hello", 0, "Expecting value"),
            ("{} x", 3, "Extra data"),
            ("01", 1, "Extra data"),
            ("1.", 1, "Extra data"),
            ("1e+", 1, "Extra data"),
            ("-", 0, "Expecting value"),
            ("True", 0, "Expecting value"),
        ] {
            assert_eq!(find(text), Some(Fault { at, what }), "{text}");
        }
    }

    #[test]
    fn no_fault_where_there_is_none_or_too_deep_to_say() {
        for text in ["{}", "[]", r#"{"a":[1,-2.5e3,"\u00e4\n",null,true]}"#, "NaN", r#""\ud800""#] {
            assert_eq!(find(text), None, "{text}");
        }
        assert_eq!(find(&"[".repeat(100_000)), None);
    }
}
