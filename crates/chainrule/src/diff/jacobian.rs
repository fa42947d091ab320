//! Jacobians and Hessians: all derivatives, by whichever mode needs fewer passes.

use super::{Values, grad, is_nested, linearize, pull, pull_batch, recorded};
use crate::array::{Array, MAX_RANK, Shape};
use crate::error::Result;
use crate::tensor::Tensor;

/// So many rows of a Jacobian are computed in one sweep: enough to share the work between them, and few enough
/// that a batch of gradients stays small beside the values.
const ROWS: usize = 64;

/// One tensor for each element of `like`, which is 1 there and 0 elsewhere.
fn units(like: &Tensor) -> impl Iterator<Item = Tensor> + '_ {
    let count = like.elements();
    (0..count).map(move |i| unit_rows(like, i, 1, like.shape()))
}

/// Rows `start`, `start + 1`, … of the unit matrix over the elements of `like`, under a shape.
fn unit_rows(like: &Tensor, start: usize, rows: usize, shape: Shape) -> Tensor {
    let (count, mut unit) = (like.elements(), vec![0.0; rows * like.elements()]);
    for row in 0..rows {
        unit[row * count + start + row] = 1.0;
    }
    Tensor::from_array(Array::filled::<f64>(unit, shape).cast(like.dtype()))
}

/// The shape of the derivatives of `y` by `x`: first the dimensions of `y`, then those of `x`.
fn joined(y: &Tensor, x: &Tensor) -> Result<Shape> {
    Shape::new(&y.shape().iter().chain(x.shape().iter()).copied().collect::<Vec<_>>())
}

/// A table of outputs by inputs, each from its rows or columns; where an output or input is empty there are none.
fn assemble(
    inputs: &[&Tensor],
    outputs: &[Tensor],
    derivatives: impl Fn(usize, usize) -> Result<Tensor>,
) -> Result<Vec<Vec<Tensor>>> {
    let entry = |o: usize, i: usize| {
        let shape = joined(&outputs[o], inputs[i])?;
        match shape.elements() {
            0 => Ok(Tensor::from_array(Array::zeros_of(shape, outputs[o].dtype()))),
            _ => derivatives(o, i)?.reshape(shape),
        }
    };
    (0..outputs.len()).map(|o| (0..inputs.len()).map(|i| entry(o, i)).collect()).collect()
}

/// All derivatives: for every output (first index) and input (second index) a tensor with the dimensions of
/// the output followed by those of the input.
///
/// Goes forward ([`jacfwd`]) where there are fewer input elements than output elements, else backward
/// ([`jacrev`]).
///
/// # Errors
/// Those of the function; or an output and an input have too many dimensions together.
///
/// ```
/// use chainrule::{diff, tensor};
/// let jacobian = diff::jacobian(|x| x[0].mul(&x[0]), &[&tensor([1.0, 2.0])])?;
/// assert_eq!(jacobian[0][0].to_vec::<f32>()?, [2.0, 0.0, 0.0, 4.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn jacobian<V: Values>(
    f: impl Fn(&[Tensor]) -> Result<V>,
    inputs: &[&Tensor],
) -> Result<Vec<Vec<Tensor>>> {
    let (own, outputs) = recorded(&f, inputs)?;
    let size = |tensors: &[Tensor]| tensors.iter().map(Tensor::elements).sum::<usize>();
    match size(&own) < size(&outputs) {
        true => jacfwd(f, inputs),
        false => backward(inputs, &own, &outputs),
    }
}

/// The [`jacobian`] column by column, forward: one sweep of tangents for every input element.
///
/// # Errors
/// As [`jacobian`].
///
/// ```
/// use chainrule::{diff, tensor};
/// let f = |x: &[chainrule::Tensor]| x[0].mul(&tensor([1.0, 2.0, 3.0]));
/// let jacobian = diff::jacfwd(f, &[&tensor(5.0)])?;
/// assert_eq!(jacobian[0][0].to_vec::<f32>()?, [1.0, 2.0, 3.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn jacfwd<V: Values>(f: impl Fn(&[Tensor]) -> Result<V>, inputs: &[&Tensor]) -> Result<Vec<Vec<Tensor>>> {
    let (outputs, linear) = linearize(f, inputs)?;
    let zeros: Vec<Tensor> = inputs.iter().map(|x| x.zeros_like()).collect();
    // For every input and each of its elements the derivatives of all outputs by this element.
    let of_input = |i: usize| {
        let column = |unit: Tensor| {
            let mut tangents: Vec<&Tensor> = zeros.iter().collect();
            tangents[i] = &unit;
            linear.apply(&tangents)
        };
        units(inputs[i]).map(column).collect::<Result<Vec<_>>>()
    };
    let columns = (0..inputs.len()).map(of_input).collect::<Result<Vec<_>>>()?;
    assemble(inputs, &outputs, |o, i| {
        Tensor::stack(&columns[i].iter().map(|column| &column[o]).collect::<Vec<_>>(), -1)
    })
}

