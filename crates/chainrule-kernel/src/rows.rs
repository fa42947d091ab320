//! Softmax and its relatives over the rows of a matrix.

// `x != x` is how a NaN is told from other elements of any type, without a branch.
#![allow(clippy::eq_op)]

use super::map::{Body, Float, Operand};
use super::real::Real;
use super::sum::{self, Add};
use super::{memory, multiversion, pool};

struct ExpMinus;
impl Body<2> for ExpMinus {
    fn call<R: Real>(&self, [x, largest]: [R; 2]) -> R {
        (x - largest).exp()
    }
}

struct Over;
impl Body<2> for Over {
    fn call<R: Real>(&self, [x, y]: [R; 2]) -> R {
        x / y
    }
}

struct Log;
impl Body<1> for Log {
    fn call<R: Real>(&self, [x]: [R; 1]) -> R {
        x.log()
    }
}

multiversion! {
    /// The largest element; NaN where one is NaN.
    fn largest[T: Float](row: &[T]) -> T {
        const LANES: usize = 32;
        // NaN is taken, and stays.
        let larger = |m: T, x: T| if (x > m) | (x != x) { x } else { m };
        let least = T::of_double(f64::NEG_INFINITY);
        if row.len() < LANES {
            return row.iter().fold(least, |m, &x| larger(m, x));
        }
        let mut lanes = [least; LANES];
        let (chunks, rest) = row.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                lanes[i] = larger(lanes[i], chunk[i]);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane = larger(*lane, x);
        }
        lanes.into_iter().fold(lanes[0], larger)
    }
}

/// Rows that one thread works on at a time.
fn grain(columns: usize) -> usize {
    (16 * 1024 / columns.max(1)).max(1)
}

/// `out = softmax(x)` over rows of this length: exp(x − max) / Σ exp(x − max).
pub(crate) fn softmax<T: Float + Add>(x: &[T], columns: usize, out: &mut [T]) {
    pool::chunks_mut(out, grain(columns) * columns, |start, out| {
        let mut exponentials = memory::take::<T>(columns);
        for (row, out) in x[start..start + out.len()].chunks_exact(columns).zip(out.chunks_exact_mut(columns))
        {
            T::run(&ExpMinus, [Operand::Slice(row), Operand::One(largest(row))], &mut exponentials);
            let total = sum::sum(&exponentials);
            T::run(&Over, [Operand::Slice(&exponentials), Operand::One(total)], out);
        }
        memory::give(exponentials);
    });
}

struct Times;
impl Body<2> for Times {
    fn call<R: Real>(&self, [x, y]: [R; 2]) -> R {
        x * y
    }
}

/// `g·y − y·total`, from g·y.
struct Weighted;
impl Body<3> for Weighted {
    fn call<R: Real>(&self, [gy, y, total]: [R; 3]) -> R {
        gy - y * total
    }
}

/// `g − eʸ·total`
struct LogWeighted;
impl Body<3> for LogWeighted {
    fn call<R: Real>(&self, [g, y, total]: [R; 3]) -> R {
        g - y.exp() * total
    }
}

/// Where the upstream gradients of rows are.
///
/// ```
/// use chainrule_kernel::{Kernels, rows::Upstream};
/// let y = [0.5, 0.5, 0.25, 0.75];
/// let mut dx = [0.0; 4];
/// f64::softmax_gradient(Upstream::Each(&[1.0, 0.0], 2), &y, 2, &mut dx); // one for both rows
/// assert_eq!(dx, [0.25, -0.25, 0.1875, -0.1875]);
/// let mut dx = [1.0, 0.0, 1.0, 0.0];
/// f64::softmax_gradient(Upstream::Here, &y, 2, &mut dx);
/// assert_eq!(dx, [0.25, -0.25, 0.1875, -0.1875]);
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Upstream<'a, T> {
    /// One row of gradients after another, each for so many rows of the output.
    Each(&'a [T], usize),
    /// In `out`, where the result goes.
    Here,
}

/// The gradient of softmax from the upstream gradient and the output: `y·(g − Σ g·y)` over rows of this length.
pub(crate) fn softmax_gradient<T: Float + Add>(g: Upstream<'_, T>, y: &[T], columns: usize, out: &mut [T]) {
    pool::chunks_mut(out, grain(columns) * columns, |start, out| {
        let mut products = memory::take::<T>(columns);
        for (i, out) in out.chunks_exact_mut(columns).enumerate() {
            let row = start / columns + i;
            let y = &y[row * columns..][..columns];
            let g = match g {
                Upstream::Each(g, rows) => &g[row / rows * columns..][..columns],
                Upstream::Here => &*out,
            };
            T::run(&Times, [Operand::Slice(g), Operand::Slice(y)], &mut products);
            let total = sum::sum(&products);
            T::run(&Weighted, [Operand::Slice(&products), Operand::Slice(y), Operand::One(total)], out);
        }
        memory::give(products);
    });
}

