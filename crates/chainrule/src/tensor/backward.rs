//! The backward pass: one sweep over the nodes in descending order of creation.
//!
//! A node runs when every gradient that reaches it has arrived, because all nodes that use its outputs were
//! created after it. There is no recursion and no global state: what is pending lives in the sweep alone.

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use smallvec::SmallVec;

use super::carrier::{Carrier, Gradient};
use super::mode::is_anomaly_enabled;
use super::node::{Edge, Node, SavedState, Shared};
use super::{GradModeGuard, Tensor, lock};
use crate::array::Array;
use crate::error::{Error, ErrorKind, Result};
use crate::gate::Needs;

/// A backward pass with its options.
///
/// ```
/// use chainrule::{param, Backward};
/// let x = param(3.0);
/// let y = x.pow(3.0)?;
/// // The gradient 3x², itself part of a graph…
/// let first = Backward::of(&[&y]).create_graph(true).gradients(&[&x])?;
/// // …and its gradient, 6x.
/// let second = Backward::of(&[first[0].as_ref().unwrap()]).gradients(&[&x])?;
/// assert_eq!(second[0].as_ref().unwrap().item()?, 18.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a backward pass runs when `accumulate`, `accumulate_into` or `gradients` is called"]
pub struct Backward<'a> {
    outputs: Vec<&'a Tensor>,
    upstream: Vec<Option<&'a Tensor>>,
    retain_graph: Option<bool>,
    create_graph: bool,
    allow_unused: bool,
}

