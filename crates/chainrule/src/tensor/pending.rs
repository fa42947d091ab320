//! What a backward sweep has still to do: the nodes that gradients have reached, the one created last first.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::NodeRef;
use super::carrier::Carrier;
use crate::error::Result;

/// The gradients that have reached a node so far, one an output.
pub(super) struct Pending<'g, G> {
    pub(super) node: &'g NodeRef,
    pub(super) upstream: SmallVec<[Option<G>; 1]>,
}

/// How many nodes stay in the list.
const FEW: usize = 16;

/// The nodes that wait, with their numbers. Mostly they are few, and a short list is faster than a tree.
pub(super) struct Waiting<'g, G> {
    /// The nodes created last, in ascending order.
    last: SmallVec<[(u64, Pending<'g, G>); 6]>,
    /// All others, each created before all of those.
    before: BTreeMap<u64, Pending<'g, G>>,
}

impl<'g, G: Carrier> Waiting<'g, G> {
    pub(super) fn new() -> Waiting<'g, G> {
        Waiting { last: SmallVec::new(), before: BTreeMap::new() }
    }

    /// Takes out the node that was created last.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Pending<'g, G>> {
        match self.last.pop() {
            Some((_, pending)) => Some(pending),
            None => self.before.pop_last().map(|(_, pending)| pending),
        }
    }

    /// Adds a gradient to what has reached this output of the node.
    #[inline]
    pub(super) fn arrive(&mut self, node: &'g NodeRef, output: usize, gradient: G) -> Result<()> {
        let number = node.number();
        let place = self.last.iter().rposition(|(other, _)| *other <= number);
        if let Some(place) = place
            && self.last[place].0 == number
        {
            return self.last[place].1.add(output, gradient);
        }
        if place.is_none() && !self.before.is_empty() {
            return self.arrive_before(node, output, gradient);
        }
        self.last.insert(place.map_or(0, |place| place + 1), (number, Pending::new(node, output, gradient)));
        if self.last.len() > FEW {
            let (number, pending) = self.last.remove(0);
            self.before.insert(number, pending);
        }
        Ok(())
    }

    #[cold]
    fn arrive_before(&mut self, node: &'g NodeRef, output: usize, gradient: G) -> Result<()> {
        match self.before.get_mut(&node.number()) {
            Some(pending) => pending.add(output, gradient),
            None => {
                self.before.insert(node.number(), Pending::new(node, output, gradient));
                Ok(())
            }
        }
    }
}

impl<'g, G: Carrier> Pending<'g, G> {
    #[inline]
    fn new(node: &'g NodeRef, output: usize, gradient: G) -> Pending<'g, G> {
        let upstream = match node.outputs().len() {
            1 => SmallVec::from_buf([Some(gradient)]),
            outputs => {
                let mut upstream = smallvec::smallvec![None; outputs];
                upstream[output] = Some(gradient);
                upstream
            }
        };
        Pending { node, upstream }
    }

    #[inline]
    fn add(&mut self, output: usize, gradient: G) -> Result<()> {
        match &mut self.upstream[output] {
            Some(sum) => sum.add(gradient),
            none => {
                *none = Some(gradient);
                Ok(())
            }
        }
    }
}
