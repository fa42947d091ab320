//! Products of Householder's reflections, as LAPACK stores them.

use super::identity;
use crate::error::{Error, Result};
use crate::gate::linalg::{sizes, unit_lower};
use crate::tensor::{CallerGuard, Tensor};

/// The vectors of the reflections: the columns below the diagonal, with ones on it.
#[track_caller]
fn vectors(a: &Tensor, taus: &Tensor, name: &'static str) -> Result<Tensor> {
    let refuse = |error: Error| error.at_gate(name).with_inputs([a.meta(), taus.meta()]);
    let (batch, rows, columns) = sizes(&a.meta()).map_err(refuse)?;
    let count = taus.shape().last().copied().unwrap_or(0);
    if taus.dtype() != a.dtype()
        || taus.rank() != a.rank() - 1
        || taus.shape()[..batch.rank()] != batch[..]
        || count > columns.min(rows)
    {
        let rule = "there is a batch of factors like that of the matrices, at most one a column and a row";
        return Err(refuse(Error::shape(rule)));
    }
    unit_lower(&a.narrow(-1, 0, count as isize)?)
}

/// `x − τ·v·(vᵀ·x)` for reflection `i`.
#[track_caller]
fn reflect(x: &Tensor, vectors: &Tensor, taus: &Tensor, i: isize) -> Result<Tensor> {
    let v = vectors.narrow(-1, i, 1)?;
    let scaled = v.mul(&taus.narrow(-1, i, 1)?.unsqueeze(-2)?)?;
    x.sub(&scaled.matmul(&v.mt()?.matmul(x)?)?)
}

/// The first columns of `Q = H₁·H₂·…`, where `Hᵢ = I − τᵢ·vᵢ·vᵢᵀ` and vᵢ is column i of A below the diagonal, with
/// a 1 on it. There are as many columns as A has.
///
/// ```
/// use chainrule::{linalg, tensor};
/// // One reflection that turns (3, 4) into (−5, 0).
/// let q = linalg::householder_product(&tensor([[0.0], [0.5]]), &tensor([1.6]))?;
/// assert_eq!(q.to_string(), "tensor([[-0.6000],\n        [-0.8000]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// There are more columns than rows, the factors don't fit, or the elements aren't floats.
#[track_caller]
pub fn householder_product(a: &Tensor, taus: &Tensor) -> Result<Tensor> {
    let _line = CallerGuard::here();
    const NAME: &str = "LinalgHouseholderProduct";
    let v = vectors(a, taus, NAME)?;
    let (batch, rows, columns) = sizes(&a.meta())?;
    if columns > rows {
        let rule = format!("the {columns} columns of Q can't be orthogonal in {rows} dimensions");
        return Err(Error::shape(rule).at_gate(NAME).with_inputs([a.meta(), taus.meta()]));
    }
    let mut shape = batch.to_vec();
    shape.extend([rows, columns]);
    let start = identity(a, rows).narrow(-1, 0, columns as isize)?.expand(crate::Shape::new(&shape)?)?;
    let count = v.shape()[v.rank() - 1] as isize;
    (0..count).rev().try_fold(start, |q, i| reflect(&q, &v, taus, i))
}

/// `Q·C` for the Q of [`householder_product`] with all its columns; `left` = false: `C·Q`; `transpose`: with Qᵀ in
/// its place.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let (a, taus) = (tensor([[0.0], [0.5]]), tensor([1.6]));
/// let y = linalg::ormqr(&a, &taus, &tensor([[3.0], [4.0]]), true, true)?;
/// assert_eq!(y.to_string(), "tensor([[-5.],\n        [ 0.]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The shapes don't fit, or the elements aren't floats of the same type.
#[track_caller]
pub fn ormqr(a: &Tensor, taus: &Tensor, c: &Tensor, left: bool, transpose: bool) -> Result<Tensor> {
    let _line = CallerGuard::here();
    const NAME: &str = "Ormqr";
    let v = vectors(a, taus, NAME)?;
    let refuse =
        |rule: String| Error::shape(rule).at_gate(NAME).with_inputs([a.meta(), taus.meta(), c.meta()]);
    if c.rank() < 2 || c.rank() != a.rank() {
        return Err(refuse(
            "the other matrices have at least two dimensions, and as many as the reflections".into(),
        ));
    }
    if !left {
        // C·Q = (Qᵀ·Cᵀ)ᵀ
        return ormqr(a, taus, &c.mt()?, true, !transpose)?.mt();
    }
    let rows = v.shape()[v.rank() - 2];
    if c.shape()[c.rank() - 2] != rows {
        return Err(refuse(format!(
            "reflections in {rows} dimensions meet {} ones",
            c.shape()[c.rank() - 2]
        )));
    }
    let count = v.shape()[v.rank() - 1] as isize;
    let apply = |x: Tensor, i: isize| reflect(&x, &v, taus, i);
    if transpose {
        (0..count).try_fold(c.clone(), apply)
    } else {
        (0..count).rev().try_fold(c.clone(), apply)
    }
}

impl Tensor {
    /// A product of reflections with a matrix: see [`linalg::ormqr`](ormqr).
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([[0.0], [0.5]]).ormqr(&tensor([1.6]), &tensor([[3.0], [4.0]]), true, true)?;
    /// assert_eq!(y.to_string(), "tensor([[-5.],\n        [ 0.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn ormqr(&self, taus: &Tensor, c: &Tensor, left: bool, transpose: bool) -> Result<Tensor> {
        ormqr(self, taus, c, left, transpose)
    }
}
