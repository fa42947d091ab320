//! Matrix products, through the crate `matrixmultiply`, cut among threads by a grid of our own.
//!
//! The crate adds up the products of one output element in an order that the inner dimension alone decides,
//! so that cutting rows or columns doesn't change a bit.

use super::pool;
use crate::array::Element;

/// A strided matrix: the element in row i and column j is `data[i·row + j·column]`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// Elements with a fast matrix product.
pub(crate) trait Product: Element + super::sum::Add + std::ops::Mul<Output = Self> {
    /// `C = A·B` (`m`×`k` times `k`×`n`), or `C += A·B` where `accumulate`; `c` is row-major.
    fn product(
        m: usize,
        k: usize,
        n: usize,
        a: Matrix<'_, Self>,
        b: Matrix<'_, Self>,
        c: &mut [Self],
        accumulate: bool,
    );
}

/// Multiply-adds below which one thread does the work alone.
const SMALL: usize = 64 * 64 * 64;

/// The last element that a matrix of this size reads, plus one.
fn reach<T>(matrix: &Matrix<'_, T>, rows: usize, columns: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * matrix.row + (columns - 1) * matrix.column + 1 }
}

macro_rules! product {
    ($T:ty, $gemm:path) => {
        impl Product for $T {
            fn product(
                m: usize,
                k: usize,
                n: usize,
                a: Matrix<'_, $T>,
                b: Matrix<'_, $T>,
                c: &mut [$T],
                accumulate: bool,
            ) {
                assert!(
                    c.len() >= m * n && a.data.len() >= reach(&a, m, k) && b.data.len() >= reach(&b, k, n)
                );
                let c = &mut c[..m * n];
                if k == 0 || c.is_empty() {
                    if !accumulate {
                        c.fill(0.0);
                    }
                    return;
                }
                if super::thin::product((m, k, n), a, b, c, accumulate) {
                    return;
                }
                let beta = if accumulate { 1.0 } else { 0.0 };
                // Tiles of whole rows, or of columns where there are few rows.
                let (rows, columns) = match m * k * n {
                    work if work <= SMALL => (m, n),
                    _ if m >= n / 4 => (m.div_ceil(8).next_multiple_of(8).min(m), n),
                    _ => (m, n.div_ceil(8).next_multiple_of(16).min(n)),
                };
                let (down, across) = (m.div_ceil(rows), n.div_ceil(columns));
                struct Output(*mut $T);
                // SAFETY: every task writes another tile.
                unsafe impl Sync for Output {}
                impl Output {
                    fn at(&self, index: usize) -> *mut $T {
                        // SAFETY: a tile starts within C.
                        unsafe { self.0.add(index) }
                    }
                }
                let output = Output(c.as_mut_ptr());
                pool::parallel(down * across, &|task| {
                    let (i, j) = (task / across * rows, task % across * columns);
                    let (height, width) = (rows.min(m - i), columns.min(n - j));
                    // SAFETY: A, B and C hold all the elements that these sizes and strides reach, as
                    // asserted above, and tiles of C don't overlap.
                    unsafe {
                        $gemm(
                            height,
                            k,
                            width,
                            1.0,
                            a.data.as_ptr().add(i * a.row),
                            a.row as isize,
                            a.column as isize,
                            b.data.as_ptr().add(j * b.column),
                            b.row as isize,
                            b.column as isize,
                            beta,
                            output.at(i * n + j),
                            n as isize,
                            1,
                        );
                    }
                });
            }
        }
    };
}

product!(f32, matrixmultiply::sgemm);
product!(f64, matrixmultiply::dgemm);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_the_definition_and_do_not_depend_on_threads() {
        for (m, k, n) in [
            (0, 2, 3),
            (2, 0, 3),
            (1, 1, 1),
            (3, 5, 7),
            (65, 70, 129),
            (4, 300, 901),
            (1, 515, 1030),
            (600, 3, 450),
            (200, 64, 33),
        ] {
            let a: Vec<f64> = (0..m * k).map(|i| ((i * 31) % 17) as f64 - 8.0).collect();
            let b: Vec<f64> = (0..k * n).map(|i| ((i * 13) % 11) as f64 - 5.0).collect();
            for transposed in [false, true] {
                let mut c = vec![1.0; m * n];
                let b_matrix = if transposed {
                    Matrix { data: &b, row: 1, column: k }
                } else {
                    Matrix { data: &b, row: n, column: 1 }
                };
                let b_at = |p: usize, j: usize| if transposed { b[j * k + p] } else { b[p * n + j] };
                f64::product(m, k, n, Matrix { data: &a, row: k, column: 1 }, b_matrix, &mut c, true);
                for i in 0..m {
                    for j in 0..n {
                        let sum: f64 = (0..k).map(|p| a[i * k + p] * b_at(p, j)).sum();
                        assert_eq!(c[i * n + j], sum + 1.0, "{m}x{k}x{n}");
                    }
                }
            }
        }
        let (m, k, n) = (150, 333, 210);
        let a: Vec<f32> = (0..m * k).map(|i| (i as f32 * 0.37).sin()).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i as f32 * 0.73).cos()).collect();
        let results: Vec<Vec<f32>> = [1, 2, 3]
            .iter()
            .map(|&threads| {
                pool::set_num_threads(threads);
                let mut c = vec![0.0; m * n];
                let (a, b) =
                    (Matrix { data: &a[..], row: k, column: 1 }, Matrix { data: &b[..], row: n, column: 1 });
                f32::product(m, k, n, a, b, &mut c, false);
                c
            })
            .collect();
        assert!(results.iter().all(|c| c == &results[0]));
    }
}
