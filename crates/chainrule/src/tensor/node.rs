//! `Node`: one use of a gate, with its edges to the nodes of its inputs and what it keeps for backward.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use smallvec::SmallVec;

use super::hooks::NodeHooks;
use super::saved_hooks::Packed;
use super::{Leaf, Shared, Tensor};
use crate::array::{Array, DType, Meta, Shape};
use crate::error::{Error, Result};
use crate::gate::arith::Neg;
use crate::gate::{Gate, GateRef, Metas, Needs, SavedValues, Saves};

/// The reference-counted pointer to a node.
pub(crate) type NodeRef = Shared<Node>;

const _: fn() = || {
    fn assert_send_and_sync<T: Send + Sync>() {}
    assert_send_and_sync::<NodeRef>();
};

/// From an input of a gate to where its gradient goes. A leaf comes with the version it had.
#[derive(Debug, Clone)]
pub(crate) enum Edge {
    /// The input is a number of the program.
    Number(f32),
    /// The input needs no gradient; it is kept so that the graph can be captured and run again.
    Constant(Shared<Leaf>, u32),
    /// The input is a leaf that requires a gradient.
    Leaf(Shared<Leaf>, u32),
    /// The input is an output of this node: the one with this number.
    Node(NodeRef, u32),
}

impl Edge {
    /// Whether a gradient goes this way.
    #[inline]
    pub(crate) fn carries(&self) -> bool {
        matches!(self, Edge::Leaf(..) | Edge::Node(..))
    }

    /// The version of the input when the gate ran, and the one it has now, where it was changed in place since.
    #[inline]
    pub(crate) fn changed(&self) -> Option<(u32, u32)> {
        match self {
            Edge::Constant(leaf, then) | Edge::Leaf(leaf, then) => {
                let now = leaf.version();
                (now != *then).then_some((*then, now))
            }
            Edge::Number(_) | Edge::Node(..) => None,
        }
    }

    /// The input again, of which these are the values: part of the graph where a graph of the gradient is wanted.
    pub(crate) fn input(&self, array: Array) -> Tensor {
        match self {
            Edge::Number(_) => Tensor::from_array(array),
            Edge::Constant(leaf, _) | Edge::Leaf(leaf, _) => Tensor::from(leaf.clone()),
            Edge::Node(node, output) => Tensor::rejoin(array, node, *output as usize),
        }
    }
}

pub(crate) type Edges = SmallVec<[Edge; 3]>;

/// The edge to the only input.
#[inline]
pub(super) fn one_edge(a: Edge) -> Edges {
    Edges::from_buf_and_len([a, Edge::Number(0.0), Edge::Number(0.0)], 1)
}

/// The edges to two inputs.
#[inline]
pub(super) fn two_edges(a: Edge, b: Edge) -> Edges {
    Edges::from_buf_and_len([a, b, Edge::Number(0.0)], 2)
}

/// One use of a gate.
#[derive(Debug)]
pub(crate) struct Node {
    gate: GateRef,
    /// Larger than those of its inputs' nodes, so that descending numbers are a topological order of any graph. Nodes
    /// that were made on different threads may have the same one.
    number: u64,
    edges: Edges,
    work: Work,
    location: &'static Location<'static>,
    hooks: OnceLock<Box<NodeHooks>>,
}

/// What a node computed, and what it keeps of that for backward.
#[derive(Debug)]
pub(crate) enum Work {
    Scalar(Scalar),
    Arrays(Shared<Arrays>),
}

/// What a node keeps of a gate that works on arrays.
#[derive(Debug)]
pub(crate) struct Arrays {
    pub(crate) outputs: Metas,
    pub(crate) saved: Mutex<Kept>,
}

/// The values of a gate whose inputs and only output are 0-d f32. They are smaller than any list of what to
/// keep, so all of them stay; after a backward pass they count as freed like any others.
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) x: [f32; 3],
    pub(crate) y: f32,
    freed: AtomicBool,
}

/// What a node keeps for its backward, until a backward pass without `retain_graph` went through it.
#[derive(Debug)]
pub(crate) enum Kept {
    Values(SavedValues),
    /// In the form that saved-tensor hooks gave it.
    Packed(Arc<Packed>),
    Nothing,
    Freed,
}

