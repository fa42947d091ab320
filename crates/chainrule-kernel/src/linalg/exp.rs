//! `e^A` by scaling and squaring (Higham 2005, "The scaling and squaring method for the matrix exponential
//! revisited").

use super::{Matrix, lu};

/// Coefficients of the [13/13] Padé approximant of e^x, from x⁰ on.
const PADE: [f64; 14] = [
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
];

/// The 1-norm up to which the approximant is exact in double precision.
const REACH: f64 = 5.371920351148152;

/// The exponential `e^A = Σ Aᵏ/k!` of a square matrix.
///
/// ```
/// use chainrule_kernel::linalg::{Matrix, exp};
/// let e = exp(&Matrix::new(2, 2, vec![0.0, 3.0, 0.0, 0.0])); // its square is 0
/// assert!(e.values.iter().zip([1.0, 3.0, 0.0, 1.0]).all(|(x, y)| (x - y).abs() < 1e-14));
/// ```
/// The exponential of a square matrix.
#[inline(never)]
pub fn exp(a: &Matrix) -> Matrix {
    let n = a.rows;
    let norm = (0..n).fold(0.0f64, |m, j| m.max((0..n).map(|i| a[(i, j)].abs()).sum()));
    let halvings = if norm.is_finite() && norm > REACH { (norm / REACH).log2().ceil() as i32 } else { 0 };
    let scaled =
        |factor: f64, x: &Matrix| Matrix { values: x.values.iter().map(|x| x * factor).collect(), ..*x };
    let a = scaled(0.5f64.powi(halvings), a);
    let two = a.product(&a);
    let four = two.product(&two);
    let six = four.product(&two);
    let powers = [&Matrix::identity(n, n), &two, &four, &six];
    let sum = |coefficients: [f64; 4]| {
        let mut out = Matrix::zeros(n, n);
        for (power, c) in powers.iter().zip(coefficients) {
            out.values.iter_mut().zip(&power.values).for_each(|(y, x)| *y += c * x);
        }
        out
    };
    let plus = |mut x: Matrix, y: &Matrix, sign: f64| {
        x.values.iter_mut().zip(&y.values).for_each(|(x, y)| *x += sign * y);
        x
    };
    let p = &PADE;
    let odd = plus(six.product(&sum([0.0, p[9], p[11], p[13]])), &sum([p[1], p[3], p[5], p[7]]), 1.0);
    let odd = a.product(&odd);
    let even = plus(six.product(&sum([0.0, p[8], p[10], p[12]])), &sum([p[0], p[2], p[4], p[6]]), 1.0);
    let mut result = lu(plus(even.clone(), &odd, -1.0)).solve(plus(even, &odd, 1.0));
    for _ in 0..halvings {
        result = result.product(&result);
    }
    result
}
