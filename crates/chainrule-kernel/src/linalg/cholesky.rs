//! `L·Lᵀ` of a positive definite matrix.

use super::{BLOCK, Matrix, block_product, subtract_block};

/// The lower factor L of a symmetric `A = L·Lᵀ` whose lower triangle is given.
///
/// # Errors
/// A isn't positive definite: the factor as far as it went, and the row, counted from 0, at which it ends.
///
/// ```
/// use chainrule_kernel::linalg::{Matrix, cholesky};
/// let l = cholesky(Matrix::new(2, 2, vec![4.0, 0.0, 2.0, 2.0])).expect("it is positive definite");
/// assert_eq!(l.values, [2.0, 0.0, 1.0, 1.0]);
/// let (_, row) = cholesky(Matrix::new(2, 2, vec![1.0, 0.0, 2.0, 4.0])).expect_err("it is singular");
/// assert_eq!(row, 1);
/// ```
/// The lower factor of a symmetric matrix whose lower triangle is given. `Err` has the factor as far as it
/// went, and the first row up to which the matrix isn't positive definite.
#[inline(never)]
pub fn cholesky(mut a: Matrix) -> Result<Matrix, (Matrix, usize)> {
    let n = a.rows;
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        for j in start..end {
            let pivot = a[(j, j)];
            if pivot.is_nan() || pivot <= 0.0 {
                return Err((lower(a), j));
            }
            let pivot = pivot.sqrt();
            a[(j, j)] = pivot;
            for i in j + 1..n {
                a[(i, j)] /= pivot;
            }
            let column: Vec<f64> = (j + 1..end).map(|i| a[(i, j)]).collect();
            for i in j + 1..n {
                let factor = a[(i, j)];
                for (x, l) in a.row_mut(i)[j + 1..end].iter_mut().zip(&column) {
                    *x -= factor * l;
                }
            }
        }
        if end < n {
            let panel = Matrix::new(n - end, end - start, {
                (end..n).flat_map(|i| a.row(i)[start..end].iter().copied()).collect()
            });
            let (left, right) = ((0, 0, n - end, end - start), (0, 0, end - start, n - end));
            let update = block_product(&panel, left, &panel.transposed(), right);
            subtract_block(&mut a, end, end, &update, n - end);
        }
    }
    Ok(lower(a))
}

fn lower(mut a: Matrix) -> Matrix {
    for i in 0..a.rows {
        a.row_mut(i)[i + 1..].fill(0.0);
    }
    a
}
