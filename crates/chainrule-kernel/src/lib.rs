//! The loops over slices beneath [chainrule]: all its SIMD, all its threads, and all its `unsafe`.
//!
//! The crate is a part of chainrule that stands by itself because it is compiled differently (for speed, while its users
//! are to be small) and read differently (chainrule itself forbids `unsafe`). It is
//! not meant to be used alone, and its face may change with any release. It knows slices and sizes, and nothing of
//! tensors, graphs and gates.
//!
//! Work is cut by grids that shapes alone decide and sums run in a fixed order, so that results are the
//! same bits for any number of threads. Its functions are safe to call with any arguments: slices that are too short for
//! the sizes beside them, or sizes that don't fit together, end in a panic.
//!
//! [chainrule]: https://docs.rs/chainrule
//!
//! | module | what is there |
//! | --- | --- |
//! | [`map`], [`real`] | elementwise loops, and the numbers in which their bodies are written |
//! | [`choose`], [`zip`] | comparisons, and choices between two arrays; loops over slices of one length |
//! | [`fold`], [`sum`] | reductions: extremes, products, variances; sums |
//! | [`rows`], [`norm`] | softmax and its relatives; normalisation |
//! | [`matmul`] | matrix products |
//! | [`conv`], [`window`] | convolutions; pooling |
//! | [`linalg`], [`special`], [`fft`] | factorisations, special functions and Fourier transforms, in f64 |
//! | [`random`] | random numbers that depend on a seed and a place alone |
//! | [`update`] | the loop of an optimiser's step |
//! | [`pool`] | the worker threads, and loops that are cut among them |
//! | [`memory`], [`recycled`] | buffers and reference-counted values whose memory serves again |
//! | [`simd`], [`mapped`] | hints to the caches; files mapped into memory |
//!
//! # Why kernels are methods
//!
//! A generic function is compiled in the crate that calls it, at the level of optimisation of that crate, and chainrule is
//! compiled for size. So the kernels that are generic over the element type alone appear again as methods of [`Kernels`],
//! which is implemented here for `f32` and `f64`; this is how they are called. Loops that take a closure or a
//! [`map::Body`] have to be compiled where these are. They go over chunks of constant length (`as_chunks`), of which the
//! compiler makes vector code where small code is wanted, too.
//!
//! # Vector levels
//!
//! On x86-64 a processor has AVX-512, or AVX2 with fused multiply-add, or neither; it is asked when the program runs, once,
//! and nothing can be set. Everywhere else there is one level, what every processor of the target has. Levels differ
//! in the last bits, as a fused multiply-add is rounded once. Who writes a kernel chooses between three ways to use them:
//!
//! * `multiversion!` compiles a plain loop twice, for AVX2 and for the baseline. It is the first choice: the
//!   compiler makes the vectors.
//! * [`map::Float::run`] runs an elementwise body, also with AVX-512; its functions ([`real::Real`]) have no branches.
//! * `at_level!` compiles a function over `Simd` vectors for all three levels, where registers have to be planned: the
//!   tiles of matrix products and convolutions.
//!
//! # Example
//!
//! A linear layer `y = x·wᵀ`, in either precision:
//!
//! ```
//! use chainrule_kernel::{Kernels, matmul::Matrix};
//!
//! fn linear<T: Kernels>(x: &[T], w: &[T], inputs: usize) -> Vec<T> {
//!     let (rows, outputs) = (x.len() / inputs, w.len() / inputs);
//!     let a = Matrix { data: x, row: inputs, column: 1 };
//!     let b = Matrix { data: w, row: 1, column: inputs }; // the transpose of w, where it lies
//!     let mut y = vec![T::default(); rows * outputs];
//!     T::product(rows, inputs, outputs, a, b, &mut y, false);
//!     y
//! }
//!
//! let w = [3.0, 4.0, 5.0, 6.0];
//! assert_eq!(linear(&[1.0f32, 2.0], &w.map(|w| w as f32), 2), [11.0, 17.0]);
//! assert_eq!(linear(&[1.0f64, 2.0], &w, 2), [11.0, 17.0]);
//! ```

pub mod choose;
pub mod conv;
pub mod fft;
pub mod fold;
mod kernels;
pub mod linalg;
pub mod map;
pub mod mapped;
mod math;
mod math64;
pub mod matmul;
pub mod memory;
mod narrow;
pub mod norm;
mod pack;
pub mod pool;
pub mod random;
pub mod real;
pub mod recycled;
pub mod rows;
pub mod simd;
pub mod special;
pub mod sum;
mod thin;
mod tile;
pub mod update;
mod value;
pub mod window;
pub mod zip;

pub use kernels::Kernels;
pub use value::Value;

#[cfg(target_arch = "x86_64")]
use std::sync::atomic::{AtomicU8, Ordering};

/// What the processor has: 0 before anybody asked, 1 nothing that matters here, 2 AVX2 with fused multiply-add, 3 what
/// loops over 512-bit vectors use as well. The question stands before every loop, so it must be short.
#[cfg(target_arch = "x86_64")]
static FOUND: AtomicU8 = AtomicU8::new(0);

#[cfg(target_arch = "x86_64")]
#[cold]
#[inline(never)]
fn find() -> u8 {
    let found = if !(std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")) {
        1
    } else if std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512vl")
        && std::is_x86_feature_detected!("avx512dq")
        && std::is_x86_feature_detected!("avx512bw")
    {
        3
    } else {
        2
    };
    FOUND.store(found, Ordering::Relaxed);
    found
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn found() -> u8 {
    match FOUND.load(Ordering::Relaxed) {
        0 => find(),
        found => found,
    }
}

/// Whether this processor has AVX2 and fused multiply-add.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_avx2() -> bool {
    found() >= 2
}

/// Whether this processor has what elementwise loops over 512-bit vectors use.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_avx512() -> bool {
    found() == 3
}

/// Defines a function whose body is compiled twice, for AVX2 with fused multiply-add and for the target's
/// baseline, and chosen when it is called.
macro_rules! multiversion {
    ($(#[$doc:meta])* $vis:vis fn $name:ident [$($generics:tt)*] ($($arg:ident: $T:ty),* $(,)?) $(-> $R:ty)? $body:block) => {
        $(#[$doc])*
        #[inline]
        $vis fn $name<$($generics)*>($($arg: $T),*) $(-> $R)? {
            #[inline(always)]
            fn body<$($generics)*>($($arg: $T),*) $(-> $R)? $body
            #[cfg(target_arch = "x86_64")]
            if $crate::has_avx2() {
                #[target_feature(enable = "avx2,fma")]
                fn avx2<$($generics)*>($($arg: $T),*) $(-> $R)? {
                    body($($arg),*)
                }
                // SAFETY: the processor has both features, as was just checked.
                return unsafe { avx2($($arg),*) };
            }
            body($($arg),*)
        }
    };
}
pub(crate) use multiversion;
