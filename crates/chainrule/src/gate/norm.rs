//! Normalisation: of batches, layers, groups and instances, by the root of the mean square, and across channels.
//!
//! ```
//! use chainrule::tensor;
//! let x = tensor([[1.0, 3.0], [10.0, 30.0]]);
//! let y = x.layer_norm(&[2], None, None, 0.0)?; // every row has mean 0 and variance 1
//! assert_eq!(y.to_string(), "tensor([[-1.,  1.],\n        [-1.,  1.]])");
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::conv::uneven;
use super::elementwise::expect_inputs;
use super::pool::{AvgPool, Window};
use super::reduce::only_float;
use super::{
    Context, Entry, Gate, Gradients, Metas, Needs, Next, Outputs, Sample, Saved, SavedAs, Saves, TorchNode,
    tuple,
};
use crate::array::{Array, DType, Meta, Shape, dispatch_float};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::kernel::Kernels as _;
use crate::kernel::{memory, norm};
use crate::tensor::{CallerGuard, Tensor};

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Normalize::ENTRY];

/// Which elements are normalised together.
///
/// ```
/// use chainrule::gate::Over;
/// use chainrule::tensor;
/// let x = tensor([[1.0, 3.0], [3.0, 7.0]]); // two examples of two channels
/// assert_eq!(x.normalize_over(Over::Channel, 0.0)?.to_f64_vec(), [-1.0, -1.0, 1.0, 1.0]);
/// assert_eq!(x.normalize_over(Over::Last(1), 0.0)?.to_f64_vec(), [-1.0, 1.0, -1.0, 1.0]);
/// assert!(x.normalize_over(Over::Group(3), 0.0).is_err());
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Those of one channel, over the batch and all positions of `[n, channels, …]`.
    Channel,
    /// Those of the last so many dimensions.
    Last(usize),
    /// Those of one example and one of so many groups of channels of `[n, channels, …]`.
    Group(usize),
}

impl Over {
    /// The shape seen as `[outer, groups, inner]`, a group being normalised together.
    fn sizes(self, shape: &Shape) -> Result<norm::Sizes> {
        let product = |from: usize, to: usize| shape[from..to].iter().product::<usize>();
        let rank = shape.rank();
        let two = || match rank {
            0 | 1 => Err(Error::shape(format!("it needs [n, channels, …], not the shape {shape}"))),
            _ => Ok(()),
        };
        match self {
            Over::Channel => two().map(|()| [shape[0], shape[1], product(2, rank)]),
            Over::Last(count) if count == 0 || count > rank => Err(Error::shape(format!(
                "{count} dimensions are to be normalised, and the shape {shape} has {rank}"
            ))),
            Over::Last(count) => Ok([1, product(0, rank - count), product(rank - count, rank)]),
            Over::Group(groups) => {
                two()?;
                if shape[1] == 0 {
                    return Err(Error::shape(format!("the shape {shape} has no channels to normalise")));
                }
                if groups == 0 || !shape[1].is_multiple_of(groups) {
                    return Err(Error::argument(format!(
                        "{groups} groups don't divide {} channels evenly",
                        shape[1]
                    )));
                }
                if product(2, rank) == 0 {
                    return Err(Error::shape(format!("there is no place to normalise in the shape {shape}")));
                }
                Ok([1, shape[0] * groups, shape[1] / groups * product(2, rank)])
            }
        }
    }
}

documented! {
    /// `y = (x − mean) / √(variance + ε)` over groups of elements; without the mean, and with the mean square for
    /// the variance, where not `centred`.
    ///
    /// ```
    /// use chainrule::gate::{Normalize, Over};
    /// use chainrule::{tensor, Tensor};
    /// let root_mean_square = Normalize { over: Over::Last(1), epsilon: 0.0, centred: false };
    /// let y = Tensor::apply(root_mean_square, &[&tensor([2.0, 2.0])])?;
    /// assert_eq!(y.to_f64_vec(), [1.0, 1.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Normalize {
        /// Which elements belong together.
        pub over: Over,
        /// ε, which keeps the divisor off 0.
        pub epsilon: f64,
        /// Whether the mean is taken off.
        pub centred: bool,
    }
}

