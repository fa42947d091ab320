//! A function's gates, recorded once, to run again with one leaf moved.
//!
//! A check evaluates a function twice for every element. Where gates alone decide its value, running these gives the
//! same value without tensors, only those that depend on the moved leaf, and on several threads. What is checked
//! stays the function itself: [`Program::of`] refuses one that looked into values, changed some, drew random
//! numbers, or ran a backward pass, for then code that isn't recorded may have had a say; and [`Program::part`]
//! compares the two, bit by bit, at a place to which every element has moved.

use std::collections::{HashMap, HashSet};

use smallvec::SmallVec;

use crate::array::{Array, Generator, Shape};
use crate::error::{Error, Result};
use crate::gate::{Context, GateRef, Metas};
use crate::tensor::{Recording, Tensor, is_anomaly_enabled, no_grad};

/// The sum of a value's elements with fixed, uneven weights: one number whose derivative sees every element.
#[derive(Debug)]
pub(super) struct Weights {
    shape: Shape,
    weights: Vec<f64>,
}

impl Weights {
    pub(super) fn new(shape: Shape) -> Weights {
        Weights { shape, weights: (0..shape.elements()).map(weight).collect() }
    }

    /// The weighted sum.
    ///
    /// # Errors
    /// The value has another shape than the first one had.
    pub(super) fn sum(&self, y: &Array) -> Result<f64> {
        self.sum_of(y, |product| product)
    }

    /// The weighted sum of the elements' sizes.
    pub(super) fn magnitude(&self, y: &Array) -> Result<f64> {
        self.sum_of(y, f64::abs)
    }

    fn sum_of(&self, y: &Array, combine: fn(f64) -> f64) -> Result<f64> {
        if *y.shape() != self.shape {
            return Err(Error::shape(format!(
                "the function's value has the shape {} for these inputs, and {} where one of them moves a little",
                self.shape,
                y.shape()
            )));
        }
        let y = y.contiguous();
        let pair = |(y, w): (f64, &f64)| combine(y * w);
        Ok(match y.as_slice::<f64>() {
            Some(y) => y.iter().copied().zip(&self.weights).map(pair).sum(),
            None => y.to_f64_vec().into_iter().zip(&self.weights).map(pair).sum(),
        })
    }
}

/// The weight of the element at this place.
pub(super) fn weight(i: usize) -> f64 {
    0.5 + ((i * 7 + 3) % 11) as f64 / 7.0 - (i % 3) as f64 * 0.4
}

/// The gates of a function, in the order in which they ran, and all values that they had and made.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    values: Vec<Array>,
    /// The places of tensors that no gate made.
    leaves: HashMap<usize, usize>,
    output: usize,
}

#[derive(Debug)]
struct Step {
    gate: GateRef,
    /// Places among the values.
    inputs: SmallVec<[usize; 3]>,
    outputs: SmallVec<[usize; 1]>,
    metas: Metas,
}

impl Program {
    /// Runs the function and records its gates; `None` where these don't decide its value alone, or it fails.
    ///
    /// `leaves` are the tensors that will move.
    pub(super) fn of(function: impl FnOnce() -> Result<Tensor>, leaves: &[Tensor]) -> Option<Program> {
        if is_anomaly_enabled() {
            return None;
        }
        let before = Generator::of_thread();
        let (output, recording) = Recording::of(|| no_grad(function));
        let output = output.ok()?;
        if recording.impure || Generator::of_thread() != before {
            before.set_thread();
            return None;
        }
        let computed = recording.steps.iter().flat_map(|step| &step.outputs);
        let moving: HashSet<usize> = leaves.iter().chain(computed).map(Tensor::id).collect();
        if recording.reads.iter().any(|read| moving.contains(&read.id())) {
            return None;
        }
        let mut program =
            Program { steps: Vec::new(), values: Vec::new(), leaves: HashMap::new(), output: usize::MAX };
        let mut places: HashMap<usize, usize> = HashMap::new();
        for step in &recording.steps {
            let mut inputs = SmallVec::new();
            for x in &step.inputs {
                inputs.push(*places.entry(x.id()).or_insert_with(|| {
                    program.leaves.insert(x.id(), program.values.len());
                    program.values.push(x.array());
                    program.values.len() - 1
                }));
            }
            let mut outputs = SmallVec::new();
            for y in &step.outputs {
                places.insert(y.id(), program.values.len());
                outputs.push(program.values.len());
                program.values.push(y.array());
            }
            let metas = step.outputs.iter().map(Tensor::meta).collect();
            program.steps.push(Step { gate: step.gate.clone(), inputs, outputs, metas });
        }
        program.output = *places.get(&output.id())?;
        Some(program)
    }

    /// What must run again where `leaf` moves; `None` where that doesn't give the bits that the function gives.
    ///
    /// `moved` are values for the leaf, `expected` the function's value there.
    pub(super) fn part(&self, leaf: &Tensor, moved: &Array, expected: &Array) -> Option<Part<'_>> {
        let leaf = *self.leaves.get(&leaf.id())?;
        let mut changed = vec![false; self.values.len()];
        changed[leaf] = true;
        let mut steps = Vec::new();
        for step in &self.steps {
            if step.inputs.iter().any(|&input| changed[input]) {
                step.outputs.iter().for_each(|&output| changed[output] = true);
                steps.push(step);
            }
        }
        let part = Part { program: self, leaf, steps };
        let mut run = part.run();
        run.values[leaf] = Some(moved.clone());
        let same = run.forward().is_ok_and(|y| y.same_as(expected));
        drop(run);
        same.then_some(part)
    }
}

