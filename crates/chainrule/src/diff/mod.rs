//! Derivatives of functions: gradients, products with the Jacobian from either side, Jacobians, Hessians.
//!
//! A function takes tensors and returns one or several (see [`Values`]). It is called with tensors of its own
//! that stand for the inputs, so nothing is accumulated in anybody's `.grad`. Where the given inputs are
//! themselves being differentiated, so are the results: derivatives nest to any order and in any mix of modes.
//!
//! ```
//! use chainrule::diff::{hessian, vjp};
//! use chainrule::{tensor, Tensor};
//! let x = tensor([1.0, 2.0]);
//! let cubes = |x: &[Tensor]| x[0].pow(3.0)?.sum();
//! assert_eq!(hessian(cubes, &[&x])?[0][0].to_string(), "tensor([[ 6.,  0.],\n        [ 0., 12.]])");
//! # Ok::<(), chainrule::Error>(())
//! ```

mod checkpoint;
mod forward;
mod jacobian;
mod strict;

pub use checkpoint::checkpoint;
pub use forward::{Linearized, jvp, linearize};
pub use jacobian::{hessian, jacfwd, jacobian, jacrev};
pub use strict::strict;

use crate::error::{Error, Result};
use crate::gate::view::View;
use crate::tensor::{Backward, Tensor, enable_grad, is_grad_enabled, no_grad, watches_forward};

/// What a differentiated function returns: a tensor, or several.
///
/// ```
/// use chainrule::diff::Values;
/// use chainrule::tensor;
/// assert_eq!([tensor(1.0), tensor(2.0)].into_tensors().len(), 2);
/// ```
pub trait Values {
    /// The tensors in their order.
    ///
    /// ```
    /// use chainrule::diff::Values;
    /// use chainrule::tensor;
    /// assert_eq!(tensor(1.5).into_tensors()[0].item()?, 1.5);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn into_tensors(self) -> Vec<Tensor>;
}

impl Values for Tensor {
    fn into_tensors(self) -> Vec<Tensor> {
        vec![self]
    }
}

impl Values for Vec<Tensor> {
    fn into_tensors(self) -> Vec<Tensor> {
        self
    }
}

impl<const N: usize> Values for [Tensor; N] {
    fn into_tensors(self) -> Vec<Tensor> {
        self.into()
    }
}

/// The same values as another tensor: a place of its own in the graph.
fn alias(x: &Tensor) -> Result<Tensor> {
    Tensor::apply(View::Reshape(x.shape()), &[x])
}

/// A tensor in the place of an input: joined to the input's graph where it has one and gradients are on, else a
/// leaf; a forward mode that watches sees the one come from the other.
fn stand_in(x: &Tensor, requires_grad: bool) -> Result<Tensor> {
    match is_grad_enabled() && x.requires_grad() {
        true => alias(x),
        false if watches_forward() => no_grad(|| alias(x))?.requires_grad_(requires_grad),
        false => x.detach().requires_grad_(requires_grad),
    }
}

/// Whether what is computed from these inputs is itself being differentiated.
fn is_nested(inputs: &[&Tensor]) -> bool {
    watches_forward() || is_grad_enabled() && inputs.iter().any(|x| x.requires_grad())
}

/// Tensors that stand for the inputs and require a gradient.
fn tracked(inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    inputs.iter().map(|x| stand_in(x, true)).collect()
}

