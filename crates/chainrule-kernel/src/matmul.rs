//! Matrix products.
//!
//! Stripe by stripe, both sides are packed: B into the panels that tiles read, A into rows that lie close
//! together. Then threads share the tiles. The products of one element are added up in an order that the inner
//! dimension alone decides, so that no cut of rows or columns changes a bit.

use super::pack::{Lines, Order, Part, Run, Source};
use super::pool::Shared;
use super::simd::Level;
use super::tile::{Block, CHAIN, Store, Tile, depths, packed};
use super::{memory, multiversion, narrow, pool, thin};

/// A strided matrix: the element in row i and column j is `data[i·row + j·column]`. A stride of 0 repeats elements.
///
/// ```
/// use chainrule_kernel::{Kernels, matmul::Matrix};
/// let b = Matrix { data: &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], row: 3, column: 1 };
/// let ones = Matrix { data: &[1.0], row: 0, column: 0 };
/// let mut sums = [0.0; 3];
/// f32::product(1, 2, 3, ones, b, &mut sums, false);
/// assert_eq!(sums, [5.0, 7.0, 9.0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    /// The elements, and perhaps others between and behind them.
    pub data: &'a [T],
    /// How far neighbouring rows are apart.
    pub row: usize,
    /// How far neighbouring columns are apart.
    pub column: usize,
}

impl<T: Copy> Matrix<'_, T> {
    /// The last element that a matrix of this size reads, plus one; where that is no number, the largest one.
    fn reach(&self, rows: usize, columns: usize) -> usize {
        if rows == 0 || columns == 0 {
            return 0;
        }
        let (down, across) = ((rows - 1).saturating_mul(self.row), (columns - 1).saturating_mul(self.column));
        down.saturating_add(across).saturating_add(1)
    }

    /// The same elements with rows and columns exchanged.
    ///
    /// ```
    /// use chainrule_kernel::matmul::Matrix;
    /// let a = Matrix { data: &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], row: 3, column: 1 };
    /// let t = a.transposed();
    /// assert_eq!((t.row, t.column), (1, 3));
    /// ```
    pub fn transposed(self) -> Self {
        Matrix { row: self.column, column: self.row, ..self }
    }
}

/// A product that is to be computed: `C = A·B` (`m`×`k` times `k`×`n`), or `C += A·B` where `accumulate`; C is
/// row-major.
pub(super) struct Product<'a, 'c, T> {
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) a: Matrix<'a, T>,
    pub(super) b: Matrix<'a, T>,
    pub(super) c: &'c mut [T],
    pub(super) accumulate: bool,
    pub(super) level: Level,
}

impl<T> Product<'_, '_, T> {
    pub(super) fn multiply_adds(&self) -> usize {
        self.m * self.k * self.n
    }
}

/// Multiply-adds below which nothing is packed.
const TINY: usize = 2048;

/// Multiply-adds below which one thread does the work alone.
const SMALL: usize = 64 * 64 * 64;

/// Rows of A and columns of B that are packed at a time.
const STRIPE: usize = 1024;

/// Columns (or rows) of A that are skipped after each packed one, so that rows don't fight for the same places in
/// the cache.
const GAP: usize = 16;

/// Bytes at multiples of which lines of A compete for the same places in the first cache.
const APART: usize = 4096;

