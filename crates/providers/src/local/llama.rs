//! A Llama-style model: its weights, shared by all streams, and one pass over some tokens of some
//! of them. It never waits and knows no clock; who calls it decides what to compute next.

use std::path::Path;

use headwater_core::port::provider::ProviderError;

use super::attention::{Heads, attend};
use super::gguf::{self, Shape};
use super::kv::Kv;
use super::matrix::Matrix;
use super::simd::{self, Simd};

/// The weights.
pub(super) struct Llama {
    pub(super) shape: Shape,
    simd: Simd,
    embedding: Matrix,
    /// `None`: the embedding serves both ends.
    head: Option<Matrix>,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    /// Cosines and sines, `rope_dim / 2` pairs for each position.
    rope: Vec<(f32, f32)>,
}

struct Layer {
    attention_norm: Vec<f32>,
    /// Query, key and value, one below the other.
    qkv: Matrix,
    output: Matrix,
    feed_norm: Vec<f32>,
    /// Gate and up, one below the other.
    gate_up: Matrix,
    down: Matrix,
}

/// The part of one stream in a pass.
pub(super) struct Lane<'a> {
    /// What it has computed; the pass adds to it.
    pub(super) kv: &'a mut Kv,
    /// Its next tokens, at least one.
    pub(super) tokens: &'a [u32],
}

impl Llama {
    /// Reads the weights and packs them in eight bits. Takes about half a second for the default model.
    ///
    /// # Errors
    /// `Unavailable`, naming what is wrong with the file.
    pub(super) fn load(file: &mut gguf::Model, path: &Path) -> Result<Self, ProviderError> {
        let simd = Simd::detect();
        let s = file.shape(path)?;
        let own_head = file.has("output.weight");
        let (q, kv) = (s.heads * s.head_dim, s.kv_heads * s.head_dim);
        let mut matrix = |names: &[(String, usize)], cols: usize| -> Result<Matrix, ProviderError> {
            let mut all = Matrix::new(names.iter().map(|(_, rows)| rows).sum(), cols);
            for (name, rows) in names {
                file.rows(name, *rows, cols, |part| all.append(simd, part))?;
            }
            Ok(all)
        };
        let mut layers = Vec::with_capacity(s.layers);
        for i in 0..s.layers {
            let at = |part: &str| format!("blk.{i}.{part}.weight");
            layers.push(Layer {
                qkv: matrix(&[(at("attn_q"), q), (at("attn_k"), kv), (at("attn_v"), kv)], s.hidden)?,
                output: matrix(&[(at("attn_output"), s.hidden)], q)?,
                gate_up: matrix(
                    &[(at("ffn_gate"), s.feed_forward), (at("ffn_up"), s.feed_forward)],
                    s.hidden,
                )?,
                down: matrix(&[(at("ffn_down"), s.hidden)], s.feed_forward)?,
                attention_norm: Vec::new(),
                feed_norm: Vec::new(),
            });
        }
        let embedding = matrix(&[("token_embd.weight".to_owned(), s.vocabulary)], s.hidden)?;
        let head = match own_head {
            true => Some(matrix(&[("output.weight".to_owned(), s.vocabulary)], s.hidden)?),
            false => None,
        };
        for (i, layer) in layers.iter_mut().enumerate() {
            layer.attention_norm = file.vector(&format!("blk.{i}.attn_norm.weight"), s.hidden)?;
            layer.feed_norm = file.vector(&format!("blk.{i}.ffn_norm.weight"), s.hidden)?;
        }
        let stretch = match file.has("rope_freqs.weight") {
            true => file.vector("rope_freqs.weight", s.rope_dim / 2)?,
            false => vec![1.0; s.rope_dim / 2],
        };
        let norm = file.vector("output_norm.weight", s.hidden)?;
        let rope = rope_table(&s, &stretch);
        Ok(Self { simd, embedding, head, layers, norm, rope, shape: s })
    }

    /// Nothing computed yet, for a new stream.
    pub(super) fn empty(&self) -> Kv {
        Kv::new(self.shape.layers, self.shape.kv_heads * self.shape.head_dim)
    }

