//! What carries a gradient through the backward sweep.
//!
//! Where only numbers are wanted the sweep moves plain values, and gates run their fused backward where they
//! have one. Where the gradient must itself be a graph (`create_graph`) it moves tensors, and every step of
//! the sweep is recorded like any other computation.

use smallvec::SmallVec;

use super::node::{Node, Shared};
use super::{GradModeGuard, Tensor};
use crate::array::{Array, Meta, Shape};
use crate::error::{Error, Result};
use crate::gate::{Gradients, Needs, Saved, SavedValues};

/// A gradient on its way: a plain [`Gradient`], or a [`Tensor`] where the gradient is to be differentiated again.
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

    /// The gradient in the shape and element type of its input; `scalar` says that this is 0-d f32.
    fn fit(self, meta: &dyn Fn() -> Meta, scalar: bool) -> Result<Self> {
        let _ = scalar;
        fit(self, meta())
    }
}

/// Sums and converts a gradient to the shape and element type of its input.
fn fit<G: Carrier>(gradient: G, meta: Meta) -> Result<G> {
    let own = gradient.meta();
    if own == meta {
        return Ok(gradient);
    }
    let mut gradient = gradient;
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

/// A gradient as a plain sweep moves it: graphs of scalars would else spend their time on copying arrays,
/// which are many times as large.
#[derive(Clone)]
pub(super) enum Gradient {
    Number(f32),
    Array(Box<Array>),
}

impl Gradient {
    #[inline]
    fn from_array(array: Array) -> Gradient {
        match array.inline_value::<f32>() {
            Some(number) => Gradient::Number(number),
            None => Gradient::Array(Box::new(array)),
        }
    }

    fn into_array(self) -> Array {
        match self {
            Gradient::Number(number) => Array::scalar(number),
            Gradient::Array(array) => *array,
        }
    }
}

impl Carrier for Gradient {
    fn from_tensor(tensor: &Tensor) -> Gradient {
        Gradient::from_array(tensor.array())
    }

    fn into_tensor(self) -> Tensor {
        Tensor::from_array(self.into_array())
    }

    fn meta(&self) -> Meta {
        match self {
            Gradient::Number(_) => Meta::new(crate::DType::F32, Shape::SCALAR),
            Gradient::Array(array) => array.meta(),
        }
    }

    #[inline]
    fn plus(self, other: Gradient) -> Result<Gradient> {
        match (self, other) {
            (Gradient::Number(a), Gradient::Number(b)) => Ok(Gradient::Number(a + b)),
            (a, b) => {
                let mut sum = a.into_array();
                sum.add_assign(&b.into_array());
                Ok(Gradient::from_array(sum))
            }
        }
    }

    fn summed_to(self, shape: &Shape) -> Result<Gradient> {
        Ok(Gradient::from_array(Array::sum_to(&self.into_array(), shape)))
    }

    fn converted(self, meta: Meta) -> Result<Gradient> {
        Ok(Gradient::from_array(Array::cast(&self.into_array(), meta.dtype)))
    }

    fn is_finite(&self) -> bool {
        match self {
            Gradient::Number(number) => number.is_finite(),
            Gradient::Array(array) => array.all_finite(),
        }
    }

    #[inline]
    fn fit(self, fits: &dyn Fn() -> Meta, scalar: bool) -> Result<Gradient> {
        match self {
            Gradient::Number(_) if scalar => Ok(self),
            other => fit(other, fits()),
        }
    }

    #[inline]
    fn backward(
        node: &Shared<Node>,
        saved: &SavedValues,
        upstream: &[Option<Gradient>],
        needs: &Needs,
    ) -> Result<Gradients<Gradient>> {
        if let [Some(Gradient::Number(g))] = upstream
            && let Some(gate) = node.gate().as_scalar()
            && let Some((x, y)) = Saved::new(node, saved).scalars()?
        {
            let product = |i| needs.input(i).then(|| Gradient::Number(gate.product(i, *g, x, y)));
            return Ok((0..needs.len()).map(product).collect());
        }
        let upstream: SmallVec<[Option<Array>; 1]> =
            upstream.iter().map(|g| g.clone().map(Gradient::into_array)).collect();
        let gradients = array_backward(node, saved, &upstream, needs)?;
        Ok(gradients.into_iter().map(|g| g.map(Gradient::from_array)).collect())
    }
}

/// The gate's backward on arrays: the fused one where there is one.
fn array_backward(
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
