//! Arithmetic, powers, exponentials, trigonometry, rounding: one number in, one out.

use chainrule::Tensor;

use crate::arguments::{Other, Scalar};
use crate::table::operators;

/// `other` times the factor `alpha` of PyTorch's add and sub.
fn scaled(x: &Tensor, other: &Other, alpha: Option<Scalar>) -> chainrule::Result<Other> {
    match alpha {
        None => Ok(other.clone()),
        Some(alpha) => chainrule::Operand::with(other, x, |other| other.mul(alpha)).map(Other::Tensor),
    }
}

/// Calls with `other`, a tensor or a number beside `x`, in front.
fn first<T>(x: &Tensor, other: &Other, call: impl FnOnce(&Tensor) -> T) -> T {
    chainrule::Operand::with(other, x, call)
}

operators! {
    "abs"(x: Tensor) => x.abs();
    "add"(x: Tensor, other: Other, alpha: Option<Scalar> = None) => x.add(scaled(&x, &other, alpha)?);
    "sub"(x: Tensor, other: Other, alpha: Option<Scalar> = None) => x.sub(scaled(&x, &other, alpha)?);
    "__radd__"(x: Tensor, other: Other) => x.add(other);
    "__rsub__"(x: Tensor, other: Other) => first(&x, &other, |other| other.sub(&x));
    "__rmul__"(x: Tensor, other: Other) => x.mul(other);
    "__rdiv__"(x: Tensor, other: Other) => x.reciprocal()?.mul(other);
    "__rpow__"(x: Tensor, other: Other) => first(&x, &other, |other| other.pow(&x));
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
    "sign" | "sgn"(x: Tensor) => x.sign();
    "rsub"(x: Tensor, other: Other, alpha: Option<Scalar> = None) => {
        let taken = alpha.map_or_else(|| Ok(x.clone()), |alpha| x.mul(alpha))?;
        first(&x, &other, |other| other.sub(&taken))
    };
    "positive"(x: Tensor) => x.positive();
    "rsqrt"(x: Tensor) => x.rsqrt();
    "exp2"(x: Tensor) => x.exp2();
    "log2"(x: Tensor) => x.log2();
    "log10"(x: Tensor) => x.log10();
    "logaddexp"(x: Tensor, other: Tensor) => x.logaddexp(&other);
    "logaddexp2"(x: Tensor, other: Tensor) => x.logaddexp2(&other);
    "tan"(x: Tensor) => x.tan();
    "asin"(x: Tensor) => x.asin();
    "acos"(x: Tensor) => x.acos();
    "atan"(x: Tensor) => x.atan();
    "atan2"(x: Tensor, other: Tensor) => x.atan2(&other);
    "sinh"(x: Tensor) => x.sinh();
    "cosh"(x: Tensor) => x.cosh();
    "asinh"(x: Tensor) => x.asinh();
    "acosh"(x: Tensor) => x.acosh();
    "atanh"(x: Tensor) => x.atanh();
    "hypot"(x: Tensor, other: Tensor) => x.hypot(&other);
    "deg2rad"(x: Tensor) => x.deg2rad();
    "rad2deg"(x: Tensor) => x.rad2deg();
    "angle"(x: Tensor) => x.angle();
    "floor"(x: Tensor) => x.floor();
    "ceil"(x: Tensor) => x.ceil();
    "trunc"(x: Tensor) => x.trunc();
    "frac"(x: Tensor) => x.frac();
    "round" | "round.decimals_0" | "round.decimals_3" | "round.decimals_neg_3"(x: Tensor, decimals: isize = 0)
        => x.round_decimals(decimals as i32);
    "fmod"(x: Tensor, other: Other) => x.fmod(other);
    "remainder"(x: Tensor, other: Other) => x.remainder(other);
    "__rmod__"(x: Tensor, other: Other) => first(&x, &other, |other| other.remainder(&x));
    "div.floor_rounding" | "div.trunc_rounding"(x: Tensor, other: Other, rounding_mode: String)
        => if rounding_mode == "floor" { x.div_floor(other) } else { x.div_trunc(other) };
    "floor_divide"(x: Tensor, other: Other) => x.floor_divide(other);
    "heaviside"(x: Tensor, other: Tensor) => x.heaviside(&other);
    "copysign"(x: Tensor, other: Other) => x.copysign(other);
    "nextafter"(x: Tensor, other: Tensor) => x.nextafter(&other);
    "ldexp"(x: Tensor, other: Tensor) => x.ldexp(&other);
    "frexp"(x: Tensor) => x.frexp();
    "float_power"(x: Tensor, exponent: Other) => x.float_power(exponent);
    "addcmul"(x: Tensor, a: Tensor, b: Tensor, value: Scalar = Scalar::Int(1)) => x.addcmul(&a, &b, value);
    "addcdiv"(x: Tensor, a: Tensor, b: Tensor, value: Scalar = Scalar::Int(1)) => x.addcdiv(&a, &b, value);
    "lerp"(x: Tensor, end: Tensor, weight: Other) => x.lerp(&end, weight);
    "nan_to_num"(x: Tensor, nan: Option<f64> = None, posinf: Option<f64> = None, neginf: Option<f64> = None)
        => x.nan_to_num(nan.unwrap_or(0.0), posinf, neginf);
}
