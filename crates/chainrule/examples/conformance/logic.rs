//! Comparing, choosing and limiting.

use chainrule::Tensor;

use crate::arguments::Other;
use crate::table::operators;

operators! {
    "eq"(x: Tensor, other: Other) => x.eq(other);
    "ne"(x: Tensor, other: Other) => x.ne(other);
    "lt"(x: Tensor, other: Other) => x.lt(other);
    "le"(x: Tensor, other: Other) => x.le(other);
    "gt"(x: Tensor, other: Other) => x.gt(other);
    "ge"(x: Tensor, other: Other) => x.ge(other);
    "maximum" | "max.binary"(x: Tensor, other: Tensor) => x.maximum(&other);
    "minimum" | "min.binary"(x: Tensor, other: Tensor) => x.minimum(&other);
    "where"(x: Tensor, condition: Tensor, other: Tensor) => condition.where_(&x, &other);
}
