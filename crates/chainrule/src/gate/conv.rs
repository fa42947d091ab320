//! Convolutions: forward, and the two gates that are their gradients.
//!
//! The three are closed under differentiation. With `y = conv(x, w)`, the gradient of x is a transposed
//! convolution of the upstream gradient with w, that of w a third gate of x and the upstream gradient; the
//! gradients of those two are again among the three.
//!
//! ```
//! use chainrule::gate::Conv;
//! use chainrule::{param, tensor};
//! let (x, w) = (tensor([[[1.0, 4.0, 9.0, 16.0]]]), param([[[-1.0, 1.0]]])); // a kernel of differences
//! let y = x.conv(&w, None, Conv::default())?;
//! y.sum()?.backward()?;
//! assert_eq!(y.to_string(), "tensor([[[3., 5., 7.]]], grad_fn=<ConvolutionBackward0>)");
//! assert_eq!(w.grad().unwrap().to_f64_vec(), [14.0, 29.0]); // what each tap saw
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::reduce::only_float;
use super::window::Sizes;
use super::{
    Context, Entry, Gate, Gradients, Linearity, Metas, Needs, Next, Outputs, Saved, SavedAs, Saves,
    TorchNode, Use, spread, tuple,
};
use crate::array::Float;
use crate::array::{Array, DType, Meta, Shape};
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::kernel::Kernels;
use crate::kernel::conv::Geometry;
use crate::kernel::memory;
use crate::tensor::Tensor;

mod samples;
mod transposed;
mod weight;

pub(super) use samples::uneven;
pub use transposed::ConvTranspose;
pub use weight::ConvWeight;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Conv::ENTRY, ConvTranspose::ENTRY, ConvWeight::ENTRY];

/// Zeros around the input of a convolution.
///
/// ```
/// use chainrule::Tensor;
/// use chainrule::gate::{Conv, Padding};
/// let (x, w) = (Tensor::ones([1, 1, 7]), Tensor::ones([1, 1, 3]));
/// let sizes = [Padding::Valid, Padding::Same, Padding::from(2)].map(|padding| {
///     x.conv(&w, None, Conv::default().padding(padding)).unwrap().elements()
/// });
/// assert_eq!(sizes, [5, 7, 9]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// So many at both ends of each dimension.
    Zeros(Sizes),
    /// So many that the output is as large as the input, the odd one at the end; the stride must be 1.
    Same,
    /// None.
    Valid,
}

impl<S: Into<Sizes>> From<S> for Padding {
    fn from(sizes: S) -> Padding {
        Padding::Zeros(sizes.into())
    }
}

/// As PyTorch prints it: `2`, `(1, 2)`, `same` or `valid`.
impl std::fmt::Display for Padding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Padding::Zeros(sizes) => sizes.fmt(f),
            Padding::Same => f.write_str("same"),
            Padding::Valid => f.write_str("valid"),
        }
    }
}

documented! {
    /// Convolution (as in all deep learning: cross-correlation) in one, two or three dimensions:
    /// `y[n, f, o] = b[f] + Σ w[f, c, k]·x[n, c, o·stride + k·dilation − padding]`.
    ///
    /// x is `[n, channels, sizes…]`, w `[filters, channels / groups, kernel…]`, b `[filters]` (it may be left out);
    /// y is `[n, filters, (size + 2·padding − dilation·(kernel − 1) − 1) / stride + 1, …]`, rounded down.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::gate::Conv;
    /// let (photos, filters) = (Tensor::zeros([1, 3, 224, 224]), Tensor::zeros([4, 3, 11, 11]));
    /// let conv = Conv { stride: 4.into(), padding: 2.into(), ..Conv::default() };
    /// assert_eq!(photos.conv(&filters, None, conv)?.shape(), [1, 4, 55, 55]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Conv {
        /// How far the kernel moves between neighbouring outputs.
        pub stride: Sizes,
        /// Zeros around the input.
        pub padding: Padding,
        /// The distance between neighbouring taps of the kernel.
        pub dilation: Sizes,
        /// Into how many groups channels and filters are divided that don't see each other.
        pub groups: usize,
    }
}

