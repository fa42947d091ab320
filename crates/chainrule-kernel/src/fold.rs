//! Reductions of the middle one of three dimensions: extremes, products, variances.
//!
//! Elements are combined in an order that the shape alone decides, so results don't depend on threads.

use std::ops::Mul;

use super::{multiversion, pool};
use crate::Value;

/// A row-major array seen as `outer` blocks of `count` rows of `inner` elements. The rows of a block are
/// reduced into one; with `inner` = 1 the elements that go into one lie next to each other.
///
/// ```
/// use chainrule_kernel::{Value, fold::Blocks};
/// let x = [1, 9, 5, 3, 4, 2]; // two rows of three
/// let (mut of_columns, mut of_rows) = ([0; 3], [0; 2]);
/// i32::extremes(&x, Blocks { outer: 1, count: 2, inner: 3 }, true, &mut of_columns);
/// i32::extremes(&x, Blocks { outer: 2, count: 3, inner: 1 }, true, &mut of_rows);
/// assert_eq!((of_columns, of_rows), ([3, 9, 5], [9, 4]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blocks {
    /// Blocks.
    pub outer: usize,
    /// Rows of a block, which are reduced to one.
    pub count: usize,
    /// Elements of a row.
    pub inner: usize,
}

/// Elements that one thread reads at a time; less work isn't worth waking another.
const GRAIN: usize = 32 * 1024;

impl Blocks {
    /// Runs `body` for the parts of all blocks: the place of the part's first element in the first row of its
    /// block, and the part's results. Rows are cut only where there is one block.
    fn for_parts<R: Send>(self, out: &mut [R], body: impl Fn(usize, &mut [R]) + Sync) {
        let Blocks { outer, count, inner } = self;
        let results = match outer {
            1 => inner.min((GRAIN / count.max(1)).max(64)),
            _ => inner * (GRAIN / (count * inner).max(1)).max(1),
        };
        pool::chunks_mut(out, results.max(1), |start, mut out| {
            let mut place = start;
            while !out.is_empty() {
                let (block, column) = (place / inner, place % inner);
                let length = (inner - column).min(out.len());
                let (part, rest) = std::mem::take(&mut out).split_at_mut(length);
                body(block * count * inner + column, part);
                place += part.len();
                out = rest;
            }
        });
    }
}

/// `out` = the rows of each block combined by `step`, which must be associative up to rounding; `empty` where there
/// are no rows.
///
/// x is `[outer, count, inner]`, `out` `[outer, inner]`.
///
/// # Panics
/// x is shorter than its blocks, or `out` longer.
pub(crate) fn fold<T: Value>(
    x: &[T],
    blocks: Blocks,
    empty: T,
    out: &mut [T],
    step: impl Fn(T, T) -> T + Sync + Copy,
) {
    let Blocks { count, inner, .. } = blocks;
    if count == 0 {
        return out.fill(empty);
    }
    blocks.for_parts(out, |start, out| match inner {
        1 => out[0] = row(&x[start..start + count], step),
        _ => {
            out.copy_from_slice(&x[start..start + out.len()]);
            for r in 1..count {
                let place = start + r * inner;
                into(out, &x[place..place + out.len()], step);
            }
        }
    });
}

/// `out` = the product of the rows of each block.
pub(crate) fn products<T: Value + Mul<Output = T>>(x: &[T], blocks: Blocks, out: &mut [T]) {
    fold(
        x,
        blocks,
        T::of_double(1.0),
        out,
        #[inline(always)]
        |a, b| a * b,
    );
}

/// `out` = the sum of the rows of each block; it wraps around.
///
/// # Panics
/// x is shorter than its blocks, or `out` longer.
///
/// ```
/// use chainrule_kernel::fold::{Blocks, integer_sums};
/// let mut sums = [0; 2];
/// integer_sums(&[1, 2, i64::MAX, 1], Blocks { outer: 2, count: 2, inner: 1 }, &mut sums);
/// assert_eq!(sums, [3, i64::MIN]);
/// ```
#[inline(never)]
pub fn integer_sums(x: &[i64], blocks: Blocks, out: &mut [i64]) {
    fold(x, blocks, 0, out, i64::wrapping_add);
}

