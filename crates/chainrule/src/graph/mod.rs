//! `ComputationalGraph`: a graph held as a list of gates in topological order.
//!
//! Unlike the graph behind a tensor, which lives for one backward pass, it can be run forward and backward
//! again with new inputs, and it can be looked at: every value, local gradient and upstream gradient.

mod build;
mod expression;
mod report;
mod vector;

pub use report::{GateReport, InputReport, Local};

use crate::array::{Array, Generator, Meta};
use crate::error::{Error, Result};
use crate::gate::GateRef;
use crate::tensor::{Backward, Scope, Tensor, enable_grad, no_grad};

/// A value of a graph: an input, a constant, or the output of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValueId(usize);

impl ValueId {
    /// The value at this place among the graph's values.
    pub(crate) fn new(place: usize) -> ValueId {
        ValueId(place)
    }

    /// Its place among the graph's values.
    pub(crate) fn place(self) -> usize {
        self.0
    }
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Given at every run. What recorded code gave is the default, and fixes shape and element type.
    Input { name: String, default: Option<Array> },
    /// The same in every run.
    Constant(Tensor),
    /// An output of the gate with this place.
    Gate(usize),
}

/// One gate of a graph.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) gate: GateRef,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) outputs: Vec<ValueId>,
    /// The line of the program that ran the gate, where it was recorded.
    pub(crate) location: Option<&'static std::panic::Location<'static>>,
    /// Whether the recorded code let no gradient through, by `no_grad` or `detach`.
    frozen: bool,
    /// The innermost module that ran the gate, by its place among the graph's scopes.
    pub(crate) scope: Option<usize>,
}

/// What one run computed: a tensor for each value.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) gradients: Option<Vec<Option<Array>>>,
    /// Where the thread's random numbers stood before each gate.
    randomness: Vec<Generator>,
}

/// A graph as a list of gates, to run forward and backward again and again.
///
/// ```
/// use chainrule::gate::arith::{Add, Mul};
/// use chainrule::{tensor, ComputationalGraph};
/// let mut graph = ComputationalGraph::new();
/// let (x, y, z) = (graph.input("x")?, graph.input("y")?, graph.input("z")?);
/// let q = graph.add(Add, &[x, y])?;
/// graph.add(Mul, &[q, z])?;
/// let loss = graph.forward(&[("x", &tensor(-2.0)), ("y", &tensor(5.0)), ("z", &tensor(-4.0))])?;
/// assert_eq!(loss.item()?, -12.0);
/// let gradients = graph.backward()?;
/// assert_eq!(gradients[0].0, "x");
/// assert_eq!(gradients[0].1.item()?, -4.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ComputationalGraph {
    pub(crate) values: Vec<Source>,
    pub(crate) steps: Vec<Step>,
    pub(crate) output: Option<ValueId>,
    pub(crate) run: Option<Run>,
    /// The calls of modules that were recorded, outer ones before inner ones.
    pub(crate) scopes: Vec<Scope>,
}

impl ComputationalGraph {
    /// A graph without gates.
    pub fn new() -> ComputationalGraph {
        ComputationalGraph::default()
    }

    /// The names of the inputs, in the order in which they were made.
    pub fn inputs(&self) -> Vec<&str> {
        self.values.iter().filter_map(Source::name).collect()
    }

    /// The values that are the same in every run, with their places among the values.
    pub fn constants(&self) -> Vec<(ValueId, Array)> {
        let constant = |(i, source): (usize, &Source)| match source {
            Source::Constant(tensor) => Some((ValueId(i), tensor.array())),
            _ => None,
        };
        self.values.iter().enumerate().filter_map(constant).collect()
    }

    /// How many gates there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is no gate.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Runs all gates in topological order and returns the last gate's output (the loss).
    ///
    /// Inputs of recorded and captured graphs may be left out; they have the values of that time. Random
    /// gates draw anew.
    ///
    /// # Errors
    /// An input is missing, unknown, or of another shape or element type than recorded; or a gate refuses.
    pub fn forward(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Tensor> {
        let names = self.inputs();
        for (i, (name, _)) in inputs.iter().enumerate() {
            if !names.contains(name) {
                return Err(Error::argument(format!("the graph has no input {name}"))
                    .hint(format!("its inputs are {}", names.join(", "))));
            }
            if inputs[..i].iter().any(|(other, _)| other == name) {
                return Err(Error::argument(format!("the input {name} is given twice")));
            }
        }
        let output = self.output.ok_or_else(|| Error::argument("the graph has no gates yet"))?;
        self.run = None;
        let mut tensors: Vec<Option<Tensor>> = vec![None; self.values.len()];
        for (place, source) in self.values.iter().enumerate() {
            tensors[place] = match source {
                Source::Input { name, default } => Some(given(name, default.as_ref(), inputs)?),
                Source::Constant(tensor) => Some(tensor.clone()),
                Source::Gate(_) => None,
            };
        }
        let mut randomness = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let ready: Vec<&Tensor> = step.inputs.iter().filter_map(|id| tensors[id.0].as_ref()).collect();
            randomness.push(Generator::of_thread());
            let run = || Tensor::apply_many(step.gate.clone(), &ready);
            let outputs = if step.frozen { no_grad(run) } else { enable_grad(run) };
            let outputs = outputs.map_err(|error| match step.location {
                Some(location) => error.location(location),
                None => error,
            })?;
            for (id, tensor) in step.outputs.iter().zip(outputs) {
                tensors[id.0] = Some(tensor);
            }
        }
        let tensors: Vec<Tensor> = tensors.into_iter().flatten().collect();
        let loss = tensors[output.0].detach();
        self.run = Some(Run { tensors, gradients: None, randomness });
        Ok(loss)
    }

