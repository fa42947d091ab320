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

pub(crate) mod lanes;
mod phased;
pub(crate) mod rows;
pub(crate) mod single;
mod spread;
mod turned;
mod winograd;

pub(crate) use turned::input_gradient;
pub use winograd::{set_winograd, winograd};

use super::pack::{Lines, Order, Part, Source};
use super::pool::Shared;
use super::simd::Level;
use super::tile::{Block, CHAIN, Store, Tile, depths, packed};
use super::{map, memory, pool};

/// The shapes of a convolution; missing spatial dimensions are of size 1, in front.
///
/// ```
/// use chainrule_kernel::{Kernels, conv::Geometry};
/// // Two images of 3×3 pixels, one 2×2 filter that moves by 1.
/// let g = Geometry {
///     batch: 2,
///     groups: 1,
///     channels: 1,
///     filters: 1,
///     input: [1, 3, 3],
///     kernel: [1, 2, 2],
///     output: [1, 2, 2],
///     stride: [1; 3],
///     before: [0; 3],
///     dilation: [1; 3],
/// };
/// let mut y = [0.0; 8];
/// f64::convolve(&g, &[1.0; 18], &[0.25; 4], None, &mut y);
/// assert_eq!(y, [1.0; 8]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Images.
    pub batch: usize,
    /// Groups of channels, each of which is convolved with filters of its own; divides channels and filters.
    pub groups: usize,
    /// Channels of the input, of all groups.
    pub channels: usize,
    /// Channels of the output, of all groups.
    pub filters: usize,
    /// Sizes of an input plane.
    pub input: [usize; 3],
    /// Taps of a filter in each dimension.
    pub kernel: [usize; 3],
    /// Sizes of an output plane. They decide what is padded behind each dimension.
    pub output: [usize; 3],
    /// How far the kernel moves between neighbouring outputs, at least 1.
    pub stride: [usize; 3],
    /// Zeros before each dimension; negative where elements are left out instead.
    pub before: [isize; 3],
    /// The distance between neighbouring taps, at least 1.
    pub dilation: [usize; 3],
}

/// Elements of spread images that exist at the same time.
const SPREAD: usize = 2 << 20;

/// Elements of B that one task packs at a time: they stay in the second cache.
const PACKED: usize = 48 * 1024;

/// Multiply-adds that are worth a task of their own.
const GRAIN: usize = 128 * 1024;

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

    /// The convolution that makes the input's gradient of the upstream one, at stride 1 and dilation 1.
    fn turned(&self) -> Geometry {
        Geometry {
            channels: self.filters,
            filters: self.channels,
            input: self.output,
            output: self.input,
            before: [0, 1, 2].map(|d| self.kernel[d] as isize - 1 - self.before[d]),
            ..*self
        }
    }

    /// Taps of one filter: what one output element sums over.
    fn taps(&self) -> usize {
        self.group_channels() * self.kernel.iter().product::<usize>()
    }

    /// Elements of input, weight and output. Whoever hands parts of them to unsafe code cuts them to these lengths first.
    ///
    /// # Panics
    /// One of them can't be counted.
    fn lengths(&self) -> [usize; 3] {
        let array = |first: usize, second: usize, sizes: [usize; 3]| {
            countable([first, second, sizes[0], sizes[1], sizes[2]])
                .expect("a convolution's arrays have sizes that memory could hold")
        };
        [
            array(self.batch, self.channels, self.input),
            array(self.filters, self.group_channels(), self.kernel),
            array(self.batch, self.filters, self.output),
        ]
    }
}

/// The product of sizes, if also an array several times as large could be counted.
fn countable<const N: usize>(sizes: [usize; N]) -> Option<usize> {
    let product = sizes.into_iter().try_fold(1usize, usize::checked_mul)?;
    (product <= usize::MAX / 32).then_some(product)
}

/// `y = w ⋆ x + b`: x is `[batch, channels, input…]`, w `[filters, channels / groups, kernel…]`, b `[filters]`,
/// y `[batch, filters, output…]`.
pub(crate) fn forward<T: Tile>(g: &Geometry, x: &[T], w: &[T], b: Option<&[T]>, out: &mut [T]) {
    let [of_x, of_w, of_y] = g.lengths();
    if of_y > 0 {
        forward_at(Level::best(), g, &x[..of_x], &w[..of_w], b, &mut out[..of_y]);
    }
}

