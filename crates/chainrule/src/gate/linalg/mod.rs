//! Linear algebra: systems of equations, factorisations, determinants, eigenvalues and singular values.
//!
//! The gates work on the matrices in the last two dimensions; the dimensions before are a batch. They compute
//! in double precision, whatever the element type. Where a gate has a second output that isn't
//! differentiable, it is `info`: 0, or the first row at which a matrix broke the gate's rule, counted from 1.
//!
//! The derivatives are those of Giles 2008, "Collected matrix derivative results for forward and reverse mode
//! algorithmic differentiation", unless the block names another source. A bar, as in `Ā`, is ∂L/∂A.
//! [`crate::linalg`] has the functions that call them.

mod cholesky;
mod determinant;
mod eigen;
mod exp;
mod lu;
mod pinv;
mod qr;
mod solve;
mod svd;

pub use cholesky::{Cholesky, CholeskySolve};
pub use determinant::{Det, Slogdet};
pub use eigen::Eigh;
pub use exp::MatrixExp;
pub use lu::LuFactor;
pub(crate) use lu::{permutation, unit_lower};
pub use pinv::Pinv;
pub use qr::{Qr, QrMode};
pub use solve::{Inv, Solve, SolveTriangular};
pub use svd::Svd;

use super::arith::matrix;
use super::reduce::only_float;
use super::{Context, Entry, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves, Structure};
use crate::array::{Array, DType, Meta, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::kernel::linalg::Matrix;
use crate::kernel::pool;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[
    Solve::ENTRY,
    SolveTriangular::ENTRY,
    Inv::ENTRY,
    LuFactor::ENTRY,
    Cholesky::ENTRY,
    CholeskySolve::ENTRY,
    Qr::ENTRY,
    Eigh::ENTRY,
    Svd::ENTRY,
    Pinv::ENTRY,
    Det::ENTRY,
    Slogdet::ENTRY,
    MatrixExp::ENTRY,
];

/// The shape of a batch of matrices: that of the batch, the rows, and the columns.
///
/// # Errors
/// There are fewer than two dimensions, or the elements aren't floats.
pub(crate) fn sizes(meta: &Meta) -> Result<(Shape, usize, usize)> {
    only_float(meta)?;
    let Some(batch) = meta.shape.rank().checked_sub(2) else {
        return Err(Error::shape(format!(
            "a matrix has at least two dimensions, and not the shape {}",
            meta.shape
        )));
    };
    Ok((Shape::new(&meta.shape[..batch])?, meta.shape[batch], meta.shape[batch + 1]))
}

/// Like [`sizes`] for square matrices: the shape of the batch, and the rows.
///
/// # Errors
/// As [`sizes`], and where the matrices aren't square.
pub(crate) fn square(meta: &Meta) -> Result<(Shape, usize)> {
    let (batch, rows, columns) = sizes(meta)?;
    if rows != columns {
        return Err(Error::shape(format!("the matrices are {rows} × {columns}, and must be square")));
    }
    Ok((batch, rows))
}

/// Matrices of a batch: the shape with two more dimensions.
fn matrices(batch: &Shape, rows: usize, columns: usize) -> Result<Shape> {
    let mut sizes = batch.to_vec();
    sizes.extend([rows, columns]);
    Shape::new(&sizes)
}

/// Vectors of a batch: the shape with one more dimension.
fn vectors(batch: &Shape, length: usize) -> Result<Shape> {
    batch.with_inserted(batch.rank(), length)
}

/// The matrices one by one, in the order of the batch.
fn each(x: &Array) -> Vec<Matrix> {
    let (rows, columns) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]);
    let values = x.to_f64_vec();
    let count = x.shape()[..x.rank() - 2].iter().product();
    let size = rows * columns;
    (0..count).map(|i| Matrix::new(rows, columns, values[i * size..(i + 1) * size].to_vec())).collect()
}

/// Runs a function on every item, on several threads where there are several.
fn on_each<A: Sync, R: Send>(items: &[A], function: impl Fn(&A) -> R + Sync) -> Vec<R> {
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    pool::chunks_mut(&mut results, 1, |i, slot| slot[0] = Some(function(&items[i])));
    results.into_iter().flatten().collect()
}

/// Parts one after another as one array.
fn stacked<'a>(parts: impl Iterator<Item = &'a [f64]>, meta: Meta) -> Array {
    Array::filled(parts.flatten().copied().collect(), meta.shape).cast(meta.dtype)
}

/// One number a matrix, as `info` has it: places counted from 1, or 0.
fn infos(places: impl Iterator<Item = Option<usize>>, shape: Shape) -> Array {
    Array::filled(places.map(|place| place.map_or(0, |i| i as i32 + 1)).collect(), shape)
}

/// Refuses where a matrix of the batch has an `info`.
fn refuse_any(infos: &Array, what: impl Fn(i64) -> String) -> Result<()> {
    match infos.to_i64_vec().into_iter().enumerate().find(|(_, info)| *info != 0) {
        Some((place, info)) if infos.rank() > 0 => {
            Err(Error::argument(format!("matrix {place} of the batch {}", what(info))))
        }
        Some((_, info)) => Err(Error::argument(format!("the matrix {}", what(info)))),
        None => Ok(()),
    }
}

/// What cannot be decomposed.
fn no_convergence(what: &str) -> Error {
    Error::argument(format!(
        "{what} can't be computed: an element is NaN or infinite, or the steps don't converge"
    ))
}

/// The dtype of several inputs, which must be the same.
fn same_dtype(inputs: &[Meta]) -> Result<DType> {
    match inputs.iter().find(|meta| meta.dtype != inputs[0].dtype) {
        Some(other) => Err(Error::dtype(format!("{} and {} are different", inputs[0].dtype, other.dtype))
            .hint("cast one to the other's element type")),
        None => Ok(inputs[0].dtype),
    }
}

/// Samples that every gate of square matrices has: `of` makes one, with what else it needs.
fn square_samples(of: impl Fn(Array) -> Sample) -> Vec<Sample> {
    vec![
        of(well_conditioned()),
        of(batch()),
        of(matrix([[1.7]])),
        of(Array::zeros_of([0, 0], DType::F64)),
        of(Array::zeros_of([0, 2, 2], DType::F64)),
        of(Array::zeros_of([2, 0, 0], DType::F64)),
        of(matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).refused(ErrorKind::Shape),
        of(Array::zeros_of([2], DType::F64)).refused(ErrorKind::Shape),
        of(Array::zeros_of([2, 2], DType::I64)).refused(ErrorKind::DType),
    ]
}

/// A matrix with distinct singular values, and symmetric part positive definite.
fn well_conditioned() -> Array {
    matrix([[3.0, 0.8, -0.5], [0.2, 2.0, 0.7], [-0.9, 0.4, 1.2]])
}

/// Two such matrices.
fn batch() -> Array {
    Array::filled(vec![2.0, 0.4, 0.1, 1.1, 1.3, -0.6, 0.3, 3.2], Shape::from([2, 2, 2]))
}
