//! The embedding model: a small BERT whose last layer is averaged over the text's tokens. Texts of
//! one batch lie one below the other, without padding: the products see one tall matrix, and each
//! text attends within itself.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use headwater_core::port::provider::{ProviderError, ProviderErrorKind};

use super::simd::{self, Simd};

/// Heads of the MiniLM family.
const HEADS: usize = 12;
const NORM_EPS: f32 = 1e-12;

/// The weights, in 32 bits.
pub(super) struct Bert {
    simd: Simd,
    /// Numbers of a vector.
    pub(super) width: usize,
    words: Vec<f32>,
    positions: Vec<f32>,
    kind: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    output_norm: Norm,
    up: Linear,
    down: Linear,
    down_norm: Norm,
}

struct Linear {
    /// Transposed view: `x · weight`.
    weight: Tensor,
    bias: Vec<f32>,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

type Tensors = HashMap<String, Tensor>;

fn bad(why: impl std::fmt::Display) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Unavailable, format!("the embedding model cannot be used: {why}"))
}

impl Bert {
    /// Reads `model.safetensors`.
    ///
    /// # Errors
    /// `Unavailable`, naming what is wrong with the file.
    pub(super) fn load(path: &Path) -> Result<Self, ProviderError> {
        let tensors = candle_core::safetensors::load(path, &Device::Cpu)
            .map_err(|e| bad(e.to_string().lines().next().unwrap_or_default()))?;
        let words = get(&tensors, "embeddings.word_embeddings.weight")?;
        let width = words.dims().get(1).copied().unwrap_or(0);
        if width == 0 || !width.is_multiple_of(HEADS) || width > 4096 {
            return Err(bad(format_args!("its width is {width}")));
        }
        let count = (0..)
            .take_while(|i| tensors.contains_key(&format!("encoder.layer.{i}.output.dense.weight")))
            .count();
        let layers = (0..count).map(|i| Layer::load(&tensors, i, width)).collect::<Result<Vec<_>, _>>()?;
        if layers.is_empty() {
            return Err(bad("it has no layers"));
        }
        Ok(Self {
            simd: Simd::detect(),
            words: numbers(words)?,
            positions: numbers(get(&tensors, "embeddings.position_embeddings.weight")?)?,
            kind: first_row(vector(&tensors, "embeddings.token_type_embeddings.weight", None)?, width)?,
            norm: Norm::load(&tensors, "embeddings.LayerNorm", width)?,
            layers,
            width,
        })
    }

    /// Tokens that the model can tell apart by position.
    pub(super) fn context(&self) -> usize {
        self.positions.len() / self.width
    }

    /// Words that the model knows.
    pub(super) fn vocabulary(&self) -> usize {
        self.words.len() / self.width
    }

    /// A vector of length 1 for each text. Every text has 1 to [`Self::context`] tokens, each below
    /// [`Self::vocabulary`]: the caller has checked.
    ///
    /// # Errors
    /// What candle reports; none is expected.
    pub(super) fn embed(&self, texts: &[Vec<u32>]) -> candle_core::Result<Vec<Vec<f32>>> {
        let w = self.width;
        let mut x = Vec::with_capacity(texts.iter().map(Vec::len).sum::<usize>() * w);
        for text in texts {
            for (at, token) in text.iter().enumerate() {
                let (word, position) =
                    (&self.words[*token as usize * w..][..w], &self.positions[at * w..][..w]);
                x.extend(word.iter().zip(position).zip(&self.kind).map(|((a, b), c)| a + b + c));
            }
        }
        self.normalise(&mut x, &self.norm);
        for layer in &self.layers {
            let attended = self.attention(layer, &x, texts)?;
            self.add(&mut x, &layer.output.apply(attended)?);
            self.normalise(&mut x, &layer.output_norm);
            let mut up = layer.up.apply(x.clone())?;
            self.simd.run(
                #[inline(always)]
                || up.iter_mut().for_each(|v| *v = gelu(*v)),
            );
            self.add(&mut x, &layer.down.apply(up)?);
            self.normalise(&mut x, &layer.down_norm);
        }
        let mut rows = x.chunks_exact(w);
        Ok(texts
            .iter()
            .map(|text| {
                let mut mean = vec![0f32; w];
                for row in rows.by_ref().take(text.len()) {
                    simd::add_scaled(&mut mean, 1.0, row);
                }
                // The length of the sum or of the mean: the direction is the same, and only that is kept.
                let length = simd::dot(&mean, &mean).sqrt().max(f32::MIN_POSITIVE);
                mean.iter().map(|v| v / length).collect()
            })
            .collect())
    }

    fn attention(&self, layer: &Layer, x: &[f32], texts: &[Vec<u32>]) -> candle_core::Result<Vec<f32>> {
        let (w, dim) = (self.width, self.width / HEADS);
        let scale = 1.0 / (dim as f32).sqrt();
        let (q, k, v) =
            (layer.query.apply(x.to_vec())?, layer.key.apply(x.to_vec())?, layer.value.apply(x.to_vec())?);
        let mut out = vec![0f32; x.len()];
        let mut first = 0;
        for text in texts {
            let (n, span) = (text.len(), first * w..(first + text.len()) * w);
            for head in 0..HEADS {
                let part = |all: &[f32]| -> candle_core::Result<Tensor> {
                    let rows =
                        all[span.clone()].chunks_exact(w).flat_map(|r| &r[head * dim..(head + 1) * dim]);
                    Tensor::from_vec(rows.copied().collect::<Vec<f32>>(), (n, dim), &Device::Cpu)
                };
                let mut weights = part(&q)?.matmul(&part(&k)?.t()?)?.flatten_all()?.to_vec1::<f32>()?;
                self.simd.run(
                    #[inline(always)]
                    || {
                        for row in weights.chunks_exact_mut(n) {
                            row.iter_mut().for_each(|v| *v *= scale);
                            simd::softmax(row);
                        }
                    },
                );
                let mixed = Tensor::from_vec(weights, (n, n), &Device::Cpu)?.matmul(&part(&v)?)?;
                let mixed = mixed.flatten_all()?.to_vec1::<f32>()?;
                for (out, mixed) in out[span.clone()].chunks_exact_mut(w).zip(mixed.chunks_exact(dim)) {
                    out[head * dim..(head + 1) * dim].copy_from_slice(mixed);
                }
            }
            first += n;
        }
        Ok(out)
    }