/// `C = A·B` (`m`×`k` times `k`×`n`), or `C += A·B` where `accumulate`; `c` is row-major.
pub(crate) fn product<T: Tile>(
    m: usize,
    k: usize,
    n: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &mut [T],
    accumulate: bool,
) {
    // Strides may be 0, so that sides that lie in memory don't bound the sizes. Padded to vectors, or with gaps between
    // rows, no side becomes 32 times as large: what is allocated for them can be counted.
    let area =
        |rows: usize, columns: usize| rows.checked_mul(columns).filter(|&area| area <= usize::MAX / 32);
    let countable = area(m, k).is_some() && area(k, n).is_some() && area(m, n).is_some();
    assert!(countable && a.data.len() >= a.reach(m, k) && b.data.len() >= b.reach(k, n));
    let c = &mut c[..m * n];
    if k == 0 || c.is_empty() {
        if !accumulate {
            c.fill(T::default());
        }
        return;
    }
    if n == 1 && m > 1 {
        // A column is as good as a row, and rows are what thin products like.
        return product(1, k, m, b.transposed(), a.transposed(), c, accumulate);
    }
    if m * k * n <= TINY {
        return tiny(m, k, n, a, b, c, accumulate);
    }
    let mut product = Product { m, k, n, a, b, c, accumulate, level: Level::best() };
    if !thin::product(&mut product) && !narrow::product(&mut product) {
        general(&mut product);
    }
}

/// [`product`] of one of many pairs of matrices, which one thread computes: they are read once from front to back before
/// tiles jump about in them, as that is the order in which far caches deliver quickly.
pub(crate) fn product_of_batch<T: Tile>(
    (m, k, n): (usize, usize, usize),
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &mut [T],
) {
    warm(a, m, k);
    warm(b, k, n);
    product(m, k, n, a, b, c, false);
}

/// Reads a matrix from front to back, where it is large but fits into the second cache.
fn warm<T: Tile>(x: Matrix<'_, T>, rows: usize, columns: usize) {
    const LINE: usize = 64;
    let reach = x.reach(rows, columns);
    if reach > 2 * rows * columns || !(32 * 1024..=512 * 1024).contains(&(reach * size_of::<T>())) {
        return;
    }
    // One element of every line, several lines at a time, as sums that wait for each other would take longer.
    let mut sums = [T::default(); 8];
    for lines in x.data[..reach].chunks_exact(8 * LINE / size_of::<T>()) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum += lines[i * LINE / size_of::<T>()];
        }
    }
    std::hint::black_box(sums);
}

/// A product so small that preparing it would take longer.
#[inline]
fn tiny<T: Tile>(
    m: usize,
    k: usize,
    n: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &mut [T],
    accumulate: bool,
) {
    match (b.row, b.column) {
        // Rows of A and columns of B that lie in one piece are walked together.
        (1, column) if column != 1 && a.column == 1 => tiny_dots(m, k, n, a, b, c, accumulate),
        (_, 1) if k == 1 && !accumulate => tiny_outer(m, n, a, b, c),
        (_, 1) => tiny_rows(m, k, n, a, b, c, accumulate),
        _ => {
            for (place, out) in c.iter_mut().enumerate().take(m * n) {
                let (i, j) = (place / n, place % n);
                let mut sum = if accumulate { *out } else { T::default() };
                for p in 0..k {
                    sum += a.data[i * a.row + p * a.column] * b.data[p * b.row + j * b.column];
                }
                *out = sum;
            }
        }
    }
}

/// Numbers that are worked on at a time in tiny products.
const LANES: usize = 8;

/// Inlined it would keep the loop before it from becoming vector code.
#[inline(never)]
fn total<T: Tile>(sums: &[T; LANES]) -> T {
    let half: [T; 4] = std::array::from_fn(|lane| sums[lane] + sums[lane + 4]);
    (half[0] + half[2]) + (half[1] + half[3])
}

multiversion! {
    /// A column times a row.
    fn tiny_outer[T: Tile](m: usize, n: usize, a: Matrix<'_, T>, b: Matrix<'_, T>, c: &mut [T]) {
        let (right, right_rest) = b.data[..n].as_chunks::<LANES>();
        for (i, out) in c.chunks_exact_mut(n).enumerate().take(m) {
            let left = a.data[i * a.row];
            let (out, out_rest) = out.as_chunks_mut::<LANES>();
            for (out, right) in out.iter_mut().zip(right) {
                for lane in 0..LANES {
                    out[lane] = left * right[lane];
                }
            }
            for (out, &right) in out_rest.iter_mut().zip(right_rest) {
                *out = left * right;
            }
        }
    }
}

