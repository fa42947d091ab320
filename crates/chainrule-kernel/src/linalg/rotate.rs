//! Givens' rotations, and the singular values of 2×2 triangles.

use super::{Matrix, signed};

/// Cosine, sine and length of the rotation that turns (f, g) into (length, 0); the cosine isn't negative.
pub(super) fn rotation(f: f64, g: f64) -> (f64, f64, f64) {
    if g == 0.0 {
        (1.0, 0.0, f)
    } else if f == 0.0 {
        (0.0, 1f64.copysign(g), g.abs())
    } else {
        let r = signed(f.hypot(g), f);
        (f / r, g / r, r)
    }
}

/// The same with a positive length, unless f is negative and the larger: what LAPACK's eigenvectors follow.
pub(super) fn forward_rotation(f: f64, g: f64) -> (f64, f64, f64) {
    if g == 0.0 {
        (1.0, 0.0, f)
    } else if f == 0.0 {
        (0.0, 1.0, g)
    } else {
        let r = signed(f.hypot(g), if f.abs() > g.abs() { f } else { 1.0 });
        (f / r, g / r, r)
    }
}

/// Row p becomes `c·p + s·q`, row q `c·q − s·p`.
pub(super) fn rotate(x: &mut Matrix, p: usize, q: usize, c: f64, s: f64) {
    let (a, b) = x.two_rows(p, q);
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (s * *b + c * *a, c * *b - s * *a);
    }
}

/// The smaller singular value of `[[f, g], [0, h]]`.
pub(super) fn smaller_singular(f: f64, g: f64, h: f64) -> f64 {
    let (f, g, h) = (f.abs(), g.abs(), h.abs());
    let (small, large) = (f.min(h), f.max(h));
    if small == 0.0 {
        return 0.0;
    }
    let (sum, difference) = (1.0 + small / large, (large - small) / large);
    if g < large {
        let ratio = (g / large).powi(2);
        small * (2.0 / ((sum * sum + ratio).sqrt() + (difference * difference + ratio).sqrt()))
    } else {
        let ratio = large / g;
        if ratio == 0.0 {
            return (small * large) / g;
        }
        let scale = (1.0 + (sum * ratio).powi(2)).sqrt() + (1.0 + (difference * ratio).powi(2)).sqrt();
        2.0 * (small / scale) * ratio
    }
}

/// The singular value decomposition of `[[f, g], [0, h]]`.
pub(super) struct Two {
    /// The singular values, with signs.
    pub(super) large: f64,
    pub(super) small: f64,
    /// Cosine and sine of the rotations on the right and on the left.
    pub(super) right: (f64, f64),
    pub(super) left: (f64, f64),
}

/// Demmel and Kahan's formulas, accurate to the last digits also where elements differ widely in size.
pub(super) fn two_by_two(f: f64, g: f64, h: f64) -> Two {
    let swapped = h.abs() > f.abs();
    // The diagonal's larger element in front.
    let (front, back) = if swapped { (h, f) } else { (f, h) };
    let (fa, ha, ga) = (front.abs(), back.abs(), g.abs());
    // Which element decides the signs: 1 the first, 2 the one outside the diagonal, 3 the last.
    let mut largest = if swapped { 3 } else { 1 };
    let (small, large, left, right);
    if ga == 0.0 {
        (small, large, left, right) = (ha, fa, (1.0, 0.0), (1.0, 0.0));
    } else if ga > fa && fa / ga < f64::EPSILON / 2.0 {
        largest = 2;
        large = ga;
        small = if ha > 1.0 { fa / (ga / ha) } else { (fa / ga) * ha };
        (left, right) = ((1.0, back / g), (front / g, 1.0));
    } else {
        if ga > fa {
            largest = 2;
        }
        let d = fa - ha;
        let l = if d == fa { 1.0 } else { d / fa };
        let m = g / front;
        let t = 2.0 - l;
        let (mm, tt) = (m * m, t * t);
        let s = (tt + mm).sqrt();
        let r = if l == 0.0 { m.abs() } else { (l * l + mm).sqrt() };
        let a = 0.5 * (s + r);
        (small, large) = (ha / a, fa * a);
        let t = match mm == 0.0 {
            true if l == 0.0 => signed(2.0, front) * signed(1.0, g),
            true => g / signed(d, front) + m / t,
            false => (m / (s + t) + m / (r + l)) * (1.0 + a),
        };
        let l = (t * t + 4.0).sqrt();
        right = (2.0 / l, t / l);
        left = ((right.0 + right.1 * m) / a, (back / front) * right.1 / a);
    }
    let (left, right) = if swapped { ((right.1, right.0), (left.1, left.0)) } else { (left, right) };
    let sign = match largest {
        1 => signed(1.0, right.0) * signed(1.0, left.0) * signed(1.0, f),
        2 => signed(1.0, right.1) * signed(1.0, left.0) * signed(1.0, g),
        _ => signed(1.0, right.1) * signed(1.0, left.1) * signed(1.0, h),
    };
    let small_sign = sign * signed(1.0, f) * signed(1.0, h);
    Two { large: signed(large, sign), small: signed(small, small_sign), right, left }
}

/// Eigenvalues of `[[a, b], [b, c]]`, the one of larger size first, and its eigenvector (cosine, sine).
pub(super) fn symmetric_two(a: f64, b: f64, c: f64) -> (f64, f64, f64, f64) {
    let (sum, difference, twice) = (a + c, a - c, b + b);
    let (large, small) = if a.abs() > c.abs() { (a, c) } else { (c, a) };
    let root = difference.hypot(twice);
    let (first, second, sign) = if sum < 0.0 {
        let first = 0.5 * (sum - root);
        (first, (large / first) * small - (b / first) * b, -1)
    } else if sum > 0.0 {
        let first = 0.5 * (sum + root);
        (first, (large / first) * small - (b / first) * b, 1)
    } else {
        (0.5 * root, -0.5 * root, 1)
    };
    let (cs, other) = if difference >= 0.0 { (difference + root, 1) } else { (difference - root, -1) };
    let (mut cosine, mut sine);
    if cs.abs() > twice.abs() {
        let t = -twice / cs;
        sine = 1.0 / (1.0 + t * t).sqrt();
        cosine = t * sine;
    } else if twice == 0.0 {
        (cosine, sine) = (1.0, 0.0);
    } else {
        let t = -cs / twice;
        cosine = 1.0 / (1.0 + t * t).sqrt();
        sine = t * cosine;
    }
    if sign == other {
        (cosine, sine) = (-sine, cosine);
    }
    (first, second, cosine, sine)
}
