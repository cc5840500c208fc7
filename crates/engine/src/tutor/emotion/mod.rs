//! How somebody seems to feel, from his words: one of the 28 labels of GoEmotions, with how good and how excited that is, and
//! how ready to learn it leaves him.
//!
//! Two methods, blended. By meaning: the text's vector against what people say who feel so (`likeness`), which knows
//! paraphrases and is misled by what a text is about. By words (`lexicon`), which knows "phew" and nothing that is not in
//! its list. Without an embedder, or where it fails, words alone. How well each does is measured in
//! `tests/it/feeling.rs` on sentences that are no prototypes, and stands in `docs/evaluation.md`.
//!
//! It reads English. Another language gives `neutral` more often than not, and is not refused.

mod asked;
mod labels;
mod lexicon;
mod likeness;
mod readiness;

use headwater_core::event::Emotion;
use headwater_core::port::SharedEmbedder;

use self::labels::{LABELS, Label, NEUTRAL};
use self::likeness::Prototypes;
use self::readiness::readiness;
use super::plain::{Clause, clauses, spoken};

pub use self::asked::asked;

/// What divides a nearness before the softmax. Like [`LEXICON_SAYS`] found on the development half of the sample, as the
/// value with the least surprise (mean log loss), not the most hits, since probabilities are made of it.
const TEMPERATURE: f64 = 0.035;
/// Nearness that `neutral` has at least: what is near to no label says nothing. The most that costs no hit on that half.
const NEAR_LEAST: f64 = 0.15;
/// What one point of a cue's weight adds to a label, in the softmax's own unit.
const LEXICON_SAYS: f64 = 1.4;
/// Weight of a label's cues beyond which more say nothing new.
const LEXICON_MOST: f64 = 4.0;
/// Words alone: what `neutral` has where nothing was found. A lone weak cue outweighs it, e^1.4 to e^0.5.
const LEXICON_NEUTRAL: f64 = 0.5;

/// Guesses how people feel. Cheap to ask: a message and at most six of its sentences are embedded.
pub struct Feelings {
    prototypes: Option<Prototypes>,
}

/// By which means [`Feelings::likely`] guesses. The product blends; the others are for measuring what that is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Both; words alone without an embedder.
    Both,
    /// The embedder alone.
    Meaning,
    /// The lexicon alone.
    Words,
}

impl Feelings {
    /// Learns what the labels mean: some 340 short sentences through the embedder, once, a few seconds on a busy machine.
    /// Without an embedder, or where it fails, the lexicon is all there is; that it failed is logged.
    pub async fn prepare(embedder: Option<SharedEmbedder>) -> Self {
        let Some(embedder) = embedder else { return Self::by_words() };
        match Prototypes::prepare(embedder).await {
            Ok(prototypes) => Self { prototypes: Some(prototypes) },
            Err(error) => {
                tracing::warn!(%error, "emotions are guessed by words alone: the embedding model failed");
                Self::by_words()
            }
        }
    }

    /// Guesses by the lexicon alone.
    #[must_use]
    pub fn by_words() -> Self {
        Self { prototypes: None }
    }

    /// Whether texts are compared by meaning.
    #[must_use]
    pub fn has_meaning(&self) -> bool {
        self.prototypes.is_some()
    }

    /// How somebody feels who wrote this. `None` for a text that says nothing of it: without two words, where no cue is
    /// among them, or of code alone.
    pub async fn of(&self, text: &str) -> Option<Emotion> {
        let said = spoken(text);
        let likely = self.likely(&said, By::Both).await?;
        let (best, _) = best(&likely)?;
        Some(blended(best, &likely, emphasis(&said)))
    }

    /// How likely each label is, in the order of the file; they add up to 1. `None` as in [`Feelings::of`].
    pub async fn likely(&self, text: &str, by: By) -> Option<Vec<(&'static str, f64)>> {
        let said = spoken(text);
        let clauses = clauses(&said);
        let cues = lexicon::weights(&said, &clauses);
        if !says_anything(&clauses) && cues.iter().all(|w| *w == 0.0) {
            return None;
        }
        let near = match &self.prototypes {
            Some(prototypes) if by != By::Words => prototypes.of(&said).await,
            _ => None,
        };
        let logit = |at: usize, label: &Label| match &near {
            Some(near) => means(label, near[at]) + if by == By::Meaning { 0.0 } else { words_say(cues[at]) },
            None => words_alone(label, cues[at]),
        };
        let logits: Vec<f64> = LABELS.iter().enumerate().map(|(at, label)| logit(at, label)).collect();
        Some(LABELS.iter().map(|l| l.name.as_str()).zip(softmax(&logits)).collect())
    }
}