    /// Runs all gates in reverse and returns the gradient of the loss with respect to each float input.
    ///
    /// # Errors
    /// [`ComputationalGraph::forward`] hasn't run, the loss isn't one number, or a gate has no derivative.
    pub fn backward(&mut self) -> Result<Vec<(String, Array)>> {
        self.backward_from(None)
    }

    /// Like [`ComputationalGraph::backward`] from a given upstream gradient of the output.
    ///
    /// # Errors
    /// As [`ComputationalGraph::backward`], or the shapes differ.
    pub fn backward_with(&mut self, upstream: &Tensor) -> Result<Vec<(String, Array)>> {
        self.backward_from(Some(upstream))
    }

    fn backward_from(&mut self, upstream: Option<&Tensor>) -> Result<Vec<(String, Array)>> {
        let output = self.output;
        let (Some(run), Some(output)) = (&mut self.run, output) else {
            return Err(Error::autograd("backward was called before forward")
                .hint("run forward first: it computes what backward needs"));
        };
        let wanted: Vec<&Tensor> = run.tensors.iter().filter(|x| x.requires_grad()).collect();
        let loss = &run.tensors[output.0];
        let mut pass = Backward::of(&[loss]).retain_graph(true).allow_unused(true);
        if let Some(upstream) = upstream {
            pass = pass.upstream(&[upstream]);
        }
        let mut found = pass.gradients(&wanted)?.into_iter();
        let gradients: Vec<Option<Array>> = run
            .tensors
            .iter()
            .map(|x| if x.requires_grad() { found.next().flatten().map(|g| g.array()) } else { None })
            .collect();
        let of_inputs = self
            .values
            .iter()
            .enumerate()
            .filter_map(|(i, source)| match source {
                Source::Input { name, .. } if run.tensors[i].requires_grad() => {
                    let meta: Meta = run.tensors[i].meta();
                    let zeros = || Array::zeros_of(meta.shape, meta.dtype);
                    Some((name.clone(), gradients[i].clone().unwrap_or_else(zeros)))
                }
                _ => None,
            })
            .collect();
        run.gradients = Some(gradients);
        Ok(of_inputs)
    }

    /// A value of the last run.
    ///
    /// # Errors
    /// [`ComputationalGraph::forward`] hasn't run.
    pub fn value(&self, id: ValueId) -> Result<Array> {
        let run =
            self.run.as_ref().ok_or_else(|| Error::autograd("there are no values before forward ran"))?;
        run.tensors.get(id.0).map(Tensor::array).ok_or_else(|| Error::index("the value is of another graph"))
    }

    /// The gradient of the loss with respect to a value, of the last run; `None` where it has none.
    ///
    /// # Errors
    /// [`ComputationalGraph::backward`] hasn't run.
    pub fn gradient(&self, id: ValueId) -> Result<Option<Array>> {
        let gradients = self.run.as_ref().and_then(|run| run.gradients.as_ref());
        let gradients =
            gradients.ok_or_else(|| Error::autograd("there are no gradients before backward ran"))?;
        gradients.get(id.0).cloned().ok_or_else(|| Error::index("the value is of another graph"))
    }
}

/// The tensor for an input: what was given, else the default.
fn given(name: &str, default: Option<&Array>, inputs: &[(&str, &Tensor)]) -> Result<Tensor> {
    let array = match inputs.iter().find(|(other, _)| *other == name) {
        Some((_, tensor)) => {
            let array = tensor.array();
            if let Some(default) = default
                && default.meta() != array.meta()
            {
                return Err(Error::shape(format!(
                    "the input {name} was {} when the graph was recorded, and is {} now",
                    default.meta(),
                    array.meta()
                ))
                .hint("record the graph again for other shapes"));
            }
            array
        }
        None => default.cloned().ok_or_else(|| {
            Error::argument(format!("the input {name} is missing"))
                .hint("give every input a value: forward(&[(name, tensor), …])")
        })?,
    };
    let float = array.dtype().is_float();
    Ok(Tensor::leaf(array, float))
}

impl Source {
    fn name(&self) -> Option<&str> {
        match self {
            Source::Input { name, .. } => Some(name),
            _ => None,
        }
    }
}
