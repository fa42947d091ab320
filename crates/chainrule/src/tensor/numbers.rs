//! The backward pass of a small graph of scalars: nothing moves but numbers, and nothing is allocated.
//!
//! This is the [`Sweep`] for graphs in which each gradient is a plain number and nobody watches. It stops at the first
//! node for which that isn't so, or where more would wait than it has room for, and a `Sweep` does the rest.

use super::carrier::Carrier;
use super::node::Edge;
use super::sweep::{Sweep, at};
use super::{Leaf, NodeRef, Shared};
use crate::array::Array;
use crate::error::Result;

/// How many nodes may wait, and how many leaves may be reached.
const ROOM: usize = 12;

/// How many inputs a scalar gate has at most.
const INPUTS: usize = 3;

/// Some places in the graph, and the gradients that have reached them.
type Few<'g, T> = [Option<(&'g Shared<T>, f32)>; ROOM];

pub(super) struct Numbers<'g> {
    /// The nodes whose turn comes, the one created last at the end.
    waiting: Few<'g, super::node::Node>,
    waiting_count: usize,
    /// In order of arrival.
    leaves: Few<'g, Leaf>,
    leaf_count: usize,
}

impl<'g> Numbers<'g> {
    /// Begins a pass from a scalar.
    #[inline]
    pub(super) fn from(node: &'g NodeRef) -> Numbers<'g> {
        let mut numbers =
            Numbers { waiting: [None; ROOM], waiting_count: 1, leaves: [None; ROOM], leaf_count: 0 };
        numbers.waiting[0] = Some((node, 1.0));
        numbers
    }

    /// Goes as far as numbers get.
    #[inline]
    pub(super) fn run(&mut self) -> Result<()> {
        while self.waiting_count > 0
            && self.waiting_count.max(self.leaf_count) <= ROOM - INPUTS
            && let Some((node, upstream)) = self.waiting[self.waiting_count - 1]
            && let Some(scalar) = node.unwatched_scalar()
        {
            self.waiting_count -= 1;
            node.send(scalar, upstream, false, |edge, gradient| {
                match edge {
                    Edge::Number(_) | Edge::Constant(..) => {}
                    Edge::Leaf(leaf, _) => self.arrive_at_leaf(leaf, gradient),
                    Edge::Node(to, _) => self.arrive(to, gradient),
                }
                Ok(())
            })
            .map_err(|error| at(error, node))?;
        }
        Ok(())
    }

    /// Adds a gradient to what has reached this node, in the order of the nodes' creation.
    #[inline]
    fn arrive(&mut self, node: &'g NodeRef, gradient: f32) {
        let key = |node: &NodeRef| (node.number(), node.address());
        let mut place = self.waiting_count;
        while place > 0
            && let Some((other, sum)) = &mut self.waiting[place - 1]
            && key(other) >= key(node)
        {
            if Shared::ptr_eq(other, node) {
                *sum += gradient;
                return;
            }
            place -= 1;
        }
        // Mostly it goes to the end, where even a call that moves nothing would be felt.
        if place < self.waiting_count {
            self.waiting.copy_within(place..self.waiting_count, place + 1);
        }
        self.waiting[place] = Some((node, gradient));
        self.waiting_count += 1;
    }

    #[inline]
    fn arrive_at_leaf(&mut self, leaf: &'g Shared<Leaf>, gradient: f32) {
        for (other, sum) in self.leaves[..self.leaf_count].iter_mut().flatten() {
            if Shared::ptr_eq(other, leaf) {
                *sum += gradient;
                return;
            }
        }
        self.leaves[self.leaf_count] = Some((leaf, gradient));
        self.leaf_count += 1;
    }

    /// Adds the gradients to `.grad` of the leaves, if the pass is complete and no hook waits for them; tells whether
    /// it did.
    #[inline]
    pub(super) fn deliver(&self) -> Result<bool> {
        let leaves = || self.leaves[..self.leaf_count].iter().flatten();
        if self.waiting_count > 0 || leaves().any(|(leaf, _)| leaf.hooks().is_some()) {
            return Ok(false);
        }
        for (leaf, gradient) in leaves() {
            if !leaf.grad.add_number(*gradient) {
                leaf.grad.add_array(Array::scalar(*gradient))?;
            }
        }
        Ok(true)
    }

    /// Leaves the rest of the pass to a sweep.
    pub(super) fn hand_over<G: Carrier>(&self, sweep: &mut Sweep<'g, G>) -> Result<()> {
        for (node, gradient) in self.waiting[..self.waiting_count].iter().flatten() {
            sweep.arrive(node, 0, G::from_number(*gradient))?;
        }
        for (leaf, gradient) in self.leaves[..self.leaf_count].iter().flatten() {
            sweep.arrive_at_leaf(leaf, G::from_number(*gradient))?;
        }
        Ok(())
    }
}
