//! The inner loops of matrix products: tiles of the result, held in registers.
//!
//! A tile of a dozen rows by two vectors keeps all the processor's multipliers busy: each step of the inner
//! dimension loads two vectors of B and multiplies them by one number of each row of A. B has been packed into
//! *panels*, two vectors wide (the last one only one where that suffices), in which these loads are consecutive.
//! The sums of one element run in the order of the inner dimension whatever tile it lies in, so that a product
//! can be cut anywhere without changing a bit.

use super::pack::{Part, Source, pack};
use super::simd::{Level, Simd, Vectors, at_level, unroll};
use crate::Value;

/// Numbers that matrix products and convolutions are computed in.
pub(crate) trait Tile:
    Value + super::thin::Thin + super::conv::rows::Rows + super::conv::lanes::Lanes
{
    /// Numbers in a vector, and rows in a tile, of this level.
    fn tile(level: Level) -> (usize, usize);
    /// Computes one block of a product.
    ///
    /// # Safety
    /// The processor has the level, and the block's pointers reach what its fields say.
    unsafe fn block(level: Level, block: &Block<Self>);
    /// Writes a part of a matrix as panels.
    ///
    /// # Safety
    /// The processor has the level, the part lies within the source, and `out` has room for its panels.
    unsafe fn pack(level: Level, source: &Source<'_, Self>, part: Part, out: *mut Self);
}

/// Steps of the inner dimension that are packed at a time: a panel of B of this depth stays in the first cache.
pub(super) const DEPTH: usize = 256;

/// Terms of a sum between two stops at memory.
pub(super) const CHAIN: usize = 128;

/// The cut of an inner dimension into even parts of at most [`DEPTH`].
pub(super) fn depths(inner: usize) -> impl Iterator<Item = (usize, usize)> {
    let deep = inner.div_ceil(inner.div_ceil(DEPTH).max(1)).next_multiple_of(8).max(8);
    (0..inner).step_by(deep).map(move |start| (start, deep.min(inner - start)))
}

/// The columns of the panel that starts at `column`, of `columns` in all.
pub(super) fn panel(lanes: usize, columns: usize, column: usize) -> usize {
    if columns - column <= lanes { lanes } else { 2 * lanes }
}

/// The elements that `columns` take when packed, for each step of the inner dimension.
pub(super) fn packed(lanes: usize, columns: usize) -> usize {
    columns.next_multiple_of(lanes)
}

/// What becomes of a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// It is stored.
    Set,
    /// It is stored past the caches, which couldn't hold all of the result.
    Stream,
    /// It is added.
    Add,
}

impl Store {
    /// Added, or else stored.
    pub(super) fn added(add: bool) -> Store {
        if add { Store::Add } else { Store::Set }
    }
}

/// `C = A·B`, or `C += A·B`.
pub(crate) struct Block<T> {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) depth: usize,
    /// Terms that are added up in registers before the sum goes to C: the shorter, the smaller the error.
    pub(crate) chain: usize,
    /// Element (i, p) of A is `a[i·a_row + p·a_step]`.
    pub(crate) a: *const T,
    pub(crate) a_row: usize,
    pub(crate) a_step: usize,
    /// The panels of B, one after another; or B as it lies, where its rows are `b_row` apart.
    pub(crate) b: *const T,
    /// Only for columns that fill vectors.
    pub(crate) b_row: Option<usize>,
    /// Element (i, j) of C is `c[i·c_row + j]`.
    pub(crate) c: *mut T,
    pub(crate) c_row: usize,
    /// To be streamed, vectors of C lie at multiples of their size, and sums are no longer than a chain.
    pub(crate) into: Store,
}

/// All tiles of a block: panel by panel, so that one of them is used while it lies in the first cache.
#[inline(always)]
unsafe fn block<V: Simd>(block: &Block<V::Element>) {
    let mut column = 0;
    while column < block.columns {
        let width = panel(V::LANES, block.columns, column);
        // SAFETY: the caller promises the block's fields.
        unsafe {
            let b = block.b.add(if block.b_row.is_some() { column } else { column * block.depth });
            if width == V::LANES {
                strip::<V, 1>(block, b, column);
            } else {
                strip::<V, 2>(block, b, column);
            }
        }
        column += width;
    }
    if block.into == Store::Stream {
        // SAFETY: the caller's promise.
        unsafe { V::fence() };
    }
}

