//! What a question is about, in the person's own words: the noun phrase of which it asks something. English questions have
//! few openings, and after each of them the phrase stands in a known place; what fits none of them has no topic here, because
//! a suggestion with half a sentence in it is worse than none.

use super::plain::spoken;
use crate::stop_words::is_stop_word;

/// Bytes of a phrase that a suggestion repeats: longer ones are no terms.
pub(super) const PHRASE_BYTES: usize = 60;
/// Words of one, beside its articles and what stands behind an "of".
const PHRASE_WORDS: usize = 4;

const BE: [&str; 4] = ["are", "is", "was", "were"];
const HELP: [&str; 8] = ["can", "could", "did", "do", "does", "should", "will", "would"];
const ARTICLES: [&str; 3] = ["a", "an", "the"];
/// What stands in questions and in no term, beside the stop words of a search.
#[rustfmt::skip]
const BETWEEN: [&str; 24] = [
    "above", "across", "after", "along", "among", "around", "before", "below", "beside", "down", "except",
    "instead", "near", "never", "no", "not", "off", "over", "since", "toward", "towards", "under", "up",
    "without",
];
/// Behind these a word in front of them is what is said of something: "sleep important for".
#[rustfmt::skip]
const CLOSE: [&str; 15] = [
    "at", "between", "by", "compared", "during", "for", "from", "in", "inside", "of", "on", "than", "through",
    "to", "with",
];
/// What says how one asks, and nothing of what one asks about.
const FILLERS: [&str; 8] =
    ["actually", "basically", "exactly", "kindly", "please", "quickly", "really", "simply"];
/// Words that ask or are asked with, and that are no topic.
#[rustfmt::skip]
const NO_TOPIC: [&str; 58] = [
    "answer", "bad", "best", "better", "book", "briefly", "called", "causing", "color", "colour",
    "correct", "day", "define", "describe", "different", "example", "examples", "exam", "explain", "find",
    "first", "going", "good", "happened", "happening", "hard", "help", "homework", "issue", "kind", "learn",
    "meant", "new", "next", "part", "point", "possible", "problem", "question", "questions",
    "right", "show", "simple", "solve", "sort", "stuff", "thing", "things", "time", "today",
    "tomorrow", "type", "understand", "use", "way", "word", "write", "wrong",
];
/// What is nothing without what stands behind its "of", and not much with it.
const NO_HEAD: [&str; 10] =
    ["answer", "example", "examples", "kind", "kinds", "question", "questions", "sort", "way", "ways"];
/// What is nothing without what stands behind its "of" or "for".
const HALF: [&str; 6] = ["idea", "meaning", "name", "purpose", "reason", "reasons"];
/// Behind these stands what it is about.
#[rustfmt::skip]
const MARKERS: [&str; 11] = [
    "about", "define", "describe", "discuss", "explain", "learn", "review", "study", "teach", "understand",
    "understanding",
];
/// What things do in questions. A phrase ends before such a word, and where none follows nobody can say where it ends.
#[rustfmt::skip]
const VERBS: [&str; 96] = [
    "act", "affect", "appear", "attract", "bark", "beat", "become", "begin", "behave", "believe", "boil",
    "break", "breathe", "build", "burn", "carry", "cause", "change", "collapse", "communicate", "compare",
    "compile", "conduct", "contain", "contribute", "control", "convert", "cost", "crash", "create",
    "crystallize", "detect", "develop", "die", "differ", "digest", "dissolve", "divide", "drop", "eat", "end",
    "erupt", "evaporate", "evolve", "exist", "expand", "explode", "fail", "fall", "feel", "fight", "float",
    "flow", "fly", "form", "freeze", "function", "grow", "happen", "hear", "help", "hibernate", "influence",
    "interact", "last", "lead", "learn", "live", "look", "lose", "matter", "mean", "measure", "melt",
    "migrate", "move", "need", "occur", "orbit", "produce", "protect", "pump", "purr", "relate", "rise",
    "rotate", "rust", "see", "sleep", "spread", "start", "stop", "store", "survive", "use", "work",
];

/// The phrase; `None` where no opening tells it.
pub(super) fn topic(message: &str) -> Option<String> {
    let said = spoken(message).replace('’', "'");
    said.split(|c: char| !c.is_alphanumeric() && !matches!(c, ' ' | '\t' | '\'' | '-')).find_map(of_clause)
}

/// The words of a clause, as they stand and for comparing.
struct Words<'a> {
    said: Vec<&'a str>,
    low: Vec<String>,
}

fn of_clause(clause: &str) -> Option<String> {
    let mut words = Words { said: Vec::new(), low: Vec::new() };
    for said in clause.split_whitespace() {
        let low = said.to_lowercase();
        if FILLERS.contains(&low.as_str()) {
            continue;
        }
        match low.strip_suffix("'s").filter(|w| ["how", "what", "when", "where", "who", "why"].contains(w)) {
            Some(asks) => {
                words.push(asks_part(said, asks), asks);
                words.push("is", "is");
            }
            None => words.push(said, &low),
        }
    }
    (0..words.low.len()).find_map(|at| words.opening(at)).filter(|phrase| phrase.len() <= PHRASE_BYTES)
}