/// A function's outputs, and the stand-ins for its inputs from which they were computed.
fn recorded<V: Values>(
    f: impl Fn(&[Tensor]) -> Result<V>,
    inputs: &[&Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let inputs = tracked(inputs)?;
    let outputs = enable_grad(|| f(&inputs))?.into_tensors();
    Ok((inputs, outputs))
}

/// `Σ upstreamᵒ · ∂yᵒ/∂x` for every input; zeros where no output depends on it.
fn pull(
    inputs: &[Tensor],
    outputs: &[Tensor],
    upstream: &[Tensor],
    create_graph: bool,
) -> Result<Vec<Tensor>> {
    let used: Vec<usize> = (0..outputs.len()).filter(|&i| outputs[i].requires_grad()).collect();
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let gradients = match used.is_empty() {
        true => vec![None; inputs.len()],
        false => Backward::of(&used.iter().map(|&i| &outputs[i]).collect::<Vec<_>>())
            .upstream(&used.iter().map(|&i| &upstream[i]).collect::<Vec<_>>())
            .retain_graph(true)
            .create_graph(create_graph)
            .allow_unused(true)
            .gradients(&inputs)?,
    };
    Ok(inputs.iter().zip(gradients).map(|(x, g)| g.unwrap_or_else(|| x.zeros_like())).collect())
}

/// [`pull`] for a batch of upstream gradients of one output: a batch of gradients an input.
fn pull_batch(
    inputs: &[Tensor],
    output: &Tensor,
    upstream: &Tensor,
    create_graph: bool,
) -> Result<Vec<Tensor>> {
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let gradients = match output.requires_grad() {
        false => vec![None; inputs.len()],
        true => Backward::of(&[output])
            .upstream(&[upstream])
            .is_grads_batched(true)
            .retain_graph(true)
            .create_graph(create_graph)
            .allow_unused(true)
            .gradients(&inputs)?,
    };
    let zeros = |x: &Tensor| x.zeros_like().expand(crate::tensor::batched(upstream.shape()[0], &x.shape())?);
    inputs.iter().zip(gradients).map(|(x, g)| g.map_or_else(|| zeros(x), Ok)).collect()
}

/// The results without the graph that only this module's caller would have wanted.
fn settled(outputs: Vec<Tensor>, nested: bool) -> Vec<Tensor> {
    if nested { outputs } else { outputs.iter().map(Tensor::detach).collect() }
}

/// The gradient `∂f/∂x` of a function that returns one number.
///
/// # Errors
/// Those of the function; or it doesn't return one tensor with one element.
///
/// ```
/// use chainrule::{diff, tensor};
/// let gradient = diff::grad(|x| x[0].pow(3.0), &[&tensor(2.0)])?;
/// assert_eq!(gradient[0].item()?, 12.0);
/// // Derivatives nest: (x³)″ = 6x.
/// let second = diff::grad(|x| Ok(diff::grad(|x| x[0].pow(3.0), &[&x[0]])?.remove(0)), &[&tensor(2.0)])?;
/// assert_eq!(second[0].item()?, 12.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn grad<V: Values>(f: impl Fn(&[Tensor]) -> Result<V>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    Ok(value_and_grad(f, inputs)?.1)
}

/// What a function that returns one number gives, and its gradient.
///
/// # Errors
/// As [`grad`].
///
/// ```
/// use chainrule::{diff, tensor};
/// let (value, gradient) = diff::value_and_grad(|x| x[0].mul(&x[1]), &[&tensor(2.0), &tensor(5.0)])?;
/// assert_eq!((value.item()?, gradient[0].item()?, gradient[1].item()?), (10.0, 5.0, 2.0));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn value_and_grad<V: Values>(
    f: impl Fn(&[Tensor]) -> Result<V>,
    inputs: &[&Tensor],
) -> Result<(Tensor, Vec<Tensor>)> {
    let nested = is_nested(inputs);
    let (inputs, outputs) = recorded(f, inputs)?;
    let [value] = &outputs[..] else {
        return Err(Error::argument(format!(
            "a gradient is that of one number, and the function returned {} tensors",
            outputs.len()
        ))
        .hint("jacobian differentiates every output"));
    };
    if value.elements() != 1 {
        return Err(Error::shape(format!(
            "a gradient is that of one number, and the function returned a tensor of {}",
            value.meta()
        ))
        .hint("reduce it first (sum, mean), or take the jacobian"));
    }
    let gradients = pull(&inputs, &outputs, &[value.ones_like()], nested)?;
    let value = settled(outputs, nested).remove(0);
    Ok((value, gradients))
}

