//! Matrix products in which one side is thin: few rows on the left, or a short inner dimension.
//!
//! A large linear layer at a small batch is such a product three times over: forward, and for both gradients.
//! The time goes into moving the large matrix, so it is streamed once, where it lies, without packing.

use super::matmul::{self, Matrix, Product};
use super::pack::{Lines, Order, Part, Run, Source};
use super::pool::{self, Shared};
use super::simd::{Level, Simd, at_level, unroll};
use super::tile::{Block, CHAIN, DEPTH, Store, Tile, depths, packed};
use super::{map, memory};

/// Rows on the left, or terms of the inner dimension, that every pass over the large matrix can serve.
const FEW: usize = 4;

/// Elements of the large matrix below which the general product is as good.
const LARGE: usize = 64 * 1024;

/// The same where the large matrix takes the place of the left one.
const STREAMED: usize = 256 * 1024;

/// The same where both may lie in the caches, but the large one would have to be turned.
const TURNED: usize = 1024;

/// Columns of the large matrix that one task takes where its columns are contiguous.
const COLUMNS: usize = 48;

/// Rows of the large matrix that one task takes, at least, where its rows are contiguous.
const ROWS: usize = 64;

/// Tasks into which the rows of the large matrix are cut at most; each has sums of its own.
const TASKS: usize = 16;

/// Terms of the inner dimension between two stops at memory: the thin matrix' part stays in the second cache.
const DEEP: usize = 2048;

/// Elements between rows, so that they don't fight for the same places in the cache.
const GAP: usize = 16;

/// Columns of the large matrix that one task packs where its rows are contiguous: half the second cache.
const STRIPE: usize = 512;

/// Elements of the result that one task writes where the inner dimension is short.
const GRAIN: usize = 16 * 1024;

/// Elements of a result that is too large for the caches.
const STREAMED_OUT: usize = 4 << 20;

/// Numbers that thin products are made for.
pub(crate) trait Thin: map::Float + super::sum::Add + std::ops::Mul<Output = Self> {
    /// `sums[i][j] = Σ a[i][p]·b[j][p]` of up to four rows and four columns, all of one length.
    fn dots(level: Level, a: &[&[Self]], b: [&[Self]; 4]) -> [[Self; 4]; FEW];
    /// `c[j] = Σ factors[p]·b[p][j]`, or `c[j] += …`, of four rows.
    fn add_rows(level: Level, factors: [Self; 4], b: [&[Self]; 4], c: &mut [Self], into: Store);
}

/// # Safety
/// The processor has the vector's level; `a` has `R` rows.
#[inline(always)]
unsafe fn dots<V: Simd, const R: usize, const U: usize>(
    a: &[&[V::Element]],
    b: [&[V::Element]; 4],
) -> [[V::Element; 4]; FEW]
where
    V::Element: Thin,
{
    let length = b[0].len();
    let a: [&[V::Element]; R] = std::array::from_fn(|i| &a[i][..length]);
    let b = b.map(|row| &row[..length]);
    let whole = length / (U * V::LANES) * (U * V::LANES);
    let mut result = [[V::Element::default(); 4]; FEW];
    // SAFETY: the caller promises the level, and places below `whole` lie within all rows.
    unsafe {
        let mut sums = [[[V::splat(V::Element::default()); U]; 4]; R];
        let mut start = 0;
        while start < whole {
            unroll!(4, K < U, {
                let place = start + K * V::LANES;
                let right = [
                    V::load(b[0].as_ptr().add(place)),
                    V::load(b[1].as_ptr().add(place)),
                    V::load(b[2].as_ptr().add(place)),
                    V::load(b[3].as_ptr().add(place)),
                ];
                unroll!(4, I < R, {
                    let left = V::load(a[I].as_ptr().add(place));
                    unroll!(4, J < 4, {
                        sums[I][J][K] = left.mul_add(right[J], sums[I][J][K]);
                    });
                });
            });
            start += U * V::LANES;
        }
        unroll!(4, I < R, {
            unroll!(4, J < 4, {
                let mut sum = sums[I][J][0];
                unroll!(4, K < U, {
                    sum = match K {
                        0 => sum,
                        _ => sum.add(sums[I][J][K]),
                    };
                });
                let mut lanes = [V::Element::default(); 16];
                sum.store(lanes.as_mut_ptr());
                let mut rest = V::Element::default();
                for p in whole..length {
                    rest += a[I][p] * b[J][p];
                }
                for lane in &lanes[..V::LANES] {
                    rest += *lane;
                }
                result[I][J] = rest;
            });
        });
    }
    result
}

