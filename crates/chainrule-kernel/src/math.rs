//! Elementary functions in single precision: branch-free, so that loops over them become vector code.
//!
//! `FMA` chooses fused multiply-add where the processor has it. Errors are in units in the last place (ulp),
//! measured against double precision over the range of the function; see the tests.

/// A polynomial's steps after the first, written out: around a loop in the loop over elements, which is not unrolled
/// where small code is wanted, there would be no vector code.
macro_rules! terms {
    ($FMA:ident, $sum:ident, $x:ident, $coefficients:ident, $N:ident, $($i:literal),*) => {
        const { assert!($N <= 10, "more terms have to be written out") };
        $(if const { $i < $N } {
            $sum = fma::<$FMA>($sum, $x, $coefficients[$i % $N]);
        })*
    };
}
pub(super) use terms;

/// The arithmetic of this file and of its relative `math64`.
macro_rules! arithmetic {
    ($T:ty) => {
        /// `a·b + c`, in one rounding where `FMA`.
        #[inline(always)]
        fn fma<const FMA: bool>(a: $T, b: $T, c: $T) -> $T {
            if FMA { a.mul_add(b, c) } else { a * b + c }
        }

        /// A polynomial, highest power first.
        #[inline(always)]
        fn polynomial<const FMA: bool, const N: usize>(x: $T, coefficients: [$T; N]) -> $T {
            let mut sum = coefficients[0];
            $crate::math::terms!(FMA, sum, x, coefficients, N, 1, 2, 3, 4, 5, 6, 7, 8, 9);
            sum
        }
    };
}
pub(super) use arithmetic;

arithmetic!(f32);

/// 2ⁿ for whole n in −126…127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// One of two numbers, both of which are computed: of an `if`, the compiler might make a branch around the longer
/// computation, and then no vector code.
#[inline(always)]
fn either(first: bool, a: f32, b: f32) -> f32 {
    let mask = u32::from(first).wrapping_neg();
    f32::from_bits((a.to_bits() & mask) | (b.to_bits() & !mask))
}

/// `eˣ` (2 ulp): e^x = 2ⁿ·e^r with n = round(x / ln 2), and a polynomial for e^r (Cephes' coefficients).
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    let clamped = if x > 89.0 { 89.0 } else { x };
    let clamped = if clamped < -104.0 { -104.0 } else { clamped };
    let (p, low, high) = exp_parts::<FMA>(clamped);
    (p + 1.0) * low * high
}

/// e^r − 1 and 2ⁿ in two factors, so that results below the smallest normal number are reached gradually.
#[inline(always)]
fn exp_parts<const FMA: bool>(clamped: f32) -> (f32, f32, f32) {
    let (p, whole) = exp_reduced::<FMA>(clamped);
    let half = whole >> 1;
    (p, power_of_two(half), power_of_two(whole - half))
}

/// `eˣ` for x from −80 to 80, or NaN.
#[inline(always)]
fn exp_within<const FMA: bool>(x: f32) -> f32 {
    let (p, whole) = exp_reduced::<FMA>(x);
    let scale = power_of_two(whole);
    fma::<FMA>(p, scale, scale)
}

/// e^r − 1 and n.
#[inline(always)]
fn exp_reduced<const FMA: bool>(clamped: f32) -> (f32, i32) {
    // Adding 1.5·2²³ rounds to a whole number, which then stands in the low bits.
    let shifted = fma::<FMA>(clamped, std::f32::consts::LOG2_E, 12_582_912.0);
    let n = shifted - 12_582_912.0;
    let r = fma::<FMA>(n, -0.693_359_4, clamped);
    let r = fma::<FMA>(n, 2.121_944_4e-4, r);
    let p = polynomial::<FMA, 6>(
        r,
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5],
    );
    let p = fma::<FMA>(p, r * r, r);
    (p, (shifted.to_bits() as i32).wrapping_sub(0x4B40_0000))
}

/// `eˣ − 1` (2 ulp): as [`exp`], but the 1 is taken off before the digits near 0 are lost.
#[inline(always)]
pub(super) fn expm1<const FMA: bool>(x: f32) -> f32 {
    let clamped = if x > 89.0 { 89.0 } else { x };
    let clamped = if clamped < -104.0 { -104.0 } else { clamped };
    let (p, low, high) = exp_parts::<FMA>(clamped);
    let scale = low * high;
    // The scale of the largest results is itself beyond the largest number.
    let (large, small) = ((p + 1.0) * low * high, fma::<FMA>(p, scale, scale - 1.0));
    let y = if clamped > 40.0 { large } else { small };
    // Keeps the sign of −0.
    if x == 0.0 { x } else { y }
}

