//! The logarithmic derivatives of the gamma function, and the zeta function they are made of.

use std::f64::consts::PI;

/// Bernoulli numbers B₂, B₄, … B₂₄.
const BERNOULLI: [f64; 12] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
    43867.0 / 798.0,
    -174_611.0 / 330.0,
    854_513.0 / 138.0,
    -236_364_091.0 / 2730.0,
];

/// `ψ(x) = Γ′(x)/Γ(x)`: the recurrence up to 10 (DLMF 5.5.2), then the asymptotic series (5.11.2); for
/// negative x the reflection (5.5.4).
///
/// As in PyTorch ψ(±0) = ∓∞, and NaN at the negative whole numbers.
///
/// ```
/// use chainrule_kernel::special::digamma;
/// assert!((digamma(1.0) + 0.577_215_664_901_532_9).abs() < 1e-14); // −γ
/// ```
pub fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY.copysign(-x);
    }
    if x < 0.0 {
        if x == x.floor() {
            return f64::NAN;
        }
        // Only the fraction enters the tangent, which keeps it exact for large x.
        let fraction = x - x.trunc();
        return digamma(1.0 - x) - PI / (PI * fraction).tan();
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    if x.is_infinite() {
        return x;
    }
    let inverse_square = 1.0 / (x * x);
    let (mut series, mut power) = (0.0, inverse_square);
    for (k, b) in BERNOULLI.iter().take(8).enumerate() {
        series += b / (2.0 * (k + 1) as f64) * power;
        power *= inverse_square;
    }
    sum + x.ln() - 0.5 / x - series
}

/// The n-th derivative of digamma: `ψ⁽ⁿ⁾(x) = (−1)ⁿ⁺¹·n!·ζ(n + 1, x)` (DLMF 25.11.12).
///
/// ```
/// use chainrule_kernel::special::polygamma;
/// assert!((polygamma(1.0, 1.0) - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-13);
/// ```
pub fn polygamma(n: f64, x: f64) -> f64 {
    if n == 0.0 {
        return digamma(x);
    }
    let sign = if n % 2.0 == 0.0 { -1.0 } else { 1.0 };
    sign * libm::tgamma(n + 1.0) * zeta(n + 1.0, x)
}

/// Hurwitz' zeta function `ζ(s, q) = Σₖ (k + q)⁻ˢ`, k = 0, 1, 2…: terms up to 10, then the Euler–Maclaurin
/// formula (DLMF 25.11.5) for the rest.
///
/// As in PyTorch: infinite at s = 1 and where q is 0 or a negative whole number; NaN for s < 1, and for
/// negative q with a broken s.
///
/// ```
/// use chainrule_kernel::special::zeta;
/// assert!((zeta(2.0, 1.0) - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-14); // Riemann's ζ(2)
/// ```
pub fn zeta(s: f64, q: f64) -> f64 {
    if s.is_nan() || q.is_nan() || s < 1.0 {
        return f64::NAN;
    }
    if s == 1.0 {
        return f64::INFINITY;
    }
    if q <= 0.0 {
        if q == q.floor() {
            return f64::INFINITY;
        }
        if s != s.floor() {
            return f64::NAN;
        }
        // The m terms with a negative base run, up to their sign, from c to c + m − 1.
        let m = (-q).ceil();
        let c = 1.0 - (q + m);
        let sign = if s % 2.0 == 0.0 { 1.0 } else { -1.0 };
        return zeta(s, q + m) + sign * (zeta(s, c) - zeta(s, c + m));
    }
    let (mut a, mut sum) = (q, 0.0);
    while a < 10.0 {
        sum += a.powf(-s);
        a += 1.0;
    }
    // Σₖ≥₀ (k + a)⁻ˢ = a¹⁻ˢ/(s − 1) + a⁻ˢ/2 + Σⱼ B₂ⱼ/(2j)!·s(s + 1)…(s + 2j − 2)·a^(1 − s − 2j)
    let power = a.powf(-s);
    sum += power * a / (s - 1.0) + 0.5 * power;
    let mut term = power;
    let mut next = s;
    for (j, b) in BERNOULLI.iter().enumerate() {
        let j = (j + 1) as f64;
        // Two more factors of the rising factorial, of (2j)!, and of 1/a.
        term *= if j == 1.0 { next / (2.0 * a) } else { next / ((2.0 * j - 1.0) * (2.0 * j) * a) };
        let part = b * term;
        sum += part;
        if part.abs() < 1e-17 * sum.abs() {
            break;
        }
        next = (s + 2.0 * j - 1.0) * (s + 2.0 * j);
        term /= a;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= 2e-14 * expected.abs(), "{actual} is not {expected}");
    }

    #[test]
    fn known_values() {
        close(digamma(1.0), -0.577_215_664_901_532_9);
        close(digamma(0.5), -1.963_510_026_021_423_5);
        close(digamma(25.0), 3.198_742_512_851_974);
        close(digamma(-0.5), 0.036_489_973_978_576_52);
        close(polygamma(1.0, 1.0), PI * PI / 6.0);
        close(polygamma(2.0, 0.5), -16.828_796_644_234_32);
        close(polygamma(2.0, -1234.25), 124.025_106_065_292_89);
        close(polygamma(1.0, -3.3), 14.817_739_525_515_929);
        close(polygamma(3.0, 1.0), PI.powi(4) / 15.0);
        close(zeta(2.0, 1.0), PI * PI / 6.0);
        close(zeta(3.0, 1.0), 1.202_056_903_159_594_2);
        close(zeta(4.0, 20.0), 4.489_570_355_660_648_6e-5);
    }

    #[test]
    fn poles_follow_pytorch() {
        assert_eq!(digamma(0.0), f64::NEG_INFINITY);
        assert_eq!(digamma(-0.0), f64::INFINITY);
        assert!(digamma(-3.0).is_nan());
        assert_eq!(zeta(1.0, 2.0), f64::INFINITY);
        assert_eq!(zeta(2.0, -3.0), f64::INFINITY);
        assert!(zeta(0.5, 2.0).is_nan() && zeta(2.5, -0.5).is_nan());
        assert_eq!(digamma(f64::INFINITY), f64::INFINITY);
    }
}
