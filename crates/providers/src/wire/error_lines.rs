//! llama.cpp's server and what is built on it say a failure in a line `error: {…}`, which is no field of
//! server-sent events and dropped by every reader of them. It is made an event of that name.

use bytes::Bytes;
use memchr::{memchr2, memmem, memrchr2};

const ERROR: &[u8] = b"error:";

/// Rewrites such lines in a stream that comes in any pieces.
#[derive(Debug)]
pub(crate) struct ErrorLines {
    /// What may become the beginning of one.
    held: Vec<u8>,
    at_start: bool,
}

impl Default for ErrorLines {
    fn default() -> Self {
        Self { held: Vec::new(), at_start: true }
    }
}

impl ErrorLines {
    /// The next piece, which is given back as it is unless there is one in it, or may be.
    pub(crate) fn pass(&mut self, piece: Bytes) -> Bytes {
        let (tail, begins) = match memrchr2(b'\r', b'\n', &piece) {
            Some(at) => (piece.get(at + 1..).unwrap_or_default(), true),
            None => (&*piece, self.at_start),
        };
        let may_be = begins && !tail.is_empty() && ERROR.starts_with(tail);
        if self.held.is_empty() && !may_be && memmem::find(&piece, ERROR).is_none() {
            self.at_start = begins && tail.is_empty();
            return piece;
        }
        let mut data = std::mem::take(&mut self.held);
        data.extend_from_slice(&piece);
        let mut out = Vec::with_capacity(data.len());
        let mut rest = data.as_slice();
        while !rest.is_empty() {
            if self.at_start && rest.len() < ERROR.len() && ERROR.starts_with(rest) {
                self.held = rest.to_vec();
                break;
            }
            if let Some(error) = rest.strip_prefix(ERROR).filter(|_| self.at_start) {
                out.extend_from_slice(b"event: error\ndata:");
                rest = error;
            }
            let end = memchr2(b'\r', b'\n', rest);
            let (line, more) = rest.split_at(end.map_or(rest.len(), |at| at + 1));
            out.extend_from_slice(line);
            self.at_start = end.is_some();
            rest = more;
        }
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &str, size: usize) -> String {
        let mut lines = ErrorLines::default();
        let pieces = text.as_bytes().chunks(size).map(|c| lines.pass(Bytes::copy_from_slice(c)));
        String::from_utf8(pieces.collect::<Vec<_>>().concat()).unwrap()
    }

    #[test]
    fn a_line_is_found_in_any_pieces_and_nothing_else_is_touched() {
        let plain =
            "data: {\"error: x\"}\n\nevent: error\r\ndata: no error:\r\n\r\nerr\n: error:\n\nerror\n\n";
        let said = "data: a\r\n\r\nerror: {\"code\":500}\r\n\r\nerror:x\r\r";
        let expected = "data: a\r\n\r\nevent: error\ndata: {\"code\":500}\r\n\r\nevent: error\ndata:x\r\r";
        for size in 1..60 {
            assert_eq!(through(plain, size), plain);
            assert_eq!(through(said, size), expected);
        }
        assert_eq!(through("error: 1\n\n", 4), "event: error\ndata: 1\n\n");
    }
}
