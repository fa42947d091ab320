//! Norms, rank and condition.

use super::{Tolerance, eigvalsh, inv_ex, svdvals};
use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::gate::linalg::square;
use crate::gate::vector_norm::MatrixNorm;
use crate::tensor::Tensor;

/// Which norm.
///
/// ```
/// use chainrule::linalg::{self, Ord};
/// use chainrule::tensor;
/// let a = tensor([[3.0, 0.0], [0.0, 4.0]]);
/// assert_eq!(linalg::matrix_norm(&a, Ord::Fro, [-2, -1], false)?.item()?, 5.0);
/// assert_eq!(linalg::matrix_norm(&a, Ord::Number(1.0), [-2, -1], false)?.item()?, 4.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ord {
    /// A number: of vectors `(Σ |x|ᵖ)^(1/p)` and its limits; of matrices ±1 and ±∞ for the largest and smallest
    /// sum of sizes of a column and of a row, ±2 for the largest and smallest singular value
    Number(f64),
    /// Of matrices: `√(Σ x²)`
    Fro,
    /// Of matrices: the sum of the singular values
    Nuc,
}

/// The p-norm over these dimensions (all, where none is named): see [`Tensor::vector_norm`].
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::vector_norm(&tensor([3.0, -4.0]), 2.0, &[], false)?.item()?, 5.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As there.
#[track_caller]
pub fn vector_norm(x: &Tensor, p: f64, dims: &[isize], keep: bool) -> Result<Tensor> {
    x.vector_norm(p, dims, keep)
}

/// A norm of the matrices that lie in two dimensions, rows and columns.
///
/// ```
/// use chainrule::linalg::{self, Ord};
/// use chainrule::tensor;
/// let a = tensor([[0.0, 2.0], [-3.0, 0.0]]);
/// assert_eq!(linalg::matrix_norm(&a, Ord::Nuc, [-2, -1], false)?.to_string(), "tensor(5.)");
/// assert_eq!(linalg::matrix_norm(&a, Ord::Number(2.0), [-2, -1], false)?.to_string(), "tensor(3.)");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// There is no such norm of matrices, a dimension doesn't exist or is named twice, the elements aren't floats, or
/// singular values are wanted of NaN or infinite elements.
#[track_caller]
pub fn matrix_norm(x: &Tensor, ord: Ord, dims: [isize; 2], keep: bool) -> Result<Tensor> {
    let refuse = |error: Error| error.at_gate("LinalgMatrixNorm").with_inputs([x.meta()]);
    let own = match ord {
        Ord::Fro => MatrixNorm::Fro,
        Ord::Number(1.0) => MatrixNorm::One,
        Ord::Number(-1.0) => MatrixNorm::MinusOne,
        Ord::Number(f64::INFINITY) => MatrixNorm::Infinity,
        Ord::Number(f64::NEG_INFINITY) => MatrixNorm::MinusInfinity,
        Ord::Nuc | Ord::Number(2.0) | Ord::Number(-2.0) => {
            let shape = x.shape();
            if shape.rank() < 2 {
                return Err(refuse(Error::shape("a matrix has at least two dimensions")));
            }
            let (rows, columns) = (shape.dim(dims[0]).map_err(refuse)?, shape.dim(dims[1]).map_err(refuse)?);
            if rows == columns {
                return Err(refuse(Error::argument(format!("the dimension {rows} is named twice"))));
            }
            let values = svdvals(&x.movedim(&dims, &[-2, -1])?)?;
            let norm = match ord {
                Ord::Nuc => values.sum_dim(&[-1], false)?,
                Ord::Number(2.0) => values.amax(&[-1], false)?,
                _ => values.amin(&[-1], false)?,
            };
            if !keep {
                return Ok(norm);
            }
            let (first, second) = (rows.min(columns), rows.max(columns));
            return norm.unsqueeze(first as isize)?.unsqueeze(second as isize);
        }
        Ord::Number(p) => return Err(refuse(Error::argument(format!("there is no {p}-norm of matrices")))),
    };
    x.matrix_norm(own, dims, keep)
}

