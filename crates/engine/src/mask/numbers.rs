//! Which figures are somebody's numbers: cards, social security numbers, telephone numbers.

use super::Kind;
use super::figures::{Block, Context};

/// Digits of the shortest number that is looked for, and of the longest.
pub(super) const FEWEST: usize = 7;
pub(super) const MOST: usize = 19;

/// Words that speak for a telephone number behind them.
const PHONE: [&str; 16] = [
    "phone",
    "telephone",
    "tel",
    "call",
    "mobile",
    "cell",
    "cellphone",
    "whatsapp",
    "fax",
    "sms",
    "text",
    "dial",
    "hotline",
    "ring",
    "telefon",
    "handy",
];
/// Words that speak for the name of a thing.
const THING: [&str; 19] = [
    "part",
    "order",
    "invoice",
    "ticket",
    "serial",
    "code",
    "ref",
    "reference",
    "id",
    "article",
    "item",
    "sku",
    "isbn",
    "model",
    "version",
    "account",
    "tracking",
    "booking",
    "batch",
];
/// Words that speak for a social security number.
const SSN: [&str; 2] = ["ssn", "security"];

/// What a word, lower case, says of a number behind it.
pub(super) fn context(word: &str) -> Option<Context> {
    let known = [(&PHONE[..], Context::Phone), (&THING[..], Context::Thing), (&SSN[..], Context::Ssn)];
    known.into_iter().find(|(words, _)| words.contains(&word)).map(|(_, context)| context)
}

/// Groups of digits with what stands between them.
#[derive(Debug, Default)]
pub(super) struct Figure {
    groups: Vec<String>,
    /// The sign behind each group but the last: one of `-`, `.`, `/` or a space.
    signs: Vec<char>,
    plus: bool,
    /// The first group stands in brackets.
    bracketed: bool,
    /// A `(0)` that was left out: a digit that is dialled at home only.
    trunk: bool,
    /// One of the blocks is a date.
    dated: bool,
}

impl Figure {
    pub(super) fn of(blocks: &[Block]) -> Self {
        let mut figure = Self::default();
        let mut bracket = None;
        for (n, block) in blocks.iter().enumerate() {
            figure.dated |= is_date(&block.text);
            if n > 0 && block.text.starts_with(['+', '(']) && block.text.contains('+') {
                // A new number begins here.
                figure.groups.clear();
                return figure;
            }
            let mut sign = if n == 0 { None } else { Some(if block.joined_by == "-" { '-' } else { ' ' }) };
            let mut group = String::new();
            for c in block.text.chars() {
                if c.is_ascii_digit() {
                    if let Some(sign) = sign.take()
                        && !figure.groups.is_empty()
                    {
                        figure.signs.push(sign);
                    }
                    group.push(c);
                    continue;
                }
                if !group.is_empty() {
                    figure.end_group(std::mem::take(&mut group), bracket.take(), c);
                    sign = Some(' ');
                }
                match c {
                    '+' => figure.plus = true,
                    '(' => bracket = Some(figure.groups.len()),
                    '-' | '‑' | '–' => sign = Some('-'),
                    '.' | '/' => sign = Some(c),
                    _ => {}
                }
            }
            if !group.is_empty() {
                figure.end_group(group, None, ' ');
            }
        }
        figure
    }

    fn end_group(&mut self, group: String, bracket: Option<usize>, closed_by: char) {
        if bracket.is_some() && closed_by == ')' {
            if group == "0" && !self.groups.is_empty() {
                self.trunk = true;
                self.signs.pop();
                return;
            }
            self.bracketed |= self.groups.is_empty();
        }
        self.groups.push(group);
    }

    fn digits(&self) -> String {
        self.groups.concat()
    }

    fn lengths(&self) -> Vec<usize> {
        self.groups.iter().map(String::len).collect()
    }

    fn uniform(&self) -> bool {
        self.signs.windows(2).all(|w| w[0] == w[1])
    }

    fn only(&self, signs: &[char]) -> bool {
        self.signs.iter().all(|s| signs.contains(s))
    }
}

/// Whether the figure is one of these.
pub(super) fn is(kind: Kind, figure: &Figure, context: Option<Context>) -> bool {
    match kind {
        Kind::Card => is_card(figure),
        Kind::Ssn => is_ssn(figure, context),
        Kind::Phone => is_phone(figure, context),
        Kind::Email | Kind::Vin => false,
    }
}

