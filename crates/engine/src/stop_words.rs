//! English words that say nothing about what a text is about.
//!
//! They are removed from a question before a keyword search. With them, "What is the ..." finds every passage that
//! has "what", "is" and "the", and those votes drown the one word that mattered.

/// Sorted, lower case, without apostrophes ("dont").
///
/// Not here, because they carry the question in a manual: not, no, off, on's opposite numbers up, down, over and
/// under, before, after, above, below, without. Single letters are not here either: they name sizes, fuses and gears.
#[rustfmt::skip]
const STOP_WORDS: [&str; 245] = [
    "a", "about", "again", "against", "ago", "all", "already", "also", "although", "always", "am", "an",
    "and", "any", "anyone", "anything", "are", "arent", "as", "at", "be", "because", "been", "being",
    "between", "both", "but", "by", "came", "can", "cannot", "cant", "come", "comes", "could", "couldnt",
    "did", "didnt", "do", "does", "doesnt", "doing", "done", "dont", "during", "each", "either", "else",
    "etc", "even", "ever", "every", "everyone", "everything", "few", "for", "from", "further", "gave", "get",
    "gets", "getting", "give", "gives", "go", "goes", "going", "got", "had", "hadnt", "has", "hasnt", "have",
    "havent", "having", "he", "hello", "her", "here", "heres", "hers", "herself", "hes", "hey", "hi", "him",
    "himself", "his", "how", "hows", "i", "if", "im", "in", "into", "is", "isnt", "it", "its", "itself",
    "ive", "just", "know", "knows", "let", "lets", "like", "ll", "made", "make", "makes", "many", "may",
    "me", "might", "mine", "more", "most", "much", "must", "mustnt", "my", "myself", "neither", "none",
    "nor", "now", "of", "often", "ok", "okay", "on", "once", "one", "only", "onto", "or", "other", "others",
    "ought", "our", "ours", "ourselves", "out", "own", "per", "please", "put", "quite", "rather", "re",
    "really", "said", "same", "say", "says", "several", "shall", "she", "shes", "should", "shouldnt", "so",
    "some", "someone", "something", "soon", "still", "such", "take", "takes", "tell", "than", "thank",
    "thanks", "that", "thats", "the", "their", "theirs", "them", "themselves", "then", "there", "theres",
    "these", "they", "theyre", "theyve", "think", "this", "those", "though", "through", "to", "too", "took",
    "unless", "until", "upon", "us", "ve", "very", "via", "want", "wanted", "wants", "was", "wasnt", "we",
    "went", "were", "werent", "weve", "what", "whats", "when", "where", "wheres", "whether", "which",
    "while", "who", "whom", "whos", "whose", "why", "will", "with", "within", "wont", "would", "wouldnt",
    "yeah", "yes", "yet", "you", "youd", "youll", "your", "youre", "yours", "yourself", "yourselves",
    "youve",
];

/// Whether a keyword search should leave this word out. Case and apostrophes do not matter.
#[must_use]
pub fn is_stop_word(word: &str) -> bool {
    // The common case, a plain lower-case word, needs no copy.
    if word.bytes().all(|b| b.is_ascii_lowercase()) {
        return STOP_WORDS.binary_search(&word).is_ok();
    }
    let plain: String =
        word.chars().filter(|c| !matches!(c, '\'' | '’')).flat_map(char::to_lowercase).collect();
    STOP_WORDS.binary_search(&plain.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The look-up is a binary search: one word out of order hides others.
    #[test]
    fn sorted_without_doubles_and_plain() {
        assert!(STOP_WORDS.is_sorted_by(|a, b| a < b));
        assert!(STOP_WORDS.iter().all(|w| w.bytes().all(|b| b.is_ascii_lowercase())));
        assert!(STOP_WORDS.iter().all(|w| is_stop_word(w)));
    }

    #[test]
    fn case_and_apostrophes_do_not_matter() {
        for word in ["the", "The", "WHAT", "don't", "Don’t", "it's", "a"] {
            assert!(is_stop_word(word), "{word}");
        }
    }

    #[test]
    fn words_that_carry_meaning_stay() {
        for word in [
            "engine", "oil", "not", "no", "off", "without", "128", "f21", "x1", "p", "n", "start", "work",
            "", "é",
        ] {
            assert!(!is_stop_word(word), "{word}");
        }
    }

    #[test]
    fn a_question_keeps_its_subject() {
        let kept = |q: &'static str| q.split(' ').filter(|w| !is_stop_word(w)).collect::<Vec<_>>();
        assert_eq!(kept("what is the engine power"), ["engine", "power"]);
        assert_eq!(kept("how do I turn off the passenger airbag"), ["turn", "off", "passenger", "airbag"]);
    }
}
