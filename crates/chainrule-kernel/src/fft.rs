//! Discrete Fourier transforms of any length: Cooley and Tukey's division by the prime factors, n·Σp steps.

use std::f64::consts::TAU;

/// A complex number: real and imaginary part.
type Complex = [f64; 2];

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn plus(a: Complex, b: Complex) -> Complex {
    [a[0] + b[0], a[1] + b[1]]
}

/// What every transform of one length and direction needs.
///
/// ```
/// use chainrule_kernel::fft::Plan;
/// let x = [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]];
/// let (mut y, mut back) = ([[0.0; 2]; 4], [[0.0; 2]; 4]);
/// Plan::new(4, false).run(&x, &mut y);
/// assert_eq!(y, [[10.0, 0.0], [-2.0, 2.0], [-2.0, 0.0], [-2.0, -2.0]]);
/// Plan::new(4, true).run(&y, &mut back);
/// assert_eq!(back.map(|z| [z[0] / 4.0, z[1] / 4.0]), x);
/// ```
#[derive(Debug)]
pub struct Plan {
    factors: Vec<usize>,
    /// e^(∓2πik/n)
    roots: Vec<Complex>,
}

impl Plan {
    /// The plan for `yₖ = Σ xⱼ·e^(−2πijk/n)`, or with the opposite sign where `inverse`; neither is scaled.
    ///
    /// ```
    /// use chainrule_kernel::fft::Plan;
    /// let mut y = [[0.0; 2]; 3];
    /// Plan::new(3, false).run(&[[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]], &mut y);
    /// assert_eq!(y, [[1.0, 0.0]; 3]);
    /// ```
    pub fn new(n: usize, inverse: bool) -> Plan {
        let mut factors = Vec::new();
        let (mut left, mut p) = (n, 2);
        while left > 1 {
            while left.is_multiple_of(p) {
                factors.push(p);
                left /= p;
            }
            p = if p * p > left && left > 1 { left } else { p + 1 };
        }
        let sign = if inverse { 1.0 } else { -1.0 };
        let root = |k: usize| {
            // The angle is taken from the nearest eighth of the circle, so that symmetric roots are exact.
            let eighth = (8 * k + n / 2) / n;
            let angle = TAU * (k as f64 - eighth as f64 * n as f64 / 8.0) / n as f64;
            let (sin, cos) = angle.sin_cos();
            let half = std::f64::consts::FRAC_1_SQRT_2;
            let turned = match eighth % 8 {
                0 => [cos, sin],
                1 => [half * (cos - sin), half * (cos + sin)],
                2 => [-sin, cos],
                3 => [-half * (cos + sin), half * (cos - sin)],
                4 => [-cos, -sin],
                5 => [half * (sin - cos), -half * (cos + sin)],
                6 => [sin, -cos],
                _ => [half * (cos + sin), half * (sin - cos)],
            };
            [turned[0], sign * turned[1]]
        };
        Plan { factors, roots: (0..n).map(root).collect() }
    }

    /// The transform of one row of complex numbers, `[real, imaginary]`.
    ///
    /// # Panics
    /// x is shorter than the plan's length, or `out` not as long.
    ///
    /// ```
    /// use chainrule_kernel::fft::Plan;
    /// let mut y = [[0.0; 2]; 2];
    /// Plan::new(2, false).run(&[[3.0, 1.0], [1.0, 0.0]], &mut y);
    /// assert_eq!(y, [[4.0, 1.0], [2.0, 1.0]]);
    /// ```
    #[inline(never)]
    pub fn run(&self, x: &[[f64; 2]], out: &mut [[f64; 2]]) {
        assert!(x.len() >= self.roots.len() && out.len() == self.roots.len());
        let mut terms = vec![[0.0; 2]; self.factors.iter().copied().max().unwrap_or(1)];
        self.part(x, 1, out, &self.factors, &mut terms);
    }

    /// The transform of every `stride`-th element.
    fn part(
        &self,
        x: &[Complex],
        stride: usize,
        out: &mut [Complex],
        factors: &[usize],
        terms: &mut [Complex],
    ) {
        let Some((&p, rest)) = factors.split_first() else {
            out.copy_from_slice(&x[..out.len()]);
            return;
        };
        let (n, m) = (self.roots.len(), out.len() / p);
        for (r, out) in out.chunks_mut(m).enumerate() {
            self.part(&x[r * stride..], stride * p, out, rest, terms);
        }
        for k in 0..m {
            for (r, term) in terms[..p].iter_mut().enumerate() {
                *term = times(out[r * m + k], self.roots[r * k * stride % n]);
            }
            for q in 0..p {
                let turned = |r: usize| times(terms[r], self.roots[r * q * m * stride % n]);
                out[q * m + k] = (1..p).fold(terms[0], |sum, r| plus(sum, turned(r)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_agrees_with_the_definition() {
        for n in [1, 2, 3, 4, 5, 6, 7, 8, 12, 30, 49, 64, 97] {
            let x: Vec<Complex> =
                (0..n).map(|i| [((i * 7) % 11) as f64 - 3.0, ((i * 5) % 13) as f64 * 0.3]).collect();
            for inverse in [false, true] {
                let mut out = vec![[0.0; 2]; n];
                Plan::new(n, inverse).run(&x, &mut out);
                let sign = if inverse { 1.0 } else { -1.0 };
                for (k, y) in out.iter().enumerate() {
                    let term = |(j, x): (usize, &Complex)| {
                        let angle = sign * TAU * ((j * k) % n) as f64 / n as f64;
                        times(*x, [angle.cos(), angle.sin()])
                    };
                    let expected = x.iter().enumerate().map(term).fold([0.0; 2], plus);
                    let apart = (y[0] - expected[0]).hypot(y[1] - expected[1]);
                    assert!(apart < 1e-11, "{n}, {k}: {y:?}, not {expected:?}");
                }
            }
        }
    }
}
