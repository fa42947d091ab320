//! Vectors as wide as the processor's registers.
//!
//! A kernel is written once, over `Simd`, and compiled for every `Level` of processor by `at_level!`. The
//! level is found out once and then handed from function to function, so that one operation never mixes two.

/// What a processor offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) enum Level {
    /// What every processor of the target has.
    Plain,
    /// AVX2 and fused multiply-add.
    Avx2,
    /// AVX-512.
    Avx512,
}

impl Level {
    /// The best one that this processor has.
    #[inline]
    pub(crate) fn best() -> Level {
        #[cfg(target_arch = "x86_64")]
        match super::found() {
            3 => return Level::Avx512,
            2 => return Level::Avx2,
            _ => {}
        }
        Level::Plain
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Level> {
        [Level::Plain, Level::Avx2, Level::Avx512].into_iter().filter(|&level| level <= Level::best())
    }
}

/// A vector of `LANES` numbers.
///
/// # Safety
/// All methods may only run on a processor of the vector's level, and where pointers point to as many elements
/// as they read or write.
pub(super) trait Simd: Copy {
    type Element: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    /// Rows of a tile of two vectors a row, whose sums fit into the registers.
    const ROWS: usize;
    unsafe fn load(from: *const Self::Element) -> Self;
    unsafe fn store(self, to: *mut Self::Element);
    /// Stores the first `count` numbers.
    #[inline(always)]
    unsafe fn store_first(self, to: *mut Self::Element, count: usize) {
        // SAFETY: the caller's promise; no vector has more than 16 numbers.
        unsafe {
            let mut all = std::mem::MaybeUninit::<[Self::Element; 16]>::uninit();
            let all = all.as_mut_ptr().cast::<Self::Element>();
            self.store(all);
            for i in 0..count.min(Self::LANES) {
                *to.add(i) = *all.add(i);
            }
        }
    }
    /// Stores past the caches, to a place at a multiple of the vector's size; to be followed by [`Simd::fence`].
    unsafe fn stream(self, to: *mut Self::Element) {
        // SAFETY: the caller's promise.
        unsafe { self.store(to) }
    }
    /// Makes what was streamed visible to other threads in the order of other stores.
    unsafe fn fence() {}
    unsafe fn splat(x: Self::Element) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// `self·factor + term`, rounded once where the level can do that.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// `to[p·row + i] = from[i][p]` for i and p below [`SIDE`].
    unsafe fn transpose(from: [*const Self::Element; SIDE], to: *mut Self::Element, row: usize) {
        for p in 0..SIDE {
            for (i, from) in from.iter().enumerate() {
                // SAFETY: the caller's promise.
                unsafe { *to.add(p * row + i) = *from.add(p) };
            }
        }
    }
}

/// Rows and columns of the square that [`Simd::transpose`] turns.
pub(super) const SIDE: usize = 8;

/// A vector of the plain level: the compiler makes of it what the target has.
#[derive(Clone, Copy)]
pub(super) struct Plain<T, const N: usize>([T; N]);

macro_rules! plain {
    ($T:ty, $LANES:literal) => {
        impl Simd for Plain<$T, $LANES> {
            type Element = $T;
            const LANES: usize = $LANES;
            const ROWS: usize = 6;
            #[inline(always)]
            unsafe fn load(from: *const $T) -> Self {
                // SAFETY: the caller's promise.
                Plain(unsafe { from.cast::<[$T; $LANES]>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $T) {
                // SAFETY: the caller's promise.
                unsafe { to.cast::<[$T; $LANES]>().write_unaligned(self.0) }
            }
            #[inline(always)]
            unsafe fn splat(x: $T) -> Self {
                Plain([x; $LANES])
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                let mut out = self;
                for i in 0..$LANES {
                    out.0[i] += other.0[i];
                }
                out
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
                let mut out = term;
                for i in 0..$LANES {
                    out.0[i] = match cfg!(target_arch = "aarch64") {
                        true => self.0[i].mul_add(factor.0[i], term.0[i]),
                        false => self.0[i] * factor.0[i] + term.0[i],
                    };
                }
                out
            }
        }
    };
}

plain!(f32, 4);
plain!(f64, 2);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{SIDE, Simd};
    use std::arch::x86_64::*;

    macro_rules! vector {
        ($V:ty, $T:ty, $LANES:literal, $ROWS:literal, [$load:ident, $store:ident, $stream:ident, $splat:ident, $add:ident,
         $fma:ident] $(, $transpose:ident)? $(; $masked:ident $Mask:ty)?) => {
            impl Simd for $V {
                type Element = $T;
                const LANES: usize = $LANES;
                const ROWS: usize = $ROWS;
                #[inline(always)]
                unsafe fn load(from: *const $T) -> Self {
                    // SAFETY: the caller's promise, here and below.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $T) {
                    // SAFETY: as above.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn stream(self, to: *mut $T) {
                    // SAFETY: as above.
                    unsafe { $stream(to, self) }
                }
                #[inline(always)]
                unsafe fn fence() {
                    // SAFETY: every processor with these vectors has it.
                    unsafe { _mm_sfence() }
                }
                #[inline(always)]
                unsafe fn splat(x: $T) -> Self {
                    // SAFETY: as above.
                    unsafe { $splat(x) }
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $fma(self, factor, term) }
                }
                $(
                    #[inline(always)]
                    unsafe fn store_first(self, to: *mut $T, count: usize) {
                        // SAFETY: as above; places behind the first `count` are not touched.
                        unsafe { $masked(to, ((1u32 << count.min($LANES)) - 1) as $Mask, self) }
                    }
                )?
                $(
                    #[inline(always)]
                    unsafe fn transpose(from: [*const $T; SIDE], to: *mut $T, row: usize) {
                        // SAFETY: as above.
                        unsafe { $transpose(from, to, row) }
                    }
                )?
            }
        };
    }

    vector!(
        __m256,
        f32,
        8,
        6,
        [_mm256_loadu_ps, _mm256_storeu_ps, _mm256_stream_ps, _mm256_set1_ps, _mm256_add_ps, _mm256_fmadd_ps],
        transpose
    );
    vector!(
        __m256d,
        f64,
        4,
        6,
        [_mm256_loadu_pd, _mm256_storeu_pd, _mm256_stream_pd, _mm256_set1_pd, _mm256_add_pd, _mm256_fmadd_pd],
        transpose_f64
    );
    vector!(
        __m512,
        f32,
        16,
        12,
        [_mm512_loadu_ps, _mm512_storeu_ps, _mm512_stream_ps, _mm512_set1_ps, _mm512_add_ps, _mm512_fmadd_ps],
        transpose; _mm512_mask_storeu_ps __mmask16
    );
    vector!(
        __m512d,
        f64,
        8,
        12,
        [_mm512_loadu_pd, _mm512_storeu_pd, _mm512_stream_pd, _mm512_set1_pd, _mm512_add_pd, _mm512_fmadd_pd]; _mm512_mask_storeu_pd __mmask8
    );

    /// [`Simd::transpose`] in registers: pairs of rows, then of pairs, then of halves change places.
    ///
    /// # Safety
    /// As the trait's.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn transpose(from: [*const f32; SIDE], to: *mut f32, row: usize) {
        // SAFETY: the caller promises eight elements behind each pointer, and room for as many in eight rows.
        unsafe {
            macro_rules! quad {
                ($i:literal) => {{
                    let (x, y) = (_mm256_loadu_ps(from[$i]), _mm256_loadu_ps(from[$i + 1]));
                    let (a, b) = (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
                    let (x, y) = (_mm256_loadu_ps(from[$i + 2]), _mm256_loadu_ps(from[$i + 3]));
                    let (c, d) = (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
                    let (low, high) = (_mm256_shuffle_ps::<0x44>(a, c), _mm256_shuffle_ps::<0xEE>(a, c));
                    [low, high, _mm256_shuffle_ps::<0x44>(b, d), _mm256_shuffle_ps::<0xEE>(b, d)]
                }};
            }
            let (top, bottom) = (quad!(0), quad!(4));
            for p in 0..4 {
                _mm256_storeu_ps(to.add(p * row), _mm256_permute2f128_ps::<0x20>(top[p], bottom[p]));
                _mm256_storeu_ps(to.add((p + 4) * row), _mm256_permute2f128_ps::<0x31>(top[p], bottom[p]));
            }
        }
    }

    /// [`Simd::transpose`] of f64: squares of four by four, in each of which pairs and then halves change places.
    ///
    /// # Safety
    /// As the trait's.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn transpose_f64(from: [*const f64; SIDE], to: *mut f64, row: usize) {
        // SAFETY: the caller promises eight elements behind each pointer, and room for as many in eight rows.
        unsafe {
            macro_rules! square {
                ($i:literal, $p:literal) => {{
                    let (a, b) = (_mm256_loadu_pd(from[$i].add($p)), _mm256_loadu_pd(from[$i + 1].add($p)));
                    let (c, d) =
                        (_mm256_loadu_pd(from[$i + 2].add($p)), _mm256_loadu_pd(from[$i + 3].add($p)));
                    let (even, odd) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
                    let (even_next, odd_next) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
                    let to = to.add($p * row + $i);
                    _mm256_storeu_pd(to, _mm256_permute2f128_pd::<0x20>(even, even_next));
                    _mm256_storeu_pd(to.add(row), _mm256_permute2f128_pd::<0x20>(odd, odd_next));
                    _mm256_storeu_pd(to.add(2 * row), _mm256_permute2f128_pd::<0x31>(even, even_next));
                    _mm256_storeu_pd(to.add(3 * row), _mm256_permute2f128_pd::<0x31>(odd, odd_next));
                }};
            }
            square!(0, 0);
            square!(0, 4);
            square!(4, 0);
            square!(4, 4);
        }
    }
}

/// Calls the unsafe function `$generic::<V>(…)` with the vector of `$T` that belongs to a level, compiled for
/// that level. The caller promises that the processor has the level, and whatever the function asks for.
macro_rules! at_level {
    ($level:expr, $T:ty, $generic:ident($($arg:ident: $A:ty),* $(,)?) $(-> $R:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f")]
            unsafe fn avx512($($arg: $A),*) $(-> $R)? {
                // SAFETY: the caller's promise.
                unsafe { $generic::<<$T as $crate::simd::Vectors>::Avx512>($($arg),*) }
            }
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $A),*) $(-> $R)? {
                // SAFETY: the caller's promise.
                unsafe { $generic::<<$T as $crate::simd::Vectors>::Avx2>($($arg),*) }
            }
            // SAFETY: the caller promises that the processor has this level.
            unsafe {
                match $level {
                    $crate::simd::Level::Avx512 => avx512($($arg),*),
                    $crate::simd::Level::Avx2 => avx2($($arg),*),
                    $crate::simd::Level::Plain => {
                        $generic::<<$T as $crate::simd::Vectors>::Plain>($($arg),*)
                    }
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = $level;
            // SAFETY: the caller's promise; the plain level is every processor's.
            unsafe { $generic::<<$T as $crate::simd::Vectors>::Plain>($($arg),*) }
        }
    }};
}
pub(super) use at_level;

