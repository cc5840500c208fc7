//! Which word comes next.

/// Words that are drawn from: beyond them a small model only has noise.
const CANDIDATES: usize = 40;
/// Share of the likelihood that is drawn from.
const SHARE: f32 = 0.95;

/// Chooses the next token of one stream.
#[derive(Debug)]
pub(super) struct Sampler {
    temperature: f32,
    state: u64,
}

impl Sampler {
    /// `temperature` 0 (or nothing sensible) is greedy; the seed matters only above 0.
    pub(super) fn new(temperature: f32, seed: u64) -> Self {
        let temperature = if temperature.is_finite() { temperature.clamp(0.0, 2.0) } else { 0.0 };
        Self { temperature, state: seed }
    }

    /// The chosen token. Of equally likely ones the first, so that greedy is deterministic.
    pub(super) fn choose(&mut self, logits: &[f32]) -> u32 {
        if self.temperature < 0.01 {
            return likeliest(logits);
        }
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        let by = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]);
        let n = CANDIDATES.min(order.len());
        if n == 0 {
            return 0;
        }
        order.select_nth_unstable_by(n - 1, by);
        order.truncate(n);
        order.sort_unstable_by(by);
        let top = logits[order[0] as usize];
        let weights: Vec<f32> =
            order.iter().map(|t| ((logits[*t as usize] - top) / self.temperature).exp()).collect();
        let all: f32 = weights.iter().sum();
        let mut kept = 0f32;
        let many = weights.iter().take_while(|w| {
            let more = kept < SHARE * all;
            kept += **w;
            more
        });
        let many = many.count().max(1);
        let mut at = self.uniform() * weights[..many].iter().sum::<f32>();
        for (token, w) in order.iter().zip(&weights[..many]) {
            at -= w;
            if at <= 0.0 {
                return *token;
            }
        }
        order[many - 1]
    }

    /// SplitMix64: enough for drawing words, and no dependency.
    fn uniform(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
}

fn likeliest(logits: &[f32]) -> u32 {
    let mut best = (0u32, f32::NEG_INFINITY);
    for (i, v) in logits.iter().enumerate() {
        if *v > best.1 {
            best = (i as u32, *v);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_likeliest_and_the_first_of_equals() {
        let mut s = Sampler::new(0.0, 1);
        assert_eq!(s.choose(&[0.0, 3.0, 3.0, f32::NAN]), 1);
        assert_eq!(Sampler::new(f32::NAN, 1).choose(&[1.0, 2.0]), 1);
    }

    #[test]
    fn drawing_keeps_to_the_likely_and_draws_more_than_one() {
        let mut s = Sampler::new(1.0, 42);
        let mut logits = vec![-20.0; 100];
        (logits[10], logits[20]) = (2.0, 1.5);
        let drawn: std::collections::BTreeSet<u32> = (0..200).map(|_| s.choose(&logits)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [10, 20]);
        assert_eq!(Sampler::new(1.0, 1).choose(&[]), 0);
    }
}
