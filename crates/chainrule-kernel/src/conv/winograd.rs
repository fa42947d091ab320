//! Convolutions with kernels of 3×3 and 5×5 at stride 1 by Winograd's method, in f32.
//!
//! Six inputs in a row, seen as a polynomial's values, give four outputs at once by products in six points alone
//! (Winograd 1980; Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016). In two dimensions a
//! tile of 6×6 pixels and a kernel of 3×3 become 36 products for 16 outputs, where the definition takes 144; one of
//! 7×7 pixels and a kernel of 5×5, 49 for 9 outputs in place of 225. The products of all channels, tiles and
//! filters are so many matrix products. Infinity serves a tile's last output only, so that a tile may be one output
//! shorter and need a product less in a row: 13 outputs are one tile of four and three of three.
//!
//! For kernels of 3×3 the points are 0, ±√½, ±√2 and infinity. With them, and with sums of few terms in a row, the
//! error against f64 is some three to four times that of adding up directly; the usual points 0, ±1 and ±2
//! would make it 13 times (measured on AlexNet's layers). [`set_winograd`] turns the method off.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Geometry, SPREAD};
use crate::pack::{Lines, Order, Part, Run, Source};
use crate::pool::Shared;
use crate::simd::Level;
use crate::tile::{Block, Store, Tile, packed, panel};
use crate::{memory, pool};

mod tiles;
mod transform;

use tiles::{Images, Kernels, List, Sums, Tiles};
use tiles::{run_apart, run_gradient_tiles, run_input_tiles, run_kernels, run_output_tiles, run_taps};

static ENABLED: AtomicBool = AtomicBool::new(true);

/// Allows or forbids Winograd's method, which is allowed at first, for f32 convolutions with kernels of 3×3 and
/// 5×5 at stride 1, and for those that are the like between the phases of their stride, as 11×11 by 4 is.
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
///
/// ```
/// assert!(chainrule::winograd()); // as long as nobody forbids it
/// ```
pub fn winograd() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Tiles that one task transforms and multiplies.
const TILES: usize = 64;

/// Tasks of one product at least: where tiles are few, they share the filters.
const TASKS: usize = 4;

/// Tiles whose products are added to the weights' gradient at a time.
const TOGETHER: usize = 256;

/// Tiles that are summed up in a row for the weights' gradient.
const CHAIN: usize = 32;

/// Elements between the ends of one point's values and the next one's: they would else meet in the cache.
const GAP: usize = 80;

