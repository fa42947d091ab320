//! Systems of equations, inverses, determinants.

use super::{identity, outputs};
use crate::array::{DType, Shape};
use crate::error::{Error, Result};
use crate::gate::linalg::{self as gates, square};
use crate::tensor::Tensor;

/// The solution X of `A·X = B`, for square matrices A and vectors or matrices B.
///
/// B is a vector (or a batch of them) where it has one dimension, or where its shape is that of A without the
/// last dimension; else matrices, whose batch broadcasts with A's.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let a = tensor([[2.0, 0.0], [0.0, 4.0]]);
/// assert_eq!(linalg::solve(&a, &tensor([2.0, 2.0]))?.to_string(), "tensor([1.0000, 0.5000])");
/// let error = linalg::solve(&tensor([[1.0, 2.0], [2.0, 4.0]]), &tensor([1.0, 2.0])).unwrap_err();
/// assert!(error.to_string().contains("singular"));
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// A isn't square or is singular, the shapes don't fit, or the elements aren't floats of the same type.
#[track_caller]
pub fn solve(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Ok(solve_ex(a, b, true, true)?.0)
}

/// [`solve`] with all that PyTorch's `linalg.solve_ex` has: `left` = false solves `X·A = B`; without `check` a
/// singular matrix isn't refused, and the second output tells: 0, or which pivot is 0, counted from 1.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let (x, info) = linalg::solve_ex(&tensor([[1.0, 2.0], [2.0, 4.0]]), &tensor([[1.0], [1.0]]), true, false)?;
/// assert_eq!(info.item()?, 2.0);
/// assert!(!x.array().all_finite());
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`solve`].
#[track_caller]
pub fn solve_ex(a: &Tensor, b: &Tensor, left: bool, check: bool) -> Result<(Tensor, Tensor)> {
    let (own, shape) = (a.shape(), b.shape());
    let vectors = shape.rank() == 1 || (own.rank() == shape.rank() + 1 && own[..shape.rank()] == shape[..]);
    if !left {
        if vectors {
            return Err(Error::shape("a vector can only stand on the right of A").at_gate("LinalgSolveEx"));
        }
        let (x, info) = solve_ex(&a.mt()?, &b.mt()?, true, check)?;
        return Ok((x.mt()?, info));
    }
    let gate = gates::Solve { check };
    if vectors {
        let [x, info] = outputs(Tensor::apply_many(gate, &[a, &b.unsqueeze(-1)?]))?;
        return Ok((x.squeeze(-1)?, info));
    }
    let [x, info] = outputs(Tensor::apply_many(gate, &[a, b]))?;
    Ok((x, info))
}

/// The solution X of `T·X = B` for triangular matrices, of which only one triangle is read; `left` = false
/// solves `X·T = B`. With `unit` the diagonal counts as ones.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let t = tensor([[2.0, 1.0], [99.0, 4.0]]);
/// let x = linalg::solve_triangular(&t, &tensor([[3.0], [4.0]]), true, true, false)?;
/// assert_eq!(x.to_string(), "tensor([[1.],\n        [1.]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// T isn't square, the shapes don't fit, or the elements aren't floats of the same type.
#[track_caller]
pub fn solve_triangular(t: &Tensor, b: &Tensor, upper: bool, left: bool, unit: bool) -> Result<Tensor> {
    match left {
        true => Tensor::apply(gates::SolveTriangular { upper, unit }, &[t, b]),
        false => solve_triangular(&t.mt()?, &b.mt()?, !upper, true, unit)?.mt(),
    }
}

/// The inverse of square matrices. To solve a system, [`solve`] is faster and more exact.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let y = linalg::inv(&tensor([[2.0, 0.0], [0.0, 4.0]]))?;
/// assert_eq!(y.to_string(), "tensor([[0.5000, 0.0000],\n        [0.0000, 0.2500]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// A isn't square or is singular, or its elements aren't floats.
#[track_caller]
pub fn inv(a: &Tensor) -> Result<Tensor> {
    Ok(inv_ex(a, true)?.0)
}

