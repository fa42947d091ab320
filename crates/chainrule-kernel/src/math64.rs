//! Elementary functions in double precision: branch-free, like their relatives of single precision in `math`. What an `if`
//! chooses between is computed before it: of arithmetic in its arms the compiler makes branches, and no vector code.
//!
//! Errors in units in the last place (ulp) are measured against the system's functions; see the tests.

super::math::arithmetic!(f64);

const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// 2ⁿ from n + 1023, for results among the normal numbers.
#[inline(always)]
fn power_of_two(biased: u64) -> f64 {
    f64::from_bits(biased << 52)
}

/// Beyond these eˣ is infinite or 0.
#[inline(always)]
fn clamp(x: f64) -> f64 {
    let x = if x > 710.0 { 710.0 } else { x };
    if x < -746.0 { -746.0 } else { x }
}

/// e^r − 1 and 2ⁿ in two factors, where x = n·ln 2 + r: results below the smallest normal number are reached
/// gradually. The polynomial is the best one of its degree (Remez' exchange).
#[inline(always)]
fn exp_parts<const FMA: bool>(clamped: f64) -> (f64, f64, f64) {
    // Adding 1.5·2⁵² rounds to a whole number, which then stands in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let shifted = fma::<FMA>(clamped, std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<FMA>(n, -LN_2_HIGH, clamped);
    let r = fma::<FMA>(n, -LN_2_LOW, r);
    let p = polynomial::<FMA, 10>(
        r,
        [
            2.500_006_118_325_138_8e-8,
            2.763_024_847_316_803e-7,
            2.755_758_637_567_864_6e-6,
            2.480_149_309_863_533e-5,
            1.984_126_950_657_574_3e-4,
            1.388_888_894_363_038e-3,
            8.333_333_333_494_463e-3,
            4.166_666_666_653_015_5e-2,
            1.666_666_666_666_641_3e-1,
            5.000_000_000_000_011e-1,
        ],
    );
    let p = fma::<FMA>(p, r * r, r);
    // 2048 more than n, so that halves of it are not negative.
    let whole = shifted.to_bits().wrapping_sub(ROUND.to_bits() - 2048);
    let half = whole >> 1;
    (p, power_of_two(half.wrapping_sub(1)), power_of_two((whole - half).wrapping_sub(1)))
}

/// `eˣ` (1 ulp)
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f64) -> f64 {
    let (p, low, high) = exp_parts::<FMA>(clamp(x));
    (p + 1.0) * low * high
}

/// `eˣ − 1` (2 ulp): as [`exp`], but the 1 is taken off before the digits near 0 are lost.
#[inline(always)]
pub(super) fn expm1<const FMA: bool>(x: f64) -> f64 {
    let clamped = clamp(x);
    let (p, low, high) = exp_parts::<FMA>(clamped);
    let scale = low * high;
    // The scale of the largest results is itself beyond the largest number.
    let (large, small) = ((p + 1.0) * low * high, fma::<FMA>(p, scale, scale - 1.0));
    let y = if clamped > 40.0 { large } else { small };
    // Keeps the sign of −0.
    if x == 0.0 { x } else { y }
}

