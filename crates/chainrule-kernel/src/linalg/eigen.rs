//! Eigenvalues and eigenvectors of symmetric matrices: reflections to a tridiagonal matrix, then implicitly
//! shifted QL and QR steps (Golub and Van Loan, Matrix Computations, chapter 8).

use super::reflect::{dot, reflection};
use super::rotate::{forward_rotation, rotate, symmetric_two};
use super::{Matrix, signed};

/// Eigenvalues λ in ascending order, and the eigenvectors v of `A·v = λ·v` as rows; `None` where the steps don't converge, as
/// with NaN or infinite elements. Both triangles of `a` must be filled. `from_below` reduces from the last
/// row upwards: it decides nothing but the vectors' signs.
///
/// ```
/// use chainrule_kernel::linalg::{Matrix, eigen};
/// let (values, vectors) = eigen(Matrix::new(2, 2, vec![2.0, 1.0, 1.0, 2.0]), false).expect("it is finite");
/// assert!((values[0] - 1.0).abs() < 1e-14 && (values[1] - 3.0).abs() < 1e-14);
/// assert!((vectors[(1, 0)] - vectors[(1, 1)]).abs() < 1e-14); // (1, 1)/√2, or its opposite
/// ```
#[inline(never)]
pub fn eigen(a: Matrix, from_below: bool) -> Option<(Vec<f64>, Matrix)> {
    if !a.values.iter().all(|x| x.is_finite()) {
        return None;
    }
    // As far from overflow and underflow as can be.
    let largest = a.values.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let scale = if largest == 0.0 || (1e-100..1e100).contains(&largest) { 1.0 } else { largest };
    let scaled = Matrix { values: a.values.iter().map(|x| x / scale).collect(), ..a };
    let (mut diagonal, mut beside, mut vectors) = tridiagonal(scaled, from_below);
    iterate(&mut diagonal, &mut beside, &mut vectors)?;
    let n = diagonal.len();
    for i in 0..n {
        let mut least = i;
        for j in i + 1..n {
            if diagonal[j] < diagonal[least] {
                least = j;
            }
        }
        diagonal.swap(i, least);
        vectors.swap_rows(i, least);
    }
    diagonal.iter_mut().for_each(|x| *x *= scale);
    Some((diagonal, vectors))
}

/// Diagonal, off-diagonal, and Qᵀ of `A = Q·T·Qᵀ`.
fn tridiagonal(mut a: Matrix, from_below: bool) -> (Vec<f64>, Vec<f64>, Matrix) {
    let n = a.rows;
    let mut beside = vec![0.0; n.saturating_sub(1)];
    let mut reflections = Vec::new();
    for step in 0..n.saturating_sub(1) {
        // Column `column` keeps the element next to the diagonal; the reflection acts on `range`, where that
        // element is the first or, from below, the last one.
        let (column, range) = match from_below {
            true => (n - 1 - step, 0..n - 1 - step),
            false => (step, step + 1..n),
        };
        let mut x: Vec<f64> = range.clone().map(|i| a[(i, column)]).collect();
        if from_below {
            let last = x.len() - 1;
            x.rotate_right(1.min(last));
        }
        let mut h = reflection(x);
        if from_below {
            let one = 1.min(h.v.len() - 1);
            h.v.rotate_left(one);
        }
        beside[if from_below { column - 1 } else { column }] = h.value;
        if h.tau != 0.0 {
            // A := H·A·H as a correction of rank two.
            let first = range.start;
            let mut w: Vec<f64> =
                range.clone().map(|i| h.tau * dot(&a.row(i)[range.clone()], &h.v)).collect();
            let shift = -0.5 * h.tau * dot(&w, &h.v);
            w.iter_mut().zip(&h.v).for_each(|(w, v)| *w += shift * v);
            for i in range.clone() {
                let (v, u) = (h.v[i - first], w[i - first]);
                for ((x, &vj), &wj) in a.row_mut(i)[range.clone()].iter_mut().zip(&h.v).zip(&w) {
                    *x -= v * wj + u * vj;
                }
            }
        }
        reflections.push((h, range.start));
    }
    let diagonal = (0..n).map(|i| a[(i, i)]).collect();
    let mut transposed = Matrix::identity(n, n);
    // Qᵀ is the reflections' product in the order in which they were made, applied to the right of I.
    for (h, start) in reflections.iter().rev() {
        h.apply_right(&mut transposed, 0, *start);
    }
    (diagonal, beside, transposed)
}

