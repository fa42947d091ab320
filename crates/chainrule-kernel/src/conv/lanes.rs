//! Gradients of the weights of few filters: filters side by side in a vector, pixels one after another.
//!
//! The general way turns the input's pixels around for every tap, which takes as long as multiplying them by few
//! filters. Here the upstream gradient is turned instead, once an image; the pixels are read where they lie. A tile
//! is some rows of the kernel: the taps in a row see neighbouring pixels.

use super::{Geometry, TASKS};
use crate::memory;
use crate::pack::{Lines, Order, Part, Run, Source};
use crate::pool;
use crate::simd::{Level, Simd, at_level, unroll};
use crate::tile::{CHAIN, Tile, packed};

/// A weight's gradient as this file computes it.
pub(super) struct Plan {
    /// Where the output's pixels lie for the first tap.
    pixels: Vec<usize>,
    /// Where the rows of the kernels of all channels begin.
    rows: Vec<usize>,
    across: usize,
    /// Elements that a pixel's filters take.
    wide: usize,
}

impl Plan {
    /// The plan for a gradient that is faster this way.
    pub(super) fn of<T: Tile>(level: Level, g: &Geometry, taps: &[usize], pixels: &[Run]) -> Option<Plan> {
        T::LANES?;
        let (filters, across) = (g.group_filters(), g.kernel[2]);
        let wide = packed(T::tile(level).0, filters);
        let beside = g.stride[2] == 1 && g.dilation[2] == 1 && matches!(across, 3 | 5);
        let few = wide <= 2 * T::tile(level).0 && 10 * filters >= 7 * wide && filters <= 16;
        // Images are what threads share here.
        if !beside || !few || taps.is_empty() || g.batch * g.groups < TASKS {
            return None;
        }
        let pixels = pixels.iter().flat_map(|run| run.place..run.place + run.length).collect();
        let rows = taps.iter().copied().step_by(across).collect();
        Some(Plan { pixels, rows, across, wide })
    }
}

/// Sums of all taps of one group over some images.
pub(super) fn gradient<T: Tile>(
    level: Level,
    plan: &Plan,
    g: &Geometry,
    (data, image, channel): (&[T], usize, usize),
    upstream: &[T],
    sums: &mut [T],
    parts: usize,
) {
    let run = T::LANES.expect("plans are made only where there is a loop");
    let (pixels, filters, taps) = (g.pixels(), g.group_filters(), g.taps());
    let count = upstream.len() / (g.filters * pixels);
    let size = taps * plan.wide;
    pool::chunks_mut(&mut sums[..parts * g.groups * size], size, |start, sums| {
        let (part, group) = (start / size / g.groups, start / size % g.groups);
        let mut turned = memory::take::<T>(plan.wide * pixels);
        let whole = [Run { index: 0, place: 0, length: pixels }];
        for n in (part..count).step_by(parts) {
            let u = &upstream[(n * g.filters + group * filters) * pixels..][..filters * pixels];
            let source = Source { data: u, order: Order::Columns(Lines::Even(pixels), &whole) };
            let job = Job {
                plan,
                x: data[n * image + group * g.group_channels() * channel..].as_ptr(),
                upstream: turned.as_ptr(),
                sums: sums.as_mut_ptr(),
            };
            // SAFETY: the filters' planes were just cut out; taps of all pixels lie in the spread image, and there
            // are sums for all of them.
            unsafe {
                let part = Part { row: 0, rows: pixels, column: 0, columns: filters };
                T::pack(level, &source, part, turned.as_mut_ptr());
                run(level, &job);
            }
        }
        memory::give(turned);
    });
}

/// Into how many parts the images' sums are cut.
pub(super) fn parts(g: &Geometry) -> usize {
    (2 * TASKS).min(g.batch)
}

impl Plan {
    /// Elements of the sums of so many parts.
    pub(super) fn sums(&self, g: &Geometry, parts: usize) -> usize {
        parts * g.groups * g.taps() * self.wide
    }

    /// Adds the parts up, to the weights' gradient.
    pub(super) fn add_up<T: Tile>(&self, g: &Geometry, sums: &[T], out: &mut [T]) {
        let (filters, taps) = (g.group_filters(), g.taps());
        for part in sums.chunks_exact(g.groups * taps * self.wide) {
            for (f, out) in out.chunks_exact_mut(taps).enumerate() {
                let from = &part[f / filters * taps * self.wide + f % filters..];
                for (out, sum) in out.iter_mut().zip(from.iter().step_by(self.wide)) {
                    *out += *sum;
                }
            }
        }
    }
}

