//! The three transforms of Winograd's method, in the points 0, ±√½, ±√2 and infinity for kernels of 3×3, and in three
//! pairs and infinity for those of 5×5.
//!
//! An output of a convolution is a coefficient of a product of polynomials. The product of the kernel's and the
//! (transposed) input's values in so many points determines it: `y = Aᵀ·((G·w) ⊙ (Bᵀ·x))`. Points of opposite sign
//! share the sums of even and of odd terms.

use crate::simd::{Simd, unroll};

/// √½ and √2: their product is 1, which keeps all numbers of the same size.
const NEAR: f32 = std::f32::consts::FRAC_1_SQRT_2;
const FAR: f32 = std::f32::consts::SQRT_2;

/// The pairs of points for kernels of 5×5: those of the smallest error, by trial.
const PAIRS: [f32; 3] = [0.3, 0.85, 1.78];

/// The squares of the two other pairs' points: their sum, and their product.
const fn others(pair: usize) -> (f32, f32) {
    let (p, q) = (PAIRS[(pair + 1) % 3], PAIRS[(pair + 2) % 3]);
    (p * p + q * q, p * p * (q * q))
}

/// The divisor of a pair's values: the product of its first point's distances to all others.
const fn distances(pair: usize) -> f32 {
    let (p, (sum, product)) = (PAIRS[pair], others(pair));
    2.0 * p * (p * p * (p * p) - sum * (p * p) + product)
}

/// A point's power.
const fn power(point: f32, exponent: usize) -> f32 {
    if exponent == 0 { 1.0 } else { point * power(point, exponent - 1) }
}

/// `x·factor + term`.
///
/// # Safety
/// The processor has the vector's level.
#[inline(always)]
unsafe fn times<V: Simd<Element = f32>>(x: V, factor: f32, term: V) -> V {
    // SAFETY: the caller's promise.
    unsafe { x.mul_add(V::splat(factor), term) }
}

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
            unroll!(7, J < N, {
                let mut column = [zero; N];
                unroll!(7, I < N, { column[I] = x[I][J] });
                let column = L::line(column);
                unroll!(7, I < M, { half[I][J] = column[I] });
            });
            let mut out = [[zero; M]; M];
            unroll!(7, I < M, { out[I] = L::line(half[I]) });
            out
        }
    }
}

/// `Bᵀ·x`: row p has the coefficients of the product of all `t − point` but p's own.
pub(super) struct Input;

impl<V: Simd<Element = f32>> Line<V, 6, 6> for Input {
    #[inline(always)]
    unsafe fn line(x: [V; 6]) -> [V; 6] {
        // SAFETY: the caller's promise.
        unsafe {
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

impl<V: Simd<Element = f32>> Line<V, 7, 7> for Input {
    #[inline(always)]
    unsafe fn line(x: [V; 7]) -> [V; 7] {
        // SAFETY: the caller's promise.
        unsafe {
            let mut out = x;
            unroll!(3, P < 3, {
                let (sum, product) = const { others(P) };
                let odd = times(x[1], product, times(x[3], -sum, x[5]));
                let even = times(x[0], product, times(x[2], -sum, x[4]));
                out[2 * P] = times(even, PAIRS[P], odd);
                // Times −1, so that both values of the kernel have the same divisor.
                out[2 * P + 1] = times(odd, -1.0, V::splat(PAIRS[P]).mul_add(even, V::splat(0.0)));
            });
            let (sum, product) = const { others(0) };
            let square = const { PAIRS[0] * PAIRS[0] };
            let rest = times(x[0], -square * product, times(x[2], product + square * sum, x[6]));
            out[6] = times(x[4], -(square + sum), rest);
            out
        }
    }
}

/// `G·w`: the values of the polynomial with these coefficients, divided by the product of the distances to the
/// other points.
pub(super) struct Kernel;

impl<V: Simd<Element = f32>, const R: usize> Line<V, R, 6> for Kernel {
    #[inline(always)]
    unsafe fn line(w: [V; R]) -> [V; 6] {
        // SAFETY: the caller's promise.
        unsafe {
            let (near, far) = (values(w, NEAR, -1.0 / 1.5), values(w, FAR, 1.0 / 6.0));
            [w[0], near.0, near.1, far.0, far.1, w[R - 1]]
        }
    }
}

impl<V: Simd<Element = f32>, const R: usize> Line<V, R, 7> for Kernel {
    #[inline(always)]
    unsafe fn line(w: [V; R]) -> [V; 7] {
        // SAFETY: the caller's promise.
        unsafe {
            let mut out = [w[R - 1]; 7];
            unroll!(3, P < 3, {
                (out[2 * P], out[2 * P + 1]) = values(w, PAIRS[P], const { 1.0 / distances(P) });
            });
            out
        }
    }
}

/// The values at a point and at its opposite, times `scale`.
///
/// # Safety
/// The processor has the vector's level.
#[inline(always)]
unsafe fn values<V: Simd<Element = f32>, const R: usize>(w: [V; R], point: f32, scale: f32) -> (V, V) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [V::splat(0.0); 2];
        let mut power = scale;
        unroll!(6, I < R, {
            sums[I % 2] = times(w[I], power, sums[I % 2]);
            power *= point;
        });
        (sums[0].add(sums[1]), times(sums[1], -1.0, sums[0]))
    }
}

/// `Aᵀ·m`: row j has the points' powers j.
pub(super) struct Output;

impl<V: Simd<Element = f32>, const M: usize> Line<V, 6, M> for Output {
    #[inline(always)]
    unsafe fn line(m: [V; 6]) -> [V; M] {
        // SAFETY: the caller's promise.
        unsafe {
            let (near, far) = (even_and_odd(m[1], m[2]), even_and_odd(m[3], m[4]));
            let mut out = [m[0]; M];
            unroll!(5, J < M, {
                let rest = match J {
                    0 => m[0],
                    _ if J + 1 == M => m[5],
                    _ => V::splat(0.0),
                };
                let sum = times(near[J % 2], const { power(NEAR, J) }, rest);
                out[J] = times(far[J % 2], const { power(FAR, J) }, sum);
            });
            out
        }
    }
}

impl<V: Simd<Element = f32>, const M: usize> Line<V, 7, M> for Output {
    #[inline(always)]
    unsafe fn line(m: [V; 7]) -> [V; M] {
        // SAFETY: the caller's promise.
        unsafe {
            let pairs = [even_and_odd(m[0], m[1]), even_and_odd(m[2], m[3]), even_and_odd(m[4], m[5])];
            let mut out = [m[0]; M];
            unroll!(5, J < M, {
                let rest = if J + 1 == M { m[6] } else { V::splat(0.0) };
                let sum = times(pairs[0][J % 2], const { power(PAIRS[0], J) }, rest);
                let sum = times(pairs[1][J % 2], const { power(PAIRS[1], J) }, sum);
                out[J] = times(pairs[2][J % 2], const { power(PAIRS[2], J) }, sum);
            });
            out
        }
    }
}

/// What a point and its opposite add to the even outputs, and to the odd ones.
///
/// # Safety
/// The processor has the vector's level.
#[inline(always)]
unsafe fn even_and_odd<V: Simd<Element = f32>>(first: V, second: V) -> [V; 2] {
    // SAFETY: the caller's promise.
    unsafe { [first.add(second), times(second, -1.0, first)] }
}
