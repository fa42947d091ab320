//! Singular values and vectors: reflections to a bidiagonal matrix, then implicit QR steps on it, with no
//! shift where only that keeps small singular values accurate (Golub and Kahan 1965; Demmel and Kahan 1990,
//! "Accurate singular values of bidiagonal matrices").

use super::qr::qr;
use super::reflect::reflection;
use super::rotate::{rotate, rotation, smaller_singular, two_by_two};
use super::{Matrix, signed};

/// `A = U·diag(s)·Vᵀ`, with the singular values in descending order.
///
/// ```
/// use chainrule_kernel::linalg::{Matrix, Svd, svd};
/// let Svd { u, s, vt } = svd(&Matrix::new(2, 3, vec![0.0, 2.0, 0.0, 1.0, 0.0, 0.0]), false).expect("it is finite");
/// assert_eq!((u.columns, s, vt.rows), (2, vec![2.0, 1.0], 2));
/// ```
#[derive(Debug, Clone)]
pub struct Svd {
    /// The left singular vectors, in columns.
    pub u: Matrix,
    /// The singular values.
    pub s: Vec<f64>,
    /// The right singular vectors, in rows.
    pub vt: Matrix,
}

/// Decomposes a matrix: `full` gives square U and V, else only as many vectors as singular values. `None`
/// where the steps don't converge, as with NaN or infinite elements.
///
/// ```
/// use chainrule_kernel::linalg::{Matrix, svd};
/// let found = svd(&Matrix::new(1, 2, vec![3.0, 4.0]), true).expect("it is finite");
/// assert!((found.s[0] - 5.0).abs() < 1e-14);
/// assert_eq!((found.vt.rows, found.vt.columns), (2, 2));
/// assert!(svd(&Matrix::new(1, 1, vec![f64::NAN]), true).is_none());
/// ```
#[inline(never)]
pub fn svd(a: &Matrix, full: bool) -> Option<Svd> {
    if !a.values.iter().all(|x| x.is_finite()) {
        return None;
    }
    let largest = a.values.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let scale = if largest == 0.0 || (1e-100..1e100).contains(&largest) { 1.0 } else { largest };
    let scaled = Matrix { values: a.values.iter().map(|x| x / scale).collect(), ..*a };
    let mut svd = decompose(scaled, full)?;
    svd.s.iter_mut().for_each(|x| *x *= scale);
    Some(svd)
}

fn decompose(a: Matrix, full: bool) -> Option<Svd> {
    let (rows, columns) = (a.rows, a.columns);
    let size = rows.min(columns);
    // A matrix with many rows is first made square.
    if rows > columns && rows >= size * 8 / 5 {
        let (q, r) = qr(a, full);
        let square = Matrix::new(size, columns, r.values[..size * columns].to_vec());
        let inner = decompose(square, false)?;
        let front = q.columns(0, size).product(&inner.u);
        let mut u = q;
        (0..rows).for_each(|i| u.row_mut(i)[..size].copy_from_slice(front.row(i)));
        return Some(Svd { u, ..inner });
    }
    let tall = rows >= columns;
    let (mut d, mut e, left, right) = bidiagonal(if tall { a } else { a.transposed() }, full);
    let (mut ut, mut vt) = if tall { (left, right) } else { (right, left) };
    if !tall {
        // The transposed problem has its second diagonal below; rotations bring it above.
        for i in 0..size.saturating_sub(1) {
            let (c, s, r) = rotation(d[i], e[i]);
            (d[i], e[i], d[i + 1]) = (r, s * d[i + 1], c * d[i + 1]);
            rotate(&mut ut, i, i + 1, c, s);
        }
    }
    iterate(&mut d, &mut e, &mut ut, &mut vt)?;
    for (i, value) in d.iter_mut().enumerate() {
        if *value < 0.0 {
            *value = -*value;
            vt.row_mut(i).iter_mut().for_each(|x| *x = -*x);
        }
    }
    // Into descending order: the smallest of those that are left goes to the end.
    for last in (1..size).rev() {
        let least = (0..=last).fold(0, |least, j| if d[j] <= d[least] { j } else { least });
        d.swap(least, last);
        ut.swap_rows(least, last);
        vt.swap_rows(least, last);
    }
    Some(Svd { u: ut.transposed(), s: d, vt })
}

