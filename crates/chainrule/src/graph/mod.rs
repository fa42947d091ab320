//! `ComputationalGraph`: a graph held as a list of gates in topological order.
//!
//! Unlike the graph behind a tensor, which lives for one backward pass, it can be run forward and backward
//! again with new inputs, and it can be looked at: every value, local gradient and upstream gradient.
//!
//! ```
//! use chainrule::formula::Expr;
//! use chainrule::{tensor, ComputationalGraph};
//! // The neuron of the lecture, from its formula.
//! let mut graph = ComputationalGraph::from_expr(&Expr::parse("sigmoid(w*x + b)")?)?;
//! let y = graph.forward(&[("w", &tensor(2.0)), ("x", &tensor(-1.0)), ("b", &tensor(3.0))])?;
//! assert_eq!(y.to_string(), "tensor(0.7311)");
//! let gradients = graph.backward()?;
//! assert_eq!(gradients.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>(), ["w", "x", "b"]);
//! assert_eq!(gradients[1].1.to_string(), "tensor(0.3932)"); // w·y·(1 − y)
//! # Ok::<(), chainrule::Error>(())
//! ```

mod build;
mod expression;
mod replay;
mod report;
mod vector;

pub use replay::Replay;
pub use report::{GateReport, InputReport, Local};

use std::collections::HashMap;

use crate::array::{Array, Generator, Meta};
use crate::error::{Error, Result};
use crate::gate::GateRef;
use crate::tensor::{Backward, Scope, Tensor, enable_grad, no_grad};

/// A value of a graph: an input, a constant, or the output of a gate.
///
/// ```
/// use chainrule::gate::arith::Add;
/// use chainrule::{tensor, ComputationalGraph};
/// let mut graph = ComputationalGraph::new();
/// let (x, y) = (graph.input("x")?, graph.input("y")?);
/// let sum = graph.add(Add, &[x, y])?;
/// graph.forward(&[("x", &tensor(1.0)), ("y", &tensor(2.0))])?;
/// assert_eq!(graph.value(sum)?.item()?, 3.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
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
    /// Given at every run. What recorded code gave is the default, and fixes shape and element type; the leaf it
    /// gave is what a replay reads.
    Input { name: String, default: Option<Array>, leaf: Option<Tensor> },
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
    pub(crate) frozen: bool,
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
    /// Names of constants that have one, by their place among the values.
    pub(crate) constant_names: HashMap<usize, String>,
    pub(crate) run: Option<Run>,
    /// Names of tensors that require a gradient and that no gate read.
    pub(crate) unused: Vec<String>,
    /// The calls of modules that were recorded, outer ones before inner ones.
    pub(crate) scopes: Vec<Scope>,
}

impl ComputationalGraph {
    /// A graph without gates.
    ///
    /// ```
    /// use chainrule::ComputationalGraph;
    /// let mut graph = ComputationalGraph::new();
    /// assert!(graph.is_empty() && graph.forward(&[]).is_err());
    /// ```
    pub fn new() -> ComputationalGraph {
        ComputationalGraph::default()
    }