/// The gates that depend on one leaf.
#[derive(Debug)]
pub(super) struct Part<'a> {
    program: &'a Program,
    leaf: usize,
    steps: Vec<&'a Step>,
}

impl Part<'_> {
    /// Everything that a thread needs for itself.
    pub(super) fn run(&self) -> Run<'_> {
        let mut values: Vec<Option<Array>> = self.program.values.iter().cloned().map(Some).collect();
        // Views of the leaf would have every change of it copied.
        self.steps.iter().flat_map(|step| &step.outputs).for_each(|&output| values[output] = None);
        Run { part: self, values }
    }
}

/// One thread's values.
#[derive(Debug)]
pub(super) struct Run<'a> {
    part: &'a Part<'a>,
    values: Vec<Option<Array>>,
}

impl Run<'_> {
    /// The function's value where the leaf's element `i` is `x`.
    ///
    /// # Errors
    /// A gate refuses values.
    pub(super) fn at(&mut self, i: usize, x: f64) -> Result<Array> {
        let leaf = self.values[self.part.leaf].as_mut().and_then(Array::make_mut::<f64>);
        leaf.ok_or_else(|| Error::dtype("only f64 is moved here"))?[i] = x;
        self.forward()
    }

    /// Gives the leaf's element `i` its old value.
    pub(super) fn back(&mut self, i: usize, x: f64) {
        if let Some(leaf) = self.values[self.part.leaf].as_mut().and_then(Array::make_mut::<f64>) {
            leaf[i] = x;
        }
    }

    fn forward(&mut self) -> Result<Array> {
        let Part { program, steps, .. } = self.part;
        for step in steps {
            let inputs: SmallVec<[&Array; 3]> =
                step.inputs.iter().filter_map(|&input| self.values[input].as_ref()).collect();
            let outputs = step.gate.forward(&inputs, &mut Context::new(&step.metas))?;
            drop(inputs);
            for (&place, output) in step.outputs.iter().zip(outputs) {
                self.values[place] = Some(output);
            }
        }
        let y = self.values[program.output].clone();
        steps.iter().flat_map(|step| &step.outputs).for_each(|&output| self.values[output] = None);
        y.ok_or_else(|| Error::argument("the function's value wasn't computed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::{Backward, tensor};

    fn leaf(values: impl crate::Literal) -> Tensor {
        Tensor::new(values, DType::F64).unwrap().requires_grad_(true).unwrap()
    }

    fn recorded(function: impl FnOnce() -> Result<Tensor>, x: &Tensor) -> bool {
        Program::of(function, std::slice::from_ref(x)).is_some()
    }

    #[test]
    fn a_network_is_run_again_as_its_gates() {
        let (w, x, labels) =
            (leaf([[0.5, -1.0], [2.0, 1.5]]), leaf([[1.0, 2.0], [0.3, 0.1]]), tensor([0, 1]));
        let network = || x.linear(&w, None)?.relu()?.cross_entropy(&labels);
        let program = Program::of(network, &[w.clone(), x.clone()]).unwrap();
        let moved = Array::literal([[0.5, -1.0], [2.5, 1.5]]).unwrap().cast(DType::F64);
        no_grad(|| w.copy_(&Tensor::from_array(moved.clone()))).unwrap();
        let expected = network().unwrap().array();
        let part = program.part(&w, &moved, &expected).unwrap();
        assert!(part.run().at(2, 2.5).unwrap().same_as(&expected));
        // Another value is noticed.
        assert!(program.part(&w, &Array::zeros([2, 2]).cast(DType::F64), &expected).is_none());
    }

    #[test]
    fn functions_that_decide_by_values_are_not_run_as_gates() {
        let (x, seen) = (leaf([0.5, 2.0]), tensor([1.0, 2.0]));
        assert!(recorded(|| x.square()?.sum(), &x));
        assert!(recorded(|| x.mul(seen.to_f64_vec()[0])?.detach().sum(), &x)); // reads a constant
        assert!(!recorded(|| x.mul(x.to_f64_vec()[0])?.sum(), &x));
        assert!(!recorded(|| x.mul(x.square()?.sum()?.item()?), &x));
        assert!(!recorded(|| x.mul(x.to_string().len() as f64), &x));
        assert!(!recorded(|| x.mul(&Tensor::from_array(x.square()?.detach().array())), &x));
        assert!(!recorded(|| x.dropout(0.5), &x));
        assert!(!recorded(|| seen.fill_(3.0).and_then(|()| x.square()), &x));
        let gradient =
            || crate::enable_grad(|| Ok(Backward::of(&[&x.square()?.sum()?]).gradients(&[&x])?[0].clone()));
        assert!(!recorded(|| gradient()?.ok_or_else(|| Error::autograd("none")), &x));
        // What another thread computed can't be seen, but is noticed where the leaf moves.
        let apart = || std::thread::scope(|scope| scope.spawn(|| x.exp()).join().unwrap());
        let function = || x.add(&apart()?);
        let program = Program::of(function, std::slice::from_ref(&x)).unwrap();
        let moved = Array::literal([0.75, 2.0]).unwrap().cast(DType::F64);
        no_grad(|| x.copy_(&Tensor::from_array(moved.clone()))).unwrap();
        assert!(program.part(&x, &moved, &function().unwrap().array()).is_none());
    }
}
