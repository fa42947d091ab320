//! Elementwise gates on large arrays that follow each other go backward in one pass through the arrays: the gradients
//! between them never reach memory, and what leaves them is added where it belongs in the same pass.
//!
//! Nothing is known of a graph before the sweep comes by, so the gates are looked for then: from one that is next
//! on to those that would come after it, as long as these are of the kind too. Every sum is added up in the order
//! of a sweep gate by gate, so that results are the same bits.

use smallvec::SmallVec;

use super::carrier::{Carrier, Gradient};
use super::node::{Edge, Node};
use super::pending::Pending;
use super::sweep::{Sweep, at};
use super::{NodeRef, Shared};
use crate::array::{Array, DType, Meta, Shape};
use crate::error::Result;
use crate::gate::chained::{Give, Read, Run, Step, Target, Upstream, operand, passed_on, readable};
use crate::gate::elementwise::MAX_INPUTS;
use crate::gate::{Saved, ScalarGate};
use crate::kernel::memory;

/// Elements from which on the passes that are saved are worth the search.
const LARGE: usize = 8 * 1024;

/// The most gates of a chain: their blocks must fit into the caches.
const MOST: usize = 24;

/// The gates of a chain in the order of the sweep, each with what reached it from others.
type Members<'g> = SmallVec<[(&'g NodeRef, Option<Pending<'g, Gradient>>); 8]>;

/// Where gradients leave a chain.
struct Exit<'g> {
    to: To<'g>,
    /// What has come there before, and then the sum.
    sum: Option<Array>,
    /// Whether the pass computes it; else it is one that goes on as it came.
    receives: bool,
}

#[derive(Clone, Copy)]
enum To<'g> {
    /// The leaf that stands at this place among those that a gradient has reached.
    Leaf(usize),
    Node(&'g NodeRef, usize),
}

/// What a chain's pass needs.
#[derive(Default)]
struct Plan<'g> {
    steps: SmallVec<[Step; 8]>,
    arrays: SmallVec<[Array; 8]>,
    /// What reached each gate from others.
    upstream: SmallVec<[Option<Array>; 8]>,
    exits: SmallVec<[Exit<'g>; 4]>,
}

impl Plan<'_> {
    /// Computes the gradients of the exits that receive any.
    fn run(&mut self, members: &Members<'_>, shape: Shape, arrived: &[bool]) {
        let Plan { steps, arrays, upstream, exits } = self;
        // A gradient that nobody else reads lends its buffer to one that leaves.
        let mut lent: SmallVec<[Option<usize>; 8]> = SmallVec::from_elem(None, steps.len());
        for (upstream, lent) in upstream.iter_mut().zip(&mut lent) {
            *upstream = upstream.take().map(readable);
            if upstream.as_ref().is_some_and(Array::is_unique) {
                *lent = exits.iter().position(|exit| exit.receives && exit.sum.is_none());
                if let Some(place) = *lent {
                    exits[place].sum = upstream.take();
                }
            }
        }
        for exit in exits.iter_mut().filter(|exit| exit.sum.is_none()) {
            exit.sum = Some(Array::filled(memory::take::<f32>(shape.elements()), shape));
        }
        let from = upstream.iter().zip(&lent).map(|(upstream, lent)| match (upstream, lent) {
            (Some(g), _) => Upstream::Is(operand(g)),
            (None, Some(place)) => Upstream::InTarget(*place),
            (None, None) => Upstream::None,
        });
        let targets = exits.iter_mut().zip(arrived).map(|(exit, &arrived)| {
            let sum = exit.sum.as_mut().filter(|_| exit.receives);
            Target { out: sum.and_then(Array::make_mut::<f32>), arrived }
        });
        let run = Run {
            gates: members.iter().map(|(node, _)| gate_of(node)).collect(),
            steps,
            arrays: arrays.iter().map(operand).collect(),
            upstream: from.collect(),
            targets: targets.collect(),
        };
        run.back(None);
    }
}

