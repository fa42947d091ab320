//! Modified Bessel functions. (Those of the first and second kind are libm's `j0`, `j1`, `y0`, `y1`.)

use std::f64::consts::PI;

/// Above this the asymptotic series is exact to the last digit; below it the power series is.
const LARGE: f64 = 30.0;

/// `I_ν(x)·e⁻ˣ` for x ≥ 0 and ν = 0 or 1.
fn first_kind_scaled(nu: f64, x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > LARGE {
        // I_ν(x)·e⁻ˣ ~ (1 − (μ−1)/(8x) + (μ−1)(μ−9)/(2!(8x)²) − …)/√(2πx), μ = 4ν² (DLMF 10.40.1).
        let mu = 4.0 * nu * nu;
        let (mut sum, mut term) = (1.0, 1.0);
        for k in 1..25 {
            let odd = f64::from(2 * k - 1);
            term *= -(mu - odd * odd) / (f64::from(k) * 8.0 * x);
            sum += term;
        }
        return sum / (2.0 * PI * x).sqrt();
    }
    // I_ν(x) = (x/2)^ν Σ (x²/4)ᵏ/(k!(k + ν)!) (DLMF 10.25.2): all terms have the same sign.
    let square = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..120 {
        let k = f64::from(k);
        term *= square / (k * (k + nu));
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    sum * (x / 2.0).powf(nu) * (-x).exp()
}

/// The modified Bessel function of the first kind, of order 0: `I₀(x)`.
///
/// ```
/// use chainrule_kernel::special::i0;
/// assert!((i0(1.0) - 1.266_065_877_752_008_4).abs() < 1e-14);
/// ```
pub fn i0(x: f64) -> f64 {
    scaled_back(first_kind_scaled(0.0, x.abs()), x.abs())
}

/// The modified Bessel function of the first kind, of order 1: `I₁(x)`.
///
/// ```
/// use chainrule_kernel::special::i1;
/// assert!((i1(1.0) - 0.565_159_103_992_485).abs() < 1e-14);
/// ```
pub fn i1(x: f64) -> f64 {
    scaled_back(first_kind_scaled(1.0, x.abs()), x.abs()).copysign(x)
}

/// `scaled·eˣ` in two steps, so that it becomes infinite only where the product is.
fn scaled_back(scaled: f64, x: f64) -> f64 {
    if x.is_infinite() { f64::INFINITY } else { scaled * (x / 2.0).exp() * (x / 2.0).exp() }
}

/// `I₀(x)·e^(−|x|)`, which doesn't overflow.
///
/// ```
/// use chainrule_kernel::special::{i0, i0e};
/// assert!((i0e(1.0) - i0(1.0) / 1f64.exp()).abs() < 1e-15);
/// ```
pub fn i0e(x: f64) -> f64 {
    first_kind_scaled(0.0, x.abs())
}

/// `I₁(x)·e^(−|x|)`, which doesn't overflow.
///
/// ```
/// use chainrule_kernel::special::{i1, i1e};
/// assert!((i1e(-1.0) - i1(-1.0) / 1f64.exp()).abs() < 1e-15);
/// ```
pub fn i1e(x: f64) -> f64 {
    first_kind_scaled(1.0, x.abs()).copysign(x)
}

/// `K_ν(x) = ∫₀^∞ e^(−x·cosh t)·cosh(νt) dt` (DLMF 10.32.9) by the trapezoidal rule, which on such an
/// integrand gains digits exponentially; for small x instead from the series around 0.
fn second_kind(nu: f64, x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::INFINITY;
    }
    if x < 1.0 {
        return second_kind_near_0(nu, x);
    }
    let step = 1.0 / 16.0;
    let mut sum = 0.5;
    for i in 1..400 {
        let t = f64::from(i) * step;
        // Relative to e⁻ˣ, which is multiplied in the end.
        let value = (-x * (t.cosh() - 1.0)).exp() * (nu * t).cosh();
        sum += value;
        if value < 1e-18 * sum {
            break;
        }
    }
    sum * step * (-x).exp()
}

/// DLMF 10.31.1 and 10.31.2.
fn second_kind_near_0(nu: f64, x: f64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    let square = x * x / 4.0;
    let log = (x / 2.0).ln();
    let (mut sum, mut term, mut harmonic) = (0.0, 1.0, 0.0);
    for k in 0..40 {
        let k = f64::from(k);
        if k > 0.0 {
            term *= square / (k * (k + nu));
            harmonic += 1.0 / k;
        }
        // ψ(k + 1) = Hₖ − γ, and for ν = 1 the mean with ψ(k + 2).
        let psi = harmonic - EULER + if nu == 1.0 { 0.5 / (k + 1.0) } else { 0.0 };
        let part = term * (psi - log);
        sum += part;
        if part.abs() < 1e-17 * sum.abs() {
            break;
        }
    }
    if nu == 1.0 { 1.0 / x - x / 2.0 * sum } else { sum }
}

/// The modified Bessel function of the second kind, of order 0: `K₀(x)`; infinite at 0, NaN for negative x.
///
/// ```
/// use chainrule_kernel::special::k0;
/// assert!((k0(1.0) - 0.421_024_438_240_708_3).abs() < 1e-14);
/// assert_eq!(k0(0.0), f64::INFINITY);
/// ```
pub fn k0(x: f64) -> f64 {
    second_kind(0.0, x)
}

/// The modified Bessel function of the second kind, of order 1: `K₁(x)`; infinite at 0, NaN for negative x.
///
/// ```
/// use chainrule_kernel::special::k1;
/// assert!((k1(2.0) - 0.139_865_881_816_522_4).abs() < 1e-14);
/// assert!(k1(-1.0).is_nan());
/// ```
pub fn k1(x: f64) -> f64 {
    second_kind(1.0, x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= 1e-13 * expected.abs(), "{actual} is not {expected}");
    }

    #[test]
    fn known_values() {
        close(i0(1.0), 1.266_065_877_752_008_4);
        close(i0(-10.0), 2_815.716_628_466_254);
        close(i1(1.0), 0.565_159_103_992_485);
        close(i1(-10.0), -2_670.988_303_701_255);
        close(i0e(50.0), 0.056_561_626_647_454_19);
        close(i1e(50.0), 0.055_993_123_892_895_4);
        close(k0(0.1), 2.427_069_024_702_017);
        close(k0(1.0), 0.421_024_438_240_708_3);
        close(k0(10.0), 1.778_006_231_616_765e-5);
        close(k1(0.1), 9.853_844_780_870_606);
        close(k1(2.0), 0.139_865_881_816_522_4);
    }

    #[test]
    fn the_two_kinds_fit_together_in_every_range() {
        // I₀(x)·K₁(x) + I₁(x)·K₀(x) = 1/x (DLMF 10.28.2)
        for x in [0.2, 0.999, 1.001, 3.0, 29.999, 30.001, 40.0] {
            close(i0(x) * k1(x) + i1(x) * k0(x), 1.0 / x);
        }
    }

    #[test]
    fn special_values() {
        assert_eq!((k0(0.0), k1(0.0)), (f64::INFINITY, f64::INFINITY));
        assert!(k0(-1.0).is_nan() && i0(f64::NAN).is_nan());
        assert_eq!((i0(0.0), i1(0.0), i0(f64::INFINITY)), (1.0, 0.0, f64::INFINITY));
    }
}
