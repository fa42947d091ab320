//! Chains of elementwise gates in one pass: blocks of the arrays go through all gates while they are in the
//! fastest cache, forward and backward.
//!
//! What happens between the gates is never written to memory. Backward computes it again, which takes less time
//! than reading it would.

use std::cell::RefCell;

use smallvec::{SmallVec, smallvec};

use super::{Gradients, Numeric, Place, Values};
use crate::array::{Array, Shape};
use crate::gate::Operand;
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
}

impl Step {
    pub(super) fn new(gate: &crate::gate::GateRef, inputs: SmallVec<[Source; 3]>, needs: &[bool]) -> Step {
        let gate = Numeric(gate.clone());
        let locals = needs.iter().enumerate();
        let needs = locals.map(|(i, &needed)| needed.then(|| gate.get().local(i).known())).collect();
        Step { gate, inputs, needs }
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
}

thread_local! {
    /// Room for the blocks of a chain.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// A few slices of one length, for writing.
type Parts<'a> = SmallVec<[&'a mut [f32]; 4]>;

impl Chain {
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Elements of a block.
    fn block(&self) -> usize {
        (CACHE / self.steps.len()).next_multiple_of(16).clamp(128, 1024)
    }

    pub(super) fn forward(&self, values: &mut Values) {
        let length = self.shape.elements();
        let mut buffers: Vec<Vec<f32>> = self.outputs.iter().map(|_| memory::take(length)).collect();
        let inputs = self.arrays(values);
        let operands = operands(&inputs);
        let mut outs: Parts<'_> = buffers.iter_mut().map(|buffer| &mut buffer[..]).collect();
        pool::parts_mut(&mut outs, GRAIN, |start, outs| {
            self.with_scratch(1, |scratch| {
                for (first, wide) in blocks(outs[0].len(), self.block()) {
                    let x = parts(&operands, start + first, wide);
                    self.run(&x, scratch, wide);
                    for (out, &(step, _)) in outs.iter_mut().zip(&self.outputs) {
                        out[first..first + wide].copy_from_slice(&scratch[step * self.block()..][..wide]);
                    }
                }
            });
        });
        drop(outs);
        for (buffer, &(_, value)) in buffers.into_iter().zip(&self.outputs) {
            values.set(value, Array::filled(buffer, self.shape));
        }
    }

    pub(super) fn backward(&self, values: &Values, gradients: &mut Gradients) {
        let upstream: SmallVec<[Option<Array>; 2]> = self
            .outputs
            .iter()
            .map(|&(_, value)| {
                gradients.take(value).map(|g| if g.repeated::<f32>().is_some() { g } else { g.contiguous() })
            })
            .collect();
        if upstream.iter().all(Option::is_none) {
            return;
        }
        let length = self.shape.elements();
        // A gradient that has come from later gates is added to; else the first product moves in.
        let mut sums: Vec<(usize, bool, Array)> = Vec::new();
        for (input, _) in self.needs.iter().enumerate().filter(|(_, needed)| **needed) {
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
                    self.run(&x, scratch, wide);
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
        for (input, _, sum) in sums {
            gradients.add(self.inputs[input], sum);
        }
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

    /// All gates forward on a block; gate i's output is the i-th block of `y`.
    fn run(&self, x: &[Operand<'_, f32>], y: &mut [f32], wide: usize) {
        for (i, step) in self.steps.iter().enumerate() {
            let (before, out) = y.split_at_mut(i * self.block());
            let mut operands = [Operand::One(0.0); 3];
            for (operand, source) in operands.iter_mut().zip(&step.inputs) {
                *operand = self.operand(*source, x, before, wide);
            }
            step.gate.get().values(operands, &mut out[..wide]);
        }
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