/// The gradient of the logarithm of softmax: `g − eʸ·Σ g` over rows of this length.
pub(crate) fn log_softmax_gradient<T: Float + Add>(g: &[T], y: &[T], columns: usize, out: &mut [T]) {
    pool::chunks_mut(out, grain(columns) * columns, |start, out| {
        let (g, y) = (&g[start..start + out.len()], &y[start..start + out.len()]);
        let together = together(columns) * columns;
        let mut totals = memory::take::<T>(if columns < SHORT { together.min(out.len()) } else { 0 });
        for (part, out) in out.chunks_mut(together).enumerate() {
            let place = part * together;
            let (g, y) = (&g[place..place + out.len()], &y[place..place + out.len()]);
            let total = match columns < SHORT {
                true => {
                    let totals = &mut totals[..out.len()];
                    for (totals, g) in totals.chunks_exact_mut(columns).zip(g.chunks_exact(columns)) {
                        totals.fill(sum::sum(g));
                    }
                    Operand::Slice(&*totals)
                }
                false => Operand::One(sum::sum(g)),
            };
            T::run(&LogWeighted, [Operand::Slice(g), Operand::Slice(y), total], out);
        }
        memory::give(totals);
    });
}

/// Rows shorter than this are exponentiated several at a time: alone they wouldn't fill the vectors.
const SHORT: usize = 64;

/// How many rows of this length are worked on at a time.
fn together(columns: usize) -> usize {
    if columns < SHORT { 1024 / columns.max(1) } else { 1 }
}

/// `out[r] = ln Σ exp(x)` of each row.
pub(crate) fn logsumexp<T: Float + Add>(x: &[T], columns: usize, out: &mut [T]) {
    // All −∞, or one +∞: the exponentials are NaN.
    logarithms(x, columns, out, |m, log| if m.double().is_infinite() { m } else { m + log });
}

/// `out[r] = of(m, ln Σ exp(x − m))` of each row, whose largest element is m.
fn logarithms<T: Float + Add>(x: &[T], columns: usize, out: &mut [T], of: impl Fn(T, T) -> T + Sync) {
    pool::chunks_mut(out, grain(columns), |start, out| {
        let x = &x[start * columns..(start + out.len()) * columns];
        let together = together(columns);
        let mut exponentials = memory::take::<T>(together.min(out.len()) * columns);
        let several = together > 1 && out.len() > 1;
        let mut spread = memory::take::<T>(if several { exponentials.len() } else { 0 });
        for (part, out) in out.chunks_mut(together).enumerate() {
            let x = &x[part * together * columns..][..out.len() * columns];
            let exponentials = &mut exponentials[..x.len()];
            out.iter_mut().enumerate().for_each(|(i, m)| *m = largest(&x[i * columns..(i + 1) * columns]));
            if let [m] = out {
                T::run(&ExpMinus, [Operand::Slice(x), Operand::One(*m)], exponentials);
            } else {
                spread.chunks_exact_mut(columns.max(1)).zip(&*out).for_each(|(row, &m)| row.fill(m));
                let spread = &spread[..x.len()];
                T::run(&ExpMinus, [Operand::Slice(x), Operand::Slice(spread)], exponentials);
            }
            for (i, out) in out.iter_mut().enumerate() {
                let log = T::map_one(&Log, [sum::sum(&exponentials[i * columns..(i + 1) * columns])]);
                *out = of(*out, log);
            }
        }
        memory::give(exponentials);
        memory::give(spread);
    });
}

/// `out = (x − m) − ln Σ exp(x − m)` over rows of this length, whose largest element is m: of large numbers the
/// logarithm alone would be rounded away.
pub(crate) fn log_softmax<T: Float + Add + std::ops::Sub<Output = T>>(
    x: &[T],
    columns: usize,
    out: &mut [T],
) {
    let mut logs = memory::take::<T>(x.len() / columns.max(1));
    // One infinite value leaves no finite logarithm, nor one of zero: all are NaN, as in PyTorch.
    logarithms(
        x,
        columns,
        &mut logs,
        |m, log| if m.double().is_infinite() { T::of_double(f64::NAN) } else { log },
    );
    pool::chunks_mut(out, grain(columns) * columns, |start, out| {
        let rows = x[start..start + out.len()].chunks_exact(columns);
        for ((row, out), log) in rows.zip(out.chunks_exact_mut(columns)).zip(&logs[start / columns..]) {
            subtract(row, largest(row), *log, out);
        }
    });
    memory::give(logs);
}

multiversion! {
    /// `out[i] = (x[i] − y) − z`
    fn subtract[T: Float + std::ops::Sub<Output = T>](x: &[T], y: T, z: T, out: &mut [T]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = (*x - y) - z;
        }
    }
}