    fn normalise(&self, x: &mut [f32], norm: &Norm) {
        self.simd.run(
            #[inline(always)]
            || {
                for row in x.chunks_exact_mut(self.width) {
                    let mean = row.iter().sum::<f32>() / row.len() as f32;
                    row.iter_mut().for_each(|v| *v -= mean);
                    let scale = 1.0 / (simd::dot(row, row) / row.len() as f32 + NORM_EPS).sqrt();
                    for ((v, w), b) in row.iter_mut().zip(&norm.weight).zip(&norm.bias) {
                        *v = *v * scale * w + b;
                    }
                }
            },
        );
    }

    fn add(&self, x: &mut [f32], y: &[f32]) {
        self.simd.run(
            #[inline(always)]
            || simd::add_scaled(x, 1.0, y),
        );
    }
}

impl Layer {
    fn load(t: &Tensors, i: usize, width: usize) -> Result<Self, ProviderError> {
        let at = |part: &str| format!("encoder.layer.{i}.{part}");
        let linear = |part: &str, cols| Linear::load(t, &at(part), cols);
        let up = linear("intermediate.dense", width)?;
        Ok(Self {
            query: linear("attention.self.query", width)?,
            key: linear("attention.self.key", width)?,
            value: linear("attention.self.value", width)?,
            output: linear("attention.output.dense", width)?,
            output_norm: Norm::load(t, &at("attention.output.LayerNorm"), width)?,
            down: linear("output.dense", up.bias.len())?,
            down_norm: Norm::load(t, &at("output.LayerNorm"), width)?,
            up,
        })
    }
}

impl Linear {
    fn load(t: &Tensors, name: &str, cols: usize) -> Result<Self, ProviderError> {
        let weight = get(t, &format!("{name}.weight"))?;
        let [rows, found] = *weight.dims() else { return Err(bad(format_args!("`{name}` is no matrix"))) };
        if found != cols {
            return Err(bad(format_args!("`{name}` has {found} columns, not {cols}")));
        }
        let bias = vector(t, &format!("{name}.bias"), Some(rows))?;
        let weight =
            weight.to_dtype(DType::F32).and_then(|w| w.t()).map_err(|_| bad(format_args!("`{name}`")))?;
        Ok(Self { weight, bias })
    }

    fn apply(&self, x: Vec<f32>) -> candle_core::Result<Vec<f32>> {
        let (cols, n) = (self.weight.dim(0)?, self.bias.len());
        let rows = x.len() / cols;
        let x = Tensor::from_vec(x, (rows, cols), &Device::Cpu)?;
        let mut out = x.matmul(&self.weight)?.flatten_all()?.to_vec1::<f32>()?;
        for row in out.chunks_exact_mut(n) {
            for (v, b) in row.iter_mut().zip(&self.bias) {
                *v += b;
            }
        }
        Ok(out)
    }
}

impl Norm {
    fn load(t: &Tensors, name: &str, width: usize) -> Result<Self, ProviderError> {
        let part = |p: &str| vector(t, &format!("{name}.{p}"), Some(width));
        Ok(Self { weight: part("weight")?, bias: part("bias")? })
    }
}

fn get<'a>(t: &'a Tensors, name: &str) -> Result<&'a Tensor, ProviderError> {
    t.get(name).ok_or_else(|| bad(format_args!("`{name}` is missing")))
}

fn numbers(t: &Tensor) -> Result<Vec<f32>, ProviderError> {
    t.to_dtype(DType::F32)
        .and_then(|t| t.flatten_all()?.to_vec1::<f32>())
        .map_err(|_| bad("a tensor is not made of numbers"))
}

fn vector(t: &Tensors, name: &str, length: Option<usize>) -> Result<Vec<f32>, ProviderError> {
    let values = numbers(get(t, name)?)?;
    match length {
        Some(n) if n != values.len() => {
            Err(bad(format_args!("`{name}` has {} numbers, not {n}", values.len())))
        }
        _ => Ok(values),
    }
}

/// Texts are all of the first kind; the second is for pairs.
fn first_row(mut values: Vec<f32>, width: usize) -> Result<Vec<f32>, ProviderError> {
    if values.len() < width {
        return Err(bad("its kinds of text are cut off"));
    }
    values.truncate(width);
    Ok(values)
}

/// `x · Φ(x)`, with the error function to about 2e-7 (Abramowitz and Stegun 7.1.26), branch-free.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    let erf = 1.0 - p * simd::exp(-z * z);
    0.5 * x * (1.0 + if x < 0.0 { -erf } else { erf })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_is_the_exact_one() {
        for (x, want) in
            [(0.0, 0.0), (1.0, 0.841_344_8), (-1.0, -0.158_655_25), (3.0, 2.995_950_3), (-6.0, 0.0)]
        {
            assert!((gelu(x) - want).abs() < 2e-6, "gelu({x}) = {}", gelu(x));
        }
    }
}
