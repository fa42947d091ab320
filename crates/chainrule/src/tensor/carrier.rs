//! What carries a gradient through the backward sweep.
//!
//! Where only numbers are wanted the sweep moves plain arrays, and gates run their fused backward where they
//! have one. Where the gradient must itself be a graph (`create_graph`) it moves tensors, and every step of
//! the sweep is recorded like any other computation.

use smallvec::SmallVec;

use super::node::{Node, Shared};
use super::{GradModeGuard, Tensor};
use crate::array::{Array, Meta, Shape};
use crate::error::{Error, Result};
use crate::gate::{Gradients, Needs, Saved, SavedValues};

/// A gradient on its way: an [`Array`], or a [`Tensor`] where the gradient is to be differentiated again.
pub(super) trait Carrier: Clone + Sized {
    fn from_tensor(tensor: &Tensor) -> Self;
    fn into_tensor(self) -> Tensor;
    fn meta(&self) -> Meta;
    fn plus(self, other: Self) -> Result<Self>;
    /// Sums the gradient over the dimensions along which its input was broadcast.
    fn summed_to(self, shape: &Shape) -> Result<Self>;
    fn converted(self, meta: Meta) -> Result<Self>;
    fn is_finite(&self) -> bool;
    /// Multiplies the upstream gradients by the gate's local gradients.
    fn backward(
        node: &Shared<Node>,
        saved: &SavedValues,
        upstream: &[Option<Self>],
        needs: &Needs,
    ) -> Result<Gradients<Self>>;

    /// The gradient in the shape and element type of its input.
    fn fit(self, meta: Meta) -> Result<Self> {
        let mut gradient = self;
        let own = gradient.meta();
        if own == meta {
            return Ok(gradient);
        }
        if own.shape != meta.shape {
            if meta.shape.broadcast(&own.shape).ok() != Some(own.shape) {
                return Err(Error::autograd(format!(
                    "its backward returned a gradient of {own} for an input of {meta}"
                ))
                .hint("a gradient has its input's shape, or one to which that was broadcast"));
            }
            gradient = gradient.summed_to(&meta.shape)?;
        }
        if own.dtype == meta.dtype { Ok(gradient) } else { gradient.converted(meta) }
    }
}

impl Carrier for Array {
    fn from_tensor(tensor: &Tensor) -> Array {
        tensor.array()
    }

    fn into_tensor(self) -> Tensor {
        Tensor::from_array(self)
    }

    #[inline]
    fn meta(&self) -> Meta {
        Array::meta(self)
    }

    #[inline]
    fn plus(mut self, other: Array) -> Result<Array> {
        self.add_assign(&other);
        Ok(self)
    }

    fn summed_to(self, shape: &Shape) -> Result<Array> {
        Ok(Array::sum_to(&self, shape))
    }

    fn converted(self, meta: Meta) -> Result<Array> {
        Ok(Array::cast(&self, meta.dtype))
    }

    fn is_finite(&self) -> bool {
        self.all_finite()
    }

    #[inline]
    fn backward(
        node: &Shared<Node>,
        saved: &SavedValues,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Result<Gradients<Array>> {
        let saved = Saved::new(node, saved);
        if let Some(gradients) = node.gate().backward_fused(&saved, upstream, needs) {
            return gradients;
        }
        let upstream: SmallVec<[Option<Tensor>; 1]> =
            upstream.iter().map(|g| g.clone().map(Tensor::from_array)).collect();
        let gradients = node.gate().backward(&saved, &upstream, needs)?;
        Ok(gradients.into_iter().map(|g| g.map(|g| g.array())).collect())
    }
}

impl Carrier for Tensor {
    fn from_tensor(tensor: &Tensor) -> Tensor {
        tensor.clone()
    }

    fn into_tensor(self) -> Tensor {
        self
    }

    fn meta(&self) -> Meta {
        Tensor::meta(self)
    }

    fn plus(self, other: Tensor) -> Result<Tensor> {
        Tensor::add(&self, &other)
    }

    fn summed_to(self, shape: &Shape) -> Result<Tensor> {
        self.sum_to_size(*shape)
    }

    fn converted(self, meta: Meta) -> Result<Tensor> {
        Tensor::cast(&self, meta.dtype)
    }

    fn is_finite(&self) -> bool {
        self.with_array(Array::all_finite)
    }

    fn backward(
        node: &Shared<Node>,
        saved: &SavedValues,
        upstream: &[Option<Tensor>],
        needs: &Needs,
    ) -> Result<Gradients<Tensor>> {
        let _guard = GradModeGuard::set(true);
        node.gate().backward(&Saved::new(node, saved), upstream, needs)
    }
}