impl<'a> Backward<'a> {
    /// A backward pass from these outputs; several outputs add up.
    pub fn of(outputs: &[&'a Tensor]) -> Backward<'a> {
        Backward {
            upstream: vec![None; outputs.len()],
            outputs: outputs.to_vec(),
            retain_graph: None,
            create_graph: false,
            allow_unused: false,
        }
    }

    /// The gradients to start from, one an output; without them each output must have one element (and 1 is
    /// its gradient).
    pub fn upstream(mut self, upstream: &[&'a Tensor]) -> Backward<'a> {
        self.upstream = upstream.iter().map(|&g| Some(g)).collect();
        self
    }

    /// Whether another backward pass may go through the same graph. By default only where a graph of the
    /// gradient is made.
    pub fn retain_graph(mut self, on: bool) -> Backward<'a> {
        self.retain_graph = Some(on);
        self
    }

    /// Whether the gradients can themselves be differentiated.
    pub fn create_graph(mut self, on: bool) -> Backward<'a> {
        self.create_graph = on;
        self
    }

    /// Whether [`Backward::gradients`] accepts inputs that the outputs don't depend on (`None`).
    pub fn allow_unused(mut self, on: bool) -> Backward<'a> {
        self.allow_unused = on;
        self
    }

    /// Adds the gradients to `.grad` of every leaf that the outputs depend on.
    ///
    /// # Errors
    /// An output has no graph, or not one element and no upstream gradient; the graph was freed; a gate has
    /// no derivative; a saved value was changed in place. Nothing is accumulated then.
    pub fn accumulate(&self) -> Result<()> {
        self.accumulated(None)
    }

    /// Like [`Backward::accumulate`], for these leaves only.
    ///
    /// # Errors
    /// As [`Backward::accumulate`].
    pub fn accumulate_into(&self, leaves: &[&Tensor]) -> Result<()> {
        self.accumulated(Some(leaves))
    }

    /// The gradients with respect to these tensors, leaves or not; `.grad` stays as it is.
    ///
    /// # Errors
    /// As [`Backward::accumulate`]; or an input doesn't require a gradient, or isn't used (see
    /// [`Backward::allow_unused`]).
    pub fn gradients(&self, inputs: &[&Tensor]) -> Result<Vec<Option<Tensor>>> {
        if let Some(i) = inputs.iter().position(|x| !x.requires_grad()) {
            return Err(Error::autograd(format!("input {i} doesn't require a gradient"))
                .hint("switch gradients on before computing with it: requires_grad_(true)"));
        }
        let gradients = self.sweep(Some(inputs))?.wanted;
        if !self.allow_unused
            && let Some(i) = gradients.iter().position(Option::is_none)
        {
            return Err(Error::autograd(format!("the outputs don't depend on input {i}"))
                .hint("call allow_unused(true) if that is intended"));
        }
        Ok(gradients)
    }

    fn accumulated(&self, only: Option<&[&Tensor]>) -> Result<()> {
        for (leaf, gradient) in self.sweep(only)?.leaves {
            let hooks = leaf.0.extra.get().map(|extra| &extra.hooks);
            leaf.accumulate(gradient, self.create_graph)?;
            if let Some(hooks) = hooks {
                hooks.run_after(&leaf);
            }
        }
        Ok(())
    }

    fn sweep(&self, wanted: Option<&[&Tensor]>) -> Result<Found> {
        let _guard = GradModeGuard::set(self.create_graph);
        if self.create_graph {
            self.sweep_with::<Tensor>(wanted)
        } else {
            self.sweep_with::<Gradient>(wanted)
        }
    }

    fn sweep_with<G: Carrier>(&self, wanted: Option<&[&Tensor]>) -> Result<Found> {
        let mut sweep = Sweep::<G>::new(wanted, self.retain_graph.unwrap_or(self.create_graph));
        if self.upstream.len() != self.outputs.len() {
            return Err(Error::argument(format!(
                "{} upstream gradients were given for {} outputs",
                self.upstream.len(),
                self.outputs.len()
            )));
        }
        for (i, (output, upstream)) in self.outputs.iter().zip(&self.upstream).enumerate() {
            let seed = seed::<G>(i, output, *upstream)?;
            match output.node() {
                Some((node, place)) => sweep.arrive(node, place, seed)?,
                None => sweep.arrive_at_leaf(output, seed)?,
            }
        }
        if let Some(wanted) = wanted {
            sweep.limit_to_paths(wanted, &self.outputs);
        }
        sweep.run()?;
        sweep.finish()
    }
}

/// The gradient at an output.
fn seed<G: Carrier>(i: usize, output: &Tensor, upstream: Option<&Tensor>) -> Result<G> {
    if !output.requires_grad() {
        return Err(Error::autograd(format!(
            "output {i} doesn't require a gradient and wasn't made by a gate"
        ))
        .hint("does any input require a gradient, and was it computed outside no_grad?"));
    }
    let meta = output.meta();
    match upstream {
        Some(gradient) if gradient.shape() != meta.shape => Err(Error::shape(format!(
            "the upstream gradient {i} has the shape {}, its output {}",
            gradient.shape(),
            meta.shape
        ))),
        Some(gradient) => G::from_tensor(gradient).fit(&|| meta, false),
        None if meta.shape.elements() != 1 => Err(Error::autograd(format!(
            "a gradient starts from one number, and output {i} has the shape {}",
            meta.shape
        ))
        .hint("reduce it to a loss (sum, mean), or give the upstream gradient: backward_with(&gradient)")),
        None => Ok(G::from_tensor(&Tensor::from_array(Array::constant(1.0, meta)))),
    }
}

/// The gradients with respect to `inputs` of the sum of `outputs`; `.grad` stays as it is.
///
/// # Errors
/// See [`Backward::gradients`].
///
/// ```
/// use chainrule::{grad, param};
/// let (x, y) = (param(3.0), param(4.0));
/// let gradients = grad(&[&(&x * &y)], &[&x, &y])?;
/// assert_eq!(gradients[0].item()?, 4.0);
/// assert_eq!(gradients[1].item()?, 3.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn grad(outputs: &[&Tensor], inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    Ok(Backward::of(outputs).gradients(inputs)?.into_iter().flatten().collect())
}