impl std::fmt::Debug for Feelings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feelings").field("has_meaning", &self.has_meaning()).finish()
    }
}

fn means(label: &Label, near: f64) -> f64 {
    if label.name == NEUTRAL { near.max(NEAR_LEAST) / TEMPERATURE } else { near / TEMPERATURE }
}

fn words_say(weight: f64) -> f64 {
    LEXICON_SAYS * weight.min(LEXICON_MOST)
}

fn words_alone(label: &Label, weight: f64) -> f64 {
    if label.name == NEUTRAL { LEXICON_NEUTRAL } else { words_say(weight) }
}

/// Whether there are two words in it, numbers and single letters aside.
fn says_anything(clauses: &[Clause]) -> bool {
    let words = clauses.iter().flat_map(|clause| &clause.stems);
    words.filter(|w| w.chars().filter(|c| c.is_alphabetic()).count() >= 2).nth(1).is_some()
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|l| (l - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

/// The likeliest; of equal ones the first of the file.
fn best(likely: &[(&'static str, f64)]) -> Option<(&'static Label, f64)> {
    let mut best: Option<(&'static str, f64)> = None;
    for (name, p) in likely {
        if best.is_none_or(|(_, most)| *p > most) {
            best = Some((name, *p));
        }
    }
    best.and_then(|(name, p)| Some((labels::named(name)?, p)))
}

/// What shouting adds to arousal: an exclamation mark, and words in capitals.
fn emphasis(said: &str) -> f64 {
    let shouted = |w: &str| w.len() > 3 && w.chars().all(|c| c.is_uppercase());
    let loud = said.split(|c: char| !c.is_alphanumeric()).filter(|w| shouted(w)).count() >= 2;
    0.1 * f64::from(u8::from(said.contains('!')) + u8::from(loud))
}

/// The best label, its valence and arousal half its own and half those of all labels as likely as they are: who is almost as
/// likely sad as he is disappointed is sadder than a disappointed man.
fn blended(best: &Label, likely: &[(&str, f64)], emphasis: f64) -> Emotion {
    let mean = |of: fn(&Label) -> f64| LABELS.iter().zip(likely).map(|(l, (_, p))| of(l) * p).sum::<f64>();
    let valence = f64::midpoint(best.valence, mean(|l| l.valence));
    let arousal = f64::midpoint(best.arousal, mean(|l| l.arousal)) + emphasis;
    emotion(best, valence, arousal)
}

/// A label that somebody named, without others beside it.
fn said_by_name(label: &Label, emphasis: f64) -> Emotion {
    emotion(label, label.valence, label.arousal + emphasis)
}

fn emotion(label: &Label, valence: f64, arousal: f64) -> Emotion {
    // A guess with more than two digits would pretend to more than it knows.
    let round = |x: f64| (x * 100.0).round() / 100.0;
    let (valence, arousal) = (round(valence.clamp(-1.0, 1.0)), round(arousal.clamp(0.0, 1.0)));
    Emotion {
        primary: label.name.clone(),
        arousal,
        valence,
        readiness: readiness(label.openness, valence, arousal),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use headwater_core::event::Readiness;
    use headwater_core::port::embedder::Embedder;
    use headwater_core::port::provider::{ProviderError, ProviderErrorKind};

    use super::*;

    async fn label(text: &str) -> Option<String> {
        Feelings::by_words().of(text).await.map(|e| e.primary)
    }

    #[tokio::test]
    async fn words_alone() {
        for (text, expected) in [
            ("Thanks!", "gratitude"),
            ("phew", "relief"),
            ("I don't get it, this makes no sense", "confusion"),
            ("I'm so excited, can't wait!!", "excitement"),
            ("THIS IS SO ANNOYING, I am fed up", "annoyance"),
            ("The table is made of wood.", "neutral"),
            ("I am not happy about it", "neutral"),
        ] {
            assert_eq!(label(text).await.as_deref(), Some(expected), "{text}");
        }
    }

    #[tokio::test]
    async fn what_says_nothing_has_no_emotion() {
        for text in ["", "   ", "42", "?!", "x = 3", "ok", "```I hate this```", "3 + 4", "…"] {
            assert_eq!(label(text).await, None, "{text}");
        }
    }

    #[tokio::test]
    async fn numbers_are_in_bounds_whatever_is_written() {
        let feelings = Feelings::by_words();
        let long = "I HATE THIS!!! furious angry rage ".repeat(5_000);
        for text in [long.as_str(), "é́ ñ 漢字 かな نص", "\u{0}\u{0} a\u{301} bb cc", "``` a b ``` c d `` e"]
        {
            if let Some(e) = feelings.of(text).await {
                assert!((-1.0..=1.0).contains(&e.valence) && (0.0..=1.0).contains(&e.arousal), "{e:?}");
            }
        }
        let angry = feelings.of(&long).await.unwrap();
        assert_eq!((angry.primary.as_str(), angry.readiness), ("anger", Readiness::NotReady));
        // Shouting is louder than the same words said quietly.
        let (quiet, loud) = (
            feelings.of("i hate this thing").await.unwrap(),
            feelings.of("I HATE THIS THING!").await.unwrap(),
        );
        assert!(loud.arousal > quiet.arousal);
        assert_eq!(loud.valence, quiet.valence);
    }

    #[tokio::test]
    async fn likelihoods_add_up_to_one() {
        let likely = Feelings::by_words().likely("thank you, that was fun", By::Both).await.unwrap();
        assert_eq!(likely.len(), 28);
        assert!((likely.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    /// Says each sentence's own letters, so that a text is nearest to what shares most of them; or fails.
    struct Letters {
        fails: bool,
    }

    #[async_trait]
    impl Embedder for Letters {
        fn id(&self) -> &str {
            "letters"
        }
        fn dimensions(&self) -> usize {
            26 * 26
        }
        async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderError> {
            if self.fails {
                return Err(ProviderError::new(ProviderErrorKind::Failed, "broken"));
            }
            let vector = |text: &String| {
                let mut v = vec![0.001_f32; self.dimensions()];
                let letters: Vec<usize> = text
                    .to_lowercase()
                    .bytes()
                    .filter(u8::is_ascii_lowercase)
                    .map(|b| usize::from(b - b'a'))
                    .collect();
                letters.windows(2).for_each(|w| v[w[0] * 26 + w[1]] += 1.0);
                let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
                v.iter().map(|x| x / length).collect()
            };
            Ok(texts.iter().map(vector).collect())
        }
    }

    #[tokio::test]
    async fn what_a_label_says_is_nearest_to_it() {
        let feelings = Feelings::prepare(Some(Arc::new(Letters { fails: false }))).await;
        assert!(feelings.has_meaning());
        for label in LABELS.iter() {
            let likely = feelings.likely(&label.says[0], By::Meaning).await.unwrap();
            let (found, _) = best(&likely).unwrap();
            assert_eq!(found.name, label.name, "{}", label.says[0]);
        }
    }

    #[tokio::test]
    async fn what_is_near_to_nothing_is_neutral() {
        let feelings = Feelings::prepare(Some(Arc::new(Letters { fails: false }))).await;
        for text in ["zzxx jjvv", "qzqz xjxj", "wvwv jqjq", "xkxk vzvz", "zgzg jxjx"] {
            assert_eq!(feelings.of(text).await.unwrap().primary, NEUTRAL, "{text}");
        }
    }

    #[tokio::test]
    async fn an_embedder_that_fails_leaves_the_words() {
        let feelings = Feelings::prepare(Some(Arc::new(Letters { fails: true }))).await;
        assert!(!feelings.has_meaning());
        assert_eq!(feelings.of("thank you so much").await.unwrap().primary, "gratitude");
        // One that fails later, too.
        let mut feelings = Feelings::prepare(Some(Arc::new(Letters { fails: false }))).await;
        if let Some(prototypes) = &mut feelings.prototypes {
            prototypes.embedder = Arc::new(Letters { fails: true });
        }
        assert_eq!(feelings.of("thank you so much").await.unwrap().primary, "gratitude");
    }
}
