//! Runs a closure with the widest vector instructions that this processor has, chosen at run time:
//! the released binary stays portable, and needs no `target-cpu`.

/// The instructions that were found; cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(super) enum Simd {
    /// AVX2 and FMA, found at run time.
    #[cfg(target_arch = "x86_64")]
    V3(pulp::x86::V3),
    /// Whatever the build target guarantees.
    Plain(pulp::Arch),
}

impl Simd {
    /// Asks the processor. `pulp` remembers the answer.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            return Self::V3(v3);
        }
        Self::Plain(pulp::Arch::new())
    }

    /// Runs `f` compiled for these instructions: only what is inlined into `f` profits.
    #[inline(always)]
    pub(super) fn run<R>(self, f: impl FnOnce() -> R) -> R {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::V3(v3) => v3.vectorize(f),
            Self::Plain(arch) => arch.dispatch(f),
        }
    }
}

/// `Σ a·b`, with sixteen running sums so that the compiler may use a vector for them.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<16>();
    let (b_blocks, b_rest) = b.as_chunks::<16>();
    let mut sums = [0f32; 16];
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..16 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sum16(sums) + rest
}

/// A sum by halves: one after the other they would wait for each other, four cycles each.
#[inline(always)]
fn sum16(v: [f32; 16]) -> f32 {
    let mut half = [0f32; 8];
    for i in 0..8 {
        half[i] = v[i] + v[i + 8];
    }
    sum8(half)
}

/// A sum by halves.
#[inline(always)]
pub(super) fn sum8(v: [f32; 8]) -> f32 {
    let half = [v[0] + v[4], v[1] + v[5], v[2] + v[6], v[3] + v[7]];
    (half[0] + half[2]) + (half[1] + half[3])
}

/// `out += factor · x`.
#[inline(always)]
pub(super) fn add_scaled(out: &mut [f32], factor: f32, x: &[f32]) {
    for (o, v) in out.iter_mut().zip(x) {
        *o += factor * v;
    }
}

/// `eˣ` to about 2e-7, without a call or a branch, so that a loop over it becomes vectors.
/// Below -87 it is 0 for all that matters here; above 88 it stays at the largest.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to the nearest whole number and leaves it in the low bits; a cast to
    // `i32` would saturate, and that is no vector instruction.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, so that the remainder keeps its last bits.
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    y * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// Softmax in place.
#[inline(always)]
pub(super) fn softmax(row: &mut [f32]) {
    let mut top = f32::NEG_INFINITY;
    for v in row.iter() {
        top = if *v > top { *v } else { top };
    }
    let mut sum = 0f32;
    for v in row.iter_mut() {
        *v = exp(*v - top);
    }
    for v in row.iter() {
        sum += *v;
    }
    let scale = 1.0 / sum;
    for v in row.iter_mut() {
        *v *= scale;
    }
}

/// `out = x / √(mean x² + eps) · weight`.
#[inline(always)]
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let scale = 1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt();
    for ((o, v), w) in out.iter_mut().zip(x).zip(weight) {
        *o = v * scale * w;
    }
}

/// `gate · sigmoid(gate) · up`, into `gate`.
#[inline(always)]
pub(super) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    for (g, u) in gate.iter_mut().zip(up) {
        *g = *g / (1.0 + exp(-*g)) * u;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_over_its_whole_range() {
        for i in -8600..8700 {
            let x = i as f32 / 100.0;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            assert!(((got - want) / want).abs() < 1e-6, "exp({x}) = {got}, not {want}");
        }
        assert!(exp(-1000.0) < 1e-37 && exp(1000.0).is_finite());
    }

    #[test]
    fn softmax_sums_to_one_and_dot_takes_the_rest() {
        let simd = Simd::detect();
        let mut row: Vec<f32> = (0..37).map(|i| i as f32 * 0.3 - 4.0).collect();
        simd.run(
            #[inline(always)]
            || softmax(&mut row),
        );
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(row.windows(2).all(|w| w[0] < w[1]));
        assert_eq!(dot(&[1.0; 19], &[2.0; 19]), 38.0);
    }
}
