//! A position in a run's log as a client holds it: opaque, checked, bound to its run.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::code::{Code, Error};
use crate::event::Seq;
use crate::id::RunId;
use crate::run::Tail;

/// A position after the event `seq` of `run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The run.
    pub run: RunId,
    /// The last event that its holder has seen; 0 is the beginning.
    pub seq: Seq,
}

const VERSION: u8 = 1;

impl Cursor {
    /// The text that a client is given; at most 128 bytes for the engine's own run ids.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(self.run.as_str().as_bytes());
        let check = checksum(&bytes);
        bytes.extend_from_slice(&check.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a text that a client sent.
    ///
    /// # Errors
    /// [`Code::CursorInvalid`] for anything that [`Cursor::encode`] did not make.
    pub fn decode(text: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::new(
                Code::CursorInvalid,
                "this cursor was not made by this server; read the run from the start without one",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
        let (body, check) = bytes.split_last_chunk::<4>().ok_or_else(invalid)?;
        if checksum(body).to_be_bytes() != *check || body.first() != Some(&VERSION) {
            return Err(invalid());
        }
        let (seq, run) = body[1..].split_first_chunk::<8>().ok_or_else(invalid)?;
        let run = std::str::from_utf8(run).ok().and_then(|r| RunId::parse(r).ok()).ok_or_else(invalid)?;
        Ok(Self { run, seq: Seq::from_be_bytes(*seq) })
    }

    /// The position in `run`, whose log stands at `tail`.
    ///
    /// # Errors
    /// [`Code::CursorForeign`] for another run's cursor, and as [`check_position`].
    pub fn position_in(&self, run: &RunId, tail: Tail) -> Result<Seq, Error> {
        if self.run != *run {
            return Err(Error::new(
                Code::CursorForeign,
                "this cursor belongs to another run; use the cursor of an event of this run",
            ));
        }
        check_position(self.seq, tail.seq)
    }
}

/// Whether a viewer may go on after `seq` in a log whose tail is `tail`.
///
/// # Errors
/// [`Code::CursorAhead`] where the log is not that long: somebody holds what this log never said.
pub fn check_position(seq: Seq, tail: Seq) -> Result<Seq, Error> {
    if seq > tail { Err(ahead(seq, tail)) } else { Ok(seq) }
}

fn ahead(seq: Seq, tail: Seq) -> Error {
    Error::new(
        Code::CursorAhead,
        format!("position {seq} is beyond the end of this run's log ({tail}); read it from the start"),
    )
}

/// FNV-1a: finds accidents (a cut, a typing error). A forged position gives nothing that its owner could
/// not read anyway, so it needs no secret.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cursor(run: &str, seq: Seq) -> Cursor {
        Cursor { run: RunId::parse(run).unwrap(), seq }
    }

    #[test]
    fn ahead_foreign_and_garbage_are_told_apart() {
        let tail = Tail { seq: 5, term: 1, outcome: None };
        let run = RunId::parse("run_a").unwrap();
        assert_eq!(cursor("run_a", 5).position_in(&run, tail).unwrap(), 5);
        assert_eq!(cursor("run_a", 6).position_in(&run, tail).unwrap_err().code, Code::CursorAhead);
        assert_eq!(cursor("run_b", 1).position_in(&run, tail).unwrap_err().code, Code::CursorForeign);
        for garbage in ["", "7", "x", "AAAA", "äöü", &"A".repeat(500)] {
            assert_eq!(Cursor::decode(garbage).unwrap_err().code, Code::CursorInvalid);
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(run in "[A-Za-z0-9_-]{1,64}", seq in 0..u64::MAX) {
            let c = Cursor { run: RunId::parse(&run).unwrap(), seq };
            prop_assert_eq!(Cursor::decode(&c.encode()).unwrap(), c);
        }

        #[test]
        fn one_changed_character_is_noticed(at in 0usize..30, to in "[A-Za-z0-9_-]") {
            let text = cursor("run_0123456789", 42).encode();
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != text);
            prop_assert!(Cursor::decode(&changed).is_err());
        }
    }
}
