//! Convolutions in one, two and three dimensions: forward, and the gradients of input and weight.
//!
//! All three are matrix products with the weights, or the upstream gradient, on the left and the input's
//! pixels, as the kernel's taps see them, on the right. Each image is first spread out: padded with zeros, and
//! cut into its phases where the stride isn't 1. Then every tap of every pixel is found by adding two offsets,
//! no bound is ever checked, and neighbouring pixels are neighbours in memory whatever the stride. The input's
//! gradient is a convolution itself: of the upstream gradient, with the weights turned around, to as many
//! channels a phase as the input has.
//!
//! Work is cut by images, by blocks of pixels (or of taps) and of filters, all of which shapes alone decide.

mod product;
mod tile;

use product::{Indexed, Output, accumulate};
use tile::ROWS;
pub(crate) use tile::Tile;

use super::{memory, pool};

/// The shapes of a convolution; missing spatial dimensions are of size 1, in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) groups: usize,
    /// Channels of the input, of all groups.
    pub(crate) channels: usize,
    /// Channels of the output, of all groups.
    pub(crate) filters: usize,
    pub(crate) input: [usize; 3],
    pub(crate) kernel: [usize; 3],
    pub(crate) output: [usize; 3],
    pub(crate) stride: [usize; 3],
    /// Zeros before each dimension; negative where elements are left out instead.
    pub(crate) before: [isize; 3],
    pub(crate) dilation: [usize; 3],
}

/// Elements of spread images that exist at the same time.
const SPREAD: usize = 2 << 20;

/// Columns of B that one task packs.
const BLOCK: usize = 192;

/// Tasks that are enough for any number of threads worth having; below, filters are cut too.
const TASKS: usize = 4;

impl Geometry {
    fn group_channels(&self) -> usize {
        self.channels / self.groups.max(1)
    }

    fn group_filters(&self) -> usize {
        self.filters / self.groups.max(1)
    }

    fn pixels(&self) -> usize {
        self.output.iter().product()
    }

    /// Elements of one channel of the input.
    fn plane(&self) -> usize {
        self.input.iter().product()
    }

    /// Taps of one filter: what one output element sums over.
    fn taps(&self) -> usize {
        self.group_channels() * self.kernel.iter().product::<usize>()
    }

    /// The distinct phases that taps see in a dimension.
    fn phases(&self, dim: usize) -> Vec<usize> {
        let mut phases: Vec<usize> =
            (0..self.kernel[dim]).map(|k| k * self.dilation[dim] % self.stride[dim]).collect();
        phases.sort_unstable();
        phases.dedup();
        phases
    }

    /// The layout of a spread channel.
    fn spread(&self) -> Spread {
        let phases = [0, 1, 2].map(|d| self.phases(d));
        let sizes = [0, 1, 2]
            .map(|d| self.output[d] + (self.kernel[d].max(1) - 1) * self.dilation[d] / self.stride[d]);
        let identical = self.stride == [1; 3] && self.before == [0; 3] && sizes == self.input;
        Spread { phases, sizes, identical }
    }
}

/// How a channel lies when spread out: phase by phase, padded.
struct Spread {
    phases: [Vec<usize>; 3],
    sizes: [usize; 3],
    /// The input lies like this already.
    identical: bool,
}

impl Spread {
    fn plane(&self) -> usize {
        self.sizes.iter().product()
    }

    fn channel(&self) -> usize {
        self.phases.iter().map(Vec::len).product::<usize>() * self.plane()
    }

    /// Offsets of the taps of one group's filters, in the order of their weights.
    fn taps(&self, g: &Geometry) -> Vec<usize> {
        let mut taps = Vec::with_capacity(g.taps());
        let place = |dim: usize, k: usize| {
            let (step, stride) = (k * g.dilation[dim], g.stride[dim]);
            let phase = self.phases[dim].iter().position(|&phase| phase == step % stride);
            (phase.expect("every tap's phase was listed"), step / stride)
        };
        let places = [0, 1, 2].map(|dim| (0..g.kernel[dim]).map(|k| place(dim, k)).collect::<Vec<_>>());
        for channel in 0..g.group_channels() {
            for &(phase0, i0) in &places[0] {
                for &(phase1, i1) in &places[1] {
                    for &(phase2, i2) in &places[2] {
                        let phase = (phase0 * self.phases[1].len() + phase1) * self.phases[2].len() + phase2;
                        let inside = (i0 * self.sizes[1] + i1) * self.sizes[2] + i2;
                        taps.push(channel * self.channel() + phase * self.plane() + inside);
                    }
                }
            }
        }
        taps
    }

