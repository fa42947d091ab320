//! Norms of vectors and matrices, distances, and what is scaled by them.

use chainrule::linalg::{self, Ord};
use chainrule::{DType, Error, Tensor};

use crate::arguments::{Value, as_type};
use crate::linalg::order;
use crate::table::operators;

/// The old `norm`: a number is always of vectors.
fn norm(x: &Tensor, order: Option<Ord>, dims: &[isize], keep: bool) -> chainrule::Result<Tensor> {
    match (order, dims) {
        (None | Some(Ord::Fro), _) => x.vector_norm(2.0, dims, keep),
        (Some(Ord::Number(p)), _) => x.vector_norm(p, dims, keep),
        (Some(Ord::Nuc), &[rows, columns]) => linalg::matrix_norm(x, Ord::Nuc, [rows, columns], keep),
        (Some(Ord::Nuc), _) => linalg::norm(x, order, dims, keep),
    }
}

operators! {
    "norm" | "norm.fro" | "norm.inf" | "norm.nuc"(
        x: Tensor, p: Value = Value::None, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None
    ) => norm(&as_type(&x, dtype)?, order(&p)?, &dim.unwrap_or_default(), keepdim);
    "linalg.vector_norm"(
        x: Tensor, ord: f64 = 2.0, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None
    ) => as_type(&x, dtype)?.vector_norm(ord, &dim.unwrap_or_default(), keepdim);
    "linalg.matrix_norm"(
        x: Tensor, ord: Value = Value::None, dim: Vec<isize> = vec![-2, -1], keepdim: bool = false, dtype: Option<DType> = None
    ) => match dim[..] {
        [rows, columns] =>
            linalg::matrix_norm(&as_type(&x, dtype)?, order(&ord)?.unwrap_or(Ord::Fro), [rows, columns], keepdim),
        _ => Err(Error::argument(format!("a matrix lies in two dimensions, not in {dim:?}"))),
    };
    "linalg.norm" | "linalg.norm.subgradients_at_zero"(
        x: Tensor, ord: Value = Value::None, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None
    ) => linalg::norm(&as_type(&x, dtype)?, order(&ord)?, &dim.unwrap_or_default(), keepdim);
    "dist"(x: Tensor, other: Tensor, p: f64 = 2.0) => x.dist(&other, p);
    "cdist"(x: Tensor, other: Tensor, p: f64 = 2.0, compute_mode: Option<String> = None)
        => { let _ = compute_mode; x.cdist(&other, p) };
    "renorm"(x: Tensor, p: f64, dim: isize, maxnorm: f64) => x.renorm(p, dim, maxnorm);
    "nn.functional.pdist"(x: Tensor, p: f64 = 2.0) => x.pdist(p);
    "nn.functional.pairwise_distance"(x: Tensor, other: Tensor, p: f64 = 2.0, eps: f64 = 1e-6, keepdim: bool = false)
        => x.pairwise_distance(&other, p, eps, keepdim);
    "nn.functional.cosine_similarity"(x: Tensor, other: Tensor, dim: isize = 1, eps: f64 = 1e-8)
        => x.cosine_similarity(&other, dim, eps);
    "nn.functional.normalize"(x: Tensor, p: f64 = 2.0, dim: Vec<isize> = vec![1], eps: f64 = 1e-12)
        => x.normalize(p, &dim, eps);
}
