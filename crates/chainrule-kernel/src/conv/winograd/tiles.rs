//! Tiles of images and their values in the points: what goes in and out of the matrix products.
//!
//! Channels lie side by side, so that one vector transforms a tile of as many channels as it has lanes.

use std::ops::Range;

use super::Plan;
use super::transform::{Both, Input, Kernel, Output};
use crate::pack::{Lines, Order, Part, Run, Source};
use crate::pool::Shared;
use crate::simd::{Level, SIDE, Simd, at_level, unroll};
use crate::tile::{Tile, packed, panel};
use crate::{memory, pool};

/// Images whose channels lie side by side, in panels: pixel p of the panel that starts at channel s, w wide, is
/// at `s·plane + p·w`.
pub(super) struct Images {
    pub(super) data: Vec<f32>,
    pub(super) channels: usize,
    pub(super) sizes: [usize; 2],
    /// Elements of one image.
    pub(super) image: usize,
}

impl Images {
    pub(super) fn new(lanes: usize, count: usize, channels: usize, sizes: [usize; 2]) -> Images {
        let image = packed(lanes, channels) * sizes[0] * sizes[1];
        Images { data: memory::take(count * image), channels, sizes, image }
    }

    /// Fills them from images whose pixels lie side by side.
    pub(super) fn fill(&mut self, level: Level, x: &[f32]) {
        let (lanes, _) = f32::tile(level);
        let plane = self.sizes[0] * self.sizes[1];
        let panels = self.channels.div_ceil(2 * lanes);
        let to = Shared(self.data.as_mut_ptr());
        let whole = [Run { index: 0, place: 0, length: plane }];
        pool::parallel(self.data.len() / self.image.max(1) * panels, &|task| {
            let (n, column) = (task / panels, task % panels * 2 * lanes);
            let columns = (2 * lanes).min(self.channels - column);
            let data = &x[(n * self.channels + column) * plane..];
            let source = Source { data, order: Order::Columns(Lines::Even(plane), &whole) };
            let part = Part { row: 0, rows: plane, column: 0, columns };
            // SAFETY: the image has these channels; each task fills a panel of its own.
            unsafe { f32::pack(level, &source, part, to.at(n * self.image + column * plane)) };
        });
    }
}

/// Image, row and column of a tile.
pub(super) type Place = [usize; 3];

/// Tiles in the order of their values. Those that need a product lie in one piece.
pub(super) struct List {
    pub(super) tiles: Vec<Place>,
    /// Where those of the second, third and fourth kind begin: see [`List::new`].
    edges: [usize; 3],
}

impl List {
    /// Tiles that are counted through all images: first those that are short beside, then whole ones, those that are
    /// short below, and those that are both.
    pub(super) fn new(plan: &Plan, range: Range<usize>) -> List {
        let kind = |[_, row, column]: &Place| match (*row < plan.whole[0], *column < plan.whole[1]) {
            (true, false) => 0,
            (true, true) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        let [down, across] = plan.tiles;
        let place = |i: usize| [i / (down * across), i / across % down, i % across];
        let mut tiles: Vec<Place> = range.map(place).collect();
        tiles.sort_by_key(kind);
        let edges = [1, 2, 3].map(|next| tiles.partition_point(|tile| kind(tile) < next));
        List { tiles, edges }
    }

    /// The tiles that need the product of a point: short ones have none in infinity, the last point of a row or column.
    pub(super) fn of_point(&self, plan: &Plan, point: usize) -> Range<usize> {
        let [short, whole, below] = self.edges;
        let last = plan.size() - 1;
        match (point / plan.size() == last, point % plan.size() == last) {
            (false, false) => 0..self.tiles.len(),
            (true, false) => 0..whole,
            (false, true) => short..below,
            (true, true) => short..whole,
        }
    }
}

/// Tiles that are transformed to, or from, their values in the points.
pub(super) struct Tiles<'a> {
    pub(super) plan: Plan,
    pub(super) images: &'a Images,
    pub(super) tiles: &'a [Place],
    /// Where the first pixel of the first tile lies.
    pub(super) before: [isize; 2],
    /// The values: point q of the i-th tile in channel c is at `q·point + i·tile + c`, or, where there is no `tile`, in
    /// the panel that starts at s and is w wide, at `q·point + s·count + i·w + c − s`, `count` being the tiles of
    /// all panels and i counted from `first`.
    pub(super) values: *mut f32,
    pub(super) point: usize,
    pub(super) tile: Option<usize>,
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Tiles<'_> {
    /// The image, the place within it of a tile's first pixel, and how many outputs the tile has below and beside
    /// each other.
    #[inline(always)]
    fn place(&self, [n, row, column]: Place) -> (usize, [isize; 2], [usize; 2]) {
        let (at, step) = ([row, column], self.plan.step());
        let short = [0, 1].map(|d| at[d].saturating_sub(self.plan.whole[d]));
        let from = [0, 1].map(|d| (at[d] * step - short[d]) as isize - self.before[d]);
        (n, from, [0, 1].map(|d| step - usize::from(at[d] >= self.plan.whole[d])))
    }

