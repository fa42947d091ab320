//! Pooling: the largest element, or the sum, of the windows of planes.
//!
//! Windows are products of ranges, one a dimension, so rows are combined first, which is vector code, and the
//! combined row along itself after. Planes are spread over the threads.

// `x != x` is how a NaN is told from other elements of any type, without a branch.
#![allow(clippy::eq_op)]

use super::{multiversion, pool};
use crate::array::Element;

mod square;

/// The elements of one dimension that a window sees: `start, start + step, …` before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) step: usize,
}

impl Range {
    #[inline]
    fn places(self) -> impl Iterator<Item = usize> {
        (self.start..self.end).step_by(self.step)
    }
}

/// The windows of a plane: for each dimension, the range of each output index.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    pub(crate) input: [usize; 3],
    pub(crate) ranges: [Vec<Range>; 3],
}

impl Windows {
    fn plane(&self) -> usize {
        self.input.iter().product()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.ranges.iter().map(Vec::len).product()
    }

    /// How many squares of 2×2 lie beside each other, where the windows are all such squares of a plane.
    fn squares(&self) -> Option<usize> {
        let [outer, rows, columns] = &self.ranges;
        let pairs = |ranges: &[Range]| {
            ranges.iter().enumerate().all(|(i, r)| (r.start, r.end, r.step) == (2 * i, 2 * i + 2, 1))
        };
        let plane = self.input[0] == 1 && outer.len() == 1 && self.outputs() > 0;
        (plane && pairs(rows) && pairs(columns)).then_some(columns.len())
    }
}

/// Output elements that are worth a task.
const GRAIN: usize = 4096;

/// Planes that are worth a task, where one is so much work.
fn planes_of_a_task(work: usize) -> usize {
    (GRAIN / work.max(1)).max(1)
}

/// `body(plane, out)` for each plane of so many elements, several planes a task.
fn each_plane<T: Send>(out: &mut [T], plane: usize, work: usize, body: impl Fn(usize, &mut [T]) + Sync) {
    if plane == 0 {
        return;
    }
    pool::chunks_mut(out, planes_of_a_task(work) * plane, |start, out| {
        for (i, out) in out.chunks_exact_mut(plane).enumerate() {
            body(start / plane + i, out);
        }
    });
}

multiversion! {
    /// `m[i] = x[i]` where that is larger or NaN.
    fn raise[T: Element](m: &mut [T], x: &[T]) {
        for (m, x) in m.iter_mut().zip(x) {
            *m = if *x > *m || *x != *x { *x } else { *m };
        }
    }
}

multiversion! {
    /// The largest element of each range of a row; NaN where one is NaN.
    fn largest_of_row[T: Element](row: &[T], ranges: &[Range], out: &mut [T]) {
        for (out, range) in out.iter_mut().zip(ranges) {
            let row = &row[range.start..range.end];
            let mut m = row[0];
            let mut i = range.step;
            while i < row.len() {
                let x = row[i];
                m = if (x > m) | (x != x) { x } else { m };
                i += range.step;
            }
            *out = m;
        }
    }
}

/// The largest element of each window of each plane; NaN where one is NaN.
pub(crate) fn largest<T: Element>(x: &[T], windows: &Windows, out: &mut [T]) {
    let [_, height, width] = windows.input;
    if let Some(columns) = windows.squares() {
        let planes = square::planes_at_once(windows);
        return pool::chunks_mut(out, planes * windows.outputs(), |start, out| {
            let first = start / windows.outputs() * windows.plane();
            square::largest(&x[first..], width, columns, out);
        });
    }
    each_plane(out, windows.outputs(), windows.plane(), |plane, out| {
        let x = &x[plane * windows.plane()..(plane + 1) * windows.plane()];
        let mut combined = vec![T::default(); width];
        let columns = windows.ranges[2].len();
        for (o, out) in out.chunks_exact_mut(columns.max(1)).enumerate() {
            let (outer, inner) = (
                windows.ranges[0][o / windows.ranges[1].len()],
                windows.ranges[1][o % windows.ranges[1].len()],
            );
            let row = |i0: usize, i1: usize| &x[(i0 * height + i1) * width..(i0 * height + i1 + 1) * width];
            combined.copy_from_slice(row(outer.start, inner.start));
            for i0 in outer.places() {
                for i1 in inner.places() {
                    raise(&mut combined, row(i0, i1));
                }
            }
            largest_of_row(&combined, &windows.ranges[2], out);
        }
    });
}

/// The place in its plane of each window's largest element: the first of equals, the last NaN.
pub(crate) fn places_of_largest<T: Element, I: Send + TryFrom<usize> + Default>(
    x: &[T],
    windows: &Windows,
    out: &mut [I],
) {
    each_plane(out, windows.outputs(), windows.plane(), |plane, out| {
        let x = &x[plane * windows.plane()..(plane + 1) * windows.plane()];
        each_place(x, windows, |o, place| out[o] = I::try_from(place).unwrap_or_default());
    });
}

multiversion! {
    /// Where `x[i]` is larger than `m[i]`, or NaN, it takes its place, and `at[i]` becomes `start + i`.
    fn raise_places[T: Element](m: &mut [T], at: &mut [usize], x: &[T], start: usize) {
        for (i, ((m, at), x)) in m.iter_mut().zip(at).zip(x).enumerate() {
            let better = (*x > *m) | (*x != *x);
            *m = if better { *x } else { *m };
            *at = if better { start + i } else { *at };
        }
    }
}

