//! Negative log likelihood, and cross entropy as its composition with the logarithm of softmax.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::array::{Array, DType, Element, Meta, Shape, dispatch_float};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::arith::{f64s, matrix};
use crate::gate::elementwise::expect_inputs;
use crate::gate::index::indices;
use crate::gate::macros::documented;
use crate::gate::reduce::only_float;
use crate::gate::{Context, Entry, Gate, GateRef, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::tensor::Tensor;

/// How a loss combines the losses of its examples.
///
/// ```
/// use chainrule::gate::softmax::Reduction;
/// assert_eq!("sum".parse::<Reduction>()?, Reduction::Sum);
/// assert!("total".parse::<Reduction>().is_err());
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduction {
    /// Their mean (weighted, where classes have weights)
    #[default]
    Mean,
    /// Their sum
    Sum,
    /// Not at all: one loss an example
    None,
}

impl std::str::FromStr for Reduction {
    type Err = Error;

    /// By PyTorch's names: `mean`, `sum`, `none`.
    fn from_str(name: &str) -> Result<Reduction> {
        match name {
            "mean" => Ok(Reduction::Mean),
            "sum" => Ok(Reduction::Sum),
            "none" => Ok(Reduction::None),
            other => Err(Error::argument(format!("{other:?} is no reduction of losses"))
                .hint("the reductions are mean, sum and none")),
        }
    }
}

impl Reduction {
    /// Applies the reduction to a tensor of losses.
    ///
    /// # Errors
    /// The losses aren't floats.
    ///
    /// ```
    /// use chainrule::gate::softmax::Reduction;
    /// use chainrule::tensor;
    /// let losses = tensor([1.0, 3.0]);
    /// assert_eq!(Reduction::Mean.apply(&losses)?.item()?, 2.0);
    /// assert_eq!(Reduction::Sum.apply(&losses)?.item()?, 4.0);
    /// assert_eq!(Reduction::None.apply(&losses)?.to_string(), "tensor([1., 3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn apply(self, losses: &Tensor) -> Result<Tensor> {
        match self {
            Reduction::Mean => losses.mean(),
            Reduction::Sum => losses.sum(),
            Reduction::None => Ok(losses.clone()),
        }
    }
}

documented! {
    /// Negative log likelihood: `−w[c]·x[c]` for the class c of each example.
    ///
    /// Inputs: log probabilities of shape `[classes]`, `[n, classes]` or `[n, classes, d…]`, class indices of the
    /// same shape without the classes, and the weights of the classes.
    ///
    /// ```
    /// use chainrule::gate::softmax::{NllLoss, Reduction};
    /// use chainrule::{tensor, Tensor};
    /// let gate = NllLoss { ignore_index: -100, reduction: Reduction::None };
    /// let (scores, classes, weights) =
    ///     (tensor([[-1.0, -2.0], [-3.0, -4.0]]), tensor([1, -100]), Tensor::ones([2]));
    /// let losses = Tensor::apply(gate, &[&scores, &classes, &weights])?;
    /// assert_eq!(losses.to_f64_vec(), [2.0, 0.0]); // the second example doesn't count
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct NllLoss {
        /// Examples of this class don't count.
        pub ignore_index: i64,
        /// How the losses are combined.
        pub reduction: Reduction,
    }
}

/// For each example and place: where its log probability lies, and its weight; `None` where ignored.
type Picks = SmallVec<[Option<(usize, f64)>; 4]>;

