//! Forms in parts (RFC 7578), piece by piece: what comes is passed on at once and never gathered. Pure; the
//! socket is its caller's. The library that would do this reads ahead as fast as a client sends, and looks
//! for the end of a part's headers in up to the whole body; both would be memory for whoever asks.

use bytes::{Buf as _, Bytes, BytesMut};
use headwater_core::limit;
use memchr::memmem::Finder;

/// The most characters of a border (RFC 2046).
const BORDER_CHARS: usize = 70;

/// A form that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What a part says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The field's name.
    pub name: String,
    /// The file's name, where it is a file; as it came.
    pub filename: Option<String>,
}

/// What is found next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A part begins.
    Begin(Head),
    /// Some of its bytes; never empty.
    Data(Bytes),
    /// It is over.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first border: to be skipped.
    Preamble,
    /// Right after a border.
    Border,
    Head,
    Data,
    /// After the last border: to be skipped.
    Over,
}

/// Takes bytes and gives pieces. Holds what was fed last, and a head or a border that is not whole.
pub(super) struct Parser {
    border: Finder<'static>,
    buffer: BytesMut,
    state: State,
}

impl Parser {
    pub(super) fn new(border: &str) -> Self {
        let border = format!("\r\n--{border}");
        // The first border may stand at the very beginning, where no line ends before it.
        Self {
            border: Finder::new(&border).into_owned(),
            buffer: BytesMut::from("\r\n"),
            state: State::Preamble,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether the last border has been seen.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// The next piece; `None` where more bytes are needed first.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, Malformed> {
        let border = self.border.needle().len();
        loop {
            match self.state {
                State::Preamble => match self.border.find(&self.buffer) {
                    Some(at) => {
                        self.buffer.advance(at + border);
                        self.state = State::Border;
                    }
                    None => {
                        let known = self.buffer.len().saturating_sub(border - 1);
                        self.buffer.advance(known);
                        return Ok(None);
                    }
                },
                State::Border => {
                    while matches!(self.buffer.first(), Some(b' ' | b'\t')) {
                        self.buffer.advance(1);
                    }
                    match self.buffer.get(..2) {
                        None => return Ok(None),
                        Some(b"--") => self.state = State::Over,
                        Some(b"\r\n") => {
                            self.buffer.advance(2);
                            self.state = State::Head;
                        }
                        Some(_) => return Err(Malformed),
                    }
                }
                State::Head => {
                    let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") else {
                        let too_long = self.buffer.len() > limit::UPLOAD_HEAD_BYTES;
                        return if too_long { Err(Malformed) } else { Ok(None) };
                    };
                    if end > limit::UPLOAD_HEAD_BYTES {
                        return Err(Malformed);
                    }
                    let head = self.buffer.split_to(end);
                    self.buffer.advance(4);
                    self.state = State::Data;
                    return read_head(&head).map(|head| Some(Piece::Begin(head))).ok_or(Malformed);
                }
                State::Data => match self.border.find(&self.buffer) {
                    Some(0) => {
                        self.buffer.advance(border);
                        self.state = State::Border;
                        return Ok(Some(Piece::End));
                    }
                    Some(at) => return Ok(Some(Piece::Data(self.buffer.split_to(at).freeze()))),
                    None => {
                        // Its end may be the beginning of a border.
                        let known = self.buffer.len().saturating_sub(border - 1);
                        let data = self.buffer.split_to(known).freeze();
                        return Ok((!data.is_empty()).then_some(Piece::Data(data)));
                    }
                },
                State::Over => {
                    self.buffer.clear();
                    return Ok(None);
                }
            }
        }
    }
}

/// The border that a `Content-Type` names; `None` where it is no form in parts at all.
pub(super) fn border(content_type: &str) -> Option<Result<String, Malformed>> {
    let (kind, rest) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let border = parameter(rest, "boundary").filter(|b| (1..=BORDER_CHARS).contains(&b.len()));
    Some(border.ok_or(Malformed))
}

fn read_head(head: &[u8]) -> Option<Head> {
    let head = String::from_utf8_lossy(head);
    let value = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let (kind, rest) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let filename = parameter(rest, "filename*").and_then(|coded| extended(&coded));
    // Browsers write a quotation mark like this.
    let filename = filename.or_else(|| Some(parameter(rest, "filename")?.replace("%22", "\"")));
    Some(Head { name: parameter(rest, "name")?, filename })
}

/// `UTF-8''caf%C3%A9.txt` (RFC 5987).
fn extended(coded: &str) -> Option<String> {
    let (charset, rest) = coded.split_once('\'')?;
    let (_, value) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    percent_encoding::percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// One of `; name="a"; filename=b`. A mark or a backslash in quotes is written behind a backslash; any other
/// backslash is itself, since old browsers send whole paths of Windows.
fn parameter(mut rest: &str, wanted: &str) -> Option<String> {
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (key, after) = rest.split_once('=')?;
        let (value, left) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if key.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = left;
    }
}

fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match chars.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"chunk_size\"\r\n\r\n500\r\n--XX  \r\n\
        content-type: text/plain\r\ncontent-disposition: form-data; filename=\"a.txt\"; name=file\r\n\r\n\
        one\r\n--X\r\ntwo\r\n\r\n--XX\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--XX--\r\nepilogue";

    /// Field, file name, bytes of each part.
    type Parts = Vec<(String, Option<String>, String)>;

    fn parse(form: &str, piece: usize) -> Result<(Parts, bool), Malformed> {
        let mut parser = Parser::new("XX");
        let (mut parts, mut open) = (Parts::new(), false);
        for bytes in form.as_bytes().chunks(piece) {
            parser.feed(bytes);
            while let Some(piece) = parser.next()? {
                match piece {
                    Piece::Begin(head) => {
                        assert!(!open);
                        open = true;
                        parts.push((head.name, head.filename, String::new()));
                    }
                    Piece::Data(bytes) => {
                        assert!(open && !bytes.is_empty());
                        parts.last_mut().unwrap().2.push_str(std::str::from_utf8(&bytes).unwrap());
                    }
                    Piece::End => open = false,
                }
            }
        }
        Ok((parts, parser.is_over()))
    }

    // Planted fault: nothing kept back in `State::Data`; a border in two pieces was then data.
    #[test]
    fn a_form_is_the_same_in_whatever_pieces_it_comes() {
        let whole = parse(FORM, FORM.len()).unwrap();
        assert_eq!(
            whole,
            (
                vec![
                    ("chunk_size".into(), None, "500".into()),
                    ("file".into(), Some("a.txt".into()), "one\r\n--X\r\ntwo\r\n".into()),
                    ("empty".into(), None, String::new()),
                ],
                true
            )
        );
        for piece in 1..FORM.len() {
            assert_eq!(parse(FORM, piece).unwrap(), whole, "pieces of {piece}");
        }
    }

    #[test]
    fn what_breaks_off_is_never_over() {
        let end = FORM.find("--XX--").unwrap() + "--XX--".len();
        for cut in 0..end {
            assert!(!parse(&FORM[..cut], 7).unwrap().1, "cut at {cut}");
        }
    }

    #[test]
    fn forms_that_are_none() {
        let head = |line: &str| format!("--XX\r\n{line}\r\n\r\nx\r\n--XX--");
        for form in [
            head("no-disposition: x"),
            head("Content-Disposition: form-data"),
            head("Content-Disposition: attachment; name=\"a\""),
            head("Content-Disposition: form-data; name=\"open"),
            head(&format!("Content-Disposition: form-data; name=\"{}\"", "x".repeat(5_000))),
            "--XXX\r\n".to_owned(),
            format!("--XX\r\n{}", "x".repeat(5_000)),
        ] {
            for piece in [1, 4_096, 100_000] {
                assert_eq!(parse(&form, piece), Err(Malformed), "{:.60}", form);
            }
        }
    }

    #[test]
    fn names_of_files_as_clients_write_them() {
        let name = |rest: &str| {
            let line = format!("Content-Disposition: form-data; name=\"file\"; {rest}");
            read_head(line.as_bytes()).unwrap().filename.unwrap()
        };
        assert_eq!(name("filename=plain.txt"), "plain.txt");
        assert_eq!(name(r#"filename="a;b=c.txt""#), "a;b=c.txt");
        assert_eq!(name(r#"filename="curl \"quoted\" \\.txt""#), r#"curl "quoted" \.txt"#);
        assert_eq!(name(r#"filename="browser %22quoted%22.txt""#), r#"browser "quoted".txt"#);
        assert_eq!(name(r#"filename="C:\dir\a.txt""#), r"C:\dir\a.txt");
        assert_eq!(name("filename=\"x\"; filename*=UTF-8''caf%C3%A9.txt"), "café.txt");
        assert_eq!(name("filename*=latin1''caf%E9; filename=\"x.txt\""), "x.txt");
        assert_eq!(name("filename=\"größe.txt\""), "größe.txt");
    }

    #[test]
    fn the_border_of_a_content_type() {
        let ok = |text: &str| Some(Ok(text.to_owned()));
        assert_eq!(border("multipart/form-data; boundary=abc"), ok("abc"));
        assert_eq!(border("Multipart/Form-Data; charset=x; Boundary=\"a b\""), ok("a b"));
        assert_eq!(border("multipart/form-data"), Some(Err(Malformed)));
        assert_eq!(
            border(&format!("multipart/form-data; boundary={}", "x".repeat(71))),
            Some(Err(Malformed))
        );
        assert_eq!(border("application/json"), None);
    }
}
