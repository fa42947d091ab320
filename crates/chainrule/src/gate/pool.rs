//! Pooling: the largest element or the mean of windows that slide, or that divide each plane evenly.
//!
//! ```
//! use chainrule::gate::{AvgPool, Window};
//! use chainrule::tensor;
//! let x = tensor([[[1.0, 5.0, 2.0, 4.0]]]); // one example, one channel, four elements
//! assert_eq!(x.max_pool(1, Window::new(2))?.to_f64_vec(), [5.0, 4.0]);
//! assert_eq!(x.avg_pool(1, AvgPool::of(Window::new(2)))?.to_f64_vec(), [3.0, 3.0]);
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::conv::{batched, uneven};
use super::reduce::only_float;
use super::{
    Context, Entry, Gate, Gradients, Metas, Needs, Next, Outputs, Sample, Saved, SavedAs, Saves, TorchNode,
    Use, pooling, tuple,
};
use crate::array::{Array, DType, Meta, Shape, dispatch_float};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::kernel::Kernels as _;
use crate::kernel::memory;
use crate::kernel::window::{Range, Windows};
use crate::tensor::Tensor;

mod windows;
pub use windows::Window;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[MaxPool::ENTRY, AvgPool::ENTRY, AvgPoolInput::ENTRY];

/// The shape of a pooling's output, where its input fits.
fn checked(inputs: &[Meta], window: &Window) -> Result<Shape> {
    super::elementwise::expect_inputs(inputs, 1)?;
    only_float(&inputs[0])?;
    window.output(&inputs[0].shape)
}

documented! {
    /// The largest element of each window; NaN where one is NaN. The padding is never the largest.
    ///
    /// With `indices`, a second output tells the place of each in its plane, counted in row-major order.
    ///
    /// ```
    /// use chainrule::gate::{MaxPool, Window};
    /// use chainrule::{param, Tensor};
    /// let x = param([[[1.0, 5.0, 5.0, 4.0]]]);
    /// let y = Tensor::apply(MaxPool { window: Window::new(4), indices: false }, &[&x])?;
    /// y.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_f64_vec(), [0.0, 1.0, 0.0, 0.0]); // of equals the first
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct MaxPool {
        /// The windows.
        pub window: Window,
        /// Whether the places are wanted too.
        pub indices: bool,
    }
}

impl MaxPool {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "MaxPool",
        method: "max_pool, max_pool_with_indices, adaptive_max_pool",
        doc: MaxPool::DOC,
        at_kink: Some("of equal elements the first gets the gradient"),
        file: file!(),
        line: line!(),
        samples: || {
            let of = |window: Window, x: Array| Sample::new(MaxPool { window, indices: false }, [x]);
            let tie = Array::filled(vec![1.0, 2.0, 2.0, 0.0], [1, 1, 4].into());
            let expected = Array::filled(vec![0.0, 1.0, 0.0, 0.0], [1, 1, 4].into());
            let mut all: Vec<Sample> = settings().into_iter().map(|(window, x)| of(window, x)).collect();
            all.push(of(Window::new(2).dilation(2), distinct([1, 2, 5, 6])));
            all.push(of(Window::new([1, 3]).dilation([1, 2]).padding([0, 2]), distinct([1, 1, 2, 5])));
            all.push(Sample::new(
                MaxPool { window: Window::new(2), indices: true },
                [distinct([2, 1, 4, 4])],
            ));
            // Squares beside each other by vectors.
            all.push(of(Window::new(2), distinct([1, 2, 4, 10])));
            all.push(of(Window::new(2), distinct([1, 1, 5, 19])));
            all.push(of(Window::new(4), tie).at_kink([expected]));
            all.push(of(Window::new(2).padding(2), distinct([1, 1, 4, 4])).refused(ErrorKind::Argument));
            all.push(of(Window::new(5), distinct([1, 1, 4, 4])).refused(ErrorKind::Shape));
            all.push(of(Window::new(2), distinct([4, 4])).refused(ErrorKind::Shape));
            all.push(of(Window::new(2), distinct([1, 1, 4]).cast(DType::I64)).refused(ErrorKind::DType));
            all
        },
    };
}

/// Distinct numbers in no order.
fn distinct<const N: usize>(shape: [usize; N]) -> Array {
    let shape = Shape::from(shape);
    let count = shape.elements();
    let number = |i: usize| ((i * 29 + 5) % 997) as f64 * 0.11 - 3.0;
    Array::filled((0..count).map(number).collect(), shape)
}