impl Tensor {
    /// Computes ∂self/∂leaf for every leaf this tensor depends on, and adds it to the leaf's `.grad`.
    ///
    /// # Errors
    /// See [`Backward::accumulate`].
    pub fn backward(&self) -> Result<()> {
        Backward::of(&[self]).accumulate()
    }

    /// Like [`Tensor::backward`] from a given upstream gradient, for tensors with several elements.
    ///
    /// # Errors
    /// See [`Backward::accumulate`].
    pub fn backward_with(&self, upstream: &Tensor) -> Result<()> {
        Backward::of(&[self]).upstream(&[upstream]).accumulate()
    }

    /// Adds a gradient to `.grad`, in place where nobody differentiates it again.
    fn accumulate(&self, gradient: Tensor, create_graph: bool) -> Result<()> {
        let cell = &self.extra().grad;
        let before = lock(cell).clone();
        let sum = match before {
            None => gradient,
            Some(before) if create_graph || !before.is_leaf() => Tensor::add(&before, &gradient)?,
            Some(before) => {
                let gradient = gradient.array();
                before.modify(|sum| sum.add_assign(&gradient))?;
                before
            }
        };
        *lock(cell) = Some(sum);
        Ok(())
    }
}

/// What a sweep found.
struct Found {
    /// Leaves and their gradients, in order of arrival.
    leaves: Vec<(Tensor, Tensor)>,
    /// The gradients that were asked for by name.
    wanted: Vec<Option<Tensor>>,
}

/// The gradients that have reached a node so far, one an output.
struct Pending<G> {
    node: Shared<Node>,
    upstream: SmallVec<[Option<G>; 1]>,
}

struct Sweep<G> {
    /// Pending nodes by number: the largest was created last and runs next.
    order: BinaryHeap<(u64, u32)>,
    pending: Vec<Option<Pending<G>>>,
    free: Vec<u32>,
    place_of: HashMap<u64, u32, BuildHasherDefault<NumberHasher>>,
    leaves: Vec<(Tensor, G)>,
    leaf_of: HashMap<usize, usize, BuildHasherDefault<NumberHasher>>,
    retain_graph: bool,
    /// The tensors whose gradients are asked for; `None`: all leaves.
    wanted: Option<Vec<Tensor>>,
    wanted_gradients: Vec<Option<G>>,
    /// The nodes on a way to a wanted tensor; `None`: all.
    on_path: Option<HashSet<u64>>,
}

impl<G: Carrier> Sweep<G> {
    fn new(wanted: Option<&[&Tensor]>, retain_graph: bool) -> Sweep<G> {
        Sweep {
            order: BinaryHeap::new(),
            pending: Vec::new(),
            free: Vec::new(),
            place_of: HashMap::default(),
            leaves: Vec::new(),
            leaf_of: HashMap::default(),
            retain_graph,
            wanted: wanted.map(|list| list.iter().map(|&x| x.clone()).collect()),
            wanted_gradients: vec![None; wanted.map_or(0, <[_]>::len)],
            on_path: None,
        }
    }

    /// Finds the nodes from which a wanted tensor can be reached, so that no others run.
    fn limit_to_paths(&mut self, wanted: &[&Tensor], outputs: &[&Tensor]) {
        let leaves: HashSet<usize> = wanted.iter().filter(|x| x.is_leaf()).map(|x| x.id()).collect();
        let nodes: HashSet<u64> =
            wanted.iter().filter_map(|x| x.node()).map(|(node, _)| node.number()).collect();
        let mut seen: HashMap<u64, Shared<Node>> = HashMap::new();
        let mut stack: Vec<&Shared<Node>> =
            outputs.iter().filter_map(|x| x.node()).map(|(node, _)| node).collect();
        while let Some(node) = stack.pop() {
            if seen.insert(node.number(), node.clone()).is_none() {
                stack.extend(node.edges().iter().filter_map(|edge| match edge {
                    Edge::Node(node, _) => Some(node),
                    _ => None,
                }));
            }
        }
        // Inputs come before the nodes that use them.
        let mut numbers: Vec<u64> = seen.keys().copied().collect();
        numbers.sort_unstable();
        let mut on_path = HashSet::new();
        for number in numbers {
            let leads = seen[&number].edges().iter().any(|edge| match edge {
                Edge::Constant(_) => false,
                Edge::Leaf(leaf) => leaves.contains(&leaf.id()),
                Edge::Node(node, _) => on_path.contains(&node.number()) || nodes.contains(&node.number()),
            });
            if leads {
                on_path.insert(number);
            }
        }
        self.on_path = Some(on_path);
    }

