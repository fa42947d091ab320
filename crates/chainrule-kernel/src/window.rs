//! Pooling: the largest element, or the sum, of the windows of planes.
//!
//! Windows are products of ranges, one a dimension, so rows are combined first, which is vector code, and the
//! combined row along itself after. Planes are spread over the threads.

// `x != x` is how a NaN is told from other elements of any type, without a branch.
#![allow(clippy::eq_op)]

use super::pool;
use crate::Value;

mod largest;
mod square;

pub(crate) use largest::{largest, largest_gradient, places_of_largest};

/// The elements of one dimension that a window sees: `start, start + step, …` before `end`.
///
/// ```
/// use chainrule_kernel::window::Range;
/// let dilated = Range { start: 1, end: 6, step: 2 }; // sees 1, 3 and 5
/// assert_eq!((dilated.end - dilated.start).div_ceil(dilated.step), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first element.
    pub start: usize,
    /// One more than the last element may be.
    pub end: usize,
    /// The distance between two elements, at least 1.
    pub step: usize,
}

impl Range {
    #[inline]
    fn places(self) -> impl Iterator<Item = usize> {
        (self.start..self.end).step_by(self.step)
    }
}

/// The windows of a plane: for each dimension, the range of each output index. Dimensions that a plane lacks are of size
/// 1, in front.
///
/// ```
/// use chainrule_kernel::window::{Range, Windows};
/// let range = |start, end| Range { start, end, step: 1 };
/// // Four elements in a row, two by two.
/// let pairs = Windows {
///     input: [1, 1, 4],
///     ranges: [vec![range(0, 1)], vec![range(0, 1)], vec![range(0, 2), range(2, 4)]],
/// };
/// assert_eq!(pairs.outputs(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct Windows {
    /// The sizes of a plane.
    pub input: [usize; 3],
    /// The ranges of each dimension, which lie within its size. None is empty.
    pub ranges: [Vec<Range>; 3],
}

impl Windows {
    fn plane(&self) -> usize {
        self.input.iter().product()
    }

    /// How many windows a plane has: what one plane of the output holds.
    ///
    /// ```
    /// use chainrule_kernel::window::{Range, Windows};
    /// let whole = |size: usize| vec![Range { start: 0, end: size, step: 1 }];
    /// let global = Windows { input: [1, 7, 7], ranges: [whole(1), whole(7), whole(7)] };
    /// assert_eq!(global.outputs(), 1);
    /// ```
    pub fn outputs(&self) -> usize {
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

/// Elements that are worth a task.
const GRAIN: usize = 4096;

/// Planes that are worth a task, where one is so much work.
fn planes_of_a_task(work: usize) -> usize {
    (GRAIN / work.max(1)).max(1)
}

/// `body(plane, scratch, out)` for each plane of so many elements, several planes a task, which is `work` each; all
/// planes of a task use one scratch.
fn each_plane<T: Send, S>(
    out: &mut [T],
    plane: usize,
    work: usize,
    scratch: impl Fn() -> S + Sync,
    body: impl Fn(usize, &mut S, &mut [T]) + Sync,
) {
    if plane == 0 {
        return;
    }
    pool::chunks_mut(out, planes_of_a_task(work) * plane, |start, out| {
        let mut scratch = scratch();
        for (i, out) in out.chunks_exact_mut(plane).enumerate() {
            body(start / plane + i, &mut scratch, out);
        }
    });
}

/// The sum of each window of each plane, times its factor; factors are products of one for each dimension.
pub(crate) fn sums<T: Value + std::ops::AddAssign + std::ops::Mul<Output = T>>(
    x: &[T],
    windows: &Windows,
    factors: &[Vec<T>; 3],
    out: &mut [T],
) {
    let [_, height, width] = windows.input;
    let new = || vec![T::default(); width];
    each_plane(out, windows.outputs(), windows.plane(), new, |plane, combined, out| {
        let x = &x[plane * windows.plane()..(plane + 1) * windows.plane()];
        let mut rows = out.chunks_exact_mut(windows.ranges[2].len().max(1));
        for (outer, factor0) in windows.ranges[0].iter().zip(&factors[0]) {
            for (inner, factor1) in windows.ranges[1].iter().zip(&factors[1]) {
                let Some(out) = rows.next() else { return };
                combined.fill(T::default());
                for i0 in outer.places() {
                    for i1 in inner.places() {
                        let row = (i0 * height + i1) * width;
                        super::map::add_assign(combined, &x[row..row + width]);
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
pub(crate) fn spread<T: Value + std::ops::AddAssign + std::ops::Mul<Output = T>>(
    g: &[T],
    windows: &Windows,
    factors: &[Vec<T>; 3],
    out: &mut [T],
) {
    let [_, height, width] = windows.input;
    let outputs = windows.outputs();
    let new = || vec![T::default(); width];
    each_plane(out, windows.plane(), windows.plane(), new, |plane, along, out| {
        out.fill(T::default());
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
                        super::map::add_assign(&mut out[row..row + width], along);
                    }
                }
            }
        }
    });
}
