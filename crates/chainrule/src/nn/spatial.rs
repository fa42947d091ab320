//! Layers for signals, images and volumes: convolutions, pooling, padding.
//!
//! `Conv2d` and the like are names for one layer with its number of dimensions.
//!
//! ```
//! use chainrule::gate::{Conv, Window};
//! use chainrule::nn::{Conv2d, Flatten, MaxPool2d, Module, Sequential};
//! use chainrule::{Generator, Tensor};
//! let net = Sequential::new()
//!     .push(Conv2d::new(1, 4, 3, Conv::default().padding(1), &mut Generator::new(0))?)
//!     .push(MaxPool2d::new(Window::new(2)))
//!     .push(Flatten);
//! assert_eq!(net.call(&Tensor::ones([2, 1, 8, 8]))?.shape(), [2, 4 * 4 * 4]);
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::layers::{python, weight_and_bias};
use super::module::{current_of, now};
use super::{Module, Owned, current, init};
use crate::array::{Generator, Shape};
use crate::error::{Error, Result};
use crate::gate::{AvgPool, Conv, PadMode, Padding, Sizes, Window};
use crate::tensor::Tensor;

/// Convolution over `[n, channels, sizes…]` with `D` sizes: see [`Conv`](crate::gate::Conv).
///
/// ```
/// use chainrule::gate::Conv;
/// use chainrule::nn::{Conv1d, Module};
/// use chainrule::{param, tensor, Generator};
/// let mut layer = Conv1d::new(1, 1, 2, Conv::default(), &mut Generator::new(0))?.without_bias();
/// layer.weight = param([[[1.0, -1.0]]]);
/// assert_eq!(layer.call(&tensor([[[1.0, 4.0, 9.0]]]))?.to_f64_vec(), [-3.0, -5.0]); // differences
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct ConvNd<const D: usize> {
    /// The weight, of shape `[filters, channels / groups, kernel…]`.
    pub weight: Tensor,
    /// The bias, of shape `[filters]`.
    pub bias: Option<Tensor>,
    /// Stride, padding, dilation and groups.
    pub options: Conv,
    /// What stands in the padding.
    pub mode: PadMode,
}

/// Convolution of signals `[n, channels, length]`.
pub type Conv1d = ConvNd<1>;
/// Convolution of images `[n, channels, height, width]`.
pub type Conv2d = ConvNd<2>;
/// Convolution of volumes `[n, channels, depth, height, width]`.
pub type Conv3d = ConvNd<3>;

/// `[first, second, kernel…]`
fn weight_shape<const D: usize>(first: usize, second: usize, kernel: Sizes) -> Result<Shape> {
    let mut sizes = vec![first, second];
    match kernel.given() {
        [one] => sizes.extend([*one; D]),
        many if many.len() == D => sizes.extend_from_slice(many),
        many => {
            return Err(Error::argument(format!(
                "a kernel with {} sizes doesn't go with {D} dimensions",
                many.len()
            )));
        }
    }
    Shape::new(&sizes)
}

fn groups_divide(channels: usize, filters: usize, groups: usize) -> Result<()> {
    if groups == 0 || !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
        return Err(Error::argument(format!(
            "{groups} groups don't divide {channels} channels and {filters} filters evenly"
        )));
    }
    Ok(())
}

impl<const D: usize> ConvNd<D> {
    /// A layer with a bias, initialised as in PyTorch.
    ///
    /// ```
    /// use chainrule::gate::Conv;
    /// use chainrule::nn::{Conv2d, Module};
    /// use chainrule::{Generator, Tensor};
    /// let options = Conv::default().stride(4).padding(2);
    /// let layer = Conv2d::new(3, 64, 11, options, &mut Generator::new(0))?;
    /// assert_eq!(layer.call(&Tensor::ones([1, 3, 227, 227]))?.shape(), [1, 64, 56, 56]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The groups don't divide the channels, or the kernel has sizes for another number of dimensions.
    pub fn new(
        channels: usize,
        filters: usize,
        kernel: impl Into<Sizes>,
        options: Conv,
        generator: &mut Generator,
    ) -> Result<ConvNd<D>> {
        groups_divide(channels, filters, options.groups)?;
        let shape = weight_shape::<D>(filters, channels / options.groups, kernel.into())?;
        let fan_in = shape[1..].iter().product();
        let weight = init::default_uniform(shape, fan_in, generator);
        let bias = init::default_uniform([filters], fan_in, generator);
        Ok(ConvNd {
            weight: Tensor::leaf(weight, true),
            bias: Some(Tensor::leaf(bias, true)),
            options,
            mode: PadMode::Constant(0.0),
        })
    }

