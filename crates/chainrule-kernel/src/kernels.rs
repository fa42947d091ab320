//! The kernels for f32 and f64, as functions of these types.
//!
//! What is generic is compiled where it is used, at the level of optimisation which that crate asks for. These loops
//! are worth all that the compiler can do, while their users mostly aren't: so each is compiled here, once a type.

use crate::conv::{self, Geometry};
use crate::map::{self, Float};
use crate::matmul::{self, Matrix};
use crate::norm::{self, Moments, Sizes};
use crate::rows::{self, Upstream};
use crate::sum;
use crate::window::{self, Windows};

macro_rules! kernels {
    ($(
        $(#[$about:meta])*
        fn $name:ident($($arg:ident: $A:ty),* $(,)?) $(-> $R:ty)? = $kernel:path $(, f32: $single:path)?;
    )*) => {
        /// Numbers that can be computed with and differentiated: f32 and f64.
        pub trait Kernels: Float {
            $($(#[$about])* fn $name($($arg: $A),*) $(-> $R)?;)*
        }
        impl Kernels for f32 {
            $(fn $name($($arg: $A),*) $(-> $R)? {
                kernels!(call $($single,)? $kernel)($($arg),*)
            })*
        }
        impl Kernels for f64 {
            $(fn $name($($arg: $A),*) $(-> $R)? {
                $kernel($($arg),*)
            })*
        }
    };
    (call $kernel:path $(, $general:path)?) => { $kernel };
}

kernels! {
    /// `sum[i] += x[i]`
    fn add_assign(sum: &mut [Self], x: &[Self]) = map::add_assign;
    /// Whether no element is infinite or NaN.
    fn all_finite(x: &[Self]) -> bool = sum::all_finite;
    /// The sum of all elements: lanes add up blocks, blocks are added pairwise.
    fn sum(x: &[Self]) -> Self = sum::sum;
    /// `out[r]` = the sum of row r of a matrix with rows of this length.
    fn sum_rows(x: &[Self], columns: usize, out: &mut [Self]) = sum::sum_rows;
    /// `out[c]` = the sum of column c of a matrix with rows of this length.
    fn sum_columns(x: &[Self], columns: usize, out: &mut [Self]) = sum::sum_columns;
    /// `C = A·B` (`m`×`k` times `k`×`n`), or `C += A·B` where `accumulate`; `c` is row-major.
    fn product(
        m: usize,
        k: usize,
        n: usize,
        a: Matrix<'_, Self>,
        b: Matrix<'_, Self>,
        c: &mut [Self],
        accumulate: bool,
    ) = matmul::product;
    /// [`Kernels::product`] of one of many pairs of matrices, which one thread computes.
    fn product_of_batch(sizes: (usize, usize, usize), a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: &mut [Self])
        = matmul::product_of_batch;
    /// The convolution of `x` with the filters `w`, plus `b` for each filter.
    fn convolve(g: &Geometry, x: &[Self], w: &[Self], b: Option<&[Self]>, out: &mut [Self])
        = conv::forward, f32: conv::single::forward;
    /// The gradient of a convolution's input from the upstream gradient and the filters.
    fn convolution_input_gradient(
        g: &Geometry,
        upstream: &[Self],
        w: &[Self],
        b: Option<&[Self]>,
        out: &mut [Self],
    ) = conv::input_gradient, f32: conv::single::input_gradient;
    /// The gradient of a convolution's filters from its input and the upstream gradient.
    fn convolution_weight_gradient(g: &Geometry, x: &[Self], upstream: &[Self], out: &mut [Self])
        = conv::weight_gradient, f32: conv::single::weight_gradient;
    /// `out[c]` = the sum over channel c of all images.
    fn channel_sums(upstream: &[Self], batch: usize, channels: usize, out: &mut [Self]) = conv::channel_sums;
    /// The largest element of each window.
    fn window_largest(x: &[Self], windows: &Windows, out: &mut [Self]) = window::largest;
    /// Where in its plane each window's largest element lies.
    fn window_places(x: &[Self], windows: &Windows, out: &mut [i64]) = window::places_of_largest;
    /// Adds each window's upstream gradient at its largest element; `out` is the gradient of `x`.
    fn window_largest_gradient(x: &[Self], upstream: &[Self], windows: &Windows, out: &mut [Self])
        = window::largest_gradient;
    /// The weighted sum of each window's elements.
    fn window_sums(x: &[Self], windows: &Windows, factors: &[Vec<Self>; 3], out: &mut [Self]) = window::sums;
    /// Adds each number, weighted, to all elements of its window: the adjoint of [`Kernels::window_sums`].
    fn window_spread(g: &[Self], windows: &Windows, factors: &[Vec<Self>; 3], out: &mut [Self]) = window::spread;
    /// `softmax(x)` over rows of this length: exp(x − max) / Σ exp(x − max).
    fn softmax(x: &[Self], columns: usize, out: &mut [Self]) = rows::softmax;
    /// The gradient of softmax from the upstream gradient and the output: `y·(g − Σ g·y)`.
    fn softmax_gradient(g: Upstream<'_, Self>, y: &[Self], columns: usize, out: &mut [Self])
        = rows::softmax_gradient;
    /// `(x − m) − ln Σ exp(x − m)` over rows of this length, whose largest element is m.
    fn log_softmax(x: &[Self], columns: usize, out: &mut [Self]) = rows::log_softmax;
    /// The gradient of the logarithm of softmax: `g − eʸ·Σ g`.
    fn log_softmax_gradient(g: &[Self], y: &[Self], columns: usize, out: &mut [Self])
        = rows::log_softmax_gradient;
    /// `out[r] = ln Σ exp(x)` of each row.
    fn logsumexp(x: &[Self], columns: usize, out: &mut [Self]) = rows::logsumexp;
    /// Mean and variance of each group.
    fn moments(x: &[Self], sizes: Sizes, centred: bool) -> Vec<Moments> = norm::moments;
    /// `(x − mean)/√(variance + ε)`
    fn normalize(x: &[Self], sizes: Sizes, moments: &[Moments], epsilon: f64, out: &mut [Self]) = norm::normalize;
    /// The gradient of [`Kernels::normalize`].
    fn normalize_gradient(
        x: &[Self],
        upstream: &[Self],
        sizes: Sizes,
        centred: bool,
        epsilon: f64,
        out: &mut [Self],
    ) = norm::gradient;
}
