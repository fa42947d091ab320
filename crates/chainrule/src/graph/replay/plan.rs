//! The plan of a replay: shapes, stages, and how long each value lives.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::Location;

use smallvec::SmallVec;

use super::chain::{self, Chain};
use super::scalars::Scalars;
use super::single::Single;
use super::{Place, Stage};
use crate::array::{DType, Meta, Shape};
use crate::error::{Error, Result};
use crate::gate::{GateRef, Metas, Needs, Saves};
use crate::graph::{ComputationalGraph, Source, Step};
use crate::tensor::{Tensor, no_grad};

/// Everything about a graph's runs that its shapes decide.
#[derive(Debug)]
pub(super) struct Plan {
    /// How many values are plain numbers, and how many are arrays.
    pub(super) numbers: usize,
    pub(super) arrays: usize,
    /// The inputs, and constants that may change.
    pub(super) leaves: Vec<(Place, Tensor)>,
    /// Numbers of the program, which can't.
    pub(super) literals: Vec<(usize, f32)>,
    pub(super) output: Place,
    pub(super) output_meta: Meta,
    /// Whether the output has a gradient.
    pub(super) differentiable: bool,
    pub(super) stages: Vec<Stage>,
    /// Where the last chain's output is summed to the graph's, and read by nothing else: the gradient of its elements.
    pub(super) summed: Option<f32>,
    /// Of each stage.
    pub(super) lifetimes: Vec<Lifetimes>,
}

/// The arrays that nothing reads after a stage.
#[derive(Debug, Default, Clone)]
pub(super) struct Lifetimes {
    pub(super) after_forward: Vec<usize>,
    pub(super) after_backward: Vec<usize>,
}

/// How a gate can run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Scalar,
    /// In a chain over this shape.
    Chained(Shape),
    Single,
}

const SCALAR: Meta = Meta { dtype: DType::F32, shape: Shape::SCALAR };

impl Plan {
    pub(super) fn of(graph: &ComputationalGraph, inputs: &[(&str, &Tensor)]) -> Result<Plan> {
        graph.check_names(inputs)?;
        let output = graph.output.ok_or_else(|| Error::argument("the graph has no gates yet"))?.place();
        let mut known = Known::of(graph.values.len());
        let (mut leaves, mut literals) = (Vec::new(), Vec::new());
        for (value, source) in graph.values.iter().enumerate() {
            let leaf = match source {
                Source::Input { .. } => Cow::Owned(bound(source, inputs)?),
                // Cloned below where it is kept, so that its only handle can be told.
                Source::Constant(tensor) => Cow::Borrowed(tensor),
                Source::Gate(_) => continue,
            };
            known.set(value, leaf.meta(), leaf.requires_grad());
            match (source, leaf.number()) {
                (Source::Constant(tensor), Some(number)) if tensor.is_unshared_leaf() => {
                    literals.push((value, number));
                }
                _ => leaves.push((value, leaf.into_owned())),
            }
        }
        // Once for the shapes, from which the places follow, and once more for the stages: a long graph's gates would
        // take far more memory than its plan.
        for step in &graph.steps {
            known.prepare(step)?;
        }
        let mut counts = (0, 0);
        let places: Vec<Place> =
            (0..graph.values.len()).map(|value| place(known.meta(value), &mut counts)).collect();
        let mut plan = Plan {
            numbers: counts.0,
            arrays: counts.1,
            leaves: Vec::new(),
            literals: Vec::new(),
            output: Place::Number(0),
            output_meta: *known.meta(output),
            differentiable: known.needs[output],
            stages: Vec::new(),
            summed: None,
            lifetimes: Vec::new(),
        };
        let readers = last_readers(&graph.steps, output, places.len());
        plan.arrange(graph.steps.iter().map(|step| known.prepare(step)), &places, &readers)?;
        plan.leaves = leaves.into_iter().map(|(value, leaf)| (places[value], leaf)).collect();
        plan.literals =
            literals.into_iter().filter_map(|(value, x)| Some((number(places[value])?, x))).collect();
        plan.output = places[output];
        plan.summed = plan.slope_of_sum();
        plan.lifetimes = plan.live();
        Ok(plan)
    }