/// [`vector_norm`] or [`matrix_norm`], as PyTorch chooses: of matrices where two dimensions are named, or where
/// none is, `ord` is given, and the tensor has two; else of vectors. Without `ord` the 2-norm of vectors.
///
/// ```
/// use chainrule::linalg::{self, Ord};
/// use chainrule::tensor;
/// let a = tensor([[0.0, 2.0], [-3.0, 0.0]]);
/// assert_eq!(linalg::norm(&a, Some(Ord::Number(1.0)), &[], false)?.item()?, 3.0);
/// assert_eq!(linalg::norm(&tensor([3.0, 4.0]), None, &[], false)?.item()?, 5.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As those two; and where more than two dimensions are named, or none and the tensor has more.
#[track_caller]
pub fn norm(x: &Tensor, ord: Option<Ord>, dims: &[isize], keep: bool) -> Result<Tensor> {
    let refuse = |error: Error| error.at_gate("LinalgNorm").with_inputs([x.meta()]);
    let Some(ord) = ord else { return x.vector_norm(2.0, dims, keep) };
    match (dims, x.rank(), ord) {
        (&[rows, columns], ..) => matrix_norm(x, ord, [rows, columns], keep),
        (&[], 2, _) => matrix_norm(x, ord, [0, 1], keep),
        (&[_], _, Ord::Number(p)) | (&[], 1, Ord::Number(p)) => x.vector_norm(p, dims, keep),
        (&[], ..) | (&[_, _, _, ..], ..) => {
            Err(refuse(Error::shape("one or two dimensions are wanted, or a vector or a matrix")))
        }
        _ => Err(refuse(Error::argument("this norm is one of matrices: name two dimensions"))),
    }
}

/// How many of the singular values count, as i64.
pub(super) fn rank(values: &Tensor, size: usize, tolerance: Tolerance) -> Result<Tensor> {
    let precision = if values.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let given = tolerance.absolute.filter(|x| *x > 0.0);
    let usual = if given.is_some() { 0.0 } else { size as f64 * precision };
    if values.shape().last() == Some(&0) {
        return values.sum_dim(&[-1], false)?.cast(DType::I64);
    }
    let limit = values.amax(&[-1], true)?.mul(tolerance.relative.unwrap_or(usual))?;
    let limit = limit.clamp_min(given.unwrap_or(0.0))?;
    values.gt(&limit)?.sum_dim(&[-1], false)
}

/// The number of singular values that aren't 0 within the tolerance. `hermitian` promises symmetric matrices.
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::matrix_rank(&tensor([[1.0, 2.0], [2.0, 4.0]]), Default::default(), false)?.item()?, 1.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`svdvals`].
#[track_caller]
pub fn matrix_rank(a: &Tensor, tolerance: Tolerance, hermitian: bool) -> Result<Tensor> {
    let a = a.detach();
    let values = if hermitian { eigvalsh(&a, false)?.abs()? } else { svdvals(&a)? };
    let size = a.shape().iter().rev().take(2).copied().max().unwrap_or(0);
    rank(&values, size, tolerance)
}

/// How much a relative error of A grows in the solution of a system, at most: `‖A‖·‖A⁻¹‖` in this norm; without
/// one, the largest over the smallest singular value.
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::cond(&tensor([[4.0, 0.0], [0.0, 0.5]]), None)?.item()?, 8.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// A isn't square where a norm other than the 2-norm is given, or the norm doesn't exist.
#[track_caller]
pub fn cond(a: &Tensor, ord: Option<Ord>) -> Result<Tensor> {
    match ord {
        None | Some(Ord::Number(2.0)) | Some(Ord::Number(-2.0)) => {
            let values = svdvals(a)?;
            let Some(last) = values.shape().last().and_then(|n| n.checked_sub(1)) else {
                // That of no equations is 0.
                return values.sum_dim(&[-1], false);
            };
            let (first, last) = (values.select(-1, 0)?, values.select(-1, last as isize)?);
            if ord == Some(Ord::Number(-2.0)) { last.div(&first) } else { first.div(&last) }
        }
        Some(ord) => {
            square(&a.meta()).map_err(|error| error.at_gate("LinalgCond").with_inputs([a.meta()]))?;
            let (inverse, info) = inv_ex(a, false)?;
            let norms =
                matrix_norm(a, ord, [-2, -1], false)?.mul(&matrix_norm(&inverse, ord, [-2, -1], false)?)?;
            let infinite = Tensor::from_array(Array::full_of([], f64::INFINITY, a.dtype()));
            info.eq(0)?.where_(&norms, &infinite)
        }
    }
}
