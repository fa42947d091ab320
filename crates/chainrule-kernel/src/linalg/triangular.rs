//! Systems with a triangular matrix.

use super::{BLOCK, Matrix, block_product, subtract_block};

/// Which part of a matrix counts.
///
/// ```
/// use chainrule_kernel::linalg::Triangle;
/// let of_l = Triangle { upper: false, unit: true }; // where a matrix holds both L and U
/// let of_u = Triangle { upper: true, unit: false };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triangle {
    /// The part above the diagonal; else the part below.
    pub upper: bool,
    /// The diagonal counts as ones, whatever it holds.
    pub unit: bool,
}

/// Solves `T·X = B` in place of B. A zero on the diagonal gives infinities or NaN.
///
/// # Panics
/// T has fewer columns than rows, or B other than T's rows.
///
/// ```
/// use chainrule_kernel::linalg::{Matrix, Triangle, solve_triangular};
/// let t = Matrix::new(2, 2, vec![2.0, 9.0, 1.0, 4.0]);
/// let mut x = Matrix::new(2, 1, vec![6.0, 11.0]);
/// solve_triangular(&t, Triangle { upper: false, unit: false }, &mut x);
/// assert_eq!(x.values, [3.0, 2.0]); // the 9 doesn't count
/// ```
/// Solves `T·X = B` in place of B. A zero on the diagonal gives infinities.
#[inline(never)]
pub fn solve_triangular(t: &Matrix, triangle: Triangle, x: &mut Matrix) {
    let (n, width) = (t.rows, x.columns);
    let blocks: Vec<usize> = (0..n).step_by(BLOCK).collect();
    for block in 0..blocks.len() {
        // From the first row on, or from the last one back.
        let start = blocks[if triangle.upper { blocks.len() - 1 - block } else { block }];
        let end = (start + BLOCK).min(n);
        // What the solved rows contribute to those of this block.
        let (from, to) = if triangle.upper { (end, n) } else { (0, start) };
        if from < to {
            let known =
                block_product(t, (start, from, end - start, to - from), x, (from, 0, to - from, width));
            subtract_block(x, start, 0, &known, width);
        }
        for step in 0..end - start {
            let i = if triangle.upper { end - 1 - step } else { start + step };
            let solved = if triangle.upper { i + 1..end } else { start..i };
            for p in solved {
                x.add_row(i, -t[(i, p)], p, 0, width);
            }
            if !triangle.unit {
                let pivot = t[(i, i)];
                x.row_mut(i).iter_mut().for_each(|v| *v /= pivot);
            }
        }
    }
}