impl Default for Conv {
    /// Stride 1, no padding, dilation 1, one group.
    fn default() -> Conv {
        Conv { stride: 1.into(), padding: 0.into(), dilation: 1.into(), groups: 1 }
    }
}

impl Conv {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Conv",
        method: "conv",
        doc: Conv::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: samples::forward,
    };

    /// With this stride.
    ///
    /// ```
    /// use chainrule::gate::Conv;
    /// use chainrule::tensor;
    /// let (x, w) = (tensor([[[1.0, 2.0, 3.0, 4.0]]]), tensor([[[1.0, 1.0]]]));
    /// assert_eq!(x.conv(&w, None, Conv::default().stride(2))?.to_f64_vec(), [3.0, 7.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn stride(self, stride: impl Into<Sizes>) -> Conv {
        Conv { stride: stride.into(), ..self }
    }

    /// With these zeros around the input.
    ///
    /// ```
    /// use chainrule::gate::Conv;
    /// use chainrule::tensor;
    /// let (x, w) = (tensor([[[1.0, 2.0]]]), tensor([[[1.0, 1.0]]]));
    /// assert_eq!(x.conv(&w, None, Conv::default().padding(1))?.to_f64_vec(), [1.0, 3.0, 2.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn padding(self, padding: impl Into<Padding>) -> Conv {
        Conv { padding: padding.into(), ..self }
    }

    /// With this distance between taps.
    ///
    /// ```
    /// use chainrule::gate::Conv;
    /// use chainrule::tensor;
    /// let (x, w) = (tensor([[[1.0, 2.0, 3.0, 4.0]]]), tensor([[[1.0, 1.0]]]));
    /// assert_eq!(x.conv(&w, None, Conv::default().dilation(2))?.to_f64_vec(), [4.0, 6.0]); // 1 + 3, 2 + 4
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn dilation(self, dilation: impl Into<Sizes>) -> Conv {
        Conv { dilation: dilation.into(), ..self }
    }

    /// With so many groups.
    ///
    /// ```
    /// use chainrule::gate::Conv;
    /// use chainrule::tensor;
    /// // Two channels in two groups: each filter sees its own channel alone.
    /// let (x, w) = (tensor([[[1.0], [2.0]]]), tensor([[[10.0]], [[100.0]]]));
    /// assert_eq!(x.conv(&w, None, Conv::default().groups(2))?.to_f64_vec(), [10.0, 200.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn groups(self, groups: usize) -> Conv {
        Conv { groups, ..self }
    }

    /// What the kernel needs to know of the convolution of an input and a weight of these shapes.
    fn geometry(&self, x: &Shape, w: &Shape) -> Result<Geometry> {
        let rank = w.rank().saturating_sub(2);
        if !(1..=3).contains(&rank) {
            return Err(Error::shape(format!(
                "a weight is [filters, channels / groups, kernel…] with one to three kernel sizes, not {w}"
            )));
        }
        if x.rank() != w.rank() {
            return Err(Error::shape(format!(
                "an input of shape {x} doesn't go with a weight of shape {w}: both need {} dimensions",
                w.rank()
            )));
        }
        let (channels, filters, groups) = (x[1], w[0], self.groups);
        if filters == 0 {
            return Err(Error::shape(format!("a weight of shape {w} has no filters")));
        }
        if groups == 0 || channels % groups != 0 || filters % groups != 0 {
            return Err(Error::argument(format!(
                "{groups} groups don't divide {channels} channels and {filters} filters evenly"
            )));
        }
        if w[1] != channels / groups {
            return Err(Error::shape(format!(
                "a weight of shape {w} with {groups} groups expects {} channels, and the input of shape {x} has {channels}",
                w[1].saturating_mul(groups)
            )));
        }
        let spatial = |shape: &Shape| {
            let mut sizes = [1; 3];
            sizes[3 - rank..].copy_from_slice(&shape[2..]);
            sizes
        };
        let (input, kernel) = (spatial(x), spatial(w));
        let stride = self.stride.on(rank, 1, "stride")?;
        let dilation = self.dilation.on(rank, 1, "dilation")?;
        for (what, sizes) in [("kernel size", kernel), ("stride", stride), ("dilation", dilation)] {
            if sizes.contains(&0) {
                return Err(Error::argument(format!("the {what} of a convolution can't be 0")));
            }
        }
        let reach = [0, 1, 2].map(|d| dilation[d] * (kernel[d] - 1));
        let (before, after) = match self.padding {
            Padding::Valid => ([0; 3], [0; 3]),
            Padding::Zeros(sizes) => {
                let sizes = sizes.on(rank, 0, "padding")?;
                (sizes, sizes)
            }
            Padding::Same if stride != [1; 3] => {
                return Err(Error::argument("padding `same` needs a stride of 1"));
            }
            Padding::Same => (reach.map(|r| r / 2), reach.map(|r| r - r / 2)),
        };
        let mut output = [1; 3];
        for d in 3 - rank..3 {
            let room = input[d] + before[d] + after[d];
            if room <= reach[d] {
                return Err(Error::shape(format!(
                    "the kernel, {} wide with its dilation, doesn't fit into {room} elements, padding included",
                    reach[d] + 1
                )));
            }
            output[d] = (room - reach[d] - 1) / stride[d] + 1;
        }
        Ok(Geometry {
            batch: x[0],
            groups,
            channels,
            filters,
            input,
            kernel,
            output,
            stride,
            before: before.map(|b| b as isize),
            dilation,
        })
    }
}

