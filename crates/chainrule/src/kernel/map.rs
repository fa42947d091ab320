//! Elementwise loops: one body, written over [`Real`], for slices of f32 and f64.

use std::ops::{Add, Div, Mul, Sub};

use super::real::{F32, Real};
use super::{multiversion, pool};
use crate::array::Element;

/// What the numbers on the left of an operator need, beside [`Real`]; every `Real` has it.
pub(crate) trait Body<const N: usize>: Sync {
    /// One output element from the input elements at the same place.
    fn call<R: Real>(&self, x: [R; N]) -> R
    where
        f64: Add<R, Output = R> + Sub<R, Output = R> + Mul<R, Output = R> + Div<R, Output = R>;
}

/// An operand of an elementwise loop: as many elements as the output, or one for all.
#[derive(Clone, Copy)]
pub(crate) enum Operand<'a, T> {
    Slice(&'a [T]),
    One(T),
}

/// Elements that can be differentiated.
pub(crate) trait Float: Element {
    /// `out[i] = body(x₀[i], x₁[i], …)`
    fn map<const N: usize, B: Body<N>>(body: &B, x: [Operand<'_, Self>; N], out: &mut [Self]);
    /// One element, the same bits as [`Float::map`] gives.
    fn map_one<const N: usize, B: Body<N>>(body: &B, x: [Self; N]) -> Self;
}

/// Elements that one thread works on at a time; less work isn't worth waking another.
const GRAIN: usize = 32 * 1024;

macro_rules! float {
    ($T:ty, $Fast:ty, $Plain:ty, $wrap:expr, $unwrap:expr) => {
        impl Float for $T {
            fn map<const N: usize, B: Body<N>>(body: &B, x: [Operand<'_, $T>; N], out: &mut [$T]) {
                if out.len() <= GRAIN {
                    return Runs::<$T>::run(body, x, out);
                }
                pool::chunks_mut(out, GRAIN, |start, out| {
                    let part = x.map(|operand| match operand {
                        Operand::Slice(slice) => Operand::Slice(&slice[start..start + out.len()]),
                        one => one,
                    });
                    Runs::<$T>::run(body, part, out);
                });
            }

            #[inline(always)]
            fn map_one<const N: usize, B: Body<N>>(body: &B, x: [$T; N]) -> $T {
                #[cfg(target_arch = "x86_64")]
                if super::has_avx2() {
                    #[target_feature(enable = "avx2,fma")]
                    #[inline]
                    fn avx2<const N: usize, B: Body<N>>(body: &B, x: [$T; N]) -> $T {
                        $unwrap(body.call::<$Fast>(x.map($wrap)))
                    }
                    // SAFETY: the processor has both features, as was just checked.
                    return unsafe { avx2(body, x) };
                }
                $unwrap(body.call::<$Plain>(x.map($wrap)))
            }
        }

        impl Runs<$T> {
            fn run<const N: usize, B: Body<N>>(body: &B, x: [Operand<'_, $T>; N], out: &mut [$T]) {
                #[cfg(target_arch = "x86_64")]
                if super::has_avx2() {
                    #[target_feature(enable = "avx2,fma")]
                    fn avx2<const N: usize, B: Body<N>>(body: &B, x: [Operand<'_, $T>; N], out: &mut [$T]) {
                        each(
                            x,
                            out,
                            #[inline(always)]
                            |x| $unwrap(body.call::<$Fast>(x.map($wrap))),
                        );
                    }
                    // SAFETY: the processor has both features, as was just checked.
                    return unsafe { avx2(body, x, out) };
                }
                each(
                    x,
                    out,
                    #[inline(always)]
                    |x| $unwrap(body.call::<$Plain>(x.map($wrap))),
                );
            }
        }
    };
}

struct Runs<T>(std::marker::PhantomData<T>);

float!(f32, F32<true>, F32<false>, F32, |y: F32<_>| y.0);
float!(f64, f64, f64, |x| x, |y| y);

/// Elements that stay in registers and the first cache between loading and storing.
const BLOCK: usize = 64;

/// Runs `body` over all places, a block at a time: operands that are one number for all are spread over a
/// block first, so that a single loop serves every combination of operands.
#[inline(always)]
fn each<const N: usize, T: Element>(x: [Operand<'_, T>; N], out: &mut [T], body: impl Fn([T; N]) -> T) {
    // The common case without any spreading.
    let mut slices: [&[T]; N] = [&[]; N];
    let mut all = true;
    for i in 0..N {
        match x[i] {
            Operand::Slice(slice) => slices[i] = &slice[..out.len()],
            Operand::One(_) => all = false,
        }
    }
    if all {
        for place in 0..out.len() {
            out[place] = body(std::array::from_fn(
                #[inline(always)]
                |i| slices[i][place],
            ));
        }
        return;
    }
    let mut spread = [[T::default(); BLOCK]; N];
    for i in 0..N {
        if let Operand::One(value) = x[i] {
            spread[i] = [value; BLOCK];
        }
    }
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        let start = block * BLOCK;
        let part: [&[T]; N] = std::array::from_fn(
            #[inline(always)]
            |i| match x[i] {
                Operand::Slice(slice) => &slice[start..start + out.len()],
                Operand::One(_) => &spread[i][..out.len()],
            },
        );
        for place in 0..out.len() {
            out[place] = body(std::array::from_fn(
                #[inline(always)]
                |i| part[i][place],
            ));
        }
    }
}

multiversion! {
    /// `sum[i] += x[i]`
    pub(crate) fn add_assign[T: Element + std::ops::AddAssign](sum: &mut [T], x: &[T]) {
        for (sum, x) in sum.iter_mut().zip(x) {
            *sum += *x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Affine;
    impl Body<3> for Affine {
        fn call<R: Real>(&self, [a, x, b]: [R; 3]) -> R {
            a * x.tanh() + b
        }
    }

    #[test]
    fn slices_single_values_and_map_one_agree_to_the_bit() {
        let x: Vec<f32> = (0..70_001).map(|i| i as f32 * 0.01 - 350.0).collect();
        let b: Vec<f32> = x.iter().map(|x| x * 0.5).collect();
        let mut out = vec![0.0; x.len()];
        f32::map(&Affine, [Operand::One(2.0), Operand::Slice(&x), Operand::Slice(&b)], &mut out);
        for i in (0..x.len()).step_by(997) {
            assert_eq!(out[i].to_bits(), f32::map_one(&Affine, [2.0, x[i], b[i]]).to_bits());
            assert!((f64::from(out[i]) - (2.0 * f64::from(x[i]).tanh() + f64::from(b[i]))).abs() < 1e-4);
        }
    }
}
