//! The labels by words alone: which cues of which label stand in a text.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::labels::LABELS;
use crate::assistant::words::stems;
use crate::tutor::plain::Clause;

/// A cue: its stems, its label's place in [`LABELS`], its weight.
struct Cue {
    /// Its own number.
    id: usize,
    stems: Vec<String>,
    label: usize,
    weight: f64,
}

/// All cues.
struct Lexicon {
    /// By their first stem.
    words: HashMap<String, Vec<Cue>>,
    /// Those that are no words: emoji.
    signs: Vec<(&'static str, usize, f64)>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut lexicon = Lexicon { words: HashMap::new(), signs: Vec::new() };
    let mut ids = 0..;
    for (label, entry) in LABELS.iter().enumerate() {
        let strong = entry.strong.iter().map(|cue| (cue, 2.0));
        for (cue, weight) in strong.chain(entry.weak.iter().map(|cue| (cue, 1.0))) {
            let stems = stems(cue);
            match stems.first().cloned() {
                Some(first) => {
                    let id = ids.next().unwrap_or(usize::MAX);
                    lexicon.words.entry(first).or_default().push(Cue { id, stems, label, weight });
                }
                None => lexicon.signs.push((cue, label, weight)),
            }
        }
    }
    lexicon
});

/// What speaks for each label, in the order of [`LABELS`]: the weights of its cues that were found, each cue once. A cue
/// inside a longer one does not count ("worried about her" is care, not worry), and none behind a negation.
pub(super) fn weights(text: &str, clauses: &[Clause]) -> Vec<f64> {
    let mut weights = vec![0.0; LABELS.len()];
    let mut found = HashSet::new();
    for clause in clauses {
        let places = places(clause);
        for (at, cue) in &places {
            let end = at + cue.stems.len();
            let inside = places.iter().any(|(start, longer)| {
                longer.stems.len() > cue.stems.len() && *start <= *at && end <= start + longer.stems.len()
            });
            if !inside && !clause.is_negated(*at) && found.insert(cue.id) {
                weights[cue.label] += cue.weight;
            }
        }
    }
    for (sign, label, weight) in &LEXICON.signs {
        if text.contains(sign) {
            weights[*label] += weight;
        }
    }
    weights
}

/// Every cue that stands in the clause, and where.
fn places(clause: &Clause) -> Vec<(usize, &'static Cue)> {
    let mut places = Vec::new();
    for (at, first) in clause.stems.iter().enumerate() {
        let cues = LEXICON.words.get(first).into_iter().flatten();
        places.extend(cues.filter(|cue| clause.stems[at..].starts_with(&cue.stems)).map(|cue| (at, cue)));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tutor::plain::clauses;

    fn of(text: &str, label: &str) -> f64 {
        let at = LABELS.iter().position(|l| l.name == label).unwrap();
        weights(text, &clauses(text))[at]
    }

    #[test]
    fn cues_count_once_whole_and_not_behind_a_negation() {
        assert_eq!(of("I am happy, happy, happy", "joy"), 2.0);
        assert_eq!(of("I'm not happy", "joy"), 0.0);
        assert_eq!(of("I was never really that happy", "joy"), 0.0);
        // A cue that begins with its negation is no negated cue.
        assert_eq!(of("I don't get it", "confusion"), 2.0);
        assert_eq!(of("I am worried about her", "nervousness"), 0.0);
        assert_eq!(of("I am worried about her", "caring"), 2.0);
        assert_eq!(of("so good 🎉", "excitement"), 2.0);
        assert_eq!(of("HAHAHAHAHA", "amusement"), 2.0);
        assert!(weights("the table is green", &clauses("the table is green")).iter().all(|w| *w == 0.0));
    }

    #[test]
    fn no_cue_is_written_twice_in_a_label() {
        for label in LABELS.iter() {
            let mut seen = std::collections::HashSet::new();
            for cue in label.strong.iter().chain(&label.weak) {
                let form = if stems(cue).is_empty() { vec![cue.clone()] } else { stems(cue) };
                assert!(seen.insert(form), "{}: {cue}", label.name);
            }
        }
    }
}
