//! The three transforms of Winograd's method in the points 0, ±√½, ±√2 and infinity.
//!
//! An output of a convolution is a coefficient of a product of polynomials. The product of the kernel's and the
//! (transposed) input's values in six points determines it: `y = Aᵀ·((G·w) ⊙ (Bᵀ·x))`. Points of opposite sign
//! share the sums of even and of odd terms.

use super::SIZE;
use crate::kernel::simd::Simd;

/// √½ and √2: their product is 1, which keeps all numbers of the same size.
const NEAR: f32 = std::f32::consts::FRAC_1_SQRT_2;
const FAR: f32 = std::f32::consts::SQRT_2;

/// A transform of `N` numbers to `M`.
///
/// # Safety
/// The processor has the vector's level.
pub(super) trait Line<V: Simd<Element = f32>, const N: usize, const M: usize> {
    unsafe fn line(x: [V; N]) -> [V; M];
}

/// A transform along both dimensions of a square.
///
/// # Safety
/// The processor has the vector's level.
pub(super) trait Both<V: Simd<Element = f32>, const N: usize, const M: usize> {
    unsafe fn both(x: [[V; N]; N]) -> [[V; M]; M];
}

impl<V: Simd<Element = f32>, L: Line<V, N, M>, const N: usize, const M: usize> Both<V, N, M> for L {
    #[inline(always)]
    unsafe fn both(x: [[V; N]; N]) -> [[V; M]; M] {
        // SAFETY: the caller's promise.
        unsafe {
            let zero = V::splat(0.0);
            let mut half = [[zero; N]; M];
            for j in 0..N {
                let mut column = [zero; N];
                for i in 0..N {
                    column[i] = x[i][j];
                }
                let column = L::line(column);
                for i in 0..M {
                    half[i][j] = column[i];
                }
            }
            let mut out = [[zero; M]; M];
            for i in 0..M {
                out[i] = L::line(half[i]);
            }
            out
        }
    }
}

/// `Bᵀ·x`: row p has the coefficients of the product of all `t − point` but p's own.
pub(super) struct Input;

impl<V: Simd<Element = f32>> Line<V, SIZE, SIZE> for Input {
    #[inline(always)]
    unsafe fn line(x: [V; SIZE]) -> [V; SIZE] {
        // SAFETY: the caller's promise.
        unsafe {
            let times = |x: V, factor: f32, term: V| x.mul_add(V::splat(factor), term);
            let (near_even, near_odd) = (times(x[2], -2.0, x[4]), times(x[1], -2.0, x[3]));
            let (far_even, far_odd) = (times(x[2], -0.5, x[4]), times(x[1], -0.5, x[3]));
            [
                times(x[2], -2.5, x[0].add(x[4])),
                times(near_odd, NEAR, near_even),
                times(near_odd, -NEAR, near_even),
                times(far_odd, FAR, far_even),
                times(far_odd, -FAR, far_even),
                times(x[3], -2.5, x[1].add(x[5])),
            ]
        }
    }
}

/// `G·w`: the values of the polynomial with these coefficients, divided by the product of the distances to the
/// other points.
pub(super) struct Kernel;

impl<V: Simd<Element = f32>, const R: usize> Line<V, R, SIZE> for Kernel {
    #[inline(always)]
    unsafe fn line(w: [V; R]) -> [V; SIZE] {
        // SAFETY: the caller's promise.
        unsafe {
            let zero = V::splat(0.0);
            let values = |point: f32, scale: f32| {
                let (mut even, mut odd) = (zero, zero);
                let mut power = scale;
                for (i, &w) in w.iter().enumerate() {
                    let sum = if i % 2 == 0 { &mut even } else { &mut odd };
                    *sum = w.mul_add(V::splat(power), *sum);
                    power *= point;
                }
                (even.add(odd), odd.mul_add(V::splat(-1.0), even))
            };
            let (near, far) = (values(NEAR, -1.0 / 1.5), values(FAR, 1.0 / 6.0));
            [w[0], near.0, near.1, far.0, far.1, w[R - 1]]
        }
    }
}

/// `Aᵀ·m`: row j has the points' powers j.
pub(super) struct Output;

impl<V: Simd<Element = f32>, const M: usize> Line<V, SIZE, M> for Output {
    #[inline(always)]
    unsafe fn line(m: [V; SIZE]) -> [V; M] {
        // SAFETY: the caller's promise.
        unsafe {
            let minus = V::splat(-1.0);
            let near = [m[1].add(m[2]), m[2].mul_add(minus, m[1])];
            let far = [m[3].add(m[4]), m[4].mul_add(minus, m[3])];
            let mut out = [m[0]; M];
            let (mut power_near, mut power_far) = (1.0, 1.0);
            for (j, out) in out.iter_mut().enumerate() {
                let rest = match j {
                    0 => m[0],
                    _ if j + 1 == M => m[5],
                    _ => V::splat(0.0),
                };
                let sum = near[j % 2].mul_add(V::splat(power_near), rest);
                *out = far[j % 2].mul_add(V::splat(power_far), sum);
                power_near *= NEAR;
                power_far *= FAR;
            }
            out
        }
    }
}
