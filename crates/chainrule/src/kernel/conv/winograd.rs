//! Convolutions with kernels of 3×3 and 5×5 at stride 1 by Winograd's method, in f32.
//!
//! Six inputs in a row, seen as a polynomial's values, give several outputs at once by products in six points
//! alone (Winograd 1980; Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016). In two
//! dimensions a tile of 6×6 pixels and a kernel of 3×3 become 36 products for 16 outputs, where the definition
//! takes 144; a kernel of 5×5, 36 for 4 outputs in place of 100. The products of all channels, tiles and filters
//! are 36 matrix products.
//!
//! The points are 0, ±√½, ±√2 and infinity. With them, and with sums of at most [`CHAIN`] terms in a row, the
//! error against f64 is some three to four times that of adding up directly; the usual points 0, ±1 and ±2
//! would make it 13 times (measured on AlexNet's layers). [`set_winograd`] turns the method off.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Geometry, SPREAD};
use crate::kernel::pack::{Lines, Order, Part, Run, Source};
use crate::kernel::pool::Shared;
use crate::kernel::simd::Level;
use crate::kernel::tile::{Block, Into, Tile, packed, panel};
use crate::kernel::{memory, pool};

mod tiles;
mod transform;

use tiles::{Images, Kernels, Sums, Tiles};
use tiles::{run_apart, run_gradient_tiles, run_input_tiles, run_kernels, run_output_tiles, run_taps};

static ENABLED: AtomicBool = AtomicBool::new(true);

/// Allows or forbids Winograd's method, which is allowed at first, for f32 convolutions with kernels of 3×3 and
/// 5×5 at stride 1.
///
/// It takes half the time or less, and its rounding errors are three to four times those of adding up directly,
/// about 10⁻⁶ of the largest output. Convolutions in f64 never use it.
///
/// ```
/// chainrule::set_winograd(false);
/// assert!(!chainrule::winograd());
/// # chainrule::set_winograd(true);
/// ```
pub fn set_winograd(allowed: bool) {
    ENABLED.store(allowed, Ordering::Relaxed);
}

/// Whether f32 convolutions may use Winograd's method: see [`set_winograd`].
pub fn winograd() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Pixels of a tile in a row, and products for them.
const SIZE: usize = 6;
/// Products of a tile.
const POINTS: usize = SIZE * SIZE;

/// Channels that are summed up in a row before they are added to the rest: keeps rounding errors small.
const CHAIN: usize = 32;

/// Tiles that one task transforms and multiplies.
const TILES: usize = 48;

/// Tiles whose products are added to the weights' gradient at a time.
const TOGETHER: usize = 192;

/// Elements between the ends of one point's values and the next one's: they would else meet in the cache.
const GAP: usize = 80;

/// How a convolution is cut into tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Taps of the kernel in a row.
    taps: usize,
    /// Tiles below each other and beside each other.
    down: usize,
    across: usize,
}

impl Plan {
    /// The plan for a convolution that is faster this way.
    pub(super) fn of(g: &Geometry) -> Option<Plan> {
        let taps = g.kernel[2];
        let simple = g.groups == 1 && g.stride == [1; 3] && g.dilation == [1; 3];
        let plane = g.kernel[0] == 1 && g.input[0] == 1 && g.output[0] == 1 && g.before[0] == 0;
        if !simple || !plane || g.kernel[1] != taps || !matches!(taps, 3 | 5) {
            return None;
        }
        let step = SIZE + 1 - taps;
        let plan = Plan { taps, down: g.output[1].div_ceil(step), across: g.output[2].div_ceil(step) };
        // Preparing the weights takes about as long as multiplying two dozen tiles.
        let (tiles, direct) = (g.batch * plan.tiles() + 24, g.batch * g.pixels() * taps * taps);
        let worth = 5 * POINTS * tiles < 4 * direct && g.channels.min(g.filters) >= 16;
        worth.then_some(plan)
    }

    /// Outputs of a tile in a row.
    fn step(&self) -> usize {
        SIZE + 1 - self.taps
    }

    /// Tiles of one image.
    fn tiles(&self) -> usize {
        self.down * self.across
    }
}

/// Weights in the points: point q of channel c and the panel of filters that starts at s, w wide, is at
/// `q·point + s·channels + c·w`.
struct Weights {
    data: Vec<f32>,
    point: usize,
}

