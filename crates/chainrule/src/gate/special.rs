//! Special functions: gamma, error function, Bessel, and their relatives.
//!
//! ```
//! use chainrule::param;
//! let x = param(3.0);
//! x.lgamma()?.backward()?; // the derivative of ln Γ is ψ
//! assert_eq!(x.grad().unwrap().to_string(), x.digamma()?.detach().to_string());
//! # Ok::<(), chainrule::Error>(())
//! ```

use std::f64::consts::{FRAC_2_SQRT_PI, PI};

use super::pointwise::{Local, functions};
use crate::error::{Error, Result};
use crate::kernel::special;
use crate::tensor::{CallerGuard, Operand, Tensor};

/// √π/2
const HALF_SQRT_PI: f64 = 0.886_226_925_452_758;
/// √(2π)
const SQRT_2_PI: f64 = 2.506_628_274_631_000_7;

functions! {
    /// The logarithm of the gamma function's size: `y = ln|Γ(x)|`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 0.5, 5.0]).lgamma()?.to_string(), "tensor([0.0000, 0.5724, 3.1781])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    LGAMMA(x) as lgamma {
        name: "Lgamma";
        formula: "y = ln|Γ(x)|";
        value: |[x]| libm::lgamma(x);
        local: [Local::Inputs("ψ(x)", |[x]| x.digamma())];
        samples: [[0.5], [-1.3], [2.0], [7.5]];
    }

    /// The digamma function: `y = ψ(x) = d ln Γ(x)/dx`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 0.5]).digamma()?.to_string(), "tensor([-0.5772, -1.9635])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    DIGAMMA(x) as digamma {
        name: "Digamma";
        formula: "y = ψ(x)";
        value: |[x]| special::digamma(x);
        local: [Local::Inputs("ψ′(x)", |[x]| x.polygamma(1))];
        samples: [[0.5], [-1.3], [2.0], [7.5]];
    }

    /// Derivatives of digamma: `y = ψ⁽ⁿ⁾(x)`, for whole n ≥ 0 given as a tensor; see [`Tensor::polygamma`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0]).polygamma_order(&tensor([2.0]))?.to_string(), "tensor([0.6449])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    POLYGAMMA(n, x) as polygamma_order {
        name: "Polygamma";
        formula: "y = ψ⁽ⁿ⁾(x)";
        value: |[n, x]| special::polygamma(n, x);
        local: [
            Local::Unknown,
            Local::Inputs("ψ⁽ⁿ⁺¹⁾(x)", |[n, x]| n.add(1.0)?.polygamma_order(x)),
        ];
        samples: [[1.0, 0.5], [0.0, 2.0], [3.0, 4.5]];
    }

    /// Hurwitz' zeta function: `y = Σₖ (k + q)⁻ˢ`, k = 0, 1, 2…
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([2.0, 3.0]).zeta(1.0)?.to_string(), "tensor([1.6449, 1.2021])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ZETA(s, q) as zeta {
        name: "SpecialZeta";
        formula: "y = Σₖ (k + q)⁻ˢ";
        value: |[s, q]| special::zeta(s, q);
        local: [Local::Unknown, Local::Inputs("(−s·ζ(s + 1, q))", |[s, q]| s.neg()?.mul(s.add(1.0)?.zeta(q)?))];
        samples: [[2.0, 0.5], [3.5, 2.0], [1.5, 4.5]];
    }

    /// The complementary error function: `y = 1 − erf(x)`, exact also where it is small.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).erfc()?.to_string(), "tensor([1.0000, 0.1573])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ERFC(x) as erfc {
        name: "Erfc";
        formula: "y = 1 − erf(x)";
        value: |[x]| libm::erfc(x);
        local: [Local::Inputs("(−2/√π·e^(−x²))", |[x]| x.square()?.neg()?.exp()?.mul(-FRAC_2_SQRT_PI))];
        samples: [[0.5], [-1.0], [2.0], [0.0]];
    }

    /// The scaled complementary error function: `y = e^(x²)·(1 − erf(x))`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 10.0]).erfcx()?.to_string(), "tensor([1.0000, 0.0561])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ERFCX(x) as erfcx {
        name: "SpecialErfcx";
        formula: "y = e^(x²)·erfc(x)";
        value: |[x]| special::erfcx(x);
        local: [Local::Inputs("(2xy − 2/√π)", |[x]| x.mul(2.0)?.mul(x.erfcx()?)?.sub(FRAC_2_SQRT_PI))];
        samples: [[0.5], [-1.0], [2.0], [0.0]];
    }

    /// The inverse of the error function, for x from −1 to 1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 0.5, 1.0]).erfinv()?.to_string(), "tensor([0.0000, 0.4769,    inf])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ERFINV(x) as erfinv {
        name: "Erfinv";
        formula: "y = erf⁻¹(x)";
        value: |[x]| special::erfinv(x);
        local: [Local::Output("√π/2·e^(y²)", |y| y.square()?.exp()?.mul(HALF_SQRT_PI))];
        samples: [[0.5], [-0.3], [0.9], [0.0]];
    }

    /// The normal distribution: `y = Φ(x)`, the area under the bell curve up to x.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.96]).ndtr()?.to_string(), "tensor([0.5000, 0.9750])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    NDTR(x) as ndtr {
        name: "SpecialNdtr";
        formula: "y = Φ(x)";
        value: |[x]| special::ndtr(x);
        local: [Local::Inputs("e^(−x²/2)/√(2π)", |[x]| x.square()?.mul(-0.5)?.exp()?.div(SQRT_2_PI))];
        samples: [[0.5], [-1.0], [2.0], [0.0]];
    }

    /// The logarithm of the normal distribution: `y = ln Φ(x)`, exact also where Φ is too small for a number.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, -20.0]).log_ndtr()?.to_string(), "tensor([  -0.6931, -203.9172])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    LOG_NDTR(x) as log_ndtr {
        name: "SpecialLogNdtr";
        formula: "y = ln Φ(x)";
        value: |[x]| special::log_ndtr(x);
        local: [Local::Inputs("√(2/π)/erfcx(−x/√2)", |[x]| {
            // Without e^(x²), which overflows for large x, where the derivative is just small.
            let positive = x.ndtr()?.reciprocal()?.mul(x.square()?.mul(-0.5)?.exp()?)?.div(SQRT_2_PI)?;
            let negative = x.minimum(0.0)?.mul(-std::f64::consts::FRAC_1_SQRT_2)?.erfcx()?;
            x.gt(0.0)?.where_(&positive, &negative.reciprocal()?.mul((2.0 / PI).sqrt())?)
        })];
        samples: [[0.5], [-1.5], [2.0], [-7.0]];
    }

    /// The inverse of the normal distribution: `y = Φ⁻¹(p)`, for p from 0 to 1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.5, 0.975]).ndtri()?.to_string(), "tensor([0.0000, 1.9600])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    NDTRI(p) as ndtri {
        name: "SpecialNdtri";
        formula: "y = Φ⁻¹(p)";
        value: |[p]| special::ndtri(p);
        local: [Local::Output("√(2π)·e^(y²/2)", |y| y.square()?.mul(0.5)?.exp()?.mul(SQRT_2_PI))];
        samples: [[0.5], [0.03], [0.9], [0.3]];
    }

    /// `y = −x·ln x`; 0 at 0, −∞ for negative x.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 0.5, 1.0]).entr()?.to_string(), "tensor([0.0000, 0.3466, -0.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ENTR(x) as entr {
        name: "SpecialEntr";
        formula: "y = −x·ln x";
        value: |[x]| match x {
            0.0 => 0.0,
            x if x < 0.0 => f64::NEG_INFINITY,
            x => -x * x.ln(),
        };
        local: [Local::Inputs("(−ln x − 1)", |[x]| x.log()?.neg()?.sub(1.0))];
        samples: [[0.5], [0.3], [2.0], [1.0]];
    }

    /// `y = sin(πx)/(πx)`; 1 at 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 0.5]).sinc()?.to_string(), "tensor([1.0000, 0.6366])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    SINC(x) as sinc {
        name: "Sinc";
        formula: "y = sin(πx)/(πx)";
        value: |[x]| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        local: [Local::Inputs("(cos(πx) − y)/x", |[x]| {
            let pi_x = x.mul(PI)?;
            let zero = pi_x.square()?.eq(0.0)?;
            let safe = zero.where_(&pi_x.ones_like(), &pi_x)?;
            // (πx·cos πx − sin πx)/(πx)²·π
            let local = safe.mul(safe.cos()?)?.sub(safe.sin()?)?.div(safe.square()?)?.mul(PI)?;
            zero.where_(&local.zeros_like(), &local)
        })];
        at_kink: "∂y/∂x = 0 at 0";
        samples: [[0.5], [-0.3], [2.2], [1.4]];
    }

    /// The inverse of the logistic function: `y = ln(x/(1 − x))`; NaN outside of 0 to 1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.5, 0.9]).logit()?.to_string(), "tensor([0.0000, 2.1972])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    LOGIT(x) as logit {
        name: "Logit";
        formula: "y = ln(x/(1 − x))";
        value: |[x]| (x / (1.0 - x)).ln();
        local: [Local::Inputs("1/(x·(1 − x))", |[x]| {
            let local = x.mul(x.rsub(1.0)?)?.reciprocal()?;
            let outside = x.lt(0.0)?.add(x.gt(1.0)?)?;
            outside.where_(&local.mul(f64::NAN)?, &local)
        })];
        samples: [[0.5], [0.1], [0.9], [0.7]];
    }

    /// `y = a·ln b`; 0 where a = 0, unless b is NaN.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 2.0]).xlogy(&tensor([0.0, 1.5]))?.to_string(), "tensor([0.0000, 0.8109])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    XLOGY(a, b) as xlogy {
        name: "Xlogy";
        formula: "y = a·ln b";
        value: |[a, b]| if b.is_nan() { b } else if a == 0.0 { 0.0 } else { a * b.ln() };
        local: [
            Local::Inputs("ln b", |[a, b]| log_or_zero(a, b, 0.0, |b| b.log())),
            Local::Inputs("a/b", |[a, b]| a.div(b)),
        ];
        at_kink: "∂y/∂a = 0 where a = 0 and b ≤ 0";
        samples: [[0.5, 1.5], [-1.0, 0.7], [2.0, 0.3]];
    }

    /// `y = a·ln(1 + b)`; 0 where a = 0, unless b is NaN.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 2.0]).xlog1py(&tensor([-1.0, 0.5]))?.to_string(), "tensor([0.0000, 0.8109])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    XLOG1PY(a, b) as xlog1py {
        name: "SpecialXlog1Py";
        formula: "y = a·ln(1 + b)";
        value: |[a, b]| if b.is_nan() { b } else if a == 0.0 { 0.0 } else { a * b.ln_1p() };
        local: [
            Local::Inputs("ln(1 + b)", |[a, b]| log_or_zero(a, b, -1.0, |b| b.log1p())),
            Local::Inputs("a/(1 + b)", |[a, b]| a.div(b.add(1.0)?)),
        ];
        at_kink: "∂y/∂a = 0 where a = 0 and b ≤ −1";
        samples: [[0.5, 1.5], [-1.0, -0.7], [2.0, 0.3]];
    }

    /// The Bessel function of the first kind, of order 0: `y = J₀(x)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).bessel_j0()?.to_string(), "tensor([1.0000, 0.7652])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    BESSEL_J0(x) as bessel_j0 {
        name: "SpecialBesselJ0";
        formula: "y = J₀(x)";
        value: |[x]| libm::j0(x);
        local: [Local::Inputs("(−J₁(x))", |[x]| x.bessel_j1()?.neg())];
        samples: [[0.5], [-1.0], [2.0], [7.0]];
    }

    /// The Bessel function of the first kind, of order 1: `y = J₁(x)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).bessel_j1()?.to_string(), "tensor([0.0000, 0.4401])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    BESSEL_J1(x) as bessel_j1 {
        name: "SpecialBesselJ1";
        formula: "y = J₁(x)";
        value: |[x]| libm::j1(x);
        local: [Local::Inputs("(J₀(x) − y/x)", |[x]| minus_quotient(x, x.bessel_j0()?, x.bessel_j1()?))];
        at_kink: "∂y/∂x = ½ at 0";
        samples: [[0.5], [-1.0], [2.0], [7.0]];
    }

    /// The Bessel function of the second kind, of order 0: `y = Y₀(x)`, for positive x.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).bessel_y0()?.to_string(), "tensor([  -inf, 0.0883])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    BESSEL_Y0(x) as bessel_y0 {
        name: "SpecialBesselY0";
        formula: "y = Y₀(x)";
        value: |[x]| libm::y0(x);
        local: [Local::Inputs("(−Y₁(x))", |[x]| x.bessel_y1()?.neg())];
        samples: [[0.5], [1.0], [2.0], [7.0]];
    }

    /// The Bessel function of the second kind, of order 1: `y = Y₁(x)`, for positive x.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).bessel_y1()?.to_string(), "tensor([-0.7812, -0.1070])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    BESSEL_Y1(x) as bessel_y1 {
        name: "SpecialBesselY1";
        formula: "y = Y₁(x)";
        value: |[x]| libm::y1(x);
        local: [Local::Inputs("(Y₀(x) − y/x)", |[x]| x.bessel_y0()?.sub(x.bessel_y1()?.div(x)?))];
        samples: [[0.5], [1.0], [2.0], [7.0]];
    }

    /// The modified Bessel function of the first kind, of order 0: `y = I₀(x)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).i0()?.to_string(), "tensor([1.0000, 1.2661])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    I0(x) as i0 {
        name: "I0";
        formula: "y = I₀(x)";
        value: |[x]| special::i0(x);
        local: [Local::Inputs("I₁(x)", |[x]| x.i1())];
        samples: [[0.5], [-1.0], [2.0], [0.0]];
    }

    /// `y = I₀(x)·e^(−|x|)`, the scaled modified Bessel function of order 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).i0e()?.to_string(), "tensor([1.0000, 0.4658])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    I0E(x) as i0e {
        name: "SpecialI0E";
        formula: "y = I₀(x)·e^(−|x|)";
        value: |[x]| special::i0e(x);
        local: [Local::Inputs("(I₁(x)·e^(−|x|) − sign(x)·y)", |[x]| x.i1e()?.sub(x.sign()?.mul(x.i0e()?)?))];
        at_kink: "∂y/∂x = 0 at 0";
        samples: [[0.5], [-1.0], [2.0], [40.0]];
    }

    /// The modified Bessel function of the first kind, of order 1: `y = I₁(x)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).i1()?.to_string(), "tensor([0.0000, 0.5652])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    I1(x) as i1 {
        name: "SpecialI1";
        formula: "y = I₁(x)";
        value: |[x]| special::i1(x);
        local: [Local::Inputs("(I₀(x) − y/x)", |[x]| minus_quotient(x, x.i0()?, x.i1()?))];
        at_kink: "∂y/∂x = ½ at 0";
        samples: [[0.5], [-1.0], [2.0], [4.0]];
    }

    /// `y = I₁(x)·e^(−|x|)`, the scaled modified Bessel function of order 1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 1.0]).i1e()?.to_string(), "tensor([0.0000, 0.2079])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    I1E(x) as i1e {
        name: "SpecialI1E";
        formula: "y = I₁(x)·e^(−|x|)";
        value: |[x]| special::i1e(x);
        local: [Local::Inputs("(I₀(x)·e^(−|x|) − y·(sign(x) + 1/x))", |[x]| {
            let y = x.i1e()?;
            minus_quotient(x, x.i0e()?, y.clone())?.sub(y.mul(x.sign()?)?)
        })];
        at_kink: "∂y/∂x = ½ at 0";
        samples: [[0.5], [-1.0], [2.0], [40.0]];
    }

    /// The modified Bessel function of the second kind, of order 0: `y = K₀(x)`, for positive x.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).bessel_k0()?.to_string(), "tensor([0.4210, 0.1139])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    BESSEL_K0(x) as bessel_k0 {
        name: "SpecialModifiedBesselK0";
        formula: "y = K₀(x)";
        value: |[x]| special::k0(x);
        local: [Local::Inputs("(−K₁(x))", |[x]| x.bessel_k1()?.neg())];
        samples: [[0.5], [1.0], [2.0], [7.0]];
    }

    /// The modified Bessel function of the second kind, of order 1: `y = K₁(x)`, for positive x.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).bessel_k1()?.to_string(), "tensor([0.6019, 0.1399])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    BESSEL_K1(x) as bessel_k1 {
        name: "SpecialModifiedBesselK1";
        formula: "y = K₁(x)";
        value: |[x]| special::k1(x);
        local: [Local::Inputs("(−K₀(x) − y/x)", |[x]| x.bessel_k0()?.neg()?.sub(x.bessel_k1()?.div(x)?))];
        samples: [[0.5], [1.0], [2.0], [7.0]];
    }
}