    /// See [`Plan::summed`].
    fn slope_of_sum(&self) -> Option<f32> {
        let [.., Stage::Chain(chain), Stage::Single(single)] = &self.stages[..] else { return None };
        let [(_, value)] = chain.outputs[..] else { return None };
        let last = single.inputs == [value] && single.outputs == [self.output] && self.output != value;
        single
            .of_sum(0.0)
            .filter(|_| last && self.differentiable && matches!(self.output, Place::Number(_)))?;
        no_grad(|| single.slope())
    }

    /// Puts gates that follow each other into stages.
    fn arrange(
        &mut self,
        gates: impl Iterator<Item = Result<Prepared>>,
        places: &[Place],
        readers: &[usize],
    ) -> Result<()> {
        // Elementwise gates over one shape, from which a chain may become, and how many gates came before the next.
        let mut run: Vec<Prepared> = Vec::new();
        for (i, gate) in gates.enumerate() {
            let gate = gate?;
            let kind = gate.kind();
            if run.first().is_some_and(|first| first.kind() != kind) {
                self.end_run(&mut run, places, |value| readers[value] >= i);
            }
            match (kind, self.stages.last_mut()) {
                (Kind::Scalar, Some(Stage::Scalars(scalars))) => gate.scalar(scalars, places, self.numbers),
                (Kind::Scalar, _) => {
                    let mut scalars = Scalars::default();
                    gate.scalar(&mut scalars, places, self.numbers);
                    self.stages.push(Stage::Scalars(scalars));
                }
                (Kind::Chained(_), _) => run.push(gate),
                (Kind::Single, _) => self.stages.push(Stage::Single(Box::new(gate.single(places)))),
            }
        }
        self.end_run(&mut run, places, |value| readers[value] == usize::MAX);
        for stage in &mut self.stages {
            if let Stage::Scalars(scalars) = stage {
                scalars.shrink();
            }
        }
        Ok(())
    }

    /// Makes a stage of elementwise gates; `read_later` tells which values gates behind them read.
    fn end_run(&mut self, run: &mut Vec<Prepared>, places: &[Place], read_later: impl Fn(usize) -> bool) {
        let Some(Kind::Chained(shape)) = run.first().map(Prepared::kind) else { return };
        if run.len() > 1 {
            self.stages.push(Stage::Chain(Box::new(chain_of(run, shape, places, read_later))));
        } else if let Some(gate) = run.pop() {
            self.stages.push(Stage::Single(Box::new(gate.single(places))));
        }
        run.clear();
    }

    /// After which stage each array's buffer may serve again.
    fn live(&self) -> Vec<Lifetimes> {
        let mut lifetimes = vec![Lifetimes::default(); self.stages.len()];
        // The last stage that reads an array forward, or makes it, and the first whose backward reads it.
        let (mut forward, mut backward) = (vec![None; self.arrays], vec![None; self.arrays]);
        for (i, stage) in self.stages.iter().enumerate() {
            let (reads, saves): (Vec<Place>, Vec<Place>) = match stage {
                Stage::Scalars(_) => continue,
                Stage::Chain(chain) => {
                    let outputs = chain.outputs.iter().map(|&(_, place)| place);
                    let saves = if chain.needs.contains(&true) { chain.inputs.clone() } else { Vec::new() };
                    (chain.inputs.iter().copied().chain(outputs).collect(), saves)
                }
                Stage::Single(single) => {
                    let inputs = single.inputs.iter().enumerate().filter(|(i, _)| single.saves.has_input(*i));
                    let outputs =
                        single.outputs.iter().enumerate().filter(|(i, _)| single.saves.has_output(*i));
                    (
                        single.inputs.iter().chain(&single.outputs).copied().collect(),
                        inputs.chain(outputs).map(|(_, &place)| place).collect(),
                    )
                }
            };
            reads.into_iter().filter_map(array).for_each(|array| forward[array] = Some(i));
            saves
                .into_iter()
                .filter_map(array)
                .for_each(|array| backward[array] = backward[array].or(Some(i)));
        }
        for i in (0..self.arrays).filter(|&i| self.output != Place::Array(i)) {
            match (forward[i], backward[i]) {
                (_, Some(stage)) => lifetimes[stage].after_backward.push(i),
                (Some(stage), None) => lifetimes[stage].after_forward.push(i),
                (None, None) => {}
            }
        }
        lifetimes
    }
}