fn forward_at<T: Tile>(level: Level, g: &Geometry, x: &[T], w: &[T], b: Option<&[T]>, out: &mut [T]) {
    let (lanes, high) = T::tile(level);
    let (pixels, filters, taps) = (g.pixels(), g.group_filters(), g.taps());
    assert!([x.len(), w.len(), out.len()] == g.lengths());
    let spread = g.spread();
    if let Some(plan) = rows::Plan::of::<T>(level, g, &spread) {
        let image = g.channels * spread.channel();
        return spread.each_chunk(g, x, lanes, |first, count, data| {
            let out = &mut out[first * g.filters * pixels..(first + count) * g.filters * pixels];
            rows::forward(level, &plan, g, (data, image, spread.channel()), w, b, out);
        });
    }
    let (lines, runs) = (spread.taps(g), spread.pixels(g));
    let parts: Vec<(usize, usize)> = depths(taps).collect();
    let deepest = parts.iter().map(|part| part.1).max().unwrap_or(0);
    let blocks = pixels.div_ceil((PACKED / deepest.max(1)).min(pixels));
    let block = pixels.div_ceil(blocks).next_multiple_of(2 * lanes);
    let blocks = pixels.div_ceil(block);
    let image = g.channels * spread.channel();
    spread.each_chunk(g, x, 0, |first, count, data| {
        let cuts = TASKS.div_ceil(count * g.groups * blocks).min(filters.div_ceil(2 * high));
        let tall = filters.div_ceil(cuts).next_multiple_of(high);
        let cuts = filters.div_ceil(tall);
        let y = Shared(out[first * g.filters * pixels..(first + count) * g.filters * pixels].as_mut_ptr());
        let units = count * g.groups * blocks * cuts;
        let together = (GRAIN / (tall * block * taps).max(1)).clamp(1, units.div_ceil(TASKS * 2).max(1));
        pool::parallel(units.div_ceil(together), &|task| {
            let mut buffer = memory::take::<T>(packed(lanes, block) * deepest);
            for unit in task * together..units.min((task + 1) * together) {
                let (cut, rest) = (unit % cuts, unit / cuts);
                let (part, rest) = (rest % blocks, rest / blocks);
                let (group, n) = (rest % g.groups, rest / g.groups);
                let (row, column) = (group * filters + cut * tall, part * block);
                let (height, width) = (tall.min(filters - cut * tall), block.min(pixels - column));
                let place = |row: usize| (n * g.filters + row) * pixels + column;
                for row in row..row + height {
                    // SAFETY: each unit has rows or columns of the output of its own.
                    let line = unsafe { std::slice::from_raw_parts_mut(y.at(place(row)), width) };
                    line.fill(b.map_or(T::default(), |b| b[row]));
                }
                let data = &data[n * image + group * g.group_channels() * spread.channel()..];
                let seen = Source { data, order: Order::Rows(Lines::At(&lines), &runs) };
                for &(start, depth) in &parts {
                    let part = Part { row: start, rows: depth, column, columns: width };
                    let block = Block {
                        rows: height,
                        columns: width,
                        depth,
                        chain: CHAIN,
                        a: w[row * taps + start..].as_ptr(),
                        a_row: taps,
                        a_step: 1,
                        b: buffer.as_ptr(),
                        b_row: None,
                        c: y.at(place(row)),
                        c_row: pixels,
                        into: Store::Add,
                    };
                    // SAFETY: lines and runs are places in a spread image, the buffer holds a block, the
                    // weights and the output are as long as was asserted.
                    unsafe {
                        T::pack(level, &seen, part, buffer.as_mut_ptr());
                        T::block(level, &block);
                    }
                }
            }
            memory::give(buffer);
        });
    });
}

