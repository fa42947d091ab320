//! `masked.*`: reductions and normalisations of what a mask lets through.

use chainrule::{DType, Tensor};

use crate::arguments::as_type;
use crate::table::operators;

/// What is taken off the number of elements: `unbiased` says 1 or 0.
fn freedom(unbiased: Option<bool>, correction: Option<f64>) -> f64 {
    correction.unwrap_or(if unbiased == Some(false) { 0.0 } else { 1.0 })
}

operators! {
    "masked.sum"(x: Tensor, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.sum(&dim.unwrap_or_default(), keepdim);
    "masked.prod"(x: Tensor, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.prod(&dim.unwrap_or_default(), keepdim);
    "masked.mean"(x: Tensor, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.mean(&dim.unwrap_or_default(), keepdim);
    "masked.amax"(x: Tensor, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.amax(&dim.unwrap_or_default(), keepdim);
    "masked.amin"(x: Tensor, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.amin(&dim.unwrap_or_default(), keepdim);
    "masked.logsumexp"(x: Tensor, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.logsumexp(&dim.unwrap_or_default(), keepdim);
    "masked.norm"(
        x: Tensor, ord: f64 = 2.0, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None, mask: Option<Tensor> = None
    ) => as_type(&x, dtype)?.masked(mask.as_ref())?.norm(ord, &dim.unwrap_or_default(), keepdim);
    "masked.var"(
        x: Tensor, dim: Option<Vec<isize>> = None, unbiased: Option<bool> = None, correction: Option<f64> = None, keepdim: bool = false,
        dtype: Option<DType> = None, mask: Option<Tensor> = None
    ) => as_type(&x, dtype)?.masked(mask.as_ref())?.var(&dim.unwrap_or_default(), freedom(unbiased, correction), keepdim);
    "masked.std"(
        x: Tensor, dim: Option<Vec<isize>> = None, unbiased: Option<bool> = None, correction: Option<f64> = None, keepdim: bool = false,
        dtype: Option<DType> = None, mask: Option<Tensor> = None
    ) => as_type(&x, dtype)?.masked(mask.as_ref())?.std(&dim.unwrap_or_default(), freedom(unbiased, correction), keepdim);
    "masked.median"(x: Tensor, dim: isize = -1, keepdim: bool = false, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.median(dim, keepdim);
    "masked.softmax"(x: Tensor, dim: isize, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.softmax(dim);
    "masked.log_softmax"(x: Tensor, dim: isize, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.log_softmax(dim);
    "masked.softmin"(x: Tensor, dim: isize, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.softmin(dim);
    "masked.cumsum"(x: Tensor, dim: isize, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.cumsum(dim);
    "masked.cumprod"(x: Tensor, dim: isize, dtype: Option<DType> = None, mask: Option<Tensor> = None)
        => as_type(&x, dtype)?.masked(mask.as_ref())?.cumprod(dim);
    "masked.normalize"(
        x: Tensor, ord: f64, dim: isize, eps: f64 = 1e-12, dtype: Option<DType> = None, mask: Option<Tensor> = None
    ) => as_type(&x, dtype)?.masked(mask.as_ref())?.normalize(ord, dim, eps);
    "masked.logaddexp"(
        x: Tensor, other: Tensor, dtype: Option<DType> = None, input_mask: Option<Tensor> = None, other_mask: Option<Tensor> = None
    ) => as_type(&x, dtype)?.masked(input_mask.as_ref())?.logaddexp(&as_type(&other, dtype)?.masked(other_mask.as_ref())?);
}
