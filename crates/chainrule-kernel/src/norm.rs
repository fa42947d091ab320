//! Normalisation: mean and deviation of groups of elements, and the gradient through both.
//!
//! The elements are seen as `[outer, groups, inner]`, a group being all elements with one middle index: the
//! channels of a batch, or (with `outer` 1) rows. Sums are kept in f64 lanes, whatever the element type.

use super::map::Float;
use super::{multiversion, pool};

/// Sizes of the view as `[outer, groups, inner]`.
///
/// ```
/// use chainrule_kernel::norm::Sizes;
/// let (batch, channels, height, width, features) = (8, 3, 4, 4, 10);
/// let batch_norm: Sizes = [batch, channels, height * width];
/// let layer_norm: Sizes = [1, batch, features];
/// ```
pub type Sizes = [usize; 3];

/// Mean and variance of a group.
///
/// ```
/// use chainrule_kernel::{Kernels, norm::Moments};
/// assert_eq!(f64::moments(&[1.0, 3.0], [1, 1, 2], true), [Moments { mean: 2.0, variance: 1.0 }]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// The mean; 0 where elements aren't centred.
    pub mean: f64,
    /// The mean of the squares of what the elements are apart from `mean`.
    pub variance: f64,
}

const LANES: usize = 8;

multiversion! {
    /// Σ f(x, y) over two rows of the same length.
    fn sum_of[T: Float, F: Fn(f64, f64) -> f64](x: &[T], y: &[T], f: F) -> f64 {
        let mut lanes = [0.0; LANES];
        let (chunks_x, chunks_y) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
        for (x, y) in chunks_x.remainder().iter().zip(chunks_y.remainder()) {
            lanes[0] += f(x.double(), y.double());
        }
        for (x, y) in chunks_x.zip(chunks_y) {
            for lane in 0..LANES {
                lanes[lane] += f(x[lane].double(), y[lane].double());
            }
        }
        lanes.iter().sum()
    }
}

/// The runs of consecutive elements of a group.
fn runs<T>(x: &[T], [outer, groups, inner]: Sizes, group: usize) -> impl Iterator<Item = &[T]> {
    (0..outer).map(move |o| &x[(o * groups + group) * inner..][..inner])
}

/// Groups that one task works on.
fn grain([outer, _, inner]: Sizes) -> usize {
    (16 * 1024 / (outer * inner).max(1)).max(1)
}

/// Mean and variance (divided by the number of elements) of each group; of the squares alone where not `centred`.
pub(crate) fn moments<T: Float>(x: &[T], sizes: Sizes, centred: bool) -> Vec<Moments> {
    let mut all = vec![Moments::default(); sizes[1]];
    let count = (sizes[0] * sizes[2]) as f64;
    pool::chunks_mut(&mut all, grain(sizes), |start, all| {
        for (i, moments) in all.iter_mut().enumerate() {
            let sum = |f: &dyn Fn(&[T]) -> f64| runs(x, sizes, start + i).map(f).sum::<f64>();
            let mean = if centred { sum(&|run| sum_of(run, run, |x, _| x)) / count } else { 0.0 };
            let variance = sum(&|run| sum_of(run, run, |x, _| (x - mean) * (x - mean))) / count;
            *moments = Moments { mean, variance };
        }
    });
    all
}

multiversion! {
    fn scale[T: Float](x: &[T], mean: f64, factor: f64, out: &mut [T]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = T::of_double((x.double() - mean) * factor);
        }
    }
}

multiversion! {
    fn combine[T: Float](g: &[T], x: &[T], factors: [f64; 3], out: &mut [T]) {
        let [a, b, c] = factors;
        for ((out, g), x) in out.iter_mut().zip(g).zip(x) {
            *out = T::of_double(a * g.double() + b * x.double() + c);
        }
    }
}

/// Runs `body(group, range, out)` on the consecutive runs of `out`.
fn each_run<T: Send>(
    out: &mut [T],
    [_, groups, inner]: Sizes,
    body: impl Fn(usize, std::ops::Range<usize>, &mut [T]) + Sync,
) {
    if inner == 0 {
        return;
    }
    let rows = (16 * 1024 / inner).max(1);
    pool::chunks_mut(out, rows * inner, |start, out| {
        for (i, out) in out.chunks_exact_mut(inner).enumerate() {
            let row = start / inner + i;
            body(row % groups, row * inner..(row + 1) * inner, out);
        }
    });
}

/// 1 / √(variance + ε)
fn reciprocal_root(variance: f64, epsilon: f64) -> f64 {
    1.0 / (variance + epsilon).sqrt()
}

/// `out = (x − mean) / √(variance + ε)`
pub(crate) fn normalize<T: Float>(x: &[T], sizes: Sizes, moments: &[Moments], epsilon: f64, out: &mut [T]) {
    each_run(out, sizes, |group, range, out| {
        let Moments { mean, variance } = moments[group];
        scale(&x[range], mean, reciprocal_root(variance, epsilon), out);
    });
}

/// The gradient of [`normalize`]: with ŷ the normalised elements and r = 1/√(variance + ε),
/// `r·(g − mean(g) − ŷ·mean(g·ŷ))`, without the first mean where elements aren't centred.
pub(crate) fn gradient<T: Float>(
    x: &[T],
    upstream: &[T],
    sizes: Sizes,
    centred: bool,
    epsilon: f64,
    out: &mut [T],
) {
    let moments = moments(x, sizes, centred);
    let count = (sizes[0] * sizes[2]) as f64;
    // r·g + b·x + c, with the numbers of each group.
    let mut numbers = vec![[0.0; 3]; sizes[1]];
    pool::chunks_mut(&mut numbers, grain(sizes), |start, numbers| {
        for (i, numbers) in numbers.iter_mut().enumerate() {
            let group = start + i;
            let Moments { mean, variance } = moments[group];
            let root = reciprocal_root(variance, epsilon);
            let pairs = || runs(upstream, sizes, group).zip(runs(x, sizes, group));
            let along = pairs().map(|(g, x)| sum_of(g, x, |g, x| g * (x - mean))).sum::<f64>() * root / count;
            let shift = match centred {
                true => pairs().map(|(g, _)| sum_of(g, g, |g, _| g)).sum::<f64>() / count,
                false => 0.0,
            };
            let slope = -root * root * along;
            *numbers = [root, slope, -root * shift - slope * mean];
        }
    });
    each_run(out, sizes, |group, range, out| {
        combine(&upstream[range.clone()], &x[range], numbers[group], out);
    });
}