/// `[batch, channels, sizes…]` with as many sizes as `like` has.
fn shape_of(batch: usize, channels: usize, sizes: [usize; 3], like: &Shape) -> Result<Shape> {
    let mut all = vec![batch, channels];
    all.extend_from_slice(&sizes[5 - like.rank()..]);
    Shape::new(&all)
}

/// Checks that there are two or three inputs of one float type, and the third, a bias, has a number for each
/// of `channels`.
fn check_inputs(inputs: &[Meta], channels: impl FnOnce() -> usize) -> Result<()> {
    if !(2..=3).contains(&inputs.len()) {
        return Err(Error::argument(format!(
            "it takes an input, a weight and perhaps a bias, and was given {}",
            inputs.len()
        )));
    }
    inputs.iter().try_for_each(only_float)?;
    if inputs.iter().any(|meta| meta.dtype != inputs[0].dtype) {
        return Err(Error::dtype("a convolution needs one element type for its input, weight and bias"));
    }
    if let Some(bias) = inputs.get(2) {
        let channels = channels();
        if bias.shape != [channels] {
            return Err(Error::shape(format!(
                "the bias is one number for each of {channels} channels, and not of shape {}",
                bias.shape
            )));
        }
    }
    Ok(())
}

/// Runs a kernel on contiguous inputs.
fn run<const N: usize>(
    inputs: [&Array; N],
    meta: Meta,
    single: impl FnOnce([&[f32]; N], &mut [f32]),
    double: impl FnOnce([&[f64]; N], &mut [f64]),
) -> Array {
    let inputs = inputs.map(Array::contiguous);
    if meta.dtype == DType::F64 {
        let mut out = memory::take(meta.shape.elements());
        double(inputs.each_ref().map(|x| x.values::<f64>()), &mut out);
        Array::filled(out, meta.shape)
    } else {
        let mut out = memory::take(meta.shape.elements());
        single(inputs.each_ref().map(|x| x.values::<f32>()), &mut out);
        Array::filled(out, meta.shape)
    }
}

/// The three convolutions on arrays.
#[derive(Clone, Copy)]
enum Pass {
    Forward,
    Input,
    Weight,
}

fn pass<T: Float>(pass: Pass, g: &Geometry, a: &[T], b: &[T], bias: Option<&[T]>, out: &mut [T]) {
    match pass {
        Pass::Forward => T::convolve(g, a, b, bias, out),
        Pass::Input => T::convolution_input_gradient(g, a, b, bias, out),
        Pass::Weight => T::convolution_weight_gradient(g, a, b, out),
    }
}

