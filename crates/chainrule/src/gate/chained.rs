//! Backward through elementwise gates that follow each other, in one pass: blocks of the arrays go through all gates
//! while they are in the fastest cache, and the gradients between the gates never reach memory.
//!
//! The engine finds such gates during its sweep, a replayed graph knows them from its plan. Both describe them as
//! [`Step`]s, in the order in which gradients come by.

use std::cell::RefCell;

use smallvec::SmallVec;

use super::{Operand, ScalarGate};
use crate::array::Array;
use crate::kernel::Kernels as _;
use crate::kernel::{pool, simd, sum};

/// Elements that one thread works on at a time.
const GRAIN: usize = 32 * 1024;

/// f32 in a line of the caches.
const LINE: usize = 16;

/// f32 that the blocks of all gates together take, about, forward or backward. They needn't lie in the fastest cache:
/// the next one feeds simple gates nearly as well, and long stretches of the arrays come from memory faster.
const CACHE: usize = 24 * 1024;

/// Elements of a block of so many gates over arrays of this length: blocks begin where those of a sum do.
fn block(gates: usize, length: usize) -> usize {
    let most = (CACHE / gates.max(1) / sum::BLOCK).clamp(1, 4) * sum::BLOCK;
    most.min(length.next_multiple_of(LINE))
}

/// How far apart blocks lie: by an odd number of lines, so that they don't compete for the same places of the cache.
fn stride(block: usize) -> usize {
    block.next_multiple_of(2 * LINE) + LINE
}

/// Where blocks of at most this size begin, and how long they are.
fn blocks(length: usize, block: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..length).step_by(block).map(move |first| (first, block.min(length - first)))
}

/// Where a gate reads a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Read {
    /// It doesn't.
    Nothing,
    /// The array with this number.
    Array(usize),
    /// The block with this number, which was computed again.
    Block(usize),
}

/// The gradient of one input of a gate.
#[derive(Debug, Clone)]
pub(crate) struct Give {
    pub(crate) input: usize,
    /// The step that it goes to; after all steps the targets are counted.
    pub(crate) to: usize,
    /// Whether it is the upstream gradient as it stands: the local gradient is 1.
    pub(crate) whole: bool,
}

/// One gate on the way back.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// What its local gradients read: the inputs and the output.
    pub(crate) reads: [Read; 4],
    pub(crate) gives: SmallVec<[Give; 3]>,
}

/// The gradient of a gate's output that has come from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Upstream<'a> {
    None,
    Is(Operand<'a, f32>),
    /// It lies where the gradient of this target will.
    InTarget(usize),
}

/// For each target the gradient that reaches it as it came from outside, where one does: through gates alone whose local
/// gradient is 1, and none is added to it. It stays as it lies in memory, which decides how later gates compute with it:
/// so they find what they would find gate by gate.
pub(crate) fn passed_on(
    steps: &[Step],
    upstream: &[Option<Array>],
    arrived: &[bool],
) -> SmallVec<[Option<Array>; 4]> {
    #[derive(Clone, Copy)]
    enum Come<'a> {
        Nothing,
        Whole(&'a Array),
        Other,
    }
    let mut come: SmallVec<[Come<'_>; 32]> = SmallVec::new();
    come.extend(upstream.iter().map(|g| g.as_ref().map_or(Come::Nothing, Come::Whole)));
    come.extend(arrived.iter().map(|&arrived| if arrived { Come::Other } else { Come::Nothing }));
    for (k, step) in steps.iter().enumerate() {
        if let Come::Nothing = come[k] {
            continue;
        }
        for give in &step.gives {
            come[give.to] = match (come[give.to], come[k]) {
                (Come::Nothing, Come::Whole(g)) if give.whole => Come::Whole(g),
                _ => Come::Other,
            };
        }
    }
    let passed = |come: &Come<'_>| if let Come::Whole(g) = *come { Some(g.clone()) } else { None };
    come[steps.len()..].iter().map(passed).collect()
}

/// What is known of a gradient.
#[derive(Clone, Copy)]
enum State<'a> {
    /// None has come.
    None,
    /// It stands outside.
    Is(Operand<'a, f32>),
    /// It stands in its own block.
    Own,
    /// It is that of another step.
    Same(usize),
}

/// The gates of a chain, in the order of its steps.
pub(crate) type Gates<'a> = SmallVec<[&'a dyn ScalarGate; 16]>;