impl NllLoss {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "NllLoss",
        method: "nll_loss, cross_entropy",
        doc: NllLoss::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[-0.5, -1.2, -2.0], [-0.1, -3.0, -2.2], [-1.0, -1.1, -1.2]]);
            let gate = |reduction| NllLoss { ignore_index: -100, reduction };
            let weights = || f64s([0.5, 1.0, 2.0]);
            vec![
                Sample::new(gate(Reduction::Mean), [x(), indices([2, 0, 1]), weights()]).constant(2),
                Sample::new(gate(Reduction::Sum), [x(), indices([2, 0, -100]), weights()]).constant(2),
                Sample::new(gate(Reduction::None), [x(), indices([2, -100, 1]), weights()]).constant(2),
                Sample::new(
                    gate(Reduction::Mean),
                    [f64s([-0.5, -1.2, -2.0]), Array::scalar(1i64), weights()],
                )
                .constant(2),
                Sample::new(gate(Reduction::Mean), [x(), indices([2, 3, 1]), weights()])
                    .refused(ErrorKind::Index),
                Sample::new(gate(Reduction::Mean), [x(), indices([2, 1]), weights()])
                    .refused(ErrorKind::Shape),
            ]
        },
    };

    /// The gate with these options; the usual one isn't made anew for each batch.
    fn of(options: &CrossEntropy) -> GateRef {
        static USUAL: NllLoss = NllLoss { ignore_index: -100, reduction: Reduction::Mean };
        let gate = NllLoss { ignore_index: options.ignore_index, reduction: options.reduction };
        if gate == USUAL { GateRef::Static(&USUAL) } else { gate.into() }
    }

    /// Examples, classes, and places an example of log probabilities of this shape has.
    fn sizes(shape: &Shape) -> (usize, usize, usize) {
        match shape.rank() {
            0 | 1 => (1, shape.elements(), 1),
            _ => (shape[0], shape[1], shape[2..].iter().product()),
        }
    }

    /// The gradient of a sum or mean, whose upstream gradient is one number.
    fn local(&self, saved: &Saved, g: &Array) -> Result<Array> {
        let meta = saved.input_meta(0)?;
        let (target, weights) = (saved.input_values(1)?, saved.input_values(2)?);
        let picks = self.picks(&meta.shape, &target, &weights.in_order())?;
        let scale = match self.reduction {
            Reduction::Mean => picks.iter().flatten().map(|(_, weight)| weight).sum(),
            _ => 1.0,
        };
        let g = g.item()?;
        Ok(dispatch_float!(meta.dtype, T => {
            Array::made(&meta.shape, |out: &mut [T]| {
                out.fill(T::default());
                for (i, weight) in picks.iter().flatten() {
                    out[*i] = <T as Element>::from_f64(g * <T as Element>::from_f64(-weight / scale).to_f64());
                }
            })
        }, otherwise => Array::zeros_of(meta.shape, meta.dtype)))
    }

    fn picks(&self, shape: &Shape, target: &Array, weights: &Array) -> Result<Picks> {
        let (_, classes, places) = NllLoss::sizes(shape);
        let (single, double) = (weights.as_slice::<f32>(), weights.as_slice::<f64>());
        let weight = |class: usize| match (single, double) {
            (Some(weights), _) => f64::from(weights[class]),
            (_, Some(weights)) => weights[class],
            _ => weights.to_f64_vec()[class],
        };
        let target = match target.as_slice::<i64>() {
            Some(target) => Cow::Borrowed(target),
            None => Cow::Owned(target.to_i64_vec()),
        };
        let mut picks = Picks::with_capacity(target.len());
        for (example, target) in target.chunks(places.max(1)).enumerate() {
            for (place, &class) in target.iter().enumerate() {
                if class == self.ignore_index {
                    picks.push(None);
                    continue;
                }
                let class = usize::try_from(class).ok().filter(|&c| c < classes).ok_or_else(|| {
                    Error::index(format!(
                        "the class {class} of example {example} is not one of 0 to {}",
                        classes as i64 - 1
                    ))
                })?;
                picks.push(Some(((example * classes + class) * places + place, weight(class))));
            }
        }
        Ok(picks)
    }
}

