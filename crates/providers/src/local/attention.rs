//! Which of the earlier tokens each new one looks at: a few new ones by plain loops (decoding), many
//! through the library's product (prompts).

use candle_core::{Device, Tensor};

use super::simd::{self, Simd};

/// New tokens up to which the plain loops are faster.
const FEW_ROWS: usize = 4;

/// How many heads there are, and how wide each is. `q` is a multiple of `kv`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub(super) q: usize,
    pub(super) kv: usize,
    pub(super) dim: usize,
}

/// Attends from the queries at the beginning of each row of `rows` (rows are `width` apart) to the
/// keys and values of this stream, which already hold these rows' own at their end.
pub(super) fn attend(
    simd: Simd,
    heads: Heads,
    rows: &[f32],
    width: usize,
    kv: (&[f32], &[f32]),
    out: &mut [f32],
) -> candle_core::Result<()> {
    if rows.len() / width <= FEW_ROWS {
        simd.run(
            #[inline(always)]
            || few(heads, rows, width, kv, out),
        );
        Ok(())
    } else {
        many(simd, heads, rows, width, kv, out)
    }
}

#[inline(always)]
fn few(heads: Heads, rows: &[f32], width: usize, (keys, values): (&[f32], &[f32]), out: &mut [f32]) {
    let Heads { q, kv, dim } = heads;
    let (known, n) = (keys.len() / (kv * dim), rows.len() / width);
    let scale = 1.0 / (dim as f32).sqrt();
    let mut weights = vec![0f32; known];
    for (i, (row, out)) in rows.chunks_exact(width).zip(out.chunks_exact_mut(q * dim)).enumerate() {
        let seen = known - n + i + 1;
        for (h, (query, out)) in row[..q * dim].chunks_exact(dim).zip(out.chunks_exact_mut(dim)).enumerate() {
            let at = h / (q / kv) * dim;
            let weights = &mut weights[..seen];
            for (w, key) in weights.iter_mut().zip(keys.chunks_exact(kv * dim)) {
                *w = simd::dot(query, &key[at..at + dim]) * scale;
            }
            simd::softmax(weights);
            out.fill(0.0);
            for (w, value) in weights.iter().zip(values.chunks_exact(kv * dim)) {
                simd::add_scaled(out, *w, &value[at..at + dim]);
            }
        }
    }
}

fn many(
    simd: Simd,
    heads: Heads,
    rows: &[f32],
    width: usize,
    (keys, values): (&[f32], &[f32]),
    out: &mut [f32],
) -> candle_core::Result<()> {
    let Heads { q, kv, dim } = heads;
    let (known, n, share) = (keys.len() / (kv * dim), rows.len() / width, q / kv);
    let scale = 1.0 / (dim as f32).sqrt();
    let by_head = |all: &[f32]| -> candle_core::Result<Tensor> {
        let mut parts = Vec::with_capacity(all.len());
        for g in 0..kv {
            for row in all.chunks_exact(kv * dim) {
                parts.extend_from_slice(&row[g * dim..(g + 1) * dim]);
            }
        }
        Tensor::from_vec(parts, (kv, known, dim), &Device::Cpu)
    };
    // The heads that share keys are stacked, and all go in one call: the library counts the
    // processors anew in each.
    let mut queries = Vec::with_capacity(q * n * dim);
    for h in 0..q {
        for row in rows.chunks_exact(width) {
            queries.extend(row[h * dim..(h + 1) * dim].iter().map(|v| v * scale));
        }
    }
    let queries = Tensor::from_vec(queries, (kv, share * n, dim), &Device::Cpu)?;
    let mut weights = queries.matmul(&by_head(keys)?.t()?)?.flatten_all()?.to_vec1::<f32>()?;
    simd.run(
        #[inline(always)]
        || {
            for (i, row) in weights.chunks_exact_mut(known).enumerate() {
                let (seen, unseen) = row.split_at_mut(known - n + i % n + 1);
                simd::softmax(seen);
                unseen.fill(0.0);
            }
        },
    );
    let weights = Tensor::from_vec(weights, (kv, share * n, known), &Device::Cpu)?;
    let mixed = weights.matmul(&by_head(values)?)?.flatten_all()?.to_vec1::<f32>()?;
    for (i, mixed) in mixed.chunks_exact(dim).enumerate() {
        let (h, row) = (i / n, i % n);
        out[(row * q + h) * dim..][..dim].copy_from_slice(mixed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_attend_alike_and_never_to_the_future() {
        let heads = Heads { q: 4, kv: 2, dim: 8 };
        let (n, before, width) = (3usize, 5usize, 4 * 8 + 2 * 2 * 8);
        let wave = |n: usize, f: f32| (0..n).map(|i| (i as f32 * f).sin()).collect::<Vec<f32>>();
        let (rows, keys, values) =
            (wave(n * width, 0.7), wave((before + n) * 16, 0.3), wave((before + n) * 16, 1.1));
        let simd = Simd::detect();
        let (mut a, mut b) = (vec![0f32; n * 32], vec![0f32; n * 32]);
        few(heads, &rows, width, (&keys, &values), &mut a);
        many(simd, heads, &rows, width, (&keys, &values), &mut b).unwrap();
        assert!(a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-5));
        // What comes after the first new token changes nothing for it.
        let (mut later_k, mut later_v) = (keys.clone(), values.clone());
        later_k[(before + 1) * 16..].fill(9.0);
        later_v[(before + 1) * 16..].fill(9.0);
        few(heads, &rows, width, (&later_k, &later_v), &mut b);
        assert_eq!(a[..32], b[..32]);
        assert_ne!(a[32..], b[32..]);
    }
}
