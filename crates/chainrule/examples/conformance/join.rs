//! Joining and splitting.

use chainrule::Tensor;

use crate::table::operators;

operators! {
    "cat"(tensors: Vec<Tensor>, dim: isize = 0) => Tensor::cat(&tensors.iter().collect::<Vec<_>>(), dim);
    "stack"(tensors: Vec<Tensor>, dim: isize = 0) => Tensor::stack(&tensors.iter().collect::<Vec<_>>(), dim);
}
