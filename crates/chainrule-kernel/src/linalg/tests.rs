//! Factors multiplied give the matrix again, for sizes on both sides of a block.

#![allow(clippy::unwrap_used)]

use super::*;

/// Uneven numbers between −1 and 1.
fn uneven(rows: usize, columns: usize) -> Matrix {
    let mut state = (rows * 31 + columns) as u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    Matrix::new(rows, columns, (0..rows * columns).map(|_| next()).collect())
}

fn assert_close(a: &Matrix, b: &Matrix, what: &str) {
    assert_eq!((a.rows, a.columns), (b.rows, b.columns), "{what}");
    let worst = a.values.iter().zip(&b.values).fold(0.0f64, |m, (x, y)| m.max((x - y).abs()));
    assert!(worst < 1e-10, "{what} of {} × {}: {worst:e}", a.rows, a.columns);
}

fn diagonal(values: &[f64]) -> Matrix {
    let mut out = Matrix::zeros(values.len(), values.len());
    values.iter().enumerate().for_each(|(i, &x)| out[(i, i)] = x);
    out
}

const SIZES: [usize; 8] = [0, 1, 2, 5, BLOCK - 1, BLOCK, BLOCK + 1, 130];

#[test]
fn elimination_gives_the_matrix_and_solves() {
    for (rows, columns) in SIZES.iter().flat_map(|&m| [(m, m), (m, m / 2), (m / 2, m)]) {
        let a = uneven(rows, columns);
        let Lu { packed, pivots, singular } = lu(a.clone());
        assert_eq!(singular, None);
        let k = rows.min(columns);
        let (mut l, mut u) = (Matrix::identity(rows, k), Matrix::zeros(k, columns));
        for i in 0..rows {
            for j in 0..columns {
                if j < i { l[(i, j)] = packed[(i, j)] } else { u[(i, j)] = packed[(i, j)] }
            }
        }
        let mut swapped = a.clone();
        pivots.iter().enumerate().for_each(|(k, &pivot)| swapped.swap_rows(k, pivot));
        assert_close(&l.product(&u), &swapped, "L·U");
        if rows == columns {
            let x = lu(a.clone()).solve(uneven(rows, 3));
            assert_close(&a.product(&x), &uneven(rows, 3), "A·X");
        }
    }
}

#[test]
fn orthogonal_factors_are_orthogonal_and_give_the_matrix() {
    for (rows, columns) in SIZES.iter().flat_map(|&m| [(m, m), (m, m / 2), (m / 2, m), (m, m * 4 / 5)]) {
        let a = uneven(rows, columns);
        for full in [false, true] {
            let (q, r) = qr(a.clone(), full);
            assert_close(&q.product(&r), &a, "Q·R");
            assert_close(&q.transposed().product(&q), &Matrix::identity(q.columns, q.columns), "Qᵀ·Q");
            let found = svd(&a, full).unwrap();
            let (u, vt) = (&found.u, &found.vt);
            assert_close(&u.transposed().product(u), &Matrix::identity(u.columns, u.columns), "Uᵀ·U");
            assert_close(&vt.product(&vt.transposed()), &Matrix::identity(vt.rows, vt.rows), "Vᵀ·V");
            assert!(found.s.windows(2).all(|s| s[0] >= s[1]) && found.s.iter().all(|&s| s >= 0.0));
        }
        let found = svd(&a, false).unwrap();
        assert_close(&found.u.product(&diagonal(&found.s)).product(&found.vt), &a, "U·S·Vᵀ");
    }
}

#[test]
fn symmetric_factors_give_the_matrix() {
    for n in SIZES {
        let a = uneven(n, n);
        let mut symmetric = a.product(&a.transposed());
        (0..n).for_each(|i| symmetric[(i, i)] += 1.0);
        let l = cholesky(symmetric.clone()).unwrap();
        assert_close(&l.product(&l.transposed()), &symmetric, "L·Lᵀ");
        for from_below in [false, true] {
            let (w, v) = eigen(symmetric.clone(), from_below).unwrap();
            assert!(w.windows(2).all(|w| w[0] <= w[1]));
            assert_close(&v.transposed().product(&diagonal(&w)).product(&v), &symmetric, "V·W·Vᵀ");
        }
    }
}

#[test]
fn extreme_and_degenerate_matrices_decompose() {
    let ones = Matrix::new(60, 60, vec![1.0; 3600]);
    for scale in [1.0, 1e-280, 1e280, 0.0] {
        let a = Matrix { values: ones.values.iter().map(|x| x * scale).collect(), ..ones };
        let s = svd(&a, false).unwrap().s;
        assert!((s[0] / 60.0 - scale).abs() <= 1e-12 * scale && s[1] <= 1e-12 * scale, "{scale:e}: {s:?}");
        let w = eigen(a, false).unwrap().0;
        assert!((w[59] / 60.0 - scale).abs() <= 1e-12 * scale, "{scale:e}: {w:?}");
    }
    let nan = Matrix::new(1, 1, vec![f64::NAN]);
    assert!(svd(&nan, false).is_none() && eigen(nan.clone(), false).is_none() && cholesky(nan).is_err());
    // Graded: small singular values keep their digits.
    let graded = Matrix::new(3, 3, vec![1e10, 1.0, 0.0, 0.0, 1.0, 1e-10, 0.0, 0.0, 1e-10]);
    let s = svd(&graded, false).unwrap().s;
    assert!((s[2] / 1e-10 - 1.0).abs() < 1e-12, "{s:?}");
}

#[test]
fn exponentials_multiply() {
    for n in [1, 2, 5, 60] {
        let a = Matrix { values: uneven(n, n).values.iter().map(|x| x * 3.0).collect(), rows: n, columns: n };
        let minus = Matrix { values: a.values.iter().map(|x| -x).collect(), ..a };
        let unit = exp(&a).product(&exp(&minus));
        let size = exp(&a).values.iter().chain(&exp(&minus).values).fold(0.0f64, |m, x| m.max(x.abs()));
        let one = Matrix::identity(n, n);
        let worst = unit.values.iter().zip(&one.values).map(|(x, y)| (x - y).abs());
        assert!(worst.fold(0.0, f64::max) < 1e-13 * size * size * n as f64, "{n}");
    }
}
