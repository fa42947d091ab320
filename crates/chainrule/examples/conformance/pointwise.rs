//! Arithmetic, powers, exponentials, trigonometry, rounding: one number in, one out.

use chainrule::Tensor;

use crate::arguments::{Other, Scalar};
use crate::table::operators;

/// `other` times the factor `alpha` of PyTorch's add and sub.
fn scaled(other: &Tensor, alpha: Option<Scalar>) -> chainrule::Result<Tensor> {
    alpha.map_or_else(|| Ok(other.clone()), |alpha| other.mul(alpha))
}

operators! {
    "abs"(x: Tensor) => x.abs();
    "add"(x: Tensor, other: Tensor, alpha: Option<Scalar> = None) => x.add(&scaled(&other, alpha)?);
    "sub"(x: Tensor, other: Tensor, alpha: Option<Scalar> = None) => x.sub(&scaled(&other, alpha)?);
    "__radd__"(x: Tensor, other: Tensor) => other.add(&x);
    "__rsub__"(x: Tensor, other: Tensor) => other.sub(&x);
    "__rmul__"(x: Tensor, other: Tensor) => other.mul(&x);
    "__rdiv__"(x: Tensor, other: Tensor) => other.div(&x);
    "__rpow__"(x: Tensor, other: Tensor) => other.pow(&x);
    "mul"(x: Tensor, other: Other) => x.mul(other);
    "div.no_rounding_mode" | "true_divide"(x: Tensor, other: Other) => x.div(other);
    "pow"(x: Tensor, exponent: Other) => x.pow(exponent);
    "neg"(x: Tensor) => x.neg();
    "reciprocal"(x: Tensor) => x.reciprocal();
    "square"(x: Tensor) => x.square();
    "exp"(x: Tensor) => x.exp();
    "expm1"(x: Tensor) => x.expm1();
    "log"(x: Tensor) => x.log();
    "log1p"(x: Tensor) => x.log1p();
    "sqrt"(x: Tensor) => x.sqrt();
    "sin"(x: Tensor) => x.sin();
    "cos"(x: Tensor) => x.cos();
    "tanh"(x: Tensor) => x.tanh();
    "sign"(x: Tensor) => x.sign();
}
