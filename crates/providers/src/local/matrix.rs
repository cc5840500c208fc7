//! A weight matrix in eight bits, and its two products: a few rows at a time straight from the eight
//! bits (decoding, where reading the weights is the cost), many rows through the library's `f32`
//! product (prompts, where arithmetic is the cost).
//!
//! candle's own quantised product is not used: it spreads every call over a process-wide pool whose
//! threads spin and pin themselves to cores, which only an environment variable set before the start
//! can prevent; and it takes each prompt row alone (a quarter of the speed measured here).

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::simd::{self, Simd};

/// Neighbouring weights that share a scale.
pub(super) const GROUP: usize = 64;

/// Rows up to which the eight-bit product is the faster one.
const FEW_ROWS: usize = 12;

/// `rows × cols` weights: `value = q · scale`, a scale for each [`GROUP`] of a row.
pub(super) struct Matrix {
    rows: usize,
    cols: usize,
    q: Vec<i8>,
    scale: Vec<f32>,
}

impl Matrix {
    /// No rows of `cols` numbers yet, with memory for `rows`. `cols` is a multiple of [`GROUP`] (the
    /// loader has checked).
    pub(super) fn new(rows: usize, cols: usize) -> Self {
        let (q, scale) = (Vec::with_capacity(rows * cols), Vec::with_capacity(rows * cols / GROUP));
        Self { rows: 0, cols, q, scale }
    }

    /// Packs whole rows and adds them below: one product then serves several projections of the same
    /// input.
    pub(super) fn append(&mut self, simd: Simd, values: &[f32]) {
        let old = (self.q.len(), self.scale.len());
        self.rows += values.len() / self.cols;
        self.q.resize(old.0 + values.len(), 0);
        self.scale.resize(old.1 + values.len() / GROUP, 0.0);
        let (q, scale) = (&mut self.q[old.0..], &mut self.scale[old.1..]);
        simd.run(
            #[inline(always)]
            || {
                let (q, _) = q.as_chunks_mut::<GROUP>();
                let (values, _) = values.as_chunks::<GROUP>();
                for ((q, s), v) in q.iter_mut().zip(scale).zip(values) {
                    *s = largest(v) / 127.0;
                    let inverse = if *s > 0.0 { 1.0 / *s } else { 0.0 };
                    for (q, v) in q.iter_mut().zip(v) {
                        *q = nearest(v * inverse) as i8;
                    }
                }
            },
        );
    }

    /// Numbers in an output row.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// One row as it was packed, e.g. the embedding of a token. `row` is below [`Self::rows`].
    pub(super) fn row(&self, simd: Simd, row: usize, out: &mut [f32]) {
        let q = &self.q[row * self.cols..][..self.cols];
        let scale = &self.scale[row * (self.cols / GROUP)..][..self.cols / GROUP];
        simd.run(
            #[inline(always)]
            || unpack(q, scale, out),
        );
    }

    /// `x · selfᵀ`: `x` holds `m` rows of `cols`, the answer `m` rows of [`Self::rows`].
    ///
    /// # Errors
    /// What candle reports; none is expected with these shapes.
    pub(super) fn product(&self, simd: Simd, x: Vec<f32>, m: usize) -> candle_core::Result<Vec<f32>> {
        if m <= FEW_ROWS { Ok(self.few(simd, &x, m)) } else { self.many(simd, x, m) }
    }

    fn few(&self, simd: Simd, x: &[f32], m: usize) -> Vec<f32> {
        let (xq, xs) = simd.run(
            #[inline(always)]
            || quantise(x),
        );
        let mut out = vec![0f32; m * self.rows];
        match simd {
            #[cfg(target_arch = "x86_64")]
            Simd::V3(v3) => v3.vectorize(
                #[inline(always)]
                || self.few_with(&xq, &xs, &mut out, |w, ws, x, xs| group_dots_v3(v3, w, ws, x, xs)),
            ),
            Simd::Plain(arch) => arch.dispatch(
                #[inline(always)]
                || self.few_with(&xq, &xs, &mut out, group_dots),
            ),
        }
        out
    }

