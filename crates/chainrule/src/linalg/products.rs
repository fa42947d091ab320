//! Products.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The product of matrices and vectors: see [`Tensor::matmul`].
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::matmul(&tensor([1, 2]), &tensor([3, 4]))?.item()?, 11.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As there.
#[track_caller]
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.matmul(b)
}

/// The vector product along a dimension of three elements: see [`Tensor::cross`].
///
/// ```
/// use chainrule::{linalg, tensor};
/// let z = linalg::cross(&tensor([1, 0, 0]), &tensor([0, 1, 0]), -1)?;
/// assert_eq!(z.to_vec::<i64>()?, [0, 0, 1]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As there.
#[track_caller]
pub fn cross(a: &Tensor, b: &Tensor, dim: isize) -> Result<Tensor> {
    a.cross(b, dim)
}

/// The powers 0 to `columns` − 1 of each element: see [`Tensor::vander`].
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::vander(&tensor([2, 3]), 3)?.to_vec::<i64>()?, [1, 2, 4, 1, 3, 9]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As there.
#[track_caller]
pub fn vander(x: &Tensor, columns: usize) -> Result<Tensor> {
    x.vander(columns)
}

/// The scalar products along a dimension; the shapes broadcast.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let y = linalg::vecdot(&tensor([[1, 2], [3, 4]]), &tensor([1, 10]), -1)?;
/// assert_eq!(y.to_vec::<i64>()?, [21, 43]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The shapes don't broadcast, or the dimension doesn't exist.
#[track_caller]
pub fn vecdot(a: &Tensor, b: &Tensor, dim: isize) -> Result<Tensor> {
    let both = Tensor::broadcast_tensors(&[a, b])?;
    both[0].mul(&both[1])?.sum_dim(&[dim], false)
}

/// The product of several matrices, in the order of multiplication that takes the fewest multiply-adds (Cormen
/// et al., Introduction to Algorithms, section 15.2). The first and the last may be vectors.
///
/// ```
/// use chainrule::{linalg, tensor, Tensor};
/// let (column, row) = (Tensor::ones([100, 1]), Tensor::ones([1, 100]));
/// // (column·row)·column would take 20000 multiply-adds; this takes 200.
/// assert_eq!(linalg::multi_dot(&[&column, &row, &column])?.shape(), [100, 1]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// There are fewer than two, their shapes don't fit, or one between the first and the last isn't a matrix.
#[track_caller]
pub fn multi_dot(matrices: &[&Tensor]) -> Result<Tensor> {
    let refuse = |rule: &str| {
        Err(Error::shape(rule).at_gate("LinalgMultiDot").with_inputs(matrices.iter().map(|x| x.meta())))
    };
    let count = matrices.len();
    if count < 2 {
        return refuse("there are at least two matrices to multiply");
    }
    let ends = |i: usize| i == 0 || i + 1 == count;
    if matrices.iter().enumerate().any(|(i, x)| x.rank() != 2 && !(ends(i) && x.rank() == 1)) {
        return refuse("these are matrices; the first and the last may be vectors");
    }
    // Rows of each, and the columns of the last.
    let mut sizes: Vec<u128> = matrices
        .iter()
        .enumerate()
        .map(|(i, x)| if i == 0 && x.rank() == 1 { 1 } else { x.shape()[0] as u128 })
        .collect();
    let last = matrices[count - 1].shape();
    sizes.push(if last.rank() == 1 { 1 } else { last[1] as u128 });
    // The cost of the best order for every range, from short ones to long ones, and where it is cut.
    let mut cost = vec![vec![0u128; count]; count];
    let mut cut = vec![vec![0; count]; count];
    for length in 1..count {
        for first in 0..count - length {
            let end = first + length;
            let of = |middle: usize| {
                cost[first][middle]
                    + cost[middle + 1][end]
                    + sizes[first] * sizes[middle + 1] * sizes[end + 1]
            };
            let best = (first..end).min_by_key(|&middle| of(middle)).unwrap_or(first);
            (cost[first][end], cut[first][end]) = (of(best), best);
        }
    }
    multiply(matrices, &cut, 0, count - 1)
}

#[track_caller]
fn multiply(matrices: &[&Tensor], cut: &[Vec<usize>], first: usize, last: usize) -> Result<Tensor> {
    if first == last {
        return Ok(matrices[first].clone());
    }
    let middle = cut[first][last];
    multiply(matrices, cut, first, middle)?.matmul(&multiply(matrices, cut, middle + 1, last)?)
}