impl Gate for NllLoss {
    fn name(&self) -> &'static str {
        "NllLoss"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 3)?;
        only_float(&inputs[0])?;
        let (x, target) = (&inputs[0].shape, &inputs[1].shape);
        if inputs[1].dtype.is_float() || inputs[1].dtype == DType::Bool {
            return Err(Error::dtype(format!("class indices are integers, not {}", inputs[1].dtype))
                .hint("cast the targets to i64"));
        }
        let expected = match x.rank() {
            0 => return Err(Error::shape("log probabilities need a dimension of classes")),
            1 => Shape::SCALAR,
            _ => x.without(1),
        };
        if *target != expected {
            return Err(Error::shape(format!(
                "log probabilities of shape {x} go with targets of shape {expected}, not {target}"
            )));
        }
        if inputs[2].shape != Shape::from([NllLoss::sizes(x).1]) {
            return Err(Error::shape(format!(
                "the weights have the shape {}, one for each of the {} classes was expected",
                inputs[2].shape,
                NllLoss::sizes(x).1
            )));
        }
        let shape = if self.reduction == Reduction::None { *target } else { Shape::SCALAR };
        Ok([Meta { dtype: inputs[0].dtype, shape }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = context.output(0);
        let x = inputs[0].in_order();
        let picks = self.picks(x.shape(), inputs[1], &inputs[2].in_order())?;
        let y = dispatch_float!(*dtype, T => {
            let x = x.values::<T>();
            let losses = picks.iter().map(|pick| pick.map_or(0.0, |(i, weight)| -weight * x[i].to_f64()));
            let total = || losses.clone().sum::<f64>();
            let weights = || picks.iter().flatten().map(|(_, weight)| weight).sum::<f64>();
            match self.reduction {
                Reduction::None => Array::filled(losses.map(<T as Element>::from_f64).collect(), *shape),
                Reduction::Sum => Array::scalar(<T as Element>::from_f64(total())),
                Reduction::Mean => Array::scalar(<T as Element>::from_f64(total() / weights())),
            }
        }, otherwise => Array::zeros_of(*shape, *dtype));
        Ok([y].into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(1) | Saves::input(2)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let meta = saved.input_meta(0)?;
        let target = saved.input_array(1)?;
        let picks = self.picks(&meta.shape, &target, &saved.input_array(2)?.in_order())?;
        let total: f64 = picks.iter().flatten().map(|(_, weight)| weight).sum();
        let mut local = vec![0.0; meta.shape.elements()];
        for (i, weight) in picks.iter().flatten() {
            local[*i] = if self.reduction == Reduction::Mean { -weight / total } else { -weight };
        }
        let local = Tensor::from_array(Array::filled(local, meta.shape).cast(meta.dtype));
        // Without reduction every example has its own upstream gradient, for all of its classes.
        let g = if self.reduction == Reduction::None && meta.shape.rank() > 1 {
            g.unsqueeze(1)?
        } else {
            g.clone()
        };
        Ok([Some(g.mul(&local)?), None, None].into_iter().collect())
    }

    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let g = upstream[0].as_ref()?;
        if self.reduction == Reduction::None || !needs.input(0) {
            return None;
        }
        Some(self.local(saved, g).map(|gradient| [Some(gradient), None, None].into_iter().collect()))
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "y = −Σ w[c]·x[c] / Σ w[c]",
            ["∂L/∂x[c] = −g·w[c] / Σ w[c] at the class c, 0 elsewhere", "no gradient"],
        )
    }
}

/// What [`Tensor::cross_entropy_with`] can be told; the default is PyTorch's.
///
/// ```
/// use chainrule::gate::softmax::{CrossEntropy, Reduction};
/// use chainrule::{param, tensor};
/// let logits = param([[2.0, 0.0], [0.0, 1.0]]);
/// let options = CrossEntropy { label_smoothing: 0.1, reduction: Reduction::Sum, ..CrossEntropy::default() };
/// assert!(logits.cross_entropy_with(&tensor([0, 1]), &options)?.item()? > 0.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CrossEntropy {
    /// A weight for each class.
    pub weight: Option<Vec<f64>>,
    /// Examples of this class don't count.
    pub ignore_index: i64,
    /// How much of each target is spread evenly over all classes, 0 to 1.
    pub label_smoothing: f64,
    /// How the losses are combined.
    pub reduction: Reduction,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        CrossEntropy { weight: None, ignore_index: -100, label_smoothing: 0.0, reduction: Reduction::Mean }
    }
}

