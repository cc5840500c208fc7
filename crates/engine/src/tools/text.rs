//! A person's words, cut for reading: lower case, without the punctuation around them.

/// Words of a text that are read; a wish stands in the first of a long message or nowhere.
const WORDS: usize = 400;

/// The words of a text, and which of them have been understood.
#[derive(Debug)]
pub(super) struct Text {
    pub words: Vec<String>,
    used: Vec<bool>,
}

impl Text {
    pub(super) fn new(text: &str) -> Self {
        let mut words = Vec::new();
        for raw in text.split(|c: char| c.is_whitespace() || ";?!()\"“”„–—&".contains(c)) {
            // A comma ends a word, but not a number: 10,000 km is no ten.
            for word in split_commas(raw) {
                let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '@');
                let word = word.to_lowercase().replace('’', "'");
                let word = if word == "@" { "at".to_owned() } else { word };
                // A day and a time in one, as programs write them.
                match word.split_once('t') {
                    Some((day, time)) if day.len() == 10 && time.contains(':') && day.contains('-') => {
                        words.extend([day.to_owned(), time.to_owned()]);
                    }
                    _ if word.is_empty() => {}
                    _ => words.push(word),
                }
            }
            if words.len() >= WORDS {
                words.truncate(WORDS);
                break;
            }
        }
        Self { used: vec![false; words.len()], words }
    }

    /// A word that nobody has understood yet.
    pub(super) fn at(&self, i: usize) -> Option<&str> {
        (!*self.used.get(i)?).then(|| self.words.get(i).map(String::as_str))?
    }

    /// The word before, understood or not.
    pub(super) fn before(&self, i: usize, back: usize) -> Option<&str> {
        self.words.get(i.checked_sub(back)?).map(String::as_str)
    }

    pub(super) fn take(&mut self, from: usize, count: usize) {
        for used in self.used.iter_mut().skip(from).take(count) {
            *used = true;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// ` one two three `: phrases are looked for with a space on both sides.
    pub(super) fn line(&self) -> String {
        format!(" {} ", self.words.join(" "))
    }
}

fn split_commas(raw: &str) -> Vec<&str> {
    let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
    let bytes = raw.as_bytes();
    let (mut parts, mut from) = (Vec::new(), 0);
    for (i, byte) in bytes.iter().enumerate() {
        let inside = digit(i.checked_sub(1).and_then(|i| bytes.get(i))) && digit(bytes.get(i + 1));
        if *byte == b',' && !inside {
            parts.extend(raw.get(from..i));
            from = i + 1;
        }
    }
    parts.extend(raw.get(from..));
    parts
}

/// A small number in digits or as a word.
pub(super) fn number(word: &str) -> Option<i64> {
    const WORDS: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    let spelled = || WORDS.iter().position(|w| *w == word).and_then(|n| i64::try_from(n).ok());
    digits(word).or_else(spelled)
}

/// At most four digits and nothing else.
pub(super) fn digits(word: &str) -> Option<i64> {
    let plain = (1..=4).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| word.parse().ok())?
}
