//! How images are laid out before a convolution reads them: padded, and cut into the phases of the stride.

use super::{Geometry, SPREAD, countable};
use crate::pack::Run;
use crate::tile::Tile;
use crate::{memory, pool};

impl Geometry {
    /// The distinct phases that taps see in a dimension.
    fn phases(&self, dim: usize) -> Vec<usize> {
        let mut phases: Vec<usize> =
            (0..self.kernel[dim]).map(|k| k * self.dilation[dim] % self.stride[dim]).collect();
        phases.sort_unstable();
        phases.dedup();
        phases
    }

    /// The layout of a spread channel.
    pub(super) fn spread(&self) -> Spread {
        let phases = [0, 1, 2].map(|d| self.phases(d));
        let reach = |d: usize| (self.kernel[d].max(1) - 1).saturating_mul(self.dilation[d]) / self.stride[d];
        let sizes = [0, 1, 2].map(|d| self.output[d].saturating_add(reach(d)));
        let [a, b, c] = [0, 1, 2].map(|d| phases[d].len());
        let image = countable([self.channels.max(1), a, b, c, sizes[0], sizes[1], sizes[2]]);
        assert!(image.is_some(), "memory can't hold an image that is padded for this convolution");
        let identical = self.stride == [1; 3] && self.before == [0; 3] && sizes == self.input;
        Spread { phases, sizes, identical }
    }
}

/// How a channel lies when spread out: phase by phase, padded.
pub(super) struct Spread {
    phases: [Vec<usize>; 3],
    sizes: [usize; 3],
    /// The input lies like this already.
    identical: bool,
}

impl Spread {
    fn plane(&self) -> usize {
        self.sizes.iter().product()
    }

    pub(super) fn channel(&self) -> usize {
        self.phases.iter().map(Vec::len).product::<usize>() * self.plane()
    }

    /// Offsets of the taps of one group's filters, in the order of their weights.
    pub(super) fn taps(&self, g: &Geometry) -> Vec<usize> {
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

    /// The rows of the output's pixels.
    pub(super) fn pixels(&self, g: &Geometry) -> Vec<Run> {
        let length = g.output[2];
        let rows = (0..g.output[0]).flat_map(|i0| (0..g.output[1]).map(move |i1| (i0, i1)));
        rows.enumerate()
            .map(|(row, (i0, i1))| Run {
                index: row * length,
                place: (i0 * self.sizes[1] + i1) * self.sizes[2],
                length,
            })
            .collect()
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

    /// Runs `body(first, count, spread)` on the images, some at a time, spread out, with so many arbitrary elements
    /// behind the last one.
    pub(super) fn each_chunk<T: Tile>(
        &self,
        g: &Geometry,
        x: &[T],
        slack: usize,
        mut body: impl FnMut(usize, usize, &[T]),
    ) {
        let image = g.channels * self.channel();
        if self.identical && slack == 0 {
            return body(0, g.batch, x);
        }
        let together = (SPREAD / image.max(1)).clamp(1, g.batch.max(1));
        let mut spread = memory::take::<T>(together * image + slack);
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
            body(first, count, &spread[..count * image + slack]);
        }
        memory::give(spread);
    }
}