fn number(place: Place) -> Option<usize> {
    match place {
        Place::Number(i) => Some(i),
        Place::Array(_) => None,
    }
}

fn array(place: Place) -> Option<usize> {
    match place {
        Place::Number(_) => None,
        Place::Array(i) => Some(i),
    }
}

/// The next place for a value like this.
fn place(meta: &Meta, (numbers, arrays): &mut (usize, usize)) -> Place {
    let (make, count): (fn(usize) -> Place, _) =
        if *meta == SCALAR { (Place::Number, numbers) } else { (Place::Array, arrays) };
    *count += 1;
    make(*count - 1)
}

/// The leaf for an input: what is given, else what was recorded.
fn bound(source: &Source, inputs: &[(&str, &Tensor)]) -> Result<Tensor> {
    let Source::Input { name, default, leaf } = source else {
        return Err(Error::argument("the value is no input"));
    };
    let given = inputs.iter().find(|(other, _)| other == name).map(|(_, tensor)| (*tensor).clone());
    let tensor = given.or_else(|| leaf.clone()).ok_or_else(|| {
        Error::argument(format!("the input {name} is missing"))
            .hint("name a tensor for every input: replay(&[(name, tensor), …])")
    })?;
    if !tensor.is_leaf() {
        return Err(Error::argument(format!("the tensor for the input {name} was computed by a gate"))
            .hint("a replay reads its inputs anew at every run: give it a leaf, and change that in place"));
    }
    match default {
        Some(default) if default.meta() != tensor.meta() => Err(Error::shape(format!(
            "the input {name} was {} when the graph was recorded, and is {} now",
            default.meta(),
            tensor.meta()
        ))
        .hint("record the graph again for other shapes")),
        _ => Ok(tensor),
    }
}

/// Shapes, element types and the need of a gradient, of each value.
struct Known {
    /// The different ones; values mostly share a few.
    metas: Vec<Meta>,
    places: HashMap<Meta, u32>,
    /// Of each value, its place among those.
    values: Vec<u32>,
    needs: Vec<bool>,
}

/// A gate with its shapes, and what its backward will read; its inputs and outputs are the graph's values.
struct Prepared {
    gate: GateRef,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    input_metas: SmallVec<[Meta; 3]>,
    output_metas: Metas,
    needs: Needs,
    saves: Saves,
    location: Option<&'static Location<'static>>,
}

impl Known {
    fn of(values: usize) -> Known {
        Known {
            metas: vec![SCALAR],
            places: HashMap::from([(SCALAR, 0)]),
            values: vec![0; values],
            needs: vec![false; values],
        }
    }

    fn meta(&self, value: usize) -> &Meta {
        &self.metas[self.values[value] as usize]
    }

    fn set(&mut self, value: usize, meta: Meta, needs: bool) {
        self.values[value] = *self.places.entry(meta).or_insert_with(|| {
            self.metas.push(meta);
            self.metas.len() as u32 - 1
        });
        self.needs[value] = needs;
    }

    /// A gate with what is known of its inputs; its outputs become known.
    fn prepare(&mut self, step: &Step) -> Result<Prepared> {
        let inputs: Vec<usize> = step.inputs.iter().map(|id| id.place()).collect();
        let outputs: Vec<usize> = step.outputs.iter().map(|id| id.place()).collect();
        let input_metas: SmallVec<[Meta; 3]> = inputs.iter().map(|&i| *self.meta(i)).collect();
        let located = |error: Error| {
            let error = error.at_gate(step.gate.name()).with_inputs(input_metas.iter().copied());
            match step.location {
                Some(location) => error.location(location),
                None => error,
            }
        };
        let output_metas = step.gate.infer(&input_metas).map_err(located)?;
        if output_metas.len() != outputs.len() {
            return Err(located(Error::argument(
                "the graph names another number of outputs than the gate has",
            )));
        }
        let differentiable = !step.frozen && output_metas.iter().any(|meta| meta.dtype.is_float());
        let needs = Needs::new(inputs.iter().map(|&i| differentiable && self.needs[i]));
        for (&value, meta) in outputs.iter().zip(&output_metas) {
            self.set(value, *meta, needs.any() && meta.dtype.is_float());
        }
        let saves = if needs.any() { step.gate.saves(&needs) } else { Saves::NONE };
        let (gate, location) = (step.gate.clone(), step.location);
        Ok(Prepared { gate, inputs, outputs, input_metas, output_metas, needs, saves, location })
    }
}

