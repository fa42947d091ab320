//! `Real`: the numbers in which an elementwise gate's calculus is written, once.
//!
//! A gate's body is generic over `Real` and is instantiated for f32 and f64 in vector loops, with fused multiply-add or
//! without, and in chainrule for tensors and for symbols, which turn the very same body into its gradient's graph and
//! into the gate's formula. A plain `f64` is one too: its functions are the system's.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{math, math64};

/// A real number: `f32`, `f64`, a tensor or a symbol. What is written with it once is computed as a vector loop,
/// differentiated again, and shown as a formula.
///
/// ```
/// use chainrule::gate::elementwise::Real;
/// /// The slope of `x·|x|`, for numbers, tensors and symbols alike.
/// fn slope<R: Real>(x: R) -> R {
///     x.abs() * 2.0
/// }
/// assert_eq!(slope(-3.0), 6.0);
/// ```
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
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!((<f64 as Real>::constant(2.5), <f64 as Real>::constant(2.5) * 2.0), (2.5, 5.0));
    /// ```
    fn constant(x: f64) -> Self;
    /// `eˣ`
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::exp(0.0), 1.0);
    /// ```
    fn exp(self) -> Self;
    /// `eˣ − 1`, accurate near 0
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::expm1(1e-20), 1e-20);
    /// ```
    fn expm1(self) -> Self;
    /// `ln x`
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::log(1.0), 0.0);
    /// ```
    fn log(self) -> Self;
    /// `ln(1 + x)`, accurate near 0
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::log1p(1e-20), 1e-20);
    /// ```
    fn log1p(self) -> Self;
    /// `√x`
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::sqrt(9.0), 3.0);
    /// ```
    fn sqrt(self) -> Self;
    /// `sin x`
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::sin(0.0), 0.0);
    /// ```
    fn sin(self) -> Self;
    /// `cos x`
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::cos(0.0), 1.0);
    /// ```
    fn cos(self) -> Self;
    /// `tanh x`
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::tanh(100.0), 1.0);
    /// ```
    fn tanh(self) -> Self;
    /// `1 / (1 + e⁻ˣ)`
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!((Real::sigmoid(0.0), Real::sigmoid(-1000.0)), (0.5, 0.0));
    /// ```
    fn sigmoid(self) -> Self;
    /// The error function `2/√π ∫₀ˣ e^(−t²) dt`
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::erf(10.0), 1.0);
    /// ```
    fn erf(self) -> Self;
    /// `|x|`
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::abs(-2.0), 2.0);
    /// ```
    fn abs(self) -> Self;
    /// −1, 0 or 1 (0 for NaN)
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!((Real::sign(-2.0), Real::sign(0.0), Real::sign(f64::NAN)), (-1.0, 0.0, 0.0));
    /// ```
    fn sign(self) -> Self;
    /// `xʸ`
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::pow(2.0, 10.0), 1024.0);
    /// ```
    fn pow(self, exponent: Self) -> Self;
    /// `yes` where `self > other`, else `no` (NaN compares false)
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!((2.0f64.if_gt(1.0, 10.0, 20.0), 1.0f64.if_gt(1.0, 10.0, 20.0)), (10.0, 20.0));
    /// ```
    fn if_gt(self, other: Self, yes: Self, no: Self) -> Self;
    /// `yes` where `self ≥ other`, else `no` (NaN compares false)
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!((1.0f64.if_ge(1.0, 10.0, 20.0), f64::NAN.if_ge(1.0, 10.0, 20.0)), (10.0, 20.0));
    /// ```
    fn if_ge(self, other: Self, yes: Self, no: Self) -> Self;
    /// `yes` where `self = other`, else `no` (NaN compares false)
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!((1.0f64.if_eq(1.0, 10.0, 20.0), 2.0f64.if_eq(1.0, 10.0, 20.0)), (10.0, 20.0));
    /// ```
    fn if_eq(self, other: Self, yes: Self, no: Self) -> Self;
    /// The larger of the two; NaN where either is NaN
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::maximum(1.0, 2.0), 2.0);
    /// assert!(Real::maximum(1.0, f64::NAN).is_nan());
    /// ```
    fn maximum(self, other: Self) -> Self;
    /// The smaller of the two; NaN where either is NaN
    ///
    /// ```
    /// use chainrule::gate::elementwise::Real;
    /// assert_eq!(Real::minimum(1.0, 2.0), 1.0);
    /// ```
    fn minimum(self, other: Self) -> Self;
}

/// Single precision as a [`Real`]: with fused multiply-add or without.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct F32<const FMA: bool>(pub(crate) f32);

/// Double precision as a [`Real`] in vector loops: with fused multiply-add or without.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct F64<const FMA: bool>(pub(crate) f64);