    /// Computes the lanes' tokens; the answer has for each lane how likely each word comes next
    /// (unscaled), or is `None` if `stop` said so between two layers: the lanes are then as before.
    ///
    /// A token must be below the vocabulary, and a lane within the context: the caller checks both.
    ///
    /// # Errors
    /// What candle reports; none is expected.
    pub(super) fn pass(
        &self,
        lanes: &mut [Lane<'_>],
        stop: &dyn Fn() -> bool,
    ) -> candle_core::Result<Option<Vec<Vec<f32>>>> {
        let s = &self.shape;
        let rows: usize = lanes.iter().map(|l| l.tokens.len()).sum();
        let starts: Vec<usize> = lanes.iter().map(|l| l.kv.len()).collect();
        let mut x = vec![0f32; rows * s.hidden];
        for (token, row) in lanes.iter().flat_map(|l| l.tokens).zip(x.chunks_exact_mut(s.hidden)) {
            self.embedding.row(self.simd, *token as usize, row);
        }
        for (i, layer) in self.layers.iter().enumerate() {
            if stop() {
                for (lane, start) in lanes.iter_mut().zip(&starts) {
                    lane.kv.truncate(*start);
                }
                return Ok(None);
            }
            let qkv = layer.qkv.product(self.simd, self.normed(&x, &layer.attention_norm), rows)?;
            let attended = self.attention(i, qkv, lanes, &starts)?;
            self.add(&mut x, &layer.output.product(self.simd, attended, rows)?);
            let both = layer.gate_up.product(self.simd, self.normed(&x, &layer.feed_norm), rows)?;
            self.add(&mut x, &layer.down.product(self.simd, self.gated(both, rows), rows)?);
        }
        // Only the last row of each lane says something about a word to come; the head is a fifth of the model.
        let mut last = Vec::with_capacity(lanes.len() * s.hidden);
        let mut end = 0;
        for lane in lanes.iter_mut() {
            end += lane.tokens.len();
            last.extend_from_slice(&x[(end - 1) * s.hidden..end * s.hidden]);
            lane.kv.tokens.extend_from_slice(lane.tokens);
        }
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        let logits = head.product(self.simd, self.normed(&last, &self.norm), lanes.len())?;
        Ok(Some(logits.chunks_exact(head.rows()).map(<[f32]>::to_vec).collect()))
    }

    fn attention(
        &self,
        layer: usize,
        mut qkv: Vec<f32>,
        lanes: &mut [Lane<'_>],
        starts: &[usize],
    ) -> candle_core::Result<Vec<f32>> {
        let s = &self.shape;
        let heads = Heads { q: s.heads, kv: s.kv_heads, dim: s.head_dim };
        let (q_width, kv_width) = (s.heads * s.head_dim, s.kv_heads * s.head_dim);
        let width = q_width + 2 * kv_width;
        let mut out = vec![0f32; qkv.len() / width * q_width];
        let mut first = 0;
        for (lane, start) in lanes.iter_mut().zip(starts) {
            let n = lane.tokens.len();
            let mine = &mut qkv[first * width..(first + n) * width];
            let (keys, values) = &mut lane.kv.layers[layer];
            for (i, row) in mine.chunks_exact_mut(width).enumerate() {
                let (rotated, v) = row.split_at_mut(q_width + kv_width);
                self.rotate(start + i, rotated);
                keys.extend_from_slice(&rotated[q_width..]);
                values.extend_from_slice(v);
            }
            let out = &mut out[first * q_width..(first + n) * q_width];
            attend(self.simd, heads, mine, width, (keys, values), out)?;
            first += n;
        }
        Ok(out)
    }

    /// Turns each pair of neighbours by the angle of its position: the order in which these files
    /// keep queries and keys.
    fn rotate(&self, position: usize, heads: &mut [f32]) {
        let pairs = self.shape.rope_dim / 2;
        let angles = &self.rope[position * pairs..(position + 1) * pairs];
        for head in heads.chunks_exact_mut(self.shape.head_dim) {
            let (head, _) = head.as_chunks_mut::<2>();
            for ([a, b], (cos, sin)) in head.iter_mut().zip(angles) {
                (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            }
        }
    }

    fn normed(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        let mut out = vec![0f32; x.len()];
        let (hidden, eps) = (self.shape.hidden, self.shape.norm_eps);
        self.simd.run(
            #[inline(always)]
            || {
                for (x, o) in x.chunks_exact(hidden).zip(out.chunks_exact_mut(hidden)) {
                    simd::rms_norm(x, weight, eps, o);
                }
            },
        );
        out
    }

    fn gated(&self, mut both: Vec<f32>, rows: usize) -> Vec<f32> {
        let n = self.shape.feed_forward;
        self.simd.run(
            #[inline(always)]
            || {
                for row in both.chunks_exact_mut(2 * n) {
                    let (gate, up) = row.split_at_mut(n);
                    simd::silu_mul(gate, up);
                }
            },
        );
        for row in 1..rows {
            both.copy_within(row * 2 * n..row * 2 * n + n, row * n);
        }
        both.truncate(rows * n);
        both
    }

    fn add(&self, x: &mut [f32], y: &[f32]) {
        self.simd.run(
            #[inline(always)]
            || simd::add_scaled(x, 1.0, y),
        );
    }
}

fn rope_table(s: &Shape, stretch: &[f32]) -> Vec<(f32, f32)> {
    let step = |i: usize| 1.0 / f64::from(s.rope_base).powf(2.0 * i as f64 / s.rope_dim as f64);
    let steps: Vec<f64> = stretch.iter().enumerate().map(|(i, f)| step(i) / f64::from(f.max(1e-6))).collect();
    (0..s.context)
        .flat_map(|p| steps.iter().map(move |f| (p as f64 * f).sin_cos()))
        .map(|(sin, cos)| (cos as f32, sin as f32))
        .collect()
}