    /// Without the bias.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::gate::Conv;
    /// use chainrule::nn::{Conv2d, Module};
    /// let layer = Conv2d::new(3, 8, 3, Conv::default(), &mut Generator::new(0))?.without_bias();
    /// assert_eq!(layer.describe(), "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), bias=False)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn without_bias(self) -> ConvNd<D> {
        ConvNd { bias: None, ..self }
    }

    /// With another padding than zeros (`padding_mode` of PyTorch).
    ///
    /// ```
    /// use chainrule::gate::{Conv, PadMode};
    /// use chainrule::nn::{Conv1d, Module};
    /// use chainrule::{param, tensor, Generator};
    /// let layer = Conv1d::new(1, 1, 3, Conv::default().padding(1), &mut Generator::new(0))?;
    /// let mut layer = layer.padded_by(PadMode::Circular).without_bias();
    /// layer.weight = param([[[1.0, 0.0, 0.0]]]); // each output is the element before
    /// assert_eq!(layer.call(&tensor([[[1.0, 2.0, 3.0]]]))?.to_f64_vec(), [3.0, 1.0, 2.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn padded_by(self, mode: PadMode) -> ConvNd<D> {
        ConvNd { mode, ..self }
    }

    /// The input with its padding around it, where that isn't zeros.
    fn padded(&self, x: &Tensor) -> Result<(Tensor, Conv)> {
        if self.mode == PadMode::Constant(0.0) {
            return Ok((x.clone(), self.options));
        }
        let shape = self.weight.shape();
        let size = |sizes: Sizes, d: usize| match sizes.given() {
            [one] => *one,
            many => many.get(d).copied().unwrap_or(0),
        };
        let pad = |d: usize| -> (isize, isize) {
            match self.options.padding {
                Padding::Valid => (0, 0),
                Padding::Zeros(sizes) => (size(sizes, d) as isize, size(sizes, d) as isize),
                Padding::Same => {
                    let total = size(self.options.dilation, d) * (shape[d + 2].max(1) - 1);
                    ((total / 2) as isize, (total - total / 2) as isize)
                }
            }
        };
        let pads: Vec<(isize, isize)> = (0..D).rev().map(pad).collect();
        Ok((x.pad(&pads, self.mode)?, self.options.padding(0)))
    }
}

impl<const D: usize> Module for ConvNd<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (x, options) = self.padded(x)?;
        x.conv(&now(&self.weight), current_of(self.bias.as_ref()).as_deref(), options)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        weight_and_bias(Some(&self.weight), self.bias.as_ref())
    }

    fn describe(&self) -> String {
        let shape = self.weight.shape();
        let sizes =
            convolution::<D>(&self.options, [shape[1] * self.options.groups, shape[0]], &shape[2..], None);
        let bias = if self.bias.is_none() { ", bias=False" } else { "" };
        let mode = match self.mode {
            PadMode::Constant(_) => "",
            PadMode::Reflect => ", padding_mode=reflect",
            PadMode::Replicate => ", padding_mode=replicate",
            PadMode::Circular => ", padding_mode=circular",
        };
        format!("Conv{D}d({sizes}{bias}{mode})")
    }
}

/// What PyTorch writes of a convolution: channels, sizes, and what isn't the default.
fn convolution<const D: usize>(
    options: &Conv,
    [channels, filters]: [usize; 2],
    kernel: &[usize],
    output_padding: Option<Sizes>,
) -> String {
    let differs = |sizes: Sizes, from: usize| sizes.given().iter().any(|&size| size != from);
    let stride = tuple::<D>(options.stride);
    let mut all =
        format!("{channels}, {filters}, kernel_size={}, stride={stride}", crate::gate::tuple(kernel));
    match options.padding {
        Padding::Zeros(sizes) if !differs(sizes, 0) => {}
        Padding::Zeros(sizes) => all += &format!(", padding={}", tuple::<D>(sizes)),
        other => all += &format!(", padding={other}"),
    }
    if differs(options.dilation, 1) {
        all += &format!(", dilation={}", tuple::<D>(options.dilation));
    }
    if let Some(padding) = output_padding.filter(|&padding| differs(padding, 0)) {
        all += &format!(", output_padding={}", tuple::<D>(padding));
    }
    if options.groups != 1 {
        all += &format!(", groups={}", options.groups);
    }
    all
}

