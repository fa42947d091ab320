//! Losses.

use chainrule::Tensor;

use crate::table::operators;

operators! {
    "nn.functional.mse_loss"(x: Tensor, target: Tensor) => x.mse_loss(&target);
}