/// A word without the `'s` behind it.
fn asks_part<'a>(said: &'a str, asks: &str) -> &'a str {
    said.get(..asks.len()).unwrap_or(said)
}

/// "called", and not "speed".
fn is_done(word: &str) -> bool {
    word.ends_with("ed") && !word.ends_with("eed")
}

impl<'a> Words<'a> {
    fn push(&mut self, said: &'a str, low: &str) {
        self.said.push(said);
        self.low.push(low.to_owned());
    }

    fn at(&self, at: usize) -> &str {
        self.low.get(at).map_or("", String::as_str)
    }

    fn is(&self, at: usize, of: &[&str]) -> bool {
        of.contains(&self.at(at))
    }

    /// The phrase behind an opening that stands here.
    fn opening(&self, at: usize) -> Option<String> {
        let next = at + 1;
        match self.at(at) {
            "what" | "who" | "where" if self.is(next, &BE) => self.phrase(next + 1),
            "what" if self.is(next, &["causes", "caused"]) => self.phrase(next + 1),
            "why" | "how" | "when" if self.is(next, &BE) => self.said_of(next + 1),
            "how" if self.at(next) == "to" => self.phrase(next + 2),
            "how" if self.is(next, &HELP) && self.is(next + 1, &["i", "we", "you", "one"]) => {
                // Of these the word itself is asked for, and not what it means.
                let word = self.is(next + 2, &["pronounce", "say", "spell"]);
                (!word).then(|| self.phrase(next + 3))?
            }
            "what" | "why" | "how" | "when" | "where" if self.is(next, &HELP) => self.doing(next + 1, false),
            "what" | "why" | "how" | "when" | "where" if at > 0 => {
                self.until(next, BE).or_else(|| self.doing(next, true))
            }
            word if at == 0 && BE.contains(&word) => self.said_of(next),
            word if at == 0 && HELP.contains(&word) => self.doing(next, false),
            "example" | "examples" if self.at(next) == "of" => self.phrase(next + 1),
            "with" if at > 0 && self.is(at - 1, &["me", "struggling", "trouble", "struggle"]) => {
                self.phrase(next)
            }
            word if MARKERS.contains(&word) => {
                self.phrase(next + usize::from(self.is(next, &["me", "us", "about"])))
            }
            _ => None,
        }
    }

    /// A phrase that begins here, and ends before whatever is no part of one.
    fn phrase(&self, from: usize) -> Option<String> {
        let mut end = self.plain(from)?;
        let last = self.at(end - 1);
        // "the area of a circle", "the formula for speed"
        let goes_on = self.at(end) == "of" || (self.at(end) == "for" && self.at(from) == "the");
        if let Some(more) = goes_on.then(|| self.plain(end + 1)).flatten() {
            end = more;
        } else if end == from + 1 && self.at(end) == "and" && end + 2 == self.low.len() {
            // "supply and demand"
            end = self.plain(end + 1)?;
        } else if HALF.contains(&last) {
            return None;
        } else if ["difference", "differences"].contains(&last) {
            // Of two things; without both nothing is said.
            end = (self.at(end) == "between").then(|| self.plain(end + 1))??;
            end = (self.at(end) == "and").then(|| self.plain(end + 1))??;
        }
        Some(self.said[from..end].join(" "))
    }

    /// The end of an article and the words behind it.
    fn plain(&self, from: usize) -> Option<usize> {
        let first = from + usize::from(self.is(from, &ARTICLES));
        let end = (first..self.low.len()).find(|at| !self.tells(*at, first)).unwrap_or(self.low.len());
        let one = end == first + 1;
        let bare = one && (self.is(first, &NO_TOPIC) || (first == from && is_done(self.at(first))));
        let fits = end > first && end - first <= PHRASE_WORDS && !bare;
        (fits && !self.is(end - 1, &NO_HEAD)).then_some(end)
    }

    /// Whether a word may be part of a term.
    fn tells(&self, at: usize, first: usize) -> bool {
        let (said, low) = (self.said[at], self.at(at));
        let letters = said.chars().filter(|c| c.is_alphabetic()).count();
        let large = said.chars().any(char::is_uppercase);
        // "World War I"
        if at > first && !said.is_empty() && said.bytes().all(|b| matches!(b, b'I' | b'V' | b'X')) {
            return self.said[at - 1].starts_with(char::is_uppercase);
        }
        (letters >= 3 || (letters == 2 && large)) && !is_stop_word(low) && !BETWEEN.contains(&low)
    }

    /// Of what something is said: "the sky blue", "math so hard", "sleep important for".
    fn said_of(&self, from: usize) -> Option<String> {
        let first = from + usize::from(self.is(from, &ARTICLES));
        let mut end = first;
        while end < self.low.len() && (self.tells(end, first) || (end > first && self.at(end) == "of")) {
            end += 1;
        }
        if end == self.low.len() || self.is(end, &CLOSE) {
            end = end.saturating_sub(1);
        }
        self.whole(from, end)
    }