/// `ln x` (1 ulp): x = 2ⁿ·(1 + f) with 1 + f in [√½, √2), and ln(1 + f) by s = f / (2 + f) with the coefficients of
/// Sun's fdlibm.
#[inline(always)]
pub(super) fn log<const FMA: bool>(x: f64) -> f64 {
    const ROOT: u64 = 0x3FE6_A09E_667F_3BCD;
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    let tiny = x < f64::MIN_POSITIVE;
    let larger = x * TWO_52;
    let scaled = if tiny { larger } else { x };
    let offset = if tiny { 1023.0 + 52.0 } else { 1023.0 };
    // Counted from √½ instead of 1, so that 1 + f lies symmetrically about 1.
    let from_root = scaled.to_bits().wrapping_sub(ROOT).wrapping_add(1023 << 52);
    // Whole numbers in the low bits of 2⁵²: vectors have no conversion of 64-bit integers everywhere.
    let n = f64::from_bits((from_root >> 52) | TWO_52.to_bits()) - TWO_52 - offset;
    let f = f64::from_bits((from_root & 0x000F_FFFF_FFFF_FFFF).wrapping_add(ROOT)) - 1.0;
    let s = f / (2.0 + f);
    let square = s * s;
    let p = polynomial::<FMA, 7>(
        square,
        [
            1.479_819_860_511_658_6e-1,
            1.531_383_769_920_937_3e-1,
            1.818_357_216_161_805e-1,
            2.222_219_843_214_978_4e-1,
            2.857_142_874_366_239e-1,
            3.999_999_999_940_942e-1,
            6.666_666_666_666_735e-1,
        ],
    );
    let half = 0.5 * f * f;
    // n·ln 2 + f − (f²/2 − s·(f²/2 + s²·p))
    let y = fma::<FMA>(s, fma::<FMA>(square, p, half), n * LN_2_LOW);
    let y = fma::<FMA>(n, LN_2_HIGH, f - (half - y));
    let y = if x == f64::INFINITY { x } else { y };
    // Of 0, of less and of NaN.
    let others = if x == 0.0 { f64::NEG_INFINITY } else { f64::NAN };
    if x > 0.0 { y } else { others }
}

/// `ln(1 + x)` (1 ulp): the logarithm of the rounded sum, and what the rounding took from it.
#[inline(always)]
pub(super) fn log1p<const FMA: bool>(x: f64) -> f64 {
    let sum = 1.0 + x;
    // What the rounding took, from the larger of the two.
    let (of_one, of_x) = (1.0 - (sum - x), x - (sum - 1.0));
    let lost = if x > 1.0 { of_one } else { of_x };
    let y = log::<FMA>(sum);
    let whole = y + lost / sum;
    let y = if (sum > 0.0) & (sum < f64::INFINITY) { whole } else { y };
    // Below half an ulp of 1 nothing is left of the sum.
    if x.abs() < 1e-16 { x } else { y }
}

/// `tanh x` (2 ulp)
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f64) -> f64 {
    let size = x.abs();
    let near = size < 0.625;
    // Near 0: x + x³·P(x²)/Q(x²) (Cephes' coefficients). Farther off: 1 − 2/(e²ˣ + 1).
    let square = x * x;
    let p = polynomial::<FMA, 3>(
        square,
        [-9.643_991_794_250_522e-1, -9.928_772_310_019_186e1, -1.614_687_684_417_084_5e3],
    );
    let q = polynomial::<FMA, 4>(
        square,
        [1.0, 1.128_116_784_916_329_3e2, 2.235_488_390_601_004_5e3, 4.844_063_053_251_255e3],
    );
    let farther = exp::<FMA>(2.0 * if size > 20.0 { 20.0 } else { size }) + 1.0;
    let over = size * square * p;
    let over = if near { over } else { -2.0 };
    let under = if near { q } else { farther };
    let start = if near { size } else { 1.0 };
    let y = (start + over / under).copysign(x);
    if x.is_nan() { x } else { y }
}

/// `1 / (1 + e⁻ˣ)` (3 ulp)
#[inline(always)]
pub(super) fn sigmoid<const FMA: bool>(x: f64) -> f64 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