    /// Adds a gradient to what has reached this output of the node.
    #[inline]
    fn arrive(&mut self, node: &Shared<Node>, output: usize, gradient: G) -> Result<()> {
        let place = match self.place_of.get(&node.number()) {
            Some(&place) => place,
            None => {
                let upstream = smallvec::smallvec![None; node.outputs().len()];
                let new = Some(Pending { node: node.clone(), upstream });
                let place = match self.free.pop() {
                    Some(place) => {
                        self.pending[place as usize] = new;
                        place
                    }
                    None => {
                        self.pending.push(new);
                        self.pending.len() as u32 - 1
                    }
                };
                self.order.push((node.number(), place));
                self.place_of.insert(node.number(), place);
                place
            }
        };
        let pending = self.pending[place as usize].as_mut().expect("a place in the map is taken");
        let slot = &mut pending.upstream[output];
        *slot = Some(match slot.take() {
            Some(before) => before.plus(gradient)?,
            None => gradient,
        });
        Ok(())
    }

    fn arrive_at_leaf(&mut self, leaf: &Tensor, gradient: G) -> Result<()> {
        match self.leaf_of.get(&leaf.id()) {
            Some(&i) => {
                // The place keeps a cheap stand-in for the moment of the addition.
                let placeholder = gradient.clone();
                let before = std::mem::replace(&mut self.leaves[i].1, placeholder);
                self.leaves[i].1 = before.plus(gradient)?;
            }
            None => {
                self.leaf_of.insert(leaf.id(), self.leaves.len());
                self.leaves.push((leaf.clone(), gradient));
            }
        }
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        while let Some((number, place)) = self.order.pop() {
            self.place_of.remove(&number);
            let pending = self.pending[place as usize].take().expect("a place in the heap is taken");
            self.free.push(place);
            self.run_node(pending)?;
        }
        Ok(())
    }

    /// Runs one node: hooks, the gate's backward, and the gradients' way to the inputs.
    #[inline]
    fn run_node(&mut self, Pending { node, mut upstream }: Pending<G>) -> Result<()> {
        if let Some(hooks) = node.hooks() {
            for (output, slot) in upstream.iter_mut().enumerate() {
                if let Some(gradient) = slot.take() {
                    let seen = hooks.run(output, gradient.into_tensor()).map_err(|e| at(e, &node))?;
                    *slot = Some(G::from_tensor(&seen));
                }
            }
        }
        if let Some(wanted) = &self.wanted {
            for (tensor, found) in wanted.iter().zip(&mut self.wanted_gradients) {
                if let Some((own, output)) = tensor.node()
                    && Shared::ptr_eq(own, &node)
                {
                    *found = upstream[output].clone();
                }
            }
        }
        let mut needs = node.needs();
        if let Some(on_path) = &self.on_path {
            if !on_path.contains(&node.number()) {
                return Ok(());
            }
            needs = Needs::new(node.edges().iter().map(|edge| match edge {
                Edge::Constant(_) => false,
                Edge::Leaf(leaf) => self.is_wanted(|x| x.is(leaf)),
                Edge::Node(to, _) => {
                    on_path.contains(&to.number())
                        || self.is_wanted(|x| x.node().is_some_and(|(own, _)| Shared::ptr_eq(own, to)))
                }
            }));
        }
        let gradients = self.gate_backward(&node, &upstream, &needs).map_err(|e| at(e, &node))?;
        drop(upstream);
        for (i, (edge, gradient)) in node.edges().iter().zip(gradients).enumerate() {
            let (Some(gradient), true) = (gradient, needs.input(i)) else { continue };
            match edge {
                Edge::Constant(_) => {}
                Edge::Leaf(leaf) => {
                    let scalar = leaf.number().is_some();
                    let gradient = gradient.fit(&|| leaf.meta(), scalar).map_err(|e| at(e, &node))?;
                    self.arrive_at_leaf(leaf, gradient)?;
                }
                Edge::Node(to, output) => {
                    let meta = || to.outputs()[*output as usize];
                    let gradient = gradient.fit(&meta, to.is_scalar()).map_err(|e| at(e, &node))?;
                    self.arrive(to, *output as usize, gradient)?;
                }
            }
        }
        Ok(())
    }

