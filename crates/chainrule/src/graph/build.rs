//! The three ways to a graph: built by hand, recorded, captured from a tensor.

use std::collections::HashMap;

use super::{ComputationalGraph, Source, Step, ValueId};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::gate::GateRef;
use crate::tensor::{Edge, Recording, Tensor};

impl ComputationalGraph {
    /// A new input with this name.
    ///
    /// # Errors
    /// There is an input of this name already.
    ///
    /// ```
    /// use chainrule::ComputationalGraph;
    /// let mut graph = ComputationalGraph::new();
    /// graph.input("x")?;
    /// assert_eq!(graph.inputs(), ["x"]);
    /// assert!(graph.input("x").is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn input(&mut self, name: &str) -> Result<ValueId> {
        self.new_input(name, None)
    }

    fn new_input(&mut self, name: &str, leaf: Option<&Tensor>) -> Result<ValueId> {
        if self.inputs().contains(&name) {
            return Err(Error::argument(format!("the graph has an input {name} already")));
        }
        let default = leaf.map(Tensor::array);
        Ok(self.new_value(Source::Input { name: name.to_string(), default, leaf: leaf.cloned() }))
    }

    /// A value that is the same in every run and has no gradient.
    ///
    /// ```
    /// use chainrule::gate::arith::Mul;
    /// use chainrule::{tensor, Array, ComputationalGraph};
    /// let mut graph = ComputationalGraph::new();
    /// let (x, two) = (graph.input("x")?, graph.constant(Array::scalar(2.0f32)));
    /// graph.add(Mul, &[x, two])?;
    /// assert_eq!(graph.forward(&[("x", &tensor(3.0))])?.item()?, 6.0);
    /// assert_eq!(graph.backward()?.len(), 1); // of x alone
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn constant(&mut self, value: Array) -> ValueId {
        self.new_value(Source::Constant(Tensor::from_array(value)))
    }

    fn new_value(&mut self, source: Source) -> ValueId {
        self.run = None;
        self.values.push(source);
        ValueId(self.values.len() - 1)
    }

    /// Adds a gate with one output, which becomes the graph's output.
    ///
    /// # Errors
    /// An input is of another graph.
    ///
    /// ```
    /// use chainrule::gate::{arith::Square, functions::Exp};
    /// use chainrule::{tensor, ComputationalGraph};
    /// let mut graph = ComputationalGraph::new();
    /// let x = graph.input("x")?;
    /// let square = graph.add(Square, &[x])?;
    /// graph.add(Exp, &[square])?;
    /// assert_eq!(graph.forward(&[("x", &tensor(0.0))])?.item()?, 1.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn add(&mut self, gate: impl Into<GateRef>, inputs: &[ValueId]) -> Result<ValueId> {
        Ok(self.add_many(gate, inputs, 1)?[0])
    }

    /// Adds a gate with several outputs; the first becomes the graph's output.
    ///
    /// # Errors
    /// An input is of another graph, or there are no outputs.
    ///
    /// ```
    /// use chainrule::gate::{arith::Mul, join::Split};
    /// use chainrule::{tensor, ComputationalGraph};
    /// let mut graph = ComputationalGraph::new();
    /// let x = graph.input("x")?;
    /// let parts = graph.add_many(Split { sizes: vec![1, 1], dim: 0 }, &[x], 2)?;
    /// graph.add(Mul, &[parts[0], parts[1]])?;
    /// assert_eq!(graph.forward(&[("x", &tensor([3.0, 4.0]))])?.item()?, 12.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn add_many(
        &mut self,
        gate: impl Into<GateRef>,
        inputs: &[ValueId],
        outputs: usize,
    ) -> Result<Vec<ValueId>> {
        let gate = gate.into();
        if inputs.iter().any(|id| id.0 >= self.values.len()) {
            return Err(Error::argument("an input is a value of another graph").at_gate(gate.name()));
        }
        if outputs == 0 {
            return Err(Error::argument("a gate has at least one output").at_gate(gate.name()));
        }
        let place = self.steps.len();
        let outputs: Vec<ValueId> = (0..outputs).map(|_| self.new_value(Source::Gate(place))).collect();
        let inputs = inputs.to_vec();
        self.steps.push(Step {
            gate,
            inputs,
            outputs: outputs.clone(),
            location: None,
            frozen: false,
            scope: None,
        });
        self.output = Some(outputs[0]);
        Ok(outputs)
    }

    /// The graph of every gate that `body` runs, constants and gates without gradients included.
    ///
    /// Leaves that require a gradient become inputs, called `x0`, `x1`… in order of first use; see
    /// [`ComputationalGraph::rename`]. The output is the last gate's.
    ///
    /// # Errors
    /// `body` fails or runs no gate.
    ///
    /// ```
    /// use chainrule::{param, tensor, ComputationalGraph};
    /// let x = param(3.0);
    /// let mut graph = ComputationalGraph::record(|| x.square()?.add(1.0))?;
    /// assert_eq!(graph.forward(&[("x0", &tensor(2.0))])?.item()?, 5.0);
    /// assert_eq!(graph.backward()?[0].1.item()?, 4.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn record<R>(body: impl FnOnce() -> Result<R>) -> Result<ComputationalGraph> {
        ComputationalGraph::record_named(&[], body)
    }

    /// [`ComputationalGraph::record`], with names for some of the tensors: inputs get them in place of `x0`,
    /// `x1`…, and constants keep them to be shown.
    ///
    /// ```
    /// use chainrule::{param, tensor, ComputationalGraph};
    /// let (w, x) = (param(3.0), tensor(2.0));
    /// let names = [("w".to_string(), w.clone()), ("x".to_string(), x.clone())];
    /// let graph = ComputationalGraph::record_named(&names, || w.mul(&x))?;
    /// assert_eq!(graph.inputs(), ["w"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there; or two inputs have the same name.
    pub fn record_named<R>(
        names: &[(String, Tensor)],
        body: impl FnOnce() -> Result<R>,
    ) -> Result<ComputationalGraph> {
        let named = names_of(names);
        let (result, recording) = Recording::of(body);
        result?;
        let mut graph = ComputationalGraph::new();
        let mut known: HashMap<usize, ValueId> = HashMap::new();
        for step in &recording.steps {
            let inputs =
                step.inputs.iter().map(|x| graph.leaf(&mut known, &named, x)).collect::<Result<Vec<_>>>()?;
            let outputs = graph.add_many(step.gate.clone(), &inputs, step.outputs.len())?;
            if let Some(last) = graph.steps.last_mut() {
                last.location = Some(step.location);
                last.frozen = step.is_frozen();
                last.scope = step.scope;
            }
            known.extend(step.outputs.iter().map(Tensor::id).zip(outputs));
        }
        if graph.is_empty() {
            return Err(Error::argument("no gate ran while recording"));
        }
        graph.scopes = recording.scopes;
        graph.unused = unused(names, &known);
        Ok(graph)
    }

    /// The differentiable part of the graph that computed this tensor.
    ///
    /// Leaves that require a gradient become inputs, called `x0`, `x1`… in order of first use; what doesn't
    /// require one is constant (see [`ComputationalGraph::constants`]).
    ///
    /// # Errors
    /// No recorded gate made the tensor.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let x = param([1.0, 2.0]);
    /// let loss = x.mul(3.0)?.sum()?;
    /// let mut graph = ComputationalGraph::capture(&loss)?;
    /// assert_eq!((graph.len(), graph.forward(&[])?.item()?), (2, 9.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn capture(tensor: &Tensor) -> Result<ComputationalGraph> {
        ComputationalGraph::capture_named(&[], tensor)
    }

    /// [`ComputationalGraph::capture`], with names for some of the tensors: see
    /// [`ComputationalGraph::record_named`].
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let w = param(3.0);
    /// let graph = ComputationalGraph::capture_named(&[("w".into(), w.clone())], &w.square()?)?;
    /// assert_eq!(graph.inputs(), ["w"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there; or two inputs have the same name.
    pub fn capture_named(names: &[(String, Tensor)], tensor: &Tensor) -> Result<ComputationalGraph> {
        let named = names_of(names);
        let Some((root, output)) = tensor.node() else {
            return Err(Error::autograd("no gate made this tensor, so it has no graph")
                .hint("does an input require a gradient, and was it computed outside no_grad?"));
        };
        let mut graph = ComputationalGraph::new();
        let mut known: HashMap<usize, ValueId> = HashMap::new();
        let mut outputs_of: HashMap<usize, Vec<ValueId>> = HashMap::new();
        for node in tensor.graph() {
            let mut inputs = Vec::with_capacity(node.edges().len());
            for edge in node.edges() {
                inputs.push(match edge {
                    Edge::Node(from, place) => outputs_of[&from.address()][*place as usize],
                    Edge::Leaf(leaf, _) | Edge::Constant(leaf, _) => {
                        graph.leaf(&mut known, &named, &Tensor::from(leaf.clone()))?
                    }
                    Edge::Number(number) => {
                        graph.new_value(Source::Constant(Tensor::from_array(Array::scalar(*number))))
                    }
                });
            }
            let outputs = graph.add_many(node.gate().clone(), &inputs, node.outputs().len())?;
            if let Some(last) = graph.steps.last_mut() {
                last.location = Some(node.location());
            }
            outputs_of.insert(node.address(), outputs);
        }
        graph.output = outputs_of.get(&root.address()).map(|outputs| outputs[output]);
        graph.unused = unused(names, &known);
        Ok(graph)
    }

    /// The value of a tensor: known already, a new input, or a new constant.
    fn leaf(
        &mut self,
        known: &mut HashMap<usize, ValueId>,
        names: &HashMap<usize, &str>,
        tensor: &Tensor,
    ) -> Result<ValueId> {
        if let Some(&id) = known.get(&tensor.id()) {
            return Ok(id);
        }
        let name = names.get(&tensor.id()).map(|name| name.to_string());
        let id = if tensor.requires_grad() {
            let name = name.unwrap_or_else(|| format!("x{}", self.inputs().len()));
            self.new_input(&name, Some(tensor))?
        } else {
            let id = self.new_value(Source::Constant(tensor.clone()));
            self.constant_names.extend(name.map(|name| (id.0, name)));
            id
        };
        known.insert(tensor.id(), id);
        Ok(id)
    }

    /// Gives an input another name.
    ///
    /// # Errors
    /// There is no such input, or the new name is taken.
    ///
    /// ```
    /// use chainrule::{param, tensor, ComputationalGraph};
    /// let x = param(3.0);
    /// let mut graph = ComputationalGraph::capture(&(&x * &x))?;
    /// graph.rename("x0", "x")?;
    /// assert_eq!(graph.forward(&[("x", &tensor(5.0))])?.item()?, 25.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        if from != to && self.inputs().contains(&to) {
            return Err(Error::argument(format!("the graph has an input {to} already")));
        }
        let found = self.values.iter_mut().find_map(|source| match source {
            Source::Input { name, .. } if name == from => Some(name),
            _ => None,
        });
        *found.ok_or_else(|| Error::argument(format!("the graph has no input {from}")))? = to.to_string();
        Ok(())
    }
}

/// The names of tensors that require a gradient and aren't known to the graph.
fn unused(names: &[(String, Tensor)], known: &HashMap<usize, ValueId>) -> Vec<String> {
    let is_unused = |tensor: &Tensor| tensor.requires_grad() && !known.contains_key(&tensor.id());
    names.iter().filter(|(_, tensor)| is_unused(tensor)).map(|(name, _)| name.clone()).collect()
}

/// Names by the tensors' identity.
fn names_of(names: &[(String, Tensor)]) -> HashMap<usize, &str> {
    names.iter().map(|(name, tensor)| (tensor.id(), name.as_str())).collect()
}
