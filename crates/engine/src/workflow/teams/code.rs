//! Which part of an answer is code, decided while it streams.
//!
//! The rules, whatever the pieces in which the answer comes:
//! - What stands in fences is code, and what stands around them is not. Several fenced blocks are joined by an empty
//!   line; one whose fence names a file gets that name as a comment above it. Blocks of commands for a terminal are
//!   code only where there is no other.
//! - An answer without a fence is all code. It is passed on from its first line that looks like code; lines before
//!   that wait, since a fence may follow them.
//! - A fence after text that was taken for code, but most of whose lines do not look like it, begins the code anew
//!   ([`Piece::Anew`]). Otherwise, what began without a fence stays so to its end.
//! - Empty lines at the code's beginning and end are left out.
//!
//! So the code is the pieces of [`Piece::Code`] since the last [`Piece::Anew`], always; and it is live: within a line in
//! a fence, after one line without.

use headwater_core::limit;

/// Bytes of a line that are looked at. What is longer is neither a fence nor judged by its end.
const HEAD: usize = 256;

/// What a piece of the answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Code; never empty.
    Code(String),
    /// What stands around it; never empty.
    Prose(String),
    /// What was code up to here is none; it comes again, as [`Piece::Prose`].
    Anew,
}

/// An answer as it is read. The caller bounds its length: what is held back is a part of it.
#[derive(Debug, Default)]
pub(super) struct Reader {
    place: Place,
    /// Of the line that is read now: what is held back, until it is known whether that is a fence.
    line: String,
    /// The line's beginning, [`HEAD`] bytes and perhaps a little more; to judge it when it ends.
    head: String,
    /// Whether this line is no fence, and passes as it comes.
    passes: bool,
    /// Lines that wait: in [`Place::Open`] for what they are, in [`Place::Between`] for company.
    held: String,
    /// Line ends that wait for a line.
    ends: String,
    code: String,
    /// Blocks of commands.
    commands: String,
    looking_like_code: usize,
    looking_otherwise: usize,
}

/// Where in the answer it is.
#[derive(Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing is decided.
    #[default]
    Open,
    /// All is code, and there was no fence; or there was, and all is code nevertheless.
    Bare { sure: bool },
    /// In a block.
    Block { mark: char, length: usize, commands: bool },
    /// After a block.
    Between,
}

impl Reader {
    /// Reads on.
    pub(super) fn push(&mut self, text: &str, out: &mut Vec<Piece>) {
        for part in text.split_inclusive('\n') {
            let room = (HEAD + 1).saturating_sub(self.head.len());
            self.head.push_str(&part[..part.ceil_char_boundary(room)]);
            if self.passes {
                self.pass(part, out);
            } else {
                self.line.push_str(part);
                let live = matches!(self.place, Place::Bare { .. } | Place::Block { .. });
                let known = self.line.len() > HEAD || live && !may_be_fence(&self.line);
                if part.ends_with('\n') || known {
                    self.passes = true;
                    self.settle(out);
                }
            }
            if part.ends_with('\n') {
                self.end_line();
            }
        }
    }

    /// The answer is whole; gives the code, which may be empty.
    pub(super) fn finish(mut self, out: &mut Vec<Piece>) -> String {
        if !self.line.is_empty() {
            self.settle(out);
        }
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Open => self.code(&held, out),
            Place::Between => prose(held, out),
            Place::Bare { .. } | Place::Block { .. } => {}
        }
        if self.code.is_empty() {
            let commands = std::mem::take(&mut self.commands);
            self.ends.clear();
            self.code(&commands, out);
        }
        self.code
    }

    /// What is held of a line is all of it, or enough to know what it is.
    fn settle(&mut self, out: &mut Vec<Piece>) {
        let line = std::mem::take(&mut self.line);
        let fence = Some(&line).filter(|l| l.len() <= HEAD).and_then(|l| Fence::read(l));
        match (&self.place, fence) {
            (Place::Block { mark, length, .. }, Some(fence)) if fence.closes(*mark, *length) => {
                self.ends.clear();
                self.place = Place::Between;
            }
            (Place::Open | Place::Between, Some(fence)) => {
                prose(std::mem::take(&mut self.held), out);
                self.open(&fence, out);
            }
            (Place::Bare { sure: false }, Some(fence)) => {
                if self.looking_otherwise > self.looking_like_code {
                    out.push(Piece::Anew);
                    prose(std::mem::take(&mut self.code), out);
                    self.open(&fence, out);
                } else {
                    self.place = Place::Bare { sure: true };
                    self.pass(&line, out);
                }
            }
            (Place::Open, None) if looks_like_code(&line) => {
                let held = std::mem::take(&mut self.held) + &line;
                self.place = Place::Bare { sure: false };
                self.code(&held, out);
            }
            (Place::Open | Place::Bare { .. } | Place::Block { .. } | Place::Between, _) => {
                self.pass(&line, out)
            }
        }
    }

    /// A block begins.
    fn open(&mut self, fence: &Fence<'_>, out: &mut Vec<Piece>) {
        let commands = COMMANDS.contains(&fence.language());
        self.place = Place::Block { mark: fence.mark, length: fence.length, commands };
        self.ends.clear();
        if commands {
            return;
        }
        if !self.code.is_empty() {
            self.ends.push_str("\n\n");
        }
        if let Some(name) = fence.comment() {
            self.code(&name, out);
        }
    }

    /// Text that is no fence, in its place.
    fn pass(&mut self, text: &str, out: &mut Vec<Piece>) {
        match self.place {
            Place::Open => {
                self.held.push_str(text);
                if self.held.len() > limit::CODE_HELD_BYTES {
                    self.place = Place::Bare { sure: false };
                    let held = std::mem::take(&mut self.held);
                    self.code(&held, out);
                }
            }
            Place::Block { commands: true, .. } => self.commands.push_str(text),
            Place::Bare { .. } | Place::Block { .. } => self.code(text, out),
            Place::Between => {
                self.held.push_str(text);
                if self.held.len() > limit::THOUGHT_BYTES {
                    prose(std::mem::take(&mut self.held), out);
                }
            }
        }
    }

    fn code(&mut self, text: &str, out: &mut Vec<Piece>) {
        const ENDS: [char; 2] = ['\n', '\r'];
        let body = text.trim_end_matches(ENDS);
        if body.is_empty() {
            return self.ends.push_str(text);
        }
        let mut piece = std::mem::take(&mut self.ends) + body;
        self.ends.push_str(&text[body.len()..]);
        if self.code.is_empty() {
            piece = piece.trim_start_matches(ENDS).to_owned();
        }
        self.code.push_str(&piece);
        out.push(Piece::Code(piece));
    }

    fn end_line(&mut self) {
        if matches!(self.place, Place::Open | Place::Bare { .. }) && !self.head.trim().is_empty() {
            if looks_like_code(&self.head) {
                self.looking_like_code += 1;
            } else {
                self.looking_otherwise += 1;
            }
        }
        self.head.clear();
        self.passes = false;
    }
}

