//! What a backward sweep has still to do: the nodes that gradients have reached, the one created last first.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::NodeRef;
use super::carrier::{Carrier, Upstream};
use crate::error::Result;

/// A node that waits for its turn, and the gradients that have reached it so far.
pub(super) struct Pending<'g, G> {
    /// Descending keys are a topological order: the node's number and, where threads have given the same one twice,
    /// its address.
    key: (u64, usize),
    pub(super) node: &'g NodeRef,
    pub(super) arrived: Arrived<G>,
}

/// The gradients that have reached a node, one an output.
pub(super) enum Arrived<G> {
    /// That of the only output.
    One(G),
    Many(Vec<Option<G>>),
}

/// How many nodes stay in the list.
const FEW: usize = 16;

/// The nodes that wait. Mostly they are few, and a short list is faster than a tree.
pub(super) struct Waiting<'g, G> {
    /// The nodes created last, in ascending order.
    last: SmallVec<[Pending<'g, G>; 6]>,
    /// All others, each created before all of those.
    before: BTreeMap<(u64, usize), Pending<'g, G>>,
}

impl<'g, G: Carrier> Waiting<'g, G> {
    pub(super) fn new() -> Waiting<'g, G> {
        Waiting { last: SmallVec::new(), before: BTreeMap::new() }
    }

    /// Takes out the node that was created last.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Pending<'g, G>> {
        match self.last.pop() {
            Some(pending) => Some(pending),
            None if self.before.is_empty() => None,
            None => self.before.pop_last().map(|(_, pending)| pending),
        }
    }

    /// The node that was created last.
    pub(super) fn peek(&self) -> Option<&'g NodeRef> {
        let before = || self.before.last_key_value().map(|(_, pending)| pending);
        self.last.last().or_else(before).map(|pending| pending.node)
    }

    /// Takes out what has reached this output of the node.
    pub(super) fn take(&mut self, node: &NodeRef, output: usize) -> Option<G> {
        let key = (node.number(), node.address());
        let place = self.last.iter().rposition(|other| other.key == key);
        let pending = match place {
            Some(place) => &mut self.last[place],
            None => self.before.get_mut(&key)?,
        };
        if let Arrived::Many(all) = &mut pending.arrived {
            return all[output].take();
        }
        let pending = match place {
            Some(place) => Some(self.last.remove(place)),
            None => self.before.remove(&key),
        };
        pending?.arrived.into_upstream().pop().flatten()
    }

    /// Adds a gradient to what has reached this output of the node.
    #[inline]
    pub(super) fn arrive(&mut self, node: &'g NodeRef, output: usize, gradient: G) -> Result<()> {
        let key = (node.number(), node.address());
        let room = self.last.len() < FEW;
        match self.last.last_mut() {
            // Mostly it was created after all that wait.
            Some(last) if last.key < key && room => {}
            None if self.before.is_empty() => {}
            Some(last) if last.key == key => return last.arrived.add(output, gradient),
            _ => return self.arrive_among(key, node, output, gradient),
        }
        self.last.push(Pending::new(key, node, output, gradient));
        Ok(())
    }

    fn arrive_among(
        &mut self,
        key: (u64, usize),
        node: &'g NodeRef,
        output: usize,
        gradient: G,
    ) -> Result<()> {
        let place = self.last.iter().rposition(|other| other.key <= key);
        if let Some(place) = place
            && self.last[place].key == key
        {
            return self.last[place].arrived.add(output, gradient);
        }
        if place.is_none() && !self.before.is_empty() {
            match self.before.get_mut(&key) {
                Some(pending) => return pending.arrived.add(output, gradient),
                None => self.before.insert(key, Pending::new(key, node, output, gradient)),
            };
            return Ok(());
        }
        self.last.insert(place.map_or(0, |place| place + 1), Pending::new(key, node, output, gradient));
        if self.last.len() > FEW {
            let pending = self.last.remove(0);
            self.before.insert(pending.key, pending);
        }
        Ok(())
    }
}

impl<'g, G: Carrier> Pending<'g, G> {
    #[inline]
    fn new(key: (u64, usize), node: &'g NodeRef, output: usize, gradient: G) -> Pending<'g, G> {
        let arrived = match node.outputs().len() {
            1 => Arrived::One(gradient),
            outputs => {
                let mut all = vec![None; outputs];
                all[output] = Some(gradient);
                Arrived::Many(all)
            }
        };
        Pending { key, node, arrived }
    }
}

impl<G: Carrier> Arrived<G> {
    #[inline]
    fn add(&mut self, output: usize, gradient: G) -> Result<()> {
        match self {
            Arrived::One(sum) => sum.add(gradient),
            Arrived::Many(all) => match &mut all[output] {
                Some(sum) => sum.add(gradient),
                none => {
                    *none = Some(gradient);
                    Ok(())
                }
            },
        }
    }

    /// As gates read them.
    pub(super) fn into_upstream(self) -> Upstream<G> {
        match self {
            Arrived::One(gradient) => Upstream::from_buf([Some(gradient)]),
            Arrived::Many(all) => Upstream::from_vec(all),
        }
    }
}