/// Diagonal and the diagonal above of `B = Uᵀ·A·V` for a matrix with at least as many rows as columns, and Uᵀ
/// and Vᵀ. U has all columns where `full`.
fn bidiagonal(mut a: Matrix, full: bool) -> (Vec<f64>, Vec<f64>, Matrix, Matrix) {
    let (rows, n) = (a.rows, a.columns);
    let (mut d, mut e) = (Vec::with_capacity(n), Vec::with_capacity(n));
    let (mut lefts, mut rights) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for k in 0..n {
        let h = reflection((k..rows).map(|i| a[(i, k)]).collect());
        h.apply_left(&mut a, k, k + 1);
        d.push(h.value);
        lefts.push(h);
        if k + 1 < n {
            let h = reflection(a.row(k)[k + 1..].to_vec());
            h.apply_right(&mut a, k + 1, k + 1);
            e.push(h.value);
            rights.push(h);
        }
    }
    let mut u = Matrix::identity(rows, if full { rows } else { n });
    for (k, h) in lefts.iter().enumerate().rev() {
        h.apply_left(&mut u, k, k);
    }
    let mut v = Matrix::identity(n, n);
    for (k, h) in rights.iter().enumerate().rev() {
        h.apply_left(&mut v, k + 1, k + 1);
    }
    (d, e, u.transposed(), v.transposed())
}

/// Brings the second diagonal to 0. Rows of `ut` and `vt` are the vectors of the diagonal's elements.
fn iterate(d: &mut [f64], e: &mut [f64], ut: &mut Matrix, vt: &mut Matrix) -> Option<()> {
    let n = d.len();
    let epsilon = f64::EPSILON / 2.0;
    let tolerance = epsilon * epsilon.powf(-0.125).clamp(10.0, 100.0);
    let threshold = {
        let mut least = d.first().map_or(0.0, |x| x.abs());
        let mut mu = least;
        for i in 1..n {
            if least == 0.0 {
                break;
            }
            mu = d[i].abs() * (mu / (mu + e[i - 1].abs()));
            least = least.min(mu);
        }
        (tolerance * least / (n as f64).sqrt()).max(6.0 * (n * n) as f64 * f64::MIN_POSITIVE)
    };
    let mut left = 6 * n * n;
    // The block that was worked on last, and whether from top to bottom.
    let (mut block, mut down) = ((usize::MAX, usize::MAX), true);
    let mut end = n.saturating_sub(1);
    while end > 0 {
        // The block that ends here without a zero beside the diagonal.
        let mut largest = d[end].abs();
        let mut start = 0;
        for i in (0..end).rev() {
            if e[i].abs() <= threshold {
                e[i] = 0.0;
                start = i + 1;
                break;
            }
            largest = largest.max(d[i].abs()).max(e[i].abs());
        }
        if start == end {
            end -= 1;
            continue;
        }
        if start + 1 == end {
            let two = two_by_two(d[start], e[start], d[end]);
            (d[start], e[start], d[end]) = (two.large, 0.0, two.small);
            rotate(vt, start, end, two.right.0, two.right.1);
            rotate(ut, start, end, two.left.0, two.left.1);
            if end < 2 {
                break;
            }
            end -= 2;
            continue;
        }
        if block.0 == usize::MAX || start > block.1 || end < block.0 {
            down = d[start].abs() >= d[end].abs();
        }
        let Some(least) = converged(d, e, start, end, down, tolerance) else { continue };
        block = (start, end);
        if left == 0 {
            return None;
        }
        left = left.saturating_sub(end - start);
        let shift = if n as f64 * tolerance * (least / largest) <= epsilon.max(0.01 * tolerance) {
            0.0
        } else {
            let (size, shift) = match down {
                true => (d[start].abs(), smaller_singular(d[end - 1], e[end - 1], d[end])),
                false => (d[end].abs(), smaller_singular(d[start], e[start], d[start + 1])),
            };
            if size > 0.0 && (shift / size).powi(2) < epsilon { 0.0 } else { shift }
        };
        let edge = match (down, shift == 0.0) {
            (true, true) => zero_down(d, e, ut, vt, start, end),
            (false, true) => zero_up(d, e, ut, vt, start, end),
            (true, false) => shifted_down(d, e, ut, vt, start, end, shift),
            (false, false) => shifted_up(d, e, ut, vt, start, end, shift),
        };
        if e[edge].abs() <= threshold {
            e[edge] = 0.0;
        }
    }
    Some(())
}

