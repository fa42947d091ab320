//! Elementwise loops: one body, written over [`Real`], for slices of f32 and f64.

use std::ops::{Add, Div, Mul, Sub};

use super::real::{F32, F64, Real};
use super::{multiversion, pool};
use crate::Value;

/// What an elementwise loop computes at each place, from `N` numbers (1 to 5), over any [`Real`].
///
/// ```
/// use chainrule_kernel::map::{Body, Float, Operand};
/// use chainrule_kernel::real::Real;
/// /// `x·σ(x)`
/// struct Silu;
/// impl Body<1> for Silu {
///     fn call<R: Real>(&self, [x]: [R; 1]) -> R {
///         x * x.sigmoid()
///     }
/// }
/// let mut y = [0.0f32; 2];
/// f32::run(&Silu, [Operand::Slice(&[0.0, 100.0])], &mut y);
/// assert_eq!(y, [0.0, 100.0]);
/// ```
pub trait Body<const N: usize>: Sync {
    /// One output element from the input elements at the same place.
    ///
    /// The bound is what numbers on the left of an operator need; every `Real` has it, but it must be repeated where a
    /// body uses it.
    ///
    /// ```
    /// use std::ops::{Add, Div, Mul, Sub};
    /// use chainrule_kernel::map::{Body, Float};
    /// use chainrule_kernel::real::Real;
    /// struct OneMinus;
    /// impl Body<1> for OneMinus {
    ///     fn call<R: Real>(&self, [x]: [R; 1]) -> R
    ///     where
    ///         f64: Add<R, Output = R> + Sub<R, Output = R> + Mul<R, Output = R> + Div<R, Output = R>,
    ///     {
    ///         1.0 - x
    ///     }
    /// }
    /// assert_eq!(f32::map_one(&OneMinus, [0.25]), 0.75);
    /// ```
    fn call<R: Real>(&self, x: [R; N]) -> R
    where
        f64: Add<R, Output = R> + Sub<R, Output = R> + Mul<R, Output = R> + Div<R, Output = R>;
}

/// An operand of an elementwise loop: as many elements as the output, or one for all.
///
/// ```
/// use chainrule_kernel::choose::compare;
/// use chainrule_kernel::map::Operand;
/// let mut out = [false; 3];
/// compare(Operand::Slice(&[1, 5, 9]), Operand::One(5), &mut out, |a, b| a >= b);
/// assert_eq!(out, [false, true, true]);
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Operand<'a, T> {
    /// An element a place.
    Slice(&'a [T]),
    /// The same everywhere.
    One(T),
}

