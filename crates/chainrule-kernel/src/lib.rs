//! Loops over slices: all SIMD, all threads, and nearly all `unsafe` of the library.
//!
//! Work is cut by grids that shapes alone decide and sums run in a fixed order, so that results are the
//! same bits for any number of threads.

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