fn prose(text: String, out: &mut Vec<Piece>) {
    if !text.is_empty() {
        out.push(Piece::Prose(text));
    }
}

/// Languages of blocks that are no part of what a team writes: what to type in a terminal, and what that says.
const COMMANDS: [&str; 9] =
    ["bash", "sh", "shell", "zsh", "console", "terminal", "powershell", "cmd", "output"];

/// The line that begins or ends a block.
struct Fence<'a> {
    mark: char,
    length: usize,
    /// What stands behind the marks.
    info: &'a str,
}

impl<'a> Fence<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let rest = line.trim_end();
        let marks = rest.trim_start_matches(' ');
        let mark = marks.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = marks.trim_start_matches(mark);
        let length = marks.len() - info.len();
        // Farther in, and in the middle of a line, it is text; and so are words between two marks.
        let fine = rest.len() - marks.len() <= 3 && length >= 3 && !(mark == '`' && info.contains('`'));
        fine.then_some(Self { mark, length, info: info.trim() })
    }

    fn closes(&self, mark: char, length: usize) -> bool {
        self.info.is_empty() && self.mark == mark && self.length >= length
    }

    fn language(&self) -> &'a str {
        self.info.split([' ', ':', '{', ',']).next().unwrap_or_default()
    }

    /// The file's name, where the fence has one (`js App.js`, `js:App.js`, `js title="App.js"`), as a comment.
    fn comment(&self) -> Option<String> {
        let language = self.language();
        let rest = self.info[language.len()..].trim_start_matches([' ', ':', '{', ',']);
        let named =
            ["title=", "filename=", "file="].iter().find_map(|key| rest.strip_prefix(key)).unwrap_or(rest);
        let name = named.split([' ', '}']).next()?.trim_matches(['"', '\'']);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '@');
        if !name.contains('.') || name.len() > 100 || !name.chars().all(plain) {
            return None;
        }
        match language {
            "css" | "scss" | "less" => Some(format!("/* {name} */\n")),
            "html" | "vue" | "svelte" | "xml" | "svg" => Some(format!("<!-- {name} -->\n")),
            // It has no comments.
            "json" => None,
            _ => Some(format!("// {name}\n")),
        }
    }
}

/// Whether a line that begins so may become a fence.
fn may_be_fence(beginning: &str) -> bool {
    let marks = beginning.trim_start_matches(' ');
    if beginning.len() - marks.len() > 3 {
        return false;
    }
    let Some(mark) = marks.chars().next() else { return true };
    let rest = marks.trim_start_matches(mark);
    matches!(mark, '`' | '~') && (rest.is_empty() || marks.len() - rest.len() >= 3)
}

/// Whether a line (its beginning, where it is long) looks like one of a program or a page rather than of a letter.
fn looks_like_code(line: &str) -> bool {
    let whole = line.len() <= HEAD;
    let line = line[..line.floor_char_boundary(HEAD)].trim();
    let has = |any: &[char]| line.contains(any);
    let begins = |words: &[&str]| words.iter().any(|w| line.starts_with(w));
    begins(&["//", "/*", "'use ", "\"use ", "#!", "@import", "@media", "{", "}", "export default "])
        || line
            .strip_prefix('<')
            .is_some_and(|l| l.starts_with(|c: char| c.is_alphabetic() || "!/>".contains(c)))
        || begins(&["import "]) && has(&['\'', '"'])
        || begins(&["const ", "let ", "var ", "type "]) && has(&['='])
        || begins(&["function ", "async function ", "if ", "if(", "for ", "for(", "return "])
            && has(&['(', '<'])
        || begins(&["export ", "class ", "interface ", "enum "]) && has(&['{', '=', '('])
        || whole && [";", "{", "}", "/>", "=>", "(", "["].iter().any(|end| line.ends_with(end))
}

#[cfg(test)]
mod tests;
