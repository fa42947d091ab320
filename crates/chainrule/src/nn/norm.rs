//! Normalising layers, with the running statistics of batch normalisation as buffers.

use std::sync::atomic::{AtomicBool, Ordering};

use super::layers::{python, weight_and_bias};
use super::module::current_of;
use super::{Module, Owned};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::gate::{Over, RunningStatistics};
use crate::tensor::Tensor;

/// A parameter of ones, or of zeros.
fn constant(shape: &[usize], value: f64) -> Result<Tensor> {
    Ok(Tensor::leaf(Array::full(crate::Shape::new(shape)?, value), true))
}

/// Batch normalisation of `[n, channels, …]` with `D` sizes after the channels (none, for `BatchNorm1d`, too):
/// see [`Tensor::batch_norm`].
///
/// ```
/// use chainrule::nn::{BatchNorm1d, Module};
/// use chainrule::tensor;
/// let layer = BatchNorm1d::new(1)?;
/// let y = layer.call(&tensor([[1.0], [3.0]]))?;
/// assert_eq!(y.detach().to_string(), "tensor([[-1.0000],\n        [ 1.0000]])");
/// assert_eq!(layer.running_mean.to_string(), "tensor([0.2000])"); // 0.9·0 + 0.1·2
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchNormNd<const D: usize> {
    /// The scale of each channel, 1 at first.
    pub weight: Tensor,
    /// The shift of each channel, 0 at first.
    pub bias: Tensor,
    /// The running mean of each channel.
    pub running_mean: Tensor,
    /// The running variance of each channel.
    pub running_var: Tensor,
    /// How many batches the running statistics have seen.
    pub num_batches_tracked: Tensor,
    /// How far a batch moves the running statistics.
    pub momentum: f64,
    /// ε, which keeps the divisor off 0.
    pub epsilon: f64,
    training: AtomicBool,
}

/// Batch normalisation of vectors `[n, channels]` and signals `[n, channels, length]`.
pub type BatchNorm1d = BatchNormNd<1>;
/// Batch normalisation of images.
pub type BatchNorm2d = BatchNormNd<2>;
/// Batch normalisation of volumes.
pub type BatchNorm3d = BatchNormNd<3>;

impl<const D: usize> BatchNormNd<D> {
    /// A layer for so many channels, with momentum 0.1 and ε = 1e-5.
    ///
    /// ```
    /// use chainrule::nn::{BatchNorm2d, Module};
    /// let layer = BatchNorm2d::new(16)?;
    /// let names: Vec<String> = layer.state().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are too many channels to address.
    pub fn new(channels: usize) -> Result<BatchNormNd<D>> {
        Ok(BatchNormNd {
            weight: constant(&[channels], 1.0)?,
            bias: constant(&[channels], 0.0)?,
            running_mean: Tensor::zeros([channels]),
            running_var: Tensor::ones([channels]),
            num_batches_tracked: Tensor::from_array(Array::scalar(0i64)),
            momentum: 0.1,
            epsilon: 1e-5,
            training: AtomicBool::new(true),
        })
    }
}

impl<const D: usize> Module for BatchNormNd<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let rank = x.rank();
        if rank != D + 2 && !(D == 1 && rank == 2) {
            return Err(Error::shape(format!(
                "BatchNorm{D}d takes [n, channels, …] with {D} sizes after the channels, not the shape {}",
                x.shape()
            )));
        }
        let training = self.training.load(Ordering::Relaxed);
        let running = RunningStatistics { mean: &self.running_mean, variance: &self.running_var };
        let (weight, bias) = (current_of(Some(&self.weight)), current_of(Some(&self.bias)));
        let y = x.batch_norm(
            Some(running),
            weight.as_deref(),
            bias.as_deref(),
            training,
            self.momentum,
            self.epsilon,
        )?;
        if training {
            crate::no_grad(|| self.num_batches_tracked.copy_(&self.num_batches_tracked.add(1)?))?;
        }
        Ok(y)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        let mut all = weight_and_bias(Some(&self.weight), Some(&self.bias));
        all.extend([
            ("running_mean", Owned::Buffer(self.running_mean.clone())),
            ("running_var", Owned::Buffer(self.running_var.clone())),
            ("num_batches_tracked", Owned::Buffer(self.num_batches_tracked.clone())),
        ]);
        all
    }

    fn training_flag(&self) -> Option<&AtomicBool> {
        Some(&self.training)
    }

    fn describe(&self) -> String {
        format!(
            "BatchNorm{D}d({}, eps={}, momentum={}, affine=True, track_running_stats=True)",
            self.weight.elements(),
            number(self.epsilon),
            self.momentum
        )
    }
}

