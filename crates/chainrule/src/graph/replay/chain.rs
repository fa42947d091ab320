//! Chains of elementwise gates in one pass: blocks of the arrays go through all gates while they are in the
//! fastest cache, forward and backward.
//!
//! Most of what happens between the gates is never written to memory: backward computes sums and products again,
//! which takes less time than reading them would. Outputs in whose terms a gate's local gradient is written (eˣ,
//! tanh x) are dear to compute, and are kept.

use smallvec::SmallVec;

use super::{Gradients, Numeric, Place, Values};
use crate::array::{Array, Shape};
use crate::gate::chained::{
    self, Gates, Give, Operands, Parts, Read, Run, Target, Upstream, look, operand, passed_on, readable,
};
use crate::gate::elementwise::MAX_INPUTS;
use crate::gate::{Operand, ScalarGate};
use crate::kernel::memory;
use crate::kernel::sum::Sums;

/// Where a gate of a chain reads an input.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// The chain's input with this number.
    Outside(usize),
    /// The output of the chain's gate with this number.
    Inside(usize),
}

/// One gate of a chain.
#[derive(Debug)]
pub(super) struct Step {
    gate: Numeric,
    inputs: SmallVec<[Source; 3]>,
    /// Which inputs need a gradient, and the local gradient of those where it is a constant.
    needs: SmallVec<[Option<Option<f64>>; 3]>,
    /// What backward does about the output.
    output: Output,
}

/// Gradients that have come to some places, one a place.
type Arrived = SmallVec<[Option<Array>; 16]>;

/// What a backward pass does about a gate's output.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Output {
    /// It is not read.
    Unread,
    /// It is computed again.
    Again,
    /// It was kept, as the array with this number.
    Kept(usize),
}

impl Step {
    pub(super) fn new(gate: &crate::gate::GateRef, inputs: SmallVec<[Source; 3]>, needs: &[bool]) -> Step {
        let gate = Numeric(gate.clone());
        let locals = needs.iter().enumerate();
        let needs = locals.map(|(i, &needed)| needed.then(|| gate.get().local(i).known())).collect();
        Step { gate, inputs, needs, output: Output::Unread }
    }

    /// Whether backward reads this input, or at [`MAX_INPUTS`] the output.
    fn reads(&self, place: usize) -> bool {
        let needed = self.needs.iter().enumerate().filter(|(_, needs)| needs.is_some());
        needed.into_iter().any(|(input, _)| self.gate.get().local(input).reads(place))
    }
}

/// Elementwise gates on arrays of one shape.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) shape: Shape,
    pub(super) steps: Vec<Step>,
    /// The values that come from outside: each of the chain's shape, or one number.
    pub(super) inputs: Vec<Place>,
    /// Which of these need a gradient.
    pub(super) needs: Vec<bool>,
    /// The gates whose outputs are read outside, and the values that these are.
    pub(super) outputs: Vec<(usize, Place)>,
    /// The gates whose outputs are kept for backward, and what they are between the passes.
    keeps: Vec<usize>,
    kept: Vec<Array>,
    /// The way back: its first step is the last gate, its targets are the inputs.
    back: Vec<chained::Step>,
    /// The same where all values are there still.
    joint: Vec<chained::Step>,
    /// Gradients that were computed together with the values.
    early: Vec<(usize, Array)>,
}

impl Chain {
    /// A chain over this shape, yet without gates.
    pub(super) fn over(shape: Shape) -> Chain {
        Chain {
            shape,
            steps: Vec::new(),
            inputs: Vec::new(),
            needs: Vec::new(),
            outputs: Vec::new(),
            keeps: Vec::new(),
            kept: Vec::new(),
            back: Vec::new(),
            joint: Vec::new(),
            early: Vec::new(),
        }
    }

    /// Decides which outputs are kept for backward, and which are computed again; when all gates are there.
    pub(super) fn settle(&mut self) {
        let mut read = vec![false; self.steps.len()];
        for i in (0..self.steps.len()).rev() {
            let step = &self.steps[i];
            let keep = step.reads(MAX_INPUTS);
            // What is computed again reads all of its inputs.
            let again = read[i] && !keep;
            for (k, source) in step.inputs.iter().enumerate() {
                if let Source::Inside(j) = source {
                    read[*j] |= again || step.reads(k);
                }
            }
            self.steps[i].output = match (keep, again) {
                (true, _) => {
                    self.keeps.push(i);
                    Output::Kept(self.keeps.len() - 1)
                }
                (_, true) => Output::Again,
                _ => Output::Unread,
            };
        }
        self.back = self.way_back(|source| self.place(source));
        self.joint = self.way_back(Read::from);
    }

    fn way_back(&self, place: impl Fn(Source) -> Read) -> Vec<chained::Step> {
        (0..self.steps.len()).rev().map(|i| self.step_back(i, &place)).collect()
    }

