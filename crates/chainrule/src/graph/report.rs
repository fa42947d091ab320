//! What each gate of a graph did in the last run: value, upstream gradient, local gradients, products.

use super::{ComputationalGraph, Source, ValueId};
use crate::array::{Array, Generator, Meta};
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::tensor::{Backward, Tensor, enable_grad};

/// One gate in the last run.
///
/// ```
/// use chainrule::{param, tensor, ComputationalGraph};
/// let mut graph = ComputationalGraph::capture(&(param(3.0) * param(4.0)).exp()?)?;
/// graph.forward(&[("x1", &tensor(0.0))])?;
/// graph.backward()?;
/// let product = &graph.gates()?[0];
/// assert_eq!(
///     (&product.name[..], &product.output_name[..], product.formula.to_string()),
///     ("Mul", "g1", "y = a*b".into())
/// );
/// assert_eq!((product.value.item()?, product.upstream.as_ref().unwrap().item()?), (0.0, 1.0));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GateReport {
    /// The gate's place in topological order, from 0.
    pub place: usize,
    /// The gate's name.
    pub name: String,
    /// What it computes.
    pub formula: Formula,
    /// The name of its first output: `g1`, `g2`…
    pub output_name: String,
    /// Its inputs.
    pub inputs: Vec<InputReport>,
    /// Element type and shape of its outputs.
    pub outputs: Vec<Meta>,
    /// The value of its first output.
    pub value: Array,
    /// The upstream gradient of its first output; `None` before backward, and where it has none.
    pub upstream: Option<Array>,
    /// The line of the program that ran it, where it was recorded.
    pub location: Option<String>,
    /// The module that ran it, where it was recorded, by its name in the state: `features.0`.
    pub module: Option<String>,
    /// What that module is, as PyTorch prints it: `Linear(in_features=2, out_features=3, bias=True)`.
    pub layer: Option<String>,
}

/// One input of a gate in the last run.
///
/// ```
/// use chainrule::{param, ComputationalGraph};
/// let mut graph = ComputationalGraph::capture(&(param(3.0) * param(4.0)))?;
/// graph.forward(&[])?;
/// graph.backward()?;
/// let first = &graph.gates()?[0].inputs[0];
/// assert_eq!((&first.name[..], first.meta.to_string()), ("x0", "f32[]".into()));
/// assert_eq!(first.passed.as_ref().unwrap().item()?, 4.0); // upstream 1 × local 4
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct InputReport {
    /// Which value it is.
    pub id: ValueId,
    /// Its name: an input's, a gate's (`g1`…), or a constant's number.
    pub name: String,
    /// Element type and shape.
    pub meta: Meta,
    /// The local gradient ∂output/∂input.
    pub local: Local,
    /// Upstream × local: what the gate passes to this input.
    pub passed: Option<Array>,
}

/// A local gradient.
///
/// ```
/// use chainrule::graph::Local;
/// use chainrule::{param, ComputationalGraph};
/// let mut graph = ComputationalGraph::capture(&param([1.0, 2.0]).square()?.sum()?)?;
/// graph.forward(&[])?;
/// let gates = graph.gates()?;
/// assert!(matches!(&gates[0].inputs[0].local, Local::Values(slopes) if slopes.to_f64_vec() == [2.0, 4.0]));
/// assert!(
///     matches!(&gates[1].inputs[0].local, Local::Rule(rule) if rule == "∂L/∂x = g at every summed element")
/// );
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub enum Local {
    /// Of an elementwise gate: the tensor of local gradients (a number, for scalars), one for each element of
    /// the output
    Values(Array),
    /// Of any other gate: the rule in words
    Rule(String),
    /// The input has no gradient
    None,
}

