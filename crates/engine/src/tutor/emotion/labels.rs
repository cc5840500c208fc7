//! The labels: `assets/emotion.toml`, read once.

use std::sync::LazyLock;

use serde::Deserialize;

/// A label and what speaks for it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Label {
    pub(super) name: String,
    /// From bad to good, -1 to 1.
    pub(super) valence: f64,
    /// From calm to excited, 0 to 1.
    pub(super) arousal: f64,
    /// What the feeling itself adds to being ready to learn, -1 to 1.
    pub(super) openness: f64,
    /// Cues of weight 2.
    pub(super) strong: Vec<String>,
    /// Cues of weight 1.
    pub(super) weak: Vec<String>,
    /// What somebody says who feels so.
    pub(super) says: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    label: Vec<Label>,
}

/// The 28 labels, `neutral` last. The file is part of the program and a test holds it to its form, so one that cannot be
/// read, which would leave the list empty, is never built.
pub(super) static LABELS: LazyLock<Vec<Label>> =
    LazyLock::new(|| toml::from_str(FILE).map(|file: File| file.label).unwrap_or_default());

const FILE: &str = include_str!("../../../assets/emotion.toml");

/// The label where nothing else is near.
pub(super) const NEUTRAL: &str = "neutral";

/// The label of that name, in lower case.
pub(super) fn named(name: &str) -> Option<&'static Label> {
    LABELS.iter().find(|label| label.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assistant::words::stems;

    /// As they stand in the published list.
    const GO_EMOTIONS: &str = "admiration amusement anger annoyance approval caring confusion curiosity desire \
        disappointment disapproval disgust embarrassment excitement fear gratitude grief joy love nervousness optimism \
        pride realization relief remorse sadness surprise neutral";

    #[test]
    fn the_file_has_the_28_labels_and_each_has_what_it_needs() {
        let _: File = toml::from_str(FILE).unwrap();
        let names: Vec<&str> = LABELS.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, GO_EMOTIONS.split_whitespace().collect::<Vec<_>>());
        for label in LABELS.iter() {
            assert!((-1.0..=1.0).contains(&label.valence), "{}", label.name);
            assert!((0.0..=1.0).contains(&label.arousal), "{}", label.name);
            assert!((-1.0..=1.0).contains(&label.openness), "{}", label.name);
            assert!(label.says.len() >= 8, "{}", label.name);
            assert_eq!(label.name == NEUTRAL, label.strong.is_empty() && label.weak.is_empty());
        }
    }

    /// The measurement would mean nothing otherwise: a sentence of the sample that shares most of its words with a
    /// prototype is that prototype again.
    #[test]
    fn no_sentence_of_the_sample_is_a_prototype() {
        let sample = include_str!("../../../tests/data/emotion.tsv");
        let words = |text: &str| stems(text).into_iter().collect::<std::collections::HashSet<_>>();
        let says = LABELS.iter().flat_map(|l| &l.says);
        let prototypes: Vec<_> = says.map(|prototype| (prototype, words(prototype))).collect();
        for row in sample.lines().filter(|l| !l.starts_with('#')) {
            let text = row.split('\t').nth(3).unwrap();
            let said = words(text);
            for (prototype, other) in &prototypes {
                let (both, any) = (said.intersection(other).count(), said.union(other).count());
                assert!(both * 5 <= any * 3, "{text}\n{prototype}");
            }
        }
    }
}
