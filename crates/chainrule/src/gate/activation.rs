//! Activations in pieces: the relatives of the rectified and exponential linear units, and gated units.
//! (The everyday ones, relu, sigmoid, tanh, gelu and silu, are in `functions`.)
//!
//! ```
//! use chainrule::tensor;
//! let x = tensor([-2.0, 0.5, 7.0]);
//! assert_eq!(x.relu6()?.to_string(), "tensor([0.0000, 0.5000, 6.0000])");
//! assert_eq!(x.hardshrink(1.0)?.to_string(), "tensor([-2.,  0.,  7.])");
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::{f64s, matrix, unary_methods};
use super::{Entry, GateRef, Sample};
use crate::array::{Array, DType, Shape};
use crate::error::{Error, Result};
use crate::gates;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[
    Elu::ENTRY,
    Hardtanh::ENTRY,
    Hardsigmoid::ENTRY,
    Hardswish::ENTRY,
    Hardshrink::ENTRY,
    Softshrink::ENTRY,
    Threshold::ENTRY,
    Mish::ENTRY,
    LogSigmoid::ENTRY,
    Prelu::ENTRY,
];

/// The slope of hardsigmoid.
const SIXTH: f64 = 1.0 / 6.0;

/// The gate at these places, as a vector, a number and nothing; and at its kinks with their gradients.
fn samples<const N: usize, const K: usize>(
    gate: impl Into<GateRef>,
    places: [f64; N],
    kinks: [(f64, f64); K],
) -> Vec<Sample> {
    let gate = gate.into();
    let mut all = vec![
        Sample::new(gate.clone(), [f64s(places)]),
        Sample::new(gate.clone(), [Array::scalar(places[0])]),
        Sample::new(gate.clone(), [Array::zeros_of([2, 0], DType::F64)]),
    ];
    if K > 0 {
        all.push(Sample::new(gate, [f64s(kinks.map(|(x, _)| x))]).at_kink([f64s(kinks.map(|(_, g)| g))]));
    }
    all
}

gates! {
    /// Exponential linear unit: `y = scale·x` where x > 0, else `scale·alpha·(e^(input_scale·x) − 1)`.
    ///
    /// [`Tensor::elu`], [`Tensor::selu`] and [`Tensor::celu`] are this gate with their own numbers.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 2.0]).elu(1.0)?.to_string(), "tensor([-0.6321,  2.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Elu { alpha: f64, scale: f64, input_scale: f64 }(x) -> y as "elu, selu, celu" {
        value: x.if_gt(R::constant(0.0), x * scale, (x * input_scale).expm1() * alpha * scale);
        local: [x.if_gt(
            R::constant(0.0),
            R::constant(scale),
            (x * input_scale).exp() * alpha * scale * input_scale
        )];
        at_kink: "at 0 the gradient of the exponential piece";
        samples: {
            let gate = Elu { alpha: 1.5, scale: 1.1, input_scale: 0.8 };
            samples(gate, [0.5, -1.0, 2.0, -4.0], [(0.0, 1.5 * 1.1 * 0.8)])
        };
    }
}

gates! {
    /// `y = x` limited to `low` … `high`; the same as [`Clamp`](super::compare::Clamp), but for PyTorch's name.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([-2.0, 0.5, 9.0]).hardtanh(-1.0, 1.0)?.to_string(),
    ///     "tensor([-1.0000,  0.5000,  1.0000])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Hardtanh { low: f64, high: f64 }(x) -> y as "hardtanh, relu6" {
        value: x.maximum(R::constant(low)).minimum(R::constant(high));
        local: [x.if_gt(
            R::constant(low),
            R::constant(high).if_gt(x, R::constant(1.0), R::constant(0.0)),
            R::constant(0.0)
        )];
        integer: |gate: &Hardtanh, [x, ..]: [i64; 3]| Some((x as f64).max(gate.low).min(gate.high) as i64);
        at_kink: "∂y/∂x = 0 on both limits";
        samples: samples(Hardtanh { low: -1.0, high: 1.5 }, [0.5, -2.0, 2.0, -0.4], [(-1.0, 0.0), (1.5, 0.0)]);
    }
}