impl Normalize {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Normalize",
        method: "normalize_over, layer_norm, group_norm, instance_norm, rms_norm, batch_norm",
        doc: Normalize::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let of = |over: Over, centred: bool, x: Array| {
                Sample::new(Normalize { over, epsilon: 1e-3, centred }, [x])
            };
            vec![
                of(Over::Channel, true, uneven([3, 2, 2, 3], 1)),
                of(Over::Channel, true, uneven([5, 3], 2)),
                of(Over::Last(1), true, uneven([4, 5], 3)),
                of(Over::Last(2), true, uneven([2, 3, 4], 4)),
                of(Over::Last(1), false, uneven([2, 3, 4], 5)),
                of(Over::Group(2), true, uneven([2, 4, 3], 6)),
                of(Over::Group(4), true, uneven([1, 4, 2, 3], 7)),
                of(Over::Channel, true, uneven([0, 2, 3], 8)),
                of(Over::Group(3), true, uneven([2, 4, 3], 9)).refused(ErrorKind::Argument),
                of(Over::Group(1), true, uneven([2, 0, 3], 9)).refused(ErrorKind::Shape),
                of(Over::Last(3), true, uneven([2, 4], 9)).refused(ErrorKind::Shape),
                of(Over::Channel, true, uneven([4], 9)).refused(ErrorKind::Shape),
                of(Over::Last(1), true, Array::zeros_of([4], DType::I64)).refused(ErrorKind::DType),
            ]
        },
    };
}

impl Gate for Normalize {
    fn name(&self) -> &'static str {
        "Normalize"
    }

    fn grad_fn(&self) -> String {
        match (self.over, self.centred) {
            (Over::Channel, _) => "NativeBatchNormBackward0",
            (Over::Last(_), true) => "NativeLayerNormBackward0",
            (Over::Last(_), false) => "FusedRmsNormBackward0",
            (Over::Group(_), _) => "NativeGroupNormBackward0",
        }
        .into()
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        only_float(&inputs[0])?;
        self.over.sizes(&inputs[0].shape)?;
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let x = inputs[0].contiguous();
        let sizes = self.over.sizes(x.shape())?;
        Ok([dispatch_float!(x.dtype(), T => {
            let mut out = memory::take::<T>(x.elements());
            let moments = T::moments(x.values::<T>(), sizes, self.centred);
            T::normalize(x.values::<T>(), sizes, &moments, self.epsilon, &mut out);
            Array::filled(out, *x.shape())
        }, otherwise => x)]
        .into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let x = saved.input(0)?;
        if x.elements() == 0 {
            return Ok([Some(x.zeros_like())].into_iter().collect());
        }
        let shape = x.shape();
        let view = Shape::from(self.over.sizes(&shape)?);
        let (x, g) = (x.reshape(view)?, g.reshape(view)?);
        let mean = |x: &Tensor| x.mean_dim(&[0, 2], true);
        let centred = if self.centred { x.sub(&mean(&x)?)? } else { x };
        let root = mean(&centred.mul(&centred)?)?.add(self.epsilon)?.sqrt()?.reciprocal()?;
        let y = centred.mul(&root)?;
        let mut inner = g.sub(&y.mul(&mean(&g.mul(&y)?)?)?)?;
        if self.centred {
            inner = inner.sub(&mean(&g)?)?;
        }
        Ok([Some(inner.mul(&root)?.reshape(shape)?)].into_iter().collect())
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
            let sizes = self.over.sizes(x.shape())?;
            let gradient = dispatch_float!(x.dtype(), T => {
                let mut out = memory::take::<T>(x.elements());
                let (values, g) = (x.values::<T>(), g.values::<T>());
                T::normalize_gradient(values, g, sizes, self.centred, self.epsilon, &mut out);
                Array::filled(out, *x.shape())
            }, otherwise => x);
            Ok([Some(gradient)].into_iter().collect())
        };
        Some(gradient())
    }

    fn formula(&self) -> Formula {
        match self.centred {
            true => Formula::rule(
                "y = (x − mean) / √(variance + ε)",
                ["∂L/∂x = (g − mean(g) − y·mean(g·y)) / √(variance + ε)"],
            ),
            false => {
                Formula::rule("y = x / √(mean(x²) + ε)", ["∂L/∂x = (g − y·mean(g·y)) / √(mean(x²) + ε)"])
            }
        }
    }

    fn cost(&self, _inputs: &[Meta], outputs: &[Meta]) -> u64 {
        3 * outputs[0].shape.elements() as u64
    }
}

/// What batch normalisation remembers of earlier batches.
///
/// ```
/// use chainrule::gate::RunningStatistics;
/// use chainrule::{tensor, Tensor};
/// let (mean, variance) = (Tensor::zeros([1]), Tensor::ones([1]));
/// let running = RunningStatistics { mean: &mean, variance: &variance };
/// tensor([[1.0], [3.0]]).batch_norm(Some(running), None, None, true, 0.5, 1e-5)?;
/// assert_eq!((mean.item()?, variance.item()?), (1.0, 1.5)); // half way to mean 2 and variance 2
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RunningStatistics<'a> {
    /// The mean of each channel, updated while training.
    pub mean: &'a Tensor,
    /// The variance of each channel, updated while training.
    pub variance: &'a Tensor,
}