    /// Offsets of the output's pixels.
    fn pixels(&self, g: &Geometry) -> Vec<usize> {
        let mut pixels = Vec::with_capacity(g.pixels());
        for i0 in 0..g.output[0] {
            for i1 in 0..g.output[1] {
                let row = (i0 * self.sizes[1] + i1) * self.sizes[2];
                pixels.extend(row..row + g.output[2]);
            }
        }
        pixels
    }

    /// Spreads one channel out.
    fn fill<T: Tile>(&self, g: &Geometry, x: &[T], out: &mut [T]) {
        let mut planes = out.chunks_exact_mut(self.plane().max(1));
        for &phase0 in &self.phases[0] {
            for &phase1 in &self.phases[1] {
                for &phase2 in &self.phases[2] {
                    let Some(plane) = planes.next() else { return };
                    // Where in the input index q of a dimension of this phase lies.
                    let source = |dim: usize, q: usize, phase: usize| {
                        let place = (q * g.stride[dim] + phase) as isize - g.before[dim];
                        usize::try_from(place).ok().filter(|&i| i < g.input[dim])
                    };
                    let (stride, width) = (g.stride[2], g.input[2] as isize);
                    // The first and the one after the last index of a row that fall into the input.
                    let offset = phase2 as isize - g.before[2];
                    let ceil = |x: isize| (x.max(0) as usize).div_ceil(stride).min(self.sizes[2]);
                    let (low, high) = (ceil(-offset), ceil(width - offset));
                    for (i, row) in plane.chunks_exact_mut(self.sizes[2].max(1)).enumerate() {
                        let rows =
                            source(0, i / self.sizes[1], phase0).zip(source(1, i % self.sizes[1], phase1));
                        let Some((i0, i1)) = rows.filter(|_| low < high) else {
                            row.fill(T::default());
                            continue;
                        };
                        let begin = (i0 * g.input[1] + i1) * g.input[2];
                        let line = &x[begin..begin + g.input[2]];
                        row[..low].fill(T::default());
                        row[high..].fill(T::default());
                        let from = ((low * stride) as isize + offset) as usize;
                        if stride == 1 {
                            row[low..high].copy_from_slice(&line[from..from + high - low]);
                        } else {
                            for (out, x) in row[low..high].iter_mut().zip(line[from..].iter().step_by(stride))
                            {
                                *out = *x;
                            }
                        }
                    }
                }
            }
        }
    }

    /// Runs `body(first, count, spread)` on the images, some at a time, spread out.
    fn each_chunk<T: Tile>(&self, g: &Geometry, x: &[T], mut body: impl FnMut(usize, usize, &[T])) {
        let image = g.channels * self.channel();
        if self.identical {
            return body(0, g.batch, x);
        }
        let together = (SPREAD / image.max(1)).clamp(1, g.batch.max(1));
        let mut spread = memory::take::<T>(together * image);
        for first in (0..g.batch).step_by(together) {
            let count = together.min(g.batch - first);
            let input = &x[first * g.channels * g.plane()..];
            if self.channel() > 0 {
                // Small channels go several to a task.
                let grain = (8192 / self.channel()).max(1) * self.channel();
                pool::chunks_mut(&mut spread[..count * image], grain, |start, out| {
                    for (i, out) in out.chunks_exact_mut(self.channel()).enumerate() {
                        let channel = start / self.channel() + i;
                        self.fill(g, &input[channel * g.plane()..(channel + 1) * g.plane()], out);
                    }
                });
            }
            body(first, count, &spread[..count * image]);
        }
        memory::give(spread);
    }
}

