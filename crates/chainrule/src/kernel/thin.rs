//! Matrix products in which one side is thin: few rows on the left, or a short inner dimension.
//!
//! A large linear layer at a small batch is such a product three times over: forward, and for both gradients.
//! The time goes into moving the large matrix, so it is streamed once, where it lies, without packing.

use super::conv::Tile;
use super::matmul::Matrix;
use super::pool;

/// Rows on the left, or terms of the inner dimension, that still count as thin.
const THIN: usize = 32;

/// Elements of the large matrix below which the general product is as good.
const LARGE: usize = 256 * 1024;

/// Columns of the large matrix that one task takes where its columns are contiguous.
const COLUMNS: usize = 32;

/// Columns that one task takes where its rows are.
const WIDTH: usize = 1024;

/// Rows of the result that one task takes where the inner dimension is short.
const ROWS: usize = 24;

/// Elements that thin products are made for.
pub(super) trait Thin: Tile + std::ops::Mul<Output = Self> {
    /// `sums[i][j] = Σ a[i][p]·b[j][p]` of `R` rows and four columns, all contiguous.
    fn dots<const R: usize>(a: [&[Self]; R], b: [&[Self]; 4]) -> [[Self; 4]; R];
    /// `c[j] += Σ factors[p]·b[p][j]` of four rows.
    fn add_rows(factors: [Self; 4], b: [&[Self]; 4], c: &mut [Self]);
}

macro_rules! thin {
    ($T:ty, $LANES:literal) => {
        impl Thin for $T {
            #[inline]
            fn dots<const R: usize>(a: [&[$T]; R], b: [&[$T]; 4]) -> [[$T; 4]; R] {
                #[inline(always)]
                fn body<const R: usize, const FMA: bool>(a: [&[$T]; R], b: [&[$T]; 4]) -> [[$T; 4]; R] {
                    let length = b[0].len();
                    let (a, b) = (a.map(|row| &row[..length]), b.map(|row| &row[..length]));
                    let whole = length / $LANES * $LANES;
                    let mut lanes = [[[0.0; $LANES]; 4]; R];
                    for p in (0..whole).step_by($LANES) {
                        for i in 0..R {
                            for j in 0..4 {
                                for lane in 0..$LANES {
                                    let (x, y, sum) = (a[i][p + lane], b[j][p + lane], lanes[i][j][lane]);
                                    lanes[i][j][lane] = if FMA { x.mul_add(y, sum) } else { x * y + sum };
                                }
                            }
                        }
                    }
                    let mut sums = [[0.0; 4]; R];
                    for i in 0..R {
                        for j in 0..4 {
                            let rest: $T = (whole..length).map(|p| a[i][p] * b[j][p]).sum();
                            sums[i][j] = lanes[i][j].iter().sum::<$T>() + rest;
                        }
                    }
                    sums
                }
                #[cfg(target_arch = "x86_64")]
                if super::has_avx2() {
                    #[target_feature(enable = "avx2,fma")]
                    fn avx2<const R: usize>(a: [&[$T]; R], b: [&[$T]; 4]) -> [[$T; 4]; R] {
                        body::<R, true>(a, b)
                    }
                    // SAFETY: the processor has both features, as was just checked.
                    return unsafe { avx2(a, b) };
                }
                body::<R, false>(a, b)
            }

            #[inline]
            fn add_rows(factors: [$T; 4], b: [&[$T]; 4], c: &mut [$T]) {
                #[inline(always)]
                fn body<const FMA: bool>(f: [$T; 4], b: [&[$T]; 4], c: &mut [$T]) {
                    let b = b.map(|row| &row[..c.len()]);
                    for j in 0..c.len() {
                        let mut sum = c[j];
                        for p in 0..4 {
                            sum = if FMA { f[p].mul_add(b[p][j], sum) } else { f[p] * b[p][j] + sum };
                        }
                        c[j] = sum;
                    }
                }
                #[cfg(target_arch = "x86_64")]
                if super::has_avx2() {
                    #[target_feature(enable = "avx2,fma")]
                    fn avx2(f: [$T; 4], b: [&[$T]; 4], c: &mut [$T]) {
                        body::<true>(f, b, c)
                    }
                    // SAFETY: the processor has both features, as was just checked.
                    return unsafe { avx2(factors, b, c) };
                }
                body::<false>(factors, b, c)
            }
        }
    };
}

thin!(f32, 8);
thin!(f64, 4);

/// The rows of a matrix one after another.
fn rows_of<T: Thin>(a: Matrix<'_, T>, rows: usize, columns: usize) -> Vec<T> {
    let element = |i: usize| a.data[i / columns * a.row + i % columns * a.column];
    (0..rows * columns).map(element).collect()
}