/// [`inv`]; without `check` a singular matrix isn't refused, and the second output tells: 0, or which pivot is
/// 0, counted from 1.
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::inv_ex(&tensor([[0.0]]), false)?.1.item()?, 1.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`inv`].
#[track_caller]
pub fn inv_ex(a: &Tensor, check: bool) -> Result<(Tensor, Tensor)> {
    let [y, info] = outputs(Tensor::apply_many(gates::Inv { check }, &[a]))?;
    Ok((y, info))
}

/// Up to which size singular values count as 0: the larger of `absolute` and `relative` times the largest.
///
/// By default `relative` is the larger side of the matrix times the precision of its elements, or 0 where
/// `absolute` is given.
///
/// ```
/// use chainrule::linalg::{self, Tolerance};
/// use chainrule::tensor;
/// let a = tensor([[4.0, 0.0], [0.0, 0.5]]);
/// let loose = Tolerance { absolute: Some(1.0), relative: None };
/// assert_eq!(linalg::matrix_rank(&a, loose, false)?.item()?, 1.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tolerance {
    /// The absolute tolerance.
    pub absolute: Option<f64>,
    /// The tolerance relative to the largest singular value.
    pub relative: Option<f64>,
}

/// The Moore–Penrose inverse of matrices of any shape and rank. `hermitian` promises that they are symmetric,
/// of which only the lower triangle is read.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let y = linalg::pinv(&tensor([[2.0], [0.0]]), Default::default(), false)?;
/// assert_eq!(y.to_string(), "tensor([[0.5000, 0.0000]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// There are fewer than two dimensions, the elements aren't floats, or one is NaN or infinite.
#[track_caller]
pub fn pinv(a: &Tensor, tolerance: Tolerance, hermitian: bool) -> Result<Tensor> {
    let Tolerance { absolute, relative } = tolerance;
    Tensor::apply(gates::Pinv { relative, absolute, hermitian }, &[a])
}

/// What [`lstsq`] finds.
///
/// ```
/// use chainrule::{linalg, tensor};
/// // The mean is the least-squares solution of x = 1 and x = 3.
/// let fit = linalg::lstsq(&tensor([[1.0], [1.0]]), &tensor([[1.0], [3.0]]), None)?;
/// assert_eq!(fit.rank.item()?, 1.0);
/// assert!((fit.solution.item()? - 2.0).abs() < 1e-6 && (fit.residuals.item()? - 2.0).abs() < 1e-6);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LeastSquares {
    /// X
    pub solution: Tensor,
    /// `Σ (A·X − B)²` for each column, where A has more rows than columns and full rank; else empty.
    pub residuals: Tensor,
    /// The rank of each matrix A.
    pub rank: Tensor,
    /// A's singular values.
    pub singular_values: Tensor,
}

