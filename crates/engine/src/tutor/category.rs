//! What a question is about, by its words: `coding`, `math` … The words are data of the assistant's file.

use serde::Deserialize;

use crate::assistant::words::standing_alone;
use crate::assistant::words::stems;

/// A category and the words that speak for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// As clients see it.
    pub name: String,
    /// Words and phrases, whose forms need not be listed; what has other signs in it ("c++", "∫") is found as it is.
    pub words: Vec<String>,
}

/// Categories in their order, ready to be matched.
#[derive(Debug, Clone, PartialEq)]
pub struct Categories {
    list: Vec<Known>,
    default: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Known {
    name: String,
    phrases: Vec<Vec<String>>,
    signs: Vec<String>,
}

impl Categories {
    /// Checks a list, in the order in which ties are decided. `default` is the category of a question that none of the
    /// words speaks for; it needs none, and need not be in the list.
    ///
    /// # Errors
    /// Every problem of it, each as one line for the person who wrote the file.
    pub fn new(list: Vec<Category>, default: &str) -> Result<Self, Vec<String>> {
        let (mut problems, mut known) = (Vec::new(), Vec::<Known>::new());
        for Category { name, words } in list {
            let shape = !name.is_empty()
                && name.len() <= 32
                && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if !shape {
                problems.push(format!("category \"{name:.64}\": a name is 1 to 32 lower-case letters and _"));
            }
            if known.iter().any(|k| k.name == name) {
                problems.push(format!("category \"{name:.64}\" is there twice"));
            }
            if words.iter().all(|word| word.trim().is_empty()) && name != default {
                problems.push(format!("category \"{name:.64}\" has no words, so nothing is ever put in it"));
            }
            let words = words.iter().map(|w| w.trim()).filter(|w| !w.is_empty());
            let (signs, words): (Vec<&str>, Vec<&str>) = words.partition(|w| is_sign(w));
            let signs = signs.into_iter().map(str::to_lowercase).collect();
            known.push(Known { name, phrases: words.into_iter().map(stems).collect(), signs });
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { list: known, default: default.to_owned() })
    }

    /// What the text is about: the category with the most of its words in it, a phrase counting as many as it has; of equal
    /// ones the first. A word inside a longer phrase of another category does not count. The default where there is none.
    #[must_use]
    pub fn of(&self, text: &str) -> &str {
        let (words, text) = (stems(text), text.to_lowercase());
        let groups: Vec<Vec<&[String]>> =
            self.list.iter().map(|known| known.phrases.iter().map(Vec::as_slice).collect()).collect();
        let alone = standing_alone(&words, &groups);
        let (mut best, mut most) = (self.default.as_str(), 0);
        for (known, alone) in self.list.iter().zip(&alone) {
            let signs = known.signs.iter().filter(|sign| text.contains(sign.as_str())).count();
            let score = alone.iter().map(|phrase| phrase.len()).sum::<usize>() + signs;
            if score > most {
                (best, most) = (&known.name, score);
            }
        }
        best
    }
}

/// Whether it is more than words: as words, "c++" would be any "c".
pub(crate) fn is_sign(word: &str) -> bool {
    word.chars().any(|c| !c.is_alphanumeric() && !c.is_whitespace() && !matches!(c, '\'' | '’' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assistant::tutor_file::{SHIPPED_TUTOR, TutorFile};

    const GENERAL: &str = "general";

    #[test]
    fn the_shipped_list_is_good_and_finds_its_own() {
        let list = TutorFile::parse(SHIPPED_TUTOR).unwrap();
        let names: Vec<&str> = list.categories().iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["coding", "math", "reasoning", "research", "empathy", "general"]);
        for (text, category) in [
            ("Write a Python function that sorts a list", "coding"),
            ("Why does my loop never stop?\n```\nwhile x: pass\n```", "coding"),
            ("what is the derivative of x^2", "math"),
            ("How do I add fractions with different denominators?", "math"),
            ("∫ x dx = ?", "math"),
            ("what is the derivative of this function", "math"),
            ("a triangle with the sides a, b and c", "math"),
            ("how do I start with C++?", "coding"),
            ("Is this argument a fallacy?", "reasoning"),
            ("I need sources for a paper on bees", "research"),
            ("I feel so stressed and lonely", "empathy"),
            ("Good morning", "general"),
            ("", "general"),
            ("What is the capital of France?", "general"),
        ] {
            assert_eq!(list.category(text).name, category, "{text}");
        }
    }

    fn made(list: &[(&str, &[&str])]) -> Result<Categories, Vec<String>> {
        let category = |(name, words): &(&str, &[&str])| Category {
            name: (*name).to_owned(),
            words: words.iter().map(|w| (*w).to_owned()).collect(),
        };
        Categories::new(list.iter().map(category).collect(), GENERAL)
    }

    #[test]
    fn forms_phrases_and_ties() {
        let list = made(&[("a", &["brake", "check"]), ("b", &["lamp", "brake lamp"])]).unwrap();
        assert_eq!(list.of("BRAKES"), "a");
        // Inside a longer phrase of another a word does not count.
        assert_eq!(list.of("the brake lamps"), "b");
        assert_eq!(list.of("brake and lamp"), "a");
        // The same word again says nothing more.
        assert_eq!(list.of("lamp check, lamp check, brake"), "a");
        assert_eq!(list.of("brakeman"), "general");
    }

    #[test]
    fn every_problem_of_a_list_is_told() {
        let long = "x".repeat(33);
        let problems = made(&[("A b", &["x"]), ("c", &[" "]), ("d", &["x"]), ("d", &["y"]), (&long, &["z"])]);
        let problems = problems.unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(made(&[]).unwrap().of("anything") == GENERAL);
        // Who lists `general` only to name its provider needs no words for it.
        assert!(made(&[("general", &[])]).is_ok());
    }

    #[test]
    fn a_whole_page_is_read_in_its_time() {
        let page = "lorem ipsum equation ".repeat(1_500);
        assert_eq!(TutorFile::parse(SHIPPED_TUTOR).unwrap().category(&page).name, "math");
    }
}