/// Windows with every option, and inputs for them.
fn settings() -> Vec<(Window, Array)> {
    let adaptive = |sizes: &[Option<usize>]| {
        Window::Adaptive([0, 1, 2].map(|d| sizes.get(d).copied().flatten()), sizes.len())
    };
    vec![
        (Window::new(2), distinct([2, 2, 4, 6])),
        (Window::new(3).stride(2), distinct([1, 2, 7, 5])),
        (Window::new([2, 3]).stride([1, 2]).padding([1, 1]), distinct([1, 1, 4, 6])),
        (Window::new(2).stride(3).ceil(true), distinct([1, 2, 5, 6])),
        (Window::new(3).stride(2).padding(1).ceil(true), distinct([1, 1, 6])),
        (Window::new(2).stride([1, 2, 1]), distinct([1, 1, 3, 4, 3])),
        (adaptive(&[Some(2), Some(3)]), distinct([1, 2, 5, 7])),
        (adaptive(&[Some(1), None]), distinct([1, 1, 3, 4])),
        (adaptive(&[Some(5)]), distinct([1, 2, 3])),
        (Window::new(2), distinct([0, 2, 4, 4])),
    ]
}

impl Gate for MaxPool {
    fn name(&self) -> &'static str {
        "MaxPool"
    }

    fn grad_fn(&self) -> String {
        if self.window.is_adaptive() { "AdaptiveMaxPool2DBackward0" } else { "MaxPool2DWithIndicesBackward0" }
            .into()
    }

    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        let rank = used.inputs[0].shape.rank().saturating_sub(2);
        let node = TorchNode::new(self.grad_fn(), [Next::Input(0)])
            .saving("result1", SavedAs::Other(used.outputs[0].shape))
            .saving("self", SavedAs::Input(0));
        pooling(self.window.described(node, rank, true), rank)
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let shape = checked(inputs, &self.window)?;
        // Places within a window are counted in 32 bits.
        if inputs[0].shape[2..].iter().product::<usize>() > 1 << 31 {
            return Err(Error::shape("a plane of more than 2³¹ elements can't be pooled"));
        }
        let mut metas: Metas = [Meta { dtype: inputs[0].dtype, shape }].into();
        if self.indices {
            metas.push(Meta { dtype: DType::I64, shape });
        }
        Ok(metas)
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let x = inputs[0].contiguous();
        let (windows, _) = self.window.windows(x.shape())?;
        let shape = context.output(0).shape;
        let largest = dispatch_float!(x.dtype(), T => {
            let mut out = memory::take::<T>(shape.elements());
            T::window_largest(x.values::<T>(), &windows, &mut out);
            Array::filled(out, shape)
        }, otherwise => x.clone());
        let mut outputs: Outputs = [largest].into();
        if self.indices {
            outputs.push(places(&x, &windows, shape));
        }
        Ok(outputs)
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let x = saved.input_array(0)?.contiguous();
        let (windows, _) = self.window.windows(x.shape())?;
        // The gradient is scattered to places that are constants of its own derivative.
        let planes = [x.shape()[0] * x.shape()[1]];
        let flat = Shape::from([planes[0], windows.outputs()]);
        let index = Tensor::from_array(places(&x, &windows, flat));
        let size: usize = x.shape()[2..].iter().product();
        let zeros = Tensor::from_array(Array::constant(0.0, Meta::new(x.dtype(), [planes[0], size])));
        let gradient = zeros.scatter_add(1, &index, &g.reshape(flat)?)?;
        Ok([Some(gradient.reshape(*x.shape())?)].into_iter().collect())
    }

    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        _needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let g = upstream[0].as_ref()?;
        let gradient = || -> Result<Gradients<Array>> {
            let (x, g) = (saved.input_array(0)?.contiguous(), g.contiguous());
            let (windows, _) = self.window.windows(x.shape())?;
            let gradient = dispatch_float!(x.dtype(), T => {
                let mut out = memory::take::<T>(x.elements());
                T::window_largest_gradient(x.values::<T>(), g.values::<T>(), &windows, &mut out);
                Array::filled(out, *x.shape())
            }, otherwise => x);
            Ok([Some(gradient)].into_iter().collect())
        };
        Some(gradient())
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "y = the largest x of each window",
            ["∂L/∂x = the sum of g of the windows whose largest x is"],
        )
    }

    fn cost(&self, inputs: &[Meta], outputs: &[Meta]) -> u64 {
        comparisons(&self.window, inputs, outputs)
    }
}

