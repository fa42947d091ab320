//! Elementwise gates on arrays: what is the same for all of them, compiled once.
//!
//! A gate brings its loops over slices ([`ScalarGate`]); here arrays of any shape and order become slices.

use super::elementwise::{Dependence, MAX_INPUTS};
use super::lifted::{self, Lifted};
use super::{Gradients, Needs, Saved, ScalarGate, Tangents};
use crate::array::{Array, DType, Meta, Shape, dispatch};
use crate::error::Result;
use crate::kernel::map::{Float, Loop, Operand, on_all};
use crate::kernel::memory;
use crate::tensor::Tensor;

/// The gate's value at every place.
pub(super) fn forward(gate: &dyn ScalarGate, inputs: &[&Array], output: Meta) -> Result<Array> {
    let x = std::array::from_fn(|i| inputs.get(i).copied());
    Ok(match output.dtype {
        DType::F32 => map::<MAX_INPUTS, f32>(&|x, out| gate.values(x, out), x, &output.shape),
        DType::F64 => map::<MAX_INPUTS, f64>(&|x, out| gate.values_f64(x, out), x, &output.shape),
        dtype => integers(gate, inputs, dtype, &output.shape)?,
    })
}

fn integers(gate: &dyn ScalarGate, inputs: &[&Array], dtype: DType, shape: &Shape) -> Result<Array> {
    let mut columns = [const { Vec::new() }; MAX_INPUTS];
    for (column, input) in columns.iter_mut().zip(inputs) {
        *column = input.cast(dtype).expand(*shape)?.to_i64_vec();
    }
    let at = |input: usize, i: usize| columns[input].get(i).copied().unwrap_or(0);
    let values = (0..shape.elements()).map(|i| gate.integer([at(0, i), at(1, i), at(2, i)]).unwrap_or(0));
    let values: Vec<i64> = values.collect();
    Ok(dispatch!(dtype, T => {
        Array::filled(values.into_iter().map(<T as crate::array::Element>::from_i64).collect(), *shape)
    }))
}

/// Upstream gradient × local gradient, for every input that needs it.
pub(super) fn backward(
    gate: &dyn ScalarGate,
    saved: &Saved,
    g: &Array,
    needs: &Needs,
) -> Result<Gradients<Array>> {
    let mut gradients = Gradients::new();
    for input in 0..gate.inputs() {
        gradients.push(match needs.input(input) {
            true => Some(product(gate, input, saved, g)?),
            false => None,
        });
    }
    Ok(gradients)
}

fn product(gate: &dyn ScalarGate, input: usize, saved: &Saved, g: &Array) -> Result<Array> {
    let local: Dependence = gate.local(input);
    if local.known() == Some(1.0) {
        return Ok(g.clone());
    }
    let read = |place: usize| -> Result<Option<Array>> {
        match local.reads(place) {
            false => Ok(None),
            true if place == MAX_INPUTS => saved.output_array(0).map(Some),
            true => saved.input_array(place).map(Some),
        }
    };
    let values = [read(0)?, read(1)?, read(2)?, read(MAX_INPUTS)?];
    let x = [Some(g), values[0].as_ref(), values[1].as_ref(), values[2].as_ref(), values[3].as_ref()];
    Ok(match g.dtype() {
        DType::F64 => map::<5, f64>(&|x, out| gate.products_f64(input, x, out), x, g.shape()),
        _ => map::<5, f32>(&|x, out| gate.products(input, x, out), x, g.shape()),
    })
}

/// The gate's local gradient of one input, on tensors.
type Local<'a> = &'a dyn Fn(usize, [Lifted; 4]) -> Lifted;

/// [`backward`] in tensor operations.
pub(super) fn backward_of_tensors(
    gate: &dyn ScalarGate,
    local: Local<'_>,
    saved: &Saved,
    g: &Tensor,
    needs: &Needs,
) -> Result<Gradients> {
    let read = |place| if place == MAX_INPUTS { saved.output(0) } else { saved.input(place) };
    let mut gradients = Gradients::new();
    for input in 0..gate.inputs() {
        gradients.push(match needs.input(input) {
            true => Some(times_local(gate, local, input, g, &read)?),
            false => None,
        });
    }
    Ok(gradients)
}