impl ComputationalGraph {
    /// The name of a value: an input's own, `g1`, `g2`… for gates, the number itself for small constants.
    ///
    /// ```
    /// use chainrule::gate::arith::Mul;
    /// use chainrule::{Array, ComputationalGraph};
    /// let mut graph = ComputationalGraph::new();
    /// let (x, two) = (graph.input("x")?, graph.constant(Array::scalar(2.0f32)));
    /// let product = graph.add(Mul, &[x, two])?;
    /// assert_eq!([x, two, product].map(|id| graph.name_of(id)), ["x", "2", "g1"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn name_of(&self, id: ValueId) -> String {
        match self.values.get(id.0) {
            Some(Source::Input { name, .. }) => name.clone(),
            Some(Source::Gate(place)) => {
                let step = &self.steps[*place];
                match step.outputs.iter().position(|other| *other == id) {
                    Some(0) | None => format!("g{}", place + 1),
                    Some(i) => format!("g{}.{i}", place + 1),
                }
            }
            Some(Source::Constant(_)) if self.constant_names.contains_key(&id.0) => {
                self.constant_names[&id.0].clone()
            }
            Some(Source::Constant(tensor)) if tensor.elements() == 1 => {
                tensor.item().map_or_else(|_| "constant".into(), |x| x.to_string())
            }
            Some(Source::Constant(tensor)) if tensor.rank() == 1 && tensor.elements() <= 6 => {
                let elements: Vec<String> = tensor.to_f64_vec().iter().map(f64::to_string).collect();
                format!("[{}]", elements.join(", "))
            }
            Some(Source::Constant(tensor)) => format!("constant {}", tensor.meta()),
            None => "a value of another graph".into(),
        }
    }

    /// The full name of a module that was called while the graph was recorded.
    pub(crate) fn module_of(&self, scope: usize) -> String {
        let mut names = Vec::new();
        let mut next = Some(scope);
        while let Some(place) = next {
            names.push(self.scopes[place].name.as_str());
            next = self.scopes[place].parent;
        }
        names.retain(|name| !name.is_empty());
        names.reverse();
        names.join(".")
    }

    /// The gates in topological order, with what each did in the last run.
    ///
    /// # Errors
    /// [`ComputationalGraph::forward`] hasn't run.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
    /// let mut graph = ComputationalGraph::capture(&((&x + &y) * &z))?;
    /// graph.forward(&[])?;
    /// graph.backward()?;
    /// let gates = graph.gates()?;
    /// assert_eq!(gates.iter().map(|gate| &gate.name[..]).collect::<Vec<_>>(), ["Add", "Mul"]);
    /// assert_eq!(gates[0].upstream.as_ref().unwrap().item()?, -4.0); // ∂L/∂q = z
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn gates(&self) -> Result<Vec<GateReport>> {
        let run = self.run.as_ref().ok_or_else(|| {
            Error::autograd("there is nothing to report before forward ran")
                .hint("run forward, and backward for gradients")
        })?;
        self.steps
            .iter()
            .enumerate()
            .map(|(place, step)| {
                let formula = step.gate.formula();
                let first = step.outputs[0];
                let upstream = run.gradients.as_ref().and_then(|all| all[first.0].clone());
                let inputs: Vec<Array> = step.inputs.iter().map(|id| run.tensors[id.0].array()).collect();
                let needs: Vec<bool> =
                    step.inputs.iter().map(|id| !step.frozen && run.tensors[id.0].requires_grad()).collect();
                let randomness = run.randomness[place];
                let passed = match &run.gradients {
                    None => vec![None; inputs.len()],
                    Some(all) => {
                        let upstream: Vec<Option<Array>> =
                            step.outputs.iter().map(|id| all[id.0].clone()).collect();
                        products(step, &inputs, &needs, &upstream, randomness)?
                    }
                };
                let locals = match &formula {
                    Formula::Elementwise { .. } => {
                        let meta = run.tensors[first.0].meta();
                        // Broadcast inputs have a local gradient at every element of the output.
                        let wide =
                            inputs.iter().map(|x| x.expand(meta.shape)).collect::<Result<Vec<Array>>>()?;
                        products(step, &wide, &needs, &[Some(Array::constant(1.0, meta))], randomness)?
                    }
                    Formula::Rule { .. } => vec![None; inputs.len()],
                };
                let inputs = step
                    .inputs
                    .iter()
                    .enumerate()
                    .map(|(i, &id)| InputReport {
                        id,
                        name: self.name_of(id),
                        meta: inputs[i].meta(),
                        local: match (&locals[i], needs[i]) {
                            (_, false) => Local::None,
                            (Some(values), true) => Local::Values(values.clone()),
                            (None, true) => Local::Rule(formula.gradient(i).unwrap_or_default()),
                        },
                        passed: passed[i].clone(),
                    })
                    .collect();
                Ok(GateReport {
                    place,
                    name: step.gate.name().to_string(),
                    formula,
                    output_name: self.name_of(first),
                    inputs,
                    outputs: step.outputs.iter().map(|id| run.tensors[id.0].meta()).collect(),
                    value: run.tensors[first.0].array(),
                    upstream,
                    location: step.location.map(|at| format!("{}:{}", at.file(), at.line())),
                    module: step.scope.map(|scope| self.module_of(scope)),
                    layer: step.scope.map(|scope| self.scopes[scope].layer.clone()),
                })
            })
            .collect()
    }
}