gates! {
    /// Sigmoid in three straight pieces: `y = min(max(x/6 + ½, 0), 1)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-4.0, 0.0, 1.5]).hardsigmoid()?.to_string(), "tensor([0.0000, 0.5000, 0.7500])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Hardsigmoid(x) -> y as "hardsigmoid" {
        value: ((x + 3.0) / 6.0).maximum(R::constant(0.0)).minimum(R::constant(1.0));
        local: [x.if_gt(
            R::constant(-3.0),
            R::constant(3.0).if_gt(x, R::constant(SIXTH), R::constant(0.0)),
            R::constant(0.0)
        )];
        at_kink: "∂y/∂x = 0 at ±3";
        samples: samples(Hardsigmoid, [0.5, -4.0, 4.0, -1.4], [(-3.0, 0.0), (3.0, 0.0)]);
    }
}

gates! {
    /// Silu with a sigmoid in three straight pieces: `y = x·min(max(x/6 + ½, 0), 1)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-4.0, 1.5, 5.0]).hardswish()?.to_string(), "tensor([-0.0000, 1.1250, 5.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Hardswish(x) -> y as "hardswish" {
        value: x * (x + 3.0).maximum(R::constant(0.0)).minimum(R::constant(6.0)) / 6.0;
        local: [x.if_gt(
            R::constant(-3.0),
            R::constant(3.0).if_gt(x, x / 3.0 + 0.5, R::constant(1.0)),
            R::constant(0.0)
        )];
        at_kink: "∂y/∂x = 0 at −3 and 1 at 3";
        samples: samples(Hardswish, [0.5, -4.0, 4.0, -1.4], [(-3.0, 0.0), (3.0, 1.0)]);
    }
}

gates! {
    /// `y = 0` where −λ ≤ x ≤ λ, else x.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-0.4, 0.5, 0.7]).hardshrink(0.5)?.to_string(), "tensor([0.0000, 0.0000, 0.7000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Hardshrink { lambda: f64 }(x) -> y as "hardshrink" {
        value: x.if_ge(R::constant(-lambda), R::constant(lambda).if_ge(x, R::constant(0.0), x), x);
        local: [x.if_gt(
            R::constant(lambda),
            R::constant(1.0),
            R::constant(-lambda).if_gt(x, R::constant(1.0), R::constant(0.0))
        )];
        at_kink: "∂y/∂x = 0 at ±λ, and at NaN";
        samples: {
            let gate = Hardshrink { lambda: 0.5 };
            let mut all = samples(gate, [0.2, -4.0, 4.0, -0.3], [(-0.5, 0.0), (0.5, 0.0)]);
            let nan = Sample::new(gate, [f64s([f64::NAN])]).at_kink([f64s([0.0])]);
            all.push(nan.gives([f64s([f64::NAN])]));
            all
        };
    }
}

gates! {
    /// `y = x` moved towards 0 by λ, and 0 where that would cross it.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([-2.0, 0.5, 0.75]).softshrink(0.5)?.to_string(),
    ///     "tensor([-1.5000,  0.0000,  0.2500])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Softshrink { lambda: f64 }(x) -> y as "softshrink" {
        value: x.if_gt(R::constant(lambda), x - lambda, R::constant(-lambda).if_gt(x, x + lambda, x * 0.0));
        local: [x.if_gt(
            R::constant(lambda),
            R::constant(1.0),
            R::constant(-lambda).if_gt(x, R::constant(1.0), R::constant(0.0))
        )];
        at_kink: "∂y/∂x = 0 at ±λ";
        samples: samples(Softshrink { lambda: 0.5 }, [0.2, -4.0, 4.0, -0.3], [(-0.5, 0.0), (0.5, 0.0)]);
    }
}

