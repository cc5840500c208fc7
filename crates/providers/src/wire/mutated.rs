//! The seeds of `fuzz/` broken by chance, in every test run: what a decoder is sent is a host's to choose. The
//! targets of `fuzz/` go on where this ends, led by what code an input reaches.

use std::path::Path;

use proptest::prelude::*;

use super::Wire;
use super::testing::{decode, push_beyond_the_ending};
use crate::anthropic::Anthropic;
use crate::gemini::Gemini;
use crate::ollama::Ollama;
use crate::openai::OpenAi;
use crate::responses::Responses;

/// Each format by the name of its seeds.
fn wires() -> Vec<(&'static str, Box<dyn Wire>)> {
    vec![
        ("anthropic", Box::new(Anthropic)),
        ("gemini", Box::new(Gemini)),
        ("ollama", Box::new(Ollama)),
        ("openai", Box::new(OpenAi::default())),
        ("responses", Box::new(Responses)),
    ]
}

/// The seeds of a format, in the order of their names.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One way to break a body; places and lengths are taken modulo what is there.
#[derive(Debug, Clone)]
enum Fault {
    /// A bit is another.
    Flip(usize, u8),
    /// What follows is lost.
    Cut(usize),
    /// Some bytes are missing.
    Drop(usize, usize),
    /// Some bytes come again.
    Repeat(usize, usize),
    /// Another stream goes on from here.
    Splice(usize, usize, usize),
    /// A word that a parser may stumble over.
    Word(usize, usize),
}

const WORDS: [&[u8]; 10] = [
    b"\n\n",
    b"\r",
    b"\0",
    b"\xFF\xFE",
    b"\xF0\x9F",
    b"null",
    b"18446744073709551616",
    b"{\"",
    b"\\ud800",
    b"data:",
];

fn fault() -> impl Strategy<Value = Fault> {
    let at = 0..usize::MAX;
    prop_oneof![
        (at.clone(), 0..8u8).prop_map(|(at, bit)| Fault::Flip(at, bit)),
        at.clone().prop_map(Fault::Cut),
        (at.clone(), 0..64usize).prop_map(|(at, n)| Fault::Drop(at, n)),
        (at.clone(), 0..400usize).prop_map(|(at, n)| Fault::Repeat(at, n)),
        (at.clone(), at.clone(), at.clone()).prop_map(|(at, which, from)| Fault::Splice(at, which, from)),
        (at, 0..WORDS.len()).prop_map(|(at, word)| Fault::Word(at, word)),
    ]
}

fn broken(mut body: Vec<u8>, faults: &[Fault], seeds: &[Vec<u8>]) -> Vec<u8> {
    for fault in faults {
        let place = |at: usize| at % (body.len() + 1);
        match *fault {
            Fault::Flip(at, bit) => {
                let at = place(at);
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Fault::Cut(at) => body.truncate(place(at)),
            Fault::Drop(at, n) => {
                let at = place(at);
                body.drain(at..(at + n).min(body.len()));
            }
            Fault::Repeat(at, n) => {
                let at = place(at);
                let again = body[at..(at + n).min(body.len())].to_vec();
                body.splice(at..at, again);
            }
            Fault::Splice(at, which, from) => {
                body.truncate(place(at));
                let other = &seeds[which % seeds.len()];
                body.extend_from_slice(&other[from % (other.len() + 1)..]);
            }
            Fault::Word(at, word) => {
                let at = place(at);
                body.splice(at..at, WORDS[word].iter().copied());
            }
        }
    }
    body
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    // Planted faults: a slice of the data at a byte that is no beginning of a character; an end that is told
    // again by whatever follows it.
    #[test]
    fn a_broken_stream_breaks_nobody_and_is_read_the_same_however_it_is_cut(
        which in 0..usize::MAX,
        faults in proptest::collection::vec(fault(), 0..6),
        piece in 1..64usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for (name, wire) in wires() {
            let seeds = seeds(name);
            let body = broken(seeds[which % seeds.len()].clone(), &faults, &seeds);
            // What breaks the port's contract fails in there.
            push_beyond_the_ending(&*wire, &body);
            let whole = runtime.block_on(decode(&*wire, &body, body.len()));
            prop_assert_eq!(runtime.block_on(decode(&*wire, &body, piece)), whole, "{}", name);
        }
    }
}