/// # Safety
/// The processor has the vector's level; `a` has one to four rows.
#[inline(always)]
unsafe fn any_dots<V: Simd>(a: &[&[V::Element]], b: [&[V::Element]; 4]) -> [[V::Element; 4]; FEW]
where
    V::Element: Thin,
{
    // SAFETY: the caller's promise.
    unsafe {
        match a.len() {
            1 => dots::<V, 1, 4>(a, b),
            2 => dots::<V, 2, 2>(a, b),
            3 => dots::<V, 3, 1>(a, b),
            _ => dots::<V, 4, 1>(a, b),
        }
    }
}

/// # Safety
/// The processor has the vector's level.
#[inline(always)]
unsafe fn add_rows<V: Simd>(
    factors: [V::Element; 4],
    b: [&[V::Element]; 4],
    c: &mut [V::Element],
    into: Store,
) where
    V::Element: Thin,
{
    let b = [&b[0][..c.len()], &b[1][..c.len()], &b[2][..c.len()], &b[3][..c.len()]];
    let one = |j: usize, c: &mut [V::Element]| {
        let mut sum = if into == Store::Add { c[j] } else { V::Element::default() };
        for p in 0..4 {
            sum += factors[p] * b[p][j];
        }
        c[j] = sum;
    };
    // Streaming needs aligned places.
    let head = match into {
        Store::Stream => c.as_ptr().align_offset(V::LANES * size_of::<V::Element>()).min(c.len()),
        _ => 0,
    };
    (0..head).for_each(|j| one(j, c));
    let mut j = head;
    // SAFETY: the caller promises the level, and all places lie within all rows.
    unsafe {
        let f = [V::splat(factors[0]), V::splat(factors[1]), V::splat(factors[2]), V::splat(factors[3])];
        while j + V::LANES <= c.len() {
            let to = c.as_mut_ptr().add(j);
            let mut sum = if into == Store::Add { V::load(to) } else { V::splat(V::Element::default()) };
            unroll!(4, P < 4, {
                sum = f[P].mul_add(V::load(b[P].as_ptr().add(j)), sum);
            });
            match into {
                Store::Stream => sum.stream(to),
                _ => sum.store(to),
            }
            j += V::LANES;
        }
        if into == Store::Stream {
            V::fence();
        }
    }
    (j..c.len()).for_each(|j| one(j, c));
}

macro_rules! thin {
    ($T:ty) => {
        impl Thin for $T {
            fn dots(level: Level, a: &[&[$T]], b: [&[$T]; 4]) -> [[$T; 4]; FEW] {
                at_level!(level, $T, any_dots(a: &[&[$T]], b: [&[$T]; 4]) -> [[$T; 4]; FEW])
            }

            fn add_rows(level: Level, factors: [$T; 4], b: [&[$T]; 4], c: &mut [$T], into: Store) {
                at_level!(level, $T, add_rows(factors: [$T; 4], b: [&[$T]; 4], c: &mut [$T], into: Store))
            }
        }
    };
}

thin!(f32);
thin!(f64);

/// The rows of a matrix one after another, with so many arbitrary elements between them.
fn rows_of<T: Tile>(a: Matrix<'_, T>, rows: usize, columns: usize, gap: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(rows * (columns + gap));
    for i in 0..rows {
        out.extend((0..columns).map(|p| a.data[i * a.row + p * a.column]));
        out.resize(out.len() + gap, T::default());
    }
    out
}

