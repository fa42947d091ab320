//! Factorisations.

use super::outputs;
use crate::error::{Error, Result};
use crate::gate::linalg::{self as gates, Cholesky, Eigh, LuFactor, Qr, QrMode, Svd};
use crate::tensor::Tensor;

/// The factor L of `A = L·Lᵀ`, for symmetric, positive definite matrices; `upper` gives U of `A = Uᵀ·U`. Only
/// that triangle of A is read, and the gradient is that with respect to symmetric matrices.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let l = linalg::cholesky(&tensor([[4.0, 2.0], [2.0, 5.0]]), false)?;
/// assert_eq!(l.to_string(), "tensor([[2., 0.],\n        [1., 2.]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// A isn't square or isn't positive definite, or its elements aren't floats.
#[track_caller]
pub fn cholesky(a: &Tensor, upper: bool) -> Result<Tensor> {
    Ok(cholesky_ex(a, upper, true)?.0)
}

/// [`cholesky`]; without `check` a matrix that isn't positive definite isn't refused, and the second output
/// tells: 0, or how many of its first rows and columns already aren't.
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::cholesky_ex(&tensor([[1.0, 2.0], [2.0, 1.0]]), false, false)?.1.item()?, 2.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`cholesky`].
#[track_caller]
pub fn cholesky_ex(a: &Tensor, upper: bool, check: bool) -> Result<(Tensor, Tensor)> {
    let [factor, info] = outputs(Tensor::apply_many(Cholesky { upper, check }, &[a]))?;
    Ok((factor, info))
}

/// Orthonormal columns Q and a triangle R with `A = Q·R`.
///
/// ```
/// use chainrule::linalg::{self, QrMode};
/// use chainrule::tensor;
/// let (q, r) = linalg::qr(&tensor([[3.0], [4.0]]), QrMode::Reduced)?;
/// assert_eq!((q.to_string(), r.to_string()), ("tensor([[-0.6000],\n        [-0.8000]])".into(), "tensor([[-5.]])".into()));
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// There are fewer than two dimensions, or the elements aren't floats.
#[track_caller]
pub fn qr(a: &Tensor, mode: QrMode) -> Result<(Tensor, Tensor)> {
    let [q, r] = outputs(Tensor::apply_many(Qr { mode }, &[a]))?;
    Ok((q, r))
}

/// Eigenvalues in ascending order and eigenvectors (columns) of symmetric matrices, of which one triangle is
/// read: `A = V·diag(w)·Vᵀ`. The gradient is that with respect to symmetric matrices.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let (w, v) = linalg::eigh(&tensor([[2.0, 0.0], [0.0, 1.0]]), false)?;
/// assert_eq!(w.to_string(), "tensor([1., 2.])");
/// assert_eq!(v.abs()?.to_string(), "tensor([[0., 1.],\n        [1., 0.]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// A isn't square, its elements aren't floats, or one is NaN or infinite.
#[track_caller]
pub fn eigh(a: &Tensor, upper: bool) -> Result<(Tensor, Tensor)> {
    let [w, v] = outputs(Tensor::apply_many(Eigh { upper }, &[a]))?;
    Ok((w, v))
}

/// The eigenvalues of symmetric matrices, in ascending order: see [`eigh`].
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::eigvalsh(&tensor([[0.0, 2.0], [2.0, 0.0]]), false)?.to_string(), "tensor([-2.,  2.])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn eigvalsh(a: &Tensor, upper: bool) -> Result<Tensor> {
    Ok(eigh(a, upper)?.0)
}

/// Singular values in descending order between singular vectors: `A = U·diag(s)·Vᵀ`; the third output is Vᵀ.
/// `full` gives square U and V; no gradient flows through their columns without a singular value.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let (u, s, vt) = linalg::svd(&tensor([[0.0, 2.0], [3.0, 0.0], [0.0, 0.0]]), false)?;
/// assert_eq!(s.to_string(), "tensor([3., 2.])");
/// assert_eq!((u.shape(), vt.shape()), ([3, 2].into(), [2, 2].into()));
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// There are fewer than two dimensions, the elements aren't floats, or one is NaN or infinite.
#[track_caller]
pub fn svd(a: &Tensor, full: bool) -> Result<(Tensor, Tensor, Tensor)> {
    let [u, s, vt] = outputs(Tensor::apply_many(Svd { full }, &[a]))?;
    Ok((u, s, vt))
}

/// The singular values of matrices, in descending order: see [`svd`].
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::svdvals(&tensor([[0.0, 2.0], [-3.0, 0.0]]))?.to_string(), "tensor([3., 2.])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`svd`].
#[track_caller]
pub fn svdvals(a: &Tensor) -> Result<Tensor> {
    Ok(svd(a, false)?.1)
}