/// A small number as Python prints it: `1e-05`.
fn number(x: f64) -> String {
    let text = format!("{x:e}");
    match text.split_once("e-") {
        Some((digits, exponent)) if exponent.len() == 1 && exponent > "4" => format!("{digits}e-0{exponent}"),
        _ => x.to_string(),
    }
}

/// Layer normalisation over the last dimensions: see [`Tensor::layer_norm`].
///
/// ```
/// use chainrule::nn::{LayerNorm, Module};
/// use chainrule::tensor;
/// let y = LayerNorm::new(&[2])?.call(&tensor([[1.0, 3.0], [10.0, 30.0]]))?;
/// assert_eq!(y.detach().to_string(), "tensor([[-1.0000,  1.0000],\n        [-1.0000,  1.0000]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct LayerNorm {
    /// The scale of each element, 1 at first.
    pub weight: Tensor,
    /// The shift of each element, 0 at first.
    pub bias: Tensor,
    /// ε, which keeps the divisor off 0.
    pub epsilon: f64,
}

impl LayerNorm {
    /// A layer for tensors whose last dimensions have this shape, with ε = 1e-5.
    ///
    /// # Errors
    /// The shape has too many dimensions.
    ///
    /// ```
    /// use chainrule::nn::{LayerNorm, Module};
    /// assert_eq!(LayerNorm::new(&[8])?.describe(), "LayerNorm((8,), eps=1e-05, elementwise_affine=True)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(shape: &[usize]) -> Result<LayerNorm> {
        Ok(LayerNorm { weight: constant(shape, 1.0)?, bias: constant(shape, 0.0)?, epsilon: 1e-5 })
    }
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (current_of(Some(&self.weight)), current_of(Some(&self.bias)));
        x.layer_norm(&self.weight.shape(), weight.as_deref(), bias.as_deref(), self.epsilon)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        weight_and_bias(Some(&self.weight), Some(&self.bias))
    }

    fn describe(&self) -> String {
        let shape = crate::gate::tuple(&self.weight.shape());
        format!("LayerNorm({shape}, eps={}, elementwise_affine=True)", number(self.epsilon))
    }
}

/// Normalisation by the root of the mean square: see [`Tensor::rms_norm`].
///
/// ```
/// use chainrule::nn::{Module, RmsNorm};
/// use chainrule::tensor;
/// let y = RmsNorm::new(&[2])?.call(&tensor([[3.0, 4.0]]))?;
/// assert_eq!(y.detach().to_string(), "tensor([[0.8485, 1.1314]])"); // x / √12.5
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct RmsNorm {
    /// The scale of each element, 1 at first.
    pub weight: Tensor,
    /// ε; the element type's own where `None`.
    pub epsilon: Option<f64>,
}

impl RmsNorm {
    /// A layer for tensors whose last dimensions have this shape.
    ///
    /// # Errors
    /// The shape has too many dimensions.
    ///
    /// ```
    /// use chainrule::nn::{Module, RmsNorm};
    /// assert_eq!(RmsNorm::new(&[8])?.describe(), "RMSNorm((8,), eps=None, elementwise_affine=True)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(shape: &[usize]) -> Result<RmsNorm> {
        Ok(RmsNorm { weight: constant(shape, 1.0)?, epsilon: None })
    }
}

impl Module for RmsNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.rms_norm(&self.weight.shape(), current_of(Some(&self.weight)).as_deref(), self.epsilon)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        weight_and_bias(Some(&self.weight), None)
    }

    fn describe(&self) -> String {
        let epsilon = self.epsilon.map_or("None".to_string(), number);
        let shape = crate::gate::tuple(&self.weight.shape());
        format!("RMSNorm({shape}, eps={epsilon}, elementwise_affine=True)")
    }
}

/// Group normalisation of `[n, channels, …]`: see [`Tensor::group_norm`].
///
/// ```
/// use chainrule::nn::{GroupNorm, Module};
/// use chainrule::tensor;
/// let y = GroupNorm::new(2, 4)?.call(&tensor([[1.0, 3.0, 10.0, 30.0]]))?;
/// assert_eq!(y.detach().to_string(), "tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct GroupNorm {
    /// The scale of each channel, 1 at first.
    pub weight: Tensor,
    /// The shift of each channel, 0 at first.
    pub bias: Tensor,
    /// ε, which keeps the divisor off 0.
    pub epsilon: f64,
    groups: usize,
}

