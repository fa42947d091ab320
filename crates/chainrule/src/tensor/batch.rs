//! Batched backward: many upstream gradients in one sweep.
//!
//! Every gradient of such a sweep has one more dimension in front, along which the upstream gradients lie. A gate
//! whose backward is written so that it doesn't mind says so
//! ([`Gate::backward_takes_batches`](crate::gate::Gate::backward_takes_batches)); for any other the sweep loops over
//! the batch at that gate.

use super::carrier::{Carrier, Upstream};
use super::node::Kept;
use super::{NodeRef, Tensor};
use crate::array::{Meta, Shape};
use crate::error::{Error, Result};
use crate::gate::{Gradients, Needs, Saved};

/// A shape with the batch dimension in front.
pub(crate) fn batched(size: usize, shape: &Shape) -> Result<Shape> {
    Shape::new(&[&[size], &shape[..]].concat())
}

/// The size of the batch of upstream gradients for these outputs, which must be the same for all.
pub(super) fn size_of(outputs: &[&Tensor], upstream: &[Option<&Tensor>]) -> Result<usize> {
    let mut size = None;
    for (i, (output, upstream)) in outputs.iter().zip(upstream).enumerate() {
        let Some(gradient) = upstream else {
            return Err(Error::autograd(format!("output {i} has no batch of upstream gradients"))
                .hint("give one an output: Backward::of(…).upstream(…)"));
        };
        let (shape, own) = (gradient.shape(), output.shape());
        let fits = shape.rank() == own.rank() + 1 && shape[1..] == own[..];
        if !fits || size.is_some_and(|size| size != shape[0]) {
            return Err(Error::shape(format!(
                "the batch of upstream gradients {i} has the shape {shape}; it should be the number of gradients (the same for every output) followed by its output's shape {own}"
            )));
        }
        size = Some(shape[0]);
    }
    match size {
        Some(0) => Err(Error::argument("a batch of upstream gradients must hold at least one")),
        Some(size) => Ok(size),
        None => Ok(1),
    }
}

/// Sums and converts a batch of gradients to the shape and element type of their input.
pub(super) fn fit<G: Carrier>(gradient: G, meta: Meta, size: usize) -> Result<G> {
    let (own, goal) = (gradient.meta(), Meta { shape: batched(size, &meta.shape)?, ..meta });
    if own == goal {
        return Ok(gradient);
    }
    let one = Shape::trusted(own.shape.get(1..).unwrap_or_default());
    if own.shape.first() != Some(&size) || meta.shape.broadcast(&one).ok() != Some(one) {
        return Err(Error::autograd(format!(
            "its backward returned gradients of {own} for a batch of {size} and an input of {meta}"
        ))
        .hint("a batch of gradients is the size of the batch followed by the input's shape, or by one to which that was broadcast"));
    }
    // The input's shape is aligned with the last dimensions, behind the batch.
    let mut sizes = vec![1; own.shape.rank()];
    sizes[0] = size;
    sizes[own.shape.rank() - meta.shape.rank()..].copy_from_slice(&meta.shape);
    let mut summed = gradient.into_tensor();
    if own.shape != goal.shape {
        summed = summed.sum_to_size(Shape::trusted(&sizes))?.reshape(goal.shape)?;
    }
    if own.dtype != goal.dtype {
        summed = summed.cast(goal.dtype)?;
    }
    Ok(G::from_tensor(&summed))
}

/// Multiplies a batch of upstream gradients by the gate's local gradients.
pub(super) fn backward<G: Carrier>(
    node: &NodeRef,
    kept: &Kept,
    upstream: &[Option<G>],
    needs: &Needs,
    size: usize,
) -> Result<Gradients<G>> {
    let upstream: Vec<Option<Tensor>> = upstream.iter().map(|g| g.clone().map(G::into_tensor)).collect();
    if node.gate().backward_takes_batches() {
        let gradients = node.gate().backward(&Saved::new(node, kept), &upstream, needs)?;
        return Ok(gradients.iter().map(|g| g.as_ref().map(G::from_tensor)).collect());
    }
    // One after another; `parts[i]` are those of input i.
    let mut parts: Vec<Vec<Option<Tensor>>> = vec![Vec::with_capacity(size); node.edges().len()];
    for place in 0..size {
        let one = upstream
            .iter()
            .map(|g| g.as_ref().map(|g| Ok(G::from_tensor(&g.select(0, place as isize)?))).transpose())
            .collect::<Result<Upstream<G>>>()?;
        let gradients = G::backward(node, kept, one, needs)?;
        if gradients.len() != parts.len() {
            // The sweep says what is wrong with that.
            return Ok(gradients);
        }
        for (i, (parts, gradient)) in parts.iter_mut().zip(gradients).enumerate() {
            parts.push(match (gradient, node.input_meta(i)) {
                (Some(gradient), Some(meta)) => Some(gradient.fit(&meta)?.into_tensor()),
                _ => None,
            });
        }
    }
    let together = |(i, parts): (usize, Vec<Option<Tensor>>)| -> Result<Option<G>> {
        let Some(meta) = node.input_meta(i).filter(|_| parts.iter().any(Option::is_some)) else {
            return Ok(None);
        };
        let zeros = Tensor::from_array(crate::Array::zeros_of(meta.shape, meta.dtype));
        let parts: Vec<&Tensor> = parts.iter().map(|part| part.as_ref().unwrap_or(&zeros)).collect();
        Tensor::stack(&parts, 0).map(|all| Some(G::from_tensor(&all)))
    };
    parts.into_iter().enumerate().map(together).collect()
}