/// Asks for elements before they are needed. It is a hint: nothing is read, and nothing need be there.
///
/// ```
/// let x = vec![1.0f32; 4096];
/// chainrule_kernel::simd::prefetch(x[1024..].as_ptr(), 256);
/// ```
#[inline(always)]
pub fn prefetch<T>(from: *const T, count: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..count.saturating_mul(size_of::<T>())).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: asking for memory changes nothing, wherever it is.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast::<i8>().wrapping_add(line)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, count);
}

/// Repeats a block for a constant from 0 up to `$n`, which is at most the number in front.
///
/// An array that is indexed by a loop's variable lives in memory until the loop is unrolled, which the compiler
/// may do too late to put it into registers: kernels then take three times as long.
macro_rules! unroll {
    (2, $i:ident < $n:expr, $body:block) => { $crate::simd::unroll!(@ $i, $n, $body, 0 1) };
    (3, $i:ident < $n:expr, $body:block) => { $crate::simd::unroll!(@ $i, $n, $body, 0 1 2) };
    (4, $i:ident < $n:expr, $body:block) => { $crate::simd::unroll!(@ $i, $n, $body, 0 1 2 3) };
    (5, $i:ident < $n:expr, $body:block) => { $crate::simd::unroll!(@ $i, $n, $body, 0 1 2 3 4) };
    (6, $i:ident < $n:expr, $body:block) => { $crate::simd::unroll!(@ $i, $n, $body, 0 1 2 3 4 5) };
    (7, $i:ident < $n:expr, $body:block) => { $crate::simd::unroll!(@ $i, $n, $body, 0 1 2 3 4 5 6) };
    (12, $i:ident < $n:expr, $body:block) => {
        $crate::simd::unroll!(@ $i, $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    (@ $i:ident, $n:expr, $body:block, $($k:literal)*) => {
        $({
            const $i: usize = $k;
            if $i < $n $body
        })*
    };
}
pub(super) use unroll;

/// Numbers with vectors for each level.
pub(super) trait Vectors: Copy {
    #[cfg(target_arch = "x86_64")]
    type Avx512: Simd<Element = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx2: Simd<Element = Self>;
    type Plain: Simd<Element = Self>;
}

impl Vectors for f32 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256;
    type Plain = Plain<f32, 4>;
}

impl Vectors for f64 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512d;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256d;
    type Plain = Plain<f64, 2>;
}