impl Tensor {
    /// Mean negative log likelihood of log probabilities: see [`NllLoss`].
    ///
    /// # Errors
    /// The shapes don't fit, or a class doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let scores = tensor([[0.5, 0.5], [0.9, 0.1]]).log()?;
    /// let loss = scores.nll_loss(&tensor([0, 1]))?;
    /// assert_eq!(loss.to_string(), "tensor(1.4979)"); // (−ln 0.5 − ln 0.1) / 2
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn nll_loss(&self, target: &Tensor) -> Result<Tensor> {
        self.nll_loss_with(target, &CrossEntropy::default())
    }

    /// Negative log likelihood with options; label smoothing belongs to cross entropy and is refused here.
    ///
    /// # Errors
    /// The shapes don't fit, or a class doesn't exist.
    ///
    /// ```
    /// use chainrule::gate::softmax::{CrossEntropy, Reduction};
    /// use chainrule::tensor;
    /// let scores = tensor([[-1.0, -2.0], [-3.0, -4.0]]);
    /// let options = CrossEntropy { reduction: Reduction::Sum, ..CrossEntropy::default() };
    /// assert_eq!(scores.nll_loss_with(&tensor([0, 1]), &options)?.item()?, 5.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn nll_loss_with(&self, target: &Tensor, options: &CrossEntropy) -> Result<Tensor> {
        if options.label_smoothing != 0.0 {
            return Err(Error::argument("label smoothing needs logits")
                .at_gate("NllLoss")
                .hint("use cross_entropy_with"));
        }
        Tensor::apply(NllLoss::of(options), &[self, target, &self.class_weights(options)?])
    }

    /// Mean cross entropy of logits and classes, or class probabilities: `−Σ target·log_softmax(logits)`.
    ///
    /// Logits have the shape `[classes]`, `[n, classes]` or `[n, classes, d…]`; class indices the same without
    /// the classes, probabilities the same.
    ///
    /// # Errors
    /// The shapes don't fit, or a class doesn't exist.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let logits = param([[0.0, 0.0, 0.0]]);
    /// let loss = logits.cross_entropy(&tensor([0]))?;
    /// assert_eq!(loss.to_string(), "tensor(1.0986, grad_fn=<NllLossBackward0>)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cross_entropy(&self, target: &Tensor) -> Result<Tensor> {
        self.cross_entropy_with(target, &CrossEntropy::default())
    }

    /// Cross entropy with class weights, an ignored class, label smoothing, or another reduction.
    ///
    /// # Errors
    /// The shapes don't fit, a class doesn't exist, or the smoothing isn't in 0…1.
    ///
    /// ```
    /// use chainrule::gate::softmax::{CrossEntropy, Reduction};
    /// use chainrule::tensor;
    /// let logits = tensor([[0.0, 0.0], [0.0, 0.0]]);
    /// let options = CrossEntropy {
    ///     weight: Some(vec![1.0, 3.0]),
    ///     reduction: Reduction::None,
    ///     ..CrossEntropy::default()
    /// };
    /// let losses = logits.cross_entropy_with(&tensor([0, 1]), &options)?;
    /// assert_eq!(losses.to_string(), "tensor([0.6931, 2.0794])"); // ln 2, 3·ln 2
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cross_entropy_with(&self, target: &Tensor, options: &CrossEntropy) -> Result<Tensor> {
        let smoothing = options.label_smoothing;
        if !(0.0..=1.0).contains(&smoothing) {
            return Err(Error::argument(format!("label smoothing is between 0 and 1, not {smoothing}"))
                .at_gate("CrossEntropy"));
        }
        let dim = if self.rank() > 1 { 1 } else { 0 };
        let log_probabilities = self.log_softmax(dim)?;
        let weights = self.class_weights(options)?;
        if target.dtype().is_float() {
            if options.ignore_index >= 0 {
                return Err(Error::argument("class probabilities have no class to ignore")
                    .at_gate("CrossEntropy")
                    .with_inputs([self.meta(), target.meta()]));
            }
            return self.cross_entropy_of_probabilities(&log_probabilities, target, &weights, options);
        }
        let hard = Tensor::apply(NllLoss::of(options), &[&log_probabilities, target, &weights])?;
        if smoothing == 0.0 {
            return Ok(hard);
        }
        // The smooth part is the same loss with an even distribution as its target, for counted examples.
        let classes = self.shape()[dim as usize];
        let kept = target.ne(options.ignore_index)?;
        let shape: Vec<usize> =
            (0..self.rank()).map(|d| if d as isize == dim { classes } else { 1 }).collect();
        let weighted = log_probabilities.mul(&weights.reshape(Shape::new(&shape)?)?)?;
        let even = Tensor::neg(&weighted.sum_dim(&[dim], false)?)?;
        let even = kept.where_(&even, &even.zeros_like())?;
        let soft = match options.reduction {
            Reduction::None => even,
            Reduction::Sum => even.sum()?,
            Reduction::Mean => {
                let class_of = kept.where_(target, &target.zeros_like())?;
                let counted = weights.index_select(0, &class_of.reshape([class_of.elements()])?)?;
                let counted = counted.mul(&kept.reshape([kept.elements()])?.cast(weights.dtype())?)?;
                even.sum()?.div(&counted.sum()?)?
            }
        };
        hard.mul(1.0 - smoothing)?.add(&soft.mul(smoothing / classes as f64)?)
    }

    #[track_caller]
    fn cross_entropy_of_probabilities(
        &self,
        log_probabilities: &Tensor,
        target: &Tensor,
        weights: &Tensor,
        options: &CrossEntropy,
    ) -> Result<Tensor> {
        if target.shape() != self.shape() {
            return Err(Error::shape(format!(
                "class probabilities have the logits' shape {}, not {}",
                self.shape(),
                target.shape()
            ))
            .at_gate("CrossEntropy"));
        }
        let dim = if self.rank() > 1 { 1 } else { 0 };
        let classes = self.shape()[dim as usize];
        let smoothing = options.label_smoothing;
        let target = match smoothing {
            0.0 => target.clone(),
            _ => target.mul(1.0 - smoothing)?.add(smoothing / classes as f64)?,
        };
        let shape: Vec<usize> =
            (0..self.rank()).map(|d| if d as isize == dim { classes } else { 1 }).collect();
        let weighted = log_probabilities.mul(&weights.reshape(Shape::new(&shape)?)?)?;
        let losses = Tensor::neg(&weighted.mul(&target)?.sum_dim(&[dim], false)?)?;
        match options.reduction {
            Reduction::Mean => losses.sum()?.div((self.elements() / classes.max(1)) as f64),
            other => other.apply(&losses),
        }
    }

    fn class_weights(&self, options: &CrossEntropy) -> Result<Tensor> {
        let shape = self.shape();
        let classes = match shape.rank() {
            0 => return Err(Error::shape("logits need a dimension of classes").at_gate("CrossEntropy")),
            1 => shape[0],
            _ => shape[1],
        };
        let weights = match &options.weight {
            None => Array::full_of([classes], 1.0, self.dtype()),
            Some(weights) if weights.len() == classes => {
                Array::filled(weights.clone(), [classes].into()).cast(self.dtype())
            }
            Some(weights) => {
                return Err(Error::shape(format!(
                    "{} weights were given for {classes} classes",
                    weights.len()
                ))
                .at_gate("CrossEntropy"));
            }
        };
        Ok(Tensor::from_array(weights))
    }
}