/// The sums of one image.
pub(crate) struct Job<'a, T> {
    plan: &'a Plan,
    x: *const T,
    /// The upstream gradient, filters side by side.
    upstream: *const T,
    /// Tap by tap, filters side by side.
    sums: *mut T,
}

/// Adds an image's part to all sums.
///
/// # Safety
/// The processor has the level, and the job's pointers reach what its plan says.
type Loop<T> = unsafe fn(level: Level, job: &Job<'_, T>);

/// Numbers that this file's loop may be made for.
pub(crate) trait Lanes: Copy {
    /// The loop. In f64, where gradients are checked but networks hardly trained, it isn't worth its code.
    const LANES: Option<Loop<Self>>;
}

#[inline(always)]
unsafe fn lanes<V: Simd>(job: &Job<'_, V::Element>)
where
    V::Element: Lanes,
{
    // SAFETY: the caller's promise.
    unsafe {
        match (job.plan.across, job.plan.wide == V::LANES, V::ROWS == 12) {
            (5, true, true) => tiles::<V, 5, 5, 1>(job),
            (5, true, false) => tiles::<V, 2, 5, 1>(job),
            (5, false, true) => tiles::<V, 2, 5, 2>(job),
            (5, false, false) => tiles::<V, 1, 5, 2>(job),
            (_, true, true) => tiles::<V, 6, 3, 1>(job),
            (_, true, false) => tiles::<V, 3, 3, 1>(job),
            (_, false, true) => tiles::<V, 4, 3, 2>(job),
            (_, false, false) => tiles::<V, 2, 3, 2>(job),
        }
    }
}

/// All rows of the kernels, `P` at a time.
#[inline(always)]
unsafe fn tiles<V: Simd, const P: usize, const K: usize, const W: usize>(job: &Job<'_, V::Element>) {
    let rows = &job.plan.rows;
    let whole = rows.len() / P * P;
    // SAFETY: the caller's promise.
    unsafe {
        for row in (0..whole).step_by(P) {
            tile::<V, P, K, W>(job, row);
        }
        for row in whole..rows.len() {
            tile::<V, 1, K, W>(job, row);
        }
    }
}

/// `P` rows of `K` taps for `W` vectors of filters.
#[inline(always)]
unsafe fn tile<V: Simd, const P: usize, const K: usize, const W: usize>(
    job: &Job<'_, V::Element>,
    row: usize,
) {
    // SAFETY: the caller promises what the plan says.
    unsafe {
        let mut x = [job.x; P];
        unroll!(6, I < P, { x[I] = job.x.add(*job.plan.rows.get_unchecked(row + I)) });
        for (i, pixels) in job.plan.pixels.chunks(CHAIN).enumerate() {
            let upstream = job.upstream.add(i * CHAIN * W * V::LANES);
            let sums = chain::<V, P, K, W>(pixels, x, upstream);
            unroll!(6, I < P, {
                unroll!(5, J < K, {
                    unroll!(2, L < W, {
                        let to = job.sums.add((((row + I) * K + J) * W + L) * V::LANES);
                        sums[I][J][L].add(V::load(to)).store(to);
                    });
                });
            });
        }
    }
}

/// The sums of one tile over some pixels.
#[inline(always)]
unsafe fn chain<V: Simd, const P: usize, const K: usize, const W: usize>(
    pixels: &[usize],
    x: [*const V::Element; P],
    mut upstream: *const V::Element,
) -> [[[V; W]; K]; P] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[[V::splat(std::mem::zeroed()); W]; K]; P];
        // One loop over all pixels: with one for each row, the compiler would move sums to memory and back.
        for &pixel in pixels {
            let mut right = [sums[0][0][0]; W];
            unroll!(2, L < W, { right[L] = V::load(upstream.add(L * V::LANES)) });
            unroll!(6, I < P, {
                unroll!(5, J < K, {
                    let left = V::splat(*x[I].add(pixel + J));
                    unroll!(2, L < W, { sums[I][J][L] = left.mul_add(right[L], sums[I][J][L]) });
                });
            });
            upstream = upstream.add(W * V::LANES);
        }
        sums
    }
}

impl Lanes for f32 {
    const LANES: Option<Loop<f32>> = Some(single);
}

impl Lanes for f64 {
    const LANES: Option<Loop<f64>> = None;
}

unsafe fn single(level: Level, job: &Job<'_, f32>) {
    at_level!(level, f32, lanes(job: &Job<'_, f32>))
}