gates! {
    /// `y = x` where x is above a threshold, else a value.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-2.0, 0.5, 2.0]).threshold(0.5, -9.0)?.to_string(), "tensor([-9., -9.,  2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Threshold { threshold: f64, replacement: f64 }(x) -> y as "threshold" {
        value: R::constant(threshold).if_ge(x, R::constant(replacement), x);
        local: [R::constant(threshold).if_ge(x, R::constant(0.0), R::constant(1.0))];
        integer: |gate: &Threshold, [x, ..]: [i64; 3]| {
            Some(if x as f64 <= gate.threshold { gate.replacement as i64 } else { x })
        };
        at_kink: "∂y/∂x = 0 on the threshold";
        samples: samples(
            Threshold { threshold: 0.5, replacement: -2.0 }, [0.2, -4.0, 4.0, 1.3], [(0.5, 0.0)]);
    }
}

gates! {
    /// `y = x·tanh(ln(1 + eˣ))` (Misra, 2019).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 2.0]).mish()?.to_string(), "tensor([-0.3034,  1.9440])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Mish(x) -> y as "mish" {
        value: x * (x.maximum(R::constant(0.0)) + (-x.abs()).exp().log1p()).tanh();
        local: [{
            let t = (x.maximum(R::constant(0.0)) + (-x.abs()).exp().log1p()).tanh();
            t + x * x.sigmoid() * (1.0 - t * t)
        }];
        samples: samples(Mish, [0.5, -1.0, 2.0, -4.0], []);
    }
}

gates! {
    /// The logarithm of the logistic function: `y = −ln(1 + e⁻ˣ)`, computed without overflow.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1000.0, 0.0]).logsigmoid()?.to_string(), "tensor([-1.0000e+03, -6.9315e-01])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    LogSigmoid(x) -> y as "logsigmoid" {
        value: x.minimum(R::constant(0.0)) - (-x.abs()).exp().log1p();
        local: [(-x).sigmoid()];
        samples: samples(LogSigmoid, [0.5, -1.0, 2.0, -40.0], []);
    }
}

gates! {
    /// Rectified linear unit with a slope that is learnt: `y = x` where x > 0, else `w·x`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 2.0]).prelu(&tensor(0.25))?.to_string(), "tensor([-0.2500,  2.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Prelu(x, w) -> y as "prelu" {
        value: x.if_gt(R::constant(0.0), x, w * x);
        local: [
            x.if_gt(R::constant(0.0), R::constant(1.0), w),
            x.if_gt(R::constant(0.0), R::constant(0.0), x),
        ];
        grad_fn: |_: &Prelu| "PreluKernelBackward0";
        at_kink: "∂y/∂x = w at 0";
        samples: vec![
            Sample::new(Prelu, [f64s([0.5, -1.0, 2.0]), f64s([0.2])]),
            Sample::new(Prelu, [matrix([[0.5, -1.0], [-2.0, 0.3]]), f64s([0.2, 0.7])]),
            Sample::new(Prelu, [f64s([0.0]), f64s([0.2])]).at_kink([f64s([0.2]), f64s([0.0])]),
        ];
    }
}

unary_methods! {
    /// `min(max(x/6 + ½, 0), 1)`: see [`Hardsigmoid`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([-4.0, 0.0, 4.0]);
    /// x.hardsigmoid()?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([0.0000, 0.1667, 0.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    hardsigmoid, Hardsigmoid;
    /// `x·hardsigmoid(x)`: see [`Hardswish`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 1.0, 4.0]).hardswish()?.to_string(), "tensor([-0.3333,  0.6667,  4.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    hardswish, Hardswish;
    /// `x·tanh(softplus(x))`: see [`Mish`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 0.0, 1.0]).mish()?.to_string(), "tensor([-0.3034,  0.0000,  0.8651])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    mish, Mish;
    /// `ln sigmoid(x)`: see [`LogSigmoid`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, -1000.0]).logsigmoid()?.to_f64_vec()[1], -1000.0); // no ln 0
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    logsigmoid, LogSigmoid;
}

impl Tensor {
    /// Exponential linear unit: `x` where x > 0, else `α·(eˣ − 1)`; see [`Elu`]. PyTorch's default is α = 1.
    ///
    /// # Errors
    /// None for numbers.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([-1.0, 2.0]);
    /// let y = x.elu(1.0)?;
    /// y.sum()?.backward()?;
    /// assert_eq!(y.to_string(), "tensor([-0.6321,  2.0000], grad_fn=<EluBackward0>)");
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([0.3679, 1.0000])"); // α·eˣ, 1
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Result<Tensor> {
        Tensor::apply(Elu { alpha, scale: 1.0, input_scale: 1.0 }, &[self])
    }

