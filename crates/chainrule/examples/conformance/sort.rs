//! Sorting, selecting by rank, and cumulative operators.

use chainrule::{DType, Tensor};

use crate::arguments::as_type;
use crate::table::operators;

operators! {
    // Every sort keeps the order of equal elements, so `stable` asks for nothing more.
    "sort"(x: Tensor, dim: isize = -1, descending: bool = false, stable: bool = false) =>
        Ok::<_, chainrule::Error>(stable).and(x.sort(dim, descending));
    "argsort"(x: Tensor, dim: isize = -1, descending: bool = false, stable: bool = false) =>
        Ok::<_, chainrule::Error>(stable).and(x.argsort(dim, descending));
    "msort"(x: Tensor) => x.msort();
    // The values come in order either way.
    "topk"(x: Tensor, k: usize, dim: isize = -1, largest: bool = true, sorted: bool = true) =>
        Ok::<_, chainrule::Error>(sorted).and(x.topk(k, dim, largest));
    "kthvalue"(x: Tensor, k: usize, dim: isize = -1, keepdim: bool = false) => x.kthvalue(k, dim, keepdim);
    "cumsum"(x: Tensor, dim: isize, dtype: Option<DType> = None) => as_type(&x, dtype)?.cumsum(dim);
    "cumprod"(x: Tensor, dim: isize, dtype: Option<DType> = None) => as_type(&x, dtype)?.cumprod(dim);
    "logcumsumexp"(x: Tensor, dim: isize) => x.logcumsumexp(dim);
    "cummax"(x: Tensor, dim: isize) => x.cummax(dim);
    "cummin"(x: Tensor, dim: isize) => x.cummin(dim);
}
