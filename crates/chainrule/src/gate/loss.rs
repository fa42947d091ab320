//! Losses that compare numbers: mean squared error and binary cross entropy.
//!
//! A loss is an elementwise gate; [`Reduced`] combines its values in the same node.
//!
//! ```
//! use chainrule::{param, tensor};
//! let (prediction, target) = (param([0.5, 2.0]), tensor([1.0, 2.0]));
//! let loss = prediction.mse_loss(&target)?;
//! assert_eq!(loss.to_string(), "tensor(0.1250, grad_fn=<MseLossBackward0>)");
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::{Mul, f64s};
use super::elementwise::Elementwise;
use super::reduce::{Dims, Mean, Sum};
use super::softmax::Reduction;
use super::{Context, Entry, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::{Array, Meta, Shape};
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::gates;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[
    MseLoss::ENTRY,
    SmoothL1Loss::ENTRY,
    HuberLoss::ENTRY,
    BinaryCrossEntropy::ENTRY,
    BinaryCrossEntropyWithLogits::ENTRY,
];

fn pairs<E: Elementwise + Copy>(gate: E) -> Vec<Sample> {
    let operands = || [f64s([0.3, 0.9, 0.5]), f64s([0.0, 1.0, 0.25])];
    let reduced = |reduction| Sample::new(Reduced { gate, reduction }, operands());
    vec![
        Sample::new(gate, operands()),
        reduced(Reduction::Mean),
        reduced(Reduction::Sum),
        Sample::new(Reduced { gate, reduction: Reduction::Mean }, [f64s([0.5]), f64s([0.5, 0.5])])
            .refused(crate::ErrorKind::Shape),
    ]
}

/// An elementwise loss and the reduction of its values, as one gate: no array of single losses is kept, and
/// pictures show the one node that PyTorch has.
///
/// The loss's local gradients must not depend on its output, which isn't kept.
///
/// ```
/// use chainrule::gate::{loss::{MseLoss, Reduced}, softmax::Reduction};
/// use chainrule::{param, tensor, Tensor};
/// let gate = Reduced { gate: MseLoss, reduction: Reduction::Sum };
/// let loss = Tensor::apply(gate, &[&param([1.0, 2.0]), &tensor([0.0, 0.0])])?;
/// assert_eq!(loss.to_string(), "tensor(5., grad_fn=<MseLossBackward0>)");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reduced<E> {
    /// The loss of one element.
    pub gate: E,
    /// How the losses are combined.
    pub reduction: Reduction,
}

impl<E: Elementwise> Reduced<E> {
    /// What an upstream gradient of the result is for each single loss.
    fn share(&self, count: usize) -> f64 {
        if self.reduction == Reduction::Mean { 1.0 / count as f64 } else { 1.0 }
    }
}

impl<E: Elementwise> Gate for Reduced<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let single = self.gate.infer(inputs)?;
        if inputs.iter().any(|meta| meta.shape != inputs[0].shape) {
            return Err(Error::shape(format!(
                "prediction and target must have the same shape, not {} and {}",
                inputs[0].shape, inputs[1].shape
            )));
        }
        let shape = if self.reduction == Reduction::None { single[0].shape } else { Shape::SCALAR };
        Ok([Meta { dtype: single[0].dtype, shape }].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let single = super::run_one(&self.gate, inputs)?;
        Ok([match self.reduction {
            Reduction::None => single,
            Reduction::Sum => super::run_one(&Sum(Dims::all()), &[&single])?,
            Reduction::Mean => super::run_one(&Mean(Dims::all()), &[&single])?,
        }]
        .into())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        self.gate.saves(needs)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let shape = saved.input(0).or_else(|_| saved.input(1))?.shape();
        let single = g.mul(self.share(shape.elements()))?.expand(shape)?;
        self.gate.backward(saved, &[Some(single)], needs)
    }

    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let g = upstream[0].as_ref()?;
        let single = || -> Result<Array> {
            let shape = saved.input(0).or_else(|_| saved.input(1))?.shape();
            let share = Array::constant(self.share(shape.elements()), Meta::new(g.dtype(), []));
            super::run_one(&Mul, &[g, &share])?.expand(shape)
        };
        match single() {
            Ok(single) => self.gate.backward_fused(saved, &[Some(single)], needs),
            Err(error) => Some(Err(error)),
        }
    }

    fn formula(&self) -> Formula {
        let each = self.gate.formula();
        let reduction = match self.reduction {
            Reduction::Mean => "mean of ",
            Reduction::Sum => "sum of ",
            Reduction::None => "",
        };
        let rule = |i| format!("g·{} at every element", each.gradient(i).unwrap_or_default());
        Formula::Rule { value: format!("{reduction}{each}"), gradients: vec![rule(0), rule(1)] }
    }
}

