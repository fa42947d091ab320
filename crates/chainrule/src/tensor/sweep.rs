//! The backward pass: one sweep over the nodes in descending order of creation.
//!
//! A node runs when every gradient that reaches it has arrived, because all nodes that use its outputs were
//! created after it. There is no recursion and no global state: what is pending lives in the sweep alone. The
//! outputs hold the graph while it runs, so the sweep borrows nodes and leaves and counts no references.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use smallvec::SmallVec;

use super::backward::Options;
use super::carrier::{Carrier, Upstream};
use super::hooks::{NodeHooks, Slots};
use super::mode::{AnomalyGuard, is_anomaly_enabled};
use super::node::{Edge, Node, Scalar};
use super::pending::{Arrived, Pending, Waiting};
use super::{Leaf, NodeRef, Shared, Tensor, batch};
use crate::array::Meta;
use crate::error::{Error, ErrorKind, Result};
use crate::gate::{Gradients, Needs};

/// Leaves that are kept without allocation, and looked through without a table.
const FEW: usize = 6;

/// Leaves and their gradients, in order of arrival.
type Leaves<'g, G> = SmallVec<[(&'g Shared<Leaf>, G); FEW]>;

pub(super) struct Sweep<'g, G> {
    pub(super) waiting: Waiting<'g, G>,
    pub(super) leaves: Leaves<'g, G>,
    /// Where each leaf stands in `leaves`, by address; made when there are too many to look through.
    leaf_of: HashMap<usize, usize, BuildHasherDefault<AddressHasher>>,
    pub(super) retain_graph: bool,
    anomaly: bool,
    /// Whether the hooks of the wanted leaves are left to another pass.
    quiet: bool,
    /// The size of the batch of gradients, where each is one.
    batch: Option<usize>,
    goal: Option<Goal<'g, G>>,
}

/// A place whose gradient is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'g> {
    /// This output of the node.
    Output(&'g NodeRef, usize),
    Leaf(&'g Shared<Leaf>),
}

/// The places whose gradients are asked for, where these aren't all leaves.
struct Goal<'g, G> {
    wanted: &'g [Target<'g>],
    found: Vec<Option<G>>,
    /// Which of the wanted tensors each node makes, by address: there may be as many as nodes.
    nodes: HashMap<usize, SmallVec<[usize; 1]>>,
    /// The wanted leaves, by address.
    leaves: HashSet<usize>,
    /// The nodes on a way to a wanted tensor.
    on_path: HashSet<usize>,
}

impl<'g, G: Clone> Goal<'g, G> {
    fn new(wanted: &'g [Target<'g>]) -> Goal<'g, G> {
        let mut nodes: HashMap<usize, SmallVec<[usize; 1]>> = HashMap::new();
        let mut leaves = HashSet::new();
        for (place, target) in wanted.iter().enumerate() {
            match target {
                Target::Output(node, _) => nodes.entry(node.address()).or_default().push(place),
                Target::Leaf(leaf) => {
                    leaves.insert(leaf.address());
                }
            }
        }
        Goal { wanted, found: vec![None; wanted.len()], nodes, leaves, on_path: HashSet::new() }
    }

    /// Whether a gradient that goes this way is of use.
    fn wants(&self, edge: &Edge) -> bool {
        match edge {
            Edge::Number(_) | Edge::Constant(..) => false,
            Edge::Leaf(leaf, _) => self.wants_leaf(leaf),
            Edge::Node(to, _) => {
                self.on_path.contains(&to.address()) || self.nodes.contains_key(&to.address())
            }
        }
    }

    fn wants_leaf(&self, leaf: &Shared<Leaf>) -> bool {
        self.leaves.contains(&leaf.address())
    }
}

