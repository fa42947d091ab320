//! Softmax and attention.

use chainrule::Tensor;

use crate::table::operators;

operators! {
    "softmax"(x: Tensor, dim: isize) => x.softmax(dim);
    "log_softmax"(x: Tensor, dim: isize) => x.log_softmax(dim);
}