/// The X that minimises `‖A·X − B‖` and, of several, is the shortest: `A⁺·B`.
///
/// Singular values up to `rcond` times the largest count as 0; by default that is the larger side times the
/// elements' precision. B is vectors where it has one dimension less than A.
///
/// ```
/// use chainrule::{linalg, tensor};
/// // The line through (0, 1), (1, 3), (2, 5).
/// let a = tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]);
/// let fit = linalg::lstsq(&a, &tensor([[1.0], [3.0], [5.0]]), None)?;
/// assert!(fit.solution.array().all_close(&tensor([[1.0], [2.0]]).array(), 1e-5, 1e-5));
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The shapes don't fit, the elements aren't floats of the same type, or one is NaN or infinite.
#[track_caller]
pub fn lstsq(a: &Tensor, b: &Tensor, rcond: Option<f64>) -> Result<LeastSquares> {
    let refuse = |error: Error| error.at_gate("LinalgLstsq").with_inputs([a.meta(), b.meta()]);
    let (_, rows, columns) = gates::sizes(&a.meta()).map_err(refuse)?;
    if b.rank() == 0 || a.dtype() != b.dtype() {
        return Err(refuse(Error::shape("the right side has at least one dimension, and A's element type")));
    }
    let vectors = b.rank() + 1 == a.rank();
    let b = if vectors { b.unsqueeze(-1)? } else { b.clone() };
    if b.rank() != a.rank() || b.shape()[b.rank() - 2] != rows {
        return Err(refuse(Error::shape(format!("the right side has {rows} rows, as A has"))));
    }
    let tolerance = Tolerance { relative: rcond.filter(|x| *x >= 0.0), absolute: None };
    let solution = pinv(a, tolerance, false)?.matmul(&b)?;
    let singular_values = super::svdvals(&a.detach())?;
    let rank = super::norm::rank(&singular_values, rows.max(columns), tolerance)?;
    let whole = rank.to_vec::<i64>()?.iter().all(|&rank| rank == columns as i64);
    let residuals = match rows > columns && whole {
        true => a.matmul(&solution)?.sub(&b)?.square()?.sum_dim(&[-2], false)?,
        false => Tensor::from_array(crate::Array::zeros_of([0], a.dtype())),
    };
    let solution = if vectors { solution.squeeze(-1)? } else { solution };
    Ok(LeastSquares { solution, residuals, rank, singular_values })
}

/// The determinant of square matrices.
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::det(&tensor([[1.0, 2.0], [3.0, 4.0]]))?.to_string(), "tensor(-2.)");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The matrices aren't square, or their elements aren't floats.
#[track_caller]
pub fn det(a: &Tensor) -> Result<Tensor> {
    Tensor::apply(gates::Det, &[a])
}

/// Sign, and logarithm of the size, of the determinant.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let (sign, log) = linalg::slogdet(&tensor([[1.0, 2.0], [3.0, 4.0]]))?;
/// assert_eq!((sign.item()?, log.exp()?.to_string()), (-1.0, "tensor(2.)".into()));
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`det`].
#[track_caller]
pub fn slogdet(a: &Tensor) -> Result<(Tensor, Tensor)> {
    let [sign, log] = outputs(Tensor::apply_many(gates::Slogdet, &[a]))?;
    Ok((sign.detach(), log))
}

/// The logarithm of the determinant; NaN where that is negative, −∞ where it is 0.
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::logdet(&tensor([[2.0, 0.0], [0.0, 0.5]]))?.item()?, 0.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`det`].
#[track_caller]
pub fn logdet(a: &Tensor) -> Result<Tensor> {
    let (sign, log) = slogdet(a)?;
    log.masked_fill(&sign.eq(-1.0)?, f64::NAN)
}

/// The solution of `L·Lᵀ·X = B` for the factor L of [`cholesky`](super::cholesky); `upper`: of `Uᵀ·U·X = B`.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let x = linalg::cholesky_solve(&tensor([[8.0]]), &tensor([[2.0]]), false)?;
/// assert_eq!(x.item()?, 2.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`solve_triangular`].
#[track_caller]
pub fn cholesky_solve(b: &Tensor, factor: &Tensor, upper: bool) -> Result<Tensor> {
    let l = if upper { factor.mt()? } else { factor.clone() };
    Tensor::apply(gates::CholeskySolve, &[&l, b])
}

/// The inverse of the matrix whose factor [`cholesky`](super::cholesky) gave: `(L·Lᵀ)⁻¹`.
///
/// ```
/// use chainrule::{linalg, tensor};
/// assert_eq!(linalg::cholesky_inverse(&tensor([[2.0]]), false)?.item()?, 0.25);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The factor isn't square or has a zero on its diagonal, or its elements aren't floats.
#[track_caller]
pub fn cholesky_inverse(factor: &Tensor, upper: bool) -> Result<Tensor> {
    let (_, n) = square(&factor.meta())
        .map_err(|error| error.at_gate("CholeskyInverse").with_inputs([factor.meta()]))?;
    if factor.array().diagonal(0, -2, -1)?.to_f64_vec().contains(&0.0) {
        let rule = "the matrix is singular: its factor has a zero on the diagonal";
        return Err(Error::argument(rule).at_gate("CholeskyInverse").with_inputs([factor.meta()]));
    }
    cholesky_solve(&identity(factor, n), factor, upper)
}

