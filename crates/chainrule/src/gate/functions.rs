//! Elementary functions and activations of one input.
//!
//! ```
//! use chainrule::param;
//! let x = param(0.5);
//! x.sin()?.exp()?.backward()?; // the chain rule: e^(sin x)·cos x
//! let expected = 0.5f64.sin().exp() * 0.5f64.cos();
//! assert!((x.grad().unwrap().item()? - expected).abs() < 1e-6);
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::{f64s, not_bool, unary_methods};
use super::{Entry, GateRef, Sample};
use crate::array::{Array, DType, Meta};
use crate::error::{Error, Result};
use crate::gates;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[
    Exp::ENTRY,
    Expm1::ENTRY,
    Log::ENTRY,
    Log1p::ENTRY,
    Sqrt::ENTRY,
    Rsqrt::ENTRY,
    Sin::ENTRY,
    Cos::ENTRY,
    Abs::ENTRY,
    Sign::ENTRY,
    Erf::ENTRY,
    Relu::ENTRY,
    Sigmoid::ENTRY,
    Tanh::ENTRY,
    LeakyRelu::ENTRY,
    Softplus::ENTRY,
    Gelu::ENTRY,
    GeluTanh::ENTRY,
    Silu::ENTRY,
];

const SQRT_HALF: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// The density of the normal distribution at 0: 1/√(2π).
const DENSITY_AT_0: f64 = 0.398_942_280_401_432_7;
/// √(2/π), of GELU's approximation by tanh.
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;

fn samples(gate: impl Into<GateRef>, values: [f64; 4]) -> Vec<Sample> {
    let gate = gate.into();
    vec![
        Sample::new(gate.clone(), [f64s(values)]),
        Sample::new(gate.clone(), [Array::scalar(values[0])]),
        Sample::new(gate.clone(), [Array::filled(values.to_vec(), [2, 1, 2].into())]),
        Sample::new(gate, [Array::zeros_of([2, 0], DType::F64)]),
    ]
}

fn kink(gate: impl Into<GateRef>, mut all: Vec<Sample>, at: f64, gradient: f64) -> Vec<Sample> {
    all.push(Sample::new(gate, [f64s([at])]).at_kink([f64s([gradient])]));
    all
}

gates! {
    /// Exponential: `y = eˣ`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).exp()?.to_string(), "tensor([1.0000, 2.7183])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Exp(x) -> y as "exp" {
        value: x.exp();
        local: [y];
        samples: samples(Exp, [0.5, -1.0, 2.0, 0.0]);
    }
}

gates! {
    /// `y = eˣ − 1`, accurate near 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1e-8]).expm1()?.to_string(), "tensor([1.0000e-08])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Expm1(x) -> y as "expm1" {
        value: x.expm1();
        local: [y + 1.0];
        samples: samples(Expm1, [0.5, -1.0, 2.0, 0.0]);
    }
}

gates! {
    /// Natural logarithm: `y = ln x`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).log()?.to_string(), "tensor([0.0000, 0.6931])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Log(x) -> y as "log" {
        value: x.log();
        local: [1.0 / x];
        samples: {
            let mut all = samples(Log, [0.5, 1.0, 2.0, 3.5]);
            let (inf, nan) = (f64::INFINITY, f64::NAN);
            all.push(Sample::new(Log, [f64s([0.0, -0.0, -1.0, inf, nan])]).gives([f64s([-inf, -inf, nan, inf, nan])]));
            all
        };
    }
}

gates! {
    /// `y = ln(1 + x)`, accurate near 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1e-8]).log1p()?.to_string(), "tensor([1.0000e-08])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Log1p(x) -> y as "log1p" {
        value: x.log1p();
        local: [1.0 / (x + 1.0)];
        grad_fn: |_: &Log1p| "Log1PBackward0";
        samples: samples(Log1p, [0.5, -0.5, 2.0, 0.0]);
    }
}

gates! {
    /// Square root: `y = √x`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([4.0, 2.0]).sqrt()?.to_string(), "tensor([2.0000, 1.4142])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Sqrt(x) -> y as "sqrt" {
        value: x.sqrt();
        local: [0.5 / y];
        at_kink: "∂y/∂x = ∞ at 0";
        samples: kink(Sqrt, samples(Sqrt, [0.5, 1.0, 2.0, 3.5]), 0.0, f64::INFINITY);
    }
}

gates! {
    /// Reciprocal square root: `y = 1/√x`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([4.0, 0.25]).rsqrt()?.to_string(), "tensor([0.5000, 2.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Rsqrt(x) -> y as "rsqrt" {
        value: 1.0 / x.sqrt();
        local: [-0.5 * (y * y * y)];
        samples: samples(Rsqrt, [0.5, 1.0, 2.0, 3.5]);
    }
}