fn is_card(figure: &Figure) -> bool {
    let digits = figure.digits();
    let n = digits.len();
    if !(13..=19).contains(&n) || figure.plus || figure.bracketed || figure.trunk {
        return false;
    }
    if !figure.uniform() || !figure.only(&[' ', '-']) {
        return false;
    }
    let printed = match figure.lengths().as_slice() {
        [_] | [8, 8] | [4, 6, 3..=5] | [4, 4, 5] => true,
        [4, 4, 4, rest @ ..] => matches!(rest, [1..=7] | [4, 1..=3]),
        _ => false,
    };
    printed && issued(&digits) && luhn(&digits)
}

/// Whether an issuer gives out numbers that begin so and are so long. Fourteen digits are a time written
/// without signs far more often than a card; the issuer's digits tell them apart.
fn issued(digits: &str) -> bool {
    let head = |n: usize| digits.get(..n).and_then(|d| d.parse::<u32>().ok()).unwrap_or(0);
    match digits.len() {
        13 => head(1) == 4,
        14 => matches!(head(3), 300..=305) || matches!(head(2), 36 | 38 | 39),
        15 => matches!(head(2), 34 | 37) || matches!(head(4), 1800 | 2131),
        16 => {
            head(1) == 4
                || matches!(head(2), 50..=58 | 60..=69 | 81 | 82)
                || matches!(head(4), 2200..=2204 | 2221..=2720 | 3528..=3589)
                || matches!(head(2), 36 | 38 | 39)
        }
        _ => head(1) == 4 || matches!(head(2), 50 | 56..=58 | 60..=69),
    }
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(n, b)| {
            let digit = u32::from(b.saturating_sub(b'0'));
            match n % 2 {
                0 => digit,
                _ if digit > 4 => 2 * digit - 9,
                _ => 2 * digit,
            }
        })
        .sum();
    sum.is_multiple_of(10) && digits.bytes().any(|b| b != b'0')
}

fn is_ssn(figure: &Figure, context: Option<Context>) -> bool {
    let digits = figure.digits();
    if digits.len() != 9 || figure.plus || figure.bracketed || figure.trunk {
        return false;
    }
    let told = context == Some(Context::Ssn);
    let printed = match figure.lengths().as_slice() {
        [3, 2, 4] => figure.uniform() && figure.only(&['-', ' ']) && context != Some(Context::Thing),
        [9] => told,
        _ => false,
    };
    let (area, group, serial) = (&digits[..3], &digits[3..5], &digits[5..]);
    printed && area != "000" && area != "666" && (told || area < "900") && group != "00" && serial != "0000"
}

fn is_phone(figure: &Figure, context: Option<Context>) -> bool {
    let digits = figure.digits();
    let (n, lengths) = (digits.len(), figure.lengths());
    if figure.dated || !(FEWEST..=17).contains(&n) || lengths.len() > 7 {
        return false;
    }
    if figure.plus {
        return !digits.starts_with('0') && abroad(&digits).contains(&n);
    }
    if context == Some(Context::Thing) && lengths != [3, 3, 4] {
        return false;
    }
    let called = context == Some(Context::Phone);
    let begins = digits.as_bytes();
    if begins[0] == b'0' && begins[1] == b'0' {
        return begins[2] != b'0' && n >= 11 && abroad(&digits[2..]).contains(&(n - 2));
    }
    if figure.trunk {
        return false;
    }
    north_american(figure, &digits, &lengths)
        || (begins[0] == b'0' && begins[1] != b'0' && with_trunk(figure, &lengths, n, called))
        || (figure.bracketed && (9..=11).contains(&n) && (2..=4).contains(&lengths[0]) && lengths.len() <= 4)
        || other_national(figure, &digits, &lengths)
        || (called && plausible(figure, &lengths, n))
}