/// Sets an element beside the diagonal to 0 where it is negligible (`None`: the block has changed); else a
/// lower bound of the block's smallest singular value.
fn converged(d: &[f64], e: &mut [f64], start: usize, end: usize, down: bool, tolerance: f64) -> Option<f64> {
    let (edge, corner) = if down { (end - 1, end) } else { (start, start) };
    if e[edge].abs() <= tolerance * d[corner].abs() {
        e[edge] = 0.0;
        return None;
    }
    let mut mu = d[if down { start } else { end }].abs();
    let mut least = mu;
    for step in 0..end - start {
        let (i, next) =
            if down { (start + step, start + step + 1) } else { (end - 1 - step, end - 1 - step) };
        if e[i].abs() <= tolerance * mu {
            e[i] = 0.0;
            return None;
        }
        mu = d[next].abs() * (mu / (mu + e[i].abs()));
        least = least.min(mu);
    }
    Some(least)
}

/// A step without shift from top to bottom; returns the place of the last element beside the diagonal.
fn zero_down(
    d: &mut [f64],
    e: &mut [f64],
    ut: &mut Matrix,
    vt: &mut Matrix,
    start: usize,
    end: usize,
) -> usize {
    let (mut c, mut old) = (1.0, (1.0, 0.0));
    for i in start..end {
        let (s, r);
        (c, s, r) = rotation(d[i] * c, e[i]);
        if i > start {
            e[i - 1] = old.1 * r;
        }
        let (oc, os, value) = rotation(old.0 * r, d[i + 1] * s);
        (old, d[i]) = ((oc, os), value);
        rotate(vt, i, i + 1, c, s);
        rotate(ut, i, i + 1, oc, os);
    }
    let h = d[end] * c;
    (d[end], e[end - 1]) = (h * old.0, h * old.1);
    end - 1
}

/// A step without shift from bottom to top.
fn zero_up(
    d: &mut [f64],
    e: &mut [f64],
    ut: &mut Matrix,
    vt: &mut Matrix,
    start: usize,
    end: usize,
) -> usize {
    let (mut c, mut old) = (1.0, (1.0, 0.0));
    for i in (start + 1..=end).rev() {
        let (s, r);
        (c, s, r) = rotation(d[i] * c, e[i - 1]);
        if i < end {
            e[i] = old.1 * r;
        }
        let (oc, os, value) = rotation(old.0 * r, d[i - 1] * s);
        (old, d[i]) = ((oc, os), value);
        rotate(vt, i - 1, i, oc, -os);
        rotate(ut, i - 1, i, c, -s);
    }
    let h = d[start] * c;
    (d[start], e[start]) = (h * old.0, h * old.1);
    start
}

/// A step with a shift from top to bottom.
fn shifted_down(
    d: &mut [f64],
    e: &mut [f64],
    ut: &mut Matrix,
    vt: &mut Matrix,
    start: usize,
    end: usize,
    shift: f64,
) -> usize {
    let mut f = (d[start].abs() - shift) * (signed(1.0, d[start]) + shift / d[start]);
    let mut g = e[start];
    for i in start..end {
        let (c, s, r) = rotation(f, g);
        if i > start {
            e[i - 1] = r;
        }
        f = c * d[i] + s * e[i];
        e[i] = c * e[i] - s * d[i];
        g = s * d[i + 1];
        d[i + 1] *= c;
        rotate(vt, i, i + 1, c, s);
        let (c, s, r) = rotation(f, g);
        d[i] = r;
        f = c * e[i] + s * d[i + 1];
        d[i + 1] = c * d[i + 1] - s * e[i];
        if i + 1 < end {
            g = s * e[i + 1];
            e[i + 1] *= c;
        }
        rotate(ut, i, i + 1, c, s);
    }
    e[end - 1] = f;
    end - 1
}

/// A step with a shift from bottom to top.
fn shifted_up(
    d: &mut [f64],
    e: &mut [f64],
    ut: &mut Matrix,
    vt: &mut Matrix,
    start: usize,
    end: usize,
    shift: f64,
) -> usize {
    let mut f = (d[end].abs() - shift) * (signed(1.0, d[end]) + shift / d[end]);
    let mut g = e[end - 1];
    for i in (start + 1..=end).rev() {
        let (c, s, r) = rotation(f, g);
        if i < end {
            e[i] = r;
        }
        f = c * d[i] + s * e[i - 1];
        e[i - 1] = c * e[i - 1] - s * d[i];
        g = s * d[i - 1];
        d[i - 1] *= c;
        rotate(ut, i - 1, i, c, -s);
        let (c, s, r) = rotation(f, g);
        d[i] = r;
        f = c * e[i - 1] + s * d[i - 1];
        d[i - 1] = c * d[i - 1] - s * e[i - 1];
        if i > start + 1 {
            g = s * e[i - 2];
            e[i - 2] *= c;
        }
        rotate(vt, i - 1, i, c, -s);
    }
    e[start] = f;
    start
}
