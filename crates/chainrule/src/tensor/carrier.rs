//! What carries a gradient through the backward sweep.
//!
//! Where only numbers are wanted the sweep moves plain values, and gates run their fused backward where they
//! have one. Where the gradient must itself be a graph (`create_graph`) it moves tensors, and every step of
//! the sweep is recorded like any other computation.

use smallvec::SmallVec;

use super::caller::CallerGuard;
use super::node::{Kept, SCALAR};
use super::pending::Pending;
use super::sweep::Sweep;
use super::{NodeRef, Tensor};
use crate::array::{Array, Meta, Shape};
use crate::error::{Error, Result};
use crate::gate::{Gate, Gradients, Needs, Saved};

/// What reaches a node: a gradient for each of its outputs.
pub(super) type Upstream<G> = SmallVec<[Option<G>; 1]>;

/// A gradient on its way: a plain [`Gradient`], or a [`Tensor`] where the gradient is to be differentiated again.
pub(super) trait Carrier: Clone + Sized {
    /// Gives the gates of a gradient the source line of the node that it goes through.
    fn attributed_to(_node: &NodeRef) -> Option<CallerGuard> {
        None
    }
    fn from_tensor(tensor: &Tensor) -> Self;
    fn into_tensor(self) -> Tensor;
    /// The values alone.
    fn into_array(self) -> Array;
    fn meta(&self) -> Meta;
    /// Whether it has this element type and shape.
    fn has(&self, meta: &Meta) -> bool {
        self.meta() == *meta
    }
    /// `self ← self + other`
    fn add(&mut self, other: Self) -> Result<()>;
    /// Sums the gradient over the dimensions along which its input was broadcast.
    fn summed_to(self, shape: &Shape) -> Result<Self>;
    fn converted(self, meta: Meta) -> Result<Self>;
    fn is_finite(&self) -> bool;
    /// The gradient as a plain number, with which the node of a scalar gate runs without arrays.
    fn number(&self) -> Option<f32> {
        None
    }
    /// A plain number, where [`Carrier::number`] gives one.
    fn from_number(number: f32) -> Self {
        Self::from_tensor(&Tensor::from_array(Array::scalar(number)))
    }
    /// Multiplies the upstream gradients by the gate's local gradients.
    fn backward(
        node: &NodeRef,
        kept: &Kept,
        upstream: Upstream<Self>,
        needs: &Needs,
    ) -> Result<Gradients<Self>>;

    /// Runs the chain of elementwise gates that begins at this node; gives it back where there is none.
    fn run_chain<'g>(
        _sweep: &mut Sweep<'g, Self>,
        first: Pending<'g, Self>,
    ) -> Result<Option<Pending<'g, Self>>> {
        Ok(Some(first))
    }

    /// Sums and converts a gradient to the shape and element type of its input.
    #[inline]
    fn fit(self, meta: &Meta) -> Result<Self> {
        if self.has(meta) { Ok(self) } else { self.brought_to(meta) }
    }

    fn brought_to(self, meta: &Meta) -> Result<Self> {
        let own = self.meta();
        let mut gradient = self;
        if own.shape != meta.shape {
            if meta.shape.broadcast(&own.shape).ok() != Some(own.shape) {
                return Err(Error::autograd(format!(
                    "its backward returned a gradient of {own} for an input of {meta}"
                ))
                .hint("a gradient has its input's shape, or one to which that was broadcast"));
            }
            gradient = gradient.summed_to(&meta.shape)?;
        }
        if own.dtype == meta.dtype { Ok(gradient) } else { gradient.converted(*meta) }
    }
}

/// A gradient as a plain sweep moves it: graphs of scalars would else spend their time on making arrays.
#[derive(Clone)]
pub(super) enum Gradient {
    Number(f32),
    Array(Array),
}

impl Gradient {
    #[inline]
    pub(super) fn from_array(array: Array) -> Gradient {
        match array.inline_value::<f32>() {
            Some(number) => Gradient::Number(number),
            None => Gradient::Array(array),
        }
    }
}

impl Carrier for Gradient {
    fn from_tensor(tensor: &Tensor) -> Gradient {
        Gradient::from_array(tensor.array())
    }

    #[inline]
    fn into_tensor(self) -> Tensor {
        match self {
            Gradient::Number(number) => Tensor::from_number(number),
            Gradient::Array(array) => Tensor::from_array(array),
        }
    }

    #[inline]
    fn into_array(self) -> Array {
        match self {
            Gradient::Number(number) => Array::scalar(number),
            Gradient::Array(array) => array,
        }
    }