gates! {
    /// Squared error of each element: `y = (a − b)²`.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// assert_eq!(param([1.0]).mse_loss(&tensor([3.0]))?.item()?, 4.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    MseLoss(a, b) -> y as "mse_loss" {
        value: (a - b) * (a - b);
        local: [2.0 * (a - b), 2.0 * (b - a)];
        samples: pairs(MseLoss);
    }
}

gates! {
    /// Squared error of each element where it is small, else its size:
    /// `y = ½·(a − b)²/β` where |a − b| < β, else `|a − b| − ½·β` (Girshick, 2015).
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, param, tensor};
    /// let loss = param([1.0]).smooth_l1_loss(&tensor([3.0]), 1.0, Reduction::Mean)?;
    /// assert_eq!(loss.item()?, 1.5);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    SmoothL1Loss { beta: f64 }(a, b) -> y as "smooth_l1_loss" {
        value: R::constant(beta).if_gt(
            (a - b).abs(), (a - b) * (a - b) * 0.5 / beta, (a - b).abs() - 0.5 * R::constant(beta));
        local: [
            (a - b).abs().if_ge(R::constant(beta), (a - b).sign(), (a - b) / beta),
            (a - b).abs().if_ge(R::constant(beta), (b - a).sign(), (b - a) / beta),
        ];
        samples: pairs(SmoothL1Loss { beta: 0.27 });
    }

    /// Squared error of each element where it is small, else linear:
    /// `y = ½·(a − b)²` where |a − b| ≤ δ, else `δ·(|a − b| − ½·δ)` (Huber, 1964).
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, param, tensor};
    /// let loss = param([1.0]).huber_loss(&tensor([4.0]), 2.0, Reduction::Mean)?;
    /// assert_eq!(loss.item()?, 4.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    HuberLoss { delta: f64 }(a, b) -> y as "huber_loss" {
        value: R::constant(delta).if_ge(
            (a - b).abs(), (a - b) * (a - b) * 0.5, ((a - b).abs() - 0.5 * R::constant(delta)) * delta);
        local: [
            (a - b).abs().if_gt(R::constant(delta), (a - b).sign() * delta, a - b),
            (a - b).abs().if_gt(R::constant(delta), (b - a).sign() * delta, b - a),
        ];
        samples: pairs(HuberLoss { delta: 0.27 });
    }

    /// Binary cross entropy of a probability: `y = −(t·ln p + (1 − t)·ln(1 − p))`, logarithms not below −100.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// assert!(param([0.5]).binary_cross_entropy(&tensor([1.0]))?.item()? < 0.6932);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    BinaryCrossEntropy(p, t) -> y as "binary_cross_entropy" {
        value: -(t * p.log().maximum(R::constant(-100.0)) + (1.0 - t) * (1.0 - p).log().maximum(R::constant(-100.0)));
        local: [
            (p - t) / ((1.0 - p) * p).maximum(R::constant(1e-12)),
            (1.0 - p).log().maximum(R::constant(-100.0)) - p.log().maximum(R::constant(-100.0)),
        ];
        samples: pairs(BinaryCrossEntropy);
    }
}

gates! {
    /// Binary cross entropy of a logit: `y = (1 − t)·x + ln(1 + e⁻ˣ)`, computed without overflow.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// assert_eq!(param([0.0]).binary_cross_entropy_with_logits(&tensor([1.0]))?.to_string(),
    ///     "tensor(0.6931, grad_fn=<BinaryCrossEntropyWithLogitsBackward0>)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    BinaryCrossEntropyWithLogits(x, t) -> y as "binary_cross_entropy_with_logits" {
        value: x.maximum(R::constant(0.0)) - x * t + (-x.abs()).exp().log1p();
        local: [x.sigmoid() - t, -x];
        samples: pairs(BinaryCrossEntropyWithLogits);
    }
}

/// Refuses what isn't between 0 and 1, NaN too.
fn probabilities(gate: &'static str, inputs: &[&Tensor]) -> Result<()> {
    for (x, what) in inputs.iter().zip(["prediction", "target"]) {
        if let Some(wrong) = x.to_f64_vec().into_iter().find(|p| !(0.0..=1.0).contains(p)) {
            return Err(Error::argument(format!("a {what} is {wrong}; probabilities are between 0 and 1"))
                .hint("use binary_cross_entropy_with_logits for what comes before a sigmoid")
                .at_gate(gate)
                .with_inputs(inputs.iter().map(|x| x.meta())));
        }
    }
    Ok(())
}