impl ComputationalGraph {
    /// The Jacobian of a gate's first output with respect to one of its inputs in the last run: one row for
    /// each element of the output, one column for each of the input. `None` where the input has no gradient.
    ///
    /// # Errors
    /// [`ComputationalGraph::forward`] hasn't run, or there is no such gate or input.
    ///
    /// ```
    /// use chainrule::{formula::Expr, tensor, ComputationalGraph};
    /// let mut graph = ComputationalGraph::from_expr(&Expr::parse("sum(v)")?)?;
    /// graph.forward(&[("v", &tensor([1.0, 2.0]))])?;
    /// assert_eq!(graph.jacobian(0, 0)?.unwrap().to_string(), "tensor([[1., 1.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn jacobian(&self, place: usize, input: usize) -> Result<Option<Array>> {
        let run = self.run.as_ref().ok_or_else(|| {
            Error::autograd("there is no Jacobian before forward ran").hint("run forward first")
        })?;
        let step =
            self.steps.get(place).filter(|step| input < step.inputs.len()).ok_or_else(|| {
                Error::index(format!("the graph has no gate {place} with an input {input}"))
            })?;
        let inputs: Vec<Array> = step.inputs.iter().map(|id| run.tensors[id.0].array()).collect();
        let mut needs = vec![false; inputs.len()];
        needs[input] = run.tensors[step.inputs[input].0].requires_grad();
        let meta = run.tensors[step.outputs[0].0].meta();
        if !needs[input] || !meta.dtype.is_float() {
            return Ok(None);
        }
        let (rows, columns) = (meta.shape.elements(), inputs[input].elements());
        let randomness = run.randomness[place];
        let mut jacobian = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            let mut unit = vec![0.0; rows];
            unit[row] = 1.0;
            let unit = Array::from_vec(unit, meta.shape)?.cast(meta.dtype);
            match products(step, &inputs, &needs, &[Some(unit)], randomness)?.swap_remove(input) {
                Some(found) => jacobian.extend(found.to_f64_vec()),
                None => jacobian.resize((row + 1) * columns, 0.0),
            }
        }
        Ok(Some(Array::from_vec(jacobian, [rows, columns])?.cast(meta.dtype)))
    }
}

/// What a gate, run by itself, passes to each of its inputs for these upstream gradients.
fn products(
    step: &super::Step,
    inputs: &[Array],
    needs: &[bool],
    upstream: &[Option<Array>],
    randomness: Generator,
) -> Result<Vec<Option<Array>>> {
    let leaves: Vec<Tensor> =
        inputs.iter().zip(needs).map(|(x, &needs)| Tensor::leaf(x.clone(), needs)).collect();
    // A random gate must draw what it drew in the run.
    let generator = Generator::of_thread();
    randomness.set_thread();
    let outputs = enable_grad(|| Tensor::apply_many(step.gate.clone(), &leaves.iter().collect::<Vec<_>>()));
    generator.set_thread();
    let outputs = outputs?;
    let (roots, gradients): (Vec<&Tensor>, Vec<Tensor>) = outputs
        .iter()
        .zip(upstream)
        .filter(|(y, _)| y.requires_grad())
        .filter_map(|(y, g)| Some((y, Tensor::from_array(g.clone()?))))
        .unzip();
    let wanted: Vec<&Tensor> = leaves.iter().filter(|x| x.requires_grad()).collect();
    if roots.is_empty() || wanted.is_empty() {
        return Ok(vec![None; inputs.len()]);
    }
    let gradients: Vec<&Tensor> = gradients.iter().collect();
    let mut found =
        Backward::of(&roots).upstream(&gradients).allow_unused(true).gradients(&wanted)?.into_iter();
    Ok(leaves
        .iter()
        .map(|x| if x.requires_grad() { found.next().flatten().map(|g| g.array()) } else { None })
        .collect())
}