/// `out` = the product of the rows of each block; it wraps around.
///
/// # Panics
/// x is shorter than its blocks, or `out` longer.
///
/// ```
/// use chainrule_kernel::fold::{Blocks, integer_products};
/// let mut products = [0; 2];
/// integer_products(&[1, 2, 3, 4, 5, 6], Blocks { outer: 1, count: 3, inner: 2 }, &mut products);
/// assert_eq!(products, [15, 48]);
/// ```
#[inline(never)]
pub fn integer_products(x: &[i64], blocks: Blocks, out: &mut [i64]) {
    fold(x, blocks, 1, out, i64::wrapping_mul);
}

const LANES: usize = 32;

multiversion! {
    /// The elements of a row, of which there is one at least, combined: lane by lane, then the lanes.
    fn row[T: Value, F: Fn(T, T) -> T](x: &[T], step: F) -> T {
        let Some((first, rest)) = x.split_first_chunk::<LANES>() else {
            return x[1..].iter().fold(x[0], |a, &b| step(a, b));
        };
        let mut lanes = *first;
        let chunks = rest.chunks_exact(LANES);
        let last = chunks.remainder();
        for chunk in chunks {
            for (lane, &value) in lanes.iter_mut().zip(chunk) {
                *lane = step(*lane, value);
            }
        }
        for (lane, &value) in lanes.iter_mut().zip(last) {
            *lane = step(*lane, value);
        }
        lanes[1..].iter().fold(lanes[0], |a, &b| step(a, b))
    }
}

multiversion! {
    fn into[T: Value, F: Fn(T, T) -> T](sum: &mut [T], x: &[T], step: F) {
        for (sum, &x) in sum.iter_mut().zip(x) {
            *sum = step(*sum, x);
        }
    }
}

/// The extreme of two, of which b may win over a; NaN where one is NaN.
#[inline(always)]
#[allow(clippy::eq_op)] // Only NaN differs from itself.
pub(crate) fn further<T: Value>(a: T, b: T, wins: bool) -> T {
    if wins | (b != b) { b } else { a }
}

/// `out` = for each block and column, the row of the first element that equals `extremes` (NaN equals NaN); 0 where none
/// does. `extremes` and `out` are `[outer, inner]`.
///
/// # Panics
/// x or `extremes` are shorter than the blocks, or `out` is longer.
pub(crate) fn place_of<T: Value>(x: &[T], blocks: Blocks, extremes: &[T], out: &mut [i64]) {
    let Blocks { count, inner, .. } = blocks;
    blocks.for_parts(out, |start, out| {
        let first = start / (count * inner).max(1) * inner + start % inner;
        let wanted = &extremes[first..first + out.len()];
        if inner == 1 {
            out[0] = first_place(&x[start..start + count], wanted[0]) as i64;
            return;
        }
        // From the last row to the first, so that the first of equals stays.
        for r in (0..count).rev() {
            let row = &x[start + r * inner..start + r * inner + out.len()];
            mark(out, row, wanted, r as i64);
        }
    });
}

/// Whether this is the extreme that was found.
#[inline(always)]
#[allow(clippy::eq_op)] // Only NaN differs from itself.
fn is<T: Value>(x: T, wanted: T) -> bool {
    (x == wanted) | ((x != x) & (wanted != wanted))
}

multiversion! {
    /// The first place of an element of the row.
    #[allow(clippy::needless_range_loop)] // A loop of constant length becomes vector code.
    fn first_place[T: Value](row: &[T], wanted: T) -> usize {
        let (chunks, last) = row.as_chunks::<LANES>();
        for (chunk, x) in chunks.iter().enumerate() {
            let mut found = false;
            for i in 0..LANES {
                found |= is(x[i], wanted);
            }
            if found {
                return chunk * LANES + x.iter().position(|&x| is(x, wanted)).unwrap_or(0);
            }
        }
        chunks.len() * LANES + last.iter().position(|&x| is(x, wanted)).unwrap_or(0)
    }
}

multiversion! {
    /// `place[i] = r` where the row has what is wanted.
    fn mark[T: Value](place: &mut [i64], row: &[T], wanted: &[T], r: i64) {
        for ((place, &x), &wanted) in place.iter_mut().zip(row).zip(wanted) {
            *place = if is(x, wanted) { r } else { *place };
        }
    }
}