/// Elements that can be differentiated: `f32` and `f64`, with the loops that run a [`Body`].
///
/// ```
/// use chainrule_kernel::map::{Body, Float, Operand};
/// use chainrule_kernel::real::Real;
/// struct Squared;
/// impl Body<1> for Squared {
///     fn call<R: Real>(&self, [x]: [R; 1]) -> R {
///         x * x
///     }
/// }
/// fn squares<T: Float>(x: &[T]) -> Vec<T> {
///     let mut out = vec![T::default(); x.len()];
///     T::run(&Squared, [Operand::Slice(x)], &mut out);
///     out
/// }
/// assert_eq!((squares(&[3.0f32]), squares(&[4.0f64])), (vec![9.0], vec![16.0]));
/// ```
pub trait Float: Value {
    /// `out[i] = body(x₀[i], x₁[i], …)` on the calling thread.
    ///
    /// # Panics
    /// A slice is shorter than `out`.
    ///
    /// ```
    /// use chainrule_kernel::map::{Body, Float, Operand};
    /// use chainrule_kernel::real::Real;
    /// struct Axpy;
    /// impl Body<3> for Axpy {
    ///     fn call<R: Real>(&self, [a, x, y]: [R; 3]) -> R {
    ///         a * x + y
    ///     }
    /// }
    /// let mut out = [0.0; 2];
    /// f64::run(&Axpy, [Operand::One(2.0), Operand::Slice(&[1.0, 3.0]), Operand::One(0.5)], &mut out);
    /// assert_eq!(out, [2.5, 6.5]);
    /// ```
    fn run<const N: usize, B: Body<N>>(body: &B, x: [Operand<'_, Self>; N], out: &mut [Self]);
    /// One element with nothing but what every processor of the target has, compiled once for all that need it. Without
    /// fused multiply-add the last bits may differ from those of [`Float::run`].
    ///
    /// ```
    /// use chainrule_kernel::map::{Body, Float};
    /// use chainrule_kernel::real::Real;
    /// struct Half;
    /// impl Body<1> for Half {
    ///     fn call<R: Real>(&self, [x]: [R; 1]) -> R {
    ///         x / 2.0
    ///     }
    /// }
    /// assert_eq!(f64::plain(&Half, [3.0]), 1.5);
    /// ```
    fn plain<const N: usize, B: Body<N>>(body: &B, x: [Self; N]) -> Self;
    /// One element, the same bits as [`Float::run`] gives.
    ///
    /// ```
    /// use chainrule_kernel::map::{Body, Float, Operand};
    /// use chainrule_kernel::real::Real;
    /// struct Tanh;
    /// impl Body<1> for Tanh {
    ///     fn call<R: Real>(&self, [x]: [R; 1]) -> R {
    ///         x.tanh()
    ///     }
    /// }
    /// let mut out = [0.0f32];
    /// f32::run(&Tanh, [Operand::One(0.3)], &mut out);
    /// assert_eq!(f32::map_one(&Tanh, [0.3]), out[0]);
    /// ```
    fn map_one<const N: usize, B: Body<N>>(body: &B, x: [Self; N]) -> Self;
}

/// An elementwise loop, its body hidden: what is written over it is compiled once for all gates.
///
/// ```
/// use chainrule_kernel::map::{Loop, Operand};
/// let copy: Loop<'_, 1, f32> = &|[x], out| match x {
///     Operand::Slice(x) => out.copy_from_slice(x),
///     Operand::One(x) => out.fill(x),
/// };
/// let mut out = [0.0; 2];
/// copy([Operand::One(7.0)], &mut out);
/// assert_eq!(out, [7.0, 7.0]);
/// ```
pub type Loop<'a, const N: usize, T> = &'a (dyn Fn([Operand<'_, T>; N], &mut [T]) + Sync);

/// Elements that one thread works on at a time; less work isn't worth waking another.
const GRAIN: usize = 32 * 1024;

/// Runs the loop over all places, cut into parts for the threads where there are many.
///
/// # Panics
/// A slice is shorter than `out`.
///
/// ```
/// use chainrule_kernel::map::{Body, Float, Operand, on_all};
/// use chainrule_kernel::real::Real;
/// struct Product;
/// impl Body<2> for Product {
///     fn call<R: Real>(&self, [x, y]: [R; 2]) -> R {
///         x * y
///     }
/// }
/// let x = vec![3.0; 100_000];
/// let mut out = vec![0.0; x.len()];
/// on_all::<2, f32>(&|x, out| f32::run(&Product, x, out), [Operand::Slice(&x), Operand::One(0.5)], &mut out);
/// assert!(out.iter().all(|&y| y == 1.5));
/// ```
#[inline]
pub fn on_all<const N: usize, T: Float>(each: Loop<'_, N, T>, x: [Operand<'_, T>; N], out: &mut [T]) {
    if out.len() <= GRAIN { each(x, out) } else { in_parts(each, x, out) }
}

fn in_parts<const N: usize, T: Float>(each: Loop<'_, N, T>, x: [Operand<'_, T>; N], out: &mut [T]) {
    pool::chunks_mut(out, GRAIN, |start, out| {
        let part = x.map(|operand| match operand {
            Operand::Slice(slice) => Operand::Slice(&slice[start..start + out.len()]),
            one => one,
        });
        each(part, out);
    });
}

/// [`on_all`] where the first operand is what `out` holds, whatever is given for it: computed a block at a time beside
/// it.
///
/// # Panics
/// Another operand's slice is shorter than `out`.
///
/// ```
/// use chainrule_kernel::map::{Body, Float, Operand, on_all_in_place};
/// use chainrule_kernel::real::Real;
/// struct Sum;
/// impl Body<2> for Sum {
///     fn call<R: Real>(&self, [x, y]: [R; 2]) -> R {
///         x + y
///     }
/// }
/// let mut out = [1.0, 2.0];
/// let operands = [Operand::One(0.0), Operand::Slice(&[10.0, 20.0])];
/// on_all_in_place::<2, f64>(&|x, out| f64::run(&Sum, x, out), operands, &mut out);
/// assert_eq!(out, [11.0, 22.0]);
/// ```
pub fn on_all_in_place<const N: usize, T: Float>(
    each: Loop<'_, N, T>,
    x: [Operand<'_, T>; N],
    out: &mut [T],
) {
    const BLOCK: usize = 1024;
    pool::chunks_mut(out, GRAIN, |start, out| {
        let mut block = [T::default(); BLOCK];
        for (i, out) in out.chunks_mut(BLOCK).enumerate() {
            let (first, length) = (start + i * BLOCK, out.len());
            let mut part = x.map(|operand| match operand {
                Operand::Slice(slice) => Operand::Slice(&slice[first..first + length]),
                one => one,
            });
            part[0] = Operand::Slice(out);
            each(part, &mut block[..length]);
            out.copy_from_slice(&block[..length]);
        }
    });
}

macro_rules! float {
    ($T:ty, $LANES:literal, $Fast:ty, $Plain:ty, $wrap:expr, $unwrap:expr $(, $avx512:ident)?) => {
        impl Float for $T {
            fn run<const N: usize, B: Body<N>>(body: &B, x: [Operand<'_, $T>; N], out: &mut [$T]) {
                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx2,fma")]
                    fn avx2<const N: usize, B: Body<N>>(body: &B, x: &Readers<N, $T>, out: &mut [[$T; $LANES]]) {
                        each::<N, $LANES, { $LANES / 2 }, $T>(
                            x,
                            out,
                            #[inline(always)]
                            |x| $unwrap(body.call::<$Fast>(listed(#[inline(always)] |i| $wrap(x[i])))),
                        );
                    }
                    $(
                        // The same bits by half the instructions.
                        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                        fn $avx512<const N: usize, B: Body<N>>(
                            body: &B,
                            x: &Readers<N, $T>,
                            out: &mut [[$T; $LANES]],
                        ) {
                            each::<N, $LANES, $LANES, $T>(
                                x,
                                out,
                                #[inline(always)]
                                |x| $unwrap(body.call::<$Fast>(listed(#[inline(always)] |i| $wrap(x[i])))),
                            );
                        }
                        if super::has_avx512() {
                            // SAFETY: the processor has these features, as was just checked.
                            return in_chunks(x, out, &|x, out| unsafe { $avx512(body, x, out) });
                        }
                    )?
                    if super::has_avx2() {
                        // SAFETY: the processor has both features, as was just checked.
                        return in_chunks(x, out, &|x, out| unsafe { avx2(body, x, out) });
                    }
                    // What hardly any processor of this kind still runs is not worth a vector loop a gate.
                    one_by_one(x, out, &|x| Self::plain(body, x));
                }
                #[cfg(not(target_arch = "x86_64"))]
                in_chunks(x, out, &|x, out: &mut [[$T; $LANES]]| {
                    each::<N, $LANES, $LANES, $T>(
                        x,
                        out,
                        #[inline(always)]
                        |x| $unwrap(body.call::<$Plain>(listed(#[inline(always)] |i| $wrap(x[i])))),
                    )
                });
            }

            #[inline(never)]
            fn plain<const N: usize, B: Body<N>>(body: &B, x: [$T; N]) -> $T {
                $unwrap(body.call::<$Plain>(listed(#[inline(always)] |i| $wrap(x[i]))))
            }

            #[inline(always)]
            fn map_one<const N: usize, B: Body<N>>(body: &B, x: [$T; N]) -> $T {
                #[cfg(target_arch = "x86_64")]
                if super::has_avx2() {
                    #[target_feature(enable = "avx2,fma")]
                    #[inline]
                    fn avx2<const N: usize, B: Body<N>>(body: &B, x: [$T; N]) -> $T {
                        $unwrap(body.call::<$Fast>(listed(#[inline(always)] |i| $wrap(x[i]))))
                    }
                    // SAFETY: the processor has both features, as was just checked.
                    return unsafe { avx2(body, x) };
                }
                Self::plain(body, x)
            }
        }
    };
}

float!(f32, 16, F32<true>, F32<false>, F32, F32::number, avx512);
float!(f64, 8, F64<true>, F64<false>, F64, F64::number);

/// `out[i] = body(x₀[i], x₁[i], …)` by a call an element. One loop for all gates: it must not be inlined.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn one_by_one<const N: usize, T: Value>(x: [Operand<'_, T>; N], out: &mut [T], body: &dyn Fn([T; N]) -> T) {
    for (i, out) in out.iter_mut().enumerate() {
        *out = body(x.map(|operand| match operand {
            Operand::Slice(slice) => slice[i],
            Operand::One(value) => value,
        }));
    }
}

/// Where each operand's lanes are read: the first chunk's place, and how far it lies from one chunk to the next.
type Readers<const N: usize, T> = [(*const T, usize); N];

/// A loop over chunks, whatever its body.
type Chunks<'a, const N: usize, const LANES: usize, T> = &'a dyn Fn(&Readers<N, T>, &mut [[T; LANES]]);

/// Runs a loop over chunks of so many lanes over all places. An operand that is one number for all is spread over the
/// lanes and stays where it is while the others move on; the last places are computed among padding. So one loop
/// serves every combination of operands and every length, and nothing but the loop is compiled for each gate.
#[inline(never)]
fn in_chunks<const N: usize, const LANES: usize, T: Value>(
    x: [Operand<'_, T>; N],
    out: &mut [T],
    each: Chunks<'_, N, LANES, T>,
) {
    let mut lanes = [[T::default(); LANES]; N];
    let mut readers = [(std::ptr::null::<T>(), 0); N];
    for i in 0..N {
        readers[i] = match x[i] {
            Operand::Slice(slice) => {
                assert!(slice.len() >= out.len(), "an operand is as long as the output");
                (slice.as_ptr(), LANES)
            }
            Operand::One(value) => {
                lanes[i] = [value; LANES];
                (lanes[i].as_ptr(), 0)
            }
        };
    }
    let (chunks, rest) = out.as_chunks_mut::<LANES>();
    let done = chunks.len() * LANES;
    if done > 0 {
        each(&readers, chunks);
    }
    if !rest.is_empty() {
        for i in 0..N {
            if let Operand::Slice(slice) = x[i] {
                lanes[i][..rest.len()].copy_from_slice(&slice[done..done + rest.len()]);
            }
            readers[i] = (lanes[i].as_ptr(), 0);
        }
        let mut padded = [[T::default(); LANES]];
        each(&readers, &mut padded);
        rest.copy_from_slice(&padded[0][..rest.len()]);
    }
}

/// Runs `body` over chunks, which become straight vector code, one or two vectors a chunk. Only [`in_chunks`] may call it.
#[inline(always)]
fn each<const N: usize, const LANES: usize, const VECTOR: usize, T: Value>(
    readers: &Readers<N, T>,
    out: &mut [[T; LANES]],
    body: impl Fn([T; N]) -> T,
) {
    for (chunk, out) in out.iter_mut().enumerate() {
        // A loop with assembly in it, were it empty as here, isn't unrolled: for each gate that would be twice the code.
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: there is no instruction.
        unsafe {
            std::arch::asm!("", options(nomem, nostack, preserves_flags));
        }
        let x = listed(
            #[inline(always)]
            |i| {
                let (start, step) = readers[i];
                // SAFETY: an operand that moves on is as long as the output, in which this chunk lies; one that
                // doesn't is an array of so many lanes. Both outlive the loop, and nothing writes to them.
                unsafe { &*start.add(chunk * step).cast() }
            },
        );
        *out = straight::<N, LANES, VECTOR, T>(x, &body);
    }
}

/// `[f(0), f(1), …]`, one to five of them, written out: a loop for it in the loop over places would, where small code is
/// wanted, stay one, and there would be no vector code.
///
/// ```
/// assert_eq!(chainrule_kernel::map::listed::<3, usize>(|i| i * i), [0, 1, 4]);
/// ```
#[inline(always)]
pub fn listed<const N: usize, R: Copy>(f: impl Fn(usize) -> R) -> [R; N] {
    const { assert!(0 < N && N <= 5, "more have to be written out") };
    let all = [f(0), f(1 % N), f(2 % N), f(3 % N), f(4 % N)];
    *all.first_chunk().expect("there are at most five")
}

/// `body` at a few places at once: as many as a vector holds, or twice as many.
#[inline(always)]
fn straight<const N: usize, const LANES: usize, const VECTOR: usize, T: Value>(
    x: [&[T; LANES]; N],
    body: &impl Fn([T; N]) -> T,
) -> [T; LANES] {
    const { assert!(LANES == VECTOR || LANES == 2 * VECTOR) };
    let mut y = [T::default(); LANES];
    // A loop over both vectors would stay one where small code is wanted.
    vector(x, body, 0..VECTOR, &mut y);
    vector(x, body, VECTOR..LANES, &mut y);
    y
}

#[inline(always)]
fn vector<const N: usize, const LANES: usize, T: Value>(
    x: [&[T; LANES]; N],
    body: &impl Fn([T; N]) -> T,
    lanes: std::ops::Range<usize>,
    y: &mut [T; LANES],
) {
    for lane in lanes {
        y[lane] = body(listed(
            #[inline(always)]
            |i| x[i][lane],
        ));
    }
}

multiversion! {
    /// `sum[i] += x[i]`
    pub(crate) fn add_assign[T: Value + std::ops::AddAssign](sum: &mut [T], x: &[T]) {
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
        on_all::<3, f32>(
            &|x, out| f32::run(&Affine, x, out),
            [Operand::One(2.0), Operand::Slice(&x), Operand::Slice(&b)],
            &mut out,
        );
        for i in (0..x.len()).step_by(997) {
            assert_eq!(out[i].to_bits(), f32::map_one(&Affine, [2.0, x[i], b[i]]).to_bits());
            assert!((f64::from(out[i]) - (2.0 * f64::from(x[i]).tanh() + f64::from(b[i]))).abs() < 1e-4);
        }
    }
}