multiversion! {
    /// Each element is the scalar product of a row of A and a column of B.
    fn tiny_dots[T: Tile](m: usize, k: usize, n: usize, a: Matrix<'_, T>, b: Matrix<'_, T>, c: &mut [T], accumulate: bool) {
        for (i, out) in c.chunks_exact_mut(n).enumerate().take(m) {
            let (left, left_rest) = a.data[i * a.row..][..k].as_chunks::<LANES>();
            for (j, out) in out.iter_mut().enumerate() {
                let (right, right_rest) = b.data[j * b.column..][..k].as_chunks::<LANES>();
                let mut sum = if accumulate { *out } else { T::default() };
                if !left.is_empty() {
                    let mut sums = [T::default(); LANES];
                    for (left, right) in left.iter().zip(right) {
                        for lane in 0..LANES {
                            sums[lane] += left[lane] * right[lane];
                        }
                    }
                    sum += total(&sums);
                }
                for (&left, &right) in left_rest.iter().zip(right_rest) {
                    sum += left * right;
                }
                *out = sum;
            }
        }
    }
}

multiversion! {
    /// Each row of C is a sum of rows of B.
    fn tiny_rows[T: Tile](m: usize, k: usize, n: usize, a: Matrix<'_, T>, b: Matrix<'_, T>, c: &mut [T], accumulate: bool) {
        for (i, out) in c.chunks_exact_mut(n).enumerate().take(m) {
            let (chunks, rest) = out.as_chunks_mut::<LANES>();
            let done = chunks.len() * LANES;
            for (chunk, out) in chunks.iter_mut().enumerate() {
                let mut sums = if accumulate { *out } else { [T::default(); LANES] };
                for p in 0..k {
                    let left = a.data[i * a.row + p * a.column];
                    let right = &b.data[p * b.row + chunk * LANES..][..LANES];
                    for lane in 0..LANES {
                        sums[lane] += left * right[lane];
                    }
                }
                *out = sums;
            }
            for (j, out) in rest.iter_mut().enumerate() {
                let mut sum = if accumulate { *out } else { T::default() };
                for p in 0..k {
                    sum += a.data[i * a.row + p * a.column] * b.data[p * b.row + done + j];
                }
                *out = sum;
            }
        }
    }
}

/// What runs the tasks of a product of so many multiply-adds: the pool, or where they are few this thread alone.
pub(super) fn each(multiply_adds: usize) -> fn(usize, &(dyn Fn(usize) + Sync)) {
    if multiply_adds > SMALL { pool::parallel } else { |tasks, body| (0..tasks).for_each(body) }
}