gates! {
    /// Sine: `y = sin x`, x in radians.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).sin()?.to_string(), "tensor([0.0000, 0.8415])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Sin(x) -> y as "sin" {
        value: x.sin();
        local: [x.cos()];
        samples: samples(Sin, [0.5, -1.0, 2.0, 4.0]);
    }
}

gates! {
    /// Cosine: `y = cos x`, x in radians.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).cos()?.to_string(), "tensor([1.0000, 0.5403])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Cos(x) -> y as "cos" {
        value: x.cos();
        local: [-x.sin()];
        samples: samples(Cos, [0.5, -1.0, 2.0, 4.0]);
    }
}

gates! {
    /// Absolute value: `y = |x|`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.5, 2.0]).abs()?.to_string(), "tensor([1.5000, 2.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Abs(x) -> y as "abs" {
        value: x.abs();
        local: [x.sign()];
        integer: |_: &Abs, [x, ..]: [i64; 3]| Some(x.wrapping_abs());
        check: |_: &Abs, inputs: &[Meta]| not_bool("an absolute value", inputs);
        at_kink: "∂y/∂x = 0 at 0";
        samples: kink(Abs, samples(Abs, [0.5, -1.0, 2.0, -4.0]), 0.0, 0.0);
    }
}

gates! {
    /// Sign: −1, 0 or 1 (0 where x is NaN). Its gradient is 0 everywhere.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.5, 0.0, 2.0]).sign()?.to_string(), "tensor([-1.,  0.,  1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Sign(x) -> y as "sign" {
        value: x.sign();
        local: [0.0];
        integer: |_: &Sign, [x, ..]: [i64; 3]| Some(x.signum());
        at_kink: "∂y/∂x = 0 at 0";
        samples: {
            let mut all = kink(Sign, samples(Sign, [0.5, -1.0, 2.0, -4.0]), 0.0, 0.0);
            all.push(Sample::new(Sign, [f64s([f64::NAN, -0.0])]).gives([f64s([0.0, 0.0])]));
            all
        };
    }
}

gates! {
    /// Error function: `y = 2/√π ∫₀ˣ e^(−t²) dt`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).erf()?.to_string(), "tensor([0.0000, 0.8427])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Erf(x) -> y as "erf" {
        value: x.erf();
        local: [std::f64::consts::FRAC_2_SQRT_PI * (-(x * x)).exp()];
        samples: samples(Erf, [0.5, -1.0, 2.0, 0.0]);
    }
}

gates! {
    /// Rectified linear unit: `y = max(0, x)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 2.0]).relu()?.to_string(), "tensor([0., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Relu(x) -> y as "relu" {
        value: R::constant(0.0).if_gt(x, R::constant(0.0), x);
        local: [R::constant(0.0).if_ge(y, R::constant(0.0), R::constant(1.0))];
        integer: |_: &Relu, [x, ..]: [i64; 3]| Some(x.max(0));
        check: |_: &Relu, inputs: &[Meta]| not_bool("relu", inputs);
        at_kink: "∂y/∂x = 0 at 0, and 1 at NaN";
        samples: {
            let mut all = kink(Relu, samples(Relu, [0.5, -1.0, 2.0, -4.0]), 0.0, 0.0);
            let (inf, nan) = (f64::INFINITY, f64::NAN);
            all.push(
                Sample::new(Relu, [f64s([nan, inf, -inf])])
                    .at_kink([f64s([1.0, 1.0, 0.0])])
                    .gives([f64s([nan, inf, 0.0])]),
            );
            all
        };
    }
}

gates! {
    /// Logistic function: `y = 1 / (1 + e⁻ˣ)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).sigmoid()?.to_string(), "tensor([0.5000, 0.7311])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Sigmoid(x) -> y as "sigmoid" {
        value: x.sigmoid();
        local: [y * (1.0 - y)];
        samples: samples(Sigmoid, [0.5, -1.0, 2.0, 0.0]);
    }
}

gates! {
    /// Hyperbolic tangent: `y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).tanh()?.to_string(), "tensor([0.0000, 0.7616])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Tanh(x) -> y as "tanh" {
        value: x.tanh();
        local: [1.0 - y * y];
        samples: samples(Tanh, [0.5, -1.0, 2.0, 0.0]);
    }
}

