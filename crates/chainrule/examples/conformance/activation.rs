//! Activations.

use chainrule::Tensor;

use crate::table::operators;

operators! {
    "nn.functional.relu"(x: Tensor) => x.relu();
    "sigmoid"(x: Tensor) => x.sigmoid();
    "nn.functional.silu"(x: Tensor) => x.silu();
    "nn.functional.leaky_relu"(x: Tensor, negative_slope: f64 = 0.01) => x.leaky_relu(negative_slope);
    "nn.functional.softplus"(x: Tensor, beta: f64 = 1.0, threshold: f64 = 20.0) => x.softplus(beta, threshold);
}
