//! Activations.

use chainrule::Tensor;

use crate::table::operators;

operators! {
    "nn.functional.relu"(x: Tensor) => x.relu();
    "sigmoid"(x: Tensor) => x.sigmoid();
    "nn.functional.silu"(x: Tensor) => x.silu();
    "nn.functional.leaky_relu"(x: Tensor, negative_slope: f64 = 0.01) => x.leaky_relu(negative_slope);
    "nn.functional.softplus"(x: Tensor, beta: f64 = 1.0, threshold: f64 = 20.0) => x.softplus(beta, threshold);
    "nn.functional.gelu"(x: Tensor, approximate: String = "none".into()) => x.gelu_with(&approximate);
    "nn.functional.elu"(x: Tensor, alpha: f64 = 1.0) => x.elu(alpha);
    "nn.functional.selu"(x: Tensor) => x.selu();
    "nn.functional.celu"(x: Tensor, alpha: f64 = 1.0) => x.celu(alpha);
    "nn.functional.relu6"(x: Tensor) => x.relu6();
    "nn.functional.hardtanh"(x: Tensor, min_val: f64 = -1.0, max_val: f64 = 1.0) => x.hardtanh(min_val, max_val);
    "nn.functional.hardsigmoid"(x: Tensor) => x.hardsigmoid();
    "nn.functional.hardswish"(x: Tensor) => x.hardswish();
    "nn.functional.hardshrink"(x: Tensor, lambd: f64 = 0.5) => x.hardshrink(lambd);
    "nn.functional.softshrink"(x: Tensor, lambd: f64 = 0.5) => x.softshrink(lambd);
    "nn.functional.threshold"(x: Tensor, threshold: f64, value: f64) => x.threshold(threshold, value);
    "nn.functional.mish"(x: Tensor) => x.mish();
    "nn.functional.logsigmoid"(x: Tensor) => x.logsigmoid();
    "nn.functional.softsign"(x: Tensor) => x.softsign();
    "nn.functional.tanhshrink"(x: Tensor) => x.tanhshrink();
    "nn.functional.prelu"(x: Tensor, weight: Tensor) => x.prelu(&weight);
    "nn.functional.glu"(x: Tensor, dim: isize = -1) => x.glu(dim);
}
