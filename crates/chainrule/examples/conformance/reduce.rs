//! Reductions: sums, means, extremes, variances.

use chainrule::Tensor;

use crate::table::operators;

operators! {
    "sum"(x: Tensor, dim: Vec<isize> = vec![], keepdim: bool = false) => x.sum_dim(&dim, keepdim);
    "mean"(x: Tensor, dim: Vec<isize> = vec![], keepdim: bool = false) => x.mean_dim(&dim, keepdim);
    "amax"(x: Tensor, dim: Vec<isize> = vec![], keepdim: bool = false) => x.amax(&dim, keepdim);
    "amin"(x: Tensor, dim: Vec<isize> = vec![], keepdim: bool = false) => x.amin(&dim, keepdim);
    "logsumexp"(x: Tensor, dim: Vec<isize>, keepdim: bool = false) => x.logsumexp(&dim, keepdim);
}
