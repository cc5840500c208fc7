//! The labels by meaning: how near a text's vector is to what people say who feel so.

use headwater_core::port::SharedEmbedder;
use headwater_core::port::provider::ProviderError;
use unicode_segmentation::UnicodeSegmentation;

use super::labels::LABELS;

/// Sentences of one call to the embedder: between two calls others get their turn.
const AT_ONCE: usize = 32;
/// Of a label's sentences, how many of the nearest count beside its centre: one is chance, all are the centre again.
const NEAREST: usize = 3;
/// Sentences of one text that are compared beside the whole: each costs as much as a search does.
const SENTENCES: usize = 6;

/// What the labels' sentences mean.
pub(super) struct Prototypes {
    pub(super) embedder: SharedEmbedder,
    /// What all of them have in common, which is that they are short English sentences: taken off each vector, since it
    /// makes everything look alike.
    mean: Vec<f32>,
    /// For each label its sentences' vectors, and their centre at the end.
    labels: Vec<Vec<Vec<f32>>>,
}

impl Prototypes {
    /// Embeds what the labels say.
    pub(super) async fn prepare(embedder: SharedEmbedder) -> Result<Self, ProviderError> {
        let says: Vec<String> = LABELS.iter().flat_map(|label| label.says.iter().cloned()).collect();
        let mut vectors = Vec::with_capacity(says.len());
        for some in says.chunks(AT_ONCE) {
            vectors.extend(embedder.embed(some.to_vec()).await?);
        }
        let mean = mean(&vectors);
        let mut vectors = vectors.into_iter().map(|v| apart(&v, &mean));
        let labels = LABELS.iter().map(|label| {
            let mut own: Vec<Vec<f32>> = vectors.by_ref().take(label.says.len()).collect();
            let centre = self::mean(&own);
            own.push(apart(&centre, &[]));
            own
        });
        let labels = labels.collect();
        Ok(Self { embedder, mean, labels })
    }

    /// How near the text is to each label, -1 to 1, in the order of [`LABELS`]: the nearest of the whole and of its
    /// sentences, since most messages of learners are a question with one sentence beside it that says how they are.
    pub(super) async fn of(&self, text: &str) -> Option<Vec<f64>> {
        let vectors = self.embedder.embed(pieces(text)).await.ok()?;
        let vectors: Vec<Vec<f32>> = vectors.iter().map(|vector| apart(vector, &self.mean)).collect();
        let nearest = |own: &Vec<Vec<f32>>| vectors.iter().filter_map(|v| nearness(own, v)).reduce(f64::max);
        self.labels.iter().map(nearest).collect()
    }
}

/// The whole text, and its sentences where there are several; of many the first and the last ones.
fn pieces(text: &str) -> Vec<String> {
    let sentences = text.unicode_sentences().map(str::trim);
    let mut sentences: Vec<&str> = sentences.filter(|s| s.split_whitespace().nth(1).is_some()).collect();
    if sentences.len() > SENTENCES {
        sentences.drain(SENTENCES / 2..sentences.len() - SENTENCES / 2);
    }
    let several = if sentences.len() > 1 { sentences } else { Vec::new() };
    std::iter::once(text).chain(several).map(str::to_owned).collect()
}

/// How near a vector is to what a label says, whose centre stands at the end.
fn nearness(own: &[Vec<f32>], vector: &[f32]) -> Option<f64> {
    let (centre, says) = own.split_last()?;
    let mut cosines: Vec<f64> = says.iter().map(|v| cosine(v, vector)).collect();
    cosines.sort_by(|a, b| b.total_cmp(a));
    cosines.truncate(NEAREST);
    let nearest = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
    Some(f64::midpoint(cosine(centre, vector), nearest))
}

fn mean(vectors: &[Vec<f32>]) -> Vec<f32> {
    let mut sum = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for vector in vectors {
        sum.iter_mut().zip(vector).for_each(|(s, x)| *s += x);
    }
    sum.iter_mut().for_each(|s| *s /= vectors.len().max(1) as f32);
    sum
}

/// The vector without that part, of length 1 again; one that is nothing else stays nothing.
fn apart(vector: &[f32], part: &[f32]) -> Vec<f32> {
    let part = part.iter().copied().chain(std::iter::repeat(0.0));
    let rest: Vec<f32> = vector.iter().zip(part).map(|(x, p)| x - p).collect();
    let length = rest.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > f32::EPSILON { rest.iter().map(|x| x / length).collect() } else { rest }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    f64::from(a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_and_its_sentences_and_no_more_than_a_few() {
        assert_eq!(pieces("I am lost."), ["I am lost."]);
        assert_eq!(
            pieces("What is x? I am lost. Ok."),
            ["What is x? I am lost. Ok.", "What is x?", "I am lost."]
        );
        let many: String = (0..100).map(|n| format!("This is {n}. ")).collect();
        let cut = pieces(&many);
        assert_eq!(cut.len(), 1 + SENTENCES);
        assert_eq!((cut[1].as_str(), cut[SENTENCES].as_str()), ("This is 0.", "This is 99."));
    }
}