/// How many elements all windows together see.
fn comparisons(window: &Window, inputs: &[Meta], outputs: &[Meta]) -> u64 {
    let Ok((windows, _)) = window.windows(&inputs[0].shape) else { return 0 };
    let seen = |ranges: &Vec<Range>| -> u64 {
        ranges.iter().map(|r| (r.end - r.start).div_ceil(r.step) as u64).sum()
    };
    outputs[0].shape[..2].iter().map(|&size| size as u64).product::<u64>()
        * windows.ranges.iter().map(seen).product::<u64>()
}

/// The places of the largest elements.
fn places(x: &Array, windows: &Windows, shape: Shape) -> Array {
    let mut out = memory::take::<i64>(shape.elements());
    dispatch_float!(x.dtype(), T => {
        T::window_places(x.values::<T>(), windows, &mut out);
    }, otherwise => ());
    Array::filled(out, shape)
}

documented! {
    /// The mean of each window.
    ///
    /// ```
    /// use chainrule::gate::{AvgPool, Window};
    /// use chainrule::tensor;
    /// let x = tensor([[[2.0, 4.0]]]);
    /// let of = |count_padding| AvgPool { count_padding, ..AvgPool::of(Window::new(2).padding(1)) };
    /// assert_eq!(x.avg_pool(1, of(true))?.to_f64_vec(), [1.0, 2.0]);
    /// assert_eq!(x.avg_pool(1, of(false))?.to_f64_vec(), [2.0, 4.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct AvgPool {
        /// The windows; their dilation is 1.
        pub window: Window,
        /// Whether the padding counts as elements that are 0.
        pub count_padding: bool,
        /// What sums are divided by instead of the number of elements.
        pub divisor: Option<isize>,
    }
}

impl AvgPool {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "AvgPool",
        method: "avg_pool, adaptive_avg_pool",
        doc: AvgPool::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let mut all: Vec<Sample> = means().into_iter().map(|(gate, x)| Sample::new(gate, [x])).collect();
            let zero = AvgPool { divisor: Some(0), ..AvgPool::of(Window::new(2)) };
            all.push(Sample::new(zero, [distinct([1, 1, 4, 4])]).refused(ErrorKind::Argument));
            let far = AvgPool::of(Window::new(2).dilation(2));
            all.push(Sample::new(far, [distinct([1, 1, 4, 4])]).refused(ErrorKind::Argument));
            all
        },
    };

    /// With the padding counted, as PyTorch does by default.
    ///
    /// ```
    /// use chainrule::gate::{AvgPool, Window};
    /// assert!(AvgPool::of(Window::new(2)).count_padding);
    /// ```
    pub fn of(window: Window) -> AvgPool {
        AvgPool { window, count_padding: true, divisor: None }
    }

    /// The windows, and 1 / (what their sums are divided by) as a product over dimensions.
    fn weighted(&self, shape: &Shape) -> Result<(Windows, [Vec<f64>; 3])> {
        if let Window::Sliding { dilation, .. } = self.window
            && dilation.given().iter().any(|&d| d != 1)
        {
            return Err(Error::argument("the windows of a mean have no dilation"));
        }
        if self.divisor == Some(0) {
            return Err(Error::argument("a sum can't be divided by 0"));
        }
        let (windows, counts) = self.window.windows(shape)?;
        let factors = [0, 1, 2].map(|d| {
            let factor = |(range, count): (&Range, &usize)| match self.divisor {
                Some(divisor) if d == 2 => 1.0 / divisor as f64,
                Some(_) => 1.0,
                None if self.count_padding => 1.0 / *count as f64,
                None => 1.0 / (range.end - range.start) as f64,
            };
            windows.ranges[d].iter().zip(&counts[d]).map(factor).collect()
        });
        Ok((windows, factors))
    }

    /// Runs a kernel with these windows on planes of this shape.
    fn run(&self, planes: &Shape, x: &Array, shape: Shape, adjoint: bool) -> Result<Array> {
        let (windows, factors) = self.weighted(planes)?;
        let x = x.contiguous();
        Ok(dispatch_float!(x.dtype(), T => {
            let mut out = memory::take::<T>(shape.elements());
            let factors = factors.map(|all| all.into_iter().map(|f| f as T).collect::<Vec<T>>());
            let kernel = if adjoint { T::window_spread } else { T::window_sums };
            kernel(x.values::<T>(), &windows, &factors, &mut out);
            Array::filled(out, shape)
        }, otherwise => x))
    }
}