/// `A = P·L·U` in one matrix (without the ones on L's diagonal), and the pivots: step k swapped row k with
/// this one, counted from 1. [`lu_unpack`] makes P, L and U of them, [`lu_solve`](super::lu_solve) solves.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let (lu, pivots) = linalg::lu_factor(&tensor([[1.0, 2.0], [4.0, 4.0]]))?;
/// assert_eq!(lu.to_string(), "tensor([[4.0000, 4.0000],\n        [0.2500, 1.0000]])");
/// assert_eq!(pivots.to_vec::<i32>()?, [2, 2]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// There are fewer than two dimensions, the elements aren't floats, or U has a zero on its diagonal.
#[track_caller]
pub fn lu_factor(a: &Tensor) -> Result<(Tensor, Tensor)> {
    let (lu, pivots, _) = lu_factor_ex(a, true)?;
    Ok((lu, pivots))
}

/// [`lu_factor`]; without `check` a zero on U's diagonal isn't refused, and the third output tells: 0, or its
/// place, counted from 1.
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::lu_factor_ex(&tensor([[1.0, 2.0], [2.0, 4.0]]), false)?.2.item()?, 2.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`lu_factor`].
#[track_caller]
pub fn lu_factor_ex(a: &Tensor, check: bool) -> Result<(Tensor, Tensor, Tensor)> {
    let [lu, pivots, info] = outputs(Tensor::apply_many(LuFactor { check }, &[a]))?;
    Ok((lu, pivots, info))
}

/// P, L and U from what [`lu_factor`] gave.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let a = tensor([[1.0, 2.0], [4.0, 4.0]]);
/// let (lu, pivots) = linalg::lu_factor(&a)?;
/// let (p, l, u) = linalg::lu_unpack(&lu, &pivots)?;
/// assert!(p.matmul(&l)?.matmul(&u)?.array().all_close(&a.array(), 0.0, 0.0));
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The pivots aren't those of the factors.
#[track_caller]
pub fn lu_unpack(lu: &Tensor, pivots: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let refuse = |error: Error| error.at_gate("LuUnpack").with_inputs([lu.meta(), pivots.meta()]);
    let (batch, rows, columns) = gates::sizes(&lu.meta()).map_err(refuse)?;
    let k = rows.min(columns);
    let fits = pivots.rank() == lu.rank() - 1
        && pivots.shape()[..batch.rank()] == batch[..]
        && pivots.shape()[batch.rank()] == k;
    if !fits || pivots.dtype() != crate::DType::I32 {
        return Err(refuse(Error::shape(format!("the pivots are {k} i32 for each matrix"))));
    }
    let p = gates::permutation(&pivots.array(), rows, lu.dtype()).map_err(refuse)?;
    let l = gates::unit_lower(&lu.narrow(-1, 0, k as isize)?)?;
    Ok((Tensor::from_array(p), l, lu.narrow(-2, 0, k as isize)?.triu(0)?))
}

/// A permutation P, a lower triangle L with ones on its diagonal, and an upper triangle U: `A = P·L·U`.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let (p, l, u) = linalg::lu(&tensor([[1.0, 2.0], [4.0, 4.0]]))?;
/// assert_eq!(p.to_string(), "tensor([[0., 1.],\n        [1., 0.]])");
/// assert_eq!(u.to_string(), "tensor([[4., 4.],\n        [0., 1.]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// There are fewer than two dimensions, or the elements aren't floats.
#[track_caller]
pub fn lu(a: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let (lu, pivots, _) = lu_factor_ex(a, false)?;
    lu_unpack(&lu, &pivots)
}

impl Tensor {
    /// Cholesky's factor: see [`linalg::cholesky`](cholesky).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[9.0]]).cholesky(false)?.item()?, 3.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn cholesky(&self, upper: bool) -> Result<Tensor> {
        cholesky(self, upper)
    }

    /// Orthonormal times triangular: see [`linalg::qr`](qr).
    ///
    /// ```
    /// use chainrule::{linalg::QrMode, tensor};
    /// assert_eq!(tensor([[3.0], [4.0]]).qr(QrMode::Reduced)?.1.item()?, -5.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn qr(&self, mode: QrMode) -> Result<(Tensor, Tensor)> {
        qr(self, mode)
    }

    /// Singular values and vectors U, s and V (not transposed, unlike those of [`linalg::svd`](svd)).
    ///
    /// ```
    /// use chainrule::Tensor;
    /// let (u, s, v) = Tensor::ones([2, 3]).svd(false)?;
    /// assert_eq!((u.shape(), s.shape(), v.shape()), ([2, 2].into(), [2].into(), [3, 2].into()));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn svd(&self, full: bool) -> Result<(Tensor, Tensor, Tensor)> {
        let (u, s, vt) = svd(self, full)?;
        Ok((u, s, vt.mt()?))
    }

    /// Both factors in one matrix, and the pivots: see [`linalg::lu_factor`](lu_factor). A zero on U's diagonal isn't
    /// refused.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (lu, pivots) = tensor([[1.0, 2.0], [4.0, 4.0]]).lu()?;
    /// assert_eq!((lu.shape(), pivots.to_vec::<i32>()?), ([2, 2].into(), vec![2, 2]));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn lu(&self) -> Result<(Tensor, Tensor)> {
        let (lu, pivots, _) = lu_factor_ex(self, false)?;
        Ok((lu, pivots))
    }
}