impl Kept {
    pub(crate) fn values(&self) -> Option<&SavedValues> {
        match self {
            Kept::Values(values) => Some(values),
            Kept::Packed(_) | Kept::Nothing | Kept::Freed => None,
        }
    }
}

/// Element type and shape of a 0-d f32.
pub(crate) const SCALAR: Meta = Meta { dtype: DType::F32, shape: Shape::SCALAR };

thread_local! {
    /// The number of the node that this thread made last. (A counter for all threads would cost each node as much as
    /// its arithmetic.)
    static LAST_NUMBER: Cell<u64> = const { Cell::new(0) };
}

impl Node {
    #[inline]
    pub(crate) fn new(gate: GateRef, edges: Edges, work: Work, location: &'static Location<'static>) -> Node {
        let mut number = LAST_NUMBER.get();
        for edge in &edges {
            if let Edge::Node(input, _) = edge {
                number = number.max(input.number);
            }
        }
        number += 1;
        LAST_NUMBER.set(number);
        Node { gate, number, edges, work, location, hooks: OnceLock::new() }
    }

    #[inline]
    pub(crate) fn gate(&self) -> &GateRef {
        &self.gate
    }

    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    #[inline]
    pub(crate) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    #[inline]
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.work {
            Work::Scalar(scalar) => Some(scalar),
            Work::Arrays(_) => None,
        }
    }

    #[inline]
    pub(crate) fn outputs(&self) -> &[Meta] {
        match &self.work {
            Work::Scalar(_) => &[SCALAR],
            Work::Arrays(arrays) => &arrays.outputs,
        }
    }

    /// Element type and shape of an input that needs a gradient.
    #[inline]
    pub(crate) fn input_meta(&self, i: usize) -> Option<Meta> {
        match self.edges.get(i)? {
            Edge::Number(_) | Edge::Constant(..) => None,
            Edge::Node(node, output) => Some(node.outputs()[*output as usize]),
            Edge::Leaf(leaf, _) => Some(*leaf.meta()),
        }
    }

    /// Which inputs need a gradient.
    pub(crate) fn needs(&self) -> Needs {
        Needs::new(self.edges.iter().map(Edge::carries))
    }

    #[inline]
    pub(crate) fn hooks(&self) -> Option<&NodeHooks> {
        self.hooks.get().map(|hooks| &**hooks)
    }

    pub(crate) fn hooks_or_new(&self) -> &NodeHooks {
        self.hooks.get_or_init(Box::default)
    }

    /// What it computed, where that is a scalar from inputs that haven't changed since, and no hook watches.
    #[inline]
    pub(super) fn unwatched_scalar(&self) -> Option<&Scalar> {
        let scalar = self.scalar()?;
        let unwatched = self.hooks().is_none() && self.edges.iter().all(|edge| edge.changed().is_none());
        unwatched.then_some(scalar)
    }

    /// The backward pass of a scalar's node: upstream gradient × local gradient, for each input that needs it.
    #[inline]
    pub(super) fn send<'g>(
        &'g self,
        scalar: &Scalar,
        upstream: f32,
        retain: bool,
        mut arrive: impl FnMut(&'g Edge, f32) -> Result<()>,
    ) -> Result<()> {
        self.keep_scalar(scalar, retain)?;
        let gate = self.gate.as_scalar().expect("the gate of a scalar node works on numbers");
        for (input, edge) in self.edges.iter().enumerate() {
            if edge.carries() {
                arrive(edge, gate.product(input, upstream, scalar.x, scalar.y))?;
            }
        }
        Ok(())
    }

    /// [`Node::keep`] for the node of this scalar.
    #[inline]
    fn keep_scalar(&self, scalar: &Scalar, retain: bool) -> Result<()> {
        if !scalar.freed.load(Ordering::Relaxed) {
            scalar.freed.store(!retain, Ordering::Relaxed);
        } else if self.gate.saves(&self.needs()) != Saves::NONE {
            // Gates such as Add read nothing, and may run again.
            return Err(freed());
        }
        Ok(())
    }

    /// What backward reads; taken out of the node unless it must serve another pass.
    ///
    /// # Errors
    /// An earlier pass took it.
    #[inline]
    pub(crate) fn keep(&self, retain: bool) -> Result<Kept> {
        match &self.work {
            Work::Scalar(scalar) => self.keep_scalar(scalar, retain).map(|()| Kept::Nothing),
            Work::Arrays(arrays) => {
                let saved = &arrays.saved;
                // The values leave the node while its gate runs, so that users' code never runs under the lock.
                let packed = {
                    let mut saved = super::lock(saved);
                    match &mut *saved {
                        Kept::Freed => return Err(freed()),
                        Kept::Nothing => return Ok(Kept::Nothing),
                        Kept::Values(values) if retain => return Ok(Kept::Values(values.clone())),
                        Kept::Values(_) => return Ok(std::mem::replace(&mut *saved, Kept::Freed)),
                        Kept::Packed(packed) => packed.clone(),
                    }
                };
                let values = packed.unpack()?;
                if !retain {
                    let packed = std::mem::replace(&mut *super::lock(saved), Kept::Freed);
                    drop(packed);
                }
                Ok(Kept::Values(values))
            }
        }
    }
}