macro_rules! losses {
    ($(
        $(#[doc = $doc:expr])* $method:ident;
        $(#[doc = $doc_with:expr])* $with:ident, $Gate:ident $(, $check:ident)?;
    )*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            ///
            /// # Errors
            /// The shapes differ, or values aren't those that the loss is of.
            #[track_caller]
            pub fn $method(&self, target: &Tensor) -> Result<Tensor> {
                self.$with(target, Reduction::Mean)
            }

            $(#[doc = $doc_with])*
            ///
            /// # Errors
            /// The shapes differ, or values aren't those that the loss is of.
            #[track_caller]
            pub fn $with(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
                $($check(stringify!($Gate), &[self, target])?;)?
                Tensor::apply(Reduced { gate: $Gate, reduction }, &[self, target])
            }
        )*}
    };
}

losses! {
    /// Squared error, the mean over all elements: see [`MseLoss`].
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let x = param([1.0, 2.0]);
    /// let loss = x.mse_loss(&tensor([1.0, 5.0]))?;
    /// loss.backward()?;
    /// assert_eq!(loss.item()?, 4.5);
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([ 0., -3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    mse_loss;
    /// Squared error with a choice of reduction: see [`MseLoss`].
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let loss = tensor([1.0, 2.0]).mse_loss_with(&tensor([1.0, 5.0]), Reduction::None)?;
    /// assert_eq!(loss.to_string(), "tensor([0., 9.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    mse_loss_with, MseLoss;
    /// Binary cross entropy of probabilities, the mean over all elements: see [`BinaryCrossEntropy`].
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let p = param([0.5, 0.8]);
    /// let loss = p.binary_cross_entropy(&tensor([1.0, 1.0]))?;
    /// loss.backward()?;
    /// assert!((loss.item()? - (2f64.ln() + 1.25f64.ln()) / 2.0).abs() < 1e-6);
    /// assert_eq!(p.grad().unwrap().to_string(), "tensor([-1.0000, -0.6250])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    binary_cross_entropy;
    /// Binary cross entropy of probabilities with a choice of reduction: see [`BinaryCrossEntropy`].
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let loss = tensor([0.5, 0.8]).binary_cross_entropy_with(&tensor([1.0, 0.0]), Reduction::None)?;
    /// assert_eq!(loss.to_string(), "tensor([0.6931, 1.6094])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    binary_cross_entropy_with, BinaryCrossEntropy, probabilities;
    /// Binary cross entropy of logits, the mean over all elements: see [`BinaryCrossEntropyWithLogits`].
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let logit = param(0.0);
    /// logit.binary_cross_entropy_with_logits(&tensor(1.0))?.backward()?;
    /// assert_eq!(logit.grad().unwrap().item()?, -0.5); // sigmoid(x) − target
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    binary_cross_entropy_with_logits;
    /// Binary cross entropy of logits with a choice of reduction: see [`BinaryCrossEntropyWithLogits`].
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let (logits, targets) = (tensor([0.0, 1000.0]), tensor([1.0, 0.0]));
    /// let loss = logits.binary_cross_entropy_with_logits_with(&targets, Reduction::None)?;
    /// assert_eq!(loss.to_string(), "tensor([6.9315e-01, 1.0000e+03])"); // no overflow
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    binary_cross_entropy_with_logits_with, BinaryCrossEntropyWithLogits;
}

impl Tensor {
    /// Squared error where it is small, else linear: see [`SmoothL1Loss`]. PyTorch's default is β = 1.
    ///
    /// # Errors
    /// The shapes differ, or β is negative.
    ///
    /// ```
    /// use chainrule::gate::softmax::Reduction;
    /// use chainrule::tensor;
    /// let losses = tensor([0.5, 3.0]).smooth_l1_loss(&tensor([0.0, 0.0]), 1.0, Reduction::None)?;
    /// assert_eq!(losses.to_string(), "tensor([0.1250, 2.5000])"); // d²/2β, then |d| − β/2
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn smooth_l1_loss(&self, target: &Tensor, beta: f64, reduction: Reduction) -> Result<Tensor> {
        if beta.is_nan() || beta < 0.0 {
            return Err(Error::argument(format!("beta is 0 or more, not {beta}"))
                .at_gate("SmoothL1Loss")
                .with_inputs([self.meta(), target.meta()]));
        }
        Tensor::apply(Reduced { gate: SmoothL1Loss { beta }, reduction }, &[self, target])
    }

    /// Squared error where it is small, else linear: see [`HuberLoss`]. PyTorch's default is δ = 1.
    ///
    /// # Errors
    /// The shapes differ, or δ isn't positive.
    ///
    /// ```
    /// use chainrule::gate::softmax::Reduction;
    /// use chainrule::tensor;
    /// let losses = tensor([0.5, 3.0]).huber_loss(&tensor([0.0, 0.0]), 2.0, Reduction::None)?;
    /// assert_eq!(losses.to_string(), "tensor([0.1250, 4.0000])"); // d²/2, then δ·(|d| − δ/2)
    /// assert!(tensor(1.0).huber_loss(&tensor(1.0), 0.0, Reduction::Mean).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn huber_loss(&self, target: &Tensor, delta: f64, reduction: Reduction) -> Result<Tensor> {
        if delta.is_nan() || delta <= 0.0 {
            return Err(Error::argument(format!("delta is positive, not {delta}"))
                .at_gate("HuberLoss")
                .with_inputs([self.meta(), target.meta()]));
        }
        Tensor::apply(Reduced { gate: HuberLoss { delta }, reduction }, &[self, target])
    }
}
