//! Trigonometric and hyperbolic functions and their inverses, and the powers and logarithms of 2 and 10.
//! (Sine, cosine and tanh, which networks use, are in `functions`.)
//!
//! ```
//! use chainrule::tensor;
//! let angle = tensor([0.5]);
//! assert!(angle.tan()?.atan()?.array().all_close(&angle.array(), 1e-6, 0.0));
//! # Ok::<(), chainrule::Error>(())
//! ```

use crate::error::Result;
use crate::tensor::Tensor;

use super::pointwise::{Local, functions};
use std::f64::consts::{LN_2, LN_10};

functions! {
    /// Tangent: `y = tan x`, x in radians.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).tan()?.to_string(), "tensor([0.0000, 1.5574])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    TAN(x) as tan {
        name: "Tan";
        formula: "y = tan x";
        value: |[x]| x.tan();
        local: [Local::Output("(1 + y²)", |y| y.square()?.add(1.0))];
        samples: [[0.5], [-1.0], [2.0], [4.0]];
    }

    /// Inverse sine: `y = arcsin x`, from −π/2 to π/2; NaN beyond ±1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).asin()?.to_string(), "tensor([0.0000, 1.5708])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ASIN(x) as asin {
        name: "Asin";
        formula: "y = asin x";
        value: |[x]| x.asin();
        local: [Local::Inputs("1/√(1 − x²)", |[x]| x.square()?.rsub(1.0)?.rsqrt())];
        samples: [[0.5], [-0.3], [0.9], [0.0]];
    }

    /// Inverse cosine: `y = arccos x`, from 0 to π; NaN beyond ±1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).acos()?.to_string(), "tensor([1.5708, 0.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ACOS(x) as acos {
        name: "Acos";
        formula: "y = acos x";
        value: |[x]| x.acos();
        local: [Local::Inputs("(−1/√(1 − x²))", |[x]| x.square()?.rsub(1.0)?.rsqrt()?.neg())];
        samples: [[0.5], [-0.3], [0.9], [0.0]];
    }

    /// Inverse tangent: `y = arctan x`, from −π/2 to π/2.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).atan()?.to_string(), "tensor([0.0000, 0.7854])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ATAN(x) as atan {
        name: "Atan";
        formula: "y = atan x";
        value: |[x]| x.atan();
        local: [Local::Inputs("1/(1 + x²)", |[x]| x.square()?.add(1.0)?.reciprocal())];
        samples: [[0.5], [-1.0], [2.0], [0.0]];
    }

    /// The angle of the point (other, self): `y = atan2(a, b)`, from −π to π.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, -1.0]).atan2(-1.0)?.to_string(), "tensor([ 2.3562, -2.3562])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ATAN2(a, b) as atan2 {
        name: "Atan2";
        formula: "y = atan2(a, b)";
        value: |[a, b]| a.atan2(b);
        local: [
            Local::Inputs("b/(a² + b²)", |[a, b]| b.div(&squares(a, b)?)),
            Local::Inputs("(−a/(a² + b²))", |[a, b]| a.neg()?.div(&squares(a, b)?)),
        ];
        at_kink: "both are 0 at the origin";
        samples: [[0.5, 1.0], [-1.0, 0.7], [2.0, -0.3], [-0.4, -1.5]];
    }

    /// Hyperbolic sine: `y = (eˣ − e⁻ˣ)/2`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).sinh()?.to_string(), "tensor([0.0000, 1.1752])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    SINH(x) as sinh {
        name: "Sinh";
        formula: "y = sinh x";
        value: |[x]| x.sinh();
        local: [Local::Inputs("cosh x", |[x]| x.cosh())];
        samples: [[0.5], [-1.0], [2.0], [0.0]];
    }

    /// Hyperbolic cosine: `y = (eˣ + e⁻ˣ)/2`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).cosh()?.to_string(), "tensor([1.0000, 1.5431])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    COSH(x) as cosh {
        name: "Cosh";
        formula: "y = cosh x";
        value: |[x]| x.cosh();
        local: [Local::Inputs("sinh x", |[x]| x.sinh())];
        samples: [[0.5], [-1.0], [2.0], [0.0]];
    }

    /// Inverse hyperbolic sine: `y = ln(x + √(x² + 1))`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).asinh()?.to_string(), "tensor([0.0000, 0.8814])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ASINH(x) as asinh {
        name: "Asinh";
        formula: "y = asinh x";
        value: |[x]| libm::asinh(x);
        local: [Local::Inputs("1/√(x² + 1)", |[x]| x.square()?.add(1.0)?.rsqrt())];
        samples: [[0.5], [-1.0], [2.0], [0.0]];
    }

    /// Inverse hyperbolic cosine: `y = ln(x + √(x² − 1))`; NaN below 1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).acosh()?.to_string(), "tensor([0.0000, 1.3170])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ACOSH(x) as acosh {
        name: "Acosh";
        formula: "y = acosh x";
        value: |[x]| x.acosh();
        local: [Local::Inputs("1/√(x² − 1)", |[x]| x.square()?.sub(1.0)?.rsqrt())];
        samples: [[1.5], [1.1], [2.0], [4.0]];
    }

    /// Inverse hyperbolic tangent: `y = ½·ln((1 + x)/(1 − x))`; NaN beyond ±1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 0.5]).atanh()?.to_string(), "tensor([0.0000, 0.5493])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ATANH(x) as atanh {
        name: "Atanh";
        formula: "y = atanh x";
        value: |[x]| libm::atanh(x);
        local: [Local::Inputs("1/(1 − x²)", |[x]| x.square()?.rsub(1.0)?.reciprocal())];
        samples: [[0.5], [-0.3], [0.9], [0.0]];
    }

    /// The length of the hypotenuse: `y = √(a² + b²)`, without overflow on the way.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([3.0]).hypot(4.0)?.to_string(), "tensor([5.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    HYPOT(a, b) as hypot {
        name: "Hypot";
        formula: "y = √(a² + b²)";
        value: |[a, b]| a.hypot(b);
        local: [
            Local::Inputs("a/y", |[a, b]| a.div(a.hypot(b)?)),
            Local::Inputs("b/y", |[a, b]| b.div(a.hypot(b)?)),
        ];
        samples: [[0.5, 1.0], [-1.0, 0.7], [2.0, -0.3]];
    }

    /// Power of two: `y = 2ˣ`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.0, 3.0]).exp2()?.to_string(), "tensor([0.5000, 8.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    EXP2(x) as exp2 {
        name: "Exp2";
        formula: "y = 2ˣ";
        value: |[x]| x.exp2();
        local: [Local::Output("y·ln 2", |y| y.mul(LN_2))];
        samples: [[0.5], [-1.0], [2.0], [0.0]];
    }

    /// Logarithm to base 2.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.5, 8.0]).log2()?.to_string(), "tensor([-1.,  3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    LOG2(x) as log2 {
        name: "Log2";
        formula: "y = log₂ x";
        value: |[x]| x.log2();
        local: [Local::Inputs("1/(x·ln 2)", |[x]| x.mul(LN_2)?.reciprocal())];
        samples: [[0.5], [1.0], [2.0], [3.5]];
    }

    /// Logarithm to base 10.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.1, 100.0]).log10()?.to_string(), "tensor([-1.,  2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    LOG10(x) as log10 {
        name: "Log10";
        formula: "y = log₁₀ x";
        value: |[x]| x.log10();
        local: [Local::Inputs("1/(x·ln 10)", |[x]| x.mul(LN_10)?.reciprocal())];
        samples: [[0.5], [1.0], [2.0], [3.5]];
    }

    /// `y = ln(eᵃ + eᵇ)`, without overflow.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1000.0, 0.0]).logaddexp(0.0)?.to_string(), "tensor([0.0000, 0.6931])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    LOGADDEXP(a, b) as logaddexp {
        name: "Logaddexp";
        formula: "y = ln(eᵃ + eᵇ)";
        value: |[a, b]| log_add(a, b, f64::exp, f64::ln_1p);
        local: [
            Local::Inputs("sigmoid(a − b)", |[a, b]| share(a, b, 1.0)),
            Local::Inputs("sigmoid(b − a)", |[a, b]| share(b, a, 1.0)),
        ];
        samples: [[0.5, 1.0], [-1.0, 0.7], [2.0, -0.3]];
    }

    /// `y = log₂(2ᵃ + 2ᵇ)`, without overflow.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1000.0, 3.0]).logaddexp2(3.0)?.to_string(), "tensor([3., 4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    LOGADDEXP2(a, b) as logaddexp2 {
        name: "Logaddexp2";
        formula: "y = log₂(2ᵃ + 2ᵇ)";
        value: |[a, b]| log_add(a, b, f64::exp2, |x| x.ln_1p() / LN_2);
        local: [
            Local::Inputs("sigmoid((a − b)·ln 2)", |[a, b]| share(a, b, LN_2)),
            Local::Inputs("sigmoid((b − a)·ln 2)", |[a, b]| share(b, a, LN_2)),
        ];
        samples: [[0.5, 1.0], [-1.0, 0.7], [2.0, -0.3]];
    }
}

/// The larger of two exponents and what the other adds to it; equal infinities are their own sum.
fn log_add(a: f64, b: f64, exp: fn(f64) -> f64, log1p: fn(f64) -> f64) -> f64 {
    if a == b && a.is_infinite() {
        return a;
    }
    let larger = if a.is_nan() { a } else { a.max(b) };
    if b.is_nan() { b } else { larger + log1p(exp(-(a - b).abs())) }
}

/// The part that `a` has in the sum: `1/(1 + e^(scale·(b − a)))`. Equal infinities share evenly.
fn share(
    a: &crate::tensor::Tensor,
    b: &crate::tensor::Tensor,
    scale: f64,
) -> crate::error::Result<crate::tensor::Tensor> {
    // Equal infinities share as equal numbers do, so that log 0 + log 0 has a gradient.
    let difference = a.sub(b)?;
    let difference = a.eq(b)?.where_(&difference.zeros_like(), &difference)?;
    difference.mul(scale)?.sigmoid()
}

/// `a² + b²`; infinite at the origin, where no quotient by it exists.
fn squares(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let sum = a.square()?.add(b.square()?)?;
    sum.eq(0.0)?.where_(&sum.ones_like().mul(f64::INFINITY)?, &sum)
}