    /// The names of the inputs, in the order in which they were made.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let (x, y) = (param(2.0), param(3.0));
    /// assert_eq!(ComputationalGraph::capture(&(&x * &y))?.inputs(), ["x0", "x1"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn inputs(&self) -> Vec<&str> {
        self.values.iter().filter_map(Source::name).collect()
    }

    /// The named tensors that require a gradient and that no gate of the graph read, such as parameters that a
    /// network's `forward` forgot: they get no gradient.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let (w, b) = (param(3.0), param(1.0));
    /// let names = [("w".to_string(), w.clone()), ("b".to_string(), b)];
    /// assert_eq!(ComputationalGraph::record_named(&names, || w.square())?.unused(), ["b"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// The values that are the same in every run, with their places among the values.
    ///
    /// ```
    /// use chainrule::{param, tensor, ComputationalGraph};
    /// let x = param(2.0);
    /// let graph = ComputationalGraph::capture(&(&x * &tensor(5.0)))?;
    /// let constants = graph.constants();
    /// assert_eq!((constants.len(), constants[0].1.item()?), (1, 5.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn constants(&self) -> Vec<(ValueId, Array)> {
        let constant = |(i, source): (usize, &Source)| match source {
            Source::Constant(tensor) => Some((ValueId(i), tensor.array())),
            _ => None,
        };
        self.values.iter().enumerate().filter_map(constant).collect()
    }

    /// How many gates there are.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let x = param(2.0);
    /// assert_eq!(ComputationalGraph::capture(&(&x * &x + &x))?.len(), 2);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is no gate.
    ///
    /// ```
    /// use chainrule::ComputationalGraph;
    /// assert!(ComputationalGraph::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Runs all gates in topological order and returns the last gate's output (the loss).
    ///
    /// Inputs of recorded and captured graphs may be left out; they have the values of that time. Random
    /// gates draw anew.
    ///
    /// # Errors
    /// An input is missing, unknown, given twice, or of another shape or element type than recorded; a gate
    /// refuses, or has fewer outputs than the graph asks of it; there is no gate.
    ///
    /// ```
    /// use chainrule::{param, tensor, ComputationalGraph};
    /// let x = param(2.0);
    /// let mut graph = ComputationalGraph::capture(&(&x * &x))?;
    /// assert_eq!(graph.forward(&[])?.item()?, 4.0); // as it was captured
    /// assert_eq!(graph.forward(&[("x0", &tensor(3.0))])?.item()?, 9.0);
    /// assert!(graph.forward(&[("x0", &tensor([3.0, 4.0]))]).is_err()); // another shape
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn forward(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Tensor> {
        self.check_names(inputs)?;
        let output = self.output.ok_or_else(|| Error::argument("the graph has no gates yet"))?;
        self.run = None;
        let mut tensors: Vec<Option<Tensor>> = vec![None; self.values.len()];
        for (place, source) in self.values.iter().enumerate() {
            tensors[place] = match source {
                Source::Input { name, default, .. } => Some(given(name, default.as_ref(), inputs)?),
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
            if outputs.len() < step.outputs.len() {
                let rule =
                    format!("{} outputs were asked of it, and it has {}", step.outputs.len(), outputs.len());
                return Err(Error::argument(rule).at_gate(step.gate.name()));
            }
            for (id, tensor) in step.outputs.iter().zip(outputs) {
                tensors[id.0] = Some(tensor);
            }
        }
        let tensors: Vec<Tensor> = tensors.into_iter().flatten().collect();
        let loss = tensors[output.0].detach();
        self.run = Some(Run { tensors, gradients: None, randomness });
        Ok(loss)
    }

    /// Refuses unknown and repeated names.
    fn check_names(&self, inputs: &[(&str, &Tensor)]) -> Result<()> {
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
        Ok(())
    }

    /// Runs all gates in reverse and returns the gradient of the loss with respect to each float input.
    ///
    /// # Errors
    /// [`ComputationalGraph::forward`] hasn't run, the loss isn't one number, or a gate has no derivative.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let mut graph = ComputationalGraph::capture(&(param(2.0) * param(5.0)))?;
    /// assert!(graph.backward().is_err()); // forward first
    /// graph.forward(&[])?;
    /// let gradients = graph.backward()?;
    /// assert_eq!((&gradients[0].0[..], gradients[0].1.item()?), ("x0", 5.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn backward(&mut self) -> Result<Vec<(String, Array)>> {
        self.backward_from(None)
    }

    /// Like [`ComputationalGraph::backward`] from a given upstream gradient of the output.
    ///
    /// # Errors
    /// As [`ComputationalGraph::backward`], or the shapes differ.
    ///
    /// ```
    /// use chainrule::{param, tensor, ComputationalGraph};
    /// let mut graph = ComputationalGraph::capture(&(param([1.0, 2.0]) * 3.0))?;
    /// graph.forward(&[])?;
    /// let gradients = graph.backward_with(&tensor([1.0, 10.0]))?;
    /// assert_eq!(gradients[0].1.to_string(), "tensor([ 3., 30.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
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
    ///
    /// ```
    /// use chainrule::gate::arith::{Mul, Square};
    /// use chainrule::{tensor, ComputationalGraph};
    /// let mut graph = ComputationalGraph::new();
    /// let x = graph.input("x")?;
    /// let square = graph.add(Square, &[x])?;
    /// graph.add(Mul, &[square, x])?;
    /// graph.forward(&[("x", &tensor(3.0))])?;
    /// assert_eq!((graph.value(square)?.item()?, graph.value(x)?.item()?), (9.0, 3.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn value(&self, id: ValueId) -> Result<Array> {
        let run =
            self.run.as_ref().ok_or_else(|| Error::autograd("there are no values before forward ran"))?;
        run.tensors.get(id.0).map(Tensor::array).ok_or_else(|| Error::index("the value is of another graph"))
    }

    /// The gradient of the loss with respect to a value, of the last run; `None` where it has none.
    ///
    /// # Errors
    /// [`ComputationalGraph::backward`] hasn't run.
    ///
    /// ```
    /// use chainrule::gate::arith::{Mul, Square};
    /// use chainrule::{tensor, ComputationalGraph};
    /// let mut graph = ComputationalGraph::new();
    /// let x = graph.input("x")?;
    /// let square = graph.add(Square, &[x])?;
    /// graph.add(Mul, &[square, x])?;
    /// graph.forward(&[("x", &tensor(3.0))])?;
    /// graph.backward()?;
    /// assert_eq!(graph.gradient(square)?.unwrap().item()?, 3.0); // ∂(square·x)/∂square
    /// assert_eq!(graph.gradient(x)?.unwrap().item()?, 27.0); // 3x²
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn gradient(&self, id: ValueId) -> Result<Option<Array>> {
        let gradients = self.run.as_ref().and_then(|run| run.gradients.as_ref());
        let gradients =
            gradients.ok_or_else(|| Error::autograd("there are no gradients before backward ran"))?;
        gradients.get(id.0).cloned().ok_or_else(|| Error::index("the value is of another graph"))
    }
}

/// The tensor for an input: what was given, else the default.
pub(crate) fn given(name: &str, default: Option<&Array>, inputs: &[(&str, &Tensor)]) -> Result<Tensor> {
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
