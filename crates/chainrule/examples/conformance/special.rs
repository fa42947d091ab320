//! Special functions: the error function and its kin, `special.*`.

use chainrule::Tensor;

use crate::table::operators;

operators! {
    "erf"(x: Tensor) => x.erf();
}