gates! {
    /// Leaky rectified linear unit: `y = x` where x > 0, else `slope·x`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 2.0]).leaky_relu(0.1)?.to_string(), "tensor([-0.1000,  2.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    LeakyRelu { slope: f64 }(x) -> y as "leaky_relu" {
        value: x.if_gt(R::constant(0.0), x, x * slope);
        local: [x.if_gt(R::constant(0.0), R::constant(1.0), R::constant(slope))];
        at_kink: "∂y/∂x = slope at 0";
        samples: kink(
            LeakyRelu { slope: 0.1 }, samples(LeakyRelu { slope: 0.1 }, [0.5, -1.0, 2.0, -4.0]), 0.0, 0.1);
    }
}

gates! {
    /// Softplus: `y = ln(1 + e^(βx)) / β`, and `y = x` where `βx > threshold`, where the two can't be told apart.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 30.0]).softplus(1.0, 20.0)?.to_string(), "tensor([ 0.6931, 30.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Softplus { beta: f64, threshold: f64 }(x) -> y as "softplus" {
        value: (x * beta).if_gt(R::constant(threshold), x, (x * beta).exp().log1p() / beta);
        local: [(x * beta).if_gt(R::constant(threshold), R::constant(1.0), (x * beta).sigmoid())];
        samples: samples(Softplus { beta: 1.5, threshold: 20.0 }, [0.5, -1.0, 2.0, 30.0]);
    }
}

gates! {
    /// Gaussian error linear unit: `y = x·Φ(x)`, Φ being the normal distribution.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 2.0]).gelu()?.to_string(), "tensor([-0.1587,  1.9545])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Gelu(x) -> y as "gelu" {
        value: x * 0.5 * (1.0 + (x * SQRT_HALF).erf());
        local: [0.5 * (1.0 + (x * SQRT_HALF).erf()) + x * DENSITY_AT_0 * (x * x * -0.5).exp()];
        samples: samples(Gelu, [0.5, -1.0, 2.0, 0.0]);
    }
}

gates! {
    /// GELU's approximation: `y = ½x·(1 + tanh(√(2/π)·(x + 0.044715x³)))` (Hendrycks and Gimpel, 2016).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 2.0]).gelu_tanh()?.to_string(), "tensor([-0.1588,  1.9546])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    GeluTanh(x) -> y as "gelu_tanh" {
        value: x * 0.5 * (1.0 + (SQRT_2_OVER_PI * (x + 0.044715 * x * x * x)).tanh());
        local: [{
            let t = (SQRT_2_OVER_PI * (x + 0.044715 * x * x * x)).tanh();
            0.5 * (1.0 + t) + x * 0.5 * (1.0 - t * t) * SQRT_2_OVER_PI * (1.0 + 0.134145 * x * x)
        }];
        grad_fn: |_: &GeluTanh| "GeluBackward0";
        samples: samples(GeluTanh, [0.5, -1.0, 2.0, 0.0]);
    }
}

gates! {
    /// Sigmoid linear unit: `y = x / (1 + e⁻ˣ)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 2.0]).silu()?.to_string(), "tensor([-0.2689,  1.7616])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Silu(x) -> y as "silu" {
        value: x * x.sigmoid();
        local: [x.sigmoid() * (1.0 + x * (1.0 - x.sigmoid()))];
        samples: samples(Silu, [0.5, -1.0, 2.0, 0.0]);
    }
}