/// The logarithm of b, 0 where a = 0 and b isn't above the logarithm's end.
fn log_or_zero(a: &Tensor, b: &Tensor, end: f64, log: fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let none = a.eq(0.0)?.mul(b.le(end)?)?.expand(a.shape().broadcast(&b.shape())?)?;
    let log = log(b)?;
    none.where_(&log.zeros_like(), &log)
}

/// `f − y/x`, where y is the function of order 1 and f that of order 0; at 0 the limit ½.
fn minus_quotient(x: &Tensor, f: Tensor, y: Tensor) -> Result<Tensor> {
    let zero = x.eq(0.0)?;
    let safe = zero.where_(&x.ones_like(), x)?;
    let local = f.sub(y.div(&safe)?)?;
    zero.where_(&local.ones_like().mul(0.5)?, &local)
}

impl Tensor {
    /// The n-th derivative of digamma: `ψ⁽ⁿ⁾(x)`; digamma itself for n = 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).polygamma(1)?.to_string(), "tensor([1.6449, 0.6449])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// n is negative.
    #[track_caller]
    pub fn polygamma(&self, n: i64) -> Result<Tensor> {
        let _line = CallerGuard::here();
        if n < 0 {
            return Err(Error::argument(format!("the order of a derivative is not negative, and {n} is"))
                .at_gate("Polygamma")
                .with_inputs([self.meta()]));
        }
        (n as f64).with(self, |n| n.polygamma_order(self))
    }

