//! Convolutions with a stride by Winograd's method, in f32: without the stride, of as many channels as it has phases.
//!
//! A kernel of 11×11 that moves by 4 is one of 3×3 that moves by 1 over sixteen times the channels: the phases into
//! which images are spread. Taps that the kernel doesn't have are zeros.

use super::Geometry;
use super::spread::Spread;
use super::winograd::{self, Plan};
use crate::simd::Level;
use crate::{map, memory};

/// A convolution as one of stride 1.
pub(super) struct Phased {
    geometry: Geometry,
    plan: Plan,
    spread: Spread,
    /// Where the taps of a filter are among those of the larger one.
    places: Vec<usize>,
}

impl Phased {
    /// That for a convolution which is faster this way.
    pub(super) fn of(g: &Geometry) -> Option<Phased> {
        let phases = g.stride[1] * g.stride[2];
        if phases == 1
            || g.stride[0] != 1
            || g.dilation != [1; 3]
            || (1..3).any(|d| g.stride[d] > g.kernel[d])
        {
            return None;
        }
        let kernel = [0, 1, 2].map(|d| (g.kernel[d].max(1) - 1) / g.stride[d] + 1);
        let input = [0, 1, 2].map(|d| g.output[d] + kernel[d] - 1);
        let channels = g.channels * phases;
        let before = [g.before[0], 0, 0];
        let geometry = Geometry { channels, input, kernel, stride: [1; 3], before, ..*g };
        let plan = Plan::of(&geometry)?;
        if 5 * plan.products() * phases >= 4 * g.pixels() * g.kernel[1] * g.kernel[2] {
            return None;
        }
        let spread = g.spread();
        let (plane, size) = (geometry.plane(), kernel[1] * kernel[2]);
        let place = |tap: usize| {
            let (row, column) = (tap % plane / input[2], tap % input[2]);
            tap / plane * size + row * kernel[2] + column
        };
        let places = spread.taps(g).into_iter().map(place).collect();
        Some(Phased { geometry, plan, spread, places })
    }

    pub(super) fn forward(&self, g: &Geometry, x: &[f32], w: &[f32], b: Option<&[f32]>, out: &mut [f32]) {
        let (taps, larger) = (g.taps(), self.geometry.taps());
        let mut weights = memory::take::<f32>(g.filters * larger);
        weights.fill(0.0);
        for (to, from) in weights.chunks_exact_mut(larger).zip(w.chunks_exact(taps)) {
            self.places.iter().zip(from).for_each(|(&place, &w)| to[place] = w);
        }
        self.spread.each_chunk(g, x, 0, |first, count, data| {
            let part = Geometry { batch: count, ..self.geometry };
            let out = &mut out[first * g.filters * g.pixels()..(first + count) * g.filters * g.pixels()];
            winograd::forward(Level::best(), self.plan, &part, data, (&weights, false), b, out);
        });
        memory::give(weights);
    }

    pub(super) fn weight_gradient(&self, g: &Geometry, x: &[f32], upstream: &[f32], out: &mut [f32]) {
        let (taps, larger) = (g.taps(), self.geometry.taps());
        let (mut sums, mut part) = (memory::take(g.filters * larger), memory::take(g.filters * larger));
        self.spread.each_chunk(g, x, 0, |first, count, data| {
            let geometry = Geometry { batch: count, ..self.geometry };
            let upstream =
                &upstream[first * g.filters * g.pixels()..(first + count) * g.filters * g.pixels()];
            let to = if first == 0 { &mut sums } else { &mut part };
            winograd::weight_gradient(Level::best(), self.plan, &geometry, data, upstream, to);
            if first > 0 {
                map::add_assign(&mut sums, &part);
            }
        });
        for (to, from) in out.chunks_exact_mut(taps).zip(sums.chunks_exact(larger)) {
            self.places.iter().zip(to).for_each(|(&place, to)| *to = from[place]);
        }
        memory::give(sums);
        memory::give(part);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{forward, input_gradient, single, weight_gradient};
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let number = |i: usize| {
            (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(2_246_822_519) >> 8
        };
        (0..count).map(|i| number(i) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    #[test]
    fn all_three_agree_with_the_direct_method() {
        for (batch, channels, filters, kernel, stride, input, before) in [
            (2, 3, 20, [11, 11], [4, 4], [47, 51], [2, 2]),
            (3, 4, 16, [6, 6], [2, 2], [19, 24], [1, 2]),
            (2, 2, 17, [5, 9], [2, 4], [30, 41], [0, 1]),
            (2, 5, 16, [9, 9], [2, 2], [30, 33], [4, 3]),
            (4, 4, 16, [6, 6], [2, 2], [31, 34], [-1, 0]),
        ] {
            let output = [0, 1].map(|d| (input[d] as isize + 2 * before[d]) as usize - kernel[d]);
            let g = Geometry {
                batch,
                groups: 1,
                channels,
                filters,
                input: [1, input[0], input[1]],
                kernel: [1, kernel[0], kernel[1]],
                output: [1, output[0] / stride[0] + 1, output[1] / stride[1] + 1],
                stride: [1, stride[0], stride[1]],
                before: [0, before[0], before[1]],
                dilation: [1; 3],
            };
            assert!(Phased::of(&g).is_some(), "{g:?} is worth it");
            let x = numbers(batch * channels * g.plane(), 1);
            let w = numbers(filters * g.taps(), 2);
            let u = numbers(batch * filters * g.pixels(), 3);
            let (b, d) = (numbers(filters, 4), numbers(channels, 5));
            let double = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
            let check = |found: &[f32], exact: &[f64]| {
                let largest = exact.iter().fold(0.0f64, |m, x| m.max(x.abs()));
                let errors = found.iter().zip(exact).map(|(&x, y)| (f64::from(x) - y).abs());
                let error = errors.fold(0.0, f64::max) / largest;
                assert!(error < 4e-6, "{g:?}: {error}");
            };
            let (mut found, mut exact) = (vec![9.0; u.len()], vec![0.0; u.len()]);
            single::forward(&g, &x, &w, Some(&b), &mut found);
            forward(&g, &double(&x), &double(&w), Some(&double(&b)), &mut exact);
            check(&found, &exact);
            let (mut found, mut exact) = (vec![9.0; x.len()], vec![0.0; x.len()]);
            single::input_gradient(&g, &u, &w, Some(&d), &mut found);
            input_gradient(&g, &double(&u), &double(&w), Some(&double(&d)), &mut exact);
            check(&found, &exact);
            let (mut found, mut exact) = (vec![9.0; w.len()], vec![0.0; w.len()]);
            single::weight_gradient(&g, &x, &u, &mut found);
            weight_gradient(&g, &double(&x), &double(&u), &mut exact);
            check(&found, &exact);
        }
    }
}
