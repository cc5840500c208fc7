//! What somebody can do in a subject: item-response theory with two parameters (2PL), one turn at a time.
//!
//! A turn is an item. Ability θ and difficulty b are on one scale, 0 to 1 outside and −3 to 3 inside, where the chance of
//! managing the turn is `P = 1 / (1 + exp(−a·(θ − b)))`. There is no bank of calibrated exercises, so what discriminates is
//! how much the turn shows: `a = 1.7 · weight` of its [`Evidence`], whose `score` s stands for right (1) and wrong (0).
//!
//! The estimate is the usual online one: a step up the gradient of the log-likelihood, divided by what is known by then.
//! `I ← min(I + a²·P·(1 − P), 19)` is the Fisher information of all turns, the prior (mean 0.5, one unit wide) has 1, and
//! `θ ← θ + a·(s − P) / (1 + I)`, at most 0.1 of the outer scale in one turn. Confidence is `I / (1 + I)`: nothing is known
//! at first, and at most 0.95 ever is, since people learn and an estimate that is sure never notices.

mod evidence;
pub mod kept;

use serde::{Deserialize, Serialize};

pub use self::evidence::{Evidence, Sign};

/// Width of the inner scale over the outer one.
const SPAN: f64 = 6.0;
/// Discrimination of a turn that shows everything; the customary constant that brings the logistic curve to the normal.
const DISCRIMINATION: f64 = 1.7;
/// Information beyond which nothing is added: some sixty clear turns.
const INFORMATION_MOST: f64 = 19.0;
/// The most that one turn moves, on the inner scale: one sentence of a person proves little.
const STEP_MOST: f64 = 0.1 * SPAN;
/// Where everybody begins.
const FIRST: f64 = 0.5;

/// What somebody can do in one subject.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ability {
    /// 0 to 1; 0.5 at first.
    pub theta: f64,
    /// How sure that is, 0 to 0.95; 0 at first.
    pub confidence: f64,
    /// Turns that were looked at, those without evidence too.
    pub turns: u64,
}

impl Default for Ability {
    fn default() -> Self {
        Self { theta: FIRST, confidence: 0.0, turns: 0 }
    }
}

impl Ability {
    /// The chance, 0 to 1, of managing something of this difficulty (0 to 1) that shows everything.
    #[must_use]
    pub fn chance(&self, difficulty: f64) -> f64 {
        chance(DISCRIMINATION, inner(self.theta), inner(difficulty))
    }

    /// What is known after a turn at this difficulty, 0 to 1, that showed this. Without evidence only the turn is counted.
    #[must_use]
    pub fn learn(&self, seen: &Evidence, difficulty: f64) -> Self {
        let turns = self.turns.saturating_add(1);
        let (score, weight) = (unit(seen.score, FIRST), unit(seen.weight, 0.0));
        let (theta, b, a) = (inner(self.theta), inner(difficulty), DISCRIMINATION * weight);
        let p = chance(a, theta, b);
        let known = self.information() + a * a * p * (1.0 - p);
        let known = known.min(INFORMATION_MOST);
        let step = (a * (score - p) / (1.0 + known)).clamp(-STEP_MOST, STEP_MOST);
        Self { theta: outer(theta + step), confidence: known / (1.0 + known), turns }
    }

    /// The Fisher information of the turns up to now, from the confidence that was made of it.
    fn information(&self) -> f64 {
        let confidence = unit(self.confidence, 0.0);
        if confidence >= 1.0 {
            return INFORMATION_MOST;
        }
        (confidence / (1.0 - confidence)).min(INFORMATION_MOST)
    }
}

fn chance(a: f64, theta: f64, b: f64) -> f64 {
    1.0 / (1.0 + (-a * (theta - b)).exp())
}

fn inner(outer: f64) -> f64 {
    SPAN * (unit(outer, FIRST) - 0.5)
}

fn outer(inner: f64) -> f64 {
    unit(inner / SPAN + 0.5, FIRST)
}