/// `y = w ⋆ x + b`: x is `[batch, channels, input…]`, w `[filters, channels / groups, kernel…]`, b `[filters]`,
/// y `[batch, filters, output…]`.
pub(crate) fn forward<T: Tile>(g: &Geometry, x: &[T], w: &[T], b: Option<&[T]>, out: &mut [T]) {
    let (pixels, filters, taps) = (g.pixels(), g.group_filters(), g.taps());
    if out.is_empty() {
        return;
    }
    let spread = g.spread();
    let (tap_offsets, pixel_offsets) = (spread.taps(g), spread.pixels(g));
    let blocks = pixels.div_ceil(BLOCK);
    let block = pixels.div_ceil(blocks).next_multiple_of(T::COLUMNS);
    let image = g.channels * spread.channel();
    spread.each_chunk(g, x, |first, count, data| {
        let cuts = TASKS.div_ceil(count * g.groups * blocks).min(filters.div_ceil(4 * ROWS));
        let tall = filters.div_ceil(cuts).next_multiple_of(ROWS);
        let cuts = filters.div_ceil(tall);
        let y = Output::new(&mut out[first * g.filters * pixels..(first + count) * g.filters * pixels]);
        pool::parallel(count * g.groups * blocks * cuts, &|task| {
            let (cut, rest) = (task % cuts, task / cuts);
            let (part, rest) = (rest % blocks, rest / blocks);
            let (group, n) = (rest % g.groups, rest / g.groups);
            let (row, column) = (group * filters + cut * tall, part * block);
            let (height, width) = (tall.min(filters - cut * tall), block.min(pixels.saturating_sub(column)));
            let place = |row: usize| (n * g.filters + row) * pixels + column;
            for row in row..row + height {
                // SAFETY: each task writes other rows or columns of the output.
                let line = unsafe { y.part(place(row), width) };
                line.fill(b.map_or(T::default(), |b| b[row]));
            }
            let from = n * image + group * g.group_channels() * spread.channel();
            let pixels_here = &pixel_offsets[column.min(pixels)..column.min(pixels) + width];
            let seen = Indexed { data: &data[from..], rows: &tap_offsets, columns: pixels_here };
            // SAFETY: as above.
            unsafe { accumulate(&w[row * taps..], taps, height, seen, y, place(row), pixels) };
        });
    });
}

/// The gradient of the weights: `dw[f, c, k] = Σ g[n, f, pixel]·x[n, c, pixel·stride + k·dilation − before]`.
pub(crate) fn weight_gradient<T: Tile>(g: &Geometry, x: &[T], upstream: &[T], out: &mut [T]) {
    let (pixels, filters, taps) = (g.pixels(), g.group_filters(), g.taps());
    out.fill(T::default());
    if out.is_empty() || upstream.is_empty() {
        return;
    }
    let spread = g.spread();
    let (tap_offsets, pixel_offsets) = (spread.taps(g), spread.pixels(g));
    let blocks = taps.div_ceil(BLOCK).max(TASKS.div_ceil(g.groups).min(taps.div_ceil(4 * T::COLUMNS)));
    let block = taps.div_ceil(blocks).next_multiple_of(T::COLUMNS);
    let blocks = taps.div_ceil(block);
    let image = g.channels * spread.channel();
    spread.each_chunk(g, x, |first, count, data| {
        let dw = Output::new(out);
        pool::parallel(g.groups * blocks, &|task| {
            let (group, column) = (task / blocks, task % blocks * block);
            let width = block.min(taps - column);
            for n in 0..count {
                let from = n * image + group * g.group_channels() * spread.channel();
                let seen = Indexed {
                    data: &data[from..],
                    rows: &pixel_offsets,
                    columns: &tap_offsets[column..column + width],
                };
                let rows = &upstream[((first + n) * g.filters + group * filters) * pixels..];
                let place = group * filters * taps + column;
                // SAFETY: each task writes other rows or columns of the gradient.
                unsafe { accumulate(rows, pixels, filters, seen, dw, place, taps) };
            }
        });
    });
}

/// The gradient of the input, which is also the transposed convolution:
/// `dx[n, c, i] = b[c] + Σ w[f, c, k]·g[n, f, o]` over all o and k with `o·stride + k·dilation − before = i`.
pub(crate) fn input_gradient<T: Tile>(g: &Geometry, upstream: &[T], w: &[T], b: Option<&[T]>, out: &mut [T]) {
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

/// `sums[c] = Σ g[n, c, …]`: the gradient of a bias.
pub(crate) fn channel_sums<T: Tile>(upstream: &[T], batch: usize, channels: usize, out: &mut [T]) {
    out.fill(T::default());
    let plane = upstream.len() / (batch * channels).max(1);
    let mut rows = vec![T::default(); batch * channels];
    if plane > 0 {
        super::sum::sum_rows(upstream, plane, &mut rows);
    }
    for image in rows.chunks_exact(channels.max(1)) {
        super::map::add_assign(out, image);
    }
}

#[cfg(test)]
mod tests;
