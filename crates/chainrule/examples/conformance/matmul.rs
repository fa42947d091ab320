//! Matrix products.

use chainrule::Tensor;

use crate::table::operators;

operators! {
    "matmul"(x: Tensor, other: Tensor) => x.matmul(&other);
    "__rmatmul__"(x: Tensor, other: Tensor) => other.matmul(&x);
    "dot"(x: Tensor, other: Tensor) => x.dot(&other);
    "nn.functional.linear"(x: Tensor, weight: Tensor, bias: Option<Tensor> = None) => x.linear(&weight, bias.as_ref());
}