    fn meta(&self) -> Meta {
        match self {
            Gradient::Number(_) => SCALAR,
            Gradient::Array(array) => array.meta(),
        }
    }

    #[inline]
    fn has(&self, meta: &Meta) -> bool {
        match self {
            Gradient::Number(_) => *meta == SCALAR,
            Gradient::Array(array) => array.dtype() == meta.dtype && *array.shape() == meta.shape,
        }
    }

    #[inline]
    fn add(&mut self, other: Gradient) -> Result<()> {
        if let (Gradient::Number(a), Gradient::Number(b)) = (&mut *self, &other) {
            *a += b;
            return Ok(());
        }
        let mut sum = std::mem::replace(self, Gradient::Number(0.0)).into_array();
        sum.add_assign(&other.into_array());
        *self = Gradient::from_array(sum);
        Ok(())
    }

    fn summed_to(self, shape: &Shape) -> Result<Gradient> {
        Ok(Gradient::from_array(Array::sum_to(&self.into_array(), shape)))
    }

    fn converted(self, meta: Meta) -> Result<Gradient> {
        Ok(Gradient::from_array(Array::cast(&self.into_array(), meta.dtype)))
    }

    #[inline]
    fn number(&self) -> Option<f32> {
        match self {
            Gradient::Number(number) => Some(*number),
            Gradient::Array(_) => None,
        }
    }

    #[inline]
    fn from_number(number: f32) -> Gradient {
        Gradient::Number(number)
    }

    fn is_finite(&self) -> bool {
        match self {
            Gradient::Number(number) => number.is_finite(),
            Gradient::Array(array) => array.all_finite(),
        }
    }

    #[inline]
    fn run_chain<'g>(
        sweep: &mut Sweep<'g, Gradient>,
        first: Pending<'g, Gradient>,
    ) -> Result<Option<Pending<'g, Gradient>>> {
        sweep.run_chain(first)
    }

    #[inline]
    fn backward(
        node: &NodeRef,
        kept: &Kept,
        mut upstream: Upstream<Gradient>,
        needs: &Needs,
    ) -> Result<Gradients<Gradient>> {
        let (gate, saved) = (&**node.gate(), Saved::new(node, kept));
        let array = |gradient: Option<Gradient>| gradient.map(Gradient::into_array);
        let found = match &mut upstream[..] {
            [only] => array_backward(gate, &saved, &mut [array(only.take())], needs)?,
            all => {
                let mut all: Vec<_> = all.iter_mut().map(|gradient| array(gradient.take())).collect();
                array_backward(gate, &saved, &mut all, needs)?
            }
        };
        let mut gradients = Gradients::new();
        for gradient in found {
            gradients.push(gradient.map(Gradient::from_array));
        }
        Ok(gradients)
    }
}

/// The gate's backward on arrays: the fused one where there is one. It may take the upstream gradients' buffers.
pub(crate) fn array_backward(
    gate: &dyn Gate,
    saved: &Saved,
    upstream: &mut [Option<Array>],
    needs: &Needs,
) -> Result<Gradients<Array>> {
    if let Some(gradients) = gate.backward_taking(saved, upstream, needs) {
        return gradients;
    }
    let upstream: SmallVec<[Option<Tensor>; 1]> =
        upstream.iter().map(|g| g.clone().map(Tensor::from_array)).collect();
    let gradients = gate.backward(saved, &upstream, needs)?;
    Ok(gradients.into_iter().map(|g| g.map(|g| g.array())).collect())
}

/// [`Carrier::fit`] for an array.
#[inline]
pub(crate) fn fitted(gradient: Array, meta: &Meta) -> Result<Array> {
    if gradient.is_a(meta) {
        return Ok(gradient);
    }
    Ok(Gradient::from_array(gradient).brought_to(meta)?.into_array())
}

impl Carrier for Tensor {
    fn attributed_to(node: &NodeRef) -> Option<CallerGuard> {
        Some(CallerGuard::enter(node.location()))
    }

    fn from_tensor(tensor: &Tensor) -> Tensor {
        tensor.clone()
    }

    fn into_tensor(self) -> Tensor {
        self
    }

    fn into_array(self) -> Array {
        self.array()
    }

    fn meta(&self) -> Meta {
        Tensor::meta(self)
    }

    fn add(&mut self, other: Tensor) -> Result<()> {
        *self = Tensor::add(self, &other)?;
        Ok(())
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
        node: &NodeRef,
        kept: &Kept,
        upstream: Upstream<Tensor>,
        needs: &Needs,
    ) -> Result<Gradients<Tensor>> {
        node.gate().backward(&Saved::new(node, kept), &upstream, needs)
    }
}