/// Means with every option, and inputs for them.
fn means() -> Vec<(AvgPool, Array)> {
    let mut all: Vec<(AvgPool, Array)> =
        settings().into_iter().map(|(window, x)| (AvgPool::of(window), x)).collect();
    let padded = || Window::new(3).stride(2).padding(1).ceil(true);
    all.push((AvgPool { count_padding: false, ..AvgPool::of(padded()) }, uneven([1, 2, 6, 4], 1)));
    all.push((AvgPool::of(padded()), uneven([1, 1, 6, 4], 2)));
    all.push((AvgPool { divisor: Some(5), ..AvgPool::of(Window::new(2)) }, uneven([1, 1, 4, 4], 3)));
    all
}

impl Gate for AvgPool {
    fn name(&self) -> &'static str {
        "AvgPool"
    }

    fn grad_fn(&self) -> String {
        if self.window.is_adaptive() { "AdaptiveAvgPool2DBackward0" } else { "AvgPool2DBackward0" }.into()
    }

    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        let shape = used.inputs[0].shape;
        let rank = shape.rank().saturating_sub(2);
        if self.window.is_adaptive() && rank == 2 && used.outputs[0].shape[2..] == [1, 1] {
            // PyTorch takes the mean; −1 and −2 are printed without their sign.
            let node = TorchNode::new("MeanBackward1", [Next::Input(0)])
                .with("dim", "(18446744073709551615, 18446744073709551614)")
                .with("keepdim", "True")
                .with("self_sym_numel", shape.elements())
                .with("self_sym_sizes", tuple(&shape));
            return vec![node];
        }
        let mut node = TorchNode::new(self.grad_fn(), [Next::Input(0)]).saving("self", SavedAs::Input(0));
        if !self.window.is_adaptive() {
            let divisor = self.divisor.map_or("None".to_string(), |divisor| divisor.to_string());
            node = node
                .with("count_include_pad", if self.count_padding { "True" } else { "False" })
                .with("divisor_override", divisor);
        }
        pooling(self.window.described(node, rank, false), rank)
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let shape = checked(inputs, &self.window)?;
        self.weighted(&inputs[0].shape)?;
        Ok([Meta { dtype: inputs[0].dtype, shape }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        Ok([self.run(inputs[0].shape(), inputs[0], context.output(0).shape, false)?].into())
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let gate = AvgPoolInput { pool: *self, shape: saved.input_meta(0)?.shape };
        Ok([Some(Tensor::apply(gate, &[g])?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "y = the mean of x over each window",
            ["∂L/∂x = the sum of g / n of the windows that see it"],
        )
    }

    fn cost(&self, inputs: &[Meta], outputs: &[Meta]) -> u64 {
        comparisons(&self.window, inputs, outputs)
    }
}

documented! {
    /// The gradient of a mean over windows: each window's number, divided, at all of its elements.
    ///
    /// ```
    /// use chainrule::gate::{pool::AvgPoolInput, AvgPool, Window};
    /// use chainrule::{tensor, Tensor};
    /// let spread = AvgPoolInput { pool: AvgPool::of(Window::new(2)), shape: [1, 1, 4].into() };
    /// let y = Tensor::apply(spread, &[&tensor([[[2.0, 6.0]]])])?;
    /// assert_eq!(y.to_f64_vec(), [1.0, 1.0, 3.0, 3.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct AvgPoolInput {
        /// The means whose input's gradient this is.
        pub pool: AvgPool,
        /// The shape of that input, which is this gate's output.
        pub shape: Shape,
    }
}

impl AvgPoolInput {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "AvgPoolInput",
        method: "avg_pool",
        doc: AvgPoolInput::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let mut all: Vec<Sample> = means()
                .into_iter()
                .filter_map(|(pool, x)| {
                    let y = super::run_one(&pool, &[&x]).ok()?;
                    Some(Sample::new(AvgPoolInput { pool, shape: *x.shape() }, [y]))
                })
                .collect();
            let gate = AvgPoolInput { pool: AvgPool::of(Window::new(2)), shape: [1, 1, 4, 4].into() };
            all.push(Sample::new(gate, [distinct([1, 1, 3, 3])]).refused(ErrorKind::Shape));
            all
        },
    };
}

