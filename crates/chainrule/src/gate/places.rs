//! Elementwise gates on arrays: what is the same for all of them, compiled once.
//!
//! A gate brings its loops over slices ([`ScalarGate`]); here arrays of any shape and order become slices.

use std::borrow::Cow;

use super::elementwise::{Dependence, MAX_INPUTS};
use super::lifted::{self, Lifted};
use super::{Gradients, Needs, Saved, ScalarGate, Tangents};
use crate::array::Float;
use crate::array::{Array, DType, Element, Meta, Shape, dispatch};
use crate::error::Result;
use crate::kernel::map::{Loop, Operand, listed, on_all, on_all_in_place};
use crate::kernel::memory;
use crate::tensor::Tensor;

/// The gate's value at every place.
pub(super) fn forward(gate: &dyn ScalarGate, inputs: &[&Array], output: &Meta) -> Result<Array> {
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
    let columns: [&[i64]; MAX_INPUTS] = columns.each_ref().map(|column| match column.is_empty() {
        true => &[0; 1][..],
        false => column,
    });
    let steps = columns.map(|column| usize::from(column.len() == shape.elements()));
    Ok(dispatch!(dtype, T => {
        let mut out = memory::take::<T>(shape.elements());
        for (i, out) in out.iter_mut().enumerate() {
            let x = listed(#[inline(always)] |n| columns[n][steps[n] * i]);
            *out = T::from_i64(gate.integer(x).unwrap_or(0));
        }
        Array::filled(out, *shape)
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

/// [`backward`], whose last result takes the upstream gradient's buffer where that is large and nobody else holds it:
/// one array less goes through the caches.
pub(super) fn backward_taking(
    gate: &dyn ScalarGate,
    saved: &Saved,
    g: &mut Array,
    needs: &Needs,
) -> Result<Gradients<Array>> {
    let large = g.elements() >= LARGE && g.is_unique();
    let last = (0..gate.inputs()).rfind(|&input| large && needs.input(input));
    let Some(last) = last.filter(|&input| gate.local(input).known() != Some(1.0)) else {
        return backward(gate, saved, g, needs);
    };
    let mut gradients = Gradients::new();
    for input in 0..gate.inputs() {
        gradients.push(match needs.input(input) {
            true if input == last => Some(product_in_place(gate, input, saved, g)?),
            true => Some(product(gate, input, saved, g)?),
            false => None,
        });
    }
    Ok(gradients)
}

/// Elements from which on a buffer of its own is felt: less lies in the nearest caches.
const LARGE: usize = 4096;

fn product(gate: &dyn ScalarGate, input: usize, saved: &Saved, g: &Array) -> Result<Array> {
    let local: Dependence = gate.local(input);
    if local.known() == Some(1.0) {
        return Ok(g.clone());
    }
    let [a, b, c, y] = read(local, saved)?;
    let x = [Some(g), a.as_deref(), b.as_deref(), c.as_deref(), y.as_deref()];
    Ok(match g.dtype() {
        DType::F64 => map::<5, f64>(&|x, out| gate.products_f64(input, x, out), x, g.shape()),
        _ => map::<5, f32>(&|x, out| gate.products(input, x, out), x, g.shape()),
    })
}

/// [`product`] in the buffer of `g`, which is left empty.
fn product_in_place(gate: &dyn ScalarGate, input: usize, saved: &Saved, g: &mut Array) -> Result<Array> {
    /// Whether all operands lie as the product does, so that it is there.
    fn done<T: Float>(each: Loop<'_, 5, T>, values: &[Option<Cow<Array>>; 4], g: &mut Array) -> bool {
        let [a, b, c, y] = values;
        let x = [None, a.as_deref(), b.as_deref(), c.as_deref(), y.as_deref()];
        let mut operands = [Operand::One(T::default()); 5];
        if !direct(&x, &g.shape().clone(), &mut operands) {
            return false;
        }
        let Some(out) = g.make_mut::<T>() else { return false };
        on_all_in_place(each, operands, out);
        true
    }
    let values = read(gate.local(input), saved)?;
    let done = match g.dtype() {
        DType::F64 => done::<f64>(&|x, out| gate.products_f64(input, x, out), &values, g),
        _ => done::<f32>(&|x, out| gate.products(input, x, out), &values, g),
    };
    match done {
        true => Ok(std::mem::replace(g, Array::scalar(0.0f32))),
        false => product(gate, input, saved, g),
    }
}

/// The inputs and the output that a local gradient reads.
fn read<'a>(local: Dependence, saved: &Saved<'a>) -> Result<[Option<Cow<'a, Array>>; 4]> {
    let read = |place: usize| -> Result<Option<Cow<'a, Array>>> {
        match local.reads(place) {
            false => Ok(None),
            true if place == MAX_INPUTS => saved.output_values(0).map(Some),
            true => saved.input_values(place).map(Some),
        }
    };
    Ok([read(0)?, read(1)?, read(2)?, read(MAX_INPUTS)?])
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
    let mut operands = [Operand::One(T::default()); N];
    if direct(&x, shape, &mut operands) {
        return Array::made(shape, |out| on_all(each, operands, out));
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

/// Finds the operands as they lie in memory, and tells whether each is the whole output in row-major order or one number.
fn direct<'a, T: Float>(x: &[Option<&'a Array>], shape: &Shape, operands: &mut [Operand<'a, T>]) -> bool {
    for (operand, x) in operands.iter_mut().zip(x) {
        let Some(x) = x else { continue };
        *operand = match (x.repeated::<T>(), x.as_slice()) {
            (Some(value), _) => Operand::One(value),
            (None, Some(slice)) if x.shape() == shape => Operand::Slice(slice),
            _ => return false,
        };
    }
    true
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backward, Generator};

    /// Gates whose local gradients read inputs, outputs, both and nothing.
    fn loss(x: &Tensor) -> Tensor {
        let product = x.tanh().unwrap().mul(&x.sigmoid().unwrap()).unwrap();
        product.add(&x.neg().unwrap().mul(x).unwrap().exp().unwrap()).unwrap().sub(&x.abs().unwrap()).unwrap()
    }

    #[test]
    fn large_gradients_that_take_buffers_are_the_bits_of_small_ones() {
        for dtype in [DType::F32, DType::F64] {
            let values = Generator::new(5).randn([3 * LARGE + 7], dtype);
            let of = |values: Array| {
                let x = Tensor::leaf(values, true);
                loss(&x).sum().unwrap().backward().unwrap();
                x.grad().unwrap().array()
            };
            let large = of(values.clone());
            for start in (0..values.elements()).step_by(LARGE / 2) {
                let length = (LARGE / 2).min(values.elements() - start);
                let part = |x: &Array| x.narrow(0, start as isize, length).unwrap().contiguous();
                assert!(of(part(&values)).same_as(&part(&large)), "{dtype} from {start}");
            }
        }
    }

    #[test]
    fn an_upstream_gradient_that_somebody_holds_keeps_its_values() {
        let x = Tensor::leaf(Generator::new(6).randn([2 * LARGE], DType::F32), true);
        let upstream = Tensor::ones([2 * LARGE]);
        let y = x.tanh().unwrap();
        for _ in 0..2 {
            let pass = Backward::of(&[&y]).upstream(&[&upstream]).retain_graph(true);
            let found = pass.gradients(&[&x]).unwrap()[0].clone().unwrap();
            let expected = slope(&y);
            assert!(found.array().all_close(&expected, 1e-6, 0.0));
            assert!(upstream.array().same_as(&Array::ones([2 * LARGE])));
        }
    }

    fn slope(y: &Tensor) -> Array {
        y.square().unwrap().neg().unwrap().add(1.0).unwrap().array()
    }
}
