//! Running a gate on tensors, and recording how to differentiate it.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::Mutex;

use smallvec::SmallVec;

use super::caller::line_of;
use super::mode::{Recording, Step, is_anomaly_enabled, is_grad_enabled, is_recording};
use super::node::{self, Edge, Edges, Node, Scalar, Work, one_edge, two_edges};
use super::{Handle, NodeRef, Operand, Shared, Tensor, saved_hooks};
use crate::array::{Array, DType, Generator, Meta};
use crate::error::{Error, ErrorKind, Result};
use crate::gate::{Context, Gate, GateRef, Metas, Needs, Outputs, SavedValues};

/// A gate's outputs as tensors.
pub(crate) type Tensors = SmallVec<[Tensor; 1]>;

impl Tensor {
    /// Runs a gate that has one output.
    ///
    /// # Errors
    /// The gate refuses its inputs, or has several outputs; in anomaly mode also where the output isn't finite.
    ///
    /// ```
    /// use chainrule::gate::activation::Hardtanh;
    /// use chainrule::{tensor, Tensor};
    /// let x = tensor([-2.0, 0.5, 2.0]);
    /// let y = Tensor::apply(Hardtanh { low: -1.0, high: 1.0 }, &[&x])?;
    /// assert_eq!(y.to_string(), "tensor([-1.0000,  0.5000,  1.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
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
        if let Some(x) = scalars(inputs)
            && let Some(y) = scalar_forward(&*gate, x, inputs.len())
        {
            let recorded = is_recording().then(|| gate.clone());
            let wanted = is_grad_enabled() && inputs.iter().any(|x| x.requires_grad());
            let output = match wanted {
                true => scalar_output(gate, x, y, edges_to(inputs), location),
                false => Tensor::from_number(y),
            };
            if let Some(gate) = recorded {
                note(gate, inputs, std::slice::from_ref(&output), line_of(location), Generator::of_thread());
            }
            return Ok(output);
        }
        let name = gate.name();
        let mut outputs = apply_at(gate, inputs, location)?;
        match (outputs.pop(), outputs.is_empty()) {
            (Some(output), true) => Ok(output),
            (_, none) => {
                let many = if none { "no output" } else { "several outputs" };
                Err(Error::argument(format!("the gate has {many}, and one is wanted"))
                    .at_gate(name)
                    .hint("call apply_many for all outputs of a gate"))
            }
        }
    }

    /// Runs a gate with two inputs, the second of which may be a number.
    #[inline]
    pub(crate) fn apply_with(
        gate: &'static dyn Gate,
        x: &Tensor,
        other: impl Operand,
        location: &'static Location<'static>,
    ) -> Result<Tensor> {
        // Between scalars a number needs no tensor of its own.
        if let Some(number) = other.as_number()
            && let Ok(y) = scalar_pair(gate, x, number, location)
        {
            return Ok(y);
        }
        // Where integers become floats so does the number beside them: −3 is no u8.
        if !x.dtype().is_float() && other.as_number().is_some() && makes_floats(gate, x.dtype()) {
            let float = Tensor::from_number(0.0);
            return other
                .with(&float, |other| Tensor::apply_one(GateRef::Static(gate), &[x, other], location));
        }
        other.with(x, |other| Tensor::apply_one(GateRef::Static(gate), &[x, other], location))
    }

    /// Runs a gate that has any number of outputs.
    ///
    /// # Errors
    /// As [`Tensor::apply`].
    ///
    /// ```
    /// use chainrule::gate::sort::Sort;
    /// use chainrule::{tensor, Tensor};
    /// let x = tensor([3.0, 1.0, 2.0]);
    /// let outputs = Tensor::apply_many(Sort { dim: 0, descending: false }, &[&x])?;
    /// assert_eq!(outputs[0].to_string(), "tensor([1., 2., 3.])");
    /// assert_eq!(outputs[1].to_string(), "tensor([1, 2, 0])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
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
    let location = line_of(location);
    let before = is_recording().then(Generator::of_thread);
    let mut arrays: Arrays<'_> = SmallVec::new();
    inputs.iter().for_each(|x| arrays.push(x.values()));
    let run = |views: &[&Array], given: &[Meta]| run(&gate, views, given, location);
    // The lists of most gates are short and made where they are read: to move them would take as long as a small gate does.
    let (promised, outputs, extras) = match &arrays[..] {
        [x] => run(&[x], &[x.meta()]),
        [a, b] => run(&[a, b], &[a.meta(), b.meta()]),
        [a, b, c] => run(&[a, b, c], &[a.meta(), b.meta(), c.meta()]),
        many => {
            let views: Vec<&Array> = many.iter().map(|x| &**x).collect();
            let given: Vec<Meta> = many.iter().map(|x| x.meta()).collect();
            run(&views, &given)
        }
    }?;

    let wanted = is_grad_enabled() && inputs.iter().any(|x| x.requires_grad());
    let differentiable = wanted && outputs.iter().any(|output| output.dtype().is_float());
    let (recorded, outputs) = match differentiable {
        true => {
            let recorded = before.map(|generator| (gate.clone(), generator));
            (recorded, record(gate, inputs, arrays, outputs, promised, extras, location)?)
        }
        false => {
            let outputs = outputs.into_iter().map(Tensor::from_array).collect();
            (before.map(|generator| (gate, generator)), outputs)
        }
    };
    if let Some((gate, generator)) = recorded {
        note(gate, inputs, &outputs, location, generator);
    }
    Ok(outputs)
}

