//! Losses that compare numbers: mean squared error and binary cross entropy.
//!
//! They are plain functions of other gates, except where a gate of its own is more accurate.

use super::arith::f64s;
use super::softmax::Reduction;
use super::{Entry, GateRef, Sample};
use crate::error::{Error, Result};
use crate::gates;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] =
    &[MseLoss::ENTRY, BinaryCrossEntropy::ENTRY, BinaryCrossEntropyWithLogits::ENTRY];

fn pairs(gate: impl Into<GateRef>) -> Vec<Sample> {
    vec![Sample::new(gate, [f64s([0.3, 0.9, 0.5]), f64s([0.0, 1.0, 0.25])])]
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

    /// Binary cross entropy of a logit: `y = (1 − t)·x + ln(1 + e⁻ˣ)`, computed without overflow.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// assert_eq!(param([0.0]).binary_cross_entropy_with_logits(&tensor([1.0]))?.to_string(),
    ///     "tensor(0.6931, grad_fn=<MeanBackward0>)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    BinaryCrossEntropyWithLogits(x, t) -> y as "binary_cross_entropy_with_logits" {
        value: x.maximum(R::constant(0.0)) - x * t + (-x.abs()).exp().log1p();
        local: [x.sigmoid() - t, -x];
        samples: pairs(BinaryCrossEntropyWithLogits);
    }
}

macro_rules! losses {
    ($($(#[doc = $doc:expr])* $method:ident, $with:ident, $Gate:ident;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            ///
            /// The mean over all elements.
            ///
            /// # Errors
            /// The shapes differ.
            #[track_caller]
            pub fn $method(&self, target: &Tensor) -> Result<Tensor> {
                self.$with(target, Reduction::Mean)
            }

            $(#[doc = $doc])*
            ///
            /// With a choice of reduction.
            ///
            /// # Errors
            /// The shapes differ.
            #[track_caller]
            pub fn $with(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
                if self.shape() != target.shape() {
                    return Err(Error::shape(format!(
                        "prediction and target must have the same shape, not {} and {}",
                        self.shape(),
                        target.shape()
                    ))
                    .at_gate(stringify!($Gate)));
                }
                reduction.apply(&Tensor::apply(GateRef::Static(&$Gate), &[self, target])?)
            }
        )*}
    };
}

losses! {
    /// Mean squared error: see [`MseLoss`].
    mse_loss, mse_loss_with, MseLoss;
    /// Binary cross entropy of probabilities: see [`BinaryCrossEntropy`].
    binary_cross_entropy, binary_cross_entropy_with, BinaryCrossEntropy;
    /// Binary cross entropy of logits: see [`BinaryCrossEntropyWithLogits`].
    binary_cross_entropy_with_logits, binary_cross_entropy_with_logits_with, BinaryCrossEntropyWithLogits;
}
