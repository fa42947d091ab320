//! `Q·R` by reflections.

use super::Matrix;
use super::reflect::reflection;

/// An orthogonal Q (all columns, or as many as the smaller side) and a triangular R.
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
