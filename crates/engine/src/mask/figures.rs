//! Reads figures: where digits with separators begin and end, and what stands around them. Which of them
//! are somebody's numbers is decided in `numbers.rs`.
//!
//! A *block* is digits with separators and no space in it, such as `555-123-4567` or `(030)`. A number may
//! take several blocks, so up to [`BLOCKS`] of them wait until the first one's meaning is known.

use std::collections::VecDeque;

use super::numbers::{self, Figure};
use super::{Detector, Kind, Kinds, Span, is_cased};

/// Blocks of one number at most: `+33 6 12 34 56 78` and `+1 ( 555 )` forms have six.
const BLOCKS: usize = 7;
/// Bytes of a block that can be part of a number; a longer one is none.
const BLOCK_BYTES: usize = 40;
/// Groups of digits in such a block.
const BLOCK_GROUPS: usize = 7;
/// Signs between two blocks: ` `, two of them, ` - `.
const JOIN_CHARS: usize = 3;
/// Words after which `phone` or `order` no longer speaks for a number.
const CONTEXT_WORDS: u8 = 3;
/// Bytes of a word that are looked at; the longest known one has nine.
const WORD_BYTES: usize = 12;

/// What the words before a number say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// Somebody is to be called.
    Phone,
    /// It names a thing: an order, a part.
    Thing,
    /// It is a social security number.
    Ssn,
}

/// What stands directly beside digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Beside {
    #[default]
    Nothing,
    /// A letter: `F21`.
    Letter,
    /// A letter with a sign between: `APT-2026`.
    Signed,
}

/// Digits with separators, and no space.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    start: usize,
    end: usize,
    pub(super) text: String,
    /// What joins it to the block before it.
    pub(super) joined_by: &'static str,
    groups: usize,
    digits: usize,
    context: Option<Context>,
    /// Part of a word: `F21`, `16GB`.
    in_word: bool,
    /// Part of a name: `APT-20261121103000`, `123-456-7890-AB`, `#1234567890`.
    in_name: bool,
}

impl Block {
    fn overlong(&self) -> bool {
        self.text.len() > BLOCK_BYTES || self.groups > BLOCK_GROUPS
    }
}

#[derive(Debug)]
pub(super) struct Figures {
    kinds: Kinds,
    waiting: VecDeque<Block>,
    /// The block that is being read, and signs behind its last digit.
    block: Option<Block>,
    signs: String,
    /// The last letter was a digit of the block.
    in_group: bool,
    /// Spaces and dashes behind the last block.
    join: String,
    beside: Beside,
    word: String,
    context: Option<(Context, u8)>,
}

impl Detector for Figures {
    fn push(&mut self, at: usize, c: char, found: &mut Vec<Span>) {
        if self.block.is_some() {
            if self.in_block(at, c, found) {
                return;
            }
        } else if !self.waiting.is_empty() && !self.joins(c) {
            self.settle(found);
        }
        if self.block.is_none() {
            self.between(at, c);
        }
    }

    fn finish(&mut self, found: &mut Vec<Span>) {
        self.close_block(Beside::Nothing, found);
        self.settle(found);
        *self = Self::new(self.kinds);
    }

    fn open(&self) -> Option<usize> {
        let block = self.block.as_ref().filter(|b| !b.overlong() && !b.in_word);
        self.waiting.front().or(block).map(|b| b.start)
    }
}

impl Figures {
    pub(super) fn new(kinds: Kinds) -> Self {
        Self {
            kinds,
            waiting: VecDeque::new(),
            block: None,
            signs: String::new(),
            in_group: false,
            join: String::new(),
            beside: Beside::Nothing,
            word: String::new(),
            context: None,
        }
    }

    /// Whether the letter belongs to the block, or to what joins it to the next.
    fn in_block(&mut self, at: usize, c: char, found: &mut Vec<Span>) -> bool {
        let Some(block) = &mut self.block else { return false };
        if c.is_ascii_digit() {
            if block.overlong() {
                return true;
            }
            block.groups += usize::from(!self.in_group);
            self.in_group = true;
            block.text.push_str(&self.signs);
            self.signs.clear();
            block.text.push(c);
            block.digits += 1;
            block.end = at + 1;
            if block.overlong() {
                // Digits without end are no number, and nothing before them goes on in them.
                self.settle(found);
            }
            return true;
        }
        if block.groups == 0 {
            // `+` or `(` and no digit yet.
            if c == '(' && block.text == "+" || c == '+' && block.text == "(" {
                block.text.push(c);
                return true;
            }
            self.block = None;
            self.settle(found);
            return false;
        }
        if is_sign(c) && self.signs.chars().count() < 2 {
            self.in_group = false;
            if c == ')' && self.signs.is_empty() && block.text.rfind('(') > block.text.rfind(')') {
                // A bracket that was opened in here: `(030)`.
                block.text.push(c);
                block.end = at + 1;
            } else {
                self.signs.push(c);
            }
            return true;
        }
        let signed = self.signs.chars().any(|s| matches!(s, '-' | '/'));
        let beside = match c {
            _ if !is_cased(c) && c != '_' => Beside::Nothing,
            'x' | 'X' => Beside::Nothing, // an extension: 555-123-4567x89
            _ if self.signs.is_empty() => Beside::Letter,
            _ if signed => Beside::Signed,
            _ => Beside::Nothing,
        };
        let trailing = !self.signs.is_empty();
        self.close_block(beside, found);
        if is_space(c) && !trailing && !self.waiting.is_empty() {
            self.join.push(c);
            return true;
        }
        self.settle(found);
        false
    }