/// `ln x` (2 ulp): x = 2ⁿ·m with m in [√½, √2), and a polynomial for ln m (Cephes' coefficients).
#[inline(always)]
pub(super) fn log<const FMA: bool>(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let larger = x * 8_388_608.0;
    let scaled = if tiny { larger } else { x };
    let offset = if tiny { 23.0 } else { 0.0 };
    let bits = scaled.to_bits() as i32;
    // Counted from √½ instead of 1, so that m lies symmetrically about 1.
    // Wrapping, as what negative numbers lead to is overwritten below.
    let from_root = bits.wrapping_sub(0x3F35_04F3);
    let n = (from_root >> 23) as f32 - offset;
    let m = f32::from_bits(((from_root & 0x007F_FFFF) + 0x3F35_04F3) as u32) - 1.0;
    let p = polynomial::<FMA, 9>(
        m,
        [
            7.037_683_6e-2,
            -0.115_146_1,
            0.116_769_98,
            -0.124_201_4,
            0.142_493_23,
            -0.166_680_57,
            0.200_007_14,
            -0.249_999_94,
            0.333_333_3,
        ],
    );
    let square = m * m;
    let y = p * m * square;
    let y = fma::<FMA>(n, -2.121_944_4e-4, y);
    let y = fma::<FMA>(square, -0.5, y);
    let y = fma::<FMA>(n, 0.693_359_4, m + y);
    let y = if x == f32::INFINITY { f32::INFINITY } else { y };
    // Of 0, of less and of NaN.
    let others = if x == 0.0 { f32::NEG_INFINITY } else { f32::NAN };
    if x > 0.0 { y } else { others }
}

/// `ln(1 + x)` (3 ulp): the logarithm of the rounded sum, and what the rounding took from it.
#[inline(always)]
pub(super) fn log1p<const FMA: bool>(x: f32) -> f32 {
    let sum = 1.0 + x;
    let lost = x - (sum - 1.0);
    let y = log::<FMA>(sum);
    let whole = y + lost / sum;
    let y = if (sum > 0.0) & (sum < f32::INFINITY) { whole } else { y };
    // Below half an ulp of 1 nothing is left of the sum.
    if x.abs() < 3e-8 { x } else { y }
}

/// `tanh x` (2 ulp): `1 − 2 / (e²ˣ + 1)`, and near 0, where that would lose digits, a polynomial, fitted to keep
/// the largest relative error small.
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let size = x.abs();
    let square = x * x;
    let p = polynomial::<FMA, 5>(
        square,
        [-5.515_167e-3, 2.046_942_3e-2, -5.368_802_3e-2, 0.133_308_3, -0.333_332_6],
    );
    let near = fma::<FMA>(size * square, p, size);
    let clamped = if size > 10.0 { 10.0 } else { size };
    let far = 1.0 - 2.0 / (exp_within::<FMA>(2.0 * clamped) + 1.0);
    either(size < 0.625, near, far).copysign(x)
}

/// `1 / (1 + e⁻ˣ)` (3 ulp).
#[inline(always)]
pub(super) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