/// The gradient of the weights: `dw[f, c, k] = Σ g[n, f, pixel]·x[n, c, pixel·stride + k·dilation − before]`.
pub(crate) fn weight_gradient<T: Tile>(g: &Geometry, x: &[T], upstream: &[T], out: &mut [T]) {
    let [of_x, of_w, of_y] = g.lengths();
    let out = &mut out[..of_w];
    out.fill(T::default());
    if of_w > 0 && of_y > 0 {
        weight_gradient_at(Level::best(), g, &x[..of_x], &upstream[..of_y], out);
    }
}

fn weight_gradient_at<T: Tile>(level: Level, g: &Geometry, x: &[T], upstream: &[T], out: &mut [T]) {
    let (lanes, _) = T::tile(level);
    let (pixels, filters, taps) = (g.pixels(), g.group_filters(), g.taps());
    assert!([x.len(), out.len(), upstream.len()] == g.lengths());
    let spread = g.spread();
    let (lines, runs) = (spread.taps(g), spread.pixels(g));
    if let Some(plan) = lanes::Plan::of::<T>(level, g, &lines, &runs) {
        let parts = lanes::parts(g);
        let mut sums = memory::take::<T>(plan.sums(g, parts));
        sums.fill(T::default());
        let image = g.channels * spread.channel();
        spread.each_chunk(g, x, 0, |first, count, data| {
            let upstream = &upstream[first * g.filters * pixels..(first + count) * g.filters * pixels];
            lanes::gradient(level, &plan, g, (data, image, spread.channel()), upstream, &mut sums, parts);
        });
        plan.add_up(g, &sums, out);
        return memory::give(sums);
    }
    let parts: Vec<(usize, usize)> = depths(pixels).collect();
    let deepest = parts.iter().map(|part| part.1).max().unwrap_or(0);
    let blocks = taps.div_ceil(PACKED / deepest.max(1));
    let blocks = blocks.max(TASKS.div_ceil(g.groups)).min(taps.div_ceil(2 * lanes));
    let block = taps.div_ceil(blocks).next_multiple_of(2 * lanes);
    let blocks = taps.div_ceil(block);
    // Where that makes too few tasks, every few images have sums of their own, which are added in the end.
    let sums = if g.groups * blocks >= TASKS { 1 } else { (2 * TASKS).min(g.batch) };
    let mut others = memory::take::<T>((sums - 1) * out.len());
    others.fill(T::default());
    let image = g.channels * spread.channel();
    spread.each_chunk(g, x, 0, |first, count, data| {
        let (dw, rest, size) = (Shared(out.as_mut_ptr()), Shared(others.as_mut_ptr()), g.filters * taps);
        pool::parallel(g.groups * blocks * sums, &|task| {
            let mut buffer = memory::take::<T>(packed(lanes, block) * deepest);
            let (sum, rest_of_task) = (task % sums, task / sums);
            let (group, column) = (rest_of_task / blocks, rest_of_task % blocks * block);
            let width = block.min(taps - column);
            let place = group * filters * taps + column;
            let c = if sum == 0 { dw.at(place) } else { rest.at((sum - 1) * size + place) };
            for n in (0..count).filter(|n| (first + n) % sums == sum) {
                let data = &data[n * image + group * g.group_channels() * spread.channel()..];
                let seen = Source { data, order: Order::Columns(Lines::At(&lines), &runs) };
                let rows = &upstream[((first + n) * g.filters + group * filters) * pixels..];
                for &(start, depth) in &parts {
                    let part = Part { row: start, rows: depth, column, columns: width };
                    let block = Block {
                        rows: filters,
                        columns: width,
                        depth,
                        chain: CHAIN,
                        a: rows[start..].as_ptr(),
                        a_row: pixels,
                        a_step: 1,
                        b: buffer.as_ptr(),
                        b_row: None,
                        c,
                        c_row: taps,
                        into: Store::Add,
                    };
                    // SAFETY: lines and runs are places in a spread image, the buffer holds a block, the
                    // gradients are as long as was asserted, and each task has columns or sums of its own.
                    unsafe {
                        T::pack(level, &seen, part, buffer.as_mut_ptr());
                        T::block(level, &block);
                    }
                }
            }
            memory::give(buffer);
        });
    });
    if sums > 1 {
        others.chunks_exact(out.len()).for_each(|sums| map::add_assign(out, sums));
    }
    memory::give(others);
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