/// Sizes as Python prints a tuple with one for each of `D` dimensions.
fn tuple<const D: usize>(sizes: Sizes) -> String {
    match sizes.given() {
        [one] => crate::gate::tuple(&[*one; D]),
        many => crate::gate::tuple(many),
    }
}

/// Transposed convolution: see [`Tensor::conv_transpose`].
///
/// ```
/// use chainrule::gate::Conv;
/// use chainrule::nn::{ConvTranspose2d, Module};
/// use chainrule::{Generator, Tensor};
/// let up = Conv::default().stride(2);
/// let layer = ConvTranspose2d::new(8, 3, 2, up, 0, &mut Generator::new(0))?;
/// assert_eq!(layer.call(&Tensor::ones([1, 8, 5, 5]))?.shape(), [1, 3, 10, 10]); // twice as large
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct ConvTransposeNd<const D: usize> {
    /// The weight, of shape `[channels, filters / groups, kernel…]`.
    pub weight: Tensor,
    /// The bias, of shape `[filters]`.
    pub bias: Option<Tensor>,
    /// Stride, padding, dilation and groups.
    pub options: Conv,
    /// Elements added at the end of each dimension of the output.
    pub output_padding: Sizes,
}

/// Transposed convolution of signals.
pub type ConvTranspose1d = ConvTransposeNd<1>;
/// Transposed convolution of images.
pub type ConvTranspose2d = ConvTransposeNd<2>;
/// Transposed convolution of volumes.
pub type ConvTranspose3d = ConvTransposeNd<3>;

impl<const D: usize> ConvTransposeNd<D> {
    /// A layer with a bias, initialised as in PyTorch.
    ///
    /// # Errors
    /// The groups don't divide the channels, or the kernel has sizes for another number of dimensions.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::gate::Conv;
    /// use chainrule::nn::ConvTranspose1d;
    /// let layer = ConvTranspose1d::new(8, 3, 4, Conv::default(), 0, &mut Generator::new(0))?;
    /// assert_eq!(layer.weight.shape(), [8, 3, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(
        channels: usize,
        filters: usize,
        kernel: impl Into<Sizes>,
        options: Conv,
        output_padding: impl Into<Sizes>,
        generator: &mut Generator,
    ) -> Result<ConvTransposeNd<D>> {
        groups_divide(channels, filters, options.groups)?;
        let shape = weight_shape::<D>(channels, filters / options.groups, kernel.into())?;
        let fan_in = shape[1..].iter().product();
        let weight = init::default_uniform(shape, fan_in, generator);
        let bias = init::default_uniform([filters], fan_in, generator);
        Ok(ConvTransposeNd {
            weight: Tensor::leaf(weight, true),
            bias: Some(Tensor::leaf(bias, true)),
            options,
            output_padding: output_padding.into(),
        })
    }
}

impl<const D: usize> Module for ConvTransposeNd<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let bias = current_of(self.bias.as_ref());
        x.conv_transpose(&current(&self.weight), bias.as_deref(), self.options, self.output_padding)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        weight_and_bias(Some(&self.weight), self.bias.as_ref())
    }

    fn describe(&self) -> String {
        let shape = self.weight.shape();
        let channels = [shape[0], shape[1] * self.options.groups];
        let sizes = convolution::<D>(&self.options, channels, &shape[2..], Some(self.output_padding));
        let bias = if self.bias.is_none() { ", bias=False" } else { "" };
        format!("ConvTranspose{D}d({sizes}{bias})")
    }
}

