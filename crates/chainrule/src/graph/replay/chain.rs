//! Chains of elementwise gates in one pass: blocks of the arrays go through all gates while they are in the
//! fastest cache, forward and backward.
//!
//! Most of what happens between the gates is never written to memory: backward computes sums and products again,
//! which takes less time than reading them would. Outputs in whose terms a gate's local gradient is written (eˣ,
//! tanh x) are dear to compute, and are kept.

use std::cell::RefCell;

use smallvec::{SmallVec, smallvec};

use super::{Gradients, Numeric, Place, Values};
use crate::array::{Array, Shape};
use crate::gate::Operand;
use crate::gate::elementwise::MAX_INPUTS;
use crate::kernel::{map, memory, pool};

/// Elements that one thread works on at a time.
const GRAIN: usize = 32 * 1024;

/// f32 that the blocks of all gates together take, about: half of the fastest cache.
const CACHE: usize = 6 * 1024;

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
}

thread_local! {
    /// Room for the blocks of a chain.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// A few slices of one length, for writing.
type Parts<'a> = SmallVec<[&'a mut [f32]; 4]>;

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
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Elements of a block.
    fn block(&self) -> usize {
        (CACHE / self.steps.len()).next_multiple_of(16).clamp(128, 1024)
    }

    pub(super) fn forward(&mut self, values: &mut Values) {
        let length = self.shape.elements();
        let mut written: SmallVec<[usize; 8]> = self.outputs.iter().map(|&(step, _)| step).collect();
        for &step in &self.keeps {
            if !written.contains(&step) {
                written.push(step);
            }
        }
        let mut buffers: Vec<Vec<f32>> = written.iter().map(|_| memory::take(length)).collect();
        let inputs = self.arrays(values);
        let operands = operands(&inputs);
        let mut outs: Parts<'_> = buffers.iter_mut().map(|buffer| &mut buffer[..]).collect();
        pool::parts_mut(&mut outs, GRAIN, |start, outs| {
            self.with_scratch(1, |scratch| {
                for (first, wide) in blocks(outs[0].len(), self.block()) {
                    let x = parts(&operands, start + first, wide);
                    // The last gate writes where its output belongs.
                    let last = self.len() - 1;
                    self.run(&x, scratch, wide, last);
                    for (out, &step) in outs.iter_mut().zip(&written) {
                        let out = &mut out[first..first + wide];
                        match step == last {
                            true => self.run_one(last, &x, scratch, out),
                            false => out.copy_from_slice(&scratch[step * self.block()..][..wide]),
                        }
                    }
                }
            });
        });
        drop(outs);
        let arrays: Vec<Array> =
            buffers.into_iter().map(|buffer| Array::filled(buffer, self.shape)).collect();
        let of = |step: &usize| written.iter().position(|other| other == step).map(|i| arrays[i].clone());
        self.kept = self.keeps.iter().filter_map(of).collect();
        for (&(_, value), array) in self.outputs.iter().zip(arrays) {
            values.set(value, array);
        }
    }

    pub(super) fn backward(&mut self, values: &Values, gradients: &mut Gradients) {
        let upstream: SmallVec<[Option<Array>; 2]> = self
            .outputs
            .iter()
            .map(|&(_, value)| {
                gradients.take(value).map(|g| if g.repeated::<f32>().is_some() { g } else { g.contiguous() })
            })
            .collect();
        let length = self.shape.elements();
        let reached = self.reached(|output| upstream[output].is_some());
        // A gradient that has come from later gates is added to; else the first product moves in.
        let mut sums: Vec<(usize, bool, Array)> = Vec::new();
        for input in reached {
            let before = gradients.take(self.inputs[input]);
            let arrived = before.is_some();
            let sum = before.unwrap_or_else(|| Array::filled(memory::take::<f32>(length), self.shape));
            sums.push((input, arrived, sum));
        }
        let arrived: SmallVec<[bool; 4]> = sums.iter().map(|sum| sum.1).collect();
        let places: SmallVec<[usize; 4]> = sums.iter().map(|sum| sum.0).collect();
        let inputs = self.arrays(values);
        let operands = operands(&inputs);
        let upstream_operands: SmallVec<[Option<Operand<'_, f32>>; 2]> =
            upstream.iter().map(|g| g.as_ref().map(operand)).collect();
        let mut outs: Parts<'_> = sums.iter_mut().filter_map(|sum| sum.2.make_mut::<f32>()).collect();
        pool::parts_mut(&mut outs, GRAIN, |start, outs| {
            self.with_scratch(2, |scratch| {
                let (scratch, rest) = scratch.split_at_mut(self.steps.len() * self.block());
                for (first, wide) in blocks(outs[0].len(), self.block()) {
                    let x = parts(&operands, start + first, wide);
                    self.run_again(&x, scratch, start + first, wide);
                    let mut pass = Pass {
                        chain: self,
                        x: &x,
                        y: scratch,
                        wide,
                        gradients: Targets::new(rest, self.steps.len(), self.block(), wide),
                        outside: outs.iter_mut().map(|out| &mut out[first..first + wide]).collect(),
                        arrived: arrived.clone(),
                        places: &places,
                    };
                    for (g, &(step, _)) in upstream_operands.iter().zip(&self.outputs) {
                        if let Some(g) = g {
                            pass.gradients.set(step, part(g, start + first, wide));
                        }
                    }
                    pass.run();
                }
            });
        });
        drop(outs);
        self.kept.clear();
        for (input, _, sum) in sums {
            gradients.add(self.inputs[input], sum);
        }
    }

    /// The inputs that a gradient reaches, where gradients have come to some of the outputs.
    fn reached(&self, come: impl Fn(usize) -> bool) -> SmallVec<[usize; 4]> {
        let mut gates = vec![false; self.steps.len()];
        let mut inputs = vec![false; self.inputs.len()];
        for (output, &(step, _)) in self.outputs.iter().enumerate() {
            gates[step] |= come(output);
        }
        for (i, step) in self.steps.iter().enumerate().rev() {
            let needed = step.inputs.iter().zip(&step.needs).filter(|(_, needs)| gates[i] && needs.is_some());
            let sources: SmallVec<[Source; 3]> = needed.map(|(source, _)| *source).collect();
            for source in sources {
                match source {
                    Source::Inside(j) => gates[j] = true,
                    Source::Outside(j) => inputs[j] = true,
                }
            }
        }
        (0..inputs.len()).filter(|&input| inputs[input]).collect()
    }

    fn arrays(&self, values: &Values) -> SmallVec<[Array; 4]> {
        let all = self.inputs.iter().map(|&place| values.get(place));
        all.map(|x| {
            let x = x.expect("inputs of a stage are there when it runs");
            if x.repeated::<f32>().is_some() { x } else { x.contiguous() }
        })
        .collect()
    }

    /// Gives `body` the scratch for so many blocks a gate, and one more.
    fn with_scratch(&self, times: usize, body: impl FnOnce(&mut [f32])) {
        let needed = (self.steps.len() * times + 1) * self.block();
        let mut scratch = SCRATCH.take();
        if scratch.len() < needed {
            scratch.resize(needed, 0.0);
        }
        body(&mut scratch[..needed]);
        SCRATCH.set(scratch);
    }

    /// The first `count` gates forward on a block; gate i's output is the i-th block of `y`.
    fn run(&self, x: &[Operand<'_, f32>], y: &mut [f32], wide: usize, count: usize) {
        for i in 0..count {
            let (before, out) = y.split_at_mut(i * self.block());
            self.run_one(i, x, before, &mut out[..wide]);
        }
    }

    /// What backward reads of a block that begins at this element.
    fn run_again(&self, x: &[Operand<'_, f32>], y: &mut [f32], first: usize, wide: usize) {
        for (i, step) in self.steps.iter().enumerate() {
            let (before, out) = y.split_at_mut(i * self.block());
            let out = &mut out[..wide];
            match step.output {
                Output::Unread => {}
                Output::Again => self.run_one(i, x, before, out),
                Output::Kept(k) => out.copy_from_slice(&self.kept[k].values::<f32>()[first..first + wide]),
            }
        }
    }

    /// One gate forward; the outputs of those before it stand in `y`.
    fn run_one(&self, i: usize, x: &[Operand<'_, f32>], y: &[f32], out: &mut [f32]) {
        let step = &self.steps[i];
        let mut operands = [Operand::One(0.0); 3];
        for (operand, source) in operands.iter_mut().zip(&step.inputs) {
            *operand = self.operand(*source, x, y, out.len());
        }
        step.gate.get().values(operands, out);
    }

    fn operand<'a>(
        &self,
        source: Source,
        x: &[Operand<'a, f32>],
        y: &'a [f32],
        wide: usize,
    ) -> Operand<'a, f32> {
        match source {
            Source::Outside(input) => x[input],
            Source::Inside(step) => Operand::Slice(&y[step * self.block()..][..wide]),
        }
    }
}

/// The gradients of a block: one for each gate's output, and room for one product.
struct Targets<'a> {
    blocks: &'a mut [f32],
    block: usize,
    wide: usize,
    arrived: SmallVec<[bool; 16]>,
}

impl<'a> Targets<'a> {
    fn new(blocks: &'a mut [f32], steps: usize, block: usize, wide: usize) -> Targets<'a> {
        Targets { blocks, block, wide, arrived: smallvec![false; steps] }
    }

    fn set(&mut self, step: usize, g: Operand<'_, f32>) {
        let out = &mut self.blocks[step * self.block..][..self.wide];
        match g {
            Operand::Slice(g) => out.copy_from_slice(g),
            Operand::One(g) => out.fill(g),
        }
        self.arrived[step] = true;
    }
}

/// A block on its way back.
struct Pass<'a> {
    chain: &'a Chain,
    x: &'a [Operand<'a, f32>],
    y: &'a [f32],
    wide: usize,
    gradients: Targets<'a>,
    outside: Parts<'a>,
    /// Which of `outside` have a gradient already.
    arrived: SmallVec<[bool; 4]>,
    /// The chain's inputs that `outside` belongs to.
    places: &'a [usize],
}

