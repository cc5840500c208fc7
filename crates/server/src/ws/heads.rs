//! The heads of the WebSocket frames in a stream of bytes (RFC 6455, 5.2), in whatever pieces it comes.
//! Nothing else of a frame is looked at, and nothing is kept of it.

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The last fragment of its message, which most first ones are.
    pub last: bool,
    /// Four bits.
    pub opcode: u8,
    /// Bytes of payload.
    pub length: u64,
}

/// Continuation, text, binary.
pub(super) const CONTINUATION: u8 = 0;
/// Asks for a pong.
pub(super) const PING: u8 = 9;

impl Head {
    /// Part of a message, and not a control frame between its parts.
    pub(super) fn is_data(self) -> bool {
        self.opcode < 8
    }
}

/// Two bytes, and up to eight of an extended length.
const LONGEST: usize = 10;
/// A mask follows where the second byte says so.
const MASK: u64 = 4;

/// Finds the heads; see the module.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// Of the head that is being read.
    head: [u8; LONGEST],
    have: u8,
    /// Of the mask and the payload, what has not passed yet.
    skip: u64,
}

impl Heads {
    /// The next head that these bytes complete; what is left of them is left in `bytes`. `None` once all of
    /// them have been looked at.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        loop {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            *bytes = bytes.get(skipped..).unwrap_or_default();
            self.skip -= skipped as u64;
            if self.skip > 0 {
                return None;
            }
            let (&first, rest) = bytes.split_first()?;
            *bytes = rest;
            if let Some(free) = self.head.get_mut(usize::from(self.have)) {
                *free = first;
                self.have += 1;
            }
            if let Some(head) = self.complete() {
                return Some(head);
            }
        }
    }

    fn complete(&mut self) -> Option<Head> {
        let [first, second, extended @ ..] = self.head;
        let (size, length) = match second & 0x7f {
            126 => (4, u64::from(u16::from_be_bytes([extended[0], extended[1]]))),
            127 => (LONGEST, u64::from_be_bytes(extended)),
            short => (2, u64::from(short)),
        };
        if usize::from(self.have) < size.max(2) {
            return None;
        }
        self.have = 0;
        let masked = second & 0x80 != 0;
        self.skip = length.saturating_add(if masked { MASK } else { 0 });
        Some(Head { last: first & 0x80 != 0, opcode: first & 0x0f, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame as a client sends it; `wide` takes more bytes for the length than it needs.
    fn frame(head: Head, masked: bool, wide: u8) -> Vec<u8> {
        let mask_bit = if masked { 0x80 } else { 0 };
        let mut bytes = vec![if head.last { 0x80 } else { 0 } | head.opcode];
        match (head.length, wide) {
            (0..126, 0) => bytes.push(mask_bit | head.length as u8),
            (0..65536, 0 | 1) => {
                bytes.push(mask_bit | 126);
                bytes.extend((head.length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 127);
                bytes.extend(head.length.to_be_bytes());
            }
        }
        // What looks like heads, and is payload.
        let body = head.length as usize + if masked { 4 } else { 0 };
        bytes.extend(std::iter::repeat_n([0x89, 0x80, 0xff, 0x00], body / 4 + 1).flatten().take(body));
        bytes
    }

    fn all(heads: &mut Heads, mut bytes: &[u8]) -> Vec<Head> {
        std::iter::from_fn(|| heads.next(&mut bytes)).collect()
    }

    fn some_head() -> impl Strategy<Value = (Head, bool, u8)> {
        let length = prop_oneof![0u64..130, Just(125), Just(126), 65_530u64..65_540];
        (any::<bool>(), 0u8..16, length, any::<bool>(), 0u8..3)
            .prop_map(|(last, opcode, length, masked, wide)| (Head { last, opcode, length }, masked, wide))
    }

    proptest! {
        // Planted faults: the mask not skipped; `have` not begun anew; the length of two bytes read the
        // other way round.
        #[test]
        fn in_any_pieces_the_same_heads(
            frames in prop::collection::vec(some_head(), 1..8),
            cuts in prop::collection::vec(1usize..300, 0..40),
        ) {
            let sent: Vec<Head> = frames.iter().map(|f| f.0).collect();
            let bytes: Vec<u8> = frames.iter().flat_map(|&(h, m, w)| frame(h, m, w)).collect();
            prop_assert_eq!(&all(&mut Heads::default(), &bytes), &sent);
            let (mut heads, mut found, mut rest) = (Heads::default(), Vec::new(), bytes.as_slice());
            for cut in cuts.into_iter().chain(std::iter::repeat(1)) {
                if rest.is_empty() {
                    break;
                }
                let (piece, later) = rest.split_at(cut.min(rest.len()));
                found.extend(all(&mut heads, piece));
                rest = later;
            }
            prop_assert_eq!(&found, &sent);
        }

        #[test]
        fn no_bytes_upset_it(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut heads = Heads::default();
            for piece in pieces {
                all(&mut heads, &piece);
            }
        }
    }

    #[test]
    fn a_length_that_nobody_has() {
        let mut heads = Heads::default();
        let found = all(&mut heads, &[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert_eq!(found, [Head { last: true, opcode: 2, length: u64::MAX }]);
    }
}