/// The tiles below each other that one panel makes.
#[inline(always)]
unsafe fn strip<V: Simd, const W: usize>(block: &Block<V::Element>, b: *const V::Element, column: usize) {
    let mut row = 0;
    while row < block.rows {
        let left = block.rows - row;
        // SAFETY: the caller's promise.
        unsafe {
            row += match left {
                12.. if V::ROWS == 12 => tile::<V, 12, W>(block, row, b, column),
                8.. if V::ROWS == 12 => tile::<V, 8, W>(block, row, b, column),
                6.. => tile::<V, 6, W>(block, row, b, column),
                4.. => tile::<V, 4, W>(block, row, b, column),
                2.. => tile::<V, 2, W>(block, row, b, column),
                _ => tile::<V, 1, W>(block, row, b, column),
            };
        }
    }
}

/// One tile; returns its number of rows.
#[inline(always)]
unsafe fn tile<V: Simd, const R: usize, const W: usize>(
    block: &Block<V::Element>,
    row: usize,
    b: *const V::Element,
    column: usize,
) -> usize {
    let b_step = block.b_row.unwrap_or(W * V::LANES);
    let mut start = 0;
    while start < block.depth {
        let depth = block.chain.min(block.depth - start);
        let into = if start > 0 { Store::Add } else { block.into };
        // SAFETY: the caller promises what the block says; all places are within it.
        unsafe {
            let a = block.a.add(row * block.a_row + start * block.a_step);
            let b = b.add(start * b_step);
            let sums = sums::<V, R, W>(depth, (a, block.a_row, block.a_step), (b, b_step));
            let c = block.c.add(row * block.c_row + column);
            store::<V, R, W>(sums, into, (c, block.c_row), block.columns - column);
        }
        start += depth;
    }
    R
}

/// The sums of one tile over `depth` terms.
#[inline(always)]
unsafe fn sums<V: Simd, const R: usize, const W: usize>(
    depth: usize,
    (mut a, a_row, a_step): (*const V::Element, usize, usize),
    (mut b, b_step): (*const V::Element, usize),
) -> [[V; W]; R] {
    // SAFETY: the caller promises `depth` steps of A and B.
    unsafe {
        let mut sums = [[V::splat(std::mem::zeroed()); W]; R];
        for _ in 0..depth {
            let mut right = [sums[0][0]; W];
            unroll!(2, J < W, {
                right[J] = V::load(b.add(J * V::LANES));
            });
            unroll!(12, I < R, {
                let left = V::splat(*a.add(I * a_row));
                unroll!(2, J < W, {
                    sums[I][J] = left.mul_add(right[J], sums[I][J]);
                });
            });
            // After the last step nothing may be there: only the place is computed.
            a = a.wrapping_add(a_step);
            b = b.wrapping_add(b_step);
        }
        sums
    }
}

/// Writes a tile to C, or adds it; only so many of its columns exist.
#[inline(always)]
unsafe fn store<V: Simd, const R: usize, const W: usize>(
    sums: [[V; W]; R],
    into: Store,
    (c, c_row): (*mut V::Element, usize),
    columns: usize,
) {
    let add = into == Store::Add;
    // SAFETY: the caller promises these places in C.
    unsafe {
        if columns >= W * V::LANES {
            unroll!(12, I < R, {
                unroll!(2, J < W, {
                    let place = c.add(I * c_row + J * V::LANES);
                    let sum = if add { sums[I][J].add(V::load(place)) } else { sums[I][J] };
                    if into == Store::Stream { sum.stream(place) } else { sum.store(place) }
                });
            });
        } else {
            // Only some of these columns exist: through a buffer.
            let mut edge = [[std::mem::zeroed::<V::Element>(); 16]; W];
            let edge = edge.as_mut_ptr().cast::<V::Element>();
            unroll!(12, I < R, {
                let c = c.add(I * c_row);
                if add {
                    std::ptr::copy_nonoverlapping(c, edge, columns);
                }
                unroll!(2, J < W, {
                    let place = edge.add(J * V::LANES);
                    let sum = if add { sums[I][J].add(V::load(place)) } else { sums[I][J] };
                    sum.store(place);
                });
                std::ptr::copy_nonoverlapping(edge, c, columns);
            });
        }
    }
}

macro_rules! tile {
    ($T:ty) => {
        impl Tile for $T {
            fn tile(level: Level) -> (usize, usize) {
                fn of<V: Simd>() -> (usize, usize) {
                    (V::LANES, V::ROWS)
                }
                match level {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => of::<<$T as Vectors>::Avx512>(),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => of::<<$T as Vectors>::Avx2>(),
                    _ => of::<<$T as Vectors>::Plain>(),
                }
            }

            unsafe fn block(level: Level, args: &Block<$T>) {
                at_level!(level, $T, block(args: &Block<$T>))
            }

            unsafe fn pack(level: Level, source: &Source<'_, $T>, part: Part, out: *mut $T) {
                at_level!(level, $T, pack(source: &Source<'_, $T>, part: Part, out: *mut $T))
            }
        }
    };
}

tile!(f32);
tile!(f64);