unary_methods! {
    /// `eˣ`: see [`Exp`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([0.0, 1.0]);
    /// x.exp()?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([1.0000, 2.7183])"); // eˣ itself
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    exp, Exp;
    /// `eˣ − 1`: see [`Expm1`].
    ///
    /// ```
    /// use chainrule::{DType, Tensor};
    /// let y = Tensor::new(1e-9, DType::F64)?.expm1()?.item()?;
    /// assert!((y / 1.0000000005e-9 - 1.0).abs() < 1e-15);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    expm1, Expm1;
    /// `ln x`: see [`Log`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([0.5, 2.0]);
    /// x.log()?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([2.0000, 0.5000])"); // 1/x
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    log, Log;
    /// `ln(1 + x)`: see [`Log1p`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(0.25);
    /// x.log1p()?.backward()?;
    /// assert_eq!(x.grad().unwrap().item()?, f64::from(0.8f32)); // 1/(1 + x)
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    log1p, Log1p;
    /// `√x`: see [`Sqrt`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([4.0, 0.25]);
    /// x.sqrt()?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([0.2500, 1.0000])"); // 1/(2√x)
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    sqrt, Sqrt;
    /// `1/√x`: see [`Rsqrt`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([4.0, 16.0]).rsqrt()?.to_string(), "tensor([0.5000, 0.2500])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    rsqrt, Rsqrt;
    /// `sin x`: see [`Sin`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(0.0);
    /// x.sin()?.backward()?;
    /// assert_eq!(x.grad().unwrap().item()?, 1.0); // cos 0
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    sin, Sin;
    /// `cos x`: see [`Cos`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, std::f64::consts::PI]).cos()?.to_string(), "tensor([ 1., -1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    cos, Cos;
    /// `|x|`: see [`Abs`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([-2.0, 0.0, 3.0]);
    /// x.abs()?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([-1.,  0.,  1.])"); // 0 at the kink
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    abs, Abs;
    /// −1, 0 or 1: see [`Sign`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-7, 0, 3]).sign()?.to_string(), "tensor([-1,  0,  1])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    sign, Sign;
    /// The error function: see [`Erf`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 0.0, 3.0]).erf()?.to_string(), "tensor([-0.8427,  0.0000,  1.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    erf, Erf;
    /// `max(0, x)`: see [`Relu`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([-1.0, 0.0, 2.0]);
    /// let y = x.relu()?;
    /// y.sum()?.backward()?;
    /// assert_eq!(y.to_string(), "tensor([0., 0., 2.], grad_fn=<ReluBackward0>)");
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([0., 0., 1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    relu, Relu;
    /// `1 / (1 + e⁻ˣ)`: see [`Sigmoid`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(0.0);
    /// let y = x.sigmoid()?;
    /// y.backward()?;
    /// assert_eq!((y.item()?, x.grad().unwrap().item()?), (0.5, 0.25)); // y·(1 − y)
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    sigmoid, Sigmoid;
    /// `tanh x`: see [`Tanh`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(0.5);
    /// let y = x.tanh()?;
    /// y.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor(0.7864)"); // 1 − y²
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    tanh, Tanh;
    /// `x·Φ(x)`: see [`Gelu`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 0.0, 1.0]).gelu()?.to_string(), "tensor([-0.1587,  0.0000,  0.8413])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    gelu, Gelu;
    /// GELU by tanh: see [`GeluTanh`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([0.5, 1.0, 2.0]);
    /// assert!(x.gelu_tanh()?.array().all_close(&x.gelu()?.array(), 0.0, 1e-3)); // an approximation
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    gelu_tanh, GeluTanh;
    /// `x·sigmoid(x)`: see [`Silu`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0, 20.0]).silu()?.to_string(), "tensor([ 0.0000,  0.7311, 20.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    silu, Silu;
}

impl Tensor {
    /// `x` where x > 0, else `slope·x`: see [`LeakyRelu`].
    ///
    /// # Errors
    /// The element type isn't accepted.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([-1.0, 2.0]);
    /// x.leaky_relu(0.01)?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([0.0100, 1.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Result<Tensor> {
        Tensor::apply(LeakyRelu { slope }, &[self])
    }

    /// GELU by PyTorch's name of the approximation: `"none"` is [`Tensor::gelu`], `"tanh"` [`Tensor::gelu_tanh`].
    ///
    /// # Errors
    /// There is no approximation of this name.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0]);
    /// assert_eq!(x.gelu_with("tanh")?.to_string(), x.gelu_tanh()?.to_string());
    /// assert!(x
    ///     .gelu_with("sigmoid")
    ///     .unwrap_err()
    ///     .to_string()
    ///     .contains("\"sigmoid\" is no approximation of gelu"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn gelu_with(&self, approximate: &str) -> Result<Tensor> {
        match approximate {
            "none" => self.gelu(),
            "tanh" => self.gelu_tanh(),
            other => Err(Error::argument(format!("{other:?} is no approximation of gelu"))
                .at_gate("Gelu")
                .with_inputs([self.meta()])
                .hint("the approximations are none and tanh")),
        }
    }

    /// `ln(1 + e^(βx)) / β`: see [`Softplus`]. PyTorch's defaults are `beta` 1 and `threshold` 20.
    ///
    /// # Errors
    /// `beta` is 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([-1.0, 0.0, 100.0]).softplus(1.0, 20.0)?.to_string(),
    ///     "tensor([  0.3133,   0.6931, 100.0000])"
    /// );
    /// assert!(tensor(1.0).softplus(0.0, 20.0).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn softplus(&self, beta: f64, threshold: f64) -> Result<Tensor> {
        if beta == 0.0 {
            return Err(Error::argument("beta must not be 0, it divides").at_gate("Softplus"));
        }
        Tensor::apply(Softplus { beta, threshold }, &[self])
    }
}