/// `out` = Σ (x − mean)² / `freedom` of the rows of each block, computed in f64.
///
/// The mean's rounding error is taken out again: Σ (x − m)² − (Σ (x − m))²/n. Where `freedom` is 0, NaN or infinity.
///
/// # Panics
/// x is shorter than its blocks, or `out` longer.
pub(crate) fn variance<T: Value>(x: &[T], blocks: Blocks, freedom: f64, out: &mut [f64]) {
    let Blocks { count, inner, .. } = blocks;
    let n = count as f64;
    let combine = |linear: f64, square: f64| (square - linear * linear / n) / freedom;
    blocks.for_parts(out, |start, out| {
        if inner == 1 {
            let x = &x[start..start + count];
            let (sum, _) = moments(x, 0.0);
            let (linear, square) = moments(x, sum / n);
            out[0] = combine(linear, square);
            return;
        }
        let row = |r: usize| &x[start + r * inner..start + r * inner + out.len()];
        let (mut mean, mut linear) = (vec![0.0; out.len()], vec![0.0; out.len()]);
        for r in 0..count {
            add_to(&mut mean, row(r));
        }
        mean.iter_mut().for_each(|mean| *mean /= n);
        let mut square = vec![0.0; out.len()];
        for r in 0..count {
            add_moments(&mut linear, &mut square, row(r), &mean);
        }
        for ((out, linear), square) in out.iter_mut().zip(linear).zip(square) {
            *out = combine(linear, square);
        }
    });
}

multiversion! {
    /// Σ (x − m) and Σ (x − m)².
    fn moments[T: Value](x: &[T], m: f64) -> (f64, f64) {
        const LANES: usize = 16;
        let (mut linear, mut square) = ([0.0f64; LANES], [0.0f64; LANES]);
        for chunk in x.chunks(LANES) {
            for ((linear, square), x) in linear.iter_mut().zip(&mut square).zip(chunk) {
                let d = x.double() - m;
                *linear += d;
                *square += d * d;
            }
        }
        (linear.iter().sum(), square.iter().sum())
    }
}

multiversion! {
    fn add_to[T: Value](sum: &mut [f64], x: &[T]) {
        for (sum, x) in sum.iter_mut().zip(x) {
            *sum += x.double();
        }
    }
}

multiversion! {
    fn add_moments[T: Value](linear: &mut [f64], square: &mut [f64], x: &[T], m: &[f64]) {
        for (((linear, square), x), m) in linear.iter_mut().zip(square).zip(x).zip(m) {
            let d = x.double() - m;
            *linear += d;
            *square += d * d;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every layout of blocks against loops, with any number of threads.
    #[test]
    fn blocks_agree_with_naive_loops() {
        for (outer, count, inner) in
            [(1, 1, 1), (3, 5, 1), (2, 100, 1), (1, 7, 300), (4, 3, 5), (700, 70, 1), (1, 900, 130)]
        {
            let x: Vec<f64> =
                (0..outer * count * inner).map(|i| (i * 7919 % 1009) as f64 * 0.01 - 5.0).collect();
            let blocks = Blocks { outer, count, inner };
            let column = |i: usize| -> Vec<f64> {
                let (o, c) = (i / inner, i % inner);
                (0..count).map(|r| x[(o * count + r) * inner + c]).collect()
            };
            let mut kept: Option<(Vec<f64>, Vec<i64>, Vec<f64>)> = None;
            for threads in [1, 2, 3] {
                pool::set_num_threads(threads);
                let mut largest = vec![0.0; outer * inner];
                let (mut places, mut variances) = (vec![-1; outer * inner], largest.clone());
                f64::extremes(&x, blocks, true, &mut largest);
                f64::places(&x, blocks, &largest, &mut places);
                variance(&x, blocks, count as f64, &mut variances);
                for i in 0..outer * inner {
                    let column = column(i);
                    let expected = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    assert_eq!(largest[i], expected);
                    assert_eq!(places[i] as usize, column.iter().position(|&x| x == expected).unwrap());
                    let mean = column.iter().sum::<f64>() / count as f64;
                    let naive = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
                    assert!((variances[i] - naive).abs() < 1e-12 * naive.max(1.0));
                }
                let all = (largest, places, variances);
                assert!(kept.get_or_insert(all.clone()) == &all);
            }
        }
    }
}