    /// [`Tensor::logit`] of x limited to `eps` … `1 − eps`, so that it stays finite; x that was limited has no
    /// gradient.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 0.5]).logit_clamped(0.1)?.to_string(), "tensor([-2.1972,  0.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The elements aren't floats.
    #[track_caller]
    pub fn logit_clamped(&self, eps: f64) -> Result<Tensor> {
        let limit = |x: f64| self.zeros_like().add(x);
        let inside = self.gt(1.0 - eps)?.where_(&limit(1.0 - eps)?, self)?;
        self.lt(eps)?.where_(&limit(eps)?, &inside)?.logit()
    }

    /// The logarithm of the multivariate gamma function:
    /// `p·(p − 1)/4·ln π + Σⱼ ln Γ(x − j/2)`, j = 0 … p − 1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([3.0]).mvlgamma(2)?.to_string(), "tensor([1.5502])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// p is not at least 1.
    #[track_caller]
    pub fn mvlgamma(&self, p: i64) -> Result<Tensor> {
        if p < 1 {
            return Err(Error::argument(format!("the dimension p is at least 1, not {p}"))
                .at_gate("Mvlgamma")
                .with_inputs([self.meta()]));
        }
        // Every term is kept for the backward pass.
        crate::error::check_memory(p as usize, 64 + self.elements() * self.dtype().size())
            .map_err(|error| error.at_gate("Mvlgamma").with_inputs([self.meta()]))?;
        let mut sum = self.lgamma()?;
        for j in 1..p {
            sum = sum.add(self.sub(j as f64 / 2.0)?.lgamma()?)?;
        }
        sum.add(p as f64 * (p - 1) as f64 / 4.0 * PI.ln())
    }

    /// The angle of a real number in the complex plane: 0, or π where it is negative.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, -1.0]).angle()?.to_string(), "tensor([0.0000, 3.1416])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None for numbers.
    #[track_caller]
    pub fn angle(&self) -> Result<Tensor> {
        let angle = self.mul(0.0)?;
        let finite = angle.eq(0.0)?.where_(&angle, &self.eq(self)?.where_(&angle.zeros_like(), &angle)?)?;
        self.lt(0.0)?.where_(&finite.add(PI)?, &finite)
    }
}
