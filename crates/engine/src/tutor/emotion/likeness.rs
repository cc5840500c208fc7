//! The labels by meaning: how near a text's vector is to what people say who feel so.

use headwater_core::port::SharedEmbedder;
use headwater_core::port::provider::ProviderError;

use super::labels::LABELS;

/// Sentences of one call to the embedder: between two calls others get their turn.
const AT_ONCE: usize = 32;
/// Of a label's sentences, how many of the nearest count beside its centre: one is chance, all are the centre again.
const NEAREST: usize = 3;

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

    /// How near the text is to each label, -1 to 1, in the order of [`LABELS`].
    pub(super) async fn of(&self, text: &str) -> Option<Vec<f64>> {
        let vectors = self.embedder.embed(vec![text.to_owned()]).await.ok()?;
        let vector = apart(vectors.first()?, &self.mean);
        let near = |own: &Vec<Vec<f32>>| {
            let (centre, says) = own.split_last()?;
            let mut cosines: Vec<f64> = says.iter().map(|v| cosine(v, &vector)).collect();
            cosines.sort_by(|a, b| b.total_cmp(a));
            cosines.truncate(NEAREST);
            let nearest = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
            Some(f64::midpoint(cosine(centre, &vector), nearest))
        };
        self.labels.iter().map(near).collect()
    }
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