/// The values that a gate is given.
type Arrays<'a> = SmallVec<[Cow<'a, Array>; 3]>;

/// Makes the node of a gate that has run, and its outputs.
#[inline(always)]
fn record(
    gate: GateRef,
    inputs: &[&Tensor],
    arrays: Arrays<'_>,
    mut outputs: Outputs,
    metas: Metas,
    extras: Vec<Array>,
    location: &'static Location<'static>,
) -> Result<Tensors> {
    let edges = edges_to(inputs);
    let saves = gate.saves(&Needs::new(edges.iter().map(Edge::carries)));
    let mut saved = SavedValues::of(saves.among(arrays.len(), outputs.len()));
    for (i, x) in arrays.into_iter().enumerate() {
        if saves.has_input(i) {
            saved.push(x.into_owned());
        }
    }
    for (i, y) in outputs.iter().enumerate() {
        if saves.has_output(i) {
            saved.push(y.clone());
        }
    }
    for extra in extras {
        saved.push(extra);
    }
    let kept = saved_hooks::kept(saved, &edges)
        .map_err(|error| error.at_gate(gate.name()).with_inputs(inputs.iter().map(|x| x.meta())))?;
    let work = Work::Arrays(Shared::new(node::Arrays { outputs: metas, saved: Mutex::new(kept) }));
    let node = NodeRef::new(Node::new(gate, edges, work, location));
    if outputs.len() == 1 {
        // The only output takes the node along.
        let mut only = Tensors::new();
        if let Some(array) = outputs.pop() {
            only.push(Tensor::computed(array, node, 0));
        }
        return Ok(only);
    }
    let tensor = |(i, array): (usize, Array)| match array.dtype().is_float() {
        true => Tensor::computed(array, node.clone(), i),
        false => Tensor::from_array(array),
    };
    Ok(outputs.into_iter().enumerate().map(tensor).collect())
}

/// An input of a gate on two scalars: a number, or a tensor, borrowed or given away. What is given away moves into the
/// node; a borrowed tensor's references must be counted up.
pub(super) trait Input {
    /// The value, where it is a 0-d f32.
    fn value(&self) -> Option<f32>;
    fn needs_gradient(&self) -> bool;
    fn into_edge(self) -> Edge;
}

impl Input for &Tensor {
    #[inline]
    fn value(&self) -> Option<f32> {
        self.number()
    }
    #[inline]
    fn needs_gradient(&self) -> bool {
        self.requires_grad()
    }
    #[inline]
    fn into_edge(self) -> Edge {
        edge_to(self)
    }
}

impl Input for Tensor {
    #[inline]
    fn value(&self) -> Option<f32> {
        self.number()
    }
    #[inline]
    fn needs_gradient(&self) -> bool {
        self.requires_grad()
    }
    #[inline]
    fn into_edge(self) -> Edge {
        match self.0 {
            Handle::Scalar(node) => Edge::Node(node, 0),
            _ => edge_to(&self),
        }
    }
}

impl Input for f32 {
    #[inline]
    fn value(&self) -> Option<f32> {
        Some(*self)
    }
    #[inline]
    fn needs_gradient(&self) -> bool {
        false
    }
    #[inline]
    fn into_edge(self) -> Edge {
        Edge::Number(self)
    }
}

/// Runs a gate on two inputs, where both are 0-d f32; gives them back where they aren't.
#[inline]
pub(super) fn scalar_pair<A: Input, B: Input>(
    gate: &'static dyn Gate,
    a: A,
    b: B,
    location: &'static Location<'static>,
) -> std::result::Result<Tensor, (A, B)> {
    let (Some(first), Some(second)) = (a.value(), b.value()) else { return Err((a, b)) };
    let x = [first, second, 0.0];
    // What a recording notes of the inputs are tensors.
    if is_recording() {
        return Err((a, b));
    }
    let Some(y) = scalar_forward(gate, x, 2) else { return Err((a, b)) };
    if !(is_grad_enabled() && (a.needs_gradient() || b.needs_gradient())) {
        return Ok(Tensor::from_number(y));
    }
    let edges = two_edges(a.into_edge(), b.into_edge());
    Ok(scalar_output(GateRef::Static(gate), x, y, edges, location))
}