impl Gate for AvgPoolInput {
    fn name(&self) -> &'static str {
        "AvgPoolInput"
    }

    fn grad_fn(&self) -> String {
        "AvgPool2DBackwardBackward0".into()
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        super::elementwise::expect_inputs(inputs, 1)?;
        only_float(&inputs[0])?;
        let expected = self.pool.window.output(&self.shape)?;
        self.pool.weighted(&self.shape)?;
        if inputs[0].shape != expected {
            return Err(Error::shape(format!(
                "the means of {} have the shape {expected}, not {}",
                self.shape, inputs[0].shape
            )));
        }
        Ok([Meta { dtype: inputs[0].dtype, shape: self.shape }].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        Ok([self.pool.run(&self.shape, inputs[0], self.shape, true)?].into())
    }

    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(u) = &upstream[0] else { return Ok(needs.none()) };
        Ok([Some(Tensor::apply(self.pool, &[u])?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "x = the sum of g / n of the windows that see it",
            ["∂L/∂g = the mean of u over each window"],
        )
    }
}

impl Tensor {
    /// The largest element of each window of `[n, channels, sizes…]` or `[channels, sizes…]`, pooling the last
    /// `spatial` dimensions: see [`MaxPool`].
    ///
    /// # Errors
    /// The window doesn't fit the shape.
    ///
    /// ```
    /// use chainrule::{gate::Window, tensor};
    /// let y = tensor([[[1.0, 5.0, 2.0, 3.0]]]).max_pool(1, Window::new(2))?;
    /// assert_eq!(y.to_vec::<f32>()?, [5.0, 3.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn max_pool(&self, spatial: usize, window: Window) -> Result<Tensor> {
        let (x, added) = batched(self, spatial + 2)?;
        let y = Tensor::apply(MaxPool { window, indices: false }, &[&x])?;
        if added { y.squeeze(0) } else { Ok(y) }
    }

    /// The largest element of each window, and its place in its plane: see [`MaxPool`].
    ///
    /// # Errors
    /// The window doesn't fit the shape.
    ///
    /// ```
    /// use chainrule::gate::Window;
    /// use chainrule::tensor;
    /// let (y, places) = tensor([[1.0, 5.0, 2.0, 4.0]]).max_pool_with_indices(1, Window::new(2))?;
    /// assert_eq!(y.to_f64_vec(), [5.0, 4.0]);
    /// assert_eq!(places.to_vec::<i64>()?, [1, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn max_pool_with_indices(&self, spatial: usize, window: Window) -> Result<(Tensor, Tensor)> {
        let (x, added) = batched(self, spatial + 2)?;
        let mut outputs = Tensor::apply_many(MaxPool { window, indices: true }, &[&x])?.into_iter();
        match (outputs.next(), outputs.next()) {
            (Some(y), Some(places)) if added => Ok((y.squeeze(0)?, places.squeeze(0)?)),
            (Some(y), Some(places)) => Ok((y, places)),
            _ => Err(Error::argument("the gate has two outputs").at_gate("MaxPool")),
        }
    }

    /// The mean of each window, pooling the last `spatial` dimensions: see [`AvgPool`].
    ///
    /// # Errors
    /// The window doesn't fit the shape.
    ///
    /// ```
    /// use chainrule::{gate::{AvgPool, Window}, tensor};
    /// let y = tensor([[[1.0, 5.0, 2.0, 4.0]]]).avg_pool(1, AvgPool::of(Window::new(2)))?;
    /// assert_eq!(y.to_vec::<f32>()?, [3.0, 3.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn avg_pool(&self, spatial: usize, pool: AvgPool) -> Result<Tensor> {
        let (x, added) = batched(self, spatial + 2)?;
        let y = Tensor::apply(pool, &[&x])?;
        if added { y.squeeze(0) } else { Ok(y) }
    }

    /// The largest elements of so many windows in each of the last dimensions (`None`: as many as elements).
    ///
    /// # Errors
    /// The sizes don't fit the shape.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[[1.0, 2.0], [3.0, 4.0]]]);
    /// assert_eq!(x.adaptive_max_pool(&[Some(1), None])?.to_f64_vec(), [3.0, 4.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn adaptive_max_pool(&self, sizes: &[Option<usize>]) -> Result<Tensor> {
        self.max_pool(sizes.len(), Window::adaptive(sizes)?)
    }

    /// The means of so many windows in each of the last dimensions (`None`: as many as elements).
    ///
    /// # Errors
    /// The sizes don't fit the shape.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// let y = Tensor::ones([2, 3, 5, 7]).adaptive_avg_pool(&[Some(1), Some(1)])?;
    /// assert_eq!(y.shape(), [2, 3, 1, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn adaptive_avg_pool(&self, sizes: &[Option<usize>]) -> Result<Tensor> {
        self.avg_pool(sizes.len(), AvgPool::of(Window::adaptive(sizes)?))
    }
}
