//! Losses made of gates: of counts, distributions, margins, distances and labels.

use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::gate::softmax::{CrossEntropy, Reduction};
use crate::tensor::{CallerGuard, Tensor};

/// What both sides of a loss are named in its errors.
fn refuse<'a>(name: &'static str, tensors: impl IntoIterator<Item = &'a Tensor>, error: Error) -> Error {
    error.at_gate(name).with_inputs(tensors.into_iter().map(Tensor::meta))
}

/// `max(x, 0)` that passes the gradient at 0, as PyTorch's limits do.
fn hinge(x: &Tensor) -> Result<Tensor> {
    x.clamp_min(0.0)
}

impl Tensor {
    /// Sizes of the differences: `|a − b|`, reduced. Shapes broadcast.
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// assert_eq!(tensor([1.0, 5.0]).l1_loss(&tensor([2.0, 2.0]), Reduction::Mean)?.item()?, 2.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn l1_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        reduction.apply(&self.sub(target)?.abs()?)
    }

    /// Binary cross entropy of probabilities, each loss times a weight that broadcasts to them.
    ///
    /// # Errors
    /// The shapes don't fit.
    ///
    /// ```
    /// use chainrule::gate::softmax::Reduction;
    /// use chainrule::tensor;
    /// let (p, t, w) = (tensor([0.5, 0.5]), tensor([1.0, 0.0]), tensor([1.0, 2.0]));
    /// let losses = p.binary_cross_entropy_weighted(&t, Some(&w), Reduction::None)?;
    /// assert_eq!(losses.to_string(), "tensor([0.6931, 1.3863])"); // ln 2, 2·ln 2
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn binary_cross_entropy_weighted(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let Some(weight) = weight else { return self.binary_cross_entropy_with(target, reduction) };
        reduction.apply(&self.binary_cross_entropy_with(target, Reduction::None)?.mul(weight)?)
    }

    /// Binary cross entropy of logits, with a weight for each loss and one for the positive class, both
    /// broadcasting: `w·((1 − t)·x + (1 + (w₊ − 1)·t)·ln(1 + e⁻ˣ))`.
    ///
    /// # Errors
    /// The shapes don't fit.
    ///
    /// ```
    /// use chainrule::gate::softmax::Reduction;
    /// use chainrule::tensor;
    /// let (x, t) = (tensor([0.0, 0.0]), tensor([1.0, 0.0]));
    /// let losses =
    ///     x.binary_cross_entropy_with_logits_weighted(&t, None, Some(&tensor(3.0)), Reduction::None)?;
    /// assert_eq!(losses.to_string(), "tensor([2.0794, 0.6931])"); // a positive counts three times
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn binary_cross_entropy_with_logits_weighted(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        positive: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        if self.shape() != target.shape() {
            return self.binary_cross_entropy_with_logits_with(target, reduction);
        }
        let losses = match (weight, positive) {
            (None, None) => return self.binary_cross_entropy_with_logits_with(target, reduction),
            (_, None) => self.binary_cross_entropy_with_logits_with(target, Reduction::None)?,
            (_, Some(positive)) => {
                let factor = positive.sub(1.0)?.mul(target)?.add(1.0)?;
                target.rsub(1.0)?.mul(self)?.sub(&factor.mul(&self.logsigmoid()?)?)?
            }
        };
        reduction.apply(&match weight {
            Some(weight) => losses.mul(weight)?,
            None => losses,
        })
    }

    /// Cross entropy of a linear layer's logits: `cross_entropy(x·Wᵀ + b, target)`.
    ///
    /// Shapes: x `[n, in]` or `[in]`, the weight `[classes, …, in]`, the bias `[classes, …]`, classes `[n, …]`, or
    /// probabilities `[n, classes, …]`; with more than one place (the dimensions between) x is a batch.
    ///
    /// ```
    /// use chainrule::{gate::softmax::CrossEntropy, tensor};
    /// let (x, w) = (tensor([[1.0, 2.0]]), tensor([[1.0, 0.0], [0.0, 0.5]]));
    /// let loss = x.linear_cross_entropy(&w, None, &tensor([0]), &CrossEntropy::default())?;
    /// assert!((loss.item()? - 2f64.ln()).abs() < 1e-6);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't fit, or a class doesn't exist.
    #[track_caller]
    pub fn linear_cross_entropy(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        target: &Tensor,
        options: &CrossEntropy,
    ) -> Result<Tensor> {
        let refuse =
            |rule: String| Err(refuse("LinearCrossEntropy", [self, weight, target], Error::shape(rule)));
        let (x, w) = (self.shape(), weight.shape());
        if x.rank() == 0 || x.rank() > 2 {
            return refuse(format!("the input has one or two dimensions, not {}", x.rank()));
        }
        if w.rank() < 2 || w.last() != x.last() {
            return refuse(format!("the weight {w} doesn't take inputs of shape {x}"));
        }
        if w.rank() > 2 && x.rank() == 1 {
            return refuse("a weight for several places needs a batch of inputs".to_string());
        }
        let (features, outputs) = (w[w.rank() - 1], &w[..w.rank() - 1]);
        if let Some(bias) = bias
            && *bias.shape() != *outputs
        {
            return refuse(format!("a bias of shape {} isn't one number for each row of {w}", bias.shape()));
        }
        let bias = bias.map(Tensor::ravel).transpose()?;
        let flat = weight.reshape([outputs.iter().product(), features])?;
        let sizes: Vec<usize> = x[..x.rank() - 1].iter().chain(outputs).copied().collect();
        let logits = self.linear(&flat, bias.as_ref())?.reshape(crate::Shape::new(&sizes)?)?;
        logits.cross_entropy_with(target, options)
    }

    /// Kullback–Leibler divergence of log probabilities x from a target distribution: `t·(ln t − x)`; with
    /// `log_target` the target is logarithms too: `eᵗ·(t − x)`.
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let x = tensor([0.5, 0.5]).log()?;
    /// assert!(x.kl_div(&tensor([0.5, 0.5]), Reduction::Sum, false)?.item()?.abs() < 1e-7);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn kl_div(&self, target: &Tensor, reduction: Reduction, log_target: bool) -> Result<Tensor> {
        let losses = match log_target {
            true => target.exp()?.mul(&target.sub(self)?)?,
            false => target.xlogy(target)?.sub(&target.mul(self)?)?,
        };
        reduction.apply(&losses)
    }

    /// Negative log likelihood of counts under a Poisson distribution with rate `eˣ` (`log_input`):
    /// `eˣ − t·x`, or with rate x: `x − t·ln(x + eps)`. `full` adds Stirling's approximation of `ln t!` for
    /// t > 1. PyTorch's default is eps = 1e-8.
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let loss = tensor([0.0]).poisson_nll_loss(&tensor([2.0]), true, false, 1e-8, Reduction::Mean)?;
    /// assert_eq!(loss.item()?, 1.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn poisson_nll_loss(
        &self,
        target: &Tensor,
        log_input: bool,
        full: bool,
        eps: f64,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let mut losses = match log_input {
            true => self.exp()?.sub(&target.mul(self)?)?,
            false => self.sub(&target.mul(&self.add(eps)?.log()?)?)?,
        };
        if full {
            let half_log = target.mul(2.0 * std::f64::consts::PI)?.log()?.mul(0.5)?;
            let stirling = target.mul(&target.log()?)?.sub(target)?.add(&half_log)?;
            let small = target.le(1.0)?;
            losses = losses.add(&small.where_(&stirling.zeros_like(), &stirling)?)?;
        }
        reduction.apply(&losses)
    }

    /// Negative log likelihood under normal distributions: `½·(ln v + (x − t)²/v)`, `full` adding `½·ln 2π`.
    ///
    /// The variances v have x's shape, or 1 or nothing in place of the last dimension, or are one number;
    /// they are not taken below `eps` (PyTorch's default is 1e-6), which the gradient doesn't see.
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let loss =
    ///     tensor([1.0]).gaussian_nll_loss(&tensor([3.0]), &tensor([4.0]), false, 1e-6, Reduction::Sum)?;
    /// assert!((loss.item()? - 0.5 * (4f64.ln() + 1.0)).abs() < 1e-6);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't fit, or a variance is negative.
    #[track_caller]
    pub fn gaussian_nll_loss(
        &self,
        target: &Tensor,
        variance: &Tensor,
        full: bool,
        eps: f64,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let refuse = |error| refuse("GaussianNllLoss", [self, target, variance], error);
        let (shape, of) = (self.shape(), variance.shape());
        let variance = match of.rank() {
            _ if of == shape => variance.clone(),
            0 => variance.clone(),
            rank if rank + 1 == shape.rank() && of[..] == shape[..rank] => variance.unsqueeze(-1)?,
            rank if rank == shape.rank() && of[..rank - 1] == shape[..rank - 1] && of[rank - 1] == 1 => {
                variance.clone()
            }
            _ => return Err(refuse(Error::shape("the variances don't fit the predictions"))),
        };
        if variance.to_f64_vec().iter().any(|&v| v < 0.0) {
            return Err(refuse(Error::argument("a variance is negative")));
        }
        let value = variance.detach();
        let variance = variance.add(&value.clamp_min(eps)?.sub(&value)?)?;
        let mut losses = variance.log()?.add(&self.sub(target)?.square()?.div(&variance)?)?.mul(0.5)?;
        if full {
            losses = losses.add(0.5 * (2.0 * std::f64::consts::PI).ln())?;
        }
        reduction.apply(&losses)
    }

    /// For targets 1 and −1: `x` where the target is 1, `max(0, margin − x)` where it is −1.
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let loss = tensor([2.0, 0.25]).hinge_embedding_loss(&tensor([1.0, -1.0]), 1.0, Reduction::Sum)?;
    /// assert_eq!(loss.item()?, 2.75);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn hinge_embedding_loss(&self, target: &Tensor, margin: f64, reduction: Reduction) -> Result<Tensor> {
        let below = hinge(&self.rsub(margin)?)?;
        let apart = target.ne(1.0)?.where_(&below, &below.zeros_like())?;
        let near = target.ne(-1.0)?.where_(self, &self.zeros_like())?;
        reduction.apply(&apart.add(&near)?)
    }

    /// For a ranking y = 1 (self higher) or −1 (other higher): `max(0, −y·(a − b) + margin)`.
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let (a, b, y) = (tensor([1.0]), tensor([3.0]), tensor([1.0]));
    /// assert_eq!(a.margin_ranking_loss(&b, &y, 0.5, Reduction::Mean)?.item()?, 2.5);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The three have different numbers of dimensions, or their shapes don't broadcast.
    #[track_caller]
    pub fn margin_ranking_loss(
        &self,
        other: &Tensor,
        target: &Tensor,
        margin: f64,
        reduction: Reduction,
    ) -> Result<Tensor> {
        if self.rank() != other.rank() || self.rank() != target.rank() {
            let error = Error::shape("both inputs and the target have the same number of dimensions");
            return Err(refuse("MarginRankingLoss", [self, other, target], error));
        }
        reduction.apply(&hinge(&target.neg()?.mul(&self.sub(other)?)?.add(margin)?)?)
    }

    /// For targets 1 and −1: `ln(1 + e^(−t·x))`.
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let loss = tensor([0.0]).soft_margin_loss(&tensor([1.0]), Reduction::Mean)?;
    /// assert!((loss.item()? - 2f64.ln()).abs() < 1e-7);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn soft_margin_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        reduction.apply(&target.mul(self)?.logsigmoid()?.neg()?)
    }

    /// Binary cross entropy of logits for each of several labels, averaged over them (the last dimension).
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let x = tensor([[0.0, 0.0]]);
    /// let loss = x.multilabel_soft_margin_loss(&tensor([[1.0, 0.0]]), None, Reduction::Mean)?;
    /// assert!((loss.item()? - 2f64.ln()).abs() < 1e-7);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn multilabel_soft_margin_loss(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let yes = target.mul(&self.logsigmoid()?)?;
        let no = target.rsub(1.0)?.mul(&self.neg()?.logsigmoid()?)?;
        let losses = yes.add(&no)?.neg()?;
        let losses = match weight {
            Some(weight) => losses.mul(weight)?,
            None => losses,
        };
        reduction.apply(&losses.mean_dim(&[-1], false)?)
    }

    /// For a class y of each row: `Σ_{i ≠ y} w[y]·max(0, margin − x[y] + x[i])ᵖ / classes`. PyTorch's defaults
    /// are p = 1 and margin = 1.
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let x = tensor([[0.25, 0.5, 1.0, 2.0]]);
    /// assert_eq!(x.multi_margin_loss(&tensor([3]), 1, 1.5, None, Reduction::Mean)?.item()?, 0.125);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// p isn't 1 or 2, the shapes don't fit, or a class doesn't exist.
    #[track_caller]
    pub fn multi_margin_loss(
        &self,
        target: &Tensor,
        p: i64,
        margin: f64,
        weight: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let refuse = |error| refuse("MultiMarginLoss", [self, target], error);
        if p != 1 && p != 2 {
            return Err(refuse(Error::argument(format!("p is 1 or 2, not {p}"))));
        }
        let (rows, classes) = rows_of_classes(self).map_err(refuse)?;
        if target.dtype() != DType::I64 {
            return Err(refuse(Error::dtype(format!("classes are i64, not {}", target.dtype()))));
        }
        if target.elements() != rows || target.rank() > 1 {
            return Err(refuse(Error::shape(format!(
                "there are {rows} rows, and so many classes are needed"
            ))));
        }
        if let Some(weight) = weight
            && weight.shape() != [classes]
        {
            return Err(refuse(Error::shape(format!(
                "the weight has one dimension, of the {classes} classes"
            ))));
        }
        let x = self.reshape([rows, classes])?;
        let class = target.reshape([rows, 1])?;
        let own = x.gather(1, &class)?;
        let gaps = x.sub(&own)?.add(margin)?.relu()?;
        let mut losses = if p == 2 { gaps.square()? } else { gaps };
        if let Some(weight) = weight {
            losses = losses.mul(&weight.index_select(0, &target.reshape([rows])?)?.reshape([rows, 1])?)?;
        }
        let others = class.ne(&Tensor::arange(0, classes as i64, 1)?)?;
        let losses = others.where_(&losses, &losses.zeros_like())?;
        let losses = losses.sum_dim(&[1], false)?.div(classes as f64)?;
        reduction.apply(&if target.rank() == 0 { losses.reshape(crate::Shape::SCALAR)? } else { losses })
    }

    /// For several classes of each row, listed in front of a −1: `Σ max(0, 1 − x[y] + x[i]) / classes` over
    /// every listed y and every i that isn't listed.
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let (x, y) = (tensor([[0.25, 0.5, 1.0, 2.0]]), tensor([[3, 0, -1, 1]]));
    /// assert_eq!(x.multilabel_margin_loss(&y, Reduction::Mean)?.item()?, 0.75);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes differ, or a class doesn't exist.
    #[track_caller]
    pub fn multilabel_margin_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        let refuse = |error| refuse("MultilabelMarginLoss", [self, target], error);
        let (rows, classes) = rows_of_classes(self).map_err(refuse)?;
        if target.shape() != self.shape() && target.elements().max(self.elements()) > 1 {
            return Err(refuse(Error::shape("the target has a place for every class")));
        }
        if target.dtype() != DType::I64 {
            return Err(refuse(Error::dtype(format!("classes are i64, not {}", target.dtype()))));
        }
        let mut listed = vec![false; rows * classes];
        let mut lists = vec![0i64; rows * classes];
        let mut counted = vec![false; rows * classes];
        for (row, classes_of) in target.to_vec::<i64>()?.chunks(classes).enumerate() {
            for (i, &class) in classes_of.iter().enumerate().take_while(|(_, class)| **class >= 0) {
                if class >= classes as i64 {
                    return Err(refuse(Error::index(format!("the class {class} is not below {classes}"))));
                }
                listed[row * classes + class as usize] = true;
                (lists[row * classes + i], counted[row * classes + i]) = (class, true);
            }
        }
        let constant = |array: Result<Array>| array.map(Tensor::from_array);
        let x = self.reshape([rows, classes])?;
        let own = x.gather(1, &constant(Array::from_vec(lists, [rows, classes]))?)?;
        // One row a listed class, one column an unlisted one.
        let gaps = x.unsqueeze(1)?.sub(&own.unsqueeze(2)?)?.add(1.0)?.relu()?;
        let counted = constant(Array::from_vec(counted, [rows, classes, 1]))?;
        let unlisted = constant(Array::from_vec(listed, [rows, 1, classes]))?.eq(0)?;
        let gaps = counted.mul(&unlisted)?.where_(&gaps, &gaps.zeros_like())?;
        let losses = gaps.sum_dim(&[1, 2], false)?.div(classes as f64)?;
        reduction.apply(&if self.rank() < 2 { losses.reshape(crate::Shape::SCALAR)? } else { losses })
    }

    /// `max(0, d(anchor, positive) − d(anchor, negative) + margin)`, with d the p-norm of the difference plus
    /// eps (PyTorch's defaults: margin 1, p = 2, eps = 1e-6). `swap` takes d(positive, negative) where that
    /// is smaller.
    ///
    /// ```
    /// use chainrule::{ops::Triplet, tensor};
    /// let (a, p, n) = (tensor([[0.0, 0.0]]), tensor([[3.0, 4.0]]), tensor([[0.0, 1.0]]));
    /// let loss = a.triplet_margin_loss(&p, &n, &Triplet::default())?;
    /// assert!((loss.item()? - 5.0).abs() < 1e-5);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The three have different numbers of dimensions, their shapes don't broadcast, or the margin isn't
    /// positive.
    #[track_caller]
    pub fn triplet_margin_loss(
        &self,
        positive: &Tensor,
        negative: &Tensor,
        options: &Triplet,
    ) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let Triplet { p, eps, .. } = *options;
        let distance = |a: &Tensor, b: &Tensor| a.pairwise_distance(b, p, eps, false);
        self.triplet_margin_loss_with_distance(positive, negative, options, distance)
    }

    /// [`Tensor::triplet_margin_loss`] with another distance of two tensors.
    ///
    /// # Errors
    /// As [`Tensor::triplet_margin_loss`], and the distance's own.
    ///
    /// ```
    /// use chainrule::ops::Triplet;
    /// use chainrule::{tensor, Tensor};
    /// let (a, p, n) = (tensor([[0.0, 0.0]]), tensor([[3.0, 4.0]]), tensor([[0.0, 1.0]]));
    /// let city_blocks = |a: &Tensor, b: &Tensor| a.sub(b)?.abs()?.sum_dim(&[-1], false);
    /// let loss = a.triplet_margin_loss_with_distance(&p, &n, &Triplet::default(), city_blocks)?;
    /// assert_eq!(loss.item()?, 7.0); // 7 − 1 + 1
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn triplet_margin_loss_with_distance(
        &self,
        positive: &Tensor,
        negative: &Tensor,
        options: &Triplet,
        distance: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let refuse = |error| refuse("TripletMarginLoss", [self, positive, negative], error);
        if self.rank() != positive.rank() || self.rank() != negative.rank() {
            let rule = "anchor, positive and negative have the same number of dimensions";
            return Err(refuse(Error::shape(rule)));
        }
        if options.margin.is_nan() || options.margin <= 0.0 {
            return Err(refuse(Error::argument(format!("the margin is positive, not {}", options.margin))));
        }
        let near = distance(self, positive)?;
        let mut far = distance(self, negative)?;
        if options.swap {
            far = far.minimum(&distance(positive, negative)?)?;
        }
        options.reduction.apply(&hinge(&near.sub(&far)?.add(options.margin)?)?)
    }

    /// For rows that belong together (target 1): `1 − cos`; for those that don't (−1): `max(0, cos − margin)`.
    ///
    /// ```
    /// use chainrule::{gate::softmax::Reduction, tensor};
    /// let (a, b) = (tensor([[1.0, 0.0]]), tensor([[0.0, 2.0]]));
    /// assert_eq!(a.cosine_embedding_loss(&b, &tensor([1.0]), 0.0, Reduction::Mean)?.item()?, 1.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The rows and the target don't fit: vectors with a 0-d target, or matrices with a vector.
    #[track_caller]
    pub fn cosine_embedding_loss(
        &self,
        other: &Tensor,
        target: &Tensor,
        margin: f64,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let fits = matches!((self.rank(), other.rank(), target.rank()), (1, 1, 0) | (2, 2, 1));
        if !fits {
            let error = Error::shape("two vectors go with a 0-d target, two matrices with a vector");
            return Err(refuse("CosineEmbeddingLoss", [self, other, target], error));
        }
        let dot = |a: &Tensor, b: &Tensor| a.mul(b)?.sum_dim(&[-1], false);
        // The small number is PyTorch's.
        let sizes = dot(self, self)?.add(1e-12)?.mul(&dot(other, other)?.add(1e-12)?)?.sqrt()?;
        let cosine = dot(self, other)?.div(&sizes)?;
        let together = cosine.rsub(1.0)?;
        let apart = hinge(&cosine.sub(margin)?)?;
        let none = cosine.zeros_like();
        let together = target.eq(1.0)?.where_(&together, &none)?;
        reduction.apply(&together.add(&target.eq(-1.0)?.where_(&apart, &none)?)?)
    }
}