/// The solution of `A·X = B` from the factors and pivots of [`lu_factor`](super::lu_factor); `left` = false:
/// of `X·A = B`; `adjoint`: with Aᵀ in the place of A.
///
/// ```
/// use chainrule::{linalg, tensor};
/// let (lu, pivots) = linalg::lu_factor(&tensor([[0.0, 2.0], [4.0, 0.0]]))?;
/// let x = linalg::lu_solve(&lu, &pivots, &tensor([[2.0], [8.0]]), true, false)?;
/// assert_eq!(x.to_string(), "tensor([[2.],\n        [1.]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The factors aren't square, the pivots aren't theirs, or the shapes don't fit.
#[track_caller]
pub fn lu_solve(lu: &Tensor, pivots: &Tensor, b: &Tensor, left: bool, adjoint: bool) -> Result<Tensor> {
    let refuse =
        |error: Error| error.at_gate("LinalgLuSolve").with_inputs([lu.meta(), pivots.meta(), b.meta()]);
    let (_, n) = square(&lu.meta()).map_err(refuse)?;
    if !left {
        return lu_solve(lu, pivots, &b.mt()?, true, !adjoint)?.mt();
    }
    if pivots.dtype() != DType::I32 || pivots.shape()[..] != lu.shape()[..lu.rank() - 1] {
        return Err(refuse(Error::shape("the pivots are an i32 for each row of the factors")));
    }
    let p = gates::permutation(&pivots.array(), n, lu.dtype()).map_err(refuse)?;
    let p = Tensor::from_array(p);
    match adjoint {
        false => {
            let half = solve_triangular(lu, &p.mt()?.matmul(b)?, false, true, true)?;
            solve_triangular(lu, &half, true, true, false)
        }
        true => {
            let half = solve_triangular(&lu.mt()?, b, false, true, false)?;
            p.matmul(&solve_triangular(&lu.mt()?, &half, true, true, true)?)
        }
    }
}

/// The X with `tensordot(A, X, X.rank()) = B`: the last dimensions of A are X's, the first ones B's. `dims` are
/// moved to the end of A first.
///
/// ```
/// use chainrule::{linalg, tensor, Tensor};
/// let a = Tensor::eye(6).mul(2.0)?.reshape([2, 3, 6])?;
/// let x = linalg::tensorsolve(&a, &tensor([[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]]), &[])?;
/// assert_eq!(x.to_string(), "tensor([1., 2., 3., 4., 5., 6.])");
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The dimensions of X don't hold as many elements as B, a dimension doesn't exist, or A is singular.
#[track_caller]
pub fn tensorsolve(a: &Tensor, b: &Tensor, dims: &[isize]) -> Result<Tensor> {
    let refuse = |error: Error| error.at_gate("LinalgTensorsolve").with_inputs([a.meta(), b.meta()]);
    let ends: Vec<isize> = (1..=dims.len() as isize).map(|i| i - 1 - dims.len() as isize).collect();
    let a = if dims.is_empty() { a.clone() } else { a.movedim(dims, &ends)? };
    let front = b.rank().min(a.rank());
    let wanted = Shape::new(&a.shape()[front..])?;
    if wanted.elements() != b.elements() || a.elements() != b.elements() * b.elements() {
        return Err(refuse(Error::shape(format!(
            "of {}, the dimensions after the first {front} must hold as many elements as {}",
            a.shape(),
            b.shape()
        ))));
    }
    let n = b.elements();
    solve(&a.reshape([n, n])?, &b.reshape([n])?)?.reshape(wanted)
}