impl<'g, G: Carrier> Sweep<'g, G> {
    #[inline]
    pub(super) fn new(wanted: Option<&'g [Target<'g>]>, options: &Options) -> Sweep<'g, G> {
        Sweep {
            waiting: Waiting::new(),
            leaves: SmallVec::new(),
            leaf_of: HashMap::default(),
            retain_graph: options.retain_graph,
            anomaly: is_anomaly_enabled(),
            quiet: options.quiet,
            batch: None,
            goal: wanted.map(Goal::new),
        }
    }

    /// Where each gradient is a batch, its size.
    pub(super) fn set_batch(&mut self, batch: Option<usize>) {
        self.batch = batch;
    }

    /// Finds the nodes from which a wanted tensor can be reached, so that no others run.
    pub(super) fn limit_to_paths(&mut self, outputs: &[&'g Tensor]) {
        let Some(goal) = &mut self.goal else { return };
        let mut reached: BTreeMap<(u64, usize), &Node> = BTreeMap::new();
        let mut stack: Vec<&NodeRef> =
            outputs.iter().filter_map(|x| x.node()).map(|(node, _)| node).collect();
        while let Some(node) = stack.pop() {
            if reached.insert((node.number(), node.address()), node).is_none() {
                stack.extend(node.edges().iter().filter_map(|edge| match edge {
                    Edge::Node(node, _) => Some(node),
                    _ => None,
                }));
            }
        }
        // Inputs come before the nodes that use them.
        for ((_, address), node) in reached {
            if node.edges().iter().any(|edge| goal.wants(edge)) {
                goal.on_path.insert(address);
            }
        }
    }

    /// Adds a gradient to what has reached this output of the node.
    #[inline]
    pub(super) fn arrive(&mut self, node: &'g NodeRef, output: usize, gradient: G) -> Result<()> {
        self.waiting.arrive(node, output, gradient)
    }

    #[inline]
    pub(super) fn arrive_at_leaf(&mut self, leaf: &'g Shared<Leaf>, gradient: G) -> Result<()> {
        match self.place_of(leaf) {
            Some(place) => self.leaves[place].1.add(gradient),
            None => {
                self.leaves.push((leaf, gradient));
                Ok(())
            }
        }
    }

    /// Where this leaf stands among those that a gradient has reached; if it doesn't, it must be added next.
    #[inline]
    pub(super) fn place_of(&mut self, leaf: &Shared<Leaf>) -> Option<usize> {
        let next = self.leaves.len();
        if next <= FEW {
            return self.leaves.iter().position(|(known, _)| Shared::ptr_eq(known, leaf));
        }
        if self.leaf_of.is_empty() {
            self.leaf_of.extend(self.leaves.iter().enumerate().map(|(i, (leaf, _))| (leaf.address(), i)));
        }
        let place = *self.leaf_of.entry(leaf.address()).or_insert(next);
        (place != next).then_some(place)
    }

    pub(super) fn run(&mut self) -> Result<()> {
        // Nobody watches the gradients between the gates.
        let plain = self.goal.is_none() && self.batch.is_none() && !self.anomaly;
        while let Some(pending) = self.waiting.pop() {
            if plain
                && let Some(scalar) = pending.node.unwatched_scalar()
                && let Arrived::One(gradient) = &pending.arrived
                && let Some(upstream) = gradient.number()
            {
                self.run_scalar(pending.node, scalar, upstream)?;
                continue;
            }
            let alone = if plain { G::run_chain(self, pending)? } else { Some(pending) };
            if let Some(pending) = alone {
                self.run_node(pending)?;
            }
        }
        self.run_hooks_of_leaves()
    }

    /// Runs the gate of a graph of scalars.
    #[inline]
    fn run_scalar(&mut self, node: &'g NodeRef, scalar: &Scalar, upstream: f32) -> Result<()> {
        let retain = self.retain_graph;
        let send = |edge: &'g Edge, gradient: f32| match edge {
            Edge::Number(_) | Edge::Constant(..) => Ok(()),
            Edge::Leaf(leaf, _) => self.arrive_at_leaf(leaf, G::from_number(gradient)),
            Edge::Node(to, output) => self.arrive(to, *output as usize, G::from_number(gradient)),
        };
        node.send(scalar, upstream, retain, send).map_err(|e| at(e, node))
    }

    /// Runs one node: hooks, the gate's backward, and the gradients' way to the inputs.
    fn run_node(&mut self, Pending { node, arrived, .. }: Pending<'g, G>) -> Result<()> {
        let _line = G::attributed_to(node);
        let mut upstream = arrived.into_upstream();
        let hooks = node.hooks();
        if let Some(hooks) = hooks {
            for (output, slot) in upstream.iter_mut().enumerate() {
                if let Some(gradient) = slot.take() {
                    let seen = hooks
                        .run(output, gradient.into_tensor(), self.batch.is_some())
                        .map_err(|e| at(e, node))?;
                    *slot = Some(G::from_tensor(&seen));
                }
            }
        }
        if let Some(goal) = &mut self.goal {
            for &place in goal.nodes.get(&node.address()).into_iter().flatten() {
                if let Target::Output(_, output) = goal.wanted[place] {
                    goal.found[place] = upstream[output].clone();
                }
            }
            if !goal.on_path.contains(&node.address()) {
                return Ok(());
            }
        }
        let hooks = hooks.filter(|hooks| hooks.watch_node());
        if let Some(hooks) = hooks {
            let seen = hooks.run_before(tensors(&upstream)).map_err(|e| at(e, node))?;
            upstream = seen.iter().map(|g| g.as_ref().map(G::from_tensor)).collect();
        }
        let needs = Needs::new(node.edges().iter().map(|edge| self.wants(edge)));
        let watched = hooks.map(|hooks| (hooks, upstream.clone()));
        let mut gradients = self.gate_backward(node, upstream, &needs).map_err(|e| at(e, node))?;
        if let Some((hooks, upstream)) = watched {
            gradients = self.run_after(hooks, node, gradients, &upstream).map_err(|e| at(e, node))?;
        }
        for (edge, gradient) in node.edges().iter().zip(gradients) {
            let (Some(gradient), true) = (gradient, self.wants(edge)) else { continue };
            match edge {
                Edge::Number(_) | Edge::Constant(..) => {}
                Edge::Leaf(leaf, _) => {
                    self.arrive_at_leaf(leaf, self.fit(gradient, leaf.meta()).map_err(|e| at(e, node))?)?;
                }
                Edge::Node(to, output) => {
                    let output = *output as usize;
                    let gradient = self.fit(gradient, &to.outputs()[output]).map_err(|e| at(e, node))?;
                    self.arrive(to, output, gradient)?;
                }
            }
        }
        Ok(())
    }

    /// Sums and converts a gradient to the shape and element type of its input.
    #[inline]
    fn fit(&self, gradient: G, meta: &Meta) -> Result<G> {
        match self.batch {
            None => gradient.fit(meta),
            Some(size) => batch::fit(gradient, *meta, size),
        }
    }

    /// Runs the hooks that see what leaves a node: gradients that have their inputs' shapes.
    fn run_after(
        &self,
        hooks: &NodeHooks,
        node: &Node,
        gradients: Gradients<G>,
        upstream: &[Option<G>],
    ) -> Result<Gradients<G>> {
        let mut leaving = Slots::new();
        for (i, gradient) in gradients.into_iter().enumerate() {
            leaving.push(match (gradient, node.input_meta(i)) {
                (Some(gradient), Some(meta)) => Some(self.fit(gradient, &meta)?.into_tensor()),
                _ => None,
            });
        }
        let seen = hooks.run_after(leaving, &tensors(upstream))?;
        Ok(seen.iter().map(|g| g.as_ref().map(G::from_tensor)).collect())
    }

    /// Whether a gradient goes this way.
    #[inline]
    fn wants(&self, edge: &Edge) -> bool {
        match &self.goal {
            None => edge.carries(),
            Some(goal) => goal.wants(edge),
        }
    }

    fn gate_backward(&self, node: &NodeRef, upstream: Upstream<G>, needs: &Needs) -> Result<Gradients<G>> {
        let kept = node.keep(self.retain_graph)?;
        let gradients = {
            // What counts is what comes out of it, and then this node is named, not a gate that it uses.
            let _unwatched = self.anomaly.then(|| AnomalyGuard::set(false));
            match self.batch {
                None => G::backward(node, &kept, upstream, needs)?,
                Some(size) => batch::backward(node, &kept, &upstream, needs, size)?,
            }
        };
        if gradients.len() != node.edges().len() {
            return Err(Error::autograd(format!(
                "its backward returned {} gradients for {} inputs",
                gradients.len(),
                node.edges().len()
            )));
        }
        if self.anomaly
            && let Some(i) = gradients.iter().position(|g| g.as_ref().is_some_and(|g| !g.is_finite()))
        {
            return Err(Error::new(
                ErrorKind::Anomaly,
                format!("its backward returned a value that is NaN or infinite as the gradient of input {i}"),
            ));
        }
        Ok(gradients)
    }

    fn run_hooks_of_leaves(&mut self) -> Result<()> {
        if let Some(goal) = &self.goal {
            self.leaves.retain(|(leaf, _)| goal.wants_leaf(leaf));
        }
        if !self.quiet {
            for (leaf, gradient) in &mut self.leaves {
                if let Some(hooks) = leaf.hooks() {
                    *gradient = G::from_tensor(&hooks.run_before(gradient.clone().into_tensor())?);
                }
            }
        }
        Ok(())
    }

    /// The leaves that gradients have reached, in order of arrival.
    #[inline]
    pub(super) fn leaves(&mut self) -> impl Iterator<Item = (&'g Shared<Leaf>, G)> + use<'_, 'g, G> {
        self.leaves.drain(..)
    }

    /// The gradients that were asked for by name.
    pub(super) fn into_wanted(self) -> Vec<Option<Tensor>> {
        let Some(goal) = self.goal else { return Vec::new() };
        let of_leaf = |target: &Target| {
            let Target::Leaf(own) = target else { return None };
            let found = self.leaves.iter().find(|(leaf, _)| Shared::ptr_eq(leaf, own));
            found.map(|(_, gradient)| gradient.clone())
        };
        let wanted = goal.wanted.iter().zip(goal.found);
        wanted.map(|(target, found)| of_leaf(target).or(found).map(G::into_tensor)).collect()
    }
}

/// Gradients as the hooks of a node see them.
fn tensors<G: Carrier>(gradients: &[Option<G>]) -> Slots {
    gradients.iter().map(|g| g.clone().map(G::into_tensor)).collect()
}

/// Names the gate, and the line of the user's program that ran it forward.
pub(super) fn at(error: Error, node: &Node) -> Error {
    let located = error.source_line().is_some();
    let error = error.at_gate(node.gate().name());
    if located { error } else { error.location(node.location()) }
}

/// Addresses are spread well enough by one multiplication.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("only addresses are hashed");
    }
    fn write_usize(&mut self, x: usize) {
        self.0 = (x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}
