//! Meanings: how alike two are, how one is stored, and the best few of many.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Cosine of the angle between two meanings, -1 to 1; `None` where they cannot be compared: different
/// lengths, or one of them points nowhere.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.len() != b.len() {
        return None;
    }
    let (mut dot, mut aa, mut bb) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    let cosine = dot / (aa.sqrt() * bb.sqrt());
    cosine.is_finite().then(|| cosine.clamp(-1.0, 1.0))
}

/// The stored form: little-endian, four bytes a number.
pub(crate) fn encode(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Reads a stored form into `vector`, which is reused by whoever reads many; `false` where it is none.
pub(crate) fn decode(bytes: &[u8], vector: &mut Vec<f32>) -> bool {
    let (numbers, rest) = bytes.as_chunks::<4>();
    vector.clear();
    vector.extend(numbers.iter().map(|n| f32::from_le_bytes(*n)));
    rest.is_empty()
}

/// The best of many scored ids, in memory for those alone. Of equals the older id is better.
#[derive(Debug)]
pub(crate) struct Best {
    most: usize,
    /// The worst of the kept is on top.
    kept: BinaryHeap<Scored>,
}

#[derive(Debug, PartialEq)]
struct Scored {
    score: f64,
    id: i64,
}

impl Eq for Scored {}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.id.cmp(&other.id))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Best {
    /// Keeps at most `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, kept: BinaryHeap::new() }
    }

    /// One more.
    pub(crate) fn offer(&mut self, id: i64, score: f64) {
        self.kept.push(Scored { score, id });
        if self.kept.len() > self.most {
            self.kept.pop();
        }
    }

    /// The best, best first.
    pub(crate) fn into_ids(self) -> Vec<(i64, f64)> {
        self.kept.into_sorted_vec().into_iter().map(|s| (s.id, s.score)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_is_of_direction_and_not_of_length() {
        assert_eq!(cosine(&[3.0, 0.0], &[7.0, 0.0]), Some(1.0));
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), Some(0.0));
        assert_eq!(cosine(&[1.0, 1.0], &[-2.0, -2.0]).map(|c| c < -0.999_999), Some(true));
        assert_eq!(cosine(&[1.0], &[1.0, 0.0]), None);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), None);
        assert_eq!(cosine(&[f32::NAN], &[1.0]), None);
    }

    #[test]
    fn the_stored_form_is_exact() {
        let vector = [0.1, -3.4e38, f32::MIN_POSITIVE, 0.0];
        let mut read = vec![7.0];
        assert!(decode(&encode(&vector), &mut read));
        assert_eq!(read, vector);
        assert!(!decode(&[1, 2, 3], &mut read));
    }

    #[test]
    fn the_best_are_kept_in_order() {
        let mut best = Best::new(3);
        for (id, score) in [(1, 0.1), (2, 0.9), (3, 0.5), (4, 0.5), (5, 0.5), (6, -1.0)] {
            best.offer(id, score);
        }
        assert_eq!(best.into_ids(), [(2, 0.9), (3, 0.5), (4, 0.5)]);
        let mut none = Best::new(0);
        none.offer(1, 1.0);
        assert!(none.into_ids().is_empty());
    }
}