/// `C = A·B`, or `C += A·B` where `accumulate`, if the product is thin; `false`, and nothing done, if not.
pub(super) fn product<T: Thin>(
    (m, k, n): (usize, usize, usize),
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &mut [T],
    accumulate: bool,
) -> bool {
    if m <= THIN && k * n >= LARGE && b.row == 1 {
        by_columns((m, k, n), &rows_of(a, m, k), b, c, accumulate);
    } else if m <= THIN && k * n >= LARGE && b.column == 1 {
        by_rows((m, k, n), &rows_of(a, m, k), b, c, accumulate);
    } else if k <= THIN && m > THIN && m * n >= LARGE && b.column == 1 && !accumulate {
        outer((m, k, n), &rows_of(a, m, k), b, c);
    } else {
        return false;
    }
    true
}

/// B's columns are contiguous: each element of C is a scalar product.
fn by_columns<T: Thin>(
    (m, k, n): (usize, usize, usize),
    a: &[T],
    b: Matrix<'_, T>,
    c: &mut [T],
    accumulate: bool,
) {
    // Tasks make columns of C, which lie apart; their results are put there afterwards.
    let mut columns = super::memory::take::<T>(m * n);
    pool::chunks_mut(&mut columns, COLUMNS * m, |start, out| {
        let first = start / m;
        for (block, out) in out.chunks_mut(4 * m).enumerate() {
            let wide = out.len() / m;
            // A last block of fewer columns sees its last one several times.
            let column = |j: usize| {
                let place = (first + 4 * block + j.min(wide - 1)) * b.column;
                &b.data[place..place + k]
            };
            let b = [column(0), column(1), column(2), column(3)];
            let mut store = |i: usize, sums: [T; 4]| {
                for (j, sum) in sums.into_iter().take(wide).enumerate() {
                    out[j * m + i] = sum;
                }
            };
            let row = |i: usize| &a[i * k..(i + 1) * k];
            let mut i = 0;
            while i + 3 <= m {
                let sums = T::dots([row(i), row(i + 1), row(i + 2)], b);
                sums.into_iter().enumerate().for_each(|(r, sums)| store(i + r, sums));
                i += 3;
            }
            for i in i..m {
                let [sums] = T::dots([row(i)], b);
                store(i, sums);
            }
        }
    });
    for (i, row) in c.chunks_exact_mut(n).take(m).enumerate() {
        for (j, out) in row.iter_mut().enumerate() {
            let before = if accumulate { *out } else { T::default() };
            *out = before;
            *out += columns[j * m + i];
        }
    }
    super::memory::give(columns);
}

/// B's rows are contiguous: each row of C is a sum of them.
fn by_rows<T: Thin>(
    (m, k, n): (usize, usize, usize),
    a: &[T],
    b: Matrix<'_, T>,
    c: &mut [T],
    accumulate: bool,
) {
    // A task takes some columns of all rows; they lie apart in C, and are put there afterwards.
    let mut blocks = super::memory::take::<T>(m * n);
    pool::chunks_mut(&mut blocks, m * WIDTH, |start, out| {
        let (first, wide) = (start / m, out.len() / m);
        out.fill(T::default());
        let zeros = [T::default(); WIDTH];
        for p in (0..k).step_by(4) {
            // Rows beyond the last one count as zeros.
            let row = |i: usize| match p + i < k {
                true => &b.data[(p + i) * b.row + first..][..wide],
                false => &zeros[..wide],
            };
            let rows = [row(0), row(1), row(2), row(3)];
            for (i, out) in out.chunks_exact_mut(wide).enumerate() {
                let factor = |q: usize| if p + q < k { a[i * k + p + q] } else { T::default() };
                T::add_rows([factor(0), factor(1), factor(2), factor(3)], rows, out);
            }
        }
    });
    for (start, block) in (0..n).step_by(WIDTH).zip(blocks.chunks(m * WIDTH)) {
        let wide = block.len() / m;
        for (i, sums) in block.chunks_exact(wide).enumerate() {
            let out = &mut c[i * n + start..i * n + start + wide];
            if accumulate {
                super::map::add_assign(out, sums);
            } else {
                out.copy_from_slice(sums);
            }
        }
    }
    super::memory::give(blocks);
}

/// The inner dimension is short: rows of C are written one after another, and never read from memory.
fn outer<T: Thin>((m, k, n): (usize, usize, usize), a: &[T], b: Matrix<'_, T>, c: &mut [T]) {
    pool::chunks_mut(&mut c[..m * n], ROWS * n, |start, out| {
        let first = start / n;
        let zeros = [T::default(); WIDTH];
        for block in (0..n).step_by(WIDTH) {
            let wide = WIDTH.min(n - block);
            for (i, out) in out.chunks_exact_mut(n).enumerate() {
                let out = &mut out[block..block + wide];
                out.fill(T::default());
                for p in (0..k).step_by(4) {
                    let row = |q: usize| match p + q < k {
                        true => &b.data[(p + q) * b.row + block..][..wide],
                        false => &zeros[..wide],
                    };
                    let factor = |q: usize| if p + q < k { a[(first + i) * k + p + q] } else { T::default() };
                    T::add_rows(
                        [factor(0), factor(1), factor(2), factor(3)],
                        [row(0), row(1), row(2), row(3)],
                        out,
                    );
                }
            }
        }
    });
}