/// How many digits a number of that country has, its country code included.
fn abroad(digits: &str) -> std::ops::RangeInclusive<usize> {
    let two = digits.get(..2).unwrap_or_default();
    match two {
        _ if digits.starts_with(['1', '7']) => 11..=11,
        "33" | "34" | "31" | "27" | "48" | "66" => 11..=11,
        "30" | "20" | "51" | "52" | "57" | "63" | "90" | "91" | "92" | "98" => 12..=12,
        "44" | "55" | "54" => 11..=13,
        "45" | "47" | "65" => 10..=10,
        "32" | "36" | "40" | "41" | "56" | "60" | "61" | "81" | "82" => 10..=12,
        "86" => 12..=13,
        _ => 8..=15,
    }
}

/// `555-123-4567`, `(555) 123-4567`, `1-800-555-0199`, `5551234567`.
fn north_american(figure: &Figure, digits: &str, lengths: &[usize]) -> bool {
    let (number, lengths) = match (digits.len(), lengths) {
        (11, [1, rest @ ..]) if digits.starts_with('1') => (&digits[1..], rest),
        (11, [11]) if digits.starts_with('1') => (&digits[1..], &[10][..]),
        (10, all) => (digits, all),
        _ => return false,
    };
    let b = number.as_bytes();
    // The second part begins with 2 to 9 as well; where the form speaks for itself, made-up numbers count too.
    let formed = figure.bracketed || figure.signs.iter().any(|s| matches!(s, '-' | '.'));
    let numbered = (b'2'..=b'9').contains(&b[0]) && (formed || (b'2'..=b'9').contains(&b[3]));
    numbered && matches!(lengths, [10] | [3, 3, 4] | [3, 7] | [3, 3, 2, 2])
}

/// Numbers with the zero that is dialled first: `030 1234567`, `06 12 34 56 78`, `0412 345 678`.
fn with_trunk(figure: &Figure, lengths: &[usize], n: usize, called: bool) -> bool {
    if !(9..=12).contains(&n) {
        return false;
    }
    match lengths {
        [_] => called,
        // Part numbers look so: 04152-31090.
        [5, 5] => called || figure.signs != ['-'],
        // Pairs are a number only when all signs are the same: times and dates come in pairs too.
        [2, 2, 2, 2, rest @ ..] => rest == [2] && figure.uniform(),
        [2..=6, rest @ ..] => {
            let dots = figure.signs.contains(&'.');
            rest.len() <= 3
                && rest.iter().all(|l| (2..=8).contains(l))
                && (!dots || (figure.uniform() && rest.len() >= 2))
        }
        _ => false,
    }
}

/// Forms that nothing else has: India `98765 43210`, China `138 1234 5678`, Russia `8 (912) 345-67-89`,
/// Brazil without brackets `11 91234-5678`.
fn other_national(figure: &Figure, digits: &str, lengths: &[usize]) -> bool {
    let b = digits.as_bytes();
    match lengths {
        [5, 5] => b[0] >= b'6' && figure.signs == [' '],
        [3, 4, 4] => b[0] == b'1' && b[1] >= b'3' && figure.uniform() && figure.only(&[' ', '-']),
        [11] => b[0] == b'1' && b[1] >= b'3',
        [1, 3, 3, 2, 2] => b[0] == b'8' || b[0] == b'7',
        [2, 4..=5, 4] => figure.signs == [' ', '-'],
        _ => false,
    }
}

/// Any shape that a number may have, where the words before say that it is one.
fn plausible(figure: &Figure, lengths: &[usize], n: usize) -> bool {
    let years = lengths == [4, 4] && figure.groups.iter().all(|g| g.starts_with("19") || g.starts_with("20"));
    let dots = figure.signs.contains(&'.');
    let round = lengths.len() > 1 && figure.groups.iter().skip(1).all(|g| g == "000");
    (7..=13).contains(&n)
        && !years
        && !round
        && lengths.iter().skip(1).all(|l| *l >= 2)
        && (lengths[0] >= 2 || figure.groups[0] == "1")
        && (!dots || (figure.uniform() && lengths.len() > 2))
}

/// `2026-12-03`, `03.12.2026`, `3/12/2026`.
fn is_date(text: &str) -> bool {
    let groups: Vec<&str> = text.split(['-', '.', '/']).collect();
    match groups.as_slice() {
        [year, month, day] if year.len() == 4 => month.len() <= 2 && day.len() <= 2,
        [day, month, year] if year.len() == 4 => day.len() <= 2 && month.len() <= 2,
        _ => false,
    }
}
