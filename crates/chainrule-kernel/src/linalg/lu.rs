//! `P·L·U`: elimination with row pivots.

use super::{BLOCK, Matrix, Triangle, block_product, solve_triangular, subtract_block};

/// `A = P·L·U`: both factors in one matrix, and the rows that changed places.
///
/// ```
/// use chainrule_kernel::linalg::{Matrix, lu};
/// let factors = lu(Matrix::new(2, 2, vec![1.0, 2.0, 4.0, 4.0]));
/// assert_eq!(factors.packed.values, [4.0, 4.0, 0.25, 1.0]); // U is [4 4; 0 1], L is [1 0; ¼ 1]
/// assert_eq!((factors.pivots, factors.singular), (vec![1, 1], None));
/// ```
#[derive(Debug, Clone)]
pub struct Lu {
    /// U on and above the diagonal, L below; the ones on L's diagonal aren't stored.
    pub packed: Matrix,
    /// Step k swapped row k with row `pivots[k]`.
    pub pivots: Vec<usize>,
    /// The first step whose pivot is exactly 0: U, and with it the matrix, is singular.
    pub singular: Option<usize>,
}

/// Factors a matrix of any shape; the pivot is the largest element of what is left of a column.
///
/// ```
/// use chainrule_kernel::linalg::{Matrix, lu};
/// assert_eq!(lu(Matrix::new(2, 2, vec![1.0, 2.0, 2.0, 4.0])).singular, Some(1));
/// ```
#[inline(never)]
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
    /// The solution X of `A·X = B`, for a square A. Where A is singular it has infinities or NaN.
    ///
    /// # Panics
    /// B has other than A's rows.
    ///
    /// ```
    /// use chainrule_kernel::linalg::{Matrix, lu};
    /// let x = lu(Matrix::new(2, 2, vec![1.0, 2.0, 4.0, 4.0])).solve(Matrix::new(2, 1, vec![5.0, 12.0]));
    /// assert_eq!(x.values, [1.0, 2.0]);
    /// ```
    pub fn solve(&self, mut b: Matrix) -> Matrix {
        for (k, &pivot) in self.pivots.iter().enumerate() {
            b.swap_rows(k, pivot);
        }
        solve_triangular(&self.packed, Triangle { upper: false, unit: true }, &mut b);
        solve_triangular(&self.packed, Triangle { upper: true, unit: false }, &mut b);
        b
    }

    /// Sign of the determinant and `ln |det A|`, for a square matrix: (0, −∞) where it is singular.
    ///
    /// ```
    /// use chainrule_kernel::linalg::{Matrix, lu};
    /// assert_eq!(lu(Matrix::new(2, 2, vec![1.0, 2.0, 4.0, 4.0])).log_determinant(), (-1.0, 4f64.ln()));
    /// ```
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
    ///
    /// ```
    /// use chainrule_kernel::linalg::{Matrix, lu};
    /// assert_eq!(lu(Matrix::new(2, 2, vec![1.0, 2.0, 4.0, 4.0])).determinant(), -4.0);
    /// ```
    pub fn determinant(&self) -> f64 {
        let swap = |(k, &pivot): (usize, &usize)| if pivot == k { 1.0 } else { -1.0 };
        let sign: f64 = self.pivots.iter().enumerate().map(swap).product();
        (0..self.packed.rows).fold(sign, |product, k| product * self.packed[(k, k)])
    }
}

fn signum(x: f64) -> f64 {
    if x.is_nan() { x } else { 1f64.copysign(x) }
}