/// The error function, number by number.
#[inline(always)]
pub(super) fn erf<const FMA: bool>(x: f64) -> f64 {
    libm::erf(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Function = fn(f64) -> f64;
    /// A function, one that is trusted, and a sweep: from, to, and whether by equal ratios.
    type Sweep = (Function, Function, f64, f64, bool);

    /// The largest error in ulp over the sweep.
    fn worst((f, trusted, from, to, geometric): Sweep) -> f64 {
        let count = 200_000;
        let at = |i: i32| {
            let share = (f64::from(i) + 0.37) / f64::from(count);
            if geometric { from * (to / from).powf(share) } else { from + (to - from) * share }
        };
        let ulps = |x: f64| {
            let truth = trusted(x);
            let ulp = f64::from_bits(truth.abs().to_bits() + 1) - truth.abs();
            (f(x) - truth).abs() / ulp
        };
        (0..count).map(|i| ulps(at(i))).fold(0.0, f64::max)
    }

    fn system_sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    #[test]
    fn errors_stay_within_the_stated_ulps() {
        let sweeps: [(&str, Sweep, f64); 20] = [
            ("exp", (exp::<true>, f64::exp, -708.0, 709.7, false), 1.0),
            ("exp about 0", (exp::<true>, f64::exp, -1.0, 1.0, false), 1.0),
            ("exp below the normal numbers", (exp::<true>, f64::exp, -745.0, -708.0, false), 1.0),
            ("exp without FMA", (exp::<false>, f64::exp, -708.0, 709.7, false), 1.0),
            ("expm1", (expm1::<true>, f64::exp_m1, -40.0, 709.0, false), 2.0),
            ("expm1 about 0", (expm1::<true>, f64::exp_m1, -1.0, 1.0, false), 2.0),
            ("expm1 of tiny numbers", (expm1::<true>, f64::exp_m1, 1e-300, 1.0, true), 2.0),
            ("expm1 without FMA", (expm1::<false>, f64::exp_m1, -1.0, 1.0, false), 2.0),
            ("log", (log::<true>, f64::ln, 1e-310, 1e300, true), 1.0),
            ("log about 1", (log::<true>, f64::ln, 0.5, 2.0, false), 1.0),
            ("log close to 1", (log::<true>, f64::ln, 0.99, 1.01, false), 1.0),
            ("log without FMA", (log::<false>, f64::ln, 0.5, 2.0, false), 1.0),
            ("log1p", (log1p::<true>, f64::ln_1p, -0.9999, 1.0, false), 1.0),
            ("log1p of tiny numbers", (log1p::<true>, f64::ln_1p, 1e-20, 1e20, true), 1.0),
            ("log1p below 0", (log1p::<true>, f64::ln_1p, -0.3, -1e-20, true), 1.0),
            ("tanh", (tanh::<true>, f64::tanh, -22.0, 22.0, false), 2.0),
            ("tanh about 0", (tanh::<true>, f64::tanh, -1.0, 1.0, false), 2.0),
            ("tanh of tiny numbers", (tanh::<true>, f64::tanh, 1e-310, 1.0, true), 2.0),
            ("tanh without FMA", (tanh::<false>, f64::tanh, -1.0, 1.0, false), 2.0),
            ("sigmoid", (sigmoid::<true>, system_sigmoid, -700.0, 40.0, false), 3.0),
        ];
        for (name, sweep, bound) in sweeps {
            let worst = worst(sweep);
            assert!(worst <= bound, "{name}: {worst} ulp");
        }
    }

    #[test]
    fn special_values_are_the_systems() {
        let functions: [(&str, Function, Function); 5] = [
            ("exp", exp::<true>, f64::exp),
            ("expm1", expm1::<true>, f64::exp_m1),
            ("log", log::<true>, f64::ln),
            ("log1p", log1p::<true>, f64::ln_1p),
            ("tanh", tanh::<true>, f64::tanh),
        ];
        let special = [
            0.0,
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            5e-324,
            -5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::MIN,
            709.782_712_893_384,
            709.79,
            -745.133_2,
            -746.0,
            -1.0,
        ];
        for (name, f, system) in functions {
            for x in special {
                let (ours, theirs) = (f(x), system(x));
                let close = (ours - theirs).abs() <= 4.0 * f64::EPSILON * theirs.abs();
                let same = ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan();
                assert!(same || close && ours != 0.0, "{name}({x:e}) is {ours:e}, the system's {theirs:e}");
            }
        }
        assert_eq!((sigmoid::<true>(f64::NEG_INFINITY), sigmoid::<true>(f64::INFINITY)), (0.0, 1.0));
        assert!(sigmoid::<true>(f64::NAN).is_nan());
        assert_eq!((exp::<true>(0.0), log::<true>(1.0), tanh::<true>(40.0)), (1.0, 0.0, 1.0));
    }
}