/// Mean and unbiased variance of each channel of `[n, channels, …]`.
fn channel_statistics(x: &Tensor) -> Result<(Array, Array)> {
    let x = x.array().contiguous();
    let sizes = Over::Channel.sizes(x.shape())?;
    let count = (sizes[0] * sizes[2]) as f64;
    Ok(dispatch_float!(x.dtype(), T => {
        let moments = T::moments(x.values::<T>(), sizes, true);
        let of = |f: &dyn Fn(&norm::Moments) -> f64| {
            Array::filled(moments.iter().map(|m| f(m) as T).collect(), [sizes[1]].into())
        };
        (of(&|m| m.mean), of(&|m| m.variance * count / (count - 1.0)))
    }, otherwise => (x.clone(), x)))
}

/// A tensor that PyTorch's node saves, or `None` where there is none.
fn saved_or_none(node: TorchNode, name: &str, tensor: Option<&Tensor>) -> TorchNode {
    match tensor {
        Some(tensor) => node.saving(name, SavedAs::Other(tensor.shape())),
        None => node.with(name, "None"),
    }
}

impl Tensor {
    /// Elements with mean 0 and variance 1 over groups of them: see [`Normalize`].
    ///
    /// # Errors
    /// The shape doesn't have such groups.
    ///
    /// ```
    /// use chainrule::{gate::Over, tensor};
    /// let y = tensor([[1.0, 3.0]]).normalize_over(Over::Last(1), 0.0)?;
    /// assert_eq!(y.to_vec::<f32>()?, [-1.0, 1.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn normalize_over(&self, over: Over, epsilon: f64) -> Result<Tensor> {
        Tensor::apply(Normalize { over, epsilon, centred: true }, &[self])
    }

    /// `x·w + b`; w and b have the shape of the last dimensions.
    #[track_caller]
    fn scale_and_shift(&self, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let scaled = weight.map_or_else(|| Ok(self.clone()), |weight| self.mul(weight))?;
        bias.map_or_else(|| Ok(scaled.clone()), |bias| scaled.add(bias))
    }

    /// `x·w + b` with a number for each channel of `[n, channels, …]`.
    #[track_caller]
    fn scale_channels(&self, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let shape = self.shape();
        let mut sizes = vec![1; shape.rank() - 1];
        sizes[0] = shape[1];
        let spread = |x: Option<&Tensor>| -> Result<Option<Tensor>> {
            let Some(x) = x else { return Ok(None) };
            if x.shape() != [shape[1]] {
                return Err(Error::shape(format!(
                    "weight and bias are one number for each of {} channels, and not of shape {}",
                    shape[1],
                    x.shape()
                ))
                .at_gate("Normalize"));
            }
            Ok(Some(x.reshape(Shape::new(&sizes)?)?))
        };
        self.scale_and_shift(spread(weight)?.as_ref(), spread(bias)?.as_ref())
    }

    /// Notes that `y`, computed from this tensor, is one node in PyTorch's graph. The node's own attributes come
    /// from `node`.
    fn is_one_node(
        &self,
        y: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        node: impl FnOnce() -> TorchNode,
    ) {
        let inputs: Vec<&Tensor> = [Some(self), weight, bias].into_iter().flatten().collect();
        y.stands_for(&inputs, || {
            let mut node = node();
            node.next = (0..inputs.len()).map(Next::Input).collect();
            match weight {
                Some(weight) if weight.requires_grad() => node.saving("weight", SavedAs::Input(1)),
                weight => saved_or_none(node, "weight", weight),
            }
        });
    }

    /// [`Tensor::is_one_node`] for batch normalisation.
    fn is_batch_norm(
        &self,
        y: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        training: bool,
        epsilon: f64,
    ) {
        self.is_one_node(y, weight, bias, || {
            let channels = Shape::from([self.shape()[1]]);
            let moments = SavedAs::Other(if training { channels } else { Shape::from([0]) });
            TorchNode::new("NativeBatchNormBackward0", [])
                .saving("input", SavedAs::Other(self.shape()))
                .saving("result1", moments)
                .saving("result2", moments)
                .saving("running_mean", SavedAs::Other(channels))
                .saving("running_var", SavedAs::Other(channels))
                .with("eps", format!("{epsilon:?}").replace("e-5", "e-05"))
                .with("training", if training { "True" } else { "False" })
        });
    }

    /// Layer normalisation (Ba et al., 2016) over the last dimensions, which have the shape `shape`, as have
    /// weight and bias: `(x − mean) / √(variance + ε)·w + b`.
    ///
    /// # Errors
    /// The tensor's last dimensions don't have this shape.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = tensor([[1.0, 3.0]]).layer_norm(&[2], None, Some(&tensor([1.0, 1.0])), 0.0)?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 2.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn layer_norm(
        &self,
        shape: &[usize],
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<Tensor> {
        self.ends_in(shape, [weight, bias])?;
        let y = self.normalize_over(Over::Last(shape.len()), epsilon)?.scale_and_shift(weight, bias)?;
        self.is_one_node(&y, weight, bias, || {
            let mut sizes = self.shape();
            (0..shape.len()).for_each(|d| sizes = sizes.with_size(sizes.rank() - 1 - d, 1));
            let node = TorchNode::new("NativeLayerNormBackward0", [])
                .saving("input", SavedAs::Other(self.shape()))
                .saving("result1", SavedAs::Other(sizes))
                .saving("result2", SavedAs::Other(sizes))
                .with("normalized_shape", tuple(shape));
            saved_or_none(node, "bias", bias)
        });
        Ok(y)
    }

    /// Normalisation by the root of the mean square (Zhang and Sennrich, 2019) over the last dimensions, which
    /// have the shape `shape`, as has the weight: `x / √(mean(x²) + ε)·w`; ε is the element type's own by default.
    ///
    /// # Errors
    /// The tensor's last dimensions don't have this shape.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([[3.0, 4.0]]).rms_norm(&[2], None, Some(0.0))?;
    /// assert_eq!(y.to_string(), "tensor([[0.8485, 1.1314]])"); // x / √12.5
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn rms_norm(&self, shape: &[usize], weight: Option<&Tensor>, epsilon: Option<f64>) -> Result<Tensor> {
        self.ends_in(shape, [weight, None])?;
        let smallest = if self.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
        let gate =
            Normalize { over: Over::Last(shape.len()), epsilon: epsilon.unwrap_or(smallest), centred: false };
        Tensor::apply(gate, &[self])?.scale_and_shift(weight, None)
    }

    /// Checks that the last dimensions have this shape, and the parameters too.
    fn ends_in(&self, shape: &[usize], parameters: [Option<&Tensor>; 2]) -> Result<()> {
        let own = self.shape();
        let wrong = parameters.into_iter().flatten().find(|p| p.shape()[..] != *shape);
        if shape.is_empty() || !own.ends_with(shape) || wrong.is_some() {
            let what = wrong.map_or_else(
                || format!("the input's shape {own}"),
                |p| format!("the weight's or bias's shape {}", p.shape()),
            );
            return Err(Error::shape(format!("{what} doesn't end in the normalised shape {shape:?}"))
                .at_gate("Normalize"));
        }
        Ok(())
    }

    /// Group normalisation (Wu and He, 2018) of `[n, channels, …]`: mean and variance of each example and group
    /// of channels; weight and bias have a number for each channel.
    ///
    /// # Errors
    /// The groups don't divide the channels evenly, or one example has one value in each group.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 3.0, 10.0, 30.0]]); // four channels in two groups
    /// assert_eq!(x.group_norm(2, None, None, 0.0)?.to_string(), "tensor([[-1.,  1., -1.,  1.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn group_norm(
        &self,
        groups: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<Tensor> {
        let y = self.normalize_over(Over::Group(groups), epsilon)?.scale_channels(weight, bias)?;
        if self.elements() == groups {
            return Err(Error::shape(format!(
                "one example with one value in each of {groups} groups has no variance"
            ))
            .at_gate("Normalize")
            .with_inputs([self.meta()]));
        }
        self.is_one_node(&y, weight, bias, || {
            let shape = self.shape();
            let moments = SavedAs::Other(Shape::from([shape[0], groups]));
            TorchNode::new("NativeGroupNormBackward0", [])
                .saving("input", SavedAs::Other(shape))
                .saving("result1", moments)
                .saving("result2", moments)
                .with("C", shape[1])
                .with("HxW", shape[2..].iter().product::<usize>())
                .with("N", shape[0])
                .with("group", groups)
        });
        Ok(y)
    }

    /// Batch normalisation (Ioffe and Szegedy, 2015) of `[n, channels, …]`.
    ///
    /// While training, with the batch's mean and variance, towards which the running ones move by `momentum`
    /// (the variance being the unbiased one); else with the running ones, or the batch's where there are none.
    ///
    /// # Errors
    /// The shapes don't fit; or there is one value a channel while training, which has no variance.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 10.0], [3.0, 30.0]]); // two examples of two channels
    /// let y = x.batch_norm(None, Some(&tensor([1.0, 2.0])), Some(&tensor([0.0, 1.0])), true, 0.1, 0.0)?;
    /// assert_eq!(y.to_string(), "tensor([[-1., -1.],\n        [ 1.,  3.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn batch_norm(
        &self,
        running: Option<RunningStatistics<'_>>,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        training: bool,
        momentum: f64,
        epsilon: f64,
    ) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let shape = self.shape();
        if shape == [0] {
            // No elements have no channels either.
            return self.copy();
        }
        let channels = Over::Channel.sizes(&shape).map_err(|e| e.at_gate("Normalize"))?[1];
        if let Some(RunningStatistics { mean, variance }) = running
            && (mean.shape() != [channels] || variance.shape() != [channels])
        {
            return Err(Error::shape(format!(
                "running mean and variance have a number for each of {channels} channels, and not the shapes {} and {}",
                mean.shape(),
                variance.shape()
            ))
            .at_gate("Normalize"));
        }
        let running = match running {
            Some(running) if !training => {
                // y = x·s + (b − mean·s), with s = w / √(variance + ε)
                let root = running.variance.add(epsilon)?.sqrt()?;
                let scale = weight.map_or_else(|| root.reciprocal(), |weight| weight.div(&root))?;
                let shift = running.mean.mul(&scale)?.neg()?;
                let shift = bias.map_or_else(|| Ok(shift.clone()), |bias| shift.add(bias))?;
                let y = self.scale_channels(Some(&scale), Some(&shift))?;
                self.is_batch_norm(&y, weight, bias, false, epsilon);
                return Ok(y);
            }
            running => running,
        };
        let count = shape.elements() / channels.max(1);
        if training && count == 1 {
            return Err(Error::shape(format!(
                "a batch of shape {shape} has one value a channel, of which there is no variance"
            ))
            .at_gate("Normalize")
            .hint("train with larger batches, or switch to evaluation"));
        }
        let y = self.normalize_over(Over::Channel, epsilon)?.scale_channels(weight, bias)?;
        self.is_batch_norm(&y, weight, bias, training, epsilon);
        if let Some(RunningStatistics { mean, variance }) = running {
            let (batch_mean, batch_variance) = channel_statistics(self)?;
            let step = |running: &Tensor, batch: Array| -> Result<()> {
                let moved = running.mul(1.0 - momentum)?.add(&Tensor::from_array(batch).mul(momentum)?)?;
                running.copy_(&moved)
            };
            crate::no_grad(|| step(mean, batch_mean).and_then(|()| step(variance, batch_variance)))?;
        }
        Ok(y)
    }

    /// Local response normalisation (Krizhevsky et al., 2012) of `[n, channels, …]` across neighbouring channels:
    /// `x / (k + α·mean of x² over `size` channels)^β`.
    ///
    /// # Errors
    /// `size` is 0, or there are no channels.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// let y = Tensor::ones([1, 4, 2, 2]).local_response_norm(2, 1e-4, 0.75, 1.0)?;
    /// assert!((y.to_vec::<f32>()?[0] - 1.0).abs() < 1e-4);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn local_response_norm(&self, size: usize, alpha: f64, beta: f64, k: f64) -> Result<Tensor> {
        let shape = self.shape();
        if shape.rank() < 3 || size == 0 {
            return Err(Error::argument(format!(
                "it needs [n, channels, sizes…] and at least one channel at a time, not the shape {shape} and {size}"
            ))
            .at_gate("AvgPool"));
        }
        if shape.elements() == 0 {
            return Ok(self.clone());
        }
        // Channels and positions as a plane, whose columns are averaged over `size` channels.
        let plane = Shape::from([shape[0], 1, shape[1], shape.elements() / (shape[0] * shape[1])]);
        let squares = self.mul(self)?.reshape(plane)?;
        let padded =
            squares.pad_constant(&[(0, 0), (0, 0), ((size / 2) as isize, ((size - 1) / 2) as isize)], 0.0)?;
        let means = padded.avg_pool(2, AvgPool::of(Window::new([size, 1]).stride(1)))?;
        self.div(&means.mul(alpha)?.add(k)?.pow(beta)?.reshape(shape)?)
    }
}
