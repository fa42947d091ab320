//! Linear algebra on matrices and batches of them, by PyTorch's names in `torch.linalg`.
//!
//! A matrix is the last two dimensions of a tensor; the dimensions before are a batch, which broadcasts where
//! a function takes several tensors. Everything is differentiable, to any order; the gates behind it are in
//! [`gate::linalg`](crate::gate::linalg). What PyTorch has as methods too, [`Tensor`] has: `det`, `logdet`,
//! `slogdet`, `inverse`, `pinverse`, `cholesky`, `qr`, `svd`, `lu`, `matrix_exp`, `matrix_power`….
//!
//! ```
//! use chainrule::{linalg, param, tensor};
//!
//! let a = param([[3.0, 1.0], [1.0, 2.0]]);
//! let x = linalg::solve(&a, &tensor([9.0, 8.0]))?;
//! assert_eq!(x.to_string(), "tensor([2., 3.], grad_fn=<SqueezeBackward1>)");
//! x.sum()?.backward()?;
//! assert_eq!(a.grad().unwrap().to_string(), "tensor([[-0.4000, -0.6000],\n        [-0.8000, -1.2000]])");
//! # Ok::<(), chainrule::Error>(())
//! ```

mod decompose;
mod functions;
mod norm;
mod products;
mod reflect;
mod solve;

pub use decompose::{cholesky, cholesky_ex};
pub use decompose::{eigh, eigvalsh, lu, lu_factor, lu_factor_ex, lu_unpack, qr, svd, svdvals};
pub use functions::{matrix_exp, matrix_power, matrix_sqrth, polar};
pub use norm::{Ord, cond, matrix_norm, matrix_rank, norm, vector_norm};
pub use products::{cross, matmul, multi_dot, vander, vecdot};
pub use reflect::{householder_product, ormqr};
pub use solve::{
    LeastSquares, Tolerance, cholesky_inverse, cholesky_solve, det, inv, inv_ex, logdet, lstsq, lu_solve,
    pinv, slogdet, solve, solve_ex, solve_triangular, tensorinv, tensorsolve,
};

pub use crate::gate::linalg::QrMode;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The `N` outputs of a gate.
fn outputs<const N: usize>(found: Result<Vec<Tensor>>) -> Result<[Tensor; N]> {
    found?.try_into().map_err(|_| Error::argument("the gate has another number of outputs"))
}

/// The identity of this tensor's element type.
fn identity(x: &Tensor, size: usize) -> Tensor {
    Tensor::from_array(Array::eye_of(size, size, x.dtype()))
}
