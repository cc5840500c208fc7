//! How ready somebody is to learn, from how he feels.

use headwater_core::event::Readiness;

/// From how much arousal on it strains: below, it is attention.
const STRAIN_FROM: f64 = 0.6;

/// The word for somebody who feels so: half ready by itself, more where he feels well, more or less by what his feeling
/// does to learning (`openness` of the label), less where he is wound up, and twice that where he does not feel well.
///
/// `0.5 + 0.3·valence + openness − k·max(0, arousal − 0.6)`, k = 0.4 (0.8 below valence 0), cut at 0.8, 0.6, 0.4 and 0.2.
pub(super) fn readiness(openness: f64, valence: f64, arousal: f64) -> Readiness {
    let strain = if valence < 0.0 { 0.8 } else { 0.4 } * (arousal - STRAIN_FROM).max(0.0);
    let ready = 0.5 + 0.3 * valence + openness - strain;
    match ready {
        r if r >= 0.8 => Readiness::OptimalReadiness,
        r if r >= 0.6 => Readiness::HighReadiness,
        r if r >= 0.4 => Readiness::ModerateReadiness,
        r if r >= 0.2 => Readiness::LowReadiness,
        _ => Readiness::NotReady,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tutor::emotion::labels::LABELS;

    #[test]
    fn each_label_by_itself() {
        let of = |word: Readiness| {
            let same = LABELS.iter().filter(|l| readiness(l.openness, l.valence, l.arousal) == word);
            same.map(|l| l.name.as_str()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(Readiness::OptimalReadiness), "curiosity optimism realization");
        assert_eq!(
            of(Readiness::HighReadiness),
            "admiration amusement approval desire excitement gratitude joy love pride relief"
        );
        assert_eq!(of(Readiness::ModerateReadiness), "caring confusion disapproval surprise neutral");
        assert_eq!(
            of(Readiness::LowReadiness),
            "annoyance disappointment disgust embarrassment nervousness remorse sadness"
        );
        assert_eq!(of(Readiness::NotReady), "anger fear grief");
    }

    #[test]
    fn better_is_never_less_ready_and_more_wound_up_never_more() {
        let steps = || (0..=20).map(f64::from);
        for (x, y) in steps().flat_map(|x| steps().map(move |y| (x / 10.0 - 1.0, y / 20.0))) {
            let here = readiness(0.0, x, y) as u8;
            assert!(readiness(0.0, x + 0.1, y) as u8 <= here, "{x} {y}");
            assert!(readiness(0.0, x, y + 0.05) as u8 >= here, "{x} {y}");
        }
    }
}
