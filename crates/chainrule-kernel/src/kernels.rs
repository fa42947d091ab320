//! The kernels for f32 and f64, as functions of these types.
//!
//! What is generic is compiled where it is used, at the level of optimisation which that crate asks for. These loops
//! are worth all that the compiler can do, while their users mostly aren't: so each is compiled here, once a type.
//! What is generic over a closure too (an elementwise body, an optimiser's step) has no entry: nobody but its user can
//! compile it.

use crate::conv::{self, Geometry};
use crate::fold::{self, Blocks};
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
        /// Numbers that can be computed with and differentiated: `f32` and `f64`, with their kernels.
        ///
        /// Arrays are row-major slices, and results go to `out`, which is overwritten unless a method says otherwise.
        /// Sums run in an order that the shapes decide, so that results are the same bits for any number of threads.
        ///
        /// # Panics
        /// All methods: an array is shorter than the sizes say, or a size is 0 that others are divided by (`columns`).
        ///
        /// ```
        /// use chainrule_kernel::Kernels;
        /// /// The length of a vector, in either precision.
        /// fn squared_norm<T: Kernels + std::ops::Mul<Output = T>>(x: &[T]) -> T {
        ///     T::sum(&x.iter().map(|&x| x * x).collect::<Vec<T>>())
        /// }
        /// assert_eq!((squared_norm(&[3.0f32, 4.0]), squared_norm(&[3.0f64, 4.0])), (25.0, 25.0));
        /// ```
        pub trait Kernels: Float {
            $($(#[$about])* fn $name($($arg: $A),*) $(-> $R)?;)*
        }
        impl Kernels for f32 {
            $(#[inline(never)]
            fn $name($($arg: $A),*) $(-> $R)? {
                kernels!(call $($single,)? $kernel)($($arg),*)
            })*
        }
        impl Kernels for f64 {
            $(#[inline(never)]
            fn $name($($arg: $A),*) $(-> $R)? {
                $kernel($($arg),*)
            })*
        }
    };
    (call $kernel:path $(, $general:path)?) => { $kernel };
}