/// Computes the product if it is thin; `false`, and nothing done, if not.
pub(super) fn product<T: Tile>(product: &mut Product<'_, '_, T>) -> bool {
    let &mut Product { m, k, n, a, b, accumulate, level, .. } = product;
    let (lanes, _) = T::tile(level);
    if m <= FEW && k * n >= LARGE && b.row == 1 {
        by_columns(product, &rows_of(a, m, k, 0));
    } else if m <= FEW && k * n >= LARGE && b.column == 1 {
        by_rows(product, &rows_of(a, m, k, 0));
    } else if m <= 2 * lanes && n >= 2 * m && k * n >= TURNED && b.row == 1 {
        streamed(product);
    } else if m <= 2 * lanes && k * n >= STREAMED && b.column == 1 {
        striped(product, &rows_of(a, m, k, GAP));
    } else if k <= FEW && m > FEW && m * n >= LARGE && b.column == 1 && !accumulate {
        outer(product, &rows_of(a, m, k, 0));
    } else if k <= CHAIN && m * n >= STREAMED_OUT && n.is_multiple_of(lanes) && b.column == 1 && !accumulate {
        flat(product);
    } else {
        return false;
    }
    true
}

/// B's columns are contiguous: each element of C is a scalar product.
fn by_columns<T: Tile>(product: &mut Product<'_, '_, T>, a: &[T]) {
    let &mut Product { m, k, n, b, ref mut c, accumulate, level, .. } = product;
    let mut rows: Vec<&[T]> = Vec::with_capacity(FEW);
    rows.extend(a.chunks_exact(k));
    let out = Shared(c.as_mut_ptr());
    pool::parallel(n.div_ceil(COLUMNS), &|task| {
        let first = task * COLUMNS;
        let end = (first + COLUMNS).min(n);
        for block in (first..end).step_by(4) {
            let wide = (end - block).min(4);
            // A last block of fewer columns sees its last one several times.
            let column = |j: usize| &b.data[(block + j.min(wide - 1)) * b.column..][..k];
            let sums = T::dots(level, &rows, [column(0), column(1), column(2), column(3)]);
            for (i, sums) in sums.iter().take(m).enumerate() {
                for (j, &sum) in sums.iter().take(wide).enumerate() {
                    // SAFETY: each task writes other columns of C, which has m rows of n.
                    let out = unsafe { &mut *out.at(i * n + block + j) };
                    if accumulate {
                        *out += sum;
                    } else {
                        *out = sum;
                    }
                }
            }
        }
    });
}

/// B's rows are contiguous: each row of C is a sum of them. Tasks take some of the rows each, so that B is read
/// from front to back; their sums are added in the end.
fn by_rows<T: Tile>(product: &mut Product<'_, '_, T>, a: &[T]) {
    let &mut Product { m, k, n, b, ref mut c, accumulate, level, .. } = product;
    let height = k.div_ceil(TASKS).max(ROWS).next_multiple_of(4);
    let tasks = k.div_ceil(height);
    let mut sums = memory::take::<T>(tasks * m * n);
    pool::chunks_mut(&mut sums, m * n, |start, out| {
        let first = start / (m * n) * height;
        let zeros = vec![T::default(); if first + height > k { n } else { 0 }];
        for p in (first..(first + height).min(k)).step_by(4) {
            // Rows beyond the last one count as zeros.
            let row = |i: usize| match p + i < k {
                true => &b.data[(p + i) * b.row..][..n],
                false => &zeros[..],
            };
            let rows = [row(0), row(1), row(2), row(3)];
            for (i, out) in out.chunks_exact_mut(n).enumerate() {
                let factor = |q: usize| if p + q < k { a[i * k + p + q] } else { T::default() };
                let factors = [factor(0), factor(1), factor(2), factor(3)];
                T::add_rows(level, factors, rows, out, if p > first { Store::Add } else { Store::Set });
            }
        }
    });
    for (task, sums) in sums.chunks_exact(m * n).enumerate() {
        if task == 0 && !accumulate {
            c.copy_from_slice(sums);
        } else {
            map::add_assign(c, sums);
        }
    }
    memory::give(sums);
}

