//! Reductions: sums, means, extremes, variances.

use chainrule::ops::Interpolation;
use chainrule::{DType, Tensor};

use crate::arguments::{Other, as_type};
use crate::table::operators;

/// What is taken off the number of elements: PyTorch says `correction`, or `unbiased` for 1 and 0.
fn freedom(unbiased: Option<bool>, correction: Option<f64>) -> f64 {
    correction.unwrap_or(if unbiased == Some(false) { 0.0 } else { 1.0 })
}

/// A result of all elements, with the dimensions of what it was taken of.
fn kept(y: Tensor, x: &Tensor, keep: bool) -> chainrule::Result<Tensor> {
    if keep { y.reshape(chainrule::Shape::new(&vec![1; x.rank()])?) } else { Ok(y) }
}

fn pair((first, second): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![first, second]
}

operators! {
    "sum"(x: Tensor, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None)
        => as_type(&x, dtype)?.sum_dim(&dim.unwrap_or_default(), keepdim);
    "mean"(x: Tensor, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None)
        => as_type(&x, dtype)?.mean_dim(&dim.unwrap_or_default(), keepdim);
    "nansum"(x: Tensor, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None)
        => as_type(&x, dtype)?.nansum(&dim.unwrap_or_default(), keepdim);
    "nanmean"(x: Tensor, dim: Option<Vec<isize>> = None, keepdim: bool = false, dtype: Option<DType> = None)
        => as_type(&x, dtype)?.nanmean(&dim.unwrap_or_default(), keepdim);
    "prod"(x: Tensor, dim: Option<isize> = None, keepdim: bool = false, dtype: Option<DType> = None)
        => match dim { Some(dim) => as_type(&x, dtype)?.prod_dim(dim, keepdim), None => as_type(&x, dtype)?.prod() };
    "amax"(x: Tensor, dim: Vec<isize> = vec![], keepdim: bool = false) => x.amax(&dim, keepdim);
    "amin"(x: Tensor, dim: Vec<isize> = vec![], keepdim: bool = false) => x.amin(&dim, keepdim);
    "argmax"(x: Tensor, dim: Option<isize> = None, keepdim: bool = false)
        => match dim { Some(dim) => x.argmax_dim(dim, keepdim), None => kept(x.argmax()?, &x, keepdim) };
    "argmin"(x: Tensor, dim: Option<isize> = None, keepdim: bool = false)
        => match dim { Some(dim) => x.argmin_dim(dim, keepdim), None => kept(x.argmin()?, &x, keepdim) };
    "all"(x: Tensor, dim: Vec<isize> = vec![], keepdim: bool = false) => x.all(&dim, keepdim);
    "any"(x: Tensor, dim: Vec<isize> = vec![], keepdim: bool = false) => x.any(&dim, keepdim);
    "count_nonzero"(x: Tensor, dim: Option<Vec<isize>> = None) => x.count_nonzero(&dim.unwrap_or_default());
    "aminmax"(x: Tensor, dim: Vec<isize> = vec![], keepdim: bool = false) => x.aminmax(&dim, keepdim);
    "max.reduction_no_dim"(x: Tensor) => x.max();
    "min.reduction_no_dim"(x: Tensor) => x.min();
    "max.reduction_with_dim"(x: Tensor, dim: isize, keepdim: bool = false) => x.max_dim(dim, keepdim);
    "min.reduction_with_dim"(x: Tensor, dim: isize, keepdim: bool = false) => x.min_dim(dim, keepdim);
    "logsumexp"(x: Tensor, dim: Vec<isize>, keepdim: bool = false) => x.logsumexp(&dim, keepdim);
    "median"(x: Tensor, dim: Option<isize> = None, keepdim: bool = false)
        => match dim { Some(dim) => x.median_dim(dim, keepdim).map(pair), None => x.median().map(|y| vec![y]) };
    "nanmedian"(x: Tensor, dim: Option<isize> = None, keepdim: bool = false)
        => match dim { Some(dim) => x.nanmedian_dim(dim, keepdim).map(pair), None => x.nanmedian().map(|y| vec![y]) };
    "mode"(x: Tensor, dim: isize = -1, keepdim: bool = false) => x.mode(dim, keepdim);
    "var"(x: Tensor, dim: Option<Vec<isize>> = None, unbiased: Option<bool> = None, keepdim: bool = false, correction: Option<f64> = None)
        => x.var(&dim.unwrap_or_default(), freedom(unbiased, correction), keepdim);
    "std"(x: Tensor, dim: Option<Vec<isize>> = None, unbiased: Option<bool> = None, keepdim: bool = false, correction: Option<f64> = None)
        => x.std(&dim.unwrap_or_default(), freedom(unbiased, correction), keepdim);
    "var_mean"(x: Tensor, dim: Option<Vec<isize>> = None, unbiased: Option<bool> = None, keepdim: bool = false, correction: Option<f64> = None)
        => x.var_mean(&dim.unwrap_or_default(), freedom(unbiased, correction), keepdim);
    "std_mean"(x: Tensor, dim: Option<Vec<isize>> = None, unbiased: Option<bool> = None, keepdim: bool = false, correction: Option<f64> = None)
        => x.std_mean(&dim.unwrap_or_default(), freedom(unbiased, correction), keepdim);
    "var.unbiased"(x: Tensor, unbiased: bool) => x.var(&[], freedom(Some(unbiased), None), false);
    "std.unbiased"(x: Tensor, unbiased: bool) => x.std(&[], freedom(Some(unbiased), None), false);
    "var_mean.unbiased"(x: Tensor, unbiased: bool) => x.var_mean(&[], freedom(Some(unbiased), None), false);
    "std_mean.unbiased"(x: Tensor, unbiased: bool) => x.std_mean(&[], freedom(Some(unbiased), None), false);
    "trapezoid" | "trapz"(y: Tensor, x: Option<Tensor> = None, dim: isize = -1, dx: f64 = 1.0)
        => match x { Some(x) => y.trapezoid_at(&x, dim), None => y.trapezoid(dx, dim) };
    "cov"(x: Tensor, correction: f64 = 1.0, fweights: Option<Tensor> = None, aweights: Option<Tensor> = None)
        => x.cov(correction, fweights.as_ref(), aweights.as_ref());
    "corrcoef"(x: Tensor) => x.corrcoef();
    "cumulative_trapezoid"(y: Tensor, x: Option<Tensor> = None, dim: isize = -1, dx: f64 = 1.0)
        => match x { Some(x) => y.cumulative_trapezoid_at(&x, dim), None => y.cumulative_trapezoid(dx, dim) };
    "quantile"(x: Tensor, q: Other, dim: Option<isize> = None, keepdim: bool = false, interpolation: Interpolation = Interpolation::Linear)
        => x.quantile(&chainrule::Operand::with(&q, &x, Tensor::clone), dim, keepdim, interpolation);
    "nanquantile"(x: Tensor, q: Other, dim: Option<isize> = None, keepdim: bool = false, interpolation: Interpolation = Interpolation::Linear)
        => x.nanquantile(&chainrule::Operand::with(&q, &x, Tensor::clone), dim, keepdim, interpolation);
}
