//! `Real`: the numbers in which an elementwise gate's calculus is written, once.
//!
//! A gate's body is generic over `Real` and is instantiated three times: for [`F32`] (vectorised single
//! precision, with or without fused multiply-add), for `f64`, and for the symbol type of
//! [`crate::formula`], which turns the very same body into the gate's formula.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A real number: `f32`, `f64` or a symbol.
pub trait Real:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// The constant `x`.
    fn constant(x: f64) -> Self;
    /// `eˣ`
    fn exp(self) -> Self;
    /// `eˣ − 1`, accurate near 0
    fn expm1(self) -> Self;
    /// `ln x`
    fn log(self) -> Self;
    /// `ln(1 + x)`, accurate near 0
    fn log1p(self) -> Self;
    /// `√x`
    fn sqrt(self) -> Self;
    /// `sin x`
    fn sin(self) -> Self;
    /// `cos x`
    fn cos(self) -> Self;
    /// `tanh x`
    fn tanh(self) -> Self;
    /// `1 / (1 + e⁻ˣ)`
    fn sigmoid(self) -> Self;
    /// The error function `2/√π ∫₀ˣ e^(−t²) dt`
    fn erf(self) -> Self;
    /// `|x|`
    fn abs(self) -> Self;
    /// −1, 0 or 1 (NaN stays NaN)
    fn sign(self) -> Self;
    /// `xʸ`
    fn pow(self, exponent: Self) -> Self;
    /// `yes` where `self > other`, else `no` (NaN compares false)
    fn if_gt(self, other: Self, yes: Self, no: Self) -> Self;
    /// `yes` where `self ≥ other`, else `no` (NaN compares false)
    fn if_ge(self, other: Self, yes: Self, no: Self) -> Self;
    /// `yes` where `self = other`, else `no` (NaN compares false)
    fn if_eq(self, other: Self, yes: Self, no: Self) -> Self;
    /// The larger of the two; NaN where either is NaN
    fn maximum(self, other: Self) -> Self;
    /// The smaller of the two; NaN where either is NaN
    fn minimum(self, other: Self) -> Self;
}