    fn step_back(&self, i: usize, place: impl Fn(Source) -> Read) -> chained::Step {
        let step = &self.steps[i];
        let mut reads = [Read::Nothing; MAX_INPUTS + 1];
        for (k, source) in step.inputs.iter().enumerate().filter(|(k, _)| step.reads(*k)) {
            reads[k] = place(*source);
        }
        if step.reads(MAX_INPUTS) {
            reads[MAX_INPUTS] = place(Source::Inside(i));
        }
        let needed = step.inputs.iter().zip(&step.needs).enumerate();
        let gives = needed.filter_map(|(input, (source, needs))| {
            let to = match source {
                Source::Inside(j) => self.steps.len() - 1 - j,
                Source::Outside(j) => self.steps.len() + j,
            };
            needs.map(|known| Give { input, to, whole: known == Some(1.0) })
        });
        chained::Step { reads, gives: gives.collect() }
    }

    /// Where backward reads a value: among the arrays the inputs come first, then what was kept.
    fn place(&self, source: Source) -> Read {
        match source {
            Source::Outside(input) => Read::Array(input),
            Source::Inside(step) => match self.steps[step].output {
                Output::Kept(k) => Read::Array(self.inputs.len() + k),
                Output::Again | Output::Unread => Read::Block(step),
            },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn forward(&mut self, values: &mut Values) {
        // No backward pass took these, and they belong to other values.
        self.early.clear();
        let length = self.shape.elements();
        let mut written: SmallVec<[usize; 8]> = self.outputs.iter().map(|&(step, _)| step).collect();
        for &step in &self.keeps {
            if !written.contains(&step) {
                written.push(step);
            }
        }
        let mut buffers: Vec<Vec<f32>> = written.iter().map(|_| memory::take(length)).collect();
        let inputs = self.arrays(values);
        let operands: Operands<'_> = inputs.iter().map(operand).collect();
        let mut outs: Parts<'_> = buffers.iter_mut().map(|buffer| &mut buffer[..]).collect();
        let gates = self.gates();
        // What is read outside is written where it belongs.
        chained::forward(&operands, self.len(), &mut outs, &written, &|x, y, _| self.run(&gates, x, y));
        drop((outs, gates));
        let arrays: Vec<Array> =
            buffers.into_iter().map(|buffer| Array::filled(buffer, self.shape)).collect();
        let of = |step: &usize| written.iter().position(|other| other == step).map(|i| arrays[i].clone());
        self.kept = self.keeps.iter().filter_map(of).collect();
        for (&(_, value), array) in self.outputs.iter().zip(arrays) {
            values.set(value, array);
        }
    }

    /// The sum of the only output's elements, where `upstream` will be the gradient of each: as that is known before, the
    /// chain's own gradients are computed in the same pass, and nothing must be kept or computed again.
    pub(super) fn forward_summed(&mut self, values: &Values, upstream: f32) -> f32 {
        let length = self.shape.elements();
        let &[(last, _)] = &self.outputs[..] else {
            unreachable!("the plan saw to it that there is one output")
        };
        let arrays = self.arrays(values);
        let gates = self.gates();
        let mut from: Arrived = SmallVec::from_elem(None, self.len());
        from[self.len() - 1 - last] = Array::scalar(upstream).expand(self.shape).ok();
        let passed =
            passed_on(&self.joint, &from, &SmallVec::<[bool; 8]>::from_elem(false, self.inputs.len()));
        let mut early: Vec<(usize, Array)> = Vec::new();
        for input in self.reached(|_| true) {
            let new = || Array::filled(memory::take::<f32>(length), self.shape);
            early.push((input, passed[input].clone().unwrap_or_else(new)));
        }
        let mut targets: SmallVec<[Target<'_>; 4]> =
            self.inputs.iter().map(|_| Target { out: None, arrived: false }).collect();
        for (input, sum) in early.iter_mut().filter(|(input, _)| passed[*input].is_none()) {
            targets[*input].out = sum.make_mut::<f32>();
        }
        let mut from = SmallVec::from_elem(Upstream::None, self.len());
        from[self.len() - 1 - last] = Upstream::Is(Operand::One(upstream));
        let run = Run {
            gates: gates.iter().rev().copied().collect(),
            steps: &self.joint,
            arrays: arrays.iter().map(operand).collect(),
            upstream: from,
            targets,
        };
        let sums = Sums::new(length);
        run.back(Some(&|x, y, begin| {
            self.run(&gates, x, y);
            sums.set(begin, &*y[last]);
        }));
        drop(gates);
        self.early = early;
        sums.total()
    }

    pub(super) fn backward(&mut self, values: &Values, gradients: &mut Gradients) {
        if !self.early.is_empty() {
            self.outputs.iter().for_each(|&(_, value)| drop(gradients.take(value)));
            for (input, gradient) in self.early.drain(..) {
                gradients.add(self.inputs[input], gradient);
            }
            return;
        }
        let mut come: Arrived = SmallVec::from_elem(None, self.len());
        for &(step, value) in &self.outputs {
            come[self.len() - 1 - step] = gradients.take(value);
        }
        let reached = self.reached(|output| come[self.len() - 1 - self.outputs[output].0].is_some());
        let mut before: Arrived = SmallVec::from_elem(None, self.inputs.len());
        for &input in &reached {
            before[input] = gradients.take(self.inputs[input]);
        }
        let arrived: SmallVec<[bool; 8]> = before.iter().map(Option::is_some).collect();
        let passed = passed_on(&self.back, &come, &arrived);
        let length = self.shape.elements();
        // A gradient that has come from later gates is added to; else the first product moves in.
        let mut sums: SmallVec<[(usize, Array); 4]> = SmallVec::new();
        for input in reached {
            match &passed[input] {
                Some(gradient) => gradients.add(self.inputs[input], gradient.clone()),
                None => {
                    let new = || Array::filled(memory::take::<f32>(length), self.shape);
                    sums.push((input, before[input].take().unwrap_or_else(new)));
                }
            }
        }
        let mut arrays = self.arrays(values);
        arrays.extend(self.kept.drain(..));
        if sums.is_empty() {
            // All of them go on as they came.
            return;
        }
        let come: Arrived = come.into_iter().map(|g| g.map(readable)).collect();
        let upstream =
            come.iter().map(|g| g.as_ref().map_or(Upstream::None, |g| Upstream::Is(operand(g)))).collect();
        let mut targets: SmallVec<[Target<'_>; 4]> =
            arrived.iter().map(|&arrived| Target { out: None, arrived }).collect();
        for (input, sum) in &mut sums {
            targets[*input].out = sum.make_mut::<f32>();
        }
        let gates = self.gates();
        let run = Run {
            gates: gates.iter().rev().copied().collect(),
            steps: &self.back,
            arrays: arrays.iter().map(operand).collect(),
            upstream,
            targets,
        };
        run.back(Some(&|x, y, _| self.run_again(&gates, x, y)));
        for (input, sum) in sums {
            gradients.add(self.inputs[input], sum);
        }
    }

    /// The inputs that a gradient reaches, where gradients have come to some of the outputs.
    fn reached(&self, come: impl Fn(usize) -> bool) -> SmallVec<[usize; 4]> {
        let mut reached = vec![false; self.len() + self.inputs.len()];
        for (output, &(step, _)) in self.outputs.iter().enumerate() {
            reached[self.len() - 1 - step] |= come(output);
        }
        for (k, step) in self.back.iter().enumerate() {
            if reached[k] {
                step.gives.iter().for_each(|give| reached[give.to] = true);
            }
        }
        (0..self.inputs.len()).filter(|&input| reached[self.len() + input]).collect()
    }

    fn arrays(&self, values: &Values) -> SmallVec<[Array; 4]> {
        let all = self.inputs.iter().map(|&place| values.get(place));
        all.map(|x| readable(x.expect("inputs of a stage are there when it runs"))).collect()
    }

    fn gates(&self) -> Gates<'_> {
        self.steps.iter().map(|step| step.gate.get()).collect()
    }

    /// Runs all gates on a block.
    fn run(&self, gates: &[&dyn ScalarGate], x: &[Operand<'_, f32>], y: &mut [&mut [f32]]) {
        for (i, step) in self.steps.iter().enumerate() {
            let (before, out) = y.split_at_mut(i);
            let read = |source: &Source| look(Read::from(*source), x, before);
            gates[i].values(inputs_of(step, read), out[0]);
        }
    }

    /// Computes again what backward reads of a block and wasn't kept.
    fn run_again(&self, gates: &[&dyn ScalarGate], x: &[Operand<'_, f32>], y: &mut [&mut [f32]]) {
        for (i, step) in self.steps.iter().enumerate().filter(|(_, step)| step.output == Output::Again) {
            let (before, out) = y.split_at_mut(i);
            let read = |source: &Source| look(self.place(*source), x, before);
            gates[i].values(inputs_of(step, read), out[0]);
        }
    }
}

impl From<Source> for Read {
    fn from(source: Source) -> Read {
        match source {
            Source::Outside(input) => Read::Array(input),
            Source::Inside(step) => Read::Block(step),
        }
    }
}

/// A gate's inputs, each by its source.
fn inputs_of<'a>(step: &Step, read: impl Fn(&Source) -> Operand<'a, f32>) -> [Operand<'a, f32>; MAX_INPUTS] {
    let mut operands = [Operand::One(0.0); MAX_INPUTS];
    for (operand, source) in operands.iter_mut().zip(&step.inputs) {
        *operand = read(source);
    }
    operands
}