fn general<T: Tile>(product: &mut Product<'_, '_, T>) {
    let each = each(product.multiply_adds());
    let &mut Product { m, k, n, a, b, ref mut c, accumulate, level } = product;
    let (lanes, high) = T::tile(level);
    let whole = [Run { index: 0, place: 0, length: k.max(n) }];
    let source = Source {
        data: b.data,
        order: match (b.row, b.column) {
            (row, 1) => Order::Rows(Lines::Even(row), &whole),
            (1, column) => Order::Columns(Lines::Even(column), &whole),
            (row, column) => Order::Strides(row, column),
        },
    };
    let deepest = depths(k).map(|(_, deep)| deep).max().unwrap_or(0);
    let (tall, wide) = (m.min(STRIPE), packed(lanes, n.min(STRIPE)));
    let in_place = lies_close(&a);
    let for_rows = if in_place { 0 } else { packed_rows(tall, deepest) };
    let mut buffer = memory::take::<T>(wide * deepest + for_rows);
    let (right, left) = buffer.split_at_mut(wide * deepest);
    let (right, left, out) = (Shared(right.as_mut_ptr()), Shared(left.as_mut_ptr()), Shared(c.as_mut_ptr()));
    for column in (0..n).step_by(STRIPE) {
        let wide = STRIPE.min(n - column);
        for (start, deep) in depths(k) {
            for row in (0..m).step_by(STRIPE) {
                let tall = STRIPE.min(m - row);
                // B is packed with the first rows; as many columns or rows a task as are a few tiles' work.
                let (strip, slab) = (8 * lanes, 4 * high);
                let strips = if row == 0 { wide.div_ceil(strip) } else { 0 };
                let slabs = if in_place { 0 } else { tall.div_ceil(slab) };
                // Both are spread evenly over the tasks, so that a thread packs what its tiles read.
                let tasks = strips + slabs;
                each(tasks, &|task| {
                    let before = task * strips / tasks;
                    if (task + 1) * strips / tasks > before {
                        let first = before * strip;
                        let columns = strip.min(wide - first);
                        let part = Part { row: start, rows: deep, column: column + first, columns };
                        // SAFETY: B reaches that far, as was asserted; tasks pack different columns.
                        unsafe { T::pack(level, &source, part, right.at(first * deep)) };
                    } else {
                        let first = (task - before) * slab;
                        let rows = first..(first + slab).min(tall);
                        // SAFETY: as above; tasks pack different rows.
                        unsafe { pack_rows(a, row, start, deep, tall, rows, &left) };
                    }
                });
                let (a_row, a_step) =
                    if in_place { (a.row, a.column) } else { packed_strides(&a, tall, deep) };
                let (tall_part, wide_part) = grid(tall, wide, lanes, high);
                let (down, across) = (tall.div_ceil(tall_part), wide.div_ceil(wide_part));
                each(down * across, &|task| {
                    let (i, j) = (task % down * tall_part, task / down * wide_part);
                    let block = Block {
                        rows: tall_part.min(tall - i),
                        columns: wide_part.min(wide - j),
                        depth: deep,
                        chain: CHAIN,
                        a: match in_place {
                            true => a.data[(row + i) * a.row + start * a.column..].as_ptr(),
                            false => left.at(i * a_row),
                        },
                        a_row,
                        a_step,
                        b: right.at(j * deep),
                        b_row: None,
                        c: out.at((row + i) * n + column + j),
                        c_row: n,
                        into: Store::added(accumulate || start > 0),
                    };
                    // SAFETY: both sides have been packed; tasks write different parts of C.
                    unsafe { T::block(level, &block) };
                });
            }
        }
    }
    memory::give(buffer);
}

/// Rows and columns of the part of a stripe that one task computes: small enough to share evenly.
fn grid(tall: usize, wide: usize, lanes: usize, high: usize) -> (usize, usize) {
    const TASKS: usize = 8;
    // Where B is the larger side by far its columns alone are cut, so that each thread reads the part that it packed.
    if wide >= 2 * tall && wide >= TASKS * 2 * lanes {
        return (tall, wide.div_ceil(TASKS).next_multiple_of(2 * lanes));
    }
    let rows = tall.div_ceil(TASKS).next_multiple_of(high).min(8 * high);
    let across = TASKS.div_ceil(tall.div_ceil(rows)).min(wide.div_ceil(4 * lanes));
    (rows, wide.div_ceil(across).next_multiple_of(2 * lanes))
}

/// Whether A's rows (or its columns, where these run through memory) lie so close together, and not at multiples of what
/// the caches count in, that tiles may read them where they are.
pub(super) fn lies_close<T>(a: &Matrix<'_, T>) -> bool {
    let (along, across) = (a.row.min(a.column), a.row.max(a.column));
    along == 1 && !(across * size_of::<T>()).is_multiple_of(APART)
}

/// The strides of rows and columns of packed rows of A.
fn packed_strides<T>(a: &Matrix<'_, T>, tall: usize, deep: usize) -> (usize, usize) {
    if a.row == 1 { (1, tall + GAP) } else { (deep + GAP, 1) }
}

/// What packed rows take.
fn packed_rows(tall: usize, deep: usize) -> usize {
    (tall + GAP) * (deep + GAP)
}