/// B's columns are contiguous, and A's rows fit into two vectors: `Cᵀ = Bᵀ·Aᵀ`, with Bᵀ read where it lies.
fn streamed<T: Tile>(product: &mut Product<'_, '_, T>) {
    let multiply_adds = product.multiply_adds();
    let &mut Product { m, k, n, a, b, ref mut c, accumulate, level } = product;
    let (lanes, high) = T::tile(level);
    let wide = packed(lanes, m);
    let whole = [Run { index: 0, place: 0, length: k }];
    // Aᵀ: its columns are A's rows.
    let order = match (a.column, a.row) {
        (1, row) => Order::Columns(Lines::Even(row), &whole),
        (column, row) => Order::Strides(column, row),
    };
    let source = Source { data: a.data, order };
    let mut right = memory::take::<T>(wide * k);
    for start in (0..k).step_by(DEEP) {
        let part = Part { row: start, rows: DEEP.min(k - start), column: 0, columns: m };
        // SAFETY: A reaches that far; the parts lie one behind the other.
        unsafe { T::pack(level, &source, part, right.as_mut_ptr().add(start * wide)) };
    }
    let rows = 4 * high;
    let out = Shared(c.as_mut_ptr());
    matmul::each(multiply_adds)(n.div_ceil(rows), &|task| {
        let first = task * rows;
        let rows = rows.min(n - first);
        let mut turned = memory::take::<T>(rows * m);
        for start in (0..k).step_by(DEEP) {
            let block = Block {
                rows,
                columns: m,
                depth: DEEP.min(k - start),
                chain: CHAIN,
                a: b.data[first * b.column + start..].as_ptr(),
                a_row: b.column,
                a_step: 1,
                b: right[start * wide..].as_ptr(),
                b_row: None,
                c: turned.as_mut_ptr(),
                c_row: m,
                into: Store::added(start > 0),
            };
            // SAFETY: B reaches that far, as was asserted; A was packed whole; C is this task's own.
            unsafe { T::block(level, &block) };
        }
        for (i, sums) in turned.chunks_exact(m).enumerate() {
            for (j, &sum) in sums.iter().enumerate() {
                // SAFETY: each task writes other columns of C, which has m rows of n.
                let out = unsafe { &mut *out.at(j * n + first + i) };
                if accumulate {
                    *out += sum;
                } else {
                    *out = sum;
                }
            }
        }
        memory::give(turned);
    });
    memory::give(right);
}

/// B's rows are contiguous, and A has too few to pay for packing B in parts: each task packs and multiplies a
/// stripe of its own, from top to bottom.
fn striped<T: Tile>(product: &mut Product<'_, '_, T>, a: &[T]) {
    let &mut Product { m, k, n, b, ref mut c, accumulate, level, .. } = product;
    let (lanes, _) = T::tile(level);
    let whole = [Run { index: 0, place: 0, length: n }];
    let source = Source { data: b.data, order: Order::Rows(Lines::Even(b.row), &whole) };
    let out = Shared(c.as_mut_ptr());
    pool::parallel(n.div_ceil(STRIPE), &|task| {
        let column = task * STRIPE;
        let columns = STRIPE.min(n - column);
        let mut right = memory::take::<T>(packed(lanes, columns) * DEPTH);
        for (start, depth) in depths(k) {
            let block = Block {
                rows: m,
                columns,
                depth,
                chain: CHAIN,
                a: a[start..].as_ptr(),
                a_row: k + GAP,
                a_step: 1,
                b: right.as_ptr(),
                b_row: None,
                c: out.at(column),
                c_row: n,
                into: Store::added(accumulate || start > 0),
            };
            // SAFETY: A and B reach that far, as was asserted; each task has columns of C of its own.
            unsafe {
                T::pack(
                    level,
                    &source,
                    Part { row: start, rows: depth, column, columns },
                    right.as_mut_ptr(),
                );
                T::block(level, &block);
            }
        }
        memory::give(right);
    });
}

