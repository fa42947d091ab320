//! Householder's reflections `H = I − τ·v·vᵀ`.

use super::{Matrix, length, signed};

/// A reflection; `v[0]` is 1.
#[derive(Debug, Clone)]
pub(super) struct Reflection {
    pub(super) v: Vec<f64>,
    pub(super) tau: f64,
    /// What the vector becomes: this in front, zeros behind.
    pub(super) value: f64,
}

/// The reflection that turns a vector into a multiple of the first unit vector. The multiple has the sign
/// that avoids cancellation; a vector that is one already is left alone (τ = 0).
pub(super) fn reflection(mut x: Vec<f64>) -> Reflection {
    let rest = if x.len() > 1 { length(&x[1..]) } else { 0.0 };
    let first = x.first().copied().unwrap_or(0.0);
    let (mut tau, mut value) = (0.0, first);
    if rest != 0.0 {
        value = -signed(first.hypot(rest), first);
        tau = (value - first) / value;
        x[1..].iter_mut().for_each(|v| *v /= first - value);
    }
    if let Some(first) = x.first_mut() {
        *first = 1.0;
    }
    Reflection { v: x, tau, value }
}

impl Reflection {
    /// `A := H·A`, for the rows from `row` on and the columns from `column` on.
    pub(super) fn apply_left(&self, a: &mut Matrix, row: usize, column: usize) {
        if self.tau == 0.0 {
            return;
        }
        let mut sums = vec![0.0; a.columns - column];
        for (i, v) in self.v.iter().enumerate() {
            for (s, x) in sums.iter_mut().zip(&a.row(row + i)[column..]) {
                *s += v * x;
            }
        }
        for (i, v) in self.v.iter().enumerate() {
            let factor = self.tau * v;
            for (x, s) in a.row_mut(row + i)[column..].iter_mut().zip(&sums) {
                *x -= factor * s;
            }
        }
    }

    /// `A := A·H`, for the rows from `row` on and the columns from `column` on.
    pub(super) fn apply_right(&self, a: &mut Matrix, row: usize, column: usize) {
        if self.tau == 0.0 {
            return;
        }
        for i in row..a.rows {
            let x = &mut a.row_mut(i)[column..column + self.v.len()];
            let factor = self.tau * dot(x, &self.v);
            for (x, v) in x.iter_mut().zip(&self.v) {
                *x -= factor * v;
            }
        }
    }
}

/// A scalar product in four interleaved sums.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (x, y) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = x.remainder().iter().zip(y.remainder()).map(|(a, b)| a * b).sum();
    for (x, y) in x.zip(y) {
        for i in 0..4 {
            sums[i] += x[i] * y[i];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}
