//! The three transforms of Winograd's method in the points 0, ±√½, ±√2 and infinity.
//!
//! An output of a convolution is a coefficient of a product of polynomials. The product of the kernel's and the
//! (transposed) input's values in six points determines it: `y = Aᵀ·((G·w) ⊙ (Bᵀ·x))`. Points of opposite sign
//! share the sums of even and of odd terms.

use super::SIZE;
use crate::kernel::simd::{Simd, unroll};

/// √½ and √2: their product is 1, which keeps all numbers of the same size.
const NEAR: f32 = std::f32::consts::FRAC_1_SQRT_2;
const FAR: f32 = std::f32::consts::SQRT_2;

/// Their powers, from 0 to 4.
const NEAR_POWERS: [f32; 5] = [1.0, NEAR, 0.5, 0.5 * NEAR, 0.25];
const FAR_POWERS: [f32; 5] = [1.0, FAR, 2.0, 2.0 * FAR, 4.0];

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
            unroll!(6, J < N, {
                let mut column = [zero; N];
                unroll!(6, I < N, { column[I] = x[I][J] });
                let column = L::line(column);
                unroll!(6, I < M, { half[I][J] = column[I] });
            });
            let mut out = [[zero; M]; M];
            unroll!(6, I < M, { out[I] = L::line(half[I]) });
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
            let (near, far) = (values(w, NEAR, -1.0 / 1.5), values(w, FAR, 1.0 / 6.0));
            [w[0], near.0, near.1, far.0, far.1, w[R - 1]]
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

impl<V: Simd<Element = f32>, const M: usize> Line<V, SIZE, M> for Output {
    #[inline(always)]
    unsafe fn line(m: [V; SIZE]) -> [V; M] {
        // SAFETY: the caller's promise.
        unsafe {
            let minus = V::splat(-1.0);
            let near = [m[1].add(m[2]), m[2].mul_add(minus, m[1])];
            let far = [m[3].add(m[4]), m[4].mul_add(minus, m[3])];
            let mut out = [m[0]; M];
            unroll!(5, J < M, {
                let rest = match J {
                    0 => m[0],
                    _ if J + 1 == M => m[5],
                    _ => V::splat(0.0),
                };
                let sum = near[J % 2].mul_add(V::splat(NEAR_POWERS[J]), rest);
                out[J] = far[J % 2].mul_add(V::splat(FAR_POWERS[J]), sum);
            });
            out
        }
    }
}