fn freed() -> Error {
    Error::autograd("a second backward pass reached a gate whose saved values were freed by the first")
        .hint("keep them for another pass with Backward::of(…).retain_graph(true)")
}

impl Scalar {
    #[inline]
    pub(crate) fn new(x: [f32; 3], y: f32) -> Scalar {
        Scalar { x, y, freed: AtomicBool::new(false) }
    }
}

/// What a dropped node held that may lead to other nodes.
#[expect(dead_code, reason = "held only to be dropped later")]
enum Remains {
    Node(NodeRef),
    Packed(Arc<Packed>),
    Gate(GateRef),
    Hooks(Box<NodeHooks>),
}

thread_local! {
    /// How many nodes are being dropped on this thread, each inside the drop of the one before.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// What the innermost of them left for later.
    static REMAINS: RefCell<Vec<Remains>> = const { RefCell::new(Vec::new()) };
}

impl Node {
    /// Hands what may lead to other nodes to `later`, and drops the rest.
    #[inline]
    fn dismantle(&mut self, mut later: impl FnMut(Remains)) {
        while let Some(edge) = self.edges.pop() {
            match edge {
                // A node that others hold too is not dropped here.
                Edge::Node(node, _) if node.seems_last() => later(Remains::Node(node)),
                other => drop(other),
            }
        }
        // Arrays lead nowhere; what hooks made of them may.
        if let Work::Arrays(arrays) = &mut self.work
            && let Some(arrays) = arrays.get_mut()
            && let kept = arrays.saved.get_mut().unwrap_or_else(PoisonError::into_inner)
            && let Kept::Packed(_) = kept
            && let Kept::Packed(packed) = std::mem::replace(kept, Kept::Freed)
        {
            later(Remains::Packed(packed));
        }
        if let GateRef::Shared(_) = &self.gate {
            // Any constant of the program may stand in for the gate that leaves.
            static NEG: &dyn Gate = &Neg;
            later(Remains::Gate(std::mem::replace(&mut self.gate, GateRef::Static(NEG))));
        }
        if self.hooks.get().is_some()
            && let Some(hooks) = self.hooks.take()
        {
            later(Remains::Hooks(hooks));
        }
    }
}

/// So many nodes may be dropped one inside the other.
const DEEPEST: u32 = 32;

impl Drop for Node {
    // A graph a million gates deep must not be dropped by recursion alone: what is left where that is deep goes to a
    // list, which the outermost drop works off.
    fn drop(&mut self) {
        let depth = DEPTH.get();
        if depth == DEEPEST {
            // At the end of a thread the list may be gone already: the remains are then dropped at once.
            return self.dismantle(|remains| {
                let _ = REMAINS.try_with(|list| list.borrow_mut().push(remains));
            });
        }
        DEPTH.set(depth + 1);
        self.dismantle(drop);
        if depth == 0 {
            while let Ok(Some(remains)) = REMAINS.try_with(|list| list.borrow_mut().pop()) {
                drop(remains);
            }
        }
        DEPTH.set(depth);
    }
}