/// How a convolution is cut into tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Taps of the kernel in a row.
    taps: usize,
    /// Tiles below each other and beside each other, and those of them, the first ones, that are not an output
    /// shorter.
    tiles: [usize; 2],
    whole: [usize; 2],
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
        let plan = Plan::new(g);
        // Preparing the weights takes about as long as multiplying two dozen tiles.
        let products = g.batch * plan.products() + 24 * plan.points();
        let direct = g.batch * g.pixels() * taps * taps;
        (5 * products < 4 * direct && g.channels.min(g.filters) >= 16).then_some(plan)
    }

    /// As few products as possible for this output.
    fn new(g: &Geometry) -> Plan {
        let plan = Plan { taps: g.kernel[2], tiles: [0; 2], whole: [0; 2] };
        let (step, size) = (plan.step(), plan.size());
        let cut = |outputs: usize| {
            let cuts = (0..step).map(|short| {
                let whole = outputs.saturating_sub(short * (step - 1)).div_ceil(step);
                (size * whole + (size - 1) * short, whole, short)
            });
            cuts.min().map_or((0, 0), |(_, whole, short)| (whole, whole + short))
        };
        let ((down, rows), (across, columns)) = (cut(g.output[1]), cut(g.output[2]));
        Plan { tiles: [rows, columns], whole: [down, across], ..plan }
    }

    /// Outputs of a whole tile in a row.
    fn step(&self) -> usize {
        if self.taps == 3 { 4 } else { 3 }
    }

    /// Pixels of a tile in a row, and products for them.
    fn size(&self) -> usize {
        self.step() + self.taps - 1
    }

    /// Products of a tile.
    fn points(&self) -> usize {
        self.size() * self.size()
    }

    /// Tiles of one image.
    fn each(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// Products of one image.
    pub(super) fn products(&self) -> usize {
        [0, 1].map(|d| self.size() * self.tiles[d] - (self.tiles[d] - self.whole[d])).iter().product()
    }

    /// Channels that are summed up in a row before they are added to the rest: keeps rounding errors small.
    fn chain(&self) -> usize {
        if self.taps == 3 { 32 } else { 16 }
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
        let mut data = memory::take::<f32>(plan.points() * point);
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

/// How many of some things go at a time, at most so many, so that it's always about as many.
fn evenly(count: usize, most: usize) -> usize {
    count.div_ceil(count.div_ceil(most.max(1)).max(1)).max(1)
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
    let (lanes, high) = f32::tile(level);
    let (plane, pixels) = (g.plane(), g.pixels());
    let [of_x, of_w, of_y] = g.lengths();
    let (x, w, out) = (&x[..of_x], &w[..of_w], &mut out[..of_y]);
    let weights = Weights::new(level, plan, g, w, turned);
    let mut bias = vec![0.0; packed(lanes, g.filters)];
    if let Some(b) = b {
        bias[..g.filters].copy_from_slice(b);
    }
    let (deep, panels) = (packed(lanes, g.channels), g.filters.div_ceil(2 * lanes));
    let elements = deep * plane + packed(lanes, g.filters) * pixels;
    let together = evenly(g.batch, SPREAD / elements);
    let mut images = Images::new(lanes, together, g.channels, [g.input[1], g.input[2]]);
    let mut results = Images::new(lanes, together, g.filters, [g.output[1], g.output[2]]);
    for first in (0..g.batch).step_by(together) {
        let count = together.min(g.batch - first);
        images.data.truncate(count * images.image);
        images.fill(level, &x[first * g.channels * plane..]);
        // About as many tiles a task, by whole tiles of the products' rows.
        let all = count * plan.each();
        let parts = all.div_ceil(TILES).next_multiple_of(2).min(all.div_ceil(2 * high));
        let edge = |part: usize| if part == parts { all } else { all * part / parts / high * high };
        let groups = TASKS.div_ceil(parts).min(panels);
        let to = Shared(results.data.as_mut_ptr());
        pool::parallel(parts * groups, &|task| {
            let (part, group) = (task / groups, task % groups);
            let list = List::new(&plan, edge(part)..edge(part + 1));
            let rows = list.tiles.len();
            let point = rows * deep + GAP;
            let mut values = memory::take::<f32>(plan.points() * point);
            let job = |images, values, point, tile| Tiles {
                plan,
                images,
                tiles: &list.tiles,
                before: [0; 2],
                values,
                point,
                tile,
                first: 0,
                count: rows,
            };
            let before = [g.before[1], g.before[2]];
            run_input_tiles(level, &Tiles { before, ..job(&images, values.as_mut_ptr(), point, Some(deep)) });
            let mut products = memory::take::<f32>(plan.points() * (rows * 2 * lanes + GAP));
            for channel in
                (panels * group / groups..panels * (group + 1) / groups).map(|panel| panel * 2 * lanes)
            {
                let width = panel(lanes, g.filters, channel);
                let wide = rows * width + GAP;
                for q in 0..plan.points() {
                    let range = list.of_point(&plan, q);
                    let block = Block {
                        rows: range.len(),
                        columns: width.min(g.filters - channel),
                        depth: g.channels,
                        chain: plan.chain(),
                        a: values[q * point + range.start * deep..].as_ptr(),
                        a_row: deep,
                        a_step: 1,
                        b: weights.data[q * weights.point + channel * g.channels..].as_ptr(),
                        b_row: None,
                        c: products[q * wide + range.start * width..].as_mut_ptr(),
                        c_row: width,
                        into: Store::Set,
                    };
                    // SAFETY: values and weights were transformed for all tiles, channels and filters.
                    unsafe { f32::block(level, &block) };
                }
                run_output_tiles(
                    level,
                    &job(&results, products.as_mut_ptr(), wide, None),
                    channel,
                    &bias,
                    to.at(0),
                );
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
    let [of_x, of_w, of_y] = g.lengths();
    let (x, upstream, out) = (&x[..of_x], &upstream[..of_y], &mut out[..of_w]);
    let (wide, tall) = (packed(lanes, g.channels), packed(lanes, g.filters));
    let together = evenly(g.batch, SPREAD / (wide * plane + tall * pixels));
    let mut images = Images::new(lanes, together, g.channels, [g.input[1], g.input[2]]);
    let mut gradients = Images::new(lanes, together, g.filters, [g.output[1], g.output[2]]);
    let most = evenly(together * plan.each(), TOGETHER);
    let (point_x, point_u, point) = (most * wide + GAP, most * tall + GAP, g.filters * wide + GAP);
    let mut values_x = memory::take::<f32>(plan.points() * point_x);
    let mut values_u = memory::take::<f32>(plan.points() * point_u);
    let mut sums = memory::take::<f32>(plan.points() * point);
    for first in (0..g.batch).step_by(together) {
        let count = together.min(g.batch - first);
        images.data.truncate(count * images.image);
        gradients.data.truncate(count * gradients.image);
        images.fill(level, &x[first * g.channels * plane..]);
        gradients.fill(level, &upstream[first * g.filters * pixels..]);
        let all = count * plan.each();
        for start in (0..all).step_by(most) {
            let list = List::new(&plan, start..all.min(start + most));
            let tiles = list.tiles.len();
            let (to_x, to_u) = (Shared(values_x.as_mut_ptr()), Shared(values_u.as_mut_ptr()));
            let part = 16;
            pool::parallel(2 * tiles.div_ceil(part), &|task| {
                let from = task / 2 * part;
                let job = |images, before, values, point, tile| Tiles {
                    plan,
                    images,
                    tiles: &list.tiles[from..tiles.min(from + part)],
                    before,
                    values,
                    point,
                    tile,
                    first: from,
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
            let begun = first + start > 0;
            pool::parallel(plan.points(), &|q| {
                let range = list.of_point(&plan, q);
                for channel in (0..g.channels).step_by(2 * lanes) {
                    let width = panel(lanes, g.channels, channel);
                    let block = Block {
                        rows: g.filters,
                        columns: width.min(g.channels - channel),
                        depth: range.len(),
                        chain: CHAIN,
                        a: values_u[q * point_u + range.start * tall..].as_ptr(),
                        a_row: 1,
                        a_step: tall,
                        b: values_x[q * point_x + channel * tiles + range.start * width..].as_ptr(),
                        b_row: None,
                        c: to.at(q * point + channel),
                        c_row: wide,
                        into: Store::added(begun),
                    };
                    // SAFETY: both sides were transformed for all tiles; each task has a point of its own.
                    unsafe { f32::block(level, &block) };
                }
                if range.is_empty() && !begun {
                    // SAFETY: as above.
                    unsafe { std::slice::from_raw_parts_mut(to.at(q * point), point).fill(0.0) };
                }
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