impl Weights {
    /// Transforms the weights of a convolution; `turned` where they are those of its input's gradient, whose
    /// filters are the channels of w, and whose taps are in reverse order.
    fn new(level: Level, plan: Plan, g: &Geometry, w: &[f32], turned: bool) -> Weights {
        let (lanes, _) = f32::tile(level);
        let area = plan.taps * plan.taps;
        let point = g.channels * packed(lanes, g.filters) + GAP;
        let mut data = memory::take::<f32>(POINTS * point);
        let to = Shared(data.as_mut_ptr());
        let runs: Vec<Run> = match turned {
            false => vec![Run { index: 0, place: 0, length: g.channels * area }],
            true => (0..g.channels)
                .map(|c| Run { index: c * area, place: c * g.filters * area, length: area })
                .collect(),
        };
        let line = if turned { area } else { g.channels * area };
        let source = Source { data: w, order: Order::Columns(Lines::Even(line), &runs) };
        pool::parallel(g.filters.div_ceil(2 * lanes), &|task| {
            let column = task * 2 * lanes;
            let (columns, width) = ((2 * lanes).min(g.filters - column), panel(lanes, g.filters, column));
            let rows = g.channels * area;
            let mut side = memory::take::<f32>(width * rows);
            // SAFETY: the weights reach that far; each task has a panel of its own.
            unsafe { f32::pack(level, &source, Part { row: 0, rows, column, columns }, side.as_mut_ptr()) };
            run_kernels(
                level,
                &Kernels {
                    taps: plan.taps,
                    channels: g.channels,
                    turned,
                    width,
                    from: side.as_ptr(),
                    to: to.at(column * g.channels),
                    point,
                },
            );
            memory::give(side);
        });
        Weights { data, point }
    }
}

/// The convolution itself; `turned` as in [`Weights::new`].
pub(super) fn forward(
    level: Level,
    plan: Plan,
    g: &Geometry,
    x: &[f32],
    (w, turned): (&[f32], bool),
    b: Option<&[f32]>,
    out: &mut [f32],
) {
    let (lanes, _) = f32::tile(level);
    let (plane, pixels) = (g.plane(), g.pixels());
    assert!(x.len() >= g.batch * g.channels * plane && out.len() >= g.batch * g.filters * pixels);
    assert!(w.len() >= g.filters * g.taps());
    let weights = Weights::new(level, plan, g, w, turned);
    let mut bias = vec![0.0; packed(lanes, g.filters)];
    if let Some(b) = b {
        bias[..g.filters].copy_from_slice(b);
    }
    let (deep, panels) = (packed(lanes, g.channels), g.filters.div_ceil(2 * lanes));
    let elements = deep * plane + packed(lanes, g.filters) * pixels;
    let together = (SPREAD / elements).clamp(1, g.batch);
    let mut images = Images::new(lanes, together, g.channels, [g.input[1], g.input[2]]);
    let mut results = Images::new(lanes, together, g.filters, [g.output[1], g.output[2]]);
    for first in (0..g.batch).step_by(together) {
        let count = together.min(g.batch - first);
        images.data.truncate(count * images.image);
        images.fill(level, &x[first * g.channels * plane..]);
        let all = count * plan.tiles();
        let tiles = all.div_ceil(all.div_ceil(TILES));
        let to = Shared(results.data.as_mut_ptr());
        pool::parallel(all.div_ceil(tiles), &|task| {
            let range = task * tiles..all.min((task + 1) * tiles);
            let rows = range.len();
            let point = rows * deep + GAP;
            let mut values = memory::take::<f32>(POINTS * point);
            run_input_tiles(
                level,
                &Tiles {
                    plan,
                    images: &images,
                    tiles: range.clone(),
                    before: [g.before[1], g.before[2]],
                    values: values.as_mut_ptr(),
                    point,
                    tile: Some(deep),
                    first: range.start,
                    count: rows,
                },
            );
            let mut products = memory::take::<f32>(POINTS * (rows * 2 * lanes + GAP));
            for channel in (0..panels).map(|panel| panel * 2 * lanes) {
                let width = panel(lanes, g.filters, channel);
                let wide = rows * width + GAP;
                for q in 0..POINTS {
                    let block = Block {
                        rows,
                        columns: width.min(g.filters - channel),
                        depth: g.channels,
                        chain: CHAIN,
                        a: values[q * point..].as_ptr(),
                        a_row: deep,
                        a_step: 1,
                        b: weights.data[q * weights.point + channel * g.channels..].as_ptr(),
                        b_row: None,
                        c: products[q * wide..].as_mut_ptr(),
                        c_row: width,
                        into: Into::Set,
                    };
                    // SAFETY: values and weights were transformed for all tiles, channels and filters.
                    unsafe { f32::block(level, &block) };
                }
                let job = Tiles {
                    plan,
                    images: &results,
                    tiles: range.clone(),
                    before: [0; 2],
                    values: products.as_mut_ptr(),
                    point: wide,
                    tile: None,
                    first: range.start,
                    count: rows,
                };
                run_output_tiles(level, &job, channel, &bias, to.at(0));
            }
            memory::give(products);
            memory::give(values);
        });
        let y = Shared(out[first * g.filters * pixels..].as_mut_ptr());
        pool::parallel(count * panels, &|task| {
            let (n, channel) = (task / panels, task % panels * 2 * lanes);
            let (width, channels) = (panel(lanes, g.filters, channel), (2 * lanes).min(g.filters - channel));
            let from = results.data[n * results.image + channel * pixels..].as_ptr();
            run_apart(level, from, width, channels, pixels, y.at((n * g.filters + channel) * pixels));
        });
    }
    memory::give(weights.data);
    memory::give(images.data);
    memory::give(results.data);
}