/// The largest element of each window: see [`MaxPool`](crate::gate::MaxPool).
///
/// ```
/// use chainrule::gate::Window;
/// use chainrule::nn::{MaxPool1d, Module};
/// use chainrule::tensor;
/// let layer = MaxPool1d::new(Window::new(2));
/// assert_eq!(layer.call(&tensor([[[1.0, 5.0, 2.0, 4.0]]]))?.to_f64_vec(), [5.0, 4.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct MaxPoolNd<const D: usize>(pub Window);

/// The largest element of each window of signals.
pub type MaxPool1d = MaxPoolNd<1>;
/// The largest element of each window of images.
pub type MaxPool2d = MaxPoolNd<2>;
/// The largest element of each window of volumes.
pub type MaxPool3d = MaxPoolNd<3>;

impl<const D: usize> MaxPoolNd<D> {
    /// With these windows.
    ///
    /// ```
    /// use chainrule::gate::Window;
    /// use chainrule::nn::{MaxPool2d, Module};
    /// assert_eq!(
    ///     MaxPool2d::new(Window::new(3).stride(2)).describe(),
    ///     "MaxPool2d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=False)"
    /// );
    /// ```
    pub fn new(window: Window) -> MaxPoolNd<D> {
        MaxPoolNd(window)
    }
}

impl<const D: usize> Module for MaxPoolNd<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.max_pool(D, self.0)
    }

    fn describe(&self) -> String {
        describe_pool("Max", D, &self.0)
    }
}

/// A pooling layer as PyTorch prints it.
fn describe_pool(kind: &str, dims: usize, window: &Window) -> String {
    match window {
        Window::Sliding { kernel, stride, padding, dilation, ceil } => {
            let stride = stride.unwrap_or(*kernel);
            let dilation = if kind == "Max" {
                format!(", dilation={dilation}, ceil_mode={}", python(*ceil))
            } else {
                String::new()
            };
            format!("{kind}Pool{dims}d(kernel_size={kernel}, stride={stride}, padding={padding}{dilation})")
        }
        Window::Adaptive(sizes, given) => {
            let sizes: Vec<String> = sizes[..*given]
                .iter()
                .map(|size| size.map_or("None".into(), |size| size.to_string()))
                .collect();
            format!("Adaptive{kind}Pool{dims}d(output_size=({}))", sizes.join(", "))
        }
    }
}

/// The mean of each window: see [`AvgPool`].
///
/// ```
/// use chainrule::gate::{AvgPool, Window};
/// use chainrule::nn::{AvgPool1d, Module};
/// use chainrule::tensor;
/// let layer = AvgPool1d::new(AvgPool::of(Window::new(2)));
/// assert_eq!(layer.call(&tensor([[[1.0, 5.0, 2.0, 4.0]]]))?.to_f64_vec(), [3.0, 3.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AvgPoolNd<const D: usize>(pub AvgPool);

/// The mean of each window of signals.
pub type AvgPool1d = AvgPoolNd<1>;
/// The mean of each window of images.
pub type AvgPool2d = AvgPoolNd<2>;
/// The mean of each window of volumes.
pub type AvgPool3d = AvgPoolNd<3>;

impl<const D: usize> AvgPoolNd<D> {
    /// With these windows.
    ///
    /// ```
    /// use chainrule::gate::{AvgPool, Window};
    /// use chainrule::nn::{AvgPool2d, Module};
    /// let layer = AvgPool2d::new(AvgPool::of(Window::new(2)));
    /// assert_eq!(layer.describe(), "AvgPool2d(kernel_size=2, stride=2, padding=0)");
    /// ```
    pub fn new(pool: AvgPool) -> AvgPoolNd<D> {
        AvgPoolNd(pool)
    }
}

impl<const D: usize> Module for AvgPoolNd<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.avg_pool(D, self.0)
    }

    fn describe(&self) -> String {
        describe_pool("Avg", D, &self.0.window)
    }
}

/// The means of so many windows in each dimension, whatever the input's sizes.
///
/// ```
/// use chainrule::nn::{AdaptiveAvgPool2d, Module};
/// use chainrule::tensor;
/// let layer = AdaptiveAvgPool2d::new([1, 1]);
/// assert_eq!(layer.call(&tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))?.to_f64_vec(), [3.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AdaptiveAvgPoolNd<const D: usize>(pub [usize; D]);