/// The inner dimension is short: rows of C are written one after another, and never read from memory.
fn outer<T: Tile>(product: &mut Product<'_, '_, T>, a: &[T]) {
    let &mut Product { m, k, n, b, ref mut c, level, .. } = product;
    let rows = (GRAIN / n).max(1);
    let into = if m * n >= STREAMED_OUT { Store::Stream } else { Store::Set };
    let zeros = vec![T::default(); if k < FEW { n } else { 0 }];
    pool::chunks_mut(&mut c[..m * n], rows * n, |start, out| {
        let row = |q: usize| match q < k {
            true => &b.data[q * b.row..][..n],
            false => &zeros[..],
        };
        let rows = [row(0), row(1), row(2), row(3)];
        for (i, out) in out.chunks_exact_mut(n).enumerate() {
            let factor = |q: usize| if q < k { a[(start / n + i) * k + q] } else { T::default() };
            let factors = [factor(0), factor(1), factor(2), factor(3)];
            T::add_rows(level, factors, rows, out, into);
        }
    });
}

/// The inner dimension is short, and C larger than the caches: it is written past them, tile by tile.
fn flat<T: Tile>(product: &mut Product<'_, '_, T>) {
    let &mut Product { m, k, n, a, b, ref mut c, level, .. } = product;
    let (lanes, high) = T::tile(level);
    // From here on, vectors of every row of C lie at multiples of their size.
    let head = c.as_ptr().align_offset(lanes * size_of::<T>()).min(lanes);
    let whole = [Run { index: 0, place: 0, length: n }];
    let source = Source { data: b.data, order: Order::Rows(Lines::Even(b.row), &whole) };
    let wide = packed(lanes, head);
    let mut right = memory::take::<T>((wide + packed(lanes, n - head)) * k);
    let to = Shared(right.as_mut_ptr());
    pool::parallel(1 + (n - head).div_ceil(STRIPE), &|task| {
        let (column, place) = match task {
            0 => (0, 0),
            _ => (head + (task - 1) * STRIPE, wide + (task - 1) * STRIPE),
        };
        let columns = if task == 0 { head } else { STRIPE.min(n - column) };
        // SAFETY: B reaches that far, as was asserted; the stripes lie one behind the other.
        unsafe { T::pack(level, &source, Part { row: 0, rows: k, column, columns }, to.at(place * k)) };
    });
    let tall = 4 * high;
    let out = Shared(c.as_mut_ptr());
    pool::parallel(m.div_ceil(tall), &|task| {
        let first = task * tall;
        let rows = tall.min(m - first);
        let mut left = memory::take::<T>(tall * k);
        for (p, left) in left.chunks_exact_mut(tall).enumerate() {
            for (i, left) in left[..rows].iter_mut().enumerate() {
                *left = a.data[(first + i) * a.row + p * a.column];
            }
        }
        for (column, columns, into) in [(0, head, Store::Set), (head, n - head, Store::Stream)] {
            let block = Block {
                rows,
                columns,
                depth: k,
                chain: CHAIN,
                a: left.as_ptr(),
                a_row: 1,
                a_step: tall,
                b: right[if column == 0 { 0 } else { wide * k }..].as_ptr(),
                b_row: None,
                c: out.at(first * n + column),
                c_row: n,
                into,
            };
            // SAFETY: both sides were packed for these rows and columns; each task has rows of C of its own, whose
            // vectors lie as streaming needs them.
            unsafe { T::block(level, &block) };
        }
        memory::give(left);
    });
    memory::give(right);
}
