//! A graph as data: run, checked, shrunk and printed.

use std::fmt;

use chainrule::check::derivative;
use chainrule::gate::GateRef;
use chainrule::{Array, Backward, DType, Generator, Result, Tensor, diff, no_grad};

/// Where an input of a gate comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A leaf that is differentiated.
    Leaf(usize),
    /// An output of an earlier step.
    Step(usize, usize),
    /// A value that isn't differentiated.
    Constant(Array),
}

/// A use of a gate.
#[derive(Debug, Clone)]
pub struct Step {
    pub name: &'static str,
    pub gate: GateRef,
    pub inputs: Vec<Source>,
    /// The outputs' values where the graph was made, to stand for them when the graph is shrunk.
    pub values: Vec<Array>,
}

/// A graph. What no gate uses makes the loss: the sum of its products with fixed uneven numbers.
#[derive(Debug, Clone, Default)]
pub struct Program {
    pub leaves: Vec<Array>,
    pub steps: Vec<Step>,
}

/// Fixed uneven numbers.
fn uneven(count: usize, salt: usize) -> Vec<f64> {
    (0..count).map(|i| 0.35 + ((i * 7 + salt * 5 + 3) % 11) as f64 * 0.13 - (i % 3) as f64 * 0.4).collect()
}

impl Program {
    /// The gate's outputs at these inputs; every run draws the same random numbers.
    pub fn outputs(step: &Step, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        Generator::new(17).set_thread();
        Tensor::apply_many(step.gate.clone(), &inputs.iter().collect::<Vec<_>>())
    }

    fn loss(&self, leaves: &[Tensor]) -> Result<Tensor> {
        let mut all: Vec<Vec<Tensor>> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let inputs: Vec<Tensor> = (step.inputs.iter())
                .map(|source| match source {
                    Source::Leaf(i) => leaves[*i].clone(),
                    Source::Step(i, output) => all[*i][*output].clone(),
                    Source::Constant(array) => Tensor::from_array(array.clone()),
                })
                .collect();
            all.push(Program::outputs(step, &inputs)?);
        }
        let mut loss = Tensor::new(0.0, DType::F64)?;
        for (i, outputs) in all.iter().enumerate() {
            for (output, y) in outputs.iter().enumerate() {
                if y.dtype() == DType::F64 && !self.is_used(i, output) {
                    let weights = Array::from_vec(uneven(y.elements(), i), y.shape())?;
                    loss = loss.add(&y.mul(Tensor::from_array(weights))?.sum()?)?;
                }
            }
        }
        Ok(loss)
    }

    pub fn is_used(&self, step: usize, output: usize) -> bool {
        let uses = |source: &Source| matches!(source, Source::Step(i, o) if (*i, *o) == (step, output));
        self.steps.iter().any(|step| step.inputs.iter().any(uses))
    }

    fn leaves_at(&self, t: f64, directions: &[Vec<f64>]) -> Vec<Tensor> {
        let moved = |(x, u): (&Array, &Vec<f64>)| {
            let values = x.to_f64_vec().iter().zip(u).map(|(x, u)| x + t * u).collect();
            Tensor::from_array(Array::from_vec::<f64>(values, *x.shape()).unwrap())
        };
        self.leaves.iter().zip(directions).map(moved).collect()
    }
}

/// What is wrong with the gradients of this graph along a direction, if anything.
pub fn fault(program: &Program) -> Option<String> {
    check(program).unwrap_or_else(|error| Some(format!("it fails: {error}")))
}