    /// Self-normalising linear unit: [`Elu`] with the numbers of Klambauer et al., 2017.
    ///
    /// # Errors
    /// None for numbers.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 1.0]).selu()?.to_string(), "tensor([-1.1113,  1.0507])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn selu(&self) -> Result<Tensor> {
        let (alpha, scale) = (1.673_263_242_354_377_2, 1.050_700_987_355_480_5);
        Tensor::apply(Elu { alpha, scale, input_scale: 1.0 }, &[self])
    }

    /// Continuously differentiable elu: `x` where x > 0, else `α·(e^(x/α) − 1)`; see [`Elu`].
    ///
    /// # Errors
    /// α is 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 1.0]).celu(2.0)?.to_string(), "tensor([-0.7869,  1.0000])");
    /// assert!(tensor(1.0).celu(0.0).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Result<Tensor> {
        if alpha == 0.0 {
            return Err(Error::argument("alpha must not be 0, it divides").at_gate("Elu"));
        }
        Tensor::apply(Elu { alpha, scale: 1.0, input_scale: 1.0 / alpha }, &[self])
    }

    /// `x` limited to `low` … `high`: see [`Hardtanh`].
    ///
    /// # Errors
    /// `low` is above `high`.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([-2.0, 0.5]);
    /// x.hardtanh(-1.0, 1.0)?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([0., 1.])");
    /// assert!(x.hardtanh(1.0, -1.0).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn hardtanh(&self, low: f64, high: f64) -> Result<Tensor> {
        if low > high {
            return Err(Error::argument(format!("the lower limit {low} is above the upper one, {high}"))
                .at_gate("Hardtanh"));
        }
        Tensor::apply(Hardtanh { low, high }, &[self])
    }

    /// `min(max(x, 0), 6)`: see [`Hardtanh`].
    ///
    /// # Errors
    /// None for numbers.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 3.0, 9.0]).relu6()?.to_string(), "tensor([0., 3., 6.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn relu6(&self) -> Result<Tensor> {
        self.hardtanh(0.0, 6.0)
    }

    /// 0 where −λ ≤ x ≤ λ, else x: see [`Hardshrink`]. PyTorch's default is λ = ½.
    ///
    /// # Errors
    /// None for numbers.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-2.0, 0.3, 1.0]).hardshrink(0.5)?.to_string(), "tensor([-2.,  0.,  1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn hardshrink(&self, lambda: f64) -> Result<Tensor> {
        Tensor::apply(Hardshrink { lambda }, &[self])
    }

    /// `x` moved towards 0 by λ: see [`Softshrink`]. PyTorch's default is λ = ½.
    ///
    /// # Errors
    /// λ is negative or NaN.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([-2.0, 0.3, 1.0]).softshrink(0.5)?.to_string(),
    ///     "tensor([-1.5000,  0.0000,  0.5000])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn softshrink(&self, lambda: f64) -> Result<Tensor> {
        if lambda.is_nan() || lambda < 0.0 {
            return Err(Error::argument(format!("lambda is 0 or more, not {lambda}")).at_gate("Softshrink"));
        }
        Tensor::apply(Softshrink { lambda }, &[self])
    }

    /// `x` where it is above a threshold, else the replacement: see [`Threshold`].
    ///
    /// # Errors
    /// None for numbers.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-2.0, 0.3, 1.0]).threshold(0.5, 9.0)?.to_string(), "tensor([9., 9., 1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn threshold(&self, threshold: f64, replacement: f64) -> Result<Tensor> {
        Tensor::apply(Threshold { threshold, replacement }, &[self])
    }

    /// `x` where x > 0, else `weight·x`: see [`Prelu`].
    ///
    /// The weight is one number, or one for each channel (dimension 1).
    ///
    /// # Errors
    /// The weight has more than one dimension, or not as many elements as there are channels.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let (x, w) = (tensor([[-1.0, -2.0]]), param([0.1, 0.5])); // two channels
    /// let y = x.prelu(&w)?;
    /// y.sum()?.backward()?;
    /// assert_eq!(y.to_string(), "tensor([[-0.1000, -1.0000]], grad_fn=<PreluKernelBackward0>)");
    /// assert_eq!(w.grad().unwrap().to_string(), "tensor([-1., -2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn prelu(&self, weight: &Tensor) -> Result<Tensor> {
        let (shape, slopes) = (self.shape(), weight.elements());
        let refuse =
            |rule: String| Err(Error::shape(rule).at_gate("Prelu").with_inputs([self.meta(), weight.meta()]));
        if weight.rank() > 1 {
            return refuse(format!("the weight has {} dimensions, not 0 or 1", weight.rank()));
        }
        if slopes == 1 {
            return Tensor::apply(GateRef::Static(&Prelu), &[self, &weight.reshape(Shape::SCALAR)?]);
        }
        let channels = shape.get(1).copied().unwrap_or(1);
        if slopes != channels {
            return refuse(format!("there are {slopes} weights for {channels} channels"));
        }
        let mut beside = vec![1; shape.rank()];
        beside[1] = channels;
        Tensor::apply(GateRef::Static(&Prelu), &[self, &weight.reshape(Shape::new(&beside)?)?])
    }

    /// Randomised leaky unit: `x` where x ≥ 0, else `slope·x` with a slope of its own for each element, uniform
    /// from `low` to `high`; outside of training the middle slope (Xu et al., 2015).
    ///
    /// PyTorch's default is ⅛ to ⅓.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 2.0]).rrelu(0.125, 0.375, false)?.to_string(), "tensor([-0.2500,  2.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// `low` is above `high`.
    #[track_caller]
    pub fn rrelu(&self, low: f64, high: f64, training: bool) -> Result<Tensor> {
        if low.is_nan() || high.is_nan() || low > high {
            return Err(Error::argument(format!("the slopes run from {low} to {high}, which is lower"))
                .at_gate("Rrelu")
                .with_inputs([self.meta()]));
        }
        if !training {
            return self.leaky_relu((low + high) / 2.0);
        }
        let slopes = Tensor::rand(self.shape()).cast(self.dtype())?.mul(high - low)?.add(low)?;
        self.ge(0.0)?.where_(self, &self.mul(&slopes)?)
    }

    /// `y = x/(1 + |x|)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 3.0]).softsign()?.to_string(), "tensor([-0.5000,  0.7500])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None for numbers.
    #[track_caller]
    pub fn softsign(&self) -> Result<Tensor> {
        self.div(&self.abs()?.add(1.0)?)
    }

    /// `y = x − tanh x`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 2.0]).tanhshrink()?.to_string(), "tensor([-0.2384,  1.0360])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None for numbers.
    #[track_caller]
    pub fn tanhshrink(&self) -> Result<Tensor> {
        self.sub(&self.tanh()?)
    }

    /// Gated linear unit: `a·sigmoid(b)`, a and b being the halves of a dimension (Dauphin et al., 2016).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([3.0, 0.0]).glu(0)?.to_string(), "tensor([1.5000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The dimension doesn't exist, or its size is odd.
    #[track_caller]
    pub fn glu(&self, dim: isize) -> Result<Tensor> {
        let shape = self.shape();
        let refuse = |error: Error| error.at_gate("Glu").with_inputs([self.meta()]);
        if shape.rank() == 0 {
            return Err(refuse(Error::shape("a 0-d tensor has no halves")));
        }
        let place = shape.dim(dim).map_err(refuse)?;
        if !shape[place].is_multiple_of(2) {
            let rule = format!("dimension {place} has the size {}, which can't be halved", shape[place]);
            return Err(refuse(Error::shape(rule)));
        }
        let half = shape[place] / 2;
        let half = half as isize;
        let (value, gate) = (self.narrow(dim, 0, half)?, self.narrow(dim, half, half)?);
        value.mul(&gate.sigmoid()?)
    }
}