/// What [`Tensor::triplet_margin_loss`] can be told; the default is PyTorch's.
///
/// ```
/// use chainrule::ops::Triplet;
/// use chainrule::tensor;
/// let (a, p, n) = (tensor([[0.0]]), tensor([[1.0]]), tensor([[5.0]]));
/// let loss =
///     |margin| a.triplet_margin_loss(&p, &n, &Triplet { margin, eps: 0.0, ..Triplet::default() })?.item();
/// assert_eq!((loss(1.0)?, loss(6.0)?), (0.0, 2.0)); // far enough away, or not
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Triplet {
    /// By how much the negative must be further away than the positive.
    pub margin: f64,
    /// The exponent of the distance.
    pub p: f64,
    /// What is added to every difference.
    pub eps: f64,
    /// Takes the distance of positive and negative where that is smaller.
    pub swap: bool,
    /// How the losses are combined.
    pub reduction: Reduction,
}

impl Default for Triplet {
    fn default() -> Triplet {
        Triplet { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: Reduction::Mean }
    }
}

/// How many rows and classes a tensor of scores has.
fn rows_of_classes(scores: &Tensor) -> Result<(usize, usize)> {
    let shape = scores.shape();
    match shape.rank() {
        0 => Ok((1, 1)),
        1 if shape[0] > 0 => Ok((1, shape[0])),
        2 if shape[1] > 0 => Ok((shape[0], shape[1])),
        _ => Err(Error::shape(format!(
            "the scores are a vector or a matrix with classes, not of shape {shape}"
        ))),
    }
}
