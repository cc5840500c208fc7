//! Words of a question before they meet an index.

/// Words of one question that are looked up; the engine asks for at most 32. More would make one
/// question cost as much as many.
const MOST: usize = 64;

/// The letters and digits in what a person typed, cut at everything else: what comes out cannot mean
/// anything to a query language. Lower case, none twice, at most [`MOST`].
pub(crate) fn plain(words: &[String]) -> Vec<String> {
    let mut plain: Vec<String> = Vec::new();
    for word in words.iter().flat_map(|word| word.split(|c: char| !c.is_alphanumeric())) {
        let word = word.to_lowercase();
        if !word.is_empty() && plain.len() < MOST && !plain.contains(&word) {
            plain.push(word);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_query_language_is_left() {
        let typed =
            ["\"a\" OR b*".to_owned(), "NEAR(c, 2)".into(), "😀".into(), "^d:e\0f".into(), "A".into()];
        assert_eq!(plain(&typed), ["a", "or", "b", "near", "c", "2", "d", "e", "f"]);
        let many: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
        assert_eq!(plain(&many).len(), MOST);
    }
}
