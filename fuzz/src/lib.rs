//! What every target asks of its format, whatever bytes a host sends: no panic; exactly one ending, nothing
//! after it and no empty delta (`testing` fails otherwise); and the same answer however the bytes
//! are cut.

use std::convert::Infallible;

use headwater_providers::wire::Wire;
use headwater_providers::wire::testing::{self, Answer};
use tokio::runtime::{Builder, Runtime};

/// Ends the body in an input: what follows its last are the sizes of the pieces that the body comes in, again
/// and again. No UTF-8 has this byte, so that a seed is the plain text of a stream.
const MARK: u8 = 0xFF;

thread_local! {
    /// The decoders themselves wait for nothing; who reads a body has a clock.
    static RUNTIME: Runtime = match Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    };
}

/// Reads an input as a body of this format, in three ways.
pub fn check(wire: &dyn Wire, input: &[u8]) {
    let (body, sizes) = match input.iter().rposition(|b| *b == MARK) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[][..]),
    };
    testing::push_beyond_the_ending(wire, body);
    let whole = read(wire, vec![body.to_vec()]);
    assert_eq!(read(wire, pieces(body, &[1])), whole, "one byte at a time");
    assert_eq!(read(wire, pieces(body, sizes)), whole, "in pieces of {sizes:?}");
}

/// The body in pieces of these sizes; of seven bytes where none is said.
fn pieces(mut body: &[u8], sizes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut sizes = if sizes.is_empty() { &[7] } else { sizes }.iter().cycle();
    while !body.is_empty() {
        let size = sizes.next().map_or(1, |s| usize::from(*s).max(1)).min(body.len());
        let (piece, rest) = body.split_at(size);
        pieces.push(piece.to_vec());
        body = rest;
    }
    pieces
}

fn read(wire: &dyn Wire, pieces: Vec<Vec<u8>>) -> Answer {
    let body = futures_util::stream::iter(pieces.into_iter().map(|p| Ok::<_, Infallible>(p.into())));
    RUNTIME.with(|runtime| runtime.block_on(testing::read(wire, body, testing::SECOND, testing::SECOND)))
}