/// Means of so many windows of signals.
pub type AdaptiveAvgPool1d = AdaptiveAvgPoolNd<1>;
/// Means of so many windows of images.
pub type AdaptiveAvgPool2d = AdaptiveAvgPoolNd<2>;
/// Means of so many windows of volumes.
pub type AdaptiveAvgPool3d = AdaptiveAvgPoolNd<3>;

impl<const D: usize> AdaptiveAvgPoolNd<D> {
    /// With so many windows in each dimension.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::nn::{AdaptiveAvgPool2d, Module};
    /// assert_eq!(AdaptiveAvgPool2d::new([6, 6]).call(&Tensor::ones([1, 4, 13, 17]))?.shape(), [1, 4, 6, 6]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(sizes: [usize; D]) -> AdaptiveAvgPoolNd<D> {
        AdaptiveAvgPoolNd(sizes)
    }
}

impl<const D: usize> Module for AdaptiveAvgPoolNd<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.adaptive_avg_pool(&self.0.map(Some))
    }

    fn describe(&self) -> String {
        format!("AdaptiveAvgPool{D}d(output_size={})", crate::gate::tuple(&self.0))
    }
}

/// The largest elements of so many windows in each dimension, whatever the input's sizes.
///
/// ```
/// use chainrule::nn::{AdaptiveMaxPool1d, Module};
/// use chainrule::tensor;
/// let layer = AdaptiveMaxPool1d::new([2]);
/// assert_eq!(layer.call(&tensor([[[1.0, 5.0, 2.0, 4.0]]]))?.to_f64_vec(), [5.0, 4.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AdaptiveMaxPoolNd<const D: usize>(pub [usize; D]);

/// Largest elements of so many windows of signals.
pub type AdaptiveMaxPool1d = AdaptiveMaxPoolNd<1>;
/// Largest elements of so many windows of images.
pub type AdaptiveMaxPool2d = AdaptiveMaxPoolNd<2>;
/// Largest elements of so many windows of volumes.
pub type AdaptiveMaxPool3d = AdaptiveMaxPoolNd<3>;

impl<const D: usize> AdaptiveMaxPoolNd<D> {
    /// With so many windows in each dimension.
    ///
    /// ```
    /// use chainrule::nn::{AdaptiveMaxPool2d, Module};
    /// assert_eq!(AdaptiveMaxPool2d::new([2, 3]).describe(), "AdaptiveMaxPool2d(output_size=(2, 3))");
    /// ```
    pub fn new(sizes: [usize; D]) -> AdaptiveMaxPoolNd<D> {
        AdaptiveMaxPoolNd(sizes)
    }
}

impl<const D: usize> Module for AdaptiveMaxPoolNd<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.adaptive_max_pool(&self.0.map(Some))
    }

    fn describe(&self) -> String {
        format!("AdaptiveMaxPool{D}d(output_size={})", crate::gate::tuple(&self.0))
    }
}

/// Padding as a layer: see [`Tensor::pad`] (`ReflectionPad2d` and its relatives in PyTorch).
///
/// ```
/// use chainrule::gate::PadMode;
/// use chainrule::nn::{Module, Pad};
/// use chainrule::tensor;
/// let layer = Pad { pads: vec![(1, 1)], mode: PadMode::Reflect };
/// assert_eq!(layer.call(&tensor([[1.0, 2.0, 3.0]]))?.to_f64_vec(), [2.0, 1.0, 2.0, 3.0, 2.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pad {
    /// How many elements before and after each dimension, beginning with the last.
    pub pads: Vec<(isize, isize)>,
    /// What stands there.
    pub mode: PadMode,
}

impl Module for Pad {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.pad(&self.pads, self.mode)
    }

    fn describe(&self) -> String {
        let pads: Vec<String> = self.pads.iter().flat_map(|(a, b)| [a.to_string(), b.to_string()]).collect();
        let name = match self.mode {
            PadMode::Constant(_) => "Constant",
            PadMode::Reflect => "Reflection",
            PadMode::Replicate => "Replication",
            PadMode::Circular => "Circular",
        };
        format!("{name}Pad{}d(({}))", self.pads.len(), pads.join(", "))
    }
}