    /// Where the values of a tile begin, in the panel that starts at a channel and is `width` wide.
    #[inline(always)]
    fn value(&self, tile: usize, channel: usize, width: usize) -> usize {
        match self.tile {
            Some(distance) => (self.first + tile) * distance + channel,
            None => channel * self.count + (self.first + tile) * width,
        }
    }
}

/// Transforms tiles of `N`×`N` pixels to their values in `S`×`S` points: as many, or those of a tile's outputs.
#[inline(always)]
unsafe fn to_points<V: Simd<Element = f32>, const N: usize, const S: usize, L: Both<V, N, S>>(
    job: &Tiles<'_>,
) {
    let [height, width] = job.images.sizes;
    for (i, &tile) in job.tiles.iter().enumerate() {
        let (n, [top, left], outputs) = job.place(tile);
        let [down, across] = if N < S { outputs } else { [N; 2] };
        let inside = |from: isize, size: usize, most: usize| {
            ((-from).clamp(0, N as isize) as usize, (size as isize - from).clamp(0, most as isize) as usize)
        };
        let ((top_in, bottom_in), (left_in, right_in)) =
            (inside(top, height, down), inside(left, width, across));
        let mut channel = 0;
        while channel < job.images.channels {
            let wide = panel(V::LANES, job.images.channels, channel);
            for lane in (0..wide).step_by(V::LANES) {
                // SAFETY: pixels inside the image are in its panels; the caller gives room for the values.
                unsafe {
                    let from =
                        job.images.data.as_ptr().add(n * job.images.image + channel * height * width + lane);
                    let mut x = [[V::splat(0.0); N]; N];
                    unroll!(7, I < N, {
                        let line = (top + I as isize) * width as isize + left;
                        unroll!(7, J < N, {
                            if (top_in..bottom_in).contains(&I) && (left_in..right_in).contains(&J) {
                                x[I][J] = V::load(from.offset((line + J as isize) * wide as isize));
                            }
                        });
                    });
                    let x = L::both(x);
                    let to = job.values.add(job.value(i, channel, wide) + lane);
                    unroll!(7, I < S, {
                        unroll!(7, J < S, {
                            x[I][J].store(to.add((I * S + J) * job.point));
                        });
                    });
                }
            }
            channel += wide;
        }
    }
}

/// Input tiles.
#[inline(always)]
unsafe fn input_tiles<V: Simd<Element = f32>>(job: &Tiles<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.plan.taps {
            3 => to_points::<V, 6, 6, Input>(job),
            _ => to_points::<V, 7, 7, Input>(job),
        }
    }
}

/// Tiles of the upstream gradient, for the weights' gradient.
#[inline(always)]
unsafe fn gradient_tiles<V: Simd<Element = f32>>(job: &Tiles<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.plan.taps {
            3 => to_points::<V, 4, 6, Kernel>(job),
            _ => to_points::<V, 3, 7, Kernel>(job),
        }
    }
}

/// Transforms the values of one panel in the points to the pixels of the tiles' outputs, and adds a bias.
#[inline(always)]
unsafe fn outputs<V: Simd<Element = f32>, const S: usize, const M: usize>(
    job: &Tiles<'_>,
    channel: usize,
    bias: &[f32],
    out: *mut f32,
) where
    Output: Both<V, S, M>,
{
    let [height, width] = job.images.sizes;
    let wide = panel(V::LANES, job.images.channels, channel);
    for (i, &tile) in job.tiles.iter().enumerate() {
        let (n, [top, left], [down, across]) = job.place(tile);
        let (top, left) = (top as usize, left as usize);
        let (down, across) = (down.min(height - top), across.min(width - left));
        for lane in (0..wide).step_by(V::LANES) {
            // SAFETY: the caller promises the values, and that nobody else writes these tiles' pixels.
            unsafe {
                let from = job.values.add(i * wide + lane);
                let bias = V::load(bias.as_ptr().add(channel + lane));
                let mut x = [[bias; S]; S];
                unroll!(7, I < S, {
                    unroll!(7, J < S, {
                        x[I][J] = V::load(from.add((I * S + J) * job.point));
                    });
                });
                let y = Output::both(x);
                let to = out.add(n * job.images.image + channel * height * width + lane);
                unroll!(7, I < M, {
                    unroll!(7, J < M, {
                        if I < down && J < across {
                            y[I][J].add(bias).store(to.add(((top + I) * width + left + J) * wide));
                        }
                    });
                });
            }
        }
    }
}

#[inline(always)]
unsafe fn output_tiles<V: Simd<Element = f32>>(job: &Tiles<'_>, channel: usize, bias: &[f32], out: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.plan.taps {
            3 => outputs::<V, 6, 4>(job, channel, bias, out),
            _ => outputs::<V, 7, 3>(job, channel, bias, out),
        }
    }
}

/// Kernels to be transformed: taps of the filters of one panel, side by side.
pub(super) struct Kernels {
    pub(super) taps: usize,
    pub(super) channels: usize,
    /// Whether the taps are in reverse order.
    pub(super) turned: bool,
    pub(super) width: usize,
    pub(super) from: *const f32,
    pub(super) to: *mut f32,
    pub(super) point: usize,
}

