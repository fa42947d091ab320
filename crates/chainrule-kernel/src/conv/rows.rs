//! Convolutions with few filters: vectors of neighbouring pixels, read where they lie in the spread image.
//!
//! A product with a dozen rows uses each packed pixel once or twice, so that packing takes as long as multiplying.
//! Here, a tile is a few filters by two vectors of a row's pixels; each tap adds an offset to where they are read.
//! Taps that only see rows of the padding are left out.

use super::spread::Spread;
use super::{Geometry, TASKS};
use crate::pool::{self, Shared};
use crate::simd::{Level, Simd, at_level, unroll};
use crate::tile::{CHAIN, Tile};

/// Neighbouring pixels of a row of the output, which one vector computes.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Where the first one is in a plane of the output.
    index: usize,
    /// What the first tap sees of it.
    place: usize,
    length: usize,
    /// The kernel's rows, of which these see the image.
    seen: (usize, usize),
}

/// A convolution as this file computes it.
pub(super) struct Plan {
    segments: Vec<Segment>,
    taps: Vec<usize>,
    /// Taps of a row of the kernel, and rows.
    across: usize,
    down: usize,
    /// Filters of a tile.
    tall: usize,
}

/// What a tile reads: `taps` offsets, cut into blocks of `area`, of which those in `from..to` are seen.
struct Taps<'a, T> {
    taps: &'a [usize],
    area: usize,
    from: usize,
    to: usize,
    /// Weights of the tile's filters, tap by tap.
    weights: *const T,
}

/// The heights of tiles.
const HEIGHTS: [usize; 5] = [12, 8, 6, 4, 2];

impl Plan {
    /// The plan for a convolution that is faster this way.
    pub(super) fn of<T: Tile>(level: Level, g: &Geometry, spread: &Spread) -> Option<Plan> {
        T::ROWS?;
        let (lanes, high) = T::tile(level);
        let (filters, width) = (g.group_filters(), g.output[2]);
        // What the widest vectors make of it, so that all levels add up in the same order.
        let most = 64 / size_of::<T>();
        if filters > 24 || 4 * width < 3 * width.next_multiple_of(most) || g.taps() == 0 {
            return None;
        }
        let tiles = filters.div_ceil(high);
        let tall = HEIGHTS.into_iter().rev().find(|&tall| tall >= filters.div_ceil(tiles)).unwrap_or(high);
        let mut segments = Vec::new();
        for run in spread.pixels(g) {
            let row = (run.index / width) % g.output[1];
            // The first and the one after the last of the kernel's rows that lie in the image.
            let start = (row * g.stride[1]) as isize - g.before[1];
            let reached = |edge: isize| {
                let steps = (edge - start).max(0) as usize;
                steps.div_ceil(g.dilation[1]).min(g.kernel[1])
            };
            let seen = (reached(0), reached(g.input[1] as isize));
            for skip in (0..run.length).step_by(lanes) {
                let length = lanes.min(run.length - skip);
                segments.push(Segment { index: run.index + skip, place: run.place + skip, length, seen });
            }
        }
        Some(Plan { segments, taps: spread.taps(g), across: g.kernel[2], down: g.kernel[1], tall })
    }

    /// The weights of each tile's filters, tap by tap; filters that don't exist have zeros.
    fn weights<T: Tile>(&self, g: &Geometry, w: &[T]) -> Vec<T> {
        let (taps, filters, tall) = (g.taps(), g.group_filters(), self.tall);
        let mut out = vec![T::default(); g.groups * filters.next_multiple_of(tall) * taps];
        for (tile, out) in out.chunks_exact_mut(tall * taps).enumerate() {
            let (group, first) = (tile / filters.div_ceil(tall), tile % filters.div_ceil(tall) * tall);
            for i in 0..tall.min(filters - first) {
                let w = &w[(group * filters + first + i) * taps..][..taps];
                for (out, w) in out[i..].iter_mut().step_by(tall).zip(w) {
                    *out = *w;
                }
            }
        }
        out
    }
}

/// Multiply-adds that are worth a task of their own.
const GRAIN: usize = 256 * 1024;

/// See [`super::forward`]. Behind the last pixel of the images, `data` goes on for a vector.
pub(super) fn forward<T: Tile>(
    level: Level,
    plan: &Plan,
    g: &Geometry,
    (data, image, channel): (&[T], usize, usize),
    w: &[T],
    b: Option<&[T]>,
    out: &mut [T],
) {
    let run = T::ROWS.expect("plans are made only where there is a loop");
    let (pixels, filters, taps) = (g.pixels(), g.group_filters(), g.taps());
    let weights = plan.weights(g, w);
    let tiles = filters.div_ceil(plan.tall);
    let planes = out.len() / pixels / g.filters * g.groups * tiles;
    // Where there are few planes, their rows are shared too.
    let cuts = TASKS.div_ceil(planes).min(plan.segments.len().div_ceil(2));
    let cut = plan.segments.len().div_ceil(cuts).next_multiple_of(2);
    let cuts = plan.segments.len().div_ceil(cut);
    let units = planes * cuts;
    let together = (GRAIN / (plan.tall * pixels * taps)).max(1);
    let y = Shared(out.as_mut_ptr());
    pool::parallel(units.div_ceil(together), &|task| {
        for unit in task * together..units.min((task + 1) * together) {
            let (part, unit) = (unit % cuts * cut, unit / cuts);
            let (n, tile) = (unit / (g.groups * tiles), unit % (g.groups * tiles));
            let (group, first) = (tile / tiles, tile % tiles * plan.tall);
            let filter = group * filters + first;
            let rows = plan.tall.min(filters - first);
            let mut bias = [T::default(); 12];
            if let Some(b) = b {
                bias[..rows].copy_from_slice(&b[filter..filter + rows]);
            }
            let place = n * image + group * g.group_channels() * channel;
            let job = Job {
                plan,
                segments: &plan.segments[part..plan.segments.len().min(part + cut)],
                x: data[place..].as_ptr(),
                weights: weights[tile * plan.tall * taps..].as_ptr(),
                bias: &bias[..rows],
                y: y.at((n * g.filters + filter) * pixels),
                pixels,
            };
            // SAFETY: every segment's taps lie in the spread image, behind which a vector more may be read; each
            // unit writes pixels of its own.
            unsafe { run(level, &job) };
        }
    });
}