/// The inverse for [`tensordot`](Tensor::tensordot): the first `ind` dimensions of A against the others.
///
/// ```
/// use chainrule::{linalg, Tensor};
/// let y = linalg::tensorinv(&Tensor::eye(6).mul(2.0)?.reshape([6, 2, 3])?, 1)?;
/// assert_eq!(y.shape(), [2, 3, 6]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// `ind` is 0, the first `ind` dimensions and the others don't hold as many elements, or A is singular.
#[track_caller]
pub fn tensorinv(a: &Tensor, ind: usize) -> Result<Tensor> {
    let shape = a.shape();
    let refuse = |error: Error| error.at_gate("LinalgTensorinv").with_inputs([a.meta()]);
    let (front, back) = shape.split_at(ind.min(shape.rank()));
    let (rows, columns): (usize, usize) = (front.iter().product(), back.iter().product());
    if ind == 0 || ind > shape.rank() || rows != columns {
        return Err(refuse(Error::shape(format!(
            "the first {ind} dimensions (from 1 on) must hold as many elements as the others"
        ))));
    }
    let sizes = Shape::new(&[back, front].concat())?;
    inv(&a.reshape([rows, columns])?)?.reshape(sizes)
}

impl Tensor {
    /// The determinant: see [`linalg::det`](det).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[2.0, 0.0], [0.0, 3.0]]).det()?.item()?, 6.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn det(&self) -> Result<Tensor> {
        det(self)
    }

    /// The logarithm of the determinant: see [`linalg::logdet`](logdet).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.0, 9.0], [0.0, 1.0]]).logdet()?.item()?, 0.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn logdet(&self) -> Result<Tensor> {
        logdet(self)
    }

    /// Sign and logarithm of the determinant: see [`linalg::slogdet`](slogdet).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[0.0, 1.0], [1.0, 0.0]]).slogdet()?.0.item()?, -1.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn slogdet(&self) -> Result<(Tensor, Tensor)> {
        slogdet(self)
    }

    /// The inverse: see [`linalg::inv`](inv).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[4.0]]).inverse()?.item()?, 0.25);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn inverse(&self) -> Result<Tensor> {
        inv(self)
    }

    /// The Moore–Penrose inverse, with singular values up to `rcond` times the largest as 0 (PyTorch's default is
    /// 1e-15): see [`linalg::pinv`](pinv).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[2.0], [0.0]]).pinverse(1e-15)?.to_string(), "tensor([[0.5000, 0.0000]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn pinverse(&self, rcond: f64) -> Result<Tensor> {
        pinv(self, Tolerance { relative: Some(rcond), absolute: None }, false)
    }

    /// The solution of a system whose factor this one's Cholesky factor is: see
    /// [`linalg::cholesky_solve`](cholesky_solve).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[8.0]]).cholesky_solve(&tensor([[2.0]]), false)?.item()?, 2.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn cholesky_solve(&self, factor: &Tensor, upper: bool) -> Result<Tensor> {
        cholesky_solve(self, factor, upper)
    }

    /// The inverse of the matrix whose Cholesky factor this is: see
    /// [`linalg::cholesky_inverse`](cholesky_inverse).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[2.0]]).cholesky_inverse(false)?.item()?, 0.25);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn cholesky_inverse(&self, upper: bool) -> Result<Tensor> {
        cholesky_inverse(self, upper)
    }

    /// The solution of a system whose right side this is: see [`linalg::lu_solve`](lu_solve).
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (lu, pivots) = tensor([[0.0, 2.0], [4.0, 0.0]]).lu()?;
    /// assert_eq!(tensor([[2.0], [8.0]]).lu_solve(&lu, &pivots)?.to_vec::<f32>()?, [2.0, 1.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn lu_solve(&self, lu: &Tensor, pivots: &Tensor) -> Result<Tensor> {
        lu_solve(lu, pivots, self, true, false)
    }
}