    /// Whether the letter goes on between two blocks. A digit that begins the next one is not taken yet.
    fn joins(&mut self, c: char) -> bool {
        if self.join.is_empty() {
            return false;
        }
        if c.is_ascii_digit() || c == '(' || c == '+' {
            // ` -5` is a number below zero.
            return !self.join.ends_with(['-', '–']);
        }
        let fits = is_space(c) || (matches!(c, '-' | '–') && self.join.chars().all(is_space));
        if fits && self.join.chars().count() < JOIN_CHARS {
            self.join.push(c);
            return true;
        }
        false
    }

    /// A letter outside of blocks: begins one, or is context.
    fn between(&mut self, at: usize, c: char) {
        if c.is_ascii_digit() || c == '+' || c == '(' {
            self.end_word();
            let joined_by = match self.join.as_str() {
                "" => "",
                join if join.contains(['-', '–']) => "-",
                _ => " ",
            };
            self.join.clear();
            let mut block = Block {
                start: at,
                end: at + 1,
                text: c.to_string(),
                joined_by,
                groups: usize::from(c.is_ascii_digit()),
                digits: usize::from(c.is_ascii_digit()),
                context: self.context.map(|(context, _)| context),
                in_word: self.beside == Beside::Letter,
                in_name: self.beside == Beside::Signed,
            };
            // A sign that follows a word is no part of a number: `Kubernetes(1)`, `C+1`.
            if block.in_word && !c.is_ascii_digit() {
                block.in_word = false;
                block.in_name = true;
            }
            self.block = Some(block);
            self.in_group = c.is_ascii_digit();
            self.signs.clear();
            self.beside = Beside::Nothing;
            return;
        }
        let letter = is_cased(c);
        if letter && self.word.len() < WORD_BYTES {
            self.word.push(c.to_ascii_lowercase());
        } else if !letter {
            self.end_word();
        }
        if c == '\n' {
            self.context = None;
        }
        self.beside = match c {
            '_' => Beside::Letter,
            '#' | '$' | '€' | '£' => Beside::Signed,
            _ if letter => Beside::Letter,
            '-' | '/' if self.beside != Beside::Nothing => Beside::Signed,
            _ => Beside::Nothing,
        };
        if c == '#' {
            self.context = Some((Context::Thing, 0));
        }
    }

    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        self.context = match numbers::context(&self.word) {
            Some(context) => Some((context, 0)),
            None => self.context.filter(|(_, age)| *age < CONTEXT_WORDS).map(|(c, age)| (c, age + 1)),
        };
        self.word.clear();
    }

    fn close_block(&mut self, beside: Beside, found: &mut Vec<Span>) {
        self.signs.clear();
        let Some(mut block) = self.block.take() else { return };
        self.beside = beside;
        block.in_word |= beside == Beside::Letter;
        block.in_name |= beside == Beside::Signed;
        if block.groups == 0 || block.in_word || block.overlong() {
            // A barrier: no number goes through it.
            return self.settle(found);
        }
        self.waiting.push_back(block);
        if self.waiting.len() > BLOCKS {
            self.decide(found);
        }
    }

    /// Nothing joins on: decides about everything that waits.
    fn settle(&mut self, found: &mut Vec<Span>) {
        self.join.clear();
        while !self.waiting.is_empty() {
            self.decide(found);
        }
    }

    /// Decides whether a number begins with the first block that waits.
    fn decide(&mut self, found: &mut Vec<Span>) {
        let blocks = self.waiting.make_contiguous();
        let most = blocks.len().min(BLOCKS);
        let mut taken = None;
        'kinds: for kind in [Kind::Card, Kind::Ssn, Kind::Phone] {
            if !self.kinds.has(kind) {
                continue;
            }
            for n in (1..=most).rev() {
                let some = &blocks[..n];
                let digits: usize = some.iter().map(|b| b.digits).sum();
                if !(numbers::FEWEST..=numbers::MOST).contains(&digits) {
                    continue;
                }
                let named = some.iter().any(|b| b.in_name);
                if kind != Kind::Card && named {
                    continue;
                }
                let figure = Figure::of(some);
                if numbers::is(kind, &figure, some[0].context) {
                    taken = Some((n, kind));
                    break 'kinds;
                }
            }
        }
        let n = taken.map_or(1, |(n, _)| n);
        if let Some((_, kind)) = taken {
            found.push(without_brackets(&blocks[..n], kind));
        }
        self.waiting.drain(..n);
        if let Some(next) = self.waiting.front_mut() {
            next.joined_by = "";
        }
    }
}

/// The number without the bracket that stands around all of it: `(555-123-4567)`.
fn without_brackets(blocks: &[Block], kind: Kind) -> Span {
    let (first, last) = (&blocks[0], &blocks[blocks.len() - 1]);
    let (mut start, mut end) = (first.start, last.end);
    if first.text.starts_with('(') {
        let closes = first.text.find(')').map(|at| first.start + at + 1);
        if closes.is_none() || closes == Some(end) {
            start += 1;
            end -= usize::from(closes.is_some());
        }
    }
    Span { start, end, kind }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}')
}

fn is_sign(c: char) -> bool {
    matches!(c, '-' | '.' | '/' | '(' | ')' | '‑' | '–')
}