fn convolve(kind: Pass, g: &Geometry, a: &Array, b: &Array, bias: Option<&Array>, meta: Meta) -> Array {
    match bias {
        Some(bias) => run(
            [a, b, bias],
            meta,
            |[a, b, bias], out| pass(kind, g, a, b, Some(bias), out),
            |[a, b, bias], out| pass(kind, g, a, b, Some(bias), out),
        ),
        None => run(
            [a, b],
            meta,
            |[a, b], out| pass(kind, g, a, b, None, out),
            |[a, b], out| pass(kind, g, a, b, None, out),
        ),
    }
}

/// The sum of all elements of each channel of `[n, channels, …]`: the gradient of a bias.
fn channel_sums(x: &Array) -> Array {
    let (batch, channels) = (x.shape()[0], x.shape()[1]);
    let meta = Meta::new(x.dtype(), [channels]);
    run(
        [x],
        meta,
        |[x], out| f32::channel_sums(x, batch, channels, out),
        |[x], out| f64::channel_sums(x, batch, channels, out),
    )
}

/// The same, differentiably.
fn bias_gradient(g: &Tensor) -> Result<Tensor> {
    let dims: Vec<isize> = (0..g.rank() as isize).filter(|&d| d != 1).collect();
    g.sum_dim(&dims, false)
}

impl Conv {
    /// PyTorch's node, which is the same for convolution and transposed convolution.
    fn torch_node(&self, used: &Use, w: Shape, transposed: bool) -> TorchNode {
        let rank = w.rank().saturating_sub(2);
        let sizes = |sizes: &Sizes| tuple(&spread(sizes.given(), rank));
        let padding = match &self.padding {
            Padding::Zeros(padding) => sizes(padding),
            Padding::Valid => sizes(&0.into()),
            Padding::Same => {
                let dilation = spread(self.dilation.given(), rank);
                tuple(&dilation.iter().zip(&w[2..]).map(|(d, k)| d * (k - 1) / 2).collect::<Vec<_>>())
            }
        };
        // How much larger the output is than the smallest that these windows give.
        let beyond = |d: usize| -> usize {
            let each = |sizes: &Sizes| spread(sizes.given(), rank)[d];
            let padding = if let Padding::Zeros(padding) = &self.padding { each(padding) } else { 0 };
            let least = (used.inputs[0].shape[d + 2] - 1) * each(&self.stride)
                + each(&self.dilation) * (w[d + 2] - 1)
                + 1;
            (used.outputs[0].shape[d + 2] + 2 * padding).saturating_sub(least)
        };
        let output_padding: Vec<usize> = (0..rank).map(|d| if transposed { beyond(d) } else { 0 }).collect();
        let bias = if used.inputs.len() > 2 { used.outputs[0].shape[1] } else { 0 };
        TorchNode::new("ConvolutionBackward0", (0..used.inputs.len()).map(Next::Input))
            .saving("input", SavedAs::Input(0))
            .saving("weight", SavedAs::Input(1))
            .with("bias_sym_sizes_opt", tuple(&[bias]))
            .with("dilation", sizes(&self.dilation))
            .with("groups", self.groups)
            .with("output_padding", tuple(&output_padding))
            .with("padding", padding)
            .with("stride", sizes(&self.stride))
            .with("transposed", if transposed { "True" } else { "False" })
    }
}

/// What both convolution and transposed convolution save: the weight for x, x for the weight.
fn saved_inputs(needs: &Needs) -> Saves {
    Saves::input(1).when(needs.input(0)) | Saves::input(0).when(needs.input(1))
}

