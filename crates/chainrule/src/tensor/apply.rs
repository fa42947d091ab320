//! Running a gate on tensors, and recording how to differentiate it.

use std::panic::Location;

use smallvec::SmallVec;

use super::Tensor;
use super::mode::{Recording, Step, is_anomaly_enabled, is_grad_enabled, is_recording};
use super::node::{Edge, Node, NodeOutputs, Shared};
use crate::array::{Array, Meta};
use crate::error::{Error, ErrorKind, Result};
use crate::gate::{Context, GateRef, Metas, Needs, Outputs, SavedValues};

/// A gate's outputs as tensors.
pub(crate) type Tensors = SmallVec<[Tensor; 1]>;

impl Tensor {
    /// Runs a gate that has one output.
    ///
    /// # Errors
    /// The gate refuses its inputs; in anomaly mode also where the output isn't finite.
    #[track_caller]
    #[inline]
    pub fn apply(gate: impl Into<GateRef>, inputs: &[&Tensor]) -> Result<Tensor> {
        Tensor::apply_one(gate, inputs, Location::caller())
    }

    /// [`Tensor::apply`] for methods that already know their caller's line.
    #[inline]
    pub(crate) fn apply_one(
        gate: impl Into<GateRef>,
        inputs: &[&Tensor],
        location: &'static Location<'static>,
    ) -> Result<Tensor> {
        let gate = gate.into();
        if let Some(y) = scalar_forward(&gate, inputs) {
            return Ok(scalar_output(gate, inputs, y, location));
        }
        let name = gate.name();
        let mut outputs = apply_at(gate, inputs, location)?;
        outputs.pop().ok_or_else(|| Error::argument("the gate has no output").at_gate(name))
    }

    /// Runs a gate that has any number of outputs.
    ///
    /// # Errors
    /// As [`Tensor::apply`].
    #[track_caller]
    pub fn apply_many(gate: impl Into<GateRef>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        Ok(apply_at(gate.into(), inputs, Location::caller())?.into_vec())
    }
}

/// Runs a gate: its checks, its forward pass, and the recording of its node where a gradient is wanted.
pub(crate) fn apply_at(
    gate: GateRef,
    inputs: &[&Tensor],
    location: &'static Location<'static>,
) -> Result<Tensors> {
    let (outputs, metas, extras) = forward(&gate, inputs, location)?;

    let wanted = is_grad_enabled() && inputs.iter().any(|x| x.requires_grad());
    let differentiable = wanted && metas.iter().any(|meta| meta.dtype.is_float());
    if !differentiable {
        let outputs: Tensors = outputs.into_iter().map(Tensor::from_array).collect();
        if is_recording() {
            note(gate, inputs, &outputs, location);
        }
        return Ok(outputs);
    }

    let edges: SmallVec<[Edge; 2]> = inputs.iter().map(|x| edge_to(x)).collect();
    let needs = Needs::new(inputs.iter().map(|x| x.requires_grad()));
    let saves = gate.saves(&needs);
    let mut saved = SavedValues { extras, ..SavedValues::default() };
    for (i, x) in inputs.iter().enumerate() {
        if saves.has_input(i) {
            saved.inputs.push((i as u32, x.version(), (*x).clone()));
        }
    }
    for (i, y) in outputs.iter().enumerate() {
        if saves.has_output(i) {
            saved.outputs.push((i as u32, y.clone()));
        }
    }
    let recorded = is_recording().then(|| gate.clone());
    let node = Shared::new(Node::new(gate, edges, NodeOutputs::of(metas), saved, location));
    let outputs: Tensors = outputs
        .into_iter()
        .enumerate()
        .map(|(i, array)| {
            let float = array.dtype().is_float();
            if float { Tensor::computed(array, node.clone(), i) } else { Tensor::from_array(array) }
        })
        .collect();
    if let Some(gate) = recorded {
        note(gate, inputs, &outputs, location);
    }
    Ok(outputs)
}

