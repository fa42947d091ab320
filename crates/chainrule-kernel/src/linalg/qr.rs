//! `Q·R` by reflections.

use super::Matrix;
use super::reflect::reflection;

/// `A = Q·R` with orthonormal columns in Q and an upper triangular R. Q is square where `complete`, else as wide as the
/// smaller side of A.
///
/// ```
/// use chainrule_kernel::linalg::{Matrix, qr};
/// let (q, r) = qr(Matrix::new(2, 1, vec![3.0, 4.0]), false);
/// assert!((r.values[0] + 5.0).abs() < 1e-15); // LAPACK's sign
/// assert!((q.values[0] + 0.6).abs() < 1e-15 && (q.values[1] + 0.8).abs() < 1e-15);
/// ```
/// An orthogonal Q (all columns, or as many as the smaller side) and a triangular R.
#[inline(never)]
pub fn qr(mut a: Matrix, complete: bool) -> (Matrix, Matrix) {
    let (rows, columns) = (a.rows, a.columns);
    let steps = rows.min(columns);
    let mut reflections = Vec::with_capacity(steps);
    for k in 0..steps {
        let h = reflection((k..rows).map(|i| a[(i, k)]).collect());
        h.apply_left(&mut a, k, k + 1);
        a[(k, k)] = h.value;
        (k + 1..rows).for_each(|i| a[(i, k)] = 0.0);
        reflections.push(h);
    }
    let mut q = Matrix::identity(rows, if complete { rows } else { steps });
    for (k, h) in reflections.iter().enumerate().rev() {
        h.apply_left(&mut q, k, k);
    }
    let kept = q.columns;
    a.values.truncate(kept * columns);
    (q, Matrix::new(kept, columns, a.values))
}
