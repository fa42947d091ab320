//! `P·L·U`: elimination with row pivots.

use super::{BLOCK, Matrix, Triangle, block_product, solve_triangular, subtract_block};

/// Both factors in one matrix (the ones on L's diagonal aren't stored), and the rows that changed places.
#[derive(Debug, Clone)]
pub struct Lu {
    pub packed: Matrix,
    /// Step k swapped row k with row `pivots[k]`.
    pub pivots: Vec<usize>,
    /// The first step whose pivot is exactly 0: U, and with it the matrix, is singular.
    pub singular: Option<usize>,
}

/// Factors a matrix of any shape; the pivot is the largest element of what is left of a column.
pub fn lu(mut a: Matrix) -> Lu {
    let (rows, columns) = (a.rows, a.columns);
    let steps = rows.min(columns);
    let (mut pivots, mut singular) = (Vec::with_capacity(steps), None);
    for start in (0..steps).step_by(BLOCK) {
        let end = (start + BLOCK).min(steps);
        for k in start..end {
            let mut pivot = k;
            for i in k + 1..rows {
                if a[(i, k)].abs() > a[(pivot, k)].abs() {
                    pivot = i;
                }
            }
            pivots.push(pivot);
            a.swap_rows(k, pivot);
            let value = a[(k, k)];
            if value == 0.0 {
                singular.get_or_insert(k);
                continue;
            }
            for i in k + 1..rows {
                let factor = a[(i, k)] / value;
                a[(i, k)] = factor;
                a.add_row(i, -factor, k, k + 1, end);
            }
        }
        // The rows of U to the right of the block, then what is below and right of it.
        for i in start..end {
            for p in start..i {
                let factor = a[(i, p)];
                a.add_row(i, -factor, p, end, columns);
            }
        }
        if end < rows && end < columns {
            let (below, width) = (rows - end, columns - end);
            let update =
                block_product(&a, (end, start, below, end - start), &a, (start, end, end - start, width));
            subtract_block(&mut a, end, end, &update, width);
        }
    }
    Lu { packed: a, pivots, singular }
}

impl Lu {
    /// The solution of `A·X = B`, for a square matrix.
    pub fn solve(&self, mut b: Matrix) -> Matrix {
        for (k, &pivot) in self.pivots.iter().enumerate() {
            b.swap_rows(k, pivot);
        }
        solve_triangular(&self.packed, Triangle { upper: false, unit: true }, &mut b);
        solve_triangular(&self.packed, Triangle { upper: true, unit: false }, &mut b);
        b
    }

    /// Sign and logarithm of the size of the determinant, for a square matrix.
    pub fn log_determinant(&self) -> (f64, f64) {
        let (mut sign, mut log) = (1.0, 0.0);
        for (k, &pivot) in self.pivots.iter().enumerate() {
            let value = self.packed[(k, k)];
            sign *= if value == 0.0 { 0.0 } else { signum(value) };
            sign *= if pivot == k { 1.0 } else { -1.0 };
            log += value.abs().ln();
        }
        (sign, log)
    }

    /// The determinant, for a square matrix.
    pub fn determinant(&self) -> f64 {
        let swap = |(k, &pivot): (usize, &usize)| if pivot == k { 1.0 } else { -1.0 };
        let sign: f64 = self.pivots.iter().enumerate().map(swap).product();
        (0..self.packed.rows).fold(sign, |product, k| product * self.packed[(k, k)])
    }
}

fn signum(x: f64) -> f64 {
    if x.is_nan() { x } else { 1f64.copysign(x) }
}