fn check(program: &Program) -> Result<Option<String>> {
    let directions: Vec<Vec<f64>> =
        program.leaves.iter().enumerate().map(|(i, x)| uneven(x.elements(), i + 1)).collect();
    let along = |u: &[Tensor], v: &[f64]| -> f64 {
        u.iter().flat_map(Tensor::to_f64_vec).zip(v).map(|(a, b)| a * b).sum()
    };
    let flat: Vec<f64> = directions.iter().flatten().copied().collect();

    let leaves: Vec<Tensor> =
        program.leaves_at(0.0, &directions).iter().map(|x| x.requires_grad_(true)).collect::<Result<_>>()?;
    let loss = program.loss(&leaves)?;
    let value = loss.item()?;
    if !value.is_finite() {
        return Ok(Some(format!("its loss is {value}")));
    }
    if !loss.requires_grad() {
        return Ok(None);
    }
    let wanted: Vec<&Tensor> = leaves.iter().collect();
    let gradients: Vec<Tensor> = Backward::of(&[&loss])
        .allow_unused(true)
        .gradients(&wanted)?
        .into_iter()
        .zip(&leaves)
        .map(|(gradient, x)| gradient.unwrap_or_else(|| x.zeros_like()))
        .collect();
    for (x, gradient) in leaves.iter().zip(&gradients) {
        if x.meta() != gradient.meta() {
            return Ok(Some(format!("the gradient of a leaf of {} is {}", x.meta(), gradient.meta())));
        }
    }
    let backward = along(&gradients, &flat);
    let scale: f64 =
        gradients.iter().flat_map(Tensor::to_f64_vec).zip(&flat).map(|(a, b)| (a * b).abs()).sum();

    let points = program.leaves_at(0.0, &directions);
    let tangents: Vec<Tensor> = directions
        .iter()
        .zip(&points)
        .map(|(u, x)| Array::from_vec(u.clone(), x.shape()).map(Tensor::from_array))
        .collect::<Result<_>>()?;
    let (_, forward) = diff::jvp(
        |x| program.loss(x),
        &points.iter().collect::<Vec<_>>(),
        &tangents.iter().collect::<Vec<_>>(),
    )?;
    let forward = forward[0].item()?;
    if (forward - backward).abs() > 1e-9 * scale + 1e-12 {
        return Ok(Some(format!("forward mode gives {forward} along a direction, backward {backward}")));
    }

    // At a kink, or where the differences don't settle, another length of the step decides.
    for length in [1.0, 0.37] {
        let measured = derivative(
            |t| no_grad(|| program.loss(&program.leaves_at(t * length, &directions)))?.item(),
            0.0,
        )?;
        let (value, error) = (measured.value / length, measured.error / length);
        let tolerance = 1e-6 * scale.max(value.abs()) + 20.0 * error + 1e-8;
        if measured.kink.is_some() || !value.is_finite() || (value - backward).abs() <= tolerance {
            return Ok(None);
        }
        if length < 1.0 {
            return Ok(Some(format!(
                "differences give {value} ± {error:.1e} along a direction, backward {backward}"
            )));
        }
    }
    Ok(None)
}

/// The smallest graph found inside this one that still fails, and what is wrong with it: gates become the values
/// that they gave, one after another, as long as the rest fails.
pub fn shrunk(program: &Program) -> (Program, String) {
    let mut small = program.clone();
    let mut why = fault(program).unwrap_or_default();
    loop {
        let before = small.steps.len();
        for i in (0..small.steps.len()).rev() {
            for candidate in [without(&small, i, true), without(&small, i, false)] {
                if let Some(what) = fault(&candidate) {
                    (small, why) = (candidate, what);
                    break;
                }
            }
        }
        if small.steps.len() == before {
            return (used(&small), why);
        }
    }
}

/// The graph without the leaves that no gate uses.
fn used(program: &Program) -> Program {
    let mut small = program.clone();
    small.leaves.clear();
    let mut places = vec![None; program.leaves.len()];
    for source in small.steps.iter_mut().flat_map(|step| &mut step.inputs) {
        if let Source::Leaf(i) = source {
            let place = *places[*i].get_or_insert_with(|| {
                small.leaves.push(program.leaves[*i].clone());
                small.leaves.len() - 1
            });
            *source = Source::Leaf(place);
        }
    }
    small
}

/// The graph without a step. Its outputs become leaves or constants.
fn without(program: &Program, gone: usize, leaves: bool) -> Program {
    let mut small = Program { leaves: program.leaves.clone(), steps: Vec::new() };
    let values = &program.steps[gone].values;
    let places: Vec<Source> = values
        .iter()
        .map(|value| match leaves && value.dtype() == DType::F64 {
            true => {
                small.leaves.push(value.clone());
                Source::Leaf(small.leaves.len() - 1)
            }
            false => Source::Constant(value.clone()),
        })
        .collect();
    for (_, step) in program.steps.iter().enumerate().filter(|(i, _)| *i != gone) {
        let mut step = step.clone();
        for source in &mut step.inputs {
            *source = match &*source {
                Source::Step(i, output) if *i == gone => places[*output].clone(),
                Source::Step(i, output) => Source::Step(*i - usize::from(*i > gone), *output),
                other => other.clone(),
            };
        }
        small.steps.push(step);
    }
    small
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, leaf) in self.leaves.iter().enumerate() {
            writeln!(f, "  x{i} = {:?} of shape {}", leaf.to_f64_vec(), leaf.shape())?;
        }
        for (i, step) in self.steps.iter().enumerate() {
            let inputs: Vec<String> = (step.inputs.iter())
                .map(|source| match source {
                    Source::Leaf(i) => format!("x{i}"),
                    Source::Step(i, 0) => format!("v{i}"),
                    Source::Step(i, output) => format!("v{i}.{output}"),
                    Source::Constant(array) => format!("{:?}", array.to_f64_vec()),
                })
                .collect();
            let shapes: Vec<String> = step.values.iter().map(|y| y.meta().to_string()).collect();
            writeln!(
                f,
                "  v{i} = {} {:?}({}) → {}",
                step.name,
                step.gate,
                inputs.join(", "),
                shapes.join(", ")
            )?;
        }
        Ok(())
    }
}