/// The [`jacobian`] row by row, backward: the upstream gradients of many output elements go through the graph in
/// one sweep ([`Backward::is_grads_batched`](crate::Backward::is_grads_batched)).
///
/// # Errors
/// As [`jacobian`].
///
/// ```
/// use chainrule::{diff, tensor};
/// let jacobian = diff::jacrev(|x| x[0].sum(), &[&tensor([1.0, 2.0])])?;
/// assert_eq!(jacobian[0][0].to_vec::<f32>()?, [1.0, 1.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn jacrev<V: Values>(f: impl Fn(&[Tensor]) -> Result<V>, inputs: &[&Tensor]) -> Result<Vec<Vec<Tensor>>> {
    let (own, outputs) = recorded(&f, inputs)?;
    backward(inputs, &own, &outputs)
}

/// The Jacobian of a function that ran: `own` stand for the inputs in its graph.
fn backward(inputs: &[&Tensor], own: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Vec<Tensor>>> {
    let nested = is_nested(inputs);
    let rows = outputs.iter().map(|output| rows(own, output, nested)).collect::<Result<Vec<_>>>()?;
    assemble(inputs, outputs, |o, i| Tensor::cat(&rows[o][i].iter().collect::<Vec<_>>(), 0))
}

/// The derivatives of every element of an output by each input: row by row, in batches of rows.
fn rows(own: &[Tensor], output: &Tensor, nested: bool) -> Result<Vec<Vec<Tensor>>> {
    let count = output.elements();
    // A batch needs a dimension of its own.
    let most = own.iter().chain([output]).map(Tensor::rank).max().unwrap_or(0);
    let (mut start, mut step) = (0, if most < MAX_RANK { ROWS } else { 1 });
    let mut rows = vec![Vec::new(); own.len()];
    while start < count {
        let these = step.min(count - start);
        let found = match step {
            1 => {
                let unit = unit_rows(output, start, 1, output.shape());
                let gradients = pull(own, std::slice::from_ref(output), &[unit], nested)?;
                gradients.iter().map(|gradient| gradient.unsqueeze(0)).collect::<Result<Vec<_>>>()
            }
            _ => {
                let shape = crate::tensor::batched(these, &output.shape())?;
                pull_batch(own, output, &unit_rows(output, start, these, shape), nested)
            }
        };
        match found {
            Ok(found) => rows.iter_mut().zip(found).for_each(|(rows, found)| rows.push(found)),
            // A value inside the graph may have as many dimensions as there can be: then one row at a time.
            Err(_) if step > 1 => {
                step = 1;
                continue;
            }
            Err(error) => return Err(error),
        }
        start += these;
    }
    Ok(rows)
}

/// All second derivatives `∂²f/∂xᵢ∂xⱼ` of a function that returns one number: for every pair of inputs a tensor
/// with the dimensions of the first followed by those of the second.
///
/// # Errors
/// As [`grad`] and [`jacobian`].
///
/// ```
/// use chainrule::{diff, tensor};
/// let hessian = diff::hessian(|x| x[0].pow(3.0)?.sum(), &[&tensor([1.0, 2.0])])?;
/// assert_eq!(hessian[0][0].to_vec::<f32>()?, [6.0, 0.0, 0.0, 12.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn hessian<V: Values>(
    f: impl Fn(&[Tensor]) -> Result<V>,
    inputs: &[&Tensor],
) -> Result<Vec<Vec<Tensor>>> {
    jacobian(|x| grad(&f, &x.iter().collect::<Vec<_>>()), inputs)
}