impl GroupNorm {
    /// A layer with so many groups of so many channels in all, with ε = 1e-5.
    ///
    /// # Errors
    /// The groups don't divide the channels evenly.
    ///
    /// ```
    /// use chainrule::nn::GroupNorm;
    /// assert!(GroupNorm::new(2, 4).is_ok() && GroupNorm::new(3, 4).is_err());
    /// ```
    pub fn new(groups: usize, channels: usize) -> Result<GroupNorm> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(Error::argument(format!("{groups} groups don't divide {channels} channels evenly")));
        }
        Ok(GroupNorm {
            weight: constant(&[channels], 1.0)?,
            bias: constant(&[channels], 0.0)?,
            epsilon: 1e-5,
            groups,
        })
    }
}

impl Module for GroupNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (current_of(Some(&self.weight)), current_of(Some(&self.bias)));
        x.group_norm(self.groups, weight.as_deref(), bias.as_deref(), self.epsilon)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        weight_and_bias(Some(&self.weight), Some(&self.bias))
    }

    fn describe(&self) -> String {
        let channels = self.weight.elements();
        format!("GroupNorm({}, {channels}, eps={}, affine=True)", self.groups, number(self.epsilon))
    }
}

/// Instance normalisation: each channel of each example by itself (Ulyanov et al., 2016); no parameters.
///
/// ```
/// use chainrule::nn::{InstanceNorm1d, Module};
/// use chainrule::tensor;
/// let y = InstanceNorm1d::default().call(&tensor([[[1.0, 3.0], [10.0, 30.0]]]))?;
/// assert_eq!(y.to_string(), "tensor([[[-1.0000,  1.0000],\n         [-1.0000,  1.0000]]])");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct InstanceNormNd<const D: usize> {
    /// ε, which keeps the divisor off 0.
    pub epsilon: f64,
}

/// Instance normalisation of signals.
pub type InstanceNorm1d = InstanceNormNd<1>;
/// Instance normalisation of images.
pub type InstanceNorm2d = InstanceNormNd<2>;
/// Instance normalisation of volumes.
pub type InstanceNorm3d = InstanceNormNd<3>;

impl<const D: usize> Default for InstanceNormNd<D> {
    /// With ε = 1e-5.
    fn default() -> Self {
        InstanceNormNd { epsilon: 1e-5 }
    }
}

impl<const D: usize> Module for InstanceNormNd<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.rank() != D + 2 {
            return Err(Error::shape(format!(
                "InstanceNorm{D}d takes [n, channels, …] with {D} sizes, not the shape {}",
                x.shape()
            )));
        }
        x.normalize_over(Over::Group(x.shape()[1]), self.epsilon)
    }

    fn describe(&self) -> String {
        let off = python(false);
        format!("InstanceNorm{D}d(eps={}, affine={off}, track_running_stats={off})", number(self.epsilon))
    }
}

/// Local response normalisation across channels: see [`Tensor::local_response_norm`].
///
/// ```
/// use chainrule::nn::{LocalResponseNorm, Module};
/// use chainrule::tensor;
/// let layer = LocalResponseNorm { size: 1, alpha: 1.0, beta: 1.0, k: 1.0 };
/// assert_eq!(
///     layer.call(&tensor([[[1.0], [3.0]]]))?.to_string(),
///     "tensor([[[0.5000],\n         [0.3000]]])"
/// ); // x/(1 + x²)
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LocalResponseNorm {
    /// How many channels are taken together.
    pub size: usize,
    /// α
    pub alpha: f64,
    /// β
    pub beta: f64,
    /// k
    pub k: f64,
}

impl LocalResponseNorm {
    /// With PyTorch's α = 1e-4, β = 0.75 and k = 1.
    ///
    /// ```
    /// use chainrule::nn::LocalResponseNorm;
    /// let layer = LocalResponseNorm::new(5);
    /// assert_eq!((layer.alpha, layer.beta, layer.k), (1e-4, 0.75, 1.0));
    /// ```
    pub fn new(size: usize) -> LocalResponseNorm {
        LocalResponseNorm { size, alpha: 1e-4, beta: 0.75, k: 1.0 }
    }
}

impl Module for LocalResponseNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.local_response_norm(self.size, self.alpha, self.beta, self.k)
    }

    fn describe(&self) -> String {
        let LocalResponseNorm { size, alpha, beta, k } = self;
        format!("LocalResponseNorm({size}, alpha={alpha}, beta={beta}, k={k:?})")
    }
}