impl Gate for Conv {
    fn name(&self) -> &'static str {
        "Conv"
    }

    fn grad_fn(&self) -> String {
        "ConvolutionBackward0".into()
    }

    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        vec![self.torch_node(used, used.inputs[1].shape, false)]
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        check_inputs(inputs, || inputs[1].shape.first().copied().unwrap_or(0))?;
        let (x, w) = (&inputs[0].shape, &inputs[1].shape);
        let g = self.geometry(x, w)?;
        Ok([Meta { dtype: inputs[0].dtype, shape: shape_of(g.batch, g.filters, g.output, w)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let g = self.geometry(inputs[0].shape(), inputs[1].shape())?;
        let bias = inputs.get(2).copied();
        Ok([convolve(Pass::Forward, &g, inputs[0], inputs[1], bias, *context.output(0))].into())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        saved_inputs(needs)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(u) = &upstream[0] else { return Ok(needs.none()) };
        let mut gradients = needs.none();
        if needs.input(0) {
            let gate = ConvTranspose { conv: *self, shape: saved.input_meta(0)?.shape };
            gradients[0] = Some(Tensor::apply(gate, &[u, &saved.input(1)?])?);
        }
        if needs.input(1) {
            let gate = ConvWeight { conv: *self, shape: saved.input_meta(1)?.shape };
            gradients[1] = Some(Tensor::apply(gate, &[&saved.input(0)?, u])?);
        }
        if needs.input(2) {
            gradients[2] = Some(bias_gradient(u)?);
        }
        Ok(gradients)
    }

    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let u = upstream[0].as_ref()?;
        let gradients = || -> Result<Gradients<Array>> {
            let mut gradients = needs.none();
            if needs.input(0) {
                let (meta, w) = (saved.input_meta(0)?, saved.input_array(1)?);
                let g = self.geometry(&meta.shape, w.shape())?;
                gradients[0] = Some(convolve(Pass::Input, &g, u, &w, None, meta));
            }
            if needs.input(1) {
                let (meta, x) = (saved.input_meta(1)?, saved.input_array(0)?);
                let g = self.geometry(x.shape(), &meta.shape)?;
                gradients[1] = Some(convolve(Pass::Weight, &g, &x, u, None, meta));
            }
            if needs.input(2) {
                gradients[2] = Some(channel_sums(u));
            }
            Ok(gradients)
        };
        Some(gradients())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Product
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "y[n,f,o] = b[f] + Σ w[f,c,k]·x[n,c,o·s + k·d − p]",
            [
                "∂L/∂x[n,c,i] = Σ w[f,c,k]·g[n,f,o] where o·s + k·d − p = i",
                "∂L/∂w[f,c,k] = Σ g[n,f,o]·x[n,c,o·s + k·d − p]",
                "∂L/∂b[f] = Σ g[n,f,o]",
            ],
        )
    }

    fn cost(&self, inputs: &[Meta], outputs: &[Meta]) -> u64 {
        let taps: usize = inputs[1].shape.iter().skip(1).product();
        outputs[0].shape.elements() as u64 * taps as u64
    }
}

/// With a batch dimension of size 1 in front where x has none, and whether it was added.
#[track_caller]
pub(super) fn batched(x: &Tensor, rank: usize) -> Result<(Tensor, bool)> {
    match x.rank() {
        own if own == rank => Ok((x.clone(), false)),
        own if own + 1 == rank => Ok((x.unsqueeze(0)?, true)),
        own => Err(Error::shape(format!(
            "an input with {rank} dimensions is expected, or {} without a batch, not {own}",
            rank.saturating_sub(1)
        ))
        .with_inputs([x.meta()])),
    }
}

impl Tensor {
    /// Convolution with a weight `[filters, channels / groups, kernel…]` and perhaps a bias: see [`Conv`].
    ///
    /// The input is `[n, channels, sizes…]`, or `[channels, sizes…]` without a batch.
    ///
    /// # Errors
    /// The shapes don't fit, or the element types differ.
    ///
    /// ```
    /// use chainrule::{gate::Conv, Tensor};
    /// let (image, w) = (Tensor::ones([1, 3, 8, 8]), Tensor::ones([4, 3, 3, 3]));
    /// let y = image.conv(&w, None, Conv::default().stride(2).padding(1))?;
    /// assert_eq!(y.shape(), [1, 4, 4, 4]);
    /// assert_eq!(y.to_vec::<f32>()?[5], 27.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn conv(&self, weight: &Tensor, bias: Option<&Tensor>, conv: Conv) -> Result<Tensor> {
        let (x, added) = batched(self, weight.rank())?;
        let y = match bias {
            Some(bias) => Tensor::apply(conv, &[&x, weight, bias])?,
            None => Tensor::apply(conv, &[&x, weight])?,
        };
        if added { y.squeeze(0) } else { Ok(y) }
    }
}