/// What a chain reads from outside.
pub(crate) type Operands<'a> = SmallVec<[Operand<'a, f32>; 8]>;

/// A few slices of one length, for writing.
pub(crate) type Parts<'a> = SmallVec<[&'a mut [f32]; 32]>;

/// Where gradients leave a chain.
pub(crate) struct Target<'a> {
    /// Nothing where none does.
    pub(crate) out: Option<&'a mut [f32]>,
    /// Whether one is there already, to which others are added.
    pub(crate) arrived: bool,
}

/// A chain on its way back.
pub(crate) struct Run<'a> {
    pub(crate) gates: Gates<'a>,
    pub(crate) steps: &'a [Step],
    /// As long as the targets, or one number for all.
    pub(crate) arrays: Operands<'a>,
    /// Of each step.
    pub(crate) upstream: SmallVec<[Upstream<'a>; 16]>,
    pub(crate) targets: SmallVec<[Target<'a>; 4]>,
}

/// Computes values of a block that begins at an element, from parts of the arrays.
pub(crate) type Again<'a> = &'a (dyn Fn(&[Operand<'_, f32>], &mut [&mut [f32]], usize) + Sync);

impl Run<'_> {
    /// Computes the gradients that leave the chain. `again` fills a block for each gate, which [`Read::Block`] names.
    pub(crate) fn back(self, again: Option<Again<'_>>) {
        let Run { gates, steps, arrays, upstream, targets } = self;
        let count = steps.len();
        let arrived: SmallVec<[bool; 4]> = targets.iter().map(|target| target.arrived).collect();
        let (mut outs, mut places) = (Parts::new(), SmallVec::<[usize; 4]>::new());
        for (place, target) in targets.into_iter().enumerate() {
            if let Some(out) = target.out {
                outs.push(out);
                places.push(place);
            }
        }
        let block = block(count, outs.first().map_or(0, |out| out.len()));
        let values = if again.is_some() { count } else { 0 };
        pool::parts_mut(&mut outs, GRAIN, |start, outs| {
            with_scratch((values + count + 1) * stride(block), |scratch| {
                let (y, rest) = scratch.split_at_mut(values * stride(block));
                for (first, wide) in blocks(outs[0].len(), block) {
                    let begin = start + first;
                    for x in &arrays {
                        ask_for(x, begin + wide, block);
                    }
                    let x: Operands<'_> = arrays.iter().map(|x| part(x, begin, wide)).collect();
                    let mut y: Parts<'_> = y.chunks_mut(stride(block)).map(|y| &mut y[..wide]).collect();
                    if let Some(again) = again {
                        again(&x, &mut y, begin);
                    }
                    let mut slots: Parts<'_> =
                        rest.chunks_mut(stride(block)).map(|slot| &mut slot[..wide]).collect();
                    let spare = slots.pop();
                    slots.extend(arrived.iter().map(|_| &mut [][..]));
                    for (out, &place) in outs.iter_mut().zip(&places) {
                        slots[count + place] = &mut out[first..first + wide];
                    }
                    slots.extend(spare);
                    let mut states: SmallVec<[State<'_>; 32]> = SmallVec::new();
                    states.extend(upstream.iter().enumerate().map(|(k, upstream)| match *upstream {
                        Upstream::None => State::None,
                        Upstream::Is(g) => State::Is(part(&g, begin, wide)),
                        Upstream::InTarget(target) => {
                            let (inside, targets) = slots.split_at_mut(count);
                            inside[k].copy_from_slice(targets[target]);
                            State::Own
                        }
                    }));
                    states.extend(arrived.iter().map(|&come| if come { State::Own } else { State::None }));
                    back(&gates, steps, &|place| look(place, &x, &y), states, &mut slots);
                }
            });
        });
    }
}

/// Runs gates forward over all blocks: `run` computes the values of a block from parts of the arrays, one a gate; some
/// of these stand in the outputs.
pub(crate) fn forward(
    arrays: &[Operand<'_, f32>],
    gates: usize,
    outs: &mut Parts<'_>,
    written: &[usize],
    run: Again<'_>,
) {
    let block = block(gates, outs.first().map_or(0, |out| out.len()));
    pool::parts_mut(outs, GRAIN, |start, outs| {
        with_scratch(gates * stride(block), |scratch| {
            for (first, wide) in blocks(outs[0].len(), block) {
                let begin = start + first;
                let x: Operands<'_> = arrays.iter().map(|x| part(x, begin, wide)).collect();
                let mut y: Parts<'_> = scratch.chunks_mut(stride(block)).map(|y| &mut y[..wide]).collect();
                for (out, &gate) in outs.iter_mut().zip(written) {
                    y[gate] = &mut out[first..first + wide];
                }
                run(&x, &mut y, begin);
            }
        });
    });
}

/// Sends the gradients of a block through the gates. `slots` are blocks for the gradients of all steps, the targets,
/// and a spare one.
fn back<'a>(
    gates: &[&dyn ScalarGate],
    steps: &[Step],
    read: &dyn Fn(Read) -> Operand<'a, f32>,
    mut states: SmallVec<[State<'a>; 32]>,
    slots: &mut [&mut [f32]],
) {
    for (k, (gate, step)) in gates.iter().zip(steps).enumerate() {
        let (done, later) = slots.split_at_mut(k + 1);
        let g = match states[k] {
            State::None => continue,
            State::Is(g) => g,
            State::Own => Operand::Slice(&*done[k]),
            State::Same(other) => Operand::Slice(&*done[other]),
        };
        let (spare, later) = later.split_last_mut().expect("the spare block is the last one");
        let [a, b, c, y] = step.reads.map(read);
        let operands = [g, a, b, c, y];
        for give in &step.gives {
            let target = &mut *later[give.to - k - 1];
            if target.is_empty() {
                // Its gradient is there already, as it came: see `passed_on`.
                continue;
            }
            states[give.to] = match (states[give.to], give.whole) {
                (State::None, true) if give.to < steps.len() => match states[k] {
                    State::Own => State::Same(k),
                    other => other,
                },
                (State::None, true) => {
                    spread(g, target);
                    State::Own
                }
                (State::None, false) => {
                    gate.products(give.input, operands, target);
                    State::Own
                }
                (before, whole) => {
                    match before {
                        State::Is(before) => spread(before, target),
                        State::Same(other) => target.copy_from_slice(done[other]),
                        State::None | State::Own => {}
                    }
                    match g {
                        Operand::Slice(g) if whole => f32::add_assign(target, g),
                        _ => {
                            match whole {
                                true => spread(g, spare),
                                false => gate.products(give.input, operands, spare),
                            }
                            f32::add_assign(target, spare);
                        }
                    }
                    State::Own
                }
            };
        }
    }
}

fn spread(x: Operand<'_, f32>, out: &mut [f32]) {
    match x {
        Operand::Slice(x) => out.copy_from_slice(x),
        Operand::One(x) => out.fill(x),
    }
}

/// An array as gates read it: in order, or one number.
pub(crate) fn readable(x: Array) -> Array {
    if x.repeated::<f32>().is_some() { x } else { x.contiguous() }
}

pub(crate) fn operand(x: &Array) -> Operand<'_, f32> {
    match x.repeated::<f32>() {
        Some(value) => Operand::One(value),
        None => Operand::Slice(x.values::<f32>()),
    }
}

fn part<'a>(x: &Operand<'a, f32>, first: usize, wide: usize) -> Operand<'a, f32> {
    match *x {
        Operand::Slice(slice) => Operand::Slice(&slice[first..first + wide]),
        one => one,
    }
}

/// What stands at a place: a part of an array, or a block.
pub(crate) fn look<'a>(place: Read, x: &[Operand<'a, f32>], y: &'a [&mut [f32]]) -> Operand<'a, f32> {
    match place {
        Read::Nothing => Operand::One(0.0),
        Read::Array(i) => x[i],
        Read::Block(i) => Operand::Slice(&*y[i]),
    }
}

/// Asks for the elements that the next block will read: a gate alone would be foreseen by the processor, which finds no
/// pattern in many arrays that are read by turns.
fn ask_for(x: &Operand<'_, f32>, first: usize, wide: usize) {
    if let Operand::Slice(x) = x {
        let x = &x[first.min(x.len())..(first + wide).min(x.len())];
        simd::prefetch(x.as_ptr(), x.len());
    }
}

/// Gives `body` room for so many elements, which each thread keeps.
fn with_scratch(length: usize, body: impl FnOnce(&mut [f32])) {
    thread_local! {
        static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    let mut scratch = SCRATCH.take();
    if scratch.len() < length + LINE {
        scratch.resize(length + LINE, 0.0);
    }
    // From the beginning of a line on, so that no vector lies in two.
    let first = scratch.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
    body(&mut scratch[first..first + length]);
    SCRATCH.set(scratch);
}
