//! Norms of vectors and matrices, distances, and what is scaled by them.

use chainrule::gate::vector_norm::MatrixNorm;
use chainrule::{DType, Tensor};

use crate::arguments::{Failure, Outcome, Value, as_type};
use crate::table::operators;

/// The exponent of a vector's norm; `None` and `fro` are 2.
fn exponent(order: &Value) -> Outcome<f64> {
    match order {
        Value::Int(p) => Ok(*p as f64),
        Value::Float(p) => Ok(*p),
        Value::None => Ok(2.0),
        Value::Text(name) if name == "fro" => Ok(2.0),
        other => Err(Failure::Unmapped(format!("the norm {other:?} of vectors"))),
    }
}

fn matrix_norm(x: &Tensor, order: &Value, dims: &[isize], keep: bool) -> Outcome<Tensor> {
    let norm = match order {
        Value::Text(name) if name == "fro" => MatrixNorm::Fro,
        Value::None => MatrixNorm::Fro,
        other => match exponent(other)? {
            1.0 => MatrixNorm::One,
            -1.0 => MatrixNorm::MinusOne,
            f64::INFINITY => MatrixNorm::Infinity,
            f64::NEG_INFINITY => MatrixNorm::MinusInfinity,
            other => return Err(Failure::Unmapped(format!("the norm {other} of matrices"))),
        },
    };
    let dims = <[isize; 2]>::try_from(dims)
        .map_err(|_| Failure::Unmapped(format!("a matrix in the dimensions {dims:?}")))?;
    Ok(x.matrix_norm(norm, dims, keep)?)
}

/// `linalg.norm`: of vectors or of matrices, by the order, the dimensions and the shape.
fn norm(x: &Tensor, order: &Value, dims: Option<Vec<isize>>, keep: bool) -> Outcome<Tensor> {
    let plain = matches!(order, Value::None);
    match dims {
        Some(dims) if dims.len() == 2 && !plain => matrix_norm(x, order, &dims, keep),
        Some(dims) => Ok(x.vector_norm(exponent(order)?, &dims, keep)?),
        None if x.rank() == 2 && !plain => matrix_norm(x, order, &[0, 1], keep),
        None => Ok(x.vector_norm(exponent(order)?, &[], keep)?),
    }
}

operators! {
    "norm" | "norm.fro" | "norm.inf" | "norm.nuc"(
        x: Tensor, p: Value = Value::None, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None
    ) => exponent(&p).and_then(|p| Ok(as_type(&x, dtype)?.vector_norm(p, &dim.unwrap_or_default(), keepdim)?));
    "linalg.vector_norm"(
        x: Tensor, ord: f64 = 2.0, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None
    ) => as_type(&x, dtype)?.vector_norm(ord, &dim.unwrap_or_default(), keepdim);
    "linalg.matrix_norm"(
        x: Tensor, ord: Value = Value::None, dim: Vec<isize> = vec![-2, -1], keepdim: bool = false, dtype: Option<DType> = None
    ) => matrix_norm(&as_type(&x, dtype)?, &ord, &dim, keepdim);
    "linalg.norm" | "linalg.norm.subgradients_at_zero"(
        x: Tensor, ord: Value = Value::None, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None
    ) => norm(&as_type(&x, dtype)?, &ord, dim, keepdim);
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