/// The value of an elementwise gate whose inputs are all 0-d f32, which no rule can refuse.
#[inline]
fn scalar_forward(gate: &GateRef, inputs: &[&Tensor]) -> Option<f32> {
    if inputs.len() > 3 || is_anomaly_enabled() || is_recording() {
        return None;
    }
    let mut x = [0.0; 3];
    for (slot, input) in x.iter_mut().zip(inputs) {
        *slot = input.number()?;
    }
    let gate = gate.as_scalar()?;
    (gate.inputs() == inputs.len()).then(|| gate.value(x))
}

/// The output of such a gate as a tensor, with its node where a gradient is wanted.
#[inline]
fn scalar_output(gate: GateRef, inputs: &[&Tensor], y: f32, location: &'static Location<'static>) -> Tensor {
    if !is_grad_enabled() || !inputs.iter().any(|x| x.requires_grad()) {
        return Tensor::from_array(Array::scalar(y));
    }
    let mut edges: SmallVec<[Edge; 2]> = SmallVec::new();
    edges.extend(inputs.iter().map(|x| edge_to(x)));
    let saves = gate.saves(&Needs::new(inputs.iter().map(|x| x.requires_grad())));
    let mut saved = SavedValues::default();
    for (i, x) in inputs.iter().enumerate() {
        if saves.has_input(i) {
            saved.inputs.push((i as u32, x.version(), (*x).clone()));
        }
    }
    if saves.has_output(0) {
        saved.outputs.push((0, Array::scalar(y)));
    }
    let node = Shared::new(Node::new(gate, edges, NodeOutputs::Scalar, saved, location));
    Tensor::computed(Array::scalar(y), node, 0)
}

/// The gate's checks and forward pass; errors name the gate and show what it was given.
#[inline]
fn forward(
    gate: &GateRef,
    inputs: &[&Tensor],
    location: &'static Location<'static>,
) -> Result<(Outputs, Metas, Vec<Array>)> {
    let arrays: SmallVec<[Array; 3]> = inputs.iter().map(|x| x.array()).collect();
    let views: SmallVec<[&Array; 3]> = arrays.iter().collect();
    let metas: SmallVec<[Meta; 3]> = views.iter().map(|x| x.meta()).collect();
    let attributed = |error: Error| error.at_gate(gate.name()).with_inputs(metas.iter().copied());

    let promised = gate.infer(&metas).map_err(attributed)?;
    let mut context = Context::new(&promised);
    let outputs = gate.forward(&views, &mut context).map_err(attributed)?;
    let extras = context.into_extras();
    if outputs.len() != promised.len() || outputs.iter().zip(&promised).any(|(y, meta)| y.meta() != *meta) {
        let actual: Vec<String> = outputs.iter().map(|y| y.meta().to_string()).collect();
        let expected: Vec<String> = promised.iter().map(Meta::to_string).collect();
        return Err(attributed(Error::argument(format!(
            "its forward returned [{}] where its infer promised [{}]",
            actual.join(", "),
            expected.join(", ")
        ))));
    }
    if is_anomaly_enabled()
        && let Some(i) = outputs.iter().position(|y| !y.all_finite())
    {
        let culprit = Error::new(
            ErrorKind::Anomaly,
            format!("output {i} of the forward pass has a value that is NaN or infinite"),
        );
        return Err(attributed(culprit).location(location).hint(
            match arrays.iter().all(Array::all_finite) {
                true => "all of its inputs are finite: this is the first gate to leave the finite numbers",
                false => "an input of it was not finite already",
            },
        ));
    }
    Ok((outputs, promised, extras))
}

#[inline]
fn edge_to(tensor: &Tensor) -> Edge {
    match tensor.node() {
        Some((node, output)) => Edge::Node(node.clone(), output as u32),
        None if tensor.requires_grad() => Edge::Leaf(tensor.clone()),
        None => Edge::Constant(tensor.clone()),
    }
}

#[cold]
fn note(gate: GateRef, inputs: &[&Tensor], outputs: &[Tensor], location: &'static Location<'static>) {
    let inputs = inputs.iter().map(|&x| x.clone()).collect();
    Recording::note(Step { gate, inputs, outputs: outputs.to_vec(), location });
}
