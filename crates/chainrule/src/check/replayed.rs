//! Law 13: a recorded graph, replayed, gives the bits of the code that was recorded.

use super::numerical::same_randomness;
use crate::array::{Array, DType};
use crate::error::Result;
use crate::gate::Sample;
use crate::graph::ComputationalGraph;
use crate::tensor::Tensor;

/// Runs a sample's gate, and a few more after it, eagerly and replayed; what differs is told as a sentence.
pub(super) fn check_replayed(sample: &Sample) -> Result<Option<String>> {
    for dtype in [DType::F64, DType::F32] {
        let leaves: Vec<Tensor> = sample
            .inputs
            .iter()
            .enumerate()
            .map(|(i, x)| match x.dtype().is_float() {
                true => Tensor::leaf(x.cast(dtype), !sample.constants.contains(&i)),
                false => Tensor::leaf(x.clone(), false),
            })
            .collect();
        let program = || -> Result<Option<Tensor>> {
            let outputs = Tensor::apply_many(sample.gate.clone(), &leaves.iter().collect::<Vec<_>>())?;
            let mut total: Option<Tensor> = None;
            for y in outputs.iter().filter(|y| y.requires_grad()) {
                // The output is read twice, so that gradients meet, and by elementwise gates, which run together.
                let part = y.mul(0.75)?.tanh()?.add(y)?.sum()?;
                total = Some(match total {
                    Some(sum) => sum.add(&part)?,
                    None => part,
                });
            }
            Ok(total)
        };
        let Some(loss) = same_randomness(program)? else { return Ok(None) };
        loss.backward()?;
        let expected = taken(&leaves);
        let graph = same_randomness(|| ComputationalGraph::record(program))?;
        let mut replay = graph.replay(&[])?;
        for run in ["first", "second"] {
            let value = same_randomness(|| replay.forward())?;
            replay.backward()?;
            if !same_bits(&value.array(), &loss.array()) {
                return Ok(Some(format!("in {dtype} the {run} replay gives {value}, the code {loss}")));
            }
            for (i, (replayed, eager)) in taken(&leaves).iter().zip(&expected).enumerate() {
                let same = match (replayed, eager) {
                    (Some(a), Some(b)) => same_bits(a, b),
                    (None, None) => true,
                    _ => false,
                };
                if !same {
                    return Ok(Some(format!(
                        "in {dtype} the {run} replay gives the gradient {replayed:?} of input {i}, the code {eager:?}"
                    )));
                }
            }
        }
    }
    Ok(None)
}

/// The leaves' gradients, which they lose.
fn taken(leaves: &[Tensor]) -> Vec<Option<Array>> {
    let gradients = leaves.iter().map(|x| x.grad().map(|g| g.array())).collect();
    leaves.iter().for_each(Tensor::zero_grad);
    gradients
}

/// Whether all elements have the same bits (a NaN is like any other).
fn same_bits(a: &Array, b: &Array) -> bool {
    let bits = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    a.meta() == b.meta() && a.to_f64_vec().into_iter().map(bits).eq(b.to_f64_vec().into_iter().map(bits))
}
