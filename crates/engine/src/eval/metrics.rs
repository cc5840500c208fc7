//! How good a ranking is, by the usual four measures. Pure arithmetic over grades.
//!
//! A ranking is a list of what stands at each rank: `Some(label)` where the passage there belongs to a label,
//! `None` where it belongs to none. Grades are those of the labels: 1 helps, 2 answers. A second passage of
//! the same label is relevant for precision, and brings nothing new for recall and gain.

/// The measures of one ranking, or the means of many; each 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measures {
    /// Of `k` places, those with a relevant passage. An empty place is not relevant.
    pub precision: f64,
    /// Of the labels, those that were found.
    pub recall: f64,
    /// One by the rank of the first relevant passage; 0 without any.
    pub mrr: f64,
    /// Gain, discounted by rank, as a part of the best that was possible.
    pub ndcg: f64,
    /// 1 where anything relevant was found.
    pub hit: f64,
}

/// The measures of a ranking of which `k` places are looked at. `grades` are those of all labels.
#[must_use]
pub fn measure(ranking: &[Option<usize>], grades: &[u32], k: usize) -> Measures {
    let ranking = &ranking[..ranking.len().min(k)];
    let relevant = ranking.iter().flatten().count();
    let mut seen = vec![false; grades.len()];
    let mut gained = 0.0;
    for (rank, label) in ranking.iter().enumerate() {
        if let Some(label) = label
            && let Some(seen) = seen.get_mut(*label)
            && !*seen
        {
            *seen = true;
            gained += gain(grades[*label]) / discount(rank);
        }
    }
    let mut best: Vec<u32> = grades.to_vec();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let ideal: f64 = best.iter().take(k).enumerate().map(|(rank, g)| gain(*g) / discount(rank)).sum();
    let first = ranking.iter().position(Option::is_some);
    Measures {
        precision: part(relevant, k),
        recall: part(seen.iter().filter(|s| **s).count(), grades.len()),
        mrr: first.map_or(0.0, |rank| 1.0 / (rank + 1) as f64),
        ndcg: if ideal > 0.0 { gained / ideal } else { 0.0 },
        hit: f64::from(u8::from(first.is_some())),
    }
}

/// The means of many.
#[must_use]
pub fn mean<'a>(all: impl IntoIterator<Item = &'a Measures>) -> Measures {
    let (mut sum, mut count) = (Measures::default(), 0_usize);
    for m in all {
        sum.precision += m.precision;
        sum.recall += m.recall;
        sum.mrr += m.mrr;
        sum.ndcg += m.ndcg;
        sum.hit += m.hit;
        count += 1;
    }
    let n = count.max(1) as f64;
    Measures {
        precision: sum.precision / n,
        recall: sum.recall / n,
        mrr: sum.mrr / n,
        ndcg: sum.ndcg / n,
        hit: sum.hit / n,
    }
}

/// Twice as relevant is worth three times as much, as it is usually counted.
fn gain(grade: u32) -> f64 {
    f64::from((1_u32 << grade.min(16)) - 1)
}

/// What is read later is worth less; `rank` from 0.
fn discount(rank: usize) -> f64 {
    ((rank + 2) as f64).log2()
}

fn part(of: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { of as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-4, "{a} is not {b}");
    }

    // Planted faults: a discount of `log2(rank + 1)` (infinite at the first rank), an ideal in the order of the
    // labels instead of their grades, a repeated label gaining twice.
    #[test]
    fn by_hand() {
        // One label that answers, at the second of five places: 1/5, 1/1, 1/2, 3/log2(3) of 3/log2(2).
        let m = measure(&[None, Some(0), None, None, None], &[2], 5);
        near(m.precision, 0.2);
        near(m.recall, 1.0);
        near(m.mrr, 0.5);
        near(m.ndcg, 0.630_93);
        near(m.hit, 1.0);
        // Labels of grades 1 and 2, the lesser first and both found: (1 + 3/1.58496) of (3 + 1/1.58496).
        let m = measure(&[Some(0), Some(1), None], &[1, 2], 3);
        near(m.precision, 2.0 / 3.0);
        near(m.recall, 1.0);
        near(m.mrr, 1.0);
        near(m.ndcg, 0.796_70);
        // Three labels, one found, twice: the second time is precise and brings nothing.
        let m = measure(&[Some(2), Some(2)], &[1, 1, 2], 5);
        near(m.precision, 0.4);
        near(m.recall, 1.0 / 3.0);
        // 3 of (3 + 1/1.58496 + 1/2).
        near(m.ndcg, 0.726_23);
    }

    #[test]
    fn borders() {
        let nothing = Measures::default();
        assert_eq!(measure(&[], &[2], 5), nothing);
        assert_eq!(measure(&[None, None], &[2], 5), nothing);
        assert_eq!(measure(&[], &[], 5), nothing);
        // What stands beyond k does not count.
        assert_eq!(measure(&[None, None, Some(0)], &[2], 2), nothing);
        // More labels than places: the best possible is what k places can hold.
        near(measure(&[Some(0)], &[2, 2, 2], 1).ndcg, 1.0);
        assert_eq!(mean(&[]), nothing);
        near(mean(&[measure(&[Some(0)], &[1], 1), nothing]).mrr, 0.5);
    }
}