    /// Weights outside, inputs inside: each weight row is read from memory once for all streams.
    #[inline(always)]
    fn few_with(
        &self,
        xq: &[[i16; GROUP]],
        xs: &[f32],
        out: &mut [f32],
        dots: impl Fn(&[[i8; GROUP]], &[f32], &[[i16; GROUP]], &[f32]) -> f32,
    ) {
        let groups = self.cols / GROUP;
        let (q, _) = self.q.as_chunks::<GROUP>();
        for (i, (w, ws)) in q.chunks_exact(groups).zip(self.scale.chunks_exact(groups)).enumerate() {
            for (r, (x, xs)) in xq.chunks_exact(groups).zip(xs.chunks_exact(groups)).enumerate() {
                out[r * self.rows + i] = dots(w, ws, x, xs);
            }
        }
    }

    fn many(&self, simd: Simd, x: Vec<f32>, m: usize) -> candle_core::Result<Vec<f32>> {
        let groups = self.cols / GROUP;
        let mut w = vec![0f32; self.q.len()];
        // 64 rows a task: some 150 KB, so that two threads share a small matrix evenly.
        const ROWS: usize = 64;
        w.par_chunks_mut(ROWS * self.cols)
            .zip(self.q.par_chunks(ROWS * self.cols))
            .zip(self.scale.par_chunks(ROWS * groups))
            .for_each(|((w, q), scale)| {
                simd.run(
                    #[inline(always)]
                    || unpack(q, scale, w),
                );
            });
        let w = Tensor::from_vec(w, (self.rows, self.cols), &Device::Cpu)?;
        let x = Tensor::from_vec(x, (m, self.cols), &Device::Cpu)?;
        x.matmul(&w.t()?)?.flatten_all()?.to_vec1::<f32>()
    }
}

#[inline(always)]
fn unpack(q: &[i8], scale: &[f32], out: &mut [f32]) {
    let (q, _) = q.as_chunks::<GROUP>();
    let (out, _) = out.as_chunks_mut::<GROUP>();
    for ((o, q), s) in out.iter_mut().zip(q).zip(scale) {
        for (o, q) in o.iter_mut().zip(q) {
            *o = f32::from(*q) * s;
        }
    }
}

#[inline(always)]
fn largest(values: &[f32; GROUP]) -> f32 {
    let mut tops = [0f32; 8];
    let (blocks, _) = values.as_chunks::<8>();
    for block in blocks {
        for (top, v) in tops.iter_mut().zip(block) {
            let v = v.abs();
            *top = if v > *top { v } else { *top };
        }
    }
    tops.into_iter().fold(0.0, |a, b| if b > a { b } else { a })
}

/// The nearest whole number of a value within ±32,767, as vectors can do it: adding 1.5·2²³ leaves it
/// in the low bits.
#[inline(always)]
fn nearest(v: f32) -> i16 {
    (v + 12_582_912.0).to_bits() as i16
}

/// Sixteen bits for the inputs: their outliers are a hundred times their neighbours, and the extra
/// bits cost nothing, since the product of eight and sixteen bits is the one that vectors have.
#[inline(always)]
fn quantise(x: &[f32]) -> (Vec<[i16; GROUP]>, Vec<f32>) {
    let (blocks, _) = x.as_chunks::<GROUP>();
    let mut q = vec![[0i16; GROUP]; blocks.len()];
    let mut scale = vec![0f32; blocks.len()];
    for ((q, s), v) in q.iter_mut().zip(&mut scale).zip(blocks) {
        *s = largest(v) / 32_000.0;
        let inverse = if *s > 0.0 { 1.0 / *s } else { 0.0 };
        for (q, v) in q.iter_mut().zip(v) {
            *q = nearest(v * inverse);
        }
    }
    (q, scale)
}