impl Prepared {
    fn kind(&self) -> Kind {
        let count = self.gate.as_scalar().map(|gate| gate.inputs());
        if count != Some(self.inputs.len()) || self.outputs.len() != 1 {
            return Kind::Single;
        }
        let output = self.output_metas[0];
        if output == SCALAR && self.input_metas.iter().all(|meta| *meta == SCALAR) {
            return Kind::Scalar;
        }
        // A smaller input may be one number, if no gradient must be summed back to it.
        let fits = |(i, meta): (usize, &Meta)| *meta == output || (*meta == SCALAR && !self.needs.input(i));
        let all = self.input_metas.iter().enumerate().all(fits);
        match all && output.dtype == DType::F32 && output.shape.elements() > 1 {
            true => Kind::Chained(output.shape),
            false => Kind::Single,
        }
    }

    /// Adds it to scalar gates; `none` is the place that inputs have which a gate doesn't have.
    fn scalar(self, scalars: &mut Scalars, places: &[Place], none: usize) {
        let number = |value: usize| number(places[value]).expect("scalar gates work on numbers");
        let mut inputs = [none; 3];
        for (input, value) in inputs.iter_mut().zip(&self.inputs) {
            *input = number(*value);
        }
        let needs = (0..self.inputs.len()).fold(0, |bits, i| bits | u8::from(self.needs.input(i)) << i);
        scalars.push(&self.gate, inputs, number(self.outputs[0]), needs);
    }

    fn single(self, places: &[Place]) -> Single {
        let at = |values: Vec<usize>| values.into_iter().map(|value| places[value]).collect();
        Single {
            gate: self.gate,
            inputs: at(self.inputs),
            outputs: at(self.outputs),
            input_metas: self.input_metas,
            output_metas: self.output_metas,
            needs: self.needs,
            saves: self.saves,
            location: self.location,
            extras: Vec::new(),
        }
    }
}

/// For each value the last gate that reads it; for the graph's output one that no gate comes after.
fn last_readers(steps: &[Step], output: usize, values: usize) -> Vec<usize> {
    let mut readers = vec![0; values];
    for (i, step) in steps.iter().enumerate() {
        step.inputs.iter().for_each(|value| readers[value.place()] = i);
    }
    readers[output] = usize::MAX;
    readers
}

fn chain_of(run: &[Prepared], shape: Shape, places: &[Place], read_later: impl Fn(usize) -> bool) -> Chain {
    let mut chain = Chain::over(shape);
    let mut inside: HashMap<usize, usize> = HashMap::new();
    let mut outside: HashMap<usize, usize> = HashMap::new();
    for (i, gate) in run.iter().enumerate() {
        let mut sources: SmallVec<[chain::Source; 3]> = SmallVec::new();
        for (k, value) in gate.inputs.iter().enumerate() {
            sources.push(match inside.get(value) {
                Some(&from) => chain::Source::Inside(from),
                None => {
                    let next = chain.inputs.len();
                    let input = *outside.entry(*value).or_insert(next);
                    if input == next {
                        chain.inputs.push(places[*value]);
                        chain.needs.push(false);
                    }
                    chain.needs[input] |= gate.needs.input(k);
                    chain::Source::Outside(input)
                }
            });
        }
        let needs: SmallVec<[bool; 3]> = (0..gate.inputs.len()).map(|k| gate.needs.input(k)).collect();
        chain.steps.push(chain::Step::new(&gate.gate, sources, &needs));
        inside.insert(gate.outputs[0], i);
        if read_later(gate.outputs[0]) {
            chain.outputs.push((i, places[gate.outputs[0]]));
        }
    }
    chain.settle();
    chain
}
