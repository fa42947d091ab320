//! Views and other shapes of the same elements.

use chainrule::Tensor;

use crate::arguments::Rest;
use crate::table::operators;

operators! {
    "broadcast_tensors"(tensors: Rest<Tensor>) => Tensor::broadcast_tensors(&tensors.0.iter().collect::<Vec<_>>());
    "transpose"(x: Tensor, dim0: isize, dim1: isize) => x.transpose(dim0, dim1);
    "t" | "T"(x: Tensor) => x.t();
    "permute"(x: Tensor, dims: Vec<isize>) => x.permute(&dims);
    "view" | "reshape"(x: Tensor, shape: Vec<isize>) => x.view(&shape);
    "unsqueeze"(x: Tensor, dim: isize) => x.unsqueeze(dim);
    "select"(x: Tensor, dim: isize, index: isize) => x.select(dim, index);
    "diagonal"(x: Tensor, offset: isize = 0, dim1: isize = 0, dim2: isize = 1) => x.diagonal(offset, dim1, dim2);
    "clone" | "contiguous"(x: Tensor) => x.copy();
    "flatten"(x: Tensor, start_dim: isize = 0, end_dim: isize = -1) => x.flatten(start_dim, end_dim);
}