/// The function's outputs, and the product of an upstream gradient with its Jacobian: `Σ vᵒ · ∂yᵒ/∂x` for every
/// input. One backward pass.
///
/// # Errors
/// Those of the function; or `upstream` doesn't have the outputs' number and shapes.
///
/// ```
/// use chainrule::{diff, tensor};
/// let (y, g) = diff::vjp(|x| x[0].mul(&x[0]), &[&tensor([1.0, 2.0])], &[&tensor([1.0, 10.0])])?;
/// assert_eq!(y[0].to_vec::<f32>()?, [1.0, 4.0]);
/// assert_eq!(g[0].to_vec::<f32>()?, [2.0, 40.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn vjp<V: Values>(
    f: impl Fn(&[Tensor]) -> Result<V>,
    inputs: &[&Tensor],
    upstream: &[&Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let nested = is_nested(inputs) || is_nested(upstream);
    let (inputs, outputs) = recorded(f, inputs)?;
    same_shapes("upstream gradient", "output", upstream, &outputs.iter().collect::<Vec<_>>())?;
    let upstream: Vec<Tensor> = upstream.iter().map(|&v| v.clone()).collect();
    let gradients = pull(&inputs, &outputs, &upstream, nested)?;
    Ok((settled(outputs, nested), gradients))
}

/// Checks that there is one of each, of the same shape.
fn same_shapes(what: &str, of: &str, given: &[&Tensor], expected: &[&Tensor]) -> Result<()> {
    if given.len() != expected.len() {
        return Err(Error::argument(format!(
            "one {what} an {of} is needed: {} were given for {}",
            given.len(),
            expected.len()
        )));
    }
    match given.iter().zip(expected).position(|(a, b)| a.shape() != b.shape()) {
        None => Ok(()),
        Some(i) => Err(Error::shape(format!(
            "{what} {i} has the shape {}, its {of} {}",
            given[i].shape(),
            expected[i].shape()
        ))),
    }
}

/// The gradient of a function that returns one number, and the product `H·v` of its Hessian with a direction:
/// the directional derivative of the gradient, forward over backward, without the Hessian itself.
///
/// # Errors
/// As [`grad`] and [`jvp`].
///
/// ```
/// use chainrule::{diff, tensor};
/// let (g, hv) = diff::hvp(|x| x[0].pow(3.0)?.sum(), &[&tensor([1.0, 2.0])], &[&tensor([1.0, 10.0])])?;
/// assert_eq!(g[0].to_vec::<f32>()?, [3.0, 12.0]);
/// assert_eq!(hv[0].to_vec::<f32>()?, [6.0, 120.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn hvp<V: Values>(
    f: impl Fn(&[Tensor]) -> Result<V>,
    inputs: &[&Tensor],
    direction: &[&Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    jvp(|x| grad(&f, &x.iter().collect::<Vec<_>>()), inputs, direction)
}

/// The gradient of a function that returns one number, and the product `vᵀ·H` with its Hessian: two backward
/// passes. The Hessian is symmetric, so this is [`hvp`] by another way.
///
/// # Errors
/// As [`grad`] and [`vjp`].
///
/// ```
/// use chainrule::{diff, tensor};
/// let (_, vh) = diff::vhp(|x| x[0].pow(3.0)?.sum(), &[&tensor([1.0, 2.0])], &[&tensor([1.0, 10.0])])?;
/// assert_eq!(vh[0].to_vec::<f32>()?, [6.0, 120.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn vhp<V: Values>(
    f: impl Fn(&[Tensor]) -> Result<V>,
    inputs: &[&Tensor],
    direction: &[&Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    vjp(|x| grad(&f, &x.iter().collect::<Vec<_>>()), inputs, direction)
}