    fn is_wanted(&self, test: impl Fn(&Tensor) -> bool) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.iter().any(test))
    }

    fn gate_backward(
        &self,
        node: &Shared<Node>,
        upstream: &[Option<G>],
        needs: &Needs,
    ) -> Result<SmallVec<[Option<G>; 2]>> {
        // The values leave the node while its gate runs, so that users' code never runs under the lock.
        let mut state = lock(node.saved());
        let saved = match &mut *state {
            SavedState::Freed => {
                return Err(Error::autograd(
                    "a second backward pass reached a gate whose saved values were freed by the first",
                )
                .hint("keep them for another pass with Backward::of(…).retain_graph(true)"));
            }
            SavedState::Kept(values) => {
                if self.retain_graph {
                    values.clone()
                } else {
                    std::mem::take(values)
                }
            }
        };
        if !self.retain_graph && !saved.is_empty() {
            *state = SavedState::Freed;
        }
        drop(state);
        let gradients = G::backward(node, &saved, upstream, needs)?;
        if gradients.len() != node.edges().len() {
            return Err(Error::autograd(format!(
                "its backward returned {} gradients for {} inputs",
                gradients.len(),
                node.edges().len()
            )));
        }
        if is_anomaly_enabled()
            && let Some(i) = gradients.iter().position(|g| g.as_ref().is_some_and(|g| !g.is_finite()))
        {
            return Err(Error::new(
                ErrorKind::Anomaly,
                format!("its backward returned a value that is NaN or infinite as the gradient of input {i}"),
            ));
        }
        Ok(gradients)
    }

    fn finish(self) -> Result<Found> {
        let mut leaves = Vec::with_capacity(self.leaves.len());
        for (leaf, gradient) in self.leaves {
            if self.wanted.as_ref().is_some_and(|wanted| !wanted.iter().any(|x| x.is(&leaf))) {
                continue;
            }
            let mut gradient = gradient.into_tensor();
            if let Some(extra) = leaf.0.extra.get() {
                gradient = extra.hooks.run_before(gradient)?;
            }
            leaves.push((leaf, gradient));
        }
        let mut wanted: Vec<Option<Tensor>> =
            self.wanted_gradients.into_iter().map(|g| g.map(G::into_tensor)).collect();
        for (tensor, found) in self.wanted.iter().flatten().zip(&mut wanted) {
            if let Some((_, gradient)) = leaves.iter().find(|(leaf, _)| leaf.is(tensor)) {
                *found = Some(gradient.clone());
            }
        }
        Ok(Found { leaves, wanted })
    }
}

/// Names the gate, and the line of the user's program that ran it forward.
fn at(error: Error, node: &Node) -> Error {
    let located = error.source_line().is_some();
    let error = error.at_gate(node.gate().name());
    if located { error } else { error.location(node.location()) }
}

/// Numbers of nodes and addresses are spread well enough by one multiplication.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("only u64 and usize are hashed");
    }
    fn write_u64(&mut self, x: u64) {
        self.0 = x.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
    fn write_usize(&mut self, x: usize) {
        self.write_u64(x as u64);
    }
}
