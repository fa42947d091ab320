//! The gradient of a convolution's input, as a convolution of the upstream gradient.

use super::{Geometry, SPREAD, forward};
use crate::tile::Tile;
use crate::{memory, pool};

/// The gradient of the input, which is also the transposed convolution:
/// `dx[n, c, i] = b[c] + Σ w[f, c, k]·g[n, f, o]` over all o and k with `o·stride + k·dilation − before = i`.
pub(crate) fn input_gradient<T: Tile>(g: &Geometry, upstream: &[T], w: &[T], b: Option<&[T]>, out: &mut [T]) {
    input_gradient_by(forward, g, upstream, w, b, out);
}

/// A convolution of an input and a weight, and perhaps with a bias.
type Forward<T> = fn(&Geometry, &[T], &[T], Option<&[T]>, &mut [T]);

/// The same by a convolution of one's choice.
pub(super) fn input_gradient_by<T: Tile>(
    forward: Forward<T>,
    g: &Geometry,
    upstream: &[T],
    w: &[T],
    b: Option<&[T]>,
    out: &mut [T],
) {
    if out.is_empty() {
        return;
    }
    // How many channels each one becomes, how far a filter reaches in the upstream gradient, and where it starts.
    let dims = [0, 1, 2].map(|d| {
        let reach = g.dilation[d] * (g.kernel[d].max(1) - 1);
        match g.stride[d] {
            1 => (1, g.kernel[d], g.dilation[d], g.input[d], reach as isize - g.before[d]),
            stride => {
                let far = reach / stride;
                let grid = (g.input[d] as isize + g.before[d]).max(0) as usize;
                (stride, far + 1, 1, grid.div_ceil(stride), far as isize)
            }
        }
    });
    let phases: usize = dims.iter().map(|dim| dim.0).product();
    let turned = Geometry {
        batch: g.batch,
        groups: g.groups,
        channels: g.filters,
        filters: g.channels * phases,
        input: g.output,
        kernel: dims.map(|dim| dim.1),
        output: dims.map(|dim| dim.3),
        stride: [1; 3],
        before: dims.map(|dim| dim.4),
        dilation: dims.map(|dim| dim.2),
    };
    let weights = turn_around(g, &turned, phases, w);
    if phases == 1 {
        forward(&turned, upstream, &weights, b, out);
        memory::give(weights);
        return;
    }
    // Some images at a time, so that the phases of a large batch never lie in memory together.
    let image = turned.filters * turned.pixels();
    let together = (SPREAD / image.max(1)).clamp(1, g.batch.max(1));
    let mut apart = memory::take::<T>(together * image);
    for first in (0..g.batch).step_by(together) {
        let count = together.min(g.batch - first);
        let part = Geometry { batch: count, ..turned };
        let input = &upstream[first * g.filters * g.pixels()..(first + count) * g.filters * g.pixels()];
        forward(&part, input, &weights, None, &mut apart[..count * image]);
        let plane = g.plane();
        let out = &mut out[first * g.channels * plane..(first + count) * g.channels * plane];
        pool::chunks_mut(out, plane, |start, out| {
            let channel = start / plane;
            let bias = b.map_or(T::default(), |b| b[channel % g.channels]);
            let from = &apart[channel * phases * turned.pixels()..(channel + 1) * phases * turned.pixels()];
            interleave(g, &turned, from, bias, out);
        });
    }
    memory::give(apart);
    memory::give(weights);
}

/// Puts the phases of one channel back into one plane.
fn interleave<T: Tile>(g: &Geometry, turned: &Geometry, from: &[T], bias: T, out: &mut [T]) {
    // Index q and phase of input index i of a dimension; `None` where no output pixel sees it.
    let place = |dim: usize, i: usize| -> Option<(usize, usize)> {
        match g.stride[dim] {
            1 => Some((i, 0)),
            stride => usize::try_from(i as isize + g.before[dim]).ok().map(|u| (u / stride, u % stride)),
        }
    };
    let sizes = turned.output;
    let columns: Vec<Option<usize>> =
        (0..g.input[2]).map(|i| place(2, i).map(|(q, phase)| phase * turned.pixels() + q)).collect();
    for (i, row) in out.chunks_exact_mut(g.input[2]).enumerate() {
        let rows = place(0, i / g.input[1]).zip(place(1, i % g.input[1]));
        let Some(((q0, phase0), (q1, phase1))) = rows else {
            row.fill(bias);
            continue;
        };
        let phase = (phase0 * g.stride[1] + phase1) * g.stride[2];
        let line = &from[phase * turned.pixels() + (q0 * sizes[1] + q1) * sizes[2]..];
        for (out, &column) in row.iter_mut().zip(&columns) {
            let mut value = bias;
            if let Some(column) = column {
                value += line[column];
            }
            *out = value;
        }
    }
}

/// The weights of the convolution that computes the input's gradient.
fn turn_around<T: Tile>(g: &Geometry, turned: &Geometry, phases: usize, w: &[T]) -> Vec<T> {
    let (channels, filters) = (g.group_channels(), g.group_filters());
    let (taps, size) = (turned.taps(), g.kernel.iter().product::<usize>());
    let mut out = memory::take::<T>(turned.filters * taps);
    if out.is_empty() {
        return out;
    }
    // For each dimension and phase: which tap of the kernel stands at each tap of the turned one.
    let taps_of = |dim: usize, phase: usize| -> Vec<Option<usize>> {
        (0..turned.kernel[dim])
            .map(|t| match g.stride[dim] {
                1 => Some(g.kernel[dim] - 1 - t),
                stride => {
                    let step = (turned.kernel[dim] - 1 - t) * stride + phase;
                    let k = step / g.dilation[dim];
                    (step.is_multiple_of(g.dilation[dim]) && k < g.kernel[dim]).then_some(k)
                }
            })
            .collect()
    };
    let sources: Vec<Vec<Option<usize>>> = (0..phases)
        .map(|phase| {
            let (p2, rest) = (phase % g.stride[2], phase / g.stride[2]);
            let (t0, t1, t2) =
                (taps_of(0, rest / g.stride[1]), taps_of(1, rest % g.stride[1]), taps_of(2, p2));
            let mut all = Vec::with_capacity(turned.kernel.iter().product());
            for &k0 in &t0 {
                for &k1 in &t1 {
                    for &k2 in &t2 {
                        let place =
                            |k0: usize, k1: usize, k2: usize| (k0 * g.kernel[1] + k1) * g.kernel[2] + k2;
                        all.push(k0.zip(k1).zip(k2).map(|((k0, k1), k2)| place(k0, k1, k2)));
                    }
                }
            }
            all
        })
        .collect();
    pool::chunks_mut(&mut out, phases * taps, |start, out| {
        let channel = start / (phases * taps);
        let (group, channel) = (channel / channels, channel % channels);
        for (out, sources) in out.chunks_exact_mut(taps).zip(&sources) {
            for (f, out) in out.chunks_exact_mut(sources.len()).enumerate() {
                let weights = &w[((group * filters + f) * channels + channel) * size..][..size];
                for (out, source) in out.iter_mut().zip(sources) {
                    *out = source.map_or(T::default(), |k| weights[k]);
                }
            }
        }
    });
    out
}