/// The output's tangent: the sum of every input's, times its local gradient.
pub(super) fn tangent(
    gate: &dyn ScalarGate,
    local: Local<'_>,
    inputs: &[Tensor],
    y: &Tensor,
    tangents: &[Option<Tensor>],
) -> Result<Tangents> {
    let read = |place: usize| Ok(if place == MAX_INPUTS { y.clone() } else { inputs[place].clone() });
    let mut sum: Option<Tensor> = None;
    for (input, tangent) in tangents.iter().enumerate() {
        let Some(tangent) = tangent else { continue };
        let part = times_local(gate, local, input, &tangent.cast(y.dtype())?, &read)?;
        sum = Some(match sum {
            Some(sum) => Tensor::add(&sum, &part)?,
            None => part,
        });
    }
    // A smaller input, broadcast to the output's shape, has a smaller tangent.
    Ok([sum.map(|sum| sum.expand(y.shape())).transpose()?].into())
}

/// `g` × the local gradient of one input; `read` gives an input, or at [`MAX_INPUTS`] the output.
fn times_local(
    gate: &dyn ScalarGate,
    local: Local<'_>,
    input: usize,
    g: &Tensor,
    read: &dyn Fn(usize) -> Result<Tensor>,
) -> Result<Tensor> {
    let depends = gate.local(input);
    if let Some(constant) = depends.known() {
        return match constant {
            1.0 => Ok(g.clone()),
            -1.0 => Tensor::neg(g),
            other => g.mul(other),
        };
    }
    let needed = |place: usize| depends.reads(place).then(|| read(place)).transpose();
    let values = [needed(0)?, needed(1)?, needed(2)?, needed(MAX_INPUTS)?];
    g.mul(lifted::evaluate(g.dtype(), values, &|x| local(input, x))?)
}

/// Runs an elementwise loop over arrays that broadcast to `shape`; a missing operand is 0.
pub(crate) fn map<const N: usize, T: Float>(
    each: Loop<'_, N, T>,
    x: [Option<&Array>; N],
    shape: &Shape,
) -> Array {
    let whole = shape.elements();
    if let Some(operands) = direct(&x, shape) {
        if whole == 1 {
            let mut out = [T::default()];
            each(operands, &mut out);
            return Array::one(out[0], *shape);
        }
        let mut out = memory::take::<T>(whole);
        on_all(each, operands, &mut out);
        return Array::filled(out, *shape);
    }
    let mut out = memory::take::<T>(whole);
    if out.is_empty() {
        return Array::filled(out, *shape);
    }
    // Operands of another element type or order of elements are brought into row-major order of type T;
    // then each is the whole output, one number, or a row that repeats.
    let prepared: [Option<Array>; N] = x.map(|x| x.map(|x| x.cast(T::DTYPE).contiguous()));
    let trailing = |x: &Array| {
        // The sizes without leading ones must be the last sizes of the output.
        let sizes: &[usize] = x.shape();
        let sizes = &sizes[sizes.iter().take_while(|&&size| size == 1).count()..];
        shape.ends_with(sizes)
    };
    let expanded: [Option<Array>; N] = prepared.map(|x| {
        x.map(|x| match x.elements() {
            1 => x,
            n if trailing(&x) && (n == whole || n >= 8) => x,
            _ => x.expand(*shape).map_or(x, |x| x.contiguous()),
        })
    });
    let row =
        expanded.iter().flatten().map(Array::elements).filter(|&n| n > 1 && n < whole).min().unwrap_or(whole);
    if row == whole {
        let operands = std::array::from_fn(|i| part(&expanded[i], 0, whole));
        on_all(each, operands, &mut out);
    } else {
        // Several rows at a time for one thread.
        let rows = (16 * 1024 / row).max(1);
        crate::kernel::pool::chunks_mut(&mut out, rows * row, |start, out| {
            for (i, out) in out.chunks_mut(row).enumerate() {
                let operands = std::array::from_fn(|n| part(&expanded[n], start + i * row, row));
                each(operands, out);
            }
        });
    }
    Array::filled(out, *shape)
}

/// The operands as they lie in memory, where each is the whole output in row-major order or one number.
fn direct<'a, const N: usize, T: Float>(
    x: &[Option<&'a Array>; N],
    shape: &Shape,
) -> Option<[Operand<'a, T>; N]> {
    let mut operands = [Operand::One(T::default()); N];
    for (operand, x) in operands.iter_mut().zip(x) {
        let Some(x) = x else { continue };
        *operand = match x.repeated::<T>() {
            Some(value) => Operand::One(value),
            None if x.shape() == shape => Operand::Slice(x.as_slice()?),
            None => return None,
        };
    }
    Some(operands)
}

/// The elements of an operand that stand beside `length` output elements from `start` on.
fn part<T: Float>(x: &Option<Array>, start: usize, length: usize) -> Operand<'_, T> {
    let Some(x) = x else { return Operand::One(T::default()) };
    let values = x.values::<T>();
    match values.len() {
        1 => Operand::One(values[0]),
        n => Operand::Slice(&values[start % n..start % n + length]),
    }
}