/// [`scalar_pair`] for a gate with one input.
#[inline]
pub(super) fn scalar_single<X: Input>(
    gate: &'static dyn Gate,
    x: X,
    location: &'static Location<'static>,
) -> std::result::Result<Tensor, X> {
    let Some(value) = x.value().filter(|_| !is_recording()) else { return Err(x) };
    let values = [value, 0.0, 0.0];
    let Some(y) = scalar_forward(gate, values, 1) else { return Err(x) };
    if !(is_grad_enabled() && x.needs_gradient()) {
        return Ok(Tensor::from_number(y));
    }
    Ok(scalar_output(GateRef::Static(gate), values, y, one_edge(x.into_edge()), location))
}

/// Up to three numbers, where all of these are numbers.
#[inline]
fn scalars(inputs: &[&Tensor]) -> Option<[f32; 3]> {
    let mut x = [0.0; 3];
    if inputs.len() > x.len() {
        return None;
    }
    for (slot, input) in x.iter_mut().zip(inputs) {
        *slot = input.number()?;
    }
    Some(x)
}

/// The value of an elementwise gate whose inputs are all 0-d f32, which no rule can refuse.
#[inline]
fn scalar_forward(gate: &dyn Gate, x: [f32; 3], inputs: usize) -> Option<f32> {
    if is_anomaly_enabled() {
        return None;
    }
    let gate = gate.as_scalar()?;
    (gate.inputs() == inputs).then(|| gate.value(x))
}

/// The output of such a gate: its node.
#[inline]
fn scalar_output(
    gate: GateRef,
    x: [f32; 3],
    y: f32,
    edges: Edges,
    location: &'static Location<'static>,
) -> Tensor {
    Tensor::scalar(NodeRef::new(Node::new(gate, edges, Work::Scalar(Scalar::new(x, y)), line_of(location))))
}

/// The error, naming the gate and showing what it was given.
#[cold]
fn attributed(error: Error, gate: &GateRef, given: &[Meta]) -> Error {
    error.at_gate(gate.name()).with_inputs(given.iter().copied())
}

/// What the gate promises, and its forward pass, whose outputs must be just that; with what it keeps besides.
fn run(
    gate: &GateRef,
    arrays: &[&Array],
    given: &[Meta],
    location: &'static Location<'static>,
) -> Result<(Metas, Outputs, Vec<Array>)> {
    let attributed = |error: Error| attributed(error, gate, given);
    let promised = gate.infer(given).map_err(attributed)?;
    if !gate.is_view() {
        for meta in &promised {
            crate::error::check_memory(meta.shape.elements(), meta.dtype.size()).map_err(attributed)?;
        }
    }
    let mut context = Context::new(&promised);
    let outputs = gate.forward(arrays, &mut context).map_err(attributed)?;
    let extras = context.into_extras();
    if outputs.len() != promised.len() || outputs.iter().zip(&promised).any(|(y, meta)| !y.is_a(meta)) {
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
            match arrays.iter().all(|x| x.all_finite()) {
                true => "all of its inputs are finite: this is the first gate to leave the finite numbers",
                false => "an input of it was not finite already",
            },
        ));
    }
    Ok((promised, outputs, extras))
}

#[inline]
fn edges_to(inputs: &[&Tensor]) -> Edges {
    match inputs {
        [x] => one_edge(edge_to(x)),
        [a, b] => two_edges(edge_to(a), edge_to(b)),
        [a, b, c] => Edges::from_buf([edge_to(a), edge_to(b), edge_to(c)]),
        _ => inputs.iter().map(|x| edge_to(x)).collect(),
    }
}

#[inline]
fn edge_to(tensor: &Tensor) -> Edge {
    match &tensor.0 {
        Handle::Scalar(node) => Edge::Node(node.clone(), 0),
        Handle::Computed(computed) => Edge::Node(computed.node.clone(), computed.output as u32),
        Handle::Leaf(leaf) if tensor.requires_grad() => Edge::Leaf(leaf.clone(), leaf.version()),
        Handle::Leaf(leaf) => Edge::Constant(leaf.clone(), leaf.version()),
    }
}

#[cold]
fn note(
    gate: GateRef,
    inputs: &[&Tensor],
    outputs: &[Tensor],
    location: &'static Location<'static>,
    generator: Generator,
) {
    let inputs = inputs.iter().map(|&x| x.clone()).collect();
    Recording::note(Step { gate, inputs, outputs: outputs.to_vec(), location, generator, scope: None });
}

/// Whether a gate with two inputs of this type has a float as its output.
fn makes_floats(gate: &dyn Gate, dtype: DType) -> bool {
    gate.infer(&[Meta::new(dtype, []); 2]).is_ok_and(|outputs| outputs[0].dtype.is_float())
}