    /// Who does something: "do plants make", and where `told` also "how photosynthesis works".
    fn doing(&self, from: usize, told: bool) -> Option<String> {
        let first = from + usize::from(self.is(from, &ARTICLES));
        let acts = |at: usize| {
            let word = self.at(at);
            let base = word.strip_suffix('s').filter(|_| told).unwrap_or(word);
            VERBS.contains(&word)
                || VERBS.contains(&base)
                || ["get", "have", "make", "go", "come", "take"].contains(&base)
        };
        let mut verb = (first + 1..self.low.len()).find(|at| acts(*at))?;
        // "climate change affects", "time travel works"
        if acts(verb + 1) {
            verb += 1;
        }
        self.whole(from, verb)
    }

    /// What stands before one of these.
    fn until(&self, from: usize, of: [&str; 4]) -> Option<String> {
        let end = (from + 1..self.low.len()).find(|at| self.is(*at, &of))?;
        self.whole(from, end)
    }

    /// The words from here to there, where they are one phrase.
    fn whole(&self, from: usize, end: usize) -> Option<String> {
        let phrase = self.phrase_to(from, end)?;
        (phrase == end).then(|| self.said[from..end].join(" "))
    }

    /// The end of the phrase that begins here and does not go beyond `most`.
    fn phrase_to(&self, from: usize, most: usize) -> Option<usize> {
        let cut =
            Words { said: self.said.get(from..most)?.to_vec(), low: self.low.get(from..most)?.to_vec() };
        let end = cut.plain(0)?;
        let of = (cut.at(end) == "of").then(|| cut.plain(end + 1)).flatten();
        Some(from + of.unwrap_or(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_about_what_it_asks_of() {
        for (question, about) in [
            ("Why is grass green?", "grass"),
            ("Why is the sky blue?", "the sky"),
            ("What does photosynthesis mean?", "photosynthesis"),
            ("How do plants make food?", "plants"),
            ("What is photosynthesis?", "photosynthesis"),
            ("What's a black hole?", "a black hole"),
            ("What are the causes of World War I?", "the causes of World War I"),
            (
                "What is the difference between mitosis and meiosis?",
                "the difference between mitosis and meiosis",
            ),
            ("Can you explain how binary search trees work?", "binary search trees"),
            ("Can you please explain the chain rule to me?", "the chain rule"),
            ("How does climate change affect animals?", "climate change"),
            ("How do I solve quadratic equations?", "quadratic equations"),
            ("How do I reverse a linked list in Python?", "a linked list"),
            ("how to calculate the area of a circle", "the area of a circle"),
            ("I don't understand what recursion is.", "recursion"),
            (
                "I have an exam tomorrow, can you tell me about the French Revolution?",
                "the French Revolution",
            ),
            ("Why is math so hard?", "math"),
            ("Why is sleep important for the brain?", "sleep"),
            ("Why are electric cars expensive?", "electric cars"),
            ("How is glass made?", "glass"),
            ("Is a tomato a fruit?", "a tomato"),
            ("When did World War II end?", "World War II"),
            ("Who was Marie Curie?", "Marie Curie"),
            ("What causes earthquakes?", "earthquakes"),
            ("What is the derivative of x^2?", "the derivative"),
            ("Give me an example of recursion.", "recursion"),
            ("Help me with fractions!", "fractions"),
            ("How does the speed of light matter?", "the speed of light"),
            ("What is AI?", "AI"),
            ("Can you teach me about supply and demand?", "supply and demand"),
            ("What is the best way to learn Spanish?", "Spanish"),
            ("What is a prime number?", "a prime number"),
            ("What is the formula for speed?", "the formula for speed"),
            ("What is the meaning of osmosis?", "the meaning of osmosis"),
            ("What is a class in Python?", "a class"),
            ("What exactly is the chain rule, and the rule?", "the chain rule"),
            ("I wonder why the ocean is salty", "the ocean"),
        ] {
            assert_eq!(topic(question).as_deref(), Some(about), "{question}");
        }
    }

    #[test]
    fn where_it_cannot_be_told_nothing_is_said() {
        for question in [
            "and why?",
            "What is 2 + 2?",
            "What is wrong with my code?",
            "What is this?",
            "How are you?",
            "Why is it raining?",
            "What do you think?",
            "Can you help me?",
            "Explain it again please",
            "Why?",
            "Tell me a joke",
            "What happens next?",
            "How many moons does it have?",
            "What kind of animal is a whale?",
            "Warum ist das Gras grün?",
            "<script>alert(1)</script>",
            "Why does my teacher hate me?",
            "What is one two three four five six seven eight nine?",
            "What is the difference?",
            "What is the reason?",
            "How do you spell necessary?",
            "What is the answer to this?",
            "",
            "?",
        ] {
            assert_eq!(topic(question), None, "{question}");
        }
        assert_eq!(topic(&format!("What is {}?", "a".repeat(500))), None);
        assert_eq!(topic(&format!("What is {}?", "photosynthesis ".repeat(300))), None);
        assert_eq!(topic("What is `x`? ```rust\nexplain everything\n```"), None);
    }
}