/// The number within 0 to 1; what is no number is `otherwise`.
fn unit(x: f64, otherwise: f64) -> f64 {
    if x.is_finite() { x.clamp(0.0, 1.0) } else { otherwise }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tutor::difficulty::{Difficulty, Mood};

    fn seen(score: f64, weight: f64) -> Evidence {
        Evidence { score, weight, signs: Vec::new() }
    }

    fn any_ability() -> impl Strategy<Value = Ability> {
        (0.0..=1.0, 0.0..=0.95, 0u64..1000).prop_map(|(theta, confidence, turns)| Ability {
            theta,
            confidence,
            turns,
        })
    }

    proptest! {
        #[test]
        fn always_a_number_in_bounds(
            theta in proptest::num::f64::ANY, confidence in proptest::num::f64::ANY, turns in any::<u64>(),
            score in proptest::num::f64::ANY, weight in proptest::num::f64::ANY, difficulty in proptest::num::f64::ANY,
        ) {
            let after = Ability { theta, confidence, turns }.learn(&seen(score, weight), difficulty);
            prop_assert!((0.0..=1.0).contains(&after.theta));
            prop_assert!((0.0..=0.951).contains(&after.confidence));
        }

        #[test]
        fn better_evidence_never_means_less_ability(
            at in any_ability(), one in 0.0..=1.0, other in 0.0..=1.0, weight in 0.0..=1.0, difficulty in 0.0..=1.0,
        ) {
            let (low, high) = if one < other { (one, other) } else { (other, one) };
            let of = |score| at.learn(&seen(score, weight), difficulty).theta;
            prop_assert!(of(low) <= of(high) + 1e-12);
        }

        #[test]
        fn a_step_is_small_and_confidence_never_falls(
            at in any_ability(), score in 0.0..=1.0, weight in 0.0..=1.0, difficulty in 0.0..=1.0,
        ) {
            let after = at.learn(&seen(score, weight), difficulty);
            prop_assert!((after.theta - at.theta).abs() <= 0.1 + 1e-9);
            prop_assert!(after.confidence >= at.confidence - 1e-9);
        }

        #[test]
        fn no_evidence_moves_nothing(at in any_ability(), score in 0.0..=1.0, difficulty in 0.0..=1.0) {
            let after = at.learn(&seen(score, 0.0), difficulty);
            prop_assert!((after.theta - at.theta).abs() < 1e-9 && (after.confidence - at.confidence).abs() < 1e-9);
            prop_assert_eq!(after.turns, at.turns + 1);
        }
    }

    #[test]
    fn the_first_turns_move_by_hundredths() {
        let start = Ability::default();
        assert_eq!((start.theta, start.confidence, start.turns), (0.5, 0.0, 0));
        let up = start.learn(&seen(1.0, 0.5), 0.375).theta - 0.5;
        let down = 0.5 - start.learn(&seen(0.0, 0.5), 0.375).theta;
        assert!((0.01..0.06).contains(&up), "{up}");
        assert!((0.02..=0.1).contains(&down), "{down}");
        // To fail at what is easy says more than to manage it.
        assert!(down > up);
        // The same turn later, when more is known, moves less.
        let mut known = start;
        for _ in 0..20 {
            known = known.learn(&seen(f64::from(known.turns % 2 == 0), 0.9), known.theta);
        }
        let later = known.learn(&seen(1.0, 0.5), known.theta - 0.125).theta - known.theta;
        assert!(later < up / 2.0, "{later} {up}");
    }

    /// Numbers between 0 and 1 from a seed (splitmix64), so that a simulation is the same on every machine.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    /// A learner of this true ability, taught at the difficulty that the tutor would choose; where the estimate stands
    /// after so many turns, as the mean error and the mean of the estimates over a hundred learners.
    fn taught(truth: f64, turns: usize) -> (f64, f64) {
        let (mut errors, mut sum) = (0.0, 0.0);
        for seed in 0..100 {
            let (mut dice, mut at) = (Dice(seed), Ability::default());
            let truly = Ability { theta: truth, ..at };
            for _ in 0..turns {
                let difficulty = Difficulty::of(at.theta, Mood::Even).value();
                let managed = dice.roll() < truly.chance(difficulty);
                at = at.learn(&seen(f64::from(managed), 1.0), difficulty);
            }
            errors += (at.theta - truth).abs();
            sum += at.theta;
        }
        (errors / 100.0, sum / 100.0)
    }

    // Planted faults: the sign of the step; the gain without the information.
    #[test]
    fn it_finds_out_what_a_learner_can_do() {
        for truth in [0.2, 0.35, 0.5, 0.65, 0.8] {
            let (error, mean) = taught(truth, 60);
            assert!(error < 0.08, "{truth}: off by {error} on average");
            assert!((mean - truth).abs() < 0.05, "{truth}: {mean} on average");
        }
        // Nearer with each turn, at first by leaps.
        assert!(taught(0.8, 5).0 > taught(0.8, 20).0);
    }

    #[test]
    fn it_follows_somebody_who_learns() {
        let (mut dice, mut at) = (Dice(7), Ability::default());
        for turn in 0..400 {
            let truly = Ability { theta: if turn < 200 { 0.3 } else { 0.75 }, ..at };
            let managed = dice.roll() < truly.chance(at.theta);
            at = at.learn(&seen(f64::from(managed), 1.0), at.theta);
        }
        assert!((at.theta - 0.75).abs() < 0.12, "{}", at.theta);
    }
}