impl Pass<'_> {
    fn run(&mut self) {
        let (chain, wide, block) = (self.chain, self.wide, self.chain.block());
        for (i, step) in chain.steps.iter().enumerate().rev() {
            if !self.gradients.arrived[i] {
                continue;
            }
            let (earlier, rest) = self.gradients.blocks.split_at_mut(i * block);
            let (g, rest) = rest.split_at_mut(block);
            let g = &g[..wide];
            let spare = rest.len() - block;
            let spare = &mut rest[spare..][..wide];
            let mut operands = [Operand::One(0.0); 5];
            operands[0] = Operand::Slice(g);
            for (operand, source) in operands[1..4].iter_mut().zip(&step.inputs) {
                *operand = chain.operand(*source, self.x, self.y, wide);
            }
            operands[4] = Operand::Slice(&self.y[i * block..][..wide]);
            for (input, (source, needs)) in step.inputs.iter().zip(&step.needs).enumerate() {
                let Some(known) = needs else { continue };
                let (target, arrived) = match *source {
                    Source::Inside(j) => (&mut earlier[j * block..][..wide], &mut self.gradients.arrived[j]),
                    Source::Outside(j) => {
                        let place = self.places.iter().position(|&place| place == j);
                        let place = place.expect("an input that a gradient goes to needs one");
                        (&mut *self.outside[place], &mut self.arrived[place])
                    }
                };
                let first = !std::mem::replace(arrived, true);
                match (first, *known == Some(1.0)) {
                    (true, true) => target.copy_from_slice(g),
                    (true, false) => step.gate.get().products(input, operands, target),
                    (false, true) => map::add_assign(target, g),
                    (false, false) => {
                        step.gate.get().products(input, operands, spare);
                        map::add_assign(target, spare);
                    }
                }
            }
        }
    }
}

/// Where blocks of at most this size begin, and how long they are.
fn blocks(length: usize, block: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..length).step_by(block).map(move |first| (first, block.min(length - first)))
}

fn operand(x: &Array) -> Operand<'_, f32> {
    match x.repeated::<f32>() {
        Some(value) => Operand::One(value),
        None => Operand::Slice(x.values::<f32>()),
    }
}

fn operands(x: &[Array]) -> SmallVec<[Operand<'_, f32>; 4]> {
    x.iter().map(operand).collect()
}

fn part<'a>(x: &Operand<'a, f32>, first: usize, wide: usize) -> Operand<'a, f32> {
    match *x {
        Operand::Slice(slice) => Operand::Slice(&slice[first..first + wide]),
        one => one,
    }
}

fn parts<'a>(x: &[Operand<'a, f32>], first: usize, wide: usize) -> SmallVec<[Operand<'a, f32>; 4]> {
    x.iter().map(|x| part(x, first, wide)).collect()
}