#[inline(always)]
unsafe fn kernels_of<V: Simd<Element = f32>, const R: usize, const S: usize>(job: &Kernels)
where
    Kernel: Both<V, R, S>,
{
    for channel in 0..job.channels {
        for lane in (0..job.width).step_by(V::LANES) {
            // SAFETY: the caller promises taps of all channels, and room for the values.
            unsafe {
                let mut x = [[V::splat(0.0); R]; R];
                unroll!(7, I < R, {
                    unroll!(7, J < R, {
                        let tap = if job.turned { R * R - 1 - (I * R + J) } else { I * R + J };
                        x[I][J] = V::load(job.from.add((channel * R * R + tap) * job.width + lane));
                    });
                });
                let x = Kernel::both(x);
                unroll!(7, I < S, {
                    unroll!(7, J < S, {
                        x[I][J].store(job.to.add((I * S + J) * job.point + channel * job.width + lane));
                    });
                });
            }
        }
    }
}

#[inline(always)]
unsafe fn kernels<V: Simd<Element = f32>>(job: &Kernels) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.taps {
            3 => kernels_of::<V, 3, 6>(job),
            _ => kernels_of::<V, 5, 7>(job),
        }
    }
}

/// Puts the pixels of some channels of one image side by side.
#[inline(always)]
unsafe fn apart<V: Simd<Element = f32>>(
    from: *const f32,
    width: usize,
    channels: usize,
    plane: usize,
    to: *mut f32,
) {
    for pixel in (0..plane).step_by(SIDE) {
        for lane in (0..channels).step_by(SIDE) {
            let (pixels, lanes) = (SIDE.min(plane - pixel), SIDE.min(channels - lane));
            // SAFETY: the caller promises `plane` pixels of a panel `width` wide, and room for the channels.
            unsafe {
                let (from, to) = (from.add(pixel * width + lane), to.add(lane * plane + pixel));
                if pixels == SIDE && lanes == SIDE {
                    let mut places = [from; SIDE];
                    for (i, place) in places.iter_mut().enumerate() {
                        *place = from.add(i * width);
                    }
                    V::transpose(places, to, plane);
                } else {
                    for p in 0..pixels {
                        for i in 0..lanes {
                            *to.add(i * plane + p) = *from.add(p * width + i);
                        }
                    }
                }
            }
        }
    }
}

/// Sums of the weights' gradient in the points, to be transformed to taps.
pub(super) struct Sums {
    pub(super) taps: usize,
    pub(super) channels: usize,
    pub(super) from: *const f32,
    pub(super) point: usize,
    pub(super) to: *mut f32,
}

#[inline(always)]
unsafe fn taps_of<V: Simd<Element = f32>, const R: usize, const S: usize>(job: &Sums)
where
    Output: Both<V, S, R>,
{
    for channel in (0..job.channels).step_by(V::LANES) {
        // SAFETY: the caller promises whole vectors of values, and room for the taps of all channels.
        unsafe {
            let mut x = [[V::splat(0.0); S]; S];
            unroll!(7, I < S, {
                unroll!(7, J < S, {
                    x[I][J] = V::load(job.from.add((I * S + J) * job.point + channel));
                });
            });
            let y = Output::both(x);
            let mut side = [[0.0f32; 16]; 25];
            unroll!(7, I < R, {
                unroll!(7, J < R, {
                    y[I][J].store(side[I * R + J].as_mut_ptr());
                });
            });
            for lane in 0..V::LANES.min(job.channels - channel) {
                for (tap, side) in side.iter().enumerate().take(R * R) {
                    *job.to.add((channel + lane) * R * R + tap) = side[lane];
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn taps<V: Simd<Element = f32>>(job: &Sums) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.taps {
            3 => taps_of::<V, 3, 6>(job),
            _ => taps_of::<V, 5, 7>(job),
        }
    }
}

pub(super) fn run_input_tiles(level: Level, job: &Tiles<'_>) {
    at_level!(level, f32, input_tiles(job: &Tiles<'_>))
}

pub(super) fn run_gradient_tiles(level: Level, job: &Tiles<'_>) {
    at_level!(level, f32, gradient_tiles(job: &Tiles<'_>))
}

pub(super) fn run_output_tiles(level: Level, job: &Tiles<'_>, channel: usize, bias: &[f32], out: *mut f32) {
    at_level!(level, f32, output_tiles(job: &Tiles<'_>, channel: usize, bias: &[f32], out: *mut f32))
}

pub(super) fn run_kernels(level: Level, job: &Kernels) {
    at_level!(level, f32, kernels(job: &Kernels))
}

pub(super) fn run_apart(
    level: Level,
    from: *const f32,
    width: usize,
    channels: usize,
    plane: usize,
    to: *mut f32,
) {
    at_level!(
        level,
        f32,
        apart(from: *const f32, width: usize, channels: usize, plane: usize, to: *mut f32)
    )
}

pub(super) fn run_taps(level: Level, job: &Sums) {
    at_level!(level, f32, taps(job: &Sums))
}