/// The error function (2 ulp): a polynomial up to 1, and from there `1 − eᵖ`, where p, a polynomial too, is the
/// logarithm of the complementary error function; both were fitted to keep the largest relative error small.
#[inline(always)]
pub(super) fn erf<const FMA: bool>(x: f32) -> f32 {
    let size = x.abs();
    // Beyond 4 it is ±1; NaN stays.
    let clamped = if size > 4.0 { 4.0 } else { size };
    let p = polynomial::<FMA, 7>(
        clamped * clamped,
        [
            7.854_009e-5,
            -8.010_242e-4,
            5.188_334e-3,
            -2.685_381_5e-2,
            0.112_835_854,
            -0.376_126_26,
            0.128_379_17,
        ],
    );
    let near = fma::<FMA>(size, p, size);
    let p = polynomial::<FMA, 7>(
        clamped,
        [
            1.924_260_7e-4,
            -3.008_537_5e-3,
            2.208_764_3e-2,
            -0.103_640_325,
            -0.637_517_04,
            -1.127_475,
            -2.447_136e-4,
        ],
    );
    either(size < 1.0, near, 1.0 - exp_within::<FMA>(p)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error in ulp over a sweep of the range.
    fn worst(f: fn(f32) -> f32, exact: fn(f64) -> f64, from: f32, to: f32) -> f64 {
        (0..400_000)
            .map(|i| from + (to - from) * i as f32 / 400_000.0)
            .map(|x| {
                let truth = exact(f64::from(x));
                let ulp = f64::from((truth as f32).abs().max(f32::MIN_POSITIVE)) * f64::from(f32::EPSILON);
                (f64::from(f(x)) - truth).abs() / ulp
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn errors_stay_within_the_stated_ulps() {
        for (name, worst, bound) in [
            ("exp", worst(exp::<true>, f64::exp, -87.0, 88.0), 2.0),
            ("exp without FMA", worst(exp::<false>, f64::exp, -87.0, 88.0), 2.0),
            ("expm1", worst(expm1::<true>, f64::exp_m1, -20.0, 88.0), 2.0),
            ("expm1 near 0", worst(expm1::<true>, f64::exp_m1, -0.7, 0.7), 2.0),
            ("log", worst(log::<true>, f64::ln, 1e-6, 1000.0), 2.0),
            ("log1p", worst(log1p::<true>, f64::ln_1p, -0.999, 1000.0), 3.0),
            ("log1p near 0", worst(log1p::<true>, f64::ln_1p, -1e-3, 1e-3), 3.0),
            ("tanh", worst(tanh::<true>, f64::tanh, -12.0, 12.0), 2.0),
            ("tanh without FMA", worst(tanh::<false>, f64::tanh, -12.0, 12.0), 2.0),
            ("tanh near 0", worst(tanh::<true>, f64::tanh, -1e-2, 1e-2), 2.0),
            ("sigmoid", worst(sigmoid::<true>, |x| 1.0 / (1.0 + (-x).exp()), -80.0, 80.0), 3.0),
            ("erf", worst(erf::<true>, libm::erf, -6.0, 6.0), 2.0),
            ("erf without FMA", worst(erf::<false>, libm::erf, -6.0, 6.0), 2.0),
            ("erf near 0", worst(erf::<true>, libm::erf, -1e-2, 1e-2), 2.0),
        ] {
            assert!(worst <= bound, "{name}: {worst} ulp");
        }
    }

    #[test]
    fn special_values_are_exact() {
        assert_eq!(exp::<true>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<true>(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp::<true>(100.0), f32::INFINITY);
        assert_eq!(exp::<true>(0.0), 1.0);
        assert!(exp::<true>(-100.0) > 0.0);
        assert_eq!(log::<true>(0.0), f32::NEG_INFINITY);
        assert_eq!(log::<true>(1.0), 0.0);
        assert_eq!(log::<true>(f32::INFINITY), f32::INFINITY);
        assert!(log::<true>(-1.0).is_nan());
        assert!((log::<true>(1e-40) - 1e-40f64.ln() as f32).abs() < 1e-4);
        assert_eq!(expm1::<true>(f32::NEG_INFINITY), -1.0);
        assert_eq!(expm1::<true>(f32::INFINITY), f32::INFINITY);
        assert!(expm1::<true>(88.7).is_finite());
        assert_eq!(expm1::<true>(-0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(log1p::<true>(-1.0), f32::NEG_INFINITY);
        assert_eq!(log1p::<true>(f32::INFINITY), f32::INFINITY);
        assert_eq!(log1p::<true>(1e-30), 1e-30);
        assert_eq!(tanh::<true>(f32::INFINITY), 1.0);
        assert_eq!(tanh::<true>(-20.0), -1.0);
        assert_eq!(tanh::<true>(-0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(sigmoid::<true>(f32::NEG_INFINITY), 0.0);
        assert_eq!(erf::<true>(f32::INFINITY), 1.0);
        assert_eq!(erf::<true>(-9.0), -1.0);
        assert_eq!(erf::<true>(-0.0).to_bits(), (-0.0f32).to_bits());
        for f in [
            exp::<true>,
            expm1::<true>,
            log::<true>,
            log1p::<true>,
            tanh::<true>,
            sigmoid::<true>,
            erf::<true>,
        ] {
            assert!(f(f32::NAN).is_nan());
        }
    }
}
