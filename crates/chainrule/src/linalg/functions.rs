//! Functions of square matrices.

use super::{eigh, svd};
use crate::error::{Error, Result};
use crate::gate::linalg::{MatrixExp, sizes};
use crate::tensor::Tensor;

/// `e^A = I + A + A²/2! + A³/3! + …` for square matrices.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let y = linalg::matrix_exp(&tensor([[0.0, 1.0], [0.0, 0.0]]))?;
/// assert_eq!(y.to_string(), "tensor([[1., 1.],\n        [0., 1.]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The matrices aren't square, or their elements aren't floats.
#[track_caller]
pub fn matrix_exp(a: &Tensor) -> Result<Tensor> {
    Tensor::apply(MatrixExp, &[a])
}

/// A square matrix multiplied by itself `n` times; for negative `n` its inverse.
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::matrix_power(&tensor([[2.0]]), -2)?.item()?, 0.25);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The matrices aren't square, or for negative `n` are singular.
#[track_caller]
pub fn matrix_power(a: &Tensor, n: isize) -> Result<Tensor> {
    a.matrix_power(n)
}

/// The square root of symmetric matrices without negative eigenvalues: `V·diag(√w)·Vᵀ`; negative ones count as 0.
/// The lower triangle is read, and the gradient is that with respect to symmetric matrices.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let root = linalg::matrix_sqrth(&tensor([[4.0, 0.0], [0.0, 9.0]]))?;
/// assert_eq!(root.to_string(), "tensor([[2., 0.],\n        [0., 3.]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn matrix_sqrth(a: &Tensor) -> Result<Tensor> {
    let (w, v) = eigh(a, false)?;
    v.mul(&w.clamp_min(0.0)?.sqrt()?.unsqueeze(-2)?)?.matmul(&v.mt()?)
}

/// `A = U·P` with orthonormal columns of U and a symmetric P without negative eigenvalues, for matrices with at
/// least as many rows as columns.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let (u, p) = linalg::polar(&tensor([[0.0, -2.0], [3.0, 0.0]]))?;
/// assert_eq!(u.to_string(), "tensor([[ 0., -1.],\n        [ 1.,  0.]])");
/// assert_eq!(p.to_string(), "tensor([[3., 0.],\n        [0., 2.]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`svd`]; and where there are more columns than rows.
#[track_caller]
pub fn polar(a: &Tensor) -> Result<(Tensor, Tensor)> {
    let refuse = |error: Error| error.at_gate("LinalgPolar").with_inputs([a.meta()]);
    let (_, rows, columns) = sizes(&a.meta()).map_err(refuse)?;
    if rows < columns {
        return Err(refuse(Error::shape(format!(
            "{columns} columns can't be orthonormal in {rows} dimensions"
        ))));
    }
    let (u, s, vt) = svd(a, false)?;
    Ok((u.matmul(&vt)?, vt.mt()?.mul(&s.unsqueeze(-2)?)?.matmul(&vt)?))
}

impl Tensor {
    /// The exponential: see [`linalg::matrix_exp`](matrix_exp).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[0.0, 1.0], [0.0, 0.0]]).matrix_exp()?.to_vec::<f32>()?, [1.0, 1.0, 0.0, 1.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn matrix_exp(&self) -> Result<Tensor> {
        matrix_exp(self)
    }
}
