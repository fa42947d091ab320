//! Distances, similarities, and what is scaled to a length.

use crate::array::{Array, Shape};
use crate::error::{Error, Result};
use crate::tensor::{CallerGuard, Tensor};

/// A value that is limited from below without the limit taking part in the derivative.
#[track_caller]
fn at_least(x: &Tensor, low: f64) -> Result<Tensor> {
    let value = x.detach();
    x.add(&value.clamp_min(low)?.sub(&value)?)
}

impl Tensor {
    /// The p-norm of the difference: `(Σ |a − b|ᵖ)^(1/p)` over all elements.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).dist(&tensor([4.0, 6.0]), 2.0)?.item()?, 5.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast, or the elements aren't floats.
    #[track_caller]
    pub fn dist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        self.sub(other)?.vector_norm(p, &[], false)
    }

    /// The distance of rows that stand at the same place: `‖a − b + eps‖ₚ` along the last dimension.
    ///
    /// PyTorch's defaults are p = 2 and eps = 1e-6, which keeps the gradient finite where a = b.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let d = tensor([[0.0, 0.0], [1.0, 1.0]]).pairwise_distance(&tensor([[3.0, 4.0], [1.0, 3.0]]), 2.0, 0.0, false)?;
    /// assert_eq!(d.to_string(), "tensor([5., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast, or the elements aren't floats.
    #[track_caller]
    pub fn pairwise_distance(&self, other: &Tensor, p: f64, eps: f64, keep: bool) -> Result<Tensor> {
        self.sub(other)?.add(eps)?.vector_norm(p, &[-1], keep)
    }

    /// The distance of every row of one to every row of the other: `[…, n, d]` and `[…, m, d]` give `[…, n, m]`.
    ///
    /// The gradient of a distance 0 is 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let d = tensor([[0.0, 0.0], [3.0, 4.0]]).cdist(&tensor([[3.0, 0.0]]), 2.0)?;
    /// assert_eq!(d.to_string(), "tensor([[3.],\n        [4.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// An operand has fewer than two dimensions, the rows' lengths differ, the other dimensions don't
    /// broadcast, or p is negative.
    #[track_caller]
    pub fn cdist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("Cdist").with_inputs([self.meta(), other.meta()]);
        if self.rank() < 2 || other.rank() < 2 {
            return Err(refuse(Error::shape("the points are the rows of matrices: two dimensions at least")));
        }
        if self.shape().last() != other.shape().last() {
            return Err(refuse(Error::shape("the points have different numbers of coordinates")));
        }
        if p.is_nan() || p < 0.0 {
            return Err(refuse(Error::argument(format!("p is 0 or more, not {p}"))));
        }
        let difference = self.unsqueeze(-2)?.sub(&other.unsqueeze(-3)?)?;
        if difference.shape().last() == Some(&0) {
            return difference.sum_dim(&[-1], false);
        }
        difference.vector_norm(p, &[-1], false)
    }

    /// The distances of all pairs of rows of a matrix, each pair once: of rows 0 and 1, 0 and 2, … 1 and 2, …
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[0.0], [1.0], [5.0]]).pdist(2.0)?.to_string(), "tensor([1., 5., 4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The tensor isn't a matrix, or p is negative.
    #[track_caller]
    pub fn pdist(&self, p: f64) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let refuse = |error: Error| error.at_gate("Pdist").with_inputs([self.meta()]);
        if self.rank() != 2 {
            return Err(refuse(Error::shape("the points are the rows of one matrix")));
        }
        if p.is_nan() || p < 0.0 {
            return Err(refuse(Error::argument(format!("p is 0 or more, not {p}"))));
        }
        let n = self.shape()[0] as i64;
        let (first, second): (Vec<i64>, Vec<i64>) =
            (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).unzip();
        let pairs = first.len();
        let rows = |places: Vec<i64>| self.index_select(0, &Tensor::from_vec(places, [pairs])?);
        rows(first)?.sub(&rows(second)?)?.vector_norm(p, &[1], false)
    }

    /// The cosine of the angle between vectors along a dimension: `a·b / (max(‖a‖, eps)·max(‖b‖, eps))`.
    ///
    /// PyTorch's default is eps = 1e-8.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let c = tensor([[1.0, 0.0], [1.0, 1.0]]).cosine_similarity(&tensor([[0.0, 2.0], [2.0, 2.0]]), 1, 1e-8)?;
    /// assert_eq!(c.to_string(), "tensor([0.0000, 1.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast, the dimension doesn't exist, or the elements aren't floats.
    #[track_caller]
    pub fn cosine_similarity(&self, other: &Tensor, dim: isize, eps: f64) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let shape = self
            .shape()
            .broadcast(&other.shape())
            .map_err(|error| error.at_gate("CosineSimilarity").with_inputs([self.meta(), other.meta()]))?;
        let unit = |x: &Tensor| -> Result<Tensor> {
            let x = x.expand(shape)?;
            x.div(&at_least(&x.vector_norm(2.0, &[dim], true)?, eps)?)
        };
        unit(self)?.mul(&unit(other)?)?.sum_dim(&[dim], false)
    }

    /// Vectors along dimensions scaled to the p-norm 1: `x / max(‖x‖ₚ, eps)`. PyTorch's defaults are p = 2,
    /// dimension 1 and eps = 1e-12.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([3.0, 4.0]).normalize(2.0, &[0], 1e-12)?.to_string(), "tensor([0.6000, 0.8000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A dimension doesn't exist, or the elements aren't floats.
    #[track_caller]
    pub fn normalize(&self, p: f64, dims: &[isize], eps: f64) -> Result<Tensor> {
        self.div(&self.vector_norm(p, dims, true)?.clamp_min(eps)?)
    }

    /// Slices along a dimension whose p-norm is above a limit, scaled down to it.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([[3.0, 4.0], [0.6, 0.8]]).renorm(2.0, 0, 1.0)?;
    /// assert_eq!(y.to_string(), "tensor([[0.6000, 0.8000],\n        [0.6000, 0.8000]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are fewer than two dimensions, p isn't positive, or the limit is negative.
    #[track_caller]
    pub fn renorm(&self, p: f64, dim: isize, limit: f64) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("Renorm").with_inputs([self.meta()]);
        if self.rank() < 2 {
            return Err(refuse(Error::shape(
                "slices of a tensor with fewer than two dimensions have no norm",
            )));
        }
        if p.is_nan() || p <= 0.0 || limit.is_nan() || limit < 0.0 {
            let rule = format!("p is positive and the limit 0 or more, not {p} and {limit}");
            return Err(refuse(Error::argument(rule)));
        }
        let place = self.shape().dim(dim).map_err(refuse)?;
        let others: Vec<isize> = (0..self.rank()).filter(|&d| d != place).map(|d| d as isize).collect();
        let norm = self.vector_norm(p, &others, true)?;
        // The small number is PyTorch's, so that the result stays below the limit.
        let scale = norm.add(1e-7)?.reciprocal()?.mul(limit)?;
        self.mul(&norm.gt(limit)?.where_(&scale, &norm.ones_like())?)
    }

    /// `y = 1` at the class of each element, else 0: one more dimension, of the number of classes (one more
    /// than the largest class, where `None`).
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0, 2]).one_hot(None)?.to_string(), "tensor([[1, 0, 0],\n        [0, 0, 1]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The elements aren't i64, or not classes from 0 to the number of classes − 1.
    #[track_caller]
    pub fn one_hot(&self, classes: Option<usize>) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("OneHot").with_inputs([self.meta()]);
        let found = self.to_vec::<i64>().map_err(refuse)?;
        let largest = found.iter().max().copied();
        let classes = match (classes, largest) {
            (Some(classes), _) if classes > 0 => classes,
            (None, Some(largest)) => usize::try_from(largest + 1).unwrap_or(0),
            _ => return Err(refuse(Error::argument("the number of classes can't be told").hint("name it"))),
        };
        let mut values = vec![0i64; found.len() * classes];
        for (i, &class) in found.iter().enumerate() {
            let place = usize::try_from(class).ok().filter(|&c| c < classes).ok_or_else(|| {
                refuse(Error::index(format!("the class {class} is not one of 0 to {}", classes as i64 - 1)))
            })?;
            values[i * classes + place] = 1;
        }
        let sizes: Vec<usize> = self.shape().iter().copied().chain([classes]).collect();
        Ok(Tensor::from_array(Array::from_vec(values, Shape::new(&sizes)?)?))
    }
}
