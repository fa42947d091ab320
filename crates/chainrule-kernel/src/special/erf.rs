//! The error function's relatives and the normal distribution.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI, SQRT_2};

/// The scaled complementary error function `e^(x²)·erfc(x)`.
///
/// Its definition up to 25, where erfc is still a normal number; then the asymptotic series (DLMF 7.12.1).
///
/// ```
/// use chainrule_kernel::special::erfcx;
/// assert!((erfcx(1.0) - 0.427_583_576_155_807).abs() < 1e-14);
/// assert!((erfcx(1e6) * 1e6 - 1.0 / std::f64::consts::PI.sqrt()).abs() < 1e-12);
/// ```
pub fn erfcx(x: f64) -> f64 {
    if x < -27.0 {
        return f64::INFINITY; // more than any float holds
    }
    if x < 25.0 {
        // e^(x²) from x² in two parts, as the rounding of a large x² would show.
        let (high, low) = square_in_two(x);
        return high.exp() * low.exp() * libm::erfc(x);
    }
    let z = 0.5 / (x * x);
    let series = [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0].iter().fold(1.0, |rest, odd| 1.0 - odd * z * rest);
    series / (x * PI.sqrt())
}

/// `x²` as its rounded value and the rest.
fn square_in_two(x: f64) -> (f64, f64) {
    let high = x * x;
    let low = x.mul_add(x, -high);
    (high, if low.is_finite() { low } else { 0.0 })
}

/// The x whose error function is y: Winitzki's approximation (2008), then Halley's method, on the tails with
/// the complement, where erf itself can't tell numbers apart.
///
/// ```
/// use chainrule_kernel::special::erfinv;
/// assert!((erfinv(0.5) - 0.476_936_276_204_469_9).abs() < 1e-14);
/// assert_eq!(erfinv(1.0), f64::INFINITY);
/// ```
pub fn erfinv(y: f64) -> f64 {
    let size = y.abs();
    if size == 1.0 {
        return f64::INFINITY.copysign(y);
    }
    if size.is_nan() || size > 1.0 {
        return f64::NAN;
    }
    if size == 0.0 {
        return y;
    }
    let a = 0.147;
    let log = (-size * size).ln_1p();
    let half = 2.0 / (PI * a) + log / 2.0;
    let mut x = ((half * half - log / a).sqrt() - half).sqrt();
    for _ in 0..4 {
        let error = if size < 0.5 { libm::erf(x) - size } else { (1.0 - size) - libm::erfc(x) };
        let step = error / (FRAC_2_SQRT_PI * (-x * x).exp());
        x -= step / (1.0 + x * step);
    }
    x.copysign(y)
}

/// The normal distribution `Φ(x) = ½·erfc(−x/√2)`.
///
/// ```
/// use chainrule_kernel::special::ndtr;
/// assert!((ndtr(1.96) - 0.975).abs() < 1e-5);
/// ```
pub fn ndtr(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// `ln Φ(x)`, right also where Φ itself is too small for a number.
///
/// ```
/// use chainrule_kernel::special::log_ndtr;
/// assert!((log_ndtr(-10.0) + 53.231_285_150_512_47).abs() < 1e-12);
/// ```
pub fn log_ndtr(x: f64) -> f64 {
    if x < -1.0 {
        (0.5 * erfcx(-x * FRAC_1_SQRT_2)).ln() - 0.5 * x * x
    } else {
        (-0.5 * libm::erfc(x * FRAC_1_SQRT_2)).ln_1p()
    }
}

/// The x with `Φ(x) = p`: a rational first guess (Abramowitz and Stegun, 26.2.23), then Newton's method on
/// the logarithms, which stays exact for the smallest p.
///
/// ```
/// use chainrule_kernel::special::ndtri;
/// assert!((ndtri(0.975) - 1.959_963_984_540_054).abs() < 1e-13);
/// assert_eq!(ndtri(0.0), f64::NEG_INFINITY);
/// ```
pub fn ndtri(p: f64) -> f64 {
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p == 1.0 {
        return f64::INFINITY;
    }
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if (0.25..=0.75).contains(&p) {
        return SQRT_2 * erfinv(2.0 * p - 1.0);
    }
    if p > 0.5 {
        return -ndtri(1.0 - p);
    }
    let t = (-2.0 * p.ln()).sqrt();
    let mut x = (2.515517 + t * (0.802853 + t * 0.010328))
        / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
        - t;
    for _ in 0..4 {
        // (ln Φ)′ = φ/Φ = √(2/π) / erfcx(−x/√2)
        let slope = (2.0 / PI).sqrt() / erfcx(-x * FRAC_1_SQRT_2);
        x -= (log_ndtr(x) - p.ln()) / slope;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= 1e-13 * expected.abs(), "{actual} is not {expected}");
    }

    #[test]
    fn known_values() {
        close(erfcx(1.0), 0.427_583_576_155_807);
        close(erfcx(10.0), 0.056_140_992_743_822_59);
        close(erfcx(30.0), 0.018_795_888_861_416_75);
        close(erfcx(-2.0), 108.940_904_389_977_97);
        close(erfinv(0.5), 0.476_936_276_204_469_9);
        close(erfinv(-0.99), -1.821_386_367_718_449_5);
        close(erfinv(1e-10), 8.862_269_254_527_58e-11);
        close(ndtri(0.975), 1.959_963_984_540_054);
        close(ndtri(1e-100), -21.273_453_560_965_324);
        close(log_ndtr(-10.0), -53.231_285_150_512_47);
        close(log_ndtr(2.0), -0.023_012_909_328_963_49);
    }

    #[test]
    fn each_inverts_the_other() {
        for i in 1..200 {
            let x = f64::from(i) * 0.02 - 2.0;
            assert!((erfinv(libm::erf(x)) - x).abs() < 1e-12, "erfinv at {x}");
            assert!((ndtri(ndtr(x)) - x).abs() < 1e-12, "ndtri at {x}");
        }
    }

    #[test]
    fn special_values() {
        assert_eq!((erfinv(1.0), erfinv(-1.0)), (f64::INFINITY, f64::NEG_INFINITY));
        assert!(erfinv(1.5).is_nan() && erfinv(f64::NAN).is_nan() && ndtri(-0.1).is_nan());
        assert_eq!((ndtri(0.0), ndtri(1.0), ndtri(0.5)), (f64::NEG_INFINITY, f64::INFINITY, 0.0));
        assert_eq!(erfcx(f64::INFINITY), 0.0);
        assert_eq!(erfcx(f64::NEG_INFINITY), f64::INFINITY);
    }
}