/// Brings the off-diagonal to 0; `vectors` has a row for each diagonal element.
fn iterate(d: &mut [f64], e: &mut [f64], vectors: &mut Matrix) -> Option<()> {
    let n = d.len();
    let epsilon = f64::EPSILON / 2.0;
    let mut left = 30 * n;
    let mut next = 0;
    while next < n {
        // The next block without a zero beside the diagonal.
        let start = next;
        let mut end = start;
        while end + 1 < n {
            if e[end].abs() <= d[end].abs().sqrt() * d[end + 1].abs().sqrt() * epsilon {
                e[end] = 0.0;
                break;
            }
            end += 1;
        }
        next = end + 1;
        if start == end {
            continue;
        }
        // Towards the end with the smaller element: QL downwards, QR upwards.
        let done = match d[end].abs() < d[start].abs() {
            false => lower(d, e, vectors, start, end, &mut left),
            true => upper(d, e, vectors, start, end, &mut left),
        };
        if !done {
            return None;
        }
    }
    Some(())
}

fn small(e: f64, a: f64, b: f64) -> bool {
    let epsilon = f64::EPSILON / 2.0;
    e * e <= (epsilon * epsilon * a.abs()) * b.abs() + f64::MIN_POSITIVE
}

/// Wilkinson's shift, in the form that the first rotation needs.
fn shift(near: f64, next: f64, beside: f64, far: f64) -> f64 {
    let g = (next - near) / (2.0 * beside);
    far - near + beside / (g + signed(g.hypot(1.0), g))
}

/// QL steps: eigenvalues settle from `l` downwards.
fn lower(d: &mut [f64], e: &mut [f64], z: &mut Matrix, mut l: usize, end: usize, left: &mut usize) -> bool {
    while l <= end {
        let m = (l..end).find(|&m| small(e[m], d[m], d[m + 1])).unwrap_or(end);
        if m < end {
            e[m] = 0.0;
        }
        if m == l {
            l += 1;
        } else if m == l + 1 {
            let (first, second, c, s) = symmetric_two(d[l], e[l], d[l + 1]);
            rotate(z, l, l + 1, c, s);
            (d[l], d[l + 1], e[l]) = (first, second, 0.0);
            l += 2;
        } else {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let mut g = shift(d[l], d[l + 1], e[l], d[m]);
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r;
                (c, s, r) = forward_rotation(g, f);
                if i != m - 1 {
                    e[i + 1] = r;
                }
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                rotate(z, i, i + 1, c, -s);
            }
            d[l] -= p;
            e[l] = g;
        }
    }
    true
}

/// QR steps: eigenvalues settle from `end` upwards.
fn upper(d: &mut [f64], e: &mut [f64], z: &mut Matrix, start: usize, end: usize, left: &mut usize) -> bool {
    // One more than the place, so that it can reach the front.
    let mut l = end + 1;
    while l > start {
        let last = l - 1;
        let m = (start + 1..=last).rev().find(|&m| small(e[m - 1], d[m], d[m - 1])).unwrap_or(start);
        if m > start {
            e[m - 1] = 0.0;
        }
        if m == last {
            l -= 1;
        } else if m + 1 == last {
            let (first, second, c, s) = symmetric_two(d[m], e[m], d[last]);
            rotate(z, m, last, c, s);
            (d[m], d[last], e[m]) = (first, second, 0.0);
            l -= 2;
        } else {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let mut g = shift(d[last], d[last - 1], e[last - 1], d[m]);
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            for i in m..last {
                let (f, b) = (s * e[i], c * e[i]);
                let r;
                (c, s, r) = forward_rotation(g, f);
                if i != m {
                    e[i - 1] = r;
                }
                g = d[i] - p;
                let r = (d[i + 1] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i] = g + p;
                g = c * r - b;
                rotate(z, i, i + 1, c, s);
            }
            d[last] -= p;
            e[last - 1] = g;
        }
    }
    true
}