/// Calls `visit(output, place)` for each window of one plane. Rows are combined first, for all windows beside
/// each other at once, and without a branch, which random numbers would make the processor guess wrong.
fn each_place<T: Element>(x: &[T], windows: &Windows, mut visit: impl FnMut(usize, usize)) {
    let [_, height, width] = windows.input;
    let (mut combined, mut at) = (vec![T::default(); width], vec![0; width]);
    let mut o = 0;
    for outer in &windows.ranges[0] {
        for inner in &windows.ranges[1] {
            let first = (outer.start * height + inner.start) * width;
            combined.copy_from_slice(&x[first..first + width]);
            for (i, at) in at.iter_mut().enumerate() {
                *at = first + i;
            }
            for i0 in outer.places() {
                for i1 in inner.places() {
                    let row = (i0 * height + i1) * width;
                    raise_places(&mut combined, &mut at, &x[row..row + width], row);
                }
            }
            for range in &windows.ranges[2] {
                let (row, at) = (&combined[range.start..range.end], &at[range.start..range.end]);
                let (mut m, mut place) = (row[0], at[0]);
                let mut i = range.step;
                while i < row.len() {
                    let (x, here) = (row[i], at[i]);
                    // Of equals the first in the plane, of NaNs the last.
                    let nan = (x != x) & ((m == m) | (here > place));
                    let better = (x > m) | ((x == m) & (here < place)) | nan;
                    m = if better { x } else { m };
                    place = if better { here } else { place };
                    i += range.step;
                }
                visit(o, place);
                o += 1;
            }
        }
    }
}

/// Adds each window's upstream gradient at its largest element; `out` is the gradient of `x`.
pub(crate) fn largest_gradient<T: Element + std::ops::AddAssign>(
    x: &[T],
    upstream: &[T],
    windows: &Windows,
    out: &mut [T],
) {
    let outputs = windows.outputs();
    if let Some(columns) = windows.squares() {
        let planes = square::planes_at_once(windows);
        return pool::chunks_mut(out, planes * windows.plane(), |start, out| {
            let (x, g) = (&x[start..start + out.len()], &upstream[start / windows.plane() * outputs..]);
            square::largest_gradient(x, g, windows.input[2], columns, out);
        });
    }
    each_plane(out, windows.plane(), windows.plane(), |plane, out| {
        let x = &x[plane * windows.plane()..(plane + 1) * windows.plane()];
        let upstream = &upstream[plane * outputs..(plane + 1) * outputs];
        out.fill(T::default());
        each_place(x, windows, |o, place| out[place] += upstream[o]);
    });
}

/// The sum of each window of each plane, times its factor; factors are products of one for each dimension.
pub(crate) fn sums<T: Element + std::ops::AddAssign + std::ops::Mul<Output = T>>(
    x: &[T],
    windows: &Windows,
    factors: &[Vec<T>; 3],
    out: &mut [T],
) {
    let [_, height, width] = windows.input;
    each_plane(out, windows.outputs(), windows.plane(), |plane, out| {
        let x = &x[plane * windows.plane()..(plane + 1) * windows.plane()];
        let mut combined = vec![T::default(); width];
        let mut rows = out.chunks_exact_mut(windows.ranges[2].len().max(1));
        for (outer, factor0) in windows.ranges[0].iter().zip(&factors[0]) {
            for (inner, factor1) in windows.ranges[1].iter().zip(&factors[1]) {
                let Some(out) = rows.next() else { return };
                combined.fill(T::default());
                for i0 in outer.places() {
                    for i1 in inner.places() {
                        let row = (i0 * height + i1) * width;
                        super::map::add_assign(&mut combined, &x[row..row + width]);
                    }
                }
                for ((out, range), factor2) in out.iter_mut().zip(&windows.ranges[2]).zip(&factors[2]) {
                    let mut sum = T::default();
                    for i in range.places() {
                        sum += combined[i];
                    }
                    *out = sum * (*factor0 * *factor1 * *factor2);
                }
            }
        }
    });
}

/// The adjoint of [`sums`]: each window's number, times its factor, added to all of its elements.
pub(crate) fn spread<T: Element + std::ops::AddAssign + std::ops::Mul<Output = T>>(
    g: &[T],
    windows: &Windows,
    factors: &[Vec<T>; 3],
    out: &mut [T],
) {
    let [_, height, width] = windows.input;
    let outputs = windows.outputs();
    each_plane(out, windows.plane(), windows.plane(), |plane, out| {
        out.fill(T::default());
        let mut along = vec![T::default(); width];
        let mut rows = g[plane * outputs..(plane + 1) * outputs].chunks_exact(windows.ranges[2].len().max(1));
        for (outer, factor0) in windows.ranges[0].iter().zip(&factors[0]) {
            for (inner, factor1) in windows.ranges[1].iter().zip(&factors[1]) {
                let Some(g) = rows.next() else { return };
                along.fill(T::default());
                for ((g, range), factor2) in g.iter().zip(&windows.ranges[2]).zip(&factors[2]) {
                    let share = *g * (*factor0 * *factor1 * *factor2);
                    for i in range.places() {
                        along[i] += share;
                    }
                }
                for i0 in outer.places() {
                    for i1 in inner.places() {
                        let row = (i0 * height + i1) * width;
                        super::map::add_assign(&mut out[row..row + width], &along);
                    }
                }
            }
        }
    });
}