impl<'g> Sweep<'g, Gradient> {
    /// Runs the chain that begins at this node; gives it back where there is none.
    pub(super) fn run_chain(
        &mut self,
        first: Pending<'g, Gradient>,
    ) -> Result<Option<Pending<'g, Gradient>>> {
        let node = first.node;
        let meta = &node.outputs()[0];
        if !is_chained(node, meta) {
            return Ok(Some(first));
        }
        let mut members = self.members(first, meta);
        if let [(_, only)] = &mut members[..] {
            return Ok(only.take());
        }
        let mut plan = self.plan(&mut members)?;
        let arrived: SmallVec<[bool; 4]> = plan.exits.iter().map(|exit| exit.sum.is_some()).collect();
        for (exit, passed) in plan.exits.iter_mut().zip(passed_on(&plan.steps, &plan.upstream, &arrived)) {
            exit.receives = passed.is_none();
            exit.sum = passed.or(exit.sum.take());
        }
        if plan.exits.iter().any(|exit| exit.receives) {
            plan.run(&members, meta.shape, &arrived);
        }
        for Exit { to, sum, .. } in plan.exits {
            let Some(sum) = sum.map(Gradient::from_array) else { continue };
            match to {
                To::Leaf(place) => self.leaves[place].1 = sum,
                To::Node(node, output) => self.waiting.arrive(node, output, sum)?,
            }
        }
        Ok(None)
    }

    /// The gates that a chain consists of, from the one that is next on.
    fn members(&mut self, first: Pending<'g, Gradient>, meta: &Meta) -> Members<'g> {
        let key = |node: &NodeRef| (node.number(), node.address());
        let mut members = Members::new();
        // The nodes that the chain's gradients reach, in ascending order.
        let mut reached: SmallVec<[&'g NodeRef; 8]> = SmallVec::new();
        let mut next = (first.node, Some(first));
        loop {
            for edge in next.0.edges() {
                if let Edge::Node(to, _) = edge
                    && let Err(place) = reached.binary_search_by_key(&key(to), |node| key(node))
                {
                    reached.insert(place, to);
                }
            }
            members.push(next);
            let waits = self.waiting.peek();
            let last = waits.into_iter().chain(reached.last().copied()).max_by_key(|node| key(node));
            let Some(node) = last.filter(|node| members.len() < MOST && is_chained(node, meta)) else {
                return members;
            };
            let is_next = |other: &NodeRef| Shared::ptr_eq(other, node);
            if reached.last().is_some_and(|&other| is_next(other)) {
                reached.pop();
            }
            next = (node, if waits.is_some_and(is_next) { self.waiting.pop() } else { None });
        }
    }

    /// Lays the pass of a chain out, and takes what it adds to out of the sweep.
    fn plan(&mut self, members: &mut Members<'g>) -> Result<Plan<'g>> {
        let nodes: SmallVec<[&'g NodeRef; 8]> = members.iter().map(|(node, _)| *node).collect();
        let mut plan = Plan::default();
        for (node, pending) in members.iter_mut() {
            let pending = pending.take().and_then(|pending| pending.arrived.into_upstream().pop().flatten());
            let upstream = pending.map(Gradient::into_array);
            let reads = self.reads(node, &mut plan.arrays).map_err(|e| at(e, node))?;
            let mut gives = SmallVec::new();
            for (input, edge) in node.edges().iter().enumerate() {
                let whole = gate_of(node).local(input).known() == Some(1.0);
                let to = match edge {
                    Edge::Node(to, _) => nodes.iter().position(|node| Shared::ptr_eq(node, to)),
                    _ => None,
                };
                let to = to.or_else(|| Some(nodes.len() + self.exit(edge, &mut plan.exits)?));
                gives.extend(to.map(|to| Give { input, to, whole }));
            }
            plan.upstream.push(upstream);
            plan.steps.push(Step { reads, gives });
        }
        Ok(plan)
    }

    /// What the gate's backward reads, added to the arrays.
    fn reads(&self, node: &'g NodeRef, arrays: &mut SmallVec<[Array; 8]>) -> Result<[Read; MAX_INPUTS + 1]> {
        let kept = node.keep(self.retain_graph)?;
        let saved = Saved::new(node, &kept);
        let carrying = node.edges().iter().enumerate().filter(|(_, edge)| edge.carries());
        let locals: SmallVec<[_; 3]> = carrying.map(|(input, _)| gate_of(node).local(input)).collect();
        let mut reads = [Read::Nothing; MAX_INPUTS + 1];
        for (place, read) in reads.iter_mut().enumerate() {
            if locals.iter().any(|local| local.reads(place)) {
                let array =
                    if place == MAX_INPUTS { saved.output_array(0) } else { saved.input_array(place) };
                *read = Read::Array(arrays.len());
                arrays.push(readable(array?));
            }
        }
        Ok(reads)
    }

    /// The place among the exits of the one to which gradients go this way.
    fn exit(&mut self, edge: &'g Edge, exits: &mut SmallVec<[Exit<'g>; 4]>) -> Option<usize> {
        let (to, before) = match edge {
            Edge::Number(_) | Edge::Constant(..) => return None,
            Edge::Leaf(leaf, _) => {
                let known = self.place_of(leaf);
                let place = known.unwrap_or(self.leaves.len());
                let found =
                    exits.iter().position(|exit| matches!(exit.to, To::Leaf(other) if other == place));
                if found.is_some() {
                    return found;
                }
                let before =
                    known.map(|place| std::mem::replace(&mut self.leaves[place].1, Gradient::Number(0.0)));
                if known.is_none() {
                    self.leaves.push((leaf, Gradient::Number(0.0)));
                }
                (To::Leaf(place), before)
            }
            Edge::Node(node, output) => {
                let output = *output as usize;
                let found = exits.iter().position(|exit| {
                    matches!(exit.to, To::Node(other, place) if place == output && Shared::ptr_eq(other, node))
                });
                if found.is_some() {
                    return found;
                }
                (To::Node(node, output), self.waiting.take(node, output))
            }
        };
        exits.push(Exit { to, sum: before.map(Gradient::into_array), receives: true });
        Some(exits.len() - 1)
    }
}

/// Whether the node's gate may be in a chain over arrays like this: all that gradients go through is like it.
fn is_chained(node: &Node, meta: &Meta) -> bool {
    let one = |own: &Meta| own.dtype == DType::F32 && own.shape.elements() == 1;
    meta.shape.elements() >= LARGE
        && meta.dtype == DType::F32
        && node.outputs() == [*meta]
        && node.hooks().is_none()
        && node.gate().as_scalar().is_some_and(|gate| gate.inputs() == node.edges().len())
        && node.edges().iter().all(|edge| match edge {
            Edge::Number(_) => true,
            Edge::Constant(leaf, _) => leaf.meta() == meta || one(leaf.meta()),
            Edge::Leaf(leaf, _) => leaf.meta() == meta,
            Edge::Node(from, output) => from.outputs()[*output as usize] == *meta,
        })
}

fn gate_of(node: &NodeRef) -> &dyn ScalarGate {
    node.gate().as_scalar().expect("the gates of a chain work on numbers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backward, Generator, Tensor, num_threads, set_num_threads};

    const ROWS: usize = 120;
    const COLUMNS: usize = LARGE / 60;

    fn leaf(seed: u64) -> Tensor {
        Tensor::leaf(Generator::new(seed).randn([ROWS, COLUMNS], DType::F32), true)
    }

    /// Chains that end at leaves and at other gates, some of whose inputs gradients reach from later ones; values that
    /// are used several times; gradients that go on as they came; numbers and constants.
    fn loss([x, y]: [&Tensor; 2]) -> Result<Tensor> {
        let constant = leaf(3).detach();
        let a = x.tanh()?.mul(y)?;
        let b = a.add(x)?.add(&constant)?;
        let mixed = b.softmax(-1)?;
        let c = mixed.mul(&b)?.add(&b.sigmoid()?)?.sub(&a)?;
        let d = c.mul(0.5)?.exp()?.mul(&constant)?;
        let upstream = d.add(y)?.div(&y.square()?.add(1.0)?)?;
        upstream.matmul(&x.transpose(0, 1)?)?.sum()?.add(&c.neg()?.maximum(y)?.mean()?)
    }

    fn gradients(leaves: [&Tensor; 2]) -> [Array; 2] {
        leaves.map(|leaf| leaf.grad().unwrap().array())
    }

    #[test]
    fn gradients_through_chains_are_the_bits_of_those_gate_by_gate() {
        let threads = num_threads();
        let leaves = [&leaf(1), &leaf(2)];
        // Where gradients are asked for by name, gates run one by one.
        let pass = loss(leaves).unwrap();
        let expected = Backward::of(&[&pass]).gradients(&leaves).unwrap();
        let expected: Vec<Array> = expected.into_iter().map(|g| g.unwrap().array()).collect();
        for count in [1, 2, 3] {
            set_num_threads(count);
            leaves.iter().for_each(|leaf| leaf.zero_grad());
            loss(leaves).unwrap().backward().unwrap();
            let found = gradients(leaves);
            assert!(found.iter().zip(&expected).all(|(a, b)| a.same_as(b)), "{count} threads");
        }
        set_num_threads(threads);
    }

    #[test]
    fn a_chain_ends_at_a_gate_that_is_watched_and_can_run_twice() {
        let leaves = [&leaf(4), &leaf(5)];
        let middle = leaves[0].exp().unwrap().mul(leaves[1]).unwrap();
        middle.retain_grad().unwrap();
        let loss = middle.tanh().unwrap().add(&middle).unwrap().sigmoid().unwrap().sum().unwrap();
        for times in [1.0, 2.0] {
            Backward::of(&[&loss]).retain_graph(true).accumulate().unwrap();
            let expected =
                Backward::of(&[&loss]).retain_graph(true).gradients(&[leaves[0], leaves[1], &middle]);
            let expected = expected.unwrap().into_iter().map(|g| g.unwrap().mul(times).unwrap().array());
            let found = [leaves[0], leaves[1]].map(|leaf| leaf.grad().unwrap().array());
            assert!(found.iter().zip(expected).all(|(a, b)| a.same_as(&b)));
            assert_eq!(middle.grad().unwrap().shape(), [ROWS, COLUMNS]);
        }
    }

    #[test]
    fn a_chain_that_needs_a_value_that_was_changed_says_so() {
        let x = leaf(6);
        let loss = x.square().unwrap().tanh().unwrap().sum().unwrap();
        crate::no_grad(|| x.zero_()).unwrap();
        let error = loss.backward().unwrap_err().to_string();
        assert!(error.contains("Square") && error.contains("changed in place"), "{error}");
        assert!(x.grad().is_none());
    }
}
