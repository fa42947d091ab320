//! The inner loop of convolutions: a tile of the output, held in registers.
//!
//! Six rows by two vectors of columns keep twelve accumulators busy. The left matrix is read where it lies;
//! the right one has been packed into panels as wide as a tile, so that its loads are consecutive.

use crate::array::Element;

/// Rows of a tile.
pub(super) const ROWS: usize = 6;

/// Elements that convolutions are computed in.
pub(crate) trait Tile: Element + super::super::map::Float + super::super::sum::Add {
    /// Columns of a tile: two vectors.
    const COLUMNS: usize;

    /// `C += A·B` for a tile of `rows` (at most [`ROWS`]) by `COLUMNS`.
    ///
    /// # Safety
    /// `a[i·left + p]`, `b[p·COLUMNS + j]` and `c[i·wide + j]` are valid for i < `rows`, p < `depth` and
    /// j < `COLUMNS`, and nobody else uses these elements of `c` meanwhile.
    unsafe fn tile(
        rows: usize,
        depth: usize,
        a: *const Self,
        left: usize,
        b: *const Self,
        c: *mut Self,
        wide: usize,
    );
}

macro_rules! tile {
    ($T:ty, $COLUMNS:literal) => {
        impl Tile for $T {
            const COLUMNS: usize = $COLUMNS;

            unsafe fn tile(
                rows: usize,
                depth: usize,
                a: *const $T,
                left: usize,
                b: *const $T,
                c: *mut $T,
                wide: usize,
            ) {
                /// # Safety
                /// As [`Tile::tile`], with `R` rows.
                #[inline(always)]
                unsafe fn body<const R: usize, const FMA: bool>(
                    depth: usize,
                    a: *const $T,
                    left: usize,
                    b: *const $T,
                    c: *mut $T,
                    wide: usize,
                ) {
                    let mut sums = [[0.0; $COLUMNS]; R];
                    for p in 0..depth {
                        // SAFETY: the caller promises these elements of A and B.
                        let (a, b) = unsafe { (a.add(p), &*b.add(p * $COLUMNS).cast::<[$T; $COLUMNS]>()) };
                        for i in 0..R {
                            // SAFETY: as above.
                            let x = unsafe { *a.add(i * left) };
                            for j in 0..$COLUMNS {
                                sums[i][j] =
                                    if FMA { x.mul_add(b[j], sums[i][j]) } else { x * b[j] + sums[i][j] };
                            }
                        }
                    }
                    for (i, sums) in sums.iter().enumerate() {
                        // SAFETY: the caller promises these elements of C to this call alone.
                        let c = unsafe { &mut *c.add(i * wide).cast::<[$T; $COLUMNS]>() };
                        for j in 0..$COLUMNS {
                            c[j] += sums[j];
                        }
                    }
                }
                /// # Safety
                /// As [`Tile::tile`].
                #[inline(always)]
                unsafe fn any<const FMA: bool>(
                    rows: usize,
                    depth: usize,
                    a: *const $T,
                    left: usize,
                    b: *const $T,
                    c: *mut $T,
                    wide: usize,
                ) {
                    // SAFETY: the caller's promise.
                    unsafe {
                        match rows {
                            6 => body::<6, FMA>(depth, a, left, b, c, wide),
                            5 => body::<5, FMA>(depth, a, left, b, c, wide),
                            4 => body::<4, FMA>(depth, a, left, b, c, wide),
                            3 => body::<3, FMA>(depth, a, left, b, c, wide),
                            2 => body::<2, FMA>(depth, a, left, b, c, wide),
                            _ => body::<1, FMA>(depth, a, left, b, c, wide),
                        }
                    }
                }
                #[cfg(target_arch = "x86_64")]
                if super::super::has_avx2() {
                    /// # Safety
                    /// As [`Tile::tile`], on a processor with AVX2 and fused multiply-add.
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn avx2(
                        rows: usize,
                        depth: usize,
                        a: *const $T,
                        left: usize,
                        b: *const $T,
                        c: *mut $T,
                        wide: usize,
                    ) {
                        // SAFETY: the caller's promise.
                        unsafe { any::<true>(rows, depth, a, left, b, c, wide) }
                    }
                    // SAFETY: the processor has both features, as was just checked; the rest is the caller's promise.
                    return unsafe { avx2(rows, depth, a, left, b, c, wide) };
                }
                // SAFETY: the caller's promise.
                unsafe { any::<false>(rows, depth, a, left, b, c, wide) }
            }
        }
    };
}

tile!(f32, 16);
tile!(f64, 8);
