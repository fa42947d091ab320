//! Comparing, choosing and limiting.

use chainrule::Tensor;

use crate::arguments::Other;
use crate::table::operators;

/// A limit as a tensor beside `x`.
fn limit(x: &Tensor, limit: Option<Other>) -> Option<Tensor> {
    limit.map(|limit| chainrule::Operand::with(&limit, x, Tensor::clone))
}

fn clamp(x: &Tensor, min: Option<Other>, max: Option<Other>) -> chainrule::Result<Tensor> {
    let (low, high) = (min.as_ref(), max.as_ref());
    let number = |limit: Option<&Other>| limit.is_none_or(|limit| matches!(limit, Other::Number(_)));
    // Numbers beside integers may be beyond their type.
    if !x.dtype().is_float() && number(low) && number(high) && (low.is_some() || high.is_some()) {
        let low = low.map_or(Ok(x.clone()), |low| x.clamp_min(low))?;
        return high.map_or(Ok(low.clone()), |high| low.clamp_max(high));
    }
    x.clamp_between(limit(x, min).as_ref(), limit(x, max).as_ref())
}

operators! {
    "eq"(x: Tensor, other: Other) => x.eq(other);
    "ne"(x: Tensor, other: Other) => x.ne(other);
    "lt"(x: Tensor, other: Other) => x.lt(other);
    "le"(x: Tensor, other: Other) => x.le(other);
    "gt"(x: Tensor, other: Other) => x.gt(other);
    "ge"(x: Tensor, other: Other) => x.ge(other);
    "maximum" | "max.binary"(x: Tensor, other: Tensor) => x.maximum(&other);
    "minimum" | "min.binary"(x: Tensor, other: Tensor) => x.minimum(&other);
    "fmax"(x: Tensor, other: Tensor) => x.fmax(&other);
    "fmin"(x: Tensor, other: Tensor) => x.fmin(&other);
    "clamp"(x: Tensor, min: Option<Other> = None, max: Option<Other> = None) => clamp(&x, min, max);
    "clamp_min"(x: Tensor, min: Other) => x.clamp_min(min);
    "clamp_max"(x: Tensor, max: Other) => x.clamp_max(max);
    "where"(x: Tensor, condition: Tensor, other: Other) =>
        chainrule::Operand::with(&other, &x, |other| condition.where_(&x, other));
    "isnan"(x: Tensor) => x.isnan();
    "isinf"(x: Tensor) => x.isinf();
    "isposinf"(x: Tensor) => x.isposinf();
    "isneginf"(x: Tensor) => x.isneginf();
    "isfinite"(x: Tensor) => x.isfinite();
    "signbit"(x: Tensor) => x.signbit();
    "isclose"(x: Tensor, other: Tensor, rtol: f64 = 1e-5, atol: f64 = 1e-8, equal_nan: bool = false) =>
        x.isclose(&other, rtol, atol, equal_nan);
}