/// Packs some rows of A.
///
/// # Safety
/// A has `tall` rows from `row` on, and `deep` columns from `start` on; `out` has room for them, and nobody else
/// uses these rows of it.
unsafe fn pack_rows<T: Copy>(
    a: Matrix<'_, T>,
    row: usize,
    start: usize,
    deep: usize,
    tall: usize,
    rows: std::ops::Range<usize>,
    out: &Shared<T>,
) {
    let (a_row, a_step) = packed_strides(&a, tall, deep);
    let place = |i: usize, p: usize| (row + i) * a.row + (start + p) * a.column;
    if a.row == 1 {
        for p in 0..deep {
            let from = &a.data[place(rows.start, p)..][..rows.len()];
            // SAFETY: the caller's promise.
            unsafe {
                let to = out.at(rows.start + p * a_step);
                std::ptr::copy_nonoverlapping(from.as_ptr(), to, rows.len());
            }
        }
        return;
    }
    for i in rows {
        if a.column == 1 {
            let from = &a.data[place(i, 0)..][..deep];
            // SAFETY: the caller's promise.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), out.at(i * a_row), deep) };
        } else {
            for p in 0..deep {
                // SAFETY: the caller's promise.
                unsafe { *out.at(i * a_row + p) = a.data[place(i, p)] };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The product of matrices of small integers, which every order of summation gives exactly.
    fn check(level: Option<Level>, (m, k, n): (usize, usize, usize), turned: (bool, bool)) {
        let of = |rows: usize, columns: usize, turned: bool| match turned {
            true => (1, rows),
            false => (columns, 1),
        };
        let a: Vec<f32> = (0..m * k).map(|i| ((i * 31) % 17) as f32 - 8.0).collect();
        let b: Vec<f32> = (0..k * n).map(|i| ((i * 13) % 11) as f32 - 5.0).collect();
        let ((a_row, a_column), (b_row, b_column)) = (of(m, k, turned.0), of(k, n, turned.1));
        let left = Matrix { data: &a[..], row: a_row, column: a_column };
        let right = Matrix { data: &b[..], row: b_row, column: b_column };
        let mut c = vec![1.0; m * n];
        match level {
            Some(level) => {
                let (a, b, accumulate) = (left, right, true);
                general(&mut Product { m, k, n, a, b, c: &mut c, accumulate, level });
                for product in [thin::product, narrow::product] {
                    let mut again = vec![1.0; m * n];
                    if product(&mut Product { m, k, n, a, b, c: &mut again, accumulate, level }) {
                        assert_eq!(again, c, "{m}x{k}x{n} {level:?} {turned:?}");
                    }
                }
            }
            None => product(m, k, n, left, right, &mut c, true),
        }
        for i in 0..m {
            for j in 0..n {
                let element = |p: usize| a[i * a_row + p * a_column] * b[p * b_row + j * b_column];
                let sum: f32 = (0..k).map(element).sum();
                assert_eq!(c[i * n + j], sum + 1.0, "{m}x{k}x{n} {level:?} {turned:?} at {i} {j}");
            }
        }
    }

    #[test]
    fn products_agree_with_the_definition() {
        let sizes = [
            (1, 1, 1),
            (3, 5, 7),
            (65, 70, 129),
            (4, 300, 901),
            (1, 515, 1030),
            (900, 515, 1),
            (600, 3, 450),
            (200, 64, 33),
            (13, 900, 300),
            (30, 600, 470),
            (1500, 2, 180),
            (2, 9, 1100),
            (1300, 1, 3300),
            (600, 3, 700),
            (128, 784, 10),
            (10, 300, 101),
            (20, 100, 64),
            (9, 70, 33),
        ];
        for size in sizes {
            for turned in [(false, false), (false, true), (true, false), (true, true)] {
                check(None, size, turned);
                for level in Level::all() {
                    check(Some(level), size, turned);
                }
            }
        }
    }

    /// Results that are written past the caches, wherever their first vector lies.
    #[test]
    fn results_beyond_the_caches_agree_with_the_definition() {
        let (m, k, n) = (1025, 5, 4096);
        let a: Vec<f32> = (0..m * k).map(|i| ((i * 31) % 17) as f32 - 8.0).collect();
        let b: Vec<f32> = (0..k * n).map(|i| ((i * 13) % 11) as f32 - 5.0).collect();
        let mut expected = vec![0.0; m * n];
        for (i, row) in expected.chunks_exact_mut(n).enumerate() {
            for (p, b) in b.chunks_exact(n).enumerate() {
                row.iter_mut().zip(b).for_each(|(sum, b)| *sum += a[i + p * m] * b);
            }
        }
        for (level, offset) in Level::all().flat_map(|level| [(level, 0), (level, 3)]) {
            let mut c = vec![9.0; m * n + offset];
            let a = Matrix { data: &a[..], row: 1, column: m };
            let b = Matrix { data: &b[..], row: n, column: 1 };
            let c = &mut c[offset..];
            assert!(thin::product(&mut Product { m, k, n, a, b, c: &mut *c, accumulate: false, level }));
            assert!(c == &expected[..], "{level:?}, {offset}");
        }
    }

    #[test]
    fn a_product_of_a_batch_is_the_same_wherever_its_matrices_lie() {
        let (m, k, n) = (70, 256, 132);
        let values = |count: usize| (0..count).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>();
        let (a, b) = (values(m * (k + 1024)), values(k * n));
        let right = Matrix { data: &b[..], row: n, column: 1 };
        // Read where it lies; packed, as rows lie apart; with a right side that must be turned.
        let near: Vec<f32> = a.chunks_exact(k + 1024).flat_map(|row| &row[..k]).copied().collect();
        let turned: Vec<f32> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
        let of = |a: &[f32], row: usize, right: Matrix<'_, f32>| {
            let mut c = vec![0.0; m * n];
            product_of_batch((m, k, n), Matrix { data: a, row, column: 1 }, right, &mut c);
            c
        };
        let expected = of(&near, k, right);
        let far: Vec<f32> =
            a.chunks_exact(k + 1024).flat_map(|row| [&row[..k], &[0.0; 768]].concat()).collect();
        assert_eq!(of(&far, 1024, right), expected);
        assert_eq!(of(&near, k, Matrix { data: &turned[..], row: 1, column: k }), expected);
    }

    #[test]
    fn an_empty_inner_dimension_gives_zeros() {
        let empty = Matrix { data: &[0.0f64; 0][..], row: 1, column: 1 };
        let mut c = [1.0; 6];
        product(2, 0, 3, empty, empty, &mut c, true);
        assert_eq!(c, [1.0; 6]);
        product(2, 0, 3, empty, empty, &mut c, false);
        assert_eq!(c, [0.0; 6]);
    }

    #[test]
    fn products_are_the_same_bits_for_any_number_of_threads() {
        for (m, k, n) in
            [(150, 333, 210), (1, 700, 900), (3, 700, 900), (20, 700, 900), (128, 784, 10), (10, 128, 784)]
        {
            let a: Vec<f32> = (0..m * k).map(|i| (i as f32 * 0.37).sin()).collect();
            let b: Vec<f32> = (0..k * n).map(|i| (i as f32 * 0.73).cos()).collect();
            for (b_row, b_column) in [(n, 1), (1, k)] {
                let of = |threads: usize| {
                    pool::set_num_threads(threads);
                    let mut c = vec![0.0; m * n];
                    let left = Matrix { data: &a[..], row: k, column: 1 };
                    let right = Matrix { data: &b[..], row: b_row, column: b_column };
                    product(m, k, n, left, right, &mut c, false);
                    c
                };
                assert!([2, 3].iter().all(|&threads| of(threads) == of(1)), "{m}x{k}x{n}");
            }
        }
    }
}
