//! Factorisations of dense matrices, in double precision whatever the tensors' element type.
//!
//! They are our own because they are few and short: LU, Cholesky and triangular solves work in blocks on the
//! library's matrix product; QR, eigenvalues and singular values are Householder's reflections followed by
//! implicitly shifted QR steps. Signs that mathematics leaves open follow LAPACK's choice, so that results
//! can be compared number by number. Every sum runs in an order that the shape alone decides.

mod cholesky;
mod eigen;
mod exp;
mod lu;
mod qr;
mod reflect;
mod rotate;
mod svd;
#[cfg(test)]
mod tests;
mod triangular;

pub use cholesky::cholesky;
pub use eigen::eigen;
pub use exp::exp;
pub use lu::{Lu, lu};
pub use qr::qr;
pub use svd::{Svd, svd};
pub use triangular::{Triangle, solve_triangular};

use std::ops::{Index, IndexMut};

use super::matmul;

/// Rows and columns that are handled together before the matrix product does the rest.
const BLOCK: usize = 48;

/// A dense matrix, row by row. Element (i, j) is `matrix[(i, j)]`.
///
/// ```
/// use chainrule_kernel::linalg::Matrix;
/// let mut a = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]);
/// a[(1, 0)] = 5.0;
/// assert_eq!((a[(0, 1)], a.row(1)), (2.0, &[5.0, 4.0][..]));
/// ```
#[derive(Debug, Clone)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// `rows·columns` elements, one row after another.
    pub values: Vec<f64>,
}

impl Matrix {
    /// The matrix of these elements, of which there must be `rows·columns`.
    ///
    /// ```
    /// use chainrule_kernel::linalg::Matrix;
    /// assert_eq!(Matrix::new(1, 3, vec![1.0, 2.0, 3.0]).columns, 3);
    /// ```
    pub fn new(rows: usize, columns: usize, values: Vec<f64>) -> Matrix {
        debug_assert_eq!(values.len(), rows * columns);
        Matrix { rows, columns, values }
    }

    pub(crate) fn zeros(rows: usize, columns: usize) -> Matrix {
        Matrix::new(rows, columns, vec![0.0; rows * columns])
    }

    /// Ones on the diagonal, zeros elsewhere.
    ///
    /// ```
    /// use chainrule_kernel::linalg::Matrix;
    /// assert_eq!(Matrix::identity(2, 3).values, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    /// ```
    pub fn identity(rows: usize, columns: usize) -> Matrix {
        let mut one = Matrix::zeros(rows, columns);
        for i in 0..rows.min(columns) {
            one[(i, i)] = 1.0;
        }
        one
    }

    /// `Aᵀ`
    ///
    /// ```
    /// use chainrule_kernel::linalg::Matrix;
    /// assert_eq!(Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]).transposed().values, [1.0, 3.0, 2.0, 4.0]);
    /// ```
    pub fn transposed(&self) -> Matrix {
        let mut out = Matrix::zeros(self.columns, self.rows);
        for i in 0..self.rows {
            for (j, &x) in self.row(i).iter().enumerate() {
                out.values[j * self.rows + i] = x;
            }
        }
        out
    }

    /// Row i.
    ///
    /// # Panics
    /// There is no such row.
    ///
    /// ```
    /// use chainrule_kernel::linalg::Matrix;
    /// assert_eq!(Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]).row(1), [3.0, 4.0]);
    /// ```
    #[inline]
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// Row i, for writing.
    ///
    /// # Panics
    /// There is no such row.
    ///
    /// ```
    /// use chainrule_kernel::linalg::Matrix;
    /// let mut a = Matrix::identity(2, 2);
    /// a.row_mut(0).fill(7.0);
    /// assert_eq!(a.values, [7.0, 7.0, 0.0, 1.0]);
    /// ```
    #[inline]
    pub fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// Two different rows, the first to read and write as well.
    fn two_rows(&mut self, i: usize, j: usize) -> (&mut [f64], &mut [f64]) {
        let n = self.columns;
        if i < j {
            let (front, back) = self.values.split_at_mut(j * n);
            (&mut front[i * n..(i + 1) * n], &mut back[..n])
        } else {
            let (front, back) = self.values.split_at_mut(i * n);
            (&mut back[..n], &mut front[j * n..(j + 1) * n])
        }
    }