macro_rules! arithmetic {
    ($Number:ident, $T:ty: $($Trait:ident $method:ident $op:tt),*) => {$(
        impl<const FMA: bool> $Trait for $Number<FMA> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                $Number(self.0 $op other.0)
            }
        }
        impl<const FMA: bool> $Trait<f64> for $Number<FMA> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: f64) -> Self {
                $Number(self.0 $op other as $T)
            }
        }
        impl<const FMA: bool> $Trait<$Number<FMA>> for f64 {
            type Output = $Number<FMA>;
            #[inline(always)]
            fn $method(self, other: $Number<FMA>) -> $Number<FMA> {
                $Number(self as $T $op other.0)
            }
        }
    )*};
}

/// Numbers whose functions are the branch-free ones of a module.
macro_rules! real {
    ($Number:ident, $T:ty, $math:ident) => {
        arithmetic!($Number, $T: Add add +, Sub sub -, Mul mul *, Div div /);

        impl<const FMA: bool> $Number<FMA> {
            /// The number itself.
            #[inline(always)]
            pub(crate) fn number(self) -> $T {
                self.0
            }
        }

        impl<const FMA: bool> Neg for $Number<FMA> {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                $Number(-self.0)
            }
        }

        impl<const FMA: bool> Real for $Number<FMA> {
            #[inline(always)]
            fn constant(x: f64) -> Self {
                $Number(x as $T)
            }
            real!(@ $Number, $math, exp expm1 log log1p tanh sigmoid erf);
            // What has no vector form is computed in double precision, number by number.
            #[inline(always)]
            fn sin(self) -> Self {
                $Number((self.0 as f64).sin() as $T)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                $Number((self.0 as f64).cos() as $T)
            }
            #[inline(always)]
            fn pow(self, exponent: Self) -> Self {
                $Number((self.0 as f64).powf(exponent.0 as f64) as $T)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $Number(self.0.sqrt())
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $Number(self.0.abs())
            }
            #[inline(always)]
            fn sign(self) -> Self {
                $Number(if self.0 > 0.0 { 1.0 } else { 0.0 } - if self.0 < 0.0 { 1.0 } else { 0.0 })
            }
            #[inline(always)]
            fn if_gt(self, other: Self, yes: Self, no: Self) -> Self {
                if self.0 > other.0 { yes } else { no }
            }
            #[inline(always)]
            fn if_ge(self, other: Self, yes: Self, no: Self) -> Self {
                if self.0 >= other.0 { yes } else { no }
            }
            #[inline(always)]
            fn if_eq(self, other: Self, yes: Self, no: Self) -> Self {
                if self.0 == other.0 { yes } else { no }
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                if self.0 > other.0 || self.0.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                if self.0 < other.0 || self.0.is_nan() { self } else { other }
            }
        }
    };
    (@ $Number:ident, $math:ident, $($function:ident)*) => {$(
        #[inline(always)]
        fn $function(self) -> Self {
            $Number($math::$function::<FMA>(self.0))
        }
    )*};
}

real!(F32, f32, math);
real!(F64, f64, math64);

impl Real for f64 {
    #[inline(always)]
    fn constant(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn exp(self) -> f64 {
        f64::exp(self)
    }
    #[inline(always)]
    fn expm1(self) -> f64 {
        f64::exp_m1(self)
    }
    #[inline(always)]
    fn log(self) -> f64 {
        f64::ln(self)
    }
    #[inline(always)]
    fn log1p(self) -> f64 {
        f64::ln_1p(self)
    }
    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn sin(self) -> f64 {
        f64::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> f64 {
        f64::cos(self)
    }
    #[inline(always)]
    fn tanh(self) -> f64 {
        f64::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> f64 {
        1.0 / (1.0 + f64::exp(-self))
    }
    #[inline(always)]
    fn erf(self) -> f64 {
        libm::erf(self)
    }
    #[inline(always)]
    fn abs(self) -> f64 {
        f64::abs(self)
    }
    #[inline(always)]
    fn sign(self) -> f64 {
        if self > 0.0 {
            1.0
        } else if self < 0.0 {
            -1.0
        } else {
            0.0
        }
    }
    #[inline(always)]
    fn pow(self, exponent: f64) -> f64 {
        self.powf(exponent)
    }
    #[inline(always)]
    fn if_gt(self, other: f64, yes: f64, no: f64) -> f64 {
        if self > other { yes } else { no }
    }
    #[inline(always)]
    fn if_ge(self, other: f64, yes: f64, no: f64) -> f64 {
        if self >= other { yes } else { no }
    }
    #[inline(always)]
    fn if_eq(self, other: f64, yes: f64, no: f64) -> f64 {
        if self == other { yes } else { no }
    }
    #[inline(always)]
    fn maximum(self, other: f64) -> f64 {
        if self > other || self.is_nan() { self } else { other }
    }
    #[inline(always)]
    fn minimum(self, other: f64) -> f64 {
        if self < other || self.is_nan() { self } else { other }
    }
}