kernels! {
    /// `sum[i] += x[i]`, for all i that both have.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// let mut sum = [1.0, 2.0];
    /// f32::add_assign(&mut sum, &[10.0, 20.0]);
    /// assert_eq!(sum, [11.0, 22.0]);
    /// ```
    fn add_assign(sum: &mut [Self], x: &[Self]) = map::add_assign;
    /// Whether no element is infinite or NaN.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// assert!(f32::all_finite(&[1.0, -2.0]) && !f32::all_finite(&[1.0, f32::NAN]));
    /// ```
    fn all_finite(x: &[Self]) -> bool = sum::all_finite;
    /// The sum of all elements: lanes add up blocks, blocks are added pairwise.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// let x = vec![0.1; 1_000_000];
    /// assert!((f32::sum(&x) - 100_000.0).abs() < 0.1);
    /// assert!((x.iter().sum::<f32>() - 100_000.0).abs() > 900.0); // one after another
    /// ```
    fn sum(x: &[Self]) -> Self = sum::sum;
    /// `out[r] = Σ x[r, c]` over the columns c.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// let mut out = [0.0; 2];
    /// f64::sum_rows(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, &mut out);
    /// assert_eq!(out, [6.0, 15.0]);
    /// ```
    fn sum_rows(x: &[Self], columns: usize, out: &mut [Self]) = sum::sum_rows;
    /// `out[c] = Σ x[r, c]` over the rows r.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// let mut out = [0.0; 3];
    /// f64::sum_columns(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, &mut out);
    /// assert_eq!(out, [5.0, 7.0, 9.0]);
    /// ```
    fn sum_columns(x: &[Self], columns: usize, out: &mut [Self]) = sum::sum_columns;
    /// `C = A·B` (`m`×`k` times `k`×`n`), or `C += A·B` where `accumulate`; `c` is row-major.
    ///
    /// ```
    /// use chainrule_kernel::{Kernels, matmul::Matrix};
    /// let a = Matrix { data: &[1.0, 2.0, 3.0, 4.0], row: 2, column: 1 };
    /// let b = Matrix { data: &[5.0, 6.0, 7.0, 8.0], row: 2, column: 1 };
    /// let mut c = [0.0; 4];
    /// f32::product(2, 2, 2, a, b, &mut c, false);
    /// assert_eq!(c, [19.0, 22.0, 43.0, 50.0]);
    /// f32::product(2, 2, 2, a.transposed(), b, &mut c, true);
    /// assert_eq!(c, [45.0, 52.0, 81.0, 94.0]);
    /// ```
    fn product(
        m: usize,
        k: usize,
        n: usize,
        a: Matrix<'_, Self>,
        b: Matrix<'_, Self>,
        c: &mut [Self],
        accumulate: bool,
    ) = matmul::product;
    /// [`Kernels::product`] of one of many pairs of matrices, with `(m, k, n)`: for loops whose tasks take a pair each.
    ///
    /// ```
    /// use chainrule_kernel::{Kernels, matmul::Matrix};
    /// let row = Matrix { data: &[1.0, 2.0, 3.0], row: 3, column: 1 };
    /// let mut c = [0.0];
    /// f64::product_of_batch((1, 3, 1), row, row.transposed(), &mut c);
    /// assert_eq!(c, [14.0]);
    /// ```
    fn product_of_batch(sizes: (usize, usize, usize), a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: &mut [Self])
        = matmul::product_of_batch;
    /// The convolution `out[n, f, o] = b[f] + Σ w[f, c, k]·x[n, c, o·stride + k·dilation − before]` over c and k.
    ///
    /// x is `[batch, channels, input…]`, w `[filters, channels / groups, kernel…]`, b `[filters]`, `out`
    /// `[batch, filters, output…]`; places outside the input count as 0. In f32 perhaps by Winograd's method: see
    /// [`conv::set_winograd`].
    ///
    /// ```
    /// use chainrule_kernel::{Kernels, conv::Geometry};
    /// let g = Geometry {
    ///     batch: 1,
    ///     groups: 1,
    ///     channels: 1,
    ///     filters: 1,
    ///     input: [1, 1, 4],
    ///     kernel: [1, 1, 2],
    ///     output: [1, 1, 3],
    ///     stride: [1; 3],
    ///     before: [0; 3],
    ///     dilation: [1; 3],
    /// };
    /// let mut y = [0.0; 3];
    /// f32::convolve(&g, &[1.0, 4.0, 9.0, 16.0], &[-1.0, 1.0], Some(&[0.5]), &mut y);
    /// assert_eq!(y, [3.5, 5.5, 7.5]);
    /// ```
    fn convolve(g: &Geometry, x: &[Self], w: &[Self], b: Option<&[Self]>, out: &mut [Self])
        = conv::forward, f32: conv::single::forward;
    /// The gradient of a convolution's input, which is also the transposed convolution:
    /// `out[n, c, i] = b[c] + Σ w[f, c, k]·upstream[n, f, o]` over all f, o and k with
    /// `o·stride + k·dilation − before = i`.
    ///
    /// ```
    /// # use chainrule_kernel::{Kernels, conv::Geometry};
    /// # let one = [1; 3];
    /// # let (input, kernel, output) = ([1, 1, 4], [1, 1, 2], [1, 1, 3]);
    /// # let g = Geometry { batch: 1, groups: 1, channels: 1, filters: 1, input, kernel, output, stride: one,
    /// #     before: [0; 3], dilation: one };
    /// let mut dx = [0.0; 4]; // of the convolution above
    /// f32::convolution_input_gradient(&g, &[1.0, 1.0, 1.0], &[-1.0, 1.0], None, &mut dx);
    /// assert_eq!(dx, [-1.0, 0.0, 0.0, 1.0]);
    /// ```
    fn convolution_input_gradient(
        g: &Geometry,
        upstream: &[Self],
        w: &[Self],
        b: Option<&[Self]>,
        out: &mut [Self],
    ) = conv::input_gradient, f32: conv::single::input_gradient;
    /// The gradient of a convolution's filters:
    /// `out[f, c, k] = Σ upstream[n, f, o]·x[n, c, o·stride + k·dilation − before]` over n and o.
    ///
    /// ```
    /// # use chainrule_kernel::{Kernels, conv::Geometry};
    /// # let one = [1; 3];
    /// # let (input, kernel, output) = ([1, 1, 4], [1, 1, 2], [1, 1, 3]);
    /// # let g = Geometry { batch: 1, groups: 1, channels: 1, filters: 1, input, kernel, output, stride: one,
    /// #     before: [0; 3], dilation: one };
    /// let mut dw = [0.0; 2]; // of the convolution above
    /// f32::convolution_weight_gradient(&g, &[1.0, 4.0, 9.0, 16.0], &[1.0, 1.0, 1.0], &mut dw);
    /// assert_eq!(dw, [14.0, 29.0]);
    /// ```
    fn convolution_weight_gradient(g: &Geometry, x: &[Self], upstream: &[Self], out: &mut [Self])
        = conv::weight_gradient, f32: conv::single::weight_gradient;
    /// `out[c] = Σ upstream[n, c, …]`, the gradient of a convolution's bias; `upstream` is `[batch, channels, sizes…]`.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// let mut out = [0.0; 2];
    /// f64::channel_sums(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 2, 2, &mut out);
    /// assert_eq!(out, [14.0, 22.0]);
    /// ```
    fn channel_sums(upstream: &[Self], batch: usize, channels: usize, out: &mut [Self]) = conv::channel_sums;
    /// The largest element of each window of each plane: `out` is `[planes, outputs…]`. A window with a NaN gives NaN.
    ///
    /// ```
    /// # use chainrule_kernel::window::{Range, Windows};
    /// use chainrule_kernel::Kernels;
    /// # let range = |start: usize, end| Range { start, end, step: 1 };
    /// # let pairs = Windows { input: [1, 1, 4], ranges: [vec![range(0, 1)], vec![range(0, 1)],
    /// #     vec![range(0, 2), range(2, 4)]] };
    /// let mut out = [0.0; 2]; // by the windows of `Windows`' example
    /// f32::window_largest(&[1.0, 5.0, 3.0, 2.0], &pairs, &mut out);
    /// assert_eq!(out, [5.0, 3.0]);
    /// ```
    fn window_largest(x: &[Self], windows: &Windows, out: &mut [Self]) = window::largest;
    /// Where in its plane each window's largest element lies: the first of equals, the last of NaNs.
    ///
    /// ```
    /// # use chainrule_kernel::window::{Range, Windows};
    /// use chainrule_kernel::Kernels;
    /// # let range = |start: usize, end| Range { start, end, step: 1 };
    /// # let pairs = Windows { input: [1, 1, 4], ranges: [vec![range(0, 1)], vec![range(0, 1)],
    /// #     vec![range(0, 2), range(2, 4)]] };
    /// let mut places = [0; 2]; // by the windows of `Windows`' example
    /// f32::window_places(&[1.0, 5.0, 3.0, 2.0], &pairs, &mut places);
    /// assert_eq!(places, [1, 2]);
    /// ```
    fn window_places(x: &[Self], windows: &Windows, out: &mut [i64]) = window::places_of_largest;
    /// The gradient of [`Kernels::window_largest`]: each window's upstream gradient added at its largest element.
    ///
    /// ```
    /// # use chainrule_kernel::window::{Range, Windows};
    /// use chainrule_kernel::Kernels;
    /// # let range = |start: usize, end| Range { start, end, step: 1 };
    /// # let pairs = Windows { input: [1, 1, 4], ranges: [vec![range(0, 1)], vec![range(0, 1)],
    /// #     vec![range(0, 2), range(2, 4)]] };
    /// let mut dx = [9.0; 4]; // by the windows of `Windows`' example
    /// f32::window_largest_gradient(&[1.0, 5.0, 3.0, 2.0], &[10.0, 20.0], &pairs, &mut dx);
    /// assert_eq!(dx, [0.0, 10.0, 20.0, 0.0]);
    /// ```
    fn window_largest_gradient(x: &[Self], upstream: &[Self], windows: &Windows, out: &mut [Self])
        = window::largest_gradient;
    /// The sum of each window's elements, times its factor; a window's factor is the product of one a dimension.
    ///
    /// ```
    /// # use chainrule_kernel::window::{Range, Windows};
    /// use chainrule_kernel::Kernels;
    /// # let range = |start: usize, end| Range { start, end, step: 1 };
    /// # let pairs = Windows { input: [1, 1, 4], ranges: [vec![range(0, 1)], vec![range(0, 1)],
    /// #     vec![range(0, 2), range(2, 4)]] };
    /// let halves = [vec![1.0], vec![1.0], vec![0.5, 0.5]];
    /// let mut means = [0.0; 2]; // by the windows of `Windows`' example
    /// f32::window_sums(&[1.0, 5.0, 3.0, 2.0], &pairs, &halves, &mut means);
    /// assert_eq!(means, [3.0, 2.5]);
    /// ```
    fn window_sums(x: &[Self], windows: &Windows, factors: &[Vec<Self>; 3], out: &mut [Self]) = window::sums;
    /// Each number of `g`, times its window's factor, added to all elements of the window: the adjoint of
    /// [`Kernels::window_sums`].
    ///
    /// ```
    /// # use chainrule_kernel::window::{Range, Windows};
    /// use chainrule_kernel::Kernels;
    /// # let range = |start: usize, end| Range { start, end, step: 1 };
    /// # let pairs = Windows { input: [1, 1, 4], ranges: [vec![range(0, 1)], vec![range(0, 1)],
    /// #     vec![range(0, 2), range(2, 4)]] };
    /// let halves = [vec![1.0], vec![1.0], vec![0.5, 0.5]];
    /// let mut dx = [9.0; 4]; // by the windows of `Windows`' example
    /// f32::window_spread(&[2.0, 4.0], &pairs, &halves, &mut dx);
    /// assert_eq!(dx, [1.0, 1.0, 2.0, 2.0]);
    /// ```
    fn window_spread(g: &[Self], windows: &Windows, factors: &[Vec<Self>; 3], out: &mut [Self]) = window::spread;
    /// Softmax over rows of this length: `exp(x − m) / Σ exp(x − m)`, m being the row's largest element.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// let mut y = [0.0; 2];
    /// f64::softmax(&[1000.0, 1000.0 + 3f64.ln()], 2, &mut y);
    /// assert!((y[0] - 0.25).abs() < 1e-12 && (y[1] - 0.75).abs() < 1e-12);
    /// ```
    fn softmax(x: &[Self], columns: usize, out: &mut [Self]) = rows::softmax;
    /// The gradient of softmax from the upstream gradient and the output: `y·(g − Σ g·y)`.
    ///
    /// ```
    /// use chainrule_kernel::{Kernels, rows::Upstream};
    /// let mut dx = [0.0; 2];
    /// f64::softmax_gradient(Upstream::Each(&[1.0, 0.0], 1), &[0.5, 0.5], 2, &mut dx);
    /// assert_eq!(dx, [0.25, -0.25]);
    /// ```
    fn softmax_gradient(g: Upstream<'_, Self>, y: &[Self], columns: usize, out: &mut [Self])
        = rows::softmax_gradient;
    /// The logarithm of softmax over rows of this length: `(x − m) − ln Σ exp(x − m)`, m being the row's largest
    /// element.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// let mut y = [0.0; 2];
    /// f64::log_softmax(&[1000.0, 1000.0], 2, &mut y);
    /// assert!((y[0] + 2f64.ln()).abs() < 1e-15 && y[0] == y[1]);
    /// ```
    fn log_softmax(x: &[Self], columns: usize, out: &mut [Self]) = rows::log_softmax;
    /// The gradient of the logarithm of softmax from the upstream gradient and the output: `g − eʸ·Σ g`.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// let mut dx = [0.0; 2];
    /// f64::log_softmax_gradient(&[1.0, 0.0], &[0.25f64.ln(), 0.75f64.ln()], 2, &mut dx);
    /// assert!((dx[0] - 0.75).abs() < 1e-15 && (dx[1] + 0.75).abs() < 1e-15);
    /// ```
    fn log_softmax_gradient(g: &[Self], y: &[Self], columns: usize, out: &mut [Self])
        = rows::log_softmax_gradient;
    /// `out[r] = ln Σ exp(x[r, c])` over the columns c, computed without overflow.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// let mut out = [0.0; 2];
    /// f64::logsumexp(&[1000.0, 1000.0, 0.0, f64::NEG_INFINITY], 2, &mut out);
    /// assert_eq!(out, [1000.0 + 2f64.ln(), 0.0]);
    /// ```
    fn logsumexp(x: &[Self], columns: usize, out: &mut [Self]) = rows::logsumexp;
    /// The product of the rows of each block.
    ///
    /// ```
    /// use chainrule_kernel::{Kernels, fold::Blocks};
    /// let (mut out, columns) = ([0.0; 2], Blocks { outer: 1, count: 3, inner: 2 });
    /// f32::products(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], columns, &mut out);
    /// assert_eq!(out, [15.0, 48.0]);
    /// ```
    fn products(x: &[Self], blocks: Blocks, out: &mut [Self]) = fold::products;
    /// Σ (x − mean)² / `freedom` of the rows of each block, computed in f64.
    ///
    /// ```
    /// use chainrule_kernel::{Kernels, fold::Blocks};
    /// let mut out = [0.0];
    /// f32::variance(&[1e8, 1e8 + 8.0, 1e8 + 16.0], Blocks { outer: 1, count: 3, inner: 1 }, 2.0, &mut out);
    /// assert_eq!(out, [64.0]);
    /// ```
    fn variance(x: &[Self], blocks: Blocks, freedom: f64, out: &mut [f64]) = fold::variance;
    /// Mean and variance of each group; where elements aren't `centred`, 0 and the mean of the squares.
    ///
    /// ```
    /// use chainrule_kernel::{Kernels, norm::Moments};
    /// let of_rows = f32::moments(&[1.0, 3.0, 2.0, 6.0], [1, 2, 2], true);
    /// assert_eq!(of_rows, [Moments { mean: 2.0, variance: 1.0 }, Moments { mean: 4.0, variance: 4.0 }]);
    /// ```
    fn moments(x: &[Self], sizes: Sizes, centred: bool) -> Vec<Moments> = norm::moments;
    /// `out = (x − mean) / √(variance + ε)`, with the moments of each element's group.
    ///
    /// ```
    /// use chainrule_kernel::{Kernels, norm::Moments};
    /// let moments = [Moments { mean: 2.0, variance: 1.0 }, Moments { mean: 4.0, variance: 4.0 }];
    /// let mut y = [0.0; 4];
    /// f32::normalize(&[1.0, 3.0, 2.0, 6.0], [1, 2, 2], &moments, 0.0, &mut y);
    /// assert_eq!(y, [-1.0, 1.0, -1.0, 1.0]);
    /// ```
    fn normalize(x: &[Self], sizes: Sizes, moments: &[Moments], epsilon: f64, out: &mut [Self]) = norm::normalize;
    /// The gradient of [`Kernels::normalize`] by the moments of x itself: with `r = 1/√(variance + ε)` and
    /// `y = (x − mean)·r`, `r·(g − mean(g) − y·mean(g·y))`; without `mean(g)` where elements aren't `centred`.
    ///
    /// ```
    /// use chainrule_kernel::Kernels;
    /// let mut dx = [0.0; 2];
    /// f64::normalize_gradient(&[2.0, 2.0], &[1.0, 0.0], [1, 1, 2], false, 0.0, &mut dx);
    /// assert_eq!(dx, [0.25, -0.25]);
    /// ```
    fn normalize_gradient(
        x: &[Self],
        upstream: &[Self],
        sizes: Sizes,
        centred: bool,
        epsilon: f64,
        out: &mut [Self],
    ) = norm::gradient;
}