    pub(crate) fn swap_rows(&mut self, i: usize, j: usize) {
        if i != j {
            let (a, b) = self.two_rows(i, j);
            a.swap_with_slice(b);
        }
    }

    /// Row `i` += factor × row `j`, from a column on.
    fn add_row(&mut self, i: usize, factor: f64, j: usize, from: usize, to: usize) {
        let (target, source) = self.two_rows(i, j);
        for (y, x) in target[from..to].iter_mut().zip(&source[from..to]) {
            *y += factor * x;
        }
    }

    /// The columns from `from` up to `to`.
    pub(crate) fn columns(&self, from: usize, to: usize) -> Matrix {
        let values = (0..self.rows).flat_map(|i| self.row(i)[from..to].iter().copied()).collect();
        Matrix::new(self.rows, to - from, values)
    }

    /// The matrix product `self · other`.
    ///
    /// # Panics
    /// `other` has fewer rows than `self` has columns.
    ///
    /// ```
    /// use chainrule_kernel::linalg::Matrix;
    /// let a = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(a.product(&a).values, [7.0, 10.0, 15.0, 22.0]);
    /// ```
    pub fn product(&self, other: &Matrix) -> Matrix {
        let mut out = Matrix::zeros(self.rows, other.columns);
        let whole = |x: &Matrix| (0, 0, x.rows, x.columns);
        out.values = block_product(self, whole(self), other, whole(other));
        out
    }
}

impl Index<(usize, usize)> for Matrix {
    type Output = f64;
    #[inline]
    fn index(&self, (i, j): (usize, usize)) -> &f64 {
        &self.values[i * self.columns + j]
    }
}

impl IndexMut<(usize, usize)> for Matrix {
    #[inline]
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut f64 {
        &mut self.values[i * self.columns + j]
    }
}

/// The product of a block of `a` and one of `b`, each given as (first row, first column, rows, columns).
fn block_product(
    a: &Matrix,
    (i, k, m, inner): (usize, usize, usize, usize),
    b: &Matrix,
    (l, j, _, n): (usize, usize, usize, usize),
) -> Vec<f64> {
    let view = |x: &'_ Matrix, row: usize, column: usize| row * x.columns + column;
    let mut out = vec![0.0; m * n];
    if m > 0 && n > 0 && inner > 0 {
        let left = matmul::Matrix { data: &a.values[view(a, i, k)..], row: a.columns, column: 1 };
        let right = matmul::Matrix { data: &b.values[view(b, l, j)..], row: b.columns, column: 1 };
        matmul::product(m, inner, n, left, right, &mut out, false);
    }
    out
}

/// Subtracts the rows of `block`, `columns` long, from those of `x` that start at a row and a column.
fn subtract_block(x: &mut Matrix, row: usize, column: usize, block: &[f64], columns: usize) {
    for (i, values) in block.chunks(columns.max(1)).enumerate() {
        for (y, v) in x.row_mut(row + i)[column..column + columns].iter_mut().zip(values) {
            *y -= v;
        }
    }
}

/// The length of a vector, without overflow on the way.
fn length(x: &[f64]) -> f64 {
    let largest = x.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return if x.iter().any(|v| v.is_nan()) { f64::NAN } else { largest };
    }
    if (1e-140..1e140).contains(&largest) {
        return x.iter().map(|v| v * v).sum::<f64>().sqrt();
    }
    largest * x.iter().map(|v| (v / largest) * (v / largest)).sum::<f64>().sqrt()
}

/// `size` with the sign of `sign`.
fn signed(size: f64, sign: f64) -> f64 {
    size.abs().copysign(sign)
}