/// What a tile's filters make of one image, at some segments.
pub(crate) struct Job<'a, T> {
    plan: &'a Plan,
    segments: &'a [Segment],
    x: *const T,
    weights: *const T,
    /// The filters that exist.
    bias: &'a [T],
    y: *mut T,
    pixels: usize,
}

/// All segments of a job's planes.
///
/// # Safety
/// The processor has the level, and the job's pointers reach what its plan says.
type Loop<T> = unsafe fn(level: Level, job: &Job<'_, T>);

/// Numbers that this file's loop may be made for.
pub(crate) trait Rows: Copy {
    /// The loop. In f64, where gradients are checked but networks hardly trained, it isn't worth its code.
    const ROWS: Option<Loop<Self>>;
}

#[inline(always)]
unsafe fn rows<V: Simd>(job: &Job<'_, V::Element>)
where
    V::Element: Rows,
{
    // SAFETY: the caller's promise.
    unsafe {
        match job.plan.tall {
            12 if V::ROWS == 12 => rows_of::<V, 12>(job),
            8 if V::ROWS == 12 => rows_of::<V, 8>(job),
            6 => rows_of::<V, 6>(job),
            4 => rows_of::<V, 4>(job),
            _ => rows_of::<V, 2>(job),
        }
    }
}

#[inline(always)]
unsafe fn rows_of<V: Simd, const R: usize>(job: &Job<'_, V::Element>) {
    for pair in job.segments.chunks(2) {
        // SAFETY: the caller's promise.
        unsafe {
            match pair {
                [a, b] => tile::<V, R, 2>(job, [*a, *b]),
                [a] => tile::<V, R, 1>(job, [*a]),
                _ => {}
            }
        }
    }
}

/// One tile: `R` filters at `W` segments.
#[inline(always)]
unsafe fn tile<V: Simd, const R: usize, const W: usize>(job: &Job<'_, V::Element>, segments: [Segment; W]) {
    let plan = job.plan;
    let (mut from, mut to) = segments[0].seen;
    for segment in &segments {
        (from, to) = (from.min(segment.seen.0), to.max(segment.seen.1));
    }
    let (area, from, to) = (plan.down * plan.across, from * plan.across, to.max(from) * plan.across);
    let together = (CHAIN / area).max(1) * area;
    // SAFETY: the caller promises what the plan says.
    unsafe {
        let x = segments.map(|segment| job.x.add(segment.place));
        let mut sums = [[V::splat(std::mem::zeroed()); W]; R];
        let mut start = 0;
        for taps in plan.taps.chunks(together) {
            let taps = Taps { taps, area, from, to, weights: job.weights.add(start * R) };
            let more = chain::<V, R, W>(&taps, x);
            if start == 0 {
                sums = more;
            } else {
                unroll!(12, I < R, {
                    unroll!(2, J < W, { sums[I][J] = sums[I][J].add(more[I][J]) });
                });
            }
            start += together;
        }
        unroll!(12, I < R, {
            if let Some(bias) = job.bias.get(I) {
                unroll!(2, J < W, {
                    let to = job.y.add(I * job.pixels + segments[J].index);
                    sums[I][J].add(V::splat(*bias)).store_first(to, segments[J].length);
                });
            }
        });
    }
}

/// The sums of one tile over some taps.
#[inline(always)]
unsafe fn chain<V: Simd, const R: usize, const W: usize>(
    taps: &Taps<'_, V::Element>,
    x: [*const V::Element; W],
) -> [[V; W]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[V::splat(std::mem::zeroed()); W]; R];
        for block in (0..taps.taps.len()).step_by(taps.area) {
            let mut w = taps.weights.add((block + taps.from) * R);
            for &tap in taps.taps.get_unchecked(block + taps.from..block + taps.to) {
                let mut right = [sums[0][0]; W];
                unroll!(2, J < W, { right[J] = V::load(x[J].add(tap)) });
                unroll!(12, I < R, {
                    let left = V::splat(*w.add(I));
                    unroll!(2, J < W, { sums[I][J] = left.mul_add(right[J], sums[I][J]) });
                });
                w = w.add(R);
            }
        }
        sums
    }
}

impl Rows for f32 {
    const ROWS: Option<Loop<f32>> = Some(single);
}

impl Rows for f64 {
    const ROWS: Option<Loop<f64>> = None;
}

unsafe fn single(level: Level, job: &Job<'_, f32>) {
    at_level!(level, f32, rows(job: &Job<'_, f32>))
}