/// The gradient of the weights.
pub(super) fn weight_gradient(
    level: Level,
    plan: Plan,
    g: &Geometry,
    x: &[f32],
    upstream: &[f32],
    out: &mut [f32],
) {
    let (lanes, _) = f32::tile(level);
    let (plane, pixels) = (g.plane(), g.pixels());
    assert!(x.len() >= g.batch * g.channels * plane && upstream.len() >= g.batch * g.filters * pixels);
    assert!(out.len() >= g.filters * g.taps());
    let (wide, tall) = (packed(lanes, g.channels), packed(lanes, g.filters));
    let together = (SPREAD / (wide * plane + tall * pixels)).clamp(1, g.batch);
    let mut images = Images::new(lanes, together, g.channels, [g.input[1], g.input[2]]);
    let mut gradients = Images::new(lanes, together, g.filters, [g.output[1], g.output[2]]);
    let most = TOGETHER.min(together * plan.tiles());
    let (point_x, point_u, point) = (most * wide + GAP, most * tall + GAP, g.filters * wide + GAP);
    let mut values_x = memory::take::<f32>(POINTS * point_x);
    let mut values_u = memory::take::<f32>(POINTS * point_u);
    let mut sums = memory::take::<f32>(POINTS * point);
    for first in (0..g.batch).step_by(together) {
        let count = together.min(g.batch - first);
        images.data.truncate(count * images.image);
        gradients.data.truncate(count * gradients.image);
        images.fill(level, &x[first * g.channels * plane..]);
        gradients.fill(level, &upstream[first * g.filters * pixels..]);
        let all = count * plan.tiles();
        for start in (0..all).step_by(TOGETHER) {
            let tiles = TOGETHER.min(all - start);
            let (to_x, to_u) = (Shared(values_x.as_mut_ptr()), Shared(values_u.as_mut_ptr()));
            let part = 16;
            pool::parallel(2 * tiles.div_ceil(part), &|task| {
                let from = start + task / 2 * part;
                let range = from..(from + part).min(start + tiles);
                let job = |images, before, values, point, tile| Tiles {
                    plan,
                    images,
                    tiles: range.clone(),
                    before,
                    values,
                    point,
                    tile,
                    first: start,
                    count: tiles,
                };
                if task % 2 == 0 {
                    let before = [g.before[1], g.before[2]];
                    run_input_tiles(level, &job(&images, before, to_x.at(0), point_x, None));
                } else {
                    run_gradient_tiles(level, &job(&gradients, [0; 2], to_u.at(0), point_u, Some(tall)));
                }
            });
            let to = Shared(sums.as_mut_ptr());
            pool::parallel(POINTS, &|q| {
                let block = Block {
                    rows: g.filters,
                    columns: g.channels,
                    depth: tiles,
                    chain: CHAIN,
                    a: values_u[q * point_u..].as_ptr(),
                    a_row: 1,
                    a_step: tall,
                    b: values_x[q * point_x..].as_ptr(),
                    b_row: None,
                    c: to.at(q * point),
                    c_row: wide,
                    into: Into::added(first + start > 0),
                };
                // SAFETY: both sides were transformed for all tiles; each task has a point of its own.
                unsafe { f32::block(level, &block) };
            });
        }
    }
    let taps = g.taps();
    pool::chunks_mut(&mut out[..g.filters * taps], taps, |start, out| {
        let from = sums[start / taps * wide..].as_ptr();
        let job = Sums { taps: plan.taps, channels: g.channels, from, point, to: out.as_mut_ptr() };
        run_taps(level, &job);
    });
    for buffer in [images.data, gradients.data, values_x, values_u, sums] {
        memory::give(buffer);
    }
}

#[cfg(test)]
mod tests;