/// A group's sum is at most 64 · 127 · 32,000 = 2.6e8: it fits in 32 bits.
#[inline(always)]
fn group_dots(w: &[[i8; GROUP]], ws: &[f32], x: &[[i16; GROUP]], xs: &[f32]) -> f32 {
    let mut sum = 0f32;
    for ((w, ws), (x, xs)) in w.iter().zip(ws).zip(x.iter().zip(xs)) {
        let whole: i32 = w.iter().zip(x).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum();
        sum += whole as f32 * (ws * xs);
    }
    sum
}

/// The same with AVX2 by name: the compiler does not find `madd` by itself, and is five times slower.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn group_dots_v3(v3: pulp::x86::V3, w: &[[i8; GROUP]], ws: &[f32], x: &[[i16; GROUP]], xs: &[f32]) -> f32 {
    let mut sums = v3.avx._mm256_setzero_ps();
    for ((w, ws), (x, xs)) in w.iter().zip(ws).zip(x.iter().zip(xs)) {
        let w: [[i8; 16]; 4] = pulp::cast(*w);
        let x: [[i16; 16]; 4] = pulp::cast(*x);
        let pairs = |i: usize| {
            let wide = v3.avx2._mm256_cvtepi8_epi16(pulp::cast(w[i]));
            v3.avx2._mm256_madd_epi16(wide, pulp::cast(x[i]))
        };
        let (a, b) =
            (v3.avx2._mm256_add_epi32(pairs(0), pairs(1)), v3.avx2._mm256_add_epi32(pairs(2), pairs(3)));
        let whole = v3.avx._mm256_cvtepi32_ps(v3.avx2._mm256_add_epi32(a, b));
        sums = v3.fma._mm256_fmadd_ps(whole, v3.avx._mm256_set1_ps(ws * xs), sums);
    }
    simd::sum8(pulp::cast(sums))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: u32) -> Vec<f32> {
        let mut s = seed;
        (0..n)
            .map(|_| {
                s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (s >> 8) as f32 / (1 << 24) as f32 - 0.5
            })
            .collect()
    }

    fn exact(w: &[f32], x: &[f32], cols: usize) -> Vec<f32> {
        x.chunks(cols)
            .flat_map(|x| {
                w.chunks(cols).map(|w| w.iter().zip(x).map(|(a, b)| a * b).sum::<f32>()).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn all_ways_to_multiply_agree_with_the_plain_one() {
        let (rows, cols) = (40, 192);
        let w = numbers(rows * cols, 1);
        for simd in [Simd::detect(), Simd::Plain(pulp::Arch::new())] {
            let mut m = Matrix::new(rows, cols);
            m.append(simd, &w);
            for rows_in in [1, 3, FEW_ROWS, FEW_ROWS + 1, 30] {
                let x = numbers(rows_in * cols, 7);
                let got = m.product(simd, x.clone(), rows_in).unwrap();
                for (g, e) in got.iter().zip(exact(&w, &x, cols)) {
                    assert!((g - e).abs() < 0.02, "{rows_in} rows: {g} is not {e}");
                }
            }
        }
    }

    #[test]
    fn appended_rows_come_after_and_rows_come_back() {
        let simd = Simd::detect();
        let (a, b) = (numbers(2 * GROUP, 3), numbers(GROUP, 4));
        let mut m = Matrix::new(3, GROUP);
        m.append(simd, &a);
        m.append(simd, &b);
        assert_eq!(m.rows(), 3);
        let mut row = vec![0.0; GROUP];
        m.row(simd, 2, &mut row);
        assert!(row.iter().zip(&b).all(|(x, y)| (x - y).abs() < 0.5 / 127.0 + 1e-6));
    }

    #[test]
    fn zeros_stay_zeros() {
        let simd = Simd::detect();
        let mut m = Matrix::new(1, GROUP);
        m.append(simd, &[0.0; GROUP]);
        assert_eq!(m.product(simd, vec![0.0; GROUP], 1).unwrap(), vec![0.0]);
    }
}
