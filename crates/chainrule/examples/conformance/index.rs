//! Reading and writing at indices and masks.

use chainrule::Tensor;

use crate::arguments::Other;
use crate::table::operators;

operators! {
    "fill"(x: Tensor, value: Other) => x.fill(value);
    "gather"(x: Tensor, dim: isize, index: Tensor) => x.gather(dim, &index);
    "index_select"(x: Tensor, dim: isize, index: Tensor) => x.index_select(dim, &index);
    "scatter_add"(x: Tensor, dim: isize, index: Tensor, src: Tensor) => x.scatter_add(dim, &index, &src);
}
